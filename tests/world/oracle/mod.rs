//! What really happened, and what must never happen. The oracle knows what nodes really served, signed with and could open, what was
//! made durable and what was sent. It does not know how the rules count.
//!
//! Relying parties are not drawn one by one. Of each key it is known when a node in service last served a set without it, or with it,
//! and when one last signed with it; so what any relying party could have fetched, cached and been sent is known too.

mod decisions;
mod nodes;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jkeys::lifecycle::{Command, Event, Standing, State, Windows};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Digest, Enrolment, Epoch, Generation, Kid, NodeName, ProfileName, Span, Time};

use super::World;
use super::node::Node;

/// The truth so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// The first thing that must never happen and did.
    pub broken: Option<Broken>,
    keys: BTreeMap<Kid, Facts>,
    sealing: BTreeMap<Kid, Sealing>,
    profiles: BTreeMap<ProfileName, Standards>,
    /// Every generation that was sent and that some node may hold.
    sent: BTreeMap<Digest, Arc<Bundle>>,
    past: BTreeMap<Enrolment, Past>,
    leader: Term,
    /// What was committed in the decision that is being carried out.
    committed: Vec<Event>,
    /// What an operator asks for at this moment.
    request: Option<Command>,
    anyone_in_service: bool,
    /// How far the leader's clock was ahead of the time when most nodes last agreed with it, in milliseconds.
    trusted_ahead_ms: i64,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Such as `R1`.
    pub rule: &'static str,
    /// What happened.
    pub how: String,
}

/// What is true of one key that signs.
#[derive(Debug, Clone)]
struct Facts {
    profile: ProfileName,
    windows: Windows,
    /// When a node in service last served a set without it.
    lacked_at: Time,
    /// When a node in service last signed with it.
    signed_at: Option<Time>,
    /// Whether its activation is recorded as an exception to rule R1.
    is_exempt: bool,
    is_revoked: bool,
}

/// What is true of one key that is encrypted to.
#[derive(Debug, Clone)]
struct Sealing {
    profile: ProfileName,
    windows: Windows,
    /// When a node in service may last have served a set with it.
    served_at: Option<Time>,
    /// Whether the leader has it published.
    is_published: bool,
    /// Whether an operator forced its publication: then nodes that never had its private half can't open what is encrypted to it.
    is_forced: bool,
    /// Whether whoever stole a node knows it.
    is_stolen: bool,
    /// Whether an operator wanted its private half destroyed at once, or nobody was ever promised anything.
    is_destroyed: bool,
}

/// What is true of one profile.
#[derive(Debug, Clone, Default)]
struct Standards {
    has_lost_a_key: bool,
}

/// What a node has been through.
#[derive(Debug, Clone, Default)]
struct Past {
    epoch: Epoch,
    generation: Generation,
    digest: Option<Digest>,
    switches: BTreeSet<Kid>,
    served: BTreeSet<Kid>,
    opened: BTreeSet<Kid>,
    kids: BTreeSet<Kid>,
    gone: BTreeSet<Kid>,
}

/// What the leader that runs has been through.
#[derive(Debug, Clone, Default)]
struct Term {
    started_at: Time,
    /// The nodes that have reported: what the clock of each showed, and when that was.
    heard: BTreeMap<Enrolment, (Time, Time)>,
    /// The nodes whose last report showed half a view.
    torn: BTreeSet<Enrolment>,
    told_of_a_later_leader: bool,
}
impl Oracle {
    /// Notes that a rule was broken; the first time counts.
    pub fn breaks(&mut self, rule: &'static str, how: String) {
        self.broken.get_or_insert(Broken { rule, how });
    }

    /// The leader's clock was set forward. Two clocks may differ by `clock_skew`, and what a clock showed before and shows now are two
    /// such: a step within it uses up a part of that margin, as if what has been were longer ago.
    pub fn leader_clock_moved(&mut self, forward_ms: i64, skew: Span) {
        let Some(step) = u64::try_from(forward_ms).ok().map(Span).filter(|step| *step <= skew) else {
            return;
        };
        for facts in self.keys.values_mut() {
            facts.lacked_at = facts.lacked_at - step;
            facts.signed_at = facts.signed_at.map(|at| at - step);
        }
        for facts in self.sealing.values_mut() {
            facts.served_at = facts.served_at.map(|at| at - step);
        }
    }

    /// Forgets what can't matter any more: generations that no node holds, and keys whose last token has expired long ago.
    fn forget(&mut self, nodes: &BTreeMap<NodeName, Node>, state: &State, now: Time) {
        let remembered = |node: &Node| Some(node.disk.trusted.as_ref()?.newest.as_ref()?.digest);
        let held: BTreeSet<Digest> = nodes.values().filter_map(remembered).collect();
        let newest = state.head.generation;
        self.sent
            .retain(|digest, bundle| held.contains(digest) || bundle.set.generation >= newest);
        self.past
            .retain(|enrolment, _| state.nodes.values().any(|node| node.enrolment == *enrolment));
        let signs = |kid: &Kid| {
            nodes
                .values()
                .any(|node| node.server.signing.contains(kid) || node.disk.has(kid))
        };
        self.keys.retain(|kid, facts| {
            let lives = facts.signed_at.is_some_and(|at| at + facts.windows.interval > now);
            state.keys.contains_key(kid) || lives || signs(kid)
        });
        let is_held = |kid: &Kid| nodes.values().any(|node| node.disk.has(kid) || node.server.offers(kid));
        self.sealing.retain(|kid, facts| {
            let counts = facts.served_at.is_some_and(|at| at + facts.windows.interval > now);
            state.keys.contains_key(kid) || counts || is_held(kid)
        });
    }
}

impl World {
    /// Notes what is so at this moment.
    pub fn witness(&mut self) {
        for node in self.nodes.values() {
            let row = self.leader.store.state.nodes.get(&node.name);
            let Some(row) = row.filter(|row| row.tls_key == node.tls_key) else {
                continue;
            };
            self.oracle.lives(row.enrolment, node);
            if matches!(row.standing, Standing::InService { .. }) {
                self.oracle.serves(row.enrolment, node, self.now);
            }
        }
        let state = &self.leader.store.state;
        for (name, row, _) in state.in_service() {
            let node = self.nodes.get(name).filter(|node| node.tls_key == row.tls_key);
            if let Some(node) = node {
                self.oracle.opens(row.enrolment, node, self.now);
            }
        }
    }
}
