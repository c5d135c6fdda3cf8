//! Several policies in one process: by endpoint, by address, by user and group of a Unix socket's
//! client, and by host name. Each request is decided by one of them, and by no other.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Gid, Uid};

use crate::strangers::from;
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, Engine, Message, Wire};

const LIST: &str = "/containers/json";
const INFO: &str = "/info";
const VERSION: &str = "/version";
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A dockgate with a configuration file, whose `{tcp}` is an address and `{unix}` a socket.
pub(crate) struct Many {
    pub(crate) engine: Engine,
    pub(crate) dockgate: Dockgate,
    pub(crate) tcp: SocketAddr,
    pub(crate) file: PathBuf,
    text: Vec<(&'static str, String)>,
}

impl Many {
    #[track_caller]
    pub(crate) fn start(text: &str) -> Many {
        Many::with(Engine::start(), text, &[])
    }

    #[track_caller]
    pub(crate) fn with(engine: Engine, text: &str, more: &[(&str, &str)]) -> Many {
        let file = engine.directory().join("dockgate.yml");
        Many::at(engine, file, text, more)
    }

    #[track_caller]
    pub(crate) fn at(engine: Engine, file: PathBuf, text: &str, more: &[(&str, &str)]) -> Many {
        let (tcp, second) = (free_address(), free_address());
        let unix = engine.directory().join("dockgate.sock");
        let places = vec![
            ("{tcp}", format!("tcp://{tcp}")),
            ("{second}", format!("tcp://{second}")),
            ("{unix}", format!("unix://{}", unix.display())),
        ];
        let written = replaced(&places, text);
        fs::write(&file, &written).expect("written");
        let path = engine.path().display().to_string();
        let config = file.display().to_string();
        let own = [("CONFIG_FILE", config.as_str()), ("SOCKET_PATH", &path)];
        let dockgate = Dockgate::start(&[&own, more].concat());
        for (place, listener) in &places {
            // It is not said at every level.
            let begin = Instant::now();
            while text.contains(place) && !is_listening(listener) {
                assert!(begin.elapsed() < BOUND, "{}", dockgate.log());
                thread::sleep(Duration::from_millis(5));
            }
        }
        Many {
            engine,
            dockgate,
            tcp,
            file,
            text: places,
        }
    }

    /// The text of the file with addresses in it.
    pub(crate) fn text(&self, text: &str) -> String {
        replaced(&self.text, text)
    }

    pub(crate) fn second(&self) -> SocketAddr {
        let (_, listener) = &self.text[1];
        listener
            .trim_start_matches("tcp://")
            .parse()
            .expect("an address")
    }

    fn unix(&self) -> PathBuf {
        self.engine.directory().join("dockgate.sock")
    }

