//! What older versions of the API read otherwise, from the engine's sources, 20.10 to 29: each line says
//! since which version the engine reads it as it does today. Answers are not here, since none is rewritten,
//! nor is what an older version refused and a newer one does.

use crate::api::Version;

/// A difference, below a version.
#[derive(Debug)]
pub(super) struct Older {
    /// Since when there is none.
    pub(super) since: Version,
    /// Where in the body.
    pub(super) place: &'static str,
    /// What it is.
    pub(super) difference: Difference,
}

/// What an older version makes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Difference {
    /// Nothing.
    Ignored,
    /// This, if it is not set.
    Default(&'static str),
    /// The same on hosts with version 1 of control groups.
    DefaultOnCgroupV1(&'static str),
    /// Nothing of these options, for items that are not of this kind.
    OnlyOf {
        kind: &'static str,
        options: &'static str,
    },
    /// That this option is set, for each bind mount that is read-only.
    OnReadOnlyBinds(&'static str),
    /// The value of this other field, if it is not set.
    Instead(&'static str),
    /// More than any newer version: it is refused.
    Gone,
}

/// What an older version makes of a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parameter {
    /// Nothing.
    Ignored,
    /// This, whatever it is.
    Always(&'static str),
    /// A filter of this name.
    Filter(&'static str),
    /// This filter besides, which is a value of the parameter `filters`.
    Filters(&'static str, &'static str),
}

const fn ignored(minor: u32, place: &'static str) -> Older {
    other(minor, place, Difference::Ignored)
}

const fn other(minor: u32, place: &'static str, difference: Difference) -> Older {
    Older {
        since: Version(1, minor),
        place,
        difference,
    }
}

/// The differences in bodies, by route.
pub(super) const BODIES: &[(&[&str], &[Older])] = &[
    (
        &["POST /containers/create"],
        &[
            ignored(25, "HostConfig.AutoRemove"),
            ignored(40, "HostConfig.Mounts[].BindOptions.NonRecursive"),
            ignored(40, "HostConfig.KernelMemoryTCP"),
            other(40, "HostConfig.IpcMode", Difference::Default("shareable")),
            other(
                41,
                "HostConfig.CgroupnsMode",
                Difference::DefaultOnCgroupV1("host"),
            ),
            other(41, "HostConfig.Capabilities", Difference::Gone),
            ignored(42, "HostConfig.Mounts[].BindOptions.CreateMountpoint"),
            other(
                42,
                "HostConfig.Mounts[]",
                Difference::OnlyOf {
                    kind: "volume",
                    options: "VolumeOptions",
                },
            ),
            other(
                42,
                "HostConfig.Mounts[]",
                Difference::OnlyOf {
                    kind: "tmpfs",
                    options: "TmpfsOptions",
                },
            ),
            ignored(42, "HostConfig.ConsoleSize"),
            ignored(43, "HostConfig.Annotations"),
            ignored(44, "Healthcheck.StartInterval"),
            other(
                44,
                "HostConfig.Mounts[]",
                Difference::OnReadOnlyBinds("ReadOnlyNonRecursive"),
            ),
            ignored(44, "NetworkingConfig.EndpointsConfig{}.MacAddress"),
            ignored(48, "NetworkingConfig.EndpointsConfig{}.GwPriority"),
        ],
    ),
    (
        &["POST /containers/{id}/update"],
        &[
            ignored(40, "PidsLimit"),
            ignored(55, "BlkioWeightDevice"),
            ignored(55, "BlkioDeviceReadBps"),
            ignored(55, "BlkioDeviceWriteBps"),
            ignored(55, "BlkioDeviceReadIOps"),
            ignored(55, "BlkioDeviceWriteIOps"),
        ],
    ),
    (
        &["POST /containers/{id}/exec"],
        &[ignored(42, "ConsoleSize")],
    ),
    (
        &["POST /services/create", "POST /services/{id}/update"],
        &[
            ignored(40, "TaskTemplate.ContainerSpec.Sysctls"),
            ignored(
                40,
                "TaskTemplate.ContainerSpec.Privileges.CredentialSpec.Config",
            ),
            ignored(40, "TaskTemplate.ContainerSpec.Configs[].Runtime"),
            ignored(40, "TaskTemplate.Placement.MaxReplicas"),
            ignored(41, "TaskTemplate.ContainerSpec.CapabilityAdd"),
            ignored(41, "TaskTemplate.ContainerSpec.CapabilityDrop"),
            ignored(41, "TaskTemplate.ContainerSpec.Ulimits"),
            ignored(41, "TaskTemplate.Resources.Limits.Pids"),
            ignored(41, "Mode.ReplicatedJob"),
            ignored(41, "Mode.GlobalJob"),
            ignored(44, "TaskTemplate.ContainerSpec.Privileges.Seccomp"),
            ignored(44, "TaskTemplate.ContainerSpec.Privileges.AppArmor"),
            ignored(44, "TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges"),
            ignored(44, "TaskTemplate.ContainerSpec.Healthcheck.StartInterval"),
            other(44, "TaskTemplate.Networks", Difference::Instead("Networks")),
            ignored(
                46,
                "TaskTemplate.ContainerSpec.Mounts[].TmpfsOptions.Options",
            ),
            ignored(46, "TaskTemplate.ContainerSpec.OomScoreAdj"),
            ignored(52, "TaskTemplate.Resources.SwapBytes"),
            ignored(52, "TaskTemplate.Resources.MemorySwappiness"),
        ],
    ),
    (
        &["POST /swarm/init"],
        &[
            ignored(39, "DefaultAddrPool"),
            ignored(39, "SubnetSize"),
            ignored(40, "DataPathPort"),
        ],
    ),
    (
        &["POST /secrets/create", "POST /configs/create"],
        &[other(37, "Templating", Difference::Gone)],
    ),
    (
        &["POST /volumes/create"],
        &[ignored(42, "ClusterVolumeSpec")],
    ),
    (&["POST /networks/create"], &[ignored(48, "EnableIPv4")]),
    (
        &["POST /networks/{id}/connect"],
        &[ignored(54, "EndpointConfig.MacAddress")],
    ),
];

/// The differences in queries: the route, with `{}` for a name; since when there is none; the parameter.
pub(super) const QUERIES: &[(&str, Version, &str, Parameter)] = {
    use Parameter::{Always, Filter, Filters, Ignored};
    const fn v(minor: u32) -> Version {
        Version(1, minor)
    }
    &[
        ("POST /containers/create", v(41), "platform", Ignored),
        ("GET /containers/{}/stats", v(41), "one-shot", Ignored),
        ("GET /containers/{}/logs", v(54), "format", Ignored),
        ("POST /containers/{}/stop", v(42), "signal", Ignored),
        ("POST /containers/{}/restart", v(42), "signal", Ignored),
        ("POST /containers/{}/wait", v(30), "condition", Ignored),
        ("GET /containers/{}/attach/ws", v(42), "stdin", Always("1")),
        ("GET /containers/{}/attach/ws", v(42), "stdout", Always("1")),
        ("GET /containers/{}/attach/ws", v(42), "stderr", Always("1")),
        ("POST /build", v(32), "platform", Ignored),
        ("POST /build", v(40), "outputs", Ignored),
        ("POST /build/prune", v(48), "reserved-space", Ignored),
        ("POST /build/prune", v(48), "max-used-space", Ignored),
        ("POST /build/prune", v(48), "min-free-space", Ignored),
        ("POST /images/create", v(32), "platform", Ignored),
        ("POST /images/load", v(48), "platform", Ignored),
        ("POST /images/{}/push", v(46), "platform", Ignored),
        ("GET /images/json", v(41), "filter", Filter("reference")),
        ("GET /images/json", v(42), "shared-size", Ignored),
        ("GET /images/json", v(47), "manifests", Ignored),
        ("GET /images/json", v(54), "identity", Ignored),
        ("GET /images/{}/json", v(48), "manifests", Ignored),
        ("GET /images/{}/json", v(49), "platform", Ignored),
        ("GET /images/{}/history", v(48), "platform", Ignored),
        ("GET /images/{}/get", v(48), "platform", Ignored),
        ("GET /images/get", v(48), "platform", Ignored),
        ("DELETE /images/{}", v(50), "platforms", Ignored),
        ("GET /services", v(41), "status", Ignored),
        ("GET /system/df", v(42), "type", Ignored),
        ("GET /system/df", v(52), "verbose", Ignored),
        (
            "POST /volumes/prune",
            v(42),
            "filters",
            Filters("all", "true"),
        ),
    ]
};
