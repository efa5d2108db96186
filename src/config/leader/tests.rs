use super::*;
use crate::lifecycle::{Profile, Windows};
use crate::types::{KeySpec, KidFormat, RsaBits};

const WEB: &str = "[[profile]]\nname = \"web\"\nalg = \"RS256\"\n";

/// What is refused in `text`, one line an error.
fn refused(text: &str) -> String {
    LeaderConfig::parse(text, None).unwrap_err().to_string()
}

#[test]
fn the_template_is_exactly_the_defaults() {
    let defaults = LeaderConfig {
        listen: "0.0.0.0:7443".parse().unwrap(),
        advertise: Vec::new(),
        trust_domain: "jkeys.internal".parse().unwrap(),
        state_dir: "/var/lib/jkeys/leader".into(),
        master_key_file: "/etc/jkeys/master.key".into(),
        admin_socket: "/run/jkeys/leader.sock".into(),
        admin_group: Some("jkeys-admin".into()),
        report_every: Span::secs(60),
        backup: None,
        settings: Settings::from_iter([Profile::new("web".parse().unwrap(), KeySpec::Rs256(RsaBits::B2048))]),
    };
    let template = LeaderConfig::template();
    assert_eq!(LeaderConfig::parse(template, None).unwrap(), defaults);
    // What stands there behind a # is the default as well.
    let spoken = template.replace("\n#", "\n").replace("\n ", "\n# ");
    assert!(spoken.contains("\nlisten = ") && spoken.contains("\nmax_age = "), "{spoken}");
    assert_eq!(LeaderConfig::parse(&spoken, None).unwrap(), defaults);
}

#[test]
fn a_profile_overrides_the_defaults_and_those_override_the_built_in_ones() {
    let text = r#"
        advertise = ["leader.example:7443", "[2001:db8::1]:7443"]
        served_max_age = "1h"
        [defaults]
        interval = "72h"
        token_lifetime = "2h"
        [[profile]]
        name = "web"
        alg = "PS256"
        bits = 3072
        [[profile]]
        name = "device"
        alg = "Ed25519"
        use = "sig"
        kid_format = "janssen"
        certificate_life = "30days"
        token_lifetime = "3h"
    "#;
    let config = LeaderConfig::parse(text, None).unwrap();
    assert_eq!(config.advertise.len(), 2);
    assert_eq!(config.settings.served_max_age, Some(Span::hours(1)));
    let web = &config.settings.profiles[&"web".parse().unwrap()];
    let expected = Windows {
        interval: Span::hours(72),
        token_lifetime: Span::hours(2),
        ..Windows::default()
    };
    assert_eq!((web.spec, web.windows), (KeySpec::Ps256(RsaBits::B3072), expected));
    let device = &config.settings.profiles[&"device".parse().unwrap()];
    assert_eq!((device.spec, device.kid_format), (KeySpec::Ed25519, KidFormat::Janssen));
    assert_eq!(device.certificate_life, Span::hours(30 * 24));
    assert_eq!(device.windows.token_lifetime, Span::hours(3));
}

#[test]
fn the_master_key_comes_from_the_credential_unless_a_file_is_named() {
    let folder = Some(Path::new("/run/credentials/jkeys-leader.service"));
    let given = LeaderConfig::parse(WEB, folder).unwrap();
    assert_eq!(
        given.master_key_file,
        Path::new("/run/credentials/jkeys-leader.service/master-key")
    );
    let named = LeaderConfig::parse(&format!("master_key_file = \"/x/key\"\n{WEB}"), folder).unwrap();
    assert_eq!(named.master_key_file, Path::new("/x/key"));
}

#[test]
fn every_error_is_reported_at_once_with_its_line() {
    let text = r#"listen = "everywhere"
advertise = ["leader", "ok:1", "x:0"]
trust_domain = "UPPER"
state_dir = "relative"
admin_group = 5
report_every = 60
strange = true
[defaults]
interval = "soon"
max_ages = "10m"
[[profile]]
name = "web"
alg = "HS256"
[[profile]]
alg = "RS256"
bits = 1024
use = "wrap"
kid_format = "uuid"
"#;
    let found = LeaderConfig::parse(text, None).unwrap_err();
    let expected = [
        (1, "listen: \"everywhere\" is not an IP address and a port"),
        (2, "advertise: \"leader\" is not a host and a port"),
        (3, "trust_domain: trust domain \"UPPER\" is not valid"),
        (4, "state_dir: \"relative\" must begin with /"),
        (5, "admin_group: write it as a text in quotes, not as a whole number"),
        (6, "report_every: write it as a text in quotes, not as a whole number"),
        (7, "strange: unknown key; the keys here are defaults, profile, listen"),
        (9, "[defaults] interval: \"soon\" is not a length of time"),
        (10, "[defaults] max_ages: unknown key; the keys here are interval"),
        (11, "[[profile]] number 1 alg \"HS256\" is not known"),
        (14, "[[profile]] number 2 name is missing"),
        (14, "[[profile]] number 2 an RSA key of 1024 bits is not made"),
        (
            17,
            "[[profile]] number 2 use: \"wrap\" is not a use; write \"sig\" or \"enc\"",
        ),
        (18, "[[profile]] number 2 kid_format: \"uuid\" is not a form of kids"),
    ];
    assert_eq!(found.all().len(), expected.len(), "{found}");
    for (error, (line, text)) in found.all().iter().zip(expected) {
        assert_eq!(error.line, Some(line), "{error}");
        assert!(error.text.starts_with(text), "{error}\nis not\n{text}");
    }
    assert!(found.to_string().contains("\"x:0\" is not a host and a port"), "{found}");
}