    /// What a client gets for a GET: of the engine if it gets that far.
    #[track_caller]
    pub(crate) fn get(&self, client: Wire, path: &str) -> Message {
        get(&self.engine, client, path)
    }
}

fn is_listening(listener: &str) -> bool {
    match listener.strip_prefix("unix://") {
        Some(path) => UnixStream::connect(path).is_ok(),
        None => TcpStream::connect(listener.trim_start_matches("tcp://")).is_ok(),
    }
}

fn replaced(places: &[(&'static str, String)], text: &str) -> String {
    let places = places.iter();
    places.fold(text.to_owned(), |text, (place, listener)| {
        text.replace(place, listener)
    })
}

#[track_caller]
fn get(engine: &Engine, mut client: Wire, path: &str) -> Message {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n"));
    if let Some(mut accepted) = engine.accept_any(Duration::from_millis(300)) {
        if accepted.has_more() {
            assert_eq!(accepted.request().head.line, format!("GET {path} HTTP/1.1"));
            accepted.send(EMPTY);
        } else if let Some(mut accepted) = engine.accept_any(Duration::from_millis(300)) {
            assert_eq!(accepted.request().head.line, format!("GET {path} HTTP/1.1"));
            accepted.send(EMPTY);
        }
    }
    client.response()
}

/// A client of a Unix socket with this user, this group, and more of them.
fn as_user(path: &Path, user: u32, group: u32, more: &[u32]) -> Wire {
    let path = path.to_owned();
    let more: Vec<Gid> = more.iter().copied().map(Gid::from_raw).collect();
    let connect = move || {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        rustix::thread::set_thread_groups(&more).expect("root");
        rustix::thread::set_thread_res_gid(group, group, group).expect("root");
        rustix::thread::set_thread_res_uid(user, user, user).expect("root");
        Wire::unix(&path)
    };
    thread::spawn(connect).join().expect("a client")
}

#[test]
fn each_endpoint_has_its_policy() {
    let many = Many::start(
        "policies:\n  lists: { CONTAINERS: 1 }\n  infos: { INFO: 1 }\n\
         endpoints:\n  - { listen: \"{tcp}\", policy: lists }\n\
         \x20 - { listen: \"{second}\", policy: infos }\n\
         \x20 - { listen: \"{unix}\", policy: none }\n",
    );
    for (path, lists, infos) in [(LIST, 200, 403), (INFO, 403, 200), (VERSION, 403, 403)] {
        let status = |client| many.get(client, path).status();
        assert_eq!(status(Wire::tcp(many.tcp)), lists, "{path}");
        assert_eq!(status(Wire::tcp(many.second())), infos, "{path}");
        let refused = many.get(Wire::unix(&many.unix()), path);
        assert_eq!(refused.status(), 403, "{path}");
        assert!(refused.text().contains("none"), "{}", refused.text());
    }
    for line in [
        " policy=lists allowed by ",
        " policy=infos denied: GET /containers/json ",
        " policy=none denied: GET /version ",
    ] {
        many.dockgate.line(|one| one.contains(line));
    }
}

/// Clients by address, with what the environment grants as the endpoint's policy.
#[test]
fn the_first_rule_that_is_for_an_address_decides() {
    let many = Many::with(
        Engine::start(),
        "policies:\n  lists: { CONTAINERS: 1 }\n  infos: { INFO: 1 }\n\
         endpoints: [{ listen: \"{tcp}\" }]\n\
         clients:\n  - { from: 127.0.1.1, policy: lists }\n\
         \x20 - { from: [127.0.1.0/24, \"::ffff:127.0.2.1\"], policy: infos }\n\
         \x20 - { from: 127.0.1.1, policy: default }\n\
         \x20 - { from: 127.0.3.0/24, policy: none }\n",
        &[("VERSION", "1")],
    );
    for (client, lists, infos, version) in [
        ([127, 0, 1, 1], 200, 403, 403),
        ([127, 0, 1, 2], 403, 200, 403),
        ([127, 0, 2, 1], 403, 200, 403),
        ([127, 0, 3, 9], 403, 403, 403),
        ([127, 0, 0, 1], 403, 403, 200),
    ] {
        for (path, status) in [(LIST, lists), (INFO, infos), (VERSION, version)] {
            let answer = many.get(from(client.into(), many.tcp), path);
            assert_eq!(answer.status(), status, "{client:?} {path}");
        }
    }
}

#[test]
fn users_and_groups_of_a_unix_socket_have_their_policies() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: only root can connect as other users");
    }
    let many = Many::start(
        "policies:\n  lists: { CONTAINERS: 1 }\n  infos: { INFO: 1 }\n  versions: { VERSION: 1 }\n\
         endpoints: [{ listen: \"{unix}\", mode: 0666, policy: none }]\n\
         clients:\n  - { user: 1000, policy: lists }\n  - { group: 2000, policy: infos }\n\
         \x20 - { user: 0, policy: versions }\n",
    );
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(many.engine.directory(), open).expect("its directory");
    let other: Vec<u32> = (3000..3100).collect();
    // More is not possible.
    let all: Vec<u32> = (1..=65_536).map(|group| 100_000 + group).collect();
    let with_it = |groups: &[u32]| [&groups[1..], &[2000]].concat();
    for (user, group, more, lists, infos, version) in [
        (1000, 1000, vec![], 200, 403, 403),
        (1000, 2000, vec![], 200, 403, 403),
        (1001, 2000, vec![], 403, 200, 403),
        (1001, 1001, vec![], 403, 403, 403),
        (0, 0, vec![], 403, 403, 200),
        (1001, 1001, vec![2000], 403, 200, 403),
        (1001, 1001, vec![7, 2000, 8], 403, 200, 403),
        (1000, 1000, vec![2000], 200, 403, 403),
        (0, 0, vec![2000], 403, 200, 403),
        (1001, 1001, vec![1000], 403, 403, 403),
        (1001, 1001, with_it(&other), 403, 200, 403),
        (1001, 1001, other, 403, 403, 403),
        (1001, 1001, with_it(&all), 403, 200, 403),
        (1001, 1001, all, 403, 403, 403),
        // Those that a user namespace does not map: they stand for many.
        (65534, 65534, vec![65534], 403, 403, 403),
        (65534, 65534, vec![2000], 403, 200, 403),
    ] {
        for (path, status) in [(LIST, lists), (INFO, infos), (VERSION, version)] {
            let client = as_user(&many.unix(), user, group, &more);
            assert_eq!(
                many.get(client, path).status(),
                status,
                "{user} {group} and {} more: {path}",
                more.len()
            );
        }
    }
}

/// To a dockgate in a user namespace of its own, in which there is only root.
#[test]
fn users_and_groups_that_a_user_namespace_does_not_map_match_no_rule() {
    let unshare = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", program]);
        command
    };
    let is_possible = unshare("true")
        .status()
        .is_ok_and(|status| status.success());
    if !rustix::process::geteuid().is_root() || !is_possible {
        return eprintln!("SKIPPED: needs root and user namespaces");
    }
    let engine = Engine::start();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(engine.directory(), open).expect("its directory");
    let socket = engine.directory().join("dockgate.sock");
    let listener = format!("unix://{}", socket.display());
    let text = format!(
        "policies:\n  lists: {{ CONTAINERS: 1 }}\n  infos: {{ INFO: 1 }}\n  versions: {{ VERSION: 1 }}\n\
         endpoints: [{{ listen: \"{listener}\", mode: 0666, policy: infos }}]\n\
         clients:\n  - {{ user: 1000, policy: lists }}\n  - {{ group: 1000, policy: lists }}\n\
         \x20 - {{ user: 0, policy: versions }}\n"
    );
    let mut command = unshare(env!("CARGO_BIN_EXE_dockgate"));
    command
        .env("CONFIG_DATA", text)
        .env("SOCKET_PATH", engine.path());
    let dockgate = Dockgate::spawn(&mut command);
    dockgate.listens(&listener);
    for (user, lists, infos, version) in [
        (0, 403, 403, 200),
        (1000, 403, 200, 403),
        (65534, 403, 200, 403),
    ] {
        for (path, status) in [(LIST, lists), (INFO, infos), (VERSION, version)] {
            let client = as_user(&socket, user, user, &[1000]);
            assert_eq!(get(&engine, client, path).status(), status, "{user} {path}");
        }
    }
}

