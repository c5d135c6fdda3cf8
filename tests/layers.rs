//! The layer rule of the crate: which module may name which.
//!
//! Sources are read as the compiler's own tokens, and each path that begins with `crate`, `super` or
//! `self` is followed to the module of the crate that it names. What could not be followed is not
//! allowed: another name for the crate's root, and code that lies elsewhere.

use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Each module, with the modules of the crate that it may name besides itself.
const MAY_SEE: [(&str, &[&str]); 10] = [
    ("api", &[]),
    ("policy", &["api"]),
    ("body", &["api", "policy"]),
    ("clients", &["body"]),
    ("tls", &["clients"]),
    ("config", &["api", "policy", "body", "clients", "tls"]),
    ("observe", &["policy"]),
    ("learn", &["api", "policy", "body", "config"]),
    (
        "proxy",
        &[
            "api", "policy", "body", "clients", "tls", "config", "observe", "learn",
        ],
    ),
    (
        "cli",
        &[
            "api", "policy", "body", "clients", "config", "observe", "learn", "proxy",
        ],
    ),
];

/// What the pure layers may name of other crates.
const PURE: [(&str, &[&str]); 6] = [
    ("api", &["http", "memchr"]),
    ("body", &["cel", "memchr", "regex", "serde", "serde_json"]),
    ("learn", &[]),
    (
        "policy",
        &["http", "memchr", "regex", "regex_automata", "regex_syntax"],
    ),
    ("clients", &["humantime", "serde", "serde_json"]),
    (
        "config",
        &[
            "envy",
            "once_cell",
            "rustix",
            "rustls",
            "saphyr_parser",
            "serde",
            "strsim",
        ],
    ),
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

/// The tokens of a source, without its comments: words, signs and brackets. `::` is one of them.
fn tokens(text: &str) -> Vec<String> {
    fn flatten(stream: TokenStream, flat: &mut Vec<String>) {
        for tree in stream {
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::Brace | Delimiter::None => ("{", "}"),
                    };
                    flat.push(open.to_owned());
                    flatten(group.stream(), flat);
                    flat.push(close.to_owned());
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => match flat.last_mut() {
                    Some(last) if last == ":" => last.push(':'),
                    _ => flat.push(":".to_owned()),
                },
                other => flat.push(other.to_string()),
            }
        }
    }
    let mut flat = Vec::new();
    flatten(text.parse().expect("tokens"), &mut flat);
    flat
}

/// The module that a source is: `["policy", "tree"]` for `src/policy/tree.rs`.
fn module_of(file: &str) -> Vec<&str> {
    let (_, path) = file.rsplit_once("/src/").expect("a source of the crate");
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').collect()
}

/// The modules at the crate's root that a source names, or why that cannot be known.
fn named(module: &[&str], text: &str) -> Result<Vec<String>, String> {
    let tokens = tokens(text);
    let at = |index: usize| tokens.get(index).map_or("", String::as_str);
    let mut names = Vec::new();
    let mut module = module.to_vec();
    let mut depth = 0_usize;
    // The depths at which the modules inside the file begin.
    let mut inner = Vec::new();
    for index in 0..tokens.len() {
        let before = index.checked_sub(1).map_or("", at);
        match (before, at(index), at(index + 1)) {
            (_, "{", _) if index > 1 && at(index - 2) == "mod" => {
                module.push(before);
                inner.push(depth);
                depth += 1;
            }
            (_, "{" | "(" | "[", _) => depth += 1,
            (_, "}" | ")" | "]", _) => {
                depth -= 1;
                if inner.last() == Some(&depth) {
                    inner.pop();
                    module.pop();
                }
            }
            ("extern", "crate", _) => return Err("extern crate".to_owned()),
            (_, "dockgate", "::") => return Err("dockgate::".to_owned()),
            ("[", "path", "=") | ("[", "cfg_attr", _) => {
                return Err("code of another path".to_owned());
            }
            (_, "include", "!") if at(index + 3) != "concat" => {
                return Err("code of another file".to_owned());
            }
            ("(", "crate" | "super" | "self", ")") => {} // pub(crate)
            ("::", "super" | "self", _) => {}            // followed from its path's beginning
            (_, "crate", _) => follow(&tokens, index, &[], &mut names)?,
            (_, "super", _) | (_, "self", "::") => follow(&tokens, index, &module, &mut names)?,
            _ => {}
        }
    }
    Ok(names)
}

