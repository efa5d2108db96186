//! Rule R5 where a leader goes on from an older state: what the node shows it, and what it must show the node.

use super::*;
use crate::agent::testing::{bundle_of, key_set, logged_in};
use crate::audit::testing::{Log, record};
use crate::audit::{Record, RecordProof};
use crate::lifecycle::{Event, NamedNodes};
use crate::rpc::fleet::{AdoptedRecord, SHOWN};
use crate::types::{Epoch, PublicKey, Seq, TreeHead};

/// A node of the log of this seed, which holds generations 6 and 7. Key 0 signs, and key 3 is gone.
fn in_log(log: &mut Log) -> Node {
    let mut node = Node::new(Settings::default());
    node.state.as_mut().unwrap().log = Some(log.key());
    node.input(Input::Connected(able(2)));
    node.show(logged_in(log, bundle(6, &[(0, Active), (3, Prepublished)]), 0));
    node.show(logged_in(log, usual(7), 1));
    assert_eq!(node.generation(), 7);
    node
}

/// The welcome of a leader that can be shown things.
fn able(epoch: u64) -> Welcome {
    Welcome {
        capabilities: vec![SHOWN.to_owned()],
        ..welcome(epoch)
    }
}

fn adoption(seq: u64, given_up: &[TreeHead], generation: &Bundle) -> Record {
    let event = Event::Adopted {
        epoch: Epoch(3),
        generation: generation.set.generation,
        seq: Seq(seq),
        given_up: given_up.to_vec(),
        unknown: NamedNodes::default(),
        believed: NamedNodes::default(),
        disbelieved: BTreeSet::new(),
        young: BTreeSet::new(),
        comment: "restored".parse().unwrap(),
    };
    Record {
        event,
        generation: generation.set.generation,
        digest: generation.digest,
        ..record(seq, "")
    }
}

/// A generation of a leader whose log gives up these checkpoints, with the record that says so.
fn adopted_in(log: &mut Log, generation: Bundle, given_up: &[TreeHead]) -> Logged {
    let seq = log.records.len() as u64;
    log.push(adoption(seq, given_up, &generation).to_bytes());
    let mut logged = logged_in(log, generation, 0);
    logged.consistency = crate::rpc::fleet::Consistency::default();
    logged.consistency.adopted = Some(shown_by(&log.prove(seq)));
    logged
}

fn shown_by(proof: &RecordProof) -> AdoptedRecord {
    AdoptedRecord {
        record: proof.record.clone(),
        seq: proof.seq,
        hashes: proof.hashes.clone(),
    }
}

/// The log of a leader that was put back before generation 7, and went another way from there.
fn other_way() -> Log {
    let mut log = Log::new(1);
    logged_in(&mut log, bundle(6, &[(0, Active), (3, Prepublished)]), 0);
    logged_in(&mut log, bundle(5, &[(0, Active)]), 0);
    log
}

fn refuses(node: &mut Node, shown: Logged, words: &str) {
    let before = node.trusted.clone();
    node.show(shown);
    let problem = node.problem();
    assert!(problem.contains(words), "{problem:?} does not say {words:?}");
    assert_eq!(node.trusted, before, "nothing has changed");
}

#[test]
fn r5_a_log_that_gives_up_what_the_node_remembers_is_gone_on_with() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    let mut other = other_way();
    node.input(Input::Message(LeaderMessage::Welcome(able(3))));
    let shown = adopted_in(&mut other, bundle(9, &[(0, Active), (2, Prepublished)]), &[log.head()]);
    node.show(shown);
    assert_eq!((node.generation(), node.problem().as_str()), (9, ""));
    assert_eq!(node.trusted.as_ref().unwrap().checkpoint, Some(other.head()));
    assert!(
        node.trusted.as_ref().unwrap().gone.contains(&kid(1)),
        "what it lost on the way is gone for ever"
    );
    // From there on the new log is the one that must go on.
    node.show(logged_in(
        &mut other,
        bundle(10, &[(0, Active), (2, Prepublished)]),
        node.remembers(),
    ));
    assert_eq!(node.generation(), 10);
    refuses(&mut node, logged_in(&mut log, usual(11), 2), "the log was");
}

#[test]
fn r5_a_checkpoint_that_the_record_does_not_name_is_not_given_up() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    let TreeHead { size, root } = log.head();
    let near = [
        TreeHead { size: size + 1, root },
        TreeHead {
            size,
            root: crate::types::Digest([9; 32]),
        },
    ];
    for given_up in [&near[..], &[]] {
        let shown = adopted_in(&mut other_way(), bundle(9, &[(0, Active)]), given_up);
        refuses(&mut node, shown, "does not name it");
    }
    let report = node.reports.last().unwrap();
    assert_eq!(report.refused, Some(Generation(9)));
}

#[test]
fn r5_an_adoption_that_is_not_in_the_log_that_is_shown_is_refused() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    let remembered = log.head();
    // In another log of the same key, and in one of another.
    for seed in [1, 2] {
        let mut elsewhere = Log::new(seed);
        let foreign = adopted_in(&mut elsewhere, bundle(9, &[(0, Active)]), &[remembered]);
        let mut other = other_way();
        let mut shown = adopted_in(&mut other, bundle(9, &[(0, Active)]), &[]);
        shown.consistency.adopted = foreign.consistency.adopted;
        refuses(&mut node, shown, "does not hold");
    }
    // Signed by another key altogether.
    let shown = adopted_in(&mut Log::new(2), bundle(9, &[(0, Active)]), &[remembered]);
    refuses(&mut node, shown, "not signed by the log's key");
}

