//! The wire: domain messages, their protobuf forms, who may call what, and the one map from errors to gRPC.

mod bundle;
mod convert;
pub mod documents;
pub mod fleet;
pub mod limits;
pub mod proto;
pub mod status;

pub use bundle::{BundleError, EncodedBundle, public_form};
pub use convert::WireError;
pub use status::{ErrorKind, Failure};
