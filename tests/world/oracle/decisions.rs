//! What the leader decides, and what becomes of it: rules R5, R7, R8, R9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jkeys::leader::core::{Commit, Leader};
use jkeys::lifecycle::{Cause, Command, Event, Grounds, Phase, PrivateHalf, Report, Stage, Standing, State, Windows};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Actor, Enrolment, Generation, Kid, NodeName, Now, Reason, Span, Time};

use super::super::leader::Answer;
use super::super::node::Node;
use super::super::shown;
use super::super::store::Store;
use super::{Facts, Oracle, Row, Sealing, Term};

/// How many reports of a node are held against each other.
const HEARD: usize = 4;

impl Oracle {
    /// A leader's process has started.
    ///
    /// A clock that stands where a leader was last there is believed until nodes differ: whether the machine stood still meanwhile
    /// nobody can know.
    pub fn leader_started(&mut self, now: Time, clock: Time, last_up: Option<Time>, skew: Span) {
        let is_near = |up: &Time| up.distance(clock) <= skew;
        if last_up.as_ref().is_some_and(is_near) {
            self.followed_ahead_ms = ahead_ms(clock, now);
            self.older_ahead_ms.clear();
        }
        self.new_term(now);
        self.leader.carried_ahead_ms = last_up.filter(|up| !is_near(up)).map(|up| ahead_ms(up, now));
    }

    fn new_term(&mut self, now: Time) {
        self.leader = Term {
            started_at: now,
            ..Term::default()
        };
    }

    /// The leader's machine stood still for so long. What is within `clock_skew` is a step like another.
    pub fn leader_slept(&mut self, slept_ms: i64, skew: Span) {
        self.followed_ahead_ms -= slept_ms;
        let older = std::mem::take(&mut self.older_ahead_ms);
        self.older_ahead_ms = older.into_iter().map(|line| line - slept_ms).collect();
        if Span(slept_ms.unsigned_abs()) <= skew {
            self.settled_ahead_ms -= slept_ms;
        }
    }

    /// A leader whose machine stood still is told something by a node whose clock is wrong by as much: nobody can tell that from the right
    /// time, and what has been may be taken for that much longer ago.
    fn misled(&mut self, report: &Report, wall: Time, skew: Span) {
        let stood = u64::try_from(self.settled_ahead_ms - self.followed_ahead_ms).map_or(Span(0), Span);
        let step = stood - self.leader.misled_by;
        if stood > skew && report.sent_at.distance(wall) <= skew && step > Span(0) {
            self.leader.misled_by = stood;
            self.was_longer_ago(step);
        }
    }

    /// The leader is given a report, at this reading of its clocks.
    pub fn reported(&mut self, enrolment: Enrolment, report: &Report, durable: &State, clocks: Now) {
        let now = clocks.monotonic;
        self.misled(report, clocks.wall, durable.settings.clock_skew());
        if durable.nodes.values().any(|node| node.enrolment == enrolment) {
            self.leader.heard.insert(enrolment);
            let showed = self.leader.clocks.entry(enrolment).or_default();
            showed.push_back((report.sent_at, now));
            if showed.len() > HEARD {
                showed.pop_front();
            }
            if report.installed.as_ref().is_some_and(|installed| self.is_torn(installed)) {
                self.leader.torn.insert(enrolment);
            } else {
                self.leader.torn.remove(&enrolment);
            }
            let ahead = report.highest_epoch > durable.epoch || report.highest_generation > durable.head.generation;
            self.leader.told_of_a_later_leader |= ahead;
        }
    }

    /// A decision is made durable.
    pub fn decided(&mut self, before: &Store, commit: &Commit, clocks: Now, now: Time, nodes: &BTreeMap<NodeName, Node>) {
        let clock = clocks.wall;
        self.committed = commit.records.iter().map(|record| record.event.clone()).collect();
        let mut replayed = before.state.clone();
        let at = commit.records.first().map_or(clock, |record| record.time);
        replayed.apply(&self.committed, at);
        if replayed != commit.state {
            self.breaks("R7", "the records do not rebuild the state".to_owned());
        }
        if commit.records.iter().any(|record| record.time < before.state.last_record_at) {
            self.breaks(
                "R9",
                format!("a record of {at} follows one of {}", before.state.last_record_at),
            );
        }
        let (heard, differing) = self.vote(&before.state, clocks);
        let agreed = before.state.halted.is_some() && differing * 2 < heard;
        // Where there is nobody to ask there is nobody to harm; and one that is halted records no agreement of its nodes.
        if agreed || asked(&before.state).is_empty() {
            self.leader_clock_confirmed(ahead_ms(clock, now), before.state.settings.clock_skew());
        }
        self.check_record_time(&before.state, at, now);
        if self.committed.iter().any(|event| matches!(event, Event::Adopted { .. })) {
            self.adopted(&commit.state, now);
        }
        let by_schedule = commit.records.iter().all(|record| record.actor == Actor::Schedule);
        for event in self.committed.clone() {
            if by_schedule && is_of_the_schedule(&event) {
                self.check_hold(&event, &before.state, clocks, now);
            }
            if self.leader.told_of_a_later_leader && event.changes_nodes() {
                let how = format!("a leader that was set back, and told so, decided {}", event.name());
                self.breaks("R5", how);
            }
            self.take_in(&event, clocks, now, nodes, &before.state, &commit.state);
        }
    }

