//! What programs on a node see: its two files, through the `live` link.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::types::Secret;

/// How often a view that goes away under the reader is opened again.
const TRIES: usize = 100;

/// The files of one view of a node.
#[derive(Debug)]
pub struct NodeFiles {
    /// The bytes of `jwks.json`.
    pub public: Vec<u8>,
    /// The bytes of `private.jwks.json`; none in a view that has no such file.
    pub private: Option<Secret>,
}

/// The files of the node under `folder`, both of one view (rule R6); none while no view is in place.
///
/// The view's folder is opened once. A file that is gone means that the view is an old one: `live` is opened again.
///
/// # Errors
/// What the system said.
pub fn read_node(folder: &Path) -> io::Result<Option<NodeFiles>> {
    let live = folder.join("live");
    let Some(mut view) = open_view(&live)? else { return Ok(None) };
    for _ in 0..TRIES {
        let (public, private) = (read(&view, "jwks.json")?, read(&view, "private.jwks.json")?);
        let Some(again) = open_view(&live)? else { return Ok(None) };
        match (public, private) {
            (Some(public), Some(private)) => return Ok(Some(files(public, Some(private)))),
            (Some(public), None) if is_same(&view, &again)? => return Ok(Some(files(public, None))),
            _ => view = again,
        }
    }
    Err(io::Error::other(format!(
        "{} never stood still for long enough to be read",
        live.display()
    )))
}

fn files(public: Vec<u8>, private: Option<Vec<u8>>) -> NodeFiles {
    NodeFiles {
        public,
        private: private.map(Secret::new),
    }
}

fn open_view(live: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, live, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn is_same(one: impl AsFd, other: impl AsFd) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn read(view: impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut file = match rustix::fs::openat(view, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => File::from(opened?),
    };
    // Room for all of it and one byte more: a buffer that grew would leave a copy of a secret behind.
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(len.saturating_add(1));
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{self, FileAttrs};

    fn write(view: &Path, name: &str) {
        durable::write_file(&view.join(name), name.as_bytes(), &FileAttrs::mode(0o600)).unwrap();
    }

    #[test]
    fn a_node_without_a_view_has_no_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_node(folder.path()).unwrap().is_none());
    }

    #[test]
    fn a_view_may_have_no_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let view = folder.path().join("live");
        durable::create_folder(&view, 0o755).unwrap();
        write(&view, "jwks.json");
        let files = read_node(folder.path()).unwrap().unwrap();
        assert_eq!((files.public, files.private.is_none()), (b"jwks.json".to_vec(), true));
        write(&view, "private.jwks.json");
        let files = read_node(folder.path()).unwrap().unwrap();
        assert_eq!(files.private.unwrap().expose(), b"private.jwks.json");
    }

    #[test]
    fn a_view_that_stays_without_a_public_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        durable::create_folder(&folder.path().join("live"), 0o755).unwrap();
        assert!(read_node(folder.path()).unwrap_err().to_string().contains("live"));
    }
}
