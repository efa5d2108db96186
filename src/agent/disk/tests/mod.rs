//! The files of a node, on real disks.

mod cache;
mod crash;
mod folders;
mod killed;
mod machine;
mod outputs;
mod owner;
mod reader;
mod swap;

use std::fs;

use machine::Machine;

use super::*;
use crate::agent::testing::{START, armed, bundle, kid, kids};
use crate::durable::small_disk;
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

/// On a disk that is soon full, in a folder of one's own there. In a namespace of users / belongs to nobody who is known, and no node goes
/// below it.
fn on_small_disk(name: &str, body: impl FnOnce(&Path)) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    small_disk::on_small_disk(name, |disk| {
        if fs::metadata("/").unwrap().uid() != 0 {
            return small_disk::skipped(&format!("{name}: only root has a small disk below folders of root"));
        }
        fs::set_permissions(disk, fs::Permissions::from_mode(0o755)).unwrap();
        body(disk);
    });
}

fn view_now(bundle: &Bundle) -> View {
    view(&bundle.set, &Switches::new(), START)
}

fn install(disk: &Disk, bundle: &Bundle) -> Installed {
    disk.install(bundle, &view_now(bundle)).unwrap()
}

impl Machine {
    /// One output of each format.
    fn all(&self, copied: bool) -> Vec<Output> {
        vec![
            self.output(OutputFormat::Jwks { has_x5c: true }, "certified.json", copied),
            self.output(OutputFormat::PrivateJwks { has_x5c: false }, "private.json", copied),
            self.output(OutputFormat::Pem, "pem", copied),
            self.output(self.pkcs12(), "keys.p12", copied),
        ]
    }

    fn live(&self, name: &str) -> PathBuf {
        self.agent.join("live").join(name)
    }

    fn copy(&self, name: &str) -> PathBuf {
        self.places.join(name)
    }
}

/// The PEM files of a view in which this key signs.
fn pem_names(signer: &Kid) -> Vec<String> {
    let mut names = vec!["active.main.pem".to_owned(), "active.pem".to_owned(), format!("{signer}.pem")];
    names.sort();
    names
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
