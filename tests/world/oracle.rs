//! What really happened, and what must never happen. The oracle knows what nodes really served and signed with, what was made durable
//! and what was sent. It does not know how the rules count.
//!
//! Relying parties are not drawn one by one. Of each key it is known when a node in service last served a set without it, and when one
//! last signed with it; so what any relying party could have fetched, cached and been sent is known too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jkeys::leader::core::{Commit, Leader};
use jkeys::lifecycle::{Cause, Command, Event, KeySet, Report, Stage, Standing, State, Windows};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Actor, Digest, Enrolment, Epoch, Generation, Kid, NodeName, ProfileName, Time};

use super::World;
use super::leader::{Answer, Store};
use super::node::{Node, STARTS_WITHIN};

/// The truth so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// The first thing that must never happen and did.
    pub broken: Option<Broken>,
    keys: BTreeMap<Kid, Facts>,
    profiles: BTreeMap<ProfileName, Standards>,
    /// Every generation that was sent and that some node may hold.
    sent: BTreeMap<Digest, Arc<Bundle>>,
    past: BTreeMap<Enrolment, Past>,
    leader: Term,
    /// What was committed in the decision that is being carried out.
    committed: Vec<Event>,
    anyone_in_service: bool,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Such as `R1`.
    pub rule: &'static str,
    /// What happened.
    pub how: String,
}

/// What is true of one key.
#[derive(Debug, Clone)]
struct Facts {
    profile: ProfileName,
    windows: Windows,
    /// When a node in service last served a set without it.
    lacked_at: Time,
    /// When a node in service last signed with it.
    signed_at: Option<Time>,
    /// Whether its activation is recorded as an exception to rule R1.
    is_exempt: bool,
    is_revoked: bool,
}

/// What is true of one profile.
#[derive(Debug, Clone, Default)]
struct Standards {
    has_lost_a_key: bool,
}

/// What a node has been through.
#[derive(Debug, Clone, Default)]
struct Past {
    epoch: Epoch,
    generation: Generation,
    digest: Option<Digest>,
    switches: BTreeSet<Kid>,
    served: BTreeSet<Kid>,
    kids: BTreeSet<Kid>,
    gone: BTreeSet<Kid>,
}

/// What the leader that runs has been through.
#[derive(Debug, Clone, Default)]
struct Term {
    started_at: Time,
    heard: BTreeSet<Enrolment>,
    told_of_a_later_leader: bool,
}

impl Oracle {
    /// Notes that a rule was broken; the first time counts.
    pub fn breaks(&mut self, rule: &'static str, how: String) {
        self.broken.get_or_insert(Broken { rule, how });
    }

    /// A leader's process has started.
    pub fn leader_started(&mut self, clock: Time) {
        self.leader = Term {
            started_at: clock,
            ..Term::default()
        };
    }

    /// The leader is given a report.
    pub fn reported(&mut self, enrolment: Enrolment, report: &Report, durable: &State) {
        if durable.nodes.values().any(|node| node.enrolment == enrolment) {
            self.leader.heard.insert(enrolment);
            let ahead = report.highest_epoch > durable.epoch || report.highest_generation > durable.head.generation;
            self.leader.told_of_a_later_leader |= ahead;
        }
    }

    /// A decision is made durable.
    pub fn decided(&mut self, before: &Store, commit: &Commit, clock: Time, now: Time, nodes: &BTreeMap<NodeName, Node>) {
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
        let by_schedule = commit.records.iter().all(|record| record.actor == Actor::Schedule);
        for event in self.committed.clone() {
            if by_schedule && is_of_the_schedule(&event) {
                self.check_hold(&event, &before.state, clock);
            }
            if self.leader.told_of_a_later_leader && event.changes_nodes() {
                let how = format!("a leader that was set back, and told so, decided {}", event.name());
                self.breaks("R5", how);
            }
            self.take_in(&event, now, nodes, &commit.state);
        }
    }

