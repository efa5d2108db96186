//! The table: keys, nodes and counts as they are now.

use super::words::{seconds, short, summary};
use crate::dev::Summary;
use crate::dev::watch::Look;
use crate::rpc::documents::{KeyStatus, NodeStatus, Status};
use crate::types::{Span, Time};

/// How many nodes have a line of their own, so that the table fits on a terminal.
const NODES: usize = 8;

pub(super) fn table(look: &Look, so_far: &Summary, began: Time) -> Vec<String> {
    let status = &look.status;
    let ran = seconds(Span::secs(status.now.since(began).0 / 1000));
    let mut lines = vec![String::new(), format!("generation {} after {ran}", status.generation)];
    lines.push(format!("  {:<14} {:<10} {:<13} {}", "key", "profile", "state", "next"));
    lines.extend(status.keys.iter().map(|key| self::key(key, status.now)));
    lines.push(format!(
        "  {:<14} {:<10} {:<13} {}",
        "node", "standing", "generation", "last confirmation"
    ));
    lines.extend(shown(status).map(|node| self::node(node, status.now)));
    let more = status.nodes.len().saturating_sub(NODES);
    if more > 0 {
        let serving = status.nodes.iter().filter(|node| node.standing == "in_service").count();
        let newest = status.nodes.iter().filter(|node| node.confirmed == Some(status.generation));
        lines.push(format!(
            "  and {more} more; {serving} in service, {} confirmed it",
            newest.count()
        ));
    }
    lines.push(summary(so_far));
    lines
}

/// The nodes that are behind come first.
fn shown(status: &Status) -> impl Iterator<Item = &NodeStatus> {
    let is_behind = |node: &&NodeStatus| node.confirmed != Some(status.generation) || node.standing != "in_service";
    let behind = status.nodes.iter().filter(is_behind);
    let (well, all) = (status.nodes.iter().filter(move |node| !is_behind(node)), status.nodes.len());
    if all > NODES {
        behind.chain(well).take(NODES).collect::<Vec<_>>()
    } else {
        status.nodes.iter().collect()
    }
    .into_iter()
}

fn key(key: &KeyStatus, now: Time) -> String {
    let next = key.next.as_ref().map_or_else(String::new, |next| {
        let waits = if next.missing.is_empty() {
            String::new()
        } else {
            format!(", once {} nodes confirm", next.missing.len())
        };
        format!("{} in {}{waits}", next.to, seconds(next.at.since(now)))
    });
    format!("  {:<14} {:<10} {:<13} {next}", short(&key.kid), key.profile, key.state)
}

fn node(node: &NodeStatus, now: Time) -> String {
    let generation = node
        .confirmed
        .map_or_else(|| "-".to_owned(), |generation| generation.to_string());
    let confirmed = node
        .confirmed_at
        .map_or_else(|| "none".to_owned(), |at| format!("{} ago", seconds(now.since(at))));
    let standing = node.standing.replace('_', " ");
    format!("  {:<14} {standing:<10} {generation:<13} {confirmed}", node.node)
}
