//! Requests that limits are about, with and without `DENY_ROOT`.

use std::sync::Arc;

use super::{Engine, id, told_by};
use crate::api::sections::{CONTROLS, Check, LIMITED};
use crate::api::{Framing, Message, Target};
use crate::body::demands::Demands;
use crate::body::limits::Limits;
use crate::body::limits::tests::properties::GROWING;
use crate::policy::Term;

/// What becomes of a request under limits (`BIND_FROM=/srv; DENY_ROOT=1`), as config attaches them.
pub(super) fn limited(
    limits: &str,
    line: &str,
    body: &str,
    engine: &Engine,
) -> (String, Vec<String>) {
    let set: Vec<(&str, &str)> = limits
        .split("; ")
        .filter_map(|one| one.split_once('='))
        .collect();
    let of = |name: &str| {
        set.iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| *value)
    };
    let deny_root = of("DENY_ROOT").is_some();
    let limits = Limits::read(deny_root, of).expect("limits");
    let (method, path) = line.split_once(' ').expect("a line");
    let target = Target::from_line(method, path).expect("a target");
    let at = |route: &crate::api::sections::Route| {
        route.method == target.method() && route.spans(route.method.expect("one"), target.path())
    };
    let of_limits = LIMITED.iter().filter(|one| {
        let is_set = one.limits.iter().any(|limit| of(limit).is_some());
        is_set && one.routes.iter().any(at)
    });
    let mut terms: Vec<Term> = of_limits
        .flat_map(|one| one.judged.iter().map(|check| Term::Limits(*check)))
        .collect();
    let controls = CONTROLS
        .iter()
        .filter(|one| deny_root && one.routes.iter().any(at));
    terms.extend(controls.flat_map(|one| one.judged.iter().map(|check| Term::DenyRoot(*check))));
    let demands = Arc::new(Demands {
        limits: Some(limits),
        ..Demands::default()
    });
    let message = match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    };
    told_by(&terms, demands, line, message, body, engine)
}

