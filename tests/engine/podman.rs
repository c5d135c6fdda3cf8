//! Podman, another engine that speaks Docker's API, in its own way, and one of its own.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::Gate;
use crate::wire::Wire;

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn podman_works() {
    let podman = Podman::start();
    let gate = Gate::before(
        &podman.socket,
        "CONTAINERS EXEC IMAGES INFO NETWORKS POST VOLUMES",
    );
    gate.sh("until docker version; do sleep 0.2; done");
    gate.sh("mkdir -p $T/root/bin && cp $(command -v busybox) $T/root/bin/");
    gate.sh("for a in cat echo sh sleep; do ln -s busybox $T/root/bin/$a; done");
    gate.sh("tar -C $T/root -c . | docker import - busybox");
    assert_eq!(gate.sh("docker images --format {{.Tag}}"), "latest");
    gate.sh("docker info && docker network ls && docker volume create v && docker volume rm v");
    let run = "docker run --network none";
    assert_eq!(gate.sh(&format!("echo x | {run} -i --rm busybox cat")), "x");
    assert_eq!(gate.run(&format!("{run} busybox sh -c 'exit 42'")).code, 42);
    gate.sh(&format!(
        "{run} -d --name $N --stop-signal KILL busybox sh -c 'echo up; sleep 600'"
    ));
    let mut logs = gate.stream("docker logs -f $N");
    assert_eq!(logs.line(), "up");
    assert_eq!(gate.sh("docker ps --format {{.Names}}"), gate.sh("echo $N"));
    assert_eq!(gate.sh("docker exec $N echo hi"), "hi");
    assert_eq!(gate.sh("echo x | docker exec -i $N cat"), "x");
    gate.sh("echo file >$T/file && docker cp $T/file $N:/ && docker cp $N:/file $T/back");
    assert_eq!(gate.sh("cat $T/back"), "file");
    gate.sh("docker stop $N");
    assert_eq!(logs.end().code, 0);
    gate.sh("docker rm $N && docker rmi -f busybox");
    let gate = Gate::before(&podman.socket, "");
    gate.refused(
        "docker ps",
        1,
        "GET /containers/json is not allowed: set ALLOW_LIST=1, or CONTAINERS=1",
    );
}

const CREATE: &str = r#"{"Image":"docker.io/library/busybox","Cmd":["sleep","600"],"image":"busybox","command":["sleep","600"],"name":"NAME","no_infra":true}"#;

/// A deny holds wherever this engine's router finds what it is about.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_deny_holds_on_podman_however_a_version_is_spelled() {
    let podman = Podman::with_busybox();
    let gate = Gate::before(&podman.socket, "SP_ALLOW_POST=/.* DENY_CREATE");
    let mut direct = Wire::unix(&podman.socket);
    for (number, path) in [
        "/containers/create",
        "/v1.41/containers/create",
        "/v1.41x/containers/create",
        "/v1.41-rc.1/containers/create",
        "/v1z/containers/create",
        "/v4.0.0/libpod/containers/create",
        "/v4x/libpod/containers/create",
        "/v4.0.0/libpod/pods/create",
        "/v4.0.0-rc1/libpod/pods/create",
    ]
    .into_iter()
    .enumerate()
    {
        let body = CREATE.replace("NAME", &format!("c{number}"));
        let mut client = Wire::tcp(gate.address);
        let (status, text) = ask(&mut client, "POST", path, &body);
        assert_eq!(status, 403, "{path}: {text}");
        assert!(text.contains("DENY_CREATE is set"), "{path}: {text}");
        // It is no 404 that is denied here.
        let (status, text) = ask(&mut direct, "POST", path, &body);
        assert_eq!(status, 201, "{path}: {text}");
    }
    // The last one is a write that no action has.
    for path in [
        "/v4.0.0/libpod/play/kube",
        "/v4x/libpod/kube/play",
        "/v4.0.0/libpod/containers/c5/mount",
    ] {
        let mut client = Wire::tcp(gate.address);
        assert_eq!(ask(&mut client, "POST", path, "").0, 403, "{path}");
        assert_ne!(ask(&mut direct, "POST", path, "").0, 404, "{path}");
    }
    // What other actions do is not denied with it.
    let mut client = Wire::tcp(gate.address);
    for path in [
        "/v1.41x/containers/c5/start",
        "/v4.0.0/libpod/containers/c6/start",
    ] {
        let (status, text) = ask(&mut client, "POST", path, "");
        assert_eq!(status, 204, "{path}: {text}");
    }
    // No section and no action grants a version that only this engine knows.
    let gate = Gate::before(&podman.socket, "CONTAINERS POST ALLOW_CREATE ALLOW_LIST");
    let mut client = Wire::tcp(gate.address);
    let version = "the first path segment is not an API version";
    for (method, path, told) in [
        ("POST", "/v1.41x/containers/create", version),
        ("GET", "/v1.41x/containers/json", version),
        (
            "GET",
            "/v4.0.0/libpod/containers/json",
            "no section or action covers this request",
        ),
    ] {
        let (status, text) = ask(&mut client, method, path, "");
        assert_eq!(status, 403, "{path}: {text}");
        assert!(text.contains(told), "{path}: {text}");
        client = Wire::tcp(gate.address);
    }
}

