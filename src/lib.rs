//! jkeys rotates the signing keys of an OpenID Connect provider on a cluster of VMs. ARCHITECTURE.md says how the parts meet.
#![forbid(unsafe_code)]

pub mod agent;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod dev;
pub mod durable;
pub mod hooks;
pub mod http;
pub mod keystore;
pub mod leader;
pub mod lifecycle;
pub mod outputs;
pub mod pki;
pub mod rpc;
pub mod story;
pub mod telemetry;
pub mod types;
