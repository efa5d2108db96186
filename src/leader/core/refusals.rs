//! Refusals on record: of callers by the leader; and what nodes hold against it: a state that is further on, another log, or a generation
//! that they refuse.

use super::{Effect, Leader};
use crate::lifecycle::{Command, Decision, Event, Halt, Reading, Report, decide};
use crate::types::{Actor, Enrolment, NodeName};

impl Leader {
    /// Rule R7: refusals of authenticated callers are recorded.
    pub(super) fn record_refusal(
        &mut self,
        actor: &Actor,
        request: String,
        refusal: String,
        clock: Reading,
        effects: &mut Vec<Effect>,
    ) {
        let refused = Event::Refused {
            request: cut(request),
            refusal: cut(refusal),
        };
        self.commit(&Decision::from(vec![refused]), actor, clock, effects);
    }

    /// Rule R5: the leader decides nothing more, and says so once.
    pub(super) fn halt(&mut self, halt: Halt, clock: Reading, effects: &mut Vec<Effect>) {
        if self.state.halted.is_some() {
            return;
        }
        let actor = Actor::Node(halt.node.clone());
        match decide(&self.state, &self.seen, &Command::NodeAhead(halt), clock) {
            Ok(decision) => self.commit(&decision, &actor, clock, effects),
            Err(refusal) => effects.push(Effect::Note(refusal)),
        }
    }

    /// A generation that a node refuses is recorded once. Numbers that only rise and were made bound what one node can write.
    pub(super) fn record_node_refusal(
        &mut self,
        node: &NodeName,
        enrolment: Enrolment,
        report: &Report,
        clock: Reading,
        effects: &mut Vec<Effect>,
    ) {
        let head = self.state.head.generation;
        let known = self.refused.get(&enrolment).copied();
        let refused = report.refused.filter(|refused| *refused <= head && Some(*refused) > known);
        let (Some(generation), None) = (refused, &self.state.halted) else {
            return;
        };
        self.refused.insert(enrolment, generation);
        let words = report.problem.clone().unwrap_or_default();
        let request = format!("generation {generation}");
        self.record_refusal(&Actor::Node(node.clone()), request, words, clock, effects);
    }
}

/// The most characters of a caller's words, or of an answer to them, in a record.
const WORDS_CHARS: usize = 4000;

fn cut(words: String) -> String {
    match words.char_indices().nth(WORDS_CHARS) {
        None => words,
        Some((end, _)) => format!("{} …", &words[..end]),
    }
}
