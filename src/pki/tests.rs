//! Tests by attack: who may speak as whom, and what is refused.

mod handshake;
mod papers;

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use super::*;
use crate::clock::{Clock, Stepper};
use crate::types::{Digest, NodeName, Time, TrustDomain};

const NOW: Time = Time(1_795_413_904_123);

/// A fleet with one CA, and a clock that stands still.
struct Fleet {
    domain: TrustDomain,
    signer: CaSigner,
    clock: Clock,
    stepper: Stepper,
}

impl Fleet {
    fn new() -> Self {
        let domain: TrustDomain = "op.example".parse().unwrap();
        let (clock, stepper) = Clock::stepped(NOW);
        let ca = Ca::new(&domain, NOW).unwrap();
        Self {
            signer: CaSigner::load(ca.certificate, &ca.private).unwrap(),
            domain,
            clock,
            stepper,
        }
    }

    fn roots(&self) -> Vec<CaCertificate> {
        vec![self.signer.certificate().clone()]
    }

    fn leader(&self) -> TlsIdentity {
        self.signer.issue_leader(NOW).unwrap()
    }

    fn node(&self) -> TlsIdentity {
        let keys = NodeKeys::generate().unwrap();
        let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
        TlsIdentity {
            chain: self.signer.issue_node(&name("vm-1"), &csr, NOW).unwrap(),
            key: keys.into_tls(),
        }
    }

    fn serve(&self, identity: &TlsIdentity) -> Arc<ServerConfig> {
        server_config(std::slice::from_ref(identity), &self.roots(), &self.clock).unwrap()
    }

    fn dial(&self, identity: &TlsIdentity) -> Arc<ClientConfig> {
        node_client_config(identity, &self.roots(), &self.domain, &self.clock).unwrap()
    }

    fn token(&self) -> JoinToken {
        JoinToken {
            addresses: vec!["leader.example:7443".parse().unwrap()],
            ca_key: self.signer.certificate().key(),
            log_public_key: [9; 32],
            node: name("vm-1"),
            secret: TokenSecret::generate().unwrap(),
        }
    }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn other_digest() -> Digest {
    Digest([0; 32])
}
