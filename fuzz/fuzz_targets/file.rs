//! Configuration files: no text makes the reader panic or hang, no message is more than a line, and
//! what is accepted is the same when it is written out plainly and read again; of what is refused that
//! holds for the rest. An input is files with NULs between them, which none of them can have in it.

#![no_main]

use std::collections::BTreeSet;
use std::fmt::Write;

use dockgate::clients::Who;
use dockgate::config::file::{Document, Place, Source, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let files = data.split(|byte| *byte == 0);
    let sources: Vec<Source> = (0..)
        .zip(files)
        .map(|(number, bytes)| Source {
            name: format!("/{number}.yml").into(),
            bytes: bytes.to_vec(),
        })
        .collect();
    let document = match read(&sources) {
        Ok(document) => {
            check(&document, &sources);
            document
        }
        Err(refused) => {
            assert!(!refused.mistakes.is_empty(), "refused for no reason");
            for line in refused.mistakes.iter().map(ToString::to_string) {
                assert!(!line.chars().any(char::is_control), "{line:?}");
                assert!(line.starts_with('/') && line.contains(".yml:"), "{line:?}");
            }
            mended(*refused.rest)
        }
    };
    let document = document.without_middleware();
    if document == Document::default() {
        return;
    }
    let text = written(&document);
    // What several files or aliases say together can be too much for one file.
    if text.len() > 1 << 15 {
        return;
    }
    let again = Source {
        name: "/again.yml".into(),
        bytes: text.clone().into_bytes(),
    };
    let again = read(&[again]).unwrap_or_else(|refused| panic!("{refused:?}\n{text}"));
    assert_eq!(plain(document), plain(again), "{text}");
});

/// The rest of what is refused, without what is wrong about each entry only as it stands there.
fn mended(mut rest: Document) -> Document {
    let names: BTreeSet<&str> = rest.policies.iter().map(|one| &*one.name).collect();
    let is_known = |name: &str| ["default", "none"].contains(&name) || names.contains(name);
    let clients = rest.clients.iter_mut().map(|one| &mut one.policy);
    let endpoints = rest.endpoints.iter_mut().flat_map(|one| &mut one.policy);
    for policy in clients.chain(endpoints) {
        if !is_known(&policy.text) {
            policy.text = "none".to_owned();
        }
    }
    for endpoint in &mut rest.endpoints {
        if endpoint.listen.text.starts_with("tcp://") {
            endpoint.mode = None;
        }
    }
    rest
}

/// What holds for whatever is accepted.
fn check(document: &Document, sources: &[Source]) {
    let mut names = BTreeSet::from(["default", "none"]);
    for policy in &document.policies {
        assert!(
            policy.name == "default" || names.insert(&policy.name),
            "{} is there twice",
            policy.name
        );
        let mut variables = BTreeSet::new();
        for variable in &policy.variables {
            assert!(variables.insert(&variable.name), "{} twice", variable.name);
            assert!(!variable.name.starts_with("LISTEN"), "{}", variable.name);
            let bad = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            assert!(!variable.name.contains(bad), "{}", variable.name);
            assert!(!variable.value.contains('\0'), "{:?}", variable.value);
        }
    }
    let of_endpoints = document.endpoints.iter().flat_map(|one| &one.policy);
    let of_clients = document.clients.iter().map(|one| &one.policy);
    for policy in of_endpoints.chain(of_clients) {
        assert!(names.contains(&*policy.text), "unknown {:?}", policy.text);
    }
    for place in places(document) {
        let source = sources.iter().find(|source| source.name == place.file);
        let text = &source.expect("a file that was read").bytes;
        let lines = text.iter().filter(|byte| b"\r\n".contains(byte)).count();
        assert!((1..=lines + 1).contains(&place.line), "{place}");
    }
}

fn places(document: &Document) -> Vec<&Place> {
    let policies = document.policies.iter();
    let policies = policies.flat_map(|one| {
        let variables = one.variables.iter().map(|variable| &variable.place);
        variables.chain([&one.place])
    });
    let endpoints = document.endpoints.iter();
    let endpoints = endpoints.flat_map(|one| [&one.place, &one.listen.place]);
    let clients = document.clients.iter();
    let clients = clients.flat_map(|one| [&one.place, &one.policy.place]);
    let engines = document.engines.iter();
    let engines = engines.flat_map(|one| [&one.place, &one.address.place]);
    policies
        .chain(engines)
        .chain(endpoints)
        .chain(clients)
        .collect()
}

