//! Where the secrets of a node lie, in its own folder and elsewhere: what erasing takes, told without opening anything.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::DiskError;
use super::install::{entries, private_in, views_in};
use super::places::Written;
use crate::durable::TEMPORARY_PREFIX;
use crate::types::{SecretKind, SecretPlace};

/// Whether something is there. What can't be looked for may be.
pub(in crate::agent) fn is_there(place: &Path) -> bool {
    let found = place.symlink_metadata();
    !found.is_err_and(|why| why.kind() == io::ErrorKind::NotFound)
}

/// The private files of every view, of folders that earlier configurations named too, and their copies. A copy whose folder is not there
/// is named as well: it may come back with that.
///
/// # Errors
/// A folder or `written.json` can't be read.
pub(in crate::agent) fn secrets(
    root: &Path,
    view_dir: &Path,
    is_public: impl Fn(&str) -> bool,
) -> Result<Vec<SecretPlace>, DiskError> {
    let written = Written::read(root)?;
    let copies = private_copies(&written);
    let mut views = Vec::new();
    for place in written.all_view_dirs(root, view_dir) {
        for folder in if_there(views_in(&place))? {
            views.extend(private_in(&folder, &is_public)?.into_iter().filter(|path| is_there(path)));
        }
    }
    let leftovers = leftovers(&copies)?;
    let all = [
        (SecretKind::View, views),
        (SecretKind::Copy, copies),
        (SecretKind::Leftover, leftovers),
    ];
    let places = |(holds, paths): (SecretKind, Vec<PathBuf>)| paths.into_iter().map(move |path| SecretPlace { path, holds });
    Ok(all.into_iter().flat_map(places).collect())
}

fn private_copies(written: &Written) -> Vec<PathBuf> {
    let private = written.copies.iter().filter(|(_, kids)| !kids.is_empty());
    private.map(|(place, _)| place.clone()).collect()
}

/// What a crash left in the folders of copies.
fn leftovers(copies: &[PathBuf]) -> Result<Vec<PathBuf>, DiskError> {
    let folders: BTreeSet<&Path> = copies.iter().filter_map(|place| place.parent()).collect();
    let mut left = Vec::new();
    for folder in folders {
        left.extend(if_there(entries(folder))?);
    }
    left.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
    });
    Ok(left)
}

/// A folder that is not there has nothing in it.
fn if_there(read: Result<Vec<PathBuf>, DiskError>) -> Result<Vec<PathBuf>, DiskError> {
    match read {
        Err(DiskError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}
