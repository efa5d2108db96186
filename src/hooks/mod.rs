//! Programs that a node runs after a swap and on other events, and a leader after a snapshot: argv only, a clean environment, a time limit,
//! and none of the agent's capabilities.

mod account;
#[cfg(test)]
pub(crate) mod in_unit;
pub mod probe;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::clock::Clock;
use crate::types::Span;
pub use account::{Account, may_switch_user};

/// How much of a hook's output is kept, in bytes, of stdout and of stderr each.
pub const OUTPUT_BYTES: usize = 16 << 10;
/// How long after its end a hook's output is still read. A process that left its group may hold the pipes open for ever.
const LATE_OUTPUT: Span = Span::secs(1);
/// How long the end of a killed hook is waited for. A process of another user can't be killed, and one that waits for a device not yet.
const LATE_END: Span = Span::secs(1);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run, as it was configured. No shell reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    program: String,
    arguments: Vec<String>,
    timeout: Span,
    account: Option<Account>,
}

impl Hook {
    /// A program by its absolute path, its arguments, and how long it may take.
    ///
    /// # Errors
    /// No program, one without an absolute path, or no time; in words.
    pub fn new(argv: Vec<String>, timeout: Span) -> Result<Self, String> {
        let mut arguments = argv.into_iter();
        let program = arguments.next().unwrap_or_default();
        if !Path::new(&program).is_absolute() {
            return Err(format!(
                "a hook's argv must begin with a program's absolute path, and {program:?} is none"
            ));
        }
        if timeout == Span(0) {
            return Err(format!("the hook {program} has no time to run: give a timeout above 0s"));
        }
        Ok(Self {
            program,
            arguments: arguments.collect(),
            timeout,
            account: None,
        })
    }

    /// The same, run as `account`; see [`may_switch_user`].
    #[must_use]
    pub fn as_user(self, account: Account) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }
}

/// How a hook ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookResult {
    /// Whether it succeeded.
    pub ended: Result<(), HookError>,
    /// The beginning of what it wrote to stdout; where it was cut, that is said at the end.
    pub stdout: String,
    /// The beginning of what it wrote to stderr, likewise.
    pub stderr: String,
}

/// Why a hook did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("the hook {program} can't be started: {why}; look at its path and mode, and whether its user may run it")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        why: String,
    },
    /// It ended with an error.
    #[error("the hook {program} failed with {status}; its output is in the log")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It took too long and was killed, with every process that it had started in its group.
    #[error("the hook {program} was killed after {timeout}; make it faster, or raise its timeout")]
    TimedOut {
        /// The program.
        program: String,
        /// How long it had.
        timeout: Span,
    },
    /// It took too long and goes on all the same.
    #[error(
        "the hook {program} took longer than {timeout} and can't be killed: it has become another user, or waits for a device; look for it \
         with `ps -eo pid,user,stat,cmd`, and end it before it is run again"
    )]
    NotKilled {
        /// The program.
        program: String,
        /// How long it had.
        timeout: Span,
    },
}

/// Runs a hook to its end, or kills it and its process group when its time is over. It gets nothing of this process's environment: `PATH`
/// and `environment` only, which holds ids and paths and never a secret.
pub async fn run(hook: &Hook, environment: &BTreeMap<String, String>, clock: &Clock) -> HookResult {
    let mut command = Command::new(&hook.program);
    command
        .args(&hook.arguments)
        .env_clear()
        .env("PATH", PATH)
        .envs(environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    match account::spawn(&mut command, hook.account.as_ref()) {
        Ok(child) => watch(hook, child, clock).await,
        Err(why) => HookResult {
            ended: Err(HookError::NotStarted {
                program: hook.program.clone(),
                why: why.to_string(),
            }),
            stdout: String::new(),
            stderr: String::new(),
        },
    }
}

/// A process group that is killed when this is dropped, so that nobody in it survives a hook: neither when its time is over, nor when
/// the agent stops, nor when the program itself has ended and left others behind. A process that made a session of its own escapes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Nobody is left in it, or its members are gone now: either is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn watch(hook: &Hook, mut child: Child, clock: &Clock) -> HookResult {
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Beginning::default(), Beginning::default());
    let ended = {
        let reading = async { tokio::join!(stdout.read(out), stderr.read(err)) };
        tokio::pin!(reading);
        let finish = async {
            let status = tokio::select! {
                status = child.wait() => status,
                // A hook may close its output long before it ends.
                _ = &mut reading => return child.wait().await,
            };
            // A process that it left behind would keep the pipes open.
            drop(group);
            tokio::select! {
                _ = &mut reading => {}
                () = clock.sleep(LATE_OUTPUT) => {}
            }
            status
        };
        tokio::select! {
            status = finish => Some(status),
            () = clock.sleep(hook.timeout) => None,
        }
    };
    let (program, timeout) = (hook.program.clone(), hook.timeout);
    let ended = match ended {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(HookError::Failed { program, status }),
        Some(Err(why)) => Err(HookError::NotStarted {
            program,
            why: why.to_string(),
        }),
        // The group is killed; fetching the program's end leaves no zombie.
        None if ends_soon(child.wait(), clock).await => Err(HookError::TimedOut { program, timeout }),
        // Whenever it ends, the runtime fetches it.
        None => Err(HookError::NotKilled { program, timeout }),
    };
    HookResult {
        ended,
        stdout: stdout.into_text(),
        stderr: stderr.into_text(),
    }
}

/// Whether `end` comes within the time that is given to a killed program.
async fn ends_soon<T>(end: impl Future<Output = T>, clock: &Clock) -> bool {
    tokio::select! {
        biased;
        _ = end => true,
        () = clock.sleep(LATE_END) => false,
    }
}

/// The beginning of what a program wrote.
#[derive(Default)]
struct Beginning {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Beginning {
    /// Reads to the end, so that the program never waits, and keeps the beginning.
    async fn read(&mut self, from: Option<impl AsyncRead + Unpin>) {
        let Some(mut from) = from else { return };
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            let kept = read.min(OUTPUT_BYTES - self.bytes.len());
            self.bytes.extend_from_slice(&piece[..kept]);
            self.is_cut |= kept < read;
        }
    }

    fn into_text(self) -> String {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.is_cut {
            return format!("{text}\n(cut here: only the first {OUTPUT_BYTES} bytes are kept)");
        }
        text
    }
}

#[cfg(test)]
mod tests;
