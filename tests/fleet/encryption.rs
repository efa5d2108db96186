//! Encryption keys: the probe encrypts to every key that a relying party may have, and every node in service must decrypt.

use jkeys::outputs::{kids_of_private, kids_of_public};
use jkeys::rpc::admin::{Compromised, Progress, RevokeCall, RotateCall};
use jkeys::rpc::proto;
use jkeys::types::{Kid, Reason, Span};

use crate::cluster::{Cluster, ES256, rotate_now};

const STEP: Span = Span::mins(20);

fn both() -> String {
    format!("{ES256}[[profile]]\nname = \"enc\"\nuse = \"enc\"\nalg = \"ECDH-ES\"\n")
}

/// The keys of the profile `enc` in `state`.
async fn kids(cluster: &Cluster, state: &str) -> Vec<Kid> {
    let keys = cluster.status().await.keys.into_iter();
    let keys = keys.filter(|key| key.profile.as_str() == "enc" && key.state == state);
    keys.map(|key| key.kid).collect()
}

/// Whether the node publishes the key, and whether it decrypts with it, as its files say.
fn on_disk(cluster: &Cluster, node: &str, kid: &Kid) -> (bool, bool) {
    let live = cluster.agent_folder(node).join("live");
    let read = |name: &str| std::fs::read(live.join(name)).unwrap();
    let (public, private) = (read("jwks.json"), read("private.jwks.json"));
    let private = kids_of_private(&private).unwrap();
    (
        kids_of_public(&public).unwrap().contains(kid),
        private.decrypting.contains(kid),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_with_a_node_that_is_away_and_one_that_is_evicted_and_returns() {
    let mut cluster = Cluster::with_nodes(&both(), &["a", "b", "c"]).await;
    let first = kids(&cluster, "active").await.remove(0);
    cluster.pass(Span::hours(46), Span::hours(1)).await;
    assert!(kids(&cluster, "staged").await.is_empty());
    cluster.stop_agent("c").await;
    cluster.pass(Span::hours(4), STEP).await;
    let second = kids(&cluster, "staged").await.remove(0);
    assert_eq!(
        kids(&cluster, "active").await,
        std::slice::from_ref(&first),
        "E1: c has not confirmed"
    );
    assert_eq!(on_disk(&cluster, "a", &second), (false, true));
    cluster.start_agent("c");
    cluster.pass(STEP, STEP).await;
    assert_eq!(kids(&cluster, "active").await, std::slice::from_ref(&second));
    for node in ["a", "b", "c"] {
        assert_eq!(
            on_disk(&cluster, node, &first),
            (false, true),
            "{node} decrypts what is still on its way"
        );
        assert_eq!(on_disk(&cluster, node, &second), (true, true));
    }

    cluster.join("d").await;
    cluster.pass(Span::hours(25), STEP).await;
    assert_eq!(on_disk(&cluster, "d", &first), (false, true), "a new node gets it too");
    cluster.pass(Span::hours(2), STEP).await;
    for node in ["a", "b", "c", "d"] {
        assert_eq!(
            on_disk(&cluster, node, &first),
            (false, false),
            "E2: {node} after decrypt_window"
        );
    }
    assert_eq!(cluster.count("discarded").await, 1);

    cluster.stop_agent("b").await;
    cluster.pass(Span::hours(25), STEP).await;
    assert_eq!(cluster.node("b").await.standing, "evicted");
    cluster.start_agent("b");
    cluster.pass(STEP, STEP).await;
    assert_eq!(cluster.node("b").await.standing, "in_service");
    cluster.pass(Span::hours(26), STEP).await;
    let third = kids(&cluster, "active").await.remove(0);
    assert!(third != first && third != second);
    assert_eq!(on_disk(&cluster, "b", &third), (true, true));
    assert_eq!(cluster.count("published").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_is_unpublished_at_once_and_its_successor_is_on_every_node_first() {
    let mut cluster = Cluster::with_nodes(&both(), &["a", "b"]).await;
    cluster.pass(Span::hours(47), Span::hours(1)).await;
    let (stolen, tainted) = (
        kids(&cluster, "active").await.remove(0),
        kids(&cluster, "staged").await.remove(0),
    );
    let call = RotateCall {
        reason: Reason::Compromised,
        compromised: Compromised::Key(stolen.clone()),
        ..rotate_now()
    };
    let steps = cluster.rotate(call).await.unwrap();
    assert!(matches!(steps.last(), Some(Progress::Finished(finished)) if finished.missing.is_empty()));
    cluster.rest().await;
    cluster.probe().await;
    assert_eq!(kids(&cluster, "revoked").await, std::slice::from_ref(&stolen));
    let next = kids(&cluster, "active").await.remove(0);
    assert!(next != stolen && next != tainted);
    for node in ["a", "b"] {
        assert_eq!(on_disk(&cluster, node, &stolen), (false, true));
        assert_eq!(on_disk(&cluster, node, &tainted), (false, false));
        assert_eq!(on_disk(&cluster, node, &next), (true, true));
    }
    cluster.pass(Span::hours(3), STEP).await;
    let destroy = RevokeCall {
        kid: stolen.clone(),
        reason: Reason::Compromised,
        comment: None,
        destroy: true,
        dry_run: false,
        wait: Span::secs(10),
    };
    let answer = cluster.admin().await.revoke(proto::RevokeRequest::from(destroy)).await;
    let mut steps = answer.unwrap().into_inner();
    while steps.message().await.unwrap().is_some() {}
    cluster.rest().await;
    for node in ["a", "b"] {
        assert_eq!(on_disk(&cluster, node, &stolen), (false, false), "{node}");
    }
    cluster.pass(Span::hours(30), Span::hours(1)).await;
}
