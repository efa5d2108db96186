//! Sealed snapshots beside the database, each in two files.
//!
//! `NAME.snap`: a line `jkeys snapshot 1`, a line of JSON that says what it is, the sealed state and sealed secrets, and the SHA-256 of
//! all that. It is never changed. `NAME.keys`: the wrapped data keys of those secrets, by name; a destroyed key's is taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::backend::Tree;
use super::commit::SecretName;
use super::error::{KeystoreError, io};
use super::form::{Forms, secret_binding};
use super::meta::{Meta, SCHEMA, known_schema, parse};
use super::read::{SealedSecret, open_secret};
use crate::crypto::seal::{Binding, MasterKey};
use crate::durable::{self, FileAttrs};
use crate::types::{Digest, Generation, Secret, Seq, Time, Version};

const MAGIC: &[u8] = b"jkeys snapshot 1\n";
const ATTRS: FileAttrs = FileAttrs::mode(0o600);
const PURPOSE: &str = "keystore snapshot";

/// What a snapshot says of itself, in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// The schema of the state and of this file.
    pub schema: u32,
    /// The generation that was made.
    pub generation: Generation,
    /// The version of the state.
    pub version: Version,
    /// When it was made.
    pub taken_at: Time,
    /// The number of records up to it.
    pub next_seq: Seq,
    /// The head of the chain over those records.
    pub head: Digest,
    /// The id of the master key that it is sealed under, base64.
    pub master_key: String,
}

impl SnapshotHeader {
    /// Of the version that `meta` speaks of, sealed under the master key of `forms`.
    pub(super) fn of(meta: &Meta, forms: &Forms, generation: Generation, taken_at: Time) -> Self {
        Self {
            schema: SCHEMA,
            generation,
            version: meta.version,
            taken_at,
            next_seq: meta.next_seq,
            head: meta.head,
            master_key: key_id(forms),
        }
    }
}

/// A snapshot, opened and checked.
#[derive(Debug)]
pub struct Snapshot {
    /// What it says of itself.
    pub header: SnapshotHeader,
    /// The state as it was committed.
    pub state: Vec<u8>,
    /// The secrets of that time that have not been destroyed since.
    pub secrets: Vec<(SecretName, Secret)>,
    /// The secrets of that time that have been destroyed since.
    pub destroyed: Vec<SecretName>,
}

/// State and secrets, the latter sealed once more under their data keys.
#[derive(Serialize, Deserialize)]
pub(super) struct Body {
    state: String,
    secrets: BTreeMap<SecretName, String>,
}

impl Body {
    pub(super) fn new(state: &[u8], secrets: &[SealedSecret]) -> Self {
        Self {
            state: STANDARD.encode(state),
            secrets: encoded(secrets, |secret| &secret.sealed),
        }
    }
}

/// A part of each secret, base64, by name.
pub(super) fn encoded(secrets: &[SealedSecret], part: fn(&SealedSecret) -> &[u8]) -> BTreeMap<SecretName, String> {
    let pairs = secrets
        .iter()
        .map(|secret| (secret.name.clone(), STANDARD.encode(part(secret))));
    pairs.collect()
}

#[derive(Serialize, Deserialize)]
struct Companion {
    schema: u32,
    data_keys: BTreeMap<SecretName, String>,
}

/// The master key's id, base64.
fn key_id(forms: &Forms) -> String {
    STANDARD.encode(forms.master_id)
}

/// Writes a snapshot; the data keys first, so that no snapshot is ever without them.
pub(super) fn write(
    path: &Path,
    forms: &Forms,
    header: &SnapshotHeader,
    state: &[u8],
    secrets: &[SealedSecret],
) -> Result<(), KeystoreError> {
    let body = Body::new(state, secrets);
    let companion = Companion {
        schema: SCHEMA,
        data_keys: encoded(secrets, |secret| &secret.wrapped),
    };
    put(path, forms, header, &body, &companion)
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("names, numbers and text")
}

/// Opens a snapshot and checks it. Its companion `.keys` lies beside it.
///
/// # Errors
/// Damage, another master key, a newer schema: in words.
pub fn read_snapshot(path: &Path, master: &MasterKey) -> Result<Snapshot, KeystoreError> {
    let forms = Forms::new(master);
    let (header, body) = open_body(path, &forms)?;
    let companion = read_companion(&companion_of(path))?;
    opened(&forms, header, body, &companion.data_keys)
}

/// Writes a snapshot again under another master key: the data keys first, as ever. Those that were destroyed are in neither.
pub(super) fn rewrite(path: &Path, old: &Forms, to: &Path, new: &Forms) -> Result<(), KeystoreError> {
    let (header, body) = open_body(path, old)?;
    let mut companion = read_companion(&companion_of(path))?;
    for (name, wrapped) in &mut companion.data_keys {
        let binding = secret_binding(Tree::DataKeys, name);
        let data_key = old.wrapping.unwrap(&decoded(wrapped)?, &binding)?;
        *wrapped = STANDARD.encode(new.wrapping.wrap(&data_key, &binding)?);
    }
    let header = SnapshotHeader {
        master_key: key_id(new),
        ..header
    };
    put(to, new, &header, &body, &companion)
}

