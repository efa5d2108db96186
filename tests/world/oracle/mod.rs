//! What really happened, and what must never happen. The oracle knows what nodes really served, signed with and could open, what was
//! made durable and what was sent. It does not know how the rules count.
//!
//! Relying parties are not drawn one by one. Of each key it is known when a node in service last served a set without it, or with it,
//! and when one last signed with it; so what any relying party could have fetched, cached and been sent is known too.

mod decisions;
mod nodes;
mod serving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jkeys::lifecycle::{Command, Event, Node as Row, Standing, State, Windows};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Digest, Enrolment, Epoch, Generation, Kid, NodeName, ProfileName, Span, Time};

use super::World;
use super::node::Node;
use super::store::Store;

/// The truth so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// The first thing that must never happen and did.
    pub broken: Option<Broken>,
    keys: BTreeMap<Kid, Facts>,
    sealing: BTreeMap<Kid, Sealing>,
    /// Those of both that were removed.
    removed: BTreeSet<Kid>,
    /// Those of the signing keys that were removed because nobody ever signed with them, for all that the leader knew.
    dropped_unused: BTreeSet<Kid>,
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
    /// How far the clock that the leader last went by, in line with itself or with most nodes, was ahead of the time, in milliseconds.
    followed_ahead_ms: i64,
    /// The same without the time for which its machine stood still since.
    settled_ahead_ms: i64,
    /// The same for where its clock stood before, since it was last agreed with.
    older_ahead_ms: BTreeSet<i64>,
    /// Nodes that were out of service when the leader was set back to a time at which they were in: relying parties know better.
    sent_away: BTreeSet<Enrolment>,
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
    /// Since which generation whoever stole a node is known to know it.
    stolen_in: Option<Generation>,
    /// Whether an operator wanted its private half destroyed at once, or nobody was ever promised anything.
    is_destroyed: bool,
    /// Whether the leader was set back to before it made the key, and nobody has told it.
    is_unknown: bool,
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
    /// Encryption keys that nobody could have sent it when it was in service without them.
    excused: BTreeSet<Kid>,
    kids: BTreeSet<Kid>,
    gone: BTreeSet<Kid>,
}

/// What the leader that runs has been through.
#[derive(Debug, Clone, Default)]
struct Term {
    started_at: Time,
    /// The nodes that have reported in this term.
    heard: BTreeSet<Enrolment>,
    /// What the clock of each showed the last few times since the process began, and when that was by the leader's monotonic clock: it
    /// can't know for how long its machine stood still.
    clocks: BTreeMap<Enrolment, VecDeque<(Time, Span)>>,
    /// The nodes whose last report showed half a view.
    torn: BTreeSet<Enrolment>,
    told_of_a_later_leader: bool,
    /// The time at which the clock was off, and by so many milliseconds, when the process began, by what the leader was last sure of.
    carried_ahead_ms: Option<i64>,
    /// How long its machine had stood still when it was told something by a clock that was wrong by as much.
    misled_by: Span,
}
impl Oracle {
    /// Notes that a rule was broken; the first time counts.
    pub fn breaks(&mut self, rule: &'static str, how: String) {
        self.broken.get_or_insert(Broken { rule, how });
    }

    /// The leader's clock was set. Two clocks may differ by `clock_skew`, and what a clock showed before and shows now are two such: a
    /// step forward within it, at once or by way of a time that was in doubt, uses up a part of that margin, as if what has been were
    /// longer ago. What it is held to follows it slowly, so any line that it stood in since it was last agreed with may be meant.
    pub fn leader_clock_moved(&mut self, ahead_ms: i64, skew: Span) {
        let is_near = |before: &i64| Span((ahead_ms - before).unsigned_abs()) <= skew;
        let older: Vec<i64> = self.lines().collect();
        if older.iter().chain(&self.leader.carried_ahead_ms).any(is_near) {
            self.leader_clock_confirmed(ahead_ms, skew);
            self.older_ahead_ms.extend(older);
        }
    }

    /// How far the leader's clock was ahead, by each line that it may be held to.
    fn lines(&self) -> impl Iterator<Item = i64> {
        let now = [self.followed_ahead_ms, self.settled_ahead_ms];
        now.into_iter().chain(self.older_ahead_ms.iter().copied())
    }

    /// The leader goes by a clock that is so far ahead from now on. Where its machine stood still, it may have counted with that or not.
    fn leader_clock_confirmed(&mut self, ahead_ms: i64, skew: Span) {
        // A start may have gone on from where the last one was up, by a clock that was in doubt.
        let forward = self
            .lines()
            .chain(self.leader.carried_ahead_ms)
            .filter_map(|before| u64::try_from(ahead_ms - before).ok().map(Span));
        // From one end of the margin to the other, where something in the middle held it.
        let step = forward.filter(|step| *step <= skew * 2).max();
        (self.followed_ahead_ms, self.settled_ahead_ms) = (ahead_ms, ahead_ms);
        self.older_ahead_ms.clear();
        self.leader.carried_ahead_ms = None;
        self.leader.misled_by = Span(0);
        if let Some(step) = step {
            self.was_longer_ago(step);
        }
    }

