//! Dialects of other proxies: their recorded decisions, and what holds for any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use authority::Authority;
use dockgate::api::sections::ACTIONS;
use dockgate::api::{Methods, Target};
use dockgate::body::demands::Demands;
use dockgate::body::facts::{Answer, Fact};
use dockgate::body::inspection::{self, Step};
use dockgate::clients::containers::{Arrival, History, Known, Listing};
use dockgate::config::{
    ConfiguredPolicy, Endpoint, LabelLists, Listen, OwnList, Settings, Severity, Snapshot,
};
use dockgate::policy::{
    Allowlist, Body, Entry, Inspection, Judged, Passage, Policy, Regex, Subject, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use serde_json::Value;

#[path = "support/authority.rs"]
mod authority;

/// A configuration as the program would read it, or why it does not start.
fn load(env: &Value, args: &[String]) -> Result<Settings, String> {
    let env: BTreeMap<String, String> = serde_json::from_value(env.clone()).unwrap_or_default();
    let mut snapshot: Snapshot = env.into_iter().collect();
    let rest = snapshot.take_flags(args.iter().map(Into::into));
    let rest = rest.map_err(|bad| bad.to_string())?;
    if let Some(word) = rest.first() {
        return Err(format!("unexpected {}", word.display()));
    }
    Settings::load(&snapshot).map_err(|diagnostics| {
        let errors = diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error);
        errors
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value[what].as_str().unwrap_or_default()
}

/// Whether a request would reach the engine.
fn allows(settings: &Settings, case: &Value) -> bool {
    let request = &case["request"];
    let target = Target::from_line(text(request, "method"), text(request, "target"));
    let Ok(target) = target else { return false };
    let client = match (text(request, "client_ip"), text(request, "dial")) {
        ("", "::1") => "::1",
        ("", _) => "127.0.0.1",
        (client, _) => client,
    };
    let client: IpAddr = client.parse().expect("an address");
    // The hosts file of the recordings.
    let named = |host: &String| match host.as_str() {
        "traefik" => client == IpAddr::from([127, 0, 0, 7]),
        "dozzle" => client == IpAddr::from([127, 0, 0, 8]),
        _ => false,
    };
    let admitted = (settings.clients.as_ref())
        .is_none_or(|list| list.has(client) || list.hosts.iter().any(named));
    let list = list(settings, case, client);
    let (admitted, policy) = match &list {
        None => (admitted, settings.policies.default()),
        Some(Ok(list)) => (true, list),
        Some(Err(_)) => return false,
    };
    let body = match request["body"].is_null() && request["method"] != "GET" {
        true => Body::Empty,
        false => Body::Other,
    };
    admitted
        && match policy.decide(target, body) {
            Verdict::Allow(permit) => match permit.passage() {
                Passage::Stream(_) => true,
                Passage::Inspect(inspection) => {
                    let body = request["body"].as_str().unwrap_or_default();
                    passes(inspection, Arc::clone(&policy.demands), body)
                }
            },
            Verdict::Deny(_) | Verdict::WouldDeny(..) => false,
        }
}

/// The list of a client's container, if it has one, or why it has no access.
fn list(
    settings: &Settings,
    case: &Value,
    client: IpAddr,
) -> Option<Result<ConfiguredPolicy, String>> {
    let prefix = settings.process.label_prefix.as_ref()?;
    let is_tcp = |one: &Endpoint| matches!(one.listen, Listen::Tcp { .. });
    if !settings.endpoints.iter().any(is_tcp) {
        return None;
    }
    let lists = LabelLists::new(prefix, settings.policies.default());
    let now = Instant::now();
    let arrival = Arrival {
        accepted: now,
        heard: u64::MAX / 2,
        local: None,
    };
    let mut listing = listing(case);
    History::default().date(&mut listing, 0);
    let known = Known::new(listing, now + Duration::from_secs(1));
    match lists.of(known.whose(client, &arrival)) {
        OwnList::None => None,
        OwnList::By { labels, .. } => {
            let mut diagnostics = Vec::new();
            let list = lists.compile(&labels, &mut diagnostics);
            Some(list.ok_or_else(|| format!("{diagnostics:?}")))
        }
        OwnList::Unknown(why) => Some(Err(why.to_string())),
    }
}

/// What the emulated engine of a recording says: its own network is the host's loopback one.
fn listing(case: &Value) -> Listing {
    let labelled = |name: &str, address: &str| {
        serde_json::json!([{
            "Id": name, "Names": [name], "Labels": {"socket-proxy.allow.get": "/a"},
            "NetworkSettings": {"Networks": {"proxynet": {"IPAddress": address}}},
        }])
    };
    let containers = match text(case, "id") {
        "labels-events/03-after-start" => labelled("/a", "127.0.0.7"),
        "labels-events/06-no-event-refresh-on-deny" => labelled("/b", "127.0.0.8"),
        _ => case["config"]["engine"]["containers"].clone(),
    };
    let all = containers.as_array().cloned().unwrap_or_default();
    let held = all.iter().filter_map(|one| {
        let address = one["NetworkSettings"]["Networks"]["proxynet"]["IPAddress"].as_str()?;
        let held =
            serde_json::json!({"EndpointID": one["Id"], "IPv4Address": format!("{address}/8")});
        Some((one["Id"].as_str()?.to_owned(), held))
    });
    let network = serde_json::json!({
        "Id": "proxynet", "Driver": "bridge",
        "Containers": held.collect::<serde_json::Map<String, Value>>(),
        "IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]},
    });
    let own = serde_json::json!({
        "Id": "own", "HostConfig": {"NetworkMode": "proxynet"},
        "NetworkSettings": {"Networks": {"proxynet": {"NetworkID": "proxynet"}}},
    });
    let own = serde_json::from_value(own).expect("an inspect");
    let network = serde_json::from_value(network).expect("a network");
    let listed = all.into_iter();
    let listed = listed.map(|one| serde_json::from_value(one).expect("a container"));
    Listing::of(Some(&own), vec![network], listed.collect(), Vec::new())
}

/// Whether a request meets its terms, with an engine that has nothing.
fn passes(inspection: Inspection, demands: Arc<Demands>, body: &str) -> bool {
    let mut step = inspection::begin(
        inspection,
        demands,
        Arc::default(),
        dockgate::body::json::Value::default,
    );
    loop {
        step = match step {
            Step::Read(reading) => reading.read(body.as_bytes().to_vec()),
            Step::Ask(asking) => {
                let missing = |fact: &Fact| (fact.clone(), Answer::Missing(String::new()));
                let answers: Vec<_> = asking.needs().iter().map(missing).collect();
                asking.answered(answers)
            }
            Step::Judged(Judged::Clear(_)) => return true,
            _ => return false,
        };
    }
}

/// Goes through recorded cases. `connects` is whether the client gets to ask at all; `why` has the deliberate differences: the beginnings of cases, and
/// the reason.
fn compare(
    cases: &str,
    load: impl Fn(&Value) -> Result<Settings, String>,
    connects: impl Fn(&Settings, &Value) -> bool,
    why: &[(&str, &str)],
) {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).expect("JSON");
        let (id, request) = (text(&case, "id"), &case["request"]);
        let settings = load(&case["config"]);
        let is = match &settings {
            Err(_) => "startup_error",
            Ok(_) if request.is_null() => "starts",
            Ok(settings) if connects(settings, &case["config"]) && allows(settings, &case) => {
                "allow"
            }
            Ok(_) => "deny",
        };
        let expected = match text(&case["expect"], "decision") {
            "error" | "local" => "deny",
            "allow" | "shutdown" => "allow",
            "exits" | "keeps_running" | "event" => "starts",
            decision => decision,
        };
        // What does not start allows nothing.
        let agrees = is == expected || (is == "startup_error" && expected == "deny");
        // A reason to be stricter is none to allow what was denied.
        let why = if is == "allow" { WIDER } else { why };
        let reason = why.iter().find(|(cases, _)| id.starts_with(cases));
        match reason {
            Some((cases, _)) if !agrees => _ = used.insert(*cases),
            None if !agrees => {
                let error = settings.err().unwrap_or_default();
                wrong.push(format!(
                    "{id}: {is}, expected {expected}: {} {error}",
                    case["config"]
                ));
            }
            _ => {}
        }
        *counts.entry(is).or_default() += 1;
    }
    println!("recorded cases: {counts:?}");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let idle: Vec<_> = why
        .iter()
        .filter(|(cases, _)| !used.contains(cases))
        .collect();
    assert!(idle.is_empty(), "no case needs these reasons: {idle:?}");
}

