use rcgen::string::Ia5String;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType};

use super::*;
use crate::types::{CERTIFICATE_LIFE, Span};

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

/// A request made with `change`, and its key.
fn request(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    change(&mut params);
    params.serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn names_in_a_request_count_for_nothing() {
    let fleet = Fleet::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let greedy = request(&key, |params| {
        params.subject_alt_names = vec![uri("spiffe://op.example/leader")];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let csr = NodeCsr::parse(&greedy).unwrap();
    let chain = fleet.signer.issue_node(&name("vm-1"), &csr, NOW).unwrap();
    let identity = PeerIdentity::from_certificate(&chain[0]).unwrap();
    assert_eq!(identity.id.to_string(), "spiffe://op.example/node/vm-1");
    assert_eq!(identity.key, csr.key());
    assert_eq!(identity.not_after, Time((NOW + CERTIFICATE_LIFE).0 / 1000 * 1000));
    assert!(CaCertificate::from_der(chain[0].clone()).is_err(), "a node is no CA");
    let own = super::super::identity::parse(&chain[0]).unwrap();
    let usage = own.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
}

#[test]
fn a_request_must_be_signed_by_its_own_p256_key() {
    let good = NodeKeys::generate().unwrap().csr_der().unwrap();
    assert!(NodeCsr::parse(&good).is_ok());

    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(NodeCsr::parse(&altered).is_err());
    assert!(NodeCsr::parse(&[&good[..], &[0]].concat()).is_err());
    assert!(NodeCsr::parse(b"rubbish").is_err());

    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let refused = NodeCsr::parse(&request(&p384, |_| ())).unwrap_err();
    assert!(refused.to_string().contains("P-256"), "{refused}");
}

#[test]
fn a_request_for_somebody_elses_key_is_refused() {
    let (mine, theirs) = (NodeKeys::generate().unwrap(), NodeKeys::generate().unwrap());
    let mut forged = mine.csr_der().unwrap();
    let their_csr = theirs.csr_der().unwrap();
    // An uncompressed P-256 point: 0x04 and 64 bytes, after the BIT STRING's head.
    let head = [0x03, 0x42, 0x00, 0x04];
    let place = |der: &[u8]| der.windows(4).position(|window| window == head).unwrap() + 4;
    let (to, from) = (place(&forged), place(&their_csr));
    forged[to..to + 64].copy_from_slice(&their_csr[from..from + 64]);
    let refused = NodeCsr::parse(&forged).unwrap_err();
    assert!(refused.to_string().contains("not signed by the key"), "{refused}");
}

#[test]
fn a_ca_signs_with_its_own_key_only() {
    let (one, two) = (
        Ca::new(&"a.example".parse().unwrap(), NOW),
        Ca::new(&"b.example".parse().unwrap(), NOW),
    );
    let refused = CaSigner::load(one.unwrap().certificate, &two.unwrap().private).unwrap_err();
    assert!(matches!(refused, PkiError::KeyMismatch(_)), "{refused}");
}

#[test]
fn a_ca_lives_five_years_and_knows_its_domain() {
    let ca = Ca::new(&"a.example".parse().unwrap(), NOW).unwrap().certificate;
    assert_eq!(ca.trust_domain().as_str(), "a.example");
    assert_eq!(ca.not_after(), Time((NOW + Span::hours(5 * 365 * 24)).0 / 1000 * 1000));
    assert_eq!(CaCertificate::from_der(ca.der().clone()).unwrap(), ca);
}

#[test]
fn a_certificate_must_have_exactly_one_uri_name() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = |names: &[&str]| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| uri(name)).collect();
        let der = params.self_signed(&key).unwrap().der().clone();
        PeerIdentity::from_certificate(&der)
    };
    let leader = "spiffe://op.example/leader";
    assert!(certificate(&[leader]).is_ok());
    assert!(matches!(certificate(&[]), Err(PkiError::UriNames(0))));
    assert!(matches!(
        certificate(&[leader, "spiffe://op.example/node/vm-1"]),
        Err(PkiError::UriNames(2))
    ));
    assert!(matches!(certificate(&["https://op.example/leader"]), Err(PkiError::Name(_))));
}

