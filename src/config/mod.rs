//! Configuration: TOML in, valid types out.
//!
//! Start, `init` and a reload all go through [`LeaderConfig::parse`] or [`AgentConfig::parse`], so what is refused at one is
//! refused at each. Nothing here reads the environment or opens a socket; only [`mod@file`] reads a disk.

mod agent;
mod error;
pub mod file;
mod http;
mod leader;
mod output;
mod profile;
mod table;
mod value;

pub use agent::{AgentConfig, Hook, Probe};
pub use error::{ConfigError, ConfigErrors};
pub use http::{Http, WhenStale};
pub use leader::{BackupHook, LeaderConfig};
pub use output::{Output, OutputFormat};

/// The file in a systemd credentials folder (`$CREDENTIALS_DIRECTORY`) that holds the leader's master key.
pub const MASTER_KEY_CREDENTIAL: &str = "master-key";
/// The file in a systemd credentials folder that holds the key of the agent's sealed cache.
pub const CACHE_KEY_CREDENTIAL: &str = "cache-key";
