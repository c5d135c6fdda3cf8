//! Settings from environments.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::body::limits::Limits;
use crate::config::{Setting, Severity};

fn load(env: &[(&str, &str)]) -> Result<Settings, Vec<Diagnostic>> {
    Settings::load(&env.iter().copied().collect())
}

fn good(env: &[(&str, &str)]) -> Settings {
    load(env).unwrap()
}

fn warnings(env: &[(&str, &str)]) -> Vec<String> {
    good(env).warnings.iter().map(ToString::to_string).collect()
}

fn tcp(address: &str) -> Listen {
    Listen::Tcp {
        addr: address.parse().unwrap(),
        fallback_v4: false,
    }
}

fn listen(settings: &Settings) -> Vec<Listen> {
    let endpoints = settings.endpoints.iter();
    endpoints.map(|endpoint| endpoint.listen.clone()).collect()
}

#[test]
fn defaults_are_as_documented() {
    let settings = good(&[]);
    let addr = "[::]:2375".parse().unwrap();
    let everywhere = Endpoint {
        listen: Listen::Tcp {
            addr,
            fallback_v4: true,
        },
        mode: 0o660,
        policy: PolicyId::DEFAULT,
        engine: None,
        tls: None,
    };
    assert_eq!(settings.endpoints, [everywhere]);
    assert_eq!(settings.engine.address.to_string(), "/var/run/docker.sock");
    assert_eq!(settings.process.max_connections, 10_000);
    assert_eq!(settings.process.shutdown_grace, Duration::from_secs(5));
    assert_eq!(settings.process.log_level, LogLevel::Info);
    assert_eq!(settings.warnings, []);
    // Written out, they are the same, but that nothing falls back.
    let own = Setting::of(Dialect::Sections).filter(|one| {
        // Those of files have none.
        let is_of_files = ["CONFIG_", "TLS_", "ENGINE_"]
            .iter()
            .any(|own| one.name.starts_with(own));
        one.name != "LISTEN_MODE" && !is_of_files
    });
    let all: Vec<(&str, &str)> = own.map(|one| (one.name, one.default)).collect();
    let written = good(&all);
    assert_eq!(listen(&written), [tcp("[::]:2375")]);
    assert_eq!(written.warnings, []);
    let values = |one: &Settings| {
        let process = &one.process;
        let numbers = (process.max_connections, process.shutdown_grace);
        (
            one.engine.clone(),
            numbers,
            process.log_level,
            one.endpoints[0].mode,
        )
    };
    assert_eq!(values(&written), values(&settings));
    assert_eq!(crate::config::values::mode("0660"), Ok(0o660));
}

#[test]
fn a_wildcard_is_reached_on_loopback() {
    let local = |listen: &Listen| {
        let addresses = listen.local_addresses();
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        local(&listen(&good(&[]))[0]),
        ["[::1]:2375", "127.0.0.1:2375"]
    );
    assert_eq!(local(&tcp("0.0.0.0:1")), ["127.0.0.1:1"]);
    assert_eq!(local(&tcp("10.0.0.1:1")), ["10.0.0.1:1"]);
}

