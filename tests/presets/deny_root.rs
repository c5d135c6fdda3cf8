//! What each program can do under `DENY_ROOT`: every line that its preset says about that, with
//! requests that the program sends, judged with their bodies.

use std::fs;

use dockgate::config::PRESETS;
use serde_json::{Value, json};

use super::{CALLS, of, settings};
use crate::played::Engine;

/// A line of a preset, and requests as the program sends them, each with its body. A body `@NAME` is
/// what the inspect of that name shows, sent back to create the container again.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

/// All lines of a preset: what works, and what does not.
type Lines = (&'static str, &'static [Line], &'static [Line]);

const LINES: &[Lines] = &[
    (
        "agent",
        &[
            (
                "docker run, with named volumes, tmpfs, published ports, memory and CPU limits",
                &[
                    ("POST /v1.51/containers/create?name=x", RUN),
                    (
                        "POST /v1.51/containers/create",
                        r#"{"Image":"a","ExposedPorts":{"80/tcp":{}},"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},"Tmpfs":{"/run":""},"Binds":["data:/data"],"Memory":268435456,"NanoCpus":1500000000,"PidsLimit":100,"RestartPolicy":{"Name":"no","MaximumRetryCount":0}},"NetworkingConfig":{"EndpointsConfig":{"default":{}}}}"#,
                    ),
                    (
                        "POST /v1.51/containers/create",
                        r#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"volume","Source":"data","Target":"/data","VolumeOptions":{"Subpath":"one"}},{"Type":"tmpfs","Target":"/t"}]}}"#,
                    ),
                    ("POST /v1.51/containers/web/start", ""),
                    ("POST /v1.51/containers/web/wait?condition=removed", ""),
                ],
            ),
            (
                "docker exec, attach and logs of such containers",
                &[
                    ("POST /v1.51/containers/web/exec", EXEC),
                    (
                        "POST /v1.51/exec/a1/start",
                        r#"{"Detach":false,"Tty":true}"#,
                    ),
                    ("POST /v1.51/exec/a1/resize?h=24&w=80", ""),
                    ("POST /v1.51/containers/web/attach?stdout=1&stream=1", ""),
                    ("GET /v1.51/containers/web/logs?stdout=1", ""),
                ],
            ),
            (
                "docker build of a directory, with DOCKER_BUILDKIT=0 where the client runs",
                &[(
                    "POST /v1.51/build?buildargs=%7B%7D&cachefrom=%5B%5D&cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&dockerfile=Dockerfile&labels=%7B%7D&memory=0&memswap=0&networkmode=default&rm=1&shmsize=0&t=a&target=&ulimits=%5B%5D&version=1",
                    "",
                )],
            ),
        ],
        &[
            (
                "bind mounts, except directories in BIND_FROM",
                &[
                    (
                        "POST /v1.51/containers/create",
                        r#"{"Image":"a","HostConfig":{"Binds":["/home/me/src:/src"]}}"#,
                    ),
                    (
                        "POST /v1.51/containers/create",
                        r#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"bind","Source":"/home/me/src","Target":"/src"}]}}"#,
                    ),
                ],
            ),
            (
                "--privileged, --cap-add, --device, --gpus, --pid=host, --network=host and --security-opt",
                &[
                    (CREATE, r#"{"Image":"a","HostConfig":{"Privileged":true}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CapAdd":["NET_ADMIN"]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Devices":[{"PathOnHost":"/dev/kvm","PathInContainer":"/dev/kvm","CgroupPermissions":"rwm"}]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"DeviceRequests":[{"Driver":"","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":{}}]}}"#,
                    ),
                    (CREATE, r#"{"Image":"a","HostConfig":{"PidMode":"host"}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"NetworkMode":"host"}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"SecurityOpt":["seccomp=unconfined"]}}"#,
                    ),
                ],
            ),
            (
                "docker exec and attach in containers that have any of these",
                &[
                    ("POST /v1.51/containers/root/exec", EXEC),
                    ("POST /v1.51/containers/bound/exec", EXEC),
                    ("POST /v1.51/containers/bound/attach?stdin=1&stream=1", ""),
                ],
            ),
            (
                "docker build with BuildKit, or of a URL",
                &[
                    ("POST /session", ""),
                    ("POST /grpc", ""),
                    (
                        "POST /v1.51/build?version=2&session=x&remote=client-session",
                        "",
                    ),
                    (
                        "POST /v1.51/build?t=a&remote=https%3A%2F%2Fgit.example%2Fa.git",
                        "",
                    ),
                ],
            ),
        ],
    ),
    (
        "arcane",
        &[
            (
                "containers and projects with named volumes, networks and published ports",
                &[
                    ("POST /v1.51/containers/create?name=x", COMPOSE),
                    ("POST /v1.51/volumes/create", VOLUME),
                    ("POST /v1.51/networks/create", NETWORK),
                    (
                        "POST /v1.51/networks/web/connect",
                        r#"{"Container":"web","EndpointConfig":{"Aliases":["one"],"DriverOpts":null}}"#,
                    ),
                ],
            ),
            (
                "deploying a container again that has no reach",
                &[
                    ("POST /v1.51/containers/create?name=x", "@engine29-1"),
                    ("POST /v1.51/containers/create?name=x", "@engine29-2"),
                    ("POST /v1.51/containers/web/rename?name=web-backup", ""),
                ],
            ),
            (
                "terminals and commits of such containers, and the files of their volumes",
                &[
                    ("POST /v1.51/containers/web/exec", EXEC),
                    (
                        "POST /v1.51/exec/a1/start",
                        r#"{"Detach":false,"Tty":true}"#,
                    ),
                    ("POST /v1.51/commit?container=web&repo=a&tag=1", "{}"),
                    (
                        CREATE,
                        r#"{"Image":"a","Cmd":["sleep","infinity"],"NetworkDisabled":true,"HostConfig":{"Mounts":[{"Type":"volume","Source":"data","Target":"/volume","ReadOnly":true}]}}"#,
                    ),
                    ("GET /v1.51/containers/web/archive?path=%2Fvolume", ""),
                ],
            ),
        ],
        &[
            (
                "containers and projects with bind mounts, except directories in BIND_FROM",
                &[(
                    CREATE,
                    r#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"bind","Source":"/srv/app","Target":"/app","BindOptions":{"CreateMountpoint":true}}]}}"#,
                )],
            ),
            (
                "privileged containers, devices, added capabilities, and namespaces of the host",
                &[
                    (CREATE, r#"{"Image":"a","HostConfig":{"Privileged":true}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CapAdd":["NET_ADMIN"]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"NetworkMode":"host"}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Devices":[{"PathOnHost":"/dev/dri","PathInContainer":"/dev/dri","CgroupPermissions":"rwm"}]}}"#,
                    ),
                ],
            ),
            (
                "terminals of containers that have any of these, and deploying them again",
                &[
                    ("POST /v1.51/containers/bound/exec", EXEC),
                    ("POST /v1.51/containers/create?name=x", "@engine29-5"),
                    ("POST /v1.51/containers/create?name=x", "@engine29-4"),
                ],
            ),
            (
                "upgrading or recovering Arcane itself, if its container has reach",
                &[(
                    CREATE,
                    r#"{"Image":"a","Cmd":["/app/arcane","upgrade"],"User":"0:0","HostConfig":{"AutoRemove":true,"Mounts":[{"Type":"bind","Source":"/var/run/docker.sock","Target":"/var/run/docker.sock"}],"SecurityOpt":["label=disable"]}}"#,
                )],
            ),
        ],
    ),
    (
        "dockhand",
        &[
            (
                "containers and stacks with named volumes, networks and published ports",
                &[
                    (
                        "POST /containers/create?name=x",
                        r#"{"Image":"a","Env":[],"Labels":{},"ExposedPorts":{"80/tcp":{}},"HostConfig":{"RestartPolicy":{"Name":"unless-stopped"},"PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Binds":["data:/data"],"NetworkMode":"web","Privileged":false},"NetworkingConfig":{"EndpointsConfig":{"web":{"Aliases":["one"]}}}}"#,
                    ),
                    ("POST /v1.51/containers/create?name=x", COMPOSE),
                    ("POST /volumes/create", VOLUME),
                    ("POST /networks/create", NETWORK),
                ],
            ),
            (
                "updating a container that has no reach, and changing its limits",
                &[
                    ("POST /containers/create?name=x", "@engine29-1"),
                    ("POST /containers/create?name=x", "@engine29-2"),
                    ("POST /containers/web/rename?name=web-old", ""),
                    (
                        "POST /containers/web/update",
                        r#"{"Memory":268435456,"CpuShares":512}"#,
                    ),
                ],
            ),
            (
                "terminals of such containers, and the files of their volumes",
                &[
                    ("POST /containers/web/exec", EXEC),
                    ("POST /exec/a1/start", r#"{"Detach":false,"Tty":true}"#),
                    (
                        "POST /containers/create?name=x",
                        r#"{"Image":"busybox:latest","Cmd":["sleep","infinity"],"HostConfig":{"Binds":["data:/volume:ro"],"AutoRemove":false},"Labels":{"a":"true"}}"#,
                    ),
                    ("GET /containers/web/archive?path=%2Fvolume", ""),
                ],
            ),
        ],
        &[
            (
                "containers and stacks with bind mounts, except directories in BIND_FROM",
                &[(
                    "POST /containers/create?name=x",
                    r#"{"Image":"a","HostConfig":{"Binds":["/srv/app:/app"]}}"#,
                )],
            ),
            (
                "privileged containers, devices, added capabilities, and namespaces of the host",
                &[
                    (CREATE, r#"{"Image":"a","HostConfig":{"Privileged":true}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CapAdd":["SYS_PTRACE"]}}"#,
                    ),
                    (CREATE, r#"{"Image":"a","HostConfig":{"PidMode":"host"}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Devices":[{"PathOnHost":"/dev/dri","PathInContainer":"/dev/dri","CgroupPermissions":"rwm"}]}}"#,
                    ),
                ],
            ),
            (
                "terminals of containers that have any of these, and updating them",
                &[
                    ("POST /containers/bound/exec", EXEC),
                    ("POST /containers/create?name=x", "@engine29-5"),
                    ("POST /containers/create?name=x", "@engine29-10"),
                ],
            ),
            (
                "scanners that get the engine's socket",
                &[(
                    "POST /containers/create?name=x",
                    r#"{"Image":"a","Cmd":["a"],"Env":[],"Tty":false,"HostConfig":{"Binds":["/var/run/docker.sock:/var/run/docker.sock:ro","data:/cache"],"AutoRemove":false}}"#,
                )],
            ),
        ],
    ),
    (
        "gitlab-runner",
        &[
            (
                "jobs and services, with the runner's own volumes for builds and caches",
                &[
                    (
                        "POST /v1.51/volumes/create",
                        r#"{"Name":"runner-x-cache-1","Driver":"","DriverOpts":null,"Labels":{"com.gitlab.gitlab-runner.type":"cache"}}"#,
                    ),
                    ("POST /v1.51/containers/create?name=x", JOB),
                    (
                        "POST /v1.51/containers/web/attach?stdin=1&stdout=1&stderr=1&stream=1",
                        "",
                    ),
                    ("POST /v1.51/containers/web/start", ""),
                ],
            ),
            (
                "a network for each job (FF_NETWORK_PER_BUILD)",
                &[(
                    "POST /v1.51/networks/create",
                    r#"{"Name":"runner-x","Driver":"","EnableIPv6":false,"Options":{},"Labels":{"a":"b"},"Scope":"","Internal":false,"Attachable":false,"Ingress":false,"ConfigOnly":false,"ConfigFrom":null,"IPAM":null}"#,
                )],
            ),
            (
                "commands and terminals in the containers of jobs",
                &[
                    ("POST /v1.51/containers/web/exec", EXEC),
                    (
                        "POST /v1.51/exec/a1/start",
                        r#"{"Detach":false,"Tty":true}"#,
                    ),
                    ("POST /v1.51/exec/a1/resize?h=24&w=80", ""),
                ],
            ),
        ],
        &[
            (
                "volumes with a directory or the socket of the host, except directories in BIND_FROM",
                &[
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Binds":["/var/run/docker.sock:/var/run/docker.sock","data:/builds"]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Binds":["/srv/cache:/cache:rw"]}}"#,
                    ),
                ],
            ),
            (
                "privileged, which docker:dind needs, devices, gpus, cap_add, security_opt",
                &[
                    (
                        CREATE,
                        r#"{"Image":"docker:dind","HostConfig":{"Privileged":true}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Devices":[{"PathOnHost":"/dev/kvm","PathInContainer":"/dev/kvm","CgroupPermissions":"rwm"}]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CapAdd":["NET_ADMIN"]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"SecurityOpt":["apparmor=unconfined"]}}"#,
                    ),
                ],
            ),
            (
                "network_mode, pid_mode and ipc_mode of the host, runtime, cgroup_parent",
                &[
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"NetworkMode":"host"}}"#,
                    ),
                    (CREATE, r#"{"Image":"a","HostConfig":{"PidMode":"host"}}"#),
                    (CREATE, r#"{"Image":"a","HostConfig":{"IpcMode":"host"}}"#),
                    (CREATE, r#"{"Image":"a","HostConfig":{"Runtime":"kata"}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CgroupParent":"jobs"}}"#,
                    ),
                ],
            ),
            (
                "volume_driver and volume_driver_ops",
                &[
                    (
                        "POST /v1.51/volumes/create",
                        r#"{"Name":"runner-x-cache-1","Driver":"rexray"}"#,
                    ),
                    (
                        "POST /v1.51/volumes/create",
                        r#"{"Name":"runner-x-cache-1","DriverOpts":{"type":"none","o":"bind","device":"/srv"}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"VolumeDriver":"rexray","Binds":["data:/builds"]}}"#,
                    ),
                ],
            ),
        ],
    ),
    (
        "ofelia",
        &[
            (
                "job-exec in a container that has no reach",
                &[
                    (
                        "POST /containers/web/exec",
                        r#"{"Cmd":["true"],"Container":"web","User":"root","AttachStdout":true,"AttachStderr":true}"#,
                    ),
                    ("POST /v1.51/containers/web/exec", EXEC),
                    ("POST /exec/a1/start", "{}"),
                    ("GET /exec/a1/json", ""),
                ],
            ),
            (
                "job-run with named volumes and networks",
                &[
                    (
                        "POST /v1.51/containers/create?name=x",
                        r#"{"Image":"a","Cmd":["true"],"AttachStdout":true,"AttachStderr":true,"Tty":false,"Labels":{"ofelia.job.name":"x"},"HostConfig":{"Binds":["data:/data"],"VolumesFrom":["web"],"NetworkMode":"","RestartPolicy":{"Name":"","MaximumRetryCount":0},"LogConfig":{"Type":"","Config":null}},"NetworkingConfig":null}"#,
                    ),
                    ("POST /v1.51/networks/web/connect", r#"{"Container":"web"}"#),
                    ("POST /v1.51/containers/web/start", ""),
                ],
            ),
        ],
        &[
            (
                "job-exec in a container that has a bind mount or other reach",
                &[
                    ("POST /containers/bound/exec", EXEC),
                    ("POST /containers/root/exec", EXEC),
                ],
            ),
            (
                "job-run with a directory of the host as volume, except directories in BIND_FROM",
                &[(
                    "POST /containers/create",
                    r#"{"Image":"a","HostConfig":{"Binds":["/srv/backup:/backup:rw"]}}"#,
                )],
            ),
            (
                "job-run with volumes-from of a container that has reach",
                &[(
                    "POST /containers/create",
                    r#"{"Image":"a","HostConfig":{"VolumesFrom":["bound"]}}"#,
                )],
            ),
        ],
    ),
    (
        "portainer",
        &[
            (
                "containers and stacks with named volumes, networks, published ports and limits",
                &[
                    ("POST /v1.41/containers/create?name=x", FORM),
                    ("POST /v1.41/containers/create?name=x", COMPOSE),
                    ("POST /v1.41/volumes/create", VOLUME),
                    ("POST /v1.41/networks/create", NETWORK),
                ],
            ),
            (
                "editing, duplicating and recreating a container that has no reach",
                &[
                    ("POST /v1.41/containers/create?name=x", "@engine20-1"),
                    ("POST /v1.51/containers/create?name=x", "@engine29-1"),
                    ("POST /v1.51/containers/create?name=x", "@engine29-2"),
                    ("POST /v1.41/containers/web/rename?name=web-old", ""),
                ],
            ),
            (
                "consoles of such containers, and images made of them",
                &[
                    (
                        "POST /v1.41/containers/web/exec",
                        r#"{"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":true,"User":"","Cmd":["bash"]}"#,
                    ),
                    (
                        "POST /v1.41/exec/a1/start",
                        r#"{"Detach":false,"Tty":true}"#,
                    ),
                    (
                        "POST /v1.41/containers/web/attach?logs=0&stream=1&stdin=1",
                        "",
                    ),
                    ("POST /v1.41/commit?container=web&repo=a", "{}"),
                ],
            ),
            (
                "services with published ports, networks, limits, configs and secrets",
                &[
                    ("POST /v1.41/services/create", SERVICE),
                    (
                        "POST /v1.41/services/create",
                        r#"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"a","Configs":[{"ConfigID":"c1","ConfigName":"c","File":{"Name":"/c","UID":"0","GID":"0","Mode":292}}]}}}"#,
                    ),
                    (
                        "POST /v1.41/services/create",
                        r#"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"a","Secrets":[{"SecretID":"s1","SecretName":"s","File":{"Name":"s","UID":"0","GID":"0","Mode":292}}]}}}"#,
                    ),
                ],
            ),
            (
                "builds from its editor or of uploaded files",
                &[("POST /v1.41/build?t=a&dockerfile=Dockerfile", "")],
            ),
        ],
        &[
            (
                "bind mounts, except directories in BIND_FROM",
                &[(
                    "POST /v1.41/containers/create?name=x",
                    r#"{"Image":"a","Volumes":{"/app":{}},"HostConfig":{"Binds":["/srv/app:/app"]}}"#,
                )],
            ),
            (
                "privileged containers, devices, GPUs, runtimes, added capabilities, sysctls of the host",
                &[
                    (CREATE, r#"{"Image":"a","HostConfig":{"Privileged":true}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Devices":[{"PathOnHost":"/dev/dri","PathInContainer":"/dev/dri","CgroupPermissions":"rwm"}]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"DeviceRequests":[{"Driver":"nvidia","Count":-1,"Capabilities":[["gpu"]]}]}}"#,
                    ),
                    (CREATE, r#"{"Image":"a","HostConfig":{"Runtime":"nvidia"}}"#),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"CapAdd":["SYS_ADMIN"]}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"Sysctls":{"kernel.core_pattern":"x"}}}"#,
                    ),
                ],
            ),
            (
                "the host's network, and other containers' namespaces if those have reach",
                &[
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"NetworkMode":"host"}}"#,
                    ),
                    (
                        CREATE,
                        r#"{"Image":"a","HostConfig":{"NetworkMode":"container:root"}}"#,
                    ),
                ],
            ),
            (
                "consoles of containers that have any of these, and recreating them",
                &[
                    ("POST /v1.41/containers/bound/exec", EXEC),
                    ("POST /v1.41/containers/create?name=x", "@engine20-5"),
                    ("POST /v1.51/containers/create?name=x", "@engine29-4"),
                ],
            ),
            (
                "volumes with options (NFS, CIFS), macvlan and ipvlan networks",
                &[
                    (
                        "POST /v1.41/volumes/create",
                        r#"{"Name":"x","Driver":"local","DriverOpts":{"type":"nfs","o":"addr=10.0.0.1,rw","device":":/srv"}}"#,
                    ),
                    (
                        "POST /v1.41/networks/create",
                        r#"{"Name":"x","Driver":"macvlan","Options":{"parent":"eth0"}}"#,
                    ),
                    (
                        "POST /v1.41/networks/create",
                        r#"{"Name":"x","Driver":"ipvlan"}"#,
                    ),
                ],
            ),
            (
                "services with volumes",
                &[(
                    "POST /v1.41/services/create",
                    r#"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"a","Mounts":[{"Type":"volume","Source":"data","Target":"/data"}]}}}"#,
                )],
            ),
            (
                "builds from a URL, and changes to nodes",
                &[
                    (
                        "POST /v1.41/build?t=a&remote=https%3A%2F%2Fgit.example%2Fa.git",
                        "",
                    ),
                    (
                        "POST /v1.41/nodes/a1/update?version=3",
                        r#"{"Role":"manager"}"#,
                    ),
                ],
            ),
        ],
    ),
    (
        "watchtower",
        &[
            (
                "updating a container that has no reach, with its networks and volumes",
                &[
                    ("POST /v1.44/containers/create?name=x", "@engine29-1"),
                    ("POST /v1.44/containers/create?name=x", "@engine29-2"),
                    ("POST /v1.25/containers/create?name=x", "@engine20-1"),
                    ("POST /v1.25/containers/create?name=x", "@engine20-2"),
                    (
                        "POST /v1.44/networks/web/connect",
                        r#"{"Container":"web","EndpointConfig":{"IPAMConfig":null,"Links":null,"Aliases":["web"],"MacAddress":"02:42:ac:11:00:02","DriverOpts":null,"GwPriority":0}}"#,
                    ),
                    ("POST /v1.44/containers/web/start", ""),
                ],
            ),
            (
                "commands of lifecycle hooks in such containers",
                &[
                    ("POST /v1.44/containers/web/exec", EXEC),
                    (
                        "POST /v1.44/exec/a1/start",
                        r#"{"Detach":false,"Tty":true}"#,
                    ),
                ],
            ),
        ],
        &[(
            "creating a container again that has a bind mount, devices or other reach",
            &[
                ("POST /v1.44/containers/create?name=x", "@engine29-4"),
                ("POST /v1.44/containers/create?name=x", "@engine29-5"),
                ("POST /v1.44/containers/create?name=x", "@engine29-10"),
                ("POST /v1.25/containers/create?name=x", "@engine20-5"),
            ],
        )],
    ),
];

