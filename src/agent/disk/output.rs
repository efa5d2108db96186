//! The files of a view that the configuration asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::install::{PRIVATE, PUBLIC, VIEW, entries};
use super::{Disk, DiskError, Layout, read};
pub use crate::config::OutputFormat;
use crate::durable::{self, DurableError, FileAttrs, NewFile, Step};
use crate::lifecycle::{Installed, View};
use crate::outputs::{Format, OutputError, Password, Rendered, kids_of, prove_output, render};
use crate::rpc::fleet::Bundle;
use crate::types::Kid;

/// Of folders; who may read a file is said of each.
const FOLDER_MODE: u32 = 0o755;

/// One more file, or folder, in each view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What is in it.
    pub format: OutputFormat,
    /// Its name in the folder of the view.
    pub path: String,
    /// Who may read the file, or each file in the folder.
    pub attrs: FileAttrs,
    /// Where it is copied to.
    pub copy_to: Option<PathBuf>,
}

/// An output that can be written: what it needs is at hand.
#[derive(Debug)]
pub(super) struct Prepared {
    pub path: String,
    pub attrs: FileAttrs,
    pub copy_to: Option<PathBuf>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Jwks { has_x5c: bool },
    PrivateJwks { has_x5c: bool },
    Pem,
    Pkcs12(Password),
}

/// Why the outputs of a view were not written.
pub(super) enum OutputFailure {
    Disk(DiskError),
    Form(OutputError),
}

impl<E: Into<DiskError>> From<E> for OutputFailure {
    fn from(why: E) -> Self {
        Self::Disk(why.into())
    }
}

impl Prepared {
    pub(super) fn is_private(&self) -> bool {
        !matches!(self.form, Form::Jwks { .. })
    }

    fn format(&self) -> Format<'_> {
        match &self.form {
            Form::Jwks { has_x5c } => Format::Jwks { has_x5c: *has_x5c },
            Form::PrivateJwks { has_x5c } => Format::PrivateJwks { has_x5c: *has_x5c },
            Form::Pem => Format::Pem,
            Form::Pkcs12(password) => Format::Pkcs12 { password },
        }
    }

    /// The files that it consists of in the folder of a view.
    pub(super) fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
        let path = folder.join(&self.path);
        if !matches!(self.form, Form::Pem) {
            return Ok(vec![path]);
        }
        entries(&path)
    }

    /// What stands in the folder of a view; none where a file is missing, or has another mode, owner or group.
    fn read(&self, folder: &Path) -> Result<Option<Rendered>, DiskError> {
        if !matches!(self.form, Form::Pem) {
            return Ok(read::file_of(&folder.join(&self.path), &self.attrs)?.map(Rendered::File));
        }
        let mut files = BTreeMap::new();
        for path in self.files(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(bytes) = read::file_of(&path, &self.attrs)? else {
                return Ok(None);
            };
            files.insert(name, bytes);
        }
        Ok(Some(Rendered::Folder(files)))
    }

    fn write(&self, folder: &Path, rendered: &Rendered) -> Result<(), DurableError> {
        let path = folder.join(&self.path);
        match rendered {
            Rendered::File(bytes) => durable::write_file(&path, bytes.expose(), &self.attrs),
            Rendered::Folder(files) => {
                durable::create_folder(&path, FOLDER_MODE)?;
                let mut files = files.iter();
                files.try_for_each(|(name, bytes)| durable::write_file(&path.join(name), bytes.expose(), &self.attrs))
            }
        }
    }
}

impl Layout {
    /// Finds out whether files can be made as they are configured, beside an agent that runs.
    pub fn check(&self) -> Result<(), DiskError> {
        self.make_folders()?;
        self.prepare().map(drop)
    }

    /// Finds out whether all that is configured can be done in its folders, and reads the passwords.
    pub(super) fn prepare(&self) -> Result<Vec<Prepared>, DiskError> {
        self.outputs.iter().map(|output| self.prepare_one(output)).collect()
    }

    /// Makes sure that its folders are there, and that nobody else can change what is in them: who could, would lead private files elsewhere
    /// with a link, or a reader with another `live`.
    pub(super) fn make_folders(&self) -> Result<(), DiskError> {
        durable::create_safe_folder(&self.root, FOLDER_MODE).map_err(DiskError::StateDir)?;
        durable::create_safe_folder(&self.view_dir, FOLDER_MODE).map_err(DiskError::ViewDir)
    }

