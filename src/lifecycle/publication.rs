//! Rule R1, publish before sign: whether every node in service has published a key for long enough.

use super::sightings::Sightings;
use super::state::{Key, State};
use crate::types::{NodeName, Span, Time};

/// How far a key's publication has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Nodes in service that have not confirmed a generation that publishes the key.
    pub missing: Vec<NodeName>,
    /// When the key will have stood in every JWKS for its `min_prepublish`; a floor while a node is missing.
    pub ready_at: Time,
}

impl Publication {
    /// Of `key`, as far as nodes have confirmed.
    ///
    /// It counts from the last moment at which a node in service may have served a set without the key: its confirmation or, for a
    /// node that left service without one, the moment it left. A node that came into service with the key adds no moment.
    #[must_use]
    pub fn of(state: &State, seen: &Sightings, key: &Key) -> Self {
        let mut missing = Vec::new();
        let mut last_without = key.unpublished_until;
        for (name, node, in_service_since) in state.in_service() {
            match seen
                .get(&node.enrolment)
                .and_then(|sighting| sighting.published.get(key.kid()))
            {
                None => missing.push(name.clone()),
                Some(at) if *at > in_service_since => last_without = last_without.max(*at),
                Some(_) => {}
            }
        }
        // Without the rule, to see that relying parties notice.
        let wait = if cfg!(feature = "test-schedule") {
            Span(0)
        } else {
            key.windows.min_prepublish
        };
        Self {
            missing,
            ready_at: last_without + wait,
        }
    }

    /// Whether the key may sign from `instant` on.
    #[must_use]
    pub fn holds_at(&self, instant: Time) -> bool {
        self.missing.is_empty() && self.ready_at <= instant
    }
}
