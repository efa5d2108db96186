//! `jkeys history`

use std::str::FromStr;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::audit::Record;
use crate::clock::Clock;
use crate::rpc::admin::{HistoryCall, schema};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Kid, Seq, Span, Time};

/// How many records are asked for at once.
const PAGE: u32 = 1000;

/// Flags of `jkeys history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only what concerns this key
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    kid: Option<Kid>,
    /// Only since then: a time such as 2026-11-23T06:05:04Z, or so long ago, such as 48h
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// One record a line, byte for byte as it is in the log
    #[arg(long)]
    json: bool,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(Time),
    Ago(Span),
}

impl HistoryArgs {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let mut call = HistoryCall {
            kid: self.kid,
            since: self.since.map(|since| since.before(clock.now())),
            from: Seq(0),
            limit: PAGE,
        };
        // A page can be shorter than was asked, so only an empty one is the end.
        while !screen.reader_is_gone() {
            let page = leader.history(call.clone()).await?;
            let records: Vec<Box<RawValue>> = page.read(schema::HISTORY)?;
            let Some(last) = records.last() else {
                break;
            };
            call.from = after(last, call.from)?;
            screen.put(text(&records, self.json)?)?;
        }
        Ok(Exit::Done)
    }
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

/// Where the next page begins: after `record`, the last of a page that began at `from`.
fn after(record: &RawValue, from: Seq) -> Result<Seq, CliError> {
    #[derive(Deserialize)]
    struct Place {
        seq: Seq,
    }
    let Place { seq } = serde_json::from_str(record.get()).map_err(|why| internal(format!("a record has no number: {why}")))?;
    if seq < from {
        return Err(internal(format!(
            "the leader gave record {seq} where {from} was asked; look at its log"
        )));
    }
    Ok(seq.next())
}

fn internal(message: String) -> CliError {
    Failure::new(ErrorKind::Internal, message).into()
}

impl Since {
    fn before(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now - span,
        }
    }
}

impl FromStr for Since {
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
        let since = |text: &str| text.parse().map(|since: Since| since.before(now));
        assert_eq!(since("2026-11-23T06:05:04Z"), Ok(now));
        assert_eq!(since("2h 30m"), Ok(now - Span::mins(150)));
        assert!(since("yesterday").unwrap_err().contains("48h"));
    }

    #[test]
    fn a_page_that_goes_back_ends_the_reading() {
        let record = RawValue::from_string(r#"{"seq":6}"#.to_owned()).unwrap();
        assert_eq!(after(&record, Seq(6)).unwrap(), Seq(7));
        assert!(after(&record, Seq(7)).unwrap_err().to_string().contains("record 6 where 7"));
    }
}
