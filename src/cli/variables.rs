//! The variables, as `dockgate --help` and the manual page list them.

use super::output::{line, wrapped};
use crate::api::sections::{ACTIONS, SECTIONS};
use crate::config::{Dialect, Setting};

const ABOUT: &str = "\
dockgate is configured by environment variables, listed here with their
defaults. Names are upper case. The value 1 grants; 0 does not, nor does a word
such as true. An empty section or action counts as 0, an empty setting as unset.
'dockgate check' shows how the variables are read, and the answer to a denied
request names the variables that would allow it. Wrong usage exits with 2.
";

type Rows = Vec<[String; 2]>;

pub(super) fn text() -> String {
    let groups: [(&str, Rows); 11] = [
        (
            "Sections (GET and HEAD; with POST=1 every method)",
            sections(),
        ),
        (
            "Actions (ALLOW_x=1 allows one without its section and POST; DENY_x=1 denies it)",
            ACTIONS
                .iter()
                .map(|action| row(action.name, action.doc))
                .collect(),
        ),
        (
            "Presets (what a program needs, and nothing more)",
            vec![row(
                "PRESET=",
                "Comma-separated list; 'dockgate presets' lists the names",
            )],
        ),
        ("Settings", settings(Dialect::Sections)),
        (
            "Limits (lists of what may be asked for; each holds once it is set)",
            settings(Dialect::Limits),
        ),
        (
            "Regex allowlists (match the whole path with its version, but not the query)",
            vec![
                row(
                    "SP_ALLOW_GET=, SP_ALLOW_POST_2=",
                    "Allow GET or POST on paths that match a pattern",
                ),
                row(
                    "-allowGET=, -allowPOST=",
                    "The same as flags, which can be repeated",
                ),
            ],
        ),
        (
            "Rules in CEL (judge what is allowed otherwise)",
            vec![
                row(
                    "RULE_x=",
                    "EXPRESSION or EXPRESSION : \"TEXT FOR CLIENTS\"; must be true",
                ),
                row(
                    "RULE_x_ON=",
                    "Comma-separated list of METHOD /path; the default is every request",
                ),
            ],
        ),
        (
            "Profile files (lines of METHOD-regex URL-regex, which match the whole URL)",
            settings(Dialect::Knrdl),
        ),
        (
            "Settings of regex allowlists (variables or flags, such as -listenip=0.0.0.0)",
            settings(Dialect::Wollomatic),
        ),
        (
            "Settings of mikesir87/docker-socket-proxy",
            settings(Dialect::Mikesir87),
        ),
        (
            "Settings of hectorm/cetusguard (variables or flags, such as -log-level=7)",
            settings(Dialect::Cetusguard),
        ),
    ];
    let mut text = ABOUT.to_owned();
    for (title, rows) in groups {
        line(&mut text, format_args!("\n{title}:"));
        text.push_str(&wrapped(&rows));
    }
    text
}

fn sections() -> Rows {
    let rows = SECTIONS.iter().map(|section| {
        let path = section.paths.join(" ");
        let name = format!("{}={}", section.name, u8::from(section.default));
        // Nearly all are named after their path.
        if path == format!("/{}", section.name.to_lowercase()) {
            row(&name, section.doc)
        } else {
            row(&name, &format!("{} ({path})", section.doc))
        }
    });
    rows.collect()
}

fn settings(dialect: Dialect) -> Rows {
    let name = |setting: &Setting| format!("{}={}", setting.name, setting.default);
    Setting::of(dialect)
        .map(|setting| row(&name(setting), setting.doc))
        .collect()
}

fn row(name: &str, doc: &str) -> [String; 2] {
    [format!("  {name}"), doc.to_owned()]
}
