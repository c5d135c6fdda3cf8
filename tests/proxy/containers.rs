//! Clients that are told apart by their containers, in front of an engine that is played: what it has
//! not said, says late, or says no more, gives nobody a policy.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::policies::Many;
use crate::strangers::from;
use crate::support::{Engine, Wire};

const FILE: &str = "policies:\n  lists: { CONTAINERS: 1 }\n  infos: { INFO: 1 }\n  all: { VERSION: 1 }\n\
    endpoints:\n  - { listen: '{tcp}', policy: all }\n\
    clients:\n  - { from: 127.0.9.9, policy: infos }\n\
    \x20 - { container: { label: team=ci }, policy: lists }\n\
    \x20 - { container: { name: web }, policy: infos }\n";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 8, 1);
const CI: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 5);
const WEB: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 6);
/// Statuses for lists, info and version.
const LISTS: [u16; 3] = [200, 403, 403];
const INFOS: [u16; 3] = [403, 200, 403];
const ALL: [u16; 3] = [403, 403, 200];
const UNKNOWN: [u16; 3] = [503, 503, 503];

/// What the engine has.
#[derive(Default)]
pub(crate) struct State {
    /// Names, labels and the last numbers of addresses.
    containers: Vec<(&'static str, &'static str, u8)>,
    /// Where events go.
    streams: Vec<Sender<Option<String>>>,
    /// Whether it answers no question.
    pub(crate) is_slow: bool,
    /// Other containers, never started, with labels as long as a client may write them.
    crowd: usize,
    /// What it answers where it has networks, if that is a failure.
    failing: Option<&'static str>,
    /// The images of containers, where they are no `x`: as they are listed, and with which they were made.
    images: Vec<(&'static str, &'static str, &'static str)>,
    /// Whether it does not tell with which they were made.
    hides_images: bool,
    /// How often it was asked for all containers.
    asked: usize,
    /// dockgate's own address.
    own: String,
    /// Whether another container has its container's name.
    is_taken: bool,
}

impl State {
    fn image(&self, name: &str) -> Option<(&'static str, &'static str, &'static str)> {
        self.images.iter().find(|(of, ..)| *of == name).copied()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Played(Arc<Mutex<State>>);

impl Played {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, containers: &[(&'static str, &'static str, u8)]) {
        self.state().containers = containers.to_vec();
    }

    /// Tells of a container's event, or ends all streams.
    pub(crate) fn tell(&self, event: Option<(&str, &str)>) {
        self.tell_of(event, SystemTime::now());
    }

    /// The same with a time of its own.
    pub(crate) fn tell_of(&self, event: Option<(&str, &str)>, at: SystemTime) {
        let at = at.duration_since(UNIX_EPOCH).expect("a time").as_nanos();
        let line = event.map(|(action, name)| {
            let actor = match action {
                "connect" | "disconnect" => format!(
                    r#""Type":"network","Actor":{{"ID":"net","Attributes":{{"container":"{name}"}}}}"#
                ),
                _ => format!(r#""Type":"container","Actor":{{"ID":"{name}","Attributes":{{}}}}"#),
            };
            format!("{{\"Action\":\"{action}\",{actor},\"timeNano\":{at}}}\n")
        });
        self.send(line);
        if event.is_none() {
            self.state().streams.clear();
        }
    }

    /// Sends a line of events, or the end of all streams.
    fn send(&self, line: Option<String>) {
        let state = self.state();
        for stream in &state.streams {
            let _ = stream.send(line.clone());
        }
    }

    fn answer(&self, path: &str) -> String {
        let mut state = self.state();
        let path = path.split('?').next().unwrap_or_default();
        state.asked += usize::from(path == "/containers/json");
        let all = state.containers.iter();
        match path {
            "/containers/gate/json" if state.is_taken => r#"{"Id":"trap","HostConfig":
                {"NetworkMode":"none"},"NetworkSettings":{"Networks":{"none":{"NetworkID":"x"}}}}"#
                .to_owned(),
            "/containers/gate/json" | "/containers/own/json" => format!(
                r#"{{"Id":"own","HostConfig":{{"NetworkMode":"net"}},"NetworkSettings":{{"Networks":
                    {{"net":{{"NetworkID":"net","IPAddress":"{}","Gateway":"127.0.7.1"}}}}}}}}"#,
                state.own
            ),
            "/networks/net" => {
                let held = all.map(|(name, _, at)| {
                    format!(
                        r#""{name}":{{"EndpointID":"{name}-{at}","IPv4Address":"127.0.7.{at}/24"}}"#
                    )
                });
                let held = held.collect::<Vec<_>>().join(",");
                format!(
                    r#"{{"Id":"net","Driver":"bridge","Containers":{{{held}}},
                        "IPAM":{{"Config":[{{"Subnet":"127.0.7.0/24","Gateway":"127.0.7.1"}}]}}}}"#
                )
            }
            "/containers/json" => {
                let listed = all.map(|(name, labels, _)| {
                    let image = state.image(name).map_or("x", |(_, listed, _)| listed);
                    format!(
                        r#"{{"Id":"{name}","Names":["/{name}"],"Image":"{image}","Labels":{{{labels}}},
                            "HostConfig":{{"NetworkMode":"net"}},"NetworkSettings":{{"Networks":{{}}}}}}"#
                    )
                });
                let long = "x".repeat(3_500_000);
                let crowd = (0..state.crowd).map(|number| {
                    format!(
                        r#"{{"Id":"x{number}","Names":["/x{number}"],"Labels":{{"x":"{long}"}},"State":"created"}}"#
                    )
                });
                format!("[{}]", crowd.chain(listed).collect::<Vec<_>>().join(","))
            }
            path => {
                let name = path.strip_prefix("/containers/");
                let name = name.and_then(|rest| rest.strip_suffix("/json"));
                let image = name.and_then(|name| state.image(name));
                let image = image.filter(|_| !state.hides_images);
                let made =
                    image.map(|(_, _, made)| format!(r#"{{"Config":{{"Image":"{made}"}}}}"#));
                made.unwrap_or_else(|| "{}".to_owned())
            }
        }
    }

    fn serve(&self, mut wire: Wire) {
        wire.patience(Duration::from_secs(600));
        while let Some(request) = wire.try_request() {
            let path = request.head.line.split(' ').nth(1).unwrap_or_default();
            if path.starts_with("/events") {
                let (sender, events) = channel();
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                wire.send(head);
                self.state().streams.push(sender);
                while let Ok(Some(event)) = events.recv() {
                    wire.send_chunk(event);
                }
                return;
            }
            // A client's own request is answered in any case.
            let is_own = path.contains('?')
                || path.contains("/gate/")
                || path.contains("/own/")
                || path.contains("/networks");
            while is_own && self.state().is_slow {
                thread::sleep(Duration::from_millis(5));
            }
            let body = self.answer(path);
            let failing = self
                .state()
                .failing
                .filter(|_| path.starts_with("/networks/"));
            let status = failing.unwrap_or("200 OK");
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if wire.try_send(answer).is_err() {
                return;
            }
        }
    }
}

