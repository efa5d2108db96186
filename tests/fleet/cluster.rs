//! A fleet on a stepped clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jkeys::agent::{self, Enrolled};
use jkeys::clock::{Clock, Guide, Stepper};
use jkeys::config::{AgentConfig, LeaderConfig};
use jkeys::dev::{Probe, Sample, read_node};
use jkeys::leader::{Handle, Leader, LeaderError, founding};
use jkeys::lifecycle::{Ending, Windows};
use jkeys::rpc::admin::{Document, EndNodeCall, HistoryPage, Progress, RotateCall, TokenCall, schema};
use jkeys::rpc::documents::{NodeEnded, NodeStatus, Status};
use jkeys::rpc::proto::{self, admin_client::AdminClient};
use jkeys::rpc::{Failure, admin_client, connect_admin};
use jkeys::types::{Actor, Generation, Kid, NodeName, Span, Time};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Where the clock stands at first.
pub const START: Time = Time(1_800_000_000_000);
/// How long the fleet may take, in real time, to come to rest after a step. Nothing waits for it in a test that passes.
const REST_WITHIN: Duration = Duration::from_secs(60);

/// One profile, and windows of the two-day schedule.
pub const ES256: &str = "[[profile]]\nname = \"web\"\nalg = \"ES256\"\n";

pub struct Cluster {
    folder: TempDir,
    pub stepper: Stepper,
    pub clock: Clock,
    /// The leader's clock: right until a test sets it.
    pub leader_clock: (Clock, Guide),
    /// Those of the nodes.
    pub node_clocks: BTreeMap<String, (Clock, Guide)>,
    text: String,
    leader: Option<RunningLeader>,
    agents: BTreeMap<String, RunningAgent>,
    probe: Probe,
    known: Known,
}

/// What the leader last said that the probe needs; it stands while the leader is away.
#[derive(Default)]
struct Known {
    in_service: Vec<NodeName>,
    revoked: BTreeSet<Kid>,
    excepted: BTreeSet<Kid>,
}

struct RunningLeader {
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), LeaderError>>,
    handle: Handle,
}

struct RunningAgent {
    stop: watch::Sender<bool>,
    done: JoinHandle<Result<(), agent::AgentError>>,
    status: watch::Receiver<agent::core::Status>,
    http: watch::Receiver<Option<SocketAddr>>,
}

impl Cluster {
    /// A founded leader that runs, with the profiles of `text`.
    pub async fn start(text: &str) -> Self {
        Self::start_for(text, "").await
    }

