//! What an operator reads, as documents: the leader fills them, the command line shows them or prints them as JSON.

mod cas;
mod dry_run;
mod nodes;
mod plan;
mod tokens;
mod version;

pub use cas::{CaName, CaPage, CaRotation, CaRow, NodePapers};
pub use dry_run::{DryRun, KeyChange, NodeOutlook, RelyingParties, Trust, UnheldKey, YoungKey};
pub use nodes::{EnrolledNode, HeldKey, NodeEnded, NodePage};
pub use plan::{Awaited, Away, BrokenRule, Deadline, Happening, JwksSize, Plan, Planned, PlannedKey, ProfileSize, Subject};
pub use tokens::{TokenRow, TokenState, Tokens};
pub use version::{VersionKey, VersionNode, VersionRow, VersionState, VersionsPage};

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Doubt, Failing, Halted, Wait};
use crate::types::{Epoch, Generation, KeySpec, Kid, NodeName, ProfileName, PublicJwk, Reason, Time};

/// `jkeys status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The leader's time when it answered.
    pub now: Time,
    /// Its clock.
    pub clock: ClockStatus,
    /// The leader's term.
    pub epoch: Epoch,
    /// When this term began.
    pub started_at: Time,
    /// The generation in force.
    pub generation: Generation,
    /// When it was committed.
    pub committed_at: Time,
    /// Why the leader decides nothing more.
    pub halted: Option<Halted>,
    /// What the schedule waits for.
    pub waits: Vec<Waiting>,
    /// How often a join token was refused since the start.
    pub refused_enrolments: u64,
    /// How the backup hook went; none where it has not run in this term.
    #[serde(default)]
    pub backup: Option<BackupStatus>,
    /// How many bytes the files of the leader's keystore have; none where that could not be found out.
    #[serde(default)]
    pub keystore_bytes: Option<u64>,
    /// The profiles, by name.
    pub profiles: Vec<ProfileStatus>,
    /// Profiles that are configured no more and still have keys, by name.
    #[serde(default)]
    pub leaving: Vec<LeavingProfile>,
    /// Keys whose private half the leader does not have, by profile: what they are for is outside the rules' promise.
    #[serde(default)]
    pub inherited: Vec<InheritedKey>,
    /// The keys, by profile and age.
    pub keys: Vec<KeyStatus>,
    /// The nodes, by name.
    pub nodes: Vec<NodeStatus>,
    /// Revocations that some node has not confirmed.
    pub revocations: Vec<RevocationStatus>,
}

/// How the backup hook went, since the leader's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupStatus {
    /// When it last succeeded.
    pub succeeded_at: Option<Time>,
    /// What is wrong, if it has failed since.
    pub problem: Option<BackupProblem>,
}

/// A backup hook that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupProblem {
    /// When it last failed.
    pub at: Time,
    /// Why.
    pub why: String,
}

/// The leader's clock (rule R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// What it shows.
    pub shows: Time,
    /// Why the schedule does not go by it.
    pub doubt: Option<Doubt>,
    /// The nodes in service that the leader has heard in this term.
    pub nodes_heard: u64,
    /// Those of them whose clock differs from the leader's by more than `clock_skew`.
    pub nodes_differing: u64,
}

/// One thing that the schedule waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What.
    #[serde(flatten)]
    pub wait: Wait,
    /// Since when.
    pub since: Time,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileStatus {
    /// Its name.
    pub profile: ProfileName,
    /// What its new keys are.
    pub spec: KeySpec,
    /// The key that signs, or that relying parties encrypt to.
    pub active: Option<Kid>,
    /// Whether another key is ready to take over at once.
    pub standby: StandbyStatus,
    /// What is in use still, while the profile rotates into another algorithm.
    pub rotating: Option<Rotating>,
}

/// A rotation into another algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotating {
    /// What the key in use is.
    pub from: KeySpec,
    /// When a key of the new algorithm is meant to take over; none while that is not known.
    pub at: Option<Time>,
}

/// A profile that is configured no more. Its keys stay as long as the rules ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingProfile {
    /// Its name.
    pub profile: ProfileName,
    /// When its last key goes; a floor while nodes are missing.
    pub until: Time,
    /// Nodes that must confirm something first.
    pub missing: Vec<NodeName>,
}

