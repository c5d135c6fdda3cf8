//! Presets with `DENY_ROOT` on a real engine: what programs do that create containers.

use std::fs;

use crate::harness::{COMPOSE, Engine, Gate};

/// As Portainer, Watchtower, Arcane and Dockhand do it: what the inspect of a running container shows,
/// sent back as a create.
const AGAIN: &str = r#"
import json, subprocess, sys
name, new = sys.argv[1:]
shown = subprocess.run(["docker", "inspect", name], check=True, stdout=subprocess.PIPE).stdout
shown = json.loads(shown)[0]
network, endpoint = next(iter(shown["NetworkSettings"]["Networks"].items()))
assert endpoint["MacAddress"] and endpoint["IPAddress"] and endpoint["NetworkID"], endpoint
body = dict(shown["Config"], HostConfig=shown["HostConfig"])
body["NetworkingConfig"] = {"EndpointsConfig": {network: endpoint}}
print(json.dumps(body))
"#;

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_running_container_is_created_again_from_its_inspect() {
    for preset in ["portainer", "watchtower", "arcane", "dockhand"] {
        let gate = Gate::new(&format!("PRESET={preset} DENY_ROOT"));
        let open = Engine::shared().shell();
        let name = gate.sh("echo $N");
        fs::write(gate.sh("echo $T/again.py"), AGAIN).expect("a script");
        let again = |of: &str| {
            let create = format!(
                "http://{}/containers/create?name={name}-{of}-new",
                gate.address
            );
            gate.sh(&format!(
                "python3 $T/again.py {name}-{of} {name}-{of}-new |
                 curl -s -H 'Content-Type: application/json' -d @- '{create}'"
            ))
        };
        open.sh(&format!(
            "docker run -d --name {name}-plain -v {name}:/data -p 127.0.0.1::80 --memory 64m \
                 --restart unless-stopped busybox sleep 600
             docker run -d --name {name}-bound -v /etc:/host:ro busybox sleep 600"
        ));
        let created = again("plain");
        assert!(created.contains("\"Id\":"), "{preset}: {created}");
        gate.sh(&format!("docker start {name}-plain-new"));
        let same = "-f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{len .Mounts}}'";
        assert_eq!(
            open.sh(&format!("docker inspect {same} {name}-plain-new")),
            "67108864 unless-stopped 1"
        );
        let refused = again("bound");
        assert!(
            refused.contains("DENY_ROOT: HostConfig.Binds[0]"),
            "{preset}: {refused}"
        );
        open.sh(&format!(
            "docker rm -fv {name}-plain {name}-bound {name}-plain-new; docker volume rm {name}"
        ));
    }
}

/// The images of the example of an agent, from what this machine has: a docker CLI without a registry,
/// and dockgate as it is tested.
const IMAGES: &str = r#"
    mkdir -p $T/image/lib
    cp DOCKGATE $T/image/dockgate
    cp $(readlink -f /usr/local/bin/docker $(which docker) | tail -1) $T/image/docker
    for file in $(ldd DOCKGATE | grep -o '/[^ ]*'); do cp --parents -L $file $T/image/lib; done
    cat >$T/image/Dockerfile <<'END'
FROM busybox
COPY lib /
COPY dockgate /dockgate
RUN mkdir -p /run/dockgate && chown 65534:65534 /run/dockgate
ENTRYPOINT ["/dockgate"]
HEALTHCHECK --interval=1s CMD ["/dockgate", "healthcheck"]
END
    printf 'FROM busybox\nCOPY docker /bin/docker\n' >$T/image/cli
    export DOCKER_BUILDKIT=0
    docker build -q --network none -t dockgate $T/image
    docker build -q --network none -t docker:cli -f $T/image/cli $T/image
    docker tag busybox alpine
