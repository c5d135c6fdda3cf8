//! Rule lists in the running program: flags, two endpoints, files that are read again, and the log.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::policies::Many;
use crate::reload::{reload, status};
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{Dockgate, Engine, Wire};

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
}

#[test]
fn its_flags_are_all_it_needs() {
    let engine = Engine::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (file, socket) = (path("rules.list"), path("x.sock"));
    fs::write(
        &file,
        "! one\r\nPOST %API_PREFIX_CONTAINERS%/%CONTAINER_ID%/start\r\n",
    )
    .expect("written");
    let address = free_address();
    let tcp = format!("tcp://{address}");
    let unix = format!("unix://{}", socket.display());
    let backend = format!("unix://{}", engine.path().display());
    let file = file.to_str().expect("a plain path");
    let flags = [
        "-backend-addr",
        &backend,
        "-frontend-addr",
        &tcp,
        "-frontend-addr",
        &unix,
        "-rules-file",
        file,
        "--rules=GET %API_PREFIX%/events|/networks",
        "-log-level",
        "7",
    ];
    let dockgate = Dockgate::spawn(Dockgate::command(&[]).args(flags));
    dockgate.listens(&tcp);
    dockgate.listens(&unix);
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for (line, origin) in [
        ("HEAD /_ping", "built-in rule 1"),
        ("GET /v1.41/events", "-rules:1"),
        ("GET /networks", "-rules:1"),
        ("POST /v1.41/containers/4f1a/start", &*format!("{file}:2")),
    ] {
        for mut client in [Wire::tcp(address), Wire::unix(&socket)] {
            client.send(request(line));
            let (mut accepted, got) = engine.request();
            assert_eq!(got.head.line, format!("{line} HTTP/1.1"));
            accepted.send(EMPTY);
            assert_eq!(client.head().status(), 200);
        }
        dockgate.line(|line| line.contains(" allowed ") && line.contains(origin));
    }
    for (line, code) in [
        ("GET /v1.41/networks", 403),
        ("GET /networksX", 403),
        ("POST /v1.41/containers/web/start", 403),
        ("POST /v1.41/containers/4f1a/start/", 403),
        ("GET /x/../events", 400),
        ("GET /zz%0aforged", 400),
    ] {
        let mut client = Wire::tcp(address);
        client.send(request(line));
        let response = client.response();
        assert_eq!(response.status(), code, "{line}");
        let has_reason = response.text().contains("rule for");
        assert_eq!(has_reason, code == 403, "{line}: {}", response.text());
    }
    assert!(!dockgate.log().contains("\nforged"));
}

#[test]
fn files_of_rules_are_read_again() {
    let engine = Engine::start();
    let file = engine.directory().join("rules.list");
    let write = |text: &str| fs::write(&file, text).expect("written");
    write("GET /containers/json\n");
    let text = format!(
        "policies: {{ one: {{ CETUSGUARD_RULES_FILE: {} }} }}\n\
         endpoints: [{{ listen: \"{{tcp}}\", policy: one }}]\n",
        file.to_str().expect("a plain path")
    );
    let many = Many::with(engine, &text, &[]);
    let statuses = || ["/containers/json", "/images/json"].map(|path| status(&many, path));
    assert_eq!(statuses(), [200, 403]);
    write("GET /images/json\n");
    reload(&many, &text);
    assert_eq!(statuses(), [403, 200]);
    // A mistake changes nothing.
    write("GET /containers/json\nGET /(\n");
    let mistake = format!("{}:2: /( is not a valid pattern", file.display());
    many.dockgate
        .line(|line| line.contains(" err ") && line.contains(&mistake));
    assert_eq!(statuses(), [403, 200]);
}

#[test]
fn its_version_flag_has_one_hyphen() {
    for flags in [&["-version"][..], &["-log-level", "7", "-version"]] {
        let output = Dockgate::command(&[])
            .args(flags)
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            text.starts_with("dockgate ") && output.status.success(),
            "{flags:?}: {text}"
        );
    }
}
