//! What a decision consists of. Events are what records are made of: a log of them rebuilds the state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::authority::CaFacts;
pub use super::cause::{Cause, Evidence, Grounds, Leaving, Why};
use super::clock::Vote;
use super::ended::Farewell;
use super::generation::Stage;
use super::halted::Restoration;
use super::named::NamedNodes;
use super::settings::{Settings, Windows};
use super::state::{Absence, Fleet, Halt, PrivateHalf, Wait};
use crate::types::{
    Comment, Digest, Enrolment, Epoch, Generation, Kid, MasterKeyName, NodeName, ProfileName, PublicKey, Reason, Seq, Time,
    TreeHead, WitnessKey,
};

/// One thing that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Event {
    /// The fleet was founded: the first record of its log.
    Founded {
        /// What it is known by.
        fleet: Fleet,
    },
    /// A leader started: a new term.
    Started {
        /// The term.
        epoch: Epoch,
        /// How long no leader was there.
        absence: Option<Absence>,
    },
    /// The leader stood still, as on a machine that was suspended, and is back.
    StoodStill {
        /// How long no leader was there.
        absence: Absence,
    },
    /// Most nodes heard agree with the leader's clock, which was in doubt: time goes on from there (rule R9).
    ClockConfirmed {
        /// Since when it was in doubt.
        doubted_since: Time,
        /// The time that the leader went by.
        from: Time,
        /// The time that counts from now on.
        to: Time,
        /// What the nodes say.
        vote: Vote,
    },
    /// New settings hold for keys that are made from now on.
    Configured {
        /// The settings.
        settings: Settings,
    },
    /// A new key is published.
    Prepublished {
        /// Its profile.
        profile: ProfileName,
        /// The key.
        key: Box<PublicKey>,
        /// Its times.
        windows: Windows,
    },
    /// A key's private half goes to the nodes, to sign from `activate_at` on.
    Armed {
        /// The key.
        kid: Kid,
        /// When it begins to sign.
        activate_at: Time,
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// A key signs.
    Activated {
        /// The key.
        kid: Kid,
        /// Since when.
        since: Time,
        /// When its successor is meant to take over.
        retire_at: Time,
        /// What allowed it.
        cause: Cause,
        /// Why the operator asked for it.
        #[serde(flatten)]
        why: Why,
    },
    /// A key signs no more.
    Retired {
        /// The key.
        kid: Kid,
        /// The key that took over.
        successor: Option<Kid>,
    },
    /// A key is published no more: what it signed has expired, or it never signed.
    Removed {
        /// The key.
        kid: Kid,
        /// The last moment at which it may have signed; none when it never did.
        last_signature: Option<Time>,
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// The private half of a new encryption key goes to the nodes; nothing of it is published.
    Staged {
        /// Its profile.
        profile: ProfileName,
        /// The key.
        key: Box<PublicKey>,
        /// Its times.
        windows: Windows,
    },
    /// An encryption key is published: relying parties encrypt to it.
    Published {
        /// The key.
        kid: Kid,
        /// When its successor is meant to take over.
        replace_at: Time,
        /// What allowed it.
        grounds: Grounds,
        /// Why the operator asked for it.
        #[serde(flatten)]
        why: Why,
    },
    /// An encryption key is published no more; its private half stays.
    Unpublished {
        /// The key.
        kid: Kid,
        /// The key that took over.
        successor: Option<Kid>,
    },
    /// The private half of an encryption key goes: what was encrypted to it is past its time, or nobody ever could.
    Discarded {
        /// The key.
        kid: Kid,
        /// The last moment at which a node in service may have published it; none when no node ever did.
        published_until: Option<Time>,
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// A key is trusted no more, at once.
    Revoked {
        /// The key.
        kid: Kid,
        /// The reason.
        reason: Reason,
        /// The operator's words.
        comment: Option<Comment>,
        /// What becomes of its private half.
        private_half: PrivateHalf,
    },
    /// A key that is already removed or revoked was reported compromised: nothing else changes.
    ReportedCompromised {
        /// The key.
        kid: Kid,
        /// The operator's words.
        comment: Option<Comment>,
    },
    /// Every key that existed, made and not yet published ones too, is no longer trusted.
    DistrustedAll,
    /// The leader destroyed the private half of a key.
    Destroyed {
        /// The key.
        kid: Kid,
    },
    /// Every node has confirmed a revocation.
    RevocationConfirmed {
        /// The key.
        kid: Kid,
        /// When the last node did.
        last_confirmation: Time,
        /// Nodes whose name was enrolled anew before they confirmed: what they hold is not known.
        replaced: NamedNodes,
        /// When verifiers that were told and honour their cache time trust it no more; none when that is not known.
        trusted_until: Option<Time>,
        /// The confirmations.
        evidence: Evidence,
    },
    /// An operator asked for the next rotation as soon as rule R1 allows.
    Hastened {
        /// The profile.
        profile: ProfileName,
        /// Why.
        #[serde(flatten)]
        why: Why,
    },
    /// A join token was made.
    TokenIssued {
        /// The hash of its secret.
        token: Digest,
        /// The node that it lets in.
        node: NodeName,
        /// When it stops to work.
        expires_at: Time,
        /// The number of the CA that it pins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<u32>,
    },
    /// A node joined.
    Enrolled {
        /// The node.
        node: NodeName,
        /// The number of this joining.
        enrolment: Enrolment,
        /// The token that it showed, by its hash.
        token: Digest,
        /// SHA-256 of the public key of its certificate.
        tls_key: Digest,
        /// The public key that it cosigns checkpoints with.
        witness_key: WitnessKey,
        /// Revocations that the node of this name before it never confirmed (rule R8).
        unconfirmed: Vec<Kid>,
        /// The number of the CA that its certificate is signed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<u32>,
    },
    /// A join token works no more: an operator took it back before it was used.
    TokenRevoked {
        /// The hash of its secret.
        token: Digest,
        /// The node that it would have let in.
        node: NodeName,
    },
    /// A node confirmed the newest generation: relying parties may read from it.
    EnteredService {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
    },
    /// Relying parties must not be sent to a node any more.
    LeftService {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
        /// Why.
        cause: Leaving,
        /// The last moment at which it may have served a set without a key: its confirmation, or now. A key that it had when it
        /// came into service is not named (rule R1).
        lacked_until: BTreeMap<Kid, Time>,
        /// The last moment at which it may have signed with a key that it was sent: its confirmed switch, or now (rule R3).
        signed_until: BTreeMap<Kid, Time>,
        /// The last moment at which it may have published an encryption key that was unpublished while it was in service: its
        /// confirmation, or now (rule E2).
        served_until: BTreeMap<Kid, Time>,
    },
    /// An operator trusts a node no more: it is let in nowhere, and is told to erase its private files.
    NodeRevoked {
        /// The node, and what it leaves behind.
        #[serde(flatten)]
        farewell: Farewell,
    },
    /// An operator took a node out of the fleet: it is let in nowhere, and is told to erase its private files.
    NodeRemoved {
        /// The node, and what it leaves behind.
        #[serde(flatten)]
        farewell: Farewell,
    },
    /// The schedule waits.
    WaitBegan {
        /// For what.
        wait: Wait,
        /// The nodes that are missing.
        nodes: NamedNodes,
    },
    /// The schedule waits no more.
    WaitEnded {
        /// For what.
        wait: Wait,
    },
    /// The leader decides nothing more (rule R5).
    Halted {
        /// Why.
        halt: Halt,
    },
    /// The keystore was restored: the leader decides nothing until it is told to go on (rule R5).
    Restored {
        /// From what.
        restoration: Restoration,
        /// Keys whose private half was in no file that was at hand, and that had not left the leader: they go.
        lost: Vec<Kid>,
    },
    /// An operator had the leader go on from a state that is older than what nodes have seen: `jkeys audit adopt` (rule R5).
    Adopted {
        /// The new term: higher than any that a node has seen.
        epoch: Epoch,
        /// The generation that this makes: higher than any that a node has seen.
        generation: Generation,
        /// The place of this record in the log.
        seq: Seq,
        /// The checkpoints that are given up: who remembers one of them may go on with the log that this record is in.
        given_up: Vec<TreeHead>,
        /// Nodes that it went on without: what they remember and hold is not known.
        unknown: NamedNodes,
        /// Nodes whose word was taken that a key is gone, though nothing proves it.
        believed: NamedNodes,
        /// Enrolments whose word counts for nothing from now on.
        disbelieved: BTreeSet<Enrolment>,
        /// Standbys that nobody shows: their publication counts from now (rule R1).
        young: BTreeSet<Kid>,
        /// The operator's words.
        comment: Comment,
    },
    /// A key is as a node holds it, and showed: the leader had lost that.
    Recovered {
        /// Its profile.
        profile: ProfileName,
        /// The key.
        key: Box<PublicKey>,
        /// What the newest generation that a node showed says of it.
        stage: Stage,
        /// When that generation was made.
        since: Time,
        /// Its times, where it is new to the leader.
        windows: Windows,
        /// Whether the leader is without its private half.
        inherited: bool,
    },
    /// An operator was handed a backup, which has everything that the leader holds in it, sealed; or the beginning of one.
    BackedUp,
    /// The keystore was written again under another master key. Backups and snapshots from before open with the old one.
    Rekeyed {
        /// The master key before.
        from: MasterKeyName,
        /// The master key from now on.
        to: MasterKeyName,
    },
    /// The leader has another certificate: it makes one at each start, and at a third of its life.
    LeaderCertified {
        /// The CA that signs. As long as one before it is trusted, that signs one too, for who does not know this one.
        by: CaFacts,
        /// The last instant at which the certificate is good.
        good_until: Time,
    },
    /// A node is given another certificate for the key that it enrolled with.
    NodeCertified {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
        /// The number of the CA that signs.
        by: u32,
        /// The last instant at which the certificate is good.
        good_until: Time,
    },
    /// Two machines use the identity of a node: it was cloned.
    NodeCloned {
        /// The node.
        node: NodeName,
        /// Its enrolment.
        enrolment: Enrolment,
    },
    /// Another CA is to take over: an operator asked for it, or the one that signs comes to its end.
    CaAsked {
        /// Its number.
        number: u32,
        /// The operator's words.
        comment: Option<Comment>,
    },
    /// A CA is made: nodes are told to trust it, and nothing is signed with it yet.
    CaMade {
        /// What it is.
        #[serde(flatten)]
        facts: CaFacts,
        /// Its certificate, DER in base64.
        certificate: String,
    },
    /// Certificates are signed with this CA from now on: every node in service trusts it.
    CaActivated {
        /// Its number.
        number: u32,
        /// The confirmations that allowed it.
        evidence: Evidence,
    },
    /// A CA is trusted no more: nobody can show a certificate of it, or a join token that pins it.
    CaDropped {
        /// Its number.
        number: u32,
        /// The nodes that have shown a certificate of another.
        evidence: Evidence,
    },
    /// The leader destroyed the private half of a CA.
    CaDestroyed {
        /// Its number.
        number: u32,
    },
    /// An authenticated caller was refused.
    Refused {
        /// What was asked.
        request: String,
        /// Why it was refused.
        refusal: String,
    },
}
