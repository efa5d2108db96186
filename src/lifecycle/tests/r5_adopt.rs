//! R5: the one deliberate way on from a state that is older than what nodes have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// A checkpoint that is not in the log.
pub fn head(size: u64) -> TreeHead {
    let root = Digest::of(&size.to_be_bytes());
    TreeHead { size, root }
}

/// `jkeys audit adopt`.
pub fn adoption(told: BTreeMap<Enrolment, Told>) -> Adopt {
    Adopt {
        comment: "restored from Monday's copy".parse().unwrap(),
        without: BTreeSet::new(),
        believe: BTreeSet::new(),
        disbelieve: BTreeSet::new(),
        told,
        seq: Seq(77),
    }
}

/// A leader that was put back to `old`, after its nodes came with it to `lost`, and was started anew and told so.
pub struct SetBack {
    pub old: Bench,
    pub lost: Bench,
}

impl SetBack {
    /// Nodes a and b in service for ten hours, a copy of the leader, then what is lost.
    pub fn after(then: impl FnOnce(&mut Bench)) -> Self {
        Self::of(Bench::with_nodes(&["a", "b"]), then)
    }

    pub fn of(bench: Bench, then: impl FnOnce(&mut Bench)) -> Self {
        Self::alone(bench, then, |_| {})
    }

    /// The same with a while in which the leader that was put back is alone.
    pub fn alone(mut bench: Bench, then: impl FnOnce(&mut Bench), meanwhile: impl FnOnce(&mut Bench)) -> Self {
        bench.pass(Span::hours(10), Span::mins(30), &["a", "b"]);
        let (mut old, mut lost) = (bench.diverged(), bench);
        then(&mut lost);
        lost.settle();
        for node in ["a", "b"] {
            lost.confirm(node);
        }
        lost.settle();
        old.now = lost.now + Span::mins(5);
        old.run(&Command::Start { last_up: None }).unwrap();
        meanwhile(&mut old);
        let halt = Halt {
            node: name("a"),
            epoch: lost.state.epoch,
            generation: lost.state.head.generation,
            checkpoint: Some(head(90)),
        };
        old.run(&Command::NodeAhead(halt)).unwrap();
        Self { old, lost }
    }

    /// What a node tells that holds all that is lost.
    pub fn tells(&self) -> Told {
        let (old, lost) = (&self.old.state, &self.lost.state);
        let set = lost.key_set();
        Told {
            epoch: lost.epoch,
            generation: lost.head.generation,
            foreign: Some(head(90)),
            refused: Some(old.head.generation),
            gone: old.keys.keys().filter(|kid| !lost.keys.contains_key(*kid)).cloned().collect(),
            shown: Some(Shown {
                gone_here: self.old.gone_for_good(),
                set: Arc::new(set),
            }),
        }
    }

    pub fn enrolment(&self, node: &str) -> Enrolment {
        self.old.state.nodes[&name(node)].enrolment
    }

    /// Both nodes tell all.
    pub fn told(&self) -> BTreeMap<Enrolment, Told> {
        ["a", "b"].map(|node| (self.enrolment(node), self.tells())).into()
    }

    pub fn adopt(&mut self) -> Vec<Event> {
        let request = adoption(self.told());
        self.old.run(&Command::Adopt(request)).unwrap().events
    }

    /// The nodes take the new generation, and time goes on.
    pub fn pass(&mut self, span: Span) {
        for node in ["a", "b"] {
            self.old.confirm(node);
        }
        self.old.settle();
        self.old.pass(span, Span::mins(30), &["a", "b"]);
    }
}

pub fn force(bench: &mut Bench) {
    let request = RotateNow {
        force: true,
        ..superseded()
    };
    bench.run(&Command::RotateNow(request)).unwrap();
    bench.settle();
    for node in ["a", "b"] {
        bench.confirm(node);
    }
    bench.settle();
}

fn phase<'a>(bench: &'a Bench, kid: &Kid) -> Option<&'a Phase> {
    bench.state.keys.get(kid).map(|key| &key.phase)
}

#[test]
fn r5_there_is_nothing_to_adopt_while_the_leader_decides() {
    let mut bench = Bench::with_nodes(&["a"]);
    let refused = bench.run(&Command::Adopt(adoption(BTreeMap::new()))).unwrap_err();
    assert_eq!(refused, Refusal::NotHalted);
}

