//! Which key takes over when an operator asks, and how.

use super::Refusal;
use super::draft::Draft;
use crate::lifecycle::event::{Cause, Event, Evidence, Why};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::publication::Publication;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::standby::ready_first;
use crate::lifecycle::state::{Key, Phase, State};
use crate::types::{Kid, ProfileName, Reason};

/// The key that takes over, and what allows it.
pub(super) struct Standby {
    pub(super) kid: Kid,
    cause: Cause,
}

/// A planned change of hands: the standby signs, its predecessor retires.
///
/// It is refused where rule R1 does not hold now, unless `force`.
pub(super) fn rotate(
    draft: &mut Draft,
    profile: &ProfileName,
    take: Option<&Kid>,
    force: bool,
    why: &Why,
) -> Result<(), Refusal> {
    let standby = planned(draft, profile, take, force)?;
    if let Some(kid) = passed_over(draft, profile, Some(&standby.kid)) {
        retire(draft, kid, Some(standby.kid.clone()));
    }
    activate(draft, standby, why);
    Ok(())
}

fn planned(draft: &mut Draft, profile: &ProfileName, take: Option<&Kid>, force: bool) -> Result<Standby, Refusal> {
    let key = if let Some(kid) = take {
        named(draft, profile, kid)?
    } else {
        let armed = draft.state.armed(profile).map(|(key, _)| key.clone());
        let standby = standby(draft, profile, armed);
        standby.ok_or_else(|| Refusal::NoStandby(profile.clone()))?
    };
    let kid = key.kid().clone();
    let Publication { missing, ready_at } = Publication::of(&draft.state, draft.seen, &key);
    if missing.is_empty() && ready_at <= draft.now {
        let cause = Cause::Emergency {
            evidence: evidence(draft, &kid),
        };
        return Ok(Standby { kid, cause });
    }
    if force {
        return Ok(Standby {
            kid,
            cause: Cause::Forced {
                ready_at,
                missing: missing.into(),
            },
        });
    }
    Err(Refusal::NotPublished {
        profile: profile.clone(),
        kid,
        ready_at,
        missing,
    })
}

/// Who takes over from a key that signs and is revoked. Nothing here refuses for rule R1: revocation comes first.
///
/// An armed key is known to whoever stole a node, so it counts only when nothing is reported compromised, or when it is named. A
/// standby that relying parties may not know yet is taken, and the decision says so.
pub(super) fn after_revocation(
    draft: &mut Draft,
    profile: &ProfileName,
    take: Option<&Kid>,
    reason: Reason,
) -> Result<Option<Standby>, Refusal> {
    let key = if let Some(kid) = take {
        named(draft, profile, kid)?
    } else if let Some(key) = trusted_standby(draft, profile, reason) {
        key
    } else {
        return Ok(None);
    };
    let kid = key.kid().clone();
    let publication = Publication::of(&draft.state, draft.seen, &key);
    if publication.holds_at(draft.now) {
        let cause = Cause::Emergency {
            evidence: evidence(draft, &kid),
        };
        return Ok(Some(Standby { kid, cause }));
    }
    if is_out(Mutant::R8Waits) {
        let Publication { missing, ready_at } = publication;
        let profile = profile.clone();
        return Err(Refusal::NotPublished {
            profile,
            kid,
            ready_at,
            missing,
        });
    }
    draft.remark(format!(
        "standby {kid} is young: until {} relying parties may not know it, and refuse its tokens",
        publication.ready_at
    ));
    let cause = Cause::unready(reason, publication);
    Ok(Some(Standby { kid, cause }))
}

fn trusted_standby(draft: &mut Draft, profile: &ProfileName, reason: Reason) -> Option<Key> {
    let armed = draft.state.armed(profile).map(|(key, _)| key.clone());
    if let (Some(key), Reason::Compromised) = (&armed, reason) {
        let kid = key.kid();
        draft.remark(format!(
            "armed key {kid} is known to whoever holds a node and is revoked too; --use {kid} would take it"
        ));
    }
    let trusted = armed.filter(|_| reason != Reason::Compromised);
    standby(draft, profile, trusted)
}

