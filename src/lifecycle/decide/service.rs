//! Who is in service: entering by a confirmation of the newest generation, leaving by silence or by a debt.

use super::startup::is_heard;
use crate::lifecycle::encryption::{lacked, opens_what_others_open};
use crate::lifecycle::event::{Event, Leaving};
use crate::lifecycle::publication::{OnNode, Publication};
use crate::lifecycle::sightings::{Sighting, Sightings};
use crate::lifecycle::state::{Key, Node, Phase, Standing, State};
use crate::types::{Generation, KeyUse, Kid, NodeName, Span, Time};

/// Nodes that are not in service and have confirmed the newest generation, an evicted one since it was evicted. Whoever could not open
/// what others can has to wait, also where they come at the same time: those that lack least are first.
///
/// The first of all waits until every profile has its first key: after it there is no bootstrap, and a profile whose key takes long
/// to make would be without a signer for all of `min_prepublish`. And nobody comes before one of those in service has been heard in this
/// term: a leader that was set back would let a new machine in with keys that the others publish no more, as nobody has told it (rule R5).
/// Nodes in service that are gone for good are evicted in time, or removed by an operator.
pub(super) fn arrivals(state: &State, seen: &Sightings) -> Vec<Event> {
    let unmade = |profile| state.keys_of(profile).next().is_none();
    if !state.ever_confirmed && state.settings.profiles.keys().any(unmade) {
        return Vec::new();
    }
    let mut in_service = state.in_service().peekable();
    if in_service.peek().is_some() && !in_service.any(|(_, node, _)| is_heard(state, seen, node)) {
        return Vec::new();
    }
    let confirmed_at = |node: &Node| {
        let confirmed = seen.get(&node.enrolment)?.confirmed.as_ref()?;
        (confirmed.generation == state.head.generation).then_some(confirmed.last_at)
    };
    let arrives = |node: &Node| match node.standing {
        Standing::InService { .. } => false,
        Standing::Joining => confirmed_at(node).is_some(),
        Standing::Evicted { at } => confirmed_at(node).is_some_and(|confirmed| confirmed > at),
    };
    let mut arriving: Vec<_> = state.nodes.iter().filter(|(_, node)| arrives(node)).collect();
    arriving.sort_by_key(|(_, node)| lacked(state, seen, node.enrolment).count());
    let mut serving: Vec<_> = state.in_service().map(|(_, node, _)| node.enrolment).collect();
    arriving.retain(|(_, node)| {
        let may_serve = opens_what_others_open(state, seen, node.enrolment, &serving);
        serving.extend(may_serve.then_some(node.enrolment));
        may_serve
    });
    arriving
        .into_iter()
        .map(|(name, node)| Event::EnteredService {
            node: name.clone(),
            enrolment: node.enrolment,
        })
        .collect()
}

/// Nodes that were silent, or owed a confirmation, for `straggler_after`. Nobody in the first `start_grace` after a start.
pub(super) fn evictions(state: &State, seen: &Sightings, now: Time) -> Vec<Event> {
    if now < state.started_at + state.settings.start_grace() {
        return Vec::new();
    }
    let stragglers = state.in_service().filter_map(|(name, node, since)| {
        let why = straggling(state, seen.get(&node.enrolment), since, now)?;
        Some(departure(state, seen, name, why, now))
    });
    stragglers.collect()
}

fn straggling(state: &State, sighting: Option<&Sighting>, in_service_since: Time, now: Time) -> Option<Leaving> {
    let limit = state.settings.straggler_after();
    let heard_at = sighting.map_or(in_service_since, |sighting| sighting.heard_at);
    let owing_since = owing_since(state, sighting, now);
    if state.present_for(heard_at, now) > limit {
        return Some(Leaving::Silent);
    }
    owing_since
        .filter(|since| state.present_for(*since, now) > limit)
        .map(|_| Leaving::Owing)
}

/// When nodes in service will have straggled for too long, if nothing more is heard of them.
pub fn evictions_due_at(state: &State, seen: &Sightings, now: Time) -> impl Iterator<Item = Time> {
    let limit = state.settings.straggler_after();
    state.in_service().filter_map(move |(_, node, since)| {
        let sighting = seen.get(&node.enrolment);
        let heard_at = sighting.map_or(since, |sighting| sighting.heard_at);
        let first = owing_since(state, sighting, now).map_or(heard_at, |owing| owing.min(heard_at));
        let left = limit + Span(1) - state.present_for(first, now);
        (left > Span(0)).then_some(now + left)
    })
}

/// Since when a node owes a confirmation: of the first generation after the one that it confirmed, or of a switch that was due.
#[must_use]
pub fn owing_since(state: &State, sighting: Option<&Sighting>, now: Time) -> Option<Time> {
    let confirmed = sighting.and_then(|sighting| sighting.confirmed.as_ref());
    let generation = confirmed.map_or(Generation(0), |confirmed| confirmed.generation);
    if confirmed.is_none() && sighting.is_some_and(|sighting| sighting.withdrawn_at.is_some()) {
        return sighting?.withdrawn_at;
    }
    if generation < state.head.generation {
        let next = state.recent.iter().find(|(recent, _)| *recent > generation);
        return next.map(|(_, committed_at)| *committed_at);
    }
    let switched = |kid: &Kid| confirmed.is_some_and(|confirmed| confirmed.switches.contains(kid));
    let due = state.keys.values().filter_map(|key| match key.phase {
        Phase::Armed { activate_at } if activate_at <= now && !switched(key.kid()) => Some(activate_at),
        _ => None,
    });
    due.min()
}

/// The event of a node that leaves service, with what rules R1, R3 and E2 must remember of it.
pub(super) fn departure(state: &State, seen: &Sightings, name: &NodeName, cause: Leaving, now: Time) -> Event {
    let node = &state.nodes[name];
    let sighting = seen.get(&node.enrolment);
    let since = match node.standing {
        Standing::InService { since } => since,
        Standing::Joining | Standing::Evicted { .. } => now,
    };
    let signs = |key: &Key| key.key_use() == KeyUse::Sig;
    let lacked_until = |key: &Key| match Publication::on(sighting, key, since) {
        OnNode::Missing => Some(now),
        OnNode::Since(at) => Some(at),
        OnNode::Always => None,
    };
    let signed_until = |key: &Key| {
        let released = sighting.and_then(|sighting| sighting.released(state, key));
        (key.phase != Phase::Prepublished).then(|| released.unwrap_or(now))
    };
    let served_until = |key: &Key| {
        let unpublished = sighting.and_then(|sighting| sighting.unpublished.get(key.kid())).copied();
        matches!(key.phase, Phase::Unpublished { .. }).then(|| unpublished.unwrap_or(now))
    };
    let of_keys = |until: &dyn Fn(&Key) -> Option<Time>| {
        let keys = state.keys.values();
        keys.filter_map(|key| Some((key.kid().clone(), until(key)?))).collect()
    };
    let lacked_until = of_keys(&|key| lacked_until(key).filter(|_| signs(key)));
    let signed_until = of_keys(&|key| signed_until(key).filter(|_| signs(key)));
    let served_until = of_keys(&served_until);
    Event::LeftService {
        node: name.clone(),
        enrolment: node.enrolment,
        cause,
        lacked_until,
        signed_until,
        served_until,
    }
}