#[test]
fn r5_an_adoption_goes_above_all_that_nodes_have_seen_and_names_what_it_gives_up() {
    let mut fleet = SetBack::after(force);
    let seen = (fleet.lost.state.epoch, fleet.lost.state.head.generation);
    let mut told = fleet.told();
    let of_b = fleet.enrolment("b");
    let b = told.get_mut(&of_b).unwrap();
    (b.epoch, b.foreign) = (Epoch(40), Some(head(80)));
    let events = fleet.old.run(&Command::Adopt(adoption(told))).unwrap().events;
    let Event::Adopted {
        epoch,
        generation,
        given_up,
        unknown,
        ..
    } = &events[0]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*epoch, given_up), (Epoch(41), &vec![head(90), head(80)]));
    assert_eq!((*generation, unknown.count), (seen.1.next(), 0));
    let state = &fleet.old.state;
    assert_eq!(
        (state.epoch, state.head.generation, state.head.epoch),
        (Epoch(41), *generation, Epoch(41))
    );
    assert_eq!(state.halted, None);
    assert_eq!(
        state.put_back_at,
        Some(state.started_at),
        "what was seen of nodes before is not all"
    );
    assert_eq!(
        (state.given_up_by(head(90)), state.given_up_by(head(80))),
        (Some(Seq(77)), Some(Seq(77)))
    );
    assert_eq!(state.given_up_by(head(91)), None);
    assert_eq!(fleet.old.rebuilt(), fleet.old.state, "r7: the records alone");
}

#[test]
fn r5_the_schedule_rests_after_an_adoption_until_nodes_have_reported() {
    let mut fleet = SetBack::after(force);
    fleet.old.now = fleet.old.now + Span::hours(60);
    fleet.adopt();
    fleet.old.settle();
    assert!(fleet.old.state.waits.contains_key(&Wait::Start));
}

