//! The connections of nodes that are in the node table no more.

use jkeys::agent::Papers;
use jkeys::lifecycle::Ending;
use jkeys::rpc::ErrorKind;
use jkeys::types::Span;

use crate::cluster::{Cluster, ES256};
use crate::deaf::Deaf;

/// A node `b` beside one that is in service, as far as the leader knows.
async fn with_b() -> (Cluster, Papers) {
    let cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let papers = enrolled(&cluster).await;
    (cluster, papers)
}

async fn enrolled(cluster: &Cluster) -> Papers {
    let token = cluster.token("b").await.unwrap();
    cluster.enroll("b", &token).await.unwrap();
    Papers::load(&cluster.agent_folder("b")).unwrap()
}

async fn open(cluster: &Cluster, papers: &Papers, window: u32) -> Deaf {
    let mut node = Deaf::connect(papers, &cluster.clock, window).await;
    node.open(&cluster.clock).await;
    // It has been heard: its stream is in use.
    cluster
        .until(|status| {
            status
                .nodes
                .iter()
                .any(|node| node.node.as_str() == "b" && node.heard_at.is_some())
        })
        .await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_node_that_does_not_read_is_cut_off_with_all_its_connections() {
    let (cluster, papers) = with_b().await;
    let mut silent = Deaf::connect(&papers, &cluster.clock, 0).await;
    let mut deaf = open(&cluster, &papers, 0).await;
    cluster.end("b", Ending::Revoked).await.unwrap();
    deaf.closed().await;
    silent.closed().await;
    assert!(cluster.agent_status("a").connected, "nobody else is cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_reads_late_still_hears_that_it_is_to_erase() {
    let (cluster, papers) = with_b().await;
    let mut late = open(&cluster, &papers, 512).await;
    cluster.end("b", Ending::Removed).await.unwrap();
    let (erase, why) = late.read().await;
    assert!(erase, "{why}");
    assert_eq!(why.kind, ErrorKind::Unauthenticated);
    assert!(why.to_string().contains("node b was removed"), "{why}");
    late.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_anew_cuts_the_connections_of_the_one_before_and_no_others() {
    let (cluster, papers) = with_b().await;
    let mut before = open(&cluster, &papers, 0).await;
    let papers = enrolled(&cluster).await;
    let after = open(&cluster, &papers, 0).await;
    before.closed().await;
    assert!(!after.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_comes_after_the_end_of_its_enrolment_does_not_stay() {
    let (cluster, papers) = with_b().await;
    cluster.end("b", Ending::Revoked).await.unwrap();
    let mut late = Deaf::connect(&papers, &cluster.clock, 65_535).await;
    late.open(&cluster.clock).await;
    assert!(late.read().await.0, "it is told to erase");
    cluster.stepper.advance(Span::mins(1));
    late.closed().await;
}
