//! Files that the configuration asks for, in views and in places of other programs.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::agent::core::Unfinished;

fn put(disk: &Disk, bundle: &Bundle) -> DiskResult {
    disk.work(DiskWork::Install {
        bundle: std::sync::Arc::new(bundle_copy(bundle)),
        view: view_now(bundle),
    })
}

fn bundle_copy(bundle: &Bundle) -> Bundle {
    crate::agent::testing::bundle_of(bundle.set.clone())
}

fn put_whole(disk: &Disk, bundle: &Bundle) -> Installed {
    match put(disk, bundle) {
        DiskResult::Installed(installed) => installed,
        other => panic!("{other:?}"),
    }
}

fn put_uncopied(disk: &Disk, bundle: &Bundle) -> (Installed, String) {
    match put(disk, bundle) {
        DiskResult::Uncopied(installed, why) => (installed, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_view_has_what_is_configured_besides_what_it_always_has() {
    let machine = Machine::new();
    let installed = put_whole(&machine.open(machine.all(false)), &alternating(1));
    assert_eq!(installed.held, kids(&[1]));
    let always = ["jwks.json", "private.jwks.json", "view.json"];
    let mut expected: Vec<_> = always
        .into_iter()
        .chain(["certified.json", "private.json", "pem", "keys.p12"])
        .collect();
    expected.sort_unstable();
    assert_eq!(names(&machine.agent.join("live")), expected);
    assert_eq!(names(&machine.live("pem")), pem_names(&kid(1)));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(machine.live("certified.json")), 0o644);
    for private in ["private.json", "keys.p12", "pem/active.pem"] {
        assert_eq!(mode(machine.live(private)), 0o640, "{private}");
    }
    assert!(text(&machine.live("certified.json")).contains("x5c"));
}

#[test]
fn r6_no_private_file_of_an_older_view_stays_after_the_swap_in_any_format() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    let next = alternating(2);
    let live = disk.stage(&next, &view_now(&next)).unwrap().swap().unwrap();
    let old = machine.agent.join("views/000001.1");
    assert!(old.join("keys.p12").exists());
    drop(live.clean().unwrap());
    assert!(!old.exists());
    put_whole(&disk, &alternating(2));
    assert_eq!(
        names(&machine.copy("pem")),
        pem_names(&kid(0)),
        "the file of the key that is gone goes too"
    );
}

#[test]
fn r3_a_private_half_that_is_still_in_a_copy_is_still_held() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    // The link moves, and a crash comes before the copies.
    let next = alternating(2);
    let installed = disk.stage(&next, &view_now(&next)).unwrap().swap().unwrap().clean().unwrap();
    assert_eq!((installed.signing, installed.held), (kids(&[0]), kids(&[0, 1])));
    let found = machine.open(machine.all(true)).load().unwrap();
    assert_eq!(found.unfinished, Some(Unfinished::Copies));
    let DiskResult::Installed(installed) = disk.work(DiskWork::Copy) else {
        panic!("not copied")
    };
    assert_eq!(installed.held, kids(&[0]));
    assert_eq!(machine.open(machine.all(true)).load().unwrap().unfinished, None);
}

#[test]
fn copies_are_the_bytes_of_the_live_view_and_only_what_jkeys_wrote_is_removed() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    let theirs = machine.copy("pem/ca.pem");
    durable::write_file(&theirs, b"theirs", &FileAttrs::mode(0o644)).unwrap();
    for number in [1, 2, 3] {
        put_whole(&disk, &alternating(number));
        for name in ["certified.json", "private.json", "keys.p12", "pem/active.pem"] {
            assert_eq!(
                fs::read(machine.live(name)).unwrap(),
                fs::read(machine.copy(name)).unwrap(),
                "{name}"
            );
        }
    }
    assert_eq!(fs::read(theirs).unwrap(), b"theirs");
}

#[test]
fn a_copy_that_can_not_be_written_is_told_of_and_keeps_no_view_and_no_other_copy_from_its_place() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    fs::rename(machine.copy("pem"), machine.copy("moved")).unwrap();
    let (installed, why) = put_uncopied(&disk, &alternating(2));
    assert!(why.contains("pem") && why.contains("create the folder"), "{why}");
    assert_eq!(installed.signing, kids(&[0]));
    assert_eq!(
        fs::read(machine.live("keys.p12")).unwrap(),
        fs::read(machine.copy("keys.p12")).unwrap()
    );
    fs::rename(machine.copy("moved"), machine.copy("pem")).unwrap();
    assert_eq!(
        disk.read_back().unwrap().unwrap().held,
        kids(&[0, 1]),
        "it is there again, with the old key"
    );
    let DiskResult::Installed(installed) = disk.work(DiskWork::Copy) else {
        panic!("not copied")
    };
    assert_eq!(
        (installed.held, names(&machine.copy("pem"))),
        (kids(&[0]), pem_names(&kid(0)))
    );
}

