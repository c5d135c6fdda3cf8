//! The presets: each lets its program work, lets nothing dangerous through, and is no more than what
//! people grant the program by sections; and what `dockgate presets` prints means the same.

mod deny_root;
mod examples;
#[path = "../support/played.rs"]
mod played;

use std::collections::BTreeSet;
use std::process::Command;

use dockgate::api::Target;
use dockgate::api::sections::{ACTIONS, SECTIONS};
use dockgate::config::{PRESETS, Settings, Snapshot};
use dockgate::policy::{Body, Policy, Verdict};
use proptest::prelude::*;
use proptest::sample::subsequence;

const API: &str = include_str!("../conformance/docker-api.tsv");

const NAMES: [&str; 28] = [
    "agent",
    "arcane",
    "autoheal",
    "beszel",
    "crowdsec",
    "diun",
    "docker-read",
    "dockhand",
    "dozzle",
    "dozzle-actions",
    "gitlab-runner",
    "glances",
    "homarr",
    "homepage",
    "netdata",
    "nginx-proxy",
    "ofelia",
    "portainer",
    "portainer-read",
    "prometheus",
    "promtail",
    "telegraf",
    "traefik",
    "traefik-swarm",
    "trivy",
    "uptime-kuma",
    "watchtower",
    "whats-up-docker",
];

