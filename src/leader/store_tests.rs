//! What earlier releases stored is read for ever: `tests/fixtures` holds the stored forms of each schema.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::core::LastUp;
use super::log::Log;
use super::store::{Store, StoreError, cosignatures, state_at};
use crate::audit::{LogCheck, Record};
use crate::crypto::seal::MasterKey;
use crate::durable::{FileAttrs, write_file};
use crate::keystore::{Applied, Backend as _, Commit, Expected, Keystore, Memory, Tree, Write, read_snapshot};
use crate::lifecycle::{Standing, State};
use crate::types::{Enrolment, Epoch, Generation, Secret, Seq, Time, Version};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/schema-1")
        .join(name)
}

fn master() -> MasterKey {
    let key = std::fs::read(fixture("master.key")).unwrap();
    MasterKey::from_file(&Secret::new(key)).unwrap()
}

/// The keystore of the fixture, checked whole.
fn keystore() -> Keystore {
    #[derive(Deserialize)]
    struct Entry {
        tree: Tree,
        key: String,
        value: String,
    }
    let text = std::fs::read_to_string(fixture("keystore.jsonl")).unwrap();
    let write = |line: &str| {
        let Entry { tree, key, value } = serde_json::from_str(line).unwrap();
        let (key, value) = (STANDARD.decode(key).unwrap(), STANDARD.decode(value).unwrap());
        Write {
            tree,
            key,
            value: Some(value),
        }
    };
    let writes: Vec<Write> = text.lines().map(write).collect();
    let memory = Memory::default();
    let nothing = Expected {
        key: b"meta",
        value: None,
    };
    assert_eq!(memory.apply(nothing, &writes).unwrap(), Applied::Durable);
    Keystore::on(Box::new(memory), &master()).unwrap()
}

fn states(state: &State) -> Vec<&'static str> {
    let mut states: Vec<_> = state.keys.values().map(|key| key.phase.name()).collect();
    states.sort_unstable();
    states
}

#[test]
fn what_schema_1_stored_is_read_as_it_was() {
    let keystore = Arc::new(keystore());
    let (_, restored) = Store::open(keystore.clone()).unwrap();
    let state = restored.state;
    assert_eq!(
        (restored.next_seq, state.epoch, state.head.generation),
        (Seq(31), Epoch(1), Generation(12))
    );
    assert_eq!(
        states(&state),
        [
            "active",
            "active",
            "prepublished",
            "prepublished",
            "retiring",
            "retiring",
            "revoked"
        ]
    );
    assert_eq!(state.tokens.len(), 2);
    assert!(matches!(
        state.nodes[&"a".parse().unwrap()].standing,
        Standing::InService { .. }
    ));
    // It was not noted yet until when the time was right: then that is not questioned.
    let at = restored.last_up.unwrap().at;
    assert_eq!(restored.last_up, Some(LastUp::from(at)));
    let seen: Vec<_> = restored.seen.keys().copied().collect();
    assert_eq!(seen, [Enrolment(1)]);
    let cosigned = cosignatures(&keystore).unwrap();
    assert_eq!(cosigned.iter().map(|(enrolment, _)| *enrolment).collect::<Vec<_>>(), seen);
    for name in keystore.secret_names().unwrap() {
        assert!(!keystore.secret(&name).unwrap().expose().is_empty(), "{name}");
    }
    let versions = keystore.versions(Version(0)..Version(u64::MAX)).unwrap();
    assert_eq!(versions.len(), 25);
    for version in versions {
        assert!(state_at(&keystore, version.version).unwrap().is_some());
    }
}

#[test]
fn the_log_of_schema_1_is_whole() {
    let keystore = Arc::new(keystore());
    let (_, restored) = Store::open(keystore.clone()).unwrap();
    let log = Log::load(keystore.clone(), &restored.state.fleet.unwrap()).unwrap();
    let mut check = LogCheck::new(log.key().clone());
    for record in keystore.records(Seq(0)..Seq(u64::MAX)).unwrap() {
        let read = Record::from_bytes(&record.bytes).unwrap();
        assert_eq!((read.seq, read.to_bytes()), (record.seq, record.bytes.clone()));
        check.take(&record.bytes).unwrap();
    }
    let (head, checkpoint) = log.checkpoint().unwrap();
    assert_eq!(check.finish(&checkpoint).unwrap().checkpoint.head, head);
}

#[test]
fn a_snapshot_of_schema_1_opens() {
    let snapshot = read_snapshot(&fixture("newest.snap"), &master()).unwrap();
    assert_eq!(
        (snapshot.header.version, snapshot.header.generation),
        (Version(24), Generation(12))
    );
    let keystore = keystore();
    assert_eq!(snapshot.state, keystore.state_at(Version(24)).unwrap());
    assert!(snapshot.secrets.len() > 3);
    // One of a newer release, by its header.
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("newest.snap")).unwrap();
    let at = bytes.windows(10).position(|window| window == b"\"schema\":1").unwrap();
    let mut newer = bytes[..bytes.len() - 32].to_vec();
    newer[at + 9] = b'2';
    let digest = crate::types::Digest::of(&newer);
    newer.extend(digest.0);
    let path = folder.path().join("newer.snap");
    write_file(&path, &newer, &FileAttrs::mode(0o600)).unwrap();
    let refused = read_snapshot(&path, &master()).unwrap_err().to_string();
    assert!(
        refused.contains("has schema 2") && refused.contains("use the newer version"),
        "{refused}"
    );
}

#[test]
fn a_state_of_a_newer_schema_is_refused_in_words() {
    let keystore = Keystore::on(Box::new(Memory::default()), &master()).unwrap();
    let state = br#"{"schema":2,"value":{"anything":"else"}}"#.to_vec();
    keystore.commit(&Commit::of_state(Version(0), Time(0), state)).unwrap();
    let refused = Store::open(Arc::new(keystore)).unwrap_err();
    assert!(matches!(refused, StoreError::Form { what: "state", .. }), "{refused}");
    let words = refused.to_string();
    assert!(
        words.contains("it has schema 2, and this release knows 1") && words.contains("run the release"),
        "{words}"
    );
}

#[test]
fn r9_until_when_the_time_was_right_is_durable() {
    let keystore = Arc::new(keystore());
    let (store, _) = Store::open(keystore.clone()).unwrap();
    let up = LastUp {
        at: Time(2_000),
        right_until: Time(1_000),
    };
    store.mark_up(up).unwrap();
    assert_eq!(Store::open(keystore).unwrap().1.last_up, Some(up));
}
