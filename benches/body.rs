//! How long it takes to read a body and to write it anew: what `docker run` sends, and what is made
//! to take long.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dockgate::body::json::{Kind, Limits, Shape, Untyped, read};

/// Of Docker's own client, with a few options, 2 KiB.
const CREATE: &str = r#"{"Hostname":"","Domainname":"","User":"1000:1000","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"8080/tcp":{}},"Tty":true,"OpenStdin":true,"StdinOnce":true,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin","LANG=C.UTF-8","CI=true"],"Cmd":["sh","-c","make -C /src \"check\""],"Healthcheck":{"Test":["CMD","curl","-f","http://localhost:8080/"],"Interval":30000000000,"Timeout":5000000000,"Retries":3},"Image":"registry.example.com/team/builder:1.27-bookworm","Volumes":{"/cache":{}},"WorkingDir":"/src","Entrypoint":null,"OnBuild":null,"Labels":{"com.example.team":"ci","com.example.job":"4711","maintainer":"Jos\u00e9"},"HostConfig":{"Binds":["/srv/ci/src:/src:ro","cache:/var/cache"],"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"ci","PortBindings":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[50,120],"CapAdd":null,"CapDrop":["ALL"],"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":["no-new-privileges"],"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":2147483648,"NanoCpus":1500000000,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":null,"PidsLimit":512,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"ci":{"IPAMConfig":null,"Links":null,"Aliases":["builder"],"MacAddress":"","DriverOpts":null,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

/// Every object is a struct with a field for each name of the body, as the table of fields is.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a HashMap<String, &'static str>, Kind);

impl Shape for Fields<'_> {
    fn kind(self) -> Kind {
        self.1
    }

    fn field(self, folded: &str) -> Option<(&'static str, Self)> {
        let name = self.0.get(folded)?;
        let kind = match *name {
            "HostConfig" | "Healthcheck" | "LogConfig" | "RestartPolicy" => Kind::Object,
            "Binds" | "Env" | "Cmd" => Kind::List,
            "Labels" => Kind::Map,
            "Memory" | "NanoCpus" => Kind::Integer,
            _ => Kind::Any,
        };
        Some((name, Fields(self.0, kind)))
    }

    fn element(self) -> Self {
        Fields(self.0, Kind::Text)
    }
}

fn bodies(criterion: &mut Criterion) {
    let names = CREATE
        .split('"')
        .filter(|word| word.starts_with(char::is_uppercase));
    let fields: HashMap<_, _> = names
        .map(|name| (name.to_ascii_lowercase(), name))
        .collect();
    let shape = Fields(&fields, Kind::Object);
    let limits = Limits::default();
    criterion.bench_function("create-read", |bencher| {
        bencher.iter(|| read(black_box(CREATE.as_bytes()), limits, shape).expect("a tree"));
    });
    criterion.bench_function("create-read-and-write", |bencher| {
        bencher.iter(|| {
            let tree = read(black_box(CREATE.as_bytes()), limits, shape).expect("a tree");
            tree.to_json()
        });
    });
    for (name, body) in [
        ("4-MiB-of-text", format!("[\"{}\"]", "x".repeat(4_000_000))),
        (
            "as-many-values-as-may-be",
            format!("[{}1]", "1,".repeat(99_998)),
        ),
        ("as-many-keys-as-may-be", {
            let keys: Vec<_> = (0..99_999)
                .rev()
                .map(|key| format!("\"{key}\":{{}}"))
                .collect();
            format!("{{{}}}", keys.join(","))
        }),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let tree = read(black_box(body.as_bytes()), limits, Untyped).expect("a tree");
                tree.to_json()
            });
        });
    }
}

criterion_group!(benches, bodies);
criterion_main!(benches);
