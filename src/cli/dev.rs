//! `jkeys dev`

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;

use super::services::stop_signal;
use super::{CliError, Exit};
use crate::clock::Clock;
use crate::dev::{self, DevOptions, Format};
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
}

impl DevArgs {
    pub(super) async fn run(self, clock: &Clock) -> Result<Exit, CliError> {
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
        let summary = dev::run(&options, &mut std::io::stdout(), clock, stop_signal()).await?;
        if summary.failed_probes > 0 {
            return Err(CliError::FailedProbes(summary.failed_probes));
        }
        Ok(Exit::Done)
    }
}

fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|why| format!("{why}; write it as 30s or 5m"))
}
