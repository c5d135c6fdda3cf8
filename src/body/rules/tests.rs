//! What rules say of requests, what is refused at start, and that neither an expression nor a body does
//! harm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::api::Target;
use crate::body::Place;
use crate::body::json::{self, Limits, Untyped};

const CREATE: &str = "POST /containers/create";

fn body_of(route: &str) -> &'static Body {
    let (method, path) = route.split_once(' ').expect("a route");
    let target = Target::from_line(method, path).expect("a target");
    Body::of(target.method().expect("a method"), &target).expect("a body")
}

fn rule(text: &str) -> Rule {
    Rule::parse("RULE_X", text, &[body_of(CREATE)])
        .unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

fn mistakes(text: &str) -> Vec<String> {
    let wrong = Rule::parse("RULE_X", text, &[body_of(CREATE)])
        .err()
        .unwrap_or_default();
    wrong.into_iter().map(|mistake| mistake.problem).collect()
}

fn json(text: &str) -> Value {
    json::read(text.as_bytes(), Limits::default(), Untyped).expect("JSON")
}

/// What a rule says of a create with this body; nothing if it holds.
fn says(rule: &Rule, body: &Value) -> Option<String> {
    let query = BTreeMap::from([("name".to_owned(), "web".to_owned())]);
    let (client, object) = (
        json(r#"{"address":"172.20.0.5","groups":[7]}"#),
        json(r#"{"Id":"f00","Config":{"Labels":{"team":"ci"}}}"#),
    );
    let rules = Rules::from(vec![rule.clone()]);
    let seen = Seen {
        method: "POST",
        route: "/containers/create",
        query: &query,
        body,
        client: &client,
        object: &object,
    };
    let broken = rules.broken(rules.iter(), seen);
    broken.into_iter().next().map(|broken| broken.why.into())
}

#[test]
fn a_rule_that_is_false_is_broken() {
    let body = r#"{"Image":"nginx","Env":["A=1","B=2"],"Labels":{"team":"ci"},"Tty":false,
        "HostConfig":{"Memory":9007199254740993,"CpuShares":null,"NanoCpus":18446744073709551615,
        "Binds":["/srv/a:/x","/etc:/y"],"Mounts":[{"Type":"bind","Source":"/srv/b"}]}}"#;
    let body = json(body);
    for holds in [
        "true",
        "method == 'POST' && route == '/containers/create'",
        "query.name == \"web\" && !has(query.platform)",
        "client.address.startsWith('172.20.') && 7 in client.groups",
        "object.Config.Labels.team == 'ci'",
        "body.Image == 'nginx' && size(body.Env) == 2 && body.Env.size() == 2",
        "body.Image.matches('^ng[a-z]+$') && body.Image.matches('gin')",
        // Numbers are exact, whatever their size and sign.
        "body.HostConfig.Memory == 9007199254740993",
        "body.HostConfig.Memory != 9007199254740992",
        "body.HostConfig.NanoCpus > 9223372036854775807",
        // Null is absent.
        "!has(body.HostConfig.CpuShares) && !has(body.User) && has(body.Tty)",
        "'team' in body.Labels && body.Labels['team'] == 'ci'",
        "body.HostConfig.Binds.exists(b, b.startsWith('/etc:'))",
        "body.HostConfig.Binds.filter(b, b.endsWith('y')).size() == 1",
        "body.HostConfig.Mounts.all(m, m.Type == 'bind' && m.Source.startsWith('/srv/'))",
        "body.Env.exists_one(e, e.contains('A='))",
        "body.Labels.all(key, key == 'team')",
        "[1, 2].all(n, n < 3) && 1 in [1, 2] && int('7') == 7 && string(7) == '7'",
        "has(body.User) ? body.User != 'root' : true",
        // One side that decides makes up for an error on the other, as everywhere in CEL.
        "body.User == 'root' || true",
    ] {
        assert_eq!(says(&rule(holds), &body), None, "{holds}");
    }
    for (breaks, why) in [
        ("false", "false is not true"),
        ("body.Tty", "body.Tty is not true"),
        ("body.Tty : 'needs a terminal'", "needs a terminal"),
        (
            "body.HostConfig.Memory <= 2147483648 : \"at most 2 GiB\"",
            "at most 2 GiB",
        ),
        (
            "has(body.User) ? body.Tty : false : 'no: \"x\"?'",
            "no: \"x\"?",
        ),
        ("body.User != 'root' : 'no root'", "no root (no field User)"),
        (
            "!(body.User == 'root') : 'no root'",
            "no root (no field User)",
        ),
        (
            "body.HostConfig.CpuShares < 5 : 'few'",
            "few (no field CpuShares)",
        ),
        (
            "body.Image < 5 : 'x'",
            "x (< cannot be applied to string and int)",
        ),
        ("!body.Image : 'x'", "x (! cannot be applied to string)"),
        ("body.Env[2] == '' : 'x'", "x (no such item)"),
        ("body.Env[-1] == '' : 'x'", "x (no such item)"),
        (
            "body.Env.all(e, e.a == 1) : 'x'",
            "x (. cannot be applied to string and string)",
        ),
        (
            "body.Image : 'x'",
            "x (the result is of type string, not bool)",
        ),
        (
            "1 / (size(body.Env) - 2) == 1 : 'x'",
            "x (a division by zero)",
        ),
        (
            "9223372036854775807 + size(body.Env) > 0 : 'x'",
            "x (a number is too large)",
        ),
        (
            "body.Env + 1 == 2 : 'x'",
            "x (add cannot be applied to such values)",
        ),
        (
            "body.Tty.matches('x') : 'x'",
            "x (matches cannot be applied to bool)",
        ),
        ("int('seven') == 7 : 'x'", "x (it cannot be evaluated)"),
        (
            "body.Image ? true : true : 'x'",
            "x (a value is of another type)",
        ),
    ] {
        let rule = Rule::parse("RULE_X", breaks, &[]).expect("a rule");
        assert_eq!(says(&rule, &body).as_deref(), Some(why), "{breaks}");
    }
}

#[test]
fn what_cannot_be_checked_is_refused_at_start() {
    let flat = "true".to_owned() + &" && 1 + 1 == 2".repeat(40);
    let long = "'".to_owned() + &"x".repeat(2050) + "' == ''";
    let chain = "method".to_owned() + &" + method".repeat(20) + " == ''";
    let nested =
        "size([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]) == 0";
    for (text, wrong) in [
        (
            "",
            &[
                "not an expression in CEL: mismatched input '<EOF>' expecting expression (character 1)",
            ][..],
        ),
        ("bdy.Image == 'x'", &["bdy is not a variable"]),
        (
            "bdy.Image == x && siz(body.Env) > 1",
            &[
                "bdy is not a variable",
                "x is not a variable",
                "siz is not a function",
            ],
        ),
        (".body.Tty", &[".body is not a variable"]),
        ("body.Imge == 'x'", &["the body has no field Imge there"]),
        ("body.image == 'x'", &["the body has no field image there"]),
        (
            "body.HostConfig['Memroy'] < 5",
            &["the body has no field Memroy there"],
        ),
        (
            "body.HostConfig.Mounts.all(m, m.Sorce == '')",
            &["the body has no field Sorce there"],
        ),
        ("body.Image.foo", &["the body has no field foo there"]),
        ("has(body.Foo)", &["the body has no field Foo there"]),
        (
            "size()",
            &[
                "size cannot be called with 0 values; use VALUE.size(...)",
                "the result must be true or false",
            ],
        ),
        (
            "startsWith('a', 'b')",
            &["startsWith cannot be called with 2 values; use VALUE.startsWith(...)"],
        ),
        (
            "body.Image.matches(body.User)",
            &["the pattern of matches must be in quotes"],
        ),
        (
            "body.Image.matches('(')",
            &["the pattern of matches is not valid: unclosed group"],
        ),
        (
            "body.Env.map(e, e + e) == []",
            &["map is not supported; use all, exists, exists_one or filter"],
        ),
        (
            "body.Env.all(e, body.Env.all(f, f == e))",
            &["a loop inside a loop is not supported"],
        ),
        (
            "body.Env.all(body, true)",
            &["body is a variable already; use another name in the loop"],
        ),
        ("b'x' == b'x'", &["it contains bytes; use a string"]),
        ("{'a': 1}.a == 1", &["it builds a map or an object"]),
        ("Thing{a: 1}.a == 1", &["it builds a map or an object"]),
        (
            "type(1) == int",
            &["type is not a function", "int is not a variable"],
        ),
        (
            "body.?User == ''",
            &["not an expression in CEL: unsupported syntax '.?' (character 5)"],
        ),
        ("1 + 1", &["the result must be true or false"]),
        ("'x'", &["the result must be true or false"]),
        (
            "body.Env.filter(e, true)",
            &["the result must be true or false"],
        ),
        (
            "true : 5",
            &["the text behind the last colon must be in quotes"],
        ),
        (
            "true : body.User",
            &["the text behind the last colon must be in quotes"],
        ),
        (
            "true : ''",
            &["the text for clients must be one line of at most 160 characters"],
        ),
        ("true\0", &["it contains a NUL byte"]),
        (
            nested,
            &["not an expression in CEL: expression recursion limit exceeded: 32"],
        ),
        (&flat, &["it has more than 16 additions"]),
        (&chain, &["it has more than 16 additions"]),
        (&long, &["it is longer than 2048 bytes"]),
    ] {
        assert_eq!(mistakes(text), wrong, "{text}");
    }
}

#[test]
fn of_several_bodies_one_has_to_have_the_field() {
    let bodies = [body_of(CREATE), body_of("POST /containers/x/update")];
    let parse = |text| Rule::parse("RULE_X", text, &bodies);
    assert!(parse("!has(body.HostConfig) || body.HostConfig.Memory < 5").is_ok());
    assert!(parse("has(body.Memory) && body.Memory < 5").is_ok());
    assert!(parse("body.Memroy < 5").is_err());
}

#[test]
fn what_a_rule_looks_at_is_known() {
    let needs = |text| {
        let Needs {
            query,
            body,
            object,
            client,
        } = rule(text).needs;
        [query, body, object, client]
    };
    assert_eq!(needs("method == 'GET'"), [false, false, false, false]);
    assert_eq!(needs("has(query.name)"), [true, false, false, false]);
    assert_eq!(needs("[1].all(x, body.Tty)"), [false, true, false, false]);
    assert_eq!(needs("object.Id == ''"), [false, false, true, false]);
    assert_eq!(needs("has(client.user)"), [false, false, false, true]);
}

#[test]
fn a_name_of_the_query_in_another_case_is_noticed() {
    let rule =
        rule("has(query.name) && query['t'] == '1' && !('Force' in query) && body.Image != ''");
    for (name, overlooked) in [
        ("name", false),
        ("Name", true),
        ("T", true),
        ("force", true),
        ("\u{17f}", false),
        ("Image", false),
        ("image", false),
    ] {
        assert_eq!(rule.overlooks(name), overlooked, "{name}");
    }
}

/// A thread with as much stack as a worker has to spare.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let thread = thread.spawn(work).expect("a thread");
    thread.join().expect("enough stack");
}

#[test]
fn no_expression_takes_the_stack_or_the_time() {
    on_small_stack(|| {
        let pieces = [
            "(",
            "[",
            "{",
            "!",
            "-",
            "!-",
            "a.",
            "a[",
            "a?",
            "a?b:",
            "1+",
            "a&&",
            "a||",
            "f(",
            "a.f(",
            "has(",
            "a.all(x,",
            ")",
            "]",
            "}",
            "'",
            "\"",
            "'''",
            "r'",
            "b\"",
            "`",
            "\\",
            ".",
            ",",
            ":",
            "//",
            "\n",
            "a.b",
            "a==",
            "x in ",
            "1.",
            "0x",
            "[].filter(x,",
            "é",
            "\u{1f600}",
            ".a()",
            "[0]",
        ];
        let started = Instant::now();
        for piece in pieces {
            for end in ["", "true", "a", "1", "'"] {
                let text = piece.repeat(2000 / piece.len()) + end;
                let _ = Rule::parse("RULE_X", &text, &[]);
            }
        }
        for one in pieces {
            for two in pieces {
                let text = (one.to_owned() + two).repeat(2000 / (one.len() + two.len()));
                let _ = Rule::parse("RULE_X", &text, &[]);
            }
        }
        assert!(started.elapsed() < Duration::from_secs(120));
    });
}

#[test]
fn the_deepest_rule_fits_the_stack() {
    on_small_stack(|| {
        let inner = (0..14).fold("body.Tty".to_owned(), |inner, _| {
            format!("!!({inner} || body.Tty)")
        });
        let deep = rule(&format!("body.Env.all(e, {inner})"));
        assert!(says(&deep, &json(r#"{"Env":["a"],"Tty":true}"#)).is_none());
    });
}

#[test]
fn no_body_is_looked_through_without_end() {
    let list = |count: usize, item: &str| format!("[{}]", vec![item; count].join(","));
    let many = json(&format!(r#"{{"Env":{}}}"#, list(MOST_ITEMS, "\"x\"")));
    let long = json(&format!(r#"{{"Image":"{}"}}"#, "x".repeat(2_000_000)));
    let far = json(&format!(r#"{{"Env":{}}}"#, list(20_000, "\"x\"")));
    let longer = json(&format!(r#"{{"Image":"{}"}}"#, "x".repeat(3_000_000)));
    let large = "(more than 10000 values or 2 MiB of text to look at)";
    let budget = "(too much to look through)";
    for (text, body, end) in [
        ("body.Env.all(e, e == 'x') : ''", &many, None),
        ("body.Env.all(e, e.matches('^x$')) : ''", &many, None),
        ("body.Env.all(e, e in body.Env) : ''", &many, Some(budget)),
        // It does not help that the rest decides.
        (
            "body.Env.all(e, e in body.Env) || true : ''",
            &many,
            Some(budget),
        ),
        (
            "body.Env.all(e, !(e in body.Env) || true) : ''",
            &many,
            Some(budget),
        ),
        ("body.Image.matches('(x+x+)+y') : ''", &long, Some("x")),
        (
            "[1, 2, 3].all(n, !body.Image.contains('y')) : ''",
            &long,
            None,
        ),
        ("body.Env.all(e, true) : ''", &far, Some(large)),
        ("true || body.Env == [] : ''", &far, None),
        ("body.Env == [] || true : ''", &far, Some(large)),
        ("body.Image != '' : ''", &longer, Some(large)),
        ("method == 'POST' : ''", &longer, None),
    ] {
        let rule = rule(&text.replace(" : ''", " : 'x'"));
        let started = Instant::now();
        let why = says(&rule, body);
        let ended = why
            .as_deref()
            .map(|why| why.strip_prefix("x ").unwrap_or(why));
        assert_eq!(ended, end, "{text}");
        assert!(started.elapsed() < Duration::from_secs(5), "{text}");
    }
}

const MOST_ITEMS: usize = 9_990;

#[test]
fn the_fields_of_the_engine_are_seen_whatever_their_case() {
    let bytes = br#"{"hostconfig":{"MEMORY":5}}"#;
    let tree = json::read(bytes, Limits::default(), Place::of(body_of(CREATE))).expect("a body");
    assert_eq!(says(&rule("body.HostConfig.Memory == 5"), &tree), None);
}
