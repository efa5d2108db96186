//! Encryption keys: staged, published, unpublished, discarded (rules E1 and E2), and what an operator asks of them at once.

use super::draft::Draft;
use super::emergency::Revocation;
use super::schedule::{Waits, unused};
use super::{Decision, Refusal};
use crate::lifecycle::encryption::{Keeping, Staging};
use crate::lifecycle::event::{Event, Evidence, Grounds, Why};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::settings::{Settings, Windows};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{Key, Phase, PrivateHalf, State, Wait};
use crate::types::{Kid, ProfileName, PublicKey, Reason, Time};

/// Said when every key is revoked.
pub(super) const AFTER_ALL: &str = "profiles for encryption publish nothing until a new key is made and every node in service \
    has confirmed it (rule E1)";

/// Whether a profile needs a key: it has none staged, and the published one is about to be replaced or is not there. One of an
/// algorithm that the profile has left behind is replaced at once.
pub(super) fn needs_key(state: &State, profile: &ProfileName, now: Time) -> bool {
    let is_due = |(key, replace_at): (&Key, Time)| replace_at - key.windows.arm_lead <= now;
    match state.staged(profile).next() {
        Some(staged) => !state.asks_for(staged),
        None => state.encrypted_to(profile).is_none_or(is_due),
    }
}

/// The staged keys of an algorithm before that are of no more use: all once one that the profile asks for can be published at any
/// moment, or is; else all but the one that would serve in its place.
pub(super) fn superseded<'a>(state: &'a State, seen: &Sightings, profile: &'a ProfileName) -> Vec<&'a Key> {
    let (asked, mut others): (Vec<&Key>, Vec<&Key>) = state.staged(profile).partition(|key| state.asks_for(key));
    let is_ready = |key: &&Key| Staging::of(state, seen, key).holds();
    let is_published = state.encrypted_to(profile).is_some_and(|(key, _)| state.asks_for(key));
    if !is_published && !asked.iter().any(is_ready) && !others.is_empty() {
        let kept = others.iter().position(is_ready).unwrap_or(0);
        others.remove(kept);
    }
    others
}

/// The staged key that is published next: one that every node in service holds, and of those one that the profile asks for.
fn next_up<'a>(state: &'a State, seen: &Sightings, profile: &'a ProfileName) -> Option<(&'a Key, Staging)> {
    let staged = state.staged(profile).map(|key| (key, Staging::of(state, seen, key)));
    staged.min_by_key(|(_, staging)| !staging.holds())
}

/// A key has been made: its private half goes to the nodes first.
pub(super) fn stage(profile: &ProfileName, key: &PublicKey, windows: Windows) -> Decision {
    Decision::from(vec![Event::Staged {
        profile: profile.clone(),
        key: Box::new(key.clone()),
        windows,
    }])
}

/// Rule E1: the staged key is published, and its predecessor unpublished, when its time has come and every node in service has
/// confirmed its private half.
pub(super) fn publish_due(
    state: &State,
    seen: &Sightings,
    profile: &ProfileName,
    now: Time,
    decision: &mut Decision,
    waits: &mut Waits,
) {
    let published = state.encrypted_to(profile);
    if published.is_some_and(|(_, replace_at)| now < replace_at) {
        return;
    }
    let Some((staged, staging)) = next_up(state, seen, profile) else {
        return;
    };
    if !staging.holds() {
        waits.insert(Wait::Publish(profile.clone()), staging.missing);
        return;
    }
    let kid = staged.kid().clone();
    if let Some((before, _)) = published {
        decision.push(Event::Unpublished {
            kid: before.kid().clone(),
            successor: Some(kid.clone()),
        });
    }
    let evidence = confirmations(decision, state, seen, &kid);
    decision.push(Event::Published {
        kid,
        replace_at: staged.handover(now),
        grounds: Grounds::Scheduled { evidence },
        why: Why::default(),
    });
}

