//! The fleet's CAs, and the papers of nodes.

use super::table::Table;
use super::text::{lines, list, relative};
use crate::rpc::documents::{CaName, CaPage, CaRotation, CaRow, NodePapers};
use crate::types::{NodeName, Time};

/// `jkeys ca show`.
pub(in crate::cli) fn cas(page: &CaPage) -> String {
    let mut table = Table::new(&["CA", "STATE", "GOOD UNTIL", "TRUSTED BY", "CERTIFIES", "SHA-256 OF ITS KEY"]);
    for ca in &page.cas {
        table.row([
            ca.number.to_string(),
            ca.phase.clone(),
            ca.good_until.to_string(),
            nodes(ca.trusted_by),
            nodes(ca.certifies),
            ca.key.to_string(),
        ]);
    }
    let asked = page.asked.map(|number| format!("CA {number} is being made"));
    let waits = page.cas.iter().filter_map(waits);
    let next = page
        .rotate_at
        .map(|at| format!("it is replaced by the schedule at {at}; `jkeys ca rotate` does so at once"));
    format!("{table}{}", lines(asked.into_iter().chain(waits).chain(next)))
}

fn nodes(count: u64) -> String {
    match count {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    }
}

/// What the next step of a CA waits for.
fn waits(ca: &CaRow) -> Option<String> {
    let number = ca.number;
    match ca.phase.as_str() {
        "made" => Some(format!(
            "CA {number} signs once these nodes have said that they trust it: {}",
            named(&ca.missing)
        )),
        "ending" => {
            let tokens = ca.tokens_until.map_or_else(String::new, |until| {
                format!(", and until {until} for join tokens that pin it")
            });
            let latest = ca
                .at_the_latest
                .map_or_else(String::new, |at| format!(", at {at} at the latest"));
            Some(format!(
                "CA {number} is trusted until these nodes have another certificate: {}{tokens}{latest}; a node that is gone for good \
                 is taken out with `jkeys node remove NAME`",
                named(&ca.missing)
            ))
        }
        _ => None,
    }
}

fn named(nodes: &[NodeName]) -> String {
    if nodes.is_empty() {
        "none is missing".to_owned()
    } else {
        list(nodes)
    }
}

/// `jkeys ca rotate`.
pub(in crate::cli) fn ca_rotation(rotation: &CaRotation) -> String {
    let CaRotation { number, dry_run, .. } = rotation;
    let first = if *dry_run {
        format!("CA {number} would be made. Nothing was decided")
    } else {
        format!("CA {number} is to take over")
    };
    let trust = if rotation.must_trust.is_empty() {
        "no node is in service, so it signs at once".to_owned()
    } else {
        format!("it signs once each node in service trusts it: {}", list(&rotation.must_trust))
    };
    let renewed =
        "each node then gets a certificate of it at a third of the life of the one that it has: in ten days at the latest";
    let away = (!rotation.away.is_empty()).then(|| {
        format!(
            "these nodes are not in service and keep what they have, for which the CA before stays 90 days at most: {}",
            list(&rotation.away)
        )
    });
    let tokens = (rotation.tokens > 0).then(|| {
        format!(
            "{} open join tokens pin the CA before, which stays for them too; `jkeys node token list` shows them",
            rotation.tokens
        )
    });
    let more = "`jkeys ca show` tells how far it is".to_owned();
    let said = [first, trust, renewed.to_owned()];
    lines(said.into_iter().chain(away).chain(tokens).chain([more]))
}

/// A CA by its number, or by the beginning of its key.
fn name(ca: &CaName) -> String {
    match ca.number {
        Some(number) => format!("CA {number}"),
        None => format!("a CA that this leader does not know ({})", &ca.key.to_string()[..16]),
    }
}

/// Which CA a node's certificate is of, and until when it is good.
pub(super) fn certificate(papers: &NodePapers) -> String {
    format!("of {}, good until {}", name(&papers.certified_by), papers.good_until)
}

/// Whom a node trusts.
pub(super) fn trusted(papers: &NodePapers) -> String {
    let names: Vec<String> = papers.trusts.iter().map(name).collect();
    list(&names)
}

/// What is not as it should be in the end.
pub(super) fn remark(papers: &NodePapers, now: Time) -> Option<String> {
    let over = (papers.good_until < now).then(|| format!("its certificate ended {}", relative(papers.good_until, now)));
    let other = (!papers.is_of_signing).then(|| format!("its certificate is of {}", name(&papers.certified_by)));
    let lacks = papers.lacks.iter().map(|number| format!("it does not trust CA {number} yet"));
    let unknown = papers.trusts.iter().filter(|ca| ca.number.is_none());
    let unknown = unknown.map(|ca| format!("it trusts {}: look whether this leader was set back", name(ca)));
    let parts: Vec<String> = over.into_iter().chain(other).chain(lacks).chain(unknown).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
