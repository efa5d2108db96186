//! A node's identity on its disk: who it is, its keys, its certificate, and which leader it belongs to.
//!
//! ```text
//! identity.json             names the keys below; replacing it is the one step that changes the identity, 0600
//! keys/tls-KEY.pem          the P-256 key of the certificate, KEY being the start of its digest, 0600
//! keys/witness-KEY.pem      the Ed25519 key that cosigns checkpoints, 0600
//! ```

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::blocking::blocking;
use super::folder;
use crate::audit::{NoteKey, origin};
use crate::durable::{self, DurableError, FileAttrs};
use crate::pki::{
    CaCertificate, CertificateDer, Membership, NodeKeys, PeerIdentity, PkiError, TlsIdentity, private_key_from_pem,
    private_key_to_pem,
};
use crate::types::{Digest, Generation, HostPort, NodeName, Secret, Time, TrustDomain, WitnessKey};

/// Names the keys, and holds the rest.
const IDENTITY: &str = "identity.json";
/// The schema that this build writes.
const SCHEMA: u32 = 1;

/// Why a node's identity can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// The node has not joined.
    #[error("this node has not joined a fleet: run `jkeys enroll TOKEN` with a token of `jkeys node token NAME`")]
    NotEnrolled,
    /// A file can't be read.
    #[error("{path} can't be read: {why}; the agent's own account must own it")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path} is damaged ({why}): join again, with `jkeys enroll TOKEN`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file can't be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// A node's identity.
#[derive(Debug)]
pub struct Papers {
    /// Its name.
    pub node: NodeName,
    /// Where its leader is.
    pub addresses: Vec<HostPort>,
    /// Its certificate, and the CA that its token named.
    pub membership: Membership,
    /// The newest generation that this machine knew when it was enrolled.
    pub known: Generation,
    /// Its own keys, which never leave it.
    pub keys: NodeKeys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    schema: u32,
    node: NodeName,
    leader_addresses: Vec<HostPort>,
    trust_domain: TrustDomain,
    log_public_key: WitnessKey,
    certificate_chain: Vec<String>,
    ca_roots: Vec<String>,
    #[serde(default)]
    ca_generation: Generation,
    keys: String,
}

impl Stored {
    fn read(folder: &Path) -> Result<Self, PapersError> {
        let path = folder.join(IDENTITY);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Err(PapersError::NotEnrolled),
            Err(why) => return Err(PapersError::Read { path, why }),
        };
        let stored: Self = serde_json::from_slice(&bytes).map_err(|why| damaged(folder, why.to_string()))?;
        if stored.schema > SCHEMA {
            let why = format!("its schema is {}, and this release knows {SCHEMA}", stored.schema);
            return Err(damaged(folder, why));
        }
        Ok(stored)
    }

    fn chain(&self, folder: &Path) -> Result<Vec<CertificateDer<'static>>, PapersError> {
        certificates(&self.certificate_chain).ok_or_else(|| damaged(folder, "a certificate is cut".to_owned()))
    }
}

fn damaged(folder: &Path, why: String) -> PapersError {
    let path = folder.join(IDENTITY);
    PapersError::Damaged { path, why }
}

/// The last instant at which the certificate under `folder` is good, or was. No key is read for it.
///
/// # Errors
/// As [`Papers::load`].
pub(super) fn certified_until(folder: &Path) -> Result<Time, PapersError> {
    not_after(&Stored::read(folder)?.chain(folder)?)
}