/// What each program sends, as it sends it: with an API version or without, with its queries. A `+`
/// behind the method stands for a body, `{}` for just that one.
const CALLS: &[(&str, &str)] = &[
    (
        "traefik",
        "
        HEAD /_ping
        GET /_ping
        GET /v1.24/version
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/4f1a/json
        GET /v1.51/events?filters=%7B%22type%22%3A%7B%22container%22%3Atrue%7D%7D",
    ),
    (
        "traefik-swarm",
        "
        HEAD /_ping
        GET /v1.51/version
        GET /v1.51/services
        GET /v1.51/tasks?filters=%7B%22desired-state%22%3A%7B%22running%22%3Atrue%7D%7D
        GET /v1.51/networks?filters=%7B%22scope%22%3A%7B%22swarm%22%3Atrue%7D%7D
        GET /v1.51/nodes/24ifsmvkjbyhk",
    ),
    (
        "portainer-read",
        "
        HEAD /_ping
        GET /v1.41/_ping
        GET /v1.41/version
        GET /v1.41/info
        GET /v1.41/events?since=1&until=2
        GET /v1.41/system/df
        GET /v1.41/containers/json?all=1
        GET /v1.41/containers/4f1a/json?size=1
        GET /v1.41/containers/4f1a/logs?stdout=1&tail=100
        GET /v1.41/containers/4f1a/stats?stream=false
        GET /v1.41/containers/4f1a/top
        GET /v1.41/images/json?all=0
        GET /v1.41/images/sha256:0a1b/json
        GET /v1.41/images/sha256:0a1b/history
        GET /v1.41/networks
        GET /v1.41/networks/web
        GET /v1.41/volumes
        GET /v1.41/volumes/data
        GET /v1.41/plugins
        GET /v1.41/services?status=true
        GET /v1.41/services/a1
        GET /v1.41/services/a1/logs?stdout=1
        GET /v1.41/tasks
        GET /v1.41/tasks/a1
        GET /v1.41/tasks/a1/logs
        GET /v1.41/nodes
        GET /v1.41/nodes/a1
        GET /v1.41/configs
        GET /v1.41/configs/a1
        GET /v1.41/secrets
        GET /v1.41/secrets/a1",
    ),
    (
        "portainer",
        "
        POST+ /v1.41/containers/create?name=web
        POST{} /v1.41/containers/web/start
        POST+ /v1.41/containers/web/stop
        POST+ /v1.41/containers/web/restart
        POST+ /v1.41/containers/web/kill
        POST+ /v1.41/containers/web/pause
        POST+ /v1.41/containers/web/unpause
        POST+ /v1.41/containers/web/rename?name=old
        POST+ /v1.41/containers/web/update
        POST /v1.41/containers/web/resize?h=24&w=80
        POST /v1.41/containers/web/attach?stream=1
        POST+ /v1.41/containers/web/exec
        POST+ /v1.41/exec/a1/start
        POST /v1.41/exec/a1/resize?h=24&w=80
        DELETE /v1.41/containers/web?force=true
        POST /v1.41/images/create?fromImage=reg.io%2Fa
        POST /v1.41/images/reg.io/a/push
        POST /v1.41/images/a/tag?repo=b
        POST+ /v1.41/images/load
        GET /v1.41/images/get?names=a
        DELETE /v1.41/images/a
        POST+ /v1.41/build?t=a
        POST+ /v1.41/commit?container=web
        POST+ /v1.41/networks/create
        POST+ /v1.41/networks/web/connect
        POST+ /v1.41/networks/web/disconnect
        DELETE /v1.41/networks/web
        POST+ /v1.41/volumes/create
        DELETE /v1.41/volumes/data
        POST+ /v1.41/services/create
        POST+ /v1.41/services/a1/update?version=3
        DELETE /v1.41/services/a1
        POST+ /v1.41/configs/create
        DELETE /v1.41/configs/a1
        POST+ /v1.41/secrets/create
        DELETE /v1.41/secrets/a1
        POST+ /v1.41/nodes/a1/update?version=3
        GET /v1.41/swarm
        GET /v1.41/info
        GET /v1.41/containers/json",
    ),
    (
        "watchtower",
        "
        HEAD /_ping
        GET /v1.44/info
        GET /v1.44/containers/json?filters=%7B%7D
        GET /v1.44/containers/4f1a/json
        GET /v1.44/images/sha256:0a1b/json
        GET /v1.44/images/reg.io:5000/a/b:latest/json
        POST /v1.44/images/create?fromImage=docker.io%2Flibrary%2Fa&tag=latest
        POST /v1.44/containers/4f1a/stop
        POST /v1.25/containers/4f1a/kill?signal=SIGTERM
        POST+ /v1.44/containers/4f1a/update
        POST /v1.44/containers/4f1a/rename?name=x
        DELETE /v1.44/containers/4f1a?force=1&v=0
        POST+ /v1.44/containers/create?name=a
        POST+ /v1.44/networks/web/connect
        POST+ /v1.25/networks/web/disconnect
        POST /v1.44/containers/4f1a/start
        DELETE /v1.44/images/sha256:0a1b",
    ),
    (
        "dozzle",
        "
        HEAD /_ping
        GET /v1.51/info
        GET /v1.51/version
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/logs?follow=1&stdout=1&stderr=1&tail=100&timestamps=1
        GET /v1.51/containers/4f1a/stats?stream=1
        GET /v1.51/events",
    ),
    (
        "dozzle-actions",
        "
        GET /v1.51/info
        GET /v1.51/containers/4f1a/logs?follow=1
        POST /v1.51/containers/4f1a/start
        POST /v1.51/containers/4f1a/stop
        POST /v1.51/containers/4f1a/restart
        DELETE /v1.51/containers/4f1a",
    ),
    (
        "homepage",
        "
        GET /containers/json?all=true
        GET /containers/web/json
        GET /containers/web/stats?stream=false
        GET /services
        GET /services/web
        GET /tasks?filters=%7B%22service%22%3A%5B%22web%22%5D%7D",
    ),
    (
        "glances",
        "
        GET /version
        GET /v1.51/_ping
        GET /v1.51/containers/json?limit=-1&all=0&size=0&trunc_cmd=0
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/stats?stream=True
        GET /v1.51/images/sha256:0a1b/json",
    ),
    (
        "diun",
        "
        HEAD /_ping
        GET /v1.51/version
        GET /v1.51/containers/json?filters=%7B%7D
        GET /v1.51/containers/4f1a/json
        GET /v1.51/images/sha256:0a1b/json
        GET /v1.51/services",
    ),
    (
        "autoheal",
        "
        GET /containers/json?filters=%7B%22health%22:%5B%22unhealthy%22%5D%7D
        POST /containers/4f1a/restart?t=10",
    ),
    (
        "ofelia",
        "
        GET /version
        HEAD /_ping
        GET /info
        GET /containers/json?filters=%7B%7D
        GET /containers/web/json
        GET /v1.51/events
        POST+ /containers/web/exec
        POST+ /exec/a1/start
        GET /exec/a1/json
        GET /images/json?filters=%7B%7D
        GET /v1.51/images/a:1/json
        POST /images/create?fromImage=a&tag=1
        POST+ /containers/create
        GET /networks?filters=%7B%7D
        POST+ /networks/web/connect
        POST /containers/4f1a/start
        POST /v1.51/containers/4f1a/wait?condition=not-running
        GET /containers/4f1a/logs?stdout=1
        POST /containers/4f1a/stop?t=10
        DELETE /containers/4f1a?force=1",
    ),
    (
        "telegraf",
        "
        HEAD /_ping
        GET /v1.51/info
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/stats?stream=0
        GET /v1.51/containers/4f1a/logs?follow=1
        GET /v1.51/services
        GET /v1.51/tasks
        GET /v1.51/system/df?type=volume",
    ),
    (
        "netdata",
        "
        GET /containers/4f1a/json
        HEAD /_ping
        GET /v1.51/info
        GET /v1.51/images/json
        GET /v1.51/containers/json?filters=%7B%7D",
    ),
    (
        "promtail",
        "
        HEAD /_ping
        GET /v1.51/containers/json?limit=0
        GET /v1.51/networks
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/logs?follow=1&since=1",
    ),
    (
        "crowdsec",
        "
        HEAD /_ping
        GET /v1.51/info
        GET /v1.51/containers/json
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/logs?follow=1
        GET /v1.51/events?filters=%7B%7D
        GET /v1.51/services
        GET /v1.51/services/a1
        GET /v1.51/services/a1/logs?follow=1",
    ),
    (
        "uptime-kuma",
        "
        GET /containers/json?all=true
        GET /containers/web/json",
    ),
    (
        "nginx-proxy",
        "
        GET /version
        GET /_ping
        GET /info
        GET /events?filters=%7B%7D
        GET /containers/json?all=0
        GET /containers/4f1a/json?size=0
        GET /networks",
    ),
    (
        "homarr",
        "
        GET /containers/json?all=true
        GET /containers/4f1a/json
        GET /containers/4f1a/stats?stream=false&one-shot=true
        POST /containers/4f1a/start
        POST /containers/4f1a/stop
        POST /containers/4f1a/restart
        DELETE /containers/4f1a",
    ),
    (
        "beszel",
        "
        GET /version
        GET /info
        GET /containers/json
        GET /containers/4f1a/json
        GET /containers/4f1a/stats?stream=0&one-shot=1
        GET /containers/4f1a/logs?stdout=1&tail=200",
    ),
    (
        "whats-up-docker",
        "
        GET /events?filters=%7B%7D
        GET /containers/json?all=true
        GET /containers/4f1a/json
        GET /images/sha256:0a1b/json
        GET /images/reg.io/a/b:1@sha256:0a1b/json",
    ),
    (
        "trivy",
        "
        HEAD /_ping
        GET /v1.51/images/reg.io:5000/a/b:1/json
        GET /v1.51/images/a%2Fb/history
        GET /v1.51/images/get?names=reg.io%2Fa",
    ),
    (
        "gitlab-runner",
        "
        HEAD /_ping
        GET /v1.51/info
        GET /v1.51/version
        POST /v1.51/images/create?fromImage=a&tag=1
        GET /v1.51/images/a:1/json
        POST+ /v1.51/images/load?quiet=1
        POST /v1.51/images/sha256:0a1b/tag?repo=a
        POST+ /v1.51/containers/create?name=runner-1
        POST /v1.51/containers/4f1a/attach?stream=1&stdin=1
        POST /v1.51/containers/4f1a/start
        POST /v1.51/containers/4f1a/wait?condition=not-running
        POST /v1.51/containers/4f1a/stop
        POST /v1.51/containers/4f1a/kill?signal=SIGKILL
        GET /v1.51/containers/4f1a/logs?stdout=1
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/json?all=1
        POST+ /v1.51/containers/4f1a/exec
        POST+ /v1.51/exec/a1/start
        POST /v1.51/exec/a1/resize?h=1&w=1
        DELETE /v1.51/containers/4f1a?force=1&v=1
        POST+ /v1.51/networks/create
        GET /v1.51/networks
        GET /v1.51/networks/a1
        POST+ /v1.51/networks/a1/disconnect
        DELETE /v1.51/networks/a1
        POST+ /v1.51/volumes/create
        GET /v1.51/volumes/a1
        GET /v1.51/volumes
        DELETE /v1.51/volumes/a1",
    ),
    (
        "docker-read",
        "
        HEAD /_ping
        GET /v1.51/version
        GET /v1.51/info
        GET /v1.51/events
        GET /v1.51/system/df
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/web/json
        GET /v1.51/containers/web/logs?stdout=1&follow=1
        GET /v1.51/containers/web/stats?stream=1
        GET /v1.51/containers/web/top
        GET /v1.51/containers/web/changes
        GET /v1.51/images/json
        GET /v1.51/images/a/b:1/json
        GET /v1.51/images/a/b:1/history
        GET /v1.51/networks
        GET /v1.51/networks/web
        GET /v1.51/volumes
        GET /v1.51/volumes/data
        GET /v1.51/services
        GET /v1.51/services/web?insertDefaults=false
        GET /v1.51/services/web/logs
        GET /v1.51/tasks
        GET /v1.51/tasks/a1
        GET /v1.51/tasks/a1/logs
        GET /v1.51/nodes
        GET /v1.51/nodes/self
        GET /v1.51/plugins
        GET /v1.51/plugins/a/b:1/json
        GET /v1.51/secrets
        GET /v1.51/secrets/a1
        GET /v1.51/configs
        GET /v1.51/configs/a1",
    ),
    (
        "agent",
        "
        HEAD /_ping
        GET /v1.51/version
        GET /v1.51/info
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/web/json
        GET /v1.51/containers/web/logs?stdout=1&follow=1
        GET /v1.51/containers/web/top
        POST+ /v1.51/containers/create?name=web
        POST /v1.51/containers/4f1a/start
        POST /v1.51/containers/4f1a/attach?stream=1&stdout=1
        POST /v1.51/containers/4f1a/wait?condition=next-exit
        POST /v1.51/containers/4f1a/resize?h=24&w=80
        POST /v1.51/containers/4f1a/stop
        POST /v1.51/containers/4f1a/restart
        POST /v1.51/containers/4f1a/kill?signal=KILL
        POST+ /v1.51/containers/web/exec
        POST+ /v1.51/exec/a1/start
        GET /v1.51/exec/a1/json
        POST /v1.51/exec/a1/resize?h=24&w=80
        DELETE /v1.51/containers/4f1a?force=1&v=1
        POST /v1.51/images/create?fromImage=docker.io%2Flibrary%2Fa&tag=latest
        GET /v1.51/images/json
        GET /v1.51/images/a:1/json
        POST+ /v1.51/build?t=a&dockerfile=Dockerfile",
    ),
    (
        "arcane",
        "
        HEAD /_ping
        GET /v1.51/version
        GET /v1.51/info
        GET /v1.51/events
        GET /v1.51/system/df
        GET /v1.51/containers/json?all=1
        GET /v1.51/containers/4f1a/json
        GET /v1.51/containers/4f1a/logs?follow=1
        GET /v1.51/containers/4f1a/stats?stream=1
        POST+ /v1.51/containers/create?name=web
        POST /v1.51/containers/4f1a/start
        POST /v1.51/containers/4f1a/stop
        POST /v1.51/containers/4f1a/restart
        POST /v1.51/containers/4f1a/kill
        POST /v1.51/containers/4f1a/pause
        POST /v1.51/containers/4f1a/unpause
        POST /v1.51/containers/4f1a/rename?name=web-old
        POST /v1.51/containers/4f1a/wait?condition=not-running
        DELETE /v1.51/containers/4f1a?force=1
        POST /v1.51/containers/prune
        POST+ /v1.51/containers/4f1a/exec
        POST+ /v1.51/exec/a1/start
        GET /v1.51/exec/a1/json
        GET /v1.51/containers/4f1a/archive?path=%2Fvolume
        PUT+ /v1.51/containers/4f1a/archive?path=%2Ftmp
        POST+ /v1.51/commit?container=4f1a&repo=a
        GET /v1.51/images/json
        GET /v1.51/images/a/json
        GET /v1.51/images/a/history
        POST /v1.51/images/create?fromImage=a&tag=1
        POST /v1.51/images/a/tag?repo=b
        POST+ /v1.51/images/load
        GET /v1.51/images/get?names=a
        DELETE /v1.51/images/a
        POST /v1.51/images/prune
        POST /v1.51/build/prune
        GET /v1.51/distribution/reg.io/a:1/json
        GET /v1.51/networks
        GET /v1.51/networks/web
        POST+ /v1.51/networks/create
        POST+ /v1.51/networks/web/connect
        POST+ /v1.51/networks/web/disconnect
        DELETE /v1.51/networks/web
        POST /v1.51/networks/prune
        GET /v1.51/volumes
        GET /v1.51/volumes/data
        POST+ /v1.51/volumes/create
        DELETE /v1.51/volumes/data
        POST /v1.51/volumes/prune",
    ),
    (
        "dockhand",
        "
        GET /_ping
        GET /version
        GET /info
        GET /events?type=container
        GET /system/df
        GET /containers/json?all=true&size=true
        GET /containers/4f1a/json
        GET /containers/4f1a/logs?stdout=true&stderr=true
        GET /containers/4f1a/stats?stream=false
        GET /containers/4f1a/top
        POST+ /containers/create?name=web
        POST /containers/4f1a/start
        POST /containers/4f1a/stop
        POST /containers/4f1a/restart
        POST /containers/4f1a/pause
        POST /containers/4f1a/unpause
        POST+ /containers/4f1a/update
        POST /containers/4f1a/rename?name=web-old
        POST /containers/4f1a/wait
        DELETE /containers/4f1a?force=true
        POST /containers/prune
        POST+ /containers/4f1a/exec
        POST+ /exec/a1/start
        POST /exec/a1/resize?h=24&w=80
        GET /exec/a1/json
        GET /containers/4f1a/archive?path=%2Fvolume
        HEAD /containers/4f1a/archive?path=%2Fvolume
        PUT+ /containers/4f1a/archive?path=%2Fvolume
        GET /images/json
        GET /images/sha256%3A0a1b/json
        GET /images/sha256%3A0a1b/history
        POST /images/create?fromImage=reg.io%2Fa&tag=1
        POST /images/sha256%3A0a1b/tag?repo=b&tag=1
        GET /images/sha256%3A0a1b/get
        DELETE /images/sha256%3A0a1b?force=true
        POST /images/prune?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D
        GET /networks
        GET /networks/web
        POST+ /networks/create
        POST+ /networks/web/connect
        POST+ /networks/web/disconnect
        DELETE /networks/web
        POST /networks/prune
        GET /volumes
        GET /volumes/data
        POST+ /volumes/create
        DELETE /volumes/data?force=true
        POST /volumes/prune",
    ),
    (
        "prometheus",
        "
        HEAD /_ping
        GET /v1.51/containers/json?filters=%7B%7D
        GET /v1.51/networks",
    ),
];

