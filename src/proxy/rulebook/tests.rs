use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use std::time::{Duration, Instant};

use super::*;
use crate::api::Target;
use crate::config::Snapshot;
use crate::observe::access::Peer;
use crate::policy::Body;
use crate::policy::Verdict;
use crate::proxy::client::Asked;
use crate::proxy::connection::{self, Now};
use crate::proxy::handshake::Shown;
use crate::proxy::holders::Key;
use crate::proxy::server::Room;
use crate::proxy::shared::Shared;
use crate::proxy::wire::{ClientLink, Socket};

const CLIENT: Key = Key::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
const LIST: &str = "/containers/json";
const INFO: &str = "/info";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn environment(file: &str, engine: &str) -> Snapshot {
    let variables = [("CONFIG_DATA", file), ("SOCKET_PATH", engine)];
    Snapshot::from_iter(variables.map(|(name, value)| (name, OsString::from(value))))
}

fn settings(file: &str, engine: &str) -> Settings {
    Settings::load(&environment(file, engine)).expect("settings")
}

fn allows(book: &Rulebook, client: &Identity, endpoint: usize, path: &str) -> Option<bool> {
    let rule = book.rule_for(client, &mut None, &|_| Seen::Nobody).ok()?;
    let target = Target::from_line("GET", path).expect("a target");
    let verdict = book.entry(rule, endpoint).decide(target, Body::Empty);
    Some(matches!(verdict, Verdict::Allow(_)))
}

#[test]
fn where_there_is_no_policy_nothing_is_allowed() {
    let old = "{ policies: { one: { INFO: 1 }, two: { INFO: 1 } }, \
               endpoints: [{ listen: 'tcp://[::]:1', policy: one }], \
               clients: [{ from: 10.0.0.1, policy: two }, { from: 10.0.0.2, policy: none }] }";
    // An endpoint that is gone keeps its policy until a restart, and that one is gone too.
    let new = "{ policies: { two: { INFO: 1 } }, \
               endpoints: [{ listen: 'tcp://[::]:2', policy: two }], \
               clients: [{ from: 10.0.0.1, policy: none }] }";
    let (one, none) = ("10.0.0.1", "10.0.0.2");
    let is = |book: &Rulebook, client: &str, endpoint| {
        let client = client.parse().expect("an address");
        allows(book, &client, endpoint, INFO)
    };
    let settings = settings(old, "/x");
    let book = Rulebook::new(&settings);
    assert_eq!(is(&book, one, 0), Some(true));
    assert_eq!(is(&book, none, 0), Some(false));
    assert_eq!(is(&book, "10.0.0.3", 0), Some(true));
    assert_eq!(
        is(&book, "10.0.0.3", 1),
        Some(false),
        "there is no such endpoint"
    );
    let environment = environment(new, "/x");
    let look = Settings::load(&environment).expect("settings").seen;
    let reloaded = settings.reload(None, &environment, look);
    let reloaded = reloaded.expect("a reload");
    let book = book.next(&reloaded.decisions());
    assert_eq!(is(&book, one, 0), Some(false));
    assert_eq!(
        is(&book, "10.0.0.3", 0),
        Some(false),
        "never by another policy"
    );
}

#[tokio::test]
async fn a_name_that_is_not_known_decides_nothing() {
    let file = "{ policies: { one: { INFO: 1 } }, endpoints: [{ listen: 'tcp://[::]:1' }], \
                clients: [{ from: [10.0.0.1, web, db], policy: one }, \
                          { from: 0.0.0.0/0, policy: one }] }";
    let book = Rulebook::new(&settings(file, "/x"));
    let untold = |client: &str| {
        let client = client.parse().expect("an address");
        book.rule_for(&client, &mut None, &|_| Seen::Nobody).err()
    };
    assert!(untold("10.0.0.1").is_none());
    let untold = untold("10.0.0.2").expect("it is not known");
    assert_eq!(untold.on, "web and db, which cannot be resolved now");
    assert!(untold.may_change);
}

