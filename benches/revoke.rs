//! How soon a node that is revoked is cut off: from the operator's call to its answer, to the end of the stream as the node sees it, and
//! to the end of the connection of one that does not read its stream.
//! `cargo bench --bench revoke`

#[path = "../tests/fleet/cluster.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod cluster;
#[path = "../tests/fleet/deaf.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod deaf;

use std::time::{Duration, Instant};

use cluster::{Cluster, ES256};
use deaf::Deaf;
use jkeys::agent::Papers;
use jkeys::lifecycle::Ending;

const ROUNDS: usize = 50;
const DEAF_ROUNDS: usize = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run());
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
async fn run() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b", "c"]).await;
    let (mut answered, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let end = async {
            cluster.end("b", Ending::Revoked).await.expect("it is revoked");
            start.elapsed()
        };
        answered.push(end.await);
        cluster.until_agent("b", |status| !status.connected).await;
        ended.push(start.elapsed());
        cluster.stop_agent("b").await;
        let token = cluster.token("b").await.expect("a token");
        cluster.enroll("b", &token).await.expect("it is let in again");
        cluster.start_agent("b");
        cluster.rest().await;
    }
    report("the call is answered", answered);
    report("the node has seen the end of its stream", ended);
    report("one that does not read has no connection any more", deaf(&cluster).await);
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
async fn deaf(cluster: &Cluster) -> Vec<Duration> {
    let mut closed = Vec::new();
    for _ in 0..DEAF_ROUNDS {
        let token = cluster.token("deaf").await.expect("a token");
        cluster.enroll("deaf", &token).await.expect("it joins");
        let papers = Papers::load(&cluster.agent_folder("deaf")).expect("it has joined");
        let mut node = Deaf::connect(&papers, &cluster.clock, 0).await;
        node.open(&cluster.clock).await;
        let start = Instant::now();
        cluster.end("deaf", Ending::Revoked).await.expect("it is revoked");
        node.closed().await;
        closed.push(start.elapsed());
    }
    closed
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}
