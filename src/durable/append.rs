//! A file that only grows.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::{DurableError, Step, failed};
use super::file::{FileAttrs, own};
use super::folder::Place;

/// An append-only file. What was appended is durable once [`Appender::sync_data`] has returned.
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Appender {
    /// Opens the file at `path`, or creates it with `attrs`. The name is durable once this has returned. A symbolic link is refused.
    pub fn open(path: &Path, attrs: &FileAttrs) -> Result<Self, DurableError> {
        let place = Place::of(path)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&place.folder, place.name, flags, Mode::from_raw_mode(0o600));
        let file = match open(flags | OFlags::CREATE | OFlags::EXCL) {
            Ok(made) => {
                own(&made, attrs).map_err(failed(Step::Own, path))?;
                made
            }
            Err(Errno::EXIST) => open(flags).map_err(failed(Step::Open, path))?,
            Err(cause) => return Err(failed(Step::Create, path)(cause)),
        };
        let file = File::from(file);
        let len = file.metadata().map_err(failed(Step::Open, path))?.len();
        place.sync()?;
        Ok(Self {
            file,
            path: path.to_owned(),
            len,
        })
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes `bytes` at the end, whole: after an error the file is as long as before, as far as the system lets it be cut.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        if let Err(cause) = self.file.write_all(bytes) {
            // The error of the write is the one to tell.
            let _ = self.file.set_len(self.len);
            return Err(failed(Step::Write, &self.path)(cause));
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Cuts the file to `len` bytes, durably.
    pub fn truncate_to(&mut self, len: u64) -> Result<(), DurableError> {
        self.file.set_len(len).map_err(failed(Step::Truncate, &self.path))?;
        self.len = len;
        self.file.sync_all().map_err(failed(Step::Sync, &self.path))
    }

    /// Forces what was appended to the disk (fdatasync).
    pub fn sync_data(&self) -> Result<(), DurableError> {
        self.file.sync_data().map_err(failed(Step::Sync, &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::small_disk::on_small_disk;
    use super::*;

    const ATTRS: FileAttrs = FileAttrs::mode(0o640);

    #[test]
    fn what_is_appended_is_there_at_the_next_opening() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let mut log = Appender::open(&path, &ATTRS).unwrap();
        assert!(log.is_empty());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        log.append(b"one\n").unwrap();
        log.sync_data().unwrap();
        drop(log);
        let mut log = Appender::open(&path, &ATTRS).unwrap();
        assert_eq!(log.len(), 4);
        log.append(b"two\n").unwrap();
        log.truncate_to(6).unwrap();
        log.append(b"!").unwrap();
        assert_eq!((fs::read(&path).unwrap(), log.len()), (b"one\ntw!".to_vec(), 7));
    }

    #[test]
    fn a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        symlink("elsewhere", root.path().join("log")).unwrap();
        let error = Appender::open(&root.path().join("log"), &ATTRS).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn on_a_full_disk_half_an_append_is_cut_off() {
        on_small_disk("durable::append::tests::on_a_full_disk_half_an_append_is_cut_off", |disk| {
            let path = disk.join("log");
            let mut log = Appender::open(&path, &ATTRS).unwrap();
            log.append(b"one\n").unwrap();
            assert!(log.append(&vec![0; 1 << 20]).is_err());
            assert_eq!((fs::read(&path).unwrap(), log.len()), (b"one\n".to_vec(), 4));
        });
    }
}