#[test]
fn values_that_make_sense_are_taken() {
    let listens_on = |value| listen(&good(&[("LISTEN", value)]));
    let unix = |path: &str| Listen::Unix(path.into());
    assert_eq!(listens_on("tcp://127.0.0.1:2375"), [tcp("127.0.0.1:2375")]);
    assert_eq!(
        listens_on("tcp://[::1]:1, unix:///run/d.sock"),
        [tcp("[::1]:1"), unix("/run/d.sock")]
    );
    for (value, engine) in [
        ("/x/y", "/x/y"),
        ("unix@/x/y", "/x/y"),
        ("unix:///x/y", "/x/y"),
        ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
    ] {
        let address = &good(&[("SOCKET_PATH", value)]).engine.address;
        assert_eq!(address.to_string(), engine);
    }
    assert_eq!(good(&[("MAX_CONNECTIONS", "1")]).process.max_connections, 1);
    assert_eq!(
        good(&[("SHUTDOWN_GRACE", "0")]).process.shutdown_grace,
        Duration::ZERO
    );
    assert_eq!(
        good(&[("LOG_LEVEL", "err")]).process.log_level,
        LogLevel::Err
    );
    assert_eq!(
        good(&[("LOG_LEVEL", "DEBUG")]).process.log_level,
        LogLevel::Debug
    );
    let env = [("LISTEN", "unix:///x"), ("LISTEN_MODE", "600")];
    assert_eq!(good(&env).endpoints[0].mode, 0o600);
    for value in ["1", "true", "TRUE", "yes", "Yes"] {
        assert_eq!(
            listen(&good(&[("DISABLE_IPV6", value)])),
            [tcp("0.0.0.0:2375")],
            "{value}"
        );
    }
    assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Err < LogLevel::Emerg);
}

macro_rules! refused {
    ($($name:ident: $variable:literal $value:expr => $problem:literal;)*) => {$(
        #[test]
        fn $name() {
            let mut errors = load(&[($variable, $value)]).unwrap_err();
            errors.retain(|one| one.severity == Severity::Error);
            let [error] = errors.as_slice() else { panic!("{errors:?}") };
            assert_eq!(error.variable, $variable);
            assert_eq!(error.problem, format!("{}{}", $variable, $problem));
            let says_what_to_do = ["use ", "list "].iter().any(|verb| error.help.starts_with(verb));
            assert!(error.help.is_empty() || says_what_to_do, "{}", error.help);
        }
    )*};
}

refused! {
    no_scheme: "LISTEN" "127.0.0.1:2375" =>
        "=127.0.0.1:2375 contains 127.0.0.1:2375, which is not a listen address";
    host_name: "LISTEN" "tcp://localhost:2375" =>
        "=tcp://localhost:2375 contains tcp://localhost:2375, which is not a listen address";
    no_port: "LISTEN" "tcp://0.0.0.0" => "=tcp://0.0.0.0 contains tcp://0.0.0.0, which is not a listen address";
    large_port: "LISTEN" "tcp://[::]:65536" =>
        "=tcp://[::]:65536 contains tcp://[::]:65536, which is not a listen address";
    other_scheme: "LISTEN" "https://[::]:1" =>
        "=https://[::]:1 contains https://[::]:1, which is not a listen address";
    empty_item: "LISTEN" "tcp://[::]:1," => "=tcp://[::]:1, contains an empty item";
    twice: "LISTEN" "unix:///a,unix:///a" => "=unix:///a,unix:///a lists unix:///a twice";
    relative_socket: "LISTEN" "unix://a" => "=unix://a is not an absolute path to a Unix socket";
    folder: "LISTEN" "unix:///run/" => "=unix:///run/ is not an absolute path to a Unix socket";
    own_engine: "LISTEN" "unix:///var/run/docker.sock" =>
        " contains /var/run/docker.sock, which is the engine's own socket";
    file_mode: "LISTEN_MODE" "rw" => "=rw is not a file mode";
    large_mode: "LISTEN_MODE" "1777" => "=1777 is not a file mode";
    signed_mode: "LISTEN_MODE" "+660" => "=+660 is not a file mode";
    engine_without_a_port: "SOCKET_PATH" "tcp://10.0.0.1" => "=tcp://10.0.0.1 has no port";
    engine_by_ssh: "SOCKET_PATH" "ssh://nas" =>
        "=ssh://nas is not an absolute path to a Unix socket";
    haproxy_ipv4: "SOCKET_PATH" "ipv4@10.0.0.1:2375" =>
        "=ipv4@10.0.0.1:2375 is not an absolute path to a Unix socket";
    haproxy_abstract: "SOCKET_PATH" "abns@docker" =>
        "=abns@docker is not an absolute path to a Unix socket";
    haproxy_fd: "SOCKET_PATH" "fd@3" => "=fd@3 is not an absolute path to a Unix socket";
    relative_engine: "SOCKET_PATH" "unix@docker.sock" =>
        "=unix@docker.sock is not an absolute path to a Unix socket";
    no_connections: "MAX_CONNECTIONS" "0" => "=0 must be a whole number from 1 to 1000000";
    fewer_connections: "MAX_CONNECTIONS" "-1" => "=-1 must be a whole number from 1 to 1000000";
    word_connections: "MAX_CONNECTIONS" "10k" => "=10k must be a whole number from 1 to 1000000";
    signed_connections: "MAX_CONNECTIONS" "+5" => "=+5 must be a whole number from 1 to 1000000";
    huge: "MAX_CONNECTIONS" "99999999999999999999" =>
        "=99999999999999999999 must be a whole number from 1 to 1000000";
    grace_unit: "SHUTDOWN_GRACE" "5s" => "=5s must be a whole number from 0 to 3600";
    grace_spaces: "SHUTDOWN_GRACE" " 5" => "=\" 5\" must be a whole number from 0 to 3600";
    level: "LOG_LEVEL" "loud" => "=loud is not a log level";
    long_level: "LOG_LEVEL" "error\n" => "=\"error\\n\" is not a log level";
}

