//! A leader's whole life: open the store, start a term, serve, and stop cleanly.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::authority::Authority;
use super::certificate::Certificate;
use super::copies::Copies;
use super::cutting::Cutting;
use super::engine::Engine;
use super::founding::{FoundingError, read_master_key};
use super::log::Log;
use super::message::Message;
use super::proving::Proving;
use super::services::{AdminService, Context, EnrollmentService, FleetService, Terms};
use super::store::{Store, StoreError};
use crate::clock::Clock;
use crate::config::LeaderConfig;
use crate::keystore::{Keystore, KeystoreError};
use crate::lifecycle::{Command, Refusal};
use crate::rpc::{Registry, SocketError, bind_admin, serve_admin, serve_fleet};
use crate::types::{Actor, TrustDomain};

/// Why a leader ended.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// Its keys or what it was founded with.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The store.
    #[error("{0}; the leader stops, so that nothing is sent that is not durable")]
    Store(#[from] StoreError),
    /// The leader's own certificate.
    #[error("the leader's certificate can't be made: {0}")]
    Certificate(String),
    /// The admin socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The fleet's port.
    #[error("the leader can't listen on {address}: {why}; set another with listen, or stop what is there")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        why: std::io::Error,
    },
    /// A server.
    #[error("a server of the leader failed: {0}; restart the leader")]
    Serve(#[from] tonic::transport::Error),
    /// A task died.
    #[error("the leader's engine died: {0}; restart the leader and report this")]
    Died(#[from] tokio::task::JoinError),
}

/// A leader that is open for nodes and operators, and not yet serving.
pub struct Leader {
    engine: Engine,
    context: Context,
    copies: Copies,
    terms: Arc<watch::Sender<Terms>>,
    nodes: TcpListener,
    admin: UnixListener,
    trust_domain: TrustDomain,
}

/// Asks a running leader for things that no socket asks for.
#[derive(Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Message>,
    terms: Arc<watch::Sender<Terms>>,
}

impl Handle {
    /// Returns once the engine has looked at the clock as it is now, and all that followed is durable.
    ///
    /// # Errors
    /// The leader is stopping.
    pub async fn ping(&self) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let stopping = |()| "the leader is stopping".to_owned();
        self.inbox.send(Message::Ping { answer }).await.map_err(|_| stopping(()))?;
        answered.await.map_err(|_| stopping(()))
    }

    /// Uses a new configuration, as after SIGHUP, but for what [`LeaderConfig::needs_restart`] names. Profiles and windows hold for
    /// keys that are made from now on; what nodes are told, they are told at once.
    ///
    /// Says what the operator should know besides.
    ///
    /// # Errors
    /// The settings are refused, or the leader is stopping: nothing is changed.
    pub async fn configure(&self, next: &LeaderConfig) -> Result<Vec<String>, String> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Configure(next.settings.clone());
        let message = Message::Ask {
            actor: Actor::Schedule,
            request: "reload".to_owned(),
            command,
            answer,
        };
        let stopping = || "the leader is stopping".to_owned();
        self.inbox.send(message).await.map_err(|_| stopping())?;
        let decided = answered.await.map_err(|_| stopping())?;
        let (decision, _) = decided.map_err(|refusal: Refusal| refusal.to_string())?;
        let terms = Terms::from(next);
        self.terms
            .send_if_modified(|now| std::mem::replace(now, terms.clone()) != terms);
        Ok(decision.remarks)
    }
}

