//! How long a node has been without an answer of its leader (rule R10).

use crate::types::{Now, Span};

/// It counts from the sending of the last report that the leader answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silence {
    /// An instant of the monotonic clock.
    since: Span,
    /// How long the node had been without an answer then.
    before: Span,
}

impl Silence {
    /// It lasts for so long already.
    pub(super) fn that_lasts(before: Span, now: Now) -> Self {
        Self {
            since: now.monotonic,
            before,
        }
    }

    /// A report was answered that was sent at this monotonic instant.
    pub(super) fn since(sent: Span) -> Self {
        Self {
            since: sent,
            before: Span(0),
        }
    }

    /// How long it lasts by now.
    #[must_use]
    pub fn lasts(self, now: Now) -> Span {
        self.before + (now.monotonic - self.since)
    }

    /// The monotonic instant at which it has lasted for `limit`.
    pub(super) fn reaches(self, limit: Span) -> Span {
        self.since + (limit - self.before)
    }
}
