//! The agent as a service: its shell, its link to the leader, and the two together until they are told to stop.

use tokio::sync::{mpsc, watch};

use super::core::{Settings, Status};
use super::disk::DiskError;
use super::link::Link;
use super::shell::{self, AgentConfig};
use crate::clock::Clock;
use crate::config;
use crate::hooks::Hook;
use crate::rpc::group_id;

/// How many messages of the link may wait for the shell.
const WAITING_EVENTS: usize = 16;
/// How many reports may wait for the link; a newer one says the same and more.
const WAITING_REPORTS: usize = 4;

/// Why an agent ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its files.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its configuration names a group that is not there.
    #[error("private_group = {0:?}: there is no such group here; make it with `groupadd --system {0}`, or name another")]
    NoGroup(String),
    /// A hook.
    #[error("{0}")]
    Hook(String),
}

/// Runs a node until `shutdown`. `status` shows it as it is.
///
/// # Errors
/// Its folder can't be used, or its configuration names what is not there.
pub async fn serve(
    config: &config::AgentConfig,
    clock: Clock,
    status: watch::Sender<Status>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    let own = in_terms_of_the_shell(config)?;
    let (events, from_link) = mpsc::channel(WAITING_EVENTS);
    let (reports, to_link) = mpsc::channel(WAITING_REPORTS);
    let link = Link {
        folder: config.state_dir.clone(),
        clock: clock.clone(),
        events,
        reports: to_link,
    };
    let linked = tokio::spawn(link.run(shutdown.clone()));
    let ended = shell::run(own, clock, from_link, reports, status, shutdown).await;
    linked.abort();
    Ok(ended?)
}

fn in_terms_of_the_shell(config: &config::AgentConfig) -> Result<AgentConfig, AgentError> {
    let group = |name: &String| group_id(name).ok_or_else(|| AgentError::NoGroup(name.clone()));
    let hooks = config.hooks.iter().map(|hook| Hook::new(hook.argv.clone(), hook.timeout));
    Ok(AgentConfig {
        folder: config.state_dir.clone(),
        private_group: config.private_group.as_ref().map(group).transpose()?,
        cache_credential: config.cache_key_file.clone(),
        hooks: hooks.collect::<Result<_, _>>().map_err(AgentError::Hook)?,
        settings: Settings {
            cache_ready_for: config.cache_ready_for,
            ..Settings::default()
        },
    })
}
