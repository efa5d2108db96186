//! How often something may be done. Pure.

use crate::types::Span;

/// So many times in a row, and then once in each span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many times in a row.
    pub(super) burst: u64,
    /// How long it takes until one of them is forgotten.
    pub(super) each: Span,
}

impl Pace {
    /// Whether it may be done at `now`, by the monotonic clock, where all of what was done is `forgotten` at that moment; if not, how long
    /// to wait.
    pub(super) fn admit(self, forgotten: Span, now: Span) -> Result<(), Span> {
        let over = (forgotten - now) - Span(self.each.0 * (self.burst - 1));
        if over > Span(0) { Err(over) } else { Ok(()) }
    }

    /// The moment at which all of it is forgotten, now that it was done once more.
    pub(super) fn after_one_more(self, forgotten: Span, now: Span) -> Span {
        forgotten.max(now) + self.each
    }
}
