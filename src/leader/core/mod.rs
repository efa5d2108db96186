//! The leader as a step function: `(state, input, clock) -> (state, effects)`.
//!
//! Effects are values, carried out in order by the shell. A commit that fails ends the leader, so the core goes on as if every
//! effect before had succeeded: nothing is sent that is not durable (rule R7).

mod authority;
mod clones;
mod commit;
mod inputs;
mod memory;
mod refusals;
mod reports;
mod timekeeper;

#[cfg(test)]
mod r9_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use clones::Instances;
pub use commit::Commit;
pub use inputs::{Ask, Effect, Input, LastUp, Ticket};
use memory::Memories;
use reports::Reports;
use timekeeper::{Finding, Timekeeper};

use crate::audit::public_form;
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{
    Absence, Command, Decision, Event, Papers, Reading, Sighting, Sightings, State, Vote, decide, next_due, wanted,
};
use crate::types::{Actor, Digest, Enrolment, Generation, NodeName, Now, ProfileName, PublicKey, Seq, Span, Time};

/// What the leader knows.
#[derive(Debug, Clone)]
pub struct Leader {
    state: State,
    seen: Sightings,
    reports: Reports,
    unsettled: Sightings,
    answers: Vec<(NodeName, Enrolment, Time)>,
    making: BTreeMap<ProfileName, Making>,
    /// Whether a CA is being made.
    makes_ca: bool,
    /// What nodes have said of their papers since the last look.
    papers: BTreeMap<Enrolment, Papers>,
    /// The agents that have come.
    instances: Instances,
    /// The newest generation that each node has refused.
    refused: BTreeMap<Enrolment, Generation>,
    memories: Memories,
    asked: u64,
    next_seq: Seq,
    digest: Digest,
    refused_enrolments: u64,
    timekeeper: Timekeeper,
}

/// A key in the making.
#[derive(Debug, Clone, Copy)]
struct Making {
    serial: u64,
    asked_at: Time,
}

impl Leader {
    /// A leader that goes on from what was stored. It decides nothing before [`Input::Start`].
    #[must_use]
    pub fn new(state: State, seen: Sightings, next_seq: Seq) -> Self {
        let (_, digest) = public_form(&state.key_set());
        let (unsettled, answers, making) = (Sightings::new(), Vec::new(), BTreeMap::new());
        Self {
            state,
            seen,
            reports: Reports::default(),
            unsettled,
            answers,
            making,
            makes_ca: false,
            papers: BTreeMap::new(),
            instances: Instances::default(),
            refused: BTreeMap::new(),
            memories: Memories::default(),
            asked: 0,
            next_seq,
            digest,
            refused_enrolments: 0,
            timekeeper: Timekeeper::default(),
        }
    }

    /// The decided state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What nodes have confirmed, durably.
    #[must_use]
    pub fn seen(&self) -> &Sightings {
        &self.seen
    }

    /// How often a join token was refused since the start. Such callers are counted, not recorded (rule R7).
    #[must_use]
    pub fn refused_enrolments(&self) -> u64 {
        self.refused_enrolments
    }

    /// The enrolment of a node that is welcome: the node table holds its name with this very key.
    #[must_use]
    pub fn welcomes(&self, node: &NodeName, tls_key: Digest) -> Option<Enrolment> {
        let row = self.state.nodes.get(node).filter(|row| row.tls_key == tls_key)?;
        Some(row.enrolment)
    }

    /// Whether what belongs to this enrolment of a node may still be sent to it.
    #[must_use]
    pub fn is_enrolled(&self, node: &NodeName, enrolment: Enrolment) -> bool {
        self.state.nodes.get(node).is_some_and(|row| row.enrolment == enrolment)
    }

    /// What the leader's clock is worth.
    #[must_use]
    pub fn reading(&self, now: impl Into<Now>) -> Reading {
        self.timekeeper.reading(self.state.settings.clock_skew(), now.into())
    }

    /// That a leader is there now, for the term after this.
    #[must_use]
    pub fn up(&self, now: impl Into<Now>) -> LastUp {
        let now = now.into();
        let at = self.time(now);
        let right_until = self.timekeeper.right_until_at(&self.state, now);
        LastUp {
            at,
            right_until: right_until.min(at),
        }
    }

    /// How its clock stands against those of the nodes.
    #[must_use]
    pub fn vote(&self, now: impl Into<Now>) -> Vote {
        self.timekeeper.vote(&self.state, now.into())
    }

    /// The time that counts (rule R9).
    #[must_use]
    pub fn time(&self, now: impl Into<Now>) -> Time {
        self.state.time(self.reading(now))
    }

