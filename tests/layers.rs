//! The layer rule of the crate: which module may name which.

use std::{fs, path::Path};

/// Each module, with the modules of the crate that it may name besides itself.
const MAY_SEE: [(&str, &[&str]); 8] = [
    ("api", &[]),
    ("policy", &["api"]),
    ("body", &["api"]),
    ("config", &["api", "policy"]),
    ("observe", &["config"]),
    ("learn", &["api", "policy", "config"]),
    ("proxy", &["api", "policy", "config", "observe", "learn"]),
    (
        "cli",
        &["api", "policy", "config", "observe", "learn", "proxy"],
    ),
];

/// What the pure layers may name of other crates.
const PURE: [(&str, &[&str]); 5] = [
    ("api", &["http"]),
    ("body", &["serde_json"]),
    ("learn", &[]),
    ("policy", &["regex", "regex_automata", "regex_syntax"]),
    ("config", &["envy", "once_cell", "serde", "strsim"]),
];

fn sources(module: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path.display().to_string(), text));
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let file = src.join(format!("{module}.rs"));
    if let Ok(text) = fs::read_to_string(&file) {
        found.push((file.display().to_string(), text));
    }
    if src.join(module).is_dir() {
        collect(&src.join(module), &mut found);
    }
    assert!(!found.is_empty(), "no module {module}");
    found
}

/// The code without its comments, as one line, so that a path is found wherever it is broken.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join(" ")
}

/// Every module named after `crate::`, in a group too.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        let word = |text: &str| {
            let end = text
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(text.len());
            text[..end].to_owned()
        };
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut at_start = true;
            for (at, letter) in group.char_indices() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    ' ' => {}
                    _ if at_start => {
                        names.push(word(&group[at..]));
                        at_start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(after));
        }
    }
    names
}

/// Path's own Display writes control bytes into the log, and hides a blank at the end.
#[test]
fn no_path_is_shown_as_it_is() {
    for (module, _) in MAY_SEE {
        for (file, text) in sources(module) {
            let raw = code(&text).contains(".display()");
            assert!(
                !raw,
                "{file}: write config::shown_path instead of .display()"
            );
        }
    }
}

#[test]
fn no_module_names_one_above_it() {
    let modules = MAY_SEE.map(|(module, _)| module);
    let lib = include_str!("../src/lib.rs");
    let mut own: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .collect();
    own.retain(|module| !modules.contains(&module.trim_end_matches(';')));
    assert!(own.is_empty(), "no layer is known for {own:?}");
    for (module, may_see) in MAY_SEE {
        for (file, text) in sources(module) {
            assert!(
                !text.contains("super::super::"),
                "{file}: write crate:: instead"
            );
            for name in named(&code(&text)) {
                let fine = name == module || may_see.contains(&name.as_str());
                assert!(
                    fine,
                    "{file} names crate::{name}, which {module} may not see"
                );
                assert!(
                    modules.contains(&name.as_str()),
                    "{file} names an unknown crate::{name}"
                );
            }
        }
    }
}

#[test]
fn the_pure_layers_name_no_other_crates() {
    for (module, may_use) in PURE {
        for (file, text) in sources(module) {
            let code = code(&text);
            for used in code
                .split("; ")
                .filter_map(|item| item.trim().strip_prefix("use "))
            {
                let root = used.split("::").next().unwrap_or(used);
                let own = ["std", "crate", "super", "self"].contains(&root);
                // A `pub use` of a sibling is no `use ` at the start of an item.
                let sibling = text.contains(&format!("mod {root};"));
                assert!(
                    own || sibling || may_use.contains(&root),
                    "{file} uses {root}"
                );
            }
        }
    }
}

/// A policy that protects nothing is made in one place, where somebody asked for it.
#[test]
fn only_the_settings_take_the_protection_away() {
    let modules = MAY_SEE.iter().flat_map(|(module, _)| sources(module));
    let calls = modules.filter(|(_, text)| code(text).contains(".unprotected("));
    let files: Vec<String> = calls.map(|(file, _)| file).collect();
    assert!(
        matches!(&*files, [file] if file.ends_with("src/config/settings.rs")),
        "{files:?}"
    );
}

#[test]
fn names_are_found_however_they_are_written() {
    let code = code(
        "use crate::{\n api::{Target, x},\n policy,\n};\n// crate::no\nlet a = crate::proxy::b;",
    );
    assert_eq!(named(&code), ["api", "policy", "proxy"]);
}
