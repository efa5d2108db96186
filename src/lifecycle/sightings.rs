//! What nodes have confirmed, with the times that rules R1, R3, R8, E1 and E2 count from.
//!
//! These are observations, not decisions: they carry no version and no record. One counts once it is durable.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::authority::Papers;
use super::clock::Reading;
use super::decide::owing_since;
use super::mutant::{Mutant, is_out};
use super::report::{Failing, Installed, Report};
use super::state::{Key, Phase, PrivateHalf, Revocation, State};
use super::view::{Switches, view_of};
use crate::types::{Enrolment, Epoch, Generation, Kid, Time};

/// What every node has confirmed, by enrolment: a name enrolled anew takes none of the old one's confirmations.
pub type Sightings = BTreeMap<Enrolment, Sighting>;

/// What one node has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sighting {
    /// When the leader last had a report.
    pub heard_at: Time,
    /// The leader's term in which that was.
    pub heard_in: Epoch,
    /// The newest view that the node has confirmed.
    pub confirmed: Option<Confirmed>,
    /// Since when the node publishes a key, without a break as far as it said.
    pub published: BTreeMap<Kid, Time>,
    /// When, and in which generation, the node confirmed that it can't sign with a key any more.
    pub released: BTreeMap<Kid, (Generation, Time)>,
    /// Since when the node owes a confirmation that it has withdrawn.
    pub withdrawn_at: Option<Time>,
    /// Since when the node holds the private half of an encryption key ready to decrypt, without a break as far as it said.
    pub decrypting: BTreeMap<Kid, Time>,
    /// Since when the node publishes an encryption key no more, without a break as far as it said.
    pub unpublished: BTreeMap<Kid, Time>,
    /// When, and in which generation, the node confirmed a revocation.
    pub gone: BTreeMap<Kid, (Generation, Time)>,
    /// The node's clock less the leader's, in milliseconds, transit included.
    pub clock_ahead_ms: i64,
    /// The generation that was last read back from the node's disk, confirmed or not.
    pub on_disk: Option<Generation>,
    /// What keeps the node from going on.
    pub problem: Option<String>,
    /// Its hooks and probes that have failed and not succeeded since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Failing>,
    /// Keys whose private half the leader does not have, and neither does the node.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lacking: BTreeSet<Kid>,
    /// What the node last said of its certificate, and whom it trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub papers: Option<Papers>,
}

/// A view that a node has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Its generation.
    pub generation: Generation,
    /// The switches that it has made.
    pub switches: Switches,
    /// When the leader first received that confirmation.
    pub at: Time,
    /// When it last received it.
    pub last_at: Time,
}

impl Sighting {
    /// What is known of the node after `report`, received at this reading of the clock.
    ///
    /// A report that lacks what was confirmed withdraws it. What rules R1, R3 and E2 count from is not noted while the clock is in doubt:
    /// the time could be too early. [`Self::noting`] makes good for it, or the node's next report.
    #[must_use]
    pub fn after(mut self, state: &State, report: &Report, clock: impl Into<Reading>) -> Self {
        let clock = clock.into();
        let now = state.time(clock);
        self.heard_at = now;
        self.heard_in = state.epoch;
        self.clock_ahead_ms = signed_difference(report.sent_at, now);
        self.problem.clone_from(&report.problem);
        self.failing.clone_from(&report.failing);
        self.on_disk = report.installed.as_ref().map(|installed| installed.generation);
        match &report.installed {
            None => {
                self.withdraw(state, now);
                self.published.clear();
                self.decrypting.clear();
            }
            Some(installed) => self.read_back(state, installed, clock),
        }
        self
    }