#[test]
fn a_copy_goes_to_no_folder_that_others_can_write_to_or_that_is_a_link() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    fs::set_permissions(&machine.places, fs::Permissions::from_mode(0o777)).unwrap();
    let (_, why) = put_uncopied(&disk, &alternating(1));
    assert!(why.contains("others than its owner can write to"), "{why}");
    fs::set_permissions(&machine.places, fs::Permissions::from_mode(0o755)).unwrap();
    let real = machine.places.with_file_name("real");
    fs::rename(&machine.places, &real).unwrap();
    std::os::unix::fs::symlink(&real, &machine.places).unwrap();
    let (_, why) = put_uncopied(&disk, &alternating(2));
    assert!(why.contains("is a symbolic link"), "{why}");
    assert_eq!(names(&real), ["pem"], "nothing went through the link");
}

#[test]
fn a_copy_that_somebody_changed_is_made_good_at_the_next_start() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    let mode = |mode| fs::set_permissions(machine.copy("keys.p12"), fs::Permissions::from_mode(mode)).unwrap();
    for change in [0, 1, 2] {
        match change {
            0 => durable::write_file(&machine.copy("keys.p12"), b"x", &FileAttrs::mode(0o640)).unwrap(),
            1 => mode(0o644),
            _ => durable::remove_file(&machine.copy("keys.p12")).unwrap(),
        }
        let disk = machine.open(machine.all(true));
        assert_eq!(disk.load().unwrap().unfinished, Some(Unfinished::Copies), "{change}");
        assert!(matches!(disk.work(DiskWork::Copy), DiskResult::Installed(_)));
        assert_eq!(disk.load().unwrap().unfinished, None);
    }
}

#[test]
fn a_copy_that_is_no_longer_configured_is_removed() {
    let machine = Machine::new();
    put_whole(&machine.open(machine.all(true)), &alternating(1));
    let disk = machine.open(machine.all(false));
    assert_eq!(disk.load().unwrap().unfinished, Some(Unfinished::Copies));
    put_whole(&disk, &alternating(1));
    assert_eq!(
        (names(&machine.places), names(&machine.copy("pem"))),
        (vec!["pem".to_owned()], Vec::new())
    );
}

#[test]
fn a_change_of_the_configuration_is_seen_at_the_next_look() {
    let machine = Machine::new();
    let unfinished = |outputs: Vec<Output>| machine.open(outputs).load().unwrap().unfinished;
    put_whole(&machine.open(machine.all(false)), &alternating(1));
    assert_eq!(unfinished(machine.all(false)), None);
    let changes: [fn(&mut Vec<Output>); 4] = [
        |all| drop(all.pop()),
        |all| all[3].attrs.mode = 0o600,
        |all| all[0].format = OutputFormat::Jwks { has_x5c: false },
        |all| all[2].path = "another".to_owned(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut outputs = machine.all(false);
        change(&mut outputs);
        assert_eq!(unfinished(outputs), Some(Unfinished::Outputs), "{number}");
    }
    let password = machine.places.with_file_name("password");
    durable::write_file(&password, b"another password", &FileAttrs::mode(0o600)).unwrap();
    assert_eq!(unfinished(machine.all(false)), Some(Unfinished::Outputs), "the password");
    put_whole(&machine.open(machine.all(false)), &alternating(1));
    assert_eq!(unfinished(machine.all(false)), None);
}

#[test]
fn erasing_takes_every_private_file_and_copy_and_leaves_the_public_ones() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    let DiskResult::Erased(Some(left)) = disk.work(DiskWork::Erase) else {
        panic!("not erased")
    };
    assert_eq!(left.held, kids(&[]));
    assert_eq!(
        names(&machine.agent.join("live")),
        ["certified.json", "jwks.json", "view.json"]
    );
    assert_eq!(names(&machine.places), ["certified.json", "pem"]);
    assert_eq!(names(&machine.copy("pem")), Vec::<String>::new());
}

