//! Why a log, or a part of it, is not what it should be, or could not be read or written.

use std::path::PathBuf;

use crate::audit::{Broken, CheckpointError, LogRefusal, NoteError, NoteKeyError, ProofError, RecordProofError};
use crate::durable::DurableError;

/// What `jkeys audit` found, or what was in its way.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log was changed, or is none.
    #[error("the log is not whole: {0}")]
    Broken(#[from] Broken),
    /// A proof does not hold.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] RecordProofError),
    /// A checkpoint is not the log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is no key.
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    /// The log does not go on from an earlier one.
    #[error(transparent)]
    Refused(#[from] LogRefusal),
    /// The leader's log has another root at the size of a checkpoint that somebody kept.
    #[error(
        "the checkpoint in {path} is not of this log: both have {size} records, and they are others; the log was rewritten, or its \
         key signed two histories"
    )]
    Forked {
        /// The file.
        path: PathBuf,
        /// How many records it speaks of.
        size: u64,
    },
    /// A checkpoint that is not the leader's although it says so.
    #[error("the leader's proof does not hold: {0}; do not trust it, and look at who answers on its socket")]
    LeadersProof(ProofError),
    /// No key is at hand.
    #[error(
        "there is no key to verify {0} with: give the log's key, or a file that holds it, with --key; `jkeys audit export` writes it \
         to log.key, and `jkeys audit checkpoint --json` shows it"
    )]
    NoKey(PathBuf),
    /// A file can't be read.
    #[error("{path} can't be read: {why}; give a folder of `jkeys audit export` or a file of `jkeys audit prove`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// Something is in the folder.
    #[error("{0} is not empty: an export goes into a folder of its own; name another with --out")]
    NotEmpty(PathBuf),
    /// A file can't be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// A record is longer than any.
    #[error("record {0} is too long for a bundle of records; leave out --tiles, and report this")]
    TooLong(u64),
    /// The leader broke off.
    #[error("the leader sent {got} of {announced} records and then no more; look at its log, and try again")]
    Short {
        /// How many came.
        got: u64,
        /// How many its checkpoint speaks of.
        announced: u64,
    },
}
