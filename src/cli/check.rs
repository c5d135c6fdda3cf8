//! `dockgate check`: the effective policy.

use clap::{ArgMatches, Command};

use super::output::{aligned, line, print};
use super::with_settings;
use crate::api::sections::{ACTIONS, REQUIREMENTS, Route, SECTIONS};
use crate::config::{PatternLine, Settings, Snapshot, shown_path};
use crate::policy::printable;

pub(super) fn command() -> Command {
    Command::new("check")
        .about("Check the configuration and show the effective policy")
        .after_help(
            "Exit codes:\n  \
             0   valid configuration\n  \
             78  invalid configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 ALLOW_START=1 dockgate check\n  \
             docker exec dockgate /dockgate check",
        )
}

pub(super) fn run(_: &ArgMatches, environment: &Snapshot) -> u8 {
    with_settings(environment, |settings| print(&table(settings)))
}

/// What `check` prints.
fn table(settings: &Settings) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let sources = &settings.policy.sources;
    let grants = &sources.grants;
    let from = |variable: &str| match grants.switch(variable).and_then(|one| one.value.as_deref()) {
        Some(value) => format!("{variable}={}", printable(value)),
        None => "default".to_owned(),
    };
    let post = grants.on("POST");
    let mut rows = vec![["SECTION", "READS", "WRITES", "FROM"].map(str::to_owned)];
    for section in SECTIONS {
        let on = grants.on(section.name);
        let and_post = if on && post {
            ", ".to_owned() + &from("POST")
        } else {
            String::new()
        };
        rows.push([
            section.name.to_owned(),
            yes_no(on).to_owned(),
            yes_no(on && post).to_owned(),
            from(section.name) + &and_post,
        ]);
    }
    let sections = aligned(&rows);
    let mut rows = vec![["ACTION", "EFFECT", "FROM", "ROUTES"].map(str::to_owned)];
    for action in ACTIONS {
        let set = |variable| {
            grants
                .switch(variable)
                .is_some_and(|one| one.value.is_some())
        };
        let mut row = |variable: &str, effect: String, routes: String| {
            rows.push([variable.to_owned(), effect, from(variable), routes]);
        };
        if set(action.allow) {
            let besides = settings.policy.granted_besides(action);
            let effect = match (grants.on(action.allow), grants.on(action.deny)) {
                (_, true) => "denied".to_owned(),
                (true, false) => "allow".to_owned(),
                (false, false) if besides.is_empty() => "none".to_owned(),
                (false, false) => format!("allowed by {}", besides.join(", ")),
            };
            row(action.allow, effect, Route::list(action.routes));
        }
        if set(action.deny) {
            let effect = if grants.on(action.deny) {
                "deny"
            } else {
                "not denied"
            };
            row(action.deny, effect.to_owned(), Route::list(action.denied()));
        }
    }
    let mut text = String::new();
    if grants.active {
        text.push_str(&format!("{sections}\n"));
    }
    let (set, all) = (rows.len() - 1, 2 * ACTIONS.len());
    if set > 0 {
        text.push_str(&aligned(&rows));
    }
    if set > 0 || grants.active {
        line(
            &mut text,
            format_args!("{set} of {all} action variables are set\n"),
        );
    }
    for lines in [&sources.regexes.lines, &sources.profile.lines] {
        if !lines.is_empty() {
            text.push_str(&patterns(lines));
            text.push('\n');
        }
    }
    for preset in sources.presets_granted() {
        line(&mut text, format_args!("{preset}\n"));
    }
    let mut rows = vec![["DIALECT", "ACTIVE", "CONTRIBUTES"].map(str::to_owned)];
    for (dialect, active, contributes) in sources.dialects() {
        rows.push([dialect.to_owned(), yes_no(active).to_owned(), contributes]);
    }
    text.push_str(&aligned(&rows));
    text.push('\n');
    for one in REQUIREMENTS
        .iter()
        .filter(|one| grants.on(one.section) && !grants.on(one.also))
    {
        let (section, also, routes) = (one.section, one.also, Route::list(one.routes));
        line(
            &mut text,
            format_args!("{section} does not allow {routes} without {also}=1"),
        );
    }
    let listen: Vec<String> = settings
        .endpoints
        .iter()
        .map(|endpoint| endpoint.listen.to_string())
        .collect();
    line(&mut text, format_args!("listens on {}", listen.join(" ")));
    if let Some(list) = &settings.clients {
        let from = printable(&list.text);
        line(&mut text, format_args!("accepts TCP clients from {from}"));
    }
    line(
        &mut text,
        format_args!("forwards to the engine at {}", shown_path(&settings.engine)),
    );
    for note in settings.notes() {
        line(&mut text, note);
    }
    for diagnostic in &settings.warnings {
        let severity = diagnostic.severity;
        line(&mut text, format_args!("{severity}: {diagnostic}"));
    }
    for warning in settings
        .policy
        .root_on_host()
        .into_iter()
        .chain(sources.unprotected.map(|why| why.to_string()))
    {
        line(&mut text, format_args!("warning: {warning}"));
    }
    text
}

/// Patterns as they are written, to be copied from there.
fn patterns(lines: &[PatternLine]) -> String {
    let mut rows = vec![["FROM", "METHODS", "PATTERN"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let PatternLine {
            origin,
            methods,
            pattern,
            ..
        } = line;
        [origin, methods, pattern].map(|text| visible(text))
    }));
    aligned(&rows)
}

/// A pattern on one line: what would not be seen there is escaped as every regex takes it.
fn visible(pattern: &str) -> String {
    let start = pattern.len() - pattern.trim_start_matches(' ').len();
    let end = start + pattern.trim_matches(' ').len();
    let mut text = String::with_capacity(pattern.len());
    for (at, c) in pattern.char_indices() {
        if c.is_control() || at < start || at >= end {
            text.push_str(&format!("\\x{{{:02x}}}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}
