//! The leader: a pure core that decides, and a shell that carries out what the core says.

pub mod core;
pub mod status;