/// All that is allowed here and was denied there.
const WIDER: &[(&str, &str)] = &[
    (
        "method-none/",
        "nothing is set: that is Tecnativa's configuration, with PING granted",
    ),
    (
        "parse/bom",
        "a byte order mark is skipped, and the first line counts",
    ),
    (
        "labels-bad-regex/01",
        "a bad pattern is of no account to other containers",
    ),
    ("bindmount/14", "one path alone is an anonymous volume"),
    ("bindmount/15", "one path alone is an anonymous volume"),
    ("bindmount/16", "the engine refuses an empty one"),
    (
        "bindmount/68",
        "an empty body, which the engine refuses, is {}",
    ),
    (
        "bindmount/116",
        "an empty body, which the engine refuses, is {}",
    ),
    ("bindmount/91", "the engine has no such route"),
    ("bindmount/93", "an update has no HostConfig to the engine"),
];

/// Stricter than wollomatic/socket-proxy in these.
const WOLLOMATIC: &[(&str, &str)] = &[
    ("path-prefix/12", "a .. segment"),
    ("path-prefix/13", "a .. segment"),
    ("path-prefix/14", "a .. segment"),
    ("path-prefix/16", "a control byte"),
    ("path-prefix/19", "an empty segment"),
    ("path-prefix/20", "patterns match ASCII paths only"),
    ("path-prefix/21", "patterns match ASCII paths only"),
    (
        "path-alternation/03",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "path-alternation/04",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "path-alternation/07",
        "a top-level | is grouped before it is anchored",
    ),
    ("path-alternation/08", "a .. segment"),
    ("path-dotstar/05", "an empty segment"),
    ("path-dotstar/06", "an empty segment"),
    ("path-dotstar/07", "a target in absolute form"),
    ("path-dotstar/08", "a .. segment"),
    ("path-dotstar/12", "a backslash"),
    ("path-backslash-re/02", "a .. segment"),
    ("path-backslash-re/03", "a . segment"),
    ("method-all/08", "the Docker API has no TRACE"),
    ("bindmount/17", "a source that is neither a path nor a name"),
    ("bindmount/18", "a source that is neither a path nor a name"),
    ("bindmount/19", "a source that is neither a path nor a name"),
    ("bindmount/20", "a source that is neither a path nor a name"),
    ("bindmount/21", "a source that is neither a path nor a name"),
    ("bindmount/22", "a source that is neither a path nor a name"),
    ("bindmount/23", "a source that is neither a path nor a name"),
    (
        "bindmount/32",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/33",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/34",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/36",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/37",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/38",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/39",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/41",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/42",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/56",
        "a mount of an unknown type, or without a source",
    ),
    (
        "bindmount/48",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/49",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/50",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/53",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/54",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/55",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/113",
        "a local volume that mounts something that is not listed",
    ),
    (
        "bindmount/114",
        "a local volume that mounts something that is not listed",
    ),
    ("bindmount/52", "a volume driver that could mount anything"),
    ("bindmount/111", "a volume driver that could mount anything"),
    ("bindmount/62", "a field twice"),
    ("bindmount/88", "a HostConfig where the engine has none"),
    ("bindmount/96", "a HostConfig where the engine has none"),
    ("bindmount/80", "an empty segment"),
    ("bindmount/81", "an empty segment"),
    ("bindmount/82", "an empty segment"),
    ("bindmount/83", "a . segment"),
    ("bindmount/84", "a .. segment"),
    ("bindmount/92", "a write of Podman's own"),
    (
        "bindmount/98",
        "an exec that the engine does not have is a 404",
    ),
    ("bindmount/118", "a plugin runs as root on the host"),
    (
        "labels-notfound/",
        "it goes on looking for its container, and requests get a 503 until then",
    ),
    // The test of the running program has these.
    ("invalid/no-socket", "found out when it starts"),
    ("invalid/addr-not-local", "found out when it starts"),
    ("invalid/port-in-use", "found out when it starts"),
    ("startup/upstream-missing", "found out when it starts"),
];

