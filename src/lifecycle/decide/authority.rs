//! The rotation of the fleet's CA, and the certificates that it signs.

use super::schedule::Waits;
use super::{Decision, Refusal};
use crate::lifecycle::authority::{CaEnding, CaFacts, ca_rotation_due_at, distrusting};
use crate::lifecycle::event::Event;
use crate::lifecycle::sightings::{Sighting, Sightings};
use crate::lifecycle::state::{State, Wait};
use crate::types::{Comment, Enrolment, NodeName, Time};

/// `jkeys ca rotate`.
pub(super) fn ask(state: &State, comment: Option<&Comment>) -> Result<Decision, Refusal> {
    let authority = &state.authority;
    if authority.signing().is_none() {
        return Err(Refusal::NoCa);
    }
    if let Some(number) = authority.rotating() {
        return Err(Refusal::CaRotating(number));
    }
    Ok(Decision::from(vec![Event::CaAsked {
        number: authority.next_number(),
        comment: comment.cloned(),
    }]))
}

/// The CA that was asked for is made.
pub(super) fn made(state: &State, facts: CaFacts, certificate: &str) -> Result<Decision, Refusal> {
    let authority = &state.authority;
    if !authority.asked || authority.next_number() != facts.number {
        return Err(Refusal::CaNotAsked(facts.number));
    }
    Ok(Decision::from(vec![Event::CaMade {
        facts,
        certificate: certificate.to_owned(),
    }]))
}

/// The leader certifies itself, with what it knows of the CA that signs.
pub(super) fn certify_leader(state: &State, by: CaFacts, good_until: Time) -> Result<Decision, Refusal> {
    let signing = state.authority.signing();
    if signing.is_some_and(|ca| ca.facts.number != by.number) {
        return Err(Refusal::CaNotSigning(by.number));
    }
    Ok(Decision::from(vec![Event::LeaderCertified { by, good_until }]))
}

/// A node gets another certificate, of the CA that signs.
pub(super) fn certify_node(state: &State, node: &NodeName, enrolment: Enrolment, good_until: Time) -> Result<Decision, Refusal> {
    let is_there = state.nodes.get(node).is_some_and(|row| row.enrolment == enrolment);
    if !is_there {
        return Err(Refusal::NoNode(node.clone()));
    }
    let signing = state.authority.signing().ok_or(Refusal::NoCa)?;
    Ok(Decision::from(vec![Event::NodeCertified {
        node: node.clone(),
        enrolment,
        by: signing.facts.number,
        good_until,
    }]))
}

/// The private halves of CAs that are dropped go.
pub(super) fn destroy(state: &State, decision: &mut Decision) {
    let dropped = state.authority.dropped();
    decision.events.extend(dropped.map(|number| Event::CaDestroyed { number }));
}

/// The next step of a rotation, or a new one where the CA that signs comes to its end.
pub(super) fn rotate(state: &State, seen: &Sightings, now: Time, decision: &mut Decision, waits: &mut Waits) {
    if ca_rotation_due_at(state).is_some_and(|due_at| due_at <= now) {
        let number = state.authority.next_number();
        decision.push(Event::CaAsked { number, comment: None });
        return;
    }
    activate(state, seen, decision, waits);
    end(state, seen, now, decision, waits);
}

/// A CA signs once every node in service has said that it trusts it, as its disk holds that.
fn activate(state: &State, seen: &Sightings, decision: &mut Decision, waits: &mut Waits) {
    let Some(ca) = state.authority.made() else { return };
    let (number, key) = (ca.facts.number, ca.facts.key);
    let missing = distrusting(state, seen, ca);
    if !missing.is_empty() {
        waits.insert(Wait::TrustCa(number), missing);
        return;
    }
    let trusts = |sighting: &Sighting| sighting.trusts(key).then_some(sighting.heard_at);
    let evidence = decision.evidence(state, seen, trusts);
    decision.push(Event::CaActivated { number, evidence });
}

/// A CA is trusted until nobody can show anything of it any more.
fn end(state: &State, seen: &Sightings, now: Time, decision: &mut Decision, waits: &mut Waits) {
    let (Some((ca, _)), Some(ending)) = (state.authority.ending(), CaEnding::of(state, seen, now)) else {
        return;
    };
    let (number, key) = (ca.facts.number, ca.facts.key);
    if !ending.is_over(now) {
        waits.insert(Wait::EndCa(number), ending.missing);
        return;
    }
    let left_it = |sighting: &Sighting| {
        let has_another = sighting.papers.as_ref().is_some_and(|papers| papers.certified_by != key);
        has_another.then_some(sighting.heard_at)
    };
    let evidence = decision.evidence_of_all(state, seen, left_it);
    decision.push(Event::CaDropped { number, evidence });
}
