//! The rules: what state a key is in, what may be decided, and what a node holds.
//!
//! Everything here is pure: `now` is an argument, and a decision is a list of events.

mod generation;
mod report;
mod view;

pub use generation::{KeySet, Member, Stage};
pub use report::{Installed, Report};
pub use view::{Switches, View, view};
