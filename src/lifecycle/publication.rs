//! Rule R1, publish before sign: whether every node in service has published a key for long enough.

use super::mutant::{Mutant, is_out};
use super::sightings::{Sighting, Sightings};
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

/// How a node in service has served a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnNode {
    /// Not, as far as it confirmed.
    Missing,
    /// Since this moment of its service.
    Since(Time),
    /// Since before it came into service.
    Always,
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
            match Self::on(seen.get(&node.enrolment), key, in_service_since) {
                OnNode::Missing if !is_out(Mutant::R1Missing) => missing.push(name.clone()),
                OnNode::Since(at) if !is_out(Mutant::R1Confirmed) => last_without = last_without.max(at),
                OnNode::Missing | OnNode::Since(_) | OnNode::Always => {}
            }
        }
        let wait = if is_out(Mutant::R1) {
            Span(0)
        } else {
            key.windows.min_prepublish
        };
        Self {
            missing,
            ready_at: last_without + wait,
        }
    }

    /// How a node that came into service at `since` has served `key`.
    pub(super) fn on(sighting: Option<&Sighting>, key: &Key, since: Time) -> OnNode {
        match sighting.and_then(|sighting| sighting.published.get(key.kid())) {
            None => OnNode::Missing,
            Some(at) if *at > since => OnNode::Since(*at),
            Some(_) => OnNode::Always,
        }
    }

    /// Whether the key may sign from `instant` on.
    #[must_use]
    pub fn holds_at(&self, instant: Time) -> bool {
        self.missing.is_empty() && self.ready_at <= instant
    }
}
