//! Folders, and the place of a name in its folder.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};

use super::TEMPORARY_PREFIX;
use super::error::{DurableError, Step, failed};
use super::file::{FileAttrs, own};

/// A name in an opened folder. The handle keeps every step in that one folder, whatever happens to the path meanwhile.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub folder: OwnedFd,
    pub name: &'a OsStr,
    pub path: &'a Path,
}

impl<'a> Place<'a> {
    pub fn of(path: &'a Path) -> Result<Self, DurableError> {
        Self::in_folder(path, open_folder)
    }

    /// The same in a folder that is opened in this way.
    pub fn in_folder(path: &'a Path, open: impl FnOnce(&Path) -> Result<OwnedFd, DurableError>) -> Result<Self, DurableError> {
        let Some(name) = path.file_name() else {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a name");
            return Err(failed(Step::Open, path)(cause));
        };
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(Self {
            folder: open(folder)?,
            name,
            path,
        })
    }

    /// A new name for a temporary.
    pub fn temporary() -> String {
        let mut random = [0; 8];
        // Even a name that is taken is harmless: it is only ever opened with O_EXCL.
        let _ = SystemRandom::new().fill(&mut random);
        format!("{TEMPORARY_PREFIX}{:016x}", u64::from_ne_bytes(random))
    }

    /// Puts a finished temporary in the name's place, durably.
    pub fn put(&self, temporary: &str) -> Result<(), DurableError> {
        rustix::fs::renameat(&self.folder, temporary, &self.folder, self.name).map_err(failed(Step::Rename, self.path))?;
        self.sync()
    }

    /// Puts a finished temporary at the name, durably, unless something stands there.
    pub fn put_new(&self, temporary: &str) -> Result<(), DurableError> {
        rustix::fs::renameat_with(&self.folder, temporary, &self.folder, self.name, RenameFlags::NOREPLACE)
            .map_err(failed(Step::Create, self.path))?;
        self.sync()
    }

    pub fn sync(&self) -> Result<(), DurableError> {
        rustix::fs::fsync(&self.folder).map_err(failed(Step::Sync, self.path))
    }
}

fn open_folder(path: &Path) -> Result<OwnedFd, DurableError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(failed(Step::Open, path))
}

/// Forces the names in the folder at `path` to the disk.
pub fn sync_folder(path: &Path) -> Result<(), DurableError> {
    let folder = open_folder(path)?;
    rustix::fs::fsync(&folder).map_err(failed(Step::Sync, path))
}

/// Makes sure that a folder stands at `path`, durably. A new one gets `mode`, whatever the umask; one that is there keeps its own.
/// The folder above must be there; a symbolic link is refused.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), DurableError> {
    create_at(&Place::of(path)?, &FileAttrs::mode(mode))
}

pub(super) fn create_at(place: &Place<'_>, attrs: &FileAttrs) -> Result<(), DurableError> {
    match make(place, attrs) {
        Err(error) if error.step == Step::Create && error.cause.kind() == io::ErrorKind::AlreadyExists => {
            let there = rustix::fs::statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed(Step::Open, place.path))?;
            if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
                place.sync()
            } else {
                Err(error)
            }
        }
        made => made,
    }
}

/// Like [`create_folder`], but only where nothing stands at `path`: else the error has the step [`Step::Create`] and the kind
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists).
pub fn create_new_folder(path: &Path, mode: u32) -> Result<(), DurableError> {
    make(&Place::of(path)?, &FileAttrs::mode(mode))
}

fn make(place: &Place<'_>, attrs: &FileAttrs) -> Result<(), DurableError> {
    let path = place.path;
    rustix::fs::mkdirat(&place.folder, place.name, Mode::from_raw_mode(0o700)).map_err(failed(Step::Create, path))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let new = rustix::fs::openat(&place.folder, place.name, flags, Mode::empty()).map_err(failed(Step::Open, path))?;
    own(&new, attrs).map_err(failed(Step::Own, path))?;
    rustix::fs::fsync(&new).map_err(failed(Step::Sync, path))?;
    place.sync()
}

/// Removes the folder at `path` and all that is in it, durably. One that is not there is as good as removed.
pub fn remove_folder_all(path: &Path) -> Result<(), DurableError> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Place::of(path)?.sync(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(failed(Step::Remove, path)(cause)),
    }
}

/// Removes the temporaries that a crash left in the folder at `path`, and says how many. Call it before anything else writes there.
pub fn remove_leftovers(path: &Path) -> Result<usize, DurableError> {
    let mut removed = 0;
    for entry in std::fs::read_dir(path).map_err(failed(Step::Open, path))? {
        let entry = entry.map_err(failed(Step::Open, path))?;
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            std::fs::remove_file(entry.path()).map_err(failed(Step::Remove, &entry.path()))?;
            removed += 1;
        }
    }
    if removed > 0 {
        sync_folder(path)?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_is_made_once_with_its_mode() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        create_folder(&path, 0o711).unwrap();
        create_folder(&path, 0o700).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o711);
        sync_folder(&path).unwrap();
    }

    #[test]
    fn a_new_folder_is_made_only_where_nothing_stands() {
        let root = tempfile::tempdir().unwrap();
        let (path, link) = (root.path().join("a"), root.path().join("link"));
        create_new_folder(&path, 0o700).unwrap();
        symlink("nowhere", &link).unwrap();
        for taken in [path, link] {
            let error = create_new_folder(&taken, 0o700).unwrap_err();
            assert_eq!((error.step, error.cause.kind()), (Step::Create, io::ErrorKind::AlreadyExists));
        }
    }

    #[test]
    fn a_link_where_a_folder_should_be_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        symlink(root.path(), &path).unwrap();
        let error = create_folder(&path, 0o700).unwrap_err();
        assert!(error.to_string().contains("move it away"), "{error}");
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (kept, path) = (root.path().join("kept"), root.path().join("a"));
        fs::create_dir_all(path.join("b")).unwrap();
        fs::File::create(&kept).unwrap();
        symlink(&kept, path.join("b").join("link")).unwrap();
        remove_folder_all(&path).unwrap();
        remove_folder_all(&path).unwrap();
        assert!(kept.exists() && !path.exists());
    }

    #[test]
    fn only_leftovers_are_removed() {
        let root = tempfile::tempdir().unwrap();
        for name in [".jkeys-tmp-0011", "jwks.json"] {
            fs::File::create(root.path().join(name)).unwrap();
        }
        symlink("nowhere", root.path().join(".jkeys-tmp-link")).unwrap();
        assert_eq!(remove_leftovers(root.path()).unwrap(), 2);
        assert_eq!(remove_leftovers(root.path()).unwrap(), 0);
        assert!(root.path().join("jwks.json").exists());
    }
}
