//! Recorded cases of mikesir87/docker-socket-proxy, through dockgate as its users start it, in front
//! of an engine that keeps what reaches it: the decision, the target and the body.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::wire::chunk;
use support::{BOUND, Dockgate, Engine, Message, Wire};

const CASES: &str = include_str!("conformance/mikesir87.jsonl");

/// What becomes of a case.
enum Outcome {
    /// dockgate does not start, because of these mistakes.
    Unread(String),
    Starts,
    Denied(String),
    Forwarded(Message),
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Unread(mistakes) => write!(f, "does not start: {mistakes}"),
            Outcome::Starts => f.write_str("starts"),
            Outcome::Denied(why) => write!(f, "denied: {why}"),
            Outcome::Forwarded(request) => {
                write!(f, "forwarded: {} {}", request.head.line, request.text())
            }
        }
    }
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value[what].as_str().unwrap_or_default()
}

/// What is in the file of the recordings' CONFIG_FILE.
const FILE: &str = "gates: [{type: imageLoading}]";

/// A dockgate with a configuration, and the engine behind it.
struct Proxy {
    _dockgate: Dockgate,
    engine: Engine,
    /// Why it did not start.
    mistakes: Option<String>,
    reached: Arc<Mutex<Vec<Message>>>,
}

impl Proxy {
    fn start(config: &Value) -> Proxy {
        let engine = Engine::start();
        let reached = Arc::new(Mutex::new(Vec::new()));
        let volumes = config["upstream_response"]["body"]["Volumes"].as_array();
        let volumes = volumes.cloned().unwrap_or_default();
        let keep = Arc::clone(&reached);
        engine.serve(move |request| {
            let (status, body) = answer(&request.head.line, &volumes);
            let body = body.to_string();
            keep.lock().expect("what reached it").push(request.clone());
            let length = body.len();
            format!("HTTP/1.1 {status}\r\nX-From: engine\r\nContent-Length: {length}\r\n\r\n{body}")
                .into_bytes()
        });
        let environment = environment(config, engine.directory());
        let path = |name: &str| {
            let path = engine.directory().join(name);
            path.to_str().expect("a plain path").to_owned()
        };
        let (listen, forward) = (path(SOCKET), path("engine.sock"));
        let own = [
            ("LISTEN_SOCKET_PATH", &listen),
            ("FORWARDING_SOCKET_PATH", &forward),
        ];
        let all = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.map(|(name, value)| (name, value.as_str()));
        let mut dockgate = Dockgate::start(&all.chain(own).collect::<Vec<_>>());
        let until = Instant::now() + BOUND;
        let mistakes = loop {
            let log = dockgate.log();
            if log.contains("listening on unix://") {
                break None;
            }
            if dockgate.has_ended() {
                break Some(dockgate.log());
            }
            assert!(Instant::now() < until, "{log}");
            thread::sleep(Duration::from_millis(2));
        };
        Proxy {
            _dockgate: dockgate,
            engine,
            mistakes,
            reached,
        }
    }

    fn outcome(&self, request: &Value) -> Outcome {
        if let Some(mistakes) = &self.mistakes {
            return Outcome::Unread(mistakes.clone());
        }
        if request.is_null() {
            return Outcome::Starts;
        }
        let mut client = Wire::unix(&self.engine.directory().join(SOCKET));
        client.send(bytes(request));
        let head = client.head();
        let mut reached = std::mem::take(&mut *self.reached.lock().expect("what reached it"));
        let forwarded = match head.one("x-from") {
            Some(_) => reached.pop(),
            None => None,
        };
        // All else are questions.
        for asked in reached {
            let line = &asked.head.line;
            let plain = line.starts_with("GET /volumes/") || line.starts_with("GET /containers/");
            assert!(plain && asked.body.is_empty(), "{request}: {line}");
        }
        match forwarded {
            Some(forwarded) => Outcome::Forwarded(forwarded),
            None => {
                let length = if request["method"] == "HEAD" {
                    0
                } else {
                    head.length()
                };
                let why = String::from_utf8_lossy(&client.take(length)).into_owned();
                assert!([400, 403, 404].contains(&head.status()), "{request}: {why}");
                Outcome::Denied(why)
            }
        }
    }
}

const SOCKET: &str = "proxy.sock";

