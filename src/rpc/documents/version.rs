//! Versions of the keystore, as far as anybody may know them.

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Halted, Settings, Wait};
use crate::types::{Actor, Enrolment, Epoch, Generation, KeySpec, Kid, NodeName, ProfileName, Seq, Time, Version};

/// One version: what was committed, by whom, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRow {
    /// Its number.
    pub version: Version,
    /// When it was committed.
    pub at: Time,
    /// Who decided it; none where it has no records.
    pub by: Option<Actor>,
    /// The number of its first record.
    pub first_record: Option<Seq>,
    /// How many records it has.
    pub records: u64,
    /// What its records say was done, by their actions.
    pub actions: Vec<String>,
    /// The generation that it made, if it made one.
    pub made: Option<Generation>,
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionsPage {
    /// Versions, oldest first.
    pub versions: Vec<VersionRow>,
    /// Where the next page begins; none at the end.
    pub next: Option<Version>,
    /// The newest version that there is.
    pub newest: Version,
}

/// The state of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionState {
    /// The version.
    #[serde(flatten)]
    pub row: VersionRow,
    /// Whether the state was no longer stored, and was made anew from the records (rule R7).
    pub rebuilt: bool,
    /// The leader's term.
    pub epoch: Epoch,
    /// The generation in force.
    pub generation: Generation,
    /// When that was committed.
    pub generation_at: Time,
    /// The settings.
    pub settings: Settings,
    /// Every key that was there, by kid.
    pub keys: Vec<VersionKey>,
    /// Every node of the node table, by name.
    pub nodes: Vec<VersionNode>,
    /// Revocations that some node had not confirmed.
    pub revocations: Vec<Kid>,
    /// What the schedule waited for.
    pub waits: Vec<Wait>,
    /// Why the leader decided nothing more.
    pub halted: Option<Halted>,
}

/// A key in a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionKey {
    /// Its id.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// What it is.
    pub spec: KeySpec,
    /// Its state.
    pub state: String,
    /// When it came into the key set.
    pub published_at: Time,
}

/// A node in a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionNode {
    /// Its name.
    pub node: NodeName,
    /// The number of its joining.
    pub enrolment: Enrolment,
    /// `joining`, `in_service` or `evicted`.
    pub standing: String,
    /// Since when; for a joining node, when it enrolled.
    pub since: Time,
}