impl Leader {
    /// Opens the keystore, begins a new term and listens, on both sides.
    ///
    /// # Errors
    /// Anything that is missing, damaged or taken, in words.
    pub async fn open(config: &LeaderConfig, clock: Clock) -> Result<Self, LeaderError> {
        let master = read_master_key(&config.master_key_file)?;
        let keystore = Arc::new(Keystore::start(&config.state_dir, &master)?);
        let (store, restored) = Store::open(keystore.clone())?;
        let authority = Authority::load(&keystore, &restored.state, &config.trust_domain)?;
        let listening = |why| LeaderError::Listen {
            address: config.listen,
            why,
        };
        let nodes = TcpListener::bind(config.listen).await.map_err(listening)?;
        let admin = bind_admin(&config.admin_socket, config.admin_group.as_deref())?;
        let log = Arc::new(Log::load(keystore.clone(), &authority.fleet)?);
        let (certifies, authority) = watch::channel(Arc::new(authority));
        let (mut engine, shared) = Engine::new(store, &restored, log.clone(), certifies, clock);
        let clock = shared.clock.clone();
        engine.start(&restored, config.settings.clone()).await?;
        let (terms, told) = watch::channel(Terms::from(config));
        let (tell, hook_told) = watch::channel(None);
        let copies = Copies {
            state_dir: config.state_dir.clone(),
            terms: told.clone(),
            made: shared.bundle.clone(),
            clock: clock.clone(),
            told: tell,
        };
        let context = Context {
            copied: hook_told,
            terms: told,
            authority,
            clock: clock.clone(),
            keystore,
            log,
            shared,
        };
        Ok(Self {
            engine,
            context,
            copies,
            terms: Arc::new(terms),
            nodes,
            admin,
            trust_domain: config.trust_domain.clone(),
        })
    }

    /// Where nodes reach it, with the real port where the configuration asked for any.
    ///
    /// # Errors
    /// The system doesn't say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.nodes.local_addr()
    }

    /// A handle that outlives the move into [`Self::serve`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            inbox: self.context.shared.inbox.clone(),
            terms: self.terms.clone(),
        }
    }

    /// Serves until `stop`, or until the storage fails.
    ///
    /// # Errors
    /// The storage or a server failed.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), LeaderError> {
        let Self {
            engine,
            context,
            copies,
            // What is told stays as it is when nobody holds a handle.
            terms: _terms,
            nodes,
            admin,
            trust_domain,
        } = self;
        let (ended, on_end) = watch::channel(false);
        let stop = stop.shared();
        let stopped = move || {
            let (stop, mut on_end) = (stop.clone(), on_end.clone());
            async move {
                tokio::select! {
                    () = stop => {}
                    _ = on_end.wait_for(|ended| *ended) => {}
                }
            }
        };
        let over = ended.clone();
        let proving = Proving::begin(context.keystore.clone(), move || {
            over.send_replace(true);
        });
        let engine: JoinHandle<Result<(), StoreError>> = tokio::spawn(async move {
            let done = engine.run().await;
            ended.send_replace(true);
            done
        });
        let tls = match Certificate::issue(context.clone()).await {
            Ok(tls) => tls,
            Err(why) => {
                let _ = context.shared.inbox.send(Message::Stop).await;
                // What the engine ended with, if it has, is why.
                let (proved, engine) = (proving.end().await, engine.await?);
                engine?;
                proved??;
                return Err(LeaderError::Certificate(why));
            }
        };
        let (over, streams) = (stopped(), context.shared.streams.clone());
        tokio::spawn(async move {
            over.await;
            streams.end_all();
        });
        let services = (EnrollmentService::new(context.clone()), FleetService::new(context.clone()));
        let (current, inbox) = (tls.current(), context.shared.inbox.clone());
        let renewing = tokio::spawn(tls.renew());
        let copying = tokio::spawn(copies.run());
        let connections = Registry::default();
        let cutting = Cutting {
            shared: context.shared.clone(),
            connections: connections.clone(),
        };
        let cutting = tokio::spawn(cutting.run());
        let fleet = serve_fleet(nodes, current, trust_domain, connections, services, stopped());
        let admin = serve_admin(admin, AdminService(context), stopped());
        let (fleet, admin) = tokio::join!(fleet, admin);
        renewing.abort();
        copying.abort();
        cutting.abort();
        let proved = proving.end().await;
        // The engine may have ended by itself.
        let _ = inbox.send(Message::Stop).await;
        let (proved, engine) = (proved?, engine.await?);
        // Whoever met a failure first tells more of it than who finds that there was one.
        if matches!(proved, Err(KeystoreError::Failed { .. })) {
            engine?;
            proved?;
        } else {
            proved?;
            engine?;
        }
        fleet?;
        admin?;
        Ok(())
    }
}