/// What was found holds as long as its rulebook, and never where names come and go.
#[tokio::test]
async fn a_rule_is_found_once_for_a_connection() {
    let rules = |before: &str, host: &str| {
        format!(
            "{{ policies: {{ one: {{ INFO: 1 }} }}, endpoints: [{{ listen: 'tcp://[::]:1' }}], \
             clients: [{{ from: {before}, policy: one }}, {{ from: [10.0.0.2{host}], policy: one }}] }}"
        )
    };
    let client = "10.0.0.2".parse().expect("an address");
    let rule = |book: &Rulebook, found: &mut Option<Found>| {
        let rule = book.rule_for(&client, found, &|_| Seen::Nobody);
        (rule.ok(), found.is_some())
    };
    let found = &mut None;
    let first = settings(&rules("10.0.0.1", ""), "/x");
    let book = Rulebook::new(&first);
    for _ in 0..2 {
        assert_eq!(rule(&book, found), (Some(Some(1)), true));
    }
    let next = |book: &Rulebook, file: &str| {
        let next = settings(file, "/x");
        book.next(&Decisions::from(&next))
    };
    // The rule before it is for it now.
    let book = next(&book, &rules("10.0.0.0/8", ""));
    assert_eq!(rule(&book, found), (Some(Some(0)), true));
    // None of them is.
    let book = next(
        &book,
        &rules("10.0.0.1", "").replace("10.0.0.2", "10.0.0.3"),
    );
    assert_eq!(rule(&book, found), (Some(None), true));
    // Its address is in a list before any name.
    let book = next(&book, &rules("10.0.0.1", ", web"));
    assert_eq!(rule(&book, found), (Some(Some(1)), true));
    // A name comes before: nobody knows it, and nothing of old helps.
    let book = next(&book, &rules("web", ""));
    assert_eq!(rule(&book, found), (None, false));
    book.names.known("web", [Some(&["10.0.0.9"]), Some(&[])]);
    assert_eq!(rule(&book, found), (Some(Some(1)), false));
    book.names.known("web", [Some(&["10.0.0.2"]), Some(&[])]);
    assert_eq!(rule(&book, found), (Some(Some(0)), false));
}

/// Or those of one rule would be old when those of the next are known.
#[tokio::test]
async fn the_names_of_all_rules_are_looked_up_at_once() {
    let file = "{ policies: { one: { INFO: 1 } }, endpoints: [{ listen: 'tcp://[::]:1' }], \
                clients: [{ from: slow.example, policy: one }, { from: localhost, policy: one }] }";
    let book = Rulebook::new(&settings(file, "/x"));
    let _slow = book.names.hold("slow.example");
    let mut news = book.names.news();
    let client = "127.0.0.1".parse().expect("an address");
    let untold = book
        .rule_for(&client, &mut None, &|_| Seen::Nobody)
        .expect_err("it is slow");
    assert_eq!(untold.on, "slow.example, which cannot be resolved now");
    let deadline = Instant::now() + Duration::from_secs(20);
    let known = |host: &str| {
        let address = client.address().expect("an address");
        clients::Names::has(&book.names, host, address)
    };
    while known("localhost") != Some(true) {
        assert!(Instant::now() < deadline, "it is not looked up");
        news.wait(deadline).await;
    }
    assert_eq!(known("slow.example"), None);
}

