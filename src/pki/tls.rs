//! The TLS configurations: TLS 1.3 only, ring, HTTP/2, no session resumption, and our own clock.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, DistinguishedName, RootCertStore, ServerConfig};

use super::choice::{Choice, subject};
use super::renewable::Renewable;
use super::verify::{LeaderVerifier, Trust};
use super::{CaCertificate, PkiError, TlsIdentity};
use crate::clock::Clock;
use crate::types::{Digest, Time, TrustDomain};

const HTTP2: &[u8] = b"h2";

/// The leader's side. A client certificate is optional here, and checked against `roots` where there is one; who needs one, and what one
/// that is over is still good for, is decided for each call.
///
/// `leader` is its certificates, of the oldest CA first: more than one while one CA takes over from another. A client is shown the newest that
/// it says it knows, and else the oldest.
///
/// # Errors
/// Certificate and key don't fit, or there is no certificate, or no root.
pub fn server_config(leader: &[TlsIdentity], roots: &[CaCertificate], clock: &Clock) -> Result<Arc<ServerConfig>, PkiError> {
    let own: Vec<CertifiedKey> = leader.iter().map(certified).collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(tls)?
        .with_client_cert_verifier(Arc::new(Renewable(client_verifier(roots)?)))
        .with_cert_resolver(Arc::new(Choice::new(own)?));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // A resumed session would skip the check of the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A node's side, with its certificate. The server must be the leader of `trust_domain`, under one of `roots`.
///
/// # Errors
/// Certificate and key don't fit, or there is no root.
pub fn node_client_config(
    node: &TlsIdentity,
    roots: &[CaCertificate],
    trust_domain: &TrustDomain,
    clock: &Clock,
) -> Result<Arc<ClientConfig>, PkiError> {
    let roots = root_store(roots)?;
    let names = roots.subjects();
    client(Trust::Roots(roots, trust_domain.clone()), names, clock, Some(node))
}

/// A new node's side, without a certificate. The server must be a leader under the CA whose public key has this hash.
///
/// # Errors
/// TLS can't be set up.
pub fn enroll_client_config(ca_key: Digest, clock: &Clock) -> Result<Arc<ClientConfig>, PkiError> {
    client(Trust::CaKey(ca_key), vec![subject(ca_key)?], clock, None)
}

fn client(
    trust: Trust,
    names: Vec<DistinguishedName>,
    clock: &Clock,
    own: Option<&TlsIdentity>,
) -> Result<Arc<ClientConfig>, PkiError> {
    let provider = provider();
    let verifier = LeaderVerifier::new(trust, names, provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_details(provider, time(clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified(own)?))),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Checks certificates of clients, and lets those without one in.
pub(super) fn client_verifier(roots: &[CaCertificate]) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(root_store(roots)?), provider())
        .allow_unauthenticated()
        .build()
        .map_err(tls)
}

fn root_store(roots: &[CaCertificate]) -> Result<RootCertStore, PkiError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.der().clone()).map_err(tls)?;
    }
    Ok(store)
}

pub(super) fn certified(identity: &TlsIdentity) -> Result<CertifiedKey, PkiError> {
    // Borrowed, so that no copy of the private half is left behind.
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.expose()));
    let key = ring::sign::any_ecdsa_type(&key).map_err(tls)?;
    let certified = CertifiedKey::new(identity.chain.clone(), key);
    certified.keys_match().map_err(tls)?;
    Ok(certified)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn tls(why: impl ToString) -> PkiError {
    PkiError::Tls(why.to_string())
}

/// An instant as rustls has it.
pub(super) fn unix_time(time: Time) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_millis(time.0))
}

/// The time by which a server checks certificates, in whole seconds.
#[must_use]
pub fn time_of(config: &ServerConfig) -> Option<Time> {
    let now = config.time_provider.current_time()?;
    Some(Time(now.as_secs() * 1000))
}

fn time(clock: &Clock) -> Arc<dyn TimeProvider> {
    Arc::new(OurTime(clock.clone()))
}

#[derive(Debug)]
struct OurTime(Clock);

impl TimeProvider for OurTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}
