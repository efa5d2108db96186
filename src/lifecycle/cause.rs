//! What allowed a decision, and why it was asked for.

use serde::{Deserialize, Serialize};

use super::named::NamedNodes;
use super::publication::Publication;
use crate::types::{Comment, Digest, Reason, Time};

/// Why an operator asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Why {
    /// The reason; none for the schedule.
    pub reason: Option<Reason>,
    /// The operator's words.
    pub comment: Option<Comment>,
}

/// What allowed a key to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// It was armed, and its time came.
    Scheduled,
    /// Rule R1 held, and an operator asked.
    Emergency {
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// The first key of a profile, while no node has ever confirmed anything: an exception to rule R1.
    Bootstrap,
    /// An operator forced it: an exception to rule R1.
    Forced {
        /// When rule R1 would have held, as far as that is known.
        ready_at: Time,
        /// Nodes that had not published it.
        missing: NamedNodes,
    },
    /// Its predecessor was reported compromised and no standby was ready: an exception to rule R1. After a revocation for any other
    /// reason it is [`Forced`](Self::Forced).
    Compromised {
        /// When rule R1 would have held, as far as that is known.
        ready_at: Time,
        /// Nodes that had not published it.
        missing: NamedNodes,
    },
}

impl Cause {
    /// Of a key that takes over from one that was revoked for `reason`, while rule R1 does not hold for it.
    pub(super) fn unready(reason: Reason, publication: Publication) -> Self {
        let Publication { ready_at, missing } = publication;
        let missing = missing.into();
        match reason {
            Reason::Compromised => Self::Compromised { ready_at, missing },
            Reason::Superseded | Reason::Unspecified => Self::Forced { ready_at, missing },
        }
    }

    /// Whether an operator caused it, which leaves the profile owed a standby.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        matches!(self, Self::Emergency { .. } | Self::Forced { .. } | Self::Compromised { .. })
    }
}

/// What allowed an encryption key to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "grounds")]
pub enum Grounds {
    /// Rule E1 held, and its time had come.
    Scheduled {
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// Rule E1 held, and an operator asked.
    Emergency {
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// An operator forced it: an exception to rule E1.
    Forced {
        /// Nodes in service that had not confirmed its private half.
        missing: NamedNodes,
    },
}

/// Why a node left service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// Nothing was heard of it for `straggler_after`.
    Silent,
    /// It owed a confirmation for `straggler_after`.
    Owing,
    /// Its name was enrolled anew.
    Replaced,
    /// The leader went on without it from an older state.
    LeftBehind,
    /// An operator trusts it no more.
    Revoked,
    /// An operator took it out of the fleet.
    Removed,
}

/// What allowed a decision: the list of confirmations, by its size and digest. The list itself is stored beside the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How many confirmations are in the list.
    pub count: u64,
    /// Enrolled nodes that are not in service and were not waited for.
    pub exceptions: NamedNodes,
    /// SHA-256 of the stored list.
    pub digest: Digest,
}
