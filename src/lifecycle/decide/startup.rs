//! The start of a leader, and what keeps its schedule from deciding.

use super::Decision;
use crate::lifecycle::clock::Reading;
use crate::lifecycle::event::Event;
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{Absence, Node, State, Wait};
use crate::types::{NodeName, Time};

/// A new term begins: the epoch rises, and the time without a leader is noted.
pub(super) fn start(state: &State, last_up: Option<Time>, now: Time) -> Decision {
    // A leader was there at the last record too, so that no stretch of time is counted twice.
    let from = last_up.map(|at| at.max(state.last_record_at));
    let absence = from.filter(|from| *from < now).map(|from| Absence { from, until: now });
    Decision::from(vec![Event::Started {
        epoch: state.epoch.next(),
        absence,
    }])
}

/// Why the schedule decides nothing at this reading of the clock, with the nodes that are missing.
///
/// Rule R5: not before all nodes in service have reported since the start, or `start_grace` has passed.
/// Rule R9: not while the clock is in doubt.
#[must_use]
pub fn holds_schedule(state: &State, seen: &Sightings, clock: impl Into<Reading>) -> Option<(Wait, Vec<NodeName>)> {
    let clock = clock.into();
    if let Some(doubt) = clock.doubt_in(state).filter(|_| !is_out(Mutant::R9ClockBack)) {
        return Some((Wait::Clock(doubt), Vec::new()));
    }
    awaited(state, seen, clock).map(|nodes| (Wait::Start, nodes))
}

/// The nodes in service that have not reported since the start, while they are waited for (rule R5).
pub(super) fn awaited(state: &State, seen: &Sightings, clock: Reading) -> Option<Vec<NodeName>> {
    let silent = unreported(state, seen);
    let in_grace = state.time(clock) < state.started_at + state.settings.start_grace() && !is_out(Mutant::R5StartGrace);
    (in_grace && !silent.is_empty()).then_some(silent)
}

/// Whether a node has reported in this term.
pub(super) fn is_heard(state: &State, seen: &Sightings, node: &Node) -> bool {
    let sighting = seen.get(&node.enrolment);
    sighting.is_some_and(|sighting| sighting.heard_in == state.epoch)
}

fn unreported(state: &State, seen: &Sightings) -> Vec<NodeName> {
    state
        .in_service()
        .filter(|(_, node, _)| !is_heard(state, seen, node))
        .map(|(name, ..)| name.clone())
        .collect()
}
