//! Reloads: what holds before and after, and what becomes of streams and tunnels that are denied by
//! what comes.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::policies::Many;
use crate::strangers::from;
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, Engine, Gate, Wire};

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
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < BOUND, "waited in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
pub(crate) fn status(many: &Many, path: &str) -> u16 {
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
    many.dockgate.line(|line| {
        line.contains("warning endpoint tcp://")
            && line.ends_with("was added: restart dockgate to listen there")
    });
}

/// It is no address.
#[test]
fn the_policy_of_an_endpoint_holds_at_once() {
    let both = "policies: { one: { CONTAINERS: 1 }, two: { INFO: 1 } }\n\
                endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
    let many = Many::start(both);
    assert_eq!((status(&many, LIST), status(&many, INFO)), (200, 403));
    reload(&many, &both.replace("policy: one", "policy: two"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
    // Also beside what waits for a restart.
    let more = "policy: none }, { listen: \"{second}\", policy: two }";
    reload(&many, &both.replace("policy: one }", more));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 403));
    assert!(!many.dockgate.log().contains("was removed"));
}

/// What is there for a moment, valid as it is, is not acted on.
#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let many = Many::start(INFOS);
    let whole = "policies: { one: { INFO: 1, CONTAINERS: 1,\n DENY_LIST: 1 } }\n\
                 endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
    let mut part = many.text(&whole.replace(",\n DENY_LIST: 1", ""));
    for _ in 0..25 {
        part.push('#');
        fs::write(&many.file, &part).expect("written");
        many.dockgate.signal(Signal::HUP);
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(status(&many, LIST), 403);
    assert_eq!(reloads(&many.dockgate), 0);
    reload(&many, whole);
    assert_eq!((status(&many, LIST), status(&many, INFO)), (403, 200));
    assert_eq!(reloads(&many.dockgate), 1);
}

/// Those of the environment, too.
#[test]
fn profiles_are_files_that_are_looked_at() {
    let engine = Engine::start();
    let [own, named] = ["own", "named"].map(|name| engine.directory().join(name));
    let write = |path: &Path, target: &str| {
        fs::write(path, format!("GET {target}\n")).expect("written");
    };
    write(&own, LIST);
    write(&named, LIST);
    let shown = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let text = format!(
        "policies: {{ one: {{ PROFILE: {} }} }}\n\
         endpoints: [{{ listen: \"{{tcp}}\", policy: one }}]\n\
         clients: [{{ from: 127.0.1.1, policy: default }}]\n",
        shown(&named)
    );
    let many = Many::with(engine, &text, &[("PROFILE", &shown(&own))]);
    let statuses = || {
        let other = |path| {
            many.get(from([127, 0, 1, 1].into(), many.tcp), path)
                .status()
        };
        [
            status(&many, LIST),
            status(&many, INFO),
            other(LIST),
            other(INFO),
        ]
    };
    assert_eq!(statuses(), [200, 403, 200, 403]);
    write(&named, INFO);
    wait(|| reloads(&many.dockgate) == 1);
    assert_eq!(statuses(), [403, 200, 200, 403]);
    write(&own, INFO);
    wait(|| reloads(&many.dockgate) == 2);
    assert_eq!(statuses(), [403, 200, 403, 200]);
    fs::remove_file(&named).expect("removed");
    many.dockgate
        .line(|line| line.contains(" err ") && line.contains("PROFILE"));
    assert_eq!(statuses(), [403, 200, 403, 200]);
}

/// Nothing is known of it but what the environment says, which cannot change.
#[test]
fn the_environment_alone_is_not_reloaded() {
    let engine = Engine::start();
    let profile = engine.directory().join("profile");
    fs::write(&profile, "GET /info\n").expect("written");
    let gate = Gate::before(engine, &[("PROFILE", profile.to_str().expect("plain"))]);
    fs::write(&profile, "GET /version\n").expect("written");
    gate.dockgate.signal(Signal::HUP);
    gate.dockgate.line(|line| {
        line.contains("SIGHUP ignored: without CONFIG_FILE, CONFIG_DIR, CONFIG_DATA or TLS_CERT")
    });
    let version = "GET /version HTTP/1.1\r\nHost: docker\r\n\r\n";
    assert_eq!(gate.refusal(version).status(), 403);
}

#[test]
fn what_cannot_change_is_reloaded_without_delay() {
    let engine = Engine::start();
    let address = free_address();
    let data = LISTS.replace("{tcp}", &format!("tcp://{address}"));
    let socket = engine.path().to_str().expect("a plain path").to_owned();
    let dockgate = Dockgate::start(&[("CONFIG_DATA", &data), ("SOCKET_PATH", &socket)]);
    dockgate.listens(&format!("tcp://{address}"));
    let begin = Instant::now();
    for round in 1..=3 {
        dockgate.signal(Signal::HUP);
        wait(|| reloads(&dockgate) == round);
    }
    assert!(begin.elapsed() < Duration::from_secs(3 * 2));
}

