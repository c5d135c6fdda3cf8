//! The log as a ledger: the requests whose head the engine saw are those that it calls allowed,
//! would deny, or failed with the engine having got them; whatever clients send and however both
//! ends end. Conversations are made by mutation from a seed, so that each run is the same.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use socket2::SockRef;

use crate::machine::shared;
use crate::support::wire::latin1;
use crate::support::{BOUND, Engine, Gate, Wire};

/// How many for each policy, and how many at a time.
const CONVERSATIONS: u64 = 4000;
const AT_A_TIME: usize = 8;

/// Allowed pings from this host have lines at debug only.
const ALLOWING: &[(&str, &str)] = &[("CONTAINERS", "1"), ("POST", "1"), ("LOG_LEVEL", "debug")];
const DENYING_IN_WORDS: &[(&str, &str)] = &[("DRY_RUN", "1"), ("LOG_LEVEL", "debug")];

/// What conversations are made of. `|` is where the client may wait a moment, `#` is what tells the
/// conversations apart.
const PARTS: [&str; 9] = [
    "GET /v1.41/containers/#/json?all=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1.41/secrets/# HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /_ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1.41/containers/#/stop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|5\r\n\
     hello\r\n|0\r\n\r\n",
    "POST /containers/#/stop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|5\r\nhello\
     \r\n|ZZ\r\n",
    "POST /containers/#/update HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n{\"a\":|\"bcd\"}",
    "POST /images/#/tag HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n|{}",
    "POST /containers/#/attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n|in",
    "POST /containers/#/kill HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

/// In the name of a conversation that ends with a reset: only there may an engine be silent.
const RESETS: &str = "reset-";

/// The same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        let limit = u64::try_from(limit).expect("a small limit");
        usize::try_from((self.0 >> 33) % limit).expect("a small number")
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What a client sends, in the pieces between which it waits.
fn conversation(numbers: &mut Numbers, name: &str) -> Vec<Vec<u8>> {
    let count = 1 + numbers.below(3);
    let parts = (0..count).map(|_| PARTS[numbers.below(PARTS.len())]);
    let mut bytes: Vec<u8> = parts.collect::<String>().replace('#', name).into_bytes();
    for _ in 0..[0, 0, 1, 1, 2, 4][numbers.below(6)] {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(8)).min(bytes.len());
        match numbers.below(5) {
            0 => bytes[at] = b"\r\n0Z:; %/?\0\x80"[numbers.below(12)],
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, b"\r\n0Z:; |"[numbers.below(8)]),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    let mut pieces = vec![Vec::new()];
    for byte in bytes {
        match byte {
            // All in one go is another case.
            b'|' if numbers.once_in(2) => pieces.push(Vec::new()),
            b'|' => {}
            byte => pieces.last_mut().expect("one").push(byte),
        }
    }
    pieces
}

/// What the engine saw.
#[derive(Default)]
struct Seen {
    heads: Vec<String>,
    open: usize,
}

#[derive(Default)]
struct Counting {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Counting {
    fn start(engine: &Engine) -> Arc<Counting> {
        let counting = Arc::<Counting>::default();
        let (own, listener) = (Arc::clone(&counting), engine.listener());
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let counting = Arc::clone(&own);
                counting.change(|seen| seen.open += 1);
                thread::spawn(move || {
                    Connection::new(socket, &counting).serve();
                    counting.change(|seen| seen.open -= 1);
                });
            }
        });
        counting
    }

    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let changed = change(&mut self.seen.lock().expect("the count"));
        self.changed.notify_all();
        changed
    }

    /// All that it saw, once nobody connects to it any more.
    fn all(&self, engine: &Engine) -> Vec<String> {
        const LAST: &str = "GET /last";
        // Behind it, none waits to be accepted.
        Wire::unix(engine.path()).send(format!("{LAST} HTTP/1.1\r\n\r\n"));
        let busy = |seen: &mut Seen| seen.open > 0 || !seen.heads.iter().any(|head| head == LAST);
        let seen = self.seen.lock().expect("the count");
        let (mut seen, waited) = self
            .changed
            .wait_timeout_while(seen, BOUND, busy)
            .expect("the count");
        assert!(!waited.timed_out(), "the engine's connections do not end");
        let mut heads = std::mem::take(&mut seen.heads);
        heads.retain(|head| head != LAST);
        heads
    }
}

