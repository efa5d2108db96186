//! How much room a keystore takes.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Keystore;
use super::error::{KeystoreError, io};

impl Keystore {
    /// How many bytes its files have, the database's and those beside it; none where it has no folder.
    ///
    /// # Errors
    /// [`KeystoreError::Storage`]: its folder can't be read.
    pub fn size_bytes(&self) -> Result<Option<u64>, KeystoreError> {
        self.dir.as_deref().map(size_of_folder).transpose()
    }
}

/// Files that go while they are counted are not there.
fn size_of_folder(folder: &Path) -> Result<u64, KeystoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let entry = entry.map_err(io("read", folder))?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += size_of_folder(&entry.path())?,
            Ok(found) => bytes += found.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io("read", &entry.path())(error)),
        }
    }
    Ok(bytes)
}
