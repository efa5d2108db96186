use super::*;
use crate::audit::Record;
use crate::dev::probe::{Failure, Round};
use crate::lifecycle::{Cause, Event, Why};
use crate::rpc::documents::{ClockStatus, KeyStatus, NextChange, NodeStatus, Status};
use crate::types::{Actor, Digest, Epoch, Generation, KeySpec, Seq, Span};

const START: Time = Time(1_800_000_000_000);

fn node(number: usize, generation: u64) -> NodeStatus {
    NodeStatus {
        node: format!("node-{number}").parse().unwrap(),
        standing: "in_service".to_owned(),
        since: START,
        confirmed: Some(Generation(generation)),
        confirmed_at: Some(START),
        on_disk: None,
        heard_at: None,
        unknown: false,
        owing_since: None,
        clock_wrong_by_ms: None,
        problem: None,
        failing: Vec::new(),
        papers: None,
        is_cloned: false,
    }
}

fn look(nodes: Vec<NodeStatus>, failures: usize) -> Look {
    let kid: crate::types::Kid = "a-kid-that-is-rather-long".parse().unwrap();
    let key = KeyStatus {
        kid: kid.clone(),
        profile: "web".parse().unwrap(),
        spec: KeySpec::Es256,
        state: "active".to_owned(),
        published_at: START,
        next: Some(NextChange {
            to: "retiring".to_owned(),
            at: START + Span(15_250),
            missing: vec![],
        }),
        thumbprint: String::new(),
        jwk: crate::crypto::tests::key(KeySpec::Es256).public.jwk.clone(),
        x5c: String::new(),
    };
    let event = Event::Activated {
        kid,
        since: START,
        retire_at: START,
        cause: Cause::Scheduled,
        why: Why::default(),
    };
    let failure = |number| Failure::File {
        node: format!("node-{number}").parse().unwrap(),
        why: "broken".to_owned(),
    };
    Look {
        status: Status {
            now: START + Span(5_000),
            clock: ClockStatus {
                shows: START + Span(5_000),
                doubt: None,
                nodes_heard: 2,
                nodes_differing: 0,
            },
            epoch: Epoch(1),
            started_at: START,
            generation: Generation(7),
            committed_at: START,
            halted: None,
            waits: vec![],
            refused_enrolments: 0,
            backup: None,
            keystore_bytes: None,
            profiles: vec![],
            leaving: vec![],
            inherited: vec![],
            keys: vec![key],
            nodes,
            revocations: vec![],
        },
        records: vec![Record {
            schema: 1,
            seq: Seq(4),
            time: START + Span(4_200),
            clock: None,
            actor: Actor::Schedule,
            event,
            generation: Generation(7),
            digest: Digest([0; 32]),
        }],
        round: Round {
            probes: 9,
            failures: (0..failures).map(failure).collect(),
        },
    }
}

fn shown(format: Format, looks: &[Look]) -> String {
    let mut out = Vec::new();
    let mut show = Show::new(format, &mut out, START);
    let so_far = Summary {
        rotations: 1,
        probes: 9,
        failed_probes: 0,
    };
    for look in looks {
        show.look(look, &so_far).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_table_names_keys_nodes_and_counts() {
    let table = table::table(&look(vec![node(1, 7), node(2, 6)], 0), &Summary::default(), START).join("\n");
    for part in [
        "generation 7 after 5.0 s",
        "a-kid-that-i…",
        "web",
        "active",
        "retiring in 10.2 s",
        "node-2",
        "in service",
        "5.0 s ago",
        "0 rotations, 0 probes, 0 failed probes",
    ] {
        assert!(table.contains(part), "{part} is not in:\n{table}");
    }
}

#[test]
fn many_nodes_are_summed_up_and_those_behind_come_first() {
    let mut nodes: Vec<NodeStatus> = (1..=30).map(|number| node(number, 7)).collect();
    nodes[28] = node(29, 6);
    let lines = table::table(&look(nodes, 0), &Summary::default(), START);
    let table = lines.join("\n");
    assert!(lines.len() < 24, "{table}");
    assert!(
        table.contains("node-29") && table.contains("and 22 more; 30 in service, 29 confirmed it"),
        "{table}"
    );
}

#[test]
fn a_table_is_drawn_in_the_place_of_the_last_one_and_failures_stay() {
    let looks = [look(vec![node(1, 7)], 0), look(vec![node(1, 7)], 12)];
    let text = shown(Format::Table, &looks);
    let (first, second) = text.split_once("\x1b[").unwrap();
    let up: usize = second.split('A').next().unwrap().parse().unwrap();
    assert_eq!(first.lines().count(), up);
    assert!(
        second.contains("FAILED: node-0: broken") && second.contains("FAILED: and 2 more"),
        "{text}"
    );
}

#[test]
fn lines_tell_each_change_and_the_counts_now_and_then() {
    let looks: Vec<Look> = (0..6).map(|_| look(vec![node(1, 7)], 0)).collect();
    let text = shown(Format::Lines, &looks);
    assert_eq!(text.matches("   4.2 s  a-kid-that-i… signs (scheduled)").count(), 6, "{text}");
    assert_eq!(
        text.matches("generation 7, 1 of 1 nodes in service; 1 rotations, 9 probes, 0 failed probes")
            .count(),
        2
    );
}

#[test]
fn json_is_one_object_a_line_and_the_summary_keeps_its_order() {
    let text = shown(Format::Json, &[look(vec![node(1, 7)], 1)]);
    let events: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(events, ["decided", "failed", "probe"]);
    assert_eq!(
        json::summary(&Summary::default()),
        r#"{"event":"summary","rotations":0,"probes":0,"failed_probes":0}"#
    );
}
