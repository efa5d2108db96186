//! Files that are given to another account.

use std::os::unix::fs::MetadataExt as _;

use rustix::thread::CapabilitySet;

use super::*;
use crate::agent::core::Unfinished;
use crate::hooks::in_unit::become_agent;

const AGENT: u32 = 65_000;
/// Who is to have the private files. Neither needs to be in /etc/passwd.
const OWNER: u32 = 54_321;
/// What the drop-in outputs.conf gives.
const GIVEN: CapabilitySet = CapabilitySet::CHOWN.union(CapabilitySet::DAC_READ_SEARCH);

/// Runs this as an agent whose unit has these capabilities, on a machine of its own.
fn as_agent(test: &str, capabilities: CapabilitySet, body: impl FnOnce(&Machine) + Send) {
    if !rustix::process::geteuid().is_root() {
        return small_disk::skipped(&format!("{test}: the test is not root"));
    }
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            become_agent(AGENT, capabilities);
            body(&Machine::new());
        });
        agent.join().unwrap();
    });
}

/// Every format, each file for its owner only.
fn owned(machine: &Machine) -> Vec<Output> {
    let mut outputs = machine.all(true);
    for output in &mut outputs {
        output.attrs.owner = Some(OWNER);
        output.attrs.mode = 0o400;
    }
    outputs
}

fn taken(disk: &Disk, number: u64) -> Installed {
    let bundle = alternating(number);
    let view = view_now(&bundle);
    match disk.work(DiskWork::Install {
        bundle: bundle.into(),
        view,
    }) {
        DiskResult::Installed(installed) => installed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn with_the_drop_in_files_are_another_accounts_from_the_view_to_the_copy_and_are_read_back() {
    let test = "with_the_drop_in_files_are_another_accounts_from_the_view_to_the_copy_and_are_read_back";
    as_agent(test, GIVEN, |machine| {
        machine.layout(owned(machine)).check().unwrap();
        let disk = machine.open(owned(machine));
        for number in [1, 2] {
            let installed = taken(&disk, number);
            let signer = usize::from(number == 1);
            assert_eq!((installed.signing, installed.held), (kids(&[signer]), kids(&[signer])));
            for folder in [machine.agent.join("live"), machine.places.clone()] {
                for name in ["certified.json", "private.json", "keys.p12", "pem/active.pem"] {
                    let there = fs::metadata(folder.join(name)).unwrap();
                    assert_eq!((there.uid(), there.mode() & 0o7777), (OWNER, 0o400), "{folder:?} {name}");
                }
                assert_eq!(names(&folder.join("pem")), pem_names(&kid(signer)));
            }
        }
        assert_eq!(machine.open(owned(machine)).load().unwrap().unfinished, None);
        let mut to_another = owned(machine);
        to_another[3].attrs.owner = Some(OWNER + 1);
        assert_eq!(machine.open(to_another).load().unwrap().unfinished, Some(Unfinished::Outputs));
        assert!(matches!(disk.work(DiskWork::Erase), DiskResult::Erased(Some(left)) if left.held.is_empty()));
        assert_eq!(names(&machine.places), ["certified.json", "pem"]);
    });
}

#[test]
fn without_the_drop_in_an_owner_is_refused_with_its_name() {
    let test = "without_the_drop_in_an_owner_is_refused_with_its_name";
    as_agent(test, CapabilitySet::empty(), |machine| {
        let why = Disk::open_as(machine.layout(owned(machine)), None, None)
            .unwrap_err()
            .to_string();
        for words in ["[[output]] certified.json", "can't be given to user 54321", "outputs.conf"] {
            assert!(why.contains(words), "{why}");
        }
        assert_eq!(machine.layout(owned(machine)).check().unwrap_err().to_string(), why);
        assert_eq!(names(&machine.agent), ["cache.key"], "nothing is left behind");
        taken(&machine.open(machine.all(true)), 1);
    });
}
