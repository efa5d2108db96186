//! PKCS#12 (RFC 7292): keys and certificates under a password, as Java's key stores read them.

use std::collections::BTreeMap;
use std::fmt;

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};

use super::OutputError;
use super::error::File;
use super::format::Entry;
use crate::types::{PublicKey, Secret};

/// How often a password is hashed for each key: what Java itself writes. It slows down guessing, and each swap and each start of the
/// server by as much for each key; the password is kept on the same machine, so a long one is what counts (SECURITY.md).
const ITERATIONS: u32 = 10_000;

/// A password that Java and OpenSSL take in the same way.
pub struct Password(Secret);

impl Password {
    const LEAST: usize = 6;

    /// From the content of a file; a newline at its end is no part of it.
    ///
    /// # Errors
    /// [`OutputError::Password`].
    pub fn from_file(content: &Secret) -> Result<Self, OutputError> {
        let line = content.expose();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_good = line.len() >= Self::LEAST && line.iter().all(|byte| (b' '..=b'~').contains(byte));
        if is_good {
            Ok(Self(Secret::new(line.to_vec())))
        } else {
            Err(OutputError::Password)
        }
    }

    fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).expect("ASCII is text")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// One entry a key, its alias the kid.
pub(super) fn write(keys: &[(&PublicKey, &Secret)], password: &Password) -> Result<Secret, OutputError> {
    let not_made = |why: p12_keystore::error::Error| OutputError::NotMade {
        file: File::Pkcs12,
        why: why.to_string(),
    };
    let mut store = KeyStore::new();
    for (public, private) in keys {
        let key = PrivateKey::from_der(private.expose()).map_err(not_made)?;
        let certificate = Certificate::from_der(&public.certificate_der).map_err(not_made)?;
        let kid = public.kid.as_str();
        store.add_entry(
            kid,
            KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(kid, key, [certificate])),
        );
    }
    let writer = store
        .writer(password.expose())
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ITERATIONS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ITERATIONS);
    writer.write().map(Secret::new).map_err(not_made)
}

/// The keys of a file, each with the certificate that belongs to it.
pub(super) fn entries(bytes: &Secret, password: &Password) -> Result<Vec<Entry>, OutputError> {
    let form = |why| OutputError::Form { file: File::Pkcs12, why };
    let read = Pkcs12Archive::from_pkcs12(bytes.expose(), password.expose());
    let archive = read.map_err(|_| form("it does not open with the password of its configuration"))?;
    let mut certificates = BTreeMap::new();
    for bag in archive.certs {
        let kid = bag.local_key_id.ok_or_else(|| form("a certificate belongs to no key"))?;
        if certificates.insert(kid, bag.cert).is_some() {
            return Err(form("two certificates belong to one key"));
        }
    }
    let mut entries = Vec::new();
    for bag in archive.keys {
        let private = Secret::new(bag.key.as_der().to_vec());
        let id = bag.local_key_id.ok_or_else(|| form("a key has no id"))?;
        let kid = bag.friendly_name.filter(|name| name.as_bytes() == id.as_ref());
        let kid = kid
            .and_then(|kid| kid.parse().ok())
            .ok_or_else(|| form("an alias is no kid"))?;
        let certificate = certificates
            .remove(id.as_ref())
            .ok_or_else(|| form("a key is without its certificate"))?;
        entries.push(Entry {
            kid,
            spec: None,
            private,
            certificate: Some(certificate.as_der().to_vec()),
        });
    }
    if certificates.is_empty() && archive.secrets.is_empty() {
        Ok(entries)
    } else {
        Err(form("it holds more than keys"))
    }
}
