//! The scratch cluster: a leader and its agents on one machine, on a fast schedule, watched by a probe.

mod files;
mod probe;

pub use files::{NodeFiles, read_node};
pub use probe::{Failure, Probe, Round, Sample, Seen};
