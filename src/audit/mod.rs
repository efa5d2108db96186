//! The audit log's records: what each holds, in one byte-exact form.

mod record;

pub use record::{Record, RecordError, SCHEMA, canonical, public_form};
