use std::io::{self, Cursor};

use super::*;
use crate::audit::testing::Log;
use crate::audit::{Broken, Record, SCHEMA, public_form};
use crate::cli::audit::exported;
use crate::lifecycle::{Event, Fleet, State};
use crate::types::{Actor, Seq, Time};

/// So many records fill more batches than may wait.
const MANY: u64 = 3000;

/// The lawful log of a fleet that was founded, and refused requests ever since.
fn story() -> Log {
    let mut log = Log::new(1);
    let fleet = Fleet {
        trust_domain: "op.example".parse().unwrap(),
        ca_certificate: String::new(),
        ca_number: 1,
        log_public_key: log.public(),
    };
    let (_, digest) = public_form(&State::default().key_set());
    let refused = |seq| Event::Refused {
        request: "rotate".to_owned(),
        refusal: "x".repeat(usize::try_from(seq % 97).unwrap()),
    };
    for seq in 0..MANY {
        let event = match seq {
            0 => Event::Founded { fleet: fleet.clone() },
            _ => refused(seq),
        };
        let record = Record {
            schema: SCHEMA,
            seq: Seq(seq),
            time: Time(1_795_413_904_000 + seq),
            clock: None,
            actor: Actor::Schedule,
            event,
            generation: State::default().head.generation,
            digest,
        };
        log.push(record.to_bytes());
    }
    log
}

fn file(records: &[Vec<u8>]) -> Vec<u8> {
    records.iter().flat_map(|record| [record, &b"\n"[..]].concat()).collect()
}

/// The first record of each batch.
fn borders(records: &[Vec<u8>]) -> Vec<usize> {
    let (mut borders, mut bytes) = (vec![0], 0);
    for (at, record) in records.iter().enumerate() {
        bytes += record.len() + 1;
        if bytes >= FULL {
            borders.push(at + 1);
            bytes = 0;
        }
    }
    assert!(borders.len() > WAITING + 2, "{borders:?}");
    borders
}

/// What a check says of these records.
fn checked(log: &Log, records: &[Vec<u8>]) -> Result<u64, AuditError> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let attrs = crate::durable::FileAttrs::mode(0o600);
        crate::durable::write_file(&folder.path().join(name), bytes, &attrs).unwrap();
    };
    write(given::RECORDS, &file(records));
    write(given::CHECKPOINT, log.signed().to_string().as_bytes());
    let mut seen = Vec::new();
    let checked = exported(folder.path(), Some(&log.key().to_string()), |record| {
        seen.push(record.to_vec());
    })?;
    assert_eq!(seen, records);
    Ok(checked.whole.checkpoint.head.size)
}

