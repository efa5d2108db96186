//! `leader.toml`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::MASTER_KEY_CREDENTIAL;
use super::error::{ConfigError, ConfigErrors};
use super::table::{Document, Fields};
use super::{profile, value};
use crate::lifecycle::{Settings, check};
use crate::types::{HostPort, Span, TrustDomain};

/// A leader's configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderConfig {
    /// Where the leader listens for nodes.
    pub listen: SocketAddr,
    /// The addresses that join tokens carry. Where there is none, no token can be made.
    pub advertise: Vec<HostPort>,
    /// The fleet's trust domain. Certificates carry it, so it stays as it was at `jkeys init leader`.
    pub trust_domain: TrustDomain,
    /// The folder of the keystore, the log and the snapshots.
    pub state_dir: PathBuf,
    /// The file that holds the master key, which wraps every private half.
    pub master_key_file: PathBuf,
    /// The Unix socket of the command line.
    pub admin_socket: PathBuf,
    /// The group that may use the socket beside root and the leader's own account.
    pub admin_group: Option<String>,
    /// The longest time between two reports of an agent that has nothing new to say.
    pub report_every: Span,
    /// What takes each snapshot away from this machine.
    pub backup: Option<BackupHook>,
    /// The profiles with their windows. They keep the timing rules.
    pub settings: Settings,
}

/// A program that runs after each snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupHook {
    /// The program, as an absolute path, and its arguments. Never empty.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Span,
}

impl LeaderConfig {
    /// Where the configuration is when nobody says otherwise.
    pub const DEFAULT_PATH: &str = "/etc/jkeys/leader.toml";

    /// A configuration with every setting, its default and its meaning, for `jkeys init leader`.
    #[must_use]
    pub fn template() -> &'static str {
        include_str!("leader.toml")
    }

    /// Reads a configuration. `credentials` is systemd's folder of credentials, where there is one: the master key comes from
    /// there unless `master_key_file` says otherwise.
    ///
    /// # Errors
    /// Everything that is wrong: no TOML, unknown keys, wrong values, and timing rules broken.
    pub fn parse(text: &str, credentials: Option<&Path>) -> Result<Self, ConfigErrors> {
        let (config, mut errors) = Self::read(text, credentials)?;
        errors.extend(check(&config.settings).into_iter().map(|violation| ConfigError {
            line: None,
            text: violation.to_string(),
        }));
        ConfigErrors::none_of(errors)?;
        Ok(config)
    }

    /// The settings of a configuration, whether or not they keep the timing rules.
    ///
    /// # Errors
    /// Everything else that is wrong.
    pub fn settings_of(text: &str) -> Result<Settings, ConfigErrors> {
        let (config, errors) = Self::read(text, None)?;
        ConfigErrors::none_of(errors)?;
        Ok(config.settings)
    }

    /// What the text says, with everything that is wrong but the timing.
    fn read(text: &str, credentials: Option<&Path>) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
        let document = Document::parse(text)?;
        let mut top = document.top();
        let mut errors = Vec::new();
        let settings = profile::settings(&mut top, &mut errors);
        let config = Self {
            listen: top
                .get("listen", value::listen)
                .unwrap_or((Ipv4Addr::UNSPECIFIED, 7443).into()),
            advertise: top
                .get("advertise", |list| value::list(list, value::parsed))
                .unwrap_or_default(),
            trust_domain: trust_domain(&mut top),
            state_dir: top
                .get("state_dir", value::path)
                .unwrap_or_else(|| "/var/lib/jkeys/leader".into()),
            master_key_file: top
                .get("master_key_file", value::path)
                .unwrap_or_else(|| master_key_file(credentials)),
            admin_socket: top.get(ADMIN_SOCKET, value::path).unwrap_or_else(default_socket),
            admin_group: top
                .get("admin_group", value::group)
                .unwrap_or_else(|| Some("jkeys-admin".to_owned())),
            report_every: top.get("report_every", value::bounded_span).unwrap_or(Span::mins(1)),
            backup: backup(&mut top, &mut errors),
            settings: Settings {
                served_max_age: top.get("served_max_age", value::bounded_span),
                ca_rotate_before: top
                    .get("ca_rotate_before", value::bounded_span)
                    .unwrap_or(settings.ca_rotate_before),
                ..settings
            },
        };
        errors.extend(config.reports_too_rarely());
        errors.extend(top.finish());
        Ok((config, errors))
    }

    /// The admin socket of a configuration, whatever else is wrong in it: somebody may be in the middle of editing it while the
    /// leader runs, and an emergency does not wait.
    ///
    /// # Errors
    /// The text names a socket that can't be one.
    pub fn admin_socket_of(text: &str) -> Result<PathBuf, ConfigErrors> {
        let is_of_socket = |line: &&str| line.trim_start().starts_with(ADMIN_SOCKET);
        let blanked: Vec<&str> = text
            .lines()
            .map(|line| Some(line).filter(is_of_socket).unwrap_or(""))
            .collect();
        let blanked = blanked.join("\n");
        let document = Document::parse(text).or_else(|_| Document::parse(&blanked))?;
        let mut top = document.top();
        let socket = top.get(ADMIN_SOCKET, value::path);
        ConfigErrors::none_of(top.wrong())?;
        Ok(socket.unwrap_or_else(default_socket))
    }

    /// The settings in which `next` differs and that only a restart can change.
    #[must_use]
    pub fn needs_restart(&self, next: &Self) -> Vec<&'static str> {
        let fixed = [
            ("listen", self.listen != next.listen),
            ("trust_domain", self.trust_domain != next.trust_domain),
            ("state_dir", self.state_dir != next.state_dir),
            ("master_key_file", self.master_key_file != next.master_key_file),
            ("admin_socket", self.admin_socket != next.admin_socket),
            ("admin_group", self.admin_group != next.admin_group),
        ];
        fixed
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect()
    }

    /// A node that is well must be heard at least twice before it counts as silent.
    fn reports_too_rarely(&self) -> Option<ConfigError> {
        let (every, straggler) = (self.report_every, self.settings.straggler_after());
        let known = !self.settings.profiles.is_empty();
        (known && every * 2 > straggler).then(|| ConfigError {
            line: None,
            text: format!(
                "2*report_every ({}) must be at most straggler_after ({straggler}); make report_every shorter",
                every * 2
            ),
        })
    }
}

fn backup(top: &mut Fields<'_>, errors: &mut Vec<ConfigError>) -> Option<BackupHook> {
    let mut table = top.table("backup")?;
    let argv = table.need("argv", "the program and its arguments, as a list", value::argv);
    let timeout = table.get("timeout", value::bounded_span).unwrap_or(Span::mins(5));
    errors.extend(table.finish());
    argv.map(|argv| BackupHook { argv, timeout })
}

const ADMIN_SOCKET: &str = "admin_socket";

fn default_socket() -> PathBuf {
    "/run/jkeys/leader.sock".into()
}

/// What the certificates of a fleet that was given no name say. The CA is the fleet's own, so two such fleets don't trust each other.
fn trust_domain(top: &mut Fields<'_>) -> TrustDomain {
    let unnamed = || "jkeys.internal".parse().expect("it is a valid trust domain");
    top.get("trust_domain", value::parsed).unwrap_or_else(unnamed)
}

fn master_key_file(credentials: Option<&Path>) -> PathBuf {
    credentials.map_or_else(|| "/etc/jkeys/master.key".into(), |folder| folder.join(MASTER_KEY_CREDENTIAL))
}

#[cfg(test)]
mod tests;