    fn read_back(&mut self, state: &State, installed: &Installed, clock: Reading) {
        let now = state.time(clock);
        self.lacking = lacking(state, installed);
        self.published.retain(|kid, _| installed.published.contains(kid));
        self.decrypting.retain(|kid, _| installed.decrypting.contains(kid));
        self.unpublished
            .retain(|kid, _| state.keys.contains_key(kid) && !installed.published.contains(kid));
        let kept: BTreeMap<_, _> = std::mem::take(&mut self.released)
            .into_iter()
            .filter(|(kid, (generation, _))| {
                let key = state.keys.get(kid).filter(|_| !installed.held.contains(kid));
                key.is_some_and(|key| still_counts(state, key, *generation))
            })
            .collect();
        self.released = kept;
        self.gone.retain(|kid, _| {
            let revocation = state.revocations.get(kid);
            revocation.is_some_and(|revocation| !still_has(installed, kid, revocation))
        });
        if let Some(difference) = beyond(state, installed).or_else(|| difference(state, installed)) {
            self.withdraw(state, now);
            self.problem.get_or_insert(difference);
            return;
        }
        if !installed.hooks_succeeded {
            return;
        }
        self.confirm(state, installed, now);
        if clock.doubt.is_none() {
            self.note(state, installed, now);
        }
        self.note_gone(state, installed, now);
    }

    /// What rules R1, R3 and E2 count from in a report that was taken in without it, the last one of its node: it counts from `at`.
    #[must_use]
    pub fn noting(mut self, state: &State, report: &Report, at: Time) -> Self {
        let holds = |installed: &&Installed| {
            installed.hooks_succeeded && beyond(state, installed).is_none() && difference(state, installed).is_none()
        };
        if let Some(installed) = report.installed.as_ref().filter(holds) {
            self.note(state, installed, at);
        }
        self
    }

    fn note(&mut self, state: &State, installed: &Installed, now: Time) {
        for key in state.keys.values() {
            let kid = key.kid();
            if installed.published.contains(kid) {
                self.published.entry(kid.clone()).or_insert(now);
            }
            if installed.decrypting.contains(kid) || is_out(Mutant::E1Cached) && installed.held.contains(kid) {
                self.decrypting.entry(kid.clone()).or_insert(now);
            }
            if stopped_publishing(key, installed) {
                self.unpublished.entry(kid.clone()).or_insert(now);
            }
            if switched_away(state, key, installed) {
                self.released.entry(kid.clone()).or_insert((installed.generation, now));
            }
        }
    }

    fn note_gone(&mut self, state: &State, installed: &Installed, now: Time) {
        for (kid, revocation) in &state.revocations {
            if installed.generation < revocation.generation || still_has(installed, kid, revocation) {
                continue;
            }
            let noted = self.gone.entry(kid.clone()).or_insert((installed.generation, now));
            if noted.0 < revocation.generation {
                *noted = (installed.generation, now);
            }
        }
    }

    fn confirm(&mut self, state: &State, installed: &Installed, now: Time) {
        // A switch of a key that is gone says nothing any more, and what is stored has a limit.
        let known = installed.switches.iter().filter(|kid| state.keys.contains_key(*kid));
        let (generation, switches) = (installed.generation, known.cloned().collect::<Switches>());
        let at = match self.confirmed.take() {
            Some(old) if old.generation == generation && old.switches == switches => old.at,
            _ => now,
        };
        self.confirmed = Some(Confirmed {
            generation,
            switches,
            at,
            last_at: now,
        });
        self.withdrawn_at = None;
    }

    /// What was confirmed is so no more: the node owes it from now on, or since it owed something newer.
    fn withdraw(&mut self, state: &State, now: Time) {
        if self.confirmed.is_some() {
            self.withdrawn_at = owing_since(state, Some(self), now).or(Some(now));
        }
        self.confirmed = None;
    }

    /// When the node confirmed that it can't sign with `key` any more, if no generation has handed the key out again since.
    #[must_use]
    pub fn released(&self, state: &State, key: &Key) -> Option<Time> {
        let (generation, at) = self.released.get(key.kid())?;
        still_counts(state, key, *generation).then_some(*at)
    }

    /// When the node confirmed the revocation of `kid`: a key that is revoked a second time must be confirmed a second time.
    #[must_use]
    pub fn gone(&self, kid: &Kid, revocation: &Revocation) -> Option<Time> {
        let (generation, at) = self.gone.get(kid)?;
        (*generation >= revocation.generation).then_some(*at)
    }

    /// The generation that the node has confirmed; 0 before the first.
    #[must_use]
    pub fn confirmed_generation(&self) -> Generation {
        self.confirmed
            .as_ref()
            .map_or(Generation(0), |confirmed| confirmed.generation)
    }
}

