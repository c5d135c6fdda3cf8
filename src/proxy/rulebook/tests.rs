use std::ffi::OsString;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime;
use tokio::sync::watch;

use super::*;
use crate::config::Snapshot;
use crate::proxy::connection::{self, Now};
use crate::proxy::holders::Key;
use crate::proxy::server::Room;
use crate::proxy::shared::Shared;
use crate::proxy::wire::{ClientLink, Socket};

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
    let entry = book.entry_of(client, endpoint).ok()?;
    let policy = entry.and_then(|entry| entry.policy.as_ref());
    let target = || Target::from_line("GET", path).expect("a target");
    let verdict = policy.map(|policy| policy.decide(target(), Body::Empty));
    Some(matches!(verdict, Some(Verdict::Allow(_))))
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
    let book = book.next(&reloaded.policies, &reloaded.rules, &reloaded.endpoints);
    assert_eq!(is(&book, one, 0), Some(false));
    assert_eq!(
        is(&book, "10.0.0.3", 0),
        Some(false),
        "never by another policy"
    );
}

#[test]
fn a_name_that_is_not_known_decides_nothing() {
    let file = "{ policies: { one: { INFO: 1 } }, endpoints: [{ listen: 'tcp://[::]:1' }], \
                clients: [{ from: [10.0.0.1, web, db], policy: one }, \
                          { from: 0.0.0.0/0, policy: one }] }";
    let book = Rulebook::new(&settings(file, "/x"));
    let unknown = |client: &str| {
        let client = client.parse().expect("an address");
        book.entry_of(&client, 0).err()
    };
    assert_eq!(unknown("10.0.0.1"), None);
    assert_eq!(unknown("10.0.0.2"), Some(Unknown::Hosts(vec!["web", "db"])));
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
        let held = shared.holders.hold(Key::User(None));
        let link = ClientLink::new(socket);
        let client = Client::new(shared, Peer::Unix(None), 0, link, held);
        let target = Target::from_line("GET", INFO).expect("a target");
        let undecided = client
            .shared
            .rulebook
            .load()
            .decide(&client, target, Body::Empty.into())
            .expect_err("nothing is decided");
        let begin = Instant::now();
        let why = decide_in_time(&client, undecided, PATIENCE).await;
        let why = why.expect_err("nothing is decided");
        assert!(begin.elapsed() < PATIENCE);
        assert_eq!(why.status(), 503);
        let text = format!("the policy for unix depends on {on}");
        assert_eq!(why.text(), text);
    }
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
    let runtime = || runtime::Builder::new_current_thread().enable_all().build();
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = runtime().expect("a runtime");
            listener.set_nonblocking(true).expect("non-blocking");
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).expect("a listener");
                tokio::spawn(engine(listener, &REACHED));
                while !UNNEEDED.load(Relaxed) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        });
        let clients = [(), ()].map(|()| {
            scope.spawn(|| {
                let runtime = runtime().expect("a runtime");
                runtime.block_on(async {
                    let (mut client, own) = UnixStream::pair().expect("a pair");
                    let link = ClientLink::new(Socket::Unix(own));
                    let held = shared.holders.hold(Key::User(None));
                    let shared = Arc::clone(&shared);
                    let served = Client::new(shared, Peer::Unix(None), 0, link, held);
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
            let book = book.next(&next.policies, &next.rules, &next.endpoints);
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
