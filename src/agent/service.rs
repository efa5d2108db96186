//! The agent as a service: its shell, its link to the leader, and the two together until they are told to stop.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::blocking::blocking;
use super::core::Settings;
use super::disk::{CacheKey, DiskError, Layout, Output};
use super::followers::FollowerError;
use super::link::{Link, LinkEnd};
use super::papers::Papers;
use super::shell::{self, AgentConfig, Monitor};
use super::site::Folders;
use super::{folder, followers, papers, site, tries};
use crate::audit::NoteKey;
use crate::clock::Clock;
use crate::config;
use crate::durable::FileAttrs;
use crate::rpc::{account_ids, group_id};

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
    #[error("{setting} = {name:?}: there is no such group here; make it with `groupadd --system {name}`, or name another")]
    NoGroup {
        /// What names it.
        setting: &'static str,
        /// Its name.
        name: String,
    },
    /// Its configuration names an account that is not there.
    #[error("owner = {0:?}: there is no such account here; install what brings it first, or name another")]
    NoAccount(String),
    /// A hook or a probe.
    #[error(transparent)]
    Follower(#[from] FollowerError),
}

/// Finds out whether a node can work with this configuration, beside one that runs.
///
/// # Errors
/// What [`serve`] would end with at its start.
pub async fn check(config: &config::AgentConfig) -> Result<(), AgentError> {
    let own = in_terms_of_the_shell(config, None)?;
    let checked = blocking(move || {
        own.layout.check()?;
        folder::prove_writable(&own.layout.root).map_err(DiskError::from)?;
        own.cache_credential.as_deref().map(CacheKey::load).transpose().map(|_| ())
    });
    Ok(checked.await?)
}

/// Runs a node until `shutdown`, or the end of its sender. `monitor` shows it as it is. A node that joins another fleet meanwhile goes on
/// in that one, with nothing of the one before.
///
/// # Errors
/// Its folder can't be used, or its configuration names what is not there.
pub async fn serve(
    config: &config::AgentConfig,
    clock: Clock,
    monitor: Monitor,
    shutdown: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    while serve_in_fleet(config, &clock, &monitor, shutdown.clone()).await? == LinkEnd::OtherFleet {
        tracing::warn!("the node has joined another fleet, and begins anew there");
    }
    Ok(())
}

/// Runs a node for as long as it is in the fleet that it is in now.
async fn serve_in_fleet(
    config: &config::AgentConfig,
    clock: &Clock,
    monitor: &Monitor,
    mut shutdown: watch::Receiver<bool>,
) -> Result<LinkEnd, AgentError> {
    // What is wrong with the identity the link says, again and again; the node keeps what it has (rule R10).
    let papers = papers::load(&config.state_dir).await.ok();
    let fleet = papers.as_ref().map(Papers::fleet);
    let own = in_terms_of_the_shell(config, papers.as_ref().map(Papers::log))?;
    let mut shown = JoinSet::new();
    if let Some(http) = config.http.clone() {
        let folders = Folders {
            live: config.live_link(),
            state_dir: config.state_dir.clone(),
        };
        shown.spawn(site::show(http, folders, monitor.clone(), clock.clone()));
    }
    let (events, from_link) = mpsc::channel(WAITING_EVENTS);
    let (reports, to_link) = mpsc::channel(WAITING_REPORTS);
    // The link waits for what the shell knows of this fleet.
    monitor.begin();
    let link = Link {
        folder: config.state_dir.clone(),
        fleet,
        addresses: config.leader_addresses.clone(),
        instance: tries::instance(),
        status: monitor.status(),
        clock: clock.clone(),
        events,
        reports: to_link,
    };
    let mut linked = JoinSet::new();
    linked.spawn(link.run(shutdown.clone()));
    let (end, ended) = watch::channel(false);
    let running = shell::run(own, clock.clone(), from_link, reports, monitor.clone(), ended);
    tokio::pin!(running);
    let link_end = tokio::select! {
        done = &mut running => {
            done?;
            return Ok(LinkEnd::Stopping);
        }
        Some(Ok(link_end)) = linked.join_next() => link_end,
        _ = shutdown.wait_for(|stop| *stop) => LinkEnd::Stopping,
    };
    end.send_replace(true);
    running.await?;
    Ok(link_end)
}

fn in_terms_of_the_shell(config: &config::AgentConfig, log: Option<NoteKey>) -> Result<AgentConfig, AgentError> {
    Ok(AgentConfig {
        layout: layout(config)?,
        log,
        cache_credential: config.cache_key_file.clone(),
        followers: followers::of(config)?,
        settings: Settings {
            cache_ready_for: config.cache_ready_for,
            ..Settings::default()
        },
    })
}

/// Names become numbers.
fn layout(config: &config::AgentConfig) -> Result<Layout, AgentError> {
    let group = |setting, name: &Option<String>| {
        let number = |name: &String| {
            group_id(name).ok_or_else(|| AgentError::NoGroup {
                setting,
                name: name.clone(),
            })
        };
        name.as_ref().map(number).transpose()
    };
    let account = |name: &String| {
        let ids = account_ids(name).ok_or_else(|| AgentError::NoAccount(name.clone()));
        ids.map(|(account, _)| account)
    };
    let private_group = group("private_group", &config.private_group)?;
    let output = |output: &config::Output| {
        let own = group("group", &output.group)?;
        Ok(Output {
            format: output.format.clone(),
            path: output.path.clone(),
            attrs: FileAttrs {
                mode: output.mode,
                owner: output.owner.as_ref().map(account).transpose()?,
                group: own.or(private_group.filter(|_| output.format.is_private())),
            },
            copy_to: output.copy_to.clone(),
        })
    };
    Ok(Layout {
        root: config.state_dir.clone(),
        view_dir: config.view_dir.clone(),
        private_group,
        outputs: config.outputs.iter().map(output).collect::<Result<_, AgentError>>()?,
    })
}
