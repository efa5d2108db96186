//! `jkeys plan`

use clap::Args;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::config::file;
use crate::leader::plan;
use crate::rpc::admin::{PlanCall, schema};
use crate::rpc::documents::Plan;
use crate::types::Span;

/// How many nodes a configuration is planned for when nobody says.
const USUAL_NODES: u16 = 3;

/// Flags of `jkeys plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// How many days to look ahead, at most 366
    #[arg(long, default_value = "14", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// Plan the configuration, not the running leader: as for a fleet of so many nodes, at most 100, that is founded now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: Option<u16>,
    /// The plan as a JSON document
    #[arg(long)]
    json: bool,
}

impl PlanArgs {
    /// Plans the running leader. Where none runs and a configuration was named, or where nodes were, it plans the configuration.
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let span = Span::hours(24 * u64::from(self.days));
        let connected = match self.nodes {
            Some(_) => None,
            None => match Leader::connect(place).await {
                Err(CliError::Connect(_)) if place.config.is_some() => None,
                connected => Some(connected?),
            },
        };
        let document = if let Some(mut leader) = connected {
            leader.plan(PlanCall { span }).await?
        } else {
            let settings = file::settings(place.leader_config())?;
            let plan = plan::of_settings(&settings, self.nodes.unwrap_or(USUAL_NODES), clock.now(), span);
            render::document(schema::PLAN, &plan)
        };
        let plan: Plan = document.read(schema::PLAN)?;
        screen.put(if self.json {
            render::json(&document.json)
        } else {
            render::plan(&plan, screen.columns())
        })?;
        match plan.violations.len() {
            0 => Ok(Exit::Done),
            broken => Err(CliError::Unsafe(broken)),
        }
    }
}
