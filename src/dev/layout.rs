//! Where the files of a scratch cluster are, and what its configurations say.
//!
//! ```text
//! leader.toml                    every command takes it with --config
//! master.key, leader/            what `jkeys init leader` makes
//! leader.sock                    the leader's admin socket
//! agents/node-1/agent.toml       an agent's configuration; the folder is its state_dir too, with `live` in it
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::error::DevError;
use super::schedule::report_every;
use crate::durable::{self, FileAttrs};
use crate::lifecycle::Windows;
use crate::types::{NodeName, Time};

/// The most bytes in the path of a socket (`unix(7)`), its final zero not counted.
const SOCKET_BYTES: usize = 107;
/// A socket is made under its name with this at the end.
const NEW_SOCKET: &str = ".new";

/// The folder of a scratch cluster. One that nobody named goes away with this value.
#[derive(Debug)]
pub(super) struct Layout {
    dir: PathBuf,
    is_scratch: bool,
    encryption: bool,
}

/// One profile for each kind of encryption key.
const ENCRYPTION: &str = "\n[[profile]]\nname = \"enc-ec\"\nuse = \"enc\"\nalg = \"ECDH-ES\"\n\n\
    [[profile]]\nname = \"enc-rsa\"\nuse = \"enc\"\nalg = \"RSA-OAEP-256\"\n";

impl Layout {
    /// Makes the folder: `dir`, which must be empty or absent, or else one of its own among the temporary files.
    pub(super) fn make(dir: Option<&Path>, now: Time) -> Result<Self, DevError> {
        let scratch = || std::env::temp_dir().join(format!("jkeys-dev-{}-{}", std::process::id(), now.0 % 100_000_000));
        let path = dir.map_or_else(scratch, Path::to_owned);
        let refused = |why| DevError::Folder { path: path.clone(), why };
        let absolute = resolved(&path).map_err(refused)?;
        let mut layout = Self {
            dir: absolute,
            is_scratch: false,
            encryption: false,
        };
        layout.check()?;
        match durable::create_new_folder(&layout.dir, 0o700).map_err(|error| error.cause) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists && dir.is_some() => {
                if layout.dir.read_dir().map_err(refused)?.next().is_some() {
                    return Err(DevError::NotEmpty(path));
                }
            }
            made => made.map_err(refused)?,
        }
        layout.is_scratch = dir.is_none();
        // A node would refuse it, after the leader has been founded.
        durable::open_safe_folder(&layout.dir).map_err(|error| refused(error.cause))?;
        durable::create_folder(&layout.dir.join("agents"), 0o755)?;
        Ok(layout)
    }

    /// The same, with profiles for encryption in `leader.toml` where `wanted`.
    pub(super) fn with_encryption(mut self, wanted: bool) -> Self {
        self.encryption = wanted;
        self
    }

    fn check(&self) -> Result<(), DevError> {
        let (path, most) = (self.socket(), SOCKET_BYTES - NEW_SOCKET.len());
        if self.dir.to_str().is_none() {
            return Err(DevError::NotText(self.dir.clone()));
        }
        if path.as_os_str().len() > most {
            return Err(DevError::TooLong { path, most });
        }
        Ok(())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// `leader.toml`
    pub(super) fn leader_config(&self) -> PathBuf {
        self.dir.join("leader.toml")
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("leader.sock")
    }

    /// The folder of a node: its configuration, its identity and its views.
    pub(super) fn node(&self, node: &NodeName) -> PathBuf {
        self.dir.join("agents").join(node.as_str())
    }

    /// `agent.toml` of a node
    pub(super) fn agent_config(&self, node: &NodeName) -> PathBuf {
        self.node(node).join("agent.toml")
    }

    /// Writes `leader.toml`.
    pub(super) fn write_leader(&self, listen: SocketAddr, windows: &Windows) -> Result<(), DevError> {
        let text = self.leader_text(listen, windows);
        Ok(durable::write_file(
            &self.leader_config(),
            text.as_bytes(),
            &FileAttrs::mode(0o644),
        )?)
    }

    fn leader_text(&self, listen: SocketAddr, windows: &Windows) -> String {
        let path = |name| quoted(&self.dir.join(name));
        let (state_dir, master_key, socket) = (path("leader"), path("master.key"), path("leader.sock"));
        let report_every = report_every(windows);
        let encryption = if self.encryption { ENCRYPTION } else { "" };
        let Windows {
            interval,
            min_prepublish,
            arm_lead,
            token_lifetime,
            decrypt_window,
            clock_skew,
            straggler_after,
            start_grace,
            max_age,
            anchor: _,
        } = windows;
        format!(
            "# Made by `jkeys dev`: a leader on this machine, on a fast schedule. `jkeys init leader` explains every setting.\n\
             listen = \"{listen}\"\nadvertise = [\"{listen}\"]\ntrust_domain = \"dev.jkeys.internal\"\nstate_dir = {state_dir}\n\
             master_key_file = {master_key}\nadmin_socket = {socket}\nadmin_group = \"\"\nreport_every = \"{report_every}\"\n\n\
             [defaults]\ninterval = \"{interval}\"\nmin_prepublish = \"{min_prepublish}\"\narm_lead = \"{arm_lead}\"\n\
             token_lifetime = \"{token_lifetime}\"\ndecrypt_window = \"{decrypt_window}\"\nclock_skew = \"{clock_skew}\"\n\
             straggler_after = \"{straggler_after}\"\nstart_grace = \"{start_grace}\"\nmax_age = \"{max_age}\"\n\n\
             [[profile]]\nname = \"app\"\nalg = \"ES256\"\n\n[[profile]]\nname = \"web\"\nalg = \"RS256\"\nbits = 2048\n{encryption}"
        )
    }

    /// Makes the folder of a node and writes its `agent.toml`.
    pub(super) fn write_agent(&self, node: &NodeName) -> Result<(), DevError> {
        durable::create_folder(&self.node(node), 0o755)?;
        let text = format!(
            "# Made by `jkeys dev`: a node on this machine. `jkeys init agent` explains every setting.\nstate_dir = {}\n",
            quoted(&self.node(node))
        );
        let path = self.agent_config(node);
        Ok(durable::write_file(&path, text.as_bytes(), &FileAttrs::mode(0o644))?)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        if self.is_scratch
            && let Err(why) = durable::remove_folder_all(&self.dir)
        {
            tracing::warn!(%why, "the scratch folder stays behind; remove it");
        }
    }
}

