//! How a command ends: its exit status, or what went wrong.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::audit::AuditError;
use super::explain::ExplainError;
use crate::agent::{AgentError, EnrollError};
use crate::config::file::FileError;
use crate::dev::DevError;
use crate::durable::DurableError;
use crate::leader::LeaderError;
use crate::leader::backup::KeystoreError;
use crate::leader::founding::FoundingError;
use crate::leader::restore::RestoreError;
use crate::rpc::{ConnectError, Failure, WireError};
use crate::telemetry::LogError;
use crate::types::NameError;

/// How a command that was carried out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done on some nodes only; the others have been named.
    Partly,
}

/// Why a command was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The flags contradict each other. clap found the others before.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// There is no configuration to find the leader by.
    #[error(transparent)]
    Config(#[from] FileError),
    /// No leader answers.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The leader is too old or too new.
    #[error("the leader runs jkeys {leader}, and this is jkeys {}: {why}", env!("CARGO_PKG_VERSION"))]
    OtherRelease {
        /// The leader's release.
        leader: String,
        /// What the protocol says.
        why: Failure,
    },
    /// The leader refused or failed.
    #[error(transparent)]
    Leader(#[from] Failure),
    /// The leader's answer can't be read.
    #[error("the leader's answer can't be read: {0}")]
    Answer(#[from] WireError),
    /// The connection broke before the leader had answered a decision.
    #[error("{0}; whether the leader decided it is not known: look at `jkeys history` before you try again")]
    Undecided(Failure),
    /// The connection broke after the decision.
    #[error("{0}; what was decided stands: `jkeys status` shows which nodes have confirmed it")]
    Interrupted(Failure),
    /// `jkeys init` overwrites nothing.
    #[error("{0:?} is there already and was left as it is; edit it, or move it away first")]
    Exists(PathBuf),
    /// The system lets the process hear no signals.
    #[error("signals can't be listened to: {0}; look at the limits of this process")]
    Signal(std::io::Error),
    /// A path that can't be used.
    #[error("{path:?} can't be used: {why}; name another with --dir or --config")]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A leader's service ended.
    #[error(transparent)]
    Leading(#[from] LeaderError),
    /// An agent's service ended.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A fleet could not be founded.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// A backup overwrites nothing by accident.
    #[error("{0:?} is there already and was left as it is; name another file, or replace it with --force")]
    BackupExists(PathBuf),
    /// What came of a backup can't be relied on.
    #[error(
        "{0:?} was not written, because what was read back is not a whole backup: {1}; try again, and look at the disk if it stays so"
    )]
    Backup(PathBuf, KeystoreError),
    /// Nothing was restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// This machine could not join.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// The scratch cluster ended.
    #[error(transparent)]
    Dev(#[from] DevError),
    /// Tokens did not verify in the scratch cluster.
    #[error("{0} probes failed: a relying party would have refused those tokens; they are named above")]
    FailedProbes(u64),
    /// What was asked beforehand would be refused.
    #[error("a dry run: it would be refused, and nothing would change: {0}")]
    WouldBeRefused(String),
    /// A configuration breaks timing rules.
    #[error("the configuration breaks {0} timing rules, named above; a leader would refuse it: change what they say")]
    Unsafe(usize),
    /// The audit log, or a proof of it.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A token.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// There is no log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A token could not be read from standard input.
    #[error("no join token came on standard input: {0}; paste the line that `jkeys node token NAME` printed on the leader")]
    NoToken(io::Error),
    /// A token's file could not be read.
    #[error(
        "the join token can't be read from {0:?}: {1}; put the line that `jkeys node token NAME` printed into a file that you may read"
    )]
    TokenFile(PathBuf, io::Error),
    /// A name that was made up of flags.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The output could not be written.
    #[error("the output can't be written: {0}; what was asked may have been done, `jkeys history` tells")]
    Output(io::Error),
}

impl Exit {
    /// The exit status of the program.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Partly => 3,
        }
    }
}

impl CliError {
    /// The exit status of the program.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}

/// Says on standard error what went wrong, and gives the exit status of the program.
#[must_use]
pub fn conclude(outcome: Result<Exit, CliError>) -> ExitCode {
    let status = match outcome {
        Ok(exit) => exit.status(),
        Err(error) => {
            // Where standard error can't be written either, the exit status is all that is left to say.
            let _ = match &error {
                CliError::Usage(usage) => usage.print(),
                other => writeln!(io::stderr(), "jkeys: {other}"),
            };
            error.status()
        }
    };
    ExitCode::from(status)
}