#[test]
fn an_emptied_file_and_a_broken_folder_change_nothing() {
    let many = Many::start(LISTS);
    fs::write(&many.file, "").expect("written");
    many.dockgate.signal(Signal::HUP);
    many.dockgate
        .line(|line| line.contains("err     not reloaded: ") && line.contains("the file is empty"));
    assert_eq!((status(&many, LIST), status(&many, INFO)), (200, 403));

    let engine = Engine::start();
    let folder = engine.directory().join("config");
    fs::create_dir(&folder).expect("a folder");
    let address = free_address();
    let text = LISTS.replace("{tcp}", &format!("tcp://{address}"));
    fs::write(folder.join("a.yml"), text).expect("written");
    let [folder, socket] = [&*folder, engine.path()].map(|path| path.to_str().expect("plain"));
    let dockgate = Dockgate::start(&[("CONFIG_DIR", folder), ("SOCKET_PATH", socket)]);
    dockgate.listens(&format!("tcp://{address}"));
    symlink("nowhere", Path::new(folder).join("b.yml")).expect("a link");
    dockgate.line(|line| line.contains("not reloaded: cannot read ") && line.contains("b.yml"));
    fs::remove_file(Path::new(folder).join("b.yml")).expect("removed");
    wait(|| reloads(&dockgate) == 1);
    assert!(
        Command::new("mkfifo")
            .arg(Path::new(folder).join("c.yml"))
            .status()
            .is_ok_and(|made| made.success())
    );
    dockgate.line(|line| line.contains("c.yml: it is not a regular file"));
}

#[test]
fn each_level_of_the_log_has_what_belongs_to_it() {
    for (level, says_what_waits) in [("warning", true), ("err", false)] {
        let many = Many::with(Engine::start(), LISTS, &[("LOG_LEVEL", level)]);
        write(&many, &INFOS.replace("}]", "}, { listen: \"{second}\" }]"));
        many.dockgate.signal(Signal::HUP);
        wait(|| status(&many, INFO) == 200);
        write(&many, "policies: { one: { INFOO: 1 } }\n");
        many.dockgate.signal(Signal::HUP);
        many.dockgate
            .line(|line| line.contains("err     not reloaded: ") && line.contains("INFOO"));
        many.dockgate
            .line(|line| line.contains("err     not reloaded: the configuration from before"));
        let log = many.dockgate.log();
        assert!(!log.contains("reloaded the configuration: "), "{log}");
        let is_said = log.contains("restart dockgate to listen there");
        assert_eq!(is_said, says_what_waits, "{log}");
    }
}

/// Nobody is moved to a policy that protects nothing, and each of these is said at start.
#[test]
fn no_reload_leads_to_a_policy_that_protects_nothing() {
    let text = "policies: { one: { CONTAINERS: 1 }, two: { DRY_RUN: 1 }, three: { DRY_RUN: 1 } }\n\
                endpoints: [{ listen: \"{tcp}\", policy: one }]\n\
                clients:\n- { from: 127.0.1.1, policy: two }\n- { from: 127.0.1.2, policy: three }\n";
    let many = Many::with(Engine::start(), text, &[("LOG_LEVEL", "crit")]);
    for name in ["two", "three"] {
        many.dockgate
            .line(|line| line.contains(" err ") && line.contains(&format!("policies.{name} in ")));
    }
    let config = many.file.to_str().expect("a plain path");
    let checked = Dockgate::command(&[("CONFIG_FILE", config)])
        .arg("check")
        .output()
        .expect("it runs");
    let checked = String::from_utf8(checked.stdout).expect("text");
    for name in ["two", "three"] {
        assert!(
            checked.contains(&format!("warning: policies.{name} in ")),
            "{checked}"
        );
    }
    write(&many, &text.replace("policy: one", "policy: two"));
    many.dockgate.line(|line| {
        line.contains(" err ")
            && line.contains("could extend policy two, which denies nothing (DRY_RUN: 1)")
    });
    assert_eq!((status(&many, LIST), status(&many, INFO)), (200, 403));
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
        for round in 0..6 {
            reload(&many, if round % 2 == 0 { INFOS } else { LISTS });
        }
        done.store(1, Relaxed);
    });
    let (allowed, denied) = (allowed.load(Relaxed), denied.load(Relaxed));
    assert!(allowed > 20 && denied > 20, "{allowed} {denied}");
    assert_eq!(reached.load(Relaxed) - start, allowed);
}
