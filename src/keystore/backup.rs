//! Backups: everything that a keystore needs to be made again, in one file that explains itself.
//!
//! ```text
//! jkeys backup 1
//! {what it is: schema, version, how many records, the head of their chain, the id of the master key}
//! BASE64 of state, secrets and data keys, sealed under the master key and bound to the two lines above
//! SHA-256 of the three lines above
//! each record, one a line
//! ```
//!
//! The records are checked by the head of their chain, so no byte is without a check, and all but the seal needs no key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Keystore;
use super::backend::Tree;
use super::commit::SecretName;
use super::error::{KeystoreError, io};
use super::form::{FIRST_HEAD, Forms, chained};
use super::lines::{self, Part};
use super::meta::{Meta, parse};
use super::read::Reader;
use super::snapshot::{self, Body, Snapshot, SnapshotHeader, decoded, encoded};
use crate::crypto::seal::Binding;
use crate::types::{Digest, Generation, Seq, Time, Version};

pub(super) const MAGIC: &[u8] = b"jkeys backup 1\n";
const PURPOSE: &str = "keystore backup";
/// Far more than the longest line before the records.
const MOST_HEAD_BYTES: u64 = 64 * 1024 * 1024;
/// How many records are read at once.
const CHUNK: u64 = 256;

#[derive(Serialize, Deserialize)]
struct Content {
    body: Body,
    data_keys: BTreeMap<SecretName, String>,
}

impl Keystore {
    /// Hands a backup of the newest version to `sink`, part by part, while others go on.
    ///
    /// # Errors
    /// What `sink` says; damage; a failure of the storage.
    pub fn backup<E: From<KeystoreError>>(&self, sink: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<SnapshotHeader, E> {
        // The header tells of a version, and the versions may not have been checked since the start.
        self.prove_tree(Tree::Versions, &|| true)?;
        let (header, head) = self.writing(|inner| head(self.reader(), &inner.current.meta))?;
        sink(&head)?;
        let mut at = 0;
        while at < header.next_seq.0 {
            let until = header.next_seq.0.min(at + CHUNK);
            let mut part = Vec::new();
            for record in self.records(Seq(at)..Seq(until))? {
                part.extend(record.bytes);
                part.push(b'\n');
            }
            sink(&part)?;
            at = until;
        }
        Ok(header)
    }
}

/// Everything before the records.
fn head(reader: Reader<'_>, meta: &Meta) -> Result<(SnapshotHeader, Vec<u8>), KeystoreError> {
    let (generation, taken_at) = newest(reader)?;
    let header = SnapshotHeader::of(meta, reader.forms, generation, taken_at);
    let secrets = reader.sealed_secrets()?;
    let content = Content {
        body: Body::new(&reader.state(meta.version)?, &secrets),
        data_keys: encoded(&secrets, |secret| &secret.wrapped),
    };
    let mut head = [MAGIC, &snapshot::json(&header), b"\n"].concat();
    let binding = Binding::new(PURPOSE).with(&head);
    let sealed = reader.forms.snapshot.seal(&snapshot::json(&content), &binding)?;
    head.extend(STANDARD.encode(sealed).as_bytes());
    head.push(b'\n');
    let digest = Digest::of(&head);
    head.extend(format!("{digest}\n").as_bytes());
    Ok((header, head))
}

/// The newest generation, and when the newest version was committed.
fn newest(reader: Reader<'_>) -> Result<(Generation, Time), KeystoreError> {
    let versions = reader.versions(Version(0)..Version(u64::MAX))?;
    let generation = versions.iter().rev().find_map(|info| info.generation);
    let at = versions.last().map_or(Time(0), |info| info.at);
    Ok((generation.unwrap_or(Generation(0)), at))
}

/// The lines before the records.
struct Head {
    /// The first two lines, which the seal is bound to.
    clear: Vec<u8>,
    header: Vec<u8>,
    sealed: Vec<u8>,
    /// Where the records begin.
    bytes: u64,
}

impl Head {
    fn read(path: &Path) -> Result<Self, KeystoreError> {
        let failed = |error| io("read", path)(error);
        let file = File::open(path).map_err(failed)?;
        let mut file = BufReader::new(file.take(MOST_HEAD_BYTES));
        let mut lines = [const { Vec::new() }; 4];
        for line in &mut lines {
            file.read_until(b'\n', line).map_err(failed)?;
        }
        let [magic, header, sealed, digest] = lines;
        let found = Digest::of(&[&magic[..], &header, &sealed].concat());
        if magic != MAGIC {
            return Err(damaged(path, "is none"));
        }
        if digest != format!("{found}\n").as_bytes() {
            return Err(damaged(path, "was changed or cut short"));
        }
        let bytes = [&magic, &header, &sealed, &digest].map(|line| line.len() as u64);
        Ok(Self {
            clear: [&magic[..], &header].concat(),
            bytes: bytes.iter().sum(),
            header,
            sealed,
        })
    }

    fn records(&self, path: &Path) -> Part {
        Part {
            path: path.to_owned(),
            offset: self.bytes,
            first: Seq(0),
        }
    }
}

fn damaged(path: &Path, why: &str) -> KeystoreError {
    let what = format!("the backup {} {why}", path.display());
    KeystoreError::damaged_advising(what, "Use another backup, or the newest snapshot of the keystore's folder")
}

/// Checks every byte of a backup, but for what only the master key opens.
///
/// # Errors
/// Damage, or a newer schema: in words.
pub fn check_backup(path: &Path) -> Result<SnapshotHeader, KeystoreError> {
    let head = Head::read(path)?;
    let header = snapshot::parse_header("backup", &head.header)?;
    let (mut chain, mut bytes) = (FIRST_HEAD, head.bytes);
    let end = lines::walk(&[head.records(path)], Seq(0)..header.next_seq, &mut |_, record| {
        chain = chained(chain, record);
        bytes += record.len() as u64 + 1;
        Ok::<(), KeystoreError>(())
    })?;
    let length = path.metadata().map_err(io("look at", path))?.len();
    if (end, chain, bytes) != (header.next_seq, header.head, length) {
        return Err(damaged(path, "holds other records than it says: it was changed or cut short"));
    }
    Ok(header)
}

/// Opens a backup that was found whole, and says where its records are.
pub(super) fn read(path: &Path, forms: &Forms) -> Result<(Snapshot, Part), KeystoreError> {
    check_backup(path)?;
    let head = Head::read(path)?;
    let header = snapshot::read_header("backup", path, &head.header, forms)?;
    let text = std::str::from_utf8(&head.sealed).unwrap_or_default();
    let plain = forms
        .snapshot
        .open(&decoded(text.trim_end())?, &Binding::new(PURPOSE).with(&head.clear))
        .map_err(|error| damaged(path, &format!("does not open: {error}")))?;
    let content: Content = parse("the backup", plain.expose())?;
    let snapshot = snapshot::opened(forms, header, content.body, &content.data_keys)?;
    Ok((snapshot, head.records(path)))
}
