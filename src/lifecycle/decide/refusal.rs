//! Why a command is refused.

use crate::lifecycle::ended::Ended;
use crate::lifecycle::halted::Halted;
use crate::lifecycle::named::NamedNodes;
use crate::types::{Epoch, Generation, Kid, NodeName, ProfileName, Time};

/// Why a command is refused. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Rule R5.
    #[error(
        "{0}: this leader's state may be older than what the nodes hold, or another, so it decides nothing more; {advice}",
        advice = .0.advice()
    )]
    Halted(Halted),
    /// No leader has certified itself yet, so its CA is not known.
    #[error("the leader is starting, and has no certificate yet; try again in a moment")]
    NoCa,
    /// One CA takes over at a time.
    #[error("the rotation to CA {0} is under way; `jkeys ca show` says what it waits for")]
    CaRotating(u32),
    /// A CA that nobody waits for.
    #[error("CA {0} was not asked for, or is there already")]
    CaNotAsked(u32),
    /// Another CA has taken over meanwhile.
    #[error("CA {0} does not sign any more; try again")]
    CaNotSigning(u32),
    /// A name for a new node that is not new.
    #[error(
        "the name {0} is taken, by a node or by an open join token; choose another, or make a token for that very node without --count"
    )]
    NameTaken(NodeName),
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
    #[error(
        "the join token is not known: it was never issued here, it has expired, or it was revoked; make a new one with `jkeys node token`"
    )]
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
    /// There is no join token to take back.
    #[error("{} could still be used; `jkeys node token list` shows those that there are", no_open_token(.0.as_ref()))]
    NoOpenToken(Option<NodeName>),
    /// Unsafe timing.
    #[error("the configuration is not safe:\n{0}")]
    Unsafe(String),
    /// Nothing to adopt.
    #[error("the leader has not stopped deciding, so there is nothing to adopt; `jkeys status` shows how it is")]
    NotHalted,
    /// A node that is not in the node table.
    #[error("there is no node {0}; `jkeys node list` shows the nodes")]
    NoNode(NodeName),
    /// A node that was taken out of the node table before.
    #[error("node {node} was {ending} at {at}, and is let in no more; `jkeys node list` shows the nodes", node = .0.node, ending = .0.ending, at = .0.at)]
    Ended(Ended),
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

fn no_open_token(node: Option<&NodeName>) -> String {
    node.map_or_else(|| "no join token".to_owned(), |node| format!("no join token for node {node}"))
}
