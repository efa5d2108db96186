//! The keystore: one durable, conditional commit of state and records; observations; sealed secrets; snapshots.
//!
//! ```text
//! DIR/lock, lock.pid     one process a keystore
//! DIR/db/                sled
//! DIR/anchor             how far the database came: a database behind it is refused
//! DIR/segments/          every record again, one a line
//! DIR/snapshots/         sealed snapshots, with their data keys in files of their own
//! DIR/damaged            what was found after a start: the next one checks all before it goes on
//! DIR/unfinished         a new master key's folder that is not whole: nothing opens it
//! ```
//!
//! A step is durable in the database first; then segments, snapshots and anchor follow, and what a crash leaves undone of that is
//! done by the next start. All calls block: an async caller uses `spawn_blocking`. The first error of the storage, and the first
//! damage that anybody meets, ends the right to read and to write until the keystore is opened anew.

mod anchor;
mod backend;
mod backup;
mod beside;
mod commit;
mod deferred;
mod error;
mod failing;
mod form;
mod full_segments;
mod lines;
mod lock;
mod log;
mod memory;
mod meta;
mod open;
mod plan;
mod prove;
mod read;
mod rebuild;
mod rekey;
mod retention;
mod secret_parts;
mod segment;
mod size;
mod sled_store;
mod snapshot;
mod source;
#[cfg(test)]
mod tests;
mod unfinished;
mod verify;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

pub use backend::{Applied, Backend, Entry, Expected, Tree, Visit, Write};
pub use backup::check_backup;
pub use beside::snapshot_files;
pub use commit::{
    Commit, Loaded, MAX_EVIDENCE_BYTES, MAX_OBSERVATION_KEY_BYTES, MAX_STATE_BYTES, MAX_VALUE_BYTES, NewRecord, SecretName,
    StoredRecord, VersionInfo,
};
pub use error::KeystoreError;
pub use lines::Take;
pub use log::Log;
pub use memory::Memory;
pub use plan::KEPT_VERSIONS;
pub use rekey::Rekeyed;
pub use retention::{KEPT_DAYS, KEPT_NEWEST};
pub use secret_parts::secret_parts;
pub use snapshot::{Snapshot, SnapshotHeader, read_snapshot};
pub use source::Source;

use crate::types::{Digest, Kid, Secret, Seq, Version};
use beside::Beside;
use deferred::Deferred;
use failing::Failing;
use form::Forms;
use lock::Lock;
use meta::{META_KEY, OBSERVED_KEY};
use plan::Planned;
use read::Reader;
use verify::Current;

/// An open keystore.
pub struct Keystore {
    inner: Mutex<Inner>,
    backend: Box<dyn Backend>,
    forms: Forms,
    failing: Failing,
    /// What a start left to be checked later.
    deferred: Deferred,
    /// Its folder, where it has one.
    dir: Option<PathBuf>,
    /// Given back last.
    _lock: Option<Lock>,
}

/// What changes with each step.
struct Inner {
    current: Current,
    beside: Option<Beside>,
}

impl Keystore {
    /// Makes one step durable: state, records, evidence and secrets together, or nothing. Returns the new version.
    ///
    /// # Errors
    /// [`KeystoreError::Conflict`] when another step came first; `TooLarge` and `Refused` for a bad commit: nothing was written.
    /// [`KeystoreError::Storage`]: the step may or may not be durable; the keystore must be opened anew to know.
    pub fn commit(&self, commit: &Commit) -> Result<Version, KeystoreError> {
        commit.check()?;
        self.writing(|inner| self.step(inner, commit))
    }

    fn step(&self, inner: &mut Inner, commit: &Commit) -> Result<Version, KeystoreError> {
        let before = &inner.current.meta;
        if before.version != commit.expected {
            return Err(KeystoreError::Conflict {
                expected: commit.expected,
                found: before.version,
            });
        }
        let planned = plan::plan(&*self.backend, &self.forms, &inner.current, commit)?;
        let first = before.next_seq;
        if self.replace_meta(inner, planned)? == Applied::Changed {
            return Err(KeystoreError::Conflict {
                expected: commit.expected,
                found: inner.current.meta.version,
            });
        }
        if let Some(beside) = &mut inner.beside {
            beside.follow(self.reader(), first, commit, &inner.current)?;
        }
        Ok(inner.current.meta.version)
    }