#[test]
fn a_long_socket_path_is_refused() {
    let fits = format!("/{}", "x".repeat(106));
    let address = &good(&[("SOCKET_PATH", &fits)]).engine.address;
    assert_eq!(address.to_string(), fits);
    let errors = load(&[("SOCKET_PATH", &format!("{fits}x"))]).unwrap_err();
    assert!(
        errors[0]
            .problem
            .ends_with("... is longer than 107 bytes, the limit for a socket path")
    );
}

#[test]
fn all_mistakes_are_told_at_once_errors_first() {
    let env = [
        ("CONTAINERS", "true"),
        ("LISTEN", "x"),
        ("LOG_LEVEL", "x"),
        ("MAX_CONNECTIONS", "x"),
        ("SHUTDOWN_GRACE", "x"),
        ("SOCKET_PATH", "x"),
        ("LISTEN_MODE", "x"),
        ("IAMGES", "1"),
    ];
    let told = load(&env).unwrap_err();
    let variables: Vec<&str> = told.iter().map(|one| one.variable.as_str()).collect();
    assert_eq!(
        variables,
        [
            "LISTEN",
            "LISTEN_MODE",
            "SOCKET_PATH",
            "MAX_CONNECTIONS",
            "SHUTDOWN_GRACE",
            "LOG_LEVEL",
            "IAMGES",
            "CONTAINERS",
        ]
    );
}

#[test]
fn odd_values_are_warned_about() {
    for (variable, value, warning) in [
        (
            "CONTAINERS",
            "true",
            "CONTAINERS=true is read as 0; use CONTAINERS=1",
        ),
        ("POST", "\"1\"", "POST=\"1\" is read as 0; use POST=1"),
        ("POST", "off", "POST=off is read as 0; use POST=0"),
        ("POST", " 1", "POST=\" 1\" is read as 0; use POST=1"),
        ("EVENTS", "", "EVENTS=\"\" is read as 0; use EVENTS=0"),
        ("INFO", "2", "INFO=2 is read as 1; use INFO=1"),
        ("INFO", "00", "INFO=00 is read as 0; use INFO=0"),
        (
            "DISABLE_IPV6",
            "maybe",
            "DISABLE_IPV6=maybe is read as 0; use 1 or 0",
        ),
        (
            "LOG_LEVEL",
            "",
            "LOG_LEVEL is empty and treated as unset (default: info); set a value or remove it",
        ),
        (
            "LISTEN_MODE",
            "0600",
            "LISTEN_MODE is ignored without a Unix socket to listen on; add unix:///PATH to LISTEN, or remove it",
        ),
        (
            "ALLOW_START",
            "1",
            "ALLOW_START=1 is ignored by Tecnativa's proxy without POST=1; dockgate allows POST /containers/{id}/start regardless",
        ),
    ] {
        assert_eq!(warnings(&[(variable, value)]), [warning]);
    }
    assert_eq!(warnings(&[("ALLOW_START", "1"), ("POST", "1")]), [""; 0]);
    let both = [("LISTEN", "tcp://[::]:1"), ("DISABLE_IPV6", "1")];
    assert_eq!(
        warnings(&both),
        ["LISTEN overrides DISABLE_IPV6, which is ignored"]
    );
    assert_eq!(listen(&good(&both)), [tcp("[::]:1")]);
}

