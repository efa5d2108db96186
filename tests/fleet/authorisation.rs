//! Who may call what, tried out: every call that there is, by every kind of caller, over real TLS and the real socket.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use http::uri::PathAndQuery;
use jkeys::agent::Papers;
use jkeys::keystore::{Keystore, SecretName};
use jkeys::leader::founding;
use jkeys::lifecycle::Ending;
use jkeys::pki::{Ca, CaSigner, NodeCsr, NodeKeys, TlsIdentity, enroll_client_config, node_client_config};
use jkeys::rpc::proto::METHODS;
use jkeys::rpc::{ErrorKind, Failure, connect_admin, connect_leader, group_id};
use jkeys::types::{Secret, Span, Time};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use rustix::{fs::Gid, fs::Uid};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::cluster::{Cluster, ES256};
use crate::skipped::skipped;

/// For whom a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Strangers,
    Nodes,
    Operators,
}

/// Every call.
const CALLS: &[(&str, For)] = &[
    ("/jkeys.v1.Enrollment/Enroll", For::Strangers),
    ("/jkeys.v1.Fleet/Renew", For::Nodes),
    ("/jkeys.v1.Fleet/Sync", For::Nodes),
    ("/jkeys.v1.Admin/Ping", For::Operators),
    ("/jkeys.v1.Admin/Rotate", For::Operators),
    ("/jkeys.v1.Admin/Revoke", For::Operators),
    ("/jkeys.v1.Admin/Adopt", For::Operators),
    ("/jkeys.v1.Admin/Status", For::Operators),
    ("/jkeys.v1.Admin/Watch", For::Operators),
    ("/jkeys.v1.Admin/Plan", For::Operators),
    ("/jkeys.v1.Admin/ShowKey", For::Operators),
    ("/jkeys.v1.Admin/History", For::Operators),
    ("/jkeys.v1.Admin/AuditLog", For::Operators),
    ("/jkeys.v1.Admin/ProveRecords", For::Operators),
    ("/jkeys.v1.Admin/ProveConsistency", For::Operators),
    ("/jkeys.v1.Admin/HistoricalKeys", For::Operators),
    ("/jkeys.v1.Admin/Versions", For::Operators),
    ("/jkeys.v1.Admin/ShowVersion", For::Operators),
    ("/jkeys.v1.Admin/Backup", For::Operators),
    ("/jkeys.v1.Admin/ShowNode", For::Operators),
    ("/jkeys.v1.Admin/EndNode", For::Operators),
    ("/jkeys.v1.Admin/ShowCas", For::Operators),
    ("/jkeys.v1.Admin/RotateCa", For::Operators),
    ("/jkeys.v1.Admin/CreateToken", For::Operators),
    ("/jkeys.v1.Admin/ListTokens", For::Operators),
    ("/jkeys.v1.Admin/RevokeTokens", For::Operators),
];

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    NoCertificate,
    /// A node's certificate of another CA, for the same name and trust domain.
    ForeignCa,
    /// A certificate of a node in the table, for its very key, that is out of date.
    Expired,
    /// One that has been for so long that it is not renewed any more.
    LongExpired,
    LeaderCertificate,
    Node,
    /// A certificate for the name of a node in the table, with another key.
    AnothersName,
    /// The certificate of a node whose name was enrolled anew.
    Replaced,
    /// The certificate of a node that was revoked.
    Revoked,
    /// The certificate of a node that was removed.
    Removed,
    /// One of a node that was removed, and which is out of date.
    RemovedAndExpired,
    /// On the leader's socket: the leader's own account, which is root in this test or whoever runs it.
    Owner,
    /// On the leader's socket: another account, in the group of operators.
    InGroup,
    /// On the leader's socket: another account.
    Anyone,
}

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The service answers, if only that an empty request makes no sense.
    LetIn,
    Refused(ErrorKind),
    /// No call gets anywhere: the handshake, or the machine, ends it.
    NoConnection,
}

