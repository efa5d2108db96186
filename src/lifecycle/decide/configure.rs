//! A change of settings. It never re-times a key that stands, but for the exception of DESIGN part 3.

use super::draft::Draft;
use super::{Decision, Refusal, encryption, succession};
use crate::lifecycle::event::Event;
use crate::lifecycle::settings::Settings;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{Key, Phase, State};
use crate::lifecycle::timing;
use crate::types::Time;

pub(super) fn configure(state: &State, seen: &Sightings, settings: &Settings, now: Time) -> Result<Decision, Refusal> {
    let violations: Vec<String> = timing::check(settings).iter().map(ToString::to_string).collect();
    if !violations.is_empty() {
        return Err(Refusal::Unsafe(violations.join("\n")));
    }
    encryption::refuse_other_use(state, settings)?;
    if *settings == state.settings {
        return Ok(Decision::default());
    }
    let mut draft = Draft::new(state, seen, now);
    draft.push(Event::Configured {
        settings: settings.clone(),
    });
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

/// The keys of a profile that is gone: what nodes can sign with retires, what never left the leader is dropped.
fn put_away(draft: &mut Draft, key: &Key) {
    let kid = key.kid().clone();
    match key.phase {
        Phase::Retiring { .. } => {}
        Phase::Staged | Phase::Published { .. } | Phase::Unpublished { .. } => encryption::put_away(draft, key),
        Phase::Active { .. } | Phase::Armed { .. } => succession::retire(draft, kid, None),
        Phase::Prepublished => {
            let evidence = draft.decision.evidence(&draft.state, draft.seen, |_| None);
            draft.push(Event::Removed {
                kid,
                last_signature: None,
                evidence,
            });
        }
    }
}
