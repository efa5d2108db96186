//! `systemctl reload` of a leader whose profiles are added, changed and removed.

use jkeys::lifecycle::Event;
use jkeys::rpc::documents::{KeyStatus, Status};
use rustix::process::Signal;

use crate::fleet::Fleet;
use crate::process::{until, write};

/// One profile of the two-day schedule whose tokens live for a second, so that a key that signs no more goes soon.
fn profile(name: &str, rest: &str) -> String {
    let times = "token_lifetime = \"1s\"\nclock_skew = \"1s\"";
    format!("[[profile]]\nname = \"{name}\"\n{rest}\n{times}\n")
}

fn reload(fleet: &Fleet, profiles: &str) {
    write(&fleet.leader_toml(), fleet.leader_text(profiles));
    fleet.leader.as_ref().unwrap().signal(Signal::HUP);
}

/// Waits until every node has confirmed a state that `is` so.
async fn settled(fleet: &Fleet, what: &str, is: impl Fn(&Status) -> bool) -> Status {
    until(what, async || {
        let status = fleet.status().await?;
        let settled = status.nodes.iter().all(|node| node.confirmed == Some(status.generation));
        (settled && is(&status)).then_some(status)
    })
    .await
}

fn states(status: &Status, profile: &str) -> Vec<String> {
    let keys = status.keys.iter().filter(|key| key.profile.as_str() == profile);
    keys.map(|key: &KeyStatus| format!("{} {}", key.spec, key.state)).collect()
}

#[tokio::test]
async fn sighup_adds_changes_and_removes_profiles_of_a_running_fleet() {
    let web = profile("web", "alg = \"ES256\"");
    let mut fleet = Fleet::running(&web, &["a", "b"]).await;

    let both = web.clone() + &profile("api", "alg = \"Ed25519\"");
    reload(&fleet, &both);
    let is_there = |status: &Status| !states(status, "api").is_empty();
    let status = settled(&fleet, "a key of the new profile", is_there).await;
    assert_eq!(
        states(&status, "api"),
        ["Ed25519 prepublished"],
        "rule R1 holds for its first key too"
    );
    assert_eq!(states(&status, "web"), ["ES256 active", "ES256 prepublished"]);

    let changed = profile("web", "alg = \"ES384\"") + &profile("api", "alg = \"Ed25519\"");
    reload(&fleet, &changed);
    let status = settled(&fleet, "a key of the new algorithm", |status| {
        states(status, "web").len() == 3
    })
    .await;
    assert_eq!(
        states(&status, "web"),
        ["ES256 active", "ES256 prepublished", "ES384 prepublished"]
    );
    let said = fleet.run(&["status"]).await.done();
    assert!(said.contains("profile web rotates from ES256 into ES384 at "), "{said}");
    let planned = fleet.run(&["plan", "--days", "3"]).await.done();
    assert!(planned.contains("signs (ES384)"), "{planned}");
    let leader = fleet.leader.as_ref().unwrap();
    leader.logs("profile web rotates from ES256 into ES384", 1).await;

    reload(&fleet, &profile("api", "alg = \"Ed25519\""));
    leader.logs("profile web is removed: key ", 1).await;
    let status = settled(&fleet, "the end of the removed profile", |status| {
        states(status, "web").is_empty()
    })
    .await;
    assert!(status.leaving.is_empty());
    let history = fleet.history().await;
    let of_web = history.iter().filter_map(|record| match &record.event {
        Event::Removed { last_signature, .. } => Some(last_signature.is_some()),
        _ => None,
    });
    assert_eq!(of_web.filter(|signed| *signed).count(), 1, "one had signed, two never did");

    reload(&fleet, &both);
    let status = settled(&fleet, "the profile again", |status| !states(status, "web").is_empty()).await;
    assert_eq!(states(&status, "web"), ["ES256 prepublished"], "rule R1: no bootstrap");

    reload(&fleet, "");
    leader.logs("there is no profile: write at least one", 1).await;
    leader.logs("the new configuration is refused; the old one stands", 1).await;
    let other_use = profile("api", "alg = \"ECDH-ES\"\nuse = \"enc\"");
    reload(&fleet, &(web + &other_use));
    leader.logs("profile api has keys of the other use", 1).await;
    assert_eq!(states(&fleet.status().await.unwrap(), "api"), ["Ed25519 prepublished"]);
    fleet.stop_leader().await;
}
