//! The self-signed certificate that is made with a key, for consumers that want one beside it (PKCS#12, `x5c`).

use std::time::{Duration, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, SerialNumber};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::PrivatePkcs8KeyDer;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as SubjectKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroize as _;

use super::CryptoError;
use super::jwk::KeyValue;
use crate::types::{Curve, KeyKind, KeySpec, KeyUse, Kid, PublicKey, Secret, Span, Time};

/// The last second that a certificate can name: the end of the year 9999 (RFC 5280, section 4.1.2.5).
const LAST: Time = Time(253_402_300_799_000);

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateLife {
    not_before: Time,
    not_after: Time,
}

impl CertificateLife {
    /// A life that begins at `not_before` and is `span` long; certificates know whole seconds only.
    ///
    /// # Errors
    /// It is shorter than a second, or ends after the year 9999.
    pub fn new(not_before: Time, span: Span) -> Result<Self, CryptoError> {
        let not_after = Time(not_before.0.saturating_add(span.0));
        if span.0 < 1000 || not_after.0 > LAST.0 {
            return Err(CryptoError::CertificateLife);
        }
        Ok(Self { not_before, not_after })
    }
}

/// Makes the certificate: X.509 v3, subject and issuer `CN=<kid>`, signed with the key itself. Its key usage is what the key is
/// for: `digitalSignature`; `keyEncipherment` or `keyAgreement` for encryption (RFC 5280, section 4.2.1.3).
///
/// Every RSA key signs it with PKCS#1 v1.5, as every reader of certificates knows, and an ECDH-ES key with ECDSA.
pub(super) fn self_signed(kid: &Kid, spec: KeySpec, private: &Secret, life: CertificateLife) -> Result<Vec<u8>, CryptoError> {
    let not_made = |why: rcgen::Error| CryptoError::CertificateNotMade {
        kid: kid.clone(),
        why: why.to_string(),
    };
    let algorithm = match spec.kind() {
        KeyKind::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        KeyKind::Ec(Curve::P256) => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyKind::Ec(Curve::P384) => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
    };
    let params = params(kid, spec, life)?;
    let der = PrivatePkcs8KeyDer::from(private.expose());
    let mut pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).map_err(not_made)?;
    let certificate = params.self_signed(&pair);
    pair.zeroize();
    Ok(certificate.map_err(not_made)?.der().to_vec())
}

fn params(kid: &Kid, spec: KeySpec, life: CertificateLife) -> Result<CertificateParams, CryptoError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, kid.as_str());
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.serial_number = Some(serial()?);
    params.not_before = (UNIX_EPOCH + Duration::from_secs(life.not_before.0 / 1000)).into();
    params.not_after = (UNIX_EPOCH + Duration::from_secs(life.not_after.0 / 1000)).into();
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![match (spec.key_use(), spec.kind()) {
        (KeyUse::Sig, _) => KeyUsagePurpose::DigitalSignature,
        (KeyUse::Enc, KeyKind::Rsa(_)) => KeyUsagePurpose::KeyEncipherment,
        (KeyUse::Enc, KeyKind::Ec(_) | KeyKind::Ed25519) => KeyUsagePurpose::KeyAgreement,
    }];
    Ok(params)
}