fn expected(caller: Caller, method: &str, to: For) -> Outcome {
    use Outcome::{LetIn, NoConnection, Refused};
    match (caller, to) {
        (Caller::ForeignCa | Caller::LongExpired | Caller::LeaderCertificate | Caller::Anyone, _) => NoConnection,
        (Caller::NoCertificate, For::Strangers)
        | (Caller::Node, For::Nodes)
        | (Caller::Owner | Caller::InGroup, For::Operators) => LetIn,
        (Caller::Expired, For::Nodes) if method.ends_with("/Renew") => LetIn,
        // Who is to show a certificate, and shows none that is in the node table.
        (_, For::Nodes) => Refused(ErrorKind::Unauthenticated),
        (_, For::Strangers | For::Operators) => Refused(ErrorKind::Denied),
    }
}

/// One empty request, and the first answer to it.
async fn call(channel: &Channel, method: &'static str) -> Outcome {
    let mut client = Grpc::new(channel.clone());
    if client.ready().await.is_err() {
        return Outcome::NoConnection;
    }
    let request = tonic::Request::new(tokio_stream::once(()));
    let path = PathAndQuery::from_static(method);
    let answer = client.streaming(request, path, ProstCodec::<(), ()>::default()).await;
    let first = match answer {
        // Whoever was taken out of the node table is told to erase, and then why.
        Ok(mut stream) => match stream.get_mut().message().await {
            Ok(Some(())) if method.ends_with("/Sync") => stream.get_mut().message().await,
            first => first,
        },
        Err(status) => Err(status),
    };
    let Err(status) = first else {
        return Outcome::LetIn;
    };
    let Failure { kind, message } = status.into();
    match kind {
        ErrorKind::Unavailable => Outcome::NoConnection,
        ErrorKind::Unauthenticated | ErrorKind::Denied => Outcome::Refused(kind),
        ErrorKind::Invalid | ErrorKind::NotFound => Outcome::LetIn,
        ErrorKind::Refused | ErrorKind::Internal => panic!("{method}: {message}"),
    }
}

async fn check(caller: Caller, channel: Option<Channel>) {
    for (method, to) in CALLS {
        let outcome = match &channel {
            Some(channel) => call(channel, method).await,
            None => Outcome::NoConnection,
        };
        assert_eq!(outcome, expected(caller, method, *to), "{caller:?} calls {method}");
    }
}

/// Calls over the socket from a thread of another account: the kernel says of each thread by itself who it is.
fn check_as(caller: Caller, account: u32, groups: Vec<Gid>, socket: PathBuf) {
    let thread = std::thread::spawn(move || {
        let (user, group) = (Uid::from_raw(account), Gid::from_raw(account));
        set_thread_groups(&groups).unwrap();
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
        // All of it runs on this thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { check(caller, connect_admin(&socket).await.ok()).await });
    });
    thread.join().unwrap();
}

/// The fleet's CA, out of a leader that rests.
async fn steal_ca(cluster: &mut Cluster, papers: &Papers) -> CaSigner {
    cluster.stop_leader().await;
    let config = cluster.config();
    let master = founding::read_master_key(&config.master_key_file).unwrap();
    let keystore = Keystore::open(&config.state_dir, &master).unwrap();
    let private = keystore.secret(&SecretName::Ca(1)).unwrap();
    drop(keystore);
    cluster.start_leader().await.unwrap();
    CaSigner::load(papers.membership.roots[0].clone(), &private).unwrap()
}

/// What a certificate of `signer` for `name` and these keys is worth.
fn issued(signer: &CaSigner, name: &str, keys: &NodeKeys, at: Time) -> TlsIdentity {
    let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
    let chain = signer.issue_node(&name.parse().unwrap(), &csr, at).unwrap();
    let key = Secret::new(keys.tls().expose().to_vec());
    TlsIdentity { chain, key }
}

async fn enrolled(cluster: &Cluster, name: &str) -> Papers {
    let token = cluster.token(name).await.unwrap();
    cluster.enroll(name, &token).await.unwrap();
    Papers::load(&cluster.agent_folder(name)).unwrap()
}