/// What no preset lets through but for those that are named: their purpose is just that.
const DANGEROUS: &[(&str, &[&str])] = &[
    (
        "POST+ /containers/create",
        &[
            "portainer",
            "watchtower",
            "ofelia",
            "gitlab-runner",
            "agent",
            "arcane",
            "dockhand",
        ],
    ),
    (
        "POST+ /containers/x/exec",
        &[
            "portainer",
            "ofelia",
            "gitlab-runner",
            "agent",
            "arcane",
            "dockhand",
        ],
    ),
    (
        "POST+ /exec/x/start",
        &[
            "portainer",
            "ofelia",
            "gitlab-runner",
            "agent",
            "arcane",
            "dockhand",
        ],
    ),
    (
        "POST /containers/x/attach?stdin=1",
        &["portainer", "gitlab-runner", "agent"],
    ),
    (
        "GET /containers/x/attach/ws?stdin=1",
        &["portainer", "gitlab-runner", "agent"],
    ),
    ("PUT+ /containers/x/archive?path=/", &["arcane", "dockhand"]),
    ("GET /containers/x/archive?path=/", &["arcane", "dockhand"]),
    ("HEAD /containers/x/archive?path=/", &["arcane", "dockhand"]),
    ("POST+ /v1.23/containers/x/copy", &[]),
    ("GET /containers/x/export", &[]),
    ("POST+ /v1.23/containers/x/start?x=HostConfig", &[]),
    ("POST /containers/x/start?checkpoint-dir=/", &[]),
    ("POST+ /containers/x/checkpoints", &[]),
    ("GET /containers/x/top?ps_args=axe", &[]),
    ("POST /containers/prune", &["arcane", "dockhand"]),
    ("POST+ /build", &["portainer", "agent"]),
    ("POST /build?remote=http://host/", &["portainer", "agent"]),
    ("POST /grpc", &["portainer"]),
    ("POST /session", &["portainer"]),
    ("POST+ /commit?container=x", &["portainer", "arcane"]),
    ("POST /images/create?fromSrc=http://host/", &[]),
    ("POST+ /images/create?fromSrc=-", &[]),
    (
        "POST+ /images/load",
        &["portainer", "gitlab-runner", "arcane"],
    ),
    ("POST /images/x/push", &["portainer"]),
    (
        "POST /images/x/tag?repo=y",
        &["portainer", "gitlab-runner", "arcane", "dockhand"],
    ),
    (
        "GET /images/get?names=x",
        &["portainer", "trivy", "arcane", "dockhand"],
    ),
    (
        "GET /images/x/get",
        &["portainer", "trivy", "arcane", "dockhand"],
    ),
    ("GET /images/search?term=host:1/x", &[]),
    ("GET /distribution/host:1/x/json", &["portainer", "arcane"]),
    ("POST /images/prune", &["arcane", "dockhand"]),
    ("POST+ /auth", &[]),
    (
        "POST+ /volumes/create",
        &["portainer", "gitlab-runner", "arcane", "dockhand"],
    ),
    ("PUT+ /volumes/x", &[]),
    (
        "POST+ /networks/create",
        &["portainer", "gitlab-runner", "arcane", "dockhand"],
    ),
    ("POST+ /services/create", &["portainer"]),
    ("POST+ /services/x/update", &["portainer"]),
    ("POST+ /secrets/create", &["portainer"]),
    ("POST+ /configs/create", &["portainer"]),
    ("POST+ /nodes/x/update", &["portainer"]),
    ("DELETE /nodes/x", &[]),
    ("GET /swarm", &["portainer"]),
    ("GET /swarm/unlockkey", &["portainer"]),
    ("POST+ /swarm/init", &[]),
    ("POST+ /swarm/join", &[]),
    ("POST /swarm/leave?force=1", &[]),
    ("POST+ /swarm/update", &[]),
    ("GET /plugins/privileges?remote=host:1/x", &[]),
    ("POST+ /plugins/pull", &[]),
    ("POST+ /plugins/create?name=x", &[]),
    ("POST /plugins/x/enable", &[]),
    ("POST+ /plugins/x/set", &[]),
    ("GET /debug/pprof/heap", &[]),
    ("GET /debug/vars", &[]),
];

