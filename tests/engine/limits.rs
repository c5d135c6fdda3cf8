//! Limits on a real engine, with the docker CLI.

use crate::harness::{Engine, Gate};

const ALL: &str = "BUILD COMMIT CONTAINERS EXEC IMAGES INFO NETWORKS POST VOLUMES";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_build_uses_listed_images_alone() {
    let gate = Gate::new(&format!("{ALL} IMAGE_FROM=docker.io/library/* TAG_AS=ci/*"));
    let engine = Engine::shared().shell();
    let name = gate.sh("echo $N");
    engine.sh(&format!("docker tag busybox evil/{name} && mkdir $T/trap"));
    engine.sh(&format!(
        "printf 'FROM busybox\nONBUILD COPY --from=evil/{name} /bin /x\n' >$T/trap/Dockerfile && \
         DOCKER_BUILDKIT=0 docker build -q -t trap-{name} $T/trap"
    ));
    let build = |file: &str, tag: &str| {
        let file = file.replace("NAME", &name);
        format!(
            "mkdir -p $T/c && head -c 5000000 /dev/urandom >$T/c/large && printf '{file}' >$T/c/Dockerfile && \
             DOCKER_BUILDKIT=0 docker build -q -t {tag}/$N $T/c"
        )
    };
    gate.sh(&build("FROM busybox\nCOPY large /large\n", "ci"));
    let not = "is not allowed: IMAGE_FROM has docker.io/library/*";
    for (file, why) in [
        (
            "FROM evil/NAME\n",
            format!("Dockerfile line 1: evil/{name} {not}"),
        ),
        (
            "FROM busybox\nCOPY --from=evil/NAME /bin /x\n",
            format!("Dockerfile line 2: evil/{name} {not}"),
        ),
        (
            "FROM trap-NAME\n",
            format!("ONBUILD of trap-{name}: evil/{name} {not}"),
        ),
    ] {
        gate.refused(&build(file, "ci"), 1, &why);
    }
    let why = format!("t: other/{name} is not allowed: TAG_AS has ci/*");
    gate.refused(&build("FROM busybox\n", "other"), 1, &why);
    gate.refused(
        &format!("docker tag evil/{name} ci/x"),
        1,
        &format!("the image: evil/{name} {not}"),
    );
    gate.refused(
        &format!("docker run --rm evil/{name} true"),
        125,
        &format!("Image: evil/{name} {not}"),
    );
    gate.sh("docker run --rm busybox true");
    gate.refused(
        "docker run --rm ci/$N true",
        125,
        &format!("Image: ci/{name} {not}"),
    );
    let images = gate.sh("docker image ls -q -f reference=ci/$N | wc -l");
    assert_eq!(images, "1");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_ceiling_and_the_image_s_user_are_written_in() {
    let gate = Gate::new(&format!("{ALL} MEMORY_MAX=64m RUN_AS=nonroot"));
    let engine = Engine::shared().shell();
    let name = gate.sh("echo $N");
    engine.sh(&format!(
        "mkdir $T/user && printf 'FROM busybox\nUSER 1000:1000\n' >$T/user/Dockerfile && \
         DOCKER_BUILDKIT=0 docker build -q -t user-{name} $T/user"
    ));
    gate.sh(&format!("docker run -d --name $N user-{name} sleep 600"));
    let has = gate.sh("docker inspect -f '{{.HostConfig.Memory}} {{.Config.User}}' $N");
    assert_eq!(has, "67108864 1000:1000");
    assert_eq!(gate.sh("docker exec $N id -u"), "1000");
    gate.refused(
        "docker exec -u 0 $N id -u",
        1,
        "User: 0 is not allowed: RUN_AS has nonroot",
    );
    gate.refused(
        "docker create busybox",
        1,
        "User: root is not allowed: RUN_AS has nonroot",
    );
    gate.refused(
        &format!("docker create -m 65m user-{name}"),
        1,
        "HostConfig.Memory: 68157440 is not allowed: MEMORY_MAX has 64m",
    );
    gate.refused(
        "docker update -m 65m --memory-swap -1 $N",
        1,
        "MEMORY_MAX has 64m",
    );
    gate.sh("docker rm -f $N");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_listed_may_be_mounted_and_entered_under_deny_root() {
    let gate = Gate::new(&format!(
        "{ALL} DENY_ROOT BIND_FROM=/tmp,/usr/share:ro CAP_ADD=NET_ADMIN"
    ));
    gate.sh("docker run -d --name $N --cap-add NET_ADMIN -v /tmp:/h -v /usr/share:/s:ro busybox sleep 600");
    assert_eq!(gate.sh("docker exec $N sh -c 'echo in'"), "in");
    for (option, why) in [
        (
            "-v /etc:/h",
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /tmp, /usr/share:ro",
        ),
        (
            "-v /tmp/../etc:/h",
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /tmp, /usr/share:ro",
        ),
        (
            "-v /usr/share:/h",
            "HostConfig.Binds[0]: /usr/share is not allowed: BIND_FROM has /tmp, /usr/share:ro",
        ),
        (
            "--cap-add SYS_ADMIN",
            "HostConfig.CapAdd[0]: SYS_ADMIN is not allowed: CAP_ADD has NET_ADMIN",
        ),
        (
            "--device /dev/full",
            "reaches the host's devices (DEVICES can allow it)",
        ),
    ] {
        gate.refused(&format!("docker run --rm {option} busybox true"), 125, why);
    }
    gate.sh("docker rm -f $N");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_required_holds_in_each_task_and_container() {
    let engine = Engine::fresh();
    let open = engine.shell();
    open.sh("docker swarm init --advertise-addr 127.0.0.1");
    let grants = "CONTAINERS INFO NETWORKS POST SERVICES";
    let gate = |limits: &str| Gate::before(&engine.socket(), &format!("{grants} {limits}"));
    let own = "cat /proc/self/status; \
               cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; sleep 600";
    let has = |container: &str, wanted: &[&str]| {
        let logs = format!("docker logs {container} | tr '\t' ' '");
        open.sh(&format!(
            "until {logs} | grep -q '^64$'; do sleep 0.2; done"
        ));
        let told = open.sh(&logs);
        for line in wanted {
            assert!(told.lines().any(|own| own == *line), "{line}: {told}");
        }
    };
    let caps = "CapBnd: 0000000000000000";

    // Where the task has it all, the service is made; below that it is refused.
    let limited = gate("PIDS_MAX=64 REQUIRE=drop-all-caps");
    let create = |gate: &Gate, name: &str, version: &str| {
        let body = serde_json::json!({
            "Name": name,
            "TaskTemplate": {"ContainerSpec": {
                "Image": "busybox",
                "Command": ["sh", "-c", own],
                "CapabilityDrop": ["ALL"],
                "Privileges": {"NoNewPrivileges": true},
            }},
        });
        open.sh(&format!(
            "curl -s -H 'Content-Type: application/json' -d @- http://{}{version}/services/create <<'END'\n{body}\nEND",
            gate.address
        ))
    };
    for version in ["/v1.40", "/v1.39", "/v1.40.9"] {
        let told = create(&limited, "old", version);
        assert!(
            told.contains("Limits.Pids: 64 is ignored in version 1.")
                && told.contains("PIDS_MAX needs 1.41 or later")
                && told.contains("REQUIRE needs 1.41 or later"),
            "{told}"
        );
    }
    for (name, version) in [("one", "/v1.41"), ("two", "")] {
        let told = create(&limited, name, version);
        assert!(told.contains("\"ID\""), "{told}");
        let task = format!("docker ps -q -f label=com.docker.swarm.service.name={name}");
        open.sh(&format!("until [ \"$({task})\" ]; do sleep 0.2; done"));
        has(&open.sh(&task), &[caps, "64"]);
    }
    let sealed = gate("PIDS_MAX=64 REQUIRE=drop-all-caps,no-new-privileges");
    let told = create(&sealed, "old", "/v1.43");
    assert!(told.contains("REQUIRE needs 1.44 or later"), "{told}");
    // Engines before 25 cannot do it at all.
    let told = create(&sealed, "three", "");
    let newest = open.sh("docker version -f '{{.Server.APIVersion}}'");
    let minor = newest
        .split('.')
        .nth(1)
        .and_then(|it| it.parse::<u32>().ok());
    if minor.expect("a version") < 44 {
        let why = format!("is ignored in version {newest} of the API: REQUIRE needs 1.44 or later");
        assert!(told.contains(&why), "{told}");
    } else {
        let task = "docker ps -q -f label=com.docker.swarm.service.name=three";
        open.sh(&format!("until [ \"$({task})\" ]; do sleep 0.2; done"));
        has(&open.sh(task), &[caps, "64", "NoNewPrivs: 1"]);
    }
    // No version leaves any of it out of a container.
    for version in ["1.41", "1.40", "1.30", "1.25"] {
        let id = open.sh(&format!(
            "curl -s -H 'Content-Type: application/json' -d @- http://{}/v{version}/containers/create <<'END' \
             | cut -d '\"' -f 4\n{}\nEND",
            sealed.address,
            serde_json::json!({
                "Image": "busybox",
                "Cmd": ["sh", "-c", own],
                "HostConfig": {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
            })
        ));
        sealed.sh(&format!("docker start {id}"));
        has(&id, &[caps, "64", "NoNewPrivs: 1"]);
        open.sh(&format!("docker rm -f {id}"));
    }
    open.sh("docker swarm leave --force");
}
