//! Configurations that change on a live fleet, under the probe: every token verifies and every message opens, whatever is reloaded.

use std::collections::BTreeMap;

use jkeys::lifecycle::Wait;
use jkeys::rpc::documents::{KeyStatus, Rotating, StandbyStatus, Status};
use jkeys::types::{KeySpec, KeyUse, Kid, Span, Time};

use crate::cluster::{Cluster, START, rotate_now};

const STEP: Span = Span::hours(1);

fn profile(name: &str, rest: &str) -> String {
    format!("[[profile]]\nname = \"{name}\"\n{rest}\n")
}

fn enc(alg: &str) -> String {
    profile("enc", &format!("use = \"enc\"\n{alg}"))
}

/// Reloads, and waits until every key that is wanted at once is on every node.
async fn reload(cluster: &mut Cluster, text: &str) {
    cluster.reload(text).await.unwrap();
    let is_made = |status: &Status| {
        status.profiles.iter().all(|profile| {
            let is_of = |key: &&KeyStatus| key.profile == profile.profile && key.spec == profile.spec;
            profile.spec.key_use() == KeyUse::Enc || status.keys.iter().any(|key| is_of(&key))
        })
    };
    cluster.until(is_made).await;
    cluster.rest().await;
    cluster.probe().await;
}

async fn of(cluster: &Cluster, profile: &str) -> Vec<KeyStatus> {
    let keys = cluster.status().await.keys.into_iter();
    keys.filter(|key| key.profile.as_str() == profile).collect()
}

/// What is in use in a profile.
async fn in_use(cluster: &Cluster, profile: &str) -> Option<KeySpec> {
    let keys = of(cluster, profile).await.into_iter();
    keys.filter(|key| key.state == "active").map(|key| key.spec).next()
}

