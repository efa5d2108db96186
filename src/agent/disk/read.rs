//! Reading back what is on the disk.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use super::install::{PRIVATE, PUBLIC, VIEW};
use super::{Disk, DiskError};
use crate::agent::core::ViewId;
use crate::durable::FileAttrs;
use crate::lifecycle::Installed;
use crate::outputs::{self, PrivateKids};
use crate::types::{Kid, Secret};

/// The largest file that is read, in bytes: well above what a generation may have.
const FILE_BYTES: u64 = 16 << 20;

/// The content of the file at `path`; none if it is not there. A symbolic link at the end of the path is not followed.
pub(super) fn file(path: &Path) -> Result<Option<Secret>, DiskError> {
    read_at(CWD, path).map_err(|cause| DiskError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// The same, if it also has that mode, owner and group.
pub(super) fn file_of(path: &Path, attrs: &FileAttrs) -> Result<Option<Secret>, DiskError> {
    let failed = |cause| DiskError::Read {
        path: path.to_owned(),
        cause,
    };
    let Some((bytes, there)) = open_at(CWD, path).and_then(read_opened).map_err(failed)? else {
        return Ok(None);
    };
    let is_so = there.mode() & 0o7777 == attrs.mode
        && attrs.owner.is_none_or(|owner| owner == there.uid())
        && attrs.group.is_none_or(|group| group == there.gid());
    Ok(is_so.then_some(bytes))
}

fn read_at(folder: impl AsFd, path: &Path) -> io::Result<Option<Secret>> {
    Ok(open_at(folder, path).and_then(read_opened)?.map(|(bytes, _)| bytes))
}

fn open_at(folder: impl AsFd, path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        opened => Ok(Some(File::from(opened?))),
    }
}

fn read_opened(file: Option<File>) -> io::Result<Option<(Secret, Metadata)>> {
    let Some(mut file) = file else { return Ok(None) };
    let there = file.metadata()?;
    let len = there.len();
    if len > FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has {len} bytes, but at most {FILE_BYTES} are expected"),
        ));
    }
    // Room for all of it and one byte more: a buffer that grew would leave a copy behind.
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(usize::MAX).saturating_add(1));
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(Some((Secret::new(bytes), there)))
}

/// The kids in a private file; none in one that is not there.
fn private_kids(folder: impl AsFd, path: &Path) -> Result<PrivateKids, DiskError> {
    let read = read_at(folder, Path::new(PRIVATE)).map_err(|cause| DiskError::Read {
        path: path.join(PRIVATE),
        cause,
    })?;
    match read {
        None => Ok(PrivateKids::default()),
        Some(bytes) => outputs::kids_of_private(bytes.expose()).map_err(|why| damaged(&path.join(PRIVATE), &why)),
    }
}

fn damaged(path: &Path, why: &impl ToString) -> DiskError {
    DiskError::Damaged {
        path: path.to_owned(),
        why: format!("{}; the agent makes it anew", why.to_string()),
    }
}

fn open_folder(path: &Path) -> Result<Option<OwnedFd>, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        opened => opened.map(Some).map_err(|cause| DiskError::Read {
            path: path.to_owned(),
            cause: cause.into(),
        }),
    }
}

/// The public JWKS of the view that the link `live` points to, as it is on the disk; none where there is no view.
///
/// # Errors
/// It can't be read.
pub fn live_public_jwks(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    loop {
        let link = std::fs::read_link(path).ok();
        let read = match open_folder(path)? {
            Some(folder) => read_at(&folder, Path::new(PUBLIC)).map_err(|cause| DiskError::Read {
                path: path.join(PUBLIC),
                cause,
            })?,
            None => None,
        };
        match read {
            Some(bytes) => return Ok(Some(bytes.expose().to_vec())),
            // The view went while it was looked at, if there is another one now.
            None if std::fs::read_link(path).ok() != link => {}
            None => return Ok(None),
        }
    }
}

impl Disk {
    /// What is on the disk, through the `live` link, as one view: the folder is opened once. The hooks' result is not on the disk.
    pub fn read_back(&self) -> Result<Option<Installed>, DiskError> {
        let path = self.live();
        let Some(folder) = open_folder(&path)? else { return Ok(None) };
        let need = |name: &str| {
            let read = read_at(&folder, Path::new(name)).and_then(|read| read.ok_or_else(|| io::ErrorKind::NotFound.into()));
            read.map_err(|cause| DiskError::Read {
                path: path.join(name),
                cause,
            })
        };
        let id: ViewId = serde_json::from_slice(need(VIEW)?.expose()).map_err(|why| damaged(&path.join(VIEW), &why))?;
        let published = outputs::kids_of_public(need(PUBLIC)?.expose()).map_err(|why| damaged(&path.join(PUBLIC), &why))?;
        let private = private_kids(&folder, &path)?;
        Ok(Some(Installed {
            generation: id.generation,
            switches: id.switches,
            published,
            held: self.held_anywhere(&private)?,
            signing: private.signing,
            decrypting: private.decrypting,
            hooks_succeeded: false,
        }))
    }

    /// What is on the disk, where a view has just been put in place.
    pub(super) fn read_live(&self) -> Result<Installed, DiskError> {
        self.read_back()?.ok_or_else(|| DiskError::Read {
            path: self.live(),
            cause: io::ErrorKind::NotFound.into(),
        })
    }

    /// The kids whose private half is anywhere on the node: in the private file of any view, live or not, in a copy, or in the cache. A cache
    /// that does not open holds nothing that anybody could use. Of all private files of a view the private JWKS is the first to come
    /// and the last to go.
    fn held_anywhere(&self, live: &PrivateKids) -> Result<BTreeSet<Kid>, DiskError> {
        let mut held: BTreeSet<Kid> = live.all().cloned().collect();
        for path in self.view_folders()? {
            if let Some(folder) = open_folder(&path)? {
                held.extend(private_kids(&folder, &path)?.all().cloned());
            }
        }
        held.extend(self.held_in_copies()?);
        match self.read_cache() {
            Ok(Some((cached, _))) => held.extend(cached.privates.into_keys()),
            Ok(None) | Err(DiskError::Cache(_)) => {}
            Err(why) => return Err(why),
        }
        Ok(held)
    }
}
