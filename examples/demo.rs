//! dockgate in front of this machine's Docker Engine, or of a small one that is built in:
//! `cargo run --release --example demo`, then the commands that it prints. Ctrl-C ends it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to who runs it"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
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
    match demonstrate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> Result<(), String> {
    let built_in = if answers(Path::new(REAL)) {
        None
    } else {
        Some(Engine::start())
    };
    let socket = match &built_in {
        None => {
            println!("This machine's Docker Engine answers on {REAL}.");
            PathBuf::from(REAL)
        }
        Some(engine) => {
            println!("No Docker Engine answers on {REAL}: a small one is built in.");
            engine.serve(answer);
            engine.path().to_owned()
        }
    };
    let environment = [
        ("LISTEN", format!("tcp://{ADDRESS}").into()),
        ("SOCKET_PATH", socket.into_os_string()),
        ("CONTAINERS", "1".into()),
        ("INFO", "1".into()),
    ];
    let settings = Settings::load(&Snapshot::from_iter(environment)).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|mistake| format!("{mistake}\n"))
            .collect::<String>()
    })?;
    println!(
        "dockgate lets containers and the engine's information be read, and nothing be changed. \
         Try:\n\n\
         \x20 curl http://{ADDRESS}/containers/json\n\
         \x20 curl http://{ADDRESS}/info\n\
         \x20 curl -X POST http://{ADDRESS}/containers/create     # is denied, and says why\n\n\
         or any `docker -H tcp://{ADDRESS} …`. Ctrl-C ends it.\n"
    );
    dockgate::proxy::serve(settings).map(drop)
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
