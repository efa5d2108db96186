//! The shell of a node: it brings inputs to the core and carries out its effects.

mod followers;
mod monitor;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

pub use followers::Followers;
use followers::Runner;
pub use monitor::Monitor;

use super::blocking::blocking;
use super::core::{self, DiskResult, DiskWork, Effect, Found, Input, Now, Proofs, Settings, State, Status, Wake};
use super::disk::{Disk, DiskError, Layout};
use super::metrics::Counts;
use crate::audit::{Adopted, GoesOn, NoteKey, Sent, accept};
use crate::clock::Clock;
use crate::crypto;
use crate::lifecycle::Report;
use crate::rpc::fleet::{AgentMessage, LeaderMessage, Logged, Welcome};

/// The proofs of real keys.
pub(super) const PROOFS: Proofs = Proofs {
    public: |public| crypto::check_public(public).map_err(|why| why.to_string()),
    pair: |public, private| crypto::prove_pair(public, private).map_err(|why| why.to_string()),
    log: |key, remembered, logged| {
        let Logged {
            bundle,
            proof,
            consistency,
            ..
        } = logged;
        let goes_on = GoesOn {
            from: consistency.from,
            hashes: &consistency.hashes,
            adopted: consistency.adopted.as_ref().map(|adopted| Adopted {
                record: &adopted.record,
                seq: adopted.seq,
                hashes: &adopted.hashes,
            }),
        };
        let sent = Sent {
            generation: bundle.set.generation,
            digest: bundle.digest,
        };
        accept(key, remembered, proof, goes_on, sent).map(|(_, checkpoint)| checkpoint.head)
    },
};

/// What an agent is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Where its files are; the folders above must be there.
    pub layout: Layout,
    /// The key of the log of the fleet that the node is in, by which the fleet is known; none where that is not known.
    pub log: Option<NoteKey>,
    /// The file that holds the key of the sealed cache, such as a systemd credential; without it the agent makes one of its own.
    pub cache_credential: Option<PathBuf>,
    /// What runs after each swap and on other events.
    pub followers: Followers,
    /// What the core must know. What concerns hooks and probes is set from `followers`.
    pub settings: Settings,
}

/// What the link to the leader has to say.
#[derive(Debug)]
pub enum LinkEvent {
    /// A stream stands, and the leader has said its welcome.
    Connected(Welcome),
    /// The leader sent something.
    Message(Box<LeaderMessage>),
    /// The stream is gone, and why.
    Lost(String),
}

/// Runs a node until `shutdown` is true or its sender is dropped; what there is to write is written first, and hooks are killed. `monitor` always shows
/// the node as it is; once `ready` is true in its status, a view is in place.
///
/// # Errors
/// The folder can't be used, or what rule R5 remembers can't be read.
pub async fn run(
    config: AgentConfig,
    clock: Clock,
    mut link: mpsc::Receiver<LinkEvent>,
    reports: mpsc::Sender<AgentMessage>,
    monitor: Monitor,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), DiskError> {
    monitor.begin();
    let (mut shell, mut state, mut stepped_at) = Shell::start(config, clock, reports, monitor.counts().clone()).await?;
    let (mut link_open, mut no_stream) = (true, None);
    loop {
        monitor.show(Status {
            no_stream: no_stream.clone(),
            ..state.status(shell.now())
        });
        let input = tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            number = monitor.asked() => {
                monitor.answer(number);
                continue;
            }
            event = link.recv(), if link_open => {
                link_open = event.is_some();
                no_stream = match &event {
                    Some(LinkEvent::Lost(why)) => Some(why.clone()),
                    Some(LinkEvent::Connected(_)) => None,
                    _ => no_stream,
                };
                event.map_or(Input::Lost, heard)
            }
            Some(done) = ended(&mut shell.tasks) => done,
            // What fell due since the last step is still ahead of it, whatever the clock shows by now.
            () = sleep(&shell.clock, state.wake(stepped_at)) => Input::Tick,
        };
        stepped_at = shell.now();
        shell.counts.came(&input);
        let (next, effects) = core::step(state, input, stepped_at);
        state = next;
        shell.carry_out(effects);
    }
    while state.is_writing()
        && let Some(done) = ended(&mut shell.tasks).await
    {
        let (next, effects) = core::step(state, done, shell.now());
        state = next;
        shell.carry_out(effects);
    }
    shell.tasks.shutdown().await;
    Ok(())
}

