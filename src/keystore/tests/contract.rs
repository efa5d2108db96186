//! What every backend must do: each test runs on sled and in memory.

use super::support::{Folder, day, key, kid, loaded, master, record, secret, step};
use crate::keystore::{Commit, KEPT_VERSIONS, Keystore, KeystoreError, MAX_STATE_BYTES, MAX_VALUE_BYTES, Memory, SecretName};
use crate::types::{Digest, Generation, Seq, Version};

/// A place where a keystore can be made, left, and opened again.
enum Place {
    Sled(Folder),
    Memory(Memory),
}

impl Place {
    fn all() -> [Self; 2] {
        [Self::Sled(Folder::new()), Self::Memory(Memory::default())]
    }

    fn create(&self) -> Keystore {
        match self {
            Self::Sled(folder) => Keystore::create(&folder.dir, &master(0xA5)).unwrap(),
            Self::Memory(memory) => Keystore::on(Box::new(memory.clone()), &master(0xA5)).unwrap(),
        }
    }

    fn open(&self, byte: u8) -> Result<Keystore, KeystoreError> {
        match self {
            Self::Sled(folder) => Keystore::open(&folder.dir, &master(byte)),
            Self::Memory(memory) => Keystore::on(Box::new(memory.clone()), &master(byte)),
        }
    }
}

fn on_every_backend(test: impl Fn(&Place)) {
    Place::all().iter().for_each(test);
}

fn full_step() -> Commit {
    let mut commit = step(1);
    commit.state = vec![b's'; 3 * MAX_VALUE_BYTES + 5];
    commit.records = vec![record("a", &["k1", "k2"]), record("b", &["k2"]), record("c", &[])];
    let list = vec![7; 2 * MAX_VALUE_BYTES];
    commit.evidence = vec![(Digest::of(&list), list), (Digest::of(b""), Vec::new())];
    commit.put_secrets = vec![
        (key("k1"), secret("one")),
        (key("k2"), secret("two")),
        (SecretName::Ca(1), secret("ca")),
    ];
    commit
}

fn check_full_step(store: &Keystore) {
    let found = loaded(store);
    assert_eq!((found.version, found.next_seq), (Version(1), Seq(3)));
    assert_eq!(found.state, vec![b's'; 3 * MAX_VALUE_BYTES + 5]);
    let texts: Vec<_> = store
        .records(Seq(0)..Seq(9))
        .unwrap()
        .into_iter()
        .map(|found| found.bytes)
        .collect();
    assert_eq!(
        texts,
        [&b"{\"action\":\"a\"}"[..], b"{\"action\":\"b\"}", b"{\"action\":\"c\"}"]
    );
    assert_eq!(store.record(Seq(1)).unwrap().bytes, b"{\"action\":\"b\"}");
    assert_eq!(store.records(Seq(1)..Seq(2)).unwrap().len(), 1);
    assert_eq!(store.records_of(&kid("k2")).unwrap(), [Seq(0), Seq(1)]);
    assert_eq!(store.records_of(&kid("k")).unwrap(), []);
    assert_eq!(
        store.evidence(Digest::of(&vec![7; 2 * MAX_VALUE_BYTES])).unwrap().len(),
        2 * MAX_VALUE_BYTES
    );
    assert_eq!(store.evidence(Digest::of(b"")).unwrap(), b"");
    assert_eq!(store.secret(&key("k2")).unwrap().expose(), b"two");
    assert_eq!(store.secret(&SecretName::Ca(1)).unwrap().expose(), b"ca");
    assert_eq!(store.secret_names().unwrap(), [SecretName::Ca(1), key("k1"), key("k2")]);
}

#[test]
fn what_was_committed_is_there_and_still_there_when_opened_again() {
    on_every_backend(|place| {
        let store = place.create();
        assert_eq!(loaded(&store).version, Version(0));
        assert_eq!(store.commit(&full_step()).unwrap(), Version(1));
        check_full_step(&store);
        drop(store);
        check_full_step(&place.open(0xA5).unwrap());
    });
}

#[test]
fn a_step_from_an_older_version_is_refused_and_changes_nothing() {
    on_every_backend(|place| {
        let store = place.create();
        store.commit(&step(1)).unwrap();
        let error = store.commit(&step(1)).unwrap_err();
        assert!(
            matches!(
                error,
                KeystoreError::Conflict {
                    expected: Version(0),
                    found: Version(1)
                }
            ),
            "{error}"
        );
        assert_eq!(loaded(&store).next_seq, Seq(1));
        store.commit(&step(2)).unwrap();
    });
}

