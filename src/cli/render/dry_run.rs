//! What a rotation or a revocation would do.

use super::plan::events;
use super::table::Table;
use super::text::{self, elapsed, plain};
use crate::rpc::documents::{DryRun, NodeOutlook, Trust};

/// A dry run that would not be refused.
pub(in crate::cli) fn dry_run(dry_run: &DryRun, columns: Option<usize>) -> String {
    let changes = dry_run.changes.iter().map(|change| plain(change));
    let remarks = dry_run.remarks.iter().map(|remark| format!("note: {}", plain(remark)));
    let waits = match dry_run.generation {
        None => "nothing new would have to reach the nodes now".to_owned(),
        Some(generation) => format!("generation {generation} would go to every node"),
    };
    let first = text::lines(
        ["a dry run: nothing is decided or recorded".to_owned()]
            .into_iter()
            .chain(changes)
            .chain(remarks)
            .chain([waits]),
    );
    let sections = [
        first,
        keys(dry_run),
        nodes(dry_run),
        relying_parties(dry_run),
        events(&dry_run.then, dry_run.now, columns),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    sections.join("\n")
}

fn keys(dry_run: &DryRun) -> String {
    let mut table = Table::new(&["KEY", "PROFILE", "STATE", "WOULD BE"]);
    for key in &dry_run.keys {
        table.row([key.kid.to_string(), key.profile.to_string(), key.from.clone(), key.to.clone()]);
    }
    table.to_string()
}

fn nodes(dry_run: &DryRun) -> String {
    let mut table = Table::new(&["NODE", "SERVICE", "WOULD"]);
    for node in &dry_run.nodes {
        let service = if node.in_service { "in service" } else { "out of service" };
        table.row([node.node.to_string(), service.to_owned(), outlook(node, dry_run)]);
    }
    table.to_string()
}

fn outlook(node: &NodeOutlook, dry_run: &DryRun) -> String {
    let owing = node
        .owing_since
        .map(|since| format!("owes a confirmation for {}", elapsed(since, dry_run.now)));
    let problem = node.problem.as_deref().map(plain);
    let why = match (node.answers, node.connected) {
        (true, _) if dry_run.generation.is_some() => "confirm at once".to_owned(),
        (true, _) => "get nothing new now".to_owned(),
        _ if node.unknown => "be named as not confirmed: what it holds is not known, it has not reported yet".to_owned(),
        (false, true) => "be named as not confirmed".to_owned(),
        (false, false) => "be named as not confirmed: it is not connected".to_owned(),
    };
    [Some(why), owing, problem]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

fn relying_parties(dry_run: &DryRun) -> String {
    let young = dry_run.relying_parties.young.iter().map(|key| {
        let missing = if key.missing.is_empty() {
            String::new()
        } else {
            format!(", and longer without {}", key.missing)
        };
        format!(
            "relying parties may not know key {} until {}{missing}: they would refuse its tokens until they fetch the JWKS again",
            key.kid, key.ready_at
        )
    });
    let unheld = dry_run.relying_parties.unheld.iter().map(|key| {
        format!(
            "what relying parties encrypt to key {} can't be opened by {} until they hold it",
            key.kid, key.missing
        )
    });
    let trust = dry_run.relying_parties.trust.iter().map(|trust| match trust {
        Trust::Until {
            after_last_confirmation,
            at_the_earliest,
        } => format!(
            "verifiers that honour their cache time would trust what is revoked for {after_last_confirmation} after the last \
             confirmation, so until {at_the_earliest} at the earliest"
        ),
        Trust::Unknown { why } => format!(
            "until when verifiers would trust what is revoked is not known: {}",
            plain(why)
        ),
    });
    text::lines(young.chain(unheld).chain(trust))
}
