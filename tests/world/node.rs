//! A node's machine: its agent's process, its disk, its clocks, its server of tokens, and its link.

use std::collections::{BTreeSet, VecDeque};

use jkeys::agent::core::{self as agent, DiskWork, Effect, Input, Now, Wake};
use jkeys::types::{Digest, Kid, NodeName, Span, Time};

use super::disk::{Disk, Mood};
use super::network::{Link, Up};
use super::{World, log, shown};

/// One machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name that it goes by.
    pub name: NodeName,
    /// SHA-256 of the public key of its certificate.
    pub tls_key: Digest,
    /// The agent's process.
    pub agent: Option<agent::State>,
    /// When that process was started.
    pub agent_started: Time,
    /// What outlives a crash.
    pub disk: Disk,
    /// Work that a stalling disk has yet to do.
    pub stalled: Option<DiskWork>,
    /// Its way to the leader.
    pub link: Link,
    /// How far its wall clock is ahead of the time, in milliseconds.
    pub ahead_ms: i64,
    /// When it was switched on: its monotonic clock counts from there.
    pub booted_at: Time,
    /// Whether its hooks fail.
    pub hooks_fail: bool,
    /// Where the agent crashes.
    pub fuse: Option<Fuse>,
    /// The server that signs and publishes with what is in the files.
    pub server: Server,
    wake: Wake,
}

/// Where an agent crashes: at the piece of work on the disk after so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fuse {
    /// How many pieces are done before.
    pub after: u8,
    /// Whether the last one is done, and only not reported.
    pub done: bool,
}

/// What a server of tokens goes by. A hook that fails leaves it with what it had read before; by path it may read the new files at any
/// moment, so it signs with either.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// The kids that it is sure to publish; none before it has read anything.
    pub published: Option<BTreeSet<Kid>>,
    /// The kids that it may publish.
    pub offering: BTreeSet<Kid>,
    /// The kids that it may sign with.
    pub signing: BTreeSet<Kid>,
    /// The kids that it is sure to decrypt with.
    pub decrypting: BTreeSet<Kid>,
}

impl Server {
    /// Whether relying parties may read a key from it.
    pub fn offers(&self, kid: &Kid) -> bool {
        self.offering.contains(kid)
    }
}

impl Node {
    /// A machine that was just set up, with an empty disk, and its agent not started.
    pub fn new(name: NodeName, tls_key: Digest, now: Time) -> Self {
        Self {
            name,
            tls_key,
            agent: None,
            agent_started: now,
            disk: Disk::default(),
            stalled: None,
            link: Link::default(),
            ahead_ms: 0,
            booted_at: now,
            hooks_fail: false,
            fuse: None,
            server: Server::default(),
            wake: Wake::default(),
        }
    }

    /// What its clocks show.
    pub fn clocks(&self, now: Time) -> Now {
        Now {
            wall: shown(now, self.ahead_ms),
            monotonic: now.since(self.booted_at),
        }
    }

    /// When its agent next has something to do.
    pub fn due_at(&self, now: Time) -> Option<Time> {
        let agent = self.agent.as_ref()?;
        let wall = self.wake.wall.map(|wall| shown(wall, -self.ahead_ms));
        let monotonic = self.wake.monotonic.map(|at| self.booted_at + at);
        // What fails for days is tried each minute, and each time in vain: once an hour tells the same.
        let fails = self.hooks_fail || matches!(self.disk.mood, Mood::Full | Mood::Tears);
        let is_near = |change: Time| change.distance(now) < Span::hours(2);
        let coarse = fails && {
            let status = agent.status(self.clocks(now));
            status.problem.is_some() && !status.next_change.is_some_and(is_near)
        };
        let monotonic = monotonic.map(|at| if coarse { next_hour(at) } else { at });
        wall.into_iter().chain(monotonic).min()
    }

    /// The server reads the files anew, as a hook makes it.
    fn reload(&mut self) {
        if let Some(live) = &self.disk.live {
            self.server = Server {
                published: Some(live.published.clone()),
                offering: live.published.clone(),
                signing: live.signing.clone(),
                decrypting: live.decrypting.clone(),
            };
        }
    }

    /// The files have changed under the server.
    fn files_changed(&mut self) {
        let Some(live) = &self.disk.live else { return };
        if self.server.published.is_none() {
            return self.reload();
        }
        self.server.offering.extend(live.published.iter().cloned());
        self.server.signing.extend(live.signing.iter().cloned());
        self.server.decrypting.retain(|kid| live.decrypting.contains(kid));
        if let Some(sure) = &mut self.server.published {
            sure.retain(|kid| live.published.contains(kid));
        }
    }
}

