//! The rotation of the CA: its steps by hand, and every order of them at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const DAY: Span = Span::hours(24);

fn facts(number: u32, now: Time) -> CaFacts {
    CaFacts {
        number,
        key: key(number),
        good_until: now + DAY * 5 * 365,
    }
}

fn key(number: u32) -> Digest {
    Digest::of(certificate(number).as_bytes())
}

fn certificate(number: u32) -> String {
    format!("ca {number}")
}

/// What is on a node's disk, and whether it runs.
#[derive(Debug, Clone, Default)]
struct Disk {
    trusts: BTreeSet<Digest>,
    certified_by: u32,
    good_until: Time,
    is_off: bool,
}

/// A fleet whose leader and nodes have certificates.
#[derive(Clone)]
struct Fleet {
    bench: Bench,
    disks: BTreeMap<String, Disk>,
}

impl Fleet {
    fn with_nodes(nodes: &[&str]) -> Self {
        let mut bench = Bench::started(&[RSA]);
        let founded = Event::Founded {
            fleet: crate::lifecycle::Fleet {
                trust_domain: "op.example".parse().unwrap(),
                ca_certificate: certificate(1),
                ca_number: 1,
                log_public_key: WitnessKey([0; 32]),
            },
        };
        bench.state.apply(std::slice::from_ref(&founded), bench.now);
        bench.decisions.push((bench.now, vec![founded]));
        let (by, good_until) = (facts(1, bench.now), bench.now + CERTIFICATE_LIFE);
        bench.run(&Command::CertifyLeader { by, good_until }).unwrap();
        let disks = BTreeMap::new();
        let mut fleet = Self { bench, disks };
        for node in nodes {
            fleet.join(node);
        }
        fleet
    }

    fn state(&self) -> &State {
        &self.bench.state
    }

    fn signing(&self) -> u32 {
        self.state().authority.signing().unwrap().facts.number
    }

    fn trusted(&self) -> BTreeSet<Digest> {
        self.state().authority.trusted().map(|ca| ca.facts.key).collect()
    }

    fn join(&mut self, node: &str) {
        self.bench.join(node);
        let disk = Disk {
            // What its token names.
            trusts: [key(self.signing())].into(),
            certified_by: self.signing(),
            good_until: self.bench.now + CERTIFICATE_LIFE,
            is_off: false,
        };
        self.disks.insert(node.to_owned(), disk);
        self.tell(node);
    }

    /// The node takes what the leader sends, and says what it has.
    fn tell(&mut self, node: &str) {
        let cas = self.state().key_set().cas;
        let disk = self.disks.get_mut(node).unwrap();
        if disk.is_off || self.bench.now > disk.good_until {
            return;
        }
        if !cas.is_empty() {
            disk.trusts = cas.iter().map(|ca| Digest::of(ca.as_bytes())).collect();
        }
        let papers = Papers {
            trusts: disk.trusts.clone(),
            certified_by: key(disk.certified_by),
            good_until: disk.good_until,
        };
        self.bench.confirm(node);
        let enrolment = self.state().nodes[&name(node)].enrolment;
        self.bench.seen.get_mut(&enrolment).unwrap().papers = Some(papers);
        self.settle();
    }

    /// The node asks for another certificate; the answer may be lost.
    fn renew(&mut self, node: &str, is_lost: bool) {
        let (now, disk) = (self.bench.now, &self.disks[node]);
        if disk.is_off || now > disk.good_until + RENEWABLE_FOR {
            return;
        }
        let good_until = now + CERTIFICATE_LIFE;
        let enrolment = self.state().nodes[&name(node)].enrolment;
        let node_name = name(node);
        let decision = self.bench.run(&Command::CertifyNode {
            node: node_name,
            enrolment,
            good_until,
        });
        let Event::NodeCertified { by, .. } = decision.unwrap().events[0] else {
            panic!("a certificate is recorded");
        };
        let disk = self.disks.get_mut(node).unwrap();
        if !is_lost {
            (disk.certified_by, disk.good_until) = (by, good_until);
        }
        self.settle();
    }

    fn rotate(&mut self) -> Result<Decision, Refusal> {
        self.bench.run(&Command::RotateCa { comment: None })
    }

    fn make(&mut self) {
        if self.state().authority.asked {
            let (number, now) = (self.state().authority.next_number(), self.bench.now);
            let (facts, certificate) = (facts(number, now), certificate(number));
            self.bench.run(&Command::CaMade { facts, certificate }).unwrap();
            self.settle();
        }
    }

