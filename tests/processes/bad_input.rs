//! Commands that must be refused, and those that only some nodes can follow.

use jkeys::clock::Clock;
use jkeys::types::Span;
use rustix::process::Signal;

use crate::fleet::{Fleet, SLOW};
use crate::process::until;

#[tokio::test]
async fn tokens_that_are_garbled_expired_or_used_are_refused() {
    let fleet = Fleet::running(SLOW, &[]).await;
    fleet.configure_agent("a").await;
    let token = fleet.token("a").await;
    fleet
        .enroll("a", "good morning")
        .await
        .refused(&["this is not a join token", "`jkeys node token`"]);
    fleet.enroll("a", "").await.refused(&["this is not a join token"]);
    let cut = &token.trim()[..token.len() - 10];
    fleet
        .enroll("a", cut)
        .await
        .refused(&["the join token is cut short or damaged"]);
    fleet.enroll("a", &token).await.done();
    fleet
        .enroll("a", &token)
        .await
        .refused(&["the join token has been used already", "`jkeys node token`"]);
    let short = fleet.run(&["node", "token", "b", "--ttl", "1s"]).await.done();
    let clock = Clock::machine();
    clock.sleep_until(clock.now() + Span(1_100)).await;
    fleet.configure_agent("b").await;
    fleet
        .enroll("b", &short)
        .await
        .refused(&["expired", "make a new one with `jkeys node token`"]);
    let left = fleet.agent_state("b").join("identity.json");
    assert!(!left.exists(), "a refused token leaves no identity behind");
}

#[tokio::test]
async fn without_a_leader_commands_say_where_they_looked() {
    let mut fleet = Fleet::running(SLOW, &[]).await;
    fleet.configure_agent("a").await;
    let token = fleet.token("a").await;
    fleet.stop_leader().await;
    fleet
        .enroll("a", &token)
        .await
        .refused(&["no leader could be reached", "look whether the leader runs"]);
    let rotate = ["rotate", "--now", "--reason", "superseded"];
    for command in [
        &["status"][..],
        &["history"],
        &["keys", "list"],
        &["node", "token", "b"],
        &rotate,
    ] {
        fleet.run(command).await.refused(&["leader.sock", "leader"]);
    }
    fleet.start_leader().await;
    fleet.enroll("a", &token).await.done();
}

#[tokio::test]
async fn wrong_usage_is_exit_status_2() {
    let fleet = Fleet::configured(SLOW);
    for wrong in [
        &["rotate", "--now"][..],
        &["rotate", "--now", "--reason", "boredom"],
        &["rotate", "--now", "--compromised", "all", "--reason", "superseded"],
        &["node", "token", "../a"],
        &["node", "token", "a", "--ttl", "0s"],
        &["rotat"],
    ] {
        let said = fleet.run(wrong).await;
        said.ended(2, &["error:"]);
    }
}

#[tokio::test]
async fn a_young_standby_and_a_stopped_node_are_named() {
    let fleet = Fleet::running(SLOW, &["a", "b"]).await;
    let kid = fleet.status().await.unwrap().keys[0].kid.clone();
    let now = ["rotate", "--now", "--reason", "superseded"];
    let said = fleet.run(&now).await;
    said.refused(&[
        "profile web",
        "rule R1",
        "relying parties may not know it before 20",
        "--force",
    ]);
    assert!(
        fleet.history().await.last().unwrap().event.name() == "refused",
        "a refusal is recorded"
    );
    fleet.agents["b"].signal(Signal::STOP);
    let said = fleet
        .run(&["rotate", "--now", "--force", "--reason", "superseded", "--wait", "3s"])
        .await;
    said.ended(
        3,
        &[
            "a  confirmed after",
            "not confirmed by b",
            "(forced: an exception to rule R1)",
        ],
    );
    let forced = until("the next standby", async || {
        let keys = fleet.status().await?.keys;
        keys.iter().any(|key| key.state == "prepublished").then_some(keys)
    });
    let keys = forced.await;
    assert!(keys.iter().any(|key| key.kid == kid && key.state == "retiring"), "{keys:?}");
    until("node a", async || {
        let status = fleet.status().await?;
        let a = status.nodes.iter().find(|node| node.node.as_str() == "a")?;
        (a.confirmed == Some(status.generation)).then_some(())
    })
    .await;
    fleet.run(&now).await.refused(&["not confirmed by b", "not before 20"]);
    fleet.agents["b"].signal(Signal::CONT);
    fleet.all_in_service().await;
}