/// Rule E2: an unpublished key goes once `decrypt_window` has passed since the last node in service published it.
pub(super) fn discard_due(state: &State, seen: &Sightings, key: &Key, now: Time, decision: &mut Decision, waits: &mut Waits) {
    let Some(keeping) = Keeping::of(state, seen, key).filter(|keeping| keeping.kept_until <= now) else {
        return;
    };
    let kid = key.kid().clone();
    if !keeping.missing.is_empty() {
        waits.insert(Wait::Discard(kid), keeping.missing);
        return;
    }
    let evidence = decision.evidence(state, seen, |sighting| sighting.unpublished.get(&kid).copied());
    decision.push(Event::Discarded {
        kid,
        published_until: Some(keeping.published_until),
        evidence,
    });
}

/// `jkeys rotate --now`: the staged key is published at once, where rule E1 holds or `force` says so. Where none is staged, the
/// rotation is due now: one is made, and published as soon as rule E1 holds.
pub(super) fn rotate(
    draft: &mut Draft,
    profile: &ProfileName,
    take: Option<&Kid>,
    force: bool,
    why: &Why,
) -> Result<(), Refusal> {
    let staged = match take {
        Some(kid) => Some(named(draft, profile, kid)?),
        None => next_up(&draft.state, draft.seen, profile).map(|(key, _)| key.clone()),
    };
    let Some(staged) = staged else {
        draft.push(Event::Hastened {
            profile: profile.clone(),
            why: why.clone(),
        });
        draft.remark(format!(
            "profile {profile} has no staged key: one is made now, and published as soon as every node in service has confirmed it \
             (rule E1)"
        ));
        return Ok(());
    };
    let missing = Staging::of(&draft.state, draft.seen, &staged).missing;
    let kid = staged.kid().clone();
    let grounds = if missing.is_empty() || is_out(Mutant::E1Now) {
        emergency(draft, &kid)
    } else if force {
        let missing = missing.into();
        Grounds::Forced { missing }
    } else {
        let profile = profile.clone();
        return Err(Refusal::NotHeld { profile, kid, missing });
    };
    if let Some((before, _)) = draft.state.encrypted_to(profile) {
        let (before, successor) = (before.kid().clone(), Some(kid));
        draft.push(Event::Unpublished { kid: before, successor });
    }
    publish(draft, &staged, grounds, why);
    Ok(())
}

/// Revokes an encryption key. It is unpublished at once; its private half stays for what was encrypted to it, unless it was never
/// published or is to be destroyed.
///
/// A staged key is on the nodes, so whoever stole one knows it: where a theft is reported it is revoked too, unless `take` names it.
pub(super) fn revoke(draft: &mut Draft, revocation: &Revocation<'_>, key: &Key, take: Option<&Kid>) -> Result<(), Refusal> {
    let theft = revocation.reason == Reason::Compromised;
    let private_half = fate(key, revocation.destroy);
    if let Phase::Unpublished { revoked: true, .. } = key.phase
        && private_half == PrivateHalf::Kept
    {
        return Err(Refusal::RevokedAlready(key.kid().clone()));
    }
    let taken = take.map(|kid| named(draft, &key.profile, kid)).transpose()?;
    draft.push(revoked(revocation, key.kid().clone(), private_half));
    if private_half == PrivateHalf::Kept {
        draft.remark(format!(
            "the private half of key {} stays on every node for {} after the last of them has confirmed; --destroy destroys it at \
             once",
            key.kid(),
            key.windows.decrypt_window
        ));
    }
    if !matches!(key.phase, Phase::Published { .. }) {
        return Ok(());
    }
    if theft && !is_out(Mutant::E1Taint) {
        taint(draft, revocation, &key.profile, take);
    }
    let next_up = || next_up(&draft.state, draft.seen, &key.profile).map(|(key, _)| key.clone());
    let successor = taken.or_else(next_up);
    let ready = successor.filter(|staged| Staging::of(&draft.state, draft.seen, staged).holds());
    if let Some(staged) = ready {
        let why = Why {
            reason: Some(revocation.reason),
            comment: revocation.comment.cloned(),
        };
        let grounds = emergency(draft, staged.kid());
        publish(draft, &staged, grounds, &why);
    } else {
        draft.remark(format!(
            "profile {} publishes no encryption key until one is staged and every node in service has confirmed it (rule E1)",
            key.profile
        ));
    }
    Ok(())
}

