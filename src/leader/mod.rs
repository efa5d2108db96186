//! The leader: a pure core that decides, and a shell that carries out what the core says.

mod authority;
pub mod backup;
mod cas;
mod certificate;
mod copies;
pub mod core;
mod cutting;
pub mod dry_run;
mod engine;
pub mod founding;
mod log;
mod loud;
mod making;
mod message;
mod offline;
pub mod plan;
mod proving;
pub mod rekey;
pub mod restore;
mod run;
mod secrets;
mod services;
pub mod status;
mod store;
#[cfg(test)]
mod store_tests;
mod streams;
mod transition;
pub use run::{Handle, Leader, LeaderError};
pub use secrets::secrets;
