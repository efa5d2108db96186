//! What a start leaves for later: nothing of it is given out before it was checked, and damage to it ends the keystore for good.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};

use super::damage::{put, tamper};
use super::support::{Folder, copy_folder, kid, loaded, master, overwrite, record, step};
use crate::keystore::backend::{Applied, Backend, Expected, Tree, Visit, Write};
use crate::keystore::form::{evidence_key, index_key, record_key, version_key};
use crate::keystore::meta::META_KEY;
use crate::keystore::sled_store::SledStore;
use crate::keystore::{Commit, Keystore, KeystoreError, Memory, snapshot_files};
use crate::types::{Digest, Seq, Version};

/// More than one tile of the log's tree, and more than one segment: the last segment is held against the records at the start.
pub(super) const RECORDS: usize = 300;
const RECORD_BYTES: usize = 30_000;

/// A keystore of two versions, the first of them with `RECORDS` records of that word.
pub(super) fn keystore(word: &str) -> Folder {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    let mut commit = step(1);
    commit.records = (0..RECORDS)
        .map(|number| record(&format!("{word} {number:.>RECORD_BYTES$}"), &["k"]))
        .collect();
    commit.evidence = vec![(Digest::of(b"list"), b"list".to_vec())];
    store.commit(&commit).unwrap();
    store.commit(&step(2)).unwrap();
    folder
}

/// What is asked of a tree that a start does not check.
pub(super) fn ask(store: &Keystore, tree: Tree) -> Result<(), KeystoreError> {
    match tree {
        Tree::KidIndex => store.records_of(&kid("k")).and(store.kids()).map(drop),
        Tree::Versions => store.versions(Version(0)..Version(9)).map(drop),
        Tree::Evidence => store.evidence(Digest::of(b"list")).map(drop),
        Tree::Records => store.record(Seq(0)).map(drop),
        _ => unreachable!("{} is checked at the start", tree.name()),
    }
}

const TREES: [Tree; 4] = [Tree::KidIndex, Tree::Versions, Tree::Evidence, Tree::Records];

pub(super) fn dropped(_: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    None
}

pub(super) fn changed(_: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let mut value = value.to_vec();
    *value.last_mut()? ^= 1;
    Some(value)
}

/// How one entry is damaged.
pub(super) type Damage = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

pub(super) const DAMAGES: [Damage; 2] = [dropped, changed];

/// Copies of a keystore, each with one of the trees that grow damaged in one way.
pub(super) fn damaged(whole: &Folder) -> impl Iterator<Item = (Tree, Folder)> {
    TREES
        .into_iter()
        .flat_map(|tree| DAMAGES.map(|damage| (tree, damage)))
        .map(|(tree, damage)| {
            let copy = whole.copy();
            tamper(&copy, tree, damage);
            (tree, copy)
        })
}

#[test]
fn nothing_is_given_out_of_a_damaged_history() {
    let whole = keystore("step");
    for (tree, copy) in damaged(&whole) {
        let store = copy.start().unwrap();
        assert_eq!(loaded(&store).version, Version(2), "what decisions stand on is whole");
        let error = ask(&store, tree).unwrap_err();
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{}: {error}", tree.name());
    }
}

#[test]
fn damage_to_the_history_ends_the_keystore_and_every_later_start() {
    let whole = keystore("step");
    for (tree, copy) in damaged(&whole) {
        let store = copy.start().unwrap();
        let refused = |error: KeystoreError| {
            let newest = snapshot_files(&copy.dir).unwrap().remove(0);
            let (words, newest) = (error.to_string(), newest.display().to_string());
            assert!(matches!(error, KeystoreError::Damaged { .. }), "{}: {words}", tree.name());
            assert!(
                words.contains("jkeys restore") && words.contains(&newest),
                "{}: {words}",
                tree.name()
            );
        };
        refused(store.prove(&|| true).unwrap_err());
        refused(store.commit(&step(3)).unwrap_err());
        refused(store.load().unwrap_err());
        drop(store);
        for _ in 0..2 {
            refused(copy.start().unwrap_err());
        }
    }
}

#[test]
fn a_keystore_that_was_mended_after_damage_starts_as_ever() {
    let folder = keystore("step");
    let whole = folder.copy();
    tamper(&folder, Tree::KidIndex, dropped);
    folder.start().unwrap().prove(&|| true).unwrap_err();
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    copy_folder(&whole.dir.join("db"), &folder.dir.join("db"));
    drop(folder.start().unwrap());
    tamper(&folder, Tree::KidIndex, dropped);
    assert!(
        folder.start().is_ok(),
        "the mark is gone, so the history is left for later again"
    );
}

/// As it is stored. In another keystore of the same master key it is authentic: it has the same place there.
fn first_record(folder: &Folder) -> Option<Vec<u8>> {
    let database = SledStore::open(&folder.dir.join("db")).unwrap();
    database.get(Tree::Records, &record_key(Seq(0))).unwrap()
}