/// A key that the leader took over from nodes when it went on from an older state: its private half is where it was, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InheritedKey {
    /// The key.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// Its state, as in [`KeyStatus`].
    pub state: String,
    /// When another takes over; none while that is not known.
    pub until: Option<Time>,
    /// Nodes that are without its private half too, as far as they said.
    pub lacking: Vec<NodeName>,
    /// Whether it is encrypted to: then those nodes come into service once nobody has to open anything with it (rule E1).
    #[serde(default)]
    pub is_encrypted_to: bool,
}

/// How far the key is that is next in a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standby")]
pub enum StandbyStatus {
    /// Every node in service has published it for `min_prepublish`.
    Ready {
        /// The key.
        kid: Kid,
    },
    /// It is published, but not for long enough.
    Young {
        /// The key.
        kid: Kid,
        /// When it will be ready; a floor while a node is missing.
        ready_at: Time,
        /// Nodes in service that have not confirmed it.
        missing: Vec<NodeName>,
    },
    /// It is being made.
    None,
    /// An encryption key that nodes hold and nobody finds yet; without missing nodes it is ready.
    Staged {
        /// The key.
        kid: Kid,
        /// Nodes in service that have not confirmed its private half.
        missing: Vec<NodeName>,
    },
    /// The next encryption key is not made before it is about to take over.
    NotDue {
        /// When it will be.
        due_at: Time,
    },
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its id.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// What it is.
    pub spec: KeySpec,
    /// Its state: `prepublished`, `armed`, `active` or `retiring`; of an encryption key `staged`, `active`, `retiring` or
    /// `revoked`.
    pub state: String,
    /// When it was first published; an encryption key, when it was staged.
    pub published_at: Time,
    /// What happens to it next, and when; a floor while nodes are missing.
    pub next: Option<NextChange>,
    /// Its RFC 7638 SHA-256 thumbprint.
    pub thumbprint: String,
    /// Its public half.
    pub jwk: PublicJwk,
    /// Its certificate, base64 DER as in `x5c`.
    pub x5c: String,
}

/// What happens to a key next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextChange {
    /// The state that it goes to: `armed`, `active`, `retiring` or `removed`.
    pub to: String,
    /// When, as far as time alone decides.
    pub at: Time,
    /// Nodes that must confirm something first.
    pub missing: Vec<NodeName>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: NodeName,
    /// `joining`, `in_service` or `evicted`.
    pub standing: String,
    /// Since when; for a joining node, when it enrolled.
    pub since: Time,
    /// The newest generation that it has confirmed.
    pub confirmed: Option<Generation>,
    /// When it confirmed it.
    pub confirmed_at: Option<Time>,
    /// The generation that was last read back from its disk.
    pub on_disk: Option<Generation>,
    /// When it was last heard.
    pub heard_at: Option<Time>,
    /// Whether what it has confirmed is not known: the leader was put back, and has not heard it since.
    #[serde(default)]
    pub unknown: bool,
    /// Since when it owes a confirmation.
    pub owing_since: Option<Time>,
    /// Its clock less the leader's, in milliseconds, where that exceeds `clock_skew`.
    pub clock_wrong_by_ms: Option<i64>,
    /// What keeps it from going on.
    pub problem: Option<String>,
    /// Its hooks and probes that have failed and not succeeded since.
    #[serde(default)]
    pub failing: Vec<Failing>,
    /// What it last said of its certificate, and of whom it trusts.
    #[serde(default)]
    pub papers: Option<NodePapers>,
    /// Whether two machines were seen to use its identity.
    #[serde(default)]
    pub is_cloned: bool,
}

/// A revocation that some node has not confirmed (rule R8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationStatus {
    /// The key.
    pub kid: Kid,
    /// When it was decided.
    pub at: Time,
    /// Why.
    pub reason: Reason,
    /// The first generation that does not publish the key.
    pub generation: Generation,
    /// The nodes, in service or not, that have not confirmed it.
    pub missing: Vec<NodeName>,
}

/// What `jkeys rotate` and `jkeys revoke` are told when the decision is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The generation that nodes must confirm.
    pub generation: Generation,
    /// When it was decided.
    pub at: Time,
    /// What was decided, a line each.
    pub changes: Vec<String>,
    /// What the operator should know besides.
    pub remarks: Vec<String>,
    /// The keys that it revokes.
    pub revoked: Vec<Kid>,
    /// The nodes that must confirm it.
    pub nodes: Vec<NodeName>,
}