/// What people grant the program by sections, as guides and the programs' own documentation have it,
/// with what the program calls besides. EVENTS, PING and VERSION are granted by default.
const DOCUMENTED: &[(&str, &str)] = &[
    ("agent", "CONTAINERS EXEC IMAGES INFO BUILD POST"),
    (
        "arcane",
        "CONTAINERS EXEC IMAGES INFO NETWORKS VOLUMES SYSTEM BUILD COMMIT DISTRIBUTION POST",
    ),
    ("autoheal", "CONTAINERS POST"),
    ("beszel", "CONTAINERS INFO"),
    ("crowdsec", "CONTAINERS INFO SERVICES"),
    ("diun", "CONTAINERS IMAGES SERVICES TASKS"),
    (
        "docker-read",
        "CONTAINERS IMAGES INFO NETWORKS VOLUMES SERVICES TASKS NODES PLUGINS SECRETS CONFIGS SYSTEM",
    ),
    (
        "dockhand",
        "CONTAINERS EXEC IMAGES INFO NETWORKS VOLUMES SYSTEM POST",
    ),
    ("dozzle", "CONTAINERS INFO"),
    ("dozzle-actions", "CONTAINERS INFO POST"),
    (
        "gitlab-runner",
        "CONTAINERS IMAGES NETWORKS VOLUMES EXEC INFO POST",
    ),
    ("glances", "CONTAINERS IMAGES"),
    ("homarr", "CONTAINERS POST"),
    ("homepage", "CONTAINERS SERVICES TASKS"),
    ("netdata", "CONTAINERS INFO IMAGES"),
    ("nginx-proxy", "CONTAINERS INFO NETWORKS"),
    ("ofelia", "CONTAINERS EXEC POST IMAGES NETWORKS INFO"),
    (
        "portainer",
        "CONTAINERS IMAGES INFO NETWORKS VOLUMES SERVICES TASKS SYSTEM PLUGINS POST EXEC BUILD \
         COMMIT SWARM NODES CONFIGS SECRETS DISTRIBUTION SESSION GRPC",
    ),
    (
        "portainer-read",
        "CONTAINERS IMAGES INFO NETWORKS VOLUMES SERVICES TASKS SYSTEM PLUGINS NODES CONFIGS SECRETS",
    ),
    ("prometheus", "CONTAINERS NETWORKS"),
    ("promtail", "CONTAINERS NETWORKS"),
    ("telegraf", "CONTAINERS INFO SYSTEM SERVICES TASKS"),
    ("traefik", "CONTAINERS"),
    ("traefik-swarm", "SERVICES TASKS NETWORKS NODES"),
    ("trivy", "IMAGES"),
    ("uptime-kuma", "CONTAINERS"),
    ("watchtower", "CONTAINERS IMAGES NETWORKS INFO POST"),
    ("whats-up-docker", "CONTAINERS IMAGES"),
];

