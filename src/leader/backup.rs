//! What the command line knows of a backup file.

use std::path::Path;

use serde::Serialize;

pub use crate::keystore::KeystoreError;
use crate::keystore::check_backup;
use crate::types::{Generation, Time, Version};

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The version of the state.
    pub version: Version,
    /// When that was committed.
    pub committed_at: Time,
    /// The generation in force then.
    pub generation: Generation,
    /// How many records it holds: all up to then.
    pub records: u64,
    /// Which master key opens it, base64. It says nothing of the key.
    pub master_key: String,
    /// The size of the file.
    pub bytes: u64,
}

/// Reads a backup back and checks every byte of it, but for what only the master key opens.
///
/// # Errors
/// Damage, in words.
pub fn check(path: &Path) -> Result<Summary, KeystoreError> {
    let header = check_backup(path)?;
    Ok(Summary {
        version: header.version,
        committed_at: header.taken_at,
        generation: header.generation,
        records: header.next_seq.0,
        master_key: header.master_key,
        bytes: path.metadata().map_or(0, |found| found.len()),
    })
}