/// A dockgate in front of such an engine.
fn played(containers: &[(&'static str, &'static str, u8)]) -> (Many, Played) {
    played_with(FILE, containers)
}

fn played_with(file: &str, containers: &[(&'static str, &'static str, u8)]) -> (Many, Played) {
    played_as(file, &[("SELF_CONTAINER", "gate")], containers)
}

/// The same in an environment that names dockgate's own container.
pub(crate) fn played_as(
    file: &str,
    env: &[(&str, &str)],
    containers: &[(&'static str, &'static str, u8)],
) -> (Many, Played) {
    let played = Played::default();
    played.has(containers);
    (in_front_of(&played, file, env), played)
}

fn in_front_of(played: &Played, file: &str, env: &[(&str, &str)]) -> Many {
    let engine = Engine::start();
    let listener = engine.listener();
    listener.set_nonblocking(false).expect("blocking");
    let serving = played.clone();
    thread::spawn(move || {
        loop {
            match listener.accept() {
                Ok((socket, _)) => {
                    let played = serving.clone();
                    let wire = Wire::new(OwnedFd::from(socket).into());
                    thread::spawn(move || played.serve(wire));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    });
    played.state().own = "127.0.0.1".to_owned();
    let many = Many::with(engine, file, env);
    played.state().own = many.tcp.ip().to_string();
    // What was listed before that is listed anew.
    played.tell(Some(("disconnect", "own")));
    many
}

fn ask(client: &mut Wire) -> [u16; 3] {
    ["/containers/json", "/info", "/version"].map(|path| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n"));
        client.response().status()
    })
}

fn statuses(source: Ipv4Addr, address: SocketAddr) -> [u16; 3] {
    ask(&mut from(source, address))
}

#[test]
fn each_container_has_its_policy_and_nobody_another_ones() {
    let (many, played) = played(&[
        ("job", r#""team":"ci""#, 5),
        ("web", "", 6),
        ("other", "", 7),
    ]);
    let of = |source| statuses(source, many.tcp);
    assert_eq!(of(CI), LISTS);
    assert_eq!(of(WEB), INFOS);
    assert_eq!(of(Ipv4Addr::new(127, 0, 7, 7)), ALL);
    assert_eq!(of(Ipv4Addr::new(127, 0, 9, 9)), INFOS, "by an earlier rule");
    for source in [GATEWAY, OUTSIDE, Ipv4Addr::LOCALHOST] {
        let begin = Instant::now();
        assert_eq!(of(source), ALL, "{source}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{source}");
    }
    // Within the network, and nobody's.
    let begin = Instant::now();
    let mut client = from(Ipv4Addr::new(127, 0, 7, 99), many.tcp);
    client.send("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 503);
    let told = "depends on its container: the engine knows no container with this address";
    assert!(response.text().contains(told), "{}", response.text());
    assert!(begin.elapsed() >= Duration::from_secs(2));
    // They swap their addresses, of which each is told before it is used.
    let mut kept = from(CI, many.tcp);
    assert_eq!(ask(&mut kept), LISTS);
    played.has(&[("job", r#""team":"ci""#, 6), ("web", "", 5)]);
    thread::sleep(Duration::from_millis(50));
    for name in ["job", "web"] {
        played.tell(Some(("disconnect", name)));
        played.tell(Some(("connect", name)));
    }
    thread::sleep(Duration::from_millis(50));
    assert_eq!(of(CI), INFOS);
    assert_eq!(of(WEB), LISTS);
    // Who connected before them is neither.
    kept.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    let response = kept.response();
    assert_eq!(response.status(), 503, "{}", many.dockgate.log());
    assert_eq!(response.head.one("connection"), Some("close"));
    // A container that is new to it comes with its event, and not later than it asks.
    played.has(&[("job", r#""team":"ci""#, 6), ("new", r#""team":"ci""#, 8)]);
    played.tell(Some(("create", "new")));
    played.tell(Some(("connect", "new")));
    assert_eq!(of(Ipv4Addr::new(127, 0, 7, 8)), LISTS);
}

#[test]
fn an_event_that_comes_late_is_waited_for() {
    let second = Duration::from_secs(1);
    let now = SystemTime::now();
    // Whoever got the address after the connection was made has not made it, and nobody knows who has.
    for (at, wanted) in [(now - second, 200), (now + 60 * second, 503)] {
        let (many, played) = played(&[("web", "", 6)]);
        assert_eq!(statuses(WEB, many.tcp), INFOS);
        played.state().is_slow = true;
        let late = played.clone();
        let teller = thread::spawn(move || {
            // A list has it before the event comes.
            late.has(&[("web", "", 6), ("job", r#""team":"ci""#, 5)]);
            let asked = late.state().asked;
            // And it is later than the connection, even if clocks tick slowly.
            thread::sleep(Duration::from_millis(100));
            late.state().is_slow = false;
            while late.state().asked == asked {
                thread::sleep(Duration::from_millis(1));
            }
            late.tell_of(Some(("connect", "job")), at);
        });
        let mut client = from(CI, many.tcp);
        client.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
        let response = client.response();
        teller.join().expect("told");
        assert_eq!(response.status(), wanted, "{}", response.text());
        if wanted == 503 {
            let told = "another container has got this address since the connection was made";
            assert!(response.text().contains(told), "{}", response.text());
            // Nothing else comes of this connection.
            assert_eq!(response.head.one("connection"), Some("close"));
            assert!(!client.has_more());
        }
    }
}

#[test]
fn networks_that_cannot_be_listed_are_not_taken_for_none() {
    let (many, played) = played(&[("job", r#""team":"ci""#, 5)]);
    played.state().failing = Some("503 Service Unavailable");
    assert_eq!(statuses(CI, many.tcp), UNKNOWN);
    many.dockgate
        .line(|line| line.contains("does not list its networks now"));
    played.state().failing = None;
    assert_eq!(statuses(CI, many.tcp), LISTS);
}

#[test]
fn labels_that_are_long_hold_up_nobody_else() {
    let long = format!(r#""x":"{}","team":"ci""#, "x".repeat(70_000)).leak();
    let (many, played) = played(&[("job", r#""team":"ci""#, 5), ("long", long, 8)]);
    let mut kept = from(CI, many.tcp);
    assert_eq!(ask(&mut kept), LISTS);
    // Who has them itself is nobody that is known.
    let mut client = from(Ipv4Addr::new(127, 0, 7, 8), many.tcp);
    client.send("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 503);
    let told = "the labels of that container have more than 64 KiB";
    assert!(response.text().contains(told), "{}", response.text());
    // Others that were created, and the events of them.
    played.state().crowd = 5;
    for (action, id) in [("create", "1"), ("destroy", "1"), ("odd", "")] {
        // After that one, all is listed anew while its clients wait.
        if action == "odd" {
            played.state().crowd = 0;
        }
        let id = id.repeat(64);
        let label = "x".repeat(3_500_000);
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time");
        played.send(Some(format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"x":"{label}"}}}},"timeNano":{}}}{}"#,
            at.as_nanos(),
            "\n"
        )));
        // A busy machine may take longer to read that list than clients wait.
        let mut tries = (0..5).map(|_| statuses(CI, many.tcp));
        assert!(tries.any(|statuses| statuses == LISTS), "{action}");
        assert_eq!(ask(&mut kept), LISTS, "{action}");
    }
    let log = many.dockgate.log();
    assert!(!log.contains("cannot find out"), "{log}");
}

#[test]
fn many_connections_share_one_question() {
    let (many, played) = played(&[("job", r#""team":"ci""#, 5)]);
    assert_eq!(statuses(CI, many.tcp), LISTS);
    played.state().is_slow = true;
    let mut clients: Vec<Wire> = (0..50).map(|_| from(CI, many.tcp)).collect();
    for client in &mut clients {
        client.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    }
    let before = played.state().asked;
    // One that began before some of them, and one for these.
    thread::sleep(Duration::from_millis(300));
    played.state().is_slow = false;
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    // Besides, each of them asked for a list itself.
    let asked = played.state().asked - before;
    assert!(asked <= clients.len() + 4, "{asked}");
}

#[test]
fn what_is_lost_is_listed_anew_and_decides_nothing_meanwhile() {
    let (many, played) = played(&[("job", r#""team":"ci""#, 5), ("web", "", 6)]);
    assert_eq!(statuses(CI, many.tcp), LISTS);
    let mut kept = from(WEB, many.tcp);
    assert_eq!(ask(&mut kept), INFOS);
    // Its list is slow.
    played.state().is_slow = true;
    let begin = Instant::now();
    assert_eq!(statuses(CI, many.tcp)[0], 503);
    assert!(begin.elapsed() < Duration::from_secs(10));
    // Who is outside does not wait for it, nor does who was known before.
    let begin = Instant::now();
    assert_eq!(
        statuses(OUTSIDE, many.tcp)[1],
        403,
        "{}",
        many.dockgate.log()
    );
    assert!(begin.elapsed() < Duration::from_secs(2));
    // What was a gateway may have become a container's.
    assert_eq!(statuses(GATEWAY, many.tcp)[0], 503);
    assert_eq!(ask(&mut kept), INFOS);
    // The stream is cut: then nobody is known, until all is listed anew.
    played.tell(None);
    many.dockgate
        .line(|line| line.contains("cannot find out which containers clients are"));
    assert_eq!(ask(&mut kept), UNKNOWN);
    played.state().is_slow = false;
    assert_eq!(statuses(CI, many.tcp), LISTS);
    assert_eq!(ask(&mut kept), INFOS, "it kept its address");
}

#[test]
fn a_label_chooses_among_the_policies_that_say_so() {
    let file = "policies:\n  lists: { CONTAINERS: 1, by_label: true }\n  infos: { INFO: 1 }\n  all: { VERSION: 1 }\n\
        endpoints:\n  - { listen: '{tcp}', policy: all }\n\
        clients:\n  - { container: { name: web }, policy: infos }\n";
    let (many, _played) = played_with(
        file,
        &[
            ("job", r#""dockgate.policy":"lists""#, 5),
            ("web", r#""dockgate.policy":"lists""#, 6),
            ("odd", r#""dockgate.policy":"infos""#, 7),
            ("wrong", r#""dockgate.policy":"all""#, 8),
            ("none", r#""dockgate.policy":"""#, 9),
        ],
    );
    let of = |last| statuses(Ipv4Addr::new(127, 0, 7, last), many.tcp);
    assert_eq!(of(5), LISTS);
    assert_eq!(of(6), INFOS, "a rule is before the label");
    assert_eq!(
        [of(7), of(8)],
        [[403; 3]; 2],
        "no policy that a label may choose"
    );
    assert_eq!(of(9), ALL);
    assert_eq!(statuses(OUTSIDE, many.tcp), ALL);
    let told = "container label dockgate.policy: policy none";
    many.dockgate.line(|line| line.contains(told));
}

#[test]
fn a_rule_by_image_holds_when_another_image_gets_the_name() {
    const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let file = FILE.replace("label: team=ci", "image: cibox");
    let containers = [("job", "", 5), ("web", "", 6), ("other", "", 7)];
    let (many, played) = played_with(&file, &containers);
    let of = |last| statuses(Ipv4Addr::new(127, 0, 7, last), many.tcp);
    played.state().images = vec![("job", "cibox", "cibox"), ("other", ID, ID)];
    assert_eq!([of(5), of(6), of(7)], [LISTS, INFOS, ALL]);
    // The name is another image's, or none's: by its ID alone it is not known what it is.
    played.state().images = vec![("job", ID, "cibox"), ("web", "cafe", "cafe")];
    assert_eq!([of(5), of(6)], [LISTS, INFOS]);
    // What was said once is not asked again.
    played.state().images = vec![("job", ID, "other")];
    assert_eq!(of(5), LISTS);
    // As long as it is not said, no other rule is tried.
    let (many, played) = played_with(&file, &containers);
    played.state().images = vec![("job", ID, "cibox")];
    assert_eq!(statuses(WEB, many.tcp), INFOS);
    played.state().hides_images = true;
    let mut client = from(CI, many.tcp);
    assert_eq!(ask(&mut client), UNKNOWN);
    played.state().hides_images = false;
    assert_eq!(ask(&mut client), LISTS);
}

#[test]
fn who_gets_the_name_of_dockgates_container_is_not_taken_for_it() {
    let job = ("job", r#""team":"ci""#, 5);
    let (many, played) = played(&[job]);
    assert_eq!(statuses(CI, many.tcp), LISTS);
    played.state().is_taken = true;
    // All is listed anew.
    played.tell(Some(("disconnect", "own")));
    assert_eq!(statuses(CI, many.tcp), LISTS, "it is known by its ID");
    // By the name alone, nobody is taken for a client from outside.
    let played = Played::default();
    played.has(&[job]);
    played.state().is_taken = true;
    let many = in_front_of(&played, FILE, &[("SELF_CONTAINER", "gate")]);
    assert_eq!(statuses(CI, many.tcp), UNKNOWN);
    many.dockgate
        .line(|line| line.contains("container gate has none of dockgate's addresses"));
}
