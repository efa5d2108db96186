use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn written(root: &Path, held: &BTreeSet<Kid>) -> (Disk, Bundle) {
    let disk = open(root);
    let sent = bundle(7, &[(0, Active), (1, armed(Span::hours(1))), (2, Prepublished)]);
    disk.write_cache(&sent, None, held).unwrap();
    (disk, sent)
}

#[test]
fn r10_the_cache_gives_back_what_was_sealed() {
    let root = tempfile::tempdir().unwrap();
    let (disk, sent) = written(root.path(), &kids(&[0, 1]));
    let back = open(root.path()).load().unwrap().cached.unwrap();
    assert_eq!(
        (&back.set, &back.public_form, back.digest),
        (&sent.set, &sent.public_form, sent.digest)
    );
    assert_eq!(back.privates.len(), 2);
    assert!(back.privates.iter().all(|(kid, secret)| secret.same(&sent.privates[kid])));
    assert_eq!(fs::metadata(disk.cache_path()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn the_cache_shows_nothing_and_holds_no_retired_half() {
    let root = tempfile::tempdir().unwrap();
    let (disk, sent) = written(root.path(), &kids(&[1]));
    assert_eq!(
        disk.read_cache()
            .unwrap()
            .unwrap()
            .0
            .privates
            .into_keys()
            .collect::<BTreeSet<_>>(),
        kids(&[1])
    );
    let bytes = fs::read(disk.cache_path()).unwrap();
    let shows = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(!shows(sent.privates[&kid(1)].expose()) && !shows(kid(1).as_str().as_bytes()));
}

#[test]
fn a_cache_that_was_changed_or_sealed_under_another_key_is_told_of_and_not_used() {
    let root = tempfile::tempdir().unwrap();
    let (disk, _) = written(root.path(), &kids(&[0, 1]));
    let sealed = fs::read(disk.cache_path()).unwrap();
    for place in [0, 20, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        durable::write_file(&disk.cache_path(), &changed, &FileAttrs::mode(0o600)).unwrap();
        let found = disk.load().unwrap();
        assert!(found.cached.is_none() && found.problem.unwrap().contains("the sealed cache can't be used"));
    }
    durable::write_file(&disk.cache_path(), &sealed, &FileAttrs::mode(0o600)).unwrap();
    fs::remove_file(root.path().join("cache.key")).unwrap();
    assert!(
        open(root.path())
            .load()
            .unwrap()
            .problem
            .unwrap()
            .contains("under another key")
    );
}

#[test]
fn the_key_of_the_cache_may_be_a_credential_which_must_be_there() {
    let root = tempfile::tempdir().unwrap();
    let credential = root.path().join("credential");
    let folder = root.path().join("agent");
    let why = Disk::open(folder.clone(), None, Some(&credential), None)
        .unwrap_err()
        .to_string();
    assert!(why.contains("credential"), "{why}");
    durable::write_file(&credential, b"short", &FileAttrs::mode(0o600)).unwrap();
    assert!(Disk::open(folder.clone(), None, Some(&credential), None).is_err());
    durable::write_file(&credential, "5a".repeat(32).as_bytes(), &FileAttrs::mode(0o600)).unwrap();
    Disk::open(folder.clone(), None, Some(&credential), None).unwrap();
    assert_eq!(names(&folder), ["views"], "no key lies beside the cache");
}

#[test]
fn a_planted_link_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let (disk, _) = written(root.path(), &kids(&[0, 1]));
    let elsewhere = root.path().join("elsewhere");
    fs::rename(disk.cache_path(), &elsewhere).unwrap();
    symlink(&elsewhere, disk.cache_path()).unwrap();
    let found = disk.load().unwrap();
    assert!(found.cached.is_none() && found.problem.unwrap().contains("can't read"));
}
