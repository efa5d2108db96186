use josekit::{Map, Value};

use super::*;
use crate::audit::{Record, SCHEMA, signer};
use crate::crypto::tests::{all_signing_specs, key};
use crate::crypto::{SignedToken, SigningKey, VerifyingKey, sign_token};
use crate::lifecycle::{Cause, Event, Evidence, NamedNodes, PrivateHalf, Restoration, Stage, Why, Windows};
use crate::types::{Actor, Digest, Generation, KeySpec, Kid, Reason, RsaBits, Secret, Seq, Span, Time, Version, WitnessKey};

/// The key is published; it signs 26 hours later, for 48 hours.
const START: Time = Time(1_800_000_000_000);

fn hours(hours: u64) -> Time {
    START + Span::hours(hours)
}

fn evidence() -> Evidence {
    Evidence {
        count: 3,
        exceptions: vec!["vm-9".parse().unwrap()].into(),
        digest: Digest([0; 32]),
    }
}

fn ada() -> Actor {
    Actor::User {
        uid: 1000,
        name: "ada".to_owned(),
    }
}

/// A key's records, each with its hour.
struct Life {
    spec: KeySpec,
    records: Vec<Record>,
}

impl Life {
    fn of(spec: KeySpec) -> Self {
        let life = Self { spec, records: vec![] };
        let event = Event::Prepublished {
            profile: "main".parse().unwrap(),
            key: Box::new(key(spec).public.clone()),
            windows: Windows::default(),
        };
        life.then(0, event)
    }

    fn kid(&self) -> Kid {
        key(self.spec).public.kid.clone()
    }

    fn then(mut self, hour: u64, event: Event) -> Self {
        let seq = 10 + self.records.len() as u64;
        let actor = match event {
            Event::Revoked { .. } | Event::ReportedCompromised { .. } => ada(),
            _ => Actor::Schedule,
        };
        self.records.push(Record {
            schema: SCHEMA,
            seq: Seq(seq),
            time: hours(hour),
            clock: None,
            actor,
            event,
            generation: Generation(seq),
            digest: Digest([0; 32]),
        });
        self
    }

    fn armed(self) -> Self {
        let kid = self.kid();
        self.then(
            25,
            Event::Armed {
                kid,
                activate_at: hours(26),
                evidence: evidence(),
            },
        )
    }

    fn signing(self, cause: Cause) -> Self {
        let kid = self.kid();
        self.then(
            26,
            Event::Activated {
                kid,
                since: hours(26),
                retire_at: hours(74),
                cause,
                why: Why::default(),
            },
        )
    }

    fn retired(self) -> Self {
        let kid = self.kid();
        self.then(74, Event::Retired { kid, successor: None })
    }

    fn removed(self, last_signature: Option<Time>) -> Self {
        let kid = self.kid();
        self.then(
            77,
            Event::Removed {
                kid,
                last_signature,
                evidence: evidence(),
            },
        )
    }

    fn revoked(self, hour: u64, reason: Reason) -> Self {
        let kid = self.kid();
        self.then(
            hour,
            Event::Revoked {
                kid,
                reason,
                comment: Some("laptop stolen".parse().unwrap()),
                private_half: PrivateHalf::Destroyed,
            },
        )
    }

    /// Through all of it: the last node switched 30 minutes late.
    fn whole(spec: KeySpec) -> Self {
        let last = hours(74) + Span::mins(30);
        Self::of(spec).armed().signing(Cause::Scheduled).retired().removed(Some(last))
    }

    fn story(&self) -> KeyStory {
        KeyStory::tell(&self.kid(), self.records.clone()).unwrap()
    }

    /// A token that its key signed.
    fn token(&self, claims: &str) -> SignedToken {
        let key = key(self.spec);
        let signing = SigningKey::from_pkcs8(&key.public.kid, self.spec, &key.private).unwrap();
        let claims: Map<String, Value> = serde_json::from_str(claims).unwrap();
        let text = sign_token(&signing, &claims).unwrap();
        SignedToken::parse(&Secret::new(text.into_bytes())).unwrap()
    }

