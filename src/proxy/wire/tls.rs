//! TLS over a TCP socket, for either side of it, with the readiness of the socket itself.
//!
//! **What was taken is with the kernel**: a write is encrypted, and counts once its last record has
//! been written. If the socket does not take all of it, the write would block, and the same bytes are
//! to be written again, as those who write by readiness do anyway. So there is nothing to flush. A
//! connection holds at most [`MOST_UNWRITTEN`] of what is encrypted, a record or two of what is read,
//! and nothing while it is idle.
//!
//! An end without a close_notify is an end: old docker CLIs close the raw socket, and HTTP itself
//! tells what is incomplete. A close_notify is sent before the own FIN.

use std::io::{self, BufRead as _, IoSlice, Read, Write};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use rustls::Connection;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// So much of what is encrypted may wait for the socket.
const MOST_UNWRITTEN: usize = 64 * 1024;
/// So often is the socket read before something else has a turn, if only empty records come.
const MOST_EMPTY: u32 = 64;

/// A socket that speaks TLS.
#[derive(Debug)]
pub(in crate::proxy) struct TlsSocket {
    pub(super) raw: TcpStream,
    session: Mutex<Session>,
}

/// The state of a connection. It moves with its socket from one runtime to another.
#[derive(Debug)]
pub(in crate::proxy) struct Session {
    connection: Connection,
    /// How many bytes of the next write are encrypted already.
    encrypted: usize,
    /// Whether it ends with a reset, which nothing may precede that is a proper end.
    is_cut: bool,
}

impl Session {
    pub(super) fn new(mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(MOST_UNWRITTEN));
        Self {
            connection,
            encrypted: 0,
            is_cut: false,
        }
    }

    /// Whether something can be read without the socket: bytes, or the end.
    fn has_news(&self) -> bool {
        !self.connection.is_handshaking() && !self.connection.wants_read()
    }

    /// Writes what is encrypted.
    fn flush(&mut self, raw: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Raw(raw))?;
        }
        Ok(())
    }

    /// Reads from the socket once, and decrypts what is whole. False at the socket's end.
    fn fill(&mut self, raw: &TcpStream) -> io::Result<bool> {
        let read = self.connection.read_tls(&mut Raw(raw))?;
        let news = self.connection.process_new_packets();
        // An alert, the answer to a new key, or a ticket. What the socket does not take now goes out
        // with the next write.
        match self.flush(raw) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock && news.is_ok() => return Err(e),
            _ => {}
        }
        match news {
            Ok(_) => Ok(read > 0),
            Err(e) => Err(io::Error::new(io::ErrorKind::InvalidData, e)),
        }
    }

    /// Moves up to `room` bytes of what is decrypted to `buf`. None: there is nothing; 0 is the end.
    fn drain(&mut self, buf: &mut impl BufMut, room: usize) -> io::Result<Option<usize>> {
        let mut reader = self.connection.reader();
        let mut drained = 0;
        while drained < room {
            let n = match reader.fill_buf() {
                Ok([]) => break,
                Ok(chunk) => {
                    let chunk = &chunk[..chunk.len().min(room - drained)];
                    buf.put_slice(chunk);
                    chunk.len()
                }
                Err(_) if drained > 0 => break,
                Err(e) => match e.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::UnexpectedEof => break,
                    _ => return Err(e),
                },
            };
            reader.consume(n);
            drained += n;
        }
        Ok(Some(drained))
    }
}

impl TlsSocket {
    pub(super) fn new(raw: TcpStream, session: Session) -> Self {
        let session = Mutex::new(session);
        Self { raw, session }
    }

    /// The same apart.
    pub(super) fn into_parts(self) -> (TcpStream, Session) {
        let session = self.session.into_inner();
        (self.raw, session.unwrap_or_else(PoisonError::into_inner))
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the connection says of itself.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.session().connection)
    }

    /// Shakes hands. Nothing may be written before.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with a [`rustls::Error`] inside, of which the peer was told; or
    /// what the socket says.
    pub(super) async fn handshake(&self) -> io::Result<()> {
        loop {
            let (waits_for, step) = {
                let mut session = self.session();
                match session.flush(&self.raw) {
                    Ok(()) if !session.connection.is_handshaking() => return Ok(()),
                    Ok(()) => (Interest::READABLE, session.fill(&self.raw)),
                    Err(e) => (Interest::WRITABLE, Err(e)),
                }
            };
            match step {
                Ok(true) => tokio::task::coop::consume_budget().await,
                Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.raw.ready(waits_for).await?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether a write is encrypted that was not taken yet: the peer may have some of it.
    pub(super) fn has_begun_write(&self) -> bool {
        self.session().encrypted > 0
    }

    /// Whether something can be read without the socket.
    pub(super) fn has_news(&self) -> bool {
        self.session().has_news()
    }

    /// Whether bytes or an end can be read, now that what has arrived was decrypted; and whether bytes.
    pub(super) fn peek(&self) -> (bool, bool) {
        let mut session = self.session();
        let mut is_over = false;
        for _ in 0..MOST_EMPTY {
            if session.has_news() {
                break;
            }
            match session.fill(&self.raw) {
                Ok(true) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Ok(false) | Err(_) => {
                    is_over = true;
                    break;
                }
            }
        }
        let mut reader = session.connection.reader();
        let has_bytes = reader.fill_buf().is_ok_and(|chunk| !chunk.is_empty());
        (is_over || session.has_news(), has_bytes)
    }

    /// Reads what there is and `buf` has room for; 0 is the end.
    pub(super) fn try_read(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        let mut session = self.session();
        let (room, mut read) = (buf.chunk_mut().len(), 0);
        for _ in 0..MOST_EMPTY {
            match session.drain(buf, room - read)? {
                Some(0) => return Ok(read),
                Some(n) => read += n,
                None => {}
            }
            if read == room || session.has_news() {
                return Ok(read);
            }
            match session.fill(&self.raw) {
                Ok(_) => {}
                Err(_) if read > 0 => return Ok(read),
                Err(e) => return Err(e),
            }
        }
        match read {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }

    /// Writes `bufs`, or the beginning of them, or would block.
    pub(super) fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session();
        session.flush(&self.raw)?;
        if session.encrypted == 0 {
            session.encrypted = session.connection.writer().write_vectored(bufs)?;
            session.flush(&self.raw)?;
        }
        let all = bufs.iter().map(|buf| buf.len()).sum();
        Ok(mem::take(&mut session.encrypted).min(all))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.has_news() {
                ready!(self.raw.poll_read_ready(cx))?;
            }
            match self.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.raw.poll_write_ready(cx))?;
            match self.try_write(bufs) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Sends a close_notify, behind what waits to be written. An error means that it has ended anyway.
    pub(super) fn poll_close_notify(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let sent = {
                let mut session = self.session();
                if session.is_cut {
                    return Poll::Ready(());
                }
                session.connection.send_close_notify();
                session.flush(&self.raw)
            };
            match sent {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Poll::Ready(()),
            }
            if ready!(self.raw.poll_write_ready(cx)).is_err() {
                return Poll::Ready(());
            }
        }
    }

    /// From now on, nothing is sent that is a proper end.
    pub(super) fn cut(&self) {
        self.session().is_cut = true;
    }
}

/// The socket as rustls reads and writes it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.try_read(buf)?;
        if 0 < n && n < buf.len() {
            // As in a plain socket's read.
            let _ = self.0.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
        }
        Ok(n)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
