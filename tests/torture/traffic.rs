//! Traffic in bulk, where a thread for each connection would be too much: an engine that answers
//! thousands of them, and clients by the hundred.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::machine::eventually;
use crate::support::wire::{Head, chunk, latin1};
use crate::support::{BOUND, Engine};

/// How much `/logs` answers with.
pub(crate) const LOGS: usize = 256 << 10;

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// A task in a thread of its own, ended with the value.
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    /// Starts it.
    pub(crate) fn start<F>(task: impl FnOnce() -> F + Send + 'static) -> Background
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            run(async {
                tokio::select! {
                    () = task() => {}
                    _ = stopped => {}
                }
            });
        });
        Background {
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(thread::JoinHandle::is_finished)
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn join(mut self) {
        let thread = self.thread.take().expect("it was not waited for yet");
        eventually("the task ends", || thread.is_finished());
        thread.join().expect("the task did not fail");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("a task in the background failed");
        }
    }
}

/// One end of a connection that knows where messages end.
pub(crate) struct Talk<S> {
    io: S,
    ahead: Vec<u8>,
    /// The other side has said that its last answer was the last one.
    pub(crate) closes: bool,
}

impl Talk<TcpStream> {
    /// A new client.
    pub(crate) async fn to(address: SocketAddr) -> io::Result<Talk<TcpStream>> {
        let io = timeout(BOUND, TcpStream::connect(address)).await??;
        io.set_nodelay(true)?;
        Ok(Talk::new(io))
    }

    /// A new client from an address of this host.
    pub(crate) async fn from(source: Ipv4Addr, address: SocketAddr) -> io::Result<Talk<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        Ok(Talk::new(timeout(BOUND, socket.connect(address)).await??))
    }

    /// Ends it with a reset.
    pub(crate) fn reset(self) {
        let _ = socket2::SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    /// Over a connected socket.
    pub(crate) fn new(io: S) -> Talk<S> {
        Talk {
            io,
            ahead: Vec::new(),
            closes: false,
        }
    }

    /// Sends all of it.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.io.write_all(bytes.as_ref()).await
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Waits for more; false is the end.
    pub(crate) async fn more(&mut self) -> io::Result<bool> {
        self.ahead.reserve(64 << 10);
        Ok(self.io.read_buf(&mut self.ahead).await? > 0)
    }

    /// All that has come and was not taken.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// Reads a head's bytes; nothing if the connection ended before its first one.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.ahead[from..], b"\r\n\r\n") {
                return Ok(Some(self.cut(from + at + 4)));
            }
            from = self.ahead.len().saturating_sub(3);
            if !self.more().await? {
                return match self.ahead.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Reads exactly so many bytes.
    pub(crate) async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < count {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.cut(count))
    }

    fn cut(&mut self, count: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(count);
        std::mem::replace(&mut self.ahead, rest)
    }

    /// Reads the body that a head announces.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if !head.is_chunked() {
            return self.take(head.length()).await;
        }
        let mut body = Vec::new();
        loop {
            let data = self.chunk().await?;
            if data.is_empty() {
                return Ok(body);
            }
            body.extend(data);
        }
    }

    /// Reads one chunk; the final one is empty.
    pub(crate) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let end = loop {
            match find(&self.ahead, b"\r\n") {
                Some(end) => break end,
                None if self.more().await? => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        let size = latin1(&self.take(end + 2).await?);
        let size = usize::from_str_radix(size.trim_end(), 16)
            .map_err(|_| io::Error::other(format!("not a chunk's size: {size:?}")))?;
        let mut data = self.take(size + 2).await?;
        match data.ends_with(b"\r\n") {
            true => data.truncate(size),
            false => return Err(io::Error::other("a chunk ends with CRLF")),
        }
        Ok(data)
    }

    /// Sends a request and reads the whole answer, each within [`BOUND`].
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<(u16, Vec<u8>)> {
        timeout(BOUND, self.send(request)).await??;
        timeout(BOUND, self.answer()).await?
    }

    /// Reads a whole answer.
    pub(crate) async fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let head = self.head().await?;
        let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(fault) = fault(&head) {
            return Err(io::Error::other(fault));
        }
        let head = Head::parse(&head);
        self.closes = head.one("connection") == Some("close");
        Ok((head.status(), self.body(&head).await?))
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// What two parsers could read in two ways in a message's head.
pub(crate) fn fault(raw: &[u8]) -> Option<String> {
    let text = latin1(raw);
    let fault = |what: &str| Some(format!("{what} in {text:?}"));
    let Some(lines) = text.strip_suffix("\r\n\r\n") else {
        return fault("no end");
    };
    let mut lines = lines.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let is_plain = |c: char| c == '\t' || (' '..='~').contains(&c) || c > '\u{7f}';
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.split("\r\n").all(|line| line.chars().all(is_plain)) {
        return fault("a control byte or a bare line end");
    }
    let request = !first.starts_with("HTTP/1.");
    if request && (first.split(' ').count() != 3 || !first.ends_with(" HTTP/1.1")) {
        return fault("not a request line");
    }
    let (mut hosts, mut lengths, mut codings) = (0, 0, 0);
    for line in lines {
        match line.split_once(':') {
            Some((name, _)) if !name.is_empty() && name.chars().all(is_token) => {
                match name.to_ascii_lowercase().as_str() {
                    "host" => hosts += 1,
                    "content-length" => lengths += 1,
                    "transfer-encoding" => codings += 1,
                    _ => {}
                }
            }
            _ => return fault("not a header"),
        }
    }
    match () {
        () if request && hosts != 1 => fault("not one Host"),
        () if lengths + codings > 1 => fault("two framings"),
        () => None,
    }
}

/// What has reached a [`Quick`] engine.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often each request line came.
    pub(crate) lines: HashMap<String, usize>,
    /// What was not clean.
    pub(crate) faults: Vec<String>,
    /// Connections that are open.
    pub(crate) open: usize,
}

