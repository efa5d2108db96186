//! `jkeys keystore`: its versions, while the leader runs; a new master key, while none does.

mod diff;
mod rekey;

use clap::{Args, Subcommand};

pub(super) use diff::{Change, Diff};

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::rpc::admin::schema;
use crate::rpc::documents::{VersionState, VersionsPage};
use crate::types::Version;

/// How many versions are asked for at once.
const PAGE: u32 = 1000;

/// Verbs of `jkeys keystore`.
#[derive(Debug, Subcommand)]
pub(super) enum KeystoreVerb {
    /// Every version: what was committed, by whom, and when
    Versions(VersionsArgs),
    /// What stood in one version: keys, nodes, settings, and no secret
    Show {
        /// The version's number
        #[arg(value_name = "V", value_parser = version)]
        version: Version,
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
    /// What changed from one version to another
    Diff {
        /// The version to begin with
        #[arg(value_name = "V", value_parser = version)]
        from: Version,
        /// The version to come to
        #[arg(value_name = "W", value_parser = version)]
        to: Version,
        /// The changes as a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write the keystore again under a new master key, into a new folder, while no leader runs; the old one stays as it is
    Rekey(rekey::RekeyArgs),
}

/// Flags of `jkeys keystore versions`.
#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// Only so many of the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// One version a line, as JSON
    #[arg(long)]
    json: bool,
}

fn version(text: &str) -> Result<Version, std::num::ParseIntError> {
    text.parse().map(Version)
}

impl KeystoreVerb {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Versions(args) => args.run(&mut Leader::connect(place).await?, screen).await?,
            Self::Show { version, json: true } => {
                let mut leader = Leader::connect(place).await?;
                let document = leader.version(version).await?;
                document.read::<VersionState>(schema::VERSION)?;
                screen.put(render::json(&document.json))?;
            }
            Self::Show { version, json: false } => {
                let mut leader = Leader::connect(place).await?;
                screen.put(render::version(&read(&mut leader, version).await?))?;
            }
            Self::Diff { from, to, json } => {
                let mut leader = Leader::connect(place).await?;
                let diff = Diff::between(&read(&mut leader, from).await?, &read(&mut leader, to).await?);
                screen.put(if json { render::json_of(&diff) } else { render::diff(&diff) })?;
            }
            Self::Rekey(args) => args.run(place, clock, screen)?,
        }
        Ok(Exit::Done)
    }
}

async fn read(leader: &mut Leader, version: Version) -> Result<VersionState, CliError> {
    Ok(leader.version(version).await?.read(schema::VERSION)?)
}

impl VersionsArgs {
    async fn run(&self, leader: &mut Leader, screen: &mut Screen<'_>) -> Result<(), CliError> {
        let mut from = match self.last {
            None => Version(0),
            Some(last) => {
                let VersionsPage { newest, .. } = leader.versions(Version(0), 1).await?.read(schema::VERSIONS)?;
                Version((newest.0 + 1).saturating_sub(last))
            }
        };
        while !screen.reader_is_gone() {
            let page: VersionsPage = leader.versions(from, PAGE).await?.read(schema::VERSIONS)?;
            let row = |row| {
                if self.json {
                    render::json_of(row)
                } else {
                    render::version_row(row)
                }
            };
            screen.put(page.versions.iter().map(row).collect::<String>())?;
            match page.next.filter(|next| *next > from) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(())
    }
}
