//! JSON: one object a line.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::dev::Summary;
use crate::dev::watch::Look;

pub(super) fn started(dir: &Path, agents: usize, config: &Path) -> String {
    json!({"event": "started", "dir": dir, "agents": agents, "config": config}).to_string()
}

pub(super) fn look(look: &Look, so_far: &Summary, counted: bool) -> Vec<String> {
    let records = look.records.iter();
    let mut lines: Vec<String> = records
        .map(|record| json!({"event": "decided", "record": record}).to_string())
        .collect();
    let failures = look.round.failures.iter();
    lines.extend(failures.map(|failure| json!({"event": "failed", "what": failure.to_string()}).to_string()));
    lines.extend(counted.then(|| counts("probe", so_far)));
    lines
}

pub(super) fn summary(summary: &Summary) -> String {
    counts("summary", summary)
}

fn counts(event: &'static str, summary: &Summary) -> String {
    // A struct, because its members keep their order.
    #[derive(Serialize)]
    struct Counts<'a> {
        event: &'static str,
        #[serde(flatten)]
        summary: &'a Summary,
    }
    serde_json::to_string(&Counts { event, summary }).expect("text and numbers are always JSON")
}
