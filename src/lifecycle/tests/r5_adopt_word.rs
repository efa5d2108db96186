//! R5: what the word of a node is worth when the leader goes on from an older state.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::*;
use super::r5_adopt::{SetBack, adoption, force};
use crate::lifecycle::*;
use crate::types::*;

fn quiet() -> SetBack {
    SetBack::after(|bench| bench.pass(Span::hours(1), Span::mins(30), &["a", "b"]))
}

/// Node a says that every key of the leader's is gone.
fn liar(fleet: &SetBack) -> BTreeMap<Enrolment, Told> {
    let mut told = fleet.told();
    let all: BTreeSet<Kid> = fleet.old.state.keys.keys().cloned().collect();
    told.get_mut(&fleet.enrolment("a")).unwrap().gone = all;
    told
}

#[test]
fn r5_the_word_of_one_node_takes_no_key_out() {
    let mut fleet = quiet();
    let told = liar(&fleet);
    let refused = fleet.old.run(&Command::Adopt(adoption(told.clone()))).unwrap_err();
    assert!(matches!(&refused, Refusal::WordOnly { nodes, .. } if *nodes == [name("a")]));
    let words = refused.to_string();
    assert!(words.contains("--believe") && words.contains("--disbelieve"), "{words}");
    // A generation from before the key shows nothing, and one that has the key speaks against it.
    let mut other = told;
    let a = other.get_mut(&fleet.enrolment("a")).unwrap();
    let shown = a.shown.as_mut().unwrap();
    let mut older = (*shown.set).clone();
    older.members.clear();
    older.committed_at = START;
    shown.set = older.into();
    fleet
        .old
        .state
        .keys
        .values_mut()
        .for_each(|key| key.published_at = START + Span(1));
    assert!(matches!(
        fleet.old.run(&Command::Adopt(adoption(other.clone()))),
        Err(Refusal::WordOnly { .. })
    ));
    let a = other.get_mut(&fleet.enrolment("a")).unwrap();
    a.shown = None;
    assert!(matches!(
        fleet.old.run(&Command::Adopt(adoption(other))),
        Err(Refusal::WordOnly { .. })
    ));
}

#[test]
fn r5_an_operator_can_take_a_nodes_word_and_it_is_on_record() {
    let mut fleet = quiet();
    let request = Adopt {
        believe: BTreeSet::from([name("a")]),
        ..adoption(liar(&fleet))
    };
    let signed = fleet.old.active();
    let events = fleet.old.run(&Command::Adopt(request)).unwrap().events;
    assert!(matches!(&events[0], Event::Adopted { believed, .. } if believed.first == [name("a")]));
    assert!(events[0].names(&name("a")));
    assert!(!fleet.old.state.keys.contains_key(&signed), "r8 before r4");
}

#[test]
fn r5_a_node_that_is_disbelieved_changes_nothing_until_it_is_enrolled_anew() {
    let mut fleet = quiet();
    let mut told = liar(&fleet);
    let of_a = fleet.enrolment("a");
    told.get_mut(&of_a).unwrap().epoch = Epoch(1 << 50);
    let keys = fleet.old.published();
    let request = Adopt {
        disbelieve: BTreeSet::from([name("a")]),
        ..adoption(told)
    };
    fleet.old.run(&Command::Adopt(request)).unwrap();
    let state = &fleet.old.state;
    assert_eq!(fleet.old.published(), keys);
    assert!(state.epoch < Epoch(100) && state.disbelieved.contains(&of_a) && !fleet.old.in_service("a"));
    fleet.old.join("a");
    assert!(fleet.old.state.disbelieved.is_empty());
}

#[test]
fn r5_numbers_that_no_leader_comes_to_are_not_taken() {
    let mut fleet = quiet();
    for (epoch, generation) in [(1 << 50, 9), (9, 1 << 50)] {
        let mut told = fleet.told();
        let a = told.get_mut(&fleet.enrolment("a")).unwrap();
        (a.epoch, a.generation) = (Epoch(epoch), Generation(generation));
        let refused = fleet.old.run(&Command::Adopt(adoption(told))).unwrap_err();
        assert!(
            matches!(&refused, Refusal::Beyond { node, .. } if *node == name("a")),
            "{refused}"
        );
    }
}

#[test]
fn r5_a_key_that_this_log_took_out_does_not_come_back_from_a_node() {
    // It signs on the nodes.
    let mut fleet = SetBack::after(force);
    let mut told = fleet.told();
    let standby = fleet.lost.active();
    assert_eq!(fleet.old.standby(), standby);
    // This leader revoked it after it was set back, and the nodes never heard of that.
    let halted = fleet.old.state.halted.take();
    let (kid, reason, comment) = (standby.clone(), Reason::Superseded, None);
    let command = Command::Revoke {
        kid,
        reason,
        comment,
        destroy: false,
    };
    fleet.old.run(&command).unwrap();
    fleet.old.state.halted = halted;
    for one in told.values_mut() {
        one.refused = Some(fleet.old.state.head.generation);
        one.shown.as_mut().unwrap().gone_here = fleet.old.gone_for_good();
    }
    fleet.old.run(&Command::Adopt(adoption(told))).unwrap();
    assert!(!fleet.old.state.keys.contains_key(&standby));
}

