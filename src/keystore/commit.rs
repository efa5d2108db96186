//! What is asked of the keystore, and what it gives back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::KeystoreError;
use crate::types::{Digest, Generation, Kid, Secret, Seq, Time, Version};

/// The most that one record, one secret or one observation may have: a stored value stays below 64 KiB.
pub const MAX_VALUE_BYTES: usize = 48 * 1024;
/// The most that a serialized state may have.
pub const MAX_STATE_BYTES: usize = 4 * 1024 * 1024;
/// The most that one list of confirmations may have.
pub const MAX_EVIDENCE_BYTES: usize = 16 * 1024 * 1024;
/// The most that an observation's key may have.
pub const MAX_OBSERVATION_KEY_BYTES: usize = 256;

/// The name of a sealed secret. A name is used once: a new CA key has a new number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretName {
    /// The private half of a key.
    Key(Kid),
    /// The key of a fleet CA.
    Ca(u32),
    /// The key that signs checkpoints of the log.
    Log(u32),
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(kid) => write!(f, "key/{kid}"),
            Self::Ca(number) => write!(f, "ca/{number}"),
            Self::Log(number) => write!(f, "log/{number}"),
        }
    }
}

impl FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no name of a secret");
        match text.split_once('/').ok_or_else(wrong)? {
            ("key", kid) => kid.parse().map(Self::Key).map_err(|_| wrong()),
            ("ca", number) => number.parse().map(Self::Ca).map_err(|_| wrong()),
            ("log", number) => number.parse().map(Self::Log).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.to_string()
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// RFC 8785 JSON, stored and given back byte for byte. At most [`MAX_VALUE_BYTES`].
    pub bytes: Vec<u8>,
    /// The keys that it speaks of.
    pub kids: Vec<Kid>,
}

impl NewRecord {
    /// Whether it is within its limit, and JSON on one line.
    pub(super) fn check(&self) -> Result<(), KeystoreError> {
        within("a record", &self.bytes, MAX_VALUE_BYTES)?;
        if self.bytes.contains(&b'\n') || serde_json::from_slice::<serde::de::IgnoredAny>(&self.bytes).is_err() {
            return Err(KeystoreError::Refused("a record is not JSON on one line".to_owned()));
        }
        Ok(())
    }
}

/// One durable step: everything in it happens, or nothing does.
#[derive(Debug)]
pub struct Commit {
    /// The version that the step was decided from.
    pub expected: Version,
    /// The clock of the caller: snapshots are kept by it.
    pub now: Time,
    /// The whole new state, serialized. At most [`MAX_STATE_BYTES`].
    pub state: Vec<u8>,
    /// Records, numbered on from the last one.
    pub records: Vec<NewRecord>,
    /// Lists of confirmations by their SHA-256. At most [`MAX_EVIDENCE_BYTES`] each.
    pub evidence: Vec<(Digest, Vec<u8>)>,
    /// Secrets to seal. A name that is taken is refused.
    pub put_secrets: Vec<(SecretName, Secret)>,
    /// The generation that the step makes, if it makes one: then a snapshot is written.
    pub snapshot: Option<Generation>,
}

impl Commit {
    /// A step that only replaces the state.
    #[must_use]
    pub fn of_state(expected: Version, now: Time, state: Vec<u8>) -> Self {
        Self {
            expected,
            now,
            state,
            records: Vec::new(),
            evidence: Vec::new(),
            put_secrets: Vec::new(),
            snapshot: None,
        }
    }

    /// Whether the values are within their limits and are what they say.
    pub(super) fn check(&self) -> Result<(), KeystoreError> {
        within("the state", &self.state, MAX_STATE_BYTES)?;
        for record in &self.records {
            record.check()?;
        }
        for (digest, list) in &self.evidence {
            within("a list of confirmations", list, MAX_EVIDENCE_BYTES)?;
            if Digest::of(list) != *digest {
                return Err(KeystoreError::Refused(format!(
                    "the list given for digest {digest} has another one"
                )));
            }
        }
        for (name, secret) in &self.put_secrets {
            within(&format!("the secret {name}"), secret.expose(), MAX_VALUE_BYTES)?;
        }
        Ok(())
    }
}

pub(super) fn within(what: &str, value: &[u8], limit: usize) -> Result<(), KeystoreError> {
    if value.len() <= limit {
        return Ok(());
    }
    Err(KeystoreError::TooLarge {
        what: what.to_owned(),
        bytes: value.len(),
        limit,
    })
}

/// What the keystore holds of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The version of the state; 0 before the first commit.
    pub version: Version,
    /// The state as it was committed; empty before the first commit.
    pub state: Vec<u8>,
    /// The number that the next record will have.
    pub next_seq: Seq,
}

/// What one committed version was. It stays for ever, also when the state of that version is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The version.
    pub version: Version,
    /// The clock of who committed it.
    pub at: Time,
    /// The number of its first record, if it has any.
    pub first: Seq,
    /// The number after its last record.
    pub next: Seq,
    /// The generation that it made, if it made one.
    pub generation: Option<Generation>,
}

/// One stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place.
    pub seq: Seq,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}
