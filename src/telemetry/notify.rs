//! What a service tells systemd (`sd_notify(3)`). Outside of systemd nothing happens.

use sd_notify::NotifyState;

use crate::types::Span;

/// The service does its work from now on; also the end of a reload.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The service reads its configuration again; [`ready`] ends it.
pub fn reloading() {
    // `Type=notify-reload` asks for the instant by the kernel's monotonic clock; `Type=notify` passes over it.
    match NotifyState::monotonic_usec_now() {
        Ok(instant) => send(&[NotifyState::Reloading, instant]),
        Err(why) => tracing::warn!(%why, "the monotonic clock can't be read, so systemd is not told of the reload"),
    }
}

/// The service is on its way out.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The service is alive; to be said at least once in each [`watchdog_every`].
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often to call [`watchdog`]: half of `WatchdogSec=`. None where systemd does not ask.
#[must_use]
pub fn watchdog_every() -> Option<Span> {
    let limit = sd_notify::watchdog_enabled()?;
    Some(Span(u64::try_from(limit.as_millis() / 2).unwrap_or(u64::MAX)))
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(states) {
        tracing::warn!(%why, "systemd can't be told of the service's state");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// Outside of systemd these are no-ops. The test below runs this one again in a process that has a socket.
    #[test]
    fn everything_can_be_said() {
        ready();
        reloading();
        watchdog();
        stopping();
        if std::env::var_os("WATCHDOG_USEC").is_some_and(|usec| usec == "3000000") {
            assert_eq!(watchdog_every(), Some(Span(1500)));
        }
    }

    #[test]
    fn systemd_hears_every_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The environment of a running process can't be changed safely, so a process of its own gets the socket.
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "telemetry::notify::tests::everything_can_be_said"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "3000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap();
        assert!(test.status.success(), "{test:?}");
        for word in ["READY=1\n", "RELOADING=1\nMONOTONIC_USEC=", "WATCHDOG=1\n", "STOPPING=1\n"] {
            let mut heard = [0; 256];
            let length = socket.recv(&mut heard).unwrap();
            let heard = String::from_utf8_lossy(&heard[..length]);
            assert!(heard.starts_with(word), "{heard:?} is not {word:?}");
        }
    }
}
