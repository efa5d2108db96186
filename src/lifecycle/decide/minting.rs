//! Which keys must be made, and what becomes of a key that has been made.

use super::encryption;
use super::startup::awaited;
use super::{Decision, Refusal};
use crate::lifecycle::clock::Reading;
use crate::lifecycle::event::{Cause, Event, Why};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::planned::handover;
use crate::lifecycle::publication::Publication;
use crate::lifecycle::settings::Profile;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::standby::NextUp;
use crate::lifecycle::state::{Key, Phase, State};
use crate::lifecycle::timing::MAX_PUBLISHED;
use crate::types::{KeyUse, Kid, ProfileName, PublicKey, Reason, Time};

/// A key that must be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The profile that needs it, with everything that it is made by.
    pub profile: Profile,
}

/// The profiles that need a key when the clock shows `clock`, one key at a time for each.
///
/// A successor is published `min_prepublish` and two `clock_skew` before the key ahead of it is armed, so that each profile has a
/// standby at every instant. An encryption key is staged `arm_lead` before it is to take over. A started leader that waits for its
/// nodes makes keys only where nothing can sign, or be encrypted to (rule R5, R8).
#[must_use]
pub fn wanted(state: &State, seen: &Sightings, clock: impl Into<Reading>) -> Vec<Wanted> {
    let clock = clock.into();
    if state.halted.is_some() {
        return Vec::new();
    }
    let waits_for_nodes = awaited(state, seen, clock).is_some();
    let room = MAX_PUBLISHED.saturating_sub(state.keys.len());
    let now = state.time(clock);
    let profiles = state.settings.profiles.values();
    let (urgent, others): (Vec<_>, Vec<_>) = profiles.partition(|profile| is_without_key(state, &profile.name));
    let needing = others
        .into_iter()
        .filter(|profile| !waits_for_nodes && needs_key(state, seen, profile, now));
    let first = urgent.into_iter().chain(needing);
    first
        .take(room)
        .map(|profile| Wanted {
            profile: profile.clone(),
        })
        .collect()
}

fn is_without_key(state: &State, profile: &ProfileName) -> bool {
    let is_past = |key: &Key| matches!(key.phase, Phase::Retiring { .. } | Phase::Unpublished { .. });
    state.activated.contains(profile) && state.keys_of(profile).all(is_past)
}

fn needs_key(state: &State, seen: &Sightings, profile: &Profile, now: Time) -> bool {
    let name = &profile.name;
    if profile.spec.key_use() == KeyUse::Enc {
        return encryption::needs_key(state, name, now);
    }
    if is_out(Mutant::R1) {
        return is_needed_at_once(state, name, now);
    }
    let is_owed = state.owed_standby.contains(name) && state.prepublished(name).count() < 3;
    match state.prepublished(name).filter(|key| state.asks_for(key)).count() {
        0 => true,
        1 => is_owed || successor_due_at(state, seen, name).is_some_and(|due| due <= now),
        _ => is_owed,
    }
}

/// Without rule R1 there is no standby: a key is made when the one before it is about to retire.
fn is_needed_at_once(state: &State, name: &ProfileName, now: Time) -> bool {
    let is_ending = |key: &Key| matches!(key.phase, Phase::Active { retire_at, .. } if retire_at - key.windows.arm_lead <= now);
    let has_next = state.armed(name).is_some() || state.prepublished(name).next().is_some();
    !has_next && state.active(name).is_none_or(is_ending)
}

/// When the key after the standby must be published, so that it is a standby by the time that this one is armed. Where the next to be
/// armed is of an algorithm that the profile has left behind, the key after it stands by already.
#[must_use]
pub fn successor_due_at(state: &State, seen: &Sightings, profile: &ProfileName) -> Option<Time> {
    if state.armed(profile).is_some() {
        return None;
    }
    let Some(Phase::Active { retire_at, .. }) = state.active(profile).map(|key| &key.phase) else {
        return None;
    };
    let next = NextUp::of(state, seen, profile, *retire_at, Time::default())?.key;
    let settings = state.settings.profiles.get(profile).filter(|_| state.asks_for(next))?;
    let armed_at = *retire_at - next.windows.arm_lead;
    // The key to be made waits for as long as the settings of today say.
    Some(armed_at - settings.windows.min_prepublish - state.settings.clock_skew() * 2)
}

/// A key has been made: it is published and, where nothing signs and nothing else can, it signs at once.
pub(super) fn key_made(
    state: &State,
    seen: &Sightings,
    profile: &ProfileName,
    key: &PublicKey,
    asked_at: Time,
    clock: Reading,
) -> Result<Decision, Refusal> {
    let now = state.time(clock);
    let wanted = wanted(state, seen, clock)
        .into_iter()
        .find(|wanted| wanted.profile.name == *profile)
        .ok_or(Refusal::NotWanted)?;
    let outdated = asked_at < state.distrust_before || key.spec != wanted.profile.spec;
    if outdated || state.keys.contains_key(&key.kid) {
        return Err(Refusal::NotWanted);
    }
    let mut windows = wanted.profile.windows;
    windows.clock_skew = state.settings.clock_skew();
    let retire_at = handover(&windows, key.spec.key_use(), now);
    if key.spec.key_use() == KeyUse::Enc {
        return Ok(encryption::stage(profile, key, windows));
    }
    let mut decision = Decision::from(vec![Event::Prepublished {
        profile: profile.clone(),
        key: Box::new(key.clone()),
        windows,
    }]);
    if let Some(cause) = signs_at_once(state, &decision, &key.kid, profile, now) {
        let why = Why::default();
        decision.push(Event::Activated {
            kid: key.kid.clone(),
            since: now,
            retire_at,
            cause,
            why,
        });
    }
    Ok(decision)
}

/// The exceptions to rule R1 for a key that is just made: the first of a profile while no node has ever confirmed anything, and
/// the successor of a revoked key where there is no other.
fn signs_at_once(state: &State, publishing: &Decision, kid: &Kid, profile: &ProfileName, now: Time) -> Option<Cause> {
    let first = !state.activated.contains(profile);
    let signs = state.active(profile).is_some() || state.armed(profile).is_some();
    if signs || state.prepublished(profile).next().is_some() {
        return None;
    }
    if first {
        return (!state.ever_confirmed || is_out(Mutant::R1Bootstrap)).then_some(Cause::Bootstrap);
    }
    let mut after = state.clone();
    after.apply(&publishing.events, now);
    let publication = Publication::of(&after, &Sightings::new(), &after.keys[kid]);
    let reason = state.bereft.get(profile).copied().unwrap_or(Reason::Unspecified);
    Some(Cause::unready(reason, publication))
}
