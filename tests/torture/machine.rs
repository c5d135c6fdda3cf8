//! The machine that the tests run on: its limits, and what the kernel knows of a process.

use std::fs;
use std::process::Command;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use crate::support::dockgate::free_address;
use crate::support::{BOUND, Dockgate, Engine, Gate, OPEN};

/// Tests that measure, or that take most of the descriptors, run alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// The machine for this test only, for as long as it is kept.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    raise_limit();
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The machine together with other tests.
pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    raise_limit();
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn raise_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("a process may raise its own limit");
    });
}

/// How many connections of the wanted ones fit under this process's limit of open files, and under
/// dockgate's, when each takes so many descriptors here; a smaller number is said aloud.
pub(crate) fn affordable(wanted: usize, descriptors: usize) -> usize {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let files = usize::try_from(files)
        .unwrap_or(usize::MAX)
        .saturating_sub(600);
    // dockgate itself counts two for each.
    let fitting = (files / descriptors.max(2)).min(wanted);
    if fitting < wanted {
        eprintln!("ONLY {fitting} connections instead of {wanted}: `ulimit -Hn` allows no more");
    }
    fitting
}

/// A dockgate that grants everything under a limit of open files.
#[track_caller]
pub(crate) fn gate_with_files(files: usize) -> Gate {
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("tcp://{address}");
    let mut command = Command::new("/bin/sh");
    let script = format!("ulimit -n {files} && exec \"$0\"");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_dockgate")])
        .env_clear()
        .envs(OPEN.iter().copied())
        .env("LISTEN", &listen)
        .env("SOCKET_PATH", engine.path());
    let dockgate = Dockgate::spawn(&mut command);
    dockgate.listens(&listen);
    Gate {
        engine,
        dockgate,
        address,
    }
}

/// The memory that a process has now, in KiB.
#[track_caller]
pub(crate) fn memory(pid: Pid) -> usize {
    status(pid, "VmRSS:")
}

/// The most that it ever had, in KiB.
#[track_caller]
pub(crate) fn peak_memory(pid: Pid) -> usize {
    status(pid, "VmHWM:")
}

#[track_caller]
fn status(pid: Pid, key: &str) -> usize {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let text = fs::read_to_string(path).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|line| line.split_whitespace().next());
    value.and_then(|v| v.parse().ok()).expect("a number")
}

/// The descriptors that a process has open.
#[track_caller]
pub(crate) fn descriptors(pid: Pid) -> usize {
    let path = format!("/proc/{}/fd", pid.as_raw_nonzero());
    fs::read_dir(path).expect("it runs").count()
}

/// The processor time that a process has used.
#[track_caller]
pub(crate) fn cpu(pid: Pid) -> Duration {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let text = fs::read_to_string(path).expect("it runs");
    // Behind the name, which may hold anything: the state is the third field, these the 14th, 15th.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux tells programs hundredths of a second, whatever it counts in itself.
    Duration::from_millis(10 * ticks)
}

/// Waits until a process has dealt with all that it was sent; the processor time used until then.
#[track_caller]
pub(crate) fn at_rest(pid: Pid) -> Duration {
    let mut used = cpu(pid);
    eventually_within(3 * BOUND, "it comes to rest", || {
        thread::sleep(Duration::from_millis(150));
        let now = cpu(pid);
        std::mem::replace(&mut used, now) == now
    });
    used
}

/// The share of one processor that a process uses during a time.
#[track_caller]
pub(crate) fn load(pid: Pid, time: Duration) -> f64 {
    let (start, before) = (Instant::now(), cpu(pid));
    thread::sleep(time);
    (cpu(pid) - before).as_secs_f64() / start.elapsed().as_secs_f64()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, so: impl FnMut() -> bool) {
    eventually_within(BOUND, what, so);
}

/// Waits so long until something is so.
#[track_caller]
pub(crate) fn eventually_within(bound: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !so() {
        assert!(Instant::now() < deadline, "not within {bound:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A measurement on a machine that others use too: it counts if one of a few tries succeeds.
#[track_caller]
pub(crate) fn one_of<T>(tries: usize, mut measure: impl FnMut() -> Result<T, String>) -> T {
    let mut failures = Vec::new();
    for _ in 0..tries {
        match measure() {
            Ok(found) => return found,
            Err(failure) => {
                eprintln!("{failure}");
                failures.push(failure);
            }
        }
    }
    panic!("{tries} times in a row: {failures:#?}");
}