/// Stricter than knrdl/docker-socket-protector in these, but for the first and the byte order mark.
const KNRDL: &[(&str, &str)] = &[
    (
        "startup/no-env",
        "nothing is set: that is Tecnativa's configuration",
    ),
    ("shutdown/", "the recording has not the profile's text"),
    (
        "startup/unprotected-dot-bypass",
        "no profile file is shipped",
    ),
    ("startup/no-socket", "found out when it starts"),
    ("parse/star-method", "a quantifier of nothing is refused"),
    ("parse/bom-comment", "a byte order mark is skipped"),
    ("match-encoded/01", "an escaped slash"),
    ("match-encoded/02", "an escaped slash"),
    ("match-encoded/04", "a needless escape"),
    ("match-encoded/05", "a .. segment"),
    ("match-encoded/06", "a .. segment"),
    ("match-encoded/07", "a control byte"),
    ("match-encoded/09", "a backslash"),
    ("match-encoded/10", "a byte that has to be escaped"),
    ("match-encoded/12", "a byte that has to be escaped"),
    (
        "match-alternation-url/03",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "match-alternation-url/04",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "match-alternation-url/05",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "match-alternation-url/06",
        "a top-level | is grouped before it is anchored",
    ),
    (
        "match-alternation-url/08",
        "a top-level | is grouped before it is anchored",
    ),
    ("match-alternation-method/03", "the Docker API has no GETX"),
    ("match-alternation-method/04", "the Docker API has no XHEAD"),
    ("match-unprotected/07", "a control byte"),
];

