//! The reader of bodies against the engine: what dockgate reads in a create is what the engine then
//! has, and what dockgate forwards makes the same container. What is not read is not forwarded.
//!
//! Each body is read by dockgate's own reader and sent to the engine as it is. All that was read must
//! be in the engine's inspect, and nothing may be there that was not read. Then it goes through a
//! dockgate with `DENY_ROOT`; where that refuses it, what was read is sent to the engine instead. The
//! second container must be the first one's twin.

mod made;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dockgate::api::fields::{BODIES, Body};
use dockgate::body::Place;
use dockgate::body::json::{self, Limits, Refusal, Shape, Untyped, read};
use serde_json::{Map, Value, json};

use crate::harness::{Engine, Gate};
use crate::wire::{Message, Wire};
use made::{Generator, HAND_MADE};

/// How many bodies are generated.
const GENERATED: usize = 500;
/// A busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// An engine makes containers side by side.
const THREADS: usize = 8;

/// What follows from other fields, which then have to be there.
const FOLLOWS: &[(&str, &[&str])] = &[
    ("MemorySwap", &["Memory"]),
    ("SecurityOpt", &["Privileged", "PidMode", "IpcMode"]),
    ("MaskedPaths", &["Privileged"]),
    ("ReadonlyPaths", &["Privileged"]),
    ("Hostname", &["UTSMode", "NetworkMode"]),
    ("Cmd", &["Entrypoint"]),
];

/// What engines up to 26 read at the top where the HostConfig does not have it.
const AT_THE_TOP_TOO: &[&str] = &[
    "CpuShares",
    "CpusetCpus",
    "Memory",
    "MemorySwap",
    "VolumeDriver",
];

fn create() -> &'static Body {
    let mut bodies = BODIES.iter();
    let create = bodies.find(|body| body.route.text == "POST /containers/create");
    create.expect("it is in the table")
}

fn dockgates(body: &[u8]) -> Result<json::Value, Refusal> {
    read(body, Limits::default(), Place::of(create()))
}

type Reader = fn(&[u8]) -> Option<json::Value>;

/// Readers with a mistake each, to see that a mistake would be found.
const MISTAKEN: [Reader; 2] = [
    // Names in another case are other names.
    |body| read(body, Limits::default(), Untyped).ok(),
    // Of two values, the last counts.
    |body| {
        let last: Value = serde_json::from_slice(body).ok()?;
        dockgates(last.to_string().as_bytes()).ok()
    },
];

/// How a field of the body is named in the table, and whether only engines up to 26 read it at the
/// top. Nothing if it is written in another way, or unknown.
fn known(name: &str) -> Option<Place> {
    let (spelt, place) = Place::of(create()).field(name)?;
    (spelt == name).then_some(place)
}

/// What a body says: of the container, and of its host. `wide` engines read the host's fields at the
/// top too if there is no HostConfig.
fn said(read: &json::Value, wide: bool) -> [(&'static str, Map<String, Value>); 2] {
    let read: Value = serde_json::from_str(&read.to_json()).expect("JSON");
    let read = read.as_object().cloned().unwrap_or_default();
    let mut host = read.get("HostConfig").and_then(Value::as_object).cloned();
    let (mut config, mut top) = (Map::new(), Map::new());
    for (name, value) in read {
        match known(&name) {
            Some(place) if place.legacy => top.insert(name, value),
            Some(_) if !["HostConfig", "NetworkingConfig"].contains(&&*name) => {
                config.insert(name, value)
            }
            _ => None,
        };
    }
    if wide {
        if let Some(cpus) = top
            .remove("Cpuset")
            .filter(|_| host.is_some() || !top.is_empty())
        {
            top.entry("CpusetCpus").or_insert(cpus);
        }
        match &mut host {
            None => host = Some(top),
            Some(host) => {
                top.retain(|name, _| AT_THE_TOP_TOO.contains(&&**name));
                host.retain(|name, value| !top.contains_key(name) || !is_empty(value));
                for (name, value) in top {
                    host.entry(name).or_insert(value);
                }
            }
        }
    }
    let mut host = host.unwrap_or_default();
    // As many as there may be.
    if host
        .get("PidsLimit")
        .is_some_and(|limit| limit.as_i64() < Some(0))
    {
        host.remove("PidsLimit");
    }
    // An array of two: what is behind is not read, and what is missing is 0.
    if let Some(size) = host.get_mut("ConsoleSize").and_then(Value::as_array_mut) {
        size.resize(2, json!(0));
    }
    [("HostConfig", host), ("Config", config)]
}

/// Whether it is what an absent value is, or a struct of such.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.values().all(is_empty),
    }
}

