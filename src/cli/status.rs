//! `jkeys status`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::value::RawValue;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::rpc::admin::{Document, schema};
use crate::rpc::{ErrorKind, Failure, WireError};

/// Flags of `jkeys status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show it again at each change
    #[arg(long)]
    watch: bool,
    /// The leader's document as it came; with --watch one a line
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        if self.watch {
            return self.watch(&mut leader, screen).await;
        }
        let document = leader.status().await?;
        let text = self.text(&document, screen)?;
        screen.put(text)?;
        Ok(Exit::Done)
    }

    async fn watch(&self, leader: &mut Leader, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut documents = leader.watch().await?;
        while let Some(document) = documents.message().await.map_err(Failure::from)? {
            let text = self.text(&document.into(), screen)?;
            let shown = if self.json { screen.put(text) } else { screen.redraw(&text) };
            shown?;
            if screen.reader_is_gone() {
                return Ok(Exit::Done);
            }
        }
        let ended = "the leader ended the watch, as it does when it stops; try again";
        Err(Failure::new(ErrorKind::Unavailable, ended).into())
    }

    fn text(&self, document: &Document, screen: &Screen<'_>) -> Result<String, CliError> {
        let status = document.read(schema::STATUS)?;
        if self.json {
            return Ok(render::json(&document.json));
        }
        Ok(render::status(&status, screen.columns()))
    }
}

/// One member of the status document, as the leader wrote it.
pub(super) fn part(document: &Document, member: &str) -> Result<Box<RawValue>, CliError> {
    let mut members: BTreeMap<String, Box<RawValue>> = document.read(schema::STATUS)?;
    let missing = || WireError::Missing("a part of the status").into();
    members.remove(member).ok_or_else(missing)
}
