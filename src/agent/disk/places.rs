//! `written.json`: where a node has written files that are not in its own folder, so that none is forgotten when the configuration is
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Disk, DiskError, read};
use crate::durable::{self, FileAttrs};
use crate::types::Kid;

/// The schema of the file that this build writes.
const SCHEMA: u32 = 1;

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

impl Disk {
    pub(super) fn read_written(&self) -> Result<Written, DiskError> {
        let path = self.written_path();
        let Some(bytes) = read::file(&path)? else {
            return Ok(Written::default());
        };
        let read: Result<Written, _> = serde_json::from_slice(bytes.expose());
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

    pub(super) fn save_written(&self, written: Written) -> Result<(), DiskError> {
        let path = self.written_path();
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

    fn written_path(&self) -> PathBuf {
        self.root.join("written.json")
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
        let mut others = self.read_written()?.view_dirs;
        others.insert(self.root.clone());
        others.remove(&self.view_dir);
        Ok([self.view_dir.clone()].into_iter().chain(others).collect())
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
