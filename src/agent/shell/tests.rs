use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::agent::core::EventHook;
use crate::agent::core::Status;
use crate::agent::testing::{START, answer, armed, bundle, kids, log_key, logged, welcome};
use crate::clock::Stepper;
use crate::hooks::Hook;
use crate::lifecycle::Stage::{Active, Prepublished};
use crate::outputs;
use crate::rpc::fleet::Bundle;
use crate::types::{Generation, HookEvent, Kid, Span};

/// A running agent.
struct Agent {
    link: mpsc::Sender<LinkEvent>,
    reports: mpsc::Receiver<AgentMessage>,
    status: watch::Receiver<Status>,
    monitor: Monitor,
    stop: watch::Sender<bool>,
    /// The size of the log that it was last shown.
    seen: Cell<Option<u64>>,
    folder: PathBuf,
    task: JoinHandle<Result<(), DiskError>>,
}

impl Agent {
    fn start(folder: &Path, clock: &Clock, followers: Followers) -> Self {
        let (link, events) = mpsc::channel(8);
        let (to_leader, reports) = mpsc::channel(64);
        let monitor = Monitor::default();
        let (stop, stopped) = watch::channel(false);
        let config = AgentConfig {
            layout: Layout {
                root: folder.join("agent"),
                view_dir: folder.join("agent"),
                private_group: None,
                outputs: Vec::new(),
            },
            log: Some(log_key()),
            cache_credential: None,
            followers,
            settings: Settings::default(),
        };
        Self {
            link,
            reports,
            status: monitor.status(),
            monitor: monitor.clone(),
            stop,
            seen: Cell::new(None),
            folder: folder.join("agent"),
            task: tokio::spawn(run(config, clock.clone(), events, to_leader, monitor, stopped)),
        }
    }

    async fn connect(&self) {
        self.link.send(LinkEvent::Connected(welcome(1))).await.unwrap();
    }

    async fn send(&self, sent: Bundle) {
        let logged = logged(sent, self.remembers());
        self.seen.set(Some(logged.proof.seq.0 + 1));
        self.link
            .send(LinkEvent::Message(LeaderMessage::Generation(logged).into()))
            .await
            .unwrap();
    }

    /// The size of the log that the agent remembers: what it was last shown or, after its start, what is on its disk.
    fn remembers(&self) -> u64 {
        let on_disk = || {
            let trusted: serde_json::Value =
                serde_json::from_slice(&std::fs::read(self.folder.join("trusted.json")).ok()?).ok()?;
            trusted["trusted"]["checkpoint"]["size"].as_u64()
        };
        self.seen.get().or_else(on_disk).unwrap_or_default()
    }

    async fn lose(&self) {
        self.link.send(LinkEvent::Lost("the test cut it".into())).await.unwrap();
    }

    async fn until(&mut self, reached: impl FnMut(&Status) -> bool) -> Status {
        self.status.wait_for(reached).await.expect("the agent runs").clone()
    }

