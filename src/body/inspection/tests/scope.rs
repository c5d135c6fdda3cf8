//! What a scope makes of requests: each is about something inside, shared, hidden or absent.

use super::*;
use crate::api::sections::Role;
use crate::body::scope::Scope;

const SHARED: &str = "network:proxy,volume:models";

/// A container that has these labels.
fn container(engine: Engine, name: &str, digit: char, labels: &str) -> Engine {
    let id = id(digit);
    let inspect = format!(
        r#"{{"Id":"{id}","Name":"/{name}","Config":{{"Labels":{{{labels}}}}},"HostConfig":{{}},"Mounts":[],
           "NetworkSettings":{{"Networks":{{"web":{{"NetworkID":""}}}}}}}}"#
    );
    engine
        .with(&format!("/containers/{name}/json"), inspect.clone())
        .with(&format!("/containers/{id}/json"), inspect)
}

const OWN: &str = r#""team":"a""#;
const OTHER: &str = r#""team":"b""#;

/// Everything twice: of team a, and of team b; and what is shared.
pub(super) fn engine() -> Engine {
    let mut engine = container(Engine::default(), "own", '1', OWN);
    engine = container(engine, "other", '2', OTHER);
    let exec = |id: &str, of: char| {
        format!(
            r#"{{"ID":"{}","ContainerID":"{}"}}"#,
            id.repeat(32),
            super::id(of)
        )
    };
    engine = engine
        .with(&format!("/exec/{}/json", "e1".repeat(32)), exec("e1", '1'))
        .with(&format!("/exec/{}/json", "e2".repeat(32)), exec("e2", '2'));
    engine = engine
        .network("web", "a1", r#","Labels":{"team":"a"}"#)
        .network("elsewhere", "a2", r#","Labels":{"team":"b"}"#)
        .network("proxy", "a3", "");
    for (name, labels) in [("data", OWN), ("theirs", OTHER), ("models", "")] {
        let volume = format!(r#"{{"Name":"{name}","Labels":{{{labels}}}}}"#);
        engine = engine.with(&format!("/volumes/{name}"), volume);
    }
    for (kind, key) in [("services", "svc"), ("secrets", "sec"), ("configs", "cfg")] {
        for (name, labels, digit) in [("own", OWN, '1'), ("other", OTHER, '2')] {
            let id = format!("{key}{}", digit.to_string().repeat(22));
            let object =
                format!(r#"{{"ID":"{id}","Spec":{{"Name":"{name}","Labels":{{{labels}}}}}}}"#);
            engine = engine
                .with(&format!("/{kind}/{name}"), object.clone())
                .with(&format!("/{kind}/{id}"), object);
        }
    }
    let task = |digit: char| {
        let service = digit.to_string().repeat(22);
        format!(r#"{{"ID":"tsk{service}","ServiceID":"svc{service}"}}"#)
    };
    engine
        .with("/tasks/own", task('1'))
        .with("/tasks/other", task('2'))
}

pub(super) fn demands(scope: &str) -> Demands {
    let scope = Scope::read("a", scope, Some(SHARED), false).expect("a scope");
    Demands {
        scope: Some(Arc::new(scope)),
        ..Demands::default()
    }
}

/// What becomes of a request, with the decoy in it by that name; and how many questions it took.
pub(super) fn scoped_by(scope: &str, roles: &[Role], line: &str, body: &str) -> (String, usize) {
    let terms: Vec<Term> = roles.iter().copied().map(Term::Scope).collect();
    let message = match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    };
    let (told, asked) = told_by(&terms, demands(scope), line, message, body, &engine());
    let told = told.replace("%22", "\"");
    let known: Vec<String> = ["1", "2"]
        .iter()
        .flat_map(|digit| {
            let digit: String = (*digit).to_owned();
            [
                digit.repeat(64),
                format!("e{digit}").repeat(32),
                format!("a{digit}").repeat(32),
            ]
        })
        .collect();
    let is_decoy = |part: &str| {
        let hex = |byte: u8| byte.is_ascii_hexdigit();
        part.len() == 64 && part.bytes().all(hex) && !known.iter().any(|own| own == part)
    };
    let ends = |letter: char| !letter.is_ascii_alphanumeric();
    let parts = told.split_inclusive(ends).map(|part| {
        let word = part.trim_end_matches(ends);
        match is_decoy(word) {
            true => format!("DECOY{}", &part[word.len()..]),
            false => part.to_owned(),
        }
    });
    (parts.collect(), asked.len())
}

pub(super) fn scoped(roles: &[Role], line: &str, body: &str) -> String {
    scoped_by("label:team=a", roles, line, body).0
}

#[test]
fn what_is_inside_has_its_full_id_and_all_else_is_nothing() {
    let [own, other] = ['1', '2'].map(id);
    let [svc, sec, cfg, tsk] =
        ["svc", "sec", "cfg", "tsk"].map(|key| format!("{key}{}", "1".repeat(22)));
    let (e1, e2) = ("e1".repeat(32), "e2".repeat(32));
    let a1 = "a1".repeat(32);
    for (method, before, behind, inside, pinned, outside) in [
        (
            "POST",
            "/containers/",
            "/stop?t=1",
            "own",
            own.as_str(),
            "other",
        ),
        ("GET", "/v1.41/containers/", "/json", "own", &own, &other),
        ("DELETE", "/containers/", "?force=1", &own, &own, "other"),
        (
            "POST",
            "/containers/",
            "/attach?stream=1",
            "own",
            &own,
            "other",
        ),
        ("GET", "/exec/", "/json", &e1, &e1, &e2),
        ("GET", "/networks/", "", "web", &a1, "elsewhere"),
        ("DELETE", "/networks/", "", "web", &a1, "elsewhere"),
        ("DELETE", "/volumes/", "?force=1", "data", "data", "theirs"),
        ("GET", "/services/", "", "own", &svc, "other"),
        ("GET", "/services/", "/logs?stdout=1", "own", &svc, "other"),
        ("DELETE", "/secrets/", "", "own", &sec, "other"),
        ("GET", "/configs/", "", "own", &cfg, "other"),
        ("GET", "/tasks/", "", "own", &tsk, "other"),
    ] {
        let line = |name: &str| format!("{method} {before}{name}{behind}");
        let told = scoped(&[Role::Object], &line(inside), "");
        assert_eq!(told, format!("{before}{pinned}{behind} as sent"));
        let hidden = scoped_by("label:team=a", &[Role::Object], &line(outside), "");
        let absent = scoped_by("label:team=a", &[Role::Object], &line("nothing"), "");
        assert_eq!(hidden.0, format!("{before}DECOY{behind} as sent"));
        // Neither by what is sent nor by the time that it takes are they told apart.
        assert_eq!(hidden, absent, "{}", line(outside));
    }
}

#[test]
fn what_is_shared_is_used_and_not_changed() {
    for (line, passes) in [
        ("GET /networks/proxy", true),
        ("POST /networks/proxy/connect", true),
        ("POST /networks/proxy/disconnect", true),
        ("DELETE /networks/proxy", false),
        ("GET /volumes/models", true),
        ("DELETE /volumes/models", false),
        ("PUT /volumes/models?version=1", false),
    ] {
        let told = scoped(&[Role::Object], line, "");
        let refused = told.contains("is shared (SCOPE_SHARED)");
        assert_eq!(refused, !passes, "{line}: {told}");
    }
}

#[test]
fn filters_name_nothing_that_is_hidden() {
    let list = |query: &str| scoped(&[Role::List], &format!("GET /containers/json{query}"), "");
    for (query, forwarded) in [
        ("", ""),
        ("?all=1&size=1", "?all=1&size=1"),
        ("?limit=0", "?limit=0"),
        ("?limit=-1", "?limit=-1"),
        ("?limit=2", "?all=1"),
        ("?all=0&limit=2", "?all=1"),
        ("?before=own", "?before=own"),
        ("?before=other", "?before=DECOY"),
        ("?since=nothing", "?since=DECOY"),
        (
            "?filters={%22before%22:[%22own%22],%22status%22:[%22exited%22]}",
            "?filters={%22before%22:[%22own%22],%22status%22:[%22exited%22]}",
        ),
        (
            "?filters={%22since%22:{%22other%22:true}}",
            "?filters=%7B%22since%22%3A%7B%22DECOY%22%3Atrue%7D%7D",
        ),
        (
            "?filters={%22network%22:[%22web%22,%22elsewhere%22]}",
            "?filters=%7B%22network%22%3A%7B%22web%22%3Atrue%2C%22DECOY%22%3Atrue%7D%7D",
        ),
        // Where something is mounted is no name.
        (
            "?filters={%22volume%22:[%22/m%22]}",
            "?filters={%22volume%22:[%22/m%22]}",
        ),
    ] {
        let told = list(query).replace("%22", "\"").replace("%3A", ":");
        let expected = format!("/containers/json{forwarded} as sent");
        let expected = expected.replace("%22", "\"").replace("%3A", ":");
        assert_eq!(told, expected, "{query}");
    }
    for query in [
        "?filters=x",
        "?filters=[]",
        "?filters={%22network%22:1}",
        "?filters={}&filters={}",
        "?limit=1&limit=2",
        "?a;b",
    ] {
        let told = list(query);
        assert!(!told.starts_with("/containers"), "{query}: {told}");
    }
}

#[test]
fn a_prune_is_limited_by_labels() {
    let engine = || engine().with("/version", r#"{"ApiVersion":"1.41"}"#);
    let pruned = |scope: &str, engine: Engine, query: &str| {
        let message = Message::new(Framing::Empty);
        let line = format!("POST /containers/prune{query}");
        told_by(
            &[Term::Scope(Role::Pruned)],
            demands(scope),
            &line,
            message,
            "",
            &engine,
        )
        .0
    };
    let filters = "/containers/prune?filters=%7B%22label%22%3A%7B";
    for query in ["", "?filters={}", "?filters={%22label%22:[%22team=a%22]}"] {
        assert_eq!(
            pruned("label:team=a", engine(), query),
            format!("{filters}%22team%3Da%22%3Atrue%7D%7D as sent")
        );
    }
    // All labels have to be there.
    assert_eq!(
        pruned(
            "label:team=a",
            engine(),
            "?filters={%22label%22:[%22team=b%22]}"
        ),
        format!("{filters}%22team%3Db%22%3Atrue%2C%22team%3Da%22%3Atrue%7D%7D as sent")
    );
    let old = Engine::default().with("/version", r#"{"ApiVersion":"1.29"}"#);
    for (scope, engine, why) in [
        (
            "name:web-*",
            engine(),
            "cannot be limited to the names in SCOPE",
        ),
        ("label:team=a", old, "it is too old"),
        ("label:team=a", Engine::default(), "it is too old"),
    ] {
        let told = pruned(scope, engine, "");
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn what_is_made_is_in_scope() {
    let create = |query: &str, body: &str| {
        scoped(
            &[Role::Created, Role::Body],
            &format!("POST /containers/create{query}"),
            body,
        )
    };
    let labelled = r#""Labels":{"team":"a"}"#;
    assert_eq!(
        create("?name=new", r#"{"Image":"i","HostConfig":{}}"#),
        format!(r#"/containers/create?name=new {{"Image":"i","HostConfig":{{}},{labelled}}}"#)
    );
    for body in [
        r#"{"Image":"i","labels":{"team":"a"},"HostConfig":{}}"#,
        r#"{"Image":"i","LABELS":{"x":"y"},"HostConfig":{}}"#,
        r#"{"Image":"i","Labels":null,"HostConfig":{}}"#,
    ] {
        assert!(create("", body).contains(r#""team":"a""#), "{body}");
    }
    let other = create("", r#"{"Labels":{"team":"b"},"HostConfig":{}}"#);
    assert!(other.contains("SCOPE has team=a"), "{other}");
    let own = create("", r#"{"Labels":{"dockgate.x":"b"},"HostConfig":{}}"#);
    assert!(own.contains("dockgate alone"), "{own}");
    assert!(create("?name=other", r#"{"HostConfig":{}}"#).starts_with("409 Conflict."));
    assert!(create("?name=own", r#"{"HostConfig":{}}"#).starts_with("/containers/create?name=own"));
    let named = |query: &str| {
        let line = format!("POST /containers/create{query}");
        scoped_by(
            "name:web-*",
            &[Role::Created, Role::Body],
            &line,
            r#"{"HostConfig":{}}"#,
        )
        .0
    };
    assert!(named("?name=web-1").starts_with("/containers/create?name=web-1"));
    for query in ["", "?name=db", "?name=/db"] {
        let told = named(query);
        assert!(told.contains("is not one of the names in SCOPE"), "{told}");
    }
}

#[test]
fn what_a_body_names_is_seen() {
    let own = id('1');
    let create = |config: &str| {
        let body = format!(r#"{{"HostConfig":{{{config}}}}}"#);
        scoped(
            &[Role::Created, Role::Body],
            "POST /containers/create",
            &body,
        )
    };
    for (config, kept) in [
        (
            r#""NetworkMode":"web""#,
            r#""NetworkMode":"web""#.to_owned(),
        ),
        (
            r#""NetworkMode":"proxy""#,
            r#""NetworkMode":"proxy""#.to_owned(),
        ),
        (
            r#""NetworkMode":"host""#,
            r#""NetworkMode":"host""#.to_owned(),
        ),
        (
            r#""NetworkMode":"container:own""#,
            format!(r#""NetworkMode":"container:{own}""#),
        ),
        (
            r#""VolumesFrom":["own:ro"]"#,
            format!(r#""VolumesFrom":["{own}:ro"]"#),
        ),
        (
            r#""Binds":["data:/x","models:/m:ro"]"#,
            r#""Binds":["data:/x","models:/m:ro"]"#.to_owned(),
        ),
    ] {
        let told = create(config);
        assert!(told.contains(&kept), "{config}: {told}");
    }
    for (config, other) in [
        (
            r#""NetworkMode":"elsewhere""#,
            "400 network elsewhere not found",
        ),
        (
            r#""NetworkMode":"nowhere""#,
            "400 network nowhere not found",
        ),
        (
            r#""NetworkMode":"container:other""#,
            "400 No such container: other",
        ),
        (
            r#""PidMode":"container:nothing""#,
            "400 No such container: nothing",
        ),
        (r#""VolumesFrom":["other"]"#, "400 No such container: other"),
        (r#""Links":["other:x"]"#, "400 No such container: other"),
        (
            r#""Binds":["theirs:/x"]"#,
            "409 volume with name theirs already exists",
        ),
        (
            r#""Mounts":[{"Type":"volume","Source":"theirs","Target":"/x"}]"#,
            "409 volume with name theirs already exists",
        ),
    ] {
        assert_eq!(create(config), other, "{config}");
    }
    let start = |name: &str| {
        scoped(
            &[Role::Object],
            &format!("POST /containers/{name}/start"),
            "",
        )
    };
    assert_eq!(start("own"), format!("/containers/{own}/start as sent"));
}

/// The engine looks for a network of a container elsewhere than an inspect does, and once more at a start.
#[test]
fn a_network_s_name_stands_for_no_other() {
    let own = r#","Labels":{"team":"a"}"#;
    let create = |engine: Engine, name: &str| {
        let terms = [Role::Created, Role::Body].map(Term::Scope);
        let body = format!(r#"{{"HostConfig":{{"NetworkMode":"{name}"}}}}"#);
        let line = "POST /containers/create";
        let message = Message::new(Framing::Chunked);
        told_by(
            &terms,
            demands("label:team=a"),
            line,
            message,
            &body,
            &engine,
        )
        .0
    };
    let net = |name: &str, digits: &str| Engine::default().network(name, digits, own);
    assert!(create(net("b", "c1"), "b").contains(r#""NetworkMode":"b""#));
    // The beginning of another's ID.
    let prefix = net("b", "c1").network("theirs", "b1", "");
    assert_eq!(create(prefix, "b"), "400 network b not found");
    // Another of that name.
    let twin = format!(r#"{{"Name":"b","Id":"{}"}}"#, "d1".repeat(32));
    let twins = net("b", "c1").with(&format!("/networks/{}", "d1".repeat(32)), twin);
    assert_eq!(create(twins, "b"), "400 network b not found");
    // Its full ID means nothing else.
    let id = "c1".repeat(32);
    let full = net("b", "c1").network("theirs", "b1", "");
    assert!(create(full, &id).contains(&id));
}

#[test]
fn an_unknown_route_is_refused() {
    let told = scoped(&[Role::Known], "GET /anything/new", "");
    assert!(told.contains("may be anyone's"), "{told}");
}

#[test]
fn what_other_clients_are_known_by_is_out_of_reach_with_a_scope() {
    use crate::body::inspection::Values;
    let mut engine = engine();
    engine.1 = Arc::new(Others {
        labels: vec![("role".to_owned(), Values::Is("admin".to_owned()))],
        names: vec![crate::body::limits::Names::parse_some("web-*").expect("names")],
        networks: vec![("172.20.0.5".parse().expect("an address"), 32)],
        hosts: vec!["traefik".to_owned()],
        ..Others::default()
    });
    const ANOTHERS: &str = "belongs to a client that has another policy";
    let create = "POST /containers/create";
    let connect = "POST /networks/web/connect";
    for (role, line, body, taken) in [
        (
            Role::Created,
            create,
            r#"{"Image":"x","Labels":{"role":"admin"}}"#,
            Some("Labels role=admin"),
        ),
        (
            Role::Created,
            "POST /containers/create?name=web-1",
            r#"{"Image":"x"}"#,
            Some("the parameter name web-1"),
        ),
        (
            Role::Object,
            "POST /containers/own/rename?name=web-1",
            "",
            Some("the parameter name web-1"),
        ),
        (
            Role::Object,
            "POST /containers/own/rename?name=traefik",
            "",
            Some("the parameter name traefik"),
        ),
        (
            Role::Object,
            "POST /containers/own/rename?name=web",
            "",
            None,
        ),
        (Role::Created, create, r#"{"Image":"x"}"#, None),
        (
            Role::Object,
            connect,
            r#"{"Container":"own","EndpointConfig":{"IPAMConfig":{"IPv4Address":"172.20.0.5"}}}"#,
            Some("EndpointConfig.IPAMConfig.IPv4Address \"172.20.0.5\""),
        ),
        (
            Role::Object,
            connect,
            r#"{"Container":"own","EndpointConfig":{"Aliases":["traefik"]}}"#,
            Some("EndpointConfig.Aliases[0] \"traefik\""),
        ),
    ] {
        let roles: &[Role] = match line == connect {
            true => &[Role::Object, Role::Body],
            false => &[role],
        };
        let terms: Vec<Term> = roles.iter().copied().map(Term::Scope).collect();
        let message = match body {
            "" => Message::new(Framing::Empty),
            _ => Message::new(Framing::Chunked),
        };
        let (told, _) = told_by(
            &terms,
            demands("label:team=a"),
            line,
            message,
            body,
            &engine,
        );
        match taken {
            Some(taken) => assert_eq!(told, format!("SCOPE: {taken} {ANOTHERS}"), "{line} {body}"),
            None => assert!(!told.starts_with("SCOPE"), "{line} {body}: {told}"),
        }
        if taken.is_none() && !body.is_empty() {
            assert!(told.contains(r#""role":"""#), "{told}");
        }
    }
}
