//! The one place that makes texts for people: pure functions from documents, and the time where it matters, to text.
//!
//! JSON is given on as it came.

mod audit;
mod cas;
mod decision;
mod dry_run;
mod explain;
mod history;
mod keys;
mod keystore;
mod nodes;
mod notes;
mod plan;
mod restore;
mod secrets;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

pub(super) use audit::{
    checkpoint_json, consistency, consistency_json, exported, proof_written, proved, whole_log, whole_log_json,
};
pub(super) use cas::{ca_rotation, cas};
pub(super) use decision::{REVOKES_NOTHING, confirmed, decided, finished};
pub(super) use dry_run::dry_run;
pub(super) use explain::explanation;
pub(super) use history::record;
pub(super) use keys::{key, keys};
pub(super) use keystore::{diff, version, version_row};
pub(super) use nodes::{node, node_ended, nodes};
pub(super) use notes::{agent_configured, enrolled, leader_founded, token};
pub(super) use plan::plan;
pub(super) use restore::{backed_up, rekeyed, restored};
pub(super) use secrets::{null_ended, secrets};
pub(super) use status::status;
pub(super) use tokens::{revoked_tokens, tokens};

use serde::Serialize;

use crate::rpc::admin::Document;

/// A JSON text as it came, as a line.
pub(super) fn json(text: &[u8]) -> String {
    format!("{}\n", String::from_utf8_lossy(text))
}

/// A value of ours as a document, as the leader would send it.
pub(super) fn document(schema: &str, value: &impl Serialize) -> Document {
    Document::write(schema, value).expect("our own types have string keys, so they always have a JSON form")
}

/// A value of ours as a line of JSON.
pub(super) fn json_of(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("our own types have string keys, so they always have a JSON form");
    json + "\n"
}
