//! A decision in the making: each event is applied to a copy of the state, so that the next one sees it.

use super::Decision;
use crate::lifecycle::event::Event;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::State;
use crate::types::Time;

pub(super) struct Draft<'a> {
    pub(super) state: State,
    pub(super) seen: &'a Sightings,
    pub(super) now: Time,
    pub(super) decision: Decision,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &State, seen: &'a Sightings, now: Time) -> Self {
        Self {
            state: state.clone(),
            seen,
            now,
            decision: Decision::default(),
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.state.evolve(&event, self.now);
        self.decision.push(event);
    }

    pub(super) fn remark(&mut self, remark: String) {
        self.decision.remarks.push(remark);
    }
}
