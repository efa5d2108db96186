//! A symbolic link that is moved in one step.

use std::path::Path;

use rustix::fs::AtFlags;

use super::error::{DurableError, Step, failed};
use super::folder::Place;

/// Makes `link` point to `target`, by one rename(2): whoever opens it sees the old target or the new one, and once this has returned
/// it is the new one. `target` is stored as it is given, so a relative one is relative to the folder of `link`.
pub fn swap_link(link: &Path, target: &Path) -> Result<(), DurableError> {
    let place = Place::of(link)?;
    let temporary = Place::temporary();
    rustix::fs::symlinkat(target, &place.folder, &temporary).map_err(failed(Step::Create, link))?;
    let put = place.put(&temporary);
    if put.is_err() {
        // The first error is the one to tell; what stays behind has a name that marks it as left over.
        let _ = rustix::fs::unlinkat(&place.folder, &temporary, AtFlags::empty());
    }
    put
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_link_is_made_and_moved() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("live");
        for target in ["views/1", "views/2"] {
            swap_link(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_refused_and_nothing_is_left_behind() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("live");
        fs::create_dir(&link).unwrap();
        let error = swap_link(&link, Path::new("views/1")).unwrap_err();
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
