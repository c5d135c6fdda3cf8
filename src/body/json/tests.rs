//! The reader's own cases. What Go makes of bodies is in `tests/bodies.rs`.

use super::*;
use crate::api::fields::fold;

/// A shape that is not the engine's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Body,
    Host,
    Mount,
    Mounts,
    Labels,
    Words,
    Text,
    Texts,
    Bool,
    Integer,
    Number,
    Any,
}

impl Shape for Form {
    fn kind(self) -> Kind {
        match self {
            Form::Body | Form::Host | Form::Mount => Kind::Object,
            Form::Mounts | Form::Texts => Kind::List,
            Form::Labels => Kind::Map,
            Form::Words => Kind::Words,
            Form::Text => Kind::Text,
            Form::Bool => Kind::Bool,
            Form::Integer => Kind::Integer,
            Form::Number => Kind::Number,
            Form::Any => Kind::Any,
        }
    }

    fn field(self, name: &str) -> Option<(&'static str, Form)> {
        Some(match (self, &*fold(name)) {
            (Form::Body, "cmd") => ("Cmd", Form::Words),
            (Form::Body, "labels") => ("Labels", Form::Labels),
            (Form::Body, "hostconfig") => ("HostConfig", Form::Host),
            (Form::Body, "options") => ("Options", Form::Any),
            (Form::Host, "binds") => ("Binds", Form::Texts),
            (Form::Host, "memory") => ("Memory", Form::Integer),
            (Form::Host, "networkmode") => ("NetworkMode", Form::Text),
            (Form::Host, "privileged") => ("Privileged", Form::Bool),
            (Form::Host, "mounts") => ("Mounts", Form::Mounts),
            (Form::Host, "ratio") => ("Ratio", Form::Number),
            (Form::Mount, "source") => ("Source", Form::Text),
            _ => return None,
        })
    }

    fn element(self) -> Form {
        match self {
            Form::Mounts => Form::Mount,
            _ => Form::Text,
        }
    }
}

fn body(text: &str) -> Value {
    read(text.as_bytes(), Limits::default(), Form::Body).expect("a body that is read")
}

fn refused(body: &[u8]) -> String {
    read(body, Limits::default(), Form::Body)
        .expect_err("a body that is refused")
        .to_string()
}

