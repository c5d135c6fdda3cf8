//! Profile files in the running program: what their lines allow, forms, and requests as lines.

use std::fs;

use crate::support::{BOUND, Dockgate, Engine, Gate};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

/// With a profile of this text.
fn gate(text: &str, more: &[(&str, &str)]) -> Gate {
    let engine = Engine::start();
    let profile = engine.directory().join("profile");
    fs::write(&profile, text).expect("a file");
    let profile = profile.to_str().expect("a plain path").to_owned();
    Gate::before(engine, &[&[("PROFILE", profile.as_str())], more].concat())
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: docker\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

const PROFILE: &str = "# kills that are harmless\n\
                       POST /containers/[a-z]+/kill\\?signal=USR1\n\
                       GET|HEAD /_ping\n";

#[test]
fn lines_allow_what_they_match_as_it_is_sent() {
    let gate = gate(PROFILE, &[]);
    for line in [
        "POST /containers/web/kill?signal=KILL",
        "POST /containers/web/kill",
        "POST /containers/web/kill?signal=USR1&signal=KILL",
        "POST /containers/web/kil%6C?signal=USR1",
        "POST /containers%2Fweb/kill?signal=USR1",
        "GET /version",
        "GET /_ping?",
    ] {
        let response = gate.refusal(request(line, "", ""));
        assert_eq!(response.status(), 403, "{line}");
        assert!(
            response.text().contains("no line of profile "),
            "{}",
            response.text()
        );
    }
    let allowed = request("POST /containers/web/kill?signal=USR1", "", "");
    let (reached, response) = gate.exchange(allowed, OK);
    assert_eq!(
        reached.head.line,
        "POST /containers/web/kill?signal=USR1 HTTP/1.1"
    );
    assert_eq!(response.text(), "OK");
    gate.dockgate
        .line(|line| line.ends_with(" allowed by profile line 2"));
    gate.still_works();
}

#[test]
fn a_form_that_would_override_the_query_is_refused() {
    let gate = gate(PROFILE, &[]);
    let line = "POST /containers/web/kill?signal=USR1";
    for kind in [
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "content-type:  Application/X-WWW-Form-URLencoded ; charset=utf-8\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n",
        "Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n",
    ] {
        let response = gate.refusal(request(line, kind, "signal=KILL"));
        assert_eq!(response.status(), 403, "{kind}");
        let chunked = format!(
            "{line} HTTP/1.1\r\nHost: docker\r\n{kind}Transfer-Encoding: chunked\r\n\r\n\
             b\r\nsignal=KILL\r\n0\r\n\r\n"
        );
        assert_eq!(gate.refusal(chunked).status(), 403, "{kind}");
    }
    let json = request(line, "Content-Type: application/json\r\n", "{}");
    assert_eq!(gate.exchange(json, OK).1.text(), "OK");
    gate.still_works();
}

#[test]
fn requests_are_logged_as_lines_that_would_allow_them() {
    let gate = Gate::with(&[("LOG_REQUESTS", "true"), ("PROFILE", "unprotected")]);
    let line = "GET /v1.41/containers/json?all=1&filters=%7B%7D";
    gate.exchange(request(line, "", ""), OK);
    gate.exchange(request("POST /build?remote=http://secret&t=x", "", ""), OK);
    gate.refusal(request("GET /v1.41%2Fversion", "", ""));
    let rule = |rest: &str| gate.dockgate.line(|line| line.ends_with(rest));
    rule(r"request rule: GET /v1\.41/containers/json\?all=1&filters=%7B%7D");
    rule(r"request rule: POST /build\?remote=[^&]*&t=x");
    rule(r"request rule: # no line matches such a path: GET /v1\.41%2Fversion");
    gate.still_works();
    rule("request rule: GET /_ping");
    let log = gate.dockgate.log();
    assert!(!log.contains("secret"), "{log}");
    let rules = log
        .lines()
        .filter_map(|line| line.split_once("request rule: "));
    let text: Vec<&str> = rules.map(|(_, rule)| rule).collect();
    assert_eq!(text.len(), 4, "{text:?}");

    // Put into a profile, they allow the same and nothing else.
    let gate = self::gate(&text.join("\n"), &[]);
    gate.exchange(request(line, "", ""), OK);
    gate.exchange(request("POST /build?remote=http://other&t=x", "", ""), OK);
    assert_eq!(gate.refusal(request("GET /version", "", "")).status(), 403);
    gate.still_works();
}

#[test]
fn what_keeps_a_profile_from_being_used_is_told() {
    let engine = Engine::start();
    let folder = engine.directory().display().to_string();
    let bad = engine.directory().join("bad");
    fs::write(&bad, "GET /version\nnonsense\nGET /(\n").expect("a file");
    let bad = bad.display().to_string();
    let file = |name: &str| format!("{folder}/{name}");
    for (env, code, told) in [
        (
            &[("PROFILE", "nosuch")][..],
            78,
            "cannot read /profiles/nosuch: No such file",
        ),
        (
            &[("PROFILE", "portainer-rw-whitelist")],
            78,
            "cannot read /profiles/portainer-rw-whitelist: No such file or directory (os error 2); \
             did you mean portainer-rw? Otherwise mount it into /profiles or use its absolute \
             path; built-in profiles: diun, portainer-ro, portainer-rw, promtail, readonly, telegraf, \
             traefik, traefik-swarm, trivy",
        ),
        (
            &[("PROFILE", "portainer-container-viewer")],
            78,
            "(os error 2); mount it into /profiles or use its absolute path; built-in profiles: diun, ",
        ),
        (
            &[("PROFILE", folder.as_str())],
            78,
            "it is a directory; use a file of METHOD /URL lines that this user can read",
        ),
        (
            &[("PROFILE", "unprotected")],
            78,
            "set LOG_REQUESTS=true as well",
        ),
        (&[("LOG_REQUESTS", "true")], 78, "PROFILE is empty or unset"),
        (&[("PROFILE", "")], 78, "PROFILE is empty or unset"),
        (
            &[("PROFILE", "unprotected"), ("LOG_REQUESTS", "yes")],
            78,
            "is not a boolean",
        ),
        (
            &[("PROFILE", bad.as_str())],
            78,
            "line 2: nonsense is not a method and a URL",
        ),
        (
            &[("PROFILE", bad.as_str())],
            78,
            "line 3: \"GET /(\" has an invalid regex, /(: unclosed group",
        ),
        (
            &[
                ("PROFILE", "unprotected"),
                ("LOG_REQUESTS", "1"),
                ("SOCKET_PATH", &file("no")),
            ],
            1,
            "/no does not exist",
        ),
    ] {
        let mut dockgate = Dockgate::start(env);
        let (status, _) = dockgate.exit_within(BOUND);
        assert_eq!(status.code(), Some(code), "{env:?}: {}", dockgate.log());
        assert!(dockgate.log().contains(told), "{env:?}: {}", dockgate.log());
    }
}

#[test]
fn a_built_in_profile_says_whose_rights_it_has() {
    let gate = Gate::with(&[("PROFILE", "traefik"), ("LOG_REQUESTS", "true")]);
    gate.dockgate.line(|line| {
        line.ends_with(
            " profile: PROFILE=traefik, 5 lines, built in: the same rights as in \
             knrdl/docker-socket-protector, except \
             GET /containers/{id}/attach/ws",
        )
    });
    let list = request("GET /v1.41/containers/json?all=1", "", "");
    gate.exchange(list, OK);
    let response = gate.refusal(request("GET /_ping", "", ""));
    assert_eq!(response.status(), 403);
    assert!(
        response
            .text()
            .contains("no line of profile traefik matches this request")
    );
}