/// One of the engine's connections.
struct Connection<'a> {
    socket: UnixStream,
    ahead: Vec<u8>,
    /// The body behind the last head was read.
    body_read: bool,
    counting: &'a Counting,
}

impl Connection<'_> {
    fn new(socket: UnixStream, counting: &Counting) -> Connection<'_> {
        Connection {
            socket,
            ahead: Vec::new(),
            body_read: false,
            counting,
        }
    }

    fn serve(&mut self) {
        let mut closed = false;
        // Behind its own close it reads all the same: what had been taken by then counts.
        while let Some((head, manner)) = self.head() {
            if !closed {
                closed = !self.answer(&head, manner);
            }
            if closed {
                let _ = self.socket.shutdown(Shutdown::Both);
            }
            if self.body(&head).is_none() {
                return;
            }
        }
    }

    /// Answers in one manner; false if the connection ends with that.
    fn answer(&mut self, head: &str, manner: usize) -> bool {
        let lower = head.to_ascii_lowercase();
        let body = if head.starts_with("HEAD ") { "" } else { "ok" };
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}");
        let switch = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello";
        match manner {
            _ if lower.contains("upgrade: ") && manner.is_multiple_of(2) => {
                self.send(switch);
                let _ = self.socket.shutdown(Shutdown::Write);
                // What comes through a tunnel is no request.
                while self.more() {
                    self.ahead.clear();
                }
                false
            }
            0 => self.send(&whole),
            1 => {
                self.send("HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                false
            }
            2 => false,
            3 => {
                self.body(head);
                false
            }
            4 => {
                self.send("SSH-2.0-x\r\n\r\n");
                false
            }
            5 => {
                self.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
                false
            }
            6 => {
                self.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
                // With its body the client may end it first.
                self.body(head);
                false
            }
            7 if !lower.contains("upgrade: ") => {
                self.send(switch);
                false
            }
            8 => {
                // Closes a connection that is kept, without a word.
                self.body(head);
                self.send(&whole);
                false
            }
            9 if head.contains(RESETS) => {
                while self.more() {}
                true
            }
            10 => self.body(head).is_some() && self.send("HTTP/1.1 204 No\r\n\r\n"),
            _ => self.body(head).is_some() && self.send(&whole),
        }
    }

    fn send(&mut self, bytes: &str) -> bool {
        self.socket.write_all(bytes.as_bytes()).is_ok()
    }

    fn more(&mut self) -> bool {
        let mut block = [0; 4096];
        let count = self.socket.read(&mut block).unwrap_or(0);
        self.ahead.extend(&block[..count]);
        count > 0
    }

    /// Counts a whole head; and how it is to be answered.
    fn head(&mut self) -> Option<(String, usize)> {
        let head = self.take_to(b"\r\n\r\n")?;
        let head = latin1(&head);
        let line = head.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        self.body_read = false;
        let number = self.counting.change(|seen| {
            seen.heads.push(line);
            seen.heads.len()
        });
        Some((head, Numbers(number as u64).below(14)))
    }

    /// Reads the body behind a head, once.
    fn body(&mut self, head: &str) -> Option<()> {
        if std::mem::replace(&mut self.body_read, true) {
            return Some(());
        }
        let lower = head.to_ascii_lowercase();
        let value = |name: &str| lower.split(name).nth(1)?.split('\r').next();
        if let Some(length) = value("\r\ncontent-length: ") {
            return self.skip(length.parse().expect("a length"));
        }
        value("\r\ntransfer-encoding: ").map_or(Some(()), |_| {
            loop {
                let line = self.take_to(b"\r\n")?;
                let size = usize::from_str_radix(latin1(&line).trim_end(), 16);
                let size = size.expect("a chunk's size");
                self.skip(size + 2)?;
                if size == 0 {
                    return Some(());
                }
            }
        })
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        while self.ahead.len() < count {
            self.more().then_some(())?;
        }
        self.ahead.drain(..count);
        Some(())
    }

    fn take_to(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            let at = self.ahead.windows(mark.len()).position(|it| it == mark);
            match at {
                Some(at) => return Some(self.ahead.drain(..at + mark.len()).collect()),
                None => self.more().then_some(())?,
            }
        }
    }
}

