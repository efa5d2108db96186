//! Documents that tests show.

use std::collections::BTreeMap;

use crate::lifecycle::{Ended, Ending, Halt, Halted, Profile, Wait};
use crate::rpc::admin::EndNodeCall;
use crate::rpc::documents::{
    Awaited, Away, ClockStatus, Deadline, Decided, DryRun, EnrolledNode, Happening, HeldKey, JwksSize, KeyChange, KeyStatus,
    NextChange, NodeEnded, NodeOutlook, NodePage, NodeStatus, Plan, Planned, PlannedKey, ProfileSize, ProfileStatus,
    RelyingParties, RevocationStatus, StandbyStatus, Status, Subject, TokenRow, TokenState, Tokens, Trust, UnheldKey, VersionKey,
    VersionNode, VersionRow, VersionState, Waiting, YoungKey,
};
use crate::types::{
    Actor, Digest, Enrolment, Epoch, Generation, KeySpec, KeyUse, Kid, NodeName, PublicJwk, Reason, RsaBits, Seq, Span, Time,
    Version, WitnessKey,
};

/// 2026-11-23T06:05:04Z
pub(super) const NOW: Time = Time(1_795_413_904_000);

pub(super) fn kid(text: &str) -> Kid {
    text.parse().unwrap()
}

pub(super) fn names(text: &[&str]) -> Vec<NodeName> {
    text.iter().map(|name| name.parse().unwrap()).collect()
}

