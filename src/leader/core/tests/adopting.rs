//! Rule R5: a leader that nodes are ahead of, and how it goes on.

use std::collections::BTreeSet;

use super::*;
use crate::lifecycle::{Adopt, Halted, KeySet, MAX_GIVEN_UP, Restoration, Shown};
use crate::types::{Digest, TreeHead, Version};

fn head(size: u64) -> TreeHead {
    let root = Digest::of(&size.to_be_bytes());
    TreeHead { size, root }
}

fn of(leader: &Leader, node: &str) -> Enrolment {
    leader.state().nodes[&name(node)].enrolment
}

/// `jkeys audit adopt`, as the service asks it.
fn adopt() -> Adopt {
    Adopt {
        comment: "restored".parse().unwrap(),
        without: BTreeSet::new(),
        believe: BTreeSet::new(),
        disbelieve: BTreeSet::new(),
        told: BTreeMap::new(),
        seq: Seq(0),
    }
}

/// A node remembers a checkpoint that is not in the log, and refuses what the leader sends.
fn tells(leader: &mut Leader, node: &str, size: u64) -> Vec<Effect> {
    let (enrolment, generation) = (of(leader, node), leader.state().head.generation);
    let halt = Halt {
        node: name(node),
        epoch: leader.state().epoch,
        generation,
        checkpoint: Some(head(size)),
    };
    let mut effects = leader.step(Input::ForeignLog { enrolment, halt }, START);
    let mut report = report_of(leader, START);
    (report.checkpoint, report.refused) = (Some(head(size)), Some(generation));
    let node = name(node);
    effects.extend(leader.step(Input::Report { node, enrolment, report }, START));
    effects
}

fn answer(effects: &[Effect]) -> &Result<(Decision, Generation), Refusal> {
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Reply { answer, .. } => Some(answer),
        _ => None,
    });
    answer.expect("the caller is answered")
}

fn records(effects: &[Effect]) -> Vec<crate::audit::Record> {
    let commits = effects.iter().filter_map(|effect| match effect {
        Effect::Commit(commit) => Some(commit.records.clone()),
        _ => None,
    });
    commits.flatten().collect()
}

#[test]
fn r5_a_leader_goes_on_from_what_its_nodes_have_told() {
    let before = leader_with(&["a", "b"]);
    // Another term, in which nobody has reported.
    let mut leader = Leader::new(before.state.clone(), before.seen.clone(), before.next_seq);
    let (last_up, settings) = (None, settings());
    leader.step(Input::Start { last_up, settings }, START);
    tells(&mut leader, "a", 90);
    assert!(leader.state().halted.is_some());
    let refused = leader.step(operator(Command::Adopt(adopt())), START);
    assert_eq!(answer(&refused), &Err(Refusal::Unheard(vec![name("b")])));
    assert!(
        matches!(&records(&refused)[..], [record] if matches!(record.event, Event::Refused { .. })),
        "r7"
    );
    tells(&mut leader, "b", 80);
    let before = leader.state().epoch;
    let effects = leader.step(operator(Command::Adopt(adopt())), START);
    let record = &records(&effects)[0];
    let Event::Adopted {
        seq, given_up, epoch, ..
    } = &record.event
    else {
        panic!("{record:?}");
    };
    assert_eq!((*seq, *epoch), (record.seq, before.next()), "the record knows its own place");
    assert_eq!(given_up, &[head(90), head(80)]);
    let at = |found: fn(&Effect) -> bool| effects.iter().position(found).unwrap();
    let commit = at(|effect| matches!(effect, Effect::Commit(_)));
    let (publish, reply) = (
        at(|effect| matches!(effect, Effect::Publish)),
        at(|effect| matches!(effect, Effect::Reply { .. })),
    );
    assert!(commit < publish && commit < reply, "r7: durable first");
    assert_eq!(leader.state().halted, None);
    assert!(leader.state().given_up_by(head(80)).is_some());
}

/// A leader that was restored, and started: its nodes have not reported yet.
fn restored() -> Leader {
    let mut before = leader_with(&["a", "b"]);
    let restoration = Restoration {
        version: Version(3),
        taken_at: START,
        records: before.next_seq.0,
        later: 0,
    };
    let lost = vec![];
    before.state.apply(&[Event::Restored { restoration, lost }], START);
    let mut leader = Leader::new(before.state, before.seen, before.next_seq.next());
    let (last_up, settings) = (None, settings());
    leader.step(Input::Start { last_up, settings }, START);
    assert!(matches!(leader.state().halted, Some(Halted::Restored { .. })));
    leader
}

