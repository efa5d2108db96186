//! What is on a node, and when: rules R4, R5, R7 and R10.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jkeys::lifecycle::{Ended, Installed, KeySet, Member, Stage, view};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Enrolment, Generation, Kid, ProfileName, Span, Time};

use super::super::World;
use super::super::disk::Mood;
use super::super::node::{Node, STARTS_WITHIN};
use super::Oracle;

impl Oracle {
    /// What is live on a node must be newer than all before, and have one signer.
    pub(super) fn lives(&mut self, enrolment: Enrolment, node: &Node) {
        let Some(live) = &node.disk.live else { return };
        let past = self.past.entry(enrolment).or_default();
        let newest = node.disk.trusted.as_ref().and_then(|trusted| trusted.newest.as_ref());
        let remembered = newest.is_some_and(|newest| {
            let same = newest.generation == live.id.generation;
            newest.generation > live.id.generation || same && live.id.switches.is_subset(&newest.switches)
        });
        let cached = node
            .disk
            .cache
            .as_ref()
            .filter(|cache| cache.set.generation == live.id.generation);
        let (epoch, digest) = cached.map_or((past.epoch, past.digest), |cache| (cache.set.epoch, Some(cache.digest)));
        let same = live.id.generation == past.generation;
        let problem = if !remembered {
            Some(format!("uses generation {} before it remembers it", live.id.generation))
        } else if live.id.generation < past.generation || epoch < past.epoch {
            Some(format!("went back to generation {} of epoch {epoch}", live.id.generation))
        } else if same && past.digest.is_some() && digest != past.digest {
            Some(format!("holds another generation {} than before", live.id.generation))
        } else if same && !past.switches.is_subset(&live.id.switches) {
            Some("has undone a switch".to_owned())
        } else {
            live.published
                .intersection(&past.gone)
                .next()
                .map(|kid| format!("publishes {kid} again"))
        };
        // What was encrypted to one that is unpublished is still opened; it is not gone before that ends.
        let mut kids = live.published.clone();
        kids.extend(past.kids.intersection(&live.decrypting).cloned());
        past.gone.extend(past.kids.difference(&kids).cloned());
        past.kids = kids;
        (past.epoch, past.generation, past.digest) = (epoch, live.id.generation, digest);
        past.switches.clone_from(&live.id.switches);
        if let Some(problem) = problem {
            self.breaks("R5", format!("node {} {problem}", node.name));
        }
        if let Some(cached) = cached.filter(|_| !live.is_torn) {
            self.check_signer(node, &cached.set);
        }
    }

    /// Whether what a node read back is not one whole view of a generation that it was sent.
    pub(super) fn is_torn(&self, installed: &Installed) -> bool {
        let of_it = |bundle: &&Arc<Bundle>| bundle.set.generation == installed.generation;
        let mut sent = self.sent.values().filter(of_it).peekable();
        let is_whole = |bundle: &Arc<Bundle>| {
            // Only the nodes that had it have the private half of a key that the leader is without.
            let elsewhere = bundle.set.inherited().filter(|kid| !installed.held.contains(*kid));
            let view = view(&bundle.set, &installed.switches, Time(0)).lacking(&elsewhere.cloned().collect());
            let published: BTreeSet<Kid> = view.published.iter().cloned().collect();
            published == installed.published && view.signing() == installed.signing && view.decrypting == installed.decrypting
        };
        sent.peek().is_some() && !sent.any(is_whole)
    }

    fn check_signer(&mut self, node: &Node, set: &KeySet) {
        let Some(live) = &node.disk.live else { return };
        let mut signers: BTreeMap<&ProfileName, usize> = BTreeMap::new();
        // A key that the leader does not have signs only where it was.
        let is_inherited = |profile: &ProfileName| {
            let serves = |member: &Member| match member.stage {
                Stage::Active => true,
                Stage::Armed { .. } => live.id.switches.contains(&member.public.kid),
                _ => false,
            };
            let mut members = set.members.iter().filter(|member| member.profile == *profile);
            members.any(|member| member.inherited && serves(member))
        };
        for member in &set.members {
            let signs = usize::from(live.signing.contains(&member.public.kid));
            let must_sign = member.stage == Stage::Active && !is_inherited(&member.profile);
            if must_sign || signs > 0 {
                *signers.entry(&member.profile).or_default() += signs;
            }
        }
        if let Some((profile, count)) = signers.into_iter().find(|(_, count)| *count != 1) {
            let how = format!("node {} has {count} keys that sign in {profile}", node.name);
            self.breaks("R4", how);
        }
    }

