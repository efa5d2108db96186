//! The scratch cluster: a leader and its agents on one machine, on a fast schedule, watched by a probe.
//!
//! [`run`] makes it, looks at it once a second, shows what it sees, and ends it. [`Probe`] is pure and may be fed by others.

mod cluster;
mod error;
mod files;
mod layout;
mod probe;
mod schedule;
mod show;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use error::DevError;
pub use files::{NodeFiles, read_node};
pub use probe::{Failure, Probe, Round, Sample, Seen};
pub use schedule::{SHORTEST_INTERVAL, TooShort, report_every, windows};

use self::cluster::Cluster;
use self::layout::Layout;
use self::show::Show;
use self::watch::Watcher;
use crate::clock::Clock;
use crate::lifecycle::Windows;
use crate::types::Span;

/// How long the end of a leader that does not answer may take, in real time.
const CAUSE_WITHIN: Duration = Duration::from_secs(5);
/// How often the cluster is looked at.
const LOOK_EVERY: Span = Span::secs(1);

/// What `jkeys dev` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevOptions {
    /// The folder to use, empty or absent, and to keep; none for one that goes away at the end.
    pub dir: Option<PathBuf>,
    /// How long a key signs: at least [`SHORTEST_INTERVAL`].
    pub interval: Span,
    /// How many agents: 1 to 1000.
    pub agents: u16,
    /// Whether there are profiles for encryption besides.
    pub encryption: bool,
    /// After how long it ends by itself, counted from when all nodes have joined.
    pub run_for: Option<Span>,
    /// How it is shown.
    pub format: Format,
}

impl Default for DevOptions {
    fn default() -> Self {
        Self {
            dir: None,
            interval: Span::secs(30),
            agents: 3,
            encryption: false,
            run_for: None,
            format: Format::Lines,
        }
    }
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table that is drawn in its own place again and again: for a terminal (ECMA-48 cursor movement).
    Table,
    /// A line for each change, and the counts from time to time.
    Lines,
    /// One JSON object a line.
    Json,
}

/// What a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// How many keys took over from another.
    pub rotations: u64,
    /// How many probes were made: one is one token of one node against one node.
    pub probes: u64,
    /// How many of them failed.
    pub failed_probes: u64,
}

/// Makes a cluster, watches it until `stop` or the end of its time, and ends it. It needs tokio's multi-threaded runtime.
///
/// # Errors
/// The options, the folder or the machine don't allow it, or a part of the cluster failed.
pub async fn run(
    options: &DevOptions,
    out: &mut (dyn Write + Send),
    clock: &Clock,
    stop: impl Future<Output = ()>,
) -> Result<Summary, DevError> {
    let windows = windows(options.interval)?;
    if !(1..=1000).contains(&options.agents) {
        return Err(DevError::Agents(options.agents));
    }
    tokio::pin!(stop);
    let mut show = Show::new(options.format, out, clock.now());
    let layout = Layout::make(options.dir.as_deref(), clock.now())?.with_encryption(options.encryption);
    let mut summary = Summary::default();
    let started = tokio::select! {
        started = Cluster::start(layout, options.agents, &windows, clock) => Some(started?),
        () = &mut stop => None,
    };
    let ended = match started {
        Some(mut cluster) => {
            let over = async {
                tokio::select! {
                    () = time_is_up(options.run_for, clock) => {}
                    () = stop => {}
                }
            };
            let watched = watch_until(over, &mut cluster, &windows, &mut show, &mut summary, clock).await;
            let stopped = cluster.stop().await;
            // What ends a run comes before what it leads to.
            watched.and(stopped)
        }
        None => Ok(()),
    };
    let shown = show.ended(&summary);
    ended?;
    shown?;
    Ok(summary)
}

/// Watches the cluster until it is `over`, or something fails.
async fn watch_until(
    over: impl Future<Output = ()>,
    cluster: &mut Cluster,
    windows: &Windows,
    show: &mut Show<'_>,
    summary: &mut Summary,
    clock: &Clock,
) -> Result<(), DevError> {
    show.started(
        cluster.layout().dir(),
        cluster.nodes().len(),
        &cluster.layout().leader_config(),
    )?;
    let folders = cluster.nodes().iter().map(|node| (node.clone(), cluster.layout().node(node)));
    let mut watcher = Watcher::new(cluster.admin(), folders.collect(), windows, clock.clone());
    let why = tokio::select! {
        biased;
        failed = cluster.failed() => return Err(failed),
        done = watch(&mut watcher, show, summary, clock) => done,
        () = over => return Ok(()),
    };
    let Err(why @ (DevError::Call(_) | DevError::Connect(_))) = why else {
        return why;
    };
    // A leader that does not answer is about to end: the cause says more than the silence.
    let failed = tokio::time::timeout(CAUSE_WITHIN, cluster.failed()).await;
    Err(failed.unwrap_or(why))
}

/// Looks at the cluster for as long as it is let.
async fn watch(watcher: &mut Watcher, show: &mut Show<'_>, summary: &mut Summary, clock: &Clock) -> Result<(), DevError> {
    let mut next = clock.monotonic();
    loop {
        let look = watcher.look().await?;
        summary.rotations = watcher.rotations();
        summary.probes += look.round.probes;
        summary.failed_probes += look.round.failed();
        show.look(&look, summary)?;
        next = (next + LOOK_EVERY).max(clock.monotonic());
        clock.sleep_until_monotonic(next).await;
    }
}

async fn time_is_up(run_for: Option<Span>, clock: &Clock) {
    match run_for {
        Some(span) => clock.sleep(span).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