fn settings(env: &[(&str, &str)]) -> Settings {
    Settings::load(&env.iter().copied().collect::<Snapshot>()).expect("a configuration that starts")
}

fn preset(name: &str) -> Settings {
    settings(&[("PRESET", name)])
}

/// The origin, or the remedy, of a line of the tables above.
fn decide(policy: &Policy, call: &str) -> Result<String, String> {
    let (method, target) = call.split_once(' ').expect("a method and a target");
    let bare = method.trim_end_matches(['+', '{', '}']);
    let body = match &method[bare.len()..] {
        "" => Body::Empty,
        "{}" => Body::Short,
        _ => Body::Other,
    };
    let target = Target::from_line(bare, target).expect("a clean target");
    match policy.decide(target, body) {
        Verdict::Allow(permit) => Ok(permit.origin().to_string()),
        Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => Err(denial.remedy().to_string()),
    }
}

/// Every route of the API, old ones too.
fn api() -> impl Iterator<Item = String> {
    let rows = API
        .lines()
        .skip(1)
        .map(|row| row.split('\t').collect::<Vec<_>>());
    rows.map(|row| {
        let path = row[1]
            .replace("{id}", "c1")
            .replace("/volumes/{name}", "/volumes/v1");
        let path = path
            .replace("{name}", "reg.io:5000/a/b")
            .replace("{checkpoint}", "p1");
        format!(
            "{} {}",
            row[0],
            path.replace("{rpc}", "Solve").replace("{path}", "anything")
        )
    })
}

