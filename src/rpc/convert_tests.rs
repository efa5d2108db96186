//! What is said survives the wire, and what must not be said is refused.

use std::collections::BTreeSet;

use super::*;
use crate::lifecycle::{Failing, Follower};
use crate::rpc::limits::FAILING;
use crate::types::HookEvent;

fn report() -> Report {
    let kids: BTreeSet<Kid> = ["a", "b"].iter().map(|kid| kid.parse().unwrap()).collect();
    Report {
        sent_at: Time(7),
        highest_epoch: Epoch(2),
        highest_generation: Generation(3),
        checkpoint: Some(TreeHead {
            size: 9,
            root: Digest([7; 32]),
        }),
        refused: Some(Generation(4)),
        gone: BTreeSet::from(["b".parse().unwrap()]),
        installed: Some(Installed {
            generation: Generation(3),
            switches: BTreeSet::new(),
            published: kids.clone(),
            signing: BTreeSet::from(["a".parse().unwrap()]),
            held: kids,
            hooks_succeeded: true,
            decrypting: BTreeSet::new(),
        }),
        problem: Some("the disk is full: free some".into()),
        failing: vec![failing(Follower::Probe), failing(Follower::Hook(HookEvent::Revoked))],
    }
}

fn failing(what: Follower) -> Failing {
    Failing {
        what,
        why: "it was killed".into(),
        times: 7,
        since: Time(6),
        is_given_up: true,
    }
}

#[test]
fn more_that_fails_than_a_node_can_have_is_refused() {
    let mut sent = report();
    sent.failing = vec![failing(Follower::Probe); FAILING + 1];
    let refused = AgentMessage::try_from(proto::AgentReport::from(AgentMessage::Report(sent)));
    assert!(refused.unwrap_err().to_string().contains("at most 16 hooks and probes"));
    let what = "hook on \u{1b}[2J".to_owned();
    let refused = Failing::try_from(proto::Failing {
        what,
        ..proto::Failing::default()
    });
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("is not an event") && !words.contains('\u{1b}'), "{words}");
}

#[test]
fn what_an_agent_says_survives_the_wire() {
    let hello = Hello {
        protocol_version: 1,
        capabilities: vec!["x".into()],
        release: "0.1.0".into(),
        instance: std::num::NonZeroU64::new(7),
    };
    let cosignature = Cosignature {
        head: report().checkpoint.unwrap(),
        bytes: vec![3; COSIGNATURE_BYTES],
    };
    for message in [
        AgentMessage::Hello(hello),
        AgentMessage::Report(report()),
        AgentMessage::Cosigned(cosignature),
    ] {
        let back = AgentMessage::try_from(proto::AgentReport::from(message.clone())).unwrap();
        assert_eq!(back, message);
    }
}

#[test]
fn what_a_leader_says_survives_the_wire() {
    let welcome = Welcome {
        protocol_version: 1,
        capabilities: vec![],
        epoch: Epoch(4),
        report_every: Span::secs(30),
    };
    let answer = Answer {
        report_sent_at: Time(1),
        leader_time: Some(Time(2)),
        in_service: true,
    };
    let send = |message: LeaderMessage<Outgoing>| LeaderMessage::try_from(proto::LeaderUpdate::from(message)).unwrap();
    assert!(matches!(send(LeaderMessage::Welcome(welcome.clone())), LeaderMessage::Welcome(back) if back == welcome));
    assert!(matches!(send(LeaderMessage::Answer(answer)), LeaderMessage::Answer(back) if back == answer));
    assert!(matches!(send(LeaderMessage::Erase), LeaderMessage::Erase));
}

#[test]
fn a_message_of_an_unknown_kind_is_refused_in_words() {
    let refused = AgentMessage::try_from(proto::AgentReport { message: None }).unwrap_err();
    assert!(refused.to_string().contains("update the older side"), "{refused}");
    assert!(LeaderMessage::try_from(proto::LeaderUpdate::default()).is_err());
}

#[test]
fn a_node_can_not_write_into_the_operators_terminal() {
    let mut message = proto::AgentReport::from(AgentMessage::Report(report()));
    let Some(agent_report::Message::Report(inner)) = &mut message.message else {
        panic!("a report");
    };
    inner.problem = Some("\u{1b}[2J\n".to_owned() + &"x".repeat(10_000));
    let AgentMessage::Report(report) = message.try_into().unwrap() else {
        panic!("a report");
    };
    let problem = report.problem.unwrap();
    assert!(problem.starts_with(" [2J x") && problem.len() == PROBLEM_CHARS);
}

#[test]
fn a_number_or_a_list_that_could_not_be_stored_is_refused() {
    type Change = fn(&mut proto::Report);
    let changes: [Change; 5] = [
        |report| report.sent_at_ms = 1 << 53,
        |report| report.highest_epoch = u64::MAX,
        |report| report.highest_generation = u64::MAX,
        |report| report.installed.as_mut().unwrap().generation = u64::MAX,
        |report| report.installed.as_mut().unwrap().switches = (0..=REPORTED_KIDS).map(|n| n.to_string()).collect(),
    ];
    for change in changes {
        let mut message = proto::AgentReport::from(AgentMessage::Report(report()));
        let Some(agent_report::Message::Report(inner)) = &mut message.message else {
            panic!("a report");
        };
        change(inner);
        let refused = AgentMessage::try_from(message).unwrap_err().to_string();
        assert!(refused.contains("is not valid"), "{refused}");
    }
}

#[test]
fn a_hello_with_too_much_in_it_is_refused() {
    let hello = |capabilities: Vec<String>, release: String| {
        let message = Some(agent_report::Message::Hello(proto::Hello {
            protocol_version: 1,
            capabilities,
            release,
            instance: 0,
        }));
        AgentMessage::try_from(proto::AgentReport { message })
    };
    assert!(hello(vec!["x".into(); CAPABILITIES + 1], String::new()).is_err());
    assert!(hello(vec!["x".repeat(65)], String::new()).is_err());
    assert!(hello(vec![], "0.1\n".into()).is_err());
}
