//! `jkeys leader` and `jkeys agent`: the two services, with their signals and what systemd is told.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{CliError, Exit};
use crate::agent::core::Status;
use crate::agent::{AgentError, Monitor, check, serve};
use crate::clock::Clock;
use crate::config::{AgentConfig, LeaderConfig, file};
use crate::leader::{Handle, Leader};
use crate::telemetry::{LogOptions, init_log, notify};
use crate::types::KeySpec;

/// Flags of both services.
#[derive(Debug, Args)]
pub(super) struct ServiceArgs {
    /// What the log says: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// One JSON object a line in the log
    #[arg(long)]
    log_json: bool,
}

impl ServiceArgs {
    fn init_log(&self) -> Result<(), CliError> {
        Ok(init_log(&LogOptions {
            level: self.log.clone(),
            usual: "info",
            json: self.log_json,
        })?)
    }
}

/// The folder in which systemd hands credentials to this process.
pub(super) fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// The configuration of the agent on this machine.
pub(super) fn agent_path(config: Option<&Path>) -> PathBuf {
    config.map_or_else(|| AgentConfig::DEFAULT_PATH.into(), Path::to_owned)
}

/// Runs a leader until SIGTERM or SIGINT.
pub(super) async fn leader(args: &ServiceArgs, config: Option<&Path>, clock: &Clock) -> Result<Exit, CliError> {
    args.init_log()?;
    let path = config.map_or_else(|| LeaderConfig::DEFAULT_PATH.into(), Path::to_owned);
    let config = file::leader(&path, credentials().as_deref())?;
    warn_of_weak(&config);
    let leader = Leader::open(&config, clock.clone()).await?;
    tracing::info!(listen = %config.listen, admin_socket = %config.admin_socket.display(), "the leader is up");
    notify::ready();
    let alive = tokio::spawn(watchdog(leader.handle()));
    let reloads = tokio::spawn(reload_leader(path, config, leader.handle()));
    let ended = leader.serve(stop_signal()).await;
    alive.abort();
    reloads.abort();
    Ok(ended.map(|()| Exit::Done)?)
}

/// `RSA1_5` is there for relying parties that know nothing else.
fn warn_of_weak(config: &LeaderConfig) {
    let profiles = config.settings.profiles.values();
    for profile in profiles.filter(|profile| matches!(profile.spec, KeySpec::Rsa15(_))) {
        tracing::warn!(
            profile = %profile.name,
            "RSA1_5 is open to padding oracles (RFC 8725, section 3.2); use RSA-OAEP-256 or ECDH-ES once every relying party knows it"
        );
    }
}

/// Tells systemd that the leader is alive, as long as its engine answers.
async fn watchdog(handle: Handle) {
    let Some(every) = notify::watchdog_every() else {
        return;
    };
    while handle.ping().await.is_ok() {
        notify::watchdog();
        tokio::time::sleep(every.std()).await;
    }
}

/// SIGHUP: the configuration is read anew, through the same checks. One that is refused changes nothing.
async fn reload_leader(path: PathBuf, running: LeaderConfig, handle: Handle) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    while hangups.recv().await.is_some() {
        notify::reloading();
        match file::leader(&path, credentials().as_deref()) {
            Ok(next) => {
                for name in running.needs_restart(&next) {
                    tracing::warn!(setting = name, "this setting changes only with a restart of the leader");
                }
                warn_of_weak(&next);
                match handle.configure(&next).await {
                    Ok(remarks) => {
                        for remark in remarks {
                            tracing::warn!("{remark}");
                        }
                        tracing::info!("the configuration is reloaded");
                    }
                    Err(why) => tracing::error!(%why, "the new configuration is refused; the old one stands"),
                }
            }
            Err(why) => tracing::error!(%why, "the new configuration is refused; the old one stands"),
        }
        notify::ready();
    }
}

/// Runs an agent until SIGTERM or SIGINT. SIGHUP reads the configuration anew.
pub(super) async fn agent(args: &ServiceArgs, config: Option<&Path>, clock: &Clock) -> Result<Exit, CliError> {
    args.init_log()?;
    let path = agent_path(config);
    let mut config = file::agent(&path, credentials().as_deref())?;
    let mut hangups = signal(SignalKind::hangup()).map_err(CliError::Signal)?;
    let monitor = Monitor::default();
    let alive = tokio::spawn(agent_watchdog(monitor.clone()));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        stop_signal().await;
        stop.send_replace(true);
    });
    loop {
        // Each beginning of the work ends with a READY=1 of its own; after a reload it ends that too.
        monitor.begin();
        let ready = tokio::spawn(say_ready(monitor.status()));
        let next = agent_until_reload(&path, &config, &mut hangups, clock, &monitor, stopped.clone()).await;
        ready.abort();
        match next? {
            Some(next) => config = next,
            None => break,
        }
    }
    alive.abort();
    Ok(Exit::Done)
}

/// Runs an agent until it is to stop, or to go on with a new configuration.
async fn agent_until_reload(
    path: &Path,
    config: &AgentConfig,
    hangups: &mut Signal,
    clock: &Clock,
    monitor: &Monitor,
    mut stopped: watch::Receiver<bool>,
) -> Result<Option<AgentConfig>, AgentError> {
    let (end, ended) = watch::channel(false);
    let running = serve(config, clock.clone(), monitor.clone(), ended);
    tokio::pin!(running);
    let next = tokio::select! {
        done = &mut running => return done.map(|()| None),
        _ = stopped.wait_for(|stop| *stop) => None,
        next = new_configuration(path, config, hangups, monitor) => Some(next),
    };
    end.send_replace(true);
    running.await?;
    Ok(next)
}

/// Waits for a SIGHUP after which the configuration is good.
async fn new_configuration(path: &Path, running: &AgentConfig, hangups: &mut Signal, monitor: &Monitor) -> AgentConfig {
    while hangups.recv().await.is_some() {
        // systemd waits for the end of a reload, which is said with READY=1: not before there is a view.
        let was_ready = monitor.status().borrow().ready;
        if was_ready {
            notify::reloading();
        }
        match read_and_check(path).await {
            Ok(next) => {
                for name in running.needs_restart(&next) {
                    tracing::warn!(
                        setting = name,
                        "this setting takes effect now, with a restart of the agent's work"
                    );
                }
                return next;
            }
            Err(why) => tracing::error!(%why, "the new configuration is refused; the old one stands"),
        }
        if was_ready {
            notify::ready();
        }
    }
    std::future::pending().await
}

/// A configuration that the agent can work with.
async fn read_and_check(path: &Path) -> Result<AgentConfig, CliError> {
    let next = file::agent(path, credentials().as_deref())?;
    check(&next).await?;
    Ok(next)
}

/// `READY=1` is said once a view is in place.
async fn say_ready(mut status: watch::Receiver<Status>) {
    if status.wait_for(|status| status.ready).await.is_ok() {
        notify::ready();
    }
}

/// Tells systemd that the agent is alive, as long as its shell answers.
async fn agent_watchdog(monitor: Monitor) {
    let Some(every) = notify::watchdog_every() else {
        return;
    };
    loop {
        monitor.ping().await;
        notify::watchdog();
        tokio::time::sleep(every.std()).await;
    }
}

/// Returns at SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    notify::stopping();
    tracing::info!("stopping");
}
