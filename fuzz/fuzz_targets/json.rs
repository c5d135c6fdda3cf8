//! What the reader of bodies takes, Go's `encoding/json` reads in the same way, in what was sent and
//! in what is forwarded; and what it refuses has a reason. An input is a body, which is read as one of
//! a model and as one of the table's creates.

#![no_main]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/support/gojson.rs"]
mod gojson;

use std::sync::LazyLock;

use dockgate::api::fields::{BODIES, Body};
use dockgate::body::Place;
use dockgate::body::json::{Limits, Refusal, Shape, Untyped, Value, read};
use gojson::{BODY, Type, comparable, has_twins, of_table, plain, unmarshal};
use libfuzzer_sys::fuzz_target;

static CREATE: LazyLock<&'static Body> = LazyLock::new(|| {
    let mut bodies = BODIES.iter();
    let create = bodies.find(|body| body.route.text == "POST /containers/create");
    create.expect("it is in the table")
});
static CREATED: LazyLock<&'static Type> = LazyLock::new(|| of_table(&CREATE.root.kind));

const LIMITS: Limits = Limits {
    bytes: 64 << 10,
    values: 1000,
};

fuzz_target!(|body: &[u8]| {
    check(body, &BODY, &BODY, comparable);
    check(body, Place::of(*CREATE), *CREATED, |read| read);
});

/// Reads a body in this shape, as Go reads it into this type.
fn check<S: Shape>(body: &[u8], shape: S, of: &Type, same: fn(Go) -> Go) {
    let go = |body: &[u8]| unmarshal(body, of).map(same);
    let meant = |tree: &Value| plain(tree, of).map(same);
    match read(body, LIMITS, shape) {
        Ok(mut tree) => {
            let sent = tree.to_json();
            let read_as = meant(&tree);
            assert_eq!(go(body), read_as, "as sent");
            assert_eq!(go(sent.as_bytes()), read_as, "as forwarded: {sent}");
            let again = read(sent.as_bytes(), LIMITS, shape);
            assert_eq!(again.expect("canonical"), tree);
            let again = read(sent.as_bytes(), LIMITS, Untyped);
            assert_eq!(again.expect("canonical"), tree);
            // What the shape does not know is not read.
            tree.retain(shape, &mut |_, known, _| known.is_some());
            assert_eq!(meant(&tree), read_as);
        }
        // Go reads no more than two of them.
        Err(Refusal::Wrong { at, .. }) if at.starts_with("HostConfig.ConsoleSize[") => {}
        Err(refusal) => {
            let has_reason = match &refusal {
                Refusal::Empty | Refusal::Wrong { .. } => go(body).is_none(),
                Refusal::Twice(_) => has_twins(body),
                Refusal::NotUtf8(valid) => {
                    str::from_utf8(body).is_err_and(|error| error.valid_up_to() == *valid)
                }
                Refusal::TooDeep => body.iter().filter(|byte| b"[{".contains(byte)).count() > 64,
                Refusal::TooMany(_) => body.len() > 1000,
                Refusal::TooLarge(_) => body.len() > LIMITS.bytes,
                // A lone surrogate, which Go mends, and a number that no field holds.
                Refusal::Syntax(error) => {
                    let error = error.to_string();
                    let mended = ["surrogate", "hex escape", "number out of range"];
                    go(body).is_none() || mended.iter().any(|what| error.contains(what))
                }
            };
            assert!(has_reason, "{refusal}");
        }
    }
}

type Go = serde_json::Value;
