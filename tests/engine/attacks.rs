//! More ways to the host, tried as in `terms`: each is refused under `DENY_ROOT`, and without it each
//! reaches, or it is the engine that refuses, for a reason that the row has.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Engine, Gate};
use crate::terms::{ALL, PREPARED, ask};
use crate::wire::{Message, Wire};

/// A request that gives control, and what the engine says where it is not for it.
struct Attack {
    line: String,
    /// More of the head, with CRLF behind each line.
    headers: &'static str,
    body: Vec<u8>,
    /// Words of this engine's refusal: it lacks a plugin, a network peer or a version.
    lacks: Option<&'static str>,
}

const JSON: &str = "Content-Type: application/json\r\n";
const TAR: &str = "Content-Type: application/x-tar\r\n";

fn json(line: impl Into<String>, body: impl Into<String>) -> Attack {
    Attack {
        line: line.into(),
        headers: JSON,
        body: body.into().into_bytes(),
        lacks: None,
    }
}

fn plain(line: impl Into<String>) -> Attack {
    Attack {
        headers: "",
        ..json(line, "")
    }
}

impl Attack {
    fn lacks(self, words: &'static str) -> Attack {
        Attack {
            lacks: Some(words),
            ..self
        }
    }

    /// The status, and what was said if that is no file.
    fn try_on(&self, gate: &Gate) -> (u16, String) {
        let mut client = Wire::tcp(gate.address);
        client.patience(Duration::from_secs(60));
        let close = match self.headers.contains("Upgrade") {
            true => "",
            false => "Connection: close\r\n",
        };
        let head = format!(
            "{} HTTP/1.1\r\nHost: docker\r\n{close}{}Content-Length: {}\r\n\r\n",
            self.line,
            self.headers,
            self.body.len()
        );
        client.send([head.as_bytes(), &self.body].concat());
        if self.line.starts_with("HEAD ") {
            return (client.head().status(), String::new());
        }
        let answer = client.response();
        let is_file = answer.status() == 200 && !self.line.contains("/build");
        let text = if is_file {
            String::new()
        } else {
            answer.text()
        };
        (answer.status(), text)
    }
}

