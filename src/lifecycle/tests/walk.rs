//! Random walks through a fleet's life. Every decision is held against what really happened on the nodes, by an oracle that knows
//! nothing of how the rules count.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bench::*;
use super::walk_fleet::{Machine, Truth};
use super::walk_settings::{Variant, assert_not_retimed};
use crate::lifecycle::*;
use crate::types::*;

const NODES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone, Copy)]
enum Act {
    Pass { mins: u64, confirming: [bool; 4] },
    Report { node: usize, how: How },
    Join { node: usize, ahead_secs: i64 },
    Restart { away_mins: u64 },
    ClockBack { mins: u64 },
    RotateNow { take: bool, force: bool },
    RotateEncryption { force: bool },
    Compromised { key: usize, destroy: bool },
    CompromisedAll { destroy: bool },
    Revoke { key: usize, destroy: bool },
    Hasten,
    Configure(Variant),
}

#[derive(Debug, Clone, Copy)]
enum How {
    Good,
    Stale,
    HookFailed,
    Damaged,
    Lost,
}

fn act() -> impl Strategy<Value = Act> {
    let how = prop_oneof![
        4 => Just(How::Good),
        2 => Just(How::Stale),
        2 => Just(How::HookFailed),
        1 => Just(How::Damaged),
        1 => Just(How::Lost)
    ];
    let confirming = prop::array::uniform4(prop::bool::weighted(0.85));
    prop_oneof![
        20 => (1..600u64, confirming).prop_map(|(mins, confirming)| Act::Pass { mins, confirming }),
        8 => (0..4usize, how).prop_map(|(node, how)| Act::Report { node, how }),
        3 => (0..4usize, -240..240i64).prop_map(|(node, ahead_secs)| Act::Join { node, ahead_secs }),
        2 => (1..1500u64).prop_map(|away_mins| Act::Restart { away_mins }),
        1 => (1..120u64).prop_map(|mins| Act::ClockBack { mins }),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(take, force)| Act::RotateNow { take, force }),
        2 => any::<bool>().prop_map(|force| Act::RotateEncryption { force }),
        1 => (0..8usize, any::<bool>()).prop_map(|(key, destroy)| Act::Compromised { key, destroy }),
        1 => any::<bool>().prop_map(|destroy| Act::CompromisedAll { destroy }),
        1 => (0..8usize, any::<bool>()).prop_map(|(key, destroy)| Act::Revoke { key, destroy }),
        2 => Just(Act::Hasten),
        3 => Variant::any().prop_map(Act::Configure),
    ]
}

struct Walk {
    bench: Bench,
    machines: BTreeMap<NodeName, Machine>,
    truths: BTreeMap<Enrolment, Truth>,
    replayed: State,
    /// How far the clock was put back in all: what it shows and this make a time that never goes back.
    put_back: Span,
    checked: usize,
    revoked: BTreeSet<Kid>,
    /// Encryption keys that the promise is not about: published against rule E1, or destroyed on demand.
    without_promise: BTreeSet<Kid>,
}

impl Walk {
    fn new() -> Self {
        let bench = Bench::started(&[RSA, ENC]);
        Self {
            bench,
            machines: BTreeMap::new(),
            truths: BTreeMap::new(),
            replayed: State::default(),
            put_back: Span(0),
            checked: 0,
            revoked: BTreeSet::new(),
            without_promise: BTreeSet::new(),
        }
    }

    fn take(&mut self, act: Act) {
        match act {
            Act::Pass { mins, confirming } => self.pass(Span::mins(mins), confirming),
            Act::Report { node, how } => self.report(NODES[node], how),
            Act::Join { node, ahead_secs } => {
                self.bench.join(NODES[node]);
                self.machines.insert(name(NODES[node]), Machine::new(ahead_secs * 1000));
            }
            Act::Restart { away_mins } => {
                let last_up = Some(self.bench.now);
                self.advance(self.bench.now + Span::mins(away_mins));
                self.ask(&Command::Start { last_up });
            }
            Act::ClockBack { mins } => {
                self.bench.now = self.bench.now - Span::mins(mins);
                self.put_back = self.put_back + Span::mins(mins);
            }
            Act::RotateNow { take, force } => {
                let standby = self
                    .bench
                    .state
                    .prepublished(&profile(RSA))
                    .last()
                    .map(|key| key.kid().clone());
                self.rotate(RotateNow {
                    take: standby.filter(|_| take),
                    force,
                    ..superseded()
                });
            }
            Act::RotateEncryption { force } => self.rotate(RotateNow {
                profiles: vec![profile(ENC)],
                force,
                ..superseded()
            }),
            Act::Compromised { key, destroy } => {
                if let Some(kid) = self.kid(key) {
                    self.rotate(compromised(Compromised::Key(kid), destroy));
                }
            }
            Act::CompromisedAll { destroy } => self.rotate(compromised(Compromised::All, destroy)),
            Act::Revoke { key, destroy } => {
                if let Some(kid) = self.kid(key) {
                    let (reason, comment) = (Reason::Superseded, None);
                    self.ask(&Command::Revoke {
                        kid,
                        reason,
                        comment,
                        destroy,
                    });
                }
            }
            Act::Hasten => self.ask(&Command::Hasten {
                profiles: vec![],
                why: Why::default(),
            }),
            Act::Configure(variant) => {
                let before = self.bench.state.clone();
                self.ask(&Command::Configure(variant.settings()));
                assert_not_retimed(&before, &self.bench.state);
            }
        }
        self.bench.settle();
        self.check();
    }

