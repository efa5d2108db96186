//! Join tokens and the node table.

use super::schedule::unconfirmed;
use super::service::departure;
use super::{Decision, Refusal};
use crate::lifecycle::ended::{Ending, Farewell, held_keys, last_holder_of};
use crate::lifecycle::event::{Event, Leaving};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{JoinToken, Standing, State};
use crate::types::{Comment, Digest, Enrolment, Kid, NodeName, Time, WitnessKey};

pub(super) fn issue_token(state: &State, token: Digest, node: &NodeName, expires_at: Time) -> Decision {
    Decision::from(vec![Event::TokenIssued {
        token,
        node: node.clone(),
        expires_at,
        ca: signing(state),
    }])
}

/// Nobody has that name, and nobody is about to: whoever chose it saw an older state.
pub(super) fn check_new_name(state: &State, node: &NodeName, now: Time) -> Result<(), Refusal> {
    let is_promised = state.tokens.values().any(|token| token.node == *node && token.is_open(now));
    if is_promised || state.nodes.contains_key(node) {
        return Err(Refusal::NameTaken(node.clone()));
    }
    Ok(())
}

/// Takes back the tokens that could still be used.
pub(super) fn revoke_tokens(state: &State, node: Option<&NodeName>, now: Time) -> Result<Decision, Refusal> {
    let is_meant = |token: &JoinToken| token.is_open(now) && node.is_none_or(|node| *node == token.node);
    let open = state.tokens.iter().filter(|(_, token)| is_meant(token));
    let revoked = open.map(|(token, row)| Event::TokenRevoked {
        token: *token,
        node: row.node.clone(),
    });
    let decision = Decision::from(revoked.collect::<Vec<_>>());
    if decision.is_empty() {
        return Err(Refusal::NoOpenToken(node.cloned()));
    }
    Ok(decision)
}

/// A node joins with its token. An older node of the same name leaves service; what it left behind stands.
pub(super) fn enrol(
    state: &State,
    seen: &Sightings,
    token: Digest,
    node: &NodeName,
    tls_key: Digest,
    witness_key: WitnessKey,
    now: Time,
) -> Result<Decision, Refusal> {
    let row = state.tokens.get(&token).ok_or(Refusal::NoToken)?;
    if row.used {
        return Err(Refusal::TokenUsed);
    }
    if row.expires_at <= now {
        return Err(Refusal::TokenExpired(row.expires_at));
    }
    if row.node != *node {
        return Err(Refusal::TokenForAnother(row.node.clone()));
    }
    let mut decision = Decision::default();
    if state.in_service().any(|(name, ..)| name == node) && !is_out(Mutant::R1Replaced) {
        decision.push(departure(state, seen, node, Leaving::Replaced, now));
    }
    decision.push(Event::Enrolled {
        node: node.clone(),
        enrolment: state.last_enrolment.next(),
        token,
        tls_key,
        witness_key,
        unconfirmed: unconfirmed_by(state, seen, node),
        ca: signing(state),
    });
    Ok(decision)
}

fn signing(state: &State) -> Option<u32> {
    state.authority.signing().map(|ca| ca.facts.number)
}

/// An operator takes a node out of the fleet. What it left behind stands, and no token lets it in again.
pub(super) fn end(
    state: &State,
    seen: &Sightings,
    node: &NodeName,
    ending: Ending,
    comment: Option<&Comment>,
    now: Time,
) -> Result<Decision, Refusal> {
    let row = state.nodes.get(node).ok_or_else(|| not_there(state, node))?;
    let mut decision = revoke_tokens(state, Some(node), now).unwrap_or_default();
    if matches!(row.standing, Standing::InService { .. }) {
        decision.push(departure(state, seen, node, ending.leaving(), now));
    }
    decision.push(ending.event(Farewell {
        node: node.clone(),
        enrolment: row.enrolment,
        comment: comment.cloned(),
        held: held_keys(state, seen, row),
        last_holder_of: last_holder_of(state, seen, row),
        unconfirmed: unconfirmed_by(state, seen, node),
    }));
    Ok(decision)
}

/// Two machines use the identity of a node. That is said once.
pub(super) fn cloned(state: &State, node: &NodeName, enrolment: Enrolment) -> Decision {
    let row = state
        .nodes
        .get(node)
        .filter(|row| row.enrolment == enrolment && !row.is_cloned);
    let event = row.map(|_| Event::NodeCloned {
        node: node.clone(),
        enrolment,
    });
    Decision::from(event.into_iter().collect::<Vec<_>>())
}

fn not_there(state: &State, node: &NodeName) -> Refusal {
    let ended = state.ended.values().filter(|ended| ended.node == *node);
    match ended.max_by_key(|ended| ended.at) {
        Some(ended) => Refusal::Ended(ended.clone()),
        None => Refusal::NoNode(node.clone()),
    }
}

/// The revocations that wait for a node.
fn unconfirmed_by(state: &State, seen: &Sightings, node: &NodeName) -> Vec<Kid> {
    let open = state.revocations.keys();
    open.filter(|kid| unconfirmed(state, seen, kid).contains(node))
        .cloned()
        .collect()
}