/// What becomes of the private half of a key that is revoked: nothing was ever encrypted to one that was not published.
pub(super) fn fate(key: &Key, destroy: bool) -> PrivateHalf {
    match key.phase {
        Phase::Published { .. } | Phase::Unpublished { .. } if !destroy && !is_out(Mutant::E2Revoked) => PrivateHalf::Kept,
        _ => PrivateHalf::Destroyed,
    }
}

/// The key of a profile that is gone: what is published is published no more, and what never was is dropped.
pub(super) fn put_away(draft: &mut Draft, key: &Key) {
    let kid = key.kid().clone();
    match key.phase {
        Phase::Published { .. } => draft.push(Event::Unpublished { kid, successor: None }),
        Phase::Staged => {
            let event = unused(&mut draft.decision, &draft.state, draft.seen, key);
            draft.push(event);
        }
        _ => {}
    }
}

/// Keys that sign and keys that decrypt have different lives, so they never share a profile.
pub(super) fn refuse_other_use(state: &State, settings: &Settings) -> Result<(), Refusal> {
    let other = |key: &&Key| {
        let profile = settings.profiles.get(&key.profile);
        profile.is_some_and(|profile| profile.spec.key_use() != key.key_use())
    };
    match state.keys.values().find(other) {
        Some(key) => Err(Refusal::OtherUse(key.profile.clone())),
        None => Ok(()),
    }
}

fn taint(draft: &mut Draft, revocation: &Revocation<'_>, profile: &ProfileName, take: Option<&Kid>) {
    let staged = draft.state.staged(profile).map(|key| key.kid().clone());
    let tainted: Vec<Kid> = staged.filter(|kid| Some(kid) != take).collect();
    for kid in tainted {
        draft.remark(format!(
            "staged key {kid} is known to whoever holds a node and is revoked too; --use {kid} would take it"
        ));
        draft.push(revoked(revocation, kid, PrivateHalf::Destroyed));
    }
}

fn revoked(revocation: &Revocation<'_>, kid: Kid, private_half: PrivateHalf) -> Event {
    Event::Revoked {
        kid,
        reason: revocation.reason,
        comment: revocation.comment.cloned(),
        private_half,
    }
}

/// The staged key that an operator named.
fn named(draft: &Draft, profile: &ProfileName, kid: &Kid) -> Result<Key, Refusal> {
    let key = draft.state.keys.get(kid).ok_or_else(|| Refusal::NoKey(kid.clone()))?;
    let refuse = |why| Refusal::NotAStandby {
        kid: kid.clone(),
        profile: profile.clone(),
        why,
    };
    if key.profile != *profile {
        return Err(refuse("it is of another profile"));
    }
    match key.phase {
        Phase::Staged => Ok(key.clone()),
        Phase::Published { .. } => Err(refuse("it is published already")),
        _ => Err(refuse("it is not staged")),
    }
}

fn publish(draft: &mut Draft, staged: &Key, grounds: Grounds, why: &Why) {
    draft.push(Event::Published {
        kid: staged.kid().clone(),
        replace_at: staged.handover(draft.now),
        grounds,
        why: why.clone(),
    });
}

fn emergency(draft: &mut Draft, kid: &Kid) -> Grounds {
    let evidence = confirmations(&mut draft.decision, &draft.state, draft.seen, kid);
    Grounds::Emergency { evidence }
}

fn confirmations(decision: &mut Decision, state: &State, seen: &Sightings, kid: &Kid) -> Evidence {
    decision.evidence(state, seen, |sighting| sighting.decrypting.get(kid).copied())
}
