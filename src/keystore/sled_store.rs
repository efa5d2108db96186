//! sled, with the guards that it needs. Nothing else sees sled.
//!
//! `flush` is no fsync on Linux, so every write ends with an fdatasync of our own on sled's data file. sled can panic on damage, so
//! every call is fenced. A page of several large values goes to a file of its own, a blob, which sled syncs never: we do.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Access;
use rustix::io::Errno;
use sled::Transactional as _;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use super::backend::{Applied, Backend, Expected, Tree, Visit, Write};
use super::error::{KeystoreError, io};
use super::lock::exclusively;
use crate::durable;

/// Read cache. The state is small, and the leader keeps it in memory anyway.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Above this sled puts a value into a file of its own.
const MAX_STORED_BYTES: usize = 64 * 1024;

/// An open sled database. The caller holds the lock of the keystore.
pub struct SledStore {
    trees: Vec<sled::Tree>,
    db: sled::Db,
    data: File,
    blobs: Mutex<Blobs>,
}

/// The folder of sled's blobs. Each is written once, under a number higher than those before it.
struct Blobs {
    dir: PathBuf,
    /// The highest number that is durable.
    synced: Option<u64>,
}

impl Blobs {
    /// With every blob that is there durable.
    fn open(dir: PathBuf) -> Result<Self, KeystoreError> {
        let mut blobs = Self { dir, synced: None };
        blobs.sync()?;
        Ok(blobs)
    }

    /// Makes those that are new since the last call durable.
    fn sync(&mut self) -> Result<(), KeystoreError> {
        let mut newest = self.synced;
        for entry in fs::read_dir(&self.dir).map_err(io("read", &self.dir))? {
            let path = entry.map_err(io("read", &self.dir))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            if number <= self.synced {
                continue;
            }
            match File::open(&path).and_then(|blob| blob.sync_all()) {
                // sled removes what it has written anew elsewhere.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                synced => synced.map_err(io("sync", &path))?,
            }
            newest = newest.max(number);
        }
        if newest > self.synced {
            durable::sync_folder(&self.dir)?;
            self.synced = newest;
        }
        Ok(())
    }
}

/// The one file that holds sled's data.
pub(super) fn data_file(dir: &Path) -> PathBuf {
    dir.join("db")
}

impl SledStore {
    /// Opens the database in `dir`, or makes it.
    pub fn open(dir: &Path) -> Result<Self, KeystoreError> {
        may_be_used(dir)?;
        remove_half_written(dir)?;
        wait_for_children(dir)?;
        let opened = fenced(|| {
            let db = sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .open()?;
            let trees = Tree::ALL
                .iter()
                .map(|tree| db.open_tree(tree.name()))
                .collect::<sled::Result<Vec<_>>>()?;
            db.flush()?;
            Ok((db, trees))
        });
        let (db, trees) =
            opened.map_err(|fault| KeystoreError::damaged(format!("{} does not open ({})", dir.display(), fault.words())))?;
        sync_files(dir)?;
        let path = data_file(dir);
        let data = File::open(&path).map_err(io("open", &path))?;
        let blobs = Mutex::new(Blobs::open(dir.join("blobs"))?);
        Ok(Self { trees, db, data, blobs })
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        &self.trees[place(tree)]
    }

    fn make_durable(&self) -> Result<(), KeystoreError> {
        fenced(|| self.db.flush().map(drop)).map_err(Fault::of_write)?;
        // Before the log that speaks of them.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).sync()?;
        self.data
            .sync_data()
            .map_err(|error| KeystoreError::Storage(format!("could not sync the database: {error}")))
    }
}

fn place(tree: Tree) -> usize {
    Tree::ALL
        .iter()
        .position(|other| *other == tree)
        .expect("Tree::ALL lists every tree")
}

/// sled locks its data file. Whatever else than a child of ours holds that lock is told by sled.
fn wait_for_children(dir: &Path) -> Result<(), KeystoreError> {
    let path = data_file(dir);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(io("open", &path))?,
    };
    match exclusively(&file, || true) {
        Ok(()) | Err(Errno::WOULDBLOCK) => Ok(()),
        Err(error) => Err(io("lock", &path)(error.into())),
    }
}

/// What this account may not read and write is no damage, so it is told before sled fails at it.
fn may_be_used(dir: &Path) -> Result<(), KeystoreError> {
    for folder in [dir, &dir.join("blobs")].into_iter().filter(|folder| folder.exists()) {
        usable(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
        for entry in fs::read_dir(folder).map_err(io("read", folder))? {
            usable(&entry.map_err(io("read", folder))?.path(), Access::READ_OK | Access::WRITE_OK)?;
        }
    }
    Ok(())
}

fn usable(path: &Path, access: Access) -> Result<(), KeystoreError> {
    rustix::fs::access(path, access).map_err(|error| io("read and write", path)(error.into()))
}

/// Half-written snapshots of sled's own, from a full disk or a kill while opening, make every later open fail.
fn remove_half_written(dir: &Path) -> Result<(), KeystoreError> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let name = entry.map_err(io("read", dir))?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            durable::remove_file(&dir.join(&*name))?;
        }
    }
    Ok(())
}

