//! Real clients under a `SCOPE`, on an engine that others use at the same time: they work as if they
//! were alone on it.

use crate::harness::{COMPOSE, Engine, Gate, variable};

const GRANTS: &str = "BUILD COMMIT CONTAINERS EVENTS EXEC IMAGES INFO NETWORKS POST SYSTEM VOLUMES";

/// Its images are everybody's without `SCOPE_IMAGES`.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn docker_py_works_alone() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    for scope in ["SCOPE=created", "SCOPE=label:team=py"] {
        let gate = Gate::new(&format!("{GRANTS} {scope}"));
        assert_eq!(
            gate.sh(&format!("{python} $HERE/everyday.py")),
            "all done",
            "{scope}"
        );
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn testcontainers_works_alone() {
    let python = variable("DOCKGATE_TEST_PYTHON");
    let gate = Gate::new(&format!("{GRANTS} SCOPE=created"));
    assert_eq!(gate.sh(&format!("{python} $HERE/throwaway.py")), "all done");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn dockerode_works_alone() {
    let modules = variable("DOCKGATE_TEST_NODE_PATH");
    let gate = Gate::new(&format!("{GRANTS} SCOPE=label:team=js"));
    assert_eq!(
        gate.sh(&format!("NODE_PATH={modules} node $HERE/everyday.js")),
        "all done"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_cli_works_alone() {
    let engine = Engine::shared();
    let direct = engine.shell();
    let other = direct.sh("echo $N");
    direct.sh("docker network create $N && docker volume create $N
         docker run -d --name $N --network $N -v $N:/v busybox sleep 600");
    let created = direct.sh("docker ps --no-trunc -qf name=$N");
    for gate in Gate::each("") {
        let scope = format!("{GRANTS} SCOPE=label:team={}", gate.sh("echo $N"));
        let cli = gate;
        let gate = Gate::new(&scope);
        drop(cli);
        for list in [
            "docker ps -aq",
            "docker volume ls -q",
            "docker network ls -f type=custom -q",
            &format!("docker ps -aqf name={other}"),
            &format!("docker ps -aqf volume={other}"),
            &format!("docker ps -aqf network={other}"),
        ] {
            assert_eq!(gate.sh(list), "", "{list}");
        }
        for (command, said) in [
            (
                format!("docker inspect --type container {other}"),
                "No such container",
            ),
            (format!("docker rm -f {other}x{other}"), "No such container"),
            (format!("docker stop {other}"), "No such container"),
            (format!("docker exec {other} true"), "No such container"),
            (format!("docker logs {created}"), "No such container"),
            (
                format!("docker cp {other}:/etc/hosts -"),
                "No such container",
            ),
            (format!("docker network rm {other}"), "not found"),
            (format!("docker network inspect {other}"), "not found"),
            (format!("docker volume rm {other}"), "no such volume"),
            (format!("docker volume inspect {other}"), "o such volume"),
            (
                format!("docker create --network container:{other} busybox"),
                "No such container",
            ),
            (
                format!("docker create --volumes-from {other} busybox"),
                "No such container",
            ),
        ] {
            let run = gate.run(&command);
            assert!(run.stderr.contains(said), "{command}: {run:?}");
        }
        gate.sh("docker network create $N && docker volume create $N-v");
        gate.sh(
            "docker run -d --name $N --network $N --network-alias me -e A=b -v $N-v:/v -v $N-w:/w \
             -v /anonymous busybox sh -c 'echo up; exec sleep 600'",
        );
        assert_eq!(gate.sh("docker ps --format {{.Names}}"), gate.sh("echo $N"));
        assert_eq!(gate.sh("docker volume ls -q | wc -l"), "3");
        assert_eq!(gate.sh("docker logs $N"), "up");
        assert_eq!(gate.sh("docker exec $N sh -c 'echo $A'"), "b");
        assert_eq!(gate.sh("docker top $N | grep -c sleep"), "1");
        gate.sh("echo copied >$T/f && docker cp $T/f $N:/f && docker cp $N:/f - | grep -q copied");
        assert_eq!(
            gate.sh("docker run --rm --network $N -v $N-v:/v busybox sh -c 'ping -c 1 me >/v/x && echo well'"),
            "well"
        );
        assert_eq!(gate.sh("docker info -f {{.Containers}}"), "1");
        assert_eq!(gate.sh("docker ps -n 1 -q | wc -l"), "1");
        gate.sh("docker rename $N $N-2 && docker restart -t 0 $N-2 && docker rename $N-2 $N");
        gate.sh("docker rm -f -v $N");
        gate.sh("docker create --name $N busybox");
        gate.sh("docker container prune -f && docker network prune -f && docker volume prune -f");
        for list in ["docker ps -aq", "docker network ls -f type=custom -q"] {
            assert_eq!(gate.sh(list), "", "{list}");
        }
    }
    assert_eq!(
        direct.sh("docker inspect -f '{{.Id}} {{.State.Running}}' $N"),
        format!("{created} true")
    );
    direct.sh("docker rm -f $N && docker network rm $N && docker volume rm $N");
}

/// One file, two projects, a policy for each.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn two_projects_of_one_file_come_up_beside_each_other() {
    let project = |name: &str| {
        let name = format!("scoped{}{name}", std::process::id());
        (Gate::new(&format!("{GRANTS} SCOPE=compose:{name}")), name)
    };
    let projects = [project("a"), project("b")];
    let compose = |(gate, name): &(Gate, String), arguments: &str| {
        gate.sh(&format!("cd $T && {COMPOSE} -p {name} {arguments}"))
    };
    for (gate, _) in &projects {
        gate.sh("cat >$T/docker-compose.yml <<'END'
version: \"2.4\"
services:
  one:
    image: busybox
    command: sh -c 'echo up $$VALUE; exec httpd -f -h /etc'
    environment: [\"VALUE=${VALUE:-1}\"]
    volumes: [\"named:/named\", \"/anonymous\"]
    stop_signal: SIGKILL
  two:
    image: busybox
    command: sleep 600
    stop_signal: SIGKILL
    depends_on: [one]
volumes: {named: }
END");
    }
    for project in &projects {
        compose(project, "up -d");
    }
    for project in &projects {
        let gate = &project.0;
        assert_eq!(compose(project, "ps -q").lines().count(), 2);
        assert_eq!(gate.sh("docker ps -aq").lines().count(), 2);
        assert_eq!(gate.sh("docker volume ls -q").lines().count(), 2);
        assert_eq!(
            gate.sh("docker network ls -f type=custom -q")
                .lines()
                .count(),
            1
        );
        assert!(compose(project, "logs one").contains("up 1"));
        assert_eq!(
            compose(
                project,
                "exec -T two wget -qO- http://one/passwd | cut -d: -f1"
            ),
            "root"
        );
        compose(project, "exec -T one touch /named/kept /anonymous/kept");
        // Each is made anew, and has its volumes again.
        gate.sh(&format!(
            "cd $T && VALUE=2 {COMPOSE} -p {} up -d",
            project.1
        ));
        assert!(compose(project, "logs one").contains("up 2"));
        compose(project, "exec -T one ls /named/kept /anonymous/kept");
        compose(project, "restart -t 0 two");
    }
    let [first, second] = &projects;
    compose(first, "down -v");
    assert_eq!(first.0.sh("docker ps -aq; docker volume ls -q"), "");
    compose(second, "exec -T one ls /named/kept /anonymous/kept");
    compose(first, "up -d");
    assert_eq!(compose(first, "ps -q").lines().count(), 2);
    for project in &projects {
        compose(project, "down -v");
    }
}
