//! Making and opening a keystore: guards first, then the database, then the check of everything.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::anchor::{self, Anchor};
use super::backend::{Applied, Backend, Expected};
use super::beside::{Beside, segments_dir, snapshots_dir};
use super::deferred::{self, Deferred};
use super::error::{KeystoreError, io};
use super::failing::Failing;
use super::form::Forms;
use super::lock::Lock;
use super::meta::{META_KEY, Meta};
use super::prove::{found_earlier, mark, naming_newest};
use super::read::Reader;
use super::sled_store::{SledStore, data_file};
use super::verify::{self, Current};
use super::{Inner, Keystore, plan, unfinished};
use crate::crypto::seal::MasterKey;
use crate::durable;
use crate::types::Version;

/// The least free space that sled is opened with: a full disk while opening leaves it unable to open again.
const MIN_FREE_MIB: u64 = 64;

/// What a start keeps to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The least free space, MiB.
    pub(super) min_free_mib: u64,
    /// The largest history that is checked before the leader serves: in entries of the trees that grow, and in bytes of the whole
    /// database. More would take longer than a leader should be waited for.
    pub(super) at_once: (u64, u64),
}

impl Bounds {
    pub(super) const OF_A_START: Self = Self {
        min_free_mib: MIN_FREE_MIB,
        at_once: (300_000, 1 << 30),
    };
    const OF_AN_OPENING: Self = Self {
        min_free_mib: MIN_FREE_MIB,
        at_once: (u64::MAX, u64::MAX),
    };

    fn allow(&self, meta: &Meta, database_bytes: u64) -> bool {
        let (entries, bytes) = self.at_once;
        deferred::entries(meta) <= entries && database_bytes <= bytes
    }
}

pub(super) fn database_dir(dir: &Path) -> PathBuf {
    dir.join("db")
}

impl Keystore {
    /// Makes a keystore in `dir`, which must be absent or empty. Only `jkeys init leader` calls this.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`], [`KeystoreError::NoSpace`], [`KeystoreError::Storage`].
    pub fn create(dir: &Path, master: &MasterKey) -> Result<Self, KeystoreError> {
        new_folder(dir)?;
        let lock = Lock::take(dir)?;
        let backend = SledStore::open(&database_dir(dir))?;
        durable::sync_folder(dir)?;
        let forms = Forms::new(master);
        let current = begin(&backend, &forms)?;
        let beside = Beside::create(dir, &forms, &current)?;
        let deferred = Deferred::nothing(&current.meta);
        let files = Some((dir.to_owned(), beside, lock));
        Ok(Self::from_parts(Box::new(backend), forms, current, deferred, files))
    }

    /// Opens the keystore in `dir` and checks all of it. It creates nothing.
    ///
    /// # Errors
    /// [`KeystoreError::Absent`], [`KeystoreError::Empty`], [`KeystoreError::Held`], [`KeystoreError::NoSpace`],
    /// [`KeystoreError::WrongMasterKey`], [`KeystoreError::NewerSchema`]; [`KeystoreError::Damaged`] and [`KeystoreError::Older`]
    /// with what to restore from; [`KeystoreError::Storage`].
    pub fn open(dir: &Path, master: &MasterKey) -> Result<Self, KeystoreError> {
        Self::opened(dir, master, Bounds::OF_AN_OPENING)
    }

    /// The same, but a history that is too long to be waited for is left to [`Keystore::prove`]: an index, a list or a version is then
    /// checked before the first is given out, and a record when it is read. What decisions stand on is always checked here.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn start(dir: &Path, master: &MasterKey) -> Result<Self, KeystoreError> {
        Self::opened(dir, master, Bounds::OF_A_START)
    }

    pub(super) fn opened(dir: &Path, master: &MasterKey, bounds: Bounds) -> Result<Self, KeystoreError> {
        opened(dir, master, bounds).map_err(|error| naming_newest(dir, error))
    }

    /// Opens or makes a keystore on a database of its own, with no files beside it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on(backend: Box<dyn Backend>, master: &MasterKey) -> Result<Self, KeystoreError> {
        let forms = Forms::new(master);
        let reader = Reader {
            backend: &*backend,
            forms: &forms,
        };
        let current = match verify::current(reader)? {
            Some(mut current) => {
                verify::whole(reader, &mut current)?;
                current
            }
            None => begin(&*backend, &forms)?,
        };
        let deferred = Deferred::nothing(&current.meta);
        Ok(Self::from_parts(backend, forms, current, deferred, None))
    }

    fn from_parts(
        backend: Box<dyn Backend>,
        forms: Forms,
        current: Current,
        deferred: Deferred,
        files: Option<(PathBuf, Beside, Lock)>,
    ) -> Self {
        let (dir, beside, lock) = match files {
            Some((dir, beside, lock)) => (Some(dir), Some(beside), Some(lock)),
            None => (None, None, None),
        };
        Self {
            dir,
            deferred,
            inner: Mutex::new(Inner { current, beside }),
            backend,
            forms,
            failing: Failing::default(),
            _lock: lock,
        }
    }
}

/// Makes the folder of a new keystore, or takes one that is empty and has room.
pub(super) fn new_folder(dir: &Path) -> Result<(), KeystoreError> {
    durable::create_folder(dir, 0o700)?;
    if dir.read_dir().map_err(io("read", dir))?.next().is_some() {
        return Err(KeystoreError::Exists { dir: dir.to_owned() });
    }
    enough_space(dir, MIN_FREE_MIB)
}

