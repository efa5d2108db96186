//! `jkeys enroll`

use std::io::BufRead as _;
use std::path::Path;

use clap::Args;

use super::services::{agent_path, credentials};
use super::{CliError, Exit, Screen, render};
use crate::agent;
use crate::clock::Clock;
use crate::config::file;

/// The longest line that is read as a token.
const LONGEST_TOKEN_BYTES: u64 = 16 * 1024;

/// Flags of `jkeys enroll`.
#[derive(Debug, Args)]
pub(super) struct EnrollArgs {
    /// The line that `jkeys node token` printed, or - to read it from standard input, where no process list shows it
    token: String,
}

impl EnrollArgs {
    pub(super) async fn run(self, config: Option<&Path>, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let config = file::agent(&agent_path(config), credentials().as_deref())?;
        let token = if self.token == "-" { from_stdin()? } else { self.token };
        let enrolled = agent::enroll(token.trim(), &config.state_dir, clock).await?;
        screen.line(&render::enrolled(&enrolled))?;
        Ok(Exit::Done)
    }
}

fn from_stdin() -> Result<String, CliError> {
    use std::io::Read as _;
    let mut line = String::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(LONGEST_TOKEN_BYTES)
        .read_line(&mut line)
        .map_err(CliError::NoToken)?;
    Ok(line)
}
