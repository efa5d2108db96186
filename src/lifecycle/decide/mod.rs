//! What may be decided: `(state, sightings, command, now) -> decision or refusal`. A file for each kind of command.

mod adopt;
mod configure;
mod draft;
mod emergency;
mod encryption;
mod evidence;
mod membership;
mod minting;
mod schedule;
mod service;
mod startup;
mod succession;

use super::adoption::Adopt;
use super::clock::{Reading, Vote};
use super::event::{Event, Why};
use super::halted::Halted;
use super::named::NamedNodes;
use super::settings::Settings;
use super::sightings::Sightings;
use super::state::{Absence, Halt, State};
use crate::types::{Comment, Digest, Epoch, Generation, Kid, NodeName, ProfileName, PublicKey, Reason, Time, WitnessKey};

pub use minting::{Wanted, successor_due_at, wanted};
pub use schedule::{may_hold_keys, unconfirmed};
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

/// Why a command is refused. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Rule R5.
    #[error(
        "{0}: this leader's state may be older than what the nodes hold, or another, so it decides nothing more; {advice}",
        advice = .0.advice()
    )]
    Halted(Halted),
    /// A profile that is not configured.
    #[error("there is no profile {0}; `jkeys keys list` shows the profiles")]
    NoProfile(ProfileName),
    /// A key that the key set does not hold.
    #[error("there is no key {0} in the key set; `jkeys keys list` shows the keys")]
    NoKey(Kid),
    /// `--use` names a key that can't take over.
    #[error("key {kid} can't take over in profile {profile}: {why}; `jkeys keys list` shows the standbys")]
    NotAStandby {
        /// The key.
        kid: Kid,
        /// The profile that rotates.
        profile: ProfileName,
        /// Why not.
        why: &'static str,
    },
    /// There is nothing to take over yet.
    #[error("profile {0} has no standby yet; its key is being made, try again in a moment")]
    NoStandby(ProfileName),
    /// Rule R1.
    #[error("{}", not_yet(.profile, .kid, *.ready_at, .missing))]
    NotPublished {
        /// The profile.
        profile: ProfileName,
        /// The standby.
        kid: Kid,
        /// When rule R1 will hold, as far as that is known.
        ready_at: Time,
        /// Nodes that have not confirmed it.
        missing: Vec<NodeName>,
    },
    /// Rule E1.
    #[error("{}", not_held(.profile, .kid, .missing))]
    NotHeld {
        /// The profile.
        profile: ProfileName,
        /// The staged key.
        kid: Kid,
        /// Nodes in service that have not confirmed its private half.
        missing: Vec<NodeName>,
    },
    /// A key that is revoked already.
    #[error(
        "key {0} is revoked already, and its private half is kept for what was encrypted to it; `jkeys revoke` with --destroy \
         destroys it at once"
    )]
    RevokedAlready(Kid),
    /// A configuration that leaves nothing to sign with.
    #[error(
        "the configuration has no profile, so nothing would sign any more: leave one in it; to end all trust in the keys that \
         stand use `jkeys rotate --now --compromised all`"
    )]
    NoProfiles,
    /// A profile that would change from signing to encryption, or back.
    #[error(
        "profile {0} has keys of the other use: keys that sign and keys that decrypt can't share a profile; give the new one \
         another name, or take {0} out and bring it back when `jkeys keys list` shows no key of it"
    )]
    OtherUse(ProfileName),
    /// `--compromised` and `--profile` contradict each other.
    #[error("key {kid} is of profile {profile}, which --profile does not name; leave --profile out")]
    OtherProfile {
        /// The compromised key.
        kid: Kid,
        /// Its profile.
        profile: ProfileName,
    },
    /// `--compromised all` together with a choice.
    #[error("--compromised all revokes every key of every profile; leave --profile and --use out")]
    AllIsAll,
    /// A join token that is not there.
    #[error("the join token is not known: it was never issued here, or it has expired; make a new one with `jkeys node token`")]
    NoToken,
    /// A join token that was used.
    #[error("the join token has been used already; make a new one with `jkeys node token`")]
    TokenUsed,
    /// A join token that is too old.
    #[error("the join token expired at {0}; make a new one with `jkeys node token`")]
    TokenExpired(Time),
    /// A join token for another name.
    #[error("the join token is for node {0}; make one for this node with `jkeys node token`")]
    TokenForAnother(NodeName),
    /// Unsafe timing.
    #[error("the configuration is not safe:\n{0}")]
    Unsafe(String),
    /// Nothing to adopt.
    #[error("the leader has not stopped deciding, so there is nothing to adopt; `jkeys status` shows how it is")]
    NotHalted,
    /// A node that is not in the node table.
    #[error("there is no node {0}; `jkeys node list` shows the nodes")]
    NoNode(NodeName),
    /// Nodes that have not said what they remember.
    #[error("{}", unheard(.0))]
    Unheard(Vec<NodeName>),
    /// A node that is not silent.
    #[error(
        "node {0} has said what it remembers: leave it out of --without; if it must not be believed, name it with --disbelieve"
    )]
    Heard(NodeName),
    /// A node that says what can't be.
    #[error(
        "node {node} says that it has seen epoch {epoch} and generation {generation}, which no leader ever comes to: find out what is \
         wrong with it; to go on against its word, name it with --disbelieve"
    )]
    Beyond {
        /// The node.
        node: NodeName,
        /// What it says.
        epoch: Epoch,
        /// What it says.
        generation: Generation,
    },
    /// A key that is gone by the word of nodes alone.
    #[error("{}", word_only(.kid, .nodes))]
    WordOnly {
        /// The key.
        kid: Kid,
        /// The nodes that say so.
        nodes: Vec<NodeName>,
    },
    /// A made key that nobody wants any more.
    #[error("the key is not wanted any more")]
    NotWanted,
}

