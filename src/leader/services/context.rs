//! What all services share.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::config::{BackupHook, LeaderConfig};
use crate::keystore::Keystore;
use crate::leader::authority::Authority;
use crate::leader::engine::Shared;
use crate::leader::log::Log;
use crate::leader::message::{Decided, Message};
use crate::lifecycle::Command;
use crate::pki::{CertificateDer, Membership};
use crate::rpc::documents::BackupStatus;
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Actor, HostPort, Span};

/// What a service needs of the running leader. Cheap to clone.
#[derive(Clone)]
pub(in crate::leader) struct Context {
    pub(in crate::leader) shared: Shared,
    pub(in crate::leader) keystore: Arc<Keystore>,
    pub(in crate::leader) log: Arc<Log>,
    pub(in crate::leader) authority: watch::Receiver<Arc<Authority>>,
    pub(in crate::leader) terms: watch::Receiver<Terms>,
    pub(in crate::leader) clock: Clock,
    /// How the backup hook went.
    pub(in crate::leader) copied: watch::Receiver<Option<BackupStatus>>,
}

/// What the leader tells nodes of itself, as the configuration now says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::leader) struct Terms {
    /// The addresses that join tokens carry.
    pub(in crate::leader) advertise: Vec<HostPort>,
    /// The longest time between two reports of an agent that has nothing new to say.
    pub(in crate::leader) report_every: Span,
    /// What takes each snapshot away from this machine.
    pub(in crate::leader) backup: Option<BackupHook>,
}

impl From<&LeaderConfig> for Terms {
    fn from(config: &LeaderConfig) -> Self {
        Self {
            advertise: config.advertise.clone(),
            report_every: config.report_every,
            backup: config.backup.clone(),
        }
    }
}

impl Context {
    /// Asks the engine. The answer comes once the decision, or the refusal, is durable.
    pub(in crate::leader) async fn ask(&self, actor: Actor, request: String, command: Command) -> Result<Decided, Failure> {
        let (answer, answered) = oneshot::channel();
        let message = Message::Ask {
            actor,
            request,
            command,
            answer,
        };
        self.shared.inbox.send(message).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    /// Tells the engine something that has no answer.
    pub(super) async fn tell(&self, message: Message) -> Result<(), Failure> {
        self.shared.inbox.send(message).await.map_err(|_| stopping())
    }

    /// Has the refusal of an authenticated caller recorded (rule R7), and gives it back.
    pub(super) async fn refuse(&self, actor: Actor, request: String, failure: Failure) -> Failure {
        let refusal = failure.message.clone();
        let message = Message::Refused { actor, request, refusal };
        // A leader that is stopping refuses all the same.
        let _ = self.shared.inbox.send(message).await;
        failure
    }

    /// The CAs as they are now.
    pub(in crate::leader) fn authority(&self) -> Arc<Authority> {
        self.authority.borrow().clone()
    }

    /// A node's papers around its certificate.
    pub(super) fn membership(&self, chain: Vec<CertificateDer<'static>>) -> Membership {
        let authority = self.authority();
        let fleet = &authority.fleet;
        Membership {
            chain,
            roots: authority.roots.clone(),
            trust_domain: fleet.trust_domain.clone(),
            log_public_key: fleet.log_public_key.0,
        }
    }

    /// Reads the keystore where blocking is allowed.
    pub(super) async fn read<T, E, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: std::fmt::Display + Send + 'static,
        F: FnOnce(&Keystore) -> Result<T, E> + Send + 'static,
    {
        let keystore = self.keystore.clone();
        let done = tokio::task::spawn_blocking(move || read(&keystore)).await;
        let done = done.map_err(|_| internal(&"the keystore could not be read; see the leader's log"))?;
        done.map_err(|why| internal(&why))
    }
}

pub(super) fn stopping() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the leader is stopping; try again when it is back")
}

pub(super) fn internal(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Internal, why.to_string())
}
