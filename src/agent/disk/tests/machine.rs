//! A node's folder beside one of another program, for the tests and for the bench of a swap, which brings the names that are used here.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Disk, FileAttrs, Layout, Output, OutputFormat, durable};

pub(super) const PASSWORD: &str = "a long password";

/// The agent's folder, and one of another program.
pub(super) struct Machine {
    /// Goes with this, where it was made for it.
    root: Option<TempDir>,
    pub agent: PathBuf,
    pub places: PathBuf,
}

impl Machine {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let mut machine = Self::under(root.path());
        machine.root = Some(root);
        machine
    }

    /// In a folder that is there, with what is there from before.
    pub fn under(root: &Path) -> Self {
        let places = root.join("places");
        for folder in [&places, &places.join("pem")] {
            durable::create_folder(folder, 0o755).expect("a folder of another program");
        }
        let password = root.join("password");
        durable::write_file(&password, PASSWORD.as_bytes(), &FileAttrs::mode(0o600)).expect("a password");
        Self {
            root: None,
            agent: root.join("agent"),
            places,
        }
    }

    pub fn output(&self, format: OutputFormat, path: &str, copied: bool) -> Output {
        Output {
            attrs: FileAttrs::mode(if format.is_private() { 0o640 } else { 0o644 }),
            format,
            path: path.to_owned(),
            copy_to: copied.then(|| self.places.join(path)),
        }
    }

    pub fn pkcs12(&self) -> OutputFormat {
        OutputFormat::Pkcs12 {
            password_file: self.places.with_file_name("password"),
        }
    }

    pub fn layout(&self, outputs: Vec<Output>) -> Layout {
        Layout {
            root: self.agent.clone(),
            view_dir: self.agent.clone(),
            private_group: None,
            outputs,
        }
    }

    pub fn open(&self, outputs: Vec<Output>) -> Disk {
        Disk::open_as(self.layout(outputs), None, None).expect("a folder of its own")
    }
}
