//! What nodes in service serve, sign with and can open, and so what relying parties can have: rules R1, R3, E1 and E2.

use jkeys::lifecycle::Node as Row;
use jkeys::types::{Enrolment, Kid, Time};

use super::super::node::Node;
use super::super::store::Store;
use super::{Facts, Oracle, Sealing};

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
    pub(super) fn opens(&mut self, enrolment: Enrolment, node: &Node, now: Time, leader: &Store) {
        if node.server.published.is_none() {
            return;
        }
        let opens = |kid: &Kid| node.server.decrypting.contains(kid);
        let is_open =
            |facts: &Sealing| !facts.is_destroyed && facts.served_at.is_some_and(|at| at + facts.windows.decrypt_window > now);
        let unopened = |(kid, facts): (&Kid, &Sealing)| (is_open(facts) && !opens(kid)).then(|| kid.clone());
        let unopened: Vec<Kid> = self.sealing.iter().filter_map(unopened).collect();
        let out_of_reach = |kid: &&Kid| self.sealing[*kid].is_unknown || self.is_lost(kid, leader);
        let excused: Vec<Kid> = unopened.iter().filter(out_of_reach).cloned().collect();
        let past = self.past.entry(enrolment).or_default();
        past.opened.retain(|kid| self.sealing.contains_key(kid));
        past.opened.extend(self.sealing.keys().filter(|kid| opens(kid)).cloned());
        past.excused.retain(|kid| self.sealing.contains_key(kid));
        past.excused.extend(excused);
        let mut broken = None;
        for kid in unopened {
            let facts = &self.sealing[&kid];
            let had_it = past.opened.contains(&kid);
            if had_it || !facts.is_forced && !past.excused.contains(&kid) {
                let how = format!(
                    "node {} can't open what is encrypted to {kid}, which was served until {:?}",
                    node.name, facts.served_at
                );
                broken.get_or_insert((if had_it { "E2" } else { "E1" }, how));
            }
        }
        if let Some((rule, how)) = broken {
            self.breaks(rule, how);
        }
    }

    /// Whether nobody has the private half of a key any more who could open what is encrypted to it, or hand it on.
    fn is_lost(&self, kid: &Kid, leader: &Store) -> bool {
        let opens = |row: &Row| self.past.get(&row.enrolment).is_some_and(|past| past.opened.contains(kid));
        let mut in_service = leader.state.nodes.values().filter(|row| self.is_in_service(row));
        !leader.privates.contains(kid) && !in_service.any(opens)
    }
}
