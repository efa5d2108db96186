//! Hooks of real agents: what they hold up and what not, and what they are told.

use std::path::PathBuf;

use jkeys::lifecycle::{Ending, Follower};
use jkeys::rpc::admin::RevokeCall;
use jkeys::rpc::proto;
use jkeys::types::{HookEvent, Kid, Reason, Span};

use crate::cluster::{Cluster, ES256, rotate_now};

/// A fleet in which a standby is ready, of nodes `a`, as it is, and `b`, with more in its `agent.toml`.
async fn ready(more: &str) -> Cluster {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.pass(Span::hours(27), Span::hours(1)).await;
    cluster.stop_agent("b").await;
    start_with(&mut cluster, more);
    cluster.rest().await;
    cluster
}

fn start_with(cluster: &mut Cluster, more: &str) {
    let text = format!("state_dir = \"{}\"\n{more}", cluster.agent_folder("b").display());
    cluster.start_agent_with("b", &text);
}

fn hook(on: &str, script: &str, more: &str) -> String {
    format!("[[hook]]\non = \"{on}\"\nargv = [\"/bin/sh\", \"-c\", '''{script}''']\n{more}\n")
}

async fn revoke(cluster: &Cluster, kid: &str) {
    let call = RevokeCall {
        kid: kid.parse().unwrap(),
        reason: Reason::Compromised,
        comment: None,
        dry_run: false,
        destroy: false,
        wait: Span(0),
    };
    let answer = cluster.admin().await.revoke(proto::RevokeRequest::from(call)).await;
    let mut stream = answer.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
}

/// Waits, in real time, until a hook has written that.
async fn said(path: &PathBuf, words: &str) {
    for _ in 0..10_000 {
        if std::fs::read_to_string(path).unwrap_or_default() == words {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("{:?} is not {words:?}", std::fs::read_to_string(path));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_always_fails_holds_up_no_key_and_confirms_nothing_and_is_shown() {
    let mut cluster = ready("").await;
    let standby = cluster.kids("prepublished").await.remove(0);
    let before = cluster.status().await.generation;
    cluster.stop_agent("b").await;
    start_with(&mut cluster, &hook("swap", "exit 7", ""));
    let (rotated, ()) = tokio::join!(cluster.rotate(rotate_now()), async {
        cluster
            .until(|status| status.nodes.iter().any(|node| !node.failing.is_empty()))
            .await;
        cluster.stepper.advance(Span::secs(10));
    });
    rotated.unwrap();
    cluster
        .until_agent("b", |status| {
            let installed = status.installed.as_ref();
            installed.is_some_and(|installed| installed.signing.iter().any(|kid| kid.as_str() == standby))
        })
        .await;
    let failing = |status: &jkeys::rpc::documents::Status| {
        let node = status.nodes.iter().find(|node| node.node.as_str() == "b").unwrap();
        node.failing.first().is_some_and(|failing| failing.times >= 2) && node.on_disk == Some(status.generation)
    };
    for _ in 0..3 {
        cluster.stepper.advance(Span::mins(1));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.until(failing).await;
    let node = cluster.node("b").await;
    assert_eq!(node.failing[0].what, Follower::Hook(HookEvent::Swap));
    assert!(
        node.failing[0].why.contains("the hook /bin/sh failed with exit status: 7"),
        "{node:?}"
    );
    assert!(node.problem.unwrap().contains("exit status: 7"));
    assert_eq!(node.confirmed, Some(before), "it has what it had confirmed before");
    assert!(node.owing_since.is_some());
    let a = cluster.node("a").await;
    assert!(a.failing.is_empty() && a.confirmed > Some(before), "{a:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_named_to_the_hooks_of_a_node_also_one_that_was_away() {
    let mut cluster = ready("").await;
    let told = cluster.root().join("told");
    let script = format!(
        "echo \"$JKEYS_EVENT $JKEYS_REVOKED $JKEYS_KIDS $(grep -c \"$JKEYS_KIDS\" $JKEYS_LIVE/jwks.json)\" >>{}",
        told.display()
    );
    let revoked = cluster.kids("active").await.remove(0);
    cluster.stop_agent("b").await;
    revoke(&cluster, &revoked).await;
    cluster.until(|status| !status.revocations.is_empty()).await;
    start_with(&mut cluster, &hook("revoked", &script, "retries = 0"));
    said(&told, &format!("revoked keys {revoked} 0\n")).await;
    cluster.until(|status| status.revocations.is_empty()).await;
    // What goes in the usual way is not told.
    cluster.pass(Span::hours(3), Span::hours(1)).await;
    said(&told, &format!("revoked keys {revoked} 0\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_revoked_tells_its_hooks_once_its_keys_are_erased() {
    let mut cluster = ready("").await;
    let told = cluster.root().join("told");
    let script = format!(
        "echo \"$JKEYS_EVENT $JKEYS_REVOKED $(echo $JKEYS_KIDS | wc -w) $(ls $JKEYS_LIVE/ | grep -c private)\" >>{}",
        told.display()
    );
    cluster.stop_agent("b").await;
    start_with(&mut cluster, &hook("revoked", &script, ""));
    cluster.rest().await;
    let kids: Vec<Kid> = cluster.status().await.keys.into_iter().map(|key| key.kid).collect();
    cluster.end("b", Ending::Revoked).await.unwrap();
    said(&told, &format!("revoked node {} 0\n", kids.len())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_leader_and_its_return_are_told() {
    let mut cluster = ready("").await;
    let told = cluster.root().join("told");
    let script = format!("echo $JKEYS_EVENT >>{}", told.display());
    cluster.stop_agent("b").await;
    start_with(&mut cluster, &(hook("stale", &script, "") + &hook("fresh", &script, "")));
    cluster.rest().await;
    cluster.stop_leader().await;
    cluster.stepper.advance(Span::hours(25));
    said(&told, "stale\n").await;
    cluster.start_leader().await.unwrap();
    said(&told, "stale\nfresh\n").await;
}
