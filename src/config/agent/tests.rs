use super::*;
use crate::config::{OutputFormat, WhenStale};
use crate::types::HookEvent;

fn refused(text: &str) -> String {
    AgentConfig::parse(text, None).unwrap_err().to_string()
}

#[test]
fn the_template_is_exactly_the_defaults() {
    let defaults = AgentConfig {
        state_dir: "/var/lib/jkeys/agent".into(),
        leader_addresses: Vec::new(),
        cache_key_file: None,
        private_group: None,
        cache_ready_for: Span::hours(7 * 24),
        hooks: Vec::new(),
        view_dir: "/var/lib/jkeys/agent".into(),
        outputs: Vec::new(),
        probes: Vec::new(),
        http: None,
    };
    let template = AgentConfig::template();
    assert_eq!(AgentConfig::parse(template, None).unwrap(), defaults);
    // What stands there behind a # is the default as well.
    let spoken = template.replace("\n#", "\n").replace("\n ", "\n# ");
    assert!(spoken.contains("\ncache_ready_for = "), "{spoken}");
    assert_eq!(AgentConfig::parse(&spoken, None).unwrap(), defaults);
}

#[test]
fn the_folders_follow_the_state_dir_and_the_credential() {
    let text = "state_dir = \"/srv/jkeys\"\n";
    let config = AgentConfig::parse(text, None).unwrap();
    assert_eq!(config.live_link(), Path::new("/srv/jkeys/live"));
    assert_eq!(config.cache_key_file, None);
    let config = AgentConfig::parse(text, Some(Path::new("/run/credentials/x"))).unwrap();
    assert_eq!(
        config.cache_key_file.as_deref(),
        Some(Path::new("/run/credentials/x/cache-key"))
    );
}

#[test]
fn a_state_dir_is_named_from_the_root_name_by_name() {
    let why = refused("state_dir = \"/srv/../jkeys\"\n");
    assert!(why.contains("state_dir") && why.contains("no .. in it"), "{why}");
}

#[test]
fn hooks_are_read_in_their_order() {
    let text = r#"
        private_group = "oidc"
        [[hook]]
        on = "swap"
        argv = ["/bin/true", "--quiet"]
        [[hook]]
        on = "swap"
        argv = ["/bin/false"]
        timeout = "5s"
        [[hook]]
        on = "revoked"
        argv = ["/bin/true"]
        user = "oidc"
        retries = 3
        [[hook]]
        on = "stale"
        argv = ["/bin/true"]
    "#;
    let config = AgentConfig::parse(text, None).unwrap();
    let hook = |on, argv: &[&str]| Hook {
        on,
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        timeout: Span::secs(30),
        user: None,
        retries: 10,
    };
    let expected = [
        hook(HookEvent::Swap, &["/bin/true", "--quiet"]),
        Hook {
            timeout: Span::secs(5),
            ..hook(HookEvent::Swap, &["/bin/false"])
        },
        Hook {
            user: Some("oidc".to_owned()),
            retries: 3,
            ..hook(HookEvent::Revoked, &["/bin/true"])
        },
        hook(HookEvent::Stale, &["/bin/true"]),
    ];
    assert_eq!(config.hooks, expected);
    assert_eq!(config.private_group.as_deref(), Some("oidc"));
}

