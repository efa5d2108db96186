//! The probe: do tokens that one node signs verify with what relying parties have from another? And does every node open what they
//! encrypt?
//!
//! It is pure: it is told what was read and when, and remembers for each node the sets that a relying party may still hold.

mod decryption;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::files::NodeFiles;
use crate::crypto::{CryptoError, PublishedKeys, SigningKey, sign_token, verify_token};
use crate::outputs::{PrivateKeys, private_keys, published_keys};
use crate::types::{Digest, Kid, NodeName, Secret, Span, Time};

/// What was read in one round.
#[derive(Debug)]
pub struct Sample {
    /// A moment before the first file was read. A set counts as held until then, and a token as signed then.
    pub began: Time,
    /// A moment after the last file was read, and before [`Self::revoked`] and [`Self::excepted`] were asked for.
    pub ended: Time,
    /// The files of the nodes that were in service all the while. The promise is about no others.
    pub nodes: BTreeMap<NodeName, NodeFiles>,
    /// Keys that are revoked and destroyed. What they signed is not to verify, and what is encrypted to them not to be opened.
    pub revoked: BTreeSet<Kid>,
    /// Keys that came to sign by a recorded exception to rule R1: bootstrap, forced, compromised. They are held against the sets
    /// as they are now, of nodes that have published them. Or keys whose publication was forced against rule E1: nothing is
    /// encrypted to those.
    pub excepted: BTreeSet<Kid>,
}

/// What one round found. A probe is one token of one node against one node, that node itself included; or one message to one key,
/// with one node that is to open it.
#[derive(Debug, Default)]
pub struct Round {
    /// How many probes were made.
    pub probes: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

/// A token that does not verify, a message that does not open, or files that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A token does not verify.
    Token {
        /// The nodes that signed with this key, all with the same private file.
        signers: Vec<NodeName>,
        /// The node whose set a relying party has.
        verifier: NodeName,
        /// The key.
        kid: Kid,
        /// Which of its sets.
        set: Seen,
        /// How old the token is.
        age: Span,
        /// What is wrong.
        why: CryptoError,
    },
    /// A message does not open.
    Message {
        /// The nodes that can't open it, all with the same private file.
        readers: Vec<NodeName>,
        /// The node whose set a relying party has.
        publisher: NodeName,
        /// The key.
        kid: Kid,
        /// Which of its sets.
        set: Seen,
        /// What is wrong.
        why: CryptoError,
    },
    /// A file of a node can't be used.
    File {
        /// The node.
        node: NodeName,
        /// What is wrong.
        why: String,
    },
}

/// Which of a node's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The one that it holds now.
    Now,
    /// One that it held so long ago, and that a relying party may have in its cache.
    Ago(Span),
}

impl Failure {
    /// How many probes failed by it.
    #[must_use]
    pub fn probes(&self) -> u64 {
        match self {
            Self::Token { signers, .. } => signers.len() as u64,
            Self::Message { readers, .. } => readers.len() as u64,
            Self::File { .. } => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token {
                signers,
                verifier,
                kid,
                set,
                age,
                why,
            } => {
                let signers = listed(signers);
                write!(
                    f,
                    "a token that {signers} signed with {kid} {age} ago fails on {verifier}, with its set {set}: {why}"
                )
            }
            Self::Message {
                readers,
                publisher,
                kid,
                set,
                why,
            } => write!(
                f,
                "a message to {kid}, as {publisher} published it in its set {set}, fails on {}: {why}",
                listed(readers)
            ),
            Self::File { node, why } => write!(f, "{node}: {why}"),
        }
    }
}

fn listed(nodes: &[NodeName]) -> String {
    let nodes: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    nodes.join(", ")
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("as it is now"),
            Self::Ago(span) => write!(f, "as it was {span} ago"),
        }
    }
}

impl Round {
    /// How many probes failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(Failure::probes).sum()
    }
}

/// The memory of the probe.
#[derive(Debug)]
pub struct Probe {
    min_prepublish: Span,
    token_lifetime: Span,
    nodes: BTreeMap<NodeName, Held>,
    living: Vec<Token>,
}

