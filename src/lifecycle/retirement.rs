//! Rule R3, keep until expired: when the last token that a key may have signed is past its life.

use super::mutant::{Mutant, is_out};
use super::sightings::Sightings;
use super::state::{Key, State};
use crate::types::{NodeName, Span, Time};

/// How far a retiring key is from its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retirement {
    /// Nodes in service that may still sign with the key, as far as they said.
    pub missing: Vec<NodeName>,
    /// The last moment at which it may have signed; a floor while a node is missing.
    pub last_signature: Time,
    /// When the last token that it may have signed has expired everywhere; a floor while a node is missing.
    pub expired_at: Time,
}

impl Retirement {
    /// Of `key`, which retires since `since`.
    ///
    /// A node that joined after that never had the private half and is not waited for.
    #[must_use]
    pub fn of(state: &State, seen: &Sightings, key: &Key, since: Time) -> Self {
        let mut missing = Vec::new();
        let mut last_signature = key.signed_until.unwrap_or(since).max(since);
        for (name, node, _) in state.in_service().filter(|(_, node, _)| node.enrolled_at <= since) {
            match seen.get(&node.enrolment).and_then(|sighting| sighting.released(state, key)) {
                None if is_out(Mutant::R3Missing) => {}
                None => missing.push(name.clone()),
                Some(at) => last_signature = last_signature.max(at),
            }
        }
        let life = key.windows.token_lifetime + key.windows.clock_skew;
        let expired_at = last_signature + if is_out(Mutant::R3Wait) { Span(0) } else { life };
        Self {
            missing,
            last_signature,
            expired_at,
        }
    }
}
