//! For tests: generations as a leader would send them, with real keys.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

pub(super) use super::shell::PROOFS;
use crate::audit::testing::{Log, record};
use crate::audit::{NoteKey, Record, public_form};
use crate::crypto::{CertificateLife, NewKey, make_key};
use crate::lifecycle::{KeySet, Member, Stage};
use crate::rpc::fleet::{Answer, Bundle, Consistency, Logged, Welcome};
use crate::types::{Curve, Epoch, Generation, KeySpec, Kid, KidFormat, Secret, Span, Time};

/// The instant at which the tests begin.
pub(super) const START: Time = Time(1_800_000_000_000);

/// Keys are made once for all tests.
static KEYS: LazyLock<Vec<NewKey>> = LazyLock::new(|| {
    let signing = (0..FIRST_ENC).map(|_| make(KeySpec::Ed25519));
    let encryption = (0..2).map(|_| make(KeySpec::EcdhEs(Curve::P256)));
    signing.chain(encryption).collect()
});

/// From this one on the test keys are for encryption: two of them.
pub(super) const FIRST_ENC: usize = 6;

fn make(spec: KeySpec) -> NewKey {
    let life = CertificateLife::new(START, Span::TEN_YEARS).unwrap();
    make_key(spec, KidFormat::Thumbprint, life).unwrap()
}

/// The kid of the n-th test key.
pub(super) fn kid(n: usize) -> Kid {
    KEYS[n].public.kid.clone()
}

/// The kids of these test keys.
pub(super) fn kids(these: &[usize]) -> BTreeSet<Kid> {
    these.iter().map(|n| kid(*n)).collect()
}

/// The private half of the n-th test key.
pub(super) fn private(n: usize) -> Secret {
    copy(&KEYS[n].private)
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose().to_vec())
}

/// The key set of generation `number` of epoch 1, with the n-th key in the given stage.
pub(super) fn key_set(number: u64, members: &[(usize, Stage)]) -> KeySet {
    KeySet {
        generation: Generation(number),
        epoch: Epoch(1),
        committed_at: START,
        clock_skew: Span::secs(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members: members
            .iter()
            .map(|(n, stage)| Member {
                profile: "main".parse().unwrap(),
                public: Arc::new(KEYS[*n].public.clone()),
                stage: *stage,
                inherited: false,
            })
            .collect(),
    }
}

/// A key set as the leader sends it.
pub(super) fn bundle_of(set: KeySet) -> Bundle {
    let (public_form, digest) = public_form(&set);
    let nodes = set.members.iter().filter(|member| member.carries_private());
    let privates = nodes.map(|member| {
        let key = KEYS.iter().find(|key| key.public.kid == member.public.kid).unwrap();
        (key.public.kid.clone(), copy(&key.private))
    });
    Bundle {
        digest,
        public_form,
        privates: privates.collect(),
        set,
    }
}

/// Generation `number` as the leader sends it.
pub(super) fn bundle(number: u64, members: &[(usize, Stage)]) -> Bundle {
    bundle_of(key_set(number, members))
}

/// The audit log of all tests.
static LOG: LazyLock<Mutex<Log>> = LazyLock::new(|| Mutex::new(Log::new(7)));

/// The key of that log.
pub(super) fn log_key() -> NoteKey {
    LOG.lock().unwrap().key()
}

/// A generation as the leader sends it, recorded just now, to a node that remembers a log of `from` records.
pub(super) fn logged(bundle: Bundle, from: u64) -> Logged {
    logged_in(&mut LOG.lock().unwrap(), bundle, from)
}

/// The same in a log of one's own.
pub(super) fn logged_in(log: &mut Log, bundle: Bundle, from: u64) -> Logged {
    let seq = log.records.len() as u64;
    let (generation, digest) = (bundle.set.generation, bundle.digest);
    let record = Record {
        generation,
        digest,
        ..record(seq, "")
    };
    log.push(record.to_bytes());
    let proof = log.prove(seq);
    let hashes = if from <= seq { log.consistency(from) } else { Vec::new() };
    Logged {
        bundle,
        proof,
        consistency: Consistency {
            from,
            hashes,
            adopted: None,
        },
        revoked: BTreeSet::new(),
    }
}

/// Armed for so long after [`START`].
pub(super) fn armed(after: Span) -> Stage {
    Stage::Armed {
        activate_at: START + after,
    }
}

pub(super) fn welcome(epoch: u64) -> Welcome {
    Welcome {
        protocol_version: 1,
        capabilities: Vec::new(),
        epoch: Epoch(epoch),
        report_every: Span::mins(1),
    }
}

pub(super) fn answer(sent: Time, leader: Time) -> Answer {
    Answer {
        report_sent_at: sent,
        leader_time: Some(leader),
        in_service: true,
    }
}
