//! What `agent.toml` says of hooks and probes, in terms of this machine: its accounts, its capabilities, its CAs.

use super::core::EventHook;
use super::shell::Followers;
use crate::config::{self, AgentConfig};
use crate::hooks::probe::{Probe, ProbeError, check_roots};
use crate::hooks::{Account, Hook, may_switch_user};
use crate::rpc::{account_ids, group_ids_of};
use crate::types::HookEvent;

/// Why a hook or a probe can't be as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// A program that can't be one.
    #[error("{0}")]
    Hook(String),
    /// A user that is not there.
    #[error(
        "a [[hook]] has user = {0:?}: there is no such account in /etc/passwd; make it with `useradd --system {0}`, or name another"
    )]
    NoUser(String),
    /// No right to become another user.
    #[error(
        "a [[hook]] has user = {0:?}, and the agent may not run a program as another user: copy the drop-in hooks.conf to \
         /etc/systemd/system/jkeys-agent.service.d/ (it is in /usr/share/doc/jkeys/examples/, or in deploy/systemd/ of the sources), then \
         `systemctl daemon-reload` and `systemctl restart jkeys-agent`; or take the user out"
    )]
    NotAllowed(String),
    /// A server's certificate could be held against nothing.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// The hooks and probes of this configuration.
pub(super) fn of(config: &AgentConfig) -> Result<Followers, FollowerError> {
    let mut followers = Followers::default();
    for configured in &config.hooks {
        let hook = hook(configured)?;
        if configured.on == HookEvent::Swap {
            followers.swap.push(hook);
            continue;
        }
        let rule = EventHook {
            on: configured.on,
            retries: configured.retries,
        };
        followers.events.push((rule, hook));
    }
    for config::Probe {
        url,
        ca_file,
        timeout,
        interval,
    } in &config.probes
    {
        let probe = Probe {
            url: url.clone(),
            ca_file: ca_file.clone(),
            timeout: *timeout,
        };
        check_roots(&probe)?;
        followers.probes.push((*interval, probe));
    }
    Ok(followers)
}

fn hook(configured: &config::Hook) -> Result<Hook, FollowerError> {
    let hook = Hook::new(configured.argv.clone(), configured.timeout).map_err(FollowerError::Hook)?;
    let Some(user) = &configured.user else {
        return Ok(hook);
    };
    let (uid, gid) = account_ids(user).ok_or_else(|| FollowerError::NoUser(user.clone()))?;
    if !may_switch_user() {
        return Err(FollowerError::NotAllowed(user.clone()));
    }
    let groups = group_ids_of(user, gid);
    Ok(hook.as_user(Account { uid, gid, groups }))
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

    use super::*;

    fn refused(text: &str) -> String {
        of(&AgentConfig::parse(text, None).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_user_that_is_not_there_is_refused_in_words() {
        let words = refused("[[hook]]\non = \"stale\"\nargv = [\"/bin/true\"]\nuser = \"no-such-user\"\n");
        assert!(words.contains("user = \"no-such-user\": there is no such account"), "{words}");
    }

    #[test]
    fn without_the_drop_in_a_hook_of_another_user_is_refused_with_its_name() {
        let text = "[[hook]]\non = \"swap\"\nargv = [\"/bin/true\"]\nuser = \"root\"\n";
        // What a thread drops is dropped in it alone.
        let thread = std::thread::spawn(move || {
            let sets = CapabilitySets {
                effective: CapabilitySet::empty(),
                ..capabilities(None).unwrap()
            };
            set_capabilities(None, sets).unwrap();
            refused(text)
        });
        let words = thread.join().unwrap();
        for part in ["user = \"root\"", "hooks.conf", "/etc/systemd/system/jkeys-agent.service.d/"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_probe_whose_ca_is_not_there_is_refused_in_words() {
        let words = refused("[[probe]]\nurl = \"https://op.example/jwks\"\nca_file = \"/no/such/ca.pem\"\n");
        assert!(words.contains("/no/such/ca.pem, can't be read"), "{words}");
    }

    #[test]
    fn hooks_are_told_apart_by_what_they_run_on() {
        let text =
            "[[hook]]\non = \"revoked\"\nargv = [\"/bin/true\"]\nretries = 2\n[[hook]]\non = \"swap\"\nargv = [\"/bin/true\"]\n";
        let followers = of(&AgentConfig::parse(text, None).unwrap()).unwrap();
        let rules: Vec<EventHook> = followers.events.iter().map(|(rule, _)| *rule).collect();
        let rule = EventHook {
            on: HookEvent::Revoked,
            retries: 2,
        };
        assert_eq!((rules, followers.swap.len()), (vec![rule], 1));
    }
}
