//! Who shares what with whom, what a name means later, and who is a client of another policy already.

use std::sync::Arc;

use super::{Engine, id, judged};
use crate::api::sections::Check;
use crate::body::inspection::Others;

const MOUNT: &str = r#"{"Type":"volume","Name":"data","Driver":"local","RW":true}"#;

#[test]
fn who_is_in_a_containers_namespace_counts() {
    let of = |kind: &str, name: &str| format!(r#""{kind}":"container:{name}""#);
    let export = |engine: &Engine| {
        let line = "GET /containers/web/export";
        judged(&[Check::Container], line, "", engine).0
    };
    let plain = || Engine::default().container("web", '1', "", "");
    for harmless in [
        plain(),
        plain().container("near", '2', &of("PidMode", &id('1')), ""),
        plain().container("near", '2', r#""Privileged":true"#, ""),
        plain().container("near", '2', &of("PidMode", "web2"), ""),
        plain().container(
            "near",
            '2',
            r#""Privileged":true,"NetworkMode":"container:""#,
            "",
        ),
        plain().with("/containers/gone/json", "{}"),
    ] {
        assert!(
            export(&harmless).starts_with("/containers/"),
            "{}",
            export(&harmless)
        );
    }
    let one = id('1');
    for (kind, name) in [
        ("PidMode", one.as_str()),
        ("IpcMode", &one),
        ("NetworkMode", &one),
        // The engine keeps what did not exist when the container was made.
        ("PidMode", "web"),
        ("PidMode", "/web"),
        ("NetworkMode", &one[..12]),
    ] {
        let config = format!(r#""Privileged":true,{}"#, of(kind, name));
        let engine = plain().container("near", '2', &config, "");
        let told = export(&engine);
        let why = "DENY_ROOT: container 2222";
        assert!(
            told.starts_with(why) && told.contains("Privileged"),
            "{told}"
        );
    }
    // Whoever shares with one that shares.
    let far = plain()
        .container("near", '2', &of("PidMode", &one), "")
        .container(
            "far",
            '3',
            &format!(r#""CapAdd":["SYS_ADMIN"],{}"#, of("IpcMode", &id('2'))),
            "",
        );
    assert!(export(&far).contains("CapAdd"), "{}", export(&far));
    // Who mounts a volume is judged so, too.
    let engine = Engine::default()
        .container("web", '1', "", MOUNT)
        .container(
            "near",
            '2',
            &format!(r#""Privileged":true,{}"#, of("PidMode", &one)),
            "",
        )
        .volume("data", r#""Driver":"local","Options":null"#, &['1']);
    let body = r#"{"HostConfig":{"Binds":["data:/x"]}}"#;
    let told = judged(&[Check::Body], "POST /containers/create", body, &engine).0;
    assert!(told.contains("Privileged"), "{told}");
    // What the engine does not tell is refused.
    for (path, answer) in [
        ("/containers/json?all=1", "{}"),
        ("/containers/json?all=1", r#"[{"Id":"x"}]"#),
    ] {
        let told = export(&plain().with(path, answer));
        assert!(
            told.contains("the engine's list of all containers"),
            "{told}"
        );
    }
    let odd = plain().with(&format!("/containers/{}/json", id('2')), "{}");
    assert!(
        export(&odd).contains("cannot be judged"),
        "{}",
        export(&odd)
    );
}

#[test]
fn services_use_volumes_also_when_they_have_no_tasks() {
    let service = |more: &str| {
        format!(
            r#"{{"ID":"s1","Spec":{{"Name":"db","TaskTemplate":{{"ContainerSpec":{{"Mounts":[{{"Type":"volume","Source":"data","Target":"/x"}}]{more}}}}},"Mode":{{"Replicated":{{"Replicas":0}}}}}}}}"#
        )
    };
    let swarm = |engine: Engine, service: &str| {
        engine
            .with("/services", format!("[{service}]"))
            .with("/services/s1", service)
    };
    let told = |engine: &Engine| {
        let body = r#"{"HostConfig":{"Binds":["data:/x"]}}"#;
        judged(&[Check::Body], "POST /containers/create", body, engine).0
    };
    let alone = r#"{"Swarm":{"ControlAvailable":true,"Nodes":1}}"#;
    let many = r#"{"Swarm":{"ControlAvailable":true,"Nodes":2}}"#;
    let powerful = service(r#","CapabilityAdd":["SYS_ADMIN"]"#);
    // The volume exists, or will once a task comes to this node.
    for engine in [
        Engine::default().volume("data", r#""Driver":"local""#, &[]),
        Engine::default(),
    ] {
        let engine = swarm(engine.with("/info", alone), &powerful);
        let told = told(&engine);
        assert!(
            told.starts_with("DENY_ROOT: service db: TaskTemplate.ContainerSpec.CapabilityAdd"),
            "{told}"
        );
    }
    let volume = || Engine::default().volume("data", r#""Driver":"local""#, &[]);
    let plain = || swarm(volume(), &service(""));
    let passes = told(&plain().with("/info", alone));
    assert!(passes.starts_with("/containers/create"), "{passes}");
    assert!(told(&plain().with("/info", many)).contains("on each node"));
    assert!(told(&volume().with("/services", "{}")).contains("its services"));
    let unclear = told(&plain().with("/services/s1", "{}"));
    assert!(unclear.contains("its specification"), "{unclear}");
    let removed = volume().with("/services", format!("[{powerful}]"));
    assert!(told(&removed).starts_with("/containers/create"));
}

#[test]
fn a_networks_name_is_no_part_of_an_id() {
    let engine = Engine::default()
        .network("plain", "1", "")
        .network("cafe", "2", "")
        .network("db", "db", "")
        .network("dead", "3", "")
        .network("a_b", "4", "")
        .network("nic", "dead", r#","Options":{"parent":"eth0"}"#)
        .with(
            &format!("/networks/{}", &id('1')[..12]),
            format!(r#"{{"Name":"plain","Id":"{}","Driver":"bridge"}}"#, id('1')),
        );
    let told = |network: &str| {
        let body = format!(r#"{{"HostConfig":{{"NetworkMode":"{network}"}}}}"#);
        judged(&[Check::Body], "POST /containers/create", &body, &engine)
    };
    // Another network's ID is asked about only where it could be meant.
    for (name, questions) in [
        ("plain", 2),
        ("cafe", 2),
        ("db", 2),
        ("a_b", 1),
        (&*id('1'), 1),
    ] {
        let (told, asked) = told(name);
        assert!(told.starts_with("/containers/create"), "{told}");
        assert_eq!(asked.len(), questions, "{name}");
    }
    for (name, why) in [
        (
            &id('1')[..12],
            "is not the network's name, nor its whole ID",
        ),
        ("dead", "is also the beginning of another network's ID"),
    ] {
        let (told, _) = told(name);
        assert!(told.ends_with(why), "{told}");
    }
    let made = |name: &str| {
        let body = format!(r#"{{"Name":"{name}"}}"#);
        judged(&[Check::Body], "POST /networks/create", &body, &engine).0
    };
    for name in ["beef", "dead-dead", "a_1", ""] {
        assert!(made(name).starts_with("/networks/create"), "{name}");
    }
    for name in ["deaddeaddead", "d", &*id('1')] {
        let why = "is also the beginning of another network's ID";
        assert!(made(name).ends_with(why), "{}", made(name));
    }
    // A swarm's networks have other IDs.
    let swarms = "x".repeat(25);
    let swarm = format!(r#"{{"Name":"over","Id":"{swarms}","Driver":"overlay"}}"#);
    let engine = engine.with(&format!("/networks/{swarms}"), swarm);
    let body = format!(r#"{{"HostConfig":{{"NetworkMode":"{swarms}"}}}}"#);
    let told = judged(&[Check::Body], "POST /containers/create", &body, &engine).0;
    assert!(told.starts_with("/containers/create"), "{told}");
    // The path has the ID in full then.
    let body = format!(r#"{{"Container":"{}"}}"#, id('9'));
    let engine = engine.container("web", '9', "", "");
    let line = format!("POST /networks/{}/connect", &id('1')[..12]);
    let told = judged(&[Check::Network, Check::Body], &line, &body, &engine).0;
    assert!(
        told.starts_with(&format!("/networks/{}/connect", id('1'))),
        "{told}"
    );
}

#[test]
fn a_start_joins_what_could_be_made() {
    let joined = |networks: &str| {
        let id = id('1');
        let inspect = format!(
            r#"{{"Id":"{id}","Name":"/web","HostConfig":{{}},"Mounts":[],"NetworkSettings":{{"Networks":{networks}}}}}"#
        );
        Engine::default()
            .with("/containers/web/json", inspect)
            .network("plain", "1", "")
            .network("nic", "2", r#","Options":{"parent":"eth0"}"#)
            .network("dead", "3", "")
            .network("other", "dead", "")
    };
    for (line, networks, starts) in [
        ("start", "{}", true),
        ("start", r#"{"bridge":{"NetworkID":""}}"#, true),
        ("start", r#"{"host":{}}"#, true),
        ("start", r#"{"plain":{"NetworkID":""}}"#, true),
        ("restart?t=0", r#"{"plain":{}}"#, true),
        // It was in it before.
        (
            "start",
            &format!(r#"{{"nic":{{"NetworkID":"{}"}}}}"#, id('2')),
            true,
        ),
        ("start", r#"{"nic":{"NetworkID":""}}"#, false),
        ("restart", r#"{"nic":{"NetworkID":""}}"#, false),
        ("start", r#"{"plain":{"NetworkID":"nic"}}"#, false),
        ("start", r#"{"dead":{}}"#, false),
        ("start", "null", false),
    ] {
        let line = format!("POST /containers/web/{line}");
        let told = judged(&[Check::Joins], &line, "", &joined(networks)).0;
        let expected = format!("/containers/{}/", id('1'));
        assert_eq!(
            told.starts_with(&expected),
            starts,
            "{line} {networks}: {told}"
        );
        assert!(starts || told.starts_with("DENY_ROOT: "), "{told}");
    }
    let line = "POST /containers/web/start";
    let told = |engine: &Engine| judged(&[Check::Joins], line, "", engine).0;
    assert_eq!(told(&joined(r#"{"gone":{}}"#)), "404 no such thing");
    assert_eq!(told(&Engine::default()), "404 no such thing");
}

/// Where a rule of another policy is for these.
fn others() -> Others {
    Others {
        networks: vec![("172.20.0.5".parse().expect("an address"), 32)],
        hosts: vec!["traefik".to_owned()],
        container: Some(id('d')),
        ..Others::default()
    }
}

#[test]
fn nobody_takes_control_of_a_client_of_another_policy() {
    let subnet = |subnet: &str| {
        format!(r#","IPAM":{{"Config":[{{"Subnet":"{subnet}.0.0/16","Gateway":"{subnet}.0.1"}}]}}"#)
    };
    let met = format!(r#","Containers":{{"{}":{{}}}}"#, id('d'));
    let engine = |name: &str, hostname: &str, networks: &str| {
        let id = id('1');
        let inspect = format!(
            r#"{{"Id":"{id}","Name":"/{name}","Config":{{"Hostname":"{hostname}"}},"HostConfig":{{}},"Mounts":[],"NetworkSettings":{{"Networks":{networks}}}}}"#
        );
        let mut engine = Engine::default()
            .with("/containers/x/json", inspect.clone())
            .with(&format!("/containers/{id}/json"), inspect)
            .network("far", "2", &subnet("172.19"))
            .network("theirs", "3", &subnet("172.20"))
            .network("met", "4", &met);
        engine.1 = Arc::new(others());
        engine
    };
    let checks = [
        (Check::Container, "GET /containers/x/export", ""),
        (
            Check::Body,
            "POST /containers/create",
            r#"{"HostConfig":{"NetworkMode":"container:x"}}"#,
        ),
    ];
    for (check, line, body) in checks {
        for (name, hostname, networks, why) in [
            (
                "web",
                "1234",
                r#"{"far":{"NetworkID":"","IPAddress":"172.19.0.5"}}"#,
                "",
            ),
            (
                "web",
                "1234",
                r#"{"theirs":{"IPAddress":"172.20.0.4"}}"#,
                "",
            ),
            (
                "web",
                "1234",
                r#"{"theirs":{"IPAddress":"172.20.0.5"}}"#,
                "IPAddress 172.20.0.5",
            ),
            // It may get that address.
            (
                "web",
                "1234",
                r#"{"theirs":{"IPAddress":""}}"#,
                "the subnet 172.20.0.0/16",
            ),
            (
                "web",
                "1234",
                r#"{"met":{"IPAddress":"172.18.0.4"}}"#,
                "the network has dockgate in it",
            ),
            ("traefik", "1234", "{}", "Name /traefik"),
            ("web", "traefik", "{}", "Config.Hostname traefik"),
            (
                "web",
                "1",
                r#"{"far":{"IPAddress":"172.19.0.5","Aliases":["a","traefik"]}}"#,
                "Aliases traefik",
            ),
            ("web", "1", "null", "its networks"),
        ] {
            let told = judged(&[check], line, body, &engine(name, hostname, networks)).0;
            let expected = match why {
                "" => "/containers/".to_owned(),
                why => format!("DENY_ROOT: container x: {why}"),
            };
            assert!(told.starts_with(&expected), "{line} {networks}: {told}");
        }
    }
}

#[test]
fn no_build_and_no_service_is_a_client_of_another_policy() {
    let network = |subnet: &str| {
        format!(r#","IPAM":{{"Config":[{{"Subnet":"{subnet}.0.0/16","Gateway":"{subnet}.0.1"}}]}}"#)
    };
    let engine = |bridge: &str, address: &str| {
        let mut engine = Engine::default()
            .with("/info", r#"{"Name":"vm"}"#)
            .network("bridge", "1", &network(bridge))
            .network("theirs", "2", &network("172.20"));
        let networks = vec![(address.parse().expect("an address"), 32)];
        engine.1 = Arc::new(Others {
            networks,
            hosts: vec!["vm2".to_owned()],
            ..others()
        });
        engine
    };
    let build = |query: &str, engine: &Engine| {
        let line = format!("POST /build?{query}");
        judged(&[Check::Build], &line, "", engine).0
    };
    let service = |engine: &Engine| {
        let body = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a"}}}"#;
        judged(&[Check::Body], "POST /services/create", body, engine).0
    };
    let far = engine("172.17", "172.20.0.5");
    assert!(
        build("t=a", &far).starts_with("/build?"),
        "{}",
        build("t=a", &far)
    );
    assert!(service(&far).starts_with("/services/create"));
    let near = engine("172.20", "172.20.0.5");
    let why = "DENY_ROOT: the subnet 172.20.0.0/16 belongs to a client that has another policy";
    assert_eq!(build("t=a", &near), why);
    assert_eq!(service(&near), why);
    assert!(build("networkmode=none", &near).starts_with("/build?"));
    // The engine has the addresses of the host.
    let why = "DENY_ROOT: a build could fetch a URL as a client that has another policy";
    for address in ["172.20.0.1", "192.168.1.5", "127.0.0.1"] {
        let told = build("networkmode=none", &engine("172.17", address));
        assert_eq!(told, why, "{address}");
    }
    let named = engine("172.17", "172.20.0.5").with("/info", r#"{"Name":"vm2"}"#);
    assert_eq!(build("", &named), why);
    // With one policy nothing is asked.
    let alone = Engine::default();
    assert_eq!(
        judged(&[Check::Build], "POST /build", "", &alone).1,
        [""; 0]
    );
}

#[test]
fn who_is_in_no_rule_may_be_a_client_of_another_policy() {
    let told = |own: &[(&str, u32)], subnet: &str| {
        let rest = format!(r#","IPAM":{{"Config":[{{"Subnet":"{subnet}"}}]}}"#);
        let mut engine = Engine::default()
            .with("/info", "{}")
            .network("bridge", "1", &rest);
        let own = own.iter();
        engine.1 = Arc::new(Others {
            strangers: true,
            own: own
                .map(|(address, prefix)| (address.parse().expect("an address"), *prefix))
                .collect(),
            ..Others::default()
        });
        let create = judged(&[Check::Body], "POST /containers/create", "{}", &engine).0;
        let build = judged(&[Check::Build], "POST /build", "", &engine).0;
        [create, build].map(|told| !told.starts_with("DENY_ROOT"))
    };
    assert_eq!(told(&[], "172.17.0.0/16"), [false, false]);
    assert_eq!(told(&[("172.16.0.0", 12)], "172.17.0.0/16"), [true, false]);
    assert_eq!(told(&[("172.17.0.0", 24)], "172.17.0.0/16"), [false, false]);
    assert_eq!(told(&[("172.18.0.0", 16)], "172.17.0.0/16"), [false, false]);
    assert_eq!(told(&[("::", 0)], "fd00::/64"), [true, false]);
}
