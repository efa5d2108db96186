//! The leader: a pure core that decides, and a shell that carries out what the core says.

mod certificate;
pub mod core;
mod engine;
pub mod founding;
mod run;
mod services;
pub mod status;
mod store;
mod streams;
pub use run::{Handle, Leader, LeaderError};
