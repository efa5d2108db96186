//! Everything that the leader has decided and that still matters. Changed only by [`State::apply`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::adoption::Adoption;
use super::authority::Authority;
use super::clock::{Doubt, Reading};
use super::ended::Ended;
use super::generation::KeySet;
use super::halted::Halted;
pub use super::key::{Key, Phase, PrivateHalf};
use super::mutant::{Mutant, is_out};
use super::settings::Settings;
use crate::types::{
    Digest, Enrolment, Epoch, Generation, Kid, NodeName, ProfileName, Reason, Span, Time, TreeHead, TrustDomain, WitnessKey,
};

/// The decided state of one fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// What the fleet was founded with.
    pub fleet: Option<Fleet>,
    /// The leader's term.
    pub epoch: Epoch,
    /// When this term began.
    pub started_at: Time,
    /// The time of the last record (rule R9).
    pub last_record_at: Time,
    /// The generation in force, with what is fixed when it is made.
    pub head: Head,
    /// When each of the last generations was committed, oldest first.
    pub recent: Vec<(Generation, Time)>,
    /// The settings that new keys are made with.
    pub settings: Settings,
    /// Every key that is neither removed nor revoked.
    pub keys: BTreeMap<Kid, Key>,
    /// Profiles that have had an active key (rule R4).
    pub activated: BTreeSet<ProfileName>,
    /// Profiles that are owed a standby after an emergency.
    pub owed_standby: BTreeSet<ProfileName>,
    /// Profiles whose signing key was revoked and that nothing has signed in since, with the reason.
    pub bereft: BTreeMap<ProfileName, Reason>,
    /// Keys whose private half the leader must still destroy.
    pub doomed: BTreeSet<Kid>,
    /// Revocations that some node has not confirmed yet (rule R8).
    pub revocations: BTreeMap<Kid, Revocation>,
    /// When every key that existed was last reported compromised: a key asked for before then is not used.
    pub distrust_before: Time,
    /// The node table.
    pub nodes: BTreeMap<NodeName, Node>,
    /// The last enrolment number given out.
    pub last_enrolment: Enrolment,
    /// Whether any node has ever confirmed anything: after that there is no bootstrap (rule R1).
    pub ever_confirmed: bool,
    /// Nodes that operators took out of the node table, by SHA-256 of the public key of their certificate, for as long as that may be
    /// shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<Digest, Ended>,
    /// Join tokens that have not expired, by the hash of their secret.
    pub tokens: BTreeMap<Digest, JoinToken>,
    /// Stretches of time in which the leader was away, as far back as they can matter.
    pub absences: Vec<Absence>,
    /// What the schedule waits for, since when (rule R7).
    #[serde(with = "pairs")]
    pub waits: BTreeMap<Wait, Time>,
    /// Why the leader decides nothing more (rule R5).
    pub halted: Option<Halted>,
    /// The newest of the acts by which the leader went on from an older state, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adoptions: Vec<Adoption>,
    /// When the leader was last put back to an older state: what was seen of nodes before then may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back_at: Option<Time>,
    /// Enrolments whose word on what they have seen counts for nothing: an operator said so.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disbelieved: BTreeSet<Enrolment>,
    /// The fleet's CAs.
    #[serde(default, skip_serializing_if = "Authority::is_new")]
    pub authority: Authority,
}

/// What a fleet is known by. Made once, by `jkeys init leader`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The trust domain of its SPIFFE IDs.
    pub trust_domain: TrustDomain,
    /// The certificate of its CA, DER in base64.
    pub ca_certificate: String,
    /// The number that the CA's private half is stored under.
    pub ca_number: u32,
    /// The public Ed25519 key of its audit log.
    pub log_public_key: WitnessKey,
}

/// What is fixed when a generation is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 before the first.
    pub generation: Generation,
    /// The term in which it was made.
    pub epoch: Epoch,
    /// When it was committed.
    pub committed_at: Time,
    /// The largest difference tolerated between two clocks.
    pub clock_skew: Span,
    /// What verifiers are told to cache.
    pub max_age: Span,
    /// How long a node may be without its leader.
    pub straggler_after: Span,
}

/// A revocation that some node has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The first generation that does not publish the key.
    pub generation: Generation,
    /// When it was decided.
    pub at: Time,
    /// Why.
    pub reason: Reason,
    /// Whether nodes must let go of the private half too, to confirm it.
    pub private_half: PrivateHalf,
    /// Nodes that may hold the key and can't confirm any more: their name was enrolled anew, for another machine perhaps, or they were
    /// revoked or removed.
    pub replaced: BTreeSet<NodeName>,
}

/// A row of the node table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The number of this joining.
    pub enrolment: Enrolment,
    /// When it joined.
    pub enrolled_at: Time,
    /// SHA-256 of the public key of its certificate.
    pub tls_key: Digest,
    /// The public key that it cosigns checkpoints with.
    pub witness_key: WitnessKey,
    /// Whether it is in service.
    pub standing: Standing,
    /// The number of the CA that its newest certificate is signed with; none where an earlier release signed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<u32>,
    /// Whether two machines were seen to use its identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cloned: bool,
}

/// Whether a node is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub enum Standing {
    /// It has never confirmed anything.
    Joining,
    /// Relying parties may read from it.
    InService {
        /// Since when, without a break.
        since: Time,
    },
    /// It was silent, or owed a confirmation, for too long.
    Evicted {
        /// Since when.
        at: Time,
    },
}

