//! The limits on whole bodies: engine-notes 13 and 16, as far as limits are about them.

mod facts;
mod properties;

use super::*;
use crate::api::fields::BODIES;
use crate::body::Asked;
use crate::body::facts::{Answer, Fact, Facts, Name};
use crate::body::json::{self, Untyped, Value, read};
use crate::body::reach::Engine;

/// An engine as it is installed.
const PLAIN: Engine<'_> = Engine {
    known: true,
    runtime: "runc",
    log_driver: "json-file",
    alone: true,
    host_cgroups: false,
    builtin_seccomp: true,
    plain_runtime: true,
};

fn body(route: &str) -> &'static Body {
    let found = BODIES.iter().find(|body| body.route.text == route);
    found.expect(route)
}

const CREATE: &str = "POST /containers/create";
const EXEC: &str = "POST /containers/{id}/exec";
const UPDATE: &str = "POST /containers/{id}/update";
const SERVICE: &str = "POST /services/create";
const VOLUME: &str = "POST /volumes/create";

fn read_body(route: &str, text: &str) -> Asked {
    let body = body(route);
    let limits = json::Limits::default();
    crate::body::asked(body, text.as_bytes(), limits, &PLAIN).expect(text)
}

/// Limits as `BIND_FROM=/srv PUBLISH=none`, with `DENY_ROOT=1` as one of them. `;` separates them.
fn limits(text: &str) -> Limits {
    try_limits(text).expect(text)
}

fn try_limits(text: &str) -> Result<Limits, Vec<(&'static str, Mistake)>> {
    let pairs: Vec<(&str, &str)> = text
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .collect();
    let of = |name: &str| {
        let mut pairs = pairs.iter();
        pairs.find(|(own, _)| *own == name).map(|(_, value)| *value)
    };
    for (name, _) in &pairs {
        assert!(
            *name == "DENY_ROOT" || Limits::VARIABLES.contains(name),
            "{name}"
        );
    }
    Limits::read(of("DENY_ROOT").is_some(), of)
}

/// Answers of an engine: `image busybox {"Id":…}`.
fn facts(answers: &[(Fact, &str)]) -> Facts {
    let mut facts = Facts::default();
    for (fact, text) in answers {
        facts.learn(fact.clone(), answer(text));
    }
    facts
}

/// An answer; an empty text is a 404.
fn answer(text: &str) -> Answer {
    match text {
        "" => Answer::Missing(String::new()),
        text => Answer::Found(untyped(text)),
    }
}

fn container(name: &str) -> Fact {
    Fact::container(name).expect(name)
}

fn volume(name: &str) -> Fact {
    Fact::volume(name).expect(name)
}

fn network(name: &str) -> Fact {
    Fact::network(name).expect(name)
}

fn image(name: &str) -> Fact {
    Fact::image(name).expect(name)
}

/// The container in the path of each request.
fn target() -> Option<Name> {
    Name::of("target")
}

fn needs(own: &Limits, route: &str, asked: &Asked, facts: &Facts) -> Vec<Fact> {
    let body = (body(route), &asked.tree);
    let needs = own.needs(body, &asked.claims, target().as_ref(), facts);
    needs.into_iter().collect()
}

fn untyped(text: &str) -> Value {
    read(text.as_bytes(), json::Limits::default(), Untyped).expect(text)
}

fn said(limits: &Limits, route: &str, text: &str, facts: &Facts) -> String {
    let mut asked = read_body(route, text);
    limits.fill(body(route), &mut asked.tree, target().as_ref(), facts);
    let found = limits.judge(body(route), &asked.tree, &asked.claims, facts);
    let found: Vec<String> = found.iter().map(Excess::to_string).collect();
    found.join("; ")
}

