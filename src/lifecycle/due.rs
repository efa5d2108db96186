//! When the schedule next has something to do, so that the leader can sleep until then.

use super::authority::{CaEnding, ca_rotation_due_at};
use super::decide::{evictions_due_at, successor_due_at};
use super::encryption::Keeping;
use super::publication::Publication;
use super::retirement::Retirement;
use super::sightings::Sightings;
use super::state::{Key, Phase, State};
use crate::types::{ProfileName, Time};

/// The next instant after `now` at which a decision falls due by time alone. A confirmation can make one due earlier.
#[must_use]
pub fn next_due(state: &State, seen: &Sightings, now: Time) -> Option<Time> {
    let keys = state.keys.values().flat_map(|key| key_due_at(state, seen, key));
    let profiles = state
        .settings
        .profiles
        .keys()
        .flat_map(|profile| profile_due_at(state, seen, profile));
    let grace_ends = state.started_at + state.settings.start_grace();
    let evictions = evictions_due_at(state, seen, now).map(|due| due.max(grace_ends));
    keys.chain(profiles)
        .chain(evictions)
        .chain(authority_due_at(state, seen, now))
        .chain([grace_ends])
        .filter(|due| *due > now)
        .min()
}

/// When another CA is asked for, or the one before goes.
fn authority_due_at(state: &State, seen: &Sightings, now: Time) -> Option<Time> {
    let ending = CaEnding::of(state, seen, now).map(|ending| {
        let CaEnding {
            missing,
            tokens_until,
            ends_at,
        } = ending;
        tokens_until.max(Some(ends_at).filter(|_| !missing.is_empty())).unwrap_or(now)
    });
    ending.or_else(|| ca_rotation_due_at(state))
}

/// When the clock alone moves a key on.
fn key_due_at(state: &State, seen: &Sightings, key: &Key) -> Vec<Time> {
    match key.phase {
        Phase::Armed { activate_at } => vec![activate_at],
        Phase::Retiring { since, .. } => vec![Retirement::of(state, seen, key, since).expired_at],
        Phase::Prepublished | Phase::Active { .. } | Phase::Staged => Vec::new(),
        Phase::Published { replace_at, .. } => vec![replace_at - key.windows.arm_lead, replace_at],
        Phase::Unpublished { .. } => Keeping::of(state, seen, key)
            .map(|keeping| keeping.kept_until)
            .into_iter()
            .collect(),
    }
}

/// When the standbys of a profile can be armed, or make others superfluous, and when the key after them must be published.
fn profile_due_at(state: &State, seen: &Sightings, profile: &ProfileName) -> Vec<Time> {
    let planned = state.active(profile).and_then(|key| match key.phase {
        Phase::Active { retire_at, .. } => Some(retire_at),
        _ => None,
    });
    // While the algorithm changes there is a choice, and one that is ready puts an end to others.
    let is_changing = state.standbys(profile).any(|key| !state.asks_for(key));
    let of_standby = |key: &Key| {
        let (lead, ready_at) = (key.windows.arm_lead, Publication::of(state, seen, key).ready_at);
        let armed_at = [Some(ready_at + key.windows.clock_skew), planned];
        let armed_at = armed_at.into_iter().flatten().map(move |at| at - lead);
        armed_at.chain(Some(ready_at).filter(|_| is_changing))
    };
    let looked_at = if is_changing { usize::MAX } else { 1 };
    let standbys = state.standbys(profile).take(looked_at).flat_map(of_standby);
    standbys.chain(successor_due_at(state, seen, profile)).collect()
}
