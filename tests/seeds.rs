//! The compose files that other proxies document: each starts dockgate, with the image line changed.
//!
//! Each file's environment and command are given to the program as they stand, but for where it
//! listens and where the engine is: a test has those to itself.

mod support;

use std::collections::BTreeSet;
use std::fs;

use dockgate::api::Target;
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Body, Verdict};
use support::dockgate::free_address;
use support::{Dockgate, Engine};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seeds");

/// A file, what is warned of, and what is allowed and denied.
struct Seed {
    file: &'static str,
    warnings: &'static [&'static str],
    allowed: &'static [&'static str],
    denied: &'static [&'static str],
}

const SEEDS: &[Seed] = &[
    Seed {
        file: "tecnativa",
        warnings: &[],
        allowed: &["HEAD /_ping", "GET /v1.41/version", "GET /events"],
        denied: &[
            "GET /v1.41/containers/json",
            "POST /v1.41/containers/create",
        ],
    },
    Seed {
        file: "linuxserver",
        warnings: &[],
        allowed: &["HEAD /_ping", "GET /v1.41/version", "GET /events"],
        denied: &["GET /v1.41/containers/json", "POST /containers/x/start"],
    },
    Seed {
        file: "wollomatic-traefik",
        warnings: &[
            "watchdoginterval=3600 on the command line is not a flag; it and everything after it are \
             ignored: shutdowngracetime=5; use -watchdoginterval=3600 -shutdowngracetime=5",
        ],
        allowed: &[
            "GET /v1.24/version",
            "GET /v1.41/containers/json?all=1",
            "GET /v1.41/events",
        ],
        denied: &[
            "GET /version",
            "HEAD /_ping",
            "POST /v1.41/containers/create",
        ],
    },
    Seed {
        file: "wollomatic-health",
        warnings: &[],
        allowed: &["GET /v1.41/containers/json", "HEAD /_ping"],
        denied: &["GET /v1.41/info", "POST /v1.41/containers/create"],
    },
    Seed {
        file: "wollomatic-dozzle",
        warnings: &[],
        allowed: &["GET /v1.41/containers/json", "GET /_ping", "HEAD /_ping"],
        denied: &[
            "GET /v1.41/info",
            "GET /x/_ping",
            "POST /v1.41/containers/create",
        ],
    },
    Seed {
        file: "wollomatic-watchtower",
        warnings: &[],
        allowed: &[
            "POST /v1.41/containers/create",
            "DELETE /v1.41/images/x",
            "HEAD /_ping",
        ],
        denied: &[
            "POST /v1.41/exec/x/start",
            "DELETE /v1.41/networks/x",
            "GET /_ping",
        ],
    },
    Seed {
        file: "cetusguard-traefik",
        warnings: &[],
        allowed: &[
            "HEAD /_ping",
            "GET /v1.24/version",
            "GET /v1.41/events?since=1",
            "GET /v1.41/containers/json?all=1",
            "GET /v1.41/containers/4f1a/json",
        ],
        denied: &[
            "GET /v1.41/containers/4f1a/logs",
            "GET /v1.41/images/json",
            "POST /v1.41/containers/create",
        ],
    },
    Seed {
        file: "knrdl-traefik",
        warnings: &[],
        allowed: &["GET /v1.41/version", "GET /v1.41/containers/json?all=1"],
        denied: &[
            "HEAD /_ping",
            "GET /v1.41/containers/4f1a/logs",
            "GET /v1.41/info",
        ],
    },
    Seed {
        file: "knrdl-portainer",
        warnings: &[],
        allowed: &[
            "HEAD /_ping",
            "POST /v1.41/containers/create",
            "POST /v1.41/exec/4f1a/start",
            "DELETE /v1.41/volumes/x",
        ],
        denied: &[
            "GET /v1.41/swarm",
            "POST /v1.41/build",
            "GET /v1.41/containers/4f1a/archive",
        ],
    },
];

/// What stands below a key of the service, an entry each, without comments. An entry that ends with
/// `|` has lines of its own, which follow it.
fn block(text: &str, key: &str) -> Vec<String> {
    let head = format!("    {key}:");
    let after = text.lines().skip_while(|line| *line != head).skip(1);
    let mut entries: Vec<String> = Vec::new();
    for line in after.map_while(|line| line.strip_prefix("      ")) {
        match (line.strip_prefix("  "), entries.last_mut()) {
            (Some(own), Some(entry)) if entry.contains(": |") => {
                entry.push('\n');
                entry.push_str(own);
            }
            _ => {
                let entry = line.split(" #").next().unwrap_or(line).trim();
                entries.extend((!entry.starts_with('#')).then(|| entry.to_owned()));
            }
        }
    }
    entries
}

