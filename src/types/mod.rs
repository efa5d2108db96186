//! The words of jkeys as types: ids, names, times, key kinds, and [`Secret`].
//!
//! Nothing here knows a clock, a disk or a network. Values are checked where they are parsed, and are right from then on.

mod actor;
mod anchor;
mod certificate;
mod hook_event;
mod host_port;
mod ids;
mod issuer;
mod master_key_name;
mod name;
mod probe_url;
mod public;
mod secret;
mod secret_place;
mod spec;
mod time;
mod tree_head;

pub use actor::{Actor, Comment, Reason};
pub use anchor::{Anchor, AnchorError};
pub use certificate::{CA_LIFE, CERTIFICATE_LIFE, RENEWABLE_FOR, RENEWED_BEFORE_END};
pub use hook_event::HookEvent;
pub use host_port::{HostPort, HostPortError};
pub use ids::{Enrolment, Epoch, Generation, Seq, Version};
pub use issuer::Issuer;
pub use master_key_name::MasterKeyName;
pub use name::{Kid, NameError, NodeName, ProfileName, SpiffeId, TrustDomain};
pub use probe_url::{ProbeUrl, ProbeUrlError};
pub use public::{Digest, PublicJwk, PublicKey, WitnessKey};
pub use secret::Secret;
pub use secret_place::{SecretKind, SecretPlace};
pub use spec::{Curve, KeyKind, KeySpec, KeyUse, KidFormat, RsaBits, SpecError};
pub use time::{Now, Span, Time};
pub use tree_head::TreeHead;