/// Podman's own client speaks libpod's API.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn podmans_client_works_but_for_what_is_denied() {
    let podman = Podman::with_busybox();
    let all =
        "SP_ALLOW_GET=.* SP_ALLOW_HEAD=.* SP_ALLOW_POST=.* SP_ALLOW_PUT=.* SP_ALLOW_DELETE=.*";
    let gate = Gate::before(&podman.socket, &format!("{all} DENY_EXEC"));
    let remote = format!("podman --remote --url tcp://{}", gate.address);
    gate.sh(&format!("{remote} create --name $N busybox sleep 600"));
    gate.sh(&format!("{remote} start $N"));
    let names = gate.sh(&format!("{remote} ps --format '{{{{.Names}}}}'"));
    assert_eq!(names, gate.sh("echo $N"));
    assert_ne!(gate.run(&format!("{remote} exec $N true")).code, 0);
    gate.dockgate()
        .line(|line| line.ends_with("DENY_EXEC is set; unset it to allow this request"));
    gate.sh(&format!("{remote} rm -f -t 0 $N"));
}

/// What this engine reads is denied, whatever its spelling; what is empty is as good as none.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_condition_is_as_strict_as_podman_reads() {
    let podman = Podman::with_busybox();
    let mut direct = Wire::unix(&podman.socket);
    let body = CREATE.replace("NAME", "-");
    let create = ask(&mut direct, "POST", "/containers/create?name=c", &body);
    assert_eq!(create.0, 201, "{}", create.1);
    let gate = Gate::before(&podman.socket, "ALLOW_START ALLOW_TOP");
    let mut client = Wire::tcp(gate.address);
    let (status, text) = ask(&mut client, "POST", "/containers/c/start", "{}");
    assert_eq!(status, 204, "{text}");
    let top = |query: &str| format!("/v1.41/containers/c/top{query}");
    let plain = ask(&mut direct, "GET", &top(""), "").1;
    for query in [
        "?ps_args=pid",
        "?PS_ARGS=pid",
        "?ps_args=&ps_args=pid",
        "?ps_args=user&Ps_Args=pid",
        "?ps%5Fargs=pid",
        "?p%C5%BF_args=pid",
        "?ps_args=pid&a=%zz",
    ] {
        let (status, text) = ask(&mut direct, "GET", &top(query), "");
        assert_eq!(status, 200, "{query}: {text}");
        assert_ne!(text, plain, "{query} is not read");
        assert_eq!(
            ask(&mut Wire::tcp(gate.address), "GET", &top(query), "").0,
            403,
            "{query}"
        );
    }
    for query in [
        "?ps_args=",
        "?ps_args",
        "?PS_ARGS=&ps_args=",
        "?ps_args%00=pid",
        "?a=ps_args",
    ] {
        assert_eq!(
            ask(&mut direct, "GET", &top(query), "").1,
            plain,
            "{query} is read"
        );
        assert_eq!(
            ask(&mut client, "GET", &top(query), ""),
            (200, plain.clone()),
            "{query}"
        );
    }
}

/// What is known of its routes, but for those that are older or newer than it is.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn podman_has_the_routes_that_are_known_of_it() {
    let podman = Podman::start();
    let mut direct = podman.client();
    let version = ask(&mut direct, "GET", "/version", "").1;
    let version = version.split("\"Version\":\"").nth(1).expect("a version");
    let number = |text: &str| -> Vec<u32> {
        let parts = text.split('.').take(2);
        parts.map_while(|part| part.parse().ok()).collect()
    };
    let version = number(version.split('"').next().expect("its end"));
    let mut known = 0;
    for row in include_str!("../conformance/podman-api.tsv")
        .lines()
        .skip(1)
    {
        let columns: Vec<&str> = row.split('\t').collect();
        let gone = !columns[3].is_empty() && number(columns[3]) < version;
        if number(columns[2]) > version || gone {
            continue;
        }
        // Without a version it has no libpod, and one route is only there.
        let version = if columns[1].starts_with("/libpod") {
            "/v4x"
        } else {
            ""
        };
        let path = version.to_owned() + &columns[1].replace(['{', '}'], "");
        // Its router says 405 where it has the path, and 404 where it has not.
        let (status, text) = ask(&mut direct, "BREW", &path, "");
        assert_eq!(status, 405, "{path}: {text}");
        known += 1;
    }
    assert!(known > 100, "{known}");
}

/// Status and body of the answer.
fn ask(client: &mut Wire, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: podman\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ));
    let answer = client.response();
    (answer.status(), answer.text())
}

/// Podman's service, apart from the machine as `scripts/engine` keeps its engine.
struct Podman {
    child: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl Podman {
    fn start() -> Podman {
        let directory = TempDir::with_prefix_in("dockgate-", "/tmp").expect("a directory");
        let path = directory.path();
        let socket = path.join("podman.sock");
        let child = Command::new("unshare")
            .args("--net --mount --pid --fork --kill-child --mount-proc podman".split(' '))
            .args("--cgroup-manager cgroupfs --events-backend file".split(' '))
            .arg("--root")
            .arg(path.join("data"))
            .arg("--runroot")
            .arg(path.join("run"))
            .args("system service --time 0".split(' '))
            .arg(format!("unix://{}", socket.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("podman starts");
        Podman {
            child,
            socket,
            _directory: directory,
        }
    }
}

impl Podman {
    /// The same with an image.
    fn with_busybox() -> Podman {
        let podman = Podman::start();
        drop(podman.client());
        let gate = Gate::before(&podman.socket, "IMAGES POST");
        gate.sh("mkdir -p $T/root/bin && cp $(command -v busybox) $T/root/bin/");
        gate.sh("for a in ps sh sleep; do ln -s busybox $T/root/bin/$a; done");
        gate.sh("tar -C $T/root -c . | docker import - busybox");
        podman
    }

    /// A connection to it, as soon as it takes one.
    fn client(&self) -> Wire {
        while UnixStream::connect(&self.socket).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        Wire::unix(&self.socket)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // All that it started ends with the namespace.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
