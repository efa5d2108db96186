//! The keys that were, for whoever verifies what they signed.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::history::{CHUNK, first_since, story_of};
use crate::audit::Record;
use crate::keystore::{Keystore, KeystoreError};
use crate::lifecycle::Windows;
use crate::rpc::Failure;
use crate::rpc::limits::ADMIN_BYTES;
use crate::rpc::proto::{HistoricalKeysRequest, HistoricalKeysResponse};
use crate::story::HistoricalKeys;
use crate::types::{Issuer, Kid, Seq, Time};

/// The longest document: what else is in the answer is small.
const MOST_BYTES: usize = ADMIN_BYTES - 64 * 1024;

/// So many keys make a document that is too long, of whatever kind they are.
const TOO_MANY: usize = 20_000;

/// The keys that may have been good at `since` or later: those that stand, and those that a record speaks of since then.
fn candidates(
    keystore: &Keystore,
    since: Option<Time>,
    standing: &BTreeMap<Kid, Windows>,
) -> Result<BTreeSet<Kid>, KeystoreError> {
    let Some(since) = since else {
        return Ok(keystore.kids()?.into_iter().collect());
    };
    let mut kids: BTreeSet<Kid> = standing.keys().cloned().collect();
    let end = keystore.load()?.next_seq;
    let mut at = first_since(keystore, since, end)?;
    while at < end {
        let until = Seq(at.0 + CHUNK).min(end);
        for stored in keystore.records(at..until)? {
            let record = Record::from_bytes(&stored.bytes).ok();
            kids.extend(record.iter().flat_map(|record| record.event.kids().cloned()));
        }
        at = until;
    }
    Ok(kids)
}

impl Context {
    pub(super) async fn historical(&self, request: HistoricalKeysRequest) -> Result<HistoricalKeysResponse, Failure> {
        let issuer: Issuer = request.issuer.parse().map_err(Failure::invalid)?;
        let since = request.since_ms.map(Time);
        // A key that stands has the times that hold for it now.
        let standing: BTreeMap<Kid, Windows> = (self.shared.leader().await?.state().keys)
            .iter()
            .map(|(kid, key)| (kid.clone(), key.windows))
            .collect();
        let now = self.clock.now();
        let keys = self.read(move |keystore| -> Result<_, KeystoreError> {
            let mut keys = HistoricalKeys::new(issuer, now);
            for kid in candidates(keystore, since, &standing)? {
                if let Some(mut story) = story_of(keystore, &kid)? {
                    story.windows = standing.get(&kid).copied().unwrap_or(story.windows);
                    keys.take(&story, since, now);
                }
                if keys.count() > TOO_MANY {
                    break;
                }
            }
            Ok(keys)
        });
        let keys = keys.await?;
        let jws = self.log.sign_historical(&keys);
        if jws.len() > MOST_BYTES {
            return Err(Failure::refused(format!(
                "a document of {} keys and more is larger than an answer may be; leave out those that ended long ago, with --since",
                keys.count()
            )));
        }
        let key = serde_json::to_string(&self.log.jwk()).unwrap_or_default();
        Ok(HistoricalKeysResponse {
            jws,
            key,
            keys: u32::try_from(keys.count()).unwrap_or(u32::MAX),
        })
    }
}
