//! SIGTERM and SIGHUP.

use std::collections::BTreeSet;

use jkeys::lifecycle::Event;
use rustix::process::Signal;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::fleet::{Fleet, SLOW, STOPS_WITHIN};
use crate::process::{JKEYS, LONG, Service, until, write};

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
    // What only shows when the work begins is looked at before the old one is stopped.
    for (refused, bad) in [
        (2, "private_group = \"no-such-group-here\"\n"),
        (3, "cache_key_file = \"/no/such/file\"\n"),
        (4, "state_dir = \"/no/such/folder/agent\"\n"),
    ] {
        let kept = good
            .lines()
            .filter(|line| !bad.starts_with("state_dir") || !line.starts_with("state_dir"));
        let text: String = kept.flat_map(|line| [line, "\n"]).collect();
        write(&path, format!("{bad}{text}"));
        agent.signal(Signal::HUP);
        agent.logs(REFUSED, refused).await;
    }
    assert_eq!(agent.log().matches("connected to the leader").count(), 1, "{}", agent.log());
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

#[tokio::test]
async fn sighup_changes_what_nodes_are_told_without_a_restart() {
    let mut fleet = Fleet::configured(SLOW);
    let text = |every: &str| fleet.leader_text(SLOW).replace("\"500ms\"", every);
    let (rarely, often) = (text("\"1h\""), text("\"100ms\""));
    write(&fleet.leader_toml(), &rarely);
    fleet.init().await.done();
    fleet.start_leader().await;
    fleet.join("a").await;
    fleet.all_in_service().await;
    let addresses = often.replace("advertise = [", "advertise = [\"leader.example:7443\", ");
    write(&fleet.leader_toml(), addresses);
    let leader = fleet.leader.as_ref().unwrap();
    leader.signal(Signal::HUP);
    leader.logs("the configuration is reloaded", 1).await;
    let token = jkeys::pki::JoinToken::parse(fleet.token("b").await.trim()).unwrap();
    assert_eq!(token.addresses[0].to_string(), "leader.example:7443");
    let mut heard = BTreeSet::new();
    until("reports that come often", async || {
        heard.extend(fleet.node("a").await?.heard_at);
        (heard.len() >= 4).then_some(())
    })
    .await;
    assert_eq!(fleet.agents["a"].log().matches("connected to the leader").count(), 1);
}

/// What the service tells systemd, one message after the other.
async fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = tokio::time::timeout(LONG, socket.recv(&mut message)).await;
    let length = length.expect("systemd is told something").unwrap();
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[tokio::test]
async fn systemd_hears_ready_with_a_view_and_not_before() {
    let mut fleet = Fleet::running(SLOW, &[]).await;
    fleet.configure_agent("a").await;
    let (path, notify) = (fleet.agent_toml("a"), fleet.root().join("notify"));
    let good = std::fs::read_to_string(&path).unwrap();
    let socket = UnixDatagram::bind(&notify).unwrap();
    let mut command = Command::new(JKEYS);
    command.arg("--config").arg(&path).arg("agent");
    command
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "400000")
        .env_remove("WATCHDOG_PID");
    let agent = Service::spawn(command, "", fleet.root().join("a.log")).await;
    assert_eq!(told(&socket).await, "WATCHDOG=1\n");
    // Before it has joined: refused, then taken.
    write(&path, "strange = 1\n");
    agent.signal(Signal::HUP);
    agent.logs(REFUSED, 1).await;
    write(&path, &good);
    agent.signal(Signal::HUP);
    for _ in 0..3 {
        assert_eq!(told(&socket).await, "WATCHDOG=1\n");
    }
    let token = fleet.token("a").await;
    fleet.enroll("a", &token).await.done();
    let live = fleet.agent_state("a").join("live");
    while told(&socket).await != "READY=1\n" {
        assert!(agent.log().matches("a view is in place").count() <= 1);
    }
    assert!(live.exists());
    agent.signal(Signal::HUP);
    let mut reload = Vec::new();
    while reload.last().is_none_or(|last| last != "READY=1\n") {
        let message = told(&socket).await;
        if message != "WATCHDOG=1\n" {
            reload.push(message);
        }
    }
    assert!(reload.len() == 2 && reload[0].starts_with("RELOADING=1\n"), "{reload:?}");
    fleet.agents.insert("a".to_owned(), agent);
    fleet.all_in_service().await;
}
