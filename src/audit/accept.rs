//! What a node checks before it takes anything: the generation is in the log, and the log goes on from what the node remembers.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::note::NoteKey;
use super::proof::{ProofError, verify_consistency};
use super::proof_file::{RecordProof, RecordProofError};
use super::record::Record;
use crate::types::{Digest, Generation, Seq};

/// Why a node takes nothing from a leader that shows this.
#[derive(Debug, thiserror::Error)]
pub enum LogRefusal {
    /// Signature, inclusion or record.
    #[error(transparent)]
    Proof(#[from] RecordProofError),
    /// The log is shorter than what the node has seen.
    #[error(
        "the log was rolled back: the leader shows {shown} records, and this node has seen {seen}; restore the newest snapshot, or go \
         on with `jkeys audit adopt`"
    )]
    RolledBack {
        /// The size that the leader shows.
        shown: u64,
        /// The size that the node remembers.
        seen: u64,
    },
    /// The log does not go on from what the node has seen.
    #[error(
        "the log was forked: its first {seen} records are not those that this node has seen ({why}); find out which leader is the \
         true one before you go on with `jkeys audit adopt`"
    )]
    Forked {
        /// The size that the node remembers.
        seen: u64,
        /// What the proof fails with.
        why: ProofError,
    },
    /// The record is about another generation, or about another content of it.
    #[error(
        "record {seq} is not about this content of generation {generation}: what the leader sent is not what it recorded; stop the \
         leader and look at it"
    )]
    OtherContent {
        /// The record.
        seq: Seq,
        /// The generation that was sent.
        generation: Generation,
    },
}

/// A generation as it was sent: its number and the SHA-256 of its public form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub generation: Generation,
    /// The digest of its public form.
    pub digest: Digest,
}

/// Checks a generation against the log. `consistency` leads from the remembered checkpoint to the one in `proof`.
/// Returns the record, and the checkpoint to remember from now on.
///
/// # Errors
/// Whatever does not hold; nothing is to be taken then.
pub fn accept(
    log: &NoteKey,
    remembered: Option<&Checkpoint>,
    proof: &RecordProof,
    consistency: &[Digest],
    sent: Sent,
) -> Result<(Record, Checkpoint), LogRefusal> {
    let (record, checkpoint) = proof.verify(log)?;
    if let Some(remembered) = remembered {
        follows(remembered, &checkpoint, consistency)?;
    }
    if (record.generation, record.digest) != (sent.generation, sent.digest) {
        return Err(LogRefusal::OtherContent {
            seq: record.seq,
            generation: sent.generation,
        });
    }
    Ok((record, checkpoint))
}

/// Whether the log at `shown` goes on from what it was at `remembered`. Both are verified checkpoints.
///
/// # Errors
/// It is shorter, another log's, or another log in its first records.
pub fn follows(remembered: &Checkpoint, shown: &Checkpoint, consistency: &[Digest]) -> Result<(), LogRefusal> {
    if remembered.origin != shown.origin {
        let (found, expected) = (shown.origin.clone(), remembered.origin.clone());
        return Err(RecordProofError::from(CheckpointError::OtherLog { found, expected }).into());
    }
    let seen = remembered.head.size;
    verify_consistency(remembered.head, shown.head, consistency).map_err(|why| match why {
        ProofError::Shrunk { new, .. } => LogRefusal::RolledBack { shown: new, seen },
        why => LogRefusal::Forked { seen, why },
    })
}
