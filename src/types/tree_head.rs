//! How long the audit log is, and which one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Digest;

/// The size of the audit log's tree, and its root. Two logs of one size with one root hold the same records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TreeHead {
    /// How many records it has.
    pub size: u64,
    /// The root over them (RFC 6962).
    pub root: Digest,
}

impl fmt::Display for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, root {}", self.size, self.root)
    }
}
