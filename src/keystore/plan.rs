//! From a commit to the writes that carry it out. It reads the store and writes nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::backend::{Backend, Tree, Write};
use super::commit::{Commit, NewRecord, SecretName, VersionInfo};
use super::deferred::DEFERRED;
use super::error::KeystoreError;
use super::form::{
    Forms, chained, evidence_key, index_key, number_at_end, record_key, secret_binding, secret_key, state_key, version_key,
};
use super::log::stored_tile;
use super::meta::{META_KEY, Meta, OBSERVED_KEY, Observed};
use super::verify::Current;
use crate::audit::{self, leaf_hash};
use crate::crypto::seal::DataKey;
use crate::types::{Digest, Secret, Version};

/// How large a part of a state or of a list is. sled keeps up to 20 entries in one page, and writes a page above 128 KiB into a file
/// of its own, in no order with its log: a power cut between both leaves a log that does not open.
const CHUNK_BYTES: usize = 4 * 1024;

/// How many versions of the state are kept.
pub const KEPT_VERSIONS: u64 = 64;

/// The writes of one commit, and the meta that they lead to.
pub(super) struct Plan<'a> {
    backend: &'a dyn Backend,
    forms: &'a Forms,
    meta: Meta,
    log: audit::Tree,
    pending: BTreeMap<(Tree, Vec<u8>), Option<Vec<u8>>>,
}

/// What is to be written.
pub(super) struct Planned {
    pub(super) meta: Meta,
    /// The log's tree with the new records in it.
    pub(super) log: audit::Tree,
    /// The stored form of `meta`, which is among the writes.
    pub(super) meta_value: Vec<u8>,
    pub(super) writes: Vec<Write>,
}

/// Carries out `commit` on paper.
pub(super) fn plan(backend: &dyn Backend, forms: &Forms, current: &Current, commit: &Commit) -> Result<Planned, KeystoreError> {
    plan_as(backend, forms, current, commit, current.meta.version.next())
}

/// The same, as the version of that number: where some are left out, it is the first that is kept.
pub(super) fn plan_as(
    backend: &dyn Backend,
    forms: &Forms,
    current: &Current,
    commit: &Commit,
    version: Version,
) -> Result<Planned, KeystoreError> {
    let before = &current.meta;
    let mut plan = Plan::on(backend, forms, current);
    plan.meta.version = version;
    if version != before.version.next() {
        plan.let_states_go(before.version)?;
        plan.meta.oldest = version;
    }
    plan.meta.made = commit.snapshot.map(|generation| (generation, commit.now));
    for record in &commit.records {
        plan.append(record)?;
    }
    for (digest, list) in &commit.evidence {
        plan.keep_evidence(*digest, list)?;
    }
    for (name, secret) in &commit.put_secrets {
        plan.put_secret(name, secret)?;
    }
    plan.put_state(&commit.state)?;
    plan.note_version(before, commit)?;
    plan.prune()?;
    plan.finish()
}

/// Appends records and changes nothing else: the version stays, and no state goes with them.
pub(super) fn records(
    backend: &dyn Backend,
    forms: &Forms,
    current: &Current,
    records: &[NewRecord],
) -> Result<Planned, KeystoreError> {
    let mut plan = Plan::on(backend, forms, current);
    for record in records {
        plan.append(record)?;
    }
    plan.finish()
}

/// Takes secrets and their data keys out, as far as they are there. The version stays: what is gone is no decision.
pub(super) fn destruction(
    backend: &dyn Backend,
    forms: &Forms,
    current: &Current,
    names: &[SecretName],
) -> Result<Planned, KeystoreError> {
    let mut plan = Plan::on(backend, forms, current);
    for key in names.iter().map(secret_key) {
        plan.set(Tree::DataKeys, key.clone(), None)?;
        plan.set(Tree::Secrets, key, None)?;
    }
    plan.finish()
}