fn broken(log: &Log, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Broken {
    let mut records = log.records.clone();
    change(&mut records);
    match checked(log, &records) {
        Err(AuditError::Broken(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// A record that can be read, and that no rule allows where it stands.
fn unlawful(record: &[u8]) -> Vec<u8> {
    let mut record = Record::from_bytes(record).unwrap();
    record.event = Event::Destroyed {
        kid: "stranger".parse().unwrap(),
    };
    record.to_bytes()
}

#[test]
fn all_records_are_taken_in_order_over_many_batches() {
    let log = story();
    assert_eq!(checked(&log, &log.records).unwrap(), MANY);
    // The last line may be without its end.
    let whole = file(&log.records);
    let mut seen = Vec::new();
    records_from(&whole[..whole.len() - 1], Path::new("log"), |read, bytes| {
        read.unwrap();
        seen.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, log.records);
}

#[test]
fn a_wrong_record_at_the_border_of_a_batch_is_named() {
    let log = story();
    let borders = borders(&log.records);
    for border in [borders[1], borders[WAITING + 1]] {
        for at in [border - 1, border, border + 1] {
            let seq = Seq(at as u64);
            let no_record = broken(&log, |records| records[at] = b"{}".to_vec());
            assert!(
                matches!(no_record, Broken::Record(found, _) if found == seq),
                "{seq}: {no_record}"
            );
            let other_form = broken(&log, |records| records[at].push(b' '));
            assert!(
                matches!(other_form, Broken::Form(found) if found == seq),
                "{seq}: {other_form}"
            );
            let empty = broken(&log, |records| records[at].clear());
            assert!(matches!(empty, Broken::Record(found, _) if found == seq), "{seq}: {empty}");
            let dropped = broken(&log, |records| drop(records.remove(at)));
            assert!(
                matches!(dropped, Broken::Place { expected, .. } if expected == seq),
                "{seq}: {dropped}"
            );
        }
    }
}

#[test]
fn of_two_wrong_records_the_first_is_named_whoever_finds_it() {
    let log = story();
    let borders = borders(&log.records);
    for (first, second) in [(borders[1], borders[1] + 1), (borders[1] - 1, borders[1]), (5, borders[3])] {
        let replay_first = broken(&log, |records| {
            records[first] = unlawful(&records[first]);
            records[second] = b"{}".to_vec();
        });
        // A decision is replayed when the next one begins, so a line that is no record may come before that.
        let named = match &replay_first {
            Broken::Unlawful { seq, .. } | Broken::Record(seq, _) => *seq,
            other => panic!("{other}"),
        };
        let expected = if second == first + 1 { second } else { first };
        assert_eq!(named, Seq(expected as u64), "{replay_first}");
        let read_first = broken(&log, |records| {
            records[first] = b"{}".to_vec();
            records[second] = unlawful(&records[second]);
        });
        assert!(
            matches!(read_first, Broken::Record(seq, _) if seq == Seq(first as u64)),
            "{read_first}"
        );
    }
}

#[test]
fn records_that_are_missing_at_the_end_are_missed() {
    let log = story();
    let borders = borders(&log.records);
    for left in [0, borders[1], borders[2] + 1, log.records.len() - 1] {
        let short = broken(&log, |records| records.truncate(left));
        let missed = matches!(short, Broken::Size { signed: MANY, found } if found == left as u64);
        assert!(missed, "{short}");
    }
    let cut = broken(&log, |records| {
        let last = records.last_mut().unwrap();
        last.truncate(last.len() / 2);
    });
    assert!(matches!(cut, Broken::Record(Seq(at), _) if at == MANY - 1), "{cut}");
}

/// A file that can't be read any more after some bytes.
fn failing_after(bytes: Vec<u8>) -> impl BufRead + Send {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    BufReader::new(Cursor::new(bytes).chain(Failing))
}

#[test]
fn a_file_that_can_not_be_read_on_is_named_after_all_that_was_read() {
    let log = story();
    let borders = borders(&log.records);
    for left in [0, borders[2] - 1, borders[2], borders[2] + 1] {
        let mut taken = 0;
        let ended = records_from(failing_after(file(&log.records[..left])), Path::new("log"), |read, _| {
            read.unwrap();
            taken += 1;
            Ok(())
        });
        assert!(matches!(ended, Err(AuditError::Read { .. })), "{ended:?}");
        assert_eq!(taken, left);
    }
}

#[test]
fn nothing_is_handed_over_after_a_line_that_is_no_record() {
    let log = story();
    let border = borders(&log.records)[2];
    for at in [border - 1, border, border + 1] {
        let mut lines = log.records.clone();
        lines[at] = b"{}".to_vec();
        let mut taken = Vec::new();
        let failing = failing_after(file(&lines));
        records_from(failing, Path::new("log"), |read, _| {
            taken.push(read.is_ok());
            Ok(())
        })
        .unwrap();
        let expected: Vec<bool> = (0..=at).map(|place| place != at).collect();
        assert_eq!(taken, expected);
    }
}

#[test]
fn nothing_is_read_on_when_a_record_was_not_taken() {
    // The file has no end.
    let record = file(&story().records[1..2]);
    let endless = BufReader::new(Endless { record, at: 0 });
    let mut taken = 0;
    let ended = records_from(endless, Path::new("log"), |_, _| {
        taken += 1;
        if taken == 3 {
            return Err(AuditError::NoKey("enough".into()));
        }
        Ok(())
    });
    assert!(matches!(ended, Err(AuditError::NoKey(_))), "{ended:?}");
    assert_eq!(taken, 3);
}

/// The same line for ever.
struct Endless {
    record: Vec<u8>,
    at: usize,
}

impl io::Read for Endless {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *to {
            *byte = self.record[self.at];
            self.at = (self.at + 1) % self.record.len();
        }
        Ok(to.len())
    }
}
