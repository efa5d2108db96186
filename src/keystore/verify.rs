//! The check of a database: everything that was committed is there, and nothing else.
//!
//! What decisions stand on is checked at every start: meta, states, secrets, observations, the tiles of the log's tree, and the records
//! that fill no tile yet. The rest grows with the history, and can be checked later ([`deferred`]).

use std::ops::ControlFlow;

use super::anchor::Anchor;
use super::backend::Tree;
use super::deferred::DEFERRED;
use super::error::KeystoreError;
use super::form::{FIRST_HEAD, TreeDigest, chained};
use super::log::{self, Log};
use super::meta::{META_KEY, Meta, OBSERVED_KEY, Observed};
use super::read::Reader;
use crate::audit::{self, TILE_WIDTH, leaf_hash};
use crate::types::{Digest, Seq};

/// The state of a store that was found whole.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) meta: Meta,
    /// The log's tree; that of no record before [`standing`].
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

/// Checks every entry of every tree.
pub(super) fn whole(reader: Reader<'_>, current: &mut Current) -> Result<(), KeystoreError> {
    standing(reader, current)?;
    for tree in DEFERRED {
        deferred(reader, &current.meta, tree, &|_| false, &|| true)?;
    }
    Ok(())
}

/// Checks what decisions stand on, and goes on with the log's tree. Its time hardly grows with the history.
pub(super) fn standing(reader: Reader<'_>, current: &mut Current) -> Result<(), KeystoreError> {
    for tree in Tree::ALL {
        let stored = match tree {
            Tree::Meta => continue,
            Tree::Observations => current.observed.digest,
            _ if DEFERRED.contains(&tree) => continue,
            _ => stored_digest(&current.meta, tree),
        };
        same(tree, digest(reader, tree, &|_| false, &|| true)?, stored)?;
    }
    let leaves = edge(reader, &current.meta)?;
    current.log = log::resume(reader, &current.meta, leaves)?;
    Ok(())
}

/// Checks one of the trees that only grow, as it stood at `meta`: `later` tells the keys that came since. False: `go_on` said no.
pub(super) fn deferred(
    reader: Reader<'_>,
    meta: &Meta,
    tree: Tree,
    later: &dyn Fn(&[u8]) -> bool,
    go_on: &dyn Fn() -> bool,
) -> Result<bool, KeystoreError> {
    let checked = if tree == Tree::Records {
        records(reader, meta, go_on)
    } else {
        digest(reader, tree, later, go_on).and_then(|found| same(tree, found, stored_digest(meta, tree)))
    };
    if go_on() { checked.map(|()| true) } else { Ok(false) }
}

fn stored_digest(meta: &Meta, tree: Tree) -> TreeDigest {
    meta.digests.get(&tree).copied().unwrap_or_default()
}

fn same(tree: Tree, found: TreeDigest, stored: TreeDigest) -> Result<(), KeystoreError> {
    if found == stored {
        return Ok(());
    }
    Err(KeystoreError::damaged(format!(
        "{} does not hold what was stored: entries were lost, changed or brought back",
        tree.name()
    )))
}

fn digest(
    reader: Reader<'_>,
    tree: Tree,
    later: &dyn Fn(&[u8]) -> bool,
    go_on: &dyn Fn() -> bool,
) -> Result<TreeDigest, KeystoreError> {
    let mut found = TreeDigest::default();
    reader.backend.scan(tree, b"", &mut |key, value| {
        if !later(key) {
            found.add(reader.forms, tree, key, value);
        }
        Ok(if go_on() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    Ok(found)
}

/// Goes along the chain from the first record on, computed anew, and holds it against the head that each record has, and meta.
fn records(reader: Reader<'_>, meta: &Meta, go_on: &dyn Fn() -> bool) -> Result<(), KeystoreError> {
    let (mut reached, mut head) = (Seq(0), FIRST_HEAD);
    while reached < meta.next_seq && go_on() {
        let until = Seq(meta.next_seq.0.min(reached.0 + TILE_WIDTH as u64));
        head = follow(reader, head, reached..until, &mut |_| ())?;
        reached = until;
    }
    ends_at(meta, meta.next_seq, head)
}

/// The records in no full tile: by the chain, which ends at meta's head only if it began at the right one. Their leaves.
fn edge(reader: Reader<'_>, meta: &Meta) -> Result<Vec<Digest>, KeystoreError> {
    let first = Seq(meta.next_seq.0 - meta.next_seq.0 % TILE_WIDTH as u64);
    let before = head_before(reader, first)?;
    let mut leaves = Vec::new();
    let head = follow(reader, before, first..meta.next_seq, &mut |bytes| {
        leaves.push(leaf_hash(bytes));
    })?;
    let behind = reader.records(meta.next_seq..Seq(u64::MAX))?;
    ends_at(meta, behind.last().map_or(meta.next_seq, |last| last.seq.next()), head)?;
    Ok(leaves)
}

/// The head of the chain after the records of a range, all of which must be there.
fn follow(
    reader: Reader<'_>,
    from: Digest,
    range: std::ops::Range<Seq>,
    see: &mut dyn FnMut(&[u8]),
) -> Result<Digest, KeystoreError> {
    let (mut reached, mut head, end) = (range.start, from, range.end);
    reader.walk_records(range, &mut |link| {
        head = chained(head, &link.bytes);
        if head != link.head {
            return Err(KeystoreError::damaged(format!("the chain of records breaks at {}", link.seq)));
        }
        reached = link.seq.next();
        see(&link.bytes);
        Ok(())
    })?;
    if reached < end {
        return Err(KeystoreError::damaged(format!("record {reached} is not there")));
    }
    Ok(head)
}

fn ends_at(meta: &Meta, end: Seq, head: Digest) -> Result<(), KeystoreError> {
    if (end, head) == (meta.next_seq, meta.head) {
        return Ok(());
    }
    Err(KeystoreError::damaged(format!(
        "its records end at {end} and not at {}, or are other ones",
        meta.next_seq
    )))
}

/// The head of the chain before record `end`, as the record before it has it.
fn head_before(reader: Reader<'_>, end: Seq) -> Result<Digest, KeystoreError> {
    let Some(last) = end.0.checked_sub(1) else {
        return Ok(FIRST_HEAD);
    };
    let mut head = Err(KeystoreError::damaged(format!("record {last} is not there")));
    reader.walk_records(Seq(last)..end, &mut |link| {
        head = Ok(link.head);
        Ok(())
    })?;
    head
}

/// Checks that the database goes on from what the anchor remembers.
pub(super) fn reaches(reader: Reader<'_>, current: &Current, anchor: &Anchor) -> Result<(), KeystoreError> {
    let Meta { version, next_seq, .. } = current.meta;
    if anchor.version > version || anchor.next_seq > next_seq || anchor.observed > current.observed.batch {
        return Err(KeystoreError::older(format!(
            "it stands at version {version}, {next_seq} records and {} batches of observations, and its anchor file remembers version {}, {} records and {} batches",
            current.observed.batch, anchor.version, anchor.next_seq, anchor.observed
        )));
    }
    // From another head the same records lead to another one.
    let mut head = anchor.head;
    Log::new(reader, current.log.clone()).walk(anchor.next_seq..next_seq, &mut |_, bytes| {
        head = chained(head, bytes);
        Ok(())
    })?;
    if head != current.meta.head {
        return Err(KeystoreError::older(format!(
            "its first {} records are not those that its anchor file remembers",
            anchor.next_seq
        )));
    }
    Ok(())
}
