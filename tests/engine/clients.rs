//! The two client libraries that most tools are written with, raw upgrades, and another engine:
//! Podman, which speaks Docker's API too.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{COMPOSE, Gate, variable};
use crate::wire::Wire;

/// What both libraries' scripts need.
const GRANTS: &str = "BUILD COMMIT CONTAINERS EXEC IMAGES INFO NETWORKS POST SYSTEM VOLUMES";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn docker_py_works() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    let gate = Gate::new(GRANTS);
    assert_eq!(gate.sh(&format!("{python} $HERE/everyday.py")), "all done");
    let gate = Gate::new("CONTAINERS");
    assert_eq!(gate.sh(&format!("{python} $HERE/denied.py")), "all denied");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn dockerode_works() {
    let modules = variable("DOCKGATE_TEST_NODE_PATH");
    let gate = Gate::new(GRANTS);
    assert_eq!(
        gate.sh(&format!("NODE_PATH={modules} node $HERE/everyday.js")),
        "all done"
    );
    let gate = Gate::new("CONTAINERS");
    assert_eq!(
        gate.sh(&format!("NODE_PATH={modules} node $HERE/denied.js")),
        "all denied"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn compose_works() {
    let gate = Gate::new("CONTAINERS EXEC IMAGES INFO NETWORKS POST VOLUMES");
    gate.sh("cat >$T/docker-compose.yml <<'END'
services:
  one:
    image: busybox
    command: sh -c 'echo up; sleep 600'
    stop_signal: KILL
    volumes: ['data:/data']
  two: {image: busybox, command: sleep 600, stop_signal: KILL, depends_on: [one]}
volumes: {data: {}}
END");
    let compose = |arguments: &str| gate.sh(&format!("cd $T && {COMPOSE} -p $N {arguments}"));
    compose("up -d");
    assert_eq!(compose("ps -q").lines().count(), 2);
    assert!(compose("logs one").contains("up"));
    assert_eq!(compose("exec -T two echo hi"), "hi");
    compose("down -v");
    assert_eq!(
        gate.sh("docker ps -aq -f name=$N; docker volume ls -q -f name=$N"),
        ""
    );
}

/// buildx and compose reach BuildKit through here; `/session` is proven by a whole build.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn grpc_upgrades_to_http_2() {
    let upgrade = "POST /grpc HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
                   Content-Length: 0\r\n\r\n";
    let ask = |grants| {
        let gate = Gate::new(grants);
        let mut client = Wire::tcp(gate.address);
        client.send(upgrade);
        (client.head().status(), client, gate)
    };
    let (status, mut client, _gate) = ask("GRPC POST");
    assert_eq!(status, 101);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // Frames of the engine until it acknowledges our settings.
    loop {
        let head = client.take(9);
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        client.take(length);
        if (head[3], head[4]) == (4, 1) {
            break;
        }
    }
    assert_eq!(ask("GRPC").0, 403);
}

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

impl Drop for Podman {
    fn drop(&mut self) {
        // All that it started ends with the namespace.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
