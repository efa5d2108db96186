//! What is said of the audit log.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{json_of, record};
use crate::audit::{Checkpoint, NoteKey, Record, SignedNote, Whole};
use crate::cli::audit::KeySource;
use crate::types::Digest;

/// `jkeys audit verify` of a whole log.
pub(in crate::cli) fn whole_log(whole: &Whole) -> String {
    let head = whole.checkpoint.head;
    let mut text = format!(
        "the log is whole: {} records, {} keys, generation {}, the last record at {}\nroot {}\n",
        head.size, whole.keys, whole.generation, whole.last_at, head.root
    );
    if whole.witnesses.is_empty() {
        text.push_str("no node has cosigned it\n");
    }
    text.extend(whole.witnesses.iter().map(|(node, seen)| {
        let of = if seen.size == head.size {
            "all of it".to_owned()
        } else {
            format!("its first {} records", seen.size)
        };
        format!("cosigned by node {node} at {}: {of}\n", seen.at)
    }));
    if whole.unknown_signatures > 0 {
        let unknown = format!(
            "{} cosignatures are of nodes that were enrolled anew since, or do not verify; they count for nothing\n",
            whole.unknown_signatures
        );
        text.push_str(&unknown);
    }
    text
}

/// The same as JSON.
pub(in crate::cli) fn whole_log_json(whole: &Whole, key: &NoteKey, source: KeySource) -> String {
    let head = whole.checkpoint.head;
    json_of(&json!({
        "origin": whole.checkpoint.origin,
        "records": head.size,
        "root": STANDARD.encode(head.root.0),
        "keys": whole.keys,
        "generation": whole.generation,
        "last_at": whole.last_at,
        "witnesses": whole.witnesses,
        "unknown_signatures": whole.unknown_signatures,
        "key": key.to_string(),
        "key_was_given": source == KeySource::Given,
    }))
}

/// `jkeys audit verify` of one record.
pub(in crate::cli) fn proved(found: &Record, checkpoint: &Checkpoint) -> String {
    format!("proved by {} in {checkpoint}:\n{}", checkpoint.origin, record(found))
}

/// `jkeys audit prove --out`.
pub(in crate::cli) fn proof_written(path: &Path, key: &NoteKey) -> String {
    let path = path.display();
    format!("{path} is written; check it anywhere with `jkeys audit verify {path} --key {key}`\n")
}

/// `jkeys audit export`.
pub(in crate::cli) fn exported(folder: &Path, checkpoint: &Checkpoint, key: &NoteKey) -> String {
    let folder = folder.display();
    format!(
        "{folder} holds the log: {checkpoint}\ncheck it anywhere with `jkeys audit verify {folder} --key {key}`; keep the key where \
         nobody who can write to the leader can change it\n"
    )
}

/// `jkeys audit checkpoint --json`.
pub(in crate::cli) fn checkpoint_json(
    checkpoint: &Checkpoint,
    note: &SignedNote,
    cosigned: &[SignedNote],
    key: &NoteKey,
) -> String {
    json_of(&json!({
        "origin": checkpoint.origin,
        "size": checkpoint.head.size,
        "root": STANDARD.encode(checkpoint.head.root.0),
        "checkpoint": note.to_string(),
        "cosigned": cosigned.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "key": key.to_string(),
    }))
}

/// `jkeys audit consistency`.
pub(in crate::cli) fn consistency(old: &Checkpoint, new: &Checkpoint) -> String {
    format!("the log goes on from what it was: {old}\nit is now: {new}\n")
}

/// The same as JSON.
pub(in crate::cli) fn consistency_json(old: &SignedNote, new: &SignedNote, hashes: &[Digest]) -> String {
    json_of(&json!({
        "old": old.to_string(),
        "new": new.to_string(),
        "hashes": hashes.iter().map(|hash| STANDARD.encode(hash.0)).collect::<Vec<_>>(),
    }))
}