    /// An operator had the leader go on from an older state: what nodes know as gone is gone, and a new term begins.
    fn adopted(&mut self, after: &State, now: Time) {
        let heard = self
            .past
            .iter()
            .filter(|(enrolment, _)| self.leader.heard.contains(enrolment));
        // A key that was encrypted to leaves the JWKS long before it is gone. One that this leader dropped as unused, and that nodes
        // have gone on to under the leader that was lost, is served for their tokens, though not where it is known as gone.
        let signs = |kid: &&Kid| self.keys.contains_key(*kid) && !self.dropped_unused.contains(*kid);
        let mut gone = heard.flat_map(|(_, past)| &past.gone).filter(signs);
        if let Some(kid) = gone.find(|kid| after.keys.contains_key(*kid)).cloned() {
            self.breaks("R8", format!("{kid} comes back, and a node that was heard knows it as gone"));
        }
        let before = std::mem::take(&mut self.leader);
        self.new_term(now);
        self.leader.clocks = before.clocks;
        self.leader.carried_ahead_ms = before.carried_ahead_ms;
    }

    /// No record bears the time of a clock that is ahead and that most nodes have not agreed with: later ones could not go before it.
    fn check_record_time(&mut self, state: &State, at: Time, now: Time) {
        let agreed = self
            .committed
            .iter()
            .any(|event| matches!(event, Event::ClockConfirmed { .. }));
        let followed = shown(now, self.followed_ahead_ms.max(0));
        // The monotonic clock is followed in steps, so what is in line may be off by two such margins.
        // Time does not go back, also where a record was wrong: it goes on from there while nobody has agreed with the clock.
        let carried = state.last_record_at + now.since(self.leader.started_at).min(Span::hours(1));
        let ahead = at > followed + state.settings.clock_skew() * 2 && at > carried;
        // One that is halted records no agreement.
        if ahead && !agreed && state.halted.is_none() && state.in_service().next().is_some() {
            self.breaks("R9", format!("a record bears the time {at}, and it is {now}"));
        }
    }

    /// When the schedule must hold.
    fn check_hold(&mut self, event: &Event, state: &State, clocks: Now, now: Time) {
        let clock = clocks.wall;
        if let Some(doubt) = self.doubt(state, clocks, now) {
            self.breaks("R9", format!("{} while {doubt}", event.name()));
        }
        if clock + state.settings.clock_skew() < state.last_record_at {
            let how = format!("{} while the clock showed {clock}, before the last record", event.name());
            self.breaks("R9", how);
        }
        let silent = state
            .in_service()
            .find(|(_, node, _)| !self.leader.heard.contains(&node.enrolment));
        // What the leader counts by may have been set forward by as much as is no jump.
        let in_grace = now + state.settings.clock_skew() < self.leader.started_at + state.settings.start_grace();
        if let (true, Some((name, ..))) = (in_grace, silent) {
            let how = format!("{} right after a start, before node {name} had reported", event.name());
            self.breaks("R5", how);
        }
    }

    /// Why the leader's clock is not to be believed. Where no node is in service there is nobody to harm.
    fn doubt(&self, state: &State, clocks: Now, now: Time) -> Option<String> {
        let (skew, clock) = (state.settings.clock_skew(), clocks.wall);
        state.in_service().next()?;
        let (heard, differing) = self.vote(state, clocks);
        if differing * 2 > heard {
            return Some(format!(
                "{differing} of {heard} clocks heard differ from the leader's, {clock}"
            ));
        }
        let followed = shown(now, self.followed_ahead_ms);
        let left = clock.distance(followed) > skew && differing * 2 >= heard;
        left.then(|| format!("the leader's clock shows {clock}, it is {now}, and most nodes heard have not agreed with it"))
    }

