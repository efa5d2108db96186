//! Reading the audit log, and what it says of one key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::audit::Record;
use crate::keystore::{Keystore, KeystoreError, StoredRecord};
use crate::rpc::admin::{HistoryCall, HistoryPage};
use crate::rpc::documents::KeyStatus;
use crate::rpc::limits::ADMIN_BYTES;
use crate::story::KeyStory;
use crate::types::{Actor, Kid, NodeName, Seq, Time};

/// How many records are read at once.
pub(super) const CHUNK: u64 = 512;
/// How many records are looked at for one answer, so that a question that fits few of them holds nobody up.
const MOST_LOOKED_AT: u64 = 20_000;
/// How much of a message the records of one answer may take.
const MOST_BYTES: usize = ADMIN_BYTES - 64 * 1024;

/// The records that a call asks for, oldest first, byte for byte as they are stored; as many as one answer holds.
pub(super) fn records(keystore: &Keystore, call: &HistoryCall) -> Result<HistoryPage, KeystoreError> {
    let end = keystore.load()?.next_seq;
    let from = match call.since {
        Some(since) => call.from.max(first_since(keystore, since, end)?),
        None => call.from,
    };
    let end = match call.until {
        Some(until) => first_since(keystore, Time(until.0.saturating_add(1)), end)?,
        None => end,
    };
    let mut page = Page {
        call,
        rows: Vec::new(),
        bytes: 0,
    };
    let next = match &call.kid {
        Some(kid) => page.of_key(keystore, kid, from, end)?,
        None => page.of_all(keystore, from, end)?,
    };
    let records = page.rows;
    Ok(HistoryPage { records, next })
}

/// A page that is being filled.
struct Page<'a> {
    call: &'a HistoryCall,
    rows: Vec<Box<RawValue>>,
    bytes: usize,
}

impl Page<'_> {
    /// Returns where the next page begins.
    fn of_key(&mut self, keystore: &Keystore, kid: &Kid, from: Seq, end: Seq) -> Result<Option<Seq>, KeystoreError> {
        let all = keystore.records_of(kid)?;
        for seq in all.into_iter().filter(|seq| (from..end).contains(seq)) {
            if !self.take(keystore.record(seq)?) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    fn of_all(&mut self, keystore: &Keystore, from: Seq, end: Seq) -> Result<Option<Seq>, KeystoreError> {
        let mut at = from;
        while at < end {
            if at.0 - from.0 >= MOST_LOOKED_AT {
                return Ok(Some(at));
            }
            let until = Seq(at.0 + CHUNK).min(end);
            for record in keystore.records(at..until)? {
                let seq = record.seq;
                if !self.take(record) {
                    return Ok(Some(seq));
                }
            }
            at = until;
        }
        Ok(None)
    }

    /// Takes a record if it is asked for. Returns whether there was room for it.
    fn take(&mut self, record: StoredRecord) -> bool {
        if !asked_for(self.call, &record.bytes) {
            return true;
        }
        self.bytes += record.bytes.len() + 1;
        if self.rows.len() == self.call.limit as usize || self.bytes > MOST_BYTES {
            return false;
        }
        let raw = String::from_utf8(record.bytes)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok());
        self.rows.extend(raw);
        true
    }
}

/// Whether what a record says is asked for. One that this release can't read is given to whoever does not ask for what is in it.
fn asked_for(call: &HistoryCall, record: &[u8]) -> bool {
    if call.node.is_none() && call.actor.is_none() && call.actions.is_empty() {
        return true;
    }
    let Ok(Record { actor, event, .. }) = Record::from_bytes(record) else {
        return false;
    };
    let of_node = |node: &NodeName| event.names(node) || matches!(&actor, Actor::Node(own) if own == node);
    call.node.as_ref().is_none_or(of_node)
        && call.actor.as_ref().is_none_or(|who| who.is(&actor))
        && (call.actions.is_empty() || call.actions.contains(&event.action()))
}

