//! Rules, flags and addresses, from the environment to verdicts.

use std::fs;

use crate::api::Target;
use crate::config::{LogLevel, Settings, Severity, Snapshot};
use crate::policy::{Body, Verdict};

fn snapshot(env: &[(&str, &str)], flags: &[&str]) -> Snapshot {
    let mut snapshot: Snapshot = env.iter().copied().collect();
    let rest = snapshot.take_flags(flags.iter().map(Into::into));
    assert_eq!(rest, Ok(Vec::new()), "{flags:?}");
    snapshot
}

fn load(env: &[(&str, &str)], flags: &[&str]) -> Result<Settings, Vec<String>> {
    Settings::load(&snapshot(env, flags)).map_err(|told| {
        let errors = told.iter().filter(|one| one.severity == Severity::Error);
        errors.map(ToString::to_string).collect()
    })
}

#[track_caller]
fn good(env: &[(&str, &str)], flags: &[&str]) -> Settings {
    load(env, flags).unwrap()
}

/// What allows a request, or why it is denied.
fn verdict(settings: &Settings, request: &str) -> Result<String, String> {
    let (method, target) = request.split_once(' ').unwrap();
    let target = Target::from_line(method, target).unwrap();
    match settings.policies.default().decide(target, Body::Empty) {
        Verdict::Allow(permit) => Ok(permit.origin().to_string()),
        denied => Err(denied.to_string()),
    }
}

fn told(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn any_variable_or_flag_makes_it_active_without_the_defaults_of_sections() {
    let none: (&[(&str, &str)], &[&str]) = (&[], &[]);
    for (env, flags, by) in [
        (none.0, none.1, "EVENTS"),
        // Services of Kubernetes that are called cetusguard.
        (
            &[
                ("CETUSGUARD_PORT", "tcp://10.96.0.7:2375"),
                ("CETUSGUARD_SERVICE_HOST", "10.96.0.7"),
            ],
            &[],
            "EVENTS",
        ),
        (&[("CETUSGUARD_LOG_LEVEL", "7")], &[], ""),
        (&[("CETUSGUARD_RULES", "")], &[], ""),
        (&[("CETUSGUARD_BACKEND_ADDR", "")], &[], ""),
        (&[("CETUSGUARD_UNKNOWN", "")], &[], ""),
        (&[], &["-log-level", "6"], ""),
        (&[], &["--no-builtin-rules=false"], ""),
        (
            &[("EVENTS", "1"), ("CETUSGUARD_LOG_LEVEL", "7")],
            &[],
            "EVENTS",
        ),
    ] {
        let settings = good(env, flags);
        let is = verdict(&settings, "GET /events");
        assert_eq!(is.unwrap_or_default(), by, "{env:?} {flags:?}");
        let by = if by.is_empty() {
            "built-in rule 1"
        } else {
            "PING"
        };
        let is = verdict(&settings, "HEAD /_ping").unwrap();
        assert!(
            is == by || is == "built-in rule 1",
            "{env:?} {flags:?}: {is}"
        );
    }
}

#[test]
fn rules_come_from_variables_flags_and_files_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a.list", "b.list"].map(|name| folder.path().join(name));
    fs::write(
        &first,
        "\u{feff}! containers\r\n\r\nGET %API_PREFIX_CONTAINERS%/json\r",
    )
    .unwrap();
    fs::write(&second, "POST /x|%API_PREFIX%/images/[^/]+/tag\n").unwrap();
    let [a, b] = [&first, &second].map(|path| path.to_str().unwrap());
    let [list, tag] = ["GET /v1.41/containers/json?all=1", "POST /images/x/tag"];
    let info = "GET /v1.41/info";
    let rules = (
        "CETUSGUARD_RULES",
        "! all\nGET,HEAD %API_PREFIX%/images/json\n",
    );
    let images = "HEAD /images/json";
    let file = ("CETUSGUARD_RULES_FILE", a);
    for (env, flags, expected) in [
        (
            &[rules, file][..],
            &[][..],
            [
                Some("CETUSGUARD_RULES:2"),
                Some("A:3"),
                None,
                Some("built-in rule 5"),
            ],
        ),
        (
            &[rules, file],
            &["-rules=GET /events"],
            [None, Some("A:3"), None, Some("built-in rule 5")],
        ),
        (
            &[rules],
            &["-rules-file", a, "-rules-file", b],
            [
                Some("CETUSGUARD_RULES:2"),
                Some("A:3"),
                Some("B:1"),
                Some("built-in rule 5"),
            ],
        ),
        (
            &[file],
            &["-rules-file", b],
            [None, None, Some("B:1"), Some("built-in rule 5")],
        ),
        (
            &[],
            &[
                "-rules",
                "GET /version",
                "-rules",
                "\nHEAD /images/json",
                "-no-builtin-rules",
            ],
            [Some("-rules[1]:2"), None, None, None],
        ),
        (
            &[("CETUSGUARD_NO_BUILTIN_RULES", "t"), rules],
            &[],
            [Some("CETUSGUARD_RULES:2"), None, None, None],
        ),
        (
            &[("CETUSGUARD_NO_BUILTIN_RULES", "1"), rules],
            &["-no-builtin-rules=0"],
            [
                Some("CETUSGUARD_RULES:2"),
                None,
                None,
                Some("built-in rule 5"),
            ],
        ),
    ] {
        let settings = good(env, flags);
        let is = [images, list, tag, info].map(|request| {
            verdict(&settings, request)
                .ok()
                .map(|by| by.replace(a, "A").replace(b, "B"))
        });
        assert_eq!(
            is.each_ref().map(Option::as_deref),
            expected,
            "{env:?} {flags:?}"
        );
    }
    let settings = good(&[rules, file], &["-rules-file", b, "-rules", "GET /events"]);
    assert_eq!(
        told(&settings),
        [
            "CETUSGUARD_RULES is ignored: -rules is set on the command line; use only one of them",
            "CETUSGUARD_RULES_FILE is ignored: -rules-file is set on the command line; use only one of them",
        ]
    );
    let contributes = settings.policies.default().sources.dialects().into_iter();
    let own: Vec<_> = contributes.filter(|one| one.0 == "cetusguard").collect();
    let shown = format!("built in (6 rules), -rules (1 rule), {b} (1 rule)");
    assert_eq!(own, [("cetusguard", true, shown)]);
}

