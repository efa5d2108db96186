//! The course of things: the leader's own core in virtual time, among nodes that confirm at once and keys that are made at once.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::happening;
use crate::leader::core::{Ask, Effect, Input, LastUp, Leader, Ticket};
use crate::lifecycle::{Command, Event, Installed, KeySet, Papers, Report, Settings, State, Switches, View, next_due, view};
use crate::rpc::documents::PlannedKey;
use crate::types::{Actor, Digest, Enrolment, Kid, NodeName, Now, ProfileName, PublicKey, Seq, Span, Time, WitnessKey};

/// How many events a course goes through at most. A fast schedule has thousands in a day, and nobody reads them.
const MOST_EVENTS: usize = 1000;
/// How many reports it makes at most: a fleet of ten thousand nodes is looked at for weeks, not for years.
const MOST_REPORTS: usize = 500_000;

/// A leader and its nodes, from now on.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pub(super) leader: Leader,
    began: Now,
    pub(super) clock: Time,
    pub(super) nodes: BTreeMap<NodeName, Ideal>,
    to_come: BTreeMap<Kid, u64>,
    made: BTreeMap<ProfileName, u64>,
    reports: usize,
    decisions: usize,
    history: Vec<Moment>,
    fullest: BTreeMap<ProfileName, usize>,
    fullest_of_all: usize,
}

/// A node that does at once what it is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Ideal {
    pub(super) reported: Option<(Installed, Time)>,
    pub(super) switches: Switches,
    /// What it last said of its papers, as far as that mattered.
    pub(super) papers: Option<Papers>,
}

/// One event of a course, with what the leader knew of nodes that do not answer.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// When it was decided.
    pub(super) at: Time,
    /// What was decided.
    pub(super) event: Event,
    /// Nodes in service at that time that do not answer.
    pub(super) absent: Vec<NodeName>,
}

impl Course {
    /// The course of `leader` from `began` on. The nodes of `answering` answer, all others stay silent.
    pub(super) fn new(leader: Leader, answering: &BTreeSet<NodeName>, began: Now) -> Self {
        let switches = |node: &NodeName| {
            let confirmed = leader.sighting(node).and_then(|sighting| sighting.confirmed.clone());
            let current = confirmed.filter(|confirmed| confirmed.generation == leader.state().head.generation);
            current.map(|confirmed| confirmed.switches).unwrap_or_default()
        };
        let ideal = |node: &NodeName| Ideal {
            switches: switches(node),
            ..Ideal::default()
        };
        let nodes = answering.iter().map(|node| (node.clone(), ideal(node))).collect();
        let mut course = Self {
            leader,
            began,
            clock: began.wall,
            nodes,
            to_come: BTreeMap::new(),
            made: BTreeMap::new(),
            reports: 0,
            decisions: 0,
            history: Vec::new(),
            fullest: BTreeMap::new(),
            fullest_of_all: 0,
        };
        course.measure();
        course
    }

    /// The course of a fleet that is founded at `clock` with `settings`, and whose `nodes` all join then.
    pub(super) fn founded(settings: &Settings, nodes: u16, clock: Time) -> Self {
        let leader = Leader::new(State::default(), BTreeMap::new(), Seq(0));
        let mut course = Self::new(leader, &BTreeSet::new(), clock.into());
        course.start(None, settings.clone());
        for number in 1..=nodes {
            course.join(format!("node-{number}").parse().expect("it is a valid name"));
        }
        course.rest();
        course
    }

    fn join(&mut self, node: NodeName) {
        let token = Digest::of(node.as_str().as_bytes());
        let expires_at = self.clock + Span::hours(1);
        let issue = Command::IssueToken {
            token,
            node: node.clone(),
            expires_at,
            only_new_name: false,
        };
        let enrol = Command::Enrol {
            token,
            node: node.clone(),
            tls_key: token,
            witness_key: WitnessKey(token.0),
        };
        for command in [issue, enrol] {
            self.ask(command);
        }
        self.nodes.insert(node, Ideal::default());
    }

    /// The leader is started, after it was there last at `last_up`.
    pub(super) fn start(&mut self, last_up: Option<Time>, settings: Settings) {
        let last_up = last_up.map(LastUp::from);
        self.step(Input::Start { last_up, settings });
    }

    /// An operator asks.
    pub(super) fn ask(&mut self, command: Command) {
        self.step(Input::Ask(Ask {
            ticket: Ticket(0),
            actor: Actor::Schedule,
            request: String::new(),
            command,
        }));
    }

    /// What has happened, in order.
    pub(super) fn history(&self) -> &[Moment] {
        &self.history
    }

    /// How many keys stood in the JWKS at most, in each profile and in all.
    pub(super) fn fullest(&self) -> (&BTreeMap<ProfileName, usize>, usize) {
        (&self.fullest, self.fullest_of_all)
    }

    /// How a plan names a key.
    pub(super) fn name_of(&self, kid: &Kid) -> PlannedKey {
        let to_come = self.to_come.get(kid).copied();
        to_come.map_or_else(|| PlannedKey::Kid(kid.clone()), PlannedKey::Next)
    }

    /// Whether it has gone on for as long as it may.
    pub(super) fn is_spent(&self) -> bool {
        self.history.len() >= MOST_EVENTS || self.reports >= MOST_REPORTS
    }

