//! The keys that were, for whoever verifies what they signed.

use std::collections::BTreeMap;

use super::context::Context;
use super::history::story_of;
use crate::keystore::KeystoreError;
use crate::lifecycle::Windows;
use crate::rpc::Failure;
use crate::rpc::limits::ADMIN_BYTES;
use crate::rpc::proto::{HistoricalKeysRequest, HistoricalKeysResponse};
use crate::story::HistoricalKeys;
use crate::types::{Issuer, Kid, Time};

/// The longest document: what else is in the answer is small.
const MOST_BYTES: usize = ADMIN_BYTES - 64 * 1024;

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
            for kid in keystore.kids()? {
                if let Some(mut story) = story_of(keystore, &kid)? {
                    story.windows = standing.get(&kid).copied().unwrap_or(story.windows);
                    keys.take(&story, since, now);
                }
            }
            Ok(keys)
        });
        let keys = keys.await?;
        let jws = self.log.sign_historical(&keys);
        if jws.len() > MOST_BYTES {
            return Err(Failure::refused(format!(
                "the document of {} keys is larger than an answer may be; leave out those that ended long ago, with --since",
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
