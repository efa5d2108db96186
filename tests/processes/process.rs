//! Running the program: one command to its end, or a service until it is told to stop or killed.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jkeys::clock::Clock;
use jkeys::durable::{FileAttrs, write_file};
use jkeys::types::Span;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// The program under test.
pub const JKEYS: &str = env!("CARGO_BIN_EXE_jkeys");
/// How long anything may take on a busy machine. Nothing waits for it in a test that passes.
pub const LONG: Duration = Duration::from_secs(60);

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What it printed, once it ended well.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    /// It ended with this status and said each of these.
    #[track_caller]
    pub fn ended(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        let said = format!("{}{}", self.out, self.err);
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }

    /// It was refused with exit status 1 and one message for a person.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        self.ended(1, words);
        assert!(self.err.contains("jkeys: "), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
    }
}

/// Runs one command to its end.
pub async fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Said {
    run_with(args, "").await
}

/// Runs one command to its end, with `input` on its standard input.
pub async fn run_with<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, input: &str) -> Said {
    let mut command = Command::new(JKEYS);
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = with_input(command, input).await;
    let output = tokio::time::timeout(LONG, child.wait_with_output()).await;
    let output = output.expect("the command ends").unwrap();
    Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn with_input(mut command: Command, input: &str) -> Child {
    let mut child = command
        .env_remove("JKEYS_LOG")
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    child
}

/// A service that runs. Dropped, it is killed.
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts the program as a service; its log is appended to `log`.
    pub async fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, log: PathBuf) -> Self {
        let mut command = Command::new(JKEYS);
        command.args(args);
        Self::spawn(command, "", log).await
    }

    /// Starts a command that becomes a service.
    pub async fn spawn(mut command: Command, input: &str, log: PathBuf) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        command.stdout(Stdio::null()).stderr(file);
        let child = with_input(command, input).await;
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9`
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end, and gives its exit status.
    pub async fn ended(mut self, within: Duration) -> Option<i32> {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("it does not end; its log: {}", self.log()));
        ended.unwrap().code()
    }

    /// It has not ended by itself.
    pub fn still_runs(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended, {ended:?}; its log: {}", self.log());
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log has said this `times` times.
    pub async fn logs(&self, words: &str, times: usize) {
        until(&format!("{words:?} in the log {}", self.log.display()), async || {
            (self.log().matches(words).count() >= times).then_some(())
        })
        .await;
    }
}

/// Looks until something is there.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(LONG, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            Clock::machine().sleep(Span(50)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Writes a file of a test.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    write_file(path, content.as_ref(), &FileAttrs::mode(0o600)).unwrap();
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
