//! The formats of `[[output]]`: written from a view, and proved as they were read back.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::File;
use super::jwks::{self, Key};
use super::{OutputError, Password, pem, pkcs12, private_jwks_with, public_jwks_with, published_keys};
use crate::crypto::{CryptoError, PrivateJwk, distinct_kids, prove_pair};
use crate::lifecycle::{KeySet, View};
use crate::types::{KeySpec, Kid, PublicKey, Secret};

/// In which form a view is written.
#[derive(Debug, Clone, Copy)]
pub enum Format<'a> {
    /// Every published public half, as `jwks.json` has it.
    Jwks {
        /// With the certificate of each key.
        has_x5c: bool,
    },
    /// Every private half in use, as `private.jwks.json` has it.
    PrivateJwks {
        /// With the certificate of each key.
        has_x5c: bool,
    },
    /// A folder with one file a key, and one more for each profile's key that signs.
    Pem,
    /// A key store with one entry a key, its alias the kid, with the key's certificate.
    ///
    /// Each certificate is named by its subject too, `CN=<kid>`. `BouncyCastle` shows that name as an alias of its own; Java's own key
    /// store, and OpenSSL, go by the key that the certificate belongs to.
    Pkcs12 {
        /// What opens it.
        password: &'a Password,
    },
}

/// The bytes of one output.
#[derive(Debug)]
pub enum Rendered {
    /// One file.
    File(Secret),
    /// A folder of files, by name.
    Folder(BTreeMap<String, Secret>),
}

/// One key as a private output has it.
pub(super) struct Entry {
    pub kid: Kid,
    /// The algorithm, where the format says it.
    pub spec: Option<KeySpec>,
    pub private: Secret,
    /// The certificate in DER, where there is one.
    pub certificate: Option<Vec<u8>>,
}

/// A public key, and its certificate in DER, where there is one.
type KidAndCertificate = (Kid, Option<Vec<u8>>);

/// The keys whose private half a view puts into files, in the order of the generation, with that half. An armed key is not among them,
/// even when its private half is in `privates`.
///
/// # Errors
/// A key of the view is not in the generation, or has no private half in `privates`.
pub(super) fn used<'a>(
    set: &'a KeySet,
    view: &View,
    privates: &'a BTreeMap<Kid, Secret>,
) -> Result<Vec<(&'a PublicKey, &'a Secret)>, OutputError> {
    let mut wanted = private_kids(view);
    let members = set.members.iter().map(|member| &*member.public);
    let selected: Vec<&PublicKey> = members.filter(|public| wanted.remove(&public.kid)).collect();
    if let Some(unknown) = wanted.pop_first() {
        return Err(OutputError::NotInGeneration(unknown));
    }
    let with_half = |public: &'a PublicKey| {
        let half = privates.get(&public.kid);
        half.map(|half| (public, half))
            .ok_or_else(|| OutputError::NoPrivate(public.kid.clone()))
    };
    selected.into_iter().map(with_half).collect()
}

/// The kids whose private half is in the files of a view.
fn private_kids(view: &View) -> BTreeSet<Kid> {
    let mut kids = view.signing();
    kids.extend(view.decrypting.iter().cloned());
    kids
}

/// A view in the form of `format`.
///
/// # Errors
/// A key of the view can't be put into it.
pub fn render(format: Format<'_>, set: &KeySet, view: &View, privates: &BTreeMap<Kid, Secret>) -> Result<Rendered, OutputError> {
    Ok(match format {
        Format::Jwks { has_x5c } => Rendered::File(Secret::new(public_jwks_with(set, view, has_x5c))),
        Format::PrivateJwks { has_x5c } => Rendered::File(private_jwks_with(set, view, privates, has_x5c)?),
        Format::Pem => Rendered::Folder(pem::folder(&used(set, view, privates)?, &view.selected)?),
        Format::Pkcs12 { password } => Rendered::File(pkcs12::write(&used(set, view, privates)?, password)?),
    })
}

/// The kids in what was read back.
///
/// # Errors
/// It is not of the form of `format`, or has certificates where none were asked for, or lacks them.
pub fn kids_of(format: Format<'_>, read: &Rendered) -> Result<BTreeSet<Kid>, OutputError> {
    if let (Format::Jwks { has_x5c }, Rendered::File(bytes)) = (format, read) {
        certificates(File::PublicJwks, bytes, has_x5c)?;
        return published_keys(bytes.expose()).map(|keys| keys.kids());
    }
    let entries = entries(format, read)?;
    distinct_kids(entries.iter().map(|entry| &entry.kid)).map_err(OutputError::in_file(file_of(format)))
}

