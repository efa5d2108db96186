//! A keystore that is filled from another, and what vouches for its records.

use std::fs;

use super::support::{Folder, day, key, loaded, master, overwrite, record, secret, step};
use crate::keystore::{Commit, Keystore, KeystoreError, NewRecord, Source, snapshot_files};
use crate::types::{Generation, Seq, Version};

fn records(count: u64) -> Vec<NewRecord> {
    (1..=count).map(|number| record(&format!("step {number}"), &["k"])).collect()
}

fn state(records: Vec<NewRecord>) -> Commit {
    Commit {
        records,
        put_secrets: vec![(key("k"), secret("half"))],
        snapshot: Some(Generation(7)),
        ..Commit::of_state(Version(0), day(9), b"brought".to_vec())
    }
}

#[test]
fn a_keystore_filled_from_another_is_one_like_any_other() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    store.bring_records(&records(300)).unwrap();
    store
        .bring_state(Version(1000), &state(vec![record("restored", &[])]))
        .unwrap();
    drop(store);
    let store = folder.open().unwrap();
    let found = loaded(&store);
    assert_eq!(
        (found.version, found.next_seq, &found.state[..]),
        (Version(1000), Seq(301), &b"brought"[..])
    );
    assert_eq!(store.records_of(&super::support::kid("k")).unwrap().len(), 300);
    assert_eq!(store.secret(&key("k")).unwrap().expose(), b"half");
    assert!(matches!(store.state_at(Version(0)), Err(KeystoreError::Missing(_))));
    assert_eq!(snapshot_files(&folder.dir).unwrap().len(), 1);
    for number in 1001..1100 {
        let mut commit = step(1);
        commit.expected = Version(number - 1);
        store.commit(&commit).unwrap();
    }
    drop(store);
    let store = folder.open().unwrap();
    assert_eq!(store.versions(Version(0)..Version(u64::MAX)).unwrap().len(), 100);
    assert!(store.state_at(Version(1099 - 63)).is_ok() && store.state_at(Version(1099 - 64)).is_err());
}

#[test]
fn a_filling_that_was_cut_off_leaves_nothing_that_opens() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    store.bring_records(&records(3)).unwrap();
    drop(store);
    let error = folder.refusal();
    assert!(matches!(error, KeystoreError::Empty { .. }), "{error}");
    assert!(error.to_string().contains("`jkeys restore`"), "{error}");
}

#[test]
fn only_a_new_keystore_is_filled() {
    let folder = Folder::with_steps(2);
    let store = folder.open().unwrap();
    assert!(matches!(store.bring_records(&records(1)), Err(KeystoreError::Refused(_))));
    assert!(matches!(
        store.bring_state(Version(9), &state(vec![])),
        Err(KeystoreError::Refused(_))
    ));
    assert_eq!(loaded(&store).version, Version(2));
}

fn walk(source: &Source) -> Result<u64, KeystoreError> {
    let mut count = 0;
    source.records(source.end(), &mut |_, _| {
        count += 1;
        Ok::<(), KeystoreError>(())
    })?;
    Ok(count)
}

#[test]
fn the_anchor_vouches_for_records_behind_a_snapshot_and_nobody_else_can() {
    let folder = Folder::with_steps(4);
    let oldest = snapshot_files(&folder.dir).unwrap().pop().unwrap();
    let open = || Source::open(&oldest, None, &master(0xA5));
    assert_eq!(walk(&open().unwrap()).unwrap(), 4);
    let anchor = folder.dir.join("anchor");
    let whole = fs::read_to_string(&anchor).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), 3);
    // Its digest is anybody's to make; its code is not.
    let forged = lines[0].replace("\"next_seq\":4", "\"next_seq\":3");
    assert_ne!(forged, lines[0]);
    let digest = crate::types::Digest::of(forged.as_bytes());
    for code in [lines[2], ""] {
        overwrite(&anchor, format!("{forged}\n{digest}\n{code}\n").as_bytes());
        assert_eq!(open().unwrap().end(), Seq(1), "nothing behind the snapshot is taken");
    }
    // The next start of the whole keystore makes it good.
    overwrite(&anchor, format!("{}\n{}\n", lines[0], lines[1]).as_bytes());
    drop(folder.open().unwrap());
    assert_eq!(fs::read_to_string(&anchor).unwrap(), whole);
    // An older one, which was real once, vouches for no more than it did then.
    assert_eq!(walk(&open().unwrap()).unwrap(), 4);
}

#[test]
fn records_that_are_others_or_missing_are_found() {
    let folder = Folder::with_steps(4);
    let newest = snapshot_files(&folder.dir).unwrap().remove(0);
    let segment = folder.dir.join("segments/00000000000000000000.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    let source = || Source::open(&newest, None, &master(0xA5)).unwrap();
    for wrong in [
        text.replace("step 2", "step 7"),
        text.replace("{\"action\":\"step 3\"}\n", ""),
        text[..60].to_owned(),
    ] {
        overwrite(&segment, wrong.as_bytes());
        let error = walk(&source()).unwrap_err();
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{error}");
    }
    // What a crash left at the end is no record.
    overwrite(&segment, format!("{text}{{\"act").as_bytes());
    assert_eq!(walk(&source()).unwrap(), 4);
}
