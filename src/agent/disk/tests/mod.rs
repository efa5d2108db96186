//! The files of a node, on real disks.

mod cache;
mod crash;
mod killed;
mod outputs;
mod reader;
mod swap;

use std::fs;

use super::*;
use crate::agent::testing::{START, armed, bundle, kid, kids};
use crate::lifecycle::Stage::{Active, Prepublished, Retiring};
use crate::lifecycle::{Installed, Switches, View, view};
use crate::types::Span;

fn open(root: &Path) -> Disk {
    Disk::open(root.to_owned(), None, None, None).unwrap()
}

/// Generation `number`, in which key `number % 2` signs.
fn alternating(number: u64) -> Bundle {
    let signer = usize::from(number % 2 == 1);
    bundle(number, &[(1 - signer, Retiring), (signer, Active), (2, Prepublished)])
}

fn view_now(bundle: &Bundle) -> View {
    view(&bundle.set, &Switches::new(), START)
}

fn install(disk: &Disk, bundle: &Bundle) -> Installed {
    disk.install(bundle, &view_now(bundle)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
