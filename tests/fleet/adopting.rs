//! A leader that was put back to an older copy of its folder, and goes on by `jkeys audit adopt`.

use std::collections::BTreeSet;
use std::fs;

use jkeys::audit::{LogCheck, NoteKey, SignedNote};
use jkeys::lifecycle::Ending;
use jkeys::rpc::Failure;
use jkeys::rpc::admin::{AdoptCall, Progress, RevokeCall, schema};
use jkeys::rpc::documents::DryRun;
use jkeys::rpc::proto::{AdoptRequest, AuditLogRequest, RevokeRequest, audit_log_part};
use jkeys::types::{Kid, Reason, Span};
use serde_json::json;

use crate::cluster::{Cluster, ES256};
use crate::log::{copy, forced};

pub fn adopt(without: &[&str]) -> AdoptCall {
    AdoptCall {
        comment: "put back to Monday's copy".parse().unwrap(),
        without: without.iter().map(|node| node.parse().unwrap()).collect(),
        believe: BTreeSet::new(),
        disbelieve: BTreeSet::new(),
        dry_run: false,
        wait: Span(0),
    }
}

/// `jkeys audit adopt`: what it is told first.
pub async fn ask(cluster: &Cluster, call: AdoptCall) -> Result<Progress, Failure> {
    let answer = cluster.admin().await.adopt(AdoptRequest::from(call)).await;
    let mut stream = answer.map_err(Failure::from)?.into_inner();
    let first = stream.message().await.map_err(Failure::from)?;
    let first = Progress::try_from(first.unwrap()).unwrap();
    while stream.message().await.map_err(Failure::from)?.is_some() {}
    Ok(first)
}

async fn revoke(cluster: &Cluster, kid: &str) {
    let call = RevokeCall {
        kid: kid.parse().unwrap(),
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
        dry_run: false,
        wait: Span(0),
    };
    let mut stream = cluster
        .admin()
        .await
        .revoke(RevokeRequest::from(call))
        .await
        .unwrap()
        .into_inner();
    while stream.message().await.unwrap().is_some() {}
}

/// Waits until these nodes refuse the leader, or what it sends, and have said which keys are gone.
async fn refuse(cluster: &mut Cluster, nodes: &[&str]) {
    for node in nodes {
        cluster.until_agent(node, |status| status.problem.is_some()).await;
    }
    cluster.until(|status| status.halted.is_some()).await;
}

pub async fn confirmed_by(cluster: &Cluster, nodes: &[&str]) {
    cluster
        .until(|status| {
            let current = |name: &&str| {
                status.nodes.iter().any(|node| {
                    node.node.as_str() == *name && node.confirmed == Some(status.generation) && node.problem.is_none()
                })
            };
            nodes.iter().all(current)
        })
        .await;
}

/// The whole log, checked by its key alone.
pub async fn check_log(cluster: &Cluster) {
    let request = AuditLogRequest { records: true };
    let mut parts = cluster.admin().await.audit_log(request).await.unwrap().into_inner();
    let (mut check, mut head) = (None, None);
    while let Some(part) = parts.message().await.unwrap() {
        match part.part.unwrap() {
            audit_log_part::Part::Head(found) => {
                check = Some(LogCheck::new(found.key.parse::<NoteKey>().unwrap()));
                head = Some(found.checkpoint.parse::<SignedNote>().unwrap());
            }
            audit_log_part::Part::Records(found) => {
                for record in found.records {
                    check.as_mut().unwrap().take(&record).unwrap();
                }
            }
        }
    }
    check.unwrap().finish(&head.unwrap()).unwrap();
}

