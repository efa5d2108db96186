//! What can go wrong with a file, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::safe::Unsafe;

/// What was being done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opening it.
    Open,
    /// Creating it.
    Create,
    /// Setting its owner or mode.
    Own,
    /// Writing to it.
    Write,
    /// Forcing it to the disk.
    Sync,
    /// Putting it in its place.
    Rename,
    /// Cutting it to a length.
    Truncate,
    /// Removing it.
    Remove,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Own => "set the owner and mode of",
            Self::Write => "write",
            Self::Sync => "sync to disk",
            Self::Rename => "put in place",
            Self::Truncate => "truncate",
            Self::Remove => "remove",
        })
    }
}

/// A step that failed: the path, the cause, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("can't {step} {}: {cause}; {}", path.display(), advice(cause))]
pub struct DurableError {
    /// What was being done.
    pub step: Step,
    /// To which path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

/// Turns what the system said about `path` into an error of `step`.
pub(super) fn failed<E: Into<io::Error>>(step: Step, path: &Path) -> impl FnOnce(E) -> DurableError {
    move |cause| DurableError {
        step,
        path: path.to_owned(),
        cause: cause.into(),
    }
}

/// What to do about an error of the system.
pub fn advice(cause: &io::Error) -> &'static str {
    if let Some(why) = cause.get_ref()
        && let Some(why) = why.downcast_ref::<Unsafe>()
    {
        return why.advice();
    }
    match cause.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "free some space on that file system or raise the quota",
        Some(Errno::ACCESS | Errno::PERM) => "give the account that runs jkeys the right to do this there",
        Some(Errno::ROFS) => "mount that file system writable (under systemd: name the folder in ReadWritePaths=)",
        Some(Errno::FBIG) => "raise the limit on the size of files (under systemd: LimitFSIZE=)",
        Some(Errno::NOENT) => "create the folder that it is to stand in",
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::EXIST) => {
            "something of another kind, or a symbolic link, stands there: look at it and move it away"
        }
        Some(Errno::MFILE | Errno::NFILE) => "raise the limit on open files (under systemd: LimitNOFILE=)",
        Some(Errno::IO) => "the device fails: look at the kernel's log and replace it",
        _ => "look at the path and at the kernel's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_path_step_and_what_to_do() {
        let error = failed(Step::Write, Path::new("/var/lib/x"))(Errno::NOSPC);
        let text = error.to_string();
        assert!(text.starts_with("can't write /var/lib/x: No space left on device"), "{text}");
        assert!(
            text.ends_with("; free some space on that file system or raise the quota"),
            "{text}"
        );
    }
}