#[test]
fn r5_a_record_of_anything_else_gives_nothing_up() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    let mut other = other_way();
    let mut shown = adopted_in(&mut other, bundle(9, &[(0, Active)]), &[log.head()]);
    shown.consistency.adopted = Some(shown_by(&shown.proof));
    refuses(&mut node, shown, "is not of an adoption");
    // One that says that it stands elsewhere.
    let mut other = other_way();
    let generation = bundle(9, &[(0, Active)]);
    let seq = other.records.len() as u64;
    let moved = Record {
        seq: Seq(seq),
        ..adoption(seq + 1, &[log.head()], &generation)
    };
    other.push(moved.to_bytes());
    let mut shown = logged_in(&mut other, generation, 0);
    shown.consistency.adopted = Some(shown_by(&other.prove(seq)));
    refuses(&mut node, shown, "is not of an adoption");
}

#[test]
fn r5_an_adoption_lifts_no_other_rule() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    for (number, members, words) in [
        (7, vec![(0, Active)], "sent with other content"),
        (5, vec![(0, Active)], "is lower than"),
        (9, vec![(0, Active), (3, Prepublished)], "knows as removed or revoked"),
    ] {
        let shown = adopted_in(&mut other_way(), bundle(number, &members), &[log.head()]);
        node.show(shown);
        assert!(node.problem().contains(words), "{}", node.problem());
        assert_eq!(node.generation(), 7);
        // What it remembers of the log has changed: each attempt needs a node of its own.
        node = in_log(&mut Log::new(1));
    }
}

#[test]
fn r5_a_node_that_refuses_shows_what_it_holds_and_says_what_is_gone() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    assert!(node.shown.is_empty(), "nothing is wrong");
    let set_back = logged_in(&mut other_way(), bundle(8, &[(0, Active), (3, Prepublished)]), 2);
    node.show(set_back);
    let report = node.reports.last().unwrap().clone();
    assert_eq!((report.refused, report.gone), (Some(Generation(8)), kids(&[3])));
    let exhibit = node.shown.last().unwrap().clone();
    let (set, head) = exhibit.open(&log.key()).unwrap();
    assert_eq!((set, head), (usual(7).set, log.head()));
    assert!(exhibit.open(&Log::new(2).key()).is_err(), "nobody else signed for it");
    let mut other = exhibit;
    other.public_form = usual(8).public_form;
    assert!(other.open(&log.key()).is_err(), "nor for anything else");
    node.input(Input::Tick);
    assert_eq!(node.shown.len(), 1, "once a stream");
}

#[test]
fn r5_a_leader_in_a_lower_term_is_told_the_same_after_a_restart_of_the_node() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    node.restart();
    node.state.as_mut().unwrap().log = Some(log.key());
    node.input(Input::Connected(able(1)));
    assert_eq!(node.reports.last().unwrap().refused, None, "the leader has sent nothing yet");
    node.show(logged_in(&mut other_way(), bundle(6, &[(0, Active), (3, Prepublished)]), 2));
    let report = node.reports.last().unwrap();
    assert_eq!((report.refused, report.gone.clone()), (Some(Generation(6)), kids(&[3])));
    assert!(report.problem.as_ref().unwrap().contains("the leader is in epoch 1"));
    assert_eq!(
        node.shown[0].open(&log.key()).unwrap().0,
        usual(7).set,
        "the cache has the proof"
    );
    node.input(Input::Connected(able(1)));
    assert_eq!(node.shown.len(), 2, "another stream");
}

#[test]
fn a_leader_that_can_not_take_it_is_shown_nothing() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    node.input(Input::Connected(welcome(1)));
    assert!(!node.problem().is_empty() && node.shown.is_empty());
}

/// Generation 9 of a leader that is without the private half of key `n`.
fn without_half(n: usize) -> Bundle {
    let mut set = key_set(9, &[(0, Active), (2, Prepublished)]);
    let member = set.members.iter_mut().find(|member| member.public.kid == kid(n)).unwrap();
    member.inherited = true;
    bundle_of(set)
}

#[test]
fn a_key_that_the_leader_does_not_have_signs_where_its_private_half_is() {
    let mut node = Node::holding(usual(7));
    assert!(without_half(0).privates.is_empty());
    node.send(without_half(0));
    assert_eq!((node.generation(), node.signing()), (9, kids(&[0])));
    assert_eq!(node.problem(), "");
    // Without the leader too, and over a restart.
    node.answer(Span(0));
    node.restart();
    node.pass(Span::mins(1));
    assert_eq!((node.generation(), node.signing()), (9, kids(&[0])));
    assert_eq!(node.problem(), "");
}

#[test]
fn a_node_that_lacks_it_too_publishes_it_and_signs_nothing_with_it() {
    let mut node = Node::new(Settings::default());
    node.connect();
    node.send(without_half(0));
    assert_eq!((node.generation(), node.signing()), (9, kids(&[])));
    let installed = node.installed.clone().unwrap();
    assert_eq!((installed.published, installed.held), (kids(&[0, 2]), kids(&[])));
    assert_eq!(node.problem(), "", "nothing more can be done there");
    node.answer(Span(0));
    node.restart();
    node.connect();
    assert_eq!((node.generation(), node.problem().as_str()), (9, ""));
}

#[test]
fn a_private_half_is_not_kept_for_another_key_of_the_same_name() {
    let mut node = Node::holding(usual(7));
    let mut set = without_half(0).set;
    let other = key_set(9, &[(4, Active)]).members[0].public.clone();
    let own = set.members.iter_mut().find(|member| member.public.kid == kid(0)).unwrap();
    own.public = Arc::new(PublicKey {
        kid: kid(0),
        ..(*other).clone()
    });
    node.send(bundle_of(set));
    assert_eq!(node.generation(), 7, "{}", node.problem());
    assert!(!node.problem().is_empty());
}
