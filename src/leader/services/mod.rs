//! The leader's gRPC services. They read, ask the engine, and answer; they decide nothing.

mod admin;
mod attempts;
mod audit;
mod backup;
mod cas;
mod context;
mod enrollment;
mod evidence;
mod farewell;
mod fleet;
mod follow;
mod historical;
mod history;
mod nodes;
mod pace;
mod renewals;
mod tokens;
mod versions;

pub(super) use admin::AdminService;
pub(super) use context::{Context, Terms};
pub(super) use enrollment::EnrollmentService;
pub(super) use fleet::FleetService;