    /// Goes on until `until`, or until it is spent.
    pub(super) fn run(&mut self, until: Time) {
        self.rest();
        while self.clock < until && !self.is_spent() {
            let state = self.leader.state();
            // No node that answers is ever silent for so long that it leaves service.
            let heartbeat = self.clock + Span((state.settings.straggler_after().0 / 2).max(1));
            let due = next_due(state, self.leader.seen(), self.clock).unwrap_or(until);
            let renewed = self.renewed_by().filter(|at| *at > self.clock).unwrap_or(until);
            self.clock = due.min(heartbeat).min(renewed).min(until);
            self.rest();
        }
    }

    /// Everything that happens at this instant.
    fn rest(&mut self) {
        loop {
            let before = self.decisions;
            self.step(Input::Woke);
            let making: Vec<(ProfileName, u64)> = self
                .leader
                .in_the_making()
                .map(|(profile, serial)| (profile.clone(), serial))
                .collect();
            for (profile, serial) in making {
                self.make_key(profile, serial);
            }
            if let Some(number) = self.leader.ca_in_the_making() {
                self.make_ca(number);
            }
            let reported = self.report();
            if self.decisions == before && !reported {
                return;
            }
        }
    }

    fn make_key(&mut self, profile: ProfileName, serial: u64) {
        let Some(spec) = self
            .leader
            .state()
            .settings
            .profiles
            .get(&profile)
            .map(|profile| profile.spec)
        else {
            self.step(Input::KeyFailed { profile, serial });
            return;
        };
        let number = self.made.entry(profile.clone()).or_default();
        *number += 1;
        // No other key was made by this name: of one profile no two are made at once.
        let kid = format!("next-{}-{number}-{profile}", self.clock.0);
        let kid: Kid = kid.parse().expect("it is a valid kid");
        self.to_come.insert(kid.clone(), *number);
        let jwk = BTreeMap::from([("kid".to_owned(), kid.to_string())]);
        let key = Box::new(PublicKey {
            thumbprint: kid.to_string(),
            kid,
            spec,
            jwk: jwk.try_into().expect("a kid is public"),
            certificate_der: Vec::new(),
        });
        self.step(Input::KeyMade { profile, serial, key });
    }

    /// Each node that has something new to say says it, or that it is well where that is due. Says whether anything came of it.
    fn report(&mut self) -> bool {
        let set = self.leader.state().key_set();
        let heartbeat = Span(self.leader.state().settings.straggler_after().0 / 4);
        let mut views: BTreeMap<Switches, (View, Installed)> = BTreeMap::new();
        let mut reports = Vec::new();
        for (name, node) in &mut self.nodes {
            let Some(enrolment) = self.leader.state().nodes.get(name).map(|row| row.enrolment) else {
                continue;
            };
            if node
                .reported
                .as_ref()
                .is_some_and(|(before, _)| before.generation != set.generation)
            {
                node.switches.clear();
            }
            let (view, installed) = views
                .entry(node.switches.clone())
                .or_insert_with(|| whole(&set, &node.switches, self.clock));
            node.switches.clone_from(&view.switches);
            let current = |(before, at): &(Installed, Time)| before == installed && self.clock.since(*at) < heartbeat;
            if node.reported.as_ref().is_some_and(current) {
                continue;
            }
            node.reported = Some((installed.clone(), self.clock));
            reports.push((name.clone(), enrolment, installed.clone()));
        }
        self.reports += reports.len();
        for (node, enrolment, installed) in reports {
            self.send(node, enrolment, installed);
        }
        self.tell_papers();
        let observed = self.step(Input::Settle);
        if observed {
            self.step(Input::Settled);
        }
        observed
    }

    fn send(&mut self, node: NodeName, enrolment: Enrolment, installed: Installed) {
        let report = Report {
            sent_at: self.clock,
            highest_epoch: self.leader.state().epoch,
            highest_generation: installed.generation,
            checkpoint: None,
            gone: BTreeSet::new(),
            refused: None,
            installed: Some(installed),
            problem: None,
            failing: Vec::new(),
        };
        self.step(Input::Report { node, enrolment, report });
    }

    /// Says whether there is something new to observe.
    pub(super) fn step(&mut self, input: Input) -> bool {
        let mut observes = false;
        // Both clocks go on alike.
        let now = Now {
            wall: self.clock,
            monotonic: self.began.monotonic + self.clock.since(self.began.wall),
        };
        for effect in self.leader.step(input, now) {
            observes |= matches!(effect, Effect::Observe(_));
            if let Effect::Commit(commit) = effect {
                let in_service = commit.state.in_service().map(|(name, ..)| name);
                let absent: Vec<NodeName> = in_service.filter(|name| !self.nodes.contains_key(*name)).cloned().collect();
                let shown = commit.records.into_iter().filter(|record| happening(&record.event).is_some());
                self.history.extend(shown.map(|record| Moment {
                    at: record.time,
                    event: record.event,
                    absent: absent.clone(),
                }));
                self.decisions += 1;
                self.measure();
            }
        }
        observes
    }

    fn measure(&mut self) {
        let set = self.leader.state().key_set();
        let published: Vec<_> = set.members.iter().filter(|member| member.stage.is_published()).collect();
        let mut now: BTreeMap<&ProfileName, usize> = BTreeMap::new();
        for member in &published {
            *now.entry(&member.profile).or_default() += 1;
        }
        for (profile, count) in now {
            let most = self.fullest.entry(profile.clone()).or_default();
            *most = (*most).max(count);
        }
        self.fullest_of_all = self.fullest_of_all.max(published.len());
    }
}

/// What a node that holds `set` reads back.
fn whole(set: &KeySet, switches: &Switches, now: Time) -> (View, Installed) {
    let view = view(set, switches, now);
    let installed = Installed::whole(&view);
    (view, installed)
}
