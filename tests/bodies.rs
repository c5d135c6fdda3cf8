//! The reader of bodies against what Go's `encoding/json` made of the same bytes.

#[path = "support/gojson.rs"]
mod gojson;

use std::collections::BTreeMap;

use dockgate::api::fields::BODIES;
use dockgate::body::Place;
use dockgate::body::json::{self, Limits, Refusal, read};
use gojson::{BODY, comparable, has_twins, of_table, plain, unmarshal};
use serde_json::Value;

/// Bodies with what `go-json.go`, beside it, read in them.
const ROWS: &str = include_str!("conformance/go-json.jsonl");

fn rows() -> impl Iterator<Item = (Vec<u8>, Option<Value>)> {
    ROWS.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("a row is JSON");
        let body = match (row["body"].as_str(), row["hex"].as_str()) {
            (Some(body), None) => body.as_bytes().to_vec(),
            (None, Some(hex)) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
                .collect(),
            _ => Vec::new(),
        };
        let go = (!row["go"].is_null()).then(|| comparable(row["go"].clone()));
        (body, go)
    })
}

fn reader(body: &[u8]) -> Result<json::Value, Refusal> {
    read(body, Limits::default(), &BODY)
}

#[test]
fn what_is_read_is_what_go_reads() {
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::new());
    for (body, go) in rows() {
        let text = String::from_utf8_lossy(&body);
        let (outcome, fine) = match reader(&body) {
            Ok(tree) => {
                let read = plain(&tree, &BODY).map(comparable);
                let sent = tree.to_json();
                let again = unmarshal(sent.as_bytes(), &BODY).map(comparable);
                let same = reader(sent.as_bytes()).is_ok_and(|again| again == tree);
                ("read", read == go && again == go && same)
            }
            // Each of these is lenient in Go, ambiguous, or of no use to a client.
            Err(Refusal::Empty) => ("empty", go.is_none()),
            Err(Refusal::NotUtf8(_)) => ("not UTF-8", true),
            Err(Refusal::TooDeep) => ("too deep", true),
            Err(Refusal::Twice(_)) => ("twice", has_twins(&body)),
            Err(Refusal::Syntax(error)) => {
                let lenient = ["surrogate", "hex escape", "number out of range"];
                let lenient = lenient.iter().any(|what| error.to_string().contains(what));
                ("not JSON", go.is_none() || lenient)
            }
            // Go does not look at what is behind the end of a fixed array.
            Err(Refusal::Wrong { at, .. }) => {
                let behind = at == "HostConfig.ConsoleSize[2]";
                ("another type", go.is_none() || behind)
            }
            Err(refusal) => panic!("{refusal}: {text}"),
        };
        if !fine {
            wrong.push(format!("{outcome}: {text}"));
        }
        *counts.entry(outcome).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts["read"] > 250 && counts["twice"] > 40, "{counts:?}");
}

/// The same for the shape that creates are read in.
#[test]
fn the_table_is_read_as_go_reads_it() {
    let mut bodies = BODIES.iter();
    let create = bodies.find(|body| body.route.text == "POST /containers/create");
    let create = create.expect("it is in the table");
    let (mut read_bodies, of) = (0, of_table(&create.root.kind));
    for (body, _) in rows() {
        let Ok(tree) = read(&body, Limits::default(), Place::of(create)) else {
            continue;
        };
        let (text, meant) = (String::from_utf8_lossy(&body), plain(&tree, of));
        assert_eq!(unmarshal(&body, of), meant, "{text}");
        assert_eq!(unmarshal(tree.to_json().as_bytes(), of), meant, "{text}");
        read_bodies += 1;
    }
    assert!(read_bodies > 250, "{read_bodies}");
}

/// The fuzz target stands on it.
#[test]
fn the_model_reads_what_go_reads() {
    let wrong: Vec<_> = rows()
        .map(|(body, go)| (unmarshal(&body, &BODY).map(comparable), go, body))
        .filter(|(model, go, _)| model != go)
        .map(|(model, _, body)| format!("{}: {model:?}", String::from_utf8_lossy(&body)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
