//! The fleet's CAs, and the papers of nodes.

use serde::{Deserialize, Serialize};

use crate::types::{Digest, NodeName, Time};

/// `jkeys ca show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaPage {
    /// The leader's time when it answered.
    pub now: Time,
    /// The CAs that matter still, oldest first.
    pub cas: Vec<CaRow>,
    /// The number of the CA that was asked for and is not made yet.
    pub asked: Option<u32>,
    /// When the schedule asks for the next one; none while a rotation is under way.
    pub rotate_at: Option<Time>,
}

/// One CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRow {
    /// Its number.
    pub number: u32,
    /// SHA-256 of its public key: what a join token pins.
    pub key: Digest,
    /// `made`, `signing`, `ending` or `dropped`.
    pub phase: String,
    /// The last instant at which its certificate is good.
    pub good_until: Time,
    /// How many nodes have said that they trust it.
    pub trusted_by: u64,
    /// How many nodes have said that their certificate is of it.
    pub certifies: u64,
    /// The nodes that its next step waits for.
    pub missing: Vec<NodeName>,
    /// When the last open join token ends that pins it, where its next step waits for that.
    pub tokens_until: Option<Time>,
    /// When its next step comes at the latest, whoever is missing, as far as that is known.
    pub at_the_latest: Option<Time>,
}

/// What `jkeys ca rotate` is told, once it is durable or with `--dry-run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRotation {
    /// The number of the new CA.
    pub number: u32,
    /// Whether nothing was decided.
    pub dry_run: bool,
    /// The nodes in service: all of them must trust it before anything is signed with it.
    pub must_trust: Vec<NodeName>,
    /// The other nodes: they keep the certificate that they have, and the CA before stays for them.
    pub away: Vec<NodeName>,
    /// How many open join tokens pin the CA before, which stays for them too.
    pub tokens: u64,
}

/// What a node last said of its certificate, and of whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePapers {
    /// The CA that its certificate is of.
    pub certified_by: CaName,
    /// Whether that is the one that signs.
    pub is_of_signing: bool,
    /// The last instant at which its certificate is good.
    pub good_until: Time,
    /// The CAs that it trusts.
    pub trusts: Vec<CaName>,
    /// The leader's CAs that it does not trust, though it should.
    pub lacks: Vec<u32>,
}

/// A CA by its number, where this leader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaName {
    /// Its number; none where this leader does not know it.
    pub number: Option<u32>,
    /// SHA-256 of its public key.
    pub key: Digest,
}
