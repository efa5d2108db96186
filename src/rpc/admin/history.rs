//! Reading the audit log: which records are asked for, and a page of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::convert::WireError;
use super::super::proto::{self, history_request};
use crate::lifecycle::Action;
use crate::types::{Actor, Kid, NodeName, Seq, Time};

/// How many records one call gives at most.
const MOST_RECORDS: u32 = 10_000;
/// How many it gives when it isn't asked.
const USUAL_RECORDS: u32 = 1000;

/// `jkeys history`. A record is given when every field that is set lets it through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryCall {
    /// Only records that concern this key.
    pub kid: Option<Kid>,
    /// Only records that are about this node or name it, and those of what it asked or reported itself.
    pub node: Option<NodeName>,
    /// Only what they decided, or were refused.
    pub actor: Option<Who>,
    /// Only these actions; empty for all.
    pub actions: BTreeSet<Action>,
    /// Only records of this time or later.
    pub since: Option<Time>,
    /// Only records of this time or earlier.
    pub until: Option<Time>,
    /// Only records from this one on.
    pub from: Seq,
    /// At most so many records.
    pub limit: u32,
}

impl Default for HistoryCall {
    /// The first records of all.
    fn default() -> Self {
        Self {
            kid: None,
            node: None,
            actor: None,
            actions: BTreeSet::new(),
            since: None,
            until: None,
            from: Seq(0),
            limit: USUAL_RECORDS,
        }
    }
}

/// A page of the log.
#[derive(Debug, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Records, oldest first, byte for byte as they are stored. A page may be empty before the end.
    pub records: Vec<Box<RawValue>>,
    /// Where the next page begins; none at the end.
    pub next: Option<Seq>,
}

/// Whose decisions are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The leader's own.
    Schedule,
    /// A node's.
    Node(NodeName),
    /// Those of an account on the leader's machine, by its number.
    Uid(u32),
    /// By the name that it had.
    Account(String),
    /// By both.
    User(u32, String),
}

impl Who {
    /// Whether `actor` is meant.
    #[must_use]
    pub fn is(&self, actor: &Actor) -> bool {
        match (self, actor) {
            (Self::Schedule, Actor::Schedule) => true,
            (Self::Node(own), Actor::Node(node)) => own == node,
            (Self::Uid(own), Actor::User { uid, .. }) => own == uid,
            (Self::Account(own), Actor::User { name, .. }) => own == name,
            (Self::User(own, account), Actor::User { uid, name }) => (own, account) == (uid, name),
            _ => false,
        }
    }
}

/// `schedule`, `node/NAME`, a user id, an account's name, or both as a record shows them.
impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "schedule" {
            return Ok(Self::Schedule);
        }
        if let Ok(uid) = text.parse() {
            return Ok(Self::Uid(uid));
        }
        let node = |name: &str| {
            name.parse()
                .map(Self::Node)
                .map_err(|why: crate::types::NameError| why.to_string())
        };
        match text.split_once(['/', ' ']) {
            Some(("node", name)) => node(name),
            Some((uid, name)) => match uid.parse() {
                Ok(uid) => account(name).map(|name| Self::User(uid, name)),
                Err(_) => Err(unknown()),
            },
            None => account(text).map(Self::Account),
        }
    }
}

fn account(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.len() <= 256 && !name.contains(|c: char| c.is_control() || c == '/');
    is_name.then(|| name.to_owned()).ok_or_else(unknown)
}

fn unknown() -> String {
    "write schedule, node/NAME, a user id such as 1000, an account's name such as ada, or both as 1000/ada".to_owned()
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => f.write_str("schedule"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Uid(uid) => write!(f, "{uid}"),
            Self::Account(name) => f.write_str(name),
            Self::User(uid, name) => write!(f, "{uid}/{name}"),
        }
    }
}

impl TryFrom<proto::HistoryRequest> for HistoryCall {
    type Error = WireError;

    fn try_from(request: proto::HistoryRequest) -> Result<Self, WireError> {
        let limit = if request.limit == 0 { USUAL_RECORDS } else { request.limit };
        if limit > MOST_RECORDS {
            return Err(WireError::field("limit", format!("at most {MOST_RECORDS} records at once")));
        }
        let action = |name: &String| name.parse().map_err(|rule: String| WireError::field("actions", rule));
        Ok(Self {
            kid: request.kid.map(|kid| kid.parse()).transpose()?,
            node: request.node.map(|node| node.parse()).transpose()?,
            actor: request.actor.map(who).transpose()?.flatten(),
            actions: request.actions.iter().map(action).collect::<Result<_, _>>()?,
            since: request.since_ms.map(Time),
            until: request.until_ms.map(Time),
            from: Seq(request.from_seq),
            limit,
        })
    }
}

