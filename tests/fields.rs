//! `fields.toml` against the API's own document, and `build/` under test: each kind of slip in it
//! is refused with its line.

use std::collections::{BTreeMap, BTreeSet};

use dockgate::api::fields::{BODIES, Body, Field, INSPECT, Judged, Kind, Object, Reach};
use dockgate::body::Place;
use dockgate::body::json::{Limits, read};
use dockgate::body::reach::{Claim, Engine, asked};
use serde_json::{Value, json};

#[path = "../build/main.rs"]
#[expect(dead_code, reason = "its `main` is for cargo")]
mod build;

/// Method, route, field, type. Where it is from stands in its first line.
const DOCUMENT: &str = include_str!("conformance/docker-bodies.tsv");

/// The fields of the document, `Mounts[].Type`, and their types, by route.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut routes: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for row in DOCUMENT.lines().skip(2) {
        let [method, route, field, kind] = *row.split('\t').collect::<Vec<_>>() else {
            panic!("{row}");
        };
        let kind = kind.split(" (").next().unwrap_or(kind).to_owned();
        let fields = routes
            .entry(shape(&format!("{method} {route}")))
            .or_default();
        fields.insert(field.to_ascii_lowercase(), kind);
    }
    routes
}

/// A route without the names of its placeholders.
fn shape(route: &str) -> String {
    let segments = route.split('/');
    let shapes = segments.map(|one| if one.starts_with('{') { "{}" } else { one });
    shapes.collect::<Vec<_>>().join("/")
}

/// The fields of a body as the document lists them, with the field that each is.
fn listed(body: &'static Body) -> BTreeMap<String, (String, &'static Field)> {
    let mut fields = BTreeMap::new();
    list(&body.root.kind, "", &body.root, &mut fields);
    fields
}

