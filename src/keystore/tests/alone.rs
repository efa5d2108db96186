//! Reading while somebody else writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::support::{key, master, secret, step};
use crate::keystore::{Applied, Backend, Expected, Keystore, KeystoreError, Memory, Tree, Visit, Write};
use crate::types::{Digest, Version};

/// A database that sees whether whoever reads of a tree does so alone.
struct Watching {
    memory: Memory,
    store: OnceLock<Weak<Keystore>>,
    /// The trees that were read, and whether nobody could have written meanwhile.
    seen: Mutex<BTreeMap<Tree, bool>>,
}

impl Watching {
    fn see(&self, tree: Tree) {
        if let Some(store) = self.store.get().and_then(Weak::upgrade) {
            let is_alone = store.inner.try_lock().is_err();
            self.seen
                .lock()
                .unwrap()
                .entry(tree)
                .and_modify(|all| *all &= is_alone)
                .or_insert(is_alone);
        }
    }
}

/// The same for the keystore and the test.
struct Watched(Arc<Watching>);

impl Backend for Watched {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.0.see(tree);
        self.0.memory.get(tree, key)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        self.0.see(tree);
        self.0.memory.scan(tree, from, visit)
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        self.0.memory.apply(expected, writes)
    }
}

/// Of a state, a list or the secrets there are several entries, and half of a step would look like damage.
#[test]
fn what_a_step_writes_in_several_entries_is_read_alone() {
    let watching = Arc::new(Watching {
        memory: Memory::default(),
        store: OnceLock::new(),
        seen: Mutex::default(),
    });
    let store = Arc::new(Keystore::on(Box::new(Watched(watching.clone())), &master(1)).unwrap());
    let mut commit = step(1);
    commit.put_secrets = vec![(key("a"), secret("one"))];
    commit.evidence = vec![(Digest::of(b"list"), b"list".to_vec())];
    store.commit(&commit).unwrap();
    watching.store.set(Arc::downgrade(&store)).unwrap();
    store.state_at(Version(1)).unwrap();
    store.evidence(Digest::of(b"list")).unwrap();
    assert_eq!(store.secret_names().unwrap(), [key("a")]);
    let seen = watching.seen.lock().unwrap().clone();
    let alone = [Tree::States, Tree::Evidence, Tree::Secrets, Tree::DataKeys].map(|tree| (tree, true));
    assert_eq!(seen, alone.into());
}
