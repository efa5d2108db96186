//! The fleet's CAs, and the papers of nodes, as documents for operators. Pure.

use crate::lifecycle::{Ca, CaEnding, CaPhase, Papers, Sightings, Standing, State, ca_rotation_due_at, distrusting};
use crate::rpc::documents::{CaName, CaPage, CaRotation, CaRow, NodePapers};
use crate::types::{Digest, NodeName, Time};

/// What `jkeys ca show` shows.
pub(super) fn page(state: &State, seen: &Sightings, now: Time) -> CaPage {
    let authority = &state.authority;
    CaPage {
        now,
        cas: authority.cas.iter().map(|ca| row(state, seen, ca, now)).collect(),
        asked: authority.asked.then(|| authority.next_number()),
        rotate_at: ca_rotation_due_at(state),
    }
}

fn row(state: &State, seen: &Sightings, ca: &Ca, now: Time) -> CaRow {
    let papers = || {
        state
            .nodes
            .values()
            .filter_map(|node| seen.get(&node.enrolment)?.papers.as_ref())
    };
    let key = ca.facts.key;
    let ending = CaEnding::of(state, seen, now).filter(|_| matches!(ca.phase, CaPhase::Ending { .. }));
    let missing = match (&ending, ca.phase) {
        (Some(ending), _) => ending.missing.clone(),
        (None, CaPhase::Made) => distrusting(state, seen, ca),
        (None, _) => Vec::new(),
    };
    CaRow {
        number: ca.facts.number,
        key,
        phase: ca.phase.name().to_owned(),
        good_until: ca.facts.good_until,
        trusted_by: papers().filter(|papers| papers.trusts.contains(&key)).count() as u64,
        certifies: papers().filter(|papers| papers.certified_by == key).count() as u64,
        missing,
        tokens_until: ending.as_ref().and_then(|ending| ending.tokens_until),
        at_the_latest: ending.map(|ending| ending.ends_at.max(ending.tokens_until.unwrap_or_default())),
    }
}

/// What a rotation to this CA has before it.
pub(super) fn rotation(state: &State, number: u32, dry_run: bool, now: Time) -> CaRotation {
    let named = |in_service: bool| {
        let rows = state
            .nodes
            .iter()
            .filter(move |(_, node)| matches!(node.standing, Standing::InService { .. }) == in_service);
        rows.map(|(name, _)| name.clone()).collect::<Vec<NodeName>>()
    };
    CaRotation {
        number,
        dry_run,
        must_trust: named(true),
        away: named(false),
        tokens: state.tokens.values().filter(|token| token.is_open(now)).count() as u64,
    }
}

/// What a node last said of its papers, held against the leader's CAs.
pub(super) fn node_papers(state: &State, papers: &Papers) -> NodePapers {
    let authority = &state.authority;
    let name = |key: Digest| CaName {
        number: authority.cas.iter().find(|ca| ca.facts.key == key).map(|ca| ca.facts.number),
        key,
    };
    let lacked = authority.trusted().filter(|ca| !papers.trusts.contains(&ca.facts.key));
    NodePapers {
        certified_by: name(papers.certified_by),
        is_of_signing: authority.signing().is_some_and(|ca| ca.facts.key == papers.certified_by),
        good_until: papers.good_until,
        trusts: papers.trusts.iter().map(|key| name(*key)).collect(),
        lacks: lacked.map(|ca| ca.facts.number).collect(),
    }
}
