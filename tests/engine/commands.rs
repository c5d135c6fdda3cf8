//! The docker CLI's everyday commands, and what it says when one is denied.

use crate::harness::{Engine, Gate};

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn version_needs_no_grant() {
    for gate in Gate::each("") {
        assert_eq!(gate.sh("docker version --format {{.Server.Os}}"), "linux");
    }
}

/// The CLI takes the version that it is told, and works with it.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_lower_version_is_negotiated() {
    for gate in Gate::each("CONTAINERS EXEC POST API_VERSION_MIN=1.24 API_VERSION_MAX=1.40") {
        assert_eq!(
            gate.sh("docker version --format '{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}}'"),
            "1.40 1.40 1.24"
        );
        let id = gate.sh("docker run -d --name $N busybox sleep 600");
        assert_eq!(gate.sh("docker ps --no-trunc -q -f name=$N"), id);
        assert_eq!(gate.sh("docker exec $N echo hi"), "hi");
        assert_eq!(
            gate.sh("docker inspect -f {{.HostConfig.IpcMode}} $N"),
            "private"
        );
        gate.sh("docker rm -f $N");
        assert!(gate.log().contains("/v1.40/containers/create"));
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn ps_info_and_df_show_the_engine() {
    let socket = Engine::shared().socket();
    for gate in Gate::each("CONTAINERS INFO POST SYSTEM") {
        let id = gate.sh("docker run -d --name $N busybox sleep 600");
        assert_eq!(gate.sh("docker ps --no-trunc -q -f name=$N"), id);
        assert!(gate.sh("docker ps").contains("sleep 600"));
        assert!(gate.sh("docker system df").contains("Containers"));
        let direct = format!("docker -H unix://{} info -f {{{{.ID}}}}", socket.display());
        assert_eq!(gate.sh("docker info -f {{.ID}}"), gate.sh(&direct));
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn inspect_tries_one_type_after_another() {
    let all = "CONTAINERS IMAGES NETWORKS VOLUMES";
    for gate in Gate::each(&format!("{all} POST")) {
        gate.sh("docker volume create $N");
        assert_eq!(
            gate.sh("docker inspect -f {{.RepoTags}} busybox"),
            "[busybox:latest]"
        );
        assert_eq!(gate.sh("docker inspect -f {{.Driver}} $N"), "local");
    }
    // It asks for a container first, and ends at the first denial.
    for gate in Gate::each("IMAGES") {
        gate.refused(
            "docker inspect busybox",
            1,
            "dockgate: GET /containers/busybox/json is not allowed: set ALLOW_INSPECT=1, or CONTAINERS=1",
        );
        assert_eq!(
            gate.sh("docker image inspect -f {{.RepoTags}} busybox"),
            "[busybox:latest]"
        );
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_container_lives_and_dies() {
    for gate in Gate::each("CONTAINERS POST") {
        let state = "docker inspect -f '{{.State.Status}}' $N";
        gate.sh("docker create --name $N-born -p 8080 busybox sleep 600");
        gate.sh("docker rename $N-born $N");
        gate.sh("docker start $N");
        assert_eq!(gate.sh(state), "running");
        assert!(gate.sh("docker port $N").starts_with("8080/tcp -> "));
        assert!(gate.sh("docker top $N").contains("sleep 600"));
        gate.sh("docker pause $N");
        assert_eq!(gate.sh(state), "paused");
        gate.sh("docker unpause $N");
        gate.sh("docker update --memory 64m --memory-swap 64m $N");
        assert_eq!(
            gate.sh("docker inspect -f {{.HostConfig.Memory}} $N"),
            "67108864"
        );
        gate.sh("docker restart -t 0 $N");
        assert_eq!(gate.sh(state), "running");
        gate.sh("docker kill $N && docker wait $N");
        assert_eq!(gate.sh(state), "exited");
        gate.sh("docker start $N && docker stop -t 0 $N && docker rm $N");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn actions_work_alone() {
    let owner = Gate::new("CONTAINERS POST");
    let name = owner.sh("docker run -d --name $N busybox sleep 600 >/dev/null; echo $N");
    for gate in Gate::each("ALLOW_RESTARTS ALLOW_START") {
        gate.sh(&format!("docker stop -t 0 {name} && docker start {name}"));
        gate.sh(&format!("docker restart -t 0 {name} && docker kill {name}"));
        let list = "GET /containers/json is not allowed: set ALLOW_LIST=1, or CONTAINERS=1";
        gate.refused("docker ps", 1, list);
    }
    for gate in Gate::each("ALLOW_STOP") {
        gate.sh(&format!("docker stop {name}"));
        assert_eq!(gate.run(&format!("docker kill {name}")).code, 1);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_network_lives_and_dies() {
    for gate in Gate::each("CONTAINERS NETWORKS POST") {
        gate.sh("docker network create --internal $N");
        assert_eq!(
            gate.sh("docker network ls -f name=$N --format {{.Driver}}"),
            "bridge"
        );
        gate.sh("docker run -d --name $N --network $N busybox sleep 600");
        let name = gate.sh("docker network inspect -f '{{range .Containers}}{{.Name}}{{end}}' $N");
        assert_eq!(name, gate.sh("echo $N"));
        gate.sh("docker network disconnect $N $N && docker network connect --alias other $N $N");
        gate.sh("docker run --rm --network $N busybox ping -c 1 other");
        gate.sh("docker rm -f $N && docker network rm $N");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_volume_lives_and_dies() {
    for gate in Gate::each("CONTAINERS POST VOLUMES") {
        gate.sh("docker volume create --label $N $N");
        gate.sh("docker run --rm -v $N:/v busybox sh -c 'echo kept >/v/file'");
        assert_eq!(
            gate.sh("docker run --rm -v $N:/v busybox cat /v/file"),
            "kept"
        );
        assert_eq!(gate.sh("docker volume inspect -f {{.Driver}} $N"), "local");
        assert_eq!(
            gate.sh("docker volume ls -q -f name=$N"),
            gate.sh("echo $N")
        );
        gate.sh("docker volume rm $N");
    }
}

/// One test for all kinds, since an engine refuses to prune two things at once.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_nobody_uses_is_pruned() {
    for gate in Gate::each("BUILD CONTAINERS IMAGES NETWORKS POST VOLUMES") {
        gate.sh("docker create --label $N busybox");
        gate.sh("docker network create --label $N $N");
        gate.sh("docker volume create --label $N");
        gate.sh("docker image prune -f --filter label=$N");
        gate.sh("docker system prune -f --filter label=$N");
        // Not part of the above since 23.0.
        gate.sh("docker volume prune -f --filter label=$N");
        assert_eq!(gate.sh("docker ps -aq -f label=$N"), "");
        assert_eq!(gate.sh("docker network ls -q -f label=$N"), "");
        assert_eq!(gate.sh("docker volume ls -q -f label=$N"), "");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_cli_shows_what_a_denial_lacks() {
    let create = "POST /containers/create is not allowed: \
                  set ALLOW_CREATE=1, or CONTAINERS=1 and POST=1";
    for gate in Gate::each("") {
        let list = "GET /containers/json is not allowed: set ALLOW_LIST=1, or CONTAINERS=1";
        gate.refused("docker ps", 1, list);
        gate.refused("docker run --rm busybox true", 125, create);
        gate.refused("docker info", 1, "GET /info is not allowed: set INFO=1");
        gate.refused(
            "docker images",
            1,
            "GET /images/json is not allowed: set ALLOW_IMAGE_LIST=1, or IMAGES=1",
        );
    }
    for gate in Gate::each("CONTAINERS") {
        let create = "POST /containers/create is not allowed: set ALLOW_CREATE=1, or POST=1";
        gate.refused("docker run --rm busybox true", 125, create);
        let restart = "POST /containers/some/restart is not allowed: set ALLOW_RESTART=1, \
                       or ALLOW_RESTARTS=1, or POST=1";
        gate.refused("docker restart some", 1, restart);
        let remove = "DELETE /containers/some is not allowed: set ALLOW_REMOVE=1, or POST=1";
        gate.refused("docker rm some", 1, remove);
    }
    let owner = Gate::new("CONTAINERS POST");
    let name = owner.sh("docker run -d --name $N busybox sleep 600 >/dev/null; echo $N");
    for gate in Gate::each("CONTAINERS POST") {
        let exec =
            format!("POST /containers/{name}/exec is not allowed: set ALLOW_EXEC=1, or EXEC=1");
        gate.refused(&format!("docker exec {name} true"), 1, &exec);
        gate.sh("head -c 5M /dev/urandom >$T/file");
        let load = "POST /images/load is not allowed: set ALLOW_LOAD=1, or IMAGES=1";
        gate.refused("docker load -i $T/file", 1, load);
    }
}
