//! Rule R9: what the leader's clock is worth at one instant.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::{Key, Phase};
use super::state::{Absence, State};
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

/// How the leader's clock stands against those of the nodes in service that it heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Vote {
    /// Nodes heard.
    pub heard: u64,
    /// Those of them whose clock differs by more than `clock_skew`.
    pub differing: u64,
}

impl Vote {
    /// Whether most nodes heard agree with the clock.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differing * 2 < self.heard
    }

    /// Whether most nodes heard differ from it.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.differing * 2 > self.heard
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Behind => "the leader's clock stands before the last record",
            Self::Jumped => "the leader's clock was set, or its machine stood still, and most nodes heard do not agree with it",
            Self::Unconfirmed => {
                "the leader's clock stands elsewhere than when a leader was last there, and most nodes heard have not agreed with it"
            }
            Self::Outvoted => "the leader's clock differs from those of most nodes",
        })
    }
}

impl State {
    /// Time goes on from `from` to `to`: nobody was there in between, and what was noted since the doubt began may really have
    /// happened as late as `to`. So it counts as of then: no key is used early (rule R1), and none is removed early (rules R3 and E2).
    pub(super) fn move_on(&mut self, doubted_since: Time, from: Time, to: Time) {
        self.absences.push(Absence { from, until: to });
        if self.started_at >= doubted_since {
            self.started_at = to;
        }
        for key in self.keys.values_mut() {
            key.move_on(doubted_since, to);
        }
    }
}

impl Key {
    fn move_on(&mut self, doubted_since: Time, to: Time) {
        let noted = |at: &Time| *at >= doubted_since;
        if noted(&self.unpublished_until) {
            self.unpublished_until = to;
        }
        if self.signed_until.as_ref().is_some_and(noted) {
            self.signed_until = Some(to);
        }
        match &mut self.phase {
            Phase::Active { since, retire_at: until }
            | Phase::Published {
                since,
                replace_at: until,
            } if noted(since) => {
                *until = to + until.since(*since);
                *since = to;
            }
            Phase::Retiring { since, .. } if noted(since) => self.signed_until = Some(to),
            Phase::Unpublished { since, served_until, .. } if noted(since) || noted(served_until) => *served_until = to,
            _ => {}
        }
    }
}
