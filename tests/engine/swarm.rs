//! A swarm of one node: services, secrets, configs, stacks. An engine of its own, since a swarm
//! changes what every other command does.

use crate::harness::{Engine, Gate};

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_swarm_works() {
    let engine = Engine::fresh();
    let grants = "CONFIGS CONTAINERS NETWORKS NODES POST SECRETS SERVICES SWARM SYSTEM TASKS INFO";
    let gate = Gate::before(&engine.socket(), grants);
    gate.sh("docker swarm init --advertise-addr 127.0.0.1");
    assert!(
        gate.sh("docker swarm join-token -q worker")
            .starts_with("SWMTKN-")
    );
    assert_eq!(
        gate.sh("docker node ls --format {{.ManagerStatus}}"),
        "Leader"
    );
    without_tokens(&engine);
    gate.sh("docker node update --label-add a=b $(docker node ls -q)");

    gate.sh("echo hush | docker secret create s - && echo plain | docker config create c -");
    assert_eq!(gate.sh("docker secret ls --format {{.Name}}"), "s");
    assert_eq!(
        gate.sh("docker config inspect --pretty c | grep -x plain"),
        "plain"
    );

    gate.sh(
        "docker service create --detach --name web --secret s --config source=c,target=/c \
         --update-delay 0s busybox sh -c 'cat /run/secrets/s /c; exec sleep 600'",
    );
    running(&gate, "web", 1);
    let mut logs = gate.stream("docker service logs -f --raw web");
    assert_eq!(
        (logs.line(), logs.line()),
        ("hush".to_owned(), "plain".to_owned())
    );
    gate.sh("docker service scale --detach web=2");
    running(&gate, "web", 2);
    gate.sh("docker service update --detach --env-add A=b web");
    gate.sh("docker service rollback --detach web");
    assert_eq!(gate.sh("docker service ls --format {{.Name}}"), "web");
    gate.sh("docker service rm web && docker secret rm s && docker config rm c");

    gate.sh("docker stack deploy -c - stack <<<'
            version: \"3.8\"
            services:
              one: {image: busybox, command: sleep 600, secrets: [s], configs: [c]}
              two: {image: busybox, command: sleep 600}
            secrets: {s: {file: /etc/hostname}}
            configs: {c: {file: /etc/hostname}}
         '");
    running(&gate, "stack_one", 1);
    running(&gate, "stack_two", 1);
    assert_eq!(gate.sh("docker stack ls --format {{.Services}}"), "2");
    assert!(gate.sh("docker stack ps stack").contains("stack_two.1"));
    gate.sh("docker stack rm stack");
    assert_eq!(gate.sh("docker service ls -q"), "");
    gate.sh("docker network create -d overlay over && docker network rm over");
    gate.sh("docker swarm leave --force");
    assert_ne!(gate.run("docker node ls").code, 0);
}

/// Under `DENY_ROOT`, the swarm is there, but not what joins it.
fn without_tokens(engine: &Engine) {
    let shut = Gate::before(&engine.socket(), "DENY_ROOT INFO NODES POST SWARM SYSTEM");
    assert_eq!(
        shut.sh("docker node ls --format {{.ManagerStatus}}"),
        "Leader"
    );
    assert_eq!(
        shut.sh("docker info --format {{.Swarm.ControlAvailable}}"),
        "true"
    );
    for token in ["worker", "manager"] {
        assert_eq!(shut.sh(&format!("docker swarm join-token -q {token}")), "");
        let whole = shut.sh(&format!("docker swarm join-token {token}"));
        assert!(!whole.contains("SWMTKN"), "{whole}");
    }
    for command in [
        "docker swarm join-token --rotate manager",
        "docker swarm unlock-key",
        "docker swarm update --task-history-limit 3",
    ] {
        let run = shut.run(command);
        assert!(run.code != 0 && run.stderr.contains("DENY_ROOT"), "{run:?}");
    }
}

/// Waits until so many of a service's tasks run.
fn running(gate: &Gate, service: &str, count: usize) {
    let tasks = "docker service ps -f desired-state=running --format {{.CurrentState}}";
    let up = format!("$({tasks} {service} | grep -c ^Running)");
    gate.sh(&format!("until [ {up} = {count} ]; do sleep 0.2; done"));
}