/// Plays the client.
fn play(gate: &Gate, pieces: &[Vec<u8>], resets: bool) {
    let mut client = TcpStream::connect(gate.address).expect("a connection");
    client.set_nodelay(true).expect("no delay");
    client.set_read_timeout(Some(2 * BOUND)).expect("a timeout");
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            thread::sleep(Duration::from_millis(2));
        }
        // Fails once dockgate has ended the connection, and may.
        if client.write_all(piece).is_err() {
            break;
        }
    }
    if resets {
        thread::sleep(Duration::from_millis(2));
        let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    } else {
        let _ = client.shutdown(Shutdown::Write);
        let ended = client.read_to_end(&mut Vec::new());
        let hangs = ended.is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        assert!(!hangs, "the connection does not end");
    }
}

/// The request of a line that says that the engine got it.
fn claimed(line: &str) -> Option<String> {
    let mut fields = line.split_whitespace().skip(3);
    let (method, target) = (fields.next()?, fields.next()?);
    let decision = fields.skip(4).collect::<Vec<_>>().join(" ");
    let is = |start| decision.starts_with(start);
    let failed = is("failed: ") && !decision.ends_with("(the engine did not get the request)");
    let path = target.split('?').next().unwrap_or_default();
    (is("allowed by ") || is("would deny: ") || failed).then(|| format!("{method} {path}"))
}

/// How often each is there.
fn counted(requests: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for request in requests {
        *counted.entry(request).or_default() += 1;
    }
    counted
}

#[test]
fn what_the_engine_saw_is_what_the_log_says_that_it_got() {
    let _shared = shared();
    for policy in [ALLOWING, DENYING_IN_WORDS] {
        let engine = Engine::start();
        let counting = Counting::start(&engine);
        let mut gate = Gate::before(engine, policy);
        thread::scope(|scope| {
            for first in 0..AT_A_TIME {
                let gate = &gate;
                scope.spawn(move || {
                    for number in (0..CONVERSATIONS).skip(first).step_by(AT_A_TIME) {
                        let mut numbers = Numbers(number);
                        let resets = numbers.once_in(3);
                        let name = format!("{}{number}", if resets { RESETS } else { "x" });
                        play(gate, &conversation(&mut numbers, &name), resets);
                    }
                });
            }
        });
        // With the process all lines are written.
        gate.dockgate.signal(Signal::TERM);
        gate.dockgate.exit_within(BOUND);
        let lines = gate.dockgate.lines();
        let claimed = counted(lines.iter().filter_map(|line| claimed(line)));
        let saw = counted(counting.all(&gate.engine).into_iter());
        let mut requests = saw.keys().chain(claimed.keys());
        if let Some(request) = requests.find(|one| saw.get(*one) != claimed.get(*one)) {
            let own = |line: &&String| line.contains(request.as_str());
            let told: Vec<&String> = lines.iter().filter(own).collect();
            let (saw, claimed) = (saw.get(request), claimed.get(request));
            panic!("{request}: the engine saw {saw:?}, the log claims {claimed:?}: {told:#?}");
        }
        // All kinds came up, so that this says something.
        for told in [
            " allowed by CONTAINERS",
            " would deny: ",
            " (the engine got the request)",
            " (the request body ended early)",
            " (the request body has an invalid chunked encoding)",
            " (ended early)",
            " unsent: ",
            " denied: ",
        ] {
            let count = lines.iter().filter(|line| line.contains(told)).count();
            eprintln!("{count} lines with{told}");
            let elsewhere = [ALLOWING, DENYING_IN_WORDS].map(|own| own == policy);
            let elsewhere = match told {
                " allowed by CONTAINERS" => elsewhere[1],
                " would deny: " => elsewhere[0],
                _ => false,
            };
            assert!(count > 0 || elsewhere, "none has{told}");
        }
    }
}