    /// One that was issued at that time and lives for half an hour.
    fn issued(&self, at: Time) -> SignedToken {
        let seconds = at.0 / 1000;
        self.token(&format!(r#"{{"iat":{seconds},"exp":{}}}"#, seconds + 1800))
    }

    fn explain(&self, token: &SignedToken, at: Time) -> Explanation {
        explain(token, &self.story(), at, at)
    }
}

fn es256() -> Life {
    Life::whole(KeySpec::Es256)
}

#[test]
fn a_token_that_a_key_of_any_kind_signed_in_its_time_is_explained_and_has_no_fault() {
    for spec in all_signing_specs() {
        let life = Life::whole(spec);
        let found = life.explain(&life.issued(hours(30)), hours(30) + Span::mins(1));
        assert_eq!((found.kid, found.spec, found.verified), (life.kid(), spec, true));
        assert_eq!((found.faults, found.remarks), (vec![], vec![]));
        assert_eq!(
            (found.state_then, found.state_now),
            (Some(KeyState::Active), Some(KeyState::Active))
        );
        assert_eq!((found.published.record, found.published.at), (Seq(10), START));
        let armed = found.armed.unwrap();
        assert_eq!(
            (armed.step.record, armed.activate_at, armed.confirmed),
            (Seq(11), hours(26), 3)
        );
        assert_eq!(armed.not_waited_for.to_string(), "vm-9");
        let signed = found.signed.unwrap();
        assert_eq!(
            (signed.step.record, signed.since, signed.cause),
            (Seq(12), hours(26), Cause::Scheduled)
        );
    }
}

#[test]
fn a_key_is_where_its_records_and_the_clock_say() {
    let story = es256().story();
    let states = [0, 25, 26, 74, 77].map(|hour| story.state_at(hours(hour)).unwrap().to_string());
    assert_eq!(states, ["prepublished", "armed", "active", "retiring", "removed"]);
    assert_eq!(story.state_at(START - Span(1)), None);
    // Nobody has recorded yet that it signs: it does so all the same (rule R2).
    let armed = Life::of(KeySpec::Es256).armed().story();
    assert_eq!(armed.state_at(hours(26)), Some(KeyState::Active));
    assert_eq!(armed.signs_until(hours(25)), End::Never);
    assert_eq!(armed.signs_until(hours(26)), End::Open);
    let revoked = es256().revoked(78, Reason::Superseded).story();
    assert_eq!(revoked.state_at(hours(79)), Some(KeyState::Revoked));
}

#[test]
fn a_token_from_outside_of_the_time_in_which_its_key_signed_is_told() {
    let life = es256();
    let (early, late) = (hours(26) - Span::mins(6), hours(74) + Span::mins(36));
    let faults = |at| life.explain(&life.issued(at), hours(80)).faults;
    assert_eq!(
        faults(early),
        [Fault::TooEarly {
            issued_at: early,
            from: hours(26)
        }]
    );
    assert_eq!(
        faults(late),
        [Fault::TooLate {
            issued_at: late,
            until: hours(74) + Span::mins(30)
        }]
    );
    assert_eq!(life.explain(&life.issued(START - Span::hours(1)), hours(80)).state_then, None);
    // Clocks may differ by clock_skew.
    assert_eq!(faults(hours(26) - Span::mins(5)), []);
    assert_eq!(faults(hours(74) + Span::mins(35)), []);
    let switching = life.explain(&life.issued(hours(74) + Span::mins(20)), hours(80));
    assert_eq!(switching.faults, []);
    assert!(
        switching.remarks.contains(&Remark::WhileSwitching(hours(74))),
        "{:?}",
        switching.remarks
    );
    assert_eq!(switching.state_then, Some(KeyState::Retiring));
    // While a node may still sign, nothing is too late.
    let retiring = Life::of(KeySpec::Es256).armed().signing(Cause::Scheduled).retired();
    assert_eq!(retiring.explain(&retiring.issued(hours(75)), hours(75)).faults, []);
}

#[test]
fn a_token_of_a_key_that_never_signed_on_a_node_is_told() {
    for life in [
        Life::of(KeySpec::Es256),
        Life::of(KeySpec::Es256).armed(),
        Life::of(KeySpec::Es256).removed(None),
    ] {
        let found = life.explain(&life.issued(hours(10)), hours(25));
        assert_eq!(found.faults, [Fault::NeverSigned]);
        assert!(found.verified);
    }
}

#[test]
fn a_token_without_iat_or_from_the_future_is_told() {
    let life = es256();
    let found = life.explain(&life.token(r#"{"exp":1800100000}"#), hours(30));
    assert_eq!(
        (found.faults, found.state_then, found.issued_at),
        (vec![Fault::NoIssuedAt], None, None)
    );
    let future = life.explain(&life.issued(hours(31)), hours(30));
    assert_eq!(future.faults, [Fault::FromTheFuture(hours(31))]);
}

#[test]
fn a_token_that_lived_longer_than_token_lifetime_or_for_ever_is_remarked() {
    let life = es256();
    let issued = hours(30).0 / 1000;
    let found = life.explain(
        &life.token(&format!(r#"{{"iat":{issued},"exp":{}}}"#, issued + 7200)),
        hours(33),
    );
    let (two, one) = (Span::hours(2), Span::hours(1));
    assert_eq!(found.faults, []);
    assert_eq!(
        found.remarks,
        [Remark::LongLived { life: two, allowed: one }, Remark::Expired(hours(32))]
    );
    let eternal = life.explain(&life.token(&format!(r#"{{"iat":{issued}}}"#)), hours(33));
    assert_eq!(eternal.remarks, [Remark::NoExpiry(one)]);
    assert_eq!(life.explain(&life.issued(hours(30)), hours(30)).remarks, []);
}

#[test]
fn who_revoked_the_key_and_why_is_told_with_the_record() {
    let life = Life::of(KeySpec::Es256)
        .armed()
        .signing(Cause::Scheduled)
        .revoked(40, Reason::Compromised);
    let found = life.explain(&life.issued(hours(30)), hours(41));
    assert_eq!(found.faults, [Fault::Revoked(Reason::Compromised)]);
    assert_eq!(
        (found.state_then, found.state_now),
        (Some(KeyState::Active), Some(KeyState::Revoked))
    );
    let revoked = found.revoked.unwrap();
    assert_eq!(
        (revoked.step.record, revoked.step.by, revoked.reason),
        (Seq(13), ada(), Reason::Compromised)
    );
    assert_eq!(revoked.comment.unwrap().to_string(), "laptop stolen");
    // A key that was gone when it was found out.
    let kid = es256().kid();
    let reported = es256().then(90, Event::ReportedCompromised { kid, comment: None });
    let found = reported.explain(&reported.issued(hours(30)), hours(91));
    assert_eq!(found.faults, [Fault::Revoked(Reason::Compromised)]);
    assert_eq!(found.revoked.unwrap().step.record, Seq(15));
}

#[test]
fn a_signature_or_an_algorithm_that_is_not_the_keys_is_told_and_nothing_else_is_concluded() {
    let (own, other) = (es256(), Life::whole(KeySpec::Ed25519));
    let found = own.explain(&other.issued(hours(1)), hours(30));
    let header = "EdDSA".to_owned();
    assert_eq!(found.faults, [Fault::OtherAlgorithm { header, key: "ES256" }]);
    assert!(!found.verified && found.remarks.is_empty());
    let stranger = crate::crypto::tests::other_key(KeySpec::Es256);
    let signing = SigningKey::from_pkcs8(&own.kid(), KeySpec::Es256, &stranger.private).unwrap();
    let text = sign_token(&signing, &Map::new()).unwrap();
    let token = SignedToken::parse(&Secret::new(text.into_bytes())).unwrap();
    assert_eq!(own.explain(&token, hours(30)).faults, [Fault::NotVerified]);
}

#[test]
fn exceptions_to_rule_r1_are_remarked() {
    let missing = NamedNodes::default();
    let forced = Cause::Forced {
        ready_at: START,
        missing,
    };
    for (cause, word) in [(Cause::Bootstrap, "bootstrap"), (forced, "forced")] {
        let life = Life::of(KeySpec::Es256).signing(cause);
        let found = life.explain(&life.issued(hours(30)), hours(30));
        assert_eq!(found.remarks, [Remark::Exception(word)]);
    }
}

fn document(lives: &[Life], since: Option<Time>, now: Time) -> (String, Vec<Value>) {
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = WitnessKey(ring::signature::KeyPair::public_key(&pair).as_ref().try_into().unwrap());
    let mut keys = HistoricalKeys::new("https://op.example".parse().unwrap(), now);
    for life in lives {
        keys.take(&life.story(), since, now);
    }
    let jws = signed(&keys, public, &signer(&pair));
    // Verified by OpenSSL, with the key as a verifier is given it; ring signed it.
    let key = VerifyingKey::new(&verifier(public)).unwrap();
    let text = Secret::new(jws.clone().into_bytes());
    let token = SignedToken::parse(&text).unwrap();
    assert!(token.is_signed_by(&key));
    assert_eq!(token.named(), &crate::crypto::NamedKey::Key(key.kid().clone()));
    let claims = part(&jws, 1);
    assert_eq!(
        (&claims["iss"], &claims["iat"]),
        (&"https://op.example".into(), &(now.0 / 1000).into())
    );
    let count = claims["keys"].as_array().unwrap().len();
    assert_eq!(keys.count(), count);
    (jws, claims["keys"].as_array().unwrap().clone())
}

fn part(jws: &str, place: usize) -> Value {
    use base64::Engine as _;
    let part = jws.split('.').nth(place).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn seconds(time: Time) -> Value {
    (time.0 / 1000).into()
}

#[test]
fn historical_keys_are_those_that_were_with_the_times_of_openid_federation() {
    let (revoked, standby) = (
        Life::of(KeySpec::Ed25519)
            .armed()
            .signing(Cause::Scheduled)
            .revoked(40, Reason::Superseded),
        Life::of(KeySpec::Rs256(RsaBits::B2048)),
    );
    let (jws, keys) = document(&[es256(), revoked, standby], None, hours(90));
    let header = part(&jws, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&"jwk-set+jwt".into(), &"EdDSA".into()));
    let [removed, revoked] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!(removed["kid"], es256().kid().as_str());
    assert_eq!(
        (&removed["kty"], &removed["crv"], &removed["use"]),
        (&"EC".into(), &"P-256".into(), &"sig".into())
    );
    assert_eq!((&removed["iat"], &removed["exp"]), (&seconds(START), &seconds(hours(77))));
    assert_eq!(removed.get("revoked"), None);
    assert_eq!(revoked["exp"], seconds(hours(40)));
    assert_eq!(
        revoked["revoked"],
        serde_json::json!({"revoked_at": seconds(hours(40)), "reason": "superseded"})
    );
    let (_, later) = document(&[es256()], Some(hours(77) + Span(1)), hours(90));
    assert!(later.is_empty(), "it had ended before");
}

#[test]
fn a_retiring_key_is_good_until_what_it_signed_has_expired() {
    let retiring = || Life::of(KeySpec::Es256).armed().signing(Cause::Scheduled).retired();
    let (_, keys) = document(&[retiring()], None, hours(75));
    assert_eq!(
        keys[0]["exp"],
        seconds(hours(76) + Span::mins(5)),
        "a node may still sign with it"
    );
    let (_, none) = document(&[Life::of(KeySpec::Es256).armed().signing(Cause::Scheduled)], None, hours(75));
    assert!(none.is_empty(), "it signs");
}

#[test]
fn a_key_found_compromised_when_it_was_gone_is_revoked_from_then_on() {
    let kid = es256().kid();
    let reported = es256().then(90, Event::ReportedCompromised { kid, comment: None });
    let (_, keys) = document(&[reported], None, hours(91));
    assert_eq!(keys[0]["exp"], seconds(hours(77)));
    assert_eq!(
        keys[0]["revoked"],
        serde_json::json!({"revoked_at": seconds(hours(90)), "reason": "compromised"})
    );
    let never_used = Life::of(KeySpec::Es256).removed(None);
    assert!(document(&[never_used], None, hours(91)).1.is_empty(), "it signed nothing");
    let standby = Life::of(KeySpec::Es256).revoked(5, Reason::Compromised);
    let (_, keys) = document(&[standby], None, hours(91));
    assert_eq!(keys[0]["revoked"]["reason"], "compromised");
}

#[test]
fn a_key_whose_half_a_restore_lost_is_gone_until_it_is_taken_over_from_nodes() {
    let lost = Life::of(KeySpec::Es256);
    let kid = lost.kid();
    let restoration = Restoration {
        version: Version(7),
        taken_at: hours(0),
        records: 9,
        later: 0,
    };
    let restored = |lost: &[Kid]| Event::Restored {
        restoration: restoration.clone(),
        lost: lost.to_vec(),
    };
    let lost = lost.then(1, restored(&["other".parse().unwrap()]));
    assert_eq!(
        lost.story().state_at(hours(2)),
        Some(KeyState::Prepublished),
        "another was lost"
    );
    let lost = lost.then(2, restored(&[kid]));
    assert_eq!(lost.story().state_at(hours(2)), Some(KeyState::Removed));
    assert_eq!(lost.story().removed().map(|record| record.time), Some(hours(2)));
    let taken_over = |stage| Event::Recovered {
        profile: "main".parse().unwrap(),
        key: Box::new(key(KeySpec::Es256).public.clone()),
        stage,
        since: hours(0),
        windows: Windows::default(),
        inherited: true,
    };
    let back = lost.then(3, taken_over(Stage::Retiring)).story();
    assert_eq!(back.state_at(hours(4)), Some(KeyState::Retiring));
    assert_eq!(back.signs_until(hours(4)), End::Since(hours(3)));
    // One whose first record is lost: since when it signed, nobody can tell.
    let mut born = Life::of(KeySpec::Es256);
    born.records.clear();
    let born = born.then(3, taken_over(Stage::Active)).story();
    assert_eq!(
        (born.state_at(hours(3)), born.signs_from()),
        (Some(KeyState::Active), Some(Time(0)))
    );
    assert_eq!(born.signs_until(hours(4)), End::Open);
}
