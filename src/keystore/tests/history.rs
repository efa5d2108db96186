//! Damage to a history: how much of it a start refuses, and that what comes later is met by no reader unnoticed.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::damage::tamper;
use super::deferred::{RECORDS, ask, changed, damaged, dropped, keystore};
use super::support::{Folder, kid, master, overwrite, record, step};
use crate::keystore::backend::{Applied, Expected, Tree, Write};
use crate::keystore::form::{evidence_key, index_key, record_key, version_key};
use crate::keystore::meta::META_KEY;
use crate::keystore::open::Bounds;
use crate::keystore::{Keystore, KeystoreError, snapshot_files};
use crate::types::{Digest, Seq, Version};

#[test]
fn a_history_that_can_be_waited_for_is_checked_before_the_leader_serves() {
    let whole = keystore("step");
    for (tree, copy) in damaged(&whole) {
        let error = Keystore::start(&copy.dir, &master(0xA5)).unwrap_err();
        let newest = snapshot_files(&copy.dir).unwrap().remove(0);
        let words = error.to_string();
        assert!(
            words.contains("jkeys restore") && words.contains(newest.to_str().unwrap()),
            "{}: {words}",
            tree.name()
        );
    }
}

#[test]
fn a_history_is_waited_for_as_far_as_the_bounds_of_a_start_go() {
    let folder = keystore("step");
    tamper(&folder, Tree::KidIndex, dropped);
    let bytes = folder.data().metadata().unwrap().len();
    // A record and an index entry for each, twice a version, and one part of a list.
    let entries = 2 * (RECORDS as u64 + 1) + 2 + 8;
    for (at_once, is_refused) in [
        ((entries, bytes), true),
        ((entries - 1, bytes), false),
        ((entries, bytes - 1), false),
    ] {
        let bounds = Bounds {
            at_once,
            ..Bounds::OF_A_START
        };
        let copy = folder.copy();
        let started = Keystore::opened(&copy.dir, &master(0xA5), bounds);
        assert_eq!(started.is_err(), is_refused, "{at_once:?}");
    }
}

/// Puts one entry under an open keystore.
fn put_under(store: &Keystore, tree: Tree, key: &[u8], value: Option<Vec<u8>>) {
    let meta = store.backend.get(Tree::Meta, META_KEY).unwrap();
    let expected = Expected {
        key: META_KEY,
        value: meta.as_deref(),
    };
    let key = key.to_vec();
    let applied = store.backend.apply(expected, &[Write { tree, key, value }]).unwrap();
    assert_eq!(applied, Applied::Durable);
}

#[test]
fn damage_that_comes_after_the_check_ends_the_keystore_when_it_is_met() {
    let whole = keystore("step");
    let cases = [
        (Tree::KidIndex, index_key(&kid("k"), Seq(7))),
        (Tree::Versions, version_key(Version(1))),
        (Tree::Evidence, evidence_key(Digest::of(b"list"), 0)),
        (Tree::Records, record_key(Seq(0))),
    ];
    for (tree, key) in cases {
        let copy = whole.copy();
        let store = copy.start().unwrap();
        store.prove(&|| true).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        store.on_end(move |_| told.store(true, Ordering::SeqCst));
        let value = store.backend.get(tree, &key).unwrap().unwrap();
        put_under(&store, tree, &key, changed(&key, &value));
        assert!(!ended.load(Ordering::SeqCst));
        let newest = snapshot_files(&copy.dir).unwrap().remove(0);
        let same = |error: KeystoreError| {
            let words = error.to_string();
            assert!(
                words.contains("jkeys restore") && words.contains(newest.to_str().unwrap()),
                "{}: {words}",
                tree.name()
            );
        };
        same(ask(&store, tree).unwrap_err());
        assert!(ended.load(Ordering::SeqCst), "who runs it is told at once");
        same(store.load().unwrap_err());
        same(store.commit(&step(3)).unwrap_err());
        drop(store);
        same(copy.start().unwrap_err());
    }
}

/// As many records as make several segments of sled's log.
const LONG: u64 = 1_000;

fn line(number: u64) -> String {
    format!("record {number:.>1200}")
}

/// A keystore with a long history, opened and closed again and again as it grew.
fn long_history() -> Folder {
    let folder = Folder::new();
    let mut store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    let each = LONG / 10;
    for version in 1..=10 {
        let mut commit = step(version);
        let numbers = (version - 1) * each..version * each;
        commit.records = numbers.map(|number| record(&line(number), &["k"])).collect();
        let list = format!("list {version}").into_bytes();
        commit.evidence = vec![(Digest::of(&list), list)];
        store.commit(&commit).unwrap();
        drop(store);
        store = folder.open().unwrap();
    }
    drop(store);
    folder
}