/// A name server that is down at a reload is no reason to end what is still allowed.
#[tokio::test]
async fn a_stream_goes_on_while_its_policy_is_not_known() {
    let file = "{ policies: { lists: { CONTAINERS: 1 }, infos: { INFO: 1 } }, \
                endpoints: [{ listen: 'tcp://[::]:1', policy: none }], \
                clients: [{ from: slow.example, policy: lists }, \
                          { from: 127.0.0.1, policy: infos }] }";
    let room = Room {
        connections: 1,
        strangers: 1,
        waiting: 1,
    };
    let shared = Arc::new(Shared::new(&settings(file, "/x"), None, &room));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let socket = Socket::Tcp(TcpStream::connect(address).await.expect("a socket"));
    let held = shared.holders.hold(&CLIENT);
    let link = ClientLink::new(socket);
    let client = Client::new(
        Arc::clone(&shared),
        Peer::Tcp(address),
        0,
        link,
        held,
        Shown::default(),
        false,
    );
    let book = shared.rulebook.load_full();
    let _slow = book.names.hold("slow.example");
    let earlier = || Asked {
        target: Target::from_line("GET", INFO).expect("a target"),
        body: Body::Empty,
        judged: false,
        engine: Arc::clone(&book.none.engine),
    };
    let denied = denied_now(&client, earlier());
    tokio::pin!(denied);
    let longer = PATIENCE + Duration::from_millis(500);
    assert!(timeout(longer, &mut denied).await.is_err(), "it was denied");
    // It is another's name.
    book.names
        .known("slow.example", [Some(&["10.0.0.9"]), Some(&[])]);
    assert!(denied.await.is_none());
    // It is the client's.
    book.names
        .known("slow.example", [Some(&["127.0.0.1"]), Some(&[])]);
    let why = denied_now(&client, earlier()).await;
    assert_eq!(why.expect("it is denied").status(), 403);
}

/// Nor is it waited for what will never be known.
#[tokio::test]
async fn what_the_kernel_does_not_tell_of_a_client_decides_nothing() {
    const UNTOLD: [(&str, &str); 2] = [
        ("user: 7", "its user, which the kernel does not report"),
        ("group: 7", "its groups, which the kernel does not report"),
    ];
    for (who, on) in UNTOLD {
        let file = format!(
            "{{ policies: {{ one: {{ INFO: 1 }} }}, \
             endpoints: [{{ listen: 'unix:///dockgate.sock', policy: one }}], \
             clients: [{{ {who}, policy: none }}, {{ user: 0, policy: one }}] }}"
        );
        let room = Room {
            connections: 1,
            strangers: 1,
            waiting: 1,
        };
        let shared = Arc::new(Shared::new(&settings(&file, "/x"), None, &room));
        // A socket that knows nothing of a process.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let socket = Socket::Tcp(TcpStream::connect(address).await.expect("a socket"));
        let held = shared.holders.hold(&CLIENT);
        let link = ClientLink::new(socket);
        let client = Client::new(
            shared,
            Peer::Unix(None),
            0,
            link,
            held,
            Shown::default(),
            false,
        );
        let begin = Instant::now();
        let why = policy_in_time(&client, PATIENCE).await;
        let why = why.expect_err("nothing is decided");
        assert!(begin.elapsed() < PATIENCE);
        assert_eq!(why.status(), 503);
        let text = format!("the policy for unix depends on {on}");
        assert_eq!(why.text(), text);
    }
}

fn runtime() -> Runtime {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime")
}

