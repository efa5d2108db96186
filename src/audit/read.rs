//! What can be told of a record by itself: that it is one, and in the one form that records have.

use super::canonical::Canonical;
use super::record::{Record, RecordError, SCHEMA};
use super::tree::leaf_hash;
use super::verify::Broken;
use crate::types::{Digest, Seq};

/// A record in the one form that records have, and its hash as a leaf.
#[derive(Debug)]
pub struct ReadRecord {
    pub(super) record: Record,
    pub(super) leaf: Digest,
}

/// Why bytes are no record of a log.
#[derive(Debug)]
pub enum NoRecord {
    /// They can't be read.
    Unreadable(RecordError),
    /// They are not in the one form that records have.
    Form,
}

impl NoRecord {
    /// The same of the record that belongs to `place`.
    pub(super) fn at(self, place: Seq) -> Broken {
        match self {
            Self::Unreadable(why) => Broken::Record(place, why),
            Self::Form => Broken::Form(place),
        }
    }
}

/// Reads one record after another.
#[derive(Debug, Default)]
pub struct RecordReader {
    form: Canonical,
}

impl RecordReader {
    /// Reads a record, given as its exact bytes.
    ///
    /// # Errors
    /// It is none, or is written in another way than records are.
    pub fn read(&mut self, bytes: &[u8]) -> Result<ReadRecord, NoRecord> {
        let record = Record::from_bytes(bytes).map_err(NoRecord::Unreadable)?;
        if record.schema != SCHEMA || self.form.of(&record) != bytes {
            return Err(NoRecord::Form);
        }
        let leaf = leaf_hash(bytes);
        Ok(ReadRecord { record, leaf })
    }
}
