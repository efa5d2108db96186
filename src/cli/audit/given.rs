//! What is given on the command line: the log's key, and files of the log.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::AuditError;
use crate::audit::{MAX_NOTE_BYTES, NoteKey, SignedNote};

/// The names of the files of an export.
pub(super) const RECORDS: &str = "records.jsonl";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const COSIGNED: &str = "cosigned";
pub(super) const KEY: &str = "log.key";

/// The key in `text`, or in the file of that name.
pub(super) fn key(text: &str) -> Result<NoteKey, AuditError> {
    let wrong = match text.parse() {
        Ok(key) => return Ok(key),
        Err(wrong) => wrong,
    };
    let path = Path::new(text);
    if path.is_file() { key_file(path) } else { Err(wrong.into()) }
}

/// The key in a file.
pub(super) fn key_file(path: &Path) -> Result<NoteKey, AuditError> {
    Ok(self::text(path)?.trim().parse()?)
}

/// A signed note in a file.
pub(super) fn note(path: &Path) -> Result<SignedNote, AuditError> {
    Ok(text(path)?.parse()?)
}

/// The cosigned checkpoints of an export; none where it has none.
pub(super) fn cosigned(folder: &Path) -> Result<Vec<SignedNote>, AuditError> {
    let folder = folder.join(COSIGNED);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).map_err(reading(&folder))?;
    let paths = entries.map(|entry| Ok(entry.map_err(reading(&folder))?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, AuditError>>()?;
    paths.sort();
    paths.iter().map(|path| note(path)).collect()
}

/// A text that is no longer than any that jkeys writes.
pub(super) fn text(path: &Path) -> Result<String, AuditError> {
    let file = File::open(path).map_err(reading(path))?;
    let mut text = String::new();
    file.take(MAX_NOTE_BYTES as u64 * 4)
        .read_to_string(&mut text)
        .map_err(reading(path))?;
    Ok(text)
}

pub(super) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> AuditError {
    let path = path.to_owned();
    move |why| AuditError::Read { path, why }
}
