//! `jkeys init leader`: the only thing that makes a master key, a CA, a log key and a keystore.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
use crate::pki::{Ca, CaCertificate, CaSigner, PkiError};
use crate::types::{Actor, Secret, Seq, Time, TrustDomain, WitnessKey};

/// The number of the first CA, and of the log's key.
const FIRST: u32 = 1;

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
}

/// Makes the master key's file, with mode 0600. It is never overwritten.
///
/// # Errors
/// The file is there, or can't be written.
pub fn make_master_key(path: &Path) -> Result<(), FoundingError> {
    if path.symlink_metadata().is_ok() {
        return Err(FoundingError::MasterKeyExists(path.display().to_string()));
    }
    let key = MasterKey::generate()?;
    durable::write_file(path, key.to_file().expose(), &FileAttrs::mode(0o600))?;
    Ok(())
}

/// Reads the master key.
///
/// # Errors
/// The file can't be read, or holds something else.
pub fn read_master_key(path: &Path) -> Result<MasterKey, FoundingError> {
    let text = || path.display().to_string();
    let content = std::fs::read(path).map_err(|why| FoundingError::Unreadable { path: text(), why })?;
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
        ca_certificate: STANDARD.encode(ca.certificate.der()),
        ca_number: FIRST,
        log_public_key,
    };
    let keystore = Keystore::create(dir, master)?;
    let (mut store, _) = Store::open(keystore.into())?;
    let secrets = vec![(SecretName::Ca(FIRST), ca.private), (SecretName::Log(FIRST), log_private)];
    store.commit_with(first_commit(fleet, actor, now), secrets, now)?;
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
        destroy: vec![],
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

/// The fleet's authority: what signs certificates and what tokens carry.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) fleet: Fleet,
    pub(super) signer: CaSigner,
}

impl Authority {
    /// Reads the CA of a founded keystore.
    pub(super) fn load(keystore: &Keystore, state: &State, configured: &TrustDomain) -> Result<Self, FoundingError> {
        let fleet = state.fleet.clone().ok_or(FoundingError::NotFounded)?;
        if fleet.trust_domain != *configured {
            return Err(FoundingError::TrustDomain {
                configured: configured.clone(),
                founded: fleet.trust_domain,
            });
        }
        let der = STANDARD
            .decode(&fleet.ca_certificate)
            .map_err(|_| FoundingError::NotFounded)?;
        let certificate = CaCertificate::from_der(der.into())?;
        let private = keystore.secret(&SecretName::Ca(fleet.ca_number))?;
        Ok(Self {
            signer: CaSigner::load(certificate, &private)?,
            fleet,
        })
    }
}
