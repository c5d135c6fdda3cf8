//! Recorded containers (`tests/inspects`) are judged as their creates are: those that made them, and
//! those that a program makes of them that sends inspects back, as Portainer and Watchtower do.

use std::fs;

use dockgate::api::fields::{BODIES, Reach};
use dockgate::body::Place;
use dockgate::body::json::{Limits, read};
use dockgate::body::reach::{Claim, Engine, Reference, asked, held};
use serde_json::{Value, json};

/// How each was created, and whether that reaches something.
const MADE: &[(u32, &str, bool)] = &[
    (1, r#"{"Image":"busybox"}"#, false),
    (
        2,
        r#"{"Image":"busybox","AttachStdin":true,"ExposedPorts":{"80/tcp":{}},"Tty":true,"OpenStdin":true,"StdinOnce":true,
            "HostConfig":{"Binds":["cache:/c"],"NetworkMode":"none","PortBindings":{"80/tcp":[{"HostPort":"8080"}]},
            "RestartPolicy":{"Name":"always"},"ExtraHosts":["h:host-gateway"],"SecurityOpt":["no-new-privileges"],
            "Tmpfs":{"/t":""},"ShmSize":1048576,"Memory":67108864,"Init":true,
            "Mounts":[{"Type":"volume","Source":"v2","Target":"/v2"},{"Type":"tmpfs","Target":"/t2"}]}}"#,
        false,
    ),
    (
        3,
        r#"{"Image":"busybox","HostConfig":{"MaskedPaths":[],"ReadonlyPaths":[]}}"#,
        true,
    ),
    (
        4,
        r#"{"Image":"busybox","HostConfig":{"Privileged":true}}"#,
        true,
    ),
    (
        5,
        r#"{"Image":"busybox","Volumes":{"/x":{}},"HostConfig":{"Binds":["/etc:/h"]}}"#,
        true,
    ),
    (
        6,
        r#"{"Image":"busybox","HostConfig":{"IpcMode":"shareable","VolumesFrom":["c5"]}}"#,
        true,
    ),
    (
        7,
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"container:c1"}}"#,
        false,
    ),
    (
        8,
        r#"{"Image":"busybox","HostConfig":{"VolumeDriver":"local","Isolation":"default"}}"#,
        false,
    ),
    (
        10,
        r#"{"Image":"busybox","HostConfig":{"CapAdd":["CHOWN","NET_ADMIN"],
            "Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/null","CgroupPermissions":"rwm"}]}}"#,
        true,
    ),
];

/// Both were as Debian and Docker have them, on cgroup v1.
fn engine() -> Engine<'static> {
    Engine {
        known: true,
        runtime: "runc",
        log_driver: "json-file",
        host_cgroups: true,
        builtin_seccomp: true,
        plain_runtime: true,
        ..Engine::default()
    }
}

/// Whether something is left that gives control, once all that is referred to was looked up: c5 reaches
/// something, and the volumes, the networks and c1 do not.
fn reaches(claims: &[Claim]) -> bool {
    let mut controlling = claims
        .iter()
        .filter(|claim| !claim.reach.within(Reach::CONTROL).is_none());
    controlling.any(|claim| match claim.refers() {
        Some(Reference::Container(name)) => name == "c5",
        Some(_) => false,
        None => true,
    })
}

fn of_create(body: &str) -> bool {
    let mut bodies = BODIES.iter();
    let create = bodies.find(|body| body.route.text == "POST /containers/create");
    let create = create.expect("it is in the table");
    let tree = read(body.as_bytes(), Limits::default(), Place::of(create)).expect(body);
    reaches(&asked(create, &tree, &engine()).expect(body))
}

fn recorded(name: &str) -> String {
    let path = format!("{}/tests/inspects/{name}.json", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).expect(&path)
}

#[test]
fn containers_are_judged_as_the_creates_that_made_them() {
    for (number, create, expected) in MADE {
        assert_eq!(of_create(create), *expected, "{create}");
        for engine_name in ["engine20", "engine29"] {
            let name = format!("{engine_name}-{number}");
            let text = recorded(&name);
            let inspect = read(text.as_bytes(), Limits::default(), Place::of_inspect());
            let claims = held(&inspect.expect("an inspect"), &engine()).expect("an inspect");
            assert_eq!(reaches(&claims), *expected, "{name}");
        }
    }
    let recordings = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inspects"));
    let recordings = recordings.expect("a directory").count() - 1;
    assert_eq!(recordings, MADE.len() * 2, "each has its row");
}

#[test]
fn an_inspect_that_is_sent_back_is_judged_as_its_create() {
    for (number, _, expected) in MADE {
        for engine_name in ["engine20", "engine29"] {
            let name = format!("{engine_name}-{number}");
            let inspect: Value = serde_json::from_str(&recorded(&name)).expect("JSON");
            let mut body = inspect["Config"].clone();
            body["HostConfig"] = inspect["HostConfig"].clone();
            body["NetworkingConfig"] =
                json!({ "EndpointsConfig": inspect["NetworkSettings"]["Networks"] });
            assert_eq!(of_create(&body.to_string()), *expected, "{name}");
        }
    }
}
