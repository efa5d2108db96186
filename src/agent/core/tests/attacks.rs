//! What a node refuses.

use super::*;
use crate::agent::testing::{FIRST_ENC, bundle_of, key_set, private};
use crate::lifecycle::{KeySet, Stage};
use crate::types::Secret;
use crate::types::{Digest, Epoch};

/// The node refuses this for this reason, in these words, goes on with what it has, and tells the leader.
fn refuses(node: &mut Node, given: Bundle, reason: Reason, words: &str) {
    // What it has seen of the log it remembers all the same.
    let held = |node: &Node| {
        let mut trusted = node.trusted.clone().unwrap_or_default();
        trusted.checkpoint = None;
        (trusted, node.installed.clone())
    };
    let before = held(node);
    node.send(given);
    assert!(node.problem().contains(words), "{:?} does not say {words:?}", node.problem());
    assert_eq!((node.said.last(), node.refused_for.last()), (Some(&"refused"), Some(&reason)));
    assert_eq!(held(node), before, "nothing has changed");
    assert!(
        node.reports.last().unwrap().problem.as_ref().unwrap().contains(words),
        "the leader is told"
    );
}

#[test]
fn r5_a_lower_generation_is_refused_also_after_a_restart() {
    let mut node = Node::holding(usual(7));
    refuses(
        &mut node,
        usual(6),
        Reason::Generation,
        "generation 6 is lower than generation 7",
    );
    node.restart();
    node.connect();
    refuses(
        &mut node,
        usual(6),
        Reason::Generation,
        "generation 6 is lower than generation 7",
    );
    node.send(usual(8));
    assert_eq!(
        (node.generation(), node.problem().as_str()),
        (8, ""),
        "the refusal ends with a generation that is fit"
    );
}

#[test]
fn r5_an_altered_generation_of_the_same_number_is_refused() {
    let mut node = Node::holding(usual(7));
    let other = bundle(7, &[(0, Active), (1, armed(Span::hours(2))), (2, Prepublished)]);
    refuses(
        &mut node,
        other,
        Reason::Generation,
        "generation 7 was sent with other content",
    );
    node.send(usual(7));
    assert_eq!(
        (node.problem().as_str(), node.installs),
        ("", 1),
        "the same again is nothing new"
    );
}

#[test]
fn r5_a_generation_of_a_lower_epoch_is_refused() {
    let of_epoch = |number, epoch| {
        bundle_of(KeySet {
            epoch: Epoch(epoch),
            ..usual(number).set
        })
    };
    let mut node = Node::holding(of_epoch(7, 3));
    refuses(&mut node, of_epoch(8, 2), Reason::Epoch, "generation 8 was made in epoch 2");
}

#[test]
fn r5_a_leader_of_a_lower_epoch_is_not_listened_to() {
    let mut node = Node::new(Settings::default());
    node.input(Input::Connected(welcome(5)));
    node.send(usual(7));
    node.restart();
    node.input(Input::Connected(welcome(4)));
    assert!(
        node.problem()
            .contains("the leader is in epoch 4, but this node has seen epoch 5"),
        "{}",
        node.problem()
    );
    node.send(usual(8));
    assert_eq!((node.generation(), node.refused_for.as_slice()), (7, &[Reason::Epoch][..]));
    node.input(Input::Connected(welcome(6)));
    node.send(usual(8));
    assert_eq!((node.generation(), node.problem().as_str()), (8, ""));
    assert_eq!(node.reports.last().unwrap().highest_epoch, Epoch(6));
}

#[test]
fn r5_a_gone_kid_does_not_come_back() {
    let mut node = Node::holding(usual(7));
    node.send(bundle(8, &[(1, Active), (2, Prepublished)]));
    node.restart();
    node.connect();
    refuses(
        &mut node,
        bundle(9, &[(0, Retiring), (1, Active)]),
        Reason::Generation,
        "which this node knows as removed or revoked",
    );
}

#[test]
fn r5_nothing_is_used_before_it_is_remembered() {
    let mut node = Node::holding(usual(7));
    node.refuses = |work| matches!(work, DiskWork::SaveTrusted(_));
    node.send(usual(8));
    node.pass(Span::mins(5));
    assert_eq!(
        (node.generation(), node.reports.last().unwrap().highest_generation),
        (7, Generation(7))
    );
    assert!(node.problem().contains("the disk is full"));
    node.refuses = |_| false;
    node.pass(Span::mins(1));
    assert_eq!(
        (node.generation(), node.reports.last().unwrap().highest_generation),
        (8, Generation(8))
    );
}

#[test]
fn a_public_form_that_was_altered_is_refused() {
    let mut node = Node::holding(usual(7));
    let mut given = usual(8);
    given.public_form.push(b' ');
    refuses(&mut node, given, Reason::Form, "does not fit its public form");
    let mut given = usual(8);
    given.set = key_set(8, &[(3, Active)]);
    refuses(&mut node, given, Reason::Form, "does not fit its public form");
    let mut given = usual(8);
    given.digest = Digest::of(b"");
    refuses(&mut node, given, Reason::Form, "does not fit its public form");
}

