//! Copies of a live view's files in places of other programs (`copy_to`).
//!
//! A place is noted before anything is written to it, with the kids whose private half may be there from then on; what is no longer
//! wanted is removed from it. So a private half that is still in a copy counts as held, whatever became of the configuration.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::output::private_kids;
use super::{Disk, DiskError, is_there, read};
use crate::agent::core::{DiskResult, Unfinished};
use crate::durable::{self, FileAttrs};
use crate::lifecycle::Installed;
use crate::types::Kid;

/// Removes a copy, and says whether it is gone for good: where its folder is missing, it may come back with that, so it is not forgotten.
fn remove(place: &Path) -> Result<bool, DiskError> {
    durable::remove_file_safely(place)?;
    Ok(place.parent().is_some_and(is_there))
}

/// A folder that is missing has nothing to remove, and one that others can change is told of when the copy is removed.
fn remove_leftovers_beside(place: &Path) -> Result<(), DiskError> {
    let folder = place.parent().unwrap_or(Path::new("/"));
    if durable::open_safe_folder(folder).is_ok() {
        durable::remove_leftovers(folder)?;
    }
    Ok(())
}

/// One file to copy.
struct Copy {
    from: PathBuf,
    to: PathBuf,
    attrs: FileAttrs,
    /// The kids whose private half may be in it.
    kids: BTreeSet<Kid>,
}

impl Copy {
    /// Whether it stands there, whole.
    fn stands(&self) -> Result<bool, DiskError> {
        let (from, to) = (read::file(&self.from)?, read::file_of(&self.to, &self.attrs)?);
        Ok(from.zip(to).is_some_and(|(from, to)| from.same(&to)))
    }

    fn put(&self) -> Result<(), DiskError> {
        let folder = self.to.parent().unwrap_or(Path::new("/"));
        durable::open_safe_folder(folder)?;
        if self.stands().unwrap_or(false) {
            return Ok(());
        }
        // A private file that a crash cut short may be among them.
        durable::remove_leftovers(folder)?;
        let bytes = read::file(&self.from)?.ok_or_else(|| DiskError::Read {
            path: self.from.clone(),
            cause: io::ErrorKind::NotFound.into(),
        })?;
        durable::write_file_safely(&self.to, bytes.expose(), &self.attrs)?;
        if self.stands()? {
            return Ok(());
        }
        Err(DiskError::Damaged {
            path: self.to.clone(),
            why: "it is not what was written there; look at who else writes there".to_owned(),
        })
    }
}

impl Disk {
    /// The copies of the view that was just put in place, and what was read back with them.
    pub(super) fn finish(&self, installed: Installed) -> DiskResult {
        let copied = self.copy(&installed);
        let finished = self.read_live();
        match (copied, finished) {
            (Ok(()), Ok(finished)) => DiskResult::Installed(finished),
            (Err(why), finished) => DiskResult::Uncopied(finished.unwrap_or(installed), why.to_string()),
            (Ok(()), Err(why)) => DiskResult::Failed(why.to_string()),
        }
    }

    /// What of the live view is not as it is configured.
    pub(super) fn unfinished(&self, installed: &Installed) -> Option<Unfinished> {
        if !self.outputs_stand(installed) {
            return Some(Unfinished::Outputs);
        }
        (!self.copies_stand(installed).unwrap_or(false)).then_some(Unfinished::Copies)
    }

    fn copies_stand(&self, installed: &Installed) -> Result<bool, DiskError> {
        let wanted = self.wanted_copies(installed)?;
        let noted = self.read_written()?.copies;
        let is_wanted = |place: &PathBuf| wanted.iter().any(|copy| copy.to == *place);
        if noted.keys().any(|place| !is_wanted(place) && is_there(place)) {
            return Ok(false);
        }
        for copy in &wanted {
            // Noted with more kids, it counts as holding them until that is put right.
            if noted.get(&copy.to) != Some(&copy.kids) || !copy.stands()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wanted_copies(&self, installed: &Installed) -> Result<Vec<Copy>, DiskError> {
        let live = self.live();
        let mut copies = Vec::new();
        for output in &self.outputs {
            let Some(place) = &output.copy_to else { continue };
            for from in output.files(&live)? {
                // Of a folder: below its place. Of a file: the place itself.
                let inner = from.strip_prefix(live.join(&output.path)).unwrap_or(Path::new(""));
                let to = if inner == Path::new("") {
                    place.clone()
                } else {
                    place.join(inner)
                };
                copies.push(Copy {
                    to,
                    from,
                    attrs: output.attrs,
                    kids: if output.is_private() {
                        private_kids(installed)
                    } else {
                        BTreeSet::new()
                    },
                });
            }
        }
        Ok(copies)
    }

    /// Puts every copy in its place and removes those that are no longer wanted. One that fails keeps no other from its place; the first
    /// failure is the one to tell.
    fn copy(&self, installed: &Installed) -> Result<(), DiskError> {
        let wanted = self.wanted_copies(installed)?;
        let before = self.read_written()?;
        if wanted.is_empty() && before.copies.is_empty() {
            return Ok(());
        }
        let mut written = before.clone();
        for copy in &wanted {
            written
                .copies
                .entry(copy.to.clone())
                .or_default()
                .extend(copy.kids.iter().cloned());
        }
        if written != before {
            self.save_written(written.clone())?;
        }
        let noted = written.clone();
        let mut failures = Vec::new();
        for copy in &wanted {
            match copy.put() {
                Ok(()) => drop(written.copies.insert(copy.to.clone(), copy.kids.clone())),
                Err(why) => failures.push(why),
            }
        }
        let wanted: BTreeSet<&PathBuf> = wanted.iter().map(|copy| &copy.to).collect();
        for place in noted.copies.keys().filter(|place| !wanted.contains(place)) {
            match remove(place) {
                Ok(true) => drop(written.copies.remove(place)),
                Ok(false) => {}
                Err(why) => failures.push(why),
            }
        }
        if written != noted {
            self.save_written(written)?;
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// The kids whose private half may be in a copy that is there.
    pub(super) fn held_in_copies(&self) -> Result<BTreeSet<Kid>, DiskError> {
        let copies = self.read_written()?.copies.into_iter();
        Ok(copies
            .filter(|(place, _)| is_there(place))
            .flat_map(|(_, kids)| kids)
            .collect())
    }

    /// Removes every copy with a private half in it, and what a crash left of one.
    pub(super) fn erase_copies(&self) -> Result<(), DiskError> {
        let mut written = self.read_written()?;
        let mut failure = None;
        let private: Vec<PathBuf> = written
            .copies
            .iter()
            .filter(|(_, kids)| !kids.is_empty())
            .map(|(place, _)| place.clone())
            .collect();
        if private.is_empty() {
            return Ok(());
        }
        for place in private {
            match remove_leftovers_beside(&place).and_then(|()| remove(&place)) {
                Ok(true) => drop(written.copies.remove(&place)),
                Ok(false) => {}
                Err(why) => failure = Some(failure.unwrap_or(why)),
            }
        }
        self.save_written(written)?;
        failure.map_or(Ok(()), Err)
    }
}
