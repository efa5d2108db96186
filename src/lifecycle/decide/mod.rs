//! What may be decided: `(state, sightings, command, now) -> decision or refusal`. A file for each kind of command.

mod adopt;
mod authority;
mod configure;
mod draft;
mod emergency;
mod encryption;
mod evidence;
mod membership;
mod minting;
mod refusal;
mod schedule;
mod service;
mod startup;
mod succession;

use super::adoption::Adopt;
use super::authority::CaFacts;
use super::clock::{Reading, Vote};
use super::ended::Ending;
use super::event::{Event, Why};
use super::settings::Settings;
use super::sightings::Sightings;
use super::state::{Absence, Halt, State};
use crate::types::{Comment, Digest, Enrolment, Kid, NodeName, ProfileName, PublicKey, Reason, Time, WitnessKey};

pub use minting::{Wanted, successor_due_at, wanted};
pub use refusal::Refusal;
pub use schedule::{is_unknown, may_hold_keys, unconfirmed};
pub use service::{evictions_due_at, owing_since};
pub use startup::holds_schedule;

/// What the leader is asked to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Do what is due.
    Tick,
    /// A leader has started.
    Start {
        /// The last moment at which a leader was known to be there; none at the first start.
        last_up: Option<Time>,
    },
    /// Use these settings from now on.
    Configure(Settings),
    /// A key that was wanted has been made.
    KeyMade {
        /// Its profile.
        profile: ProfileName,
        /// The key.
        key: Box<PublicKey>,
        /// When it was asked for.
        asked_at: Time,
    },
    /// `jkeys rotate --now`.
    RotateNow(RotateNow),
    /// `jkeys rotate`: arm the standby as soon as rule R1 allows.
    Hasten {
        /// In these profiles; in all when empty.
        profiles: Vec<ProfileName>,
        /// Why.
        why: Why,
    },
    /// `jkeys revoke`.
    Revoke {
        /// The key.
        kid: Kid,
        /// Why.
        reason: Reason,
        /// The operator's words.
        comment: Option<Comment>,
        /// Whether the private half of an encryption key goes at once too.
        destroy: bool,
    },
    /// A new join token.
    IssueToken {
        /// The hash of its secret.
        token: Digest,
        /// The node that it lets in.
        node: NodeName,
        /// When it stops to work.
        expires_at: Time,
        /// Whether it is refused where a node has that name, or an open token is for it.
        only_new_name: bool,
    },
    /// Take back join tokens that were not used yet.
    RevokeTokens {
        /// Those of this node; all of them where there is none.
        node: Option<NodeName>,
    },
    /// A node that shows a join token.
    Enrol {
        /// The hash of the secret that it showed.
        token: Digest,
        /// The name that it goes by.
        node: NodeName,
        /// SHA-256 of the public key of its certificate.
        tls_key: Digest,
        /// The public key that it cosigns checkpoints with.
        witness_key: WitnessKey,
    },
    /// `jkeys node revoke`, `jkeys node remove`.
    EndNode {
        /// The node.
        node: NodeName,
        /// How it ends.
        ending: Ending,
        /// The operator's words.
        comment: Option<Comment>,
    },
    /// The leader stood still.
    StoodStill(Absence),
    /// Most nodes heard agree with the leader's clock, which was in doubt.
    ClockConfirmed {
        /// Since when it was in doubt.
        doubted_since: Time,
        /// The time that the leader went by.
        from: Time,
        /// What the clock shows.
        to: Time,
        /// What the nodes say.
        vote: Vote,
    },
    /// A node remembers a leader that was further on (rule R5).
    NodeAhead(Halt),
    /// `jkeys audit adopt`.
    Adopt(Adopt),
    /// `jkeys backup`: it is on record before the first byte is handed out (rule R7).
    BackUp,
    /// Two agents with the identity of a node have come in turns.
    NodeCloned {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
    },
    /// `jkeys ca rotate`.
    RotateCa {
        /// The operator's words.
        comment: Option<Comment>,
    },
    /// A CA that was asked for has been made.
    CaMade {
        /// What it is.
        facts: CaFacts,
        /// Its certificate, DER in base64.
        certificate: String,
    },
    /// The leader makes itself another certificate.
    CertifyLeader {
        /// The CA that signs it.
        by: CaFacts,
        /// The last instant at which it is good.
        good_until: Time,
    },
    /// A node asks for another certificate.
    CertifyNode {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
        /// The last instant at which it is good.
        good_until: Time,
    },
}

