//! A real engine, a dockgate in front of it, and a shell whose `docker` goes through it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::dockgate::{Dockgate, free_address};

/// How long a script may take. Generous: a busy machine is no failure.
const SCRIPT: Duration = Duration::from_secs(180);
/// How long a stream may stay silent when something is expected of it.
const SILENCE: Duration = Duration::from_secs(60);

/// Compose, in Debian's package; the plugin of the CLI understands the same.
pub(crate) const COMPOSE: &str = "docker-compose";

/// A real Docker Engine, as `scripts/engine` makes it.
pub(crate) struct Engine {
    directory: PathBuf,
    own: Option<TempDir>,
}

impl Engine {
    /// The one that all tests share which leave it running.
    pub(crate) fn shared() -> Engine {
        Engine {
            directory: variable("DOCKGATE_TEST_ENGINE").into(),
            own: None,
        }
    }

    /// One of the test's own, not started yet, and ended with the test.
    pub(crate) fn absent() -> Engine {
        let directory = temporary();
        Engine {
            directory: directory.path().into(),
            own: Some(directory),
        }
    }

    /// One of the test's own.
    pub(crate) fn fresh() -> Engine {
        let engine = Engine::absent();
        engine.start();
        engine
    }

    /// One of the test's own whose files are in memory: many containers are made there, and removed
    /// with it, in no time. None of them is started.
    pub(crate) fn in_memory() -> Engine {
        let memory = Path::new("/dev/shm");
        let directory = match memory.is_dir() {
            true => temporary_in(memory),
            false => temporary(),
        };
        let engine = Engine {
            directory: directory.path().into(),
            own: Some(directory),
        };
        engine.start();
        engine
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    /// A shell whose docker commands go to it without a dockgate.
    pub(crate) fn shell(&self) -> Shell {
        let socket = self.socket();
        Shell::new(format!("unix://{}", socket.display()), &socket)
    }

    /// Starts it (again), with all that it had.
    pub(crate) fn start(&self) {
        self.start_with(&[]);
    }

    /// The same with more arguments of dockerd.
    pub(crate) fn start_with(&self, arguments: &[&str]) {
        self.control("start", arguments);
    }

    /// The first process of its namespaces.
    pub(crate) fn process(&self) -> u32 {
        let read = |path: &Path| fs::read_to_string(path).expect("a running engine");
        let outer = read(&self.directory.join("unshare.pid"));
        let outer = outer.trim();
        let inner = read(Path::new(&format!("/proc/{outer}/task/{outer}/children")));
        inner.trim().parse().expect("one process")
    }

    /// A directory for a test's files beside its own.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops it, in good order.
    pub(crate) fn stop(&self) {
        self.control("stop", &[]);
    }

    /// Ends it at once, and everything that it runs, as a crash would.
    pub(crate) fn crash(&self) {
        self.control("crash", &[]);
    }

    fn control(&self, what: &str, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/engine");
        let done = Command::new(script)
            .arg(what)
            .arg(&self.directory)
            .args(arguments)
            .stdin(Stdio::null())
            .status();
        assert!(
            done.expect("scripts/engine runs").success(),
            "scripts/engine {what}"
        );
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.control("stop", &[]);
        }
    }
}

/// A dockgate in front of an engine, and a shell whose docker commands go through it.
pub(crate) struct Gate {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shell: Shell,
    server: Server,
}

impl Gate {
    /// In front of the shared engine. The grants are names of variables, set to 1 if nothing else is said.
    #[track_caller]
    pub(crate) fn new(grants: &str) -> Gate {
        Gate::before(&Engine::shared().socket(), grants)
    }

    /// The same, once for each docker CLI that this machine has.
    pub(crate) fn each(grants: &str) -> impl Iterator<Item = Gate> {
        clis().into_iter().map(move |cli| {
            let mut gate = Gate::new(grants);
            gate.shell.cli = cli;
            gate
        })
    }

