//! `jkeys rotate` and `jkeys revoke`

use std::str::FromStr;

use clap::{Args, CommandFactory as _, error::ErrorKind};

use super::admin::{Leader, Place};
use super::follow::{follow, foresee, patience, undecided};
use super::{Cli, CliError, Exit, Screen, render};
use crate::rpc::admin::{Compromised, RevokeCall, RotateCall};
use crate::types::{Comment, Kid, ProfileName, Reason, Span};

/// Flags of `jkeys rotate`.
#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// Sign with the standby, or publish the staged encryption key, at once: in every profile asked for or in none
    #[arg(long, requires = "reason")]
    now: bool,
    /// Revoke this key, or every key, in the same step
    #[arg(
        long,
        value_name = "KID|all",
        requires = "now",
        conflicts_with = "force",
        allow_hyphen_values = true
    )]
    compromised: Option<Theft>,
    /// The standby to take, where there is a choice
    #[arg(long = "use", value_name = "KID", requires = "now", allow_hyphen_values = true)]
    take: Option<Kid>,
    /// Only in this profile; give it again for each one more
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<ProfileName>,
    /// Go on where relying parties may not know the standby yet, or a node not hold the staged key; it is recorded as forced
    #[arg(long, requires = "now")]
    force: bool,
    /// Destroy the private half of a compromised encryption key at once: what was encrypted to it is lost
    #[arg(long, requires = "compromised")]
    destroy: bool,
    /// Why: compromised, superseded or unspecified
    #[arg(long)]
    reason: Option<Reason>,
    #[command(flatten)]
    common: Common,
}

/// Flags of `jkeys revoke`.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key to revoke
    #[arg(allow_hyphen_values = true)]
    kid: Kid,
    /// Why: compromised, superseded or unspecified
    #[arg(long)]
    reason: Reason,
    /// Destroy the private half of an encryption key at once: what was encrypted to it is lost
    #[arg(long)]
    destroy: bool,
    #[command(flatten)]
    common: Common,
}

/// Flags of both.
#[derive(Debug, Args)]
struct Common {
    /// Your own words for the record: one line
    #[arg(long, value_name = "TEXT")]
    comment: Option<Comment>,
    /// How long to follow the confirmations, at most 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = wait)]
    wait: Span,
    /// Only say what would happen, node by node: nothing is decided or recorded
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What `--compromised` names. No kid is `all`: that word means every key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Theft {
    Key(Kid),
    All,
}

impl RotateArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        self.check()?;
        let revokes_nothing = self.reason == Some(Reason::Compromised) && self.compromised.is_none();
        let (wait, json, dry_run) = (self.common.wait, self.common.json, self.common.dry_run);
        let mut leader = Leader::connect(place).await?;
        if dry_run {
            let steps = leader.rotate(self.call()).await?;
            return foresee(steps, json, screen).await;
        }
        let steps = leader.rotate(self.call()).await.map_err(undecided)?;
        if revokes_nothing {
            screen.note(render::REVOKES_NOTHING);
        }
        follow(steps, patience(wait), json, screen).await
    }

    /// What clap's own rules can't say.
    fn check(&self) -> Result<(), clap::Error> {
        let wrong = |text: &str| {
            let mut cli = Cli::command();
            cli.build();
            let rotate = cli.find_subcommand_mut("rotate").expect("it is one of the verbs");
            Err(rotate.error(ErrorKind::ArgumentConflict, text))
        };
        match &self.compromised {
            Some(_) if self.reason != Some(Reason::Compromised) => {
                wrong("--compromised is a reason of its own; give it with --reason compromised")
            }
            Some(Theft::All) if self.take.is_some() || !self.profiles.is_empty() => {
                wrong("--compromised all leaves no key to choose: leave --use and --profile out")
            }
            _ => Ok(()),
        }
    }

    fn call(self) -> RotateCall {
        RotateCall {
            now: self.now,
            profiles: self.profiles.into_iter().collect(),
            reason: self.reason.unwrap_or(Reason::Unspecified),
            comment: self.common.comment,
            compromised: match self.compromised {
                None => Compromised::Nothing,
                Some(Theft::Key(kid)) => Compromised::Key(kid),
                Some(Theft::All) => Compromised::All,
            },
            use_kid: self.take,
            force: self.force,
            destroy: self.destroy,
            dry_run: self.common.dry_run,
            wait: self.common.wait,
        }
    }
}

impl RevokeArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let Common {
            comment,
            wait,
            dry_run,
            json,
        } = self.common;
        let call = RevokeCall {
            kid: self.kid,
            reason: self.reason,
            comment,
            destroy: self.destroy,
            dry_run,
            wait,
        };
        let mut leader = Leader::connect(place).await?;
        if dry_run {
            let steps = leader.revoke(call).await?;
            return foresee(steps, json, screen).await;
        }
        let steps = leader.revoke(call).await.map_err(undecided)?;
        follow(steps, patience(wait), json, screen).await
    }
}

impl FromStr for Theft {
    type Err = <Kid as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            kid => kid.parse().map(Self::Key),
        }
    }
}

pub(super) fn wait(text: &str) -> Result<Span, String> {
    let wait: Span = text.parse().map_err(|why| format!("{why}; write it as 60s or 5m"))?;
    if wait <= Span::hours(1) {
        return Ok(wait);
    }
    Err("at most 1h; `jkeys status --watch` follows for longer".to_owned())
}

#[cfg(test)]
mod tests;
