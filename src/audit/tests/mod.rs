//! The tree against its specification, the forms against C2SP's examples, and the attacks on the log by name.

mod attacks;
mod forms;
mod trees;
mod typed;
mod whole;

use super::testing::{Log, record};
