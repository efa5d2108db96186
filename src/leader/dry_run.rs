//! What a command would do, on the running leader's state. Pure: nothing is decided, and nothing is recorded.

use std::collections::BTreeSet;

use super::core::Leader;
use super::plan;
use super::status::{NO_SERVED_MAX_AGE, decided};
use crate::lifecycle::{
    Cause, Command, Decision, Event, Grounds, Standing, State, decide, is_unknown, may_hold_keys, owing_since,
};
use crate::rpc::documents::{DryRun, KeyChange, NodeOutlook, RelyingParties, Trust, UnheldKey, YoungKey};
use crate::types::{Enrolment, Kid, NodeName, Now, ProfileName, Time};

/// What `command` would do when the clocks show `now`. `connected` are the enrolments that have a stream.
#[must_use]
pub fn dry_run(leader: &Leader, connected: &BTreeSet<Enrolment>, command: &Command, now: Now) -> DryRun {
    let (state, time) = (leader.state(), leader.time(now));
    let nodes = outlooks(leader, connected, time);
    let nothing = DryRun {
        now: now.wall,
        refused: None,
        generation: None,
        changes: Vec::new(),
        remarks: Vec::new(),
        keys: Vec::new(),
        relying_parties: RelyingParties::default(),
        then: Vec::new(),
        nodes,
    };
    let command = &leader.completed(command.clone());
    let decision = match decide(state, leader.seen(), command, leader.reading(now)) {
        Ok(decision) => decision,
        Err(refusal) => {
            return DryRun {
                refused: Some(refusal.to_string()),
                ..nothing
            };
        }
    };
    let mut after = state.clone();
    after.apply(&decision.events, time);
    let generation = after.head.generation;
    let told = decided(leader, &decision, generation);
    let answering: BTreeSet<NodeName> = plan::answering(leader, connected, time);
    DryRun {
        generation: Some(generation).filter(|generation| *generation != state.head.generation),
        keys: key_changes(state, &after),
        relying_parties: RelyingParties {
            young: decision.events.iter().filter_map(young).collect(),
            unheld: decision.events.iter().filter_map(unheld).collect(),
            trust: trust(&after, &decision, &nothing.nodes, time),
        },
        then: plan::following(leader, &answering, command, rotating_later(&after, &decision), now),
        changes: told.changes,
        remarks: told.remarks,
        ..nothing
    }
}

fn outlooks(leader: &Leader, connected: &BTreeSet<Enrolment>, now: Time) -> Vec<NodeOutlook> {
    let state = leader.state();
    let answering = plan::answering(leader, connected, now);
    let joined = state
        .nodes
        .iter()
        .filter(|(_, node)| may_hold_keys(state, leader.seen(), node));
    let outlook = |(name, node): (&NodeName, &crate::lifecycle::Node)| {
        let sighting = leader.sighting(name);
        NodeOutlook {
            node: name.clone(),
            in_service: matches!(node.standing, Standing::InService { .. }),
            connected: connected.contains(&node.enrolment),
            answers: answering.contains(name),
            unknown: is_unknown(state, leader.seen(), node),
            owing_since: sighting.and_then(|_| owing_since(state, sighting, now)),
            problem: sighting.and_then(|sighting| sighting.problem.clone()),
        }
    };
    joined.map(outlook).collect()
}

fn key_changes(before: &State, after: &State) -> Vec<KeyChange> {
    let becomes = |kid: &Kid| match after.keys.get(kid) {
        Some(key) => key.phase.name(),
        None if after.revocations.contains_key(kid) => "revoked",
        None => "removed",
    };
    let change = |kid: &Kid| {
        let key = &before.keys[kid];
        KeyChange {
            kid: kid.clone(),
            profile: key.profile.clone(),
            from: key.phase.name().to_owned(),
            to: becomes(kid).to_owned(),
        }
    };
    let mut changes: Vec<KeyChange> = before.keys.keys().map(change).collect();
    changes.retain(|change| change.from != change.to);
    changes.sort_by_key(|change| before.keys[&change.kid].published_at);
    changes.sort_by(|one, other| one.profile.cmp(&other.profile));
    changes
}

/// The profiles that get a new signer later: those that an operator hastened, and those that are left without one.
fn rotating_later(after: &State, decision: &Decision) -> BTreeSet<ProfileName> {
    let hastened = decision.events.iter().filter_map(|event| match event {
        Event::Hastened { profile, .. } => Some(profile.clone()),
        _ => None,
    });
    let bereft = after
        .bereft
        .keys()
        .filter(|profile| after.settings.profiles.contains_key(*profile));
    hastened.chain(bereft.cloned()).collect()
}

/// The exceptions to rule R1 that would be made.
fn young(event: &Event) -> Option<YoungKey> {
    match event {
        Event::Activated {
            kid,
            cause: Cause::Forced { ready_at, missing } | Cause::Compromised { ready_at, missing },
            ..
        } => Some(YoungKey {
            kid: kid.clone(),
            ready_at: *ready_at,
            missing: missing.clone(),
        }),
        _ => None,
    }
}

/// The exceptions to rule E1 that would be made.
fn unheld(event: &Event) -> Option<UnheldKey> {
    match event {
        Event::Published {
            kid,
            grounds: Grounds::Forced { missing },
            ..
        } => Some(UnheldKey {
            kid: kid.clone(),
            missing: missing.clone(),
        }),
        _ => None,
    }
}

/// Rule R8, beforehand.
fn trust(after: &State, decision: &Decision, nodes: &[NodeOutlook], now: Time) -> Option<Trust> {
    decision.events.iter().find(|event| matches!(event, Event::Revoked { .. }))?;
    let late: Vec<&str> = nodes
        .iter()
        .filter(|node| !node.answers)
        .map(|node| node.node.as_str())
        .collect();
    if !late.is_empty() {
        let why = format!("it would wait for {}", late.join(", "));
        return Some(Trust::Unknown { why });
    }
    Some(match after.settings.served_max_age {
        Some(max_age) => Trust::Until {
            after_last_confirmation: max_age,
            at_the_earliest: now + max_age,
        },
        None => Trust::Unknown {
            why: NO_SERVED_MAX_AGE.to_owned(),
        },
    })
}
