//! The check of a whole database at start: everything that was committed is there, and nothing else.

use std::ops::ControlFlow;

use super::anchor::Anchor;
use super::backend::Tree;
use super::error::KeystoreError;
use super::form::{FIRST_HEAD, TreeDigest, chained};
use super::log;
use super::meta::{META_KEY, Meta, OBSERVED_KEY, Observed};
use super::read::Reader;
use crate::audit;
use crate::types::{Digest, Seq};

/// The state of a store that was found whole.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) meta: Meta,
    /// The log's tree; that of no record before [`whole`].
    pub(super) log: audit::Tree,
    /// As it is stored: the condition of the next commit.
    pub(super) meta_value: Vec<u8>,
    pub(super) observed: Observed,
    /// As it is stored, when there is one: the condition of the next batch.
    pub(super) observed_value: Option<Vec<u8>>,
}

/// Reads meta. `None`: nothing was ever stored.
pub(super) fn current(reader: Reader<'_>) -> Result<Option<Current>, KeystoreError> {
    let Some(meta_value) = reader.backend.get(Tree::Meta, META_KEY)? else {
        return Ok(None);
    };
    let meta = Meta::decode(reader.forms, &meta_value)?;
    let observed_value = reader.backend.get(Tree::Meta, OBSERVED_KEY)?;
    let observed = match &observed_value {
        Some(value) => Observed::decode(reader.forms, value)?,
        None => Observed::default(),
    };
    Ok(Some(Current {
        meta,
        log: audit::Tree::default(),
        meta_value,
        observed,
        observed_value,
    }))
}

/// Checks every entry of every tree against meta, and goes on with the log's tree.
pub(super) fn whole(reader: Reader<'_>, current: &mut Current) -> Result<(), KeystoreError> {
    for tree in Tree::ALL {
        let stored = match tree {
            Tree::Meta | Tree::Records => continue,
            Tree::Observations => current.observed.digest,
            _ => current.meta.digests.get(&tree).copied().unwrap_or_default(),
        };
        let mut found = TreeDigest::default();
        reader.backend.scan(tree, b"", &mut |key, value| {
            found.add(reader.forms, tree, key, value);
            Ok(ControlFlow::Continue(()))
        })?;
        if found != stored {
            return Err(KeystoreError::damaged(format!(
                "{} does not hold what was stored: entries were lost, changed or brought back",
                tree.name()
            )));
        }
    }
    let end = chain(reader)?;
    if end != (current.meta.next_seq, current.meta.head) {
        return Err(KeystoreError::damaged(format!(
            "its records end at {} and not at {}, or are other ones",
            end.0, current.meta.next_seq
        )));
    }
    current.log = log::resume(reader, &current.meta)?;
    Ok(())
}

/// Where the chain ends, and its head: computed anew from the first record on, and held against the head that each record has.
fn chain(reader: Reader<'_>) -> Result<(Seq, Digest), KeystoreError> {
    let mut reached = (Seq(0), FIRST_HEAD);
    reader.walk_records(Seq(0)..Seq(u64::MAX), &mut |link| {
        let head = chained(reached.1, &link.bytes);
        if head != link.head {
            return Err(KeystoreError::damaged(format!("the chain of records breaks at {}", link.seq)));
        }
        reached = (link.seq.next(), head);
        Ok(())
    })?;
    Ok(reached)
}

/// The head of the chain before record `end`, as the record before it has it. [`chain`] has checked each of them.
fn head_before(reader: Reader<'_>, end: Seq) -> Result<Digest, KeystoreError> {
    let mut head = FIRST_HEAD;
    if let Some(last) = end.0.checked_sub(1) {
        reader.walk_records(Seq(last)..end, &mut |link| {
            head = link.head;
            Ok(())
        })?;
    }
    Ok(head)
}

/// Checks that the database, which [`whole`] has found whole, goes on from what the anchor remembers.
pub(super) fn reaches(reader: Reader<'_>, current: &Current, anchor: &Anchor) -> Result<(), KeystoreError> {
    let Meta { version, next_seq, .. } = current.meta;
    if anchor.version > version || anchor.next_seq > next_seq || anchor.observed > current.observed.batch {
        return Err(KeystoreError::older(format!(
            "it stands at version {version}, {next_seq} records and {} batches of observations, and its anchor file remembers version {}, {} records and {} batches",
            current.observed.batch, anchor.version, anchor.next_seq, anchor.observed
        )));
    }
    if head_before(reader, anchor.next_seq)? != anchor.head {
        return Err(KeystoreError::older(format!(
            "its first {} records are not those that its anchor file remembers",
            anchor.next_seq
        )));
    }
    Ok(())
}
