//! A new master key: everything goes on under it, and the old one opens nothing of it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::{Folder, copy_folder, day, key, loaded, master, overwrite, record, secret, step};
use crate::audit::root_at;
use crate::keystore::sled_store::SledStore;
use crate::keystore::{
    Applied, Backend, Commit, Expected, Keystore, KeystoreError, Tree, Visit, Write, read_snapshot, snapshot_files,
};
use crate::types::{Digest, Seq, Version};

/// Three steps with states of several chunks, a secret that lives and one that was destroyed, observations and evidence.
fn keystore() -> Folder {
    let folder = Folder::with_steps_of(2, 120_000);
    let store = folder.open().unwrap();
    let mut commit = step(3);
    commit.put_secrets = vec![(key("a"), secret("one half")), (key("gone"), secret("two"))];
    commit.records.push(record("more", &["a"]));
    commit.evidence = vec![(Digest::of(b"list"), b"list".to_vec())];
    store.commit(&commit).unwrap();
    store.destroy(&[key("gone")]).unwrap();
    store.observe(&[(b"up".to_vec(), Some(b"1".to_vec()))]).unwrap();
    folder
}

/// The step that the new keystore has more.
fn rekeying() -> Commit {
    let mut commit = Commit::of_state(Version(3), day(3), b"state 3".to_vec());
    commit.records = vec![record("rekeyed", &[])];
    commit
}

/// The keystore as it was, or as it is with the step that says what was done.
fn check(store: &Keystore, is_new: bool, case: &str) {
    let found = loaded(store);
    let more = u64::from(is_new);
    assert_eq!((found.version, found.next_seq), (Version(3 + more), Seq(4 + more)), "{case}");
    assert_eq!(found.state, b"state 3", "{case}");
    assert!(store.state_at(Version(2)).unwrap().len() == 120_000, "{case}");
    assert_eq!(store.secret(&key("a")).unwrap().expose(), b"one half", "{case}");
    assert!(matches!(store.secret(&key("gone")), Err(KeystoreError::Missing(_))), "{case}");
    assert_eq!(store.records_of(&super::support::kid("a")).unwrap(), [Seq(3)], "{case}");
    assert_eq!(store.evidence(Digest::of(b"list")).unwrap(), b"list", "{case}");
    assert_eq!(store.observations().unwrap().len(), 1, "{case}");
    let versions = store.versions(Version(0)..Version(u64::MAX)).unwrap();
    assert_eq!(versions.len() as u64, 3 + more, "{case}");
    if is_new {
        assert_eq!(store.record(Seq(4)).unwrap().bytes, record("rekeyed", &[]).bytes, "{case}");
    }
}

#[test]
fn everything_goes_on_under_the_new_key_and_the_old_one_opens_nothing_of_it() {
    let (old, new) = (keystore(), Folder::new());
    let store = old.open().unwrap();
    let head = store.log(|log| Ok(log.head())).unwrap();
    let rekeyed = store.rekey(&old.dir, &new.dir, &master(0xB6), &rekeying()).unwrap();
    assert_eq!((rekeyed.version, rekeyed.data_keys, rekeyed.snapshots), (Version(4), 1, 3));
    check(&store, false, "the old one is as it was");
    drop(store);
    let store = Keystore::open(&new.dir, &master(0xB6)).unwrap();
    check(&store, true, "the new one");
    assert_eq!(
        store.log(|log| root_at(log, head.size)).unwrap(),
        head.root,
        "the log goes on"
    );
    let mut next = step(5);
    next.expected = Version(4);
    store.commit(&next).unwrap();
    drop(store);
    let error = Keystore::open(&new.dir, &master(0xA5)).unwrap_err();
    assert!(matches!(error, KeystoreError::WrongMasterKey { .. }), "{error}");
    let snapshots = snapshot_files(&new.dir).unwrap();
    assert_eq!(snapshots.len(), 4);
    for path in &snapshots {
        let error = read_snapshot(path, &master(0xA5)).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongMasterKey { .. }), "{error}");
        let snapshot = read_snapshot(path, &master(0xB6)).unwrap();
        assert!(snapshot.secrets.iter().all(|(name, _)| *name == key("a")));
    }
    assert_eq!(read_snapshot(&snapshots[1], &master(0xB6)).unwrap().destroyed, [key("gone")]);
    // Not even what is sealed of a snapshot is bytes that the old key made.
    for (old, new) in snapshot_files(&old.dir).unwrap().iter().zip(&snapshots[1..]) {
        assert_eq!(old.file_name(), new.file_name());
        let (old, new) = (
            fs::read(old.with_extension("keys")).unwrap(),
            fs::read(new.with_extension("keys")).unwrap(),
        );
        assert!(old != new || !String::from_utf8_lossy(&old).contains("key/"));
    }
}

