//! Every limit of the wire in one place: sizes in bytes, and deadlines.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The largest message from an agent on its stream, and the largest request for renewal.
pub const REPORT_BYTES: usize = SHOWN_BYTES + 128 * KIB;
/// The largest public form that a node shows to a leader that knows less.
pub const SHOWN_BYTES: usize = 512 * KIB;
/// The largest message from the leader to an agent.
pub const UPDATE_BYTES: usize = 4 * MIB;
/// The largest message of the admin service, either way.
pub const ADMIN_BYTES: usize = 4 * MIB;
/// The largest message of the enrollment service, either way.
pub const ENROLL_BYTES: usize = 16 * KIB;

/// The largest public form of a generation.
pub const PUBLIC_FORM_BYTES: usize = 2 * MIB;
/// The largest private half: PKCS#8 of RSA-4096 has 2.4 KiB.
pub const PRIVATE_HALF_BYTES: usize = 16 * KIB;
/// The largest record of the audit log.
pub const RECORD_BYTES: usize = 48 * KIB;
/// The largest checkpoint that travels with a generation: its text and the log's signature.
pub const CHECKPOINT_BYTES: usize = 4 * KIB;
/// A cosignature: the time and an Ed25519 signature.
pub const COSIGNATURE_BYTES: usize = 8 + 64;
/// Room for a proof of consistency, or for the record of an adoption with its proof, beside a generation.
pub const CONSISTENCY_BYTES: usize = RECORD_BYTES + 8 * KIB;
/// The longest error message; what is longer is cut, and says so.
pub const STATUS_BYTES: usize = 8 * KIB;
/// The headers and trailers of one call. An error message crosses in a trailer, at most three times as long as it is.
pub const HEADERS_BYTES: u32 = 64 * 1024;
/// The longest text that a peer may have shown to an operator, in characters.
pub const PROBLEM_CHARS: usize = 2000;
/// The most hooks and probes that a node says have failed.
pub const FAILING: usize = 16;
/// The longest text about one of them, in characters.
pub const FAILING_CHARS: usize = 500;
/// The most kids in one list of a report: what a node holds and what it has not yet swept away.
pub const REPORTED_KIDS: usize = 400;
/// The most CAs that a node says it trusts. A fleet has two at most, and a restored one may have nodes with more.
pub const TRUSTED_CAS: usize = 16;
/// The most nodes that one request names in a list.
pub const NAMED_NODES: usize = 256;
/// The most names of capabilities in one message.
pub const CAPABILITIES: usize = 32;
/// The longest name of a capability or a release.
pub const SHORT_TEXT_BYTES: usize = 64;

/// How often each side of a connection looks whether the other is there.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long the other side may take to answer that.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long any call may take until its answer, or the first message of its answer, is there.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// How long one address of a name may take to answer to TCP.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long a connection may take from TCP to the end of the TLS handshake.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection without a certificate may last: long enough to enroll.
pub const ANONYMOUS_LIFE: Duration = Duration::from_secs(60);
/// How many TLS handshakes are under way at most.
pub const HANDSHAKES: usize = 256;
/// How many calls may be open at once on one connection.
pub const CALLS_PER_CONNECTION: u32 = 16;
/// How long open streams have to end by themselves when a server stops.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
