//! The files of a node.
//!
//! ```text
//! live -> views/000042.1                one rename(2) of the link is the swap
//! views/000042.1/jwks.json              every published public half, 0644
//!                private.jwks.json      the selected signing keys and every encryption key, 0640
//!                view.json              which view this is, 0644
//!                …                      what the configuration asks for besides
//! written.json                          where else files were written to, and which private halves are there, 0600
//! trusted.json                          what rule R5 remembers, and of which fleet, 0600
//! cache.sealed                          the newest generation, AES-256-GCM, 0600
//! cache.key                             the key of the cache, where no credential gives one, 0600
//! ```
//!
//! A fleet is known by the public key of its log. What is there of another fleet counts for nothing: generations of two fleets can't
//! be compared.
//!
//! `live` and `views` can be in a folder of their own, such as one on a tmpfs.
//!
//! A view is made in steps that are types, [`Staged`] and [`Live`], so that nothing can be swapped that was not proved. All of it
//! blocks.

mod cache;
mod copies;
mod install;
mod output;
mod places;
mod read;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use cache::{CacheError, CacheKey};
pub use install::{Live, Staged};
pub use output::{Output, OutputFormat};

use output::Prepared;
pub use read::live_public_jwks;
pub(super) use secrets::{is_there, secrets};

use crate::agent::core::{CacheHolds, DiskResult, DiskWork, Found, Trusted};
use crate::audit::RecordProof;
use crate::durable::{self, DurableError, FileAttrs};
use crate::rpc::fleet::Bundle;
use crate::types::{Generation, Kid, Secret, WitnessKey};

/// Where Linux names the boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where the files of a node are, and who may read them.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    view_dir: PathBuf,
    private_group: Option<u32>,
    outputs: Vec<Prepared>,
    key: CacheKey,
    /// None while the node has never been in one.
    fleet: Option<WitnessKey>,
}

/// Where the files of a node are to be, and in which forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folder of what is the node's own, which is made if it is not there.
    pub root: PathBuf,
    /// The folder of the views, likewise.
    pub view_dir: PathBuf,
    /// The group of the private files, where it is not the process's own.
    pub private_group: Option<u32>,
    /// What is in a view besides what always is.
    pub outputs: Vec<Output>,
}

/// `trusted.json`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory<T> {
    /// The form of the file; the first had no number.
    #[serde(default = "first_schema")]
    schema: u32,
    log_public_key: Option<WitnessKey>,
    trusted: T,
}

/// Its name.
const TRUSTED: &str = "trusted.json";

/// The schema of `trusted.json` that this build writes.
const SCHEMA: u32 = 2;

/// What tells a file of a newer release.
#[derive(Deserialize)]
struct Schema {
    #[serde(default = "first_schema")]
    schema: u32,
}

fn first_schema() -> u32 {
    1
}

/// The newest generation that a node has accepted of a fleet, by what is under its folder; 0 where there is none, or none can be read.
#[must_use]
pub fn newest_known(root: &Path, fleet: WitnessKey) -> Generation {
    let memory = std::fs::read(root.join(TRUSTED)).ok();
    let memory: Option<Memory<Trusted>> = memory.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let of_fleet = memory.filter(|memory| memory.log_public_key == Some(fleet));
    let newest = of_fleet.and_then(|memory| memory.trusted.newest);
    newest.map_or(Generation(0), |newest| newest.generation)
}

/// Why the files of a node could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Writing.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// Reading.
    #[error("can't read {}: {cause}; look at the path, and at who else writes there", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file that is there and is not what it should be.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In what way, and what to do.
        why: String,
    },
    /// The sealed cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A folder of the node's own that others can change.
    #[error("state_dir: {0}")]
    StateDir(DurableError),
    /// A folder of the views that others can change.
    #[error("view_dir: {0}")]
    ViewDir(DurableError),
    /// The configuration of an output that can't be carried out here.
    #[error("[[output]] {path}: {why}")]
    Output {
        /// Which output, by its path.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Staged files that don't prove.
    #[error("the files of view {view} are not put in place: {why}; look at the leader's log, and revoke the key that is named")]
    NotProved {
        /// Which view, as its folder is named.
        view: String,
        /// What is wrong.
        why: String,
    },
}

impl Disk {
    /// The files under `root`, as they are where nothing else is configured; see [`Self::open_as`].
    pub fn open(
        root: PathBuf,
        private_group: Option<u32>,
        credential: Option<&Path>,
        fleet: Option<WitnessKey>,
    ) -> Result<Self, DiskError> {
        let layout = Layout {
            view_dir: root.clone(),
            root,
            private_group,
            outputs: Vec::new(),
        };
        Self::open_as(layout, credential, fleet)
    }

    /// The files of a node. The cache is sealed with the key at `credential`, or else with a key of the node's own, which is made if it
    /// is not there. The node is in `fleet`; where that is not known, in the fleet that it remembers.
    pub fn open_as(layout: Layout, credential: Option<&Path>, fleet: Option<WitnessKey>) -> Result<Self, DiskError> {
        layout.make_folders()?;
        durable::remove_leftovers(&layout.root)?;
        let key = match credential {
            Some(path) => CacheKey::load(path)?,
            None => CacheKey::load_or_make(&layout.root.join("cache.key"))?,
        };
        let outputs = layout.prepare()?;
        durable::remove_leftovers(&layout.view_dir)?;
        let mut disk = Self {
            root: layout.root,
            view_dir: layout.view_dir,
            private_group: layout.private_group,
            outputs,
            key,
            fleet,
        };
        disk.note_view_dir()?;
        durable::create_folder(&disk.views(), 0o755)?;
        if fleet.is_none() {
            disk.fleet = disk.read_memory()?.and_then(|memory| memory.log_public_key);
        }
        Ok(disk)
    }

