//! Enrolling and renewing: protobuf messages to domain types and back.

use super::convert::WireError;
use super::fleet::PROTOCOL_VERSION;
use super::proto;
use crate::pki::{CaCertificate, CertificateDer, JoinToken, Membership, NodeCsr, NodeKeys, PkiError, TokenSecret};
use crate::types::NodeName;

/// A node's wish to join, as the leader gets it. Nothing in it is proved but that the sender holds the key of the request.
#[derive(Debug)]
pub struct EnrollCall {
    /// The newest version of the protocol that the node speaks.
    pub protocol_version: u32,
    /// The token's secret.
    pub secret: TokenSecret,
    /// The name that the token was made for.
    pub node: NodeName,
    /// The checked request for a certificate.
    pub csr: NodeCsr,
    /// The node's Ed25519 witness key.
    pub witness_public_key: [u8; 32],
}

impl proto::EnrollRequest {
    /// What a node with these keys sends.
    ///
    /// # Errors
    /// The keys are damaged.
    pub fn new(token: &JoinToken, keys: &NodeKeys) -> Result<Self, PkiError> {
        Ok(Self {
            protocol_version: PROTOCOL_VERSION,
            token_secret: token.secret.expose().to_vec(),
            node_name: token.node.to_string(),
            csr_der: keys.csr_der()?,
            witness_public_key: keys.witness_public_key()?.to_vec(),
        })
    }
}

impl TryFrom<proto::EnrollRequest> for EnrollCall {
    type Error = WireError;

    fn try_from(request: proto::EnrollRequest) -> Result<Self, WireError> {
        Ok(Self {
            secret: TokenSecret::from_bytes(request.token_secret)?,
            protocol_version: request.protocol_version,
            node: request.node_name.parse()?,
            csr: NodeCsr::parse(&request.csr_der)?,
            witness_public_key: ed25519("witness_public_key", &request.witness_public_key)?,
        })
    }
}

impl TryFrom<proto::RenewRequest> for NodeCsr {
    type Error = WireError;

    fn try_from(request: proto::RenewRequest) -> Result<Self, WireError> {
        Ok(Self::parse(&request.csr_der)?)
    }
}

impl From<Membership> for proto::EnrollResponse {
    fn from(membership: Membership) -> Self {
        Self {
            certificate_chain_der: bytes(&membership.chain),
            ca_roots_der: membership.roots.iter().map(|root| root.der().to_vec()).collect(),
            trust_domain: membership.trust_domain.into(),
            log_public_key: membership.log_public_key.to_vec(),
        }
    }
}

/// Read, but not yet checked: that is [`Membership::enrolled`].
impl TryFrom<proto::EnrollResponse> for Membership {
    type Error = WireError;

    fn try_from(response: proto::EnrollResponse) -> Result<Self, WireError> {
        Ok(Self {
            chain: certificates(response.certificate_chain_der),
            roots: roots(response.ca_roots_der)?,
            trust_domain: response.trust_domain.parse()?,
            log_public_key: ed25519("log_public_key", &response.log_public_key)?,
        })
    }
}

impl From<Membership> for proto::RenewResponse {
    fn from(membership: Membership) -> Self {
        Self {
            certificate_chain_der: bytes(&membership.chain),
        }
    }
}

impl proto::RenewResponse {
    /// The membership that follows on `before`: a renewal changes nobody whom the node trusts. Read, but not yet checked: that is
    /// [`Membership::check`].
    #[must_use]
    pub fn renewed(self, before: &Membership) -> Membership {
        Membership {
            chain: certificates(self.certificate_chain_der),
            ..before.clone()
        }
    }
}

fn bytes(chain: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    chain.iter().map(|der| der.to_vec()).collect()
}

fn certificates(chain: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
    chain.into_iter().map(CertificateDer::from).collect()
}

fn roots(roots: Vec<Vec<u8>>) -> Result<Vec<CaCertificate>, WireError> {
    let read = |der: Vec<u8>| CaCertificate::from_der(der.into()).map_err(WireError::Pki);
    roots.into_iter().map(read).collect()
}

fn ed25519(field: &'static str, bytes: &[u8]) -> Result<[u8; 32], WireError> {
    bytes
        .try_into()
        .map_err(|_| WireError::field(field, "an Ed25519 key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Ca, CaSigner};
    use crate::types::Time;

    const NOW: Time = Time(1_795_413_904_123);

    fn joined() -> (JoinToken, NodeKeys, Membership) {
        let domain = "op.example".parse().unwrap();
        let ca = Ca::new(&domain, NOW).unwrap();
        let signer = CaSigner::load(ca.certificate, &ca.private).unwrap();
        let token = JoinToken {
            addresses: vec!["leader.example:7443".parse().unwrap()],
            ca_key: signer.certificate().key(),
            log_public_key: [9; 32],
            node: "vm-1".parse().unwrap(),
            secret: TokenSecret::generate().unwrap(),
        };
        let keys = NodeKeys::generate().unwrap();
        let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
        let membership = Membership {
            chain: signer.issue_node(&token.node, &csr, NOW).unwrap(),
            roots: vec![signer.certificate().clone()],
            trust_domain: domain,
            log_public_key: token.log_public_key,
        };
        (token, keys, membership)
    }

    #[test]
    fn an_enrollment_survives_the_wire() {
        let (token, keys, membership) = joined();
        let call = EnrollCall::try_from(proto::EnrollRequest::new(&token, &keys).unwrap()).unwrap();
        assert_eq!((call.secret.hash(), &call.node), (token.secret.hash(), &token.node));
        assert_eq!(call.witness_public_key, keys.witness_public_key().unwrap());

        let answer = Membership::try_from(proto::EnrollResponse::from(membership.clone())).unwrap();
        assert_eq!(answer, membership);
        assert_eq!(answer.enrolled(&token, &keys, NOW).unwrap().1.key, call.csr.key());
        let renewed = proto::RenewResponse::from(membership.clone()).renewed(&membership);
        assert_eq!(renewed, membership);
    }

    #[test]
    fn an_enrollment_that_makes_no_sense_is_refused() {
        let (token, keys, _) = joined();
        let refused = |change: &dyn Fn(&mut proto::EnrollRequest)| {
            let mut request = proto::EnrollRequest::new(&token, &keys).unwrap();
            change(&mut request);
            EnrollCall::try_from(request).is_err()
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|request| request.token_secret.truncate(31)));
        assert!(refused(&|request| request.node_name = "../x".into()));
        assert!(refused(&|request| request.csr_der.truncate(50)));
        assert!(refused(&|request| request.witness_public_key.push(0)));
    }
}
