//! The node table.

use super::table::Table;
use super::text::{elapsed, plain, relative};
use crate::rpc::documents::{NodeStatus, Status};
use crate::types::{Span, Time};

/// `jkeys node list`, and a part of `jkeys status`.
pub(in crate::cli) fn nodes(status: &Status) -> String {
    if status.nodes.is_empty() {
        return "no nodes yet; `jkeys node token NAME` lets one in\n".to_owned();
    }
    let mut table = Table::new(&["NODE", "STANDING", "CONFIRMED", "HEARD", "REMARK"]);
    for node in &status.nodes {
        table.row([
            node.node.to_string(),
            format!("{} {}", standing(node), elapsed(node.since, status.now)),
            confirmed(node, status.now),
            node.heard_at
                .map_or_else(|| "never".to_owned(), |at| relative(at, status.now)),
            remarks(node, status.now),
        ]);
    }
    table.to_string()
}

fn standing(node: &NodeStatus) -> &str {
    match node.standing.as_str() {
        "in_service" => "in service",
        "evicted" => "out of service",
        other => other,
    }
}

fn confirmed(node: &NodeStatus, now: Time) -> String {
    match (node.confirmed, node.confirmed_at) {
        (Some(generation), Some(at)) => format!("{generation} ({})", relative(at, now)),
        (Some(generation), None) => generation.to_string(),
        (None, _) => "nothing".to_owned(),
    }
}

fn remarks(node: &NodeStatus, now: Time) -> String {
    let debt = node
        .owing_since
        .map(|since| format!("owes a confirmation for {}", elapsed(since, now)));
    let disk = node
        .on_disk
        .filter(|generation| Some(*generation) != node.confirmed)
        .map(|generation| format!("generation {generation} on disk"));
    let parts = [debt, disk, clock(node), node.problem.as_deref().map(plain)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// How wrong its clock is, where that matters.
pub(super) fn clock(node: &NodeStatus) -> Option<String> {
    let ahead = node.clock_wrong_by_ms?;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    Some(format!("its clock is {} {side} the leader's", Span(ahead.unsigned_abs())))
}
