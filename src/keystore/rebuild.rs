//! Filling a new keystore with what another one held: its records first, then state, secrets and version in one step.
//!
//! Until that last step the keystore stands at version 0, and nothing opens it: a restore that was cut off leaves no half a leader.

use super::backend::Applied;
use super::commit::{Commit, NewRecord};
use super::error::KeystoreError;
use super::plan::{self, Planned};
use super::{Inner, Keystore};
use crate::types::Version;

impl Keystore {
    /// Appends records to a keystore that was just made, durably.
    ///
    /// # Errors
    /// [`KeystoreError::Refused`] when it has a version already; `TooLarge` and `Refused` for bad records;
    /// [`KeystoreError::Storage`].
    pub fn bring_records(&self, records: &[NewRecord]) -> Result<(), KeystoreError> {
        records.iter().try_for_each(NewRecord::check)?;
        self.writing(|inner| {
            is_new(inner)?;
            let first = inner.current.meta.next_seq;
            let planned = plan::records(&*self.backend, &self.forms, &inner.current, records)?;
            self.bring(inner, planned)?;
            match &mut inner.beside {
                Some(beside) => beside.follow_records(first, records),
                None => Ok(()),
            }
        })
    }

    /// Makes such a keystore one that opens: with `commit` as version `version`.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn bring_state(&self, version: Version, commit: &Commit) -> Result<(), KeystoreError> {
        commit.check()?;
        self.writing(|inner| {
            is_new(inner)?;
            let first = inner.current.meta.next_seq;
            let planned = plan::plan_as(&*self.backend, &self.forms, &inner.current, commit, version)?;
            self.bring(inner, planned)?;
            match &mut inner.beside {
                Some(beside) => beside.follow(self.reader(), first, commit, &inner.current),
                None => Ok(()),
            }
        })
    }

    fn bring(&self, inner: &mut Inner, planned: Planned) -> Result<(), KeystoreError> {
        match self.replace_meta(inner, planned)? {
            Applied::Durable => Ok(()),
            Applied::Changed => Err(KeystoreError::damaged("the keystore changed while it was made")),
        }
    }
}

fn is_new(inner: &Inner) -> Result<(), KeystoreError> {
    let version = inner.current.meta.version;
    if version == Version(0) {
        return Ok(());
    }
    Err(KeystoreError::Refused(format!(
        "it stands at version {version}; only a new keystore is filled from another"
    )))
}
