//! What the reader of bodies takes, Go's `encoding/json` reads in the same way, in what was sent and
//! in what is forwarded. An input is a body.

#![no_main]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/support/gojson.rs"]
mod gojson;

use dockgate::body::json::{Limits, Refusal, Untyped, Value, read};
use gojson::{BODY, comparable, plain, unmarshal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits {
        bytes: 64 << 10,
        values: 1000,
    };
    match read(body, limits, &BODY) {
        Ok(tree) => {
            let sent = tree.to_json();
            assert_eq!(go(body), meant(&tree), "as sent");
            assert_eq!(go(sent.as_bytes()), meant(&tree), "as forwarded: {sent}");
            let again = read(sent.as_bytes(), limits, &BODY);
            assert_eq!(again.expect("canonical"), tree);
            let again = read(sent.as_bytes(), limits, Untyped);
            assert_eq!(again.expect("canonical"), tree);
            the_unknown_is_not_read(tree);
        }
        // Nothing that Go reads in one way only is refused.
        Err(Refusal::Wrong { at, .. }) if !at.starts_with("HostConfig.ConsoleSize[") => {
            assert_eq!(go(body), None, "{at}");
        }
        Err(_) => {}
    }
});

fn go(body: &[u8]) -> Option<serde_json::Value> {
    unmarshal(body, &BODY).map(comparable)
}

fn meant(tree: &Value) -> Option<serde_json::Value> {
    plain(tree, &BODY).map(comparable)
}

fn the_unknown_is_not_read(mut tree: Value) {
    let before = meant(&tree);
    tree.retain(&BODY, &mut |_, known, _| known.is_some());
    assert_eq!(meant(&tree), before);
}
