//! What is asked, and what is kept of the answers.

use super::*;

#[test]
fn a_question_is_never_another_one() {
    let path = |fact: Option<Fact>| fact.map_or(String::new(), |fact| fact.path());
    for (fact, expected) in [
        (Fact::container("/web"), "/containers/web/json"),
        (Fact::container("a/b"), ""),
        (
            Fact::network("my net?x=1#é"),
            "/networks/my%20net%3Fx%3D1%23%C3%A9",
        ),
        (Fact::network("%2e%2e"), "/networks/%252e%252e"),
        (Fact::network("a/b"), "/networks/a/b"),
        (Fact::network("a/../b"), ""),
        (Fact::network("/a"), ""),
        (Fact::network(".."), ""),
        (Fact::network(""), ""),
        (Fact::network("a\n"), ""),
        (Fact::volume("data"), "/volumes/data"),
        (Fact::volume("a//b"), ""),
        (
            Fact::image("ghcr.io:443/me/app:1"),
            "/images/ghcr.io:443/me/app:1/json",
        ),
        (
            Fact::image("[::1]:5000/app"),
            "/images/%5B::1%5D:5000/app/json",
        ),
        (Fact::image("sha256:cafe"), "/images/sha256:cafe/json"),
        (Fact::image("a/../b"), ""),
        (Fact::image("A b"), ""),
        (
            Some(Fact::UsersOf(Name("a\"&x".to_owned()))),
            "/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22a%5C%22%26x%22%5D%7D",
        ),
    ] {
        assert_eq!(path(fact), expected);
    }
}

#[test]
fn of_lists_what_is_judged_is_kept() {
    let users = Fact::UsersOf(Name("data".to_owned()));
    let modes = Fact::Modes(Name("web".to_owned()));
    for (fact, answer, kept) in [
        (
            &Fact::Containers,
            r#"[{"Id":"a","Names":["/x"],"Labels":{"Id":"b"}}]"#,
            r#"[{"Id":"a"}]"#,
        ),
        (&users, r#"[{"Labels":null,"Id":"a"}]"#, r#"[{"Id":"a"}]"#),
        (
            &modes,
            r#"{"Id":"a","HostConfig":{"Binds":["x"],"PidMode":"","NetworkMode":"container:b","IpcMode":"private"}}"#,
            r#"{"HostConfig":{"PidMode":"","NetworkMode":"container:b","IpcMode":"private"}}"#,
        ),
        (
            &Fact::Networks,
            r#"[{"Name":"n","Id":"a","Labels":{},"IPAM":{"Driver":"default","Config":[{"Subnet":"10.0.0.0/8","Gateway":"10.0.0.1","x":1}]}},{"Id":"b","IPAM":{"Config":null}}]"#,
            r#"[{"Id":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/8","Gateway":"10.0.0.1"}]}},{"Id":"b","IPAM":{"Config":null}}]"#,
        ),
        (
            &Fact::Services,
            r#"[{"ID":"s","Spec":{"Labels":{"x":"y"},"TaskTemplate":{"ContainerSpec":{"Env":["x"],"Mounts":[{"Type":"volume","Source":"data"}]}}}}]"#,
            r#"[{"ID":"s","Spec":{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Source":"data"}]}}}}]"#,
        ),
    ] {
        let answer = Answer::read(fact, 200, answer.as_bytes());
        let found = answer.found().map(Value::to_json);
        assert_eq!(found.as_deref(), Some(kept), "{fact:?}");
    }
    // What has two of a field, or is cut off, is not taken for either.
    for (fact, answer) in [
        (&Fact::Containers, r#"[{"Id":"a","Id":"b"}]"#),
        (&Fact::Containers, r#"[{"Id":"a"}"#),
        (&modes, r#"{"HostConfig":{},"HostConfig":{}}"#),
        (&modes, r#"{"HostConfig":[]}"#),
        (&modes, r#"{"Id":"a"}"#),
        (&modes, "[]"),
    ] {
        let answer = Answer::read(fact, 200, answer.as_bytes());
        assert!(matches!(answer, Answer::Unclear), "{fact:?} {answer:?}");
    }
    let gone = br#"{"cause":{"message":"x"},"message":"No such container: web"}"#;
    let Answer::Missing(words) = Answer::read(&modes, 404, gone) else {
        panic!("it is there");
    };
    assert_eq!(words, "No such container: web");
}
