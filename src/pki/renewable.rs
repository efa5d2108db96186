//! How the leader checks a node's certificate. One that has ended is let through for a while, to renew it and for nothing else. One that is
//! not good yet is: only the fleet's own CA has signed it, so the leader's clock was further on than it is, and nobody is to be cut off
//! by that.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::PeerIdentity;
use super::tls::unix_time;
use crate::types::{RENEWABLE_FOR, Time};

/// Checks as the verifier in it does, but for the time of a certificate.
#[derive(Debug)]
pub(super) struct Renewable(pub(super) Arc<dyn ClientCertVerifier>);

/// When a certificate is last good that is not over for too long at `now`.
fn last_good(own: &CertificateDer<'_>, now: UnixTime) -> Option<Time> {
    let until = PeerIdentity::from_certificate(own).ok()?.not_after;
    (now <= unix_time(until + RENEWABLE_FOR)).then_some(until)
}

impl ClientCertVerifier for Renewable {
    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(own, rest, now);
        let is_of_another_time = matches!(
            verified,
            Err(Error::InvalidCertificate(
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            ))
        );
        match last_good(own, now).filter(|_| is_of_another_time) {
            Some(until) => self.0.verify_client_cert(own, rest, unix_time(until)),
            None => verified,
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