    /// How long until [`Input::Woke`] has something to do by time alone: a decision falls due, or the clock may be believed again.
    #[must_use]
    pub fn wakes_in(&self, now: impl Into<Now>) -> Option<Span> {
        let now = now.into();
        let (time, carried) = (self.time(now), self.reading(now).carried);
        let due = next_due(&self.state, &self.seen, time).map(|due| due.since(carried));
        due.into_iter().chain(self.timekeeper.changes_in(&self.state, now)).min()
    }

    /// How long the leader may go without looking for nodes that have been silent for too long.
    #[must_use]
    pub fn looks_every(&self) -> Span {
        Span((self.state.settings.straggler_after().0 / 100).clamp(200, 30_000))
    }

    /// The keys that were asked for and are not made yet: the profile of each, and the serial of its [`Effect::MakeKey`].
    pub fn in_the_making(&self) -> impl Iterator<Item = (&ProfileName, u64)> {
        self.making.iter().map(|(profile, making)| (profile, making.serial))
    }

    /// The number of the CA that was asked for and is not made yet.
    #[must_use]
    pub fn ca_in_the_making(&self) -> Option<u32> {
        self.makes_ca.then(|| self.state.authority.next_number())
    }

    /// Takes one input.
    pub fn step(&mut self, input: Input, now: impl Into<Now>) -> Vec<Effect> {
        let (mut effects, now) = (Vec::new(), now.into());
        match &input {
            Input::Start { last_up, .. } => {
                // A leader was there at the last record at least.
                let last_known = last_up.map(|last| LastUp {
                    at: last.at.max(self.state.last_record_at),
                    ..last
                });
                self.timekeeper.start(&self.state, last_known, now);
            }
            // Ten thousand nodes report in a row: the clocks are looked at once, after the last of them.
            Input::Report { .. } | Input::ForeignLog { .. } | Input::Shown { .. } | Input::Papers { .. } => {}
            _ => self.look(now, &mut effects),
        }
        let clock = self.reading(now);
        match input {
            Input::Start { last_up, settings } => {
                let last_up = last_up.map_or(self.state.last_record_at, |last| last.at);
                let last_up = Some(last_up).filter(|at| at.0 > 0);
                self.own(&Command::Start { last_up }, clock, &mut effects);
                if self.state.head.generation.0 > 0 {
                    effects.push(Effect::Publish);
                }
                self.own(&Command::Configure(settings), clock, &mut effects);
                self.look(now, &mut effects);
                self.work(now, &mut effects);
            }
            Input::Ask(ask) => self.ask(ask, now, &mut effects),
            Input::Refused { actor, request, refusal } => self.record_refusal(&actor, request, refusal, clock, &mut effects),
            Input::Report { node, enrolment, report } if self.is_enrolled(&node, enrolment) => {
                self.report(&node, enrolment, &report, clock, &mut effects);
                self.timekeeper.hear(enrolment, report.sent_at, now);
                let skew = self.state.settings.clock_skew();
                self.reports.take_in(node, enrolment, report, skew, now);
            }
            // Of an enrolment that has ended.
            Input::Report { .. } => {}
            Input::ForeignLog { enrolment, halt } => self.foreign_log(enrolment, halt, clock, &mut effects),
            Input::Shown { node, enrolment, shown } => self.shown(&node, enrolment, shown),
            Input::Came {
                node,
                enrolment,
                instance,
            } => self.came(&node, enrolment, instance, now, &mut effects),
            Input::Papers { enrolment, papers } => {
                self.papers.insert(enrolment, papers);
            }
            Input::CaMade { facts, certificate } => self.ca_made(facts, certificate, now, &mut effects),
            Input::CaFailed => self.makes_ca = false,
            Input::Settle => self.settle(now, &mut effects),
            Input::Settled => self.settled(now, &mut effects),
            Input::KeyMade { profile, serial, key } => self.key_made(profile, serial, key, now, &mut effects),
            Input::KeyFailed { profile, serial } => {
                self.take_making(&profile, serial);
            }
            Input::Woke => self.work(now, &mut effects),
        }
        effects
    }

    /// Looks at the clocks. What is found out is recorded before anything else is decided.
    fn look(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let findings = self.timekeeper.look(&self.state, now);
        if self.state.halted.is_some() {
            return;
        }
        for finding in findings {
            let command = match finding {
                Finding::StoodStill { from, until } => Command::StoodStill(Absence { from, until }),
                Finding::Confirmed {
                    doubted_since,
                    from,
                    to,
                    vote,
                } => {
                    self.reports.doubt();
                    Command::ClockConfirmed {
                        doubted_since,
                        from,
                        to,
                        vote,
                    }
                }
            };
            let clock = self.reading(now);
            self.own(&command, clock, effects);
        }
    }

