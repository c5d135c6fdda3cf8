//! Limits: what they list is forwarded, all else is refused by name, and what is missing is written in.

use std::time::Duration;

use crate::support::gate::EMPTY;
use crate::support::{Gate, Message, Wire};

/// Each limit, with something that is listed.
const LIMITS: [(&str, &str); 21] = [
    ("BIND_FROM", "/srv/ci, /data:ro"),
    ("VOLUMES_NAMED", "cache-*"),
    ("IMAGE_FROM", "docker.io/library/*"),
    ("TAG_AS", "ci/*"),
    ("CAP_ADD", "NET_ADMIN"),
    ("DEVICES", "/dev/dri"),
    ("NAMESPACES", "network:host"),
    ("SECURITY", "seccomp=unconfined"),
    ("RUNTIMES", "runsc"),
    ("LOG_DRIVERS", "local"),
    ("VOLUME_DRIVERS", "local"),
    ("NETWORK_DRIVERS", "bridge"),
    ("NETWORKS_JOINED", "ci-*"),
    ("SYSCTLS", "net.core.somaxconn"),
    ("PUBLISH", "127.0.0.1:8000-8999"),
    ("RUN_AS", "nonroot"),
    ("EXEC_COMMANDS", r#"["ls", "*"]"#),
    ("MEMORY_MAX", "2g"),
    ("CPUS_MAX", "1.5"),
    ("PIDS_MAX", "512"),
    ("REQUIRE", "label:team"),
];

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    format!("POST {path} HTTP/1.1\r\nHost: docker\r\n{kind}Content-Length: {length}\r\n\r\n{body}")
}

fn create(config: &str) -> String {
    let body = format!(
        r#"{{"Image":"busybox","User":"1000","Labels":{{"team":"ci"}},"HostConfig":{{{config}}}}}"#
    );
    post("/v1.41/containers/create", &body)
}

