//! `jkeys keystore rekey`: the keystore again under a new master key, while no leader runs.

use std::path::PathBuf;

use clap::Args;

use crate::cli::admin::Place;
use crate::cli::services::credentials;
use crate::cli::{CliError, Screen, render};
use crate::clock::Clock;
use crate::config::file;
use crate::leader::founding::read_master_key;
use crate::leader::rekey::rekey;

/// Flags of `jkeys keystore rekey`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RekeyArgs {
    /// The file of the new master key; it is made where it is not there yet
    #[arg(long, value_name = "FILE")]
    new_key: PathBuf,
    /// The folder to make, absent or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

impl RekeyArgs {
    pub(super) fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<(), CliError> {
        let config = file::leader(place.leader_config(), credentials().as_deref())?;
        let master = read_master_key(&config.master_key_file)?;
        let rekeyed = rekey(
            &config.state_dir,
            &master,
            &self.to,
            &self.new_key,
            &crate::cli::caller(),
            clock,
        )?;
        screen.put(render::rekeyed(&rekeyed, &self.to, &self.new_key, &config))?;
        Ok(())
    }
}
