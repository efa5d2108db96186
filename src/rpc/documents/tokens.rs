//! Join tokens.

use serde::{Deserialize, Serialize};

use crate::types::{Digest, NodeName, Time};

/// `jkeys node token list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The leader's time when it answered.
    pub now: Time,
    /// The tokens that have not expired, by the name that they are for.
    pub tokens: Vec<TokenRow>,
}

/// One join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// The node that it is for.
    pub node: NodeName,
    /// The hash of its secret, as in the records of the log.
    pub token: Digest,
    /// When it ends to be good.
    pub expires_at: Time,
    /// Whether it still lets a node in.
    pub state: TokenState,
}

/// What a join token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It lets one node in.
    Open,
    /// It has let one in.
    Used,
}
