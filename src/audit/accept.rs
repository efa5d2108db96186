//! What a node checks before it takes anything: the generation is in the log, and the log goes on from what the node remembers.

use super::checkpoint::Checkpoint;
use super::note::NoteKey;
use super::proof::{ProofError, verify_consistency};
use super::proof_file::{RecordProof, RecordProofError};
use super::record::Record;
use crate::types::{Digest, Generation, Seq, TreeHead};

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
    /// The proof leads from another log than the one that the node remembers. It says nothing, for or against.
    #[error("the proof leads from a log of {from} records, and this node remembers one of {seen}")]
    OtherBase {
        /// Where the proof begins.
        from: u64,
        /// The size that the node remembers.
        seen: u64,
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

/// The proof that the log goes on from an earlier one of `from` records.
#[derive(Debug, Clone, Copy)]
pub struct GoesOn<'a> {
    /// How many records the earlier one has.
    pub from: u64,
    /// The hashes of the proof.
    pub hashes: &'a [Digest],
}

/// Checks a generation against the log. `goes_on` leads to the checkpoint in `proof`, from the head that the node remembers.
/// Returns the record, and the checkpoint to remember from now on.
///
/// # Errors
/// Whatever does not hold; nothing is to be taken then.
pub fn accept(
    log: &NoteKey,
    remembered: Option<TreeHead>,
    proof: &RecordProof,
    goes_on: GoesOn<'_>,
    sent: Sent,
) -> Result<(Record, Checkpoint), LogRefusal> {
    let (record, checkpoint) = proof.verify(log)?;
    if let Some(remembered) = remembered {
        follows(remembered, checkpoint.head, goes_on)?;
    }
    if (record.generation, record.digest) != (sent.generation, sent.digest) {
        return Err(LogRefusal::OtherContent {
            seq: record.seq,
            generation: sent.generation,
        });
    }
    Ok((record, checkpoint))
}

/// Whether the log of `shown` goes on from that of `remembered`. Both are heads that one log's key has signed.
///
/// # Errors
/// It is shorter, or another log in its first records; or the proof is not about the two.
pub fn follows(remembered: TreeHead, shown: TreeHead, goes_on: GoesOn<'_>) -> Result<(), LogRefusal> {
    let seen = remembered.size;
    let hashes = match shown.size {
        size if size > seen && goes_on.from != seen => {
            return Err(LogRefusal::OtherBase {
                from: goes_on.from,
                seen,
            });
        }
        size if size == seen => &[],
        _ => goes_on.hashes,
    };
    verify_consistency(remembered, shown, hashes).map_err(|why| match why {
        ProofError::Shrunk { new, .. } => LogRefusal::RolledBack { shown: new, seen },
        why => LogRefusal::Forked { seen, why },
    })
}
