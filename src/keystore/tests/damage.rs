//! Damage and rollback: refused in words, or nothing was lost. Never a panic, never silently older.

use std::fs;

use super::support::{Folder, copy_folder, loaded, overwrite, step};
use crate::keystore::backend::{Backend as _, Expected, Tree, Write};
use crate::keystore::meta::META_KEY;
use crate::keystore::sled_store::SledStore;
use crate::keystore::{Keystore, KeystoreError};
use crate::types::{Seq, Version};

const STEPS: u64 = 6;
/// Large enough for several segments of sled's log.
const STATE_BYTES: usize = 180_000;

/// Everything that a keystore of [`STEPS`] steps and one batch of observations must hold.
fn check_exact(store: &Keystore, case: &str) {
    let found = loaded(store);
    assert_eq!((found.version, found.next_seq), (Version(STEPS), Seq(STEPS)), "{case}");
    assert!(
        found.state.starts_with(format!("state {STEPS}").as_bytes()) && found.state.len() == STATE_BYTES,
        "{case}"
    );
    assert_eq!(store.records(Seq(0)..Seq(99)).unwrap().len() as u64, STEPS, "{case}");
    assert_eq!(store.observations().unwrap().len(), 1, "{case}");
}

fn keystore() -> Folder {
    let folder = Folder::with_steps_of(STEPS, STATE_BYTES);
    folder
        .open()
        .unwrap()
        .observe(&[(b"up".to_vec(), Some(b"1".to_vec()))])
        .unwrap();
    folder
}