#[test]
fn a_deny_that_would_not_deny_is_refused() {
    for value in ["true", "yes", " 1", "\"1\"", "on"] {
        let errors = load(&[("DENY_EXEC", value)]).unwrap_err();
        let [error] = &*errors else {
            panic!("{errors:?}")
        };
        assert_eq!(
            (error.severity, &*error.variable),
            (Severity::Error, "DENY_EXEC")
        );
        assert_eq!(error.help, "use DENY_EXEC=1");
    }
    for value in ["0", "", "false", "no", "off", "00"] {
        assert!(
            !good(&[("DENY_EXEC", value)])
                .policies
                .default()
                .sources
                .grants
                .on("DENY_EXEC"),
            "{value}"
        );
    }
    let told = |name| match load(&[(name, "1")]) {
        Ok(settings) => panic!("{:?}", settings.warnings),
        Err(errors) => errors[0].to_string(),
    };
    assert_eq!(
        told("DENY_EXCE"),
        "unknown variable DENY_EXCE denies nothing; did you mean DENY_EXEC?"
    );
    assert_eq!(
        told("DENY_EVENTS"),
        "unknown variable DENY_EVENTS denies nothing; use EVENTS=0"
    );
    assert_eq!(good(&[("DENY_EXCE", "0")]).warnings.len(), 1);
}

#[test]
fn a_deny_wins_over_its_allow_and_says_so() {
    let both = [("ALLOW_START", "1"), ("DENY_START", "1")];
    assert_eq!(
        warnings(&both),
        ["DENY_START=1 overrides ALLOW_START=1, which is ignored; remove one of them"]
    );
}

#[test]
fn reading_files_without_post_is_noted_with_what_closes_it() {
    let note = |env: &[(&str, &str)]| good(env).policies.default().files_readable();
    assert_eq!(
        note(&[("CONTAINERS", "1"), ("IMAGES", "1")]).unwrap(),
        "POST=0 leaves the contents of files readable (GET /containers/{id}/archive, \
         HEAD /containers/{id}/archive, GET /containers/{id}/export, GET /images/get, \
         GET /images/{name...}/get); to prevent this, set DENY_ARCHIVE=1 DENY_EXPORT=1 DENY_SAVE=1"
    );
    assert_eq!(
        note(&[("CONTAINERS", "1"), ("DENY_ARCHIVE", "1")]).unwrap(),
        "POST=0 leaves the contents of files readable (GET /containers/{id}/export); \
         to prevent this, set DENY_EXPORT=1"
    );
    let closed = [
        ("CONTAINERS", "1"),
        ("DENY_ARCHIVE", "1"),
        ("DENY_EXPORT", "1"),
    ];
    assert_eq!(note(&closed), None);
    // Those who asked for it know.
    assert_eq!(note(&[("ALLOW_ARCHIVE", "1")]), None);
    assert_eq!(note(&[("CONTAINERS", "1"), ("POST", "1")]), None);
    assert_eq!(note(&[]), None);
}