#[test]
fn every_error_is_reported_at_once_with_its_line() {
    let text = r#"state_dir = 3
cache_ready_for = "0s"
leader = "x"
[[hook]]
on = "swaps"
argv = ["systemctl"]
shell = true
[[hook]]
timeout = "never"
[[hook]]
on = "swap"
argv = []
retries = 4
[[hook]]
on = "fresh"
argv = ["/bin/true"]
retries = 1001
user = ""
[[probe]]
ca_file = "ca.pem"
[[probe]]
url = "http://op.example/jwks"
timeout = "0s"
interval = "9s"
"#;
    let found = AgentConfig::parse(text, None).unwrap_err();
    let expected = [
        (1, "state_dir: write it as a text"),
        (2, "cache_ready_for: 0s must be above 0s"),
        (3, "leader: unknown key"),
        (5, "[[hook]] number 1 on: \"swaps\" is not an event"),
        (6, "[[hook]] number 1 argv: the program \"systemctl\" must be a path"),
        (7, "[[hook]] number 1 shell: unknown key"),
        (8, "[[hook]] number 2 on is missing"),
        (8, "[[hook]] number 2 argv is missing"),
        (9, "[[hook]] number 2 timeout: \"never\" is not a length of time"),
        (12, "[[hook]] number 3 argv: it is empty"),
        (
            13,
            "[[hook]] number 3 retries: a hook on a swap is tried again until it succeeds",
        ),
        (17, "[[hook]] number 4 retries: 1001 is more than 1000"),
        (18, "[[hook]] number 4 user: it is empty"),
        (19, "[[probe]] number 1 url is missing"),
        (20, "[[probe]] number 1 ca_file: \"ca.pem\" must begin with /"),
        (
            22,
            "[[probe]] number 2 url: \"http://op.example/jwks\" goes over the network in the clear",
        ),
        (23, "[[probe]] number 2 timeout: 0s must be above 0s"),
        (24, "[[probe]] number 2 interval: 9s is shorter than 10s"),
    ];
    assert_eq!(found.all().len(), expected.len(), "{found}");
    for (error, (line, text)) in found.all().iter().zip(expected) {
        assert_eq!(error.line, Some(line), "{error}");
        assert!(error.text.starts_with(text), "{error}\nis not\n{text}");
    }
}

#[test]
fn probes_are_read() {
    let text = "[[probe]]\nurl = \"https://op.example/jwks\"\n[[probe]]\nurl = \"http://127.0.0.1:8080/jwks\"\n\
                ca_file = \"/etc/ca.pem\"\ntimeout = \"3s\"\ninterval = \"10m\"\n";
    let expected = [
        Probe {
            url: "https://op.example/jwks".parse().unwrap(),
            ca_file: None,
            timeout: Span::secs(10),
            interval: None,
        },
        Probe {
            url: "http://127.0.0.1:8080/jwks".parse().unwrap(),
            ca_file: Some("/etc/ca.pem".into()),
            timeout: Span::secs(3),
            interval: Some(Span::mins(10)),
        },
    ];
    assert_eq!(AgentConfig::parse(text, None).unwrap().probes, expected);
}

#[test]
fn a_program_is_given_no_nul() {
    let text = "[[hook]]\non = \"swap\"\nargv = [\"/bin/true\", \"a\\u0000b\"]\n";
    assert!(refused(text).contains("a word holds a NUL"));
}

#[test]
fn a_reload_names_what_only_a_restart_changes() {
    let now = AgentConfig::parse("", None).unwrap();
    let next = AgentConfig::parse("state_dir = \"/srv\"\ncache_ready_for = \"1h\"\n", None).unwrap();
    assert_eq!(now.needs_restart(&next), ["state_dir", "view_dir"]);
    assert!(now.needs_restart(&now).is_empty());
}

fn output(more: &str) -> Result<AgentConfig, ConfigErrors> {
    let folder = Path::new("/run/credentials/x");
    AgentConfig::parse(&format!("[[output]]\n{more}"), Some(folder))
}

#[test]
fn outputs_are_read_with_their_defaults() {
    let text = r#"
        format = "jwks"
        path = "with-certificates.json"
        x5c = true
        [[output]]
        format = "private-jwks"
        path = "private.json"
        owner = "tomcat"
        group = "oidc"
        mode = "600"
        copy_to = "/etc/x/private.json"
        [[output]]
        format = "pem"
        path = "pem"
        [[output]]
        format = "pkcs12"
        path = "keys.p12"
        password_credential = "keystore"
    "#;
    let config = output(text).unwrap();
    let plain = |format, path: &str, mode| Output {
        format,
        path: path.to_owned(),
        mode,
        owner: None,
        group: None,
        copy_to: None,
    };
    let password_file = "/run/credentials/x/keystore".into();
    assert_eq!(
        config.outputs,
        [
            plain(OutputFormat::Jwks { has_x5c: true }, "with-certificates.json", 0o644),
            Output {
                owner: Some("tomcat".to_owned()),
                group: Some("oidc".to_owned()),
                copy_to: Some("/etc/x/private.json".into()),
                ..plain(OutputFormat::PrivateJwks { has_x5c: false }, "private.json", 0o600)
            },
            plain(OutputFormat::Pem, "pem", 0o640),
            plain(OutputFormat::Pkcs12 { password_file }, "keys.p12", 0o640),
        ]
    );
}

