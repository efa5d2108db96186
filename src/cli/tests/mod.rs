//! The command line as it is typed, against a leader on a real socket.

mod cas;
mod changing;
mod explaining;
mod fake;
mod reading;
mod secrets;
mod versions;

use std::io::{self, ErrorKind, Write};

use clap::{CommandFactory as _, Parser as _};

use self::fake::Served;
use super::samples::NOW;
use super::{Cli, CliError, Exit, Screen, run};
use crate::clock::Clock;

/// What one command wrote, and how it ended.
struct Ran {
    out: String,
    notes: String,
    outcome: Result<Exit, CliError>,
}

impl Ran {
    /// The words of what went wrong, which ended the command with status 1.
    fn refused(self) -> String {
        let error = self.outcome.unwrap_err();
        assert_eq!(error.status(), 1);
        error.to_string()
    }
}

async fn jkeys(served: &Served, line: &str) -> Ran {
    let mut out = Vec::new();
    let (notes, outcome) = jkeys_to(&mut out, served, line).await;
    let out = String::from_utf8(out).unwrap();
    Ran { out, notes, outcome }
}

async fn jkeys_to(out: &mut dyn Write, served: &Served, line: &str) -> (String, Result<Exit, CliError>) {
    let config = served.config();
    let words = ["jkeys", "--config", &config].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).unwrap();
    let (clock, _stepper) = Clock::stepped(NOW);
    let mut notes = Vec::new();
    let outcome = run(cli, &clock, &mut Screen::new(out, &mut notes, None)).await;
    (String::from_utf8(notes).unwrap(), outcome)
}

/// The reader has gone away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    let status = |line: &str| {
        let words = ["jkeys"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|_| ()).map_err(|why| why.exit_code())
    };
    for right in [
        "status",
        "--config a status --watch --json",
        "status --config a",
        "keys list",
        "keys show -a",
        "history --kid -a --since 48h --json",
        "history --node vm-1 --actor schedule --action armed --action revoked --until 2026-11-23T06:05:04Z",
        "node token vm-1 --ttl 30days",
        "node token --count 3 --prefix vm- --json",
        "node token list --json",
        "node token revoke vm-1",
        "node token revoke --all",
        "node token -- list",
        "enroll -",
        "enroll --token-file a",
        "node list --json",
        "keystore versions --last 3",
        "keystore diff 1 2 --json",
        "explain - --log a --key b --json",
        "history --historical-keys https://op.example --since 48h",
        "init agent --dir a --config b",
    ] {
        assert_eq!(status(right), Ok(()), "{right}");
    }
    for wrong in [
        "",
        "dance",
        "status vm-1",
        "keys",
        "keys show",
        "history --since yesterday",
        "history --actor a/b",
        "history --action danced",
        "node token",
        "node token VM",
        "node token vm-1 --count 2 --prefix vm-",
        "node token --count 2",
        "node token --prefix vm-",
        "node token --count 0 --prefix vm-",
        "node token --count 1001 --prefix vm-",
        "node token revoke",
        "node token revoke vm-1 --all",
        "enroll",
        "enroll - --token-file a",
        "node token vm-1 --ttl 31days",
        "node token vm-1 --ttl 999ms",
        "init",
        "init agent b",
        "keystore show",
        "keystore show x",
        "keystore versions --last 0",
        "explain",
        "explain - --key b",
        "history --historical-keys http://op.example",
        "history --historical-keys https://op.example --kid a",
    ] {
        assert_eq!(status(wrong), Err(2), "{wrong}");
    }
    assert_eq!(status("--help"), Err(0));
    assert_eq!(status("--version"), Err(0));
}

#[tokio::test]
async fn no_leader_is_said_in_words() {
    let served = Served::without_leader();
    let refused = jkeys(&served, "status").await.refused();
    assert!(refused.contains("no leader listens on"), "{refused}");
    assert!(refused.contains(served.socket().to_str().unwrap()), "{refused}");
}

#[tokio::test]
async fn a_configuration_that_is_being_edited_does_not_keep_anybody_from_the_leader() {
    let served = fake::Fake::default().serve();
    let broken = format!("admin_socket = {:?}\n[[profile\nalg = what?\n", served.socket());
    served.configure(&broken);
    assert_eq!(jkeys(&served, "status").await.outcome.unwrap(), Exit::Done);
    std::fs::remove_file(served.config()).unwrap();
    let named = format!("--socket {} status", served.socket().display());
    assert_eq!(jkeys(&served, &named).await.outcome.unwrap(), Exit::Done);
}

#[tokio::test]
async fn no_configuration_is_said_in_words() {
    let served = Served::without_leader();
    std::fs::remove_file(served.config()).unwrap();
    let refused = jkeys(&served, "status").await.refused();
    assert!(refused.contains(&served.config()), "{refused}");
}

#[tokio::test]
async fn a_leader_of_another_time_is_said_in_words() {
    let fake = fake::Fake {
        protocol_version: 7,
        ..fake::Fake::default()
    };
    let refused = jkeys(&fake.serve(), "keys list").await.refused();
    assert!(refused.contains("the leader runs jkeys 9.9.9"), "{refused}");
    assert!(refused.contains("update the older one first"), "{refused}");
}

#[tokio::test]
async fn an_agents_configuration_is_written_once() {
    let served = Served::without_leader();
    std::fs::remove_file(served.config()).unwrap();
    let written = jkeys(&served, "init agent").await;
    assert_eq!(written.outcome.unwrap(), Exit::Done);
    assert!(
        written.out.starts_with(&format!("wrote {}; ", served.config())),
        "{}",
        written.out
    );
    let refused = jkeys(&served, "init agent").await.refused();
    assert!(refused.contains("is there already and was left as it is"), "{refused}");
}
