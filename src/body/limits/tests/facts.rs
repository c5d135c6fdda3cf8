//! What the limits make of what the engine answers.

use super::*;

#[test]
fn the_users_of_images_and_containers_are_written_in() {
    let user = |limits_text: &str, route: &str, text: &str, answers: &[(Fact, &str)]| {
        let (own, facts) = (limits(limits_text), facts(answers));
        let mut asked = read_body(route, text);
        own.fill(body(route), &mut asked.tree, target().as_ref(), &facts);
        let found = beyond(&own, route, &asked, &facts);
        let user = asked
            .tree
            .at("User")
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let found: Vec<String> = found.iter().map(shown).collect();
        format!("{user}|{}", found.join("; "))
    };
    let own_image = image("x");
    let of = |user: &str| format!(r#"{{"Config":{{"User":{user:?}}}}}"#);
    let create = r#"{"Image":"x"}"#;
    for (own, answer, expected) in [
        ("RUN_AS=nonroot", of("1000"), "1000|"),
        ("RUN_AS=nonroot", of("1000:5"), "1000:5|"),
        (
            "RUN_AS=nonroot",
            of(""),
            "|User: root is not allowed: RUN_AS has nonroot",
        ),
        (
            "RUN_AS=nonroot",
            of("0"),
            "0|User: 0 is not allowed: RUN_AS has nonroot",
        ),
        (
            "RUN_AS=nonroot",
            of("node"),
            "node|User: node is not allowed: RUN_AS has nonroot",
        ),
        ("RUN_AS=nonroot, node", of("node"), "node|"),
        ("RUN_AS=0, node", of(""), "0|"),
        ("RUN_AS=root", of(""), "root|"),
        // The engine answers 404; should it find one by then, it runs as a listed user.
        ("RUN_AS=nonroot", String::new(), "65534|"),
        ("RUN_AS=1000-1999", String::new(), "1000|"),
        (
            "RUN_AS=none",
            String::new(),
            "|User: root is not allowed: RUN_AS has none",
        ),
    ] {
        assert_eq!(
            user(own, CREATE, create, &[(own_image.clone(), &answer)]),
            expected,
            "{own} {answer}"
        );
    }
    // What the body says is not replaced.
    let asked = user(
        "RUN_AS=nonroot",
        CREATE,
        r#"{"Image":"x","User":"0"}"#,
        &[(own_image, &of("1"))],
    );
    assert_eq!(asked, "0|User: 0 is not allowed: RUN_AS has nonroot");
    let exec = r#"{"Cmd":["a"]}"#;
    assert_eq!(
        user(
            "RUN_AS=nonroot",
            EXEC,
            exec,
            &[(Fact::Container(target().expect("a name")), &of("7"))]
        ),
        "7|"
    );
    for answer in [of(""), "{}".to_owned(), String::new()] {
        let asked = user(
            "RUN_AS=nonroot",
            EXEC,
            exec,
            &[(Fact::Container(target().expect("a name")), &answer)],
        );
        assert_eq!(
            asked, "|User: root is not allowed: RUN_AS has nonroot",
            "{answer}"
        );
    }
}

#[test]
fn the_engine_is_asked_for_what_only_it_knows() {
    let needs = |own: &str, route: &str, text: &str| {
        let asked = read_body(route, text);
        needs(&limits(own), route, &asked, &Facts::default())
    };
    let create = r#"{"Image":"x","HostConfig":{"Binds":["vol:/v","vol:/w"],"VolumesFrom":["c"],"PidMode":"container:p","NetworkMode":"n","Mounts":[{"Type":"image","Source":"y","Target":"/y"}]}}"#;
    for (own, expected) in [
        ("", vec![]),
        ("DENY_ROOT=1", vec![]),
        ("BIND_FROM=/srv", vec![volume("vol"), container("c")]),
        ("VOLUMES_NAMED=vol", vec![container("c")]),
        ("IMAGE_FROM=**", vec![image("y"), image("x")]),
        ("NAMESPACES=none", vec![container("p")]),
        ("NETWORKS_JOINED=n", vec![network("n")]),
        ("RUN_AS=nonroot", vec![image("x")]),
    ] {
        let mut found = needs(own, CREATE, create);
        found.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(found, expected, "{own}");
    }
    assert_eq!(
        needs("RUN_AS=nonroot", EXEC, r#"{"Cmd":["a"]}"#),
        [Fact::Container(target().expect("a name"))]
    );
    assert_eq!(needs("RUN_AS=nonroot", EXEC, r#"{"User":"1"}"#), []);
    assert_eq!(
        needs(
            "IMAGE_FROM=**; RUN_AS=nonroot",
            SERVICE,
            r#"{"TaskTemplate":{"ContainerSpec":{"Image":"x"}}}"#
        ),
        []
    );
}

/// What was found decides, not what a name looks like.
#[test]
fn what_the_engine_found_decides() {
    let container = |name: &str, mounts: &str| {
        format!(r#"{{"Name":"/{name}","HostConfig":{{"Privileged":true}},"Mounts":[{mounts}]}}"#)
    };
    let bind = r#"{"Type":"bind","Source":"/etc","Destination":"/x","RW":true}"#;
    let read = r#"{"Type":"bind","Source":"/data","Destination":"/x","RW":false}"#;
    let volume = r#"{"Type":"volume","Name":"vol","Driver":"local","Destination":"/x","RW":true}"#;
    let plugin = r#"{"Type":"volume","Name":"vol","Driver":"sshfs","Destination":"/x","RW":true}"#;
    let of = |fact: fn(&str) -> Option<Fact>, name: &str, answer: &str| {
        (fact(name).expect(name), answer.to_owned())
    };
    let plain = r#"{"Name":"vol","Driver":"local","Options":null}"#;
    let binding =
        r#"{"Name":"vol","Driver":"local","Options":{"type":"none","o":"bind","device":"/etc"}}"#;
    let allowed =
        r#"{"Name":"vol","Driver":"local","Options":{"type":"none","o":"bind","device":"/srv"}}"#;
    let data =
        r#"{"Name":"vol","Driver":"local","Options":{"type":"none","o":"bind","device":"/data"}}"#;
    let pid = r#""PidMode":"container:w""#;
    let from = r#""VolumesFrom":["w"]"#;
    let from_ro = r#""VolumesFrom":["w:ro"]"#;
    let named = r#""Binds":["vol:/v"]"#;
    let no_bind = "BIND_FROM has /srv, /data:ro";
    let binds = "BIND_FROM=/srv, /data:ro";
    for (own, text, answers, expected) in [
        (
            "NAMESPACES=pid:container:web",
            pid,
            vec![of(Fact::container, "w", &container("web", ""))],
            String::new(),
        ),
        (
            "NAMESPACES=pid:container:w",
            pid,
            vec![of(Fact::container, "w", &container("web", ""))],
            "HostConfig.PidMode: container:w is not allowed: NAMESPACES has pid:container:w"
                .to_owned(),
        ),
        (
            "NAMESPACES=pid:container:w",
            pid,
            vec![of(Fact::container, "w", "")],
            "HostConfig.PidMode: container:w is not allowed: NAMESPACES has pid:container:w"
                .to_owned(),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", &container("w", ""))],
            String::new(),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", &container("w", bind))],
            format!("HostConfig.VolumesFrom[0]: /etc is not allowed: {no_bind}"),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", &container("w", read))],
            String::new(),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", &container("w", plugin))],
            format!("HostConfig.VolumesFrom[0]: sshfs is not allowed: {no_bind}"),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", "")],
            format!("HostConfig.VolumesFrom[0]: w is not allowed: {no_bind}"),
        ),
        (
            binds,
            from,
            vec![of(Fact::container, "w", "{}")],
            format!("HostConfig.VolumesFrom[0]: w is not allowed: {no_bind}"),
        ),
        (
            binds,
            from,
            vec![
                of(Fact::container, "w", &container("w", volume)),
                of(Fact::volume, "vol", binding),
            ],
            format!("HostConfig.VolumesFrom[0]: /etc is not allowed: {no_bind}"),
        ),
        (
            binds,
            from,
            vec![
                of(Fact::container, "w", &container("w", volume)),
                of(Fact::volume, "vol", data),
            ],
            format!("HostConfig.VolumesFrom[0]: /data is not allowed: {no_bind}"),
        ),
        (
            binds,
            from_ro,
            vec![
                of(Fact::container, "w", &container("w", volume)),
                of(Fact::volume, "vol", data),
            ],
            String::new(),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", plain)],
            String::new(),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", "")],
            String::new(),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", allowed)],
            String::new(),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", binding)],
            format!("HostConfig.Binds[0]: /etc is not allowed: {no_bind}"),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", data)],
            format!("HostConfig.Binds[0]: /data is not allowed: {no_bind}"),
        ),
        (
            binds,
            r#""Binds":["vol:/v:ro"]"#,
            vec![of(Fact::volume, "vol", data)],
            String::new(),
        ),
        (
            binds,
            named,
            vec![of(Fact::volume, "vol", "{}")],
            format!("HostConfig.Binds[0]: vol is not allowed: {no_bind}"),
        ),
        (
            binds,
            named,
            vec![of(
                Fact::volume,
                "vol",
                r#"{"Driver":"local","ClusterVolume":{"ID":"x"}}"#,
            )],
            format!("HostConfig.Binds[0]: vol is not allowed: {no_bind}"),
        ),
        (
            "VOLUMES_NAMED=w",
            from,
            vec![of(Fact::container, "w", &container("w", volume))],
            "HostConfig.VolumesFrom[0]: vol is not allowed: VOLUMES_NAMED has w".to_owned(),
        ),
        (
            "VOLUMES_NAMED=vol",
            from,
            vec![of(Fact::container, "w", &container("w", volume))],
            String::new(),
        ),
        (
            "NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"abc""#,
            vec![of(Fact::network, "abc", r#"{"Name":"ci-1","Id":"abcdef"}"#)],
            String::new(),
        ),
        (
            "NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"ci-1""#,
            vec![of(Fact::network, "ci-1", r#"{"Name":"db"}"#)],
            "HostConfig.NetworkMode: ci-1 is not allowed: NETWORKS_JOINED has ci-*".to_owned(),
        ),
        (
            "NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"ci-1""#,
            vec![of(Fact::network, "ci-1", "")],
            String::new(),
        ),
        (
            "NETWORKS_JOINED=ci-*",
            r#""NetworkMode":"db""#,
            vec![of(Fact::network, "db", "")],
            "HostConfig.NetworkMode: db is not allowed: NETWORKS_JOINED has ci-*".to_owned(),
        ),
    ] {
        let mut learned = Facts::default();
        for (fact, text) in &answers {
            learned.learn(fact.clone(), answer(text));
        }
        let text = format!(r#"{{"HostConfig":{{{text}}}}}"#);
        assert_eq!(
            said(&limits(own), CREATE, &text, &learned),
            expected,
            "{own} {text} {answers:?}"
        );
        let asked = read_body(CREATE, &text);
        let needs = needs(&limits(own), CREATE, &asked, &learned);
        assert_eq!(needs, [], "{own} {text}");
        // As long as the engine was not asked, nothing of it passes.
        assert_ne!(
            said(&limits(own), CREATE, &text, &Facts::default()),
            "",
            "{own} {text}"
        );
    }
}

#[test]
fn images_are_asked_for() {
    let busybox = r#"{"Id":"sha256:1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a","RepoTags":["busybox:latest"]}"#;
    let own = limits("IMAGE_FROM=docker.io/library/*");
    let said = |name: &str, answer: &str| {
        let facts = facts(&[(image(name), answer)]);
        said(&own, CREATE, &format!(r#"{{"Image":{name:?}}}"#), &facts)
    };
    assert_eq!(said("busybox", busybox), "");
    assert_eq!(said("1a3f5e7", busybox), "");
    assert_eq!(said("busybox", ""), "");
    let other = busybox.replace("busybox", "me/app");
    for (name, answer) in [
        ("me/app", other.as_str()),
        ("1a3f5e7", &other),
        ("me/app", ""),
        ("cafe", ""),
    ] {
        let expected = format!("Image: {name} is not allowed: IMAGE_FROM has docker.io/library/*");
        assert_eq!(said(name, answer), expected);
    }
}

/// A body that names more than the engine should be asked for, or the same again and again.
#[test]
fn the_engine_is_not_asked_without_end() {
    let own = limits("BIND_FROM=none");
    let of = |names: Vec<String>| {
        let text = format!(r#"{{"HostConfig":{{"VolumesFrom":{names:?}}}}}"#);
        read_body(CREATE, &text)
    };
    let needs = |asked: &Asked, facts: &Facts| needs(&own, CREATE, asked, facts);
    let many = of((0..1000).map(|number| format!("c{number}")).collect());
    let mut answers = Facts::default();
    let first = needs(&many, &answers);
    assert_eq!(first.len(), 1000);
    for fact in first.into_iter().take(100) {
        answers.learn(fact, answer(r#"{"HostConfig":{},"Mounts":[]}"#));
    }
    assert_eq!(needs(&many, &answers).len(), 900);
    let same = of(vec!["c0".to_owned(); 9000]);
    assert_eq!(needs(&same, &Facts::default()), [container("c0")]);
    assert_eq!(beyond(&own, CREATE, &same, &Facts::default()).len(), 1);
    assert_eq!(beyond(&own, CREATE, &same, &answers), []);
}

/// A name that would make another path of the question is refused without one.
#[test]
fn names_that_cannot_be_asked_for_are_refused() {
    for (own, text) in [
        (
            "IMAGE_FROM=**",
            r#""Mounts":[{"Type":"image","Source":"..","Target":"/x"}]"#,
        ),
        (
            "IMAGE_FROM=**",
            r#""Mounts":[{"Type":"image","Source":"a/../b","Target":"/x"}]"#,
        ),
        ("NETWORKS_JOINED=**", r#""NetworkMode":"..""#),
        (
            "NAMESPACES=pid:container:**",
            r#""PidMode":"container:a/../b""#,
        ),
        ("NAMESPACES=pid:container:**", r#""PidMode":"container:""#),
        ("BIND_FROM=/x", r#""VolumesFrom":["..:ro"]"#),
        ("BIND_FROM=/x", r#""VolumesFrom":["//a"]"#),
        ("BIND_FROM=/x", r#""VolumesFrom":["a\u0000b"]"#),
    ] {
        let asked = read_body(CREATE, &format!(r#"{{"HostConfig":{{{text}}}}}"#));
        let own = limits(own);
        let none = Facts::default();
        assert_eq!(needs(&own, CREATE, &asked, &none), [], "{text}");
        assert_eq!(beyond(&own, CREATE, &asked, &none).len(), 1, "{text}");
    }
    let own = limits("RUN_AS=nonroot");
    for image in ["", "..", "a b"] {
        let asked = read_body(CREATE, &format!(r#"{{"Image":{image:?}}}"#));
        let none = Facts::default();
        assert_eq!(needs(&own, CREATE, &asked, &none), [], "{image}");
        assert_eq!(beyond(&own, CREATE, &asked, &none).len(), 1, "{image}");
    }
    // The engine takes one slash in front.
    let asked = read_body(CREATE, r#"{"HostConfig":{"VolumesFrom":["/web"]}}"#);
    let needs = needs(&limits("BIND_FROM=none"), CREATE, &asked, &Facts::default());
    assert_eq!(needs, [container("web")]);
}
