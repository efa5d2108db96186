//! What a database must do for the keystore: ordered trees, and one atomic, durable, conditional write.
//!
//! Small enough for sled, memory and etcd alike. A backend knows nothing of what the values mean, and checks nothing in them.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::error::KeystoreError;

/// A tree of keys and values, ordered by the keys' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// What the store is, and its newest version.
    Meta,
    /// Chunks of the kept states: version, chunk.
    States,
    /// Records: seq.
    Records,
    /// Full tiles of the log's tree: level, index.
    Tiles,
    /// Which records speak of a key: kid, 0, seq.
    KidIndex,
    /// Chunks of lists of confirmations: digest, chunk.
    Evidence,
    /// Secrets, each sealed under a data key: name.
    Secrets,
    /// Data keys, wrapped by the master key: name.
    DataKeys,
    /// What was observed: the caller's key.
    Observations,
    /// What each version was: version.
    Versions,
}

impl Tree {
    /// Every tree.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::States,
        Self::Records,
        Self::Tiles,
        Self::KidIndex,
        Self::Evidence,
        Self::Secrets,
        Self::DataKeys,
        Self::Observations,
        Self::Versions,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::States => "states",
            Self::Records => "records",
            Self::Tiles => "tiles",
            Self::KidIndex => "kid_index",
            Self::Evidence => "evidence",
            Self::Secrets => "secrets",
            Self::DataKeys => "data_keys",
            Self::Observations => "observations",
            Self::Versions => "versions",
        }
    }
}

/// One value to put, or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub tree: Tree,
    /// Under which key.
    pub key: Vec<u8>,
    /// What; `None` removes.
    pub value: Option<Vec<u8>>,
}

/// The condition of a write: a value of [`Tree::Meta`] as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// What must stand there.
    pub value: Option<&'a [u8]>,
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// All of it is durable.
    Durable,
    /// The condition did not hold; nothing was written.
    Changed,
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Called for each entry of a scan, until it breaks.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, KeystoreError> + 'a;

/// A database. Every call blocks; an error of the storage is [`KeystoreError::Storage`].
pub trait Backend: Send + Sync {
    /// One value.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError>;

    /// Every entry from a key on, in order.
    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError>;

    /// Writes everything or nothing, and returns when it is durable.
    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError>;
}
