//! A crash is a step that is dropped, and a start.

use super::*;

#[test]
fn r6_a_crash_before_the_swap_leaves_the_old_view() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    let next = alternating(2);
    drop(disk.stage(&next, &view_now(&next)).unwrap());
    assert_eq!(names(&root.path().join("views")), ["000001.1", "000002.1"]);

    let found = open(root.path()).load().unwrap();
    let installed = found.installed.unwrap();
    assert_eq!((installed.signing, installed.held), (kids(&[1]), kids(&[1])));
    assert_eq!(found.problem, None);
    assert_eq!(names(&root.path().join("views")), ["000001.1"], "what was staged is gone");
    assert_eq!(install(&open(root.path()), &next).signing, kids(&[0]));
}

#[test]
fn r6_a_crash_after_the_swap_leaves_the_new_view_and_no_old_private_file() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    let next = alternating(2);
    drop(disk.stage(&next, &view_now(&next)).unwrap().swap().unwrap());
    assert_eq!(
        disk.read_back().unwrap().unwrap().held,
        kids(&[0, 1]),
        "the old private half is told of while it is there"
    );

    let installed = open(root.path()).load().unwrap().installed.unwrap();
    assert_eq!((installed.signing, installed.held), (kids(&[0]), kids(&[0])));
    assert_eq!(names(&root.path().join("views")), ["000002.1"]);
}

#[test]
fn r6_a_crash_in_the_middle_of_staging_is_made_good() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    let half = root.path().join("views/000002.1");
    fs::create_dir(&half).unwrap();
    fs::File::create(half.join("private.jwks.json")).unwrap();
    fs::File::create(half.join(".jkeys-tmp-00")).unwrap();
    assert_eq!(install(&disk, &alternating(2)).signing, kids(&[0]));
    assert_eq!(
        names(&root.path().join("live")),
        ["jwks.json", "private.jwks.json", "view.json"]
    );
}

#[test]
fn temporaries_of_a_crash_are_removed_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    fs::File::create(root.path().join(".jkeys-tmp-00")).unwrap();
    open(root.path());
    assert_eq!(names(root.path()), ["cache.key", "views"]);
}

#[test]
fn a_live_view_that_lost_a_file_is_told_of_and_made_good() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    install(&disk, &alternating(1));
    fs::remove_file(root.path().join("live/jwks.json")).unwrap();
    let found = disk.load().unwrap();
    assert!(found.installed.is_none() && found.problem.unwrap().contains("live/jwks.json"));
    assert_eq!(install(&disk, &alternating(1)).published, kids(&[0, 1, 2]));
}

#[test]
fn r6_on_a_full_disk_the_old_view_stays() {
    on_small_disk("agent::disk::tests::crash::r6_on_a_full_disk_the_old_view_stays", |small| {
        let root = small.join("agent");
        let disk = open(&root);
        install(&disk, &alternating(1));
        let filler = small.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 1024]).is_ok() {}
        let next = std::sync::Arc::new(alternating(2));
        let work = || DiskWork::Install {
            bundle: next.clone(),
            view: view_now(&next),
        };
        let DiskResult::Failed(why) = disk.work(work()) else {
            panic!("the disk is not full")
        };
        assert!(why.contains("free some space"), "{why}");
        assert_eq!(disk.read_back().unwrap().unwrap().signing, kids(&[1]));
        assert_eq!(
            names(&root.join("views")),
            ["000001.1"],
            "what could be staged takes no space"
        );
        drop(file);
        fs::remove_file(filler).unwrap();
        assert!(matches!(disk.work(work()), DiskResult::Installed(_)));
    });
}

#[test]
fn r5_a_damaged_memory_of_the_node_is_not_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    let trusted = Trusted::default();
    assert!(matches!(
        disk.work(DiskWork::SaveTrusted(Box::new(trusted.clone()))),
        DiskResult::TrustedSaved(_)
    ));
    assert_eq!(disk.load().unwrap().trusted, Some(trusted));
    let path = root.path().join("trusted.json");
    durable::write_file(&path, text(&path).trim_end_matches('}').as_bytes(), &FileAttrs::mode(0o600)).unwrap();
    let why = disk.load().unwrap_err().to_string();
    assert!(
        why.contains("trusted.json is damaged") && why.contains("enroll it anew"),
        "{why}"
    );
}