/// A join token, known only by the hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The name that it lets in.
    pub node: NodeName,
    /// When it stops to work.
    pub expires_at: Time,
    /// Whether it has been used.
    pub used: bool,
    /// The number of the CA that it pins; none where an earlier release made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<u32>,
}

impl JoinToken {
    /// Whether it still lets a node in.
    #[must_use]
    pub fn is_open(&self, now: Time) -> bool {
        !self.used && now < self.expires_at
    }
}

/// A stretch of time in which the leader was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The last moment at which it was known to be there.
    pub from: Time,
    /// When it was back.
    pub until: Time,
}

/// Something that the schedule waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for", content = "of")]
pub enum Wait {
    /// Nodes that have not reported since the start (rule R5).
    Start,
    /// The leader's clock, which is in doubt (rule R9).
    Clock(Doubt),
    /// The standby of a profile is due, and rule R1 does not hold for it yet.
    Arm(ProfileName),
    /// A key could be removed, but a node has not confirmed that it switched away from it (rule R3).
    Remove(Kid),
    /// The staged key of a profile is due, but a node has not confirmed its private half (rule E1).
    Publish(ProfileName),
    /// An encryption key could be removed, but a node has not confirmed that it publishes it no more (rule E2).
    Discard(Kid),
    /// A CA is made, but a node in service has not confirmed that it trusts it.
    TrustCa(u32),
    /// A CA signs no more, but certificates or join tokens of it may still be shown.
    EndCa(u32),
}

/// A node has seen a leader that was further on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The node that said so.
    pub node: NodeName,
    /// The epoch that it remembers.
    pub epoch: Epoch,
    /// The generation that it remembers.
    pub generation: Generation,
    /// The checkpoint that it remembers, where that is not one of the leader's log: it is longer, or other records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<TreeHead>,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            epoch,
            generation,
            checkpoint,
        } = self;
        write!(f, "node {node} has seen epoch {epoch} and generation {generation}")?;
        checkpoint.map_or(Ok(()), |head| {
            write!(
                f,
                ", and a checkpoint of {} records that is not in this leader's log",
                head.size
            )
        })
    }
}

impl State {
    /// The public form of the generation in force.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        let mut keys: Vec<&Key> = self.keys.values().collect();
        keys.sort_by_key(|key| (&key.profile, key.published_at, &key.public.kid));
        let Head {
            generation,
            epoch,
            committed_at,
            clock_skew,
            max_age,
            straggler_after,
        } = self.head;
        let members = keys.into_iter().map(Key::member).collect();
        let named = self.authority.trusted().filter(|_| self.authority.is_named);
        KeySet {
            generation,
            epoch,
            committed_at,
            clock_skew,
            max_age,
            straggler_after,
            members,
            cas: named.map(|ca| ca.certificate.clone()).collect(),
        }
    }

    /// The keys of a profile, oldest first.
    pub fn keys_of<'a>(&'a self, profile: &'a ProfileName) -> impl Iterator<Item = &'a Key> {
        let mut keys: Vec<_> = self.keys.values().filter(|key| key.profile == *profile).collect();
        keys.sort_by_key(|key| (key.published_at, &key.public.kid));
        keys.into_iter()
    }

    /// The active key of a profile.
    #[must_use]
    pub fn active(&self, profile: &ProfileName) -> Option<&Key> {
        self.keys
            .values()
            .find(|key| key.profile == *profile && matches!(key.phase, Phase::Active { .. }))
    }

    /// The armed key of a profile, with the instant at which it activates.
    #[must_use]
    pub fn armed(&self, profile: &ProfileName) -> Option<(&Key, Time)> {
        self.keys.values().find_map(|key| match key.phase {
            Phase::Armed { activate_at } if key.profile == *profile => Some((key, activate_at)),
            _ => None,
        })
    }

    /// The prepublished keys of a profile, oldest first.
    pub fn prepublished<'a>(&'a self, profile: &'a ProfileName) -> impl Iterator<Item = &'a Key> {
        self.keys_of(profile).filter(|key| key.phase == Phase::Prepublished)
    }

    /// The published key of an encryption profile, with the instant at which its successor is meant to take over.
    #[must_use]
    pub fn encrypted_to(&self, profile: &ProfileName) -> Option<(&Key, Time)> {
        self.keys.values().find_map(|key| match key.phase {
            Phase::Published { replace_at, .. } if key.profile == *profile => Some((key, replace_at)),
            _ => None,
        })
    }

    /// The nodes in service, with the start of their service.
    pub fn in_service(&self) -> impl Iterator<Item = (&NodeName, &Node, Time)> {
        self.nodes.iter().filter_map(|(name, node)| match node.standing {
            Standing::InService { since } => Some((name, node, since)),
            Standing::Joining | Standing::Evicted { .. } => None,
        })
    }

    /// The time that counts: never before the last record (rule R9).
    #[must_use]
    pub fn time(&self, clock: impl Into<Reading>) -> Time {
        let carried = clock.into().carried;
        if is_out(Mutant::R9RecordTime) {
            carried
        } else {
            carried.max(self.last_record_at)
        }
    }

    /// How long it is from `since` to `now`, less the time in which the leader was away.
    #[must_use]
    pub fn present_for(&self, since: Time, now: Time) -> Span {
        let away = |absence: &Absence| absence.until.min(now).since(absence.from.max(since));
        self.absences
            .iter()
            .fold(now.since(since), |left, absence| left - away(absence))
    }
}

/// A map whose keys are no texts, stored as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(map: &BTreeMap<K, V>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}
