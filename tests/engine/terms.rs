//! `DENY_ROOT` on a real engine: no way to the host is left, and everyday work goes on.
//!
//! Each attack is tried twice: with everything granted it has to succeed, or it would prove nothing;
//! with `DENY_ROOT` besides it is refused by dockgate.

use crate::harness::{COMPOSE, Engine, Gate};
use crate::wire::Wire;

pub(crate) const ALL: &str = "AUTH BUILD COMMIT CONFIGS CONTAINERS DISTRIBUTION EXEC GRPC IMAGES INFO NETWORKS \
                   NODES PLUGINS POST SECRETS SERVICES SESSION SWARM SYSTEM TASKS VOLUMES";

/// What the attacks find there: made by somebody who may do everything. Few of them run, since not
/// every machine lets a container have all powers.
pub(crate) const PREPARED: &str = "
    docker run -d --name $N-plain busybox sleep 600
    docker create --name $N-root --privileged busybox sleep 600
    docker run -d --name $N-bound -v /etc:/host:ro busybox sleep 600
    docker create --name $N-pid --pid host busybox sleep 600
    docker create --name $N-net --network host busybox sleep 600
    docker create --name $N-cap --cap-add SYS_ADMIN busybox sleep 600
    docker create --name $N-open --security-opt seccomp=unconfined busybox sleep 600
    docker create --name $N-device --device /dev/full busybox sleep 600
    docker create --name $N-near --network container:$N-root busybox sleep 600
    docker create --name $N-far --ipc container:$N-near busybox sleep 600
    docker create --name $N-heir --volumes-from $N-bound busybox sleep 600
    docker volume create --opt type=none --opt o=bind --opt device=/etc $N-etc
    docker create --name $N-mount -v $N-etc:/host busybox sleep 600
    docker volume create $N-shared
    docker create --name $N-power --privileged -v $N-shared:/v busybox sleep 600
    docker create --name $N-weak -v $N-shared:/v busybox sleep 600
";

