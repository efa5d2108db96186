//! `agent.toml`

mod hooks;
mod probes;

use std::path::{Path, PathBuf};

pub use hooks::Hook;
pub use probes::Probe;

use super::CACHE_KEY_CREDENTIAL;
use super::error::ConfigErrors;
use super::http::{self, Http};
use super::output::{self, Output, outputs};
use super::table::Document;
use super::value;
use crate::types::{HostPort, Span};

/// An agent's configuration, checked. Its identity, which `jkeys enroll` writes, is kept in `state_dir` and is no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// The folder of the identity, of what the node remembers, and of the sealed cache.
    pub state_dir: PathBuf,
    /// The folder of the views, and of the link `live`.
    pub view_dir: PathBuf,
    /// Where the leader is, if not where the join token said: after it moved to another machine.
    pub leader_addresses: Vec<HostPort>,
    /// The file that holds the key of the sealed cache; none where the agent makes one of its own in `state_dir`.
    pub cache_key_file: Option<PathBuf>,
    /// The group of the private files; none is the group of the process.
    pub private_group: Option<String>,
    /// How long after its last confirmation a cached view still counts as ready.
    pub cache_ready_for: Span,
    /// What to run, in this order.
    pub hooks: Vec<Hook>,
    /// What each view holds besides what it always does.
    pub outputs: Vec<Output>,
    /// What to look at after the hooks of a swap, before it is confirmed.
    pub probes: Vec<Probe>,
    /// What to show on loopback.
    pub http: Option<Http>,
}

impl AgentConfig {
    /// Where the configuration is when nobody says otherwise.
    pub const DEFAULT_PATH: &str = "/etc/jkeys/agent.toml";

    /// A configuration with every setting, its default and its meaning, for `jkeys init agent`.
    #[must_use]
    pub fn template() -> &'static str {
        include_str!("agent.toml")
    }

    /// Reads a configuration. `credentials` is systemd's folder of credentials, where there is one: the key of the sealed cache
    /// comes from there unless `cache_key_file` says otherwise.
    ///
    /// # Errors
    /// Everything that is wrong: no TOML, unknown keys and wrong values.
    pub fn parse(text: &str, credentials: Option<&Path>) -> Result<Self, ConfigErrors> {
        let document = Document::parse(text)?;
        let mut top = document.top();
        let mut errors = Vec::new();
        let state_dir = top
            .get("state_dir", output::plain_path)
            .unwrap_or_else(|| "/var/lib/jkeys/agent".into());
        let view_dir = top.get("view_dir", output::plain_path).unwrap_or_else(|| state_dir.clone());
        let config = Self {
            leader_addresses: top
                .get("leader_addresses", |list| value::list(list, value::parsed))
                .unwrap_or_default(),
            cache_key_file: top
                .get("cache_key_file", value::path)
                .or_else(|| credentials.map(|folder| folder.join(CACHE_KEY_CREDENTIAL))),
            private_group: top.get("private_group", value::name),
            cache_ready_for: top.get("cache_ready_for", value::bounded_span).unwrap_or(Span::hours(7 * 24)),
            hooks: hooks::read(top.tables("hook"), &mut errors),
            probes: probes::read(top.tables("probe"), &mut errors),
            outputs: outputs(top.tables("output"), &[&state_dir, &view_dir], credentials, &mut errors),
            view_dir,
            http: http::http(top.table("http"), &mut errors),
            state_dir,
        };
        errors.extend(top.finish());
        ConfigErrors::none_of(errors)?;
        Ok(config)
    }

    /// The link through which programs read the current view.
    #[must_use]
    pub fn live_link(&self) -> PathBuf {
        self.view_dir.join("live")
    }

    /// The settings in which `next` differs and that only a restart can change.
    #[must_use]
    pub fn needs_restart(&self, next: &Self) -> Vec<&'static str> {
        let fixed = [
            ("state_dir", self.state_dir != next.state_dir),
            ("view_dir", self.view_dir != next.view_dir),
            ("cache_key_file", self.cache_key_file != next.cache_key_file),
        ];
        fixed
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect()
    }
}

#[cfg(test)]
mod tests;
