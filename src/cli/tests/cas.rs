//! `jkeys ca`, and what is shown of nodes' papers.

use super::fake::Fake;
use super::jkeys;
use crate::cli::render;
use crate::cli::samples::{NOW, a_node};
use crate::rpc::admin::RotateCaCall;
use crate::rpc::documents::{CaName, CaPage, CaRotation, CaRow, NodePapers};
use crate::types::{Digest, NodeName, Span};

fn names(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A CA whose successor signs, and the successor.
pub(super) fn page() -> CaPage {
    let row = |number: u8, phase: &str| CaRow {
        number: number.into(),
        key: Digest([number; 32]),
        phase: phase.to_owned(),
        good_until: NOW + Span::hours(24 * 365 * u64::from(number)),
        trusted_by: 3,
        certifies: 1,
        missing: vec![],
        tokens_until: None,
        at_the_latest: None,
    };
    let ending = CaRow {
        missing: names(&["vm-2", "vm-3"]),
        tokens_until: Some(NOW + Span::hours(1)),
        at_the_latest: Some(NOW + Span::hours(24 * 80)),
        ..row(1, "ending")
    };
    CaPage {
        now: NOW,
        cas: vec![ending, row(2, "signing")],
        asked: None,
        rotate_at: None,
    }
}

pub(super) fn rotation(call: &RotateCaCall) -> CaRotation {
    CaRotation {
        number: 3,
        dry_run: call.dry_run,
        must_trust: names(&["vm-1", "vm-2"]),
        away: names(&["vm-3"]),
        tokens: 2,
    }
}

#[tokio::test]
async fn the_cas_are_shown_with_what_a_rotation_waits_for() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "ca show").await.out;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("CA  STATE    GOOD UNTIL"), "{shown}");
    assert!(lines[1].starts_with("1   ending") && lines[1].contains("3 nodes"), "{shown}");
    assert!(lines[2].starts_with("2   signing") && lines[2].contains("1 node "), "{shown}");
    let waits = [
        "have another certificate: vm-2, vm-3",
        "join tokens that pin it",
        "at the latest",
    ];
    assert!(waits.iter().all(|words| lines[3].contains(words)), "{shown}");
    let json = jkeys(&served, "ca show --json").await.out;
    assert_eq!(serde_json::from_str::<CaPage>(&json).unwrap(), page());

    let asked = CaPage {
        cas: page().cas[1..].to_vec(),
        asked: Some(3),
        ..page()
    };
    assert!(render::cas(&asked).ends_with("CA 3 is being made\n"));
    let quiet = CaPage {
        asked: None,
        rotate_at: Some(NOW),
        ..asked
    };
    assert!(render::cas(&quiet).contains("it is replaced by the schedule at"));
}

#[tokio::test]
async fn a_rotation_of_the_ca_says_what_it_has_before_it() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "ca rotate --comment moved").await.out;
    let said = [
        "CA 3 is to take over",
        "each node in service trusts it: vm-1, vm-2",
        "not in service",
        "vm-3",
        "2 open join tokens",
        "jkeys ca show",
    ];
    assert!(said.iter().all(|words| shown.contains(words)), "{shown}");
    let dry = jkeys(&served, "ca rotate --dry-run").await.out;
    assert!(dry.contains("Nothing was decided"), "{dry}");
}

#[test]
fn a_node_says_which_ca_its_certificate_is_of_and_whom_it_trusts() {
    let name = |number: Option<u32>, key: u8| CaName {
        number,
        key: Digest([key; 32]),
    };
    let papers = NodePapers {
        certified_by: name(Some(1), 1),
        is_of_signing: false,
        good_until: NOW - Span::hours(2),
        trusts: vec![name(Some(1), 1), name(None, 9)],
        lacks: vec![2],
    };
    let mut page = a_node();
    page.enrolled.as_mut().unwrap().status.papers = Some(papers);
    let shown = render::node(&page);
    let said = [
        "certificate  of CA 1, good until",
        "trusts       CA 1, a CA that this leader does not know (0909090909090909)",
        "its certificate ended",
        "its certificate is of CA 1",
        "it does not trust CA 2 yet",
        "look whether this leader was set back",
    ];
    assert!(said.iter().all(|words| shown.contains(words)), "{shown}");
}
