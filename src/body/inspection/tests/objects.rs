//! What a request names: containers, execs, volumes, networks, services, and other clients.

use std::sync::Arc;

use super::{Engine, id, judged};
use crate::api::sections::Check;
use crate::body::inspection::Others;

const PLAIN: &str = r#""Driver":"local","Options":null"#;
const MOUNT: &str = r#"{"Type":"volume","Name":"data","Driver":"local","RW":true}"#;

#[test]
fn a_container_is_judged_by_what_it_holds_and_pinned() {
    let engine = Engine::default()
        .container("web", '1', "", "")
        .container("root", '2', r#""Privileged":true"#, "")
        .container("user", '3', "", MOUNT)
        .container("near", '4', r#""PidMode":"container:root""#, "")
        .container(
            "bound",
            '5',
            "",
            r#"{"Type":"bind","Source":"/etc","RW":false}"#,
        )
        .container("far", '6', r#""IpcMode":"container:near""#, "")
        .container("self", '7', r#""PidMode":"container:self""#, "")
        .with("/containers/odd/json", "{}")
        .with("/containers/broken/json", "[")
        .volume("data", PLAIN, &['3']);
    let one = id('1');
    for (checks, line, written) in [
        (
            &[Check::Container][..],
            "GET /v1.41/containers/web/archive?path=%2Fetc",
            format!("/v1.41/containers/{one}/archive?path=%2Fetc as sent"),
        ),
        (
            &[Check::Container],
            "POST /containers/user/attach?stream=1",
            format!("/containers/{}/attach?stream=1 as sent", id('3')),
        ),
        (
            &[Check::Container],
            "GET /containers/self/export",
            format!("/containers/{}/export as sent", id('7')),
        ),
        (
            &[Check::Container],
            "GET /containers/root/export",
            "DENY_ROOT: container root: HostConfig.Privileged true reaches the host's devices, \
             the kernel"
                .to_owned(),
        ),
        (
            &[Check::Container],
            "GET /containers/far/export",
            "DENY_ROOT: container root: HostConfig.Privileged true reaches the host's devices, \
             the kernel"
                .to_owned(),
        ),
        (
            &[Check::Container],
            "PUT /containers/bound/archive",
            "DENY_ROOT: container bound: Mounts[0] \
             {\"Type\":\"bind\",\"Source\":\"/etc\",\"RW\":false} reaches the host's files"
                .to_owned(),
        ),
        (
            &[Check::Container],
            "GET /containers/none/export",
            "404 no such thing".to_owned(),
        ),
        (
            &[Check::Container],
            "GET /containers/odd/export",
            "DENY_ROOT: container odd: its ID cannot be judged by what the engine says of it"
                .to_owned(),
        ),
        (
            &[Check::Container],
            "GET /containers/broken/export",
            "DENY_ROOT: its target cannot be judged by what the engine says of it".to_owned(),
        ),
        (
            &[Check::Container],
            "GET /containers/a/b/export",
            "DENY_ROOT cannot judge it: its path names nothing that the engine could have"
                .to_owned(),
        ),
        (
            &[Check::Container],
            "GET /v1.x/containers/web/export",
            "DENY_ROOT cannot judge it: its path has another version than those of Docker"
                .to_owned(),
        ),
    ] {
        assert_eq!(judged(checks, line, "", &engine).0, written, "{line}");
    }
}

#[test]
fn an_exec_is_judged_by_its_container() {
    let exec = |privileged: &str, container: char| {
        let (id, container) = (id('e'), id(container));
        format!(
            r#"{{"ID":"{id}","ContainerID":"{container}","ProcessConfig":{{"privileged":{privileged}}}}}"#
        )
    };
    let at = format!("/exec/{}/json", id('e'));
    let line = format!("POST /exec/{}/start", id('e'));
    let told = |exec: String| {
        let engine = Engine::default()
            .container("web", '1', "", "")
            .container("root", '2', r#""CapAdd":["SYS_ADMIN"]"#, "")
            .with(&at, exec);
        judged(&[Check::Exec], &line, "{}", &engine)
    };
    let (passed, asked) = told(exec("false", '1'));
    assert_eq!(passed, format!("/exec/{}/start as sent", id('e')));
    let inspect = |digit: char| format!("/containers/{}/json", id(digit));
    let all = "/containers/json?all=1".to_owned();
    assert_eq!(asked, [at.clone(), inspect('1'), all, inspect('2')]);
    for (exec, why) in [
        (
            exec("true", '1'),
            "Privileged true reaches the host's devices, the kernel",
        ),
        (
            exec("null", '1'),
            "Privileged null reaches the host's devices, the kernel",
        ),
        (
            exec("false", '2'),
            "HostConfig.CapAdd[0] \"SYS_ADMIN\" reaches the kernel",
        ),
        ("{}".to_owned(), "its container cannot be judged"),
    ] {
        let (told, _) = told(exec);
        assert!(
            told.starts_with("DENY_ROOT: ") && told.contains(why),
            "{told}"
        );
    }
    let none = judged(&[Check::Exec], &line, "{}", &Engine::default());
    assert_eq!(none.0, "404 no such thing");
}

#[test]
fn containers_in_a_body_are_judged_and_pinned() {
    let engine = Engine::default().container("web", '1', "", "").container(
        "root",
        '2',
        r#""Privileged":true"#,
        "",
    );
    let one = id('1');
    let told = |body: &str| judged(&[Check::Body], "POST /containers/create", body, &engine).0;
    for (body, written) in [
        (
            r#"{"HostConfig":{"VolumesFrom":["web:ro","/web"]}}"#,
            format!(r#"{{"HostConfig":{{"VolumesFrom":["{one}:ro","{one}"]}}}}"#),
        ),
        (
            r#"{"HostConfig":{"Links":["web","/web:/c/db","web:x"]}}"#,
            format!(r#"{{"HostConfig":{{"Links":["{one}:web","{one}:db","{one}:x"]}}}}"#),
        ),
        (
            r#"{"HostConfig":{"NetworkMode":"container:web","PidMode":"container:web"}}"#,
            format!(
                r#"{{"HostConfig":{{"NetworkMode":"container:{one}","PidMode":"container:{one}"}}}}"#
            ),
        ),
    ] {
        assert_eq!(
            told(body),
            format!("/containers/create {written}"),
            "{body}"
        );
    }
    for body in [
        r#"{"HostConfig":{"VolumesFrom":["root"]}}"#,
        r#"{"HostConfig":{"Links":["root:x"]}}"#,
        r#"{"HostConfig":{"IpcMode":"container:root"}}"#,
    ] {
        let why = "DENY_ROOT: container root: HostConfig.Privileged true reaches";
        assert!(told(body).starts_with(why), "{}", told(body));
    }
    for (body, why) in [
        (
            r#"{"HostConfig":{"VolumesFrom":["none"]}}"#,
            "DENY_ROOT: HostConfig.VolumesFrom[0] \"none\" does not exist",
        ),
        (
            r#"{"HostConfig":{"PidMode":"container:"}}"#,
            "DENY_ROOT: HostConfig.PidMode \"container:\" is not a plain name",
        ),
        (
            r#"{"HostConfig":{"PidMode":"host","VolumesFrom":["web"]}}"#,
            "DENY_ROOT: HostConfig.PidMode \"host\" reaches namespaces of others",
        ),
    ] {
        assert_eq!(told(body), why, "{body}");
    }
}

#[test]
fn a_volume_is_judged_by_all_that_mount_it() {
    let bound = r#""Driver":"local","Options":{"type":"none","o":"bind","device":"/"}"#;
    let engine = Engine::default()
        .container("plain", '1', "", MOUNT)
        .container("root", '2', r#""Privileged":true"#, "")
        .volume("data", PLAIN, &['1'])
        .volume("shared", PLAIN, &['1', '2'])
        .volume("bound", bound, &[])
        .volume("other", r#""Driver":"nfs","Options":{}"#, &[])
        .volume("odd", r#""Options":null"#, &[]);
    let told = |name: &str| {
        let body = format!(r#"{{"HostConfig":{{"Binds":["{name}:/x"]}}}}"#);
        judged(&[Check::Body], "POST /containers/create", &body, &engine)
    };
    for name in ["data", "new"] {
        let written = format!(r#"/containers/create {{"HostConfig":{{"Binds":["{name}:/x"]}}}}"#);
        assert_eq!(told(name).0, written);
    }
    // One question each: the volume, the containers and services that mount it, each of these, all
    // containers, and in whose namespaces the others are.
    assert_eq!(told("data").1.len(), 6);
    assert_eq!(told("new").1.len(), 3);
    for (name, why) in [
        ("shared", "container 2222"),
        ("bound", "volume bound: DriverOpts "),
        ("other", "volume other: Driver \"nfs\" reaches"),
        ("odd", "volume odd: its inspect cannot be judged"),
    ] {
        let (told, _) = told(name);
        assert!(told.starts_with(&format!("DENY_ROOT: {why}")), "{told}");
    }
    // On each node of a swarm it may be another one.
    let body = r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"volume","Source":"data","Target":"/x"}]}}}"#;
    let (told, asked) = judged(&[Check::Body], "POST /services/create", body, &engine);
    assert!(told.ends_with("may be another one on each node"), "{told}");
    assert_eq!(asked, ["/info"]);
    let alone = r#"{"Swarm":{"ControlAvailable":true,"Nodes":1}}"#;
    let engine = engine.with("/info", alone);
    let (told, _) = judged(&[Check::Body], "POST /services/create", body, &engine);
    assert_eq!(told, format!("/services/create {body}"));
}

#[test]
fn a_network_is_judged_as_if_it_were_made() {
    let network = |name: &str, rest: &str| {
        format!(
            r#"{{"Name":"{name}","Id":"{}","Scope":"local","Driver":"bridge","IPAM":{{"Driver":"default","Config":[{{"Subnet":"172.18.0.0/16"}}]}},"Ingress":false,"ConfigFrom":{{"Network":""}},"Containers":{{}}{rest}}}"#,
            id('f')
        )
    };
    let engine = Engine::default()
        .container("web", '1', "", "")
        .container("root", '2', r#""Privileged":true"#, "")
        .with("/networks/plain", network("plain", ""))
        .with(
            "/networks/nic",
            network("nic", "").replace("bridge", "macvlan"),
        )
        .with(
            "/networks/host",
            network("host", "").replace("bridge", "host"),
        )
        .with(
            "/networks/named",
            network(
                "named",
                r#","Options":{"com.docker.network.bridge.name":"eth1"}"#,
            ),
        )
        .with(
            "/networks/swarm",
            network(
                "swarm",
                r#","Options":{"com.docker.network.driver.overlay.vxlanid_list":"4097"}"#,
            ),
        );
    let told = |name: &str| {
        let body = format!(r#"{{"HostConfig":{{"NetworkMode":"{name}"}}}}"#);
        judged(&[Check::Body], "POST /containers/create", &body, &engine).0
    };
    for name in ["plain", "swarm", "bridge", "none", "default"] {
        assert!(
            told(name).starts_with("/containers/create {"),
            "{}",
            told(name)
        );
    }
    for (name, why) in [
        ("nic", "network nic: Driver \"macvlan\" reaches"),
        (
            "named",
            "network named: Options[\"com.docker.network.bridge.name\"] \"eth1\" reaches",
        ),
        ("host", "HostConfig.NetworkMode \"host\" reaches"),
        ("gone", "HostConfig.NetworkMode \"gone\" does not exist"),
        (
            "ns:/proc/1/ns/net",
            "HostConfig.NetworkMode \"ns:/proc/1/ns/net\" reaches",
        ),
    ] {
        assert!(
            told(name).starts_with(&format!("DENY_ROOT: {why}")),
            "{}",
            told(name)
        );
    }
    let connect = |network: &str, body: &str| {
        let line = format!("POST /networks/{network}/connect");
        judged(&[Check::Network, Check::Body], &line, body, &engine).0
    };
    assert_eq!(
        connect("plain", r#"{"container":"web"}"#),
        format!(
            r#"/networks/{}/connect {{"Container":"{}"}}"#,
            id('f'),
            id('1')
        )
    );
    for (network, body, why) in [
        (
            "plain",
            r#"{"Container":"root"}"#,
            "container root: HostConfig.Privileged",
        ),
        ("nic", r#"{"Container":"web"}"#, "network nic: Driver"),
        (
            "plain",
            r#"{"Container":"web","EndpointConfig":{"NetworkID":"nic"}}"#,
            "network nic: Driver",
        ),
        (
            "plain",
            r#"{"Container":"web","EndpointConfig":{"DriverOpts":{"a":"b"}}}"#,
            "EndpointConfig.DriverOpts.a",
        ),
    ] {
        let told = connect(network, body);
        assert!(told.starts_with(&format!("DENY_ROOT: {why}")), "{told}");
    }
    assert_eq!(
        connect("gone", r#"{"Container":"web"}"#),
        "404 no such thing"
    );
}

#[test]
fn a_rollback_is_judged_by_what_it_brings_back() {
    let engine = |previous: &str| {
        let service = format!(r#"{{"ID":"x","Version":{{"Index":7}},"PreviousSpec":{previous}}}"#);
        Engine::default().with("/services/web", service)
    };
    let told = |query: &str, previous: &str| {
        let line = format!("POST /services/web/update?{query}");
        judged(&[Check::Update], &line, "", &engine(previous)).0
    };
    let plain = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a"},"Runtime":"container"}}"#;
    let bound = r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/etc","Target":"/x"}]}}}"#;
    assert_eq!(
        told("version=7&rollback=previous", plain),
        "/services/web/update?version=7&rollback=previous as sent"
    );
    for (query, previous, why) in [
        (
            "version=7&rollback=previous",
            bound,
            "service web: TaskTemplate.ContainerSpec.Mounts[0]",
        ),
        (
            "version=8&rollback=previous",
            plain,
            "service web: its version 8 is another one",
        ),
        (
            "version=7&rollback=previous",
            "null",
            "service web: PreviousSpec cannot be judged",
        ),
    ] {
        let told = told(query, previous);
        assert!(told.starts_with(&format!("DENY_ROOT: {why}")), "{told}");
    }
    for query in [
        "version=7&rollback=other",
        "version=7&version=8&rollback=previous",
        "version=7&Rollback=x",
    ] {
        let told = told(query, plain);
        assert!(told.starts_with("DENY_ROOT cannot judge it: "), "{told}");
    }
}

#[test]
fn nobody_is_made_a_client_of_another_policy() {
    let network = |name: &str, subnet: &str, containers: &str| {
        format!(
            r#"{{"Name":"{name}","Id":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","Driver":"bridge","Options":{{"com.docker.network.bridge.name":"docker0"}},"IPAM":{{"Driver":"default","Config":[{{"Subnet":"{subnet}"}}]}},"Containers":{{{containers}}}}}"#
        )
    };
    let own = format!(r#""{}":{{}}"#, id('d'));
    let others = Others {
        networks: vec![("172.20.0.5".parse().expect("an address"), 32)],
        hosts: vec!["traefik".to_owned()],
        container: Some(id('d')),
        ..Others::default()
    };
    let engine = |bridge: String| {
        let mut engine = Engine::default()
            .container("web", '1', "", "")
            .with("/networks/bridge", bridge)
            .with(
                "/networks/near",
                network("near", "172.21.0.0/16", &own)
                    .replace(r#""com.docker.network.bridge.name":"docker0""#, ""),
            )
            .with(
                "/networks/theirs",
                network("theirs", "172.20.0.0/16", "")
                    .replace(r#""com.docker.network.bridge.name":"docker0""#, ""),
            );
        engine.1 = Arc::new(Others {
            networks: others.networks.clone(),
            hosts: others.hosts.clone(),
            container: others.container.clone(),
            ..Others::default()
        });
        engine
    };
    let far = || engine(network("bridge", "172.17.0.0/16", ""));
    let create = &[Check::Body, Check::Name];
    for (checks, line, body) in [
        (&create[..], "POST /containers/create?name=web2", "{}"),
        (
            create,
            "POST /containers/create",
            r#"{"HostConfig":{"NetworkMode":"none"}}"#,
        ),
        (&[Check::Name], "POST /containers/web/rename?name=b", ""),
        (
            &[Check::Body],
            "POST /networks/create",
            r#"{"Name":"n","IPAM":{"Config":[{"Subnet":"172.22.0.0/16"}]}}"#,
        ),
        (
            &[Check::Network, Check::Body],
            "POST /networks/bridge/connect",
            r#"{"Container":"web"}"#,
        ),
    ] {
        let told = judged(checks, line, body, &far()).0;
        assert!(told.starts_with('/'), "{line} {body}: {told}");
    }
    let theirs = "belongs to a client that has another policy";
    let met = "has dockgate in it, which has several policies";
    for (checks, line, body, why) in [
        (
            &create[..],
            "POST /containers/create?name=Traefik",
            "{}",
            theirs,
        ),
        (
            create,
            "POST /containers/create?name=a&NAME=%74raefik",
            "{}",
            theirs,
        ),
        (
            create,
            "POST /containers/create",
            r#"{"Hostname":"traefik"}"#,
            theirs,
        ),
        (
            create,
            "POST /containers/create",
            r#"{"NetworkingConfig":{"EndpointsConfig":{"near":{"Aliases":["x","traefik"]}}}}"#,
            theirs,
        ),
        (
            create,
            "POST /containers/create",
            r#"{"HostConfig":{"NetworkMode":"near"}}"#,
            met,
        ),
        (
            create,
            "POST /containers/create",
            r#"{"HostConfig":{"NetworkMode":"theirs"}}"#,
            theirs,
        ),
        (
            &[Check::Name],
            "POST /containers/web/rename?name=traefik",
            "",
            theirs,
        ),
        (
            &[Check::Body],
            "POST /networks/create",
            r#"{"Name":"n","IPAM":{"Config":[{"Subnet":"172.20.0.0/24"}]}}"#,
            theirs,
        ),
        (
            &[Check::Network, Check::Body],
            "POST /networks/near/connect",
            r#"{"Container":"web"}"#,
            met,
        ),
        (
            &[Check::Network, Check::Body],
            "POST /networks/bridge/connect",
            r#"{"Container":"web","EndpointConfig":{"Aliases":["traefik"]}}"#,
            theirs,
        ),
        (
            &[Check::Body],
            "POST /services/create",
            r#"{"Name":"traefik"}"#,
            theirs,
        ),
    ] {
        let told = judged(checks, line, body, &far()).0;
        assert!(
            told.starts_with("DENY_ROOT: ") && told.ends_with(why),
            "{line} {body}: {told}"
        );
    }
    // The network that is joined without a word.
    for bridge in [
        network("bridge", "172.20.0.0/16", ""),
        network("bridge", "172.17.0.0/16", &own),
    ] {
        for body in ["{}", r#"{"HostConfig":{"NetworkMode":"bridge"}}"#] {
            let told = judged(
                create,
                "POST /containers/create",
                body,
                &engine(bridge.clone()),
            )
            .0;
            assert!(told.starts_with("DENY_ROOT: the "), "{told}");
        }
    }
}
