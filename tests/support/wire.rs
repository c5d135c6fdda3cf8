//! One end of a connection, raw: sends exactly the bytes that it is given, keeps every byte that
//! arrived, and knows just enough of HTTP/1.1 to say where a message ends. It serves as the client
//! (over TCP or a Unix socket) and as the engine's side of a connection alike.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

/// How long anything may take that a test waits for.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// How a peer's half of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a FIN.
    Closed,
    /// By a reset.
    Reset,
}

/// Held while a process is started: until it runs its own program it has copies of all sockets.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

/// A socket that is closed for good when it is dropped, and not only when a process that is being
/// started lets go of its copy.
pub(crate) struct Handle(Option<Socket>);

impl Handle {
    /// Takes a socket over.
    pub(crate) fn new(socket: Socket) -> Handle {
        Handle(Some(socket))
    }
}

impl Deref for Handle {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _none = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        self.0 = None;
    }
}

/// A connected socket and all that has arrived on it.
pub(crate) struct Wire {
    socket: Handle,
    seen: Vec<u8>,
    used: usize,
    sent: usize,
}

impl Wire {
    /// Connects to a Unix socket.
    #[track_caller]
    pub(crate) fn unix(path: &Path) -> Wire {
        let address = SockAddr::unix(path).expect("a short path");
        Wire::connect(Domain::UNIX, &address).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Connects over TCP.
    #[track_caller]
    pub(crate) fn tcp(address: SocketAddr) -> Wire {
        Wire::connect(Domain::for_address(address), &address.into())
            .unwrap_or_else(|e| panic!("{address}: {e}"))
    }

    /// Connects over TCP from an address of this host.
    #[track_caller]
    pub(crate) fn tcp_from(source: Ipv4Addr, address: SocketAddr) -> Wire {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let source = SocketAddr::from((source, 0));
        socket
            .bind(&source.into())
            .expect("an address of this host");
        socket
            .connect_timeout(&address.into(), BOUND)
            .expect("it listens");
        Wire::new(socket)
    }

    /// Connects to whatever the address is.
    pub(crate) fn connect(domain: Domain, address: &SockAddr) -> std::io::Result<Wire> {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.connect_timeout(address, BOUND)?;
        if domain != Domain::UNIX {
            // What a test sends in two steps must leave in two packets, at once.
            socket.set_tcp_nodelay(true)?;
        }
        Ok(Wire::new(socket))
    }

    /// Takes a connected socket over.
    pub(crate) fn new(socket: Socket) -> Wire {
        let wire = Wire {
            socket: Handle::new(socket),
            seen: Vec::new(),
            used: 0,
            sent: 0,
        };
        wire.patience(BOUND);
        wire
    }

    /// Waits this long, instead of [`BOUND`], for the peer to send or to take something.
    pub(crate) fn patience(&self, bound: Duration) {
        self.socket
            .set_read_timeout(Some(bound))
            .expect("a read timeout");
        self.socket
            .set_write_timeout(Some(bound))
            .expect("a write timeout");
    }

    /// Sends all of it.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!(
                "could not send: {error}; received until then: {}",
                self.shown()
            );
        }
    }

    /// Sends all of it, or says why not; a peer that takes nothing for too long is an error.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let mut left = bytes.as_ref();
        while !left.is_empty() {
            match (&*self.socket).write(left) {
                Ok(count) => {
                    self.sent += count;
                    left = &left[count..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many bytes the connection has taken, those of a failed [`Wire::try_send`] included.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Sends the same again and again until the peer refuses it; a peer that only takes nothing
    /// more has not refused.
    #[track_caller]
    pub(crate) fn send_until_refused(&mut self, bytes: impl AsRef<[u8]>) {
        let deadline = Instant::now() + BOUND;
        let error = loop {
            assert!(Instant::now() < deadline, "still taken");
            if let Err(error) = self.try_send(&bytes) {
                break error;
            }
        };
        assert_ne!(
            error.kind(),
            ErrorKind::WouldBlock,
            "neither taken nor refused"
        );
    }

    /// Sends one chunk of the chunked coding.
    #[track_caller]
    pub(crate) fn send_chunk(&mut self, data: impl AsRef<[u8]>) {
        self.send(chunk(data));
    }

    /// A second handle on the same connection, so that one thread can send while another reads.
    pub(crate) fn twin(&self) -> Wire {
        Wire::new(self.socket.try_clone().expect("a clone"))
    }

    /// Says that nothing more will be sent; what the peer sends still arrives.
    pub(crate) fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).expect("half-close");
    }

    /// Ends a TCP connection with a reset. (On a Unix socket closing with unread bytes does that.)
    pub(crate) fn reset(self) {
        self.socket
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }

    /// Every byte that has arrived.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Reads a head, to the empty line.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        let Some(head) = self.try_head() else {
            self.cut_off()
        };
        head
    }

    /// Reads exactly so many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let Some(bytes) = self.try_take(count) else {
            self.cut_off()
        };
        bytes
    }

    /// Reads one chunk of the chunked coding; the final one is `None`, its trailers skipped.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let Some(chunk) = self.try_chunk() else {
            self.cut_off()
        };
        chunk
    }

    /// Reads chunks until so many bytes of content have arrived, however they are cut.
    #[track_caller]
    pub(crate) fn chunked(&mut self, count: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < count {
            match self.chunk() {
                Some(data) => content.extend(data),
                None => panic!(
                    "ended after {} of {count} bytes: {}",
                    content.len(),
                    self.shown()
                ),
            }
        }
        content
    }

    /// Reads one whole request.
    #[track_caller]
    pub(crate) fn request(&mut self) -> Message {
        let Some(request) = self.try_request() else {
            self.cut_off()
        };
        request
    }

    /// Reads one whole request, if the peer does not end before it is whole.
    #[track_caller]
    pub(crate) fn try_request(&mut self) -> Option<Message> {
        let start = self.used;
        let head = self.try_head()?;
        let body = match head.is_chunked() {
            true => self.try_chunks()?,
            false => self.try_take(head.length())?,
        };
        Some(Message {
            raw: self.seen[start..self.used].to_vec(),
            head,
            body,
        })
    }

    /// Reads one whole answer to anything but HEAD.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Message {
        let start = self.used;
        let head = self.head();
        let body = match head.status() {
            100..200 | 204 | 304 => Vec::new(),
            _ if head.is_chunked() => {
                let Some(body) = self.try_chunks() else {
                    self.cut_off()
                };
                body
            }
            _ if head.one("content-length").is_some() => self.take(head.length()),
            _ => self.rest().0,
        };
        Message {
            raw: self.seen[start..self.used].to_vec(),
            head,
            body,
        }
    }

    /// Reads all that still comes, and how it ends.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let start = self.used;
        let end = loop {
            if let Some(end) = self.fill() {
                break end;
            }
        };
        self.used = self.seen.len();
        (self.seen[start..].to_vec(), end)
    }

    /// Waits until the peer's half ends in any way, and keeps nothing of what comes before.
    #[track_caller]
    pub(crate) fn drain(&mut self) {
        let deadline = Instant::now() + BOUND;
        let mut buffer = [0; 64 * 1024];
        while (&*self.socket)
            .read(&mut buffer)
            .is_ok_and(|count| count > 0)
        {
            assert!(Instant::now() < deadline, "there is no end to it");
        }
    }

    /// Waits until the peer's half ends, before which nothing more may come.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> End {
        let (rest, end) = self.rest();
        assert!(
            rest.is_empty(),
            "more came before the end: {}",
            shown(&rest)
        );
        end
    }

    /// Waits until something has come that was not taken yet (true), or the peer's half has ended.
    #[track_caller]
    pub(crate) fn has_more(&mut self) -> bool {
        self.used < self.seen.len() || self.fill().is_none()
    }

    /// Waits until these bytes have come, which are not taken by that (true), or the peer's half
    /// has ended without them.
    #[track_caller]
    pub(crate) fn reaches(&mut self, mark: &[u8]) -> bool {
        loop {
            if self.seen[self.used..]
                .windows(mark.len())
                .any(|window| window == mark)
            {
                return true;
            }
            if self.fill().is_some() {
                return false;
            }
        }
    }

    /// Whether nothing has come when so much time has passed. Only for what must never come: a
    /// test that passes by it does not depend on the time chosen.
    #[track_caller]
    pub(crate) fn is_silent(&mut self, time: Duration) -> bool {
        assert_eq!(self.used, self.seen.len(), "unread: {}", self.shown());
        self.socket
            .set_read_timeout(Some(time))
            .expect("a read timeout");
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = self.socket.peek(&mut byte);
        self.patience(BOUND);
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Whether nothing has come until now.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.socket.set_nonblocking(true).expect("non-blocking");
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = self.socket.peek(&mut byte);
        self.socket.set_nonblocking(false).expect("blocking");
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    #[track_caller]
    fn try_head(&mut self) -> Option<Head> {
        let start = self.used;
        self.until(b"\r\n\r\n")?;
        Some(Head::parse(&self.seen[start..self.used]))
    }

    #[track_caller]
    fn try_take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.seen.len() < self.used + count {
            self.more()?;
        }
        self.used += count;
        Some(self.seen[self.used - count..self.used].to_vec())
    }

    #[track_caller]
    fn try_chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else {
            panic!("not a chunk's size: {line:?} in {}", self.shown());
        };
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Some(None);
        }
        let data = self.try_take(size)?;
        assert_eq!(self.line()?, "", "a chunk ends with CRLF");
        Some(Some(data))
    }

    #[track_caller]
    fn try_chunks(&mut self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        while let Some(data) = self.try_chunk()? {
            content.extend(data);
        }
        Some(content)
    }

    /// Reads a line and leaves its CRLF out.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let start = self.used;
        self.until(b"\r\n")?;
        Some(latin1(&self.seen[start..self.used - 2]))
    }

    #[track_caller]
    fn until(&mut self, mark: &[u8]) -> Option<()> {
        let mut searched = self.used;
        loop {
            let found = self.seen[searched..]
                .windows(mark.len())
                .position(|w| w == mark);
            if let Some(at) = found {
                self.used = searched + at + mark.len();
                return Some(());
            }
            searched = self
                .used
                .max(self.seen.len().saturating_sub(mark.len() - 1));
            self.more()?;
        }
    }

    #[track_caller]
    fn more(&mut self) -> Option<()> {
        self.fill().is_none().then_some(())
    }

    #[track_caller]
    fn cut_off(&self) -> ! {
        panic!("ended while more was expected: {}", self.shown())
    }

    /// Reads what there is; the end, if it is that.
    #[track_caller]
    fn fill(&mut self) -> Option<End> {
        let mut buffer = [0; 1 << 16];
        match (&*self.socket).read(&mut buffer) {
            Ok(0) => Some(End::Closed),
            Ok(count) => {
                self.seen.extend(&buffer[..count]);
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) => panic!("waited in vain ({error}); received: {}", self.shown()),
        }
    }

    fn shown(&self) -> String {
        shown(&self.seen)
    }
}