/// Runs an engine until nobody needs it.
fn run<F: Future<Output = ()> + Send + 'static>(
    listener: std::os::unix::net::UnixListener,
    engine: impl FnOnce(UnixListener) -> F,
    unneeded: &AtomicBool,
) {
    listener.set_nonblocking(true).expect("non-blocking");
    runtime().block_on(async {
        let listener = UnixListener::from_std(listener).expect("a listener");
        tokio::spawn(engine(listener));
        while !unneeded.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Answers every request, and counts them.
async fn engine(listener: UnixListener, reached: &'static AtomicU64) {
    while let Ok((mut socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            while head(&mut socket).await.is_some() {
                reached.fetch_add(1, Relaxed);
                let _ = socket.write_all(EMPTY.as_bytes()).await;
            }
        });
    }
}

/// Reads a head.
async fn head(socket: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(socket.read_u8().await.ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Asks for a path; whether that was allowed.
async fn ask(socket: &mut UnixStream, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let head = head(socket).await.expect("no request is lost");
    let length = head
        .split("ength: ")
        .nth(1)
        .and_then(|rest| rest.split('\r').next());
    let length: usize = length.expect("a length").parse().expect("a number");
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.expect("a body");
    match &head[..13] {
        "HTTP/1.1 200 " => true,
        "HTTP/1.1 403 " => {
            let body = String::from_utf8(body).expect("text");
            assert!(body.contains("policies.one"), "by another policy: {body}");
            false
        }
        other => panic!("{other}"),
    }
}

/// Each decision is one of the old policy or of the new one, none is made by neither, none is lost.
#[test]
fn a_thousand_reloads_under_load() {
    static REACHED: AtomicU64 = AtomicU64::new(0);
    static ALLOWED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
    static DENIED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
    static DONE: AtomicBool = AtomicBool::new(false);
    // The engine answers until the last client is done.
    static UNNEEDED: AtomicBool = AtomicBool::new(false);
    const PATHS: [&str; 3] = [LIST, INFO, "/version"];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let file = |grant: &str| {
        format!(
            "{{ policies: {{ one: {{ {grant}: 1 }} }}, \
             endpoints: [{{ listen: 'unix:///dockgate.sock', policy: none }}], \
             clients: [{{ user: {}, policy: one }}] }}",
            rustix::process::geteuid().as_raw()
        )
    };
    let path = path.to_str().expect("a plain path");
    let all = [
        settings(&file("CONTAINERS"), path),
        settings(&file("INFO"), path),
    ];
    let shared = Arc::new(Shared::new(
        &all[0],
        None,
        &Room {
            connections: 1,
            strangers: 1,
            waiting: 1,
        },
    ));
    let (now, _) = watch::channel(Now::default());
    thread::scope(|scope| {
        scope.spawn(|| run(listener, |listener| engine(listener, &REACHED), &UNNEEDED));
        let clients = [(), ()].map(|()| {
            scope.spawn(|| {
                let runtime = runtime();
                runtime.block_on(async {
                    let (mut client, own) = UnixStream::pair().expect("a pair");
                    let link = ClientLink::new(Socket::Unix(own));
                    let held = shared.holders.hold(&CLIENT);
                    let shared = Arc::clone(&shared);
                    let served = Client::new(
                        shared,
                        Peer::Unix(None),
                        0,
                        link,
                        held,
                        Shown::default(),
                        false,
                    );
                    tokio::spawn(connection::serve(served, now.subscribe()));
                    while !DONE.load(Relaxed) {
                        for (place, path) in PATHS.iter().enumerate() {
                            match ask(&mut client, path).await {
                                true => &ALLOWED[place],
                                false => &DENIED[place],
                            }
                            .fetch_add(1, Relaxed);
                        }
                    }
                });
            })
        });
        let asked = || DENIED[2].load(Relaxed);
        for round in 1..=1000 {
            let next = &all[round % 2];
            let book = shared.rulebook.load();
            let book = book.next(&Decisions::from(next));
            shared.rulebook.store(Arc::new(book));
            now.send_modify(|now| now.reloads += 1);
            let before = asked();
            while asked() < before + 1 && clients.iter().any(|client| !client.is_finished()) {
                thread::yield_now();
            }
        }
        DONE.store(true, Relaxed);
        let ended = clients.map(thread::ScopedJoinHandle::join);
        UNNEEDED.store(true, Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a client failed");
    });
    let [lists, infos, versions] = ALLOWED.each_ref().map(|count| count.load(Relaxed));
    let denied = DENIED.each_ref().map(|count| count.load(Relaxed));
    assert!(lists > 0 && infos > 0, "{lists} {infos}");
    assert_eq!(versions, 0);
    assert!(denied[0] > 0 && denied[1] > 0, "{denied:?}");
    assert_eq!(REACHED.load(Relaxed), lists + infos);
}

/// What is allowed at the moment of a reload is found by it, whatever comes of the request.
#[test]
fn nothing_escapes_a_reload() {
    const ROUNDS: u64 = 40;
    const RELOADS: u64 = 21;
    static STREAMED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
    static LAST: AtomicBool = AtomicBool::new(false);
    static UNNEEDED: AtomicBool = AtomicBool::new(false);
    // A stream, a tunnel, and a request that the engine never answers.
    const REQUESTS: [&str; 3] = [
        "GET /containers/c/logs HTTP/1.1\r\nHost: docker\r\n\r\n",
        "POST /containers/c/attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\n\r\n",
        "POST /containers/c/wait HTTP/1.1\r\nHost: docker\r\n\r\n",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let path = path.to_str().expect("a plain path");
    let file = |grants: &str| {
        format!(
            "{{ policies: {{ one: {{ {grants} }} }}, \
             endpoints: [{{ listen: 'unix:///dockgate.sock', policy: one }}] }}"
        )
    };
    // It ends with one that denies all.
    let all = [
        settings(&file("CONTAINERS: 1, POST: 1"), path),
        settings(&file("INFO: 1"), path),
    ];
    let room = Room {
        connections: 1,
        strangers: 1,
        waiting: 1,
    };
    let shared = Arc::new(Shared {
        after_reload: Duration::from_millis(20),
        ..Shared::new(&all[1], None, &room)
    });
    let (now, _) = watch::channel(Now::default());
    let reload = |next: &Settings| {
        let book = shared.rulebook.load();
        let book = book.next(&Decisions::from(next));
        shared.rulebook.store(Arc::new(book));
        now.send_modify(|now| now.reloads += 1);
    };
    let connect = || {
        let (client, own) = UnixStream::pair().expect("a pair");
        let held = shared.holders.hold(&CLIENT);
        let link = ClientLink::new(Socket::Unix(own));
        let served = Client::new(
            Arc::clone(&shared),
            Peer::Unix(None),
            0,
            link,
            held,
            Shown::default(),
            false,
        );
        tokio::spawn(connection::serve(served, now.subscribe()));
        client
    };
    // Asks until it is denied behind the last reload.
    let client = async |kind: usize| {
        let mut socket = connect();
        loop {
            let last = LAST.load(Relaxed);
            let asked = socket.write_all(REQUESTS[kind].as_bytes()).await;
            match asked.ok().and(head(&mut socket).await) {
                Some(denied) if denied.starts_with("HTTP/1.1 403") => {
                    let mut body = [0];
                    while body != *b"\n" {
                        socket.read_exact(&mut body).await.expect("a body");
                    }
                    if last {
                        return;
                    }
                }
                begun => {
                    STREAMED[kind].fetch_add(begun.is_some().into(), Relaxed);
                    let _ = socket.read_to_end(&mut Vec::new()).await;
                    socket = connect();
                }
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| run(listener, endless_engine, &UNNEEDED));
        for _ in 0..ROUNDS {
            LAST.store(false, Relaxed);
            let clients = [0, 1, 2].map(|kind| {
                scope.spawn(move || {
                    let runtime = runtime();
                    let two = async { tokio::join!(client(kind), client(kind)) };
                    let in_time = async { timeout(Duration::from_secs(20), two).await };
                    runtime.block_on(in_time).is_ok()
                })
            });
            for number in 1..=RELOADS {
                reload(&all[usize::from(number % 2 == 1)]);
                thread::sleep(Duration::from_micros(number * 37 % 400));
            }
            LAST.store(true, Relaxed);
            let ended = clients.map(|client| client.join().unwrap_or_default());
            UNNEEDED.store(ended != [true; 3], Relaxed);
            assert_eq!(ended, [true; 3], "one of {REQUESTS:?} escaped");
        }
        UNNEEDED.store(true, Relaxed);
    });
    let [streams, tunnels, _] = STREAMED.each_ref().map(|count| count.load(Relaxed));
    assert!(streams > 0 && tunnels > 0, "{streams} {tunnels}");
}

/// Begins what has no end.
async fn endless_engine(listener: UnixListener) {
    while let Ok((mut socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let head = head(&mut socket).await.unwrap_or_default();
            let begin = match &head {
                asked if asked.contains("/logs") => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                }
                asked if asked.contains("/attach") => {
                    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                }
                _ => "",
            };
            let _ = socket.write_all(begin.as_bytes()).await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        });
    }
}
