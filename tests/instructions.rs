//! How many instructions a request costs dockgate, counted by valgrind: the same on a busy machine
//! as on an idle one, so that a regression fails where a clock could not tell.
//!
//! Only the release build's figures mean anything: `scripts/test` runs this with `--release`.

mod support;

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use support::dockgate::{Dockgate, free_address};
use support::{Engine, Wire};

/// What the docker CLI sends.
const ALLOWED: &str = "GET /v1.51/containers/json?all=1 HTTP/1.1\r\n\
     Host: api.moby.localhost\r\nUser-Agent: Docker-Client/28.5.2 (linux)\r\n\r\n";
const DENIED: &str = "POST /v1.51/containers/create HTTP/1.1\r\nHost: api.moby.localhost\r\n\
     User-Agent: Docker-Client/28.5.2 (linux)\r\nContent-Length: 0\r\n\r\n";
/// What the engine answers, in form.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n\
     Docker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.5.2 (linux)\r\n\
     Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\n[]";

/// What the docker CLI sends for a `docker run` with a few options, of 2 KiB.
const CREATE: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","LANG=C.UTF-8","SOME_SETTING=of a program that somebody runs"],"Cmd":["sh","-c","while true; do date; sleep 60; done"],"Image":"docker.io/library/busybox:latest","Volumes":{},"WorkingDir":"/srv","Entrypoint":null,"OnBuild":null,"Labels":{"com.docker.compose.project":"example","com.docker.compose.service":"web","com.docker.compose.version":"2.30.3"},"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},"RestartPolicy":{"Name":"unless-stopped","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":["ALL"],"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":true,"SecurityOpt":["no-new-privileges"],"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":67108864,"NanoCpus":500000000,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":100,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"default":null}}}"#;

/// Measured 35 200 and 19 300; each has a tenth of air for another libc or compiler.
const MOST_ALLOWED: u64 = 38_500;
const MOST_DENIED: u64 = 21_000;
/// A create that is judged may take 60 µs, which is about this many.
const MOST_JUDGED: u64 = 200_000;

#[test]
#[ignore = "needs valgrind and a release build: run scripts/test"]
fn a_request_costs_no_more_than_it_did() {
    if cfg!(debug_assertions) {
        panic!("a debug build counts nothing of interest: cargo test --release");
    }
    let (allowed, denied) = (cost(ALLOWED, &[]), cost(DENIED, &[]));
    println!("instructions: {allowed} for an allowed request, {denied} for a denied one");
    let create = format!(
        "POST /v1.51/containers/create HTTP/1.1\r\nHost: api.moby.localhost\r\n\
         User-Agent: Docker-Client/28.5.2 (linux)\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{CREATE}",
        CREATE.len()
    );
    let streamed = cost(&create, &[("POST", "1")]);
    let judged = cost(&create, &[("POST", "1"), ("DENY_ROOT", "1")]);
    let listed = cost(ALLOWED, &[("POST", "1"), ("DENY_ROOT", "1")]);
    println!(
        "a create takes {streamed}, and {judged} if it is judged; a list {listed} beside that"
    );
    assert!(judged <= MOST_JUDGED, "{judged} > {MOST_JUDGED}");
    assert!(listed <= MOST_ALLOWED, "{listed} > {MOST_ALLOWED}");
    assert!(allowed <= MOST_ALLOWED, "{allowed} > {MOST_ALLOWED}");
    assert!(denied <= MOST_DENIED, "{denied} > {MOST_DENIED}");
}

/// Instructions of one such request: the difference between many and few of them.
fn cost(request: &str, settings: &[(&str, &str)]) -> u64 {
    const FEW: u64 = 200;
    const MANY: u64 = 1200;
    (counted(request, settings, MANY) - counted(request, settings, FEW)) / (MANY - FEW)
}

/// Instructions of a whole run with so many requests on one connection.
fn counted(request: &str, settings: &[(&str, &str)], requests: u64) -> u64 {
    let engine = Engine::start();
    engine.serve(|_| ANSWER.into());
    let address = free_address();
    let listen = format!("tcp://{address}");
    let out = engine.directory().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env!("CARGO_BIN_EXE_dockgate"))
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("CONTAINERS", "1"), ("LISTEN", &listen)])
        .env("SOCKET_PATH", engine.path())
        .envs(settings.iter().copied());
    let mut dockgate = Dockgate::spawn(&mut command);
    dockgate.listens(&listen);
    let mut client = Wire::tcp(address);
    for _ in 0..requests {
        client.send(request);
        client.response();
    }
    drop(client);
    dockgate.signal(Signal::TERM);
    dockgate.exit_within(Duration::from_secs(30));
    // `==1234== Collected : 126267534`
    dockgate
        .lines()
        .iter()
        .find_map(|line| line.split_once("Collected : ")?.1.parse().ok())
        .unwrap_or_else(|| panic!("valgrind counted nothing:\n{}", dockgate.log()))
}
