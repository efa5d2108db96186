//! Folders in which nobody else can have put anything: for files that go to places of other programs.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};

use super::error::{DurableError, Step, failed};
use super::file::{FileAttrs, remove_at};
use super::folder::{Place, create_at};
use super::new_file::{NewFile, Over};

/// Why a folder is not safe to write to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// Others may change what is in it.
    #[error("others than its owner can write to {}", .0.display())]
    Writable(PathBuf),
    /// It belongs to somebody who may change it at any time.
    #[error("{} belongs to user {owner}, who is neither root nor the account that runs jkeys", path.display())]
    Foreign {
        /// Which folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// A link, which may lead elsewhere tomorrow.
    #[error("{} is a symbolic link: name the folder that it leads to", .0.display())]
    Link(PathBuf),
    /// It is not written from the root, name by name.
    #[error("{} must begin with / and have no . or .. in it", .0.display())]
    Form(PathBuf),
}

impl Unsafe {
    /// What to do about it.
    pub(super) const fn advice(&self) -> &'static str {
        match self {
            Self::Writable(_) => {
                "take that from them (chmod g-w,o-w): files with keys go only where this folder and all above it belong to root or to the \
                 account that runs jkeys, and nobody else can write to them"
            }
            Self::Foreign { .. } => {
                "give it to one of them (chown), or run jkeys as that user: files with keys go only where this folder and all above it belong \
                 to root or to the account that runs jkeys, and nobody else can write to them"
            }
            Self::Link(_) | Self::Form(_) => "whoever can move a link on the way to files with keys decides where they go",
        }
    }
}

/// Opens the folder at `path` one name after the other, without following a link.
///
/// # Errors
/// A folder on the way is missing, is a link, belongs to somebody else than root and the account that runs jkeys, or can be written to
/// by others. Above the last one a sticky bit is enough (`/tmp`): nobody else can take away there what is ours.
pub fn open_safe_folder(path: &Path) -> Result<OwnedFd, DurableError> {
    open_to(path, End::Written)
}

/// What the last folder of a path is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Files are written there, over what others may have put.
    Written,
    /// The way goes on from there.
    Passed,
}

fn open_to(path: &Path, end: End) -> Result<OwnedFd, DurableError> {
    let refused = |why: Unsafe| failed(Step::Open, path)(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let open = |folder: &OwnedFd, name: &OsStr, flags| rustix::fs::openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty());
    let mut folder =
        rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed(Step::Open, path))?;
    let mut so_far = PathBuf::from("/");
    let mut names = path.components().peekable();
    if names.next() != Some(Component::RootDir) {
        return Err(refused(Unsafe::Form(path.to_owned())));
    }
    loop {
        let stat = rustix::fs::fstat(&folder).map_err(failed(Step::Open, path))?;
        let is_written = end == End::Written && names.peek().is_none();
        check(&stat, &so_far, is_written).map_err(refused)?;
        let name = match names.next() {
            None => break,
            Some(Component::Normal(name)) => name,
            Some(_) => return Err(refused(Unsafe::Form(path.to_owned()))),
        };
        folder = open(&folder, name, OFlags::PATH | OFlags::NOFOLLOW).map_err(failed(Step::Open, path))?;
        so_far.push(name);
    }
    open(&folder, OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed(Step::Open, path))
}

fn check(stat: &Stat, path: &Path, is_written: bool) -> Result<(), Unsafe> {
    const STICKY: u32 = 0o1000;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(Unsafe::Link(path.to_owned()));
    }
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Unsafe::Foreign {
            path: path.to_owned(),
            owner: stat.st_uid,
        });
    }
    // Root's own group is root. Any other has members that read the files, the agent's own too.
    let by_others = if stat.st_gid == 0 { 0o002 } else { 0o022 };
    let kept_apart = !is_written && stat.st_mode & STICKY != 0;
    if stat.st_mode & by_others != 0 && !kept_apart {
        return Err(Unsafe::Writable(path.to_owned()));
    }
    Ok(())
}

/// Like [`create_folder`](super::create_folder), but only where nobody else decides what stands at `path`, and a new one gets an owner and a
/// group too.
///
/// # Errors
/// Those of [`open_safe_folder`] for the folders above, of which the last may have a sticky bit too; and of creating.
pub fn create_folder_safely(path: &Path, attrs: &FileAttrs) -> Result<(), DurableError> {
    create_at(&Place::in_folder(path, |above| open_to(above, End::Passed))?, attrs)
}

/// Like [`create_folder`](super::create_folder), and what stands at `path` is a safe folder once this has returned, whoever made it.
///
/// # Errors
/// Those of [`open_safe_folder`], and of creating.
pub fn create_safe_folder(path: &Path, mode: u32) -> Result<(), DurableError> {
    create_folder_safely(path, &FileAttrs::mode(mode))?;
    open_safe_folder(path).map(drop)
}

/// Like [`write_file`](super::write_file), but only in a safe folder.
///
/// # Errors
/// Those of [`open_safe_folder`] for the folder of `path`, and of writing.
pub fn write_file_safely(path: &Path, bytes: &[u8], attrs: &FileAttrs) -> Result<(), DurableError> {
    let mut file = NewFile::begin_in(safe_place(path)?, attrs)?;
    file.append(bytes)?;
    file.put(Over::Anything)
}

/// Like [`remove_file`](super::remove_file), but only in a safe folder.
///
/// # Errors
/// Those of [`open_safe_folder`] for the folder of `path`, unless that is gone, and of removing.
pub fn remove_file_safely(path: &Path) -> Result<(), DurableError> {
    match safe_place(path) {
        Err(error) if error.cause.kind() == io::ErrorKind::NotFound => Ok(()),
        place => remove_at(&place?),
    }
}

fn safe_place(path: &Path) -> Result<Place<'_>, DurableError> {
    Place::in_folder(path, open_safe_folder)
}

#[cfg(test)]
mod tests;
