//! The rules: what state a key is in, what may be decided, and what a node holds.
//!
//! Everything here is pure: `now` is an argument, and a decision is a list of events.

mod generation;
mod report;
mod settings;
mod timing;
mod view;

pub use generation::{KeySet, Member, Stage};
pub use report::{Installed, Report};
pub use settings::{Profile, Settings, Windows};
pub use timing::{TimingRule, Violation, check};
pub use view::{Switches, View, view};
