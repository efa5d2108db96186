//! Nodes that an operator takes out of the fleet.

use std::fs;
use std::path::Path;

use jkeys::lifecycle::Ending;
use jkeys::rpc::admin::{Document, schema};
use jkeys::rpc::documents::NodePage;
use jkeys::rpc::proto::ShowNodeRequest;
use jkeys::types::Span;

use crate::cluster::{Cluster, ES256};

/// The files below a folder in which something secret of the fleet's keys may be.
fn secret_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() {
            found.extend(secret_files(&path));
        } else if name == "private.jwks.json" || name == "cache.sealed" {
            found.push(name.to_owned());
        }
    }
    found
}

async fn page(cluster: &Cluster, node: &str) -> NodePage {
    let request = ShowNodeRequest {
        node_name: node.to_owned(),
    };
    let answer = cluster.admin().await.show_node(request).await.unwrap().into_inner();
    Document::from(answer).read(schema::NODE).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_node_is_cut_off_erases_what_is_secret_and_comes_back_by_a_new_enrolment() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    let folder = cluster.agent_folder("b");
    assert_eq!(secret_files(&folder).len(), 2, "{:?}", secret_files(&folder));
    let before = page(&cluster, "b").await.enrolled.unwrap();
    assert!(before.is_connected && before.held.len() == 1, "{before:?}");
    let ended = cluster.end("b", Ending::Revoked).await.unwrap();
    assert!(ended.was_connected);
    assert_eq!(ended.held, before.held);
    cluster.until_agent("b", |status| !status.connected).await;
    cluster
        .until_agent("b", |status| {
            status.installed.as_ref().is_some_and(|installed| installed.held.is_empty())
        })
        .await;
    assert_eq!(secret_files(&folder), Vec::<String>::new());
    assert_eq!(
        (cluster.count("node_revoked").await, cluster.count("left_service").await),
        (1, 1)
    );
    let after = page(&cluster, "b").await;
    assert!(after.enrolled.is_none() && after.ended.len() == 1, "{after:?}");

    // The others rotate on without it, and a leader that starts anew does not let it in either.
    cluster.restart_leader(Span::mins(1)).await;
    assert_eq!(cluster.status().await.nodes.len(), 1);
    let again = cluster.end("b", Ending::Removed).await.unwrap_err().to_string();
    assert!(again.contains("was revoked at"), "{again}");

    let token = cluster.token("b").await.unwrap();
    cluster.enroll("b", &token).await.unwrap();
    cluster.stop_agent("b").await;
    cluster.start_agent("b");
    cluster.rest().await;
    assert_eq!(secret_files(&folder).len(), 2);
    assert_eq!(page(&cluster, "b").await.ended.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_when_it_was_removed_erases_when_it_calls() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    let folder = cluster.agent_folder("b");
    cluster.stop_agent("b").await;
    // The agent is gone before the leader has seen the end of its stream.
    while page(&cluster, "b").await.enrolled.unwrap().is_connected {
        tokio::task::yield_now().await;
    }
    let ended = cluster.end("b", Ending::Removed).await.unwrap();
    assert!(!ended.was_connected && ended.held.len() == 1, "{ended:?}");
    assert_eq!(secret_files(&folder).len(), 2);
    cluster.start_agent("b");
    while !secret_files(&folder).is_empty() {
        tokio::task::yield_now().await;
    }
    let unknown = cluster.end("c", Ending::Removed).await.unwrap_err().to_string();
    assert!(unknown.contains("there is no node c"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_while_it_was_off_erases_also_when_its_certificate_is_over() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    let folder = cluster.agent_folder("b");
    cluster.stop_agent("b").await;
    cluster.end("b", Ending::Removed).await.unwrap();
    for _ in 0..5 {
        cluster.stepper.advance(Span::hours(7 * 24));
        cluster.rest().await;
    }
    assert_eq!(secret_files(&folder).len(), 2);
    cluster.start_agent("b");
    let says = |status: &jkeys::agent::core::Status| {
        let words = status.no_stream.clone().unwrap_or_default();
        words.contains("was removed at") && words.contains("jkeys node token") && !words.contains("tried again")
    };
    cluster.until_agent("b", says).await;
    while !secret_files(&folder).is_empty() {
        tokio::task::yield_now().await;
    }
}
