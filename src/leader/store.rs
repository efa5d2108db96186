//! The leader's side of the keystore: stored forms, and carrying out a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::core::{Commit, LastUp};
use super::log::Log;
use crate::audit::canonical;
use crate::keystore::{self, Keystore, KeystoreError, NewRecord, SecretName};
use crate::lifecycle::{Event, KeySet, Sighting, Sightings, State};
use crate::rpc::fleet::{Bundle, Cosignature};
use crate::rpc::{BundleError, EncodedBundle};
use crate::types::{Enrolment, Kid, Secret, Seq, TreeHead, TrustDomain, Version};

/// The schema of the stored state and sightings that this build writes.
const SCHEMA: u32 = 1;
/// The keys of observations.
const UP: &[u8] = b"up";
/// Until when its time was right by then.
const RIGHT_UNTIL: &[u8] = b"right_until";
const NODE: &str = "node/";
const COSIGNATURE: &str = "cosignature/";

/// Why the leader can't go on with its store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The keystore says so.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// What it holds was written by a newer release, or by something else.
    #[error("the stored {what} can't be read: {why}; run the release of jkeys that wrote it, or restore a snapshot")]
    Form {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The fleet's CA can't be used.
    #[error("the fleet's CA can't be used: {0}")]
    Authority(String),
    /// A generation can't be sent.
    #[error("the generation can't be sent to the nodes: {0}")]
    Bundle(#[from] BundleError),
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    schema: u32,
    value: T,
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    canonical(&Stored { schema: SCHEMA, value })
}

pub(super) fn decode<T: for<'de> Deserialize<'de>>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let wrong = |why: String| StoreError::Form { what, why };
    let Schema { schema } = serde_json::from_slice(bytes).map_err(|why| wrong(why.to_string()))?;
    if schema > SCHEMA {
        return Err(wrong(format!("it has schema {schema}, and this release knows {SCHEMA}")));
    }
    let stored: Stored<T> = serde_json::from_slice(bytes).map_err(|why| wrong(why.to_string()))?;
    Ok(stored.value)
}

/// A generation as every node is sent it.
#[derive(Debug, Clone)]
pub struct Published {
    /// The generation, with the proof that it is in the log.
    pub bundle: EncodedBundle,
    /// The size of the log that the proof speaks of.
    pub log_size: u64,
}

/// The newest cosignature of a node, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredCosignature {
    head: TreeHead,
    /// Base64.
    bytes: String,
}

/// The newest cosignature of each enrolment.
///
/// # Errors
/// The storage failed, or holds a form of a newer release.
pub fn cosignatures(keystore: &Keystore) -> Result<Vec<(Enrolment, Cosignature)>, StoreError> {
    let mut found = Vec::new();
    for (key, value) in keystore.observations()? {
        if let Some(enrolment) = numbered(&key, COSIGNATURE) {
            let StoredCosignature { head, bytes } = decode("cosignature", &value)?;
            let bytes = STANDARD.decode(bytes).map_err(|why| StoreError::Form {
                what: "cosignature",
                why: why.to_string(),
            })?;
            found.push((enrolment, Cosignature { head, bytes }));
        }
    }
    Ok(found)
}