#[test]
fn a_record_of_another_history_is_not_given_out() {
    let (folder, other) = (keystore("step"), keystore("other"));
    let brought = first_record(&other);
    tamper(&folder, Tree::Records, |_, _| brought.clone());
    let store = folder.start().unwrap();
    assert!(store.record(Seq(1)).is_ok());
    let error = store.records(Seq(0)..Seq(9)).unwrap_err();
    assert!(error.to_string().contains("another one than the log's tree has"), "{error}");
}

#[test]
fn a_record_of_another_history_that_fills_no_tile_is_refused_at_the_start() {
    let other = Folder::new();
    let store = Keystore::create(&other.dir, &master(0xA5)).unwrap();
    let mut commit = step(1);
    commit.records = vec![record("other", &[])];
    store.commit(&commit).unwrap();
    drop(store);
    let brought = first_record(&other);
    for (steps, words) in [(1, "are other ones"), (2, "the chain of records breaks")] {
        let folder = Folder::with_steps(steps);
        tamper(&folder, Tree::Records, |_, _| brought.clone());
        let error = folder.start().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn damage_to_records_that_fill_no_tile_is_refused_at_the_start() {
    for damage in DAMAGES {
        let folder = Folder::with_steps(3);
        tamper(&folder, Tree::Records, damage);
        assert!(matches!(folder.start().unwrap_err(), KeystoreError::Damaged { .. }));
    }
}

#[test]
fn what_is_written_while_the_history_is_checked_is_no_damage() {
    let folder = keystore("step");
    let store = folder.start().unwrap();
    let mut commit = step(3);
    commit.evidence = vec![(Digest::of(b"list"), b"list".to_vec()), (Digest::of(b"new"), b"new".to_vec())];
    store.commit(&commit).unwrap();
    assert!(store.prove(&|| true).unwrap());
    drop(store);
    let store = folder.start().unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 4..=30 {
                store.commit(&step(number)).unwrap();
            }
        });
        while !writing.is_finished() {
            store.prove(&|| true).unwrap();
        }
    });
    assert_eq!(store.versions(Version(0)..Version(99)).unwrap().len(), 30);
    drop(store);
    folder.open().unwrap();
}

/// A database whose writes are there before whoever asked for them hears of it.
struct Slow {
    inner: Box<dyn Backend>,
    written: Barrier,
    told: Barrier,
}

/// The same for the keystore and the test.
struct Shared(Arc<Slow>);

impl Backend for Shared {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.0.inner.get(tree, key)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        self.0.inner.scan(tree, from, visit)
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        let applied = self.0.inner.apply(expected, writes);
        self.0.written.wait();
        self.0.told.wait();
        applied
    }
}

#[test]
fn what_is_written_and_not_yet_told_so_is_no_damage() {
    let folder = keystore("step");
    let mut store = folder.start().unwrap();
    let slow = Arc::new(Slow {
        inner: std::mem::replace(&mut store.backend, Box::new(Memory::default())),
        written: Barrier::new(2),
        told: Barrier::new(2),
    });
    store.backend = Box::new(Shared(slow.clone()));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| store.commit(&step(3)));
        slow.written.wait();
        let proved = store.prove(&|| true);
        slow.told.wait();
        assert!(proved.unwrap());
        writing.join().unwrap().unwrap();
    });
}

#[test]
fn a_check_that_is_cut_off_has_found_nothing_and_begins_anew() {
    let folder = keystore("step");
    let store = folder.start().unwrap();
    assert!(!store.prove(&|| false).unwrap());
    assert!(store.prove(&|| true).unwrap());
    drop(store);
    tamper(&folder, Tree::Records, dropped);
    let store = folder.start().unwrap();
    assert!(!store.prove(&|| false).unwrap());
    assert!(store.prove(&|| true).is_err());
}

/// Changes an entry under the keystore of a folder that nobody has open.
fn tamper_at(folder: &Folder, tree: Tree, key: &[u8], value: Option<Vec<u8>>) {
    let key = key.to_vec();
    put(&SledStore::open(&folder.dir.join("db")).unwrap(), Write { tree, key, value });
}

/// The step that comes next, with a list of several parts that is there already.
fn step_with_the_list(list: &[u8]) -> Commit {
    let mut commit = step(3);
    commit.evidence = vec![(Digest::of(list), list.to_vec())];
    commit
}

