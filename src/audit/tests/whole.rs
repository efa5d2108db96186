//! The attacks on a whole log. The log is a real story: founded, started, configured, a first key, a node, an eviction.

use super::super::{Broken, LogCheck, NoteKey, Seen, Whole, add_cosignature, cosign, public_form, witness_name};
use super::super::{Record, SCHEMA};
use super::Log;
use crate::lifecycle::{Command, Event, Fleet, Profile, Settings, Sightings, State, decide};
use crate::types::{Actor, Digest, KeySpec, PublicJwk, PublicKey, Seq, Span, Time, WitnessKey};

struct Teller {
    state: State,
    now: Time,
    log: Log,
}

impl Teller {
    fn tell(&mut self, events: &[Event]) {
        self.now = self.now + Span::secs(1);
        self.state.apply(events, self.now);
        let (_, digest) = public_form(&self.state.key_set());
        for event in events {
            let record = Record {
                schema: SCHEMA,
                seq: Seq(self.log.tree.size()),
                time: self.now,
                clock: None,
                actor: Actor::Schedule,
                event: event.clone(),
                generation: self.state.head.generation,
                digest,
            };
            self.log.push(record.to_bytes());
        }
    }

    fn run(&mut self, command: &Command) {
        let decision = decide(&self.state, &Sightings::new(), command, self.now).unwrap();
        self.tell(&decision.events);
    }
}

fn witness() -> Log {
    Log::new(2)
}

