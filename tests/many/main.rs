//! Several policies in a file: what is read, what is refused, which policy holds, and what a reload
//! changes.

mod reload;

use dockgate::api::sections::{ACTIONS, Route, SECTIONS};
use dockgate::api::{Method, Target};
use dockgate::clients::{Answers, Identity, Lookup, Unmapped};
use dockgate::config::{
    ConfiguredPolicy, Diagnostic, PRESETS, PolicyId, Settings, Severity, Snapshot,
};
use dockgate::policy::{Body, Verdict};
use proptest::prelude::*;

/// The environment, with the text of a file.
fn load(env: &[(&str, &str)], text: &str) -> Result<Settings, Vec<String>> {
    Settings::load(&snapshot(env, text)).map_err(errors)
}

fn snapshot(env: &[(&str, &str)], text: &str) -> Snapshot {
    let data = [("CONFIG_DATA", text)];
    data.iter().chain(env).copied().collect()
}

fn errors(diagnostics: Vec<Diagnostic>) -> Vec<String> {
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

fn good(env: &[(&str, &str)], text: &str) -> Settings {
    load(env, text).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"))
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

/// By what a policy allows a request, or why it does not: `POST /containers/x/start`.
fn decide(policy: &ConfiguredPolicy, request: &str) -> Result<String, String> {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let target = Target::from_line(method, path).expect("a target");
    match policy.decide(target, Body::Empty) {
        Verdict::Allow(permit) => Ok(permit.origin().to_string()),
        Verdict::Deny(denial) => Err(denial.message()),
        Verdict::WouldDeny(_, denial) => Ok(format!("unprotected: {}", denial.message())),
    }
}

fn policy<'a>(settings: &'a Settings, name: &str) -> &'a ConfiguredPolicy {
    let id = settings.policies.id(name).expect("a known name");
    settings.policies.get(id).expect("a policy")
}

#[test]
fn each_policy_grants_what_is_written_and_nothing_else() {
    let text = "policies:\n  a: {CONTAINERS: 1, POST: true}\n  b: {PRESET: traefik}\n  \
                c: {SP_ALLOW_GET: /info, CONTAINERS: \"0\", EVENTS: false}\n  d: {}\n\
                clients:\n- {from: 10.0.0.1, policy: a}\n- {from: 10.0.0.2, policy: b}\n\
                - {from: 10.0.0.3, policy: c}\n- {from: 10.0.0.4, policy: d}\n";
    let settings = good(&[("IMAGES", "1")], text);
    for (name, request, by) in [
        ("default", "GET /images/json", Some("IMAGES")),
        ("default", "GET /events", Some("EVENTS")),
        ("default", "GET /containers/json", None),
        ("a", "POST /containers/x/start", Some("CONTAINERS")),
        ("a", "GET /images/json", None),
        ("a", "GET /_ping", None),
        ("a", "GET /events", None),
        ("a", "GET /version", None),
        ("b", "GET /_ping", Some("PRESET=traefik")),
        ("b", "GET /events", Some("PRESET=traefik")),
        ("b", "GET /info", None),
        ("c", "GET /info", Some("SP_ALLOW_GET")),
        ("c", "GET /_ping", None),
        ("d", "GET /_ping", None),
        ("d", "GET /events", None),
    ] {
        let verdict = decide(policy(&settings, name), request).ok();
        assert_eq!(verdict.as_deref(), by, "{name}: {request}");
    }
    let listen = settings.endpoints[0].listen.to_string();
    assert_eq!(
        listen, "tcp://[::]:2375",
        "patterns inside change no listener"
    );
    assert_eq!(
        settings.clients, None,
        "patterns inside change no client list"
    );
    assert!(settings.policies.get(PolicyId::NONE).is_none());
}

