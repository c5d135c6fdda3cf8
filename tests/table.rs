//! `build/` under test: each kind of slip in `sections.toml` and in a preset is refused with its
//! line.

#[path = "../build/main.rs"]
#[expect(dead_code, reason = "its `main` is for cargo")]
mod build;

use std::collections::BTreeMap;

const GOOD: &str = r#"[[section]]
name = "CONTAINERS"
default = false
paths = ["/containers"]
doc = "Containers"

[[section]]
name = "EXEC"
default = false
paths = ["/exec"]
doc = "Exec"

[[action]]
name = "START"
section = "CONTAINERS"
routes = ["POST /containers/{id}/start"]
deny_also = ["POST /containers/{id}/begin"]
unread_body = true
without_query = ["checkpoint"]
doc = "Start"

[[requirement]]
routes = ["* /containers/{id}/exec"]
also = "EXEC"
doc = "Otherwise the reason is hidden"

[[root]]
routes = ["POST /exec/{id!}/start"]
doc = "It runs code"

[[upgrade]]
routes = ["POST /exec/{id}/start"]
protocols = ["tcp"]

[[control]]
routes = ["POST /exec/{id}/resize"]
judged = ["exec", "body"]
doc = "It is one"

[[limit]]
routes = ["POST /containers/{id}/update"]
limits = ["MEMORY_MAX"]
judged = ["body"]

[[scope]]
routes = ["POST /exec/{id}/start"]
kind = "exec"
judged = ["object", "body"]
"#;

