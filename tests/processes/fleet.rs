//! A leader and its agents as processes, in a folder of their own, on a port of their own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use jkeys::audit::Record;
use jkeys::rpc::documents::{NodeStatus, Status};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Said, Service, run, run_with, until, write};

/// One profile on the two-day schedule.
pub const SLOW: &str = "[[profile]]\nname = \"web\"\nalg = \"ES256\"\n";
/// How long a service may take to stop.
pub const STOPS_WITHIN: Duration = Duration::from_secs(15);

pub struct Fleet {
    folder: TempDir,
    port: u16,
    pub leader: Option<Service>,
    pub agents: BTreeMap<String, Service>,
}

impl Fleet {
    /// A configured leader, for which nothing is founded yet.
    pub fn configured(profiles: &str) -> Self {
        let fleet = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            leader: None,
            agents: BTreeMap::new(),
        };
        write(&fleet.leader_toml(), fleet.leader_text(profiles));
        fleet
    }

    /// A founded leader that does not run.
    pub async fn founded(profiles: &str) -> Self {
        let fleet = Self::configured(profiles);
        fleet.init().await.done();
        fleet
    }

    /// A leader and its agents that run, all in service.
    pub async fn running(profiles: &str, nodes: &[&str]) -> Self {
        let mut fleet = Self::founded(profiles).await;
        fleet.start_leader().await;
        for node in nodes {
            fleet.join(node).await;
        }
        fleet.all_in_service().await;
        fleet
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn leader_toml(&self) -> PathBuf {
        self.root().join("leader.toml")
    }

    /// The keystore.
    pub fn leader_state(&self) -> PathBuf {
        self.root().join("leader")
    }

    pub fn master_key(&self) -> PathBuf {
        self.root().join("master.key")
    }

    /// A configuration of the leader with these profiles.
    pub fn leader_text(&self, profiles: &str) -> String {
        let (root, port) = (self.root().display(), self.port);
        format!(
            "listen = \"127.0.0.1:{port}\"\nadvertise = [\"127.0.0.1:{port}\"]\nstate_dir = \"{root}/leader\"\n\
             master_key_file = \"{root}/master.key\"\nadmin_socket = \"{root}/leader.sock\"\nadmin_group = \"\"\n\
             report_every = \"500ms\"\n{profiles}"
        )
    }

    pub fn agent_toml(&self, node: &str) -> PathBuf {
        self.root().join(node).join("agent.toml")
    }

    pub fn agent_state(&self, node: &str) -> PathBuf {
        self.root().join(node).join("agent")
    }

    /// `jkeys init leader`
    pub async fn init(&self) -> Said {
        run(self.words(&["init", "leader", "--dir", self.root().to_str().unwrap()])).await
    }

    /// A command with the leader's configuration.
    pub async fn run(&self, args: &[&str]) -> Said {
        run(self.words(args)).await
    }

    fn words(&self, args: &[&str]) -> Vec<OsString> {
        let config = ["--config".into(), self.leader_toml().into()];
        config.into_iter().chain(args.iter().map(Into::into)).collect()
    }

    pub async fn start_leader(&mut self) {
        let mut leader = Service::start(self.words(&["leader"]), self.root().join("leader.log")).await;
        until("a leader that answers", async || {
            leader.still_runs();
            self.status().await
        })
        .await;
        self.leader = Some(leader);
    }

    /// A second `jkeys leader`, or one that can't start.
    pub async fn leader_that_ends(&self) -> Said {
        self.run(&["leader"]).await
    }

    pub async fn stop_leader(&mut self) {
        let leader = self.leader.take().expect("a leader runs");
        leader.signal(Signal::TERM);
        assert_eq!(leader.ended(STOPS_WITHIN).await, Some(0));
    }

    /// A join token, as `jkeys node token` prints it.
    pub async fn token(&self, node: &str) -> String {
        self.run(&["node", "token", node]).await.done()
    }

    /// `jkeys init agent`
    pub async fn configure_agent(&self, node: &str) {
        let dir = self.root().join(node);
        run(["init", "agent", "--dir", dir.to_str().unwrap()]).await.done();
    }

    /// `jkeys enroll -`
    pub async fn enroll(&self, node: &str, token: &str) -> Said {
        let config = self.agent_toml(node);
        run_with(["--config", config.to_str().unwrap(), "enroll", "-"], token).await
    }

    pub async fn start_agent(&mut self, node: &str) {
        let (config, log) = (self.agent_toml(node), self.root().join(format!("{node}.log")));
        let agent = Service::start(["--config", config.to_str().unwrap(), "agent"], log).await;
        self.agents.insert(node.to_owned(), agent);
    }

    /// A new node that runs.
    pub async fn join(&mut self, node: &str) {
        self.configure_agent(node).await;
        let token = self.token(node).await;
        self.enroll(node, &token).await.done();
        self.start_agent(node).await;
    }

    /// `jkeys status --json`; none while no leader answers.
    pub async fn status(&self) -> Option<Status> {
        let said = self.run(&["status", "--json"]).await;
        (said.status == 0).then(|| serde_json::from_str(&said.out).unwrap())
    }

    pub async fn node(&self, name: &str) -> Option<NodeStatus> {
        let nodes = self.status().await?.nodes;
        nodes.into_iter().find(|node| node.node.as_str() == name)
    }

    /// Waits until every node that runs is in service and has confirmed the newest generation, and there is a standby.
    pub async fn all_in_service(&self) -> Status {
        until("every node in service", async || {
            let status = self.status().await?;
            let names: Vec<_> = status.nodes.iter().map(|node| node.node.as_str()).collect();
            let there = self.agents.keys().all(|name| names.contains(&name.as_str()));
            let settled = |node: &NodeStatus| node.standing == "in_service" && node.confirmed == Some(status.generation);
            (there && status.keys.len() >= 2 && status.nodes.iter().all(settled)).then_some(status)
        })
        .await
    }

    /// `jkeys history --json`
    pub async fn history_text(&self) -> String {
        self.run(&["history", "--json"]).await.done()
    }

    pub async fn history(&self) -> Vec<Record> {
        let text = self.history_text().await;
        text.lines()
            .map(|line| Record::from_bytes(line.as_bytes()).unwrap())
            .collect()
    }
}

/// A port below those that the system gives to outgoing connections: none of them can take it while a leader is away.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap();
    let ports = std::iter::repeat_with(|| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let mut free = ports
        .take(10_000)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}
