//! Whether what is served is what was published.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ProbeError;
use crate::types::{Kid, ProbeUrl};

/// How many kids a message names.
const NAMED: usize = 8;

#[derive(Deserialize)]
struct Served {
    keys: Vec<ServedKey>,
}

/// A key as it is served. What must not be there is seen and not read (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2).
#[derive(Deserialize)]
struct ServedKey {
    kid: Option<String>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl ServedKey {
    fn is_private(&self) -> bool {
        let members = [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k];
        members.into_iter().any(Option::is_some)
    }

    fn name(&self) -> String {
        self.kid.as_deref().map_or_else(|| "without a kid".to_owned(), shown)
    }
}

/// Somebody else's words, fit for a log.
fn shown(text: &str) -> String {
    let fit = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(fit).take(100).collect()
}

pub(super) fn judge(url: &ProbeUrl, body: &[u8], published: &BTreeSet<Kid>) -> Result<(), ProbeError> {
    let served: Served = serde_json::from_slice(body).map_err(|why| ProbeError::NotJwks {
        url: url.to_string(),
        why: place(&why),
    })?;
    if let Some(key) = served.keys.iter().find(|key| key.is_private()) {
        return Err(ProbeError::Leaks {
            url: url.to_string(),
            key: key.name(),
        });
    }
    let kids: BTreeSet<&str> = served.keys.iter().filter_map(|key| key.kid.as_deref()).collect();
    let missing: Vec<String> = published
        .iter()
        .map(ToString::to_string)
        .filter(|kid| !kids.contains(kid.as_str()))
        .collect();
    let is_ours = |kid: &str| published.iter().any(|own| own.as_str() == kid);
    let strangers = served.keys.iter().filter(|key| !key.kid.as_deref().is_some_and(is_ours));
    let strangers: Vec<String> = strangers.map(ServedKey::name).collect();
    let is_doubled = served.keys.len() - strangers.len() > published.len() - missing.len();
    let difference = [
        (!missing.is_empty()).then(|| format!("it lacks {}: did the server reload?", list(&missing))),
        (!strangers.is_empty()).then(|| {
            format!(
                "it holds {} besides: the keys of an earlier generation, or somebody else's, and whoever has those signs in this issuer's name",
                list(&strangers)
            )
        }),
        is_doubled.then(|| "a key stands in it twice".to_owned()),
    ];
    let difference: Vec<String> = difference.into_iter().flatten().collect();
    if difference.is_empty() {
        return Ok(());
    }
    let own = published.iter().filter(|kid| kids.contains(kid.as_str())).cloned();
    let others = kids.iter().filter(|kid| !is_ours(kid)).filter_map(|kid| kid.parse().ok());
    Err(ProbeError::Differs {
        url: url.to_string(),
        difference: difference.join("; "),
        served: own.chain(others.take(NAMED)).collect(),
    })
}

/// Where the JSON is wrong, with nothing of what stands there: it may be a secret.
fn place(why: &serde_json::Error) -> String {
    let (line, column) = (why.line(), why.column());
    match why.classify() {
        serde_json::error::Category::Data => format!("it has no list of `keys` (line {line}, column {column})"),
        _ => format!("it is not JSON (line {line}, column {column})"),
    }
}

fn list(kids: &[String]) -> String {
    let named = kids.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match kids.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