/// A fleet in which all is well.
pub(super) fn quiet() -> Status {
    Status {
        now: NOW,
        clock: ClockStatus {
            shows: NOW,
            doubt: None,
            nodes_heard: 3,
            nodes_differing: 0,
        },
        epoch: Epoch(3),
        started_at: NOW - Span::hours(50),
        generation: Generation(42),
        committed_at: NOW - Span::mins(9),
        halted: None,
        refused_enrolments: 0,
        backup: None,
        keystore_bytes: Some(3 << 20),
        waits: vec![],
        profiles: vec![ProfileStatus {
            profile: "main".parse().unwrap(),
            spec: KeySpec::Rs256(RsaBits::B2048),
            active: Some(kid("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")),
            standby: StandbyStatus::Ready {
                kid: kid("-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA"),
            },
            rotating: None,
        }],
        leaving: vec![],
        inherited: vec![],
        keys: vec![
            key("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "active", 72, "retiring", 192),
            key(
                "-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA",
                "prepublished",
                30,
                "armed",
                132,
            ),
        ],
        nodes: vec![node("vm-1"), node("vm-2")],
        revocations: vec![],
    }
}

/// A fleet in which everything is wrong that can be.
pub(super) fn troubled() -> Status {
    let mut status = quiet();
    let [first, second] = [0, 1].map(|at| status.keys[at].kid.clone());
    status.halted = Some(Halted::NodeAhead(Halt {
        node: "vm-1".parse().unwrap(),
        epoch: Epoch(4),
        generation: Generation(50),
        checkpoint: None,
    }));
    status.waits = vec![Waiting {
        wait: Wait::Arm("main".parse().unwrap()),
        since: NOW - Span::mins(61),
    }];
    status.revocations = vec![RevocationStatus {
        kid: kid("stolen"),
        at: NOW - Span::secs(20),
        reason: Reason::Compromised,
        generation: Generation(42),
        missing: names(&["vm-2", "vm-3"]),
    }];
    status.profiles[0].active = None;
    status.profiles[0].standby = StandbyStatus::Young {
        kid: second,
        ready_at: NOW + Span::hours(2),
        missing: names(&["vm-2"]),
    };
    status.keys[1].next.as_mut().unwrap().missing = names(&["vm-2"]);
    status.keys[0].next = None;
    status.keys[0].kid = first;
    status.nodes[1] = NodeStatus {
        standing: "evicted".to_owned(),
        since: NOW - Span::mins(5),
        confirmed: Some(Generation(40)),
        confirmed_at: Some(NOW - Span::hours(26)),
        on_disk: Some(Generation(41)),
        heard_at: Some(NOW - Span::secs(2)),
        owing_since: Some(NOW - Span::hours(25)),
        clock_wrong_by_ms: Some(-360_000),
        problem: Some("the disk is full\x1b[2J; make room".to_owned()),
        papers: None,
        is_cloned: false,
        ..status.nodes[1].clone()
    };
    status.nodes.push(NodeStatus {
        standing: "joining".to_owned(),
        since: NOW,
        confirmed: None,
        confirmed_at: None,
        on_disk: None,
        heard_at: None,
        ..node("vm-3")
    });
    status
}

fn key(id: &str, state: &str, hours_old: u64, to: &str, minutes_left: u64) -> KeyStatus {
    let jwk =
        BTreeMap::from([("kid", id), ("kty", "RSA"), ("n", "AQAB")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    KeyStatus {
        kid: kid(id),
        profile: "main".parse().unwrap(),
        spec: KeySpec::Rs256(RsaBits::B2048),
        state: state.to_owned(),
        published_at: NOW - Span::hours(hours_old),
        next: Some(NextChange {
            to: to.to_owned(),
            at: NOW + Span::mins(minutes_left),
            missing: vec![],
        }),
        thumbprint: id.to_owned(),
        jwk: PublicJwk::try_from(jwk).unwrap(),
        x5c: "MIIB".to_owned(),
    }
}

fn node(name: &str) -> NodeStatus {
    NodeStatus {
        node: name.parse().unwrap(),
        standing: "in_service".to_owned(),
        since: NOW - Span::hours(49),
        confirmed: Some(Generation(42)),
        confirmed_at: Some(NOW - Span::mins(9)),
        on_disk: Some(Generation(42)),
        heard_at: Some(NOW - Span::secs(12)),
        unknown: false,
        owing_since: None,
        clock_wrong_by_ms: None,
        problem: None,
        failing: Vec::new(),
        papers: None,
        is_cloned: false,
    }
}

/// Two join tokens for nodes that are not there yet, and one that was used.
pub(super) fn tokens() -> Tokens {
    let token = |node: &str, hash, mins, state| TokenRow {
        node: node.parse().unwrap(),
        token: Digest([hash; 32]),
        expires_at: NOW + Span::mins(mins),
        state,
    };
    Tokens {
        now: NOW,
        tokens: vec![
            token("vm-1", 1, 12, TokenState::Used),
            token("vm-4", 2, 48, TokenState::Open),
            token("web-1", 3, 90, TokenState::Open),
        ],
    }
}

/// A node that holds two keys and has not confirmed a revocation, and a machine of its name that was removed.
pub(super) fn a_node() -> NodePage {
    NodePage {
        now: NOW,
        node: "vm-1".parse().unwrap(),
        enrolled: Some(EnrolledNode {
            status: node("vm-1"),
            is_connected: true,
            enrolment: Enrolment(7),
            enrolled_at: NOW - Span::hours(400),
            tls_key: Digest([1; 32]),
            witness_key: WitnessKey([2; 32]),
            held: held_keys(),
            unconfirmed: vec![kid("stolen")],
        }),
        ended: vec![Ended {
            node: "vm-1".parse().unwrap(),
            enrolment: Enrolment(2),
            ending: Ending::Removed,
            at: NOW - Span::hours(401),
        }],
    }
}

fn held_keys() -> Vec<HeldKey> {
    let held = |name: &str, profile: &str, state: &str| HeldKey {
        kid: kid(name),
        profile: profile.parse().unwrap(),
        state: state.to_owned(),
        key_use: KeyUse::Sig,
        is_last_holder: false,
    };
    vec![held("now", "main", "active"), held("next", "main", "armed")]
}

/// What comes of the end of a node: a revoked one was connected and held keys.
pub(super) fn node_ended(call: EndNodeCall) -> NodeEnded {
    let is_revoked = call.ending == Ending::Revoked;
    NodeEnded {
        node: call.node,
        ending: call.ending,
        at: NOW,
        was_connected: is_revoked,
        held: if is_revoked { held_keys() } else { vec![] },
        unconfirmed: vec![],
        remarks: vec![],
    }
}

/// A rotation that revokes a key, on two nodes.
pub(super) fn decided() -> Decided {
    Decided {
        generation: Generation(43),
        at: NOW,
        changes: vec!["key stolen is revoked".to_owned(), "key next signs".to_owned()],
        remarks: vec!["profile main has no standby until a new key is 26h old".to_owned()],
        revoked: vec![kid("stolen")],
        nodes: names(&["vm-1", "vm-10"]),
    }
}

fn planned(hours: u64, key: PlannedKey, event: Happening, waits_for: Awaited) -> Planned {
    Planned {
        at: NOW + Span::hours(hours),
        profile: Some("main".parse().unwrap()),
        key: Some(key),
        node: None,
        ca: None,
        event,
        into: None,
        waits_for,
        if_answered: None,
    }
}

fn of_ca(hours: u64, number: u32, event: Happening, waits_for: Awaited) -> Planned {
    Planned {
        profile: None,
        key: None,
        ca: Some(number),
        ..planned(hours, PlannedKey::Next(1), event, waits_for)
    }
}

/// Three versions of a keystore: a key comes and signs, its node enters service, settings change; the last has no record.
pub(super) fn a_version(number: u64) -> VersionState {
    let (first, later) = (number == 1, number > 1);
    let mut profile = Profile::new("main".parse().unwrap(), KeySpec::Es256);
    profile.windows.interval = if first { Span::hours(48) } else { Span::hours(72) };
    let key = |id: &str, state: &str| VersionKey {
        kid: kid(id),
        profile: "main".parse().unwrap(),
        spec: KeySpec::Es256,
        state: state.to_owned(),
        published_at: NOW,
    };
    let mut keys = vec![key("a", if first { "prepublished" } else { "active" })];
    keys.extend(later.then(|| key("b", "prepublished")));
    let actions: &[&str] = match number {
        1 => &["prepublished"],
        2 => &["configured", "activated", "prepublished"],
        _ => &[],
    };
    VersionState {
        row: VersionRow {
            version: Version(number),
            at: NOW + Span::hours(number),
            by: (number < 3).then_some(Actor::Schedule),
            first_record: (number < 3).then_some(Seq(number)),
            records: actions.len() as u64,
            actions: actions.iter().map(ToString::to_string).collect(),
            made: (number < 3).then_some(Generation(number)),
        },
        rebuilt: first,
        epoch: Epoch(3),
        generation: Generation(number.min(2)),
        generation_at: NOW,
        settings: [profile].into_iter().collect(),
        keys,
        nodes: vec![VersionNode {
            node: "vm-1".parse().unwrap(),
            enrolment: Enrolment(1),
            standing: if first { "joining" } else { "in_service" }.to_owned(),
            since: NOW,
        }],
        revocations: first.then(|| kid("stolen")).into_iter().collect(),
        waits: later.then(|| Wait::Arm("main".parse().unwrap())).into_iter().collect(),
        halted: None,
    }
}

/// What comes to a running leader of which a node does not answer.
pub(super) fn a_plan() -> Plan {
    let (next, missing) = (PlannedKey::Next(1), names(&["vm-2"]));
    let publication = Awaited::Publication {
        span: Span::hours(26),
        missing: missing.clone(),
    };
    let deadline = |hours, event| {
        Some(Deadline {
            at: NOW + Span::hours(hours),
            profile: Some("main".parse().unwrap()),
            key: Some(next.clone()),
            event,
        })
    };
    Plan {
        subject: Subject::Leader {
            epoch: Epoch(3),
            generation: Generation(42),
        },
        now: NOW,
        until: NOW + Span::hours(14 * 24),
        violations: vec![],
        halted: None,
        absent: missing.clone(),
        events: vec![
            planned(2, next.clone(), Happening::Published, Awaited::Key),
            Planned {
                node: Some("vm-2".parse().unwrap()),
                profile: None,
                key: None,
                ..planned(20, next.clone(), Happening::LeavesService, Awaited::Silence)
            },
            Planned {
                if_answered: Some(NOW + Span::hours(28)),
                ..planned(46, next.clone(), Happening::Armed, publication)
            },
            planned(47, next.clone(), Happening::Signs, Awaited::Hour),
            planned(47, PlannedKey::Kid(kid("old")), Happening::Retires, Awaited::Successor),
            of_ca(240, 2, Happening::CaMade, Awaited::Ca),
            of_ca(
                240,
                2,
                Happening::CaSigns,
                Awaited::Trust {
                    missing: missing.clone(),
                },
            ),
            of_ca(
                288,
                1,
                Happening::CaDropped,
                Awaited::Certificates {
                    missing: missing.clone(),
                },
            ),
        ],
        jwks: JwksSize {
            until: NOW + Span::hours(14 * 24),
            most: 4,
            profiles: vec![ProfileSize {
                profile: "main".parse().unwrap(),
                most: 4,
            }],
        },
        leader_away: Away {
            nothing_late: deadline(2, Happening::Published),
            rotations_on_time: deadline(21, Happening::Signs),
        },
        node_away: Away {
            nothing_late: deadline(21, Happening::Signs),
            rotations_on_time: None,
        },
    }
}

/// What a rotation would do of which a node would be late.
pub(super) fn a_dry_run() -> DryRun {
    let change = |id: &str, from: &str, to: &str| KeyChange {
        kid: kid(id),
        profile: "main".parse().unwrap(),
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let node = |name: &str, answers| NodeOutlook {
        node: name.parse().unwrap(),
        in_service: true,
        connected: answers,
        answers,
        unknown: false,
        owing_since: None,
        problem: None,
    };
    DryRun {
        now: NOW,
        refused: None,
        generation: Some(Generation(43)),
        changes: decided().changes,
        remarks: decided().remarks,
        keys: vec![
            change("stolen", "active", "revoked"),
            change("next", "prepublished", "active"),
        ],
        nodes: vec![node("vm-1", true), node("vm-10", false)],
        relying_parties: RelyingParties {
            young: vec![YoungKey {
                kid: kid("next"),
                ready_at: NOW + Span::hours(2),
                missing: names(&["vm-10"]).into(),
            }],
            unheld: vec![UnheldKey {
                kid: kid("next-enc"),
                missing: names(&["vm-10"]).into(),
            }],
            trust: Some(Trust::Unknown {
                why: "it would wait for vm-10".to_owned(),
            }),
        },
        then: vec![],
    }
}
