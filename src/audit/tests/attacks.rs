//! What somebody who holds the leader, its disk or its network may try on a node that checks the log.

use super::super::{self as audit, Checkpoint, GoesOn, LogRefusal, NoteKey, RecordProof, RecordProofError, Sent};
use super::{Log, record};
use crate::audit::Record;
use crate::types::{Digest, Generation};

/// With the hashes of a proof that says it leads from what is remembered.
fn accept(
    log: &NoteKey,
    remembered: Option<&Checkpoint>,
    proof: &RecordProof,
    hashes: &[Digest],
    sent: Sent,
) -> Result<(Record, Checkpoint), LogRefusal> {
    let head = remembered.map(|checkpoint| checkpoint.head);
    let from = head.map_or(0, |head| head.size);
    audit::accept(
        log,
        head,
        proof,
        GoesOn {
            from,
            hashes,
            adopted: None,
        },
        sent,
    )
}

fn sent(content: &str) -> Sent {
    let record = record(0, content);
    Sent {
        generation: record.generation,
        digest: record.digest,
    }
}

fn remembered(log: &Log) -> Checkpoint {
    Checkpoint::open(&log.signed(), &log.key()).unwrap()
}

#[test]
fn a_generation_that_is_in_the_log_is_accepted() {
    let (before, log) = (Log::of(300, "a"), Log::of(500, "a"));
    let proof = log.prove(499);
    let (record, checkpoint) = accept(&log.key(), None, &proof, &[], sent("a")).unwrap();
    assert_eq!((record.seq.0, checkpoint.head), (499, log.head()));
    let first = remembered(&before);
    accept(&log.key(), Some(&first), &proof, &log.consistency(300), sent("a")).unwrap();
    accept(&log.key(), Some(&checkpoint), &proof, &[], sent("a")).unwrap();
    // The same checkpoint again needs no proof, whatever it was proved from.
    let again = GoesOn {
        from: 300,
        hashes: &log.consistency(300),
        adopted: None,
    };
    audit::accept(&log.key(), Some(log.head()), &proof, again, sent("a")).unwrap();
}

#[test]
fn a_proof_from_another_log_than_the_remembered_one_says_nothing() {
    let log = Log::of(500, "a");
    let hashes = log.consistency(300);
    let (from, remembered) = (300, Log::of(400, "a").head());
    let goes_on = GoesOn {
        from,
        hashes: &hashes,
        adopted: None,
    };
    let refused = audit::accept(&log.key(), Some(remembered), &log.prove(499), goes_on, sent("a")).unwrap_err();
    assert!(matches!(refused, LogRefusal::OtherBase { from: 300, seen: 400 }), "{refused}");
}

#[test]
fn another_content_for_a_recorded_generation_is_refused() {
    let log = Log::of(9, "a");
    let refused = accept(&log.key(), None, &log.prove(8), &[], sent("b")).unwrap_err();
    assert!(matches!(refused, LogRefusal::OtherContent { .. }), "{refused}");
    let next = Sent {
        generation: Generation(8),
        ..sent("a")
    };
    assert!(accept(&log.key(), None, &log.prove(8), &[], next).is_err());
}

#[test]
fn a_proof_for_another_record_is_refused() {
    let log = Log::of(9, "a");
    let mut swapped = log.prove(8);
    swapped.record = log.records[7].clone();
    let refused = accept(&log.key(), None, &swapped, &[], sent("a")).unwrap_err();
    assert!(
        matches!(refused, LogRefusal::Proof(RecordProofError::Proof { .. })),
        "{refused}"
    );
    let mut moved = log.prove(8);
    moved.seq = crate::types::Seq(7);
    assert!(accept(&log.key(), None, &moved, &[], sent("a")).is_err());
}

#[test]
fn a_record_that_is_proved_in_another_place_than_its_own_is_refused() {
    let mut log = Log::of(3, "a");
    log.push(record(1, "a").to_bytes());
    let refused = accept(&log.key(), None, &log.prove(3), &[], sent("a")).unwrap_err();
    assert!(
        matches!(refused, LogRefusal::Proof(RecordProofError::OtherRecord { .. })),
        "{refused}"
    );
}

#[test]
fn a_fork_is_refused_by_the_node_that_saw_the_other_branch() {
    let (one, other) = (Log::of(20, "a"), Log::of(30, "b"));
    let seen = remembered(&one);
    for consistency in [other.consistency(20), Log::of(30, "a").consistency(20), vec![]] {
        let refused = accept(&one.key(), Some(&seen), &other.prove(29), &consistency, sent("b")).unwrap_err();
        assert!(matches!(refused, LogRefusal::Forked { seen: 20, .. }), "{refused}");
    }
    let same_size = Log::of(20, "b");
    let refused = accept(&one.key(), Some(&seen), &same_size.prove(19), &[], sent("b")).unwrap_err();
    assert!(matches!(refused, LogRefusal::Forked { .. }), "{refused}");
}

#[test]
fn a_log_that_was_rolled_back_is_refused() {
    let (newer, older) = (Log::of(30, "a"), Log::of(20, "a"));
    let refused = accept(&newer.key(), Some(&remembered(&newer)), &older.prove(19), &[], sent("a")).unwrap_err();
    assert!(matches!(refused, LogRefusal::RolledBack { shown: 20, seen: 30 }), "{refused}");
    assert!(refused.to_string().contains("audit adopt"));
}

#[test]
fn a_replayed_checkpoint_covers_no_newer_record() {
    let (older, newer) = (Log::of(20, "a"), Log::of(30, "a"));
    let mut proof = newer.prove(29);
    proof.checkpoint = older.signed();
    assert!(accept(&newer.key(), None, &proof, &[], sent("a")).is_err());
}

#[test]
fn records_appended_by_one_without_the_key_are_refused() {
    let log = Log::of(20, "a");
    let mut thief = Log::new(9);
    for record in &log.records {
        thief.push(record.clone());
    }
    thief.push(record(20, "b").to_bytes());
    let mut proof = thief.prove(20);
    assert!(accept(&log.key(), Some(&remembered(&log)), &proof, &thief.consistency(20), sent("b")).is_err());
    // Under the true key's id, or under the true signature.
    proof.checkpoint = thief.checkpoint().sign(&log.key(), &|message| thief.sign(message));
    assert!(accept(&log.key(), None, &proof, &[], sent("b")).is_err());
    proof.checkpoint.signatures.clone_from(&log.signed().signatures);
    let refused = accept(&log.key(), None, &proof, &[], sent("b")).unwrap_err();
    assert!(refused.to_string().contains("not signed by the log's key"), "{refused}");
}

#[test]
fn a_checkpoint_of_another_log_with_the_same_key_is_refused() {
    let log = Log::of(5, "a");
    let mut other = log.checkpoint();
    other.origin = "up.example/jkeys-log".to_owned();
    let mut proof = log.prove(4);
    proof.checkpoint = other.sign(&log.key(), &|message| log.sign(message));
    assert!(accept(&log.key(), None, &proof, &[], sent("a")).is_err());
}

#[test]
fn no_root_stands_for_a_tree_of_another_size() {
    let log = Log::of(8, "a");
    let mut wrong = remembered(&Log::of(4, "a"));
    wrong.head.root = Digest([0; 32]);
    assert!(accept(&log.key(), Some(&wrong), &log.prove(7), &log.consistency(4), sent("a")).is_err());
    let mut empty = wrong;
    empty.head.size = 0;
    assert!(accept(&log.key(), Some(&empty), &log.prove(7), &[], sent("a")).is_err());
}
