//! What the lists say, and what is wrong with them.

use super::*;
use crate::config::file::{self, Source};
use crate::config::{Settings, Snapshot};

fn document(texts: &[&str]) -> Document {
    let source = |(number, text): (usize, &&str)| Source {
        name: format!("/{number}.yml").into(),
        bytes: text.as_bytes().to_vec(),
    };
    let sources: Vec<Source> = texts.iter().enumerate().map(source).collect();
    file::read(&sources).expect("a document")
}

/// Each mutator and each gate, in words.
fn read(texts: &[&str]) -> Vec<String> {
    let middleware = Middleware::of(&document(texts));
    let middleware = middleware.expect("no mistakes").expect("middleware");
    let mutators = middleware.mutators.iter().map(ToString::to_string);
    let gates = middleware.gates.iter().map(ToString::to_string);
    mutators.chain(gates).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = Middleware::of(&document(&[text])).expect_err("mistakes");
    let mistakes = mistakes.iter().map(ToString::to_string);
    let short = mistakes.map(|told| told.replace("/0.yml:", ""));
    short.collect()
}

#[test]
fn every_type_is_read() {
    let text = "
gates:
  - type: readonlyAccess
  - type: readonly
  - type: registry
    registries: [docker.io, 'localhost:5000']
  - { type: namespaceAllowlist, namespaces: [library, ''] }
  - type: mountSource
    allowedSources:
      - /srv/
      - /pre/*
      - label:k=v,k2
  - type: imageLoading
mutators:
  - { type: mountPath, from: /w/x, to: vol/a }
  - type: addLabels
    labels: { team: ci, n: 5, on: true }
  - { type: addToNetwork, networks: [demo] }
  - { type: addTonetwork, networks: [demo, other] }
  - { type: remapImage, from: nginx, to: 'mirror:5000/nginx' }
responseFilters: []
";
    assert_eq!(
        read(&[text]),
        [
            "mountPath: /w/x=vol/a",
            "addLabels: team=ci, n=5, on=true",
            "addToNetwork: demo",
            "addToNetwork: demo, other",
            "remapImage: docker.io/library/nginx:latest=mirror:5000/nginx:latest",
            "readonlyAccess",
            "readonlyAccess",
            "registry: docker.io, localhost:5000",
            "namespaceAllowlist: library, ",
            "mountSource: /srv, /pre/*, label:k=v,k2",
            "imageLoading",
        ]
    );
}

#[test]
fn the_lists_of_all_documents_are_joined() {
    let texts = [
        "gates: [{type: imageLoading}]\npolicies: {a: {}}",
        "mutators: [{type: mountPath, from: /a, to: /b}]",
        "gates: [{type: readonly}]",
    ];
    assert_eq!(
        read(&texts),
        ["mountPath: /a=/b", "imageLoading", "readonlyAccess"]
    );
    assert_eq!(read(&["gates: []"]), [""; 0]);
    let none = Middleware::of(&document(&["policies: {a: {}}"]));
    assert_eq!(none, Ok(None));
}

#[test]
fn what_is_not_a_list_of_entries_is_a_mistake() {
    for (text, told) in [
        (
            "gates: null\nmutators: {}\nresponseFilters: x",
            &[
                "1: gates must be a list; begin each entry with a hyphen, or use [] for none",
                "2: mutators must be a list; begin each entry with a hyphen, or use [] for none",
                "3: responseFilters must be a list; begin each entry with a hyphen, or use [] for none",
            ][..],
        ),
        (
            "gates:\n- null\n- readonly\n- {}\n- {type: [a]}\n- {type: }",
            &[
                "2: gates[0] must be a map of keys; use type: and one of readonlyAccess, registry, \
                 namespaceAllowlist, mountSource, imageLoading",
                "3: gates[1] must be a map of keys; use type: and one of readonlyAccess, registry, \
                 namespaceAllowlist, mountSource, imageLoading",
                "4: gates[2] has no type; add type: and one of readonlyAccess, registry, \
                 namespaceAllowlist, mountSource, imageLoading",
                "5: gates[3].type must be a single value; use one value",
                "6: gates[4].type has no value; add one, or remove the key",
            ],
        ),
    ] {
        assert_eq!(mistakes(text), told, "{text}");
    }
}

#[test]
fn what_is_unknown_is_told_with_the_nearest() {
    for (text, told) in [
        (
            "gates:\n- {type: readonlyaccess}\n- {type: nosuch}\n- {type: addLabels, labels: {a: b}}",
            &[
                "2: gates[0]: unknown type readonlyaccess; did you mean readonlyAccess?",
                "3: gates[1]: unknown type nosuch; use one of readonlyAccess, registry, \
                 namespaceAllowlist, mountSource, imageLoading",
                "4: gates[2]: unknown type addLabels; move it to mutators",
            ][..],
        ),
        (
            "gates:\n- {type: readonlyAccess, allowed: [/auth]}\n- {type: registry, registry: [a]}",
            &[
                "2: unknown key gates[0].allowed of readonlyAccess; remove it",
                "3: unknown key gates[1].registry of registry; use registries",
            ],
        ),
        (
            "mutators: [{type: remapImage, from: a, into: b}]",
            &["1: unknown key mutators[0].into of remapImage; use from and to"],
        ),
        (
            "responseFilters:\n- {type: labelFilter, requiredLabels: {a: b}}\n- {type: labels}",
            &[
                "2: responseFilters[0]: labelFilter is not supported yet; dockgate does not start \
                 with a rule that it cannot apply; remove it",
                "3: responseFilters[1]: unknown type labels; use one of labelFilter",
            ],
        ),
    ] {
        assert_eq!(mistakes(text), told, "{text}");
    }
}

#[test]
fn what_cannot_be_applied_is_a_mistake() {
    for (text, told) in [
        (
            "gates:\n- {type: registry}\n- {type: registry, registries: a}\n- {type: registry, registries: [a/b, '', x]}",
            &[
                "2: gates[0] has no registries; add registries, which registry needs",
                "3: gates[1].registries must be a list; begin each entry with a hyphen, or use [] for none",
                "4: gates[2].registries: a/b is not a registry; use a host such as docker.io or localhost:5000",
                "4: gates[2].registries: \"\" is not a registry; use a host such as docker.io or localhost:5000",
            ][..],
        ),
        (
            "gates:\n- type: mountSource\n  allowedSources:\n  - /ok\n  - /a/../b\n- {type: mountSource, allowedSources: ['a*b']}\n- {type: mountSource, allowedSources: ['label:']}",
            &[
                "5: gates[0].allowedSources: /a/../b is not how the engine reads that path; use /b",
                "6: gates[1].allowedSources: a*b has a wildcard that is not at the end; use * only at the end",
                "7: gates[2].allowedSources: label: has a label without a key; use label:KEY=VALUE",
            ],
        ),
        (
            "mutators:\n- {type: mountPath, from: x, to: /b}\n- {type: mountPath, from: /a}\n- {type: mountPath, from: /a, to: 'v:ro'}",
            &[
                "2: mutators[0].from: x is not an absolute path without colons; use a path such as /workspaces/app",
                "3: mutators[1] has no to; add to, which mountPath needs",
                "4: mutators[2].to: v:ro is neither an absolute path nor a volume, without colons; use a path such as /srv/app, or VOLUME or VOLUME/FOLDER",
            ],
        ),
        (
            "mutators:\n- {type: remapImage, from: BAD IMAGE, to: x}\n- {type: remapImage, from: x, to: [y]}\n- {type: remapImage}",
            &[
                "2: mutators[0].from: \"BAD IMAGE\" has a repository that is not lowercase; use a name such as nginx:1.27",
                "3: mutators[1].to must be a single value; use one value",
                "4: mutators[2] has no from; add from, which remapImage needs",
                "4: mutators[2] has no to; add to, which remapImage needs",
            ],
        ),
        (
            "mutators:\n- {type: addLabels, labels: {}}\n- {type: addLabels, labels: [a]}\n- {type: addLabels, labels: {a: , b: [c]}}\n- {type: addToNetwork, networks: []}",
            &[
                "2: mutators[0].labels is empty; add an entry, or remove it",
                "3: mutators[1].labels must be a map of keys; use KEY: VALUE for each",
                "4: mutators[2].labels.a has no value; add one, or remove the key",
                "4: mutators[2].labels.b must be a single value; use one value",
                "5: mutators[3].networks is empty; add an entry, or remove it",
            ],
        ),
    ] {
        assert_eq!(mistakes(text), told, "{text}");
    }
}

#[test]
fn a_policy_has_its_own() {
    let text = "policies:\n  ci:\n    PING: 1\n    gates:\n    - {type: readonly}\n    mutators: []\n  b: {gates: ~}";
    let document = document(&[text]);
    assert_eq!(Middleware::of(&document), Ok(None));
    let gates = vec![Gate::ReadOnly];
    let ci = Middleware::of_policy(&document.policies[0]);
    let mutators = Vec::new();
    assert_eq!(ci, Ok(Some(Middleware { mutators, gates })));
    let snapshot: Snapshot = [("CONFIG_DATA", text)].into_iter().collect();
    let mistakes = Settings::load(&snapshot).expect_err("mistakes");
    let mistakes = mistakes.iter().filter(|one| one.is_error());
    let mistakes: Vec<String> = mistakes.map(ToString::to_string).collect();
    const LATER: &str =
        "is not supported yet; dockgate does not start with a rule that it cannot apply; remove it";
    assert_eq!(
        mistakes,
        [
            "CONFIG_DATA:7: policies.b.gates must be a list; begin each entry with a hyphen, or use \
             [] for none",
            &format!("CONFIG_DATA:4: policies.ci.gates {LATER}"),
            &format!("CONFIG_DATA:6: policies.ci.mutators {LATER}"),
            &format!("CONFIG_DATA:7: policies.b.gates {LATER}"),
        ]
    );
}

/// Until requests are held to it.
#[test]
fn dockgate_does_not_start_with_middleware() {
    for text in [
        "gates: []",
        "mutators: [{type: addLabels, labels: {a: b}}]",
        "responseFilters: []",
    ] {
        let snapshot: Snapshot = [("CONFIG_DATA", text)].into_iter().collect();
        let mistakes = Settings::load(&snapshot).expect_err("mistakes");
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let key = text.split(':').next().unwrap_or_default();
        assert_eq!(
            mistakes,
            [format!(
                "CONFIG_DATA:1: {key} is not supported yet; dockgate does not start with a rule \
                 that it cannot apply; remove it"
            )]
        );
    }
}

/// Of several variables, the first counts, but only for documents that know no other rule.
#[test]
fn one_variable_overrides_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.yml");
    let told = |text: &str| -> Vec<String> {
        std::fs::write(&file, text).expect("a file");
        let env = [
            ("CONFIG_DATA", "gates: [{type: nosuch}]"),
            ("CONFIG_FILE", file.to_str().expect("a path")),
        ];
        let snapshot: Snapshot = env.into_iter().collect();
        let mistakes = Settings::load(&snapshot).expect_err("mistakes");
        mistakes
            .iter()
            .map(|one| format!("{}: {one}", one.severity))
            .collect()
    };
    let shown = crate::config::shown_path(&file);
    assert_eq!(
        told("gates: [{type: readonly}]"),
        [
            format!(
                "error: {shown}:1: gates is not supported yet; dockgate does not start with a rule \
                 that it cannot apply; remove it"
            ),
            "warning: CONFIG_FILE overrides CONFIG_DATA, which is ignored; unset CONFIG_DATA"
                .to_owned(),
        ]
    );
    for text in ["gates: []\npolicies: {a: {}}", "policies: {a: {}}", ""] {
        assert_eq!(
            told(text),
            [
                "error: CONFIG_FILE and CONFIG_DATA cannot be used together; unset CONFIG_FILE or \
                 CONFIG_DATA"
            ],
            "{text}"
        );
    }
}

#[test]
fn its_variables_say_where_to_listen_and_where_the_engine_is() {
    let load = |env: &[(&str, &str)]| {
        let snapshot: Snapshot = env.iter().copied().collect();
        Settings::load(&snapshot).map_err(|mistakes| {
            let errors = mistakes.iter().filter(|one| one.is_error());
            errors.map(ToString::to_string).collect::<Vec<_>>()
        })
    };
    for (env, listen, mode, engine) in [
        (
            &[("LISTEN_SOCKET_PATH", "/run/x.sock")][..],
            "unix:///run/x.sock",
            0o666,
            "/var/run/docker.sock",
        ),
        (
            &[
                ("LISTEN_SOCKET_PATH", "/run/x.sock"),
                ("LISTEN_MODE", "0600"),
            ],
            "unix:///run/x.sock",
            0o600,
            "/var/run/docker.sock",
        ),
        (
            &[
                ("LISTEN_SOCKET_PATH", "2376"),
                ("FORWARDING_SOCKET_PATH", "/d.sock"),
            ],
            "tcp://[::]:2376",
            0o666,
            "/d.sock",
        ),
        (
            &[("LISTEN_SOCKET_PATH", ""), ("SOCKET_PATH", "/e.sock")],
            "tcp://[::]:2375",
            0o660,
            "/e.sock",
        ),
        // Patterns have other defaults.
        (
            &[("LISTEN_SOCKET_PATH", "/x"), ("SP_ALLOW_GET", "/info")],
            "unix:///x",
            0o666,
            "/var/run/docker.sock",
        ),
    ] {
        let settings = load(env).expect("settings");
        let [endpoint] = settings.endpoints.as_slice() else {
            panic!("{env:?}");
        };
        assert_eq!(endpoint.listen.to_string(), listen, "{env:?}");
        assert_eq!(endpoint.mode, mode, "{env:?}");
        assert_eq!(settings.engine.to_str(), Some(engine), "{env:?}");
    }
    for (env, error) in [
        (
            &[("LISTEN_SOCKET_PATH", "0")][..],
            "LISTEN_SOCKET_PATH=0 must be a whole number from 1 to 65535",
        ),
        (
            &[("LISTEN_SOCKET_PATH", "2375a")],
            "LISTEN_SOCKET_PATH=2375a is not an absolute path to a Unix socket; use a path like \
             /run/dockgate/docker.sock",
        ),
        (
            &[("FORWARDING_SOCKET_PATH", "2375")],
            "FORWARDING_SOCKET_PATH=2375 is not an absolute path to a Unix socket; use a path like \
             /var/run/docker.sock; TCP, SSH and other addresses are not supported",
        ),
        (
            &[("LISTEN_SOCKET_PATH", "/a"), ("LISTEN", "unix:///a")],
            "LISTEN and LISTEN_SOCKET_PATH are both set; use only one of them",
        ),
        (
            &[("LISTEN_SOCKET_PATH", "/a"), ("SP_PROXYPORT", "1")],
            "SP_PROXYPORT and LISTEN_SOCKET_PATH are both set; use only one of them",
        ),
        (
            &[("FORWARDING_SOCKET_PATH", "/a"), ("SP_SOCKETPATH", "/a")],
            "SP_SOCKETPATH and FORWARDING_SOCKET_PATH are both set; use only one of them",
        ),
        (
            &[
                ("LISTEN_SOCKET_PATH", "/a"),
                ("CONFIG_DATA", "endpoints: [{listen: 'unix:///b'}]"),
            ],
            "endpoints and LISTEN_SOCKET_PATH are both set; use only one of them",
        ),
    ] {
        assert_eq!(load(env).err(), Some(vec![error.to_owned()]), "{env:?}");
    }
}