/// Sends a JSON body, or none; the status, and what was said.
pub(crate) fn ask(gate: &Gate, line: &str, body: &str) -> (u16, String) {
    let mut client = Wire::tcp(gate.address);
    let kind = match body {
        "" => "",
        _ => "Content-Type: application/json\r\n",
    };
    let length = body.len();
    client.send(format!(
        "{line} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    ));
    let head = client.head();
    let text = match head.status() {
        403 | 400 => String::from_utf8_lossy(&client.rest().0).into_owned(),
        _ => String::new(),
    };
    (head.status(), text)
}

/// Tries each attack both ways. `status` is that of success.
#[track_caller]
pub(crate) fn reach(attacks: &[(String, String)], open: &Gate, shut: &Gate) {
    let mut wrong = Vec::new();
    for (line, body) in attacks {
        let (status, text) = ask(shut, line, body);
        if ![400, 403].contains(&status) || !text.contains("DENY_ROOT") {
            wrong.push(format!("passes: {status} {line} {body} {text}"));
        }
        let (status, text) = ask(open, line, body);
        // 409: what is not running takes no command.
        if status >= 300 && status != 409 {
            wrong.push(format!("does not reach: {status} {line} {body} {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_create_reaches_the_host() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    open.sh(&format!("({PREPARED}) >/dev/null"));
    let name = open.sh("echo $N");
    let create = |body: &str| {
        let body = format!("{{\"Image\":\"busybox\",{body}}}").replace("NAME", &name);
        ("POST /containers/create".to_owned(), body)
    };
    let host = |config: &str| create(&format!("\"HostConfig\":{{{config}}}"));
    let attacks: Vec<_> = [
        r#""Privileged":true"#,
        r#""privileged":true"#,
        r#""Binds":["/:/host"]"#,
        r#""Binds":["/etc:/host:ro"]"#,
        r#""Binds":["/tmp/../etc:/host"]"#,
        r#""Binds":["//etc:/host"]"#,
        r#""Binds":["/var/run/docker.sock:/s"]"#,
        r#""Binds":["NAME-etc:/host"]"#,
        r#""Binds":["NAME-shared:/host"]"#,
        r#""Mounts":[{"Type":"bind","Source":"/etc","Target":"/host"}]"#,
        r#""Mounts":[{"Type":"bind","Source":"/etc","Target":"/host","ReadOnly":true}]"#,
        r#""Mounts":[{"Type":"volume","Source":"NAME-etc","Target":"/host"}]"#,
        r#""Mounts":[{"Type":"volume","Source":"NAME-shared","Target":"/host"}]"#,
        r#""Mounts":[{"Type":"volume","Source":"NAME-x","Target":"/host","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"bind","device":"/etc"}}}}]"#,
        r#""Mounts":[{"Type":"volume","Target":"/host","VolumeOptions":{"DriverConfig":{"Options":{"type":"tmpfs","o":"bind","device":"/etc"}}}}]"#,
        r#""VolumesFrom":["NAME-bound"]"#,
        r#""VolumesFrom":["NAME-heir:ro"]"#,
        r#""VolumesFrom":["NAME-mount"]"#,
        r#""VolumesFrom":["NAME-weak"]"#,
        r#""Devices":[{"PathOnHost":"/dev/full","PathInContainer":"/d","CgroupPermissions":"rwm"}]"#,
        r#""DeviceCgroupRules":["b *:* rwm"]"#,
        r#""CapAdd":["SYS_ADMIN"]"#,
        r#""CapAdd":["sys_admin"]"#,
        r#""CapAdd":["CAP_SYS_PTRACE"]"#,
        r#""CapAdd":["ALL"]"#,
        r#""CapAdd":["NET_ADMIN"]"#,
        r#""CapAdd":["SYS_MODULE"]"#,
        r#""CapAdd":["DAC_READ_SEARCH"]"#,
        r#""PidMode":"host""#,
        r#""PidMode":"container:NAME-root""#,
        r#""PidMode":"container:NAME-pid""#,
        r#""IpcMode":"host""#,
        r#""IpcMode":"container:NAME-far""#,
        r#""UTSMode":"host""#,
        r#""UsernsMode":"host""#,
        r#""Runtime":"io.containerd.runc.v2""#,
        r#""CgroupParent":"/x""#,
        r#""NetworkMode":"host""#,
        r#""NetworkMode":"container:NAME-root""#,
        r#""NetworkMode":"container:NAME-near""#,
        r#""NetworkMode":"container:NAME-net""#,
        r#""SecurityOpt":["seccomp=unconfined"]"#,
        r#""SecurityOpt":["seccomp:unconfined"]"#,
        r#""SecurityOpt":["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"]"#,
        r#""SecurityOpt":["apparmor=unconfined"]"#,
        r#""SecurityOpt":["label=disable"]"#,
        r#""SecurityOpt":["no-new-privileges=false"]"#,
        r#""MaskedPaths":[]"#,
        r#""ReadonlyPaths":[]"#,
        r#""MaskedPaths":["/proc/kcore"]"#,
        r#""Sysctls":{"kernel.core_pattern":"|/x"}"#,
        r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"udp://127.0.0.1:514"}}"#,
        r#""LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://127.0.0.1:514"}}"#,
        r#""Links":["NAME-root:x"]"#,
        r#""VolumeDriver":"local","Binds":["/etc:/host"]"#,
    ]
    .into_iter()
    .map(host)
    .collect();
    reach(&attacks, &open, &shut);
    // Up to Engine 26 at the top as well, and in another case.
    let attacks: Vec<_> = [
        r#""Privileged":true"#,
        r#""Binds":["/:/host"]"#,
        r#""PidMode":"host""#,
        r#""hostconfig":{"Binds":["/:/host"]}"#,
        r#""HOSTCONFIG":{"BINDS":["/:/host"]}"#,
        "\"Ho\u{17f}tConfig\":{\"Bind\u{17f}\":[\"/:/host\"]}",
        r#""\u0048ostConfig":{"\u0042inds":["/:/host"]}"#,
        r#""HostConfig":{"Privileged":true},"HostConfig":{"Privileged":false}"#,
        r#""HostConfig":{"Privileged":true},"HostConfig":null"#,
        r#""HostConfig":{"Binds":["/:/host"]},"hostconfig":{}"#,
        r#""NetworkingConfig":{"EndpointsConfig":{"host":{}}}"#,
        r#""HostConfig":{"NetworkMode":"bridge"},"NetworkingConfig":{"EndpointsConfig":{"bridge":{"NetworkID":"host"}}}"#,
    ]
    .into_iter()
    .map(create)
    .collect();
    reach(&attacks, &open, &shut);
    let trailing = create(r#""HostConfig":{"Privileged":true}"#);
    let behind = [(trailing.0.clone(), format!("{}{{}}", trailing.1))];
    for (line, body) in behind {
        assert_eq!(ask(&shut, &line, &body).0, 400);
    }
    // A body that is cut is no way either.
    assert_eq!(ask(&shut, &trailing.0, &trailing.1[..30]).0, 400);
    open.sh("docker rm -fv $(docker ps -aqf name=$N-) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_way_leads_into_a_container_with_more_power() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    open.sh(&format!("({PREPARED}) >/dev/null"));
    let name = open.sh("echo $N");
    let powers = [
        "root", "bound", "pid", "net", "cap", "open", "device", "far", "heir", "mount", "power",
        "weak",
    ];
    let mut attacks = Vec::new();
    for power in powers {
        let at = format!("/containers/{name}-{power}");
        let id = open.sh(&format!("docker inspect -f {{{{.Id}}}} {name}-{power}"));
        for (line, body) in [
            (format!("POST {at}/exec"), r#"{"Cmd":["true"]}"#),
            (format!("POST /containers/{id}/exec"), r#"{"Cmd":["true"]}"#),
            (
                format!("POST /containers/{}/exec", &id[..12]),
                r#"{"Cmd":["true"]}"#,
            ),
            (format!("GET {at}/archive?path=/etc"), ""),
            (format!("POST {at}/attach?logs=1&stdout=1"), ""),
            (format!("POST /commit?container={name}-{power}"), ""),
        ] {
            attacks.push((line, body.to_owned()));
        }
    }
    // Execs that were there before, and one that has all powers in a plain container.
    for (power, options) in [
        ("bound", "{\"Cmd\":[\"true\"]}"),
        ("plain", "{\"Cmd\":[\"true\"],\"Privileged\":true}"),
    ] {
        let made = open.sh(&format!(
            "curl -s --unix-socket $SOCKET -H 'Content-Type: application/json' -d '{options}' \
             http://x/containers/{name}-{power}/exec"
        ));
        let id = made.split('"').nth(3).expect("an ID");
        attacks.push((format!("POST /exec/{id}/start"), "{}".to_owned()));
    }
    let plain = format!("POST /containers/{name}-plain/exec");
    attacks.push((plain, r#"{"Cmd":["true"],"privileged":true}"#.to_owned()));
    reach(&attacks, &open, &shut);
    // A new name for one that was judged under another is judged as what it is.
    open.sh("docker rename $N-plain $N-old && docker rename $N-root $N-plain");
    let (status, text) = ask(
        &shut,
        &format!("GET /containers/{name}-plain/archive?path=/etc"),
        "",
    );
    assert_eq!(status, 403, "{text}");
    open.sh("docker rm -fv $(docker ps -aqf name=$N-) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_object_made_first_is_a_way() {
    let (open, shut) = (Gate::new(ALL), Gate::new(&format!("{ALL} DENY_ROOT")));
    let name = open.sh(
        "docker create --name $N-root --privileged busybox sleep 600 >/dev/null
        docker run -d --name $N-plain busybox sleep 600 >/dev/null
        docker network create $N-net >/dev/null; echo $N",
    );
    let volume = |rest: &str| {
        let body = format!(r#"{{"Name":"{name}-{}",{rest}}}"#, rest.len());
        ("POST /volumes/create".to_owned(), body)
    };
    let network = |rest: &str| {
        let body = format!(r#"{{"Name":"{name}-{}",{rest}}}"#, rest.len());
        ("POST /networks/create".to_owned(), body)
    };
    let connect = |body: &str| {
        let body = body.replace("NAME", &name);
        (format!("POST /networks/{name}-net/connect"), body)
    };
    let attacks = [
        volume(r#""DriverOpts":{"type":"none","o":"bind","device":"/etc"}"#),
        volume(r#""DriverOpts":{"type":"ext4","device":"/dev/vda"}"#),
        volume(
            r#""driver":"local","driveropts":{"type":"overlay","o":"lowerdir=/etc:/","device":"overlay"}"#,
        ),
        volume(r#""DriverOpts":{"type":"nfs","o":"addr=127.0.0.1","device":":/"}"#),
        network(r#""Options":{"com.docker.network.bridge.name":"dg0"}"#),
        network(r#""IPAM":{"Config":[{"Subnet":"8.8.8.0/24"}]}"#),
        connect(r#"{"Container":"NAME-root"}"#),
    ];
    reach(&attacks, &open, &shut);
    for line in [
        "POST /build?remote=http://127.0.0.1/x",
        "POST /build?networkmode=host",
        "POST /build?cgroupparent=/x",
        "POST /build?version=2",
        "POST /build?rem%6fte=http://127.0.0.1/x",
        "POST /images/create?fromSrc=http://127.0.0.1/x",
        "POST /session",
        "POST /moby.buildkit.v1.Control/Solve",
        "POST /grpc",
        "POST /plugins/pull?remote=x&name=y",
        "POST /plugins/x/enable",
        "POST /swarm/init",
        "POST /swarm/join",
        "POST /nodes/x/update?version=1",
        "GET /swarm/unlockkey",
        "POST /services/x/update?version=1&rollback=x",
        "POST /containers/x/start?checkpoint=a",
        "POST /containers/x/checkpoints",
        "POST /libpod/containers/create",
        "POST /v4.0.0/libpod/play/kube",
    ] {
        let (status, text) = ask(&shut, line, "");
        assert!(
            [400, 403].contains(&status) && text.contains("DENY_ROOT"),
            "{line}: {status} {text}"
        );
    }
    open.sh("docker rm -fv $N-root $N-plain >/dev/null; 
         docker network rm $(docker network ls -q -f name=$N) >/dev/null");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn everyday_work_goes_on() {
    for gate in Gate::each(&format!("{ALL} DENY_ROOT")) {
        assert_eq!(gate.sh("docker run --rm busybox echo hi"), "hi");
        assert_eq!(gate.sh("echo x | docker run -i --rm busybox cat"), "x");
        gate.sh(
            "docker run -d --name $N --restart always --memory 64m --cpus 0.5 --pids-limit 50 \
                 --cap-drop ALL --cap-add CHOWN --read-only --tmpfs /run -p 127.0.0.1::80 \
                 --security-opt no-new-privileges -e A=b -l c=d -w /tmp -v $N:/data -v /anonymous \
                 --add-host a:1.2.3.4 --dns 1.1.1.1 --init --shm-size 32m --ulimit nofile=100 \
                 --log-opt max-size=1m busybox sleep 600",
        );
        assert_eq!(
            gate.sh("docker exec $N sh -c 'echo hi > /data/f; cat /data/f'"),
            "hi"
        );
        assert_eq!(gate.sh("echo x | docker exec -i $N cat"), "x");
        assert_eq!(
            gate.sh("docker run --rm -v $N:/data:ro busybox cat /data/f"),
            "hi"
        );
        assert_eq!(
            gate.sh("docker run --rm --volumes-from $N busybox cat /data/f"),
            "hi"
        );
        gate.sh("docker run --rm --network container:$N busybox true");
        gate.sh("docker cp $N:/data/f $T/f && docker cp $T/f $N:/data/g");
        gate.sh("docker export $N >$T/tar && docker commit $N $N-image && docker rmi $N-image");
        gate.sh("docker stop -t 0 $N && docker start $N && docker restart -t 0 $N");
        gate.sh("docker rename $N $N-b && docker rename $N-b $N && docker update --memory 65m --memory-swap 130m $N");
        gate.sh("docker network create $N-net && docker network connect $N-net $N");
        gate.sh("docker run --rm --network $N-net --network-alias x busybox true");
        gate.sh("docker network disconnect $N-net $N && docker network rm $N-net");
        gate.sh("docker volume create --label a=b $N-v && docker volume rm $N-v");
        gate.sh("echo 'FROM busybox\nRUN echo built > /f' | DOCKER_BUILDKIT=0 docker build -t $N-built -");
        assert_eq!(gate.sh("docker run --rm $N-built cat /f"), "built");
        gate.sh("docker rm -fv $N && docker rmi $N-built && docker volume rm $N");
    }
    let gate = Gate::new(&format!("{ALL} DENY_ROOT"));
    gate.sh(&format!(
        "cat >$T/compose.yml <<'X'
version: '2.4'
services:
  one:
    image: busybox
    command: sleep 600
    volumes: [data:/data]
    networks: [net]
    depends_on: [two]
  two:
    image: busybox
    command: sleep 600
    volumes_from: ['three:ro']
    networks:
      net: {{aliases: [other]}}
  three:
    image: busybox
    command: sleep 600
    volumes: [data:/data]
volumes: {{data: {{}}}}
networks: {{net: {{}}}}
X
         cd $T
         {COMPOSE} -p $N up -d
         {COMPOSE} -p $N exec -T one true
         {COMPOSE} -p $N restart -t 0
         {COMPOSE} -p $N up -d --force-recreate -t 0
         {COMPOSE} -p $N down -v -t 0"
    ));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_forwarded_is_what_the_engine_has() {
    let gate = Gate::new(&format!("{ALL} DENY_ROOT"));
    let name = gate.sh("docker run -d --name $N-a busybox sleep 600 >/dev/null; echo $N");
    let id = gate.sh("docker inspect -f {{.Id}} $N-a");
    let body = format!(
        r#"{{"image":"busybox","cmd":["sleep","600"],"privileged":false,"Cpuset":"","hostconfig":{{"volumesfrom":["{name}-a"],"pidmode":"container:{name}-a","memory":33554432}}}}"#
    );
    let line = format!("POST /containers/create?name={name}-b");
    assert_eq!(ask(&gate, &line, &body).0, 201);
    let shown = gate.sh("docker inspect -f '{{.HostConfig.PidMode}} {{.HostConfig.VolumesFrom}} {{.HostConfig.Memory}} {{.HostConfig.Privileged}}' $N-b");
    assert_eq!(shown, format!("container:{id} [{id}] 33554432 false"));
    gate.sh("docker rm -f $N-a $N-b");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn services_are_judged_as_containers_are() {
    let engine = Engine::fresh();
    let open = Gate::before(&engine.socket(), ALL);
    let shut = Gate::before(&engine.socket(), &format!("{ALL} DENY_ROOT"));
    open.sh("docker swarm init --advertise-addr 127.0.0.1");
    shut.sh("docker network create -d overlay --attachable over");
    shut.sh("docker service create --detach --name web --network over -e A=b --mount type=volume,target=/x \
             --limit-memory 64m --replicas 1 busybox sleep 600");
    shut.sh("docker service update --detach --env-add C=d web");
    shut.sh("docker service scale --detach web=2");
    shut.sh("docker service rollback --detach web");
    shut.sh("docker run --rm --network over busybox true");
    for options in [
        "--mount type=bind,source=/etc,target=/host",
        "--mount type=volume,target=/host,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc",
        "--cap-add SYS_ADMIN",
        "--network host",
        "--sysctl kernel.core_pattern=x",
    ] {
        let command =
            format!("docker service create --detach --name bad {options} busybox sleep 600");
        let run = shut.run(&command);
        assert!(
            run.code != 0 && run.stderr.contains("DENY_ROOT"),
            "{options}: {run:?}"
        );
        open.sh(&format!("{command} && docker service rm bad"));
    }
    // What somebody else took away is not brought back.
    open.sh("docker service create --detach --name old --mount type=bind,source=/etc,target=/h busybox sleep 600");
    open.sh("docker service update --detach --mount-rm /h old");
    let run = shut.run("docker service rollback --detach old");
    assert!(run.code != 0 && run.stderr.contains("DENY_ROOT"), "{run:?}");
    open.sh("docker service rollback --detach old && docker service rm old web");
    open.sh("docker swarm leave --force");
}
