//! The fleet's CAs: which one signs, which ones are trusted, and how one takes over from another.
//!
//! ```text
//! asked ──► made ──────────────► signing ────────────────────► ending ──────────────────► dropped ──► destroyed
//!           every node in         its successor signs           no certificate under it
//!           service trusts it                                   can be shown any more
//! ```
//!
//! Nodes trust what is made, signs or ends. A generation names these CAs from the first change on, so nodes take them as they take keys:
//! proved to be in the log, and never back to an older state (rule R5).

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::sightings::{Sighting, Sightings};
use super::state::{JoinToken, Node, State};
use crate::types::{CERTIFICATE_LIFE, Digest, NodeName, RENEWABLE_FOR, Span, Time};

/// The CAs that matter still.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authority {
    /// Oldest first. Empty until a leader certified itself.
    pub cas: Vec<Ca>,
    /// Whether another one was asked for and is not made yet.
    pub asked: bool,
    /// Whether generations name the CAs: from the first rotation, or adoption, on. Before, nodes go by what they were given when they joined.
    pub is_named: bool,
}

/// One CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ca {
    /// What it is.
    #[serde(flatten)]
    pub facts: CaFacts,
    /// Its certificate, DER in base64.
    pub certificate: String,
    /// How far it is.
    #[serde(flatten)]
    pub phase: CaPhase,
}

/// What a record says of a CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaFacts {
    /// Its number: the first is 1, and each one after that is one higher.
    pub number: u32,
    /// SHA-256 of its `SubjectPublicKeyInfo`: what a join token pins.
    pub key: Digest,
    /// The last instant at which its certificate is good.
    pub good_until: Time,
}

/// How far a CA is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum CaPhase {
    /// Nodes are told to trust it, and nothing is signed with it.
    Made,
    /// New certificates are signed with it.
    Signing,
    /// Nothing new is signed with it, and what was is good still.
    Ending {
        /// Since when.
        since: Time,
    },
    /// Nobody is to trust it any more; its private half has yet to be destroyed.
    Dropped,
}

impl CaPhase {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Signing => "signing",
            Self::Ending { .. } => "ending",
            Self::Dropped => "dropped",
        }
    }
}

/// What a node last said of its papers, as they are on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Papers {
    /// The CAs that it trusts, by SHA-256 of their `SubjectPublicKeyInfo`.
    pub trusts: std::collections::BTreeSet<Digest>,
    /// The CA that its certificate is signed with.
    pub certified_by: Digest,
    /// The last instant at which its certificate is good.
    pub good_until: Time,
}

impl Authority {
    /// Whether there is nothing to store yet.
    pub(super) fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// The CA that certificates are signed with.
    #[must_use]
    pub fn signing(&self) -> Option<&Ca> {
        self.cas.iter().find(|ca| ca.phase == CaPhase::Signing)
    }

    /// The CA that is to sign next.
    #[must_use]
    pub fn made(&self) -> Option<&Ca> {
        self.cas.iter().find(|ca| ca.phase == CaPhase::Made)
    }

    /// The CA before the one that signs, and since when that is so.
    #[must_use]
    pub fn ending(&self) -> Option<(&Ca, Time)> {
        self.cas.iter().find_map(|ca| match ca.phase {
            CaPhase::Ending { since } => Some((ca, since)),
            _ => None,
        })
    }

    /// The CAs that are trusted, oldest first.
    pub fn trusted(&self) -> impl Iterator<Item = &Ca> {
        self.cas.iter().filter(|ca| ca.phase != CaPhase::Dropped)
    }

    /// The CAs whose private half has yet to be destroyed.
    pub fn dropped(&self) -> impl Iterator<Item = u32> {
        let dropped = self.cas.iter().filter(|ca| ca.phase == CaPhase::Dropped);
        dropped.map(|ca| ca.facts.number)
    }

