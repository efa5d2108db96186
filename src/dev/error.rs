//! Why there is no scratch cluster.

use std::io;
use std::path::PathBuf;

use super::schedule::TooShort;
use crate::agent::{AgentError, EnrollError};
use crate::config::file::FileError;
use crate::durable::DurableError;
use crate::leader::LeaderError;
use crate::leader::founding::FoundingError;
use crate::rpc::{ConnectError, Failure, WireError};
use crate::types::NodeName;

/// Why a scratch cluster could not be made, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The interval.
    #[error(transparent)]
    Interval(#[from] TooShort),
    /// The number of agents.
    #[error("--agents {0} is not between 1 and 1000")]
    Agents(u16),
    /// The folder holds something.
    #[error("{0:?} is not empty; name a folder that is empty or not there yet: `jkeys dev` overwrites nothing")]
    NotEmpty(PathBuf),
    /// The folder can't be made or read.
    #[error("the folder {path:?} can't be used: {why}; name another with --dir")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// The system's words.
        why: io::Error,
    },
    /// The folder's name can't be written in a configuration.
    #[error("the path {0:?} is not UTF-8, which a configuration must be; name another folder with --dir")]
    NotText(PathBuf),
    /// The folder's name is too long for a socket in it.
    #[error("the path {path:?} has {} bytes, and a socket's may have {most} at most; name a shorter folder with --dir", path.as_os_str().len())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// The most bytes that it may have.
        most: usize,
    },
    /// The system lets the process open too few files.
    #[error("{agents} agents need {needed} open files, and the system allows {allowed}; ask for fewer, or raise `ulimit -Hn`")]
    OpenFiles {
        /// How many agents.
        agents: u16,
        /// How many files.
        needed: u64,
        /// The limit.
        allowed: u64,
    },
    /// There is no free port.
    #[error("no port of 127.0.0.1 is free: {0}; stop what holds them")]
    Port(io::Error),
    /// A file can't be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A configuration that was just written is refused.
    #[error(transparent)]
    Config(#[from] FileError),
    /// The keystore can't be founded.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The leader.
    #[error("the leader ended: {0}")]
    Leader(#[from] LeaderError),
    /// The leader or an agent ended without being told to.
    #[error("{0} ended by itself; look at the log of this run, on standard error")]
    Ended(String),
    /// An agent.
    #[error("{node} ended: {why}")]
    Agent {
        /// Which.
        node: NodeName,
        /// Why.
        why: AgentError,
    },
    /// A node could not join.
    #[error("{node} could not join: {why}")]
    Enroll {
        /// Which.
        node: NodeName,
        /// Why.
        why: Box<EnrollError>,
    },
    /// The admin socket.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The leader refused a call.
    #[error("the leader does not answer: {0}")]
    Call(Failure),
    /// An answer of the leader.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A record of the log.
    #[error(transparent)]
    Record(#[from] crate::audit::RecordError),
    /// Nothing can be shown any more.
    #[error("can't write what is shown: {0}")]
    Output(#[from] io::Error),
}

impl From<tonic::Status> for DevError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(status.into())
    }
}