/// A message's first line and headers, names in lower case, in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The first line without its CRLF.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a whole head, its empty line included or not.
    #[track_caller]
    pub(crate) fn parse(raw: &[u8]) -> Head {
        let text = latin1(raw);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("not a header: {line:?} in {text}"));
            (
                name.to_ascii_lowercase(),
                value.trim_matches([' ', '\t']).to_owned(),
            )
        };
        Head {
            line,
            headers: lines.map(header).collect(),
        }
    }

    /// An answer's status.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let status = self
            .line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5));
        status
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {:?}", self.line))
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that may be there once at most.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} came more than once: {values:?}");
        values.first().copied()
    }

    /// The headers sorted by name; repeated ones keep their order.
    pub(crate) fn sorted(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }

    /// Whether the body comes in chunks.
    #[track_caller]
    pub(crate) fn is_chunked(&self) -> bool {
        self.one("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// How long the body is, if it does not come in chunks.
    #[track_caller]
    pub(crate) fn length(&self) -> usize {
        let length = self.one("content-length").unwrap_or("0");
        length
            .parse()
            .unwrap_or_else(|_| panic!("not a length: {length:?}"))
    }
}

/// A whole request or answer.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its bytes as they came.
    pub(crate) raw: Vec<u8>,
    /// Its first line and headers.
    pub(crate) head: Head,
    /// Its content, without chunk framing.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// An answer's status.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    /// The content as text.
    pub(crate) fn text(&self) -> String {
        latin1(&self.body)
    }
}

/// One chunk of the chunked coding; the final one if there is no data.
pub(crate) fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend(data);
    bytes.extend(b"\r\n");
    bytes
}

/// Bytes as text, each one a character: nothing is lost or replaced.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The beginning of some bytes for a panic's message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const ENOUGH: usize = 3000;
    let mut text = format!("{:?}", latin1(&bytes[..bytes.len().min(ENOUGH)]));
    if bytes.len() > ENOUGH {
        let _ = write!(text, " and {} bytes more", bytes.len() - ENOUGH);
    }
    text
}
