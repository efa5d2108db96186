//! The leader: a pure core that decides, and a shell that carries out what the core says.

pub mod core;
mod engine;
pub mod founding;
pub mod status;
mod store;
mod streams;
