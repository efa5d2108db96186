//! Tests that can't show their demand on this machine.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that a test showed nothing here, and why: `scripts/test.sh` names a file for it.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    if let Some(list) = std::env::var_os("JKEYS_TEST_SKIPPED") {
        let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
        list.write_all(format!("{why}\n").as_bytes()).unwrap();
    }
}
