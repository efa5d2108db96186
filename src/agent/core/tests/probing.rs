//! What is served, after the hooks: only then is a view confirmed.

use super::*;
use crate::lifecycle::Follower;

fn with_probes(has_hooks: bool) -> Settings {
    Settings {
        has_hooks,
        probes: [None].into(),
        ..Settings::default()
    }
}

fn is_confirmed(node: &Node) -> bool {
    node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded
}

type Served = fn(&BTreeSet<Kid>) -> Result<(), Unserved>;

const OLD_KEYS: Served = |_| {
    Err(Unserved {
        words: "it lacks key 1: did the server reload?".to_owned(),
        served: Some(kids(&[0])),
    })
};
const NO_ANSWER: Served = |_| {
    Err(Unserved {
        words: "it can't be asked: look whether the server runs".to_owned(),
        served: None,
    })
};

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
            OLD_KEYS(published)
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

/// The second of two probes looks again every ten minutes.
fn looking_again(has_hooks: bool) -> Node {
    let mut node = Node::new(Settings {
        probes: [None, Some(Span::mins(10))].into(),
        ..with_probes(has_hooks)
    });
    node.connect();
    node.send(usual(7));
    assert!(is_confirmed(&node));
    node
}

#[test]
fn a_probe_with_an_interval_looks_again_and_the_others_do_not() {
    let mut node = looking_again(true);
    node.pass(Span::mins(35));
    assert_eq!(node.looked, [vec![0, 1], vec![1], vec![1], vec![1]]);
    assert!(is_confirmed(&node));
    assert_eq!(node.hooks_run.len(), 1);
    assert_eq!(node.status().served_after, Some(Span(0)), "as it was after the swap");
}

#[test]
fn what_is_served_wrongly_later_is_confirmed_no_more_until_it_is_right_again() {
    let mut node = looking_again(true);
    node.served = OLD_KEYS;
    node.pass(Span::mins(10));
    let report = node.reports.last().unwrap();
    let installed = report.installed.as_ref().unwrap();
    assert!(!installed.hooks_succeeded);
    assert_eq!(
        installed.published,
        kids(&[0]),
        "so the leader takes back what it counts from"
    );
    assert_eq!(report.failing[0].what, Follower::Probe);
    assert!(
        node.trusted.as_ref().unwrap().hooked.is_none(),
        "a restart does not confirm it either"
    );
    node.pass(Span::secs(6));
    assert_eq!(node.hooks_run.len(), 2, "the server is told once more, and once only");
    assert_eq!(node.looked.last().unwrap(), &[0, 1]);
    assert_eq!(node.installs, 1, "the files are as they were");
    node.served = |_| Ok(());
    node.pass(Span::mins(1));
    let report = node.reports.last().unwrap();
    assert!(is_confirmed(&node) && report.problem.is_none() && report.failing.is_empty());
    assert_eq!(report.installed.as_ref().unwrap().published, kids(&[0, 1, 2]));
    assert!(node.trusted.as_ref().unwrap().hooked.is_some());
}

#[test]
fn a_server_that_does_not_answer_later_is_told_of_and_takes_back_nothing() {
    let mut node = looking_again(true);
    node.served = NO_ANSWER;
    node.pass(Span::mins(10) + Span::secs(6));
    assert!(is_confirmed(&node));
    let report = node.reports.last().unwrap();
    assert_eq!((report.failing[0].what, report.failing[0].times), (Follower::Probe, 3));
    assert!(report.problem.as_ref().unwrap().contains("look whether the server runs"));
    assert_eq!(report.installed.as_ref().unwrap().published, kids(&[0, 1, 2]));
    node.served = |_| Ok(());
    node.pass(Span::mins(1));
    assert_eq!(node.reports.last().unwrap().failing, []);
    assert_eq!(node.hooks_run.len(), 1);
}

#[test]
fn what_was_served_wrongly_of_one_view_is_not_told_of_the_next() {
    let mut node = looking_again(false);
    node.served = OLD_KEYS;
    node.pass(Span::mins(10));
    node.served = NO_ANSWER;
    node.send(usual(8));
    let installed = node.reports.last().unwrap().installed.clone().unwrap();
    assert!(!installed.hooks_succeeded);
    assert_eq!(installed.published, kids(&[0, 1, 2]));
}

#[test]
fn after_a_restart_a_probe_with_an_interval_looks_at_once() {
    let mut node = looking_again(false);
    node.served = OLD_KEYS;
    node.restart();
    node.connect();
    assert!(!is_confirmed(&node));
    assert_eq!(node.looked[1], [1], "what is served since is not known");
}
