//! A file that is written part by part, and put in its place when it is whole.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::error::{DurableError, Step, failed};
use super::file::{FileAttrs, own};
use super::folder::Place;

/// A temporary beside the path that it is for. Dropped before it is put there, it is removed.
#[derive(Debug)]
pub struct NewFile<'a> {
    place: Place<'a>,
    temporary: String,
    file: File,
    is_put: bool,
}

/// What a new file may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Whatever stands there; a symbolic link is replaced, not followed.
    Anything,
    /// Nothing, not even a dangling link: else the error has the step [`Step::Create`] and the kind
    /// [`AlreadyExists`](std::io::ErrorKind::AlreadyExists).
    Nothing,
}

impl<'a> NewFile<'a> {
    /// Begins a file that is to stand at `path`.
    pub fn begin(path: &'a Path, attrs: &FileAttrs) -> Result<Self, DurableError> {
        Self::begin_in(Place::of(path)?, attrs)
    }

    /// Begins a file that is to stand in that place.
    pub(super) fn begin_in(place: Place<'a>, attrs: &FileAttrs) -> Result<Self, DurableError> {
        let path = place.path;
        let temporary = Place::temporary();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&place.folder, &temporary, flags, Mode::from_raw_mode(0o600))
            .map_err(failed(Step::Create, path))?;
        let owned = own(&file, attrs).map_err(failed(Step::Own, path));
        let new = Self {
            place,
            temporary,
            file: File::from(file),
            is_put: false,
        };
        owned.map(|()| new)
    }

    /// Writes `bytes` behind what is there.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.file.write_all(bytes).map_err(failed(Step::Write, self.place.path))
    }

    /// Forces what was written to the disk, and says where it can be read until it is put in its place.
    pub fn sync(&mut self) -> Result<PathBuf, DurableError> {
        self.file.sync_all().map_err(failed(Step::Sync, self.place.path))?;
        Ok(self.place.path.with_file_name(&self.temporary))
    }

    /// Puts it in its place, in one step, durably.
    pub fn put(mut self, over: Over) -> Result<(), DurableError> {
        self.sync()?;
        match over {
            Over::Anything => self.place.put(&self.temporary)?,
            Over::Nothing => self.place.put_new(&self.temporary)?,
        }
        self.is_put = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_put {
            // What stays behind has a name that marks it as left over.
            let _ = rustix::fs::unlinkat(&self.place.folder, &self.temporary, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_in_parts_stands_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let begin = |text: &[u8]| {
            let mut file = NewFile::begin(&path, &FileAttrs::mode(0o600)).unwrap();
            file.append(text).unwrap();
            file.append(b"!").unwrap();
            file
        };
        drop(begin(b"given up"));
        assert_eq!(names(), 0);
        let mut file = begin(b"one");
        assert_eq!(fs::read(file.sync().unwrap()).unwrap(), b"one!");
        assert!(!path.exists());
        file.put(Over::Nothing).unwrap();
        let refused = begin(b"two").put(Over::Nothing).unwrap_err();
        assert_eq!(
            (refused.step, refused.cause.kind()),
            (Step::Create, std::io::ErrorKind::AlreadyExists)
        );
        assert_eq!((fs::read(&path).unwrap(), names()), (b"one!".to_vec(), 1));
        begin(b"two").put(Over::Anything).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"two!".to_vec(), 1));
    }
}
