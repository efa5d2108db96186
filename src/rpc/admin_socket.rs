//! The leader's Unix socket. Who may connect is what its file mode says: the leader's own account, the admin group, root.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::accounts::group_id;

/// Read and write for owner and group.
const MODE: u32 = 0o660;

/// Why the socket can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody listens there.
    #[error("another leader listens on {0}; stop it first, or give this one another socket")]
    InUse(PathBuf),
    /// The group isn't on this machine.
    #[error("the group {0:?} does not exist here; make it with `groupadd --system {0}`, or name another in the configuration")]
    NoGroup(String),
    /// The machine refuses.
    #[error("the socket {path} can't be made: {why}; look at the folder and its mode")]
    Io {
        /// Which socket.
        path: PathBuf,
        /// The machine's words.
        why: io::Error,
    },
}

/// Listens on `path`, with mode 0660 and, if given, `group`.
///
/// A socket that a dead leader left there is replaced. Until mode and group are right the socket has another name, so nobody slips in.
///
/// # Errors
/// Somebody listens there already, the group isn't there, or the machine refuses.
pub fn bind_admin(path: &Path, group: Option<&str>) -> Result<UnixListener, SocketError> {
    if net::UnixStream::connect(path).is_ok() {
        return Err(SocketError::InUse(path.to_owned()));
    }
    let group = match group {
        Some(name) => Some(group_id(name).ok_or_else(|| SocketError::NoGroup(name.to_owned()))?),
        None => None,
    };
    listen(path, group).map_err(|why| SocketError::Io {
        path: path.to_owned(),
        why,
    })
}

fn listen(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let hidden = PathBuf::from(name);
    match fs::remove_file(&hidden) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let listener = net::UnixListener::bind(&hidden)?;
    chown(&hidden, None, group)?;
    fs::set_permissions(&hidden, Permissions::from_mode(MODE))?;
    fs::rename(&hidden, path)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn the_admin_socket_is_for_owner_and_group_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leader.sock");
        let _listener = bind_admin(&path, None).unwrap();
        assert_eq!(mode(&path), 0o660);
    }

    #[tokio::test]
    async fn a_second_leader_is_refused_and_a_dead_ones_socket_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leader.sock");
        let first = bind_admin(&path, None).unwrap();
        assert!(matches!(bind_admin(&path, None), Err(SocketError::InUse(_))));
        drop(first);
        assert!(path.exists());
        assert!(bind_admin(&path, None).is_ok());
    }

    #[tokio::test]
    async fn a_group_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = bind_admin(&folder.path().join("s"), Some("no-such-group")).unwrap_err();
        assert!(refused.to_string().contains("groupadd"), "{refused}");
    }
}