fn opened(dir: &Path, master: &MasterKey, bounds: Bounds) -> Result<Keystore, KeystoreError> {
    unfinished::refuse(dir)?;
    let database = database_dir(dir);
    let database_bytes = bytes(&data_file(&database))?;
    let has_data = database_bytes > 0;
    if !has_data && bytes(&dir.join("anchor"))? == 0 && was_never_used(dir, None) {
        return Err(KeystoreError::Absent { dir: dir.to_owned() });
    }
    enough_space(dir, bounds.min_free_mib)?;
    let lock = Lock::take(dir)?;
    let at_once = |meta: &Meta| found_earlier(dir) || bounds.allow(meta, database_bytes);
    let anchor = Anchor::read(dir)?;
    if !has_data {
        return Err(empty_beside(dir, anchor));
    }
    let forms = Forms::new(master);
    let (backend, found) = checked_database(&database, &forms, &at_once).map_err(|error| match error {
        // A power cut in the middle of its making leaves no database that opens, and nothing is lost with it.
        KeystoreError::Damaged { .. } if was_never_used(dir, anchor.as_ref()) => empty_beside(dir, anchor),
        other => other,
    })?;
    let Some((current, deferred)) = found else {
        return Err(empty_beside(dir, anchor));
    };
    let reader = Reader {
        backend: &backend,
        forms: &forms,
    };
    match &anchor {
        Some(anchor) => verify::reaches(reader, &current, anchor).map_err(unreadable)?,
        None if current.meta.version > Version(0) => return Err(anchor::gone(dir)),
        None => {}
    }
    if current.meta.version == Version(0) {
        return Err(KeystoreError::Empty { dir: dir.to_owned() });
    }
    let files = Some((dir.to_owned(), Beside::catch_up(dir, reader, &current)?, lock));
    durable::remove_file(&mark(dir))?;
    Ok(Keystore::from_parts(Box::new(backend), forms, current, deferred, files))
}

/// The database, checked, and what it holds, if anything; all of it where that is to be checked `at_once`, else what decisions stand on.
fn checked_database(
    dir: &Path,
    forms: &Forms,
    at_once: &dyn Fn(&Meta) -> bool,
) -> Result<(SledStore, Option<(Current, Deferred)>), KeystoreError> {
    let backend = SledStore::open(dir)?;
    let reader = Reader {
        backend: &backend,
        forms,
    };
    let Some(mut current) = verify::current(reader).map_err(unreadable)? else {
        return Ok((backend, None));
    };
    let deferred = if at_once(&current.meta) {
        verify::whole(reader, &mut current).map_err(unreadable)?;
        Deferred::nothing(&current.meta)
    } else {
        verify::standing(reader, &mut current).map_err(unreadable)?;
        Deferred::all(&current.meta)
    };
    Ok((backend, Some((current, deferred))))
}

/// Whether nothing tells of a first step: no anchor that knows one, no record, no snapshot.
fn was_never_used(dir: &Path, anchor: Option<&Anchor>) -> bool {
    let holds_nothing = |folder: &Path| match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    let is_first = anchor.is_none_or(|anchor| anchor.version == Version(0));
    is_first && holds_nothing(&segments_dir(dir)) && holds_nothing(&snapshots_dir(dir))
}

/// The size of a file; 0 when there is none.
fn bytes(path: &Path) -> Result<u64, KeystoreError> {
    match path.metadata() {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(io("look at", path)(error)),
    }
}

/// A database that opens and can't be read is damaged: starting again would not mend it.
pub(super) fn unreadable(error: KeystoreError) -> KeystoreError {
    match error {
        KeystoreError::Storage(why) => KeystoreError::damaged(why),
        other => other,
    }
}

/// Nothing in the database: never finished, or lost.
fn empty_beside(dir: &Path, anchor: Option<Anchor>) -> KeystoreError {
    match anchor {
        Some(anchor) if anchor.version > Version(0) => KeystoreError::older(format!(
            "{} holds nothing, and its anchor file remembers version {} and {} records",
            database_dir(dir).display(),
            anchor.version,
            anchor.next_seq
        )),
        _ if was_never_used(dir, anchor.as_ref()) => KeystoreError::Empty { dir: dir.to_owned() },
        _ => KeystoreError::older(format!(
            "{} holds nothing, its anchor file is gone, and records or snapshots beside it are from when it held a fleet",
            database_dir(dir).display()
        )),
    }
}

/// Writes version 0 into an empty database.
fn begin(backend: &dyn Backend, forms: &Forms) -> Result<Current, KeystoreError> {
    let planned = plan::first(backend, forms)?;
    let expected = Expected {
        key: META_KEY,
        value: None,
    };
    if backend.apply(expected, &planned.writes)? == Applied::Changed {
        return Err(KeystoreError::Refused(
            "another process made the keystore just now".to_owned(),
        ));
    }
    verify::current(Reader { backend, forms })?.ok_or_else(|| KeystoreError::damaged("what was just written is not there"))
}

fn enough_space(dir: &Path, needed_mib: u64) -> Result<(), KeystoreError> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| io("look at the free space of", dir)(error.into()))?;
    let free_mib = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
    if free_mib >= needed_mib {
        return Ok(());
    }
    Err(KeystoreError::NoSpace {
        dir: dir.to_owned(),
        free_mib,
        needed_mib,
    })
}
