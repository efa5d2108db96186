//! Who is who in the fleet: its CA, join tokens, certificate requests, certificates, and the TLS configurations that rest on them.
//!
//! Nothing here reads a clock but the TLS handshake, which asks [`Clock`](crate::clock::Clock). Certificates are public and kept as DER; private
//! halves are PKCS#8 in a [`Secret`](crate::types::Secret).

mod ca;
mod choice;
mod csr;
mod error;
mod identity;
mod keys;
mod membership;
mod pem;
mod renewable;
mod tls;
mod token;
mod verify;

pub use ca::{Ca, CaCertificate, CaSigner};
pub use csr::NodeCsr;
pub use error::PkiError;
pub use identity::{PeerIdentity, TlsIdentity};
pub use keys::NodeKeys;
pub use membership::Membership;
pub use pem::{certificates_from_pem, certificates_to_pem, private_key_from_pem, private_key_to_pem};
pub use rustls::pki_types::CertificateDer;
pub use tls::{enroll_client_config, node_client_config, server_config, time_of};
pub use token::{JoinToken, TokenError, TokenSecret};

#[cfg(test)]
mod tests;