#[test]
fn values_that_are_not_utf_8_do_no_harm() {
    let odd = OsStr::from_bytes(b"1\xff");
    let one = |name: &str| Settings::load(&Snapshot::from_iter([(name, odd)]));
    assert!(
        one("CONTAINERS")
            .unwrap()
            .policies
            .default()
            .sources
            .grants
            .on("CONTAINERS")
    );
    assert!(one("SOMETHING").unwrap().warnings.is_empty());
    let errors = one("SOCKET_PATH").unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "the value of SOCKET_PATH is not valid UTF-8; encode it as UTF-8"
    );
    let name = OsStr::from_bytes(b"CONTAINERS\xff");
    assert!(Settings::load(&Snapshot::from_iter([(name, odd)])).is_ok());
}

#[test]
fn the_summary_does_not_deny_what_an_unprotected_policy_allows() {
    for variable in ["LEARN", "DRY_RUN"] {
        assert_eq!(
            good(&[
                ("PRESET", "trivy"),
                (variable, "1"),
                ("INFO", "1"),
                ("ADD_LABELS", "team=ci"),
            ])
            .summary(),
            [
                &format!("reads and writes: everything ({variable}=1)"),
                &format!("without {variable}: reads: EVENTS INFO PING VERSION"),
                &format!("without {variable}: writes: none except the following (POST=0)"),
                &format!("without {variable}: preset trivy: PING IMAGE_INSPECT HISTORY SAVE"),
                "mutator addLabels: team=ci",
                "engine: /var/run/docker.sock",
            ]
        );
    }
}

#[test]
fn the_summary_tells_what_is_granted() {
    assert_eq!(
        good(&[("CONTAINERS", "1")]).summary(),
        [
            "reads: CONTAINERS EVENTS PING VERSION",
            "writes: none (POST=0)",
            "engine: /var/run/docker.sock"
        ]
    );
    let env = [
        ("POST", "1"),
        ("BUILD", "1"),
        ("EVENTS", "0"),
        ("ALLOW_STOP", "1"),
        ("DENY_ARCHIVE", "1"),
    ];
    let settings = good(&env);
    assert_eq!(
        settings.summary(),
        [
            "reads: BUILD PING VERSION",
            "writes: BUILD PING VERSION",
            "DENY_ARCHIVE: GET /containers/{id}/archive, HEAD /containers/{id}/archive, \
             POST /containers/{id}/copy",
            "ALLOW_STOP: POST /containers/{id}/stop",
            "engine: /var/run/docker.sock",
        ]
    );
    assert_eq!(
        settings.policies.default().root_on_host().unwrap(),
        "a client can become root on the host: \
         BUILD (a build runs code as root and can join the host's network)"
    );
    assert_eq!(
        good(&[("CONTAINERS", "1"), ("PRESET", "autoheal")]).summary(),
        [
            "reads: CONTAINERS EVENTS PING VERSION",
            "writes: none except the following (POST=0)",
            "preset autoheal: LIST RESTART",
            "engine: /var/run/docker.sock",
        ]
    );
    assert_eq!(
        good(&[("POST", "1")]).policies.default().root_on_host(),
        None
    );
    assert_eq!(
        good(&[("CONTAINERS", "1"), ("EXEC", "1")])
            .policies
            .default()
            .root_on_host(),
        None
    );
}

