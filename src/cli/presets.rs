//! `dockgate presets`: the list, and one preset as each dialect would write it.

use std::collections::BTreeSet;

use clap::{Arg, ArgMatches, Command};

use super::WRONG_USAGE;
use super::output::{aligned, complain, line, print};
use super::usage::Suggesting;
use crate::api::sections::{ACTIONS, Route, SECTIONS};
use crate::config::{PRESETS, Piece, Preset, REACH, Snapshot, UnderDenyRoot, patterns};
use crate::learn::Ways;
use crate::policy::{Alternative, Body, printable};

/// The term that a preset may set.
const DENY_ROOT: &str = "DENY_ROOT";

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
                complain(&format_args!("unknown preset {}; {help}", printable(name)));
                return WRONG_USAGE;
            }
        },
    };
    print(&text)
}

/// All presets, one per line.
fn list() -> String {
    let rows = PRESETS
        .iter()
        .map(|preset| [preset.name, preset.doc].map(str::to_owned));
    aligned(&rows.collect::<Vec<_>>())
}

/// What a preset allows, and other ways to write it.
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
        let routes = Route::list(piece.routes());
        let rule = match limits.as_str() {
            "" => routes,
            limits => format!("{routes} {limits}"),
        };
        [format!("  {}", piece.name()), rule]
    });
    text.push_str(&aligned(&rows.collect::<Vec<_>>()));
    if let Some(under) = &preset.deny_root {
        under_deny_root(&mut text, under);
    }
    for option in preset.options {
        let variables = Piece::named(option.grants).map(|piece| format!("{}=1", piece.variable()));
        let variables = variables.collect::<Vec<_>>().join(" ");
        line(
            &mut text,
            format_args!(
                "\nNot included: {}. To allow this, add\n  {variables}",
                option.doc
            ),
        );
    }
    let term = preset.sets_deny_root().then_some((DENY_ROOT, true));
    text.push_str("\nThe same as actions:\n");
    variables(&mut text, exact(preset).into_iter().chain(term));
    let ways = Ways::of_table();
    let nearest = nearest(preset, &ways);
    let (nearest, wider) = (with_defaults(&nearest), wider(preset, &nearest, &ways));
    text.push_str("\nThe closest section variables:\n");
    variables(&mut text, nearest.into_iter().chain(term));
    if !wider.is_empty() {
        line(
            &mut text,
            format_args!("  which also allow {}", wider.join(" ")),
        );
    }
    text.push_str("\nAs regexes:\n");
    for (name, value) in REACH {
        line(&mut text, format_args!("      {name}: '{value}'"));
    }
    for (method, pattern) in patterns(preset.pieces().flat_map(Piece::routes)) {
        line(
            &mut text,
            format_args!("      SP_ALLOW_{method}: '{pattern}'"),
        );
    }
    if term.is_some() {
        line(&mut text, format_args!("      {DENY_ROOT}: '1'"));
    }
    line(
        &mut text,
        "  replace 0.0.0.0/0 with the client's name or network",
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
            format_args!("  regexes do not check the conditions of {limited}"),
        );
    }
    text
}

/// What `DENY_ROOT` makes of it.
fn under_deny_root(text: &mut String, under: &UnderDenyRoot) {
    let which = match under.set {
        true => ", which this preset sets",
        false => "",
    };
    let mut list = |what, items: &[&str]| {
        line(
            text,
            format_args!(
                "\n{what} with {DENY_ROOT}=1{which}:\n  {}",
                items.join("\n  ")
            ),
        );
    };
    list("Works", under.allowed);
    list("Refused", under.refused);
    let lines = under.allowed.iter().chain(under.refused);
    if lines.clone().any(|line| line.contains(" reach")) {
        line(
            text,
            "\nA container has reach if it gets at something outside itself, such as a directory of the host.",
        );
    }
}

fn variables<'a>(text: &mut String, variables: impl Iterator<Item = (&'a str, bool)>) {
    for (name, on) in variables {
        line(text, format_args!("      {name}: {}", u8::from(on)));
    }
}

/// The equivalent variables, except for what is unconditional.
fn exact(preset: &Preset) -> Vec<(&'static str, bool)> {
    with_defaults(&preset.pieces().map(Piece::variable).collect())
}

/// These variables at 1, and every other variable with default 1 at 0.
fn with_defaults<'a>(names: &BTreeSet<&'a str>) -> Vec<(&'a str, bool)> {
    let defaults = SECTIONS.iter().filter(|section| section.default);
    let defaults = defaults.map(|section| section.name);
    let off = defaults
        .filter(|name| !names.contains(name))
        .map(|name| (name, false));
    names.iter().map(|name| (*name, true)).chain(off).collect()
}

/// The fewest section variables that allow all of it.
fn nearest<'a>(preset: &Preset, ways: &'a Ways) -> BTreeSet<&'a str> {
    let routes = preset.pieces().flat_map(Piece::routes);
    let by_section = routes.filter_map(|route| {
        let mut ways = allowing(route, ways).iter();
        ways.find(|way| !way.variables().any(is_action))
    });
    by_section.flat_map(Alternative::variables).collect()
}

/// What these variables allow at least in part, and the preset does not.
fn wider(preset: &Preset, names: &BTreeSet<&str>, ways: &Ways) -> Vec<&'static str> {
    let sections = SECTIONS.iter().filter(|section| !section.routes.is_empty());
    let pieces = sections
        .map(Piece::Section)
        .chain(ACTIONS.iter().map(Piece::Action));
    let own: Vec<&Route> = preset.pieces().flat_map(Piece::routes).collect();
    let is_more = |route: &Route| {
        let is_own = own.iter().any(|own| own.text == route.text);
        let mut ways = allowing(route, ways).iter();
        !is_own && ways.any(|way| way.variables().all(|one| names.contains(one)))
    };
    let more = pieces.filter(|piece| piece.routes().iter().any(is_more));
    more.map(Piece::name).collect()
}

/// The sets of variables that allow a request of a route, with any body.
fn allowing<'a>(route: &Route, ways: &'a Ways) -> &'a [Alternative] {
    match route.sample() {
        Some(target) => ways.that_allow(&target, Body::Other),
        None => &[],
    }
}

fn is_action(variable: &str) -> bool {
    ACTIONS.iter().any(|action| action.allow == variable)
}