/// What sled wrote while opening is durable before anything is built on it.
fn sync_files(dir: &Path) -> Result<(), KeystoreError> {
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let path = entry.map_err(io("read", dir))?.path();
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(io("sync", &path))?;
    }
    durable::sync_folder(dir)?;
    Ok(())
}

/// Why sled did not do what was asked.
#[derive(Debug)]
enum Fault {
    /// What it read is not what it wrote.
    Damage(String),
    /// It could not read or write.
    Io(String),
    /// Words of a panic. sled meets damage so, and nobody knows what else.
    Panic(String),
}

impl Fault {
    fn words(self) -> String {
        match self {
            Self::Damage(why) | Self::Io(why) | Self::Panic(why) => why,
        }
    }

    /// While reading: there a panic has no other cause than what is read.
    fn of_read(self) -> KeystoreError {
        match self {
            Self::Io(why) => KeystoreError::Storage(why),
            Self::Damage(why) | Self::Panic(why) => KeystoreError::damaged(format!("the database can't be read ({why})")),
        }
    }

    /// While writing: the disk may be full. If it is damage, the next start finds it.
    fn of_write(self) -> KeystoreError {
        match self {
            Self::Damage(why) => KeystoreError::damaged(format!("the database can't be read ({why})")),
            Self::Io(why) | Self::Panic(why) => KeystoreError::Storage(why),
        }
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match &error {
            sled::Error::Io(io) if io.kind() != ErrorKind::UnexpectedEof => Self::Io(error.to_string()),
            _ => Self::Damage(error.to_string()),
        }
    }
}

/// sled's answer; a panic inside is an error like any other.
fn fenced<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => Ok(answer?),
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| panic.downcast_ref::<String>().cloned());
            let words = text.as_deref().unwrap_or("without words");
            Err(Fault::Panic(format!("sled panicked: {words}")))
        }
    }
}

impl Backend for SledStore {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        fenced(|| self.tree(tree).get(key))
            .map(|found| found.map(|value| value.to_vec()))
            .map_err(Fault::of_read)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        let mut entries = self.tree(tree).range(from..);
        while let Some((key, value)) = fenced(|| entries.next().transpose()).map_err(Fault::of_read)? {
            if visit(&key, &value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        for value in writes.iter().filter_map(|write| write.value.as_ref()) {
            super::commit::within("a stored value", value, MAX_STORED_BYTES)?;
        }
        let step = |trees: &Vec<sled::transaction::TransactionalTree>| {
            let found = trees[place(Tree::Meta)].get(expected.key)?;
            if found.as_deref() != expected.value {
                return Err(ConflictableTransactionError::Abort(()));
            }
            for write in writes {
                let tree = &trees[place(write.tree)];
                match &write.value {
                    Some(value) => tree.insert(write.key.as_slice(), value.as_slice())?,
                    None => tree.remove(write.key.as_slice())?,
                };
            }
            Ok(())
        };
        let applied = fenced(|| match self.trees.as_slice().transaction(step) {
            Ok(()) => Ok(Applied::Durable),
            Err(TransactionError::Abort(())) => Ok(Applied::Changed),
            Err(TransactionError::Storage(error)) => Err(error),
        })
        .map_err(Fault::of_write)?;
        if applied == Applied::Durable {
            self.make_durable()?;
        }
        Ok(applied)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lock_that_a_child_holds_until_its_exec_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        drop(SledStore::open(folder.path()).unwrap());
        let held = File::open(data_file(folder.path())).unwrap();
        // Another test's child may have the lock of the store that was just closed.
        exclusively(&held, || true).unwrap();
        let letting_go = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(50));
            drop(held);
        });
        SledStore::open(folder.path()).unwrap();
        letting_go.join().unwrap();
    }

    #[test]
    fn a_write_that_can_not_be_synced_is_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SledStore::open(folder.path()).unwrap();
        // No device stands behind it, so fdatasync fails.
        store.data = File::open("/dev/null").unwrap();
        let write = Write {
            tree: Tree::Observations,
            key: b"up".to_vec(),
            value: Some(vec![1]),
        };
        let expected = Expected {
            key: b"meta",
            value: None,
        };
        let error = store.apply(expected, &[write]).unwrap_err();
        assert!(error.to_string().contains("could not sync the database"), "{error}");
    }

    #[test]
    fn a_panic_inside_sled_is_an_error_with_its_words() {
        let fault = || fenced::<()>(|| panic!("page {} is gone", 7)).unwrap_err();
        let error = fault().of_read().to_string();
        assert!(
            error.contains("sled panicked: page 7 is gone") && error.contains("jkeys restore"),
            "{error}"
        );
        assert!(matches!(fault().of_write(), KeystoreError::Storage(_)));
    }
}
