//! One record, as RFC 8785 (JCS) JSON.

use serde::{Deserialize, Serialize};

use super::canonical::canonical;
use crate::lifecycle::{Event, KeySet};
use crate::types::{Actor, Digest, Generation, Seq, Time};

/// The form of the records that this build writes.
pub const SCHEMA: u32 = 1;

/// One decided event, with who, when, and what nodes had to hold afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The form of the record.
    pub schema: u32,
    /// Its place in the log, from 0.
    pub seq: Seq,
    /// When it was decided: the later of the clock and the record before (rule R9).
    pub time: Time,
    /// What the clock really said, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Time>,
    /// Who decided.
    pub actor: Actor,
    /// What was decided.
    pub event: Event,
    /// The generation in force after the decision.
    pub generation: Generation,
    /// SHA-256 of the public form of that generation.
    pub digest: Digest,
}

/// A record that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("an audit record can't be read: {0}; if it was written by a newer jkeys, use that release")]
pub struct RecordError(#[from] serde_json::Error);

impl Record {
    /// The bytes that are stored, hashed and exported.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// Bytes that are not a record of a form that this build knows.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// The bytes of a generation's public form and their digest: what a node is sent, and what a record commits to.
#[must_use]
pub fn public_form(set: &KeySet) -> (Vec<u8>, Digest) {
    let bytes = canonical(set);
    let digest = Digest::of(&bytes);
    (bytes, digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Epoch;

    fn record() -> Record {
        let time = Time(1_795_413_904_123);
        let event = Event::Started {
            epoch: Epoch(3),
            absence: None,
        };
        let (generation, digest) = (Generation(7), Digest([1; 32]));
        Record {
            schema: SCHEMA,
            seq: Seq(0),
            time,
            clock: None,
            actor: Actor::Schedule,
            event,
            generation,
            digest,
        }
    }

    #[test]
    fn a_record_has_one_byte_exact_form() {
        let expected = concat!(
            r#"{"actor":"schedule","digest":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","#,
            r#""event":{"absence":null,"action":"started","epoch":3},"generation":7,"schema":1,"seq":0,"#,
            r#""time":"2026-11-23T06:05:04.123Z"}"#
        );
        assert_eq!(String::from_utf8(record().to_bytes()).unwrap(), expected);
        assert_eq!(Record::from_bytes(expected.as_bytes()).unwrap(), record());
    }

    #[test]
    fn damaged_bytes_are_refused_in_words() {
        let refused = Record::from_bytes(b"{\"seq\":").unwrap_err().to_string();
        assert!(refused.contains("newer jkeys"), "{refused}");
    }
}
