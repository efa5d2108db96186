//! A record with its proof, in one text that stands alone (C2SP `tlog-proof`; the record is its extra data).

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::note::{NoteKey, SignedNote};
use super::proof::{MAX_PROOF_HASHES, ProofError, verify_inclusion};
use super::record::{Record, RecordError};
use super::tree::leaf_hash;
use crate::types::{Digest, Seq};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A record, and the proof that a signed log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProof {
    /// The record's exact bytes.
    pub record: Vec<u8>,
    /// Its place.
    pub seq: Seq,
    /// The hashes from its leaf up to the root.
    pub hashes: Vec<Digest>,
    /// The checkpoint that covers it.
    pub checkpoint: SignedNote,
}

/// Why a proof is not one.
#[derive(Debug, thiserror::Error)]
pub enum RecordProofError {
    /// It can't be read.
    #[error("the proof can't be read: {0}; give the file whole, as it was written")]
    Form(&'static str),
    /// Its checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its hashes.
    #[error("the proof of record {seq} does not hold: {why}; the record, its place or the log is not what the proof says")]
    Proof {
        /// The record.
        seq: Seq,
        /// What is wrong.
        why: ProofError,
    },
    /// Its record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The record says that it stands elsewhere.
    #[error("the proof is for record {proved}, and the record in it says {found}")]
    OtherRecord {
        /// The place that was proved.
        proved: Seq,
        /// What the record says.
        found: Seq,
    },
}

impl RecordProof {
    /// Verifies everything: signature, inclusion, and that the record is of that place.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, log: &NoteKey) -> Result<(Record, Checkpoint), RecordProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, log)?;
        let leaf = leaf_hash(&self.record);
        verify_inclusion(checkpoint.head, self.seq.0, leaf, &self.hashes)
            .map_err(|why| RecordProofError::Proof { seq: self.seq, why })?;
        let record = Record::from_bytes(&self.record)?;
        if record.seq != self.seq {
            return Err(RecordProofError::OtherRecord {
                proved: self.seq,
                found: record.seq,
            });
        }
        Ok((record, checkpoint))
    }

    /// Reads the proofs of a file, one after another.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, RecordProofError> {
        let begin = format!("{HEADER}\n");
        let rest = text
            .strip_prefix(&begin)
            .ok_or(RecordProofError::Form("it does not begin with c2sp.org/tlog-proof@v1"))?;
        rest.split(&format!("\n{begin}"))
            .map(|part| Self::parse(part.trim_end_matches('\n')))
            .collect()
    }

    /// Reads one, without its header and its last newline.
    fn parse(text: &str) -> Result<Self, RecordProofError> {
        let form = RecordProofError::Form;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(form("it has no checkpoint"))?;
        let mut lines = head.lines();
        let mut field = |name: &str, why| lines.next().and_then(|line| line.strip_prefix(name)).ok_or(form(why));
        let record = field("extra ", "it holds no record")?;
        let index = field("index ", "it names no record")?;
        let hashes: Option<Vec<Digest>> = lines.take(MAX_PROOF_HASHES + 1).map(hash).collect();
        let hashes = hashes.ok_or(form("a line of it is no hash"))?;
        if hashes.len() > MAX_PROOF_HASHES {
            return Err(form("it has more hashes than any log needs"));
        }
        Ok(Self {
            record: STANDARD.decode(record).map_err(|_| form("its record is no base64"))?,
            seq: Seq(index.parse().map_err(|_| form("its place is no number"))?),
            hashes,
            checkpoint: format!("{checkpoint}\n").parse().map_err(CheckpointError::from)?,
        })
    }
}

fn hash(line: &str) -> Option<Digest> {
    STANDARD.decode(line).ok()?.try_into().ok().map(Digest)
}

impl fmt::Display for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nextra {}\nindex {}", STANDARD.encode(&self.record), self.seq)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        f.write_char('\n')?;
        self.checkpoint.fmt(f)
    }
}
