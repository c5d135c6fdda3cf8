//! Recorded cases of mikesir87/docker-socket-proxy, through its mutators and gates without a proxy:
//! the decision, the target and the body that the engine gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use dockgate::api::{Framing, Message, Target};
use dockgate::body::draft::{Draft, Objection};
use dockgate::body::edits;
use dockgate::body::facts::{Answer, Fact, Facts};
use dockgate::body::gates::{self, Ruling};
use dockgate::body::json::{Limits, Untyped, read};
use dockgate::config::file::{self, Source};
use dockgate::config::{Dialect, Middleware, SETTINGS};
use http::HeaderValue;
use serde_json::{Value, json};

const CASES: &str = include_str!("conformance/mikesir87.jsonl");

/// What becomes of a case.
enum Outcome {
    /// dockgate does not start, because of these mistakes.
    Unread(String),
    Starts,
    Denied(String),
    Forwarded {
        target: String,
        /// What was written anew; nothing if the body streams.
        body: Option<Value>,
    },
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Unread(mistakes) => write!(f, "does not start: {mistakes}"),
            Outcome::Starts => f.write_str("starts"),
            Outcome::Denied(why) => write!(f, "denied: {why}"),
            Outcome::Forwarded { target, body } => {
                let body = body.as_ref().unwrap_or(&Value::Null);
                write!(f, "forwarded: {target} {body}")
            }
        }
    }
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value[what].as_str().unwrap_or_default()
}

/// The documents of a case, in their order. Of the variables, the first that is not empty counts.
fn documents(config: &Value) -> Vec<Source> {
    let source = |name: &str, text: &str| Source {
        name: name.into(),
        bytes: text.into(),
    };
    if !config["config"].is_null() {
        return vec![source("CONFIG_DATA", &config["config"].to_string())];
    }
    let env = &config["env"];
    match ["CONFIG_FILE", "CONFIG_DATA"].map(|name| text(env, name)) {
        ["", ""] => {
            let files = config["config_dir_files"].as_object();
            let mut files: Vec<_> = files.into_iter().flatten().collect();
            files.sort_by_key(|(name, _)| *name);
            let files = files.into_iter().filter(|(name, _)| {
                let is = |end| name.ends_with(end);
                is(".yml") || is(".yaml")
            });
            let files = files.map(|(name, text)| source(name, text.as_str().unwrap_or_default()));
            files.collect()
        }
        ["", data] => vec![source("CONFIG_DATA", data)],
        // What the recordings had in the file.
        [path, _] => vec![source(path, "gates: [{type: imageLoading}]")],
    }
}

fn middleware(config: &Value) -> Result<Middleware, String> {
    let lines = |mistakes: Vec<_>| {
        let mistakes = mistakes.iter().map(dockgate::config::Diagnostic::to_string);
        mistakes.collect::<Vec<_>>().join("\n")
    };
    let document = file::read(&documents(config)).map_err(|refused| lines(refused.mistakes))?;
    let middleware = Middleware::of(&document).map_err(lines)?;
    middleware.ok_or_else(|| "nothing is configured".to_owned())
}

/// Asks the engine, which has the volumes of the case's answer, and containers without mounts.
fn ask(config: &Value, facts: BTreeSet<Fact>, known: &mut Facts) {
    let volumes = config["upstream_response"]["body"]["Volumes"].as_array();
    let volumes = volumes.cloned().unwrap_or_default();
    for fact in facts {
        let found = match &fact {
            // The recorded engine has it for each filter, so it has all labels.
            Fact::Volume(name) => volumes
                .iter()
                .any(|one| one["Name"] == name.as_str())
                .then(|| json!({"Name": name.as_str(), "Labels": {"k": "v", "k2": "v2"}})),
            Fact::Container(_) => Some(json!({"Mounts": []})),
            fact => panic!("no gate asks for {fact:?}"),
        };
        let found = found.map(|found| {
            let text = found.to_string();
            read(text.as_bytes(), Limits::default(), Untyped).expect("JSON")
        });
        known.learn(
            fact,
            found.map_or(Answer::Missing(String::new()), Answer::Found),
        );
    }
}

