//! `jkeys dev` that is ended from outside, or by one of its parts.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::process::{JKEYS, LONG};

/// A run, up to the first line that says this.
async fn run_until(args: &[&str], temporary: &Path, words: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(JKEYS)
        .args(["dev", "--agents", "1"])
        .args(args)
        .env("TMPDIR", temporary)
        .env_remove("JKEYS_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        let read = tokio::time::timeout(LONG, out.read_line(&mut line))
            .await
            .expect("it goes on");
        assert!(read.unwrap() > 0, "it ended");
    }
    (child, out)
}

/// Its exit status, and the rest of what it says on standard output and standard error.
async fn ended(mut child: Child, mut out: BufReader<ChildStdout>) -> (Option<i32>, String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut err = child.stderr.take().unwrap();
    let ended = tokio::time::timeout(LONG, async {
        let (_, _, status) = tokio::join!(out.read_to_string(&mut stdout), err.read_to_string(&mut stderr), child.wait());
        status
    });
    (ended.await.expect("it ends").unwrap().code(), stdout, stderr)
}

#[tokio::test]
async fn a_closed_terminal_ends_a_run_and_leaves_no_key_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let (child, out) = run_until(&[], temporary.path(), "generation ").await;
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1, "the scratch folder");
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    kill_process(pid.unwrap(), Signal::HUP).unwrap();
    let (status, stdout, stderr) = ended(child, out).await;
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.ends_with(" failed probes\n"), "{stdout}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_run_whose_leader_ends_says_why_and_what_it_had_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("dev");
    let args = ["--dir", dir.to_str().unwrap(), "--interval", "10s", "--json"];
    let (child, out) = run_until(&args, folder.path(), r#""event":"probe""#).await;
    fs::rename(dir.join("leader"), dir.join("elsewhere")).unwrap();
    let (status, stdout, stderr) = ended(child, out).await;
    assert_eq!(status, Some(1), "{stderr}");
    assert!(
        stderr.contains("the leader ended: ") && stderr.contains("storage failed"),
        "{stderr}"
    );
    let last = stdout.lines().last().unwrap();
    assert!(last.contains(r#""event":"summary""#), "{stdout}");
}