#[test]
fn a_denial_says_what_nothing_matches() {
    let settings = good(&[("CETUSGUARD_RULES", "GET /events")], &[]);
    let is = verdict(&settings, "POST /v1.41/containers/create").unwrap_err();
    assert!(
        is.ends_with("no CETUSGUARD_RULES rule for POST matches /v1.41/containers/create"),
        "{is}"
    );
    // Nor may what others grant be lost, or what they deny be allowed.
    let env = [
        ("CETUSGUARD_RULES", "GET .*"),
        ("DENY_ARCHIVE", "1"),
        ("ALLOW_START", "1"),
    ];
    let settings = good(&env, &[]);
    assert_eq!(
        verdict(&settings, "POST /containers/x/start").as_deref(),
        Ok("ALLOW_START")
    );
    assert!(verdict(&settings, "GET /containers/x/archive").is_err());
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.list");
    fs::write(&path, "GET /ok\n# no comment\nGET /[\nget /x\nGET /\x1b(\n").unwrap();
    let file = path.to_str().unwrap();
    let missing = folder.path().join("none");
    let none = missing.to_str().unwrap();
    let flags = [
        "-rules",
        "GET, POST /x\nGET (?!x)",
        "-rules-file",
        file,
        "-rules-file",
        none,
        "-no-builtin-rules=x",
        "-log-level=x",
        "-frontend-addr",
        "tcp://web:1",
        "-frontend-tls-key=/k",
    ];
    let mut errors = load(&[("CETUSGUARD_BACKEND_ADDR", "ssh://x")], &flags).unwrap_err();
    errors.sort_unstable();
    let mut expected = [
        "-rules:1: \"GET, POST /x\" is not a rule; use commas without blanks: GET,POST PATTERN".to_owned(),
        "-rules:2: (?!x) is not a valid pattern: look-around, including look-ahead and look-behind, is not supported; use the syntax of Go's regexp package".to_owned(),
        format!("{file}:2: \"# no comment\" is not a rule; begin a comment with !"),
        format!("{file}:3: /[ is not a valid pattern: unclosed character class; use the syntax of Go's regexp package"),
        format!("{file}:4: \"get /x\" is not a rule; methods are upper case"),
        format!("{file}:5: \"/\\u{{1b}}(\" is not a valid pattern: unclosed group; use the syntax of Go's regexp package"),
        format!("-rules-file={none}: cannot read {none}: No such file or directory (os error 2); use a file of rules that this user can read"),
        "-no-builtin-rules=x is not a boolean; use true or false".to_owned(),
        "-log-level=x is not a log level; use a number from 0 to 7".to_owned(),
        "-frontend-addr=tcp://web:1 contains tcp://web:1, which is not a listen address; use tcp://IP:PORT, tcp://:PORT for all addresses, or unix:///PATH".to_owned(),
        "CETUSGUARD_FRONTEND_TLS_KEY is set without CETUSGUARD_FRONTEND_TLS_CERT; set CETUSGUARD_FRONTEND_TLS_CERT, or unset CETUSGUARD_FRONTEND_TLS_KEY".to_owned(),
        "CETUSGUARD_BACKEND_ADDR=ssh://x is not the address of an engine; use unix:///PATH or tcp://HOST:PORT".to_owned(),
    ];
    expected.sort_unstable();
    assert_eq!(errors, expected);
}