#[test]
fn the_good_table_is_taken() {
    let rust = build::table(GOOD).expect("no mistakes");
    for part in [
        r#"Section { name: "EXEC", default: false, paths: &["/exec"], routes: &[], doc: "Exec" }"#,
        r#"steps: &[Step::Literal("containers"),Step::Id,Step::Literal("start"),]"#,
        r#"allow: "ALLOW_START", deny: "DENY_START", section: "CONTAINERS""#,
        r#"Root { routes: &[Route { text: "POST /exec/{id}/start", method: Some(Method::Post), steps: &[Step::Literal("exec"),Step::One,"#,
        r#"judged: &[Check::Exec,Check::Body], doc: "It is one""#,
        r#"limits: &["MEMORY_MAX"], judged: &[Check::Body], doc: """#,
        r#"kind: Some(ObjectKind::Exec), judged: &[Role::Object,Role::Body], doc: """#,
        r#"Requirement { section: "CONTAINERS", routes: &[Route { text: "* /containers/{id}/exec", method: None,"#,
    ] {
        assert!(rust.contains(part), "{part} is not in:\n{rust}");
    }
    let names = GOOD.replace("{id}/start\"]\ndeny", "{name...}\"]\ndeny");
    assert!(
        build::table(&names)
            .expect("no mistakes")
            .contains("Step::Names")
    );
    let podman = build::table(&GOOD.replace("deny_also", "podman")).expect("no mistakes");
    assert!(
        podman.contains(r#"deny_also: &[], podman: &[Route { text: "POST /containers/{id}/begin""#)
    );
}

macro_rules! refused {
    ($($name:ident: $old:literal => $new:literal, $line:literal, $what:literal;)*) => {$(
        #[test]
        fn $name() {
            assert!(GOOD.contains($old));
            let mistakes = build::table(&GOOD.replacen($old, $new, 1)).expect_err("a mistake");
            let expected = concat!("sections.toml:", $line, ": ");
            let told = mistakes.iter().any(|one| one.starts_with(expected) && one.contains($what));
            assert!(told, "not on line {} with {:?}: {mistakes:?}", $line, $what);
        }
    )*};
}

refused! {
    unknown_key: "doc = \"Exec\"" => "docs = \"Exec\"", 11, "unknown field `docs`";
    unknown_table: "[[upgrade]]" => "[[upgrades]]", 31, "unknown field `upgrades`";
    missing_key: "default = false\n" => "", 1, "missing field `default`";
    wrong_type: "default = false" => "default = 0", 3, "invalid type";
    not_toml: "name = \"EXEC\"" => "name = EXEC", 8, "";
    undocumented_section: "doc = \"Exec\"" => "doc = \" \"", 11, "undocumented";
    undocumented_action: "doc = \"Start\"" => "doc = \"\"", 20, "undocumented";
    undocumented_requirement: "doc = \"Otherwise the reason is hidden\"" => "doc = \"\"", 25, "undocumented";
    unexplained_root: "\"It runs code\"" => "\"\"", 29, "undocumented";
    duplicate_section: "name = \"EXEC\"" => "name = \"CONTAINERS\"", 8, "duplicate of line 2";
    section_that_is_an_action: "name = \"EXEC\"" => "name = \"ALLOW_START\"", 14, "duplicate of line 8";
    section_that_is_a_deny: "name = \"EXEC\"" => "name = \"DENY_START\"", 14, "duplicate of line 8";
    bad_deny_also: "/begin" => "/", 17, "invalid segment";
    no_deny_also: "[\"POST /containers/{id}/begin\"]" => "[]", 17, "must not be empty";
    no_control_route: "[\"POST /exec/{id}/resize\"]" => "[]", 36, "must not be empty";
    no_check: "[\"exec\", \"body\"]" => "[]", 37, "must not be empty";
    unknown_check: "[\"exec\", \"body\"]" => "[\"exec\", \"bodies\"]", 37, "unknown check";
    unexplained_control: "\"It is one\"" => "\"\"", 38, "undocumented";
    unknown_kind: "kind = \"exec\"" => "kind = \"execs\"", 47, "unknown kind";
    unknown_role: "\"object\", \"body\"" => "\"objects\"", 48, "unknown role";
    no_limit: "[\"MEMORY_MAX\"]" => "[]", 42, "must not be empty";
    judged_and_explained: "judged = [\"body\"]\n" => "judged = [\"body\"]\ndoc = \"x\"\n", 42, "give either judged or doc";
    no_root_route: "[\"POST /exec/{id!}/start\"]" => "[]", 28, "must not be empty";
    half_bang: "{id!}" => "{!}", 28, "invalid segment";
    section_called_post: "name = \"EXEC\"" => "name = \"POST\"", 8, "POST is reserved";
    bad_name: "name = \"START\"" => "name = \"Start\"", 14, "invalid name";
    empty_name: "name = \"START\"" => "name = \"\"", 14, "invalid name";
    same_path: "[\"/exec\"]" => "[\"/containers\"]", 10, "/containers overlaps /containers";
    path_below: "[\"/exec\"]" => "[\"/containers/exec\"]", 10, "overlaps";
    path_above: "[\"/containers\"]" => "[\"/exec/x\"]", 10, "/exec overlaps /exec/x";
    path_twice: "[\"/exec\"]" => "[\"/exec\", \"/exec\"]", 10, "overlaps";
    no_path: "[\"/exec\"]" => "[]", 10, "must not be empty";
    bad_path: "[\"/exec\"]" => "[\"exec\"]", 10, "invalid path";
    path_with_slash: "[\"/exec\"]" => "[\"/exec/\"]", 10, "invalid path";
    path_with_placeholder: "[\"/exec\"]" => "[\"/{id}\"]", 10, "invalid path";
    unknown_section: "section = \"CONTAINERS\"" => "section = \"CONTAINER\"", 15, "unknown section";
    bad_method: "\"POST /containers" => "\"post /containers", 16, "is unknown or not allowed here";
    any_method_in_an_action: "\"POST /containers" => "\"* /containers", 16, "is unknown or not allowed here";
    no_method: "\"POST /containers" => "\"/containers", 16, "invalid route";
    no_route: "[\"POST /containers/{id}/start\"]" => "[]", 16, "must not be empty";
    placeholder_first: "/containers/{id}/start" => "/{id}/start", 16, "invalid segment";
    bad_placeholder: "/containers/{id}/start" => "/containers/{ID}/start", 16, "invalid segment";
    half_placeholder: "/containers/{id}/start" => "/containers/{id/start", 16, "invalid segment";
    empty_segment: "/containers/{id}/start" => "/containers//start", 16, "invalid segment";
    trailing_slash: "/containers/{id}/start" => "/containers/{id}/", 16, "invalid segment";
    dot_segment: "/containers/{id}/start" => "/containers/../start", 16, "invalid segment";
    bad_key: "[\"checkpoint\"]" => "[\"check%70oint\"]", 19, "query key";
    short_key: "[\"checkpoint\"]" => "[\"check\"]", 19, "could contain it";
    unknown_also: "also = \"EXEC\"" => "also = \"EXECS\"", 24, "must be a section or POST";
    requirement_in_no_section: "* /containers/{id}/exec" => "* /images/{id}/exec", 23, "not below the path of any section";
    requirement_in_two_sections: "[\"* /containers/{id}/exec\"]" =>
        "[\"* /containers/{id}/exec\", \"GET /exec/{id}/x\"]", 23, "not in the same section";
    upper_case_protocol: "[\"tcp\"]" => "[\"TCP\"]", 33, "lower case";
    no_protocol: "[\"tcp\"]" => "[]", 33, "must not be empty";
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let text = GOOD
        .replace("doc = \"Exec\"", "doc = \"\"")
        .replace("POST /", "PUSH /");
    assert_eq!(build::table(&text).expect_err("mistakes").len(), 8);
}

const PRESET: &str = r#"# The program asks for this.
#
# Since 1.0.
doc = "A program"
grants = ["START", "EVENTS"]
unconditional = ["START"]

[[option]]
doc = "More of it"
grants = ["STOP"]

[deny_root]
set = true
allowed = ["Starts"]
refused = ["Mounts of host directories"]
"#;

fn presets(name: &str, text: &str) -> Result<String, Vec<String>> {
    let more = r#"
[[section]]
name = "EVENTS"
default = true
paths = ["/events"]
routes = ["GET /events"]
doc = "Events"

[[action]]
name = "STOP"
section = "CONTAINERS"
routes = ["POST /containers/{id}/stop"]
doc = "Stop"
"#;
    let files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    build::presets(&(GOOD.to_owned() + more), &files)
}

#[test]
fn the_good_preset_is_taken() {
    let rust = presets("my-program-2", PRESET).expect("no mistakes");
    let expected = r#"Preset { name: "my-program-2", doc: "A program", about: "The program asks for this.\n\nSince 1.0.", grants: &["START", "EVENTS"], unconditional: &["START"], options: &[PresetOption { doc: "More of it", grants: &["STOP"] },], deny_root: Some(UnderDenyRoot { set: true, allowed: &["Starts"], refused: &["Mounts of host directories"] })"#;
    assert!(rust.contains(expected), "{rust}");
}

macro_rules! preset_refused {
    ($($name:ident: $old:literal => $new:literal, $line:literal, $what:literal;)*) => {$(
        #[test]
        fn $name() {
            assert!(PRESET.contains($old));
            let mistakes = presets("x", &PRESET.replacen($old, $new, 1)).expect_err("a mistake");
            let expected = concat!("presets/x.toml:", $line, ": ");
            let told = mistakes.iter().any(|one| one.starts_with(expected) && one.contains($what));
            assert!(told, "not on line {} with {:?}: {mistakes:?}", $line, $what);
        }
    )*};
}

preset_refused! {
    preset_without_comment: "# The" => "\n# The", 1, "must begin with a comment";
    preset_with_unknown_key: "doc = \"A" => "docs = \"A", 4, "unknown field `docs`";
    undocumented_preset: "\"A program\"" => "\"\"", 4, "undocumented";
    undocumented_option: "\"More of it\"" => "\"\"", 9, "undocumented";
    preset_under_which_nothing_is_refused: "[\"Mounts of host directories\"]" => "[]", 15, "must not be empty";
    preset_of_nothing: "[\"START\", \"EVENTS\"]" => "[]", 5, "must not be empty";
    preset_of_an_unknown_action: "\"EVENTS\"" => "\"EVENT\"", 5, "must be an action, or a section";
    preset_of_a_section_with_actions: "\"EVENTS\"" => "\"CONTAINERS\"", 5, "must be an action, or a section";
    preset_that_says_it_twice: "\"EVENTS\"" => "\"START\"", 5, "granted twice";
    option_of_an_unknown_action: "[\"STOP\"]" => "[\"HALT\"]", 10, "must be an action, or a section";
    unconditional_without_conditions: "[\"START\"]" => "[\"EVENTS\"]", 6, "must be an action with conditions";
    unconditional_and_not_granted: "[\"START\", \"EVENTS\"]" => "[\"EVENTS\"]", 6, "must be an action with conditions";
}

#[test]
fn a_preset_has_a_plain_name() {
    for name in ["Traefik", "a_b", "", "readme.md"] {
        let mistakes = presets(name, PRESET).expect_err("a mistake");
        assert!(
            mistakes[0].contains("the name of a preset file"),
            "{mistakes:?}"
        );
    }
}

#[test]
fn a_section_with_routes_has_no_actions() {
    let text = GOOD.replace(
        "paths = [\"/containers\"]",
        "paths = [\"/containers\"]\nroutes = [\"GET /containers/json\"]",
    );
    let mistakes = build::table(&text).expect_err("a mistake");
    assert_eq!(
        mistakes,
        ["sections.toml:16: this section lists its own routes, so it cannot have actions"]
    );
}
