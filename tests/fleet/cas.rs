//! One CA takes over from another, while the fleet goes on.

use jkeys::agent::Papers;
use jkeys::keystore::snapshot_files;
use jkeys::lifecycle::Ending;
use jkeys::rpc::admin::{Document, RotateCaCall, schema};
use jkeys::rpc::documents::{CaPage, CaRotation, NodeStatus};
use jkeys::rpc::{Failure, proto};
use jkeys::types::{Digest, Span};

use crate::adopting::{adopt, adopted_as_foreseen, ask, confirmed_by};
use crate::cluster::{Cluster, ES256};
use crate::log::copy;
use crate::restore::Lost;

fn days(days: u64) -> Span {
    Span::hours(days * 24)
}

impl Cluster {
    async fn cas(&self) -> CaPage {
        let answer = self
            .admin()
            .await
            .show_cas(proto::ShowCasRequest {})
            .await
            .unwrap()
            .into_inner();
        Document::from(answer).read(schema::CAS).unwrap()
    }

    async fn rotate_ca(&self, dry_run: bool) -> Result<CaRotation, Failure> {
        let call = RotateCaCall { comment: None, dry_run };
        let answer = self.admin().await.rotate_ca(proto::RotateCaRequest::from(call)).await;
        let document: Document = answer.map_err(Failure::from)?.into_inner().into();
        Ok(document.read(schema::CA_ROTATION).unwrap())
    }

    /// The CAs with how far they are, oldest first.
    async fn phases(&self) -> Vec<(u32, String)> {
        let cas = self.cas().await.cas;
        cas.into_iter().map(|ca| (ca.number, ca.phase)).collect()
    }

