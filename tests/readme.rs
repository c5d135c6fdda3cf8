//! The README says what the program does: its tables come from the library's own, and its
//! `dockgate` examples are run. `UPDATE_README=1 cargo test --test readme` writes both anew.

use std::{env, fmt::Display, fs, process::Command};

use dockgate::{
    api::sections::{ACTIONS, REQUIREMENTS, ROOTS, Route, SECTIONS},
    config::{Dialect, PRESETS, Setting},
};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const REMEDY: &str = "to write it anew: UPDATE_README=1 cargo test --test readme";

#[test]
fn the_readme_is_what_the_program_does() {
    let written = fs::read_to_string(README).expect("a README");
    let mut fresh = with_part(&written, "sections", &sections());
    fresh = with_part(&fresh, "presets", &presets());
    fresh = with_part(&fresh, "requirements", &requirements());
    fresh = with_part(&fresh, "actions", &actions());
    fresh = with_part(&fresh, "settings", &settings(Dialect::Sections));
    fresh = with_part(&fresh, "flags", &settings(Dialect::Wollomatic));
    fresh = with_part(&fresh, "profile", &settings(Dialect::Knrdl));
    fresh = with_part(&fresh, "root", &root());
    fresh = with_outputs(&fresh);
    if env::var_os("UPDATE_README").is_some() {
        fs::write(README, &fresh).expect("a README that can be written");
        return;
    }
    let mut lines = written.lines().zip(fresh.lines());
    if let Some((is, should)) = lines.find(|(is, should)| is != should) {
        panic!("README.md has\n  {is}\ninstead of\n  {should}\n{REMEDY}");
    }
    assert_eq!(written, fresh, "{REMEDY}");
}

fn sections() -> String {
    let rows = SECTIONS.iter().map(|section| {
        let default = u8::from(section.default);
        [
            code(section.name),
            default.to_string(),
            codes(section.paths),
            section.doc.to_owned(),
        ]
    });
    table(["variable", "default", "paths", "what it is for"], rows)
}

fn actions() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let actions = ACTIONS
            .iter()
            .filter(|action| action.section == section.name);
        let rows: Vec<_> = actions
            .map(|action| {
                let limits = match action.limits() {
                    none if none.is_empty() => none,
                    limits => format!(" {limits}"),
                };
                let doc = action.doc.to_owned();
                [code(action.name), routes(action.routes) + &limits, doc]
            })
            .collect();
        if !rows.is_empty() {
            let head = [&code(section.name), "routes", "what it does"].map(str::to_owned);
            text += &table(head.each_ref().map(String::as_str), rows.into_iter());
            text += "\n";
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn presets() -> String {
    let rows = PRESETS.iter().map(|preset| {
        let doc = preset.doc.to_owned();
        [code(preset.name), doc, preset.grants.join(" ")]
    });
    table(["preset", "for", "allows"], rows)
}

fn requirements() -> String {
    let rows = REQUIREMENTS
        .iter()
        .map(|one| [routes(one.routes), code(one.also), one.doc.to_owned()]);
    table(["routes", "need as well", "because"], rows)
}

fn settings(dialect: Dialect) -> String {
    let rows = Setting::of(dialect).map(|setting| {
        [
            code(setting.name),
            code(setting.default),
            setting.doc.to_owned(),
        ]
    });
    table(["variable", "default", "meaning"], rows)
}

fn root() -> String {
    let rows = ROOTS
        .iter()
        .map(|root| [routes(root.routes), root.doc.to_owned()]);
    table(["routes", "how"], rows)
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n{}|\n", head.join(" | "), "|---".repeat(N));
    rows.for_each(|row| text += &format!("| {} |\n", row.join(" | ")));
    text
}

fn routes(routes: &[Route]) -> String {
    codes(&routes.iter().map(|route| route.text).collect::<Vec<_>>())
}

fn codes(texts: &[&str]) -> String {
    texts.iter().map(code).collect::<Vec<_>>().join(", ")
}

fn code(text: impl Display) -> String {
    match text.to_string().as_str() {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

/// The README with `text` between the comments `<!-- name -->` and `<!-- /name -->`.
fn with_part(readme: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let (before, rest) = readme.split_once(&begin).expect("a beginning");
    let (_, after) = rest.split_once(&end).expect("an end");
    format!("{before}{begin}\n{text}\n{end}{after}")
}

/// The README with what each `$ [NAME=VALUE ...] dockgate ...` of a `console` block prints.
fn with_outputs(readme: &str) -> String {
    let mut text = String::new();
    let mut in_block = false;
    for line in readme.lines() {
        match line.strip_prefix("$ ").filter(|_| in_block) {
            Some(command) => text += &format!("{line}\n{}", output(command)),
            None if in_block && line != "```" => {}
            None => text += &format!("{line}\n"),
        }
        in_block = line == "```console" || (in_block && line != "```");
    }
    text
}

fn output(command: &str) -> String {
    let mut words = command.split(' ').peekable();
    let mut variables = Vec::new();
    while let Some(variable) = words.next_if(|word| *word != "dockgate") {
        variables.push(
            variable
                .split_once('=')
                .expect("a variable before the program"),
        );
    }
    let mut program = Command::new(env!("CARGO_BIN_EXE_dockgate"));
    let program = program.args(words.skip(1)).env_clear().envs(variables);
    let output = program.output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

/// What people copy first is what they should run: a preset, and no privilege.
#[test]
fn the_first_examples_are_a_hardened_preset() {
    let readme = fs::read_to_string(README).expect("a README");
    let (_, first) = readme.split_once("```yaml\n").expect("an example");
    let (first, _) = first.split_once("\n```").expect("its end");
    let folder = env!("CARGO_MANIFEST_DIR");
    let whole = fs::read_to_string(format!("{folder}/docker-compose.example.yml")).expect("a file");
    for (text, drops) in [(first, "    cap_drop: [ALL]"), (&*whole, "      - ALL")] {
        for line in [
            "    container_name: dockgate",
            "      PRESET: traefik",
            "    user: \"65534:65534\"",
            "    group_add:",
            "    read_only: true",
            drops,
            "no-new-privileges:true",
            "    internal: true",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("CONTAINERS"), "{text}");
    }
}
