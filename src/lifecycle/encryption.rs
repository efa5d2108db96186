//! Rules E1 and E2: when an encryption key may be published, and when its private half may go.

use super::key::{Key, Phase};
use super::mutant::{Mutant, is_out};
use super::sightings::Sightings;
use super::state::State;
use crate::types::{Enrolment, KeyUse, Kid, NodeName, Span, Time};

/// How far a staged key is from its publication (rule E1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// Nodes in service that have not confirmed its private half.
    pub missing: Vec<NodeName>,
}

impl Staging {
    /// Of `key`, as far as nodes have confirmed.
    #[must_use]
    pub fn of(state: &State, seen: &Sightings, key: &Key) -> Self {
        let holds = |enrolment| {
            seen.get(enrolment)
                .is_some_and(|sighting| sighting.decrypting.contains_key(key.kid()))
        };
        let waited_for = state.in_service().filter(|_| !is_out(Mutant::E1Missing));
        let missing = waited_for.filter(|(_, node, _)| !holds(&node.enrolment));
        Self {
            missing: missing.map(|(name, ..)| name.clone()).collect(),
        }
    }

    /// Whether the key may be published: whatever a relying party encrypts to it, every node in service can open.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Whether a node may serve beside others (rule E1): it opens what relying parties encrypt, or did lately, as far as any of them does. A
/// key that the leader took over from its nodes it never sends to others.
pub fn opens_what_others_open(state: &State, seen: &Sightings, enrolment: Enrolment, others: &[Enrolment]) -> bool {
    let others_open = |kid: &Kid| {
        others
            .iter()
            .any(|other| !lacked(state, seen, *other).any(|lacked| lacked == kid))
    };
    is_out(Mutant::E1Lacking) || !lacked(state, seen, enrolment).any(others_open)
}

/// What relying parties encrypt to, or did lately, and a node has said that it can't open.
pub fn lacked<'a>(state: &'a State, seen: &'a Sightings, enrolment: Enrolment) -> impl Iterator<Item = &'a Kid> {
    let lacking = seen.get(&enrolment).into_iter().flat_map(|sighting| &sighting.lacking);
    lacking.filter(|kid| state.keys.get(*kid).is_some_and(|key| key.key_use() == KeyUse::Enc))
}

/// How far an unpublished key is from its removal (rule E2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// Nodes in service that have not confirmed that they publish the key no more.
    pub missing: Vec<NodeName>,
    /// The last moment at which a node in service may have published it; a floor while a node is missing.
    pub published_until: Time,
    /// Until when its private half must stay everywhere; a floor while a node is missing.
    pub kept_until: Time,
}

impl Keeping {
    /// Of `key`, when it is unpublished.
    ///
    /// It counts from the last moment at which a node in service may have published the key: its confirmation or, for a node that
    /// left service without one, the moment it left. A node that came into service without it adds no moment.
    #[must_use]
    pub fn of(state: &State, seen: &Sightings, key: &Key) -> Option<Self> {
        let Phase::Unpublished { since, served_until, .. } = key.phase else {
            return None;
        };
        let mut missing = Vec::new();
        let mut published_until = since.max(served_until);
        for (name, node, in_service_since) in state.in_service() {
            match seen
                .get(&node.enrolment)
                .and_then(|sighting| sighting.unpublished.get(key.kid()))
            {
                None if is_out(Mutant::E2Missing) => {}
                None => missing.push(name.clone()),
                Some(at) if *at > in_service_since && !is_out(Mutant::E2Confirmed) => published_until = published_until.max(*at),
                Some(_) => {}
            }
        }
        let window = if is_out(Mutant::E2Window) {
            Span(0)
        } else {
            key.windows.decrypt_window
        };
        Some(Self {
            missing,
            published_until,
            kept_until: published_until + window,
        })
    }
}
