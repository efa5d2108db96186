//! Keys without key bytes: the private half of a key is its kid.

use std::collections::{BTreeMap, BTreeSet};

use jkeys::lifecycle::KeySet;
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{KeySpec, Kid, PublicKey, Secret};

/// Whether what travels with a public half belongs to it.
pub fn check_public(public: &PublicKey) -> Result<(), String> {
    let is_its = public.thumbprint == public.kid.as_str();
    is_its.then_some(()).ok_or_else(|| "another key's".into())
}

/// Whether a private half belongs to its public half.
pub fn prove_pair(public: &PublicKey, private: &Secret) -> Result<(), String> {
    let same = private.expose() == public.kid.as_str().as_bytes();
    same.then_some(()).ok_or_else(|| "the private half of another key".into())
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
