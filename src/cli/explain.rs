//! `jkeys explain`
//!
//! The token is taken apart and verified here, with what the log tells of keys: it is sent nowhere, not to the leader either.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::{StringValueParser, TypedValueParser as _};

use super::admin::{Leader, Place};
use super::audit::{self, KeySource};
use super::{CliError, Exit, Screen, render};
use crate::audit::Record;
use crate::clock::Clock;
use crate::crypto::{NamedKey, SignedToken, TokenError, VerifyingKey};
use crate::lifecycle::{Action, Event};
use crate::rpc::admin::{HistoryCall, HistoryPage, schema};
use crate::rpc::{ErrorKind, Failure};
use crate::story::{Fault, KeyStory, explain};
use crate::types::{Kid, PublicKey, Secret, Time};

/// More than any token has: one that is longer is cut, and refused for its length.
const MOST_BYTES: usize = 128 * 1024;

/// Flags of `jkeys explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The token, or - to read it from standard input, where no process list shows it
    #[arg(value_name = "JWT|-", required = true, value_parser = StringValueParser::new().map(secret))]
    token: Vec<Arc<Secret>>,
    /// A folder of `jkeys audit export`, instead of the running leader; it is checked first
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// The log's key, or a file that holds it; without it the key that is in the folder, which proves less
    #[arg(long, value_name = "KEY|FILE", requires = "log")]
    key: Option<String>,
    /// What was found as a JSON document; nothing of the token is in it but its times
    #[arg(long)]
    json: bool,
}

/// Why a token is not explained, or is not to be relied on. No message holds anything of a token but a kid that is one.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// It is no token.
    #[error("the token can't be looked at: {0}")]
    Token(#[from] TokenError),
    /// More than one was given.
    #[error("more than one token was given: give one, without spaces or line breaks in it, or - and the token on standard input")]
    Several,
    /// Standard input can't be read.
    #[error("no token came on standard input: {0}")]
    Input(io::Error),
    /// The log does not know the key.
    #[error(
        "the log tells of no key {0}: another issuer signed the token, or nobody did; `jkeys history --action prepublished` names all \
         keys"
    )]
    UnknownKey(Kid),
    /// The header names something that is no kid.
    #[error("its header names a key in a way that no kid of jkeys is written: another issuer signed the token, or nobody did")]
    Stranger,
    /// No key is named, and none signed it.
    #[error(
        "its header names no key (no kid), and none of the {tried} signing keys in the log verifies it with alg {alg}: another issuer \
         signed the token, or it was changed"
    )]
    Nobody {
        /// What the header says.
        alg: String,
        /// How many keys were tried.
        tried: usize,
    },
    /// It was explained, and something is wrong with it.
    #[error("the token can't be relied on: {0}")]
    Unsound(Fault),
}

fn secret(text: String) -> Arc<Secret> {
    Arc::new(Secret::new(text.into_bytes()))
}

impl ExplainArgs {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let token = self.token(screen)?;
        let (story, as_of) = match &self.log {
            None => (Running(Leader::connect(place).await?).story(&token).await?, clock.now()),
            Some(folder) => Exported {
                folder,
                key: self.key.as_deref(),
            }
            .story(&token, screen)?,
        };
        let explanation = explain(&token, &story, as_of, clock.now());
        screen.put(if self.json {
            render::json_of(&explanation)
        } else {
            render::explanation(&explanation, clock.now())
        })?;
        match explanation.faults.into_iter().next() {
            None => Ok(Exit::Done),
            Some(fault) => Err(ExplainError::Unsound(fault).into()),
        }
    }

    fn token(&self, screen: &mut Screen<'_>) -> Result<SignedToken, ExplainError> {
        let [given] = &self.token[..] else {
            return Err(ExplainError::Several);
        };
        if given.expose() == b"-" {
            return Ok(SignedToken::parse(&from_stdin()?)?);
        }
        let token = SignedToken::parse(given)?;
        screen.note(
            "a token given as an argument stands in the process list and in the shell's history; `jkeys explain -` reads it",
        );
        Ok(token)
    }
}

fn from_stdin() -> Result<Secret, ExplainError> {
    use std::io::Read as _;
    // It does not grow, so no copy is left behind.
    let mut text = Vec::with_capacity(MOST_BYTES);
    let stdin = io::stdin().lock();
    stdin
        .take(MOST_BYTES as u64)
        .read_to_end(&mut text)
        .map_err(ExplainError::Input)?;
    Ok(Secret::new(text))
}