    /// In front of this engine socket.
    #[track_caller]
    pub(crate) fn before(socket: &Path, grants: &str) -> Gate {
        let address = free_address();
        let path = socket.to_str().expect("a plain path");
        let listen = format!("tcp://{address}");
        let server = if env::var_os("DOCKGATE_TEST_DIRECT").is_some() {
            Server::forward(address, path)
        } else {
            let mut environment = vec![("LISTEN", listen.as_str()), ("SOCKET_PATH", path)];
            environment.extend(
                grants
                    .split_whitespace()
                    .map(|name| name.split_once('=').unwrap_or((name, "1"))),
            );
            let dockgate = Dockgate::start(&environment);
            dockgate.listens(&listen);
            Server::Dockgate(dockgate)
        };
        Gate {
            address,
            shell: Shell::new(listen, socket),
            server,
        }
    }

    /// The process, which a test that needs it cannot do without.
    #[track_caller]
    pub(crate) fn dockgate(&self) -> &Dockgate {
        match &self.server {
            Server::Dockgate(dockgate) => dockgate,
            Server::Forwarder(_) => panic!("there is no dockgate"),
        }
    }

    /// All that dockgate has written.
    pub(crate) fn log(&self) -> String {
        match &self.server {
            Server::Dockgate(dockgate) => dockgate.log(),
            Server::Forwarder(_) => String::new(),
        }
    }
}

impl Deref for Gate {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.shell
    }
}

/// What listens.
enum Server {
    /// What the tests are about.
    Dockgate(Dockgate),
    /// Nothing but a way from TCP to the engine's socket, to tell a test's own mistakes.
    Forwarder(Child),
}

impl Server {
    fn forward(address: SocketAddr, socket: &str) -> Server {
        let listen = format!("TCP-LISTEN:{},bind={},fork", address.port(), address.ip());
        let connect = format!("UNIX-CONNECT:{socket}");
        let mut command = Command::new("socat");
        let child = command
            .args(["-t", "600", &listen, &connect])
            .spawn()
            .expect("socat starts");
        while TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        Server::Forwarder(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Server::Forwarder(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs bash scripts whose docker commands go to one place.
///
/// They run in the repository, with `$N`, a name that no other test uses, `$T`, a directory that
/// goes with the test, `$HERE`, the directory of these tests, and `$SOCKET`, the engine's.
pub(crate) struct Shell {
    host: String,
    socket: PathBuf,
    cli: PathBuf,
    name: String,
    directory: TempDir,
}

impl Shell {
    pub(crate) fn new(host: String, socket: &Path) -> Shell {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Shell {
            host,
            socket: socket.into(),
            cli: clis().swap_remove(0),
            name: format!("t{}-{count}", std::process::id()),
            directory: temporary(),
        }
    }

    /// Runs a bash script that must succeed: what it wrote to stdout, without the last newline.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.sh_within(SCRIPT, script)
    }

    /// The same with a bound of its own.
    #[track_caller]
    pub(crate) fn sh_within(&self, bound: Duration, script: &str) -> String {
        let run = self.run_within(bound, script);
        assert_eq!(run.code, 0, "{script}\n{run:?}");
        run.stdout
    }

    /// Runs a bash script.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Run {
        self.run_within(SCRIPT, script)
    }

    /// Runs a command that must end with this exit code and with a message that ends so.
    #[track_caller]
    pub(crate) fn refused(&self, command: &str, code: i32, message: &str) {
        let run = self.run(command);
        assert_eq!(run.code, code, "{command}\n{run:?}");
        let mut lines = run.stderr.lines().chain(run.stdout.lines());
        let said = lines.find(|line| line.contains("dockgate: "));
        let said = said.unwrap_or_else(|| panic!("{command}: no reason in {run:?}"));
        // Some CLIs add a full stop of their own.
        assert!(
            said.trim_end_matches('.').ends_with(message),
            "{command}\n{said}\ninstead of\n{message}"
        );
    }

    #[track_caller]
    fn run_within(&self, bound: Duration, script: &str) -> Run {
        let output = self
            .command(bound, script)
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let run = Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert_ne!(
            run.code, 124,
            "did not end within {bound:?}: {script}\n{run:?}"
        );
        run
    }

    /// Starts a bash script and goes on; its stdout comes line by line.
    #[track_caller]
    pub(crate) fn stream(&self, script: &str) -> Stream {
        let mut child = self
            .command(SCRIPT, script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Stream {
            child,
            stdin,
            lines,
            script: script.to_owned(),
        }
    }

    /// `timeout` runs it as a process group of its own and ends all of it, so that nothing is left.
    fn command(&self, bound: Duration, script: &str) -> Command {
        let path = env::var("PATH").expect("PATH");
        let bin = self.directory.path().join("bin");
        if !bin.exists() {
            fs::create_dir(&bin).expect("a directory");
            std::os::unix::fs::symlink(&self.cli, bin.join("docker")).expect("a link");
        }
        let mut command = Command::new("timeout");
        command
            .arg("--kill-after=5")
            .arg(bound.as_secs().to_string())
            .args(["bash", "-euo", "pipefail", "-c", script])
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("DOCKER_HOST", &self.host)
            .env("SOCKET", &self.socket)
            .env("DOCKER_CONFIG", self.directory.path().join("config"))
            .env("N", &self.name)
            .env("T", self.directory.path())
            .env(
                "HERE",
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine"),
            )
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }
}

/// How a script ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it wrote to stdout, without the last newline.
    pub(crate) stdout: String,
    /// What it wrote to stderr, without the last newline.
    pub(crate) stderr: String,
}

/// A script that runs, ended with the test.
pub(crate) struct Stream {
    child: Child,
    stdin: Option<std::process::ChildStdin>,
    lines: Receiver<String>,
    script: String,
}

impl Stream {
    /// Waits for the next line.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => line,
            Err(error) => panic!("{error} for a line of: {}", self.script),
        }
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: &str) {
        while !self.line().contains(wanted) {}
    }