/// What keeps it from starting.
fn told(env: &[(&str, &str)]) -> Vec<String> {
    let mistakes = load(env).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

/// All mistakes at once, and an empty value is one.
#[test]
fn a_limit_that_cannot_be_read_keeps_dockgate_from_starting() {
    for limit in Limits::VARIABLES {
        let mistakes = told(&[(limit, "")]);
        assert!(
            mistakes[0].starts_with(&format!("{limit}: ")),
            "{mistakes:?}"
        );
    }
    assert_eq!(
        told(&[
            ("BIND_FROM", "srv, /a:rw"),
            ("PIDS_MAX", "many"),
            ("CAP_ADD", "KILL")
        ]),
        [
            "BIND_FROM: srv is not an absolute path; use one like /srv/ci",
            "BIND_FROM: /a:rw has an unknown option; use :ro, or none",
            "PIDS_MAX: many is not a number of processes; use one like 512",
        ]
    );
    assert_eq!(
        told(&[("BIND_FROM", "/srv"), ("SP_ALLOWBINDMOUNTFROM", "/srv")]),
        ["BIND_FROM and SP_ALLOWBINDMOUNTFROM are both set; use only one of them"]
    );
    assert_eq!(
        told(&[("SP_ALLOWBINDMOUNTFROM", "/srv, data")]),
        [
            "SP_ALLOWBINDMOUNTFROM: \" data\" is not an absolute path; use one like /srv/ci; only a comma separates two"
        ]
    );
    let read = |env: &[(&str, &str)]| {
        let policy = good(env).policies.into_default();
        let limits = policy.demands.limits.as_ref().map(Limits::set);
        (limits, policy.sources.limits.is_some())
    };
    assert_eq!(read(&[]), (None, false));
    assert_eq!(read(&[("DENY_ROOT", "1")]), (Some(vec![]), true));
    assert_eq!(
        read(&[("BIND_FROM", "/srv:ro\n/data"), ("RUN_AS", "nonroot")]).0,
        Some(vec![
            ("BIND_FROM", "/srv:ro, /data".to_owned()),
            ("RUN_AS", "nonroot".to_owned())
        ])
    );
    assert_eq!(
        read(&[("SP_ALLOWBINDMOUNTFROM", "/srv")]).0,
        Some(vec![("BIND_FROM", "/srv/**".to_owned())])
    );
}

#[test]
fn what_opens_root_again_is_warned_about() {
    let told = |limits: &[(&str, &str)]| {
        let own = [("ALLOW_CREATE", "1"), ("DENY_ROOT", "1")];
        good(&[&own[..], limits].concat())
            .policies
            .default()
            .root_on_host()
    };
    assert_eq!(
        told(&[("BIND_FROM", "/srv/ci"), ("CAP_ADD", "NET_ADMIN")]),
        None
    );
    assert_eq!(
        told(&[("BIND_FROM", "/srv/ci/**"), ("NAMESPACES", "pid:host")]).unwrap(),
        "a client can become root on the host: BIND_FROM=/srv/ci/** (who writes there can plant a \
         symlink to any path of the host), NAMESPACES=pid:host (a container can control the \
         processes of the host)"
    );
    // What is granted reaches nothing anyway.
    let harmless = good(&[
        ("DENY_ROOT", "1"),
        ("CONTAINERS", "1"),
        ("BIND_FROM", "/**"),
    ]);
    assert_eq!(harmless.policies.default().root_on_host(), None);
}

#[test]
fn names_of_images_that_clients_can_move_are_warned_about() {
    let told = |env: &[(&str, &str)]| -> Vec<String> {
        let settings = good(env);
        let warnings = settings.warnings.iter();
        let own = warnings.filter(|one| one.variable == "IMAGE_FROM");
        own.map(ToString::to_string).collect()
    };
    let from = ("IMAGE_FROM", "docker.io/library/*, import");
    let warning = |verbs: &str| {
        format!(
            "a client can give any image a name that IMAGE_FROM lists ({verbs}); set TAG_AS to the \
             names that clients may give"
        )
    };
    assert_eq!(told(&[("ALLOW_BUILD", "1"), from]), [warning("build")]);
    assert_eq!(
        told(&[("ALLOW_COMMIT", "1"), ("ALLOW_PULL", "1"), from]),
        [warning("commit, import")]
    );
    for env in [
        &[("ALLOW_BUILD", "1"), ("TAG_AS", "ci/*"), from][..],
        &[("ALLOW_LOAD", "1"), ("ALLOW_TAG", "1"), from],
        &[("ALLOW_CREATE", "1"), from],
        &[("ALLOW_BUILD", "1"), ("IMAGE_FROM", "none")],
        &[("ALLOW_BUILD", "1")],
    ] {
        assert_eq!(told(env), [""; 0], "{env:?}");
    }
}
