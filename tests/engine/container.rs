//! The image: built from the Dockerfile as it is, and run the way that people run it.

use std::sync::{Mutex, OnceLock, PoisonError};
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
    // The second is a name for the first, as health checks call it.
    assert_eq!(own, ["dockgate", "healthcheck"]);
    let link = shell.sh(&format!(
        "docker export $(docker create {IMAGE}) | tar -tv healthcheck"
    ));
    assert!(link.ends_with("healthcheck -> dockgate"), "{link}");
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
            "unused variables: METRICS TLS",
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
    let client = "
    image: busybox
    command: wget -qO- http://dockgate:2375/v1.24/containers/json";
    let up = example("docker-compose.example.yml", client);
    assert!(up.contains(r#""Names":["#), "{up}");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_compose_example_of_a_unix_socket_comes_up_in_a_fresh_volume() {
    // Its health check asks a socket as the engine's, and the same one as its own listener's.
    let client = format!(
        "
    image: {IMAGE}
    user: '1000:1000'
    command: healthcheck
    environment: {{SOCKET_PATH: /x/docker.sock, LISTEN: 'unix:///run/dockgate/docker.sock'}}
    volumes: ['dockgate:/x:ro']"
    );
    let up = example("examples/compose/unix-socket.yml", &client);
    assert!(
        up.contains("listening on unix:///run/dockgate/docker.sock"),
        "{up}"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_compose_example_of_several_policies_comes_up_in_fresh_volumes() {
    let client = |name: &str| {
        format!(
            "
    image: {IMAGE}
    user: '1000:1000'
    command: healthcheck
    environment: {{SOCKET_PATH: /x/docker.sock, LISTEN: 'unix:///run/dockgate/docker.sock'}}
    volumes: ['{name}:/x:ro']"
        )
    };
    let (traefik, dozzle) = (client("traefik"), client("dozzle"));
    let up = example(
        "examples/several-policies/docker-compose.yml",
        &format!("{traefik}\n    restart: 'no'\n  dozzle:{dozzle}"),
    );
    for name in ["traefik", "dozzle"] {
        let line = format!("listening on unix:///run/{name}/docker.sock");
        assert!(up.contains(&line), "{up}");
    }
}

/// Brings a compose file up with the image that is tested. This machine cannot have Traefik's
/// image: its place is taken by a client that makes one request.
#[track_caller]
fn example(file: &str, client: &str) -> String {
    // Each has a container of the same name.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let shell = image();
    shell.sh(&format!(
        "cat >$T/override.yml <<END
services:
  dockgate:
    image: {IMAGE}
    volumes: ['$SOCKET:/var/run/docker.sock:ro']
  traefik:{client}
    restart: 'no'
END
         export DOCKER_GID=$(stat -c %g $SOCKET)
         compose=\"{COMPOSE} -p $N -f {file} -f $T/override.yml\"
         trap '$compose down -v' EXIT # the name is free again
         $compose up --no-build --abort-on-container-exit --exit-code-from traefik"
    ))
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_volume_that_it_may_not_write_is_told_with_what_to_do() {
    let shell = image();
    let run = |options: &str| {
        shell.run(&format!(
            "docker run --rm {HARDENED} -v $SOCKET:/var/run/docker.sock:ro \
             -e LISTEN=unix:///x/docker.sock {options} {IMAGE} 2>&1"
        ))
    };
    let told = run("--user 65534:65534 -v $N:/x");
    assert!(
        told.stdout.contains(
            "cannot listen on unix:///x/docker.sock: Permission denied (os error 13); user 65534 \
             cannot write to /x, which is owned by user 0: chown it to 65534"
        ),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("mount the volume at /run/dockgate"),
        "{}",
        told.stdout
    );
    let told = run("--user 65534:65534").stdout;
    assert!(
        told.contains("directory /x does not exist: create it, or mount a volume"),
        "{told}"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_new_volume_takes_the_socket_of_nobody_and_of_root_without_capabilities() {
    for user in ["--user 65534:65534 --group-add $(stat -c %g $SOCKET)", ""] {
        let shell = image();
        shell.sh("docker network create --internal $N");
        serve(
            &shell,
            &format!(
                "{HARDENED} {user} -v $N:/run/dockgate \
                 -e LISTEN=unix:///run/dockgate/docker.sock"
            ),
        );
        becomes(&shell, "healthy");
        // Whoever has the socket's group may connect, and nobody makes another file beside it.
        let client = "docker run --rm --network none --cap-drop ALL -v $N:/run/dockgate -v $N:/x";
        let group = shell.sh(&format!(
            "{client} busybox stat -c %g /run/dockgate/docker.sock"
        ));
        let ping = "-e SOCKET_PATH=/x/docker.sock \
                    -e LISTEN=unix:///run/dockgate/docker.sock";
        let ping = format!("{client} --user 1000:1000 {ping}");
        shell.sh(&format!("{ping} --group-add {group} {IMAGE} healthcheck"));
        let other = shell.run(&format!("{ping} {IMAGE} healthcheck"));
        assert!(
            other.stderr.contains("Permission denied"),
            "{}",
            other.stderr
        );
        let other = shell.run(&format!(
            "{client} --user 1000:1000 busybox touch /run/dockgate/x"
        ));
        assert!(
            other.stderr.contains("Permission denied"),
            "{}",
            other.stderr
        );
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_compose_files_of_other_proxies_come_up_with_the_image_line_changed() {
    let protector = "docker-socket-protector";
    for (file, service, client, request) in [
        ("tecnativa", "dockerproxy", "client", "version"),
        ("linuxserver", "socket-proxy", "client", "version"),
        // It listens for its own host only.
        ("wollomatic-traefik", "dockerproxy", "traefik", ""),
        (
            "wollomatic-health",
            "dockerproxy",
            "traefik",
            "containers/json",
        ),
        (
            "wollomatic-dozzle",
            "dockerproxy",
            "dozzle",
            "containers/json",
        ),
        (
            "wollomatic-watchtower",
            "dockerproxy",
            "watchtower",
            "images/json",
        ),
        (
            "cetusguard-traefik",
            "cetusguard",
            "traefik",
            "containers/json",
        ),
        ("knrdl-traefik", protector, "traefik", "containers/json"),
        (
            "knrdl-portainer",
            protector,
            "portainer",
            "containers/json?all=1",
        ),
    ] {
        let shell = image();
        shell.sh(&format!(
            "cat >$T/override.yml <<END
services:
  {service}:
    image: {IMAGE}
    volumes: ['$SOCKET:/var/run/docker.sock']
    privileged: false # what this machine cannot give
    healthcheck: {{interval: 1s}} # the test of the file, or of the image
  {client}:
    image: busybox
    command: sleep 600
END
             export DOCKER_GID=$(stat -c %g $SOCKET)
             compose=\"{COMPOSE} -p $N -f tests/seeds/{file}.yml -f $T/override.yml\"
             trap '$compose down -t 0 -v' EXIT
             $compose up -d --no-build
             id=$($compose ps -q {service})
             health() {{ docker inspect -f {{{{.State.Health.Status}}}} $id; }}
             until [ $(health) = healthy ]; do
                 [ $(health) != unhealthy ] && sleep 0.2 || {{ docker logs $id; exit 1; }}
             done
             [ -z '{request}' ] || $compose exec -T {client} \
                 wget -qO- 'http://{service}:2375/v1.24/{request}'"
        ));
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_profile_that_is_mounted_wins_over_a_built_in_one() {
    let shell = image();
    let checked = shell.sh(&format!(
        "echo 'GET /version' >$T/traefik
         docker run --rm -e PROFILE=traefik {IMAGE} check
         docker run --rm -e PROFILE=traefik -v $T/traefik:/profiles/traefik:ro {IMAGE} check"
    ));
    let lines: Vec<&str> = checked
        .lines()
        .filter(|line| line.contains("PROFILE="))
        .collect();
    let [built_in, mounted] = lines.as_slice() else {
        panic!("{checked}")
    };
    assert!(
        built_in.contains("PROFILE=traefik, 5 lines, built in: "),
        "{built_in}"
    );
    assert!(mounted.ends_with("PROFILE=traefik, 1 lines"), "{mounted}");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn every_compose_example_is_read_by_an_old_compose() {
    let shell = Engine::shared().shell();
    // Each takes a second, and more beside other tests.
    for files in [
        "examples/compose/*.yml",
        "examples/no-root/*.yml examples/scopes/docker-compose.yml examples/several-policies/docker-compose.yml examples/by-container/docker-compose.yml docker-compose.example.yml",
        "tests/seeds/*.yml",
    ] {
        shell.sh(&format!(
            "export BESZEL_KEY=x
             for file in {files}; do
                 DOCKER_GID=999 {COMPOSE} -f $file config -q
             done"
        ));
    }
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
