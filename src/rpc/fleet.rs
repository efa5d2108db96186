//! What leader and agent say to each other on a `Sync` stream, as types.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use super::status::Failure;
use crate::audit::{GoesOn, NoteKey, RecordProof, Sent, accept};
use crate::lifecycle::{KeySet, Papers, Report};
use crate::types::{Digest, Epoch, Kid, Secret, Seq, Span, Time, TreeHead};

/// The version of the protocol that this build speaks. A leader serves agents one release older and newer.
pub const PROTOCOL_VERSION: u32 = 1;

/// The version that both sides will speak, when the other's newest is `theirs`.
///
/// # Errors
/// The two are more than one apart.
pub fn agree(theirs: u32) -> Result<u32, Failure> {
    if theirs == 0 || theirs.abs_diff(PROTOCOL_VERSION) > 1 {
        return Err(Failure::refused(format!(
            "this side speaks version {PROTOCOL_VERSION} of the protocol and the other version {theirs}; update the older one first"
        )));
    }
    Ok(theirs.min(PROTOCOL_VERSION))
}

/// A generation as it travels: its public form in canonical JSON, and the private halves that a node must hold.
///
/// [`Bundle::new`] makes one that is whole; so does decoding.
pub struct Bundle {
    /// What `public_form` says.
    pub set: KeySet,
    /// The exact bytes of the public form (RFC 8785 JSON), which the log's record covers by `digest`.
    pub public_form: Vec<u8>,
    /// SHA-256 of `public_form`.
    pub digest: Digest,
    /// The PKCS#8 DER private half of every armed and active key.
    pub privates: BTreeMap<Kid, Secret>,
}

/// The digest stands for the public form.
impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("generation", &self.set.generation)
            .field("digest", &self.digest)
            .field("privates", &self.privates)
            .finish_non_exhaustive()
    }
}

/// A generation with what shows that it is in the audit log, as a node gets it.
#[derive(Debug)]
pub struct Logged {
    /// The generation.
    pub bundle: Bundle,
    /// A record that says what the generation is, with its proof and the checkpoint that covers it.
    pub proof: RecordProof,
    /// That this checkpoint goes on from one that the node remembers.
    pub consistency: Consistency,
    /// The kids that were revoked, as far as not every node has confirmed it. The log does not vouch for that: it tells hooks why a key
    /// went, and nothing else stands on it.
    pub revoked: BTreeSet<Kid>,
}

/// The proof that the log goes on from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consistency {
    /// How many records the earlier one has.
    pub from: u64,
    /// The hashes of the proof, as in RFC 9162, section 2.1.4.
    pub hashes: Vec<Digest>,
    /// In place of them: the record that gives up what the node remembers.
    pub adopted: Option<AdoptedRecord>,
}

/// A record of an adoption, with the proof that it is in the log of the checkpoint that came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedRecord {
    /// The record's exact bytes.
    pub record: Vec<u8>,
    /// Its place.
    pub seq: Seq,
    /// The hashes from its leaf up to the root.
    pub hashes: Vec<Digest>,
}

/// What a leader says that it can take.
pub const SHOWN: &str = "shown";
/// The same of what a node says of its papers.
pub const PAPERS: &str = "papers";

/// The newest generation that a node accepted, without private halves, and the proof that it was in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhibit {
    /// The public form.
    pub public_form: Vec<u8>,
    /// The record that says so.
    pub proof: RecordProof,
}

impl Exhibit {
    /// The generation, and the checkpoint that covers it. The log's own key has signed for both, so no node can make them up.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn open(&self, log: &NoteKey) -> Result<(KeySet, TreeHead), String> {
        let set: KeySet = serde_json::from_slice(&self.public_form).map_err(|why| why.to_string())?;
        let (generation, digest) = (set.generation, Digest::of(&self.public_form));
        let accepted = accept(log, None, &self.proof, GoesOn::default(), Sent { generation, digest });
        let (_, checkpoint) = accepted.map_err(|why| why.to_string())?;
        Ok((set, checkpoint.head))
    }
}

/// A node's cosignature of a checkpoint that it has accepted and remembers durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The log's size and root.
    pub head: TreeHead,
    /// The signature as it stands in a signed note (C2SP `tlog-cosignature`): the time, 8 bytes, and 64 of Ed25519.
    pub bytes: Vec<u8>,
}

/// The first message of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The newest version of the protocol that the agent speaks.
    pub protocol_version: u32,
    /// What the agent can do beyond that version, by name.
    pub capabilities: Vec<String>,
    /// The release that the agent runs, for display.
    pub release: String,
    /// A random number that the agent made when it started, by which two with one identity are told apart; none where it made none.
    pub instance: Option<NonZeroU64>,
}

/// A message from an agent to its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentMessage {
    /// The first message of a stream.
    Hello(Hello),
    /// What the node read back from its disk.
    Report(Report),
    /// The node has seen a checkpoint, and it goes on from all that it saw before.
    Cosigned(Cosignature),
    /// What the node holds, where it refuses what the leader sends.
    Shown(Exhibit),
    /// What is on the node's disk of its certificate, and whom it trusts.
    Papers(Papers),
}

/// A message from the leader to one agent. The agent gets a [`Logged`]; the leader sends an [`Outgoing`](super::Outgoing), whose
/// bytes all streams share.
#[derive(Debug)]
pub enum LeaderMessage<B = Logged> {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// A generation to install: sent after the first report, which says what the node remembers of the log, and again at each new one.
    Generation(B),
    /// The answer to a report, once what it confirmed is durable.
    Answer(Answer),
    /// The node is revoked: it must erase its private files. The stream ends after this.
    Erase,
}

/// What the leader says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version of the protocol that both will speak.
    pub protocol_version: u32,
    /// What the leader can do beyond that version, by name.
    pub capabilities: Vec<String>,
    /// The leader's term.
    pub epoch: Epoch,
    /// The longest time between two reports of an agent that has nothing new to say.
    pub report_every: Span,
}

/// The leader's answer to one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The `sent_at` of the report that is answered, by the node's clock.
    pub report_sent_at: Time,
    /// The leader's time when it answered; none while its clock is in doubt (rule R9), so that no node goes by it.
    pub leader_time: Option<Time>,
    /// Whether the node is in service.
    pub in_service: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_are_too_far_apart_are_told_so() {
        assert_eq!(agree(PROTOCOL_VERSION).unwrap(), PROTOCOL_VERSION);
        assert_eq!(agree(PROTOCOL_VERSION + 1).unwrap(), PROTOCOL_VERSION);
        for theirs in [0, PROTOCOL_VERSION + 2, u32::MAX] {
            assert!(agree(theirs).unwrap_err().to_string().contains("update the older one"));
        }
    }
}
