//! How long certificates of the fleet live. Rules, certificates and both sides of a connection go by the same lengths.

use super::Span;

/// How long a certificate of a node or of the leader lives.
pub const CERTIFICATE_LIFE: Span = Span::hours(30 * 24);

/// How long before its end a node renews its certificate: at a third of its life.
pub const RENEWED_BEFORE_END: Span = Span(CERTIFICATE_LIFE.0 / 3 * 2);

/// How long a CA lives. It is replaced long before.
pub const CA_LIFE: Span = Span::hours(5 * 365 * 24);

/// How long after its end a node's certificate still lets it renew, and nothing else.
pub const RENEWABLE_FOR: Span = Span::hours(60 * 24);
