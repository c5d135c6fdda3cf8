//! The scripted engine: a Unix socket on which a test plays the Docker Engine, byte by byte.
//!
//! [`Engine::accept`] hands out one connection at a time and the test scripts it; what nobody
//! accepted waits in the backlog, so the next accepted connection tells whether anything else was
//! opened before. [`Engine::serve`] answers all connections by a function instead.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use super::wire::{BOUND, Handle, Message, Wire};

/// A Unix socket in a directory of its own.
pub(crate) struct Engine {
    directory: TempDir,
    path: PathBuf,
    listener: Option<Handle>,
}

impl Engine {
    /// Listens on a socket.
    pub(crate) fn start() -> Engine {
        let mut engine = Engine::absent();
        engine.restart();
        engine
    }

    /// Has a path, but no socket there yet.
    pub(crate) fn absent() -> Engine {
        let directory = tempfile::Builder::new()
            .prefix("dockgate-")
            .tempdir()
            .expect("a directory");
        let path = directory.path().join("engine.sock");
        Engine {
            directory,
            path,
            listener: None,
        }
    }

    /// Where the socket is, or will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory for a test's other files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Listens at the same path, as a restarted engine does. Connections accepted before stay open:
    /// to end them is the test's part.
    pub(crate) fn restart(&mut self) {
        self.listen(128);
    }

    /// Stops listening; the socket file stays, and refuses.
    pub(crate) fn stop(&mut self) {
        self.listener = None;
    }

    /// Listens, but every further connection has to wait for as long as the returned ones are kept:
    /// nobody accepts, and the backlog is full.
    pub(crate) fn hang(&mut self) -> Vec<Socket> {
        self.listen(0);
        let address = SockAddr::unix(&self.path).expect("a short path");
        let mut waiting = Vec::new();
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("non-blocking");
            match socket.connect(&address) {
                Ok(()) => waiting.push(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return waiting,
                Err(error) => panic!("filling the backlog: {error}"),
            }
        }
    }

    /// The next connection on which something comes. One that ends without a byte was only to see
    /// whether the engine is there, as dockgate does when it starts.
    #[track_caller]
    pub(crate) fn accept(&self) -> Wire {
        loop {
            let mut wire = self
                .accept_any(BOUND)
                .unwrap_or_else(|| panic!("no connection reached the engine"));
            if wire.has_more() {
                return wire;
            }
        }
    }

    /// The next connection, if there is one in this time.
    #[track_caller]
    pub(crate) fn accept_any(&self, time: Duration) -> Option<Wire> {
        let listener = self.listener.as_ref().expect("a listening engine");
        listener.set_read_timeout(Some(time)).expect("a timeout");
        match listener.accept() {
            Ok((socket, _)) => Some(Wire::new(socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("accept: {error}"),
        }
    }

    /// Accepts a connection and reads one whole request from it.
    #[track_caller]
    pub(crate) fn request(&self) -> (Wire, Message) {
        let mut wire = self.accept();
        let request = wire.request();
        (wire, request)
    }

    /// The listening socket, for a test that accepts from it in a way of its own.
    pub(crate) fn listener(&self) -> UnixListener {
        let listener = self.listener.as_ref().expect("a listening engine");
        OwnedFd::from(listener.try_clone().expect("a clone")).into()
    }

    /// Answers every request on every connection with the bytes that a function makes of it, until
    /// the process ends.
    pub(crate) fn serve(&self, answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) {
        let listener = self.listener.as_ref().expect("a listening engine");
        let listener = listener.try_clone().expect("a clone");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || answer_all(Wire::new(socket), &*answer));
            }
        });
    }

    fn listen(&mut self, backlog: i32) {
        self.listener = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        let address = SockAddr::unix(&self.path).expect("a short path");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.bind(&address).expect("a free path");
        socket.listen(backlog).expect("a listening socket");
        self.listener = Some(Handle::new(socket));
    }
}

/// Answers every request on a connection with the bytes that a function makes of it.
pub(crate) fn answer_all(mut wire: Wire, answer: &dyn Fn(&Message) -> Vec<u8>) {
    wire.patience(Duration::from_secs(24 * 60 * 60));
    while let Some(request) = wire.try_request() {
        if wire.try_send(answer(&request)).is_err() {
            return;
        }
    }
}