#[test]
fn a_node_that_never_held_anything_starts_with_nothing() {
    let root = tempfile::tempdir().unwrap();
    let found = open(&root.path().join("agent")).load().unwrap();
    assert!(found.trusted.is_none() && found.cached.is_none() && found.installed.is_none() && found.problem.is_none());
}

#[test]
fn erasing_leaves_no_private_half() {
    let root = tempfile::tempdir().unwrap();
    let disk = open(root.path());
    let sent = alternating(1);
    disk.write_cache(&sent, None, &view_now(&sent).held).unwrap();
    install(&disk, &sent);
    let DiskResult::Erased(Some(left)) = disk.work(DiskWork::Erase) else {
        panic!("not erased")
    };
    assert_eq!((left.signing, left.held), (kids(&[]), kids(&[])));
    assert_eq!(names(root.path()), ["cache.key", "live", "views"]);
    assert_eq!(
        names(&root.path().join("live")),
        ["jwks.json", "view.json"],
        "whoever verifies can go on"
    );
    assert_eq!(
        install(&disk, &sent).signing,
        kids(&[1]),
        "a node that is taken back gets the same view again"
    );
}

const OURS: Option<WitnessKey> = Some(WitnessKey([1; 32]));
const THEIRS: Option<WitnessKey> = Some(WitnessKey([2; 32]));

fn in_fleet(root: &Path, fleet: Option<WitnessKey>) -> Disk {
    Disk::open(root.to_owned(), None, None, fleet).unwrap()
}

#[test]
fn r5_what_is_of_another_fleet_counts_for_nothing_and_is_not_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let (disk, sent) = (in_fleet(root.path(), OURS), alternating(1));
    let mut trusted = Trusted::default();
    trusted.accept(&sent.set, sent.digest, Switches::new());
    disk.write_cache(&sent, None, &view_now(&sent).held).unwrap();
    disk.save_trusted(&trusted).unwrap();
    install(&disk, &sent);

    let theirs = in_fleet(root.path(), THEIRS);
    let found = theirs.load().unwrap();
    assert!(found.trusted.is_none() && found.cached.is_none() && found.installed.is_none() && found.problem.is_none());

    for fleet in [OURS, None] {
        let found = in_fleet(root.path(), fleet).load().unwrap();
        assert_eq!(found.trusted.unwrap(), trusted, "nobody has made the change durable yet");
        assert_eq!(found.cached.unwrap().digest, sent.digest);
    }

    theirs.save_trusted(&Trusted::default()).unwrap();
    let found = in_fleet(root.path(), THEIRS).load().unwrap();
    assert!(
        found.trusted.is_some() && found.cached.is_none(),
        "the cache of the other fleet does not open"
    );
}

#[test]
fn r6_the_folder_of_the_live_view_is_never_written_to() {
    let root = tempfile::tempdir().unwrap();
    install(&in_fleet(root.path(), OURS), &bundle(7, &[(0, Active)]));
    let (live, before) = (root.path().join("live"), fs::canonicalize(root.path().join("live")).unwrap());
    // Another fleet has a generation of the same number.
    let disk = in_fleet(root.path(), THEIRS);
    let other = bundle(7, &[(1, Active)]);
    let staged = disk.stage(&other, &view_now(&other)).unwrap();
    assert_eq!(disk.read_back().unwrap().unwrap().signing, kids(&[0]));
    assert_eq!(fs::canonicalize(&live).unwrap(), before);
    assert_eq!(staged.swap().unwrap().clean().unwrap().signing, kids(&[1]));
    assert_eq!(install(&disk, &other).signing, kids(&[1]));
    assert_eq!(names(&root.path().join("views")), ["000007.1"], "the names take turns");
}
