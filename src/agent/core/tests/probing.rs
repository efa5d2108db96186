//! What is served, after the hooks: only then is a view confirmed.

use super::*;
use crate::lifecycle::Follower;

fn with_probes(has_hooks: bool) -> Settings {
    Settings {
        has_hooks,
        has_probes: true,
        ..Settings::default()
    }
}

fn is_confirmed(node: &Node) -> bool {
    node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded
}

const OLD_KEYS: fn(&BTreeSet<Kid>) -> Result<(), String> = |_| Err("it lacks key 1: did the server reload?".to_owned());

#[test]
fn a_view_is_confirmed_once_it_is_served() {
    let mut node = Node::new(with_probes(true));
    node.served = OLD_KEYS;
    node.connect();
    node.send(usual(7));
    assert_eq!((node.hooks_run.len(), node.probed.len()), (1, 1));
    assert!(!is_confirmed(&node));
    let report = node.reports.last().unwrap();
    assert!(report.problem.as_ref().unwrap().contains("did the server reload?"));
    assert_eq!((report.failing[0].what, report.failing[0].times), (Follower::Probe, 1));
    node.pass(Span::secs(6));
    assert_eq!(
        (node.hooks_run.len(), node.probed.len()),
        (1, 3),
        "after 1 s and 2 s more, without the hooks"
    );
    assert_eq!(node.reports.last().unwrap().failing[0].times, 3);
    assert_eq!(node.status().served_after, None);
    node.served = |published| {
        if *published == kids(&[0, 1, 2]) {
            Ok(())
        } else {
            Err("others".to_owned())
        }
    };
    node.pass(Span::secs(1));
    assert!(is_confirmed(&node));
    let report = node.reports.last().unwrap();
    assert_eq!((report.problem.clone(), report.failing.len()), (None, 0));
    assert_eq!(
        node.status().served_after,
        Some(Span::secs(7)),
        "from the swap to the look that found it"
    );
    node.pass(Span::mins(30));
    assert_eq!(node.probed.len(), 4, "it is looked at once a view");
}

#[test]
fn a_probe_comes_after_hooks_that_succeeded_and_without_hooks_at_once() {
    let mut node = Node::new(with_probes(true));
    node.hooks_fail = true;
    node.connect();
    node.send(usual(7));
    assert_eq!(node.probed.len(), 0);
    node.hooks_fail = false;
    node.pass(Span::secs(1));
    assert!(is_confirmed(&node) && node.probed.len() == 1);

    let mut node = Node::new(with_probes(false));
    node.connect();
    node.send(usual(7));
    assert!(is_confirmed(&node) && node.probed.len() == 1);
    node.pass(Span::hours(1));
    assert!(
        is_confirmed(&node) && node.probed.len() == 2,
        "a switch has probes of its own"
    );
}

#[test]
fn a_probe_that_fails_does_not_hold_up_a_newer_generation() {
    let mut node = Node::new(with_probes(true));
    node.served = OLD_KEYS;
    node.connect();
    node.send(usual(7));
    node.send(usual(8));
    assert_eq!(node.generation(), 8);
    assert_eq!(
        node.probed.last().unwrap().generation,
        Generation(8),
        "it is looked for at once"
    );
    assert_eq!(node.hooks_run.len(), 2);
}

#[test]
fn what_was_served_of_a_view_that_is_gone_confirms_nothing() {
    let mut node = Node::new(with_probes(false));
    node.served = OLD_KEYS;
    node.connect();
    node.send(usual(8));
    let old = ViewId {
        generation: Generation(7),
        switches: BTreeSet::new(),
    };
    node.input(Input::Probed(old, Ok(())));
    assert!(!is_confirmed(&node));
}

#[test]
fn after_a_restart_what_was_served_counts_and_what_was_not_is_looked_for_anew() {
    let mut node = Node::new(with_probes(true));
    node.connect();
    node.send(usual(7));
    node.restart();
    node.connect();
    assert!(is_confirmed(&node));
    assert_eq!((node.hooks_run.len(), node.probed.len()), (1, 1));

    node.served = OLD_KEYS;
    node.send(usual(8));
    node.restart();
    node.connect();
    assert!(!is_confirmed(&node));
    assert_eq!(
        node.hooks_run.len(),
        3,
        "the hooks of a view that was not confirmed run again"
    );
}