#[test]
fn a_list_that_lost_a_part_is_found_also_when_it_is_handed_in_again() {
    let list = vec![b'l'; 10_000];
    let digest = Digest::of(&list);
    let whole = keystore("step");
    whole.open().unwrap().commit(&step_with_the_list(&list)).unwrap();
    for part in 0..3 {
        let copy = whole.copy();
        tamper_at(&copy, Tree::Evidence, &evidence_key(digest, part), None);
        let store = copy.start().unwrap();
        let mut again = step_with_the_list(&list);
        again.expected = Version(3);
        let took = store.commit(&again);
        assert_eq!(took.is_ok(), part > 0, "the first part tells whether a list is there");
        let error = store.prove(&|| true).unwrap_err();
        assert!(error.to_string().contains("evidence"), "part {part}: {error}");
    }
}

/// An entry of the first keystore of the same master key, brought into another one where its next step will write.
#[test]
fn a_step_that_would_write_over_an_entry_of_another_history_is_refused() {
    let longer = keystore("step");
    longer.open().unwrap().commit(&step(3)).unwrap();
    let folder = keystore("step");
    let next = Seq(RECORDS as u64 + 1);
    for (tree, key) in [
        (Tree::KidIndex, index_key(&kid("k"), next)),
        (Tree::Versions, version_key(Version(3))),
    ] {
        let brought = SledStore::open(&longer.dir.join("db")).unwrap().get(tree, &key).unwrap();
        assert!(brought.is_some(), "{}", tree.name());
        let copy = folder.copy();
        tamper_at(&copy, tree, &key, brought);
        let store = copy.start().unwrap();
        let error = store.commit(&step(3)).unwrap_err();
        assert!(error.to_string().contains("before it was written"), "{error}");
        let error = store.prove(&|| true).unwrap_err();
        assert!(error.to_string().contains(tree.name()), "{error}");
    }
}

#[test]
fn a_step_that_was_not_written_hides_no_damage() {
    for damaged in [false, true] {
        let folder = keystore("step");
        if damaged {
            tamper(&folder, Tree::KidIndex, dropped);
        }
        let store = folder.start().unwrap();
        let meta = store.backend.get(Tree::Meta, META_KEY).unwrap();
        let stale = [meta.as_deref().unwrap(), b"."].concat();
        let swap = |from: Option<&[u8]>, to: Option<&[u8]>| {
            let write = Write {
                tree: Tree::Meta,
                key: META_KEY.to_vec(),
                value: to.map(<[u8]>::to_vec),
            };
            let (key, value) = (META_KEY, from);
            assert_eq!(
                store.backend.apply(Expected { key, value }, &[write]).unwrap(),
                Applied::Durable
            );
        };
        swap(meta.as_deref(), Some(&stale));
        assert!(matches!(store.commit(&step(3)).unwrap_err(), KeystoreError::Conflict { .. }));
        swap(Some(&stale), meta.as_deref());
        assert_eq!(store.prove(&|| true).is_err(), damaged);
    }
}

/// Every file beside the database, but for the lock.
fn beside(folder: &Folder) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![folder.dir.join("anchor")];
    for name in ["segments", "snapshots"] {
        files.extend(
            fs::read_dir(folder.dir.join(name))
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    }
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn after_damage_nothing_beside_the_database_is_touched() {
    let folder = keystore("step");
    tamper(&folder, Tree::KidIndex, dropped);
    let unmarked = folder.copy();
    folder.start().unwrap().prove(&|| true).unwrap_err();
    // What the next start would finish.
    for folder in [&folder, &unmarked] {
        let (last, content) = beside(folder)
            .into_iter()
            .rfind(|(path, _)| path.extension().is_some_and(|own| own == "jsonl"))
            .unwrap();
        overwrite(&last, &content[..content.len() - 5]);
    }
    let (marked_files, unmarked_files) = (beside(&folder), beside(&unmarked));
    folder.start().unwrap_err();
    assert!(beside(&folder) == marked_files, "a start after damage was found");
    unmarked.open().unwrap_err();
    assert!(beside(&unmarked) == unmarked_files, "who checks all at once");
}

#[test]
fn a_history_that_was_not_checked_is_not_copied_under_another_master_key() {
    let folder = keystore("step");
    tamper(&folder, Tree::KidIndex, dropped);
    let (store, new) = (folder.start().unwrap(), Folder::new());
    let error = store.rekey(&folder.dir, &new.dir, &master(0xB6), &step(3)).unwrap_err();
    assert!(error.to_string().contains("kid_index"), "{error}");
    assert!(!new.dir.exists());
}

#[test]
fn no_backup_is_made_of_versions_that_are_damaged() {
    let folder = keystore("step");
    for damage in DAMAGES {
        let copy = folder.copy();
        tamper(&copy, Tree::Versions, damage);
        let mut bytes = 0;
        let error = copy.start().unwrap().backup(&mut |part: &[u8]| {
            bytes += part.len();
            Ok::<(), KeystoreError>(())
        });
        assert!(matches!(error.unwrap_err(), KeystoreError::Damaged { .. }));
        assert_eq!(bytes, 0, "nothing is handed out");
    }
}
