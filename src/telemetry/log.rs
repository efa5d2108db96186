//! The log: lines on standard error, in the form that suits who reads them.

use std::fmt;
use std::io::{self, IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::kept::KeptLog;

/// The variable that sets the log's level where no flag does.
const LEVEL_VARIABLE: &str = "JKEYS_LOG";

/// What the command line says about the log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// `error`, `warn`, `info`, `debug` or `trace`, or levels by module such as `info,jkeys::agent=debug`. None asks `JKEYS_LOG`,
    /// and without that it is `usual`.
    pub level: Option<String>,
    /// The level where nobody says another.
    pub usual: &'static str,
    /// One JSON object a line.
    pub json: bool,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level can't be read.
    #[error(
        "the log level {level:?} is not valid: {why}; write error, warn, info, debug, trace, or for example info,jkeys::agent=debug"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// The process has a log already.
    #[error("the log was started twice in one process")]
    Started,
}

/// Starts the log of this process, on standard error.
///
/// # Errors
/// A level that can't be read, or a second call.
pub fn init_log(options: &LogOptions) -> Result<(), LogError> {
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let style = Style::choose(options.json, journal.as_deref(), stderr_stream().as_deref());
    init(options, style, io::stderr)
}

/// Starts the log of this process and keeps its last lines, for a command that draws on the terminal meanwhile.
///
/// # Errors
/// As [`init_log`].
pub fn init_kept_log(options: &LogOptions) -> Result<KeptLog, LogError> {
    let kept = KeptLog::default();
    let style = if options.json { Style::Json } else { Style::Compact };
    let to = kept.clone();
    init(options, style, move || to.clone())?;
    Ok(kept)
}

fn init<W>(options: &LogOptions, style: Style, to: W) -> Result<(), LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let from_environment = || std::env::var(LEVEL_VARIABLE).ok();
    let level = options.level.clone().or_else(from_environment);
    let filter = filter(level.as_deref().unwrap_or(options.usual))?;
    tracing::subscriber::set_global_default(subscriber(style, filter, to)).map_err(|_| LogError::Started)
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(level).map_err(|why| LogError::Level {
        level: level.to_owned(),
        why: why.to_string(),
    })
}

/// Standard error as `$JOURNAL_STREAM` names a stream: device and inode.
fn stderr_stream() -> Option<String> {
    let stat = rustix::fs::fstat(io::stderr()).ok()?;
    Some(format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// For people and files: with the time.
    Compact,
    /// For the journal, which keeps time and priority itself: a priority in front (sd-daemon(3)) and no time.
    Journal,
    /// For programs.
    Json,
}

impl Style {
    /// The journal's form is only for a standard error that is really the journal's: `journal` is inherited by children whose
    /// output goes elsewhere (systemd.exec(5), `$JOURNAL_STREAM`).
    fn choose(json: bool, journal: Option<&str>, stderr: Option<&str>) -> Self {
        if json {
            Self::Json
        } else if journal.is_some() && journal == stderr {
            Self::Journal
        } else {
            Self::Compact
        }
    }
}

fn subscriber<W>(style: Style, filter: EnvFilter, to: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to);
    match style {
        Style::Json => Box::new(builder.json().flatten_event(true).finish()),
        Style::Compact => Box::new(builder.compact().with_ansi(io::stderr().is_terminal()).finish()),
        Style::Journal => Box::new(builder.with_ansi(false).event_format(Journal::new()).finish()),
    }
}

/// Lines with the syslog priority in front and without what the journal adds itself.
struct Journal(Format<Compact, ()>);

impl Journal {
    fn new() -> Self {
        Self(Format::default().compact().without_time().with_level(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(to, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, to, event)
    }
}

/// The priority of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of two events, one at `warn` and one at `debug`, in this module.
    fn written(style: Style, level: &str) -> String {
        let lines = KeptLog::default();
        let to = lines.clone();
        let subscriber = subscriber(style, filter(level).unwrap(), move || to.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(node = "vm-1", "a node is silent");
            tracing::debug!("a detail");
        });
        lines.take()
    }

    #[test]
    fn the_journal_gets_a_priority_and_no_time() {
        let text = written(Style::Journal, "info");
        assert_eq!(text, "<4>jkeys::telemetry::log::tests: a node is silent node=\"vm-1\"\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = written(Style::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(
            (&line["level"], &line["node"], &line["message"]),
            (&"WARN".into(), &"vm-1".into(), &"a node is silent".into())
        );
    }

    #[test]
    fn people_get_a_time_and_a_level() {
        let text = written(Style::Compact, "info");
        assert!(text.contains('T') && text.contains("WARN"), "{text}");
        assert!(text.starts_with("20") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn the_level_can_be_set_by_module() {
        assert_eq!(written(Style::Journal, "error"), "");
        assert_eq!(written(Style::Journal, "error,jkeys::telemetry=debug").lines().count(), 2);
        let refused = filter("loud=very").unwrap_err().to_string();
        assert!(
            refused.contains("\"loud=very\"") && refused.contains("write error, warn"),
            "{refused}"
        );
    }

    #[test]
    fn only_a_stream_of_the_journal_gets_its_form() {
        assert_eq!(Style::choose(false, Some("8:1"), Some("8:1")), Style::Journal);
        assert_eq!(Style::choose(false, Some("8:1"), Some("8:2")), Style::Compact);
        assert_eq!(Style::choose(false, None, None), Style::Compact);
        assert_eq!(Style::choose(true, Some("8:1"), Some("8:1")), Style::Json);
    }
}
