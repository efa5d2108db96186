//! What a node does: switches, retries, hooks, starts, and erasing.

use super::*;

#[test]
fn r10_an_armed_key_activates_on_time_without_the_leader() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Lost);
    assert_eq!(node.status().next_change, Some(START + Span::hours(1)));
    node.pass(Span::hours(1) - Span(1));
    assert_eq!(node.signing(), kids(&[0]));
    node.pass(Span(1));
    assert_eq!(node.signing(), kids(&[1]));
    assert_eq!(node.installed.as_ref().unwrap().switches, kids(&[1]));
    assert_eq!(node.status().next_change, None);
}

#[test]
fn r2_a_clock_that_is_wrong_is_corrected_by_the_leaders() {
    for (ahead, due_after) in [(Span::secs(4), Span::hours(1)), (Span::mins(10), Span::mins(50))] {
        let mut node = Node::holding(usual(7));
        node.answer(ahead);
        node.input(Input::Lost);
        node.pass(due_after - Span(1));
        assert_eq!(node.signing(), kids(&[0]));
        node.pass(Span(1));
        assert_eq!(node.signing(), kids(&[1]), "{ahead} ahead");
    }
}

#[test]
fn r2_a_clock_set_forward_does_not_switch_early() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.input(Input::Lost);
    node.now.wall = START + Span::hours(3);
    node.input(Input::Tick);
    assert_eq!(node.signing(), kids(&[0]));
    node.pass(Span::hours(1));
    assert_eq!(node.signing(), kids(&[1]));
}

#[test]
fn r2_a_clock_that_is_wrong_is_known_as_wrong_after_a_restart_without_the_leader() {
    // (how far the leader's clock is ahead of the node's, the boot after the restart, when the switch is due after that)
    for (leader, boot, due_after) in [
        (START - Span::hours(2), "one", Span::hours(3)),
        (START + Span::mins(50), "one", Span::mins(10)),
        (START - Span::hours(2), "two", Span::hours(3)),
        (START + Span::mins(50), "two", Span::hours(1)),
    ] {
        let mut node = Node::holding(usual(7));
        let sent = node.reports.last().unwrap().sent_at;
        node.input(Input::Message(LeaderMessage::Answer(answer(sent, leader))));
        node.input(Input::Lost);
        node.boot = boot;
        node.restart();
        node.pass(due_after - Span(1));
        assert_eq!(node.signing(), kids(&[0]), "{leader} {boot}");
        node.pass(Span(1));
        assert_eq!(node.signing(), kids(&[1]), "{leader} {boot}");
    }
}

#[test]
fn a_switch_that_falls_due_while_a_view_is_put_in_place_is_no_fault_of_the_disk() {
    let mut node = Node::new(Settings::default());
    node.connect();
    node.install_takes = Span::hours(1);
    node.send(usual(7));
    assert_eq!(node.problem(), "");
    assert_eq!(node.signing(), kids(&[1]), "the switch is made at once, without a wait");
    assert!(
        node.reports.iter().all(|report| report.problem.is_none()),
        "{:?}",
        node.reports
    );
}

#[test]
fn a_switch_is_never_undone() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Lost);
    node.pass(Span::hours(1));
    node.now.wall = START;
    node.input(Input::Tick);
    node.restart();
    node.pass(Span::mins(2));
    assert_eq!(node.signing(), kids(&[1]));
    node.connect();
    node.send(usual(8));
    assert_eq!(
        (node.generation(), node.signing()),
        (8, kids(&[1])),
        "nor by a generation that still has the key as armed"
    );
}

#[test]
fn a_switch_takes_the_retired_private_half_from_the_node() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    assert_eq!(
        node.installed.as_ref().unwrap().held,
        kids(&[0, 1]),
        "the standby's is not there"
    );
    node.pass(Span::hours(1));
    assert_eq!(node.installed.as_ref().unwrap().held, kids(&[1]));
    let content = node.state.as_ref().unwrap().content.as_ref().unwrap();
    assert_eq!(
        content.bundle.privates.keys().cloned().collect::<BTreeSet<_>>(),
        kids(&[1]),
        "nor in memory"
    );
    node.restart();
    assert_eq!(
        (node.signing(), node.problem().as_str()),
        (kids(&[1]), ""),
        "the cache is good without it"
    );
}

#[test]
fn a_failed_install_leaves_the_old_view_and_is_tried_again() {
    let mut node = Node::holding(usual(7));
    node.refuses = |work| matches!(work, DiskWork::Install { .. });
    node.send(usual(8));
    assert_eq!(node.generation(), 7);
    assert!(
        node.reports
            .last()
            .unwrap()
            .problem
            .as_ref()
            .unwrap()
            .contains("the disk is full")
    );
    node.refuses = |_| false;
    node.pass(Span(999));
    assert_eq!(node.generation(), 7, "it waits for a second");
    node.pass(Span(1));
    assert_eq!((node.generation(), node.reports.last().unwrap().problem.clone()), (8, None));
}

