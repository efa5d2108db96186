//! Where on a machine something secret lies.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A file or folder with something secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretPlace {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub holds: SecretKind,
}

/// What is secret in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A private file of a view, or a folder of such files.
    View,
    /// A copy of one, in a place of another program.
    Copy,
    /// What a crash may have left of such a copy.
    Leftover,
    /// The newest generation with its private halves, sealed.
    SealedCache,
    /// The key of that.
    CacheKey,
    /// The node's own keys.
    NodeKeys,
    /// The key that all of a keystore is sealed with.
    MasterKey,
    /// The leader's keystore: every private half, the CA and the log's key, sealed.
    Keystore,
    /// Sealed copies of it.
    Snapshots,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::View => "private keys, for programs on this machine",
            Self::Copy => "a copy of private keys (copy_to)",
            Self::Leftover => "what a crash left of a copy",
            Self::SealedCache => "the newest generation, sealed",
            Self::CacheKey => "the key of the sealed cache",
            Self::NodeKeys => "the node's own keys",
            Self::MasterKey => "the master key",
            Self::Keystore => "every private key, the CA and the log's key, sealed",
            Self::Snapshots => "the same at earlier times, sealed",
        })
    }
}
