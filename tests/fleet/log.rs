//! The fleet as the witness of the audit log: what a leader that goes another way comes upon.

use std::fs;
use std::path::Path;

use jkeys::audit::{Checkpoint, SignedNote};
use jkeys::rpc::admin::RotateCall;
use jkeys::rpc::proto::{AuditLogHead, AuditLogRequest, audit_log_part};
use jkeys::types::Span;

use crate::cluster::{Cluster, ES256, rotate_now};

/// By a clock that stands still nobody waits for a node that is away.
pub fn forced() -> RotateCall {
    RotateCall {
        force: true,
        wait: Span(0),
        ..rotate_now()
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The newest checkpoint, and what nodes have cosigned.
async fn head(cluster: &Cluster) -> AuditLogHead {
    let request = AuditLogRequest { records: false };
    let mut parts = cluster.admin().await.audit_log(request).await.unwrap().into_inner();
    match parts.message().await.unwrap().unwrap().part.unwrap() {
        audit_log_part::Part::Head(head) => head,
        audit_log_part::Part::Records(_) => panic!("the head comes first"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_cosigns_what_it_accepts() {
    let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    // The cosignature follows the report.
    let cosigned = async || {
        let head = head(&cluster).await;
        let notes: Vec<SignedNote> = head.cosigned.iter().map(|note| note.parse().unwrap()).collect();
        let key = head.key.parse().unwrap();
        let newest = notes.iter().map(|note| Checkpoint::open(note, &key).unwrap().head.size).max();
        let text = head.cosigned.concat();
        let all = ["a", "b"].iter().all(|node| text.contains(&format!("/node/{node} ")));
        (newest, all)
    };
    let generation = cluster.status().await.generation.0;
    let of_newest = cluster
        .records()
        .await
        .iter()
        .position(|record| record["generation"].as_u64() == Some(generation))
        .unwrap() as u64;
    for _ in 0..500 {
        let (newest, all) = cosigned().await;
        if all && newest > Some(of_newest) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never comes: {:?}", cosigned().await);
}

/// A leader that was restored from an older copy of its folder, and has since gone further than it ever was: by epoch and generation
/// nothing tells. The log does.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_restored_from_an_older_copy_is_recognised_by_its_nodes() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_leader().await;
    let (state, old) = (cluster.config().state_dir, cluster.root().join("old"));
    copy(&state, &old);
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    let seen = cluster.status().await;
    for node in ["a", "b"] {
        cluster.stop_agent(node).await;
    }
    cluster.stop_leader().await;
    fs::remove_dir_all(&state).unwrap();
    copy(&old, &state);
    // Two terms and three rotations later it stands above all that its nodes have seen.
    for _ in 0..2 {
        cluster.start_leader().await.unwrap();
        // It waits no longer for nodes that do not come.
        cluster.stepper.advance(Span::mins(11));
        for _ in 0..2 {
            cluster.rotate(forced()).await.unwrap();
            cluster
                .until(|status| status.keys.iter().any(|key| key.state == "prepublished"))
                .await;
        }
        cluster.stop_leader().await;
    }
    cluster.start_leader().await.unwrap();
    let status = cluster.status().await;
    assert!(status.epoch > seen.epoch && status.generation > seen.generation && status.halted.is_none());
    cluster.start_agent("a");
    cluster.until(|status| status.halted.is_some()).await;
    let halt = cluster.status().await.halted.unwrap();
    assert!(halt.ahead().unwrap().checkpoint.is_some(), "{halt}");
    assert!(halt.to_string().contains("not in this leader's log"), "{halt}");
    cluster
        .until_agent("a", |status| {
            status
                .problem
                .as_ref()
                .is_some_and(|problem| problem.contains("the log was forked"))
        })
        .await;
    assert_eq!(
        cluster.agent_status("a").highest_generation,
        seen.generation,
        "the node keeps what it has"
    );
    let refused = cluster.rotate(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("not in this leader's log"), "{refused}");
    assert_eq!(cluster.count("halted").await, 1);
    // One that comes later finds the same, and it is recorded once.
    cluster.start_agent("b");
    cluster
        .until_agent("b", |status| {
            status
                .problem
                .as_ref()
                .is_some_and(|problem| problem.contains("the log was forked"))
        })
        .await;
    assert_eq!(cluster.count("halted").await, 1);
}

/// One key signs two histories. A node that joined in the one refuses the other.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_that_signs_two_histories_is_refused() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    cluster.stop_agent("a").await;
    cluster.stop_leader().await;
    let (state, one) = (cluster.config().state_dir, cluster.root().join("one"));
    copy(&state, &one);
    // The other history: node b joins in it, and node a never hears of it.
    cluster.start_leader().await.unwrap();
    cluster.join("b").await;
    cluster
        .until(|status| {
            status
                .nodes
                .iter()
                .any(|node| node.node.as_str() == "b" && node.confirmed == Some(status.generation))
        })
        .await;
    cluster.rotate(forced()).await.unwrap();
    cluster
        .until(|status| {
            status
                .nodes
                .iter()
                .any(|node| node.node.as_str() == "b" && node.confirmed == Some(status.generation))
        })
        .await;
    cluster.stop_agent("b").await;
    cluster.stop_leader().await;
    fs::remove_dir_all(&state).unwrap();
    copy(&one, &state);
    // In the first one a node b joins too, elsewhere.
    cluster.start_leader().await.unwrap();
    cluster.start_agent("a");
    cluster.rest().await;
    let token = cluster.token("b").await.unwrap();
    let folder = cluster.agent_folder("b");
    let memory = fs::read(folder.join("trusted.json")).unwrap();
    cluster.enroll("b", &token).await.unwrap();
    assert_eq!(
        fs::read(folder.join("trusted.json")).unwrap(),
        memory,
        "the fleet is the same, so what it has seen stands"
    );
    cluster.start_agent("b");
    cluster.until(|status| status.halted.is_some()).await;
    let halt = cluster.status().await.halted.unwrap();
    assert_eq!(halt.ahead().unwrap().node.as_str(), "b");
    cluster
        .until_agent("b", |status| {
            status.problem.as_ref().is_some_and(|problem| problem.contains("the log was"))
        })
        .await;
}
