//! Engines in the environment and in files: which one is chosen, and what is wrong with them.

use std::fs;

use crate::config::{Endpoint, Settings, Severity, Snapshot};

fn load(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let told = |all: Vec<crate::config::Diagnostic>| {
        let errors = all
            .into_iter()
            .filter(|one| one.severity == Severity::Error);
        errors.map(|one| one.to_string()).collect()
    };
    Settings::load(&Snapshot::from_iter(variables.iter().copied())).map_err(told)
}

fn file(text: &str) -> Result<Settings, Vec<String>> {
    load(&[("CONFIG_DATA", text)])
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

/// The engine of each endpoint's policy.
fn chosen(settings: &Settings) -> Vec<String> {
    let of = |one: &Endpoint| {
        let policy = settings.policies.get(one.policy).expect("a policy");
        let engine = policy.engine_at(one, &settings.engine);
        format!("{} {}", engine.name, engine.address)
    };
    settings.endpoints.iter().map(of).collect()
}

const TWO: &str = "engines: { nas: \"tcp://localhost:1\", old: unix:///old.sock }\n";

#[test]
fn a_policy_chooses_before_its_endpoint_and_that_before_the_environment() {
    let text = format!(
        "{TWO}policies:\n  own: {{ ENGINE: nas }}\n  back: {{ ENGINE: default }}\n  none: {{}}\n"
    );
    let text = text.replace("  none: {}\n", "  any: {}\n")
        + "endpoints:\n\
           - { listen: \"unix:///a\", policy: own }\n\
           - { listen: \"unix:///b\", policy: own, engine: old }\n\
           - { listen: \"unix:///c\", policy: any, engine: old }\n\
           - { listen: \"unix:///d\", policy: any }\n\
           - { listen: \"unix:///e\", policy: back, engine: old }\n";
    let settings = load(&[("CONFIG_DATA", &text), ("SOCKET_PATH", "/x")]).expect("settings");
    let [nas, old, default] = ["nas tcp://localhost:1", "old /old.sock", "default /x"];
    assert_eq!(chosen(&settings), [nas, nas, old, default, default]);
    let used: Vec<String> = settings.engines().iter().map(ToString::to_string).collect();
    assert_eq!(
        used,
        ["the engine nas", "the engine old", "the engine default"]
    );
    assert_eq!(warnings(&settings), [""; 0]);
}

#[test]
fn the_environment_s_policy_can_have_an_engine_of_a_file() {
    let settings = load(&[("CONFIG_DATA", TWO), ("ENGINE", "old"), ("PING", "1")]);
    let settings = settings.expect("settings");
    assert_eq!(chosen(&settings), ["old /old.sock"]);
    assert!(warnings(&settings)[0].contains("engines.nas is not used"));
    // Without a file, it has no name.
    let alone = load(&[]).expect("settings");
    assert_eq!(alone.engine.to_string(), "the engine");
}

#[test]
fn all_mistakes_are_told_with_their_places() {
    let text = "\
engines:
  a: ssh://nas
  b: { address: \"tcp://nas\" }
  c: { address: unix:///x, ca: /ca.pem, key: /k }
  d: { address: \"tcp://nas:1\", cert: /c }
  e: { address: \"tcp://nas:1\", cert: /c, key: /k }
  f: { address: \"tcp://nas:1\", ca: /nowhere/ca.pem }
  g: { ca: /c }
  Default: unix:///x
  a b: unix:///x
  h: { address: unix:///x, port: 1 }
policies:
  p: { ENGINE: aa }
  q: { ENGINE: '' }
  r: { ENGINE_CA: /x }
endpoints:
- { listen: \"unix:///s\", policy: p, engine: z }
- { listen: \"unix:///t\", policy: q }
- { listen: \"unix:///u\", policy: r }
- { listen: \"unix:///x\" }
";
    let told = file(text).expect_err("mistakes");
    for (line, one) in [
        (2, "engines.a.address: ssh://nas is not an absolute path"),
        (3, "engines.b.address: tcp://nas has no port"),
        (
            4,
            "engines.c.ca: the engine is at a Unix socket, which has no TLS",
        ),
        (
            4,
            "engines.c.key: the engine is at a Unix socket, which has no TLS",
        ),
        (5, "engines.d.cert: it is set without engines.d.key"),
        (6, "engines.e.cert: it is set without engines.e.ca"),
        (
            7,
            "engines.f.ca: /nowhere/ca.pem cannot be read: No such file",
        ),
        (8, "engines.g has no address"),
        (
            9,
            "the engine name Default stands for the one at SOCKET_PATH",
        ),
        (10, "invalid engine name"),
        (
            11,
            "unknown key engines.h.port; use one of address, ca, cert, key",
        ),
        (11, "engines.h: /x is dockgate's own endpoint"),
        (13, "policies.p.ENGINE=aa: unknown engine"),
        (14, "policies.q.ENGINE is empty"),
        (15, "policies.r.ENGINE_CA applies to the whole process"),
        (17, "endpoints[0].engine: unknown engine z"),
    ] {
        let wanted = format!("CONFIG_DATA:{line}: {one}");
        let found = told.iter().filter(|told| told.starts_with(&wanted)).count();
        assert_eq!(found, 1, "{wanted}\n{told:#?}");
    }
    assert_eq!(told.len(), 16, "{told:#?}");
}

#[test]
fn two_engines_have_two_names() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("a.yml", "engines: { nas: unix:///a, x: unix:///b }"),
        ("b.yml", "engines: { NAS: unix:///a, x: unix:///b }"),
    ] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let folder = folder.path().to_str().expect("a plain path");
    let told = load(&[("CONFIG_DIR", folder)]).expect_err("mistakes");
    assert!(told[0].contains("b.yml:1: the engine name NAS differs only in case from nas at "));
    assert!(
        told[1].contains("b.yml:1: duplicate engine x, also at "),
        "{told:?}"
    );
}

#[test]
fn no_engine_is_dockgate_itself() {
    let text = "engines: { a: \"tcp://localhost:2375\", b: unix:///s }\n\
                policies: { p: { ENGINE: a }, q: { ENGINE: b } }\n\
                endpoints:\n- { listen: \"tcp://[::]:2375\", policy: p }\n\
                - { listen: \"unix:///s\", policy: q }\n";
    assert_eq!(
        file(text).expect_err("mistakes"),
        [
            "CONFIG_DATA:1: engines.a: tcp://localhost:2375 is dockgate's own endpoint; use the \
             address of the engine, not tcp://[::]:2375",
            "CONFIG_DATA:1: engines.b: /s is dockgate's own endpoint; use the address of the \
             engine, not unix:///s",
        ]
    );
    for own in ["tcp://127.0.0.1:2375", "tcp://[::1]:2375"] {
        let told = load(&[("SOCKET_PATH", own)]).expect_err("a mistake");
        assert!(
            told[0].contains("LISTEN covers ") && told[0].contains("the engine's own address"),
            "{told:?}"
        );
    }
}

#[test]
fn what_crosses_the_network_openly_is_warned_about() {
    for (address, is_open) in [
        ("/x", false),
        ("tcp://localhost:1", false),
        ("tcp://127.0.0.9:1", false),
        ("tcp://nas:1", true),
        ("tcp://10.0.0.1:1", true),
    ] {
        let settings = load(&[("SOCKET_PATH", address)]).expect("settings");
        let open = "the connection is not encrypted";
        let warned = warnings(&settings).iter().any(|one| one.contains(open));
        assert_eq!(warned, is_open, "{address}");
        let text =
            format!("engines: {{ nas: \"{address}\" }}\npolicies: {{ p: {{ ENGINE: nas }} }}\n");
        let settings = file(&(text + "endpoints: [{ listen: \"unix:///s\", policy: p }]\n"));
        let warned = warnings(&settings.expect("settings"));
        let wanted = format!("CONFIG_DATA:1: engines.nas.address: {address}: {open}");
        assert_eq!(warned.iter().any(|one| one.starts_with(&wanted)), is_open);
    }
}
