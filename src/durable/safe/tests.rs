//! Named by what another user could do.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;

use super::*;

const ATTRS: FileAttrs = FileAttrs::mode(0o640);

fn folder(path: &Path, mode: u32) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_owned()
}

/// What a write to `name` in this folder is refused with; nothing was written.
fn refused(folder: &Path) -> String {
    let path = folder.join("a");
    let error = write_file_safely(&path, b"secret", &ATTRS).unwrap_err();
    assert!(!path.exists(), "{error}");
    error.to_string()
}

#[test]
fn a_file_is_written_and_removed_in_a_folder_of_ones_own() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    write_file_safely(&path, b"one", &ATTRS).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    remove_file_safely(&path).unwrap();
    remove_file_safely(&path).unwrap();
    remove_file_safely(&root.path().join("no/a")).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_new_folder_gets_the_owner_that_was_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let own = fs::metadata(root.path()).unwrap();
    // Root may give any; everybody else only what they are.
    let root_may = rustix::process::geteuid().is_root();
    let (owner, group) = if root_may { (12_345, 12_346) } else { (own.uid(), own.gid()) };
    let attrs = FileAttrs {
        owner: Some(owner),
        group: Some(group),
        ..FileAttrs::mode(0o711)
    };
    let path = root.path().join("a");
    create_folder_safely(&path, &attrs).unwrap();
    let made = fs::metadata(&path).unwrap();
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (owner, group, 0o711));
}

#[test]
fn a_folder_that_others_can_write_is_refused_also_where_it_is_sticky() {
    let root = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o757, 0o1777] {
        let said = refused(&folder(&root.path().join("open"), mode));
        assert!(said.contains("can write to") && said.contains("belong to root"), "{said}");
    }
    let below = folder(&root.path().join("above/below"), 0o755);
    folder(&root.path().join("above"), 0o777);
    let said = refused(&below);
    assert!(
        said.contains("above;") || said.contains("/above:") || said.contains("write to"),
        "{said}"
    );
    folder(&root.path().join("above"), 0o1777);
    write_file_safely(&below.join("a"), b"x", &ATTRS).unwrap();
}

#[test]
fn a_link_on_the_way_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let real = folder(&root.path().join("real/inner"), 0o755);
    symlink(root.path().join("real"), root.path().join("link")).unwrap();
    symlink(&real, root.path().join("last")).unwrap();
    for through in ["link/inner", "last"] {
        let said = refused(&root.path().join(through));
        assert!(
            said.contains("is a symbolic link: name the folder that it leads to"),
            "{said}"
        );
    }
    let dots = refused(&root.path().join("real/../real/inner"));
    assert!(dots.contains("no . or .. in it"), "{dots}");
    assert!(open_safe_folder(Path::new("relative")).is_err());
}

#[test]
fn a_link_that_was_planted_at_the_name_is_replaced_and_its_target_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (target, path) = (root.path().join("target"), root.path().join("a"));
    fs::File::create(&target).unwrap();
    symlink(&target, &path).unwrap();
    write_file_safely(&path, b"secret", &ATTRS).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

/// Set in the process that is another user.
const AS_ANOTHER: &str = "JKEYS_TEST_SAFE_FOLDER";
const NOBODY: u32 = 65_534;

/// Root may write everywhere, so this runs again as somebody else, with folders that this one has prepared.
#[test]
fn a_folder_of_another_user_or_below_one_is_refused() {
    if let Some(root) = env::var_os(AS_ANOTHER) {
        let root = Path::new(&root);
        for name in ["theirs", "theirs/below"] {
            let said = refused(&root.join(name));
            assert!(said.contains("belongs to user 12345"), "{said}");
        }
        // One of a group that is not root's is open to its members, whoever they are.
        let said = refused(&root.join("of-a-group"));
        assert!(said.contains("can write to"), "{said}");
        return write_file_safely(&root.join("mine/a"), b"x", &ATTRS).unwrap();
    }
    if !rustix::process::geteuid().is_root() {
        return crate::durable::small_disk::skipped(
            "a_folder_of_another_user_or_below_one_is_refused: only root can make folders of others",
        );
    }
    let root = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    for (name, owner, mode) in [
        ("theirs", 12_345, 0o777),
        ("theirs/below", NOBODY, 0o755),
        ("mine", NOBODY, 0o755),
        ("of-a-group", NOBODY, 0o775),
    ] {
        let path = folder(&root.path().join(name), mode);
        chown(&path, Some(owner), Some(NOBODY)).unwrap();
    }
    folder(&root.path().join("theirs"), 0o755);
    let copy = root.path().join("test");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    let ran = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args([
            "--exact",
            "durable::safe::tests::a_folder_of_another_user_or_below_one_is_refused",
        ])
        .env(AS_ANOTHER, root.path())
        .current_dir(root.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(root.path().join("mine/a").exists());
}
