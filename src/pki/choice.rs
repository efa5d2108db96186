//! Which of its certificates the leader shows. While one CA takes over from another it has one of each, and a client says in its hello by
//! name which CAs it knows (RFC 8446, section 4.2.4).

use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::der_parser::asn1_rs::{ToDer as _, Utf8String};

use super::PkiError;
use super::identity::parse;
use crate::types::Digest;

/// What the common name of a CA begins with.
const CA_NAME: &str = "jkeys fleet CA";

/// The common name of the CA with this key. It tells CAs of one fleet apart.
pub(super) fn common_name(ca_key: Digest) -> String {
    format!("{CA_NAME} {}", &ca_key.to_string()[..16])
}

/// The whole name of the CA with this key.
pub(super) fn subject(ca_key: Digest) -> Result<DistinguishedName, PkiError> {
    let name = common_name(ca_key);
    let text = Utf8String::from(name.as_str()).to_der_vec();
    let text = text.map_err(|why| PkiError::Certificate(why.to_string()))?;
    // RFC 5280, section 4.1.2.4: a sequence of one set of one pair, whose first is id-at-commonName (2.5.4.3). All are short.
    let of = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap_or(0);
        [&[tag, length], content].concat()
    };
    let pair = of(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x03], text.as_slice()].concat());
    Ok(DistinguishedName::in_sequence(&of(0x31, &pair)))
}

/// The leader's certificates, those of the oldest CA first. Never empty.
#[derive(Debug)]
pub(super) struct Choice(Vec<(Vec<u8>, Arc<CertifiedKey>)>);

impl Choice {
    /// # Errors
    /// There is none, or one comes without that of its CA.
    pub(super) fn new(certified: Vec<CertifiedKey>) -> Result<Self, PkiError> {
        let with_issuer = |certified: CertifiedKey| {
            let issuer = certified.cert.get(1).ok_or_else(none)?;
            let name = parse(issuer)?.subject().as_raw().to_vec();
            Ok((name, Arc::new(certified)))
        };
        let choice: Vec<_> = certified.into_iter().map(with_issuer).collect::<Result<_, PkiError>>()?;
        if choice.is_empty() { Err(none()) } else { Ok(Self(choice)) }
    }

    /// The newest that the client says it knows. Who says nothing may have been away since before the newest was made.
    fn for_names(&self, names: impl Fn(&[u8]) -> bool) -> Option<&Arc<CertifiedKey>> {
        let known = self.0.iter().rev().find(|(issuer, _)| names(issuer));
        known.or(self.0.first()).map(|(_, certified)| certified)
    }
}

fn none() -> PkiError {
    PkiError::Certificate("there is none".to_owned())
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = hello.certificate_authorities().unwrap_or_default();
        let is_known = |issuer: &[u8]| known.iter().any(|name| name.as_ref() == issuer);
        self.for_names(is_known).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::certified;
    use super::super::{Ca, CaSigner};
    use super::*;
    use crate::types::Time;

    #[test]
    fn who_names_no_ca_that_the_leader_has_is_shown_the_oldest() {
        let leader = |_| {
            let now = Time(1_800_000_000_000);
            let ca = Ca::new(&"op.example".parse().unwrap(), now).unwrap();
            let signer = CaSigner::load(ca.certificate, &ca.private).unwrap();
            certified(&signer.issue_leader(now).unwrap()).unwrap()
        };
        let [old, new] = [0, 1].map(leader);
        let oldest = old.cert[0].clone();
        let choice = Choice::new(vec![old, new]).unwrap();
        assert_eq!(choice.for_names(|_| false).unwrap().cert[0], oldest);
        assert_ne!(choice.for_names(|_| true).unwrap().cert[0], oldest);
    }
}