#[test]
fn erasing_does_not_end_before_the_last_copy_is_gone() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    fs::set_permissions(machine.copy("pem"), fs::Permissions::from_mode(0o777)).unwrap();
    let DiskResult::Failed(why) = disk.work(DiskWork::Erase) else {
        panic!("it is not erased")
    };
    assert!(why.contains("can write to"), "{why}");
    assert_eq!(names(&machine.places), ["certified.json", "pem"], "the others are gone");
    assert_eq!(disk.read_back().unwrap().unwrap().held, kids(&[1]), "what is left is told of");
    fs::set_permissions(machine.copy("pem"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(disk.work(DiskWork::Erase), DiskResult::Erased(_)));
}

#[test]
fn the_list_of_secrets_is_all_that_erasing_takes_and_nothing_public() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    put_whole(&disk, &alternating(1));
    let left = machine.copy(".jkeys-tmp-0011");
    durable::write_file(&left, b"half a key", &FileAttrs::mode(0o600)).unwrap();
    let is_public = |name: &str| name == "certified.json";
    let listed = || {
        let places = secrets(&machine.agent, &machine.agent, is_public).unwrap();
        places.into_iter().map(|place| place.path).collect::<BTreeSet<_>>()
    };
    let view = fs::canonicalize(machine.agent.join("live")).unwrap();
    let mut expected: BTreeSet<PathBuf> = ["private.jwks.json", "private.json", "pem", "keys.p12"]
        .map(|name| view.join(name))
        .into();
    expected.extend(pem_names(&kid(1)).iter().map(|name| machine.copy("pem").join(name)));
    expected.extend([machine.copy("private.json"), machine.copy("keys.p12"), left.clone()]);
    assert_eq!(listed(), expected);
    assert!(matches!(disk.work(DiskWork::Erase), DiskResult::Erased(_)));
    assert!(expected.iter().all(|path| !path.exists()), "the list and the erasing are one");
    assert_eq!(listed(), BTreeSet::new());
}

#[test]
fn secrets_in_folders_of_earlier_configurations_and_in_folders_that_are_away_are_listed() {
    let machine = Machine::new();
    let elsewhere = machine.copy("views-of-old");
    let layout = Layout {
        view_dir: elsewhere.clone(),
        ..machine.layout(machine.all(true))
    };
    put_whole(&Disk::open_as(layout, None, None).unwrap(), &alternating(1));
    let away = machine.places.with_file_name("away");
    fs::rename(machine.copy("pem"), &away).unwrap();
    let places = secrets(&machine.agent, &machine.agent, |_| false).unwrap();
    let is_listed = |path: &Path| places.iter().any(|place| place.path == path);
    assert!(is_listed(
        &fs::canonicalize(elsewhere.join("live")).unwrap().join("private.jwks.json")
    ));
    assert!(is_listed(&machine.copy("pem").join("active.pem")), "it may come back");
    let damaged = machine.agent.join("written.json");
    durable::write_file(&damaged, b"{", &FileAttrs::mode(0o600)).unwrap();
    let refused = secrets(&machine.agent, &machine.agent, |_| false).unwrap_err().to_string();
    assert!(refused.contains("look for those yourself"), "{refused}");
}

#[test]
fn what_a_crash_left_of_a_copy_is_removed() {
    let machine = Machine::new();
    let disk = machine.open(machine.all(true));
    let left = machine.copy(".jkeys-tmp-0011");
    durable::write_file(&left, b"half a key", &FileAttrs::mode(0o600)).unwrap();
    put_whole(&disk, &alternating(1));
    assert!(!left.exists());
}

#[test]
fn a_password_that_is_missing_or_bad_is_told_of_at_the_start() {
    let machine = Machine::new();
    let password = machine.places.with_file_name("password");
    machine.open(Vec::new());
    durable::write_file(&password, b"short", &FileAttrs::mode(0o600)).unwrap();
    let why = machine.layout(machine.all(false)).check().unwrap_err().to_string();
    assert!(why.contains("[[output]] keys.p12") && why.contains("at least 6"), "{why}");
    durable::remove_file(&password).unwrap();
    let why = Disk::open_as(machine.layout(machine.all(false)), None, None)
        .unwrap_err()
        .to_string();
    assert!(why.contains("there is no password at"), "{why}");
}

