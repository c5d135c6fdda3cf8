//! Lists that containers have by their labels, in front of an engine that is played.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use crate::containers::played_as;
use crate::reload::reload;
use crate::strangers::from;
use crate::support::Wire;

const FILE: &str = "endpoints:\n  - { listen: '{tcp}' }\n";
const ENV: [(&str, &str); 2] = [
    ("SP_PROXYCONTAINERNAME", "gate"),
    ("SP_ALLOW_GET", "/version"),
];
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 8, 1);

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 7, last)
}

fn sent(client: &mut Wire, line: &str, body: &str) -> (u16, String) {
    let head = format!("{line} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n");
    client.send(format!(
        "{head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let response = client.response();
    (response.status(), response.text())
}

fn asked(source: Ipv4Addr, address: SocketAddr, line: &str) -> (u16, String) {
    sent(&mut from(source, address), line, "")
}

fn statuses(source: Ipv4Addr, address: SocketAddr) -> [u16; 3] {
    ["/version", "/info", "/containers/json"]
        .map(|path| asked(source, address, &format!("GET {path}")).0)
}

#[test]
fn each_container_has_its_own_list_and_others_the_one_that_was_set() {
    let (many, _played) = played_as(
        FILE,
        &ENV,
        &[
            (
                "job",
                r#""socket-proxy.allow.get":"/info","socket-proxy.allow.GET.x":"/x""#,
                5,
            ),
            (
                "lists",
                r#""socket-proxy.allow.get":"/containers/json|/x""#,
                6,
            ),
            (
                "other",
                r#""socket-proxy.allow.get":"","Socket-Proxy.allow.get":".*""#,
                7,
            ),
            (
                "wrong",
                r#""socket-proxy.allow.get":"(","socket-proxy.allow.get.2":".*""#,
                8,
            ),
            ("folders", r#""socket-proxy.allow.bindmountfrom":"/srv""#, 9),
            (
                "makes",
                r#""socket-proxy.allow.post":".*","socket-proxy.allow.bindmountfrom":"/srv""#,
                10,
            ),
        ],
    );
    let of = |source| statuses(source, many.tcp);
    // Whoever has a list is let in, to that list alone.
    assert_eq!(of(at(5)), [403, 200, 403], "{}", many.dockgate.log());
    assert_eq!(of(at(6)), [403, 403, 200]);
    assert_eq!(of(at(9)), [403; 3]);
    // All others have to be listed.
    assert_eq!(of(Ipv4Addr::LOCALHOST), [200, 403, 403]);
    for source in [at(7), OUTSIDE] {
        let (status, text) = asked(source, many.tcp, "GET /version");
        assert_eq!(status, 403);
        assert!(text.contains("SP_ALLOWFROM"), "{text}");
    }
    // A mistake is of account to its own container.
    let (status, text) = asked(at(8), many.tcp, "GET /version");
    let told = "this client's container has labels that cannot be used: socket-proxy.allow.get=( is not \
                a valid pattern";
    assert!(status == 403 && text.contains(told), "{status} {text}");
    many.dockgate.line(|line| {
        line.contains("labels of container wrong: socket-proxy.allow.get=( is not a valid pattern")
    });
    assert_eq!(of(at(5)), [403, 200, 403]);
    let (_, text) = asked(at(5), many.tcp, "GET /version");
    let told = "no label socket-proxy.allow.get of this client's container matches /version";
    assert!(text.contains(told), "{text}");
    // What a list opens is said, as it is of variables.
    let mut client = from(at(10), many.tcp);
    assert_eq!(sent(&mut client, "GET /info", "").0, 403);
    many.dockgate.line(|line| {
        line.contains("labels of container makes: a client can become root on the host")
            && line.contains("socket-proxy.allow.post (")
    });
    // From where it may mount.
    for (folder, status) in [("/srv/a", 200), ("/etc", 403), ("/srv/../etc", 403)] {
        let body = format!(r#"{{"Image":"x","HostConfig":{{"Binds":["{folder}:/x"]}}}}"#);
        let (is, text) = sent(&mut client, "POST /containers/create", &body);
        assert_eq!(is, status, "{folder}: {text}");
    }
}

#[test]
fn what_restricts_the_default_policy_holds_for_each_list() {
    let restricts = [("DENY_LOGS", "1"), ("DENY_ROOT", "1")];
    let (many, _played) = played_as(
        FILE,
        &[&ENV[..], &restricts].concat(),
        &[(
            "job",
            r#""socket-proxy.allow.get":".*","socket-proxy.allow.post":".*""#,
            5,
        )],
    );
    assert_eq!(statuses(at(5), many.tcp), [200; 3]);
    let (status, text) = asked(at(5), many.tcp, "GET /containers/x/logs");
    assert!(
        status == 403 && text.contains("DENY_LOGS"),
        "{status} {text}"
    );
    let mut client = from(at(5), many.tcp);
    for (body, told) in [
        (
            r#"{"Image":"x","HostConfig":{"Privileged":true}}"#,
            "Privileged",
        ),
        (
            r#"{"Image":"x","Labels":{"socket-proxy.allow.get":".*"}}"#,
            "belongs to a client that has another policy",
        ),
    ] {
        let (status, text) = sent(&mut client, "POST /containers/create", body);
        assert!(status == 403 && text.contains(told), "{status} {text}");
    }
}

#[test]
fn who_is_not_known_waits_and_gets_no_other_list() {
    let job = ("job", r#""socket-proxy.allow.get":"/info""#, 5);
    let (many, played) = played_as(FILE, &ENV, &[job]);
    assert_eq!(statuses(at(5), many.tcp), [403, 200, 403]);
    let mut kept = from(at(5), many.tcp);
    assert_eq!(sent(&mut kept, "GET /info", "").0, 200);
    played.state().is_slow = true;
    for source in [at(5), at(6)] {
        let begin = Instant::now();
        let (status, text) = asked(source, many.tcp, "GET /version");
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("depends on its container"), "{text}");
        let took = begin.elapsed();
        assert!((2..6).contains(&took.as_secs()), "{took:?}");
    }
    assert_eq!(sent(&mut kept, "GET /info", "").0, 200, "it is known");
    // One that has started since is waited for, and other labels make another list.
    played.has(&[job, ("new", r#""socket-proxy.allow.get":"/version""#, 6)]);
    let (address, before) = (many.tcp, SystemTime::now());
    let waits = std::thread::spawn(move || statuses(at(6), address));
    std::thread::sleep(Duration::from_millis(50));
    for action in ["create", "connect"] {
        played.tell_of(Some((action, "new")), before);
    }
    played.state().is_slow = false;
    assert_eq!(waits.join().expect("an answer"), [200, 403, 403]);
    // One that dies gives its address away, and what it was allowed.
    played.has(&[job, ("plain", "", 6)]);
    for name in ["new", "plain"] {
        played.tell(Some((
            if name == "new" {
                "disconnect"
            } else {
                "connect"
            },
            name,
        )));
    }
    let (status, text) = asked(at(6), many.tcp, "GET /version");
    assert!(
        status == 403 && text.contains("SP_ALLOWFROM"),
        "{status} {text}"
    );
}

#[test]
fn containers_with_many_labels_are_served_with_few_lists() {
    let labels: Vec<&'static str> = (0..70)
        .map(|number| &*format!(r#""socket-proxy.allow.get":"/info|/x{number}""#).leak())
        .collect();
    let names: Vec<&'static str> = (0..70)
        .map(|number| &*format!("c{number}").leak())
        .collect();
    let containers: Vec<_> = (0_u8..70)
        .map(|number| {
            (
                names[usize::from(number)],
                labels[usize::from(number)],
                number + 5,
            )
        })
        .collect();
    let (many, _played) = played_as(FILE, &ENV, &containers);
    for round in 0..2 {
        for number in 0_u8..70 {
            let (status, text) = asked(at(number + 5), many.tcp, "GET /info");
            assert_eq!(status, 200, "{round} {number}: {text}");
        }
    }
    // Some of the first are made anew.
    assert_eq!(asked(at(5), many.tcp, "GET /x0").0, 200);
    assert_eq!(asked(at(5), many.tcp, "GET /x1").0, 403);
}

#[test]
fn lists_follow_what_a_reload_makes_of_the_default_policy() {
    let file = |denies| format!("policies:\n  default: {{ VERSION: 1{denies} }}\n{FILE}");
    let job = ("job", r#""socket-proxy.allow.get":".*""#, 5);
    let (many, _played) = played_as(&file(", DENY_LOGS: 1"), &ENV[..1], &[job]);
    let mut kept = from(at(5), many.tcp);
    let logs = "GET /containers/x/logs";
    assert_eq!(sent(&mut kept, logs, "").0, 403, "{}", many.dockgate.log());
    reload(&many, &file(""));
    assert_eq!(sent(&mut kept, logs, "").0, 200);
    reload(&many, &file(", DENY_LOGS: 1"));
    assert_eq!(sent(&mut kept, logs, "").0, 403);
    assert_eq!(sent(&mut kept, "GET /info", "").0, 200);
}

#[test]
fn no_neighbour_keeps_out_who_has_a_list() {
    const JOBS: u8 = 60;
    let label = r#""socket-proxy.allow.get":"/info""#;
    let names = (0..JOBS).map(|number| &*format!("c{number}").leak());
    let jobs = names.zip(5..).map(|(name, last)| (name, label, last));
    let all: Vec<_> = jobs.chain([("plain", "", 200)]).collect();
    let (many, played) = played_as(FILE, &ENV, &all);
    assert_eq!(statuses(at(5), many.tcp), [403, 200, 403]);
    // Nothing is known any more, and a neighbour that may not connect takes what it can get.
    played.state().is_slow = true;
    played.tell(Some(("disconnect", "own")));
    std::thread::sleep(Duration::from_millis(50));
    let _idle: Vec<Wire> = (0..300).map(|_| from(at(200), many.tcp)).collect();
    let mut clients: Vec<Wire> = (0..JOBS)
        .map(|number| {
            let mut client = from(at(5 + number), many.tcp);
            client.send("GET /info HTTP/1.1\r\nHost: docker\r\n\r\n");
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    played.state().is_slow = false;
    for client in &mut clients {
        assert_eq!(client.response().status(), 200, "{}", many.dockgate.log());
    }
    let log = many.dockgate.log();
    let is_refused = |line: &str| {
        let mut jobs = (0..JOBS).map(|number| format!("{} are not allowed", at(5 + number)));
        jobs.any(|told| line.contains(&told))
    };
    assert!(!log.lines().any(is_refused), "{log}");
}
