//! What operators ask of the leader, as types: requests with their fields checked, and the steps of a rotation.

mod adopt;
mod calls;
mod cas;
mod history;
mod nodes;
mod progress;
mod tokens;

pub use adopt::AdoptCall;
pub use calls::{Compromised, PlanCall, RevokeCall, RotateCall};
pub use cas::RotateCaCall;
pub use history::{HistoryCall, HistoryPage, Who};
pub use nodes::EndNodeCall;
pub use progress::{Accepted, Confirmation, Document, Finished, Progress, Trusted};
pub use tokens::{TokenCall, Tokens};

/// The names of the schemas of [`Document`]s.
pub mod schema {
    /// The state of keys and nodes.
    pub const STATUS: &str = "jkeys.status/1";
    /// One key.
    pub const KEY: &str = "jkeys.key/1";
    /// A page of records of the log: [`HistoryPage`](super::HistoryPage).
    pub const HISTORY: &str = "jkeys.history/1";
    /// A page of the keystore's versions.
    pub const VERSIONS: &str = "jkeys.versions/1";
    /// One version of the keystore.
    pub const VERSION: &str = "jkeys.version/1";
    /// One node.
    pub const NODE: &str = "jkeys.node/1";
    /// A node that was revoked or removed.
    pub const NODE_ENDED: &str = "jkeys.node-ended/1";
    /// The fleet's CAs.
    pub const CAS: &str = "jkeys.cas/1";
    /// What a rotation of the CA has before it.
    pub const CA_ROTATION: &str = "jkeys.ca-rotation/1";
    /// The join tokens.
    pub const TOKENS: &str = "jkeys.tokens/1";
    /// What a rotation or a revocation would do.
    pub const DRY_RUN: &str = "jkeys.dry-run/1";
    /// What comes.
    pub const PLAN: &str = "jkeys.plan/1";
    /// What a rotation or a revocation decided.
    pub const DECISION: &str = "jkeys.decision/1";
}