    /// A node that holds half a view knows it, and says so until it holds the whole (rule R6).
    fn check_whole(&mut self, node: &Node, now: Time) {
        let starts = node.agent_started + STARTS_WITHIN > now;
        let is_torn = node.disk.live.as_ref().is_some_and(|live| live.is_torn);
        if is_torn && !starts && node.stalled.is_none() && keeps_up(node, now) {
            self.breaks(
                "R6",
                format!("half a view is on the disk of node {}, and it knows of no problem", node.name),
            );
        }
    }

    /// A node that was told that it is in the node table no more has let go of what is secret.
    fn check_erased(&mut self, node: &Node, ended: &Ended, now: Time) {
        let works = node.disk.mood == Mood::Works && node.stalled.is_none() && keeps_up(node, now);
        let holds = node.disk.read_back().is_some_and(|installed| !installed.held.is_empty());
        if node.link.is_told_to_erase && works && holds {
            let how = format!(
                "node {} was {} and told so, and still holds private halves",
                node.name, ended.ending
            );
            self.breaks("R8", how);
        }
    }

    /// What is armed on a node must be active when its time has come (rule R10), whether its leader is there or not. The time is the
    /// node's own, or what the leader last said where the two are too far apart (rule R2).
    fn check_on_time(&mut self, node: &Node, now: Time) {
        let newest = node.disk.trusted.as_ref().and_then(|trusted| trusted.newest.as_ref());
        let (Some(agent), Some(newest)) = (&node.agent, newest) else {
            return;
        };
        let Some(bundle) = self.sent.get(&newest.digest) else { return };
        let (skew, clocks) = (bundle.set.clock_skew, node.clocks(now));
        let starts = node.agent_started + STARTS_WITHIN > now;
        if starts || node.stalled.is_some() || node.disk.is_erased || !keeps_up(node, now) {
            return;
        }
        let leaders = agent.status(clocks).leader_time;
        // After a boot without its leader, a node that was ahead takes its clock to be ahead still.
        let measured = node.disk.trusted.as_ref().and_then(|trusted| trusted.measured.as_ref());
        let was_ahead = measured.map_or(Span(0), |measured| measured.wall.since(measured.leader));
        let by_itself = clocks.wall - if leaders.is_none() { was_ahead } else { Span(0) };
        let time = leaders.filter(|time| time.distance(clocks.wall) > skew).unwrap_or(by_itself);
        let late = |activate_at: Time| activate_at + skew * 2 < time;
        let mut due = bundle
            .set
            .members
            .iter()
            .filter(|member| matches!(member.stage, Stage::Armed { activate_at } if late(activate_at)));
        let signs = |kid| node.disk.live.as_ref().is_some_and(|live| live.signing.contains(kid));
        if let Some(kid) = due
            .find(|member| !signs(&member.public.kid))
            .map(|member| member.public.kid.clone())
        {
            self.breaks(
                "R10",
                format!("node {} does not sign with {kid}, which is armed and due", node.name),
            );
        }
    }
}

impl World {
    /// What must be so once nothing moves any more.
    pub fn check_quiet(&mut self) {
        let (newest, now) = (self.leader.generation(), self.now);
        self.oracle
            .forget(&self.nodes, &self.leader.store.state, self.leader.copied(), now);
        for node in self.nodes.values() {
            self.oracle.check_on_time(node, now);
            self.oracle.check_whole(node, now);
            if let Some(ended) = self.leader.store.state.ended(node.tls_key) {
                self.oracle.check_erased(node, ended, now);
            }
            let works = node.disk.mood == Mood::Works && node.stalled.is_none();
            let well = node.link.stream.is_some() && !node.link.is_held && works;
            let knows = node
                .disk
                .trusted
                .as_ref()
                .map_or(Generation(0), jkeys::agent::core::Trusted::generation);
            let settled = well && node.agent.is_some() && self.leader.core.is_some();
            if settled && knows < newest && keeps_up(node, now) {
                let how = format!(
                    "generation {newest} is durable, and node {}, which is there, was not sent it",
                    node.name
                );
                self.oracle.breaks("R7", how);
            }
        }
    }
}

/// Whether nothing keeps a node from going on.
fn keeps_up(node: &Node, now: Time) -> bool {
    let status = node.agent.as_ref().map(|agent| agent.status(node.clocks(now)));
    status.is_some_and(|status| status.problem.is_none())
}
