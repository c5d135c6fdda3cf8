use super::*;
use crate::body::scope::Scope;

fn swarm(answer: &str) -> Result<String, String> {
    of(200, answer.as_bytes())
}

fn of(status: u16, answer: &[u8]) -> Result<String, String> {
    let filtered = Filter::default()
        .without_tokens()
        .whole(status, answer.to_vec());
    let filtered = filtered.map_err(|unfiltered| unfiltered.to_string())?;
    assert_eq!(filtered.status, status);
    Ok(String::from_utf8(filtered.body).expect("JSON"))
}

#[test]
fn a_swarm_has_no_tokens_and_all_else_stays() {
    for (answer, left) in [
        (
            r#"{"ID":"x","Version":{"Index":11},"JoinTokens":{"Worker":"a","Manager":"b"},"DataPathPort":4789}"#,
            r#"{"ID":"x","Version":{"Index":11},"DataPathPort":4789}"#,
        ),
        (r#"{"jointokens":{"Manager":"b"}}"#, "{}"),
        (r#"{"JOINTO\u212aENS":"b","a":1.50}"#, r#"{"a":1.50}"#),
        (r#"{"JoinTo\u006bens":["b"]}"#, "{}"),
        (r#"{"JoinTokens":null}"#, "{}"),
        ("{}", "{}"),
        ("null", "{}"),
        // These are no fields of a swarm.
        (
            r#"{"Spec":{"JoinTokens":"x"},"JoinToken":"y"}"#,
            r#"{"Spec":{"JoinTokens":"x"},"JoinToken":"y"}"#,
        ),
    ] {
        assert_eq!(swarm(answer).as_deref(), Ok(left), "{answer}");
    }
}

#[test]
fn what_cannot_be_read_in_one_way_does_not_pass() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(80), "]".repeat(80));
    for (answer, why) in [
        ("", "the body is empty"),
        ("x", "the body is not valid JSON"),
        (
            r#"{"JoinTokens":{"Manager":"b"}"#,
            "the body is not valid JSON",
        ),
        ("{}{}", "the body is not valid JSON"),
        ("[]", "the body must be an object, not a list"),
        (r#""SWMTKN""#, "the body must be an object, not a string"),
        (r#"{"JoinTokens":1,"joinTokens":2}"#, "duplicate key"),
        (r#"{"ID":1,"ID":2}"#, "duplicate key"),
        (&deep, "nested more than 64 levels"),
    ] {
        let refused = swarm(answer).expect_err(answer);
        assert!(refused.contains(why), "{answer}: {refused}");
        assert!(!refused.contains("SWMTKN"), "{refused}");
    }
    let refused = of(200, b"{\"a\":\"\xff\"}").expect_err("no UTF-8");
    assert!(refused.contains("not valid UTF-8"), "{refused}");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MOST));
    assert!(swarm(&large).is_err());
}

#[test]
fn of_an_error_the_message_is_left() {
    let left = r#"{"message":"This node is not a swarm manager."}"#;
    for answer in [
        left,
        r#"{"cause":"x","message":"This node is not a swarm manager.","response":503}"#,
        r#"{"Message":"This node is not a swarm manager.","JoinTokens":{"Manager":"b"}}"#,
    ] {
        for status in [400, 404, 500, 503] {
            let found = of(status, answer.as_bytes());
            assert_eq!(found.as_deref(), Ok(left), "{status} {answer}");
        }
    }
    for (status, answer, why) in [
        (503, r#"{"JoinTokens":{"Manager":"b"}}"#, "no error message"),
        (503, r#"{"message":{"JoinTokens":"b"}}"#, "no error message"),
        (503, r#"{"message":null}"#, "no error message"),
        (404, "page not found", "not valid JSON"),
        (101, "", "its status is 101"),
        (206, "{}", "its status is 206"),
        (301, left, "its status is 301"),
    ] {
        let refused = of(status, answer.as_bytes()).expect_err(answer);
        assert!(refused.contains(why), "{answer}: {refused}");
    }
    let long = format!("{{\"message\":\"{}\"}}", "x".repeat(MOST_OF_ERROR));
    assert!(of(500, long.as_bytes()).is_err());
}

fn team_a() -> Sight {
    let scope = Scope::read("a", "label:team=a", None, false).expect("a scope");
    Sight::new(Some(Arc::new(scope)), Arc::default())
}

/// What is seen by team a, to which the container `c1` belongs, with a volume and an image.
fn seen_by_a(answered: Answered, limit: Option<usize>, answer: &str) -> Result<String, String> {
    let mut sight = team_a();
    let text = br#"{"Id":"c1","State":"running","ImageID":"i1","Mounts":[{"Name":"v1"}]}"#;
    sight.learn_container(&read(text, Untyped).expect("JSON"));
    let filter = Filter::default().seen(answered, sight, limit);
    let left = filter.whole(200, answer.as_bytes().to_vec());
    let left = left.map_err(|unfiltered| unfiltered.to_string())?;
    Ok(String::from_utf8(left.body).expect("UTF-8"))
}

#[test]
fn a_list_has_what_is_in_scope_as_the_engine_wrote_it() {
    const CONTAINER: Answered = Answered::List(ObjectKind::Container);
    const NETWORK: Answered = Answered::List(ObjectKind::Network);
    const VOLUME: Answered = Answered::List(ObjectKind::Volume);
    let own = r#"{"Id":"1", "Labels":{"team":"a"},"Size":1.50}"#;
    let foreign = r#"{"Id":"2","Labels":{"team":"b","x":"\"team\":\"a\""}}"#;
    let bare = r#"{"Id":"3","Labels":null,"Spec":{"Labels":{"team":"a"}}}"#;
    for (answered, limit, answer, left) in [
        (CONTAINER, None, "[]".to_owned(), "[]".to_owned()),
        (CONTAINER, None, "null".to_owned(), "null".to_owned()),
        (
            CONTAINER,
            None,
            format!("[{foreign},{own} , {bare},null,7,{own}]"),
            format!("[{own},{own}]"),
        ),
        (CONTAINER, Some(1), format!("[{foreign},{own},{own}]"), format!("[{own}]")),
        (
            NETWORK,
            None,
            r#"[{"Name":"bridge","Id":"n","Containers":{"c1":{"Name":"x"},"c2":{"Name":"y"}},"Peers":[{"IP":"10.0.0.7"}],"Status":{"IPAM":{}}}]"#
                .to_owned(),
            r#"[{"Name":"bridge","Id":"n","Containers":{"c1":{"Name":"x"}}}]"#.to_owned(),
        ),
        (
            VOLUME,
            None,
            r#"{"Warnings":["b's driver"],"Volumes":[{"Name":"v1","Labels":{"team":"a"},"UsageData":{"Size":3,"RefCount":4}},{"Name":"v2"}]}"#
                .to_owned(),
            r#"{"Volumes":[{"Name":"v1","Labels":{"team":"a"},"UsageData":{"Size":3,"RefCount":1}}],"Warnings":null}"#
                .to_owned(),
        ),
    ] {
        let found = seen_by_a(answered, limit, &answer);
        assert_eq!(found.as_deref(), Ok(&left[..]), "{answer}");
    }
    for answer in [
        "",
        "{}",
        "[",
        "[{]",
        "[{}]x",
        r#"[{"Labels":{"team":"a","team":"a"}}]"#,
        r#"[{"Labels":{"team":"a"},"Labels":{"team":"b"}}]"#,
    ] {
        assert!(seen_by_a(CONTAINER, None, answer).is_err(), "{answer}");
    }
    assert!(seen_by_a(VOLUME, None, "[]").is_err());
}

#[test]
fn an_inspect_without_a_scope_keeps_the_members_of_a_network() {
    let answer = r#"{"Name":"n","Containers":{"c2":{}},"Peers":[]}"#;
    let sight = Sight::new(None, Arc::default());
    let filter = Filter::default().seen(Answered::Object(ObjectKind::Network), sight, None);
    let left = filter
        .whole(200, answer.as_bytes().to_vec())
        .expect("it passes");
    assert_eq!(String::from_utf8(left.body).as_deref(), Ok(answer));
}

#[test]
fn counts_are_of_what_is_in_scope() {
    let info = r#"{"ID":"x","Containers":9,"ContainersRunning":7,"ContainersPaused":1,"ContainersStopped":1,"Images":3}"#;
    let left = r#"{"ID":"x","Containers":1,"ContainersRunning":1,"ContainersPaused":0,"ContainersStopped":0,"Images":3}"#;
    assert_eq!(seen_by_a(Answered::Info, None, info).as_deref(), Ok(left));
    let usage = r#"{"LayersSize":9,"Images":[{"Id":"i1","Containers":5}],"Containers":[{"Id":"c2","Labels":{"team":"b"}},{"Id":"c1","Labels":{"team":"a"}}],"Volumes":[{"Name":"v2","Labels":null}],"BuildCache":[{"ID":"x"}],"New":[1]}"#;
    let left = r#"{"Images":[{"Id":"i1","Containers":1}],"Containers":[{"Id":"c1","Labels":{"team":"a"}}],"Volumes":[],"LayersSize":9,"BuildCache":null}"#;
    assert_eq!(seen_by_a(Answered::Usage, None, usage).as_deref(), Ok(left));
}

#[test]
fn a_name_that_is_taken_is_not_told_with_a_foreign_id() {
    let id = "0f".repeat(32);
    let filter = || Filter::default().seen(Answered::Act(ObjectKind::Container), team_a(), None);
    let text = format!("Conflict. The name \"/x\" is already in use by container \"{id}\".");
    let mut json = Value::from(Object::default());
    if let Some(error) = json.object_mut() {
        error.set(MESSAGE, text.as_str());
    }
    // The second one is that of an engine before API 1.24.
    for (answer, is_json) in [(json.to_json(), true), (format!("{text}\n"), false)] {
        let left = filter().whole(409, answer.into_bytes()).expect("it passes");
        let body = String::from_utf8(left.body).expect("UTF-8");
        assert!(
            body.contains("already in use") && !body.contains(&id),
            "{body}"
        );
        assert_eq!((left.status, left.is_json), (409, is_json));
    }
}

#[test]
fn an_error_names_no_id_but_what_the_client_wrote() {
    let full = "0f".repeat(32);
    for (text, left) in [
        (
            "network dm-6d5925ee7ccd is already using",
            "network dm-another is already using",
        ),
        ("network di-6d5925ee7ccd is", "network di-another is"),
        (
            "conflicts with (br-6d5925ee7ccd)",
            "conflicts with (br-another)",
        ),
        ("container 6d5925ee7ccd0011 is", "container another is"),
        (&*format!("volume [{full}]"), "volume [another]"),
        (
            "parent docker0, added face 123456",
            "parent docker0, added face 123456",
        ),
        (
            "volume deadbeefdead is there",
            "volume deadbeefdead is there",
        ),
        (
            "name c0ffeec0ffee1234 is there",
            "name c0ffeec0ffee1234 is there",
        ),
    ] {
        let filter = Filter::default().seen(Answered::Act(ObjectKind::Network), team_a(), None);
        let filter = filter.written(&["/x?name=deadbeefdead", r#"{"Name":"c0ffeec0ffee1234"}"#]);
        let answer = format!("{text}\n").into_bytes();
        let body = filter.whole(500, answer).expect("it passes").body;
        assert_eq!(String::from_utf8(body).expect("UTF-8"), format!("{left}\n"));
    }
}
