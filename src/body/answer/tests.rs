use super::*;

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
