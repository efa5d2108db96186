//! How much room a keystore takes.

use super::support::{Folder, master, step};
use crate::durable::{self, FileAttrs};
use crate::keystore::{Keystore, Memory};

#[test]
fn the_size_is_that_of_all_files() {
    let folder = Folder::new();
    let store = Keystore::create(&folder.dir, &master(0xA5)).unwrap();
    let empty = store.size_bytes().unwrap().unwrap();
    let other = folder.dir.join("snapshots/other");
    durable::write_file(&other, &[0; 1000], &FileAttrs::mode(0o600)).unwrap();
    assert_eq!(store.size_bytes().unwrap(), Some(empty + 1000));
    store.commit(&step(1)).unwrap();
    assert!(store.size_bytes().unwrap().unwrap() > empty + 1000);
    let nowhere = Keystore::on(Box::new(Memory::default()), &master(0xA5)).unwrap();
    assert_eq!(nowhere.size_bytes().unwrap(), None);
}