/// Stricter than hectorm/cetusguard in these.
const CETUSGUARD: &[(&str, &str)] = &[
    ("builtin/19", "a .. segment"),
    ("builtin/25", "a target in absolute form"),
    ("vars/09", "a .. segment"),
    ("vars/15", "a .. segment"),
    (
        "alternation/03",
        "a top-level | is grouped before it is anchored",
    ),
    ("forward/04", "an empty segment, and a .. segment"),
    ("shutdown/", "the recording has not its rules"),
];

#[test]
fn knrdl_recorded_cases_are_as_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("profile");
    let load = |config: &Value| {
        let mut env = config["env"].clone();
        if let Value::String(text) = &config["profile_text"] {
            fs::write(&file, text).expect("a file");
            env["PROFILE"] = file.display().to_string().into();
        }
        load(&env, &[])
    };
    let cases = include_str!("conformance/knrdl.jsonl");
    compare(cases, load, |_, _| true, KNRDL);
}

/// Whether a client like that of a recording gets as far as a request.
fn shakes_hands(
    settings: &Settings,
    config: &Value,
    authority: &Authority,
    other: &Authority,
) -> bool {
    let Some(tls) = settings.endpoints.iter().find_map(|one| one.tls.as_ref()) else {
        return true;
    };
    let mut server = ServerConnection::new(Arc::clone(&tls.config)).expect("a server");
    let newest = config["client_max_tls"].as_str();
    if newest == Some("770") {
        // rustls has no such client: TLS 1.1, one cipher suite, and nothing else.
        let mut hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02".to_vec();
        hello.extend([7; 32]);
        hello.extend(*b"\x00\x00\x02\xc0\x13\x01\x00");
        server.read_tls(&mut &*hello).expect("bytes");
        return server.process_new_packets().is_ok();
    }
    let versions: &[_] = match newest {
        Some("771") => &[&rustls::version::TLS12],
        _ => rustls::ALL_VERSIONS,
    };
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate.der().clone())
        .expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    let client = match config["client_cert"].as_str() {
        None => client.with_no_client_auth(),
        Some(which) => {
            let signer = if which == "bad" { other } else { authority };
            let own = signer.signs("client", None);
            let key = PrivatePkcs8KeyDer::from(own.key.serialize_der());
            client
                .with_client_auth_cert(vec![own.certificate.der().clone()], key.into())
                .expect("a client")
        }
    };
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(client.into(), name).expect("a client");
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        server.read_tls(&mut &*bytes).expect("read");
        if server.process_new_packets().is_err() {
            return false;
        }
        bytes.clear();
        server.write_tls(&mut bytes).expect("written");
        client.read_tls(&mut &*bytes).expect("read");
        if client.process_new_packets().is_err() {
            return false;
        }
    }
    !client.is_handshaking() && !server.is_handshaking()
}

