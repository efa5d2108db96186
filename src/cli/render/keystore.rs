//! Versions of the keystore, and what changed between two.

use super::history::waited;
use super::table::Table;
use super::text::{lines, list, plain};
use crate::cli::keystore::{Change, Diff};
use crate::rpc::documents::{VersionRow, VersionState};

/// A line of `jkeys keystore versions`.
pub(in crate::cli) fn version_row(row: &VersionRow) -> String {
    format!("{}\n", described(row))
}

fn described(row: &VersionRow) -> String {
    let by = row.by.as_ref().map_or("nobody".to_owned(), |by| plain(&by.to_string()));
    let records = match (row.first_record, row.records) {
        (Some(first), 1) => format!("record {first}"),
        (Some(first), count) => format!("records {first} to {}", first.0 + count - 1),
        (None, _) => "no record".to_owned(),
    };
    let made = row.made.map(|generation| format!(", makes generation {generation}"));
    format!(
        "{:>6}  {}  {by}  {records}: {}{}",
        row.version.0,
        row.at,
        list(&row.actions),
        made.unwrap_or_default()
    )
}

/// `jkeys keystore show`.
pub(in crate::cli) fn version(state: &VersionState) -> String {
    let how = if state.rebuilt {
        "made anew from the records"
    } else {
        "as it was stored"
    };
    let profiles: Vec<_> = state
        .settings
        .profiles
        .values()
        .map(|profile| format!("{} {}", profile.name, profile.spec))
        .collect();
    let mut rows = vec![
        format!("version   {}", described(&state.row).trim_start()),
        format!("state     {how}"),
        format!("epoch     {}", state.epoch),
        format!("in force  generation {}, since {}", state.generation, state.generation_at),
        format!("profiles  {}", list(&profiles)),
    ];
    rows.extend(state.halted.as_ref().map(|halt| format!("HALTED    {halt}")));
    rows.extend(state.waits.iter().map(|wait| format!("waits     {}", waited(wait))));
    rows.extend(
        state
            .revocations
            .iter()
            .map(|kid| format!("revoked   key {kid}, not confirmed by every node")),
    );
    let mut keys = Table::new(&["KEY", "PROFILE", "ALG", "STATE", "PUBLISHED"]);
    for key in &state.keys {
        keys.row([
            key.kid.to_string(),
            key.profile.to_string(),
            key.spec.to_string(),
            key.state.clone(),
            key.published_at.to_string(),
        ]);
    }
    let mut nodes = Table::new(&["NODE", "NUMBER", "STANDING", "SINCE"]);
    for node in &state.nodes {
        nodes.row([
            node.node.to_string(),
            node.enrolment.to_string(),
            node.standing.clone(),
            node.since.to_string(),
        ]);
    }
    let parts = [lines(rows), keys.to_string(), nodes.to_string()];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `jkeys keystore diff`.
pub(in crate::cli) fn diff(diff: &Diff) -> String {
    let head = format!(
        "from version {} of {} to version {} of {}",
        diff.from.version, diff.from.at, diff.to.version, diff.to.at
    );
    if diff.changes.is_empty() {
        return format!("{head}: nothing changed that is public\n");
    }
    lines(
        [head]
            .into_iter()
            .chain(diff.changes.iter().map(|change| format!("  {}", words(change)))),
    )
}

fn words(change: &Change) -> String {
    match change {
        Change::Leader {
            what: "halt",
            to: Some(why),
            ..
        } => format!("the leader halted: {why}"),
        Change::Leader { what: "halt", .. } => "the leader is halted no more".to_owned(),
        Change::Leader { what, from, to } => format!("{what} {}", from_to(from.as_deref(), to.as_deref())),
        Change::Profile { profile, came } => format!("profile {profile} {}", if *came { "came" } else { "went" }),
        Change::Setting { setting, from, to } => format!("setting {setting} {}", from_to(from.as_deref(), to.as_deref())),
        Change::Key {
            kid,
            profile,
            spec,
            from,
            to,
        } => match (from, to) {
            (None, Some(to)) => format!("key {kid} came, {to}, profile {profile}, {spec}"),
            (Some(from), None) => format!("key {kid} went, it was {from}, profile {profile}"),
            _ => format!("key {kid} {}", from_to(from.as_deref(), to.as_deref())),
        },
        Change::Node {
            node,
            from,
            to,
            enrolled_anew,
        } => {
            let anew = if *enrolled_anew { ", enrolled anew" } else { "" };
            match (from, to) {
                (None, Some(to)) => format!("node {node} came, {to}"),
                (Some(from), None) => format!("node {node} went, it was {from}"),
                _ => format!("node {node} {}{anew}", from_to(from.as_deref(), to.as_deref())),
            }
        }
        Change::Revocation { kid, open: true } => format!("revocation of key {kid} is open"),
        Change::Revocation { kid, open: false } => format!("revocation of key {kid} is confirmed by every node"),
        Change::Wait { wait, began: true } => format!("the schedule waits: {}", waited(wait)),
        Change::Wait { wait, began: false } => format!("the schedule waits no more: {}", waited(wait)),
    }
}

fn from_to(from: Option<&str>, to: Option<&str>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from == to => format!("is {to} as before"),
        (Some(from), Some(to)) => format!("from {from} to {to}"),
        (None, Some(to)) => format!("set to {to}"),
        (Some(from), None) => format!("no longer set, it was {from}"),
        (None, None) => "unset".to_owned(),
    }
}
