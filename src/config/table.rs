//! All settings, one entry each. The help, the README's tables, the known names, the parsing and
//! the check for duplicate names all come from here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::diagnostics::{Diagnostic, Unfit};
use super::dialect::cetusguard::addresses::{backend, frontends};
use super::dialect::wollomatic::labels::prefix as label_prefix;
use super::engines::{Address, default_engine, only_path};
use super::listen::{Listen, listeners, socket_or_port};
use super::paths::{file, optional_socket_file};
use super::values::{
    LogLevel, cetusguard_log_level, client_auth, container, go_bool, go_log_level, go_mode, hosts,
    ip, log_level, mode, number, seconds, text,
};
use crate::clients::AllowFrom;
use crate::tls::ClientAuth;

/// A variable that is not a section, an action or a pattern.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value if it is not set.
    pub default: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// Which dialect it belongs to.
    pub dialect: Dialect,
    /// The equivalent flag, without its hyphen.
    pub flag: Option<&'static str>,
    /// dockgate's own setting with the same meaning.
    pub same_as: Option<&'static str>,
    /// Whether a new value takes a restart.
    pub restart: bool,
    /// Whether a policy in a file can have it.
    pub(super) in_policy: bool,
    /// Whether there is less protection without it, so that it is not to be empty.
    pub(super) protects: bool,
    /// Whether its value is a path.
    pub(super) is_path: bool,
    /// Whether its flags add up: their values are one list.
    pub(super) adds_up: bool,
    /// Whether it is in [`Values`]. The dialects read the others.
    pub(super) has_value: bool,
}

/// The dialect that a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// dockgate's own, and Tecnativa's.
    Sections,
    /// What may be asked for.
    Limits,
    /// Presets.
    Presets,
    /// wollomatic/socket-proxy.
    Wollomatic,
    /// knrdl/docker-socket-protector.
    Knrdl,
    /// mikesir87/docker-socket-proxy.
    Mikesir87,
    /// hectorm/cetusguard.
    Cetusguard,
}

const OWN: Setting = Setting {
    name: "",
    default: "",
    doc: "",
    dialect: Dialect::Sections,
    flag: None,
    same_as: None,
    restart: false,
    in_policy: false,
    protects: false,
    is_path: false,
    adds_up: false,
    has_value: false,
};
const OF_SCOPE: Setting = OF_LIMITS;
const OF_LIMITS: Setting = Setting {
    dialect: Dialect::Limits,
    in_policy: true,
    ..OWN
};
const OF_PRESETS: Setting = Setting {
    dialect: Dialect::Presets,
    ..OWN
};
const OF_WOLLOMATIC: Setting = Setting {
    dialect: Dialect::Wollomatic,
    restart: true,
    ..OWN
};
const OF_KNRDL: Setting = Setting {
    dialect: Dialect::Knrdl,
    ..OWN
};
const OF_MIKESIR87: Setting = Setting {
    dialect: Dialect::Mikesir87,
    restart: true,
    ..OWN
};
const OF_CETUSGUARD: Setting = Setting {
    dialect: Dialect::Cetusguard,
    restart: true,
    ..OWN
};
const OF_RULE_LINES: Setting = Setting {
    dialect: Dialect::Cetusguard,
    in_policy: true,
    ..OWN
};
const OF_MUTATORS: Setting = Setting {
    dialect: Dialect::Mikesir87,
    in_policy: true,
    ..OWN
};

