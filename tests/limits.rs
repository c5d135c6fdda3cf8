//! The limits as settings, as other proxies have them, and with any text.

use dockgate::api::fields::{BODIES, Body};
use dockgate::api::{Method, Target};
use dockgate::body::facts::{Answer, Fact, Facts};
use dockgate::body::json::Limits as Size;
use dockgate::body::limits::{BindFrom, Excess, Limits, Mistake};
use dockgate::body::reach::Engine;
use dockgate::body::{Asked, asked};
use dockgate::config::{Dialect, SETTINGS};
use proptest::prelude::*;
use serde_json::Value;

/// Until a limit is enforced, its setting keeps dockgate from starting.
#[test]
fn each_limit_is_a_setting_that_is_not_ignored() {
    let unsupported = SETTINGS
        .iter()
        .filter(|one| one.dialect == Dialect::Sections && !one.supported);
    let names: Vec<&str> = unsupported.map(|one| one.name).collect();
    assert_eq!(names, Limits::VARIABLES);
}

/// What the limits say of a body, if all volumes are plain ones and no container is known.
fn judged(limits: &Limits, body: &'static Body, asked: &Asked) -> Vec<Excess> {
    let mut facts = Facts::default();
    for fact in limits.needs((body, &asked.tree), &asked.claims, None, &facts) {
        if matches!(fact, Fact::Volume(_)) {
            facts.learn(fact, Answer::Missing(String::new()));
        }
    }
    limits.judge(body, &asked.tree, &asked.claims, &facts)
}

/// What `wollomatic/socket-proxy` refuses and BIND_FROM does not, by their IDs.
const HARMLESS: [(&str, &str); 4] = [
    ("14", "one path alone is an anonymous volume"),
    ("15", "one path alone is an anonymous volume"),
    ("16", "the engine refuses an empty one"),
    ("93", "an update has no HostConfig to the engine"),
];

/// What it lets pass and BIND_FROM does not.
const REFUSED: [(&[&str], &str); 6] = [
    (
        &["17", "18", "19", "20", "21", "22", "23"],
        "a source that is neither a path nor a name: the engine refuses it itself",
    ),
    (
        &["32", "33", "34", "36", "37", "38", "39", "41", "42", "56"],
        "a mount of an unknown type, or a source that is none: the engine refuses it itself",
    ),
    (
        &["48", "49", "50", "53", "54", "55", "113", "114"],
        "a local volume that mounts something else than a folder that is listed",
    ),
    (&["52", "111"], "a volume driver that could mount anything"),
    (&["62"], "a field twice, of which engines could take either"),
    (
        &["88", "96", "120"],
        "a HostConfig where the engine has none: it could be one to another engine",
    ),
];

#[test]
fn binds_are_limited_as_another_proxy_limits_them() {
    let rows = include_str!("conformance/wollomatic.jsonl").lines();
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in rows.map(|row| serde_json::from_str::<Value>(row).expect("a row")) {
        let id = row["id"].as_str().expect("an id");
        let request = &row["request"];
        let args = row["config"]["args"].as_array().into_iter().flatten();
        let mut args = args.filter_map(Value::as_str);
        let text = args.find_map(|arg| arg.strip_prefix("-allowbindmountfrom="));
        let (Some(text), Some(bytes)) = (text, request["body"].as_str()) else {
            continue;
        };
        let line = request["target"].as_str().unwrap_or_default();
        let target = Target::from_line("POST", line);
        let body = target
            .ok()
            .and_then(|target| Body::of(Method::Post, &target));
        let (Some(body), Ok(folders)) = (body, BindFrom::folders(text)) else {
            continue;
        };
        let mut limits = Limits::read(false, |_| None).expect("no limit");
        limits.bind_from.entries = Some(folders);
        let passes = match asked(body, bytes.as_bytes(), Size::default(), &Engine::default()) {
            Ok(asked) => judged(&limits, body, &asked).is_empty(),
            Err(_) => false,
        };
        let passed = row["expect"]["decision"] == "allow";
        let id = id.strip_prefix("bindmount/").unwrap_or(id);
        let expected = match passed {
            true => !REFUSED.iter().any(|(known, _)| known.contains(&id)),
            false => HARMLESS.iter().any(|(known, _)| *known == id),
        };
        compared += 1;
        if passes != expected {
            wrong.push(format!("{id}: {passes}, not {passed}: {line} {bytes}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 100, "{compared}");
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
        let asked = asked(create, body.as_bytes(), Size::default(), &Engine::default());
        let asked = asked.expect("a body");
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
        prop_assert_eq!(judged(&limits, create, &asked).is_empty(), expected);
    }
}