#[test]
fn cetusguard_recorded_cases_are_as_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (authority, other) = (Authority::new(), Authority::called("other"));
    authority.write(folder.path(), "ca");
    let server = authority.signs("localhost", None);
    server.write(folder.path(), "server");
    fs::rename(path("server-key.pem"), path("server.key")).expect("renamed");
    let load = |config: &Value| {
        let args: Vec<String> = serde_json::from_value(config["args"].clone()).unwrap_or_default();
        if let Value::String(text) = &config["rules_file_text"] {
            fs::write(path("rules.list"), text).expect("a file");
        }
        let own = folder.path().to_str().expect("a plain path");
        let args = args.iter().map(|arg| arg.replace("/etc/cetusguard", own));
        // Its image sets this; without any variable it would be Tecnativa's configuration.
        let mut env = match &config["env"] {
            Value::Null => serde_json::json!({}),
            env => env.clone(),
        };
        env["CETUSGUARD_FRONTEND_ADDR"] = "tcp://:2375".into();
        load(&env, &args.collect::<Vec<_>>())
    };
    let cases = include_str!("conformance/cetusguard.jsonl");
    assert_eq!(cases.lines().count(), 64);
    // None of them has a client that is let in by its certificate.
    let mutual = cases.lines().find(|line| line.contains("tls/mutual-bad"));
    let mut mutual: Value = serde_json::from_str(mutual.expect("a case")).expect("JSON");
    mutual["config"]["client_cert"] = "good".into();
    let settings = load(&mutual["config"]).expect("it starts");
    assert!(shakes_hands(
        &settings,
        &mutual["config"],
        &authority,
        &other
    ));
    compare(
        cases,
        load,
        |settings, config| shakes_hands(settings, config, &authority, &other),
        CETUSGUARD,
    );
}

