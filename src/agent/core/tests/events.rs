//! Hooks on silence and its end, on revocations, and on being cut off.

use super::*;
use crate::lifecycle::{Failing, Follower};
use crate::types::HookEvent;

fn with_hooks(hooks: &[(HookEvent, u32)]) -> Settings {
    let rule = |(on, retries): &(HookEvent, u32)| EventHook {
        on: *on,
        retries: *retries,
    };
    Settings {
        event_hooks: hooks.iter().map(rule).collect(),
        ..Settings::default()
    }
}

/// A node with these hooks that holds generation 7 and was heard.
fn holding(hooks: &[(HookEvent, u32)]) -> Node {
    let mut node = Node::new(with_hooks(hooks));
    node.connect();
    node.send(usual(7));
    node.answer(Span(0));
    node
}

fn occasions(node: &Node) -> Vec<Occasion> {
    node.event_hooks_run.iter().map(|run| run.occasion.clone()).collect()
}

fn revoked(node: &Node) -> Vec<BTreeSet<Kid>> {
    let kids = |occasion| match occasion {
        Occasion::Revoked(kids) => kids,
        other => panic!("{other:?}"),
    };
    occasions(node).into_iter().map(kids).collect()
}

/// [`usual`] without key 0, which was revoked.
fn without_the_first(number: u64) -> Bundle {
    bundle(number, &[(1, Active), (2, Prepublished)])
}

const SILENCE: &[(HookEvent, u32)] = &[(HookEvent::Stale, 0), (HookEvent::Fresh, 0)];

#[test]
fn silence_is_told_once_and_so_is_its_end() {
    let mut node = holding(SILENCE);
    assert_eq!(occasions(&node), []);
    node.pass(Span::hours(26));
    assert_eq!(occasions(&node), [Occasion::Stale]);
    node.answer(Span(0));
    assert_eq!(occasions(&node), [Occasion::Stale, Occasion::Fresh]);
    node.restart();
    node.connect();
    node.send(usual(7));
    node.answer(Span(0));
    assert_eq!(occasions(&node).len(), 2, "nothing is left to tell");
    node.pass(Span::hours(26));
    assert_eq!(occasions(&node).last(), Some(&Occasion::Stale), "and the next silence is");
}

#[test]
fn a_silence_that_ends_while_the_agent_is_down_is_called_off() {
    let mut node = holding(SILENCE);
    node.pass(Span::hours(26));
    assert!(node.owed_at_run[0].is_told_stale, "it is remembered first");
    // What the leader answered is durable, and the agent ended before the hook.
    node.holds_event_hooks = true;
    node.answer(Span(0));
    node.holds_event_hooks = false;
    node.event_hooks_run.clear();
    node.restart();
    assert_eq!(occasions(&node), [], "the leader has not been heard since this start");
    node.connect();
    node.send(usual(7));
    node.answer(Span(0));
    assert_eq!(occasions(&node), [Occasion::Fresh]);
    assert!(!node.trusted.as_ref().unwrap().owed.is_told_stale);
}

#[test]
fn a_silence_that_lasts_is_told_again_after_a_restart() {
    let mut node = holding(SILENCE);
    node.pass(Span::hours(26));
    node.restart();
    assert_eq!(occasions(&node), [Occasion::Stale, Occasion::Stale]);
}

#[test]
fn a_silence_is_told_on_a_full_disk_too() {
    let mut node = holding(SILENCE);
    node.refuses = |work| matches!(work, DiskWork::SaveTrusted(_));
    node.pass(Span::hours(26));
    assert_eq!(occasions(&node), [Occasion::Stale]);
}

#[test]
fn the_end_of_a_silence_is_told_though_word_of_its_beginning_fails_still() {
    let mut node = holding(&[(HookEvent::Stale, 100), (HookEvent::Fresh, 0)]);
    node.event_hook_fails = |hook| hook == 0;
    node.pass(Span::hours(25));
    assert!(occasions(&node).len() > 10, "tried again and again");
    node.answer(Span(0));
    let tried = occasions(&node).len();
    node.pass(Span::hours(1));
    assert_eq!(occasions(&node)[tried - 1..], [Occasion::Fresh], "and nothing after that");
    assert_eq!(node.status().failing, []);
}

#[test]
fn a_hook_that_fails_is_tried_as_often_as_was_said_and_stays_to_be_seen() {
    let mut node = holding(&[(HookEvent::Revoked, 3), (HookEvent::Revoked, 0)]);
    node.event_hook_fails = |hook| hook == 0;
    node.send_revoked(without_the_first(8), &[0]);
    let first = node.event_hooks_run.iter().map(|run| run.hook).collect::<Vec<_>>();
    assert_eq!(first, [0, 1], "one that fails holds up no other");
    let failing = |times, is_given_up| Failing {
        what: Follower::Hook(HookEvent::Revoked),
        why: "no route to the pager".to_owned(),
        times,
        since: START,
        is_given_up,
    };
    assert_eq!(node.reports.last().unwrap().failing, [failing(1, false)]);
    assert_eq!(node.reports.last().unwrap().problem, None, "it keeps the node from nothing");
    assert!(node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded);
    node.pass(Span::secs(6));
    assert_eq!(node.event_hooks_run.len(), 4, "after 1 s and 2 s more");
    node.pass(Span::hours(1));
    assert_eq!(node.event_hooks_run.len(), 5);
    assert_eq!(node.reports.last().unwrap().failing, [failing(4, true)]);
}

