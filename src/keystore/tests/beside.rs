//! Segments and snapshots, and what the next start does when a crash cut them off.

use std::fs;
use std::path::PathBuf;

use super::support::{Folder, day, key, loaded, master, overwrite, record, secret, step};
use crate::durable::TEMPORARY_PREFIX;
use crate::keystore::{Keystore, KeystoreError, read_snapshot, snapshot_files};
use crate::types::{Generation, Seq, Version};

fn segment(folder: &Folder) -> PathBuf {
    folder.dir.join("segments/00000000000000000000.jsonl")
}

fn lines(steps: u64) -> Vec<u8> {
    (1..=steps)
        .flat_map(|number| format!("{{\"action\":\"step {number}\"}}\n").into_bytes())
        .collect()
}

#[test]
fn a_segment_holds_the_exact_records_one_a_line() {
    let folder = Folder::with_steps(3);
    assert_eq!(fs::read(segment(&folder)).unwrap(), lines(3));
    let store = folder.open().unwrap();
    store.commit(&step(4)).unwrap();
    assert_eq!(fs::read(segment(&folder)).unwrap(), lines(4));
}

#[test]
fn a_segment_with_a_torn_or_missing_tail_is_brought_level() {
    let folder = Folder::with_steps(3);
    let whole = lines(3);
    let zeros = [&lines(2)[..], &[0; 40]].concat();
    let beyond = [&whole[..], b"{\"action\":"].concat();
    for found in [&whole[..whole.len() - 3], &lines(2), &lines(1)[..5], b"", &zeros, &beyond] {
        overwrite(&segment(&folder), found);
        drop(folder.open().unwrap());
        assert_eq!(fs::read(segment(&folder)).unwrap(), whole);
    }
    fs::remove_file(segment(&folder)).unwrap();
    folder.open().unwrap().commit(&step(4)).unwrap();
    assert_eq!(fs::read(segment(&folder)).unwrap(), lines(4));
}

