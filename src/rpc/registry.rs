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

impl Registry {
    /// Cuts every connection of that node whose certificate has none of the `spared` keys, and says how many there were.
    ///
    /// The node sees a broken connection: whatever it still had to be told must have been sent before.
    pub fn cut_node(&self, node: &NodeName, spared: &[Digest]) -> usize {
        self.cut(|peer| matches!(peer, Some((name, key)) if name == node && !spared.contains(key)))
    }

    /// Cuts every connection, and says how many there were.
    pub fn cut_all(&self) -> usize {
        self.cut(|_| true)
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

    fn cut(&self, which: impl Fn(&Peer) -> bool) -> usize {
        // Senders are dropped, and their connections woken, after the lock is free again.
        let cut: Vec<_> = self.lock().open.extract_if(|_, (peer, _)| which(peer)).collect();
        cut.len()
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
    fn one_nodes_connections_are_cut_and_no_others() {
        let registry = Registry::default();
        let mut old = registry.add(&node("vm-1", 1));
        let mut new = registry.add(&node("vm-1", 2));
        let mut other = registry.add(&node("vm-2", 1));
        let mut anonymous = registry.add(&Caller::Anonymous);

        assert_eq!(registry.cut_node(&"vm-1".parse().unwrap(), &[Digest([2; 32])]), 1);
        assert_eq!(
            [&mut old, &mut new, &mut other, &mut anonymous].map(is_cut),
            [true, false, false, false]
        );
        assert!(is_cut(&mut old), "and it stays so");
        assert_eq!(registry.cut_node(&"vm-1".parse().unwrap(), &[]), 1);
        assert_eq!(registry.cut_all(), 2);
        assert!([&mut new, &mut other, &mut anonymous].map(is_cut).iter().all(|cut| *cut));
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
