//! `jkeys rotate --dry-run` and `jkeys revoke --dry-run`: what would happen. Schema `jkeys.dry-run/1`.

use serde::{Deserialize, Serialize};

use super::Planned;
use crate::lifecycle::NamedNodes;
use crate::types::{Generation, Kid, NodeName, ProfileName, Span, Time};

/// What a command would do now. Nothing was decided, and nothing is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// The leader's clock when it answered.
    pub now: Time,
    /// Why the command would be refused; then nothing would change.
    pub refused: Option<String>,
    /// The generation that would be made; none where nothing new would have to reach the nodes now.
    pub generation: Option<Generation>,
    /// What would be decided, a line each.
    pub changes: Vec<String>,
    /// What the operator would be told besides.
    pub remarks: Vec<String>,
    /// The keys that would be in another state.
    pub keys: Vec<KeyChange>,
    /// Every node that may hold private halves, in service or not, by name.
    pub nodes: Vec<NodeOutlook>,
    /// What relying parties would see.
    pub relying_parties: RelyingParties,
    /// What would follow, until each profile that it is about has a new signer.
    pub then: Vec<Planned>,
}

/// A key that would be in another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The key.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// Its state now.
    pub from: String,
    /// Its state then; `revoked` and `removed` are two more.
    pub to: String,
}

/// What to expect of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOutlook {
    /// Its name.
    pub node: NodeName,
    /// Whether it is in service.
    pub in_service: bool,
    /// Whether it has a stream to the leader.
    pub connected: bool,
    /// Whether it can be expected to confirm at once; otherwise it would be named as one that has not.
    pub answers: bool,
    /// Since when it owes a confirmation.
    pub owing_since: Option<Time>,
    /// Whether what it has confirmed is not known: the leader was put back, and has not heard it since.
    #[serde(default)]
    pub unknown: bool,
    /// What keeps it from going on.
    pub problem: Option<String>,
}

/// What relying parties would see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RelyingParties {
    /// Keys that would sign although relying parties may not know them yet.
    pub young: Vec<YoungKey>,
    /// Keys that would be published although not every node in service can decrypt with them yet.
    pub unheld: Vec<UnheldKey>,
    /// Until when they would trust what is revoked (rule R8); none where nothing would be.
    pub trust: Option<Trust>,
}

/// A key that would sign although relying parties may not know it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct YoungKey {
    /// The key.
    pub kid: Kid,
    /// From when on they know it; a floor while a node is missing.
    pub ready_at: Time,
    /// Nodes that have not published it.
    pub missing: NamedNodes,
}

/// An encryption key that would be published although not every node in service can decrypt with it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnheldKey {
    /// The key.
    pub kid: Kid,
    /// Nodes in service that have not confirmed its private half.
    pub missing: NamedNodes,
}

/// Until when a revoked key would be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "trust")]
pub enum Trust {
    /// So long after the last confirmation.
    Until {
        /// `served_max_age`.
        after_last_confirmation: Span,
        /// If every node confirmed at once.
        at_the_earliest: Time,
    },
    /// Nobody would know.
    Unknown {
        /// Why.
        why: String,
    },
}