async fn rotating(cluster: &Cluster, profile: &str) -> Option<Rotating> {
    let profiles = cluster.status().await.profiles.into_iter();
    profiles
        .filter(|row| row.profile.as_str() == profile)
        .find_map(|row| row.rotating)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_its_algorithm_on_time_and_status_says_when() {
    let before = profile("web", "alg = \"ES256\"") + &enc("alg = \"ECDH-ES\"");
    let mut cluster = Cluster::with_nodes(&before, &["a", "b"]).await;
    cluster.pass(Span::hours(10), STEP).await;
    let after = profile("web", "alg = \"Ed25519\"") + &enc("alg = \"ECDH-ES\"\nbits = 384");
    reload(&mut cluster, &after).await;
    let standbys: Vec<KeySpec> = of(&cluster, "web").await.iter().map(|key| key.spec).collect();
    assert_eq!(
        standbys,
        [KeySpec::Es256, KeySpec::Es256, KeySpec::Ed25519],
        "one is made beside the old standby"
    );
    let at = Some(START + Span::hours(48));
    assert_eq!(
        rotating(&cluster, "web").await,
        Some(Rotating {
            from: KeySpec::Es256,
            at
        })
    );
    assert_eq!(rotating(&cluster, "enc").await.unwrap().at, at);
    // An emergency is possible all the time: first with the old algorithm, which goes once the new one is known.
    cluster.pass(Span::hours(17), STEP).await;
    let status = cluster.status().await;
    let StandbyStatus::Ready { kid } = &status.profiles[1].standby else {
        panic!("{:?}", status.profiles);
    };
    assert_eq!(status.keys.iter().find(|key| key.kid == *kid).unwrap().spec, KeySpec::Es256);
    cluster.pass(Span::hours(12), STEP).await;
    let left: Vec<String> = of(&cluster, "web")
        .await
        .iter()
        .map(|key| format!("{} {}", key.spec, key.state))
        .collect();
    assert_eq!(left[..2], ["ES256 active", "Ed25519 prepublished"]);
    cluster.pass(Span::hours(10), STEP).await;
    assert_eq!(in_use(&cluster, "web").await, Some(KeySpec::Ed25519));
    assert_eq!(in_use(&cluster, "enc").await, "ECDH-ES/384".parse().ok());
    assert_eq!(
        (rotating(&cluster, "web").await, rotating(&cluster, "enc").await),
        (None, None)
    );
    cluster.pass(Span::hours(50), STEP).await;
    assert!(of(&cluster, "web").await.iter().all(|key| key.spec == KeySpec::Ed25519));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_comes_too_late_for_a_rotation_takes_the_next_and_an_emergency_does_not_wait() {
    let mut cluster = Cluster::with_nodes(&profile("web", "alg = \"ES256\""), &["a", "b"]).await;
    cluster.pass(Span::mins(47 * 60 + 30), STEP).await;
    reload(&mut cluster, &profile("web", "alg = \"Ed25519\"")).await;
    let at = Some(START + Span::hours(96));
    assert_eq!(
        rotating(&cluster, "web").await.unwrap().at,
        at,
        "an armed key goes on as armed"
    );
    cluster.pass(Span::hours(1), Span::mins(10)).await;
    assert_eq!(in_use(&cluster, "web").await, Some(KeySpec::Es256));
    cluster.rotate(rotate_now()).await.unwrap();
    cluster.rest().await;
    assert_eq!(
        in_use(&cluster, "web").await,
        Some(KeySpec::Es256),
        "relying parties do not know the new one"
    );
    cluster.pass(Span::hours(26), STEP).await;
    cluster.rotate(rotate_now()).await.unwrap();
    cluster.rest().await;
    assert_eq!(in_use(&cluster, "web").await, Some(KeySpec::Ed25519));
    cluster.pass(Span::hours(60), STEP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_added_leaves_and_comes_back() {
    let web = profile("web", "alg = \"ES256\"");
    let all = web.clone() + &profile("api", "alg = \"Ed25519\"") + &enc("alg = \"ECDH-ES\"");
    let mut cluster = Cluster::with_nodes(&web, &["a", "b"]).await;
    cluster.pass(Span::hours(5), STEP).await;
    reload(&mut cluster, &all).await;
    cluster.pass(Span::hours(25), STEP).await;
    assert_eq!(in_use(&cluster, "api").await, None, "rule R1 holds for its first key too");
    cluster.pass(Span::hours(20), STEP).await;
    let api = of(&cluster, "api").await;
    assert_eq!(in_use(&cluster, "api").await, Some(KeySpec::Ed25519));

    reload(&mut cluster, &web).await;
    let left = cluster.clock.now();
    let states = |keys: &[KeyStatus]| keys.iter().map(|key| key.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&of(&cluster, "api").await), ["retiring"], "its standby is dropped");
    assert_eq!(states(&of(&cluster, "enc").await), ["retiring"]);
    let leaving: Vec<(String, Span)> = (cluster.status().await.leaving.iter())
        .map(|row| (row.profile.to_string(), row.until.since(left)))
        .collect();
    assert_eq!(
        leaving,
        [("api".to_owned(), Span::mins(65)), ("enc".to_owned(), Span::hours(26))]
    );
    let refused = cluster
        .reload(&(web.clone() + &profile("enc", "alg = \"ES256\"")))
        .await
        .unwrap_err();
    assert!(refused.contains("profile enc has keys of the other use"), "{refused}");
    cluster.pass(Span::hours(2), Span::mins(20)).await;
    assert_eq!(
        (of(&cluster, "api").await, of(&cluster, "enc").await.len()),
        (vec![], 1),
        "R3, E2"
    );

    reload(&mut cluster, &all).await;
    cluster.pass(Span::hours(24), STEP).await;
    assert_eq!(
        in_use(&cluster, "api").await,
        None,
        "R1: no bootstrap for a profile that comes back"
    );
    cluster.pass(Span::hours(4), STEP).await;
    let back = of(&cluster, "api").await;
    assert_eq!(in_use(&cluster, "api").await, Some(KeySpec::Ed25519));
    assert!(back.iter().all(|key| api.iter().all(|before| before.kid != key.kid)));
    assert!(
        cluster.status().await.leaving.is_empty(),
        "what was left of enc is part of the profile again, or gone"
    );
    cluster.pass(Span::hours(50), STEP).await;
    let bootstrap = cluster
        .actions()
        .await
        .iter()
        .filter(|(_, event)| event["cause"]["cause"] == "bootstrap")
        .count();
    assert_eq!(bootstrap, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_profile_a_configuration_is_refused_and_the_old_one_stands() {
    let web = profile("web", "alg = \"ES256\"");
    let mut cluster = Cluster::with_nodes(&web, &["a"]).await;
    let before = cluster.records().await;
    let refused = cluster.reload("").await.unwrap_err();
    assert!(refused.contains("there is no profile: write at least one"), "{refused}");
    assert_eq!(cluster.records().await, before);
}

/// When the next step of each key is due.
async fn due(cluster: &Cluster) -> BTreeMap<Kid, Option<(String, Time)>> {
    let keys = cluster.status().await.keys.into_iter();
    keys.map(|key| (key.kid, key.next.map(|next| (next.to, next.at)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_times_and_an_anchor_hold_for_the_next_key_in_whatever_state_the_others_are() {
    let before = profile("web", "alg = \"ES256\"") + &enc("alg = \"ECDH-ES\"");
    let times = "interval = \"72h\"\narm_lead = \"3h\"\nmin_prepublish = \"30h\"\ndecrypt_window = \"30h\"\nanchor = \"02:00Z\"";
    let after = profile("web", &format!("alg = \"ES256\"\n{times}")) + &enc(&format!("alg = \"ECDH-ES\"\n{times}"));
    // Prepublished, active and published; armed and staged; retiring and unpublished.
    for age in [Span::hours(10), Span::mins(47 * 60 + 30), Span::mins(48 * 60 + 10)] {
        let mut cluster = Cluster::with_nodes(&before, &["a", "b"]).await;
        cluster.pass(age, Span::mins(30)).await;
        let stood = due(&cluster).await;
        reload(&mut cluster, &after).await;
        let stands = due(&cluster).await;
        for (kid, planned) in &stood {
            let is_unpublished = planned
                .as_ref()
                .is_some_and(|(to, at)| to == "removed" && at.since(START) > Span::hours(70));
            // A longer decrypt_window applies at once.
            let longer = planned.clone().map(|(to, at)| (to, at + Span::hours(4)));
            let expected = if is_unpublished { &longer } else { planned };
            assert_eq!(&stands[kid], expected, "at {age}");
        }
        // The standby is of before, too: the key after it is the first of the new times.
        cluster.pass(Span::hours(5 * 24), STEP).await;
        let events = cluster.actions().await;
        for action in ["activated", "published"] {
            let since = |event: &serde_json::Value| {
                let until = event["retire_at"].as_str().or(event["replace_at"].as_str());
                until.unwrap().parse::<Time>().unwrap()
            };
            let ends: Vec<Time> = events
                .iter()
                .filter(|(found, _)| found == action)
                .map(|(_, event)| since(event))
                .collect();
            let hour = |at: &Time| at.to_string()[11..19].to_owned();
            assert_eq!(hour(ends.last().unwrap()), "02:00:00", "{action} at {age}: {ends:?}");
            assert_eq!((ends[0], hour(&ends[0])), (START + Span::hours(48), "08:00:00".to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_a_node_is_away_and_over_a_restart_of_the_leader() {
    let before = profile("web", "alg = \"ES256\"") + &profile("old", "alg = \"ES256\"");
    let mut cluster = Cluster::with_nodes(&before, &["a", "b"]).await;
    cluster.pass(Span::hours(30), STEP).await;
    cluster.stop_agent("b").await;
    cluster.reload(&profile("web", "alg = \"Ed25519\"")).await.unwrap();
    cluster
        .until(|status| status.keys.iter().any(|key| key.spec == KeySpec::Ed25519))
        .await;
    cluster.pass(Span::hours(3), STEP).await;
    let status = cluster.status().await;
    assert_eq!(status.leaving.len(), 1, "b has not let go of the key of old");
    assert!(status.leaving[0].missing.iter().any(|node| node.as_str() == "b"));
    assert!(status.waits.iter().any(|waiting| matches!(waiting.wait, Wait::Remove(_))));
    cluster.restart_leader(Span::hours(1)).await;
    cluster.start_agent("b");
    cluster.rest().await;
    cluster.probe().await;
    cluster.pass(Span::hours(2), STEP).await;
    assert!(cluster.status().await.leaving.is_empty());
    cluster.pass(Span::hours(14), STEP).await;
    assert_eq!(
        in_use(&cluster, "web").await,
        Some(KeySpec::Es256),
        "on time, with the key that is known"
    );
    cluster.pass(Span::hours(48), STEP).await;
    assert_eq!(in_use(&cluster, "web").await, Some(KeySpec::Ed25519));
}