/// Turns each entry into a row of the table and, if it has a parser, a field of [`Values`]. The
/// field has the variable's name in lower case; a second parser is for the flag.
macro_rules! settings {
    ($($base:ident { $(
        $name:literal, $default:literal, $doc:literal
        $(, $key:ident: $value:expr)*
        $(=> $field:ident: $type:ty = $parse:expr $(, flag $by_flag:expr)?)?;
    )* })*) => {
        /// Every setting.
        pub const SETTINGS: &[Setting] = &[$($(Setting {
            name: $name,
            default: $default,
            doc: $doc,
            has_value: !matches!(&[$(stringify!($field))?] as &[&str], []),
            $($key: $value,)*
            ..$base
        },)*)*];

        /// The values as written.
        #[derive(Deserialize)]
        struct Texts {
            $($($($field: Option<String>,)?)*)*
        }

        /// The parsed values.
        #[derive(Debug)]
        pub(super) struct Values {
            $($($(pub(super) $field: Value<$type>,)?)*)*
        }

        impl Values {
            /// Parses the value of each setting, and notes what is wrong with it.
            pub(super) fn read(
                written: &BTreeMap<&'static str, Written>,
                diagnostics: &mut Vec<Diagnostic>,
            ) -> Values {
                let pairs = written.iter();
                let pairs = pairs.map(|(name, one)| ((*name).to_owned(), one.text.clone()));
                let texts: Texts =
                    envy::from_iter(pairs).expect("optional strings take every value");
                Values {
                    $($($($field: Value::read(
                        $default,
                        texts.$field,
                        written.get($name),
                        $parse,
                        &[$($by_flag)?],
                        diagnostics,
                    ),)?)*)*
                }
            }

            /// Whether a setting is set, and by which of its names.
            fn set_by(&self, name: &str) -> Option<&str> {
                match name {
                    $($($($name => self.$field.by.as_deref(),)?)*)*
                    _ => None,
                }
            }
        }
    };
}

