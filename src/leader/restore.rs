//! `jkeys restore`: a new keystore from a snapshot or a backup, and the records that came after it.
//!
//! Everything is checked before anything is written: the seal, the chain of the records, the story that they tell, and that the story
//! leads to the sealed state. What was destroyed or revoked since stays so, and the restored leader decides nothing (rule R5).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::authority::Authority;
use super::founding::{FIRST, FoundingError};
use super::log::key_pair;
use super::offline::records;
use super::store::{StoreError, decode, encode};
use crate::audit::{Broken, LogCheck, NoteKey, Record, origin};
use crate::clock::Clock;
use crate::crypto::seal::MasterKey;
use crate::keystore::{Commit, Keystore, KeystoreError, NewRecord, SecretName, Source};
use crate::lifecycle::{Event, Fleet, Key, PrivateHalf, Restoration, State, Unlawful};
use crate::types::{Actor, Kid, Secret, Seq, Time, TrustDomain, Version};

/// How many records are written in one go.
const BATCH: usize = 256;

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// A snapshot of a keystore's folder, or a backup.
    pub file: &'a Path,
    /// The folder of the segments, where it is not the one beside the snapshot.
    pub segments: Option<&'a Path>,
    /// Whether the records after the file are left out.
    pub without_later: bool,
    /// The folder to make: absent or empty.
    pub dir: &'a Path,
    /// What the configuration says the fleet is called.
    pub trust_domain: &'a TrustDomain,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the leader was restored from.
    pub restoration: Restoration,
    /// The version that it stands at now.
    pub version: Version,
    /// Keys that go, because their private half is in no file.
    pub lost: Vec<Kid>,
    /// Keys that a record which was left out had revoked.
    pub revoked: Vec<Kid>,
    /// How many records behind the last vouched one were left out.
    pub left_out: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The files, or the new keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The stored state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The fleet's keys.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The records tell no lawful story.
    #[error("the records are not those of a leader: {0}. Use another snapshot, or a backup")]
    Log(#[from] Broken),
    /// The restored state can't be reached lawfully.
    #[error("the state can't be restored: {0}")]
    Unlawful(#[from] Unlawful),
    /// The records lead elsewhere.
    #[error(
        "the records up to {0} do not lead to the state that is sealed in the file: one of both is not of this leader; use another file"
    )]
    OtherState(Seq),
    /// Private halves that nodes use are not there.
    #[error(
        "the private halves of these keys, which nodes use, are in no file that was named: {}. Use the newest snapshot or backup that \
         there is; or restore this one --without-later, and let the nodes tell what was lost",
        names(.0)
    )]
    LostKeys(Vec<Kid>),
    /// Something is in the new folder that was not finished.
    #[error("{why}. {dir} was begun and holds no leader: remove it, then try again", dir = dir.display())]
    Begun {
        /// The folder.
        dir: PathBuf,
        /// What went wrong.
        why: Box<RestoreError>,
    },
}

