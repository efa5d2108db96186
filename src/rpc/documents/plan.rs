//! `jkeys plan`: what will happen, when, and what it waits for. Schema `jkeys.plan/1`.

use serde::{Deserialize, Serialize};

use crate::lifecycle::Halted;
use crate::types::{Epoch, Generation, KeySpec, Kid, NodeName, ProfileName, Span, Time};

/// What comes, if nobody decides anything else meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is a plan of.
    pub subject: Subject,
    /// From when on.
    pub now: Time,
    /// Up to when: earlier than was asked where too much happens until then.
    pub until: Time,
    /// The timing rules that the configuration breaks, in words with the numbers. With any the rest is empty: no leader would start.
    pub violations: Vec<BrokenRule>,
    /// Why the leader decides nothing more.
    pub halted: Option<Halted>,
    /// Nodes that do not answer now. They are taken as they are: silent until they leave service.
    pub absent: Vec<NodeName>,
    /// What happens, in order.
    pub events: Vec<Planned>,
    /// How many keys stand in the JWKS at most.
    pub jwks: JwksSize,
    /// How long the leader may be away.
    pub leader_away: Away,
    /// How long a node that answers now may be away.
    pub node_away: Away,
}

/// What a plan is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Subject {
    /// The running leader, from its state.
    Leader {
        /// Its term.
        epoch: Epoch,
        /// The generation in force.
        generation: Generation,
    },
    /// A configuration, for a fleet that is founded now.
    Configuration {
        /// How many nodes it has. All answer at once.
        nodes: u16,
    },
}

/// One timing rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// Its name: `T1` to `T8`.
    pub rule: String,
    /// The profile that breaks it; none where all do together.
    pub profile: Option<ProfileName>,
    /// The rule, the numbers, and what to change.
    pub text: String,
}

/// One event to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: Time,
    /// The profile, of an event of a key.
    pub profile: Option<ProfileName>,
    /// The key.
    pub key: Option<PlannedKey>,
    /// The node, of an event of a node.
    pub node: Option<NodeName>,
    /// The number of the CA, of an event of a CA.
    pub ca: Option<u32>,
    /// What happens.
    pub event: Happening,
    /// What the key is, where that is another algorithm than the one in use: the profile rotates into it.
    pub into: Option<KeySpec>,
    /// What it waits for.
    pub waits_for: Awaited,
    /// When it would happen if the nodes that are missing answered now; none where that makes no difference.
    pub if_answered: Option<Time>,
}

/// A key in a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedKey {
    /// A key that exists.
    Kid(Kid),
    /// A key that is yet to be made: the first of its profile in this plan is 1.
    Next(u64),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A key is made, and its public half goes into every JWKS.
    Published,
    /// Its private half goes to the nodes, sealed.
    Armed,
    /// It signs.
    Signs,
    /// It signs no more, and stays published.
    Retires,
    /// The leader destroys its private half.
    Destroyed,
    /// It is published no more.
    Removed,
    /// The private half of a new encryption key goes to the nodes.
    Staged,
    /// Relying parties encrypt to it.
    Encrypts,
    /// An encryption key is published no more, and can still decrypt.
    Unpublished,
    /// The private half of an encryption key goes.
    Discarded,
    /// Every node has confirmed that a revoked key is gone.
    RevocationConfirmed,
    /// Relying parties may read from a node.
    EntersService,
    /// A node holds up no decision any more.
    LeavesService,
    /// A CA is made, and nodes are told to trust it.
    CaMade,
    /// Certificates are signed with it.
    CaSigns,
    /// It is trusted no more.
    CaDropped,
}

/// What an event waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for")]
pub enum Awaited {
    /// Its time alone.
    Time,
    /// A key to be made, as soon as it is due.
    Key,
    /// Every node in service to publish the key, for so long (rule R1).
    Publication {
        /// `min_prepublish` of the key.
        span: Span,
        /// Nodes that do not answer, and that it waits for until they do or leave service.
        missing: Vec<NodeName>,
    },
    /// The instant set when the key was armed: each node goes by its own clock.
    Hour,
    /// The key that takes over.
    Successor,
    /// Every node in service to switch away from the key, and then its last token to expire (rule R3).
    Expiry {
        /// `token_lifetime` and `clock_skew` of the key.
        span: Span,
        /// Nodes that do not answer, and that it waits for until they do or leave service.
        missing: Vec<NodeName>,
    },
    /// Every node in service to hold the private half (rule E1).
    Halves {
        /// Nodes that do not answer, and that it waits for until they do or leave service.
        missing: Vec<NodeName>,
    },
    /// Every node in service to publish the key no more, and then what was encrypted to it to be past its time (rule E2).
    Window {
        /// `decrypt_window` of the key.
        span: Span,
        /// Nodes that do not answer, and that it waits for until they do or leave service.
        missing: Vec<NodeName>,
    },
    /// Every node to confirm it.
    Confirmation {
        /// Nodes that do not answer.
        missing: Vec<NodeName>,
    },
    /// The node to stay away until then.
    Silence,
    /// A CA to be made, as soon as it is due.
    Ca,
    /// Every node in service to trust the CA.
    Trust {
        /// Nodes that do not answer, and that it waits for until they do or leave service.
        missing: Vec<NodeName>,
    },
    /// Every node to have a certificate of another CA, or the last one of this CA to be past its time.
    Certificates {
        /// Nodes that do not answer.
        missing: Vec<NodeName>,
    },
}

/// How many keys stand in the JWKS at most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JwksSize {
    /// Up to when that was looked at.
    pub until: Time,
    /// In all.
    pub most: usize,
    /// In each profile, by name.
    pub profiles: Vec<ProfileSize>,
}

/// How many keys of a profile stand in the JWKS at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSize {
    /// The profile.
    pub profile: ProfileName,
    /// How many.
    pub most: usize,
}

/// How long somebody may be away, from now on, before something is late.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Away {
    /// Back by then, nothing is late; none where nothing is as long as the plan goes.
    pub nothing_late: Option<Deadline>,
    /// Back by then, every key of the plan signs on time; none where it does even after a longer absence.
    pub rotations_on_time: Option<Deadline>,
}

/// What must be done by when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// By when.
    pub at: Time,
    /// The profile of the key.
    pub profile: Option<ProfileName>,
    /// The key.
    pub key: Option<PlannedKey>,
    /// What is late after that.
    pub event: Happening,
}