#[test]
fn node_keys_survive_their_storage() {
    let keys = NodeKeys::generate().unwrap();
    let stored = |secret| private_key_from_pem(&private_key_to_pem(secret)).unwrap();
    let back = NodeKeys::load(stored(keys.tls()), stored(keys.witness())).unwrap();
    assert_eq!(back.witness_public_key().unwrap(), keys.witness_public_key().unwrap());
    assert_eq!(back.tls_digest().unwrap(), keys.tls_digest().unwrap());
    assert!(NodeKeys::load(stored(keys.witness()), stored(keys.tls())).is_err(), "swapped");
}

/// What the leader answers to `keys`, and the token that was used.
fn enrolled(fleet: &Fleet, keys: &NodeKeys) -> (Membership, JoinToken) {
    let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
    let token = fleet.token();
    let membership = Membership {
        chain: fleet.signer.issue_node(&token.node, &csr, NOW).unwrap(),
        roots: fleet.roots(),
        trust_domain: fleet.domain.clone(),
        log_public_key: token.log_public_key,
    };
    (membership, token)
}

#[test]
fn a_node_takes_only_what_its_token_promised() {
    let fleet = Fleet::new();
    let keys = NodeKeys::generate().unwrap();
    let (good, token) = enrolled(&fleet, &keys);
    assert!(good.clone().enrolled(&token, &keys, NOW).is_ok());

    let refuse = |why: &str, change: &dyn Fn(&mut Membership)| {
        let mut changed = good.clone();
        change(&mut changed);
        let refused = changed.enrolled(&token, &keys, NOW).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    };
    let stranger = Fleet::new();
    refuse("CA that the token names", &|answer| answer.roots = stranger.roots());
    refuse("its log", &|answer| answer.log_public_key = [0; 32]);
    refuse("another trust domain", &|answer| {
        answer.trust_domain = "x.example".parse().unwrap();
    });
    refuse("no certificate", &|answer| answer.chain.clear());
    refuse("invalid peer certificate", &|answer| answer.chain = stranger.node().chain);
    refuse("is needed", &|answer| {
        let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
        answer.chain = fleet.signer.issue_node(&name("vm-2"), &csr, NOW).unwrap();
    });
    refuse("do not belong together", &|answer| answer.chain = fleet.node().chain);
    let late = good
        .enrolled(&token, &keys, NOW + CERTIFICATE_LIFE + Span::mins(1))
        .unwrap_err();
    assert!(late.to_string().contains("expired"), "{late}");
}

#[test]
fn a_ca_that_is_planted_in_the_answer_to_an_enrollment_is_not_trusted() {
    let (fleet, stranger) = (Fleet::new(), Fleet::new());
    let keys = NodeKeys::generate().unwrap();
    let (mut answer, token) = enrolled(&fleet, &keys);
    answer.roots.extend(stranger.roots());
    let (kept, _) = answer.enrolled(&token, &keys, NOW).unwrap();
    assert_eq!(kept.roots, fleet.roots());
    // A certificate of a CA that is not trusted yet is the node's all the same.
    let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
    let renewed = Membership {
        chain: stranger.signer.issue_node(&token.node, &csr, NOW).unwrap(),
        ..kept
    };
    assert!(renewed.check(&token.node, &keys, NOW).is_ok());
    assert_eq!(renewed.issuer().unwrap().key(), stranger.roots()[0].key());
}

#[test]
fn tls_is_not_set_up_with_another_certificates_key() {
    let fleet = Fleet::new();
    let mut leader = fleet.leader();
    leader.key = fleet.leader().key;
    assert!(server_config(&[leader], &fleet.roots(), &fleet.clock).is_err());
    assert!(server_config(&[fleet.leader()], &[], &fleet.clock).is_err(), "no root");
    assert!(server_config(&[], &fleet.roots(), &fleet.clock).is_err(), "no certificate");
}