#[test]
fn what_nobody_meant_is_warned_about() {
    for (rules, warning) in [
        (
            "GET /containers/json?all=1",
            "CETUSGUARD_RULES:1 matches no GET route of the Docker API: a query is not part of the path; use /containers/json",
        ),
        (
            "! x\nPOST %API_PREFIX%/events",
            "CETUSGUARD_RULES:2 matches no POST route of the Docker API, but routes with GET; use GET for those",
        ),
        (
            "GET %API_PREFIX_CONTAINERS%/%CONTAINER%/json",
            "CETUSGUARD_RULES:1: %CONTAINER% is not a variable and stands for itself",
        ),
        (
            "GET %API_PREFX%/info",
            "CETUSGUARD_RULES:1: %API_PREFX% is not a variable and stands for itself; did you mean %API_PREFIX%?",
        ),
        (
            "GETT,GET /info",
            "CETUSGUARD_RULES:1: the Docker API has no GETT; remove it",
        ),
        (
            "GETT /info",
            "CETUSGUARD_RULES:1: the Docker API has no GETT; remove it",
        ),
        (
            "GET %API_PREFIX_INFO%/",
            "CETUSGUARD_RULES:1 matches no GET route of the Docker API: no route ends with /; use %API_PREFIX_INFO%",
        ),
    ] {
        assert_eq!(told(&good(&[("CETUSGUARD_RULES", rules)], &[])), [warning]);
    }
    for fine in [
        "POST %API_PREFIX_CONTAINERS%/create(\\?.*)?",
        "GET,HEAD,POST,PUT,DELETE %API_PREFIX_LIBPOD_CONTAINERS%(/.*)?",
        "GET,POST %API_PREFIX_BUILD%(/.*)?",
        "GET %API_PREFIX_NETWORKS%/%NETWORK_NAME%",
        "GET ^/info$",
    ] {
        assert_eq!(
            told(&good(&[("CETUSGUARD_RULES", fine)], &[])),
            [""; 0],
            "{fine}"
        );
    }
    let unknown = load(&[("CETUSGUARD_RULEZ", "GET /x")], &[]);
    assert_eq!(
        unknown.unwrap_err(),
        ["unknown variable CETUSGUARD_RULEZ would be ignored; did you mean CETUSGUARD_RULES?"]
    );
    // A misspelt restriction is worse than a misspelt grant.
    let told = load(
        &[
            ("CETUSGUARD_NO_BUILTIN_RULE", "1"),
            ("CETUSGUARD_FRONTEND_ADDRS", "x"),
        ],
        &[],
    );
    assert_eq!(
        told.unwrap_err(),
        [
            "unknown variable CETUSGUARD_FRONTEND_ADDRS restricts nothing; did you mean CETUSGUARD_FRONTEND_ADDR?",
            "unknown variable CETUSGUARD_NO_BUILTIN_RULE restricts nothing; did you mean CETUSGUARD_NO_BUILTIN_RULES?",
        ]
    );
}

