//! `jkeys restore`

use std::path::PathBuf;

use clap::Args;

use super::admin::Place;
use super::services::credentials;
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::config::file;
use crate::leader::founding::read_master_key;
use crate::leader::restore::{Request, restore};

/// Flags of `jkeys restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A snapshot, which is in the folder `snapshots` of a leader's `state_dir`, or a file of `jkeys backup`
    file: PathBuf,
    /// The folder to make, absent or empty; `state_dir` of the configuration where it is not named
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The folder of the records, for those that came after FILE: `segments` in the lost one. Those beside a snapshot are found
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
    /// Leave out the records that came after FILE; only revocations among them stand
    #[arg(long)]
    without_later: bool,
}

impl RestoreArgs {
    /// No leader is asked, and none may use either folder.
    pub(super) fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let config = file::leader(place.leader_config(), credentials().as_deref())?;
        let master = read_master_key(&config.master_key_file)?;
        let request = Request {
            file: &self.file,
            segments: self.segments.as_deref(),
            without_later: self.without_later,
            dir: self.to.as_deref().unwrap_or(&config.state_dir),
            trust_domain: &config.trust_domain,
        };
        let outcome = restore(&request, &master, &super::caller(), clock)?;
        screen.put(render::restored(&outcome, request.dir))?;
        Ok(Exit::Done)
    }
}