    /// When the schedule must hold.
    fn check_hold(&mut self, event: &Event, state: &State, clock: Time) {
        if clock + state.settings.clock_skew() < state.last_record_at {
            let how = format!("{} while the clock showed {clock}, before the last record", event.name());
            self.breaks("R9", how);
        }
        let silent = state
            .in_service()
            .find(|(_, node, _)| !self.leader.heard.contains(&node.enrolment));
        let in_grace = state.time(clock) < self.leader.started_at + state.settings.start_grace();
        if let (true, Some((name, ..))) = (in_grace, silent) {
            let how = format!("{} right after a start, before node {name} had reported", event.name());
            self.breaks("R5", how);
        }
    }

    fn take_in(&mut self, event: &Event, now: Time, nodes: &BTreeMap<NodeName, Node>, after: &State) {
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
            Event::Revoked { kid, .. } => {
                if let Some(facts) = self.keys.get_mut(kid) {
                    facts.is_revoked = true;
                    self.profiles.entry(facts.profile.clone()).or_default().has_lost_a_key = true;
                }
            }
            Event::RevocationConfirmed { kid, .. } => {
                let is_in = |node: &Node| after.nodes.get(&node.name).is_some_and(|row| row.tls_key == node.tls_key);
                if let Some(node) = nodes.values().find(|node| is_in(node) && node.disk.has(kid)) {
                    let how = format!("the revocation of {kid} counts as confirmed, and it is on node {}", node.name);
                    self.breaks("R8", how);
                }
            }
            Event::EnteredService { .. } => self.anyone_in_service = true,
            Event::Configured { settings } => {
                for facts in self.keys.values_mut() {
                    if let Some(profile) = settings.profiles.get(&facts.profile) {
                        let life = &mut facts.windows.token_lifetime;
                        *life = profile.windows.token_lifetime.max(*life);
                    }
                    facts.windows.clock_skew = facts.windows.clock_skew.max(settings.clock_skew());
                }
            }
            _ => {}
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

    /// What came of a caller's request.
    pub fn asked(&mut self, command: &Command, answer: Option<&Answer>, durable: &State) {
        if let (Command::Revoke { kid, .. }, Some(answer)) = (command, answer) {
            let stands = durable.keys.contains_key(kid);
            if stands && durable.halted.is_none() {
                self.breaks("R8", format!("a revocation of {kid} was not carried out at once: {answer:?}"));
            }
        }
    }

    /// A generation is sent.
    pub fn published(&mut self, bundle: &Arc<Bundle>) {
        let mut signing = BTreeSet::new();
        for member in bundle.set.members.iter().filter(|member| member.stage == Stage::Active) {
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

    /// Forgets what can't matter any more: generations that no node holds, and keys whose last token has expired long ago.
    fn forget(&mut self, nodes: &BTreeMap<NodeName, Node>, state: &State, now: Time) {
        let remembered = |node: &Node| Some(node.disk.trusted.as_ref()?.newest.as_ref()?.digest);
        let held: BTreeSet<Digest> = nodes.values().filter_map(remembered).collect();
        let newest = state.head.generation;
        self.sent
            .retain(|digest, bundle| held.contains(digest) || bundle.set.generation >= newest);
        self.past
            .retain(|enrolment, _| state.nodes.values().any(|node| node.enrolment == *enrolment));
        let signs = |kid: &Kid| {
            nodes
                .values()
                .any(|node| node.server.signing.contains(kid) || node.disk.has(kid))
        };
        self.keys.retain(|kid, facts| {
            let lives = facts.signed_at.is_some_and(|at| at + facts.windows.interval > now);
            state.keys.contains_key(kid) || lives || signs(kid)
        });
    }

    /// What the leader goes by must be what is durable.
    pub fn compare(&mut self, core: &Leader, store: &Store) {
        if core.seen() != &store.seen || core.state() != &store.state {
            self.breaks("R7", "the leader goes by what is not durable".to_owned());
        }
        self.committed.clear();
    }

    /// One node in service serves and signs, now.
    fn serves(&mut self, enrolment: Enrolment, node: &Node, now: Time) {
        let Some(published) = &node.server.published else { return };
        let mut broken = None;
        let past = self.past.entry(enrolment).or_default();
        for (kid, facts) in self.keys.iter_mut().filter(|(_, facts)| !facts.is_revoked) {
            let Facts { windows, lacked_at, .. } = facts;
            if node.server.signing.contains(kid) {
                if !facts.is_exempt && *lacked_at + windows.min_prepublish > now {
                    let how = format!(
                        "node {} signs with {kid}, and a set without it was served at {lacked_at}",
                        node.name
                    );
                    broken.get_or_insert(("R1", how));
                }
                facts.signed_at = Some(now);
            }
            if published.contains(kid) {
                continue;
            }
            *lacked_at = now;
            let lives_until = facts.signed_at.map(|at| at + windows.token_lifetime + windows.clock_skew);
            // A key that signed by a recorded exception may not have come to every node yet.
            let had_it = !facts.is_exempt || past.served.contains(kid);
            if had_it && lives_until.is_some_and(|until| until > now) {
                let how = format!(
                    "node {} serves a set without {kid}, whose tokens live until {lives_until:?}",
                    node.name
                );
                broken.get_or_insert(("R3", how));
            }
        }
        past.served.extend(published.iter().cloned());
        past.served.retain(|kid| self.keys.contains_key(kid));
        if let Some((rule, how)) = broken {
            self.breaks(rule, how);
        }
    }

    /// What is live on a node must be newer than all before, and have one signer.
    fn lives(&mut self, enrolment: Enrolment, node: &Node) {
        let Some(live) = &node.disk.live else { return };
        let past = self.past.entry(enrolment).or_default();
        let newest = node.disk.trusted.as_ref().and_then(|trusted| trusted.newest.as_ref());
        let remembered = newest.is_some_and(|newest| {
            let same = newest.generation == live.id.generation;
            newest.generation > live.id.generation || same && live.id.switches.is_subset(&newest.switches)
        });
        let cached = node
            .disk
            .cache
            .as_ref()
            .filter(|cache| cache.set.generation == live.id.generation);
        let (epoch, digest) = cached.map_or((past.epoch, past.digest), |cache| (cache.set.epoch, Some(cache.digest)));
        let same = live.id.generation == past.generation;
        let problem = if !remembered {
            Some(format!("uses generation {} before it remembers it", live.id.generation))
        } else if live.id.generation < past.generation || epoch < past.epoch {
            Some(format!("went back to generation {} of epoch {epoch}", live.id.generation))
        } else if same && past.digest.is_some() && digest != past.digest {
            Some(format!("holds another generation {} than before", live.id.generation))
        } else if same && !past.switches.is_subset(&live.id.switches) {
            Some("has undone a switch".to_owned())
        } else {
            live.published
                .intersection(&past.gone)
                .next()
                .map(|kid| format!("publishes {kid} again"))
        };
        past.gone.extend(past.kids.difference(&live.published).cloned());
        past.kids.clone_from(&live.published);
        (past.epoch, past.generation, past.digest) = (epoch, live.id.generation, digest);
        past.switches.clone_from(&live.id.switches);
        if let Some(problem) = problem {
            self.breaks("R5", format!("node {} {problem}", node.name));
        }
        if let Some(cached) = cached {
            self.check_signer(node, &cached.set.clone());
        }
    }

    fn check_signer(&mut self, node: &Node, set: &KeySet) {
        let Some(live) = &node.disk.live else { return };
        let mut signers: BTreeMap<&ProfileName, usize> = BTreeMap::new();
        for member in &set.members {
            let signs = usize::from(live.signing.contains(&member.public.kid));
            if member.stage == Stage::Active || signs > 0 {
                *signers.entry(&member.profile).or_default() += signs;
            }
        }
        if let Some((profile, count)) = signers.into_iter().find(|(_, count)| *count != 1) {
            let how = format!("node {} has {count} keys that sign in {profile}", node.name);
            self.breaks("R4", how);
        }
    }

    /// What is armed on a node must be active when its time has come (rule R10), whether its leader is there or not. The time is the
    /// node's own, or what the leader last said where the two are too far apart (rule R2).
    fn check_on_time(&mut self, node: &Node, now: Time) {
        let newest = node.disk.trusted.as_ref().and_then(|trusted| trusted.newest.as_ref());
        let (Some(agent), Some(newest)) = (&node.agent, newest) else {
            return;
        };
        let Some(bundle) = self.sent.get(&newest.digest) else { return };
        let (skew, clocks) = (bundle.set.clock_skew, node.clocks(now));
        let starts = node.agent_started + STARTS_WITHIN > now;
        if starts || node.stalled.is_some() || !keeps_up(node, now) {
            return;
        }
        let leaders = agent.status(clocks).leader_time;
        let time = leaders
            .filter(|time| time.distance(clocks.wall) > skew)
            .unwrap_or(clocks.wall);
        let late = |activate_at: Time| activate_at + skew * 2 < time;
        let due = bundle
            .set
            .members
            .iter()
            .filter(|member| matches!(member.stage, Stage::Armed { activate_at } if late(activate_at)));
        let signing = node.disk.live.as_ref().map(|live| live.signing.clone()).unwrap_or_default();
        let missed = due.map(|member| member.public.kid.clone()).find(|kid| !signing.contains(kid));
        if let Some(kid) = missed {
            self.breaks(
                "R10",
                format!("node {} does not sign with {kid}, which is armed and due", node.name),
            );
        }
    }
}

/// What only the schedule decides, and not while it is held.
fn is_of_the_schedule(event: &Event) -> bool {
    match event {
        Event::Armed { .. } | Event::LeftService { .. } => true,
        Event::Activated { cause, .. } => *cause == Cause::Scheduled,
        Event::Removed { last_signature, .. } => last_signature.is_some(),
        _ => false,
    }
}

impl World {
    /// Notes what is so at this moment.
    pub fn witness(&mut self) {
        for node in self.nodes.values() {
            let row = self.leader.store.state.nodes.get(&node.name);
            let Some(row) = row.filter(|row| row.tls_key == node.tls_key) else {
                continue;
            };
            self.oracle.lives(row.enrolment, node);
            if matches!(row.standing, Standing::InService { .. }) {
                self.oracle.serves(row.enrolment, node, self.now);
            }
        }
    }

    /// What must be so once nothing moves any more.
    pub fn check_quiet(&mut self) {
        let (newest, now) = (self.leader.generation(), self.now);
        self.oracle.forget(&self.nodes, &self.leader.store.state, now);
        for node in self.nodes.values() {
            self.oracle.check_on_time(node, now);
            let well = node.link.stream.is_some() && !node.link.is_held && node.disk.mood == super::disk::Mood::Works;
            let knows = node
                .disk
                .trusted
                .as_ref()
                .map_or(Generation(0), jkeys::agent::core::Trusted::generation);
            let settled = well && node.agent.is_some() && self.leader.core.is_some();
            if settled && knows < newest && keeps_up(node, now) {
                let how = format!(
                    "generation {newest} is durable, and node {}, which is there, was not sent it",
                    node.name
                );
                self.oracle.breaks("R7", how);
            }
        }
    }
}

/// Whether nothing keeps a node from going on.
fn keeps_up(node: &Node, now: Time) -> bool {
    let status = node.agent.as_ref().map(|agent| agent.status(node.clocks(now)));
    status.is_some_and(|status| status.problem.is_none())
}
