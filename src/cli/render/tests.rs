use std::path::Path;

use super::super::samples::{NOW, a_dry_run, a_plan, decided as a_decision, kid, names, quiet, troubled};
use super::*;
use crate::lifecycle::{Failing, Follower};
use crate::rpc::admin::{Confirmation, Finished, Trusted};
use crate::rpc::documents::{InheritedKey, LeavingProfile, ProfileStatus, Rotating, StandbyStatus};
use crate::types::{Generation, HookEvent, Span};

#[test]
fn a_quiet_fleet_is_four_short_tables() {
    let expected = "\
leader  epoch 3 for 2d 2h; generation 42, committed 9m ago; keystore 3.0 MiB

PROFILE  ALG         IN USE                                       NEXT
main     RS256/2048  NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs  -kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA ready

KEY                                          PROFILE  ALG         STATE         PUBLISHED  NEXT
NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs  main     RS256/2048  active        3d ago     retiring in 3h 12m
-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA  main     RS256/2048  prepublished  1d 6h ago  armed in 2h 12m

NODE  STANDING          CONFIRMED    HEARD    REMARK
vm-1  in service 2d 1h  42 (9m ago)  12s ago
vm-2  in service 2d 1h  42 (9m ago)  12s ago
";
    assert_eq!(status(&quiet(), None), expected);
}

#[test]
fn what_a_leader_that_was_put_back_does_not_know_is_said_to_be_not_known() {
    let mut troubled = troubled();
    for node in &mut troubled.nodes[1..] {
        (node.unknown, node.confirmed, node.confirmed_at, node.on_disk) = (true, None, None, None);
        (node.heard_at, node.owing_since, node.clock_wrong_by_ms, node.problem) = (None, None, None, None);
    }
    troubled.revocations[0].missing.push("vm-1".parse().unwrap());
    let shown = status(&troubled, None);
    for line in [
        "! what vm-2, vm-3 hold and have confirmed is not known: the leader was put back, and they have not reported since\n",
        "! key stolen was revoked 20s ago (compromised), not confirmed by vm-1, not known of vm-2, vm-3\n",
        "-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA not known of vm-2, ready in 2h at the earliest\n",
        "\nvm-2  out of service 5m  not known    not known\n",
        "\nvm-3  joining 0s         not known    not known\n",
    ] {
        assert!(shown.contains(line), "{line} {shown}");
    }
    assert!(!shown.contains("owes") && !shown.contains("never"), "{shown}");
}

