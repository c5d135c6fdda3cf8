//! Clients in containers, and one dockgate among them with a policy for each: by address, by host
//! name as it appears, moves and vanishes, and by user and group through a mounted socket.

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
  - { listen: 'tcp://0.0.0.0:2375', policy: none }
  - { listen: 'unix:///gate/gate.sock', mode: 0666, policy: none }
clients:
  - { from: 10.213.7.10, policy: lists }
  - { user: 1000, policy: infos }
  - { group: 2222, policy: lists }
  - { from: web, policy: versions }
";
/// The programs of this machine, in a container of busybox.
const HOST: &str = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v $T:/gate";
/// How long a name may take to be known, or not to be.
const BOUND: Duration = Duration::from_secs(20);

/// The statuses that a client in a container gets for lists, info and version.
#[track_caller]
fn statuses(shell: &Shell, client: &str, place: &str) -> [u16; 3] {
    let get = |path: &str| format!("curl -s -o /dev/null -w '%{{http_code}}\\n' {place}{path}; ");
    let all = ["/containers/json", "/info", "/version"].map(get).concat();
    let told = shell.sh(&format!(
        "docker run --rm {client} {HOST} busybox sh -c \"{all}\""
    ));
    let codes: Vec<u16> = told
        .lines()
        .map(|line| line.parse().expect("a status"))
        .collect();
    codes.try_into().expect("three")
}

#[track_caller]
fn becomes(what: impl Fn() -> [u16; 3], wanted: [u16; 3]) {
    let begin = Instant::now();
    loop {
        let found = what();
        if found == wanted {
            return;
        }
        assert!(begin.elapsed() < BOUND, "{found:?} instead of {wanted:?}");
        thread::sleep(Duration::from_millis(500));
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn containers_have_their_policies_by_address_by_name_and_by_user() {
    let shell = &Engine::shared().shell();
    let directory = shell.sh("chmod 777 $T; echo $T");
    fs::write(format!("{directory}/dockgate.yml"), FILE).expect("written");
    let own = format!("{directory}/dockgate");
    fs::copy(env!("CARGO_BIN_EXE_dockgate"), &own).expect("copied");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("its mode");
    shell.sh("docker network create --subnet 10.213.7.0/24 $N");
    shell.sh(&format!(
        "docker run -d --name $N-gate --network $N --network-alias gate {HOST} -v $SOCKET:/engine.sock \
         -e CONFIG_FILE=/gate/dockgate.yml -e SOCKET_PATH=/engine.sock busybox /gate/dockgate"
    ));
    let logs = || shell.sh("docker logs $N-gate 2>&1");
    let begin = Instant::now();
    while !logs().contains("listening on unix:///gate/gate.sock") {
        assert!(begin.elapsed() < BOUND, "{}", logs());
        thread::sleep(Duration::from_millis(100));
    }
    let at = |ip: &str| {
        let client = format!("--network $N --ip 10.213.7.{ip}");
        statuses(shell, &client, "http://gate:2375")
    };
    let user = |user: &str| {
        let client = format!("--network none --user {user}");
        statuses(shell, &client, "--unix-socket /gate/gate.sock http://gate")
    };
    let web = |ip: &str| {
        shell.sh(&format!(
            "docker run -d --name $N-web --network $N --network-alias web --ip 10.213.7.{ip} \
             busybox sleep 600"
        ));
    };
    let is_web = || {
        let place = "--network container:$N-web";
        statuses(shell, place, "http://gate:2375")
    };
    // Before any name: by address and by user.
    assert_eq!(at("10"), [200, 403, 403]);
    assert_eq!(user("1000"), [403, 200, 403]);
    assert_eq!(user("1001"), [403, 403, 403]);
    assert_eq!(user("65534"), [403, 403, 403]);
    // A group counts however a process is in it.
    assert_eq!(user("1001:2222"), [200, 403, 403]);
    assert_eq!(user("1001 --group-add 2222"), [200, 403, 403]);
    assert_eq!(user("1000 --group-add 2222"), [403, 200, 403]);
    assert_eq!(user("1001 --group-add 2223"), [403, 403, 403]);
    // Nobody is web, and who may be it is not let through.
    assert_eq!(at("30"), [503, 503, 503]);
    web("20");
    becomes(is_web, [403, 403, 200]);
    becomes(|| at("30"), [403, 403, 403]);
    assert_eq!(at("10"), [200, 403, 403]);
    // It moves.
    shell.sh("docker rm -f $N-web");
    web("21");
    becomes(is_web, [403, 403, 200]);
    becomes(|| at("20"), [403, 403, 403]);
    // It vanishes.
    shell.sh("docker rm -f $N-web");
    becomes(|| at("21"), [503, 503, 503]);
    assert_eq!(at("10"), [200, 403, 403]);
    // Another policy, without a restart.
    let file = FILE.replace("lists: { CONTAINERS: 1 }", "lists: { INFO: 1 }");
    fs::write(format!("{directory}/dockgate.yml"), file).expect("written");
    becomes(|| at("10"), [403, 200, 403]);
    let logs = logs();
    for line in [
        " GET /containers/json 200 ",
        " policy=lists allowed by ",
        " policy=versions allowed by ",
        " policy=infos allowed by ",
        "reloaded the configuration",
    ] {
        assert!(logs.contains(line), "{line}: {logs}");
    }
    shell.sh("docker rm -f $N-gate; docker network rm $N");
}