/// A rule for each kind of object, as its documentation has them, and more of the longest ones.
#[test]
fn many_rules_with_the_longest_variables_fit() {
    let references = ["json", "history", "get", "a", "b", "c", "d", "e", "f", "g"];
    let images: Vec<String> = references
        .iter()
        .map(|what| {
            format!("GET,POST,DELETE %API_PREFIX_IMAGES%/%IMAGE_ID_OR_REFERENCE%/{what}(\\?.*)?")
        })
        .collect();
    let objects = "GET %API_PREFIX_CONTAINERS%/%CONTAINER_ID_OR_NAME%/json\n\
                   POST %API_PREFIX_NETWORKS%/%NETWORK_ID_OR_NAME%/connect(\\?.*)?\n\
                   GET %API_PREFIX_PLUGINS%/%PLUGIN_ID_OR_NAME%/json\n\
                   GET %API_PREFIX_DISTRIBUTION%/%IMAGE_REFERENCE%/json";
    let rules = images.join("\n") + "\n" + objects;
    let settings = good(&[("CETUSGUARD_RULES", &rules)], &[]);
    let origin = verdict(&settings, "GET /v1.41/images/ghcr.io/a/b:c/json");
    assert_eq!(origin.as_deref(), Ok("CETUSGUARD_RULES:1"));
    assert!(verdict(&settings, "GET /v1.41/images/ghcr.io/a/b:c:d/json").is_err());
}

#[test]
fn addresses_are_those_of_that_proxy() {
    // Where it listens, with which mode, and where the engine is.
    let reached = |env: &[(&str, &str)], flags: &[&str], in_container: bool| {
        let mut snapshot = snapshot(env, flags);
        if in_container {
            snapshot = snapshot.of_process_1();
        }
        let settings = Settings::load(&snapshot).unwrap();
        let listen: Vec<String> = (settings.endpoints.iter())
            .map(|one| format!("{} {:o}", one.listen, one.mode))
            .collect();
        (listen.join(", "), settings.engine.address.to_string())
    };
    let (all, own) = ("tcp://[::]:2375 660", "tcp://127.0.0.1:2375 600");
    let engine = "/var/run/docker.sock";
    let level = ("CETUSGUARD_LOG_LEVEL", "6");
    for (env, flags, in_container, listen, socket) in [
        (&[level][..], &[][..], false, own, engine),
        // Its image listens everywhere.
        (&[level], &[], true, all, engine),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "tcp://:2376")],
            &[],
            false,
            "tcp://[::]:2376 600",
            engine,
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "tcp://localhost:1/")],
            &[],
            true,
            "tcp://127.0.0.1:1 600",
            engine,
        ),
        (
            &[(
                "CETUSGUARD_FRONTEND_ADDR",
                "tcp://[::1]:1,unix:///run/x.sock",
            )],
            &[],
            true,
            "tcp://[::1]:1 600, unix:///run/x.sock 600",
            engine,
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "tcp://:2376")],
            &[
                "-frontend-addr",
                "tcp://10.0.0.1:1",
                "-frontend-addr=unix:///run/x.sock",
            ],
            true,
            "tcp://10.0.0.1:1 600, unix:///run/x.sock 600",
            engine,
        ),
        (
            &[
                ("CETUSGUARD_FRONTEND_ADDR", "unix:///run/x.sock"),
                ("LISTEN_MODE", "0666"),
            ],
            &[],
            true,
            "unix:///run/x.sock 666",
            engine,
        ),
        (
            &[("LISTEN", "tcp://1.2.3.4:5"), level],
            &[],
            false,
            "tcp://1.2.3.4:5 660",
            engine,
        ),
        (
            &[level],
            &["-backend-addr", "unix:///x.sock"],
            false,
            own,
            "/x.sock",
        ),
        (
            &[
                ("CETUSGUARD_BACKEND_ADDR", "unix:///y.sock"),
                ("DOCKER_HOST", "unix:///z.sock"),
            ],
            &[],
            false,
            own,
            "/y.sock",
        ),
        (
            &[("DOCKER_HOST", "unix:///z.sock"), level],
            &[],
            false,
            own,
            "/z.sock",
        ),
        (
            &[
                ("DOCKER_HOST", "unix:///z.sock"),
                ("CONTAINER_HOST", "unix:///c.sock"),
                level,
            ],
            &[],
            false,
            own,
            "/c.sock",
        ),
        (
            &[
                ("DOCKER_HOST", "unix:///z.sock"),
                ("SOCKET_PATH", "/s.sock"),
                level,
            ],
            &[],
            false,
            own,
            "/s.sock",
        ),
        // Without the dialect, it is another program's.
        (
            &[("DOCKER_HOST", "unix:///z.sock")],
            &[],
            false,
            all,
            engine,
        ),
    ] {
        let is = reached(env, flags, in_container);
        assert_eq!(
            is,
            (listen.to_owned(), socket.to_owned()),
            "{env:?} {flags:?}"
        );
    }
    for (env, told) in [
        (
            &[
                ("LISTEN", "tcp://[::]:1"),
                ("CETUSGUARD_FRONTEND_ADDR", "tcp://:1"),
            ][..],
            "LISTEN and CETUSGUARD_FRONTEND_ADDR are both set",
        ),
        (
            &[
                ("SOCKET_PATH", "/x"),
                ("CETUSGUARD_BACKEND_ADDR", "unix:///x"),
            ],
            "SOCKET_PATH and CETUSGUARD_BACKEND_ADDR are both set",
        ),
        (
            &[("LOG_LEVEL", "info"), level],
            "LOG_LEVEL and CETUSGUARD_LOG_LEVEL are both set",
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "unix:///var/run/docker.sock")],
            "/var/run/docker.sock, which is the engine's own socket",
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "tcp://:1,tcp://:1")],
            "lists tcp://:1 twice",
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "127.0.0.1:1")],
            "is not a listen address",
        ),
        (
            &[("CETUSGUARD_FRONTEND_ADDR", "unix://x.sock")],
            "is not an absolute path to a Unix socket",
        ),
    ] {
        let errors = load(env, &[]).unwrap_err();
        assert!(
            errors.len() == 1 && errors[0].contains(told),
            "{told}: {errors:?}"
        );
    }
}

