//! What the audit log tells of keys: the life of one, what it means for a token, and the keys that were.
//!
//! Everything here is computed from records that are handed in; nothing reads a disk, asks a leader, or holds a private half.

mod explain;
mod historical;
mod key;

pub use explain::{Armed, Explanation, Fault, Remark, Revoked, Signing, Step, explain};
pub use historical::{HistoricalKeys, signed, verifier};
pub use key::{End, KeyState, KeyStory};

#[cfg(test)]
mod tests;