fn unheard(nodes: &[NodeName]) -> String {
    format!(
        "in service, and not heard on what they remember: {}. Mend them or wait for them; to go on without them, name each with \
         --without: what they remember and hold is then not known",
        NamedNodes::from(nodes.to_vec())
    )
}

fn word_only(kid: &Kid, nodes: &[NodeName]) -> String {
    format!(
        "key {kid} is gone by the word of {} alone: they show no generation without it that is newer than all with it. To take it out, \
         name one of them with --believe; to keep it, name each with --disbelieve",
        NamedNodes::from(nodes.to_vec())
    )
}

fn not_held(profile: &ProfileName, kid: &Kid, missing: &[NodeName]) -> String {
    let nodes = NamedNodes::from(missing.to_vec());
    format!(
        "not every node can decrypt with the staged key {kid} of profile {profile} yet (rule E1): not confirmed by {nodes}. Mend \
         them or wait for them. With --force, what relying parties encrypt to it can't be opened there until they hold it"
    )
}

fn not_yet(profile: &ProfileName, kid: &Kid, ready_at: Time, missing: &[NodeName]) -> String {
    let when = if missing.is_empty() {
        format!("relying parties may not know it before {ready_at}; try again then")
    } else {
        let nodes = NamedNodes::from(missing.to_vec());
        format!("not confirmed by {nodes}; and not before {ready_at}")
    };
    format!(
        "standby {kid} of profile {profile} has not been published for long enough (rule R1): {when}. \
         With --force, relying parties that still hold an older JWKS will refuse tokens until they fetch it again"
    )
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
    if let (Some(halt), false) = (&state.halted, matches!(command, Command::Start { .. } | Command::Adopt(_))) {
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
        Command::IssueToken { token, node, expires_at } => Ok(membership::issue_token(*token, node, *expires_at)),
        Command::Enrol {
            token,
            node,
            tls_key,
            witness_key,
        } => membership::enrol(state, seen, *token, node, *tls_key, *witness_key, now),
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