#[test]
fn a_segment_that_says_something_else_is_refused() {
    let folder = Folder::with_steps(3);
    let text = String::from_utf8(lines(3)).unwrap().replace("step 2", "step 9");
    overwrite(&segment(&folder), text.as_bytes());
    let error = folder.refusal();
    assert!(matches!(error, KeystoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("move that file away"), "{error}");
    fs::rename(segment(&folder), folder.dir.join("other")).unwrap();
    drop(folder.open().unwrap());
    assert_eq!(fs::read(segment(&folder)).unwrap(), lines(3));
}

#[test]
fn records_that_were_never_synced_are_written_again_from_the_database() {
    let folder = Folder::with_steps(3);
    let (anchor, segment) = (folder.dir.join("anchor"), segment(&folder));
    let before = fs::read(&anchor).unwrap();
    let mut commit = step(4);
    commit.records = ["one", "two"].map(|text| record(text, &[])).to_vec();
    folder.open().unwrap().commit(&commit).unwrap();
    let (whole, after) = (fs::read(&segment).unwrap(), fs::read(&anchor).unwrap());
    // The power went before the anchor knew of them, and of both lines the second alone had come to the disk.
    let mut torn = whole.clone();
    torn[lines(3).len()..][..10].fill(0);
    overwrite(&segment, &torn);
    overwrite(&anchor, &before);
    drop(folder.open().unwrap());
    assert_eq!(fs::read(&segment).unwrap(), whole);
    // What the anchor knows was durable: then it is damage.
    overwrite(&segment, &torn);
    assert_eq!(fs::read(&anchor).unwrap(), after);
    assert!(matches!(folder.refusal(), KeystoreError::Damaged { .. }));
}

#[test]
fn a_damaged_file_of_data_keys_is_refused_with_what_to_do() {
    let folder = Folder::with_steps(2);
    let snapshot = snapshot_files(&folder.dir).unwrap().remove(1);
    overwrite(&snapshot.with_extension("keys"), b"{");
    let error = folder.refusal();
    assert!(error.to_string().contains("erase it together with its snapshot"), "{error}");
    fs::remove_file(snapshot.with_extension("keys")).unwrap();
    fs::remove_file(snapshot).unwrap();
    folder.open().unwrap();
}

#[test]
fn a_segment_ahead_of_the_database_is_refused() {
    let folder = Folder::with_steps(3);
    overwrite(&segment(&folder), &lines(4));
    assert!(matches!(folder.refusal(), KeystoreError::Older { .. }));
    overwrite(&segment(&folder), &lines(3));
    overwrite(&folder.dir.join("segments/00000000000000000099.jsonl"), &lines(1));
    assert!(matches!(folder.refusal(), KeystoreError::Older { .. }));
}

/// Two segments, of which the first is full.
fn two_segments() -> (Folder, Vec<PathBuf>) {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    for number in 1..=4 {
        let mut commit = step(number);
        commit.records = (0..50)
            .map(|place| record("small", &[&format!("k{number}-{place}")]))
            .collect();
        for (place, record) in commit.records.iter_mut().enumerate() {
            record.bytes = format!("\"{number}-{place:02}{}\"", "x".repeat(47 * 1024)).into_bytes();
        }
        store.commit(&commit).unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(folder.dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2);
    (folder, names)
}

#[test]
fn a_full_segment_is_followed_by_another_and_both_are_checked() {
    let (folder, names) = two_segments();
    let content: Vec<_> = names.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, content) in names.iter().zip(content) {
        fs::remove_file(path).unwrap();
        drop(folder.start().unwrap());
        assert!(
            content == fs::read(path).unwrap(),
            "a lost segment is written again byte for byte"
        );
    }
}

#[test]
fn a_full_segment_that_says_something_else_is_refused_at_the_start() {
    let (folder, names) = two_segments();
    let whole = fs::read(&names[0]).unwrap();
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut changed = whole.clone();
    changed[line + 100] ^= 1;
    let mut swapped = whole.clone();
    swapped.rotate_left(line);
    for content in [changed, swapped, [&whole[..], &whole[..line]].concat()] {
        overwrite(&names[0], &content);
        let error = folder.start().unwrap_err();
        assert!(error.to_string().contains(names[0].to_str().unwrap()), "{error}");
    }
    // Cut short it is written again, as far as it is gone.
    overwrite(&names[0], &whole[..whole.len() - 70_000]);
    drop(folder.start().unwrap());
    assert!(fs::read(&names[0]).unwrap() == whole);
}

/// Whole lines, `count` of them, from the beginning.
fn first_lines(content: &[u8], count: usize) -> &[u8] {
    let ends = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = ends.map(|(place, _)| place + 1).nth(count - 1).unwrap();
    &content[..end]
}

/// Every line is right, and stands in a file that it does not belong to, or in none.
#[test]
fn a_segment_ends_where_it_is_full_and_the_next_begins_there() {
    let (whole, names) = two_segments();
    let [first, second] = [&names[0], &names[1]].map(|path| fs::read(path).unwrap());
    let full = first.split(|byte| *byte == b'\n').count() - 1;
    let moved = first_lines(&second, 3);
    let head = first_lines(&first, full - 3);
    let cases: [(&str, Vec<u8>, Vec<u8>, usize); 3] = [
        (
            "beyond full",
            [&first[..], moved].concat(),
            second[moved.len()..].to_vec(),
            full + 3,
        ),
        (
            "before full",
            head.to_vec(),
            [&first[head.len()..], &second].concat(),
            full - 3,
        ),
        ("with a gap", first.clone(), second[moved.len()..].to_vec(), full + 3),
    ];
    for (case, one, two, begins) in cases {
        let copy = whole.copy();
        let segments = copy.dir.join("segments");
        fs::remove_file(segments.join(names[1].file_name().unwrap())).unwrap();
        overwrite(&segments.join(names[0].file_name().unwrap()), &one);
        overwrite(&segments.join(format!("{begins:020}.jsonl")), &two);
        let refused = copy.start().map(drop);
        assert!(
            matches!(refused, Err(KeystoreError::Damaged { .. } | KeystoreError::Older { .. })),
            "{case}: {refused:?}"
        );
    }
}

#[test]
fn a_snapshot_holds_the_state_and_the_secrets() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    let mut commit = step(1);
    commit.put_secrets = vec![(key("a"), secret("one")), (key("b"), secret("two"))];
    commit.state = vec![b's'; 200_000];
    store.commit(&commit).unwrap();
    let files = snapshot_files(&folder.dir).unwrap();
    let snapshot = read_snapshot(&files[0], &master(0xA5)).unwrap();
    assert_eq!(
        (snapshot.header.version, snapshot.header.generation),
        (Version(1), Generation(1))
    );
    assert_eq!((snapshot.header.next_seq, snapshot.header.taken_at), (Seq(1), day(1)));
    assert_eq!(snapshot.state, vec![b's'; 200_000]);
    let secrets: Vec<_> = snapshot
        .secrets
        .iter()
        .map(|(name, secret)| (name.clone(), secret.expose()))
        .collect();
    assert_eq!(secrets, [(key("a"), &b"one"[..]), (key("b"), b"two")]);
}

#[test]
fn a_step_that_makes_no_generation_writes_no_snapshot() {
    let folder = Folder::with_steps(1);
    let mut commit = step(2);
    commit.snapshot = None;
    folder.open().unwrap().commit(&commit).unwrap();
    assert_eq!(snapshot_files(&folder.dir).unwrap().len(), 1);
}