/// Proves that what was read back holds the keys of the view, all of them and no other, each private half that of its public half, each
/// certificate its own.
///
/// # Errors
/// The first thing that does not hold.
pub fn prove_output(format: Format<'_>, read: &Rendered, set: &KeySet, view: &View) -> Result<(), OutputError> {
    let (file, is_public) = (file_of(format), matches!(format, Format::Jwks { .. }));
    let expected = if is_public {
        view.published.iter().cloned().collect()
    } else {
        private_kids(view)
    };
    if kids_of(format, read)? != expected {
        return Err(OutputError::OtherKeys(file));
    }
    let publics: BTreeMap<&Kid, &PublicKey> = set
        .members
        .iter()
        .map(|member| (&member.public.kid, &*member.public))
        .collect();
    let public = |kid: &Kid| {
        publics
            .get(kid)
            .copied()
            .ok_or_else(|| OutputError::NotInGeneration(kid.clone()))
    };
    let certified = |kid: &Kid, found: Option<&[u8]>| match found {
        Some(der) if der != public(kid)?.certificate_der => Err(OutputError::OtherCertificate { file, kid: kid.clone() }),
        _ => Ok(()),
    };
    if let (Format::Jwks { has_x5c }, Rendered::File(bytes)) = (format, read) {
        return certificates(file, bytes, has_x5c)?
            .iter()
            .try_for_each(|(kid, der)| certified(kid, der.as_deref()));
    }
    for entry in entries(format, read)? {
        let public = public(&entry.kid)?;
        certified(&entry.kid, entry.certificate.as_deref())?;
        if entry.spec.is_some_and(|spec| spec != public.spec) {
            return Err(OutputError::OtherKeys(file));
        }
        prove_pair(public, &entry.private).map_err(OutputError::in_file(file))?;
    }
    match read {
        Rendered::Folder(files) => pem::prove_names(files, &view.selected),
        Rendered::File(_) => Ok(()),
    }
}

fn file_of(format: Format<'_>) -> File {
    match format {
        Format::Jwks { .. } => File::PublicJwks,
        Format::PrivateJwks { .. } => File::PrivateJwks,
        Format::Pem => File::Pem,
        Format::Pkcs12 { .. } => File::Pkcs12,
    }
}

/// The keys of a private output.
fn entries(format: Format<'_>, read: &Rendered) -> Result<Vec<Entry>, OutputError> {
    match (format, read) {
        (Format::PrivateJwks { has_x5c }, Rendered::File(bytes)) => private_entries(bytes, has_x5c),
        (Format::Pem, Rendered::Folder(files)) => pem::entries(files),
        (Format::Pkcs12 { password }, Rendered::File(bytes)) => pkcs12::entries(bytes, password),
        _ => Err(OutputError::OtherKeys(file_of(format))),
    }
}

fn private_entries(bytes: &Secret, has_x5c: bool) -> Result<Vec<Entry>, OutputError> {
    let file = File::PrivateJwks;
    let entry = |key: Key| {
        let certificate = certificate(file, key.certificates, has_x5c)?;
        let jwk = PrivateJwk::from_members(key.members).map_err(OutputError::in_file(file))?;
        Ok(Entry {
            kid: jwk.kid().clone(),
            spec: Some(jwk.spec()),
            private: jwk.pkcs8().map_err(OutputError::in_file(file))?,
            certificate,
        })
    };
    jwks::parse(file, bytes.expose())?.into_iter().map(entry).collect()
}

/// The certificates of a public JWKS, by kid.
fn certificates(file: File, bytes: &Secret, has_x5c: bool) -> Result<Vec<KidAndCertificate>, OutputError> {
    let kid = |key: &Key| {
        let text = key.members.get("kid").and_then(|kid| std::str::from_utf8(kid.expose()).ok());
        let kid = text.and_then(|kid| kid.parse().ok());
        kid.ok_or_else(|| OutputError::in_file(file)(CryptoError::PrivateJwk("kid is missing or not one")))
    };
    let keys = jwks::parse(file, bytes.expose())?.into_iter();
    keys.map(|key| Ok((kid(&key)?, certificate(file, key.certificates, has_x5c)?)))
        .collect()
}

/// The one certificate of an `x5c`, where one was asked for.
fn certificate(file: File, given: Option<Vec<Secret>>, is_wanted: bool) -> Result<Option<Vec<u8>>, OutputError> {
    let form = |why| OutputError::Form { file, why };
    match (given, is_wanted) {
        (None, false) => Ok(None),
        (Some(list), true) => {
            let [only] = &list[..] else {
                return Err(form("x5c is not one certificate"));
            };
            STANDARD
                .decode(only.expose())
                .map(Some)
                .map_err(|_| form("x5c is not base64"))
        }
        (None, true) => Err(form("a key is without the x5c that was asked for")),
        (Some(_), false) => Err(form("a key has an x5c that was not asked for")),
    }
}
