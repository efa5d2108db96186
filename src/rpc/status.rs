//! The one map between what went wrong and a gRPC status.

use std::error::Error;

use tonic::{Code, Status};

use super::limits::STATUS_BYTES;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense, whatever the state.
    Invalid,
    /// The request makes sense, but a rule or the present state is against it.
    Refused,
    /// The thing asked for isn't there.
    NotFound,
    /// The caller didn't prove who it is.
    Unauthenticated,
    /// The caller may not do this.
    Denied,
    /// Not now: the other side is away, busy or too slow. Trying again can help.
    Unavailable,
    /// A fault of the other side.
    Internal,
}

/// Something that went wrong, in words for the person or the program that asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of thing it is.
    pub kind: ErrorKind,
    /// What happened, then what to do.
    pub message: String,
}

impl Failure {
    /// A failure of that kind, in those words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    /// A request that makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A request that a rule or the present state is against.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let code = match failure.kind {
            ErrorKind::Invalid => Code::InvalidArgument,
            ErrorKind::Refused => Code::FailedPrecondition,
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Unauthenticated => Code::Unauthenticated,
            ErrorKind::Denied => Code::PermissionDenied,
            ErrorKind::Unavailable => Code::Unavailable,
            ErrorKind::Internal => Code::Internal,
        };
        Self::new(code, cut(failure.message))
    }
}

/// `message`, or as much of it as may cross.
fn cut(message: String) -> String {
    if message.len() <= STATUS_BYTES {
        return message;
    }
    let fits = STATUS_BYTES - 64;
    let end = (0..=fits).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    format!("{} … ({} bytes more are left out)", &message[..end], message.len() - end)
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let message = status.message();
        match status.code() {
            Code::InvalidArgument => Self::new(ErrorKind::Invalid, message),
            Code::OutOfRange | Code::ResourceExhausted => Self::new(
                ErrorKind::Invalid,
                format!("a message is larger than the protocol allows: {message}"),
            ),
            Code::FailedPrecondition => Self::new(ErrorKind::Refused, message),
            Code::NotFound => Self::new(ErrorKind::NotFound, message),
            Code::Unauthenticated => Self::new(ErrorKind::Unauthenticated, message),
            Code::PermissionDenied => Self::new(ErrorKind::Denied, message),
            Code::Unimplemented => Self::new(
                ErrorKind::Refused,
                "the other side doesn't know this call; it runs another release of jkeys: update the older one",
            ),
            Code::DeadlineExceeded | Code::Cancelled => Self::new(
                ErrorKind::Unavailable,
                format!("no answer came in time ({message}); try again, and look at the leader's log if it stays so"),
            ),
            Code::Unavailable => Self::new(ErrorKind::Unavailable, message),
            Code::Unknown | Code::Aborted | Code::Ok => broken(&status),
            // A status that came over the wire has no source.
            Code::Internal if status.source().is_some() => broken(&status),
            Code::Internal | Code::AlreadyExists | Code::DataLoss => Self::new(ErrorKind::Internal, message),
        }
    }
}

fn broken(status: &Status) -> Failure {
    let why = status.source().map_or_else(|| status.message().to_owned(), causes);
    Failure::new(ErrorKind::Unavailable, format!("the connection broke: {why}; try again"))
}

/// An error's words with those of its causes, each once.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push(text);
        }
        source = cause.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_its_words_survive_the_wire() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Refused,
            ErrorKind::NotFound,
            ErrorKind::Unauthenticated,
            ErrorKind::Denied,
            ErrorKind::Unavailable,
            ErrorKind::Internal,
        ] {
            let failure = Failure::new(kind, "vm-3 has not confirmed: wait, or use --force");
            assert_eq!(Failure::from(Status::from(failure.clone())), failure);
        }
    }

    #[test]
    fn a_message_that_is_too_long_says_so() {
        let status = Status::from(Failure::refused("ä".repeat(STATUS_BYTES)));
        assert!(status.message().len() <= STATUS_BYTES);
        assert!(status.message().ends_with("bytes more are left out)"), "{}", status.message());
    }
}
