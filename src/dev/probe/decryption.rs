//! Messages to the keys that relying parties may have, and every node that must open them.

use std::collections::BTreeMap;

use super::{Failure, Held, Private, Round, Sample, Seen};
use crate::crypto::{CryptoError, EncryptingKey};
use crate::types::{Kid, NodeName};

/// What is encrypted.
const MESSAGE: &[u8] = b"what a relying party has to say";

/// A key that a relying party may encrypt to, and where it has it from.
struct Found<'a> {
    key: &'a EncryptingKey,
    publisher: &'a NodeName,
    set: Seen,
}

/// Encrypts to each key of any set that a relying party may have, and opens it with each private file.
pub(super) fn probe(nodes: &BTreeMap<NodeName, Held>, privates: &[Private], sample: &Sample, round: &mut Round) {
    for (kid, found) in found(nodes, sample) {
        let message = found.key.encrypt(MESSAGE);
        for Private { keys, nodes } in privates {
            round.probes += nodes.len() as u64;
            let key = keys.decrypting.iter().find(|key| key.kid() == kid);
            let opened = message.clone().and_then(|message| {
                let unknown = || CryptoError::NotDecrypted(kid.clone());
                key.ok_or_else(unknown)?.decrypt(&message)
            });
            let failed = match opened {
                Ok(plain) if plain.expose() == MESSAGE => continue,
                Ok(_) => CryptoError::NotDecrypted(kid.clone()),
                Err(why) => why,
            };
            round.failures.push(Failure::Message {
                readers: nodes.clone(),
                publisher: found.publisher.clone(),
                kid: kid.clone(),
                set: found.set,
                why: failed,
            });
        }
    }
}

/// Each key once: from a set as it is now, where one has it.
fn found<'a>(nodes: &'a BTreeMap<NodeName, Held>, sample: &Sample) -> BTreeMap<&'a Kid, Found<'a>> {
    let mut keys: BTreeMap<&Kid, Found<'_>> = BTreeMap::new();
    for (publisher, held) in nodes {
        for (version, now) in held.of_interest(true) {
            let set = if now {
                Seen::Now
            } else {
                Seen::Ago(sample.ended.since(version.last_seen))
            };
            for (kid, key) in &version.set.keys.encrypting {
                let found = Found { key, publisher, set };
                if now {
                    keys.insert(kid, found);
                } else {
                    keys.entry(kid).or_insert(found);
                }
            }
        }
    }
    keys.retain(|kid, _| !sample.revoked.contains(*kid) && !sample.excepted.contains(*kid));
    keys
}
