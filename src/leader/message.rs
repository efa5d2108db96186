//! What others say to the engine.

use tokio::sync::oneshot;

use crate::crypto::{CryptoError, NewKey};
use crate::lifecycle::{Command, Decision, Halt, Refusal, Report, Shown};
use crate::rpc::fleet::Cosignature;
use crate::types::{Actor, Enrolment, Generation, NodeName, ProfileName};

/// What others say to the engine.
pub(super) enum Message {
    /// A caller asks.
    Ask {
        actor: Actor,
        request: String,
        command: Command,
        answer: oneshot::Sender<Decided>,
    },
    /// A service has refused an authenticated caller.
    Refused { actor: Actor, request: String, refusal: String },
    /// A node reports.
    Report {
        node: NodeName,
        enrolment: Enrolment,
        report: Report,
    },
    /// A node remembers a checkpoint that is not in the log.
    ForeignLog { enrolment: Enrolment, halt: Halt },
    /// A node shows what it holds.
    Shown {
        node: NodeName,
        enrolment: Enrolment,
        shown: Shown,
    },
    /// A node has cosigned a checkpoint.
    Cosigned { enrolment: Enrolment, cosignature: Cosignature },
    /// A key was made, or could not be.
    Made {
        profile: ProfileName,
        serial: u64,
        key: Result<Box<NewKey>, CryptoError>,
    },
    /// Somebody wants to know whether the engine works: it answers after a step that has looked at the clock.
    Ping { answer: oneshot::Sender<()> },
    /// The leader stops.
    Stop,
}

/// The answer to a caller: the decision and the generation in force after it.
pub(super) type Decided = Result<(Decision, Generation), Refusal>;
