//! Checkpoints (C2SP `tlog-checkpoint`): how long the log is and what its root is, signed; and cosignatures of those who saw one
//! (C2SP `tlog-cosignature`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::note::{NoteError, NoteKey, NoteKind, NoteSignature, Sign, SignedNote};
use crate::types::{Digest, NodeName, Time, TreeHead, TrustDomain};

/// A log's origin: what its checkpoints begin with, and the name of its key.
#[must_use]
pub fn origin(domain: &TrustDomain) -> String {
    format!("{domain}/jkeys-log")
}

/// The name under which a node cosigns.
#[must_use]
pub fn witness_name(domain: &TrustDomain, node: &NodeName) -> String {
    format!("{domain}/node/{node}")
}

/// A checkpoint whose signature was verified, or that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Its size and root.
    pub head: TreeHead,
}

/// Why a checkpoint is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is something else.
    #[error("the signed note is no checkpoint: {0}; give the file as jkeys wrote it")]
    Form(&'static str),
    /// It is of another log.
    #[error(
        "the checkpoint is of the log {found:?}, and not of {expected:?}; take the checkpoint, or the key, of the same fleet"
    )]
    OtherLog {
        /// What it says.
        found: String,
        /// What the key is for.
        expected: String,
    },
    /// The log's key has not signed it.
    #[error("the checkpoint is not signed by the log's key {0}: whoever made it is not the leader that founded this log")]
    NotSigned(String),
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let root = STANDARD.encode(self.head.root.0);
        format!("{}\n{}\n{root}\n", self.origin, self.head.size)
    }

    /// Signs it with the private half of `key`, which is the key of its origin.
    #[must_use]
    pub fn sign(&self, key: &NoteKey, sign: &Sign<'_>) -> SignedNote {
        let text = self.text();
        let signature = NoteSignature::new(key, sign(text.as_bytes()).to_vec());
        SignedNote {
            text,
            signatures: vec![signature],
        }
    }

    /// Reads a checkpoint and verifies the log's signature. Cosignatures are counted by [`cosigned_at`].
    ///
    /// # Errors
    /// It is none, is another log's, or the log's key has not signed it.
    pub fn open(note: &SignedNote, key: &NoteKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != key.name {
            return Err(CheckpointError::OtherLog {
                found: checkpoint.origin,
                expected: key.name.clone(),
            });
        }
        if key.kind != NoteKind::Note || !note.is_signed_by(key) {
            return Err(CheckpointError::NotSigned(key.to_string()));
        }
        Ok(checkpoint)
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let wrong = CheckpointError::Form;
        let mut lines = text.lines();
        let mut next = |what| lines.next().filter(|line| !line.is_empty()).ok_or(wrong(what));
        let (origin, size, root) = (next("it has no origin")?, next("it has no size")?, next("it has no root")?);
        if lines.next().is_some() {
            return Err(wrong("it has more lines than origin, size and root"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("its size is no number"))?;
        if number.to_string() != size {
            return Err(wrong("its size is not written in the one way"));
        }
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            origin: origin.to_owned(),
            head: TreeHead {
                size: number,
                root: Digest(root.ok_or(wrong("its root is no SHA-256"))?),
            },
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, root {}", self.head.size, self.head.root)
    }
}

/// What a witness signs: the time in seconds and the checkpoint's text.
fn cosigned(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// A witness's cosignature of a checkpoint that it saw and found to go on from all that it had seen.
#[must_use]
pub fn cosign(checkpoint: &Checkpoint, witness: &NoteKey, at: Time, sign: &Sign<'_>) -> NoteSignature {
    let time = at.0 / 1000;
    let signature = sign(&cosigned(time, &checkpoint.text()));
    NoteSignature::new(witness, [&time.to_be_bytes()[..], &signature].concat())
}

/// When `witness` cosigned the checkpoint in these bytes, whole seconds; `None` where the signature is wrong.
#[must_use]
pub fn cosignature_time(checkpoint: &Checkpoint, witness: &NoteKey, bytes: &[u8]) -> Option<Time> {
    let note = SignedNote {
        text: checkpoint.text(),
        signatures: vec![NoteSignature::new(witness, bytes.to_vec())],
    };
    cosigned_at(&note, witness)
}

/// Puts a cosignature under a checkpoint, in the place of an earlier one by the same key.
pub fn add_cosignature(note: &mut SignedNote, signature: NoteSignature) {
    note.signatures
        .retain(|other| (&other.name, other.id) != (&signature.name, signature.id));
    note.signatures.push(signature);
}

/// When `witness` cosigned the checkpoint, whole seconds; `None` where it has not, or the signature is wrong.
#[must_use]
pub fn cosigned_at(note: &SignedNote, witness: &NoteKey) -> Option<Time> {
    let mut own = note.signatures.iter().filter(|signature| signature.is_of(witness));
    own.find_map(|signature| {
        let (time, bytes) = signature.bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let verified = witness.verifies(&cosigned(time, &note.text), bytes);
        verified.then(|| time.checked_mul(1000).map(Time)).flatten()
    })
}

/// How many signatures stand under the note besides the log's.
#[must_use]
pub fn cosignatures(note: &SignedNote, log: &NoteKey) -> usize {
    note.signatures.iter().filter(|signature| !signature.is_of(log)).count()
}
