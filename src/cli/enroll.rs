//! `jkeys enroll`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::services::{agent_path, credentials};
use super::{CliError, Exit, Screen, render};
use crate::agent;
use crate::clock::Clock;
use crate::config::file;
use crate::types::Secret;

/// As much as is read as a token.
const LONGEST_TOKEN_BYTES: usize = 16 * 1024;

/// Flags of `jkeys enroll`.
#[derive(Debug, Args)]
pub(super) struct EnrollArgs {
    /// The line that `jkeys node token` printed, or - to read it from standard input, where no process list and no shell's history shows
    /// it
    #[arg(required_unless_present = "token_file", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds that line
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl EnrollArgs {
    pub(super) async fn run(self, config: Option<&Path>, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let config = file::agent(&agent_path(config), credentials().as_deref())?;
        let token = match (self.token, self.token_file) {
            (Some(token), _) if token != "-" => Secret::new(token.into_bytes()),
            (_, Some(path)) => from_file(&path)?,
            _ => first_line(io::stdin().lock()).map_err(CliError::NoToken)?,
        };
        // What is no text is no token.
        let token = std::str::from_utf8(token.expose()).unwrap_or_default();
        let enrolled = agent::enroll(token.trim(), &config.state_dir, clock).await?;
        screen.line(&render::enrolled(&enrolled))?;
        Ok(Exit::Done)
    }
}

fn from_file(path: &Path) -> Result<Secret, CliError> {
    let read = File::open(path).and_then(|file| first_line(BufReader::new(file)));
    read.map_err(|why| CliError::TokenFile(path.to_owned(), why))
}

/// The first line. There is room for all of it at once: a buffer that grew would leave a copy behind.
fn first_line(from: impl BufRead) -> io::Result<Secret> {
    let mut line = Vec::with_capacity(LONGEST_TOKEN_BYTES);
    let limit = u64::try_from(LONGEST_TOKEN_BYTES).unwrap_or(u64::MAX);
    from.take(limit).read_until(b'\n', &mut line)?;
    Ok(Secret::new(line))
}
