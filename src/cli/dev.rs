//! `jkeys dev`

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::services::stop_signal;
use super::{CliError, Exit};
use crate::clock::Clock;
use crate::dev::{self, DevOptions, Format};
use crate::telemetry::{LogOptions, init_kept_log, init_log};
use crate::types::Span;

/// Flags of `jkeys dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// How long a key signs: 10s or longer
    #[arg(long, default_value = "30s", value_parser = span)]
    interval: Span,
    /// How many agents
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    agents: u16,
    /// With profiles for encryption too: the probe encrypts to every published key, and every agent must decrypt
    #[arg(long)]
    enc: bool,
    /// End by itself after so long
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    run_for: Option<Span>,
    /// Use this folder, empty or absent, and keep it: every other command works with --config DIR/leader.toml
    #[arg(long)]
    dir: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Take a rule out
    #[cfg(feature = "mutants")]
    #[arg(long, hide = true, value_name = "RULE")]
    without: Option<crate::lifecycle::mutant::Mutant>,
}

/// A run has a log for what goes wrong only.
const LOG: LogOptions = LogOptions {
    level: None,
    usual: "warn",
    json: false,
};

impl DevArgs {
    /// While a table is drawn the log is kept; it comes on standard error when the run is over.
    pub(super) async fn run(self, clock: &Clock) -> Result<Exit, CliError> {
        #[cfg(feature = "mutants")]
        crate::lifecycle::mutant::take_out(self.without);
        let format = match (self.json, std::io::stdout().is_terminal()) {
            (true, _) => Format::Json,
            (false, true) => Format::Table,
            (false, false) => Format::Lines,
        };
        let Self {
            dir,
            interval,
            agents,
            enc,
            run_for,
            ..
        } = self;
        let options = DevOptions {
            dir,
            interval,
            agents,
            encryption: enc,
            run_for,
            format,
        };
        let hangups = signal(SignalKind::hangup()).map_err(CliError::Signal)?;
        let kept = match format {
            Format::Table => Some(init_kept_log(&LOG)?),
            Format::Lines | Format::Json => init_log(&LOG).map(|()| None)?,
        };
        let ended = dev::run(&options, &mut std::io::stdout(), clock, told_to_stop(hangups)).await;
        if let Some(kept) = kept {
            // With the terminal gone there is nobody to tell.
            let _ = std::io::stderr().write_all(kept.take().as_bytes());
        }
        let summary = ended?;
        if summary.failed_probes > 0 {
            return Err(CliError::FailedProbes(summary.failed_probes));
        }
        Ok(Exit::Done)
    }
}

/// Ctrl-C, SIGTERM, or the terminal that was closed.
async fn told_to_stop(mut hangups: Signal) {
    tokio::select! {
        () = stop_signal() => {}
        _ = hangups.recv() => {}
    }
}

fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|why| format!("{why}; write it as 30s or 5m"))
}
