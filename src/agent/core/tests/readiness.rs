//! When traffic may be sent to a node (rule R10), and for how long its JWKS may be cached.

use super::*;

fn readiness(node: &Node) -> Result<(), &'static str> {
    node.status().readiness(false)
}

#[test]
fn r10_a_node_is_not_ready_before_its_first_view() {
    let mut node = Node::new(Settings::default());
    node.connect();
    assert!(readiness(&node).unwrap_err().contains("no view"));
    node.send(usual(7));
    assert_eq!(readiness(&node), Ok(()));
}

#[test]
fn r10_a_node_is_not_ready_from_when_it_is_out_of_service_until_it_has_confirmed() {
    let mut node = Node::holding(usual(7));
    let mut told = |in_service| {
        node.pass(Span::mins(1));
        let sent = node.reports.last().unwrap().sent_at;
        let answer = crate::rpc::fleet::Answer {
            in_service,
            ..answer(sent, sent)
        };
        node.input(Input::Message(LeaderMessage::Answer(answer)));
        readiness(&node)
    };
    assert_eq!(told(true), Ok(()));
    assert!(told(false).unwrap_err().contains("out of service"));
    assert_eq!(told(true), Ok(()));
}

#[test]
fn r10_silence_of_the_leader_is_a_reason_only_where_it_is_configured_so() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Lost);
    node.pass(Span::hours(25));
    let status = node.status();
    assert!(status.stale);
    assert_eq!(status.readiness(false), Ok(()));
    assert!(status.readiness(true).unwrap_err().contains("straggler_after"));
}

#[test]
fn a_node_that_was_taken_out_of_the_fleet_is_not_ready() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(readiness(&node).unwrap_err().contains("no private key"));
}

#[test]
fn a_jwks_is_not_cached_beyond_the_next_change_but_for_a_while_in_any_case() {
    let shortest = Span::secs(30);
    // One key is armed for an hour after the start.
    let status = Node::holding(usual(7)).status();
    let change = START + Span::hours(1);
    assert_eq!(status.cacheable_for(START, shortest), Span::mins(10), "max_age");
    let before = |span: Span| Time(change.0 - span.0);
    assert_eq!(status.cacheable_for(before(Span::mins(4)), shortest), Span::mins(4));
    assert_eq!(status.cacheable_for(before(Span::secs(4)), shortest), shortest);
    assert_eq!(Status::default().cacheable_for(START, shortest), shortest);
}

#[test]
fn r10_silence_counts_from_the_sending_of_the_last_report_that_was_answered() {
    let mut node = Node::holding(usual(7));
    let silence = |node: &Node| node.status().silence.unwrap().lasts(node.now);
    node.pass(Span::mins(1));
    let sent_at = node.reports.last().unwrap().sent_at;
    node.move_to(node.now.monotonic + Span::secs(3));
    node.answer(Span(0));
    assert_eq!(silence(&node), node.now.wall.since(sent_at));
    let before = silence(&node);
    node.input(Input::Lost);
    node.pass(Span::hours(5));
    assert_eq!(silence(&node), before + Span::hours(5));
    // It goes on over a restart, as far as the disk remembers the last answer.
    node.restart();
    assert!(silence(&node).0.abs_diff((before + Span::hours(5)).0) <= Span::mins(90).0);
}

#[test]
fn the_keys_that_sign_are_those_of_the_live_view() {
    let mut node = Node::holding(usual(7));
    let signers = |node: &Node| -> Vec<Kid> {
        let status = node.status();
        status.signers.iter().map(|signer| signer.public.kid.clone()).collect()
    };
    assert_eq!(signers(&node), [kid(0)]);
    node.pass(Span::hours(2));
    assert_eq!(signers(&node), [kid(1)], "the armed key took over");
    assert_eq!(signers(&Node::new(Settings::default())), []);
}

#[test]
fn r10_a_fleet_whose_only_signer_was_revoked_is_ready_all_the_same() {
    let mut node = Node::holding(bundle(7, &[(0, Active), (2, Prepublished)]));
    node.send_revoked(bundle(8, &[(2, Prepublished)]), &[0]);
    assert!(node.status().installed.unwrap().held.is_empty());
    assert_eq!(readiness(&node), Ok(()));
    node.answer(Span(0));
    node.restart();
    node.pass(Span::mins(1));
    assert_eq!(readiness(&node), Ok(()), "also from its cache");
}
