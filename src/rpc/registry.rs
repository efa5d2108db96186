//! Every open connection of a server, so that one can be cut at once.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::authz::Caller;
use crate::types::{Digest, NodeName};

/// The node at the other end and its key, where there is one.
type Peer = Option<(NodeName, Digest)>;

/// The open connections of one or more servers. Clones show the same connections.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<Connections>>);

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    /// Dropping the sender cuts the connection.
    open: HashMap<u64, (Peer, oneshot::Sender<()>)>,
}

/// One connection of a [`Registry`], which has no other of this number, now or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId(u64);

impl Registry {
    /// The open connections of nodes of which `is_welcome`, asked for the node's name and the key of its certificate, says no.
    pub fn unwelcome(&self, is_welcome: impl Fn(&NodeName, Digest) -> bool) -> Vec<ConnectionId> {
        let connections = self.lock();
        let of_nodes = connections
            .open
            .iter()
            .filter_map(|(id, (peer, _))| Some((*id, peer.as_ref()?)));
        let unwelcome = of_nodes.filter(|(_, (node, key))| !is_welcome(node, *key));
        unwelcome.map(|(id, _)| ConnectionId(id)).collect()
    }

    /// Cuts these connections, and says how many of them were open still.
    ///
    /// The node sees a broken connection: whatever it still had to be told must have been sent before.
    pub fn cut(&self, these: &[ConnectionId]) -> usize {
        // Senders are dropped, and their connections woken, after the lock is free again.
        let mut connections = self.lock();
        let cut: Vec<_> = these.iter().filter_map(|id| connections.open.remove(&id.0)).collect();
        drop(connections);
        cut.len()
    }

    /// Cuts every connection, and says how many there were.
    pub fn cut_all(&self) -> usize {
        let cut = std::mem::take(&mut self.lock().open);
        cut.len()
    }

    /// How many connections are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether no connection is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn add(&self, caller: &Caller) -> Entry {
        let peer = match caller {
            Caller::Node { name, key, .. } => Some((name.clone(), *key)),
            Caller::Anonymous | Caller::Leader | Caller::Local { .. } => None,
        };
        let (sender, cut) = oneshot::channel();
        let mut connections = self.lock();
        let id = connections.next;
        connections.next += 1;
        connections.open.insert(id, (peer, sender));
        Entry {
            id,
            registry: self.clone(),
            cut: Some(cut),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place in the registry, which it leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    registry: Registry,
    /// `None` once the connection is cut.
    cut: Option<oneshot::Receiver<()>>,
}

impl Entry {
    /// Whether the connection was cut; else the task is woken when it is.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> bool {
        let is_cut = match &mut self.cut {
            None => true,
            Some(cut) => matches!(Future::poll(Pin::new(cut), cx), Poll::Ready(_)),
        };
        if is_cut {
            self.cut = None;
        }
        is_cut
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Time;

    fn node(name: &str, key: u8) -> Caller {
        Caller::Node {
            name: name.parse().unwrap(),
            key: Digest([key; 32]),
            not_after: Time(0),
            is_over: false,
        }
    }

    fn is_cut(entry: &mut Entry) -> bool {
        entry.poll_cut(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn unwelcome_connections_are_cut_and_no_others() {
        let registry = Registry::default();
        let mut old = registry.add(&node("vm-1", 1));
        let mut new = registry.add(&node("vm-1", 2));
        let mut other = registry.add(&node("vm-2", 1));
        let mut anonymous = registry.add(&Caller::Anonymous);

        let unwelcome = registry.unwelcome(|name, key| name.as_str() != "vm-1" || key == Digest([2; 32]));
        assert_eq!(
            (unwelcome.len(), registry.cut(&unwelcome), registry.cut(&unwelcome)),
            (1, 1, 0)
        );
        assert_eq!(
            [&mut old, &mut new, &mut other, &mut anonymous].map(is_cut),
            [true, false, false, false]
        );
        assert!(is_cut(&mut old), "and it stays so");
        let of_nodes = registry.unwelcome(|_, _| false);
        assert_eq!(of_nodes.len(), 2, "who has no node's certificate is asked after by nobody");
        drop(new);
        assert_eq!(registry.cut(&of_nodes), 1);
        assert_eq!(registry.cut_all(), 1);
        assert!([&mut other, &mut anonymous].map(is_cut).iter().all(|cut| *cut));
    }

    #[test]
    fn a_connection_that_ends_leaves_the_registry() {
        let registry = Registry::default();
        let entry = registry.add(&Caller::Anonymous);
        assert_eq!(registry.len(), 1);
        drop(entry);
        assert!(registry.is_empty());
    }
}
