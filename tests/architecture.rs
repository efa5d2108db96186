//! Reads the sources and fails where they leave the shape that ARCHITECTURE.md describes.
//!
//! A change that needs another shape changes a table here, in the same commit and in sight of its reviewer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which module imports which: as it is, no more and no less. Each points downwards by [`RANKS`].
const IMPORTS: &[(&str, &str)] = &[
    (
        "agent",
        "audit clock config crypto durable hooks http lifecycle outputs pki rpc telemetry types",
    ),
    ("audit", "lifecycle types"),
    (
        "cli",
        "agent audit clock config crypto dev durable leader lifecycle rpc story telemetry types",
    ),
    ("clock", "types"),
    ("config", "lifecycle types"),
    ("crypto", "types"),
    (
        "dev",
        "agent audit clock config crypto durable leader lifecycle outputs rpc types",
    ),
    ("hooks", "clock types"),
    ("http", "types"),
    ("keystore", "audit crypto durable types"),
    (
        "leader",
        "audit clock config crypto durable hooks keystore lifecycle pki rpc story types",
    ),
    ("lifecycle", "types"),
    ("main", "cli clock"),
    ("outputs", "crypto lifecycle types"),
    ("pki", "clock types"),
    ("rpc", "audit lifecycle pki types"),
    ("story", "audit crypto lifecycle types"),
    ("telemetry", "types"),
];

/// What only tests import besides.
const TESTS_IMPORT: &[(&str, &str)] = &[("hooks", "durable"), ("lifecycle", "audit"), ("rpc", "clock")];

/// What the pure cores may import, and `lifecycle` with them.
const CORES_IMPORT: &[(&str, &str)] = &[
    ("agent/core", "audit lifecycle rpc types"),
    ("leader/core", "audit lifecycle rpc types"),
    ("leader/plan", "lifecycle rpc types"),
    ("lifecycle", "types"),
];

/// From the top downwards: a module imports from ranks below its own.
const RANKS: &[&str] = &[
    "main",
    "cli",
    "dev",
    "leader agent",
    "pki keystore outputs hooks http rpc story",
    "crypto audit",
    "config telemetry durable clock",
    "lifecycle",
    "types",
];

/// Imports within one rank: a peer is known by its certificate.
const LEVEL: &[(&str, &str)] = &[("rpc", "pki")];

/// What no pure core may name: time, disk, network, async, logging, randomness, environment.
#[rustfmt::skip]
const IMPURE: &[&str] = &[
    "tokio", "tracing", "SystemTime", "Instant", "std::fs", "std::net",
    "std::env", "std::process", "std::thread", "ring::rand", "async ", ".await",
];

/// What changes a file, and who besides `durable` does that: the lock is made and never written, and a socket is no file.
#[rustfmt::skip]
const WRITES: &[&str] = &[
    "fs::write", "fs::rename", "fs::copy", "fs::create_dir", "fs::remove_", "fs::set_permissions",
    "fs::hard_link", "fs::symlink", "File::create", "OpenOptions::new", "DirBuilder",
];
const MAY_WRITE: &[&str] = &["keystore/lock.rs", "rpc/admin_socket.rs"];

/// Crates that one module wraps for all others.
const WRAPPED: &[(&str, &str)] = &[
    ("clap::", "cli"),
    ("josekit::", "crypto"),
    ("p12_keystore::", "outputs"),
    ("prometheus::", "telemetry"),
    ("sd_notify::", "telemetry"),
    ("serde_json_canonicalizer::", "audit"),
    ("sled::", "keystore"),
];

const MAX_LINES: usize = 400;

/// One file under `src`.
struct Source {
    /// Below `src`.
    path: String,
    whole: String,
    /// Without comments and tests.
    product: String,
    /// The tests in it, without comments.
    tests: String,
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let whole = fs::read_to_string(file).unwrap();
        let code: Vec<&str> = whole.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let (product, tests) = if is_test(&path) {
            ("", code.as_str())
        } else {
            code.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((&code, ""))
        };
        Self {
            product: product.to_owned(),
            tests: tests.to_owned(),
            path,
            whole,
        }
    }

    /// `x` for both `x.rs` and what is in `x/`.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The module path of the file's content.
    fn module_path(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.path.strip_suffix(".rs").unwrap().split('/').collect();
        names.pop_if(|name| *name == "mod");
        names
    }
}