    fn settle(&mut self) {
        let before = self.bench.events.len();
        self.bench.settle();
        for (_, event) in &self.bench.events[before..] {
            self.check_step(event);
        }
        self.check();
    }

    fn check_step(&self, event: &Event) {
        match event {
            Event::CaActivated { number, .. } => {
                for (node, ..) in self.state().in_service() {
                    assert!(
                        self.disks[node.as_str()].trusts.contains(&key(*number)),
                        "{node} does not trust CA {number}"
                    );
                }
            }
            Event::CaDropped { number, .. } => {
                let now = self.bench.now;
                for (node, disk) in self.known() {
                    let is_over = disk.good_until + RENEWABLE_FOR < now;
                    assert!(
                        disk.certified_by != *number || is_over,
                        "{node} has a certificate of CA {number}"
                    );
                }
                let pins = |token: &JoinToken| token.is_open(now) && token.ca == Some(*number);
                assert!(!self.state().tokens.values().any(pins), "a token pins CA {number}");
            }
            _ => {}
        }
    }

    fn known(&self) -> impl Iterator<Item = (&String, &Disk)> {
        let nodes = &self.state().nodes;
        self.disks.iter().filter(|(node, _)| nodes.contains_key(&name(node)))
    }

    /// Nobody who can still show a certificate is locked out: the leader knows its CA, and has a certificate that the node can check.
    fn check(&self) {
        let (trusted, authority) = (self.trusted(), &self.state().authority);
        let of_leader: Vec<Digest> = [authority.signing(), authority.ending().map(|(ca, _)| ca)]
            .into_iter()
            .flatten()
            .map(|ca| ca.facts.key)
            .collect();
        for (node, disk) in self
            .known()
            .filter(|(_, disk)| self.bench.now <= disk.good_until + RENEWABLE_FOR)
        {
            assert!(trusted.contains(&key(disk.certified_by)), "{node} is not let in");
            assert!(
                of_leader.iter().any(|ca| disk.trusts.contains(ca)),
                "{node} does not know its leader"
            );
        }
        let count = |phase: &str| authority.cas.iter().filter(|ca| ca.phase.name() == phase).count();
        assert_eq!(count("signing"), 1);
        assert!(count("made") + count("ending") <= 1, "one rotation at a time");
    }

    /// Lets time pass. Who runs reports each day, and renews at a third of life.
    fn pass(&mut self, days: u64) {
        for _ in 0..days {
            self.bench.now = self.bench.now + DAY;
            self.settle();
            for node in self.disks.keys().cloned().collect::<Vec<_>>() {
                if self.disks[&node].good_until < self.bench.now + DAY * 20 {
                    self.renew(&node, false);
                }
                self.tell(&node);
            }
        }
    }

    fn phases(&self) -> Vec<(u32, &'static str)> {
        let cas = &self.state().authority.cas;
        cas.iter().map(|ca| (ca.facts.number, ca.phase.name())).collect()
    }
}

#[test]
fn a_ca_signs_only_once_every_node_in_service_has_said_that_it_trusts_it() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.rotate().unwrap();
    assert_eq!(fleet.rotate(), Err(Refusal::CaRotating(2)), "one at a time");
    fleet.make();
    assert_eq!(fleet.phases(), [(1, "signing"), (2, "made")]);
    fleet.tell("a");
    assert_eq!(fleet.phases()[1], (2, "made"));
    let wait = Wait::TrustCa(2);
    assert!(fleet.state().waits.contains_key(&wait), "rule R7");
    fleet.tell("b");
    assert_eq!(fleet.phases(), [(1, "ending"), (2, "signing")]);
    assert!(!fleet.state().waits.contains_key(&wait));
    assert_eq!(fleet.state(), &fleet.bench.rebuilt());
}

#[test]
fn a_node_that_is_not_in_service_holds_no_ca_up_and_is_not_shut_out() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.disks.get_mut("b").unwrap().is_off = true;
    fleet.pass(2);
    assert!(!fleet.bench.in_service("b"));
    fleet.rotate().unwrap();
    fleet.make();
    fleet.tell("a");
    assert_eq!(fleet.phases(), [(1, "ending"), (2, "signing")]);
    fleet.pass(60);
    assert_eq!(fleet.phases()[0], (1, "ending"), "it may come back");
    fleet.disks.get_mut("b").unwrap().is_off = false;
    fleet.pass(1);
    assert_eq!(fleet.phases(), [(2, "signing")]);
}

