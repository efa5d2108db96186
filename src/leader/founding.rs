//! `jkeys init leader`: the only thing that makes a master key, a CA, a log key and a keystore.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::core::Commit;
use super::store::{Store, StoreError};
use crate::audit::{Record, SCHEMA, public_form};
use crate::clock::Clock;
use crate::crypto::seal::{MasterKey, MasterKeyError, SealError};
use crate::durable::{self, DurableError, FileAttrs};
use crate::keystore::{Keystore, KeystoreError, SecretName};
use crate::lifecycle::{Event, Fleet, State};
use crate::pki::{Ca, PkiError};
use crate::types::{Actor, Secret, Seq, Time, TrustDomain, WitnessKey};

/// The number of the first CA, and of the log's key.
pub(super) const FIRST: u32 = 1;

/// Why a fleet can't be founded, or its keys can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// A master key is there already.
    #[error(
        "{0} exists: a master key is never overwritten, because what it sealed would be lost. If it is this leader's, there is \
         nothing to do; else name another file with master_key_file"
    )]
    MasterKeyExists(String),
    /// The master key's file can't be read.
    #[error("the master key {path} can't be read: {why}; `jkeys init leader` makes one, and only its owner may read it")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        why: std::io::Error,
    },
    /// Others may read or change the master key's file.
    #[error(
        "the master key {path} has mode {mode:04o}: others may read or change it, so it may be known already. Look at who could read \
         it, then run `chmod 0600 {path}`"
    )]
    TooOpen {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The master key's file holds something else.
    #[error("the master key {path} is not one: {why}")]
    MasterKey {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: MasterKeyError,
    },
    /// The keystore was never founded.
    #[error("the keystore has no fleet in it: its making was interrupted; remove its folder and run `jkeys init leader` again")]
    NotFounded,
    /// The configuration names another trust domain.
    #[error(
        "the configuration says trust_domain = \"{configured}\", but this fleet was founded as \"{founded}\": certificates carry it, \
         so set it back"
    )]
    TrustDomain {
        /// What the configuration says.
        configured: TrustDomain,
        /// What the fleet was founded as.
        founded: TrustDomain,
    },
    /// The private half of the CA that signs is not there.
    #[error(
        "the private half of CA {0}, which signs the fleet's certificates, is not there: restore a newer snapshot or backup, or one from \
         before that CA with `jkeys restore --without-later`"
    )]
    LostCa(u32),
    /// A file can't be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CA.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// No random bytes.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The machine gives no random bytes.
    #[error("the log's key can't be made: the system gives no random bytes; try again")]
    LogKey,
    /// The stored key is damaged, or not that of the fleet.
    #[error("the private key in the keystore is not the one that this fleet's log was founded with; restore the newest snapshot")]
    OtherLogKey,
}

/// Makes the master key's file, with mode 0600. It is never overwritten.
///
/// # Errors
/// The file is there, or can't be written.
pub fn make_master_key(path: &Path) -> Result<(), FoundingError> {
    let key = MasterKey::generate()?;
    durable::create_file(path, key.to_file().expose(), &FileAttrs::mode(0o600)).map_err(|error| match error.cause.kind() {
        ErrorKind::AlreadyExists => FoundingError::MasterKeyExists(path.display().to_string()),
        _ => error.into(),
    })
}

/// The permission bits that no master key's file may have: written by its group, or anything for others. A group may read it, which
/// is how systemd hands out credentials.
const TOO_OPEN: u32 = 0o027;
/// Far more than a master key's file has, in bytes.
const MASTER_KEY_FILE_BYTES: u64 = 4096;

/// Reads the master key.
///
/// # Errors
/// The file can't be read, lies open to others, or holds something else.
pub fn read_master_key(path: &Path) -> Result<MasterKey, FoundingError> {
    let text = || path.display().to_string();
    let unreadable = |why| FoundingError::Unreadable { path: text(), why };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        return Err(FoundingError::TooOpen { path: text(), mode });
    }
    let mut content = Vec::with_capacity(usize::try_from(MASTER_KEY_FILE_BYTES).unwrap_or(0));
    file.take(MASTER_KEY_FILE_BYTES)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    MasterKey::from_file(&Secret::new(content)).map_err(|why| FoundingError::MasterKey { path: text(), why })
}

/// Makes a keystore in `dir`, with a CA and the audit log's first record in it.
///
/// # Errors
/// Something is in `dir`, or the storage fails.
pub fn found(
    dir: &Path,
    master: &MasterKey,
    trust_domain: &TrustDomain,
    actor: &Actor,
    clock: &Clock,
) -> Result<(), FoundingError> {
    let now = clock.now();
    let ca = Ca::new(trust_domain, now)?;
    let (log_private, log_public_key) = log_key()?;
    let fleet = Fleet {
        trust_domain: trust_domain.clone(),
        ca_certificate: ca.certificate.to_base64(),
        ca_number: FIRST,
        log_public_key,
    };
    let keystore = Keystore::create(dir, master)?;
    let (mut store, _) = Store::open(keystore.into())?;
    let secrets = vec![(SecretName::Ca(FIRST), ca.private), (SecretName::Log(FIRST), log_private)];
    store.commit_with(first_commit(fleet, actor, now), secrets)?;
    Ok(())
}

fn first_commit(fleet: Fleet, actor: &Actor, now: Time) -> Commit {
    let mut state = State::default();
    let event = Event::Founded { fleet };
    state.apply(std::slice::from_ref(&event), now);
    let (_, digest) = public_form(&state.key_set());
    let generation = state.head.generation;
    let record = Record {
        schema: SCHEMA,
        seq: Seq(0),
        time: now,
        clock: None,
        actor: actor.clone(),
        event,
        generation,
        digest,
    };
    Commit {
        state,
        records: vec![record],
        lists: vec![],
        keep: vec![],
        generation: None,
    }
}

fn log_key() -> Result<(Secret, WitnessKey), FoundingError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| FoundingError::LogKey)?;
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| FoundingError::LogKey)?;
    let mut public = [0; 32];
    public.copy_from_slice(pair.public_key().as_ref());
    Ok((Secret::new(document.as_ref().to_vec()), WitnessKey(public)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_master_key_that_others_may_read_or_its_group_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        make_master_key(&path).unwrap();
        for (mode, fits) in [(0o600, true), (0o440, true), (0o604, false), (0o620, false), (0o601, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read_master_key(&path);
            assert_eq!(read.is_ok(), fits, "{mode:o}: {read:?}");
            if let Err(refused) = read {
                assert!(refused.to_string().contains("chmod 0600"), "{refused}");
            }
        }
    }

    #[test]
    fn a_master_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        make_master_key(&path).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(make_master_key(&path), Err(FoundingError::MasterKeyExists(_))));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
