//! Reloads: what holds before and after, and what becomes of streams and tunnels that are denied by
//! what comes.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::policies::Many;
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, Engine, Wire};

const LISTS: &str = "policies: { one: { CONTAINERS: 1 } }\n\
                     endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
const INFOS: &str = "policies: { one: { INFO: 1 } }\n\
                     endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
pub(crate) const ALL: &str = "policies: { one: { CONTAINERS: 1, POST: 1, EVENTS: 1 } }\n\
                   endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
pub(crate) const EVENTS: &str = "policies: { one: { EVENTS: 1 } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
const LIST: &str = "/containers/json";
const INFO: &str = "/info";
pub(crate) const SWITCHED: &str =
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
pub(crate) const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Writes the file, as an editor does: in a new one that takes its place.
fn write(many: &Many, text: &str) {
    let new = many.file.with_extension("new");
    fs::write(&new, many.text(text)).expect("written");
    fs::rename(new, &many.file).expect("renamed");
}

fn reloads(dockgate: &Dockgate) -> usize {
    dockgate.log().matches("reloaded the configuration").count()
}

/// Asks for a reload and waits until it is done.
#[track_caller]
pub(crate) fn reload(many: &Many, text: &str) {
    let before = reloads(&many.dockgate);
    write(many, text);
    many.dockgate.signal(Signal::HUP);
    wait(|| reloads(&many.dockgate) > before);
}

