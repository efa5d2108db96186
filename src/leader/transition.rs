//! Profiles on their way: into another algorithm, or out of the fleet. Pure.

use std::collections::BTreeMap;

use crate::lifecycle::{Keeping, Key, NextUp, Phase, Publication, Retirement, Sightings, Staging, State};
use crate::rpc::documents::{LeavingProfile, NextChange, Rotating};
use crate::types::{KeySpec, KeyUse, NodeName, ProfileName, Time};

/// Into what a profile rotates, and when, while the key in use is of another algorithm than it asks for.
pub(super) fn rotating(state: &State, seen: &Sightings, profile: &ProfileName, now: Time) -> Option<Rotating> {
    let asked = state.settings.profiles.get(profile)?.spec;
    let in_use = match asked.key_use() {
        KeyUse::Sig => state.active(profile),
        KeyUse::Enc => state.encrypted_to(profile).map(|(key, _)| key),
    };
    let from: KeySpec = in_use.filter(|key| !state.asks_for(key))?.public.spec;
    let at = match in_use?.phase {
        Phase::Active { retire_at, .. } => signs_at(state, seen, profile, retire_at, now),
        Phase::Published { replace_at, .. } => {
            let staged = state.staged(profile).next();
            let is_coming = staged.is_none_or(|key| state.asks_for(key) && Staging::of(state, seen, key).holds());
            is_coming.then_some(replace_at.max(now))
        }
        _ => None,
    };
    Some(Rotating { from, at })
}

/// When a key that the profile asks for is meant to sign; none while that is not known.
fn signs_at(state: &State, seen: &Sightings, profile: &ProfileName, retire_at: Time, now: Time) -> Option<Time> {
    let after = |key: &Key, signs_at: Time| {
        let is_asked = state.asks_for(key);
        if is_asked { signs_at } else { key.handover(signs_at) }
    };
    if let Some((key, activate_at)) = state.armed(profile) {
        return Some(after(key, activate_at));
    }
    state.standbys(profile).next().filter(|key| state.asks_for(key))?;
    let next = NextUp::of(state, seen, profile, retire_at, now)?;
    next.publication.missing.is_empty().then(|| after(next.key, next.activate_at))
}

/// The profiles that are configured no more and still have keys.
pub(super) fn leaving(state: &State, seen: &Sightings) -> Vec<LeavingProfile> {
    let mut leaving: BTreeMap<ProfileName, LeavingProfile> = BTreeMap::new();
    for key in state.keys.values() {
        if state.settings.profiles.contains_key(&key.profile) {
            continue;
        }
        let (until, missing) = end(state, seen, key);
        let row = leaving.entry(key.profile.clone()).or_insert_with(|| LeavingProfile {
            profile: key.profile.clone(),
            until,
            missing: Vec::new(),
        });
        row.until = row.until.max(until);
        row.missing.extend(missing);
        row.missing.sort();
        row.missing.dedup();
    }
    leaving.into_values().collect()
}

/// When a key that nothing will follow goes, and the nodes that it waits for.
fn end(state: &State, seen: &Sightings, key: &Key) -> (Time, Vec<NodeName>) {
    if let Phase::Retiring { since, .. } = key.phase {
        let Retirement { missing, expired_at, .. } = Retirement::of(state, seen, key, since);
        return (expired_at, missing);
    }
    let keeping = Keeping::of(state, seen, key);
    keeping.map_or((key.published_at, Vec::new()), |keeping| {
        (keeping.kept_until, keeping.missing)
    })
}

/// The end of a standby, or of a staged key, of an algorithm that its profile has left behind: when the new one can serve instead.
pub(super) fn giving_way(state: &State, seen: &Sightings, key: &Key) -> Option<NextChange> {
    let (at, missing) = match key.phase {
        Phase::Prepublished => {
            let asked = state.standbys(&key.profile).next().filter(|next| state.asks_for(next))?;
            let Publication { missing, ready_at } = Publication::of(state, seen, asked);
            (ready_at, missing)
        }
        Phase::Staged => {
            let asked = state.staged(&key.profile).next().filter(|next| state.asks_for(next))?;
            (asked.published_at, Staging::of(state, seen, asked).missing)
        }
        _ => return None,
    };
    let to = "removed".to_owned();
    (!state.asks_for(key)).then_some(NextChange { to, at, missing })
}