#[test]
fn r5_a_key_that_is_gone_on_the_node_that_is_furthest_on_does_not_come_back_from_one_that_is_behind() {
    // Node b is behind: it holds a key that was made and revoked in the lost time.
    let mut made = None;
    let fleet = SetBack::after(|bench| {
        let request = RotateNow {
            force: true,
            ..superseded()
        };
        bench.run(&Command::RotateNow(request.clone())).unwrap();
        bench.settle();
        bench.run(&Command::RotateNow(request)).unwrap();
        made = Some(bench.clone());
        let kid = bench.active();
        bench
            .run(&Command::RotateNow(compromised(Compromised::Key(kid), false)))
            .unwrap();
    });
    let mut behind = SetBack {
        old: fleet.old.clone(),
        lost: made.unwrap(),
    };
    let stolen = behind.lost.active();
    let told = BTreeMap::from([(fleet.enrolment("a"), fleet.tells()), (fleet.enrolment("b"), behind.tells())]);
    behind.old.run(&Command::Adopt(adoption(told))).unwrap();
    assert!(!behind.old.state.keys.contains_key(&stolen));
    assert_eq!(behind.old.active(), fleet.lost.active());
}

#[test]
fn r5_a_log_in_which_nobody_stopped_or_a_key_comes_from_nowhere_is_unlawful() {
    let mut fleet = SetBack::after(|bench| {
        bench
            .run(&Command::RotateNow(RotateNow {
                force: true,
                ..superseded()
            }))
            .unwrap();
    });
    let halted = fleet.old.state.clone();
    let events = fleet.adopt();
    let now = fleet.old.now;
    let mut running = halted.clone();
    running.halted = None;
    assert!(
        running
            .replay(&events, now)
            .unwrap_err()
            .to_string()
            .contains("had not stopped")
    );
    let recovered: Vec<Event> = events.iter().filter(|event| event.name() == "recovered").cloned().collect();
    assert!(!recovered.is_empty());
    let mut running = halted.clone();
    running.halted = None;
    assert!(
        running
            .replay(&recovered, now)
            .unwrap_err()
            .to_string()
            .contains("no adoption")
    );
    let lower = |change: &dyn Fn(&mut Event)| {
        let mut events = events.clone();
        change(&mut events[0]);
        halted.clone().replay(&events, now).unwrap_err().to_string()
    };
    let epoch = lower(&|event| {
        if let Event::Adopted { epoch, .. } = event {
            *epoch = halted.epoch;
        }
    });
    assert!(epoch.contains("does not follow"), "{epoch}");
    let generation = lower(&|event| {
        if let Event::Adopted { generation, .. } = event {
            *generation = halted.head.generation;
        }
    });
    assert!(generation.contains("above all before"), "{generation}");
}

/// The half of a key that was a standby in the snapshot was destroyed when the key retired, so a restore without the later records has
/// lost it. Tokens that it signed are still good.
#[test]
fn r5_a_key_that_a_restore_lost_stays_as_long_as_its_nodes_publish_it() {
    let mut set_back = SetBack::after(|bench| {
        force(bench);
        bench.pass(Span::hours(28), Span::mins(30), &["a", "b"]);
        force(bench);
    });
    let retiring = |key: &&Key| matches!(key.phase, Phase::Retiring { .. });
    let kid = set_back.lost.state.keys.values().find(retiring).unwrap().kid().clone();
    assert_eq!(set_back.old.state.keys[&kid].phase, Phase::Prepublished);
    let restoration = Restoration {
        version: Version(3),
        taken_at: Time(0),
        records: 12,
        later: 0,
    };
    let restored = |lost: Vec<Kid>| Event::Restored {
        restoration: restoration.clone(),
        lost,
    };
    // The second restore finds the key gone already.
    let (now, state) = (set_back.old.now, &mut set_back.old.state);
    state.apply(&[restored(vec![kid.clone()])], now);
    state.apply(&[restored(vec![])], now);
    assert!(!state.keys.contains_key(&kid));
    let told = set_back.told();
    set_back.old.run(&Command::Adopt(adoption(told))).unwrap();
    let key = &set_back.old.state.keys[&kid];
    assert!(key.inherited && retiring(&key) && !key.has_private_half(), "{key:?}");
    set_back.pass(Span::hours(60));
    assert!(
        !set_back.old.state.keys.contains_key(&kid),
        "it goes as every retiring key does"
    );
}
