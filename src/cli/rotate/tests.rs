use clap::Parser as _;

use super::*;
use crate::cli::Verb;

/// The call that a command line asks for, or the exit status that it ends with.
fn rotate(line: &str) -> Result<RotateCall, i32> {
    let words = ["jkeys", "rotate"].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|why| why.exit_code())?;
    let Verb::Rotate(args) = cli.verb else {
        panic!("another verb");
    };
    args.check().map_err(|why| why.exit_code())?;
    Ok(args.call())
}

fn planned() -> RotateCall {
    RotateCall {
        now: false,
        profiles: [].into(),
        reason: Reason::Unspecified,
        comment: None,
        compromised: Compromised::Nothing,
        use_kid: None,
        force: false,
        dry_run: false,
        wait: Span::secs(60),
        destroy: false,
    }
}

#[test]
fn a_planned_rotation_needs_no_flag() {
    assert_eq!(rotate(""), Ok(planned()));
}

#[test]
fn every_flag_reaches_the_leader() {
    let main = || "main".parse().unwrap();
    let at_once = RotateCall {
        now: true,
        profiles: [main(), "enc".parse().unwrap()].into(),
        reason: Reason::Superseded,
        comment: Some("drill".parse().unwrap()),
        use_kid: Some("-b".parse().unwrap()),
        force: true,
        wait: Span::mins(5),
        ..planned()
    };
    let line = "--now --reason superseded --comment drill --use -b --force --profile main --profile enc --profile main --wait 5m";
    assert_eq!(rotate(line), Ok(at_once));
    let stolen = |compromised| RotateCall {
        now: true,
        reason: Reason::Compromised,
        compromised,
        ..planned()
    };
    let key = |text: &str| Compromised::Key(text.parse().unwrap());
    assert_eq!(rotate("--now --compromised -h --reason compromised"), Ok(stolen(key("-h"))));
    assert_eq!(
        rotate("--now --reason compromised --compromised=--now"),
        Ok(stolen(key("--now")))
    );
    assert_eq!(
        rotate("--now --compromised all --reason compromised"),
        Ok(stolen(Compromised::All))
    );
    let destroyed = RotateCall {
        destroy: true,
        ..stolen(Compromised::All)
    };
    assert_eq!(
        rotate("--now --compromised all --reason compromised --destroy"),
        Ok(destroyed)
    );
    assert_eq!(
        rotate("--now --reason superseded --destroy"),
        Err(2),
        "it destroys what is compromised"
    );
}

#[test]
fn flags_that_contradict_each_other_are_wrong_usage() {
    for line in [
        "--now",
        "--force",
        "--use a",
        "--compromised a --reason compromised",
        "--now --compromised a",
        "--now --compromised a --reason superseded",
        "--now --compromised a --reason compromised --force",
        "--now --compromised all --reason compromised --use a",
        "--now --compromised all --reason compromised --profile main",
        "--now --reason because",
        "--now --reason superseded --use ../a",
        "--profile a/b",
        "--wait 61m",
        "--wait soon",
        "something",
    ] {
        assert_eq!(rotate(line), Err(2), "{line}");
    }
}

#[test]
fn a_revocation_names_a_key_and_a_reason() {
    let revoke = |line: &str| {
        let words = ["jkeys", "revoke"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|why| why.exit_code())?;
        match cli.verb {
            Verb::Revoke(args) => Ok((args.kid.to_string(), args.reason)),
            _ => panic!("another verb"),
        }
    };
    assert_eq!(revoke("a --reason superseded"), Ok(("a".to_owned(), Reason::Superseded)));
    for kid in ["-kwBJxHX", "-help", "--x", "-"] {
        let expected = Ok((kid.to_owned(), Reason::Compromised));
        assert_eq!(revoke(&format!("{kid} --reason compromised")), expected);
        assert_eq!(revoke(&format!("--reason compromised {kid}")), expected);
    }
    assert_eq!(revoke("a"), Err(2));
    assert_eq!(revoke("--reason compromised"), Err(2));
    assert_eq!(revoke("a b --reason compromised"), Err(2));
}
