//! Join tokens and identities, over the wire.

use std::path::Path;

use jkeys::agent::Papers;
use jkeys::pki::{JoinToken, NodeKeys, TokenSecret, enroll_client_config, node_client_config};
use jkeys::rpc::admin::{Document, Tokens as Which, schema};
use jkeys::rpc::documents::{TokenState, Tokens};
use jkeys::rpc::proto::{self, EnrollRequest, RenewRequest};
use jkeys::rpc::{ErrorKind, Failure, connect_leader, enrollment_client, fleet_client};
use jkeys::types::{Span, Time};

use crate::cluster::{Cluster, ES256};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_one_node_in_once_and_not_after_its_time() {
    let cluster = Cluster::start(ES256).await;
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    let refused = cluster.enroll("a", &token).await.unwrap_err().to_string();
    assert!(
        refused.contains("used already") && refused.contains("jkeys node token"),
        "{refused}"
    );
    let late = cluster.token("b").await.unwrap();
    cluster.stepper.advance(Span::hours(2));
    let refused = cluster.enroll("b", &late).await.unwrap_err().to_string();
    assert!(refused.contains("expired"), "{refused}");
    assert_eq!(cluster.status().await.refused_enrolments, 2, "rule R7: they are counted");
    assert_eq!(cluster.count("refused").await, 0, "and not recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_fleet_is_refused_by_its_ca() {
    let (ours, theirs) = (Cluster::start(ES256).await, Cluster::start(ES256).await);
    let token = theirs.token("a").await.unwrap();
    let own = ours.token("a").await.unwrap();
    // The token of the one with the address of the other: a leader that only pretends.
    let mut forged = jkeys::pki::JoinToken::parse(&token).unwrap();
    forged.addresses = jkeys::pki::JoinToken::parse(&own).unwrap().addresses;
    let line = String::from_utf8(forged.line().expose().to_vec()).unwrap();
    let refused = ours.enroll("a", &line).await.unwrap_err().to_string();
    assert!(refused.contains("CA"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_enrolled_anew_ends_the_old_node() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let old = cluster.agent_folder("a");
    std::fs::rename(&old, cluster.root().join("kept")).unwrap();
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    cluster.until(|status| status.nodes[0].standing == "joining").await;
    cluster.until_agent("a", |status| !status.connected).await;
    assert_eq!(cluster.count("left_service").await, 1);
    cluster.stop_agent("a").await;
    cluster.start_agent("a");
    cluster.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_leader_on_the_same_keystore_is_refused_in_words() {
    let mut cluster = Cluster::start(ES256).await;
    let refused = cluster.start_leader().await.unwrap_err().to_string();
    assert!(refused.contains("another jkeys leader"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_release_too_far_away_is_refused_in_words_and_its_token_stays() {
    let cluster = Cluster::start(ES256).await;
    let line = cluster.token("a").await.unwrap();
    let token = JoinToken::parse(&line).unwrap();
    let config = enroll_client_config(token.ca_key, &cluster.clock).unwrap();
    let channel = connect_leader(&token.addresses, config).await.unwrap();
    let request = EnrollRequest {
        protocol_version: 9,
        ..EnrollRequest::new(&token, &NodeKeys::generate().unwrap()).unwrap()
    };
    let refused = enrollment_client(channel).enroll(request).await.unwrap_err();
    assert!(refused.message().contains("version 9"), "{refused}");
    cluster.enroll("a", &line).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_race_with_one_token_one_gets_in() {
    let cluster = Cluster::start(ES256).await;
    let token = cluster.token("a").await.unwrap();
    let folders: Vec<_> = (0..8)
        .map(|number| cluster.root().join(format!("machine-{number}")))
        .collect();
    let racing = folders
        .iter()
        .map(|folder| jkeys::agent::enroll(&token, folder, &cluster.clock));
    let ended = futures_util::future::join_all(racing).await;
    let (joined, refused): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert_eq!((joined.len(), refused.len()), (1, 7));
    for refusal in refused {
        let words = refusal.unwrap_err().to_string();
        assert!(words.contains("used already"), "{words}");
    }
    assert_eq!(cluster.count("enrolled").await, 1);
    assert_eq!(
        folders.iter().filter(|folder| folder.join("identity.json").exists()).count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_by_their_hash_and_taken_back() {
    let cluster = Cluster::start(ES256).await;
    let (kept, revoked) = (cluster.token("a").await.unwrap(), cluster.token("b").await.unwrap());
    cluster.enroll("a", &kept).await.unwrap();
    let mut admin = cluster.admin().await;
    let listed = admin.list_tokens(proto::ListTokensRequest {}).await.unwrap().into_inner();
    let listed: Tokens = Document::from(listed).read(schema::TOKENS).unwrap();
    let rows: Vec<_> = listed
        .tokens
        .iter()
        .map(|row| (row.node.as_str(), row.state, row.token))
        .collect();
    let hash = |line: &str| JoinToken::parse(line).unwrap().secret.hash();
    assert_eq!(
        rows,
        [("a", TokenState::Used, hash(&kept)), ("b", TokenState::Open, hash(&revoked))]
    );
    let request = proto::RevokeTokensRequest::from(Which::Of("b".parse().unwrap()));
    let names = admin.revoke_tokens(request.clone()).await.unwrap().into_inner().node_names;
    assert_eq!(names, ["b"]);
    let refused = cluster.enroll("b", &revoked).await.unwrap_err().to_string();
    assert!(refused.contains("it was revoked"), "{refused}");
    let refused = admin.revoke_tokens(request).await.unwrap_err();
    assert!(refused.message().contains("could still be used"), "{refused}");
    assert_eq!(cluster.count("token_revoked").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_waits_and_is_not_let_in_by_a_right_guess_meanwhile() {
    let cluster = Cluster::start(ES256).await;
    let good = cluster.token("a").await.unwrap();
    let guess = async || {
        let mut token = JoinToken::parse(&good).unwrap();
        token.secret = TokenSecret::generate().unwrap();
        let line = String::from_utf8(token.line().expose().to_vec()).unwrap();
        cluster.enroll("a", &line).await.unwrap_err().to_string()
    };
    for _ in 0..10 {
        let refused = guess().await;
        assert!(refused.contains("never issued here"), "{refused}");
    }
    let words = "too many join tokens were refused from this address: try again in 1m";
    let refused = guess().await;
    assert!(refused.contains(words), "{refused}");
    let refused = cluster.enroll("a", &good).await.unwrap_err().to_string();
    assert!(refused.contains(words), "{refused}");
    assert_eq!(
        cluster.status().await.refused_enrolments,
        10,
        "what is held up is not looked at"
    );
    cluster.stepper.advance(Span::mins(1));
    cluster.enroll("a", &good).await.unwrap();
}

/// When the certificate ends that the node has on its disk.
fn good_until(folder: &Path, now: Time) -> Time {
    Papers::load(folder).unwrap().good_until(now).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_can_not_be_renewed_cuts_no_node_off_and_is_tried_again() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let folder = cluster.agent_folder("a");
    let first = good_until(&folder, cluster.clock.now());
    // The keys can be read and nothing can be written beside them.
    let (keys, kept) = (folder.join("keys"), folder.join("kept"));
    std::fs::rename(&keys, &kept).unwrap();
    std::os::unix::fs::symlink("kept", &keys).unwrap();
    for _ in 0..11 * 4 {
        cluster.stepper.advance(Span::hours(6));
        cluster.rest().await;
    }
    // A new stream opens all the same, on which the leader hears the node at this instant.
    cluster.stop_agent("a").await;
    cluster.stepper.advance(Span::secs(1));
    cluster.start_agent("a");
    cluster.rest().await;
    assert_eq!(good_until(&folder, cluster.clock.now()), first, "it could not be renewed");
    std::fs::remove_file(&keys).unwrap();
    std::fs::rename(&kept, &keys).unwrap();
    for _ in 0..12 {
        cluster.stepper.advance(Span::mins(5));
        cluster.rest().await;
    }
    cluster
        .until(|status| good_until(&folder, status.now) > first + Span::hours(24))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_another_fleet_while_it_runs_begins_anew_there() {
    let mut ours = Cluster::with_nodes(ES256, &["a"]).await;
    // By its epoch the other fleet would be an old leader.
    ours.restart_leader(Span::mins(1)).await;
    ours.restart_leader(Span::mins(1)).await;
    ours.rest().await;
    let theirs = Cluster::start(ES256).await;
    theirs.stepper.advance(Span::mins(2));
    let token = theirs.token("a").await.unwrap();
    ours.enroll("a", &token).await.unwrap();
    ours.stop_leader().await;
    theirs
        .until(|status| status.nodes.iter().any(|node| node.standing == "in_service"))
        .await;
    let epoch = theirs.status().await.epoch;
    ours.until_agent("a", |status| status.highest_epoch == epoch && status.problem.is_none())
        .await;
}

/// Days in which a node is off, and the rest of its fleet goes on.
fn days(days: u64) -> Span {
    Span::hours(days * 24)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_ended_while_it_was_off_renews_it_and_comes_back() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    let folder = cluster.agent_folder("b");
    let first = good_until(&folder, cluster.clock.now());
    for _ in 0..9 {
        cluster.stepper.advance(days(9));
        cluster.rest().await;
    }
    assert!(first + days(50) < cluster.clock.now());
    cluster.start_agent("b");
    cluster.rest().await;
    assert!(good_until(&folder, cluster.clock.now()) > cluster.clock.now() + days(29));
    assert!(cluster.agent_status("b").no_stream.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_ended_too_long_ago_is_told_how_to_come_back() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    for _ in 0..13 {
        cluster.stepper.advance(days(7));
        cluster.rest().await;
    }
    cluster.start_agent("b");
    let advice = ["does so no more", "jkeys node token", "jkeys enroll -"];
    cluster
        .until_agent("b", |status| {
            let said = status.no_stream.as_deref().unwrap_or_default();
            advice.iter().all(|words| said.contains(words))
        })
        .await;
    let token = cluster.token("b").await.unwrap();
    cluster.enroll("b", &token).await.unwrap();
    cluster.stop_agent("b").await;
    cluster.start_agent("b");
    cluster.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cloned_is_noticed_once_and_shown_and_one_that_starts_anew_is_not() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    for _ in 0..3 {
        cluster.stop_agent("a").await;
        cluster.start_agent("a");
        cluster.rest().await;
    }
    assert!(!cluster.node("a").await.is_cloned);
    let (own, copied) = (cluster.agent_folder("a"), cluster.agent_folder("copy"));
    std::fs::create_dir_all(copied.join("keys")).unwrap();
    std::fs::copy(own.join("identity.json"), copied.join("identity.json")).unwrap();
    for key in std::fs::read_dir(own.join("keys")).unwrap() {
        let key = key.unwrap();
        std::fs::copy(key.path(), copied.join("keys").join(key.file_name())).unwrap();
    }
    // Each stream takes the place of the other's.
    cluster.start_agent("copy");
    cluster.until(|status| status.nodes[0].is_cloned).await;
    cluster.stop_agent("copy").await;
    cluster.rest().await;
    assert_eq!(cluster.count("node_cloned").await, 1);
    assert!(
        cluster.node("a").await.is_cloned,
        "it is shown until the node is enrolled anew"
    );
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    cluster.stop_agent("a").await;
    cluster.start_agent("a");
    cluster.rest().await;
    assert!(!cluster.node("a").await.is_cloned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_asks_for_certificates_without_end_is_held_up_and_does_not_fill_the_log() {
    let cluster = Cluster::start(ES256).await;
    let token = cluster.token("a").await.unwrap();
    cluster.enroll("a", &token).await.unwrap();
    let papers = Papers::load(&cluster.agent_folder("a")).unwrap();
    let (roots, domain) = (&papers.membership.roots, &papers.membership.trust_domain);
    let tls = node_client_config(&papers.tls_identity(), roots, domain, &cluster.clock).unwrap();
    let mut client = fleet_client(connect_leader(&papers.addresses, tls).await.unwrap());
    let (own, another) = (
        papers.keys.csr_der().unwrap(),
        NodeKeys::generate().unwrap().csr_der().unwrap(),
    );
    let mut refusals = Vec::new();
    for number in 0..40 {
        let csr_der = if number % 2 == 0 { own.clone() } else { another.clone() };
        let answer = client.renew(RenewRequest { csr_der }).await;
        refusals.extend(answer.err().map(Failure::from));
    }
    let last = refusals.last().unwrap();
    assert!(
        last.kind == ErrorKind::Unavailable && last.message.contains("too many certificates: try again in 5m"),
        "{last}"
    );
    let recorded = cluster.count("node_certified").await + cluster.count("refused").await;
    assert_eq!(recorded, 5);
    cluster.stepper.advance(Span::mins(5));
    client.renew(RenewRequest { csr_der: own }).await.unwrap();
}
