//! A new master key: a keystore is written again, whole, under another one, into a folder of its own.
//!
//! The old folder is only read, and the new one opens only once all of it is there, with the record that says so: a crash at any step
//! leaves the old keystore as it was, and the step can be begun again. Private halves stay sealed under their own data keys; those are wrapped anew, in the kept
//! snapshots too. Data keys that were destroyed are in neither.

use std::ops::ControlFlow;
use std::path::Path;

use super::backend::{Applied, Backend, Expected, Tree, Write};
use super::beside::{Beside, prepare, snapshot_files, snapshots_dir};
use super::commit::Commit;
use super::error::KeystoreError;
use super::form::{Forms, TreeDigest, secret_binding};
use super::lock::Lock;
use super::meta::{META_KEY, Meta, OBSERVED_KEY, Observed};
use super::open::{database_dir, new_folder};
use super::read::{Reader, secret_name};
use super::sled_store::SledStore;
use super::verify::Current;
use super::{Inner, Keystore, plan, snapshot, unfinished, verify};
use crate::crypto::seal::MasterKey;
use crate::durable;
use crate::types::Version;

/// How many entries are written in one step.
const BATCH: usize = 256;

/// What was written under the new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rekeyed {
    /// The version of the keystore: one more than before.
    pub version: Version,
    /// How many data keys were wrapped anew in it.
    pub data_keys: usize,
    /// How many snapshots were written again.
    pub snapshots: usize,
}

impl Keystore {
    /// Writes everything that it holds into `dir`, which must be absent or empty, under another master key, and opens that to check it.
    /// The new keystore has one step more, `commit`, which says so: with it comes all else, or nothing.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`], [`KeystoreError::NoSpace`], [`KeystoreError::Unfinished`], [`KeystoreError::Conflict`]: `dir` then
    /// holds nothing that opens.
    pub fn rekey(&self, own_dir: &Path, dir: &Path, master: &MasterKey, commit: &Commit) -> Result<Rekeyed, KeystoreError> {
        self.rekey_on(own_dir, dir, master, commit, |sled| Box::new(sled))
    }

    pub(super) fn rekey_on(
        &self,
        own_dir: &Path,
        dir: &Path,
        master: &MasterKey,
        commit: &Commit,
        on: impl FnOnce(SledStore) -> Box<dyn Backend>,
    ) -> Result<Rekeyed, KeystoreError> {
        let forms = Forms::new(master);
        if forms.master_id == self.forms.master_id {
            return Err(KeystoreError::Refused("the new master key is the one that it has".to_owned()));
        }
        commit.check()?;
        // A copy would hide what is damaged: its digests are its own.
        self.prove(&|| true)?;
        let rekeyed = self.alone(|inner| {
            if inner.current.meta.version != commit.expected {
                let (expected, found) = (commit.expected, inner.current.meta.version);
                return Err(KeystoreError::Conflict { expected, found });
            }
            new_folder(dir)?;
            let _lock = Lock::take(dir)?;
            unfinished::begin(dir, own_dir)?;
            let written = self.write_again(inner, own_dir, dir, &forms, commit, on);
            let ended = written.and_then(|rekeyed| unfinished::end(dir).map(|()| rekeyed));
            ended.map_err(|error| unfinished::because(dir, own_dir, error))
        })?;
        Self::open(dir, master)?;
        Ok(rekeyed)
    }

    /// Into a folder that is marked as not finished.
    fn write_again(
        &self,
        inner: &Inner,
        own_dir: &Path,
        dir: &Path,
        forms: &Forms,
        commit: &Commit,
        on: impl FnOnce(SledStore) -> Box<dyn Backend>,
    ) -> Result<Rekeyed, KeystoreError> {
        let backend = on(SledStore::open(&database_dir(dir))?);
        durable::sync_folder(dir)?;
        prepare(dir)?;
        let copy = Copy {
            from: self.reader(),
            to: &*backend,
            forms,
        };
        let snapshots = copy.snapshots(own_dir, dir)?;
        let data_keys = copy.database(inner, commit)?;
        let reader = Reader {
            backend: &*backend,
            forms,
        };
        let mut current = verify::current(reader)?.ok_or_else(|| KeystoreError::damaged("what was just written is not there"))?;
        verify::whole(reader, &mut current)?;
        Beside::catch_up(dir, reader, &current)?;
        Ok(Rekeyed {
            version: current.meta.version,
            data_keys,
            snapshots,
        })
    }
}

