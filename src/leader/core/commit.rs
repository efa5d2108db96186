//! A decision on its way to the keystore.

use super::{Effect, Leader};
use crate::audit::{Record, SCHEMA, public_form};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Decision, Event, Reading, State};
use crate::types::{Actor, Digest, Generation, Kid, Time};

/// One durable transaction: the state after a decision, its records, and what becomes of private halves.
#[derive(Debug)]
pub struct Commit {
    /// The state after the decision.
    pub state: State,
    /// The records, numbered.
    pub records: Vec<Record>,
    /// The lists of confirmations that the records name.
    pub lists: Vec<(Digest, Vec<u8>)>,
    /// New keys whose private half must be stored.
    pub keep: Vec<Kid>,
    /// The generation that the decision makes, if it makes one.
    pub generation: Option<Generation>,
}

impl Leader {
    /// Applies a decision and says how to make it durable; what it makes is published after that.
    pub(super) fn commit(&mut self, decision: &Decision, actor: &Actor, clock: Reading, effects: &mut Vec<Effect>) {
        if decision.is_empty() {
            return;
        }
        let (at, before) = (self.state.time(clock), self.state.head.generation);
        let ended = self.ended_by(decision);
        self.memories.note(decision);
        self.state.apply(&decision.events, at);
        let generation = Some(self.state.head.generation).filter(|generation| *generation != before);
        if generation.is_some() {
            (_, self.digest) = public_form(&self.state.key_set());
        }
        let records = decision
            .events
            .iter()
            .map(|event| self.record(event, actor, at, clock))
            .collect();
        let keep = kids(decision, |event| event.new_key().is_some());
        let destroyed = kids(decision, |event| matches!(event, Event::Destroyed { .. }));
        let (state, lists) = (self.state.clone(), decision.lists.clone());
        let cas: Vec<u32> = decision.events.iter().filter_map(destroyed_ca).collect();
        if !cas.is_empty() {
            effects.push(Effect::DestroyCas(cas));
        }
        if !destroyed.is_empty() {
            // Effects are carried out in order: what the record says has happened by then.
            effects.push(Effect::Destroy(destroyed));
        }
        if generation.is_some() && is_out(Mutant::R7PublishFirst) {
            effects.push(Effect::Publish);
        }
        effects.push(Effect::Commit(Box::new(Commit {
            state,
            records,
            lists,
            keep,
            generation,
        })));
        if decision.events.iter().any(Event::changes_cas) {
            effects.push(Effect::Certify);
        }
        if decision.events.contains(&Event::DistrustedAll) {
            self.making.clear();
        }
        if decision.events.iter().any(|event| matches!(event, Event::Adopted { .. })) {
            self.memories.followed();
        }
        for enrolment in ended {
            self.forget(enrolment, effects);
        }
        if generation.is_some() && !is_out(Mutant::R7PublishFirst) {
            effects.push(Effect::Publish);
        }
    }

    fn record(&mut self, event: &Event, actor: &Actor, time: Time, clock: Reading) -> Record {
        let seq = self.next_seq;
        self.next_seq = seq.next();
        let (event, actor, digest) = (event.clone(), actor.clone(), self.digest);
        let generation = self.state.head.generation;
        let clock = Some(clock.shows).filter(|shows| *shows != time);
        Record {
            schema: SCHEMA,
            seq,
            time,
            clock,
            actor,
            event,
            generation,
            digest,
        }
    }
}

fn destroyed_ca(event: &Event) -> Option<u32> {
    match event {
        Event::CaDestroyed { number } => Some(*number),
        _ => None,
    }
}

fn kids(decision: &Decision, is: impl Fn(&Event) -> bool) -> Vec<Kid> {
    decision
        .events
        .iter()
        .filter(|event| is(event))
        .filter_map(|event| event.kid().cloned())
        .collect()
}
