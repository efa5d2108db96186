//! One node: as it is, and as it was taken out of the fleet.

use serde::{Deserialize, Serialize};

use super::NodeStatus;
use crate::lifecycle::{Ended, Ending};
use crate::types::{Digest, Enrolment, KeyUse, Kid, NodeName, ProfileName, Time, WitnessKey};

/// `jkeys node show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePage {
    /// The leader's time when it answered.
    pub now: Time,
    /// The name.
    pub node: NodeName,
    /// The machine that is in the node table by this name.
    pub enrolled: Option<EnrolledNode>,
    /// Machines of this name that were revoked or removed, oldest first, as long as a certificate of theirs may still be shown.
    pub ended: Vec<Ended>,
}

/// A machine that is in the node table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolledNode {
    /// How it stands.
    pub status: NodeStatus,
    /// Whether it has an open stream.
    pub is_connected: bool,
    /// The number of its joining.
    pub enrolment: Enrolment,
    /// When it joined.
    pub enrolled_at: Time,
    /// SHA-256 of the public key of its certificate.
    pub tls_key: Digest,
    /// The public key that it cosigns checkpoints with.
    pub witness_key: WitnessKey,
    /// The keys whose private half it may hold.
    pub held: Vec<HeldKey>,
    /// Revocations that it has not confirmed (rule R8).
    pub unconfirmed: Vec<Kid>,
}

/// A key whose private half a node may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldKey {
    /// Its id.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// Its state, as in `jkeys status`.
    pub state: String,
    /// What it is for.
    pub key_use: KeyUse,
    /// Whether the leader is without it, and no other node is known to hold it.
    pub is_last_holder: bool,
}

/// What `jkeys node revoke` and `jkeys node remove` are told once it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEnded {
    /// The node.
    pub node: NodeName,
    /// How it ended.
    pub ending: Ending,
    /// When that was decided.
    pub at: Time,
    /// Whether it had an open stream, on which it was told to erase.
    pub was_connected: bool,
    /// The keys whose private half it may hold.
    pub held: Vec<HeldKey>,
    /// Revocations that it has not confirmed (rule R8).
    pub unconfirmed: Vec<Kid>,
    /// What the operator should know besides.
    pub remarks: Vec<String>,
}
