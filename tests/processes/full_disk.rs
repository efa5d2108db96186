//! A node whose disk is full: it keeps what it has, says so, and goes on once there is room.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jkeys::dev::read_node;
use jkeys::outputs::prove;
use tokio::process::Command;

use crate::fleet::{Fleet, SLOW};
use crate::process::{JKEYS, Service, until};
use crate::skipped::skipped;

const FORCED: [&str; 7] = ["rotate", "--now", "--force", "--reason", "superseded", "--wait", "3s"];

#[tokio::test]
async fn a_node_on_a_full_disk_keeps_its_view_and_says_why() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    let Some(disk) = join_on_small_disk(&mut fleet, "b").await else {
        return skipped("a_node_on_a_full_disk_keeps_its_view_and_says_why: this system lets the test mount no file system");
    };
    fleet.all_in_service().await;
    let before = read_node(&disk).unwrap().unwrap();
    let ballast = fill(&disk);
    fleet
        .run(&FORCED)
        .await
        .ended(3, &["a  confirmed after", "not confirmed by b"]);
    let problem = until("the problem", async || fleet.node("b").await?.problem).await;
    for words in ["No space left on device", "free some space on that file system"] {
        assert!(problem.contains(words), "{problem}");
    }
    fleet.run(&["status"]).await.ended(0, &["No space left on device"]);
    let held = read_node(&disk).unwrap().unwrap();
    assert_eq!(held.public, before.public);
    let private = held.private.unwrap();
    assert_eq!(private.expose(), before.private.unwrap().expose());
    prove(&held.public, private.expose()).unwrap();
    fs::remove_file(ballast).unwrap();
    until("no problem any more", async || {
        fleet.node("b").await?.problem.is_none().then_some(())
    })
    .await;
    fleet.all_in_service().await;
    let after = read_node(&disk).unwrap().unwrap();
    assert_ne!(after.public, before.public);
    assert_eq!(after.public, read_node(&fleet.agent_state("a")).unwrap().unwrap().public);
}

/// Joins a node whose state is on a file system of its own, of 256 KiB, which goes away with the process. Gives the folder as this
/// process can reach it; none where the system allows no mount.
async fn join_on_small_disk(fleet: &mut Fleet, node: &str) -> Option<PathBuf> {
    fleet.configure_agent(node).await;
    let state = fleet.agent_state(node);
    fs::create_dir(&state).unwrap();
    // In a namespace of users / belongs to nobody who is known, and no node goes below it.
    let mount = "[ $(stat -c %u /) = 0 ] && mount -t tmpfs -o size=256k,mode=755 small \"$1\" || exit 99";
    let may = in_own_mounts(mount, &[state.as_os_str()]).output().await;
    if !may.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let script = format!("{mount}; \"$2\" --config \"$3\" enroll - || exit 98; exec \"$2\" --config \"$3\" agent");
    let config = fleet.agent_toml(node);
    let command = in_own_mounts(&script, &[state.as_os_str(), JKEYS.as_ref(), config.as_os_str()]);
    let token = fleet.token(node).await;
    let agent = Service::spawn(command, &token, fleet.root().join(format!("{node}.log"))).await;
    let seen_from_here = Path::new("/proc").join(agent.pid().to_string()).join("root");
    fleet.agents.insert(node.to_owned(), agent);
    Some(seen_from_here.join(state.strip_prefix("/").unwrap()))
}

fn in_own_mounts(script: &str, args: &[&std::ffi::OsStr]) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .args(args)
        .kill_on_drop(true);
    command
}

/// Leaves no room on the disk.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}
