//! Actions, denies and presets, as the docker CLI and a real engine meet them.

use crate::harness::{Engine, Gate};
use crate::wire::Wire;

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_run_is_made_of_actions() {
    let run = "ALLOW_CREATE ALLOW_ATTACH ALLOW_WAIT ALLOW_START";
    for gate in Gate::each(run) {
        assert_eq!(gate.sh("docker run --rm busybox echo hi"), "hi");
        assert_eq!(gate.sh("echo x | docker run -i --rm busybox cat"), "x");
        let list = "GET /containers/json is not allowed: set ALLOW_LIST=1, or CONTAINERS=1";
        gate.refused("docker ps", 1, list);
    }
    for gate in Gate::each("ALLOW_CREATE ALLOW_ATTACH ALLOW_WAIT") {
        let start = "is not allowed: set ALLOW_START=1, or CONTAINERS=1 and POST=1";
        gate.refused("docker run --name $N busybox true", 125, start);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn an_exec_works_by_its_action() {
    let owner = Gate::new("CONTAINERS POST");
    let name = owner.sh("docker run -d --name $N busybox sleep 600 >/dev/null; echo $N");
    // The CLI looks at the container first.
    for gate in Gate::each("ALLOW_EXEC ALLOW_INSPECT") {
        assert_eq!(gate.sh(&format!("docker exec {name} echo hi")), "hi");
        assert_eq!(
            gate.run(&format!("docker exec {name} sh -c 'exit 7'")).code,
            7
        );
        assert_eq!(gate.run(&format!("docker rm -f {name}")).code, 1);
    }
    for gate in Gate::each("CONTAINERS EXEC POST DENY_EXEC") {
        let denied = "is not allowed: DENY_EXEC is set; unset it to allow this request";
        gate.refused(&format!("docker exec {name} true"), 1, denied);
    }
}

/// A legacy link gives a container a second name, with a slash in it.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_linked_name_does_not_dodge_a_deny() {
    let owner = Gate::new("CONTAINERS POST");
    let names = owner.sh("docker run -d --name $N-db busybox sleep 600 >/dev/null
         docker run -d --name $N-web --link $N-db:db busybox sleep 600 >/dev/null; echo $N");
    let asked = |grants, path: &str| {
        let gate = Gate::new(grants);
        let mut client = Wire::tcp(gate.address);
        client.send(format!(
            "GET /containers/{names}-web{path} HTTP/1.1\r\nHost: docker\r\n\r\n"
        ));
        client.head().status()
    };
    for path in ["/db/json", "%2Fdb/json"] {
        assert_eq!(asked("CONTAINERS", path), 200, "{path}");
        assert_eq!(asked("CONTAINERS DENY_INSPECT", path), 403, "{path}");
        // An action grants one name, and this is none.
        assert_eq!(asked("ALLOW_INSPECT", path), 403, "{path}");
    }
    assert_eq!(asked("ALLOW_INSPECT", "/json"), 200);
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_preset_lets_the_cli_look_and_do_nothing_else() {
    let owner = Gate::new("CONTAINERS POST");
    let run = "docker run -d --name $N busybox sh -c 'echo hello; sleep 600' >/dev/null; echo $N";
    let name = owner.sh(run);
    for gate in Gate::each("PRESET=docker-read") {
        for command in [
            "docker ps -a",
            "docker inspect NAME",
            "docker inspect busybox bridge",
            "docker logs NAME",
            "docker top NAME",
            "docker stats --no-stream NAME",
            "docker diff NAME",
            "docker port NAME",
            "docker images",
            "docker history busybox",
            "docker network ls",
            "docker network inspect bridge",
            "docker volume ls",
            "docker info",
            "docker version",
            "docker system df -v",
            "docker events --since 1 --until 2",
            "docker plugin ls",
        ] {
            gate.sh(&command.replace("NAME", &name));
        }
        for (command, route) in [
            ("docker stop NAME", "POST /containers/NAME/stop"),
            ("docker rm -f NAME", "DELETE /containers/NAME"),
            ("docker exec NAME true", "POST /containers/NAME/exec"),
            ("docker export NAME", "GET /containers/NAME/export"),
            ("docker save busybox", "GET /images/get"),
            ("docker cp NAME:/etc -", "GET /containers/NAME/archive"),
            ("docker volume create x", "POST /volumes/create"),
            ("docker pull busybox", "POST /images/create"),
        ] {
            let ran = gate.run(&format!("{} | cat", command.replace("NAME", &name)));
            let reason = route.replace("NAME", &name) + " is not allowed: set ALLOW_";
            assert!(ran.stderr.contains(&reason), "{command}: {ran:?}");
        }
    }
}

/// What passes by an action is just what the engine takes without reading the body.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_start_passes_with_just_the_bodies_that_the_engine_leaves_unread() {
    let owner = Gate::new("CONTAINERS POST");
    let name = owner.sh("docker run -d --name $N busybox sleep 600 >/dev/null; echo $N");
    let gate = Gate::new("ALLOW_START");
    let mut direct = Wire::unix(&Engine::shared().socket());
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    let sized = |kind: &str, body: &str| {
        let length = body.len();
        format!("{kind}Content-Length: {length}\r\n\r\n{body}")
    };
    let mut client = Wire::tcp(gate.address);
    for version in ["", "/v1.41", "/v1.24", "/v1.23"] {
        for (rest, unread) in [
            (sized("", ""), true),
            (sized(json, "{}"), true),
            (sized(form, "{}"), true),
            (sized("", "{}"), true),
            (sized(form, "t=1&a=b"), true),
            (sized("", "1234567"), true),
            (sized(json, "12345678"), false),
            (sized(form, "checkpoint=c"), false),
            (
                format!("{json}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                false,
            ),
            (
                format!("{json}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
                false,
            ),
        ] {
            let line = format!("POST {version}/containers/{name}/start HTTP/1.1");
            let start = format!("{line}\r\nHost: docker\r\n{rest}");
            direct.send(&start);
            // It runs, so what is taken changes nothing.
            let status = direct.response().status();
            let read = version == "/v1.23" && start.ends_with("2\r\n{}\r\n0\r\n\r\n");
            assert_eq!(status == 304, unread || read, "{start}: {status}");
            client.send(&start);
            let status = client.response().status();
            assert_eq!(status, if unread { 304 } else { 403 }, "{start}");
            if !unread {
                client = Wire::tcp(gate.address);
            }
        }
    }
    owner.sh(&format!("docker rm -f {name}"));
}

/// An empty value is none to the engine, in whatever spelling.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_key_counts_with_a_value_alone() {
    let owner = Gate::new("CONTAINERS POST");
    let name = owner.sh("docker run -d --name $N busybox sleep 600 >/dev/null; echo $N");
    let gate = Gate::new("ALLOW_TOP ALLOW_START ALLOW_PULL");
    let socket = Engine::shared().socket();
    let ask = |mut wire: Wire, method: &str, path: &str| {
        let head = "HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n";
        wire.send(format!("{method} {path} {head}"));
        let answer = wire.response();
        (answer.status(), answer.text())
    };
    let direct = |method: &str, path: &str| ask(Wire::unix(&socket), method, path);
    let gated = |method: &str, path: &str| ask(Wire::tcp(gate.address), method, path);

    let titles = |text: &str| text.split("\"Titles\":").nth(1).map(str::to_owned);
    let top = |query: &str| format!("/containers/{name}/top{query}");
    let plain = titles(&direct("GET", &top("")).1).expect("titles");
    for query in [
        "",
        "?ps_args=",
        "?ps_args",
        "?ps_args=&PS_ARGS=",
        "?%70s_args=",
    ] {
        let (status, text) = gated("GET", &top(query));
        assert_eq!(
            (status, titles(&text).as_ref()),
            (200, Some(&plain)),
            "{query}"
        );
    }
    for query in [
        "?ps_args=-o+pid",
        "?%70s_args=-o+pid",
        "?ps_args=-o+pid&ps_args=",
    ] {
        assert_ne!(
            titles(&direct("GET", &top(query)).1),
            Some(plain.clone()),
            "{query}"
        );
        assert_eq!(gated("GET", &top(query)).0, 403, "{query}");
    }
    let start = |query: &str| format!("/containers/{name}/start{query}");
    for query in [
        "?checkpoint=",
        "?checkpoint=&checkpoint-dir=",
        "?checkpoint",
    ] {
        assert_eq!(gated("POST", &start(query)).0, 304, "{query}");
    }
    assert_eq!(gated("POST", &start("?checkpoint-dir=/")).0, 403);
    // Without a source, an import is none.
    let create = "/images/create?repo=x&fromSrc=";
    assert_eq!(gated("POST", create), direct("POST", create));
    assert_eq!(gated("POST", &format!("{create}-")).0, 403);
    owner.sh(&format!("docker rm -f {name}"));
}
