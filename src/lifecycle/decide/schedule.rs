//! What is due: activation, retirement, arming, removal, and what the schedule waits for.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::startup::holds_schedule;
use super::{Decision, authority, encryption, service};
use crate::lifecycle::clock::Reading;
use crate::lifecycle::event::{Cause, Event, Why};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::retirement::Retirement;
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::standby::{self, NextUp};
use crate::lifecycle::state::{Key, Node, Phase, Standing, State, Wait};
use crate::types::{KeyUse, Kid, NodeName, ProfileName, Time};

/// What the schedule waits for, with the nodes that are missing.
pub(super) type Waits = BTreeMap<Wait, Vec<NodeName>>;

/// Everything that is due at this reading of the clock.
///
/// Confirmations count, private halves are destroyed and revocations are completed whatever the schedule waits for.
pub(super) fn tick(state: &State, seen: &Sightings, clock: Reading) -> Decision {
    let now = state.time(clock);
    let mut decision = Decision::from(service::arrivals(state, seen));
    decision
        .events
        .extend(state.doomed.iter().map(|kid| Event::Destroyed { kid: kid.clone() }));
    authority::destroy(state, &mut decision);
    complete_revocations(state, seen, &mut decision);
    let mut waits = Waits::new();
    match holds_schedule(state, seen, clock) {
        Some((wait, nodes)) => {
            waits.insert(wait, nodes);
            waits.extend(standing_waits(state));
        }
        None => scheduled(state, seen, now, &mut decision, &mut waits),
    }
    record_waits(state, waits, &mut decision);
    decision
}

fn scheduled(state: &State, seen: &Sightings, now: Time, decision: &mut Decision, waits: &mut Waits) {
    decision.events.extend(service::evictions(state, seen, now));
    for profile in state.settings.profiles.keys() {
        decision.events.extend(activation(state, profile, now));
        // What is dropped is not looked at any more: the rest is due in the next decision.
        if !drop_superseded(state, seen, profile, now, decision) {
            arm(state, seen, profile, now, decision, waits);
            encryption::publish_due(state, seen, profile, now, decision, waits);
        }
    }
    authority::rotate(state, seen, now, decision, waits);
    for key in state.keys.values() {
        remove(state, seen, key, now, decision, waits);
        encryption::discard_due(state, seen, key, now, decision, waits);
    }
}

/// An armed key whose time has come is active, and its predecessor retires: both in one generation.
fn activation(state: &State, profile: &ProfileName, now: Time) -> Vec<Event> {
    let Some((key, activate_at)) = state.armed(profile).filter(|(_, activate_at)| *activate_at <= now) else {
        return Vec::new();
    };
    let (kid, retire_at) = (key.kid().clone(), key.handover(activate_at));
    let before = state.active(profile).filter(|_| !is_out(Mutant::R4TwoActive));
    let retired = before.map(|before| Event::Retired {
        kid: before.kid().clone(),
        successor: Some(kid.clone()),
    });
    let activated = Event::Activated {
        kid,
        since: activate_at,
        retire_at,
        cause: Cause::Scheduled,
        why: Why::default(),
    };
    retired.into_iter().chain([activated]).collect()
}

/// What the nodes have already switched to by their clocks comes before anything that an operator asks for.
pub(super) fn activate_due(draft: &mut Draft) {
    let profiles: Vec<ProfileName> = draft.state.settings.profiles.keys().cloned().collect();
    for profile in profiles {
        for event in activation(&draft.state, &profile, draft.now) {
            draft.push(event);
        }
    }
}

/// Rule R2: the standby is armed only when rule R1 will hold at the instant that is set.
fn arm(state: &State, seen: &Sightings, profile: &ProfileName, now: Time, decision: &mut Decision, waits: &mut Waits) {
    if state.armed(profile).is_some() {
        return;
    }
    let Some(planned) = planned_activation(state, profile, now) else {
        return;
    };
    let Some(NextUp { key, publication, .. }) = NextUp::of(state, seen, profile, planned, now) else {
        return;
    };
    let lead = key.windows.arm_lead;
    if now + lead < planned {
        return;
    }
    let activate_at = planned.max(now + lead);
    // A node whose clock is ahead by all that is tolerated signs that much earlier.
    let earliest = activate_at - key.windows.clock_skew;
    if !publication.holds_at(earliest) && !is_out(Mutant::R2ArmEarly) {
        waits.insert(Wait::Arm(profile.clone()), publication.missing);
        return;
    }
    let kid = key.kid().clone();
    let evidence = decision.evidence(state, seen, |sighting| sighting.published.get(&kid).copied());
    decision.push(Event::Armed {
        kid,
        activate_at,
        evidence,
    });
}

/// Keys that were made for an algorithm that the profile has left behind, and that never served. Says whether there were any.
fn drop_superseded(state: &State, seen: &Sightings, profile: &ProfileName, now: Time, decision: &mut Decision) -> bool {
    let standbys = standby::superseded(state, seen, profile, now);
    let staged = encryption::superseded(state, seen, profile);
    for key in standbys.iter().chain(&staged) {
        let event = unused(decision, state, seen, key);
        decision.push(event);
    }
    !standbys.is_empty() || !staged.is_empty()
}