/// A node takes what the leader sends.
fn accepts(leader: &mut Leader, node: &str) -> Vec<Effect> {
    let (enrolment, report, node) = (of(leader, node), report_of(leader, START), name(node));
    leader.step(Input::Report { node, enrolment, report }, START)
}

#[test]
fn r5_a_restored_leader_that_no_node_is_ahead_of_goes_on_once_all_have_reported() {
    let mut leader = restored();
    accepts(&mut leader, "a");
    let refused = leader.step(operator(Command::Adopt(adopt())), START);
    assert_eq!(answer(&refused), &Err(Refusal::Unheard(vec![name("b")])));
    accepts(&mut leader, "b");
    let (epoch, generation) = (leader.state().epoch, leader.state().head.generation);
    let keys: Vec<Kid> = leader.state().keys.keys().cloned().collect();
    let effects = leader.step(operator(Command::Adopt(adopt())), START);
    assert!(answer(&effects).is_ok(), "{:?}", answer(&effects));
    let record = &records(&effects)[0];
    let Event::Adopted {
        seq, given_up, young, ..
    } = &record.event
    else {
        panic!("{record:?}");
    };
    assert!(given_up.is_empty() && young.is_empty() && *seq == record.seq, "{record:?}");
    let state = leader.state();
    assert_eq!((state.halted.clone(), state.epoch), (None, epoch.next()));
    assert!(state.head.generation > generation && keys.iter().all(|kid| state.keys.contains_key(kid)));
    // It decides again.
    let hasten = Command::Hasten {
        profiles: vec![],
        why: crate::lifecycle::Why::default(),
    };
    let effects = leader.step(operator(hasten), START);
    assert!(!matches!(answer(&effects), Err(Refusal::Halted(_))), "{:?}", answer(&effects));
}

#[test]
fn r5_a_restored_leader_gives_up_what_a_node_remembers_that_is_ahead_of_it() {
    let mut leader = restored();
    tells(&mut leader, "a", 90);
    accepts(&mut leader, "b");
    assert!(
        matches!(leader.state().halted, Some(Halted::Restored { .. })),
        "it had stopped before"
    );
    let effects = leader.step(operator(Command::Adopt(adopt())), START);
    assert!(matches!(&records(&effects)[0].event, Event::Adopted { given_up, .. } if *given_up == [head(90)]));
    assert_eq!(leader.state().halted, None);
}

#[test]
fn r5_a_checkpoint_that_was_given_up_halts_nothing_any_more() {
    let mut leader = leader_with(&["a", "b"]);
    tells(&mut leader, "a", 90);
    tells(&mut leader, "b", 90);
    leader.step(operator(Command::Adopt(adopt())), START);
    assert!(
        records(&tells(&mut leader, "b", 90))
            .iter()
            .all(|record| record.event.name() != "halted")
    );
    assert_eq!(leader.state().halted, None, "it was on its way when the leader went on");
    tells(&mut leader, "b", 91);
    assert!(leader.state().halted.is_some(), "another is news");
}

#[test]
fn r5_a_node_that_is_disbelieved_halts_the_leader_no_more() {
    let mut leader = leader_with(&["a", "b"]);
    let enrolment = of(&leader, "a");
    let lie = |leader: &mut Leader| {
        let mut report = report_of(leader, START);
        report.highest_epoch = Epoch(1 << 52);
        let node = name("a");
        leader.step(Input::Report { node, enrolment, report }, START)
    };
    lie(&mut leader);
    assert!(leader.state().halted.is_some());
    let accepts = Input::Report {
        node: name("b"),
        enrolment: of(&leader, "b"),
        report: report_of(&leader, START),
    };
    leader.step(accepts, START);
    let request = Adopt {
        disbelieve: BTreeSet::from([name("a")]),
        ..adopt()
    };
    let effects = leader.step(operator(Command::Adopt(request)), START);
    assert!(answer(&effects).is_ok());
    let epoch = leader.state().epoch;
    lie(&mut leader);
    tells(&mut leader, "a", 99);
    assert_eq!((leader.state().halted.clone(), leader.state().epoch), (None, epoch));
    let effects = enrol(&mut leader, "a", START);
    assert!(
        !effects.is_empty() && leader.state().disbelieved.is_empty(),
        "a new enrolment is a new node"
    );
}

#[test]
fn r5_what_a_node_has_told_counts_as_long_as_it_says_so() {
    let mut leader = leader_with(&["a", "b"]);
    tells(&mut leader, "a", 90);
    tells(&mut leader, "b", 80);
    // Node b has since come to the leader's log, which it was sent again.
    let accepts = Input::Report {
        node: name("b"),
        enrolment: of(&leader, "b"),
        report: report_of(&leader, START),
    };
    leader.step(accepts, START);
    let effects = leader.step(operator(Command::Adopt(adopt())), START);
    assert!(matches!(&records(&effects)[0].event, Event::Adopted { given_up, .. } if *given_up == [head(90)]));
}

