//! The image: built from the Dockerfile as it is, and run the way that people run it.

use std::sync::OnceLock;
use std::time::Duration;

use crate::harness::{COMPOSE, Engine, Shell};

/// A release build on a busy machine takes its time.
const BUILD: Duration = Duration::from_secs(1800);

/// What everybody should run it with.
const HARDENED: &str = "--read-only --cap-drop ALL --security-opt no-new-privileges";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_image_is_one_static_file() {
    let shell = image();
    let files = shell.sh(&format!(
        "docker export $(docker create {IMAGE}) | tar -t | grep -v /$"
    ));
    // What an engine adds to every container, and what it is about.
    let added = [
        ".dockerenv",
        "dev/console",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
    ];
    let own: Vec<&str> = files
        .lines()
        .filter(|file| !added.contains(file) && *file != "etc/mtab")
        .collect();
    assert_eq!(own, ["dockgate"]);
    shell.sh(&format!(
        "docker cp $(docker create {IMAGE}):/dockgate $T/dockgate"
    ));
    let linked = shell.run("ldd $T/dockgate 2>&1").stdout;
    assert!(
        linked.contains("statically linked") || linked.contains("not a dynamic executable"),
        "{linked}"
    );
    assert!(
        shell
            .sh(&format!("docker run --rm {IMAGE} version"))
            .contains("dockgate")
    );
    let of = |field: &str| {
        shell.sh(&format!(
            "docker image inspect -f '{{{{json .Config.{field}}}}}' {IMAGE}"
        ))
    };
    let environment = of("Env");
    assert!(
        environment == "null" || environment.matches('=').count() == 1,
        "{environment}"
    );
    assert_eq!((of("User").as_str(), of("Cmd").as_str()), ("\"\"", "null"));
    assert_eq!(of("Entrypoint"), r#"["/dockgate"]"#);
    assert_eq!(of("ExposedPorts"), r#"{"2375/tcp":{}}"#);
    assert_eq!(
        of("Healthcheck.Test"),
        r#"["CMD","/dockgate","healthcheck"]"#
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_container_serves_another() {
    // As root and as nobody in the socket's group: neither needs a privilege.
    for user in ["", "--user 65534:65534 --group-add $(stat -c %g $SOCKET)"] {
        let shell = image();
        shell.sh("docker network create --internal $N");
        serve(&shell, &format!("{HARDENED} {user} -e CONTAINERS=1"));
        becomes(&shell, "healthy");
        let client = "docker run --rm -i --network $N busybox";
        let ping = format!("{client} wget -qO- http://dockgate:2375/_ping");
        assert_eq!(shell.sh(&ping), "OK");
        let list = shell.sh(&format!(
            "{client} wget -qO- http://dockgate:2375/containers/json"
        ));
        assert!(list.contains(&shell.sh("echo /$N")), "{list}");
        let denied = shell.sh(&format!(
            "printf 'POST /containers/create HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' |
             {client} nc dockgate 2375"
        ));
        assert!(
            denied.starts_with("HTTP/1.1 403 ") && denied.contains("set ALLOW_CREATE=1, or POST=1"),
            "{denied}"
        );
        assert!(
            shell
                .sh("docker logs $N")
                .contains("set ALLOW_CREATE=1, or POST=1")
        );
        // An engine's patience is 10 s; this one's is longer than the test's.
        shell.sh("timeout 9 docker stop -t 600 $N");
        assert_eq!(shell.sh("docker inspect -f {{.State.ExitCode}} $N"), "0");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_container_that_may_not_open_the_socket_says_so() {
    let shell = image();
    shell.sh("docker network create --internal $N");
    serve(
        &shell,
        &format!("{HARDENED} --user 65534:65534 --health-retries 1"),
    );
    becomes(&shell, "unhealthy");
    let refused = shell.sh("printf 'GET /version HTTP/1.0\\r\\n\\r\\n' |
         docker run --rm -i --network $N busybox nc dockgate 2375");
    assert!(refused.starts_with("HTTP/1.0 503 "), "{refused}");
    let group = shell.sh("stat -c %g $SOCKET");
    assert!(
        refused.contains("/var/run/docker.sock") && refused.contains(&group),
        "{refused}"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_container_says_what_it_uses_for_nothing_and_that_nobody_can_connect() {
    let shell = image();
    shell.sh("docker network create --internal $N");
    // As beside a service of Kubernetes that is called deny-x.
    let service = "-e DENY_X_SERVICE_HOST=10.96.0.7 -e DENY_X_SERVICE_PORT=2375 \
                   -e DENY_X_PORT=tcp://10.96.0.7:2375 -e DENY_X_PORT_2375_TCP_ADDR=10.96.0.7";
    let others = "-e TLS=1 -e METRICS=1 -e HTTP_PROXY=http://10.0.0.1";
    serve(
        &shell,
        &format!("{HARDENED} {service} {others} -e CONTAINERS=1 -e SP_ALLOW_GET=/info"),
    );
    becomes(&shell, "healthy");
    for said in ["docker logs $N", "docker exec $N /dockgate check"] {
        let said = shell.sh(said);
        for line in [
            "variables without effect: METRICS TLS",
            "clients outside this container cannot connect: by default dockgate listens on 127.0.0.1",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        assert!(!said.contains("DENY_X"), "{said}");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_compose_example_comes_up() {
    let shell = image();
    // This machine cannot have Traefik's image: its place is taken by one request.
    shell.sh(&format!(
        "cat >$T/override.yml <<END
services:
  dockgate:
    image: {IMAGE}
    volumes: ['$SOCKET:/var/run/docker.sock:ro']
  traefik:
    image: busybox
    command: wget -qO- http://dockgate:2375/v1.24/containers/json
    restart: 'no'
END"
    ));
    let up = shell.sh(&format!(
        "compose=\"{COMPOSE} -p $N -f docker-compose.example.yml -f $T/override.yml\"
         $compose up --no-build --abort-on-container-exit --exit-code-from traefik
         $compose down"
    ));
    assert!(up.contains(r#""Names":["#), "{up}");
}

/// The name of the image that is tested.
const IMAGE: &str = "dockgate-test";

/// A shell on an engine that has the image, and the engine's socket as `$SOCKET`.
#[track_caller]
fn image() -> Shell {
    static BUILT: OnceLock<()> = OnceLock::new();
    let engine = Engine::shared();
    BUILT.get_or_init(|| {
        engine.shell().sh_within(
            BUILD,
            &format!(
                "scripts/builder-image {IMAGE}-builder
                 DOCKER_BUILDKIT=0 docker build --network none \
                     --build-arg RUST_IMAGE={IMAGE}-builder -t {IMAGE} ."
            ),
        );
    });
    engine.shell()
}

/// Starts dockgate as `$N` and as host `dockgate` in the network `$N`.
#[track_caller]
fn serve(shell: &Shell, options: &str) {
    shell.sh(&format!(
        "docker run -d --name $N --network $N --network-alias dockgate --health-interval 1s \
         -v $SOCKET:/var/run/docker.sock:ro {options} {IMAGE}"
    ));
}

/// Waits until the engine thinks so of `$N`'s health.
#[track_caller]
fn becomes(shell: &Shell, health: &str) {
    let now = "$(docker inspect -f {{.State.Health.Status}} $N)";
    shell.sh(&format!("until [ {now} = {health} ]; do sleep 0.2; done"));
}
