//! `[[output]]` in `agent.toml`: files that a node makes besides those that it always makes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use toml::de::DeValue;

use super::error::ConfigError;
use super::table::Fields;
use super::value;

/// What every view has already.
const BUILT_IN: [&str; 3] = ["jwks.json", "private.jwks.json", "view.json"];
const PUBLIC_MODE: u32 = 0o644;
const PRIVATE_MODE: u32 = 0o640;

/// One more file, or folder, in each view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What is in it.
    pub format: OutputFormat,
    /// Its name in the folder of the view.
    pub path: String,
    /// The permission bits of the file, or of each file in the folder.
    pub mode: u32,
    /// The account that owns it; none is the agent's own.
    pub owner: Option<String>,
    /// Its group; none is that of `private_group` for a private one.
    pub group: Option<String>,
    /// Where it is copied to when the view is live: a file, or for PEM a folder that is there.
    pub copy_to: Option<PathBuf>,
}

/// What is in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputFormat {
    /// The published public halves.
    Jwks {
        /// With the certificate of each key.
        has_x5c: bool,
    },
    /// The private halves in use.
    PrivateJwks {
        /// With the certificate of each key.
        has_x5c: bool,
    },
    /// A folder of PEM files.
    Pem,
    /// A key store.
    Pkcs12 {
        /// The file whose content is its password.
        password_file: PathBuf,
    },
}

impl OutputFormat {
    /// Whether private halves are in it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        !matches!(self, Self::Jwks { .. })
    }
}

/// The word of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Jwks,
    PrivateJwks,
    Pem,
    Pkcs12,
}

/// Reads every table. Nothing is copied into the agent's `own` folders; `credentials` is systemd's folder of credentials, where there
/// is one.
pub(super) fn outputs(
    tables: Vec<Fields<'_>>,
    own: &[&Path],
    credentials: Option<&Path>,
    errors: &mut Vec<ConfigError>,
) -> Vec<Output> {
    let (mut outputs, mut names, mut copies): (Vec<Output>, BTreeSet<String>, BTreeSet<PathBuf>) = Default::default();
    for mut table in tables {
        let word = table.need("format", "write \"jwks\", \"private-jwks\", \"pem\" or \"pkcs12\"", word);
        let path = table.need("path", "the name of the file in the folder of the view", name);
        let is_private = word.is_some_and(|word| word != Word::Jwks);
        let mode = table.get("mode", |given| mode(given, is_private));
        let owner = table.get("owner", value::name);
        let group = table.get("group", value::name);
        let copy_to = table.get("copy_to", plain_path);
        let format = format(word, &mut table, credentials);
        if path.as_ref().is_some_and(|path| !names.insert(path.clone())) {
            table.object("path: another output has this name; choose a new one");
        }
        if let Some(place) = &copy_to {
            let clashes = |other: &PathBuf| other.starts_with(place) || place.starts_with(other);
            if copies.iter().any(clashes) {
                table.object("copy_to: another output is copied to this place, above it or below it; choose a new one");
            }
            if own
                .iter()
                .any(|folder| place.starts_with(folder) || folder.starts_with(place))
            {
                table.object("copy_to: this is in the agent's own folder, or above it; choose a place outside");
            }
            copies.insert(place.clone());
        }
        if let (Some(format), Some(path)) = (format, path) {
            outputs.push(Output {
                format,
                path,
                mode: mode.unwrap_or(if is_private { PRIVATE_MODE } else { PUBLIC_MODE }),
                owner,
                group,
                copy_to,
            });
        }
        errors.extend(table.finish());
    }
    outputs
}

