//! The judgements by hand of values that a list of harmless ones cannot tell apart: names,
//! namespaces, security options, ports, addresses.

use std::net::IpAddr;

use super::mounts::{is_read_only, read_only_bind};
use super::text_of;
use super::{Walk, What};
use crate::api::fields::{Field, Harmless, Judged, Kind, Namespace, Reach};
use crate::body::json::{Path, Value};

impl Walk<'_> {
    /// A value that is one string.
    pub(super) fn text(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        let Some(text) = value.as_str() else {
            return self.misread(value, path);
        };
        if text.is_empty() {
            return;
        }
        let unless_harmless = |harmless: bool| if harmless { Reach::NONE } else { field.reach };
        let listed = field.is_harmless(text);
        let (what, reach) = match field.judged {
            Judged::Binds => return self.bind(field, value, text, path),
            Judged::Mode(kind) => return self.mode(field, kind, value, text, path),
            Judged::VolumesFrom => {
                let (container, options) = text.split_once(':').unwrap_or((text, ""));
                let container = container.to_owned();
                let read_only = is_read_only(options);
                let what = What::MountsOf {
                    container,
                    read_only,
                };
                (what, field.reach)
            }
            Judged::Capabilities => {
                let capability = capability(text);
                let harmless = field.is_harmless(&capability);
                (What::Capability(capability), unless_harmless(harmless))
            }
            Judged::Security => {
                let option = security_option(text);
                let reach = unless_harmless(field.is_harmless(&option));
                let builtin = option == "seccomp=builtin";
                let what = What::Security(option);
                if builtin {
                    let engines = self.engine.builtin_seccomp;
                    return self.claim_unless(engines, path, value, reach, what);
                }
                (what, reach)
            }
            Judged::Runtime => {
                let (engines, what) = (text == self.engine.runtime, What::Runtime(text.to_owned()));
                return self.claim_unless(engines, path, value, field.reach, what);
            }
            Judged::LogDriver => {
                let engines = listed || text == self.engine.log_driver;
                let what = What::LogDriver(text.to_owned());
                return self.claim_unless(engines, path, value, field.reach, what);
            }
            Judged::VolumeDriver => (What::VolumeDriver(text.to_owned()), unless_harmless(listed)),
            Judged::NetworkDriver => (
                What::NetworkDriver(text.to_owned()),
                unless_harmless(listed),
            ),
            Judged::IpamDriver => (What::IpamDriver(text.to_owned()), unless_harmless(listed)),
            Judged::Subnet if is_private(text) => return,
            Judged::Subnet => (What::Subnet(text.to_owned()), field.reach),
            Judged::NetworkTarget if text == "host" => (host_network(), field.reach),
            Judged::NetworkTarget | Judged::Network => {
                (What::Network(text.to_owned()), field.reach)
            }
            Judged::Container => (What::Container(text.to_owned()), field.reach),
            Judged::Links => {
                let name = text.split_once(':').map_or(text, |(name, _)| name);
                let name = name.strip_prefix('/').unwrap_or(name);
                (What::Container(name.to_owned()), field.reach)
            }
            Judged::Image => (What::Image(text.to_owned()), field.reach),
            Judged::Address => (What::Address(text.to_owned()), field.reach),
            // The others are lists and maps.
            _ => (What::Field, Reach::ALL),
        };
        self.claim(path, value, reach, what);
    }

    /// A namespace: `host`, `container:NAME`, or one of its own. A network is one too.
    fn mode(&mut self, field: &Field, kind: Namespace, value: &Value, text: &str, path: &Path<'_>) {
        let of = text.to_owned();
        if kind == Namespace::Cgroup && text == "host" {
            let what = What::Namespace { kind, of };
            return self.claim_unless(self.engine.host_cgroups, path, value, field.reach, what);
        }
        // Podman takes `ns:/proc/1/ns/net` and more with a colon.
        let is_network = kind == Namespace::Network && text != "host" && !text.contains([':', '/']);
        let (what, reach) = if is_network {
            // What an existing container is connected to gives its exec nothing of the host.
            let harmless = field.is_harmless(text) || self.held;
            let reach = if harmless {
                Reach::NONE
            } else {
                Reach::NETWORK
            };
            (What::Network(of), reach)
        } else if field.is_harmless(text) {
            (What::Namespace { kind, of }, Reach::NONE)
        } else {
            let others = text.starts_with("container:");
            let more = if others {
                Reach::OTHER_CONTAINERS
            } else {
                Reach::NONE
            };
            (What::Namespace { kind, of }, field.reach.with(more))
        };
        self.claim(path, value, reach, what);
    }

    /// A list that the engine fills in. It has to hold what the engine's own one holds.
    pub(super) fn keeps(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        let Some(items) = value.as_list() else {
            return self.misread(value, path);
        };
        let held = |path: &str| items.iter().any(|item| item.as_str() == Some(path));
        let mut own = field.harmless.iter();
        if !own.all(|own| matches!(own, Harmless::Text(path) if held(path))) {
            let what = What::Security("systempaths=unconfined".to_owned());
            self.claim(path, value, field.reach, what);
        }
    }

    /// Options of a log driver.
    pub(super) fn log_options(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        let Some(entries) = value.as_object() else {
            return self.misread(value, path);
        };
        for (key, value) in entries.iter() {
            if !field.is_harmless(key) {
                let text = value.as_str().unwrap_or_default();
                let what = What::LogOption(format!("{key}={text}"));
                self.claim(&path.key(key), value, field.reach, what);
            }
        }
    }

    /// Kernel parameters: the keys count.
    pub(super) fn sysctls(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        let Some(entries) = value.as_object() else {
            return self.misread(value, path);
        };
        for (key, value) in entries.iter() {
            let harmless = field.is_harmless(key);
            let reach = if harmless { Reach::NONE } else { field.reach };
            let what = What::Sysctl(key.to_owned());
            self.claim(&path.key(key), value, reach, what);
        }
    }

    /// Networks to join: the keys count, and each endpoint's own fields.
    pub(super) fn endpoints(&mut self, field: &Field, kind: &Kind, value: &Value, path: &Path<'_>) {
        let (Some(entries), Kind::Map(kind)) = (value.as_object(), kind) else {
            return self.misread(value, path);
        };
        for (key, endpoint) in entries.iter() {
            let path = path.key(key);
            if key == "host" {
                let reach = field.reach.with(Reach::NAMESPACES);
                self.claim(&path, endpoint, reach, host_network());
            } else {
                let harmless = field.is_harmless(key);
                let reach = if harmless { Reach::NONE } else { field.reach };
                self.claim(&path, endpoint, reach, What::Network(key.to_owned()));
            }
            self.inside(kind, endpoint, &path);
        }
    }

    /// Host ports: of a container's `PortBindings`, of a service's `Ports`, or all that are exposed.
    pub(super) fn publish(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        match value {
            Value::Object(entries) => {
                for (key, bindings) in entries.iter() {
                    let path = path.key(key);
                    match bindings.items() {
                        // Some engines choose a port for a list without one.
                        [] => self.port(field, bindings, &path),
                        _ => self.ports(field, bindings, &path),
                    }
                }
            }
            Value::List(_) => self.ports(field, value, path),
            _ if value.is_empty() => {}
            _ => self.port(field, value, path),
        }
    }

    fn ports(&mut self, field: &Field, bindings: &Value, path: &Path<'_>) {
        self.each(bindings, path, |walk, item, path| {
            walk.port(field, item, path);
        });
    }

    fn port(&mut self, field: &Field, binding: &Value, path: &Path<'_>) {
        let ip = text_of(binding, "HostIp").to_owned();
        let number = binding.at("PublishedPort");
        let port = match number.as_number() {
            Some(digits) if !digits.is_zero() => digits.as_str().to_owned(),
            _ => text_of(binding, "HostPort").to_owned(),
        };
        self.claim(path, binding, field.reach, What::Publish { ip, port });
    }

    /// A variable by which a runtime such as NVIDIA's adds devices.
    pub(super) fn variable(&mut self, field: &Field, item: &Value, path: &Path<'_>) {
        let Some(text) = item.as_str() else {
            return self.misread(item, path);
        };
        let (name, wanted) = text.split_once('=').unwrap_or((text, ""));
        let driver = name.strip_suffix("_VISIBLE_DEVICES");
        // These steer programs in the container, which see no more than it has.
        let driver = driver.filter(|driver| !["CUDA", "GPU", "HIP", "ROCR"].contains(driver));
        let steers = driver.is_some() || RUNTIMES.iter().any(|start| name.starts_with(start));
        if !steers || ["", "none", "void"].contains(&wanted) {
            return;
        }
        let what = match driver {
            Some(driver) => What::DeviceRequest {
                driver: driver.to_ascii_lowercase(),
                devices: wanted.split(',').map(str::to_owned).collect(),
            },
            None => What::Field,
        };
        self.claim_unless(self.engine.plain_runtime, path, item, field.reach, what);
    }

    /// Devices that a driver chooses: `--gpus`, CDI.
    pub(super) fn device_request(&mut self, field: &Field, item: &Value, path: &Path<'_>) {
        let sets = item.at("Capabilities").items();
        let of_gpus = |set: &Value| set.items().iter().any(|name| name.as_str() == Some("gpu"));
        let driver = match text_of(item, "Driver") {
            "" if !sets.is_empty() && sets.iter().all(of_gpus) => "gpu",
            driver => driver,
        };
        let driver = driver.to_owned();
        let ids = item.at("DeviceIDs").items();
        let ids = ids.iter().filter_map(Value::as_str);
        let mut devices: Vec<String> = ids.map(str::to_owned).collect();
        match item.at("Count").as_i64() {
            Some(-1) => devices.push("all".to_owned()),
            Some(count) if count != 0 => devices.push(count.to_string()),
            _ => {}
        }
        self.claim(
            path,
            item,
            field.reach,
            What::DeviceRequest { driver, devices },
        );
        let options = item.at("Options");
        if !options.is_empty() {
            self.claim(&path.key("Options"), options, field.reach, What::Field);
        }
    }

    /// What an inspect says is mounted.
    pub(super) fn mount_points(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        self.each(value, path, |walk, item, path| {
            let read_only = item.at("RW").as_bool() == Some(false);
            let (kind, driver) = (text_of(item, "Type"), text_of(item, "Driver"));
            let all = Reach::HOST_FILES.with(field.reach);
            let (what, reach) = match kind {
                "tmpfs" | "image" => return,
                "bind" => (read_only_bind(text_of(item, "Source"), read_only), all),
                "volume" if driver == "local" => {
                    let name = text_of(item, "Name").to_owned();
                    (What::Volume { name, read_only }, all)
                }
                "volume" => (What::VolumeDriver(driver.to_owned()), all),
                _ => (What::Field, Reach::ALL),
            };
            walk.claim(path, item, reach, what);
        });
    }
}

