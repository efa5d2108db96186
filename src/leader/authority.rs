//! The fleet's CAs in use: what signs certificates, what is trusted, and what tokens carry.

use std::collections::BTreeMap;

use super::founding::FoundingError;
use crate::keystore::{Keystore, KeystoreError, SecretName};
use crate::lifecycle::{CaFacts, CaPhase, Fleet, State};
use crate::pki::{Ca, CaCertificate, CaSigner, PkiError, TlsIdentity};
use crate::types::{Secret, Time, TrustDomain};

/// The CAs as a state has them.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) fleet: Fleet,
    /// Every CA that is trusted, oldest first.
    pub(super) roots: Vec<CaCertificate>,
    /// The CAs that have something to sign, by number: the one that signs and, as long as it is trusted, the one before.
    signers: BTreeMap<u32, CaSigner>,
    signing: u32,
}

impl Authority {
    /// Reads the CAs of a founded keystore.
    ///
    /// # Errors
    /// The keystore was never founded, or founded as another fleet; or a CA can't be used.
    pub(super) fn load(keystore: &Keystore, state: &State, configured: &TrustDomain) -> Result<Self, FoundingError> {
        let secret = |number: u32| match keystore.secret(&SecretName::Ca(number)) {
            Ok(secret) => Ok(Some(secret)),
            Err(KeystoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        };
        Self::of(state, configured, secret)
    }

    /// The same with private halves that may be anywhere.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) fn of(
        state: &State,
        configured: &TrustDomain,
        secret: impl Fn(u32) -> Result<Option<Secret>, KeystoreError>,
    ) -> Result<Self, FoundingError> {
        let fleet = state.fleet.clone().ok_or(FoundingError::NotFounded)?;
        if fleet.trust_domain != *configured {
            return Err(FoundingError::TrustDomain {
                configured: configured.clone(),
                founded: fleet.trust_domain,
            });
        }
        let known = state.authority.trusted();
        let mut cas: Vec<(u32, &str, CaPhase)> = known.map(|ca| (ca.facts.number, ca.certificate.as_str(), ca.phase)).collect();
        if cas.is_empty() {
            cas.push((fleet.ca_number, &fleet.ca_certificate, CaPhase::Signing));
        }
        let (mut roots, mut signers, mut signing) = (Vec::new(), BTreeMap::new(), fleet.ca_number);
        for (number, certificate, phase) in cas {
            let certificate = CaCertificate::from_base64(certificate)?;
            roots.push(certificate.clone());
            if phase == CaPhase::Signing {
                signing = number;
            }
            if let Some(private) = secret(number)?.filter(|_| phase != CaPhase::Made) {
                signers.insert(number, CaSigner::load(certificate, &private)?);
            }
        }
        if !signers.contains_key(&signing) {
            return Err(FoundingError::LostCa(signing));
        }
        Ok(Self {
            fleet,
            roots,
            signers,
            signing,
        })
    }

    /// The CA that signs.
    pub(super) fn signer(&self) -> &CaSigner {
        &self.signers[&self.signing]
    }

    /// That CA, if it has this number.
    pub(super) fn signer_if(&self, number: u32) -> Option<&CaSigner> {
        (number == self.signing).then(|| self.signer())
    }

    /// What a record says of it.
    pub(super) fn facts(&self) -> CaFacts {
        facts(self.signing, self.signer().certificate())
    }

    /// New certificates for the leader, each with a key of its own: one of each CA that a node may know, oldest first.
    pub(super) fn certify_leader(&self, now: Time) -> Result<Vec<TlsIdentity>, PkiError> {
        self.signers.values().map(|signer| signer.issue_leader(now)).collect()
    }
}

/// What a record says of a CA.
fn facts(number: u32, certificate: &CaCertificate) -> CaFacts {
    CaFacts {
        number,
        key: certificate.key(),
        good_until: certificate.not_after(),
    }
}

/// A CA that was just made.
pub(super) struct NewCa {
    pub(super) facts: CaFacts,
    /// DER in base64.
    pub(super) certificate: String,
    pub(super) private: Secret,
}

impl NewCa {
    pub(super) fn make(number: u32, trust_domain: &TrustDomain, now: Time) -> Result<Self, PkiError> {
        let Ca { certificate, private } = Ca::new(trust_domain, now)?;
        Ok(Self {
            facts: facts(number, &certificate),
            certificate: certificate.to_base64(),
            private,
        })
    }
}