/// What a limit says of a HostConfig, or of the whole body of another route.
fn says(limits_text: &str, route: &str, text: &str) -> String {
    let (route, text) = match route {
        "" => (CREATE, format!(r#"{{"HostConfig":{{{text}}}}}"#)),
        route => (route, text.to_owned()),
    };
    said(&limits(limits_text), route, &text, &Facts::default())
}

/// Each line: the limits, the body, and what is said of it; nothing if it passes.
macro_rules! says {
    ($($name:ident on $route:expr, $limits:literal: $($text:literal => $expected:literal;)*)*) => {$(
        #[test]
        fn $name() {
            let mut wrong = Vec::new();
            for (text, expected) in [$(($text, $expected)),*] {
                let found = says($limits, $route, text);
                if found != expected {
                    wrong.push(format!("{text}\n  {found}\n  instead of\n  {expected}"));
                }
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    )*};
}

says! {
    binds_are_limited on "", "BIND_FROM=/srv/ci, /data:ro":
        r#""Binds":["/srv/ci:/x","/data:/d:ro","/srv/./ci/:/y:z","anon:/z","/only"]"# => "HostConfig.Binds[3]: anon is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["/srv/ci:/x","/data:/d:ro","//srv/../srv/ci:/y"]"# => "";
        r#""Binds":["/etc:/x"]"# => "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["/srv/ci/../../etc:/x"]"# => "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["/data:/d"]"# => "HostConfig.Binds[0]: /data is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["/data:/d:ro,rw"]"# => "HostConfig.Binds[0]: /data is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["/srv/ci/x:/x"]"# => "HostConfig.Binds[0]: /srv/ci/x is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Binds":["../x:/h"]"# => "HostConfig.Binds[0]: ../x:/h is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"bind","Source":"/srv/ci","Target":"/x"},{"Type":"bind","Source":"/srv\\ci","Target":"/y"}]"# => "HostConfig.Mounts[1]: /srv\\ci is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"bind","Source":"/data","Target":"/x","ReadOnly":true}]"# => "";
        r#""Mounts":[{"Type":"bind","Source":"/data","Target":"/x","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}}]"# => "HostConfig.Mounts[0]: /data is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Options":{"type":"none","o":"bind","device":"/srv/ci"}}}}]"# => "";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Options":{"type":"none","o":"bind","device":"/etc"}}}}]"# => "HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Options":{"type":"ext4","device":"/dev/sda1"}}}}]"# => "HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options.type: type is not allowed: BIND_FROM has /srv/ci, /data:ro; HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options.device: device is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"sshfs"}}}]"# => "HostConfig.Mounts[0].VolumeOptions.DriverConfig.Name: sshfs is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Mounts":[{"Type":"npipe","Source":"x","Target":"/x"}]"# => "HostConfig.Mounts[0]: {\"Type\":\"npipe\",\"Source\":\"x\",\"Target\":\"/x\"} is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""VolumesFrom":["web"]"# => "HostConfig.VolumesFrom[0]: web is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""NewBinds":["/etc"]"# => "HostConfig.NewBinds: [\"/etc\"] is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#""Privileged":true,"PidMode":"host","CapAdd":["ALL"]"# => "";
        r#""LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://x"}}"# => "";

    overlays_and_services_are_limited on SERVICE, "BIND_FROM=/srv/ci, /data:ro":
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/srv/ci","Target":"/x"}]}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/","Target":"/x"}]}}}"# => "TaskTemplate.ContainerSpec.Mounts[0]: / is not allowed: BIND_FROM has /srv/ci, /data:ro";

    volumes_that_mount_are_limited on VOLUME, "BIND_FROM=/srv/ci, /data:ro":
        r#"{"Name":"x"}"# => "";
        r#"{"DriverOpts":{"type":"none","o":"bind","device":"/srv/ci"}}"# => "";
        r#"{"DriverOpts":{"type":"none","o":"bind","device":"/"}}"# => "DriverOpts: / is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#"{"DriverOpts":{"type":"none","o":"bind,ro","device":"/data"}}"# => "";
        r#"{"DriverOpts":{"type":"none","o":"bind","device":"/data"}}"# => "DriverOpts: /data is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#"{"DriverOpts":{"type":"overlay","o":"lowerdir=/data:/etc,upperdir=/srv/ci,workdir=/srv/ci","device":"x"}}"# => "DriverOpts: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro";
        r#"{"Driver":"x","DriverOpts":{"mountpoint":"/etc"}}"# => "Driver: x is not allowed: BIND_FROM has /srv/ci, /data:ro; DriverOpts.mountpoint: mountpoint is not allowed: BIND_FROM has /srv/ci, /data:ro";

    volumes_are_limited on "", "VOLUMES_NAMED=cache-*; BIND_FROM=none":
        r#""Binds":["cache-1:/c","/anonymous"],"Mounts":[{"Type":"volume","Source":"cache-2","Target":"/d"},{"Type":"volume","Target":"/e"}]"# => "";
        r#""Binds":["db:/c"]"# => "HostConfig.Binds[0]: db is not allowed: VOLUMES_NAMED has cache-*";
        r#""Mounts":[{"Type":"volume","Source":"db","Target":"/d"}]"# => "HostConfig.Mounts[0]: db is not allowed: VOLUMES_NAMED has cache-*";

    names_of_new_volumes_are_limited on VOLUME, "VOLUMES_NAMED=cache-*":
        r#"{"Name":"cache-1"}"# => "";
        r#"{}"# => "";
        r#"{"Name":"db"}"# => "Name: db is not allowed: VOLUMES_NAMED has cache-*";

    capabilities_are_limited on "", "CAP_ADD=NET_ADMIN":
        r#""CapAdd":["NET_ADMIN","cap_net_admin","CHOWN","CAP_KILL"],"CapDrop":["ALL"]"# => "";
        r#""CapAdd":["SYS_ADMIN"]"# => "HostConfig.CapAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN";
        r#""CapAdd":["all"]"# => "HostConfig.CapAdd[0]: ALL is not allowed: CAP_ADD has NET_ADMIN";
        r#""CapAdd":["ſys_admin"]"# => "HostConfig.CapAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN";
        r#""Capabilities":["SYS_ADMIN"]"# => "HostConfig.Capabilities[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN";
        r#""Privileged":true"# => "HostConfig.Privileged: true is not allowed: CAP_ADD has NET_ADMIN";
        r#""Binds":["/:/h"]"# => "";

    legacy_fields_are_limited on CREATE, "CAP_ADD=NET_ADMIN; BIND_FROM=none":
        r#"{"Privileged":true}"# => "Privileged: true is not allowed: CAP_ADD has NET_ADMIN";
        r#"{"CapAdd":["SYS_ADMIN"],"HostConfig":null}"# => "CapAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN";
        r#"{"BINDS":["/:/h"]}"# => "Binds[0]: / is not allowed: BIND_FROM has none";

    a_privileged_exec_is_limited on EXEC, "CAP_ADD=none":
        r#"{"Cmd":["sh"]}"# => "";
        r#"{"Cmd":["sh"],"privileged":true}"# => "Privileged: true is not allowed: CAP_ADD has none";

    capabilities_of_services_are_limited on SERVICE, "CAP_ADD=NET_ADMIN":
        r#"{"TaskTemplate":{"ContainerSpec":{"CapabilityAdd":["CAP_NET_ADMIN"]}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"CapabilityAdd":["CAP_SYS_ADMIN"]}}}"# => "TaskTemplate.ContainerSpec.CapabilityAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN";

    devices_are_limited on "", "DEVICES=/dev/dri, nvidia=all, gpu=all":
        r#""Devices":[{"PathOnHost":"/dev/dri","PathInContainer":"/x","CgroupPermissions":"rwm"}]"# => "";
        r#""Devices":[{"PathOnHost":"/dev/sda"}]"# => "HostConfig.Devices[0]: /dev/sda is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""Devices":[{"PathOnHost":"/dev/dri/../sda"}]"# => "HostConfig.Devices[0]: /dev/dri/../sda is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""Devices":[{}]"# => "HostConfig.Devices[0]: \"\" is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""DeviceCgroupRules":["b *:* rwm"]"# => "HostConfig.DeviceCgroupRules[0]: \"b *:* rwm\" is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""DeviceRequests":[{"Driver":"nvidia","Count":-1,"Capabilities":[["gpu"]]}]"# => "";
        r#""DeviceRequests":[{"Driver":"","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":{}}]"# => "";
        r#""DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"],["tpu"]]}]"# => "HostConfig.DeviceRequests[0]: =all is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""DeviceRequests":[{"Driver":"cdi","DeviceIDs":["x/y=z"]}]"# => "HostConfig.DeviceRequests[0]: cdi=x/y=z is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""DeviceRequests":[{"Driver":"nvidia","DeviceIDs":["0"],"Options":{"a":"b"}}]"# => "HostConfig.DeviceRequests[0].Options: {\"a\":\"b\"} is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";
        r#""Privileged":true"# => "HostConfig.Privileged: true is not allowed: DEVICES has /dev/dri, nvidia=all, gpu=all";

    namespaces_are_limited on "", "NAMESPACES=network:host, pid:container:web":
        r#""NetworkMode":"host","IpcMode":"private","CgroupnsMode":"private","PidMode":"","UTSMode":"","UsernsMode":"""# => "";
        r#""PidMode":"host""# => "HostConfig.PidMode: host is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""PidMode":"container:web""# => "HostConfig.PidMode: container:web is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""IpcMode":"host""# => "HostConfig.IpcMode: host is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""UTSMode":"host""# => "HostConfig.UTSMode: host is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""UsernsMode":"host""# => "HostConfig.UsernsMode: host is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""CgroupnsMode":"host""# => "HostConfig.CgroupnsMode: host is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""NetworkMode":"ns:/proc/1/ns/net""# => "HostConfig.NetworkMode: ns:/proc/1/ns/net is not allowed: NAMESPACES has network:host, pid:container:web";
        r#""Cgroup":"container:x""# => "HostConfig.Cgroup: container:x is not allowed: NAMESPACES has network:host, pid:container:web";

    confinement_is_limited on "", "SECURITY=label=disable":
        r#""SecurityOpt":["label=disable","label:disable","disable","no-new-privileges","seccomp=builtin"]"# => "";
        r#""SecurityOpt":["seccomp=unconfined"]"# => "HostConfig.SecurityOpt[0]: seccomp=unconfined is not allowed: SECURITY has label=disable";
        r#""SecurityOpt":["no-new-privileges:false"]"# => "HostConfig.SecurityOpt[0]: no-new-privileges=false is not allowed: SECURITY has label=disable";
        r#""MaskedPaths":[]"# => "HostConfig.MaskedPaths: systempaths=unconfined is not allowed: SECURITY has label=disable";
        r#""MaskedPaths":null"# => "";
        r#""CgroupParent":"/x""# => "HostConfig.CgroupParent: /x is not allowed: SECURITY has label=disable";
        r#""Annotations":{"a":"b"}"# => "HostConfig.Annotations.a: b is not allowed: SECURITY has label=disable";
        r#""Privileged":true"# => "HostConfig.Privileged: true is not allowed: SECURITY has label=disable";

    confinement_of_services_is_limited on SERVICE, "SECURITY=none":
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"Seccomp":{"Mode":"default"},"NoNewPrivileges":true}}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"Seccomp":{"Mode":"unconfined"}}}}}"# => "TaskTemplate.ContainerSpec.Privileges.Seccomp.Mode: unconfined is not allowed: SECURITY has none";
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"SELinuxContext":{"Disable":true}}}}}"# => "TaskTemplate.ContainerSpec.Privileges.SELinuxContext: {\"Disable\":true} is not allowed: SECURITY has none";

    runtimes_are_limited on "", "RUNTIMES=runsc":
        r#""Runtime":"runsc""# => "";
        r#""Runtime":"runc""# => "";
        r#""Runtime":"""# => "";
        r#""Runtime":"io.containerd.runc.v2""# => "HostConfig.Runtime: io.containerd.runc.v2 is not allowed: RUNTIMES has runsc";

    log_drivers_are_limited on "", "LOG_DRIVERS=local, gelf, gelf-address=udp://10.0.0.1:*":
        r#""LogConfig":{"Type":"","Config":{}}"# => "";
        r#""LogConfig":{"Type":"local","Config":{"max-size":"1m"}}"# => "";
        r#""LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://10.0.0.1:12201"}}"# => "";
        r#""LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://10.0.0.2:12201"}}"# => "HostConfig.LogConfig.Config[\"gelf-address\"]: gelf-address is not allowed: LOG_DRIVERS has local, gelf, gelf-address=udp://10.0.0.1:*";
        r#""LogConfig":{"Type":"json-file"}"# => "HostConfig.LogConfig.Type: json-file is not allowed: LOG_DRIVERS has local, gelf, gelf-address=udp://10.0.0.1:*";

    volume_drivers_are_limited on VOLUME, "VOLUME_DRIVERS=local, vieux/sshfs:latest":
        r#"{"Driver":""}"# => "";
        r#"{"Driver":"local"}"# => "";
        r#"{"Driver":"vieux/sshfs:latest"}"# => "";
        r#"{"Driver":"nfs"}"# => "Driver: nfs is not allowed: VOLUME_DRIVERS has local, vieux/sshfs:latest";

    network_drivers_are_limited on "POST /networks/create", "NETWORK_DRIVERS=bridge":
        r#"{"Name":"x"}"# => "";
        r#"{"Name":"x","Driver":"bridge"}"# => "";
        r#"{"Name":"x","Driver":"macvlan","Options":{"parent":"eth0"}}"# => "Driver: macvlan is not allowed: NETWORK_DRIVERS has bridge";

    kernel_parameters_are_limited on "", "SYSCTLS=net.core.somaxconn, net.ipv4.*":
        r#""Sysctls":{"net.core.somaxconn":"1024","net.ipv4.ip_forward":"1"}"# => "";
        r#""Sysctls":{"kernel.shmmax":"1"}"# => "HostConfig.Sysctls[\"kernel.shmmax\"]: kernel.shmmax is not allowed: SYSCTLS has net.core.somaxconn, net.ipv4.*";
        r#""Sysctls":{"net.ipv4./../kernel":"1"}"# => "HostConfig.Sysctls[\"net.ipv4./../kernel\"]: net.ipv4./../kernel is not allowed: SYSCTLS has net.core.somaxconn, net.ipv4.*";

    ports_are_limited on "", "PUBLISH=127.0.0.1:8000-8999, 9000":
        r#""PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostPort":"9000"}]}"# => "";
        r#""PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}"# => "HostConfig.PortBindings[\"80/tcp\"][0]: 8080 is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";
        r#""PortBindings":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}"# => "HostConfig.PortBindings[\"80/tcp\"][0]: 0.0.0.0:8080 is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";
        r#""PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8990-9000"}]}"# => "HostConfig.PortBindings[\"80/tcp\"][0]: 127.0.0.1:8990-9000 is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";
        r#""PortBindings":{"80/tcp":[{}]}"# => "HostConfig.PortBindings[\"80/tcp\"][0]: 0 is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";
        r#""PublishAllPorts":true"# => "HostConfig.PublishAllPorts: 0 is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";
        r#""NetworkMode":"host""# => "HostConfig.NetworkMode: host is not allowed: PUBLISH has 127.0.0.1:8000-8999, 9000";

    ports_of_services_are_limited on SERVICE, "PUBLISH=8080":
        r#"{"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":8080,"PublishMode":"host"}]}}"# => "";
        r#"{"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":80}]}}"# => "EndpointSpec.Ports[0]: 80 is not allowed: PUBLISH has 8080";
        r#"{"TaskTemplate":{"Networks":[{"Target":"host"}]}}"# => "TaskTemplate.Networks[0].Target: host is not allowed: PUBLISH has 8080";

    parameters_of_endpoints_are_limited on CREATE, "SYSCTLS=net.ipv4.*":
        r#"{"NetworkingConfig":{"EndpointsConfig":{"x":{"DriverOpts":{"com.docker.network.endpoint.ifname":"a"}}}}}"# => "";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"x":{"DriverOpts":{"com.docker.network.endpoint.sysctls":"net.ipv6.x=1"}}}}}"# => "NetworkingConfig.EndpointsConfig.x.DriverOpts[\"com.docker.network.endpoint.sysctls\"]: net.ipv6.x=1 is not allowed: SYSCTLS has net.ipv4.*";

    parameters_of_a_connection_are_limited on "POST /networks/{id}/connect", "SYSCTLS=none":
        r#"{"Container":"x","EndpointConfig":{"DriverOpts":{"com.docker.network.endpoint.sysctls":"net.ipv6.x=1"}}}"# => "EndpointConfig.DriverOpts[\"com.docker.network.endpoint.sysctls\"]: net.ipv6.x=1 is not allowed: SYSCTLS has none";

    parameters_of_tasks_are_limited on SERVICE, "SYSCTLS=none":
        r#"{"TaskTemplate":{"Networks":[{"Target":"x","DriverOpts":{"com.docker.network.endpoint.sysctls":"a=1"}}]}}"# => "TaskTemplate.Networks[0].DriverOpts[\"com.docker.network.endpoint.sysctls\"]: a=1 is not allowed: SYSCTLS has none";

    the_host_is_in_all_networks on "", "NETWORKS_JOINED=ci-*":
        r#""NetworkMode":"host""# => "HostConfig.NetworkMode: host is not allowed: NETWORKS_JOINED has ci-*";
        r#""NetworkMode":"ns:/proc/1/ns/net""# => "HostConfig.NetworkMode: ns:/proc/1/ns/net is not allowed: NETWORKS_JOINED has ci-*";
        r#""PidMode":"host""# => "";

    the_host_may_be_listed_as_a_namespace on "", "NETWORKS_JOINED=ci-*; NAMESPACES=network:host":
        r#""NetworkMode":"host""# => "";
        r#""NetworkMode":"container:""# => "HostConfig.NetworkMode: container: is not allowed: NETWORKS_JOINED has ci-*";

    the_host_may_be_listed_as_a_network on "", "NETWORKS_JOINED=host":
        r#""NetworkMode":"host""# => "";
        r#""NetworkMode":"ns:/proc/1/ns/net""# => "HostConfig.NetworkMode: ns:/proc/1/ns/net is not allowed: NETWORKS_JOINED has host";

    networks_are_limited on CREATE, "NETWORKS_JOINED=ci-*":
        r#"{"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"default":{}}}}"# => "";
        r#"{"HostConfig":{"NetworkMode":"none"}}"# => "";
        r#"{"HostConfig":{"NetworkMode":"db"}}"# => "HostConfig.NetworkMode: db is not allowed: NETWORKS_JOINED has ci-*";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"db":{}}}}"# => "NetworkingConfig.EndpointsConfig.db: db is not allowed: NETWORKS_JOINED has ci-*";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"NetworkID":"abc"}}}}"# => "NetworkingConfig.EndpointsConfig.bridge.NetworkID: abc is not allowed: NETWORKS_JOINED has ci-*";

    images_of_services_are_limited on SERVICE, "IMAGE_FROM=docker.io/library/*":
        r#"{"TaskTemplate":{"ContainerSpec":{"Image":"nginx:1"}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"Image":"me/app"}}}"# => "TaskTemplate.ContainerSpec.Image: me/app is not allowed: IMAGE_FROM has docker.io/library/*";
        r#"{"TaskTemplate":{"ContainerSpec":{"Image":"cafe"}}}"# => "TaskTemplate.ContainerSpec.Image: cafe is not allowed: IMAGE_FROM has docker.io/library/*";

    users_are_limited on CREATE, "RUN_AS=nonroot, www-data":
        r#"{"User":"1000:0"}"# => "";
        r#"{"User":"www-data"}"# => "";
        r#"{"User":"0"}"# => "User: 0 is not allowed: RUN_AS has nonroot, www-data";
        r#"{"User":"+0"}"# => "User: +0 is not allowed: RUN_AS has nonroot, www-data";
        r#"{"User":"00:1"}"# => "User: 00:1 is not allowed: RUN_AS has nonroot, www-data";
        r#"{"User":"node"}"# => "User: node is not allowed: RUN_AS has nonroot, www-data";
        r#"{}"# => "User: root is not allowed: RUN_AS has nonroot, www-data";
        r#"{"user":null}"# => "User: root is not allowed: RUN_AS has nonroot, www-data";

    users_of_services_are_limited on SERVICE, "RUN_AS=nonroot":
        r#"{"TaskTemplate":{"ContainerSpec":{"User":"1000"}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"User":"0"}}}"# => "TaskTemplate.ContainerSpec.User: 0 is not allowed: RUN_AS has nonroot";
        r#"{"TaskTemplate":{}}"# => "TaskTemplate.ContainerSpec.User: root is not allowed: RUN_AS has nonroot";

    commands_are_limited on EXEC, "EXEC_COMMANDS=[\"/bin/check\", \"*\"]":
        r#"{"Cmd":["/bin/check","a"],"AttachStdout":true,"Tty":true,"Env":[],"WorkingDir":""}"# => "";
        r#"{"Cmd":["/bin/check"]}"# => "Cmd: [\"/bin/check\"] is not allowed: EXEC_COMMANDS has [\"/bin/check\", \"*\"]";
        r#"{"Cmd":["sh"]}"# => "Cmd: [\"sh\"] is not allowed: EXEC_COMMANDS has [\"/bin/check\", \"*\"]";
        r#"{}"# => "Cmd: null is not allowed: EXEC_COMMANDS has [\"/bin/check\", \"*\"]";
        r#"{"Cmd":["/bin/check","a"],"Env":["LD_PRELOAD=/x"]}"# => "Env[0]: LD_PRELOAD is not allowed: EXEC_COMMANDS has [\"/bin/check\", \"*\"]";
        r#"{"Cmd":["/bin/check","a"],"WorkingDir":"/tmp"}"# => "WorkingDir: /tmp is not allowed: EXEC_COMMANDS has [\"/bin/check\", \"*\"]";

    resources_are_limited on "", "MEMORY_MAX=2g; CPUS_MAX=1.5; PIDS_MAX=512":
        r#""#  => "";
        r#""Memory":0,"NanoCpus":0,"PidsLimit":null,"MemorySwap":0"# => "";
        r#""Memory":2147483648,"NanoCpus":1500000000,"PidsLimit":512,"MemorySwap":4294967296"# => "";
        r#""Memory":2147483649"# => "HostConfig.Memory: 2147483649 is not allowed: MEMORY_MAX has 2g";
        r#""Memory":-1"# => "HostConfig.Memory: -1 is not allowed: MEMORY_MAX has 2g";
        r#""MemorySwap":-1"# => "HostConfig.MemorySwap: -1 is not allowed: MEMORY_MAX has 2g";
        r#""MemorySwap":4294967297"# => "HostConfig.MemorySwap: 4294967297 is not allowed: MEMORY_MAX has 2g";
        r#""NanoCpus":1500000001"# => "HostConfig.NanoCpus: 1500000001 is not allowed: CPUS_MAX has 1.5";
        r#""NanoCpus":-1"# => "HostConfig.NanoCpus: -1 is not allowed: CPUS_MAX has 1.5";
        r#""CpuQuota":150000"# => "";
        r#""CpuQuota":15000,"CpuPeriod":10000"# => "";
        r#""CpuQuota":150001"# => "HostConfig.CpuQuota: 150001 is not allowed: CPUS_MAX has 1.5";
        r#""CpuQuota":150000,"CpuPeriod":1000"# => "HostConfig.CpuQuota: 150000 is not allowed: CPUS_MAX has 1.5";
        r#""CpuQuota":-1"# => "HostConfig.CpuQuota: -1 is not allowed: CPUS_MAX has 1.5";
        r#""CpuPeriod":1000"# => "HostConfig.CpuPeriod: 1000 is not allowed: CPUS_MAX has 1.5";
        r#""CpuRealtimeRuntime":950000"# => "HostConfig.CpuRealtimeRuntime: 950000 is not allowed: CPUS_MAX has 1.5";
        r#""CpuQuota":1,"NanoCpus":2000000000"# => "HostConfig.NanoCpus: 2000000000 is not allowed: CPUS_MAX has 1.5";
        r#""CpuQuota":9223372036854775807,"CpuPeriod":1"# => "HostConfig.CpuQuota: 9223372036854775807 is not allowed: CPUS_MAX has 1.5";
        r#""PidsLimit":513"# => "HostConfig.PidsLimit: 513 is not allowed: PIDS_MAX has 512";
        r#""PidsLimit":-1"# => "HostConfig.PidsLimit: -1 is not allowed: PIDS_MAX has 512";

    updates_are_limited on UPDATE, "MEMORY_MAX=2g; CPUS_MAX=1.5; PIDS_MAX=512":
        r#"{"RestartPolicy":{"Name":"always"},"Memory":0,"NanoCpus":0,"CpuQuota":0,"CpuPeriod":0,"PidsLimit":null}"# => "";
        r#"{"Memory":1073741824,"NanoCpus":1000000000,"PidsLimit":100}"# => "";
        r#"{"Memory":4294967296}"# => "Memory: 4294967296 is not allowed: MEMORY_MAX has 2g";
        r#"{"MemorySwap":-1}"# => "MemorySwap: -1 is not allowed: MEMORY_MAX has 2g";
        r#"{"PidsLimit":0}"# => "PidsLimit: 0 is not allowed: PIDS_MAX has 512";
        r#"{"PidsLimit":-1}"# => "PidsLimit: -1 is not allowed: PIDS_MAX has 512";
        // Either alone could multiply what the container has.
        r#"{"CpuPeriod":1000}"# => "CpuPeriod: 1000 is not allowed: CPUS_MAX has 1.5";
        r#"{"CpuQuota":150000}"# => "CpuQuota: 150000 is not allowed: CPUS_MAX has 1.5";
        r#"{"CpuQuota":150000,"CpuPeriod":100000}"# => "";
        r#"{"CpuQuota":-1,"CpuPeriod":100000}"# => "CpuQuota: -1 is not allowed: CPUS_MAX has 1.5";
        r#"{"CpuRealtimeRuntime":0,"CpuRealtimePeriod":1000000}"# => "CpuRealtimePeriod: 1000000 is not allowed: CPUS_MAX has 1.5";
        r#"{"CpuRealtimeRuntime":950000}"# => "CpuRealtimeRuntime: 950000 is not allowed: CPUS_MAX has 1.5";

    resources_of_services_are_limited on SERVICE, "MEMORY_MAX=2g; CPUS_MAX=1.5; PIDS_MAX=512":
        r#"{}"# => "";
        r#"{"TaskTemplate":{"Resources":{"Limits":{"MemoryBytes":1,"NanoCPUs":1,"Pids":1},"SwapBytes":1}}}"# => "";
        r#"{"TaskTemplate":{"Resources":{"Limits":{"MemoryBytes":4294967296,"NanoCPUs":2000000000,"Pids":513},"SwapBytes":-1}}}"# => "TaskTemplate.Resources.Limits.MemoryBytes: 4294967296 is not allowed: MEMORY_MAX has 2g; TaskTemplate.Resources.SwapBytes: -1 is not allowed: MEMORY_MAX has 2g; TaskTemplate.Resources.Limits.NanoCPUs: 2000000000 is not allowed: CPUS_MAX has 1.5; TaskTemplate.Resources.Limits.Pids: 513 is not allowed: PIDS_MAX has 512";

    what_is_required_of_containers on CREATE, "REQUIRE=readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest":
        r#"{"Image":"a@sha256:1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a","Labels":{"team":"","com.x":"ab"},"HostConfig":{"ReadonlyRootfs":true,"CapDrop":["all"],"SecurityOpt":["no-new-privileges:true"]}}"# => "";
        r#"{"Image":"sha256:1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a","Labels":{"team":"x","com.x":"a"},"HostConfig":{"ReadonlyRootfs":true,"CapDrop":["ALL"],"CapAdd":["KILL"],"SecurityOpt":["no-new-privileges"]}}"# => "";
        r#"{"Image":"a:1","Labels":{"Team":"x","com.x":"b"},"HostConfig":{"ReadonlyRootfs":false,"CapDrop":["KILL"],"Privileged":true,"SecurityOpt":["no-new-privileges","no-new-privileges=false"]}}"# =>
            "HostConfig.ReadonlyRootfs is missing: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; HostConfig.CapDrop: [\"KILL\"] is not allowed: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; HostConfig.Privileged: true is not allowed: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; HostConfig.SecurityOpt: [\"no-new-privileges\",\"no-new-privileges=false\"] is not allowed: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; Labels[\"team\"] is missing: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; Labels[\"com.x\"]: b is not allowed: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest; Image: a:1 is not allowed: REQUIRE has readonly-rootfs, drop-all-caps, no-new-privileges, label:team, label:com.x=a*, digest";

    pinned_images_are_required on CREATE, "REQUIRE=digest":
        r#"{"Image":"sha256:1a3f5e7"}"# => "Image: sha256:1a3f5e7 is not allowed: REQUIRE has digest";
        r#"{"Image":"1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a","HostConfig":{"Mounts":[{"Type":"image","Source":"b","Target":"/x"}]}}"# => "HostConfig.Mounts[0].Source: b is not allowed: REQUIRE has digest";

    what_is_required_of_services on SERVICE, "REQUIRE=readonly-rootfs, label:team":
        r#"{"Labels":{"team":"x"},"TaskTemplate":{"ContainerSpec":{"ReadOnly":true,"Labels":{"team":"x"}}}}"# => "";
        r#"{"Labels":{"team":"x"},"TaskTemplate":{"ContainerSpec":{"ReadOnly":true}}}"# => "TaskTemplate.ContainerSpec.Labels[\"team\"] is missing: REQUIRE has readonly-rootfs, label:team";
        r#"{}"# => "TaskTemplate.ContainerSpec.ReadOnly is missing: REQUIRE has readonly-rootfs, label:team; TaskTemplate.ContainerSpec.Labels[\"team\"] is missing: REQUIRE has readonly-rootfs, label:team; Labels[\"team\"] is missing: REQUIRE has readonly-rootfs, label:team";

    deny_root_is_about_reach on "", "DENY_ROOT=1; NAMESPACES=network:host":
        r#""Binds":["/etc:/x"]"# => "HostConfig.Binds[0]: /etc is not allowed: DENY_ROOT is set and BIND_FROM is not";
        r#""Privileged":true"# => "HostConfig.Privileged: true is not allowed: DENY_ROOT is set";
        r#""CapAdd":["SYS_ADMIN","KILL"]"# => "HostConfig.CapAdd[0]: SYS_ADMIN is not allowed: DENY_ROOT is set and CAP_ADD is not";
        r#""NetworkMode":"host""# => "";
        r#""PidMode":"host""# => "HostConfig.PidMode: host is not allowed: NAMESPACES has network:host";
        r#""Sysctls":{"net.core.somaxconn":"1","kernel.core_pattern":"x"}"# => "HostConfig.Sysctls[\"kernel.core_pattern\"]: kernel.core_pattern is not allowed: DENY_ROOT is set and SYSCTLS is not";
        r#""LogConfig":{"Type":"local"},"Runtime":"runc","Memory":1,"PortBindings":{"80/tcp":[{}]}"# => "";
        r#""Annotations":{"a":"b"}"# => "HostConfig.Annotations.a: b is not allowed: DENY_ROOT is set";
        r#""NewField":1"# => "HostConfig.NewField: 1 is not allowed: NAMESPACES has network:host";
}