fn format(word: Option<Word>, table: &mut Fields<'_>, credentials: Option<&Path>) -> Option<OutputFormat> {
    let x5c = table.get("x5c", value::boolean);
    let file = table.get("password_file", value::path);
    let credential = table.get("password_credential", name);
    let is_jwks = matches!(word, Some(Word::Jwks | Word::PrivateJwks));
    if word.is_some() && !is_jwks && x5c == Some(true) {
        table.object(
            "x5c: only \"jwks\" and \"private-jwks\" have it; the others hold each key's certificate anyway. Leave it away",
        );
    }
    let has_password = file.is_some() || credential.is_some();
    if word.is_some_and(|word| word != Word::Pkcs12) && has_password {
        table.object("only \"pkcs12\" has a password; leave it away, or choose that format");
    }
    let has_x5c = x5c.unwrap_or(false);
    Some(match word? {
        Word::Jwks => OutputFormat::Jwks { has_x5c },
        Word::PrivateJwks => OutputFormat::PrivateJwks { has_x5c },
        Word::Pem => OutputFormat::Pem,
        Word::Pkcs12 => OutputFormat::Pkcs12 {
            password_file: password(file, credential, table, credentials)?,
        },
    })
}

fn password(
    file: Option<PathBuf>,
    credential: Option<String>,
    table: &mut Fields<'_>,
    credentials: Option<&Path>,
) -> Option<PathBuf> {
    match (file, credential, credentials) {
        (Some(file), None, _) => Some(file),
        (None, Some(name), Some(folder)) => Some(folder.join(name)),
        (None, Some(_), None) => {
            table.object("password_credential: there are no credentials here; systemd hands them to the service, and only to it");
            None
        }
        (Some(_), Some(_), _) => {
            table.object("password_file and password_credential: choose one");
            None
        }
        (None, None, _) => {
            if table.is_sound() {
                table.object("password_file is missing: a PKCS#12 file is read with a password; name the file that has it, or a password_credential");
            }
            None
        }
    }
}

fn word(value: &DeValue<'_>) -> Result<Word, String> {
    match value::text(value)? {
        "jwks" => Ok(Word::Jwks),
        "private-jwks" => Ok(Word::PrivateJwks),
        "pem" => Ok(Word::Pem),
        "pkcs12" => Ok(Word::Pkcs12),
        other => Err(format!(
            "{other:?} is not a format; write \"jwks\", \"private-jwks\", \"pem\" or \"pkcs12\""
        )),
    }
}

/// A name in a folder, and nothing that leads out of it.
fn name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && name.len() <= 64;
    if name.is_empty() || name.starts_with('.') || !is_plain {
        return Err(format!(
            "{name:?} must be a plain name: up to 64 letters, digits, '-', '_' and '.', not beginning with '.'"
        ));
    }
    if BUILT_IN.contains(&name) {
        return Err(format!("every view has its own {name:?}; choose another name"));
    }
    Ok(name.to_owned())
}

/// Permission bits in octal, as chmod(1) takes them.
fn mode(value: &DeValue<'_>, is_private: bool) -> Result<u32, String> {
    let text = value::text(value).map_err(|why| format!("{why}; as in mode = \"0640\""))?;
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let bits = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
    let bits = bits.ok_or_else(|| format!("{text:?} is not a mode such as \"0640\""))?;
    if bits & 0o400 == 0 || bits & !0o666 != 0 {
        return Err(format!(
            "{text:?}: a file must be readable by its owner, and nobody can run it; write \"0640\" or the like"
        ));
    }
    if is_private && bits & 0o007 != 0 {
        return Err(format!(
            "{text:?} lets everybody at private keys; take the last digit to 0, and give those who read it a group"
        ));
    }
    if bits & 0o022 != 0 {
        return Err(format!(
            "{text:?} lets others than the owner write what the agent must answer for; write \"0640\" or the like"
        ));
    }
    Ok(bits)
}

/// A path from the root, name by name.
pub(super) fn plain_path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = value::path(value)?;
    let mut names = path.components().skip(1);
    let is_plain = path.file_name().is_some() && names.all(|name| matches!(name, Component::Normal(_)));
    if is_plain && !path.as_os_str().as_encoded_bytes().contains(&0) {
        return Ok(path);
    }
    Err(format!("\"{}\" must have no .. in it and end in a name", path.display()))
}
