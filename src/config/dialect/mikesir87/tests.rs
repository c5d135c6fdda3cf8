//! What the lists say, and what is wrong with them.

use super::*;
use crate::api::Target;
use crate::api::sections::Role;
use crate::config::file;
use crate::config::{Settings, Snapshot};
use crate::policy::{Body, Policy, Term, Verdict};

fn document(texts: &[&str]) -> Document {
    let source = |(number, text): (usize, &&str)| file::Source {
        name: format!("/{number}.yml").into(),
        bytes: text.as_bytes().to_vec(),
    };
    let sources: Vec<file::Source> = texts.iter().enumerate().map(source).collect();
    file::read(&sources).expect("a document")
}

/// Each mutator and each gate, in words.
fn read(texts: &[&str]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let middleware = Middleware::of_environment(&document(texts), &mut mistakes);
    assert_eq!(mistakes, []);
    middleware.shown().map(|(_, told)| told).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    Middleware::of_environment(&document(&[text]), &mut mistakes);
    let mistakes = mistakes.iter().map(ToString::to_string);
    let short = mistakes.map(|told| told.replace("/0.yml:", ""));
    short.collect()
}

fn load(env: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let snapshot: Snapshot = env.iter().copied().collect();
    Settings::load(&snapshot).map_err(|mistakes| {
        let errors = mistakes.iter().filter(|one| one.is_error());
        errors.map(ToString::to_string).collect()
    })
}

fn good(env: &[(&str, &str)]) -> Settings {
    load(env).unwrap_or_else(|mistakes| panic!("{env:?}: {mistakes:?}"))
}

