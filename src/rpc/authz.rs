//! Who may call what: one table for every method of every service.

use tonic::Status;

use super::status::{ErrorKind, Failure};
use crate::pki::PeerIdentity;
use crate::types::{Actor, Digest, NodeName, SpiffeId, Time, TrustDomain};

/// Who is at the other end of a connection. Made once for each connection, from what the transport has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Over TLS, without a certificate.
    Anonymous,
    /// Over TLS, with a node's certificate. Whether this very key is still welcome, the node table says.
    Node {
        /// The node's name.
        name: NodeName,
        /// SHA-256 of the `SubjectPublicKeyInfo` of its certificate.
        key: Digest,
        /// Until when its certificate is good.
        not_after: Time,
        /// Whether it was over when the connection was made: it can be renewed then, and nothing else.
        is_over: bool,
    },
    /// Over TLS, with a leader's certificate.
    Leader,
    /// On the leader's machine, over the Unix socket.
    Local {
        /// The user id.
        uid: u32,
        /// The primary group id.
        gid: u32,
        /// The account's name, or the number again where it has none.
        account: String,
    },
}

impl Caller {
    /// Who shows that certificate, to a leader of `domain`, at `now`.
    ///
    /// # Errors
    /// It speaks for another trust domain.
    pub fn from_certificate(identity: PeerIdentity, domain: &TrustDomain, now: Time) -> Result<Self, Denied> {
        match identity.id {
            SpiffeId::Node(theirs, name) if theirs == *domain => Ok(Self::Node {
                name,
                key: identity.key,
                not_after: identity.not_after,
                is_over: identity.not_after < now,
            }),
            SpiffeId::Leader(theirs) if theirs == *domain => Ok(Self::Leader),
            other => Err(Denied::Domain(other)),
        }
    }

    /// Who made that request. The authorisation layer has put it there.
    ///
    /// # Errors
    /// The request didn't come through one of this module's servers.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Status> {
        let unknown = || Failure::new(ErrorKind::Internal, "the caller of this connection is not known");
        request.extensions().get::<Self>().ok_or_else(|| unknown().into())
    }

    /// Whether its certificate was good when the connection was made, where it has one.
    ///
    /// # Errors
    /// [`Denied::Over`].
    pub fn is_good(&self) -> Result<(), Denied> {
        match self {
            Self::Node {
                name,
                not_after,
                is_over: true,
                ..
            } => Err(Denied::Over {
                node: name.clone(),
                ended_at: *not_after,
            }),
            _ => Ok(()),
        }
    }

    /// How a record names the caller; nobody without a name is in a record.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        match self {
            Self::Anonymous | Self::Leader => None,
            Self::Node { name, .. } => Some(Actor::Node(name.clone())),
            Self::Local { uid, account, .. } => Some(Actor::User {
                uid: *uid,
                name: account.clone(),
            }),
        }
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The method isn't in the table.
    #[error("this side doesn't know the call {0}; it runs another release of jkeys: update the older one")]
    UnknownMethod(String),
    /// It needs a node's certificate.
    #[error("{0} needs a node's certificate; enroll the node first, with `jkeys enroll TOKEN`")]
    NeedsNode(&'static str),
    /// The caller's certificate is over.
    #[error(
        "the certificate of node {node} ended at {ended_at}: it can be renewed, which the agent does by itself, and nothing else"
    )]
    Over {
        /// The node.
        node: NodeName,
        /// When it ended.
        ended_at: Time,
    },
    /// It is for a machine without a certificate.
    #[error("{0} is for a machine that has no certificate yet; call it without one")]
    NeedsNoCertificate(&'static str),
    /// It is for the leader's own socket.
    #[error("{0} is answered on the leader's Unix socket only; run jkeys on the leader's machine")]
    NeedsSocket(&'static str),
    /// The certificate is of another trust domain.
    #[error("the certificate is {0}'s, who is not in this trust domain; enroll the node with this leader's token")]
    Domain(SpiffeId),
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::UnknownMethod(_) => ErrorKind::Refused,
            Denied::NeedsNode(_) | Denied::Over { .. } => ErrorKind::Unauthenticated,
            Denied::NeedsNoCertificate(_) | Denied::NeedsSocket(_) | Denied::Domain(_) => ErrorKind::Denied,
        };
        Self::new(kind, denied.to_string())
    }
}

/// Who is let in.
#[derive(Debug, Clone, Copy)]
enum Who {
    /// Only who has no certificate: what the call carries must prove the rest.
    Anonymous,
    /// Only a node, also with a certificate that is over.
    NodeOfOld,
    /// Only a node. One whose certificate is over gets through to hear whether it was taken out of the fleet, which the node table knows;
    /// the service refuses it otherwise ([`Caller::is_good`]).
    NodeOrEnded,
    /// Only somebody on the leader's machine, whom the socket's file mode has let in.
    Local,
}

