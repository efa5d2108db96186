//! The fleet's certificate authority.

use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::choice::common_name;
use super::identity::{not_after, parse, uri_name};
use super::keys::{generate_p256, p256, random, spki_digest};
use super::{NodeCsr, PkiError, TlsIdentity};
use crate::types::{CA_LIFE, CERTIFICATE_LIFE, Digest, NodeName, Secret, Span, SpiffeId, Time, TrustDomain};

/// How long before its making a certificate is good already, for clocks that are behind.
const BACKDATED: Span = Span::mins(5);

/// A new CA: its certificate, which is public, and its private half, which the keystore seals.
#[derive(Debug)]
pub struct Ca {
    /// The self-signed certificate.
    pub certificate: CaCertificate,
    /// The private half, PKCS#8 DER.
    pub private: Secret,
}

impl Ca {
    /// Makes a CA of `trust_domain`: P-256, for five years from `now`.
    pub fn new(trust_domain: &TrustDomain, now: Time) -> Result<Self, PkiError> {
        let private = generate_p256()?;
        let key = p256("the CA's key", &private)?;
        // SPIFFE's X.509-SVID, section 3: a signing certificate has the trust domain for a name, without a path.
        let mut params = params(
            &common_name(spki_digest(&key)),
            &format!("spiffe://{trust_domain}"),
            now,
            CA_LIFE,
        )?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let der = params.self_signed(&*key)?.der().clone();
        let certificate = CaCertificate::from_der(der)?;
        Ok(Self { certificate, private })
    }
}

/// The certificate of a fleet's CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    trust_domain: TrustDomain,
    key: Digest,
    not_after: Time,
}

impl CaCertificate {
    /// Reads `der`.
    ///
    /// # Errors
    /// It isn't a CA's certificate, or its one URI name isn't `spiffe://<trust domain>`.
    pub fn from_der(der: CertificateDer<'static>) -> Result<Self, PkiError> {
        let certificate = parse(&der)?;
        if !certificate.is_ca() {
            return Err(PkiError::Certificate("it is not a CA's".to_owned()));
        }
        let name = uri_name(&certificate)?;
        let trust_domain = name.strip_prefix("spiffe://").unwrap_or(name).parse()?;
        let key = Digest::of(certificate.public_key().raw);
        let not_after = not_after(&certificate);
        Ok(Self {
            der,
            trust_domain,
            key,
            not_after,
        })
    }

    /// Reads the form in which it is stored and sent: DER in base64.
    ///
    /// # Errors
    /// It isn't that, or as for [`Self::from_der`].
    pub fn from_base64(text: &str) -> Result<Self, PkiError> {
        let der = STANDARD.decode(text).map_err(|why| PkiError::Certificate(why.to_string()))?;
        Self::from_der(der.into())
    }

    /// That form.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The certificate, DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The trust domain that it speaks for.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// SHA-256 of its `SubjectPublicKeyInfo`: what a join token pins.
    #[must_use]
    pub fn key(&self) -> Digest {
        self.key
    }

    /// The last instant at which it is good.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.not_after
    }
}

/// A CA that can sign.
#[derive(Debug)]
pub struct CaSigner {
    certificate: CaCertificate,
    key: Zeroizing<KeyPair>,
}

impl CaSigner {
    /// Takes the CA's certificate and its private half, PKCS#8 DER.
    ///
    /// # Errors
    /// The private half can't be read, or isn't that of the certificate.
    pub fn load(certificate: CaCertificate, private: &Secret) -> Result<Self, PkiError> {
        let key = p256("the CA's key", private)?;
        if spki_digest(&key) != certificate.key {
            return Err(PkiError::KeyMismatch("the CA"));
        }
        Ok(Self { certificate, key })
    }

    /// The CA's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// A certificate for `node`, for the key in `csr`: for clients only, for 30 days. Gives the chain, the node's own certificate first.
    pub fn issue_node(&self, node: &NodeName, csr: &NodeCsr, now: Time) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let id = SpiffeId::Node(self.certificate.trust_domain.clone(), node.clone());
        self.issue(node.as_str(), &id, ExtendedKeyUsagePurpose::ClientAuth, &csr.public_key, now)
    }

    /// A new key and certificate for the leader: for servers only, for 30 days.
    pub fn issue_leader(&self, now: Time) -> Result<TlsIdentity, PkiError> {
        let id = SpiffeId::Leader(self.certificate.trust_domain.clone());
        let key = generate_p256()?;
        let public = p256("the leader's TLS key", &key)?;
        let chain = self.issue("leader", &id, ExtendedKeyUsagePurpose::ServerAuth, &*public, now)?;
        Ok(TlsIdentity { chain, key })
    }

    pub(super) fn issue(
        &self,
        name: &str,
        id: &SpiffeId,
        usage: ExtendedKeyUsagePurpose,
        public: &impl PublicKeyData,
        now: Time,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let mut params = params(name, &id.to_string(), now, CERTIFICATE_LIFE)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der, &*self.key)?;
        let own = params.signed_by(public, &issuer)?.der().clone();
        Ok(vec![own, self.certificate.der.clone()])
    }
}

fn params(name: &str, uri: &str, now: Time, life: Span) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
    params.not_before = (UNIX_EPOCH + Span((now - BACKDATED).0).std()).into();
    params.not_after = (UNIX_EPOCH + Span((now + life).0).std()).into();
    // RFC 5280, section 4.1.2.2: positive, so the first bit is 0.
    let mut serial = random::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(serial.as_slice()));
    Ok(params)
}
