//! One view in the place of another: stage, prove, swap, clean, read back.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::output::OutputFailure;
use super::{Disk, DiskError, read};
use crate::agent::core::ViewId;
use crate::durable::{self, FileAttrs};
use crate::lifecycle::{Installed, View};
use crate::outputs;
use crate::rpc::fleet::Bundle;

/// The public JWKS.
pub(super) const PUBLIC: &str = "jwks.json";
/// The private JWKS.
pub(super) const PRIVATE: &str = "private.jwks.json";
/// Which view this is.
pub(super) const VIEW: &str = "view.json";

/// A view whose files are durable and proved, but which is not live. Dropped, it is as if a crash had come.
#[derive(Debug)]
#[must_use = "a staged view is not live"]
pub struct Staged<'a> {
    disk: &'a Disk,
    name: String,
}

/// A view that is live, while files of views before it may still be there.
#[derive(Debug)]
#[must_use = "private files of older views may still be there"]
pub struct Live<'a> {
    disk: &'a Disk,
}

impl Disk {
    pub(super) fn install(&self, bundle: &Bundle, view: &View) -> Result<Installed, DiskError> {
        self.stage(bundle, view)?.swap()?.clean()
    }

    /// Step 10, stage, and step 11, fsync: writes the files of a view into a folder of their own, each durable, and proves them as they stand
    /// there. Files of a staging that a crash cut
    /// short are replaced. The folder of the live view is never written to: the same view goes beside it, and a reader sees one or
    /// the other.
    pub fn stage(&self, bundle: &Bundle, view: &View) -> Result<Staged<'_>, DiskError> {
        let (views, live) = (self.views(), self.live_folder()?);
        let mut name = format!("{:06}.{}", view.generation.0, view.step());
        if live == Some(views.join(&name)) {
            name.push_str(".again");
        }
        let folder = views.join(&name);
        durable::remove_folder_all(&folder)?;
        let staged = self.write_view(&folder, &name, bundle, view);
        if staged.is_err() {
            // The first error is the one to tell; the space may be what was lacking.
            let _ = durable::remove_folder_all(&folder);
        }
        staged.map(|()| Staged { disk: self, name })
    }

    fn write_view(&self, folder: &Path, name: &str, bundle: &Bundle, view: &View) -> Result<(), DiskError> {
        let not_proved = |why: &dyn ToString| DiskError::NotProved {
            view: name.to_owned(),
            why: why.to_string(),
        };
        let id = ViewId {
            generation: view.generation,
            switches: view.switches.clone(),
        };
        let private = outputs::private_jwks(&bundle.set, view, &bundle.privates).map_err(|why| not_proved(&why))?;
        durable::create_folder(folder, 0o755)?;
        let everyone = FileAttrs::mode(0o644);
        let signer = FileAttrs {
            group: self.private_group,
            ..FileAttrs::mode(0o640)
        };
        durable::write_file(&folder.join(PUBLIC), &outputs::public_jwks(&bundle.set, view), &everyone)?;
        durable::write_file(&folder.join(PRIVATE), private.expose(), &signer)?;
        let id = serde_json::to_vec(&id).map_err(|why| not_proved(&why))?;
        durable::write_file(&folder.join(VIEW), &id, &everyone)?;
        let back =
            |file: &str| read::file(&folder.join(file)).map(|read| read.ok_or_else(|| not_proved(&format!("{file} is gone"))));
        let (public, private) = (back(PUBLIC)??, back(PRIVATE)??);
        let proved = outputs::prove(public.expose(), private.expose()).map_err(|why| not_proved(&why))?;
        let private_fits = proved.signing == view.signing() && proved.decrypting == view.decrypting;
        if !private_fits || proved.published.iter().ne(view.published.iter().collect::<BTreeSet<_>>()) {
            return Err(not_proved(&"they hold other keys than the view"));
        }
        self.write_outputs(folder, bundle, view).map_err(|why| match why {
            OutputFailure::Disk(why) => why,
            OutputFailure::Form(why) => not_proved(&why),
        })
    }

    /// The folder that `live` points to.
    fn live_folder(&self) -> Result<Option<PathBuf>, DiskError> {
        let link = self.live();
        match std::fs::read_link(&link) {
            Ok(target) => Ok(Some(self.view_dir.join(target))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(DiskError::Read { path: link, cause }),
        }
    }

    /// The folders of all views, live or not, those in folders of earlier configurations too.
    pub(super) fn view_folders(&self) -> Result<Vec<PathBuf>, DiskError> {
        let mut folders = Vec::new();
        for place in self.all_view_dirs()? {
            match views_in(&place) {
                Err(DiskError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound && place != self.view_dir => {}
                views => folders.extend(views?),
            }
        }
        Ok(folders)
    }

    /// Removes every view that is not live: all private files first.
    pub(super) fn remove_other_views(&self) -> Result<(), DiskError> {
        let live = self.live_folder()?;
        let mut others = self.view_folders()?;
        others.retain(|folder| Some(folder) != live.as_ref());
        for folder in &others {
            remove_private(folder, |_| false)?;
        }
        for folder in &others {
            durable::remove_folder_all(folder)?;
        }
        self.leave_other_view_dirs()
    }

    /// Erases every private file and the sealed cache, and says what is left. The public files stay, for whoever verifies.
    pub(super) fn erase(&self) -> Result<Option<Installed>, DiskError> {
        durable::remove_file(&self.cache_path())?;
        let is_public = |name: &str| self.outputs.iter().any(|output| output.path == name && !output.is_private());
        for folder in self.view_folders()? {
            remove_private(&folder, is_public)?;
        }
        self.erase_copies()?;
        self.read_back()
    }
}

/// The folders of the views below one folder.
pub(super) fn views_in(place: &Path) -> Result<Vec<PathBuf>, DiskError> {
    entries(&place.join("views"))
}

/// All of a view but what it shows to everyone. The private JWKS comes last: while any private file is there, it tells whose.
pub(super) fn private_in(folder: &Path, is_public: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, DiskError> {
    let mut private = entries(folder)?;
    private.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ![PUBLIC, PRIVATE, VIEW].contains(&&*name) && !is_public(&name)
    });
    private.push(folder.join(PRIVATE));
    Ok(private)
}

fn remove_private(folder: &Path, is_public: impl Fn(&str) -> bool) -> Result<(), DiskError> {
    for path in private_in(folder, is_public)? {
        if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
            durable::remove_folder_all(&path)?;
        } else {
            durable::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What stands in a folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let failed = |cause| DiskError::Read {
        path: folder.to_owned(),
        cause,
    };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

impl<'a> Staged<'a> {
    /// Step 12, swap, and step 13, fsync: makes the view live by one rename(2) of the link, which is durable when this returns.
    pub fn swap(self) -> Result<Live<'a>, DiskError> {
        let target = Path::new("views").join(&self.name);
        durable::swap_link(&self.disk.live(), &target)?;
        Ok(Live { disk: self.disk })
    }
}

impl Live<'_> {
    /// Step 14, read back: removes what views before this one left, and reads what is there.
    pub fn clean(self) -> Result<Installed, DiskError> {
        self.disk.remove_other_views()?;
        self.disk.read_live()
    }
}