/// What relying parties may have from one node.
#[derive(Debug, Default)]
struct Held {
    /// From the oldest to the newest.
    versions: Vec<Version>,
    /// Whether the newest was read in this round.
    is_current: bool,
    /// Every kid that it ever published.
    ever: BTreeSet<Kid>,
}

#[derive(Debug)]
struct Version {
    set: Arc<Set>,
    last_seen: Time,
}

/// A set, parsed once for all nodes that hold the same bytes.
#[derive(Debug)]
struct Set {
    digest: Digest,
    keys: PublishedKeys,
}

#[derive(Debug)]
struct Token {
    signers: Vec<NodeName>,
    kid: Kid,
    signed_at: Time,
    text: String,
    /// What each set said of it. It is a function of the bytes, so many nodes share one answer.
    verdicts: BTreeMap<Digest, Result<(), CryptoError>>,
}

impl Probe {
    /// A probe for keys with these windows.
    #[must_use]
    pub fn new(min_prepublish: Span, token_lifetime: Span) -> Self {
        Self {
            min_prepublish,
            token_lifetime,
            nodes: BTreeMap::new(),
            living: Vec::new(),
        }
    }

    /// Signs one token with each selected key of each node, and verifies it with every set that a relying party may have from
    /// any node. Tokens that still live are verified again, with the sets as they are now (rule R3). Encrypts one message to each
    /// key that a relying party may have, and opens it with every node's private file (rules E1 and E2).
    pub fn round(&mut self, sample: &Sample) -> Round {
        let mut round = Round::default();
        self.remember(sample, &mut round);
        let mut living = std::mem::take(&mut self.living);
        living.retain(|token| sample.ended < token.signed_at + self.token_lifetime);
        let kept = living.len();
        let privates = privates(sample, &mut round);
        living.extend(sign(&privates, sample.began, &mut round));
        for (at, token) in living.iter_mut().enumerate() {
            self.verify(token, sample, at >= kept, &mut round);
        }
        living.retain(|token| !sample.revoked.contains(&token.kid));
        self.living = living;
        decryption::probe(&self.nodes, &privates, sample, &mut round);
        round
    }

    fn remember(&mut self, sample: &Sample, round: &mut Round) {
        let mut sets: BTreeMap<Digest, Arc<Set>> = BTreeMap::new();
        let known = self.nodes.values().flat_map(|held| &held.versions);
        sets.extend(known.map(|version| (version.set.digest, version.set.clone())));
        self.nodes.values_mut().for_each(|held| held.is_current = false);
        for (node, files) in &sample.nodes {
            match parsed(&mut sets, &files.public) {
                Ok(set) => self.nodes.entry(node.clone()).or_default().see(set, sample.began),
                Err(why) => round.failures.push(Failure::File { node: node.clone(), why }),
            }
        }
        // A relying party caches a set for less than min_prepublish. A node that left service is read no more; what it served
        // before counts like the rest.
        let is_old = |version: &Version| sample.ended.since(version.last_seen) >= self.min_prepublish;
        for held in self.nodes.values_mut() {
            let newest = held.versions.len().saturating_sub(usize::from(held.is_current));
            let old = held.versions[..newest].iter().take_while(|version| is_old(version)).count();
            held.versions.drain(..old);
        }
    }

    /// Verifies a token against every node. A fresh one is held against cached sets too.
    fn verify(&self, token: &mut Token, sample: &Sample, fresh: bool, round: &mut Round) {
        if sample.revoked.contains(&token.kid) {
            return;
        }
        let excepted = sample.excepted.contains(&token.kid);
        for (verifier, held) in &self.nodes {
            if excepted && !held.ever.contains(&token.kid) {
                continue;
            }
            let cached = fresh && !excepted;
            let mut probed = false;
            let mut failed = None;
            for (version, now) in held.of_interest(cached) {
                probed = true;
                if let Err(why) = token.verdict(&version.set) {
                    let set = if now {
                        Seen::Now
                    } else {
                        Seen::Ago(sample.ended.since(version.last_seen))
                    };
                    failed = Some((set, why));
                }
            }
            round.probes += if probed { token.signers.len() as u64 } else { 0 };
            round.failures.extend(failed.map(|(set, why)| Failure::Token {
                signers: token.signers.clone(),
                verifier: verifier.clone(),
                kid: token.kid.clone(),
                set,
                age: sample.ended.since(token.signed_at),
                why,
            }));
        }
    }
}

