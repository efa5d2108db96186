//! The anchor: a small file beside the database that remembers how far it came.
//!
//! It is replaced after each durable step, so it is never ahead of the database; a database behind it has lost something.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{KeystoreError, io};
use super::meta::{SCHEMA, known_schema, parse};
use crate::durable::{self, FileAttrs};
use crate::types::{Digest, Seq, Version};

/// What is remembered: a line of JSON, then its SHA-256 in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    schema: u32,
    /// The newest version.
    pub(super) version: Version,
    /// The number of the next record.
    pub(super) next_seq: Seq,
    /// The head of the chain over the records.
    pub(super) head: Digest,
    /// The number of batches of observations.
    pub(super) observed: u64,
}

fn file(dir: &Path) -> PathBuf {
    dir.join("anchor")
}

impl Anchor {
    pub(super) fn new(version: Version, next_seq: Seq, head: Digest, observed: u64) -> Self {
        Self {
            schema: SCHEMA,
            version,
            next_seq,
            head,
            observed,
        }
    }

    /// Reads the anchor of a keystore; `None` when there is no file.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, KeystoreError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let path = file(dir);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("read", &path)(error)),
        };
        let json = content
            .split(|byte| *byte == b'\n')
            .next()
            .filter(|json| content == with_digest(json))
            .ok_or_else(|| KeystoreError::damaged(format!("{} was changed or cut short", path.display())))?;
        known_schema("the anchor file", parse::<Schema>("the anchor file", json)?.schema)?;
        parse("the anchor file", json).map(Some)
    }

    /// Replaces the anchor of a keystore.
    pub(super) fn write(&self, dir: &Path) -> Result<(), KeystoreError> {
        let json = serde_json::to_vec(self).expect("numbers and a digest");
        durable::write_file(&file(dir), &with_digest(&json), &FileAttrs::mode(0o600))?;
        Ok(())
    }
}

fn with_digest(json: &[u8]) -> Vec<u8> {
    [json, format!("\n{}\n", Digest::of(json)).as_bytes()].concat()
}

/// What to do about a database that lacks its anchor.
pub(super) fn gone(dir: &Path) -> KeystoreError {
    KeystoreError::older(format!(
        "{} is gone, so nothing tells whether the database is the newest one",
        file(dir).display()
    ))
}
