//! Clients that are told apart by their containers, with dockgate in a container among them: each has
//! its own policy whatever becomes of it, from its first instant on, and nobody gets another one's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Engine, Shell};

const FILE: &str = "
policies:
  lists: { CONTAINERS: 1 }
  infos: { INFO: 1 }
  versions: { VERSION: 1 }
endpoints:
  - { listen: 'tcp://[::]:2375', policy: none }
clients:
  - { container: { label: team=ci }, policy: lists }
  - { container: { name: 'NAME-web*' }, policy: infos }
  - { container: { project: shop, service: db }, policy: versions }
";
/// The programs of this machine, in a container of busybox.
const HOST: &str = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v $T:/gate";
/// Asks from a link-local address, which curl cannot.
const BY_LINK: &str = "
import socket, sys
link = socket.if_nametoindex('eth0')
client = socket.socket(socket.AF_INET6)
client.bind((sys.argv[1], 0, 0, link))
client.connect((sys.argv[2], 2375, 0, link))
client.send(b'GET /info HTTP/1.1\\r\\nHost: gate\\r\\n\\r\\n')
print(client.recv(12).decode())
";
const BOUND: Duration = Duration::from_secs(20);
/// What each policy lets through: lists, info and version.
pub(crate) const LISTS: &str = "200 403 403";
const INFOS: &str = "403 200 403";
const VERSIONS: &str = "403 403 200";
pub(crate) const NOTHING: &str = "403 403 403";

/// A dockgate in a container, in networks of its own.
pub(crate) struct Gated {
    shell: Shell,
}

impl Gated {
    fn new(networks: &str) -> Gated {
        Gated::of(&Engine::shared(), networks)
    }

    fn of(engine: &Engine, networks: &str) -> Gated {
        Gated::at(
            engine,
            networks,
            "--network $N --network-alias gate -p 2375",
        )
    }

    fn at(engine: &Engine, networks: &str, place: &str) -> Gated {
        let shell = engine.shell();
        let directory = shell.sh("chmod 777 $T; echo $T");
        let name = shell.sh("echo $N");
        fs::write(
            format!("{directory}/dockgate.yml"),
            FILE.replace("NAME", &name),
        )
        .expect("written");
        let own = format!("{directory}/dockgate");
        fs::copy(env!("CARGO_BIN_EXE_dockgate"), &own).expect("copied");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("its mode");
        let place = format!("{place} -e CONFIG_FILE=/gate/dockgate.yml");
        Gated::started(shell, networks, &place)
    }

    /// With options of its container alone.
    pub(crate) fn with(networks: &str, options: &str) -> Gated {
        let shell = Engine::shared().shell();
        let own = shell.sh("chmod 777 $T; echo $T/dockgate");
        fs::copy(env!("CARGO_BIN_EXE_dockgate"), &own).expect("copied");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("its mode");
        Gated::started(shell, networks, options)
    }

    fn started(shell: Shell, networks: &str, options: &str) -> Gated {
        shell.sh(networks);
        shell.sh(&format!(
            "docker run -d --name $N-gate {options} {HOST} -v $SOCKET:/engine.sock \
             -e SOCKET_PATH=/engine.sock busybox /gate/dockgate"
        ));
        let gated = Gated { shell };
        gated.has_started(1);
        gated
    }