/// Opens a damaged copy. Whether it was refused.
fn refused_or_exact(folder: &Folder, case: &str) -> bool {
    match folder.open() {
        Ok(store) => {
            check_exact(&store, case);
            false
        }
        Err(error) => {
            let told = matches!(error, KeystoreError::Damaged { .. } | KeystoreError::Older { .. });
            assert!(told && error.to_string().contains("jkeys restore"), "{case}: {error}");
            true
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_harmless() {
    let whole = keystore();
    let bytes = fs::read(whole.data()).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for number in 0..60 {
        let place = used * number / 59;
        let copy = whole.copy();
        // Without sled's own snapshot it reads its whole log, which is where it is weakest.
        for entry in fs::read_dir(copy.dir.join("db")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                fs::remove_file(path).unwrap();
            }
        }
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (number % 8);
        overwrite(&copy.data(), &damaged);
        refused += usize::from(refused_or_exact(&copy, &format!("bit flipped in byte {place}")));
    }
    assert!(
        refused > 10,
        "{refused} of 60 flips were found; the test does not reach what is stored"
    );
}

#[test]
fn a_database_cut_short_anywhere_is_refused_or_harmless() {
    let whole = keystore();
    let bytes = fs::read(whole.data()).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for number in 0..20 {
        let copy = whole.copy();
        overwrite(&copy.data(), &bytes[..used * number / 20]);
        refused += usize::from(refused_or_exact(&copy, &format!("cut at {number}/20")));
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_deleted_database_beside_its_anchor_is_refused_with_what_to_restore() {
    let folder = keystore();
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    let error = folder.refusal();
    assert!(matches!(error, KeystoreError::Older { .. }), "{error}");
    let newest = crate::keystore::snapshot_files(&folder.dir).unwrap().remove(0);
    assert!(error.to_string().contains("jkeys restore"), "{error}");
    assert!(error.to_string().contains(newest.to_str().unwrap()), "{error}");
    assert!(!folder.dir.join("db").exists(), "nothing new was made");
}

#[test]
fn a_making_that_was_cut_off_is_told_as_that_and_damage_is_not() {
    for (steps, has_anchor) in [(0, true), (0, false), (1, true), (1, false)] {
        let folder = Folder::with_steps(steps);
        let mut torn = fs::read(folder.data()).unwrap();
        torn[30..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        overwrite(&folder.data(), &torn);
        if !has_anchor {
            fs::remove_file(folder.dir.join("anchor")).unwrap();
        }
        let error = folder.refusal();
        let is_empty = matches!(error, KeystoreError::Empty { .. });
        assert_eq!(is_empty, steps == 0, "{steps}, {has_anchor}: {error}");
    }
}

#[test]
fn a_deleted_database_without_its_anchor_is_not_taken_for_one_that_never_was() {
    for left in ["segments", "snapshots"] {
        let folder = Folder::with_steps(1);
        for gone in ["db", "segments", "snapshots"].into_iter().filter(|gone| *gone != left) {
            fs::remove_dir_all(folder.dir.join(gone)).unwrap();
        }
        fs::remove_file(folder.dir.join("anchor")).unwrap();
        let error = folder.refusal();
        assert!(matches!(error, KeystoreError::Older { .. }), "{left}: {error}");
        assert!(error.to_string().contains("jkeys restore"), "{error}");
    }
}

#[test]
fn an_emptied_database_beside_its_anchor_is_refused() {
    let folder = keystore();
    let fresh = Folder::with_steps(0);
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    copy_folder(&fresh.dir.join("db"), &folder.dir.join("db"));
    assert!(matches!(folder.refusal(), KeystoreError::Older { .. }));
}

#[test]
fn an_older_database_beside_its_anchor_is_refused() {
    let folder = Folder::with_steps(2);
    let old = folder.copy();
    let store = folder.open().unwrap();
    store.commit(&step(3)).unwrap();
    drop(store);
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    copy_folder(&old.dir.join("db"), &folder.dir.join("db"));
    let error = folder.refusal();
    assert!(matches!(error, KeystoreError::Older { .. }), "{error}");
    assert!(
        error.to_string().contains("version 2") && error.to_string().contains("version 3"),
        "{error}"
    );
}

#[test]
fn a_database_that_lost_observations_only_is_refused() {
    let folder = Folder::with_steps(2);
    let old = folder.copy();
    folder
        .open()
        .unwrap()
        .observe(&[(b"up".to_vec(), Some(b"1".to_vec()))])
        .unwrap();
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    copy_folder(&old.dir.join("db"), &folder.dir.join("db"));
    assert!(matches!(folder.refusal(), KeystoreError::Older { .. }));
}

#[test]
fn a_database_of_another_history_is_refused() {
    let folder = Folder::with_steps(3);
    let other = Folder::new();
    let store = Keystore::create(&other.dir, &super::support::master(0xA5)).unwrap();
    for number in 1..=4 {
        let mut commit = step(number);
        commit.records = vec![super::support::record("other", &[])];
        store.commit(&commit).unwrap();
    }
    drop(store);
    fs::remove_dir_all(folder.dir.join("db")).unwrap();
    copy_folder(&other.dir.join("db"), &folder.dir.join("db"));
    let error = folder.refusal();
    assert!(error.to_string().contains("are not those"), "{error}");
}

#[test]
fn a_database_without_its_anchor_is_refused() {
    let folder = keystore();
    fs::remove_file(folder.dir.join("anchor")).unwrap();
    let error = folder.refusal();
    assert!(matches!(error, KeystoreError::Older { .. }), "{error}");
}

#[test]
fn a_changed_anchor_is_refused() {
    let folder = keystore();
    let anchor = folder.dir.join("anchor");
    let text = fs::read_to_string(&anchor).unwrap();
    overwrite(&anchor, text.replace("\"version\":6", "\"version\":5").as_bytes());
    assert!(matches!(folder.refusal(), KeystoreError::Damaged { .. }));
}

/// Changes one entry in the database behind the keystore's back.
pub(super) fn tamper(folder: &Folder, tree: Tree, change: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>) {
    let sled = SledStore::open(&folder.dir.join("db")).unwrap();
    let mut first = None;
    sled.scan(tree, b"", &mut |key, value| {
        first = Some((key.to_vec(), value.to_vec()));
        Ok(std::ops::ControlFlow::Break(()))
    })
    .unwrap();
    let (key, value) = first.unwrap();
    let value = change(&key, &value);
    put(&sled, Write { tree, key, value });
}

pub(super) fn put(sled: &SledStore, write: Write) {
    let meta = sled.get(Tree::Meta, META_KEY).unwrap().unwrap();
    let expected = Expected {
        key: META_KEY,
        value: Some(&meta),
    };
    assert_eq!(sled.apply(expected, &[write]).unwrap(), crate::keystore::Applied::Durable);
}

#[test]
fn a_record_behind_the_last_is_refused_at_the_start() {
    let (folder, longer) = (Folder::with_steps(2), Folder::with_steps(3));
    let key = 2_u64.to_be_bytes().to_vec();
    let value = SledStore::open(&longer.dir.join("db"))
        .unwrap()
        .get(Tree::Records, &key)
        .unwrap();
    assert!(value.is_some());
    let tree = Tree::Records;
    put(&SledStore::open(&folder.dir.join("db")).unwrap(), Write { tree, key, value });
    let error = folder.start().unwrap_err();
    assert!(error.to_string().contains("its records end at 3 and not at 2"), "{error}");
}

#[test]
fn an_entry_dropped_from_any_tree_is_found() {
    let whole = keystore();
    for tree in [Tree::States, Tree::Records, Tree::KidIndex, Tree::Observations] {
        let copy = whole.copy();
        tamper(&copy, tree, |_, _| None);
        let error = copy.refusal();
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{}: {error}", tree.name());
    }
}

#[test]
fn an_entry_changed_in_any_tree_is_found() {
    let whole = keystore();
    for tree in [Tree::States, Tree::Records, Tree::KidIndex, Tree::Observations] {
        let copy = whole.copy();
        tamper(&copy, tree, |_, value| {
            let mut changed = value.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            Some(changed)
        });
        let error = copy.refusal();
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{}: {error}", tree.name());
    }
}

/// A place, and the one whose value is put there.
type Change<'a> = (Tree, &'a [u8], &'a [u8]);

/// Asks for what was changed.
type Ask = fn(&Keystore) -> Result<(), KeystoreError>;

/// Each value is whole in itself, but not in this place.
#[test]
fn a_value_changed_under_an_open_keystore_is_not_given_out() {
    use super::support::{Faulty, key, master, secret};
    let (first, second) = (0_u64.to_be_bytes(), 1_u64.to_be_bytes());
    let cases: [(&[Change<'_>], Ask); 3] = [
        (
            &[(Tree::Secrets, b"key/a", b"key/b"), (Tree::DataKeys, b"key/a", b"key/b")],
            |store| {
                assert_eq!(store.secret(&key("b")).unwrap().expose(), b"two");
                store.secret(&key("a")).map(drop)
            },
        ),
        (&[(Tree::Records, &second, &first)], |store| {
            assert!(store.record(Seq(0)).is_ok());
            store.record(Seq(1)).map(drop)
        }),
        (&[(Tree::Observations, b"node/1", b"node/2")], |store| {
            store.observations().map(drop)
        }),
    ];
    for (changes, ask) in cases {
        let faulty = Faulty::default();
        let store = Keystore::on(Box::new(faulty.clone()), &master(1)).unwrap();
        let mut commit = step(1);
        commit.put_secrets = vec![(key("a"), secret("one")), (key("b"), secret("two"))];
        commit.records.push(commit.records[0].clone());
        store.commit(&commit).unwrap();
        let seen = |node: &str, what: &str| (node.as_bytes().to_vec(), Some(what.as_bytes().to_vec()));
        store.observe(&[seen("node/1", "late"), seen("node/2", "early")]).unwrap();
        let found = |tree, name: &[u8]| faulty.memory.get(tree, name).unwrap();
        let writes = changes.iter().map(|(tree, to, from)| Write {
            tree: *tree,
            key: to.to_vec(),
            value: found(*tree, from),
        });
        let meta = found(Tree::Meta, META_KEY);
        let expected = Expected {
            key: META_KEY,
            value: meta.as_deref(),
        };
        let applied = faulty.memory.apply(expected, &writes.collect::<Vec<_>>()).unwrap();
        assert_eq!(applied, crate::keystore::Applied::Durable);
        assert!(matches!(ask(&store).unwrap_err(), KeystoreError::Damaged { .. }));
        assert!(
            matches!(store.load().unwrap_err(), KeystoreError::Damaged { .. }),
            "it is over"
        );
    }
}
