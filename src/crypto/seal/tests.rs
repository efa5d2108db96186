//! Tests of sealing.

use super::{Binding, DataKey, MasterKey, MasterKeyError, OVERHEAD_BYTES, SealError};
use crate::types::Secret;

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

#[test]
fn what_is_sealed_opens_again() {
    let key = DataKey::generate().unwrap();
    let binding = Binding::new("key").with(b"kid");
    for plain in [&b""[..], b"x", &[7; 5000]] {
        let sealed = key.seal(plain, &binding).unwrap();
        assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
        assert_eq!(key.open(&sealed, &binding).unwrap().expose(), plain);
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    let key = DataKey::generate().unwrap();
    let binding = Binding::new("key");
    let sealed = key.seal(b"a private half", &binding).unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 0x10;
        assert!(key.open(&changed, &binding).is_err(), "byte {place}");
        assert!(key.open(&sealed[..place], &binding).is_err(), "cut at {place}");
    }
}

#[test]
fn a_sealed_thing_opens_only_in_its_own_place_and_under_its_own_key() {
    let key = DataKey::generate().unwrap();
    let sealed = key.seal(b"x", &Binding::new("key").with(b"ab")).unwrap();
    for other in [
        Binding::new("key").with(b"a").with(b"b"),
        Binding::new("key").with(b"abc"),
        Binding::new("keyab"),
        Binding::new("key").with(b"ab").with(b""),
        Binding::new("ca").with(b"ab"),
    ] {
        assert_eq!(key.open(&sealed, &other).unwrap_err(), SealError::DoesNotOpen, "{other:?}");
    }
    let other = DataKey::generate().unwrap();
    assert!(other.open(&sealed, &Binding::new("key").with(b"ab")).is_err());
}

#[test]
fn two_sealings_of_one_thing_differ() {
    let key = DataKey::generate().unwrap();
    let seal = || key.seal(b"x", &Binding::new("key")).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn a_form_of_the_future_is_named() {
    let key = DataKey::generate().unwrap();
    assert_eq!(
        key.open(&[9; 60], &Binding::new("key")).unwrap_err(),
        SealError::UnknownForm(9)
    );
}

#[test]
fn a_wrapped_key_comes_back_only_under_its_master_key_and_binding() {
    let (master, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let (key, binding) = (DataKey::generate().unwrap(), Binding::new("data key").with(b"kid"));
    let wrapped = master.wrapping_key().wrap(&key, &binding).unwrap();
    let unwrap = |master: &MasterKey, binding| master.wrapping_key().unwrap(&wrapped, binding);
    assert!(unwrap(&master, &binding).unwrap().0.same(&key.0));
    assert!(unwrap(&other, &binding).is_err());
    assert!(unwrap(&master, &Binding::new("data key").with(b"other")).is_err());
}

#[test]
fn a_master_key_is_read_from_text_and_from_raw_bytes() {
    let master = MasterKey::generate().unwrap();
    let text = master.to_file();
    let digits = &text.expose()[..64];
    for content in [
        text.expose().to_vec(),
        digits.to_vec(),
        [digits, b"\r\n"].concat(),
        digits.to_ascii_uppercase(),
    ] {
        assert_eq!(MasterKey::from_file(&Secret::new(content)).unwrap().id(), master.id());
    }
    let raw = [0xA5; 32];
    let text = [&b"a5".repeat(32)[..], b"\n"].concat();
    assert_eq!(MasterKey::from_file(&secret(&raw)).unwrap().to_file().expose(), text);
}

#[test]
fn what_is_no_master_key_is_refused_in_words() {
    let digits = [b'a'; 66];
    for wrong in [
        &b""[..],
        b"short",
        &digits[..63],
        &digits[..65],
        &[0xA5; 31],
        &[0xA5; 33],
        &[b'g'; 64],
    ] {
        let error = MasterKey::from_file(&secret(wrong)).unwrap_err();
        assert_eq!(error, MasterKeyError::Form(wrong.len()));
        assert!(error.to_string().contains("openssl rand -hex 32"));
    }
    let typed = secret(b"correct horse battery staple 123");
    assert_eq!(MasterKey::from_file(&typed).unwrap_err(), MasterKeyError::Typed);
}

#[test]
fn keys_for_two_purposes_differ_and_stay_the_same() {
    let master = MasterKey::generate().unwrap();
    assert!(master.data_key("a").0.same(&master.data_key("a").0));
    assert!(!master.data_key("a").0.same(&master.data_key("b").0));
    assert_ne!(master.id(), MasterKey::generate().unwrap().id());
    let code = |purpose| master.mac_key(purpose).code(b"x", &Binding::new("here"));
    assert_eq!(code("a"), code("a"));
    assert_ne!(code("a"), code("b"));
}
