//! The environment: no snapshot makes `Settings::load` panic, what is wrong with a setting is an
//! error, and all else means what an independent reading makes of it. An input is a block of
//! `NAME=value` with NULs between them, as the kernel hands it over.

#![no_main]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dockgate::api::Target;
use dockgate::config::{Address, Endpoint, Listen, LogLevel, PolicyId, Settings, Severity};
use dockgate::policy::{Body, Verdict, printable};
use libfuzzer_sys::fuzz_target;
use support::router::{Asked, ROWS, VARIABLES};

type Block<'a> = BTreeMap<&'a [u8], &'a [u8]>;

fuzz_target!(|data: &[u8]| {
    let block: Block<'_> = data
        .split(|byte| *byte == 0)
        .filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            Some((&pair[..equals], &pair[equals + 1..]))
        })
        .collect();
    // The other dialects and files have targets of their own.
    let others = [&b"SP_"[..], b"PROFILE", b"LOG_REQUESTS", b"CONFIG_"];
    if block
        .keys()
        .any(|name| others.iter().any(|other| name.starts_with(other)))
    {
        return;
    }
    let pairs = block.iter().map(|(name, value)| (os(name), os(value)));
    let loaded = Settings::load(&pairs.collect());
    let diagnostics = match &loaded {
        Ok(settings) => &settings.warnings,
        Err(diagnostics) => diagnostics,
    };
    for diagnostic in diagnostics {
        let line = diagnostic.to_string();
        let name = printable(&diagnostic.variable);
        assert!(line.contains(&*name), "{name} is not in {line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let errors = diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error);
    assert_eq!(loaded.is_err(), errors, "{diagnostics:?}");

    // Other variables have errors of their own, and other dialects other defaults.
    let by_tcp = |engine: &&[u8]| engine.starts_with(b"tcp://");
    if block.keys().any(|name| !is_known(name))
        || block.get(&b"SOCKET_PATH"[..]).is_some_and(by_tcp)
    {
        return;
    }
    let Some(read) = Read::of(&block) else {
        assert!(loaded.is_err(), "a bad setting is taken: {loaded:?}");
        return;
    };
    let settings = loaded.expect("no other mistake");
    let endpoints = read.listen.into_iter().map(|listen| Endpoint {
        listen,
        mode: read.listen_mode,
        policy: PolicyId::DEFAULT,
        tls: None,
        engine: None,
    });
    assert_eq!(settings.endpoints, endpoints.collect::<Vec<_>>());
    assert_eq!(settings.engine.address, Address::Unix(read.socket_path));
    assert_eq!(settings.process.max_connections, read.max_connections);
    assert_eq!(settings.process.shutdown_grace, read.shutdown_grace);
    assert_eq!(settings.process.log_level, read.log_level);
    let _ = (
        settings.summary(),
        settings.policies.default().root_on_host(),
    );
    grants_agree(&block, &settings);
});

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

fn is_known(name: &[u8]) -> bool {
    let settings = [
        "LISTEN",
        "LISTEN_MODE",
        "DISABLE_IPV6",
        "SOCKET_PATH",
        "MAX_CONNECTIONS",
        "SHUTDOWN_GRACE",
        "LOG_LEVEL",
    ];
    let grants = VARIABLES.iter().map(|(name, _)| *name);
    grants.chain(settings).any(|known| known.as_bytes() == name)
}

/// The settings by another reader; `None` where one of them is bad.
struct Read {
    listen: Vec<Listen>,
    listen_mode: u32,
    socket_path: PathBuf,
    max_connections: usize,
    shutdown_grace: Duration,
    log_level: LogLevel,
}

