//! A leader and its agents in one process: real sockets, TLS and files, made through the same code as the services.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::error::DevError;
use super::layout::Layout;
use crate::agent::{self, Monitor};
use crate::clock::Clock;
use crate::config;
use crate::leader::founding::{found, make_master_key, read_master_key};
use crate::leader::{Leader, LeaderError};
use crate::lifecycle::Windows;
use crate::rpc::admin::TokenCall;
use crate::rpc::proto::CreateTokenRequest;
use crate::rpc::{account_name, admin_client, connect_admin};
use crate::types::{Actor, NodeName, Span};

/// How often another port is tried when somebody takes the one that was free a moment ago.
const PORT_TRIES: usize = 5;
/// How many nodes join at once.
const JOINING_AT_ONCE: usize = 8;
/// How long a join token is good for: it is used at once.
const TOKEN_TTL: Span = Span::mins(10);
/// The open files that an agent and its leader need for each other, with room for those that are being written.
const FILES_PER_AGENT: u64 = 4;
/// The open files of the rest of the process.
const OTHER_FILES: u64 = 256;

/// A running scratch cluster.
pub(super) struct Cluster {
    leader: JoinSet<Result<(), LeaderError>>,
    agents: JoinSet<Result<(), DevError>>,
    stop_leader: watch::Sender<bool>,
    stop_agents: watch::Sender<bool>,
    nodes: Vec<NodeName>,
    admin: Channel,
    // The last field: what is still open under the folder is dropped before the folder goes.
    layout: Layout,
}

impl Cluster {
    /// Makes everything under the folder of `layout` and starts it. All nodes have joined when it returns.
    pub(super) async fn start(layout: Layout, agents: u16, windows: &Windows, clock: &Clock) -> Result<Self, DevError> {
        allow_open_files(agents)?;
        let (stop_leader, stop_agents) = (watch::Sender::new(false), watch::Sender::new(false));
        let config = init_leader(&layout, windows, clock)?;
        let leader = open_leader(config, &layout, windows, clock).await?;
        let mut leaders = JoinSet::new();
        leaders.spawn(leader.serve(told(stop_leader.subscribe())));
        let socket = config::file::leader(&layout.leader_config(), None)?.admin_socket;
        let mut cluster = Self {
            leader: leaders,
            agents: JoinSet::new(),
            stop_leader,
            stop_agents,
            nodes: names(agents),
            admin: connect_admin(&socket).await?,
            layout,
        };
        cluster.join_all(clock).await?;
        for node in cluster.nodes.clone() {
            cluster.start_agent(node, clock)?;
        }
        Ok(cluster)
    }

