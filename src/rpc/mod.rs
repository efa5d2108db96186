//! The wire: domain messages, their protobuf forms, who may call what, and the one map from errors to gRPC.

pub mod documents;
pub mod fleet;