/// A file that is compiled for tests only.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    path.contains("/tests/")
        || ["tests.rs", "testing.rs", "samples.rs", "small_disk.rs"].contains(&name)
        || name.ends_with("_tests.rs")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<Source> {
    let root = repository().join("src");
    let files = files_under(&root, ".rs");
    assert!(files.len() > 100, "the sources are not where they should be");
    files.iter().map(|file| Source::read(&root, file)).collect()
}

/// The modules that `code` names after `krate::`, also in braces.
fn imports(code: &str, krate: &str) -> BTreeSet<String> {
    let prefix = format!("{krate}::");
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(&prefix) {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(rest.chars().take_while(|c| is_name(*c)).collect());
            continue;
        };
        let mut depth = 0;
        let mut name = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(found.insert(std::mem::take(&mut name))),
                c if depth == 0 && !c.is_whitespace() => name.push(c),
                _ => {}
            }
        }
        found.insert(name);
        found = found
            .iter()
            .map(|path| path.split("::").next().unwrap().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
    }
    found
}

fn table(rows: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    let pairs = rows.iter().flat_map(|(from, to)| to.split(' ').map(move |to| (*from, to)));
    pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect()
}

fn edges<'a>(code: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for (module, code) in code {
        let krate = if module == "main" { "jkeys" } else { "crate" };
        let others = imports(code, krate).into_iter().filter(|name| name != module);
        edges.extend(others.map(|name| (module.to_owned(), name)));
    }
    edges
}

fn assert_same(what: &str, found: &BTreeSet<(String, String)>, allowed: &BTreeSet<(String, String)>) {
    let new: Vec<_> = found.difference(allowed).collect();
    let gone: Vec<_> = allowed.difference(found).collect();
    assert!(new.is_empty(), "{what}: imports that the table doesn't allow: {new:?}");
    assert!(
        gone.is_empty(),
        "{what}: nobody imports this any more, so take it out of the table: {gone:?}"
    );
}

#[test]
fn modules_import_what_the_table_says_and_nothing_else() {
    let sources = sources();
    // lib.rs names every module; that is no import.
    let parts = || sources.iter().filter(|source| source.path != "lib.rs");
    let product = edges(parts().map(|source| (source.module(), source.product.as_str())));
    assert_same("product", &product, &table(IMPORTS));
    let tests = edges(parts().map(|source| (source.module(), source.tests.as_str())));
    let only_tests = tests.difference(&product).cloned().collect();
    assert_same("tests", &only_tests, &table(TESTS_IMPORT));
}

#[test]
fn the_table_points_downwards() {
    let ranks: BTreeMap<&str, usize> = RANKS
        .iter()
        .enumerate()
        .flat_map(|(rank, names)| names.split(' ').map(move |name| (name, rank)))
        .collect();
    for (from, to) in IMPORTS.iter().flat_map(|(from, to)| to.split(' ').map(move |to| (*from, to))) {
        let level = LEVEL.contains(&(from, to));
        assert!(level || ranks[from] < ranks[to], "{from} must not import {to}");
    }
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        assert!(ranks.contains_key(source.module()), "{} has no rank", source.module());
    }
}

#[test]
fn no_path_climbs_out_of_its_module() {
    for source in sources() {
        let own = source.module_path();
        let in_core = own.get(1) == Some(&"core");
        for (code, inner) in [(&source.product, 0), (&source.tests, 1)] {
            let climb = code
                .split("super::")
                .skip(1)
                .fold((0, 0), |(run, most): (usize, usize), rest| {
                    let run = run + 1;
                    (if rest.is_empty() { run } else { 0 }, most.max(run))
                });
            let stays = own.len() + inner - usize::from(in_core);
            assert!(
                climb.1 < stays,
                "{} climbs out of its module by super::; write crate::",
                source.path
            );
        }
    }
}

#[test]
fn the_cores_are_pure() {
    for (core, allowed) in CORES_IMPORT {
        let own = core.split('/').next().unwrap();
        let all = sources();
        let of_core: Vec<_> = all
            .iter()
            .filter(|source| source.path.starts_with(&format!("{core}/")))
            .collect();
        assert!(!of_core.is_empty(), "{core} is gone");
        for source in of_core {
            for word in IMPURE {
                let named = source.product.contains(word) || source.tests.contains(word);
                assert!(!named, "{} names {word:?}", source.path);
            }
            for name in imports(&source.product, "crate") {
                let from_itself = name == own && (own == *core || !leaves_core(&source.product, own));
                assert!(
                    from_itself || allowed.split(' ').any(|allowed| allowed == name),
                    "{} imports {name}",
                    source.path
                );
            }
        }
    }
}