fn answer(case: &Value) -> Outcome {
    let (config, request) = (&case["config"], &case["request"]);
    let middleware = match middleware(config) {
        Err(mistakes) => return Outcome::Unread(mistakes),
        Ok(middleware) => middleware,
    };
    if request.is_null() {
        return Outcome::Starts;
    }
    let target = Target::from_line(text(request, "method"), text(request, "target"));
    let target = match target {
        Err(bad) => return Outcome::Denied(bad.to_string()),
        Ok(target) if target.method().is_none() => return Outcome::Denied("method".to_owned()),
        Ok(target) => target,
    };
    let body = text(request, "body").as_bytes();
    let framing = match (request["body"].is_null(), request["chunked"] == true) {
        (true, _) => Framing::Empty,
        (false, true) => Framing::Chunked,
        (false, false) => Framing::Sized(body.len() as u64),
    };
    let types = request["headers"]["Content-Type"].as_str();
    let types = types.map(|text| HeaderValue::from_str(text).expect("a header"));
    let message = Message::new(framing).with_content_types(types.into_iter().collect());
    match forwarded(config, &middleware, target, &message, body) {
        Err(objection) => Outcome::Denied(objection.to_string()),
        Ok(draft) => {
            let is_read = middleware.reads_body(draft.act());
            let (target, tree) = draft.into_parts();
            let body = is_read.then(|| serde_json::from_str(&tree.to_json()).expect("JSON"));
            let target = target.path_and_query().as_str().to_owned();
            Outcome::Forwarded { target, body }
        }
    }
}

fn forwarded(
    config: &Value,
    middleware: &Middleware,
    target: Target,
    message: &Message,
    body: &[u8],
) -> Result<Draft, Objection> {
    let mut draft = Draft::new(target, message)?;
    if middleware.reads_body(draft.act()) {
        draft.read(body)?;
    }
    edits::edit(&middleware.mutators, &mut draft)?;
    let mut known = Facts::default();
    loop {
        match gates::judge(&middleware.gates, &draft, &known) {
            Ruling::Passes => return Ok(draft),
            Ruling::Refused(objection) => return Err(objection),
            Ruling::Needs(needs) => ask(config, needs, &mut known),
        }
    }
}

/// Cases that dockgate refuses, or does not start with.
const STRICTER: &[(&str, &str)] = &[
    ("passthrough/", "an empty configuration is refused"),
    ("shutdown/", "an empty configuration is refused"),
    ("existing-file-removed", "an empty configuration is refused"),
    ("rf-", "response filters are not supported yet"),
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
    (
        "upstream-missing-at-start",
        "that there is no engine is found out later",
    ),
];

/// Cases in which the engine gets something else.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "gate-readonlyAccess/16",
        "the recording sends another request",
    ),
    (
        "mut-mountPath-hostpath/08",
        "a name may begin with two dots",
    ),
    ("mut-mountPath-volume/08", "a name may begin with two dots"),
    (
        "mut-mountPath-volume-subpath/08",
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

#[test]
fn recorded_cases_are_as_expected() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let (id, expect) = (text(&case, "id"), &case["expect"]);
        let outcome = answer(&case);
        let expected = text(expect, "decision");
        let (kind, reasons) = match (&outcome, expected) {
            (Outcome::Starts, "starts") => ("starts", None),
            (Outcome::Unread(_), "startup_error" | "deny" | "error") => ("does not start", None),
            (Outcome::Denied(_), "deny" | "error") => ("denied", None),
            (Outcome::Forwarded { target, body }, "allow") => {
                let got = &expect["forwarded"];
                let same = body.as_ref().is_none_or(|body| *body == got["body_json"]);
                match same && *target == text(got, "target") {
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
    let reasons = [STRICTER, MENDED, OTHERWISE].concat();
    let idle: Vec<_> = reasons
        .iter()
        .filter(|(cases, _)| !used.contains(cases))
        .collect();
    assert!(idle.is_empty(), "no case needs these reasons: {idle:?}");
    assert!(counts["forwarded"] > 90, "{counts:?}");
}

/// Until mutators are applied, the setting of each keeps dockgate from starting.
#[test]
fn each_mutator_is_a_setting_that_is_not_ignored() {
    let unsupported = SETTINGS
        .iter()
        .filter(|one| one.dialect == Dialect::Mikesir87 && !one.supported);
    let names: Vec<&str> = unsupported.map(|one| one.name).collect();
    assert_eq!(names, edits::VARIABLES);
}
