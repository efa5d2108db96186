use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::types::Generation;

#[test]
fn a_view_has_its_names_modes_and_link() {
    let root = tempfile::tempdir().unwrap();
    install(&open(root.path()), &alternating(42));
    assert_eq!(fs::read_link(root.path().join("live")).unwrap(), Path::new("views/000042.1"));
    let folder = root.path().join("views/000042.1");
    assert_eq!(names(&folder), ["jwks.json", "private.jwks.json", "view.json"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder), 0o755);
    assert_eq!(mode(&folder.join("jwks.json")), 0o644);
    assert_eq!(mode(&folder.join("private.jwks.json")), 0o640);
    assert_eq!(mode(&root.path().join("cache.key")), 0o600);
}

#[test]
fn the_private_file_gets_its_group() {
    let root = tempfile::tempdir().unwrap();
    let group = fs::metadata(root.path()).unwrap().gid();
    // Root may give any group; everybody else only one of their own.
    let group = if rustix::process::geteuid().is_root() { 12_345 } else { group };
    let disk = Disk::open(root.path().to_owned(), Some(group), None, None).unwrap();
    install(&disk, &alternating(1));
    assert_eq!(fs::metadata(root.path().join("live/private.jwks.json")).unwrap().gid(), group);
}

#[test]
fn what_is_installed_is_what_was_read_back() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    let sent = bundle(7, &[(0, Active), (1, armed(Span::hours(1))), (2, Prepublished)]);
    let DiskResult::CacheWritten(holds) = disk.work(DiskWork::WriteCache {
        held: view_now(&sent).held,
        proof: None,
        bundle: bundle(7, &[(0, Active), (1, armed(Span::hours(1))), (2, Prepublished)]).into(),
    }) else {
        panic!("the cache is not written")
    };
    assert_eq!(holds.kids, kids(&[0, 1]));
    let installed = install(&disk, &sent);
    assert_eq!(installed.generation, Generation(7));
    assert_eq!((installed.published, installed.signing), (kids(&[0, 1, 2]), kids(&[0])));
    assert_eq!(installed.held, kids(&[0, 1]), "the armed half is in the cache");
    fs::remove_file(root.path().join("live/private.jwks.json")).unwrap();
    assert_eq!(
        disk.read_back().unwrap().unwrap().signing,
        kids(&[]),
        "it is read, not remembered"
    );
}

#[test]
fn r6_old_private_files_are_gone_after_the_swap() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    let installed = install(&disk, &alternating(2));
    assert_eq!(names(&root.path().join("views")), ["000002.1"]);
    assert_eq!(installed.held, kids(&[0]));
}

#[test]
fn a_switch_has_a_folder_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    let sent = bundle(7, &[(0, Active), (1, armed(Span::hours(1)))]);
    install(&disk, &sent);
    let later = view(&sent.set, &Switches::new(), START + Span::hours(1));
    let installed = disk.install(&sent, &later).unwrap();
    assert_eq!(names(&root.path().join("views")), ["000007.2"]);
    assert_eq!((installed.switches, installed.signing), (kids(&[1]), kids(&[1])));
}

#[test]
fn staged_files_that_do_not_prove_are_never_live() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    let mut sent = alternating(2);
    sent.privates.insert(kid(0), crate::agent::testing::private(1));
    let why = disk.install(&sent, &view_now(&sent)).unwrap_err();
    assert!(matches!(why, DiskError::NotProved { .. }), "{why}");
    assert_eq!(disk.read_back().unwrap().unwrap().signing, kids(&[1]));
    assert_eq!(names(&root.path().join("views")), ["000001.1"]);
}
