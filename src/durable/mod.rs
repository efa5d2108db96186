//! The only writer of files: whole or not at all, and durable before a call returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Mode, owner and group of a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAttrs {
    mode: u32,
    owner: Option<u32>,
    group: Option<u32>,
}

impl FileAttrs {
    /// This mode, and the owner and group of the process.
    #[must_use]
    pub const fn mode(mode: u32) -> Self {
        Self {
            mode,
            owner: None,
            group: None,
        }
    }
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}: {source}", path.display())]
pub struct DurableError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableError {
    let path = path.to_owned();
    move |source| DurableError { doing, path, source }
}

/// Puts `bytes` in the place of `path`: a reader sees the old file or the new one, also after a crash.
///
/// # Errors
/// Anything the file system refuses. The old file then stands, and no other is left behind.
pub fn write_file(path: &Path, bytes: &[u8], attrs: &FileAttrs) -> Result<(), DurableError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temp = path.with_file_name(name);
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("could not remove", &temp)(error)),
        _ => {}
    }
    let written = fill(&temp, bytes, attrs).and_then(|()| fs::rename(&temp, path).map_err(failed("could not rename to", path)));
    if written.is_err() {
        // The first error is the one to tell; what is left is removed by the next write.
        let _ = fs::remove_file(&temp);
    }
    written?;
    sync_folder(parent(path))
}

fn fill(temp: &Path, bytes: &[u8], attrs: &FileAttrs) -> Result<(), DurableError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(attrs.mode)
        .open(temp)
        .map_err(failed("could not create", temp))?;
    if attrs.owner.is_some() || attrs.group.is_some() {
        fchown(&file, attrs.owner, attrs.group).map_err(failed("could not set the owner of", temp))?;
    }
    file.write_all(bytes).map_err(failed("could not write", temp))?;
    file.sync_all().map_err(failed("could not sync", temp))
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes one folder with this mode, durably. One that is there already is left as it is.
///
/// # Errors
/// Anything the file system refuses.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), DurableError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("could not create", path)(error)),
        _ => sync_folder(parent(path)),
    }
}

/// Removes a file, durably.
///
/// # Errors
/// Anything the file system refuses, also that there is no such file.
pub fn remove_file(path: &Path) -> Result<(), DurableError> {
    fs::remove_file(path).map_err(failed("could not remove", path))?;
    sync_folder(parent(path))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Anything the file system refuses.
pub fn sync_folder(path: &Path) -> Result<(), DurableError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("could not sync", path))
}

/// A file that only grows.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    file: File,
}

impl Appender {
    /// Opens a file to append to; makes it, durably, when there is none.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn open(path: &Path, attrs: &FileAttrs) -> Result<Self, DurableError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(attrs.mode)
            .open(path)
            .map_err(failed("could not open", path))?;
        sync_folder(parent(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Appends `bytes`. They are durable after [`Self::sync_data`].
    ///
    /// # Errors
    /// Anything the file system refuses; a part may have been written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.file.write_all(bytes).map_err(failed("could not append to", &self.path))
    }

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn truncate_to(&mut self, len: u64) -> Result<(), DurableError> {
        self.file.set_len(len).map_err(failed("could not truncate", &self.path))
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn sync_data(&self) -> Result<(), DurableError> {
        self.file.sync_data().map_err(failed("could not sync", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_file(&path, b"one", &FileAttrs::mode(0o600)).unwrap();
        write_file(&path, b"two", &FileAttrs::mode(0o600)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_appender_goes_on_where_the_file_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for text in ["one", "two"] {
            let mut file = Appender::open(&path, &FileAttrs::mode(0o600)).unwrap();
            file.append(text.as_bytes()).unwrap();
            file.sync_data().unwrap();
        }
        Appender::open(&path, &FileAttrs::mode(0o600))
            .unwrap()
            .truncate_to(4)
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"onet");
    }
}