    async fn report(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
        loop {
            let message = self.reports.recv().await.expect("the agent runs");
            if let AgentMessage::Report(report) = message
                && wanted(&report)
            {
                return report;
            }
        }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn signs(status: &Status, these: &[usize]) -> bool {
    status
        .installed
        .as_ref()
        .is_some_and(|installed| installed.signing == kids(these))
}

fn on_disk(root: &Path) -> BTreeSet<Kid> {
    let private = std::fs::read(root.join("agent/live/private.jwks.json")).unwrap();
    outputs::kids_of_private(&private).unwrap().signing
}

fn usual(number: u64) -> Bundle {
    bundle(number, &[(0, Active), (1, armed(Span::hours(1))), (2, Prepublished)])
}

async fn holding(root: &Path, clock: &Clock) -> Agent {
    let mut agent = Agent::start(root, clock, Followers::default());
    agent.connect().await;
    agent.send(usual(7)).await;
    let report = agent.report(|report| report.installed.is_some()).await;
    let heard = LeaderMessage::Answer(answer(report.sent_at, clock.now()));
    agent.link.send(LinkEvent::Message(heard.into())).await.unwrap();
    agent
        .until(|status| signs(status, &[0]) && status.in_service == Some(true))
        .await;
    agent
}

fn beginning() -> (TempDir, Clock, Stepper) {
    let (clock, stepper) = Clock::stepped(START);
    (tempfile::tempdir().unwrap(), clock, stepper)
}

#[tokio::test]
async fn r10_an_armed_key_activates_with_the_link_lost() {
    let (root, clock, stepper) = beginning();
    let mut agent = holding(root.path(), &clock).await;
    agent.lose().await;
    agent.until(|status| !status.connected).await;
    assert_eq!(on_disk(root.path()), kids(&[0]));
    stepper.advance(Span::hours(1));
    agent.until(|status| signs(status, &[1])).await;
    assert_eq!(on_disk(root.path()), kids(&[1]));
    agent.stop().await;
}

#[tokio::test]
async fn r10_a_restart_without_the_leader_makes_the_files_from_the_cache_and_activates_what_fell_due() {
    let (root, clock, stepper) = beginning();
    holding(root.path(), &clock).await.stop().await;
    std::fs::remove_file(root.path().join("agent/live")).unwrap();
    std::fs::remove_dir_all(root.path().join("agent/views")).unwrap();
    stepper.advance(Span::hours(2));

    let mut agent = Agent::start(root.path(), &clock, Followers::default());
    let asking = agent.until(|status| status.highest_generation == Generation(7)).await;
    assert!(!asking.ready && asking.installed.is_none(), "the leader is asked first");
    stepper.advance(Span::secs(30));
    let status = agent.until(|status| status.ready).await;
    assert!(signs(&status, &[1]), "{status:?}");
    assert_eq!(on_disk(root.path()), kids(&[1]));
    agent.stop().await;
}

#[tokio::test]
async fn r10_silence_shows_in_the_status() {
    let (root, clock, stepper) = beginning();
    let mut agent = holding(root.path(), &clock).await;
    stepper.advance(Span::hours(24));
    agent.until(|status| status.stale).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_failed_hook_is_reported_and_tried_again() {
    let (root, clock, stepper) = beginning();
    let mark = root.path().join("mark");
    let script = format!(
        "test -e {0} && exec test -r \"$JKEYS_LIVE/jwks.json\" -a \"$JKEYS_GENERATION.$JKEYS_STEP\" = 7.1; touch {0}; exit 1",
        mark.display()
    );
    let hook = Hook::new(vec!["/bin/sh".into(), "-c".into(), script], Span::mins(1)).unwrap();
    let mut agent = Agent::start(
        root.path(),
        &clock,
        Followers {
            swap: vec![hook],
            ..Followers::default()
        },
    );
    agent.connect().await;
    agent.send(usual(7)).await;
    let report = agent.report(|report| report.problem.is_some()).await;
    assert!(!report.installed.unwrap().hooks_succeeded, "nothing is confirmed");
    assert!(
        report
            .problem
            .unwrap()
            .contains("the hook /bin/sh failed with exit status: 1")
    );
    stepper.advance(Span::secs(1));
    let report = agent.report(|report| report.problem.is_none()).await;
    assert!(report.installed.unwrap().hooks_succeeded);
    agent.stop().await;
}

#[tokio::test]
async fn hooks_on_silence_and_its_end_are_told_what_happened() {
    let (root, clock, stepper) = beginning();
    let mark = root.path().join("mark");
    let script = format!(
        "echo \"$JKEYS_EVENT $JKEYS_GENERATION $(basename $JKEYS_LIVE)\" >>{}",
        mark.display()
    );
    let hook = |on| {
        let argv = vec!["/bin/sh".into(), "-c".into(), script.clone()];
        (EventHook { on, retries: 0 }, Hook::new(argv, Span::mins(1)).unwrap())
    };
    let followers = Followers {
        events: vec![hook(HookEvent::Stale), hook(HookEvent::Fresh)],
        ..Followers::default()
    };
    let mut agent = Agent::start(root.path(), &clock, followers);
    agent.connect().await;
    agent.send(usual(7)).await;
    agent.until(|status| signs(status, &[0])).await;
    let said = async |words: &str| {
        while std::fs::read_to_string(&mark).unwrap_or_default() != words {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    stepper.advance(Span::hours(24));
    said("stale 7 live\n").await;
    let report = agent.report(|report| report.sent_at == clock.now()).await;
    let heard = LeaderMessage::Answer(answer(report.sent_at, clock.now()));
    agent.link.send(LinkEvent::Message(heard.into())).await.unwrap();
    said("stale 7 live\nfresh 7 live\n").await;
    agent.stop().await;
}

#[tokio::test]
async fn r5_an_altered_generation_is_refused_and_the_leader_is_told() {
    let (root, clock, _stepper) = beginning();
    let mut agent = holding(root.path(), &clock).await;
    agent.send(bundle(7, &[(0, Active), (2, Prepublished)])).await;
    let report = agent.report(|report| report.problem.is_some()).await;
    assert!(report.problem.unwrap().contains("other content"));
    assert_eq!(on_disk(root.path()), kids(&[0]));
    agent.stop().await;
}

#[tokio::test]
async fn a_link_that_is_gone_for_good_stops_nothing() {
    let (root, clock, stepper) = beginning();
    let mut agent = holding(root.path(), &clock).await;
    agent.link = mpsc::channel(1).0;
    agent.until(|status| !status.connected).await;
    stepper.advance(Span::hours(1));
    agent.until(|status| signs(status, &[1])).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_by_the_shell_and_not_without_it() {
    let (root, clock, _stepper) = beginning();
    let agent = holding(root.path(), &clock).await;
    let monitor = agent.monitor.clone();
    monitor.ping().await;
    agent.stop().await;
    let ping = tokio::spawn({
        let monitor = monitor.clone();
        async move { monitor.ping().await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!ping.is_finished(), "nobody is there to answer");
    // The one that takes over answers for the one before.
    let number = monitor.asked().await;
    monitor.answer(number);
    ping.await.unwrap();
}

#[tokio::test]
async fn an_agent_that_has_lost_its_memory_does_not_start() {
    let (root, clock, _stepper) = beginning();
    holding(root.path(), &clock).await.stop().await;
    let path = root.path().join("agent/trusted.json");
    crate::durable::write_file(&path, b"{", &crate::durable::FileAttrs::mode(0o600)).unwrap();
    let why = Agent::start(root.path(), &clock, Followers::default())
        .task
        .await
        .unwrap()
        .unwrap_err();
    assert!(why.to_string().contains("trusted.json is damaged"), "{why}");
}
