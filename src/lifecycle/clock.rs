//! Rule R9: what the leader's clock is worth at one instant.

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::types::Time;

/// What the leader knows of the time at one instant. A bare [`Time`] is a clock that nobody doubts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What its wall clock shows.
    pub shows: Time,
    /// What it goes by: the wall clock or, while that is in doubt, the time before the doubt, carried on by the monotonic clock.
    pub carried: Time,
    /// Why the schedule must not go by the clock.
    pub doubt: Option<Doubt>,
}

/// Why the leader's clock is questioned, not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It stands before the last record.
    Behind,
    /// It has left the monotonic clock: it was set, or the machine stood still.
    Jumped,
    /// It stands elsewhere than when a leader was last there, and most nodes heard since the start have not yet agreed with it.
    Unconfirmed,
    /// It differs from the clocks of most nodes heard.
    Outvoted,
}

impl From<Time> for Reading {
    fn from(clock: Time) -> Self {
        Self {
            shows: clock,
            carried: clock,
            doubt: None,
        }
    }
}

impl Reading {
    /// Why the clock is in doubt, seen against the last record too.
    #[must_use]
    pub fn doubt_in(&self, state: &State) -> Option<Doubt> {
        let behind = self.shows + state.settings.clock_skew() < state.last_record_at;
        self.doubt.or(behind.then_some(Doubt::Behind))
    }
}