    fn kid(&self, index: usize) -> Option<Kid> {
        self.bench.state.keys.keys().nth(index).cloned()
    }

    /// A refusal is an answer too; what it must not do is change anything.
    fn ask(&mut self, command: &Command) {
        let before = self.bench.state.clone();
        if self.bench.run(command).is_err() {
            assert_eq!(self.bench.state, before);
        }
    }

    fn rotate(&mut self, request: RotateNow) {
        self.ask(&Command::RotateNow(request));
    }

    fn pass(&mut self, span: Span, confirming: [bool; 4]) {
        let until = self.bench.now + span;
        while self.bench.now < until {
            let (state, now) = (&self.bench.state, self.bench.now);
            let due = next_due(state, &self.bench.seen, now).unwrap_or(until);
            self.advance(until.min(now + Span::mins(30)).min(due));
            self.bench.settle();
            self.check();
            for (node, _) in NODES.iter().zip(confirming).filter(|(_, confirms)| *confirms) {
                self.report(node, How::Good);
            }
            self.bench.settle();
            self.check();
        }
    }

    /// Time passes on every node as well; what was so until now is noted.
    fn advance(&mut self, to: Time) {
        self.bench.now = to;
        self.witness();
        for machine in self.machines.values_mut() {
            machine.turn(to);
        }
        self.witness();
    }

    fn witness(&mut self) {
        let (at, published) = (self.bench.now + self.put_back, self.bench.published());
        for (name, node, _) in self.bench.state.in_service() {
            let truth = self.truths.entry(node.enrolment).or_default();
            self.machines[name].witness(truth, &published, at);
        }
    }

    fn report(&mut self, node: &str, how: How) {
        self.witness();
        let (set, now, some_kid) = (self.bench.state.key_set(), self.bench.now, self.kid(0));
        let Some(machine) = self.machines.get_mut(&name(node)) else {
            return;
        };
        match how {
            How::Good => machine.install(set, now, true),
            How::HookFailed => machine.install(set, now, false),
            How::Damaged => machine.damage(some_kid),
            How::Lost => machine.lose_disk(),
            How::Stale => {}
        }
        let installed = machine.installed();
        self.witness();
        self.bench.report(node, installed);
    }

    /// Holds every decision since the last time against the truth, and the state against the records.
    fn check(&mut self) {
        let new = self.bench.decisions.split_off(self.checked);
        for (at, events) in &new {
            let generation = self.replayed.head.generation;
            let revoked = events.iter().filter(|event| matches!(event, Event::Revoked { .. }));
            self.revoked.extend(revoked.filter_map(|event| event.kid().cloned()));
            for event in events {
                self.note_exception(event);
                self.check_event(event, *at);
            }
            self.replayed.apply(events, *at);
            let risen = self.replayed.head.generation.0 - generation.0;
            assert!(risen <= 1, "one generation a decision: {events:?}");
            assert!(risen == 1 || !events.iter().any(Event::changes_nodes));
        }
        self.bench.decisions.extend(new);
        self.checked = self.bench.decisions.len();
        assert_eq!(self.replayed, self.bench.state, "the records rebuild the state");
        let keys: Vec<&Key> = self.bench.state.keys.values().collect();
        for key in &keys {
            let active = |other: &&&Key| other.profile == key.profile && other.phase.name() == "active";
            assert!(keys.iter().filter(active).count() <= 1, "R4");
            let back = self.revoked.contains(key.kid()) && !matches!(key.phase, Phase::Unpublished { revoked: true, .. });
            assert!(!back, "a revoked key never comes back");
        }
        self.check_decryption();
        assert!(keys.len() <= MAX_PUBLISHED, "T6");
    }

