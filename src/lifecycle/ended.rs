//! Nodes that an operator has taken out of the fleet.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cause::Leaving;
use super::decide::may_hold_keys;
use super::event::Event;
use super::sightings::Sightings;
use super::state::{Key, Node, State};
use crate::types::{CERTIFICATE_LIFE, Comment, Digest, Enrolment, Kid, NodeName, RENEWABLE_FOR, Span, Time};

/// How long it is remembered which key a node was let in by: as long as a certificate for it may still be shown.
const REMEMBERED_FOR: Span = Span(CERTIFICATE_LIFE.0 + RENEWABLE_FOR.0);

/// A node that is in the node table no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its name.
    pub node: NodeName,
    /// The number of the joining that has ended.
    pub enrolment: Enrolment,
    /// How it ended.
    pub ending: Ending,
    /// When.
    pub at: Time,
}

/// How a node's enrolment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is not trusted any more.
    Revoked,
    /// It is not needed any more.
    Removed,
}

impl Ending {
    pub(super) fn leaving(self) -> Leaving {
        match self {
            Self::Revoked => Leaving::Revoked,
            Self::Removed => Leaving::Removed,
        }
    }

    /// The event of it.
    pub(super) fn event(self, farewell: Farewell) -> Event {
        match self {
            Self::Revoked => Event::NodeRevoked { farewell },
            Self::Removed => Event::NodeRemoved { farewell },
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "revoked",
            Self::Removed => "removed",
        })
    }
}

/// What is recorded of a node when it is taken out of the node table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// The node.
    pub node: NodeName,
    /// The enrolment that ends.
    pub enrolment: Enrolment,
    /// The operator's words.
    pub comment: Option<Comment>,
    /// The keys whose private half it may hold.
    pub held: Vec<Kid>,
    /// Those of them that the leader is without, and that no other node is known to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_holder_of: Vec<Kid>,
    /// Revocations that it has not confirmed (rule R8).
    pub unconfirmed: Vec<Kid>,
}

/// The keys whose private half a node may hold: those that are sent to nodes, but for those that came to be long after it was last
/// heard, and those that it has not confirmed to be without.
#[must_use]
pub fn held_keys(state: &State, seen: &Sightings, node: &Node) -> Vec<Kid> {
    if !may_hold_keys(state, seen, node) {
        return Vec::new();
    }
    let sighting = seen.get(&node.enrolment);
    // Where it is not known when it was heard, it may have been just now.
    let too_late = sighting.map(|sighting| sighting.heard_at + state.settings.straggler_after());
    let may_hold = |key: &&Key| {
        let released = || sighting.and_then(|sighting| sighting.released(state, key));
        key.last_sent_in(state.head.generation).is_some()
            && too_late.is_none_or(|too_late| key.published_at <= too_late)
            && released().is_none()
    };
    state.keys.values().filter(may_hold).map(|key| key.kid().clone()).collect()
}

/// The keys whose private half may be gone for good with this node: the leader is without it, and no other node has said that it holds
/// it. A node that was not heard since the leader took the key over may hold it, and does not count.
#[must_use]
pub fn last_holder_of(state: &State, seen: &Sightings, node: &Node) -> Vec<Kid> {
    let said = |node: &Node, key: &Key| {
        let heard = seen
            .get(&node.enrolment)
            .filter(|sighting| sighting.heard_at > key.published_at);
        heard.map(|sighting| sighting.on_disk.is_some() && !sighting.lacking.contains(key.kid()))
    };
    let holds = |node: &Node, key: &Key| said(node, key) == Some(true);
    let others = || state.nodes.values().filter(|other| other.enrolment != node.enrolment);
    let mut held = held_keys(state, seen, node);
    held.retain(|kid| {
        let key = state
            .keys
            .get(kid)
            .filter(|key| key.inherited && key.stage().carries_private());
        key.is_some_and(|key| said(node, key) != Some(false) && !others().any(|other| holds(other, key)))
    });
    held
}

impl State {
    /// The node that was let in by this key until an operator took it out, as far as that is remembered.
    #[must_use]
    pub fn ended(&self, tls_key: Digest) -> Option<&Ended> {
        self.ended.get(&tls_key)
    }

    /// Takes a node out of the node table.
    pub(super) fn end_node(&mut self, farewell: &Farewell, ending: Ending, at: Time) {
        let Farewell {
            node,
            enrolment,
            unconfirmed,
            ..
        } = farewell;
        let Some(row) = self.nodes.remove(node) else { return };
        self.disbelieved.remove(enrolment);
        self.leave_unconfirmed(node, unconfirmed);
        self.ended.retain(|_, ended| at.since(ended.at) < REMEMBERED_FOR);
        let ended = Ended {
            node: node.clone(),
            enrolment: *enrolment,
            ending,
            at,
        };
        self.ended.insert(row.tls_key, ended);
    }

    /// Revocations that a node never confirmed, and of which nobody can know any more what it holds (rule R8).
    pub(super) fn leave_unconfirmed(&mut self, node: &NodeName, unconfirmed: &[Kid]) {
        for kid in unconfirmed {
            if let Some(revocation) = self.revocations.get_mut(kid) {
                revocation.replaced.insert(node.clone());
            }
        }
    }
}