fn list(
    kind: &'static Kind,
    path: &str,
    field: &'static Field,
    fields: &mut BTreeMap<String, (String, &'static Field)>,
) {
    let word = match kind {
        Kind::String => "string".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Int => "integer".to_owned(),
        Kind::Float => "number".to_owned(),
        Kind::Words => "list of string".to_owned(),
        Kind::Raw => "any".to_owned(),
        Kind::Object(object) => {
            for own in object.fields {
                let dot = if path.is_empty() { "" } else { "." };
                list(&own.kind, &format!("{path}{dot}{}", own.name), own, fields);
            }
            "object".to_owned()
        }
        Kind::List(item) => match item {
            Kind::String => "list of string".to_owned(),
            Kind::Int => "list of integer".to_owned(),
            _ => {
                list(item, &format!("{path}[]"), field, fields);
                "list".to_owned()
            }
        },
        Kind::Map(value) => match value {
            Kind::String => "map of string".to_owned(),
            Kind::Object(object) if object.fields.is_empty() => "map of object".to_owned(),
            _ => {
                list(value, &format!("{path}{{}}"), field, fields);
                "map".to_owned()
            }
        },
    };
    if !path.is_empty() {
        fields.insert(path.to_ascii_lowercase(), (word, field));
    }
}

#[test]
fn every_documented_field_is_known_with_its_kind() {
    let mut rows = 0;
    for (route, fields) in documented() {
        let body = BODIES.iter().find(|body| shape(body.route.text) == route);
        let own = listed(body.unwrap_or_else(|| panic!("{route} is not in fields.toml")));
        for (field, kind) in fields {
            let known = own.get(&field).map(|(kind, _)| kind.as_str());
            // The document leaves the type of a mount's type open.
            let known = known.map(|known| if kind == "any" { "any" } else { known });
            assert_eq!(known, Some(kind.as_str()), "{route} {field}");
            rows += 1;
        }
    }
    assert!(rows > 850, "{rows}");
}

#[test]
fn what_is_not_documented_says_since_when() {
    let documented = documented();
    for body in BODIES {
        let Some(fields) = documented.get(&shape(body.route.text)) else {
            // The document has it as a list of plain strings, which are no fields.
            let set = body.route.text == "POST /plugins/{name...}/set";
            let known = body.root.retired.is_some() || body.root.undocumented;
            assert!(set || known, "{}", body.route.text);
            continue;
        };
        let mut excused = BTreeSet::new();
        for (path, (_, field)) in listed(body) {
            let old = field.retired.is_some() || field.undocumented;
            // What lies in such a field is not documented either.
            let inside = excused.iter().any(|above: &String| {
                path.strip_prefix(above)
                    .is_some_and(|rest| rest.starts_with(['.', '[', '{']))
            });
            if old || inside {
                excused.insert(path.clone());
            }
            let known = fields.contains_key(&path);
            assert!(known != (old || inside), "{} {path}", body.route.text);
        }
    }
}

/// The fields that say what a container holds, and no others.
#[test]
fn containers_are_judged_by_these_fields() {
    let Kind::Object(inspect) = &INSPECT.kind else {
        panic!("{INSPECT:?}");
    };
    let host_config = inspect.field("hostconfig").expect("a field");
    let Kind::Object(host_config) = &host_config.kind else {
        panic!("{host_config:?}");
    };
    let held = host_config.fields.iter().filter(|field| field.held);
    let held: Vec<&str> = held.map(|field| field.name).collect();
    let expected = [
        "Annotations",
        "CapAdd",
        "Capabilities",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Devices",
        "IpcMode",
        "MaskedPaths",
        "NetworkMode",
        "PidMode",
        "Privileged",
        "ReadonlyPaths",
        "Runtime",
        "SecurityOpt",
        "UTSMode",
        "UsernsMode",
    ];
    let sorted = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(sorted(&held), sorted(&expected));
    assert!(inspect.field("mounts").is_some_and(|mounts| mounts.held));
}

/// What makes a container more than a container has reach beyond resources.
#[test]
fn powers_have_reach() {
    let create = BODIES
        .iter()
        .find(|body| body.route.text == "POST /containers/create");
    let fields = listed(create.expect("a body"));
    for field in [
        "Privileged",
        "Binds",
        "Devices",
        "DeviceCgroupRules",
        "DeviceRequests",
        "CapAdd",
        "PidMode",
        "IpcMode",
        "UTSMode",
        "UsernsMode",
        "CgroupnsMode",
        "NetworkMode",
        "CgroupParent",
        "SecurityOpt",
        "MaskedPaths",
        "ReadonlyPaths",
        "Runtime",
        "Annotations",
        "Sysctls",
        "VolumesFrom",
        "VolumeDriver",
        "Links",
        "InitPath",
        "LxcConf",
        "Capabilities",
        "Isolation",
    ] {
        let path = format!("hostconfig.{}", field.to_ascii_lowercase());
        let (_, known) = &fields[&path];
        assert!(!known.reach.within(Reach::CONTROL).is_none(), "{field}");
    }
    let (_, mounts) = &fields["hostconfig.mounts"];
    assert_eq!(mounts.judged, Judged::Mounts);
}

/// Every field of every body, alone and with a value that no list calls harmless: exactly those with
/// reach make a claim with reach, in whatever case their names are written.
#[test]
fn each_field_reaches_what_the_table_says() {
    let mut fields = 0;
    for body in BODIES {
        let whole = |value: Value| value;
        try_field(body, &body.root, &body.root.kind, &whole, &mut fields);
    }
    assert!(fields > 850, "{fields}");
}

/// Tries the fields inside a value of this kind, which stands in a body as `wrap` says.
fn try_field(
    body: &'static Body,
    field: &Field,
    kind: &'static Kind,
    wrap: &dyn Fn(Value) -> Value,
    fields: &mut usize,
) {
    match kind {
        Kind::List(kind) => {
            try_field(body, field, kind, &|value| wrap(json!([value])), fields);
        }
        // A key that is not harmless has reach of its own.
        Kind::Map(kind) => {
            let key = if field.judged == Judged::Endpoints {
                "bridge"
            } else {
                "zz"
            };
            try_field(
                body,
                field,
                kind,
                &|value| wrap(json!({ key: value })),
                fields,
            );
        }
        Kind::Object(object) => {
            let legacy = object.legacy.iter().flat_map(|object| object.fields);
            for own in object.fields.iter().chain(legacy) {
                *fields += 1;
                try_one(body, object, own, wrap);
                if own.reach.is_none() || own.judged == Judged::Endpoints {
                    let wrap = |value: Value| wrap(one(object, own.name, value));
                    try_field(body, own, &own.kind, &wrap, fields);
                }
            }
        }
        _ => {}
    }
}

fn try_one(body: &'static Body, object: &Object, field: &Field, wrap: &dyn Fn(Value) -> Value) {
    let value = wrap(one(
        object,
        field.name,
        odd(&field.kind, field.reach.is_none()),
    ));
    let claims = claims_of(body, &value);
    let found = claims
        .iter()
        .fold(Reach::NONE, |all, claim| all.with(claim.reach));
    let expected = match field.judged {
        // A mount that says nothing.
        Judged::Mounts => Reach::HOST_FILES,
        Judged::Value => field.reach,
        // `zz` is a program's own variable.
        Judged::Environment => Reach::NONE,
        // `zz` is one of several that the judgement knows: a user's network, a volume.
        _ if !field.reach.within(found).is_none() => found,
        _ => field.reach,
    };
    assert_eq!(found, expected, "{value}");
    let folded: String = field
        .name
        .to_lowercase()
        .replace('s', "\u{17f}")
        .replace('k', "\u{212a}");
    let folded = wrap(one(
        object,
        &folded,
        odd(&field.kind, field.reach.is_none()),
    ));
    let again = claims_of(body, &folded);
    let plain = |claims: &[Claim]| -> Vec<_> {
        let parts = claims.iter();
        parts
            .map(|one| (one.path.clone(), one.reach, one.what.clone()))
            .collect()
    };
    assert_eq!(plain(&again), plain(&claims), "{folded}");
}

fn claims_of(body: &'static Body, value: &Value) -> Vec<Claim> {
    let bytes = value.to_string().into_bytes();
    let tree = read(&bytes, Limits::default(), Place::of(body)).expect("a body that is read");
    asked(body, &tree, &Engine::default()).expect("few claims")
}

/// An object with one field, and what it would have reach without.
fn one(object: &Object, name: &str, value: Value) -> Value {
    let mut fields = serde_json::Map::new();
    if object.name == "Mount" && !name.eq_ignore_ascii_case("type") {
        fields.insert("Type".to_owned(), json!("tmpfs"));
    }
    fields.insert(name.to_owned(), value);
    Value::Object(fields)
}

/// A value of a kind that is not empty, and harmless nowhere; or with nothing in its objects, where
/// their own fields are tried.
fn odd(kind: &Kind, bare: bool) -> Value {
    match kind {
        Kind::String => json!("zz"),
        Kind::Bool => json!(true),
        Kind::Int => json!(7),
        Kind::Float => json!(7.5),
        Kind::Words => json!(["zz"]),
        Kind::Raw => json!({"zz": 7}),
        Kind::List(kind) => json!([odd(kind, bare)]),
        Kind::Map(kind) => json!({"zz": odd(kind, bare)}),
        Kind::Object(object) => {
            let first = object.fields.first().filter(|_| !bare);
            first.map_or(
                json!({}),
                |field| json!({ field.name: odd(&field.kind, bare) }),
            )
        }
    }
}

const GOOD: &str = r#"inspect = { kind = "Shown", reach = "inside" }
open = ["Create"]

[body]
"POST /containers/create" = { kind = "Create", reach = "inside" }
"POST /plugins/{name...}/set" = { kind = "list of string", reach = "kernel" }

[embed]
HostConfig = ["Resources"]

[legacy]
Create = ["HostConfig"]

[object.Create]
HostConfig = { kind = "HostConfig", reach = "inside" }
Cmd = { kind = "words", reach = "harmless" }
Health = { kind = "Health", reach = "harmless" }

[object.HostConfig]
Privileged = { kind = "bool", reach = "kernel devices", held = true }
CapAdd = { kind = "words", reach = "kernel", judged = "capabilities", harmless = ["KILL"] }
Sysctls = { kind = "map of string", reach = "kernel", judged = "sysctls", harmless = ["net.*"] }
Old = { kind = "int", reach = "resources", harmless = [-1], retired = "1.42" }
Mounts = { kind = "list of Mount", reach = "inside", judged = "mounts" }

[object.Resources]
Memory = { kind = "int", reach = "resources" }

[object.Mount]
Source = { kind = "string", reach = "host-files" }

[object.Health]
Test = { kind = "list of string", reach = "harmless" }

[object.Shown]
HostConfig = { kind = "HostConfig", reach = "inside", held = true }

[answer]
"GET /containers/json" = { kind = "list of Item" }

[object.Item]
Command = { kind = "string", discloses = "commands env", form = "text" }
HostConfig = { kind = "HostConfig" }
"#;

#[test]
fn the_good_table_is_taken() {
    let rust = build::fields(GOOD).expect("no mistakes");
    for part in [
        r#"pub static HOST_CONFIG: Object = Object { name: "HostConfig", open: false, legacy: &[], fields: &[Field { name: "CapAdd", kind: Kind::Words,"#,
        r#"Field { name: "Memory", kind: Kind::Int, reach: Reach::NONE.with(Reach::RESOURCES), judged: Judged::Value, harmless: &[], disclosed: Disclosed::NONE, form: Form::Value, held: false, retired: None, undocumented: false, own: &[] },"#,
        r#"reach: Reach::NONE.with(Reach::KERNEL).with(Reach::DEVICES), judged: Judged::Value, harmless: &[], disclosed: Disclosed::NONE, form: Form::Value, held: true,"#,
        r#"judged: Judged::Sysctls, harmless: &[Harmless::Start("net."),]"#,
        r#"harmless: &[Harmless::Int(-1),], disclosed: Disclosed::NONE, form: Form::Value, held: false, retired: Some("1.42")"#,
        r#"name: "Create", open: true, legacy: &[&HOST_CONFIG,]"#,
        r#"Kind::List(&Kind::Object(&MOUNT))"#,
        r#"slots: &slots::<16>(&["CapAdd", "#,
        r#"pub static INSPECT: Field = Field { name: "", kind: Kind::Object(&SHOWN),"#,
        r#"Body { route: Route { text: "POST /plugins/{name...}/set","#,
        r#"pub static ANSWERS: &[Body] = &["#,
        r#"Body { route: Route { text: "GET /containers/json","#,
        r#"disclosed: Disclosed::NONE.with(Disclosed::COMMANDS).with(Disclosed::ENV), form: Form::Text,"#,
    ] {
        assert!(rust.contains(part), "{part} is not in:\n{rust}");
    }
}

macro_rules! refused {
    ($($name:ident: $old:literal => $new:literal, $line:literal, $what:literal;)*) => {$(
        #[test]
        fn $name() {
            assert!(GOOD.contains($old));
            let mistakes = build::fields(&GOOD.replacen($old, $new, 1)).expect_err("a mistake");
            let expected = concat!("fields.toml:", $line, ": ");
            let told = mistakes.iter().any(|one| one.starts_with(expected) && one.contains($what));
            assert!(told, "not on line {} with {:?}: {mistakes:?}", $line, $what);
        }
    )*};
}

refused! {
    unknown_key: "held = true" => "holds = true", 20, "unknown field `holds`";
    unknown_table: "[legacy]" => "[legacies]", 11, "unknown field `legacies`";
    not_toml: "\"Shown\"" => "Shown", 1, "";
    no_reach: "kind = \"bool\", reach = \"kernel devices\"," => "kind = \"bool\",", 20, "say what it reaches";
    no_kind: "kind = \"bool\", " => "", 20, "missing field `kind`";
    unknown_reach: "kernel devices" => "kernel device", 20, "is no reach";
    reach_twice: "kernel devices" => "kernel kernel", 20, "twice";
    harmless_and_more: "kernel devices" => "harmless devices", 20, "is no reach";
    empty_reach: "kernel devices" => "", 20, "is no reach";
    unknown_kind: "kind = \"bool\"" => "kind = \"boolean\"", 20, "is no kind";
    unknown_object: "kind = \"list of Mount\"" => "kind = \"list of Mounts\"", 24, "is no kind";
    nothing_inside: "reach = \"kernel devices\"" => "reach = \"inside\"", 20, "nothing inside";
    harmless_with_reach_inside: "Mount\", reach = \"inside\"" => "Mount\", reach = \"harmless\"", 24, "a field of Mount has reach";
    harmless_with_reach_far_inside: "kind = \"HostConfig\", reach = \"inside\"" => "kind = \"HostConfig\", reach = \"harmless\"", 15, "a field of HostConfig has reach";
    unknown_judgement: "\"capabilities\"" => "\"caps\"", 21, "no judgement";
    judgement_of_another_kind: "\"capabilities\"" => "\"binds\"", 21, "it reads list of string, not words";
    harmless_without_reach: "kind = \"words\", reach = \"harmless\"" => "kind = \"words\", reach = \"harmless\", harmless = [\"a\"]", 16, "harmless with every value";
    empty_harmless: "[\"KILL\"]" => "[\"\"]", 21, "harmless anyway";
    odd_harmless: "[\"KILL\"]" => "[1.5]", 21, "";
    bad_version: "\"1.42\"" => "\"1.42.\"", 23, "is written 1.24";
    retired_and_undocumented: "retired = \"1.42\"" => "retired = \"1.42\", undocumented = true", 23, "say one of them";
    legacy_of_the_same_name: "Cmd =" => "memory =", 12, "Memory of HostConfig is memory here";
    same_field_in_another_case: "Memory =" => "privileged =", 27, "privileged is Privileged in another case";
    bad_field: "Memory =" => "\"Mem ory\" =", 27, "is no field's name";
    bad_object: "object.Health" => "object.health", 32, "is no object's name";
    reserved_object: "object.Health" => "object.Inspect", 32, "is no object's name";
    embeds_nothing: "[\"Resources\"]" => "[\"Resource\"]", 9, "there is no object";
    legacy_of_nothing: "Create = [\"HostConfig\"]" => "Create = [\"Host\"]", 12, "there is no object";
    unknown_open: "open = [\"Create\"]" => "open = [\"Creates\"]", 2, "there is no object";
    unknown_inspect: "\"Shown\"" => "\"Showns\"", 1, "is no kind";
    unused_object: "Health = { kind = \"Health\", reach = \"harmless\" }\n" => "", 31, "nothing holds a Health";
    reach_of_an_answer: "{ kind = \"list of Item\" }" => "{ kind = \"list of Item\", reach = \"inside\" }", 39, "an answer reaches nothing";
    reach_in_an_answer: "{ kind = \"string\", discloses" => "{ kind = \"string\", reach = \"kernel\", discloses", 42, "no body holds it";
    nothing_disclosed: "discloses = \"commands env\", form = \"text\"" => "retired = \"1.24\"", 39, "it discloses nothing";
    unknown_disclosure: "commands env" => "command env", 42, "cannot be disclosed";
    unknown_form: "\"text\"" => "\"texts\"", 42, "is no form";
    form_of_nothing: "discloses = \"commands env\", form" => "form", 42, "it discloses nothing that could have a form";
    bad_route_of_an_answer: "GET /containers/json" => "GET containers/json", 39, "must be METHOD /path";
    bad_route: "POST /containers/create" => "POST containers/create", 5, "must be METHOD /path";
    bad_method: "POST /containers/create" => "* /containers/create", 5, "is unknown or not allowed here";
}
