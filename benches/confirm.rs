//! How long a rotation takes until every node has confirmed it: from the operator's call to the leader's last durable confirmation, over real
//! TLS and real disks, with and without PKCS#12 among what the nodes write. `cargo bench --bench confirm`; folders are in `$TMPDIR`.

#[path = "../tests/fleet/cluster.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, rotate_now};
use jkeys::durable::{self, FileAttrs};
use jkeys::rpc::admin::RotateCall;
use jkeys::types::Span;

const NODES: [&str; 3] = ["a", "b", "c"];
const ROUNDS: usize = 50;
/// As many keys as an OP has that signs with two algorithms and decrypts.
const PROFILES: &str = "[[profile]]\nname = \"web\"\nalg = \"ES256\"\n[[profile]]\nname = \"api\"\nalg = \"ES384\"\n";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        measure("plain", |_| String::new()).await;
        measure("with PKCS#12", |cluster| {
            let password = cluster.root().join("password");
            durable::write_file(&password, b"a long password", &FileAttrs::mode(0o600)).expect("a password");
            format!(
                "[[output]]\nformat = \"pkcs12\"\npath = \"keys.p12\"\nmode = \"0640\"\npassword_file = \"{}\"\n",
                password.display()
            )
        })
        .await;
    });
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
async fn measure(what: &str, outputs: impl Fn(&Cluster) -> String) {
    let mut cluster = Cluster::with_nodes(PROFILES, &NODES).await;
    for name in NODES {
        cluster.stop_agent(name).await;
        let text = format!(
            "state_dir = \"{}\"\n{}",
            cluster.agent_folder(name).display(),
            outputs(&cluster)
        );
        cluster.start_agent_with(name, &text);
    }
    cluster.rest().await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let forced = RotateCall {
            force: true,
            ..rotate_now()
        };
        let start = Instant::now();
        cluster.rotate(forced).await.expect("it rotates");
        let generation = cluster.status().await.generation;
        cluster
            .until(|status| status.nodes.iter().all(|node| node.confirmed >= Some(generation)))
            .await;
        times.push(start.elapsed());
        // The tokens of the key before expire, and it goes: generations stay of one size.
        cluster.stepper.advance(Span::hours(2));
        cluster.rest().await;
    }
    report(what, times);
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}
