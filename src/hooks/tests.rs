use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::types::Time;

/// Whether hooks can run as another user here; where not, a test says that it shows nothing.
pub(super) fn may_switch_or_skip() -> bool {
    if may_switch_user() {
        return true;
    }
    let why = "hooks as another user: the tests run without CAP_SETUID, CAP_SETGID and CAP_KILL\n";
    eprint!("skipped: {why}");
    if let Some(list) = std::env::var_os("JKEYS_TEST_SKIPPED") {
        let mut list = std::fs::OpenOptions::new().append(true).open(list).unwrap();
        list.write_all(why.as_bytes()).unwrap();
    }
    false
}

pub(super) fn lines_of(text: &str) -> Vec<&str> {
    text.lines().collect()
}

pub(super) fn write(path: &Path, text: &str) {
    let attrs = crate::durable::FileAttrs::mode(0o600);
    crate::durable::write_file(path, text.as_bytes(), &attrs).unwrap();
}

pub(super) fn sh(script: &str, timeout: Span) -> Hook {
    Hook::new(vec!["/bin/sh".into(), "-c".into(), script.into()], timeout).unwrap()
}

async fn run_sh(script: &str) -> HookResult {
    run(&sh(script, Span::mins(1)), &BTreeMap::new(), &Clock::machine()).await
}

#[tokio::test]
async fn a_hook_sees_path_and_what_it_is_given_and_nothing_else() {
    let hook = Hook::new(vec!["/usr/bin/env".into()], Span::mins(1)).unwrap();
    let given = BTreeMap::from([("JKEYS_GENERATION".to_owned(), "42".to_owned())]);
    let result = run(&hook, &given, &Clock::machine()).await;
    assert_eq!(result.ended, Ok(()));
    let mut lines: Vec<_> = result.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["JKEYS_GENERATION=42".to_owned(), format!("PATH={PATH}")]);
}

#[tokio::test]
async fn arguments_are_read_by_no_shell() {
    let hook = Hook::new(vec!["/bin/echo".into(), "$HOME; `id` *".into()], Span::mins(1)).unwrap();
    let result = run(&hook, &BTreeMap::new(), &Clock::machine()).await;
    assert_eq!(result.stdout, "$HOME; `id` *\n");
}

#[tokio::test]
async fn a_failure_names_the_program_and_keeps_the_output() {
    let result = run_sh("echo out; echo oops >&2; exit 3").await;
    let words = result.ended.unwrap_err().to_string();
    assert!(words.starts_with("the hook /bin/sh failed with exit status: 3"), "{words}");
    assert_eq!((result.stdout.as_str(), result.stderr.as_str()), ("out\n", "oops\n"));
}

#[tokio::test]
async fn output_is_kept_up_to_its_limit_and_the_rest_read_away() {
    let result = run_sh("head -c 1000000 /dev/zero | tr '\\0' x; echo short >&2").await;
    assert_eq!((result.ended, result.stderr.as_str()), (Ok(()), "short\n"));
    let (kept, said) = result.stdout.split_at(OUTPUT_BYTES);
    assert_eq!(kept, "x".repeat(OUTPUT_BYTES));
    assert_eq!(said, "\n(cut here: only the first 16384 bytes are kept)");
}

#[tokio::test]
async fn output_that_just_fits_is_not_said_to_be_cut() {
    let result = run_sh("head -c 16384 /dev/zero | tr '\\0' x").await;
    assert_eq!(result.stdout, "x".repeat(OUTPUT_BYTES));
}

#[tokio::test]
async fn an_end_that_never_comes_is_not_waited_for() {
    let (clock, stepper) = Clock::stepped(Time(0));
    let waiting = tokio::spawn({
        let clock = clock.clone();
        async move { ends_soon(std::future::pending::<()>(), &clock).await }
    });
    tokio::task::yield_now().await;
    stepper.advance(LATE_END);
    assert!(!in_time(waiting).await.unwrap());
    assert!(ends_soon(std::future::ready(()), &clock).await);
}

/// A hook that says when it has started, through a FIFO, so that no test has to wait for a while.
async fn started_with_child(clock: &Clock, timeout: Span, folder: &Path) -> (tokio::task::JoinHandle<HookResult>, Pid) {
    let fifo = folder.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let hook = sh(&format!("sleep 600 & echo $! > {}; wait", fifo.display()), timeout);
    let task = tokio::spawn({
        let clock = clock.clone();
        async move { run(&hook, &BTreeMap::new(), &clock).await }
    });
    let text = tokio::fs::read_to_string(&fifo).await.unwrap();
    (task, Pid::from_raw(text.trim().parse().unwrap()).unwrap())
}

/// Waits until the process is gone, or only waits to be fetched by its parent.
pub(super) async fn gone(pid: Pid) {
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let ended = async {
        while tokio::fs::read_to_string(&stat).await.is_ok_and(|text| !text.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    };
    in_time(ended).await;
}

/// What should not take long, by the machine's clock.
pub(super) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(std::time::Duration::from_secs(20), work).await;
    done.expect("it goes on and on")
}

#[tokio::test]
async fn a_hook_whose_time_is_over_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, stepper) = Clock::stepped(Time(0));
    let (task, child) = started_with_child(&clock, Span::secs(5), folder.path()).await;
    assert!(rustix::process::test_kill_process(child).is_ok(), "the child runs");
    stepper.advance(Span::secs(5));
    let result = task.await.unwrap();
    assert!(matches!(result.ended, Err(HookError::TimedOut { .. })), "{result:?}");
    gone(child).await;
}

#[tokio::test]
async fn a_hook_does_not_outlive_the_agent_that_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _stepper) = Clock::stepped(Time(0));
    let (task, child) = started_with_child(&clock, Span::secs(5), folder.path()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    gone(child).await;
}

#[tokio::test]
async fn what_a_hook_leaves_behind_is_killed_and_delays_nothing() {
    let result = run_sh("sleep 600 & echo $!").await;
    assert_eq!(result.ended, Ok(()));
    gone(Pid::from_raw(result.stdout.trim().parse().unwrap()).unwrap()).await;
}

#[tokio::test]
async fn a_process_that_left_the_group_does_not_make_a_hook_late() {
    let (clock, stepper) = Clock::stepped(Time(0));
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // The hook ends once the other has left, with the pipes in its hands.
    let script = format!("setsid sh -c 'echo $$ >{0}; exec sleep 600' & cat {0}", fifo.display());
    let hook = sh(&script, Span::hours(1));
    let task = tokio::spawn(async move { run(&hook, &BTreeMap::new(), &clock).await });
    // Time goes a thousand times as fast, so a hook that waits for its pipes is over within seconds, too.
    while !task.is_finished() {
        stepper.advance(Span::secs(1));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let result = task.await.unwrap();
    assert_eq!(result.ended, Ok(()));
    let child = Pid::from_raw(result.stdout.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_in_words() {
    let hook = Hook::new(vec!["/no/such/program".into()], Span::secs(1)).unwrap();
    let result = run(&hook, &BTreeMap::new(), &Clock::machine()).await;
    let words = result.ended.unwrap_err().to_string();
    assert!(words.contains("/no/such/program can't be started"), "{words}");
}

#[test]
fn a_hook_that_can_not_be_meant_is_refused() {
    let refused = |argv: &[&str], timeout| Hook::new(argv.iter().map(ToString::to_string).collect(), timeout).unwrap_err();
    assert!(refused(&[], Span::secs(1)).contains("absolute path"));
    assert!(refused(&["reload"], Span::secs(1)).contains("absolute path"));
    assert!(refused(&["/bin/true"], Span(0)).contains("timeout"));
}
