//! Join tokens and the node table.

use super::schedule::unconfirmed;
use super::service::departure;
use super::{Decision, Refusal};
use crate::lifecycle::event::{Event, Leaving};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::State;
use crate::types::{Digest, NodeName, Time, WitnessKey};

pub(super) fn issue_token(token: Digest, node: &NodeName, expires_at: Time) -> Decision {
    Decision::from(vec![Event::TokenIssued {
        token,
        node: node.clone(),
        expires_at,
    }])
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
    let enrolment = state.last_enrolment.next();
    let open = state.revocations.keys();
    let unconfirmed = open
        .filter(|kid| unconfirmed(state, seen, kid).contains(node))
        .cloned()
        .collect();
    decision.push(Event::Enrolled {
        node: node.clone(),
        enrolment,
        token,
        tls_key,
        witness_key,
        unconfirmed,
    });
    Ok(decision)
}
