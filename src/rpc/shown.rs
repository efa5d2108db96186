//! On the wire: what a node shows of what it holds, and the record by which a leader gave up what the node remembers.

use super::bundle::{hashes, sent_hashes, within};
use super::convert::{WireError, number};
use super::fleet::{AdoptedRecord, Exhibit};
use super::limits::{CHECKPOINT_BYTES, RECORD_BYTES, SHOWN_BYTES};
use super::{BundleError, proto};
use crate::audit::{CheckpointError, RecordProof};
use crate::types::Seq;

impl Exhibit {
    /// Whether it is small enough to be sent.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.public_form.len() <= SHOWN_BYTES
    }
}

impl From<Exhibit> for proto::Shown {
    fn from(exhibit: Exhibit) -> Self {
        let Exhibit { public_form, proof } = exhibit;
        Self {
            public_form,
            record: proof.record,
            record_seq: proof.seq.0,
            inclusion: sent_hashes(&proof.hashes),
            checkpoint: proof.checkpoint.to_string(),
        }
    }
}

impl TryFrom<proto::Shown> for Exhibit {
    type Error = WireError;

    fn try_from(shown: proto::Shown) -> Result<Self, WireError> {
        within("public form", shown.public_form.len(), SHOWN_BYTES)?;
        within("record", shown.record.len(), RECORD_BYTES)?;
        within("checkpoint", shown.checkpoint.len(), CHECKPOINT_BYTES)?;
        let note = shown.checkpoint.parse().map_err(CheckpointError::from);
        Ok(Self {
            public_form: shown.public_form,
            proof: RecordProof {
                record: shown.record,
                seq: Seq(number("record_seq", shown.record_seq)?),
                hashes: hashes(&shown.inclusion)?,
                checkpoint: note.map_err(BundleError::from)?,
            },
        })
    }
}

impl From<&AdoptedRecord> for proto::AdoptedRecord {
    fn from(adopted: &AdoptedRecord) -> Self {
        Self {
            record: adopted.record.clone(),
            record_seq: adopted.seq.0,
            inclusion: sent_hashes(&adopted.hashes),
        }
    }
}

impl TryFrom<proto::AdoptedRecord> for AdoptedRecord {
    type Error = WireError;

    fn try_from(adopted: proto::AdoptedRecord) -> Result<Self, WireError> {
        within("record", adopted.record.len(), RECORD_BYTES)?;
        Ok(Self {
            seq: Seq(number("record_seq", adopted.record_seq)?),
            hashes: hashes(&adopted.inclusion)?,
            record: adopted.record,
        })
    }
}
