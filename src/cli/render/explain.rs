//! What the log says of a token.

use super::history::because;
use super::text::{lines, relative};
use crate::story::{Explanation, Step};
use crate::types::Time;

/// `jkeys explain`.
pub(in crate::cli) fn explanation(found: &Explanation, now: Time) -> String {
    let at = |time: Time| format!("{time} ({})", relative(time, now));
    let mut rows = vec![
        ("key", found.kid.to_string()),
        ("profile", format!("{}, {}", found.profile, found.spec)),
        (
            "signature",
            if found.verified { "verifies" } else { "does not verify" }.to_owned(),
        ),
    ];
    let then = found
        .state_then
        .map_or("nobody had the key yet".to_owned(), |state| format!("the key was {state}"));
    rows.extend(found.issued_at.map(|issued| ("issued", format!("{}; {then}", at(issued)))));
    rows.extend(found.expires_at.map(|expires| ("expires", at(expires))));
    let state = found.state_now.map_or("not there yet".to_owned(), |state| state.to_string());
    rows.push(("key now", format!("{state}, by the log until {}", found.as_of)));
    rows.extend(life(found, now));
    rows.extend(found.faults.iter().map(|fault| ("WRONG", fault.to_string())));
    rows.extend(found.remarks.iter().map(|remark| ("note", remark.to_string())));
    lines(rows.into_iter().map(|(name, value)| format!("{name:<14}  {value}")))
}

/// The key's life, with the numbers of the records.
fn life(found: &Explanation, now: Time) -> Vec<(&'static str, String)> {
    let at = |time: Time| format!("{time} ({})", relative(time, now));
    let when = |step: &Step| format!("{} by {}, record {}", at(step.at), step.by, step.record);
    let published = &found.published;
    let mut rows = vec![(
        "published",
        format!("since {}, generation {}", when(published), published.generation),
    )];
    rows.extend(found.armed.as_ref().map(|armed| {
        let without = if armed.not_waited_for.is_empty() {
            String::new()
        } else {
            format!(", without {}", armed.not_waited_for)
        };
        let confirmed = format!("{} nodes had confirmed to publish it{without}", armed.confirmed);
        (
            "armed",
            format!("{}, to sign from {}; {confirmed}", when(&armed.step), armed.activate_at),
        )
    }));
    rows.extend(found.signed.as_ref().map(|signed| {
        let since = format!("{} ({})", signed.since, because(&signed.cause));
        ("signed from", format!("{since}, record {}", signed.step.record))
    }));
    rows.extend(found.retired.as_ref().map(|step| ("retired", when(step))));
    rows.extend(
        found
            .last_signature
            .map(|last| ("last signature", format!("{} at the latest", at(last)))),
    );
    rows.extend(found.removed.as_ref().map(|step| ("removed", when(step))));
    rows.extend(found.revoked.as_ref().map(|revoked| {
        let comment = revoked.comment.as_ref().map(|comment| format!(": \"{comment}\""));
        let why = format!("{}{}", revoked.reason, comment.unwrap_or_default());
        ("revoked", format!("{}  [{why}]", when(&revoked.step)))
    }));
    rows
}
