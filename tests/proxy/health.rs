//! `dockgate healthcheck` beside a dockgate with files: it asks the one that runs, whatever the files
//! say by then.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Output;

use rustix::process::Signal;

use crate::policies::Many;
use crate::reload::reload;
use crate::support::gate::EMPTY;
use crate::support::{Dockgate, Engine};

const TCP: &str = "endpoints: [{ listen: \"{tcp}\" }]\n";
const UNIX: &str = "endpoints: [{ listen: \"{unix}\" }]\n";

fn start(text: &str, more: &[(&str, &str)]) -> Many {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.as_bytes().to_vec());
    Many::with(engine, text, more)
}

/// Its exit code, and what it said.
#[track_caller]
fn health(many: &Many, more: &[(&str, &str)]) -> (i32, String, String) {
    let file = many.file.display().to_string();
    let engine = many.engine.path().display().to_string();
    let own = [("CONFIG_FILE", file.as_str()), ("SOCKET_PATH", &engine)];
    let mut command = Dockgate::command(&[&own, more].concat());
    let ran = command.arg("healthcheck").output().expect("it runs");
    let Output {
        status,
        stdout,
        stderr,
    } = ran;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("a code"), text(stdout), text(stderr))
}

fn healthy() -> (i32, String, String) {
    (0, String::new(), String::new())
}

#[test]
fn a_broken_file_makes_no_working_dockgate_unhealthy() {
    for text in [TCP, UNIX] {
        let mut many = start(text, &[]);
        assert_eq!(health(&many, &[]), healthy());
        fs::write(&many.file, "policies: [").expect("written");
        many.dockgate.signal(Signal::HUP);
        many.dockgate.line(|line| line.contains("not reloaded"));
        assert_eq!(health(&many, &[]), healthy());
        fs::remove_file(&many.file).expect("removed");
        assert_eq!(health(&many, &[]), healthy());
        // Of the environment, what it says goes on to hold.
        let (code, told, _) = health(&many, &[("DRY_RUN", "1")]);
        assert_eq!((code, told.contains("DRY_RUN")), (0, true), "{told}");
        many.dockgate.signal(Signal::KILL);
        many.dockgate.wait();
        let (code, _, told) = health(&many, &[]);
        let why = "dockgate: unhealthy: invalid configuration: run `dockgate check` for details\n";
        assert_eq!((code, told.as_str()), (1, why));
        fs::write(&many.file, many.text(text)).expect("written");
        let (code, _, told) = health(&many, &[]);
        assert_eq!(code, 1);
        assert!(
            told.starts_with("dockgate: unhealthy: dockgate at "),
            "{told}"
        );
    }
}

#[test]
fn an_endpoint_that_waits_for_a_restart_is_not_asked() {
    for (before, after) in [(TCP, UNIX), (UNIX, TCP)] {
        let mut many = start(before, &[]);
        reload(&many, after);
        many.dockgate.line(|line| line.contains("was added"));
        assert_eq!(health(&many, &[]), healthy());
        many.dockgate.signal(Signal::KILL);
        many.dockgate.wait();
        assert_eq!(health(&many, &[]).0, 1);
    }
}

#[test]
fn no_alarm_is_said_of_what_is_not_in_force() {
    let many = start(TCP, &[]);
    reload(
        &many,
        &format!("policies: {{ a: {{ DRY_RUN: 1 }} }}\n{TCP}"),
    );
    assert_eq!(health(&many, &[]), healthy());
}

/// It is asked at all of its endpoints, also at one that is no longer there.
#[test]
fn a_socket_that_was_removed_is_missed() {
    let many = start(
        "endpoints: [{ listen: \"{tcp}\" }, { listen: \"{unix}\", mode: 0600 }]\n",
        &[],
    );
    let socket = many.engine.directory().join("dockgate.sock");
    assert_eq!(
        fs::metadata(&socket).expect("a socket").mode() & 0o777,
        0o600
    );
    assert_eq!(health(&many, &[]), healthy());
    fs::remove_file(&socket).expect("removed");
    let (code, _, told) = health(&many, &[]);
    let why = format!(
        "dockgate: unhealthy: dockgate at unix://{}: No such file or directory (os error 2)\n",
        socket.display()
    );
    assert_eq!((code, told), (1, why));
}

/// Another one with other files is another dockgate.
#[test]
fn only_the_dockgate_with_these_files_is_asked() {
    let (mut many, _other) = (start(TCP, &[]), start(TCP, &[]));
    many.dockgate.signal(Signal::KILL);
    many.dockgate.wait();
    let (code, _, told) = health(&many, &[]);
    let at = format!("dockgate: unhealthy: dockgate at tcp://{}: ", many.tcp);
    assert_eq!(code, 1);
    assert!(told.starts_with(&at), "{told}");
}