#[test]
fn what_is_wrong_with_an_output_is_said_in_words() {
    let pem = |more: &str| format!("format = \"pem\"\npath = \"a\"\n{more}");
    for (text, expected) in [
        ("path = \"a\"".to_owned(), "format is missing"),
        ("format = \"pem\"".to_owned(), "path is missing"),
        (
            "format = \"jks\"\npath = \"a\"".to_owned(),
            "\"jks\" is not a format; write \"jwks\"",
        ),
        ("format = \"pem\"\npath = \"a/b\"".to_owned(), "must be a plain name"),
        ("format = \"pem\"\npath = \"..\"".to_owned(), "must be a plain name"),
        ("format = \"pem\"\npath = \"view.json\"".to_owned(), "every view has its own"),
        (
            format!("{}\n[[output]]\n{}", pem(""), pem("")),
            "another output has this name",
        ),
        (pem("mode = \"0644\""), "lets everybody at private keys"),
        (pem("mode = \"0660\""), "lets others than the owner write"),
        (pem("mode = \"0750\""), "nobody can run it"),
        (pem("mode = \"0040\""), "readable by its owner"),
        (pem("mode = \"rw\""), "is not a mode such as"),
        (pem("mode = 640"), "write it as a text"),
        (
            pem("copy_to = \"/var/lib/jkeys/agent/trusted.json\""),
            "in the agent's own folder",
        ),
        (pem("copy_to = \"/var/lib\""), "in the agent's own folder, or above it"),
        (pem("copy_to = \"a/b\""), "must begin with /"),
        (pem("copy_to = \"/a/../b\""), "must have no .. in it"),
        (pem("x5c = true"), "only \"jwks\" and \"private-jwks\" have it"),
        (pem("password_file = \"/a\""), "only \"pkcs12\" has a password"),
        ("format = \"pkcs12\"\npath = \"a\"".to_owned(), "password_file is missing"),
        (
            "format = \"pkcs12\"\npath = \"a\"\npassword_file = \"/a\"\npassword_credential = \"a\"".to_owned(),
            "choose one",
        ),
        (
            "format = \"jwks\"\npath = \"a\"\ncopy_to = \"/x/a\"\n[[output]]\nformat = \"pem\"\npath = \"b\"\ncopy_to = \"/x\""
                .to_owned(),
            "another output is copied to this place, above it or below it",
        ),
    ] {
        let errors = output(&text).unwrap_err();
        assert_eq!(errors.all().len(), 1, "{text}:\n{errors}");
        assert!(errors.to_string().contains(expected), "{text}:\n{errors}");
    }
    let text = "[[output]]\nformat = \"pkcs12\"\npath = \"a\"\npassword_credential = \"x\"";
    assert!(refused(text).contains("there are no credentials here"));
}

#[test]
fn the_views_can_be_elsewhere() {
    let config = AgentConfig::parse("view_dir = \"/run/jkeys-agent\"", None).unwrap();
    assert_eq!(config.live_link(), Path::new("/run/jkeys-agent/live"));
    assert_eq!(config.state_dir, Path::new("/var/lib/jkeys/agent"));
    assert!(refused("view_dir = \"/run/../etc\"").contains("must have no .. in it"));
}

#[test]
fn http_answers_on_loopback_only() {
    let http = |table: &str| AgentConfig::parse(&format!("[http]\n{table}\n"), None);
    let read = http("listen = \"127.0.0.1:7480\"").unwrap().http.unwrap();
    assert_eq!(
        (read.listen.to_string().as_str(), read.when_stale),
        ("127.0.0.1:7480", WhenStale::Ready)
    );
    let read = http("listen = \"[::1]:7480\"\nwhen_stale = \"unready\"")
        .unwrap()
        .http
        .unwrap();
    assert_eq!(
        (read.listen.to_string().as_str(), read.when_stale),
        ("[::1]:7480", WhenStale::Unready)
    );
    for (table, words) in [
        ("", "where to answer"),
        ("listen = \"0.0.0.0:7480\"", "can be reached from other machines"),
        ("listen = \"10.0.0.1:7480\"", "can be reached from other machines"),
        ("listen = \"localhost:7480\"", "not an IP address and a port"),
        (
            "listen = \"127.0.0.1:1\"\nwhen_stale = \"never\"",
            "neither \"ready\" nor \"unready\"",
        ),
        ("listen = \"127.0.0.1:1\"\nport = 1", "port"),
    ] {
        let why = http(table).unwrap_err().to_string();
        assert!(why.contains(words), "{table}: {why}");
    }
}