#[test]
fn denials_name_the_policy_and_the_line_to_add() {
    let text = "policies:\n  a: {CONTAINERS: 1}\n  b:\n    DENY_LOGS: 1\n    PRESET: dozzle\n\
                endpoints:\n- {listen: \"unix:///run/a.sock\", policy: a}\n\
                - {listen: \"unix:///run/b.sock\", policy: b}\n";
    let settings = good(&[], text);
    for (name, request, message) in [
        (
            "a",
            "POST /containers/x/start",
            "POST /containers/x/start is not allowed by policies.a in CONFIG_DATA:2: set \
             ALLOW_START: 1, or POST: 1",
        ),
        (
            "a",
            "GET /info",
            "GET /info is not allowed by policies.a in CONFIG_DATA:2: set INFO: 1",
        ),
        (
            "b",
            "GET /containers/x/logs",
            "GET /containers/x/logs is not allowed by policies.b in CONFIG_DATA:3: DENY_LOGS is \
             set; unset it to allow this request",
        ),
        (
            "default",
            "GET /info",
            "GET /info is not allowed: set INFO=1",
        ),
    ] {
        let verdict = decide(policy(&settings, name), request);
        let message = Err(message.to_owned());
        assert_eq!(verdict, message, "{name}: {request}");
    }
}