/// How the other variables begin by which runtimes are steered.
const RUNTIMES: [&str; 2] = ["DOCKER_RESOURCE_", "NVIDIA_"];

fn host_network() -> What {
    What::Namespace {
        kind: Namespace::Network,
        of: "host".to_owned(),
    }
}

/// The engine puts it into upper case, the long s too, and `CAP_` in front if it is missing.
fn capability(text: &str) -> String {
    let upper = text.to_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// `key=value`, however it is written. What the engine takes for true is `true`.
fn security_option(text: &str) -> String {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    match parts {
        Some(("no-new-privileges", "1" | "t" | "T" | "TRUE" | "true" | "True")) => {
            "no-new-privileges=true".to_owned()
        }
        Some((key, value)) => format!("{key}={value}"),
        None => text.to_owned(),
    }
}

/// Whether an address or a subnet is wholly in what RFC 1918, RFC 4193 and RFC 6598 keep for private
/// use, or in 172.32.0.0/11, which people take for private, and where no host looks for a service.
fn is_private(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse().unwrap_or(0)),
        None => (text, 128),
    };
    match address.parse() {
        Ok(IpAddr::V4(address)) => match address.octets() {
            [10, ..] => length >= 8,
            [100, 64..=127, ..] => length >= 10,
            [172, 16..=31, ..] => length >= 12,
            [172, 32..=63, ..] => length >= 11,
            [192, 168, ..] => length >= 16,
            _ => false,
        },
        Ok(IpAddr::V6(address)) => address.octets()[0] & 0xfe == 0xfc && length >= 7,
        Err(_) => false,
    }
}
