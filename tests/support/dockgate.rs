//! The real binary, started with an environment and nothing else, and its output.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::wire::{BOUND, STARTING};

/// How many of its lines are shown with a test that fails.
const SHOWN: usize = 200;

/// A running dockgate, ended with the test.
pub(crate) struct Dockgate {
    child: Child,
    output: Arc<Output>,
}

impl Dockgate {
    /// Starts it with this environment alone.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Dockgate {
        Dockgate::spawn(&mut Dockgate::command(environment))
    }

    /// The command that [`Dockgate::start`] runs, to be changed and given to [`Dockgate::spawn`].
    pub(crate) fn command(environment: &[(&str, &str)]) -> Command {
        // A release build, where that is to be measured.
        let release = env::var_os("DOCKGATE_TEST_RELEASE");
        let program = release.unwrap_or_else(|| env!("CARGO_BIN_EXE_dockgate").into());
        let mut command = Command::new(program);
        command.env_clear().envs(environment.iter().copied());
        command
    }

    /// Starts it and collects all lines that it writes.
    pub(crate) fn spawn(command: &mut Command) -> Dockgate {
        let (mut dockgate, stdout) = Dockgate::unread(command);
        let stderr = dockgate.child.stderr.take().expect("a pipe");
        Output::collect(&dockgate.output, stdout);
        Output::collect(&dockgate.output, stderr);
        dockgate
    }

    /// Starts it with a stdout that only the caller reads, if anybody does.
    pub(crate) fn unread(command: &mut Command) -> (Dockgate, ChildStdout) {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command.spawn().expect("the binary starts");
        drop(starting);
        let stdout = child.stdout.take().expect("a pipe");
        (
            Dockgate {
                child,
                output: Arc::default(),
            },
            stdout,
        )
    }

    /// Waits until it has said that it listens there: `tcp://…` or `unix://…`.
    #[track_caller]
    pub(crate) fn listens(&self, listener: &str) {
        self.line(|line| line.ends_with(&format!("listening on {listener}")));
    }

    /// The first line of the output so far or to come that is as wanted.
    #[track_caller]
    pub(crate) fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.line_within(BOUND, wanted)
    }

    /// The same where it may take longer.
    #[track_caller]
    pub(crate) fn line_within(&self, bound: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.output.wait(bound, |state| {
            state
                .lines
                .iter()
                .find(|line| wanted(line))
                .cloned()
                .ok_or(state.open == 0)
        });
        found.unwrap_or_else(|| panic!("no such line in:\n{}", self.log()))
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.output.state.lock().expect("the output").lines.clone()
    }

    /// All lines so far, as one text.
    pub(crate) fn log(&self) -> String {
        self.lines().join("\n")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended by itself, with all that it wrote.
    pub(crate) fn has_ended(&mut self) -> bool {
        let all_read = self.output.state.lock().expect("the output").open == 0;
        all_read && self.child.try_wait().expect("its status").is_some()
    }

    /// Waits until it has ended by itself, whether its output is read or not.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + BOUND;
        loop {
            match self.child.try_wait().expect("its status") {
                Some(status) => return status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                None => panic!("still running after {BOUND:?}"),
            }
        }
    }

    /// Waits until it has ended by itself; how, and how long that took.
    #[track_caller]
    pub(crate) fn exit_within(&mut self, bound: Duration) -> (ExitStatus, Duration) {
        let start = Instant::now();
        // Its ends of the pipes close when the process ends.
        let ended = self.output.wait(
            bound,
            |state| if state.open == 0 { Ok(()) } else { Err(false) },
        );
        assert!(
            ended.is_some(),
            "still running after {bound:?}:\n{}",
            self.log()
        );
        (self.child.wait().expect("its status"), start.elapsed())
    }
}

impl Drop for Dockgate {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let lines = self.lines();
            let last = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("dockgate wrote at last:\n{}", last.join("\n"));
        }
    }
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    open: usize,
}

impl Output {
    fn collect(output: &Arc<Output>, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(output);
        output.change(|state| state.open += 1);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                output.change(|state| state.lines.push(line));
            }
            output.change(|state| state.open -= 1);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("the output"));
        self.changed.notify_all();
    }

    /// Waits for what `look` finds; `Err(true)` says that it will never come.
    fn wait<T>(&self, bound: Duration, look: impl Fn(&State) -> Result<T, bool>) -> Option<T> {
        let deadline = Instant::now() + bound;
        let mut state = self.state.lock().expect("the output");
        loop {
            match look(&state) {
                Ok(found) => return Some(found),
                Err(true) => return None,
                Err(false) => {}
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self
                .changed
                .wait_timeout(state, left)
                .expect("the output")
                .0;
        }
    }
}

/// An address of the loopback network that nobody else uses: each test has a host of its own, so
/// that no port which is free now can be some connection's source port a moment later.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..=u16::MAX {
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let process = u8::try_from(std::process::id() % 250).expect("below 250") + 1;
        let address = SocketAddr::from((Ipv4Addr::new(127, process, high, low), 2375));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("port 2375 is taken on all addresses of this host");
}
