//! What nodes hold against the leader.

use super::*;
use crate::lifecycle::Halted;
use crate::types::{Digest, TreeHead};

fn recorded(effects: &[Effect]) -> Vec<&Event> {
    let commits = effects.iter().filter_map(|effect| match effect {
        Effect::Commit(commit) => Some(&commit.records),
        _ => None,
    });
    commits.flatten().map(|record| &record.event).collect()
}

fn foreign(leader: &Leader, node: &str, size: u64) -> Halt {
    let root = Digest([7; 32]);
    Halt {
        node: name(node),
        epoch: leader.state().epoch,
        generation: leader.state().head.generation,
        checkpoint: Some(TreeHead { size, root }),
    }
}

#[test]
fn r5_a_checkpoint_that_is_not_in_the_log_halts_the_leader_and_is_recorded_once() {
    let mut leader = leader_with(&["a", "b"]);
    let enrolment = |leader: &Leader, node: &str| leader.state().nodes[&name(node)].enrolment;
    let (of_a, of_b) = (enrolment(&leader, "a"), enrolment(&leader, "b"));
    let halt = foreign(&leader, "a", 9);
    let stranger = Input::ForeignLog {
        enrolment: of_b,
        halt: halt.clone(),
    };
    assert!(leader.step(stranger, START).is_empty(), "an enrolment that is not the node's");
    let effects = leader.step(
        Input::ForeignLog {
            enrolment: of_a,
            halt: halt.clone(),
        },
        START,
    );
    assert_eq!(recorded(&effects), [&Event::Halted { halt: halt.clone() }]);
    assert_eq!(leader.state().halted.as_ref().and_then(Halted::ahead), Some(&halt));
    let again = Input::ForeignLog {
        enrolment: of_b,
        halt: foreign(&leader, "b", 10),
    };
    assert!(leader.step(again, START).is_empty(), "it says so once");
    assert!(leader.step(Input::Woke, START + Span::hours(60)).is_empty());
}

#[test]
fn r7_a_generation_that_a_node_refuses_is_recorded_once() {
    let mut leader = leader_with(&["a"]);
    let enrolment = leader.state().nodes[&name("a")].enrolment;
    let head = leader.state().head.generation;
    let mut refuse = |generation, words: &str| {
        let mut report = report_of(&leader, START);
        (report.refused, report.problem) = (Some(generation), Some(words.to_owned()));
        let node = name("a");
        let effects = leader.step(Input::Report { node, enrolment, report }, START);
        let refusals = recorded(&effects).into_iter().map(|event| match event {
            Event::Refused { request, refusal } => format!("{request}: {refusal}"),
            other => panic!("{other:?}"),
        });
        refusals.collect::<Vec<_>>()
    };
    assert!(refuse(head.next(), "of no such generation").is_empty());
    assert_eq!(
        refuse(head, "it is not in the log"),
        [format!("generation {head}: it is not in the log")]
    );
    assert!(refuse(head, "other words").is_empty(), "no node fills the log");
    assert!(refuse(Generation(0), "an older one").is_empty());
}