settings! {
    OWN {
        "POST", "0",
            "Methods other than GET and HEAD, in the granted sections", in_policy: true;
        "DENY_ROOT", "0",
            "1: deny what gives control of the host or of other containers", in_policy: true;
        "API_VERSION_MIN", "",
            "The lowest API version that clients see, and from which old requests are raised, such as 1.24",
            in_policy: true;
        "API_VERSION_MAX", "",
            "The highest API version that clients see, such as 1.44", in_policy: true;
        "LISTEN", "tcp://[::]:2375",
            "Comma-separated list of tcp://IP:PORT and unix:///PATH", restart: true
            => listen: Vec<Listen> = listeners;
        "LISTEN_MODE", "0660",
            "File mode of the Unix sockets in LISTEN, in octal", restart: true
            => listen_mode: u32 = mode;
        "TLS_CERT", "",
            "PEM file with the certificate of the TCP addresses in LISTEN, which then speak TLS",
            protects: true, is_path: true
            => tls_cert: PathBuf = file;
        "TLS_KEY", "",
            "PEM file with its key", protects: true, is_path: true
            => tls_key: PathBuf = file;
        "TLS_CLIENT_CA", "",
            "PEM file with the CAs of clients' certificates, which are then required",
            protects: true, is_path: true
            => tls_client_ca: PathBuf = file;
        "TLS_CLIENT_AUTH", "required",
            "required or optional: whether clients need a certificate",
            protects: true
            => tls_client_auth: ClientAuth = client_auth;
        "DISABLE_IPV6", "0",
            "1, true or yes: listen on 0.0.0.0 only, unless LISTEN is set", restart: true
            => disable_ipv6: String = text;
        "SOCKET_PATH", "/var/run/docker.sock",
            "The engine: a Unix socket's path, or tcp://HOST:PORT", restart: true, is_path: true
            => socket_path: Address = default_engine;
        "ENGINE_CA", "",
            "A file with the authority of that engine's certificate; it is connected to by TLS then",
            restart: true, protects: true, is_path: true
            => engine_ca: PathBuf = file;
        "ENGINE_CERT", "",
            "A file with dockgate's certificate for that engine",
            restart: true, protects: true, is_path: true
            => engine_cert: PathBuf = file;
        "ENGINE_KEY", "",
            "A file with the key of that certificate",
            restart: true, protects: true, is_path: true
            => engine_key: PathBuf = file;
        "ENGINE", "",
            "The engine: the name of one in a file, or default", in_policy: true;
        "MAX_CONNECTIONS", "10000",
            "Maximum number of client connections, including tunnels", restart: true
            => max_connections: usize = |text| number(text, 1, 1_000_000);
        "SHUTDOWN_GRACE", "5",
            "Seconds that requests in progress get to finish at shutdown", restart: true
            => shutdown_grace: Duration = |text| seconds(text, 3600);
        "UPLOAD_TIMEOUT", "600",
            "Seconds to wait for more of a request body; 0: no limit", restart: true
            => upload_timeout: Duration = |text| seconds(text, 86_400);
        "CLIENT_CONNECTIONS", "0",
            "Maximum number of connections of one client; 0: no limit", restart: true
            => client_connections: usize = |text| number(text, 0, 1_000_000);
        "CLIENT_RATE", "0",
            "Maximum number of requests per second of one client; 0: no limit", restart: true
            => client_rate: u32 = |text| number(text, 0, 1_000_000);
        "ALLOWED_HOSTS", "",
            "Comma-separated host names by which web pages may call dockgate", restart: true
            => allowed_hosts: Vec<Box<str>> = hosts;
        "SELF_CONTAINER", "",
            "Name or ID of dockgate's own container, where it cannot be found", restart: true
            => self_container: String = container;
        "LOG_LEVEL", "info",
            "debug, info, notice, warning, err, crit, alert or emerg", restart: true
            => log_level: LogLevel = log_level;
        "LEARN", "0",
            "1: allow all requests, and print the smallest grants for them", restart: true;
        "DRY_RUN", "0",
            "1: allow all requests, and log what would be denied", restart: true, in_policy: true;
        "CONFIG_FILE", "",
            "A YAML file with policies, endpoints and client rules", is_path: true;
        "CONFIG_DIR", "",
            "A folder of such files, *.yml and *.yaml", is_path: true;
        "CONFIG_DATA", "",
            "The text of such a file";
    }
    OF_LIMITS {
        "BIND_FROM", "",
            "Host directories that may be mounted: /srv/ci, /data:ro; /** includes all below";
        "VOLUMES_NAMED", "",
            "Names of volumes that may be mounted and created, such as cache-*";
        "IMAGE_FROM", "",
            "Images that may be used, such as docker.io/library/*; load, import";
        "TAG_AS", "",
            "Names that may be given to images, such as ci/*";
        "CAP_ADD", "",
            "Capabilities that may be added to the default ones";
        "DEVICES", "",
            "Devices: paths on the host, and DRIVER=DEVICE, such as nvidia=all";
        "NAMESPACES", "",
            "Namespaces that may be shared: network:host, pid:container:web";
        "SECURITY", "",
            "Security options that may weaken the isolation, such as seccomp=unconfined";
        "RUNTIMES", "",
            "Runtimes besides the default one";
        "LOG_DRIVERS", "",
            "Log drivers, and their options: gelf, gelf-address=udp://10.0.0.1:12201";
        "VOLUME_DRIVERS", "",
            "Volume drivers";
        "NETWORK_DRIVERS", "",
            "Drivers of networks that may be created";
        "NETWORKS_JOINED", "",
            "Networks that containers may join, besides the default bridge";
        "SYSCTLS", "",
            "Kernel parameters that may be set";
        "PUBLISH", "",
            "Host ports that may be published, such as 127.0.0.1:8000-8999; none";
        "RUN_AS", "",
            "Users that containers and commands may run as: nonroot, 1000-1999, names";
        "EXEC_COMMANDS", "",
            "Commands that may be executed: JSON lists of strings, one on each line";
        "MEMORY_MAX", "",
            "Maximum memory of a container, such as 2g";
        "CPUS_MAX", "",
            "Maximum number of CPUs of a container, such as 1.5";
        "PIDS_MAX", "",
            "Maximum number of processes in a container";
        "REQUIRE", "",
            "readonly-rootfs, drop-all-caps, no-new-privileges, digest, label:KEY";
    }
    OF_SCOPE {
        "SCOPE", "",
            "Whose things clients see and touch: label:KEY=VALUE, name:web-*, compose:PROJECT, created";
        "SCOPE_SHARED", "",
            "What they may use besides: network:proxy, volume:models";
        "SCOPE_IMAGES", "0",
            "1: images are in scope or not, too";
        "REDACT", "",
            "What responses do not show: env, commands, mounts, labels:KEY, tokens, configs, network, host";
        "REDACT_ENV", "",
            "Variables that env hides, in any case; *: all. Unset: *PASS*,*TOKEN*,*SECRET*,*KEY*";
    }
    OF_PRESETS {
        "PRESET", "",
            "Comma-separated list; `dockgate presets` lists all", in_policy: true;
    }
    OF_WOLLOMATIC {
        "SP_ALLOWFROM", "127.0.0.1/32",
            "TCP clients to allow: networks, addresses, host names", flag: Some("allowfrom")
            => sp_allowfrom: AllowFrom = |text| Ok(AllowFrom::new(text));
        "SP_LISTENIP", "127.0.0.1",
            "The address to listen on", flag: Some("listenip"), same_as: Some("LISTEN")
            => sp_listenip: IpAddr = ip;
        "SP_PROXYPORT", "2375",
            "The port to listen on", flag: Some("proxyport"), same_as: Some("LISTEN")
            => sp_proxyport: u16 = |text| number(text, 1, u16::MAX);
        "SP_PROXYSOCKETENDPOINT", "",
            "A Unix socket to listen on instead", flag: Some("proxysocketendpoint"),
            same_as: Some("LISTEN"), is_path: true
            => sp_proxysocketendpoint: Option<PathBuf> = optional_socket_file;
        "SP_PROXYSOCKETENDPOINTFILEMODE", "0600",
            "File mode of that socket, in octal", flag: Some("proxysocketendpointfilemode"),
            same_as: Some("LISTEN_MODE")
            => sp_proxysocketendpointfilemode: u32 = mode, flag go_mode;
        "SP_SOCKETPATH", "/var/run/docker.sock",
            "The engine's Unix socket, same as SOCKET_PATH", flag: Some("socketpath"),
            same_as: Some("SOCKET_PATH"), is_path: true
            => sp_socketpath: Address = only_path;
        "SP_LOGLEVEL", "INFO",
            "DEBUG, INFO, WARN or ERROR", flag: Some("loglevel"), same_as: Some("LOG_LEVEL")
            => sp_loglevel: LogLevel = go_log_level;
        "SP_LOGJSON", "false",
            "true: log each line as a JSON object", flag: Some("logjson")
            => sp_logjson: bool = go_bool;
        "SP_SHUTDOWNGRACETIME", "5",
            "Seconds, same as SHUTDOWN_GRACE", flag: Some("shutdowngracetime"),
            same_as: Some("SHUTDOWN_GRACE")
            => sp_shutdowngracetime: Duration = |text| seconds(text, 3600);
        "SP_ALLOWHEALTHCHECK", "false",
            "true: also answer HEAD /health on 127.0.0.1:55555", flag: Some("allowhealthcheck")
            => sp_allowhealthcheck: bool = go_bool;
        "SP_WATCHDOGINTERVAL", "0",
            "Seconds between checks of the engine's socket; 0: off", flag: Some("watchdoginterval")
            => sp_watchdoginterval: Duration = |text| seconds(text, 86_400);
        "SP_STOPONWATCHDOG", "false",
            "true: exit with code 10 when the watchdog finds no engine", flag: Some("stoponwatchdog")
            => sp_stoponwatchdog: bool = go_bool;
        "SP_ALLOWBINDMOUNTFROM", "",
            "Host directories that may be mounted, with all that lies below them",
            flag: Some("allowbindmountfrom"), same_as: Some("BIND_FROM"), restart: false,
            in_policy: true;
        "SP_PROXYCONTAINERNAME", "",
            "Name of dockgate's own container, same as SELF_CONTAINER; labels grant then",
            flag: Some("proxycontainername"), same_as: Some("SELF_CONTAINER")
            => sp_proxycontainername: String = container;
        "SP_DOCKERLABELPREFIX", "socket-proxy",
            "What those labels begin with", flag: Some("dockerlabelprefix")
            => sp_dockerlabelprefix: String = label_prefix;
    }
    OF_KNRDL {
        "PROFILE", "",
            "A file in /profiles, a path, or a built-in profile; unprotected allows all",
            is_path: true, in_policy: true;
        "LOG_REQUESTS", "false",
            "true: log each request as a line for a profile";
    }
    OF_MUTATORS {
        "ADD_LABELS", "",
            "Labels of all that is created, such as team=ci";
        "ADD_TO_NETWORK", "",
            "Networks that new containers join";
        "MAP_PATH", "",
            "Paths to mount in place of others, such as /workspaces/app=/srv/app";
        "REMAP_IMAGE", "",
            "Images to use in place of others, such as nginx=mirror.example/nginx:1.27";
    }
    OF_MIKESIR87 {
        "LISTEN_SOCKET_PATH", "/tmp/docker.sock",
            "A Unix socket to listen on, or a TCP port", same_as: Some("LISTEN"), is_path: true
            => listen_socket_path: Listen = socket_or_port;
        "FORWARDING_SOCKET_PATH", "/var/run/docker.sock",
            "The engine's Unix socket, same as SOCKET_PATH", same_as: Some("SOCKET_PATH"),
            is_path: true
            => forwarding_socket_path: Address = only_path;
    }
    OF_RULE_LINES {
        "CETUSGUARD_RULES", "",
            "Rules, one on each line: METHOD[,METHOD] PATTERN", flag: Some("rules");
        "CETUSGUARD_RULES_FILE", "",
            "A file of such rules", flag: Some("rules-file"), is_path: true;
        "CETUSGUARD_NO_BUILTIN_RULES", "false",
            "true: no built-in rules, which allow /_ping, /version and /info",
            flag: Some("no-builtin-rules");
    }
    OF_CETUSGUARD {
        "CETUSGUARD_FRONTEND_ADDR", "tcp://127.0.0.1:2375",
            "Comma-separated list of tcp://IP:PORT and unix:///PATH; in a container tcp://:2375",
            flag: Some("frontend-addr"), same_as: Some("LISTEN"), adds_up: true
            => cetusguard_frontend_addr: Vec<Listen> = frontends;
        "CETUSGUARD_FRONTEND_TLS_CERT", "",
            "The certificate of its TCP addresses, same as TLS_CERT",
            flag: Some("frontend-tls-cert"), same_as: Some("TLS_CERT"), protects: true,
            is_path: true
            => cetusguard_frontend_tls_cert: PathBuf = file;
        "CETUSGUARD_FRONTEND_TLS_KEY", "",
            "The key of that certificate, same as TLS_KEY",
            flag: Some("frontend-tls-key"), same_as: Some("TLS_KEY"), protects: true,
            is_path: true
            => cetusguard_frontend_tls_key: PathBuf = file;
        "CETUSGUARD_FRONTEND_TLS_CACERT", "",
            "The CAs of clients' certificates, which are then required, same as TLS_CLIENT_CA",
            flag: Some("frontend-tls-cacert"), same_as: Some("TLS_CLIENT_CA"), protects: true,
            is_path: true
            => cetusguard_frontend_tls_cacert: PathBuf = file;
        "CETUSGUARD_BACKEND_ADDR", "unix:///var/run/docker.sock",
            "Where the engine is, same as SOCKET_PATH; if unset, CONTAINER_HOST and DOCKER_HOST",
            flag: Some("backend-addr"), same_as: Some("SOCKET_PATH"), is_path: true
            => cetusguard_backend_addr: Address = backend;
        "CETUSGUARD_BACKEND_TLS_CACERT", "",
            "The authority of the engine's certificate, same as ENGINE_CA",
            flag: Some("backend-tls-cacert"), same_as: Some("ENGINE_CA"), protects: true,
            is_path: true
            => cetusguard_backend_tls_cacert: PathBuf = file;
        "CETUSGUARD_BACKEND_TLS_CERT", "",
            "dockgate's certificate for the engine, same as ENGINE_CERT",
            flag: Some("backend-tls-cert"), same_as: Some("ENGINE_CERT"), protects: true,
            is_path: true
            => cetusguard_backend_tls_cert: PathBuf = file;
        "CETUSGUARD_BACKEND_TLS_KEY", "",
            "The key of that certificate, same as ENGINE_KEY",
            flag: Some("backend-tls-key"), same_as: Some("ENGINE_KEY"), protects: true,
            is_path: true
            => cetusguard_backend_tls_key: PathBuf = file;
        "CETUSGUARD_LOG_LEVEL", "6",
            "7: debug, 6: info, 4: warning, 3: err, 2: crit, 0: nothing", flag: Some("log-level"),
            same_as: Some("LOG_LEVEL")
            => cetusguard_log_level: LogLevel = cetusguard_log_level;
    }
}

