use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::clock::Stepper;
use crate::config;
use crate::durable::{self, FileAttrs};
use crate::leader::Leader;
use crate::types::Time;

const START: Time = Time(1_800_000_000_000);
/// How much faster than the machine's the clock of a test goes; nothing that is looked at depends on it.
const STEP: Span = Span(100);
const STEP_EVERY: Duration = Duration::from_millis(20);

/// Takes what is shown, for others to see while it grows.
struct Shown(watch::Sender<String>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.send_modify(|shown| shown.push_str(text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn step(stepper: Stepper, meanwhile: impl Fn()) {
    loop {
        stepper.advance(STEP);
        meanwhile();
        tokio::time::sleep(STEP_EVERY).await;
    }
}

/// Runs a cluster in `dir` until `enough` says so of what is shown; returns that too. `meanwhile` is called again and again.
async fn run_until(dir: &Path, enough: impl Fn(&str) -> bool, meanwhile: impl Fn()) -> (Summary, String) {
    let (clock, stepper) = Clock::stepped(START);
    let sender = watch::Sender::new(String::new());
    let mut shown = sender.subscribe();
    let options = DevOptions {
        dir: Some(dir.to_owned()),
        interval: SHORTEST_INTERVAL,
        agents: 2,
        format: Format::Json,
        ..DevOptions::default()
    };
    let stop = async {
        shown.wait_for(|shown| enough(shown)).await.unwrap();
    };
    let mut out = Shown(sender.clone());
    let summary = tokio::select! {
        summary = run(&options, &mut out, &clock, stop) => summary.unwrap(),
        () = step(stepper, meanwhile) => unreachable!("it steps for ever"),
        () = tokio::time::sleep(Duration::from_secs(120)) => panic!("it takes too long: {}", *sender.borrow()),
    };
    (summary, sender.borrow().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_rotates_without_a_failed_probe_and_can_be_used_afterwards() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("dev");
    let scheduled = |shown: &str| shown.matches(r#""cause":"scheduled""#).count() >= 2;
    let (summary, shown) = run_until(&dir, scheduled, || {}).await;
    assert!(summary.rotations >= 2 && summary.probes >= 8, "{summary:?}");
    assert_eq!(summary.failed_probes, 0, "{shown}");
    let Summary { rotations, probes, .. } = summary;
    let last = format!(r#"{{"event":"summary","rotations":{rotations},"probes":{probes},"failed_probes":0}}"#);
    assert_eq!(shown.lines().last().unwrap(), last);
    assert!(shown.lines().next().unwrap().contains(r#""event":"started""#));
    assert!(dir.join("agents/node-2/live/private.jwks.json").exists());
    let config = config::file::leader(&dir.join("leader.toml"), None).unwrap();
    let (clock, _stepper) = Clock::stepped(START + Span::hours(1));
    let again = Leader::open(&config, clock).await.unwrap();
    assert_eq!(again.address().unwrap(), config.listen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_publishes_too_little_makes_probes_fail() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("dev");
    let spoiled = dir.join("agents/node-2/live/jwks.json");
    // The agent puts the next view in its place, and until the first there is none.
    let spoil = || {
        let _ = durable::write_file(&spoiled, br#"{"keys":[]}"#, &FileAttrs::mode(0o644));
    };
    // What the spoiled file breaks first may be another probe.
    let is_seen = |shown: &str| shown.contains(r#""event":"failed""#) && shown.contains("fails on node-2");
    let (summary, shown) = run_until(&dir, is_seen, spoil).await;
    assert!(summary.failed_probes > 0, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_is_refused_before_anything_is_made() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("dev");
    for (options, words) in [
        (
            DevOptions {
                interval: Span::secs(9),
                ..DevOptions::default()
            },
            "at least 10s",
        ),
        (
            DevOptions {
                agents: 0,
                ..DevOptions::default()
            },
            "between 1 and 1000",
        ),
    ] {
        let options = DevOptions {
            dir: Some(dir.clone()),
            ..options
        };
        let refused = run(&options, &mut io::sink(), &Clock::machine(), std::future::pending()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
        assert!(!dir.exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_by_itself_and_leaves_nothing() {
    let options = DevOptions {
        agents: 1,
        run_for: Some(Span(0)),
        ..DevOptions::default()
    };
    let mut out = Vec::new();
    let summary = run(&options, &mut out, &Clock::machine(), std::future::pending())
        .await
        .unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert_eq!(summary.failed_probes, 0);
    assert!(shown.ends_with(" failed probes\n"), "{shown}");
    let config = shown.split("--config ").nth(1).unwrap().lines().next().unwrap();
    assert!(!Path::new(config).parent().unwrap().exists());
}