fn not_after(chain: &[CertificateDer<'_>]) -> Result<Time, PapersError> {
    let own = chain.first().ok_or(PapersError::NotEnrolled)?;
    Ok(PeerIdentity::from_certificate(own)?.not_after)
}

impl Papers {
    /// Reads the identity under `folder`.
    ///
    /// # Errors
    /// [`PapersError::NotEnrolled`] where there is none; anything that can't be read or is damaged.
    pub fn load(folder: &Path) -> Result<Self, PapersError> {
        let stored = Stored::read(folder)?;
        let membership = Membership {
            chain: stored.chain(folder)?,
            roots: cas(&stored.ca_roots).ok_or_else(|| damaged(folder, "a CA's certificate is cut".to_owned()))?,
            trust_domain: stored.trust_domain,
            log_public_key: stored.log_public_key.0,
        };
        let key = |kind: &str| read_key(&folder.join(folder::KEYS).join(format!("{kind}-{}.pem", stored.keys)));
        let keys = NodeKeys::load(key("tls")?, key("witness")?)?;
        Ok(Self {
            node: stored.node,
            addresses: stored.leader_addresses,
            membership,
            known: stored.ca_generation,
            keys,
        })
    }

    /// Makes this the node's identity, durably, for whoever owns the folder. Keys of an identity before it are removed.
    ///
    /// # Errors
    /// Something can't be written: the identity before it stands.
    pub fn store(&self, folder: &Path) -> Result<(), PapersError> {
        folder::as_its_owner(folder, || self.write(folder))
    }

    fn write(&self, folder: &Path) -> Result<(), PapersError> {
        let private = FileAttrs::mode(0o600);
        let keys = folder.join(folder::KEYS);
        let name = self.keys_name()?;
        for (kind, key) in [("tls", self.keys.tls()), ("witness", self.keys.witness())] {
            durable::write_file(
                &keys.join(format!("{kind}-{name}.pem")),
                private_key_to_pem(key).expose(),
                &private,
            )?;
        }
        let json = crate::audit::canonical(&self.stored(name.clone()));
        durable::write_file(&folder.join(IDENTITY), &json, &private)?;
        remove_other_keys(&keys, &name)
    }

    /// The fleet, known by the public key of its log.
    #[must_use]
    pub fn fleet(&self) -> WitnessKey {
        WitnessKey(self.membership.log_public_key)
    }

    /// The key of the fleet's audit log.
    #[must_use]
    pub fn log(&self) -> NoteKey {
        NoteKey::of_log(&origin(&self.membership.trust_domain), self.fleet())
    }

    /// What the node shows in a TLS handshake.
    #[must_use]
    pub fn tls_identity(&self) -> TlsIdentity {
        let key = Secret::new(self.keys.tls().expose().to_vec());
        TlsIdentity {
            chain: self.membership.chain.clone(),
            key,
        }
    }

    /// Until when the certificate is good.
    ///
    /// # Errors
    /// The certificate can't be read, or isn't this node's.
    pub fn good_until(&self, now: Time) -> Result<Time, PapersError> {
        Ok(self.membership.check(&self.node, &self.keys, now)?.not_after)
    }

    /// The last instant at which the certificate is good, or was.
    ///
    /// # Errors
    /// The certificate can't be read.
    pub fn not_after(&self) -> Result<Time, PapersError> {
        not_after(&self.membership.chain)
    }

    /// The CA that the certificate is signed with, by SHA-256 of its public key.
    ///
    /// # Errors
    /// The certificate of the CA did not come along, or can't be read.
    pub fn certified_by(&self) -> Result<Digest, PapersError> {
        Ok(self.membership.issuer()?.key())
    }

    fn keys_name(&self) -> Result<String, PapersError> {
        Ok(self.keys.tls_digest()?.to_string()[..16].to_owned())
    }

    fn stored(&self, keys: String) -> Stored {
        let text = |der: &CertificateDer| STANDARD.encode(der);
        Stored {
            schema: SCHEMA,
            node: self.node.clone(),
            leader_addresses: self.addresses.clone(),
            trust_domain: self.membership.trust_domain.clone(),
            log_public_key: self.fleet(),
            certificate_chain: self.membership.chain.iter().map(text).collect(),
            ca_roots: self.membership.roots.iter().map(CaCertificate::to_base64).collect(),
            ca_generation: self.known,
            keys,
        }
    }
}

/// [`Papers::load`] where blocking is allowed.
pub(super) async fn load(folder: &Path) -> Result<Papers, PapersError> {
    let folder = folder.to_owned();
    blocking(move || Papers::load(&folder)).await
}

/// [`Papers::store`] where blocking is allowed; gives them back.
pub(super) async fn store(papers: Papers, folder: &Path) -> Result<Papers, PapersError> {
    let folder = folder.to_owned();
    blocking(move || papers.store(&folder).map(|()| papers)).await
}

fn read_key(path: &Path) -> Result<Secret, PapersError> {
    let pem = std::fs::read(path).map_err(|why| PapersError::Read {
        path: path.to_owned(),
        why,
    })?;
    Ok(private_key_from_pem(&Secret::new(pem))?)
}

fn certificates(texts: &[String]) -> Option<Vec<CertificateDer<'static>>> {
    texts.iter().map(|text| Some(STANDARD.decode(text).ok()?.into())).collect()
}

