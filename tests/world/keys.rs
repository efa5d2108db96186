//! Keys without key bytes: the private half of a key is its kid.

use std::collections::{BTreeMap, BTreeSet};

use jkeys::agent::core::Proofs;
use jkeys::audit::{NoteKey, RecordProof};
use jkeys::lifecycle::KeySet;
use jkeys::rpc::fleet::{Bundle, Consistency, Logged};
use jkeys::types::{Digest, KeySpec, Kid, PublicKey, Secret, Seq, TreeHead, WitnessKey};

/// The proofs of such keys.
pub const PROOFS: Proofs = Proofs {
    public: |public| {
        (public.thumbprint == public.kid.as_str())
            .then_some(())
            .ok_or_else(|| "another key's".into())
    },
    pair: |public, private| {
        let same = private.expose() == public.kid.as_str().as_bytes();
        same.then_some(()).ok_or_else(|| "the private half of another key".into())
    },
    log: |_, _, _| {
        let root = Digest([0; 32]);
        Ok(TreeHead { size: 0, root })
    },
};

/// The key of a log that proves nothing: what a node checks of the log is tested where there is one.
pub fn log() -> NoteKey {
    NoteKey::of_log("world.example/jkeys-log", WitnessKey([0; 32]))
}

/// A generation with a proof of nothing.
pub fn logged(bundle: Bundle) -> Logged {
    Logged {
        bundle,
        proof: proof(),
        consistency: Consistency::default(),
    }
}

/// A proof of nothing.
pub fn proof() -> RecordProof {
    let checkpoint = "nothing\n\n— nothing AAAAAAA=\n".parse().expect("a signed note");
    RecordProof {
        record: Vec::new(),
        seq: Seq(0),
        hashes: Vec::new(),
        checkpoint,
    }
}

/// The n-th key of a world.
pub fn public(n: u64, spec: KeySpec) -> PublicKey {
    let kid: Kid = format!("k{n}").parse().expect("a kid");
    let jwk = BTreeMap::from([("kid".to_owned(), kid.to_string())]);
    PublicKey {
        thumbprint: kid.to_string(),
        kid,
        spec,
        jwk: jwk.try_into().expect("no private member"),
        certificate_der: Vec::new(),
    }
}

/// The private half of a key.
pub fn private(kid: &Kid) -> Secret {
    Secret::new(kid.as_str().as_bytes().to_vec())
}

/// A generation with these private halves.
pub fn bundle(set: KeySet, privates: &BTreeSet<Kid>) -> Bundle {
    let privates = privates.iter().map(|kid| (kid.clone(), private(kid))).collect();
    Bundle::new(set, privates).expect("exactly the private halves that the stages demand")
}

/// The same generation with those of its private halves that are in `held`.
pub fn only(bundle: &Bundle, held: &BTreeSet<Kid>) -> Bundle {
    let kept = bundle.privates.keys().filter(|kid| held.contains(*kid));
    Bundle {
        set: bundle.set.clone(),
        public_form: bundle.public_form.clone(),
        digest: bundle.digest,
        privates: kept.map(|kid| (kid.clone(), private(kid))).collect(),
    }
}

/// The same generation once more.
pub fn copy(bundle: &Bundle) -> Bundle {
    only(bundle, &bundle.privates.keys().cloned().collect())
}