/// What the engine says: it has the volumes of a case, with all labels, since the recorded one has
/// them for each filter; and containers that mount nothing.
fn answer(line: &str, volumes: &[Value]) -> (&'static str, Value) {
    let name = |before: &str, behind: &str| {
        let path = line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
        path.strip_prefix(before)?.strip_suffix(behind)
    };
    if let Some(volume) = name("/volumes/", "") {
        return match volumes.iter().any(|one| one["Name"] == volume) {
            true => (
                "200 OK",
                json!({"Name": volume, "Labels": {"k": "v", "k2": "v2"}}),
            ),
            false => ("404 Not Found", json!({"message": "no such volume"})),
        };
    }
    match name("/containers/", "/json") {
        Some(_) => ("200 OK", json!({"Id": "c0".repeat(32), "Mounts": []})),
        None => ("200 OK", json!({})),
    }
}

/// The variables of a case, with its files in a folder.
fn environment(config: &Value, folder: &Path) -> Vec<(String, String)> {
    let path = |name: &str| {
        let path = folder.join(name);
        path.to_str().expect("a plain path").to_owned()
    };
    if !config["config"].is_null() {
        return vec![("CONFIG_DATA".to_owned(), config["config"].to_string())];
    }
    std::fs::write(path("c.yaml"), FILE).expect("a file");
    let files = config["config_dir_files"].as_object();
    if files.is_some() {
        std::fs::create_dir(path("config.d")).expect("a folder");
    }
    for (name, text) in files.into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        std::fs::write(Path::new(&path("config.d")).join(name), text).expect("a file");
    }
    let variables = config["env"].as_object().into_iter().flatten();
    let variables = variables.filter_map(|(name, value)| {
        let value = match (name.as_str(), value.as_str()?) {
            ("LISTEN_SOCKET_PATH", _) => return None,
            ("CONFIG_FILE", value) if !value.is_empty() => path("c.yaml"),
            ("CONFIG_DIR", value) => path(value.rsplit('/').next().unwrap_or_default()),
            (_, value) => value.to_owned(),
        };
        Some((name.clone(), value))
    });
    variables.collect()
}

/// A request as it was sent.
fn bytes(request: &Value) -> Vec<u8> {
    if let Some(raw) = request["raw"].as_str() {
        return raw.as_bytes().to_vec();
    }
    let mut head = format!(
        "{} {} HTTP/1.1\r\n",
        text(request, "method"),
        text(request, "target")
    );
    let mut hosted = false;
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        hosted |= name.eq_ignore_ascii_case("host");
        head += &format!("{name}: {}\r\n", value.as_str().unwrap_or_default());
    }
    if !hosted {
        head += "Host: docker\r\n";
    }
    let body = text(request, "body").as_bytes();
    match (request["body"].is_null(), request["chunked"] == true) {
        (true, _) => [head.as_bytes(), b"\r\n"].concat(),
        (false, true) => {
            head += "Transfer-Encoding: chunked\r\n\r\n";
            [head.as_bytes(), &chunk(body), &chunk("")].concat()
        }
        (false, false) => {
            head += &format!("Content-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        }
    }
}

/// What becomes of each case, by its name. Each configuration is started once, several at a time.
fn outcomes(cases: &[Value]) -> HashMap<&str, Outcome> {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for case in cases {
        let group = groups.entry(case["config"].to_string());
        group.or_default().push(case);
    }
    let groups = Mutex::new(groups.into_values());
    let found = Mutex::new(HashMap::new());
    let next = || groups.lock().expect("groups").next();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(group) = next() {
                    let proxy = Proxy::start(&group[0]["config"]);
                    for case in group {
                        let outcome = proxy.outcome(&case["request"]);
                        found
                            .lock()
                            .expect("outcomes")
                            .insert(text(case, "id"), outcome);
                    }
                }
            });
        }
    });
    found.into_inner().expect("outcomes")
}

/// Whether the engine got what it got there: the target, and the body as JSON or byte by byte.
fn is_same(request: &Message, forwarded: &Value) -> bool {
    let target = request.head.line.split(' ').nth(1);
    let json: Option<Value> = serde_json::from_slice(&request.body).ok();
    let same_body = match json {
        Some(json) => json == forwarded["body_json"],
        None => request.text() == text(forwarded, "body"),
    };
    target == Some(text(forwarded, "target")) && same_body
}

