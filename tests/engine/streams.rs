//! What flows: followed logs, events, statistics, waiting, and the hijacked connections of run,
//! exec and attach.

use std::thread;

use crate::harness::{Engine, Gate};
use crate::wire::Wire;

/// A container that goes on when the test says so: `docker exec $N touch /go`.
const UNTIL_GO: &str = "while [ ! -e /go ]; do sleep 0.1; done";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn logs_are_followed_line_by_line() {
    for gate in Gate::each("CONTAINERS EXEC POST") {
        gate.sh(&format!(
            "docker run -d --name $N busybox sh -c 'echo one; {UNTIL_GO}; echo two'"
        ));
        let mut logs = gate.stream("docker logs -f $N");
        assert_eq!(logs.line(), "one");
        assert!(logs.is_silent());
        gate.sh("docker exec $N touch /go");
        assert_eq!(logs.line(), "two");
        assert_eq!(logs.end().code, 0);
        assert_eq!(gate.sh("docker logs --tail 1 $N"), "two");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn events_arrive_when_they_happen() {
    for gate in Gate::each("CONTAINERS POST") {
        let mut events = gate
            .stream("docker events --since $(date +%s) --filter container=$N --format {{.Action}}");
        gate.sh("docker create --name $N busybox true");
        assert_eq!(events.line(), "create");
        assert!(events.is_silent());
        gate.sh("docker start $N");
        assert_eq!(events.line(), "start");
        assert_eq!(events.line(), "die");
        gate.sh("docker rm $N");
        assert_eq!(events.line(), "destroy");
        // Events of the past, and the end of the stream when its time has come.
        let past = "docker events --since 5m --until $(($(date +%s) + 1)) \
                    --filter container=$N --format {{.Action}}";
        assert_eq!(gate.sh(past), "create\nstart\ndie\ndestroy");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn statistics_go_on() {
    for gate in Gate::each("CONTAINERS POST") {
        gate.sh("docker run -d --name $N busybox sleep 600");
        let once = gate.sh("docker stats --no-stream --format '{{.Name}} {{.PIDs}}' $N");
        assert_eq!(once, gate.sh("echo $N 1"));
        let mut stats = gate.stream("docker stats --format '{{.Name}} {{.PIDs}}' $N");
        for _ in 0..4 {
            stats.until(&once);
        }
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn wait_waits() {
    for gate in Gate::each("CONTAINERS EXEC POST") {
        gate.sh(&format!(
            "docker run -d --name $N busybox sh -c '{UNTIL_GO}; exit 7'"
        ));
        let mut wait = gate.stream("docker wait $N");
        assert!(wait.is_silent());
        gate.sh("docker exec $N touch /go");
        assert_eq!(wait.line(), "7");
        assert_eq!(wait.end().code, 0);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn run_passes_stdin_both_outputs_and_the_exit_code() {
    for gate in Gate::each("CONTAINERS POST") {
        assert_eq!(gate.sh("echo x | docker run -i --rm busybox cat"), "x");
        let run = gate.run("docker run --rm busybox sh -c 'echo out; echo err >&2; exit 42'");
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (42, "out", "err")
        );
        // Output goes on after the end of stdin.
        let late = "echo x | docker run -i --rm busybox sh -c 'cat; sleep 1; echo after'";
        assert_eq!(gate.sh(late), "x\nafter");
        // Interactive: an answer to each line, while stdin stays open.
        let mut cat = gate.stream("docker run -i --rm busybox cat");
        for line in ["first", "second"] {
            cat.write(line);
            assert_eq!(cat.line(), line);
        }
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_terminal_works() {
    for gate in Gate::each("CONTAINERS EXEC POST") {
        let run = r#"docker run -it --name $N busybox sh -c "read x; echo got-\$x; tty""#;
        let terminal = format!("echo hi | script -qec '{run}' /dev/null");
        let said = gate.sh(&terminal);
        assert!(
            said.contains("got-hi") && said.contains("/dev/pts/"),
            "{said}"
        );
        // The CLI keeps quiet about a denied resize.
        assert!(!gate.log().contains(" 403 "), "{}", gate.log());
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn exec_ends_by_itself_with_its_exit_code() {
    for gate in Gate::each("CONTAINERS EXEC POST") {
        gate.sh("docker run -d --name $N busybox sleep 600");
        assert_eq!(gate.sh("echo x | docker exec -i $N cat"), "x");
        assert_eq!(
            gate.sh("docker exec -i $N sh -c 'cat; sleep 1; echo after' </dev/null"),
            "after"
        );
        let run = gate.run("docker exec $N sh -c 'echo out; echo err >&2; exit 5'");
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (5, "out", "err")
        );
        gate.sh("docker exec -d $N touch /detached");
        gate.sh("until docker exec $N test -e /detached; do sleep 0.1; done");
        // Its stdin stays open and silent: the end of the process is the end all the same.
        assert_eq!(
            gate.stream("docker exec -i $N echo done").end().stdout,
            "done"
        );
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn exec_carries_50_mb_both_ways() {
    for gate in Gate::each("CONTAINERS EXEC POST") {
        gate.sh("head -c 50M /dev/urandom >$T/big && docker run -d --name $N busybox sleep 600");
        let sum = gate.sh("sha256sum <$T/big");
        assert_eq!(gate.sh("docker exec -i $N sha256sum <$T/big"), sum);
        gate.sh("docker exec -i $N sh -c 'cat >/big' <$T/big");
        assert_eq!(gate.sh("docker exec $N cat /big | sha256sum"), sum);
        // And both at once.
        assert_eq!(gate.sh("docker exec -i $N cat <$T/big | sha256sum"), sum);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn attach_joins_a_running_container() {
    for gate in Gate::each("CONTAINERS POST") {
        gate.sh("docker run -di --name $N busybox sh -c 'read x; echo got $x; exit 3'");
        let mut attach = gate.stream("docker attach $N");
        attach.write("hello");
        assert_eq!(attach.line(), "got hello");
        assert_eq!(attach.end().code, 3);
        gate.sh("docker create -i --name $N-2 busybox sh -c 'cat; exit 4'");
        let run = gate.run("echo piped | docker start -ai $N-2");
        assert_eq!((run.code, run.stdout.as_str()), (4, "piped"));
    }
}

/// A raw client's POST with a JSON body, which asks for no upgrade.
fn post(wire: &mut Wire, target: &str, body: &str) {
    wire.send(format!(
        "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
}

/// Passes a line to a `cat; echo done` that `wire` has just been connected to, ends its input, and
/// gives back all its output.
fn converse(wire: &mut Wire, tty: bool) -> Vec<u8> {
    let head = wire.head();
    assert_eq!(head.status(), 200);
    let raw = "application/vnd.docker.raw-stream";
    assert_eq!(head.one("content-type"), Some(raw));
    // The first is its echo, where there is a terminal.
    wire.send("first\n");
    assert!(wire.reaches(b"first"));
    match tty {
        true => wire.send("\x04"),
        false => wire.half_close(),
    }
    wire.rest().0
}

/// What an exec and an attach give to a client that asks for no upgrade: older docker-py and
/// docker-java, curl. `connect` connects it.
fn without_upgrade(gate: &Gate, connect: impl Fn() -> Wire) -> Vec<Vec<u8>> {
    let name = gate.sh("echo $N");
    let mut outputs = Vec::new();
    for version in ["", "/v1.24"] {
        for tty in [false, true] {
            let exec = format!(
                r#"{{"AttachStdin":true,"AttachStdout":true,"Tty":{tty},
                     "Cmd":["sh","-c","cat; echo done"]}}"#
            );
            let mut wire = connect();
            post(
                &mut wire,
                &format!("{version}/containers/{name}/exec"),
                &exec,
            );
            let id = wire.response().text();
            let id = id.split('"').nth(3).expect("an ID").to_owned();
            let mut wire = connect();
            let start = format!("{version}/exec/{id}/start");
            post(&mut wire, &start, &format!(r#"{{"Tty":{tty}}}"#));
            outputs.push(converse(&mut wire, tty));

            let flag = if tty { "-t" } else { "" };
            gate.sh(&format!(
                "docker create -i {flag} --name $N-attached busybox sh -c 'cat; echo done'"
            ));
            let mut wire = connect();
            let attach = format!("{version}/containers/{name}-attached/attach");
            let query = "stream=1&stdin=1&stdout=1&stderr=1";
            post(&mut wire, &format!("{attach}?{query}"), "");
            thread::scope(|scope| {
                scope.spawn(|| gate.sh("docker start $N-attached"));
                outputs.push(converse(&mut wire, tty));
            });
            gate.sh("docker rm -f $N-attached");
        }
    }
    outputs
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn exec_and_attach_without_upgrade_are_as_they_are_directly() {
    let gate = Gate::new("CONTAINERS EXEC POST");
    gate.sh("docker run -d --name $N busybox sleep 600");
    let directly = without_upgrade(&gate, || Wire::unix(&Engine::shared().socket()));
    assert_eq!(without_upgrade(&gate, || Wire::tcp(gate.address)), directly);
    assert_eq!(
        directly[0],
        b"\x01\0\0\0\0\0\0\x06first\n\x01\0\0\0\0\0\0\x05done\n"
    );
    assert_eq!(directly[2], b"first\r\nfirst\r\ndone\r\n");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn an_exec_without_upgrade_takes_50_mb() {
    let gate = Gate::new("CONTAINERS EXEC POST");
    gate.sh("head -c 50M /dev/urandom >$T/big && docker run -d --name $N busybox sleep 600");
    let name = gate.sh("echo $N");
    let mut wire = Wire::tcp(gate.address);
    let exec = r#"{"AttachStdin":true,"AttachStdout":true,"Cmd":["sha256sum"]}"#;
    post(&mut wire, &format!("/containers/{name}/exec"), exec);
    let id = wire.response().text();
    let id = id.split('"').nth(3).expect("an ID").to_owned();
    let mut wire = Wire::tcp(gate.address);
    post(&mut wire, &format!("/exec/{id}/start"), "{}");
    assert_eq!(wire.head().status(), 200);
    wire.send(std::fs::read(gate.sh("echo $T/big")).expect("a file"));
    wire.half_close();
    let sum = gate.sh("sha256sum <$T/big | cut -c1-64");
    assert!(wire.reaches(sum.as_bytes()));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_cli_that_uses_tls_says_so() {
    for gate in Gate::each("") {
        // The authorities are of no use but to be read.
        let run = gate.run("docker --tls --tlscacert /etc/ssl/certs/ca-certificates.crt ps");
        let why = "server gave HTTP response to HTTPS client";
        assert!(run.code != 0 && run.stderr.contains(why), "{run:?}");
        let why = "this endpoint does not use TLS: use http:// or tcp:// without TLS";
        assert!(gate.log().contains(why), "{}", gate.log());
    }
}