impl Held {
    fn see(&mut self, set: Arc<Set>, at: Time) {
        self.is_current = true;
        self.ever.extend(set.keys.kids());
        match self.versions.last_mut().filter(|last| last.set.digest == set.digest) {
            Some(same) => same.last_seen = at,
            None => self.versions.push(Version { set, last_seen: at }),
        }
    }

    /// The sets to verify with, and whether each is the one that the node holds now.
    fn of_interest(&self, cached: bool) -> impl Iterator<Item = (&Version, bool)> {
        let newest = self.versions.len().checked_sub(1).filter(|_| self.is_current);
        let all = self.versions.iter().enumerate();
        all.map(move |(at, version)| (version, newest == Some(at)))
            .filter(move |(_, now)| cached || *now)
    }
}

impl Token {
    fn verdict(&mut self, set: &Set) -> Result<(), CryptoError> {
        let text = &self.text;
        let verdict = self.verdicts.entry(set.digest);
        verdict
            .or_insert_with(|| verify_token(&set.keys.verifying, text).map(|_| ()))
            .clone()
    }
}

fn parsed(sets: &mut BTreeMap<Digest, Arc<Set>>, public: &[u8]) -> Result<Arc<Set>, String> {
    let digest = Digest::of(public);
    if let Some(set) = sets.get(&digest) {
        return Ok(set.clone());
    }
    let keys = published_keys(public).map_err(|why| why.to_string())?;
    let set = Arc::new(Set { digest, keys });
    sets.insert(digest, set.clone());
    Ok(set)
}

/// The private file of a group of nodes that hold the same bytes.
struct Private {
    keys: PrivateKeys,
    nodes: Vec<NodeName>,
}

fn privates(sample: &Sample, round: &mut Round) -> Vec<Private> {
    let mut files: BTreeMap<Option<Digest>, (Option<&Secret>, Vec<NodeName>)> = BTreeMap::new();
    for (node, read) in &sample.nodes {
        let private = read.private.as_ref();
        let same = files.entry(private.map(|private| Digest::of(private.expose())));
        same.or_insert((private, Vec::new())).1.push(node.clone());
    }
    let mut privates = Vec::new();
    for (private, nodes) in files.into_values() {
        match private.map_or_else(|| Ok(PrivateKeys::default()), |private| private_keys(private.expose())) {
            Ok(keys) => privates.push(Private { keys, nodes }),
            Err(why) => {
                let why = why.to_string();
                let failed = nodes.into_iter().map(|node| Failure::File { node, why: why.clone() });
                round.failures.extend(failed);
            }
        }
    }
    privates
}

/// One token for each key that nodes sign with. Nodes with the same private file share it.
fn sign(privates: &[Private], now: Time, round: &mut Round) -> Vec<Token> {
    let mut tokens = Vec::new();
    for Private { keys, nodes } in privates {
        for key in &keys.signing {
            match token(key, nodes.clone(), now) {
                Ok(signed) => tokens.push(signed),
                Err(why) => round.failures.extend(nodes.iter().map(|node| Failure::File {
                    node: node.clone(),
                    why: why.to_string(),
                })),
            }
        }
    }
    tokens
}

fn token(key: &SigningKey, signers: Vec<NodeName>, signed_at: Time) -> Result<Token, CryptoError> {
    let claims = [
        ("sub".to_owned(), "probe".into()),
        ("iat".to_owned(), (signed_at.0 / 1000).into()),
    ];
    Ok(Token {
        signers,
        kid: key.kid().clone(),
        signed_at,
        text: sign_token(key, &claims.into_iter().collect())?,
        verdicts: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests;
