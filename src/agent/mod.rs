//! A node: it verifies what the leader sends, puts one view in the place of another, runs the hooks, and reports what is on its disk.
//!
//! The steps by which it takes a generation are numbered, here in the comments and in SECURITY.md ("How a node takes a generation").
//!
//! `core` decides, `disk` does what it decided, and [`run`] is the shell around both.

pub(crate) mod blocking;
pub mod core;
mod cosigner;
pub mod disk;
mod enroll;
mod folder;
mod followers;
mod link;
mod metrics;
mod papers;
mod renewal;
mod secrets;
mod service;
mod shell;
mod site;
#[cfg(test)]
mod testing;
mod tries;
mod trust;

pub use enroll::{EnrollError, Enrolled, enroll};
pub use papers::{Papers, PapersError};
pub use secrets::secrets;
pub use service::{AgentError, check, serve};
pub use shell::{AgentConfig, Followers, LinkEvent, Monitor, run};
