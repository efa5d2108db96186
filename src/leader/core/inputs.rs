//! What goes into the leader's core and what comes out.

use std::num::NonZeroU64;

use crate::leader::core::Commit;
use crate::lifecycle::{CaFacts, Command, Decision, Halt, Papers, Profile, Refusal, Report, Settings, Shown, Sighting};
use crate::rpc::fleet::Answer;
use crate::types::{Actor, Enrolment, Generation, Kid, NodeName, ProfileName, PublicKey, Time};

/// When a leader was there, and what its clock was worth then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUp {
    /// The last moment at which one was known to be there.
    pub at: Time,
    /// Until when its time was right, for all that was known then: at most `at`. What was noted since may have been noted too early.
    pub right_until: Time,
}

impl From<Time> for LastUp {
    fn from(at: Time) -> Self {
        Self { at, right_until: at }
    }
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The leader starts.
    Start {
        /// The last time that a leader was known to be there.
        last_up: Option<LastUp>,
        /// The settings that it was started with.
        settings: Settings,
    },
    /// A caller asks for something.
    Ask(Ask),
    /// The shell has refused an authenticated caller by itself.
    Refused {
        /// Who asked.
        actor: Actor,
        /// For what.
        request: String,
        /// Why not.
        refusal: String,
    },
    /// A node reports.
    Report {
        /// The node.
        node: NodeName,
        /// The enrolment that its certificate belongs to.
        enrolment: Enrolment,
        /// What it read back.
        report: Report,
    },
    /// A node remembers a checkpoint that is not in the log (rule R5).
    ForeignLog {
        /// The enrolment that its certificate belongs to.
        enrolment: Enrolment,
        /// What it remembers.
        halt: Halt,
    },
    /// A node that refuses the leader, or what it sends, shows what it holds. The proof of that is verified.
    Shown {
        /// The node.
        node: NodeName,
        /// The enrolment that its certificate belongs to.
        enrolment: Enrolment,
        /// What it holds.
        shown: Shown,
    },
    /// A node has opened a stream.
    Came {
        /// The node.
        node: NodeName,
        /// The enrolment that its certificate belongs to.
        enrolment: Enrolment,
        /// The number that its agent made when it started.
        instance: NonZeroU64,
    },
    /// A node says what is on its disk of its certificate, and whom it trusts.
    Papers {
        /// The enrolment that its certificate belongs to.
        enrolment: Enrolment,
        /// What it says.
        papers: Papers,
    },
    /// A CA has been made.
    CaMade {
        /// What it is.
        facts: CaFacts,
        /// Its certificate, DER in base64.
        certificate: String,
    },
    /// A CA could not be made.
    CaFailed,
    /// The reports so far are to be made durable.
    Settle,
    /// The observations of the last [`Effect::Observe`] are durable.
    Settled,
    /// A key has been made.
    KeyMade {
        /// Its profile.
        profile: ProfileName,
        /// The serial of [`Effect::MakeKey`].
        serial: u64,
        /// The key.
        key: Box<PublicKey>,
    },
    /// A key could not be made.
    KeyFailed {
        /// Its profile.
        profile: ProfileName,
        /// The serial of [`Effect::MakeKey`].
        serial: u64,
    },
    /// Time has passed.
    Woke,
}

/// A caller's request.
#[derive(Debug)]
pub struct Ask {
    /// Where the answer goes.
    pub ticket: Ticket,
    /// Who asks.
    pub actor: Actor,
    /// The request in words, for the record of a refusal.
    pub request: String,
    /// The request.
    pub command: Command,
}

/// Names one waiting caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something to carry out. Effects are carried out in order; one that fails ends the leader.
#[derive(Debug)]
pub enum Effect {
    /// Make a decision durable.
    Commit(Box<Commit>),
    /// Destroy the private halves of these keys, in the kept snapshots too. Those that are gone already are left at that.
    Destroy(Vec<Kid>),
    /// Make observations durable, then say [`Input::Settled`].
    Observe(Vec<(Enrolment, Sighting)>),
    /// Drop the observations of an enrolment that has ended, and end its streams.
    Forget(Enrolment),
    /// Send the generation in force to every node.
    Publish,
    /// Make a key, then say [`Input::KeyMade`] or [`Input::KeyFailed`].
    MakeKey {
        /// What it must be.
        profile: Box<Profile>,
        /// Names this making.
        serial: u64,
    },
    /// Drop a key that was made and is not used.
    Drop(Kid),
    /// Make a CA, then say [`Input::CaMade`] or [`Input::CaFailed`].
    MakeCa {
        /// Its number.
        number: u32,
    },
    /// The CAs have changed: sign with the one that signs now, and let in whom those that are trusted have signed for.
    Certify,
    /// Destroy the private halves of these CAs, in the kept snapshots too. Those that are gone already are left at that.
    DestroyCas(Vec<u32>),
    /// Answer a caller.
    Reply {
        /// The caller.
        ticket: Ticket,
        /// What was decided, and the generation in force then.
        answer: Result<(Decision, Generation), Refusal>,
    },
    /// Answer a node's report.
    Answer {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
        /// The answer.
        answer: Answer,
    },
    /// Note a refusal that nobody waits for.
    Note(Refusal),
}