/// Whether what is shown has all that was said, and nothing else.
fn holds(shown: &Value, said: &Value) -> bool {
    match (shown, said) {
        (shown, said) if is_empty(said) => is_empty(shown),
        (Value::Object(shown), Value::Object(said)) => {
            let none = |name: &String| !said.contains_key(name);
            said.iter()
                .all(|(name, said)| holds(shown.get(name).unwrap_or(&Value::Null), said))
                && shown
                    .iter()
                    .all(|(name, shown)| !none(name) || is_empty(shown))
        }
        (Value::Array(shown), Value::Array(said)) => {
            shown.len() == said.len() && shown.iter().zip(said).all(|(a, b)| holds(a, b))
        }
        (shown, said) => shown == said,
    }
}

/// Whether a list begins with what was said, and goes on.
fn is_more(shown: &Value, said: &Value) -> bool {
    match (shown, said) {
        (Value::Array(shown), Value::Array(said)) => shown.starts_with(said),
        _ => false,
    }
}

/// What an engine does by itself.
struct Own {
    /// What it shows of a container of which nothing was said.
    plain: Value,
    /// Whether it reads the host's fields at the top of a body too.
    wide: bool,
}

impl Own {
    /// What was read and is not shown, and what is shown and was not read.
    fn differences(&self, read: &json::Value, shown: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let parts = said(read, self.wide);
        let follows = |name: &str| {
            let mut causes = FOLLOWS.iter().filter(|(other, _)| *other == name);
            causes.any(|(_, causes)| {
                let mut causes = causes.iter();
                causes.any(|cause| parts.iter().any(|(_, said)| said.contains_key(*cause)))
            })
        };
        for (part, said) in &parts {
            let shown = shown[part].as_object().expect("a part of an inspect");
            let names = shown
                .keys()
                .chain(self.plain[part].as_object().expect("likewise").keys());
            for name in names {
                let is = shown.get(name).unwrap_or(&Value::Null);
                let by_itself = *is == self.plain[part][name] || follows(name);
                match said.get(name).filter(|said| !said.is_null()) {
                    Some(said)
                        if !holds(is, said)
                            && !((is_empty(said) || is_more(is, said)) && by_itself) =>
                    {
                        wrong.push(format!("{part}.{name}: {said} was read, {is} is shown"));
                    }
                    None if !by_itself => wrong.push(format!("{part}.{name}: {is} was not read")),
                    _ => {}
                }
            }
            for (name, said) in said {
                if known(name).is_some() && !is_empty(said) && !shown.contains_key(name) {
                    wrong.push(format!("{part}.{name}: {said} was read, nothing is shown"));
                }
            }
        }
        wrong
    }
}

/// What an inspect shows that is not another for each container.
fn shown(mut inspect: Value) -> Value {
    let id = inspect["Id"].as_str().expect("an ID").to_owned();
    let config = inspect["Config"].as_object_mut().expect("a config");
    if config["Hostname"]
        .as_str()
        .is_some_and(|name| id.starts_with(name))
    {
        config.remove("Hostname");
    }
    let host = inspect["HostConfig"].as_object_mut().expect("a HostConfig");
    // Filled in by the time of the start if nothing was said of the host.
    host.entry("Runtime").or_insert_with(|| "runc".into());
    let mut mounts = inspect["Mounts"].as_array().cloned().unwrap_or_default();
    for mount in &mut mounts {
        if mount["Name"].as_str().is_some_and(|name| name.len() == 64) {
            mount["Name"] = "anonymous".into();
            mount["Source"] = Value::Null;
        }
    }
    mounts.sort_by_key(|mount| mount["Destination"].to_string());
    json!({
        "Config": inspect["Config"],
        "HostConfig": inspect["HostConfig"],
        "Mounts": mounts,
        "Networks": inspect["NetworkSettings"]["Networks"],
    })
}

