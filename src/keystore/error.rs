//! What can go wrong with the keystore: what happened, then what to do.

use std::path::{Path, PathBuf};

use crate::crypto::seal::SealError;
use crate::durable::{DurableError, advice};
use crate::types::Version;

/// Why the keystore did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// Compare-and-set failed: nothing was written.
    #[error("the state stands at version {found}, not {expected}: load it again and decide anew")]
    Conflict {
        /// The version that the decision was made from.
        expected: Version,
        /// The version that is stored.
        found: Version,
    },
    /// Nothing is there.
    #[error("there is no keystore in {}: make one with `jkeys init leader`", dir.display())]
    Absent {
        /// The keystore's folder.
        dir: PathBuf,
    },
    /// The making was cut off before the first commit.
    #[error(
        "the keystore in {} is empty: its making was interrupted before it held a fleet. Remove the folder and run `jkeys init leader`, or \
         `jkeys restore`, again",
        dir.display()
    )]
    Empty {
        /// The keystore's folder.
        dir: PathBuf,
    },
    /// Its writing under a new master key was cut off.
    #[error(
        "the keystore in {} is not finished: {why}. Nothing is lost: the one in {} is as it was and opens with its own master key. Go on \
         with that, or remove {} and run `jkeys keystore rekey` again",
        dir.display(), old.display(), dir.display()
    )]
    Unfinished {
        /// The folder of the new keystore.
        dir: PathBuf,
        /// The folder of the one that it is made from.
        old: PathBuf,
        /// What ended it.
        why: String,
    },
    /// A new keystore was to be made where something is.
    #[error("{} is not empty: a keystore is made in a new folder only. Name another, or move this one away", dir.display())]
    Exists {
        /// The folder that was named.
        dir: PathBuf,
    },
    /// A second process.
    #[error("another jkeys leader ({holder}) uses this keystore, {}: stop it first", dir.display())]
    Held {
        /// The keystore's folder.
        dir: PathBuf,
        /// Who holds it: `pid N`.
        holder: String,
    },
    /// Too little room to open safely.
    #[error("{} has {free_mib} MiB free and a keystore needs {needed_mib} MiB to open safely: make room, then start again", dir.display())]
    NoSpace {
        /// The keystore's folder.
        dir: PathBuf,
        /// Free for an unprivileged process, MiB.
        free_mib: u64,
        /// The least that is needed, MiB.
        needed_mib: u64,
    },
    /// The master key is another one.
    #[error("{what} was sealed under another master key: give the master key file that was made with this keystore")]
    WrongMasterKey {
        /// What does not open.
        what: String,
    },
    /// Written by a newer jkeys.
    #[error(
        "{what} has schema {found}, and this version of jkeys knows schemas up to {known}: use the newer version that wrote it"
    )]
    NewerSchema {
        /// What was read.
        what: String,
        /// The schema that it has.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// What was read back is not what was written.
    #[error("the keystore is damaged: {what}. {advice}")]
    Damaged {
        /// What does not hold.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The database is behind what was once made durable, or of another history.
    #[error("the database is older than it was, or empty: {what}. Don't delete the files beside it. {advice}")]
    Older {
        /// What gives it away.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The storage failed in this call. What was asked may or may not be durable; the next start tells.
    #[error("storage failed: {0}; restart the leader once the cause is mended")]
    Storage(String),
    /// The storage failed in an earlier call, so nothing is read or written any more.
    #[error("storage failed earlier: {why}; restart the leader")]
    Failed {
        /// The first failure.
        why: String,
    },
    /// A value above its limit. Nothing was written.
    #[error("{what} has {bytes} bytes; the keystore takes at most {limit}")]
    TooLarge {
        /// Which value.
        what: String,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A commit that contradicts itself or the store. Nothing was written.
    #[error("the keystore refuses the commit: {0}")]
    Refused(String),
    /// What was asked for is not kept.
    #[error("the keystore has no {0}")]
    Missing(String),
}

/// What to do about damage when no better advice is known.
const RESTORE: &str = "Keep the folder as it is, and make a new one from it: `jkeys restore FILE --to DIR`, with its newest snapshot or a \
                       backup; then move it away, and DIR into its place";

impl KeystoreError {
    /// Damage, with the usual advice.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            advice: RESTORE.to_owned(),
        }
    }

    /// Damage, with advice of its own.
    pub(super) fn damaged_advising(what: impl Into<String>, advice: &str) -> Self {
        Self::Damaged {
            what: what.into(),
            advice: advice.to_owned(),
        }
    }

    /// A database behind what was once durable, with the usual advice.
    pub(super) fn older(what: impl Into<String>) -> Self {
        Self::Older {
            what: what.into(),
            advice: RESTORE.to_owned(),
        }
    }

    /// The same error, with the newest snapshot by name where it advises to restore.
    pub(super) fn naming(mut self, newest_snapshot: &Path) -> Self {
        if let Self::Damaged { advice, .. } | Self::Older { advice, .. } = &mut self
            && advice == RESTORE
        {
            *advice = format!("{RESTORE}. The newest snapshot is {}", newest_snapshot.display());
        }
        self
    }
}

impl From<DurableError> for KeystoreError {
    fn from(error: DurableError) -> Self {
        Self::Storage(error.to_string())
    }
}

/// Sealing needs random bytes and nothing else; opening is mapped where it is known what does not open.
impl From<SealError> for KeystoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRandomness | SealError::TooLong => Self::Storage(error.to_string()),
            SealError::DoesNotOpen | SealError::UnknownForm(_) => Self::damaged(error.to_string()),
        }
    }
}

/// An I/O error while doing something to `path`.
pub(super) fn io<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> KeystoreError + 'a {
    move |error| KeystoreError::Storage(format!("could not {doing} {}: {error}; {}", path.display(), advice(&error)))
}