#[test]
fn the_engine_is_verified_by_the_files_of_that_proxy() {
    let folder = tempfile::tempdir().expect("good");
    let path = |name: &str| folder.path().join(name).to_str().expect("good").to_owned();
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(path);
    let own = authority::Identity::alone("dind");
    fs::write(&ca, own.certificate.pem()).expect("good");
    fs::write(&cert, own.certificate.pem()).expect("good");
    fs::write(&key, own.key.serialize_pem()).expect("good");
    let at = ("CETUSGUARD_BACKEND_ADDR", "tcp://dind:2376");
    let [of_ca, of_cert, of_key] =
        ["CACERT", "CERT", "KEY"].map(|end| format!("CETUSGUARD_BACKEND_TLS_{end}"));
    let load = |env: &[(&str, &str)], args: &[&str]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let env: BTreeMap<&str, &str> = env.iter().copied().collect();
        load(&serde_json::json!(env), &args)
    };
    let good = |env: &[(&str, &str)], args: &[&str]| load(env, args).expect("it starts");
    let all = [at, (&of_ca, &ca), (&of_cert, &cert), (&of_key, &key)];
    let flags = [
        "-backend-tls-cacert",
        &ca,
        "-backend-tls-cert",
        &cert,
        "-backend-tls-key",
        &key,
    ];
    for settings in [good(&all, &[]), good(&[at], &flags)] {
        let tls = settings.engine.tls.as_ref().expect("good");
        assert_eq!(tls.files.ca.to_str(), Some(&*ca));
        assert!(tls.files.own.is_some());
        assert_eq!(
            settings.seen.files().count(),
            3,
            "they are read again on reload"
        );
    }
    assert!(good(&all[..2], &[]).engine.tls.is_some());
    let unix = ("CETUSGUARD_BACKEND_ADDR", "unix:///x.sock");
    for (env, told) in [
        (
            &all[..3],
            "CETUSGUARD_BACKEND_TLS_CERT: it is set without CETUSGUARD_BACKEND_TLS_KEY",
        ),
        (
            &[at, all[2], all[3]],
            "CETUSGUARD_BACKEND_TLS_CERT: it is set without CETUSGUARD_BACKEND_TLS_CACERT",
        ),
        (
            &[unix, all[1]],
            "CETUSGUARD_BACKEND_TLS_CACERT: the engine is at a Unix socket",
        ),
        (
            &[at, all[1], ("ENGINE_CA", &ca)],
            "ENGINE_CA and CETUSGUARD_BACKEND_TLS_CACERT are both set",
        ),
        (
            &[at, (&of_ca, "/nowhere")],
            "CETUSGUARD_BACKEND_TLS_CACERT: ",
        ),
    ] {
        let errors = load(env, &[]).expect_err(told);
        assert!(errors.contains(told), "{told}: {errors}");
    }
}

#[test]
fn wollomatic_recorded_cases_are_as_expected() {
    let load = |config: &Value| {
        let args: Vec<String> = serde_json::from_value(config["args"].clone()).expect("arguments");
        load(&config["env"], &args)
    };
    compare(
        include_str!("conformance/wollomatic.jsonl"),
        load,
        |_, _| true,
        WOLLOMATIC,
    );
}

