//! Every GET of the API, with own, foreign and no objects and with queries that fish; and all that
//! comes out is searched for what is the other team's.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};

use super::talk::{Talk, To, encoded};
use super::teams::{Marks, Team, Thing, inspect};
use crate::wire::latin1;

const TABLE: &str = include_str!("../../conformance/docker-api.tsv");
const BOUND: Duration = Duration::from_secs(10);

/// What came out, by request.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) requests: usize,
    /// The marks that each answer had, by the request.
    pub(super) leaks: BTreeMap<String, Vec<String>>,
}

/// Sends all that are wanted.
pub(super) fn crawl(
    address: SocketAddr,
    teams: &[Team; 2],
    marks: &Marks,
    wanted: fn(&str) -> bool,
) -> Findings {
    let mut talk = Talk::new(To::Gate(address));
    let mut findings = Findings::default();
    let targets = targets(teams).into_iter();
    for (path, asked) in targets.filter(|(path, _)| wanted(path)) {
        for method in ["GET", "HEAD"] {
            let line = format!("{method} {path}");
            let headers = match path.ends_with("/attach/ws") {
                true => WEBSOCKET,
                false => "",
            };
            let answer = talk.send(&line, headers, b"");
            findings.requests += 1;
            let mut found = marks.found(&answer.head, &asked);
            found.extend(marks.found(&answer.body, &asked));
            if !found.is_empty() {
                let found = found.into_iter().map(str::to_owned).collect();
                findings.leaks.insert(line, found);
            }
        }
    }
    findings
}

pub(super) const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://docker\r\n";

/// The paths, with what each asks for by a name that may come back.
fn targets(teams: &[Team; 2]) -> Vec<(String, String)> {
    let mut targets = Vec::new();
    for line in TABLE
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("GET\t"))
    {
        let path = line.split('\t').nth(1).expect("a path");
        // Nobody is granted these; and one downloads profiles for half a minute.
        if path.starts_with("/debug/") {
            continue;
        }
        match path.split_once('{') {
            None => {
                for (query, asked) in queries(path, teams) {
                    targets.push((format!("{path}{query}"), asked));
                }
            }
            Some((before, after)) => {
                let (_, after) = after.split_once('}').expect("a placeholder");
                for (name, is_own) in names(before, teams) {
                    // What does not end, if there is something; and what takes a second, once.
                    let is_spared = match after {
                        "/attach/ws" => is_own,
                        "/stats" => {
                            !["alpha-c2", "bravo-c2", "bravo-c9", "absent"].contains(&&*name)
                        }
                        _ => false,
                    };
                    if is_spared {
                        continue;
                    }
                    for query in details(before, after) {
                        let path = format!("{before}{name}{after}{query}");
                        targets.push((path, name.clone()));
                    }
                }
            }
        }
    }
    targets
}

/// Own, foreign and absent names and IDs of what a path begins with.
fn names(before: &str, teams: &[Team; 2]) -> Vec<(String, bool)> {
    let kind = before.trim_matches('/');
    let mut names = Vec::new();
    for (team, is_own) in teams.iter().zip([true, false]) {
        let mut all: Vec<&Thing> = team.all(kind).collect();
        if kind == "containers" {
            // Those that differ: running and in networks, checked, of the other's network, of a service.
            all.retain(|thing| {
                let ends = ["-c1", "-c2", "-c9", "-guest"];
                ends.iter().any(|end| thing.name.ends_with(end)) || thing.name.contains("-web")
            });
        }
        for thing in all {
            names.push((thing.id.clone(), is_own));
            if !is_own {
                let hex = thing.id.trim_start_matches("sha256:");
                names.push((hex[..hex.len().min(12)].to_owned(), false));
            }
            if thing.name != thing.id {
                names.push((thing.name.clone(), is_own));
            }
        }
    }
    let shared: &[&str] = match kind {
        "networks" => &["commons", "bridge", "none", "ingress", "absent"],
        "volumes" => &["models", "absent"],
        _ => &["absent"],
    };
    names.extend(shared.iter().map(|name| ((*name).to_owned(), false)));
    names
}

/// More of what an inspect can be asked for.
fn details(before: &str, after: &str) -> &'static [&'static str] {
    match (before, after) {
        ("/containers/", "/archive") => &["?path=/etc/hostname", "?path=/etc/hosts"],
        ("/containers/", "/json") => &["", "?size=1"],
        ("/containers/", "/logs") => &["?stdout=1&stderr=1"],
        ("/containers/", "/stats") => &["?stream=0&one-shot=1"],
        ("/containers/", "/top") => &["", "?ps_args=-ef"],
        ("/networks/", "") => &["", "?verbose=1", "?scope=local"],
        ("/services/", "/logs") | ("/tasks/", "/logs") => &["?stdout=1&details=1"],
        ("/services/", "") => &["", "?insertDefaults=1"],
        // A registry that nobody asks.
        ("/distribution/", _) => &[],
        _ => &[""],
    }
}