/// From one keystore to another.
struct Copy<'a> {
    from: Reader<'a>,
    to: &'a dyn Backend,
    forms: &'a Forms,
}

impl Copy<'_> {
    /// Meta comes last, together with the step that says what was done: without it there is no keystore.
    fn database(&self, inner: &Inner, commit: &Commit) -> Result<usize, KeystoreError> {
        let mut current = Current {
            meta: Meta {
                digests: std::collections::BTreeMap::new(),
                ..inner.current.meta.clone()
            },
            log: inner.current.log.clone(),
            meta_value: Vec::new(),
            observed: Observed {
                batch: inner.current.observed.batch,
                ..Observed::default()
            },
            observed_value: None,
        };
        let mut data_keys = 0;
        for tree in Tree::ALL.into_iter().filter(|tree| *tree != Tree::Meta) {
            let (digest, entries) = self.tree(tree)?;
            match tree {
                Tree::Observations => current.observed.digest = digest,
                _ if Meta::covers(tree) && entries > 0 => drop(current.meta.digests.insert(tree, digest)),
                _ => {}
            }
            if tree == Tree::DataKeys {
                data_keys = entries;
            }
        }
        let mut writes = plan::plan(self.to, self.forms, &current, commit)?.writes;
        writes.extend(inner.current.observed_value.as_ref().map(|_| Write {
            tree: Tree::Meta,
            key: OBSERVED_KEY.to_vec(),
            value: Some(current.observed.encode(self.forms)),
        }));
        self.write(&writes)?;
        Ok(data_keys)
    }

    /// One tree, entry by entry; its digest, and how many entries it has.
    fn tree(&self, tree: Tree) -> Result<(TreeDigest, usize), KeystoreError> {
        let (mut digest, mut count, mut batch) = (TreeDigest::default(), 0, Vec::new());
        self.from.backend.scan(tree, b"", &mut |key, value| {
            let value = self.entry(tree, key, value)?;
            digest.add(self.forms, tree, key, &value);
            count += 1;
            batch.push(Write {
                tree,
                key: key.to_vec(),
                value: Some(value),
            });
            if batch.len() == BATCH {
                self.write(&std::mem::take(&mut batch))?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.write(&batch)?;
        Ok((digest, count))
    }

    fn entry(&self, tree: Tree, key: &[u8], value: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let old = self.from.forms;
        match tree {
            // Sealed under its data key, which the master key does not touch.
            Tree::Secrets => Ok(value.to_vec()),
            Tree::DataKeys => {
                let binding = secret_binding(tree, &secret_name(key)?);
                let data_key = old.wrapping.unwrap(value, &binding)?;
                Ok(self.forms.wrapping.wrap(&data_key, &binding)?)
            }
            Tree::States => {
                let chunks = self.from.chunks_of_state(key)?;
                let plain = old.opened(tree, key, chunks, value)?;
                self.forms.sealed(tree, key, chunks, plain.expose())
            }
            _ => Ok(self.forms.authentic(tree, key, old.checked(tree, key, value)?)),
        }
    }

    fn write(&self, writes: &[Write]) -> Result<(), KeystoreError> {
        let expected = Expected {
            key: META_KEY,
            value: None,
        };
        if !writes.is_empty() && self.to.apply(expected, writes)? == Applied::Changed {
            return Err(KeystoreError::damaged("the new keystore changed while it was made"));
        }
        Ok(())
    }

    fn snapshots(&self, own_dir: &Path, dir: &Path) -> Result<usize, KeystoreError> {
        let kept = snapshot_files(own_dir)?;
        for path in &kept {
            let name = path.file_name().unwrap_or_default();
            snapshot::rewrite(path, self.from.forms, &snapshots_dir(dir).join(name), self.forms)?;
        }
        Ok(kept.len())
    }
}
