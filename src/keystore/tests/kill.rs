//! Killed at any instant: what was acknowledged is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Folder, loaded, master, step};
use crate::keystore::Keystore;
use crate::types::{Seq, Version};

const FOLDER: &str = "JKEYS_TEST_KEYSTORE";

/// Says each version that was acknowledged, until it is killed.
fn be_killed(dir: &Path) {
    let store = Keystore::open(dir, &master(0xA5)).unwrap();
    let start = loaded(&store).version.0 + 1;
    for number in start.. {
        let mut commit = step(number);
        commit.state.resize(150_000, b'.');
        store.commit(&commit).unwrap();
        // Not println: the test harness would keep it.
        writeln!(std::io::stderr(), "acknowledged {number}").unwrap();
        store
            .observe(&[(b"up".to_vec(), Some(number.to_be_bytes().to_vec()))])
            .unwrap();
    }
}

fn run_victim(folder: &Folder, until: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "keystore::tests::kill::killed_in_the_middle_nothing_acknowledged_is_lost",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, &folder.dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged = 0;
    for line in lines {
        if let Some(number) = line.unwrap().strip_prefix("acknowledged ") {
            acknowledged = number.parse().unwrap();
            if acknowledged == until {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    acknowledged
}

/// Run again in processes of its own, it is what is killed.
#[test]
fn killed_in_the_middle_nothing_acknowledged_is_lost() {
    if let Some(dir) = std::env::var_os(FOLDER) {
        return be_killed(dir.as_ref());
    }
    let folder = Folder::with_steps(1);
    for round in 1..=4 {
        let acknowledged = run_victim(&folder, round * 7);
        assert!(acknowledged >= round * 7, "{acknowledged}");
        let store = folder.open().unwrap();
        let found = loaded(&store);
        assert!(found.version >= Version(acknowledged), "{} < {acknowledged}", found.version);
        assert_eq!(found.next_seq, Seq(found.version.0));
        assert!(found.state.starts_with(format!("state {}", found.version).as_bytes()));
        let observed = store.observations().unwrap();
        assert!(observed[0].1.as_slice() >= &(acknowledged - 1).to_be_bytes()[..]);
    }
}

#[test]
fn a_copy_of_the_files_between_steps_opens() {
    let folder = Folder::with_steps(1);
    let store = folder.open().unwrap();
    for number in 2..=6 {
        store.commit(&step(number)).unwrap();
        let copy = folder.copy();
        assert_eq!(loaded(&copy.open().unwrap()).version, Version(number));
    }
}