    /// How many clocks of the nodes that are asked were heard, none of them too long ago, and how many of them differ from the
    /// leader's. Of the last few reports of a node the fastest counts: others may have been held up.
    fn vote(&self, state: &State, clocks: Now) -> (usize, usize) {
        let (clock, limit) = (clocks.wall, state.settings.straggler_after());
        let heard = asked(state).into_iter().filter_map(|node| {
            let heard = self.leader.clocks.get(&node.enrolment)?;
            let (_, last) = heard.back()?;
            let shows = heard.iter().map(|(showed, at)| *showed + (clocks.monotonic - *at)).max();
            shows.filter(|_| clocks.monotonic - *last <= limit)
        });
        let theirs: Vec<Time> = heard.collect();
        let differs = |theirs: &&Time| theirs.distance(clock) > state.settings.clock_skew();
        (theirs.len(), theirs.iter().filter(differs).count())
    }

    fn take_in(
        &mut self,
        event: &Event,
        clocks: Now,
        now: Time,
        nodes: &BTreeMap<NodeName, Node>,
        before: &State,
        after: &State,
    ) {
        self.take_in_sealing(event, before, after.head.generation);
        match event {
            Event::Prepublished { profile, key, windows } => {
                let facts = Facts {
                    profile: profile.clone(),
                    windows: *windows,
                    lacked_at: if self.anyone_in_service { now } else { Time(0) },
                    signed_at: None,
                    is_exempt: false,
                    is_revoked: false,
                };
                self.keys.insert(key.kid.clone(), facts);
            }
            Event::Activated { kid, cause, .. } => self.activated(kid, cause),
            Event::ClockConfirmed { to, .. } => {
                let (heard, differing) = self.vote(after, Now { wall: *to, ..clocks });
                if differing * 2 >= heard && !asked(before).is_empty() {
                    self.breaks(
                        "R9",
                        format!("the leader believes its clock, {to}, and {differing} of {heard} nodes do not"),
                    );
                }
                self.leader_clock_confirmed(ahead_ms(*to, now), after.settings.clock_skew());
            }
            Event::Revoked { kid, .. } => {
                if let Some(facts) = self.keys.get_mut(kid) {
                    facts.is_revoked = true;
                    self.profiles.entry(facts.profile.clone()).or_default().has_lost_a_key = true;
                }
            }
            Event::RevocationConfirmed { kid, .. } => {
                // A machine that was enrolled since is a new node, whatever is on its disk: it is not in service before that is gone.
                let revoked_at = before.revocations.get(kid).map_or(Time(0), |revocation| revocation.at);
                let is_asked = |row: &Row, node: &Node| row.tls_key == node.tls_key && row.enrolled_at <= revoked_at;
                let is_in = |node: &Node| after.nodes.get(&node.name).is_some_and(|row| is_asked(row, node));
                let is_kept = self.sealing.contains_key(kid) && self.revoked(kid, before) == Some(PrivateHalf::Kept);
                let has = |node: &Node| node.disk.publishes(kid) || !is_kept && node.disk.has(kid);
                if let Some(node) = nodes.values().find(|node| is_in(node) && has(node)) {
                    let how = format!("the revocation of {kid} counts as confirmed, and it is on node {}", node.name);
                    self.breaks("R8", how);
                }
            }
            Event::Removed { kid, last_signature, .. } => {
                self.removed.insert(kid.clone());
                if last_signature.is_none() {
                    self.dropped_unused.insert(kid.clone());
                }
            }
            Event::Discarded { kid, .. } => drop(self.removed.insert(kid.clone())),
            Event::Recovered {
                key,
                windows,
                inherited: true,
                ..
            } => self.recovered(&key.kid, windows),
            Event::EnteredService { node, enrolment } => {
                self.anyone_in_service = true;
                self.sent_away.remove(enrolment);
                self.past.entry(*enrolment).or_default().excused.clear();
                if self.leader.torn.contains(enrolment) {
                    self.breaks(
                        "R6",
                        format!("node {node} comes into service, and half a view is on its disk"),
                    );
                }
            }
            Event::Configured { settings } => {
                // What is gone already does not come back for a longer window, nor for a leader that was set back.
                let removed = &self.removed;
                let stands = |kid: &Kid| after.keys.contains_key(kid) && !removed.contains(kid);
                for (_, facts) in self.keys.iter_mut().filter(|(kid, _)| stands(kid)) {
                    if let Some(profile) = settings.profiles.get(&facts.profile) {
                        let life = &mut facts.windows.token_lifetime;
                        *life = profile.windows.token_lifetime.max(*life);
                    }
                    facts.windows.clock_skew = facts.windows.clock_skew.max(settings.clock_skew());
                }
                for (_, facts) in self.sealing.iter_mut().filter(|(kid, _)| stands(kid)) {
                    if let Some(profile) = settings.profiles.get(&facts.profile) {
                        let window = &mut facts.windows.decrypt_window;
                        *window = profile.windows.decrypt_window.max(*window);
                    }
                }
            }
            _ => {}
        }
    }