    fn check_event(&self, event: &Event, at: Time) {
        match event {
            Event::Armed { kid, activate_at, .. } => self.check_r1(kid, *activate_at + self.put_back),
            Event::Activated { kid, cause, since, .. } => match cause {
                Cause::Emergency { .. } => self.check_r1(kid, self.bench.now + self.put_back),
                Cause::Bootstrap => assert!(!self.replayed.ever_confirmed, "R1: no bootstrap in a live fleet"),
                Cause::Scheduled => {
                    let armed = matches!(self.replayed.keys[kid].phase, Phase::Armed { activate_at } if activate_at == *since);
                    assert!(armed && *since <= at, "R2: {kid} was armed for {since}, and it is {at}");
                }
                Cause::Compromised { .. } => assert!(self.lost_its_signer(kid), "R1: nothing was revoked before {kid}"),
                Cause::Forced { .. } => {}
            },
            Event::Removed { kid, .. } => self.check_r3(kid, self.bench.now + self.put_back),
            Event::Published { kid, grounds, .. } if !matches!(grounds, Grounds::Forced { .. }) => self.check_e1(kid),
            Event::Discarded { kid, .. } => self.check_e2(kid, self.bench.now + self.put_back),
            _ => {}
        }
    }

    fn note_exception(&mut self, event: &Event) {
        let forced = matches!(
            event,
            Event::Published {
                grounds: Grounds::Forced { .. },
                ..
            }
        );
        let destroyed = matches!(
            event,
            Event::Revoked {
                private_half: PrivateHalf::Destroyed,
                ..
            }
        );
        if forced || destroyed {
            self.without_promise.extend(event.kid().cloned());
        }
    }

    /// The promise: whatever a relying party encrypts to a key that a node in service published, every node in service can open,
    /// until `decrypt_window` after the last of them published it.
    fn check_decryption(&self) {
        let now = self.bench.now + self.put_back;
        let served = self.truths.values().flat_map(|truth| &truth.served);
        for (kid, at) in served.filter(|(kid, _)| kid.as_str().starts_with(ENC) && !self.without_promise.contains(*kid)) {
            if *at + Windows::default().decrypt_window <= now {
                continue;
            }
            for (node, ..) in self.bench.state.in_service() {
                let opens = self.machines[node].decrypts(kid).unwrap_or(true);
                assert!(
                    opens,
                    "E1, E2: {kid} was published until {at}, and at {now} node {node} can't open it"
                );
            }
        }
    }

    fn check_e1(&self, kid: &Kid) {
        for (node, ..) in self.replayed.in_service() {
            let opens = self.machines[node].decrypts(kid);
            assert_eq!(opens, Some(true), "E1: node {node} can't open what is encrypted to {kid}");
        }
    }

    fn check_e2(&self, kid: &Kid, at: Time) {
        let Phase::Unpublished { .. } = self.replayed.keys[kid].phase else {
            return assert_eq!(self.replayed.keys[kid].phase, Phase::Staged, "E2: {kid} was published");
        };
        let window = self.replayed.keys[kid].windows.decrypt_window;
        for (enrolment, truth) in &self.truths {
            let served = truth.served.get(kid).copied().unwrap_or_default();
            assert!(
                served + window <= at,
                "E2: node {enrolment} published {kid} at {served}, and it is removed at {at}"
            );
        }
    }

    /// Whether a key of the same profile was revoked before.
    fn lost_its_signer(&self, kid: &Kid) -> bool {
        let profile = kid.as_str().rsplit_once('-').expect("kids of the bench name their profile").0;
        self.revoked.iter().any(|revoked| revoked.as_str().starts_with(profile))
    }

    fn check_r1(&self, kid: &Kid, signs_at: Time) {
        let min_prepublish = self.replayed.keys[kid].windows.min_prepublish;
        for (enrolment, truth) in &self.truths {
            let lacked = truth.lacked_at.get(kid).copied().unwrap_or_default();
            let early = || format!("R1: node {enrolment} served a set without {kid} at {lacked}, and it signs at {signs_at}");
            assert!(lacked + min_prepublish <= signs_at, "{}", early());
        }
        for (node, ..) in self.replayed.in_service() {
            assert!(self.machines[node].serves(kid), "R1: node {node} does not serve {kid}");
        }
    }

    fn check_r3(&self, kid: &Kid, at: Time) {
        let windows = self.replayed.keys[kid].windows;
        for (enrolment, truth) in &self.truths {
            let signed = truth.signed_at.get(kid).copied();
            let kept = signed.is_none_or(|signed| signed + windows.token_lifetime + windows.clock_skew <= at);
            assert!(
                kept,
                "R3: node {enrolment} signed with {kid} at {signed:?}, and it is removed at {at}"
            );
        }
        for (node, ..) in self.replayed.in_service() {
            assert!(
                !self.machines[node].can_sign(kid),
                "R3: node {node} can still sign with {kid}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn r1_to_r4_and_e1_and_e2_hold_on_every_walk(acts in prop::collection::vec(act(), 20..90)) {
        let mut walk = Walk::new();
        for (node, ahead_secs) in [(0, -200), (1, 0), (2, 200)] {
            walk.take(Act::Join { node, ahead_secs });
            walk.take(Act::Report { node, how: How::Good });
        }
        for act in acts {
            walk.take(act);
        }
    }
}
