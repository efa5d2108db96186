//! jkeys rotates the signing keys of an OpenID Connect provider on a cluster of VMs. ARCHITECTURE.md says how the parts meet.
#![forbid(unsafe_code)]

pub mod agent;
pub mod clock;
pub mod crypto;
pub mod durable;
pub mod hooks;
pub mod lifecycle;
pub mod outputs;
pub mod rpc;
pub mod types;