#[test]
fn ceilings_are_written_in() {
    let own = limits("MEMORY_MAX=2g; CPUS_MAX=1.5; PIDS_MAX=512");
    let filled = |route: &str, text: &str| {
        let mut tree = read_body(route, text).tree;
        own.fill(body(route), &mut tree, None, &Facts::default());
        tree.to_json()
    };
    for (route, text, expected) in [
        (
            CREATE,
            r#"{"Image":"x"}"#,
            r#"{"Image":"x","HostConfig":{"Memory":2147483648,"NanoCpus":1500000000,"PidsLimit":512}}"#,
        ),
        (
            CREATE,
            r#"{"hostconfig":{"memory":0,"PidsLimit":7,"CpuQuota":1000}}"#,
            r#"{"HostConfig":{"Memory":2147483648,"PidsLimit":7,"CpuQuota":1000}}"#,
        ),
        (
            CREATE,
            r#"{"HostConfig":{"CpuPeriod":1000,"Memory":8388608}}"#,
            r#"{"HostConfig":{"CpuPeriod":1000,"Memory":8388608,"PidsLimit":512}}"#,
        ),
        (
            SERVICE,
            r#"{"TaskTemplate":{"Resources":null}}"#,
            r#"{"TaskTemplate":{"Resources":{"Limits":{"MemoryBytes":2147483648,"NanoCPUs":1500000000,"Pids":512}}}}"#,
        ),
        (UPDATE, r#"{"Memory":0}"#, r#"{"Memory":0}"#),
        (EXEC, r#"{"Cmd":["a"]}"#, r#"{"Cmd":["a"]}"#),
    ] {
        assert_eq!(filled(route, text), expected, "{text}");
    }
    let none = limits("");
    let mut tree = read_body(CREATE, "{}").tree;
    none.fill(body(CREATE), &mut tree, None, &Facts::default());
    assert_eq!(tree.to_json(), "{}");
}

#[test]
fn mistakes_of_all_limits_are_found_at_once() {
    let mistakes = try_limits("BIND_FROM=srv, x; PUBLISH=http; CPUS_MAX=many; CAP_ADD=KILL");
    let mistakes = mistakes.expect_err("mistakes");
    let mistakes: Vec<String> = mistakes
        .iter()
        .map(|(variable, mistake)| format!("{variable}: {mistake}"))
        .collect();
    assert_eq!(
        mistakes,
        [
            "BIND_FROM: srv is not an absolute path; use one like /srv/ci",
            "BIND_FROM: x is not an absolute path; use one like /srv/ci",
            "PUBLISH: http is not a port; use PORT, FIRST-LAST or IP:PORT, like 127.0.0.1:8000-8999; 0 is a port that the engine chooses",
            "CPUS_MAX: many is not a number of CPUs; use one like 1.5",
        ]
    );
    assert_eq!(
        limits("CAP_ADD=kill; PIDS_MAX=7; VOLUMES_NAMED=none").set(),
        [
            ("VOLUMES_NAMED", "none".to_owned()),
            ("CAP_ADD", "KILL".to_owned()),
            ("PIDS_MAX", "7".to_owned())
        ]
    );
    assert_eq!(limits("").set(), []);
    for variable in Limits::VARIABLES {
        assert!(
            try_limits(&format!("{variable}=")).is_err(),
            "an empty {variable}"
        );
    }
}

#[test]
fn queries_are_limited() {
    let own = limits("IMAGE_FROM=nginx:1.*, load; TAG_AS=ci/*");
    let said = |excess: Option<Excess>| excess.map_or(String::new(), |excess| excess.to_string());
    for (excess, expected) in [
        (own.pulled("nginx", "1.27"), ""),
        (
            own.pulled("nginx", ""),
            "fromImage: nginx is not allowed: IMAGE_FROM has nginx:1.*, load",
        ),
        (
            own.pulled("a", "sha256:x"),
            "fromImage: a@sha256:x is not allowed: IMAGE_FROM has nginx:1.*, load",
        ),
        (own.loaded(), "image: load is not allowed: TAG_AS has ci/*"),
        (limits("IMAGE_FROM=load").loaded(), ""),
        (
            limits("IMAGE_FROM=import").loaded(),
            "image: load is not allowed: IMAGE_FROM has import",
        ),
        (
            own.imported(),
            "fromSrc: import is not allowed: IMAGE_FROM has nginx:1.*, load",
        ),
        (own.tagged("repo", "ci/app", "1"), ""),
        (
            own.tagged("t", "nginx", "1"),
            "t: nginx:1 is not allowed: TAG_AS has ci/*",
        ),
    ] {
        assert_eq!(said(excess), expected);
    }
    let none = limits("");
    let all = [
        none.pulled("x", ""),
        none.loaded(),
        none.imported(),
        none.tagged("t", "x", ""),
    ];
    assert_eq!(all, [None, None, None, None]);
}

#[test]
fn the_entry_that_allows_a_claim_is_known() {
    for (text, variable, entry) in [
        (r#""Binds":["/srv/../etc/:/x:ro"]"#, "BIND_FROM", "/etc:ro"),
        (r#""Binds":["/:/x"]"#, "BIND_FROM", "/"),
        (r#""Binds":["db:/x"]"#, "VOLUMES_NAMED", "db"),
        (r#""CapAdd":["cap_sys_admin"]"#, "CAP_ADD", "SYS_ADMIN"),
        (
            r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
            "DEVICES",
            "/dev/sda",
        ),
        (
            r#""DeviceRequests":[{"Driver":"cdi","DeviceIDs":["x/y=a","x/y=b"]}]"#,
            "DEVICES",
            "cdi=x/y=a, cdi=x/y=b",
        ),
        (
            r#""DeviceRequests":[{"Capabilities":[["gpu"]]}]"#,
            "DEVICES",
            "gpu=all",
        ),
        (r#""PidMode":"host""#, "NAMESPACES", "pid:host"),
        (
            r#""IpcMode":"container:w""#,
            "NAMESPACES",
            "ipc:container:web",
        ),
        (
            r#""SecurityOpt":["seccomp:unconfined"]"#,
            "SECURITY",
            "seccomp=unconfined",
        ),
        (r#""Runtime":"runsc""#, "RUNTIMES", "runsc"),
        (r#""LogConfig":{"Type":"syslog"}"#, "LOG_DRIVERS", "syslog"),
        (
            r#""LogConfig":{"Config":{"gelf-address":"udp://x:1"}}"#,
            "LOG_DRIVERS",
            "gelf-address=udp://x:1",
        ),
        (r#""VolumeDriver":"sshfs""#, "VOLUME_DRIVERS", "sshfs"),
        (r#""NetworkMode":"n1""#, "NETWORKS_JOINED", "ci-1"),
        (
            r#""Sysctls":{"kernel.core_pattern":"x"}"#,
            "SYSCTLS",
            "kernel.core_pattern",
        ),
        (
            r#""PortBindings":{"80/tcp":[{"HostIp":"::1","HostPort":"80-90"}]}"#,
            "PUBLISH",
            "[::1]:80-90",
        ),
        (r#""PublishAllPorts":true"#, "PUBLISH", "0"),
        (
            r#""Mounts":[{"Type":"image","Source":"busybox","Target":"/x"}]"#,
            "IMAGE_FROM",
            "docker.io/library/busybox:latest",
        ),
        // There is no entry for these.
        (r#""Privileged":true"#, "", ""),
        (r#""NewField":1"#, "", ""),
        (r#""Binds":["/a,b:/x"]"#, "", ""),
        (r#""Binds":["/a*:/x"]"#, "", ""),
        (r#""SecurityOpt":["seccomp={}"]"#, "", ""),
        (
            r#""Mounts":[{"Type":"image","Source":"cafe","Target":"/x"}]"#,
            "",
            "",
        ),
    ] {
        let asked = read_body(CREATE, &format!(r#"{{"HostConfig":{{{text}}}}}"#));
        let answers = facts(&[
            (container("w"), r#"{"Name":"/web"}"#),
            (network("n1"), r#"{"Name":"ci-1"}"#),
            (image("busybox"), ""),
            (image("cafe"), ""),
        ]);
        let claim = asked.claims.first().expect(text);
        let found = Entry::of(claim, &answers);
        let found = found.map_or(("", String::new()), |entry| (entry.variable, entry.text));
        assert_eq!(found, (variable, entry.to_owned()), "{text}");
    }
}

#[test]
fn what_gives_root_back_is_known() {
    let own = limits(
        "DENY_ROOT=1; BIND_FROM=/srv/ci, /cache/**; CAP_ADD=NET_ADMIN, SYS_ADMIN, BPF; DEVICES=/dev/dri, /dev/sd*; NAMESPACES=pid:host, network:host; SECURITY=seccomp=unconfined, systempaths=*",
    );
    let roots: Vec<String> = own
        .roots()
        .iter()
        .map(|(variable, entry, _)| format!("{variable} {entry}"))
        .collect();
    assert_eq!(
        roots,
        [
            "BIND_FROM /cache/**",
            "CAP_ADD BPF",
            "CAP_ADD SYS_ADMIN",
            "DEVICES /dev/sda",
            "NAMESPACES pid:host",
            "SECURITY systempaths=unconfined",
        ]
    );
    assert_eq!(
        limits("CAP_ADD=ALL").roots(),
        [(
            "CAP_ADD",
            "ALL".to_owned(),
            "a container with it can get out"
        )]
    );
    let none = "DENY_ROOT=1; BIND_FROM=/srv/ci; CAP_ADD=NET_ADMIN; DEVICES=/dev/dri, nvidia=all; NAMESPACES=network:host; SECURITY=label=disable";
    assert_eq!(limits(none).roots(), []);
}

#[test]
fn what_is_in_force_is_known() {
    let shown = |text: &str| -> Vec<String> {
        let own = limits(text).in_force();
        own.iter()
            .map(|(variable, entries)| format!("{variable}={entries}"))
            .collect()
    };
    assert_eq!(shown(""), [""; 0]);
    assert_eq!(shown("CAP_ADD=kill"), ["CAP_ADD=KILL"]);
    assert_eq!(
        shown("DENY_ROOT=1; CAP_ADD=NET_ADMIN; VOLUME_DRIVERS=sshfs; PIDS_MAX=7"),
        [
            "BIND_FROM=none",
            "CAP_ADD=NET_ADMIN",
            "DEVICES=none",
            "NAMESPACES=none",
            "SECURITY=none",
            "RUNTIMES=none",
            "LOG_DRIVERS=json-file, local, none",
            "VOLUME_DRIVERS=sshfs",
            "NETWORK_DRIVERS=bridge, overlay, null",
            "SYSCTLS=net.ipv4.*, net.ipv6.*, net.core.somaxconn, kernel.msgmax, kernel.msgmnb, kernel.msgmni, kernel.sem, kernel.shmall, kernel.shmmax, kernel.shmmni, kernel.shm_rmid_forced, fs.mqueue.*",
            "PIDS_MAX=7",
        ]
    );
    // What is in force by default says the same when it is set.
    for (variable, entries) in limits("DENY_ROOT=1").in_force() {
        let own = limits(&format!("DENY_ROOT=1; {variable}={entries}"));
        assert_eq!(own.in_force(), limits("DENY_ROOT=1").in_force());
    }
}
