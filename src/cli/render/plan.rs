//! `jkeys plan`: what comes, and how long anybody may be away.

use super::table::Table;
use super::text::{self, list, relative, shortened};
use crate::rpc::documents::{Awaited, Away, Deadline, Happening, Plan, Planned, PlannedKey, Subject};
use crate::types::{NodeName, Time};

/// A kid is never shown in fewer characters than these.
const SHORTEST_KID: usize = 12;

/// `jkeys plan`. Kids are shortened where a line would be wider than the terminal.
pub(in crate::cli) fn plan(plan: &Plan, columns: Option<usize>) -> String {
    if !plan.violations.is_empty() {
        return text::lines(plan.violations.iter().map(|violation| violation.text.clone()));
    }
    let table = events(&plan.events, plan.now, columns);
    let nothing = format!("nothing happens until {}\n", plan.until);
    let table = if table.is_empty() { nothing } else { table };
    [subject(plan), table, limits(plan)].join("\n")
}

/// What the plan is of, and what does not answer.
fn subject(plan: &Plan) -> String {
    let of = match plan.subject {
        Subject::Leader { epoch, generation } => format!("the running leader, epoch {epoch}, generation {generation}"),
        Subject::Configuration { nodes } => {
            format!("the configuration, for a fleet that is founded now with {nodes} nodes that all answer; no leader was asked")
        }
    };
    let halted = plan
        .halted
        .iter()
        .map(|halt| format!("! the leader decides nothing more: {halt}"));
    let absent = (!plan.absent.is_empty()).then(|| {
        let nodes = list(&plan.absent);
        format!("! not answering: {nodes}; each is taken to stay so until it leaves service")
    });
    let of = format!("plan of {of}, until {} ({})", plan.until, relative(plan.until, plan.now));
    text::lines([of].into_iter().chain(halted).chain(absent))
}

/// A line for each event.
pub(super) fn events(events: &[Planned], now: Time, columns: Option<usize>) -> String {
    let widest = events.iter().map(|event| subject_of(event).len()).max().unwrap_or(0);
    let full = table(events, now, widest);
    let too_wide = columns.map_or(0, |columns| full.width().saturating_sub(columns));
    if too_wide == 0 {
        return full.to_string();
    }
    table(events, now, widest.saturating_sub(too_wide).max(SHORTEST_KID)).to_string()
}

fn table(events: &[Planned], now: Time, key_width: usize) -> Table {
    let mut table = Table::new(&["TIME", "IN", "PROFILE", "KEY", "EVENT", "WAITS FOR"]);
    for event in events {
        let left = relative(event.at, now);
        table.row([
            event.at.to_string(),
            left.strip_prefix("in ").unwrap_or(&left).to_owned(),
            event.profile.as_ref().map(ToString::to_string).unwrap_or_default(),
            shortened(&subject_of(event), key_width),
            happens(event) + &event.into.map_or_else(String::new, |spec| format!(" ({spec})")),
            waits_for(event),
        ]);
    }
    table
}

/// The key or the CA that an event is of.
fn subject_of(event: &Planned) -> String {
    event
        .ca
        .map_or_else(|| key(event.key.as_ref()), |number| format!("CA {number}"))
}

fn key(key: Option<&PlannedKey>) -> String {
    match key {
        None => String::new(),
        Some(PlannedKey::Kid(kid)) => kid.to_string(),
        Some(PlannedKey::Next(number)) => format!("next key {number}"),
    }
}

fn happens(event: &Planned) -> String {
    let node = |what: &str| {
        let name = event.node.as_ref().map_or("a node", NodeName::as_str);
        format!("{name} {what}")
    };
    match event.event {
        Happening::Published | Happening::Encrypts => "published".to_owned(),
        Happening::Armed => "armed".to_owned(),
        Happening::Signs => "signs".to_owned(),
        Happening::Retires => "signs no more".to_owned(),
        Happening::Destroyed => "private half destroyed".to_owned(),
        Happening::Removed | Happening::Unpublished => "published no more".to_owned(),
        Happening::Staged => "private half to the nodes".to_owned(),
        Happening::Discarded => "decrypts no more".to_owned(),
        Happening::RevocationConfirmed => "revocation complete".to_owned(),
        Happening::EntersService => node("enters service"),
        Happening::LeavesService => node("leaves service"),
        Happening::CaMade => "made".to_owned(),
        Happening::CaSigns => "signs certificates".to_owned(),
        Happening::CaDropped => "trusted no more".to_owned(),
    }
}