    /// The nodes, in the order of their numbers.
    pub(super) fn nodes(&self) -> &[NodeName] {
        &self.nodes
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A connection to the admin socket.
    pub(super) fn admin(&self) -> Channel {
        self.admin.clone()
    }

    async fn join_all(&self, clock: &Clock) -> Result<(), DevError> {
        let joining = stream::iter(&self.nodes).map(|node| join(self.admin(), &self.layout, node, clock));
        joining.buffer_unordered(JOINING_AT_ONCE).try_collect().await
    }

    fn start_agent(&mut self, node: NodeName, clock: &Clock) -> Result<(), DevError> {
        let config = config::file::agent(&self.layout.agent_config(&node), None)?;
        let (clock, stop) = (clock.clone(), self.stop_agents.subscribe());
        self.agents.spawn(async move {
            let ended = agent::serve(&config, clock, Monitor::default(), stop).await;
            ended.map_err(|why| DevError::Agent { node, why })
        });
        Ok(())
    }

    /// Returns why, once a part of the cluster ends that was not told to.
    pub(super) async fn failed(&mut self) -> DevError {
        tokio::select! {
            Some(ended) = self.leader.join_next() => of_leader(ended).err().unwrap_or_else(|| DevError::Ended("the leader".to_owned())),
            Some(ended) = self.agents.join_next() => of_agent(ended).err().unwrap_or_else(|| DevError::Ended("an agent".to_owned())),
        }
    }

    /// Stops the agents, then the leader: all of them, and says what went wrong first.
    pub(super) async fn stop(mut self) -> Result<(), DevError> {
        let mut stopped = Ok(());
        self.stop_agents.send_replace(true);
        while let Some(ended) = self.agents.join_next().await {
            stopped = stopped.and(of_agent(ended));
        }
        self.stop_leader.send_replace(true);
        while let Some(ended) = self.leader.join_next().await {
            stopped = stopped.and(of_leader(ended));
        }
        stopped
    }
}

type Joined<E> = Result<Result<(), E>, tokio::task::JoinError>;

fn of_leader(ended: Joined<LeaderError>) -> Result<(), DevError> {
    ended.map_err(LeaderError::Died)?.map_err(DevError::Leader)
}

fn of_agent(ended: Joined<DevError>) -> Result<(), DevError> {
    ended.unwrap_or_else(|why| Err(DevError::Ended(format!("an agent ({why})"))))
}

async fn told(mut stop: watch::Receiver<bool>) {
    // Without its sender nobody can tell it any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn names(agents: u16) -> Vec<NodeName> {
    let name = |number| format!("node-{number}").parse().expect("it is a valid name");
    (1..=agents).map(name).collect()
}

/// What `jkeys init leader` does, in the folder of `layout`.
fn init_leader(layout: &Layout, windows: &Windows, clock: &Clock) -> Result<config::LeaderConfig, DevError> {
    layout.write_leader(free_port()?, windows)?;
    let config = config::file::leader(&layout.leader_config(), None)?;
    make_master_key(&config.master_key_file)?;
    let master = read_master_key(&config.master_key_file)?;
    let uid = rustix::process::geteuid().as_raw();
    let actor = Actor::User {
        uid,
        name: account_name(uid),
    };
    found(&config.state_dir, &master, &config.trust_domain, &actor, clock)?;
    Ok(config)
}

/// A port that is free right now. The configuration must name it, so that the leader has the same one when it is started again.
fn free_port() -> Result<SocketAddr, DevError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DevError::Port)?;
    listener.local_addr().map_err(DevError::Port)
}

async fn open_leader(
    mut config: config::LeaderConfig,
    layout: &Layout,
    windows: &Windows,
    clock: &Clock,
) -> Result<Leader, DevError> {
    for _ in 0..PORT_TRIES {
        match Leader::open(&config, clock.clone()).await {
            Err(LeaderError::Listen { .. }) => {
                layout.write_leader(free_port()?, windows)?;
                config = config::file::leader(&layout.leader_config(), None)?;
            }
            opened => return Ok(opened?),
        }
    }
    Ok(Leader::open(&config, clock.clone()).await?)
}

/// What `jkeys node token` and `jkeys enroll` do, for one node.
async fn join(admin: Channel, layout: &Layout, node: &NodeName, clock: &Clock) -> Result<(), DevError> {
    layout.write_agent(node)?;
    let call = TokenCall {
        node: node.clone(),
        ttl: TOKEN_TTL,
        only_new_name: false,
    };
    let token = admin_client(admin).create_token(CreateTokenRequest::from(call)).await?;
    enroll(&token.into_inner().token, &layout.node(node), node, clock).await
}

async fn enroll(token: &str, folder: &Path, node: &NodeName, clock: &Clock) -> Result<(), DevError> {
    let enrolled = agent::enroll(token, folder, clock).await;
    enrolled.map(|_| ()).map_err(|why| DevError::Enroll {
        node: node.clone(),
        why: Box::new(why),
    })
}

/// Raises the soft limit of open files to what so many agents need.
fn allow_open_files(agents: u16) -> Result<(), DevError> {
    let needed = u64::from(agents) * FILES_PER_AGENT + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    limit.current = Some(needed);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let refused = DevError::OpenFiles { agents, needed, allowed };
    if needed > allowed {
        return Err(refused);
    }
    setrlimit(Resource::Nofile, limit).map_err(|_| refused)
}
