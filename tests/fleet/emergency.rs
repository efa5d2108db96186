//! `jkeys rotate --now`, over the admin socket.

use jkeys::rpc::admin::{Compromised, Finished, Progress, RotateCall, Trusted};
use jkeys::types::{NodeName, Reason, Span};

use crate::cluster::{Cluster, ES256, rotate_now};

const STEP: Span = Span::mins(20);

/// A fleet whose standby is ready.
async fn ready(text: &str, nodes: &[&str]) -> Cluster {
    let mut cluster = Cluster::with_nodes(text, nodes).await;
    cluster.pass(Span::hours(27), Span::hours(1)).await;
    cluster
}

fn finished(steps: &[Progress]) -> &Finished {
    match steps.last() {
        Some(Progress::Finished(finished)) => finished,
        other => panic!("the last step is {other:?}"),
    }
}

fn compromised(kid: &str) -> RotateCall {
    let compromised = Compromised::Key(kid.parse().unwrap());
    RotateCall {
        reason: Reason::Compromised,
        compromised,
        ..rotate_now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_signs_at_once_and_every_node_confirms() {
    let mut cluster = ready(ES256, &["a", "b", "c"]).await;
    let (active, standby) = (cluster.kids("active").await, cluster.kids("prepublished").await);
    let steps = cluster.rotate(rotate_now()).await.unwrap();
    assert!(matches!(steps[0], Progress::Accepted(_)));
    let confirmed = steps.iter().filter(|step| matches!(step, Progress::Confirmation(_))).count();
    assert_eq!(confirmed, 3);
    assert!(finished(&steps).missing.is_empty());
    assert_eq!(cluster.kids("active").await[0], standby[0]);
    assert_eq!(cluster.kids("retiring").await, active);
    cluster.rest().await;
    cluster.probe().await;
    cluster.pass(Span::hours(30), STEP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_is_gone_from_every_node_and_the_log_says_when() {
    let text = format!("served_max_age = \"10m\"\n{ES256}");
    let mut cluster = ready(&text, &["a", "b"]).await;
    let stolen = cluster.kids("active").await.remove(0);
    let steps = cluster.rotate(compromised(&stolen)).await.unwrap();
    assert_eq!(finished(&steps).trusted, Trusted::Until(cluster.clock.now() + Span::mins(10)));
    for node in ["a", "b"] {
        let jwks = std::fs::read_to_string(cluster.agent_folder(node).join("live/jwks.json")).unwrap();
        assert!(!jwks.contains(&stolen), "{node} publishes the stolen key");
    }
    cluster.rest().await;
    cluster.probe().await;
    assert_eq!(cluster.count("revocation_confirmed").await, 1);
    assert!(cluster.status().await.revocations.is_empty());
    let again = cluster.rotate(compromised(&stolen)).await.unwrap();
    assert!(finished(&again).missing.is_empty());
    assert_eq!(
        cluster.count("reported_compromised").await,
        1,
        "a second report of the same key is only recorded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_is_named_and_confirms_when_it_is_back() {
    let mut cluster = ready(ES256, &["a", "b"]).await;
    let stolen = cluster.kids("active").await.remove(0);
    cluster.stop_agent("b").await;
    let (steps, ()) = tokio::join!(cluster.rotate(compromised(&stolen)), async {
        cluster
            .until(|status| status.revocations.first().is_some_and(|row| row.missing.len() == 1))
            .await;
        cluster.stepper.advance(Span::secs(10));
    });
    let steps = steps.unwrap();
    let missing: Vec<&str> = finished(&steps).missing.iter().map(NodeName::as_str).collect();
    assert_eq!(missing, ["b"]);
    assert!(matches!(&finished(&steps).trusted, Trusted::Unknown(why) if why.contains("not confirmed by b")));
    cluster.start_agent("b");
    cluster.until(|status| status.revocations.is_empty()).await;
    assert_eq!(cluster.count("revocation_confirmed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_standby_is_refused_in_words_and_taken_by_force_on_record() {
    let cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let refused = cluster.rotate(rotate_now()).await.unwrap_err().to_string();
    assert!(refused.contains("rule R1") && refused.contains("--force"), "{refused}");
    assert_eq!(cluster.count("refused").await, 1, "rule R7: the refusal is recorded");
    cluster
        .rotate(RotateCall {
            force: true,
            ..rotate_now()
        })
        .await
        .unwrap();
    let forced = cluster
        .actions()
        .await
        .into_iter()
        .any(|(_, event)| event["cause"]["cause"] == "forced");
    assert!(forced);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everything_is_compromised_new_keys_are_made_and_sign() {
    let mut cluster = ready(ES256, &["a", "b"]).await;
    let before = cluster.kids("active").await;
    let call = RotateCall {
        reason: Reason::Compromised,
        compromised: Compromised::All,
        ..rotate_now()
    };
    cluster.rotate(call).await.unwrap();
    cluster.rest().await;
    let after = cluster.kids("active").await;
    assert!(after.len() == 1 && after != before);
    cluster.probe().await;
}