/// Where two of these differ.
fn apart(one: &Value, other: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (part, one) in one.as_object().expect("parts") {
        let other = &other[part];
        match (one.as_object(), other.as_object()) {
            (Some(a), Some(b)) => wrong.extend(
                a.keys()
                    .chain(b.keys().filter(|name| !a.contains_key(*name)))
                    .filter(|name| a.get(*name) != b.get(*name))
                    .map(|name| format!("{part}.{name}: {} and {}", one[name], other[name])),
            ),
            _ if one != other => wrong.push(format!("{part}: {one} and {other}")),
            _ => {}
        }
    }
    wrong
}

/// A connection that is kept, and opened anew where it is closed.
struct Line<F> {
    open: F,
    wire: Wire,
}

impl<F: Fn() -> Wire> Line<F> {
    fn new(open: F) -> Line<F> {
        let wire = open();
        Line { open, wire }
    }

    /// Asks and waits for the answer; nothing if the connection ends without one, as an engine does
    /// that panics.
    fn ask(&mut self, line: &str, body: &[u8]) -> Option<Message> {
        let length = body.len();
        let kind = match body {
            [] => "",
            _ => "Content-Type: application/json\r\n",
        };
        let head =
            format!("{line} HTTP/1.1\r\nHost: docker\r\n{kind}Content-Length: {length}\r\n\r\n");
        self.wire.patience(PATIENCE);
        self.wire.send([head.as_bytes(), body].concat());
        let answer = self.wire.has_more().then(|| self.wire.response());
        let closes = |answer: &Message| answer.head.one("connection") == Some("close");
        if answer.as_ref().is_none_or(closes) {
            self.wire = (self.open)();
        }
        answer
    }

    /// Creates a container: its ID, or the status of a refusal.
    fn create(&mut self, body: &[u8]) -> Result<String, u16> {
        let answer = self.ask("POST /containers/create", body).ok_or(0u16)?;
        match answer.status() {
            201 => {
                let made: Value = serde_json::from_slice(&answer.body).expect("JSON");
                Ok(made["Id"].as_str().expect("an ID").to_owned())
            }
            status => Err(status),
        }
    }

    /// What is shown of a container, if the engine can show it.
    fn inspect(&mut self, id: &str) -> Result<Value, u16> {
        let answer = self.ask(&format!("GET /containers/{id}/json"), b"");
        let answer = answer.ok_or(0u16)?;
        Ok(shown(
            serde_json::from_slice(&answer.body).expect("an inspect"),
        ))
    }