/// A database whose so many-th write fails, and every one after it.
struct Failing {
    sled: SledStore,
    left: AtomicUsize,
}

impl Backend for Failing {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.sled.get(tree, key)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        self.sled.scan(tree, from, visit)
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(KeystoreError::Storage("no space left on device".to_owned()));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        self.sled.apply(expected, writes)
    }
}

#[test]
fn cut_off_at_any_write_the_old_keystore_is_whole_and_the_new_one_does_not_open() {
    let old = keystore();
    let mut writes = 0;
    loop {
        let new = Folder::new();
        let store = old.open().unwrap();
        let left = AtomicUsize::new(writes);
        let failed = store.rekey_on(&old.dir, &new.dir, &master(0xB6), &rekeying(), |sled| {
            Box::new(Failing { sled, left })
        });
        drop(store);
        check(&old.open().unwrap(), false, &format!("after {writes} writes"));
        let Err(error) = failed else { break };
        says_what_helps(&error, &old, &new);
        assert!(error.to_string().contains("no space left"), "{error}");
        for byte in [0xA5, 0xB6] {
            says_what_helps(&Keystore::open(&new.dir, &master(byte)).unwrap_err(), &old, &new);
            says_what_helps(&Keystore::start(&new.dir, &master(byte)).unwrap_err(), &old, &new);
        }
        writes += 1;
    }
    assert!(writes >= 8, "{writes}");
}

/// Not to restore from a snapshot, nor to found a fleet: nothing is lost.
fn says_what_helps(error: &KeystoreError, old: &Folder, new: &Folder) {
    let words = error.to_string();
    assert!(matches!(error, KeystoreError::Unfinished { .. }), "{words}");
    let helps = [
        format!("the one in {} is as it was", old.dir.display()),
        format!("remove {} and run `jkeys keystore rekey` again", new.dir.display()),
    ];
    assert!(helps.iter().all(|part| words.contains(part)), "{words}");
    assert!(!words.contains("restore") && !words.contains("init"), "{words}");
}

/// What a power cut can leave of the files of the new folder, one after another in the order in which they are written.
#[test]
fn cut_off_at_any_file_the_new_keystore_says_what_helps() {
    let (old, new) = (keystore(), Folder::new());
    old.open()
        .unwrap()
        .rekey(&old.dir, &new.dir, &master(0xB6), &rekeying())
        .unwrap();
    assert!(!new.dir.join("unfinished").exists());
    let begun = Folder::new();
    fs::create_dir(&begun.dir).unwrap();
    overwrite(&begun.dir.join("unfinished"), old.dir.to_str().unwrap().as_bytes());
    says_what_helps(&Keystore::open(&begun.dir, &master(0xB6)).unwrap_err(), &old, &begun);
    for part in ["db", "snapshots", "segments", "anchor"] {
        let (from, to) = (new.dir.join(part), begun.dir.join(part));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
        says_what_helps(&Keystore::open(&begun.dir, &master(0xB6)).unwrap_err(), &old, &begun);
    }
    fs::remove_file(begun.dir.join("unfinished")).unwrap();
    check(
        &Keystore::open(&begun.dir, &master(0xB6)).unwrap(),
        true,
        "the mark was all that was left",
    );
}

#[test]
fn a_step_that_was_decided_from_another_version_is_not_brought_along() {
    let (old, new) = (keystore(), Folder::new());
    let mut late = rekeying();
    late.expected = Version(2);
    let store = old.open().unwrap();
    let error = store.rekey(&old.dir, &new.dir, &master(0xB6), &late).unwrap_err();
    assert!(
        matches!(error, KeystoreError::Conflict { .. }) && !new.dir.exists(),
        "{error}"
    );
    check(&store, false, "it goes on");
}

#[test]
fn a_key_that_is_no_other_and_a_folder_that_is_not_empty_are_refused() {
    let (old, new) = (keystore(), Folder::new());
    let store = old.open().unwrap();
    let error = store.rekey(&old.dir, &new.dir, &master(0xA5), &rekeying()).unwrap_err();
    assert!(error.to_string().contains("is the one that it has"), "{error}");
    assert!(!new.dir.exists());
    let error = store.rekey(&old.dir, &old.dir, &master(0xB6), &rekeying()).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists { .. }), "{error}");
    check(&store, false, "it goes on");
}