/// The kid that the header names; none where all keys are to be tried.
fn named(token: &SignedToken) -> Result<Option<&Kid>, ExplainError> {
    match token.named() {
        NamedKey::Key(kid) => Ok(Some(kid)),
        NamedKey::Nobody => Ok(None),
        NamedKey::Stranger => Err(ExplainError::Stranger),
    }
}

/// Tries keys until one signed the token.
struct Trial<'a> {
    token: &'a SignedToken,
    tried: usize,
    found: Option<Kid>,
}

impl<'a> Trial<'a> {
    fn of(token: &'a SignedToken) -> Self {
        let (tried, found) = (0, None);
        Self { token, tried, found }
    }

    fn try_key(&mut self, key: &PublicKey) {
        if self.found.is_some() {
            return;
        }
        self.tried += 1;
        let signed = VerifyingKey::new(&key.jwk).is_ok_and(|key| self.token.is_signed_by(&key));
        self.found = signed.then(|| key.kid.clone());
    }

    fn end(self) -> Result<Kid, ExplainError> {
        let (alg, tried) = (self.token.alg().to_owned(), self.tried);
        self.found.ok_or(ExplainError::Nobody { alg, tried })
    }
}

/// The log of the running leader.
struct Running(Leader);

impl Running {
    async fn story(mut self, token: &SignedToken) -> Result<KeyStory, CliError> {
        let kid = match named(token)? {
            Some(kid) => kid.clone(),
            None => self.find(token).await?,
        };
        let call = HistoryCall {
            kid: Some(kid.clone()),
            ..HistoryCall::default()
        };
        let mut records = Vec::new();
        self.read(call, |record| records.push(record)).await?;
        Ok(KeyStory::tell(&kid, records).ok_or(ExplainError::UnknownKey(kid))?)
    }

    async fn find(&mut self, token: &SignedToken) -> Result<Kid, CliError> {
        let call = HistoryCall {
            actions: [Action::Prepublished].into(),
            ..HistoryCall::default()
        };
        let mut trial = Trial::of(token);
        self.read(call, |record| {
            if let Some(key) = record.event.new_key() {
                trial.try_key(key);
            }
        })
        .await?;
        Ok(trial.end()?)
    }

    async fn read(&mut self, mut call: HistoryCall, mut take: impl FnMut(Record)) -> Result<(), CliError> {
        loop {
            let page: HistoryPage = self.0.history(call.clone()).await?.read(schema::HISTORY)?;
            for raw in &page.records {
                let unreadable = |why: crate::audit::RecordError| Failure::new(ErrorKind::Internal, why.to_string());
                take(Record::from_bytes(raw.get().as_bytes()).map_err(unreadable)?);
            }
            match page.next.filter(|next| *next > call.from) {
                Some(next) => call.from = next,
                None => return Ok(()),
            }
        }
    }
}

/// A log that was exported.
struct Exported<'a> {
    folder: &'a PathBuf,
    key: Option<&'a str>,
}

impl Exported<'_> {
    /// The story, and until when the log tells. The whole log is checked on the way.
    fn story(&self, token: &SignedToken, screen: &mut Screen<'_>) -> Result<(KeyStory, Time), CliError> {
        let kid = match named(token)? {
            Some(kid) => kid.clone(),
            None => self.find(token)?,
        };
        let mut records = Vec::new();
        let checked = audit::exported(self.folder, self.key, |record| {
            records.extend(about(record, kid.as_str()));
        })?;
        if checked.source == KeySource::WithTheLog {
            screen.note(&audit::key_came_with_the_log(&checked.key));
        }
        let story = KeyStory::tell(&kid, records);
        Ok((story.ok_or(ExplainError::UnknownKey(kid))?, checked.whole.last_at))
    }

    fn find(&self, token: &SignedToken) -> Result<Kid, CliError> {
        let mut trial = Trial::of(token);
        audit::exported(self.folder, self.key, |record| {
            if let Some(Event::Prepublished { key, .. }) = about(record, Action::Prepublished.name()).map(|record| record.event) {
                trial.try_key(&key);
            }
        })?;
        Ok(trial.end()?)
    }
}

/// A record that has a word in it. Most have not, and need not be read.
fn about(record: &[u8], word: &str) -> Option<Record> {
    std::str::from_utf8(record).ok().filter(|text| text.contains(word))?;
    Record::from_bytes(record).ok()
}
