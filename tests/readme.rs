//! The README says what the program does: its tables come from the library's own, and its
//! `dockgate` examples are run. `UPDATE_README=1 cargo test --test readme` writes both anew. And
//! CONTRIBUTING's map has every folder.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::Command;

use dockgate::api::sections::{
    ACTIONS, CONTROLS, Check, LIMITED, REQUIREMENTS, ROOTS, Route, SECTIONS,
};
use dockgate::config::{Dialect, PRESETS, Setting, Settings, Snapshot};

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
    fresh = with_part(&fresh, "limits", &limits());
    fresh = with_part(&fresh, "flags", &settings(Dialect::Wollomatic));
    fresh = with_part(&fresh, "profile", &settings(Dialect::Knrdl));
    fresh = with_part(&fresh, "mikesir87", &settings(Dialect::Mikesir87));
    fresh = with_part(&fresh, "cetusguard", &settings(Dialect::Cetusguard));
    fresh = with_part(&fresh, "root", &root());
    fresh = with_part(&fresh, "control", &control());
    fresh = with_part(&fresh, "warnings", &warnings());
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
    table(["variable", "default", "paths", "description"], rows)
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
            let head = [&code(section.name), "routes", "description"].map(str::to_owned);
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
    table(["preset", "program", "allows"], rows)
}

fn requirements() -> String {
    let rows = REQUIREMENTS
        .iter()
        .map(|one| [routes(one.routes), code(one.also), one.doc.to_owned()]);
    table(["routes", "also require", "because"], rows)
}

fn settings(dialect: Dialect) -> String {
    let rows = Setting::of(dialect).map(|setting| {
        [
            code(setting.name),
            code(setting.default),
            setting.doc.to_owned(),
        ]
    });
    table(["variable", "default", "description"], rows)
}

fn limits() -> String {
    let rows = Setting::of(Dialect::Limits).map(|setting| {
        let held = LIMITED
            .iter()
            .filter(|one| one.limits.contains(&setting.name));
        let held: Vec<&str> = held
            .filter(|one| !one.judged.is_empty())
            .flat_map(|one| one.routes)
            .map(|route| route.text)
            .filter(|route| !route.ends_with("/start"))
            .collect();
        [code(setting.name), setting.doc.to_owned(), codes(&held)]
    });
    table(["variable", "what it lists", "routes"], rows)
}

fn root() -> String {
    let rows = ROOTS
        .iter()
        .map(|root| [routes(root.routes), root.doc.to_owned()]);
    table(["routes", "how"], rows)
}

fn control() -> String {
    let passes = |check: &Check| match check {
        Check::Body => "nothing in the JSON body has reach",
        Check::Build => "the query has no reach, and isn't for BuildKit",
        Check::Commit => "the container in the query has no reach",
        Check::Container => "the container has no reach",
        Check::Exec => "the exec and its container have no reach",
        Check::Import => "the query names no URL to fetch",
        Check::Joins => {
            "the networks that the container has yet to join could be created under `DENY_ROOT`"
        }
        Check::JoinTokens => "always, without `JoinTokens` in the response",
        Check::Load | Check::Pull | Check::Tag => panic!("only limits have such a check"),
        Check::Name => "the name isn't that of a client with another policy",
        Check::Network => "the network could be created under `DENY_ROOT`",
        Check::Start => "there is no checkpoint, and no body over 7 bytes or in chunks",
        Check::Update => "nothing in what a rollback brings back has reach",
    };
    let rows = CONTROLS.iter().map(|control| {
        let judged: Vec<&str> = control.judged.iter().map(passes).collect();
        let judged = match judged.as_slice() {
            [] => format!("never: {}", control.doc),
            judged => judged.join(", and "),
        };
        [routes(control.routes), judged]
    });
    table(["routes", "allowed if"], rows)
}

/// Environments that `check` has something to say about, a word of the line that says it, and what
/// that line means.
const WARNINGS: &[(&str, &str, &str)] = &[
    (
        "CONTAINERS=true",
        "CONTAINERS=true",
        "the value didn't grant before either; now you know",
    ),
    ("IAMGES=1", "IAMGES", "probably a typo"),
    (
        "ALLOW_DELETE=1",
        "ALLOW_DELETE",
        "a variable of other proxies, which dockgate doesn't have",
    ),
    (
        "ALLOW_START=1",
        "ALLOW_START=1",
        "unset it if you don't want this",
    ),
    (
        "CONTAINERS=1 ALLOW_LOGS=0",
        "ALLOW_LOGS=0 ",
        "a 0 doesn't deny anything. For `ALLOW_START`, `ALLOW_STOP` and `ALLOW_RESTARTS`, which \
         Tecnativa's image sets to 0, this is only a note at `info`",
    ),
    (
        "SP_ALLOW_GET='/info'",
        "SP_ALLOW_GET='/info'",
        "the pattern allows nothing; the same goes for a line of a profile",
    ),
    (
        "CETUSGUARD_FRONTEND_ADDR=tcp://:2375 DOCKER_HOST=tcp://localhost:2375",
        "DOCKER_HOST",
        "all services of a compose file may have it; the engine is at its default path",
    ),
    (
        "ALLOW_CREATE=1",
        "ALLOW_CREATE (",
        "see [security advice](#security-advice)",
    ),
    (
        "SP_PROXYCONTAINERNAME=proxy SP_ALLOW_POST=/containers/create",
        "labels grant",
        "a client that creates a container can [give it a list](#lists-by-labels); the same goes for building, `exec` and connecting networks",
    ),
    (
        "CONTAINERS=1",
        "DENY_ARCHIVE=1",
        "the message ends with the variables that prevent it; set them, unless the client must read files",
    ),
    (
        "LISTEN=tcp://127.0.0.1:2375 DISABLE_IPV6=1",
        "DISABLE_IPV6",
        "unset one of the two",
    ),
];

