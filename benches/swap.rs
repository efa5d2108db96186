//! How long a swap takes, from staging to what was read back, and what each output adds. `cargo bench --bench swap`; the folder is
//! `$TMPDIR`, so point that at the disk in question. RSA-2048, ES256 and an ECDH-ES key are in use.

#[path = "../src/agent/disk/tests/machine.rs"]
mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jkeys::agent::core::{DiskResult, DiskWork};
use jkeys::agent::disk::{Disk, Layout, Output, OutputFormat};
use jkeys::audit::public_form;
use jkeys::crypto::{CertificateLife, NewKey, make_key};
use jkeys::durable::{self, FileAttrs};
use jkeys::lifecycle::{KeySet, Member, Stage, Switches, view};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Epoch, Generation, KidFormat, Secret, Span, Time};

use machine::Machine;

const ROUNDS: u64 = 200;
const NOW: Time = Time(1_800_000_000_000);

fn main() {
    let keys: Vec<NewKey> = ["RS256/2048", "ES256", "ECDH-ES/256"].into_iter().map(make).collect();
    let show = |what, outputs: &dyn Fn(&Machine) -> Vec<Output>| {
        let machine = Machine::new();
        report(what, &machine.open(outputs(&machine)), &keys);
    };
    show("swap", &|_| vec![]);
    show("swap with private-jwks", &|machine| {
        vec![machine.output(OutputFormat::PrivateJwks { has_x5c: false }, "private.json", false)]
    });
    show("swap with pem", &|machine| {
        vec![machine.output(OutputFormat::Pem, "pem", false)]
    });
    show("swap with pkcs12", &|machine| {
        vec![machine.output(machine.pkcs12(), "keys.p12", false)]
    });
    show("swap with pkcs12 and its copy", &|machine| {
        vec![machine.output(machine.pkcs12(), "keys.p12", true)]
    });
}

fn make(spec: &str) -> NewKey {
    let life = CertificateLife::new(NOW, Span::TEN_YEARS).expect("a life");
    make_key(spec.parse().expect("a known algorithm"), KidFormat::Thumbprint, life).expect("a new key")
}

/// Generation `number` with every key in use.
fn bundle(number: u64, keys: &[NewKey]) -> Bundle {
    let member = |(at, key): (usize, &NewKey)| Member {
        profile: format!("profile{at}").parse().expect("a name"),
        public: key.public.clone().into(),
        stage: if at == 2 { Stage::Published } else { Stage::Active },
        inherited: false,
    };
    let set = KeySet {
        generation: Generation(number),
        epoch: Epoch(1),
        committed_at: NOW,
        clock_skew: Span::mins(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members: keys.iter().enumerate().map(member).collect(),
    };
    let (public_form, digest) = public_form(&set);
    let privates = keys
        .iter()
        .map(|key| (key.public.kid.clone(), Secret::new(key.private.expose().to_vec())));
    Bundle {
        privates: privates.collect::<BTreeMap<_, _>>(),
        digest,
        public_form,
        set,
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
fn report(what: &str, disk: &Disk, keys: &[NewKey]) {
    let swap = |number| {
        let bundle = Arc::new(bundle(number, keys));
        let view = view(&bundle.set, &Switches::new(), NOW);
        let start = Instant::now();
        let result = disk.work(DiskWork::Install { bundle, view });
        let took = start.elapsed();
        assert!(matches!(result, DiskResult::Installed(_)), "{result:?}");
        took
    };
    let mut times: Vec<_> = (1..=ROUNDS).map(swap).collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}
