//! A database in memory, for tests of what stands on the keystore.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Applied, Backend, Expected, Tree, Visit, Write};
use super::error::KeystoreError;

type Entries = BTreeMap<(Tree, Vec<u8>), Vec<u8>>;

/// A database in memory. Clones share what they hold, so a keystore can be opened again on one.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Entries>>);

impl Memory {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Every change is one call that can't panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        Ok(self.entries().get(&(tree, key.to_vec())).cloned())
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), KeystoreError> {
        let found: Vec<_> = self
            .entries()
            .range((tree, from.to_vec())..)
            .take_while(|((of, _), _)| *of == tree)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in found {
            if visit(&key, &value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, expected: Expected<'_>, writes: &[Write]) -> Result<Applied, KeystoreError> {
        let mut entries = self.entries();
        let found = entries.get(&(Tree::Meta, expected.key.to_vec()));
        if found.map(Vec::as_slice) != expected.value {
            return Ok(Applied::Changed);
        }
        for write in writes {
            let place = (write.tree, write.key.clone());
            match &write.value {
                Some(value) => entries.insert(place, value.clone()),
                None => entries.remove(&place),
            };
        }
        Ok(Applied::Durable)
    }
}