#[test]
fn what_cannot_be_decided_never_falls_through() {
    let many = Many::start(
        "policies:\n  lists: { CONTAINERS: 1 }\n\
         endpoints: [{ listen: \"{tcp}\", policy: lists }]\n\
         clients:\n  - { from: 127.0.1.1, policy: lists }\n\
         \x20 - { from: [127.0.1.2, nowhere.invalid], policy: none }\n\
         \x20 - { from: 0.0.0.0/0, policy: lists }\n",
    );
    // Decided before the name matters.
    assert_eq!(
        many.get(from([127, 0, 1, 1].into(), many.tcp), LIST)
            .status(),
        200
    );
    assert_eq!(
        many.get(from([127, 0, 1, 2].into(), many.tcp), LIST)
            .status(),
        403
    );
    let begin = Instant::now();
    let answer = many.get(Wire::tcp(many.tcp), LIST);
    assert_eq!(answer.status(), 503, "{}", answer.text());
    let text = "the policy for 127.0.0.1 depends on nowhere.invalid, which cannot be resolved now";
    assert!(answer.text().contains(text), "{}", answer.text());
    assert!(
        begin.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    many.dockgate
        .line(|line| line.contains(" 503 ") && line.contains("denied: the policy for "));
    // Nor does a health check wait for it.
    let config = many.file.display().to_string();
    let path = many.engine.path().display().to_string();
    let mut checking = Dockgate::command(&[("CONFIG_FILE", &config), ("SOCKET_PATH", &path)]);
    let begin = Instant::now();
    let mut checking = checking.arg("healthcheck").spawn().expect("it starts");
    let (mut accepted, _) = many.engine.request();
    accepted.send(EMPTY);
    assert!(checking.wait().expect("its status").success());
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn host_names_in_rules_are_resolved() {
    let many = Many::start(
        "policies:\n  lists: { CONTAINERS: 1 }\n  infos: { INFO: 1 }\n\
         endpoints: [{ listen: \"{tcp}\", policy: infos }]\n\
         clients: [{ from: localhost, policy: lists }]\n",
    );
    for _ in 0..2 {
        assert_eq!(many.get(from(HERE, many.tcp), LIST).status(), 200);
        assert_eq!(
            many.get(from([127, 0, 1, 1].into(), many.tcp), LIST)
                .status(),
            403
        );
        assert_eq!(
            many.get(from([127, 0, 1, 1].into(), many.tcp), INFO)
                .status(),
            200
        );
        // What was looked up is old by then.
        thread::sleep(Duration::from_millis(1100));
    }
}