    fn prepare_one(&self, output: &Output) -> Result<Prepared, DiskError> {
        let wrong = |why: String| DiskError::Output {
            path: output.path.clone(),
            why,
        };
        // Dropped, it is gone again.
        let proved = NewFile::begin(&self.view_dir.join(&output.path), &output.attrs).map(drop);
        proved.map_err(|why| wrong(not_given(&why, &output.attrs)))?;
        let form = match &output.format {
            OutputFormat::Jwks { has_x5c } => Form::Jwks { has_x5c: *has_x5c },
            OutputFormat::PrivateJwks { has_x5c } => Form::PrivateJwks { has_x5c: *has_x5c },
            OutputFormat::Pem => Form::Pem,
            OutputFormat::Pkcs12 { password_file } => {
                let content = read::file(password_file)?;
                let shown = password_file.display();
                let content = content.ok_or_else(|| {
                    wrong(format!(
                        "there is no password at {shown}; write one there, for the agent to read"
                    ))
                })?;
                Form::Pkcs12(Password::from_file(&content).map_err(|why| wrong(format!("{shown}: {why}")))?)
            }
        };
        Ok(Prepared {
            path: output.path.clone(),
            attrs: output.attrs,
            copy_to: output.copy_to.clone(),
            form,
        })
    }
}

/// Why a file can't be given to its owner and group, and what helps.
fn not_given(why: &DurableError, attrs: &FileAttrs) -> String {
    let is_refused = why.step == Step::Own && why.cause.kind() == std::io::ErrorKind::PermissionDenied;
    match attrs.owner {
        Some(owner) if is_refused => format!(
            "files can't be given to user {owner}: that takes a capability; copy the drop-in outputs.conf to \
             /etc/systemd/system/jkeys-agent.service.d/ (it is in /usr/share/doc/jkeys/examples/, or in deploy/systemd/ of the sources), or take \
             `owner` out and give its readers a group"
        ),
        None if is_refused => {
            "the agent can only give files to a group that it is in; add it with SupplementaryGroups= in a drop-in of the \
                               unit, or name another"
                .to_owned()
        }
        _ => why.to_string(),
    }
}

impl Disk {
    /// Writes what is configured into the folder of a view, and proves it as it was read back.
    pub(super) fn write_outputs(&self, folder: &Path, bundle: &Bundle, view: &View) -> Result<(), OutputFailure> {
        for output in &self.outputs {
            let rendered = render(output.format(), &bundle.set, view, &bundle.privates).map_err(OutputFailure::Form)?;
            output.write(folder, &rendered)?;
            let back = output.read(folder)?.ok_or_else(|| DiskError::Output {
                path: output.path.clone(),
                why: "it is not as it was written; look at who else writes to the agent's folder".to_owned(),
            })?;
            prove_output(output.format(), &back, &bundle.set, view).map_err(OutputFailure::Form)?;
        }
        Ok(())
    }

    /// Whether the live view holds what is configured, no more and no less.
    pub(super) fn outputs_stand(&self, installed: &Installed) -> bool {
        let stand = || {
            let folder = self.live();
            let mut expected: BTreeSet<&str> = self.outputs.iter().map(|output| output.path.as_str()).collect();
            expected.extend([PUBLIC, PRIVATE, VIEW]);
            for entry in std::fs::read_dir(&folder).ok()? {
                let name = entry.ok()?.file_name().into_string().ok()?;
                expected.contains(name.as_str()).then_some(())?;
            }
            for output in &self.outputs {
                let read = output.read(&folder).ok()??;
                let kids = kids_of(output.format(), &read).ok()?;
                (kids
                    == if output.is_private() {
                        private_kids(installed)
                    } else {
                        installed.published.clone()
                    })
                .then_some(())?;
            }
            Some(())
        };
        stand().is_some()
    }
}

/// The kids whose private half is in the files of the live view.
pub(super) fn private_kids(installed: &Installed) -> BTreeSet<Kid> {
    installed.signing.union(&installed.decrypting).cloned().collect()
}