/// Cases that dockgate refuses, or does not start with.
const STRICTER: &[(&str, &str)] = &[
    ("passthrough/", "an empty configuration is refused"),
    ("shutdown/", "an empty configuration is refused"),
    ("existing-file-removed", "an empty configuration is refused"),
    (
        "gate-readonlyAccess/11",
        "an upgrade of the connection hides no write",
    ),
    (
        "gate-registry/22",
        "engines do not agree on a parameter that is there twice",
    ),
    (
        "gate-registry/23",
        "engines do not agree on a parameter that is there twice",
    ),
    (
        "gate-registry/24",
        "engines do not agree on the case of a parameter",
    ),
    ("gate-registry/35", "an escape hides no route"),
    ("gate-registry/36", "a slash at the end hides no route"),
    ("gate-registry/4", "the engine prefers the values of a form"),
    (
        "gate-namespaceAllowlist/18",
        "an import is from no registry",
    ),
    (
        "gate-namespaceAllowlist/24",
        "engines do not agree on the case of a parameter",
    ),
    (
        "gate-namespaceAllowlist/25",
        "the name of an image is no ID",
    ),
    ("gate-imageLoading/04", "a slash at the end hides no route"),
    ("gate-imageLoading/05", "an escape hides no route"),
    (
        "gate-mountSource/10",
        "a source is compared as the engine cleans it",
    ),
    (
        "gate-mountSource/25",
        "a key counts in any case, as to the engine",
    ),
    (
        "gate-mountSource/28",
        "a key counts in any case, as to the engine",
    ),
    ("gate-mountSource/29", "a Content-Type hides no body"),
    ("gate-mountSource/30", "a Content-Type hides no body"),
    ("gate-mountSource/39", "an escape hides no route"),
    ("gate-mountSource/40", "every way to mount counts: services"),
    (
        "gate-mountSource/41",
        "every way to mount counts: volumes that are binds",
    ),
    (
        "mut-mountPath-volume",
        "engines ignore the folder of a volume in versions of the API before 1.45",
    ),
    ("mut-mountPath-misc/09", "a target with a .. segment or a #"),
    (
        "mut-mountPath-then-gate/03",
        "a source is compared as the engine cleans it",
    ),
    (
        "mut-addLabels/18",
        "the engine takes no labels that are a string",
    ),
    ("config-dir-merge/startup", "an empty document is refused"),
    ("config-dir-empty", "an empty configuration is refused"),
    ("config-list", "a document is a map of keys"),
    ("config-null", "an empty document is refused"),
    ("config-empty-map", "an empty document is refused"),
    ("config-gates-", "what is no list is refused"),
    ("config-unknown-", "what is unknown is refused"),
    ("config-sample-", "what is unknown is refused"),
    ("config-wrong-section", "what is unknown is refused"),
];

/// Cases in which that proxy failed, and dockgate forwards the request as it must be.
const MENDED: &[(&str, &str)] = &[
    (
        "gate-registry/1",
        "a tag may be empty or in the name, and a digest is a reference",
    ),
    (
        "gate-namespaceAllowlist/1",
        "a tag may be empty or in the name, and a digest is a reference",
    ),
    (
        "gate-mountSource/21",
        "a mount without a source is an anonymous volume",
    ),
    (
        "gate-mountSource/3",
        "the engine refuses a create of nothing",
    ),
    (
        "mut-mountPath-volume/2",
        "a mount without a source is no path",
    ),
    (
        "mut-mountPath-volume-subpath/21",
        "a mount without a source is no path",
    ),
    (
        "mut-mountPath-misc/04",
        "the engine refuses a create of nothing",
    ),
    ("mut-mountPath-misc/05", "a body in chunks is a body"),
    (
        "upstream-missing-at-start",
        "an engine that is not there yet is found later",
    ),
    ("mut-addLabels/20", "a body in chunks is a body"),
    ("mut-addToNetwork/08", "HostConfig may be absent"),
    (
        "mut-remapImage-create/",
        "what is no name of an image stays as it is",
    ),
    ("mut-remapImage-pull/09", "a digest is a reference"),
    ("mut-remapImage-inspect/06", "a name may be escaped"),
    (
        "mut-remapImage-inspect/09",
        "what is no name of an image stays as it is",
    ),
];

/// Cases in which the engine gets something else.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "mut-mountPath-hostpath/08",
        "a name may begin with two dots",
    ),
    ("mut-mountPath-hostpath/1", "options survive"),
    ("mut-mountPath-volume/09", "options survive"),
    ("mut-mountPath-volume/1", "options survive"),
    ("mut-mountPath-volume-subpath/1", "options survive"),
    ("mut-mountPath-hostpath/23", "a relative path is no volume"),
    ("mut-mountPath-volume/23", "a relative path is no volume"),
    (
        "mut-mountPath-volume-subpath/23",
        "a relative path is no volume",
    ),
    ("mut-mountPath-misc/06", "a Content-Type hides no body"),
    (
        "gate-mountSource/23",
        "a container that was judged is named by its full ID",
    ),
    ("mut-addLabels/0", "labels are strings to the engine"),
    ("mut-addLabels/11", "images get labels too"),
    ("mut-remapImage-create/10", "a digest is never dropped"),
    ("mut-remapImage-create/17", "the registry counts"),
    ("mut-remapImage-pull/06", "the registry counts"),
    ("mut-remapImage-inspect/07", "a digest is never dropped"),
    ("mut-remapImage-registry-to/05", "a digest is never dropped"),
    ("mut-remapImage-port-to/05", "a digest is never dropped"),
    ("mut-remapImage-port-to/", "a colon may be a port's"),
    ("mut-remapImage-digest-to/05", "a digest is never dropped"),
    ("mut-remapImage-digest-from/", "a digest is that very image"),
];

