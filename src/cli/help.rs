//! `dockgate help` and `dockgate version`.

use super::output::{aligned, line};
use crate::{
    api::sections::{ACTIONS, SECTIONS},
    config::{Dialect, Setting},
};

pub(super) fn text() -> String {
    let mut text = concat!(
        "dockgate ", env!("CARGO_PKG_VERSION"), "\n",
        "Stands before the Docker Engine's socket and lets through only what its environment grants.\n",
        "\n",
        "dockgate [serve]              guard the engine\n",
        "dockgate check                show the effective policy; exit 0, or 78 with every mistake\n",
        "dockgate explain METHOD PATH  is that allowed without a body, or what would grant it; exit 0 or 1\n",
        "dockgate presets [NAME]       list the presets, or show one as rules, variables and regexes\n",
        "dockgate learn FILE...        the smallest grants for what its logs hold (-: stdin)\n",
        "dockgate healthcheck          do dockgate and the engine answer; exit 0 or 1\n",
        "dockgate version              print the version (-V, --version)\n",
        "dockgate help                 print this (-h, --help)\n",
        "\n",
        "It is configured by environment variables, shown here with their defaults. Names are upper\n",
        "case. 1 grants; 0 does not, nor does a word like true. `check` shows how they were read,\n",
        "and a denied client is told what would grant its request. An empty section or action is 0;\n",
        "an empty setting is as if it were not set. Wrong usage exits 2.\n",
    )
    .to_owned();
    let mut group = |title: &str, rows: Vec<[String; 2]>| {
        line(&mut text, format_args!("\n{title}"));
        text.push_str(&aligned(&rows));
    };
    let sections = SECTIONS.iter().map(|section| {
        let path = section.paths.join(" ");
        // Nearly all are called as their path is.
        let doc = if path == format!("/{}", section.name.to_lowercase()) {
            section.doc.to_owned()
        } else {
            format!("{} ({path})", section.doc)
        };
        [
            format!("  {}={}", section.name, u8::from(section.default)),
            doc,
        ]
    });
    group(
        "Sections: GET and HEAD, and with POST=1 every method",
        sections.collect(),
    );
    let actions = ACTIONS
        .iter()
        .map(|action| [format!("  {}", action.name), action.doc.to_owned()]);
    group(
        "Actions: ALLOW_x=1 grants one without its section and without POST, DENY_x=1 takes it away",
        actions.collect(),
    );
    group(
        "Presets: what a program needs, and nothing else",
        vec![["  PRESET=", "A comma list; `dockgate presets` lists them"].map(str::to_owned)],
    );
    let settings = Setting::of(Dialect::Sections).map(|variable| {
        [
            format!("  {}={}", variable.name, variable.default),
            variable.doc.to_owned(),
        ]
    });
    group("Settings", settings.collect());
    let patterns = [
        [
            "  SP_ALLOW_GET=, SP_ALLOW_POST_2=",
            "GET or POST on the paths that match a pattern",
        ],
        [
            "  -allowGET=, -allowPOST=",
            "The same as flags, which may be repeated",
        ],
    ];
    group(
        "Regex allowlists: whole paths with their version, without the query",
        patterns.map(|row| row.map(str::to_owned)).to_vec(),
    );
    let profile = Setting::of(Dialect::Knrdl).map(|variable| {
        let name = format!("  {}={}", variable.name, variable.default);
        [name, variable.doc.to_owned()]
    });
    group(
        "Profile files: lines of METHOD-regex URL-regex, whole targets as sent",
        profile.collect(),
    );
    let flags = Setting::of(Dialect::Wollomatic).map(|flag| {
        let name = format!("  {}={}", flag.name, flag.default);
        [name, flag.doc.to_owned()]
    });
    group(
        "Settings that go with SP_ALLOW_GET, as variables or as flags (-listenip=0.0.0.0, -logjson)",
        flags.collect(),
    );
    group(
        "For example",
        [
            "CONTAINERS=1 NETWORKS=1 dockgate",
            "CONTAINERS=1 dockgate explain POST /containers/create",
        ]
        .map(|example| [format!("  {example}"), String::new()])
        .to_vec(),
    );
    text
}

pub(super) fn version() -> &'static str {
    concat!("dockgate ", env!("CARGO_PKG_VERSION"), "\n")
}