#[test]
fn every_call_has_a_row_in_the_matrix() {
    let rows: BTreeSet<&str> = CALLS.iter().map(|(method, _)| *method).collect();
    assert_eq!(rows, METHODS.iter().copied().collect());
    assert_eq!(rows.len(), CALLS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_over_tls_is_open_to_anybody_but_whom_it_is_for() {
    let mut cluster = Cluster::start(ES256).await;
    let (node, replaced) = (enrolled(&cluster, "a").await, enrolled(&cluster, "b").await);
    enrolled(&cluster, "b").await;
    let (revoked, removed) = (enrolled(&cluster, "c").await, enrolled(&cluster, "d").await);
    cluster.end("c", Ending::Revoked).await.unwrap();
    cluster.end("d", Ending::Removed).await.unwrap();
    let signer = steal_ca(&mut cluster, &node).await;
    let (now, domain, roots) = (cluster.clock.now(), &node.membership.trust_domain, &node.membership.roots);
    let foreign = Ca::new(domain, now).unwrap();
    let foreign = CaSigner::load(foreign.certificate, &foreign.private).unwrap();
    let certificates = [
        (Caller::ForeignCa, issued(&foreign, "a", &node.keys, now)),
        (Caller::Expired, issued(&signer, "a", &node.keys, now - Span::hours(31 * 24))),
        (
            Caller::LongExpired,
            issued(&signer, "a", &node.keys, now - Span::hours(91 * 24)),
        ),
        (Caller::LeaderCertificate, signer.issue_leader(now).unwrap()),
        (Caller::Node, node.tls_identity()),
        (Caller::AnothersName, issued(&signer, "a", &replaced.keys, now)),
        (Caller::Replaced, replaced.tls_identity()),
        (Caller::Revoked, revoked.tls_identity()),
        (Caller::Removed, removed.tls_identity()),
        (
            Caller::RemovedAndExpired,
            issued(&signer, "d", &removed.keys, now - Span::hours(31 * 24)),
        ),
    ];
    let stranger = enroll_client_config(roots[0].key(), &cluster.clock).unwrap();
    let callers = certificates.map(|(caller, identity)| {
        let tls = node_client_config(&identity, roots, domain, &cluster.clock).unwrap();
        (caller, tls)
    });
    for (caller, tls) in callers.into_iter().chain([(Caller::NoCertificate, stranger)]) {
        check(caller, connect_leader(&node.addresses, tls).await.ok()).await;
    }
}

/// An account that is nobody's.
const ACCOUNT: u32 = 54_321;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_on_the_socket_is_open_to_anybody_but_owner_and_group() {
    let is_root = rustix::process::geteuid().is_root();
    let group = ["daemon", "nogroup"].into_iter().find(|name| group_id(name).is_some());
    let group = group.filter(|_| is_root).unwrap_or_default();
    let cluster = Cluster::start_for(ES256, group).await;
    let socket = cluster.config().admin_socket;
    check(Caller::Owner, connect_admin(&socket).await.ok()).await;
    if !is_root {
        return skipped("no_call_on_the_socket: only root can call from other accounts");
    }
    open_folders_of(&socket, cluster.root());
    let others = |caller, groups| {
        let socket = socket.clone();
        tokio::task::spawn_blocking(move || check_as(caller, ACCOUNT, groups, socket))
    };
    others(Caller::Anyone, vec![]).await.unwrap();
    match group_id(group) {
        Some(operators) => others(Caller::InGroup, vec![Gid::from_raw(operators)]).await.unwrap(),
        None => skipped("no_call_on_the_socket: this machine has neither a group daemon nor nogroup"),
    }
}

/// What keeps others out must be the socket, and no folder on the way to it.
fn open_folders_of(socket: &Path, root: &Path) {
    for folder in socket.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        fs::set_permissions(folder, Permissions::from_mode(0o711)).unwrap();
    }
}
