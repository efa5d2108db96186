//! `jkeys history`

use std::str::FromStr;

use clap::Args;
use serde_json::value::RawValue;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::audit::Record;
use crate::clock::Clock;
use crate::lifecycle::Action;
use crate::rpc::admin::{HistoryCall, HistoryPage, Who, schema};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Issuer, Kid, NodeName, Seq, Span, Time};

/// How many records are asked for at once.
const PAGE: u32 = 1000;

/// Flags of `jkeys history`. A record is shown when every flag lets it through.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only what concerns this key
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    kid: Option<Kid>,
    /// Only what concerns this node, or came of what it reported
    #[arg(long, value_name = "NAME")]
    node: Option<NodeName>,
    /// Only what they decided: schedule, node/NAME, a user id, an account's name, or both as 1000/ada
    #[arg(long, value_name = "WHO")]
    actor: Option<Who>,
    /// Only such actions, as --json names them; several with commas between
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',')]
    actions: Vec<Action>,
    /// Only since then: a time such as 2026-11-23T06:05:04Z, or so long ago, such as 48h
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only until then, written in the same way
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Instead: the keys that this issuer had, with their times, signed by the log's key (OpenID Federation 1.0, section 8.7)
    #[arg(long, value_name = "ISSUER", conflicts_with_all = ["kid", "node", "actor", "actions", "until", "json"])]
    historical_keys: Option<Issuer>,
    /// One record a line, byte for byte as it is in the log
    #[arg(long)]
    json: bool,
}

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(Time),
    Ago(Span),
}

impl HistoryArgs {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let now = clock.now();
        if let Some(issuer) = &self.historical_keys {
            let since = self.since.map(|since| since.before(now));
            return historical_keys(&mut leader, issuer, since, screen).await;
        }
        let mut call = HistoryCall {
            kid: self.kid,
            node: self.node,
            actor: self.actor,
            actions: self.actions.into_iter().collect(),
            since: self.since.map(|since| since.before(now)),
            until: self.until.map(|until| until.before(now)),
            limit: PAGE,
            ..HistoryCall::default()
        };
        while !screen.reader_is_gone() {
            let page: HistoryPage = leader.history(call.clone()).await?.read(schema::HISTORY)?;
            screen.put(text(&page.records, self.json)?)?;
            match page.next {
                Some(next) => call.from = after(next, call.from)?,
                None => break,
            }
        }
        Ok(Exit::Done)
    }
}

/// The document is one line on standard output, so that it can be served as it is.
async fn historical_keys(
    leader: &mut Leader,
    issuer: &Issuer,
    since: Option<Time>,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let document = leader.historical_keys(issuer, since).await?;
    screen.line(&document.jws)?;
    screen.note(&format!(
        "{} keys; serve it as application/jwk-set+jwt, and name this key in the entity's own jwks, for it is signed with it: {}",
        document.keys, document.key
    ));
    Ok(Exit::Done)
}

/// A line for each record.
fn text(records: &[Box<RawValue>], json: bool) -> Result<String, CliError> {
    let line = |record: &RawValue| {
        if json {
            return Ok(render::json(record.get().as_bytes()));
        }
        let record = Record::from_bytes(record.get().as_bytes()).map_err(|why| internal(why.to_string()))?;
        Ok(render::record(&record))
    };
    records.iter().map(|record| line(record)).collect()
}

/// Where the next page begins: beyond where this one began.
fn after(next: Seq, from: Seq) -> Result<Seq, CliError> {
    if next > from {
        return Ok(next);
    }
    Err(internal(format!(
        "the leader went back to record {next} after {from}; look at its log"
    )))
}

fn internal(message: String) -> CliError {
    Failure::new(ErrorKind::Internal, message).into()
}

impl When {
    fn before(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now - span,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = || text.parse().map(Self::Ago);
        text.parse()
            .map(Self::At)
            .or_else(|_| ago())
            .map_err(|_| "write a time such as 2026-11-23T06:05:04Z, or a length of time such as 48h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_so_long_ago() {
        let now = Time(1_795_413_904_000);
        let since = |text: &str| text.parse().map(|since: When| since.before(now));
        assert_eq!(since("2026-11-23T06:05:04Z"), Ok(now));
        assert_eq!(since("2h 30m"), Ok(now - Span::mins(150)));
        assert!(since("yesterday").unwrap_err().contains("48h"));
    }

    #[test]
    fn a_page_that_goes_back_ends_the_reading() {
        assert_eq!(after(Seq(7), Seq(6)).unwrap(), Seq(7));
        assert!(after(Seq(6), Seq(6)).unwrap_err().to_string().contains("record 6 after 6"));
    }
}
