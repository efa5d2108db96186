//! The CAs that a server's certificate may be of. They are read for each look and not kept: they change, and take memory.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A client that trusts the CAs of `ca_file`, or those of the system.
///
/// # Errors
/// There are none to be read, in words.
pub(super) fn load(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => add_own(path, &mut roots)?,
        None => add_systems(&mut roots)?,
    }
    let versions = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let mut config = versions
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn add_own(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let shown = path.display();
    let unread = |why| format!("the CAs of a [[probe]], {shown}, can't be read: {why}; write certificates in PEM there");
    let certificates = CertificateDer::pem_file_iter(path).map_err(|why| unread(why.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|why| unread(why.to_string()))?;
        roots.add(certificate).map_err(|why| unread(why.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unread("there is no certificate in it".to_owned()));
    }
    Ok(())
}

fn add_systems(roots: &mut RootCertStore) -> Result<(), String> {
    let found = rustls_native_certs::load_native_certs();
    // Some of a system's CAs are often too old to be used.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|why| format!(" ({why})")).unwrap_or_default();
        return Err(format!(
            "this system trusts no CA{why}, so no probe over https can succeed: install the package ca-certificates, or set `ca_file` of \
             the [[probe]]"
        ));
    }
    Ok(())
}
