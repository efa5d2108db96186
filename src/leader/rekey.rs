//! `jkeys keystore rekey`: the keystore again, in a new folder, under a new master key.

use std::path::Path;

use super::founding::{FoundingError, make_master_key, read_master_key};
use crate::crypto::seal::MasterKey;
use crate::keystore::Keystore;
pub use crate::keystore::Rekeyed;

/// Writes the keystore in `own_dir` again into `dir`, under the master key in `new_key`. That file is made where there is none.
///
/// # Errors
/// A leader runs, something is damaged, missing or in the way: the old keystore is as it was.
pub fn rekey(own_dir: &Path, master: &MasterKey, dir: &Path, new_key: &Path) -> Result<Rekeyed, FoundingError> {
    let keystore = Keystore::open(own_dir, master)?;
    if new_key.symlink_metadata().is_err() {
        make_master_key(new_key)?;
    }
    let new_master = read_master_key(new_key)?;
    Ok(keystore.rekey(own_dir, dir, &new_master)?)
}
