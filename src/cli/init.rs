//! `jkeys init`: a first configuration, never over one that is there.

use std::io;
use std::path::{Path, PathBuf, absolute};

use clap::Subcommand;

use super::services::credentials;
use super::{CliError, Exit, Screen, caller, render};
use crate::clock::Clock;
use crate::config::{AgentConfig, LeaderConfig, file};
use crate::durable::{FileAttrs, create_file, create_folder};
use crate::leader::founding;

/// Roles of `jkeys init`.
#[derive(Debug, Subcommand)]
pub(super) enum InitVerb {
    /// A leader: its configuration, master key, CA, log key and keystore. Nothing that is there is overwritten
    Leader {
        /// Keep the configuration and all state in this folder, rather than in /etc/jkeys and /var/lib/jkeys
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// The configuration of an agent, with every setting, its default and its meaning
    Agent {
        /// Keep the configuration and all state in this folder, rather than in /etc/jkeys and /var/lib/jkeys
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

impl InitVerb {
    pub(super) fn run(self, config: Option<&Path>, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Leader { dir } => {
                let dir = dir.as_deref().map(absolute_path).transpose()?;
                let path = leader(config, dir.as_deref(), clock)?;
                screen.line(&render::leader_founded(&path))?;
            }
            Self::Agent { dir } => {
                let dir = dir.as_deref().map(absolute_path).transpose()?;
                let path = agent(config, dir.as_deref())?;
                screen.line(&render::agent_configured(&path))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Founds a fleet, with a new configuration where there is none yet, and says where that is.
///
/// What is there already stands: an interrupted or a configured `init` goes on from it, and only the keystore must be new.
fn leader(config: Option<&Path>, dir: Option<&Path>, clock: &Clock) -> Result<PathBuf, CliError> {
    let default = || dir.map_or_else(|| LeaderConfig::DEFAULT_PATH.into(), |dir| dir.join("leader.toml"));
    let path = config.map_or_else(|| Ok(default()), absolute_path)?;
    if path.symlink_metadata().is_err() {
        write_new(&path, &leader_text(dir)?)?;
    }
    let config = file::leader(&path, credentials().as_deref())?;
    for parent in [config.master_key_file.parent(), config.state_dir.parent()]
        .into_iter()
        .flatten()
    {
        folder(parent)?;
    }
    if config.master_key_file.symlink_metadata().is_err() {
        founding::make_master_key(&config.master_key_file)?;
    }
    let master = founding::read_master_key(&config.master_key_file)?;
    founding::found(&config.state_dir, &master, &config.trust_domain, &caller(), clock)?;
    Ok(path)
}

fn leader_text(dir: Option<&Path>) -> Result<String, CliError> {
    let Some(dir) = dir else {
        return Ok(LeaderConfig::template().to_owned());
    };
    folder(dir)?;
    let text = set(LeaderConfig::template(), "state_dir", &dir.join("leader"))?;
    let text = set(&text, "master_key_file", &dir.join("master.key"))?;
    set(&text, "admin_socket", &dir.join("leader.sock"))
}

/// Writes `agent.toml` and says where.
fn agent(config: Option<&Path>, dir: Option<&Path>) -> Result<PathBuf, CliError> {
    let default = || dir.map_or_else(|| AgentConfig::DEFAULT_PATH.into(), |dir| dir.join("agent.toml"));
    let path = config.map_or_else(|| Ok(default()), absolute_path)?;
    let text = agent_text(dir)?;
    if let Some(dir) = dir {
        folder(dir)?;
    }
    write_new(&path, &text)?;
    // `jkeys enroll` makes the folder of the state in it.
    if let Some(parent) = file::agent(&path, None)?.state_dir.parent() {
        folder(parent)?;
    }
    Ok(path)
}

fn agent_text(dir: Option<&Path>) -> Result<String, CliError> {
    match dir {
        None => Ok(AgentConfig::template().to_owned()),
        Some(dir) => set(AgentConfig::template(), "state_dir", &dir.join("agent")),
    }
}

/// A template in which the path `key`, there with its default behind a `#`, is `value`.
fn set(template: &str, key: &str, value: &Path) -> Result<String, CliError> {
    let no_text = || CliError::Path {
        path: value.to_owned(),
        why: io::Error::new(io::ErrorKind::InvalidInput, "it is not UTF-8"),
    };
    let commented = format!("#{key} = ");
    let setting = format!("{key} = {}", toml::Value::from(value.to_str().ok_or_else(no_text)?));
    let line = |line| if str::starts_with(line, &commented) { &setting } else { line };
    Ok(template.lines().flat_map(|text| [line(text), "\n"]).collect())
}

/// Writes a configuration where there is none; its folder is made if only that is missing.
fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    create_file(path, text.as_bytes(), &FileAttrs::mode(0o644)).map_err(|error| match error.cause.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists(path.to_owned()),
        _ => error.into(),
    })
}

/// One that is there may be a link to a folder, and stays as it is.
fn folder(path: &Path) -> Result<(), CliError> {
    if !path.is_dir() {
        create_folder(path, 0o755)?;
    }
    Ok(())
}

fn absolute_path(path: &Path) -> Result<PathBuf, CliError> {
    absolute(path).map_err(|why| CliError::Path {
        path: path.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::founding::FoundingError;
    use crate::types::Time;

    #[test]
    fn a_new_configuration_is_the_template_and_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jkeys/agent.toml");
        let none = agent_text(None).unwrap();
        assert_eq!(none, AgentConfig::template());
        assert_eq!(agent(Some(&path), Some(&folder.path().join("state"))).unwrap(), path);
        assert!(
            folder.path().join("state").is_dir(),
            "the folder above state_dir is there for `jkeys enroll`"
        );
    }

    #[test]
    fn with_a_folder_everything_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a \"quoted\" name");
        let path = agent(None, Some(&dir)).unwrap();
        assert_eq!(path, dir.join("agent.toml"));
        let config = file::agent(&path, None).unwrap();
        assert_eq!(config.state_dir, dir.join("agent"));
    }

    #[test]
    fn a_fleet_is_founded_once_and_an_interrupted_founding_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, _) = Clock::stepped(Time(1_800_000_000_000));
        let path = leader(None, Some(folder.path()), &clock).unwrap();
        let config = file::leader(&path, None).unwrap();
        let key = std::fs::read(&config.master_key_file).unwrap();
        let again = leader(None, Some(folder.path()), &clock).unwrap_err();
        assert!(matches!(again, CliError::Founding(FoundingError::Keystore(_))), "{again}");
        std::fs::remove_dir_all(&config.state_dir).unwrap();
        leader(None, Some(folder.path()), &clock).unwrap();
        assert_eq!(
            std::fs::read(&config.master_key_file).unwrap(),
            key,
            "a master key is never overwritten"
        );
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = agent(None, Some(folder.path())).unwrap();
        let before = std::fs::read(&path).unwrap();
        let refused = agent(Some(&path), None).unwrap_err();
        assert!(matches!(&refused, CliError::Exists(at) if *at == path), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_dangling_link_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(matches!(agent(Some(&path), None), Err(CliError::Exists(_))));
    }
}
