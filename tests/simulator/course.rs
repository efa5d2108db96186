//! One course of a fleet: what happened in it, and whether a rule was broken.

use std::collections::{BTreeMap, BTreeSet};

use jkeys::lifecycle::Phase;
use jkeys::types::{Kid, Span, Time};

use crate::weather::{Bounds, Weather};
use crate::world::act::{Act, Who};
use crate::world::oracle::Broken;
use crate::world::{START, World};

/// What a course came to.
#[derive(Debug)]
pub struct Course {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// How it was drawn.
    pub weather: Weather,
    /// What happened, and when. Performed again in the same world, it comes to the same end.
    pub acts: Vec<(Time, Act)>,
    /// How long the fleet was there.
    pub lasted: Span,
    /// How long its nodes were there, together.
    pub node_time: Span,
    /// How often a key took over.
    pub takeovers: usize,
    /// Whether the leader was halted in the end.
    pub halted: bool,
    /// The first rule that was broken.
    pub broken: Option<Broken>,
}

impl Course {
    /// The course of a seed.
    pub fn of(seed: u64, bounds: Bounds) -> Self {
        let weather = Weather::of(seed, bounds);
        let mut running = Running::new(&weather, weather.clone());
        while running.world.oracle.broken.is_none() && running.happens_next() {}
        running.end(seed, weather)
    }

    /// The shortest course that breaks the same rule and was found by leaving acts out of this one.
    pub fn shortened(&self) -> Vec<(Time, Act)> {
        let mut acts = self.acts.clone();
        let mut size = acts.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < acts.len() {
                let mut fewer = acts.clone();
                fewer.drain(at..(at + size).min(acts.len()));
                if self.breaks_too(&fewer) {
                    acts = fewer;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        acts
    }

    fn breaks_too(&self, acts: &[(Time, Act)]) -> bool {
        let rule = self.broken.as_ref().map(|broken| broken.rule);
        let again = self.performed_again(acts, false);
        again.oracle.broken.as_ref().map(|broken| broken.rule) == rule
    }

    /// The world in which these acts happen, and nothing else does, up to the end of this course. It tells what the leader decided if
    /// that is asked.
    pub fn performed_again(&self, acts: &[(Time, Act)], tell: bool) -> World {
        let mut world = begin(&self.weather);
        world.told = tell.then(Vec::new);
        for (at, act) in acts {
            world.advance(*at);
            if world.oracle.broken.is_some() {
                return world;
            }
            if act.is_open(&world) {
                act.perform(&mut world);
            }
        }
        world.advance(START + self.lasted);
        if world.oracle.broken.is_none() {
            world.recover();
        }
        world
    }
}

fn begin(weather: &Weather) -> World {
    let mut world = World::new(weather.config());
    for who in 0..weather.nodes {
        world.join(&Who(who).name());
    }
    world
}

/// A course that goes on.
struct Running {
    weather: Weather,
    world: World,
    /// What is to come of what has happened, in its order.
    to_come: BTreeMap<(Time, usize), Act>,
    /// When the next fault or request comes.
    next_at: Time,
    acts: Vec<(Time, Act)>,
    counted: usize,
    node_time: Span,
    took_over: BTreeSet<Kid>,
}

impl Running {
    fn new(weather: &Weather, mut draws: Weather) -> Self {
        let next_at = START + draws.next_in();
        Self {
            world: begin(weather),
            weather: draws,
            to_come: BTreeMap::new(),
            next_at,
            acts: Vec::new(),
            counted: 0,
            node_time: Span(0),
            took_over: BTreeSet::new(),
        }
    }

    /// Lets time pass until the next act, and lets that happen. Says whether there was one before the end.
    fn happens_next(&mut self) -> bool {
        let due = self.to_come.keys().next().map(|(at, _)| *at);
        let at = due.unwrap_or(self.next_at).min(self.next_at);
        if at > self.weather.ends_at() {
            self.advance(self.weather.ends_at());
            return false;
        }
        self.advance(at);
        if self.world.oracle.broken.is_some() {
            return false;
        }
        if at == self.next_at {
            self.next_at = at + self.weather.next_in();
            for (later, act) in self.weather.draw() {
                self.plan(at + later, act);
            }
        }
        while let Some(entry) = self.to_come.first_entry().filter(|entry| entry.key().0 <= at) {
            let act = entry.remove();
            if act.is_open(&self.world) {
                self.acts.push((at, act));
                act.perform(&mut self.world);
            }
        }
        self.restart_what_ended(at);
        true
    }

    fn plan(&mut self, at: Time, act: Act) {
        self.counted += 1;
        self.to_come.insert((at, self.counted), act);
    }

    /// What systemd does.
    fn restart_what_ended(&mut self, now: Time) {
        let agents = (0..u8::MAX).map(Who).map_while(|who| {
            let may_be = who.0 < self.weather.nodes + 3;
            may_be.then_some(Act::StartAgent(who))
        });
        let starts: Vec<Act> = agents
            .chain([Act::StartLeader])
            .filter(|start| start.is_open(&self.world) && !self.to_come.values().any(|act| act == start))
            .collect();
        for start in starts {
            let at = now + self.weather.restarts_in();
            self.plan(at, start);
        }
    }

    fn advance(&mut self, until: Time) {
        let nodes = self.world.nodes.len() as u64;
        self.node_time = self.node_time + until.since(self.world.now) * nodes;
        self.world.advance(until);
        let keys = self.world.leader.store.state.keys.values();
        let in_use = keys.filter(|key| matches!(key.phase, Phase::Active { .. } | Phase::Published { .. }));
        self.took_over.extend(in_use.map(|key| key.kid().clone()));
    }

    fn end(mut self, seed: u64, weather: Weather) -> Course {
        let lasted = self.world.now.since(START);
        if self.world.oracle.broken.is_none() {
            self.world.recover();
        }
        Course {
            seed,
            weather,
            acts: self.acts,
            lasted,
            node_time: self.node_time,
            takeovers: self.took_over.len(),
            halted: self.world.leader.store.state.halted.is_some(),
            broken: self.world.oracle.broken,
        }
    }
}