    /// A command of the leader's own. A refusal is final: the shell has nobody to tell.
    fn own(&mut self, command: &Command, clock: Reading, effects: &mut Vec<Effect>) {
        match decide(&self.state, &self.seen, command, clock) {
            Ok(decision) => self.commit(&decision, &Actor::Schedule, clock, effects),
            Err(refusal) => effects.push(Effect::Note(refusal)),
        }
    }

    /// A key that was asked for before everything was reported compromised has another serial, or none, and is dropped.
    fn key_made(&mut self, profile: ProfileName, serial: u64, key: Box<PublicKey>, now: Now, effects: &mut Vec<Effect>) {
        let clock = self.reading(now);
        let kid = key.kid.clone();
        let decision = self.take_making(&profile, serial).and_then(|making| {
            let command = Command::KeyMade {
                profile,
                key,
                asked_at: making.asked_at,
            };
            decide(&self.state, &self.seen, &command, clock).ok()
        });
        match decision {
            Some(decision) => self.commit(&decision, &Actor::Schedule, clock, effects),
            None => effects.push(Effect::Drop(kid)),
        }
        self.work(now, effects);
    }

    fn take_making(&mut self, profile: &ProfileName, serial: u64) -> Option<Making> {
        let current = self.making.get(profile).is_some_and(|making| making.serial == serial);
        if current { self.making.remove(profile) } else { None }
    }

    /// A caller's command: its answer is sent once the decision, or the refusal, is durable.
    fn ask(&mut self, ask: Ask, now: Now, effects: &mut Vec<Effect>) {
        let clock = self.reading(now);
        let Ask {
            ticket,
            actor,
            request,
            command,
        } = ask;
        let command = self.completed(command);
        let answer = decide(&self.state, &self.seen, &command, clock);
        let decided = effects.len();
        match &answer {
            Ok(decision) => self.commit(decision, &actor, clock, effects),
            // Whoever shows a wrong join token is not authenticated, and could fill the log.
            Err(_) if matches!(command, Command::Enrol { .. }) => self.refused_enrolments += 1,
            Err(refusal) => self.record_refusal(&actor, request, refusal.to_string(), clock, effects),
        }
        let generation = self.state.head.generation;
        let reply = Effect::Reply {
            ticket,
            answer: answer.map(|decision| (decision, generation)),
        };
        let last = effects.len();
        effects.insert(if is_out(Mutant::R7ReplyFirst) { decided } else { last }, reply);
        self.work(now, effects);
    }

    /// Everything that is due: decisions until there are none, then the keys that are wanted.
    fn work(&mut self, now: Now, effects: &mut Vec<Effect>) {
        // An operator may have taken a node out, and enrolling one anew does: it is not asked for the time any more.
        self.timekeeper.count(&self.state, now);
        let mut clock = self.reading(now);
        while let Ok(decision) = decide(&self.state, &self.seen, &Command::Tick, clock) {
            if decision.is_empty() {
                break;
            }
            self.commit(&decision, &Actor::Schedule, clock, effects);
            // Who has left service is not asked for the time any more.
            self.timekeeper.count(&self.state, now);
            clock = self.reading(now);
        }
        for wanted in wanted(&self.state, &self.seen, clock) {
            let profile = wanted.profile;
            if !self.making.contains_key(&profile.name) {
                self.asked += 1;
                let making = Making {
                    serial: self.asked,
                    asked_at: self.state.time(clock),
                };
                self.making.insert(profile.name.clone(), making);
                effects.push(Effect::MakeKey {
                    profile: Box::new(profile),
                    serial: self.asked,
                });
            }
        }
        self.want_ca(effects);
    }

    /// The enrolments that end when `decision` is applied.
    fn ended_by(&self, decision: &Decision) -> Vec<Enrolment> {
        let of = |event: &Event| match event {
            Event::Enrolled { node, .. } => self.state.nodes.get(node).map(|row| row.enrolment),
            other => other.farewell().map(|farewell| farewell.enrolment),
        };
        decision.events.iter().filter_map(of).collect()
    }

    /// Forgets what was seen of an enrolment that has ended, whether it ever reported or not.
    fn forget(&mut self, enrolment: Enrolment, effects: &mut Vec<Effect>) {
        self.seen.remove(&enrolment);
        self.unsettled.remove(&enrolment);
        self.reports.forget(enrolment);
        self.papers.remove(&enrolment);
        self.instances.forget(enrolment);
        self.refused.remove(&enrolment);
        self.memories.forget(enrolment);
        self.timekeeper.forget(enrolment);
        effects.push(Effect::Forget(enrolment));
    }

    /// The sighting of a node by its name.
    #[must_use]
    pub fn sighting(&self, node: &NodeName) -> Option<&Sighting> {
        self.seen.get(&self.state.nodes.get(node)?.enrolment)
    }
}
