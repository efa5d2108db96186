//! A file that only grows.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::{DurableError, Step, failed};
use super::folder::Place;

/// An append-only file. What was appended is durable once [`Appender::sync_data`] has returned.
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Appender {
    /// Opens the file at `path`, or creates it with the permission bits `mode`. The name is durable once this has returned. A symbolic
    /// link is refused.
    pub fn open(path: &Path, mode: u32) -> Result<Self, DurableError> {
        let place = Place::of(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&place.folder, place.name, flags, Mode::from_raw_mode(mode)).map_err(failed(Step::Open, path))?;
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
    use std::os::unix::fs::symlink;

    use super::super::small_disk::on_small_disk;
    use super::*;

    #[test]
    fn what_is_appended_is_there_at_the_next_opening() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let mut log = Appender::open(&path, 0o600).unwrap();
        assert!(log.is_empty());
        log.append(b"one\n").unwrap();
        log.sync_data().unwrap();
        drop(log);
        let mut log = Appender::open(&path, 0o600).unwrap();
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
        let error = Appender::open(&root.path().join("log"), 0o600).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn on_a_full_disk_half_an_append_is_cut_off() {
        on_small_disk("durable::append::tests::on_a_full_disk_half_an_append_is_cut_off", |disk| {
            let path = disk.join("log");
            let mut log = Appender::open(&path, 0o600).unwrap();
            log.append(b"one\n").unwrap();
            assert!(log.append(&vec![0; 1 << 20]).is_err());
            assert_eq!((fs::read(&path).unwrap(), log.len()), (b"one\n".to_vec(), 4));
        });
    }
}
