//! A node: it verifies what the leader sends, puts one view in the place of another, runs the hooks, and reports what is on its disk.
//!
//! `core` decides, `disk` does what it decided, and [`run`] is the shell around both.

pub mod core;
pub mod disk;
mod shell;
#[cfg(test)]
mod testing;

pub use shell::{AgentConfig, LinkEvent, run};