/// What Go's regexp package was seen to do: whatever it refuses is refused here, and what both take
/// matches the same texts.
#[test]
fn patterns_mean_what_they_mean_to_go_or_are_refused() {
    let mut rows = include_str!("conformance/go-regexes.jsonl").lines();
    let row = |line| serde_json::from_str::<Value>(line).expect("JSON");
    let texts = row(rows.next().expect("a first line"));
    let texts = texts["probes"].as_array().expect("texts").iter();
    let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
    let (mut taken, mut wrong) = (0, Vec::new());
    for line in rows {
        let row = row(line);
        let pattern = text(&row, "pattern");
        let Ok(regex) = Regex::new(pattern) else {
            continue;
        };
        taken += 1;
        let matched: Vec<&str> = (texts.iter().copied())
            .filter(|text| regex.matches(text))
            .collect();
        if row["go"] != serde_json::json!(matched) {
            wrong.push(format!("{pattern:?}: {matched:?}, Go: {}", row["go"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 700, "only {taken} are taken");
}

// What holds for any of them.

const PATTERNS: &[&str] = &[
    "/containers/.*",
    "/containers/[a-z]+/start",
    "/(v1[.0-9]+/)?version|/info",
    "(?i)/INFO",
    "/[^/]+",
    "",
];
const TARGETS: &[&str] = &[
    "/containers/json?all=1",
    "/containers/web/start",
    "/v1.41/containers/web/start",
    "/containers/web/exec",
    "/v1.41/version",
    "/info",
    "/images/json",
    "/containers/a%2Fb/start",
];
const GRANTS: &[&str] = &[
    "CONTAINERS=1",
    "POST=1",
    "INFO=0",
    "ALLOW_START=1",
    "IMAGES=1",
];
const DENIES: &[&str] = &[
    "DENY_START=1",
    "DENY_EXEC=1",
    "DENY_LIST=1",
    "DENY_INSPECT=1",
];

/// The verdicts on all targets, each with its reason.
fn verdicts(env: &[String], flags: &[String]) -> Vec<(bool, String)> {
    let env = env
        .iter()
        .map(|one| one.split_once('=').expect("a variable"));
    let mut snapshot: Snapshot = env.collect();
    snapshot
        .take_flags(flags.iter().map(Into::into))
        .expect("flags");
    let settings = Settings::load(&snapshot).expect("it starts");
    let asked = ["GET", "POST"].into_iter().flat_map(|method| {
        TARGETS
            .iter()
            .map(move |target| Target::from_line(method, target).expect("clean"))
    });
    let decided =
        asked.map(
            |target| match settings.policies.default().decide(target, Body::Empty) {
                Verdict::Allow(permit) => (true, permit.origin().to_string()),
                verdict @ Verdict::WouldDeny(..) => panic!("unprotected: {verdict}"),
                Verdict::Deny(denial) => (false, denial.message()),
            },
        );
    decided.collect()
}

fn flags() -> impl Strategy<Value = Vec<String>> {
    let flag = (select(&["GET", "POST"][..]), select(PATTERNS));
    vec(
        flag.prop_map(|(method, pattern)| format!("-allow{method}={pattern}")),
        0..4,
    )
}

fn variables(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    vec(select(names).prop_map(str::to_owned), 0..3)
}

proptest! {
    #[test]
    fn the_order_of_flags_and_variables_does_not_matter(
        (flags, shuffled) in flags().prop_flat_map(|flags| (Just(flags.clone()), Just(flags).prop_shuffle())),
        env in variables(GRANTS),
    ) {
        let mut turned = env.clone();
        turned.reverse();
        prop_assert_eq!(verdicts(&env, &flags), verdicts(&turned, &shuffled));
        // Nor does it which variable has which pattern.
        let numbered = |flags: &[String]| -> Vec<String> {
            let pairs = flags.iter().enumerate().map(|(i, flag)| {
                let (name, pattern) = flag.split_once('=').expect("a flag");
                format!("SP_ALLOW_{}_{i}={pattern}", name.trim_start_matches("-allow"))
            });
            pairs.chain(env.iter().cloned()).collect()
        };
        let allowed = |env: &[String]| -> Vec<bool> {
            verdicts(env, &[]).into_iter().map(|(allowed, _)| allowed).collect()
        };
        prop_assert_eq!(allowed(&numbered(&flags)), allowed(&numbered(&shuffled)));
    }

    #[test]
    fn one_more_deny_never_allows_more(
        flags in flags(),
        env in variables(GRANTS),
        denies in variables(DENIES),
    ) {
        let (before, after) = (verdicts(&env, &flags), verdicts(&[env, denies].concat(), &flags));
        for ((before, _), (after, reason)) in before.into_iter().zip(after) {
            prop_assert!(before || !after, "{}", reason);
        }
    }

    /// Grouped and anchored, a pattern matches nothing that it would not match as it stands between
    /// anchors.
    #[test]
    fn a_pattern_matches_no_more_than_between_anchors(
        pattern in "[/ab.*|()^$?+\\[\\]:\\-]{0,12}",
        paths in vec("/[/ab.:-]{0,6}", 20),
    ) {
        let Ok(regex) = Regex::new(&pattern) else { return Ok(()) };
        let bare = regex::bytes::RegexBuilder::new(&format!("^{pattern}$")).unicode(false).build();
        let bare = bare.expect("what is taken compiles");
        let entry = Entry { origin: "x".into(), methods: Methods::ALL, regex };
        let list = Allowlist::new(Subject::Path, &[entry], |_| String::new()).expect("small");
        let policy = Policy::new(&[]).expect("no rules").with(list);
        for path in paths {
            let Ok(target) = Target::from_line("GET", &path) else { continue };
            let path = target.whole_path().to_owned();
            if let Verdict::Allow(_) = policy.decide(target, Body::Empty) {
                prop_assert!(bare.is_match(&path), "{} {}", pattern, path.escape_ascii());
            }
        }
    }

    /// What a pattern matches is found, whatever the version and the name; so no warning about root
    /// is missed, and none says of a pattern in use that it matches nothing.
    #[test]
    fn what_a_pattern_matches_is_among_what_it_reaches(
        parts in vec(select(PARTS), 0..6),
        version in select(&["", "/v1.24", "/v1.56", "/v4.0.0/libpod", "/libpod"][..]),
        name in select(&["web", "a-b_c.d", "0123456789ab", "x"][..]),
        query in select(&["", "?", "?all=1", "?name=/start", "?t=5&signal=KILL"][..]),
    ) {
        let pattern = parts.concat();
        let Ok(regex) = Regex::new(&pattern) else { return Ok(()) };
        let routes = || ACTIONS.iter().flat_map(|action| action.routes);
        for (subject, query) in [(Subject::Path, ""), (Subject::Target, query)] {
            let reached = regex.reaches(subject, routes());
            for route in routes() {
                let names = route.text.split_once(' ').expect("a path").1.split('/').map(|segment| {
                    if segment.starts_with('{') { name } else { segment }
                });
                let target = format!("{version}{}{query}", names.collect::<Vec<_>>().join("/"));
                let found = reached.iter().find(|reached| reached.route.text == route.text);
                if regex.matches(&target) {
                    prop_assert!(found.is_some(), "{} matches {}", pattern, target);
                    prop_assert!(!query.is_empty() || !found.is_some_and(|one| one.with_query));
                }
            }
        }
    }
}

/// The profiles that knrdl/docker-socket-protector ships are built in, less what no read should do.
#[test]
fn no_built_in_profile_lets_a_get_write_to_stdin() {
    let load = |env: &[(&str, &str)]| Settings::load(&env.iter().copied().collect());
    let names = [
        "diun",
        "portainer-ro",
        "portainer-rw",
        "promtail",
        "readonly",
        "telegraf",
        "traefik",
        "traefik-swarm",
        "trivy",
    ];
    for name in names {
        let settings = load(&[("PROFILE", name)]).expect("a built-in profile");
        assert!(
            settings.policies.default().sources.profile.built_in,
            "{name}"
        );
        for target in [
            "/containers/4f1a/attach/ws",
            "/containers/4f1a/attach/ws?stdin=1&stream=1",
            "/v1.41/containers/web/db/attach/ws?",
            "/v1.41/containers/4f1a/attach/ws/",
            "/v4.0.0/libpod/containers/4f1a/attach/ws",
            "/containers/4f1a/json/attach/ws",
            "/images/x/attach/ws?a=/json",
            "/containers/4f1a/attach%2Fws",
            "/containers/4f1a/attach/w%73",
        ] {
            for method in ["GET", "HEAD"] {
                let target = Target::from_line(method, target).expect("a clean target");
                let verdict = settings.policies.default().decide(target, Body::Empty);
                assert!(matches!(verdict, Verdict::Deny(_)), "{name}: {verdict}");
            }
        }
    }
    let allows = |env: &[(&str, &str)], target: &str| {
        let target = Target::from_line("GET", target).expect("a clean target");
        let policy = load(env).expect("it starts").policies.into_default();
        matches!(policy.decide(target, Body::Empty), Verdict::Allow(_))
    };
    let readonly = ("PROFILE", "readonly");
    for read in [
        "/",
        "/networks/ws",
        "/volumes/attach",
        "/info?x=/attach/ws",
        "/debug/vars",
    ] {
        assert!(allows(&[readonly], read), "{read}");
    }
    // It is no deny: whoever asks for it has it.
    assert!(allows(
        &[readonly, ("ALLOW_ATTACH", "1")],
        "/containers/4f1a/attach/ws"
    ));
}

/// What patterns are made of.
const PARTS: &[&str] = &[
    r"/v1\.[0-9]+",
    "(/v[0-9.]+)?",
    "/containers",
    "/(containers|images|exec)",
    "/web",
    "/[^/]+",
    "/[a-z0-9_.-]+",
    "/.*",
    ".+",
    "/json",
    "/(start|create|json)",
    r"\b",
    r"\?",
    r"(\?.*)?",
    "(?i)/CREATE",
    "$",
    "[^a]",
    "|",
];
