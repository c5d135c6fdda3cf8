//! Arbitrary bytes in arbitrary cuts against a whole connection: what reaches the engine is well
//! formed, was decided on, in that order, and is granted, or is the input of an attach or an exec
//! that the engine has taken over; the log says of exactly these requests that the engine got them;
//! what does not begin as a request is answered at once; nothing panics and nothing hangs.
//!
//! An input is four bytes and then what the client sends. The bytes choose the policy, how the
//! client ends, and how the engine answers the odd and the even requests. 0xFE, 0xFD and 0xFC in
//! what follows are not sent: there the client waits until all that it sent has had its effect, or
//! longer than a head may take, or longer than an engine's connection is kept.

#![no_main]

mod support;

use std::fs;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockgate::config::Address;
use dockgate::observe::log::ACCESS;
use dockgate::proxy::fuzzing::serve_one;
use libfuzzer_sys::fuzz_target;
use log::{LevelFilter, Log, Metadata, Record};
use support::router::{Asked, Served, routes, served};
use support::{Granted, policies};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

static POLICIES: LazyLock<Vec<Granted>> = LazyLock::new(policies);

/// A connection that lasts so long, beside the client's own waits, hangs. The clock is tokio's own
/// and moves only when nothing else does, so an hour costs nothing.
const HANGS: Duration = Duration::from_secs(3600);
const LONGEST_WAIT: Duration = Duration::from_secs(31);
/// No time at all, but for what the client itself waits.
const SOON: Duration = Duration::from_secs(1);

fuzz_target!(
    init: {
        let _ = log::set_logger(&Decisions);
        log::set_max_level(LevelFilter::Debug);
        // What a program's start in Rust does and the fuzzer's does not: a write to a closed
        // socket is an error and not the end.
        runtime().block_on(async { signal(SignalKind::pipe()).map(drop) }).expect("a handler");
    },
    |data: &[u8]| {
        let Some((&[policy, end, odd, even], sent)) = data.split_first_chunk() else {
            return;
        };
        let policy = &POLICIES[usize::from(policy) % POLICIES.len()];
        DECISIONS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let runtime = runtime();
        let hangs = HANGS + LONGEST_WAIT * u32::try_from(sent.len()).expect("a short input");
        let play = play(policy, End::of(end), [odd, even], sent);
        let played = runtime.block_on(async { timeout(hangs, play).await });
        let requests = played.expect("no hang");
        drop(runtime);
        was_decided_on(policy, &requests);
    }
);

fn runtime() -> Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.expect("a runtime")
}