"#;

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_example_of_an_agent_works_as_it_is_printed() {
    let engine = Engine::fresh();
    let shell = engine.shell();
    shell.sh(&IMAGES.replace("DOCKGATE", env!("CARGO_BIN_EXE_dockgate")));
    shell.sh("cat >$T/override.yml <<END
services: {dockgate: {volumes: ['$SOCKET:/var/run/docker.sock:ro']}}
END");
    let compose = format!(
        "export DOCKER_GID=$(stat -c %g $SOCKET)
         compose=\"{COMPOSE} -p $N -f examples/no-root/agent.yml -f $T/override.yml\""
    );
    let agent = |command: &str| {
        let command = command.replace('\'', r"'\''");
        shell.run(&format!(
            "{compose}
             $compose run --rm -T agent sh -c '{command}' 2>&1"
        ))
    };
    shell.sh(&format!(
        "{compose}
         $compose up --abort-on-container-exit --exit-code-from agent"
    ));
    for command in [
        "echo one >/workspace/made && docker run --rm -v agent-workspace:/w alpine cat /w/made",
        "docker run --rm -v agent-workspace:/w alpine sh -c 'echo two >/w/made' && \
         grep two /workspace/made",
        "docker run -d --name work -v agent-cache:/c alpine sleep 600 && docker exec work id && \
         docker logs work && docker rm -fv work",
        "mkdir -p /tmp/x && printf 'FROM alpine\\nRUN true\\n' >/tmp/x/Dockerfile && \
         docker build -q -t own /tmp/x && docker run --rm own echo built",
        "docker run --rm alpine true && docker images",
    ] {
        let run = agent(command);
        assert_eq!(run.code, 0, "{command}\n{run:?}");
    }
    for (command, why) in [
        (
            "docker run --rm -v /etc:/h alpine ls /h",
            "HostConfig.Binds[0]",
        ),
        (
            "docker run --rm --privileged alpine true",
            "HostConfig.Privileged",
        ),
        (
            "docker run --rm --network host alpine true",
            "HostConfig.NetworkMode",
        ),
        ("docker run --rm -v other:/o alpine true", "VOLUMES_NAMED"),
        ("docker run --rm -m 3g alpine true", "MEMORY_MAX"),
        ("docker exec dockgate /dockgate version", "DENY_ROOT"),
        ("docker cp dockgate:/dockgate /tmp/d", "ALLOW_ARCHIVE"),
        ("docker volume ls", "ALLOW_VOLUME_LIST"),
    ] {
        let run = agent(command);
        assert_ne!(run.code, 0, "{command}");
        assert!(run.stdout.contains(why), "{command}: {why}\n{run:?}");
    }
    let limits = agent(
        "docker run -d --name sized alpine sleep 9 >/dev/null && \
                        docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}' sized",
    );
    assert!(limits.stdout.contains("2147483648 512"), "{limits:?}");
    let mode = "docker exec dockgate-test-mode stat -c '%a %g' /run/dockgate/docker.sock";
    shell.sh(
        "docker run -d --name dockgate-test-mode -v ${N}_socket:/run/dockgate busybox sleep 600",
    );
    assert_eq!(shell.sh(mode), "660 65534");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_devcontainer_mounts_its_workspace_by_its_own_path() {
    let host = Engine::shared().shell();
    let directory = host.sh("mkdir $T/app $T/app/sub; echo here >$T/app/file; echo $T/app");
    let gate = Gate::new(&format!(
        "PRESET=agent MAP_PATH=/workspaces/app={directory} BIND_FROM={directory}"
    ));
    let run = "docker run --rm --mount type=bind,src=/workspaces/app,dst=/app";
    assert_eq!(gate.sh(&format!("{run} busybox cat /app/file")), "here");
    gate.sh("docker run --rm -v /workspaces/app:/app -w /app/sub busybox touch made");
    assert_eq!(host.sh(&format!("ls {directory}/sub")), "made");
    for source in ["/workspaces/app/sub", "/workspaces", "/etc"] {
        let refused = gate.run(&format!("docker run --rm -v {source}:/x busybox true"));
        assert_ne!(refused.code, 0, "{source}");
        assert!(
            refused.stderr.contains("BIND_FROM"),
            "{source}: {refused:?}"
        );
    }
}
