//! The leader's machine: its process, its durable store, and its clock.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jkeys::leader::core::{Ask, Effect, Input, Leader, Ticket};
use jkeys::lifecycle::{Command, Decision, Event, Fleet, Profile, Refusal, State};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Actor, Enrolment, Generation, Kid, Now, ProfileName, PublicKey, Seq, Span, Time, WitnessKey};

use super::log::Log;
use super::network::Down;
use super::node::Node;
use super::store::Store;
use super::{START, World, keys, shown};

/// The leader as far as it outlives a crash, and its process where one runs.
#[derive(Debug, Clone)]
pub struct LeaderHost {
    /// The process.
    pub core: Option<Leader>,
    /// What is durable.
    pub store: Store,
    /// How far its clock is ahead of the time, in milliseconds.
    pub ahead_ms: i64,
    /// For how long its machine has stood still in all: its monotonic clock knows nothing of that.
    stood: Span,
    /// Since when its machine stands still.
    pub asleep_since: Option<Time>,
    /// The leader crashes before it carries out the effect after so many.
    pub fuse: Option<u8>,
    /// Whether keys take until [`World::make_keys`] is let.
    pub makes_keys: bool,
    /// When the process next has something to do.
    wakes_at: Option<Time>,
    /// The generation that new streams are sent.
    bundle: Option<Arc<Bundle>>,
    /// Keys that are asked for.
    wanted: VecDeque<(Profile, u64)>,
    /// Private halves that are made and not stored.
    made: BTreeSet<Kid>,
    /// How many keys were ever made: a kid never comes twice.
    keys_made: u64,
    answer: Option<Answer>,
    /// A copy that somebody has kept.
    copy: Option<Box<Store>>,
}

/// The answer to a caller.
pub type Answer = Result<(Decision, Generation), Refusal>;

impl LeaderHost {
    /// A machine on which a fleet has been founded.
    pub fn founded(now: Time, has_log: bool) -> Self {
        let mut state = State::default();
        let fleet = Fleet {
            trust_domain: "world.example".parse().expect("a trust domain"),
            ca_certificate: String::new(),
            ca_number: 1,
            log_public_key: WitnessKey([0; 32]),
        };
        state.apply(&[Event::Founded { fleet }], now);
        let next_seq = Seq(1);
        Self {
            core: None,
            store: Store {
                state,
                next_seq,
                log: Log::new(has_log),
                ..Store::default()
            },
            ahead_ms: 0,
            stood: Span(0),
            asleep_since: None,
            fuse: None,
            makes_keys: true,
            wakes_at: None,
            bundle: None,
            wanted: VecDeque::new(),
            made: BTreeSet::new(),
            keys_made: 0,
            answer: None,
            copy: None,
        }
    }

    /// Somebody keeps a copy of what is durable.
    pub fn copy(&mut self) {
        self.copy = Some(Box::new(self.store.clone()));
    }

    /// The state in that copy, if there is one.
    pub fn copied(&self) -> Option<&State> {
        self.copy.as_deref().map(|copy| &copy.state)
    }

    /// What its clock shows.
    pub fn clock(&self, now: Time) -> Time {
        shown(now, self.ahead_ms)
    }

    /// What both of its clocks show.
    fn clocks(&self, now: Time) -> Now {
        Now {
            wall: self.clock(now),
            monotonic: now.since(START) - self.stood,
        }
    }

    /// When it next has something to do.
    pub fn due_at(&self) -> Option<Time> {
        self.core.as_ref().filter(|_| self.asleep_since.is_none())?;
        self.wakes_at
    }

    /// Notes that it is there, by the time that counts.
    pub fn note_up(&mut self, now: Time) {
        let clocks = self.clocks(now);
        if let Some(core) = self.core.as_ref().filter(|_| self.asleep_since.is_none()) {
            self.store.up = Some(core.up(clocks));
        }
    }

    /// What the nodes should come to.
    pub fn generation(&self) -> Generation {
        self.store.state.head.generation
    }

    /// What the process has yet to do.
    pub fn pending(&self) -> impl std::fmt::Debug {
        (&self.wanted, &self.made, self.makes_keys)
    }

    fn crash(&mut self) {
        self.core = None;
        self.bundle = None;
        self.fuse = None;
        self.wanted.clear();
        self.made.clear();
    }
}