/// The key that takes over: the armed one, unless only a standby is of the algorithm that the profile asks for and relying parties
/// know it.
fn standby(draft: &mut Draft, profile: &ProfileName, armed: Option<Key>) -> Option<Key> {
    let (state, seen, now) = (&draft.state, draft.seen, draft.now);
    let ready = ready_first(state, seen, profile, now).cloned();
    let is_better = |key: &Key| state.asks_for(key) && Publication::of(state, seen, key).holds_at(now);
    let taken = match armed {
        Some(armed) if state.asks_for(&armed) || !ready.as_ref().is_some_and(is_better) => Some(armed),
        _ => ready,
    };
    let remark = taken.as_ref().and_then(|key| of_algorithm_before(state, seen, key));
    if let Some(remark) = remark {
        draft.remark(remark);
    }
    taken
}

/// Said where a key takes over that is not of the algorithm that its profile asks for.
pub(super) fn of_algorithm_before(state: &State, seen: &Sightings, key: &Key) -> Option<String> {
    let asked = state.standbys(&key.profile).next().filter(|next| state.asks_for(next))?;
    let (kid, spec, new) = (key.kid(), key.public.spec, asked.public.spec);
    let ready_at = Publication::of(state, seen, asked).ready_at;
    (!state.asks_for(key)).then(|| {
        format!(
            "key {kid} of {spec} takes over: relying parties may not know the key of {new}, {}, before {ready_at}; profile {} \
             rotates into {new} with the rotation after this one",
            asked.kid(),
            key.profile
        )
    })
}

/// The key that an operator named, which must be a standby of the profile.
fn named(draft: &Draft, profile: &ProfileName, kid: &Kid) -> Result<Key, Refusal> {
    let refuse = |why| Refusal::NotAStandby {
        kid: kid.clone(),
        profile: profile.clone(),
        why,
    };
    let key = draft.state.keys.get(kid).ok_or_else(|| Refusal::NoKey(kid.clone()))?;
    if key.profile != *profile {
        return Err(refuse("it is of another profile"));
    }
    match key.phase {
        Phase::Prepublished | Phase::Armed { .. } => Ok(key.clone()),
        Phase::Active { .. } => Err(refuse("it signs already")),
        Phase::Retiring { .. } => Err(refuse("it is retiring")),
        Phase::Staged | Phase::Published { .. } | Phase::Unpublished { .. } => Err(refuse("it is for encryption")),
    }
}

/// The armed key of a profile, when it is not the one that is taken.
pub(super) fn passed_over(draft: &Draft, profile: &ProfileName, taken: Option<&Kid>) -> Option<Kid> {
    let (key, _) = draft.state.armed(profile).filter(|(key, _)| Some(key.kid()) != taken)?;
    Some(key.kid().clone())
}

/// A key that nodes hold signs no more. An armed one retires too: a node that hears nothing of this will sign with it when its time
/// comes, so rule R3 keeps it published until every node has let go of it.
pub(super) fn retire(draft: &mut Draft, kid: Kid, successor: Option<Kid>) {
    draft.push(Event::Retired { kid, successor });
}

/// The standby signs from now on; what signed before retires.
pub(super) fn activate(draft: &mut Draft, standby: Standby, why: &Why) {
    let Standby { kid, cause } = standby;
    let key = &draft.state.keys[&kid];
    let retire_at = key.handover(draft.now);
    if let Some(before) = draft.state.active(&key.profile) {
        let before = before.kid().clone();
        retire(draft, before, Some(kid.clone()));
    }
    draft.push(Event::Activated {
        kid,
        since: draft.now,
        retire_at,
        cause,
        why: why.clone(),
    });
}

fn evidence(draft: &mut Draft, kid: &Kid) -> Evidence {
    draft
        .decision
        .evidence(&draft.state, draft.seen, |sighting| sighting.published.get(kid).copied())
}
