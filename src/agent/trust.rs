//! Whom a node trusts, and what it says of that and of its own certificate.

use tokio::sync::watch;

use super::core::{NamedCas, Status};
use super::papers::{self, Papers, PapersError};
use crate::lifecycle;
use crate::pki::CaCertificate;
use crate::types::{Digest, Generation, Time};

/// What is on the disk of the node's papers that matters to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The CA that the join token named.
    roots: Vec<CaCertificate>,
    /// The newest generation that was known then.
    known: Generation,
    certified_by: Digest,
    good_until: Time,
}

impl Held {
    pub(super) fn of(papers: &Papers) -> Result<Self, PapersError> {
        Ok(Self {
            roots: papers.membership.roots.clone(),
            known: papers.known,
            certified_by: papers.certified_by()?,
            good_until: papers.not_after()?,
        })
    }

    /// The CAs that the node trusts: those that its newest generation names, which the log has proved, or the one that its token named.
    ///
    /// The token counts where no generation names CAs, and where the node knew the generation before it was enrolled and that CA is not in
    /// it: the fleet has gone on since, or its leader was set back.
    pub(super) fn roots(&self, named: &NamedCas) -> Vec<CaCertificate> {
        let goes_on = |cas: &Vec<CaCertificate>| {
            named.generation > self.known || cas.iter().any(|ca| self.roots.iter().any(|root| root.key() == ca.key()))
        };
        let by_generation = papers::cas(&named.certificates).filter(|cas| !cas.is_empty() && goes_on(cas));
        by_generation.unwrap_or_else(|| self.roots.clone())
    }

    /// What the leader is told.
    pub(super) fn told(&self, named: &NamedCas) -> lifecycle::Papers {
        lifecycle::Papers {
            trusts: self.roots(named).iter().map(CaCertificate::key).collect(),
            certified_by: self.certified_by,
            good_until: self.good_until,
        }
    }
}

/// The CAs that the node's generation names, once its shell knows it.
pub(super) async fn named(status: &mut watch::Receiver<Status>) -> NamedCas {
    loop {
        if let Some(named) = status.borrow_and_update().cas.clone() {
            return named;
        }
        if status.changed().await.is_err() {
            // Without a shell nobody waits for an answer.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Ca;

    fn ca() -> CaCertificate {
        Ca::new(&"op.example".parse().unwrap(), Time(1_800_000_000_000))
            .unwrap()
            .certificate
    }

    fn named(generation: u64, cas: &[&CaCertificate]) -> NamedCas {
        NamedCas {
            generation: Generation(generation),
            certificates: cas.iter().map(|ca| ca.to_base64()).collect(),
        }
    }

    #[test]
    fn a_node_trusts_what_its_newest_generation_names_unless_its_token_is_newer() {
        let (old, new) = (ca(), ca());
        let held = Held {
            roots: vec![old.clone()],
            known: Generation(5),
            certified_by: old.key(),
            good_until: Time(9),
        };
        let by_token = [old.clone()];
        assert_eq!(held.roots(&NamedCas::default()), by_token);
        assert_eq!(held.roots(&named(5, &[&old, &new])), [old.clone(), new.clone()]);
        let by_generation = std::slice::from_ref(&new);
        assert_eq!(
            held.roots(&named(6, &[&new])),
            by_generation,
            "one that is dropped is not kept"
        );
        assert_eq!(
            held.roots(&named(5, &[&new])),
            by_token,
            "what it knew before it was enrolled anew"
        );
        assert_eq!(held.roots(&named(6, &[])), by_token);
        let told = held.told(&named(6, &[&new]));
        assert_eq!((told.trusts, told.certified_by), ([new.key()].into(), old.key()));
    }
}
