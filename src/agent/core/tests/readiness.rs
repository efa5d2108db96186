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