fn of<T: Copy>(table: &[(&str, T)], name: &str) -> T {
    let found = table.iter().find(|(own, _)| *own == name);
    found.unwrap_or_else(|| panic!("nothing about {name}")).1
}

#[test]
fn there_is_one_for_each_program() {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    assert_eq!(names, NAMES);
    // Each says what was looked at, and when that was so. Two are for clients of any kind.
    for preset in PRESETS {
        let (name, about) = (preset.name, preset.about);
        let words: Vec<&str> = about.split_whitespace().collect();
        let about = words.join(" ");
        let read = about.contains("20") && about.contains("read in the source of");
        assert!(
            read || ["agent", "docker-read"].contains(&name),
            "{name}: {about}"
        );
        assert!(preset.about.lines().all(|line| line.len() < 100), "{name}");
    }
}

#[test]
fn each_program_works() {
    let mut calls = 0;
    for name in NAMES {
        let policy = preset(name).policies.into_default();
        let lines = of(CALLS, name).lines().map(str::trim);
        for call in lines.filter(|line| !line.is_empty()) {
            assert_eq!(
                decide(&policy, call),
                Ok(format!("PRESET={name}")),
                "{call}"
            );
            calls += 1;
        }
    }
    println!("{calls} calls pass");
}

#[test]
fn nothing_dangerous_passes() {
    for name in NAMES {
        let policy = preset(name).policies.into_default();
        for (call, purpose) in DANGEROUS {
            let verdict = decide(&policy, call);
            assert_eq!(
                verdict.is_ok(),
                purpose.contains(&name),
                "{name}: {call}: {verdict:?}"
            );
        }
    }
}

