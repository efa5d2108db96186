//! The node table.

use super::cas;
use super::table::Table;
use super::text::{elapsed, lines, list, plain, relative};
use crate::lifecycle::{Ended, Ending, Failing};
use crate::rpc::documents::{EnrolledNode, HeldKey, NodeEnded, NodePage, NodePapers, NodeStatus, Status};
use crate::types::{KeyUse, Kid, Span, Time};

/// `jkeys node list`, and a part of `jkeys status`.
pub(in crate::cli) fn nodes(status: &Status) -> String {
    if status.nodes.is_empty() {
        return "no nodes yet; `jkeys node token NAME` lets one in\n".to_owned();
    }
    let mut table = Table::new(&["NODE", "STANDING", "CONFIRMED", "HEARD", "REMARK"]);
    for node in &status.nodes {
        table.row([
            node.node.to_string(),
            format!("{} {}", standing(node), elapsed(node.since, status.now)),
            confirmed(node, status.now),
            heard(node, status.now),
            remarks(node, status.now),
        ]);
    }
    table.to_string()
}

fn standing(node: &NodeStatus) -> &str {
    match node.standing.as_str() {
        "in_service" => "in service",
        "evicted" => "out of service",
        other => other,
    }
}

fn heard(node: &NodeStatus, now: Time) -> String {
    match node.heard_at {
        Some(at) => relative(at, now),
        None if node.unknown => UNKNOWN.to_owned(),
        None => "never".to_owned(),
    }
}

/// What was seen of a node before its leader was put back.
const UNKNOWN: &str = "not known";

fn confirmed(node: &NodeStatus, now: Time) -> String {
    match (node.confirmed, node.confirmed_at) {
        (Some(generation), Some(at)) => format!("{generation} ({})", relative(at, now)),
        (Some(generation), None) => generation.to_string(),
        (None, _) if node.unknown => UNKNOWN.to_owned(),
        (None, _) => "nothing".to_owned(),
    }
}

fn remarks(node: &NodeStatus, now: Time) -> String {
    let debt = node
        .owing_since
        .map(|since| format!("owes a confirmation for {}", elapsed(since, now)));
    let disk = node
        .on_disk
        .filter(|generation| Some(*generation) != node.confirmed)
        .map(|generation| format!("generation {generation} on disk"));
    let papers = node.papers.as_ref().and_then(|papers| cas::remark(papers, now));
    let cloned = node.is_cloned.then(|| {
        let name = &node.node;
        format!("two machines use its identity: `jkeys node revoke {name}`, then enroll the true one anew")
    });
    let parts = [cloned, debt, disk, clock(node), papers, node.problem.as_deref().map(plain)];
    let failing = node.failing.iter().map(|failing| failed(failing, now));
    parts.into_iter().flatten().chain(failing).collect::<Vec<_>>().join("; ")
}

/// A hook or a probe that fails. What keeps the node from confirming stands among its problems already, with why.
pub(super) fn failed(failing: &Failing, now: Time) -> String {
    let Failing { what, times, since, .. } = failing;
    let times = if *times == 1 {
        "once".to_owned()
    } else {
        format!("{times} times in a row")
    };
    let given_up = if failing.is_given_up { ", and is not tried again" } else { "" };
    let why = if what.holds_up() {
        String::new()
    } else {
        format!(": {}", plain(&failing.why))
    };
    format!("its {what} failed {times}, for {}{given_up}{why}", elapsed(*since, now))
}

/// How wrong its clock is, where that matters.
pub(super) fn clock(node: &NodeStatus) -> Option<String> {
    let ahead = node.clock_wrong_by_ms?;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    Some(format!("its clock is {} {side} the leader's", Span(ahead.unsigned_abs())))
}

/// `jkeys node show`.
pub(in crate::cli) fn node(page: &NodePage) -> String {
    let enrolled = page.enrolled.as_ref().map(|enrolled| enrolled_node(enrolled, page.now));
    let ended = page.ended.iter().map(ended_node);
    let parts: Vec<String> = enrolled.into_iter().chain(ended).collect();
    parts.join("\n")
}

fn enrolled_node(node: &EnrolledNode, now: Time) -> String {
    let connected = if node.is_connected { "connected" } else { "not connected" };
    let remark = remarks(&node.status, now);
    let papers = |of: fn(&NodePapers) -> String| node.status.papers.as_ref().map_or_else(|| "not told yet".to_owned(), of);
    let facts = [
        ("node", node.status.node.to_string()),
        (
            "standing",
            format!("{} {}, {connected}", standing(&node.status), elapsed(node.status.since, now)),
        ),
        ("enrolled", format!("{} (number {})", node.enrolled_at, node.enrolment)),
        ("key", format!("SHA-256 {}", node.tls_key)),
        ("certificate", papers(cas::certificate)),
        ("trusts", papers(cas::trusted)),
        ("confirmed", confirmed(&node.status, now)),
        (
            "heard",
            node.status
                .heard_at
                .map_or_else(|| "never".to_owned(), |at| relative(at, now)),
        ),
        ("remark", if remark.is_empty() { "none".to_owned() } else { remark }),
    ];
    let facts = lines(facts.into_iter().map(|(name, value)| format!("{name:<12} {value}")));
    let last = last_of(&node.held).map(|key| {
        format!(
            "it is the last that is known to hold the private half of key {}, which the leader is without: if it goes, {}",
            key.kid,
            loss(key)
        )
    });
    format!("{facts}{}{}", holding(&node.held, &node.unconfirmed), lines(last))
}

