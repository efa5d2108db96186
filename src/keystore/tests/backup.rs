//! Backups: one file that holds everything, and tells when it was changed.

use std::fs;
use std::path::PathBuf;

use super::support::{Folder, key, master, overwrite, secret, step};
use crate::keystore::{KeystoreError, NewRecord, Source, check_backup};
use crate::types::{Generation, Seq, Version};

/// A keystore of three steps with two secrets, and a backup of it.
fn backed_up() -> (Folder, PathBuf) {
    let folder = Folder::with_steps(2);
    let store = folder.open().unwrap();
    let mut commit = step(3);
    commit.put_secrets = vec![(key("a"), secret("one half")), (key("b"), secret("two"))];
    store.commit(&commit).unwrap();
    let file = folder.dir.with_file_name("backup");
    let mut content = Vec::new();
    let header = store
        .backup(&mut |part| {
            content.extend(part);
            Ok::<(), KeystoreError>(())
        })
        .unwrap();
    assert_eq!(
        (header.version, header.generation, header.next_seq),
        (Version(3), Generation(3), Seq(3))
    );
    overwrite(&file, &content);
    (folder, file)
}

#[test]
fn a_backup_holds_everything_and_says_what_it_is() {
    let (folder, file) = backed_up();
    assert_eq!(check_backup(&file).unwrap().version, Version(3));
    let text = String::from_utf8(fs::read(&file).unwrap()).unwrap();
    assert!(text.starts_with("jkeys backup 1\n{\"schema\":1,"), "{}", &text[..80]);
    assert!(text.ends_with("{\"action\":\"step 3\"}\n"));
    assert!(!text.contains("one half") && !text.contains("state 3"));
    // Nothing else is needed of the folder that it was made from.
    fs::remove_dir_all(&folder.dir).unwrap();
    let source = Source::open(&file, None, &master(0xA5)).unwrap();
    assert_eq!(source.snapshot.state, b"state 3");
    let secrets: Vec<_> = source
        .snapshot
        .secrets
        .iter()
        .map(|(name, secret)| (name.clone(), secret.expose()))
        .collect();
    assert_eq!(secrets, [(key("a"), &b"one half"[..]), (key("b"), b"two")]);
    let mut records = Vec::new();
    source
        .records(source.end(), &mut |_, record| {
            records.push(record.to_vec());
            Ok::<(), KeystoreError>(())
        })
        .unwrap();
    assert_eq!(records.len(), 3);
    let error = Source::open(&file, None, &master(0xB6)).unwrap_err();
    assert!(
        matches!(&error, KeystoreError::WrongMasterKey { what } if what.contains("backup")),
        "{error}"
    );
}

#[test]
fn a_backup_that_was_changed_or_cut_short_anywhere_is_refused() {
    let (_folder, file) = backed_up();
    let whole = fs::read(&file).unwrap();
    for place in (0..whole.len()).step_by(3) {
        let mut changed = whole.clone();
        changed[place] ^= 4;
        overwrite(&file, &changed);
        assert!(check_backup(&file).is_err(), "byte {place}");
        overwrite(&file, &whole[..place]);
        assert!(check_backup(&file).is_err(), "cut at {place}");
    }
    overwrite(&file, &[&whole[..], b"{}\n"].concat());
    assert!(check_backup(&file).unwrap_err().to_string().contains("Use another backup"));
    overwrite(&file, &whole);
    check_backup(&file).unwrap();
}

/// Whoever makes a file whose sums are right still has no master key.
#[test]
fn a_backup_with_a_forged_header_does_not_open() {
    let (_folder, file) = backed_up();
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines[1] = lines[1].replace("\"version\":3", "\"version\":4");
    let head = lines[..3].join("\n") + "\n";
    lines[3] = crate::types::Digest::of(head.as_bytes()).to_string();
    overwrite(&file, (lines.join("\n") + "\n").as_bytes());
    assert_eq!(check_backup(&file).unwrap().version, Version(4));
    let error = Source::open(&file, None, &master(0xA5)).unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
}

#[test]
fn records_after_a_backup_come_from_the_segments() {
    let (folder, file) = backed_up();
    let store = folder.open().unwrap();
    for number in 4..=6 {
        let mut commit = step(number);
        commit.records.push(NewRecord {
            bytes: b"{}".to_vec(),
            kids: vec![],
        });
        store.commit(&commit).unwrap();
    }
    drop(store);
    let segments = folder.dir.join("segments");
    let source = Source::open(&file, Some(&segments), &master(0xA5)).unwrap();
    let mut seen = 0;
    source
        .records(source.end(), &mut |_, _| {
            seen += 1;
            Ok::<(), KeystoreError>(())
        })
        .unwrap();
    assert_eq!((seen, source.end(), source.newest_version()), (9, Seq(9), Version(6)));
    // Those of another keystore are none of it.
    let other = Folder::with_steps_of(9, 3);
    let others = other.dir.join("segments/00000000000000000000.jsonl");
    overwrite(
        &others,
        fs::read_to_string(&others).unwrap().replace("step", "other").as_bytes(),
    );
    let source = Source::open(&file, Some(&other.dir.join("segments")), &master(0xA5)).unwrap();
    let error = source
        .records(source.end(), &mut |_, _| Ok::<(), KeystoreError>(()))
        .unwrap_err();
    assert!(error.to_string().contains("are not those"), "{error}");
}
