//! Join tokens that are taken back.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

fn issue(bench: &mut Bench, number: u8, node: &str, life: Span) -> Digest {
    let token = Digest([number; 32]);
    let (node, expires_at) = (name(node), bench.now + life);
    bench.issue(token, node, expires_at);
    token
}

fn enrol(bench: &mut Bench, token: Digest, node: &str) -> Result<Decision, Refusal> {
    bench.run(&Command::Enrol {
        token,
        node: name(node),
        tls_key: Digest([99; 32]),
        witness_key: WitnessKey([99; 32]),
    })
}

fn revoke(bench: &mut Bench, node: Option<&str>) -> Result<usize, Refusal> {
    let node = node.map(name);
    Ok(bench.run(&Command::RevokeTokens { node })?.events.len())
}

#[test]
fn a_token_that_was_revoked_lets_nobody_in() {
    let mut bench = Bench::started(&["main"]);
    let (one, two) = (
        issue(&mut bench, 101, "a", Span::hours(1)),
        issue(&mut bench, 102, "a", Span::hours(2)),
    );
    let other = issue(&mut bench, 103, "b", Span::hours(1));
    assert_eq!(revoke(&mut bench, Some("a")), Ok(2));
    for token in [one, two] {
        assert_eq!(enrol(&mut bench, token, "a"), Err(Refusal::NoToken));
    }
    assert!(enrol(&mut bench, other, "b").is_ok(), "another node's stays");
    assert_eq!(bench.rebuilt(), bench.state, "rule R7");
}

#[test]
fn only_what_could_still_be_used_is_revoked() {
    let mut bench = Bench::started(&["main"]);
    let used = issue(&mut bench, 101, "a", Span::hours(1));
    enrol(&mut bench, used, "a").unwrap();
    assert_eq!(revoke(&mut bench, Some("a")), Err(Refusal::NoOpenToken(Some(name("a")))));
    issue(&mut bench, 102, "b", Span::hours(1));
    issue(&mut bench, 103, "c", Span::hours(3));
    bench.now = bench.now + Span::hours(2);
    assert_eq!(revoke(&mut bench, None), Ok(1));
    let refused = revoke(&mut bench, None).unwrap_err();
    assert_eq!(refused, Refusal::NoOpenToken(None));
    assert!(refused.to_string().contains("jkeys node token list"), "{refused}");
    assert_eq!(
        enrol(&mut bench, used, "a"),
        Err(Refusal::TokenUsed),
        "and is known for what it is"
    );
}

#[test]
fn a_name_for_a_new_node_is_refused_where_a_node_or_an_open_token_has_it() {
    let mut bench = Bench::started(&["main"]);
    let issue_new = |bench: &mut Bench, number: u8, node: &str| {
        let (token, node, expires_at) = (Digest([number; 32]), name(node), bench.now + Span::hours(1));
        let command = Command::IssueToken {
            token,
            node,
            expires_at,
            only_new_name: true,
        };
        bench.run(&command).map(|_| token)
    };
    let token = issue_new(&mut bench, 101, "vm-1").unwrap();
    assert_eq!(issue_new(&mut bench, 102, "vm-1"), Err(Refusal::NameTaken(name("vm-1"))));
    enrol(&mut bench, token, "vm-1").unwrap();
    let refused = issue_new(&mut bench, 103, "vm-1").unwrap_err();
    assert!(refused.to_string().contains("choose another"), "{refused}");
    issue_new(&mut bench, 104, "vm-2").unwrap();
    bench.now = bench.now + Span::hours(2);
    issue_new(&mut bench, 105, "vm-2").expect("the token before is over");
    // For that very node, whoever asks so gets one.
    issue(&mut bench, 106, "vm-1", Span::hours(1));
}