/// What becomes of a request: by what it is allowed and whether it has a term to meet, or nothing.
fn decided(policy: &Policy, method: &str, path: &str) -> Option<(String, bool)> {
    let target = Target::from_line(method, path).expect("a target");
    match policy.decide(target, Body::Empty) {
        Verdict::Allow(permit) => {
            let judged = permit.terms().contains(&Term::Middleware);
            Some((permit.origin().to_string(), judged))
        }
        Verdict::Deny(_) => None,
        Verdict::WouldDeny(..) => panic!("it protects"),
    }
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
            "registry: docker.io, localhost:5000",
            "namespaceAllowlist: library, \"\"",
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
        ["mountPath: /a=/b", "readonlyAccess", "imageLoading"]
    );
    assert_eq!(read(&["gates: []"]), [""; 0]);
    assert_eq!(read(&["policies: {a: {}}"]), [""; 0]);
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
            &["3: responseFilters[1]: unknown type labels; use one of labelFilter"],
        ),
        (
            "responseFilters:\n- {type: labelFilter}\n- {type: labelFilter, requiredLabels: {}, objectsToFilter: []}\n\
             - {type: labelFilter, forbiddenLabels: {a: b}, objectsToFilter: [container, services]}\n\
             - {type: labelFilter, requiredLabels: [a], required: {a: b}}",
            &[
                "2: responseFilters[0] has no label; add requiredLabels or forbiddenLabels",
                "3: responseFilters[1] has no label; add requiredLabels or forbiddenLabels",
                "4: responseFilters[2].objectsToFilter: unknown objects container; did you mean containers?",
                "4: responseFilters[2].objectsToFilter: unknown objects services; use one of containers, images, \
                 networks, volumes",
                "5: unknown key responseFilters[3].required of labelFilter; use requiredLabels and forbiddenLabels and \
                 objectsToFilter",
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
            "gates:\n- {type: registry}\n- {type: registry, registries: a}\n- {type: registry, registries: [a/b, '', index.docker.io]}",
            &[
                "2: gates[0] has no registries; add registries, which registry needs",
                "3: gates[1].registries must be a list; begin each entry with a hyphen, or use [] for none",
                "4: gates[2].registries: a/b is not a registry; use a host such as docker.io or localhost:5000",
                "4: gates[2].registries: \"\" is not a registry; use a host such as docker.io or localhost:5000",
                "4: gates[2].registries: index.docker.io is not a registry; use docker.io",
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

const READ_ONLY: &str = "gates: [{type: readonly}]";
const MOUNTS: &str = "gates: [{type: mountSource, allowedSources: [/srv]}]";

#[test]
fn a_policy_has_its_own() {
    let text = "
policies:
  ci:
    CONTAINERS: 1
    POST: 1
    ADD_LABELS: team=ci, x=
    gates:
    - {type: imageLoading}
    mutators:
    - {type: addToNetwork, networks: [demo]}
  b: {CONTAINERS: 1, POST: 1}
  default: {gates: [{type: readonly}], IMAGES: 1, POST: 1}
clients:
- {from: [172.20.0.5], policy: ci}
- {from: [172.20.0.6], policy: b}
mutators:
- {type: addLabels, labels: {of: top}}
";
    let settings = good(&[("CONFIG_DATA", text)]);
    let of = |name| settings.policies.get(settings.policies.id(name)?);
    let shown = |name| -> Vec<String> {
        let policy = of(name).expect("a policy");
        let all = policy.sources.middleware.shown();
        all.map(|(kind, told)| format!("{kind} {told}")).collect()
    };
    assert_eq!(
        shown("ci"),
        [
            "mutator addToNetwork: demo",
            "mutator addLabels: team=ci, x=",
            "gate imageLoading"
        ]
    );
    assert_eq!(shown("b"), [""; 0]);
    // What is at the top is that of the policy `default`.
    assert_eq!(
        shown("default"),
        ["mutator addLabels: of=top", "gate readonlyAccess"]
    );
    let create = |name| decided(of(name).expect("a policy"), "POST", "/containers/create");
    assert_eq!(create("ci"), Some(("CONTAINERS".to_owned(), true)));
    assert_eq!(create("b"), Some(("CONTAINERS".to_owned(), false)));
    assert_eq!(create("default"), None);
    let demands = &of("ci").expect("a policy").demands;
    assert_eq!((demands.mutators.len(), demands.gates.len()), (2, 1));
    let mistakes = load(&[(
        "CONFIG_DATA",
        "policies:\n  b:\n    gates: ~\n    ADD_LABELS: team\nclients: [{from: [172.20.0.5], policy: b}]",
    )]);
    assert_eq!(
        mistakes.expect_err("mistakes"),
        [
            "CONFIG_DATA:3: policies.b.gates must be a list; begin each entry with a hyphen, or use \
             [] for none",
            "CONFIG_DATA:4: policies.b.ADD_LABELS: team is not a pair; use KEY=VALUE",
        ]
    );
}

#[test]
fn mutators_are_variables_too() {
    let settings = good(&[
        ("CONTAINERS", "1"),
        ("POST", "1"),
        ("ADD_LABELS", "a=b"),
        ("ADD_TO_NETWORK", "demo"),
        ("MAP_PATH", "/w=/srv/w"),
        ("REMAP_IMAGE", "nginx=mirror/nginx:1"),
    ]);
    let policy = settings.policies.into_default();
    let shown: Vec<String> = (policy.sources.middleware.shown())
        .map(|(_, told)| told)
        .collect();
    assert_eq!(
        shown,
        [
            "addLabels: a=b",
            "addToNetwork: demo",
            "mountPath: /w=/srv/w",
            "remapImage: docker.io/library/nginx:latest=mirror/nginx:1"
        ]
    );
    let by = |judged| Some(("CONTAINERS".to_owned(), judged));
    assert_eq!(decided(&policy, "POST", "/containers/create"), by(true));
    assert_eq!(decided(&policy, "POST", "/containers/x/stop"), by(false));
    // They grant nothing.
    let alone = good(&[("ADD_LABELS", "a=b")]).policies.into_default();
    assert!(alone.sources.grants.active);
    assert_eq!(decided(&alone, "POST", "/containers/create"), None);
    for (name, value, told) in [
        (
            "ADD_LABELS",
            "",
            "\"\" is not a list; add an entry, or unset it",
        ),
        ("ADD_LABELS", "x", "x is not a pair; use KEY=VALUE"),
        (
            "MAP_PATH",
            "w=/x",
            "w is not an absolute path without colons; use /CLIENT/PATH=/HOST/PATH, or =VOLUME or \
             =VOLUME/FOLDER",
        ),
    ] {
        let mistakes = load(&[(name, value)]).expect_err("a mistake");
        assert_eq!(mistakes, [format!("{name}: {told}")]);
    }
    let beside = load(&[
        ("ADD_LABELS", "a=b"),
        ("CONFIG_DATA", "policies: {default: {}}"),
    ]);
    assert_eq!(
        beside.expect_err("a mistake"),
        [
            "CONFIG_DATA:1: policies.default cannot be used with ADD_LABELS, which is set for the \
             same policy outside the file; use one of them"
        ]
    );
}

/// Alone, lists grant what their gates do not refuse, and open no port.
#[test]
fn alone_they_allow_what_no_gate_refuses() {
    for text in [
        "gates: []",
        "mutators: []",
        "responseFilters: []",
        READ_ONLY,
    ] {
        let settings = good(&[("CONFIG_DATA", text)]);
        let key = text.split(':').next().unwrap_or_default();
        let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
        let told = format!(
            "CONFIG_DATA:1: nothing but {key} grants anything, so every request that is not refused is \
             allowed; grant what is needed with PRESET, ALLOW_x or another variable, and set \
             LISTEN_SOCKET_PATH=/tmp/docker.sock to stay on that socket"
        );
        assert_eq!(warnings, [told], "{text}");
        let [endpoint] = settings.endpoints.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(endpoint.listen.to_string(), "unix:///tmp/docker.sock");
        assert_eq!(endpoint.mode, MODE);
        let dangers = settings.dangers().count();
        let policy = settings.policies.into_default();
        let by = Some(("middleware".to_owned(), false));
        assert_eq!(decided(&policy, "GET", "/v1.41/info"), by);
        assert_eq!(decided(&policy, "GET", "/anything/new"), by);
        let writes = by.filter(|_| text != READ_ONLY);
        assert_eq!(dangers, usize::from(writes.is_some()), "{text}");
        for (method, path) in [
            ("POST", "/containers/create"),
            ("POST", "/v1.41-x/containers/create"),
            ("DELETE", "/libpod/containers/x"),
            ("PATCH", "/x"),
            ("OPTIONS", "/containers/json"),
            ("GET", "/containers/x/attach/ws"),
            ("GET", "/v1.41/containers/a/b/attach/ws"),
            ("GET", "/v4.0.0-rc1/containers/a/attach/ws"),
            ("GET", "/v4.0.0/libpod/containers/a/attach/ws"),
        ] {
            assert_eq!(decided(&policy, method, path), writes, "{text} {path}");
        }
        assert!(!policy.sources.grants.active);
    }
    let own = good(&[("CONFIG_DATA", READ_ONLY), ("LISTEN", "unix:///run/x.sock")]);
    let told: Vec<String> = own.warnings.iter().map(ToString::to_string).collect();
    assert!(told[0].ends_with("ALLOW_x or another variable"), "{told:?}");
    // What the help says keeps the socket.
    let granted = good(&[
        ("CONFIG_DATA", READ_ONLY),
        ("ALLOW_LOGS", "1"),
        ("LISTEN_SOCKET_PATH", "/tmp/docker.sock"),
    ]);
    let listen = granted.endpoints[0].listen.to_string();
    assert_eq!(listen, "unix:///tmp/docker.sock");
    assert_eq!(own.endpoints[0].mode, 0o660);
    assert_eq!(own.endpoints[0].listen.to_string(), "unix:///run/x.sock");
}

/// Beside another grant, and beside policies, they only limit and edit.
#[test]
fn beside_a_grant_they_grant_nothing() {
    let grants = [
        ("CONTAINERS", "0"),
        ("POST", "1"),
        ("ALLOW_LOGS", "1"),
        // Less than everything was meant.
        ("ALLOW_LGOS", "1"),
        ("CONTAINER", "1"),
        ("PRESET", "traefik"),
        ("SP_ALLOW_GET", "/_ping"),
        ("PROFILE", "readonly"),
    ];
    for grant in grants {
        let settings = good(&[grant, ("CONFIG_DATA", MOUNTS)]);
        let listen = settings.endpoints[0].listen.to_string();
        assert!(listen.starts_with("tcp://"), "{grant:?} {listen}");
        let policy = settings.policies.into_default();
        assert!(!policy.sources.middleware.active(), "{grant:?}");
        let create = decided(&policy, "POST", "/containers/create");
        assert_eq!(create, None, "{grant:?}");
    }
    let beside = format!("{MOUNTS}\npolicies: {{a: {{}}}}");
    let policy = good(&[("CONFIG_DATA", &beside)]).policies.into_default();
    assert_eq!(decided(&policy, "POST", "/containers/create"), None);
    assert!(decided(&policy, "GET", "/_ping").is_some());
    // A deny is no grant.
    let denied = good(&[("CONFIG_DATA", MOUNTS), ("DENY_EXEC", "1")]);
    let policy = denied.policies.into_default();
    assert_eq!(decided(&policy, "POST", "/containers/x/exec"), None);
    let create = decided(&policy, "POST", "/containers/create");
    assert_eq!(create, Some(("middleware".to_owned(), true)));
    let unused = "gates: []
policies: {a: {PING: 1}}
endpoints: [{listen: 'unix:///x', policy: a}]";
    assert_eq!(
        load(&[("CONFIG_DATA", unused)]).expect_err("a mistake"),
        [
            "CONFIG_DATA:1: gates is unused: it belongs to the policy default, which no endpoint \
             and no client rule names; move it to a policy that is used"
        ]
    );
}

/// Each mutator and gate holds for all that it looks at, whatever allows it, however it is written.
#[test]
fn nothing_that_allows_escapes_a_term() {
    let all = "
gates:
- {type: registry, registries: [docker.io]}
- {type: mountSource, allowedSources: [/srv]}
- {type: imageLoading}
mutators:
- {type: addLabels, labels: {a: b}}
- {type: remapImage, from: nginx, to: mirror/nginx}
";
    let dialects = [
        vec![],
        [
            "CONTAINERS",
            "NETWORKS",
            "VOLUMES",
            "SERVICES",
            "BUILD",
            "IMAGES",
            "PLUGINS",
            "POST",
        ]
        .map(|name| (name, "1"))
        .to_vec(),
        vec![("SP_ALLOW_POST", ".*"), ("SP_ALLOW_GET", ".*")],
        vec![("PROFILE", "unprotected"), ("LOG_REQUESTS", "true")],
    ];
    for mut env in dialects {
        env.push(("CONFIG_DATA", all));
        let policy = good(&env).policies.into_default();
        for (method, path) in [
            ("POST", "/containers/create"),
            ("POST", "/containers/x/start"),
            ("POST", "/containers/a/b/start"),
            ("POST", "/networks/create"),
            ("POST", "/volumes/create"),
            ("POST", "/services/create"),
            ("POST", "/services/x/update"),
            ("POST", "/build"),
            ("POST", "/images/create"),
            ("POST", "/images/load"),
            ("POST", "/plugins/pull"),
            ("POST", "/plugins/a/b:c/upgrade"),
            ("POST", "/plugins/a/b:c/set"),
            ("POST", "/plugins/x/enable"),
            ("POST", "/plugins/create"),
            ("GET", "/images/a/b/json"),
        ] {
            for before in ["", "/v1.24", "/v1.41", "/v1.41-x", "/v1.41.9"] {
                for behind in ["", "/"] {
                    let line = format!("{before}{path}{behind}");
                    let found = decided(&policy, method, &line);
                    assert!(found.is_none_or(|(_, judged)| judged), "{env:?} {line}");
                }
            }
            assert!(decided(&policy, method, path).is_some(), "{env:?} {path}");
        }
        for path in ["/libpod/containers/create", "/v4.0.0/libpod/play/kube"] {
            let found = decided(&policy, "POST", path);
            assert!(found.is_none_or(|(_, judged)| judged), "{env:?} {path}");
        }
        for (method, path) in [("POST", "/containers/x/stop"), ("GET", "/containers/json")] {
            let found = decided(&policy, method, path);
            assert!(found.is_none_or(|(_, judged)| !judged), "{env:?} {path}");
        }
    }
}

#[test]
fn filters_are_read_with_all_that_they_can_say() {
    let text = "policies:\n  ci:\n    CONTAINERS: 1\n    responseFilters:\n    - {type: labelFilter, \
                requiredLabels: {a: 1, b: ''}}\n    - type: labelFilter\n      forbiddenLabels: {c: d, e: f}\n      \
                objectsToFilter: [volumes]\nclients: [{from: [172.20.0.5], policy: ci}]";
    let settings = good(&[("CONFIG_DATA", text)]);
    let policy = settings
        .policies
        .get(settings.policies.id("ci").expect("an ID"));
    let policy = policy.expect("a policy");
    let all = policy.sources.middleware.shown();
    let shown: Vec<String> = all.map(|(kind, told)| format!("{kind} {told}")).collect();
    assert_eq!(
        shown,
        [
            "filter labelFilter: with a=1, b=; containers, images, networks, volumes",
            "filter labelFilter: without c=d, e=f; volumes",
        ]
    );
    let terms = |path: &str| {
        let target = Target::from_line("GET", path).expect("a target");
        match policy.decide(target, Body::Empty) {
            Verdict::Allow(permit) => permit.terms().to_vec(),
            other => panic!("{path}: {other}"),
        }
    };
    assert_eq!(terms("/containers/json"), [Term::LabelFilter(Role::List)]);
    assert_eq!(
        terms("/v1.41/containers/x/json"),
        [Term::LabelFilter(Role::Object)]
    );
    assert_eq!(terms("/containers/x/logs"), []);
    assert_eq!(decided(policy, "GET", "/libpod/containers/json"), None);
}

/// Of several variables, the first counts, but only for documents that know no other rule.
#[test]
fn one_variable_overrides_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.yml");
    let load = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        let env = [
            ("CONFIG_DATA", "gates: [{type: nosuch}]"),
            ("CONFIG_FILE", file.to_str().expect("a path")),
        ];
        let snapshot: Snapshot = env.into_iter().collect();
        let lines = |all: &[Diagnostic]| -> Vec<String> {
            all.iter()
                .map(|one| format!("{}: {one}", one.severity))
                .collect()
        };
        match Settings::load(&snapshot) {
            Ok(settings) => Ok(lines(&settings.warnings)),
            Err(mistakes) => Err(lines(&mistakes)),
        }
    };
    let warnings = load(READ_ONLY).expect("it starts");
    assert_eq!(
        warnings.first().map(String::as_str),
        Some("warning: CONFIG_FILE overrides CONFIG_DATA, which is ignored; unset CONFIG_DATA")
    );
    for text in ["gates: []\npolicies: {a: {}}", "policies: {a: {}}", ""] {
        assert_eq!(
            load(text).expect_err("a mistake"),
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
        assert_eq!(settings.engine.address.to_string(), engine, "{env:?}");
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