impl World {
    /// Gives an input to an agent, and carries out what follows, in order.
    pub fn agent(&mut self, name: &NodeName, input: Input) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(name) else { return };
        let (mut inputs, mut touched) = (VecDeque::from([input]), false);
        while let Some(input) = inputs.pop_front() {
            let Some(state) = node.agent.take() else { return };
            let (state, effects) = agent::step(state, input, node.clocks(now));
            node.wake = state.wake(node.clocks(now));
            node.agent = Some(state);
            for effect in effects {
                touched |= matches!(effect, Effect::Disk(_) | Effect::RunHooks(_));
                inputs.extend(node.carry_out(effect));
            }
        }
        // Nothing else changes what the node holds and serves.
        if touched {
            self.witness_one(name);
        }
    }

    /// Starts the agent on what is on the disk.
    pub fn start_agent(&mut self, name: &NodeName) {
        let (now, settings) = (self.now, self.config.agent.clone());
        let Some(node) = self.nodes.get_mut(name).filter(|node| node.agent.is_none()) else {
            return;
        };
        let clocks = node.clocks(now);
        let (state, effects) = agent::start(settings, log::PROOFS, node.disk.found(node.booted_at), clocks);
        node.agent_started = now;
        node.wake = state.wake(clocks);
        node.agent = Some(state);
        let inputs: Vec<Input> = effects.into_iter().filter_map(|effect| node.carry_out(effect)).collect();
        for input in inputs {
            self.agent(name, input);
        }
        self.settle();
    }

    /// Ends the agent as a crash does; the server goes on.
    pub fn crash_agent(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.crash();
        }
    }

    /// Switches the machine off and on: the server reads its files, and the agent starts.
    pub fn reboot(&mut self, name: &NodeName) {
        self.witness();
        self.crash_agent(name);
        if let Some(node) = self.nodes.get_mut(name) {
            node.booted_at = self.now;
            node.reload();
        }
        self.start_agent(name);
    }

    /// Sets a node's wall clock to be this far ahead of the time.
    pub fn set_clock(&mut self, name: &NodeName, ahead_ms: i64) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.ahead_ms = ahead_ms;
        }
    }

    /// Lets a disk that stalled do its work.
    pub fn resume(&mut self, name: &NodeName) {
        self.witness();
        if let Some(node) = self.nodes.get_mut(name) {
            node.disk.mood = Mood::Works;
            if let Some(work) = node.stalled.take()
                && let Some(input) = node.work(work)
            {
                self.agent(name, input);
            }
        }
        self.settle();
    }
}

impl Node {
    fn crash(&mut self) {
        self.agent = None;
        self.fuse = None;
        self.stalled = None;
        (self.link.stream, self.wake) = (None, Wake::default());
        self.link.is_told_to_erase = false;
        self.link.down.clear();
        self.link.up.clear();
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        self.agent.as_ref()?;
        match effect {
            Effect::Disk(work) if self.disk.mood == Mood::Stalls => {
                self.stalled = Some(work);
                None
            }
            Effect::Disk(work) => self.work(work),
            Effect::RunHooks(id) if self.hooks_fail => Some(Input::HooksRan(id, Err("a hook failed".to_owned()))),
            Effect::RunHooks(id) => {
                self.reload();
                Some(Input::HooksRan(id, Ok(())))
            }
            Effect::Send(report) => {
                let enrolment = self.link.stream?;
                self.link.up.push_back((enrolment, Up::Report(Box::new(report))));
                None
            }
            Effect::Show(exhibit) => {
                let enrolment = self.link.stream?;
                self.link.up.push_back((enrolment, Up::Shown(exhibit.public_form)));
                None
            }
            // No agent here has a probe, or a hook on another event than a swap.
            Effect::RunHook(_) | Effect::Probe { .. } | Effect::SayStale(_) | Effect::SayReady | Effect::SayRefused(..) => None,
        }
    }

    /// Does a piece of work, or crashes before it or after it.
    fn work(&mut self, work: DiskWork) -> Option<Input> {
        let crashes = self.fuse.filter(|fuse| fuse.after == 0);
        if crashes.is_some_and(|fuse| !fuse.done) {
            self.crash();
            return None;
        }
        if let Some(fuse) = &mut self.fuse {
            fuse.after = fuse.after.saturating_sub(1);
        }
        let result = self.disk.work(work);
        self.files_changed();
        if crashes.is_some() {
            self.crash();
            return None;
        }
        Some(Input::Disk(result))
    }
}

/// How long after a start an agent asks its leader before it goes by its cache, and a little more.
pub const STARTS_WITHIN: Span = Span::secs(31);

fn next_hour(time: Time) -> Time {
    let hour = Span::hours(1).0;
    Time(time.0.div_ceil(hour) * hour)
}
