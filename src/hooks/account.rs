//! A hook as another user, and no hook with the agent's capabilities.

use std::io;

use rustix::io::Errno;
use rustix::process::Gid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_thread_groups,
    set_thread_res_gid,
};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// What it takes to run a hook as another user, and to end it.
const NEEDED: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

/// An account to run a hook as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// All its groups.
    pub groups: Vec<u32>,
}

/// Whether this process may run a hook as another user, and end it.
#[must_use]
pub fn may_switch_user() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED))
}

/// Starts `command`, as `account` where there is one, and without any capability that a unit has given to this process: who may become
/// another user could become root.
///
/// Groups and capabilities belong to a thread, and a child begins with those of the thread that starts it. So this takes a thread of its
/// own, which ends with it. The user is changed in the child: a thread of another user could be signalled by that user.
pub(super) fn spawn(command: &mut Command, account: Option<&Account>) -> io::Result<Child> {
    let runtime = Handle::current();
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            let _inside = runtime.enter();
            drop_ambient()?;
            if let Some(account) = account {
                take_groups(account)?;
                command.uid(account.uid);
            }
            command.spawn()
        });
        started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn drop_ambient() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // A kernel without such a set gives none of it on.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(why) => Err(why.into()),
    }
}

fn take_groups(account: &Account) -> io::Result<()> {
    let groups: Vec<Gid> = account.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let own = Gid::from_raw(account.gid);
    set_thread_groups(&groups)?;
    set_thread_res_gid(own, own, own)?;
    // The standard library takes all groups away before it changes the user, where it may.
    let left = CapabilitySets {
        effective: CapabilitySet::SETUID,
        permitted: CapabilitySet::SETUID,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, left)?)
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