/// A fresh store, with an empty state of version 0.
pub(super) fn first(backend: &dyn Backend, forms: &Forms) -> Result<Planned, KeystoreError> {
    let mut plan = Plan {
        backend,
        forms,
        meta: Meta::new(),
        log: audit::Tree::default(),
        pending: BTreeMap::new(),
    };
    plan.put_state(b"")?;
    plan.finish()
}

impl<'a> Plan<'a> {
    fn on(backend: &'a dyn Backend, forms: &'a Forms, current: &Current) -> Self {
        Self {
            backend,
            forms,
            meta: current.meta.clone(),
            log: current.log.clone(),
            pending: BTreeMap::new(),
        }
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KeystoreError> {
        match self.pending.get(&(tree, key.to_vec())) {
            Some(pending) => Ok(pending.clone()),
            None => self.backend.get(tree, key),
        }
    }

    fn set(&mut self, tree: Tree, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), KeystoreError> {
        if Meta::covers(tree) {
            let before = self.get(tree, &key)?;
            // The check that is still to come leaves such keys out, so nothing may stand there yet.
            if before.is_some() && DEFERRED.contains(&tree) && !self.pending.contains_key(&(tree, key.clone())) {
                let what = format!("{} holds an entry before it was written", tree.name());
                return Err(KeystoreError::damaged(what));
            }
            let digest = self.meta.digests.entry(tree).or_default();
            if let Some(before) = before {
                digest.take_out(self.forms, tree, &key, &before);
            }
            if let Some(value) = &value {
                digest.add(self.forms, tree, &key, value);
            }
        }
        self.pending.insert((tree, key), value);
        Ok(())
    }

    fn append(&mut self, record: &NewRecord) -> Result<(), KeystoreError> {
        let seq = self.meta.next_seq;
        let key = record_key(seq);
        if self.get(Tree::Records, &key)?.is_some() {
            return Err(KeystoreError::damaged(format!("record {seq} is there before it was written")));
        }
        let head = chained(self.meta.head, &record.bytes);
        let value = self
            .forms
            .authentic(Tree::Records, &key, &[&head.0[..], &record.bytes].concat());
        self.set(Tree::Records, key, Some(value))?;
        let mut full = Vec::new();
        self.log.append(leaf_hash(&record.bytes), &mut full);
        for tile in &full {
            let (key, value) = stored_tile(self.forms, tile);
            self.set(Tree::Tiles, key, Some(value))?;
        }
        for kid in &record.kids {
            let key = index_key(kid, seq);
            let value = self.forms.authentic(Tree::KidIndex, &key, b"");
            self.set(Tree::KidIndex, key, Some(value))?;
        }
        self.meta.head = head;
        self.meta.next_seq = seq.next();
        Ok(())
    }

    /// A list that is there already is kept as it is: whether it is whole, the check of its tree tells.
    fn keep_evidence(&mut self, digest: Digest, list: &[u8]) -> Result<(), KeystoreError> {
        if self.get(Tree::Evidence, &evidence_key(digest, 0))?.is_some() {
            return Ok(());
        }
        for (number, chunk) in (0..).zip(chunks(list)) {
            let key = evidence_key(digest, number);
            let value = self.forms.authentic(Tree::Evidence, &key, chunk);
            self.set(Tree::Evidence, key, Some(value))?;
        }
        Ok(())
    }

    fn put_secret(&mut self, name: &SecretName, secret: &Secret) -> Result<(), KeystoreError> {
        let key = secret_key(name);
        if self.backend.get(Tree::DataKeys, &key)?.is_some() || self.pending.contains_key(&(Tree::DataKeys, key.clone())) {
            return Err(KeystoreError::Refused(format!("the secret {name} is there already")));
        }
        let data_key = DataKey::generate()?;
        let wrapped = self.forms.wrapping.wrap(&data_key, &secret_binding(Tree::DataKeys, name))?;
        let sealed = data_key.seal(secret.expose(), &secret_binding(Tree::Secrets, name))?;
        self.set(Tree::DataKeys, key.clone(), Some(wrapped))?;
        self.set(Tree::Secrets, key, Some(sealed))
    }

    fn note_version(&mut self, before: &Meta, commit: &Commit) -> Result<(), KeystoreError> {
        let info = VersionInfo {
            version: self.meta.version,
            at: commit.now,
            first: before.next_seq,
            next: self.meta.next_seq,
            generation: commit.snapshot,
        };
        let key = version_key(info.version);
        let json = serde_json::to_vec(&info).expect("numbers and times");
        let value = self.forms.authentic(Tree::Versions, &key, &json);
        self.set(Tree::Versions, key, Some(value))
    }

    fn put_state(&mut self, state: &[u8]) -> Result<(), KeystoreError> {
        let version = self.meta.version;
        let total = chunks(state).count() as u64;
        for (number, chunk) in (0..).zip(chunks(state)) {
            let key = state_key(version, number);
            let sealed = self.forms.sealed(Tree::States, &key, total, chunk)?;
            self.set(Tree::States, key, Some(sealed))?;
        }
        Ok(())
    }

    fn prune(&mut self) -> Result<(), KeystoreError> {
        let newest = self.meta.version.0;
        match newest.checked_sub(KEPT_VERSIONS) {
            Some(gone) => self.let_states_go(Version(gone)),
            None => Ok(()),
        }
    }

    /// Takes out the states of the versions up to and with `last`.
    fn let_states_go(&mut self, last: Version) -> Result<(), KeystoreError> {
        while self.meta.oldest <= last {
            for key in state_keys(self.backend, self.meta.oldest)? {
                self.set(Tree::States, key, None)?;
            }
            self.meta.oldest = self.meta.oldest.next();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Planned, KeystoreError> {
        let meta_value = self.meta.encode(self.forms)?;
        self.set(Tree::Meta, META_KEY.to_vec(), Some(meta_value.clone()))?;
        let writes = self
            .pending
            .into_iter()
            .map(|((tree, key), value)| Write { tree, key, value })
            .collect();
        Ok(Planned {
            meta: self.meta,
            log: self.log,
            meta_value,
            writes,
        })
    }
}

/// The value in parts that a backend takes; one empty part when it is empty.
fn chunks(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.chunks(CHUNK_BYTES).chain(value.is_empty().then_some(&b""[..]))
}

fn state_keys(backend: &dyn Backend, version: Version) -> Result<Vec<Vec<u8>>, KeystoreError> {
    let mut keys = Vec::new();
    backend.scan(Tree::States, &state_key(version, 0), &mut |key, _| {
        if !key.starts_with(&version.0.to_be_bytes()) {
            return Ok(ControlFlow::Break(()));
        }
        number_at_end(Tree::States, key)?;
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

/// Carries out a batch of observations on paper.
pub(super) fn observations(
    backend: &dyn Backend,
    forms: &Forms,
    before: Observed,
    batch: &[(Vec<u8>, Option<Vec<u8>>)],
) -> Result<(Observed, Vec<Write>), KeystoreError> {
    let tree = Tree::Observations;
    let mut observed = Observed {
        batch: before.batch + 1,
        ..before
    };
    // The last value of a key is the one that counts.
    let last: BTreeMap<_, _> = batch.iter().map(|(key, value)| (key, value)).collect();
    let mut writes = Vec::with_capacity(last.len() + 1);
    for (key, value) in last {
        if let Some(old) = backend.get(tree, key)? {
            observed.digest.take_out(forms, tree, key, &old);
        }
        let value = value.as_ref().map(|payload| forms.authentic(tree, key, payload));
        if let Some(new) = &value {
            observed.digest.add(forms, tree, key, new);
        }
        let key = key.clone();
        writes.push(Write { tree, key, value });
    }
    writes.push(Write {
        tree: Tree::Meta,
        key: OBSERVED_KEY.to_vec(),
        value: Some(observed.encode(forms)),
    });
    Ok((observed, writes))
}