/// Plays the client, the proxy and the engine until all three are done.
async fn play(policy: &Granted, end: End, answers: [u8; 2], sent: &[u8]) -> Vec<Request> {
    let Address::Unix(path) = &policy.settings.engine.address else {
        panic!("the engine has a socket");
    };
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("a socket for the engine");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let engine = tokio::spawn(engine(listener, answers, Arc::clone(&seen)));

    let (ours, theirs) = StdStream::pair().expect("a pair of sockets");
    let [ours, theirs] = [ours, theirs].map(|socket| {
        socket.set_nonblocking(true).expect("a socket");
        UnixStream::from_std(socket).expect("a socket")
    });
    let proxy = serve_one(&policy.settings, theirs);
    let ((), (got, answered)) = tokio::join!(proxy, client(ours, end, sent));
    if cannot_be_a_request(sent) && !matches!(end, End::Vanish) {
        assert!(
            answered.is_some_and(|time| time < SOON),
            "{answered:?}: {}",
            sent.escape_ascii()
        );
    }
    // All that the proxy sent has been read when the clock moves on.
    sleep(Duration::from_secs(1)).await;
    engine.abort();
    let ended = engine.await;
    assert!(
        ended.is_err_and(|e| e.is_cancelled()),
        "the engine's model ended"
    );
    let seen = std::mem::take(&mut *lock(&seen));
    answers_are_in_order(&got);
    seen
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the client ends.
#[derive(Clone, Copy)]
enum End {
    /// It sends a FIN and reads to the end.
    HalfClose,
    /// It waits until it is closed upon by the longest timeout, and then sends a FIN.
    Linger,
    /// It vanishes.
    Vanish,
}

impl End {
    fn of(byte: u8) -> End {
        [End::HalfClose, End::Linger, End::Vanish][usize::from(byte) % 3]
    }
}

/// Whether all that a client sends before it waits begins with what is in no method.
fn cannot_be_a_request(sent: &[u8]) -> bool {
    let first = sent.iter().find(|byte| !matches!(byte, b'\r' | b'\n'));
    first.is_some_and(|byte| match byte {
        0xfc..=0xfe => false,
        byte => !byte.is_ascii_graphic() || b"\"(),/:;<=>?@[\\]{}".contains(byte),
    })
}

/// Sends what is to be sent; gives back what came, and after what time the first of it.
async fn client(socket: UnixStream, end: End, sent: &[u8]) -> (Vec<u8>, Option<Duration>) {
    let start = Instant::now();
    let mut answered = None;
    let (mut from, mut to) = socket.into_split();
    let write = async {
        let mut rest = sent;
        while !rest.is_empty() {
            let at = rest.iter().position(|byte| matches!(byte, 0xfc..=0xfe));
            let (now, later) = rest.split_at(at.unwrap_or(rest.len()));
            // Fails once the proxy has ended the connection, and may.
            if to.write_all(now).await.is_err() {
                break;
            }
            match later.first() {
                Some(0xfe) => sleep(Duration::from_millis(1)).await,
                Some(0xfd) => sleep(Duration::from_secs(11)).await,
                Some(_) => sleep(LONGEST_WAIT).await,
                None => {}
            }
            rest = later.get(1..).unwrap_or_default();
        }
        match end {
            End::HalfClose => {}
            End::Linger => sleep(Duration::from_secs(400)).await,
            End::Vanish => return true,
        }
        let _ = to.shutdown().await;
        false
    };
    let mut got = Vec::new();
    let read = async {
        while from.read_buf(&mut got).await.is_ok_and(|n| n > 0) {
            answered.get_or_insert_with(|| start.elapsed());
        }
    };
    let mut read = Box::pin(read);
    let mut write = std::pin::pin!(write);
    let (mut is_read, mut is_written) = (false, false);
    while !(is_read && is_written) {
        tokio::select! {
            () = &mut read, if !is_read => is_read = true,
            vanishes = &mut write, if !is_written => {
                is_written = true;
                if vanishes {
                    break;
                }
            }
        }
    }
    drop(read);
    (got, answered)
}

/// No answer is given twice or to an earlier request, and what an engine sends behind one is not
/// taken for the next.
fn answers_are_in_order(got: &[u8]) {
    let text = String::from_utf8_lossy(got);
    let marks = text.split("\r\nx-mark: ").skip(1);
    let marks: Vec<u32> = marks
        .map(|mark| {
            let digits = mark.split('\r').next().unwrap_or_default();
            digits
                .parse()
                .unwrap_or_else(|_| panic!("an answer that nobody asked for: {text}"))
        })
        .collect();
    assert!(
        marks.is_sorted_by(|one, next| one < next),
        "{marks:?}: {text}"
    );
}

/// A request as the engine has it.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    /// `None` is chunked.
    length: Option<u64>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        let value = values.next().map(|(_, value)| value.as_slice());
        assert!(values.next().is_none(), "more than one {name}: {self:?}");
        value
    }

    /// Whether an engine makes the connection a raw stream: on attach and the start of an exec.
    fn is_hijacked(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let parts = match parts.first() {
            Some(first) if first.starts_with('v') => &parts[1..],
            _ => &parts[..],
        };
        self.method == "POST"
            && match parts {
                ["containers", _, .., last] => *last == "attach",
                ["exec", _, .., last] => *last == "start",
                _ => false,
            }
    }
}

/// An engine that takes no other request than RFC 9112 has it, and answers in every way.
async fn engine(listener: UnixListener, answers: [u8; 2], seen: Arc<Mutex<Vec<Request>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        connections.spawn(serve_engine(socket, answers, Arc::clone(&seen)));
    }
}

