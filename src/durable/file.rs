//! Whole files: replaced in one step, or removed.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;

use super::error::{DurableError, Step, failed};
use super::folder::Place;
use super::new_file::{NewFile, Over};

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAttrs {
    /// The permission bits, whatever the umask.
    pub mode: u32,
    /// The owner's user id; `None`: whoever runs jkeys.
    pub owner: Option<u32>,
    /// The group id; `None`: the group of whoever runs jkeys.
    pub group: Option<u32>,
}

impl FileAttrs {
    /// These permission bits, for the account that runs jkeys.
    #[must_use]
    pub const fn mode(mode: u32) -> Self {
        Self {
            mode,
            owner: None,
            group: None,
        }
    }
}

/// Makes `path` a file that holds `bytes`, in one step: after a crash it is the old file or the new one, and once this has returned
/// it is the new one. A symbolic link at `path` is replaced, not followed.
pub fn write_file(path: &Path, bytes: &[u8], attrs: &FileAttrs) -> Result<(), DurableError> {
    write(path, bytes, attrs, Over::Anything)
}

/// Like [`write_file`], but only where nothing stands at `path`, a dangling link included: of two writers one wins, and the other's
/// error has the step [`Step::Create`] and the kind [`AlreadyExists`](std::io::ErrorKind::AlreadyExists).
pub fn create_file(path: &Path, bytes: &[u8], attrs: &FileAttrs) -> Result<(), DurableError> {
    write(path, bytes, attrs, Over::Nothing)
}

fn write(path: &Path, bytes: &[u8], attrs: &FileAttrs, over: Over) -> Result<(), DurableError> {
    let mut file = NewFile::begin(path, attrs)?;
    file.append(bytes)?;
    file.put(over)
}

/// The mode comes after the group, which must be the right one before it may read; and before the owner, while the file is still ours:
/// to change it later would take one more capability (`CAP_FOWNER`).
pub(super) fn own(file: &OwnedFd, attrs: &FileAttrs) -> Result<(), Errno> {
    if let Some(group) = attrs.group {
        rustix::fs::fchown(file, None, Some(Gid::from_raw(group)))?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(attrs.mode))?;
    match attrs.owner {
        Some(owner) => rustix::fs::fchown(file, Some(Uid::from_raw(owner)), None),
        None => Ok(()),
    }
}

/// Removes the file or symbolic link at `path`. One that is not there is as good as removed.
pub fn remove_file(path: &Path) -> Result<(), DurableError> {
    let place = match Place::of(path) {
        Err(error) if error.cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        place => place?,
    };
    remove_at(&place)
}

pub(super) fn remove_at(place: &Place<'_>) -> Result<(), DurableError> {
    match rustix::fs::unlinkat(&place.folder, place.name, AtFlags::empty()) {
        Ok(()) => place.sync(),
        Err(Errno::NOENT) => Ok(()),
        Err(cause) => Err(failed(Step::Remove, place.path)(cause)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::super::small_disk::on_small_disk;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_the_mode_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (bytes, mode) in [(&b"one"[..], 0o666), (b"two", 0o640)] {
            write_file(&path, bytes, &FileAttrs::mode(mode)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        }
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_file_gets_the_group_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let own_group = fs::metadata(folder.path()).unwrap().gid();
        // Root may give any group; everybody else only one of their own.
        let group = if rustix::process::geteuid().is_root() {
            12_345
        } else {
            own_group
        };
        let path = folder.path().join("a");
        let attrs = FileAttrs {
            group: Some(group),
            ..FileAttrs::mode(0o640)
        };
        write_file(&path, b"x", &attrs).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().gid(), group);
    }

    #[test]
    fn a_planted_link_is_replaced_and_its_target_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("target"), folder.path().join("link"));
        fs::File::create(&target).unwrap();
        symlink(&target, &path).unwrap();
        write_file(&path, b"secret", &FileAttrs::mode(0o600)).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_new_file_is_never_put_over_anything() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        symlink("nowhere", &link).unwrap();
        create_file(&path, b"first", &FileAttrs::mode(0o600)).unwrap();
        for taken in [&path, &link] {
            let error = create_file(taken, b"second", &FileAttrs::mode(0o600)).unwrap_err();
            assert_eq!(
                (error.step, error.cause.kind()),
                (Step::Create, std::io::ErrorKind::AlreadyExists)
            );
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a", "link"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_the_way_are_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no").join("a");
        let error = write_file(&missing, b"x", &FileAttrs::mode(0o600)).unwrap_err();
        assert_eq!(error.step, Step::Open);
        assert!(error.to_string().contains("create the folder"), "{error}");
        fs::create_dir(folder.path().join("dir")).unwrap();
        let error = write_file(&folder.path().join("dir"), b"x", &FileAttrs::mode(0o600)).unwrap_err();
        assert_eq!(error.step, Step::Rename);
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(names(folder.path()), ["dir"], "the temporary file is gone");
    }

    #[test]
    fn on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind() {
        on_small_disk(
            "durable::file::tests::on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind",
            |disk| {
                let path = disk.join("a");
                write_file(&path, b"old", &FileAttrs::mode(0o600)).unwrap();
                let error = write_file(&path, &vec![0; 1 << 20], &FileAttrs::mode(0o600)).unwrap_err();
                assert_eq!(error.step, Step::Write);
                assert!(error.to_string().contains("free some space"), "{error}");
                assert_eq!(fs::read(&path).unwrap(), b"old");
                assert_eq!(names(disk), ["a"]);
            },
        );
    }

    #[test]
    fn removing_is_done_once_and_is_content_with_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_file(&path, b"x", &FileAttrs::mode(0o600)).unwrap();
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        remove_file(&folder.path().join("no").join("a")).unwrap();
        assert!(names(folder.path()).is_empty());
    }
}