fn shows(leader: &mut Leader, node: &str, set: KeySet) {
    let (enrolment, node) = (of(leader, node), name(node));
    let shown = Shown {
        set: set.into(),
        gone_here: BTreeSet::new(),
    };
    assert!(
        leader.step(Input::Shown { node, enrolment, shown }, START).is_empty(),
        "nothing is stored"
    );
}

#[test]
fn what_many_nodes_show_is_kept_once_and_forgotten_with_them() {
    let mut leader = leader_with(&["a", "b"]);
    let set = leader.state().key_set();
    shows(&mut leader, "a", set.clone());
    shows(&mut leader, "b", set.clone());
    let told = |leader: &Leader| match leader.completed(Command::Adopt(adopt())) {
        Command::Adopt(request) => request.told,
        _ => panic!("the same command"),
    };
    let both: Vec<Shown> = told(&leader).into_values().filter_map(|told| told.shown).collect();
    assert!(std::sync::Arc::ptr_eq(&both[0].set, &both[1].set));
    let (before, stranger) = (of(&leader, "a"), Enrolment(99));
    enrol(&mut leader, "a", START);
    assert!(!told(&leader).contains_key(&before));
    let shown = both[0].clone();
    let node = name("b");
    leader.step(
        Input::Shown {
            node,
            enrolment: stranger,
            shown,
        },
        START,
    );
    assert!(!told(&leader).contains_key(&stranger), "an enrolment that is not the node's");
}

#[test]
fn r5_what_was_shown_counts_for_one_adoption() {
    let mut leader = leader_with(&["a"]);
    let mut set = leader.state().key_set();
    tells(&mut leader, "a", 90);
    set.members[0].public = key("lost").into();
    shows(&mut leader, "a", set);
    leader.step(operator(Command::Adopt(adopt())), START);
    let lost: Kid = "lost".parse().unwrap();
    assert!(leader.state().keys.contains_key(&lost));
    let (reason, comment) = (Reason::Superseded, None);
    let kid = lost.clone();
    let command = Command::Revoke {
        kid,
        reason,
        comment,
        destroy: false,
    };
    leader.step(operator(command), START);
    // The same stream, and another reason to stop.
    tells(&mut leader, "a", 91);
    leader.step(operator(Command::Adopt(adopt())), START);
    assert_eq!(leader.state().halted, None);
    assert!(!leader.state().keys.contains_key(&lost), "r8: a revoked key never comes back");
}

/// However many nodes there are, and whatever each says, the record of it can be sent to every node, and read again.
#[test]
fn r5_a_thousand_nodes_of_which_each_remembers_another_log_make_one_small_record() {
    let names: Vec<String> = (0..1000).map(|n| format!("{n:0>63}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut leader = leader_with(&names);
    for (size, node) in (1000..).zip(&names) {
        tells(&mut leader, node, size);
    }
    let request = Adopt {
        comment: "x".repeat(500).parse().unwrap(),
        disbelieve: names.iter().take(256).map(|node| name(node)).collect(),
        ..adopt()
    };
    let effects = leader.step(operator(Command::Adopt(request)), START);
    let (decision, _) = answer(&effects).as_ref().unwrap();
    assert!(
        decision.remarks.iter().any(|remark| remark.contains("adopt once more")),
        "{:?}",
        decision.remarks
    );
    let records = records(&effects);
    assert!(matches!(&records[0].event, Event::Adopted { given_up, .. } if given_up.len() == MAX_GIVEN_UP));
    let bytes = records[0].to_bytes();
    assert!(bytes.len() < crate::rpc::limits::RECORD_BYTES, "{}", bytes.len());
    assert_eq!(crate::audit::Record::from_bytes(&bytes).unwrap(), records[0]);
}

/// Found by the simulator (seed 752490079090).
#[test]
fn r5_a_key_that_went_after_a_node_showed_it_is_gone() {
    let mut leader = leader_with(&["a"]);
    let set = leader.state().key_set();
    let kid = set.members[0].public.kid.clone();
    shows(&mut leader, "a", set);
    leader.step(
        operator(Command::Revoke {
            kid: kid.clone(),
            reason: Reason::Superseded,
            comment: None,
            destroy: false,
        }),
        START,
    );
    let Command::Adopt(request) = leader.completed(Command::Adopt(adopt())) else {
        panic!("the same command");
    };
    let shown = request.told.into_values().find_map(|told| told.shown).unwrap();
    assert_eq!(shown.gone_here, BTreeSet::from([kid]));
}
