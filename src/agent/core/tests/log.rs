//! Rule R5 on the audit log: a node takes nothing that is not in it, and notices a log that was rewritten.

use super::*;
use crate::agent::testing::{bundle_of, logged_in};
use crate::audit::testing::Log;
use crate::types::{Digest, TreeHead};

/// Shows a generation that the node must refuse in these words, and report as refused.
fn refuses(node: &mut Node, shown: Logged, words: &str) {
    let (before, number) = (node.trusted.clone(), shown.bundle.set.generation);
    node.show(shown);
    let report = node.reports.last().unwrap();
    let problem = report.problem.clone().unwrap_or_default();
    assert!(problem.contains(words), "{problem:?} does not say {words:?}");
    assert_eq!(report.refused, Some(number), "the leader is told which");
    assert_eq!(node.refused_for.last(), Some(&Reason::Log));
    assert_eq!(node.trusted, before, "nothing has changed");
    assert_ne!(node.generation(), number.0);
}

fn remembered(node: &Node) -> Option<TreeHead> {
    node.trusted.as_ref().and_then(|trusted| trusted.checkpoint)
}

/// A node of the log of this seed, which holds generation 7.
fn in_log(log: &mut Log) -> Node {
    let mut node = Node::new(Settings::default());
    node.state.as_mut().unwrap().log = Some(log.key());
    node.connect();
    node.show(logged_in(log, usual(7), 0));
    assert_eq!(node.generation(), 7);
    node
}

#[test]
fn r5_the_newest_checkpoint_is_durable_and_is_reported() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    assert_eq!(remembered(&node), Some(log.head()));
    assert_eq!(node.reports.last().unwrap().checkpoint, Some(log.head()));
    node.show(logged_in(&mut log, usual(7), 1));
    assert_eq!(
        (remembered(&node), node.installs),
        (Some(log.head()), 1),
        "the same generation under a newer checkpoint"
    );
    node.restart();
    node.state.as_mut().unwrap().log = Some(log.key());
    node.connect();
    assert_eq!(node.reports.last().unwrap().checkpoint, Some(log.head()));
}

#[test]
fn r5_a_generation_that_is_not_in_the_log_is_refused() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    let recorded = logged_in(&mut log, usual(8), 1);
    let other = bundle(8, &[(0, Active), (2, Prepublished)]);
    let shown = Logged {
        bundle: other,
        ..recorded
    };
    refuses(&mut node, shown, "is not about this content of generation 8");
    node.show(logged_in(&mut log, usual(9), 1));
    assert_eq!((node.generation(), node.problem().as_str()), (9, ""));
    assert_eq!(node.reports.last().unwrap().refused, None);
}

#[test]
fn r5_a_log_that_another_key_signs_is_refused() {
    let mut node = in_log(&mut Log::new(1));
    refuses(
        &mut node,
        logged_in(&mut Log::new(2), usual(8), 1),
        "not signed by the log's key",
    );
}

#[test]
fn r5_a_forked_log_is_refused_also_after_a_restart() {
    let (mut log, mut fork) = (Log::new(1), Log::new(1));
    let mut node = in_log(&mut log);
    logged_in(&mut fork, usual(6), 0);
    refuses(&mut node, logged_in(&mut fork, usual(8), 1), "the log was forked");
    node.restart();
    node.state.as_mut().unwrap().log = Some(log.key());
    node.connect();
    refuses(&mut node, logged_in(&mut fork, usual(9), 1), "the log was forked");
}

#[test]
fn r5_a_log_that_was_rolled_back_is_refused() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    node.show(logged_in(&mut log, usual(8), 1));
    let mut older = Log::new(1);
    refuses(&mut node, logged_in(&mut older, usual(9), 2), "the log was rolled back");
}

#[test]
fn r5_what_was_seen_of_the_log_is_remembered_whatever_else_is_refused() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    node.show(logged_in(&mut log, usual(6), 1));
    assert!(node.problem().contains("generation 6 is lower"));
    assert_eq!(remembered(&node), Some(log.head()));
    node.show(logged_in(&mut log, usual(8), 2));
    assert_eq!(node.generation(), 8);
}

#[test]
fn a_proof_from_elsewhere_is_asked_for_again_and_nothing_is_accused() {
    let mut log = Log::new(1);
    let mut node = in_log(&mut log);
    logged_in(&mut log, usual(8), 1);
    node.show(logged_in(&mut log, usual(9), 2));
    let report = node.reports.last().unwrap();
    assert_eq!((node.generation(), report.refused), (7, None));
    assert!(report.problem.as_ref().unwrap().contains("remembers one of 1"));
    node.show(logged_in(&mut log, usual(9), 1));
    assert_eq!((node.generation(), node.problem().as_str()), (9, ""));
}

#[test]
fn a_node_whose_identity_can_not_be_read_takes_nothing() {
    let mut log = Log::new(1);
    let mut node = Node::new(Settings::default());
    node.state.as_mut().unwrap().log = None;
    node.connect();
    node.show(logged_in(&mut log, usual(7), 0));
    assert_eq!(node.generation(), 0);
    let altered = bundle_of(usual(7).set);
    assert_eq!(altered.digest, Digest::of(&altered.public_form));
}
