//! Hooks as another user. They need root, or the capabilities of the drop-in.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::clock::{Clock, Stepper};
use crate::hooks::in_unit::become_agent;
use crate::hooks::tests::{gone, lines_of, may_switch_or_skip, sh};
use crate::hooks::{HookError, HookResult, run};
use crate::types::{Span, Time};

/// Nobody's numbers.
const UID: u32 = 54_321;
const GROUPS: [u32; 2] = [54_322, 54_323];

fn other() -> Account {
    Account {
        uid: UID,
        gid: GROUPS[0],
        groups: GROUPS.to_vec(),
    }
}

const SHOW: &str = "id -u; id -ru; id -g; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2";

/// What [`SHOW`] shows of the other user without any capability.
fn shown() -> Vec<String> {
    let none = "0000000000000000".to_owned();
    let ids = [
        UID.to_string(),
        UID.to_string(),
        GROUPS[0].to_string(),
        format!("{} {}", GROUPS[0], GROUPS[1]),
    ];
    ids.into_iter().chain([none.clone(), none.clone(), none]).collect()
}

async fn run_as(account: Option<Account>, script: &str) -> HookResult {
    let hook = sh(script, Span::mins(1));
    let hook = account.into_iter().fold(hook, crate::hooks::Hook::as_user);
    run(&hook, &BTreeMap::new(), &Clock::machine()).await
}

#[tokio::test]
async fn a_hook_of_another_user_has_its_groups_and_no_capability() {
    if !may_switch_or_skip() {
        return;
    }
    let result = run_as(Some(other()), SHOW).await;
    assert_eq!(result.ended, Ok(()), "{}", result.stderr);
    let mut lines = lines_of(&result.stdout);
    lines.remove(4);
    assert_eq!(lines, shown());
    let own = run_as(None, "id -u; id -G").await;
    assert!(
        !own.stdout.contains(&UID.to_string()),
        "the agent itself stays who it is: {}",
        own.stdout
    );
}

/// Runs this on a thread that has become the agent in its unit.
fn in_the_unit(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        become_agent(65_000, NEEDED);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
    thread.join().unwrap();
}

#[test]
fn with_the_drop_in_no_hook_has_the_agents_capabilities_or_groups() {
    if !may_switch_or_skip() {
        return;
    }
    in_the_unit(async || {
        assert!(may_switch_user());
        let result = run_as(Some(other()), SHOW).await;
        assert_eq!(result.ended, Ok(()), "{}", result.stderr);
        let mut lines = lines_of(&result.stdout);
        lines.remove(4);
        assert_eq!(lines, shown());
        // One without a user is the agent's own, and could become root if it had them.
        let own = run_as(None, "id -u; grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status | cut -f2").await;
        let none = "0000000000000000";
        assert_eq!(lines_of(&own.stdout), ["65000", none, none, none]);
    });
}

#[test]
fn with_the_drop_in_a_hook_of_another_user_is_killed_with_its_group() {
    if !may_switch_or_skip() {
        return;
    }
    in_the_unit(async || {
        let (clock, stepper): (Clock, Stepper) = Clock::stepped(Time(0));
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(
            std::process::Command::new("mkfifo")
                .args(["-m", "666"])
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        assert!(
            std::process::Command::new("chmod")
                .arg("711")
                .arg(folder.path())
                .status()
                .unwrap()
                .success()
        );
        let script = format!("sleep 600 & echo $! >{}; wait", fifo.display());
        let hook = sh(&script, Span::secs(5)).as_user(other());
        let running = tokio::spawn(async move { run(&hook, &BTreeMap::new(), &clock).await });
        let child = tokio::fs::read_to_string(&fifo).await.unwrap();
        stepper.advance(Span::secs(5));
        let ended = running.await.unwrap().ended;
        assert!(matches!(ended, Err(HookError::TimedOut { .. })), "{ended:?}");
        gone(rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap()).await;
    });
}

/// Runs this as an account that may do nothing about processes of others.
fn without_rights(test: impl AsyncFnOnce() + Send + 'static) {
    in_the_unit(async || {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        set_capabilities(None, sets).unwrap();
        test().await;
    });
}

/// Nobody but root may signal it, so it is as one that waits for a device for ever.
#[test]
fn a_hook_that_became_root_and_can_not_be_killed_holds_nothing_up() {
    if !may_switch_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let is_closed = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("NoNewPrivs:\t1");
    let mounted = rustix::fs::statvfs(folder.path()).unwrap().f_flag;
    if is_closed || mounted.contains(rustix::fs::StatVfsMountFlags::NOSUID) {
        return crate::durable::small_disk::skipped("a hook that becomes root: no program can here");
    }
    let (fifo, become_root) = (folder.path().join("fifo"), folder.path().join("setpriv"));
    let shell = format!(
        "mkfifo -m 666 {0} && cp \"$(command -v setpriv)\" {1}",
        fifo.display(),
        become_root.display()
    );
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &shell])
            .status()
            .unwrap()
            .success()
    );
    for (path, mode) in [(folder.path(), 0o711), (&become_root, 0o4755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let script = format!("echo $$ $(id -ru) >{}; exec sleep 600", fifo.display());
    let argv = [become_root.to_str().unwrap(), "--reuid=0", "/bin/sh", "-c", &script];
    let hook = crate::hooks::Hook::new(argv.iter().map(ToString::to_string).collect(), Span::secs(5)).unwrap();
    let (told, end) = std::sync::mpsc::channel();
    without_rights(async move || {
        let (clock, stepper): (Clock, Stepper) = Clock::stepped(Time(0));
        let running = tokio::spawn(async move { run(&hook, &BTreeMap::new(), &clock).await });
        told.send(tokio::fs::read_to_string(&fifo).await.unwrap()).unwrap();
        let ended = crate::hooks::tests::in_time(async {
            while !running.is_finished() {
                stepper.advance(Span::secs(5));
                tokio::task::yield_now().await;
            }
            running.await.unwrap().ended.unwrap_err()
        });
        let ended = ended.await;
        assert!(matches!(ended, HookError::NotKilled { .. }), "{ended:?}");
        assert!(ended.to_string().contains("can't be killed"), "{ended}");
    });
    let said = end.recv().unwrap();
    let (pid, user) = said.trim().split_once(' ').unwrap();
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    assert_eq!(user, "0");
    rustix::process::test_kill_process(pid).expect("it was not killed");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn without_the_capabilities_it_is_known_that_it_can_not_be_done() {
    let thread = std::thread::spawn(|| {
        let none = CapabilitySet::empty();
        let before = capabilities(None).unwrap();
        set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: before.permitted,
                inheritable: none,
            },
        )
        .unwrap();
        assert!(!may_switch_user());
        if before.permitted.contains(NEEDED) {
            let two_of_three = CapabilitySets {
                effective: CapabilitySet::SETUID | CapabilitySet::SETGID,
                ..before
            };
            set_capabilities(None, two_of_three).unwrap();
            assert!(!may_switch_user(), "what can't be ended must not be started");
        }
    });
    thread.join().unwrap();
}
