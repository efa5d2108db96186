//! Probes of real agents: a node confirms what its server serves.

use std::sync::{Arc, Mutex};

use jkeys::lifecycle::Follower;
use jkeys::types::Span;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::cluster::{Cluster, ES256};

/// An auth server that serves what it has read last.
struct AuthServer {
    port: u16,
    served: Arc<Mutex<String>>,
}

impl AuthServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::new(Mutex::new("{\"keys\":[]}".to_owned()));
        let read_last = served.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = read_last.lock().unwrap().clone();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                tokio::spawn(async move {
                    let mut asked = [0; 1024];
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port, served }
    }

    /// Reads the node's file anew.
    fn reload(&self, cluster: &Cluster) {
        *self.served.lock().unwrap() = std::fs::read_to_string(cluster.agent_folder("a").join("live/jwks.json")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_confirmed_once_its_server_serves_exactly_the_new_keys() {
    let mut cluster = Cluster::start(ES256).await;
    let server = AuthServer::start().await;
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    let state_dir = cluster.agent_folder("a").display().to_string();
    let probe = format!("[[probe]]\nurl = \"http://127.0.0.1:{}/jwks\"\n", server.port);
    cluster.start_agent_with("a", &format!("state_dir = \"{state_dir}\"\n{probe}"));

    let is_told = |status: &jkeys::rpc::documents::Status| {
        let node = status.nodes.iter().find(|node| node.node.as_str() == "a");
        node.is_some_and(|node| node.failing.first().is_some_and(|failing| failing.what == Follower::Probe))
    };
    cluster.until(is_told).await;
    let node = cluster.node("a").await;
    let problem = node.problem.unwrap();
    assert!(
        problem.contains("did the server reload?") && problem.contains("it lacks"),
        "{problem}"
    );
    assert_eq!(
        (node.confirmed, node.standing.as_str()),
        (None, "joining"),
        "what is on the disk does not do alone"
    );
    assert!(cluster.agent_status("a").ready, "the server can start with what is there");

    server.reload(&cluster);
    cluster.stepper.advance(Span::mins(1));
    cluster.rest().await;
    let node = cluster.node("a").await;
    assert!(node.failing.is_empty() && node.problem.is_none(), "{node:?}");
    let served_after = cluster.agent_status("a").served_after.unwrap();
    assert!(served_after >= Span::mins(1), "{served_after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_back_to_old_keys_takes_back_what_its_node_had_confirmed() {
    let mut cluster = Cluster::start(ES256).await;
    let server = AuthServer::start().await;
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    let state_dir = cluster.agent_folder("a").display().to_string();
    let probe = format!(
        "[[probe]]\nurl = \"http://127.0.0.1:{}/jwks\"\ninterval = \"10m\"\n",
        server.port
    );
    cluster.start_agent_with("a", &format!("state_dir = \"{state_dir}\"\n{probe}"));
    cluster
        .until(|status| status.nodes.iter().any(|node| node.problem.is_some()))
        .await;
    server.reload(&cluster);
    cluster.stepper.advance(Span::mins(1));
    cluster.until(|status| status.nodes[0].confirmed.is_some()).await;
    let confirmed = cluster.node("a").await.confirmed;

    *server.served.lock().unwrap() = "{\"keys\":[]}".to_owned();
    cluster.stepper.advance(Span::mins(10));
    cluster.until(|status| status.nodes[0].confirmed.is_none()).await;
    let node = cluster.node("a").await;
    assert!(node.problem.unwrap().contains("did the server reload?"));
    assert_eq!(node.failing[0].what, Follower::Probe);

    server.reload(&cluster);
    cluster.stepper.advance(Span::mins(1));
    cluster.until(|status| status.nodes[0].confirmed.is_some()).await;
    let node = cluster.node("a").await;
    assert_eq!((node.confirmed, node.problem), (confirmed, None));
}