#[test]
fn every_place_that_is_no_toml_is_reported() {
    let found = LeaderConfig::parse("listen = \n[[profile]\nname = \"web\"\n", None).unwrap_err();
    assert_eq!(found.all()[0].line, Some(1), "{found}");
    assert!(found.to_string().contains("line 2: this is not TOML"), "{found}");
}

#[test]
fn unsafe_timing_is_refused_together_with_everything_else() {
    let text = format!("strange = 1\n{WEB}interval = \"20h\"\n[[profile]]\nname = \"b\"\nalg = \"ES256\"\nmax_age = \"14h\"\n");
    let refused = refused(&text);
    for part in [
        "line 1: strange: unknown key",
        "rule T1, profile web",
        "rule T5, profile web",
        "rule T4, profile b",
    ] {
        assert!(refused.contains(part), "{part}\nis not in\n{refused}");
    }
}

#[test]
fn numbers_that_nobody_meant_are_not_held_against_the_rules() {
    // With the default in place of the wrong value each of these would break a rule.
    let wrong_profile = refused(&format!(
        "report_every = \"20h\"\n{WEB}interval = \"soon\"\nmin_prepublish = \"60h\"\n"
    ));
    assert_eq!(wrong_profile.lines().count(), 1, "{wrong_profile}");
    let wrong_base = refused(&format!(
        "report_every = \"20h\"\n[defaults]\ninterval = \"soon\"\n{WEB}min_prepublish = \"60h\"\n"
    ));
    assert_eq!(wrong_base.lines().count(), 1, "{wrong_base}");
}

#[test]
fn the_anchor_is_of_all_profiles_or_of_one_and_in_utc() {
    let text = format!(
        "[defaults]\nanchor = \"02:00Z\"\n{WEB}[[profile]]\nname = \"b\"\nalg = \"ES256\"\nanchor = \"14:30Z\"\n\
         [[profile]]\nname = \"c\"\nalg = \"ES256\"\nanchor = \"\"\ninterval = \"60h\"\n"
    );
    let config = LeaderConfig::parse(&text, None).unwrap();
    let anchors = config.settings.profiles.values().map(|profile| profile.windows.anchor);
    let shown: Vec<String> = anchors.map(|anchor| anchor.map_or_else(String::new, String::from)).collect();
    assert_eq!(shown, ["14:30Z", "", "02:00Z"]);
    let zone = refused(&format!("{WEB}anchor = \"02:00+01:00\"\n"));
    assert!(
        zone.contains("line 4: [[profile]] number 1 anchor: \"02:00+01:00\" is not in UTC"),
        "{zone}"
    );
    let interval = refused(&format!("{WEB}anchor = \"02:00Z\"\ninterval = \"50h\"\n"));
    assert!(
        interval.contains("rule T8, profile web: with anchor 02:00Z interval (2days 2h)"),
        "{interval}"
    );
}