/// The path from the root, without links and dots: a node takes no other for its files. Its last name need not be there.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match (absolute.canonicalize(), absolute.parent(), absolute.file_name()) {
        (Err(why), Some(above), Some(name)) if why.kind() == io::ErrorKind::NotFound => Ok(above.canonicalize()?.join(name)),
        (found, ..) => found,
    }
}

/// A path as a TOML text. It is UTF-8: [`Layout::check`] has seen to that.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::dev::schedule::windows;
    use crate::types::{KeyUse, Span};

    const NOW: Time = Time(1_800_000_000_000);

    #[test]
    fn its_configurations_are_read_back_as_they_are_meant() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("it's \"odd\" é");
        let layout = Layout::make(Some(&dir), NOW).unwrap();
        let (windows, listen) = (windows(Span::secs(30)).unwrap(), "127.0.0.1:4711".parse().unwrap());
        layout.write_leader(listen, &windows).unwrap();
        let leader = config::file::leader(&layout.leader_config(), None).unwrap();
        assert_eq!((leader.listen, leader.admin_group), (listen, None));
        assert_eq!(
            (leader.state_dir, leader.admin_socket),
            (dir.join("leader"), dir.join("leader.sock"))
        );
        assert_eq!(leader.settings.profiles.len(), 2);
        assert!(leader.settings.profiles.values().all(|profile| profile.windows == windows));
        let layout = layout.with_encryption(true);
        layout.write_leader(listen, &windows).unwrap();
        let leader = config::file::leader(&layout.leader_config(), None).unwrap();
        let uses: Vec<_> = leader
            .settings
            .profiles
            .values()
            .map(|profile| profile.spec.key_use())
            .collect();
        assert_eq!(uses, [KeyUse::Sig, KeyUse::Enc, KeyUse::Enc, KeyUse::Sig]);
        let node = "node-1".parse().unwrap();
        layout.write_agent(&node).unwrap();
        let agent = config::file::agent(&layout.agent_config(&node), None).unwrap();
        assert_eq!(agent.live_link(), dir.join("agents/node-1/live"));
    }

    #[test]
    fn a_folder_that_is_named_stays_and_must_be_empty() {
        let dir = tempfile::tempdir().unwrap();
        drop(Layout::make(Some(dir.path()), NOW).unwrap());
        assert!(dir.path().join("agents").exists());
        let refused = Layout::make(Some(dir.path()), NOW).unwrap_err();
        assert!(matches!(refused, DevError::NotEmpty(_)), "{refused}");
        assert!(refused.to_string().contains("overwrites nothing"));
    }

    #[test]
    fn a_folder_behind_a_link_is_named_by_its_own_path() {
        let above = tempfile::tempdir().unwrap();
        let (real, link) = (above.path().join("real"), above.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for (named, meant) in [
            ("link", "real"),
            ("link/new", "real/new"),
            ("link/../real/other", "real/other"),
        ] {
            let layout = Layout::make(Some(&above.path().join(named)), NOW).unwrap();
            assert_eq!(layout.dir(), above.path().join(meant));
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused_in_words() {
        use std::os::unix::fs::PermissionsExt as _;
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("open");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = Layout::make(Some(&dir), NOW).unwrap_err().to_string();
        assert!(refused.contains("can write to") && refused.contains("--dir"), "{refused}");
    }

    #[test]
    fn a_folder_of_its_own_goes_away() {
        let layout = Layout::make(None, NOW).unwrap();
        let dir = layout.dir().to_owned();
        assert!(dir.exists());
        drop(layout);
        assert!(!dir.exists());
    }

    #[test]
    fn a_folder_that_can_not_be_used_is_refused_in_words() {
        let above = tempfile::tempdir().unwrap();
        let refused = |dir: PathBuf| Layout::make(Some(&dir), NOW).unwrap_err().to_string();
        assert!(refused(above.path().join("a".repeat(100))).contains("103 at most"));
        assert!(refused(above.path().join("absent/dir")).contains("--dir"));
        let file = above.path().join("file");
        durable::write_file(&file, b"", &FileAttrs::mode(0o600)).unwrap();
        assert!(refused(file).contains("can't be used"));
    }
}