    /// Waits until dockgate listens, for this time.
    fn has_started(&self, times: usize) {
        let begin = Instant::now();
        while self.log().matches("listening on ").count() < times {
            assert!(begin.elapsed() < BOUND, "{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        self.shell.sh("docker logs $N-gate 2>&1")
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.shell.sh(script)
    }

    /// Starts a client that waits.
    pub(crate) fn client(&self, name: &str, options: &str) {
        self.sh(&format!(
            "docker run -d --name $N-{name} {options} {HOST} busybox sleep 600"
        ));
    }

    /// The statuses that a running client gets.
    pub(crate) fn statuses(&self, name: &str) -> String {
        self.asks(name, "http://gate:2375")
    }

    fn asks(&self, name: &str, place: &str) -> String {
        self.sh(&format!("docker exec $N-{name} sh -c \"{}\"", asks(place)))
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let _ = self.shell.run(
            "docker ps -aq --filter name=$N- | xargs -r docker rm -f; \
             docker network ls -q --filter name=$N | xargs -r docker network rm",
        );
    }
}

/// Asks for lists, info and version on one connection: the statuses.
fn asks(place: &str) -> String {
    let all = ["/containers/json", "/info", "/version"];
    let all = all
        .map(|path| format!("-o /dev/null {place}{path}"))
        .join(" ");
    format!("echo \\$(curl -s -w '%{{http_code}} ' {all})")
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn clients_keep_their_policies_whatever_becomes_of_their_containers() {
    let gated = Gated::new("docker network create --subnet 10.214.7.0/24 $N");
    let own = "--network $N --ip 10.214.7";
    let compose = "--label com.docker.compose.project=shop --label com.docker.compose.service=db";
    gated.client("ci", &format!("{own}.10 --label team=ci"));
    gated.client("web", &format!("{own}.11"));
    gated.client("db", &format!("{own}.12 {compose}"));
    gated.client("other", &format!("{own}.13 --label team=cd"));
    let all = |when: &str| {
        let found = ["ci", "web", "db", "other"].map(|name| gated.statuses(name));
        assert_eq!(
            found,
            [LISTS, INFOS, VERSIONS, NOTHING],
            "{when}: {}",
            gated.log()
        );
    };
    all("at first");
    gated.sh("docker restart -t 0 $N-ci $N-web $N-db $N-other");
    all("restarted");
    // They swap their addresses.
    gated.sh(
        "for name in ci web db; do docker network disconnect $N $N-$name; done; \
         docker network connect --ip 10.214.7.12 $N $N-ci; \
         docker network connect --ip 10.214.7.10 $N $N-web; \
         docker network connect --ip 10.214.7.11 $N $N-db",
    );
    all("swapped");
    // A name goes to another one, while all the others ask.
    thread::scope(|scope| {
        let ask = |name: &'static str, wanted: &'static str| {
            let gated = &gated;
            scope.spawn(move || {
                for _ in 0..10 {
                    assert_eq!(gated.statuses(name), wanted, "{name}");
                }
            });
        };
        ask("ci", LISTS);
        ask("db", VERSIONS);
        gated.sh("docker rename $N-web $N-old; docker rename $N-other $N-web");
        assert_eq!(gated.statuses("web"), INFOS, "{}", gated.log());
        assert_eq!(gated.statuses("old"), NOTHING, "{}", gated.log());
    });
    gated.sh("docker rename $N-web $N-other; docker rename $N-old $N-web");
    all("renamed back");
    // One more in its network, which no rule is for: nobody can tell which of them asks.
    gated.client("side", "--network container:$N-ci");
    assert_eq!(gated.statuses("ci"), "503 503 503");
    assert!(
        gated.log().contains("share this address"),
        "{}",
        gated.log()
    );
    gated.sh("docker rm -f $N-side");
    all("alone again");
    // dockgate itself starts anew, among them.
    gated.sh("docker restart -t 0 $N-gate");
    gated.has_started(2);
    all("behind a restart of dockgate");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_client_that_starts_and_asks_in_the_same_instant_has_its_policy() {
    // With room for no more than these, they get each other's addresses again and again.
    let gated = Gated::new("docker network create --subnet 10.214.8.0/29 $N");
    let ask = asks("http://gate:2375");
    let lane = |lane: u32, options: &str, wanted: &str| {
        gated.sh(&format!(
            "docker create --name $N-c{lane} --network $N {options} {HOST} busybox sh -c \"{ask}\""
        ));
        let script = format!(
            "for turn in $(seq 50); do \
               told=$(docker start -a $N-c{lane}); \
               [ \"$told\" = '{wanted}' ] || {{ echo \"turn $turn: $told\"; exit 1; }}; \
             done"
        );
        let run = gated.shell.run(&script);
        assert_eq!(run.code, 0, "lane {lane}: {run:?}\n{}", gated.log());
    };
    thread::scope(|scope| {
        scope.spawn(|| lane(0, "--label team=ci", LISTS));
        scope.spawn(|| {
            lane(
                1,
                "--label com.docker.compose.project=shop --label com.docker.compose.service=db",
                VERSIONS,
            );
        });
        scope.spawn(|| lane(2, "", NOTHING));
        scope.spawn(|| lane(3, "--label team=ci", LISTS));
    });
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn addresses_of_other_kinds_match_as_documented() {
    let gated = Gated::new(
        "docker network create --ipv6 --subnet 10.214.9.0/24 --subnet fd00:214:9::/64 $N; \
         docker network create --subnet 10.214.10.0/24 $N-second; \
         docker network create --subnet 10.214.11.0/24 $N-third",
    );
    gated.client("ci", "--network $N --ip 10.214.9.10 --label team=ci");
    let gate = |key: &str, network: &str| {
        gated.sh(&format!(
            "docker inspect $N-gate --format '{{{{(index .NetworkSettings.Networks \"'{network}'\").{key}}}}}'"
        ))
    };
    // By IPv6, and by the link alone.
    let v6 = gate("GlobalIPv6Address", "$N");
    assert_eq!(gated.asks("ci", &format!("http://[{v6}]:2375")), LISTS);
    let link = |name: &str| {
        // It can be used once nobody else claims it.
        gated.sh(&format!(
            "docker exec $N-{name} sh -c \"\
               while ip -6 addr show eth0 scope link | grep -q tentative; do sleep 0.1; done; \
               ip -6 addr show eth0 scope link | grep -o 'fe80[^/]*'\""
        ))
    };
    let (from, to) = (link("ci"), link("gate"));
    let directory = gated.sh("echo $T");
    fs::write(format!("{directory}/link.py"), BY_LINK).expect("written");
    let told = gated.sh(&format!(
        "docker exec $N-ci python3 /gate/link.py {from} {to}"
    ));
    assert_eq!(told, "HTTP/1.1 503", "{}", gated.log());
    // dockgate comes into another network, and a client into two.
    gated.sh("docker network connect $N-second $N-gate");
    let second = gate("IPAddress", "$N-second");
    gated.sh("docker network connect $N-second $N-ci");
    assert_eq!(gated.asks("ci", &format!("http://{second}:2375")), LISTS);
    assert_eq!(gated.statuses("ci"), LISTS);
    // The host itself, by a gateway or a published port, and whoever comes through one: no container, and
    // no wait.
    let port = gated.sh("docker port $N-gate 2375/tcp | head -n1 | sed 's/.*://'");
    let gateway = "10.214.11.1";
    let begin = Instant::now();
    for (client, place) in [
        ("--network host", format!("http://{second}:2375")),
        ("--network host", format!("http://127.0.0.1:{port}")),
        (
            "--network $N-third --label team=ci",
            format!("http://{gateway}:{port}"),
        ),
    ] {
        let ask = asks(&place);
        let told = gated.sh(&format!(
            "docker run --rm {client} {HOST} busybox sh -c \"{ask}\""
        ));
        assert_eq!(told, NOTHING, "{client} {place}");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn on_the_host_all_bridges_count() {
    let networks = "docker network create --subnet 10.214.15.0/24 $N";
    let gated = Gated::at(&Engine::shared(), networks, "--network host");
    gated.client("ci", "--network $N --label team=ci");
    gated.client("other", "--network $N");
    assert_eq!(
        gated.asks("ci", "http://10.214.15.1:2375"),
        LISTS,
        "{}",
        gated.log()
    );
    assert_eq!(gated.asks("other", "http://10.214.15.1:2375"), NOTHING);
    // Into a network that is new to it.
    gated.sh("docker network create --subnet 10.214.16.0/24 $N-new");
    gated.client("new", "--network $N-new --label team=ci");
    for place in ["http://10.214.16.1:2375", "http://10.214.15.1:2375"] {
        assert_eq!(gated.asks("new", place), LISTS, "{place}: {}", gated.log());
    }
    // The host itself.
    for place in ["http://127.0.0.1:2375", "http://10.214.16.1:2375"] {
        let ask = asks(place);
        let told = gated.sh(&format!(
            "docker run --rm --network host {HOST} busybox sh -c \"{ask}\""
        ));
        assert_eq!(told, NOTHING, "{place}: {}", gated.log());
    }
    // What the command line says of clients now.
    let client = |name: &str| {
        let network = if name == "new" { "$N-new" } else { "$N" };
        let address = gated.sh(&format!(
            "docker inspect $N-{name} --format '{{{{(index .NetworkSettings.Networks \"'{network}'\").IPAddress}}}}'"
        ));
        gated.sh(&format!(
            "docker exec $N-gate /gate/dockgate check --client {address}"
        ))
    };
    assert!(client("new").starts_with("policy lists: clients[0] in /gate/dockgate.yml:"));
    assert!(client("other").starts_with("policy none: no client rule matches"));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn tasks_of_a_swarm_are_clients_in_its_overlay_networks() {
    let engine = Engine::fresh();
    let gated = Gated::of(
        &engine,
        "docker swarm init --advertise-addr 127.0.0.1 >/dev/null; \
         docker network create -d overlay --attachable --subnet 10.214.14.0/24 $N",
    );
    gated.client("other", "--network $N");
    gated.client("ci", "--network $N --label team=ci");
    assert_eq!(gated.statuses("other"), NOTHING);
    assert_eq!(gated.statuses("ci"), LISTS);
    let mounts = ["/usr", "/lib", "/lib64"]
        .map(|path| format!("--mount type=bind,readonly,source={path},target={path} "));
    let mounts = mounts.concat();
    gated.sh(&format!(
        "docker service create --detach=false --quiet --name $N-web --container-label team=ci \
         --network $N {mounts} busybox sleep 600"
    ));
    let ask = asks("http://gate:2375");
    let task = "docker ps -q --filter label=com.docker.swarm.service.name=$N-web";
    let told = gated.sh(&format!("docker exec $({task}) sh -c \"{ask}\""));
    assert_eq!(told, LISTS, "{}", gated.log());
    gated.sh("docker service rm $N-web");
}
