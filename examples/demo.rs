//! dockgate in front of this machine's Docker Engine, or of a small built-in one. Run
//! `cargo run --release --example demo`, then the commands that it prints; Ctrl-C stops it. It
//! listens on the address in LISTEN, by default 127.0.0.1:2375, or a free port if that is taken.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints for the user"
)]

use std::env;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use dockgate::config::{Settings, Snapshot};
use engine::Engine;
use wire::Message;

#[path = "../tests/support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests, which script it")]
mod engine;
#[path = "../tests/support/wire.rs"]
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
mod wire;

const REAL: &str = "/var/run/docker.sock";
const ADDRESS: &str = "127.0.0.1:2375";

fn main() -> ExitCode {
    let listen = env::var_os("LISTEN").filter(|listen| !listen.is_empty());
    let listen = listen.unwrap_or_else(|| free(ADDRESS).into());
    match demonstrate(listen, Path::new(REAL), |text| println!("{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// A listener on this address, or on any port if another program has this one.
fn free(address: &str) -> String {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => "tcp://127.0.0.1:0".to_owned(),
        _ => format!("tcp://{address}"),
    }
}

/// Serves, and says what to try once it listens.
fn demonstrate(listen: OsString, real: &Path, say: impl FnOnce(String)) -> Result<(), String> {
    let built_in = (!answers(real)).then(Engine::start);
    let socket = built_in.as_ref().map_or(real, |engine| {
        engine.serve(answer);
        engine.path()
    });
    let environment = [
        ("LISTEN", listen),
        ("SOCKET_PATH", socket.into()),
        ("CONTAINERS", "1".into()),
        ("INFO", "1".into()),
    ];
    let settings = Settings::load(&Snapshot::from_iter(environment)).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|mistake| format!("{mistake}\n"))
            .collect::<String>()
    })?;
    let listening = |names: &[&str]| {
        let name = names.first().copied().unwrap_or_default();
        say(instructions(name, built_in.is_none()));
    };
    dockgate::proxy::serve_and_tell(settings, listening)
        .map(drop)
        .map_err(|e| e.to_string())
}

/// What to try at a listener, `tcp://ADDRESS` or `unix://PATH`.
fn instructions(listener: &str, real: bool) -> String {
    // A client connects to no wildcard.
    let host = listener
        .replace("[::]", "[::1]")
        .replace("//0.0.0.0:", "//127.0.0.1:");
    let curl = match host.split_once("://") {
        Some(("unix", path)) => format!("curl --unix-socket {path} http://docker"),
        Some((_, address)) => format!("curl http://{address}"),
        None => "curl".to_owned(),
    };
    let (engine, docker) = if real {
        (
            "in front of this machine's Docker Engine",
            format!("docker -H {host} ps             # or any other command"),
        )
    } else {
        (
            "in front of the demo's built-in engine, because no Docker Engine is running here",
            format!("docker -H {host} ps             # this engine answers ps, info and version"),
        )
    };
    let create = curl.replacen("curl", "curl -X POST", 1);
    format!(
        "\ndockgate listens on {listener},\n{engine}.\n\
         Clients can read the containers and the engine's info, and can't change anything. Try:\n\n\
         \x20 {curl}/containers/json\n\
         \x20 {curl}/info\n\
         \x20 {create}/containers/create     # denied, with the reason\n\
         \x20 {docker}\n\n\
         Press Ctrl-C to stop.\n"
    )
}

/// Whether an engine is there and well.
fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")?;
        let mut answer = [0; 13];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer == *b"HTTP/1.1 200 ")
    };
    ask().unwrap_or(false)
}

/// What the built-in engine says.
fn answer(request: &Message) -> Vec<u8> {
    const VERSION: &str = r#"{"Platform":{"Name":"Demo"},"Version":"28.5.2","ApiVersion":"1.51",
"MinAPIVersion":"1.24","Os":"linux","Arch":"amd64","GoVersion":"go1.25","KernelVersion":"6.1"}
"#;
    const CONTAINERS: &str = r#"[{"Id":"4f66ad9a0b2e5d1c","Names":["/web"],"Image":"nginx:alpine",
"ImageID":"sha256:1d13701a","Command":"nginx -g 'daemon off;'","Created":1700000000,
"State":"running","Status":"Up 3 hours","Ports":[],"Labels":{},"Mounts":[]}]
"#;
    const INFO: &str = r#"{"ID":"demo","Name":"demo","Containers":1,"ContainersRunning":1,
"Images":1,"Driver":"overlay2","OperatingSystem":"Demo","OSType":"linux",
"Architecture":"x86_64","NCPU":2,"MemTotal":4294967296,"ServerVersion":"28.5.2"}
"#;

    let mut words = request.head.line.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words
        .next()
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default();
    let path = match path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((version, rest)) if version.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => path.trim_start_matches('/'),
    };
    let (status, kind, body) = match path {
        "_ping" => ("200 OK", "text/plain; charset=utf-8", "OK"),
        "version" => ("200 OK", "application/json", VERSION),
        "containers/json" => ("200 OK", "application/json", CONTAINERS),
        "info" => ("200 OK", "application/json", INFO),
        _ => (
            "404 Not Found",
            "application/json",
            r#"{"message":"page not found"}"#,
        ),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    (head + if method == "HEAD" { "" } else { body }).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn it_says_what_to_try_once_it_listens_on_a_free_port() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = other.local_addr().expect("its address").to_string();
        let listen = free(&taken);
        assert_eq!(listen, "tcp://127.0.0.1:0");
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let say = |text| sender.send(text).expect("the test waits for it");
            demonstrate(listen.into(), Path::new("/nowhere/docker.sock"), say)
        });
        let said = said
            .recv_timeout(Duration::from_secs(60))
            .expect("it listens");
        let (_, address) = said.split_once("curl http://").expect(&said);
        let address = address.split('/').next().expect("an address");
        assert_ne!(address, taken);
        let mut client = TcpStream::connect(address).expect("it listens when it says so");
        client
            .write_all(b"GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(r#""Name":"demo""#), "{answer}");
    }

    #[test]
    fn it_says_nothing_when_it_cannot_listen() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = taken.local_addr().expect("its address");
        let listen = format!("tcp://{taken}").into();
        let never = |said| panic!("{said}");
        let problem = demonstrate(listen, Path::new("/nowhere/docker.sock"), never);
        assert!(
            problem
                .expect_err("it is taken")
                .contains("the port is already in use")
        );
    }

    #[test]
    fn the_instructions_fit_the_listener_and_the_engine() {
        for (listener, real, part) in [
            ("tcp://[::]:1", true, "curl http://[::1]:1/info"),
            ("tcp://0.0.0.0:1", true, "docker -H tcp://127.0.0.1:1 ps "),
            (
                "unix:///run/x.sock",
                true,
                "curl --unix-socket /run/x.sock http://docker/info",
            ),
            (
                "unix:///run/x.sock",
                true,
                "docker -H unix:///run/x.sock ps ",
            ),
            ("tcp://127.0.0.1:1", true, "or any other command"),
            (
                "tcp://127.0.0.1:1",
                false,
                "this engine answers ps, info and version",
            ),
        ] {
            let said = instructions(listener, real);
            assert!(said.contains(part), "{said}");
            assert_eq!(said.contains("any other command"), real);
        }
    }
}
