//! The limits as settings, as other proxies have them, and with any text.

use std::collections::BTreeSet;

use dockgate::api::fields::BODIES;
use dockgate::api::sections::LIMITED;
use dockgate::body::Place;
use dockgate::body::facts::Facts;
use dockgate::body::json::{Limits as Size, read as read_body};
use dockgate::body::limits::{Limits, Mistake, Ruling};
use dockgate::body::reach::{Engine, asked};
use dockgate::config::SETTINGS;
use proptest::prelude::*;

/// Each has a setting with a word on what it is for, and a route on which it holds.
#[test]
fn each_limit_is_a_setting_that_is_not_ignored() {
    let own = |name: &&str| Limits::VARIABLES.contains(name);
    let names: Vec<&str> = SETTINGS.iter().map(|one| one.name).filter(own).collect();
    assert_eq!(names, Limits::VARIABLES);
    let held: BTreeSet<&str> = LIMITED.iter().flat_map(|one| one.limits).copied().collect();
    assert_eq!(held, Limits::VARIABLES.iter().copied().collect());
    for setting in SETTINGS.iter().filter(|one| own(&one.name)) {
        assert!(!setting.doc.is_empty(), "{}", setting.name);
    }
}

/// Limits of which one is set.
fn read(variable: &str, text: &str) -> Result<Limits, Vec<(&'static str, Mistake)>> {
    Limits::read(true, |name| (name == variable).then_some(text))
}

/// Some texts that are nearly entries.
fn entries() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/",
        "/srv",
        "/ci",
        "/**",
        "*",
        "**",
        ":",
        ":ro",
        "@",
        "=",
        "-",
        ".",
        "..",
        "0",
        "1000",
        "none",
        "host",
        "container:",
        "network:",
        "docker.io",
        "sha256:",
        "nvidia",
        "label:",
        "[",
        "]",
        "\"",
        "a",
        "é",
        "CAP_",
        " ",
        "\n",
        ",",
        "2g",
        "1.5",
        "seccomp",
        "nonroot",
        "\u{0}",
    ]);
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text is too odd to be read or refused, and what is read is shown so that it can be read
    /// again.
    #[test]
    fn what_is_shown_is_what_was_read(text in entries()) {
        for variable in Limits::VARIABLES {
            let read = |text: &str| read(variable, text);
            match read(&text) {
                Ok(limits) => {
                    let set = limits.set();
                    prop_assert_eq!(set.len(), 1);
                    prop_assert_eq!(set[0].0, *variable);
                    let again = read(&set[0].1);
                    prop_assert!(again.is_ok(), "{} {:?} {:?}", variable, text, set);
                    prop_assert_eq!(again.expect("limits").set(), set);
                }
                Err(mistakes) => {
                    prop_assert!(!mistakes.is_empty());
                    for (own, mistake) in mistakes {
                        prop_assert_eq!(own, *variable);
                        prop_assert!(!mistake.to_string().contains('\n'));
                    }
                }
            }
        }
    }

    /// A path passes if and only if a component-wise reading of the entries says so.
    #[test]
    fn only_listed_paths_are_mounted(
        own in prop::collection::vec("(/(a|b|ab)){1,3}", 1..3),
        below in any::<bool>(),
        asked_path in "(/{1,2}(a|b|ab|\\.|\\.\\.)){1,5}/?",
    ) {
        let text: Vec<String> = own
            .iter()
            .map(|path| if below { format!("{path}/**:ro") } else { format!("{path}:ro") })
            .collect();
        let limits = read("BIND_FROM", &text.join(",")).expect("a list");
        let create = BODIES.iter().find(|body| body.route.text == "POST /containers/create");
        let create = create.expect("a body");
        let body = format!(r#"{{"HostConfig":{{"Binds":["{asked_path}:/x:ro"]}}}}"#);
        let tree = read_body(body.as_bytes(), Size::default(), Place::of(create)).expect("a body");
        let claims = asked(create, &tree, &Engine::default()).expect("few claims");
        let parts = |path: &str| {
            let mut parts: Vec<String> = Vec::new();
            for part in path.split('/') {
                match part {
                    "" | "." => {}
                    ".." => { parts.pop(); }
                    part => parts.push(part.to_owned()),
                }
            }
            parts
        };
        let wanted = parts(&asked_path);
        let expected = own.iter().any(|path| {
            let path = parts(path);
            if below { wanted.starts_with(&path) } else { wanted == path }
        });
        let none = Facts::default();
        let mut rulings = claims.iter().map(|claim| limits.ruling(claim, &none));
        let allowed = rulings.all(|ruling| matches!(ruling, Ruling::Allowed | Ruling::Silent));
        prop_assert_eq!(allowed, expected);
    }
}