#[test]
fn mistakes_are_refused_with_their_place() {
    const SOCKET: &str = "endpoints: [{listen: \"unix:///run/x.sock\"}]\n";
    for (env, text, error) in [
        // Values.
        (
            &[][..],
            "policies: {a: {PING: yes}}",
            "CONFIG_DATA:1: policies.a.PING must be 0, 1, true or false, not yes",
        ),
        (
            &[],
            "policies:\n  a:\n    PING: \"1 \"",
            "CONFIG_DATA:3: policies.a.PING must be 0, 1, true or false, not \"1 \"",
        ),
        (
            &[],
            "policies: {a: {DENY_EXEC: \"\"}}",
            "CONFIG_DATA:1: policies.a.DENY_EXEC must be 0, 1, true or false, not \"\"",
        ),
        (
            &[],
            "policies: {a: {POST: True}}",
            "CONFIG_DATA:1: policies.a.POST must be 0, 1, true or false, not True",
        ),
        (
            &[],
            "policies: {a: {DRY_RUN: 2}}",
            "CONFIG_DATA:1: policies.a.DRY_RUN must be 0, 1, true or false, not 2",
        ),
        (
            &[],
            "policies: {a: {PRESET: trafik}}",
            "CONFIG_DATA:1: policies.a.PRESET contains trafik, which is not a preset; did you mean traefik? `dockgate presets` lists all",
        ),
        (
            &[],
            "policies: {a: {SP_ALLOW_GET: \"(\"}}",
            "CONFIG_DATA:1: policies.a.SP_ALLOW_GET: ( is not a valid pattern: unclosed group; use the syntax of Go's regexp package",
        ),
        (
            &[],
            "policies: {a: {PROFILE: \"\"}}",
            "CONFIG_DATA:1: policies.a.PROFILE is empty; name a profile or remove it",
        ),
        (
            &[],
            "policies: {a: {PROFILE: unprotected}}",
            "CONFIG_DATA:1: policies.a.PROFILE=unprotected allows all requests, so they must be logged; set both in the environment",
        ),
        // Names.
        (
            &[],
            "policies: {a: {IAMGES: 1}}",
            "CONFIG_DATA:1: policies.a.IAMGES is not a variable of a policy; did you mean IMAGES?",
        ),
        (
            &[],
            "policies: {a: {ALLOW_EVENTS: 1}}",
            "CONFIG_DATA:1: policies.a.ALLOW_EVENTS is not a variable of a policy; use EVENTS: 1",
        ),
        (
            &[],
            "policies: {a: {DENY_POST: 1}}",
            "CONFIG_DATA:1: policies.a.DENY_POST is not a variable of a policy; use POST: 0, which limits sections to GET and HEAD",
        ),
        (
            &[],
            "policies: {a: {PATH: 1}}",
            "CONFIG_DATA:1: policies.a.PATH is not a variable of a policy; `dockgate --help` lists all variables",
        ),
        (
            &[],
            "policies: {a: {SP_ALLOWBINDMOUNTFROM: x}}",
            "CONFIG_DATA:1: policies.a.SP_ALLOWBINDMOUNTFROM: x is not an absolute path; use one like /srv/ci; only a comma separates two",
        ),
        (
            &[],
            "policies: {a: {BIND_FROM: srv}}",
            "CONFIG_DATA:1: policies.a.BIND_FROM: srv is not an absolute path; use one like /srv/ci",
        ),
        (
            &[],
            "policies: {a: {LEARN: 1}}",
            "CONFIG_DATA:1: policies.a.LEARN applies to the whole process, not to one policy; set it in the environment",
        ),
        (
            &[],
            "policies: {a: {SOCKET_PATH: /x}}",
            "CONFIG_DATA:1: policies.a.SOCKET_PATH applies to the whole process, not to one policy; set it in the environment",
        ),
        (
            &[],
            "policies: {a: {CONFIG_FILE: /x}}",
            "CONFIG_DATA:1: policies.a.CONFIG_FILE applies to the whole process, not to one policy; set it in the environment",
        ),
        (
            &[],
            "clients: [{from: 10.0.0.1, policy: a}]",
            "CONFIG_DATA:1: unknown policy a; add it to policies, or use one of default, none",
        ),
        (
            &[],
            "policies: {web: {}}\nendpoints: [{listen: \"tcp://[::]:1\", policy: wbe}]",
            "CONFIG_DATA:2: unknown policy wbe; did you mean web?",
        ),
        // Beside the environment.
        (
            &[("INFO", "0")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with INFO, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("DENY_EXEC", "1")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with DENY_EXEC, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("PRESET", "traefik")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with PRESET, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("SP_ALLOW_GET_2", "/x")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with SP_ALLOW_GET_2, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("LEARN", "1")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with LEARN, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("DRY_RUN", "1")],
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with DRY_RUN, which is set for the same policy outside the file; use one of them",
        ),
        (
            &[("LISTEN", "tcp://[::]:1")],
            SOCKET,
            "CONFIG_DATA:1: LISTEN cannot be used with endpoints; remove LISTEN; each endpoint has its own listen, mode and tls",
        ),
        (
            &[("LISTEN_MODE", "0600")],
            SOCKET,
            "CONFIG_DATA:1: LISTEN_MODE cannot be used with endpoints; remove LISTEN_MODE; each endpoint has its own listen, mode and tls",
        ),
        (
            &[("SP_LISTENIP", "::1")],
            SOCKET,
            "endpoints and SP_LISTENIP are both set; use only one of them",
        ),
        (
            &[("SP_PROXYPORT", "1")],
            SOCKET,
            "endpoints and SP_PROXYPORT are both set; use only one of them",
        ),
        (
            &[("SP_PROXYSOCKETENDPOINT", "/x")],
            SOCKET,
            "endpoints and SP_PROXYSOCKETENDPOINT are both set; use only one of them",
        ),
        // Endpoints.
        (
            &[],
            "endpoints: [{listen: \"tcp://localhost:1\"}]",
            "CONFIG_DATA:1: endpoints[0].listen: tcp://localhost:1 is not an address; use tcp://ADDRESS:PORT or unix:///PATH",
        ),
        (
            &[],
            "endpoints: [{listen: \"unix://x\"}]",
            "CONFIG_DATA:1: endpoints[0].listen: unix://x is not an absolute path to a Unix socket; use a path like /run/dockgate/docker.sock",
        ),
        (
            &[],
            "endpoints: [{listen: \"unix:///x\", mode: 999}]",
            "CONFIG_DATA:1: endpoints[0].mode: 999 is not a file mode; use octal digits, like 0660",
        ),
        (
            &[],
            "endpoints:\n- {listen: \"unix:///x\"}\n- {listen: \"unix:///x\"}",
            "CONFIG_DATA:3: endpoints[1].listen: unix:///x is listed twice; use another address",
        ),
        (
            &[],
            "endpoints: [{listen: \"unix:///var/run/docker.sock\"}]",
            "CONFIG_DATA:1: endpoints[0].listen: unix:///var/run/docker.sock is the engine's own socket; use another address",
        ),
        // Rules.
        (
            &[],
            "clients: [{user: 1000, policy: none}]",
            "CONFIG_DATA:1: clients[0].user never matches: no endpoint is a Unix socket; add an endpoint with listen: \"unix:///run/dockgate.sock\", or remove the rule",
        ),
        (
            &[],
            "clients: [{group: 1000, policy: none}]",
            "CONFIG_DATA:1: clients[0].group never matches: no endpoint is a Unix socket; add an endpoint with listen: \"unix:///run/dockgate.sock\", or remove the rule",
        ),
        (
            &[("LISTEN", "unix:///x")],
            "clients: [{from: 10.0.0.1, policy: none}]",
            "CONFIG_DATA:1: clients[0].from never matches: no endpoint is a TCP address; add an endpoint with listen: \"tcp://[::]:2375\", or remove the rule",
        ),
        // The containers of another host are no clients of this one.
        (
            &[("SOCKET_PATH", "tcp://nas:2376")],
            "clients: [{container: {label: a}, policy: none}]",
            "CONFIG_DATA:1: clients[0].container: the engine at tcp://nas:2376 is on another host, whose containers are not the clients here; set SOCKET_PATH to the socket of this host's engine, and name the other one in engines",
        ),
        (
            &[("SOCKET_PATH", "tcp://nas:2376")],
            "policies: {ci: {by_label: true}}",
            "CONFIG_DATA:1: policies.ci.by_label: the engine at tcp://nas:2376 is on another host, whose containers are not the clients here; set SOCKET_PATH to the socket of this host's engine, and name the other one in engines",
        ),
        // A file that says nothing grants nothing.
        (
            &[],
            "",
            "CONFIG_DATA is empty; set it to a value, or unset it",
        ),
        (
            &[],
            "# nothing",
            "CONFIG_DATA:1: the file is empty; add policies, endpoints or clients",
        ),
        (
            &[("CONFIG_FILE", "/x.yml")],
            SOCKET,
            "CONFIG_FILE and CONFIG_DATA cannot be used together; unset CONFIG_FILE or CONFIG_DATA",
        ),
        (
            &[("CONFIG_DIR", "/x")],
            SOCKET,
            "CONFIG_DATA and CONFIG_DIR cannot be used together; unset CONFIG_DATA or CONFIG_DIR",
        ),
    ] {
        let errors = load(env, text).err().unwrap_or_default();
        assert_eq!(errors, [error], "{env:?} {text}");
    }
    // A flag of another dialect too.
    for (flag, text, error) in [
        (
            "-allowGET=/x",
            "policies: {default: {}}",
            "CONFIG_DATA:1: policies.default cannot be used with -allowGET, which is set for the same policy outside the file; use one of them",
        ),
        (
            "-listenip=::1",
            SOCKET,
            "endpoints and -listenip are both set; use only one of them",
        ),
    ] {
        let mut snapshot = snapshot(&[], text);
        snapshot.take_flags([flag.into()]).expect("a flag");
        let errors = Settings::load(&snapshot).map_err(errors).err();
        assert_eq!(errors.unwrap_or_default(), [error], "{flag}");
    }
    // All at once.
    let all = load(
        &[("LISTEN", "x")],
        "policies: {a: {PING: 3, INFO: 3}}\nclients: [{user: 7, policy: b}]",
    );
    assert_eq!(all.err().unwrap_or_default().len(), 4);
}

