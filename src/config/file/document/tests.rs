//! What documents mean, and what is wrong with them.

use super::*;
use crate::clients::{AllowFrom, Who};

fn sources(texts: &[&str]) -> Vec<Source> {
    let names = ["/a.yml", "/b.yml", "/c.yml"];
    (names.iter().zip(texts))
        .map(|(name, text)| Source {
            name: (*name).into(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect()
}

fn document(texts: &[&str]) -> Document {
    read(&sources(texts)).unwrap_or_else(|refused| panic!("{texts:?}: {:#?}", refused.mistakes))
}

fn mistakes(texts: &[&str]) -> Vec<String> {
    match read(&sources(texts)) {
        Ok(document) => panic!("{texts:?}: {document:#?}"),
        Err(refused) => refused.mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// As `name=value@line`.
fn variables(policy: &PolicySpec) -> Vec<String> {
    (policy.variables.iter())
        .map(|one| format!("{}={}@{}", one.name, one.value, one.place.line))
        .collect()
}

#[test]
fn a_whole_document_is_read_with_its_lines() {
    let document = document(&[r#"
policies:
  traefik: { PRESET: traefik }
  ci:
    ALLOW_CREATE: 1
    PING: "1"
    EVENTS: true
    SP_ALLOW_GET_1: ^/v1\..+/info$
    BIND_FROM: /srv/ci
    SCOPE: label:team=ci
    PROFILE: ""
    by_label: true
  closed.for-now_1: {}
endpoints:
  - { listen: "tcp://[::]:2375" }
  - listen: unix:///run/dockgate/ci.sock
    mode: 0660
    policy: ci
clients:
  - { from: [172.20.0.0/16, traefik], policy: traefik }
  - from: ::1
    policy: none
  - { user: 1000, policy: ci }
  - { group: "0", policy: default }
"#]);
    let [traefik, ci, closed] = &*document.policies else {
        panic!("{document:?}");
    };
    assert_eq!((&*traefik.name, traefik.place.line), ("traefik", 3));
    assert_eq!(traefik.place.to_string(), "/a.yml:3");
    assert_eq!(variables(traefik), ["PRESET=traefik@3"]);
    assert!(!traefik.by_label && ci.by_label);
    assert_eq!((&*ci.name, ci.place.line), ("ci", 4));
    assert_eq!(
        variables(ci),
        [
            "ALLOW_CREATE=1@5",
            "PING=1@6",
            "EVENTS=true@7",
            r"SP_ALLOW_GET_1=^/v1\..+/info$@8",
            "BIND_FROM=/srv/ci@9",
            "SCOPE=label:team=ci@10",
            "PROFILE=@11",
        ]
    );
    assert_eq!(&*closed.name, "closed.for-now_1");
    assert_eq!(variables(closed), [""; 0]);
    let shown = |written: &Written| format!("{}@{}", written.text, written.place.line);
    let endpoints: Vec<_> = (document.endpoints.iter())
        .map(|one| {
            let (mode, policy) = (one.mode.as_ref(), one.policy.as_ref());
            (shown(&one.listen), mode.map(shown), policy.map(shown))
        })
        .collect();
    assert_eq!(
        endpoints,
        [
            ("tcp://[::]:2375@15".to_owned(), None, None),
            (
                "unix:///run/dockgate/ci.sock@16".to_owned(),
                Some("0660@17".to_owned()),
                Some("ci@18".to_owned())
            ),
        ]
    );
    let clients: Vec<_> = (document.clients.iter())
        .map(|one| (one.who.clone(), shown(&one.policy), one.place.line))
        .collect();
    let from = |text| Who::From(AllowFrom::new(text));
    assert_eq!(
        clients,
        [
            (from("172.20.0.0/16,traefik"), "traefik@20".to_owned(), 20),
            (from("::1"), "none@22".to_owned(), 21),
            (Who::User(1000), "ci@23".to_owned(), 23),
            (Who::Group(0), "default@24".to_owned(), 24),
        ]
    );
}

#[test]
fn an_alias_is_what_it_repeats_with_the_lines_of_that() {
    let document = document(&["policies:\n  a: &x\n    PING: 1\n  b: *x\n"]);
    assert_eq!(document.policies[1].place.line, 4);
    assert_eq!(variables(&document.policies[1]), ["PING=1@3"]);
}

#[test]
fn files_are_one_document_in_their_order() {
    let document = document(&[
        "clients: [{user: 1, policy: b}]",
        "policies: {b: {PING: 1}}",
        "clients: [{user: 2, policy: b}]\nendpoints: [{listen: unix:///x}]",
    ]);
    let users: Vec<_> = (document.clients.iter())
        .map(|one| (one.who.clone(), one.place.to_string()))
        .collect();
    assert_eq!(
        users,
        [
            (Who::User(1), "/a.yml:1".to_owned()),
            (Who::User(2), "/c.yml:1".to_owned())
        ]
    );
    assert_eq!(document.policies[0].place.to_string(), "/b.yml:1");
    assert_eq!(document.endpoints.len(), 1);
}

/// Each text has exactly these mistakes.
fn told(cases: &[(&str, &[&str])]) {
    for (text, told) in cases {
        let mistakes = mistakes(&[text]);
        let mistakes: Vec<&str> = (mistakes.iter())
            .map(|told| told.strip_prefix("/a.yml:").unwrap_or(told))
            .collect();
        assert_eq!(mistakes, *told, "{text}");
    }
}

#[test]
fn a_file_that_says_nothing_is_a_mistake() {
    const EMPTY: &str = "the file is empty; add policies, endpoints or clients";
    let empty = format!("1: {EMPTY}");
    for text in ["", "\n\n", "# policies:\n", "---\n", "\u{feff}", "~", "{}"] {
        assert_eq!(mistakes(&[text]), [format!("/a.yml:{empty}")], "{text:?}");
    }
    // Each file for itself, and with the mistakes of others.
    assert_eq!(
        mistakes(&["policies: {a: {}}", "", "x: 1"]),
        [
            format!("/b.yml:1: {EMPTY}"),
            "/c.yml:1: unknown key x; use one of policies, endpoints, clients, engines, gates, mutators, \
             responseFilters"
                .to_owned(),
        ]
    );
    const MAP: &str = "must be a map of keys";
    told(&[
        (
            "just text",
            &["1: the file must be a map of keys; add policies, endpoints or clients"],
        ),
        (
            "- policies",
            &["1: the file must be a map of keys; add policies, endpoints or clients"],
        ),
        (
            "policies:",
            &["1: policies is empty; add an entry, or remove the key"],
        ),
        (
            "policies: {}\nendpoints: []\nclients: ~",
            &[
                "1: policies is empty; add an entry, or remove the key",
                "2: endpoints is empty; add an entry, or remove the key",
                "3: clients is empty; add an entry, or remove the key",
            ],
        ),
        (
            "policies: [a]\nendpoints: {listen: a}\nclients: all",
            &[
                &format!("1: policies {MAP}; use NAME: and the variables of the policy"),
                "2: endpoints must be a list; begin each entry with a hyphen",
                "3: clients must be a list; begin each entry with a hyphen",
            ],
        ),
        (
            "endpoints: [tcp://[::]:2375]",
            &[
                "1: invalid YAML: while parsing a flow mapping, did not find expected ',' or '}'; \
                 check the indentation, brackets and quotes there",
            ],
        ),
        (
            "endpoints: [unix:///x]\nclients:\n- [a]",
            &[
                &format!("1: endpoints[0] {MAP}; use KEY: VALUE pairs"),
                &format!("3: clients[0] {MAP}; use KEY: VALUE pairs"),
            ],
        ),
    ]);
}

#[test]
fn an_unknown_key_is_told_with_the_nearest() {
    told(&[
        (
            "polices: {a: {}}\nclient: []\nEndpoints: []\nx: 1",
            &[
                "1: unknown key polices; did you mean policies?",
                "2: unknown key client; did you mean clients?",
                "3: unknown key Endpoints; did you mean endpoints?",
                "4: unknown key x; use one of policies, endpoints, clients, engines, gates, mutators, \
             responseFilters",
            ],
        ),
        (
            // What is in the lists of middleware is not this module's.
            "engines: []\ngates: []\nmutators: {}\nresponseFilters: 1\nresponsefilter: 1",
            &[
                "1: engines is empty; add an entry, or remove the key",
                "5: unknown key responsefilter; did you mean responseFilters?",
            ],
        ),
        (
            "endpoints:\n- {listen: unix:///x, polcy: a, engine: e}\n- {Listen: y}",
            &[
                "2: unknown key endpoints[0].polcy; did you mean policy?",
                "3: unknown key endpoints[1].Listen; did you mean listen?",
                "3: endpoints[1] has no listen; add listen: tcp://ADDRESS:PORT or listen: \
                 unix:///PATH",
            ],
        ),
        (
            "clients:\n- {users: 1, policy: none}",
            &["2: unknown key clients[0].users; did you mean user?"],
        ),
        (
            "\"a\\nb\": 1\n\"\": 2\n\"\\e[1m\": 3",
            &[
                "1: unknown key \"a\\nb\"; use one of policies, endpoints, clients, engines, gates, mutators, \
             responseFilters",
                "2: unknown key \"\"; use one of policies, endpoints, clients, engines, gates, mutators, \
             responseFilters",
                "3: unknown key \"\\u{1b}[1m\"; use one of policies, endpoints, clients, engines, gates, mutators, \
             responseFilters",
            ],
        ),
    ]);
}

#[test]
fn what_is_said_of_containers_is_read_as_it_is_written() {
    let clients = document(&[
        "clients:\n- {container: {label: [team=ci, x], name: 'web-*', project: shop, \
         service: [db, web], image: traefik}, policy: none}\n- {container: {label: a=b=c}, policy: none}",
    ])
    .clients;
    let who: Vec<String> = clients.iter().map(|one| one.who.to_string()).collect();
    assert_eq!(
        who,
        [
            "container label team=ci, label x, name web-*, project shop, service db, web, image traefik",
            "container label a=b=c",
        ]
    );
    const LABEL: &str = "use KEY=VALUE, or KEY for a label with any value that is not empty";
    let rule = |container: &str| format!("clients:\n- {{container: {container}, policy: none}}");
    for (container, mistake) in [
        ("{}", "clients[0].container is empty; use label, name, project, service or image".to_owned()),
        ("web", "clients[0].container must be a map of keys; use label, name, project, service or image".to_owned()),
        ("{labels: a}", "unknown key clients[0].container.labels; did you mean label?".to_owned()),
        ("{label: []}", "clients[0].container.label is empty; use a text, or a list of texts".to_owned()),
        ("{label: ''}", "clients[0].container.label is empty; remove it".to_owned()),
        ("{label: a=}", format!("clients[0].container.label: a= is not a label; {LABEL}")),
        (
            "{label: dockgate.policy=x}",
            "clients[0].container.label: dockgate.policy is a label of dockgate's own, and no client's; \
             use another label".to_owned(),
        ),
        ("{name: 'a,b'}", "clients[0].container.name: a,b has a comma; use a list: [A, B]".to_owned()),
        ("{name: [web, /db]}", "clients[0].container.name: /db begins with a slash, and no name does; use db".to_owned()),
        (
            "{label: [team=ci, x, team=cd]}",
            "clients[0].container.label: no container has team=ci and team=cd; use one rule for each".to_owned(),
        ),
        ("{label: team = ci}", "clients[0].container.label: \"team = ci\" has a blank beside its =; remove it".to_owned()),
        ("{label: team= ci}", "clients[0].container.label: \"team= ci\" has a blank beside its =; remove it".to_owned()),
        (
            "{image: 'sha256:abc'}",
            "clients[0].container.image: sha256:abc is an image's ID, and containers are known by the names of images; \
             use the name with which the container is created".to_owned(),
        ),
        ("{name: ' a'}", "clients[0].container.name: \" a\" has a blank at its end; remove it".to_owned()),
        (
            "{image: load}",
            "clients[0].container.image: load is not the name of an image; use names such as traefik, \
             ghcr.io/me/** or traefik:v3*".to_owned(),
        ),
    ] {
        let told = mistakes(&[&rule(container)]);
        assert_eq!(told, [format!("/a.yml:2: {mistake}")], "{container}");
    }
    let both = "clients:\n- {from: 10.0.0.1, container: {name: web}, policy: none}";
    assert_eq!(
        mistakes(&[both]),
        ["/a.yml:2: clients[0] has from and container; use one of them in each rule"]
    );
}

#[test]
fn policies_are_named_and_hold_variables() {
    const NAME: &str = "use up to 64 letters, digits, - _ and .";
    const PROCESS: &str = "applies to the whole process, not to one policy";
    let long = "x".repeat(65);
    let cut = "x".repeat(64);
    told(&[
        (
            "policies: {none: {}}",
            &["1: the policy name none is reserved: it refuses all requests; use another name"],
        ),
        (
            "policies:\n  None: {}\n  NONE: {}\n  Default: {}\n  default: {}\n  nones: {}",
            &[
                "2: the policy name None differs only in case from none; use another name",
                "3: the policy name NONE differs only in case from none; use another name",
                "4: the policy name Default differs only in case from default; use another name",
            ],
        ),
        (
            "policies:\n  ci: {}\n  CI: {}\n  Ci: {}",
            &[
                "3: the policy name CI differs only in case from ci at /a.yml:2; rename or remove \
                 one of them",
                "4: the policy name Ci differs only in case from ci at /a.yml:2; rename or remove \
                 one of them",
            ],
        ),
        (
            &format!(
                "policies:\n  a b: {{}}\n  a/b: {{}}\n  \"\": {{}}\n  é: {{}}\n  {long}: {{}}"
            ),
            &[
                &format!("2: invalid policy name \"a b\"; {NAME}"),
                &format!("3: invalid policy name a/b; {NAME}"),
                &format!("4: invalid policy name \"\"; {NAME}"),
                &format!("5: invalid policy name \"\\u{{e9}}\"; {NAME}"),
                &format!("6: invalid policy name {cut}...; {NAME}"),
            ],
        ),
        (
            "policies:\n  a:\n  b: 1\n  c: [PING]",
            &[
                "2: policies.a must be a map of keys; use NAME: VALUE for each variable, or {} \
                 for a policy that grants nothing",
                "3: policies.b must be a map of keys; use NAME: VALUE for each variable, or {} \
                 for a policy that grants nothing",
                "4: policies.c must be a map of keys; use NAME: VALUE for each variable, or {} \
                 for a policy that grants nothing",
            ],
        ),
        (
            "policies:\n  a: {PING: 1}\n  a: {PING: 0}",
            &["3: duplicate key a, which line 2 has already; remove one of them"],
        ),
        (
            "policies:\n  a:\n    PING: 1\n    EVENTS: 1\n    PING: 0",
            &["5: duplicate key PING, which line 3 has already; remove one of them"],
        ),
        (
            "policies:\n  a:\n    PING:\n    EVENTS: [1]\n    INFO: {a: 1}\n    POST: \"\\0\"\n    \
             EXEC: ~",
            &[
                "3: policies.a.PING has no value; use a single value, with commas between the items \
                 of a list",
                "4: policies.a.EVENTS must be a single value; use a single value, with commas \
                 between the items of a list",
                "5: policies.a.INFO must be a single value; use a single value, with commas between \
                 the items of a list",
                "6: policies.a.POST contains a NUL; remove it",
                "7: policies.a.EXEC has no value; use a single value, with commas between the items \
                 of a list",
            ],
        ),
        (
            "policies:\n  a:\n    ping: 1\n    by-label: 1\n    by_lable: 1\n    PI NG: 1\n    \
             \"\": 1\n    _X: 1",
            &[
                "3: unknown variable policies.a.ping; names are upper case: use PING",
                "4: unknown variable policies.a.by-label; did you mean by_label?",
                "5: unknown variable policies.a.by_lable; did you mean by_label?",
                "6: unknown variable policies.a.\"PI NG\"; use the name of a variable",
                "7: unknown variable policies.a.\"\"; use the name of a variable",
                "8: unknown variable policies.a._X; use the name of a variable",
            ],
        ),
        (
            "policies:\n  a:\n    by_label: yes\n  b:\n    by_label:",
            &[
                "3: policies.a.by_label must be true or false, not yes; use true or false",
                "5: policies.b.by_label has no value; use true or false",
            ],
        ),
        (
            "policies:\n  a:\n    LISTEN: x\n    LISTEN_MODE: 1\n    SP_LISTENIP: 1\n    \
             SP_ALLOWFROM: 1\n    SOCKET_PATH: 1\n    LOG_LEVEL: 1\n    MAX_CONNECTIONS: 1\n    \
             LEARN: 1\n    CONFIG_FILE: 1\n    SP_LOGLEVEL: 1\n    DRY_RUN: 1",
            &[
                &format!("3: policies.a.LISTEN {PROCESS}; add an entry to endpoints"),
                &format!("4: policies.a.LISTEN_MODE {PROCESS}; add an entry to endpoints"),
                &format!("5: policies.a.SP_LISTENIP {PROCESS}; add an entry to endpoints"),
                &format!("6: policies.a.SP_ALLOWFROM {PROCESS}; add a rule with from to clients"),
                &format!("7: policies.a.SOCKET_PATH {PROCESS}; set it in the environment"),
                &format!("8: policies.a.LOG_LEVEL {PROCESS}; set it in the environment"),
                &format!("9: policies.a.MAX_CONNECTIONS {PROCESS}; set it in the environment"),
                &format!("10: policies.a.LEARN {PROCESS}; set it in the environment"),
                &format!("11: policies.a.CONFIG_FILE {PROCESS}; set it in the environment"),
                &format!("12: policies.a.SP_LOGLEVEL {PROCESS}; set it in the environment"),
            ],
        ),
    ]);
    assert_eq!(
        mistakes(&["policies: {a: {}, b: {}}", "\npolicies: {b: {}}"]),
        ["/b.yml:2: duplicate policy b, also at /a.yml:1; rename or remove one of them"]
    );
    let many = |from: usize, to: usize| {
        let names = (from..to).map(|number| format!("  p{number}: {{}}\n"));
        "policies:\n".to_owned() + &names.collect::<String>()
    };
    assert!(read(&sources(&[&many(0, 600), &many(600, 1000)])).is_ok());
    assert_eq!(
        mistakes(&[&many(0, 600), &many(600, 1200)]),
        ["/b.yml:402: more than 1000 policies; use fewer policies"]
    );
    assert_eq!(
        mistakes(&["policies: {b: {}}", "\npolicies: {B: {}}"]),
        [
            "/b.yml:2: the policy name B differs only in case from b at /a.yml:1; rename or remove \
             one of them"
        ]
    );
}

/// Every setting that a new value needs a restart for belongs to the process.
#[test]
fn no_setting_of_the_process_is_a_policy_s() {
    let settings = crate::config::SETTINGS.iter();
    for setting in settings.filter(|one| one.restart && one.name != "DRY_RUN") {
        let text = format!("policies: {{a: {{{}: 1}}}}", setting.name);
        let mistakes = mistakes(&[&text]);
        assert!(mistakes[0].contains("whole process"), "{mistakes:?}");
    }
}

#[test]
fn endpoints_have_one_address() {
    told(&[
        (
            "endpoints:\n- policy: none\n- listen:\n- listen: [unix:///x]\n- listen: \
             unix:///x,unix:///y",
            &[
                "2: endpoints[0] has no listen; add listen: tcp://ADDRESS:PORT or listen: \
                 unix:///PATH",
                "3: endpoints[1].listen has no value; add one entry for each address",
                "4: endpoints[2].listen must be a single value; add one entry for each address",
                "5: endpoints[3].listen must be one address; add one entry for each address",
            ],
        ),
        (
            "endpoints:\n- listen: tcp://127.0.0.1:1\n  mode: 0660\n- {listen: unix:///x, mode: \
             , policy: [a]}",
            &[
                "3: endpoints[0].mode applies to Unix sockets only; remove it",
                "4: endpoints[1].mode has no value; use an octal mode such as \"0660\"",
                "4: endpoints[1].policy must be a single value; use the name of one policy",
            ],
        ),
    ]);
}

#[test]
fn client_rules_have_one_kind_of_client_and_a_policy() {
    const INSTANCE: &str = "use for instance 172.20.0.5, 172.20.0.0/16, fd00::/8 or traefik";
    told(&[
        (
            "clients:\n- {policy: none}\n- {user: 1}\n- {user: 1, group: 2, policy: none}\n- {}",
            &[
                "2: clients[0] has no from, user, group, container or certificate; add one of them; for all other \
                 clients, set policy in endpoints",
                "3: clients[1] has no policy; add policy: NAME, or policy: none to refuse these \
                 clients",
                "4: clients[2] has user and group; use one of them in each rule",
                "5: clients[3] has no from, user, group, container or certificate; add one of them; for all other \
                 clients, set policy in endpoints",
                "5: clients[3] has no policy; add policy: NAME, or policy: none to refuse these \
                 clients",
            ],
        ),
        (
            "clients:\n- from: []\n  policy: none\n- from:\n  - \"*\"\n  - 10.0.0.1\n  - 10.0.0.0/33\n  \
             - \"a,b\"\n  - \" a\"\n  - fe80::1%eth0\n  - a b\n  - [c]\n  - \n  - 127.1\n  - \
             10.0.0.1%eth0\n  policy: none\n- from:\n  policy: none",
            &[
                "2: clients[0].from is empty; add an address, a network or a host name",
                "5: clients[1].from: * does not match all clients; use 0.0.0.0/0 for IPv4, and \
                 ::/0 for IPv6",
                &format!(
                    "7: clients[1].from: 10.0.0.0/33 is not an address, a network or a host name; \
                     {INSTANCE}"
                ),
                "8: clients[1].from: a,b has a comma; use a list: [A, B]",
                "9: clients[1].from: \" a\" has a blank at its end; remove it",
                "10: clients[1].from: fe80::1%eth0 has a zone, and addresses are compared \
                 without it; remove % and what follows it",
                &format!(
                    "11: clients[1].from: \"a b\" is not an address, a network or a host name; \
                     {INSTANCE}"
                ),
                "12: clients[1].from must be a single value; use an address, a network such as \
                 172.20.0.0/16, or a host name",
                "13: clients[1].from has no value; use an address, a network such as \
                 172.20.0.0/16, or a host name",
                &format!(
                    "14: clients[1].from: 127.1 is not an address, a network or a host name; \
                     {INSTANCE}"
                ),
                "15: clients[1].from: 10.0.0.1%eth0 has a zone, and addresses are compared \
                 without it; remove % and what follows it",
                "17: clients[2].from has no value; use an address, a network such as \
                 172.20.0.0/16, or a host name",
            ],
        ),
    ]);
    told(&[(
        "clients:\n- from:\n  - \"::ffff:0:0/90\"\n  - 0.0.0.0\n  - \"::\"\n  - \"::10.0.0.1\"\n  policy: none",
        &[
            "3: clients[0].from: ::ffff:0:0/90 does not match IPv4 clients, because its prefix is \
             shorter than 96; use the form 172.20.0.0/16",
            "4: clients[0].from: 0.0.0.0 is the address of no client; use 0.0.0.0/0 for all IPv4 \
             addresses, and ::/0 for all IPv6 addresses",
            "5: clients[0].from: :: is the address of no client; use 0.0.0.0/0 for all IPv4 \
             addresses, and ::/0 for all IPv6 addresses",
            "6: clients[0].from: ::10.0.0.1 is the address of no client; use the form 172.20.0.5, \
             or 172.20.0.0/16 for a network",
        ],
    )]);
    for (id, told) in [
        ("root", "must be a decimal ID, not root"),
        ("-1", "must be a decimal ID, not -1"),
        ("+1", "must be a decimal ID, not +1"),
        ("0x10", "must be a decimal ID, not 0x10"),
        ("010", "must be a decimal ID, not 010"),
        ("1.0", "must be a decimal ID, not 1.0"),
        ("4294967295", "must be a decimal ID, not 4294967295"),
        ("4294967296", "must be a decimal ID, not 4294967296"),
        ("''", "must be a decimal ID, not \"\""),
        (
            "[1, 2]",
            "must be a single value; use a number, with one rule for each",
        ),
        ("", "has no value; use a number, with one rule for each"),
        (
            "65534",
            "is 65534, which stands for every user and group that is not mapped",
        ),
    ] {
        for kind in ["user", "group"] {
            let text = format!("clients:\n- {kind}: {id}\n  policy: none");
            let mistakes = mistakes(&[&text]);
            let begin = format!("/a.yml:2: clients[0].{kind} {told}");
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with(&begin),
                "{mistakes:?}"
            );
        }
    }
}

#[test]
fn only_a_known_policy_can_be_named() {
    assert_eq!(
        mistakes(&[
            "clients:\n- {user: 1, policy: b}\n- {user: 1, policy: traefk}\n- {user: 1, policy: \
             deafult}\n- {user: 1, policy: \"a\\nb\"}",
            "policies: {b: {}, traefik: {}}\nendpoints:\n- {listen: unix:///x, policy: B x}",
        ]),
        [
            "/a.yml:3: unknown policy traefk; did you mean traefik?",
            "/a.yml:4: unknown policy deafult; did you mean default?",
            "/a.yml:5: unknown policy \"a\\nb\"; add it to policies, or use one of b, default, \
             none, traefik",
            "/b.yml:3: unknown policy \"B x\"; add it to policies, or use one of b, default, none, \
             traefik",
        ]
    );
    // One that is there with a mistake in it is known.
    assert_eq!(
        mistakes(&["policies: {a: }\nclients: [{user: 1, policy: a}]"]).len(),
        1
    );
}

#[test]
fn what_is_wrong_is_told_at_once_and_the_rest_is_kept() {
    let text =
        "clients:\n- {user: 1, policy: x}\npolicies:\n  a: {PING: !x 1, EVENTS: 1, LEARN: 1}\nz: 1";
    let refused = read(&sources(&[text])).unwrap_err();
    let lines: Vec<String> = refused.mistakes.iter().map(ToString::to_string).collect();
    let begins = [
        "/a.yml:2: ",
        "/a.yml:4: tag ",
        "/a.yml:4: policies.a.LEARN",
        "/a.yml:5: ",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    let variables: Vec<String> = refused.rest.policies.iter().flat_map(variables).collect();
    assert_eq!(variables, ["EVENTS=1@4"]);
    assert_eq!(refused.rest.clients.len(), 1);
}

/// What fuzzing starts with has to be accepted, or the fuzzer seldom comes to what is read again.
#[test]
fn the_seeds_of_the_fuzzer_are_accepted() {
    for seed in ["whole", "aliases", "blocks", "files", "containers"] {
        let path = format!("{}/fuzz/corpus/file/{seed}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        document(&text.split('\0').collect::<Vec<_>>());
    }
}

#[test]
fn tls_has_all_that_it_takes_or_is_a_mistake() {
    told(&[
        (
            "endpoints:\n- {listen: unix:///x, tls: {cert: x, key: y}}\n- {listen: tcp://1, tls: {}}",
            &[
                "2: endpoints[0].tls applies to TCP addresses only; remove it",
                "3: endpoints[1].tls has no cert; add cert: and the path of a PEM file",
                "3: endpoints[1].tls has no key; add key: and the path of a PEM file",
            ],
        ),
        (
            "endpoints:\n- {listen: tcp://1, tls: {cert: '', key: [a], ca: z}}\n- listen: tcp://2\n  \
             tls: {cert: x, key: y,\n    client_auth: optional}\n- {listen: tcp://3, tls: x}",
            &[
                "2: endpoints[0].tls.cert is empty; use the path of a PEM file",
                "2: endpoints[0].tls.key must be a single value; use the path of a PEM file",
                "2: unknown key endpoints[0].tls.ca; use one of cert, key, client_ca, client_auth",
                "5: endpoints[1].tls.client_auth has no client_ca, with which certificates could be \
                 verified; add client_ca, or remove it",
                "6: endpoints[2].tls must be a map of keys; use { cert: FILE, key: FILE }",
            ],
        ),
    ]);
}

#[test]
fn certificate_rules_ask_for_what_a_certificate_can_be() {
    const NAMES: &str = "names are compared as they are: use the whole name";
    const SAN: &str = "use dns:NAME, ip:ADDRESS or uri:URI";
    told(&[(
        "clients:\n- {certificate: {}, policy: none}\n- {certificate: {cn: a}, policy: none}\n\
         - {certificate: {san: ci.example}, policy: none}\n\
         - {certificate: {common_name: '*', san: 'dns:*.x'}, policy: none}\n\
         - {certificate: {fingerprint: 'sha1:00'}, policy: none}\n\
         - {certificate: {common_name: a}, user: 1, policy: none}",
        &[
            "2: clients[0].certificate is empty; use common_name, san or fingerprint",
            "3: unknown key clients[1].certificate.cn; use one of common_name, san, fingerprint",
            &format!("4: clients[2].certificate.san: ci.example matches no certificate; {SAN}"),
            &format!("5: clients[3].certificate.common_name: * matches no certificate; {NAMES}"),
            &format!(
                "5: clients[3].certificate.san: dns:*.x matches no certificate; {NAMES}, in a rule for each"
            ),
            "6: clients[4].certificate.fingerprint: sha1:00 matches no certificate; use sha256:HEX \
             of the public key: openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin \
             -outform DER | sha256sum",
            "7: clients[5] has certificate and user; use one of them in each rule",
        ],
    )]);
}