    /// A key that was made in the time that was lost is known anew: by which windows it was made, nobody can know, and what its profile
    /// has now counts.
    fn recovered(&mut self, kid: &Kid, windows: &Windows) {
        let counts = |before: &mut Windows| {
            *before = Windows {
                min_prepublish: before.min_prepublish,
                ..*windows
            };
        };
        if let Some(facts) = self.keys.get_mut(kid) {
            counts(&mut facts.windows);
        }
        if let Some(facts) = self.sealing.get_mut(kid) {
            counts(&mut facts.windows);
        }
    }

    /// What the revocation that counts does with the private half: one that the leader gave up when it was set back does not.
    fn revoked(&self, kid: &Kid, before: &State) -> Option<PrivateHalf> {
        let now = self.committed.iter().find_map(|event| match event {
            Event::Revoked {
                kid: revoked,
                private_half,
                ..
            } if revoked == kid => Some(*private_half),
            _ => None,
        });
        now.or_else(|| Some(before.revocations.get(kid)?.private_half))
    }

    fn take_in_sealing(&mut self, event: &Event, before: &State, generation: Generation) {
        match event {
            Event::Staged { profile, key, windows } => {
                let facts = Sealing {
                    profile: profile.clone(),
                    windows: *windows,
                    served_at: None,
                    is_published: false,
                    is_forced: false,
                    stolen_in: None,
                    is_destroyed: false,
                    is_unknown: false,
                };
                self.sealing.insert(key.kid.clone(), facts);
            }
            Event::Published { kid, grounds, .. } => self.unveiled(kid, grounds),
            Event::Recovered { key, .. } => {
                if let Some(facts) = self.sealing.get_mut(&key.kid) {
                    facts.is_unknown = false;
                }
            }
            Event::Unpublished { kid, .. } => {
                if let Some(facts) = self.sealing.get_mut(kid) {
                    facts.is_published = false;
                }
            }
            Event::Revoked {
                kid,
                reason,
                private_half,
                ..
            } => {
                let was_published = self.sealing.get(kid).is_some_and(|facts| facts.is_published);
                self.unsealed(kid, *private_half, before);
                if *reason == Reason::Compromised && was_published {
                    self.stolen_with(kid, generation);
                }
            }
            _ => {}
        }
    }

    /// An encryption key is published.
    fn unveiled(&mut self, kid: &Kid, grounds: &Grounds) {
        let was_forced = matches!(&self.request, Some(Command::RotateNow(request)) if request.force);
        let Some(facts) = self.sealing.get_mut(kid) else { return };
        facts.is_published = true;
        // One that was forced and given up, when the leader was set back, does not count for the next.
        facts.is_forced = matches!(grounds, Grounds::Forced { .. });
        if facts.stolen_in.is_some() {
            self.breaks("E1", format!("{kid} is published, and whoever stole a node knows it"));
        } else if facts.is_forced && !was_forced {
            self.breaks(
                "E1",
                format!("the publication of {kid} counts as forced, and nobody asked for that"),
            );
        }
    }

    /// An encryption key is revoked.
    fn unsealed(&mut self, kid: &Kid, private_half: PrivateHalf, before: &State) {
        let asked = match &self.request {
            Some(Command::Revoke { destroy, .. }) => *destroy,
            Some(Command::RotateNow(request)) => request.destroy,
            _ => false,
        };
        let Some(facts) = self.sealing.get_mut(kid) else { return };
        facts.is_published = false;
        let destroyed = private_half == PrivateHalf::Destroyed;
        // A leader that was set back does not know that it has published the key, and its operator wants it gone.
        let is_staged = before.keys.get(kid).is_some_and(|key| key.phase == Phase::Staged);
        facts.is_destroyed |= destroyed && (asked || is_staged || facts.served_at.is_none());
        if asked && !destroyed {
            self.breaks("R8", format!("the private half of {kid} is kept, and was to be destroyed"));
        }
    }

    /// After a theft, whoever stole a node knows the key that was to be the next, too.
    fn stolen_with(&mut self, kid: &Kid, generation: Generation) {
        let profile = self.sealing[kid].profile.clone();
        let others = self.sealing.values_mut().filter(|facts| facts.profile == profile);
        for facts in others.filter(|facts| !facts.is_published && facts.served_at.is_none()) {
            facts.stolen_in.get_or_insert(generation);
        }
    }

