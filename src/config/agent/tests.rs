use super::*;

fn refused(text: &str) -> String {
    AgentConfig::parse(text, None).unwrap_err().to_string()
}

#[test]
fn the_template_is_exactly_the_defaults() {
    let defaults = AgentConfig {
        state_dir: "/var/lib/jkeys/agent".into(),
        views_dir: "/var/lib/jkeys/agent/views".into(),
        cache_key_file: "/var/lib/jkeys/agent/cache.key".into(),
        private_group: None,
        private_mode: 0o640,
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
    assert_eq!(config.views_dir, Path::new("/srv/jkeys/views"));
    assert_eq!(config.live_link(), Path::new("/srv/jkeys/live"));
    assert_eq!(config.cache_key_file, Path::new("/srv/jkeys/cache.key"));
    let config = AgentConfig::parse(text, Some(Path::new("/run/credentials/x"))).unwrap();
    assert_eq!(config.cache_key_file, Path::new("/run/credentials/x/cache-key"));
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
views_dir = "/"
private_mode = "0644"
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
        (2, "views_dir: \"/\" can't hold views"),
        (3, "private_mode: \"0644\" is refused"),
        (4, "cache_ready_for: 0s must be above 0s"),
        (5, "leader: unknown key"),
        (7, "[[hook]] number 1 on: \"swaps\" is not an event"),
        (8, "[[hook]] number 1 argv: the program \"systemctl\" must be a path"),
        (9, "[[hook]] number 1 shell: unknown key"),
        (10, "[[hook]] number 2 on is missing"),
        (10, "[[hook]] number 2 argv is missing"),
        (11, "[[hook]] number 2 timeout: \"never\" is not a length of time"),
        (14, "[[hook]] number 3 argv: it is empty"),
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
fn private_files_are_never_for_others() {
    let with = |mode: &str| format!("private_mode = \"{mode}\"\n");
    for mode in ["0600", "0640", "640", "0660", "0400", "0440"] {
        assert!(AgentConfig::parse(&with(mode), None).is_ok(), "{mode}");
    }
    for mode in ["0644", "0604", "0601", "0240", "0750", "4640", "0", "rw-r-----", ""] {
        assert!(refused(&with(mode)).contains("private_mode"), "{mode}");
    }
}

#[test]
fn the_views_folder_leaves_room_for_the_link_beside_it() {
    for folder in ["/", "/srv/..", "/srv/live"] {
        assert!(
            refused(&format!("views_dir = {folder:?}\n")).contains("can't hold views"),
            "{folder}"
        );
    }
}

#[test]
fn a_reload_names_what_only_a_restart_changes() {
    let now = AgentConfig::parse("", None).unwrap();
    let next = AgentConfig::parse("state_dir = \"/srv\"\ncache_ready_for = \"1h\"\n", None).unwrap();
    assert_eq!(now.needs_restart(&next), ["state_dir", "views_dir", "cache_key_file"]);
    assert!(now.needs_restart(&now).is_empty());
}