/// An engine that accepts from a scripted engine's socket and answers all that comes, each request
/// by its path, until it is dropped; then it cuts all its connections.
pub(crate) struct Quick {
    seen: Arc<Mutex<Seen>>,
    task: Option<Background>,
    listener: UnixListener,
}

impl Quick {
    /// How many connections it has.
    pub(crate) fn open(&self) -> usize {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open
    }

    /// Takes over from the scripted engine.
    pub(crate) fn start(engine: &Engine) -> Quick {
        let listener = engine.listener();
        listener.set_nonblocking(true).expect("non-blocking");
        let copy = listener.try_clone().expect("a clone");
        let seen = Arc::<Mutex<Seen>>::default();
        let for_task = Arc::clone(&seen);
        let task = Background::start(move || accept_all(copy, for_task));
        Quick {
            seen,
            task: Some(task),
            listener,
        }
    }

    /// What has reached it until now.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, gives the socket back to the scripted engine, and wants nothing but clean requests
    /// to have come, whose targets are as wanted.
    #[track_caller]
    pub(crate) fn finish(self, wanted: impl Fn(&str) -> bool) -> Seen {
        let seen = Arc::clone(&self.seen);
        drop(self);
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(
            seen.faults.is_empty(),
            "not clean: {:#?}",
            &seen.faults[..seen.faults.len().min(10)]
        );
        for line in seen.lines.keys() {
            assert!(wanted(line), "nobody decided on {line:?}");
        }
        seen
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        self.task = None;
        // Whether it blocks is the socket's own, and no copy's.
        let _ = self.listener.set_nonblocking(false);
    }
}

async fn accept_all(listener: UnixListener, seen: Arc<Mutex<Seen>>) {
    let listener = tokio::net::UnixListener::from_std(listener).expect("a listening socket");
    let mut open = JoinSet::new();
    loop {
        let Ok((io, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let seen = Arc::clone(&seen);
        open.spawn(async move {
            seen.lock().unwrap_or_else(PoisonError::into_inner).open += 1;
            // An error is the other side's going away.
            let _ = serve_one(Talk::new(io), &seen).await;
            seen.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn serve_one<S>(mut talk: Talk<S>, seen: &Mutex<Seen>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(raw) = talk.head().await? {
        let head = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(fault) = fault(&raw) {
                seen.faults.push(fault);
                return Ok(());
            }
            let head = Head::parse(&raw);
            *seen.lines.entry(head.line.clone()).or_default() += 1;
            head
        };
        let path = head.line.split([' ', '?']).nth(1).unwrap_or_default();
        let action = path.rsplit('/').next().unwrap_or_default();
        match action {
            "events" => {
                talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .await?;
                loop {
                    talk.send(chunk("{\"status\":\"tick\"}\n")).await?;
                    sleep(Duration::from_millis(100)).await;
                }
            }
            "attach" if head.one("upgrade").is_some() => {
                talk.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
                    .await?;
                loop {
                    let input = talk.take_all();
                    talk.send(input).await?;
                    if !talk.more().await? {
                        return talk.half_close().await;
                    }
                }
            }
            "wait" => pending::<()>().await,
            "top" => sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let body = talk.body(&head).await?;
        let body = match action {
            "logs" => vec![b'x'; LOGS],
            _ if !body.is_empty() => format!("{path} {}", body.len()).into_bytes(),
            _ => path.as_bytes().to_vec(),
        };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        talk.send([answer.as_bytes(), &body].concat()).await?;
    }
    Ok(())
}

/// A read whose answer is its path.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

/// Clients that ask again and again, with a pause after each answer, and are always answered: how
/// long each answer took, in order of length.
#[track_caller]
pub(crate) fn latencies(address: SocketAddr, clients: usize, time: Duration) -> Vec<Duration> {
    const PAUSE: Duration = Duration::from_millis(10);
    let all = run(async move {
        let mut running = JoinSet::new();
        for client in 0..clients {
            running.spawn(async move {
                let mut taken = Vec::new();
                let path = format!("/v1.41/containers/honest{client}/json");
                let mut talk = Talk::to(address).await.expect("accepted");
                // Not all at once.
                sleep(PAUSE * u32::try_from(client % 40).expect("small") / 40).await;
                let deadline = Instant::now() + time;
                while Instant::now() < deadline {
                    let start = Instant::now();
                    let (status, body) = talk.ask(get(&path)).await.expect("answered");
                    taken.push(start.elapsed());
                    assert_eq!((status, latin1(&body)), (200, path.clone()));
                    sleep(PAUSE).await;
                }
                taken
            });
        }
        running.join_all().await
    });
    let mut all: Vec<Duration> = all.into_iter().flatten().collect();
    all.sort();
    all
}

/// What so many of a hundred stayed under.
pub(crate) fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted[(sorted.len() * hundredths / 100).min(sorted.len() - 1)]
}
