//! `[[hook]]` in `agent.toml`

use toml::de::DeValue;

use crate::config::error::ConfigError;
use crate::config::table::Fields;
use crate::config::value;
use crate::types::{HookEvent, Span};

/// How often a hook on another event than a swap is tried again when nothing else is said: the last time some five minutes after it
/// first failed.
const RETRIES: u32 = 10;
/// The most: it goes on for some sixteen hours.
const MOST_RETRIES: u32 = 1000;

/// A command to run when something has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When it runs.
    pub on: HookEvent,
    /// The program, as an absolute path, and its arguments. Never empty.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Span,
    /// The account that it runs as; none is the agent's own.
    pub user: Option<String>,
    /// How often it is tried again after it has failed. One on a swap is tried until it succeeds, whatever this says.
    pub retries: u32,
}

pub(super) fn read(tables: Vec<Fields<'_>>, errors: &mut Vec<ConfigError>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for mut table in tables {
        let on = table.need(
            "on",
            "when the hook runs; write \"swap\", \"stale\", \"fresh\" or \"revoked\"",
            value::parsed,
        );
        let argv = table.need("argv", "the program and its arguments, as a list", value::argv);
        let timeout = table.get("timeout", value::bounded_span).unwrap_or(Span::secs(30));
        let user = table.get("user", value::name);
        let retries = table.get("retries", |value| retries(value, on));
        if let (Some(on), Some(argv)) = (on, argv) {
            hooks.push(Hook {
                on,
                argv,
                timeout,
                user,
                retries: retries.unwrap_or(RETRIES),
            });
        }
        errors.extend(table.finish());
    }
    hooks
}

fn retries(value: &DeValue<'_>, on: Option<HookEvent>) -> Result<u32, String> {
    let retries = value::number(value)?;
    if on == Some(HookEvent::Swap) {
        return Err(
            "a hook on a swap is tried again until it succeeds: the node confirms nothing before; leave it out".to_owned(),
        );
    }
    if retries > MOST_RETRIES {
        return Err(format!("{retries} is more than {MOST_RETRIES}"));
    }
    Ok(retries)
}
