//! Keys: the table of all, and one in full.

use super::table::Table;
use super::text::{self, list, relative, shortened};
use crate::rpc::documents::{KeyStatus, NextChange, Status};
use crate::types::Time;

/// A kid is never shown in fewer characters than these.
const SHORTEST_KID: usize = 12;

/// `jkeys keys list`, and a part of `jkeys status`. Kids are shortened where a line would be wider than the terminal.
pub(in crate::cli) fn keys(status: &Status, columns: Option<usize>) -> String {
    if status.keys.is_empty() {
        return "no keys yet\n".to_owned();
    }
    let widest = status.keys.iter().map(|key| key.kid.as_str().len()).max().unwrap_or(0);
    let full = table(status, widest);
    let too_wide = columns.map_or(0, |columns| full.width().saturating_sub(columns));
    if too_wide == 0 {
        return full.to_string();
    }
    table(status, widest.saturating_sub(too_wide).max(SHORTEST_KID)).to_string()
}

fn table(status: &Status, kid_width: usize) -> Table {
    let mut table = Table::new(&["KEY", "PROFILE", "ALG", "STATE", "PUBLISHED", "NEXT"]);
    for key in &status.keys {
        table.row([
            shortened(key.kid.as_str(), kid_width),
            profile(status, key),
            key.spec.to_string(),
            key.state.clone(),
            relative(key.published_at, status.now),
            key.next.as_ref().map_or_else(String::new, |next| change(next, status.now)),
        ]);
    }
    table
}

fn profile(status: &Status, key: &KeyStatus) -> String {
    let is_removed = status.leaving.iter().any(|leaving| leaving.profile == key.profile);
    format!("{}{}", key.profile, if is_removed { " (removed)" } else { "" })
}

/// `armed in 3h 12m`, and what it waits for besides.
fn change(next: &NextChange, now: Time) -> String {
    let when = relative(next.at.max(now), now);
    let waits = if next.missing.is_empty() { "" } else { ", waits for " };
    format!("{} {when}{waits}{}", next.to, list(&next.missing))
}

/// `jkeys keys show`.
pub(in crate::cli) fn key(key: &KeyStatus, now: Time) -> String {
    let at = |time| format!("{time} ({})", relative(time, now));
    let jwk = key.jwk.members().map(|(name, value)| format!("{name}={value}"));
    let mut lines = vec![
        ("kid", key.kid.to_string()),
        ("profile", key.profile.to_string()),
        ("alg", key.spec.to_string()),
        ("state", key.state.clone()),
        ("published", at(key.published_at)),
    ];
    if let Some(next) = &key.next {
        lines.push(("next", format!("{} {}", next.to, at(next.at))));
        if !next.missing.is_empty() {
            lines.push(("waits for", list(&next.missing)));
        }
    }
    lines.push(("thumbprint", key.thumbprint.clone()));
    lines.push(("jwk", jwk.collect::<Vec<_>>().join(" ")));
    lines.push(("certificate", key.x5c.clone()));
    text::lines(lines.into_iter().map(|(name, value)| format!("{name:<11}  {value}")))
}