#[test]
fn an_address_of_clients_never_leads_back() {
    let level = ("CETUSGUARD_LOG_LEVEL", "6");
    let everywhere = ("CETUSGUARD_FRONTEND_ADDR", "tcp://:2375");
    let here = ("CETUSGUARD_FRONTEND_ADDR", "tcp://127.0.0.1:2375");
    let both = (
        "CETUSGUARD_FRONTEND_ADDR",
        "tcp://127.0.0.1:2375,unix:///run/x.sock",
    );
    for (own, host) in [
        (everywhere, "tcp://127.0.0.1:2375"),
        (everywhere, "tcp://127.0.0.9:2375/"),
        (everywhere, "tcp://localhost:2375"),
        (everywhere, "localhost:2375"),
        (everywhere, "tcp://[::1]:2375"),
        (everywhere, "tcp://:2375"),
        (everywhere, "tcp://0.0.0.0:2375"),
        (level, "tcp://127.0.0.1:2375"),
        (here, "tcp://127.0.0.1:2375"),
        (both, "unix:///run/./x.sock"),
    ] {
        let settings = good(&[own, ("DOCKER_HOST", host)], &[]);
        let told: Vec<_> = settings
            .warnings
            .iter()
            .map(|one| (one.severity, one.to_string()))
            .collect();
        let note = "DOCKER_HOST leads to dockgate itself and is not used".to_owned();
        assert_eq!(told, [(Severity::Note, note)], "{host}");
        assert_eq!(settings.engine.address.to_string(), "/var/run/docker.sock");
        // Then the next one counts.
        let next = good(
            &[
                own,
                ("CONTAINER_HOST", host),
                ("DOCKER_HOST", "unix:///z.sock"),
            ],
            &[],
        );
        assert_eq!(next.engine.address.to_string(), "/z.sock", "{host}");
    }
    // Another engine is never given up for the default one.
    for (own, host) in [
        (everywhere, "tcp://192.0.2.7:2375"),
        (everywhere, "tcp://127.0.0.1:2376"),
        (here, "tcp://127.0.0.9:2375"),
    ] {
        let settings = good(&[own, ("DOCKER_HOST", host)], &[]);
        assert_eq!(settings.engine.address.to_string(), host);
    }
    for (host, told) in [
        ("ssh://x", "is not the address of an engine"),
        ("192.0.2.7:2375", "is not the address of an engine"),
        (
            "tcp://nowhere.invalid:2375",
            "cannot be looked up, so it may lead to dockgate itself",
        ),
    ] {
        let errors = load(&[everywhere, ("DOCKER_HOST", host)], &[]).unwrap_err();
        assert!(
            errors.len() == 1 && errors[0].contains(told),
            "{host}: {errors:?}"
        );
    }
}