fn ended_node(ended: &Ended) -> String {
    let Ended {
        node,
        enrolment,
        ending,
        at,
    } = ended;
    format!(
        "machine number {enrolment} of the name {node} was {ending} at {at}; `jkeys history --node {node}` shows what it held\n"
    )
}

/// The private halves that are on a node, or may be.
fn holding(held: &[HeldKey], unconfirmed: &[Kid]) -> String {
    if held.is_empty() && unconfirmed.is_empty() {
        return "it holds no private half\n".to_owned();
    }
    let mut table = Table::new(&["MAY HOLD", "PROFILE", "STATE"]);
    for key in held {
        table.row([key.kid.to_string(), key.profile.to_string(), key.state.clone()]);
    }
    for kid in unconfirmed {
        table.row([kid.to_string(), "-".to_owned(), "revoked, and not confirmed".to_owned()]);
    }
    table.to_string()
}

/// `jkeys node revoke` and `jkeys node remove`.
pub(in crate::cli) fn node_ended(ended: &NodeEnded) -> String {
    let NodeEnded { node, ending, .. } = ended;
    let first = format!("node {node} is {ending}: its certificate is let in nowhere, and what it confirmed counts no more");
    let told = if ended.was_connected {
        "it was connected, and is told to erase its private files"
    } else {
        "it was not connected: it is told to erase its private files if it calls, and not before"
    };
    let remarks = ended.remarks.iter().map(|remark| plain(remark));
    let said = lines([first, told.to_owned()].into_iter().chain(remarks));
    let last = last_of(&ended.held).map(|key| {
        format!(
            "with it goes the last private half of key {} that is known of, as the leader is without it: {}",
            key.kid,
            loss(key)
        )
    });
    let held = holding(&ended.held, &ended.unconfirmed);
    format!("{said}{held}{}{}", lines(last), follow_up(ended))
}

/// The keys that no other node is known to hold, and neither does the leader.
fn last_of(held: &[HeldKey]) -> impl Iterator<Item = &HeldKey> {
    held.iter().filter(|key| key.is_last_holder)
}

/// What it means that nobody has the private half of a key, and what helps.
fn loss(key: &HeldKey) -> String {
    let rotate = format!("`jkeys rotate --now --profile {} --reason superseded`", key.profile);
    match (key.key_use, key.state.as_str()) {
        (KeyUse::Sig, _) => format!("nobody signs with it any more; {rotate} has another key sign"),
        (KeyUse::Enc, "active") => format!("nobody reads what is encrypted to it any more; {rotate} publishes another key"),
        (KeyUse::Enc, _) => "nobody reads what was encrypted to it any more".to_owned(),
    }
}

/// What an operator does next, where somebody else may have what is on the node.
fn follow_up(ended: &NodeEnded) -> String {
    if ended.held.is_empty() {
        return String::new();
    }
    let (serving, others): (Vec<&HeldKey>, Vec<&HeldKey>) = ended.held.iter().partition(|key| key.state == "active");
    let rotations = serving.into_iter().map(|key| {
        format!(
            "  jkeys rotate --now --compromised {} --reason compromised   # profile {}",
            key.kid, key.profile
        )
    });
    let others: Vec<&Kid> = others.into_iter().map(|key| &key.kid).collect();
    let when = match ended.ending {
        Ending::Revoked => "to end all trust in what it may hold:",
        Ending::Removed => "if the machine, or its disk, is in other hands:",
    };
    let more = (!others.is_empty()).then(|| {
        format!(
            "and `jkeys revoke KID --reason compromised` for those of {} that are there still",
            list(&others)
        )
    });
    lines([when.to_owned()].into_iter().chain(rotations).chain(more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{a_node, kid, node_ended as an_end};
    use crate::rpc::admin::EndNodeCall;

    fn held(name: &str, key_use: KeyUse, state: &str, is_last_holder: bool) -> HeldKey {
        HeldKey {
            kid: kid(name),
            profile: "web".parse().unwrap(),
            state: state.to_owned(),
            key_use,
            is_last_holder,
        }
    }

    #[test]
    fn whoever_takes_out_the_last_holder_of_a_key_is_told_what_goes_with_it() {
        let mut ended = an_end(EndNodeCall {
            node: "vm-1".parse().unwrap(),
            ending: Ending::Removed,
            comment: None,
        });
        ended.held = vec![held("elsewhere", KeyUse::Enc, "active", false)];
        assert!(!node_ended(&ended).contains("last private half"));
        for (key_use, state, loss) in [
            (
                KeyUse::Sig,
                "active",
                "nobody signs with it any more; `jkeys rotate --now --profile web --reason superseded` has another key sign",
            ),
            (
                KeyUse::Enc,
                "active",
                "nobody reads what is encrypted to it any more; `jkeys rotate --now --profile web --reason superseded` publishes another key",
            ),
            (KeyUse::Enc, "retiring", "nobody reads what was encrypted to it any more"),
            (KeyUse::Enc, "revoked", "nobody reads what was encrypted to it any more"),
        ] {
            ended.held.truncate(1);
            ended.held.push(held("only-here", key_use, state, true));
            let told = node_ended(&ended);
            let line = format!(
                "with it goes the last private half of key only-here that is known of, as the leader is without it: {loss}\n"
            );
            assert!(told.contains(&line), "{told}");
            assert_eq!(told.matches("last private half").count(), 1, "{told}");
        }

        let mut page = a_node();
        page.enrolled.as_mut().expect("it is in the fleet").held = ended.held;
        let shown = node(&page);
        let line =
            "it is the last that is known to hold the private half of key only-here, which the leader is without: if it goes, ";
        assert!(shown.contains(line), "{shown}");
    }
}