/// Everything that was stored, or the words of a refusal.
fn read_all(store: &Keystore) -> Result<(), KeystoreError> {
    for number in 0..LONG {
        let found = store.record(Seq(number))?;
        assert!(
            found.bytes == record(&line(number), &[]).bytes,
            "record {number} is another one"
        );
    }
    assert_eq!(store.records_of(&kid("k"))?.len() as u64, LONG);
    assert_eq!(store.versions(Version(0)..Version(99))?.len(), 10);
    for version in 1..=10 {
        let list = format!("list {version}").into_bytes();
        assert_eq!(store.evidence(Digest::of(&list))?, list);
    }
    Ok(())
}

/// How often a start, and one that leaves the history for later, were refused, and how often only what came behind that.
#[derive(Debug, Default)]
struct Refused {
    at_start: usize,
    /// The start found all of it, and sled met the damage when it read a page once more.
    after: usize,
    at_later: usize,
    behind: usize,
}

impl Refused {
    /// Opens a damaged keystore in both ways: nothing of it is given out, and whoever refuses it says what to do.
    fn try_out(&mut self, damaged: &Folder, case: &str, read_all: fn(&Keystore) -> Result<(), KeystoreError>) {
        let later = damaged.copy();
        let told = |error: KeystoreError| {
            let told = matches!(error, KeystoreError::Damaged { .. } | KeystoreError::Older { .. });
            assert!(told && error.to_string().contains("jkeys restore"), "{case}: {error}");
        };
        match Keystore::start(&damaged.dir, &master(0xA5)) {
            Ok(store) => {
                if let Err(error) = read_all(&store) {
                    self.after += 1;
                    told(error);
                }
            }
            Err(error) => {
                self.at_start += 1;
                told(error);
            }
        }
        match later.start().map(|store| (read_all(&store), store.prove(&|| true))) {
            Ok((Ok(()), Ok(_))) => {}
            Ok((read, proved)) => {
                self.behind += 1;
                told(proved.unwrap_err());
                for error in [read.err(), later.start().err()].into_iter().flatten() {
                    told(error);
                }
            }
            Err(error) => {
                self.at_later += 1;
                told(error);
            }
        }
    }
}

/// How many places of the database are damaged.
const PLACES: usize = 24;
/// Where sled lays what, and so how much of the file is out of use, is another each time: 7 to 12 of those places were seen to matter.
const SOME: usize = 3;

fn damaged_everywhere(damage: impl Fn(&mut Vec<u8>, usize)) -> Refused {
    let whole = long_history();
    let bytes = fs::read(whole.data()).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = Refused::default();
    for number in 0..PLACES {
        let place = used * number / (PLACES - 1);
        let copy = whole.copy();
        let mut damaged = bytes.clone();
        damage(&mut damaged, place);
        overwrite(&copy.data(), &damaged);
        refused.try_out(&copy, &format!("byte {place} of {used}"), read_all);
    }
    println!("{PLACES} places: {refused:?}");
    refused
}

#[test]
fn a_flipped_bit_anywhere_in_a_history_is_refused_at_the_start_or_harmless() {
    let refused = damaged_everywhere(|bytes, place| bytes[place] ^= 1 << (place % 8));
    assert!(refused.at_start > SOME, "{refused:?}");
}

#[test]
fn a_history_with_a_blank_page_anywhere_is_refused_at_the_start_or_harmless() {
    let refused = damaged_everywhere(|bytes, place| {
        let end = bytes.len().min(place + 4096);
        bytes[place..end].fill(0);
    });
    assert!(refused.at_start > SOME, "{refused:?}");
}

#[test]
fn a_history_that_is_cut_short_anywhere_is_refused_at_the_start() {
    let refused = damaged_everywhere(Vec::truncate);
    assert!(refused.at_start > PLACES - 2, "{refused:?}");
    assert_eq!(refused.at_start, refused.at_later + refused.behind);
}

const BLOB_DAMAGES: [fn(&mut Vec<u8>); 3] = [
    |bytes| bytes[40] ^= 8,
    |bytes| bytes.truncate(bytes.len() / 2),
    |bytes| bytes.clear(),
];

/// Large records lie in sled's blobs.
#[test]
fn a_damaged_or_lost_blob_is_refused_or_harmless() {
    let whole = keystore("step");
    let blobs = fs::read_dir(whole.dir.join("db/blobs")).unwrap();
    let names: Vec<_> = blobs.map(|entry| entry.unwrap().file_name()).collect();
    let read_all = |store: &Keystore| {
        assert_eq!(store.records(Seq(0)..Seq(u64::MAX))?.len(), RECORDS + 1);
        store.records_of(&kid("k")).map(drop)
    };
    let (mut refused, mut tried) = (Refused::default(), 0);
    for name in names.iter().step_by(7) {
        for damage in BLOB_DAMAGES {
            let copy = whole.copy();
            let path = copy.dir.join("db/blobs").join(name);
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            if bytes.is_empty() {
                fs::remove_file(&path).unwrap();
            } else {
                overwrite(&path, &bytes);
            }
            tried += 1;
            refused.try_out(&copy, &format!("{}", path.display()), read_all);
        }
    }
    println!("{tried} damages: {refused:?}");
    assert!(refused.at_start > tried / 2, "{tried}: {refused:?}");
}