async fn serve_engine(socket: UnixStream, answers: [u8; 2], seen: Arc<Mutex<Vec<Request>>>) {
    let mut wire = Wire {
        socket,
        ahead: Vec::new(),
    };
    while let Some(request) = wire.head().await {
        let number = {
            let mut seen = lock(&seen);
            seen.push(request.clone());
            seen.len()
        };
        let how = answers[number % 2] % 16;
        if how == 0 {
            // Early, and no more is read.
            let early = format!(
                "HTTP/1.1 400 Early\r\nx-mark: {number}\r\n\
                                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return wire.send(early.as_bytes()).await;
        }
        if !wire.body(&request).await {
            return;
        }
        let asked = request.header("upgrade").is_some();
        let hijacks = request.is_hijacked();
        let body = if request.method == "HEAD" { "" } else { "ok" };
        let mark = format!("x-mark: {number}\r\n");
        let (answer, then) = match how {
            1 => (format!("HTTP/1.1 200 OK\r\n{mark}\r\n{body}"), Then::Close),
            2 => (String::new(), Then::Close),
            3 => ("SSH-2.0-x\r\n\r\n".into(), Then::Close),
            4 => (
                format!("HTTP/1.1 200 OK\r\n{mark}Content-Length: 9\r\n\r\n{body}"),
                Then::Close,
            ),
            5 => (
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n{mark}\r\n"),
                Then::Next,
            ),
            6 => (
                format!(
                    "HTTP/1.1 500 No\r\n{mark}Content-Length: 2\r\nConnection: close\r\n\r\n\
                           {body}"
                ),
                Then::Close,
            ),
            7 => (
                format!(
                    "HTTP/1.1 204 No\r\n{mark}\r\nHTTP/1.1 200 OK\r\nx-mark: unasked\r\n\
                           Content-Length: 0\r\n\r\n"
                ),
                Then::Next,
            ),
            8 => (
                format!("HTTP/1.1 304 No\r\n{mark}\r\nmore\r\nx-mark: unasked\r\n"),
                Then::Next,
            ),
            9 => (
                format!(
                    "HTTP/1.1 101 UPGRADED\r\n{mark}Connection: Upgrade\r\nUpgrade: tcp\r\n\
                           \r\nhello"
                ),
                Then::Tunnel,
            ),
            // An engine takes over what it can, and reads on where it cannot.
            12 => (
                format!(
                    "HTTP/1.1 200 OK\r\n{mark}\
                     Content-Type: application/vnd.docker.raw-stream\r\n\r\nhello"
                ),
                if hijacks { Then::Tunnel } else { Then::Next },
            ),
            // The same, but not for ever.
            13 => (
                format!(
                    "HTTP/1.1 200 OK\r\n{mark}\
                     Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\nhello"
                ),
                Then::Close,
            ),
            // What hijacks nothing.
            14 => (
                format!(
                    "HTTP/1.1 201 Created\r\n{mark}\
                     Content-Type: application/vnd.docker.raw-stream\r\n\r\nhello"
                ),
                Then::Next,
            ),
            10..=11 if asked => (
                format!(
                    "HTTP/1.1 101 UPGRADED\r\n{mark}Connection: Upgrade\r\n\
                                          Upgrade: tcp\r\n\r\nhello"
                ),
                Then::Tunnel,
            ),
            10 => {
                let chunks = if body.is_empty() {
                    ""
                } else {
                    "2\r\nok\r\n0\r\n\r\n"
                };
                (
                    format!("HTTP/1.1 200 OK\r\n{mark}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
                    Then::Next,
                )
            }
            _ => (
                format!("HTTP/1.1 200 OK\r\n{mark}Content-Length: 2\r\n\r\n{body}"),
                Then::Next,
            ),
        };
        wire.send(answer.as_bytes()).await;
        match then {
            Then::Next => {}
            Then::Close => return,
            Then::Tunnel => {
                while wire.read().await {}
                return;
            }
        }
    }
}

/// What follows an answer.
enum Then {
    Next,
    Close,
    Tunnel,
}

/// The engine's side of a connection.
struct Wire {
    socket: UnixStream,
    ahead: Vec<u8>,
}

impl Wire {
    /// Reads more; false at the end.
    async fn read(&mut self) -> bool {
        self.socket
            .read_buf(&mut self.ahead)
            .await
            .is_ok_and(|n| n > 0)
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The proxy may have given up the request.
        let _ = self.socket.write_all(bytes).await;
    }

    /// One line without its CRLF; `None` where the connection ends in it.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(lf) = self.ahead.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=lf).collect();
                let line = line.strip_suffix(b"\r\n").expect("no bare LF");
                assert!(!line.contains(&b'\r'), "a bare CR: {}", line.escape_ascii());
                return Some(line.to_vec());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn head(&mut self) -> Option<Request> {
        let line = String::from_utf8(self.line().await?).expect("a request line in ASCII");
        let parts: Vec<&str> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = parts[..] else {
            panic!("no request line: {line:?}");
        };
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.expect("a header with a colon"));
            let name = str::from_utf8(name).expect("a name in ASCII");
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert!(
                !name.is_empty() && name.bytes().all(is_token),
                "{name:?} is no header"
            );
            let value = value[1..].trim_ascii();
            let is_value = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
            assert!(
                value.iter().all(is_value),
                "{name}: {}",
                value.escape_ascii()
            );
            headers.push((name.to_ascii_lowercase(), value.to_vec()));
        }
        let mut request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            length: Some(0),
        };
        assert!(request.header("host").is_some(), "no Host: {request:?}");
        let length = request.header("content-length");
        request.length = match (length, request.header("transfer-encoding")) {
            (None, None) => Some(0),
            (None, Some(b"chunked")) => None,
            (Some(length), None) => {
                let digits = str::from_utf8(length)
                    .ok()
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                Some(
                    digits
                        .and_then(|digits| digits.parse().ok())
                        .expect("a length"),
                )
            }
            _ => panic!("two framings, or another coding: {request:?}"),
        };
        Some(request)
    }

    /// Reads the body; false where the connection ends in it.
    async fn body(&mut self, request: &Request) -> bool {
        match request.length {
            Some(length) => self.skip(length).await,
            None => self.chunks().await.is_some(),
        }
    }

    async fn skip(&mut self, mut length: u64) -> bool {
        loop {
            let here =
                usize::try_from(length).map_or(self.ahead.len(), |n| n.min(self.ahead.len()));
            self.ahead.drain(..here);
            length -= here as u64;
            if length == 0 {
                return true;
            }
            if !self.read().await {
                return false;
            }
        }
    }

    async fn chunks(&mut self) -> Option<()> {
        loop {
            let size = String::from_utf8(self.line().await?).expect("a chunk's size");
            let is_size = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_size, "{size:?} is no chunk's size");
            let size = u64::from_str_radix(&size, 16).expect("a chunk's size");
            if size == 0 {
                let line = self.line().await?;
                assert!(line.is_empty(), "a trailer: {}", line.escape_ascii());
                return Some(());
            }
            self.skip(size).await.then_some(())?;
            let line = self.line().await?;
            assert!(line.is_empty(), "behind a chunk: {}", line.escape_ascii());
        }
    }
}