fn put(path: &Path, forms: &Forms, header: &SnapshotHeader, body: &Body, companion: &Companion) -> Result<(), KeystoreError> {
    durable::write_file(&companion_of(path), &json(companion), &ATTRS)?;
    let mut file = [MAGIC, &json(header), b"\n"].concat();
    let sealed = forms.snapshot.seal(&json(body), &Binding::new(PURPOSE).with(&file))?;
    file.extend(sealed);
    file.extend(Digest::of(&file).0);
    durable::write_file(path, &file, &ATTRS)?;
    Ok(())
}

fn open_body(path: &Path, forms: &Forms) -> Result<(SnapshotHeader, Body), KeystoreError> {
    let damaged = |why: &str| {
        let what = format!("the snapshot {} {why}", path.display());
        KeystoreError::damaged_advising(what, "Use the one before it, or a backup")
    };
    let file = fs::read(path).map_err(io("read", path))?;
    let (content, digest) = file.split_last_chunk().ok_or_else(|| damaged("is cut short"))?;
    if Digest::of(content) != Digest(*digest) {
        return Err(damaged("was changed or cut short"));
    }
    let rest = content.strip_prefix(MAGIC).ok_or_else(|| damaged("is none"))?;
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(|| damaged("has no header"))?;
    let header = read_header("snapshot", path, &rest[..end], forms)?;
    let (clear, sealed) = content.split_at(MAGIC.len() + end + 1);
    let plain = forms
        .snapshot
        .open(sealed, &Binding::new(PURPOSE).with(clear))
        .map_err(|error| damaged(&format!("does not open: {error}")))?;
    Ok((header, parse("the snapshot", plain.expose())?))
}

/// The content of a snapshot or of a backup, with the data keys that are there.
pub(super) fn opened(
    forms: &Forms,
    header: SnapshotHeader,
    body: Body,
    data_keys: &BTreeMap<SecretName, String>,
) -> Result<Snapshot, KeystoreError> {
    let mut snapshot = Snapshot {
        header,
        state: decoded(&body.state)?,
        secrets: Vec::new(),
        destroyed: Vec::new(),
    };
    for (name, sealed) in body.secrets {
        match data_keys.get(&name) {
            Some(wrapped) => {
                let secret = open_secret(forms, &name, &decoded(wrapped)?, &decoded(&sealed)?)?;
                snapshot.secrets.push((name, secret));
            }
            None => snapshot.destroyed.push(name),
        }
    }
    Ok(snapshot)
}

/// What a file says of itself, if it is of that master key.
pub(super) fn read_header(kind: &str, path: &Path, line: &[u8], forms: &Forms) -> Result<SnapshotHeader, KeystoreError> {
    let header = parse_header(kind, line)?;
    if header.master_key != key_id(forms) {
        return Err(KeystoreError::WrongMasterKey {
            what: format!("the {kind} {}", path.display()),
        });
    }
    Ok(header)
}

/// The same, without the master key.
pub(super) fn parse_header(kind: &str, line: &[u8]) -> Result<SnapshotHeader, KeystoreError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let what = format!("the header of the {kind}");
    known_schema(&format!("the {kind}"), parse::<Schema>(&what, line)?.schema)?;
    parse(&what, line)
}

pub(super) fn decoded(text: &str) -> Result<Vec<u8>, KeystoreError> {
    STANDARD
        .decode(text)
        .map_err(|_| KeystoreError::damaged("a snapshot holds a value that is not base64"))
}

/// The file of wrapped data keys beside a snapshot.
pub(super) fn companion_of(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("keys")
}

fn read_companion(path: &Path) -> Result<Companion, KeystoreError> {
    let content = fs::read(path).map_err(io("read", path))?;
    let companion: Companion = serde_json::from_slice(&content).map_err(|error| {
        KeystoreError::damaged_advising(
            format!("{} does not parse ({error})", path.display()),
            "It may hold data keys of destroyed keys: erase it together with its snapshot; nothing else needs them",
        )
    })?;
    known_schema("the snapshot's file of data keys", companion.schema)?;
    Ok(companion)
}

/// Takes every data key that `keep` does not name out of a companion file. A file that holds no other is left as it is.
pub(super) fn clear_companion(path: &Path, keep: &dyn Fn(&SecretName) -> bool) -> Result<(), KeystoreError> {
    let mut companion = read_companion(path)?;
    let before: BTreeSet<SecretName> = companion.data_keys.keys().cloned().collect();
    companion.data_keys.retain(|name, _| keep(name));
    if companion.data_keys.len() < before.len() {
        durable::write_file(path, &json(&companion), &ATTRS)?;
    }
    Ok(())
}
