//! The anchor: a small file beside the database that remembers how far it came.
//!
//! It is replaced after each durable step, so it is never ahead of the database; a database behind it has lost something. When the
//! database is lost, it vouches for the records in the segments: nobody without the master key can write one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::backend::Tree;
use super::error::{KeystoreError, io};
use super::form::Forms;
use super::meta::{SCHEMA, known_schema, parse};
use crate::durable::{self, FileAttrs};
use crate::types::{Digest, Seq, Version};

/// What is remembered: a line of JSON, its SHA-256 in hex, and its code under the master key, in base64.
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
        Ok(Written::read(dir)?.map(|written| written.anchor))
    }

    /// Reads the anchor of a keystore, if it was written by somebody who has the master key.
    pub(super) fn vouched(dir: &Path, forms: &Forms) -> Result<Option<Self>, KeystoreError> {
        let written = Written::read(dir)?.filter(|written| written.is_vouched(forms));
        Ok(written.map(|written| written.anchor))
    }

    /// Replaces the anchor of a keystore.
    pub(super) fn write(&self, dir: &Path, forms: &Forms) -> Result<(), KeystoreError> {
        let json = serde_json::to_vec(self).expect("numbers and a digest");
        let vouched = forms.authentic(Tree::Meta, ANCHOR_KEY, &json);
        let code = STANDARD.encode(&vouched[..vouched.len() - json.len()]);
        let content = [&with_digest(&json)[..], code.as_bytes(), b"\n"].concat();
        durable::write_file(&file(dir), &content, &FileAttrs::mode(0o600))?;
        Ok(())
    }
}

/// The place of the anchor's code among the values of [`Tree::Meta`].
const ANCHOR_KEY: &[u8] = b"anchor";

/// The anchor as it stands in its file.
struct Written {
    anchor: Anchor,
    json: Vec<u8>,
    code: Vec<u8>,
}

impl Written {
    fn is_vouched(&self, forms: &Forms) -> bool {
        let value = [&self.code[..], &self.json].concat();
        forms.checked(Tree::Meta, ANCHOR_KEY, &value).is_ok()
    }

    fn read(dir: &Path) -> Result<Option<Self>, KeystoreError> {
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
            .filter(|json| content.starts_with(&with_digest(json)))
            .ok_or_else(|| KeystoreError::damaged(format!("{} was changed or cut short", path.display())))?;
        known_schema("the anchor file", parse::<Schema>("the anchor file", json)?.schema)?;
        let code = content[with_digest(json).len()..].trim_ascii_end();
        Ok(Some(Self {
            anchor: parse("the anchor file", json)?,
            code: STANDARD.decode(code).unwrap_or_default(),
            json: json.to_vec(),
        }))
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