#[test]
fn a_profile_for_encryption_says_so_and_names_an_algorithm_for_it() {
    let with = |lines: &str| format!("{WEB}[[profile]]\nname = \"enc\"\n{lines}");
    for (alg, spec) in [
        ("alg = \"RSA-OAEP-256\"", "RSA-OAEP-256/2048"),
        ("alg = \"RSA-OAEP\"\nbits = 3072", "RSA-OAEP/3072"),
        ("alg = \"RSA1_5\"", "RSA1_5/2048"),
        ("alg = \"ECDH-ES\"", "ECDH-ES/256"),
        ("alg = \"ECDH-ES\"\nbits = 384", "ECDH-ES/384"),
    ] {
        let config = LeaderConfig::parse(&with(&format!("use = \"enc\"\n{alg}\n")), None).unwrap();
        let enc = &config.settings.profiles[&"enc".parse().unwrap()];
        assert_eq!(enc.spec.to_string(), spec);
    }
    let unsaid = refused(&with("alg = \"ECDH-ES\"\n"));
    assert!(
        unsaid.contains("alg \"ECDH-ES\" is for use = \"enc\", not \"sig\""),
        "{unsaid}"
    );
    let other = refused(&with("use = \"enc\"\nalg = \"ES256\"\n"));
    assert!(other.contains("alg \"ES256\" is for use = \"sig\", not \"enc\""), "{other}");
    let nothing = refused(&with("use = \"enc\"\n"));
    assert!(nothing.contains("alg is missing"), "there is no default: {nothing}");
    let short = refused(&with("use = \"enc\"\nalg = \"ECDH-ES\"\ndecrypt_window = \"1h\"\n"));
    assert!(
        short.contains("rule T4, profile enc: min_prepublish (1day 2h) must be at most decrypt_window (1h)"),
        "{short}"
    );
}

#[test]
fn a_profile_is_there_and_is_there_once() {
    assert!(refused("").contains("there is no profile"));
    assert!(refused(&format!("{WEB}{WEB}")).contains("profile web is there twice"));
    assert!(refused("profile = 3\n").contains("profile: write each as a table, [[profile]]"));
    assert!(refused("[profile]\nname = \"web\"\n").contains("profile: write each as a table, [[profile]]"));
    assert!(refused(&format!("defaults = 3\n{WEB}")).contains("defaults: write it as a table, [defaults]"));
}

#[test]
fn reports_come_twice_before_a_node_counts_as_silent() {
    let with = |every: &str| format!("report_every = \"{every}\"\n{WEB}");
    assert!(LeaderConfig::parse(&with("12h"), None).is_ok());
    assert!(refused(&with("12h 1s")).contains("2*report_every (1day 2s) must be at most straggler_after (1day)"));
    assert!(refused(&with("0s")).contains("report_every: 0s must be above 0s"));
}

#[test]
fn a_reload_names_what_only_a_restart_changes() {
    let now = LeaderConfig::parse(WEB, None).unwrap();
    assert!(now.needs_restart(&now).is_empty());
    let text = format!("listen = \"127.0.0.1:1\"\nadmin_group = \"wheel\"\nreport_every = \"5s\"\n{WEB}interval = \"72h\"\n");
    let next = LeaderConfig::parse(&text, None).unwrap();
    assert_eq!(now.needs_restart(&next), ["listen", "admin_group"]);
}

#[test]
fn the_socket_is_found_in_a_file_that_is_wrong_everywhere_else() {
    let socket = |text: &str| LeaderConfig::admin_socket_of(text).map(|path| path.display().to_string());
    assert_eq!(socket(""), Ok("/run/jkeys/leader.sock".to_owned()));
    let ours = "admin_socket = \"/x/leader.sock\"\n";
    for broken in [
        "",
        "listen = \n",
        "[[profile]]\nalg = \"HS256\"\n",
        "[defaults\n",
        "name = \"web\nstrange",
    ] {
        assert_eq!(
            socket(&format!("{ours}{broken}")),
            Ok("/x/leader.sock".to_owned()),
            "{broken}"
        );
    }
    assert_eq!(
        socket(&format!("trust_domain = \"x\n{ours}")),
        Ok("/x/leader.sock".to_owned())
    );
    for wrong in [
        "admin_socket = 5\n",
        "admin_socket = \"relative\"\n",
        "\nadmin_socket = \"/x\n",
    ] {
        let said = socket(wrong).unwrap_err().to_string();
        assert!(said.contains("line "), "{said}");
    }
}

#[test]
fn a_backup_hook_is_a_program_with_a_time_limit() {
    let parse = |text: &str| LeaderConfig::parse(&format!("{text}\n{WEB}"), None);
    let hook = |text: &str| parse(text).unwrap().backup.unwrap();
    let plain = hook("[backup]\nargv = [\"/usr/bin/copy\", \"x\"]");
    assert_eq!(
        (plain.argv, plain.timeout),
        (vec!["/usr/bin/copy".to_owned(), "x".to_owned()], Span::mins(5))
    );
    assert_eq!(hook("[backup]\nargv = [\"/a\"]\ntimeout = \"9s\"").timeout, Span::secs(9));
    for (text, words) in [
        ("[backup]", "argv is missing"),
        ("[backup]\nargv = [\"copy\"]", "begins with /"),
        ("[backup]\nargv = [\"/a\"]\ntimeout = \"0s\"", "timeout"),
        ("[backup]\nargv = [\"/a\"]\nto = \"x\"", "unknown key"),
    ] {
        let refused = parse(text).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}
