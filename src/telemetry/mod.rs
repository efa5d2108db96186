//! What a service says of itself while it runs: its log, and its state to systemd.

mod log;
pub mod notify;

pub use log::{LogError, LogOptions, init_log};