/// CAs from their certificates, DER in base64; none where one of them can't be read.
pub(super) fn cas(texts: &[String]) -> Option<Vec<CaCertificate>> {
    texts.iter().map(|text| CaCertificate::from_base64(text).ok()).collect()
}

/// Private halves of an identity that is over must not stay.
fn remove_other_keys(keys: &Path, name: &str) -> Result<(), PapersError> {
    let read = |why| PapersError::Read {
        path: keys.to_owned(),
        why,
    };
    for entry in std::fs::read_dir(keys).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if !path.to_string_lossy().ends_with(&format!("-{name}.pem")) {
            durable::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Ca, CaSigner, NodeCsr};
    use crate::types::{Span, TrustDomain};

    const NOW: Time = Time(1_800_000_000_000);

    fn papers(name: &str) -> Papers {
        let domain: TrustDomain = "op.example".parse().unwrap();
        let ca = Ca::new(&domain, NOW).unwrap();
        let signer = CaSigner::load(ca.certificate.clone(), &ca.private).unwrap();
        let (node, keys): (NodeName, _) = (name.parse().unwrap(), NodeKeys::generate().unwrap());
        let chain = signer
            .issue_node(&node, &NodeCsr::parse(&keys.csr_der().unwrap()).unwrap(), NOW)
            .unwrap();
        let membership = Membership {
            chain,
            roots: vec![ca.certificate],
            trust_domain: domain,
            log_public_key: [7; 32],
        };
        Papers {
            node,
            addresses: vec!["leader:7443".parse().unwrap()],
            membership,
            known: Generation(7),
            keys,
        }
    }

    #[test]
    fn an_identity_survives_its_files_and_leaves_no_older_keys() {
        let folder = tempfile::tempdir().unwrap();
        papers("old").store(folder.path()).unwrap();
        let new = papers("new");
        new.store(folder.path()).unwrap();
        let read = Papers::load(folder.path()).unwrap();
        assert_eq!(read.membership, new.membership);
        assert_eq!((read.node.clone(), read.known), (new.node.clone(), new.known));
        assert_eq!(read.good_until(NOW + Span::hours(1)).unwrap(), new.good_until(NOW).unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("keys")).unwrap().count(), 2);
    }

    /// The agent's account, which somebody else has, exchanges `keys` for a link all the time.
    #[test]
    fn a_link_in_the_place_of_the_keys_has_root_remove_nothing_elsewhere() {
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
        use std::sync::atomic::{AtomicBool, Ordering};

        use rustix::fs::{CWD, RenameFlags, renameat_with};

        const AGENT: u32 = 54_321;
        if !rustix::process::geteuid().is_root() {
            return durable::small_disk::skipped(
                "a_link_in_the_place_of_the_keys_has_root_remove_nothing_elsewhere: the test is not root",
            );
        }
        let above = tempfile::tempdir().unwrap();
        std::fs::set_permissions(above.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (victim, folder) = (above.path().join("roots"), above.path().join("agent"));
        for new in [&victim, &folder] {
            std::fs::create_dir(new).unwrap();
        }
        chown(&folder, Some(AGENT), Some(AGENT)).unwrap();
        let papers = papers("node");
        papers.store(&folder).unwrap();
        let (keys, link) = (folder.join("keys"), folder.join("link"));
        symlink(&victim, &link).unwrap();
        durable::write_file(&victim.join("a"), b"a", &FileAttrs::mode(0o600)).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &keys, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let stored = (0..200).filter(|_| papers.store(&folder).is_ok()).count();
            is_over.store(true, Ordering::Relaxed);
            println!("stored {stored} of 200 times");
        });
        let left: Vec<_> = victim.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a"]);
    }

    #[test]
    fn a_node_without_an_identity_is_told_how_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Papers::load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("jkeys enroll"), "{refused}");
        durable::write_file(&folder.path().join("identity.json"), b"{", &FileAttrs::mode(0o600)).unwrap();
        let refused = Papers::load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("damaged") && refused.contains("join again"), "{refused}");
    }

    #[test]
    fn only_the_owner_may_read_the_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        papers("node").store(folder.path()).unwrap();
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path().join("keys")), 0o700);
        assert_eq!(mode(folder.path().join("identity.json")), 0o600);
        for key in std::fs::read_dir(folder.path().join("keys")).unwrap() {
            assert_eq!(mode(key.unwrap().path()), 0o600);
        }
    }
}
