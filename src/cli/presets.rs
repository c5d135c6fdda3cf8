//! `dockgate presets`: the list, and one preset in the words of each dialect.

use std::collections::BTreeSet;

use clap::{Arg, ArgMatches, Command};

use super::{
    WRONG_USAGE,
    output::{aligned, complain, line, print},
    usage::Suggesting,
};
use crate::{
    api::sections::{ACTIONS, REQUIREMENTS, Route, SECTIONS},
    config::{PRESETS, Piece, Preset, REACH, Settings, Snapshot, patterns},
    policy::{Body, Verdict, printable},
};

pub(super) fn command() -> Command {
    let names = std::array::from_fn::<_, { PRESETS.len() }, _>(|at| PRESETS[at].name);
    let name = Arg::new("name")
        .value_name("NAME")
        .help("A preset to show as rules, variables and regexes")
        .value_parser(Suggesting(names))
        .hide_possible_values(true);
    Command::new("presets")
        .about("List the presets, or show one of them")
        .arg(name)
        .after_help("Examples:\n  dockgate presets\n  dockgate presets traefik")
}

pub(super) fn run(matches: &ArgMatches, _: &Snapshot) -> u8 {
    let name = matches.get_one::<String>("name").map(String::as_str);
    let text = match name {
        None => list(),
        Some(name) => match Preset::find(name) {
            Some(preset) => show(preset),
            None => {
                let help = Preset::meant_by(name);
                complain(&format_args!(
                    "no preset is called {}; {help}",
                    printable(name)
                ));
                return WRONG_USAGE;
            }
        },
    };
    print(&text)
}

/// All presets, a line each.
fn list() -> String {
    let rows = PRESETS
        .iter()
        .map(|preset| [preset.name, preset.doc].map(str::to_owned));
    aligned(&rows.collect::<Vec<_>>())
}

/// What a preset allows, and how else that could be written.
fn show(preset: &Preset) -> String {
    let Preset {
        name, doc, about, ..
    } = preset;
    let mut text = format!("{name}: {doc}\n\n{about}\n\nAs a preset:\n      PRESET: {name}\n");
    text.push_str("\nIts rules:\n");
    let rows = preset.pieces().map(|piece| {
        let limits = match piece {
            Piece::Action(action) if preset.unconditional.contains(&action.name) => String::new(),
            Piece::Action(action) => action.limits(),
            Piece::Section(_) => String::new(),
        };
        [
            format!("  {}", piece.name()),
            Route::list(piece.routes()),
            limits,
        ]
    });
    text.push_str(&aligned(&rows.collect::<Vec<_>>()));
    for option in preset.options {
        let variables = Piece::named(option.grants).map(|piece| format!("{}=1", piece.variable()));
        let variables = variables.collect::<Vec<_>>().join(" ");
        line(
            &mut text,
            format_args!("\nNot in it: {}. For that add\n  {variables}", option.doc),
        );
    }
    text.push_str("\nIn actions, the same:\n");
    variables(&mut text, &exact(preset));
    let nearest = nearest(preset);
    let (nearest, wider) = (with_defaults(&nearest), wider(preset, &nearest));
    text.push_str("\nIn section variables, the nearest:\n");
    variables(&mut text, &nearest);
    if !wider.is_empty() {
        line(
            &mut text,
            format_args!("  which also allow {}", wider.join(" ")),
        );
    }
    text.push_str("\nIn regexes:\n");
    for (name, value) in REACH {
        line(&mut text, format_args!("      {name}: '{value}'"));
    }
    for (method, pattern) in patterns(preset.pieces().flat_map(Piece::routes)) {
        line(
            &mut text,
            format_args!("      SP_ALLOW_{method}: '{pattern}'"),
        );
    }
    line(
        &mut text,
        "  where better than 0.0.0.0/0 is the client's name or network",
    );
    let limited = preset.pieces().filter_map(|piece| match piece {
        Piece::Action(action) if preset.unconditional.contains(&action.name) => None,
        Piece::Action(action) if !action.limits().is_empty() => {
            Some(format!("{} ({})", action.name, action.limits()))
        }
        _ => None,
    });
    let limited: Vec<String> = limited.collect();
    if !limited.is_empty() {
        let limited = limited.join(", ");
        line(
            &mut text,
            format_args!("  which do not look for what these demand: {limited}"),
        );
    }
    text
}

fn variables(text: &mut String, variables: &[(&str, bool)]) {
    for (name, on) in variables {
        line(text, format_args!("      {name}: {}", u8::from(*on)));
    }
}

/// The variables that say exactly the same, but for what is unconditional.
fn exact(preset: &Preset) -> Vec<(&'static str, bool)> {
    with_defaults(&preset.pieces().map(Piece::variable).collect())
}

/// These set to 1, and every other one to 0 that would be 1 by itself.
fn with_defaults(names: &BTreeSet<&'static str>) -> Vec<(&'static str, bool)> {
    let defaults = SECTIONS.iter().filter(|section| section.default);
    let defaults = defaults.map(|section| section.name);
    let off = defaults
        .filter(|name| !names.contains(name))
        .map(|name| (name, false));
    names.iter().map(|name| (*name, true)).chain(off).collect()
}

/// The fewest section variables that allow all of it.
fn nearest(preset: &Preset) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for route in preset.pieces().flat_map(Piece::routes) {
        let path = route.text.split_once(' ').map_or("", |(_, path)| path);
        let below = |prefix: &&&str| {
            let rest = path.strip_prefix(**prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let own = SECTIONS
            .iter()
            .find(|section| section.paths.iter().any(|one| below(&one)));
        names.extend(own.map(|section| section.name));
    }
    let lacks = |names: &BTreeSet<&'static str>| {
        let settings = settings(names);
        preset.pieces().any(|piece| !allows(&settings, piece))
    };
    if lacks(&names) {
        names.insert("POST");
    }
    for requirement in REQUIREMENTS {
        if names.contains(requirement.section) && lacks(&names) {
            names.insert(requirement.also);
        }
    }
    names
}

/// What these variables allow in whole or in part, and the preset does not.
fn wider(preset: &Preset, names: &BTreeSet<&'static str>) -> Vec<&'static str> {
    let settings = settings(names);
    let sections = SECTIONS.iter().filter(|section| !section.routes.is_empty());
    let pieces = sections
        .map(Piece::Section)
        .chain(ACTIONS.iter().map(Piece::Action));
    let own: Vec<&Route> = preset.pieces().flat_map(Piece::routes).collect();
    let more = pieces.filter(|piece| {
        let mut routes = piece.routes().iter();
        routes
            .any(|route| !own.iter().any(|own| own.text == route.text) && allowed(&settings, route))
    });
    more.map(Piece::name).collect()
}

fn settings(names: &BTreeSet<&'static str>) -> Option<Settings> {
    let variables = with_defaults(names).into_iter();
    let snapshot: Snapshot = variables
        .map(|(name, on)| (name, u8::from(on).to_string()))
        .collect();
    Settings::load(&snapshot).ok()
}

fn allows(settings: &Option<Settings>, piece: Piece) -> bool {
    piece.routes().iter().all(|route| allowed(settings, route))
}

fn allowed(settings: &Option<Settings>, route: &Route) -> bool {
    match (settings, route.sample()) {
        (Some(settings), Some(target)) => {
            matches!(
                settings.policy.decide(target, Body::Other),
                Verdict::Allow(_)
            )
        }
        _ => false,
    }
}