#[test]
fn of_two_writers_from_one_version_only_one_succeeds() {
    on_every_backend(|place| {
        let store = place.create();
        let results = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| store.commit(&step(1)).is_ok())).collect();
            writers
                .into_iter()
                .filter(|_| true)
                .map(|writer| writer.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(results.iter().filter(|won| **won).count(), 1);
        assert_eq!(loaded(&store).next_seq, Seq(1));
    });
}

#[test]
fn a_destroyed_secret_is_gone() {
    on_every_backend(|place| {
        let store = place.create();
        store.commit(&full_step()).unwrap();
        store.destroy(&[key("k1")]).unwrap();
        assert_eq!(loaded(&store).version, Version(1), "what is gone is no decision");
        assert!(matches!(store.secret(&key("k1")).unwrap_err(), KeystoreError::Missing(_)));
        assert_eq!(store.secret(&key("k2")).unwrap().expose(), b"two");
        drop(store);
        assert_eq!(
            place.open(0xA5).unwrap().secret_names().unwrap(),
            [SecretName::Ca(1), key("k2")]
        );
    });
}

#[test]
fn a_secret_is_put_once_and_destroying_again_is_no_error() {
    on_every_backend(|place| {
        let store = place.create();
        store.commit(&full_step()).unwrap();
        let refused = |change: fn(&mut Commit)| {
            let mut commit = step(2);
            change(&mut commit);
            let error = store.commit(&commit).unwrap_err();
            assert!(matches!(error, KeystoreError::Refused(_)), "{error}");
        };
        refused(|commit| commit.put_secrets = vec![(key("k1"), secret("other"))]);
        refused(|commit| commit.put_secrets = vec![(key("n"), secret("1")), (key("n"), secret("2"))]);
        assert_eq!(store.secret(&key("k1")).unwrap().expose(), b"one");
        for names in [&[key("unknown")][..], &[key("k1"), key("k1")], &[key("k1")]] {
            store.destroy(names).unwrap();
        }
        assert!(matches!(store.secret(&key("k1")).unwrap_err(), KeystoreError::Missing(_)));
        store.commit(&step(2)).unwrap();
    });
}

#[test]
fn values_above_their_limit_are_refused_and_nothing_is_written() {
    on_every_backend(|place| {
        let store = place.create();
        let refused = |change: fn(&mut Commit)| {
            let mut commit = step(1);
            change(&mut commit);
            let error = store.commit(&commit).unwrap_err();
            assert!(matches!(error, KeystoreError::TooLarge { .. }), "{error}");
        };
        refused(|commit| commit.state = vec![0; MAX_STATE_BYTES + 1]);
        refused(|commit| commit.records[0].bytes = vec![b'1'; MAX_VALUE_BYTES + 1]);
        refused(|commit| commit.put_secrets = vec![(key("k"), secret(&"x".repeat(MAX_VALUE_BYTES + 1)))]);
        let large = [(b"up".to_vec(), Some(vec![0; MAX_VALUE_BYTES + 1]))];
        assert!(matches!(store.observe(&large).unwrap_err(), KeystoreError::TooLarge { .. }));
        let mut largest = step(1);
        largest.state = vec![0; MAX_STATE_BYTES];
        largest.records[0].bytes = vec![b'1'; MAX_VALUE_BYTES];
        largest.put_secrets = vec![(key("k"), secret(&"x".repeat(MAX_VALUE_BYTES)))];
        assert_eq!(store.commit(&largest).unwrap(), Version(1));
    });
}

#[test]
fn a_record_that_is_no_line_of_json_and_a_list_of_another_digest_are_refused() {
    on_every_backend(|place| {
        let store = place.create();
        for bytes in [&b"{\n}"[..], b"{", b""] {
            let mut commit = step(1);
            commit.records[0].bytes = bytes.to_vec();
            assert!(matches!(store.commit(&commit).unwrap_err(), KeystoreError::Refused(_)));
        }
        let mut commit = step(1);
        commit.evidence = vec![(Digest::of(b"a"), b"b".to_vec())];
        assert!(matches!(store.commit(&commit).unwrap_err(), KeystoreError::Refused(_)));
        assert_eq!(loaded(&store).version, Version(0));
    });
}

