//! The check that a start leaves for later: of the trees that grow with the history.
//!
//! Nothing is given out of such a tree before it was checked whole, but for records, each of which is held against the log's tree when
//! it is read. So a leader can start at once, and damage is found at the latest by whoever asks for what is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::backend::{Tree, Write};
use super::error::KeystoreError;
use super::form::TreeDigest;
use super::meta::Meta;
use super::read::Reader;
use super::verify;

/// The trees that are added to and never changed, so that what stood in them at the start can be told from what came later.
pub(super) const DEFERRED: [Tree; 4] = [Tree::KidIndex, Tree::Versions, Tree::Evidence, Tree::Records];

/// How much there is to be checked in those trees, in entries of a record's size: a part of a list is as much as eight.
pub(super) fn entries(meta: &Meta) -> u64 {
    let of_tree = |tree: &Tree| match tree {
        Tree::Records => meta.next_seq.0,
        Tree::Evidence => 8 * stored(meta, *tree),
        _ => stored(meta, *tree),
    };
    DEFERRED.iter().map(of_tree).sum()
}

fn stored(meta: &Meta, tree: Tree) -> u64 {
    meta.digests.get(&tree).map_or(0, TreeDigest::entries)
}

/// What is still to be checked.
#[derive(Debug)]
pub(super) struct Deferred {
    /// As it was at the start.
    meta: Meta,
    checks: BTreeMap<Tree, Check>,
    /// What came since, of trees that were not checked yet.
    added: Mutex<BTreeSet<(Tree, Vec<u8>)>>,
}

#[derive(Debug, Default)]
struct Check {
    done: OnceLock<()>,
    /// Held by who checks, so that who needs the tree waits.
    running: Mutex<()>,
}

/// What is guarded is changed by calls that can't panic halfway.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deferred {
    /// All of a keystore that stands at `meta`.
    pub(super) fn all(meta: &Meta) -> Self {
        Self {
            meta: meta.clone(),
            checks: DEFERRED.map(|tree| (tree, Check::default())).into(),
            added: Mutex::default(),
        }
    }

    /// Nothing: all was checked.
    pub(super) fn nothing(meta: &Meta) -> Self {
        let none = Self::all(meta);
        for check in none.checks.values() {
            check.done.get_or_init(|| ());
        }
        none
    }

    /// Takes note of what is about to be written: of keys where nothing stood yet. If it is not written after all, nothing was hidden.
    pub(super) fn note(&self, writes: &[Write]) {
        for write in writes.iter().filter(|write| Meta::covers(write.tree)) {
            if self.checks.get(&write.tree).is_some_and(|check| check.done.get().is_none()) {
                held(&self.added).insert((write.tree, write.key.clone()));
            }
        }
    }

    /// Checks a tree as it stood at the start, unless that was done. False: `go_on` said no.
    pub(super) fn check(&self, reader: Reader<'_>, tree: Tree, go_on: &dyn Fn() -> bool) -> Result<bool, KeystoreError> {
        let Some(check) = self.checks.get(&tree) else {
            return Ok(true);
        };
        if check.done.get().is_some() {
            return Ok(true);
        }
        let _running = held(&check.running);
        let later = |key: &[u8]| held(&self.added).contains(&(tree, key.to_vec()));
        let checked = check.done.get().is_some() || verify::deferred(reader, &self.meta, tree, &later, go_on)?;
        if checked {
            check.done.get_or_init(|| ());
            held(&self.added).retain(|(of, _)| *of != tree);
        }
        Ok(checked)
    }
}