    /// Writes a line to its stdin.
    #[track_caller]
    pub(crate) fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its stdin is open");
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .expect("it reads its stdin");
    }

    /// Whether it has said nothing and goes on.
    #[track_caller]
    pub(crate) fn is_silent(&mut self) -> bool {
        let nothing = self.lines.recv_timeout(Duration::from_millis(500));
        nothing == Err(RecvTimeoutError::Timeout)
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(SILENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("does not end: {}", self.script),
            }
        }
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("text");
        let status = self.child.wait().expect("it ran");
        Run {
            code: status.code().unwrap_or(-1),
            stdout: rest.join("\n"),
            stderr,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Not a KILL: timeout passes a TERM on to all that it runs.
            let _ = Command::new("kill")
                .arg(self.child.id().to_string())
                .status();
            let _ = self.child.wait();
        }
    }
}

/// A variable that `scripts/test` sets.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/test"))
}

/// The docker CLIs of this machine: the versions differ, and so does what they say.
fn clis() -> Vec<PathBuf> {
    let mut clis: Vec<PathBuf> = Vec::new();
    for directory in env::split_paths(&env::var_os("PATH").expect("PATH")) {
        if let Ok(cli) = directory.join("docker").canonicalize()
            && !clis.contains(&cli)
        {
            clis.push(cli);
        }
    }
    assert!(!clis.is_empty(), "no docker CLI: run scripts/test");
    clis
}

/// A directory whose path is short enough for sockets.
fn temporary() -> TempDir {
    temporary_in(Path::new("/tmp"))
}

fn temporary_in(directory: &Path) -> TempDir {
    tempfile::Builder::new()
        .prefix("dockgate-")
        .tempdir_in(directory)
        .expect("a directory")
}