    /// What nodes served and signed with counts as that much longer ago.
    fn was_longer_ago(&mut self, step: Span) {
        for facts in self.keys.values_mut() {
            facts.lacked_at = facts.lacked_at - step;
            facts.signed_at = facts.signed_at.map(|at| at - step);
        }
        for facts in self.sealing.values_mut() {
            facts.served_at = facts.served_at.map(|at| at - step);
        }
    }

    /// Forgets what can't matter any more: generations that no node holds, and keys whose last token has expired long ago. A copy of the
    /// leader may bring keys back.
    fn forget(&mut self, nodes: &BTreeMap<NodeName, Node>, state: &State, copy: Option<&State>, now: Time) {
        let remembered = |node: &Node| Some(node.disk.trusted.as_ref()?.newest.as_ref()?.digest);
        let held: BTreeSet<Digest> = nodes.values().filter_map(remembered).collect();
        let newest = state.head.generation;
        self.sent
            .retain(|digest, bundle| held.contains(digest) || bundle.set.generation >= newest);
        self.past
            .retain(|enrolment, _| state.nodes.values().any(|node| node.enrolment == *enrolment));
        let is_known = |kid: &Kid| {
            [Some(state), copy]
                .into_iter()
                .flatten()
                .any(|state| state.keys.contains_key(kid))
        };
        let signs = |kid: &Kid| {
            nodes
                .values()
                .any(|node| node.server.signing.contains(kid) || node.disk.has(kid))
        };
        self.keys.retain(|kid, facts| {
            let lives = facts.signed_at.is_some_and(|at| at + facts.windows.interval > now);
            is_known(kid) || lives || signs(kid)
        });
        let is_held = |kid: &Kid| nodes.values().any(|node| node.disk.has(kid) || node.server.offers(kid));
        self.sealing.retain(|kid, facts| {
            let counts = facts.served_at.is_some_and(|at| at + facts.windows.interval > now);
            is_known(kid) || counts || is_held(kid)
        });
        let (keys, sealing) = (&self.keys, &self.sealing);
        self.removed.retain(|kid| keys.contains_key(kid) || sealing.contains_key(kid));
        self.dropped_unused.retain(|kid| keys.contains_key(kid));
    }
}

impl Oracle {
    /// Whether relying parties are sent to a node.
    fn is_in_service(&self, row: &Row) -> bool {
        matches!(row.standing, Standing::InService { .. }) && !self.sent_away.contains(&row.enrolment)
    }

    /// The leader is set back from `lost` to `state`.
    pub fn leader_set_back(&mut self, lost: &State, state: &State) {
        let in_service = |row: &&Row| matches!(row.standing, Standing::InService { .. });
        let out = lost.nodes.values().filter(|row| !in_service(row));
        self.sent_away.extend(out.map(|row| row.enrolment));
        let has_ended = |row: &&Row| !lost.nodes.values().any(|other| other.enrolment == row.enrolment);
        self.sent_away
            .extend(state.nodes.values().filter(has_ended).map(|row| row.enrolment));
        // What a lost change of settings promised for keys that stand, nobody can know.
        for (kid, facts) in &mut self.keys {
            facts.windows = state.keys.get(kid).map_or(facts.windows, |key| key.windows);
        }
        for (kid, facts) in &mut self.sealing {
            facts.windows = state.keys.get(kid).map_or(facts.windows, |key| key.windows);
            // Nobody but its operator can tell it of a theft that was reported in the time that was lost.
            facts.stolen_in = facts.stolen_in.filter(|generation| *generation <= state.head.generation);
            facts.is_unknown |= lost.keys.contains_key(kid) && !state.keys.contains_key(kid);
        }
    }
}

impl World {
    /// Notes what is so at this moment: what every node serves first, then whether each can open what may be encrypted to that.
    pub fn witness(&mut self) {
        for node in self.nodes.values() {
            note_served(&mut self.oracle, &self.leader.store.state, node, self.now);
        }
        for node in self.nodes.values() {
            note_opened(&mut self.oracle, &self.leader.store, node, self.now);
        }
    }

    /// The same of one node, where nothing else has changed.
    pub fn witness_one(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.get(name) {
            note_served(&mut self.oracle, &self.leader.store.state, node, self.now);
            note_opened(&mut self.oracle, &self.leader.store, node, self.now);
        }
    }
}

fn note_served(oracle: &mut Oracle, state: &State, node: &Node, now: Time) {
    if let Some(row) = row_of(state, node) {
        oracle.lives(row.enrolment, node);
        if oracle.is_in_service(row) {
            oracle.serves(row.enrolment, node, now);
        }
    }
}

fn note_opened(oracle: &mut Oracle, leader: &Store, node: &Node, now: Time) {
    if let Some(row) = row_of(&leader.state, node).filter(|row| oracle.is_in_service(row)) {
        oracle.opens(row.enrolment, node, now, leader);
    }
}

fn row_of<'a>(state: &'a State, node: &Node) -> Option<&'a Row> {
    state.nodes.get(&node.name).filter(|row| row.tls_key == node.tls_key)
}
