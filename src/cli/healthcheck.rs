//! `dockgate healthcheck`: does the engine answer, and does dockgate itself.
//!
//! The engine is asked first and directly: it is what dockgate's own answer may wait for, so the
//! reason names who is at fault, and it works where PING is not granted. Of dockgate's own
//! listeners any HTTP answer will do, a 403 too.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc::{self, Sender},
    thread,
    time::{Duration, Instant},
};

use super::{
    FAILED, OK,
    output::{complain, print},
};
use crate::config::{Listen, Settings, Snapshot, shown_path};

/// For everything together, a hanging connect included.
const LIMIT: Duration = Duration::from_secs(3);

pub(super) fn run(environment: &Snapshot) -> u8 {
    let health = match Settings::load(environment) {
        Ok(settings) => {
            if let Some(why) = settings.policy.sources.unprotected {
                // Whether it is healthy, its exit code says.
                let _ = print(&format!("{why}\n"));
            }
            let endpoints = settings.endpoints.into_iter();
            let listen = endpoints.map(|endpoint| endpoint.listen).collect();
            check(listen, settings.engine)
        }
        Err(_) => Err("the configuration is bad: `dockgate check` tells how".to_owned()),
    };
    match health {
        Ok(()) => OK,
        Err(reason) => {
            complain(&format_args!("unhealthy: {reason}"));
            FAILED
        }
    }
}

enum Progress {
    /// Somebody is being asked, and may never answer.
    Asking(String),
    Done(Result<(), String>),
}

/// Healthy, or the reason why not in one line.
fn check(listen: Vec<Listen>, engine: PathBuf) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    let (progress, reports) = mpsc::channel();
    // On a thread, because connecting to a Unix socket has no timeout of its own.
    thread::spawn(move || {
        let done = ask_all(&listen, &engine, &progress);
        // Nobody listens any more when the time was up.
        let _ = progress.send(Progress::Done(done));
    });
    let mut whom = String::new();
    loop {
        match reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Progress::Asking(next)) => whom = next,
            Ok(Progress::Done(done)) => return done,
            Err(_) => {
                return Err(format!(
                    "{whom} did not answer within {} s",
                    LIMIT.as_secs()
                ));
            }
        }
    }
}

fn ask_all(listen: &[Listen], engine: &Path, progress: &Sender<Progress>) -> Result<(), String> {
    let asking = |whom: &str| {
        let _ = progress.send(Progress::Asking(whom.to_owned()));
    };
    let whom = format!("the engine at {}", shown_path(engine));
    asking(&whom);
    let status = UnixStream::connect(engine)
        .and_then(ping)
        .map_err(|e| format!("{whom}: {e}"))?;
    if status != "200" {
        return Err(format!("{whom} answered /_ping with status {status}"));
    }
    for one in listen {
        let whom = format!("dockgate at {one}");
        asking(&whom);
        let status = match one {
            Listen::Unix(path) => UnixStream::connect(path).and_then(ping),
            Listen::Tcp { .. } => {
                TcpStream::connect(one.local_addresses().as_slice()).and_then(ping)
            }
        };
        status.map_err(|error| format!("{whom}: {error}"))?;
    }
    Ok(())
}

/// Asks for `/_ping` and returns the status of the answer.
fn ping(mut stream: impl Read + Write) -> io::Result<String> {
    const ANSWER: &[u8] = b"HTTP/1.x 200";
    stream.write_all(
        b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nUser-Agent: dockgate-healthcheck\r\n\
          Connection: close\r\n\r\n",
    )?;
    let mut answer = [0; ANSWER.len()];
    stream
        .read_exact(&mut answer)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other("closed without an answer"),
            _ => error,
        })?;
    let status = answer.strip_prefix(b"HTTP/1.").map(|rest| &rest[2..]);
    let status = status.filter(|status| status.iter().all(u8::is_ascii_digit));
    match status.and_then(|status| std::str::from_utf8(status).ok()) {
        Some(status) => Ok(status.to_owned()),
        None => Err(io::Error::other("the answer is not HTTP")),
    }
}