#[test]
fn log_levels_are_numbers() {
    for (number, level) in [
        ("7", LogLevel::Debug),
        ("99", LogLevel::Debug),
        ("6", LogLevel::Info),
        ("5", LogLevel::Notice),
        ("4", LogLevel::Warning),
        ("+3", LogLevel::Err),
        ("02", LogLevel::Crit),
        ("1", LogLevel::Alert),
        ("0", LogLevel::Emerg),
        ("-1", LogLevel::Emerg),
    ] {
        let settings = good(&[("CETUSGUARD_LOG_LEVEL", number)], &[]);
        assert_eq!(settings.process.log_level, level, "{number}");
    }
}

#[test]
fn a_policy_of_a_file_has_rules_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.list");
    fs::write(&path, "GET /v1.41/networks\n").unwrap();
    let file = path.to_str().unwrap();
    let document = format!(
        "policies:\n  ci:\n    CETUSGUARD_RULES: |\n      GET %API_PREFIX%/events\n    \
         CETUSGUARD_RULES_FILE: {file}\n    CETUSGUARD_NO_BUILTIN_RULES: 1\n"
    );
    let settings = good(&[("CONFIG_DATA", &document)], &[]);
    let id = settings.policies.id("ci").unwrap();
    let policy = settings.policies.get(id).unwrap();
    let origin = |target: &str| match policy
        .decide(Target::from_line("GET", target).unwrap(), Body::Empty)
    {
        Verdict::Allow(permit) => Some(permit.origin().to_string()),
        _ => None,
    };
    assert_eq!(
        origin("/v1.24/events").as_deref(),
        Some("CETUSGUARD_RULES:1")
    );
    assert_eq!(origin("/v1.41/networks"), Some(format!("{file}:1")));
    assert_eq!(origin("/version"), None);
    // What is wrong is told with its place.
    let document = "policies:\n  ci:\n    CETUSGUARD_RULES: get /x\n    CETUSGUARD_LOG_LEVEL: 7\n";
    let errors = load(&[("CONFIG_DATA", document)], &[]).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors
            .iter()
            .any(|one| one.contains("policies.ci.CETUSGUARD_RULES:1: \"get /x\" is not a rule")),
        "{errors:?}"
    );
    let beside = [(
        "CONFIG_DATA",
        "policies: { default: { CETUSGUARD_RULES: 'GET /x' } }",
    )];
    let errors = load(&beside, &["-rules-file=/x"]).unwrap_err();
    assert!(
        errors
            .iter()
            .any(|one| one.contains("policies.default cannot be used with -rules-file")),
        "{errors:?}"
    );
}

#[test]
fn a_restriction_behind_a_stray_word_is_never_lost() {
    for (flag, is_lost) in [
        ("-no-builtin-rules", true),
        ("-frontend-addr=tcp://127.0.0.1:1", true),
        ("-frontend-tls-cacert=/ca", true),
        ("-backend-addr=unix:///x", true),
        ("-rules=GET /x", false),
        ("-log-level=7", false),
    ] {
        let told = load(&[], &["-no-builtin-rules=false", "x", flag]);
        assert_eq!(told.is_err(), is_lost, "{flag}");
        if let Ok(settings) = told {
            assert_eq!(
                settings.endpoints[0].listen.to_string(),
                "tcp://127.0.0.1:2375"
            );
            assert!(
                verdict(&settings, "GET /x").is_err() && verdict(&settings, "GET /info").is_ok()
            );
        }
    }
}