#[test]
fn what_may_surprise_is_warned_about() {
    const ADDRESSES: &str = "client rules use addresses, which a client can choose (a can create \
                             containers), and forge";
    for (env, text, warning) in [
        (
            &[][..],
            "policies: {a: {ALLOW_CREATE: 1}, b: {}}\n\
             clients: [{from: 10.0.0.1, policy: a}, {from: 10.0.0.2, policy: b}]",
            Some(ADDRESSES),
        ),
        (
            &[],
            "policies: {a: {ALLOW_NETWORK_CONNECT: 1}}\nclients: [{from: 10.0.0.1, policy: a}]",
            Some("(a can connect networks)"),
        ),
        (
            &[],
            "policies: {a: {DRY_RUN: 1}}\nclients: [{from: 10.0.0.1, policy: a}]",
            Some("(a can build images, a can connect networks, a can create containers"),
        ),
        (
            &[("CONTAINERS", "1"), ("POST", "1")],
            "policies: {a: {}}\nclients: [{from: 10.0.0.1, policy: a}]",
            Some("(default can create containers)"),
        ),
        (
            &[],
            "policies: {a: {SP_ALLOW_POST: /containers/create}}\n\
             clients: [{from: 10.0.0.1, policy: a}]",
            Some("(a can create containers)"),
        ),
        // Told apart by sockets, or without such a policy.
        (
            &[],
            "policies: {a: {ALLOW_CREATE: 1}}\nendpoints: [{listen: \"unix:///x\", policy: a}]",
            None,
        ),
        (
            &[],
            "policies: {a: {CONTAINERS: 1}}\nclients: [{from: 10.0.0.1, policy: a}]",
            None,
        ),
        (
            &[],
            "policies: {a: {ALLOW_CREATE: 1, DENY_CREATE: 1}}\n\
             clients: [{from: 10.0.0.1, policy: a}]",
            Some(
                "CONFIG_DATA:1: policies.a: DENY_CREATE: 1 overrides ALLOW_CREATE: 1, which is ignored",
            ),
        ),
        (
            &[],
            "policies: {a: {}}",
            Some("CONFIG_DATA:1: policies.a is not used: no endpoint and no client rule names it"),
        ),
        (&[], "policies: {a: {by_label: true}}", None),
        (
            &[],
            "policies: {a: {by_label: true}}\nendpoints: [{listen: \"unix:///x\"}]",
            Some("policies.a.by_label is ignored: no endpoint is a TCP address"),
        ),
        (
            &[],
            "policies: {a: {ALLOW_CREATE: 1}, b: {INFO: 1}}\n\
             clients: [{user: 1, policy: a}, {container: {label: team=ci}, policy: b}]\n\
             endpoints: [{listen: \"unix:///x\"}, {listen: \"tcp://[::]:1\"}]",
            Some(
                "clients of other policies can become container label team=ci (policy b): policy a can \
                 create containers; set DENY_ROOT or SCOPE in those policies",
            ),
        ),
        (
            &[],
            "policies: {a: {ALLOW_CREATE: 1, DENY_ROOT: 1}, b: {ALLOW_CREATE: 1, SCOPE: created}, c: {INFO: 1}}\n\
             clients: [{user: 1, policy: a}, {user: 2, policy: b}, {container: {label: team=ci}, policy: c}]\n\
             endpoints: [{listen: \"unix:///x\"}, {listen: \"tcp://[::]:1\"}]",
            None,
        ),
        (
            &[],
            "policies: {a: {ALLOW_BUILD: 1}, b: {INFO: 1}}\n\
             clients: [{container: {label: team=ci}, policy: b}, {container: {label: x=y}, policy: a}]",
            Some("can become container label team=ci (policy b): policy a can build images"),
        ),
        (
            &[],
            "policies: {a: {ALLOW_EXEC: 1}, b: {INFO: 1}}\n\
             clients: [{container: {label: team=ci}, policy: b}, {container: {label: x=y}, policy: a}]",
            Some("(policy b): policy a can run commands in containers"),
        ),
        (
            &[],
            "policies: {a: {ALLOW_EXEC: 1}, b: {INFO: 1, by_label: true}}\n\
             clients: [{container: {label: x=y}, policy: a}]",
            Some(
                "policies.b.by_label: clients of other policies can become one that chose it: \
                 policy a can run commands in containers",
            ),
        ),
        // Names of images go from one to another, whatever holds the policy.
        (
            &[],
            "policies: {a: {ALLOW_TAG: 1, DENY_ROOT: 1}, b: {INFO: 1}}\n\
             clients: [{container: {image: traefik}, policy: b}, {container: {label: x=y}, policy: a}]",
            Some(
                "clients of other policies can give their images the name that container image traefik \
                 (policy b) is known by: policy a can tag images",
            ),
        ),
        (
            &[],
            "policies: {a: {ALLOW_RENAME: 1}, b: {INFO: 1}}\n\
             clients: [{container: {name: web}, policy: b}, {container: {label: x=y}, policy: a}]",
            Some("can become container name web (policy b): policy a can rename containers"),
        ),
        (
            &[],
            "policies: {a: {ALLOW_RENAME: 1}}\nclients: [{from: 10.0.0.1, policy: a}]",
            None,
        ),
        (
            &[],
            "policies: {a: {ALLOW_RENAME: 1}}\nclients: [{from: web, policy: a}]",
            Some("(a can rename containers)"),
        ),
        (
            &[("CONTAINERS", "1")],
            "policies: {a: {}}\nendpoints: [{listen: \"unix:///x\", policy: a}]",
            Some("CONTAINERS is ignored: it belongs to the policy default, which no endpoint"),
        ),
        (
            &[("DISABLE_IPV6", "1")],
            "endpoints: [{listen: \"tcp://[::]:1\"}]",
            Some("endpoints override DISABLE_IPV6, which is ignored; remove it"),
        ),
        (
            &[],
            "policies: {a: {CONTAINERS: 1, ALLOW_LOGS: 0}}\nclients: [{from: 10.0.0.1, policy: a}]",
            Some(
                "CONFIG_DATA:1: policies.a.ALLOW_LOGS: 0 denies nothing: CONTAINERS grants it; set DENY_LOGS: 1",
            ),
        ),
    ] {
        let told = warnings(&good(env, text));
        match warning {
            Some(warning) => {
                assert_eq!(told.len(), 1, "{text}: {told:#?}");
                assert!(told[0].contains(warning), "{text}: {told:#?}");
            }
            None => assert_eq!(told, [""; 0], "{text}"),
        }
    }
}

