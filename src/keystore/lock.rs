//! One process a keystore.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::{KeystoreError, io};
use crate::durable::{self, FileAttrs};

/// How often a lock that a forked child may hold is tried again, and after how long each time.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Locks a file. A child that this process has just forked has the locks of an earlier opening until its exec: it is waited for, as
/// long as `may_be_a_child`.
pub(super) fn exclusively(file: &File, may_be_a_child: impl Fn() -> bool) -> Result<(), Errno> {
    let lock = || flock(file, FlockOperation::NonBlockingLockExclusive);
    for _ in 0..TRIES {
        match lock() {
            Err(Errno::WOULDBLOCK) if may_be_a_child() => std::thread::park_timeout(PAUSE),
            ended => return ended,
        }
    }
    lock()
}

/// Refuses a folder whose keystore another process uses. Nothing is written there.
pub(super) fn not_in_use(dir: &Path) -> Result<(), KeystoreError> {
    let path = dir.join("lock");
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(io("open", &path))?,
    };
    match exclusively(&file, || holder(dir) == std::process::id().to_string()) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(held(dir)),
        Err(error) => Err(io("lock", &path)(error.into())),
    }
}

fn holder(dir: &Path) -> String {
    fs::read_to_string(dir.join("lock.pid")).unwrap_or_default().trim().to_owned()
}

fn held(dir: &Path) -> KeystoreError {
    let holder = Some(holder(dir)).filter(|holder| !holder.is_empty());
    KeystoreError::Held {
        dir: dir.to_owned(),
        holder: format!("pid {}", holder.as_deref().unwrap_or("unknown")),
    }
}

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
        let is_own = || holder(dir) == std::process::id().to_string();
        match exclusively(&file, is_own) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(held(dir)),
            Err(error) => return Err(io("lock", &path)(error.into())),
        }
        durable::write_file(&pid, format!("{}\n", std::process::id()).as_bytes(), &FileAttrs::mode(0o600))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_its_own_that_a_child_still_has_is_waited_for_and_that_of_another_process_is_not() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lock::take(dir.path()).unwrap());
        let held = File::open(dir.path().join("lock")).unwrap();
        // Another test's child may have the lock that was just given back.
        exclusively(&held, || true).unwrap();
        let other = b"1\n";
        durable::write_file(&dir.path().join("lock.pid"), other, &FileAttrs::mode(0o600)).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(KeystoreError::Held { holder, .. }) if holder == "pid 1"));
        let own = std::process::id().to_string();
        durable::write_file(&dir.path().join("lock.pid"), own.as_bytes(), &FileAttrs::mode(0o600)).unwrap();
        let letting_go = std::thread::spawn(move || {
            std::thread::park_timeout(PAUSE * 5);
            drop(held);
        });
        Lock::take(dir.path()).unwrap();
        letting_go.join().unwrap();
    }
}
