//! The agent's folder: made for the account that the agent runs as, whoever makes it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::durable::{self, DurableError, FileAttrs, Step, TEMPORARY_PREFIX};
use crate::rpc::account_ids;

/// Where the node's own keys are, in the folder.
pub(super) const KEYS: &str = "keys";
/// The account of the unit.
const ACCOUNT: &str = "jkeys-agent";
/// As much as an identity takes, with room.
const PROBE_BYTES: usize = 16 << 10;
const MODE: u32 = 0o755;

/// The owner and group of the folder.
type Ids = (u32, u32);

/// Does `work` in the folder, which is made if it is not there, as the account that owns it.
///
/// Where root asks for that, `work` has the rights of the owner only. He can exchange what is in the folder at any time, such as `keys`
/// for a link to a folder of root's: root, going by paths, would write and remove files there for him.
///
/// # Errors
/// The folder is no safe one for its owner, or can't be made; those of `work`.
pub(super) fn as_its_owner<T: Send, E: From<DurableError> + Send>(
    folder: &Path,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let work = || {
        durable::create_safe_folder(folder, MODE)?;
        durable::create_folder(&folder.join(KEYS), 0o700)?;
        work()
    };
    match owner_to_become(folder)? {
        None => work(),
        Some(owner) => become_and(folder, owner, work),
    }
}

/// Whom root becomes, having made the folder if it is not there. None: whoever asks remains who he is.
fn owner_to_become(folder: &Path) -> Result<Option<Ids>, DurableError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let there = match folder.symlink_metadata() {
        Err(why) if why.kind() == io::ErrorKind::NotFound => make_for_the_unit(folder).and_then(|()| look(folder))?,
        _ => look(folder)?,
    };
    Ok((there.0 != 0).then_some(there))
}

/// A link belongs to whoever made it, and it is his rights with which it is looked at.
fn look(folder: &Path) -> Result<Ids, DurableError> {
    let there = folder.symlink_metadata().map_err(|cause| failed(folder, cause))?;
    Ok((there.uid(), there.gid()))
}

/// Makes the folder, for the unit's account if there is one, where only root can have put anything.
fn make_for_the_unit(folder: &Path) -> Result<(), DurableError> {
    let (owner, group) = account_ids(ACCOUNT).unzip();
    let attrs = FileAttrs {
        owner,
        group,
        ..FileAttrs::mode(MODE)
    };
    durable::create_folder_safely(folder, &attrs)
}

/// Users, groups and rights belong to a thread, so this takes one of its own, which ends with the work. Only the effective ids change: a
/// thread that was the owner's altogether could be signalled by him, and the process with it.
fn become_and<T: Send, E: From<DurableError> + Send>(
    folder: &Path,
    (owner, group): Ids,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let as_owner = || {
        let (root, group) = (Gid::ROOT, Gid::from_raw(group));
        set_thread_groups(&[])?;
        set_thread_res_gid(root, group, root)?;
        set_thread_res_uid(Uid::ROOT, Uid::from_raw(owner), Uid::ROOT)
    };
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            as_owner().map_err(|cause| failed(folder, cause.into()))?;
            work()
        });
        working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn failed(folder: &Path, cause: io::Error) -> DurableError {
    DurableError {
        step: Step::Open,
        path: folder.to_owned(),
        cause,
    }
}

