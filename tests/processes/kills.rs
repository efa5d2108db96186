//! kill -9 of the leader and of agents at random moments of a fast schedule, under a probe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jkeys::audit::Record;
use jkeys::clock::Clock;
use jkeys::dev::{Probe, Sample, read_node, windows};
use jkeys::lifecycle::{Cause, Event, Windows};
use jkeys::rpc::documents::Status;
use jkeys::types::{Kid, NodeName, Seq, Span, Time};

use crate::fleet::Fleet;
use crate::process::until;

const NODES: [&str; 2] = ["a", "b"];
const INTERVAL: Span = Span::secs(12);
/// For how long processes are killed.
const KILLING: Span = Span::secs(38);
const PROBE_EVERY: Span = Span(500);
/// Where the seed of the moments is taken from, to have a run again.
const SEED_VARIABLE: &str = "JKEYS_TEST_SEED";

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_killed_at_any_moment_and_every_token_verifies() {
    let mut killing = Killing::begin().await;
    let end = killing.clock.now() + KILLING;
    while killing.clock.now() < end {
        let next = killing.clock.now() + PROBE_EVERY;
        killing.kill_or_restart().await;
        killing.probe().await;
        killing.clock.sleep_until(next).await;
    }
    killing.everything_runs().await;
    let fleet = &killing.fleet;
    until("two rotations", async || {
        (rotations(&fleet.history().await) >= 2).then_some(())
    })
    .await;
    killing.probe().await;
    println!("{} probes, none failed", killing.probes);
    assert!(killing.probes > 100, "{} probes", killing.probes);
    killing.fleet.all_in_service().await;
    the_log_is_whole(&killing.fleet).await;
}

/// The schedule of `jkeys dev`.
fn fast(windows: &Windows) -> String {
    let settings = [
        ("interval", windows.interval),
        ("min_prepublish", windows.min_prepublish),
        ("arm_lead", windows.arm_lead),
        ("token_lifetime", windows.token_lifetime),
        ("clock_skew", windows.clock_skew),
        ("straggler_after", windows.straggler_after),
        ("start_grace", windows.start_grace),
        ("max_age", windows.max_age),
    ];
    let lines: String = settings.iter().map(|(name, span)| format!("{name} = \"{span}\"\n")).collect();
    format!("[defaults]\n{lines}[[profile]]\nname = \"web\"\nalg = \"ES256\"\n")
}

fn rotations(records: &[Record]) -> usize {
    let scheduled = |record: &&Record| {
        matches!(
            record.event,
            Event::Activated {
                cause: Cause::Scheduled,
                ..
            }
        )
    };
    records.iter().filter(scheduled).count()
}

/// Records have every number once, and lie outside the database byte for byte as the leader shows them.
async fn the_log_is_whole(fleet: &Fleet) {
    let seqs: Vec<Seq> = fleet.history().await.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (0..seqs.len() as u64).map(Seq).collect::<Vec<_>>());
    // The schedule goes on between the two readings.
    until("a segment file like the history", async || {
        let mut files: Vec<_> = fs::read_dir(fleet.leader_state().join("segments"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let lines: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let history = fleet.history_text().await;
        assert!(history.starts_with(&lines), "{lines}\nis not the history\n{history}");
        (history == lines).then_some(())
    })
    .await;
}

struct Killing {
    fleet: Fleet,
    clock: Clock,
    random: u64,
    probe: Probe,
    probes: u64,
    excepted: BTreeSet<Kid>,
    /// As the last leader that answered said it.
    in_service: BTreeSet<NodeName>,
    next_kill: Time,
    /// What is dead, and from when on it may live again.
    dead: Option<(&'static str, Time)>,
}

impl Killing {
    async fn begin() -> Self {
        let clock = Clock::machine();
        let seed = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(clock.now().0);
        println!("{SEED_VARIABLE}={seed}");
        let windows = windows(INTERVAL).unwrap();
        let fleet = Fleet::running(&fast(&windows), &NODES).await;
        let bootstrap = fleet.history().await.into_iter().filter_map(|record| match record.event {
            Event::Activated {
                kid,
                cause: Cause::Bootstrap,
                ..
            } => Some(kid),
            _ => None,
        });
        Self {
            excepted: bootstrap.collect(),
            next_kill: clock.now(),
            fleet,
            clock,
            random: seed,
            probe: Probe::new(windows.min_prepublish, windows.token_lifetime),
            probes: 0,
            in_service: BTreeSet::new(),
            dead: None,
        }
    }

    /// splitmix64
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    async fn kill_or_restart(&mut self) {
        let now = self.clock.now();
        match self.dead {
            Some((_, until)) if now < until => {}
            Some(_) => self.everything_runs().await,
            None if self.next_kill <= now => {
                let moment = Span(self.below(PROBE_EVERY.0 / 2));
                self.clock.sleep(moment).await;
                let victim = ["leader", "a", "b"][usize::try_from(self.below(3)).unwrap()];
                println!("{}: kill -9 of {victim}", self.clock.now());
                let service = match victim {
                    "leader" => self.fleet.leader.take(),
                    node => self.fleet.agents.remove(node),
                };
                service.expect("it runs").kill().await;
                self.dead = Some((victim, now + Span(self.below(1500))));
                self.next_kill = now + Span(2000 + self.below(2500));
            }
            None => {}
        }
    }

    async fn everything_runs(&mut self) {
        match self.dead.take() {
            Some(("leader", _)) => self.fleet.start_leader().await,
            Some((node, _)) => self.fleet.start_agent(node).await,
            None => {}
        }
    }

    /// Reads both nodes and holds every token against every set. The promise is for nodes that were in service all the while;
    /// with the leader away they are those that were when it went.
    async fn probe(&mut self) {
        if let Some(status) = self.fleet.status().await {
            self.in_service = in_service(&status);
        }
        let began = self.clock.now();
        let mut nodes = BTreeMap::new();
        for node in NODES {
            if let Some(files) = read_node(&self.fleet.agent_state(node)).unwrap() {
                nodes.insert(node.parse::<NodeName>().unwrap(), files);
            }
        }
        let ended = self.clock.now();
        if let Some(status) = self.fleet.status().await {
            let still = in_service(&status);
            self.in_service.retain(|node| still.contains(node));
        }
        nodes.retain(|node, _| self.in_service.contains(node));
        let round = self.probe.round(&Sample {
            began,
            ended,
            nodes,
            revoked: BTreeSet::new(),
            excepted: self.excepted.clone(),
        });
        self.probes += round.probes;
        let failures: Vec<String> = round.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "at {ended}: {failures:#?}");
    }
}

fn in_service(status: &Status) -> BTreeSet<NodeName> {
    let nodes = status.nodes.iter().filter(|node| node.standing == "in_service");
    nodes.map(|node| node.node.clone()).collect()
}