    fn activated(&mut self, kid: &Kid, cause: &Cause) {
        let Some(facts) = self.keys.get_mut(kid) else { return };
        facts.is_exempt |= !matches!(cause, Cause::Scheduled | Cause::Emergency { .. });
        let lost = self
            .profiles
            .get(&facts.profile)
            .is_some_and(|profile| profile.has_lost_a_key);
        match cause {
            Cause::Bootstrap if self.anyone_in_service => {
                self.breaks(
                    "R1",
                    format!("{kid} is the first key of its profile, in a fleet that is in service"),
                );
            }
            Cause::Compromised { .. } if !lost => {
                self.breaks("R1", format!("{kid} takes over from a revoked key, and there was none"));
            }
            _ => {}
        }
    }

    /// A caller is answered.
    pub fn replied(&mut self, answer: &Answer) {
        if let Ok((decision, _)) = answer
            && decision.events.iter().any(|event| !self.committed.contains(event))
        {
            self.breaks("R7", "a caller was told of a decision that was not durable".to_owned());
        }
    }

    /// A caller asks for something.
    pub fn asks(&mut self, command: &Command) {
        self.request = Some(command.clone());
    }

    /// What came of it.
    pub fn asked(&mut self, command: &Command, answer: Option<&Answer>, durable: &State) {
        self.request = None;
        if let (Command::Revoke { kid, .. }, Some(answer)) = (command, answer) {
            let set = durable.key_set();
            let stands = set.member(kid).is_some_and(|member| member.stage != Stage::Unpublished);
            if stands && durable.halted.is_none() {
                self.breaks("R8", format!("a revocation of {kid} was not carried out at once: {answer:?}"));
            }
        }
        if let (Command::EndNode { node, .. }, Some(answer)) = (command, answer)
            && durable.halted.is_none()
            && durable.nodes.contains_key(node)
        {
            self.breaks("R8", format!("node {node} was not taken out at once: {answer:?}"));
        }
    }

    /// A generation is sent.
    pub fn published(&mut self, bundle: &Arc<Bundle>) {
        let mut signing = BTreeSet::new();
        let taking_part = |stage: Stage| matches!(stage, Stage::Active | Stage::Published);
        for member in bundle.set.members.iter().filter(|member| taking_part(member.stage)) {
            if !signing.insert(&member.profile) {
                let how = format!(
                    "generation {} has two active keys in {}",
                    bundle.set.generation, member.profile
                );
                self.breaks("R4", how);
            }
        }
        self.sent.insert(bundle.digest, bundle.clone());
    }

    /// What the leader goes by must be what is durable.
    pub fn compare(&mut self, core: &Leader, store: &Store) {
        if core.seen() != &store.seen || core.state() != &store.state {
            self.breaks("R7", "the leader goes by what is not durable".to_owned());
        }
        self.committed.clear();
    }
}

/// The nodes that are asked what time it is: those in service, else those that were, else (where there ever was one) those that join.
fn asked(state: &State) -> Vec<&Row> {
    let those = |is_one: fn(&Standing) -> bool| -> Vec<&Row> {
        let nodes = state.nodes.values();
        nodes.filter(|node| is_one(&node.standing)).collect()
    };
    let in_service = those(|standing| matches!(standing, Standing::InService { .. }));
    let were = those(|standing| matches!(standing, Standing::Evicted { .. }));
    let join = those(|standing| matches!(standing, Standing::Joining));
    match (in_service.is_empty(), were.is_empty()) {
        (false, _) => in_service,
        (true, false) => were,
        (true, true) if state.ever_confirmed => join,
        (true, true) => vec![],
    }
}

/// What only the schedule decides, and not while it is held.
fn is_of_the_schedule(event: &Event) -> bool {
    match event {
        Event::Armed { .. } | Event::LeftService { .. } => true,
        Event::Activated { cause, .. } => *cause == Cause::Scheduled,
        Event::Removed { last_signature, .. } => last_signature.is_some(),
        Event::Published { grounds, .. } => matches!(grounds, Grounds::Scheduled { .. }),
        Event::Discarded { published_until, .. } => published_until.is_some(),
        _ => false,
    }
}

/// How far a clock is ahead of the time.
fn ahead_ms(clock: Time, now: Time) -> i64 {
    let apart = i64::try_from(clock.distance(now).0).unwrap_or(i64::MAX);
    if clock < now { -apart } else { apart }
}