#[test]
fn revoked_keys_are_told_once_they_are_gone_and_removed_ones_are_not() {
    let mut node = holding(&[(HookEvent::Revoked, 0)]);
    node.refuses = |work| matches!(work, DiskWork::Install { .. });
    node.send_revoked(without_the_first(8), &[0, 5]);
    assert_eq!(revoked(&node), [] as [BTreeSet<Kid>; 0], "the key is on the disk yet");
    node.refuses = |_| false;
    node.pass(Span::secs(2));
    assert_eq!(revoked(&node), [kids(&[0])], "and of key 5 this node knew nothing");
    assert_eq!(node.event_hooks_run[0].generation, Generation(8));
    assert_eq!(node.owed_at_run[0].revoked, kids(&[0]), "it is remembered first");
    // Key 2 goes without that.
    node.send_revoked(bundle(9, &[(1, Active)]), &[0]);
    node.restart();
    node.connect();
    assert_eq!(revoked(&node).len(), 1);
}

#[test]
fn a_revocation_is_told_though_the_hooks_on_the_swap_fail() {
    let mut node = Node::new(Settings {
        has_hooks: true,
        ..with_hooks(&[(HookEvent::Revoked, 0)])
    });
    node.connect();
    node.send(usual(7));
    node.hooks_fail = true;
    node.send_revoked(without_the_first(8), &[0]);
    assert_eq!(revoked(&node), [kids(&[0])]);
}

#[test]
fn a_revocation_that_was_not_told_before_a_restart_is_told_after_it() {
    let mut node = holding(&[(HookEvent::Revoked, 0)]);
    node.holds_event_hooks = true;
    node.send_revoked(without_the_first(8), &[0]);
    node.holds_event_hooks = false;
    assert_eq!(revoked(&node), [kids(&[0])]);
    node.restart();
    assert_eq!(revoked(&node), [kids(&[0]), kids(&[0])], "without the leader, too");
    node.restart();
    assert_eq!(revoked(&node).len(), 2, "and once it has succeeded no more");
}

#[test]
fn a_revoked_encryption_key_whose_private_half_stays_is_told_once() {
    use crate::agent::testing::FIRST_ENC;
    let enc = FIRST_ENC;
    let members = |stage| [(0, Active), (2, Prepublished), (enc, stage)];
    let of = |number, stage| {
        let mut set = crate::agent::testing::key_set(number, &members(stage));
        set.members[2].profile = "enc".parse().unwrap();
        crate::agent::testing::bundle_of(set)
    };
    let mut node = Node::new(with_hooks(&[(HookEvent::Revoked, 0)]));
    node.connect();
    node.send(of(7, crate::lifecycle::Stage::Published));
    node.send_revoked(of(8, crate::lifecycle::Stage::Unpublished), &[enc]);
    node.send_revoked(of(9, crate::lifecycle::Stage::Unpublished), &[enc]);
    node.send_revoked(bundle(10, &[(0, Active), (2, Prepublished)]), &[enc]);
    assert_eq!(revoked(&node), [kids(&[enc])]);
}

#[test]
fn a_node_that_is_cut_off_tells_it_once_its_files_are_erased() {
    let mut node = holding(&[(HookEvent::Revoked, 0)]);
    node.refuses = |work| matches!(work, DiskWork::Erase);
    node.input(Input::Message(LeaderMessage::Erase));
    assert_eq!(occasions(&node), []);
    node.refuses = |_| false;
    node.pass(Span::secs(2));
    let cut_off = || Occasion::CutOff(kids(&[0, 1, 2]));
    assert_eq!(occasions(&node), [cut_off()]);
    assert!(node.installed.as_ref().unwrap().held.is_empty());
    node.restart();
    node.connect();
    node.input(Input::Message(LeaderMessage::Erase));
    assert_eq!(occasions(&node).len(), 1, "the leader says so at each attempt");
    node.send(usual(8));
    node.input(Input::Message(LeaderMessage::Erase));
    assert_eq!(occasions(&node), [cut_off(), cut_off()], "taken in, and cut off again");
    assert!(
        node.owed_at_run[1].cut_off.is_some(),
        "it is remembered first, where the disk works"
    );
}

#[test]
fn a_node_that_crashed_after_the_erasure_tells_it_when_it_hears_it_again() {
    let mut node = holding(&[(HookEvent::Revoked, 0)]);
    node.refuses = |work| matches!(work, DiskWork::SaveTrusted(_));
    node.holds_event_hooks = true;
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(node.cache.is_none());
    node.refuses = |_| false;
    node.holds_event_hooks = false;
    node.event_hooks_run.clear();
    node.restart();
    node.connect();
    node.input(Input::Message(LeaderMessage::Erase));
    assert_eq!(occasions(&node), [Occasion::CutOff(kids(&[0, 1, 2]))]);
}

#[test]
fn a_node_without_such_hooks_remembers_nothing_for_them() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.send_revoked(without_the_first(8), &[0]);
    node.pass(Span::hours(26));
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(node.trusted.as_ref().unwrap().owed.is_nothing());
    let stored = serde_json::to_value(node.trusted.as_ref().unwrap()).unwrap();
    assert_eq!(stored.get("owed"), None, "an earlier release reads it");
}