#[test]
fn the_rules_of_a_file_name_its_policies() {
    let text = "policies: {a: {}, b: {}}\n\
                endpoints:\n- {listen: \"tcp://[::]:1\"}\n- {listen: \"unix:///x\", policy: b, mode: \"0600\"}\n\
                clients:\n- {from: [10.0.0.1, gone], policy: a}\n- {user: 7, policy: none}\n\
                - {from: 0.0.0.0/0, policy: default}\n";
    let settings = good(&[], text);
    let endpoints = settings.endpoints.iter();
    let endpoints: Vec<String> = endpoints
        .map(|one| {
            let policy = settings.policies.name(one.policy);
            format!("{} {:o} {policy}", one.listen, one.mode)
        })
        .collect();
    assert_eq!(endpoints, ["tcp://[::]:1 660 default", "unix:///x 600 b"]);
    let names = std::collections::HashMap::<String, Answers>::new();
    let held = |client: &Identity| match settings.rules.lookup(client, &names) {
        Lookup::Decided { policy, .. } => settings.policies.name(*policy).to_owned(),
        Lookup::NoRule => "no rule".to_owned(),
        Lookup::Unknown { on, .. } => format!("unknown: {on:?}"),
    };
    let user = |id| Identity::process(Some(id), None, &Unmapped::new(None, None));
    for (client, expected) in [
        ("10.0.0.1".parse().unwrap(), "a"),
        // Wider rules are not tried.
        ("10.0.0.2".parse().unwrap(), "unknown: Hosts([\"gone\"])"),
        (user(7), "none"),
        (user(8), "no rule"),
    ] {
        assert_eq!(held(&client), expected, "{client:?}");
    }
}