/// Whether a node that could not sign with `key` in `generation` has not been sent the private half in a later one.
fn still_counts(state: &State, key: &Key, generation: Generation) -> bool {
    key.last_sent_in(state.head.generation).is_none_or(|sent| generation >= sent)
}

/// Whether something of a revoked key is on the node that must not be there.
fn still_has(installed: &Installed, kid: &Kid, revocation: &Revocation) -> bool {
    let private = [&installed.held, &installed.signing, &installed.decrypting];
    let kept = revocation.private_half == PrivateHalf::Kept;
    installed.published.contains(kid) || !kept && private.iter().any(|kids| kids.contains(kid))
}

/// Whether what was read back shows that the node publishes an encryption key no more.
fn stopped_publishing(key: &Key, installed: &Installed) -> bool {
    match key.phase {
        Phase::Unpublished { generation, .. } => installed.generation >= generation && !installed.published.contains(key.kid()),
        _ => false,
    }
}

/// Whether what was read back shows that the node signs with `key` no more: its private half is nowhere on the node, and either the
/// generation says so, or the node has switched to the successor by its clock.
fn switched_away(state: &State, key: &Key, installed: &Installed) -> bool {
    if is_out(Mutant::R3ConfirmedSwitch) && installed.generation == state.head.generation && state.armed(&key.profile).is_some() {
        return true;
    }
    if installed.held.contains(key.kid()) {
        return false;
    }
    match &key.phase {
        Phase::Prepublished | Phase::Armed { .. } | Phase::Staged | Phase::Published { .. } | Phase::Unpublished { .. } => false,
        Phase::Active { .. } => {
            let armed = state.armed(&key.profile).map(|(successor, _)| successor.kid());
            installed.generation == state.head.generation && armed.is_some_and(|kid| installed.switches.contains(kid))
        }
        Phase::Retiring {
            generation, successor, ..
        } => installed.generation >= *generation || successor.as_ref().is_some_and(|kid| installed.switches.contains(kid)),
    }
}

/// A generation that this leader has not made can't be confirmed, whatever the node says of it.
fn beyond(state: &State, installed: &Installed) -> Option<String> {
    let (found, head) = (installed.generation, state.head.generation);
    (found > head).then(|| format!("the node holds generation {found}, but the newest of this leader is {head}"))
}

/// How what was read back differs from the generation in force, when it claims to be that generation.
fn difference(state: &State, installed: &Installed) -> Option<String> {
    if installed.generation != state.head.generation || is_out(Mutant::R6HalfCounts) {
        return None;
    }
    // Ten thousand nodes report in a row after an emergency: no key is copied for any of them.
    let keys = state.keys.values().map(|key| (&key.profile, key.kid(), key.stage()));
    let due = view_of(state.head.generation, keys, &installed.switches, Time(0)).lacking(&lacking(state, installed));
    let published: BTreeSet<Kid> = due.published.iter().cloned().collect();
    let files = [
        ("the JWKS", &published, &installed.published),
        ("the private file", &due.signing(), &installed.signing),
        ("the private file", &due.decrypting, &installed.decrypting),
        ("the node's private halves", &due.held, &installed.held),
    ];
    files.into_iter().find_map(|(name, due, found)| {
        let missing = listed(due.difference(found));
        let extra = listed(found.difference(due));
        (due != found).then(|| {
            let generation = installed.generation;
            format!("{name} read back from disk is not that of generation {generation}: missing {missing}, too many {extra}")
        })
    })
}

/// The keys that only those nodes have that had them before, as far as this one has not.
fn lacking(state: &State, installed: &Installed) -> BTreeSet<Kid> {
    let inherited = state
        .keys
        .values()
        .filter(|key| key.inherited && key.stage().carries_private());
    let lacked = inherited.filter(|key| !installed.held.contains(key.kid()));
    lacked.map(|key| key.kid().clone()).collect()
}

fn listed<'a>(kids: impl Iterator<Item = &'a Kid>) -> String {
    let kids: Vec<&str> = kids.map(Kid::as_str).collect();
    if kids.is_empty() { "none".to_owned() } else { kids.join(" ") }
}

fn signed_difference(theirs: Time, ours: Time) -> i64 {
    let distance = i64::try_from(theirs.distance(ours).0).unwrap_or(i64::MAX);
    if theirs < ours { -distance } else { distance }
}
