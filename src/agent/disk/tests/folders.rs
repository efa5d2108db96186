//! Who could change what is in a node's own folder.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use super::*;

/// What a node says that is to have its files there, at its start and at a reload; nothing was written.
fn refused(root: &Path) -> String {
    let layout = || Layout {
        root: root.to_owned(),
        view_dir: root.to_owned(),
        private_group: None,
        outputs: Vec::new(),
    };
    let before = names(root);
    let why = Disk::open_as(layout(), None, None).unwrap_err().to_string();
    assert_eq!(layout().check().unwrap_err().to_string(), why);
    assert_eq!(names(root), before);
    why
}

/// In `/srv/op` with mode 0775 a member of its group could exchange `views` for a link of his, and `live` too.
#[test]
fn a_state_dir_in_which_others_could_exchange_the_views_for_a_link_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("agent");
    install(&open(&root), &alternating(1));
    for mode in [0o777, 0o757, 0o1777] {
        fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        let why = refused(&root);
        assert!(
            why.starts_with("state_dir: ") && why.contains("can write to") && why.contains("chmod g-w,o-w"),
            "{why}"
        );
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o711)).unwrap();
    install(&open(&root), &alternating(2));
}

#[test]
fn a_state_dir_below_a_folder_that_others_can_write_to_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("agent");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused(&root).contains("can write to"));
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    open(&root);
}

#[test]
fn a_link_in_the_place_of_the_state_dir_is_not_followed() {
    let above = tempfile::tempdir().unwrap();
    let (real, root) = (above.path().join("real"), above.path().join("agent"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &root).unwrap();
    let why = refused(&root);
    assert!(why.contains("symbolic link"), "{why}");
    assert_eq!(names(&real), Vec::<String>::new(), "nothing went through the link");
}

#[test]
fn a_state_dir_of_another_user_or_of_a_group_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return crate::durable::small_disk::skipped(
            "a_state_dir_of_another_user_or_of_a_group_is_refused: only root can make folders of others",
        );
    }
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("agent");
    fs::create_dir(&root).unwrap();
    chown(&root, Some(12_345), None).unwrap();
    let why = refused(&root);
    assert!(
        why.contains("belongs to user 12345") && why.contains("run jkeys as that user"),
        "{why}"
    );
    chown(&root, Some(0), Some(12_345)).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o775)).unwrap();
    let why = refused(&root);
    assert!(why.contains("can write to"), "{why}");
}