fn public_key(kid: &str) -> PublicKey {
    let members = [("kid", kid), ("kty", "EC")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    PublicKey {
        kid: kid.parse().unwrap(),
        spec: KeySpec::Es256,
        jwk: PublicJwk::try_from(std::collections::BTreeMap::from(members)).unwrap(),
        thumbprint: kid.to_owned(),
        certificate_der: vec![1],
    }
}

fn story() -> Teller {
    let mut teller = Teller {
        state: State::default(),
        now: Time(1_795_413_904_000),
        log: Log::new(1),
    };
    let fleet = Fleet {
        trust_domain: "op.example".parse().unwrap(),
        ca_certificate: String::new(),
        ca_number: 1,
        log_public_key: teller.log.public(),
    };
    teller.tell(&[Event::Founded { fleet }]);
    teller.run(&Command::Start { last_up: None });
    let settings: Settings = [Profile::new("main".parse().unwrap(), KeySpec::Es256)].into_iter().collect();
    teller.run(&Command::Configure(settings));
    for kid in ["first", "second"] {
        let (profile, key, asked_at) = ("main".parse().unwrap(), Box::new(public_key(kid)), teller.now);
        teller.run(&Command::KeyMade { profile, key, asked_at });
    }
    let (token, node) = (Digest([3; 32]), "vm-1".parse().unwrap());
    let expires_at = teller.now + Span::hours(1);
    teller.run(&Command::IssueToken {
        token,
        node,
        expires_at,
        only_new_name: false,
    });
    let (node, tls_key, witness_key) = ("vm-1".parse().unwrap(), Digest([4; 32]), witness().public());
    teller.run(&Command::Enrol {
        token,
        node,
        tls_key,
        witness_key,
    });
    teller
}

fn check(log: &Log, records: &[Vec<u8>], key: &NoteKey) -> Result<Whole, Broken> {
    let mut check = LogCheck::new(key.clone());
    for record in records {
        check.take(record)?;
    }
    check.finish(&log.signed())
}

/// What a check says of the story with its records changed, under the checkpoint of the true ones.
fn attacked(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Broken {
    let log = story().log;
    let mut records = log.records.clone();
    change(&mut records);
    check(&log, &records, &log.key()).unwrap_err()
}

/// The same, where the attacker holds the log's key and signs what he made of it.
fn rewritten(change: impl FnOnce(&mut Vec<Record>)) -> Broken {
    let mut records: Vec<Record> = story()
        .log
        .records
        .iter()
        .map(|bytes| Record::from_bytes(bytes).unwrap())
        .collect();
    change(&mut records);
    let mut log = Log::new(1);
    for (seq, mut record) in (0..).zip(records) {
        record.seq = Seq(seq);
        log.push(record.to_bytes());
    }
    check(&log, &log.records, &log.key()).unwrap_err()
}

#[test]
fn a_true_log_is_whole_and_its_witnesses_are_counted() {
    let Teller { log, now, state } = story();
    let whole = check(&log, &log.records, &log.key()).unwrap();
    assert_eq!((whole.checkpoint.head, whole.last_at, whole.keys), (log.head(), now, 2));
    assert_eq!((whole.generation, whole.witnesses.len()), (state.head.generation, 0));
    let witness = witness();
    let name = witness_name(&"op.example".parse().unwrap(), &"vm-1".parse().unwrap());
    let mut note = log.signed();
    for (name, at) in [(name.as_str(), Time(5000)), ("op.example/node/vm-2", Time(6000))] {
        let key = NoteKey::of_witness(name, witness.public());
        add_cosignature(
            &mut note,
            cosign(&log.checkpoint(), &key, at, &|message| witness.sign(message)),
        );
    }
    let mut check = LogCheck::new(log.key());
    log.records.iter().for_each(|record| check.take(record).unwrap());
    let whole = check.finish(&note).unwrap();
    let (size, at) = (log.tree.size(), Time(5000));
    assert_eq!(whole.witnesses, [("vm-1".parse().unwrap(), Seen { size, at })].into());
    assert_eq!(whole.unknown_signatures, 1);
}

#[test]
fn a_record_that_was_changed_is_found() {
    let one_letter = attacked(|records| {
        let text = String::from_utf8(records[6].clone()).unwrap();
        records[6] = text.replacen("schedule", "uid0/eve", 1).into_bytes();
    });
    assert!(matches!(one_letter, Broken::Record(..) | Broken::Root), "{one_letter}");
    let same_meaning = attacked(|records| records[1].push(b' '));
    assert!(matches!(same_meaning, Broken::Form(Seq(1))), "{same_meaning}");
    let other_actor = attacked(|records| {
        let mut record = Record::from_bytes(&records[6]).unwrap();
        record.actor = Actor::Node("vm-9".parse().unwrap());
        records[6] = record.to_bytes();
    });
    assert!(matches!(other_actor, Broken::Root), "{other_actor}");
}

#[test]
fn a_record_that_was_dropped_is_found() {
    assert!(matches!(attacked(|records| drop(records.remove(3))), Broken::Place { .. }));
    assert!(matches!(attacked(|records| drop(records.pop())), Broken::Size { .. }));
}

#[test]
fn records_that_were_swapped_are_found() {
    assert!(matches!(attacked(|records| records.swap(2, 3)), Broken::Place { .. }));
}

#[test]
fn a_record_appended_by_one_without_the_key_is_found() {
    let appended = attacked(|records| {
        let mut record = Record::from_bytes(&records[records.len() - 1]).unwrap();
        record.seq = record.seq.next();
        record.event = Event::Refused {
            request: "rotate".to_owned(),
            refusal: "no".to_owned(),
        };
        records.push(record.to_bytes());
    });
    assert!(matches!(appended, Broken::Size { .. }), "{appended}");
}

#[test]
fn a_checkpoint_replayed_over_a_longer_log_is_found() {
    let mut teller = story();
    let old = teller.log.signed();
    teller.run(&Command::Start { last_up: None });
    let mut check = LogCheck::new(teller.log.key());
    teller.log.records.iter().for_each(|record| check.take(record).unwrap());
    assert!(matches!(check.finish(&old), Err(Broken::Size { .. })));
}

#[test]
fn a_log_of_another_key_is_refused() {
    let log = story().log;
    let other = NoteKey::of_log(log.key().name(), WitnessKey([7; 32]));
    assert!(matches!(check(&log, &log.records, &other), Err(Broken::Founding(_))));
}

#[test]
fn a_story_that_no_rule_allows_is_found_though_it_is_signed() {
    let unarmed = rewritten(|records| records.retain(|record| !matches!(record.event, Event::TokenIssued { .. })));
    assert!(matches!(unarmed, Broken::Unlawful { .. }), "{unarmed}");
}

#[test]
fn another_content_for_a_recorded_generation_is_found_though_it_is_signed() {
    let other_key = rewritten(|records| {
        for record in records {
            if let Event::Prepublished { key, .. } = &mut record.event {
                "other".clone_into(&mut key.thumbprint);
            }
        }
    });
    assert!(matches!(other_key, Broken::Generation { .. }), "{other_key}");
}

#[test]
fn a_kid_that_comes_back_and_a_time_that_goes_back_are_found_though_they_are_signed() {
    let late = rewritten(|records| records[2].time = Time(0));
    assert!(matches!(late, Broken::Time(Seq(2))), "{late}");
    let clock = rewritten(|records| records[2].clock = Some(records[2].time));
    assert!(matches!(clock, Broken::Time(Seq(2))), "{clock}");
    for for_encryption in [false, true] {
        let again = rewritten(|records| {
            let first = records.iter().find_map(|record| match &record.event {
                Event::Prepublished { profile, key, windows } => Some((profile.clone(), key.clone(), *windows)),
                _ => None,
            });
            let (profile, key, windows) = first.unwrap();
            let mut last = records[records.len() - 1].clone();
            last.event = if for_encryption {
                Event::Staged { profile, key, windows }
            } else {
                Event::Prepublished { profile, key, windows }
            };
            records.push(last);
        });
        assert!(matches!(again, Broken::KidAgain(..)), "{again}");
    }
}

#[test]
fn an_earlier_checkpoint_that_nodes_cosigned_must_be_of_the_same_log() {
    let Teller { log, .. } = story();
    let mut older = Log::new(1);
    log.records.iter().take(5).for_each(|record| older.push(record.clone()));
    let checked = |earlier: &Log| {
        let mut check = LogCheck::new(log.key());
        check.expect(earlier.signed())?;
        log.records.iter().try_for_each(|record| check.take(record))?;
        check.finish(&log.signed())
    };
    checked(&older).unwrap();
    let mut other = Log::new(1);
    log.records.iter().take(4).for_each(|record| other.push(record.clone()));
    other.push(b"{}".to_vec());
    assert!(matches!(checked(&other), Err(Broken::Earlier(5))));
    let mut longer = Log::new(1);
    log.records.iter().for_each(|record| longer.push(record.clone()));
    longer.push(b"{}".to_vec());
    let size = longer.tree.size();
    assert!(matches!(checked(&longer), Err(Broken::Earlier(found)) if found == size));
}
