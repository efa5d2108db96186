//! What the tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::crypto::seal::MasterKey;
use crate::keystore::open::Bounds;
use crate::keystore::{
    Applied, Backend, Commit, Expected, Keystore, KeystoreError, Loaded, Memory, NewRecord, SecretName, Tree, Visit, Write,
};
use crate::types::{Generation, Kid, Secret, Span, Time, Version};

/// The master key of a test, known by one byte.
pub(super) fn master(byte: u8) -> MasterKey {
    MasterKey::from_file(&Secret::new(vec![byte; 32])).unwrap()
}

pub(super) fn kid(name: &str) -> Kid {
    name.parse().unwrap()
}

pub(super) fn key(name: &str) -> SecretName {
    SecretName::Key(kid(name))
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(super) fn record(text: &str, kids: &[&str]) -> NewRecord {
    NewRecord {
        bytes: format!("{{\"action\":\"{text}\"}}").into_bytes(),
        kids: kids.iter().map(|name| kid(name)).collect(),
    }
}

/// Noon of a day.
pub(super) fn day(number: u64) -> Time {
    Time(0) + Span::hours(24 * (20_000 + number) + 12)
}

/// A step that makes generation and version `number`, with a record, on the day of that number.
pub(super) fn step(number: u64) -> Commit {
    let mut commit = Commit::of_state(Version(number - 1), day(number), format!("state {number}").into_bytes());
    commit.records = vec![record(&format!("step {number}"), &["k"])];
    commit.snapshot = Some(Generation(number));
    commit
}

/// A folder for a keystore that is not there yet.
pub(super) struct Folder {
    _temp: TempDir,
    pub(super) dir: PathBuf,
}

impl Folder {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("keystore");
        Self { _temp: temp, dir }
    }

    /// With a keystore of so many steps in it, closed again.
    pub(super) fn with_steps(steps: u64) -> Self {
        Self::with_steps_of(steps, 0)
    }

    /// The same with states of at least so many bytes.
    pub(super) fn with_steps_of(steps: u64, state_bytes: usize) -> Self {
        let folder = Self::new();
        let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
        for number in 1..=steps {
            let mut commit = step(number);
            commit.state.resize(commit.state.len().max(state_bytes), b'.');
            store.commit(&commit).unwrap();
        }
        folder
    }

    pub(super) fn open(&self) -> Result<Keystore, KeystoreError> {
        Keystore::open(&self.dir, &master(0xA5))
    }

    /// As a leader opens it whose history is too long to be waited for: the check of that is still to come.
    pub(super) fn start(&self) -> Result<Keystore, KeystoreError> {
        let bounds = Bounds {
            at_once: (0, 0),
            ..Bounds::OF_A_START
        };
        Keystore::opened(&self.dir, &master(0xA5), bounds)
    }

    pub(super) fn refusal(&self) -> KeystoreError {
        self.open().expect_err("the keystore must be refused")
    }

    /// A copy of all that is there now, as a power cut or a kill would leave it.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.dir, &copy.dir);
        copy
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("db/db")
    }
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test damages files on purpose")]
pub(super) fn overwrite(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

pub(super) fn loaded(store: &Keystore) -> Loaded {
    store.load().unwrap()
}

/// A database that fails when it is told to.
#[derive(Clone, Default)]
pub(super) struct Faulty {
    pub(super) memory: Memory,
    /// How many more calls of `apply` succeed, plus one; 0: all do.
    pub(super) fail_after: Arc<AtomicUsize>,
}

impl Backend for Faulty {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.memory.get(tree, key)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        self.memory.scan(tree, from, visit)
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        if self.fail_after.load(Ordering::SeqCst) == 1 {
            return Err(KeystoreError::Storage("no space left on device".to_owned()));
        }
        self.memory.apply(expected, writes)
    }
}
