//! What the leader does about the fleet's CAs, and about what nodes say of their papers.

use super::{Effect, Leader};
use crate::lifecycle::{CaFacts, Command, State};
use crate::types::{Enrolment, Now};

impl Leader {
    /// A CA that was asked for is made, once at a time.
    pub(super) fn want_ca(&mut self, effects: &mut Vec<Effect>) {
        let State { authority, halted, .. } = &self.state;
        if authority.asked && halted.is_none() && !self.makes_ca {
            let number = authority.next_number();
            effects.push(Effect::MakeCa { number });
            self.makes_ca = true;
        }
    }

    pub(super) fn ca_made(&mut self, facts: CaFacts, certificate: String, now: Now, effects: &mut Vec<Effect>) {
        self.makes_ca = false;
        let clock = self.reading(now);
        self.own(&Command::CaMade { facts, certificate }, clock, effects);
        self.work(now, effects);
    }

    /// What nodes said of their papers becomes part of what was seen of them. Of a node that has not reported yet it waits.
    pub(super) fn settle_papers(&mut self) {
        let is_enrolled = |enrolment: &Enrolment| self.state.nodes.values().any(|row| row.enrolment == *enrolment);
        let mut waiting = std::mem::take(&mut self.papers);
        waiting.retain(|enrolment, papers| {
            let before = self.unsettled.get(enrolment).or_else(|| self.seen.get(enrolment));
            let Some(before) = before else {
                return is_enrolled(enrolment);
            };
            let mut sighting = before.clone();
            sighting.papers = Some(papers.clone());
            self.unsettled.insert(*enrolment, sighting);
            false
        });
        self.papers = waiting;
    }
}
