//! The wire: domain messages, their protobuf forms, who may call what, and the one map from errors to gRPC.

mod accept;
mod accounts;
pub mod admin;
mod admin_socket;
mod authz;
mod authz_layer;
mod bundle;
mod client;
mod connection;
mod convert;
pub mod documents;
mod enrollment;
pub mod fleet;
pub mod limits;
pub mod proto;
mod registry;
mod server;
mod shown;
mod status;

pub use accounts::{account_ids, account_name, group_id, group_ids_of};
pub use admin_socket::{SocketError, bind_admin};
pub use authz::{Caller, Denied, authorise};
pub use bundle::{BundleError, EncodedBundle, Outgoing};
pub use client::{ConnectError, admin_client, connect_admin, connect_leader, enrollment_client, fleet_client};
pub use connection::ConnectionInfo;
pub use convert::WireError;
pub use enrollment::EnrollCall;
pub use registry::{ConnectionId, Registry};
pub use server::{serve_admin, serve_fleet};
pub use status::{ErrorKind, Failure};

#[cfg(test)]
mod tests;