impl World {
    /// Starts the leader's process on what is durable.
    pub fn start_leader(&mut self) {
        self.wake_leader();
        let Store {
            state,
            seen,
            next_seq,
            up,
            ..
        } = self.leader.store.clone();
        self.leader.core = Some(Leader::new(state, seen, next_seq));
        let (clock, skew) = (self.leader.clock(self.now), self.leader.store.state.settings.clock_skew());
        self.oracle.leader_started(self.now, clock, up.map(|up| up.at), skew);
        let settings = self.config.settings.clone();
        self.lead(vec![Input::Start { last_up: up, settings }]);
        self.leader.note_up(self.now);
        self.settle();
    }

    /// Sets the leader's wall clock to be this far ahead of the time, in milliseconds.
    pub fn set_leader_clock(&mut self, ahead_ms: i64) {
        self.look_at_clocks_soon();
        self.leader.ahead_ms = ahead_ms;
        self.oracle
            .leader_clock_moved(ahead_ms, self.leader.store.state.settings.clock_skew());
    }

    /// The leader's machine stands still: its streams stand, and nothing comes of them.
    pub fn put_leader_to_sleep(&mut self) {
        self.leader.asleep_since = Some(self.now);
    }

    /// It goes on, with both of its clocks as they stood.
    pub fn wake_leader(&mut self) {
        let Some(since) = self.leader.asleep_since.take() else {
            return;
        };
        let slept = self.now.since(since);
        self.leader.stood = self.leader.stood + slept;
        let behind = i64::try_from(slept.0).expect("no sleep takes so long");
        let skew = self.leader.store.state.settings.clock_skew();
        self.oracle.leader_slept(behind, skew);
        self.leader.ahead_ms -= behind;
        self.look_at_clocks_soon();
    }

    /// A process that works looks at its clocks within seconds.
    fn look_at_clocks_soon(&mut self) {
        let soon = self.now + Span::secs(1);
        self.leader.wakes_at = Some(self.leader.wakes_at.map_or(soon, |at| at.min(soon)));
    }

    /// Ends the leader's process as a crash does.
    pub fn crash_leader(&mut self) {
        self.leader.crash();
        for name in self.names() {
            self.cut(&name);
        }
    }

    /// The leader's machine is put back to the copy that was kept of it.
    pub fn set_leader_back(&mut self) {
        self.crash_leader();
        let copy = *self.leader.copy.take().expect("a copy was kept");
        self.oracle.leader_set_back(&self.leader.store.state, &copy.state);
        self.leader.store = copy;
    }

    /// Whether no machine remembers what the leader's log does not hold.
    pub fn is_of_one_story(&self) -> bool {
        let remembered = |node: &Node| node.disk.trusted.as_ref()?.checkpoint;
        let mut checkpoints = self.nodes.values().filter_map(remembered);
        checkpoints.all(|head| self.leader.store.log.holds(head))
    }

    /// Asks the leader; no answer where it crashed before it gave one, or does not run.
    pub fn ask(&mut self, command: &Command) -> Option<Answer> {
        self.leader.core.as_ref().filter(|_| self.leader.asleep_since.is_none())?;
        let request = "a request".to_owned();
        let actor = Actor::User {
            uid: 0,
            name: "root".to_owned(),
        };
        self.leader.answer = None;
        self.witness();
        self.oracle.asks(command);
        self.lead(vec![Input::Ask(Ask {
            ticket: Ticket(0),
            actor,
            request,
            command: command.clone(),
        })]);
        let answer = self.leader.answer.take();
        self.oracle.asked(command, answer.as_ref(), &self.leader.store.state);
        self.settle();
        answer
    }