impl Command {
    /// Whether it says nothing of keys, and is carried out by a leader that decides nothing more (rule R5).
    fn is_for_the_halted(&self) -> bool {
        matches!(
            self,
            Self::Start { .. } | Self::Adopt(_) | Self::BackUp | Self::CertifyLeader { .. } | Self::CertifyNode { .. }
        )
    }
}

/// `jkeys rotate --now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateNow {
    /// In these profiles; in all when empty.
    pub profiles: Vec<ProfileName>,
    /// What is reported compromised.
    pub compromised: Option<Compromised>,
    /// The standby to use.
    pub take: Option<Kid>,
    /// Whether to go on where rule R1, or E1, does not hold.
    pub force: bool,
    /// Whether the private half of an encryption key that is revoked goes at once too.
    pub destroy: bool,
    /// Why.
    pub reason: Reason,
    /// The operator's words.
    pub comment: Option<Comment>,
}

/// What an operator reports compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compromised {
    /// One key of the key set.
    Key(Kid),
    /// A key that history knows, and that is already removed or revoked.
    Gone(Kid),
    /// Every key that exists.
    All,
}

/// A decision: what happened, and the lists of confirmations that allowed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The lists that the events' evidence names, each with its digest.
    pub lists: Vec<(Digest, Vec<u8>)>,
    /// What the operator should be told beside the events.
    pub remarks: Vec<String>,
}

/// Decides, by what the leader's clock is worth.
///
/// Time never goes back: what is decided while the clock stands before the last record is decided at that record's time (rule R9).
///
/// # Errors
/// A [`Refusal`] when the command can't be carried out; nothing has changed then.
pub fn decide(state: &State, seen: &Sightings, command: &Command, clock: impl Into<Reading>) -> Result<Decision, Refusal> {
    let clock = clock.into();
    let now = state.time(clock);
    if let (Some(halt), false) = (&state.halted, command.is_for_the_halted()) {
        return Err(Refusal::Halted(halt.clone()));
    }
    match command {
        Command::Tick => Ok(schedule::tick(state, seen, clock)),
        Command::Start { last_up } => Ok(startup::start(state, *last_up, now)),
        Command::Configure(settings) => configure::configure(state, seen, settings, now),
        Command::KeyMade { profile, key, asked_at } => minting::key_made(state, seen, profile, key, *asked_at, clock),
        Command::RotateNow(request) => emergency::rotate_now(state, seen, request, now),
        Command::Hasten { profiles, why } => emergency::hasten(state, seen, profiles, why, now),
        Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        } => emergency::revoke(state, seen, kid, *reason, comment.as_ref(), *destroy, now),
        Command::IssueToken {
            token,
            node,
            expires_at,
            only_new_name,
        } => {
            if *only_new_name {
                membership::check_new_name(state, node, now)?;
            }
            Ok(membership::issue_token(state, *token, node, *expires_at))
        }
        Command::RevokeTokens { node } => membership::revoke_tokens(state, node.as_ref(), now),
        Command::Enrol {
            token,
            node,
            tls_key,
            witness_key,
        } => membership::enrol(state, seen, *token, node, *tls_key, *witness_key, now),
        Command::EndNode { node, ending, comment } => membership::end(state, seen, node, *ending, comment.as_ref(), now),
        Command::StoodStill(absence) => Ok(Decision::from(vec![Event::StoodStill { absence: *absence }])),
        Command::ClockConfirmed {
            doubted_since,
            from,
            to,
            vote,
        } => Ok(Decision::from(vec![Event::ClockConfirmed {
            doubted_since: *doubted_since,
            from: *from,
            to: *to,
            vote: *vote,
        }])),
        Command::BackUp => Ok(Decision::from(vec![Event::BackedUp])),
        Command::NodeCloned { node, enrolment } => Ok(membership::cloned(state, node, *enrolment)),
        Command::RotateCa { comment } => authority::ask(state, comment.as_ref()),
        Command::CaMade { facts, certificate } => authority::made(state, *facts, certificate),
        Command::CertifyLeader { by, good_until } => authority::certify_leader(state, *by, *good_until),
        Command::CertifyNode {
            node,
            enrolment,
            good_until,
        } => authority::certify_node(state, node, *enrolment, *good_until),
        Command::Adopt(request) => adopt::adopt(state, seen, request, now),
        Command::NodeAhead(halt) => Ok(Decision::from(vec![Event::Halted { halt: halt.clone() }])),
    }
}

impl From<Vec<Event>> for Decision {
    fn from(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }
}

impl Decision {
    /// Whether nothing was decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}
