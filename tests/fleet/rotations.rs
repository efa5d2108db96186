//! The two-day schedule, with nodes that go away and come back.

use jkeys::types::Span;

use crate::cluster::{Cluster, ES256};

const STEP: Span = Span::mins(20);

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_rotate_every_two_days() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b", "c"]).await;
    let first = cluster.kids("active").await;
    cluster.pass(Span::hours(47), STEP).await;
    assert_eq!(cluster.kids("active").await, first);
    cluster.pass(Span::hours(2), STEP).await;
    let second = cluster.kids("active").await;
    assert_ne!(second, first);
    cluster.stop_agent("c").await;
    cluster.pass(Span::hours(5), STEP).await;
    cluster.start_agent("c");
    cluster.pass(Span::hours(43), STEP).await;
    assert_ne!(cluster.kids("active").await, second);
}