fn unquoted(text: &str) -> &str {
    let quotes = ['\'', '"'].into_iter();
    let mut inner = quotes.filter_map(|q| text.strip_prefix(q)?.strip_suffix(q));
    inner.next().unwrap_or(text)
}

/// The environment and the command of a file.
fn configuration(file: &str) -> (Vec<(String, String)>, Vec<String>) {
    let text = fs::read_to_string(format!("{FOLDER}/{file}.yml")).expect("a compose file");
    let (text, _) = text
        .split_once("\n\n")
        .expect("the client behind the proxy");
    let pair = |line: &String| {
        let (name, value) = match line.strip_prefix("- ") {
            Some(item) => item.split_once('=').expect("NAME=VALUE"),
            None => line.split_once(": ").expect("NAME: VALUE"),
        };
        let value = value.strip_prefix("|\n").unwrap_or(unquoted(value));
        (name.to_owned(), value.to_owned())
    };
    let env = block(text, "environment").iter().map(pair).collect();
    let args = block(text, "command");
    let args = args
        .iter()
        .map(|line| line.strip_prefix("- ").expect("an item"));
    (env, args.map(|arg| unquoted(arg).to_owned()).collect())
}

fn allows(settings: &Settings, request: &str) -> bool {
    let (method, target) = request.split_once(' ').expect("a method");
    let target = Target::from_line(method, target).expect("a clean target");
    matches!(
        settings.policies.default().decide(target, Body::Other),
        Verdict::Allow(_)
    )
}

#[test]
fn every_compose_file_of_the_seeds_is_read_as_it_was_there() {
    for seed in SEEDS {
        let (env, args) = configuration(seed.file);
        let mut snapshot: Snapshot = env.into_iter().collect();
        let rest = snapshot.take_flags(args.iter().map(Into::into));
        assert_eq!(rest, Ok(Vec::new()), "{}", seed.file);
        let settings = Settings::load(&snapshot).unwrap_or_else(|told| panic!("{told:?}"));
        let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, seed.warnings, "{}", seed.file);
        for request in seed.allowed {
            assert!(allows(&settings, request), "{}: {request}", seed.file);
        }
        for request in seed.denied {
            assert!(!allows(&settings, request), "{}: {request}", seed.file);
        }
    }
}

#[test]
fn every_compose_file_of_the_seeds_starts() {
    for seed in SEEDS {
        let engine = Engine::start();
        let address = free_address();
        let (ip, listen) = (
            format!("-listenip={}", address.ip()),
            format!("tcp://{address}"),
        );
        let socket = engine.path().to_str().expect("a plain path");
        let (mut env, mut args) = configuration(seed.file);
        if args.is_empty() {
            // It says both itself, and can say them in one way only.
            env.retain(|(name, _)| !name.ends_with("_ADDR"));
            env.push(("LISTEN".to_owned(), listen.clone()));
            env.push(("SOCKET_PATH".to_owned(), socket.to_owned()));
        } else {
            args.retain(|arg| !arg.starts_with("-listenip="));
            args.splice(..0, [ip, format!("-socketpath={socket}")]);
            // One test at a time can have the port of the health check.
            env.retain(|(name, _)| name != "SP_ALLOWHEALTHCHECK");
        }
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let dockgate = Dockgate::spawn(Dockgate::command(&env).args(&args));
        dockgate.listens(&listen);
        for warning in seed.warnings {
            dockgate.line(|line| line.ends_with(warning) && line.contains(" warning "));
        }
    }
}

#[test]
fn no_compose_file_of_the_seeds_is_left_out() {
    let files = fs::read_dir(FOLDER)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    let stem = |path: &std::path::Path| path.file_stem().expect("a name").display().to_string();
    let files: BTreeSet<String> = files.map(|path| stem(&path)).collect();
    let seeds: BTreeSet<String> = SEEDS.iter().map(|seed| seed.file.to_owned()).collect();
    assert_eq!(files, seeds);
}
