//! A leader whose files it may not write, or not even read: it says what to do, and starts once that is done.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use tokio::process::Command;

use crate::fleet::{Fleet, SLOW};
use crate::process::{JKEYS, Said, Service, until};
use crate::skipped::skipped;

/// An account that is nobody's.
const OTHER: u32 = 65_534;

async fn said(mut command: Command) -> Said {
    let output = command.kill_on_drop(true).output().await.unwrap();
    Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn on_a_file_system_that_can_only_be_read_the_leader_says_so_and_starts_once_it_can_be_written() {
    let mut fleet = Fleet::founded(SLOW).await;
    let before = files(&fleet.leader_state());
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 99; exec \"$2\" --config \"$3\" leader";
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(fleet.leader_state()).arg(JKEYS).arg(fleet.leader_toml());
    let said = said(command).await;
    if said.status == 99 || said.err.contains("unshare") {
        return skipped("on_a_file_system_that_can_only_be_read: this system lets the test mount no file system");
    }
    said.refused(&["Read-only file system", "mount that file system writable", "ReadWritePaths="]);
    assert_eq!(files(&fleet.leader_state()), before);
    fleet.start_leader().await;
    fleet.stop_leader().await;
}

#[tokio::test]
async fn a_keystore_of_another_owner_or_mode_is_no_damage_and_opens_once_that_is_mended() {
    if !rustix::process::geteuid().is_root() {
        return skipped("a_keystore_of_another_owner_or_mode: only root can give files away");
    }
    let fleet = Fleet::founded(SLOW).await;
    let state = fleet.leader_state();
    give(fleet.root(), OTHER);
    if !as_other(&fleet, &["--version"])
        .output()
        .await
        .is_ok_and(|output| output.status.success())
    {
        return skipped("a_keystore_of_another_owner_or_mode: another account can't run the program from here");
    }
    let before = files(&state);
    for (place, mode) in [
        ("", 0o700),
        ("db", 0o700),
        ("db/db", 0o600),
        ("db/db", 0o644),
        ("db/conf", 0o600),
        ("anchor", 0o600),
        ("lock", 0o600),
        ("segments", 0o700),
        ("snapshots", 0o700),
    ] {
        let path = state.join(place);
        let own = fs::metadata(&path).unwrap().permissions();
        chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let said = said(as_other(&fleet, &["leader"])).await;
        said.refused(&["Permission denied", "give the account that runs jkeys the right"]);
        assert!(!said.err.contains("damaged"), "{place}: {said:?}");
        chown(&path, Some(OTHER), Some(OTHER)).unwrap();
        fs::set_permissions(&path, own).unwrap();
        assert_eq!(files(&state), before, "{place}");
    }
    let log = fleet.root().join("leader.log");
    let leader = Service::spawn(as_other(&fleet, &["leader"]), "", log).await;
    until("a leader that answers", async || fleet.status().await).await;
    leader.kill().await;
}

/// The program, run by the other account.
fn as_other(fleet: &Fleet, args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={OTHER}"), format!("--regid={OTHER}"));
    command.args([&user, &group, "--clear-groups", JKEYS, "--config"]);
    command.arg(fleet.leader_toml()).args(args);
    command
}

/// Gives a folder and all that is in it to another account.
fn give(path: &Path, to: u32) {
    chown(path, Some(to), Some(to)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), to);
        }
    }
}

/// Every file beside the database with its bytes, but for the one that says who used the keystore last. The database writes when it
/// is opened.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "db" {
            files.extend(self::files(&path));
        } else if path.is_file() && entry.file_name() != "lock.pid" {
            files.push((path.display().to_string(), fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}