    /// Writes what was planned, on the condition that meta is still the one that it was planned from.
    fn replace_meta(&self, inner: &mut Inner, planned: Planned) -> Result<Applied, KeystoreError> {
        let expected = Expected {
            key: META_KEY,
            value: Some(&inner.current.meta_value),
        };
        self.deferred.note(&planned.writes);
        let applied = self.backend.apply(expected, &planned.writes)?;
        if applied == Applied::Durable {
            inner.current.meta = planned.meta;
            inner.current.log = planned.log;
            inner.current.meta_value = planned.meta_value;
        }
        Ok(applied)
    }

    /// Destroys secrets: once it returns, neither the database nor any kept snapshot holds a data key to them. One that is gone
    /// already is as good as destroyed, so a crash is made good by asking again. It changes no version.
    ///
    /// # Errors
    /// [`KeystoreError::Storage`]: some may be destroyed, and none may be called so.
    pub fn destroy(&self, names: &[SecretName]) -> Result<(), KeystoreError> {
        self.writing(|inner| {
            let planned = plan::destruction(&*self.backend, &self.forms, &inner.current, names)?;
            if self.replace_meta(inner, planned)? == Applied::Changed {
                return Err(KeystoreError::damaged("the secrets changed under an open keystore"));
            }
            match &inner.beside {
                Some(beside) => beside.clear_destroyed(self.reader()),
                None => Ok(()),
            }
        })
    }

    /// Makes a batch of observations durable: `None` removes. Returns the number of the batch. It changes no version.
    ///
    /// # Errors
    /// [`KeystoreError::TooLarge`]: nothing was written. [`KeystoreError::Storage`].
    pub fn observe(&self, batch: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<u64, KeystoreError> {
        for (key, value) in batch {
            commit::within("the key of an observation", key, MAX_OBSERVATION_KEY_BYTES)?;
            commit::within("an observation", value.as_deref().unwrap_or_default(), MAX_VALUE_BYTES)?;
        }
        self.writing(|inner| self.note(inner, batch))
    }

    fn note(&self, inner: &mut Inner, batch: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<u64, KeystoreError> {
        let (observed, writes) = plan::observations(&*self.backend, &self.forms, inner.current.observed, batch)?;
        let value = observed.encode(&self.forms);
        let expected = Expected {
            key: OBSERVED_KEY,
            value: inner.current.observed_value.as_deref(),
        };
        if self.backend.apply(expected, &writes)? == Applied::Changed {
            return Err(KeystoreError::damaged("the observations changed under an open keystore"));
        }
        inner.current.observed = observed;
        inner.current.observed_value = Some(value);
        if let Some(beside) = &inner.beside {
            beside.follow_observations(self.reader(), &inner.current)?;
        }
        Ok(observed.batch)
    }

    /// The newest state.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn load(&self) -> Result<Loaded, KeystoreError> {
        self.writing(|inner| {
            let meta = &inner.current.meta;
            Ok(Loaded {
                version: meta.version,
                state: self.reader().state(meta.version)?,
                next_seq: meta.next_seq,
            })
        })
    }

    /// The state of an earlier version; the last [`KEPT_VERSIONS`] are kept.
    ///
    /// # Errors
    /// [`KeystoreError::Missing`]; damage; an earlier failure of the storage.
    pub fn state_at(&self, version: Version) -> Result<Vec<u8>, KeystoreError> {
        self.reading_alone(|reader| reader.state(version))
    }

    /// What the versions of a range were, in order. Their states are kept for the last [`KEPT_VERSIONS`] only.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn versions(&self, range: Range<Version>) -> Result<Vec<VersionInfo>, KeystoreError> {
        self.reading_whole(Tree::Versions, |reader| reader.versions(range))
    }

