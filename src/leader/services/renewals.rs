//! How often one node may ask for a certificate. Pure.
//!
//! Each certificate, and each refusal of one, is a record for ever, so a node that asks without end would fill the leader's disk. One that is
//! well asks once in ten days, and a node that was refused asks again ten minutes later.

use std::collections::BTreeMap;

use super::pace::Pace;
use crate::types::{Enrolment, Span};

const PACE: Pace = Pace {
    burst: 5,
    each: Span::mins(5),
};

/// The nodes that asked, each with the moment at which all of that is forgotten.
#[derive(Debug, Default)]
pub(super) struct Renewals(BTreeMap<Enrolment, Span>);

impl Renewals {
    /// A node asks at `now`, by the monotonic clock; if it may not yet, how long it has to wait.
    pub(super) fn admit(&mut self, node: Enrolment, now: Span) -> Result<(), Span> {
        self.0.retain(|_, forgotten| *forgotten > now);
        let forgotten = self.0.get(&node).copied().unwrap_or_default();
        PACE.admit(forgotten, now)?;
        self.0.insert(node, PACE.after_one_more(forgotten, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Span = Span::hours(1);

    #[test]
    fn a_node_that_asks_without_end_is_held_up_and_no_other() {
        let (mut renewals, busy, other) = (Renewals::default(), Enrolment(1), Enrolment(2));
        for _ in 0..PACE.burst {
            assert_eq!(renewals.admit(busy, NOW), Ok(()));
        }
        for _ in 0..1000 {
            assert_eq!(
                renewals.admit(busy, NOW),
                Err(PACE.each),
                "what is refused holds up no longer"
            );
        }
        assert_eq!(renewals.admit(other, NOW), Ok(()));
        assert_eq!(renewals.admit(busy, NOW + PACE.each), Ok(()));
        assert!(renewals.admit(busy, NOW + PACE.each).is_err());
    }

    #[test]
    fn a_node_that_asks_as_an_agent_does_is_never_held_up_and_is_forgotten() {
        let mut renewals = Renewals::default();
        for time in 0..1000 {
            assert_eq!(renewals.admit(Enrolment(1), NOW + Span::mins(10 * time)), Ok(()));
        }
        assert_eq!(renewals.admit(Enrolment(2), Span::hours(24 * 30)), Ok(()));
        assert_eq!(renewals.0.len(), 1, "what is over is forgotten");
    }
}
