//! What an agent and a leader take that have nothing to do: memory of their own, and how often they wake. Real processes, real time:
//! `cargo bench --bench idle`, ten minutes, or `MINUTES=1 cargo bench --bench idle`.

#![expect(clippy::disallowed_methods, reason = "it watches processes from outside, in real time")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const JKEYS: &str = env!("CARGO_BIN_EXE_jkeys");
/// How long both have to come to rest.
const SETTLES: Duration = Duration::from_secs(30);

/// A service that ends with the bench.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let minutes: u64 = std::env::var("MINUTES").map_or(10, |text| text.parse().expect("a number of minutes"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    run(
        folder.path(),
        &["--config", "leader.toml", "init", "leader", "--dir", "."],
        "",
    );
    let leader = serve(folder.path(), "leader");
    let token = until(|| text_of(folder.path(), &["--config", "leader.toml", "node", "token", "idle"]));
    run(folder.path(), &["--config", "agent.toml", "enroll", "-"], &token);
    let agent = serve(folder.path(), "agent");
    until(|| fs::read_link(folder.path().join("agent/live")).ok());
    sleep(SETTLES);
    let before = [&agent, &leader].map(wakeups);
    sleep(Duration::from_secs(minutes * 60));
    for (service, (name, before)) in [&agent, &leader].into_iter().zip(["agent", "leader"].into_iter().zip(before)) {
        let woken = (wakeups(service) - before) / minutes;
        println!("{name}: RssAnon {} KiB, {woken} wake-ups a minute", rss_anon_kib(service));
    }
}

/// Two profiles, PKCS#12 and HTTP: more than a usual agent has.
fn configure(folder: &Path) {
    let [leader, http] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let [leader, http] = [leader, http].map(|listener| listener.local_addr().expect("its address"));
    let root = folder.display();
    let leader_toml = format!(
        "listen = \"{leader}\"\nadvertise = [\"{leader}\"]\nstate_dir = \"{root}/leader\"\nmaster_key_file = \"{root}/master.key\"\n\
         admin_socket = \"{root}/leader.sock\"\nadmin_group = \"\"\n[[profile]]\nname = \"web\"\nalg = \"RS256\"\n\
         [[profile]]\nname = \"api\"\nalg = \"ES256\"\n"
    );
    let agent_toml = format!(
        "state_dir = \"{root}/agent\"\n[http]\nlisten = \"{http}\"\n[[output]]\nformat = \"pkcs12\"\npath = \"keys.p12\"\nmode = \"0640\"\n\
         password_file = \"{root}/password\"\ncopy_to = \"{root}/copy.p12\"\n"
    );
    for (name, text) in [
        ("leader.toml", &leader_toml),
        ("agent.toml", &agent_toml),
        ("password", &"a long password".to_owned()),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(JKEYS);
    command.args(words).current_dir(folder).stderr(Stdio::null());
    command
}

fn serve(folder: &Path, role: &str) -> Service {
    let config = format!("{role}.toml");
    let mut command = command(folder, &["--config", &config, role]);
    Service(command.stdout(Stdio::null()).spawn().expect("a service"))
}

/// What a command says, if it succeeds.
fn text_of(folder: &Path, words: &[&str]) -> Option<String> {
    let output = command(folder, words).output().expect("it runs");
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).expect("text"))
}

fn run(folder: &Path, words: &[&str], input: &str) {
    let mut child = command(folder, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{words:?} failed");
}

fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = found() {
            return found;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("it never comes");
}

fn number_after(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("the kernel says it");
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

fn rss_anon_kib(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.0.id())).expect("it runs still");
    number_after(&status, "RssAnon:")
}

/// How often its threads went to sleep so far: as often as they have woken.
fn wakeups(service: &Service) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", service.0.id())).expect("it runs still");
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    statuses.map(|status| number_after(&status, "voluntary_ctxt_switches:")).sum()
}
