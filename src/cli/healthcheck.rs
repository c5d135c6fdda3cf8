//! `dockgate healthcheck`: whether the engine and dockgate itself answer.
//!
//! Every engine in use is asked first and directly: dockgate's own answer may wait for it, so the reason
//! names the one at fault, and this works even if PING is not granted. From dockgate's own
//! listeners, any HTTP answer suffices, even a 403.
//!
//! **A dockgate that works is healthy, whatever its files say by now**: they may have been refused, or
//! wait for a restart. So where there are files, the running dockgate is found, and asked where it
//! really listens and which engines it uses. Only if none is found, the files are read.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};

use super::output::{complain, print};
use super::{FAILED, OK};
use crate::config::{Address, Engine, Lasting, Listen, Settings, Snapshot};
use crate::proxy;

/// The limit for everything, including a hanging connect.
const LIMIT: Duration = Duration::from_secs(3);

/// The command, and the program name under which it is the only command.
pub(super) const NAME: &str = "healthcheck";

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Check that the engines in use and dockgate respond")
        .after_help(
            "Exit codes:\n  \
             0  healthy\n  \
             1  unhealthy, or no answer within 3 seconds\n\n\
             Examples:\n  \
             docker exec dockgate /dockgate healthcheck",
        )
}

pub(super) fn run(_: &ArgMatches, environment: &Snapshot) -> u8 {
    let found = match running(environment) {
        Some(found) => Ok(found),
        None => configured(environment),
    };
    match found.and_then(check) {
        Ok(()) => OK,
        Err(reason) => {
            complain(&format_args!("unhealthy: {reason}"));
            FAILED
        }
    }
}

/// What to check.
struct Subject {
    listen: Vec<Listen>,
    engines: Vec<Result<Arc<Engine>, String>>,
}

/// The running dockgate of a configuration with files.
fn running(environment: &Snapshot) -> Option<Subject> {
    let lasting = Lasting::of(environment)?;
    let posted = proxy::posted(&lasting.origin)?;
    say(lasting.alarm);
    let engines = posted.engines.into_iter();
    Some(Subject {
        listen: posted.listen,
        engines: engines.map(|engine| engine.map(Arc::new)).collect(),
    })
}

/// The dockgate that the configuration describes.
fn configured(environment: &Snapshot) -> Result<Subject, Unhealthy> {
    let settings = Settings::load(environment).map_err(|_| Unhealthy::BadConfiguration)?;
    say(settings.alarms());
    let engines = settings.engines().into_iter().map(Ok);
    let endpoints = settings.endpoints.into_iter();
    Ok(Subject {
        engines: engines.collect(),
        listen: endpoints.map(|endpoint| endpoint.listen).collect(),
    })
}

fn say(alarms: impl IntoIterator<Item = String>) {
    for alarm in alarms {
        // Whether it is healthy, its exit code says.
        let _ = print(&format!("{alarm}\n"));
    }
}

/// Who is asked.
#[derive(Clone)]
enum Asked {
    Engine(Arc<Engine>),
    Own(Listen),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Engine(engine) => write!(f, "{engine} at {}", engine.address),
            Asked::Own(listen) => write!(f, "dockgate at {listen}"),
        }
    }
}

/// Why something is not healthy, in one line.
enum Unhealthy {
    BadConfiguration,
    Silent(Asked),
    Failed(Asked, io::Error),
    /// Which engine it is, is said.
    Engine(String),
    Status(Asked, String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unhealthy::BadConfiguration => {
                f.write_str("invalid configuration: run `dockgate check` for details")
            }
            Unhealthy::Silent(asked) => {
                write!(f, "{asked} did not answer within {} s", LIMIT.as_secs())
            }
            Unhealthy::Engine(why) => f.write_str(why),
            Unhealthy::Failed(asked, error) => write!(f, "{asked}: {error}"),
            Unhealthy::Status(asked, status) => {
                write!(f, "{asked} answered /_ping with status {status}")
            }
        }
    }
}

enum Progress {
    /// Being asked; may never answer.
    Asking(Asked),
    Done(Result<(), Unhealthy>),
}

fn check(subject: Subject) -> Result<(), Unhealthy> {
    let deadline = Instant::now() + LIMIT;
    let (progress, reports) = mpsc::channel();
    // On a thread, because connecting to a Unix socket has no timeout of its own.
    thread::spawn(move || {
        let done = ask_all(subject, &progress);
        // The receiver is gone if the time is up.
        let _ = progress.send(Progress::Done(done));
    });
    let mut asked = None;
    loop {
        match reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Progress::Asking(next)) => asked = Some(next),
            Ok(Progress::Done(done)) => return done,
            Err(_) => return Err(asked.map_or(Unhealthy::BadConfiguration, Unhealthy::Silent)),
        }
    }
}

/// Asks the engines in use, and then dockgate itself.
fn ask_all(subject: Subject, progress: &Sender<Progress>) -> Result<(), Unhealthy> {
    let begin = |asked: &Asked| {
        let _ = progress.send(Progress::Asking(asked.clone()));
    };
    for engine in subject.engines {
        let engine = engine.map_err(Unhealthy::Engine)?;
        let asked = Asked::Engine(Arc::clone(&engine));
        begin(&asked);
        match &engine.address {
            Address::Unix(path) => match UnixStream::connect(path).and_then(ping) {
                Ok(status) if status == "200" => {}
                Ok(status) => return Err(Unhealthy::Status(asked, status)),
                Err(error) => return Err(Unhealthy::Failed(asked, error)),
            },
            Address::Tcp { .. } => proxy::ping(&engine).map_err(Unhealthy::Engine)?,
        }
    }
    for own in subject.listen {
        let asked = Asked::Own(own.clone());
        begin(&asked);
        let answered = match &own {
            Listen::Unix(path) => UnixStream::connect(path).and_then(ping),
            Listen::Tcp { .. } => {
                TcpStream::connect(own.local_addresses().as_slice()).and_then(ping)
            }
        };
        answered.map_err(|error| Unhealthy::Failed(asked, error))?;
    }
    Ok(())
}

/// Requests `/_ping` and returns the status of the answer.
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
            io::ErrorKind::UnexpectedEof => io::Error::other("connection closed without an answer"),
            _ => error,
        })?;
    let status = answer.strip_prefix(b"HTTP/1.").map(|rest| &rest[2..]);
    let status = status.filter(|status| status.iter().all(u8::is_ascii_digit));
    match status.and_then(|status| std::str::from_utf8(status).ok()) {
        Some(status) => Ok(status.to_owned()),
        None => Err(io::Error::other("not an HTTP answer")),
    }
}