impl Read {
    fn of(block: &Block<'_>) -> Option<Read> {
        let get = |name: &str, default| match block.get(name.as_bytes()).copied() {
            None | Some(b"") => Some(default),
            Some(value) => str::from_utf8(value).ok(),
        };
        let ipv4 = get("DISABLE_IPV6", "")?.to_lowercase();
        let ipv4 = ["1", "true", "yes"].contains(&ipv4.as_str());
        let listen = match get("LISTEN", "")? {
            "" => vec![Listen::Tcp {
                addr: if ipv4 { "0.0.0.0:2375" } else { "[::]:2375" }
                    .parse()
                    .ok()?,
                fallback_v4: !ipv4,
            }],
            items => items
                .split(',')
                .map(|item| listen(item.trim()))
                .collect::<Option<_>>()?,
        };
        let engine = get("SOCKET_PATH", "/var/run/docker.sock")?;
        let prefixes = ["unix@", "unix://"].into_iter();
        let path = prefixes
            .filter_map(|prefix| engine.strip_prefix(prefix))
            .next();
        let socket_path = socket(path.unwrap_or(engine))?;
        let twice = (1..listen.len()).any(|i| listen[..i].contains(&listen[i]));
        let is_engines = |one: &Listen| match one {
            Listen::Unix(path) => real(path) == real(&socket_path),
            Listen::Tcp { .. } => false,
        };
        if twice || listen.iter().any(is_engines) {
            return None;
        }
        let listen_mode = number(get("LISTEN_MODE", "0660")?, 8)?;
        let max_connections = number(get("MAX_CONNECTIONS", "10000")?, 10)?;
        let shutdown_grace = number(get("SHUTDOWN_GRACE", "5")?, 10)?;
        let in_range = listen_mode <= 0o777
            && (1..=1_000_000).contains(&max_connections)
            && shutdown_grace <= 3600;
        in_range.then_some(())?;
        let log_level = match get("LOG_LEVEL", "info")?.to_ascii_uppercase().as_str() {
            "DEBUG" => LogLevel::Debug,
            "INFO" => LogLevel::Info,
            "NOTICE" => LogLevel::Notice,
            "WARNING" => LogLevel::Warning,
            "ERR" => LogLevel::Err,
            "CRIT" => LogLevel::Crit,
            "ALERT" => LogLevel::Alert,
            "EMERG" => LogLevel::Emerg,
            _ => return None,
        };
        Some(Read {
            listen,
            listen_mode: u32::try_from(listen_mode).ok()?,
            socket_path,
            max_connections: usize::try_from(max_connections).ok()?,
            shutdown_grace: Duration::from_secs(shutdown_grace),
            log_level,
        })
    }
}

fn listen(item: &str) -> Option<Listen> {
    if let Some(path) = item.strip_prefix("unix://") {
        return Some(Listen::Unix(socket(path)?));
    }
    let addr: SocketAddr = item.strip_prefix("tcp://")?.parse().ok()?;
    Some(Listen::Tcp {
        addr,
        fallback_v4: false,
    })
}

fn socket(path: &str) -> Option<PathBuf> {
    let fine = Path::new(path).is_absolute() && !path.ends_with('/') && path.len() < 108;
    fine.then(|| PathBuf::from(path))
}

/// A socket's path by the name that its folder has without links: `/var/run` is often `/run`.
fn real(path: &Path) -> PathBuf {
    let folder = path.parent().map(Path::canonicalize);
    match (folder, path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Digits and no more; leading zeros are fine, and a number beyond every range is one too.
fn number(value: &str, radix: u32) -> Option<u64> {
    let mut digits = value.chars().map(|digit| digit.to_digit(radix));
    digits.try_fold(0_u64, |number, digit| {
        Some(
            number
                .saturating_mul(radix.into())
                .saturating_add(digit?.into()),
        )
    })
}

/// As HAProxy reads an integer: a sign, digits, and then whatever.
fn grants(value: &[u8]) -> bool {
    let unsigned = match value {
        [b'+' | b'-', rest @ ..] => rest,
        _ => value,
    };
    let first = unsigned.iter().find(|byte| **byte != b'0');
    first.is_some_and(u8::is_ascii_digit)
}

/// On every route of the engine, the policy allows what the variables were read to grant.
fn grants_agree(block: &Block<'_>, settings: &Settings) {
    let on = |name: &str| {
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        known.is_some_and(|(_, default)| {
            block
                .get(name.as_bytes())
                .map_or(*default, |value| grants(value))
        })
    };
    for (name, _) in VARIABLES {
        assert_eq!(
            settings.policies.default().sources.grants.on(name),
            on(name),
            "{name}"
        );
    }
    for row in ROWS.iter().filter(|row| row.section != "NONE") {
        let path = row.path.replace("{id}", "c1").replace("{name}", "c1");
        let target = Target::from_line(row.method, &path.replace("{checkpoint}", "p"));
        let target = target.expect("a clean target");
        let asked = Asked {
            row,
            query: "",
            length: Some(0),
        };
        let verdict = settings.policies.default().decide(target, Body::Empty);
        let allowed = matches!(verdict, Verdict::Allow(_));
        assert_eq!(allowed, asked.is_granted(on), "{row:?}: {verdict}");
    }
}
