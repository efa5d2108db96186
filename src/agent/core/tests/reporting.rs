//! What a node tells its leader, and when it says that it is without one.

use super::*;

#[test]
fn a_report_goes_out_on_connecting_on_every_change_and_from_time_to_time() {
    let mut node = Node::new(Settings::default());
    node.connect();
    let epochs: Vec<u64> = node.reports.iter().map(|report| report.highest_epoch.0).collect();
    assert_eq!(epochs, [0, 1], "on connecting, and once the epoch is durable");
    assert_eq!(node.reports[1].installed, None);
    node.send(usual(7));
    let changed = node.reports.len();
    let report = node.reports.last().unwrap();
    assert_eq!(
        report.installed,
        node.installed.clone().map(|installed| Installed {
            hooks_succeeded: true,
            ..installed
        })
    );
    assert_eq!((report.highest_generation, report.problem.clone()), (Generation(7), None));
    node.pass(Span::mins(1) - Span(1));
    assert_eq!(node.reports.len(), changed, "nothing new");
    node.pass(Span(1));
    assert_eq!(node.reports.len(), changed + 1);
    node.input(Input::Lost);
    node.pass(Span::mins(10));
    assert_eq!(node.reports.len(), changed + 1, "there is nobody to tell");
    node.connect();
    assert_eq!(node.reports.len(), changed + 2);
}

#[test]
fn a_switch_is_reported() {
    let mut node = Node::holding(usual(7));
    node.pass(Span::hours(1));
    let installed = node.reports.last().unwrap().installed.clone().unwrap();
    assert_eq!((installed.switches, installed.signing), (kids(&[1]), kids(&[1])));
}

#[test]
fn r10_silence_is_said_once_and_ends_with_an_answer() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.said.clear();
    node.pass(Span::hours(24) - Span(1));
    assert_eq!(
        node.said, [""; 0],
        "reports that nobody answers end no silence, and cause none"
    );
    node.pass(Span::hours(24));
    assert_eq!((node.said.as_slice(), node.status().stale), (&["stale"][..], true));
    assert_eq!(node.signing(), kids(&[1]), "it keeps serving");
    node.answer(Span(0));
    assert_eq!((node.said.as_slice(), node.status().stale), (&["stale", "fresh"][..], false));
}

#[test]
fn r10_silence_goes_on_over_a_restart() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.input(Input::Lost);
    node.pass(Span::hours(20));
    node.restart();
    node.said.clear();
    node.pass(Span::hours(4) - Span(1));
    assert_eq!(node.said, [""; 0]);
    node.pass(Span(1));
    assert_eq!(node.said, ["stale"]);
}

#[test]
fn silence_counts_from_the_sending_of_the_report_that_was_answered() {
    let mut node = Node::holding(usual(7));
    let sent = node.reports.last().unwrap().sent_at;
    node.pass(Span::secs(30));
    node.input(Input::Message(LeaderMessage::Answer(answer(sent, sent))));
    node.said.clear();
    node.pass(Span::hours(24) - Span::secs(30));
    assert_eq!(node.said, ["stale"]);
}

#[test]
fn an_answer_is_remembered_without_a_write_each_time() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    assert_eq!(node.trusted.as_ref().unwrap().heard_at, Some(START));
    node.pass(Span::mins(80));
    node.answer(Span(0));
    assert_eq!(
        node.trusted.as_ref().unwrap().heard_at,
        Some(START),
        "a sixteenth of straggler_after is 90 minutes"
    );
    node.pass(Span::mins(20));
    node.answer(Span(0));
    assert_eq!(node.trusted.as_ref().unwrap().heard_at, Some(START + Span::mins(100)));
}

#[test]
fn what_the_leader_says_of_the_service_is_shown() {
    let mut node = Node::holding(usual(7));
    assert_eq!(node.status().in_service, None);
    node.answer(Span(0));
    assert_eq!(node.status().in_service, Some(true));
}
