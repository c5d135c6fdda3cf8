//! Each field with reach, and each value without, one a line: engine-notes 13 and 16.

use super::*;
use crate::api::fields::BODIES;
use crate::body::Place;
use crate::body::json::{Limits, Refusal, Untyped, read};

fn body(route: &str) -> &'static Body {
    let found = BODIES.iter().find(|body| body.route.text == route);
    found.expect(route)
}

fn claims(route: &str, text: &str) -> Vec<Claim> {
    try_claims(route, text).expect(text)
}

fn try_claims(route: &str, text: &str) -> Result<Vec<Claim>, Refusal> {
    let body = body(route);
    let tree = read(text.as_bytes(), Limits::default(), Place::of(body))?;
    Ok(asked(body, &tree, &Engine::default()).expect(text))
}

/// What DENY_ROOT would refuse, as `path reach`.
fn reaching(claims: &[Claim]) -> Vec<String> {
    let reaching = claims
        .iter()
        .filter(|claim| !claim.reach.within(Reach::CONTROL).is_none());
    let mut reaching: Vec<_> = reaching
        .map(|claim| format!("{} {}", claim.path, claim.reach))
        .collect();
    reaching.sort();
    reaching
}

/// A HostConfig as the body of a create.
fn host_config(text: &str) -> String {
    format!(r#"{{"Image":"x","HostConfig":{{{text}}}}}"#)
}

macro_rules! reaches {
    ($($name:ident on $route:literal: $($text:literal => $expected:literal;)*)*) => {$(
        #[test]
        fn $name() {
            let mut wrong = Vec::new();
            for (text, expected) in [$(($text, $expected)),*] {
                let text = if $route == "HostConfig" { host_config(text) } else { text.to_owned() };
                let route = if $route == "HostConfig" { "POST /containers/create" } else { $route };
                let found = match try_claims(route, &text) {
                    Ok(claims) => reaching(&claims).join("; "),
                    Err(refusal) => refusal.to_string(),
                };
                if found != expected {
                    wrong.push(format!("{text}\n  {found}\n  instead of\n  {expected}"));
                }
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    )*};
}

reaches! {
    // engine-notes 13.1, in its order.
    a_container_reaches_the_host on "HostConfig":
        r#""Privileged":true"# => "HostConfig.Privileged the host's devices, the kernel";
        r#""privileged":true"# => "HostConfig.Privileged the host's devices, the kernel";
        r#""Binds":["/:/h"]"# => "HostConfig.Binds[0] the host's files";
        r#""Binds":["v1:/a","/tmp/../etc:/h:ro"]"# => "HostConfig.Binds[0] the host's files; HostConfig.Binds[1] the host's files";
        r#""Binds":["/a:/b:rshared"]"# => "HostConfig.Binds[0] the host's files; HostConfig.Binds[0] the host's files";
        r#""Binds":["../x:/h"]"# => "HostConfig.Binds[0] the host's files";
        r#""Binds":["/a:/b:ro:z"]"# => "HostConfig.Binds[0] the host's files";
        r#""Binds":["C:\\x:/h"]"# => "HostConfig.Binds[0] the host's files";
        r#""Binds":[7]"# => "HostConfig.Binds[0] must be a string, not a number";
        r#""Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"bind","Source":"/a","Target":"/h","BindOptions":{"Propagation":"rshared"}}]"# => "HostConfig.Mounts[0] the host's files; HostConfig.Mounts[0].BindOptions.Propagation the host's files";
        r#""Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"bind","device":"/"}}}}]"# => "HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options the host's files, the host's devices, networks of others";
        r#""Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Name":"sshfs"}}}]"# => "HostConfig.Mounts[0].VolumeOptions.DriverConfig.Name the host's files";
        r#""Mounts":[{"Type":"volume","Source":"v1","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"volume","Source":"/etc","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"cluster","Source":"v1","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"npipe","Source":"x","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"BIND","Source":"/","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Source":"/","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""Mounts":[{"Type":"tmpfs","Source":"/","Target":"/h"}]"# => "HostConfig.Mounts[0] the host's files";
        r#""VolumesFrom":["web:ro"]"# => "HostConfig.VolumesFrom[0] the host's files, other containers";
        r#""VolumeDriver":"sshfs""# => "HostConfig.VolumeDriver the host's files";
        r#""Devices":[{"PathOnHost":"/dev/sda","PathInContainer":"/x","CgroupPermissions":"rwm"}]"# => "HostConfig.Devices[0] the host's devices";
        r#""DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]"# => "HostConfig.DeviceRequests[0] the host's files, the host's devices";
        r#""DeviceRequests":[{"Driver":"cdi","DeviceIDs":["x/y=z"],"Options":{"a":"b"}}]"# => "HostConfig.DeviceRequests[0] the host's files, the host's devices; HostConfig.DeviceRequests[0].Options the host's files, the host's devices";
        r#""DeviceRequests":[{}]"# => "HostConfig.DeviceRequests[0] the host's files, the host's devices";
        r#""DeviceCgroupRules":["b *:* rwm"]"# => "HostConfig.DeviceCgroupRules[0] the host's devices";
        r#""CapAdd":["CHOWN","sys_admin"]"# => "HostConfig.CapAdd[1] the kernel";
        r#""CapAdd":["CAP_NET_ADMIN","ALL","all"]"# => "HostConfig.CapAdd[0] the kernel; HostConfig.CapAdd[1] the kernel; HostConfig.CapAdd[2] the kernel";
        r#""CapAdd":["ſYS_ADMIN"]"# => "HostConfig.CapAdd[0] the kernel";
        r#""CapAdd":["CAP_CAP_CHOWN"]"# => "HostConfig.CapAdd[0] the kernel";
        r#""CapAdd":"SYS_ADMIN""# => "HostConfig.CapAdd[0] the kernel";
        r#""Capabilities":["CAP_SYS_ADMIN"]"# => "HostConfig.Capabilities[0] the kernel";
        r#""PidMode":"host""# => "HostConfig.PidMode namespaces of others";
        r#""PidMode":"container:x""# => "HostConfig.PidMode namespaces of others, other containers";
        r#""IpcMode":"host""# => "HostConfig.IpcMode namespaces of others";
        r#""IpcMode":"container:x""# => "HostConfig.IpcMode namespaces of others, other containers";
        r#""UTSMode":"host""# => "HostConfig.UTSMode namespaces of others";
        r#""UsernsMode":"host""# => "HostConfig.UsernsMode namespaces of others";
        r#""CgroupnsMode":"host""# => "HostConfig.CgroupnsMode namespaces of others";
        r#""NetworkMode":"host""# => "HostConfig.NetworkMode namespaces of others, networks of others";
        r#""NetworkMode":"container:x""# => "HostConfig.NetworkMode namespaces of others, networks of others, other containers";
        r#""NetworkMode":"ns:/proc/1/ns/net""# => "HostConfig.NetworkMode namespaces of others, networks of others";
        r#""NetworkMode":"backend""# => "HostConfig.NetworkMode networks of others";
        r#""CgroupParent":"/x""# => "HostConfig.CgroupParent the kernel, the host's resources";
        r#""Cgroup":"container:x""# => "HostConfig.Cgroup namespaces of others";
        r#""Isolation":"process""# => "HostConfig.Isolation the kernel";
        r#""SecurityOpt":["seccomp=unconfined"]"# => "HostConfig.SecurityOpt[0] the kernel";
        r#""SecurityOpt":["seccomp:unconfined","seccomp={}"]"# => "HostConfig.SecurityOpt[0] the kernel; HostConfig.SecurityOpt[1] the kernel";
        r#""SecurityOpt":["apparmor=unconfined","apparmor:x"]"# => "HostConfig.SecurityOpt[0] the kernel; HostConfig.SecurityOpt[1] the kernel";
        r#""SecurityOpt":["label=disable","label:type:spc_t","disable"]"# => "HostConfig.SecurityOpt[0] the kernel; HostConfig.SecurityOpt[1] the kernel; HostConfig.SecurityOpt[2] the kernel";
        r#""SecurityOpt":["no-new-privileges=false","no-new-privileges:0"]"# => "HostConfig.SecurityOpt[0] the kernel; HostConfig.SecurityOpt[1] the kernel";
        r#""SecurityOpt":["writable-cgroups","writable-cgroups=true"]"# => "HostConfig.SecurityOpt[0] the kernel; HostConfig.SecurityOpt[1] the kernel";
        r#""SecurityOpt":["systempaths=unconfined"]"# => "HostConfig.SecurityOpt[0] the kernel";
        r#""MaskedPaths":[]"# => "HostConfig.MaskedPaths the kernel";
        r#""MaskedPaths":["/proc/acpi"]"# => "HostConfig.MaskedPaths the kernel";
        r#""ReadonlyPaths":[]"# => "HostConfig.ReadonlyPaths the kernel";
        r#""ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys"]"# => "HostConfig.ReadonlyPaths the kernel";
        r#""Runtime":"io.containerd.runc.v2""# => "HostConfig.Runtime the kernel";
        r#""Annotations":{"org.systemd.property.x":"y"}"# => "HostConfig.Annotations[\"org.systemd.property.x\"] the kernel";
        r#""Sysctls":{"kernel.core_pattern":"|/x","net.ipv4.ip_forward":"1"}"# => "HostConfig.Sysctls[\"kernel.core_pattern\"] the kernel";
        r#""Sysctls":{"vm.max_map_count":"1","net.ipv4./../x":"1","net/ipv4/x":"1"}"# => "HostConfig.Sysctls[\"net.ipv4./../x\"] the kernel; HostConfig.Sysctls[\"net/ipv4/x\"] the kernel; HostConfig.Sysctls[\"vm.max_map_count\"] the kernel";
        r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"unix:///x"}}"# => "HostConfig.LogConfig.Config[\"syslog-address\"] the host's files, networks of others; HostConfig.LogConfig.Type the host's files, networks of others, what runs later";
        r#""LogConfig":{"Config":{"gelf-address":"udp://x"}}"# => "HostConfig.LogConfig.Config[\"gelf-address\"] the host's files, networks of others";
        r#""Links":["/db:db"]"# => "HostConfig.Links[0] other containers";
        r#""InitPath":"/x""# => "HostConfig.InitPath the host's files";
        r#""LxcConf":[{"Key":"a","Value":"b"}]"# => "HostConfig.LxcConf the host's files, the host's devices, the kernel, namespaces of others, networks of others";
        r#""NextYear":{"a":1}"# => "HostConfig.NextYear the host's files, the host's devices, the kernel, namespaces of others, networks of others, other containers, the host's resources, what runs later";
        r#""Mounts":[{"Type":"tmpfs","Target":"/x","Next":1}]"# => "HostConfig.Mounts[0].Next the host's files, the host's devices, the kernel, namespaces of others, networks of others, other containers, the host's resources, what runs later";

    // engine-notes 6: up to Engine 26 a HostConfig counts at the top as well.
    a_create_reaches_the_host on "POST /containers/create":
        r#"{"Privileged":true}"# => "Privileged the host's devices, the kernel";
        r#"{"privileged":true,"HostConfig":null}"# => "Privileged the host's devices, the kernel";
        r#"{"Binds":["/:/h"],"HostConfig":{}}"# => "Binds[0] the host's files";
        r#"{"PidMode":"host"}"# => "PidMode namespaces of others";
        r#"{"HostConfig":"x"}"# => "HostConfig must be an object, not a string";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"host":{}}}}"# => "NetworkingConfig.EndpointsConfig.host namespaces of others, networks of others";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"backend":null}}}"# => "NetworkingConfig.EndpointsConfig.backend networks of others";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"NetworkID":"abc"}}}}"# => "NetworkingConfig.EndpointsConfig.bridge.NetworkID networks of others";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"DriverOpts":{"com.docker.network.endpoint.sysctls":"x"}}}}}"# => "NetworkingConfig.EndpointsConfig.bridge.DriverOpts[\"com.docker.network.endpoint.sysctls\"] the kernel, networks of others";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"172.17.0.2"},"MacAddress":"02:42:ac:11:00:02","Links":["db"]}}}}"# => "NetworkingConfig.EndpointsConfig.bridge.IPAMConfig.IPv4Address networks of others; NetworkingConfig.EndpointsConfig.bridge.Links[0] other containers";
        r#"{"MacAddress":"02:42:ac:11:00:02"}"# => "";
        r#"{"Env":["A=b","NVIDIA_VISIBLE_DEVICES=0,1","NVIDIA_DRIVER_CAPABILITIES=all","AMD_VISIBLE_DEVICES=all"]}"# => "Env[1] the host's devices; Env[2] the host's devices; Env[3] the host's devices";
        r#"{"Env":["NVIDIA_VISIBLE_DEVICES","NVIDIA_VISIBLE_DEVICES=","NVIDIA_VISIBLE_DEVICES=void","CUDA_VISIBLE_DEVICES=0","MY_NVIDIA_X=1"]}"# => "";
        r#"{"Config":{"Privileged":true},"Unknown":1}"# => "";

    // What the docker CLI 28.2.2 sends for a plain run with two volumes, which are looked up.
    a_run_of_the_docker_cli_reaches_its_volumes on "POST /containers/create":
        r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{}},"Tty":true,"OpenStdin":true,"StdinOnce":true,"Env":null,"Cmd":null,"Image":"busybox","Volumes":{"/anon":{}},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":["cache:/c"],"ContainerIDFile":"","LogConfig":{"Type":"","Config":{"max-size":"1m"}},"NetworkMode":"default","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"80"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":["CAP_CHOWN"],"CapDrop":["ALL"],"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":["h:host-gateway"],"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":["no-new-privileges"],"Tmpfs":{"/t":""},"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":67108864,"NanoCpus":1000000000,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"Mounts":[{"Type":"volume","Source":"v2","Target":"/v2"}],"MaskedPaths":null,"ReadonlyPaths":null,"Init":true},"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"# => "HostConfig.Binds[0] the host's files; HostConfig.Mounts[0] the host's files";

    an_exec_reaches_the_host on "POST /containers/{id}/exec":
        r#"{"Privileged":true,"Cmd":["sh"]}"# => "Privileged the host's devices, the kernel";
        r#"{"Cmd":["sh"],"User":"0","Env":["A=b"],"WorkingDir":"/","Tty":true,"Detach":true,"ConsoleSize":[1,2],"containerId":"x","Container":"x"}"# => "";
        r#"{"Cmd":["sh"],"Next":1}"# => "Next the host's files, the host's devices, the kernel, namespaces of others, networks of others, other containers, the host's resources, what runs later";

    starting_an_exec_reaches_nothing on "POST /exec/{id}/start":
        r#"{"Detach":false,"Tty":true,"ConsoleSize":[1,2],"hijack":true,"stdin":true}"# => "";

    an_update_reaches_the_host on "POST /containers/{id}/update":
        r#"{"Memory":1,"CpusetCpus":"0","PidsLimit":5,"RestartPolicy":{"Name":"always"}}"# => "";
        r#"{"Devices":[{"PathOnHost":"/dev/sda"}]}"# => "Devices[0] the host's devices";
        r#"{"CgroupParent":"/x"}"# => "CgroupParent the kernel, the host's resources";

    old_ways_reach_the_host on "POST /containers/{id}/start":
        r#"{"Privileged":true,"Binds":["/:/h"]}"# => "Binds[0] the host's files; Privileged the host's devices, the kernel";
        r#"{}"# => "";

    a_checkpoint_reaches_the_host on "POST /containers/{id}/checkpoints":
        r#"{"CheckpointID":"a","CheckpointDir":"/etc"}"# => "CheckpointDir the host's files";
        r#"{"CheckpointID":"a","Exit":true}"# => "";

    a_volume_reaches_the_host on "POST /volumes/create":
        r#"{}"# => "";
        r#"{"Name":"cache","Driver":"local","Labels":{"a":"b"},"DriverOpts":{}}"# => "";
        r#"{"DriverOpts":{"size":"1g"}}"# => "";
        r#"{"Driver":"sshfs"}"# => "Driver the host's files";
        r#"{"DriverOpts":{"type":"none","o":"bind","device":"/etc"}}"# => "DriverOpts the host's files, the host's devices, networks of others";
        r#"{"DriverOpts":{"type":"ext4","device":"/dev/sda1"}}"# => "DriverOpts.device the host's files, the host's devices, networks of others; DriverOpts.type the host's files, the host's devices, networks of others";
        r#"{"DriverOpts":{"type":"nfs","o":"addr=10.0.0.1","device":":/x"}}"# => "DriverOpts.device the host's files, the host's devices, networks of others; DriverOpts.o the host's files, the host's devices, networks of others; DriverOpts.type the host's files, the host's devices, networks of others";
        r#"{"DriverOpts":{"type":"overlay","o":"lowerdir=/etc:/a,upperdir=/b,workdir=/c","device":"overlay"}}"# => "DriverOpts the host's files, the host's devices, networks of others; DriverOpts the host's files, the host's devices, networks of others; DriverOpts the host's files, the host's devices, networks of others; DriverOpts the host's files, the host's devices, networks of others";
        r#"{"ClusterVolumeSpec":{"Group":"x"}}"# => "ClusterVolumeSpec the host's files, the host's devices";
        r#"{"Unknown":"x"}"# => "Unknown the host's files, the host's devices, the kernel, namespaces of others, networks of others, other containers, the host's resources, what runs later";

    a_network_reaches_the_host on "POST /networks/create":
        r#"{"Name":"n","Driver":"bridge","CheckDuplicate":true,"Internal":true,"Attachable":true,"EnableIPv6":true,"Labels":{"a":"b"},"Options":{"com.docker.network.driver.mtu":"1400"},"IPAM":{"Driver":"default","Config":[{"Subnet":"172.28.0.0/16","Gateway":"172.28.0.1","IPRange":"172.28.5.0/24"},{"Subnet":"fd00:1::/64"}]},"_extra":1}"# => "";
        r#"{"Name":"n","Driver":"overlay","Scope":"swarm","Options":{"encrypted":""}}"# => "";
        r#"{"Driver":"macvlan","Options":{"parent":"eth0"}}"# => "Driver the host's devices, networks of others; Options.parent the host's devices, networks of others";
        r#"{"Options":{"com.docker.network.bridge.name":"docker0"}}"# => "Options[\"com.docker.network.bridge.name\"] the host's devices, networks of others";
        r#"{"Options":{"com.docker.network.bridge.gateway_mode_ipv4":"routed","com.docker.network.bridge.trusted_host_interfaces":"eth0"}}"# => "Options[\"com.docker.network.bridge.gateway_mode_ipv4\"] the host's devices, networks of others; Options[\"com.docker.network.bridge.trusted_host_interfaces\"] the host's devices, networks of others";
        r#"{"ConfigFrom":{"Network":"x"}}"# => "ConfigFrom.Network the host's devices, networks of others";
        r#"{"IPAM":{"Driver":"dhcp","Options":{"a":"b"}}}"# => "IPAM.Driver networks of others, what runs later; IPAM.Options.a networks of others";
        r#"{"IPAM":{"Config":[{"Subnet":"8.8.8.0/24"},{"Subnet":"10.0.0.0/4"},{"Subnet":"x"},{"Gateway":"169.254.169.254"}]}}"# => "IPAM.Config[0].Subnet networks of others; IPAM.Config[1].Subnet networks of others; IPAM.Config[2].Subnet networks of others; IPAM.Config[3].Gateway networks of others";
        r#"{"Options":{"com.docker.network.bridge.name":"","com.docker.network.bridge.gateway_mode_ipv4":"nat","com.docker.network.bridge.gateway_mode_ipv6":"isolated","com.docker.network.bridge.inhibit_ipv4":"true"}}"# => "";
        r#"{"Options":{"com.docker.network.bridge.gateway_mode_ipv4":"nat-unprotected","com.docker.network.bridge.trusted_host_interfaces":"eth0"}}"# => "Options[\"com.docker.network.bridge.gateway_mode_ipv4\"] the host's devices, networks of others; Options[\"com.docker.network.bridge.trusted_host_interfaces\"] the host's devices, networks of others";
        r#"{"IPAM":{"Config":[{"Subnet":"100.64.0.0/16"},{"Subnet":"172.40.0.0/16"},{"Subnet":"172.64.0.0/16"},{"Subnet":"172.16.0.0/11"}]}}"# => "IPAM.Config[2].Subnet networks of others; IPAM.Config[3].Subnet networks of others";
        r#"{"Ingress":true}"# => "Ingress networks of others";
        r#"{"ConfigOnly":true,"Options":{"parent":"eth0"}}"# => "Options.parent the host's devices, networks of others";

    a_connection_reaches_others on "POST /networks/{id}/connect":
        r#"{"Container":"web"}"# => "Container other containers";
        r#"{"Container":"web","EndpointConfig":{"DriverOpts":{"a":"b"},"Aliases":["x"],"GwPriority":1}}"# => "Container other containers; EndpointConfig.DriverOpts.a the kernel, networks of others";

    a_disconnection_reaches_nothing on "POST /networks/{id}/disconnect":
        r#"{"Container":"web","Force":true}"# => "";

    a_service_reaches_the_host on "POST /services/create":
        r#"{"Name":"s","Labels":{"a":"b"},"TaskTemplate":{"ContainerSpec":{"Image":"x","Command":["a"],"Env":["A=b"],"Init":true,"Isolation":"default","DNSConfig":{"Nameservers":["1.1.1.1"]},"Privileges":{"CredentialSpec":null,"SELinuxContext":null,"NoNewPrivileges":true,"Seccomp":{"Mode":"default"},"AppArmor":{"Mode":"default"}}},"Runtime":"container","ForceUpdate":1,"Placement":{"Constraints":["a==b"]},"RestartPolicy":{"Condition":"any"},"Resources":{"Limits":{"MemoryBytes":1}}},"Mode":{"Replicated":{"Replicas":1}},"UpdateConfig":{"Parallelism":1,"MaxFailureRatio":0.5},"EndpointSpec":{"Mode":"vip","Ports":[{"PublishedPort":80,"TargetPort":80}]}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]}}}"# => "TaskTemplate.ContainerSpec.Mounts[0] the host's files";
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Options":{"type":"none","o":"bind","device":"/"}}}}]}}}"# => "TaskTemplate.ContainerSpec.Mounts[0].VolumeOptions.DriverConfig.Options the host's files, the host's devices, networks of others";
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"SELinuxContext":{"Disable":true},"Seccomp":{"Mode":"unconfined"},"AppArmor":{"Mode":"disabled"},"CredentialSpec":{"File":"x"}}}}}"# => "TaskTemplate.ContainerSpec.Privileges.AppArmor.Mode the kernel; TaskTemplate.ContainerSpec.Privileges.CredentialSpec the host's files; TaskTemplate.ContainerSpec.Privileges.SELinuxContext the kernel; TaskTemplate.ContainerSpec.Privileges.Seccomp.Mode the kernel";
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"Seccomp":{"Mode":"custom","Profile":"e30="}}}}}"# => "TaskTemplate.ContainerSpec.Privileges.Seccomp.Mode the kernel; TaskTemplate.ContainerSpec.Privileges.Seccomp.Profile the kernel";
        r#"{"TaskTemplate":{"ContainerSpec":{"CapabilityAdd":["CAP_SYS_ADMIN"],"Sysctls":{"kernel.x":"1"}}}}"# => "TaskTemplate.ContainerSpec.CapabilityAdd[0] the kernel; TaskTemplate.ContainerSpec.Sysctls[\"kernel.x\"] the kernel";
        r#"{"TaskTemplate":{"ContainerSpec":{"Secrets":[{"SecretID":"a","SecretName":"b"}],"Configs":[{"ConfigName":"c"}]}}}"# => "";
        r#"{"TaskTemplate":{"ContainerSpec":{"Env":["NVIDIA_VISIBLE_DEVICES=all"]}}}"# => "TaskTemplate.ContainerSpec.Env[0] the host's devices";
        r#"{"TaskTemplate":{"Networks":[{"Target":"host"}]}}"# => "TaskTemplate.Networks[0].Target namespaces of others, networks of others";
        r#"{"Networks":[{"Target":"host"}]}"# => "Networks[0].Target namespaces of others, networks of others";
        r#"{"TaskTemplate":{"Runtime":"plugin","PluginSpec":{"remote":"x","privileges":[{"name":"mount"}]}}}"# => "TaskTemplate.PluginSpec the host's files, the host's devices, the kernel, what runs later; TaskTemplate.Runtime the host's files, the host's devices, the kernel, what runs later";
        r#"{"TaskTemplate":{"NetworkAttachmentSpec":{"ContainerID":"x"}}}"# => "TaskTemplate.NetworkAttachmentSpec.ContainerID other containers";
        r#"{"TaskTemplate":{"LogDriver":{"Name":"gelf","Options":{"gelf-address":"udp://x"}}}}"# => "TaskTemplate.LogDriver.Name the host's files, networks of others, what runs later; TaskTemplate.LogDriver.Options[\"gelf-address\"] the host's files, networks of others";
        r#"{"TaskTemplate":{"Resources":{"Reservations":{"GenericResources":[{"NamedResourceSpec":{"Kind":"GPU","Value":"x"}}]}}}}"# => "TaskTemplate.Resources.Reservations.GenericResources[0] the host's devices";
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileged":true}}}"# => "TaskTemplate.ContainerSpec.Privileged the host's files, the host's devices, the kernel, namespaces of others, networks of others, other containers, the host's resources, what runs later";

    a_swarm_reaches_out on "POST /swarm/join":
        r#"{"RemoteAddrs":["x"],"JoinToken":"t","ListenAddr":"0.0.0.0"}"# => "ListenAddr networks of others; RemoteAddrs[0] networks of others, what runs later";

    a_login_reaches_out on "POST /auth":
        r#"{"username":"a","password":"b","serveraddress":"10.0.0.1:80"}"# => "serveraddress networks of others";
        r#"{"username":"a","serveraddress":"https://index.docker.io/v1/"}"# => "";

    plugins_reach_the_host on "POST /plugins/pull":
        r#"[{"Name":"mount","Value":["/"]}]"# => "[0].Name the host's files, the host's devices, the kernel, namespaces of others, networks of others, what runs later; [0].Value[0] the host's files, the host's devices, the kernel, namespaces of others, networks of others, what runs later";

    settings_of_plugins_reach_the_host on "POST /plugins/{name...}/set":
        r#"["mount.source=/"]"# => "[0] the host's files, the host's devices, the kernel, what runs later";

    // engine-notes 16, in its order.
    a_plain_container_reaches_nothing on "HostConfig":
        r#""Binds":null,"Privileged":false,"PidMode":"","CapAdd":[],"Sysctls":{},"Memory":0,"NextYear":[],"Other":{}"# => "";
        r#""MaskedPaths":null,"ReadonlyPaths":null"# => "";
        r#""MaskedPaths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],"ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]"# => "";
        r#""MaskedPaths":["/x","/proc/acpi","/proc/asound","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/sched_debug","/proc/scsi","/proc/timer_list","/proc/timer_stats","/sys/devices/virtual/powercap","/sys/firmware"]"# => "";
        r#""NetworkMode":"default""# => "";
        r#""NetworkMode":"bridge""# => "";
        r#""NetworkMode":"none""# => "";
        r#""IpcMode":"none""# => "";
        r#""IpcMode":"private""# => "";
        r#""IpcMode":"shareable""# => "";
        r#""CgroupnsMode":"private""# => "";
        r#""Isolation":"default""# => "";
        r#""VolumeDriver":"local""# => "";
        r#""LogConfig":{"Type":"json-file","Config":{"max-size":"1m","max-file":"3","labels":"a"}}"# => "";
        r#""LogConfig":{"Type":"local"}"# => "";
        r#""LogConfig":{"Type":"none","Config":null}"# => "";
        r#""LogConfig":{"Type":"","Config":{}}"# => "";
        r#""SecurityOpt":["no-new-privileges","no-new-privileges:true","no-new-privileges=1"]"# => "";
        r#""SecurityOpt":["apparmor=docker-default","apparmor:docker-default"]"# => "";
        r#""CapAdd":["AUDIT_WRITE","CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","MKNOD","NET_BIND_SERVICE","NET_RAW","SETFCAP","SETGID","SETPCAP","SETUID","SYS_CHROOT"]"# => "";
        r#""CapAdd":["CAP_CHOWN","cap_kill","setuid"],"CapDrop":["ALL","SYS_ADMIN"]"# => "";
        r#""MemorySwappiness":-1,"MemorySwap":-1,"PidsLimit":-1,"OomKillDisable":false"# => "";
        r#""Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}]"# => "";
        r#""RestartPolicy":{"Name":"always","MaximumRetryCount":3},"Init":true,"AutoRemove":true"# => "";
        r#""Tmpfs":{"/t":"size=1m"},"ExtraHosts":["a:host-gateway"],"GroupAdd":["0"],"StorageOpt":{"size":"1g"}"# => "";
        r#""Dns":["1.1.1.1"],"DnsOptions":["a"],"DnsSearch":["b"],"ContainerIDFile":"/x","ConsoleSize":[1,2]"# => "";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{}},{"Type":"volume","Target":"/y","VolumeOptions":{"Labels":{"a":"b"},"DriverConfig":{}}}]"# => "";
        r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"","Options":null}}},{"Type":"volume","Target":"/y","VolumeOptions":{"DriverConfig":{"Name":"local"}}}]"# => "";
        r#""Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1,"Mode":448,"Options":[["exec"]]}},{"Type":"image","Source":"x","Target":"/i","ImageOptions":{"Subpath":"a"}}]"# => "";
        r#""Binds":["/only/a/target"]"# => "";
        r#""PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"80"}]},"PublishAllPorts":true"# => "";
        r#""Sysctls":{"net.core.somaxconn":"1","net.ipv4.conf.eth0-1.x":"1","net.ipv6.conf.all.disable_ipv6":"1","kernel.shmmax":"1","fs.mqueue.msg_max":"1"}"# => "";
        r#""Memory":1,"NanoCpus":1,"CpuShares":1,"CpuQuota":1,"BlkioWeight":1,"BlkioWeightDevice":[{"Path":"/dev/sda","Weight":1}],"ShmSize":1,"OomScoreAdj":-1,"KernelMemory":1,"DiskQuota":1"# => "";
        r#""ReadonlyRootfs":true"# => "";

    a_plain_create_reaches_nothing on "POST /containers/create":
        r#"{"Image":"x","Hostname":"a","Domainname":"b","User":"+0","Env":["A=b"],"Cmd":"ls","Entrypoint":["a"],"Shell":null,"Volumes":{"/etc:/h":{}},"ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["CMD","a"]},"Labels":{"a":"b"},"OnBuild":["RUN x"],"StopTimeout":5,"Tty":true,"WorkingDir":"/","name":"c","abortSignal":{}}"# => "";
        r#"{"NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":["a"],"IPAMConfig":{}},"bridge":{"IPAMConfig":null,"Gateway":"172.17.0.1","IPAddress":"172.17.0.2","IPPrefixLen":16,"EndpointID":"a","DNSNames":["x"],"GwPriority":1}}}}"# => "";
}

