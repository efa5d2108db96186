//! The check of the history, while the keystore is in use or before: once, as a whole, or of one tree that is asked.

use std::path::{Path, PathBuf};

use super::Keystore;
use super::backend::Tree;
use super::beside::snapshot_files;
use super::deferred::DEFERRED;
use super::error::KeystoreError;
use super::open::unreadable;
use super::read::Reader;
use crate::durable::{self, FileAttrs};

impl Keystore {
    /// Checks all that [`Keystore::start`] left for later, while others read and write. False: `go_on`, which is asked again and
    /// again, said no before the end.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`] with what to restore from: nothing is read or written any more, and the next start checks all before
    /// it goes on. An earlier failure of the storage.
    pub fn prove(&self, go_on: &dyn Fn() -> bool) -> Result<bool, KeystoreError> {
        for tree in DEFERRED {
            if !self.prove_tree(tree, go_on)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls `tell` once nothing is read or written any more: the storage failed, or damage was met. That may have been before.
    pub fn on_end(&self, tell: impl FnOnce(&KeystoreError) + Send + 'static) {
        self.failing.on_first(Box::new(tell));
    }

    /// Whether it still reads and writes.
    ///
    /// # Errors
    /// The first damage that was met, or [`KeystoreError::Failed`] with the first failure.
    pub fn healthy(&self) -> Result<(), KeystoreError> {
        self.failing.healthy()
    }

    /// Reads from a tree that must have been checked whole.
    pub(super) fn reading_whole<T>(
        &self,
        tree: Tree,
        read: impl FnOnce(Reader<'_>) -> Result<T, KeystoreError>,
    ) -> Result<T, KeystoreError> {
        self.prove_tree(tree, &|| true)?;
        self.reading(read)
    }

    /// Checks one tree, unless that was done.
    pub(super) fn prove_tree(&self, tree: Tree, go_on: &dyn Fn() -> bool) -> Result<bool, KeystoreError> {
        self.healthy()?;
        let checked = self.deferred.check(self.reader(), tree, go_on);
        checked.map_err(|error| self.give_up(unreadable(error)))
    }

    /// Nothing is read or written after damage or a failure. After damage the next start is not to go on before it has looked for it.
    pub(super) fn give_up(&self, error: KeystoreError) -> KeystoreError {
        let error = match &self.dir {
            Some(dir) => naming_newest(dir, error),
            None => error,
        };
        if let (Some(dir), KeystoreError::Damaged { .. }) = (&self.dir, &error) {
            // Without the mark the next start finds it again, only later.
            let _ = durable::write_file(&mark(dir), format!("{error}\n").as_bytes(), &FileAttrs::mode(0o600));
        }
        self.failing.begin(&error);
        error
    }
}

/// What was found after a start is noted here.
pub(super) fn mark(dir: &Path) -> PathBuf {
    dir.join("damaged")
}

/// Whether damage was found after an earlier start.
pub(super) fn found_earlier(dir: &Path) -> bool {
    mark(dir).exists()
}

/// The error with the newest snapshot by name.
pub(super) fn naming_newest(dir: &Path, error: KeystoreError) -> KeystoreError {
    match snapshot_files(dir).ok().as_deref() {
        Some([newest, ..]) => error.naming(newest),
        _ => error,
    }
}
