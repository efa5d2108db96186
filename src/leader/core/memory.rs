//! What nodes have told in this term of what they remember (rule R5). It is not stored: after a start they tell it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Effect, Leader};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Adopt, Command, Decision, Event, Halt, KeySet, Reading, Report, Shown, Told};
use crate::types::{Enrolment, Kid, NodeName};

/// What each enrolment has told.
#[derive(Debug, Clone, Default)]
pub(super) struct Memories {
    told: BTreeMap<Enrolment, Told>,
    /// The generations that were shown, each once: most nodes hold the same.
    sets: Vec<Arc<KeySet>>,
    /// The keys that went for good since the process began: after a node showed them, perhaps.
    gone: BTreeSet<Kid>,
}

impl Memories {
    fn of(&mut self, enrolment: Enrolment) -> &mut Told {
        self.told.entry(enrolment).or_default()
    }

    /// Takes in a report.
    pub(super) fn hear(&mut self, enrolment: Enrolment, report: &Report) {
        let told = self.of(enrolment);
        (told.epoch, told.generation) = (report.highest_epoch, report.highest_generation);
        told.refused = report.refused;
        told.gone.clone_from(&report.gone);
        told.foreign = told.foreign.filter(|head| report.checkpoint == Some(*head));
    }

    fn show(&mut self, enrolment: Enrolment, mut shown: Shown) {
        match self.sets.iter().find(|set| **set == shown.set) {
            Some(known) => shown.set = known.clone(),
            None => self.sets.push(shown.set.clone()),
        }
        self.of(enrolment).shown = Some(shown);
        self.sweep();
    }

    pub(super) fn forget(&mut self, enrolment: Enrolment) {
        self.told.remove(&enrolment);
        self.sweep();
    }

    /// What nodes showed has been followed. Who still refuses shows it anew, and it is held against the log as it is then.
    pub(super) fn followed(&mut self) {
        for told in self.told.values_mut() {
            told.shown = None;
        }
        self.sets.clear();
    }

    /// A decision was taken.
    pub(super) fn note(&mut self, decision: &Decision) {
        let ends = decision.events.iter().filter(|event| event.ends_key());
        self.gone.extend(ends.filter_map(Event::kid).cloned());
    }

    /// What nodes have told, by what is gone now.
    fn as_told(&self) -> BTreeMap<Enrolment, Told> {
        let mut all = self.told.clone();
        for shown in all.values_mut().filter_map(|told| told.shown.as_mut()) {
            let gone = self.gone.iter().filter(|kid| shown.set.member(kid).is_some());
            shown.gone_here.extend(gone.cloned());
        }
        all
    }

    /// Drops generations that no node shows any more.
    fn sweep(&mut self) {
        let shown = |set: &Arc<KeySet>| {
            self.told
                .values()
                .filter_map(|told| told.shown.as_ref())
                .any(|told| Arc::ptr_eq(&told.set, set))
        };
        let kept = self.sets.iter().filter(|set| shown(set)).cloned().collect();
        self.sets = kept;
    }
}

impl Leader {
    /// A request of an operator, with what only the leader knows.
    #[must_use]
    pub fn completed(&self, command: Command) -> Command {
        match command {
            Command::Adopt(request) => Command::Adopt(Adopt {
                told: self.memories.as_told(),
                seq: self.next_seq,
                ..request
            }),
            command => command,
        }
    }

    /// A node shows what it holds.
    pub(super) fn shown(&mut self, node: &NodeName, enrolment: Enrolment, shown: Shown) {
        if self.is_enrolled(node, enrolment) {
            self.memories.show(enrolment, shown);
        }
    }

    /// A node remembers a checkpoint that is not in the log.
    pub(super) fn foreign_log(&mut self, enrolment: Enrolment, halt: Halt, clock: Reading, effects: &mut Vec<Effect>) {
        if !self.is_enrolled(&halt.node, enrolment) {
            return;
        }
        self.memories.of(enrolment).foreign = halt.checkpoint;
        // It may have been given up while this was on its way.
        let is_given_up = halt.checkpoint.is_some_and(|head| self.state.given_up_by(head).is_some());
        if !is_given_up && !self.state.disbelieved.contains(&enrolment) {
            self.halt(halt, clock, effects);
        }
    }

    /// Whether a node has seen a leader that was further on, and is believed.
    pub(super) fn is_ahead(&self, enrolment: Enrolment, report: &Report) -> bool {
        let ahead = report.highest_epoch > self.state.epoch || report.highest_generation > self.state.head.generation;
        ahead && !self.state.disbelieved.contains(&enrolment) && !is_out(Mutant::R5Halt)
    }
}
