//! `jkeys keystore rekey`: the keystore again, in a new folder, under a new master key.

use std::path::Path;

use super::founding::{FoundingError, make_master_key, read_master_key};
use super::offline::records;
use super::store::{decode, encode};
use crate::clock::Clock;
use crate::crypto::seal::MasterKey;
pub use crate::keystore::Rekeyed;
use crate::keystore::{Commit, Keystore, NewRecord};
use crate::lifecycle::{Event, State};
use crate::types::{Actor, MasterKeyName};

/// Writes the keystore in `own_dir` again into `dir`, under the master key in `new_key`. That file is made where there is none. That it
/// was done, and by whom, is the last record of the new keystore; the old one is only read.
///
/// # Errors
/// A leader runs, something is damaged, missing or in the way: the old keystore is as it was.
pub fn rekey(
    own_dir: &Path,
    master: &MasterKey,
    dir: &Path,
    new_key: &Path,
    actor: &Actor,
    clock: &Clock,
) -> Result<Rekeyed, FoundingError> {
    let keystore = Keystore::open(own_dir, master)?;
    if new_key.symlink_metadata().is_err() {
        make_master_key(new_key)?;
    }
    let new_master = read_master_key(new_key)?;
    let event = Event::Rekeyed {
        from: MasterKeyName::of(master.id()),
        to: MasterKeyName::of(new_master.id()),
    };
    let commit = recording(&keystore, event, actor, clock)?;
    Ok(keystore.rekey(own_dir, dir, &new_master, &commit)?)
}

/// The step that records `event` and changes nothing else.
fn recording(keystore: &Keystore, event: Event, actor: &Actor, clock: &Clock) -> Result<Commit, FoundingError> {
    let loaded = keystore.load()?;
    let mut state: State = decode("state", &loaded.state)?;
    if state.fleet.is_none() {
        return Err(FoundingError::NotFounded);
    }
    let (events, now) = ([event], clock.now());
    let at = state.time(now);
    state.apply(&events, at);
    let records = records(&events, &state, loaded.next_seq, actor, at, now);
    let records = records.iter().map(|record| NewRecord {
        bytes: record.to_bytes(),
        kids: Vec::new(),
    });
    Ok(Commit {
        records: records.collect(),
        ..Commit::of_state(loaded.version, at, encode(&state))
    })
}
