//! What a node checks before it takes anything: the generation is in the log, and the log goes on from what the node remembers.

use super::checkpoint::Checkpoint;
use super::note::NoteKey;
use super::proof::{ProofError, verify_consistency, verify_inclusion};
use super::proof_file::{RecordProof, RecordProofError};
use super::record::Record;
use super::tree::leaf_hash;
use crate::lifecycle::Event;
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
    /// The leader shows an adoption that is none of what the node remembers.
    #[error(
        "the leader went on from an older state, and does not show that it gave up the log of {seen} records that this node remembers: \
         {why}; run `jkeys audit adopt` on the leader"
    )]
    NotGivenUp {
        /// The size that the node remembers.
        seen: u64,
        /// What is wrong with the record that it shows.
        why: NotGivenUp,
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

/// The proof that the log goes on from an earlier one of `from` records, or that it gives that one up.
#[derive(Debug, Clone, Copy, Default)]
pub struct GoesOn<'a> {
    /// How many records the earlier one has.
    pub from: u64,
    /// The hashes of the proof.
    pub hashes: &'a [Digest],
    /// The record that gives it up; it counts in place of the hashes.
    pub adopted: Option<Adopted<'a>>,
}

/// A record of an adoption, and the proof that the log holds it.
#[derive(Debug, Clone, Copy)]
pub struct Adopted<'a> {
    /// The record's exact bytes.
    pub record: &'a [u8],
    /// Its place.
    pub seq: Seq,
    /// The hashes from its leaf up to the root.
    pub hashes: &'a [Digest],
}

/// Why a record does not give up a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum NotGivenUp {
    /// It is not in the log, or is no record.
    #[error(transparent)]
    Proof(#[from] RecordProofError),
    /// It is about something else, or says that it stands elsewhere.
    #[error("record {0} is not of an adoption")]
    Other(Seq),
    /// It does not name the checkpoint.
    #[error("record {0} does not name it")]
    NotNamed(Seq),
}

impl Adopted<'_> {
    /// Whether the log of `shown` gives up the one of `remembered`: by that record, and by that very size and root.
    fn gives_up(&self, remembered: TreeHead, shown: TreeHead) -> Result<(), NotGivenUp> {
        let seq = self.seq;
        verify_inclusion(shown, seq.0, leaf_hash(self.record), self.hashes)
            .map_err(|why| RecordProofError::Proof { seq, why })?;
        let record = Record::from_bytes(self.record).map_err(RecordProofError::from)?;
        let Event::Adopted { seq: own, given_up, .. } = &record.event else {
            return Err(NotGivenUp::Other(seq));
        };
        if (record.seq, *own) != (seq, seq) {
            return Err(NotGivenUp::Other(seq));
        }
        given_up.contains(&remembered).then_some(()).ok_or(NotGivenUp::NotNamed(seq))
    }
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
        let seen = remembered.size;
        match &goes_on.adopted {
            None => follows(remembered, checkpoint.head, goes_on)?,
            Some(adopted) => adopted
                .gives_up(remembered, checkpoint.head)
                .map_err(|why| LogRefusal::NotGivenUp { seen, why })?,
        }
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