    /// What is there at a start of the node's own fleet. What a crash left behind of a view that was never live is removed.
    ///
    /// # Errors
    /// The trusted state is damaged or can't be read: without it rule R5 can't be kept. Anything else that can't be read is named in
    /// [`Found::problem`], for the leader can send it again.
    pub fn load(&self) -> Result<Found, DiskError> {
        let memory = self.read_memory()?;
        if memory.as_ref().is_some_and(|memory| memory.log_public_key != self.fleet) {
            return Ok(Found::default());
        }
        let mut problems = Vec::new();
        let installed = self.read_back().unwrap_or_else(|why| {
            problems.push(why.to_string());
            None
        });
        let cached = self.read_cache().unwrap_or_else(|why| {
            problems.push(why.to_string());
            None
        });
        if installed.is_some()
            && let Err(why) = self.remove_other_views()
        {
            problems.push(why.to_string());
        }
        let installed = self.read_back().unwrap_or_default();
        let (cached, proof) = cached.map_or((None, None), |(bundle, proof)| (Some(bundle), proof));
        Ok(Found {
            trusted: memory.map(|memory| memory.trusted),
            cached,
            proof,
            unfinished: installed.as_ref().and_then(|installed| self.unfinished(installed)),
            installed,
            boot: std::fs::read_to_string(BOOT_ID).ok().map(|id| id.trim().to_owned()),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            ..Found::default()
        })
    }

    /// Does what the core asked for.
    #[must_use]
    pub fn work(&self, work: DiskWork) -> DiskResult {
        let done = match work {
            DiskWork::WriteCache { bundle, proof, held } => {
                let written = self.write_cache(&bundle, proof.as_deref(), &held);
                written.map(DiskResult::CacheWritten)
            }
            DiskWork::SaveTrusted(trusted) => self.save_trusted(&trusted).map(|()| DiskResult::TrustedSaved(trusted)),
            DiskWork::Install { bundle, view } => self.install(&bundle, &view).map(|installed| self.finish(installed)),
            DiskWork::Copy => self.read_live().map(|installed| self.finish(installed)),
            DiskWork::Erase => self.erase().map(DiskResult::Erased),
        };
        done.unwrap_or_else(|why| DiskResult::Failed(why.to_string()))
    }

    fn save_trusted(&self, trusted: &Trusted) -> Result<(), DiskError> {
        let path = self.trusted_path();
        let memory = Memory {
            schema: SCHEMA,
            log_public_key: self.fleet,
            trusted,
        };
        let bytes = serde_json::to_vec_pretty(&memory).map_err(|why| DiskError::Damaged {
            path: path.clone(),
            why: why.to_string(),
        })?;
        Ok(durable::write_file(&path, &bytes, &FileAttrs::mode(0o600))?)
    }

    fn read_memory(&self) -> Result<Option<Memory<Trusted>>, DiskError> {
        let path = self.trusted_path();
        let Some(bytes) = read::file(&path)? else { return Ok(None) };
        let schema: Result<Schema, _> = serde_json::from_slice(bytes.expose());
        if let Ok(Schema { schema }) = schema
            && schema > SCHEMA
        {
            let why = format!("its schema is {schema}, and this release knows {SCHEMA}; run the release of jkeys that wrote it");
            return Err(DiskError::Damaged { path, why });
        }
        let memory = serde_json::from_slice(bytes.expose()).map_err(|why| DiskError::Damaged {
            path,
            why: format!(
                "{why}; it says what this node must never go back to, so the agent does not start without it: bring it back from a copy, or \
                 move the agent's folder away and, with a new token of `jkeys node token NAME`, enroll it anew"
            ),
        })?;
        Ok(Some(memory))
    }

    fn write_cache(&self, bundle: &Bundle, proof: Option<&RecordProof>, held: &BTreeSet<Kid>) -> Result<CacheHolds, DiskError> {
        let sealed = self.key.seal(bundle, proof, held, self.fleet)?;
        let path = self.cache_path();
        durable::write_file(&path, &sealed, &FileAttrs::mode(0o600))?;
        let back = self.read_cache()?.ok_or_else(|| DiskError::Damaged {
            path,
            why: "it is gone right after it was written; look at who else writes there".to_owned(),
        })?;
        Ok(CacheHolds::of(&back.0))
    }

    fn read_cache(&self) -> Result<Option<(Bundle, Option<RecordProof>)>, DiskError> {
        let sealed: Option<Secret> = read::file(&self.cache_path())?;
        Ok(sealed.map(|sealed| self.key.open(sealed.expose(), self.fleet)).transpose()?)
    }

    /// The folder of all views.
    fn views(&self) -> PathBuf {
        self.view_dir.join("views")
    }

    /// The link to the live one.
    fn live(&self) -> PathBuf {
        self.view_dir.join("live")
    }

    fn trusted_path(&self) -> PathBuf {
        self.root.join(TRUSTED)
    }

    fn cache_path(&self) -> PathBuf {
        self.root.join("cache.sealed")
    }
}