#[test]
fn an_old_ca_goes_after_ninety_days_at_the_latest() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.disks.get_mut("b").unwrap().is_off = true;
    fleet.pass(2);
    fleet.rotate().unwrap();
    fleet.make();
    fleet.tell("a");
    fleet.pass(90);
    assert_eq!(fleet.phases()[0], (1, "ending"));
    let due = next_due(fleet.state(), &fleet.bench.seen, fleet.bench.now).unwrap();
    assert!(due <= fleet.bench.now + DAY);
    fleet.pass(1);
    assert_eq!(fleet.phases(), [(2, "signing")]);
}

#[test]
fn a_certificate_whose_answer_was_lost_does_not_end_the_old_ca() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    fleet.rotate().unwrap();
    fleet.make();
    fleet.tell("a");
    fleet.renew("a", true);
    assert_eq!(fleet.state().nodes[&name("a")].ca, Some(2), "it was signed");
    fleet.tell("a");
    assert_eq!(fleet.phases()[0], (1, "ending"), "and it is not there");
    fleet.renew("a", false);
    fleet.tell("a");
    assert_eq!(fleet.phases(), [(2, "signing")]);
}

#[test]
fn an_open_token_keeps_the_ca_that_it_pins() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    let (token, node) = (Digest([77; 32]), name("late"));
    let expires_at = fleet.bench.now + DAY * 12;
    fleet.bench.issue(token, node, expires_at);
    fleet.rotate().unwrap();
    fleet.make();
    fleet.tell("a");
    fleet.pass(11);
    assert_eq!(fleet.phases()[0], (1, "ending"));
    fleet.pass(1);
    assert_eq!(fleet.phases(), [(2, "signing")]);
}

#[test]
fn the_schedule_replaces_a_ca_before_its_end() {
    let mut fleet = Fleet::with_nodes(&[]);
    let ends_at = fleet.state().authority.signing().unwrap().facts.good_until;
    let due_at = ends_at - fleet.state().settings.ca_rotate_before;
    assert_eq!(ca_rotation_due_at(fleet.state()), Some(due_at));
    fleet.bench.now = due_at - Span(1);
    fleet.settle();
    assert!(!fleet.state().authority.asked);
    fleet.bench.now = due_at;
    fleet.settle();
    assert!(fleet.state().authority.asked);
    fleet.make();
    assert_eq!(fleet.phases(), [(2, "signing")], "there is nobody to wait for");
    fleet.settle();
    assert!(!fleet.state().authority.asked, "and the new one has long to go");
}

#[test]
fn nothing_is_replaced_by_a_leader_that_decides_nothing_and_it_certifies_all_the_same() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    fleet.rotate().unwrap();
    fleet.make();
    let halt = Halt {
        node: name("a"),
        epoch: Epoch(9),
        generation: Generation(99),
        checkpoint: None,
    };
    fleet.bench.run(&Command::NodeAhead(halt)).unwrap();
    fleet.tell("a");
    assert_eq!(fleet.phases(), [(1, "signing"), (2, "made")], "rule R5");
    assert!(matches!(fleet.rotate(), Err(Refusal::Halted(_))));
    fleet.renew("a", false);
    assert_eq!(fleet.disks["a"].certified_by, 1);
}

#[test]
fn what_no_rule_allows_of_cas_is_found_in_the_log() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    fleet.bench.pass(DAY, DAY, &[]);
    let evidence = Evidence {
        count: 0,
        exceptions: vec![].into(),
        digest: Digest([0; 32]),
    };
    let activated = Event::CaActivated {
        number: 2,
        evidence: evidence.clone(),
    };
    let dropped = |number| Event::CaDropped {
        number,
        evidence: evidence.clone(),
    };
    let made = Event::CaMade {
        facts: facts(2, START),
        certificate: certificate(2),
    };
    let asked = |number| Event::CaAsked { number, comment: None };
    let refused = |fleet: &Fleet, event: &Event| {
        let mut state = fleet.state().clone();
        state.replay(std::slice::from_ref(event), fleet.bench.now).is_err()
    };
    for event in [&activated, &dropped(1), &made, &asked(3), &Event::CaDestroyed { number: 1 }] {
        assert!(refused(&fleet, event), "{event:?}");
    }
    fleet.rotate().unwrap();
    assert!(refused(&fleet, &asked(2)));
    fleet.make();
    fleet.tell("a");
    assert_eq!(fleet.phases()[0], (1, "ending"));
    assert!(refused(&fleet, &dropped(1)), "a node has a certificate of it still");
    assert!(refused(&fleet, &dropped(2)), "it signs");
    fleet.bench.now = fleet.bench.now + CERTIFICATE_LIFE + RENEWABLE_FOR + DAY;
    assert!(!refused(&fleet, &dropped(1)));
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Rotate,
    Make,
    Tell(usize),
    Renew(usize, bool),
    Switch(usize),
    Pass(u64),
    Restart,
    Token(u64),
    Join(usize),
    End(usize),
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn act() -> impl Strategy<Value = Act> {
    let node = 0..NAMES.len();
    prop_oneof![
        2 => Just(Act::Rotate),
        4 => Just(Act::Make),
        6 => node.clone().prop_map(Act::Tell),
        3 => (node.clone(), any::<bool>()).prop_map(|(node, is_lost)| Act::Renew(node, is_lost)),
        2 => node.clone().prop_map(Act::Switch),
        4 => (1..12_u64).prop_map(Act::Pass),
        1 => Just(Act::Pass(80)),
        1 => Just(Act::Restart),
        1 => (1..30_u64).prop_map(Act::Token),
        2 => node.clone().prop_map(Act::Join),
        1 => node.prop_map(Act::End),
    ]
}