#[test]
fn a_claim_says_what_it_is_about() {
    let what = |text: &str| -> Vec<What> {
        let claims = claims("POST /containers/create", &host_config(text));
        let own = claims
            .into_iter()
            .filter(|claim| claim.path.starts_with("HostConfig"));
        own.map(|claim| claim.what).collect()
    };
    let host_path = |path: &str, read_only: bool| What::HostPath {
        path: path.to_owned(),
        read_only,
    };
    for (text, expected) in [
        (
            r#""Binds":["/srv/../etc//x/.:/h:z,ro"]"#,
            host_path("/etc/x", true),
        ),
        (r#""Binds":["/../..:/h:rw"]"#, host_path("/", false)),
        (
            r#""Mounts":[{"Type":"bind","Source":"/a/","Target":"/h","ReadOnly":true}]"#,
            host_path("/a", true),
        ),
        (
            r#""Mounts":[{"type":"bind","source":"/a","Target":"/h","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}}]"#,
            host_path("/a", false),
        ),
        (
            r#""Binds":["cache:/c:ro"]"#,
            What::Volume {
                name: "cache".to_owned(),
                read_only: true,
            },
        ),
        (
            r#""VolumesFrom":["web:ro"]"#,
            What::MountsOf {
                container: "web".to_owned(),
                read_only: true,
            },
        ),
        (
            r#""CapAdd":["cap_sys_admin"]"#,
            What::Capability("SYS_ADMIN".to_owned()),
        ),
        (
            r#""SecurityOpt":["seccomp:unconfined"]"#,
            What::Security("seccomp=unconfined".to_owned()),
        ),
        (
            r#""MaskedPaths":[]"#,
            What::Security("systempaths=unconfined".to_owned()),
        ),
        (
            r#""Devices":[{"PathOnHost":"/dev/dri"}]"#,
            What::Device("/dev/dri".to_owned()),
        ),
        (
            r#""DeviceRequests":[{"Driver":"nvidia","Count":-1}]"#,
            What::DeviceRequest {
                driver: "nvidia".to_owned(),
                devices: vec!["all".to_owned()],
            },
        ),
        (
            r#""PidMode":"container:web""#,
            What::Namespace {
                kind: Namespace::Pid,
                of: "container:web".to_owned(),
            },
        ),
        (
            r#""NetworkMode":"bridge""#,
            What::Network("bridge".to_owned()),
        ),
        (
            r#""Sysctls":{"net.ipv4.a":"1"}"#,
            What::Sysctl("net.ipv4.a".to_owned()),
        ),
        (
            r#""PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8000-8010"}]}"#,
            What::Publish {
                ip: "127.0.0.1".to_owned(),
                port: "8000-8010".to_owned(),
            },
        ),
        (
            r#""PortBindings":{"80/tcp":[]}"#,
            What::Publish {
                ip: String::new(),
                port: String::new(),
            },
        ),
        (
            r#""LogConfig":{"Type":"local"}"#,
            What::LogDriver("local".to_owned()),
        ),
    ] {
        assert_eq!(what(text), [expected], "{text}");
    }
}

#[test]
fn a_local_volume_is_the_paths_that_it_mounts() {
    let paths = |text: &str| -> Vec<What> {
        let claims = claims(
            "POST /volumes/create",
            &format!(r#"{{"DriverOpts":{text}}}"#),
        );
        claims.into_iter().map(|claim| claim.what).collect()
    };
    let path = |path: &str, read_only: bool| What::HostPath {
        path: path.to_owned(),
        read_only,
    };
    assert_eq!(
        paths(r#"{"type":"none","o":"ro,bind","device":"/srv/ci"}"#),
        [path("/srv/ci", true)]
    );
    assert_eq!(
        paths(r#"{"o":"ro,rbind","device":"/srv"}"#),
        [path("/srv", false)]
    );
    assert_eq!(
        paths(r#"{"type":"overlay","o":"lowerdir=/a:/b,upperdir=/c,workdir=/d","device":"x"}"#),
        [
            path("/a", true),
            path("/b", true),
            path("/c", false),
            path("/d", false)
        ]
    );
    // Memory is none of the host's files.
    for memory in [
        r#"{"type":"tmpfs","device":"tmpfs","o":"size=100m,uid=1000,mode=0700,noexec"}"#,
        r#"{"type":"tmpfs","device":"/etc","o":"size=50%"}"#,
        r#"{"type":"tmpfs"}"#,
    ] {
        assert_eq!(paths(memory), [], "{memory}");
    }
    // What is not surely a path is no path: nothing but its own limit opens it.
    for odd in [
        r#"{"type":"tmpfs","device":"/etc","o":"rbind"}"#,
        r#"{"type":"tmpfs","device":"/etc","o":"size=1m,bind"}"#,
        r#"{"type":"tmpfs","device":"x","o":"remount,size=1"}"#,
        r#"{"type":"tmpfs","device":"x","o":"huge=always"}"#,
        r#"{"type":"tmpfs2","device":"x","o":"size=1"}"#,
        r#"{"o":"bind","device":"/srv/../etc"}"#,
        r#"{"o":"bind","device":"srv"}"#,
        r#"{"o":"bind,upperdir=/x","device":"/srv"}"#,
        r#"{"type":"overlay","o":"lowerdir=/a\\:/b,upperdir=/c,workdir=/d"}"#,
        r#"{"type":"overlay","o":"lowerdir=a"}"#,
        r#"{"type":"ext4","o":"bind","device":"/srv"}"#,
        r#"{"type":"none","o":"remount,bind","device":"/srv"}"#,
        r#"{"type":"none","O":"bind","device":"/srv"}"#,
    ] {
        let what = paths(odd);
        let option = |what: &What| matches!(what, What::VolumeOption(_));
        assert!(
            !what.is_empty() && what.iter().all(option),
            "{odd}: {what:?}"
        );
    }
}

#[test]
fn what_refers_to_others_says_to_which() {
    for (route, text, expected) in [
        (
            "create",
            r#"{"HostConfig":{"Binds":["cache:/c"]}}"#,
            Reference::Volume("cache"),
        ),
        (
            "create",
            r#"{"HostConfig":{"VolumesFrom":["a:ro"]}}"#,
            Reference::Container("a"),
        ),
        (
            "create",
            r#"{"HostConfig":{"IpcMode":"container:a"}}"#,
            Reference::Container("a"),
        ),
        (
            "create",
            r#"{"HostConfig":{"Links":["/a:b"]}}"#,
            Reference::Container("a"),
        ),
        (
            "create",
            r#"{"HostConfig":{"NetworkMode":"n"}}"#,
            Reference::Network("n"),
        ),
        (
            "create",
            r#"{"NetworkingConfig":{"EndpointsConfig":{"n":{}}}}"#,
            Reference::Network("n"),
        ),
    ] {
        let claims = claims(&format!("POST /containers/{route}"), text);
        let refers: Vec<_> = claims.iter().filter_map(Claim::refers).collect();
        assert_eq!(refers, [expected], "{text}");
    }
    let claims = claims(
        "POST /containers/create",
        &host_config(r#""NetworkMode":"host""#),
    );
    assert!(claims.iter().all(|claim| claim.refers().is_none()));
}

#[test]
fn the_engines_own_values_give_nothing() {
    let engine = Engine {
        known: true,
        runtime: "runsc",
        log_driver: "journald",
        alone: true,
        host_cgroups: true,
        builtin_seccomp: true,
        plain_runtime: true,
    };
    let text = r#"{"Env":["NVIDIA_VISIBLE_DEVICES=all"],"HostConfig":{"Runtime":"runsc","LogConfig":{"Type":"journald"},"CgroupnsMode":"host","SecurityOpt":["seccomp:builtin"]}}"#;
    let create = body("POST /containers/create");
    let tree = read(text.as_bytes(), Limits::default(), Place::of(create)).expect("a tree");
    let reached = |engine| reaching(&asked(create, &tree, engine).expect("few claims"));
    assert_eq!(reached(&engine), [""; 0]);
    let known = Engine {
        known: true,
        ..Engine::default()
    };
    for other in [Engine::default(), known] {
        let claims = asked(create, &tree, &other).expect("few claims");
        assert_eq!(reaching(&claims).len(), 5);
        assert!(claims.iter().all(|claim| claim.unsettled != other.known));
    }
    // What is weaker than the engine's own runtime is no default of its.
    let runc = host_config(r#""Runtime":"runc""#);
    let tree = read(runc.as_bytes(), Limits::default(), Place::of(create)).expect("a tree");
    let claims = asked(create, &tree, &engine).expect("few claims");
    assert_eq!(reaching(&claims), ["HostConfig.Runtime the kernel"]);
}

#[test]
fn a_claim_is_shown_with_its_reach() {
    let claims = claims(
        "POST /containers/create",
        r#"{"HostConfig":{"Binds":["/etc:/x"]}}"#,
    );
    let shown = claims[0].to_string();
    assert_eq!(
        shown,
        r#"HostConfig.Binds[0]: "/etc:/x" reaches the host's files"#
    );
}

/// `tests/inspects`: what each container held, on an engine of 2022 and on one of 2026.
#[test]
fn containers_are_judged_as_their_creates_were() {
    for (name, expected) in [
        ("1", &[][..]),
        (
            "2",
            &["Mounts[0] the host's files", "Mounts[1] the host's files"],
        ),
        (
            "3",
            &[
                "HostConfig.MaskedPaths the kernel",
                "HostConfig.ReadonlyPaths the kernel",
            ],
        ),
        (
            "4",
            &[
                "HostConfig.Privileged the host's devices, the kernel",
                "HostConfig.SecurityOpt[0] the kernel",
            ],
        ),
        (
            "5",
            &["Mounts[0] the host's files", "Mounts[1] the host's files"],
        ),
        (
            "6",
            &["Mounts[0] the host's files", "Mounts[1] the host's files"],
        ),
        (
            "7",
            &["HostConfig.NetworkMode namespaces of others, networks of others, other containers"],
        ),
        ("8", &[]),
        (
            "10",
            &[
                "HostConfig.CapAdd[1] the kernel",
                "HostConfig.Devices[0] the host's devices",
            ],
        ),
    ] {
        for engine in ["engine20", "engine29"] {
            let held = held_of(&format!("{engine}-{name}"));
            assert_eq!(reaching(&held), expected, "{engine}-{name}");
            // All that a plain container has is volumes, and they are looked up.
            let plain = held.iter().filter(|claim| claim.refers().is_none());
            let plain: Vec<Claim> = plain.cloned().collect();
            let harmless = ["1", "2", "7", "8"].contains(&name);
            assert_eq!(reaching(&plain).is_empty(), harmless, "{engine}-{name}");
        }
    }
    let five = held_of("engine29-5");
    let bind = What::HostPath {
        path: "/etc".to_owned(),
        read_only: false,
    };
    assert_eq!(five.iter().filter(|claim| claim.what == bind).count(), 1);
}

fn held_of(name: &str) -> Vec<Claim> {
    let engine = Engine {
        known: true,
        runtime: "runc",
        ..Engine::default()
    };
    let path = format!("{}/tests/inspects/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let inspect = read(text.as_bytes(), Limits::default(), Place::of_inspect());
    held(&inspect.expect(&path), &engine).expect("an inspect")
}

#[test]
fn what_is_no_inspect_is_not_judged() {
    for text in [
        "{}",
        r#"{"HostConfig":{}}"#,
        r#"{"HostConfig":null,"Mounts":[]}"#,
        r#"{"HostConfig":{},"Mounts":{}}"#,
        "[]",
    ] {
        let tree = read(text.as_bytes(), Limits::default(), Untyped).expect(text);
        assert!(held(&tree, &Engine::default()).is_none(), "{text}");
    }
}

/// As no reader with the table's shape leaves it: in another spelling, of another kind.
#[test]
fn a_tree_of_another_shape_has_all_reach() {
    let create = body("POST /containers/create");
    for text in [
        r#"{"hostconfig":{}}"#,
        r#"{"HostConfig":{"binds":[]}}"#,
        r#"{"HostConfig":{"Binds":"/:/h"}}"#,
        r#"{"HostConfig":{"Binds":[7]}}"#,
        r#"{"HostConfig":{"Mounts":[{"type":"tmpfs"}]}}"#,
        r#"{"HostConfig":{"Sysctls":[]}}"#,
        r#"{"HostConfig":[]}"#,
    ] {
        let tree = read(text.as_bytes(), Limits::default(), Untyped).expect(text);
        let claims = asked(create, &tree, &Engine::default()).expect(text);
        let all = claims.iter().any(|claim| claim.reach == Reach::ALL);
        assert!(all, "{text}: {claims:?}");
    }
}

/// A body that asks for as much as it can.
#[test]
fn claims_are_bounded() {
    let claims = |count: usize| {
        let binds = r#""/:/h","#.repeat(count);
        let text = host_config(&format!(r#""Binds":[{}]"#, binds.trim_end_matches(',')));
        let create = body("POST /containers/create");
        let tree = read(text.as_bytes(), Limits::default(), Place::of(create)).expect("a tree");
        asked(create, &tree, &Engine::default())
    };
    // One is the image.
    assert_eq!(claims(CLAIMS - 1).map(|claims| claims.len()), Ok(CLAIMS));
    assert_eq!(claims(CLAIMS), Err(TooMany));
    assert_eq!(claims(9 * CLAIMS), Err(TooMany));
}

#[test]
fn long_values_are_cut() {
    let options = format!("lowerdir=/{}", ":/".repeat(1_000_000));
    let text = format!(r#"{{"DriverOpts":{{"type":"overlay","o":"{options}"}}}}"#);
    let claims = claims("POST /volumes/create", &text);
    // The kernel would not read so many options, so these are no paths.
    let option = |claim: &Claim| matches!(claim.what, What::VolumeOption(_));
    assert!(claims.iter().all(option));
    assert!(claims.iter().any(|claim| claim.value.ends_with('…')));
    assert!(claims.iter().all(|claim| claim.value.len() < 210));
}