/// The state of a version; none where that is no longer kept.
///
/// # Errors
/// The storage failed, or holds a form of a newer release.
pub fn state_at(keystore: &Keystore, version: Version) -> Result<Option<State>, StoreError> {
    match keystore.state_at(version) {
        Ok(bytes) => decode("state", &bytes).map(Some),
        Err(KeystoreError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What was stored when the leader started.
#[derive(Debug)]
pub struct Restored {
    /// The decided state.
    pub state: State,
    /// What nodes had confirmed.
    pub seen: Sightings,
    /// The number of the next record.
    pub next_seq: Seq,
    /// The last time that a leader was known to be there.
    pub last_up: Option<LastUp>,
}

/// The store of a running leader. All calls block.
#[derive(Debug)]
pub struct Store {
    keystore: Arc<Keystore>,
    version: Version,
    committed: State,
    made: BTreeMap<Kid, Secret>,
    made_ca: Option<(u32, Secret)>,
}

impl Store {
    /// Goes on from what the keystore holds.
    ///
    /// # Errors
    /// The keystore is damaged or holds a form of a newer release.
    pub fn open(keystore: Arc<Keystore>) -> Result<(Self, Restored), StoreError> {
        let loaded = keystore.load()?;
        let state: State = if loaded.version == Version(0) {
            State::default()
        } else {
            decode("state", &loaded.state)?
        };
        let (mut seen, mut up_at, mut right_until) = (Sightings::new(), None, None);
        for (key, value) in keystore.observations()? {
            if key == UP {
                up_at = Some(decode("time", &value)?);
            } else if key == RIGHT_UNTIL {
                right_until = Some(decode("time", &value)?);
            } else if let Some(enrolment) = numbered(&key, NODE) {
                seen.insert(enrolment, decode::<Sighting>("sighting", &value)?);
            }
        }
        let restored = Restored {
            state: state.clone(),
            seen,
            next_seq: loaded.next_seq,
            // A release before this noted the first only.
            last_up: up_at.map(|at| LastUp {
                at,
                right_until: right_until.unwrap_or(at),
            }),
        };
        Ok((
            Self {
                keystore,
                version: loaded.version,
                committed: state,
                made: BTreeMap::new(),
                made_ca: None,
            },
            restored,
        ))
    }

    /// Holds a private half until the commit that stores it.
    pub fn hold(&mut self, kid: Kid, private: Secret) {
        self.made.insert(kid, private);
    }

    /// Holds the private half of a CA until the commit that stores it, or until another is made.
    pub fn hold_ca(&mut self, number: u32, private: Secret) {
        self.made_ca = Some((number, private));
    }

    /// The CAs as they are after the last commit.
    ///
    /// # Errors
    /// A private half can't be read, or isn't that of its certificate.
    pub(super) fn authority(&self, trust_domain: &TrustDomain) -> Result<Authority, StoreError> {
        let loaded = Authority::load(&self.keystore, &self.committed, trust_domain);
        loaded.map_err(|why| StoreError::Authority(why.to_string()))
    }

    /// Drops a private half that is not used.
    pub fn drop_made(&mut self, kid: &Kid) {
        self.made.remove(kid);
    }

    /// Makes one decision durable.
    ///
    /// # Errors
    /// The storage failed: nothing may be sent, and the leader must end.
    pub fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let made = commit.keep.iter().filter_map(|kid| self.made.remove_entry(kid));
        let mut secrets: Vec<_> = made.map(|(kid, private)| (SecretName::Key(kid), private)).collect();
        let is_kept = |number: u32| {
            let events = commit.records.iter().map(|record| &record.event);
            events
                .into_iter()
                .any(|event| matches!(event, Event::CaMade { facts, .. } if facts.number == number))
        };
        let ca = self.made_ca.take_if(|(number, _)| is_kept(*number));
        secrets.extend(ca.map(|(number, private)| (SecretName::Ca(number), private)));
        self.commit_with(commit, secrets)
    }

    /// Makes one decision durable, together with these secrets.
    ///
    /// # Errors
    /// The storage failed.
    pub fn commit_with(&mut self, commit: Commit, put_secrets: Vec<(SecretName, Secret)>) -> Result<(), StoreError> {
        let records = commit.records.iter().map(|record| NewRecord {
            bytes: record.to_bytes(),
            kids: record.event.kids().cloned().collect(),
        });
        let step = keystore::Commit {
            expected: self.version,
            now: commit.state.last_record_at,
            state: encode(&commit.state),
            records: records.collect(),
            evidence: commit.lists,
            put_secrets,
            snapshot: commit.generation,
        };
        self.version = self.keystore.commit(&step)?;
        self.committed = commit.state;
        Ok(())
    }

    /// Destroys private halves, in the kept snapshots too.
    ///
    /// # Errors
    /// The storage failed: nothing may be recorded as destroyed.
    pub fn destroy(&self, kids: Vec<Kid>) -> Result<(), StoreError> {
        let names: Vec<SecretName> = kids.into_iter().map(SecretName::Key).collect();
        Ok(self.keystore.destroy(&names)?)
    }

    /// The same for CAs.
    ///
    /// # Errors
    /// As [`Self::destroy`].
    pub fn destroy_cas(&self, numbers: Vec<u32>) -> Result<(), StoreError> {
        let names: Vec<SecretName> = numbers.into_iter().map(SecretName::Ca).collect();
        Ok(self.keystore.destroy(&names)?)
    }

    /// Makes observations durable; an empty place forgets an enrolment.
    ///
    /// # Errors
    /// The storage failed.
    pub fn observe(&self, rows: &[(Enrolment, Option<&Sighting>)]) -> Result<(), StoreError> {
        let row = |(enrolment, sighting): &(Enrolment, Option<&Sighting>)| (key_of(*enrolment), sighting.map(encode));
        let ended = rows.iter().filter(|(_, sighting)| sighting.is_none());
        let cosignatures = ended.map(|(enrolment, _)| (cosignature_key(*enrolment), None));
        let batch: Vec<_> = rows.iter().map(row).chain(cosignatures).collect();
        self.keystore.observe(&batch)?;
        Ok(())
    }

    /// Makes the newest cosignatures of nodes durable.
    ///
    /// # Errors
    /// The storage failed.
    pub fn keep_cosignatures(&self, rows: &[(Enrolment, Cosignature)]) -> Result<(), StoreError> {
        let row = |(enrolment, cosignature): &(Enrolment, Cosignature)| {
            let stored = StoredCosignature {
                head: cosignature.head,
                bytes: STANDARD.encode(&cosignature.bytes),
            };
            (cosignature_key(*enrolment), Some(encode(&stored)))
        };
        let batch: Vec<_> = rows.iter().map(row).collect();
        self.keystore.observe(&batch)?;
        Ok(())
    }

    /// Notes that the leader is there.
    ///
    /// # Errors
    /// The storage failed.
    pub fn mark_up(&self, up: LastUp) -> Result<(), StoreError> {
        let rows = [(UP, up.at), (RIGHT_UNTIL, up.right_until)];
        self.keystore
            .observe(&rows.map(|(key, time)| (key.to_vec(), Some(encode(&time)))))?;
        Ok(())
    }

    /// The last committed generation as nodes are sent it; none before the first.
    ///
    /// # Errors
    /// A private half can't be read, or the generation is too large to be sent.
    pub fn bundle(&self, log: &Log) -> Result<Option<Published>, StoreError> {
        let set = self.committed.key_set();
        if set.generation.0 == 0 {
            return Ok(None);
        }
        let privates = self.privates(&set)?;
        let Some((proof, log_size)) = log.prove_newest()? else {
            return Ok(None);
        };
        let bundle = EncodedBundle::new(&Bundle::new(set, privates)?, &proof, self.committed.revocations.keys())?;
        Ok(Some(Published { bundle, log_size }))
    }

    fn privates(&self, set: &KeySet) -> Result<BTreeMap<Kid, Secret>, StoreError> {
        let half = |kid: &Kid| Ok((kid.clone(), self.keystore.secret(&SecretName::Key(kid.clone()))?));
        set.carried().map(half).collect()
    }
}

fn key_of(enrolment: Enrolment) -> Vec<u8> {
    format!("{NODE}{enrolment}").into_bytes()
}

fn cosignature_key(enrolment: Enrolment) -> Vec<u8> {
    format!("{COSIGNATURE}{enrolment}").into_bytes()
}

fn numbered(key: &[u8], prefix: &str) -> Option<Enrolment> {
    let number = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
    number.parse().ok().map(Enrolment)
}
