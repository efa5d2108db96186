//! Which parts of a keystore's folder are secret.

use std::path::Path;

use super::beside::snapshots_dir;
use super::open::database_dir;
use crate::types::{SecretKind, SecretPlace};

/// The parts of the folder that hold something secret, sealed. All records stand in the segments too, and there is no secret in those.
pub fn secret_parts(dir: &Path) -> Vec<SecretPlace> {
    let part = |path, holds| SecretPlace { path, holds };
    vec![
        part(database_dir(dir), SecretKind::Keystore),
        part(snapshots_dir(dir), SecretKind::Snapshots),
    ]
}
