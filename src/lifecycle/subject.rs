//! What an event is about: keys and nodes by their names.

use super::cause::{Cause, Grounds};
use super::ended::Farewell;
use super::event::Event;
use super::state::Halt;
use crate::types::{Kid, NodeName, PublicKey};

impl Event {
    /// Whether it changes what nodes must hold, so that a new generation is made.
    #[must_use]
    pub fn changes_nodes(&self) -> bool {
        matches!(
            self,
            Self::Prepublished { .. }
                | Self::Armed { .. }
                | Self::Activated { .. }
                | Self::Retired { .. }
                | Self::Removed { .. }
                | Self::Revoked { .. }
                | Self::Staged { .. }
                | Self::Published { .. }
                | Self::Unpublished { .. }
                | Self::Discarded { .. }
                | Self::Adopted { .. }
                | Self::Recovered { .. }
                | Self::CaMade { .. }
                | Self::CaDropped { .. }
        ) || matches!(self, Self::Restored { lost, .. } if !lost.is_empty())
    }

    /// Whether another CA is trusted, or signs, after it.
    #[must_use]
    pub fn changes_cas(&self) -> bool {
        matches!(self, Self::CaMade { .. } | Self::CaActivated { .. } | Self::CaDropped { .. })
    }

    /// The public half that it brings into the key set.
    #[must_use]
    pub fn new_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Prepublished { key, .. }
            | Self::Staged { key, .. }
            | Self::Recovered {
                key, inherited: true, ..
            } => Some(key),
            _ => None,
        }
    }

    /// Whether the key that it is about is gone for good after it: revoked, or removed once its time was over. One that was only dropped
    /// before it served may serve on nodes which a leader that was set back has lost.
    #[must_use]
    pub fn ends_key(&self) -> bool {
        matches!(
            self,
            Self::Revoked { .. }
                | Self::Removed {
                    last_signature: Some(_),
                    ..
                }
                | Self::Discarded {
                    published_until: Some(_),
                    ..
                }
        )
    }

    /// The key that it is about.
    #[must_use]
    pub fn kid(&self) -> Option<&Kid> {
        match self {
            Self::Prepublished { key, .. } | Self::Staged { key, .. } | Self::Recovered { key, .. } => Some(&key.kid),
            Self::Armed { kid, .. }
            | Self::Activated { kid, .. }
            | Self::Retired { kid, .. }
            | Self::Removed { kid, .. }
            | Self::Revoked { kid, .. }
            | Self::Published { kid, .. }
            | Self::Unpublished { kid, .. }
            | Self::Discarded { kid, .. }
            | Self::ReportedCompromised { kid, .. }
            | Self::Destroyed { kid }
            | Self::RevocationConfirmed { kid, .. } => Some(kid),
            _ => None,
        }
    }

    /// Every key that a reader of its history must find it by: the one that it is about, and those that a restore lost.
    pub fn kids(&self) -> impl Iterator<Item = &Kid> {
        let lost = match self {
            Self::Restored { lost, .. } => lost.as_slice(),
            _ => &[],
        };
        self.kid().into_iter().chain(lost)
    }

    /// Whether it is about that node, or names it. Of a long list the first nodes only are in a record.
    #[must_use]
    pub fn names(&self, node: &NodeName) -> bool {
        match self {
            Self::TokenIssued { node: own, .. }
            | Self::TokenRevoked { node: own, .. }
            | Self::Enrolled { node: own, .. }
            | Self::EnteredService { node: own, .. }
            | Self::LeftService { node: own, .. }
            | Self::NodeCertified { node: own, .. }
            | Self::NodeCloned { node: own, .. }
            | Self::Halted {
                halt: Halt { node: own, .. },
            } => own == node,
            Self::WaitBegan { nodes, .. }
            | Self::RevocationConfirmed { replaced: nodes, .. }
            | Self::Activated {
                cause: Cause::Forced { missing: nodes, .. } | Cause::Compromised { missing: nodes, .. },
                ..
            }
            | Self::Published {
                grounds: Grounds::Forced { missing: nodes },
                ..
            } => nodes.first.contains(node),
            Self::Adopted { unknown, believed, .. } => unknown.first.contains(node) || believed.first.contains(node),
            _ => self.farewell().is_some_and(|farewell| farewell.node == *node),
        }
    }

    /// What is recorded of the node that it takes out of the fleet.
    #[must_use]
    pub fn farewell(&self) -> Option<&Farewell> {
        match self {
            Self::NodeRevoked { farewell } | Self::NodeRemoved { farewell } => Some(farewell),
            _ => None,
        }
    }
}