/// Finds out by writing whether an identity can be stored in the folder, which is made if it is not there.
pub(super) fn prove_writable(folder: &Path) -> Result<(), DurableError> {
    as_its_owner(folder, || {
        for place in [folder.to_owned(), folder.join(KEYS)] {
            // Left behind by a crash it is known for what it is.
            let probe = place.join(format!("{TEMPORARY_PREFIX}probe"));
            let written = durable::write_file(&probe, &[0; PROBE_BYTES], &FileAttrs::mode(0o600));
            durable::remove_file(&probe)?;
            written?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;
    use crate::durable::small_disk::skipped;

    /// The account of the agent in the tests. It need not be in /etc/passwd.
    const AGENT: u32 = 54_321;

    /// A folder of the agent's account, for root to work in, below one that everybody can pass.
    fn of_the_agent(test: &str) -> Option<(tempfile::TempDir, std::path::PathBuf)> {
        if !rustix::process::geteuid().is_root() {
            skipped(&format!("{test}: the test is not root"));
            return None;
        }
        let above = tempfile::tempdir().unwrap();
        std::fs::set_permissions(above.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = above.path().join("agent");
        std::fs::create_dir(&folder).unwrap();
        chown(&folder, Some(AGENT), Some(AGENT)).unwrap();
        Some((above, folder))
    }

    #[test]
    fn whoever_has_the_agents_account_can_not_have_root_write_or_remove_elsewhere() {
        let Some((above, folder)) = of_the_agent("whoever_has_the_agents_account_can_not_have_root_write_or_remove_elsewhere")
        else {
            return;
        };
        let (victim, keys) = (above.path().join("roots"), folder.join(KEYS));
        std::fs::create_dir(&victim).unwrap();
        durable::write_file(&victim.join("a"), b"a", &FileAttrs::mode(0o600)).unwrap();
        let works = as_its_owner(&folder, || {
            // He has waited until the folders were looked at.
            std::fs::rename(&keys, folder.join("gone")).unwrap();
            symlink(&victim, &keys).unwrap();
            let written = durable::write_file(&keys.join("b"), b"b", &FileAttrs::mode(0o600));
            Ok::<_, DurableError>([written, durable::remove_file(&keys.join("a"))])
        });
        for work in works.unwrap() {
            assert_eq!(work.unwrap_err().cause.kind(), io::ErrorKind::PermissionDenied);
        }
        let left: Vec<_> = victim.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a"]);
    }

    #[test]
    fn root_works_in_the_agents_folder_with_the_rights_of_its_owner_only() {
        let Some((_above, folder)) = of_the_agent("root_works_in_the_agents_folder_with_the_rights_of_its_owner_only") else {
            return;
        };
        let status = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let before = status();
        let during = as_its_owner(&folder, || Ok::<_, DurableError>(status())).unwrap();
        let of = |name: &str| during.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        // Real, effective, saved, and of the file system.
        let ids = format!("0\t{AGENT}\t0\t{AGENT}");
        assert_eq!((of("Uid:"), of("Gid:"), of("Groups:")), (&*ids, &*ids, ""));
        assert_eq!(of("CapEff:"), "0".repeat(16));
        assert_eq!(
            status().lines().filter(|line| line.starts_with("Uid")).collect::<Vec<_>>(),
            before.lines().filter(|line| line.starts_with("Uid")).collect::<Vec<_>>(),
            "the others stay who they are"
        );
        let keys = folder.join(KEYS).metadata().unwrap();
        assert_eq!((keys.uid(), keys.gid(), keys.mode() & 0o777), (AGENT, AGENT, 0o700));
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_is_not_followed_whoever_made_it() {
        let Some((above, folder)) = of_the_agent("a_link_in_the_place_of_the_folder_is_not_followed_whoever_made_it") else {
            return;
        };
        let (victim, link) = (above.path().join("roots"), folder.join("state"));
        std::fs::create_dir(&victim).unwrap();
        symlink(&victim, &link).unwrap();
        for owner in [0, AGENT] {
            std::os::unix::fs::lchown(&link, Some(owner), Some(owner)).unwrap();
            prove_writable(&link).unwrap_err();
            assert_eq!(victim.read_dir().unwrap().count(), 0);
        }
    }

    #[test]
    fn root_makes_no_folder_where_another_user_decides_what_stands_there() {
        let Some((_above, folder)) = of_the_agent("root_makes_no_folder_where_another_user_decides_what_stands_there") else {
            return;
        };
        let refused = prove_writable(&folder.join("state")).unwrap_err().to_string();
        assert!(refused.contains(&format!("belongs to user {AGENT}")), "{refused}");
        assert_eq!(folder.read_dir().unwrap().count(), 0);
    }

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