/// A document as one file in which every text is quoted.
fn written(document: &Document) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string");
    let keys = [
        ("policies:", document.policies.is_empty()),
        ("engines:", document.engines.is_empty()),
        ("endpoints:", document.endpoints.is_empty()),
        ("clients:", document.clients.is_empty()),
    ];
    for (key, _) in keys.iter().filter(|(_, is_empty)| !is_empty) {
        line((*key).to_owned());
        match *key {
            "policies:" => {
                for policy in &document.policies {
                    line(format!("  {}:", quoted(&policy.name)));
                    line(format!("    by_label: {}", policy.by_label));
                    for variable in &policy.variables {
                        let value = quoted(&variable.value);
                        line(format!("    {}: {value}", quoted(&variable.name)));
                    }
                }
            }
            "engines:" => {
                for engine in &document.engines {
                    line(format!("  {}:", quoted(&engine.name)));
                    line(format!("    address: {}", quoted(&engine.address.text)));
                    let files = [
                        ("ca", &engine.ca),
                        ("cert", &engine.cert),
                        ("key", &engine.key),
                    ];
                    for (key, file) in files {
                        if let Some(file) = file {
                            line(format!("    {key}: {}", quoted(&file.text)));
                        }
                    }
                }
            }
            "endpoints:" => {
                for endpoint in &document.endpoints {
                    line(format!("  - listen: {}", quoted(&endpoint.listen.text)));
                    let mode = endpoint.mode.iter().map(|mode| ("mode", mode));
                    let policy = endpoint.policy.iter().map(|policy| ("policy", policy));
                    let engine = endpoint.engine.iter().map(|engine| ("engine", engine));
                    for (key, value) in mode.chain(policy).chain(engine) {
                        line(format!("    {key}: {}", quoted(&value.text)));
                    }
                    let Some(tls) = &endpoint.tls else { continue };
                    line("    tls:".to_owned());
                    let always = [("cert", &tls.cert), ("key", &tls.key)];
                    let ca = tls.client_ca.iter().map(|ca| ("client_ca", ca));
                    let auth = tls.client_auth.iter().map(|auth| ("client_auth", auth));
                    for (key, value) in always.into_iter().chain(ca).chain(auth) {
                        line(format!("      {key}: {}", quoted(&value.text)));
                    }
                }
            }
            _ => {
                for client in &document.clients {
                    line(format!("  - policy: {}", quoted(&client.policy.text)));
                    line(match &client.who {
                        Who::From(list) => {
                            let items: Vec<String> = list.text.split(',').map(quoted).collect();
                            format!("    from: [{}]", items.join(", "))
                        }
                        Who::User(id) => format!("    user: {id}"),
                        Who::Group(id) => format!("    group: {id}"),
                        Who::Certificate(rule) => {
                            let name = rule
                                .common_name
                                .iter()
                                .map(|name| ("common_name", name.clone()));
                            let san = rule.san.iter().map(|san| ("san", san.to_string()));
                            let key = rule
                                .fingerprint
                                .iter()
                                .map(|key| ("fingerprint", key.to_string()));
                            let all = name.chain(san).chain(key);
                            let all = all.map(|(key, value)| format!("{key}: {}", quoted(&value)));
                            format!(
                                "    certificate: {{ {} }}",
                                all.collect::<Vec<_>>().join(", ")
                            )
                        }
                        Who::Container(wanted) => {
                            let labels: Vec<String> = wanted
                                .labels
                                .iter()
                                .map(|one| quoted(&one.to_string()))
                                .collect();
                            let labels = Some(("label", labels)).filter(|(_, all)| !all.is_empty());
                            let lists = wanted
                                .lists()
                                .map(|(key, list)| (key, list.split(", ").map(quoted).collect()));
                            let all = labels.into_iter().chain(lists);
                            let all =
                                all.map(|(key, items)| format!("{key}: [{}]", items.join(", ")));
                            format!(
                                "    container: {{ {} }}",
                                all.collect::<Vec<_>>().join(", ")
                            )
                        }
                    });
                }
            }
        }
    }
    text
}

/// A text between double quotes, with an escape for all that is not plain.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            _ => write!(quoted, "\\U{:08X}", u32::from(letter)).expect("a string"),
        }
    }
    quoted + "\""
}

/// A document in which everything is at the same place.
fn plain(mut document: Document) -> Document {
    let nowhere = || Place {
        file: "".into(),
        line: 0,
    };
    for policy in &mut document.policies {
        policy.place = nowhere();
        for variable in &mut policy.variables {
            variable.place = nowhere();
        }
    }
    for engine in &mut document.engines {
        engine.place = nowhere();
        engine.address.place = nowhere();
        let files = [&mut engine.ca, &mut engine.cert, &mut engine.key];
        for written in files.into_iter().flatten() {
            written.place = nowhere();
        }
    }
    for endpoint in &mut document.endpoints {
        endpoint.place = nowhere();
        endpoint.listen.place = nowhere();
        let others = [
            &mut endpoint.mode,
            &mut endpoint.policy,
            &mut endpoint.engine,
        ];
        for written in others.into_iter().flatten() {
            written.place = nowhere();
        }
    }
    for client in &mut document.clients {
        client.place = nowhere();
        client.policy.place = nowhere();
    }
    document
}