fn warnings() -> String {
    let rows = WARNINGS.iter().map(|(environment, word, meaning)| {
        let output = output(&format!("{environment} dockgate check"));
        let line = output.lines().rfind(|line| line.contains(word));
        let line = line.unwrap_or_else(|| panic!("no {word} in\n{output}"));
        let text = line.trim_start_matches("dockgate: ");
        let text = text.trim_start_matches("warning: ");
        let text = text.trim_start_matches("note: ");
        [
            code(environment),
            code(shortened(text)),
            meaning.to_string(),
        ]
    });
    table(["environment", "message", "meaning"], rows)
}

/// The first words of a long line.
fn shortened(text: &str) -> String {
    const LONG: usize = 130;
    match text.char_indices().nth(LONG) {
        Some((at, _)) => match text[..at].rsplit_once(' ') {
            Some((words, _)) => format!("{words} …"),
            None => format!("{} …", &text[..at]),
        },
        None => text.to_owned(),
    }
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
        text if text.contains('`') => format!("`` {text} ``"),
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

#[test]
fn the_engines_of_the_readme_can_be_used() {
    let readme = fs::read_to_string(README).expect("a README");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/engines.yml");
    let text = fs::read_to_string(path).expect("an example");
    let example: String = (text.split_inclusive('\n'))
        .skip_while(|line| line.starts_with('#'))
        .collect();
    assert!(readme.contains(&format!("```yaml\n{example}```\n")));
    let folder = tempfile::tempdir().expect("a folder");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let key = key.serialize_pem();
    for (name, text) in [("ca", &certificate), ("cert", &certificate), ("key", &key)] {
        fs::write(folder.path().join(format!("{name}.pem")), text).expect("written");
    }
    let certs = folder.path().to_str().expect("a plain path");
    let text = text.replace("/certs", certs);
    let settings = Settings::load(&Snapshot::from_iter([("CONFIG_DATA", text.as_str())]));
    let settings = settings.expect("it starts");
    assert_eq!(settings.warnings, []);
    let used: Vec<String> = settings.engines().iter().map(ToString::to_string).collect();
    assert_eq!(
        used,
        [
            "the engine default",
            "the engine nas",
            "the engine rootless"
        ]
    );
}

/// The example of several policies can be copied from either place.
#[test]
fn the_example_of_several_policies_is_in_the_readme() {
    let readme = fs::read_to_string(README).expect("a README");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/dockgate.yml");
    let example = fs::read_to_string(path).expect("an example");
    let example: String = (example.split_inclusive('\n'))
        .skip_while(|line| line.starts_with('#'))
        .collect();
    assert!(readme.contains(&format!("```yaml\n{example}```\n")));
}

/// Pieces of messages that the README quotes in its text, where no example can show them.
const QUOTED: &[&str] = &[
    "the first path segment is not an API version like v1.41",
    "the path has two API versions",
    "is not accessible to this user",
    "does not exist",
    "refuses connections",
    "this endpoint does not use TLS: use http:// or tcp:// without TLS",
    "closed the connection without responding",
    "cannot be connected to by TLS: ",
    "it does not speak TLS there",
    "this endpoint uses TLS",
    "HTTP/2 is not supported",
    "cannot listen on",
    "IPv6 is not available",
    "MAX_CONNECTIONS is reached",
    "is not allowed: set ",
    "allowed by ",
    "would deny:",
    "unsent:",
    "failed:",
    "ended early",
    "the request body ended early",
    "the engine got the request",
    "#cut",
    "with a query",
];

#[test]
fn what_the_readme_quotes_is_what_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(README).expect("a README");
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
    let (mut sources, mut next) = (String::new(), vec![root.join("src")]);
    while let Some(path) = next.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).expect("a folder");
            next.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            sources += &fs::read_to_string(path).expect("a source file");
        }
    }
    // A string that goes on in the next line goes on where that begins.
    let lines: Vec<&str> = sources.lines().map(str::trim_start).collect();
    let sources = lines.join("\n").replace("\\\n", "");
    for piece in QUOTED {
        assert!(readme.contains(piece), "no longer quoted: {piece}");
        assert!(
            sources.contains(piece),
            "README.md quotes {piece:?}, and nothing in src/ says so"
        );
    }
}

#[test]
fn the_map_has_every_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("a map");
    let ignored = fs::read_to_string(root.join(".gitignore")).expect("what git ignores");
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut folders = folders(root, "");
    folders.retain(|name| !name.starts_with('.') && !ignored.contains(&name.as_str()));
    let mut next = vec!["src".to_owned()];
    while let Some(name) = next.pop() {
        let mut inner = self::folders(root, &format!("{name}/"));
        // The tests of a file, beside it, are not a folder to find one's way by.
        inner.retain(|name| {
            let mut entries = fs::read_dir(root.join(name)).expect("a folder");
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "tests.rs"))
        });
        next.extend(inner.iter().cloned());
        folders.extend(inner);
    }
    for folder in folders {
        assert!(
            map.contains(&format!("\n| `{folder}/` |")),
            "CONTRIBUTING.md's map has no row for `{folder}/`"
        );
    }
}

/// The folders in a folder, by their paths from the root.
fn folders(root: &Path, within: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join(within)).expect("a folder");
    let entries = entries.map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders
        .map(|entry| format!("{within}{}", entry.file_name().to_string_lossy()))
        .collect()
}
