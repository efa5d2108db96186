//! The one place that reads a configuration from a disk.

use std::io;
use std::path::{Path, PathBuf};

use super::{AgentConfig, ConfigErrors, LeaderConfig};
use crate::lifecycle::Settings;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no configuration at {path:?}; `jkeys init {role}` writes one")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// `leader` or `agent`.
        role: &'static str,
    },
    /// The file can't be read.
    #[error("can't read the configuration {path:?}: {why}; check its owner and mode")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The file is wrong.
    #[error("{path:?} is refused; correct this:\n{errors}")]
    Wrong {
        /// Where it is.
        path: PathBuf,
        /// Everything that is wrong.
        errors: ConfigErrors,
    },
}

/// Reads `leader.toml`. `credentials` is systemd's folder of credentials, where there is one.
///
/// # Errors
/// No such file, no right to read it, or everything that is wrong in it.
pub fn leader(path: &Path, credentials: Option<&Path>) -> Result<LeaderConfig, FileError> {
    let text = read(path, "leader")?;
    LeaderConfig::parse(&text, credentials).map_err(|errors| wrong(path, errors))
}

/// Reads the settings of `leader.toml`, whether or not they keep the timing rules.
///
/// # Errors
/// No such file, no right to read it, or everything else that is wrong in it.
pub fn settings(path: &Path) -> Result<Settings, FileError> {
    let text = read(path, "leader")?;
    LeaderConfig::settings_of(&text).map_err(|errors| wrong(path, errors))
}

/// Reads nothing but the admin socket of `leader.toml`, which may be wrong everywhere else.
///
/// # Errors
/// No such file, no right to read it, or what it says of the socket is wrong.
pub fn admin_socket(path: &Path) -> Result<PathBuf, FileError> {
    let text = read(path, "leader")?;
    LeaderConfig::admin_socket_of(&text).map_err(|errors| wrong(path, errors))
}

/// Reads `agent.toml`. `credentials` is systemd's folder of credentials, where there is one.
///
/// # Errors
/// No such file, no right to read it, or everything that is wrong in it.
pub fn agent(path: &Path, credentials: Option<&Path>) -> Result<AgentConfig, FileError> {
    let text = read(path, "agent")?;
    AgentConfig::parse(&text, credentials).map_err(|errors| wrong(path, errors))
}

/// Like [`leader`], but where there is no such file everything is as by default.
///
/// # Errors
/// No right to read it, or everything that is wrong in it.
pub fn leader_or_default(path: &Path, credentials: Option<&Path>) -> Result<LeaderConfig, FileError> {
    let text = read_or(path, "leader", LeaderConfig::template())?;
    LeaderConfig::parse(&text, credentials).map_err(|errors| wrong(path, errors))
}

/// Like [`agent`], but where there is no such file everything is as by default.
///
/// # Errors
/// No right to read it, or everything that is wrong in it.
pub fn agent_or_default(path: &Path, credentials: Option<&Path>) -> Result<AgentConfig, FileError> {
    let text = read_or(path, "agent", AgentConfig::template())?;
    AgentConfig::parse(&text, credentials).map_err(|errors| wrong(path, errors))
}

fn read_or(path: &Path, role: &'static str, template: &str) -> Result<String, FileError> {
    match read(path, role) {
        Err(FileError::Missing { .. }) => Ok(template.to_owned()),
        text => text,
    }
}

fn read(path: &Path, role: &'static str) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|why| {
        let path = path.to_owned();
        match why.kind() {
            io::ErrorKind::NotFound => FileError::Missing { path, role },
            _ => FileError::Unreadable { path, why },
        }
    })
}

fn wrong(path: &Path, errors: ConfigErrors) -> FileError {
    let path = path.to_owned();
    FileError::Wrong { path, errors }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_missing_file_says_which_command_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        let refused = leader(&path, None).unwrap_err().to_string();
        assert!(refused.contains("`jkeys init leader`"), "{refused}");
        let refused = agent(&path, None).unwrap_err().to_string();
        assert!(refused.contains("`jkeys init agent`"), "{refused}");
    }

    #[test]
    fn where_it_may_be_missing_all_is_as_by_default_and_what_is_there_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        assert_eq!(
            agent_or_default(&path, None).unwrap().state_dir,
            Path::new("/var/lib/jkeys/agent")
        );
        assert_eq!(
            leader_or_default(&path, None).unwrap().state_dir,
            Path::new("/var/lib/jkeys/leader")
        );
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"strange = 1\n").unwrap();
        assert!(matches!(agent_or_default(file.path(), None), Err(FileError::Wrong { .. })));
        assert!(matches!(leader_or_default(file.path(), None), Err(FileError::Wrong { .. })));
    }

    #[test]
    fn a_file_that_is_no_text_is_unreadable() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"\xff\xfe").unwrap();
        assert!(matches!(agent(file.path(), None), Err(FileError::Unreadable { .. })));
    }

    #[test]
    fn a_file_is_read_and_its_errors_name_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(AgentConfig::template().as_bytes()).unwrap();
        assert_eq!(
            agent(file.path(), None).unwrap(),
            AgentConfig::parse(AgentConfig::template(), None).unwrap()
        );
        file.write_all(b"strange = 1\n").unwrap();
        let refused = agent(file.path(), None).unwrap_err().to_string();
        assert!(refused.contains(&format!("{:?}", file.path())), "{refused}");
        assert!(refused.contains("strange: unknown key"), "{refused}");
    }
}