/// The end of a key that has never signed, or never been published to encrypt to.
pub(super) fn unused(decision: &mut Decision, state: &State, seen: &Sightings, key: &Key) -> Event {
    let (kid, evidence) = (key.kid().clone(), decision.evidence(state, seen, |_| None));
    match key.key_use() {
        KeyUse::Sig => Event::Removed {
            kid,
            last_signature: None,
            evidence,
        },
        KeyUse::Enc => Event::Discarded {
            kid,
            published_until: None,
            evidence,
        },
    }
}

/// When the standby is meant to take over; at once for a profile that has never had an active key.
fn planned_activation(state: &State, profile: &ProfileName, now: Time) -> Option<Time> {
    match state.active(profile).map(|key| &key.phase) {
        Some(Phase::Active { retire_at, .. }) => Some(*retire_at),
        Some(_) => None,
        None => (!state.activated.contains(profile)).then_some(now),
    }
}

/// Rule R3: a retiring key is removed once the last token that it may have signed has expired.
fn remove(state: &State, seen: &Sightings, key: &Key, now: Time, decision: &mut Decision, waits: &mut Waits) {
    let Phase::Retiring { since, .. } = key.phase else {
        return;
    };
    let retirement = Retirement::of(state, seen, key, since);
    if now < retirement.expired_at {
        return;
    }
    let kid = key.kid().clone();
    if !retirement.missing.is_empty() {
        waits.insert(Wait::Remove(kid), retirement.missing);
        return;
    }
    let evidence = decision.evidence(state, seen, |sighting| sighting.released(state, key));
    decision.push(Event::Removed {
        kid,
        last_signature: Some(retirement.last_signature),
        evidence,
    });
}

/// Rule R8: a revocation is complete when every node of the node table has confirmed it.
fn complete_revocations(state: &State, seen: &Sightings, decision: &mut Decision) {
    for kid in state.revocations.keys() {
        let pending = unconfirmed(state, seen, kid);
        if !pending.is_empty() {
            continue;
        }
        let revocation = &state.revocations[kid];
        let gone = |enrolment| seen.get(enrolment).and_then(|sighting| sighting.gone(kid, revocation));
        let last_confirmation = state
            .nodes
            .values()
            .filter_map(|node| gone(&node.enrolment))
            .max()
            .unwrap_or(revocation.at);
        let max_age = state.settings.served_max_age.filter(|_| revocation.replaced.is_empty());
        let trusted_until = max_age.map(|max_age| last_confirmation + max_age);
        let evidence = decision.evidence_of_all(state, seen, |sighting| sighting.gone(kid, revocation));
        decision.push(Event::RevocationConfirmed {
            kid: kid.clone(),
            last_confirmation,
            replaced: revocation.replaced.iter().cloned().collect::<Vec<_>>().into(),
            trusted_until,
            evidence,
        });
    }
}

/// The nodes, in service or not, that have not confirmed a revocation. A node that joined after it never held the key.
#[must_use]
pub fn unconfirmed(state: &State, seen: &Sightings, kid: &Kid) -> Vec<NodeName> {
    let Some(revocation) = state.revocations.get(kid) else {
        return Vec::new();
    };
    let confirmed = |enrolment| {
        seen.get(enrolment)
            .is_some_and(|sighting| sighting.gone(kid, revocation).is_some())
    };
    let concerned = |node: &Node| {
        let is_left_out = is_out(Mutant::R8OutOfService) && !matches!(node.standing, Standing::InService { .. });
        node.enrolled_at <= revocation.at && may_hold_keys(state, seen, node) && !is_left_out
    };
    let nodes = state
        .nodes
        .iter()
        .filter(|(_, node)| concerned(node) && !confirmed(&node.enrolment));
    nodes.map(|(name, _)| name.clone()).collect()
}

/// Whether a node may have been sent private halves: it has been in service, or has reported since it joined, as far as that is known.
#[must_use]
pub fn may_hold_keys(state: &State, seen: &Sightings, node: &Node) -> bool {
    seen.contains_key(&node.enrolment) || is_unknown(state, seen, node)
}

/// Whether what a node holds and has confirmed is not known, though it may have reported: what was seen of it is lost, because the leader
/// was put back, or ended before it had noted the first report of a node that joined; and it has not been heard since.
#[must_use]
pub fn is_unknown(state: &State, seen: &Sightings, node: &Node) -> bool {
    let was_there_before = node.enrolled_at < state.started_at || state.put_back_at.is_some_and(|at| node.enrolled_at <= at);
    let may_have_reported = node.standing != Standing::Joining || was_there_before;
    may_have_reported && !seen.contains_key(&node.enrolment)
}

/// Waits that go on while the schedule itself is held.
fn standing_waits(state: &State) -> Waits {
    let of_rules = state
        .waits
        .keys()
        .filter(|wait| !matches!(wait, Wait::Start | Wait::Clock(_)));
    of_rules.map(|wait| (wait.clone(), Vec::new())).collect()
}

/// Rule R7: a wait is recorded when it begins and when it ends.
fn record_waits(state: &State, waits: Waits, decision: &mut Decision) {
    for wait in state.waits.keys().filter(|wait| !waits.contains_key(wait)) {
        decision.push(Event::WaitEnded { wait: wait.clone() });
    }
    for (wait, nodes) in waits {
        if !state.waits.contains_key(&wait) {
            let nodes = nodes.into();
            decision.push(Event::WaitBegan { wait, nodes });
        }
    }
}
