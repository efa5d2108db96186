//! What the tests of this folder, and of those above it, share. Keys are made once: RSA takes its time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{CertificateLife, NewKey, make_key};
use crate::types::{Curve, KeySpec, KeyUse, KidFormat, RsaBits, Span, Time};

/// Ten years from 2026-11-23T06:05:04Z.
pub(crate) fn life() -> CertificateLife {
    CertificateLife::new(Time(1_795_413_904_123), Span::TEN_YEARS).unwrap()
}

/// Every kind, RSA in its quickest size.
pub(crate) fn all_small_specs() -> [KeySpec; 10] {
    [
        KeySpec::Rs256(RsaBits::B2048),
        KeySpec::Ps256(RsaBits::B2048),
        KeySpec::Es256,
        KeySpec::Es384,
        KeySpec::Ed25519,
        KeySpec::RsaOaep256(RsaBits::B2048),
        KeySpec::RsaOaep(RsaBits::B2048),
        KeySpec::Rsa15(RsaBits::B2048),
        KeySpec::EcdhEs(Curve::P256),
        KeySpec::EcdhEs(Curve::P384),
    ]
}

/// Those that sign.
pub(crate) fn all_signing_specs() -> Vec<KeySpec> {
    of_use(KeyUse::Sig)
}

/// Those that relying parties encrypt to.
pub(crate) fn all_encryption_specs() -> Vec<KeySpec> {
    of_use(KeyUse::Enc)
}

fn of_use(key_use: KeyUse) -> Vec<KeySpec> {
    all_small_specs()
        .into_iter()
        .filter(|spec| spec.key_use() == key_use)
        .collect()
}

/// A key of that kind, the same at each call.
pub(crate) fn key(spec: KeySpec) -> &'static NewKey {
    numbered(spec, 0)
}

/// A second key of that kind, the same at each call.
pub(crate) fn other_key(spec: KeySpec) -> &'static NewKey {
    numbered(spec, 1)
}

fn numbered(spec: KeySpec, number: u8) -> &'static NewKey {
    static MADE: Mutex<BTreeMap<(KeySpec, u8), &'static NewKey>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((spec, number))
        .or_insert_with(|| Box::leak(Box::new(make_key(spec, KidFormat::Thumbprint, life()).unwrap())))
}
