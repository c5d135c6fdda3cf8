//! How long it takes to read a body and to write it anew: what `docker run` sends, and what is made
//! to take long.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dockgate::api::fields::Body;
use dockgate::api::{Method, Target};
use dockgate::body::Place;
use dockgate::body::json::{Limits, Untyped, read};
use dockgate::body::reach::{Engine, asked};

/// Of Docker's own client, with a few options, 2 KiB.
const CREATE: &str = r#"{"Hostname":"","Domainname":"","User":"1000:1000","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"8080/tcp":{}},"Tty":true,"OpenStdin":true,"StdinOnce":true,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin","LANG=C.UTF-8","CI=true"],"Cmd":["sh","-c","make -C /src \"check\""],"Healthcheck":{"Test":["CMD","curl","-f","http://localhost:8080/"],"Interval":30000000000,"Timeout":5000000000,"Retries":3},"Image":"registry.example.com/team/builder:1.27-bookworm","Volumes":{"/cache":{}},"WorkingDir":"/src","Entrypoint":null,"OnBuild":null,"Labels":{"com.example.team":"ci","com.example.job":"4711","maintainer":"Jos\u00e9"},"HostConfig":{"Binds":["/srv/ci/src:/src:ro","cache:/var/cache"],"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"ci","PortBindings":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[50,120],"CapAdd":null,"CapDrop":["ALL"],"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":["no-new-privileges"],"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":2147483648,"NanoCpus":1500000000,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":null,"PidsLimit":512,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"ci":{"IPAMConfig":null,"Links":null,"Aliases":["builder"],"MacAddress":"","DriverOpts":null,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

fn bodies(criterion: &mut Criterion) {
    let target = Target::from_line("POST", "/containers/create").expect("a target");
    let body = Body::of(Method::Post, &target).expect("a body");
    let limits = Limits::default();
    let create = || read(black_box(CREATE.as_bytes()), limits, Place::of(body)).expect("a tree");
    criterion.bench_function("create-read", |bencher| bencher.iter(create));
    criterion.bench_function("create-read-and-write", |bencher| {
        bencher.iter(|| create().to_json());
    });
    // All that DENY_ROOT does with a body, if it needs no answer of the engine.
    criterion.bench_function("create-judged", |bencher| {
        let engine = Engine::default();
        bencher.iter(|| {
            let mut tree = create();
            let claims = asked(body, &tree, &engine).expect("few claims");
            tree.retain(Place::of(body), &mut |_, place, _| {
                place.is_some_and(|place| !place.legacy)
            });
            (claims.len(), tree.to_json())
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