/// What lists can be asked for, and what of it may come back.
fn queries(path: &str, teams: &[Team; 2]) -> Vec<(String, String)> {
    let bravo = &teams[1];
    let kind = path.trim_start_matches('/').split('/').next();
    let kind = kind.unwrap_or_default();
    let foreign = bravo.all(kind).next();
    let mut queries: Vec<String> = match path {
        "/events" => vec![String::new()],
        "/images/search" => return Vec::new(),
        "/plugins/privileges" => return Vec::new(),
        "/images/get" => vec!["?names=absent".into(), "?names=walnut:1".into()],
        "/system/df" => [
            "",
            "?type=container",
            "?type=volume",
            "?verbose=1",
            "?type=image",
        ]
        .map(str::to_owned)
        .into(),
        _ => vec![String::new()],
    };
    if path == "/events" {
        queries = vec!["?since=0&until=END".to_owned()];
    }
    let is_list = matches!(
        path,
        "/configs"
            | "/containers/json"
            | "/containers/ps"
            | "/events"
            | "/images/json"
            | "/networks"
            | "/networks/"
            | "/secrets"
            | "/services"
            | "/tasks"
            | "/volumes"
    );
    if is_list {
        let more = match path {
            "/events" => "&since=0&until=END",
            "/containers/json" => "&all=1",
            _ => "",
        };
        for filters in fishing(bravo, foreign) {
            queries.push(format!("?filters={}{more}", encoded(&filters.to_string())));
        }
        for plain in [
            "all=1",
            "all=1&size=1",
            "all=1&limit=1",
            "limit=-1",
            "limit=1",
            "status=1",
            "before=bravo-c9&all=1",
            "since=bravo-c1&all=1",
            "filter=walnut",
            "verbose=1",
            "digests=1",
            "shared-size=1",
            "manifests=1",
        ] {
            queries.push(format!("?{plain}{more}"));
        }
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs().to_string();
    let queries = queries.into_iter();
    queries
        .map(|query| {
            // The longest name that it has, which may come back as what there is not.
            let things = bravo.things.iter().map(|thing| &thing.name);
            let names = things.filter(|name| query.contains(&***name));
            let asked = names.max_by_key(|name| name.len()).cloned();
            (query.replace("END", &now), asked.unwrap_or_default())
        })
        .collect()
}

/// Filters that ask for the other team's, by all that can be guessed or seen in an accident.
fn fishing(bravo: &Team, foreign: Option<&Thing>) -> Vec<Value> {
    let mut all = vec![
        json!({"label": ["team=bravo"]}),
        json!({"label": {"team=bravo": true}}),
        json!({"label": ["team"]}),
        json!({"label!": ["team=alpha"]}),
        json!({"name": ["bravo"]}),
        json!({"name": {"bravo": true}}),
        json!({"name": ["bravo"], "id": ["a", "b", "c", "d", "e", "f"]}),
        json!({"dangling": ["true"]}),
        json!({"dangling": ["false"]}),
        json!({"driver": ["local", "bridge", "overlay"]}),
        json!({"type": ["custom"]}),
        json!({"type": ["container", "network", "volume", "service", "secret", "config", "node"]}),
        json!({"scope": ["local", "swarm"]}),
        json!({"status": ["created", "running", "exited"]}),
        json!({"health": ["healthy", "starting"]}),
        json!({"is-task": ["true"]}),
        json!({"ancestor": ["busybox"]}),
        json!({"before": ["bravo-c9"]}),
        json!({"since": ["bravo-c1"]}),
        json!({"volume": ["bravo-vol"]}),
        json!({"volume": ["alpha-vol"]}),
        json!({"network": ["bravo-net"]}),
        json!({"network": ["alpha-net"]}),
        json!({"network": ["commons"]}),
        json!({"service": ["bravo-web"]}),
        json!({"container": ["bravo-c1"]}),
        json!({"secret": ["bravo-secret"]}),
        json!({"config": ["bravo-config"]}),
        json!({"reference": ["walnut*"]}),
        json!({"desired-state": ["running"]}),
        json!({"event": ["exec_create", "connect", "mount", "create"]}),
        json!({"_up-to-date": ["true"]}),
        json!({"runtimes": ["x"]}),
        json!({"exited": ["0"]}),
        json!({"expose": ["80"]}),
        json!({}),
        Value::Null,
    ];
    if let Some(thing) = foreign {
        all.push(json!({ "id": [thing.id] }));
        all.push(json!({ "name": [thing.name] }));
    }
    let volume = bravo.all("volumes").last();
    all.extend(volume.map(|volume| json!({ "volume": [volume.id] })));
    all
}

/// Whether all that is one's own is seen: in lists and alone, and how much of it `info` counts.
pub(super) fn sees_own(address: SocketAddr, team: &Team, images: bool) {
    let mut talk = Talk::new(To::Gate(address));
    for thing in &team.things {
        if thing.kind == "images" && !images {
            continue;
        }
        talk.must(&inspect(thing), "");
        let list = match thing.kind {
            "containers" => "containers/json?all=1",
            "images" => "images/json",
            "exec" => continue,
            kind => kind,
        };
        let list = talk.must(&format!("GET /{list}"), "").to_string();
        assert!(
            list.contains(&thing.id),
            "{} {}: {list}",
            thing.kind,
            thing.name
        );
    }
    let own = team.all("containers").count();
    let info = talk.must("GET /info", "");
    assert_eq!(info["Containers"], own, "{info}");
    let limited = talk.must("GET /containers/json?limit=5", "");
    assert_eq!(limited.as_array().map(Vec::len), Some(5), "{limited}");
    let usage = talk.must("GET /system/df", "");
    assert_eq!(usage["Containers"].as_array().map(Vec::len), Some(own));
    let mut volumes = usage["Volumes"].as_array().into_iter().flatten();
    let mounted = volumes.find(|volume| volume["Name"] == "alpha-vol");
    let mounted = mounted.expect("its volume");
    assert_eq!(mounted["UsageData"]["RefCount"], 1, "{mounted}");
}

/// Events as they come, kept until they are looked at.
pub(super) struct Events {
    socket: Socket,
    reader: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Events {
    pub(super) fn listen(to: &To) -> Events {
        let (domain, address) = match to {
            To::Engine(socket) => (Domain::UNIX, SockAddr::unix(socket).expect("a short path")),
            To::Gate(address) => (Domain::for_address(*address), (*address).into()),
        };
        let mut socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
        socket.connect(&address).expect("it listens");
        socket
            .write_all(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
            .expect("sent");
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let reader = {
            let seen = Arc::clone(&seen);
            let mut socket = socket.try_clone().expect("a clone");
            thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(count @ 1..) = socket.read(&mut buffer) {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.extend_from_slice(&buffer[..count]);
                }
            })
        };
        Events {
            socket,
            reader: Some(reader),
            seen,
        }
    }

    /// All so far, without the framing.
    pub(super) fn text(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = latin1(&seen);
        let Some((head, mut rest)) = text.split_once("\r\n\r\n") else {
            return text;
        };
        let mut plain = format!("{head}\n\n");
        while let Some((size, after)) = rest.split_once("\r\n") {
            let Ok(size) = usize::from_str_radix(size, 16) else {
                break;
            };
            plain.push_str(after.get(..size).unwrap_or(after));
            rest = after.get(size + 2..).unwrap_or_default();
        }
        plain
    }

    /// Waits until something has come; what is wrong if it does not.
    pub(super) fn lack(&self, wanted: &str) -> Option<String> {
        let begin = Instant::now();
        while begin.elapsed() < BOUND {
            let text = self.text();
            if text.contains(wanted) {
                return None;
            }
            // An error is all that there will be.
            if text.len() > 20 && !text.starts_with("HTTP/1.1 200") {
                return Some(format!("no event {wanted}: {text}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(format!("no event {wanted}"))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What a team does on its own, once of everything that has an event.
pub(super) fn work(engine: &mut Talk, team: &Team) {
    let word = team.word;
    let name = format!("{word}-passing");
    let labels = team.labels();
    let net = json!({"Name": name, "Labels": labels});
    let net = engine.makes("POST /networks/create", &net);
    let volume = json!({"Name": name, "Labels": labels});
    engine.makes("POST /volumes/create", &volume);
    let body = team.container(70, json!({"Binds": [format!("{name}:/v")]}));
    let id = engine.makes(&format!("POST /containers/create?name={name}"), &body);
    let join = json!({ "Container": id }).to_string();
    engine.must(&format!("POST /networks/{net}/connect"), &join);
    engine.must(&format!("POST /containers/{id}/start"), "");
    let exec = json!({"Cmd": ["true", format!("{word}-argument")]});
    let exec = engine.makes(&format!("POST /containers/{id}/exec"), &exec);
    engine.must(&format!("POST /exec/{exec}/start"), r#"{"Detach":true}"#);
    engine.must(&format!("POST /containers/{id}/rename?name={name}-2"), "");
    engine.must(&format!("POST /containers/{id}/pause"), "");
    engine.must(&format!("POST /containers/{id}/unpause"), "");
    engine.must(&format!("POST /networks/{net}/disconnect"), &join);
    engine.must(&format!("DELETE /containers/{id}?force=1&v=1"), "");
    engine.must(&format!("DELETE /networks/{net}"), "");
    engine.must(&format!("DELETE /volumes/{name}"), "");
    for kind in ["secrets", "configs"] {
        let body = json!({"Name": name, "Data": "eA==", "Labels": labels});
        let id = engine.makes(&format!("POST /{kind}/create"), &body);
        engine.must(&format!("DELETE /{kind}/{id}"), "");
    }
    engine.must(
        &format!("POST /images/{}:1/tag?repo={}&tag=2", team.wood, team.wood),
        "",
    );
    engine.must(&format!("DELETE /images/{}:2", team.wood), "");
}