#[test]
fn an_oversized_generation_is_refused() {
    let mut node = Node::holding(usual(7));
    let mut given = usual(8);
    given.public_form.resize((2 << 20) + 1, b' ');
    refuses(&mut node, given, Reason::Limits, "at most 2097152 are allowed");
    let mut given = usual(8);
    given.privates.insert(kid(0), Secret::new(vec![0; (16 << 10) + 1]));
    refuses(&mut node, given, Reason::Limits, "16385 bytes in one private half");
    refuses(&mut node, bundle(8, &[(2, Prepublished); 101]), Reason::Limits, "101 keys");
}

#[test]
fn r4_two_signers_in_one_profile_and_a_key_that_stands_twice_are_refused() {
    let mut node = Node::holding(usual(7));
    refuses(
        &mut node,
        bundle(8, &[(0, Active), (1, Active)]),
        Reason::Form,
        "two active keys in the profile main",
    );
    refuses(&mut node, bundle(8, &[(0, Active), (0, Retiring)]), Reason::Form, "twice");
}

#[test]
fn a_public_key_in_a_wrong_form_is_refused() {
    let mut node = Node::holding(usual(7));
    let mut set = usual(8).set;
    let jwk: std::collections::BTreeMap<String, String> = set.members[2].public.jwk.clone().into();
    let jwk = jwk
        .into_iter()
        .filter(|(name, _)| name != "x")
        .collect::<std::collections::BTreeMap<_, _>>();
    Arc::make_mut(&mut set.members[2].public).jwk = jwk.try_into().unwrap();
    refuses(&mut node, bundle_of(set), Reason::PublicKey, "is not in order");
}

#[test]
fn private_halves_must_be_those_of_the_keys_that_nodes_hold() {
    let mut node = Node::holding(usual(7));
    let mut given = usual(8);
    given.privates.remove(&kid(1));
    refuses(&mut node, given, Reason::PrivateHalf, "lacks the private half");
    let mut given = usual(8);
    given.privates.insert(kid(2), private(2));
    refuses(&mut node, given, Reason::PrivateHalf, "which no node may have");
    let mut given = usual(8);
    given.privates.insert(kid(5), private(5));
    refuses(&mut node, given, Reason::PrivateHalf, "which no node may have");
}

#[test]
fn a_private_half_of_another_key_is_refused() {
    let mut node = Node::holding(usual(7));
    let mut given = usual(8);
    given.privates.insert(kid(1), private(0));
    refuses(&mut node, given, Reason::PrivateHalf, "does not belong to its public half");
}

#[test]
fn a_cache_that_was_put_back_is_not_used() {
    let mut node = Node::holding(usual(7));
    let old = node.cache.take();
    node.send(usual(8));
    node.cache = old;
    node.installed = None;
    node.restart();
    node.pass(Span::mins(2));
    assert_eq!((node.generation(), node.said.as_slice()), (0, &[][..]));
}

#[test]
fn a_key_at_a_stage_of_the_other_use_is_refused() {
    let mut node = Node::holding(usual(7));
    refuses(
        &mut node,
        bundle(8, &[(FIRST_ENC, Active)]),
        Reason::Form,
        "at a stage that no key of its use can be at",
    );
    refuses(
        &mut node,
        bundle(8, &[(0, Stage::Published)]),
        Reason::Form,
        "at a stage that no key of its use can be at",
    );
}

#[test]
fn a_generation_with_two_published_encryption_keys_in_a_profile_is_refused() {
    let mut node = Node::holding(usual(7));
    let two = bundle(8, &[(FIRST_ENC, Stage::Published), (FIRST_ENC + 1, Stage::Published)]);
    refuses(&mut node, two, Reason::Form, "two active keys in the profile main");
}

#[test]
fn an_encryption_key_without_its_private_half_is_refused_at_every_stage() {
    for stage in [Stage::Staged, Stage::Published, Stage::Unpublished] {
        let mut node = Node::holding(usual(7));
        let mut without = bundle(8, &[(FIRST_ENC, stage)]);
        without.privates.remove(&kid(FIRST_ENC));
        refuses(&mut node, without, Reason::PrivateHalf, "lacks the private half");
        node.send(bundle(9, &[(FIRST_ENC, stage)]));
        let installed = node.installed.clone().unwrap();
        assert_eq!(installed.decrypting, kids(&[FIRST_ENC]));
        assert_eq!(installed.published.contains(&kid(FIRST_ENC)), stage == Stage::Published);
        node.send(bundle(10, &[(5, Active)]));
        let installed = node.installed.clone().unwrap();
        assert_eq!((installed.decrypting, installed.held), (kids(&[]), kids(&[5])));
    }
}
