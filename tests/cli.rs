//! The program as it is run: commands, output, exit codes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn dockgate(args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dockgate"));
    let command = command.args(args).env_clear().envs(env.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program runs");
    Ran {
        code: status.code().expect("an exit code"),
        out: String::from_utf8(stdout).expect("UTF-8"),
        err: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// Rules in CEL: what each judges, and which ones judge a request. Their mistakes come with their place.
#[test]
fn rules_are_listed_and_explained() {
    let file = "endpoints: [{ listen: \"tcp://[::]:1\", policy: ci }]\n\
                policies:\n  ci:\n    CONTAINERS: 1\n    POST: 1\n    \
                RULE_MEMORY: 'body.HostConfig.Memory < 5 : \"little\"'\n    \
                RULE_MEMORY_ON: 'POST /containers/create'\n    RULE_READ: 'method != \"DELETE\"'\n";
    let env = [("CONFIG_DATA", file)];
    let check = dockgate(&["check"], &env);
    assert_eq!(check.code, 0, "{}", check.err);
    let rows: Vec<String> = check
        .out
        .lines()
        .filter(|line| line.starts_with("RULE"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "RULE JUDGES EXPRESSION TEXT",
            "RULE_MEMORY POST /containers/create body.HostConfig.Memory < 5 little",
            "RULE_READ every request method != \"DELETE\" -",
        ]
    );
    let explain = |path| dockgate(&["explain", "--policy", "ci", "POST", path], &env).out;
    assert_eq!(
        explain("/containers/create"),
        "undecided: allowed by CONTAINERS, unless RULE_MEMORY or RULE_READ refuse its body (policies.ci in \
         CONFIG_DATA:3); use --body FILE\nterms in force:\n  \
         RULE_MEMORY  body.HostConfig.Memory < 5 (little)\n  RULE_READ    method != \"DELETE\"\n"
    );
    assert!(!explain("/containers/x/start").contains("RULE_MEMORY"));
    let wrong = file.replace("Memory < 5", "Memroy < siz(x)");
    let wrong = dockgate(&["check"], &[("CONFIG_DATA", &wrong)]);
    assert_eq!(wrong.code, 78);
    for told in [
        "CONFIG_DATA:6: policies.ci.RULE_MEMORY: the body has no field Memroy there; did you mean Memory?",
        "CONFIG_DATA:6: policies.ci.RULE_MEMORY: siz is not a function; did you mean size?",
        "CONFIG_DATA:6: policies.ci.RULE_MEMORY: x is not a variable",
    ] {
        assert!(wrong.err.contains(told), "{told} is not in\n{}", wrong.err);
    }
}

/// A zero beside what is allowed is not shown as if it took that away, nor an allow that is denied.
#[test]
fn check_shows_what_an_action_comes_to() {
    let env = [
        ("CONTAINERS", "1"),
        ("SP_ALLOW_GET", r"/v1\.[0-9]+/containers/[^/]+/(stats|logs)"),
        ("ALLOW_LOGS", "0"),
        ("ALLOW_STATS", "no"),
        ("ALLOW_START", "0"),
        ("ALLOW_TOP", "1"),
        ("DENY_TOP", "1"),
        ("ALLOW_CHANGES", "0"),
        ("DENY_CHANGES", "1"),
        ("DENY_INSPECT", "0"),
        ("ALLOW_WAIT", "1"),
    ];
    let check = dockgate(&["check"], &env);
    assert_eq!(check.code, 0, "{}", check.err);
    let effect = |variable: &str| {
        let words = check.out.lines().map(str::split_whitespace);
        let mut row = words
            .filter(|words| words.clone().next() == Some(variable))
            .map(|words| words.skip(1).collect::<Vec<_>>().join(" "));
        let row = row.next().expect("a row");
        let end = row.find(variable).expect("where it comes from");
        row[..end].trim_end().to_owned()
    };
    for (variable, expected) in [
        ("ALLOW_LOGS", "allowed by CONTAINERS, SP_ALLOW_GET"),
        ("ALLOW_STATS", "allowed by CONTAINERS, SP_ALLOW_GET"),
        ("ALLOW_START", "none"),
        ("ALLOW_TOP", "denied"),
        ("ALLOW_CHANGES", "denied"),
        ("ALLOW_WAIT", "allow"),
        ("DENY_TOP", "deny"),
        ("DENY_INSPECT", "not denied"),
    ] {
        assert_eq!(effect(variable), expected, "{variable} in:\n{}", check.out);
    }
    for warning in [
        "ALLOW_LOGS=0 denies nothing: CONTAINERS and SP_ALLOW_GET grant it; set DENY_LOGS=1",
        "ALLOW_STATS=no denies nothing: CONTAINERS and SP_ALLOW_GET grant it; set DENY_STATS=1",
    ] {
        assert!(
            check.out.contains(&format!("warning: {warning}\n")),
            "{}",
            check.out
        );
    }
}

#[test]
fn version_is_printed() {
    for args in [&["version"][..], &["--version"], &["-V"]] {
        let ran = dockgate(args, &[]);
        let expected = format!("dockgate {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((ran.code, ran.out, ran.err), (0, expected, String::new()));
    }
}

#[test]
fn help_lists_every_command_and_variable() {
    let help = dockgate(&["--help"], &[]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for words in [
        "Usage: dockgate [COMMAND]\n",
        "\n  serve   ",
        "\n  check   ",
        "\n  explain   ",
        "\n  presets   ",
        "\n  learn   ",
        "\n  healthcheck  ",
        "\n  version   ",
        "PRESET= ",
        "CONTAINERS=0 ",
        "EVENTS=1 ",
        "RESTARTS ",
        "POST=0 ",
        "LISTEN=tcp://[::]:2375 ",
        "SHUTDOWN_GRACE=5 ",
        "LOG_LEVEL=info ",
        "LEARN=0 ",
        "DRY_RUN=0 ",
        "SOCKET_PATH=/var/run/docker.sock ",
    ] {
        assert!(
            help.out.contains(words),
            "{words:?} is not in:\n{}",
            help.out
        );
    }
    assert_eq!(dockgate(&["help"], &[]).out, help.out);
    let short = dockgate(&["-h"], &[]);
    let names_variables = short.out.contains("ALLOW_x");
    assert_eq!((short.code, names_variables), (0, false), "{}", short.out);
    for command in &commands() {
        let own = dockgate(&[command, "--help"], &[]);
        let usage = format!("\nUsage: dockgate {command}");
        assert!(own.out.contains(&usage), "{}", own.out);
        for args in [[command, "-h"], ["help", command], ["-h", command]] {
            let expected = if args[0] == "-h" { &short } else { &own };
            assert_eq!(dockgate(&args, &[]).out, expected.out, "{args:?}");
        }
        for text in [&own.out, &short.out, &help.out] {
            let wide = text.lines().find(|line| line.len() > 80);
            assert_eq!(wide, None);
        }
    }
    // Help is there with a bad configuration too.
    assert_eq!(dockgate(&["--help"], &[("LOG_LEVEL", "loud")]).code, 0);
}

/// Which policy holds is said by the rule or the endpoint, and a verdict names the policy's place.
#[test]
fn gates_and_mutators_are_shown() {
    let text = "gates: [{type: imageLoading}, {type: mountSource, allowedSources: [/srv]}]";
    let env = [
        ("CONFIG_DATA", text),
        ("ADD_LABELS", "a=b"),
        ("ALLOW_CREATE", "1"),
        ("ALLOW_STOP", "1"),
    ];
    let shown = dockgate(&["check"], &env);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let table = "\
KIND     MIDDLEWARE
mutator  addLabels: a=b
gate     imageLoading
gate     mountSource: /srv
";
    assert!(shown.out.contains(table), "{}", shown.out);
    assert!(
        shown.out.contains("middleware  no      nothing"),
        "{}",
        shown.out
    );
    for (path, code, told) in [
        (
            "/containers/create",
            3,
            "undecided: allowed by ALLOW_CREATE, unless a gate or mutator refuses its body; use \
             --body FILE\nterms in force:\n  mutator  addLabels: a=b\n  gate     mountSource: /srv\n",
        ),
        ("/containers/x/stop", 0, "allowed by ALLOW_STOP\n"),
        (
            "/images/load",
            1,
            "denied: POST /images/load is not allowed: set ALLOW_LOAD=1, or IMAGES=1 and POST=1\n",
        ),
    ] {
        let explained = dockgate(&["explain", "POST", path], &env);
        assert_eq!((explained.code, &*explained.out), (code, told));
    }
    // Nothing else is granted.
    let alone = dockgate(&["check"], &env[..2]);
    assert_eq!(alone.code, 0, "{}", alone.err);
    let granted = "middleware  yes     everything that no gate refuses";
    assert!(alone.out.contains(granted), "{}", alone.out);
    assert!(
        alone
            .out
            .contains("warning: CONFIG_DATA:1: nothing but gates grants anything")
    );
}

#[test]
fn bounds_of_api_versions_are_shown_or_refused() {
    let env = [("API_VERSION_MIN", "1.24"), ("API_VERSION_MAX", "1.44")];
    let shown = dockgate(&["check"], &env);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let line = "clients see API versions from 1.24 to 1.44; requests for an older version \
                than the engine accepts are raised to its lowest\n";
    assert!(shown.out.contains(line), "{}", shown.out);
    for (min, max, told) in [
        (
            "1.44",
            "1.40",
            "API_VERSION_MAX: 1.40 is lower than API_VERSION_MIN, which is 1.44; set API_VERSION_MAX to 1.44 or higher, or lower API_VERSION_MIN",
        ),
        (
            "v1.24",
            "",
            "API_VERSION_MIN: v1.24 is not a version of the Docker API; use a version such as 1.44",
        ),
        (
            "",
            "1.12",
            "API_VERSION_MAX: 1.12 is lower than 1.24, the lowest version that dockgate can raise; use 1.24 or higher, and quote it in YAML, where 1.40 is 1.4",
        ),
    ] {
        let env = [("API_VERSION_MIN", min), ("API_VERSION_MAX", max)];
        let refused = dockgate(&["check"], &env);
        assert_eq!(refused.code, 78, "{}", refused.err);
        assert!(refused.err.contains(told), "{}", refused.err);
    }
}

#[test]
fn several_policies_are_shown_and_chosen() {
    let text = "policies:\n  web: {PRESET: traefik}\n  ci: {ALLOW_START: 1, DRY_RUN: 0}\n\
                endpoints:\n- {listen: \"tcp://[::]:1\", policy: web}\n\
                - {listen: \"tcp://[::]:2\", policy: ci}\n\
                - {listen: \"unix:///x\", mode: \"0600\"}\n\
                clients:\n- {from: 10.0.0.1, policy: ci}\n- {from: [10.0.0.2, no-such.invalid], policy: web}\n\
                - {user: 7, policy: none}\n- {group: 8, policy: ci}\n";
    let env = [("CONFIG_DATA", text), ("INFO", "1")];
    let check = dockgate(&["check"], &env);
    assert_eq!(check.code, 0, "{}", check.err);
    for part in [
        "policy default (the environment):\n",
        "policy web (CONFIG_DATA:2):\n",
        "policy ci (CONFIG_DATA:3):\n",
        "ENDPOINT      MODE  POLICY\n\
         tcp://[::]:1  -     web\n\
         tcp://[::]:2  -     ci\n\
         unix:///x     0600  default\n",
        "\nuser 7                         none    CONFIG_DATA:11\n",
    ] {
        assert!(check.out.contains(part), "{part} is not in\n{}", check.out);
    }
    for (client, code, said) in [
        (
            "10.0.0.1",
            0,
            "policy ci: clients[0] in CONFIG_DATA:9: from 10.0.0.1",
        ),
        (
            "::ffff:10.0.0.1",
            0,
            "policy ci: clients[0] in CONFIG_DATA:9: from 10.0.0.1",
        ),
        (
            "10.0.0.2",
            0,
            "policy web: clients[1] in CONFIG_DATA:10: from 10.0.0.2,no-such.invalid",
        ),
        (
            "10.0.0.3",
            1,
            "cannot be decided now: clients[1] depends on no-such.invalid",
        ),
        (
            "unix:7",
            0,
            "policy none: clients[2] in CONFIG_DATA:11: user 7",
        ),
        (
            "unix:9:9",
            0,
            "policy default: no client rule matches, and the endpoint unix:///x has it",
        ),
        (
            "unix:9",
            1,
            "cannot be decided: clients[3] depends on the client's groups; add all of them: \
             unix:UID:GID,GID",
        ),
        (
            "unix:9:8",
            0,
            "policy ci: clients[3] in CONFIG_DATA:12: group 8",
        ),
        ("unix:65534:65534", 0, "policy default: "),
        (
            "traefik",
            2,
            "use an address such as 172.20.0.5, or unix:UID",
        ),
        (
            "unix:x",
            2,
            "use an address such as 172.20.0.5, or unix:UID",
        ),
    ] {
        let ran = dockgate(&["check", "--client", client], &env);
        let text = ran.out + &ran.err;
        assert!(
            ran.code == code && text.contains(said),
            "{client}: {} {text}",
            ran.code
        );
    }
    for (options, code, said) in [
        (
            &[][..],
            1,
            "denied: POST /containers/x/start is not allowed: set ALLOW_START=1",
        ),
        (
            &["--policy", "ci"],
            0,
            "allowed by ALLOW_START (policies.ci in CONFIG_DATA:3)",
        ),
        (
            &["--policy", "web"],
            1,
            "is not allowed by policies.web in CONFIG_DATA:2: set ALLOW_START: 1, or CONTAINERS: 1 and POST: 1",
        ),
        (
            &["--policy", "none"],
            1,
            "this client has the policy none, which refuses all requests",
        ),
        (
            &["--policy", "wbe"],
            2,
            "unknown policy wbe; the policies are default, web, ci, none",
        ),
        (
            &["--client", "10.0.0.1"],
            0,
            "(policies.ci in CONFIG_DATA:3)",
        ),
        (&["--client", "10.0.0.3"], 1, "cannot be decided now"),
        (&["--client", "unix:7"], 1, "policy none"),
        (&["--client", "unix:1"], 1, "cannot be decided: clients[3]"),
        (
            &["--client", "unix:1:1"],
            1,
            "is not allowed: set ALLOW_START=1",
        ),
        (
            &["--endpoint", "tcp://[::]:2"],
            0,
            "(policies.ci in CONFIG_DATA:3)",
        ),
        (
            &["--endpoint", "tcp://[::]:3"],
            2,
            "unknown endpoint tcp://[::]:3; the endpoints are tcp://[::]:1, ",
        ),
        (
            &["--endpoint", "tcp://[::]:1", "--client", "unix:1:1"],
            1,
            "no endpoint is for such a client",
        ),
        (
            &["--policy", "ci", "--client", "unix:1"],
            2,
            "cannot be used with",
        ),
    ] {
        let args = [&["explain"], options, &["POST", "/containers/x/start"]].concat();
        let ran = dockgate(&args, &env);
        let text = ran.out + &ran.err;
        assert!(
            ran.code == code && text.contains(said),
            "{options:?}: {} {text}",
            ran.code
        );
    }
    // By the endpoint alone, if no rule is for it.
    let env = [(
        "CONFIG_DATA",
        &*text.replace("10.0.0.2, no-such.invalid", "10.0.0.2"),
    )];
    let args = |at| {
        [
            "explain",
            "--client",
            "10.0.0.3",
            "--endpoint",
            at,
            "POST",
            "/containers/x/start",
        ]
    };
    assert_eq!(dockgate(&args("tcp://[::]:1"), &env).code, 1);
    assert_eq!(dockgate(&args("tcp://[::]:2"), &env).code, 0);
    let open = dockgate(&["explain", "--client", "10.0.0.3", "GET", "/info"], &env);
    assert!(
        open.code == 2 && open.err.contains("use --endpoint"),
        "{}",
        open.err
    );
    // What protects nothing is loud, and named.
    let env = [("CONFIG_DATA", &*text.replace("DRY_RUN: 0", "DRY_RUN: 1"))];
    let alarm = "policies.ci in CONFIG_DATA:3: DRY_RUN=1: NOTHING IS BEING PROTECTED";
    assert!(
        dockgate(&["check"], &env)
            .out
            .contains(&format!("warning: {alarm}"))
    );
    let would = dockgate(&["explain", "--policy", "ci", "GET", "/info"], &env);
    assert!(
        would.code == 1 && would.out.starts_with("would deny: "),
        "{}",
        would.out
    );
}

/// The names of the commands, the default one first.
fn commands() -> Vec<String> {
    let program = dockgate::cli::command();
    let names = program.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_owned).collect()
}

/// What a help shows as an example does something when it is copied into a shell.
#[test]
fn the_examples_of_the_help_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dockgate"), bin("dockgate")).expect("a link");
    // `docker exec dockgate /dockgate …` runs that, and a log is a line of one.
    let docker = "#!/bin/sh\n[ $1 = exec ] && shift 3 && exec dockgate \"$@\"\n\
                  echo '2026-11-21T23:02:00.457Z info    unix:1 GET /info 200 in=0 out=1 1ms allowed by INFO'\n";
    std::fs::write(bin("docker"), docker).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bin("docker"), mode).expect("a mode");
    let path = format!("{}:/bin:/usr/bin", folder.path().display());
    let commands = commands();
    let calls = commands
        .iter()
        .map(|command| vec![command.as_str(), "--help"]);
    for args in [vec!["--help"]].into_iter().chain(calls) {
        let help = dockgate(&args, &[]).out;
        let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
        for example in examples.lines().map_while(|line| line.strip_prefix("  ")) {
            // One that serves would not end, so it is only checked.
            let serves = !commands[1..]
                .iter()
                .any(|command| example.contains(command.as_str()));
            let line = if serves {
                example.replace(" serve", "") + " check"
            } else {
                example.to_owned()
            };
            // Nothing is made outside of the folder.
            let line = line.replace(" /etc/", &format!(" {}/etc/", folder.path().display()));
            let mut shell = Command::new("sh");
            let shell = shell.args(["-c", &line]).env_clear().env("PATH", &path);
            let output = shell.output().expect("a shell");
            let code = output.status.code().expect("an exit code");
            let err = String::from_utf8_lossy(&output.stderr);
            let fine = code == 0 || (code == 1 && err.is_empty());
            let unhealthy = example.ends_with(" healthcheck") && err.contains("unhealthy");
            assert!(fine || unhealthy, "{example}: {code} {err}");
        }
    }
}

#[test]
fn a_misspelt_command_or_flag_is_corrected() {
    for (args, tip) in [
        (&["serv"][..], "a similar subcommand exists: 'serve'"),
        (&["chekc"], "a similar subcommand exists: 'check'"),
        (&["check", "--hlep"], "a similar argument exists: '--help'"),
        (&["-alowGET=/x"], "a similar argument exists: '-allowGET'"),
        (
            &["check", "--lisenip", "x"],
            "a similar argument exists: '-listenip'",
        ),
    ] {
        let ran = dockgate(args, &[]);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(
            ran.err.contains(&format!("\n  tip: {tip}\n")),
            "{}",
            ran.err
        );
    }
    let ran = dockgate(&["-x=y"], &[]);
    assert!(!ran.err.contains("tip"), "{}", ran.err);
}

#[test]
fn wrong_usage_exits_2_with_a_hint() {
    for (args, what) in [
        (&["srv"][..], "unrecognized subcommand 'srv'"),
        (&["serve", "x"], "unexpected argument 'x' found"),
        (&["check", "x"], "unexpected argument 'x' found"),
        (&["--port"], "unexpected argument '--port' found"),
        (&["-x"], "unexpected argument '-x' found"),
        (
            &["explain"],
            "the following required arguments were not provided:\n  <METHOD>\n  <PATH>",
        ),
        (
            &["explain", "GET"],
            "the following required arguments were not provided:\n  <PATH>",
        ),
        (
            &["explain", "GET", "/", "x"],
            "unexpected argument 'x' found",
        ),
        (
            &["learn"],
            "the following required arguments were not provided:\n  <FILE>...",
        ),
        (&["version=1"], "unrecognized subcommand 'version=1'"),
    ] {
        let ran = dockgate(args, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        let expected = format!("dockgate: error: {what}\n");
        assert!(ran.err.starts_with(&expected), "{args:?}: {}", ran.err);
        let hint = "\n\nFor more information, try '--help'.\n";
        assert!(ran.err.ends_with(hint), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_bad_configuration_exits_78_with_every_mistake() {
    let env = [
        ("LISTEN", "x"),
        ("LOG_LEVEL", "loud"),
        ("CONTAINERS", "true"),
        ("IAMGES", "1"),
    ];
    for args in [
        &[][..],
        &["serve"],
        &["check"],
        &["explain", "GET", "/version"],
    ] {
        let ran = dockgate(args, &env);
        assert_eq!((ran.code, ran.out.as_str()), (78, ""), "{args:?}");
        let told: Vec<&str> = ran.err.lines().collect();
        assert_eq!(
            told,
            [
                "dockgate: error: LISTEN=x contains x, which is not a listen address; use tcp://IP:PORT \
                 (tcp://127.0.0.1:2375, tcp://[::1]:2375) or unix:///PATH, separated by commas",
                "dockgate: error: LOG_LEVEL=loud is not a log level; use debug, info, notice, warning, \
                 err, crit, alert or emerg",
                "dockgate: warning: unknown variable IAMGES ignored; did you mean IMAGES?",
                "dockgate: warning: CONTAINERS=true is read as 0; use CONTAINERS=1",
            ],
        );
    }
}

#[test]
fn check_shows_the_effective_policy() {
    let env = [
        ("CONTAINERS", "1"),
        ("POST", "yes"),
        ("PING", "0"),
        ("ALLOW_START", "1"),
        ("ALLOW_KILL", "0"),
        ("DENY_EXPORT", "1"),
    ];
    let ran = dockgate(&["check"], &env);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let row = |first: &str| {
        let row = ran
            .out
            .lines()
            .find(|line| line.split(' ').next() == Some(first));
        row.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    assert_eq!(row("SECTION"), "SECTION READS WRITES FROM");
    assert_eq!(row("AUTH"), "AUTH no no default");
    assert_eq!(row("PING"), "PING no no PING=0");
    assert_eq!(row("EVENTS"), "EVENTS yes no default");
    assert_eq!(
        row("ALLOW_START"),
        "ALLOW_START allow ALLOW_START=1 POST /containers/{id}/start"
    );
    // Of the actions only those that are set.
    assert_eq!(row("ALLOW_STOP"), "");
    assert_eq!(
        row("ALLOW_KILL"),
        "ALLOW_KILL none ALLOW_KILL=0 POST /containers/{id}/kill"
    );
    assert_eq!(
        row("DENY_EXPORT"),
        "DENY_EXPORT deny DENY_EXPORT=1 GET /containers/{id}/export"
    );
    for line in [
        "CONTAINERS does not allow * /containers/{id}/exec without EXEC=1",
        "CONTAINERS does not allow * /containers/{id}/attach/ws without POST=1",
        "3 of 188 action variables are set",
        "POST=0 leaves the contents of files readable (GET /containers/{id}/archive, HEAD \
         /containers/{id}/archive); to prevent this, set DENY_ARCHIVE=1",
        "listens on tcp://[::]:2375",
        "forwards to the engine at /var/run/docker.sock",
        "warning: POST=yes is read as 0; use POST=1",
    ] {
        assert!(
            ran.out.lines().any(|one| one == line),
            "{line:?} is not in:\n{}",
            ran.out
        );
    }
    assert!(!ran.out.contains("root on the host"));

    let env = [
        ("CONTAINERS", "1"),
        ("POST", "1"),
        ("LISTEN", "unix:///run/x.sock,tcp://[::1]:1"),
    ];
    let ran = dockgate(&["check"], &env);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out
            .contains("CONTAINERS    yes    yes     CONTAINERS=1, POST=1\n"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("\nlistens on unix:///run/x.sock tcp://[::1]:1\n"),
        "{}",
        ran.out
    );
    assert_eq!(
        ran.out.matches("root on the host").count(),
        1,
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("attach/ws"), "{}", ran.out);
}

#[test]
fn explain_tells_the_verdict_and_the_remedy() {
    let env = [("CONTAINERS", "1"), ("EVENTS", "0")];
    for (method, path, code, out) in [
        (
            "GET",
            "/v1.41/containers/json?all=1",
            0,
            "allowed by CONTAINERS",
        ),
        ("HEAD", "/_ping", 0, "allowed by PING"),
        (
            "POST",
            "/v1.41/containers/create?name=x",
            1,
            "denied: POST /containers/create is not allowed: set ALLOW_CREATE=1, or POST=1",
        ),
        (
            "GET",
            "/events",
            1,
            "denied: GET /events is not allowed: set EVENTS=1",
        ),
        (
            "GET",
            "/nowhere",
            1,
            "denied: GET /nowhere is not allowed: no section or action covers this request; an SP_ALLOW_GET \
             pattern or a profile line can allow it",
        ),
    ] {
        let ran = dockgate(&["explain", method, path], &env);
        assert_eq!(
            (ran.code, ran.out, ran.err.as_str()),
            (code, format!("{out}\n"), ""),
            "{path}"
        );
    }
    let ran = dockgate(&["explain", "GET", "/containers/../info"], &env);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert_eq!(
        ran.err,
        "dockgate: every policy refuses this with 400: the path contains a . or .. segment: send \
         the resolved path\n"
    );
}

#[test]
fn explain_shows_the_warnings_that_bear_on_its_answer() {
    let unknown = |name: &str, help: &str| {
        format!("dockgate: warning: unknown variable {name} ignored; {help}\n")
    };
    let read_as = |text: &str| format!("dockgate: warning: {text}\n");
    let misspelt = unknown("IAMGES", "did you mean IMAGES?");
    for (variable, value, method, path, err) in [
        ("IAMGES", "1", "GET", "/images/json", &*misspelt),
        ("IAMGES", "1", "POST", "/v1.41/images/create", &misspelt),
        ("IAMGES", "1", "GET", "/info", ""),
        ("IAMGES", "1", "GET", "/imagesx", ""),
        (
            "ALLOW_EVENTS",
            "1",
            "GET",
            "/events",
            &unknown("ALLOW_EVENTS", "use EVENTS=1"),
        ),
        (
            "containers",
            "1",
            "GET",
            "/containers/json",
            &unknown("containers", "names are upper case: use CONTAINERS"),
        ),
        (
            "DELETE",
            "1",
            "DELETE",
            "/containers/x",
            &unknown("DELETE", "`dockgate --help` lists all variables"),
        ),
        ("DELETE", "1", "GET", "/containers/x/json", ""),
        ("POST", "yes", "GET", "/containers/json", ""),
        // A denial that says it is not said twice.
        ("CONTAINERS", "true", "GET", "/containers/json", ""),
        ("EXEC", "yes", "POST", "/containers/x/exec", ""),
        (
            "INFO",
            "2",
            "GET",
            "/info",
            &read_as("INFO=2 is read as 1; use INFO=1"),
        ),
        (
            "ALLOW_START",
            "1",
            "POST",
            "/containers/x/start",
            &read_as(
                "ALLOW_START=1 is ignored by Tecnativa's proxy without POST=1; dockgate allows \
                 POST /containers/{id}/start regardless",
            ),
        ),
        ("ALLOW_START", "1", "POST", "/containers/x/stop", ""),
        (
            "PRESET",
            "",
            "GET",
            "/info",
            &read_as("PRESET is empty and allows nothing; name a preset or remove it"),
        ),
        (
            "SP_ALLOW_GET_2",
            "",
            "GET",
            "/info",
            &read_as("SP_ALLOW_GET_2 is empty and allows nothing; set a pattern or remove it"),
        ),
        ("SP_ALLOW_GET_2", "", "POST", "/info", ""),
        ("DISABLE_IPV6", "maybe", "GET", "/info", ""),
    ] {
        let ran = dockgate(&["explain", method, path], &[(variable, value)]);
        assert_eq!(
            ran.err, err,
            "{variable}={value} {method} {path}: {}",
            ran.out
        );
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    }
}

#[test]
fn explain_takes_a_whole_address() {
    let env = [("INFO", "1")];
    for (address, code, told) in [
        ("http://dockgate:2375/v1.41/info", 0, "allowed by INFO\n"),
        ("tcp://dockgate:2375/info", 0, "allowed by INFO\n"),
        (
            "https://user@[::1]:2375/info?x=http://y/",
            0,
            "allowed by INFO\n",
        ),
        ("http://dockgate:2375", 1, "denied: GET / is not allowed: "),
        ("http://", 1, "denied: GET / is not allowed: "),
        (
            "tcp://dockgate:2375/images/json",
            1,
            "denied: GET /images/json is not allowed: ",
        ),
    ] {
        let ran = dockgate(&["explain", "GET", address], &env);
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{address}");
        assert!(ran.out.starts_with(told), "{address}: {}", ran.out);
    }
    // What is sent so to dockgate is refused all the same.
    for path in [
        "ftp://dockgate/info",
        "http:/dockgate/info",
        "http://dockgate//info",
    ] {
        assert_eq!(dockgate(&["explain", "GET", path], &env).code, 2, "{path}");
    }
}

#[test]
fn only_one_double_dash_may_lead_the_command() {
    for (args, code) in [
        (&["--", "check"][..], 0),
        (&["--", "--", "check"], 2),
        (&["--", "--"], 2),
    ] {
        assert_eq!(dockgate(args, &[]).code, code, "{args:?}");
    }
}

#[test]
fn a_flag_in_the_wrong_letter_case_is_wrong_usage() {
    let ran = dockgate(&["-allowget=/version", "check"], &[]);
    let told = "dockgate: error: unknown flag -allowget: flags are case-sensitive; use -allowGET\n";
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with(told), "{}", ran.err);
}

#[test]
fn a_command_works_among_flags_and_a_stray_word_is_warned_of() {
    let ran = dockgate(&["-allowGET=/version", "check", "-logjson"], &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(!ran.out.contains("warning: "), "{}", ran.out);
    // A dockgate that is to serve; the mistake behind the others shows that all are read.
    let ran = dockgate(&["-allowGET=(", "watchdoginterval=1", "check"], &[]);
    let told: Vec<&str> = ran.err.lines().collect();
    assert_eq!((ran.code, told.len()), (78, 2), "{told:?}");
    assert!(
        told[0].starts_with("dockgate: error: -allowGET=( is not a valid pattern"),
        "{told:?}"
    );
    let warning = "dockgate: warning: watchdoginterval=1 on the command line is not a flag; it and \
                   everything after it are ignored: check; use -watchdoginterval=1";
    assert_eq!(told[1], warning);
}

/// As health checks call it that were written for wollomatic/socket-proxy.
#[test]
fn under_the_name_healthcheck_it_is_that_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("healthcheck");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dockgate"), &name).expect("a link");
    let socket = folder.path().join("engine.sock");
    let run = |args: &[&str]| {
        let mut command = Command::new("./healthcheck");
        let command = command.args(args).current_dir(&folder).env_clear();
        let command = command
            .env("SOCKET_PATH", &socket)
            .env("LISTEN", own(b"HTTP/1.1 403 "));
        let output = command.output().expect("the program runs");
        let text = String::from_utf8(output.stderr).expect("text");
        (output.status.code().expect("an exit code"), text)
    };
    let (code, told) = run(&[]);
    assert!(
        code == 1 && told.starts_with("dockgate: unhealthy: the engine at "),
        "{told}"
    );
    engine(&socket, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(run(&[]), (0, String::new()));
    assert_eq!(run(&["serve"]).0, 2);
}

/// A server that answers each connection with these bytes once it has read a request's head.
fn answering(
    answer: &'static [u8],
    listener: impl Iterator<Item = impl Read + Write> + Send + 'static,
) {
    thread::spawn(move || {
        for mut stream in listener {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0)
            {
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n"));
            let _ = stream.write_all(answer);
        }
    });
}

fn engine(path: &Path, answer: &'static [u8]) {
    let listener = UnixListener::bind(path).expect("a socket");
    answering(
        answer,
        std::iter::from_fn(move || listener.accept().ok()).map(|(stream, _)| stream),
    );
}

fn own(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    answering(
        answer,
        std::iter::from_fn(move || listener.accept().ok()).map(|(stream, _)| stream),
    );
    // A wildcard is asked on loopback.
    format!("tcp://0.0.0.0:{port}")
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
const DENIED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[test]
fn healthcheck_asks_the_engine_and_every_listener() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = |name: &str| folder.path().join(name).display().to_string();
    let check = |engine: &str, listen: &str| {
        dockgate(
            &["healthcheck"],
            &[("SOCKET_PATH", engine), ("LISTEN", listen), ("PING", "0")],
        )
    };
    let (good, bad, garbage) = (socket("good"), socket("bad"), socket("garbage"));
    engine(Path::new(&good), OK);
    engine(Path::new(&bad), b"HTTP/1.1 500 Oh\r\n\r\n");
    engine(Path::new(&garbage), b"SSH-2.0-OpenSSH_9.9\r\n");
    let own_unix = socket("own");
    engine(Path::new(&own_unix), DENIED);
    let own_tcp = own(DENIED);

    let ran = check(&good, &own_tcp);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert_eq!(
        check(&good, &format!("{own_tcp},unix://{own_unix}")).code,
        0
    );

    // A port that nobody listens on: taken, and closed again.
    let closed = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let closed = format!("tcp://{closed}");
    let (absent, silent_tcp) = (socket("absent"), own(b""));
    let refused = "Connection refused (os error 111)";
    for (engine, listen, reason) in [
        (
            &bad,
            own_tcp.as_str(),
            format!("the engine at {bad} answered /_ping with status 500"),
        ),
        (
            &garbage,
            &own_tcp,
            format!("the engine at {garbage}: not an HTTP answer"),
        ),
        (
            &absent,
            &own_tcp,
            format!("the engine at {absent}: No such file or directory (os error 2)"),
        ),
        (&good, &closed, format!("dockgate at {closed}: {refused}")),
        (
            &good,
            &format!("{own_tcp},{closed}"),
            format!("dockgate at {closed}: {refused}"),
        ),
        (
            &good,
            &silent_tcp,
            format!("dockgate at {silent_tcp}: connection closed without an answer"),
        ),
        (
            &good,
            "x",
            "invalid configuration: run `dockgate check` for details".to_owned(),
        ),
    ] {
        let ran = check(engine, listen);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{reason}");
        assert_eq!(ran.err, format!("dockgate: unhealthy: {reason}\n"));
    }
}

#[test]
fn healthcheck_waits_three_seconds_in_total() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hung");
    // Connections are taken by the kernel, and never answered.
    let _hung = UnixListener::bind(&path).expect("a socket");
    let path = path.display().to_string();
    let begin = Instant::now();
    let ran = dockgate(&["healthcheck"], &[("SOCKET_PATH", &path)]);
    let took = begin.elapsed();
    assert_eq!(ran.code, 1);
    let reason = format!("dockgate: unhealthy: the engine at {path} did not answer within 3 s\n");
    assert_eq!(ran.err, reason);
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

const LOG: &str = "\
2026-11-21T23:02:00.457Z info    listening on tcp://[::]:2375
2026-11-21T23:02:00.457Z info    172.20.0.3:44038 GET /v1.41/version 200 in=0 out=792 7.26ms allowed by VERSION
2026-11-21T23:02:00.975Z warning unix:17 POST /containers/a/start 403 in=0 out=92 0.02ms denied: no
2026-11-21T23:02:00.975Z warning 172.20.0.3:1 GET /containers//json 400 in=0 out=92 0.02ms denied: no
2026-11-21T23:02:00.975Z warning 172.20.0.3:1 BREW /info 403 in=0 out=92 0.02ms denied: no
2026-11-21T23:02:00.975Z warning 172.20.0.3:1 - - 400 denied: the request is malformed
app-1  | 2026-11-21T23:02:00.457Z info    172.20.0.3:1 GET /info 200 in=0 out=1 1ms allowed by INFO
";

fn learn(files: &[&str], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dockgate"))
        .arg("learn")
        .args(files)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // It may not read all of it.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    Ran {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[test]
fn learn_reads_logs_and_nothing_else() {
    let learned = learn(&["-"], LOG.as_bytes());
    assert_eq!((learned.code, learned.err.as_str()), (0, ""));
    for part in [
        "# Learned from 2 requests, skipping 2 requests that no grant affects and 1 line of \
         other containers and 2 lines without a request; denied requests are treated as having no body.\n\
         # Each of these allows all of them.\n",
        "environment:\n  ALLOW_START: 1\n  EVENTS: 0\n  PING: 0\n  VERSION: 1\n#\n",
        "  SP_ALLOW_GET: '/(v[0-9.]+/)?version'\n",
        "\nPOST /(v[0-9.]+/)?containers/[a-zA-Z0-9_.-]+/start\n",
    ] {
        assert!(learned.out.contains(part), "{part}\n{}", learned.out);
    }
    // The same as JSON objects. The other container's line is none of those.
    let json = LOG.lines().map(|line| {
        let (time, rest) = line.split_at(24);
        let (level, message) = rest.trim_start().split_once(' ').expect("a level");
        let line = serde_json::json!({"time": time, "level": level, "msg": message.trim_start()});
        let order = ["time", "level", "msg"].map(|key| format!("\"{key}\":{}", line[key]));
        format!("{{{}}}\n", order.join(","))
    });
    let other = "1 line of other containers and 2 lines without a request";
    assert_eq!(
        learn(&["-"], json.collect::<String>().as_bytes()).out,
        learned.out.replace(other, "3 lines without a request")
    );
    // More than one file, one without a newline at its end.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    std::fs::write(&file, LOG.trim_end()).expect("a file");
    let file = file.to_str().expect("a plain path");
    let twice = learn(&[file, "-"], LOG.as_bytes());
    assert!(
        twice
            .out
            .starts_with("# Learned from 4 requests, skipping 4 "),
        "{}",
        twice.out
    );
    let body = |ran: &Ran| ran.out.split_once('\n').map(|(_, body)| body.to_owned());
    assert_eq!(body(&twice), body(&learned));
}

/// Of what a policy decided on, and of all that it decided on, however it ended.
#[test]
fn learn_takes_what_a_grant_could_have_changed_and_nothing_else() {
    let head = "2026-11-21T23:02:00.457Z info    172.20.0.3:1 ";
    for (line, learned) in [
        ("GET /info 200 in=0 out=1 1ms allowed by INFO", "INFO"),
        ("GET /info 200 in=0 out=1 1ms would deny: no", "INFO"),
        (
            "GET /info 403 in=0 out=1 1ms denied: GET /info is not allowed: set INFO=1",
            "INFO",
        ),
        (
            "GET /info - in=0 out=0 1ms allowed by INFO (ended early)",
            "INFO",
        ),
        (
            "GET /info - in=0 out=0 1ms unsent: allowed by INFO (ended early)",
            "INFO",
        ),
        (
            "GET /info 503 in=0 out=1 1ms failed: x (the engine did not get the request)",
            "INFO",
        ),
        (
            "POST /containers/a/stop 400 in=5 out=1 1ms allowed by CONTAINERS (the request body has \
             an invalid chunked encoding)",
            "ALLOW_STOP",
        ),
        (
            "POST /containers/a/stop 400 in=0 out=1 1ms unsent: would deny: no (the request body \
             ended early)",
            "ALLOW_STOP",
        ),
        // It had a body, of which nothing was passed on.
        (
            "POST /containers/a/start 400 in=0 out=1 1ms allowed by CONTAINERS (the request body \
             ended early)",
            "CONTAINERS POST",
        ),
        // What was hidden of a query had no value.
        (
            "POST /containers/a/start?… 204 in=0 out=0 1ms allowed by X",
            "ALLOW_START",
        ),
        (
            "POST /containers/a/start?…&checkpoint=… 204 in=0 out=0 1ms allowed by X",
            "CONTAINERS POST",
        ),
        (
            "GET /info 403 in=0 out=1 1ms denied: clients at 172.20.0.3 are not allowed: SP_ALLOWFROM \
             (-allowfrom) is 127.0.0.1/32",
            "",
        ),
        (
            "GET /info 400 in=0 out=1 1ms denied: the request has no Host header",
            "",
        ),
        (
            "BREW /info 403 in=0 out=1 1ms denied: BREW /info is not allowed: no",
            "",
        ),
        ("GET /info - in=0 out=0 1ms undecided (ended early)", ""),
        (
            "- - 408 denied: the request headers were not received within 10 seconds",
            "",
        ),
        ("- - 403 denied: clients at 172.20.0.3 are not allowed", ""),
    ] {
        let ran = learn(&["-"], format!("{head}{line}\n").as_bytes());
        let variables = ran.out.split("# 2.").next().unwrap_or_default().lines();
        let granted = variables.filter_map(|line| line.strip_suffix(": 1"));
        let granted: Vec<&str> = granted.map(str::trim).collect();
        assert_eq!(granted.join(" "), learned, "{line}\n{}", ran.out);
        let nothing = ran.out.starts_with("# Nothing was learned");
        assert_eq!(nothing, learned.is_empty(), "{line}\n{}", ran.out);
    }
}

/// Any container can write what looks like a log of dockgate.
#[test]
fn learn_names_the_container_that_it_learned_from() {
    let line = |name: &str, what: &str| {
        format!("{name} | 2026-11-21T23:02:00.457Z {what} in=0 out=1 1ms allowed by X\n")
    };
    let log = [
        line("evil-1", "info    172.20.0.9:1 GET /containers/json 200"),
        line("dockgate-1", "info    172.20.0.3:1 GET /version 200"),
        line("dockgate-1", "listening"),
    ];
    let learned = learn(&["-"], log.concat().as_bytes());
    let told = "# Learned from 1 requests of evil-1, skipping 1 line of other containers and 1 line \
                without a request.\n";
    assert!(learned.out.starts_with(told), "{}", learned.out);
}

/// What one client used is no reason to grant it to another. Each result is for where its policy is.
#[test]
fn learn_keeps_policies_apart() {
    let line = |policy: &str, what: &str| {
        let took = "in=0 out=1 1ms";
        format!("2026-11-21T23:02:00.457Z info    172.20.0.3:1 {what} {took} {policy}\n")
    };
    let log = [
        line("policy=ci denied: no", "POST /containers/a/start 403"),
        line("policy=ci would deny: no", "GET /x%C3%BC 200"),
        line("policy=web allowed by INFO", "GET /info 200"),
        line(
            "policy=web allowed by ALLOW_LIST",
            "GET /containers/json 200",
        ),
        line("policy=odd allowed by X", "GET /nowhere 200"),
        line("policy=default allowed by VERSION", "GET /version 200"),
        line("policy=none denied: no", "GET /images/json 403"),
        line("allowed by VOLUMES", "GET /volumes 200"),
        "2026-11-21T23:02:00.457Z info    listening on tcp://[::]:2375\n".to_owned(),
    ];
    let learned = learn(&["-"], log.concat().as_bytes());
    assert_eq!((learned.code, learned.err.as_str()), (0, ""));
    let begin = "# Learned for each policy, skipping 1 request that no grant affects and 1 line \
                 without a request.\n\n# Requests without a policy name:\n";
    assert!(learned.out.starts_with(begin), "{}", learned.out);
    let parts: Vec<&str> = learned.out.split("\n\n# ").collect();
    let headings = parts
        .iter()
        .map(|part| part.lines().next().expect("a line"));
    let expected = [
        "Requests without a policy name:",
        "Policy ci:",
        "Policy default:",
        "Policy odd:",
        "Policy web:",
    ];
    assert_eq!(headings.skip(1).collect::<Vec<_>>(), expected);
    for (part, variables) in [
        (
            1,
            "environment:\n  ALLOW_VOLUME_LIST: 1\n  EVENTS: 0\n  PING: 0\n  VERSION: 0\n#\n",
        ),
        (
            2,
            "policies:\n  ci:\n    ALLOW_START: 1\n# no section or action covers GET /x\\xc3\\xbc\n#\n",
        ),
        (3, "environment:\n  EVENTS: 0\n  PING: 0\n  VERSION: 1\n#\n"),
        (
            4,
            "policies:\n  odd: {}\n# no section or action covers GET /nowhere\n#\n",
        ),
        (5, "policies:\n  web:\n    ALLOW_LIST: 1\n    INFO: 1\n#\n"),
    ] {
        let part = parts[part];
        assert!(
            part.contains(&format!("# 1. Variables:\n{variables}")),
            "{part}"
        );
    }
    assert!(
        parts[2].contains(
            "# Learned from 2 requests; denied requests are treated as having no body.\n"
        )
    );
    let patterns = "# 2. Regex allowlists:\npolicies:\n  web:\n    \
                    SP_ALLOW_GET: '/(v[0-9.]+/)?containers/json'\n";
    assert!(parts[5].contains(patterns), "{}", parts[5]);
    // They are what a file takes.
    let blocks = parts[5].split("#\n").filter_map(|block| {
        let at = block.find("policies:")?;
        Some(&block[at..])
    });
    let blocks: Vec<&str> = blocks.collect();
    assert!(blocks.len() >= 2, "{}", parts[5]);
    for block in blocks {
        let text = format!("{block}endpoints: [{{ listen: \"tcp://[::]:2375\", policy: web }}]\n");
        let env = [("CONFIG_DATA", text.as_str())];
        let allowed = dockgate(&["explain", "--policy", "web", "GET", "/info"], &env);
        assert_eq!((allowed.code, allowed.err.as_str()), (0, ""), "{text}");
        let denied = dockgate(&["explain", "--policy", "web", "GET", "/version"], &env);
        assert_eq!(denied.code, 1, "{text}");
    }
}

/// As `docker-compose logs` and `docker compose logs` show them.
#[test]
fn learn_reads_lines_with_the_name_of_their_container() {
    let learned = learn(&["-"], LOG.as_bytes());
    for (before, after) in [
        ("dockgate_1  | ", ""),
        ("dockgate-1  | ", ""),
        ("dockgate-1  | 2026-11-21T23:02:00.457123456Z ", ""),
        ("\x1b[36mdockgate_1  |\x1b[0m ", ""),
        ("\x1b[1;33mdockgate  | \x1b[0m", "\x1b[K"),
    ] {
        let lines = LOG.lines().map(|line| match line.strip_prefix("app-1 ") {
            None => format!("{before}{line}{after}\n"),
            Some(_) => format!("{line}\n"),
        });
        let named = learn(&["-"], lines.collect::<String>().as_bytes());
        let start = before.find("dockgate").expect("its name");
        let name = before[start..].split(' ').next().expect("its name");
        let out = named.out.replacen(&format!(" of {name},"), ",", 1);
        assert_ne!(named.out, out, "{before:?}");
        assert_eq!(out, learned.out, "{before:?}");
    }
}

#[test]
fn learn_takes_any_bytes_for_lines() {
    let mut log = vec![b'x'; 1 << 20];
    log.extend(b"\n\xff\xfe\n\0\n\n");
    let learned = learn(&["-"], &log);
    let told = "# Nothing was learned: no requests, skipping 4 lines without a request.\n";
    assert_eq!((learned.code, learned.out.as_str()), (0, told));
    assert_eq!(
        learn(&["-"], b"").out,
        "# Nothing was learned: no requests.\n"
    );
    for file in ["/nowhere/log", "/"] {
        let failed = learn(&[file], b"");
        assert_eq!((failed.code, failed.out.as_str()), (1, ""));
        let told = format!("dockgate: cannot read {file}: ");
        assert!(failed.err.starts_with(&told), "{}", failed.err);
    }
}

#[test]
fn check_explain_and_healthcheck_say_that_nothing_is_protected() {
    for variable in ["LEARN", "DRY_RUN"] {
        let env = [(variable, "1"), ("SOCKET_PATH", "/nowhere/engine.sock")];
        let told = format!("{variable}=1: NOTHING IS BEING PROTECTED");
        let checked = dockgate(&["check"], &env);
        assert!(
            checked.out.contains(&format!("warning: {told}")),
            "{}",
            checked.out
        );
        assert!(dockgate(&["healthcheck"], &env).out.starts_with(&told));
        let explained = dockgate(&["explain", "GET", "/info"], &env);
        let denial = "would deny: GET /info is not allowed: set INFO=1\n";
        assert_eq!((explained.code, explained.out.as_str()), (1, denial));
    }
    let both = dockgate(&["check"], &[("LEARN", "1"), ("DRY_RUN", "1")]).out;
    assert!(
        both.contains("LEARN overrides DRY_RUN, which is ignored"),
        "{both}"
    );
    let misread = dockgate(&["check"], &[("LEARN", "true")]).out;
    assert!(
        misread.contains("LEARN=true is read as 0; use LEARN=1"),
        "{misread}"
    );
    assert!(!misread.contains("NOTHING IS"), "{misread}");
}

/// A pattern that was wrong can be taken from there, mended, and set again.
#[test]
fn check_prints_patterns_that_can_be_copied_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("profile");
    std::fs::write(&profile, "GET|HEAD /v1\\.[0-9]+/\"x\"\\?a='b'\n").expect("a file");
    let profile = profile.to_str().expect("a plain path");
    for (pattern, printed) in [
        (
            r"/v1\.[0-9]+/containers/json",
            r"/v1\.[0-9]+/containers/json",
        ),
        (r#"/a"b'c\\d"#, r#"/a"b'c\\d"#),
        ("/a b", "/a b"),
        // What would not be seen.
        ("/a ", r"/a\x{20}"),
        ("  /a", r"\x{20}\x{20}/a"),
        ("/a\r", r"/a\x{0d}"),
        ("/a\n2026 forged", r"/a\x{0a}2026 forged"),
        ("/ü\u{9b}", r"/ü\x{9b}"),
    ] {
        let env = [("SP_ALLOW_GET", pattern), ("PROFILE", profile)];
        let row = |env: &[(&str, &str)]| {
            let checked = dockgate(&["check"], env);
            assert_eq!(checked.code, 0, "{}", checked.err);
            let mut rows = checked.out.lines().map(str::to_owned);
            rows.find(|row| row.starts_with("SP_ALLOW_GET  GET      "))
                .unwrap_or_else(|| panic!("no such row:\n{}", checked.out))
        };
        let first = row(&env);
        assert!(first.ends_with(&format!("  GET      {printed}")), "{first}");
        // And it is the same again.
        assert_eq!(row(&[("SP_ALLOW_GET", printed), env[1]]), first);
        let out = dockgate(&["check"], &env).out;
        assert!(
            out.contains("GET|HEAD  /v1\\.[0-9]+/\"x\"\\?a='b'\n"),
            "{out}"
        );
    }
}

#[test]
fn what_cannot_be_written_is_a_failure() {
    let to = |path: &str, args: &[&str]| {
        let file = std::fs::OpenOptions::new().write(true).open(path);
        let mut command = Command::new(env!("CARGO_BIN_EXE_dockgate"));
        let command = command.args(args).env_clear().stdin(Stdio::null());
        let output = command.stdout(file.expect("a device")).output();
        let Output { status, stderr, .. } = output.expect("it runs");
        (status.code(), String::from_utf8(stderr).expect("UTF-8"))
    };
    let told = "dockgate: cannot write to stdout: No space left on device (os error 28)\n";
    for args in [
        &["check"][..],
        &["explain", "GET", "/version"],
        &["explain", "GET", "/info"],
        &["presets"],
        &["presets", "traefik"],
        &["learn", "-"],
        &["version"],
        &["help"],
    ] {
        assert_eq!(
            to("/dev/full", args),
            (Some(1), told.to_owned()),
            "{args:?}"
        );
    }
    assert_eq!(to("/dev/null", &["check"]).0, Some(0));
    // A reader that has read enough is none.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dockgate"));
    let command = command.arg("help").env_clear().stdout(writer);
    let output = command.output().expect("it runs");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn the_word_that_is_too_much_is_named() {
    for (args, extra) in [
        (
            &["presets", "traefik", "diun"][..],
            "unexpected argument 'diun' found",
        ),
        (&["presets", "a", "b", "c"], "unexpected argument 'b' found"),
        (&["check", "a", "b"], "unexpected argument 'a' found"),
        (&["version", "a"], "unexpected argument 'a' found"),
        (&["a", "check"], "unrecognized subcommand 'a'"),
        (&["a\rb"], "unrecognized subcommand 'a\\rb'"),
    ] {
        let ran = dockgate(args, &[]);
        let told = format!("dockgate: error: {extra}\n");
        assert_eq!(ran.code, 2);
        assert!(ran.err.starts_with(&told), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_carriage_return_is_seen_wherever_a_path_is_shown() {
    let env = [("SOCKET_PATH", "/nowhere/engine.sock\r")];
    let warning = "SOCKET_PATH=\"/nowhere/engine.sock\\r\" ends with a carriage return; remove it";
    let ran = dockgate(&["check"], &env);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out
            .contains("forwards to the engine at \"/nowhere/engine.sock\\r\"\n")
    );
    assert!(
        ran.out.contains(&format!("warning: {warning}")),
        "{}",
        ran.out
    );
    let ran = dockgate(&["healthcheck"], &env);
    let told = "dockgate: unhealthy: the engine at \"/nowhere/engine.sock\\r\": No such file";
    assert!(ran.err.starts_with(told), "{}", ran.err);
    let ran = dockgate(&["serve"], &[("PROFILE", "/nowhere/x\r")]);
    assert_eq!(ran.code, 78);
    assert!(
        ran.err.contains("cannot read \"/nowhere/x\\r\": No such"),
        "{}",
        ran.err
    );
    let ran = dockgate(&["serve"], &[env[0], ("LISTEN", "unix:///nowhere/a\r/b")]);
    let told = "dockgate: cannot listen on unix://\"/nowhere/a\\r/b\": No such file";
    assert!(ran.err.starts_with(told), "{}", ran.err);
    for part in ["engine: \"/nowhere/engine.sock\\r\"\n", warning] {
        assert!(ran.out.contains(part), "{}", ran.out);
    }
    let all = [ran.out, ran.err].concat();
    assert!(
        !all.contains(|c: char| c.is_control() && c != '\n'),
        "{all:?}"
    );
}

#[test]
fn check_shows_which_endpoint_goes_to_which_engine() {
    let file = "engines: { nas: \"tcp://localhost:1\", old: unix:///old.sock }\n\
                policies: { a: { ENGINE: nas }, b: {} }\n\
                endpoints:\n- { listen: \"unix:///a\", policy: a }\n- { listen: \"unix:///b\", policy: b }\n\
                - { listen: \"unix:///c\", policy: none }\n";
    let ran = dockgate(
        &["check"],
        &[("CONFIG_DATA", file), ("SOCKET_PATH", "/x.sock")],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    for line in [
        "ENDPOINT   MODE  POLICY  ENGINE",
        "unix:///a  0660  a       nas",
        "unix:///b  0660  b       default",
        "unix:///c  0660  none    -",
        "forwards to the engine nas at tcp://localhost:1",
        "forwards to the engine default at /x.sock",
        "warning: CONFIG_DATA:1: engines.old is not used: no policy and no endpoint names it; name it in \
         a policy's ENGINE or an endpoint's engine, or remove it",
    ] {
        assert!(
            ran.out.lines().any(|one| one == line),
            "{line}\n{}",
            ran.out
        );
    }
    // Whom to ask depends on where the client is.
    let file = "engines: { nas: \"tcp://localhost:1\" }\n\
                policies: { a: { ALLOW_KILL: 1, SCOPE: \"label:a=b\" } }\n\
                endpoints:\n- { listen: \"unix:///a\", policy: a, engine: nas }\n\
                - { listen: \"unix:///b\", policy: a }\n";
    let environment = [("CONFIG_DATA", file), ("SOCKET_PATH", "/nowhere.sock")];
    let kill = ["POST", "/containers/web/kill"];
    for (option, told) in [
        (
            &["--policy", "a"],
            "the engine depends on the endpoint; use --endpoint",
        ),
        (
            &["--endpoint", "unix:///a"],
            "the engine nas at tcp://localhost:1 refuses connections",
        ),
        (
            &["--endpoint", "unix:///b"],
            "the socket /nowhere.sock of the engine default does not exist",
        ),
    ] {
        let arguments = [&["explain"][..], option, &kill].concat();
        let ran = dockgate(&arguments, &environment);
        assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(told), "{}", ran.out);
    }
}