/// Follows the path that goes on at `index` from the module `base`, into all branches of a group.
fn follow(
    tokens: &[String],
    index: usize,
    base: &[&str],
    names: &mut Vec<String>,
) -> Result<(), String> {
    let at = |index: usize| tokens.get(index).map_or("", String::as_str);
    let base = match at(index) {
        "super" => base.split_last().map(|(_, above)| above),
        "crate" => Some(&[][..]),
        _ => Some(base),
    };
    let base = base.ok_or("a `super` above the crate's root")?;
    match at(index) {
        "crate" | "super" | "self" if at(index + 1) == "::" => {
            follow(tokens, index + 2, base, names)
        }
        "{" => {
            let mut depth = 0_usize;
            for index in index + 1.. {
                match at(index) {
                    "}" if depth == 0 => break,
                    "}" => depth -= 1,
                    _ if depth == 0 && matches!(at(index - 1), "{" | ",") => {
                        follow(tokens, index, base, names)?;
                        depth += usize::from(at(index) == "{");
                    }
                    "{" => depth += 1,
                    _ => {}
                }
            }
            Ok(())
        }
        // Somewhere inside the module itself.
        _ if !base.is_empty() => Ok(()),
        "crate" | "super" | "self" | "*" => Err("another name for the crate's root".to_owned()),
        name => {
            names.push(name.to_owned());
            Ok(())
        }
    }
}

/// The crates that a source names, of those in the manifest.
fn crates(text: &str) -> Result<Vec<String>, String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("a table");
    let (dependencies, _) = dependencies.split_once("\n[").expect("its end");
    let dependencies = dependencies
        .lines()
        .filter_map(|line| line.split_once(" = "));
    let dependencies: Vec<String> = dependencies
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    let tokens = tokens(text);
    let mut names = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| &*tokens[before]);
        let begins_path = tokens.get(index + 1).is_some_and(|next| next == "::") && before != "::";
        if before == "use" && token == "{" {
            return Err("use {".to_owned());
        }
        if (begins_path || before == "use") && dependencies.contains(token) {
            names.push(token.clone());
        }
    }
    Ok(names)
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
    let own = lib.lines().filter_map(|line| {
        let module = line.strip_suffix(';')?.split_once("mod ")?.1;
        (!modules.contains(&module)).then_some(module)
    });
    let own: Vec<&str> = own.collect();
    assert!(own.is_empty(), "no layer is known for {own:?}");
    for (module, may_see) in MAY_SEE {
        for (file, text) in sources(module) {
            let names = named(&module_of(&file), &text);
            for name in names.unwrap_or_else(|what| panic!("{file} has {what}")) {
                let fine = name == module || may_see.contains(&name.as_str());
                assert!(
                    fine,
                    "{file} names crate::{name}, which {module} may not see"
                );
            }
        }
    }
}

#[test]
fn the_pure_layers_name_no_other_crates() {
    for (module, may_use) in PURE {
        for (file, text) in sources(module) {
            let crates = crates(&text).unwrap_or_else(|what| panic!("{file} has {what}"));
            for used in crates {
                assert!(may_use.contains(&&*used), "{file} uses {used}");
            }
        }
    }
}

#[test]
fn names_are_found_however_they_are_written() {
    for (text, expected) in [
        (
            "use crate::{\n api::{Target, x},\n policy,\n};",
            "api policy",
        ),
        (
            "// crate::no\nlet a = crate /* */ :: proxy::b; /// crate::no",
            "proxy",
        ),
        (
            "use crate::{config::{self, a::{b, c}}, {learn::d}, proxy as p};",
            "config learn proxy",
        ),
        (
            "pub(crate) fn f() -> crate::api::X { \"crate::no\" }",
            "api",
        ),
        (
            "pub(in crate::policy) use self::super::super::proxy::X;",
            "policy proxy",
        ),
        ("use super::{super::proxy, d};", "proxy"),
        ("use super::super::{cli, proxy::X};", "cli proxy"),
        ("use super::X; use self::tests::Y;", ""),
        (
            "mod a { use super::X; mod b { use super::super::super::super::cli; } }",
            "cli",
        ),
        ("mod a { mod b {} use super::super::super::cli; }", "cli"),
        (
            "macro_rules! m { () => { $crate::observe::log() } }",
            "observe",
        ),
        ("mod tests { use super::*; }", ""),
    ] {
        let names = named(&["policy", "tree"], text);
        let names = names.map(|names| names.join(" "));
        assert_eq!(names.as_deref(), Ok(expected), "{text}");
    }
    for text in [
        "use crate as c;",
        "use crate::*;",
        "use crate::{self as c};",
        "use super::super as c;",
        "use super::{super::{proxy::{A, B}, super::C}, d};",
        "use super::super::*;",
        "use super::{super::{self as c}};",
        "extern crate self as c;",
        "use dockgate::proxy;",
        "#[path = \"../proxy/mod.rs\"] mod p;",
        "include!(\"../proxy/mod.rs\");",
    ] {
        assert!(named(&["policy", "tree"], text).is_err(), "{text}");
    }
    assert_eq!(
        named(&["policy"], "use super::proxy;"),
        Ok(vec!["proxy".to_owned()])
    );
    let used = crates("use http::Uri; fn f() { memchr::memchr(); a::bytes::b; } use log as l;");
    assert_eq!(
        used,
        Ok(["http", "memchr", "log"].map(str::to_owned).to_vec())
    );
    assert!(crates("use {tokio as t};").is_err());
}