/// Root on the host is warned about exactly where it is the preset's purpose, and told in the list.
#[test]
fn root_on_the_host_is_told() {
    for preset in PRESETS {
        let root = preset.doc.contains("root on the host");
        let warned = settings(&[("PRESET", preset.name)])
            .policies
            .default()
            .root_on_host();
        assert_eq!(warned.is_some(), root, "{}: {warned:?}", preset.name);
        assert!(warned.is_none_or(|text| text.contains(&format!("PRESET={} (", preset.name))));
    }
}

#[test]
fn each_is_a_subset_of_its_documented_sections() {
    for name in NAMES {
        let sections = of(DOCUMENTED, name)
            .split_whitespace()
            .map(|name| (name, "1"));
        let sections = settings(&sections.collect::<Vec<_>>())
            .policies
            .into_default();
        let policy = preset(name).policies.into_default();
        let mut fewer = 0;
        for call in api() {
            let (mine, theirs) = (decide(&policy, &call), decide(&sections, &call));
            assert!(
                mine.is_err() || theirs.is_ok(),
                "{name}: {call}: {theirs:?}"
            );
            fewer += usize::from(mine.is_err() && theirs.is_ok());
        }
        assert!(fewer > 0, "{name} is no narrower than its sections");
    }
}

#[test]
fn presets_add_up_and_a_deny_takes_away() {
    let [one, other] = ["traefik", "autoheal"].map(preset);
    let both = preset("traefik, autoheal");
    for call in api() {
        let alone = [&one, &other].map(|one| decide(one.policies.default(), &call).is_ok());
        let verdict = decide(both.policies.default(), &call);
        assert_eq!(
            verdict.is_ok(),
            alone.contains(&true),
            "{call}: {verdict:?}"
        );
    }
    let policy = settings(&[("PRESET", "dozzle"), ("DENY_LOGS", "1")])
        .policies
        .into_default();
    assert_eq!(
        decide(&policy, "GET /containers/x/logs"),
        Err("DENY_LOGS is set; unset it to allow this request".to_owned())
    );
}

/// Variables that grant or take away, each 1 where it is.
fn variables() -> impl Strategy<Value = Vec<&'static str>> {
    let sections: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    let actions = ACTIONS
        .iter()
        .flat_map(|action| [action.allow, action.deny]);
    let all = [sections, actions.collect(), vec!["POST"]].concat();
    subsequence(all, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn order_never_matters_and_a_deny_never_allows_more(
        (presets, shuffled) in subsequence(NAMES.to_vec(), 0..4)
            .prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
        variables in variables(),
        deny in any::<prop::sample::Index>(),
    ) {
        let deny = ACTIONS[deny.index(ACTIONS.len())].deny;
        let load = |presets: &[&str], more: &[&'static str]| {
            let presets = presets.join(",");
            let mut env: Vec<(&str, &str)> = variables.iter().chain(more).map(|name| (*name, "1")).collect();
            env.push(("PRESET", &presets));
            settings(&env).policies.into_default()
        };
        let (one, other, denied) = (load(&presets, &[]), load(&shuffled, &[]), load(&presets, &[deny]));
        for call in api() {
            let verdict = decide(&one, &call);
            prop_assert_eq!(&verdict, &decide(&other, &call));
            prop_assert!(verdict.is_ok() || decide(&denied, &call).is_err(), "{} {}", deny, call);
        }
    }
}

