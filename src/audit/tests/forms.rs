//! Notes, checkpoints, cosignatures, proof files and tile paths, against C2SP's documents.

use super::super::{
    Checkpoint, NoteKey, RecordProof, SignedNote, add_cosignature, bundle_bytes, bundle_path, cosign, cosignatures, cosigned_at,
    edge_files, tile_hashes, tile_path,
};
use super::Log;
use crate::types::Time;

/// The example of the document of signed notes.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_signed_note_of_the_document_is_read_verified_and_written_again() {
    let key: NoteKey = KEY.parse().unwrap();
    let note: SignedNote = NOTE.parse().unwrap();
    assert!(note.is_signed_by(&key));
    assert_eq!((key.to_string().as_str(), note.to_string().as_str()), (KEY, NOTE));
    let other: SignedNote = NOTE.replace("don't", "do").parse().unwrap();
    assert!(!other.is_signed_by(&key));
}

#[test]
fn keys_and_notes_of_any_other_form_are_refused() {
    for key in [
        "",
        "a",
        "a+b",
        "a+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        &KEY[..40],
        &KEY.replace("Peter", "Peter "),
    ] {
        assert!(key.parse::<NoteKey>().is_err(), "{key}");
    }
    for note in [
        "",
        "text\n",
        "text\n\n",
        &NOTE[..NOTE.len() - 1],
        &NOTE.replace("— ", "- "),
        &NOTE.replace("you", "\u{7}"),
        "a\n\n— b \n",
    ] {
        assert!(note.parse::<SignedNote>().is_err(), "{note:?}");
    }
}

#[test]
fn a_checkpoint_has_the_form_of_the_document() {
    let log = Log::of(3, "a");
    let note = log.signed().to_string();
    let lines: Vec<&str> = note.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("op.example/jkeys-log", "3", ""));
    assert!(lines[4].starts_with("— op.example/jkeys-log "));
    let read = Checkpoint::open(&note.parse().unwrap(), &log.key()).unwrap();
    assert_eq!(read, log.checkpoint());
}

#[test]
fn a_checkpoint_of_any_other_form_is_refused() {
    let log = Log::of(3, "a");
    let (key, text) = (log.key(), log.checkpoint().text());
    let signed = |text: String| {
        let sign = |message: &[u8]| log.sign(message);
        let signature = super::super::note::NoteSignature::new(&key, sign(text.as_bytes()).to_vec());
        Checkpoint::open(
            &SignedNote {
                text,
                signatures: vec![signature],
            },
            &key,
        )
    };
    assert!(signed(text.clone()).is_ok());
    for (from, to) in [
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n+3\n"),
        ("\n3\n", "\nx\n"),
        ("=\n", "\n"),
        ("=\n", "=\nmore\n"),
        ("op.", "up."),
    ] {
        assert!(signed(text.replacen(from, to, 1)).is_err(), "{to:?}");
    }
    assert!(signed("op.example/jkeys-log\n3\n".to_owned()).is_err());
}

#[test]
fn cosignatures_are_counted_with_their_times_and_only_when_they_verify() {
    let (log, witness) = (Log::of(3, "a"), Log::new(2));
    let key = NoteKey::of_witness("op.example/node/vm-1", witness.public());
    let at = Time(1_795_413_904_123);
    let mut note = log.signed();
    assert_eq!((cosigned_at(&note, &key), cosignatures(&note, &log.key())), (None, 0));
    for _ in 0..2 {
        add_cosignature(
            &mut note,
            cosign(&log.checkpoint(), &key, at, &|message| witness.sign(message)),
        );
    }
    let read: SignedNote = note.to_string().parse().unwrap();
    assert_eq!(cosigned_at(&read, &key), Some(Time(1_795_413_904_000)));
    assert_eq!(cosignatures(&read, &log.key()), 1);
    assert!(
        Checkpoint::open(&read, &log.key()).is_ok(),
        "a cosignature is not the log's business"
    );
    let mut forged = log.signed();
    add_cosignature(&mut forged, cosign(&log.checkpoint(), &key, at, &|message| log.sign(message)));
    assert_eq!(cosigned_at(&forged, &key), None);
    let as_log = NoteKey::of_log("op.example/node/vm-1", witness.public());
    assert_eq!(cosigned_at(&read, &as_log), None, "a key for notes cosigns nothing");
}

#[test]
fn proofs_survive_a_file_one_after_another() {
    let log = Log::of(700, "a");
    let proofs = [0, 255, 256, 699].map(|seq| log.prove(seq));
    let text: Vec<String> = proofs.iter().map(ToString::to_string).collect();
    assert!(text[0].starts_with("c2sp.org/tlog-proof@v1\nextra "), "{}", text[0]);
    let read = RecordProof::parse_all(&text.concat()).unwrap();
    assert_eq!(read, proofs);
    for proof in read {
        proof.verify(&log.key()).unwrap();
    }
    for text in [
        "",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 1\n\na\n",
        &text[0].replace("index", "extra"),
    ] {
        assert!(RecordProof::parse_all(text).is_err(), "{text}");
    }
}

#[test]
fn tiles_lie_where_the_document_says() {
    assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(tile_path(1, 0, 13), "tile/1/000.p/13");
    assert_eq!(bundle_path(1000, 5), "tile/entries/x001/000.p/5");
    assert_eq!(bundle_bytes([&b"ab"[..], b""]), Ok(vec![0, 2, b'a', b'b', 0, 0]));
    assert_eq!(bundle_bytes([vec![0; 70_000].as_slice()]), Err(70_000));
    let log = Log::of(70, "a");
    let [(path, bytes)] = edge_files(&log.tree).try_into().unwrap();
    assert_eq!(path, "tile/0/000.p/70");
    assert_eq!(tile_hashes(&bytes).unwrap(), log.tree.edge(0));
    assert_eq!(tile_hashes(&bytes[1..]), None);
}
