//! An engine whose host's name comes to stand for another host: what the one says of an object decides
//! nothing about a request to the other.

use std::fs;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{json, refused};
use crate::support::dockgate::free_address;
use crate::support::engine::answer_all;
use crate::support::{BOUND, Dockgate, Engine, Message, Wire};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
const DELETE: &str = "DELETE /volumes/data HTTP/1.1\r\nHost: docker\r\n\r\n";
const NAME: &str = "nas.test";

/// A host with an engine that has one volume.
struct Nas {
    address: SocketAddr,
    deleted: Arc<AtomicUsize>,
}

impl Nas {
    /// Its volume has this label; `asked` is done with its listener before it says so.
    fn start(team: &'static str, asked: impl Fn(&TcpListener) + Send + Sync + 'static) -> Nas {
        let address = free_address();
        let listener = Arc::new(TcpListener::bind(address).expect("a free address"));
        let deleted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&deleted);
        let accepts = Arc::clone(&listener);
        let answer = Arc::new(move |request: &Message| {
            let line = request.head.line.as_str();
            if line.starts_with("DELETE /volumes/data ") {
                count.fetch_add(1, SeqCst);
                return b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
            }
            // What is out of scope is asked for by a name that nothing has.
            if line.starts_with("DELETE ") {
                return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
            }
            if line.starts_with("GET /volumes/data ") {
                asked(&listener);
                return json(&format!(
                    r#"{{"Name":"data","Labels":{{"team":"{team}"}}}}"#
                ));
            }
            json("{}")
        });
        thread::spawn(move || {
            while let Ok((socket, _)) = accepts.accept() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || answer_all(Wire::new(socket.into()), &*answer));
            }
        });
        Nas { address, deleted }
    }

    fn deleted(&self) -> usize {
        self.deleted.load(SeqCst)
    }
}

/// A dockgate with a hosts file of its own.
struct Named {
    tcp: SocketAddr,
    hosts: PathBuf,
    _dockgate: Dockgate,
    _directory: Engine,
}

impl Named {
    /// Its engine is at a name that stands for these hosts. `None` where that cannot be played.
    fn start(all: &[&Nas]) -> Option<Named> {
        let unshared = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
            command
        };
        let mut possible = unshared("mount --bind /etc/hostname /etc/hosts");
        let possible = possible.stderr(Stdio::null()).status();
        if !possible.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: needs user namespaces");
            return None;
        }
        let directory = Engine::absent();
        let hosts = directory.directory().join("hosts");
        let tcp = free_address();
        let engine = format!("tcp://{NAME}:{}", all.first()?.address.port());
        let script = format!(
            "mount --bind {} /etc/hosts && exec {}",
            hosts.display(),
            env!("CARGO_BIN_EXE_dockgate")
        );
        stand_for(&hosts, all);
        let mut command = unshared(&script);
        command.envs([
            ("SOCKET_PATH", engine.as_str()),
            ("LISTEN", &format!("tcp://{tcp}")),
            ("VOLUMES", "1"),
            ("POST", "1"),
            ("SCOPE", "label:team=ci"),
        ]);
        let dockgate = Dockgate::spawn(&mut command);
        dockgate.listens(&format!("tcp://{tcp}"));
        Some(Named {
            tcp,
            hosts,
            _dockgate: dockgate,
            _directory: directory,
        })
    }
}

/// From now on the name stands for these.
fn stand_for(hosts: &Path, all: &[&Nas]) {
    let lines = all
        .iter()
        .map(|one| format!("{} {NAME}\n", one.address.ip()));
    fs::write(hosts, lines.collect::<String>()).expect("written");
}

#[test]
fn what_one_host_says_decides_nothing_about_a_request_to_another() {
    let [secret, ci] = ["secret", "ci"].map(|team| Nas::start(team, |_| {}));
    let Some(named) = Named::start(&[&secret]) else {
        return;
    };
    let mut client = Wire::tcp(named.tcp);
    // The connection is kept.
    assert_eq!(refused(&mut client, PING).0, 200);
    assert_eq!(refused(&mut client, DELETE).0, 404);
    stand_for(&named.hosts, &[&ci]);
    // It is looked up again after a while.
    let begin = Instant::now();
    while refused(&mut client, DELETE).0 != 204 {
        assert!(begin.elapsed() < BOUND, "it never went to the other host");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((secret.deleted(), ci.deleted()), (0, 1));
    assert_eq!(refused(&mut client, PING).0, 200);
}

#[test]
fn a_request_whose_host_changes_before_it_is_sent_is_refused() {
    // Who is asked first takes no connection any more.
    let lost = Arc::new(AtomicBool::new(false));
    let [one, other] = [(); 2].map(|()| {
        let lost = Arc::clone(&lost);
        Nas::start("ci", move |listener| {
            if !lost.swap(true, SeqCst) {
                let listener = SockRef::from(listener);
                listener.shutdown(Shutdown::Both).expect("it listened");
            }
        })
    });
    let Some(named) = Named::start(&[&one, &other]) else {
        return;
    };
    let mut client = Wire::tcp(named.tcp);
    let (status, text) = refused(&mut client, DELETE);
    assert_eq!(status, 503, "{text}");
    let why = format!("the address of the engine at tcp://{NAME}:2375 changed during the request");
    assert!(text.contains(&why), "{text}");
    assert_eq!((one.deleted(), other.deleted()), (0, 0));
    // Now all of it goes to the one that is left.
    assert_eq!(refused(&mut client, DELETE).0, 204);
    assert_eq!(one.deleted() + other.deleted(), 1);
}
