//! What others say to the engine.

use std::num::NonZeroU64;

use tokio::sync::oneshot;

use crate::crypto::{CryptoError, NewKey};
use crate::leader::authority::NewCa;
use crate::lifecycle::{Command, Decision, Halt, Papers, Refusal, Report, Shown};
use crate::pki::PkiError;
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
    /// A node has opened a stream.
    Came {
        node: NodeName,
        enrolment: Enrolment,
        instance: NonZeroU64,
    },
    /// A node says what it has on its disk of its papers.
    Papers { enrolment: Enrolment, papers: Papers },
    /// A CA was made, or could not be.
    CaMade(Result<NewCa, PkiError>),
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
