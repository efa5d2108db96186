//! Which key of a profile takes over next, where its standbys are of more than one algorithm.
//!
//! A profile whose algorithm was changed rotates into it: the new key is preferred as soon as the rules hold for it. Until then the
//! key of the old algorithm stands by, so that no rotation is late and an emergency has a key to turn to.

use super::publication::Publication;
use super::sightings::Sightings;
use super::state::{Key, Phase, State};
use crate::types::{ProfileName, Time};

/// The key that is to be armed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextUp<'a> {
    /// The key.
    pub key: &'a Key,
    /// How far its publication has come.
    pub publication: Publication,
    /// When it can take over; a floor while a node is missing.
    pub activate_at: Time,
}

impl<'a> NextUp<'a> {
    /// In `profile`, when the change of hands is planned for `planned`: of the keys that can take over first, one that the profile
    /// asks for, and of those the oldest.
    ///
    /// A profile that has come to the algorithm that it asks for does not go back by its schedule.
    #[must_use]
    pub fn of(state: &'a State, seen: &Sightings, profile: &'a ProfileName, planned: Time, now: Time) -> Option<Self> {
        let has_come = state.active(profile).is_some_and(|key| state.asks_for(key));
        let candidates = oldest(state, profile).filter(|key| !has_come || state.asks_for(key));
        let next_up = candidates.map(|key| {
            let publication = Publication::of(state, seen, key);
            // A node whose clock is ahead by all that is tolerated signs that much earlier.
            let allowed = publication.ready_at + key.windows.clock_skew;
            let activate_at = planned.max(now + key.windows.arm_lead).max(allowed);
            Self {
                key,
                publication,
                activate_at,
            }
        });
        next_up.min_by_key(|next| (!next.publication.missing.is_empty(), next.activate_at))
    }
}

impl State {
    /// Whether a key is what its profile asks for now: the algorithm may have been changed since it was made.
    #[must_use]
    pub fn asks_for(&self, key: &Key) -> bool {
        let profile = self.settings.profiles.get(&key.profile);
        profile.is_some_and(|profile| profile.spec == key.public.spec)
    }

    /// The prepublished keys of a profile: those that it asks for, then those of an algorithm before; the oldest first of each.
    pub fn standbys<'a>(&'a self, profile: &'a ProfileName) -> impl Iterator<Item = &'a Key> {
        self.preferred(profile, &Phase::Prepublished)
    }

    /// The staged keys of an encryption profile in the same order.
    pub fn staged<'a>(&'a self, profile: &'a ProfileName) -> impl Iterator<Item = &'a Key> {
        self.preferred(profile, &Phase::Staged)
    }

    fn preferred<'a>(&'a self, profile: &'a ProfileName, phase: &Phase) -> impl Iterator<Item = &'a Key> {
        let mut keys: Vec<&Key> = self.keys_of(profile).filter(|key| key.phase == *phase).collect();
        keys.sort_by_key(|key| !self.asks_for(key));
        keys.into_iter()
    }
}

/// The oldest standby that a profile asks for, and the oldest of an algorithm before.
fn oldest<'a>(state: &'a State, profile: &'a ProfileName) -> impl Iterator<Item = &'a Key> {
    let of = |asked: bool| state.standbys(profile).find(|key| state.asks_for(key) == asked);
    [of(true), of(false)].into_iter().flatten()
}

/// The standby for an emergency at `now`: of those that rule R1 holds for, one that the profile asks for; else the one that it will
/// hold for first.
#[must_use]
pub fn ready_first<'a>(state: &'a State, seen: &Sightings, profile: &'a ProfileName, now: Time) -> Option<&'a Key> {
    oldest(state, profile).min_by_key(|key| {
        let publication = Publication::of(state, seen, key);
        (!publication.missing.is_empty(), publication.ready_at.max(now))
    })
}

/// The standbys of an algorithm before that are of no more use: all once one that the profile asks for can take over at any moment,
/// or while nothing has ever signed; else all but the one that may take over on time and the one that then stands by.
pub(super) fn superseded<'a>(state: &'a State, seen: &Sightings, profile: &'a ProfileName, now: Time) -> Vec<&'a Key> {
    let (asked, others): (Vec<&Key>, Vec<&Key>) = state.standbys(profile).partition(|key| state.asks_for(key));
    let is_ready = |key: &Key| Publication::of(state, seen, key).holds_at(now);
    let is_replaced = !state.activated.contains(profile) || asked.into_iter().any(is_ready);
    others.into_iter().skip(if is_replaced { 0 } else { 2 }).collect()
}
