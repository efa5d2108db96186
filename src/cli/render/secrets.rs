//! Where what is secret lies.

use std::os::unix::ffi::OsStrExt as _;

use super::table::Table;
use super::text::plain;
use crate::types::SecretPlace;

/// `jkeys secrets`.
pub(in crate::cli) fn secrets(places: &[SecretPlace]) -> String {
    if places.is_empty() {
        return "nothing secret is here\n".to_owned();
    }
    let mut table = Table::new(&["PLACE", "WHAT IT HOLDS"]);
    for place in places {
        table.row([plain(&place.path.display().to_string()), place.holds.to_string()]);
    }
    table.to_string()
}

/// The paths only, with a NUL after each: it stands in no path.
pub(in crate::cli) fn null_ended(places: &[SecretPlace]) -> Vec<u8> {
    let paths = places.iter().map(|place| place.path.as_os_str().as_bytes());
    paths.flat_map(|path| path.iter().chain(b"\0")).copied().collect()
}