    /// Steps the leader's core through `inputs` and carries out what follows, in order.
    pub fn lead(&mut self, inputs: Vec<Input>) {
        let mut inputs: VecDeque<Input> = inputs.into();
        inputs.push_back(Input::Settle);
        while let Some(input) = inputs.pop_front() {
            let clocks = self.leader.clocks(self.now);
            let Some(core) = &mut self.leader.core else { return };
            if let Input::Report { enrolment, report, .. } = &input {
                self.oracle.reported(*enrolment, report, &self.leader.store.state, clocks);
            }
            for effect in core.step(input, clocks) {
                if self.leader.fuse == Some(0) {
                    return self.crash_leader();
                }
                self.leader.fuse = self.leader.fuse.map(|left| left - 1);
                if matches!(effect, Effect::Observe(_)) {
                    inputs.push_back(Input::Settled);
                }
                self.carry_out(effect);
            }
        }
        if let Some(core) = &self.leader.core {
            self.oracle.compare(core, &self.leader.store);
        }
        let clocks = self.leader.clocks(self.now);
        let wakes_in = self.leader.core.as_ref().and_then(|core| core.wakes_in(clocks));
        self.leader.wakes_at = wakes_in.map(|left| self.now + left);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Commit(commit) => {
                let clocks = self.leader.clocks(self.now);
                if let (Some(told), None) = (&mut self.told, &self.oracle.broken) {
                    let line = |event: &Event| format!("{} {event:?}", self.now);
                    told.extend(commit.records.iter().map(|record| line(&record.event)));
                }
                self.oracle
                    .decided(&self.leader.store, &commit, clocks, self.now, &self.nodes);
                let store = &mut self.leader.store;
                let kept = commit.keep.iter().filter(|kid| self.leader.made.remove(*kid));
                store.privates.extend(kept.cloned());
                store.record(&commit);
                store.state = commit.state;
            }
            Effect::Destroy(kids) => self.leader.store.privates.retain(|kid| !kids.contains(kid)),
            Effect::Observe(rows) => self.leader.store.seen.extend(rows),
            Effect::Forget(enrolment) => self.forget(enrolment),
            Effect::Publish => self.publish(),
            Effect::MakeKey { profile, serial } => self.leader.wanted.push_back((*profile, serial)),
            Effect::Drop(kid) => {
                self.leader.made.remove(&kid);
            }
            Effect::Reply { answer, .. } => {
                self.oracle.replied(&answer);
                self.leader.answer = Some(answer);
            }
            Effect::Answer { node, enrolment, answer } => self.send(&node, enrolment, Down::Answer(answer)),
            // Nothing is certified in this world, so no CA is replaced.
            Effect::Note(_) | Effect::MakeCa { .. } | Effect::Certify | Effect::DestroyCas(_) => {}
        }
    }

    fn forget(&mut self, enrolment: Enrolment) {
        self.leader.store.seen.remove(&enrolment);
        let of_it = self.nodes.values().filter(|node| node.link.stream == Some(enrolment));
        for name in of_it.map(|node| node.name.clone()).collect::<Vec<_>>() {
            self.cut(&name);
        }
    }

    /// Sends what is durable to every stream.
    fn publish(&mut self) {
        let set = self.leader.store.state.key_set();
        let privates: BTreeSet<Kid> = set.carried().cloned().collect();
        if let Some(kid) = privates.difference(&self.leader.store.privates).next() {
            self.oracle
                .breaks("R8", format!("the private half of {kid} is to be sent, and is destroyed"));
            return;
        }
        let bundle = Arc::new(keys::bundle(set, &privates));
        self.oracle.published(&bundle);
        self.leader.bundle = Some(bundle.clone());
        let streams = self
            .nodes
            .values()
            .filter_map(|node| Some((node.name.clone(), node.link.stream?)));
        let state = &self.leader.store.state;
        let is_new_term = state
            .adoptions
            .last()
            .is_some_and(|adoption| adoption.generation == state.head.generation);
        let epoch = state.epoch;
        for (name, enrolment) in streams.collect::<Vec<_>>() {
            if is_new_term {
                self.send(&name, enrolment, Down::Welcome(epoch));
            }
            self.send(
                &name,
                enrolment,
                Down::Generation(bundle.clone(), self.leader.store.log.clone()),
            );
        }
    }

    /// The generation that a new stream is sent.
    pub fn newest_bundle(&self) -> Option<Arc<Bundle>> {
        self.leader.bundle.clone()
    }

    /// Makes the keys that are asked for. Says whether there were any.
    pub fn make_keys(&mut self) -> bool {
        if self.leader.core.is_none() || !self.leader.makes_keys || self.leader.asleep_since.is_some() {
            return false;
        }
        let Some((profile, serial)) = self.leader.wanted.pop_front() else {
            return false;
        };
        self.leader.keys_made += 1;
        let key = keys::public(self.leader.keys_made, profile.spec);
        self.leader.made.insert(key.kid.clone());
        self.lead(vec![made(profile.name, serial, key)]);
        true
    }
}

fn made(profile: ProfileName, serial: u64, key: PublicKey) -> Input {
    let key = Box::new(key);
    Input::KeyMade { profile, serial, key }
}
