//! What a node is given when it joins or renews, and how it checks that.

use rustls::pki_types::CertificateDer;

use super::tls::{client_verifier, unix_time};
use super::{CaCertificate, JoinToken, NodeKeys, PeerIdentity, PkiError};
use crate::types::{NodeName, SpiffeId, Time, TrustDomain};

/// A node's papers. All of it is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The node's own certificate, then its issuer.
    pub chain: Vec<CertificateDer<'static>>,
    /// In the leader's answer the fleet's CAs; of an enrolled node the one that its token named.
    pub roots: Vec<CaCertificate>,
    /// The fleet's trust domain.
    pub trust_domain: TrustDomain,
    /// The audit log's Ed25519 key.
    pub log_public_key: [u8; 32],
}

impl Membership {
    /// Checks the answer to an enrollment against the token and the keys that it was asked for with. Of the CAs that it gives only the one
    /// that the token names is kept: the others rest on the word of whoever answered, until a generation names them.
    ///
    /// # Errors
    /// The answer isn't what the token promised, or the certificate isn't good at `now` for this node and key.
    pub fn enrolled(mut self, token: &JoinToken, keys: &NodeKeys, now: Time) -> Result<(Self, PeerIdentity), PkiError> {
        if !self.roots.iter().any(|root| root.key() == token.ca_key) {
            return Err(PkiError::Answer("the CA that the token names is not among those it gives"));
        }
        if self.log_public_key != token.log_public_key {
            return Err(PkiError::Answer("its log has another key than the token names"));
        }
        let identity = self.check_under(&self.roots, &token.node, keys, now)?;
        self.roots.retain(|root| root.key() == token.ca_key);
        Ok((self, identity))
    }

    /// Checks a certificate chain: that it is good at `now`, for this node and these keys, under the CA that came along. Nothing is said of
    /// that CA. Also for papers read back from disk.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(&self, node: &NodeName, keys: &NodeKeys, now: Time) -> Result<PeerIdentity, PkiError> {
        self.check_under(&[self.issuer()?], node, keys, now)
    }

    /// The CA that the certificate is signed with, as it came along.
    ///
    /// # Errors
    /// It did not, or can't be read.
    pub fn issuer(&self) -> Result<CaCertificate, PkiError> {
        let issuer = self
            .chain
            .get(1)
            .ok_or(PkiError::Answer("it gives no certificate of its CA"))?;
        CaCertificate::from_der(issuer.clone())
    }

    fn check_under(&self, cas: &[CaCertificate], node: &NodeName, keys: &NodeKeys, now: Time) -> Result<PeerIdentity, PkiError> {
        if cas.iter().any(|ca| *ca.trust_domain() != self.trust_domain) {
            return Err(PkiError::Answer("a CA that it gives is another trust domain's"));
        }
        let (own, rest) = self.chain.split_first().ok_or(PkiError::Answer("it gives no certificate"))?;
        let verified = client_verifier(cas)?.verify_client_cert(own, rest, unix_time(now));
        verified.map_err(|why| PkiError::Tls(why.to_string()))?;
        let identity = PeerIdentity::from_certificate(own)?;
        let wanted = SpiffeId::Node(self.trust_domain.clone(), node.clone());
        if identity.id != wanted {
            let found = identity.id;
            return Err(PkiError::Identity { found, wanted });
        }
        if identity.key != keys.tls_digest()? {
            return Err(PkiError::KeyMismatch("the node"));
        }
        Ok(identity)
    }
}
