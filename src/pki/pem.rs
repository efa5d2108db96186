//! PEM (RFC 7468), for keys and certificates in files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize as _, Zeroizing};

use super::PkiError;
use crate::types::Secret;

/// Certificates as one text, in their order.
#[must_use]
pub fn certificates_to_pem(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|der| block("CERTIFICATE", der)).collect()
}

/// Every certificate in `text`, in its order; at least one.
pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(PkiError::Pem("the certificate")),
    }
}

/// A PKCS#8 private half as PEM.
#[must_use]
pub fn private_key_to_pem(pkcs8: &Secret) -> Secret {
    Secret::new(block("PRIVATE KEY", pkcs8.expose()).into_bytes())
}

/// The PKCS#8 private half in `pem`.
pub fn private_key_from_pem(pem: &Secret) -> Result<Secret, PkiError> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).map_err(|_| PkiError::Pem("the private key"))?;
    let mut der = rustls::pki_types::PrivateKeyDer::Pkcs8(der);
    let secret = Secret::new(der.secret_der().to_vec());
    der.zeroize();
    Ok(secret)
}

fn block(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Exactly as long as it will be: a string that grows would leave copies of a private half behind.
    let lines = body.len().div_ceil(64);
    let mut text = String::with_capacity(2 * (label.len() + 20) + body.len() + lines);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_certificates_survive_pem() {
        for length in [1, 47, 48, 49, 200] {
            let key = Secret::new(vec![7; length]);
            assert!(private_key_from_pem(&private_key_to_pem(&key)).unwrap().same(&key));
        }
        let chain = vec![CertificateDer::from(vec![1; 100]), CertificateDer::from(vec![2; 30])];
        assert_eq!(certificates_from_pem(certificates_to_pem(&chain).as_bytes()).unwrap(), chain);
    }

    #[test]
    fn what_is_not_pem_is_refused() {
        assert!(certificates_from_pem(b"").is_err());
        assert!(certificates_from_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_err());
        assert!(private_key_from_pem(&Secret::new(b"hello".to_vec())).is_err());
    }
}
