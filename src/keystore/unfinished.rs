//! The mark of a folder that `rekey` has begun: as long as it is there, nothing opens it, and whoever tries is told what helps.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{KeystoreError, io};
use crate::durable::{self, FileAttrs};

fn mark(dir: &Path) -> PathBuf {
    dir.join("unfinished")
}

/// Marks a new folder, before anything else is written there. `old` is the one that it is made from.
pub(super) fn begin(dir: &Path, old: &Path) -> Result<(), KeystoreError> {
    let content = old.as_os_str().as_encoded_bytes();
    Ok(durable::write_file(&mark(dir), content, &FileAttrs::mode(0o600))?)
}

/// Takes the mark away: all else is durable.
pub(super) fn end(dir: &Path) -> Result<(), KeystoreError> {
    Ok(durable::remove_file(&mark(dir))?)
}

/// Refuses a folder that is marked.
pub(super) fn refuse(dir: &Path) -> Result<(), KeystoreError> {
    let path = mark(dir);
    match fs::read(&path) {
        Ok(old) => Err(KeystoreError::Unfinished {
            dir: dir.to_owned(),
            old: PathBuf::from(String::from_utf8_lossy(&old).into_owned()),
            why: "`jkeys keystore rekey` was cut off while it wrote it".to_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("read", &path)(error)),
    }
}

/// What ended the writing of a marked folder.
pub(super) fn because(dir: &Path, old: &Path, error: KeystoreError) -> KeystoreError {
    KeystoreError::Unfinished {
        dir: dir.to_owned(),
        old: old.to_owned(),
        why: match error {
            KeystoreError::Storage(why) | KeystoreError::Damaged { what: why, .. } => why,
            other => other.to_string(),
        },
    }
}
