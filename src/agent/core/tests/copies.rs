//! Copies of a view's files in places of other programs.

use super::*;

fn with_hooks() -> Settings {
    Settings {
        has_hooks: true,
        ..Settings::default()
    }
}

/// A node whose copies fail, once it has been sent a generation.
fn uncopied(settings: Settings) -> Node {
    let mut node = Node::new(settings);
    node.copies_fail = true;
    node.connect();
    node.send(bundle(7, &[(0, Active), (2, Prepublished)]));
    node
}

fn is_confirmed(node: &Node) -> bool {
    let report = node.reports.last().unwrap();
    report.installed.as_ref().unwrap().hooks_succeeded
}

#[test]
fn a_copy_that_fails_keeps_no_view_from_being_live_and_none_is_confirmed() {
    let mut node = uncopied(Settings::default());
    assert_eq!((node.generation(), node.installs), (7, 1), "the view is live");
    assert!(!is_confirmed(&node));
    assert!(node.problem().contains("the folder of the copy is missing"));
    node.send(bundle(8, &[(1, Active), (0, Retiring)]));
    assert_eq!((node.generation(), node.signing()), (8, kids(&[1])), "and the next one too");
    assert!(!is_confirmed(&node));
}

#[test]
fn a_copy_that_failed_is_tried_again_with_pauses_and_nothing_else_is() {
    let mut node = uncopied(Settings::default());
    node.pass(Span::mins(10));
    assert!((5..30).contains(&node.copies), "{} times", node.copies);
    assert_eq!(node.installs, 1, "the link is not moved for it");
    node.copies_fail = false;
    node.pass(Span::mins(1));
    assert!(is_confirmed(&node));
    assert_eq!((node.installs, node.problem().as_str()), (1, ""));
}

#[test]
fn hooks_run_for_a_view_without_its_copies_once_and_again_when_they_are_there() {
    let mut node = uncopied(with_hooks());
    node.pass(Span::mins(10));
    assert_eq!(node.hooks_run.len(), 1);
    assert!(!is_confirmed(&node), "they did not see the copies");
    node.copies_fail = false;
    node.pass(Span::mins(1));
    assert_eq!(node.hooks_run.len(), 2);
    assert!(is_confirmed(&node));
}

#[test]
fn copies_that_are_missing_at_a_start_are_made_and_confirmed_only_then() {
    let mut node = Node::new(with_hooks());
    node.connect();
    node.send(bundle(7, &[(0, Active), (2, Prepublished)]));
    assert!(is_confirmed(&node));
    node.copied = None;
    node.copies_fail = true;
    node.restart();
    node.connect();
    assert!(!is_confirmed(&node));
    node.copies_fail = false;
    node.send(bundle(7, &[(0, Active), (2, Prepublished)]));
    node.pass(Span::mins(2));
    assert!(is_confirmed(&node));
    assert_eq!((node.installs, node.hooks_run.len()), (1, 2));
}

#[test]
fn a_view_whose_files_are_not_as_configured_is_put_in_place_anew() {
    let mut node = Node::holding(bundle(7, &[(0, Active), (2, Prepublished)]));
    assert_eq!(node.installs, 1);
    node.finds = Some(Unfinished::Outputs);
    node.restart();
    node.connect();
    assert!(!is_confirmed(&node));
    node.send(bundle(7, &[(0, Active), (2, Prepublished)]));
    assert_eq!(node.installs, 2);
    assert!(is_confirmed(&node));
}
