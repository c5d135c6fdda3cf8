//! `REDACT` of everything: what was planted in environments, commands, labels, configs, networks and
//! the rest comes out of no answer, and clients go on reading all of them.

use std::fs;

use super::ALL;
use super::crawl::{Events, crawl, work};
use super::talk::{Talk, To};
use super::teams::{Marks, Team};
use crate::harness::{Engine, Gate, variable};

const REDACT: &str = "REDACT=env,commands,mounts,labels:*,tokens,configs,network,host REDACT_ENV=*";
/// Values that the teams' things have.
const PLANTED: [(&str, &str); 17] = [
    ("-hush-", "env: Config.Env"),
    ("-served", "env: ContainerSpec.Env"),
    ("walnut-planted", "env: an image's"),
    ("exec sleep", "commands: Cmd, Args, an exec's"),
    ("true # ", "commands: a health check, events"),
    ("-argument", "commands: an exec's event"),
    ("-note\"", "labels: of everything"),
    ("cgxhaw4=", "configs: Data"),
    ("swmtkn-", "tokens: of the swarm"),
    ("10.203.0", "network: a shared one's addresses"),
    ("10.204.0", "network: a bridge's addresses"),
    ("10.214.0", "network: an overlay's addresses"),
    ("172.17.0", "network: the default's addresses"),
    ("02:42:", "network: a MAC"),
    ("-alias\"", "network: an alias"),
    ("/data/volumes/", "mounts: Mountpoint, Source"),
    ("/planted/", "mounts: a bind's source"),
];

/// Crawls; what came out.
pub(super) fn judge(engine: &Engine, direct: &mut Talk, teams: &[Team; 2]) -> Vec<String> {
    let mut planted: Vec<String> = PLANTED.iter().map(|(text, _)| (*text).to_owned()).collect();
    for file in ["/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname"] {
        let text = fs::read_to_string(file).expect("Linux");
        // A short name is in anything.
        planted.extend(Some(text.trim().to_lowercase()).filter(|text| text.len() > 5));
    }
    let marks = Marks::new(planted);
    work(direct, &teams[0]);
    let open = Gate::before(&engine.socket(), ALL);
    let found = crawl(open.address, teams, &marks, is_json);
    println!(
        "no redaction: {} of {} requests tell",
        found.leaks.len(),
        found.requests
    );
    assert!(found.leaks.len() > 100, "the crawler finds nothing");
    // What is planted is there, or nothing is proven by its absence.
    let all: Vec<&String> = found.leaks.values().flatten().collect();
    for (text, what) in PLANTED {
        let is_there = all.iter().any(|found| *found == text);
        // A bind is refused by machines that keep their files to themselves.
        if !is_there {
            println!("not planted: {what}");
        }
    }
    let gate = Gate::before(&engine.socket(), &format!("{ALL} {REDACT}"));
    let events = Events::listen(&To::Gate(gate.address));
    let mut wrong: Vec<String> = events.lack("200 OK").into_iter().collect();
    work(direct, &teams[0]);
    for seen in ["alpha-passing", "\"secret\""] {
        wrong.extend(events.lack(seen));
    }
    let found = crawl(gate.address, teams, &marks, is_json);
    for (request, marks) in found.leaks {
        wrong.push(format!("REDACT: {request}: {}", marks.join(" ")));
    }
    let told = events.text();
    for line in told.lines() {
        let found = marks.found(line, "");
        if !found.is_empty() {
            wrong.push(format!("REDACT: event {line}: {}", found.join(" ")));
        }
    }
    let python = variable("DOCKGATE_TEST_PYTHON");
    for clients in [CLI, &format!("{python} -c '{PYTHON}'")] {
        let run = gate.run(clients);
        if run.code != 0 {
            wrong.push(format!("REDACT: {}", run.stderr));
        }
    }
    wrong
}

/// What is no JSON has files or output, which nothing redacts: starting says so.
pub(super) fn is_json(path: &str) -> bool {
    let others = ["/logs", "/export", "/archive", "/get", "/attach/ws"];
    let path = path.split('?').next().unwrap_or_default();
    !others.iter().any(|other| path.ends_with(other))
}

/// Whatever reads an answer into its own types.
const CLI: &str = "{
    docker ps -a --size
    docker inspect alpha-c1 alpha-c2 alpha-vol chestnut:1
    docker port alpha-c1
    docker top alpha-c1
    docker diff alpha-c1
    docker stats --no-stream alpha-c1
    docker images -a
    docker history busybox
    docker image inspect chestnut:1
    docker network ls
    docker network inspect alpha-net commons bridge alpha-over
    docker volume ls
    docker volume inspect alpha-vol models
    docker info
    docker version
    docker system df -v
    docker service ls
    docker service ps alpha-web
    docker service inspect alpha-web
    docker service inspect --pretty alpha-web
    docker node ls
    docker node ps
    docker node inspect --pretty self
    docker secret ls
    docker secret inspect alpha-secret
    docker config ls
    docker config inspect alpha-config
    docker config inspect --pretty alpha-config
    docker swarm join-token worker
    docker events --since 1h --until 0s
} >/dev/null";

const PYTHON: &str = "
import docker
client = docker.from_env()
for kind in (client.containers.list(all=True), client.images.list(), client.networks.list(), client.volumes.list(),
             client.services.list(), client.secrets.list(), client.configs.list(), client.nodes.list()):
    for one in kind:
        one.reload()
        assert one.attrs and str(one)
for service in client.services.list():
    assert service.tasks()
client.info(), client.version(), client.df(), client.swarm.attrs
client.containers.get(\"alpha-c1\").top()
client.containers.get(\"alpha-c1\").stats(stream=False)
client.images.get(\"busybox\").history()
print(\"all read\")
";