#[test]
fn a_destroyed_data_key_is_in_no_kept_snapshot() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    let mut commit = step(1);
    commit.put_secrets = vec![(key("a"), secret("one")), (key("b"), secret("two"))];
    store.commit(&commit).unwrap();
    store.commit(&step(2)).unwrap();
    let before = folder.copy();
    store.commit(&step(3)).unwrap();
    store.destroy(&[key("a")]).unwrap();
    check_destroyed(&folder);
    drop(store);

    // Killed after the database had it, and before the snapshots did.
    for entry in fs::read_dir(before.dir.join("snapshots")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.dir.join("snapshots").join(path.file_name().unwrap())).unwrap();
    }
    let orphan = folder.dir.join("snapshots/orphan.keys");
    fs::copy(snapshot_files(&before.dir).unwrap()[0].with_extension("keys"), &orphan).unwrap();
    let leftover = folder.dir.join("snapshots").join(format!("{TEMPORARY_PREFIX}1"));
    fs::copy(&orphan, &leftover).unwrap();
    drop(folder.open().unwrap());
    check_destroyed(&folder);
    assert!(!orphan.exists() && !leftover.exists());
}

fn check_destroyed(folder: &Folder) {
    let files = snapshot_files(&folder.dir).unwrap();
    assert_eq!(files.len(), 3);
    for path in &files {
        let snapshot = read_snapshot(path, &master(0xA5)).unwrap();
        assert!(
            snapshot.secrets.iter().all(|(name, _)| *name == key("b")),
            "{}",
            path.display()
        );
        assert_eq!(snapshot.secrets.len(), 1);
        let keys = fs::read_to_string(path.with_extension("keys")).unwrap();
        assert!(!keys.contains("key/a") && keys.contains("key/b"), "{keys}");
    }
    assert_eq!(read_snapshot(&files[1], &master(0xA5)).unwrap().destroyed, [key("a")]);
}

#[test]
fn a_damaged_snapshot_is_refused_at_every_byte() {
    let folder = Folder::with_steps(1);
    let path = snapshot_files(&folder.dir).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[place] ^= 4;
        overwrite(&path, &changed);
        assert!(read_snapshot(&path, &master(0xA5)).is_err(), "byte {place}");
        overwrite(&path, &whole[..place]);
        assert!(read_snapshot(&path, &master(0xA5)).is_err(), "cut at {place}");
    }
    overwrite(&path, &whole);
    read_snapshot(&path, &master(0xA5)).unwrap();
    let error = read_snapshot(&path, &master(0xB6)).unwrap_err();
    assert!(matches!(error, KeystoreError::WrongMasterKey { .. }), "{error}");
}

#[test]
fn a_snapshot_with_a_forged_header_does_not_open() {
    let folder = Folder::with_steps(1);
    let path = snapshot_files(&folder.dir).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    let content = &whole[..whole.len() - 32];
    let place = content.windows(14).position(|part| part == b"\"generation\":1").unwrap();
    let mut forged = content.to_vec();
    forged[place + 13] = b'2';
    forged.extend(crate::types::Digest::of(&forged).0);
    overwrite(&path, &forged);
    let error = read_snapshot(&path, &master(0xA5)).unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
}

#[test]
fn the_sixteen_newest_snapshots_and_one_a_day_are_kept() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    for number in 1..=40 {
        let mut commit = step(number);
        commit.now = day(number / 2);
        store.commit(&commit).unwrap();
    }
    let kept: Vec<u64> = snapshot_files(&folder.dir)
        .unwrap()
        .iter()
        .map(|path| read_snapshot(path, &master(0xA5)).unwrap().header.generation.0)
        .collect();
    // The days 20 back to 7: the newest of each, and the 16 newest of all.
    let expected: Vec<u64> = (1..=40)
        .rev()
        .filter(|number| *number > 24 || (*number >= 15 && number % 2 == 1))
        .collect();
    assert_eq!(kept, expected);
    let companions = fs::read_dir(folder.dir.join("snapshots")).unwrap().count();
    assert_eq!(companions, 2 * kept.len());
}

#[test]
fn a_snapshot_that_a_crash_prevented_is_written_by_the_next_start() {
    let folder = Folder::with_steps(2);
    let newest = snapshot_files(&folder.dir).unwrap().remove(0);
    fs::remove_file(&newest).unwrap();
    fs::remove_file(newest.with_extension("keys")).unwrap();
    drop(folder.open().unwrap());
    assert_eq!(snapshot_files(&folder.dir).unwrap()[0], newest);
    read_snapshot(&newest, &master(0xA5)).unwrap();
}

#[test]
fn an_anchor_behind_the_database_is_brought_level() {
    let folder = Folder::with_steps(2);
    let old = fs::read(folder.dir.join("anchor")).unwrap();
    folder.open().unwrap().commit(&step(3)).unwrap();
    let new = fs::read(folder.dir.join("anchor")).unwrap();
    overwrite(&folder.dir.join("anchor"), &old);
    assert_eq!(loaded(&folder.open().unwrap()).version, Version(3));
    assert_eq!(fs::read(folder.dir.join("anchor")).unwrap(), new);
}