#[test]
fn observations_make_no_version_and_no_record() {
    on_every_backend(|place| {
        let store = place.create();
        store.commit(&step(1)).unwrap();
        let put = |name: &str, value: &str| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        assert_eq!(
            store
                .observe(&[put("node/2", "b"), put("node/1", "a"), put("up", "1")])
                .unwrap(),
            1
        );
        assert_eq!(
            store
                .observe(&[put("up", "2"), (b"node/2".to_vec(), None), put("up", "3")])
                .unwrap(),
            2
        );
        let expected = [(b"node/1".to_vec(), b"a".to_vec()), (b"up".to_vec(), b"3".to_vec())];
        assert_eq!(store.observations().unwrap(), expected);
        assert_eq!((loaded(&store).version, loaded(&store).next_seq), (Version(1), Seq(1)));
        drop(store);
        let store = place.open(0xA5).unwrap();
        assert_eq!(store.observations().unwrap(), expected);
        assert_eq!(store.observe(&[put("up", "4")]).unwrap(), 3);
        store.commit(&step(2)).unwrap();
    });
}

#[test]
fn the_last_versions_of_the_state_are_kept_and_older_ones_are_not() {
    on_every_backend(|place| {
        let store = place.create();
        let last = KEPT_VERSIONS + 6;
        for number in 1..=last {
            let mut commit = Commit::of_state(Version(number - 1), day(0), format!("state {number}").into_bytes());
            commit
                .state
                .resize(if number % 8 == 0 { MAX_VALUE_BYTES + 1 } else { 10 }, b'.');
            store.commit(&commit).unwrap();
        }
        for number in last - KEPT_VERSIONS + 1..=last {
            assert!(
                store
                    .state_at(Version(number))
                    .unwrap()
                    .starts_with(format!("state {number}").as_bytes())
            );
        }
        let error = store.state_at(Version(last - KEPT_VERSIONS)).unwrap_err();
        assert!(matches!(error, KeystoreError::Missing(_)), "{error}");
        drop(store);
        place.open(0xA5).unwrap();
    });
}

#[test]
fn another_master_key_is_refused_in_words() {
    on_every_backend(|place| {
        drop(place.create().commit(&step(1)));
        let error = place.open(0xB6).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongMasterKey { .. }), "{error}");
        assert!(error.to_string().contains("master key file"));
    });
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    on_every_backend(|place| {
        let store = place.create();
        assert!(matches!(store.record(Seq(0)).unwrap_err(), KeystoreError::Missing(_)));
        assert!(matches!(store.secret(&key("k")).unwrap_err(), KeystoreError::Missing(_)));
        assert!(matches!(
            store.evidence(Digest::of(b"x")).unwrap_err(),
            KeystoreError::Missing(_)
        ));
        assert_eq!(store.records(Seq(0)..Seq(5)).unwrap(), []);
    });
}

#[test]
fn every_version_is_told_for_ever_with_its_time_and_its_records() {
    on_every_backend(|place| {
        let store = place.create();
        let steps = KEPT_VERSIONS + 6;
        for number in 1..=steps {
            let mut commit = step(number);
            commit.snapshot = commit.snapshot.filter(|_| number == 2);
            commit.records.extend((number == 3).then(|| record("more", &[])));
            store.commit(&commit).unwrap();
        }
        store.destroy(&[key("k")]).unwrap();
        drop(store);
        let versions = place.open(0xA5).unwrap().versions(Version(0)..Version(u64::MAX)).unwrap();
        assert_eq!(versions.len() as u64, steps);
        let (second, third) = (versions[1], versions[2]);
        assert_eq!(
            (second.version, second.at, second.first, second.next),
            (Version(2), day(2), Seq(1), Seq(2))
        );
        assert_eq!((second.generation, third.generation), (Some(Generation(2)), None));
        assert_eq!((third.first, third.next, versions[3].first), (Seq(2), Seq(4), Seq(4)));
        let store = place.open(0xA5).unwrap();
        assert_eq!(store.versions(Version(steps)..Version(u64::MAX)).unwrap().len(), 1);
        assert!(matches!(store.state_at(Version(2)).unwrap_err(), KeystoreError::Missing(_)));
    });
}
