//! The tree over the records: full tiles are stored, and it goes on where it was when the keystore is opened again.

use super::support::{Folder, master, record};
use crate::audit::{leaf_hash, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion};
use crate::keystore::meta::META_KEY;
use crate::keystore::{Applied, Backend, Commit, Expected, Keystore, KeystoreError, Memory, Tree, Write};
use crate::types::{Digest, Seq, Time, TreeHead, Version};

/// Makes so many records in steps of a hundred, from `version` on.
fn grow(store: &Keystore, version: u64, records: u64) -> u64 {
    let mut version = version;
    let mut left = records;
    while left > 0 {
        let now = left.min(100);
        let mut commit = Commit::of_state(Version(version), Time(1), b"state".to_vec());
        commit.records = (0..now).map(|n| record(&format!("{version}/{n}"), &[])).collect();
        version = store.commit(&commit).unwrap().0;
        left -= now;
    }
    version
}

fn head(store: &Keystore) -> TreeHead {
    store.log(|log| Ok(log.head())).unwrap()
}

fn leaf(store: &Keystore, seq: u64) -> Digest {
    leaf_hash(&store.record(Seq(seq)).unwrap().bytes)
}

/// Puts an entry where it does not belong, past every guard.
fn put(memory: &Memory, tree: Tree, key: &[u8], value: Option<Vec<u8>>) {
    let meta = memory.get(Tree::Meta, META_KEY).unwrap();
    let expected = Expected {
        key: META_KEY,
        value: meta.as_deref(),
    };
    let key = key.to_vec();
    assert_eq!(
        memory.apply(expected, &[Write { tree, key, value }]).unwrap(),
        Applied::Durable
    );
}

#[test]
fn every_record_and_every_earlier_log_is_proved_also_after_a_restart() {
    let memory = Memory::default();
    let store = Keystore::on(Box::new(memory.clone()), &master(1)).unwrap();
    let version = grow(&store, 0, 255);
    let (before, old) = (head(&store), 255);
    let version = grow(&store, version, 1);
    grow(&store, version, 700);
    let now = head(&store);
    drop(store);
    let store = Keystore::on(Box::new(memory), &master(1)).unwrap();
    assert_eq!(head(&store), now, "the tree goes on where it was");
    assert_eq!(now.size, 956);
    let root = store.log(|log| root_at(log, old)).unwrap();
    assert_eq!(root, before.root);
    let proof = store.log(|log| prove_consistency(log, old, now.size)).unwrap();
    verify_consistency(before, now, &proof).unwrap();
    for seq in [0, 254, 255, 256, 700, 767, 768, 955] {
        let proof = store.log(|log| prove_inclusion(log, seq, now.size)).unwrap();
        verify_inclusion(now, seq, leaf(&store, seq), &proof).unwrap();
    }
}

#[test]
fn the_tree_goes_on_from_files_too() {
    let folder = Folder::with_steps(1);
    let before = grow(&folder.open().unwrap(), 1, 299);
    let store = folder.open().unwrap();
    let now = head(&store);
    assert_eq!((before, now.size), (4, 300));
    let proof = store.log(|log| prove_inclusion(log, 17, 300)).unwrap();
    verify_inclusion(now, 17, leaf(&store, 17), &proof).unwrap();
}

#[test]
fn a_tile_that_was_changed_or_lost_is_damage() {
    for lost in [true, false] {
        let memory = Memory::default();
        let store = Keystore::on(Box::new(memory.clone()), &master(1)).unwrap();
        grow(&store, 0, 300);
        let key = [&[0][..], &0_u64.to_be_bytes()].concat();
        let mut tile = memory.get(Tree::Tiles, &key).unwrap().unwrap();
        let last = tile.len() - 1;
        tile[last] ^= 1;
        put(&memory, Tree::Tiles, &key, (!lost).then_some(tile));
        let refused = store.log(|log| prove_inclusion(log, 1, 300)).unwrap_err();
        assert!(matches!(refused, KeystoreError::Damaged { .. }), "{refused}");
        drop(store);
        assert!(Keystore::on(Box::new(memory), &master(1)).is_err());
    }
}

#[test]
fn a_newest_record_that_was_lost_is_damage_and_no_end() {
    let memory = Memory::default();
    let store = Keystore::on(Box::new(memory.clone()), &master(1)).unwrap();
    grow(&store, 0, 300);
    put(&memory, Tree::Records, &299_u64.to_be_bytes(), None);
    assert_eq!(store.records(Seq(290)..Seq(299)).unwrap().len(), 9);
    let refused = store.records(Seq(290)..Seq(u64::MAX)).unwrap_err();
    assert!(matches!(refused, KeystoreError::Damaged { .. }), "{refused}");
}
