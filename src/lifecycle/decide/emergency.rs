//! What an operator asks for at once: emergency rotation and revocation (DESIGN part 4).

use std::collections::BTreeSet;

use super::draft::Draft;
use super::succession::{self, Standby};
use super::{Compromised, Decision, Refusal, RotateNow, encryption, schedule};
use crate::lifecycle::event::{Event, Why};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::standby::NextUp;
use crate::lifecycle::state::{Key, Phase, PrivateHalf, State};
use crate::types::{Comment, KeyUse, Kid, ProfileName, Reason, Time};

/// Makes the standby active in the profiles asked for, in one generation or not at all.
pub(super) fn rotate_now(state: &State, seen: &Sightings, request: &RotateNow, now: Time) -> Result<Decision, Refusal> {
    let mut draft = Draft::new(state, seen, now);
    let why = Why {
        reason: Some(request.reason),
        comment: request.comment.clone(),
    };
    schedule::activate_due(&mut draft);
    match &request.compromised {
        None => {
            for profile in targets(&draft.state, request)? {
                let (take, force) = (request.take.as_ref(), request.force);
                match draft.state.settings.profiles[&profile].spec.key_use() {
                    KeyUse::Sig => succession::rotate(&mut draft, &profile, take, force, &why)?,
                    KeyUse::Enc => encryption::rotate(&mut draft, &profile, take, force, &why)?,
                }
            }
        }
        Some(Compromised::Key(kid)) => {
            of_named_profile(&draft.state, kid, &request.profiles)?;
            let theft = Revocation {
                kid,
                reason: Reason::Compromised,
                comment: request.comment.as_ref(),
                destroy: request.destroy,
            };
            theft.carry_out(&mut draft, request.take.as_ref())?;
        }
        Some(Compromised::Gone(kid)) => {
            remark_unused(&mut draft, kid, request.take.as_ref());
            draft.push(Event::ReportedCompromised {
                kid: kid.clone(),
                comment: request.comment.clone(),
            });
        }
        Some(Compromised::All) if !request.profiles.is_empty() || request.take.is_some() => return Err(Refusal::AllIsAll),
        Some(Compromised::All) => revoke_all(&mut draft, request.comment.as_ref(), request.destroy),
    }
    Ok(draft.decision)
}

/// Revokes one key; where it signs, the standby takes over.
pub(super) fn revoke(
    state: &State,
    seen: &Sightings,
    kid: &Kid,
    reason: Reason,
    comment: Option<&Comment>,
    destroy: bool,
    now: Time,
) -> Result<Decision, Refusal> {
    let mut draft = Draft::new(state, seen, now);
    schedule::activate_due(&mut draft);
    let revocation = Revocation {
        kid,
        reason,
        comment,
        destroy,
    };
    revocation.carry_out(&mut draft, None)?;
    Ok(draft.decision)
}

/// The next rotation is due now; it is armed as soon as rule R1 allows.
pub(super) fn hasten(
    state: &State,
    seen: &Sightings,
    profiles: &[ProfileName],
    why: &Why,
    now: Time,
) -> Result<Decision, Refusal> {
    let mut decision = Decision::default();
    for profile in named_or_all(state, profiles)? {
        if let Some((key, activate_at)) = state.armed(&profile) {
            decision.remarks.push(format!(
                "profile {profile}: key {} is armed already and activates at {activate_at}",
                key.kid()
            ));
        } else {
            let next = NextUp::of(state, seen, &profile, now, now);
            let remark = next.and_then(|next| succession::of_algorithm_before(state, seen, next.key));
            decision.remarks.extend(remark);
            decision.push(Event::Hastened {
                profile,
                why: why.clone(),
            });
        }
    }
    Ok(decision)
}

/// A key to revoke.
pub(super) struct Revocation<'a> {
    pub(super) kid: &'a Kid,
    pub(super) reason: Reason,
    pub(super) comment: Option<&'a Comment>,
    /// Whether the private half of an encryption key goes at once too.
    pub(super) destroy: bool,
}

