//! `DENY_ROOT` where the danger is not in what is asked for: who else is in a container's namespaces,
//! what a network's name means by the time of the start, who mounts a volume later, whom the engine
//! itself calls, and whose containers are another client's.

use crate::harness::{Engine, Gate};
use crate::terms::{ALL, ask, reach};

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_container_is_lent_to_one_with_more_power() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    let name = open.sh(
        "for kind in pid network ipc far; do
             docker run -d --name $N-$kind --ipc shareable -v $N-$kind:/v busybox sleep 600
         done >/dev/null
         docker run -d --name $N-file --pid container:$N-pid -v /etc:/host:ro busybox sleep 600 >/dev/null
         docker create --name $N-root --privileged --network container:$N-network busybox >/dev/null
         docker create --name $N-cap --cap-add SYS_ADMIN --ipc container:$N-ipc busybox >/dev/null
         docker create --name $N-near --pid container:$N-far busybox >/dev/null
         docker create --name $N-nearer --privileged --pid container:$N-near busybox >/dev/null
         docker run -d --name $N-free --ipc shareable busybox sleep 600 >/dev/null
         docker run -d --name $N-friend --pid container:$N-free busybox sleep 600 >/dev/null
         echo $N",
    );
    // It is a way indeed.
    let seen = open.sh("docker exec $N-pid sh -c 'ls /proc/*/root/host/passwd'");
    assert!(seen.contains("/root/host/passwd"), "{seen}");
    let mut attacks = Vec::new();
    for kind in ["pid", "network", "ipc", "far"] {
        let at = format!("/containers/{name}-{kind}");
        for (line, body) in [
            (format!("POST {at}/exec"), r#"{"Cmd":["true"]}"#.to_owned()),
            (format!("GET {at}/archive?path=/etc"), String::new()),
            (
                "POST /containers/create".to_owned(),
                format!(
                    r#"{{"Image":"busybox","HostConfig":{{"PidMode":"container:{name}-{kind}"}}}}"#
                ),
            ),
            (
                "POST /containers/create".to_owned(),
                format!(r#"{{"Image":"busybox","HostConfig":{{"Binds":["{name}-{kind}:/v"]}}}}"#),
            ),
        ] {
            attacks.push((line, body));
        }
    }
    reach(&attacks, &open, &shut);
    shut.sh(&format!("docker exec {name}-free true"));
    open.sh("docker rm -fv $(docker ps -aqf name=$N-) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_networks_name_becomes_anothers() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    let id = open.sh(
        "docker network create -o com.docker.network.bridge.name=d$$ $N-bad;
         docker network create $N-good >/dev/null
         for late in start restart; do docker create --name $N-$late --network $N-bad busybox sleep 600; done >/dev/null
         docker create --name $N-plain --network $N-good busybox sleep 600 >/dev/null",
    );
    let name = open.sh("echo $N");
    let short = &id[..12];
    let create = |mode: &str| {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{"NetworkMode":"{mode}"}}}}"#);
        ("POST /containers/create".to_owned(), body)
    };
    let attacks = [
        create(&format!("{name}-bad")),
        create(short),
        create(&id),
        (
            "POST /networks/create".to_owned(),
            format!(r#"{{"Name":"{short}"}}"#),
        ),
        (
            format!("POST /containers/{name}-start/start"),
            String::new(),
        ),
        (
            format!("POST /containers/{name}-restart/restart?t=0"),
            String::new(),
        ),
    ];
    reach(&attacks, &open, &shut);
    // What it is for goes on: by name, by ID, and a connection by the beginning of an ID.
    let good = open.sh("docker network inspect -f {{.Id}} $N-good");
    let short = &good[..12];
    let line = format!("POST /containers/{name}-plain/restart?t=0");
    assert_eq!(ask(&shut, &line, "").0, 204);
    assert_eq!(ask(&shut, &create(&good).0, &create(&good).1).0, 201);
    let line = format!("POST /networks/{short}/connect");
    let made = shut.sh("docker create busybox sleep 600");
    let body = format!(r#"{{"Container":"{made}"}}"#);
    assert_eq!(ask(&shut, &line, &body).0, 200);
    // Inspects go on to name it.
    let shown = shut.sh(&format!(
        "docker inspect -f '{{{{json .NetworkSettings.Networks}}}}' {made}"
    ));
    assert!(shown.contains(&format!("\"{name}-good\":")), "{shown}");
    assert_eq!(
        ask(&shut, &format!("POST /containers/{made}/start"), "").0,
        204
    );
    open.sh(&format!(
        "docker ps -aqf network={name}-good | xargs -r docker rm -fv >/dev/null
         docker ps -aqf network={name}-bad | xargs -r docker rm -fv >/dev/null
         docker network rm {name}-bad {name}-good {} >/dev/null",
        &id[..12]
    ));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_engine_fetches_nothing_from_the_host() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    let address = open.sh(
        "docker run -d --name $N-web busybox sh -c 'tar c -C / bin >/x.tar; httpd -f -p 80 -h /' >/dev/null
         docker inspect -f '{{.NetworkSettings.IPAddress}}' $N-web",
    );
    open.sh(
        "until docker exec $N-web wget -qO /dev/null http://127.0.0.1/x.tar; do sleep 0.1; done",
    );
    let name = open.sh("echo $N");
    let attacks = ["fromSrc", "from%53rc"].map(|key| {
        let line = format!("POST /images/create?{key}=http://{address}/x.tar&repo={name}-got");
        (line, String::new())
    });
    reach(&attacks, &open, &shut);
    shut.sh(&format!(
        "docker export {name}-web | docker import - {name}-made && docker rmi {name}-made"
    ));
    open.sh("docker rm -f $N-web >/dev/null; docker rmi $N-got >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_service_without_tasks_keeps_its_volume() {
    let engine = Engine::fresh();
    let open = Gate::before(&engine.socket(), ALL);
    let shut = Gate::before(&engine.socket(), &format!("{ALL} DENY_ROOT"));
    open.sh("docker swarm init --advertise-addr 127.0.0.1");
    for (name, options) in [("root", "--cap-add SYS_ADMIN"), ("plain", "")] {
        open.sh(&format!(
            "docker volume create {name} && docker service create --detach --name {name} --replicas 0 {options} \
             --mount type=volume,source={name},target=/v busybox sleep 600"
        ));
    }
    let create = |volume: &str| {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{"Binds":["{volume}:/v"]}}}}"#);
        ("POST /containers/create".to_owned(), body)
    };
    reach(&[create("root")], &open, &shut);
    let (line, body) = create("plain");
    assert_eq!(ask(&shut, &line, &body).0, 201);
    // The only node has the volumes that it has, and whoever makes a service may have secrets.
    shut.sh("echo x | docker secret create s - && echo x | docker config create c -");
    shut.sh(
        "docker service create --detach --name own --secret s --config c \
         --mount type=volume,source=own,target=/v busybox sleep 600",
    );
    open.sh("docker swarm leave --force");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn nobody_gets_at_a_client_of_another_policy() {
    let engine = Engine::fresh();
    // Containers on the default bridge may do everything.
    let file = r#"CONFIG_DATA={"policies":{"strong":{"POST":1}},"clients":[{"from":["172.17.0.0/16"],"policy":"strong"}]}"#;
    let open = Gate::before(&engine.socket(), &format!("{ALL} {file}"));
    let shut = Gate::before(&engine.socket(), &format!("{ALL} {file} DENY_ROOT"));
    open.sh("docker run -d --name theirs busybox sleep 600
         docker create --name stopped busybox sleep 600
         docker network create --subnet 172.30.0.0/16 far
         for name in own joined; do docker run -d --name $name --network far busybox sleep 600; done");
    let create = |config: &str| {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{{config}}}}}"#);
        ("POST /containers/create".to_owned(), body)
    };
    let mut attacks = vec![
        create(""),
        create(r#""NetworkMode":"container:theirs""#),
        create(r#""NetworkMode":"bridge""#),
        (
            "POST /networks/bridge/connect".to_owned(),
            r#"{"Container":"joined"}"#.to_owned(),
        ),
    ];
    for name in ["theirs", "stopped"] {
        let exec = format!("POST /containers/{name}/exec");
        attacks.push((exec, r#"{"Cmd":["true"]}"#.to_owned()));
        for line in [
            format!("GET /containers/{name}/archive?path=/etc"),
            format!("POST /commit?container={name}&repo=x"),
        ] {
            attacks.push((line, String::new()));
        }
    }
    reach(&attacks, &open, &shut);
    let build = "echo 'FROM busybox' | DOCKER_BUILDKIT=0 docker build -t built -";
    open.sh(build);
    let run = shut.run(build);
    assert!(run.code != 0 && run.stderr.contains("DENY_ROOT"), "{run:?}");
    shut.sh("docker exec own true && docker run --rm --network far --ip 172.30.0.9 busybox true");
    shut.sh("docker run --rm --network none busybox true");
}
