//! What stands beside an answer.

use std::path::Path;

use crate::agent::Enrolled;

use super::text::relative;
use crate::config::AgentConfig;
use crate::types::{NodeName, Time};

/// Beside a join token.
pub(in crate::cli) fn token(node: &NodeName, expires_at: Time, now: Time) -> String {
    let left = relative(expires_at, now);
    format!(
        "this lets node {node} join, once, until {expires_at} ({left}): run `jkeys enroll -` there and paste it; keep it secret until then"
    )
}

/// After `jkeys init agent`.
pub(in crate::cli) fn agent_configured(path: &Path) -> String {
    let path = path.display().to_string();
    let config = if path == AgentConfig::DEFAULT_PATH {
        String::new()
    } else {
        format!("--config {path} ")
    };
    format!(
        "wrote {path}; look through it, then run `jkeys enroll {config}TOKEN` with a token from `jkeys node token NAME` on the leader"
    )
}
/// A fleet was founded.
pub(in crate::cli) fn leader_founded(path: &Path) -> String {
    let path = path.display();
    format!(
        "the fleet is founded; its configuration is {path}\n\
         next: set `advertise` there to an address that nodes can reach, keep a copy of the master key elsewhere, and start the leader"
    )
}

/// This machine is a node.
pub(in crate::cli) fn enrolled(enrolled: &Enrolled) -> String {
    format!(
        "this machine is node {} now, with a certificate until {}; start the agent",
        enrolled.node, enrolled.good_until
    )
}
