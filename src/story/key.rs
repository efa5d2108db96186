//! The life of one key, as the records tell it.

use std::fmt;

use serde::Serialize;

use crate::audit::Record;
use crate::lifecycle::{Event, Stage, Windows};
use crate::types::{Kid, ProfileName, PublicKey, Time};

/// The records of one key, from its first on.
#[derive(Debug, Clone)]
pub struct KeyStory {
    /// Its public half.
    pub key: PublicKey,
    /// The profile that it served.
    pub profile: ProfileName,
    /// Its times when it was made. Longer ones may have reached it later.
    pub windows: Windows,
    born: Record,
    rest: Vec<Record>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// An encryption key whose private half is on nodes; nothing of it is published.
    Staged,
    /// Published, and not more.
    Prepublished,
    /// On nodes, to sign at a time that is fixed.
    Armed,
    /// It signs, or is encrypted to.
    Active,
    /// It signs no more, or is published no more.
    Retiring,
    /// It is gone.
    Removed,
    /// It is trusted no more.
    Revoked,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Staged => "staged",
            Self::Prepublished => "prepublished",
            Self::Armed => "armed",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        })
    }
}

/// Until when a key could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It never signed.
    Never,
    /// It can sign.
    Open,
    /// It was to sign no more from then on, and not every node has confirmed so.
    Since(Time),
    /// No node signed with it after that.
    At(Time),
}

impl KeyStory {
    /// The story that records tell of one key; those of others are passed over. `None`: none of them brings the key.
    #[must_use]
    pub fn tell(kid: &Kid, records: impl IntoIterator<Item = Record>) -> Option<Self> {
        let mut own = records.into_iter().filter(|record| record.event.kids().any(|own| own == kid));
        let mut story = own.find_map(|record| match &record.event {
            Event::Prepublished { profile, key, windows }
            | Event::Staged { profile, key, windows }
            | Event::Recovered {
                profile, key, windows, ..
            } => Some(Self {
                key: (**key).clone(),
                profile: profile.clone(),
                windows: *windows,
                born: record,
                rest: Vec::new(),
            }),
            _ => None,
        })?;
        story.rest.extend(own);
        Some(story)
    }

    /// The record that brought it.
    #[must_use]
    pub fn born(&self) -> &Record {
        &self.born
    }

    /// All its records, in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        std::iter::once(&self.born).chain(&self.rest)
    }

    /// The last of its records that `is` says so of.
    fn last(&self, is: impl Fn(&Event) -> bool) -> Option<&Record> {
        self.rest.iter().rfind(|record| is(&record.event))
    }

    /// The record that armed it.
    #[must_use]
    pub fn armed(&self) -> Option<&Record> {
        self.last(|event| matches!(event, Event::Armed { .. }))
    }

    /// The record by which it began to sign.
    #[must_use]
    pub fn activated(&self) -> Option<&Record> {
        self.last(|event| matches!(event, Event::Activated { .. }))
    }

    /// The record by which it was to sign no more.
    #[must_use]
    pub fn retired(&self) -> Option<&Record> {
        self.last(|event| matches!(event, Event::Retired { .. }))
    }

    /// The record by which it went.
    #[must_use]
    pub fn removed(&self) -> Option<&Record> {
        self.last(|event| {
            matches!(
                event,
                Event::Removed { .. } | Event::Discarded { .. } | Event::Restored { .. }
            )
        })
    }

    /// The record that revoked it.
    #[must_use]
    pub fn revoked(&self) -> Option<&Record> {
        self.last(|event| matches!(event, Event::Revoked { .. }))
    }

    /// The record that reported it compromised when it was gone already.
    #[must_use]
    pub fn reported(&self) -> Option<&Record> {
        self.last(|event| matches!(event, Event::ReportedCompromised { .. }))
    }

    /// Since when nodes signed with it, or will. An armed key needs no record to begin (rule R2).
    #[must_use]
    pub fn signs_from(&self) -> Option<Time> {
        self.rest
            .iter()
            .rev()
            .chain([&self.born])
            .find_map(|record| match record.event {
                Event::Activated { since, .. } => Some(since),
                Event::Armed { activate_at, .. } => Some(activate_at),
                Event::Recovered { stage, .. } => signed_from(stage),
                _ => None,
            })
    }

    /// Until when nodes could sign with it, as far as the log tells at `at`.
    #[must_use]
    pub fn signs_until(&self, at: Time) -> End {
        let began = self.signs_from().is_some_and(|from| from <= at);
        let mut end = if began { End::Open } else { End::Never };
        for record in self.records().filter(|_| began) {
            match &record.event {
                Event::Retired { .. }
                | Event::Revoked { .. }
                | Event::Recovered {
                    stage: Stage::Retiring, ..
                } if end == End::Open => end = End::Since(record.time),
                Event::Removed {
                    last_signature: Some(last),
                    ..
                } => end = End::At(*last),
                Event::RevocationConfirmed {
                    last_confirmation,
                    replaced,
                    ..
                } if replaced.is_empty() => end = End::At(*last_confirmation),
                _ => {}
            }
        }
        end
    }

    /// Where it was at an instant. `None`: nobody had it yet.
    #[must_use]
    pub fn state_at(&self, at: Time) -> Option<KeyState> {
        if at < self.born.time {
            return None;
        }
        let mut state = match self.born.event {
            Event::Staged { .. } => KeyState::Staged,
            Event::Recovered { stage, .. } => recovered(stage, at),
            _ => KeyState::Prepublished,
        };
        for record in self.rest.iter().take_while(|record| record.time <= at) {
            state = after(state, &record.event, at);
        }
        Some(state)
    }
}

fn after(state: KeyState, event: &Event, at: Time) -> KeyState {
    match event {
        _ if state == KeyState::Revoked => state,
        Event::Armed { activate_at, .. } if *activate_at > at => KeyState::Armed,
        Event::Armed { .. } | Event::Activated { .. } | Event::Published { .. } => KeyState::Active,
        Event::Retired { .. } | Event::Unpublished { .. } => KeyState::Retiring,
        // A restore is told of those whose private half it lost.
        Event::Removed { .. } | Event::Discarded { .. } | Event::Restored { .. } => KeyState::Removed,
        Event::Revoked { .. } => KeyState::Revoked,
        Event::Recovered { stage, .. } => recovered(*stage, at),
        _ => state,
    }
}

/// Where a key is that the leader took over from its nodes.
fn recovered(stage: Stage, at: Time) -> KeyState {
    match stage {
        Stage::Staged => KeyState::Staged,
        Stage::Prepublished => KeyState::Prepublished,
        Stage::Armed { activate_at } if activate_at > at => KeyState::Armed,
        Stage::Armed { .. } | Stage::Active | Stage::Published => KeyState::Active,
        Stage::Retiring | Stage::Unpublished => KeyState::Retiring,
    }
}

/// Since when a key signed that the leader took over: where it had begun to, the log that tells when is lost.
fn signed_from(stage: Stage) -> Option<Time> {
    match stage {
        Stage::Armed { activate_at } => Some(activate_at),
        Stage::Active | Stage::Retiring => Some(Time(0)),
        _ => None,
    }
}