/// Every method there is. What is not here is refused.
const TABLE: &[(&str, Who)] = &[
    ("/jkeys.v1.Enrollment/Enroll", Who::Anonymous),
    ("/jkeys.v1.Fleet/Renew", Who::NodeOfOld),
    ("/jkeys.v1.Fleet/Sync", Who::NodeOrEnded),
    ("/jkeys.v1.Admin/Ping", Who::Local),
    ("/jkeys.v1.Admin/Rotate", Who::Local),
    ("/jkeys.v1.Admin/Revoke", Who::Local),
    ("/jkeys.v1.Admin/Adopt", Who::Local),
    ("/jkeys.v1.Admin/Status", Who::Local),
    ("/jkeys.v1.Admin/Watch", Who::Local),
    ("/jkeys.v1.Admin/Plan", Who::Local),
    ("/jkeys.v1.Admin/ShowKey", Who::Local),
    ("/jkeys.v1.Admin/History", Who::Local),
    ("/jkeys.v1.Admin/AuditLog", Who::Local),
    ("/jkeys.v1.Admin/ProveRecords", Who::Local),
    ("/jkeys.v1.Admin/ProveConsistency", Who::Local),
    ("/jkeys.v1.Admin/HistoricalKeys", Who::Local),
    ("/jkeys.v1.Admin/Versions", Who::Local),
    ("/jkeys.v1.Admin/ShowVersion", Who::Local),
    ("/jkeys.v1.Admin/Backup", Who::Local),
    ("/jkeys.v1.Admin/ShowNode", Who::Local),
    ("/jkeys.v1.Admin/EndNode", Who::Local),
    ("/jkeys.v1.Admin/ShowCas", Who::Local),
    ("/jkeys.v1.Admin/RotateCa", Who::Local),
    ("/jkeys.v1.Admin/CreateToken", Who::Local),
    ("/jkeys.v1.Admin/ListTokens", Who::Local),
    ("/jkeys.v1.Admin/RevokeTokens", Who::Local),
];

/// Whether `caller` may call `method`, a path such as `/jkeys.v1.Fleet/Sync`.
///
/// # Errors
/// It may not.
pub fn authorise(method: &str, caller: &Caller) -> Result<(), Denied> {
    let Some((path, who)) = TABLE.iter().find(|(path, _)| *path == method) else {
        return Err(Denied::UnknownMethod(method.chars().take(80).collect()));
    };
    match (who, caller) {
        (Who::Anonymous, Caller::Anonymous)
        | (Who::NodeOfOld | Who::NodeOrEnded, Caller::Node { .. })
        | (Who::Local, Caller::Local { .. }) => Ok(()),
        (Who::Anonymous, _) => Err(Denied::NeedsNoCertificate(path)),
        (Who::NodeOfOld | Who::NodeOrEnded, _) => Err(Denied::NeedsNode(path)),
        (Who::Local, _) => Err(Denied::NeedsSocket(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::METHODS;
    use super::*;

    fn callers() -> [Caller; 5] {
        let node = |is_over| Caller::Node {
            name: "vm-1".parse().unwrap(),
            key: Digest([0; 32]),
            not_after: Time(0),
            is_over,
        };
        let local = Caller::Local {
            uid: 0,
            gid: 0,
            account: "root".into(),
        };
        [Caller::Anonymous, node(false), node(true), Caller::Leader, local]
    }

    #[test]
    fn every_method_has_one_row_and_every_row_a_method() {
        for method in METHODS {
            assert_eq!(TABLE.iter().filter(|(path, _)| path == method).count(), 1, "{method}");
        }
        assert_eq!(TABLE.len(), METHODS.len());
    }

    #[test]
    fn a_method_without_a_row_is_refused_to_everybody() {
        for caller in callers() {
            for method in ["/jkeys.v1.Admin/Nuke", "/jkeys.v1.Admin/", "", "/jkeys.v2.Fleet/Sync"] {
                assert!(matches!(authorise(method, &caller), Err(Denied::UnknownMethod(_))));
            }
        }
    }

    #[test]
    fn each_service_is_open_to_one_kind_of_caller() {
        let allowed = |method: &str| callers().map(|caller| authorise(method, &caller).is_ok());
        for method in METHODS {
            let expected = match method.split('/').nth(1).unwrap() {
                "jkeys.v1.Enrollment" => [true, false, false, false, false],
                "jkeys.v1.Fleet" => [false, true, true, false, false],
                _ => [false, false, false, false, true],
            };
            assert_eq!(allowed(method), expected, "{method}");
        }
    }

    #[test]
    fn a_certificate_that_is_over_is_told_from_one_that_is_good() {
        let is_over = callers().map(|caller| matches!(caller.is_good(), Err(Denied::Over { .. })));
        assert_eq!(is_over, [false, false, true, false, false]);
    }

    #[test]
    fn a_certificate_of_another_domain_is_nobodys() {
        let identity = |id: &str| PeerIdentity {
            id: id.parse().unwrap(),
            key: Digest([0; 32]),
            not_after: Time(0),
        };
        let domain = "op.example".parse().unwrap();
        let caller = |id: &str| Caller::from_certificate(identity(id), &domain, Time(0));
        assert!(matches!(caller("spiffe://op.example/node/vm-1"), Ok(Caller::Node { .. })));
        assert!(matches!(caller("spiffe://op.example/leader"), Ok(Caller::Leader)));
        assert!(matches!(caller("spiffe://other.example/node/vm-1"), Err(Denied::Domain(_))));
        assert!(matches!(caller("spiffe://other.example/leader"), Err(Denied::Domain(_))));
    }
}
