//! Kids: how new ones are made, and which can stand side by side.

use std::collections::{BTreeMap, BTreeSet};

use ring::rand::{SecureRandom as _, SystemRandom};

use super::CryptoError;
use crate::types::{KeySpec, Kid, KidFormat};

/// The kid of a new key.
pub(super) fn make_kid(format: KidFormat, spec: KeySpec, thumbprint: &str) -> Result<Kid, CryptoError> {
    let text = match format {
        KidFormat::Thumbprint => thumbprint.to_owned(),
        KidFormat::Janssen => {
            let mut random = [0; 16];
            SystemRandom::new().fill(&mut random).map_err(|_| CryptoError::Random)?;
            let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
            let alg = spec.jwk_alg().to_ascii_lowercase();
            format!("connect_{uuid}_{}_{alg}", spec.key_use().as_str())
        }
    };
    Ok(text.parse().expect("both forms are below 64 letters, digits, '-' and '_'"))
}

/// The set of `kids`, when no two are the same or differ only by case.
///
/// Java key stores lower-case their aliases, so such kids would be one key there.
///
/// # Errors
/// [`CryptoError::KidsAlike`] with the first two.
pub fn distinct_kids<'a>(kids: impl IntoIterator<Item = &'a Kid>) -> Result<BTreeSet<Kid>, CryptoError> {
    let mut seen = BTreeMap::new();
    for kid in kids {
        if let Some(before) = seen.insert(kid.as_str().to_ascii_lowercase(), kid) {
            return Err(CryptoError::KidsAlike(before.clone(), kid.clone()));
        }
    }
    Ok(seen.into_values().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_janssen_kid_has_its_parts_and_is_new_each_time() {
        let make = || make_kid(KidFormat::Janssen, KeySpec::Ed25519, "unused").unwrap();
        let kid = make();
        let uuid = kid
            .as_str()
            .strip_prefix("connect_")
            .and_then(|rest| rest.strip_suffix("_sig_eddsa"))
            .unwrap();
        assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 4);
        assert_ne!(kid, make());
    }

    #[test]
    fn a_janssen_kid_names_the_use() {
        for (spec, end) in [
            ("RSA-OAEP-256/2048", "_enc_rsa-oaep-256"),
            ("RSA1_5/2048", "_enc_rsa1_5"),
            ("ECDH-ES/256", "_enc_ecdh-es"),
        ] {
            let kid = make_kid(KidFormat::Janssen, spec.parse().unwrap(), "unused").unwrap();
            assert!(kid.as_str().ends_with(end), "{kid}");
        }
    }

    #[test]
    fn kids_that_differ_only_by_case_are_refused() {
        let kid = |text: &str| text.parse::<Kid>().unwrap();
        let (lower, upper, other) = (kid("abc"), kid("aBc"), kid("abd"));
        assert_eq!(distinct_kids([&lower, &other]), Ok([lower.clone(), other.clone()].into()));
        assert_eq!(
            distinct_kids([&lower, &other, &upper]),
            Err(CryptoError::KidsAlike(lower.clone(), upper.clone()))
        );
        assert_eq!(
            distinct_kids([&lower, &lower]),
            Err(CryptoError::KidsAlike(lower.clone(), lower.clone()))
        );
    }
}