/// Tries each both ways.
#[track_caller]
fn reach(attacks: &[Attack], open: &Gate, shut: &Gate) {
    let mut wrong = Vec::new();
    for attack in attacks {
        let body = match attack.headers {
            TAR => "an archive".into(),
            _ => String::from_utf8_lossy(&attack.body),
        };
        let shown = format!("{} {body}", attack.line);
        let (status, text) = attack.try_on(shut);
        let head = attack.line.starts_with("HEAD ");
        if ![400, 403].contains(&status) || !(head || text.contains("DENY_ROOT")) {
            wrong.push(format!("passes: {status} {shown} {text}"));
        }
        let (status, text) = attack.try_on(open);
        let fine = match attack.lacks {
            None => status < 300 && !text.contains("errorDetail"),
            Some(words) => status >= 400 && text.contains(words) && !text.contains("dockgate: "),
        };
        if !fine {
            wrong.push(format!("does not reach: {status} {shown} {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn gates() -> (Gate, Gate) {
    (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")))
}

/// A tar archive of small files, which all may be run.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut head = [0; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000755\0");
        let size = format!("{:011o}\0", content.len());
        head[124..136].copy_from_slice(size.as_bytes());
        head[148..156].copy_from_slice(b"        ");
        head[156] = b'0';
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(head);
        archive.extend(*content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_other_field_of_a_create_is_a_way() {
    let (open, shut) = gates();
    let name = open
        .sh("docker run -d --name $N-plain -v /etc:/host busybox sleep 600 >/dev/null; echo $N");
    let network = open.sh("docker network inspect -f {{.Id}} host");
    let count = AtomicU32::new(0);
    let create = |body: &str| {
        let body = body
            .replace("NAME", &name)
            .replace("HOST-NETWORK", &network);
        let count = count.fetch_add(1, Ordering::Relaxed);
        json(
            format!("POST /containers/create?name={name}-{count}"),
            format!(r#"{{"Image":"busybox",{body}}}"#),
        )
    };
    let host = |field: &str| create(&format!(r#""HostConfig":{{{field}}}"#));
    let mut attacks: Vec<Attack> = [
        r#""Binds":["/tmp:/h:rshared"]"#,
        r#""Binds":["/etc/passwd:/h"]"#,
        r#""Binds":["/proc:/h"]"#,
        r#""Binds":["/dev:/h:ro"]"#,
        r#""Mounts":[{"Type":"bind","Source":"/tmp/../etc","Target":"/h","BindOptions":{"Propagation":"rshared","NonRecursive":true}}]"#,
        r#""Devices":[{"PathOnHost":"/dev","PathInContainer":"/d","CgroupPermissions":"rwm"}]"#,
        r#""Devices":[{"PathOnHost":"/dev/../dev/full","PathInContainer":"/d","CgroupPermissions":"r"}]"#,
        r#""DeviceCgroupRules":["c 1:1 rw"]"#,
        r#""DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]"#,
        r#""DeviceRequests":[{"Driver":"nvidia","Count":1}]"#,
        r#""DeviceRequests":[{"Driver":"cdi","DeviceIDs":["vendor.com/x=all"]}]"#,
        r#""CapAdd":["CHOWN","CAP_SYS_ADMIN"]"#,
        r#""CapAdd":["SYS_RAWIO"]"#,
        r#""CapAdd":["SYSLOG"]"#,
        // What engines of another time read.
        r#""Capabilities":["SYS_ADMIN"]"#,
        r#""LxcConf":[{"Key":"lxc.mount.entry","Value":"/etc h"}]"#,
        r#""Annotations":{"run.oci.handler":"krun"}"#,
        r#""InitPath":"/bin/sh""#,
        r#""PidMode":"container:NAME-plain""#,
        r#""IpcMode":"container:NAME-plain""#,
        r#""UTSMode":"container:NAME-plain""#,
        r#""Cgroup":"container:NAME-plain""#,
        r#""VolumesFrom":["NAME-plain:rw"]"#,
        r#""NetworkMode":"HOST-NETWORK""#,
        r#""CgroupParent":"../../x""#,
        r#""SecurityOpt":["apparmor:unconfined"]"#,
        r#""SecurityOpt":["apparmor=docker-default","apparmor=unconfined"]"#,
        r#""SecurityOpt":["label:type:spc_t"]"#,
        r#""SecurityOpt":["no-new-privileges","label=disable"]"#,
        r#""SecurityOpt":["disable"]"#,
        r#""SecurityOpt":["no-new-privileges:false"]"#,
        r#""MaskedPaths":["/proc/kcore"],"ReadonlyPaths":[]"#,
        r#""Runtime":"io.containerd.runtime.v1.linux""#,
        r#""Runtime":"io.containerd.runc.v2""#,
        r#""Sysctls":{"kernel.modprobe":"/x"}"#,
        r#""LogConfig":{"Type":"fluentd","Config":{"fluentd-address":"unix:///var/run/docker.sock"}}"#,
        r#""LogConfig":{"Type":"fluentd","Config":{"fluentd-address":"127.0.0.1:24224"}}"#,
        r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"unix:///dev/null"}}"#,
        r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"tcp+tls://127.0.0.1:1","syslog-tls-ca-cert":"/etc/passwd"}}"#,
        r#""LogConfig":{"Type":"splunk","Config":{"splunk-token":"x","splunk-url":"http://127.0.0.1","splunk-capath":"/etc/passwd"}}"#,
        r#""LogConfig":{"Type":"awslogs","Config":{"awslogs-endpoint":"http://127.0.0.1","awslogs-group":"x","awslogs-region":"x"}}"#,
        r#""LogConfig":{"Type":"gcplogs"}"#,
    ]
    .into_iter()
    .map(host)
    .collect();
    attacks.extend(
        [
            r#""CapAdd":["ALL"]"#,
            r#""SecurityOpt":["seccomp=unconfined"]"#,
            r#""Devices":[{"PathOnHost":"/dev/full","PathInContainer":"/d","CgroupPermissions":"rwm"}]"#,
            r#""NetworkMode":"host""#,
            r#""UsernsMode":"host""#,
            r#""Mounts":[{"Type":"bind","Source":"/etc","Target":"/h"}]"#,
            r#""VolumesFrom":["NAME-plain"]"#,
            r#""Runtime":"io.containerd.runc.v2""#,
            r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"udp://127.0.0.1:514"}}"#,
            r#""Binds":["/:/h"],"HostConfig":null"#,
            r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"DriverOpts":{"com.docker.network.endpoint.sysctls":"net.ipv4.conf.IFNAME.log_martians=1"}}}}"#,
            r#""HostConfig":{"NetworkMode":"bridge"},"NetworkingConfig":{"EndpointsConfig":{"bridge":{"Links":["NAME-plain:x"]}}}"#,
        ]
        .map(create),
    );
    for (field, words) in [
        (r#""VolumeDriver":"nope","Binds":["NAME-y:/h"]"#, "plugin"),
        (
            r#""Mounts":[{"Type":"volume","Source":"NAME-x","Target":"/h","VolumeOptions":{"DriverConfig":{"Name":"nope"}}}]"#,
            "plugin",
        ),
        (r#""LogConfig":{"Type":"nope"}"#, "nope"),
        (r#""Runtime":"kata""#, "kata"),
        // The CLI's own word for empty MaskedPaths.
        (
            r#""SecurityOpt":["systempaths=unconfined"]"#,
            "security-opt",
        ),
    ] {
        attacks.push(host(field).lacks(words));
    }
    reach(&attacks, &open, &shut);
    open.sh("docker rm -fv $(docker ps -aqf name=$N-) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_other_route_leads_into_a_container_with_more_power() {
    let (open, shut) = gates();
    open.sh(&format!("({PREPARED}) >/dev/null"));
    let name = open.sh("echo $N");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://docker\r\n";
    let mut attacks = Vec::new();
    for power in ["bound", "root", "heir", "weak"] {
        let at = format!("/containers/{name}-{power}");
        attacks.extend([
            Attack {
                headers: TAR,
                body: tar(&[("x", b"x")]),
                ..plain(format!("PUT {at}/archive?path=/tmp"))
            },
            plain(format!("HEAD {at}/archive?path=/etc")),
            plain(format!("GET {at}/export")),
            // As old versions copy.
            json(
                format!("POST /v1.23{at}/copy"),
                r#"{"Resource":"/etc/passwd"}"#,
            ),
            json(
                format!(
                    "POST /commit?repo={name}-{power}&container={name}-{power}&changes=USER%20root"
                ),
                "{}",
            ),
        ]);
    }
    attacks.push(Attack {
        headers: upgrade,
        ..plain(format!(
            "GET /containers/{name}-bound/attach/ws?stream=1&stdin=1"
        ))
    });
    // A body of a start is a HostConfig below API 1.24.
    let fresh = open.sh("docker create busybox true");
    attacks.push(json(
        format!("POST /v1.23/containers/{fresh}/start"),
        r#"{"Binds":["/etc:/h"]}"#,
    ));
    // An exec that runs already.
    let running = open.sh(
        "curl -s --unix-socket $SOCKET -H 'Content-Type: application/json' \
         -d '{\"Cmd\":[\"sleep\",\"600\"],\"Tty\":true}' http://x/containers/$N-bound/exec | cut -d'\"' -f4",
    );
    open.sh(&format!(
        "curl -s --unix-socket $SOCKET -H 'Content-Type: application/json' \
         -d '{{\"Detach\":true,\"Tty\":true}}' http://x/exec/{running}/start"
    ));
    attacks.push(plain(format!("POST /exec/{running}/resize?h=9&w=9")));
    // Only an experimental engine has them.
    for line in [
        format!("GET /containers/{name}-plain/checkpoints?dir=/tmp"),
        format!("DELETE /containers/{name}-plain/checkpoints/a?dir=/tmp"),
    ] {
        attacks.push(plain(line).lacks("experimental"));
    }
    let checkpoint = r#"{"CheckpointID":"a","CheckpointDir":"/tmp"}"#;
    attacks.push(
        json(
            format!("POST /containers/{name}-plain/checkpoints"),
            checkpoint,
        )
        .lacks("experimental"),
    );
    for query in ["checkpoint=a", "checkpoint=a&checkpoint-dir=/tmp"] {
        let line = format!("POST /containers/{name}-root/start?{query}");
        attacks.push(plain(line).lacks("experimental"));
    }
    reach(&attacks, &open, &shut);
    assert_eq!(
        open.sh(&format!(
            "docker inspect -f {{{{.HostConfig.Binds}}}} {fresh}"
        )),
        "[/etc:/h]"
    );
    open.sh(&format!("docker rm -fv {fresh} $(docker ps -aqf name=$N-) >/dev/null; docker rmi $(docker images -q \"$N-*\" | sort -u) >/dev/null"));
}

/// The name of a plain container and of a powerful one change hands all the time.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_name_that_changes_hands_while_it_is_judged_is_no_way() {
    let (open, shut) = gates();
    let name = open.sh("docker run -d --name $N-plain busybox sleep 600 >/dev/null
         docker run -d --name $N-bound -v /etc:/host busybox sleep 600 >/dev/null; echo $N");
    let [own, bound] = ["plain", "bound"]
        .map(|one| open.sh(&format!("docker inspect -f {{{{.Id}}}} {name}-{one}")));
    let rename = |id: &str, to: &str| {
        let line = format!("POST /containers/{id}/rename?name={name}-{to}");
        assert_eq!(plain(line).try_on(&open).0, 204);
    };
    thread::scope(|scope| {
        let renames = scope.spawn(|| {
            for _ in 0..100 {
                rename(&own, "aside");
                rename(&bound, "plain");
                rename(&bound, "bound");
                rename(&own, "plain");
            }
        });
        let (mut made, mut others) = (0, 0);
        while !renames.is_finished() || made == 0 {
            let body = r#"{"Cmd":["true"]}"#;
            let exec = made_exec(&shut, &format!("POST /containers/{name}-plain/exec"), body);
            match exec {
                Some(exec) => {
                    let of = open.sh(&format!(
                        "curl -s --unix-socket $SOCKET http://x/exec/{exec}/json"
                    ));
                    assert!(of.contains(&own) && !of.contains(&bound), "{of}");
                    made += 1;
                }
                None => others += 1,
            }
        }
        println!("{made} commands in the plain one, {others} refused or without a container");
    });
    open.sh(&format!("docker rm -f {own} {bound} >/dev/null"));
}

/// The ID of an exec, if it was made.
fn made_exec(gate: &Gate, line: &str, body: &str) -> Option<String> {
    let mut client = Wire::tcp(gate.address);
    let length = body.len();
    client.send(format!(
        "{line} HTTP/1.1\r\nHost: docker\r\n{JSON}Content-Length: {length}\r\n\r\n{body}"
    ));
    let answer: Message = client.response();
    (answer.status() == 201).then(|| answer.text().split('"').nth(3).expect("an ID").to_owned())
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_other_object_made_first_is_a_way() {
    let (open, shut) = gates();
    let name = open.sh(
        "docker run -d --name $N-plain busybox sleep 600 >/dev/null
         docker network create $N-net >/dev/null
         docker network create --config-only $N-config >/dev/null
         docker network create -o com.docker.network.bridge.name=dg$$ $N-bridge >/dev/null; echo $N",
    );
    let mut count = 0;
    let mut made = |route: &str, rest: &str| {
        count += 1;
        let rest = rest.replace("NAME", &name);
        json(route, format!(r#"{{"Name":"{name}-made-{count}",{rest}}}"#))
    };
    let mut attacks: Vec<Attack> = [
        r#""DriverOpts":{"type":"cifs","device":"//x/y","o":"addr=127.0.0.1,username=u"}"#,
        r#""DriverOpts":{"type":"proc","device":"proc"}"#,
        r#""DriverOpts":{"type":"none","o":"rbind","device":"/"}"#,
        r#""DriverOpts":{"type":"","o":"bind","device":"/tmp/../etc"}"#,
        r#""DRIVEROPTS":{"type":"none","o":"bind","device":"/etc"},"Labels":null"#,
        r#""ClusterVolumeSpec":{"Group":"x"}"#,
    ]
    .map(|rest| made("POST /volumes/create", rest))
    .into();
    attacks.extend(
        [
            r#""Driver":"macvlan","Options":{"parent":"docker0"}"#,
            r#""Driver":"bridge","ConfigFrom":{"Network":"NAME-config"}"#,
        ]
        .map(|rest| made("POST /networks/create", rest)),
    );
    for (rest, words) in [
        (r#""Driver":"nope""#, "nope"),
        (r#""IPAM":{"Driver":"nope"}"#, "nope"),
        (r#""driver":"host""#, "only one instance"),
        (r#""Driver":"ipvlan","Options":{"parent":"lo"}"#, "loopback"),
    ] {
        attacks.push(made("POST /networks/create", rest).lacks(words));
    }
    attacks.push(made("POST /volumes/create", r#""Driver":"nope""#).lacks("plugin"));
    for (network, rest) in [
        (
            "net",
            r#","EndpointConfig":{"DriverOpts":{"com.docker.network.endpoint.sysctls":"x"}}"#,
        ),
        ("bridge", ""),
    ] {
        let line = format!("POST /networks/{name}-{network}/connect");
        attacks.push(json(
            line,
            format!(r#"{{"Container":"{name}-plain"{rest}}}"#),
        ));
    }
    reach(&attacks, &open, &shut);
    open.sh("docker rm -fv $N-plain >/dev/null
         docker network rm $(docker network ls -f name=$N- --format {{.Name}} | sort -r) >/dev/null
         docker volume rm $(docker volume ls -q -f name=$N-) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_build_and_no_plugin_is_a_way() {
    let (open, shut) = gates();
    // Something for the engine to fetch.
    let served = open.sh(
        "docker run -d --name $N busybox sh -c \
         'mkdir /www; printf \"FROM busybox\\nRUN true\\n\" >/www/Dockerfile; httpd -f -h /www' >/dev/null
         docker inspect -f {{.NetworkSettings.IPAddress}} $N",
    );
    let name = open.sh("echo $N");
    let context = tar(&[("Dockerfile", b"FROM busybox\nRUN echo\n")]);
    let build = |query: &str| Attack {
        headers: TAR,
        body: context.clone(),
        ..plain(format!("POST /build?rm=1&{query}"))
    };
    let mut attacks: Vec<Attack> = [
        "networkmode=host",
        "networkmode=bridge&networkmode=host",
        &format!("networkmode=container:{name}"),
        "cgroupparent=/x",
        "cgrouppar%65nt=/x",
        "version=2",
        "foo=1",
        "outputs=%5B%7B%22Type%22%3A%22local%22%7D%5D",
    ]
    .map(build)
    .into();
    attacks.push(plain(format!(
        "POST /build?remote=http://{served}/Dockerfile"
    )));
    attacks.push(plain(format!(
        "POST /build?rem%6fte=http://{served}/Dockerfile"
    )));
    attacks.push(build("securityopt=seccomp%3Dunconfined").lacks("security options"));
    attacks.push(build("isolation=x").lacks("isolation"));
    let upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
    for line in ["POST /session", "POST /grpc"] {
        attacks.push(Attack {
            headers: upgrade,
            ..plain(line)
        });
    }
    // A plugin is a program that runs as root, with what it says that it needs.
    let config = br#"{"description":"","documentation":"","entrypoint":["/bin/sleep","600"],
        "interface":{"types":["docker.dummy/1.0"],"socket":"x.sock"},"network":{"type":"host"},
        "mounts":[{"name":"m","source":"/etc","destination":"/h","type":"bind","options":["rbind"],"description":"","settable":["source"]}],
        "env":[],"args":{"name":"a","description":"","settable":["value"],"value":[]},
        "linux":{"capabilities":[],"allowAllDevices":true,"devices":[]}}"#;
    let program = std::fs::read("/bin/busybox").expect("busybox-static");
    attacks.extend([
        Attack {
            headers: TAR,
            body: tar(&[("config.json", config), ("rootfs/bin/sleep", &program)]),
            ..plain(format!("POST /plugins/create?name={name}"))
        },
        json(format!("POST /plugins/{name}/set"), r#"["m.source=/"]"#),
        // It starts, and does not say anything.
        plain(format!("POST /plugins/{name}/enable?timeout=1")).lacks("sock"),
        json(
            format!("POST /plugins/{name}/upgrade?remote=127.0.0.1:1/x"),
            "[]",
        )
        .lacks("refused"),
        json("POST /plugins/pull?remote=127.0.0.1:1/x&name=y", "[]").lacks("refused"),
    ]);
    reach(&attacks, &open, &shut);
    open.sh("docker rm -f $N >/dev/null; docker plugin rm -f $N >/dev/null");
}

/// Everything but a plain service, and all that a manager does. An engine of its own: a swarm changes it.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_swarm_is_a_way() {
    let engine = Engine::fresh();
    let open = Gate::before(&engine.socket(), ALL);
    let shut = Gate::before(&engine.socket(), &format!("{ALL} DENY_ROOT"));
    let init = r#"{"ListenAddr":"127.0.0.1:2377","AdvertiseAddr":"127.0.0.1"}"#;
    let join = r#"{"ListenAddr":"127.0.0.1:2377","RemoteAddrs":["127.0.0.1:1"],"JoinToken":"x"}"#;
    reach(
        &[
            json("POST /swarm/join", join).lacks("token"),
            json("POST /swarm/init", init),
        ],
        &open,
        &shut,
    );
    let node = open.sh("docker node inspect self -f {{.ID}}");
    let version = |what: &str| open.sh(what);
    let swarm = version(
        "curl -s --unix-socket $SOCKET http://x/swarm | grep -o '\"Index\":[0-9]*' | head -1 | cut -d: -f2",
    );
    let at = version(&format!(
        "docker node inspect -f {{{{.Version.Index}}}} {node}"
    ));
    let mut count = 0;
    let mut service = |task: &str, rest: &str| {
        count += 1;
        json(
            "POST /services/create",
            format!(
                r#"{{"Name":"s{count}","TaskTemplate":{{{task}}},"Mode":{{"Replicated":{{"Replicas":0}}}}{rest}}}"#
            ),
        )
    };
    let mut attacks: Vec<Attack> = [
        r#""Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]"#,
        r#""mounts":[{"type":"bind","source":"/etc","target":"/h"}]"#,
        r#""Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Name":"nope"}}}]"#,
        r#""Privileges":{"SELinuxContext":{"Disable":true}}"#,
        r#""Privileges":{"Seccomp":{"Mode":"unconfined"}}"#,
        r#""Privileges":{"AppArmor":{"Mode":"disabled"}}"#,
        r#""CapabilityAdd":["CAP_SYS_ADMIN"]"#,
        r#""Sysctls":{"kernel.core_pattern":"x"}"#,
    ]
    .map(|spec| service(&format!(r#""ContainerSpec":{{"Image":"busybox",{spec}}}"#), ""))
    .into();
    let plain_spec = r#""ContainerSpec":{"Image":"busybox"}"#;
    attacks.extend([
        service(&format!(r#"{plain_spec},"Networks":[{{"Target":"host"}}]"#), ""),
        service(plain_spec, r#","Networks":[{"Target":"host"}]"#),
        service(&format!(r#"{plain_spec},"LogDriver":{{"Name":"syslog","Options":{{"syslog-address":"udp://127.0.0.1:514"}}}}"#), ""),
        service(r#""Runtime":"plugin","PluginSpec":{"Name":"x","Remote":"127.0.0.1:1/x"}"#, "").lacks("lugin"),
        json(format!("POST /nodes/{node}/update?version={at}"), r#"{"Role":"manager","Availability":"active"}"#),
        json(format!("POST /swarm/update?version={swarm}"), r#"{"Name":"default","Orchestration":{"TaskHistoryRetentionLimit":4}}"#),
        plain("GET /swarm/unlockkey"),
        json("POST /swarm/unlock", r#"{"UnlockKey":"SWMKEY-1-x"}"#).lacks("swarm"),
    ]);
    reach(&attacks, &open, &shut);
    // An update is another create.
    open.sh("docker service create --detach --replicas 0 --name plain busybox sleep 600");
    let at = version("docker service inspect -f {{.Version.Index}} plain");
    let id = version("docker service inspect -f {{.ID}} plain");
    let bound = r#"{"Name":"plain","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]}},"Mode":{"Replicated":{"Replicas":0}}}"#;
    reach(
        &[json(
            format!("POST /services/{id}/update?version={at}"),
            bound,
        )],
        &open,
        &shut,
    );
    open.sh("docker swarm leave --force");
}

/// Another policy holds for an address and for a host name: nobody else gets these.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_client_becomes_one_with_another_policy() {
    let others = r#"{"policies":{"boss":{"CONTAINERS":1}},"clients":[{"from":"127.0.0.1","policy":"default"},{"from":"10.213.9.9","policy":"boss"},{"from":"boss.example","policy":"boss"}]}"#;
    let open = Gate::new(&format!("{ALL} CONFIG_DATA={others}"));
    let shut = Gate::new(&format!("{ALL} DENY_ROOT CONFIG_DATA={others}"));
    let name = open.sh("docker create --name $N-plain busybox sleep 600 >/dev/null
         docker network create $N-net >/dev/null
         docker network create --subnet 10.213.9.0/24 $N-boss >/dev/null; echo $N");
    let body = |rest: &str| format!(r#"{{"Image":"busybox"{}}}"#, rest.replace("NAME", &name));
    let create = |rest: &str| json("POST /containers/create", body(rest));
    let attacks = [
        create(r#","Hostname":"boss.example""#),
        create(
            r#","HostConfig":{"NetworkMode":"NAME-net"},"NetworkingConfig":{"EndpointsConfig":{"NAME-net":{"Aliases":["boss"]}}}"#,
        ),
        create(r#","HostConfig":{"NetworkMode":"NAME-boss"}"#),
        create(
            r#","HostConfig":{"NetworkMode":"NAME-boss"},"NetworkingConfig":{"EndpointsConfig":{"NAME-boss":{"IPAMConfig":{"IPv4Address":"10.213.9.9"}}}}"#,
        ),
        json("POST /containers/create?name=boss.example", body("")),
        json(
            format!("POST /networks/{name}-boss/connect"),
            format!(r#"{{"Container":"{name}-plain"}}"#),
        ),
        json(
            format!("POST /networks/{name}-net/connect"),
            format!(
                r#"{{"Container":"{name}-plain","EndpointConfig":{{"Aliases":["boss.example"]}}}}"#
            ),
        ),
        plain(format!("POST /containers/{name}-plain/rename?name=boss")),
        json(
            "POST /networks/create",
            format!(
                r#"{{"Name":"{name}-other","IPAM":{{"Config":[{{"Subnet":"10.213.8.0/23"}}]}}}}"#
            ),
        )
        .lacks("overlaps"),
    ];
    reach(&attacks, &open, &shut);
    // The same for nobody in particular is nothing special.
    let (status, text) = ask(
        &shut,
        "POST /containers/create",
        &body(r#","Hostname":"worker""#),
    );
    assert!(
        status == 403 && text.contains("another policy") || status == 201,
        "{status} {text}"
    );
    open.sh(
        "docker rm -f boss boss.example $(docker ps -aqf network=$N-net) $(docker ps -aqf network=$N-boss) $(docker ps -aqf name=$N-) 2>/dev/null >/dev/null || true
         docker network rm $N-net $N-boss >/dev/null",
    );
}