/// Each request that the engine saw has its line in the log, in order, and is granted; no other has.
fn was_decided_on(policy: &Granted, requests: &[Request]) {
    let decisions = lock(&DECISIONS);
    assert!(
        decisions.len() <= requests.len(),
        "the engine did not get all of that: {decisions:?}; it got {requests:?}"
    );
    let mut allowed = decisions.iter();
    for request in requests {
        let path = request.target.split('?').next().unwrap_or_default();
        let line = format!("unix {} {path}", request.method);
        let is_its = |decision: &&String| {
            decision
                .strip_prefix(&line)
                .is_some_and(|rest| rest.starts_with(['?', ' ']))
        };
        assert!(
            allowed.any(|decision| is_its(&decision)),
            "undecided: {request:?}; decided: {decisions:?}"
        );
        let Served::Path(path) = served(request.target.as_bytes()) else {
            panic!("the engine does not serve it as it is: {request:?}");
        };
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let routed = routes(&request.method, &path);
        for row in &routed {
            let asked = Asked {
                row,
                query,
                length: request.length,
            };
            assert!(policy.grants(asked), "not granted: {request:?}");
        }
        let switches = routed.iter().any(|row| row.switches);
        assert!(
            switches || request.header("upgrade").is_none(),
            "{request:?}"
        );
    }
}

/// The access lines of requests that the engine got, as they say.
static DECISIONS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Decisions;

impl Log for Decisions {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        assert!(!line.contains(char::is_control), "a forged line: {line:?}");
        // Its parts have no blanks, up to the decision.
        let decision = line.splitn(8, ' ').nth(7).unwrap_or_default();
        let got = decision.starts_with("allowed by ")
            || decision.starts_with("failed: ")
                && decision.ends_with("(the engine got the request)");
        if record.target() == ACCESS && got {
            lock(&DECISIONS).push(line);
        }
    }

    fn flush(&self) {}
}
