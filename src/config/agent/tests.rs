use super::*;

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
    "#;
    let config = AgentConfig::parse(text, None).unwrap();
    let hook = |argv: &[&str], timeout| Hook {
        on: HookEvent::Swap,
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        timeout,
    };
    assert_eq!(
        config.hooks,
        [
            hook(&["/bin/true", "--quiet"], Span::secs(30)),
            hook(&["/bin/false"], Span::secs(5))
        ]
    );
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
    ];
    assert_eq!(found.all().len(), expected.len(), "{found}");
    for (error, (line, text)) in found.all().iter().zip(expected) {
        assert_eq!(error.line, Some(line), "{error}");
        assert!(error.text.starts_with(text), "{error}\nis not\n{text}");
    }
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
    assert_eq!(now.needs_restart(&next), ["state_dir"]);
    assert!(now.needs_restart(&now).is_empty());
}