impl Revocation<'_> {
    /// Revocation waits for nothing: a profile may be without a signer until a key is made (R8 before R4).
    pub(super) fn carry_out(&self, draft: &mut Draft, take: Option<&Kid>) -> Result<(), Refusal> {
        let key = draft
            .state
            .keys
            .get(self.kid)
            .ok_or_else(|| Refusal::NoKey(self.kid.clone()))?;
        if key.key_use() == KeyUse::Enc {
            let key = key.clone();
            return encryption::revoke(draft, self, &key, take);
        }
        let (profile, signs) = (key.profile.clone(), matches!(key.phase, Phase::Active { .. }));
        let standby = if signs {
            succession::after_revocation(draft, &profile, take, self.reason)?
        } else {
            remark_unused(draft, self.kid, take);
            None
        };
        draft.push(Event::Revoked {
            kid: self.kid.clone(),
            reason: self.reason,
            comment: self.comment.cloned(),
            private_half: PrivateHalf::Destroyed,
        });
        if signs {
            let why = Why {
                reason: Some(self.reason),
                comment: self.comment.cloned(),
            };
            replace_revoked(draft, &profile, standby, &why);
        }
        Ok(())
    }
}

/// Where the revoked key does not sign, nothing rotates; who named a standby for that is told.
fn remark_unused(draft: &mut Draft, revoked: &Kid, take: Option<&Kid>) {
    if let Some(take) = take {
        draft.remark(format!(
            "key {revoked} does not sign, so nothing rotates and --use {take} has no effect; to rotate as well: \
             `jkeys rotate --now --use {take} --reason superseded`"
        ));
    }
}

fn replace_revoked(draft: &mut Draft, profile: &ProfileName, standby: Option<Standby>, why: &Why) {
    let taken = standby.as_ref().map(|standby| &standby.kid);
    match succession::passed_over(draft, profile, taken) {
        Some(kid) if why.reason == Some(Reason::Compromised) => draft.push(Event::Revoked {
            kid,
            reason: Reason::Compromised,
            comment: why.comment.clone(),
            private_half: PrivateHalf::Destroyed,
        }),
        Some(kid) => succession::retire(draft, kid, taken.cloned()),
        None => {}
    }
    match standby {
        Some(standby) => succession::activate(draft, standby, why),
        None => draft.remark(format!(
            "profile {profile} has no standby: it is without a signing key until a new one is made, which signs at once"
        )),
    }
}

fn revoke_all(draft: &mut Draft, comment: Option<&Comment>, destroy: bool) {
    draft.push(Event::DistrustedAll);
    let keys: Vec<Key> = draft.state.keys.values().cloned().collect();
    for key in &keys {
        draft.push(Event::Revoked {
            kid: key.kid().clone(),
            reason: Reason::Compromised,
            comment: comment.cloned(),
            private_half: encryption::fate(key, destroy),
        });
    }
    draft.remark(
        "every key is revoked: new keys are being made and sign at once, unknown to relying parties until they fetch".into(),
    );
    if keys.iter().any(|key| key.key_use() == KeyUse::Enc) {
        draft.remark(encryption::AFTER_ALL.into());
    }
}

/// The profiles to rotate: those named; else that of the key to use; else all.
fn targets(state: &State, request: &RotateNow) -> Result<BTreeSet<ProfileName>, Refusal> {
    match &request.take {
        Some(kid) => {
            let key = state.keys.get(kid).ok_or_else(|| Refusal::NoKey(kid.clone()))?;
            of_named_profile(state, kid, &request.profiles)?;
            // Keys of a profile that is gone are there until they are removed.
            named_or_all(state, std::slice::from_ref(&key.profile))
        }
        None => named_or_all(state, &request.profiles),
    }
}

fn of_named_profile(state: &State, kid: &Kid, named: &[ProfileName]) -> Result<(), Refusal> {
    let key = state.keys.get(kid).ok_or_else(|| Refusal::NoKey(kid.clone()))?;
    if named.is_empty() || named == std::slice::from_ref(&key.profile) {
        return Ok(());
    }
    Err(Refusal::OtherProfile {
        kid: kid.clone(),
        profile: key.profile.clone(),
    })
}

fn named_or_all(state: &State, named: &[ProfileName]) -> Result<BTreeSet<ProfileName>, Refusal> {
    let profiles = &state.settings.profiles;
    if let Some(unknown) = named.iter().find(|name| !profiles.contains_key(name)) {
        return Err(Refusal::NoProfile(unknown.clone()));
    }
    if named.is_empty() {
        Ok(profiles.keys().cloned().collect())
    } else {
        Ok(named.iter().cloned().collect())
    }
}
