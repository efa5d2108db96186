//! On the wire: what a node shows of what it holds, what it says of its papers and of what fails on it, and the record by which a leader gave up what the node remembers.

use super::bundle::{hashes, sent_hashes, within};
use super::convert::{WireError, number, shown};
use super::fleet::{AdoptedRecord, Exhibit};
use super::limits::{CHECKPOINT_BYTES, FAILING, FAILING_CHARS, RECORD_BYTES, SHOWN_BYTES, TRUSTED_CAS};
use super::{BundleError, proto};
use crate::audit::{CheckpointError, RecordProof};
use crate::lifecycle::{Failing, Papers};
use crate::types::{Seq, Time};

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

impl From<Papers> for proto::Papers {
    fn from(papers: Papers) -> Self {
        Self {
            trusts: papers.trusts.iter().map(|key| key.0.to_vec()).collect(),
            certified_by: papers.certified_by.0.to_vec(),
            good_until_ms: papers.good_until.0,
        }
    }
}

impl TryFrom<proto::Papers> for Papers {
    type Error = WireError;

    fn try_from(papers: proto::Papers) -> Result<Self, WireError> {
        if papers.trusts.len() > TRUSTED_CAS {
            return Err(WireError::field("trusts", format!("at most {TRUSTED_CAS} CAs")));
        }
        let [certified_by] = hashes(&[papers.certified_by])?[..] else {
            return Err(WireError::Missing("the CA of the node's certificate"));
        };
        Ok(Self {
            trusts: hashes(&papers.trusts)?.into_iter().collect(),
            certified_by,
            good_until: Time(number("good_until_ms", papers.good_until_ms)?),
        })
    }
}

impl From<Failing> for proto::Failing {
    fn from(failing: Failing) -> Self {
        Self {
            what: failing.what.to_string(),
            why: shown(&failing.why, FAILING_CHARS),
            times: failing.times,
            since_ms: failing.since.0,
            given_up: failing.is_given_up,
        }
    }
}

impl TryFrom<proto::Failing> for Failing {
    type Error = WireError;

    fn try_from(failing: proto::Failing) -> Result<Self, WireError> {
        Ok(Self {
            what: failing
                .what
                .parse()
                .map_err(|why: String| WireError::field("what", shown(&why, FAILING_CHARS)))?,
            why: shown(&failing.why, FAILING_CHARS),
            times: failing.times,
            since: Time(number("since_ms", failing.since_ms)?),
            is_given_up: failing.given_up,
        })
    }
}

/// What fails on a node, as it says.
pub(super) fn failing(sent: Vec<proto::Failing>) -> Result<Vec<Failing>, WireError> {
    if sent.len() > FAILING {
        return Err(WireError::field("failing", format!("at most {FAILING} hooks and probes")));
    }
    sent.into_iter().map(TryInto::try_into).collect()
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