#[test]
fn a_newer_generation_does_not_wait_for_the_retry_of_an_older_one() {
    let mut node = Node::holding(usual(7));
    node.refuses = |work| matches!(work, DiskWork::Install { .. });
    node.send(usual(8));
    node.pass(Span::mins(3));
    node.refuses = |_| false;
    node.send(usual(9));
    assert_eq!((node.generation(), node.problem().as_str()), (9, ""));
}

#[test]
fn what_is_read_back_and_is_something_else_is_a_failure() {
    let mut node = Node::new(Settings::default());
    node.connect();
    node.refuses = |work| matches!(work, DiskWork::Install { .. });
    node.send(usual(7));
    let (state, _) = step(
        node.state.take().unwrap(),
        Input::Disk(DiskResult::Installed(Installed {
            generation: Generation(7),
            switches: BTreeSet::new(),
            published: kids(&[0, 1]),
            signing: kids(&[0]),
            held: kids(&[0, 1]),
            hooks_succeeded: false,
            decrypting: BTreeSet::new(),
        })),
        node.now,
    );
    assert!(state.problem().unwrap().contains("not what was written"));
}

fn with_hooks() -> Settings {
    Settings {
        has_hooks: true,
        ..Settings::default()
    }
}

#[test]
fn a_failed_hook_confirms_nothing_and_is_tried_again() {
    let mut node = Node::new(with_hooks());
    node.hooks_fail = true;
    node.connect();
    node.send(usual(7));
    let report = node.reports.last().unwrap();
    assert!(!report.installed.as_ref().unwrap().hooks_succeeded);
    assert!(report.problem.as_ref().unwrap().contains("the hook failed"));
    node.hooks_fail = false;
    node.pass(Span(1000));
    let report = node.reports.last().unwrap();
    assert_eq!(
        (report.installed.as_ref().unwrap().hooks_succeeded, report.problem.clone()),
        (true, None)
    );
    assert_eq!(node.hooks_run.len(), 2);
}

#[test]
fn a_failed_hook_does_not_hold_up_a_newer_generation() {
    let mut node = Node::new(with_hooks());
    node.hooks_fail = true;
    node.connect();
    node.send(usual(7));
    node.send(usual(8));
    assert_eq!(node.generation(), 8);
    assert_eq!(
        node.hooks_run.last().unwrap().generation,
        Generation(8),
        "its hooks run at once"
    );
}

#[test]
fn hooks_that_ran_for_a_view_that_is_gone_confirm_nothing() {
    let mut node = Node::new(with_hooks());
    node.hooks_fail = true;
    node.connect();
    node.send(usual(8));
    let old = ViewId {
        generation: Generation(7),
        switches: BTreeSet::new(),
    };
    node.input(Input::HooksRan(old, Ok(())));
    assert!(!node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded);
}

#[test]
fn hooks_run_once_a_view_and_not_again_at_a_start() {
    let mut node = Node::new(with_hooks());
    node.connect();
    node.send(usual(7));
    node.restart();
    node.connect();
    node.send(usual(7));
    assert_eq!(node.hooks_run.len(), 1);
    assert!(node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded);
    node.pass(Span::hours(1));
    assert_eq!(node.hooks_run.len(), 2, "a switch has hooks of its own");
}

#[test]
fn r10_files_come_from_the_sealed_cache_after_the_leader_was_asked() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.installed = None;
    (node.now.wall, node.boot) = (START + Span::hours(2), "two");
    node.restart();
    node.pass(Span::secs(30) - Span(1));
    assert_eq!((node.generation(), node.said.as_slice()), (0, &[][..]));
    node.pass(Span(1));
    assert_eq!(
        (node.generation(), node.signing()),
        (7, kids(&[1])),
        "what fell due meanwhile is active"
    );
    assert_eq!(node.said, ["ready"]);
}

#[test]
fn r10_the_leaders_word_ends_the_asking() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.installed = None;
    node.restart();
    node.connect();
    node.send(usual(7));
    assert_eq!((node.generation(), node.said.as_slice()), (7, &["ready"][..]));
}

#[test]
fn r10_a_restart_with_everything_in_place_is_ready_at_once() {
    let mut node = Node::holding(usual(7));
    node.answer(Span(0));
    node.restart();
    assert_eq!((node.said.as_slice(), node.installs), (&["ready"][..], 1));
}

