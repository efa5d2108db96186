//! A change of settings. It never re-times a key that stands, but for the exception of DESIGN part 3.

use super::draft::Draft;
use super::schedule::unused;
use super::{Decision, Refusal, encryption, succession};
use crate::lifecycle::event::Event;
use crate::lifecycle::settings::Settings;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{Key, Phase, State};
use crate::lifecycle::timing;
use crate::types::{KeyUse, Time};

pub(super) fn configure(state: &State, seen: &Sightings, settings: &Settings, now: Time) -> Result<Decision, Refusal> {
    if settings.profiles.is_empty() {
        return Err(Refusal::NoProfiles);
    }
    let violations: Vec<String> = timing::check(settings).iter().map(ToString::to_string).collect();
    if !violations.is_empty() {
        return Err(Refusal::Unsafe(violations.join("\n")));
    }
    encryption::refuse_other_use(state, settings)?;
    if *settings == state.settings {
        return Ok(Decision::default());
    }
    let mut draft = Draft::new(state, seen, now);
    let remarks = remarks(state, settings);
    draft.push(Event::Configured {
        settings: settings.clone(),
    });
    for remark in remarks {
        draft.remark(remark);
    }
    let orphans: Vec<Key> = state
        .keys
        .values()
        .filter(|key| !settings.profiles.contains_key(&key.profile))
        .cloned()
        .collect();
    for key in orphans {
        put_away(&mut draft, &key);
    }
    Ok(draft.decision)
}

/// What an operator may not have meant: a profile that is gone, and one that rotates into another algorithm.
fn remarks(state: &State, settings: &Settings) -> Vec<String> {
    let in_use = state
        .keys
        .values()
        .filter(|key| matches!(key.phase, Phase::Active { .. } | Phase::Published { .. }));
    let remark = |key: &Key| {
        let (kid, name, from) = (key.kid(), &key.profile, key.public.spec);
        let left_behind = match key.key_use() {
            KeyUse::Sig => {
                "signs no more; brought back, the profile signs only once its new key has stood published for min_prepublish"
            }
            KeyUse::Enc => "is published no more, and still decrypts for decrypt_window",
        };
        match settings.profiles.get(name).map(|profile| profile.spec) {
            None => Some(format!("profile {name} is removed: key {kid} {left_behind}")),
            Some(into) if into != from => Some(format!(
                "profile {name} rotates from {from} into {into}; `jkeys status` says when, and what stands by until then"
            )),
            Some(_) => None,
        }
    };
    in_use.filter_map(remark).collect()
}

/// The keys of a profile that is gone: what nodes can sign with retires, what never left the leader is dropped.
fn put_away(draft: &mut Draft, key: &Key) {
    let kid = key.kid().clone();
    match key.phase {
        Phase::Retiring { .. } => {}
        Phase::Staged | Phase::Published { .. } | Phase::Unpublished { .. } => encryption::put_away(draft, key),
        Phase::Active { .. } | Phase::Armed { .. } => succession::retire(draft, kid, None),
        Phase::Prepublished => {
            let event = unused(&mut draft.decision, &draft.state, draft.seen, key);
            draft.push(event);
        }
    }
}