#[test]
fn hooks_and_probes_that_fail_are_shown_with_how_often_and_since_when() {
    let failing = |what, times, is_given_up| Failing {
        what,
        why: "the hook /x\x1b[2J failed".to_owned(),
        times,
        since: NOW - Span::mins(3),
        is_given_up,
    };
    let mut shown = quiet();
    shown.nodes[1].problem = Some("it lacks k: did the server reload?".to_owned());
    shown.nodes[1].failing = vec![
        failing(Follower::Probe, 1, false),
        failing(Follower::Hook(HookEvent::Revoked), 4, true),
    ];
    let shown = status(&shown, None);
    let probe = "its probe failed once, for 3m";
    let hook = "its hook on revoked failed 4 times in a row, for 3m, and is not tried again: the hook /x";
    for line in [
        "! node vm-2: it lacks k: did the server reload?\n".to_owned(),
        format!("! node vm-2: {probe}\n"),
        format!("! node vm-2: {hook}"),
        format!("12s ago  it lacks k: did the server reload?; {probe}; {hook}"),
    ] {
        assert!(shown.contains(&line), "{line} {shown}");
    }
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn what_needs_attention_stands_above_the_tables() {
    let expected = "\
leader  epoch 3 for 2d 2h; generation 42, committed 9m ago; keystore 3.0 MiB

! the leader decides nothing more: node vm-1 has seen epoch 4 and generation 50; start the leader that is further on, \
or restore its newest snapshot; where there is neither, go on with `jkeys audit adopt` (look first, with --dry-run)
! the schedule waits for 1h 1m: the standby of profile main is due, but not everywhere for long enough (rule R1)
! profile main has no key that signs
! key stolen was revoked 20s ago (compromised), not confirmed by vm-2, vm-3
! node vm-2: out of service for 5m
! node vm-2: its clock is 6m behind the leader's
! node vm-2: the disk is full [2J; make room

PROFILE  ALG         IN USE   NEXT
main     RS256/2048  nothing  -kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA not confirmed by vm-2, ready in 2h at the earliest

KEY                                          PROFILE  ALG         STATE         PUBLISHED  NEXT
NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs  main     RS256/2048  active        3d ago
-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA  main     RS256/2048  prepublished  1d 6h ago  armed in 2h 12m, waits for vm-2

NODE  STANDING           CONFIRMED       HEARD    REMARK
vm-1  in service 2d 1h   42 (9m ago)     12s ago
vm-2  out of service 5m  40 (1d 2h ago)  2s ago   owes a confirmation for 1d 1h; generation 41 on disk; \
its clock is 6m behind the leader's; the disk is full [2J; make room
vm-3  joining 0s         nothing         never
";
    assert_eq!(status(&troubled(), None), expected);
}

#[test]
fn a_key_that_the_leader_does_not_have_is_named_with_who_lacks_it_and_until_when() {
    let mut fleet = quiet();
    let key = |until, lacking: &[&str]| InheritedKey {
        kid: kid("lost"),
        profile: "main".parse().unwrap(),
        state: "active".to_owned(),
        until,
        lacking: names(lacking),
        is_encrypted_to: false,
    };
    fleet.inherited = vec![key(Some(NOW + Span::hours(27)), &["vm-2"]), key(None, &[])];
    let shown = status(&fleet, None);
    let until = format!("until {} (in 1d 3h); vm-2 serve without it", NOW + Span::hours(27));
    assert!(shown.contains(&until), "{shown}");
    assert!(
        shown.contains("until its successor is made and every node has confirmed it\n"),
        "{shown}"
    );
    fleet.inherited[0].is_encrypted_to = true;
    let shown = status(&fleet, None);
    let waits =
        "(in 1d 3h); vm-2 can't open what is encrypted to it; who of them is out of service stays so until then (rule E1)\n";
    assert!(shown.contains(waits), "{shown}");
}

#[test]
fn a_profile_that_changes_its_algorithm_or_leaves_says_until_when() {
    let mut fleet = quiet();
    let [before, from] = ["RS256/2048", "ES256"].map(|spec| spec.parse().unwrap());
    (fleet.profiles[0].spec, fleet.keys[1].profile) = (from, "old".parse().unwrap());
    let rotating = |at| Some(Rotating { from: before, at });
    fleet.profiles[0].rotating = rotating(Some(NOW + Span::hours(3)));
    fleet.leaving = vec![LeavingProfile {
        profile: "old".parse().unwrap(),
        until: NOW + Span::mins(65),
        missing: names(&["vm-2"]),
    }];
    let shown = status(&fleet, None);
    let line = "profile main rotates from RS256/2048 into ES256 at 2026-11-23T09:05:04.000Z (in 3h)\n";
    assert!(shown.contains(line), "{shown}");
    let line = "profile old is removed: its keys stay until 2026-11-23T07:10:04.000Z (in 1h 5m), waits for vm-2\n";
    assert!(shown.contains(line), "{shown}");
    assert!(shown.contains("  old (removed)  RS256/2048  prepublished"), "{shown}");
    fleet.profiles[0].rotating = rotating(None);
    let line = "profile main rotates from RS256/2048 into ES256, once its key is made and every node has confirmed it\n";
    assert!(status(&fleet, None).contains(line));
}

#[test]
fn a_profile_for_encryption_says_what_is_staged_and_what_is_lacking() {
    let mut fleet = quiet();
    let enc = |active: Option<&str>, standby| ProfileStatus {
        profile: "enc".parse().unwrap(),
        spec: "ECDH-ES/256".parse().unwrap(),
        active: active.map(kid),
        standby,
        rotating: None,
    };
    let staged = |missing: &[&str]| StandbyStatus::Staged {
        kid: kid("next"),
        missing: names(missing),
    };
    for (profile, line) in [
        (
            enc(
                Some("now"),
                StandbyStatus::NotDue {
                    due_at: NOW + Span::hours(3),
                },
            ),
            "enc      ECDH-ES/256  now     made in 3h\n",
        ),
        (enc(Some("now"), staged(&[])), "enc      ECDH-ES/256  now     next ready\n"),
        (
            enc(Some("now"), staged(&["vm-2"])),
            "enc      ECDH-ES/256  now     next not confirmed by vm-2\n",
        ),
        (enc(None, StandbyStatus::None), "enc      ECDH-ES/256  nothing  being made\n"),
    ] {
        let lacks = profile.active.is_none();
        fleet.profiles = vec![profile];
        let shown = status(&fleet, None);
        assert!(shown.contains(line), "{shown}");
        assert_eq!(
            shown.contains("! profile enc publishes no key to encrypt to\n"),
            lacks,
            "{shown}"
        );
    }
}

#[test]
fn a_fleet_without_keys_and_nodes_says_so() {
    let mut empty = quiet();
    empty.profiles.clear();
    empty.keys.clear();
    empty.nodes.clear();
    let expected = "\
leader  epoch 3 for 2d 2h; generation 42, committed 9m ago; keystore 3.0 MiB

no keys yet

no nodes yet; `jkeys node token NAME` lets one in
";
    assert_eq!(status(&empty, None), expected);
}

#[test]
fn kids_are_shortened_only_where_the_terminal_is_too_narrow() {
    let full = keys(&quiet(), None);
    let width = full.lines().map(|line| line.chars().count()).max().unwrap();
    assert_eq!(keys(&quiet(), Some(width)), full);
    let expected = "\
KEY                             PROFILE  ALG         STATE         PUBLISHED  NEXT
NzbLsXh8uDCcd-6MNwXF4W_7noWXF…  main     RS256/2048  active        3d ago     retiring in 3h 12m
-kwBJxHXG9WrLtpmBvAb3fLsEYXDq…  main     RS256/2048  prepublished  1d 6h ago  armed in 2h 12m
";
    assert_eq!(keys(&quiet(), Some(96)), expected);
    assert!(keys(&quiet(), Some(10)).contains("\nNzbLsXh8uDC…  main"));
}

#[test]
fn one_key_is_shown_in_full() {
    let expected = "\
kid          -kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA
profile      main
alg          RS256/2048
state        prepublished
published    2026-11-22T00:05:04.000Z (1d 6h ago)
next         armed 2026-11-23T08:17:04.000Z (in 2h 12m)
waits for    vm-2
thumbprint   -kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA
jwk          kid=-kwBJxHXG9WrLtpmBvAb3fLsEYXDqZ9YlUc9Q0QGbzA kty=RSA n=AQAB
certificate  MIIB
";
    assert_eq!(key(&troubled().keys[1], NOW), expected);
}

#[test]
fn a_decision_names_what_changes_and_who_must_confirm() {
    let expected = "\
key stolen is revoked
key next signs
note: profile main has no standby until a new key is 26h old
generation 43, to be confirmed by 2 nodes
";
    assert_eq!(decided(&a_decision(), Some(Generation(43))), expected);
    let mut nothing = a_decision();
    nothing.changes.clear();
    nothing.remarks.clear();
    assert_eq!(decided(&nothing, None), "nothing new has to reach the nodes\n");
}

#[test]
fn confirmations_line_up_and_say_how_long_they_took() {
    let line = |node: &str, ms, remaining| {
        let confirmation = Confirmation {
            node: node.parse().unwrap(),
            at: NOW + Span(ms),
            remaining,
        };
        confirmed(&a_decision(), &confirmation)
    };
    assert_eq!(line("vm-1", 124, 1), "vm-1   confirmed after 0.12 s   (1 left)\n");
    assert_eq!(line("vm-10", 61_009, 0), "vm-10  confirmed after 61.00 s   (0 left)\n");
}

#[test]
fn the_end_names_laggards_and_until_when_a_revoked_key_is_trusted() {
    let end = |missing: &[&str], trusted| {
        let missing = names(missing);
        finished(&a_decision(), &Finished { missing, trusted })
    };
    assert_eq!(
        end(&[], Trusted::Until(NOW)),
        "all nodes have confirmed\n\
         verifiers that honour their cache time trust what was revoked until 2026-11-23T06:05:04.000Z at the latest\n"
    );
    assert_eq!(
        end(&["vm-1", "vm-10"], Trusted::Unknown("vm-1 has not\nconfirmed".to_owned())),
        "not confirmed by vm-1, vm-10; `jkeys status --watch` follows on\n\
         until when verifiers trust what was revoked is not known: vm-1 has not confirmed\n"
    );
    let mut planned = a_decision();
    planned.revoked.clear();
    let all = Finished {
        missing: vec![],
        trusted: Trusted::Unknown("nothing is revoked".to_owned()),
    };
    assert_eq!(finished(&planned, &all), "all nodes have confirmed\n");
}

#[test]
fn a_token_says_what_to_do_with_it() {
    assert_eq!(
        token(&names(&["vm-4"])[0], NOW + Span::hours(1), NOW),
        "this lets node vm-4 join, once, until 2026-11-23T07:05:04.000Z (in 1h): run `jkeys enroll -` there and paste \
         it; keep it secret until then"
    );
}

#[test]
fn a_new_configuration_says_how_to_go_on_with_it() {
    let expected = "wrote /etc/jkeys/agent.toml; look through it, then run `jkeys enroll TOKEN` with a token from \
                    `jkeys node token NAME` on the leader";
    assert_eq!(agent_configured(Path::new("/etc/jkeys/agent.toml")), expected);
    assert!(agent_configured(Path::new("/x.toml")).contains("`jkeys enroll --config /x.toml TOKEN`"));
}

#[test]
fn json_is_given_on_as_it_came() {
    assert_eq!(json(br#"{ "b":1,"a" : 2}"#), "{ \"b\":1,\"a\" : 2}\n");
    assert_eq!(json_of(&kid("a")), "\"a\"\n");
}

#[test]
fn a_plan_says_what_comes_and_how_long_anybody_may_be_away() {
    let expected = "\
plan of the running leader, epoch 3, generation 42, until 2026-12-07T06:05:04.000Z (in 14d)
! not answering: vm-2; each is taken to stay so until it leaves service

TIME                      IN      PROFILE  KEY         EVENT                WAITS FOR
2026-11-23T08:05:04.000Z  2h      main     next key 1  published            a new key, which is made then
2026-11-24T02:05:04.000Z  20h                          vm-2 leaves service  no answer until then
2026-11-25T04:05:04.000Z  1d 22h  main     next key 1  armed                1day 2h in the JWKS of every node; vm-2 not yet; \
2026-11-24T10:05:04.000Z if answered now
2026-11-25T05:05:04.000Z  1d 23h  main     next key 1  signs                its hour, by each node's own clock
2026-11-25T05:05:04.000Z  1d 23h  main     old         signs no more        its successor
2026-12-03T06:05:04.000Z  10d              CA 2        made                 a new CA, which is made then
2026-12-03T06:05:04.000Z  10d              CA 2        signs certificates   every node in service to trust it; vm-2 not yet
2026-12-05T06:05:04.000Z  12d              CA 1        trusted no more      every node's certificate of another CA; vm-2 not yet

keys in the JWKS at most: 4 (main 4), until 2026-12-07T06:05:04.000Z
the leader may be away until 2026-11-23T08:05:04.000Z (in 2h; late then: main next key 1 is published), and nothing is late
  every rotation is on time if it is back by 2026-11-24T03:05:04.000Z (in 21h; late then: main next key 1 signs)
a node that answers may be away until 2026-11-24T03:05:04.000Z (in 21h; late then: main next key 1 signs), and nothing is late
  every rotation is on time however long that lasts
";
    assert_eq!(plan(&a_plan(), None), expected);
}

#[test]
fn a_dry_run_goes_through_keys_nodes_and_relying_parties() {
    let expected = "\
a dry run: nothing is decided or recorded
key stolen is revoked
key next signs
note: profile main has no standby until a new key is 26h old
generation 43 would go to every node

KEY     PROFILE  STATE         WOULD BE
stolen  main     active        revoked
next    main     prepublished  active

NODE   SERVICE     WOULD
vm-1   in service  confirm at once
vm-10  in service  be named as not confirmed: it is not connected

relying parties may not know key next until 2026-11-23T08:05:04.000Z, and longer without vm-10: they would refuse its tokens \
until they fetch the JWKS again
what relying parties encrypt to key next-enc can't be opened by vm-10 until they hold it
until when verifiers would trust what is revoked is not known: it would wait for vm-10
";
    assert_eq!(dry_run(&a_dry_run(), None), expected);
}

#[test]
fn a_backup_hook_that_fails_is_shown() {
    let mut status = crate::cli::samples::quiet();
    let at = status.now - Span::mins(5);
    let mut shown = |succeeded_at, problem: Option<&str>| {
        let problem = problem.map(|why| crate::rpc::documents::BackupProblem { at, why: why.to_owned() });
        status.backup = Some(crate::rpc::documents::BackupStatus { succeeded_at, problem });
        super::status(&status, None)
    };
    assert!(!shown(Some(at), None).contains("backup"));
    assert!(
        shown(Some(at - Span::mins(5)), Some("no\nroute"))
            .contains("! the backup hook failed 5m ago: no route; it succeeded 10m ago\n")
    );
    assert!(shown(None, Some("x")).contains("it has not succeeded since the leader started"));
}