#[test]
fn what_is_written_is_what_the_engine_has_to_read() {
    for (sent, written) in [
        ("{}", "{}"),
        (" null\n", "{}"),
        (
            r#"{"hoſtconfig":{"networ\u212aMODE":"HOST"}}"#,
            r#"{"HostConfig":{"NetworkMode":"HOST"}}"#,
        ),
        (r#"{ "x" : 1 , "Cmd" : [ ] }"#, r#"{"x":1,"Cmd":[]}"#),
        (r#"{"CMD":"sh -c x"}"#, r#"{"Cmd":["sh -c x"]}"#),
        (r#"{"Cmd":[null,"a"]}"#, r#"{"Cmd":["","a"]}"#),
        (r#"{"Cmd":null}"#, r#"{"Cmd":null}"#),
        (
            r#"{"Labels":{"a":null,"A":"b","ſ":"c"}}"#,
            r#"{"Labels":{"a":"","A":"b","ſ":"c"}}"#,
        ),
        (
            r#"{"HostConfig":{"Mounts":[null,{"SOURCE":"/"}],"Binds":[null]}}"#,
            r#"{"HostConfig":{"Mounts":[null,{"Source":"/"}],"Binds":[""]}}"#,
        ),
        (
            r#"{"HostConfig":{"Memory":-0,"Ratio":1.50E+2}}"#,
            r#"{"HostConfig":{"Memory":-0,"Ratio":1.50E+2}}"#,
        ),
        (
            r#"{"HostConfig":{"Memory":18446744073709551615}}"#,
            r#"{"HostConfig":{"Memory":18446744073709551615}}"#,
        ),
        (
            r#"{"Options":{"a":[null,1e2,123456789012345678901234567890],"A":{"cmd":"x"}}}"#,
            r#"{"Options":{"a":[null,1e2,123456789012345678901234567890],"A":{"cmd":"x"}}}"#,
        ),
        (
            r#"{"Options":["-1","\"2,3",-4,"\\",5,"\\\"6"]}"#,
            r#"{"Options":["-1","\"2,3",-4,"\\",5,"\\\"6"]}"#,
        ),
        (
            r#"{"Options":"\u0000\b\u001F\u007f\/\"\\\u2028😀\ud83d\ude00"}"#,
            "{\"Options\":\"\\u0000\\u0008\\u001f\u{7f}/\\\"\\\\\u{2028}😀😀\"}",
        ),
        (
            r#"{"Options":{"$serde_json::private::Number":"5"}}"#,
            r#"{"Options":{"$serde_json::private::Number":"5"}}"#,
        ),
    ] {
        let tree = body(sent);
        assert_eq!(tree.to_json(), written, "{sent}");
        assert_eq!(body(written), tree, "{sent}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let deep = |depth| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    body(&deep(63));
    let objects = "{\"x\":".repeat(64) + "{}" + &"}".repeat(64);
    for (sent, why) in [
        ("", "the body is empty"),
        (" \r\n\t", "the body is empty"),
        ("[]", "the body must be an object, not a list"),
        ("\u{feff}{}", "the body is not valid JSON: expected value"),
        ("{} x", "the body is not valid JSON: trailing characters"),
        ("{}]", "the body is not valid JSON: trailing characters"),
        ("{}\0", "the body is not valid JSON: trailing characters"),
        (&*objects, "the body is nested more than 64 levels deep"),
        (&*deep(64), "the body is nested more than 64 levels deep"),
        (
            &*deep(100_000),
            "the body is nested more than 64 levels deep",
        ),
        (
            r#"{"HostConfig":{},"hostconfig":{}}"#,
            "HostConfig: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Privileged":true,"privile\u0067ed":null}}"#,
            "HostConfig.Privileged: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Mounts":[{},{"Source":"/","ſource":""}]}}"#,
            "HostConfig.Mounts[1].Source: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"Labels":{"a.b":"1","a\u002eb":"2"}}"#,
            "Labels[\"a.b\"]: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"New":1,"NEW":2}"#,
            "NEW: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"New":{"a":[{"b":1,"b":1}]}}"#,
            "New.a[0].b: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Privileged":"true"}}"#,
            "HostConfig.Privileged must be a boolean, not a string",
        ),
        (
            r#"{"HostConfig":{"Memory":1e3}}"#,
            "HostConfig.Memory must be an integer, not a number with a fraction, an exponent or more than 64 bits",
        ),
        (
            r#"{"HostConfig":{"Memory":"5"}}"#,
            "HostConfig.Memory must be an integer, not a string",
        ),
        (
            r#"{"HostConfig":{"Binds":["a",5]}}"#,
            "HostConfig.Binds[1] must be a string, not a number",
        ),
        (
            r#"{"HostConfig":{"Binds":{"0":"a"}}}"#,
            "HostConfig.Binds must be a list, not an object",
        ),
        (
            r#"{"Cmd":["a",["b"]]}"#,
            "Cmd[1] must be a string, not a list",
        ),
        (
            r#"{"Labels":["a=b"]}"#,
            "Labels must be an object, not a list",
        ),
        (
            r#"{"Labels":{"a\nb":1}}"#,
            "Labels[\"a\\nb\"] must be a string, not a number",
        ),
        (
            r#"{"x":"\ud800"}"#,
            "the body is not valid JSON: unexpected end of hex escape",
        ),
        (
            r#"{"\udc00":1}"#,
            "the body is not valid JSON: lone leading surrogate in hex escape",
        ),
        (
            r#"{"x":1e999}"#,
            "the body is not valid JSON: number out of range",
        ),
        (
            "{\"x\":\"a\nb\"}",
            "the body is not valid JSON: control character (\\u0000-\\u001F) found while parsing a string",
        ),
    ] {
        let said = refused(sent.as_bytes());
        let said = said.split(" at line ").next().unwrap_or_default();
        assert_eq!(said, why, "{sent}");
    }
    assert_eq!(
        refused(b"{\"x\":\"\xff\"}"),
        "the body is not valid UTF-8 at byte 6"
    );
    let long = format!(r#"{{"Labels":{{"{}":1}}}}"#, "é".repeat(100_000));
    let shown = format!(
        "Labels[\"{}\"…] must be a string, not a number",
        "é".repeat(64)
    );
    assert_eq!(refused(long.as_bytes()), shown);
}

#[test]
fn limits_bound_bytes_and_values() {
    let limits = Limits {
        bytes: 20,
        values: 4,
    };
    let why = |text: &str| {
        let read = read(text.as_bytes(), limits, Untyped);
        read.map_or_else(|refusal| refusal.to_string(), |tree| tree.to_string())
    };
    assert_eq!(why("[1,2,3]"), "[1,2,3]");
    assert_eq!(why("[1,2,3,4]"), "the body has more than 4 values");
    assert_eq!(why(&" ".repeat(21)), "the body is larger than 20 bytes");
    assert_eq!(why(r#"{"a":1,"A":{"b":2}}"#), r#"{"a":1,"A":{"b":2}}"#);
    assert_eq!(why("null"), "null");
}

#[test]
fn a_tree_is_looked_into_and_edited_by_path() {
    let mut tree = body(r#"{"hostconfig":{"memory":5,"Binds":null},"Labels":{"a.b":"c"}}"#);
    assert_eq!(tree.at("HostConfig.Memory").as_i64(), Some(5));
    assert_eq!(tree.at("HostConfig.Binds"), Value::NULL);
    assert_eq!(tree.at("HostConfig.Memory.x"), Value::NULL);
    assert_eq!(tree.at("Nothing.here"), Value::NULL);

    let binds = tree.at_mut("HostConfig.Binds").and_then(Value::list_mut);
    binds.expect("a list").push("/a:/b".into());
    *tree.at_mut("New.Limits.Pids").expect("objects") = 7.into();
    assert!(tree.at_mut("HostConfig.Memory.x").is_none());
    let labels = tree
        .at_mut("Labels")
        .and_then(Value::object_mut)
        .expect("a map");
    labels.set("team", "ci");
    labels.set("a.b", "d");
    labels.set("gone".to_owned(), true);
    assert_eq!(labels.remove("gone"), Some(Value::Bool(true)));
    assert_eq!(
        tree.to_string(),
        r#"{"HostConfig":{"Memory":5,"Binds":["/a:/b"]},"Labels":{"a.b":"d","team":"ci"},"New":{"Limits":{"Pids":7}}}"#
    );
}

#[test]
fn places_with_lists_and_maps_are_visited_with_their_paths() {
    let mut tree = body(
        r#"{"HostConfig":{"Mounts":[{"Source":"/"},null,{},{"Source":"v"}]},
            "Labels":{"a":"1","80/tcp":"2","":"3"},"Options":[[1,2],[]]}"#,
    );
    for (places, found) in [
        (
            "HostConfig.Mounts[].Source",
            r#"HostConfig.Mounts[0].Source="/" HostConfig.Mounts[3].Source="v""#,
        ),
        (
            "Labels{}",
            r#"Labels.a="1" Labels["80/tcp"]="2" Labels[""]="3""#,
        ),
        ("Options[][]", "Options[0][0]=1 Options[0][1]=2"),
        (
            "HostConfig.Mounts[]",
            r#"HostConfig.Mounts[0]={"Source":"/"} HostConfig.Mounts[2]={} HostConfig.Mounts[3]={"Source":"v"}"#,
        ),
        ("HostConfig.Mounts{}", ""),
        ("HostConfig.Mounts.Source", ""),
        ("Labels[]", ""),
        ("Nothing[].at.all", ""),
    ] {
        let mut visited = Vec::new();
        tree.each(places, &mut |path, value| {
            visited.push(format!("{path}={value}"));
        });
        assert_eq!(visited.join(" "), found, "{places}");
        let mut again = Vec::new();
        tree.each_mut(places, &mut |path, value| {
            again.push(format!("{path}={value}"));
        });
        assert_eq!(again, visited);
    }
    tree.each_mut("Labels{}", &mut |path, value| {
        *value = path.to_string().into();
    });
    assert_eq!(
        tree.at("Labels").to_string(),
        r#"{"a":"Labels.a","80/tcp":"Labels[\"80/tcp\"]","":"Labels[\"\"]"}"#
    );
}

/// As a limit does it that forwards no unknown field, and judges all others.
#[test]
fn each_value_is_visited_with_what_is_known_of_it() {
    let mut tree = body(
        r#"{"Extra":0,"Labels":{"x":"y"},"HostConfig":{"New":{"a":1},"Mounts":[{"Source":"/","Odd":[]}]}}"#,
    );
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    tree.retain(Form::Body, &mut |path, form, value| match form {
        Some(form) => {
            known.push(format!("{path}:{form:?}"));
            true
        }
        None => {
            unknown.push(format!("{path}={value}"));
            false
        }
    });
    assert_eq!(
        known,
        [
            ":Body",
            "Labels:Labels",
            "Labels.x:Text",
            "HostConfig:Host",
            "HostConfig.Mounts:Mounts",
            "HostConfig.Mounts[0]:Mount",
            "HostConfig.Mounts[0].Source:Text"
        ]
    );
    assert_eq!(
        unknown,
        [
            "Extra=0",
            r#"HostConfig.New={"a":1}"#,
            "HostConfig.Mounts[0].Odd=[]"
        ]
    );
    assert_eq!(
        tree.to_string(),
        r#"{"Labels":{"x":"y"},"HostConfig":{"Mounts":[{"Source":"/"}]}}"#
    );
}

#[test]
fn empty_is_what_an_absent_field_is() {
    let tree = body(r#"{"a":null,"b":false,"c":0,"d":-0.00e5,"e":"","f":[],"g":{}}"#);
    let fields = tree.as_object().expect("an object");
    assert!(fields.iter().all(|(_, value)| value.is_empty()));
    let tree = body(r#"{"a":true,"b":1,"c":0.01,"d":10e-9,"e":" ","f":[null],"g":{"a":null}}"#);
    let fields = tree.as_object().expect("an object");
    assert!(fields.iter().all(|(_, value)| !value.is_empty()));
}