/// Settings that a policy can be made of, with values that both a file and the environment take.
fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = SECTIONS.iter().map(|one| one.name).chain(["POST"]);
    let names = names.chain(ACTIONS.iter().flat_map(|one| [one.allow, one.deny]));
    let names: Vec<&str> = names.collect();
    let switches = prop::collection::btree_map(
        prop::sample::select(names),
        prop::sample::select(vec!["0", "1"]),
        0..12,
    );
    let presets: Vec<&str> = PRESETS.iter().map(|one| one.name).collect();
    let preset = prop::option::of(prop::sample::select(presets));
    let patterns = vec!["/info", r"/v1\..+/containers/[^/]+/start", ".*/json", "/x"];
    let pattern = prop::option::of(prop::sample::select(patterns));
    (switches, preset, pattern).prop_map(|(switches, preset, pattern)| {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let more = [("PRESET", preset), ("SP_ALLOW_POST_1", pattern)];
        let more = more
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        switches.into_iter().chain(more).map(own).collect()
    })
}

/// One request of each route, and some that no section has.
fn requests() -> Vec<Target> {
    let routes = ACTIONS.iter().flat_map(|action| action.routes);
    let own = routes.filter_map(Route::sample);
    let others = SECTIONS.iter().flat_map(|section| section.paths);
    let others = others.flat_map(|path| {
        [Method::Get, Method::Post].map(|method| Target::from_line(method.as_str(), path).ok())
    });
    let versioned = [
        "/v1.41/containers/x/start",
        "/v4.0.0/libpod/containers/x/start",
        "/x",
    ];
    let versioned = versioned.map(|path| Target::from_line("POST", path).ok());
    own.chain(others.flatten())
        .chain(versioned.into_iter().flatten())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// But for the defaults.
    #[test]
    fn a_policy_of_a_file_decides_as_the_environment_does(variables in variables()) {
        let off = ["EVENTS", "PING", "VERSION"].map(|name| (name.to_owned(), "0".to_owned()));
        let env: Snapshot = off.into_iter().chain(variables.clone()).collect();
        let env = Settings::load(&env).expect("it starts");
        let mut text = "policies:\n  default:\n    POST: 0\n".to_owned();
        if !variables.is_empty() {
            text.truncate(text.len() - "    POST: 0\n".len());
        }
        for (name, value) in &variables {
            text.push_str(&format!("    {name}: '{value}'\n"));
        }
        let file = good(&[], &text);
        for target in requests() {
            for body in [Body::Empty, Body::Other] {
                let decided = [&env, &file].map(|settings| {
                    let policy = settings.policies.default();
                    match policy.decide(target.clone(), body) {
                        Verdict::Allow(permit) => Some(permit.origin().clone()),
                        Verdict::Deny(_) => None,
                        Verdict::WouldDeny(..) => unreachable!("no DRY_RUN"),
                    }
                });
                prop_assert_eq!(&decided[0], &decided[1], "{:?} {}", target, text);
            }
        }
    }
}

