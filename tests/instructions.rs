//! How many instructions a request costs dockgate, counted by valgrind: the same on a busy machine
//! as on an idle one, so that a regression fails where a clock could not tell.
//!
//! Only the release build's figures mean anything: `scripts/test` runs this with `--release`.

mod support;

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use support::dockgate::{Dockgate, free_address};
use support::{Engine, Wire};

/// What the docker CLI sends.
const ALLOWED: &str = "GET /v1.51/containers/json?all=1 HTTP/1.1\r\n\
     Host: api.moby.localhost\r\nUser-Agent: Docker-Client/28.5.2 (linux)\r\n\r\n";
const DENIED: &str = "POST /v1.51/containers/create HTTP/1.1\r\nHost: api.moby.localhost\r\n\
     User-Agent: Docker-Client/28.5.2 (linux)\r\nContent-Length: 0\r\n\r\n";
/// What the engine answers, in form.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n\
     Docker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.5.2 (linux)\r\n\
     Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\n[]";

/// Measured 35 200 and 19 300; each has a tenth of air for another libc or compiler.
const MOST_ALLOWED: u64 = 38_500;
const MOST_DENIED: u64 = 21_000;

#[test]
#[ignore = "needs valgrind and a release build: run scripts/test"]
fn a_request_costs_no_more_than_it_did() {
    if cfg!(debug_assertions) {
        panic!("a debug build counts nothing of interest: cargo test --release");
    }
    let (allowed, denied) = (cost(ALLOWED), cost(DENIED));
    println!("instructions: {allowed} for an allowed request, {denied} for a denied one");
    assert!(allowed <= MOST_ALLOWED, "{allowed} > {MOST_ALLOWED}");
    assert!(denied <= MOST_DENIED, "{denied} > {MOST_DENIED}");
}

/// Instructions of one such request: the difference between many and few of them.
fn cost(request: &str) -> u64 {
    const FEW: u64 = 200;
    const MANY: u64 = 1200;
    (counted(request, MANY) - counted(request, FEW)) / (MANY - FEW)
}

/// Instructions of a whole run with so many requests on one connection.
fn counted(request: &str, requests: u64) -> u64 {
    let engine = Engine::start();
    engine.serve(|_| ANSWER.into());
    let address = free_address();
    let listen = format!("tcp://{address}");
    let out = engine.directory().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env!("CARGO_BIN_EXE_dockgate"))
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("CONTAINERS", "1"), ("LISTEN", &listen)])
        .env("SOCKET_PATH", engine.path());
    let mut dockgate = Dockgate::spawn(&mut command);
    dockgate.listens(&listen);
    let mut client = Wire::tcp(address);
    for _ in 0..requests {
        client.send(request);
        client.response();
    }
    drop(client);
    dockgate.signal(Signal::TERM);
    dockgate.exit_within(Duration::from_secs(30));
    // `==1234== Collected : 126267534`
    dockgate
        .lines()
        .iter()
        .find_map(|line| line.split_once("Collected : ")?.1.parse().ok())
        .unwrap_or_else(|| panic!("valgrind counted nothing:\n{}", dockgate.log()))
}
