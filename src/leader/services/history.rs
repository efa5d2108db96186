//! Reading the audit log, and what it says of one key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::audit::Record;
use crate::keystore::{Keystore, KeystoreError, StoredRecord};
use crate::lifecycle::{Event, Phase};
use crate::rpc::admin::HistoryCall;
use crate::rpc::documents::KeyStatus;
use crate::rpc::limits::ADMIN_BYTES;
use crate::types::{Kid, Seq, Time};

/// How many records are read at once.
const CHUNK: u64 = 512;
/// How much of a message the records of one answer may take.
const MOST_BYTES: usize = ADMIN_BYTES - 64 * 1024;

/// The records that a call asks for, oldest first, byte for byte as they are stored; as many as one answer holds.
pub(super) fn records(keystore: &Keystore, call: &HistoryCall) -> Result<Vec<Box<RawValue>>, KeystoreError> {
    let next = keystore.load()?.next_seq;
    let from = match call.since {
        Some(since) => call.from.max(first_since(keystore, since, next)?),
        None => call.from,
    };
    let mut taken = Taken {
        rows: Vec::new(),
        bytes: 0,
        limit: call.limit as usize,
    };
    match &call.kid {
        Some(kid) => taken.of_key(keystore, kid, from)?,
        None => taken.of_all(keystore, from, next)?,
    }
    Ok(taken.rows)
}

struct Taken {
    rows: Vec<Box<RawValue>>,
    bytes: usize,
    limit: usize,
}

impl Taken {
    fn of_key(&mut self, keystore: &Keystore, kid: &Kid, from: Seq) -> Result<(), KeystoreError> {
        for seq in keystore.records_of(kid)?.into_iter().filter(|seq| *seq >= from) {
            if !self.take(keystore.record(seq)?) {
                break;
            }
        }
        Ok(())
    }

    fn of_all(&mut self, keystore: &Keystore, from: Seq, next: Seq) -> Result<(), KeystoreError> {
        let mut at = from;
        while at < next {
            let until = Seq(at.0 + CHUNK).min(next);
            if !keystore.records(at..until)?.into_iter().all(|record| self.take(record)) {
                break;
            }
            at = until;
        }
        Ok(())
    }

    /// Takes a record if there is room for it.
    fn take(&mut self, record: StoredRecord) -> bool {
        self.bytes += record.bytes.len() + 1;
        if self.rows.len() == self.limit || self.bytes > MOST_BYTES {
            return false;
        }
        let raw = String::from_utf8(record.bytes)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok());
        self.rows.extend(raw);
        true
    }
}

/// The first record of `since` or later: record times never go back (rule R9).
fn first_since(keystore: &Keystore, since: Time, next: Seq) -> Result<Seq, KeystoreError> {
    let (mut low, mut high) = (0, next.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let bytes = keystore.record(Seq(middle))?.bytes;
        if Record::from_bytes(&bytes).is_ok_and(|record| record.time < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(Seq(low))
}

/// What the log says of a key that is removed or revoked.
pub(super) fn gone_key(keystore: &Keystore, kid: &Kid) -> Result<Option<KeyStatus>, KeystoreError> {
    let mut found: Option<KeyStatus> = None;
    for seq in keystore.records_of(kid)? {
        let Ok(record) = Record::from_bytes(&keystore.record(seq)?.bytes) else {
            continue;
        };
        let first = if matches!(record.event, Event::Staged { .. }) {
            Phase::Staged
        } else {
            Phase::Prepublished
        };
        match (record.event, &mut found) {
            (Event::Prepublished { profile, key, .. } | Event::Staged { profile, key, .. }, _) => {
                found = Some(KeyStatus {
                    kid: key.kid,
                    profile,
                    spec: key.spec,
                    state: first.name().to_owned(),
                    published_at: record.time,
                    next: None,
                    thumbprint: key.thumbprint,
                    jwk: key.jwk,
                    x5c: STANDARD.encode(key.certificate_der),
                });
            }
            (Event::Removed { .. } | Event::Discarded { .. }, Some(key)) if key.state != "revoked" => {
                "removed".clone_into(&mut key.state);
            }
            (Event::Revoked { .. }, Some(key)) => "revoked".clone_into(&mut key.state),
            _ => {}
        }
    }
    Ok(found)
}
