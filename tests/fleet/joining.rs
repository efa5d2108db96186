//! Join tokens and identities, over the wire.

use jkeys::types::Span;

use crate::cluster::{Cluster, ES256};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_one_node_in_once_and_not_after_its_time() {
    let cluster = Cluster::start(ES256).await;
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    let refused = cluster.enroll("a", &token).await.unwrap_err().to_string();
    assert!(
        refused.contains("used already") && refused.contains("jkeys node token"),
        "{refused}"
    );
    let late = cluster.token("b").await.unwrap();
    cluster.stepper.advance(Span::hours(2));
    let refused = cluster.enroll("b", &late).await.unwrap_err().to_string();
    assert!(refused.contains("expired"), "{refused}");
    assert_eq!(cluster.status().await.refused_enrolments, 2, "rule R7: they are counted");
    assert_eq!(cluster.count("refused").await, 0, "and not recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_fleet_is_refused_by_its_ca() {
    let (ours, theirs) = (Cluster::start(ES256).await, Cluster::start(ES256).await);
    let token = theirs.token("a").await.unwrap();
    let own = ours.token("a").await.unwrap();
    // The token of the one with the address of the other: a leader that only pretends.
    let mut forged = jkeys::pki::JoinToken::parse(&token).unwrap();
    forged.addresses = jkeys::pki::JoinToken::parse(&own).unwrap().addresses;
    let line = String::from_utf8(forged.line().expose().to_vec()).unwrap();
    let refused = ours.enroll("a", &line).await.unwrap_err().to_string();
    assert!(refused.contains("CA"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_enrolled_anew_ends_the_old_node() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let old = cluster.agent_folder("a");
    std::fs::rename(&old, cluster.root().join("kept")).unwrap();
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    cluster.until(|status| status.nodes[0].standing == "joining").await;
    cluster.until_agent("a", |status| !status.connected).await;
    assert_eq!(cluster.count("left_service").await, 1);
    cluster.stop_agent("a").await;
    cluster.start_agent("a");
    cluster.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_leader_on_the_same_keystore_is_refused_in_words() {
    let mut cluster = Cluster::start(ES256).await;
    let refused = cluster.start_leader().await.unwrap_err().to_string();
    assert!(refused.contains("another jkeys leader"), "{refused}");
}
