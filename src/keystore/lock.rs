//! One process a keystore.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::{KeystoreError, io};
use crate::durable::{self, FileAttrs};

/// The right to use a keystore; given back when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the keystore in `dir`. The file `lock` is never written; `lock.pid` says who holds it.
    pub fn take(dir: &Path) -> Result<Self, KeystoreError> {
        let (path, pid) = (dir.join("lock"), dir.join("lock.pid"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let holder = fs::read_to_string(&pid).unwrap_or_default();
                return Err(KeystoreError::Held {
                    dir: dir.to_owned(),
                    holder: format!("pid {}", if holder.is_empty() { "unknown" } else { holder.trim() }),
                });
            }
            Err(error) => return Err(io("lock", &path)(error.into())),
        }
        durable::write_file(&pid, format!("{}\n", std::process::id()).as_bytes(), &FileAttrs::mode(0o600))?;
        Ok(Self { _file: file })
    }
}
