//! SIGTERM and SIGHUP.

use jkeys::lifecycle::Event;
use rustix::process::Signal;

use crate::fleet::{Fleet, SLOW, STOPS_WITHIN};
use crate::process::{until, write};

const REFUSED: &str = "the new configuration is refused; the old one stands";

#[tokio::test]
async fn sigterm_ends_both_services_cleanly() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    let agent = fleet.agents.remove("a").unwrap();
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended(STOPS_WITHIN).await, Some(0));
    // With a stream open, too.
    fleet.start_agent("a").await;
    fleet.agents["a"].logs("connected to the leader", 2).await;
    fleet.stop_leader().await;
    let said = fleet.run(&["status"]).await;
    said.refused(&["leader.sock"]);
    let agent = fleet.agents.remove("a").unwrap();
    agent.signal(Signal::INT);
    assert_eq!(agent.ended(STOPS_WITHIN).await, Some(0));
}

#[tokio::test]
async fn sighup_takes_a_good_configuration_of_the_leader_and_refuses_a_broken_one() {
    let fleet = Fleet::running(SLOW, &[]).await;
    let leader = fleet.leader.as_ref().unwrap();
    let before = configured(&fleet).await.len();
    write(
        &fleet.leader_toml(),
        fleet.leader_text(&format!("{SLOW}intervall = \"60h\"\n")),
    );
    leader.signal(Signal::HUP);
    leader.logs(REFUSED, 1).await;
    leader.logs("intervall: unknown key", 1).await;
    write(
        &fleet.leader_toml(),
        fleet.leader_text(&format!("{SLOW}interval = \"20h\"\n")),
    );
    leader.signal(Signal::HUP);
    leader.logs(REFUSED, 2).await;
    leader.logs("rule T1, profile web", 1).await;
    write(&fleet.leader_toml(), fleet.leader_text(SLOW));
    assert_eq!(configured(&fleet).await.len(), before);
    write(
        &fleet.leader_toml(),
        fleet.leader_text(&format!("{SLOW}interval = \"60h\"\n")),
    );
    leader.signal(Signal::HUP);
    leader.logs("the configuration is reloaded", 1).await;
    let records = configured(&fleet).await;
    assert_eq!(records.len(), before + 1);
    assert!(records[before].contains("2days 12h"), "{records:?}");
    // What only a restart changes is said.
    let moved = fleet
        .leader_text(SLOW)
        .replace("admin_group = \"\"", "admin_group = \"daemon\"");
    write(&fleet.leader_toml(), moved);
    leader.signal(Signal::HUP);
    leader.logs("admin_group", 1).await;
}

async fn configured(fleet: &Fleet) -> Vec<String> {
    let records = fleet.history().await.into_iter();
    let settings = records.filter_map(|record| match record.event {
        Event::Configured { settings } => Some(settings),
        _ => None,
    });
    let intervals = settings.map(|settings| {
        settings
            .profiles
            .values()
            .map(|profile| profile.windows.interval.to_string())
            .collect()
    });
    intervals.collect()
}

#[tokio::test]
async fn sighup_takes_a_good_configuration_of_the_agent_and_refuses_a_broken_one() {
    let fleet = Fleet::running(SLOW, &["a"]).await;
    let (agent, path) = (&fleet.agents["a"], fleet.agent_toml("a"));
    let good = std::fs::read_to_string(&path).unwrap();
    write(&path, format!("{good}\n[[hook]]\non = \"swop\"\n"));
    agent.signal(Signal::HUP);
    agent.logs(REFUSED, 1).await;
    agent.logs("\"swop\" is not an event", 1).await;
    assert_eq!(agent.log().matches("connected to the leader").count(), 1);
    let marker = fleet.root().join("marker");
    let hook = format!(
        "{good}\n[[hook]]\non = \"swap\"\nargv = [\"/bin/mkdir\", \"-p\", \"{}\"]\n",
        marker.display()
    );
    write(&path, hook);
    agent.signal(Signal::HUP);
    agent.logs("connected to the leader", 2).await;
    until("the new hook", async || marker.is_dir().then_some(())).await;
    fleet.all_in_service().await;
}
