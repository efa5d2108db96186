//! What a service says of itself while it runs: its log, and its state to systemd.

mod kept;
mod log;
pub mod metrics;
pub mod notify;

pub use kept::KeptLog;
pub use log::{LogError, LogOptions, init_kept_log, init_log};