#[test]
fn the_places_that_are_remembered_are_not_passed_over_when_they_can_not_be_read() {
    let machine = Machine::new();
    put_whole(&machine.open(machine.all(true)), &alternating(1));
    durable::write_file(&machine.agent.join("written.json"), b"{", &FileAttrs::mode(0o600)).unwrap();
    let why = Disk::open_as(machine.layout(Vec::new()), None, None).unwrap_err().to_string();
    assert!(
        why.contains("written.json is damaged") && why.contains("look for those yourself"),
        "{why}"
    );
}

#[test]
fn views_can_be_on_a_tmpfs_and_come_back_from_the_sealed_cache() {
    let machine = Machine::new();
    let layout = || Layout {
        view_dir: machine.places.join("run"),
        ..machine.layout(machine.all(true))
    };
    let sent = alternating(1);
    let open = || Disk::open_as(layout(), None, None).unwrap();
    let disk = open();
    disk.write_cache(&sent, None, &view_now(&sent).held).unwrap();
    put_whole(&disk, &sent);
    assert!(machine.places.join("run/live/keys.p12").exists());
    assert_eq!(
        names(&machine.agent),
        ["cache.key", "cache.sealed", "written.json"],
        "nothing of a view"
    );
    // A reboot empties it.
    durable::remove_folder_all(&machine.places.join("run")).unwrap();
    let disk = open();
    let found = disk.load().unwrap();
    assert!(found.installed.is_none() && found.problem.is_none());
    let cached = found.cached.unwrap();
    assert_eq!(put_whole(&disk, &cached).signing, kids(&[1]));
}

#[test]
fn a_folder_of_views_that_is_left_keeps_no_private_half() {
    let machine = Machine::new();
    let elsewhere = machine.places.join("run");
    let at = |view_dir: &Path| {
        let layout = Layout {
            view_dir: view_dir.to_owned(),
            ..machine.layout(machine.all(false))
        };
        Disk::open_as(layout, None, None).unwrap()
    };
    put_whole(&at(&machine.agent), &alternating(1));
    assert!(at(&elsewhere).load().unwrap().installed.is_none());
    assert!(
        machine.live("private.json").exists(),
        "it stays until the next view is in place"
    );
    assert_eq!(put_whole(&at(&elsewhere), &alternating(2)).held, kids(&[0]));
    assert_eq!(names(&machine.agent), ["cache.key", "written.json"]);
    assert_eq!(put_whole(&at(&machine.agent), &alternating(3)).held, kids(&[1]));
    assert_eq!(names(&elsewhere), Vec::<String>::new());
}

#[test]
fn a_folder_of_views_that_others_can_write_to_is_refused() {
    let machine = Machine::new();
    let open = machine.places.join("open");
    durable::create_folder(&open, 0o777).unwrap();
    for view_dir in [open.clone(), open.join("inner")] {
        let layout = Layout {
            view_dir,
            ..machine.layout(Vec::new())
        };
        let why = Disk::open_as(layout, None, None).unwrap_err().to_string();
        assert!(why.starts_with("view_dir: ") && why.contains("can write to"), "{why}");
    }
}

#[test]
fn on_a_full_disk_the_old_copy_stays_whole() {
    on_small_disk(
        "agent::disk::tests::outputs::on_a_full_disk_the_old_copy_stays_whole",
        |small| {
            let machine = Machine::new();
            let place = small.join("keys.p12");
            let outputs = || {
                let mut outputs = vec![machine.output(machine.pkcs12(), "keys.p12", true)];
                outputs[0].copy_to = Some(place.clone());
                outputs
            };
            let disk = machine.open(outputs());
            put_whole(&disk, &alternating(1));
            let before = fs::read(&place).unwrap();
            let filler = small.join("filler");
            let mut file = fs::File::create(&filler).unwrap();
            while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
            let (installed, why) = put_uncopied(&disk, &alternating(2));
            assert!(why.contains("free some space"), "{why}");
            assert_eq!((installed.signing, installed.held), (kids(&[0]), kids(&[0, 1])));
            assert_eq!(
                (fs::read(&place).unwrap(), names(small)),
                (before, vec!["filler".to_owned(), "keys.p12".to_owned()])
            );
            drop(file);
            fs::remove_file(filler).unwrap();
            assert!(matches!(disk.work(DiskWork::Copy), DiskResult::Installed(_)));
        },
    );
}