fn carry_out(fleet: &mut Fleet, act: Act, tokens: &mut u8) {
    let is_there = |fleet: &Fleet, node: usize| fleet.state().nodes.contains_key(&name(NAMES[node]));
    match act {
        Act::Rotate => drop(fleet.rotate()),
        Act::Make => fleet.make(),
        Act::Tell(node) if is_there(fleet, node) => fleet.tell(NAMES[node]),
        Act::Renew(node, is_lost) if is_there(fleet, node) => fleet.renew(NAMES[node], is_lost),
        Act::Switch(node) if is_there(fleet, node) => {
            let disk = fleet.disks.get_mut(NAMES[node]).unwrap();
            disk.is_off = !disk.is_off;
        }
        Act::Pass(days) => fleet.pass(days),
        Act::Restart => drop(
            fleet
                .bench
                .run(&Command::Start {
                    last_up: Some(fleet.bench.now),
                })
                .unwrap(),
        ),
        Act::Token(days) => {
            *tokens += 1;
            let (token, node) = (Digest([*tokens; 32]), name("never"));
            let expires_at = fleet.bench.now + DAY * days;
            fleet.bench.issue(token, node, expires_at);
        }
        Act::Join(node) => fleet.join(NAMES[node]),
        Act::End(node) if is_there(fleet, node) => {
            let (node_name, ending) = (name(NAMES[node]), Ending::Removed);
            let end = Command::EndNode {
                node: node_name,
                ending,
                comment: None,
            };
            fleet.bench.run(&end).unwrap();
            fleet.disks.remove(NAMES[node]);
        }
        _ => {}
    }
    fleet.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_no_node_is_locked_out_and_no_ca_signs_or_goes_too_early(acts in prop::collection::vec(act(), 1..60)) {
        let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
        let mut tokens = 100;
        for act in acts {
            carry_out(&mut fleet, act, &mut tokens);
        }
        prop_assert_eq!(fleet.state(), &fleet.bench.rebuilt());
        // Once all is well a rotation comes to its end.
        for node in fleet.disks.keys().cloned().collect::<Vec<_>>() {
            fleet.disks.remove(&node);
            fleet.join(&node);
        }
        fleet.make();
        fleet.pass(31);
        let phases = fleet.phases();
        prop_assert!(phases.len() == 1 && phases[0].1 == "signing", "{:?}", phases);
    }
}

#[test]
fn a_node_that_may_know_only_the_ca_that_its_token_pinned_keeps_it() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    fleet.rotate().unwrap();
    fleet.make();
    fleet.tell("a");
    fleet.renew("a", false);
    fleet.bench.join("b");
    let missing = |fleet: &Fleet| {
        CaEnding::of(fleet.state(), &fleet.bench.seen, fleet.bench.now)
            .unwrap()
            .missing
    };
    assert!(missing(&fleet).contains(&name("b")), "it has said nothing yet");
    fleet.bench.confirm("b");
    let enrolment = fleet.state().nodes[&name("b")].enrolment;
    let mut says = |trusted: &[u32]| {
        let papers = Papers {
            trusts: trusted.iter().map(|number| key(*number)).collect(),
            certified_by: key(2),
            good_until: fleet.bench.now + CERTIFICATE_LIFE,
        };
        fleet.bench.seen.get_mut(&enrolment).unwrap().papers = Some(papers);
        missing(&fleet).contains(&name("b"))
    };
    assert!(says(&[1]), "its certificate is of the new one, and it knows the old one only");
    assert!(!says(&[1, 2]));
}