#[test]
fn r5_an_adoption_waits_for_every_node_in_service_or_says_what_it_does_not_know() {
    let mut fleet = SetBack::after(force);
    let only_a = || BTreeMap::from([(fleet.enrolment("a"), fleet.tells())]);
    let (told, all) = (only_a(), fleet.told());
    let ask = |fleet: &mut SetBack, told: &BTreeMap<_, _>, without: &[&str]| {
        let without = without.iter().map(|node| name(node)).collect();
        let request = Adopt {
            without,
            ..adoption(told.clone())
        };
        fleet.old.run(&Command::Adopt(request))
    };
    assert_eq!(ask(&mut fleet, &told, &[]), Err(Refusal::Unheard(vec![name("b")])));
    // Who has reported, and not said what it makes of the generation in force, has not been heard on it.
    let mut half = told.clone();
    half.insert(
        fleet.enrolment("b"),
        Told {
            refused: None,
            ..fleet.tells()
        },
    );
    assert_eq!(ask(&mut fleet, &half, &[]), Err(Refusal::Unheard(vec![name("b")])));
    assert_eq!(ask(&mut fleet, &all, &["b"]), Err(Refusal::Heard(name("b"))));
    assert_eq!(ask(&mut fleet, &told, &["b", "z"]), Err(Refusal::NoNode(name("z"))));
    assert!(fleet.old.state.halted.is_some(), "nothing has changed");
    let events = ask(&mut fleet, &told, &["b"]).unwrap().events;
    assert!(matches!(&events[0], Event::Adopted { unknown, .. } if unknown.first == [name("b")]));
    assert!(events[0].names(&name("b")) && !events[0].names(&name("a")));
    assert!(!fleet.old.in_service("b") && fleet.old.in_service("a"));
    let Some(Event::LeftService { cause, signed_until, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (*cause, signed_until.is_empty()),
        (Leaving::LeftBehind, false),
        "r3 counts it until now"
    );
    fleet.old.confirm("b");
    fleet.old.settle();
    assert!(!fleet.old.in_service("b"), "not in the moment in which it left");
    fleet.old.now = fleet.old.now + Span::secs(1);
    fleet.old.confirm("b");
    fleet.old.settle();
    assert!(
        !fleet.old.in_service("b"),
        "not before one that is in service was heard in this term"
    );
    fleet.old.confirm("a");
    fleet.old.settle();
    assert!(fleet.old.in_service("b"), "it comes back by confirming the newest generation");
}

#[test]
fn r5_a_key_that_nodes_know_as_revoked_stays_revoked() {
    let mut fleet = SetBack::after(|bench| {
        let kid = bench.standby();
        let (reason, comment) = (Reason::Superseded, None);
        let command = Command::Revoke {
            kid,
            reason,
            comment,
            destroy: false,
        };
        bench.run(&command).unwrap();
    });
    let revoked = fleet.old.standby();
    assert!(!fleet.lost.state.keys.contains_key(&revoked));
    fleet.adopt();
    assert!(!fleet.old.state.keys.contains_key(&revoked));
    assert!(fleet.old.state.revocations.contains_key(&revoked));
    fleet.pass(Span::hours(60));
    assert!(fleet.old.state.revocations.is_empty(), "every node has confirmed it");
    assert!(
        fleet
            .old
            .when(|event| matches!(event, Event::Destroyed { kid } if *kid == revoked))
            .is_some()
    );
}

#[test]
fn r5_the_key_that_signs_is_gone_too_where_nodes_know_it_as_revoked() {
    let mut fleet = SetBack::after(|bench| {
        let kid = bench.active();
        bench
            .run(&Command::RotateNow(compromised(Compromised::Key(kid), false)))
            .unwrap();
    });
    let (stolen, successor) = (fleet.old.active(), fleet.lost.active());
    fleet.adopt();
    assert!(!fleet.old.state.keys.contains_key(&stolen));
    assert_eq!(fleet.old.active(), successor);
    assert!(
        !fleet.old.state.keys[&successor].inherited,
        "its private half is on the leader"
    );
}

#[test]
fn r5_a_key_that_the_leader_has_becomes_what_it_is_on_the_nodes() {
    let mut fleet = SetBack::after(force);
    let (before, after) = (fleet.old.active(), fleet.lost.active());
    fleet.adopt();
    assert_eq!(fleet.old.active(), after);
    assert!(matches!(phase(&fleet.old, &before), Some(Phase::Retiring { .. })));
    let set = fleet.old.state.key_set();
    assert_eq!(set.carried().collect::<Vec<_>>(), [&after]);
    fleet.pass(Span::hours(12));
    assert!(
        !fleet.old.state.keys.contains_key(&before),
        "it goes when its tokens have expired"
    );
    fleet.pass(Span::hours(100));
    assert_ne!(fleet.old.active(), after, "the schedule goes on");
}

#[test]
fn r5_a_key_that_only_nodes_hold_signs_until_a_standby_meets_r1() {
    let mut fleet = SetBack::after(|bench| {
        force(bench);
        force(bench);
    });
    let lost = fleet.lost.active();
    assert!(!fleet.old.state.keys.contains_key(&lost), "the leader never knew it");
    let events = fleet.adopt();
    let recovered = events
        .iter()
        .any(|event| matches!(event, Event::Recovered { key, inherited: true, .. } if key.kid == lost));
    assert!(recovered, "{events:?}");
    assert_eq!(fleet.old.active(), lost);
    let set = fleet.old.state.key_set();
    assert!(!fleet.old.state.keys[&lost].has_private_half());
    assert!(set.member(&lost).unwrap().inherited && !set.carried().any(|kid| *kid == lost));
    let adopted_at = fleet.old.now;
    fleet.pass(Span::hours(20));
    assert_eq!(fleet.old.active(), lost, "r1 before all");
    fleet.pass(Span::hours(12));
    let next = fleet.old.active();
    let since = fleet.old.when(|event| matches!(event, Event::Activated { .. })).unwrap();
    assert_ne!(next, lost);
    assert!(
        since >= adopted_at + Span::hours(26) && since < adopted_at + Span::hours(29),
        "{since}"
    );
    fleet.pass(Span::hours(6));
    assert!(!fleet.old.state.keys.contains_key(&lost));
    let destroyed = fleet
        .old
        .when(|event| matches!(event, Event::Destroyed { kid } if *kid == lost));
    assert_eq!(destroyed, None, "the leader had nothing to destroy");
}

#[test]
fn r5_a_node_without_the_private_half_of_such_a_key_confirms_and_is_named() {
    let mut fleet = SetBack::after(|bench| {
        force(bench);
        force(bench);
    });
    let lost = fleet.lost.active();
    fleet.adopt();
    let mut installed = fleet.old.installed("a");
    installed.signing.clear();
    installed.held.remove(&lost);
    fleet.old.report("a", Some(installed.clone()));
    let sighting = &fleet.old.seen[&fleet.enrolment("a")];
    assert_eq!(
        (sighting.lacking.clone(), sighting.problem.clone()),
        (BTreeSet::from([lost]), None)
    );
    assert_eq!(sighting.confirmed_generation(), fleet.old.state.head.generation);
    installed.published.clear();
    fleet.old.report("a", Some(installed));
    assert!(
        fleet.old.seen[&fleet.enrolment("a")].problem.is_some(),
        "anything else that is missing counts"
    );
}

#[test]
fn r5_a_standby_that_nobody_shows_is_young() {
    let mut fleet = SetBack::after(force);
    let mut told = fleet.told();
    // The leader went on alone, and made a standby of its own before it was told.
    let halted = fleet.old.state.halted.take();
    force(&mut fleet.old);
    fleet.old.state.halted = halted;
    let own = fleet.old.standby();
    for one in told.values_mut() {
        one.refused = Some(fleet.old.state.head.generation);
    }
    fleet.old.now = fleet.old.now + Span::hours(40);
    fleet.old.run(&Command::Adopt(adoption(told))).unwrap();
    let (now, key) = (fleet.old.now, &fleet.old.state.keys[&own]);
    assert_eq!(key.unpublished_until, now);
    assert!(!Publication::of(&fleet.old.state, &fleet.old.seen, key).holds_at(now + Span::hours(25)));
}

#[test]
fn r5_an_encryption_key_that_only_nodes_hold_decrypts_until_its_time_is_over() {
    let settings = Bench::with_profile(ENC, &["a", "b"]);
    let mut fleet = SetBack::of(settings, |bench| bench.pass(Span::hours(40), Span::mins(30), &["a", "b"]));
    let (before, lost) = (fleet.old.encrypted_to().unwrap(), fleet.lost.encrypted_to().unwrap());
    assert_ne!(before, lost);
    fleet.adopt();
    assert_eq!(fleet.old.encrypted_to().as_ref(), Some(&lost));
    assert!(
        matches!(phase(&fleet.old, &before), Some(Phase::Unpublished { .. })),
        "the leader can still send it"
    );
    fleet.pass(Span::hours(3));
    assert_ne!(fleet.old.encrypted_to().as_ref(), Some(&lost), "e1 held for a new one");
    assert!(matches!(phase(&fleet.old, &lost), Some(Phase::Unpublished { .. })));
    assert!(
        view(&fleet.old.state.key_set(), &Switches::new(), fleet.old.now)
            .decrypting
            .contains(&lost)
    );
    fleet.pass(Span::hours(30));
    assert_eq!(phase(&fleet.old, &lost), None, "e2 has passed");
}

#[test]
fn r5_an_adoption_can_be_done_again() {
    let mut fleet = SetBack::after(force);
    fleet.adopt();
    let first = fleet.old.state.head.generation;
    let halt = Halt {
        node: name("b"),
        epoch: Epoch(1),
        generation: Generation(1),
        checkpoint: Some(head(70)),
    };
    fleet.old.run(&Command::NodeAhead(halt)).unwrap();
    let accepts = Told {
        generation: first,
        ..Told::default()
    };
    let stranger = Told {
        foreign: Some(head(70)),
        refused: Some(first),
        ..Told::default()
    };
    let told = BTreeMap::from([(fleet.enrolment("a"), accepts), (fleet.enrolment("b"), stranger)]);
    fleet
        .old
        .run(&Command::Adopt(Adopt {
            seq: Seq(90),
            ..adoption(told)
        }))
        .unwrap();
    assert!(fleet.old.state.head.generation > first);
    assert_eq!(fleet.old.state.given_up_by(head(70)), Some(Seq(90)));
    assert_eq!(
        fleet.old.state.given_up_by(head(90)),
        Some(Seq(77)),
        "what was given up before stays so"
    );
}

/// Found by the simulator (seed 289584374753).
#[test]
fn r3_a_key_that_a_leader_alone_dropped_unused_stays_where_nodes_have_signed_with_it() {
    let mut bench = Bench::started(&[RSA, "other"]);
    for node in ["a", "b"] {
        bench.join(node);
        bench.confirm(node);
    }
    bench.settle();
    let mut fleet = SetBack::alone(bench, force, |old| {
        let standby = old.state.prepublished(&profile("other")).next().unwrap().kid().clone();
        old.run(&Command::Configure(settings(&[RSA]))).unwrap();
        assert!(!old.state.keys.contains_key(&standby));
    });
    let signed = fleet.lost.state.active(&profile("other")).unwrap().kid().clone();
    fleet.adopt();
    let key = &fleet.old.state.keys[&signed];
    assert!(
        key.inherited && matches!(key.phase, Phase::Retiring { .. }),
        "its tokens live: {key:?}"
    );
    fleet.pass(Span::hours(60));
    assert!(!fleet.old.state.keys.contains_key(&signed), "they have expired");
}

/// Found by the simulator (seed 115248766554).
#[test]
fn r5_the_key_that_signs_here_goes_on_where_nodes_went_on_to_one_that_is_gone() {
    let mut fleet = SetBack::after(force);
    let (before, next) = (fleet.old.active(), fleet.lost.active());
    let halted = fleet.old.state.halted.take();
    let revoke = Command::Revoke {
        kid: next.clone(),
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    };
    fleet.old.run(&revoke).unwrap();
    fleet.old.state.halted = halted;
    let mut told = fleet.told();
    for one in told.values_mut() {
        one.refused = Some(fleet.old.state.head.generation);
    }
    fleet.old.run(&Command::Adopt(adoption(told))).unwrap();
    assert_eq!(fleet.old.active(), before);
    fleet.pass(Span::hours(120));
    assert!(![before, next].contains(&fleet.old.active()), "the schedule goes on");
}