fn names(kids: &[Kid]) -> String {
    kids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Makes a keystore in a new folder from what is at hand.
///
/// # Errors
/// Anything that is missing, damaged or of another fleet: nothing was written then, or the error says what was begun.
pub fn restore(request: &Request<'_>, master: &MasterKey, actor: &Actor, clock: &Clock) -> Result<Outcome, RestoreError> {
    let found = Found::read(request, master)?;
    let plan = found.plan(actor, clock.now())?;
    let keystore = Keystore::create(request.dir, master)?;
    let made = plan.carry_out(&found, &keystore);
    drop(keystore);
    // What was written is read back and checked as at every start.
    let opened = made.and_then(|()| Ok(Keystore::open(request.dir, master)?));
    opened.map_err(|why| RestoreError::Begun {
        dir: request.dir.to_owned(),
        why: Box::new(why),
    })?;
    Ok(plan.outcome)
}

/// What the files hold, checked.
struct Found {
    source: Source,
    /// The state at the last record that is brought.
    state: State,
    /// The number after that record.
    end: Seq,
    secrets: BTreeMap<SecretName, Secret>,
    behind: Behind,
}

impl Found {
    fn read(request: &Request<'_>, master: &MasterKey) -> Result<Self, RestoreError> {
        let mut source = Source::open(request.file, request.segments, master)?;
        let mut secrets: BTreeMap<_, _> = std::mem::take(&mut source.snapshot.secrets).into_iter().collect();
        let sealed: State = decode("state", &source.snapshot.state)?;
        let fleet = sealed.fleet.clone().ok_or(FoundingError::NotFounded)?;
        check_fleet(&fleet, &secrets, request.trust_domain)?;
        let end = if request.without_later {
            source.snapshot.header.next_seq
        } else {
            source.end()
        };
        let state = replay(&source, end, &fleet, &sealed)?;
        check_ca(&state, &secrets, request.trust_domain)?;
        let behind = Behind::read(&source, end)?;
        for kid in &behind.destroyed {
            secrets.remove(&SecretName::Key(kid.clone()));
        }
        Ok(Self {
            source,
            state,
            end,
            secrets,
            behind,
        })
    }

    /// Decides what the new keystore's last record says.
    fn plan(&self, actor: &Actor, now: Time) -> Result<Plan, RestoreError> {
        let header = &self.source.snapshot.header;
        let mut events = self.revoked_later();
        let revoked: Vec<Kid> = events.iter().filter_map(|event| event.kid().cloned()).collect();
        let (lost, used): (Vec<_>, Vec<_>) = self
            .state
            .keys
            .values()
            .filter(|key| key.has_private_half() && !self.holds(key.kid()) && !revoked.contains(key.kid()))
            .partition(|key| key.is_unused());
        if !used.is_empty() {
            return Err(RestoreError::LostKeys(used.iter().map(|key| key.kid().clone()).collect()));
        }
        let lost: Vec<Kid> = lost.iter().map(|key| key.kid().clone()).collect();
        let restoration = Restoration {
            version: header.version,
            taken_at: header.taken_at,
            records: header.next_seq.0,
            later: self.end.0 - header.next_seq.0,
        };
        events.push(Event::Restored {
            restoration: restoration.clone(),
            lost: lost.clone(),
        });
        let mut state = self.state.clone();
        let at = state.time(now);
        state.replay(&events, at)?;
        Ok(Plan {
            records: records(&events, &state, self.end, actor, at, now),
            outcome: Outcome {
                restoration,
                version: self.source.newest_version().next(),
                lost,
                revoked,
                left_out: self.behind.records,
            },
            state,
        })
    }

    fn holds(&self, kid: &Kid) -> bool {
        self.secrets.contains_key(&SecretName::Key(kid.clone()))
    }

    /// Revocations among the records that are left out, of keys that would come back. A private half that was to be kept, and is
    /// not there, is destroyed.
    fn revoked_later(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self.behind.revoked.clone();
        events.retain(|event| event.kid().is_some_and(|kid| self.state.keys.contains_key(kid)));
        for event in &mut events {
            if let Event::Revoked { kid, private_half, .. } = event
                && !self.holds(kid)
            {
                *private_half = PrivateHalf::Destroyed;
            }
        }
        events
    }
}

/// The fleet is the configured one, and the key of its log is at hand.
fn check_fleet(fleet: &Fleet, secrets: &BTreeMap<SecretName, Secret>, configured: &TrustDomain) -> Result<(), RestoreError> {
    if fleet.trust_domain != *configured {
        return Err(FoundingError::TrustDomain {
            configured: configured.clone(),
            founded: fleet.trust_domain.clone(),
        }
        .into());
    }
    let secret = |name: SecretName| {
        let missing = KeystoreError::Missing(format!("secret {name} in that file; use another"));
        secrets.get(&name).ok_or(missing)
    };
    key_pair(secret(SecretName::Log(FIRST))?, fleet)?;
    Ok(())
}

/// The private half of the CA that signs is at hand.
fn check_ca(state: &State, secrets: &BTreeMap<SecretName, Secret>, configured: &TrustDomain) -> Result<(), RestoreError> {
    let copy = |secret: &Secret| Secret::new(secret.expose().to_vec());
    let secret = |number: u32| Ok(secrets.get(&SecretName::Ca(number)).map(copy));
    Authority::of(state, configured, secret)?;
    Ok(())
}

/// The state after the records before `end`, which come by the sealed one on the way.
fn replay(source: &Source, end: Seq, fleet: &Fleet, sealed: &State) -> Result<State, RestoreError> {
    let key = NoteKey::of_log(&origin(&fleet.trust_domain), fleet.log_public_key);
    let mut log = LogCheck::new(key);
    let of_file = source.snapshot.header.next_seq;
    source.records(end, &mut |seq, record| {
        log.take(record)?;
        if seq.next() == of_file && log.state()? != sealed {
            return Err(RestoreError::OtherState(of_file));
        }
        Ok(())
    })?;
    Ok(log.state()?.clone())
}

/// What the records behind the last one that is brought say of keys. Nothing vouches for them, and it takes nothing to believe that a
/// key must not come back.
#[derive(Default)]
struct Behind {
    records: u64,
    revoked: Vec<Event>,
    destroyed: Vec<Kid>,
}

impl Behind {
    fn read(source: &Source, end: Seq) -> Result<Self, KeystoreError> {
        let mut behind = Self::default();
        source.unchecked(end, &mut |_, bytes| {
            behind.records += 1;
            match Record::from_bytes(bytes).map(|record| record.event) {
                Ok(event @ Event::Revoked { .. }) => behind.revoked.push(event),
                Ok(Event::Destroyed { kid }) => behind.destroyed.push(kid),
                _ => {}
            }
            Ok::<(), KeystoreError>(())
        })?;
        Ok(behind)
    }
}

/// What is written.
struct Plan {
    state: State,
    records: Vec<Record>,
    outcome: Outcome,
}

impl Plan {
    fn carry_out(&self, found: &Found, keystore: &Keystore) -> Result<(), RestoreError> {
        let mut batch: Vec<NewRecord> = Vec::new();
        found.source.records(found.end, &mut |_, bytes| {
            batch.push(stored(bytes)?);
            if batch.len() == BATCH {
                keystore.bring_records(&std::mem::take(&mut batch))?;
            }
            Ok::<(), RestoreError>(())
        })?;
        keystore.bring_records(&batch)?;
        let own: Result<_, RestoreError> = self.records.iter().map(|record| stored(&record.to_bytes())).collect();
        let secrets = found.secrets.iter().filter(|(name, _)| self.keeps(name));
        let commit = Commit {
            records: own?,
            put_secrets: secrets
                .map(|(name, secret)| (name.clone(), Secret::new(secret.expose().to_vec())))
                .collect(),
            snapshot: Some(self.state.head.generation).filter(|generation| generation.0 > 0),
            ..Commit::of_state(Version(0), self.state.last_record_at, encode(&self.state))
        };
        Ok(keystore.bring_state(self.outcome.version, &commit)?)
    }

    /// A private half that has been destroyed since, or whose key is gone, does not come back.
    fn keeps(&self, name: &SecretName) -> bool {
        match name {
            SecretName::Key(kid) => self.state.keys.get(kid).is_some_and(Key::has_private_half),
            SecretName::Ca(number) => !self.state.has_dropped(*number),
            SecretName::Log(_) => true,
        }
    }
}

/// A record, with the keys that it speaks of.
fn stored(bytes: &[u8]) -> Result<NewRecord, RestoreError> {
    let event = Record::from_bytes(bytes).map_err(|why| Broken::Record(Seq(0), why))?.event;
    Ok(NewRecord {
        bytes: bytes.to_vec(),
        kids: event.kids().cloned().collect(),
    })
}
