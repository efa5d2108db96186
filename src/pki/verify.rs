//! How a node knows its leader: by chain and SPIFFE ID, never by a DNS name.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, RootCertStore, SignatureScheme};

use super::identity::parse;
use super::{PeerIdentity, PkiError};
use crate::types::{Digest, SpiffeId, TrustDomain};

/// What a node goes by.
#[derive(Debug)]
pub(super) enum Trust {
    /// It is in the fleet: the CAs that it was given, and the trust domain.
    Roots(RootCertStore, TrustDomain),
    /// It has only a join token: the hash of the CA's public key. The leader sends the CA's certificate in its chain.
    CaKey(Digest),
}

/// Checks the certificate of the other side, which must be the leader's.
#[derive(Debug)]
pub(super) struct LeaderVerifier {
    trust: Trust,
    /// The names of the CAs that it goes by, which the leader is told.
    names: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl LeaderVerifier {
    pub(super) fn new(trust: Trust, names: Vec<DistinguishedName>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            trust,
            names,
            algorithms,
        }
    }

    fn check_chain(
        &self,
        roots: &RootCertStore,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let own = ParsedCertificate::try_from(own)?;
        verify_server_cert_signed_by_trust_anchor(&own, roots, rest, now, self.algorithms.all)
    }
}

/// The CA in `chain` whose public key has that hash, as the only root.
fn pinned(ca_key: Digest, chain: &[CertificateDer<'_>]) -> Result<RootCertStore, Error> {
    let is_pinned = |der: &&CertificateDer<'_>| parse(der).is_ok_and(|ca| Digest::of(ca.public_key().raw) == ca_key);
    let ca = chain.iter().find(is_pinned).ok_or_else(|| {
        words("the leader's CA is not the one that the join token names: the fleet's CA was replaced since it was made, or the token is another \
             fleet's, or somebody stands between; make a new token")
    })?;
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone().into_owned())?;
    Ok(roots)
}

fn check_identity(own: &CertificateDer<'_>, wanted: Option<&TrustDomain>) -> Result<(), PkiError> {
    let found = PeerIdentity::from_certificate(own)?.id;
    let domain = wanted.unwrap_or(match &found {
        SpiffeId::Leader(domain) | SpiffeId::Node(domain, _) => domain,
    });
    let wanted = SpiffeId::Leader(domain.clone());
    if found != wanted {
        return Err(PkiError::Identity { found, wanted });
    }
    Ok(())
}

/// rustls carries our words whole only in this variant.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(text: impl ToString) -> Error {
    Error::General(text.to_string())
}

impl ServerCertVerifier for LeaderVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let domain = match &self.trust {
            Trust::Roots(roots, domain) => {
                self.check_chain(roots, end_entity, intermediates, now)?;
                Some(domain)
            }
            Trust::CaKey(ca_key) => {
                let roots = pinned(*ca_key, intermediates)?;
                self.check_chain(&roots, end_entity, intermediates, now)?;
                None
            }
        };
        check_identity(end_entity, domain).map_err(words)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        Some(&self.names)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
