//! `written.json`: where a node has written files that are not in its own folder, so that none is forgotten when the configuration is
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Disk, DiskError, read};
use crate::durable::{self, FileAttrs};
use crate::types::Kid;

/// The schema of the file that this build writes.
const SCHEMA: u32 = 1;
const FILE: &str = "written.json";

/// The places, noted before anything is written there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    schema: u32,
    /// The folders of views.
    pub view_dirs: BTreeSet<PathBuf>,
    /// The copies, each with the kids whose private half may be in it.
    pub copies: BTreeMap<PathBuf, BTreeSet<Kid>>,
}

impl Written {
    /// What is noted in the agent's folder.
    pub(super) fn read(root: &Path) -> Result<Self, DiskError> {
        let path = root.join(FILE);
        let Some(bytes) = read::file(&path)? else {
            return Ok(Self::default());
        };
        let read: Result<Self, _> = serde_json::from_slice(bytes.expose());
        let damaged = |why: String| DiskError::Damaged {
            path: path.clone(),
            why: format!(
                "{why}; it names the places where copies of private files may be: look for those yourself (copy_to of this configuration and of \
                 earlier ones), then remove this file"
            ),
        };
        let written = read.map_err(|why| damaged(why.to_string()))?;
        if written.schema > SCHEMA {
            return Err(damaged(format!(
                "its schema is {}, and this release knows {SCHEMA}",
                written.schema
            )));
        }
        Ok(written)
    }

    /// Every folder in which views may be: first the one that is configured.
    pub(super) fn all_view_dirs(self, root: &Path, view_dir: &Path) -> Vec<PathBuf> {
        let mut others = self.view_dirs;
        others.insert(root.to_owned());
        others.remove(view_dir);
        [view_dir.to_owned()].into_iter().chain(others).collect()
    }
}

impl Disk {
    pub(super) fn read_written(&self) -> Result<Written, DiskError> {
        Written::read(&self.root)
    }

    pub(super) fn save_written(&self, written: Written) -> Result<(), DiskError> {
        let path = self.root.join(FILE);
        let written = Written {
            schema: SCHEMA,
            ..written
        };
        let bytes = serde_json::to_vec_pretty(&written).map_err(|why| DiskError::Damaged {
            path: path.clone(),
            why: why.to_string(),
        })?;
        Ok(durable::write_file(&path, &bytes, &FileAttrs::mode(0o600))?)
    }

    /// Remembers the folder of the views, before anything is in it.
    pub(super) fn note_view_dir(&self) -> Result<(), DiskError> {
        let mut written = self.read_written()?;
        if self.view_dir != self.root && written.view_dirs.insert(self.view_dir.clone()) {
            self.save_written(written)?;
        }
        Ok(())
    }

    /// Every folder in which views may be: first the one that is configured.
    pub(super) fn all_view_dirs(&self) -> Result<Vec<PathBuf>, DiskError> {
        Ok(self.read_written()?.all_view_dirs(&self.root, &self.view_dir))
    }

    /// Removes the links of folders that earlier configurations named, and forgets those folders. Their views are gone.
    pub(super) fn leave_other_view_dirs(&self) -> Result<(), DiskError> {
        for place in self.all_view_dirs()?.iter().skip(1) {
            durable::remove_file(&place.join("live"))?;
            durable::remove_folder_all(&place.join("views"))?;
        }
        let mut written = self.read_written()?;
        let before = written.view_dirs.len();
        written.view_dirs.retain(|place| place == &self.view_dir);
        if written.view_dirs.len() < before {
            self.save_written(written)?;
        }
        Ok(())
    }
}