fn create(limits: &str, config: &str, engine: &Engine) -> String {
    let body = format!(r#"{{"Image":"busybox","HostConfig":{{{config}}}}}"#);
    let (told, _) = limited(limits, "POST /containers/create", &body, engine);
    match told.strip_prefix(r#"/containers/create {"Image":"busybox","HostConfig":{"#) {
        Some(rest) => rest.strip_suffix("}}").unwrap_or(rest).to_owned(),
        None => told,
    }
}

fn image(engine: Engine, name: &str, rest: &str) -> Engine {
    let id = id('a');
    let text =
        format!(r#"{{"Id":"sha256:{id}","RepoTags":["{name}:latest"],"Config":{{{rest}}}}}"#);
    engine.with(&format!("/images/{name}/json"), text)
}

#[test]
fn what_a_limit_lists_passes_and_all_else_is_named() {
    let engine = Engine::default()
        .container("web", '1', "", "")
        .container("root", '2', r#""Privileged":true"#, "")
        .with("/networks/ci-1", r#"{"Name":"ci-1","Driver":"macvlan"}"#)
        .with("/networks/db", r#"{"Name":"db","Driver":"macvlan"}"#)
        .volume(
            "host",
            r#""Driver":"local","Options":{"type":"none","o":"bind","device":"/etc"}"#,
            &['2'],
        );
    let one = id('1');
    for (limits, config, told) in [
        (
            "BIND_FROM=/srv/ci",
            r#""Binds":["/srv/ci:/x"]"#,
            r#""Binds":["/srv/ci:/x"]"#,
        ),
        (
            "BIND_FROM=/srv/ci",
            r#""Binds":["/etc:/x"]"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci",
        ),
        (
            "BIND_FROM=/srv/ci",
            r#""Binds":["/etc:/x"],"NextYear":1"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci; \
             HostConfig.NextYear: 1 is not allowed: BIND_FROM has /srv/ci",
        ),
        // Without DENY_ROOT only what is limited is judged, and only where it is set.
        (
            "MEMORY_MAX=64m",
            r#""Privileged":true,"NextYear":1"#,
            r#""Privileged":true,"NextYear":1,"Memory":67108864"#,
        ),
        (
            "BIND_FROM=/srv",
            r#""Binds":["host:/x"]"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv",
        ),
        (
            "BIND_FROM=/etc",
            r#""Binds":["host:/x"]"#,
            r#""Binds":["host:/x"]"#,
        ),
        (
            "VOLUMES_NAMED=host",
            r#""Binds":["host:/x"]"#,
            r#""Binds":["host:/x"]"#,
        ),
        (
            "NAMESPACES=pid:container:web",
            r#""PidMode":"container:root""#,
            "HostConfig.PidMode: container:root is not allowed: NAMESPACES has pid:container:web",
        ),
        (
            "DENY_ROOT=1",
            r#""Binds":["/srv/ci:/x"]"#,
            "DENY_ROOT: HostConfig.Binds[0] \"/srv/ci:/x\" reaches the host's files (BIND_FROM can allow it)",
        ),
        (
            "DENY_ROOT=1; BIND_FROM=/srv/ci",
            r#""Binds":["/srv/ci:/x"]"#,
            r#""Binds":["/srv/ci:/x"]"#,
        ),
        (
            "DENY_ROOT=1; BIND_FROM=/srv/ci",
            r#""Privileged":true,"Binds":["/etc:/x"]"#,
            "HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci; DENY_ROOT: \
             HostConfig.Privileged true reaches the host's devices, the kernel",
        ),
        (
            "DENY_ROOT=1; CAP_ADD=NET_ADMIN",
            r#""CapAdd":["NET_ADMIN"],"Binds":["/:/x"],"Devices":[{"PathOnHost":"/dev/sda"}]"#,
            "DENY_ROOT: HostConfig.Binds[0] \"/:/x\" reaches the host's files (BIND_FROM can allow it); \
             HostConfig.Devices[0] {\"PathOnHost\":\"/dev/sda\"} reaches the host's devices (DEVICES can allow it)",
        ),
        (
            "DENY_ROOT=1; NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"ci-1""#,
            r#""NetworkMode":"ci-1""#,
        ),
        (
            "DENY_ROOT=1; NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"db""#,
            "HostConfig.NetworkMode: db is not allowed: NETWORKS_JOINED has ci-*",
        ),
        (
            "DENY_ROOT=1",
            r#""NetworkMode":"db""#,
            "DENY_ROOT: network db: Driver \"macvlan\" reaches the host's devices, networks of others (NETWORK_DRIVERS can allow it)",
        ),
        (
            "DENY_ROOT=1; NAMESPACES=network:host",
            r#""NetworkMode":"host""#,
            r#""NetworkMode":"host""#,
        ),
        (
            "DENY_ROOT=1; NAMESPACES=network:host",
            r#""PidMode":"host","CapAdd":["SYS_ADMIN","KILL"],"Sysctls":{"net.core.somaxconn":"1","kernel.core_pattern":"x"}"#,
            "HostConfig.PidMode: host is not allowed: NAMESPACES has network:host; \
             DENY_ROOT: HostConfig.CapAdd[0] \"SYS_ADMIN\" reaches the kernel (CAP_ADD can allow it); \
             HostConfig.Sysctls[\"kernel.core_pattern\"] \"x\" reaches the kernel (SYSCTLS can allow it)",
        ),
        (
            "DENY_ROOT=1; NAMESPACES=network:host",
            r#""Annotations":{"a":"b"},"NewField":1"#,
            "HostConfig.NewField: 1 is not allowed: NAMESPACES has network:host; \
             DENY_ROOT: HostConfig.Annotations.a \"b\" reaches the kernel",
        ),
        (
            "DENY_ROOT=1; NAMESPACES=network:host",
            r#""LogConfig":{"Type":"local"},"Memory":1,"PortBindings":{"80/tcp":[{}]}"#,
            r#""LogConfig":{"Type":"local"},"Memory":1,"PortBindings":{"80/tcp":[{}]}"#,
        ),
        // A volume that a powerful container has is that one's, unless it is named.
        (
            "DENY_ROOT=1; BIND_FROM=/etc",
            r#""Binds":["host:/x"]"#,
            "DENY_ROOT: container 2222222222222222222222222222222222222222222222222222222222222222: \
             HostConfig.Privileged true reaches the host's devices, the kernel",
        ),
        (
            "DENY_ROOT=1; VOLUMES_NAMED=host",
            r#""Binds":["host:/x"]"#,
            r#""Binds":["host:/x"]"#,
        ),
    ] {
        assert_eq!(create(limits, config, &engine), told, "{limits}: {config}");
    }
    let pinned = |limits: &str, name: &str| {
        create(limits, &format!(r#""PidMode":"container:{name}""#), &engine)
    };
    for limits in [
        "NAMESPACES=pid:container:web",
        "DENY_ROOT=1; NAMESPACES=pid:container:web",
    ] {
        assert_eq!(
            pinned(limits, "web"),
            format!(r#""PidMode":"container:{one}""#)
        );
    }
    // A limit about something else leaves names of containers alone.
    let links = r#""Links":["web:web"]"#;
    let engine = image(engine, "busybox", r#""User":"7""#);
    let told = create("RUN_AS=7", links, &engine);
    assert!(told.starts_with(links), "{told}");
}

/// A client may move a name that is listed to any container.
#[test]
fn a_name_opens_no_container() {
    let engine = Engine::default()
        .container("web", '2', r#""Privileged":true"#, "")
        .container("ci-1", '1', r#""PidMode":"container:web""#, "");
    for name in ["web", "ci-1"] {
        let told = create(
            "DENY_ROOT=1; NAMESPACES=pid:container:web, pid:container:ci-*",
            &format!(r#""PidMode":"container:{name}""#),
            &engine,
        );
        assert!(
            told.contains("HostConfig.Privileged true reaches"),
            "{told}"
        );
    }
}

/// Who has the network of a container is in all networks of that one.
#[test]
fn the_networks_of_a_container_count() {
    let in_networks = |engine: Engine, name: &str, digit: char, mode: &str, networks: &str| {
        let id = id(digit);
        let inspect = format!(
            r#"{{"Id":"{id}","Name":"/{name}","HostConfig":{{"NetworkMode":"{mode}"}},"Mounts":[],"NetworkSettings":{{"Networks":{{{networks}}}}}}}"#
        );
        engine
            .with(&format!("/containers/{name}/json"), inspect.clone())
            .with(&format!("/containers/{id}/json"), inspect)
    };
    let (ci, prod, bridge) = ("c".repeat(64), "d".repeat(64), "b".repeat(64));
    let at = |name: &str, id: &str| format!(r#""{name}":{{"NetworkID":"{id}"}}"#);
    let engine = Engine::default()
        .network("ci-net", "c", "")
        .network("prod", "d", "")
        .network("bridge", "b", "");
    let engine = in_networks(engine, "own", '1', "ci-net", &at("ci-net", &ci));
    let engine = in_networks(engine, "vic", '2', "prod", &at("prod", &prod));
    let both = [at("ci-net", &ci), at("prod", &prod)].join(",");
    let engine = in_networks(engine, "both", '3', "ci-net", &both);
    let engine = in_networks(engine, "plain", '4', "default", &at("bridge", &bridge));
    let engine = in_networks(
        engine,
        "new",
        '5',
        "default",
        r#""default":{"NetworkID":""}"#,
    );
    let engine = in_networks(engine, "named", '6', "prod", r#""prod":{"NetworkID":""}"#);
    let engine = in_networks(
        engine,
        "through",
        '7',
        &format!("container:{}", id('2')),
        "",
    );
    let engine = in_networks(engine, "alone", '8', "none", "");
    // The key is not what counts.
    let engine = in_networks(engine, "false", '9', "ci-net", &at("ci-net", &prod));
    let engine = in_networks(engine, "host", '0', "host", r#""host":{"NetworkID":""}"#);
    for (name, digit) in [("own", '1'), ("plain", '4'), ("new", '5'), ("alone", '8')] {
        let told = create(
            "NETWORKS_JOINED=ci-*",
            &format!(r#""NetworkMode":"container:{name}""#),
            &engine,
        );
        let pinned = format!(r#""NetworkMode":"container:{}""#, id(digit));
        assert_eq!(told, pinned, "{name}");
    }
    for limits in [
        "NETWORKS_JOINED=ci-*",
        "DENY_ROOT=1; NETWORKS_JOINED=ci-*",
        "NETWORKS_JOINED=ci-*; NAMESPACES=network:container:*",
    ] {
        for name in ["vic", "both", "named", "through", "false", "missing"] {
            let mode = format!("container:{name}");
            let told = create(limits, &format!(r#""NetworkMode":"{mode}""#), &engine);
            assert_eq!(
                told,
                format!("HostConfig.NetworkMode: {mode} is not allowed: NETWORKS_JOINED has ci-*"),
                "{limits}"
            );
        }
    }
    let told = create(
        "NETWORKS_JOINED=ci-*",
        r#""NetworkMode":"container:host""#,
        &engine,
    );
    assert!(told.contains("container:host is not allowed"), "{told}");
    let build = |of: &str| {
        let line = format!("POST /build?networkmode=container:{of}");
        limited("NETWORKS_JOINED=ci-*", &line, "", &engine).0
    };
    assert!(build(&id('1')).ends_with(" as sent"));
    let vic = build(&id('2'));
    assert!(
        vic.ends_with("... is not allowed: NETWORKS_JOINED has ci-*"),
        "{vic}"
    );
    assert_eq!(
        build("own"),
        "the limits: the parameter networkmode container:own is not allowed: name the container by its full ID"
    );
}

/// What is connected is the network in the body, if there is one.
#[test]
fn the_body_of_a_connection_is_limited() {
    let engine = Engine::default()
        .network("ci-net", "c", "")
        .network("prod", "d", "");
    let connect = |limits: &str, endpoint: &str| {
        let body = format!(r#"{{"Container":"vic","EndpointConfig":{{{endpoint}}}}}"#);
        limited(limits, "POST /networks/ci-net/connect", &body, &engine).0
    };
    let passes = |endpoint: &str| {
        let (id, body) = (
            "c".repeat(64),
            format!(r#"{{"Container":"vic","EndpointConfig":{{{endpoint}}}}}"#),
        );
        format!("/networks/{id}/connect {body}")
    };
    let limits = "NETWORKS_JOINED=ci-*";
    for id in ["prod", &"d".repeat(64)] {
        assert_eq!(
            connect(limits, &format!(r#""NetworkID":"{id}""#)),
            format!("EndpointConfig.NetworkID: {id} is not allowed: NETWORKS_JOINED has ci-*")
        );
    }
    for endpoint in ["", r#""Aliases":["a"]"#, r#""NetworkID":"ci-net""#] {
        assert_eq!(connect(limits, endpoint), passes(endpoint));
    }
    let option = r#""DriverOpts":{"com.docker.network.endpoint.sysctls":"net.ipv4.x=1"}"#;
    for limits in ["SYSCTLS=none", "SECURITY=none"] {
        assert!(
            connect(limits, option).contains("is not allowed"),
            "{limits}"
        );
    }
}

#[test]
fn what_is_missing_is_written_in() {
    let engine = image(Engine::default(), "busybox", r#""User":"1000""#);
    let (told, asked) = limited(
        "RUN_AS=nonroot; MEMORY_MAX=64m",
        "POST /containers/create",
        r#"{"Image":"busybox"}"#,
        &engine,
    );
    assert_eq!(
        told,
        r#"/containers/create {"Image":"busybox","HostConfig":{"Memory":67108864},"User":"1000"}"#
    );
    assert_eq!(asked, ["/images/busybox/json"]);
    let root = image(Engine::default(), "busybox", "");
    let (told, _) = limited(
        "RUN_AS=nonroot",
        "POST /containers/create",
        r#"{"Image":"busybox"}"#,
        &root,
    );
    assert_eq!(told, "User: root is not allowed: RUN_AS has nonroot");
    // A command has the user of its container, which is then the one that was looked at.
    let inspect = format!(
        r#"{{"Id":"{}","Name":"/web","HostConfig":{{}},"Mounts":[],"Config":{{"User":"1000"}}}}"#,
        id('1')
    );
    let engine = Engine::default().with("/containers/web/json", inspect);
    let exec =
        |limits: &str, body: &str| limited(limits, "POST /containers/web/exec", body, &engine).0;
    assert_eq!(
        exec("RUN_AS=nonroot", r#"{"Cmd":["ls"]}"#),
        format!(
            r#"/containers/{}/exec {{"Cmd":["ls"],"User":"1000"}}"#,
            id('1')
        )
    );
    assert_eq!(
        exec("RUN_AS=nonroot", r#"{"Cmd":["ls"],"User":"0"}"#),
        "User: 0 is not allowed: RUN_AS has nonroot"
    );
    let commands = r#"EXEC_COMMANDS=["ls"]"#;
    assert_eq!(
        exec(commands, r#"{"Cmd":["ls"]}"#),
        r#"/containers/web/exec {"Cmd":["ls"]}"#
    );
    assert_eq!(
        exec(commands, r#"{"Cmd":["sh"]}"#),
        r#"Cmd: ["sh"] is not allowed: EXEC_COMMANDS has ["ls"]"#
    );
}

#[test]
fn a_command_is_judged_by_how_it_was_created() {
    let exec = |config: &str| {
        let (exec, container) = (id('e'), id('1'));
        let text = format!(
            r#"{{"ID":"{exec}","ContainerID":"{container}","ProcessConfig":{{{config}}}}}"#
        );
        Engine::default()
            .container("web", '1', "", "")
            .with(&format!("/exec/{exec}/json"), text)
    };
    let line = format!("POST /exec/{}/start", id('e'));
    let passes = format!("/exec/{}/start as sent", id('e'));
    let told = |limits: &str, config: &str| limited(limits, &line, "", &exec(config)).0;
    let ls = r#""entrypoint":"ls","arguments":["-l"],"privileged":false,"user":"7""#;
    for (limits, config, expected) in [
        (r#"EXEC_COMMANDS=["ls", "*"]"#, ls, ""),
        (
            r#"EXEC_COMMANDS=["ls"]"#,
            ls,
            r#"Cmd: ["ls","-l"] is not allowed: EXEC_COMMANDS has ["ls"]"#,
        ),
        ("RUN_AS=nonroot", ls, ""),
        (
            "RUN_AS=1000-1999",
            ls,
            "User: 7 is not allowed: RUN_AS has 1000-1999",
        ),
        // Without a user it is root.
        (
            "RUN_AS=nonroot",
            r#""entrypoint":"ls""#,
            "User: root is not allowed: RUN_AS has nonroot",
        ),
        ("RUN_AS=0", r#""entrypoint":"ls""#, ""),
        (
            "CAP_ADD=KILL",
            r#""entrypoint":"ls","privileged":true"#,
            "Privileged: true is not allowed: CAP_ADD has KILL",
        ),
        ("DENY_ROOT=1; RUN_AS=nonroot", ls, ""),
    ] {
        let expected = match expected {
            "" => passes.clone(),
            why => format!("exec {}: {why}", id('e')),
        };
        let told = told(limits, config);
        assert_eq!(told, expected, "{limits} {config}");
    }
}

/// What a client may create it may also enter.
#[test]
fn what_limits_open_is_open_in_a_container_that_exists() {
    let engine = Engine::default()
        .container(
            "own",
            '1',
            r#""CapAdd":["CAP_NET_ADMIN"]"#,
            r#"{"Type":"bind","Source":"/srv/ci","RW":true},{"Type":"volume","Name":"cache","Driver":"local","RW":true}"#,
        )
        .volume("cache", r#""Driver":"local","Options":{"type":"nfs","o":"addr=x","device":":/"}"#, &['2'])
        .container("root", '2', r#""Privileged":true"#, "");
    let exec = |limits: &str| {
        limited(
            limits,
            "POST /containers/own/exec",
            r#"{"Cmd":["sh"]}"#,
            &engine,
        )
        .0
    };
    let passes = format!(r#"/containers/{}/exec {{"Cmd":["sh"]}}"#, id('1'));
    assert_eq!(
        exec("DENY_ROOT=1; BIND_FROM=/srv/ci; CAP_ADD=NET_ADMIN; VOLUMES_NAMED=cache"),
        passes
    );
    assert_eq!(
        exec("DENY_ROOT=1; BIND_FROM=/srv; CAP_ADD=NET_ADMIN; VOLUMES_NAMED=cache"),
        "DENY_ROOT: container own: Mounts[0] {\"Type\":\"bind\",\"Source\":\"/srv/ci\",\"RW\":true} \
         reaches the host's files (BIND_FROM can allow it)"
    );
    assert!(exec("DENY_ROOT=1; BIND_FROM=/srv/ci; CAP_ADD=NET_ADMIN").contains("volume cache"));
    // A limit closes nothing of what is there.
    assert_eq!(
        exec("PIDS_MAX=7; CAP_ADD=KILL"),
        r#"/containers/own/exec {"Cmd":["sh"]}"#
    );
}

#[test]
fn names_in_queries_are_limited() {
    let engine = image(Engine::default().network("ci", "c", ""), "busybox", "");
    let told = |limits: &str, line: &str| limited(limits, line, "", &engine).0;
    let from = "IMAGE_FROM=docker.io/library/*";
    for (limits, line, expected) in [
        (from, "POST /images/create?fromImage=busybox&tag=1", ""),
        (
            from,
            "POST /images/create?fromImage=me%2fapp&tag=1",
            "fromImage: me/app:1 is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        (
            from,
            "POST /images/create?fromimage=me%2fapp&fromImage=busybox",
            "the limits cannot judge it: its query has fromImage in another case",
        ),
        (
            from,
            "POST /images/create?fromImage=busybox&fromImage=x",
            "the limits cannot judge it: its query has fromImage more than once",
        ),
        (
            from,
            "POST /images/create?fromSrc=-&repo=x",
            "fromSrc: import is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        (
            from,
            "POST /images/create?fromSrc=-&fromImage=busybox",
            "the limits cannot judge it: its query has both fromImage and fromSrc",
        ),
        (
            "TAG_AS=ci/*",
            "POST /images/create?fromSrc=-&repo=x",
            "repo: x is not allowed: TAG_AS has ci/*",
        ),
        ("TAG_AS=ci/*", "POST /images/create?fromImage=busybox", ""),
        (
            from,
            "POST /images/load",
            "image: load is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        ("IMAGE_FROM=load", "POST /images/load", ""),
        (
            "TAG_AS=ci/*",
            "POST /images/busybox/tag?repo=ci%2fx&tag=1",
            "",
        ),
        (
            "TAG_AS=ci/*",
            "POST /images/busybox/tag?repo=nginx",
            "repo: nginx is not allowed: TAG_AS has ci/*",
        ),
        (
            "TAG_AS=ci/*",
            "POST /v1.41/images/busybox/tag?repo=ci%2fx%3a1&tag=2",
            "",
        ),
        (from, "POST /images/busybox/tag?repo=nginx", ""),
        (
            from,
            "POST /images/evil%2fx/tag?repo=nginx",
            "the image: evil/x is not allowed: IMAGE_FROM has docker.io/library/*",
        ),
        (
            "TAG_AS=ci/*",
            "POST /commit?container=x&repo=nginx",
            "repo: nginx is not allowed: TAG_AS has ci/*",
        ),
        ("TAG_AS=ci/*", "POST /commit?container=x", ""),
        (
            "TAG_AS=ci/*",
            "POST /build?t=ci%2fa&t=nginx",
            "t: nginx is not allowed: TAG_AS has ci/*",
        ),
        (
            "TAG_AS=ci/*",
            "POST /build?t=ci%2fa&version=2",
            "the parameter version 2 chooses BuildKit, which cannot be judged; set DOCKER_BUILDKIT=0",
        ),
        (
            "TAG_AS=ci/*",
            "POST /build?volume=%2f",
            "the parameter volume / is unknown",
        ),
        (
            "NAMESPACES=none",
            "POST /build?networkmode=host",
            "the parameter networkmode: host is not allowed: NAMESPACES has none",
        ),
        (
            "NAMESPACES=network:host",
            "POST /build?networkmode=host",
            "",
        ),
        (
            "SECURITY=none",
            "POST /build?securityopt=%5B%22seccomp=unconfined%22%5D",
            "the parameter securityopt: seccomp=unconfined is not allowed: SECURITY has none",
        ),
        (
            "NETWORKS_JOINED=ci",
            "POST /networks/db/connect",
            "the network: db is not allowed: NETWORKS_JOINED has ci",
        ),
        (
            "NAMESPACES=pid:container:web",
            "POST /containers/x/rename?name=%2fweb",
            "name: /web is not allowed: NAMESPACES lists it, so no container can be renamed to it",
        ),
        (
            "DENY_ROOT=1; NAMESPACES=pid:container:ci-*",
            "POST /containers/x/rename?name=ci-1",
            "name: ci-1 is not allowed: NAMESPACES lists it, so no container can be renamed to it",
        ),
        (
            "NAMESPACES=pid:container:web",
            "POST /containers/x/rename?name=a&name=web",
            "the limits cannot judge it: its query has name more than once",
        ),
        (
            "NAMESPACES=pid:container:web",
            "POST /containers/web/rename?name=old",
            "",
        ),
        (
            "NETWORKS_JOINED=ci",
            "POST /build?networkmode=host",
            "the parameter networkmode: host is not allowed: NETWORKS_JOINED has ci",
        ),
    ] {
        let told = told(limits, line);
        match expected {
            "" => assert!(told.ends_with(" as sent"), "{limits} {line}: {told}"),
            why => assert_eq!(
                told,
                match why.starts_with("the parameter version") || why.ends_with("is unknown") {
                    true => format!("the limits: {why}"),
                    false => why.to_owned(),
                },
                "{limits} {line}"
            ),
        }
    }
}

#[test]
fn the_images_of_a_build_are_judged_while_it_streams() {
    let engine = image(Engine::default(), "busybox", "");
    let engine = image(engine, "trap", r#""OnBuild":["COPY --from=evil/x /a /b"]"#);
    let engine = image(engine, "evil/x", "");
    let build = |query: &str, file: &str| {
        let line = format!("POST /build?{query}");
        limited("IMAGE_FROM=docker.io/library/*", &line, file, &engine)
    };
    assert_eq!(
        build("t=a", "FROM busybox\nRUN x\n"),
        ("passes".to_owned(), vec!["/images/busybox/json".to_owned()])
    );
    let not = "is not allowed: IMAGE_FROM has docker.io/library/*";
    for (query, file, told) in [
        ("", "FROM scratch\n", "passes".to_owned()),
        ("", "FROM nginx\n", "passes".to_owned()),
        ("", "FROM busybox\nFROM evil/x\n", format!("Dockerfile line 2: evil/x {not}")),
        ("", "FROM busybox\nCOPY --from=evil/x a b\n", format!("Dockerfile line 2: evil/x {not}")),
        ("", "FROM trap\n", format!("ONBUILD of trap: evil/x {not}")),
        ("buildargs=%7B%22A%22:%22evil/x%22%7D", "ARG A=busybox\nFROM $A\n", format!("Dockerfile line 2: evil/x {not}")),
        ("buildargs=%7B%22A%22:1%7D", "FROM busybox\n", "the limits cannot judge it: a parameter of the build is not the JSON that the engine reads".to_owned()),
        ("cachefrom=%5B%22evil/x%22%5D", "FROM busybox\n", format!("the parameter cachefrom: evil/x {not}")),
        ("remote=http://x", "FROM busybox\n", "the limits: the parameter remote http://x is not allowed: a Dockerfile from elsewhere cannot be judged".to_owned()),
        ("dockerfile=other", "FROM busybox\n", "IMAGE_FROM cannot judge it: the build context has no Dockerfile".to_owned()),
        ("", "FROM busybox\nRUN <<EOF\nEOF\n", "IMAGE_FROM cannot judge it: Dockerfile line 2: has a here-document, which needs BuildKit".to_owned()),
    ] {
        assert_eq!(build(query, file).0, told, "{query} {file}");
    }
}

/// One more term never lets more pass if it lists nothing, and an entry more never lets less pass.
#[test]
fn a_term_more_never_lets_more_pass() {
    const PIECES: [&str; 16] = [
        r#""Binds":["/etc:/x"]"#,
        r#""Binds":["data:/x"]"#,
        r#""VolumesFrom":["web"]"#,
        r#""VolumeDriver":"sshfs""#,
        r#""CapAdd":["SYS_ADMIN"]"#,
        r#""Privileged":true"#,
        r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
        r#""PidMode":"host""#,
        r#""IpcMode":"container:root""#,
        r#""NetworkMode":"db""#,
        r#""SecurityOpt":["seccomp=unconfined"]"#,
        r#""Runtime":"runsc""#,
        r#""LogConfig":{"Type":"syslog"}"#,
        r#""Sysctls":{"net.ipv4.a":"1"}"#,
        r#""PortBindings":{"80/tcp":[{"HostPort":"80"}]}"#,
        r#""Memory":1073741824,"NextYear":1"#,
    ];
    let engine = Engine::default()
        .container("web", '1', "", "")
        .container("root", '2', r#""Privileged":true"#, "")
        .with("/networks/db", r#"{"Name":"db","Driver":"bridge"}"#)
        .volume("data", r#""Driver":"local","Options":null"#, &['1']);
    let passes = |limits: &str, piece: &str| {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{{piece}}}}}"#);
        let (told, _) = limited(limits, "POST /containers/create", &body, &engine);
        told.starts_with("/containers/create ")
    };
    let held = LIMITED.iter().find(|one| {
        one.routes
            .iter()
            .any(|route| route.text == "POST /containers/create")
    });
    let held = held.expect("limits of a create").limits;
    let (mut closed, mut opened) = (0, 0);
    for (variable, less, more) in GROWING {
        if !held.contains(&variable) {
            continue;
        }
        let [less, more] = [less, more].map(|entries| format!("{variable}={entries}"));
        for piece in PIECES {
            let passes = |limits: &str| passes(limits, piece);
            let under_root = |limits: &str| passes(&format!("DENY_ROOT=1; {limits}"));
            let (alone, both, root) = (passes(&less), under_root(&less), passes("DENY_ROOT=1"));
            assert!(!both || alone && root, "{less}: {piece}");
            let others = format!("{less}; PIDS_MAX=7; CAP_ADD=none");
            assert!(!passes(&others) || alone, "{others}: {piece}");
            let (grown, both_grown) = (passes(&more), under_root(&more));
            assert!(!alone || grown, "{more}: {piece}");
            assert!(!both || both_grown, "{more}: {piece}");
            assert!(!both_grown || grown, "{more}: {piece}");
            closed += usize::from(!alone);
            opened += usize::from(both_grown && !root);
        }
    }
    assert!(closed > 40, "{closed}");
    assert!(opened > 4, "{opened}");
}

/// Each term without its value, and each check on a route that is not its own, is refused.
#[test]
fn a_term_without_its_value_fails() {
    for check in [
        Check::Body,
        Check::Build,
        Check::Exec,
        Check::Load,
        Check::Pull,
        Check::Tag,
    ] {
        let told = told_by(
            &[Term::Limits(check)],
            Arc::default(),
            "POST /containers/create",
            Message::new(Framing::Chunked),
            "{}",
            &Engine::default(),
        );
        assert_eq!(told.0, "the limits cannot judge it: it cannot be judged");
    }
}