fn who(actor: history_request::Actor) -> Result<Option<Who>, WireError> {
    use history_request::Actor::{ByAccount, ByNode, BySchedule};
    let name = |name: &str| account(name).map_err(|rule| WireError::field("account", rule));
    Ok(match actor {
        BySchedule(is) => is.then_some(Who::Schedule),
        ByNode(node) => Some(Who::Node(node.parse()?)),
        ByAccount(account) => Some(match (account.uid, account.name) {
            (Some(uid), None) => Who::Uid(uid),
            (None, Some(own)) => Who::Account(name(&own)?),
            (Some(uid), Some(own)) => Who::User(uid, name(&own)?),
            (None, None) => return Err(WireError::Missing("the account")),
        }),
    })
}

impl From<HistoryCall> for proto::HistoryRequest {
    fn from(call: HistoryCall) -> Self {
        Self {
            kid: call.kid.map(Into::into),
            node: call.node.map(Into::into),
            actor: call.actor.map(Into::into),
            actions: call.actions.iter().map(ToString::to_string).collect(),
            since_ms: call.since.map(|time| time.0),
            until_ms: call.until.map(|time| time.0),
            from_seq: call.from.0,
            limit: call.limit,
        }
    }
}

impl From<Who> for history_request::Actor {
    fn from(who: Who) -> Self {
        let account = |uid, name| Self::ByAccount(proto::Account { uid, name });
        match who {
            Who::Schedule => Self::BySchedule(true),
            Who::Node(node) => Self::ByNode(node.into()),
            Who::Uid(uid) => account(Some(uid), None),
            Who::Account(name) => account(None, Some(name)),
            Who::User(uid, name) => account(Some(uid), Some(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: [&str; 5] = ["schedule", "node/vm-1", "1000", "ada", "1000/ada"];

    #[test]
    fn every_request_survives_the_wire() {
        for actor in WHO.map(|who| Some(who.parse().unwrap())).into_iter().chain([None]) {
            let call = HistoryCall {
                kid: Some("a".parse().unwrap()),
                node: Some("vm-1".parse().unwrap()),
                actor,
                actions: [Action::Revoked, Action::Founded].into(),
                since: Some(Time(0)),
                until: Some(Time(9)),
                from: Seq(3),
                limit: 10,
            };
            assert_eq!(
                HistoryCall::try_from(proto::HistoryRequest::from(call.clone())).unwrap(),
                call
            );
        }
        let call = HistoryCall::default();
        assert_eq!(
            HistoryCall::try_from(proto::HistoryRequest::from(call.clone())).unwrap(),
            call
        );
    }

    #[test]
    fn fields_out_of_bounds_are_refused_in_words() {
        let refused = |request: proto::HistoryRequest| HistoryCall::try_from(request).unwrap_err().to_string();
        let empty = proto::HistoryRequest::default;
        assert!(
            refused(proto::HistoryRequest {
                limit: 10_001,
                ..empty()
            })
            .contains("10000")
        );
        assert!(
            refused(proto::HistoryRequest {
                actions: vec!["dance".to_owned()],
                ..empty()
            })
            .contains("is no action")
        );
        let nobody = proto::Account { uid: None, name: None };
        let actor = Some(history_request::Actor::ByAccount(nobody));
        assert!(refused(proto::HistoryRequest { actor, ..empty() }).contains("the account"));
        let limit = |limit| {
            let request = proto::HistoryRequest { limit, ..empty() };
            HistoryCall::try_from(request).map(|call| call.limit).ok()
        };
        assert_eq!([0, 10_000].map(limit), [Some(1000), Some(10_000)]);
    }

    #[test]
    fn who_is_meant_is_said_as_a_record_shows_it() {
        let user = |uid, name: &str| Actor::User {
            uid,
            name: name.to_owned(),
        };
        let actors = [
            Actor::Schedule,
            Actor::Node("vm-1".parse().unwrap()),
            user(1000, "ada"),
            user(1000, "bob"),
            user(7, "ada"),
        ];
        let meant = |text: &str| {
            let who: Who = text.parse().unwrap();
            assert_eq!(who.to_string().parse(), Ok(who.clone()));
            actors.each_ref().map(|actor| who.is(actor))
        };
        assert_eq!(
            WHO.map(meant),
            [
                [true, false, false, false, false],
                [false, true, false, false, false],
                [false, false, true, true, false],
                [false, false, true, false, true],
                [false, false, true, false, false],
            ]
        );
        assert_eq!("node vm-1".parse::<Who>(), "node/vm-1".parse());
        for wrong in ["", "node/VM", "ada/1000", "1000/", "a/b/c", "a\nb"] {
            assert!(wrong.parse::<Who>().is_err(), "{wrong:?}");
        }
    }
}