/// What to do to a file's policy so that a request is allowed, as a machine reads it off the message.
fn mend(text: &str, message: &str) -> Option<String> {
    let (_, rest) = message.split_once(" is not allowed by policies.")?;
    let (place, remedy) = rest.split_once(": ")?;
    let (name, place) = place.split_once(" in ")?;
    let (file, line) = place.rsplit_once(':')?;
    assert_eq!(file, "CONFIG_DATA");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line: usize = line.parse().expect("a number");
    assert_eq!(lines[line - 1], format!("  {name}:"));
    let mut remedy = remedy;
    if let Some((denies, rest)) = remedy.split_once(" set; unset ") {
        let denies = denies.trim_end_matches(" is").trim_end_matches(" are");
        for deny in denies
            .split([',', ' '])
            .filter(|word| word.starts_with("DENY_"))
        {
            lines.retain(|line| !line.trim().starts_with(&format!("{deny}:")));
        }
        remedy = rest.split_once("then ").map_or("", |(_, then)| then);
    }
    if let Some(grants) = remedy.strip_prefix("set ") {
        let first = grants.split(", or ").next().expect("one");
        for grant in first.split(" and ") {
            let (variable, _) = grant.split_once(": ")?;
            // Where it is written already, there it is changed.
            lines.retain(|line| !line.trim().starts_with(&format!("{variable}:")));
            lines.insert(line, format!("    {grant}"));
        }
    } else if !remedy.is_empty() {
        return None;
    }
    Some(lines.join("\n"))
}

#[test]
fn a_denial_s_remedy_can_be_followed_in_the_file() {
    let mut followed = 0;
    for own in [
        "    PING: 1\n",
        "    CONTAINERS: 1\n    ALLOW_START: 0\n",
        "    PRESET: traefik\n",
        "    POST: 1\n    DENY_LOGS: 1\n    DENY_EXEC: 1\n",
    ] {
        let text = format!(
            "policies:\n  other:\n    INFO: 0\n  ci:\n{own}endpoints:\n- {{listen: \"unix:///a\", policy: ci}}\n\
             - {{listen: \"unix:///b\", policy: other}}\n"
        );
        let settings = good(&[], &text);
        for action in ACTIONS.iter().step_by(7) {
            for target in action.routes.iter().filter_map(Route::sample) {
                let decided = |settings: &Settings| match policy(settings, "ci")
                    .decide(target.clone(), Body::Empty)
                {
                    Verdict::Deny(denial) => Some(denial.message()),
                    _ => None,
                };
                let Some(message) = decided(&settings) else {
                    continue;
                };
                let mended = mend(&text, &message).unwrap_or_else(|| panic!("{message}"));
                assert_eq!(decided(&good(&[], &mended)), None, "{message}\n{mended}");
                followed += 1;
            }
        }
    }
    assert!(followed > 50, "{followed}");
}