/// 20 bytes, the most that RFC 5280 allows (section 4.1.2.2), 158 bits of them random: positive, and the first byte is never zero.
fn serial() -> Result<SerialNumber, CryptoError> {
    let mut bytes = [0; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|_| CryptoError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// When the certificate of a key began; none where it can't be read.
#[must_use]
pub fn certified_since(public: &PublicKey) -> Option<Time> {
    let (_, certificate) = X509Certificate::from_der(&public.certificate_der).ok()?;
    let secs = u64::try_from(certificate.validity().not_before.timestamp()).ok()?;
    Some(Time(secs.checked_mul(1000)?))
}

/// Checks that the bytes are one certificate, for the key of that value, and signed with it.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(der: &[u8], value: &KeyValue) -> Result<(), &'static str> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| "the certificate can't be read")?;
    if !rest.is_empty() {
        return Err("something follows the certificate");
    }
    if !is_for(certificate.public_key(), value) {
        return Err("the certificate is another key's");
    }
    certificate
        .verify_signature(None)
        .map_err(|_| "the certificate is not signed with its own key")
}

fn is_for(subject: &SubjectPublicKeyInfo<'_>, value: &KeyValue) -> bool {
    match (value, subject.parsed()) {
        (KeyValue::Rsa(n), Ok(SubjectKey::RSA(rsa))) => {
            rsa.modulus.strip_prefix(&[0]).unwrap_or(rsa.modulus) == n && rsa.try_exponent() == Ok(65537)
        }
        (KeyValue::Ec(point), Ok(SubjectKey::EC(subject))) => subject.data() == point,
        (KeyValue::Ed(point), Ok(SubjectKey::Unknown(bits))) => subject.algorithm.algorithm == OID_SIG_ED25519 && bits == point,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::jwk::parse;
    use super::super::tests::{all_small_specs, key, life, other_key};
    use super::*;
    use crate::types::PublicKey;

    fn value(public: &PublicKey) -> KeyValue {
        parse(|name| public.jwk.member(name)).unwrap().value
    }

    #[test]
    fn a_certificate_says_what_it_should() {
        for spec in all_small_specs() {
            let public = &key(spec).public;
            let (_, certificate) = X509Certificate::from_der(&public.certificate_der).unwrap();
            let common_name = format!("CN={}", public.kid);
            assert_eq!(certificate.version.0, 2, "{spec}: version 3 is written 2");
            assert_eq!(certificate.subject().to_string(), common_name);
            assert_eq!(certificate.issuer().to_string(), common_name);
            assert_eq!(certificate.validity().not_before.timestamp(), 1_795_413_904);
            assert_eq!(certificate.validity().not_after.timestamp(), 1_795_413_904 + 315_360_000);
            let usage = certificate.key_usage().unwrap().unwrap();
            // The bits of RFC 5280: digitalSignature, keyEncipherment, keyAgreement.
            let bit = match (spec.key_use(), spec.rsa_bits()) {
                (KeyUse::Sig, _) => 1,
                (KeyUse::Enc, Some(_)) => 1 << 2,
                (KeyUse::Enc, None) => 1 << 4,
            };
            assert!(usage.critical && usage.value.flags == bit, "{spec}: {:?}", usage.value);
            assert!(certificate.extended_key_usage().unwrap().is_none());
            assert!(!certificate.is_ca());
        }
    }

    #[test]
    fn serials_are_positive_long_and_new() {
        let serials: BTreeSet<Vec<u8>> = (0..50).map(|_| serial().unwrap().to_bytes()).collect();
        assert_eq!(serials.len(), 50);
        assert!(
            serials
                .iter()
                .all(|bytes| bytes.len() == 20 && (0x40..0x80).contains(&bytes[0]))
        );
    }

    #[test]
    fn a_life_that_no_certificate_can_have_is_refused() {
        let refused = Err(CryptoError::CertificateLife);
        assert_eq!(CertificateLife::new(Time(0), Span(999)), refused);
        assert_eq!(CertificateLife::new(LAST, Span(1000)), refused);
        assert_eq!(CertificateLife::new(Time(u64::MAX), Span(u64::MAX)), refused);
        assert!(CertificateLife::new(LAST - Span(1000), Span(1000)).is_ok());
    }

    #[test]
    fn a_life_up_to_the_last_second_makes_a_certificate() {
        let key = key(KeySpec::Es256);
        let life = CertificateLife::new(LAST - Span(1000), Span(1000)).unwrap();
        let der = self_signed(&key.public.kid, KeySpec::Es256, &key.private, life).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.validity().not_after.timestamp(), 253_402_300_799);
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        for spec in all_small_specs() {
            let (one, other) = (&key(spec).public, &other_key(spec).public);
            assert_eq!(check(&one.certificate_der, &value(one)), Ok(()), "{spec}");
            assert_eq!(
                check(&one.certificate_der, &value(other)),
                Err("the certificate is another key's"),
                "{spec}"
            );
        }
    }

    #[test]
    fn a_certificate_that_differs_in_exponent_or_algorithm_only_is_another_keys() {
        let rsa = KeySpec::Rs256(crate::types::RsaBits::B2048);
        // The integer 65537 becomes 65539, and the algorithm Ed25519 becomes X25519 (RFC 8410, section 3).
        for (spec, from, to) in [
            (rsa, &[2, 3, 1, 0, 1][..], &[2, 3, 1, 0, 3][..]),
            (KeySpec::Ed25519, &[6, 3, 0x2b, 0x65, 0x70], &[6, 3, 0x2b, 0x65, 0x6e]),
        ] {
            let public = &key(spec).public;
            let mut der = public.certificate_der.clone();
            let places: Vec<usize> = (0..der.len()).filter(|at| der[*at..].starts_with(from)).collect();
            assert!(!places.is_empty(), "{spec}");
            for at in places {
                der[at..at + to.len()].copy_from_slice(to);
            }
            assert_eq!(check(&der, &value(public)), Err("the certificate is another key's"), "{spec}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_whole_is_refused() {
        let public = &key(KeySpec::Es256).public;
        let der = &public.certificate_der;
        let value = value(public);
        let longer = [der.as_slice(), &[0]].concat();
        assert_eq!(check(&longer, &value), Err("something follows the certificate"));
        assert_eq!(check(&der[..der.len() - 1], &value), Err("the certificate can't be read"));
        let mut forged = der.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(check(&forged, &value), Err("the certificate is not signed with its own key"));
    }

    #[test]
    fn the_private_half_of_another_kind_makes_no_certificate() {
        let key = key(KeySpec::Ed25519);
        let refused = self_signed(&key.public.kid, KeySpec::Es256, &key.private, life());
        assert!(matches!(refused, Err(CryptoError::CertificateNotMade { .. })), "{refused:?}");
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_certificate_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(check(&bytes, &KeyValue::Ed(vec![0; 32])).is_err());
        }
    }
}