/// Defaults of the section variables hold only where these say something, or where nothing else does.
#[test]
fn a_preset_brings_no_defaults() {
    let allowed = |env: &[(&str, &str)]| {
        let policy = settings(env).policies.into_default();
        let calls = [
            "GET /events",
            "GET /_ping",
            "GET /version",
            "POST /containers/x/kill",
        ];
        calls.map(|call| decide(&policy, call).is_ok())
    };
    let kuma = ("PRESET", "uptime-kuma");
    assert_eq!(allowed(&[]), [true, true, true, false]);
    assert_eq!(allowed(&[kuma]), [false; 4]);
    assert_eq!(allowed(&[("PRESET", "")]), [false; 4]);
    assert_eq!(
        allowed(&[("PRESET", "glances")]),
        [false, true, true, false]
    );
    // An action brings itself, and a deny nothing.
    assert_eq!(
        allowed(&[kuma, ("ALLOW_KILL", "1")]),
        [false, false, false, true]
    );
    assert_eq!(allowed(&[kuma, ("ALLOW_KILL", "0")]), [false; 4]);
    assert_eq!(allowed(&[kuma, ("DENY_KILL", "1")]), [false; 4]);
    // A section variable does, whatever its value.
    for section in ["CONTAINERS", "EVENTS", "POST"] {
        let on = allowed(&[kuma, (section, "0")]);
        assert_eq!(on, [section != "EVENTS", true, true, false], "{section}");
    }
    let remedy = decide(
        settings(&[kuma]).policies.default(),
        "GET /containers/x/logs",
    );
    assert_eq!(remedy, Err("set ALLOW_LOGS=1".to_owned()));
}

#[test]
fn a_profile_may_name_a_preset() {
    let profile = settings(&[("PROFILE", "dozzle")]);
    for call in api() {
        let verdict = decide(profile.policies.default(), &call);
        let same = decide(preset("dozzle").policies.default(), &call);
        assert_eq!(verdict.is_ok(), same.is_ok(), "{call}: {verdict:?}");
    }
    let ping = decide(profile.policies.default(), "HEAD /_ping");
    assert_eq!(ping, Ok("PROFILE=dozzle".to_owned()));
    // A built-in profile of that name is what it names, and allows what it allows there.
    let profile = settings(&[("PROFILE", "traefik")]);
    assert!(
        profile.policies.default().sources.profile.built_in
            && profile.policies.default().sources.profile.preset.is_none()
    );
    assert!(decide(profile.policies.default(), "HEAD /_ping").is_err());
}

fn dockgate(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dockgate"));
    let output = command.args(args).env_clear().envs(env.iter().copied());
    let output = output.output().expect("the program runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
    (output.status.code().expect("an exit code"), out, err)
}

#[test]
fn an_unknown_preset_does_not_start() {
    let (code, out, err) = dockgate(&["check"], &[("PRESET", "traefik,dozzel")]);
    assert_eq!((code, out.as_str()), (78, ""));
    assert_eq!(
        err,
        "dockgate: error: PRESET contains dozzel, which is not a preset; did you mean dozzle? \
         `dockgate presets` lists all\n"
    );
    let (code, out, err) = dockgate(&["presets", "dozzel"], &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.ends_with("did you mean dozzle? `dockgate presets` lists all\n"),
        "{err}"
    );
}

/// The lines `      NAME: value` behind a heading, as they would be pasted.
fn pasted<'a>(shown: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let (_, after) = shown.split_once(&format!("\n{heading}\n")).expect(heading);
    let lines = after.lines().map_while(|line| line.strip_prefix("      "));
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (name, value.trim_matches('\'')))
        .collect()
}

#[test]
fn what_is_shown_means_the_same() {
    let (code, list, _) = dockgate(&["presets"], &[]);
    assert_eq!((code, list.lines().count()), (0, NAMES.len()));
    for (line, preset) in list.lines().zip(PRESETS) {
        assert!(
            line.starts_with(preset.name) && line.ends_with(preset.doc),
            "{line}"
        );
    }
    for name in NAMES {
        let (code, shown, err) = dockgate(&["presets", name], &[]);
        assert_eq!((code, err.as_str()), (0, ""));
        let load = |heading| settings(&pasted(&shown, heading));
        let policy = load("As a preset:").policies.into_default();
        let actions = load("The same as actions:").policies.into_default();
        let sections = load("The closest section variables:")
            .policies
            .into_default();
        let regexes = pasted(&shown, "As regexes:");
        let regexes = regexes.into_iter().collect::<Snapshot>().of_process_1();
        let regexes = Settings::load(&regexes).expect("a configuration that starts");
        assert_eq!(
            regexes.warnings,
            [],
            "clients of other containers can connect"
        );
        let regexes = regexes.policies.into_default();
        let mut wider = BTreeSet::new();
        for call in api() {
            let own = decide(&policy, &call).is_ok();
            for (kind, same) in [("actions", &actions), ("regexes", &regexes)] {
                let verdict = decide(same, &call);
                assert_eq!(
                    verdict.is_ok(),
                    own,
                    "{name} as {kind}: {call}: {verdict:?}"
                );
            }
            let nearest = decide(&sections, &call);
            assert!(
                !own || nearest.is_ok(),
                "{name} as sections: {call}: {nearest:?}"
            );
            if !own && nearest.is_ok() {
                wider.insert(call);
            }
        }
        let told = shown
            .lines()
            .find_map(|line| line.strip_prefix("  which also allow "));
        // Old routes, and those of today that are none of its own.
        assert_eq!(told.is_some(), !wider.is_empty(), "{name}: {wider:?}");
    }
}
