//! `jkeys secrets leader`: what is secret on a leader's machine.

use crate::config::LeaderConfig;
use crate::keystore::secret_parts;
use crate::types::{SecretKind, SecretPlace};

/// Every place on this machine where the leader keeps something secret. Backups lie where their operator put them.
#[must_use]
pub fn secrets(config: &LeaderConfig) -> Vec<SecretPlace> {
    let master = SecretPlace {
        path: config.master_key_file.clone(),
        holds: SecretKind::MasterKey,
    };
    let mut places = secret_parts(&config.state_dir);
    places.push(master);
    places.retain(|place| place.path.symlink_metadata().is_ok());
    places
}
