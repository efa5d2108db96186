//! A folder of PEM files (RFC 7468): the private key as PKCS#8, then its certificate.
//!
//! `KID.pem` for each key; `active.PROFILE.pem` for the one that signs in each profile, which a server can name once and for all; and
//! `active.pem` besides where only one profile signs, for with two of them it would be a guess.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::OutputError;
use super::error::File;
use super::format::Entry;
use crate::types::{Kid, ProfileName, PublicKey, Secret};

const KEY: &str = "PRIVATE KEY";
const CERTIFICATE: &str = "CERTIFICATE";
const LINE: usize = 64;

/// The files of a view by name.
pub(super) fn folder(
    keys: &[(&PublicKey, &Secret)],
    selected: &BTreeMap<ProfileName, Kid>,
) -> Result<BTreeMap<String, Secret>, OutputError> {
    let mut files = BTreeMap::new();
    for (public, private) in keys {
        let own = format!("{}.pem", public.kid);
        if is_active(&own) {
            return Err(OutputError::NotMade {
                file: File::Pem,
                why: format!("a file named {own} stands for the key that signs; rotate to a key with another kid"),
            });
        }
        let names = names_of(&public.kid, selected).into_iter();
        files.extend(names.map(|name| (name, text(private, &public.certificate_der))));
    }
    Ok(files)
}

/// Every file that a key is in.
fn names_of(kid: &Kid, selected: &BTreeMap<ProfileName, Kid>) -> Vec<String> {
    let own = selected.iter().filter(|(_, active)| *active == kid);
    let mut names: Vec<String> = own.map(|(profile, _)| format!("active.{profile}.pem")).collect();
    if !names.is_empty() && selected.len() == 1 {
        names.push("active.pem".to_owned());
    }
    names.push(format!("{kid}.pem"));
    names
}

/// The keys in the files that are named by their kid.
pub(super) fn entries(files: &BTreeMap<String, Secret>) -> Result<Vec<Entry>, OutputError> {
    let entry = |(name, content): (&String, &Secret)| {
        let (private, certificate) = parse(content).ok_or_else(|| form("it is not one private key and one certificate"))?;
        let kid = name.strip_suffix(".pem").and_then(|kid| kid.parse().ok());
        Ok(Entry {
            kid: kid.ok_or_else(|| form("its name is no kid"))?,
            spec: None,
            private,
            certificate: Some(certificate),
        })
    };
    files.iter().filter(|(name, _)| !is_active(name)).map(entry).collect()
}

/// Proves that there is each file that names a key that signs, with that key, and no other.
pub(super) fn prove_names(files: &BTreeMap<String, Secret>, selected: &BTreeMap<ProfileName, Kid>) -> Result<(), OutputError> {
    let wrong = || OutputError::OtherKeys(File::Pem);
    let mut active = files.keys().filter(|name| is_active(name)).count();
    for kid in selected.values() {
        let key = files.get(&format!("{kid}.pem")).ok_or_else(wrong)?;
        for name in names_of(kid, selected).iter().filter(|name| is_active(name)) {
            files.get(name).filter(|file| file.same(key)).ok_or_else(wrong)?;
            active = active.checked_sub(1).ok_or_else(wrong)?;
        }
    }
    if active == 0 { Ok(()) } else { Err(wrong()) }
}

fn is_active(name: &str) -> bool {
    name == "active.pem" || name.starts_with("active.")
}

fn form(why: &'static str) -> OutputError {
    OutputError::Form { file: File::Pem, why }
}

/// Writes into buffers that never grow: one that did would leave its old bytes behind.
fn text(private: &Secret, certificate: &[u8]) -> Secret {
    let mut text = Vec::with_capacity(room(KEY, private.expose()) + room(CERTIFICATE, certificate));
    for (label, der) in [(KEY, private.expose()), (CERTIFICATE, certificate)] {
        let mut base64 = Zeroizing::new(vec![0; der.len().div_ceil(3) * 4]);
        STANDARD
            .encode_slice(der, &mut base64)
            .expect("the room is what base64 takes");
        text.extend(format!("-----BEGIN {label}-----\n").as_bytes());
        for line in base64.chunks(LINE) {
            text.extend(line);
            text.push(b'\n');
        }
        text.extend(format!("-----END {label}-----\n").as_bytes());
    }
    Secret::new(text)
}

fn room(label: &str, der: &[u8]) -> usize {
    let base64 = der.len().div_ceil(3) * 4;
    "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len() + base64 + base64.div_ceil(LINE)
}

/// The private key and the certificate of a file that is nothing else.
fn parse(content: &Secret) -> Option<(Secret, Vec<u8>)> {
    let text = std::str::from_utf8(content.expose()).ok()?;
    let (private, rest) = block(text, KEY)?;
    let (certificate, rest) = block(rest, CERTIFICATE)?;
    rest.is_empty().then(|| (private, certificate.expose().to_vec()))
}

fn block<'a>(text: &'a str, label: &str) -> Option<(Secret, &'a str)> {
    let body = text.strip_prefix(&format!("-----BEGIN {label}-----\n"))?;
    let (body, rest) = body.split_once(&format!("-----END {label}-----\n"))?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.bytes().filter(|byte| *byte != b'\n'));
    let mut der = Vec::with_capacity(base64.len());
    STANDARD.decode_vec(base64.as_slice(), &mut der).ok()?;
    Some((Secret::new(der), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::{all_small_specs, key};

    #[test]
    fn the_buffer_of_a_pem_file_never_grew_and_its_lines_are_64_long() {
        for key in all_small_specs().map(key) {
            let (private, certificate) = (&key.private, &key.public.certificate_der);
            let text = text(private, certificate);
            assert_eq!(
                text.expose().len(),
                room(KEY, private.expose()) + room(CERTIFICATE, certificate)
            );
            let lines = std::str::from_utf8(text.expose()).unwrap().lines();
            assert!(lines.map(str::len).all(|len| len <= 64));
            let (back, certificate_back) = parse(&text).unwrap();
            assert!(back.same(private) && certificate_back == *certificate);
        }
    }
}
