//! The CAs of a course: each is made at once, nodes trust what their generation names, and renew their certificates in their time.

use std::collections::BTreeSet;

use super::course::Course;
use crate::leader::core::Input;
use crate::lifecycle::{CaFacts, Papers, State};
use crate::types::{CA_LIFE, CERTIFICATE_LIFE, Digest, NodeName, RENEWED_BEFORE_END, Time};

impl Course {
    pub(super) fn make_ca(&mut self, number: u32) {
        let facts = CaFacts {
            number,
            key: Digest::of(format!("next CA {number}").as_bytes()),
            good_until: self.clock + CA_LIFE,
        };
        let certificate = String::new();
        self.step(Input::CaMade { facts, certificate });
    }

    /// While one CA takes over from another, each node that answers says what is new of its papers.
    pub(super) fn tell_papers(&mut self) {
        let state = self.leader.state();
        if state.authority.rotating().is_none() {
            return;
        }
        let mut told = Vec::new();
        for (name, node) in &mut self.nodes {
            let Some(row) = state.nodes.get(name) else { continue };
            let said = self.leader.sighting(name).and_then(|sighting| sighting.papers.as_ref());
            let before = node.papers.as_ref().or(said);
            let papers = papers(state, name, before, self.clock);
            if before != Some(&papers) {
                told.push((row.enrolment, papers.clone()));
            }
            node.papers = Some(papers);
        }
        for (enrolment, papers) in told {
            self.step(Input::Papers { enrolment, papers });
        }
    }

    /// When the last of the nodes that answer will have a certificate of the CA that signs, while the one before is trusted still.
    pub(super) fn renewed_by(&self) -> Option<Time> {
        let authority = &self.leader.state().authority;
        let (signing, _) = (authority.signing()?, authority.ending()?);
        let papers = self.nodes.values().filter_map(|node| node.papers.as_ref());
        let of_another = papers.filter(|papers| papers.certified_by != signing.facts.key);
        of_another.map(renews_at).max()
    }
}

fn renews_at(papers: &Papers) -> Time {
    papers.good_until - RENEWED_BEFORE_END
}

/// The papers of a node that holds the newest generation and has renewed whenever that was due. Of one that has not told of its
/// certificate yet it is taken to be new.
fn papers(state: &State, node: &NodeName, before: Option<&Papers>, now: Time) -> Papers {
    let authority = &state.authority;
    let of = state.nodes.get(node).and_then(|row| row.ca);
    let certificate = authority
        .cas
        .iter()
        .find(|ca| Some(ca.facts.number) == of)
        .or(authority.cas.first());
    let mut papers = before.cloned().unwrap_or_else(|| Papers {
        trusts: BTreeSet::new(),
        certified_by: certificate.map_or(Digest([0; 32]), |ca| ca.facts.key),
        good_until: now + CERTIFICATE_LIFE,
    });
    papers.trusts = authority.trusted().map(|ca| ca.facts.key).collect();
    while renews_at(&papers) <= now {
        papers.good_until = renews_at(&papers) + CERTIFICATE_LIFE;
        if let Some(signing) = authority.signing() {
            papers.certified_by = signing.facts.key;
        }
    }
    papers
}