    async fn until_phases(&self, wanted: &[(u32, &str)]) {
        let is_so = async || {
            let phases = self.phases().await;
            phases
                .iter()
                .map(|(number, phase)| (*number, phase.as_str()))
                .eq(wanted.iter().copied())
        };
        let reached = tokio::time::timeout(std::time::Duration::from_secs(60), async {
            while !is_so().await {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        });
        assert!(reached.await.is_ok(), "{:#?}", self.cas().await);
    }

    fn papers(&self, node: &str) -> Papers {
        Papers::load(&self.agent_folder(node)).unwrap()
    }

    /// Lets days pass in which certificates are renewed, without a step that is longer than what an evicted node may be away.
    async fn pass_days(&self, count: u64) {
        for _ in 0..count * 2 {
            self.stepper.advance(Span::hours(12));
            self.rest().await;
        }
    }
}

fn certified_by(node: &NodeStatus) -> Option<u32> {
    node.papers.as_ref().and_then(|papers| papers.certified_by.number)
}

async fn until_certified_by(cluster: &Cluster, ca: u32) {
    cluster
        .until(|status| status.nodes.iter().all(|node| certified_by(node) == Some(ca)))
        .await;
}

/// How often a record of that action stands in the log.
async fn steps(cluster: &Cluster) -> Vec<String> {
    let actions = cluster.actions().await.into_iter().map(|(action, _)| action);
    actions.filter(|action| action.starts_with("ca_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_both_sides_are_renewed_while_streams_go_on_and_each_is_recorded() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let mut status = cluster.agent_watch("a");
    let was_cut = tokio::spawn(async move { status.wait_for(|status| !status.connected).await.is_ok() });
    let first = cluster.papers("a").not_after().unwrap();
    cluster.pass_days(31).await;
    assert!(first < cluster.clock.now(), "it would be over");
    assert!(cluster.papers("a").not_after().unwrap() > cluster.clock.now() + days(19));
    assert_eq!(cluster.count("node_certified").await, 3);
    assert_eq!(cluster.count("leader_certified").await, 4, "the first at its start");
    assert!(!was_cut.is_finished(), "the stream went on");
    was_cut.abort();
    // The leader's first certificate is over too.
    cluster.join("b").await;
    cluster.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_takes_over_without_a_break_and_every_step_is_recorded() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    until_certified_by(&cluster, 1).await;
    let first = cluster.cas().await.cas[0].key;
    let foreseen = cluster.rotate_ca(true).await.unwrap();
    assert_eq!((foreseen.number, foreseen.must_trust.len()), (2, 2));
    assert_eq!(steps(&cluster).await, [""; 0], "a dry run decides nothing");
    let streams = cluster.count("leader_certified").await;

    cluster.rotate_ca(false).await.unwrap();
    // Nodes take the new one over the streams that they have, and it signs.
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
    cluster.rest().await;
    let second = cluster.cas().await.cas[1].key;
    for node in cluster.status().await.nodes {
        let papers = node.papers.unwrap();
        assert_eq!(
            papers.trusts.iter().filter_map(|ca| ca.number).collect::<Vec<_>>().len(),
            2,
            "{papers:?}"
        );
        assert!(!papers.is_of_signing && papers.lacks.is_empty(), "{papers:?}");
    }
    let again = cluster.rotate_ca(false).await.unwrap_err().to_string();
    assert!(again.contains("rotation to CA 2 is under way"), "{again}");
    assert!(
        cluster.count("leader_certified").await > streams,
        "the leader has one of each"
    );

    // Who dials anew is shown the new one, if it says that it knows it.
    cluster.stop_agent("a").await;
    cluster.start_agent("a");
    cluster.rest().await;
    // Certificates are renewed at a third of their life, over the live streams.
    cluster.pass_days(11).await;
    until_certified_by(&cluster, 2).await;
    assert_eq!(cluster.count("node_certified").await, 2);
    cluster.until_phases(&[(2, "signing")]).await;
    cluster.rest().await;
    cluster
        .until(|status| {
            let only_new = |node: &NodeStatus| node.papers.as_ref().is_some_and(|papers| papers.trusts.len() == 1);
            status.nodes.iter().all(only_new)
        })
        .await;
    let expected = ["ca_asked", "ca_made", "ca_activated", "ca_dropped", "ca_destroyed"];
    assert_eq!(steps(&cluster).await, expected);
    assert_eq!(cluster.papers("a").certified_by().unwrap(), second);
    assert_ne!(first, second);

    // All of it outlives both sides.
    for node in ["a", "b"] {
        cluster.stop_agent(node).await;
    }
    cluster.restart_leader(Span::mins(1)).await;
    for node in ["a", "b"] {
        cluster.start_agent(node);
    }
    cluster.rest().await;
    cluster.join("c").await;
    cluster.rest().await;
    assert_eq!(cluster.papers("c").certified_by().unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_with_a_ca_that_a_node_in_service_has_not_said_it_trusts() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "signing"), (2, "made")]).await;
    cluster
        .until(|status| status.nodes[0].papers.as_ref().is_some_and(|papers| papers.trusts.len() == 2))
        .await;
    let made = cluster.cas().await;
    assert_eq!(made.cas[1].missing, ["b".parse().unwrap()]);
    // A crash between the steps changes nothing, and a node that joins gets what signs.
    cluster.restart_leader(Span::secs(1)).await;
    cluster.join("c").await;
    cluster.rest().await;
    assert_eq!(cluster.phases().await[1], (2, "made".to_owned()));
    assert_eq!(cluster.papers("c").certified_by().unwrap(), made.cas[0].key);
    assert_eq!(cluster.papers("c").membership.roots.len(), 1, "what its token named");
    let waits = cluster.status().await.waits;
    let waits: Vec<String> = waits.iter().map(|waiting| format!("{:?}", waiting.wait)).collect();
    assert!(waits.contains(&"TrustCa(2)".to_owned()), "{waits:?}");
    cluster.start_agent("b");
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
    cluster.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_for_the_whole_rotation_comes_back_by_its_old_certificate() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    // It leaves service, and holds nothing up any more.
    cluster.pass_days(2).await;
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
    // It is renewed for 60 days after its end, so as long its CA is trusted.
    cluster.pass_days(40).await;
    let cas = cluster.cas().await.cas;
    assert_eq!((cas[0].phase.as_str(), cas[0].missing.len()), ("ending", 1), "{cas:?}");
    cluster.start_agent("b");
    cluster.rest().await;
    until_certified_by(&cluster, 2).await;
    cluster.until_phases(&[(2, "signing")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_comes_back_keeps_a_ca_for_ninety_days_or_until_it_is_taken_out() {
    for is_taken_out in [true, false] {
        let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
        cluster.stop_agent("b").await;
        cluster.pass_days(2).await;
        cluster.rotate_ca(false).await.unwrap();
        cluster.pass_days(11).await;
        until_certified_by_of(&cluster, "a", 2).await;
        assert_eq!(cluster.phases().await.len(), 2);
        if is_taken_out {
            cluster.end("b", Ending::Removed).await.unwrap();
        } else {
            for _ in 0..16 {
                cluster.stepper.advance(days(5));
                cluster.rest().await;
            }
        }
        cluster.until_phases(&[(2, "signing")]).await;
    }
}

async fn until_certified_by_of(cluster: &Cluster, name: &str, ca: u32) {
    cluster
        .until(|status| {
            let node = status.nodes.iter().find(|node| node.node.as_str() == name);
            node.and_then(certified_by) == Some(ca)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_works_whichever_ca_it_pins_and_keeps_that_ca() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let before = cluster.token("b").await.unwrap();
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
    cluster.rest().await;
    let after = cluster.token("c").await.unwrap();
    let pins = |line: &str| jkeys::pki::JoinToken::parse(line).unwrap().ca_key;
    let keys: Vec<Digest> = cluster.cas().await.cas.iter().map(|ca| ca.key).collect();
    assert_eq!([pins(&before), pins(&after)], keys[..]);
    assert!(cluster.cas().await.cas[0].tokens_until.is_some());
    for (node, token) in [("b", &before), ("c", &after)] {
        cluster.enroll(node, token).await.unwrap();
        assert_eq!(cluster.papers(node).certified_by().unwrap(), keys[1]);
        cluster.start_agent(node);
    }
    cluster.rest().await;
    cluster.pass_days(11).await;
    cluster.until_phases(&[(2, "signing")]).await;
    // A token of the CA that is gone is refused in words that name the reason.
    let mut late = jkeys::pki::JoinToken::parse(&cluster.token("d").await.unwrap()).unwrap();
    late.ca_key = keys[0];
    let late = String::from_utf8(late.line().expose().to_vec()).unwrap();
    let refused = cluster.enroll("d", &late).await.unwrap_err().to_string();
    assert!(refused.contains("the fleet's CA was replaced"), "{refused}");
}

/// The leader runs from the folder of the last restore, and its nodes find it.
async fn restored(lost: Lost, nodes: &[&str]) -> Cluster {
    let dir = lost.dir();
    let mut cluster = lost.cluster;
    for node in nodes {
        cluster.stop_agent(node).await;
    }
    let address = cluster.move_leader(&dir);
    cluster.start_leader().await.unwrap();
    for node in nodes {
        let folder = cluster.agent_folder(node);
        let text = format!("state_dir = \"{}\"\nleader_addresses = [\"{address}\"]\n", folder.display());
        cluster.start_agent_with(node, &text);
    }
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_restored_in_the_middle_of_a_rotation_goes_on_with_it() {
    let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
    cluster.rest().await;
    let mut lost = Lost::of(cluster).await;
    let newest = lost.snapshots().remove(0);
    lost.restore(&newest, false).unwrap();
    let cluster = restored(lost, &["a", "b"]).await;
    // It certifies itself and its nodes, and decides nothing before it is told to go on.
    cluster
        .until(|status| status.nodes.iter().all(|node| node.heard_at == Some(status.now)))
        .await;
    let refused = cluster.rotate_ca(false).await.unwrap_err().to_string();
    assert!(refused.contains("jkeys audit adopt"), "{refused}");
    ask(&cluster, adopt(&[])).await.unwrap();
    confirmed_by(&cluster, &["a", "b"]).await;
    cluster.pass_days(11).await;
    cluster.until_phases(&[(2, "signing")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_restored_to_before_a_rotation_has_its_nodes_forget_the_lost_ca() {
    let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    let kept = cluster.root().join("kept/snapshots");
    let mut lost = {
        // Both nodes are in the snapshot.
        cluster.rotate(crate::log::forced()).await.unwrap();
        cluster.rest().await;
        copy(&cluster.config().state_dir.join("snapshots"), &kept);
        cluster.rotate_ca(false).await.unwrap();
        cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
        cluster.rest().await;
        Lost::of(cluster).await
    };
    let old = snapshot_files(kept.parent().unwrap()).unwrap().remove(0);
    let refused = lost.restore(&old, false).unwrap_err().to_string();
    assert!(
        refused.contains("the private half of CA 2") && refused.contains("--without-later"),
        "{refused}"
    );
    lost.restore(&old, true).unwrap();
    let mut cluster = restored(lost, &["a", "b"]).await;
    for node in ["a", "b"] {
        cluster.until_agent(node, |status| status.problem.is_some()).await;
    }
    let trusts = |node: &NodeStatus| node.papers.as_ref().map_or(0, |papers| papers.trusts.len());
    cluster
        .until(|status| status.nodes.iter().all(|node| trusts(node) == 2))
        .await;
    adopted_as_foreseen(&cluster, &["a", "b"], &[]).await;
    cluster
        .until(|status| status.nodes.iter().all(|node| trusts(node) == 1))
        .await;
    // And the next one is a new one.
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_ca_a_leader_that_was_set_back_does_not_know_is_told_so() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    cluster.pass_days(2).await;
    let state = cluster.config().state_dir;
    let kept = cluster.root().join("kept");
    cluster.stop_leader().await;
    copy(&state, &kept);
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    cluster.rotate_ca(false).await.unwrap();
    cluster.pass_days(11).await;
    until_certified_by_of(&cluster, "a", 2).await;
    cluster.stop_leader().await;
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&kept, &state).unwrap();
    cluster.start_leader().await.unwrap();
    let said = ["does not know the CA", "jkeys node token", "jkeys enroll -"];
    cluster
        .until_agent("a", |status| {
            let why = status.no_stream.as_deref().unwrap_or_default();
            said.iter().all(|words| why.contains(words))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_only_a_ca_that_was_made_after_the_copy_comes_back_by_a_new_token_and_an_adoption() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let state = cluster.config().state_dir;
    let kept = cluster.root().join("kept");
    cluster.stop_leader().await;
    copy(&state, &kept);
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    cluster.rotate_ca(false).await.unwrap();
    cluster.pass_days(11).await;
    cluster.until_phases(&[(2, "signing")]).await;
    cluster.rest().await;
    cluster.stop_leader().await;
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&kept, &state).unwrap();
    cluster.start_leader().await.unwrap();
    cluster.until_agent("a", |status| status.no_stream.is_some()).await;

    // The token of an operator counts more than what the node has heard of CAs so far, and no other rule is lifted by it.
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    cluster.until(|status| status.halted.is_some()).await;
    cluster.until_agent("a", |status| status.problem.is_some()).await;
    adopted_as_foreseen(&cluster, &["a"], &[]).await;
    cluster.rest().await;
    assert_eq!(cluster.phases().await, [(1, "signing".to_owned())]);
    cluster.rotate_ca(false).await.unwrap();
    cluster.until_phases(&[(1, "ending"), (2, "signing")]).await;
}