/// Whether `code` names something of its own role that is not of the core.
fn leaves_core(code: &str, role: &str) -> bool {
    let prefix = format!("crate::{role}::");
    code.match_indices(&prefix)
        .any(|(at, _)| !code[at + prefix.len()..].starts_with("core::"))
}

#[test]
fn only_durable_changes_files() {
    for source in sources() {
        let may = source.module() == "durable" || MAY_WRITE.contains(&source.path.as_str());
        for word in WRITES {
            assert!(may || !source.product.contains(word), "{} names {word}", source.path);
        }
    }
}

#[test]
fn one_module_wraps_each_of_these_crates() {
    for source in sources() {
        for (krate, module) in WRAPPED {
            let may = source.module() == *module || (*krate == "clap::" && source.module() == "main");
            assert!(may || !source.product.contains(krate), "{} names {krate}", source.path);
        }
    }
}

#[test]
fn files_are_short() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        let lines = source.whole.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{} has {lines} lines, but at most {MAX_LINES} are allowed",
            source.path
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        assert!(source.whole.starts_with("//! "), "{} has no module doc", source.path);
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = [
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    let folders = ["src", "tests", "benches", "proto", "scripts", "deploy"];
    for file in folders.iter().flat_map(|folder| files_under(&repository().join(folder), "")) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for mark in marks {
            assert!(!text.contains(mark), "{} holds {mark}", file.display());
        }
    }
}

#[test]
fn the_map_names_every_folder() {
    let map = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    for top in ["src", "proto", "deploy", "tests", "scripts", "benches"] {
        for file in files_under(&repository().join(top), "") {
            let folder = file
                .parent()
                .unwrap()
                .strip_prefix(repository())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let hidden = ["/.", "__pycache__", "node_modules"].iter().any(|part| folder.contains(part));
            let parts_of_tests = folder.starts_with("src/") && is_test(&format!("{folder}/"));
            let named = map.contains(&format!("`{folder}/`"));
            assert!(hidden || parts_of_tests || named, "ARCHITECTURE.md does not name {folder}/");
        }
    }
}

/// A word in backticks with two underscores or more is a test, unless a setting or a crate is called so.
#[test]
fn every_test_that_a_document_names_is_there() {
    let folders = ["src", "tests"];
    let files = folders
        .iter()
        .flat_map(|folder| files_under(&repository().join(folder), ".rs"));
    let code: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let mut seen = 0;
    for document in ["ARCHITECTURE.md", "SECURITY.md"] {
        let text = fs::read_to_string(repository().join(document)).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_other = code.contains(&format!("pub {name}: ")) || manifest.contains(&format!("\n{name} = "));
            if !is_name || name.matches('_').count() < 2 || is_other {
                continue;
            }
            assert!(
                code.contains(&format!("fn {name}(")),
                "{document} names a test that is not there: {name}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} names were found");
}

/// "Step 5, epoch" in the comments of the agent is the row "| 5 epoch |" of SECURITY.md.
#[test]
fn the_steps_of_a_node_are_numbered_alike_in_code_and_document() {
    let mut in_code = BTreeSet::new();
    for file in files_under(&repository().join("src/agent"), ".rs") {
        let text = fs::read_to_string(file).unwrap().replace("//!", "").replace("///", "");
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        for rest in words.to_lowercase().split("step ").skip(1) {
            let Some((number, name)) = rest.split_once(", ") else {
                continue;
            };
            if number.parse::<u32>().is_ok() {
                let end = name.find([':', '.', ',']).unwrap_or(name.len());
                in_code.insert(format!("{number} {}", &name[..end]));
            }
        }
    }
    let text = fs::read_to_string(repository().join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("\n## How a node takes a generation\n").unwrap();
    let rows = table
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let steps = rows
        .filter_map(|row| row.split(" |").next())
        .filter(|step| step.starts_with(|c: char| c.is_ascii_digit()));
    let in_document: BTreeSet<String> = steps.map(str::to_owned).collect();
    assert_eq!(in_code, in_document);
    assert_eq!(in_document.len(), 16);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let map = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let mut in_dependencies = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            in_dependencies = section.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (in_dependencies, line.split_once(" = ")) {
            assert!(
                map.contains(&format!("| `{name}` |")),
                "ARCHITECTURE.md does not say what {name} is for"
            );
        }
    }
}
