//! What nodes in service serve, sign with and can open, and so what relying parties can have: rules R1, R3, E1 and E2.

use jkeys::types::{Enrolment, Time};

use super::super::node::Node;
use super::{Facts, Oracle};

impl Oracle {
    /// One node in service serves and signs, now.
    pub(super) fn serves(&mut self, enrolment: Enrolment, node: &Node, now: Time) {
        let Some(published) = &node.server.published else { return };
        let mut broken = None;
        let past = self.past.entry(enrolment).or_default();
        for (kid, facts) in self.keys.iter_mut().filter(|(_, facts)| !facts.is_revoked) {
            let Facts { windows, lacked_at, .. } = facts;
            if node.server.signing.contains(kid) {
                if !facts.is_exempt && *lacked_at + windows.min_prepublish > now {
                    let how = format!(
                        "node {} signs with {kid}, and a set without it was served at {lacked_at}",
                        node.name
                    );
                    broken.get_or_insert(("R1", how));
                }
                facts.signed_at = Some(now);
            }
            if published.contains(kid) {
                continue;
            }
            *lacked_at = now;
            let lives_until = facts.signed_at.map(|at| at + windows.token_lifetime + windows.clock_skew);
            // A key that signed by a recorded exception may not have come to every node yet.
            let had_it = !facts.is_exempt || past.served.contains(kid);
            if had_it && lives_until.is_some_and(|until| until > now) {
                let how = format!(
                    "node {} serves a set without {kid}, whose tokens live until {lives_until:?}",
                    node.name
                );
                broken.get_or_insert(("R3", how));
            }
        }
        for (kid, facts) in &mut self.sealing {
            if node.server.offers(kid) {
                facts.served_at = Some(now);
            }
        }
        past.served.extend(published.iter().cloned());
        past.served.retain(|kid| self.keys.contains_key(kid));
        if let Some((rule, how)) = broken {
            self.breaks(rule, how);
        }
    }

    /// One node in service must open whatever a relying party may have encrypted: to a key that some node in service served up to now,
    /// or less than `decrypt_window` ago.
    pub(super) fn opens(&mut self, enrolment: Enrolment, node: &Node, now: Time) {
        if node.server.published.is_none() {
            return;
        }
        let mut broken = None;
        let past = self.past.entry(enrolment).or_default();
        past.opened.retain(|kid| self.sealing.contains_key(kid));
        for (kid, facts) in self.sealing.iter().filter(|(_, facts)| !facts.is_destroyed) {
            if node.server.decrypting.contains(kid) {
                past.opened.insert(kid.clone());
                continue;
            }
            let Some(served_at) = facts.served_at.filter(|at| *at + facts.windows.decrypt_window > now) else {
                continue;
            };
            let had_it = past.opened.contains(kid);
            if had_it || !facts.is_forced {
                let how = format!(
                    "node {} can't open what is encrypted to {kid}, which was served until {served_at}",
                    node.name
                );
                broken.get_or_insert((if had_it { "E2" } else { "E1" }, how));
            }
        }
        if let Some((rule, how)) = broken {
            self.breaks(rule, how);
        }
    }
}
