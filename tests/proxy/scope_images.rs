//! Labels that dockgate alone sets, in policies beside the one that goes by them.

use crate::policies::Many;
use crate::reload::reload;
use crate::support::Wire;
use crate::support::gate::EMPTY;

const ALONE: &str = "policies: { one: { VOLUMES: 1, POST: 1 } }\n\
                     endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
const BESIDE: &str = "policies: { one: { VOLUMES: 1, POST: 1 }, ci: { VOLUMES: 1, POST: 1, SCOPE: created } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: one }]\n\
                      clients: [{ from: \"192.0.2.1\", policy: ci }]\n";
const LABEL: &str = r#"{"Name":"v","Labels":{"dockgate.created-by":"ci"}}"#;

/// What a request for a volume is answered.
fn create(many: &Many, body: &str) -> (u16, String) {
    let mut client = Wire::tcp(many.tcp);
    client.send(format!(
        "POST /volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let response = client.response();
    (
        response.status(),
        String::from_utf8_lossy(&response.body).into_owned(),
    )
}

#[test]
fn a_policy_that_is_added_keeps_its_labels_from_the_others() {
    let many = Many::start(ALONE);
    let passes = |body: &str| {
        let mut client = Wire::tcp(many.tcp);
        client.send(format!(
            "POST /volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let (mut engine, request) = many.engine.request();
        assert_eq!(String::from_utf8_lossy(&request.body), body);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    };
    passes(LABEL);
    reload(&many, BESIDE);
    let (status, told) = create(&many, LABEL);
    assert_eq!(status, 403);
    let why = "SCOPE: the label dockgate.created-by=ci can only be set by dockgate (SCOPE: created); leave it out";
    assert!(told.contains(why), "{told}");
    passes(r#"{"Name":"v","Labels":{"team":"ci"}}"#);
    reload(&many, ALONE);
    passes(LABEL);
}