fn waits_for(event: &Planned) -> String {
    let (what, missing): (String, &[NodeName]) = match &event.waits_for {
        Awaited::Time => ("nothing".to_owned(), &[]),
        Awaited::Key => ("a new key, which is made then".to_owned(), &[]),
        Awaited::Publication { span, missing } => (format!("{span} in the JWKS of every node"), missing),
        Awaited::Hour => ("its hour, by each node's own clock".to_owned(), &[]),
        Awaited::Successor => ("its successor".to_owned(), &[]),
        Awaited::Expiry { span, missing } => (format!("every node's switch, then {span} for its last token"), missing),
        Awaited::Halves { missing } => ("every node's private half".to_owned(), missing),
        Awaited::Window { span, missing } => (format!("every node, then {span} for what was encrypted to it"), missing),
        Awaited::Confirmation { missing } => ("its confirmation".to_owned(), missing),
        Awaited::Silence => ("no answer until then".to_owned(), &[]),
        Awaited::Ca => ("a new CA, which is made then".to_owned(), &[]),
        Awaited::Trust { missing } => ("every node in service to trust it".to_owned(), missing),
        Awaited::Certificates { missing } => ("every node's certificate of another CA".to_owned(), missing),
    };
    let without = (!missing.is_empty()).then(|| format!("; {} not yet", list(missing)));
    let best = event.if_answered.map(|at| format!("; {at} if answered now"));
    [Some(what), without, best].into_iter().flatten().collect()
}

/// How full the JWKS gets, and how long anybody may be away.
fn limits(plan: &Plan) -> String {
    let each = plan.jwks.profiles.iter().map(|row| format!("{} {}", row.profile, row.most));
    let each = list(&each.collect::<Vec<_>>());
    let jwks = format!(
        "keys in the JWKS at most: {} ({each}), until {}",
        plan.jwks.most, plan.jwks.until
    );
    let halted = plan.halted.is_some();
    let away = [("the leader", &plan.leader_away), ("a node that answers", &plan.node_away)];
    let away = away
        .into_iter()
        .filter(|_| !halted)
        .flat_map(|(who, away)| absences(who, away, plan.now));
    text::lines([jwks].into_iter().chain(away))
}

fn absences(who: &str, away: &Away, now: Time) -> [String; 2] {
    let all = match &away.nothing_late {
        None => format!("{who} may be away for all of that time, and nothing is late"),
        Some(deadline) => format!("{who} may be away until {}, and nothing is late", by(deadline, now)),
    };
    let rotations = match &away.rotations_on_time {
        None => "  every rotation is on time however long that lasts".to_owned(),
        Some(deadline) => format!("  every rotation is on time if it is back by {}", by(deadline, now)),
    };
    [all, rotations]
}

/// `2026-11-25T04:10:00.000Z (in 1d 3h; then: web next key 1 published)`
fn by(deadline: &Deadline, now: Time) -> String {
    let profile = deadline.profile.as_ref().map(|profile| format!("{profile} "));
    let key = deadline.key.as_ref().map(|named| format!("{} ", key(Some(named))));
    let event = match deadline.event {
        Happening::Published | Happening::Encrypts => "is published",
        Happening::Armed => "is armed",
        Happening::Signs => "signs",
        Happening::Removed | Happening::Unpublished => "is published no more",
        Happening::LeavesService => "a silent node leaves service",
        Happening::Staged => "goes to the nodes",
        Happening::Discarded => "decrypts no more",
        Happening::Retires => "signs no more",
        Happening::Destroyed => "is destroyed",
        Happening::RevocationConfirmed => "is revoked everywhere",
        Happening::EntersService => "a node enters service",
        Happening::CaMade => "a CA is made",
        Happening::CaSigns => "a CA signs",
        Happening::CaDropped => "a CA is trusted no more",
    };
    let what: String = [profile, key].into_iter().flatten().collect();
    format!("{} ({}; late then: {what}{event})", deadline.at, relative(deadline.at, now))
}