    /// A secret.
    ///
    /// # Errors
    /// [`KeystoreError::Missing`] when it was never put, or was destroyed; damage; an earlier failure of the storage.
    pub fn secret(&self, name: &SecretName) -> Result<Secret, KeystoreError> {
        self.reading(|reader| reader.secret(name))
    }

    /// The names of all secrets.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn secret_names(&self) -> Result<Vec<SecretName>, KeystoreError> {
        self.reading_alone(|reader| Ok(reader.sealed_secrets()?.into_iter().map(|secret| secret.name).collect()))
    }

    /// The records of a range that are there, in order.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn records(&self, range: Range<Seq>) -> Result<Vec<StoredRecord>, KeystoreError> {
        self.log(|log| {
            let mut found = Vec::new();
            log.walk(range, &mut |seq, bytes| {
                let bytes = bytes.to_vec();
                found.push(StoredRecord { seq, bytes });
                Ok(())
            })?;
            Ok(found)
        })
    }

    /// One record.
    ///
    /// # Errors
    /// [`KeystoreError::Missing`]; damage; an earlier failure of the storage.
    pub fn record(&self, seq: Seq) -> Result<StoredRecord, KeystoreError> {
        let found = self.records(seq..seq.next())?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| KeystoreError::Missing(format!("record {seq}")))
    }

    /// The records that speak of a key, in order.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn records_of(&self, kid: &Kid) -> Result<Vec<Seq>, KeystoreError> {
        self.reading_whole(Tree::KidIndex, |reader| reader.records_of(kid))
    }

    /// Every key that a record speaks of, in the order of their kids.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn kids(&self) -> Result<Vec<Kid>, KeystoreError> {
        self.reading_whole(Tree::KidIndex, |reader| reader.kids())
    }

    /// Reads the tree over the records, as far as they are durable.
    ///
    /// # Errors
    /// What `read` says; damage; an earlier failure of the storage.
    pub fn log<T>(&self, read: impl FnOnce(&Log<'_>) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        let tree = self.writing(|inner| Ok(inner.current.log.clone()))?;
        self.reading(|reader| read(&Log::new(reader, tree)))
    }

    /// A list of confirmations, by its SHA-256.
    ///
    /// # Errors
    /// [`KeystoreError::Missing`]; damage; an earlier failure of the storage.
    pub fn evidence(&self, digest: Digest) -> Result<Vec<u8>, KeystoreError> {
        self.prove_tree(Tree::Evidence, &|| true)?;
        self.reading_alone(|reader| reader.evidence(digest))
    }

    /// All observations, ordered by key.
    ///
    /// # Errors
    /// Damage; an earlier failure of the storage.
    pub fn observations(&self) -> Result<Vec<Entry>, KeystoreError> {
        self.reading(|reader| reader.observations())
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            backend: &*self.backend,
            forms: &self.forms,
        }
    }

    fn reading<T>(&self, read: impl FnOnce(Reader<'_>) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        self.healthy()?;
        self.watched(read(self.reader()))
    }

    /// Alone: nobody else writes meanwhile.
    fn writing<T>(&self, write: impl FnOnce(&mut Inner) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        self.alone(|inner| self.watched(write(inner)))
    }

    /// Reads more than one entry of what a step changes or takes away.
    fn reading_alone<T>(&self, read: impl FnOnce(Reader<'_>) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        self.writing(|_| read(self.reader()))
    }

    fn alone<T>(&self, act: impl FnOnce(&mut Inner) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        let Ok(mut inner) = self.inner.lock() else {
            return Err(self.give_up(KeystoreError::Storage("a step was cut off by a panic".to_owned())));
        };
        self.healthy()?;
        act(&mut inner)
    }

    /// What was asked may be wrong, and the storage may fail or be damaged: then it is over.
    fn watched<T>(&self, result: Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        result.map_err(|error| match error {
            KeystoreError::Storage(_) | KeystoreError::Damaged { .. } => self.give_up(error),
            other => other,
        })
    }
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystore")
            .field("failing", &self.failing)
            .finish_non_exhaustive()
    }
}
