//! A rule in CEL and a body, separated by a NUL: no panic, no hang, and never do a rule and its opposite
//! both hold.

#![no_main]

use std::collections::BTreeMap;

use dockgate::api::fields::{BODIES, Body};
use dockgate::body::Place;
use dockgate::body::json::{self, Limits, Untyped, Value};
use dockgate::body::rules::{Rule, Rules, Seen};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(text), Some(bytes)) = (parts.next(), parts.next()) else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let create: &'static Body = BODIES
        .iter()
        .find(|body| body.route.text == "POST /containers/create")
        .expect("a create");
    let rule = match Rule::parse("RULE_X", text, &[create]) {
        Ok(rule) => rule,
        Err(mistakes) => return assert!(!mistakes.is_empty(), "refused without a reason"),
    };
    let Ok(body) = json::read(bytes, Limits::default(), Place::of(create)) else {
        return;
    };
    let object = json::read(bytes, Limits::default(), Untyped).unwrap_or_default();
    let holds = holds(&rule, &body, &object);
    if let Ok(opposite) = Rule::parse("RULE_X", &format!("!({})", rule.source), &[create]) {
        let both = holds && self::holds(&opposite, &body, &object);
        assert!(!both, "{text} and its opposite hold");
    }
});

fn holds(rule: &Rule, body: &Value, object: &Value) -> bool {
    let query = BTreeMap::from([("name".to_owned(), "web".to_owned())]);
    let rules = Rules::from(vec![rule.clone()]);
    let seen = Seen {
        method: "POST",
        route: "/containers/create",
        query: &query,
        body,
        client: object,
        object,
    };
    let broken = rules.broken([rule].into_iter(), seen);
    broken.is_empty()
}