/// A copy of the leader's folder; then a revocation, and rotations to a key that the copy knows nothing of. Node d is away before the
/// last of them, and node c after it.
async fn put_back() -> (Cluster, String, String) {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b", "c", "d"]).await;
    cluster.stop_leader().await;
    let (state, old) = (cluster.config().state_dir, cluster.root().join("old"));
    copy(&state, &old);
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    let revoked = cluster.kids("prepublished").await[0].clone();
    revoke(&cluster, &revoked).await;
    cluster.rest().await;
    cluster.stop_agent("d").await;
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    // It takes no token of before along, and signs one of the new key.
    cluster.probe().await;
    let signing = cluster.kids("active").await[0].clone();
    for node in ["a", "b", "c"] {
        cluster.stop_agent(node).await;
    }
    cluster.stop_leader().await;
    fs::remove_dir_all(&state).unwrap();
    copy(&old, &state);
    cluster.start_leader().await.unwrap();
    (cluster, revoked, signing)
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_that_was_put_back_goes_on_and_no_node_is_split_from_the_rest() {
    let (mut cluster, revoked, signing) = put_back().await;
    assert!(
        cluster.kids("prepublished").await.contains(&revoked),
        "the copy knows nothing of it"
    );
    cluster.start_agent("a");
    refuse(&mut cluster, &["a"]).await;
    let refused = cluster.rotate(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("jkeys audit adopt"), "{refused}");
    // One node is not all.
    let refused = ask(&cluster, adopt(&["c", "d"])).await.unwrap_err().to_string();
    assert!(
        refused.contains("not heard on what they remember: b") || refused.contains("a, b"),
        "{refused}"
    );
    cluster.start_agent("b");
    refuse(&mut cluster, &["b"]).await;
    // The second report of each says what it makes of the generation that it was sent.
    let look = AdoptCall {
        dry_run: true,
        ..adopt(&["c", "d"])
    };
    let before = cluster.records().await.len();
    let told = foreseen(&cluster, &look).await;
    assert_eq!(told.refused, None);
    let said = told.remarks.join("\n");
    assert!(said.contains(&format!("knows as removed or revoked: {revoked}")), "{said}");
    assert!(
        said.contains("node b remembers a checkpoint of") || said.contains("node b has seen"),
        "{said}"
    );
    assert_eq!(cluster.records().await.len(), before, "nothing is recorded");
    ask(&cluster, adopt(&["c", "d"])).await.unwrap();
    confirmed_by(&cluster, &["a", "b"]).await;
    let status = cluster.status().await;
    assert_eq!(status.halted, None);
    let gone = |status: &jkeys::rpc::documents::Status| status.keys.iter().all(|key| key.kid.as_str() != revoked);
    assert!(gone(&status), "a revoked key never comes back");
    assert_eq!(
        cluster.kids("active").await,
        std::slice::from_ref(&signing),
        "what signs goes on signing"
    );
    let inherited: Vec<&Kid> = status.inherited.iter().map(|key| &key.kid).collect();
    assert_eq!(inherited, [&signing.parse::<Kid>().unwrap()]);
    for node in ["a", "b"] {
        let installed = cluster.agent_status(node).installed.unwrap();
        assert_eq!(installed.signing, BTreeSet::from([signing.parse().unwrap()]));
    }
    // A token that was signed before verifies.
    cluster.probe().await;
    // Node c remembers what was given up; node d something that nobody named.
    cluster.start_agent("c");
    confirmed_by(&cluster, &["a", "b", "c"]).await;
    assert_eq!(cluster.count("halted").await, 1, "it was taken in with the record");
    cluster.start_agent("d");
    cluster.until(|status| status.halted.is_some()).await;
    refuse(&mut cluster, &["d"]).await;
    let look = AdoptCall {
        dry_run: true,
        ..adopt(&[])
    };
    assert_eq!(foreseen(&cluster, &look).await.refused, None);
    ask(&cluster, adopt(&[])).await.unwrap();
    confirmed_by(&cluster, &["a", "b", "c", "d"]).await;
    assert!(gone(&cluster.status().await) && cluster.kids("active").await == [signing.clone()]);
    check_log(&cluster).await;
    // Node d never had the key, and says so; the schedule goes on, and it gets the next.
    let lacking = cluster.status().await.inherited[0].lacking.clone();
    assert_eq!(lacking, ["d".parse().unwrap()]);
    cluster.pass(Span::hours(30), Span::mins(30)).await;
    let status = cluster.status().await;
    assert!(status.inherited.is_empty() && gone(&status), "{:?}", status.keys);
    check_log(&cluster).await;
}

/// Adopts without some nodes, as a dry run has said that it would, and waits for these.
pub async fn adopted_as_foreseen(cluster: &Cluster, nodes: &[&str], without: &[&str]) {
    let look = AdoptCall {
        dry_run: true,
        ..adopt(without)
    };
    assert_eq!(foreseen(cluster, &look).await.refused, None);
    ask(cluster, adopt(without)).await.unwrap();
    confirmed_by(cluster, nodes).await;
}

/// A dry run, once every node that runs has been heard.
pub async fn foreseen(cluster: &Cluster, call: &AdoptCall) -> DryRun {
    for _ in 0..1000 {
        let Progress::Accepted(accepted) = ask(cluster, call.clone()).await.unwrap() else {
            panic!("the first step");
        };
        let foreseen: DryRun = accepted.decision.read(schema::DRY_RUN).unwrap();
        if foreseen.refused.as_ref().is_none_or(|why| !why.contains("not heard")) {
            return foreseen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the nodes are never heard");
}

/// The leader went further on its own than it ever was: nothing but the log tells.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_that_went_another_way_comes_back_to_what_its_nodes_sign_with() {
    let (mut cluster, revoked, signing) = put_back().await;
    // It waits no longer for nodes that do not come.
    cluster.stepper.advance(Span::mins(11));
    for _ in 0..6 {
        cluster.rotate(forced()).await.unwrap();
        cluster
            .until(|status| status.keys.iter().any(|key| key.state == "prepublished"))
            .await;
    }
    for _ in 0..3 {
        cluster.stop_leader().await;
        cluster.start_leader().await.unwrap();
    }
    let own = cluster.kids("active").await;
    assert!(!own.contains(&signing));
    for node in ["a", "b", "c", "d"] {
        cluster.start_agent(node);
    }
    let forked =
        |status: &jkeys::agent::core::Status| status.problem.as_ref().is_some_and(|why| why.contains("the log was forked"));
    cluster.until_agent("a", forked).await;
    refuse(&mut cluster, &["b", "c", "d"]).await;
    let told = foreseen(
        &cluster,
        &AdoptCall {
            dry_run: true,
            ..adopt(&[])
        },
    )
    .await;
    assert_eq!(told.refused, None);
    ask(&cluster, adopt(&[])).await.unwrap();
    confirmed_by(&cluster, &["a", "b", "c", "d"]).await;
    let status = cluster.status().await;
    assert_eq!(cluster.kids("active").await, [signing]);
    let is = |kid: &str, state: &str| status.keys.iter().any(|key| key.kid.as_str() == kid && key.state == state);
    assert!(is(&own[0], "retiring") && !status.keys.iter().any(|key| key.kid.as_str() == revoked));
    assert_eq!(cluster.count("halted").await, 1);
    let refusals: Vec<_> = cluster
        .actions()
        .await
        .into_iter()
        .filter(|(action, _)| action == "refused")
        .collect();
    check_log(&cluster).await;
    cluster.pass(Span::hours(3), Span::mins(30)).await;
    let later = cluster.actions().await.into_iter().filter(|(action, _)| action == "refused");
    assert_eq!(later.collect::<Vec<_>>(), refusals, "no node refuses anything any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_out_the_last_node_that_has_a_private_half_is_told_and_it_is_recorded() {
    let (mut cluster, _, signing) = put_back().await;
    for node in ["a", "b"] {
        cluster.start_agent(node);
        refuse(&mut cluster, &[node]).await;
    }
    adopted_as_foreseen(&cluster, &["a", "b"], &["c", "d"]).await;
    cluster.stepper.advance(Span::mins(1));
    let heard = |name, status: &jkeys::rpc::documents::Status| {
        let mut nodes = status.nodes.iter();
        nodes.any(|node| node.node.as_str() == name && node.heard_at == Some(status.now))
    };
    cluster.until(|status| heard("a", status) && heard("b", status)).await;
    for (node, is_last) in [("a", false), ("b", true)] {
        let ended = cluster.end(node, Ending::Removed).await.unwrap();
        let held: Vec<_> = ended.held.iter().map(|key| (key.kid.as_str(), key.is_last_holder)).collect();
        assert_eq!(held, [(signing.as_str(), is_last)], "node {node}");
        let (_, removed) = cluster.actions().await.pop().unwrap();
        let last = if is_last { json!([signing]) } else { json!(null) };
        assert_eq!(removed["last_holder_of"], last, "{removed}");
    }
    check_log(&cluster).await;
}
