//! The two client libraries that most tools are written with, and raw upgrades.

use crate::harness::{COMPOSE, Gate, variable};
use crate::wire::Wire;

/// What both libraries' scripts need.
const GRANTS: &str = "BUILD COMMIT CONTAINERS EXEC IMAGES INFO NETWORKS POST SYSTEM VOLUMES";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn docker_py_works() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    for grants in [GRANTS, &format!("{GRANTS} DENY_ROOT")] {
        let gate = Gate::new(grants);
        assert_eq!(gate.sh(&format!("{python} $HERE/everyday.py")), "all done");
    }
    let gate = Gate::new("CONTAINERS");
    assert_eq!(gate.sh(&format!("{python} $HERE/denied.py")), "all denied");
}

/// It is told other versions than those of the engine, and can do the same.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn docker_py_works_within_bounds() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    let gate = Gate::new(&format!(
        "{GRANTS} API_VERSION_MIN=1.24 API_VERSION_MAX=1.40"
    ));
    assert_eq!(gate.sh(&format!("{python} $HERE/everyday.py")), "all done");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn dockerode_works() {
    let modules = variable("DOCKGATE_TEST_NODE_PATH");
    for grants in [GRANTS, &format!("{GRANTS} DENY_ROOT")] {
        let gate = Gate::new(grants);
        assert_eq!(
            gate.sh(&format!("NODE_PATH={modules} node $HERE/everyday.js")),
            "all done"
        );
    }
    let gate = Gate::new("CONTAINERS");
    assert_eq!(
        gate.sh(&format!("NODE_PATH={modules} node $HERE/denied.js")),
        "all denied"
    );
}

/// Its reaper has to be switched off where nobody may have the engine's socket.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn testcontainers_works() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    let everyday = format!("{python} $HERE/throwaway.py");
    let (open, shut) = (Gate::new(GRANTS), Gate::new(&format!("{GRANTS} DENY_ROOT")));
    assert_eq!(open.sh(&everyday), "all done");
    assert_eq!(shut.sh(&format!("{everyday} shut")), "all done");
    // Any image is good enough for what is refused.
    let ryuk = "testcontainers/ryuk:0.8.1";
    open.sh(&format!("docker tag busybox {ryuk}"));
    let said = shut.sh(&format!("{everyday} ryuk"));
    open.sh(&format!("docker rmi {ryuk}"));
    assert!(
        said.contains("DENY_ROOT: HostConfig.Binds[0]") && said.contains("docker.sock"),
        "{said}"
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
