//! What many nodes, or one that lies, can make the leader store.

use super::*;
use crate::audit::{Record, canonical};
use crate::keystore::MAX_VALUE_BYTES;
use crate::leader::status::decided;
use crate::lifecycle::{Compromised, unconfirmed};

fn records(effects: &[Effect]) -> Vec<&Record> {
    let commits = effects.iter().filter_map(|effect| match effect {
        Effect::Commit(commit) => Some(&commit.records),
        _ => None,
    });
    commits.flatten().collect()
}

#[test]
fn every_record_can_be_stored_with_thousands_of_nodes() {
    let names: Vec<String> = (0..800).map(|n| format!("vm-{n:0>60}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let leader = leader_with(&names);
    let (state, seen) = (leader.state.clone(), leader.seen.clone());
    let mut leader = Leader::new(state, seen, leader.next_seq);
    let mut effects = leader.step(
        Input::Start {
            last_up: None,
            settings: settings(),
        },
        START,
    );
    let hurry = RotateNow {
        destroy: false,
        profiles: vec![],
        compromised: None,
        take: None,
        force: false,
        reason: Reason::Superseded,
        comment: None,
    };
    effects.extend(leader.step(operator(Command::RotateNow(hurry.clone())), START));
    let force = true;
    effects.extend(leader.step(operator(Command::RotateNow(RotateNow { force, ..hurry })), START));
    let records = records(&effects);
    let has = |is: fn(&Event) -> bool| records.iter().any(|record| is(&record.event));
    assert!(has(
        |event| matches!(event, Event::WaitBegan { nodes, .. } if nodes.count == 800)
    ));
    assert!(has(|event| matches!(event, Event::Refused { .. })));
    assert!(has(|event| matches!(event, Event::Activated { .. })));
    let longest = records.iter().map(|record| record.to_bytes().len()).max().unwrap();
    assert!(longest < MAX_VALUE_BYTES, "{longest}");
}

#[test]
fn what_a_lying_node_reports_can_be_stored_and_read_again() {
    let mut leader = leader_with(&["a"]);
    let enrolment = leader.state().nodes[&name("a")].enrolment;
    let most = (1 << 53) - 1;
    let mut report = report_of(&leader, Time(most));
    (report.highest_epoch, report.highest_generation) = (Epoch(most), Generation(most));
    let installed = report.installed.as_mut().unwrap();
    installed.generation = Generation(most);
    installed.switches = (0..400).map(|n| format!("{n:0>64}").parse().unwrap()).collect();
    let node = name("a");
    leader.step(Input::Report { node, enrolment, report }, START);
    let effects = leader.step(Input::Settle, START);
    let [Effect::Observe(rows)] = &effects[..] else {
        panic!("{effects:?}")
    };
    let stored = canonical(&rows[0].1);
    assert!(stored.len() < MAX_VALUE_BYTES, "{}", stored.len());
    assert_eq!(serde_json::from_slice::<Sighting>(&stored).unwrap(), rows[0].1);
    assert_eq!(rows[0].1.confirmed, None, "nobody can confirm what was never made");
    let state = canonical(leader.state());
    assert_eq!(serde_json::from_slice::<State>(&state).unwrap(), *leader.state());
}

#[test]
fn r7_what_a_service_refuses_is_recorded_too_in_words_of_some_length() {
    let mut leader = leader_with(&["a"]);
    let effects = leader.step(
        Input::Refused {
            actor: Actor::Node(name("a")),
            request: "renew its certificate".to_owned(),
            refusal: "ä".repeat(100_000),
        },
        START,
    );
    let records = records(&effects);
    let [record] = &records[..] else { panic!("{effects:?}") };
    assert!(matches!(&record.event, Event::Refused { request, .. } if request == "renew its certificate"));
    assert!(record.to_bytes().len() < MAX_VALUE_BYTES);
}

#[test]
fn r8_a_node_that_never_came_into_service_is_waited_for_once_it_may_hold_keys() {
    let mut leader = leader_with(&["a"]);
    for node in ["silent", "holder"] {
        enrol(&mut leader, node, START);
    }
    let (enrolment, mut report) = (leader.state().nodes[&name("holder")].enrolment, report_of(&leader, START));
    report.installed.as_mut().unwrap().hooks_succeeded = false;
    let node = name("holder");
    leader.step(Input::Report { node, enrolment, report }, START);
    leader.step(Input::Settle, START);
    leader.step(Input::Settled, START);
    assert_eq!(leader.state().nodes[&name("holder")].standing, Standing::Joining);
    let compromised = RotateNow {
        destroy: false,
        profiles: vec![],
        compromised: Some(Compromised::All),
        take: None,
        force: false,
        reason: Reason::Compromised,
        comment: None,
    };
    let effects = leader.step(operator(Command::RotateNow(compromised)), START);
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Reply { answer: Ok(answer), .. } => Some(answer),
        _ => None,
    });
    let (decision, generation) = answer.expect("it is carried out");
    assert_eq!(decided(&leader, decision, *generation).nodes, [name("a"), name("holder")]);
}

/// Found by the simulator (seed 364403159813).
#[test]
fn r8_a_node_that_joined_before_the_leader_started_may_hold_keys_though_nothing_of_it_was_noted() {
    let mut leader = leader_with(&["a"]);
    enrol(&mut leader, "b", START);
    let mut next = Leader::new(leader.state().clone(), leader.seen().clone(), Seq(900));
    let (last_up, settings) = (Some(LastUp::from(START)), leader.state().settings.clone());
    next.step(Input::Start { last_up, settings }, START + Span::mins(1));
    let revoke = Command::Revoke {
        kid: "first".parse().unwrap(),
        reason: Reason::Compromised,
        comment: None,
        destroy: false,
    };
    next.step(operator(revoke), START + Span::mins(1));
    confirm(&mut next, "a", START + Span::mins(2));
    let unconfirmed = unconfirmed(next.state(), next.seen(), &"first".parse().unwrap());
    assert_eq!(unconfirmed, [name("b")]);
}