#[test]
fn r10_an_old_disk_image_does_not_sign() {
    for (longer, signs) in [(false, kids(&[])), (true, kids(&[1]))] {
        let mut node = Node::holding(usual(7));
        node.answer(Span(0));
        node.installed = None;
        (node.now.wall, node.boot) = (START + Span::hours(7 * 24) + Span(1), "two");
        if longer {
            node.settings.cache_ready_for = Span::TEN_YEARS;
        }
        node.restart();
        node.pass(Span::mins(2));
        assert_eq!(node.signing(), signs);
        assert_eq!(node.said.contains(&"ready"), longer);
        assert_eq!(node.problem().contains("too long ago"), !longer);
        node.connect();
        node.send(usual(7));
        assert_eq!(
            (node.signing(), node.problem().as_str()),
            (kids(&[1]), ""),
            "the leader's word is enough"
        );
    }
}

#[test]
fn a_crash_after_any_write_is_made_good_without_the_leader() {
    for written in 1..4 {
        let mut node = Node::holding(usual(7));
        node.answer(Span(0));
        node.refuses = match written {
            1 => |work| matches!(work, DiskWork::WriteCache { .. }),
            2 => |work| matches!(work, DiskWork::SaveTrusted(_)),
            _ => |work| matches!(work, DiskWork::Install { .. }),
        };
        node.send(bundle(8, &[(0, Retiring), (1, Active), (2, Prepublished)]));
        assert_eq!(node.signing(), kids(&[0]), "one whole view is there");
        node.refuses = |_| false;
        node.restart();
        node.pass(Span::hours(2));
        assert_eq!(node.signing(), kids(&[1]), "crash at step {written}");
    }
}

#[test]
fn a_revoked_node_erases_and_can_be_taken_back() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(node.cache.is_none());
    let report = node.reports.last().unwrap().installed.clone().unwrap();
    assert_eq!((report.signing, report.held), (kids(&[]), kids(&[])));
    node.input(Input::Lost);
    node.pass(Span::hours(2));
    assert_eq!(node.signing(), kids(&[]));
    node.connect();
    node.send(usual(7));
    assert_eq!(node.signing(), kids(&[1]));
}

#[test]
fn a_node_that_is_told_to_erase_at_each_call_leaves_its_disk_alone_once_nothing_is_there() {
    let mut node = Node::holding(usual(7));
    node.input(Input::Message(LeaderMessage::Erase));
    node.refuses = |_| panic!("there is nothing left to erase");
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(node.cache.is_none() && node.problem().is_empty());
}

#[test]
fn erasing_that_fails_is_tried_again() {
    let mut node = Node::holding(usual(7));
    node.refuses = |work| matches!(work, DiskWork::Erase);
    node.input(Input::Message(LeaderMessage::Erase));
    assert!(node.problem().contains("the disk is full"));
    node.refuses = |_| false;
    node.pass(Span(1000));
    assert!(node.cache.is_none() && node.problem().is_empty());
}

#[test]
fn r5_a_switch_that_only_the_cache_shows_is_not_undone_by_a_clock_that_was_put_back() {
    let mut node = Node::new(Settings::default());
    node.connect();
    node.pass(Span::mins(65));
    node.refuses = |work| matches!(work, DiskWork::SaveTrusted(_));
    node.send(bundle(7, &[(0, Active), (1, armed(Span::hours(1)))]));
    let is_remembered = node.trusted.as_ref().is_some_and(|trusted| trusted.newest.is_some());
    assert!(!is_remembered && node.cache.is_some(), "a crash came between the two writes");
    node.refuses = |_| false;
    node.now.wall = START;
    node.restart();
    node.pass(Span::mins(1));
    assert_eq!((node.generation(), node.signing()), (7, kids(&[1])));
}

/// Found by the simulator (seed 151454500106): half a view was live when the hooks ran, and a crash came right after the whole was put in
/// place.
#[test]
fn hooks_run_again_for_a_view_that_was_put_in_place_again_whatever_crash_comes_between() {
    let mut node = Node::new(with_hooks());
    node.connect();
    node.send(usual(7));
    node.answer(Span(0));
    let ran = node.hooks_run.len();
    node.installed.as_mut().unwrap().signing.clear();
    // The next memory is not written, nor the one after a view.
    node.refuses = |work| matches!(work, DiskWork::SaveTrusted(_));
    node.restart();
    node.pass(Span::mins(1));
    node.refuses = |_| false;
    node.hooks_run.truncate(ran);
    node.restart();
    node.pass(Span::mins(2));
    assert_eq!(node.signing(), kids(&[0]));
    assert_eq!(node.hooks_run.len(), ran + 1);
    node.connect();
    assert!(node.reports.last().unwrap().installed.as_ref().unwrap().hooks_succeeded);
}