#[track_caller]
fn wait(is: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is() {
        assert!(begin.elapsed() < BOUND, "waited in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn status(many: &Many, path: &str) -> u16 {
    many.get(Wire::tcp(many.tcp), path).status()
}

#[test]
fn sighup_holds_at_once_for_open_connections_too() {
    let many = Many::start(LISTS);
    let mut kept = Wire::tcp(many.tcp);
    let list = format!("GET {LIST} HTTP/1.1\r\nHost: docker\r\n\r\n");
    kept.send(&list);
    let (mut engine, _) = many.engine.request();
    engine.send(EMPTY);
    assert_eq!(kept.response().status(), 200);
    reload(&many, INFOS);
    kept.send(&list);
    assert_eq!(kept.response().status(), 403);
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
    reload(&many, LISTS);
    kept.send(&list);
    engine.request();
    engine.send(EMPTY);
    assert_eq!(kept.response().status(), 200);
}

#[test]
fn a_mistake_changes_nothing_and_is_said() {
    let many = Many::start(LISTS);
    write(&many, "policies: { one: { INFOO: 1 } }\n");
    many.dockgate.signal(Signal::HUP);
    many.dockgate
        .line(|line| line.contains("err") && line.contains("INFOO"));
    many.dockgate
        .line(|line| line.contains("not reloaded: the configuration from before"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (200, 403));
    fs::remove_file(&many.file).expect("removed");
    many.dockgate.signal(Signal::HUP);
    wait(|| {
        many.dockgate
            .log()
            .matches("not reloaded: the configuration")
            .count()
            > 1
    });
    assert_eq!((status(&many, LIST), status(&many, INFO)), (200, 403));
    reload(&many, INFOS);
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
}

#[test]
fn what_needs_a_restart_is_named() {
    let many = Many::start(LISTS);
    let more = format!("{LISTS}  # and a line\n").replace("}]", "}, { listen: \"{second}\" }]");
    reload(&many, &more);
    many.dockgate
        .line(|line| line.contains("warning endpoints changed: restart dockgate to apply it"));
}

#[test]
fn no_reload_ends_the_protection() {
    let many = Many::start(LISTS);
    reload(&many, &INFOS.replace("INFO: 1", "INFO: 1, DRY_RUN: 1"));
    many.dockgate
        .line(|line| line.contains("warning policies.one.DRY_RUN changed: restart dockgate"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
}

/// A mounted file stays what it was, and has no name any more when another one takes its place. So
/// does an open file.
#[test]
fn a_file_that_was_replaced_behind_its_mount_is_said() {
    let engine = Engine::start();
    let many = Many::start(LISTS);
    let opened = fs::File::open(&many.file).expect("a file");
    let path = format!("/proc/{}/fd/{}", std::process::id(), opened.as_raw_fd());
    let socket = engine.path().display().to_string();
    let other = many
        .text(LISTS)
        .replace(&many.tcp.to_string(), &free_address().to_string());
    fs::write(&many.file, other).expect("written");
    let mounted = Dockgate::start(&[("CONFIG_FILE", &path), ("SOCKET_PATH", &socket)]);
    mounted.line(|line| line.contains("listening on"));
    write(&many, INFOS);
    mounted.line(|line| line.contains("was replaced outside, and its mount still shows the old"));
}

#[test]
fn changed_files_are_noticed() {
    let many = Many::start(LISTS);
    write(&many, INFOS);
    many.dockgate
        .line(|line| line.contains("reloaded the configuration"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
}

/// As Kubernetes has config maps: the file is a link into a folder that is a link itself.
#[test]
fn links_that_lead_elsewhere_are_noticed() {
    let engine = Engine::start();
    let volume = engine.directory().join("volume");
    let (old, new) = (volume.join("..old"), volume.join("..new"));
    fs::create_dir_all(&old).expect("a folder");
    fs::create_dir(&new).expect("a folder");
    symlink("..old", volume.join("..data")).expect("a link");
    symlink(
        Path::new("..data/dockgate.yml"),
        volume.join("dockgate.yml"),
    )
    .expect("a link");
    let many = Many::at(engine, volume.join("dockgate.yml"), LISTS, &[]);
    fs::write(new.join("dockgate.yml"), many.text(INFOS)).expect("written");
    symlink("..new", volume.join("..tmp")).expect("a link");
    fs::rename(volume.join("..tmp"), volume.join("..data")).expect("renamed");
    many.dockgate
        .line(|line| line.contains("reloaded the configuration"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
}

#[test]
fn what_is_denied_now_ends_and_what_is_not_goes_on() {
    let many = Many::start(ALL);
    let ask = |request: &str| {
        let mut client = Wire::tcp(many.tcp);
        client.send(request);
        let (engine, _) = many.engine.request();
        (client, engine)
    };
    let host = "HTTP/1.1\r\nHost: docker\r\n";
    let attach =
        format!("POST /containers/c/attach {host}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    let (mut tunnel, mut tunnel_engine) = ask(&attach);
    tunnel_engine.send(SWITCHED);
    assert_eq!(tunnel.head().status(), 101);
    let (mut logs, mut logs_engine) = ask(&format!("GET /containers/c/logs {host}\r\n"));
    logs_engine.send(STREAM);
    assert_eq!(logs.head().status(), 200);
    let (mut events, mut events_engine) = ask(&format!("GET /events {host}\r\n"));
    events_engine.send(STREAM);
    assert_eq!(events.head().status(), 200);
    let (mut waiting, mut waiting_engine) = ask(&format!("POST /containers/c/wait {host}\r\n"));
    // What is still allowed is not even noticed.
    reload(&many, ALL);
    for _ in 0..15 {
        tunnel_engine.send("tick");
        assert_eq!(tunnel.take(4), b"tick");
        thread::sleep(Duration::from_millis(100));
    }
    reload(&many, EVENTS);
    tunnel.rest();
    tunnel_engine.rest();
    let (rest, _) = logs.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a false end");
    logs_engine.rest();
    let refused = waiting.response();
    assert_eq!(refused.status(), 403);
    assert!(
        refused
            .text()
            .contains("POST /containers/c/wait is not allowed")
    );
    waiting_engine.rest();
    for target in ["attach 101", "logs 200", "wait 403"] {
        many.dockgate.line(|line| {
            line.contains(&format!("/containers/c/{target} "))
                && line.ends_with("(denied since the configuration was reloaded)")
        });
    }
    // The connection that got its 403 goes on.
    waiting.send(format!("GET /events {host}\r\n"));
    let (mut next, _) = many.engine.request();
    next.send(EMPTY);
    assert_eq!(waiting.response().status(), 200);
    events_engine.send_chunk("event");
    assert_eq!(events.take(5 + 5), b"5\r\nevent\r\n");
}

/// Each decision is one of the old policy or of the new one, and none is lost.
#[test]
fn reloads_under_load_lose_nothing() {
    let engine = Engine::start();
    let reached = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reached);
    engine.serve(move |_| {
        counted.fetch_add(1, Relaxed);
        EMPTY.into()
    });
    let many = Many::with(engine, LISTS, &[("LOG_LEVEL", "notice")]);
    let start = reached.load(Relaxed);
    let (done, allowed, denied) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Wire::tcp(many.tcp);
                while done.load(Relaxed) == 0 {
                    // One of both is allowed at any time, and neither by a third policy.
                    for path in [LIST, INFO, "/version"] {
                        client.send(format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n"));
                        match client.response().status() {
                            200 if path != "/version" => allowed.fetch_add(1, Relaxed),
                            403 => denied.fetch_add(1, Relaxed),
                            other => panic!("{path}: {other}"),
                        };
                    }
                }
            });
        }
        for round in 0..20 {
            reload(&many, if round % 2 == 0 { INFOS } else { LISTS });
        }
        done.store(1, Relaxed);
    });
    let (allowed, denied) = (allowed.load(Relaxed), denied.load(Relaxed));
    assert!(allowed > 20 && denied > 20, "{allowed} {denied}");
    assert_eq!(reached.load(Relaxed) - start, allowed);
}