impl Setting {
    /// Whether its flag needs no value.
    pub(super) fn is_switch(&self) -> bool {
        self.default == "false"
    }

    /// The settings of a dialect.
    pub fn of(dialect: Dialect) -> impl Iterator<Item = &'static Setting> {
        SETTINGS
            .iter()
            .filter(move |setting| setting.dialect == dialect)
    }
}

/// A value as written.
#[derive(Debug)]
pub(super) struct Written {
    /// The name that sets it: `LISTEN`, `-listenip`.
    pub(super) by: String,
    pub(super) text: String,
    pub(super) by_flag: bool,
}

/// A parsed value.
#[derive(Debug)]
pub(super) struct Value<T> {
    /// The name that sets it, if it is set.
    pub(super) by: Option<String>,
    /// The value, if it is set and valid.
    set: Option<T>,
    /// The default, if the setting has one.
    default: Option<T>,
}

type Parse<T> = fn(&str) -> Result<T, Unfit>;

impl<T> Value<T> {
    fn read(
        default: &str,
        text: Option<String>,
        written: Option<&Written>,
        parse: Parse<T>,
        by_flag: &[Parse<T>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Value<T> {
        let mut value = Value {
            by: None,
            set: None,
            default: parse(default).ok(),
        };
        if let (Some(text), Some(written)) = (text, written) {
            let by_flag = by_flag.first().filter(|_| written.by_flag);
            match by_flag.unwrap_or(&parse)(&text) {
                Ok(set) => value.set = Some(set),
                Err(unfit) => diagnostics.push(unfit.of(&written.by, &text)),
            }
            value.by = Some(written.by.clone());
        }
        value
    }

    /// As if this were written.
    pub(super) fn put(&mut self, by: &str, set: T) {
        (self.by, self.set) = (Some(by.to_owned()), Some(set));
    }

    /// The value, if it is set and valid.
    pub(super) fn set(&self) -> Option<&T> {
        self.set.as_ref()
    }

    /// The default.
    pub(super) fn unset(&mut self) {
        (self.by, self.set) = (None, None);
    }

    /// The value or the default; nothing if the value is invalid.
    pub(super) fn get(&self) -> Option<&T> {
        match self.by {
            Some(_) => self.set.as_ref(),
            None => self.default.as_ref(),
        }
    }

    /// The same, preferring another setting with the same meaning if that one is set.
    pub(super) fn or_same<'a>(&'a self, other: &'a Value<T>) -> Option<&'a T> {
        match other.by {
            Some(_) => other.get(),
            None => self.get(),
        }
    }
}

/// The settings of one thing that are set by the names of either dialect, each with its name. For
/// those that are not set, the name is of the dialect that has others.
pub(super) fn of_either<'v, T, const N: usize>(
    own: [(&'static str, &'v Value<T>); N],
    others: [(&'static str, &'v Value<T>); N],
) -> [(&'static str, &'v Value<T>); N] {
    let is_other = others.iter().any(|(_, value)| value.by.is_some());
    let mut pairs = own.into_iter().zip(others);
    own.map(|unset| match pairs.next() {
        Some((_, other)) if other.1.by.is_some() => other,
        Some((own, other)) if own.1.by.is_none() && is_other => other,
        _ => unset,
    })
}

impl Values {
    /// An error for each pair of settings that are both set and have the same meaning. Those of one
    /// dialect are parts of one.
    pub(super) fn twice(&self) -> impl Iterator<Item = Diagnostic> {
        SETTINGS.iter().enumerate().filter_map(|(at, setting)| {
            let own = setting.same_as?;
            let second = self.set_by(setting.name)?;
            let mut others = SETTINGS[..at].iter().filter(|other| {
                let same = other.same_as == Some(own) && other.dialect != setting.dialect;
                other.name == own || same
            });
            let first = others.find_map(|other| self.set_by(other.name))?;
            let problem = format!("{first} and {second} are both set");
            Some(Diagnostic::error(first, problem, "use only one of them"))
        })
    }
}
