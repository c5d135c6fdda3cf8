//! Gates and mutators on a real engine: what the docker CLI creates is what they made of it.

use crate::harness::{Engine, Gate};

/// A network, a volume, a folder and an image, and a configuration that puts them in the place of
/// what a client asks for.
fn prepared() -> (Gate, String) {
    let shell = Engine::shared().shell();
    let name = shell.sh(
        "docker network create $N >/dev/null; docker volume create $N >/dev/null
         docker tag busybox $N-image:1; echo $N",
    );
    // It stays for as long as the volume does.
    let folder = format!("/tmp/{name}");
    shell.sh(&format!("mkdir -p {folder}/a; echo host > {folder}/a/file"));
    let config = format!(
        r#"CONFIG_DATA={{"mutators":[
            {{"type":"mountPath","from":"/source","to":"{folder}"}},
            {{"type":"mountPath","from":"/data","to":"{name}"}},
            {{"type":"addLabels","labels":{{"team":"ci"}}}},
            {{"type":"addToNetwork","networks":["{name}"]}},
            {{"type":"remapImage","from":"nginx:1","to":"{name}-image:1"}}],
          "gates":[
            {{"type":"mountSource","allowedSources":["{folder}","{folder}/*","{name}"]}},
            {{"type":"registry","registries":["localhost:5000"]}}]}}"#
    );
    let config: String = config.split_whitespace().collect();
    (Gate::new(&config), name)
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_created_is_what_mutators_made_of_it() {
    let (gate, name) = prepared();
    // The image, the folder and its options.
    let run = "docker run --rm -v /source/a:/w:ro nginx:1";
    assert_eq!(gate.sh(&format!("{run} cat /w/file")), "host");
    let written = gate.run(&format!("{run} sh -c 'echo x > /w/file'"));
    assert!(
        written.code != 0 && written.stderr.contains("Read-only"),
        "{written:?}"
    );
    let mount = "docker run --rm --mount type=bind,src=/source/../source/a,dst=/w nginx:1";
    assert_eq!(gate.sh(&format!("{mount} cat /w/file")), "host");
    // A volume, and a folder in it.
    gate.sh("docker run --rm -v /data:/d nginx:1 sh -c 'mkdir /d/sub; echo volume > /d/sub/file'");
    assert_eq!(
        gate.sh(&format!(
            "docker run --rm -v {name}:/d nginx:1 cat /d/sub/file"
        )),
        "volume"
    );
    let api = gate.sh("docker version -f '{{.Server.APIVersion}}'");
    let minor = api
        .split_once('.')
        .and_then(|(_, minor)| minor.parse::<u32>().ok());
    // Older engines ignore the folder.
    if minor.is_some_and(|minor| minor >= 45) {
        let sub = "docker run --rm -v /data/sub:/s:ro nginx:1 cat /s/file";
        assert_eq!(gate.sh(sub), "volume");
    }
    // Labels and networks.
    gate.sh("docker create --name $N-web -l own=1 -l team=other nginx:1 true");
    let format = "{{.Config.Image}} {{json .Config.Labels}} {{.HostConfig.NetworkMode}}";
    assert_eq!(
        gate.sh(&format!("docker inspect -f '{format}' $N-web")),
        format!(r#"{name}-image:1 {{"own":"1","team":"ci"}} {name}"#)
    );
    gate.sh("docker create --name $N-none --network none nginx:1 true");
    let mode = "docker inspect -f '{{.HostConfig.NetworkMode}}' $N-none";
    assert_eq!(gate.sh(mode), "none");
    let labels = gate.sh(
        "docker volume create $N-v >/dev/null; docker network create $N-n >/dev/null
         docker volume inspect -f '{{.Labels.team}}' $N-v
         docker network inspect -f '{{.Labels.team}}' $N-n
         printf 'FROM scratch\\nLABEL own=1\\n' > $T/Dockerfile
         DOCKER_BUILDKIT=0 docker build -q -t $N-built --label x=1 $T >/dev/null
         docker image inspect -f '{{json .Config.Labels}}' $N-built",
    );
    assert_eq!(
        labels,
        "ci\nci\n{\"own\":\"1\",\"team\":\"ci\",\"x\":\"1\"}"
    );
    // An image is known under the name that stands for it.
    let id = "docker image inspect -f '{{.Id}}'";
    assert_eq!(
        gate.sh(&format!("{id} nginx:1")),
        gate.sh(&format!("{id} busybox"))
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_other_mount_and_no_other_registry_passes_a_gate() {
    let (gate, name) = prepared();
    let shell = Engine::shared().shell();
    shell.sh(&format!(
        "docker volume create --opt type=none --opt o=bind --opt device=/etc {name}-etc
         docker create --name {name}-etc -v /etc:/host busybox true
         docker create --name {name}-own -v {name}:/d busybox true"
    ));
    let sources = format!("mountSource has /tmp/{name}, /tmp/{name}/*, {name}");
    for (options, place) in [
        ("-v /etc:/x", "HostConfig.Binds[0]: /etc".to_owned()),
        (
            "-v /source/../etc:/x:ro",
            "HostConfig.Binds[0]: /etc".to_owned(),
        ),
        (
            "--mount type=bind,src=/,dst=/x",
            "HostConfig.Mounts[0]: /".to_owned(),
        ),
        (
            &format!("-v {name}-etc:/x"),
            format!("HostConfig.Binds[0]: {name}-etc"),
        ),
        (
            &format!("--volumes-from {name}-etc"),
            format!("HostConfig.VolumesFrom[0]: what {name}-etc mounts"),
        ),
    ] {
        let command = format!("docker create {options} busybox true");
        gate.refused(&command, 1, &format!("{place} is not allowed: {sources}"));
    }
    gate.refused(
        "docker volume create --opt type=none --opt o=bind --opt device=/etc $N-etc",
        1,
        &format!("DriverOpts: /etc is not allowed: {sources}"),
    );
    gate.sh(&format!(
        "docker create --volumes-from {name}-own:ro busybox true"
    ));
    gate.refused(
        "docker pull alpine",
        1,
        "the parameter fromImage: docker.io/library/alpine is not allowed: registry has localhost:5000",
    );
}