    /// What the engine shows of what it makes of a body.
    fn made(&mut self, body: &[u8]) -> Result<Value, u16> {
        let id = self.create(body)?;
        self.inspect(&id)
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
    counts: BTreeMap<&'static str, usize>,
    /// How many bodies show each mistake.
    shows: [usize; MISTAKEN.len()],
}

impl Own {
    /// What becomes of a body of which the engine made this, and what is wrong with it.
    fn compare(
        &self,
        body: &[u8],
        made: &Result<Value, u16>,
        direct: &mut Line<impl Fn() -> Wire>,
        through: &mut Line<impl Fn() -> Wire>,
    ) -> (&'static str, Vec<String>) {
        let Ok(tree) = dockgates(body) else {
            let wrong = through
                .create(body)
                .map(|_| "was forwarded unread".to_owned());
            return ("not read", Vec::from_iter(wrong.ok()));
        };
        let written = tree.to_json().into_bytes();
        let first = match made {
            Ok(first) => first,
            Err(status) => {
                let again = direct.made(&written);
                let same = again.as_ref().err() == Some(status);
                let wrong = (!same).then(|| format!("{status} became {again:?}"));
                return ("refused by the engine", Vec::from_iter(wrong));
            }
        };
        let mut wrong = self.differences(&tree, first);
        let passed = through.create(body).and_then(|id| direct.inspect(&id));
        let mut names = tree.as_object().into_iter().flat_map(json::Object::iter);
        let legacy = names.any(|(name, _)| known(name).is_some_and(|one| one.legacy));
        let outcome = match passed {
            Ok(second) if legacy => {
                // What only old engines read at the top is not forwarded.
                let narrow = Own {
                    plain: self.plain.clone(),
                    wide: false,
                };
                wrong.extend(narrow.differences(&tree, &second));
                "passes without what is at its top"
            }
            Ok(second) => {
                wrong.extend(apart(first, &second));
                "passes"
            }
            Err(_) => {
                match direct.made(&written) {
                    Ok(second) => wrong.extend(apart(first, &second)),
                    Err(status) => wrong.push(format!("became {status}")),
                }
                "refused by dockgate"
            }
        };
        (outcome, wrong)
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_read_is_what_the_engine_has() {
    let engine = Engine::in_memory();
    let gate = Gate::before(
        &engine.socket(),
        &format!("{} DENY_ROOT", crate::terms::ALL),
    );
    let bodies: Vec<Vec<u8>> = HAND_MADE
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain((0..GENERATED).map(|seed| Generator::new(seed).body()))
        .collect();
    assert!(HAND_MADE.len() >= 80);
    let socket = engine.socket();
    let mut direct = Line::new(|| Wire::unix(&socket));
    let mut plain = |body| direct.made(body).expect("a plain container");
    let wide = plain(br#"{"Image":"busybox","Memory":67108864}"#);
    let wide = wide["HostConfig"]["Memory"] != json!(0);
    let plain = plain(br#"{"Image":"busybox","HostConfig":{}}"#);
    let engines = Own { plain, wide };
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Findings::default()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut direct = Line::new(|| Wire::unix(&socket));
                let mut through = Line::new(|| Wire::tcp(gate.address));
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let made = direct.made(body);
                    let (outcome, wrong) = engines.compare(body, &made, &mut direct, &mut through);
                    let mut findings = findings.lock().expect("no panic");
                    let text = String::from_utf8_lossy(body);
                    let wrong = wrong.iter().map(|wrong| format!("{wrong}\n    {text:?}"));
                    findings.wrong.extend(wrong);
                    *findings.counts.entry(outcome).or_default() += 1;
                    for (reader, shows) in MISTAKEN.iter().zip(&mut findings.shows) {
                        let found = matches!((&made, reader(body)), (Ok(first), Some(tree))
                            if !engines.differences(&tree, first).is_empty());
                        *shows += usize::from(found);
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().expect("no panic");
    let (counts, shows) = (&findings.counts, &findings.shows);
    println!("{counts:?}, mistakes shown {shows:?}");
    assert!(findings.wrong.is_empty(), "{}", findings.wrong.join("\n"));
    assert!(counts["passes"] > 150, "{counts:?}");
    assert!(counts["refused by dockgate"] > 100, "{counts:?}");
    assert!(shows.iter().all(|shows| *shows > 5), "{shows:?}");
}

/// On recorded inspects, so that it runs without an engine.
#[test]
fn a_mistake_of_a_reader_is_found() {
    let recorded = |name: &str| {
        let path = format!("{}/tests/inspects/{name}.json", env!("CARGO_MANIFEST_DIR"));
        shown(serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON"))
    };
    let plain = recorded("engine20-1");
    let body = br#"{"image":"busybox:latest","Cmd":["sh"],"hostconfig":{"privileged":true}}"#;
    let powerful = recorded("engine20-4");
    let engines = Own {
        plain: plain.clone(),
        wide: true,
    };
    let found = |tree: &json::Value, shown| engines.differences(tree, shown);
    let tree = dockgates(body).expect("a tree");
    assert_eq!(found(&tree, &powerful), [""; 0]);
    // It was read and is not shown.
    let wrong = found(&tree, &plain);
    assert!(
        wrong[0].contains("Privileged: true was read, false is shown"),
        "{wrong:?}"
    );
    // It is shown and was not read.
    let mistaken = MISTAKEN[0](body).expect("a tree");
    let wrong = found(&mistaken, &powerful);
    assert!(
        wrong
            .iter()
            .any(|wrong| wrong == "HostConfig.Privileged: true was not read"),
        "{wrong:?}"
    );
}