/// An engine that has networks of any name, a version and nothing else, and tells back what it is asked to do.
fn engine(asked: &Message) -> Vec<u8> {
    let line = asked.head.line.as_str();
    let (status, body) = match line.strip_prefix("GET /networks/") {
        Some(name) => {
            let name = name.split(' ').next().unwrap_or_default();
            (
                "200 OK",
                format!(r#"{{"Name":"{name}","Driver":"bridge"}}"#),
            )
        }
        None if line.starts_with("GET /version ") => {
            ("200 OK", r#"{"ApiVersion":"1.41"}"#.to_owned())
        }
        None if line.starts_with("GET ") => {
            ("404 Not Found", r#"{"message":"not here"}"#.to_owned())
        }
        None => ("200 OK", format!("{line}\n{}", asked.text())),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What a request comes to: what the engine got of it, or why it was refused.
fn told(gate: &Gate, request: &str) -> String {
    let response = gate.sent(request).response();
    match response.status() {
        200 => response.text(),
        403 => {
            let json: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
            let text = json["message"].as_str().expect("a message");
            let (_, why) = text.split_once(" is not allowed: ").expect("a denial");
            why.to_owned()
        }
        status => format!("{status} {}", response.text()),
    }
}

#[test]
fn each_limit_allows_what_it_lists_and_names_what_it_does_not() {
    let gate = Gate::open_with(&LIMITS);
    gate.engine.serve(engine);
    for config in [
        "",
        r#""Binds":["/srv/ci:/x","/data:/d:ro","cache-1:/c"]"#,
        r#""CapAdd":["NET_ADMIN"],"Devices":[{"PathOnHost":"/dev/dri"}]"#,
        r#""Runtime":"runsc","SecurityOpt":["seccomp=unconfined"],"LogConfig":{"Type":"local"}"#,
        r#""NetworkMode":"host""#,
        r#""NetworkMode":"ci-1","Sysctls":{"net.core.somaxconn":"1"}"#,
        r#""PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}"#,
        r#""Memory":8388608,"NanoCpus":1000000000,"PidsLimit":64"#,
    ] {
        let got = told(&gate, &create(config));
        assert!(
            got.starts_with("POST /v1.41/containers/create "),
            "{config}: {got}"
        );
        let ceilings = [r#""Memory":"#, r#""NanoCpus":"#, r#""PidsLimit":"#];
        assert!(ceilings.iter().all(|field| got.contains(field)), "{got}");
    }
    for (config, why) in [
        (
            r#""Binds":["/etc:/x"]"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro",
        ),
        (
            r#""Binds":["/srv/ci/../../etc:/x"]"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci, /data:ro",
        ),
        (
            r#""Binds":["db:/x"]"#,
            "HostConfig.Binds[0]: db is not allowed: VOLUMES_NAMED has cache-*",
        ),
        (
            r#""CapAdd":["SYS_ADMIN"]"#,
            "HostConfig.CapAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN",
        ),
        (
            r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
            "HostConfig.Devices[0]: /dev/sda is not allowed: DEVICES has /dev/dri",
        ),
        (
            r#""PidMode":"host""#,
            "HostConfig.PidMode: host is not allowed: NAMESPACES has network:host",
        ),
        (
            r#""SecurityOpt":["apparmor=unconfined"]"#,
            "HostConfig.SecurityOpt[0]: apparmor=unconfined is not allowed: SECURITY has seccomp=unconfined",
        ),
        (
            r#""LogConfig":{"Type":"syslog"}"#,
            "HostConfig.LogConfig.Type: syslog is not allowed: LOG_DRIVERS has local",
        ),
        (
            r#""Sysctls":{"kernel.core_pattern":"x"}"#,
            "HostConfig.Sysctls[\"kernel.core_pattern\"]: kernel.core_pattern is not allowed: SYSCTLS has net.core.somaxconn",
        ),
        (
            r#""PublishAllPorts":true"#,
            "HostConfig.PublishAllPorts: 0 is not allowed: PUBLISH has 127.0.0.1:8000-8999",
        ),
        (
            r#""NetworkMode":"db""#,
            "HostConfig.NetworkMode: db is not allowed: NETWORKS_JOINED has ci-*",
        ),
        (
            r#""Memory":3221225472"#,
            "HostConfig.Memory: 3221225472 is not allowed: MEMORY_MAX has 2g",
        ),
        (
            r#""NanoCpus":2000000000"#,
            "HostConfig.NanoCpus: 2000000000 is not allowed: CPUS_MAX has 1.5",
        ),
        (
            r#""PidsLimit":-1"#,
            "HostConfig.PidsLimit: -1 is not allowed: PIDS_MAX has 512",
        ),
    ] {
        assert_eq!(told(&gate, &create(config)), why, "{config}");
    }
    for (path, body, why) in [
        (
            "/containers/create",
            r#"{"Image":"evil/x","User":"1","Labels":{"team":""}}"#,
            "Image: evil/x is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        (
            "/containers/create",
            r#"{"Image":"busybox","User":"0","Labels":{"team":""}}"#,
            "User: 0 is not allowed: RUN_AS has nonroot",
        ),
        (
            "/containers/create",
            r#"{"Image":"busybox","User":"1"}"#,
            "Labels[\"team\"] is missing: REQUIRE has label:team",
        ),
        (
            "/containers/x/exec",
            r#"{"User":"1","Cmd":["sh"]}"#,
            "Cmd: [\"sh\"] is not allowed: EXEC_COMMANDS has [\"ls\", \"*\"]",
        ),
        (
            "/containers/x/update",
            r#"{"Memory":3221225472}"#,
            "Memory: 3221225472 is not allowed: MEMORY_MAX has 2g",
        ),
        (
            "/volumes/create",
            r#"{"Name":"cache-1","Driver":"sshfs"}"#,
            "Driver: sshfs is not allowed: VOLUME_DRIVERS has local",
        ),
        (
            "/volumes/create",
            r#"{"Name":"db"}"#,
            "Name: db is not allowed: VOLUMES_NAMED has cache-*",
        ),
        (
            "/networks/create",
            r#"{"Name":"x","Driver":"macvlan"}"#,
            "Driver: macvlan is not allowed: NETWORK_DRIVERS has bridge",
        ),
        (
            "/networks/db/connect",
            r#"{"Container":"x"}"#,
            "the network: db is not allowed: NETWORKS_JOINED has ci-*",
        ),
        (
            "/networks/ci-1/connect",
            r#"{"Container":"x","EndpointConfig":{"NetworkID":"db"}}"#,
            "EndpointConfig.NetworkID: db is not allowed: NETWORKS_JOINED has ci-*",
        ),
        (
            "/images/create?fromImage=evil/x&tag=1",
            "",
            "fromImage: evil/x:1 is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        (
            "/images/busybox/tag?repo=nginx",
            "",
            "repo: nginx is not allowed: TAG_AS has ci/*",
        ),
        (
            "/images/load",
            "",
            "image: load is not allowed: TAG_AS has ci/*",
        ),
        (
            "/session",
            "",
            "BIND_FROM (BuildKit's own calls cannot be judged; set DOCKER_BUILDKIT=0 where the client runs) is set; unset it to allow this request",
        ),
    ] {
        let told = told(&gate, &post(path, body));
        let told = told.replace("Labels[team]", "Labels[\"team\"]");
        assert_eq!(told, why, "{path} {body}");
    }
    for (path, body) in [
        ("/images/create?fromImage=busybox&tag=1", ""),
        ("/volumes/create", r#"{"Name":"cache-1"}"#),
        ("/networks/ci-1/connect", r#"{"Container":"x"}"#),
        ("/networks/create", r#"{"Name":"x","Driver":"bridge"}"#),
        ("/containers/x/update", r#"{"Memory":8388608}"#),
        ("/commit?container=x&repo=ci%2fx", ""),
        ("/containers/x/stop", ""),
    ] {
        let got = told(&gate, &post(path, body));
        assert_eq!(got, format!("POST {path} HTTP/1.1\n{body}"));
    }
}

/// A header of an archive, and a Dockerfile.
fn archive(file: &str) -> Vec<u8> {
    let mut header = [0; 512];
    header[..10].copy_from_slice(b"Dockerfile");
    header[124..136].copy_from_slice(format!("{:011o}\0", file.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = [&header[..], file.as_bytes()].concat();
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

const BUILD: &str =
    "POST /v1.41/build?t=ci%2fa HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
const END: [u8; 10_240] = [0; 10_240];

/// A build whose archive has come, but for its end: the client, the engine, which has so many bytes of it,
/// and the rest.
fn build(gate: &Gate, file: &str, forwarded: usize) -> (Wire, Wire, Vec<u8>) {
    let mut client = gate.sent(BUILD);
    let mut engine = gate.engine.accept();
    assert_eq!(engine.head().line, "POST /v1.41/build?t=ci%2fa HTTP/1.1");
    let archive = archive(file);
    // A part that ends within a header.
    for part in [&archive[..100], &archive[100..]] {
        client.send_chunk(part);
    }
    let (before, behind) = archive.split_at(forwarded);
    assert_eq!(engine.chunked(before.len()), before);
    (client, engine, [behind, &END].concat())
}

const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"message\":\"none\"}";

#[test]
fn the_end_of_an_archive_is_held_back_until_its_images_are_judged() {
    let gate = Gate::open_with(&[("IMAGE_FROM", "docker.io/library/*"), ("TAG_AS", "ci/*")]);
    // All but the last byte of the Dockerfile.
    let file = "FROM busybox\n";
    let (mut client, mut engine, rest) = build(&gate, file, 512 + file.len() - 1);
    client.send_chunk(END);
    client.send_chunk("");
    let (mut facts, question) = gate.engine.request();
    assert_eq!(question.head.line, "GET /images/busybox/json HTTP/1.1");
    assert!(engine.is_silent(Duration::from_millis(200)), "the end came");
    facts.send(MISSING);
    assert_eq!(engine.chunked(rest.len()), rest);
    assert_eq!(engine.chunk(), None);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);

    let file = "FROM busybox\nCOPY --from=evil/x / /\n";
    let (mut client, mut engine, _) = build(&gate, file, 512 + file.len() - 1);
    client.send_chunk(END);
    client.send_chunk("");
    let (mut facts, question) = gate.engine.request();
    assert_eq!(question.head.line, "GET /images/busybox/json HTTP/1.1");
    facts.send(MISSING);
    assert_eq!(
        facts.request().head.line,
        "GET /images/evil/x/json HTTP/1.1"
    );
    facts.send(MISSING);
    let refusal = client.response();
    assert_eq!(refusal.status(), 403);
    let why = "Dockerfile line 2: evil/x is not allowed: IMAGE_FROM has docker.io/library/*";
    assert!(refusal.text().contains(why), "{}", refusal.text());
    let (rest, _) = engine.rest();
    assert!(rest.is_empty(), "{} bytes followed", rest.len());

    // What cannot be read is refused at once.
    let mut client = gate.sent(BUILD);
    client.send_chunk([b"\x1f\x8b\x08", &[0; 600][..]].concat());
    let refusal = client.response();
    assert_eq!(refusal.status(), 400);
    let why = "IMAGE_FROM cannot judge it: the build context is compressed";
    assert!(refusal.text().contains(why), "{}", refusal.text());
    let request = format!("{}x", BUILD.replace("t=ci%2fa", "t=nginx"));
    assert_eq!(gate.sent(request).response().status(), 403);
}

/// An archive ends for the engine with the body, too: with or without zeros.
#[test]
fn no_whole_archive_is_forwarded_before_it_is_judged() {
    let gate = Gate::open_with(&[("IMAGE_FROM", "docker.io/library/*"), ("TAG_AS", "ci/*")]);
    for (file, passes) in [("FROM evil/x\n", false), ("FROM busybox\n", true)] {
        let whole = archive(file);
        for length in [512 + file.len(), 512 + file.len() + 9, whole.len()] {
            let body = &whole[..length];
            let head = "POST /v1.41/build?t=ci%2fa HTTP/1.1\r\nHost: docker\r\nContent-Length: ";
            let mut client = gate.sent(format!("{head}{length}\r\n\r\n"));
            client.send(body);
            let mut engine = gate.engine.accept();
            engine.head();
            let before = 512 + file.len() - 1;
            assert_eq!(engine.take(before), body[..before]);
            let (mut facts, _) = gate.engine.request();
            assert!(engine.is_silent(Duration::from_millis(100)), "{length}");
            facts.send(MISSING);
            if passes {
                assert_eq!(engine.take(length - before), body[before..]);
                engine.send(EMPTY);
                assert_eq!(client.response().status(), 200);
            } else {
                assert_eq!(client.response().status(), 403);
                assert!(engine.rest().0.is_empty(), "{length}");
            }
        }
    }
}

#[test]
fn a_build_that_would_be_refused_passes_where_nothing_is_protected() {
    let gate = Gate::open_with(&[("IMAGE_FROM", "docker.io/library/*"), ("DRY_RUN", "1")]);
    let (mut client, mut engine, rest) = build(&gate, "FROM evil/x\n", 1024);
    client.send_chunk(END);
    assert_eq!(engine.chunked(rest.len()), rest);
    client.send_chunk("");
    let (mut facts, _) = gate.engine.request();
    facts.send(MISSING);
    assert_eq!(engine.chunk(), None);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.dockgate
        .line(|line| line.contains("would deny: ") && line.contains("Dockerfile line 1: evil/x"));
}
