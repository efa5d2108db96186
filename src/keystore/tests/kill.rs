//! Killed at any instant: what was acknowledged is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

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

/// Runs a test of this file again in a process of its own, on `folder`.
fn victim(test: &str, folder: &Folder) -> (Child, std::io::Lines<BufReader<ChildStderr>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg(format!("keystore::tests::kill::{test}"))
        .args(["--nocapture", "--test-threads=1"])
        .env(FOLDER, &folder.dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

fn run_victim(folder: &Folder, until: u64) -> u64 {
    let (mut child, lines) = victim("killed_in_the_middle_nothing_acknowledged_is_lost", folder);
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

/// Says when it begins to open, when it is open, and which step it has done then.
fn open_and_step(dir: &Path) {
    writeln!(std::io::stderr(), "opening").unwrap();
    let store = Keystore::open(dir, &master(0xA5)).unwrap();
    writeln!(std::io::stderr(), "opened").unwrap();
    let number = loaded(&store).version.0 + 1;
    let mut commit = step(number);
    commit.state.resize(60_000, b'.');
    store.commit(&commit).unwrap();
    writeln!(std::io::stderr(), "acknowledged {number}").unwrap();
}

const OPENINGS: usize = 200;

/// Run again in processes of its own, it is what is killed. Each start finds what the one before it has left.
#[test]
fn killed_at_any_moment_of_its_start_it_starts_again_and_nothing_is_lost() {
    const NAME: &str = "killed_at_any_moment_of_its_start_it_starts_again_and_nothing_is_lost";
    if let Some(dir) = std::env::var_os(FOLDER) {
        return open_and_step(dir.as_ref());
    }
    let folder = Folder::with_steps(3);
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let (mut acknowledged, mut killed, mut longest) = (3, 0, Duration::from_millis(20));
    for round in 0..OPENINGS {
        let (mut child, mut lines) = victim(NAME, &folder);
        let said = lines.find(|line| line.as_ref().is_ok_and(|line| line == "opening"));
        assert!(said.is_some(), "round {round}");
        // One in ten comes to its end, and says how long that takes here.
        if round.is_multiple_of(10) {
            #[expect(clippy::disallowed_methods, reason = "the moments of the kills are real")]
            let start = std::time::Instant::now();
            assert!(lines.any(|line| line.unwrap() == "opened"), "round {round}: it does not open");
            longest = start.elapsed();
        } else {
            std::thread::park_timeout(longest.mul_f64(random.random_range(0.0..1.1)));
            child.kill().unwrap();
        }
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        child.wait().unwrap();
        let step = said.iter().find_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        killed += usize::from(!round.is_multiple_of(10) && !said.iter().any(|line| line == "opened"));
        let was_refused = said.iter().find(|line| line.contains("panicked"));
        assert!(was_refused.is_none(), "round {round}: {said:?}");
        acknowledged = acknowledged.max(step.unwrap_or(0));
    }
    println!("{OPENINGS} starts, {killed} of them killed before they were open; step {acknowledged}");
    let store = folder.open().unwrap();
    assert!(loaded(&store).version >= Version(acknowledged) && acknowledged >= 20);
    assert!(killed > OPENINGS / 4, "{killed}");
}