    /// The same, with a group of operators.
    pub async fn start_for(text: &str, group: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, stepper) = Clock::stepped(START);
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let root = folder.path().display();
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\nadvertise = [\"127.0.0.1:{port}\"]\nstate_dir = \"{root}/leader\"\n\
             master_key_file = \"{root}/master.key\"\nadmin_socket = \"{root}/leader.sock\"\nadmin_group = {group:?}\n{text}"
        );
        let windows = Windows::default();
        let probe = Probe::new(windows.min_prepublish, windows.token_lifetime);
        let (leader, agents, known) = (None, BTreeMap::new(), Known::default());
        let mut cluster = Self {
            folder,
            stepper,
            leader_clock: clock.led(),
            node_clocks: BTreeMap::new(),
            clock,
            text,
            leader,
            agents,
            probe,
            known,
        };
        cluster.found();
        cluster.start_leader().await.unwrap();
        cluster
    }

    /// A fleet at rest, with these nodes in service.
    pub async fn with_nodes(text: &str, names: &[&str]) -> Self {
        let mut cluster = Self::start(text).await;
        for name in names {
            cluster.join(name).await;
        }
        cluster.rest().await;
        cluster
    }

    fn found(&self) {
        let config = self.config();
        founding::make_master_key(&config.master_key_file).unwrap();
        let master = founding::read_master_key(&config.master_key_file).unwrap();
        let actor = Actor::User {
            uid: 0,
            name: "root".to_owned(),
        };
        founding::found(&config.state_dir, &master, &config.trust_domain, &actor, &self.clock).unwrap();
    }

    pub fn config(&self) -> LeaderConfig {
        LeaderConfig::parse(&self.text, None).unwrap()
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub async fn start_leader(&mut self) -> Result<(), LeaderError> {
        let config = self.config();
        let leader = Leader::open(&config, self.leader_clock.0.clone()).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = leader.handle();
        let done = tokio::spawn(leader.serve(async move {
            let _ = stopped.await;
        }));
        self.leader = Some(RunningLeader { stop, done, handle });
        Ok(())
    }

    /// The leader's next start is on another machine, as it were: from this folder, and at another address, which is returned.
    pub fn move_leader(&mut self, state_dir: &Path) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (before, after) = (self.config(), listener.local_addr().unwrap());
        let folder = before.state_dir.display().to_string();
        self.text = self.text.replace(&before.listen.to_string(), &after.to_string());
        self.text = self
            .text
            .replace(&format!("\"{folder}\""), &format!("\"{}\"", state_dir.display()));
        after.to_string()
    }

    /// SIGHUP with the profiles of `text`: they hold at once, or are refused.
    pub async fn reload(&mut self, text: &str) -> Result<(), String> {
        let (head, _) = self.text.split_once("admin_group = \"\"\n").unwrap();
        let next = format!("{head}admin_group = \"\"\n{text}");
        let config = LeaderConfig::parse(&next, None).map_err(|why| why.to_string())?;
        self.leader.as_ref().expect("a leader runs").handle.configure(&config).await?;
        self.text = next;
        Ok(())
    }

    /// Stops the leader cleanly.
    pub async fn stop_leader(&mut self) {
        let RunningLeader { stop, done, .. } = self.leader.take().expect("a leader runs");
        let _ = stop.send(());
        done.await.unwrap().unwrap();
    }

    /// How a leader that nobody stops ends.
    pub async fn leader_end(&mut self) -> Result<(), LeaderError> {
        // Let go of, it would stop the leader.
        let RunningLeader { stop: _stop, done, .. } = self.leader.take().expect("a leader runs");
        done.await.unwrap()
    }

    /// Stops the leader, lets `away` pass, and starts it anew.
    pub async fn restart_leader(&mut self, away: Span) {
        self.stop_leader().await;
        self.stepper.advance(away);
        self.start_leader().await.unwrap();
    }

    pub fn agent_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("agent-{name}"))
    }

    /// `jkeys node revoke`, or `remove`.
    pub async fn end(&self, name: &str, ending: Ending) -> Result<NodeEnded, Failure> {
        let call = EndNodeCall {
            node: name.parse().unwrap(),
            ending,
            comment: None,
        };
        let answer = self.admin().await.end_node(proto::EndNodeRequest::from(call)).await;
        let document: Document = answer.map_err(Failure::from)?.into_inner().into();
        Ok(document.read(schema::NODE_ENDED).unwrap())
    }

    pub async fn token(&self, name: &str) -> Result<String, Failure> {
        let call = TokenCall {
            node: name.parse().unwrap(),
            ttl: Span::hours(1),
            only_new_name: false,
        };
        let answer = self.admin().await.create_token(proto::CreateTokenRequest::from(call)).await;
        Ok(answer.map_err(Failure::from)?.into_inner().token)
    }

    pub async fn enroll(&self, name: &str, token: &str) -> Result<Enrolled, agent::EnrollError> {
        agent::enroll(token, &self.agent_folder(name), &self.clock).await
    }

    /// A new node that runs.
    pub async fn join(&mut self, name: &str) {
        let token = self.token(name).await.unwrap();
        self.enroll(name, &token).await.unwrap();
        self.start_agent(name);
    }

    pub fn start_agent(&mut self, name: &str) {
        let text = format!("state_dir = \"{}\"\n", self.agent_folder(name).display());
        self.start_agent_with(name, &text);
    }

    pub fn start_agent_with(&mut self, name: &str, text: &str) {
        let config = AgentConfig::parse(text, None).unwrap();
        let ((stop, stopped), monitor) = (watch::channel(false), agent::Monitor::default());
        let own_clock = self.node_clocks.entry(name.to_owned());
        let clock = own_clock.or_insert_with(|| self.clock.led()).0.clone();
        let (status, http) = (monitor.status(), monitor.http());
        let done = tokio::spawn(async move { agent::serve(&config, clock, monitor, stopped).await });
        self.agents.insert(
            name.to_owned(),
            RunningAgent {
                stop,
                done,
                status,
                http,
            },
        );
    }

    pub async fn stop_agent(&mut self, name: &str) {
        let RunningAgent { stop, done, .. } = self.agents.remove(name).expect("the agent runs");
        stop.send_replace(true);
        done.await.unwrap().unwrap();
    }

    pub fn agent_status(&self, name: &str) -> agent::core::Status {
        self.agents[name].status.borrow().clone()
    }

    /// Where the agent answers HTTP, once it does.
    pub async fn http(&mut self, name: &str) -> SocketAddr {
        let address = &mut self.agents.get_mut(name).expect("the agent runs").http;
        let found = tokio::time::timeout(REST_WITHIN, address.wait_for(Option::is_some)).await;
        found.expect("it never answers").unwrap().unwrap()
    }

    /// The agent's own status, as it changes.
    pub fn agent_watch(&self, name: &str) -> watch::Receiver<agent::core::Status> {
        self.agents[name].status.clone()
    }

    pub async fn admin(&self) -> AdminClient<Channel> {
        admin_client(connect_admin(&self.config().admin_socket).await.unwrap())
    }

    pub async fn status(&self) -> Status {
        let document = self.admin().await.status(proto::StatusRequest {}).await.unwrap().into_inner();
        Document::from(document).read(schema::STATUS).unwrap()
    }

    pub async fn node(&self, name: &str) -> NodeStatus {
        let status = self.status().await;
        status.nodes.into_iter().find(|node| node.node.as_str() == name).unwrap()
    }

    /// The kids of the keys in `state`, oldest first.
    pub async fn kids(&self, state: &str) -> Vec<String> {
        let keys = self.status().await.keys;
        keys.into_iter()
            .filter(|key| key.state == state)
            .map(|key| key.kid.to_string())
            .collect()
    }

    /// Every record, oldest first.
    pub async fn records(&self) -> Vec<serde_json::Value> {
        let request = proto::HistoryRequest {
            limit: 10_000,
            ..proto::HistoryRequest::default()
        };
        let document = self.admin().await.history(request).await.unwrap().into_inner();
        let page: HistoryPage = Document::from(document).read(schema::HISTORY).unwrap();
        let read = |record: &serde_json::value::RawValue| serde_json::from_str(record.get()).unwrap();
        page.records.iter().map(|record| read(record)).collect()
    }

    /// The actions of the records, with their kids.
    pub async fn actions(&self) -> Vec<(String, serde_json::Value)> {
        let records = self.records().await;
        let action = |record: &serde_json::Value| record["event"]["action"].as_str().unwrap().to_owned();
        records
            .iter()
            .map(|record| (action(record), record["event"].clone()))
            .collect()
    }

    /// Sends `jkeys rotate --now` and follows it to its end.
    pub async fn rotate(&self, call: RotateCall) -> Result<Vec<Progress>, Failure> {
        let answer = self.admin().await.rotate(proto::RotateRequest::from(call)).await;
        let mut stream = answer.map_err(Failure::from)?.into_inner();
        let mut steps = Vec::new();
        while let Some(step) = stream.message().await.map_err(Failure::from)? {
            steps.push(Progress::try_from(step).unwrap());
        }
        Ok(steps)
    }

    /// Waits, in real time, until the leader has seen the clock as it is, every wanted key is made, and every running agent has
    /// reported at this instant and owes nothing. Without a leader there is nothing to wait for.
    pub async fn rest(&self) {
        let rested = tokio::time::timeout(REST_WITHIN, async {
            while !self.is_at_rest().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        if rested.await.is_err() {
            let agents: Vec<_> = self.agents.keys().map(|name| (name, self.agent_status(name))).collect();
            let nodes = self.status().await.nodes;
            panic!(
                "the fleet does not come to rest at {}: {nodes:#?} {agents:#?}",
                self.clock.now()
            );
        }
    }

    async fn is_at_rest(&self) -> bool {
        let Some(leader) = &self.leader else {
            return true;
        };
        leader.handle.ping().await.unwrap();
        let status = self.status().await;
        let made = status
            .profiles
            .iter()
            .all(|profile| profile.standby != jkeys::rpc::documents::StandbyStatus::None);
        let started = status
            .waits
            .iter()
            .all(|waiting| waiting.wait != jkeys::lifecycle::Wait::Start);
        let at_rest = |node: &NodeStatus| {
            let running = self.agents.contains_key(node.node.as_str());
            let current = node.confirmed == Some(status.generation) && node.standing == "in_service";
            !running || current && node.heard_at == Some(status.now) && node.owing_since.is_none()
        };
        let running = status
            .nodes
            .iter()
            .filter(|node| self.agents.contains_key(node.node.as_str()));
        let heard = status.clock.nodes_heard >= u64::try_from(running.count()).unwrap();
        heard && (made || !started) && status.generation > Generation(0) && status.nodes.iter().all(at_rest)
    }

    /// Lets `span` pass in steps, with the fleet at rest and probed after each.
    pub async fn pass(&mut self, span: Span, step: Span) {
        let until = self.clock.now() + span;
        while self.clock.now() < until {
            self.stepper.advance(step.min(until.since(self.clock.now())));
            self.rest().await;
            self.probe().await;
        }
    }

    /// Signs with every node's private file and verifies with every node's JWKS, as relying parties may have them.
    pub async fn probe(&mut self) {
        if self.leader.is_some() {
            self.learn().await;
        }
        let files = |node: &NodeName| Some((node.clone(), read_node(&self.agent_folder(node.as_str())).unwrap()?));
        let sample = Sample {
            began: self.clock.now(),
            ended: self.clock.now(),
            nodes: self.known.in_service.iter().filter_map(files).collect(),
            revoked: self.known.revoked.clone(),
            excepted: self.known.excepted.clone(),
        };
        let round = self.probe.round(&sample);
        let failures: Vec<String> = round.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "at {}: {failures:#?}", self.clock.now());
        assert!(round.probes > 0 || sample.nodes.is_empty());
    }

    async fn learn(&mut self) {
        let nodes = self
            .status()
            .await
            .nodes
            .into_iter()
            .filter(|node| node.standing == "in_service");
        self.known.in_service = nodes.map(|node| node.node).collect();
        for (action, event) in self.actions().await {
            let kid = || event["kid"].as_str().unwrap().parse().unwrap();
            let is_exception = ["bootstrap", "forced", "compromised"]
                .iter()
                .any(|cause| event["cause"]["cause"] == *cause);
            match action.as_str() {
                "revoked" if event["private_half"] == "destroyed" => self.known.revoked.extend([kid()]),
                "activated" if is_exception => self.known.excepted.extend([kid()]),
                _ => {}
            }
        }
    }

    /// How often a record says `action`.
    pub async fn count(&self, action: &str) -> usize {
        self.actions().await.iter().filter(|(found, _)| found == action).count()
    }

    /// Waits, in real time, until `is` says so of the status.
    pub async fn until(&self, is: impl Fn(&Status) -> bool) {
        let reached = tokio::time::timeout(REST_WITHIN, async {
            while !is(&self.status().await) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(reached.await.is_ok(), "it never comes: {:#?}", self.status().await.nodes);
    }

    /// Waits, in real time, until an agent's own status is so.
    pub async fn until_agent(&mut self, name: &str, is: impl FnMut(&agent::core::Status) -> bool) {
        let status = &mut self.agents.get_mut(name).expect("the agent runs").status;
        let reached = tokio::time::timeout(REST_WITHIN, status.wait_for(is)).await.is_ok();
        assert!(reached, "it never comes: {:#?}", self.agent_status(name));
    }
}

/// `jkeys rotate --now --reason superseded`.
pub fn rotate_now() -> RotateCall {
    RotateCall {
        now: true,
        profiles: BTreeSet::new(),
        reason: jkeys::types::Reason::Superseded,
        comment: None,
        compromised: jkeys::rpc::admin::Compromised::Nothing,
        use_kid: None,
        force: false,
        dry_run: false,
        wait: Span::secs(10),
        destroy: false,
    }
}