    /// The number that the next one gets.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.cas.last().map_or(1, |ca| ca.facts.number.saturating_add(1))
    }

    /// The number of the one that is on its way in, or whose predecessor is on its way out.
    #[must_use]
    pub fn rotating(&self) -> Option<u32> {
        let asked = self.asked.then(|| self.next_number());
        let made = self.made().map(|ca| ca.facts.number);
        let ending = self.ending().and(self.signing()).map(|ca| ca.facts.number);
        asked.or(made).or(ending)
    }

    fn set_phase(&mut self, number: u32, phase: CaPhase) {
        for ca in self.cas.iter_mut().filter(|ca| ca.facts.number == number) {
            ca.phase = phase;
        }
    }
}

/// When the schedule asks for another CA by itself.
#[must_use]
pub fn ca_rotation_due_at(state: &State) -> Option<Time> {
    let signing = state.authority.signing().filter(|_| state.authority.rotating().is_none())?;
    Some(signing.facts.good_until - state.settings.ca_rotate_before)
}

/// The nodes in service that have not said that they trust this CA.
#[must_use]
pub fn distrusting(state: &State, seen: &Sightings, ca: &Ca) -> Vec<NodeName> {
    let trusts = |node: &Node| {
        seen.get(&node.enrolment)
            .is_some_and(|sighting| sighting.trusts(ca.facts.key))
    };
    let missing = state.in_service().filter(|(_, node, _)| !trusts(node));
    missing.map(|(name, ..)| name.clone()).collect()
}

/// What keeps a CA that is ending trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaEnding {
    /// Nodes, in service or not, that have not said that their certificate is of another CA, and that they trust the one that signs.
    pub missing: Vec<NodeName>,
    /// When the last join token ends that pins it and is open.
    pub tokens_until: Option<Time>,
    /// When no certificate under it can be shown any more, whoever is missing.
    pub ends_at: Time,
}

impl CaEnding {
    /// The same for the CA that is ending, if one is.
    #[must_use]
    pub fn of(state: &State, seen: &Sightings, now: Time) -> Option<Self> {
        let (ca, since) = state.authority.ending()?;
        let signing = state.authority.signing().map(|ca| ca.facts.key);
        // Who joined since then may know this one only, by its token.
        let is_over = |node: &Node| {
            let papers = seen.get(&node.enrolment).and_then(|sighting| sighting.papers.as_ref());
            papers.is_some_and(|papers| {
                papers.certified_by != ca.facts.key && signing.is_some_and(|signing| papers.trusts.contains(&signing))
            })
        };
        let missing = state.nodes.iter().filter(|(_, node)| !is_over(node));
        let number = ca.facts.number;
        let pins = |token: &&JoinToken| token.is_open(now) && token.ca == Some(number);
        Some(Self {
            missing: missing.map(|(name, _)| name.clone()).collect(),
            tokens_until: state.tokens.values().filter(pins).map(|token| token.expires_at).max(),
            ends_at: ends_at(since),
        })
    }

    /// Whether nobody can show anything of it any more.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        self.tokens_until.is_none() && (self.missing.is_empty() || self.ends_at <= now)
    }
}

/// When the last certificate of a CA that ended at `since` is over, and can't be renewed any more.
fn ends_at(since: Time) -> Time {
    // One that was signed a moment before is recorded before.
    since + CERTIFICATE_LIFE + RENEWABLE_FOR + Span::mins(1)
}

impl Sighting {
    /// Whether the node has said that it trusts the CA with this key.
    #[must_use]
    pub fn trusts(&self, key: Digest) -> bool {
        self.papers.as_ref().is_some_and(|papers| papers.trusts.contains(&key))
    }
}

impl State {
    /// Whether this was a CA of the fleet and is not trusted any more.
    #[must_use]
    pub fn has_dropped(&self, number: u32) -> bool {
        let newest = self.authority.cas.last().map(|ca| ca.facts.number);
        newest.is_some_and(|newest| number < newest) && self.authority.trusted().all(|ca| ca.facts.number != number)
    }

    pub(super) fn evolve_authority(&mut self, event: &Event) {
        match event {
            Event::LeaderCertified { by, .. } => self.begin_authority(*by),
            Event::NodeCertified { node, by, .. } => {
                if let Some(row) = self.nodes.get_mut(node) {
                    row.ca = Some(*by);
                }
            }
            Event::CaAsked { .. } => self.authority.asked = true,
            Event::CaMade { facts, certificate } => {
                self.authority.asked = false;
                self.authority.is_named = true;
                self.authority.cas.push(Ca {
                    facts: *facts,
                    certificate: certificate.clone(),
                    phase: CaPhase::Made,
                });
            }
            Event::CaDropped { number, .. } => self.authority.set_phase(*number, CaPhase::Dropped),
            Event::CaDestroyed { number } => self.authority.cas.retain(|ca| ca.facts.number != *number),
            _ => {}
        }
    }

