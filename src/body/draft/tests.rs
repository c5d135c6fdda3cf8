//! What a request asks for, and what makes it unclear.

use super::*;

fn draft(method: &str, line: &str) -> Draft {
    Draft::new(Target::from_line(method, line).expect(line))
}

#[test]
fn a_route_is_found_in_every_spelling() {
    for (method, line, act) in [
        ("POST", "/containers/create", Act::CreateContainer),
        (
            "POST",
            "/v1.41/containers/creat%65?name=x",
            Act::CreateContainer,
        ),
        ("POST", "/containers/create/", Act::CreateContainer),
        // That starts a container of this name.
        ("POST", "/containers/create/start", Act::StartContainer),
        ("POST", "/v1.23/containers/a/b/start", Act::StartContainer),
        ("POST", "/networks/create", Act::CreateNetwork),
        ("POST", "/volumes/create", Act::CreateVolume),
        ("POST", "/services/create", Act::CreateService),
        ("POST", "/services/x/update", Act::UpdateService),
        ("POST", "/v1.51/build?t=x", Act::Build),
        ("POST", "/images/create?fromImage=x", Act::Pull),
        ("POST", "/images/loa%64/", Act::Load),
        ("POST", "/plugins/pull?remote=x", Act::PullPlugin),
        ("POST", "/plugins/a/b/upgrade", Act::PullPlugin),
        ("POST", "/plugins/create?name=x", Act::SetUpPlugin),
        ("POST", "/plugins/a/b:c/set", Act::SetUpPlugin),
        ("POST", "/plugins/x/enable?timeout=0", Act::SetUpPlugin),
        ("POST", "/plugins/x/disable", Act::Write),
        (
            "GET",
            "/images/a/b:1/json",
            Act::InspectImage("a/b:1".to_owned()),
        ),
        (
            "GET",
            "/images/a%2Fb/json",
            Act::InspectImage("a/b".to_owned()),
        ),
        ("GET", "/images/json", Act::Read),
        ("GET", "/containers/create", Act::Read),
        ("HEAD", "/images/a/json", Act::Read),
        ("GET", "/libpod/containers/json", Act::Read),
        ("POST", "/containers/x/exec", Act::Write),
        ("PUT", "/containers/create", Act::Write),
        ("OPTIONS", "/containers/json", Act::Write),
        ("DELETE", "/images/a/json", Act::Write),
    ] {
        let draft = draft(method, line);
        assert_eq!(*draft.act(), act, "{method} {line}");
    }
}

#[test]
fn each_body_that_is_read_is_in_the_table() {
    for (line, is_read) in [
        ("/containers/create", true),
        ("/containers/x/start", true),
        ("/networks/create", true),
        ("/volumes/create", true),
        ("/services/create", true),
        ("/services/x/update", true),
        ("/build", false),
        ("/images/create", false),
        ("/plugins/x/upgrade", false),
    ] {
        let draft = draft("POST", line);
        assert_eq!(draft.act().has_body(), is_read, "{line}");
        assert_eq!(draft.was_read().is_err(), is_read, "{line}");
        assert!(draft.body().is_some() || !is_read, "{line}");
    }
}

#[test]
fn a_body_is_read_as_the_engine_reads_it() {
    let mut create = draft("POST", "/containers/create");
    create
        .read(r#"{"hoſtconfig":{"BINDS":["/a:/b"]}}"#.as_bytes())
        .expect("a body");
    assert_eq!(
        create.tree().to_json(),
        r#"{"HostConfig":{"Binds":["/a:/b"]}}"#
    );
    create.read(b"").expect("nothing");
    assert_eq!(create.tree().to_json(), "{}");
    let why = |body: &[u8]| create.clone().read(body).map_err(|no| no.to_string());
    assert_eq!(
        why(br#"{"Labels":"x"}"#),
        Err("Labels must be an object, not a string".to_owned())
    );
    assert!(why(br#"{"Image":"a","image":"b"}"#).is_err());
    assert!(why(b"{}}").is_err());
}

#[test]
fn a_host_config_is_in_one_place() {
    for (body, why) in [
        (r#"{"Image":"x"}"#, None),
        (r#"{"Image":"x","Binds":null,"Privileged":false}"#, None),
        (r#"{"Binds":["/a:/b"],"HostConfig":{}}"#, None),
        // Nobody looks at that.
        (r#"{"Memory":7}"#, None),
        (
            r#"{"binds":["/a:/b"]}"#,
            Some(
                r#"Binds: ["/a:/b"] stands outside HostConfig, where only engines up to 26 read it"#,
            ),
        ),
        (
            r#"{"NetworkMode":"host","HostConfig":null}"#,
            Some(
                r#"NetworkMode: "host" stands outside HostConfig, where only engines up to 26 read it"#,
            ),
        ),
    ] {
        let mut create = draft("POST", "/containers/create");
        create.read(body.as_bytes()).expect(body);
        let found = create.has_one_host_config(&["Binds", "NetworkMode"]);
        let found = found.map_err(|no| no.to_string());
        assert_eq!(found.err().as_deref(), why, "{body}");
    }
}

#[test]
fn a_parameter_is_one_that_all_engines_read() {
    for (query, value) in [
        ("", Ok(None)),
        ("a=1&b=2", Ok(None)),
        ("tag=", Ok(None)),
        ("tag", Ok(None)),
        ("x&tag=a%2Fb+c&y=%26", Ok(Some("a/b c"))),
        ("%74ag=1", Ok(Some("1"))),
        (
            "tag=1&tag=1",
            Err("the parameter tag is there more than once"),
        ),
        (
            "tag=&Tag=1",
            Err("the parameter tag is there more than once"),
        ),
        ("TAG=1", Err("the parameter tag is in another case")),
        (
            "tag=1;x=2",
            Err("the query is not read by all engines in the same way"),
        ),
        (
            "tag=%zz",
            Err("the query is not read by all engines in the same way"),
        ),
        (
            "b=%ff",
            Err("the query is not read by all engines in the same way"),
        ),
    ] {
        let draft = draft("POST", &format!("/images/create?{query}"));
        let found = draft.parameter("tag").map_err(|no| no.to_string());
        let value = value.map(|value| value.map(str::to_owned));
        assert_eq!(found, value.map_err(str::to_owned), "{query}");
    }
}

#[test]
fn other_parameters_stay_as_they_were_sent() {
    for (query, edited) in [
        ("", "tag=1%2F2&new=%C3%BC"),
        ("?", "tag=1%2F2&new=%C3%BC"),
        ("?a=b%2fc&&tag=old&x", "a=b%2fc&tag=1%2F2&x&new=%C3%BC"),
        ("?new=&%74ag=x", "new=%C3%BC&tag=1%2F2"),
    ] {
        let mut draft = draft("POST", &format!("/v1.41/build{query}"));
        draft
            .set_parameters(&[("tag", "1/2"), ("new", "ü")])
            .expect(query);
        let target = draft.target().path_and_query().as_str();
        assert_eq!(target, format!("/v1.41/build?{edited}"));
    }
}