/// Cases in which dockgate starts, and that proxy does not.
const STARTS: &[(&str, &str)] = &[
    (
        "config-none",
        "without a configuration, the section variables have their defaults",
    ),
    ("existing-file-removed", "dockgate starts in its place"),
];

#[test]
fn recorded_cases_are_as_expected() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let cases = CASES
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    // Answers are compared below.
    let cases = cases.filter(|case: &Value| !text(case, "id").starts_with(OF_ANSWERS));
    let cases: Vec<Value> = cases.collect();
    let mut outcomes = outcomes(&cases);
    for case in &cases {
        let (id, expect) = (text(case, "id"), &case["expect"]);
        let outcome = outcomes.remove(id).expect("an outcome");
        let expected = text(expect, "decision");
        let (kind, reasons) = match (&outcome, expected) {
            (Outcome::Starts, "starts" | "exits") => ("starts", None),
            (Outcome::Starts, _) => ("starts here alone", Some(STARTS)),
            (Outcome::Unread(_), "startup_error" | "deny" | "error") => ("does not start", None),
            (Outcome::Denied(_), "deny" | "error") => ("denied", None),
            (Outcome::Forwarded(request), "allow") => {
                match is_same(request, &expect["forwarded"]) {
                    true => ("forwarded", None),
                    false => ("forwarded otherwise", Some(OTHERWISE)),
                }
            }
            (Outcome::Forwarded { .. }, "error") => ("mended", Some(MENDED)),
            (Outcome::Unread(_) | Outcome::Denied(_), _) => ("stricter", Some(STRICTER)),
            // Nothing that was denied is forwarded.
            _ => ("wider", Some(&[][..])),
        };
        *counts.entry(kind).or_default() += 1;
        let Some(reasons) = reasons else { continue };
        match reasons.iter().find(|(cases, _)| id.starts_with(cases)) {
            Some((cases, _)) => _ = used.insert(*cases),
            None => wrong.push(format!(
                "{id}: {} is {kind}, {outcome}, expected {expected}: {}",
                case["request"], expect["forwarded"]
            )),
        }
    }
    println!("recorded cases: {counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reasons = [STRICTER, MENDED, OTHERWISE, STARTS].concat();
    let idle: Vec<_> = reasons
        .iter()
        .filter(|(cases, _)| !used.contains(cases))
        .collect();
    assert!(idle.is_empty(), "no case needs these reasons: {idle:?}");
    assert!(counts["forwarded"] > 90, "{counts:?}");
}

/// Cases about what is left of an answer.
const OF_ANSWERS: &str = "rf-";