    /// The first CA is known from the founding on, but only a leader can read its certificate.
    fn begin_authority(&mut self, facts: CaFacts) {
        let founded = self.fleet.as_ref().filter(|fleet| fleet.ca_number == facts.number);
        if let Some(fleet) = founded.filter(|_| self.authority.cas.is_empty()) {
            self.authority.cas.push(Ca {
                facts,
                certificate: fleet.ca_certificate.clone(),
                phase: CaPhase::Signing,
            });
        }
    }

    /// The successor signs from now on.
    pub(super) fn hand_over(&mut self, number: u32, at: Time) {
        if let Some(before) = self.authority.signing().map(|ca| ca.facts.number) {
            self.authority.set_phase(before, CaPhase::Ending { since: at });
        }
        self.authority.set_phase(number, CaPhase::Signing);
    }

    /// Whether a record about CAs and certificates can stand there.
    pub(super) fn admits_authority(&self, event: &Event, at: Time) -> Result<(), String> {
        let authority = &self.authority;
        let is = |number: u32, phase: Option<CaPhase>| {
            let found = authority.cas.iter().find(|ca| ca.facts.number == number).map(|ca| ca.phase);
            let holds = found.is_some() && found == phase;
            holds.then_some(()).ok_or_else(|| match found {
                Some(found) => format!("CA {number} was {}", found.name()),
                None => format!("there is no CA {number}"),
            })
        };
        match event {
            Event::LeaderCertified { by, .. } if authority.cas.is_empty() => {
                let founded = self.fleet.as_ref().map(|fleet| fleet.ca_number);
                let is_first = founded == Some(by.number);
                is_first.then_some(()).ok_or_else(|| format!("there is no CA {}", by.number))
            }
            Event::LeaderCertified { by, .. } => is(by.number, Some(CaPhase::Signing)),
            Event::NodeCertified { node, enrolment, by, .. } => {
                let is_there = self.nodes.get(node).is_some_and(|row| row.enrolment == *enrolment);
                is_there
                    .then_some(())
                    .ok_or_else(|| format!("there is no node {node} of enrolment {enrolment}"))?;
                is(*by, Some(CaPhase::Signing))
            }
            Event::CaAsked { number, .. } => {
                if let Some(under_way) = authority.rotating() {
                    return Err(format!("the rotation to CA {under_way} was under way"));
                }
                let next = authority.next_number();
                (*number == next)
                    .then_some(())
                    .ok_or_else(|| format!("CA {number} is not {next}"))
            }
            Event::CaMade { facts, .. } => {
                let next = authority.next_number();
                let is_next = authority.asked && facts.number == next;
                is_next
                    .then_some(())
                    .ok_or_else(|| format!("CA {} was not asked for", facts.number))
            }
            Event::CaActivated { number, .. } => is(*number, Some(CaPhase::Made)),
            Event::CaDropped { number, .. } => self.admits_end_of_ca(*number, at),
            Event::CaDestroyed { number } => is(*number, Some(CaPhase::Dropped)),
            _ => Ok(()),
        }
    }

    /// The log alone tells which CA each node's newest certificate is of, not whether that has arrived.
    fn admits_end_of_ca(&self, number: u32, at: Time) -> Result<(), String> {
        let Some((ca, since)) = self.authority.ending().filter(|(ca, _)| ca.facts.number == number) else {
            return Err(format!("CA {number} was not ending"));
        };
        let number = ca.facts.number;
        let is_left = |node: &Node| node.ca.is_none_or(|of| of == number) && node.enrolled_at < since;
        match self.nodes.iter().find(|(_, node)| is_left(node)) {
            Some((name, _)) if at < ends_at(since) => Err(format!("node {name} had a certificate of CA {number} still")),
            _ => Ok(()),
        }
    }
}
