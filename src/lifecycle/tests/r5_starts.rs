//! R5, no going back, as far as the leader decides it; and R9, time.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// A fleet in which a rotation fell due while the leader was away.
fn restarted_late() -> Bench {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(46), Span::mins(10), &["a", "b"]);
    let last_up = bench.now;
    bench.now = bench.now + Span::hours(2);
    bench.run(&Command::Start { last_up: Some(last_up) }).unwrap();
    bench.settle();
    bench
}

#[test]
fn r5_a_started_leader_waits_for_all_nodes_in_service() {
    let mut bench = restarted_late();
    assert_eq!(bench.armed(), None);
    assert!(bench.state.waits.contains_key(&Wait::Start));
    bench.confirm("a");
    bench.settle();
    assert_eq!(bench.armed(), None);
    bench.confirm("b");
    bench.settle();
    assert!(bench.armed().is_some());
    assert!(!bench.state.waits.contains_key(&Wait::Start));
}

#[test]
fn r5_a_started_leader_waits_no_longer_than_start_grace() {
    let mut bench = restarted_late();
    bench.pass(Span::mins(11), Span::mins(1), &["a"]);
    assert!(bench.armed().is_some());
}

#[test]
fn r5_each_start_raises_the_epoch() {
    let mut bench = Bench::with_nodes(&["a"]);
    let epoch = bench.state.epoch;
    bench.run(&Command::Start { last_up: None }).unwrap();
    assert_eq!(bench.state.epoch, epoch.next());
}

#[test]
fn r5_a_leader_that_is_behind_its_nodes_decides_nothing_more() {
    let mut bench = Bench::with_nodes(&["a"]);
    let halt = Halt {
        node: name("a"),
        epoch: Epoch(9),
        generation: Generation(99),
        checkpoint: None,
    };
    bench.run(&Command::NodeAhead(halt)).unwrap();
    let before = bench.state.clone();
    bench.now = bench.now + Span::hours(100);
    for command in [
        Command::Tick,
        bench.key_made(&profile(RSA)),
        Command::Hasten {
            profiles: vec![],
            why: Why::default(),
        },
    ] {
        let refusal = bench.run(&command).unwrap_err().to_string();
        assert!(refusal.contains("generation 99") && refusal.contains("restore"), "{refusal}");
    }
    assert_eq!(bench.state, before);
}

#[test]
fn r9_the_schedule_rests_while_the_clock_stands_before_the_last_record() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::hours(46), Span::mins(10), &["a"]);
    let recorded = bench.state.last_record_at;
    bench.now = recorded - Span::mins(6);
    bench.settle();
    assert!(bench.state.waits.contains_key(&Wait::Clock(Doubt::Behind)));
    assert_eq!(bench.state.last_record_at, recorded, "a record's time never goes back");
    let (kid, reason) = (bench.standby(), Reason::Compromised);
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment: None,
            destroy: false,
        })
        .expect("revocation goes on");
    let revoked = bench.state.revocations.values().next().expect("node a has not confirmed it");
    assert_eq!(revoked.at, recorded, "what is decided meanwhile bears the last record's time");
    bench.now = recorded;
    bench.settle();
    assert!(!bench.state.waits.contains_key(&Wait::Clock(Doubt::Behind)));
}

#[test]
fn r5_a_report_from_before_the_start_does_not_count_although_the_clock_stands_behind() {
    let mut bench = restarted_late();
    for node in ["a", "b"] {
        bench.confirm(node);
    }
    bench.settle();
    bench
        .run(&Command::Start {
            last_up: Some(bench.now),
        })
        .unwrap();
    assert!(matches!(
        holds_schedule(&bench.state, &bench.seen, bench.now - Span::mins(1)),
        Some((Wait::Start, nodes)) if nodes.len() == 2
    ));
}

#[test]
fn r5_a_restored_leader_decides_nothing_until_it_is_told_to_go_on() {
    let bench = Bench::with_nodes(&["a"]);
    let standby = bench.state.keys.values().find(|key| key.is_unused()).unwrap().kid().clone();
    let (active, generation) = (bench.active(), bench.state.head.generation);
    let restored = |lost: Vec<Kid>| Event::Restored {
        restoration: Restoration {
            version: Version(3),
            taken_at: bench.now,
            records: 12,
            later: 0,
        },
        lost,
    };
    let (whole, with_loss) = (restored(vec![]), restored(vec![standby.clone(), active.clone()]));
    let mut state = bench.state.clone();
    state.apply(&[whole], bench.now);
    assert_eq!(state.head.generation, generation, "nodes need hold nothing new");
    let mut state = bench.state.clone();
    state.apply(&[with_loss], bench.now);
    assert_eq!(state.head.generation, generation.next());
    assert!(!state.keys.contains_key(&standby) && state.doomed.contains(&standby));
    assert!(
        state.keys.contains_key(&active),
        "a key that nodes use stays, whatever the event says"
    );
    for command in [
        Command::Tick,
        Command::Revoke {
            kid: active,
            reason: Reason::Compromised,
            comment: None,
            destroy: false,
        },
    ] {
        let refused = decide(&state, &bench.seen, &command, bench.now).unwrap_err();
        assert!(refused.to_string().contains("jkeys audit adopt"), "{refused}");
    }
    assert!(wanted(&state, &bench.seen, bench.now).is_empty());
    let started = decide(&state, &bench.seen, &Command::Start { last_up: None }, bench.now).unwrap();
    assert!(matches!(started.events[..], [Event::Started { .. }]));
}

/// Found by the simulator (seed 430508559467): a leader that was set back, and that nobody had told yet, let a new machine in.
#[test]
fn r5_no_node_comes_into_service_before_one_that_is_in_service_was_heard_in_this_term() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let start = Command::Start {
        last_up: Some(bench.now),
    };
    bench.run(&start).unwrap();
    bench.join("c");
    bench.pass(Span::hours(20), Span::mins(10), &["c"]);
    assert!(!bench.in_service("c"));
    bench.confirm("a");
    bench.confirm("c");
    bench.settle();
    assert!(bench.in_service("c"));
}
#[test]
fn r5_where_all_in_service_are_gone_for_good_others_come_when_those_are_evicted_or_removed() {
    for is_removed in [false, true] {
        let mut bench = Bench::with_nodes(&["a", "b"]);
        let start = Command::Start {
            last_up: Some(bench.now),
        };
        bench.run(&start).unwrap();
        bench.join("c");
        if is_removed {
            for node in ["a", "b"] {
                let (node, ending, comment) = (name(node), Ending::Removed, None);
                bench.run(&Command::EndNode { node, ending, comment }).unwrap();
            }
            bench.confirm("c");
            bench.settle();
        } else {
            bench.pass(Span::hours(25), Span::mins(10), &["c"]);
        }
        assert!(bench.in_service("c"), "removed: {is_removed}");
    }
}