const CREATE: &str = "POST /v1.51/containers/create";

/// `docker run -it --rm a sh`, as the CLI sends it.
const RUN: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":true,"OpenStdin":true,"StdinOnce":true,"Env":null,"Cmd":["sh"],"Image":"a","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

/// `docker exec -it`, as the CLI sends it.
const EXEC: &str = r#"{"User":"","Privileged":false,"Tty":true,"ConsoleSize":[24,80],"AttachStdin":true,"AttachStderr":true,"AttachStdout":true,"DetachKeys":"","Env":null,"WorkingDir":"","Cmd":["sh"]}"#;

/// What Compose creates a service's container of.
const COMPOSE: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=b"],"Cmd":null,"Image":"a","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"com.docker.compose.project":"x","com.docker.compose.service":"one"},"HostConfig":{"Binds":["data:/data:rw"],"ContainerIDFile":"","LogConfig":{"Type":"","Config":null},"NetworkMode":"web","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"unless-stopped","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":null,"DnsOptions":null,"DnsSearch":null,"ExtraHosts":[],"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":[],"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","Memory":536870912,"Devices":null,"DeviceRequests":null,"PidsLimit":null,"Ulimits":null,"Mounts":[{"Type":"volume","Source":"data","Target":"/more","VolumeOptions":{}}],"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"web":{"IPAMConfig":null,"Links":null,"Aliases":["x-one-1","one"],"MacAddress":"","DriverOpts":null,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

/// What Portainer's form sends, with its capabilities.
const FORM: &str = r#"{"HostConfig":{"Binds":["data:/data","data:/more:ro"],"NetworkMode":"web","Dns":[],"ExtraHosts":[],"RestartPolicy":{"Name":"always"},"Privileged":false,"Init":false,"Runtime":"","Devices":[],"Sysctls":{},"ShmSize":67108864,"DeviceRequests":[],"MemoryReservation":0,"Memory":536870912,"NanoCpus":1000000000,"CapAdd":["AUDIT_WRITE","CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","MKNOD","NET_BIND_SERVICE","NET_RAW","SETFCAP","SETGID","SETPCAP","SETUID","SYS_CHROOT"],"CapDrop":["AUDIT_CONTROL","SYS_ADMIN","SYS_PTRACE"],"PublishAllPorts":false,"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"AutoRemove":false},"NetworkingConfig":{"EndpointsConfig":{"web":{"IPAMConfig":{"IPv4Address":"","IPv6Address":""}}}},"User":"","WorkingDir":"","OpenStdin":false,"Tty":false,"Volumes":{"/data":{},"/more":{}},"Hostname":"","Domainname":"","MacAddress":"","Labels":{},"ExposedPorts":{"80/tcp":{}},"Env":[],"Image":"a"}"#;

/// What GitLab Runner creates a job's container of.
const JOB: &str = r#"{"Hostname":"runner-x","Domainname":"","User":"","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":true,"StdinOnce":true,"Env":["CI=true"],"Cmd":["sh"],"Image":"sha256:0a1b","Volumes":null,"WorkingDir":"","Entrypoint":null,"Labels":{"com.gitlab.gitlab-runner.type":"build"},"HostConfig":{"Binds":["data:/cache","data:/builds"],"ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":null},"NetworkMode":"web","PortBindings":null,"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":null,"ExtraHosts":["db:172.18.0.2"],"GroupAdd":null,"IpcMode":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"SecurityOpt":null,"UsernsMode":"","ShmSize":0,"Isolation":"","Memory":0,"CgroupParent":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":[],"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"web":{"Aliases":["build"]}}}}"#;

/// What Portainer's form for services sends.
const SERVICE: &str = r#"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"a","Env":["A=b"],"Mounts":[],"Configs":[],"Secrets":[],"Labels":{}},"Placement":{"Constraints":[],"Preferences":[]},"Resources":{"Limits":{"NanoCPUs":1000000000,"MemoryBytes":268435456},"Reservations":{}},"RestartPolicy":{"Condition":"any"},"Networks":[{"Target":"web"}]},"Mode":{"Replicated":{"Replicas":1}},"UpdateConfig":{"Parallelism":1,"Delay":0,"FailureAction":"pause"},"EndpointSpec":{"Ports":[{"Protocol":"tcp","PublishMode":"ingress","TargetPort":80,"PublishedPort":8080}]}}"#;

const VOLUME: &str = r#"{"Name":"new","Driver":"local","DriverOpts":{},"Labels":{"a":"b"}}"#;

const NETWORK: &str = r#"{"Name":"new","Driver":"bridge","IPAM":{"Driver":"default","Config":[{"Subnet":"10.9.0.0/24"}]},"Internal":false,"Attachable":false,"EnableIPv6":false,"Options":{},"Labels":{"a":"b"}}"#;

/// An inspect, with as many containers as it is for.
fn inspect(name: &str) -> Value {
    let path = format!("{}/tests/inspects/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("an inspect");
    let read: Value = serde_json::from_str(&text).expect("JSON");
    match read {
        Value::Array(mut items) => items.remove(0),
        one => one,
    }
}

/// A container as it is created again after it ran: its Config, its HostConfig and the first of its
/// networks, in which it had addresses.
fn again(name: &str) -> String {
    let inspect = inspect(name);
    let mut body = inspect["Config"].clone();
    body["HostConfig"] = inspect["HostConfig"].clone();
    let networks = inspect["NetworkSettings"]["Networks"].as_object();
    let first = networks.into_iter().flatten().next();
    if let Some((network, endpoint)) = first {
        let mut endpoint = endpoint.clone();
        for (key, value) in [
            ("NetworkID", &*network_id(network)),
            ("EndpointID", "e1"),
            ("Gateway", "172.17.0.1"),
            ("IPAddress", "172.17.0.2"),
            ("MacAddress", "5e:12:9f:83:01:c4"),
        ] {
            endpoint[key] = value.into();
        }
        endpoint["IPPrefixLen"] = 16.into();
        body["NetworkingConfig"] = json!({"EndpointsConfig": {network.clone(): endpoint}});
    }
    body.to_string()
}

const NETWORKS: [&str; 4] = ["bridge", "host", "none", "web"];

fn network_id(name: &str) -> String {
    let at = NETWORKS.iter().position(|one| *one == name);
    format!("b{}", at.expect("a network")).repeat(32)
}

fn network(name: &str) -> Value {
    let driver = match name {
        "host" => "host",
        "none" => "null",
        _ => "bridge",
    };
    json!({
        "Name": name, "Id": network_id(name), "Driver": driver, "Scope": "local",
        "EnableIPv6": false, "Internal": false, "Attachable": false, "Ingress": false,
        "ConfigFrom": {"Network": ""}, "ConfigOnly": false, "Options": {}, "Labels": {},
        "IPAM": {"Driver": "default", "Options": null, "Config": []},
    })
}

/// An engine with a plain container `web` and its exec, the privileged `root`, `bound` with a
/// directory of the host, networks and volumes, all on cgroup v1.
fn engine() -> Engine {
    let mut engine = Engine::default();
    let mut list = Vec::new();
    for (name, from) in [
        ("web", "engine29-1"),
        ("root", "engine29-4"),
        ("bound", "engine29-5"),
    ] {
        let mut inspect = inspect(from);
        inspect["Name"] = format!("/{name}").into();
        let id = inspect["Id"].as_str().expect("an ID").to_owned();
        list.push(json!({"Id": id, "Names": [format!("/{name}")]}));
        for name in [name, &id, &id[..4]] {
            engine.has(format!("/containers/{name}/json"), inspect.to_string());
        }
    }
    let exec = json!({
        "ID": "a1".repeat(32),
        "ContainerID": list[0]["Id"],
        "ProcessConfig": {"privileged": false},
    });
    engine.has("/exec/a1/json", exec.to_string());
    engine.has("/containers/json?all=1", Value::Array(list).to_string());
    engine.has("/services", "[]");
    let networks: Vec<Value> = NETWORKS.map(network).into();
    engine.has("/networks", Value::Array(networks).to_string());
    for name in NETWORKS {
        for place in [name.to_owned(), network_id(name)] {
            engine.has(format!("/networks/{place}"), network(name).to_string());
        }
    }
    for volume in ["data", "cache"] {
        engine.volume(volume, "null", "[]");
    }
    engine.has(
        "/info",
        r#"{"DefaultRuntime":"runc","LoggingDriver":"json-file","SecurityOptions":["name=seccomp,profile=builtin"]}"#,
    );
    engine
}

#[test]
fn every_line_about_deny_root_is_true() {
    let engine = engine();
    let mut wrong = Vec::new();
    let mut shown = 0;
    for preset in PRESETS {
        let Some(under) = &preset.deny_root else {
            // All that DENY_ROOT could refuse to one of these is a read.
            let root = preset.doc.contains("root on the host");
            assert!(!root, "{}: says nothing about DENY_ROOT", preset.name);
            continue;
        };
        // With all that the program may do, so that nothing is refused for another reason.
        let options = preset.options.iter().flat_map(|option| option.grants);
        let grants =
            options.flat_map(|name| dockgate::config::Piece::named(std::slice::from_ref(name)));
        let mut env: Vec<(&str, &str)> = grants.map(|piece| (piece.variable(), "1")).collect();
        env.extend([("PRESET", preset.name), ("DENY_ROOT", "1")]);
        let policy = settings(&env).policies.into_default();
        env.push(("BIND_FROM", "/home/me/src,/srv/app,/srv/backup,/srv/cache"));
        let with_directories = settings(&env).policies.into_default();
        let (_, works, refused) = LINES
            .iter()
            .find(|(name, ..)| *name == preset.name)
            .unwrap_or_else(|| panic!("nothing about {}", preset.name));
        for (said, lines, passes) in [
            (under.allowed, works, true),
            (under.refused, refused, false),
        ] {
            let texts: Vec<&str> = lines.iter().map(|(text, _)| *text).collect();
            assert_eq!(said, texts, "{}", preset.name);
            let each = lines.iter();
            for (text, (line, body)) in
                each.flat_map(|(text, calls)| calls.iter().map(move |call| (text, call)))
            {
                let body = match body.strip_prefix('@') {
                    Some(name) => again(name),
                    None => (*body).to_owned(),
                };
                let judged = engine.judge(&policy, line, &body);
                let by = judged.as_ref().is_ok_and(|()| passes)
                    || judged
                        .as_ref()
                        .is_err_and(|why| !passes && why.contains("DENY_ROOT"));
                if !by {
                    wrong.push(format!("{}: {line} {judged:?}", preset.name));
                }
                if text.contains("BIND_FROM") && !body.contains("docker.sock") {
                    let judged = engine.judge(&with_directories, line, &body);
                    assert_eq!(judged, Ok(()), "{}: {line}", preset.name);
                }
                shown += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{shown} requests judged");
}

/// What a program sends and no preset says anything about, it can still do: nothing that is granted is
/// lost but what was judged above.
#[test]
fn what_has_no_body_to_judge_passes_as_before() {
    let engine = engine();
    for preset in PRESETS.iter().filter(|preset| preset.deny_root.is_none()) {
        let policy = settings(&[("PRESET", preset.name), ("DENY_ROOT", "1")]);
        let policy = policy.policies.into_default();
        let lines = of(CALLS, preset.name).lines().map(str::trim);
        for call in lines.filter(|line| !line.is_empty()) {
            // Any container will do.
            let call = call.replace(['+', '{', '}'], "").replace("4f1a", "web");
            let judged = engine.judge(&policy, &call, "");
            assert_eq!(judged, Ok(()), "{}: {call}", preset.name);
        }
    }
}

#[test]
fn a_preset_sets_it_and_its_user_decides() {
    const AGENT: (&str, &str) = ("PRESET", "agent");
    let is_set = |env: &[(&str, &str)]| {
        let settings = settings(env);
        let warnings = settings.warnings.iter();
        let warnings: Vec<String> = warnings.map(ToString::to_string).collect();
        let policy = settings.policies.into_default();
        let root = policy.root_on_host().is_some();
        assert_eq!(policy.sources.deny_root, !root, "{env:?}");
        (policy.sources.deny_root, warnings)
    };
    for env in [
        &[AGENT][..],
        &[AGENT, ("DENY_ROOT", "1")],
        &[AGENT, ("DENY_ROOT", "")],
        &[("PROFILE", "agent")],
        // It narrows what another preset grants, too.
        &[("PRESET", "portainer,agent")],
    ] {
        assert_eq!(is_set(env), (true, Vec::new()), "{env:?}");
    }
    let told = |preset| {
        format!(
            "DENY_ROOT=0 overrides {preset}=agent, which sets DENY_ROOT=1; remove it, unless \
             clients may control the host"
        )
    };
    for variable in ["PRESET", "PROFILE"] {
        let env = [(variable, "agent"), ("DENY_ROOT", "0")];
        assert_eq!(is_set(&env), (false, vec![told(variable)]));
    }
    let file = |deny_root: &str| {
        let text = format!("policies:\n  default:\n    PRESET: agent\n{deny_root}");
        is_set(&[("CONFIG_DATA", &text)])
    };
    assert_eq!(file(""), (true, Vec::new()));
    let (on, told) = file("    DENY_ROOT: 0\n");
    assert!(!on && told.len() == 1, "{told:?}");
    let said = "DENY_ROOT: 0 overrides PRESET: agent, which sets DENY_ROOT: 1; ";
    assert!(told[0].contains(&said["DENY_ROOT".len()..]), "{told:?}");
    assert!(!is_set(&[("PRESET", "portainer")]).0);
}

/// What the page says about opening one thing: a request is refused, and passes once this variable is
/// set.
#[test]
fn each_variable_on_the_page_opens_what_it_is_for() {
    const OPENED: &[(&str, &str, &str, &str)] = &[
        ("BIND_FROM", "/srv/x", CREATE, r#"{"Binds":["/srv/x:/x"]}"#),
        (
            "CAP_ADD",
            "NET_ADMIN",
            CREATE,
            r#"{"CapAdd":["NET_ADMIN"]}"#,
        ),
        (
            "DEVICES",
            "/dev/dri",
            CREATE,
            r#"{"Devices":[{"PathOnHost":"/dev/dri","PathInContainer":"/dev/dri","CgroupPermissions":"rwm"}]}"#,
        ),
        (
            "DEVICES",
            "nvidia=all",
            CREATE,
            r#"{"DeviceRequests":[{"Driver":"nvidia","Count":-1,"Capabilities":[["gpu"]]}]}"#,
        ),
        (
            "NAMESPACES",
            "network:host",
            CREATE,
            r#"{"NetworkMode":"host"}"#,
        ),
        ("NAMESPACES", "pid:host", CREATE, r#"{"PidMode":"host"}"#),
        (
            "VOLUMES_NAMED",
            "shared",
            CREATE,
            r#"{"Binds":["shared:/x"]}"#,
        ),
        ("VOLUMES_NAMED", "nfs", CREATE, r#"{"Binds":["nfs:/x"]}"#),
        (
            "SECURITY",
            "seccomp=unconfined",
            CREATE,
            r#"{"SecurityOpt":["seccomp=unconfined"]}"#,
        ),
        ("RUNTIMES", "runsc", CREATE, r#"{"Runtime":"runsc"}"#),
        (
            "SYSCTLS",
            "vm.max_map_count",
            CREATE,
            r#"{"Sysctls":{"vm.max_map_count":"262144"}}"#,
        ),
        (
            "LOG_DRIVERS",
            "journald",
            CREATE,
            r#"{"LogConfig":{"Type":"journald","Config":{}}}"#,
        ),
        (
            "VOLUME_DRIVERS",
            "rexray",
            "POST /volumes/create",
            r#"{"Name":"new","Driver":"rexray"}"#,
        ),
        (
            "NETWORK_DRIVERS",
            "macvlan",
            "POST /networks/create",
            r#"{"Name":"new","Driver":"macvlan"}"#,
        ),
    ];
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/creating-containers.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut engine = engine();
    let root = inspect("engine29-4")["Id"].clone();
    engine.volume("shared", "null", &json!([{"Id": root}]).to_string());
    let nfs = r#"{"type":"nfs","o":"addr=10.0.0.1","device":":/x"}"#;
    engine.volume("nfs", nfs, "[]");
    for (variable, value, line, body) in OPENED {
        let rows = page.lines().filter(|row| row.starts_with("| "));
        let mut rows = rows.filter(|row| row.contains(&format!("`{variable}`")));
        assert!(rows.next().is_some(), "{variable}: not in the table");
        let body = match *line {
            CREATE => format!(r#"{{"Image":"a","HostConfig":{body}}}"#),
            _ => (*body).to_owned(),
        };
        let mut env = vec![("POST", "1"), ("CONTAINERS", "1"), ("DENY_ROOT", "1")];
        env.extend([("VOLUMES", "1"), ("NETWORKS", "1")]);
        let judge = |env: &[(&str, &str)]| {
            engine.judge(&settings(env).policies.into_default(), line, &body)
        };
        let refused = judge(&env).expect_err(&body);
        assert!(refused.contains("DENY_ROOT"), "{variable}: {refused}");
        env.push((variable, value));
        assert_eq!(judge(&env), Ok(()), "{variable}={value}");
    }
}
