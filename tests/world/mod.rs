//! The real cores of a leader and its nodes in a world of memory: a durable store, disks, links and clocks that a test moves, breaks
//! and sets by hand. The oracle watches what really happens in it.
//!
//! Nothing here decides anything that the product decides. After each act the world [settles](World::settle): what can be delivered is
//! delivered, and what cores ask for is carried out one by one, so that a crash can come between any two.
#![allow(dead_code, reason = "each of the programs that share this world uses its own part of it")]

pub mod act;
pub mod disk;
pub mod keys;
pub mod leader;
pub mod log;
pub mod network;
pub mod node;
pub mod operator;
pub mod oracle;
pub mod settings;
pub mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use jkeys::agent::core as agent;
use jkeys::leader::core as leading;
use jkeys::lifecycle::{Profile, Settings};
use jkeys::types::{Digest, KeySpec, NodeName, Span, Time};

use leader::LeaderHost;
use node::Node;
use oracle::Oracle;

/// When every world begins.
pub const START: Time = Time(1_800_000_000_000);

/// What does not change by itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the leader is started with.
    pub settings: Settings,
    /// The longest time between two reports of a node.
    pub report_every: Span,
    /// Whether nodes hold a leader to its log. Without that it takes other rules to notice one that was set back.
    pub has_log: bool,
    /// What the agents are started with.
    pub agent: agent::Settings,
}

impl Config {
    /// The two-day schedule, for these profiles of keys that sign.
    pub fn usual(profiles: &[&str]) -> Self {
        let profile = |name: &&str| Profile::new(name.parse().expect("a profile's name"), KeySpec::Es256);
        Self::of(profiles.iter().map(profile))
    }

    /// These profiles. Nodes report twice a day, when they have nothing new to say.
    pub fn of(profiles: impl IntoIterator<Item = Profile>) -> Self {
        Self {
            settings: profiles.into_iter().collect(),
            report_every: Span::hours(12),
            has_log: false,
            agent: agent::Settings {
                has_hooks: true,
                ..agent::Settings::default()
            },
        }
    }
}

/// A fleet and all that it stands on.
#[derive(Debug, Clone)]
pub struct World {
    /// The time as it really is; every clock is this far from it.
    pub now: Time,
    /// What does not change by itself.
    pub config: Arc<Config>,
    /// The leader's machine.
    pub leader: LeaderHost,
    /// The machines of the nodes, as they stand now.
    pub nodes: BTreeMap<NodeName, Node>,
    /// What really happened.
    pub oracle: Oracle,
    /// What the leader decided, line by line, where somebody wants to be told.
    pub told: Option<Vec<String>>,
}

impl World {
    /// A founded leader that runs, with its first keys made, and no node.
    pub fn new(config: Config) -> Self {
        let mut world = Self {
            now: START,
            leader: LeaderHost::founded(START, config.has_log),
            config: Arc::new(config),
            nodes: BTreeMap::new(),
            oracle: Oracle::default(),
            told: None,
        };
        world.start_leader();
        let taken = &world.leader.store.state.settings;
        assert_eq!(*taken, world.config.settings, "the settings are safe");
        world
    }

    /// A world in which these nodes are in service.
    pub fn with_nodes(config: Config, names: &[&str]) -> Self {
        let mut world = Self::new(config);
        for name in names {
            world.join(&name.parse().expect("a node's name"));
        }
        world
    }

    /// Delivers and carries out everything that can be, until nothing moves any more.
    pub fn settle(&mut self) {
        self.witness();
        let mut moved = false;
        while self.make_keys() | self.connect_all() | self.deliver_down() | self.deliver_up() {
            moved = true;
        }
        if moved {
            self.witness();
        }
        self.check_quiet();
    }

    /// Lets time pass, with everything that falls due on the way.
    pub fn advance(&mut self, until: Time) {
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            self.move_to(due.max(self.now));
        }
        self.move_to(until);
    }

    /// The next instant at which some machine has something to do by its clocks.
    pub fn next_due(&self) -> Option<Time> {
        let nodes = self.nodes.values().filter_map(|node| node.due_at(self.now));
        nodes.chain(self.leader.due_at()).min().map(|due| due.max(self.now))
    }

    fn move_to(&mut self, time: Time) {
        self.now = time;
        self.witness();
        for name in self.names() {
            if self.nodes[&name].due_at(time).is_some_and(|due| due <= time) {
                self.agent(&name, agent::Input::Tick);
            }
        }
        self.leader.note_up(time);
        if self.leader.due_at().is_some_and(|due| due <= time) {
            self.lead(vec![leading::Input::Woke]);
        }
        self.settle();
    }

    /// The names of all machines.
    pub fn names(&self) -> Vec<NodeName> {
        self.nodes.keys().cloned().collect()
    }

    /// A digest of all that can matter from now on.
    pub fn fingerprint(&self) -> u64 {
        // What the leader's process knows is what is durable, or the oracle says so.
        let leader = (
            &self.leader.core.is_some(),
            &self.leader.store,
            &self.leader.ahead_ms,
            &self.leader.asleep_since,
            &self.leader.fuse,
        );
        let reloads = Some(&self.config.settings).filter(|settings| **settings != self.leader.store.state.settings);
        let parts = (&self.now, leader, self.leader.pending(), &self.nodes, &self.oracle, reloads);
        // Whole and by a compiled digest: byte by byte a hasher takes a quarter of the search in a debug build.
        let Digest(digest) = Digest::of(format!("{parts:?}").as_bytes());
        u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
    }
}

/// What a clock shows that is this far ahead of the time, in milliseconds.
pub fn shown(now: Time, ahead_ms: i64) -> Time {
    Time(now.0.saturating_add_signed(ahead_ms))
}