/// The first record of `since` or later: record times never go back (rule R9).
pub(super) fn first_since(keystore: &Keystore, since: Time, next: Seq) -> Result<Seq, KeystoreError> {
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

/// The story of one key; none where no record brings it. A record that this release can't read tells nothing.
pub(super) fn story_of(keystore: &Keystore, kid: &Kid) -> Result<Option<KeyStory>, KeystoreError> {
    let mut records = Vec::new();
    for seq in keystore.records_of(kid)? {
        records.extend(Record::from_bytes(&keystore.record(seq)?.bytes));
    }
    Ok(KeyStory::tell(kid, records))
}

/// What the log says of a key that is removed or revoked.
pub(super) fn gone_key(keystore: &Keystore, kid: &Kid) -> Result<Option<KeyStatus>, KeystoreError> {
    let story = story_of(keystore, kid)?;
    Ok(story.and_then(|story| {
        Some(KeyStatus {
            state: story.state_at(Time(u64::MAX))?.to_string(),
            published_at: story.born().time,
            kid: story.key.kid,
            profile: story.profile,
            spec: story.key.spec,
            next: None,
            thumbprint: story.key.thumbprint,
            jwk: story.key.jwk,
            x5c: STANDARD.encode(story.key.certificate_der),
        })
    }))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::audit::SCHEMA;
    use crate::crypto::seal::MasterKey;
    use crate::keystore::{Commit, Memory, NewRecord};
    use crate::lifecycle::{Action, Event};
    use crate::rpc::admin::Who;
    use crate::types::{Digest, Enrolment, Epoch, Generation};

    /// A second for each record. Every 10,000th is of node `a`, every 5,000th of key `k`.
    fn record(seq: u64) -> (Record, Vec<Kid>) {
        let (node, kid): (NodeName, Kid) = ("a".parse().unwrap(), "k".parse().unwrap());
        let (event, kids) = if seq.is_multiple_of(10_000) {
            let enrolment = Enrolment(1);
            (Event::EnteredService { node, enrolment }, vec![])
        } else if seq.is_multiple_of(5_000) {
            (Event::Destroyed { kid: kid.clone() }, vec![kid])
        } else {
            let epoch = Epoch(seq);
            (Event::Started { epoch, absence: None }, vec![])
        };
        let actor = match seq % 3 {
            0 => Actor::Schedule,
            1 => Actor::Node("b".parse().unwrap()),
            _ => Actor::User {
                uid: 7,
                name: "ada".to_owned(),
            },
        };
        let record = Record {
            schema: SCHEMA,
            seq: Seq(seq),
            time: Time(seq * 1000),
            clock: None,
            actor,
            event,
            generation: Generation(0),
            digest: Digest([0; 32]),
        };
        (record, kids)
    }

    fn keystore(records: Range<u64>) -> Keystore {
        let keystore = Keystore::on(Box::new(Memory::default()), &MasterKey::generate().unwrap()).unwrap();
        let mut commit = Commit::of_state(crate::types::Version(0), Time(0), vec![]);
        commit.records = (records.map(record))
            .map(|(record, kids)| NewRecord {
                bytes: record.to_bytes(),
                kids,
            })
            .collect();
        keystore.commit(&commit).unwrap();
        keystore
    }

    /// The numbers of all records that are given, and how many pages they came in.
    fn read(keystore: &Keystore, mut call: HistoryCall) -> (Vec<u64>, usize) {
        let (mut seqs, mut pages) = (Vec::new(), 0);
        loop {
            let page = records(keystore, &call).unwrap();
            pages += 1;
            seqs.extend(
                page.records
                    .iter()
                    .map(|raw| Record::from_bytes(raw.get().as_bytes()).unwrap().seq.0),
            );
            match page.next {
                Some(next) => {
                    assert!(next > call.from, "it goes on");
                    call.from = next;
                }
                None => return (seqs, pages),
            }
        }
    }

    #[test]
    fn each_filter_lets_through_what_it_says_and_all_of_it() {
        let keystore = keystore(0..30_001);
        let call = HistoryCall::default;
        let node = read(
            &keystore,
            HistoryCall {
                node: Some("a".parse().unwrap()),
                ..call()
            },
        );
        assert_eq!(
            node,
            (vec![0, 10_000, 20_000, 30_000], 2),
            "a page that finds nothing is not the end"
        );
        let of_key = HistoryCall {
            kid: Some("k".parse().unwrap()),
            ..call()
        };
        assert_eq!(read(&keystore, of_key.clone()).0, [5_000, 15_000, 25_000]);
        let between = HistoryCall {
            since: Some(Time(5_000_000)),
            until: Some(Time(15_000_000)),
            ..of_key
        };
        assert_eq!(read(&keystore, between.clone()).0, [5_000, 15_000], "both ends are in");
        let one = HistoryCall { limit: 1, ..between };
        assert_eq!(read(&keystore, one), (vec![5_000, 15_000], 2));
        let both = HistoryCall {
            actions: [Action::Destroyed, Action::EnteredService].into(),
            actor: Some(Who::User(7, "ada".to_owned())),
            ..call()
        };
        assert_eq!(read(&keystore, both).0, [5_000, 20_000]);
        let of_b = HistoryCall {
            node: Some("b".parse().unwrap()),
            until: Some(Time(9_000)),
            ..call()
        };
        assert_eq!(read(&keystore, of_b).0, [1, 4, 7], "what a node reported concerns it");
        assert_eq!(read(&keystore, call()).0.len(), 30_001);
        let later = HistoryCall {
            since: Some(Time(60_000_000)),
            ..call()
        };
        assert_eq!(read(&keystore, later), (vec![], 1));
    }
}
