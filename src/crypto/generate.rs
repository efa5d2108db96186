//! Making a key with everything that belongs to it.

use std::collections::BTreeMap;

use super::pair::Pair;
use super::{CertificateLife, CryptoError, certificate, jwk, kid, proof};
use crate::types::{KeySpec, Kid, KidFormat, PublicJwk, PublicKey, Secret};

/// A key as it was made, both halves.
#[derive(Debug)]
pub struct NewKey {
    /// The public half with its kid, thumbprint and certificate.
    pub public: PublicKey,
    /// The private half, PKCS#8 DER (RFC 5958).
    pub private: Secret,
}

/// Makes a key, its kid, thumbprint and self-signed certificate, and proves that they belong together.
///
/// It blocks: an RSA key takes from a tenth of a second to several seconds. So call it where blocking is allowed.
///
/// # Errors
/// OpenSSL or the system's random generator failed, or the certificate could not be made.
pub fn make_key(spec: KeySpec, kid_format: KidFormat, certificate_life: CertificateLife) -> Result<NewKey, CryptoError> {
    let pair = Pair::generate(spec)?;
    let private = pair.pkcs8();
    let mut members = public_members(&pair, spec);
    let thumbprint = jwk::thumbprint(&public_jwk(&members)).ok_or(CryptoError::NotMade(spec))?;
    let kid: Kid = kid::make_kid(kid_format, spec, &thumbprint)?;
    for (name, value) in [
        ("kid", kid.as_str()),
        ("alg", spec.jwk_alg()),
        ("use", spec.key_use().as_str()),
    ] {
        members.insert(name.to_owned(), value.to_owned());
    }
    let certificate_der = certificate::self_signed(&kid, spec, &private, certificate_life)?;
    let public = PublicKey {
        kid,
        spec,
        jwk: public_jwk(&members),
        thumbprint,
        certificate_der,
    };
    proof::prove_pair(&public, &private)?;
    Ok(NewKey { public, private })
}

fn public_members(pair: &Pair, spec: KeySpec) -> BTreeMap<String, String> {
    let jwk = pair.public_jwk();
    let text = |name: &&str| Some(((*name).to_owned(), jwk.parameter(name)?.as_str()?.to_owned()));
    jwk::public_members(spec).iter().filter_map(text).collect()
}

fn public_jwk(members: &BTreeMap<String, String>) -> PublicJwk {
    PublicJwk::try_from(members.clone()).expect("public_members names no private member")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_small_specs, key, life};
    use super::*;
    use crate::types::RsaBits;

    #[test]
    fn every_kind_of_key_is_made_with_all_that_belongs_to_it() {
        for spec in all_small_specs() {
            let public = &key(spec).public;
            assert_eq!(public.spec, spec);
            assert_eq!(public.kid.as_str(), public.thumbprint, "{spec}");
            assert_eq!(public.jwk.member("kid"), Some(public.kid.as_str()), "{spec}");
            assert_eq!(public.jwk.member("alg"), Some(spec.jwk_alg()), "{spec}");
            assert_eq!(public.jwk.member("use"), Some(spec.key_use().as_str()), "{spec}");
            assert_eq!(jwk::thumbprint(&public.jwk).as_ref(), Some(&public.thumbprint), "{spec}");
            let names: Vec<_> = public.jwk.members().map(|(name, _)| name).collect();
            assert_eq!(names.len(), jwk::public_members(spec).len() + 3, "{spec}: {names:?}");
        }
    }

    #[test]
    fn large_rsa_keys_have_their_size() {
        for spec in [KeySpec::Rs256(RsaBits::B3072), KeySpec::Ps256(RsaBits::B4096)] {
            assert_eq!(key(spec).public.spec, spec);
        }
    }

    #[test]
    fn a_janssen_kid_is_in_the_jwk_and_in_the_certificate() {
        let key = make_key(KeySpec::Es256, KidFormat::Janssen, life()).unwrap();
        assert!(key.public.kid.as_str().ends_with("_sig_es256"));
        assert_eq!(key.public.jwk.member("kid"), Some(key.public.kid.as_str()));
        assert_ne!(key.public.kid.as_str(), key.public.thumbprint);
    }

    #[test]
    fn a_new_key_is_not_shown() {
        let key = key(KeySpec::Es256);
        let d = &key.private.expose()[36..68];
        let shown = format!("{key:?}");
        assert!(shown.contains("Secret("), "{shown}");
        assert!(!shown.contains(&format!("{d:?}")), "{shown}");
    }
}
