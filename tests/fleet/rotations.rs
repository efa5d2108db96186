//! The two-day schedule, with nodes that go away and come back.

use jkeys::types::Span;

use crate::cluster::{Cluster, ES256};

const STEP: Span = Span::mins(20);

#[tokio::test(flavor = "multi_thread")]
async fn three_rotations_with_a_node_that_is_away_and_one_that_is_evicted_and_returns() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b", "c"]).await;
    let mut active = vec![cluster.kids("active").await];
    cluster.pass(Span::hours(30), STEP).await;
    cluster.stop_agent("c").await;
    cluster.pass(Span::hours(5), STEP).await;
    cluster.start_agent("c");
    cluster.pass(Span::hours(15), STEP).await;
    active.push(cluster.kids("active").await);

    cluster.stop_agent("b").await;
    cluster.pass(Span::hours(25), STEP).await;
    assert_eq!(cluster.node("b").await.standing, "evicted");
    assert_eq!(cluster.count("left_service").await, 1);
    cluster.start_agent("b");
    cluster.pass(STEP, STEP).await;
    assert_eq!(cluster.node("b").await.standing, "in_service");

    cluster.pass(Span::hours(25), STEP).await;
    active.push(cluster.kids("active").await);
    cluster.pass(Span::hours(48), STEP).await;
    active.push(cluster.kids("active").await);
    active.dedup();
    assert_eq!(active.len(), 4, "three rotations: {active:?}");
    assert_eq!(
        cluster.count("destroyed").await,
        3,
        "each retired key's private half is destroyed"
    );
    assert_eq!(cluster.count("removed").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_rotates_side_by_side() {
    let kinds = [
        ("rs", "alg = \"RS256\""),
        ("rs3", "alg = \"RS256\"\nbits = 3072"),
        ("ps", "alg = \"PS256\""),
        ("es", "alg = \"ES256\""),
        ("es3", "alg = \"ES384\""),
        ("ed", "alg = \"Ed25519\""),
        ("enc", "use = \"enc\"\nalg = \"RSA-OAEP-256\""),
        ("enc1", "use = \"enc\"\nalg = \"RSA-OAEP\""),
        ("enc15", "use = \"enc\"\nalg = \"RSA1_5\""),
        ("ecdh", "use = \"enc\"\nalg = \"ECDH-ES\""),
        ("ecdh3", "use = \"enc\"\nalg = \"ECDH-ES\"\nbits = 384"),
    ];
    let profile = |(name, alg): &(&str, &str)| format!("[[profile]]\nname = \"{name}\"\n{alg}\n");
    let text: String = kinds.iter().map(profile).collect();
    let mut cluster = Cluster::with_nodes(&text, &["a", "b"]).await;
    let first = cluster.kids("active").await;
    assert_eq!(first.len(), kinds.len());
    cluster.pass(Span::hours(50), Span::hours(1)).await;
    let second = cluster.kids("active").await;
    assert_eq!(second.len(), kinds.len());
    assert!(first.iter().all(|kid| !second.contains(kid)), "every profile has rotated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_half_that_retired_is_nowhere_on_a_node() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let first = cluster.kids("active").await;
    cluster.pass(Span::hours(49), STEP).await;
    let held = cluster.agent_status("a").installed.unwrap().held;
    assert!(!held.iter().any(|kid| first.contains(&kid.to_string())), "{held:?}");
    let views = std::fs::read_dir(cluster.agent_folder("a").join("views")).unwrap();
    let names: Vec<_> = views.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "older views are gone: {names:?}");
}