/// Cases, why something else is left of the answer, and what: a status and a body. Without these, dockgate
/// does not start.
type Otherwise = (&'static str, &'static str, Option<(u64, &'static str)>);

/// Cases in which something else is left of an answer.
const ANSWERED_OTHERWISE: &[Otherwise] = &[
    (
        "rf-required-empty-value/01",
        "an empty value is a value",
        Some((200, r#"[{"Id":"c7","Labels":{"env":""}}]"#)),
    ),
    (
        "rf-forbidden-two/01",
        "any of the forbidden labels hides",
        Some((
            200,
            r#"[{"Id":"c2","Labels":{"env":"prod"}},{"Id":"c3","Labels":{}},{"Id":"c4","Labels":null},{"Id":"c5"},{"Id":"c7","Labels":{"env":""}}]"#,
        )),
    ),
    ("rf-empty-maps/01", "no label at all is a mistake", None),
    ("rf-objects-unknown/", "what is unknown is refused", None),
    (
        "rf-required/08",
        "what lists do not show has no inspect",
        Some((404, r#"{"message":"No such container: c2"}"#)),
    ),
    (
        "rf-required/17",
        "an escape hides no route",
        Some((
            200,
            r#"[{"Id":"c1","Labels":{"env":"dev","team":"a"}},{"Id":"c6","Labels":{"env":"dev"}}]"#,
        )),
    ),
    (
        "rf-odd-upstream/01",
        "an error keeps its message",
        Some((400, r#"{"message":"bad filter"}"#)),
    ),
    (
        "rf-odd-upstream/02",
        "an error keeps its message",
        Some((500, r#"{"message":"x"}"#)),
    ),
    (
        "rf-odd-upstream/03",
        "no volumes are no volumes",
        Some((200, r#"{"Volumes":null,"Warnings":null}"#)),
    ),
    (
        "rf-odd-upstream/04",
        "what is no list is withheld",
        Some((502, "")),
    ),
    ("rf-odd-upstream/05", "no list is none", Some((200, "null"))),
    (
        "rf-odd-upstream/09",
        "what is no object is hidden",
        Some((200, "[]")),
    ),
];

#[test]
fn recorded_answers_are_filtered() {
    let cases = CASES
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let cases = cases.filter(|case: &Value| text(case, "id").starts_with(OF_ANSWERS));
    let (mut count, mut used) = (0, BTreeSet::new());
    for case in cases {
        count += 1;
        let (id, config, request) = (text(&case, "id"), &case["config"], &case["request"]);
        let otherwise = ANSWERED_OTHERWISE
            .iter()
            .find(|(one, ..)| id.starts_with(one));
        used.extend(otherwise.map(|(one, ..)| *one));
        let engine = Engine::start();
        let upstream = config["upstream_response"].clone();
        let name = |line: &str| {
            let path = line.split(' ').nth(1)?.rsplit_once("/containers/")?.1;
            path.strip_suffix("/json").map(str::to_owned)
        };
        engine.serve(move |asked| match name(&asked.head.line) {
            // It has one container, and the recorded one had it under any name.
            Some(name) if name != "c2" => reply(
                404,
                &json!({"message": format!("No such container: {name}")}).to_string(),
                false,
            ),
            Some(_) => {
                let mut body = upstream["body"].clone();
                body["Id"] = "c2".repeat(32).into();
                reply(200, &body.to_string(), true)
            }
            None => {
                let body = match &upstream["body"] {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                let status = upstream["status"].as_u64().unwrap_or(200);
                reply(status, &body, upstream["chunked"] == true)
            }
        });
        let socket = engine.directory().join(SOCKET);
        let (listen, forward) = (socket.clone(), engine.directory().join("engine.sock"));
        let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let text_of = config["config"].to_string();
        let mut dockgate = Dockgate::start(&[
            ("CONFIG_DATA", &text_of),
            ("LISTEN_SOCKET_PATH", &path(&listen)),
            ("FORWARDING_SOCKET_PATH", &path(&forward)),
        ]);
        let until = Instant::now() + BOUND;
        while !dockgate.log().contains("listening on unix://") && !dockgate.has_ended() {
            assert!(Instant::now() < until, "{id}: {}", dockgate.log());
            thread::sleep(Duration::from_millis(2));
        }
        let expected = match otherwise {
            Some((_, why, None)) => {
                assert!(dockgate.has_ended(), "{id}: {why}");
                continue;
            }
            Some((_, _, Some((status, body)))) => (*status, (*body).to_owned()),
            None => (
                case["expect"]["status"].as_u64().expect("a status"),
                text(&case["expect"], "response_body").to_owned(),
            ),
        };
        let mut client = Wire::unix(&socket);
        client.send(bytes(request));
        let head = client.head();
        let body = match (&*request["method"].to_string(), head.status()) {
            ("\"HEAD\"", _) | (_, 204) => Vec::new(),
            _ if head.one("content-length").is_some() => client.take(head.length()),
            _ => {
                let mut body = Vec::new();
                while let Some(part) = client.chunk() {
                    body.extend(part);
                }
                body
            }
        };
        let body = String::from_utf8(body).expect("text");
        assert_eq!(u64::from(head.status()), expected.0, "{id}: {body}");
        if expected.0 == 502 {
            assert!(body.contains("labelFilter"), "{id}: {body}");
            continue;
        }
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        assert_eq!(json(&body), json(&expected.1), "{id}: {body}");
    }
    assert!(count > 30, "{count} cases");
    for (one, why, _) in ANSWERED_OTHERWISE {
        assert!(
            used.contains(one),
            "no case needs this reason: {one}: {why}"
        );
    }
}

fn reply(status: u64, body: &str, chunked: bool) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n");
    match (status, chunked) {
        (204, _) => format!("{head}\r\n").into_bytes(),
        (_, true) => {
            let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
            [head.as_bytes(), &chunk(body.as_bytes()), &chunk("")].concat()
        }
        (_, false) => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
    }
}
