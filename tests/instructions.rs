//! How many instructions a request costs dockgate, counted by valgrind: the same on a busy machine
//! as on an idle one, so that a regression fails where a clock could not tell.
//!
//! Only the release build's figures mean anything: `scripts/test` builds that one program and names
//! it in `DOCKGATE_TEST_RELEASE`. With `cargo test --release`, it is the one that cargo built.

mod support;

use std::env;
use std::ffi::OsString;
use std::fs;
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

/// What the docker CLI sends for a `docker run` with a few options, of 2 KiB.
const CREATE: &str = include_str!("../benches/create.json");

/// Measured 37 600 and 18 000. With another libc or kernel, 38 500 were measured of the same program.
const MOST_ALLOWED: u64 = 39_500;
const MOST_DENIED: u64 = 19_500;
/// A request behind many policies costs this much at most of what it costs with one, in percent.
const MOST_OF_ONE: u64 = 103;
/// Measured 299 000, of which 47 000 are those of a create that is not judged.
const MOST_JUDGED: u64 = 325_000;
/// Measured 39 100: such a policy has more to decide by.
const MOST_BESIDE_JUDGED: u64 = 41_500;

#[test]
#[ignore = "needs valgrind and a release build: run scripts/test"]
fn a_request_costs_no_more_than_it_did() {
    for (what, request, most) in [
        ("an allowed", ALLOWED, MOST_ALLOWED),
        ("a denied", DENIED, MOST_DENIED),
    ] {
        let one = cost(request, |listen| {
            vec![("CONTAINERS", "1".into()), ("LISTEN", listen.into())]
        });
        let ten = || {
            cost(request, |listen| {
                vec![("CONFIG_DATA", ten_policies(listen))]
            })
        };
        // On a busy machine a run is longer, and its files are looked at more often.
        let is_little = |ten: &u64| ten * 100 <= one * MOST_OF_ONE;
        let ten = (0..2).map(|_| ten()).find(is_little).unwrap_or_else(ten);
        println!(
            "instructions of {what} request: {one} with one policy, {ten} with ten by address"
        );
        assert!(one <= most, "{what}: {one} > {most}");
        assert!(is_little(&ten), "{what}: {ten} > {MOST_OF_ONE} % of {one}");
    }
    let create = format!(
        "POST /v1.51/containers/create HTTP/1.1\r\nHost: api.moby.localhost\r\n\
         User-Agent: Docker-Client/28.5.2 (linux)\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{CREATE}",
        CREATE.len()
    );
    let [streamed, judged] =
        [writes as Environment, denies_root].map(|environment| cost(&create, environment));
    let listed = cost(ALLOWED, denies_root);
    println!("instructions of a create: {streamed}, {judged} if judged; {listed} of a list then");
    assert!(judged <= MOST_JUDGED, "{judged} > {MOST_JUDGED}");
    assert!(
        listed <= MOST_BESIDE_JUDGED,
        "{listed} > {MOST_BESIDE_JUDGED}"
    );
}

/// Of its 8 744 904 bytes, 1 301 000 are TLS: rustls, ring, and what reads and writes certificates, by the
/// sizes of their symbols.
const MOST_BYTES: u64 = 8_900_000;

#[test]
#[ignore = "needs a release build: run scripts/test"]
fn the_program_is_no_larger_than_it_was() {
    let size = fs::metadata(release()).expect("the program").len();
    println!("bytes of the program: {size}");
    assert!(size <= MOST_BYTES, "{size} > {MOST_BYTES}");
}

/// Ten policies for ten addresses, of which the client's comes last.
fn ten_policies(listen: &str) -> String {
    let each = |one: fn(u32) -> String| (0..10).map(one).collect::<String>();
    let policies = each(|n| format!("p{n}: {{ CONTAINERS: 1 }}, "));
    let rules = each(|n| match n {
        9 => "{ from: 127.0.0.1, policy: p9 }".into(),
        n => format!("{{ from: 10.0.{n}.0/24, policy: p{n} }}, "),
    });
    format!(
        "{{ policies: {{ {policies} }}, clients: [{rules}], \
         endpoints: [{{ listen: '{listen}', policy: none }}] }}"
    )
}

fn writes(listen: &str) -> Vec<(&'static str, String)> {
    let one = || "1".to_owned();
    vec![
        ("CONTAINERS", one()),
        ("POST", one()),
        ("LISTEN", listen.into()),
    ]
}

fn denies_root(listen: &str) -> Vec<(&'static str, String)> {
    [writes(listen), vec![("DENY_ROOT", "1".to_owned())]].concat()
}

/// The environment of a dockgate that listens there.
type Environment = fn(&str) -> Vec<(&'static str, String)>;

/// Instructions of one such request: the difference between many and few of them.
fn cost(request: &str, environment: Environment) -> u64 {
    const FEW: u64 = 200;
    const MANY: u64 = 2200;
    // The least of some: what it takes to start differs.
    let least = |requests| {
        (0..3)
            .map(|_| counted(request, environment, requests))
            .min()
    };
    let [few, many] = [FEW, MANY].map(|requests| least(requests).expect("a count"));
    (many - few) / (MANY - FEW)
}

/// The program that is measured.
fn release() -> OsString {
    match env::var_os("DOCKGATE_TEST_RELEASE") {
        Some(path) => path,
        None if cfg!(debug_assertions) => panic!(
            "a debug build counts nothing of interest: cargo build --release, and \
             DOCKGATE_TEST_RELEASE=target/release/dockgate"
        ),
        None => env!("CARGO_BIN_EXE_dockgate").into(),
    }
}

/// Instructions of a whole run with so many requests on one connection.
fn counted(request: &str, environment: Environment, requests: u64) -> u64 {
    let engine = Engine::start();
    engine.serve(|_| ANSWER.into());
    let address = free_address();
    let listen = format!("tcp://{address}");
    let out = engine.directory().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(release())
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(environment(&listen))
        .env("SOCKET_PATH", engine.path());
    let mut dockgate = Dockgate::spawn(&mut command);
    // Under valgrind, and perhaps beside others, ten policies take seconds to be compiled.
    dockgate.line_within(Duration::from_secs(60), |line| line.ends_with(&listen));
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
