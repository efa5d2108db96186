//! What agents show over HTTP, asked over a real connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use jkeys::lifecycle::Ending;
use jkeys::rpc::admin::RotateCall;
use jkeys::types::Span;

use crate::cluster::{Cluster, ES256, rotate_now};

const SHOWN: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";

/// The status and the whole answer.
async fn ask(at: SocketAddr, path: &str, header: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{header}\r\n");
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = asking.await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

async fn until(at: SocketAddr, path: &str, wanted: u16) -> String {
    let reached = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let (status, answer) = ask(at, path, "").await;
            if status == wanted {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    reached.await.expect("it never answers so")
}

fn etag(answer: &str) -> String {
    answer
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .to_owned()
}

async fn shown() -> (Cluster, SocketAddr) {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("a").await;
    cluster.start_agent_with(
        "a",
        &format!("state_dir = \"{}\"\n{SHOWN}", cluster.agent_folder("a").display()),
    );
    let at = cluster.http("a").await;
    until(at, "/readyz", 200).await;
    cluster.rest().await;
    (cluster, at)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_jwks_is_the_one_on_the_disk_and_its_tag_changes_with_it() {
    let (cluster, at) = shown().await;
    let (status, first) = ask(at, "/jwks.json", "").await;
    let file = std::fs::read_to_string(cluster.agent_folder("a").join("live/jwks.json")).unwrap();
    assert!(status == 200 && first.ends_with(&file), "{first}");
    let had = format!("if-none-match: {}\r\n", etag(&first));
    assert_eq!(ask(at, "/jwks.json", &had).await.0, 304);
    let forced = RotateCall {
        force: true,
        ..rotate_now()
    };
    cluster.rotate(forced).await.unwrap();
    cluster.rest().await;
    let (status, second) = ask(at, "/jwks.json", &had).await;
    let file = std::fs::read_to_string(cluster.agent_folder("a").join("live/jwks.json")).unwrap();
    assert!(status == 200 && second.ends_with(&file), "{second}");
    assert_ne!(etag(&first), etag(&second));
    assert_eq!(ask(at, "/healthz", "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_readiness_follows_the_leaders_word_and_not_its_silence() {
    let (mut cluster, at) = shown().await;
    cluster.stop_leader().await;
    for _ in 0..60 {
        cluster.stepper.advance(Span::hours(1));
    }
    cluster.until_agent("a", |status| status.stale).await;
    assert_eq!(ask(at, "/readyz", "").await.0, 200, "with the leader gone the node goes on");
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    until(at, "/readyz", 200).await;
    cluster.end("a", Ending::Revoked).await.unwrap();
    let answer = until(at, "/readyz", 503).await;
    assert!(answer.contains("taken out of its fleet"), "{answer}");
    assert_eq!(ask(at, "/jwks.json", "").await.0, 200, "whoever verifies can go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_stops_no_keys_and_is_tried_again() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    cluster.stop_agent("a").await;
    let state_dir = cluster.agent_folder("a");
    let text = format!("state_dir = \"{}\"\n[http]\nlisten = \"{address}\"\n", state_dir.display());
    cluster.start_agent_with("a", &text);
    cluster.until_agent("a", |status| status.ready && status.connected).await;
    drop(taken);
    assert_eq!(cluster.http("a").await, address);
    until(address, "/readyz", 200).await;
}
