//! The agent's folder: made for the account that the agent runs as, whoever makes it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::durable::{self, DurableError, FileAttrs, TEMPORARY_PREFIX};
use crate::rpc::account_ids;

/// Where the node's own keys are, in the folder.
pub(super) const KEYS: &str = "keys";
/// The account of the unit.
const ACCOUNT: &str = "jkeys-agent";
/// As much as an identity takes, with room.
const PROBE_BYTES: usize = 16 << 10;

/// To whom new files go: nobody but the process itself, unless that is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    /// The owner and group of the folder that is there, when root asks.
    fn of(folder: &Path) -> Self {
        let by_root = rustix::process::geteuid().is_root();
        let there = folder.metadata().ok().filter(|_| by_root);
        Self(there.map(|there| (there.uid(), there.gid())))
    }

    /// The unit's account, when root asks and there is one.
    fn of_the_unit() -> Self {
        let by_root = rustix::process::geteuid().is_root();
        Self(by_root.then(|| account_ids(ACCOUNT)).flatten())
    }

    /// A file of this owner.
    pub(super) fn attrs(self, mode: u32) -> FileAttrs {
        FileAttrs {
            owner: self.0.map(|(owner, _)| owner),
            group: self.0.map(|(_, group)| group),
            ..FileAttrs::mode(mode)
        }
    }
}

/// Makes sure that the folder is there, and the one of the keys in it, and says whose they are.
pub(super) fn make(folder: &Path) -> Result<Owner, DurableError> {
    durable::create_folder_as(folder, &Owner::of_the_unit().attrs(0o755))?;
    let owner = Owner::of(folder);
    durable::create_folder_as(&folder.join(KEYS), &owner.attrs(0o700))?;
    Ok(owner)
}

/// Makes the folder as [`make`] does, and finds out by writing whether an identity can be stored in it.
pub(super) fn prove_writable(folder: &Path) -> Result<(), DurableError> {
    let owner = make(folder)?;
    for place in [folder.to_owned(), folder.join(KEYS)] {
        // Left behind by a crash it is known for what it is.
        let probe = place.join(format!("{TEMPORARY_PREFIX}probe"));
        let written = durable::write_file(&probe, &[0; PROBE_BYTES], &owner.attrs(0o600));
        durable::remove_file(&probe)?;
        written?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_which_nothing_can_be_kept_is_found_before_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("agent");
        prove_writable(&folder).unwrap();
        assert_eq!(
            std::fs::read_dir(folder.join(KEYS)).unwrap().count(),
            0,
            "nothing is left behind"
        );
        assert_eq!(folder.join(KEYS).metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::remove_dir(folder.join(KEYS)).unwrap();
        durable::write_file(&folder.join(KEYS), b"", &FileAttrs::mode(0o600)).unwrap();
        assert!(prove_writable(&folder).unwrap_err().to_string().contains("move it away"));
        let above = prove_writable(&root.path().join("no/agent")).unwrap_err().to_string();
        assert!(above.contains("create the folder"), "{above}");
    }
}