fn heard(event: LinkEvent) -> Input {
    match event {
        LinkEvent::Connected(welcome) => {
            info!(epoch = %welcome.epoch, "connected to the leader");
            Input::Connected(welcome)
        }
        LinkEvent::Message(message) => Input::Message(*message),
        LinkEvent::Lost(why) => {
            warn!(%why, "the connection to the leader is lost; the node goes on with what it has");
            Input::Lost
        }
    }
}

/// How the next of these tasks has ended; none while there is none.
async fn ended(tasks: &mut JoinSet<Input>) -> Option<Input> {
    let done = tasks.join_next().await?;
    Some(done.unwrap_or_else(|why| std::panic::resume_unwind(why.into_panic())))
}

async fn sleep(clock: &Clock, wake: Wake) {
    let wall = async {
        match wake.wall {
            Some(until) => clock.sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let monotonic = async {
        match wake.monotonic {
            Some(until) => clock.sleep_until_monotonic(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wall => {}
        () = monotonic => {}
    }
}

struct Shell {
    disk: Arc<Disk>,
    runner: Runner,
    clock: Clock,
    reports: mpsc::Sender<AgentMessage>,
    tasks: JoinSet<Input>,
    counts: Counts,
}

impl Shell {
    async fn start(
        config: AgentConfig,
        clock: Clock,
        reports: mpsc::Sender<AgentMessage>,
        counts: Counts,
    ) -> Result<(Self, State, Now), DiskError> {
        let (live, credential) = (config.layout.view_dir.join("live"), config.cache_credential);
        let opened = blocking(move || {
            let fleet = config.log.as_ref().map(NoteKey::public);
            let disk = Disk::open_as(config.layout, credential.as_deref(), fleet)?;
            let found = Found {
                log: config.log,
                ..disk.load()?
            };
            Ok::<_, DiskError>((disk, found))
        });
        let (disk, found) = opened.await?;
        if let Some(problem) = &found.problem {
            warn!(%problem, "not all of the agent's files could be read");
        }
        let mut shell = Self {
            disk: Arc::new(disk),
            runner: Runner {
                followers: Arc::new(config.followers),
                live,
                clock: clock.clone(),
            },
            clock,
            reports,
            tasks: JoinSet::new(),
            counts,
        };
        let settings = shell.runner.followers.told_in(&config.settings);
        let started_at = shell.now();
        let (state, effects) = core::start(settings, PROOFS, found, started_at);
        shell.carry_out(effects);
        Ok((shell, state, started_at))
    }

    fn now(&self) -> Now {
        self.clock.read()
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Disk(work) => {
                let (disk, clock, counts) = (self.disk.clone(), self.clock.clone(), self.counts.clone());
                self.tasks.spawn_blocking(move || {
                    let (is_swap, began_at) = (matches!(work, DiskWork::Install { .. }), clock.read());
                    let result = disk.work(work);
                    if is_swap && matches!(result, DiskResult::Installed(_)) {
                        counts.swapped(clock.read().monotonic - began_at.monotonic);
                    }
                    Input::Disk(result)
                });
            }
            Effect::RunHooks(id) => drop(self.tasks.spawn(self.runner.clone().run_hooks(id))),
            Effect::RunHook(run) => drop(self.tasks.spawn(self.runner.clone().run_hook(run))),
            Effect::Probe { id, published, probes } => drop(self.tasks.spawn(self.runner.clone().probe(id, published, probes))),
            Effect::Send(report) => {
                log_report(&report);
                self.send(AgentMessage::Report(report));
            }
            Effect::Show(exhibit) => self.send(AgentMessage::Shown(*exhibit)),
            Effect::SayStale(true) => {
                error!("the leader has not answered for longer than straggler_after; the node keeps serving");
            }
            Effect::SayStale(false) => info!("the leader answers again"),
            Effect::SayReady => info!("a view is in place"),
            Effect::SayRefused(reason, why) => {
                self.counts.refused(reason);
                error!(reason = reason.as_str(), %why, "refused");
            }
        }
    }
}

impl Shell {
    fn send(&self, message: AgentMessage) {
        if let Err(why) = self.reports.try_send(message) {
            debug!(%why, "a report was not sent; the next one says the same and more");
        }
    }
}

fn log_report(report: &Report) {
    let installed = report.installed.as_ref();
    debug!(
        generation = installed.map(|installed| installed.generation.0),
        switches = installed.map(|installed| installed.switches.len()),
        hooks_succeeded = installed.map(|installed| installed.hooks_succeeded),
        problem = report.problem,
        "report"
    );
}

#[cfg(test)]
mod tests;
