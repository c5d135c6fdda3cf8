//! Presets: the minimum that a known program needs.
//!
//! `PRESET` is a comma-separated list whose grants add up. A preset consists of actions, each with
//! its conditions, and of sections with a single read-only route. `build/` checks the files in
//! `presets/` and generates a static table from them.

use super::Source;
use super::sections::rules::conditions;
use crate::api::sections::{self, ACTIONS, Action, SECTIONS, Section};
use crate::config::near::near;
use crate::config::{Diagnostic, Snapshot};
use crate::policy::{Condition, Effect, Matcher, Rule, printable};

include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// The variable that names presets.
pub(crate) const PRESET: &str = "PRESET";

/// Rules for a program.
#[derive(Debug)]
pub struct Preset {
    /// Its name: `traefik`.
    pub name: &'static str,
    /// The program, in one line.
    pub doc: &'static str,
    /// What the program calls, and since when.
    pub about: &'static str,
    /// What it allows: actions, and sections that have none.
    pub grants: &'static [&'static str],
    /// The actions among them that are granted without their conditions.
    pub unconditional: &'static [&'static str],
    /// What only some uses of the program need; the preset does not allow it.
    pub options: &'static [PresetOption],
    /// What the program can do under `DENY_ROOT`, if it does what that variable judges.
    pub deny_root: Option<UnderDenyRoot>,
}

/// What a program can do under `DENY_ROOT`.
#[derive(Debug)]
pub struct UnderDenyRoot {
    /// Whether the preset sets the variable, where its user does not.
    pub set: bool,
    /// What works.
    pub allowed: &'static [&'static str],
    /// What does not.
    pub refused: &'static [&'static str],
}

/// What only some uses of a program need.
#[derive(Debug)]
pub struct PresetOption {
    /// The use.
    pub doc: &'static str,
    /// What it needs: actions, and sections that have none.
    pub grants: &'static [&'static str],
}

/// A part of a preset.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// An action.
    Action(&'static Action),
    /// A section with a single read-only route.
    Section(&'static Section),
}

impl Piece {
    /// The pieces of these names.
    pub fn named(names: &'static [&'static str]) -> impl Iterator<Item = Piece> {
        let action = |name: &str| ACTIONS.iter().find(|action| action.name == name);
        let section = |name: &str| SECTIONS.iter().find(|section| section.name == name);
        // build/ has checked that each exists. If both do, the action is the narrower one.
        names.iter().filter_map(move |name| match action(name) {
            Some(action) => Some(Piece::Action(action)),
            None => section(name).map(Piece::Section),
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Piece::Action(action) => action.name,
            Piece::Section(section) => section.name,
        }
    }

    /// The variable that grants the same.
    pub fn variable(self) -> &'static str {
        match self {
            Piece::Action(action) => action.allow,
            Piece::Section(section) => section.name,
        }
    }

    /// Its routes.
    pub fn routes(self) -> &'static [sections::Route] {
        match self {
            Piece::Action(action) => action.routes,
            Piece::Section(section) => section.routes,
        }
    }
}

impl Preset {
    /// The preset of that name.
    pub fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Suggests the nearest preset, if one is near, and where to find all of them.
    pub fn meant_by(name: &str) -> String {
        match near(name, PRESETS.iter().map(|preset| preset.name)) {
            Some(near) => format!("did you mean {near}? `dockgate presets` lists all"),
            None => "`dockgate presets` lists all".to_owned(),
        }
    }

    /// Whether it sets `DENY_ROOT`, where its user does not.
    pub fn sets_deny_root(&self) -> bool {
        self.deny_root.as_ref().is_some_and(|under| under.set)
    }

    /// Its pieces.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        Piece::named(self.grants)
    }

    /// The conditions on a request for one of its pieces.
    fn conditions(&self, piece: Piece) -> Vec<Condition> {
        match piece {
            Piece::Action(action) if !self.unconditional.contains(&action.name) => {
                conditions(action)
            }
            _ => Vec::new(),
        }
    }

    /// The rules that it is lowered to: one for everything without conditions, and one for each
    /// piece with conditions.
    pub(crate) fn rules(&self, origin: &str) -> Vec<Rule> {
        let rule = |when, pieces: &[Piece]| Rule {
            origin: origin.into(),
            effect: Effect::Allow,
            matchers: (pieces.iter().flat_map(|piece| piece.routes()))
                .map(Matcher::narrow)
                .collect(),
            when,
            missing: Vec::new(),
            requirements: Vec::new(),
        };
        let (plain, limited): (Vec<Piece>, Vec<Piece>) =
            (self.pieces()).partition(|piece| self.conditions(*piece).is_empty());
        let limited = limited
            .iter()
            .map(|piece| rule(self.conditions(*piece), &[*piece]));
        limited.chain([rule(Vec::new(), &plain)]).collect()
    }
}

/// The chosen presets.
#[derive(Debug, Default)]
pub struct Presets {
    /// Whether the variable is set, even if it is empty.
    pub active: bool,
    /// Each of them once.
    pub chosen: Vec<&'static Preset>,
}

impl Presets {
    /// Reads the variable.
    pub(crate) fn read(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> Presets {
        let Some(value) = snapshot.get(PRESET) else {
            return Presets::default();
        };
        let mut chosen: Vec<&Preset> = Vec::new();
        let value = value.to_string_lossy();
        if value.is_empty() {
            let problem = format!("{PRESET} is empty and allows nothing");
            let help = "name a preset or remove it";
            diagnostics.push(Diagnostic::warning(PRESET, problem, help));
        }
        let items = value.split(',').map(str::trim);
        for name in items.filter(|_| !value.is_empty()) {
            match Preset::find(name) {
                Some(preset) if chosen.iter().any(|one| one.name == preset.name) => {}
                Some(preset) => chosen.push(preset),
                None => {
                    let problem = match name {
                        "" => format!("{PRESET} contains an empty item"),
                        _ => format!(
                            "{PRESET} contains {}, which is not a preset",
                            printable(name)
                        ),
                    };
                    diagnostics.push(Diagnostic::error(PRESET, problem, Preset::meant_by(name)));
                }
            }
        }
        Presets {
            active: true,
            chosen,
        }
    }
}

impl Source for Presets {
    fn name(&self) -> &'static str {
        "presets"
    }

    fn active(&self) -> bool {
        self.active
    }

    fn contributes(&self) -> Vec<String> {
        let presets = self.chosen.iter();
        presets.map(|preset| preset.name.to_owned()).collect()
    }

    fn rules(&self) -> Vec<Rule> {
        let rules = |preset: &&Preset| preset.rules(&format!("{PRESET}={}", preset.name));
        self.chosen.iter().flat_map(rules).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (Presets, Vec<String>) {
        let mut diagnostics = Vec::new();
        let presets = Presets::read(&[(PRESET, value)].into_iter().collect(), &mut diagnostics);
        let told = diagnostics.iter().map(ToString::to_string).collect();
        (presets, told)
    }

    #[test]
    fn a_list_adds_up() {
        for (value, expected) in [
            ("traefik", &["traefik"][..]),
            ("traefik,dozzle", &["traefik", "dozzle"]),
            (" traefik , dozzle,traefik", &["traefik", "dozzle"]),
        ] {
            let (presets, told) = read(value);
            let names: Vec<&str> = presets.chosen.iter().map(|preset| preset.name).collect();
            assert_eq!((names.as_slice(), told.len()), (expected, 0), "{value}");
        }
        let (presets, told) = read("");
        assert!(presets.active && presets.chosen.is_empty());
        assert_eq!(
            told,
            ["PRESET is empty and allows nothing; name a preset or remove it"]
        );
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        for (name, nearest) in [
            ("treafik", "traefik"),
            ("Traefik", "traefik"),
            ("docker", "docker-read"),
            ("swarm", "traefik-swarm"),
            ("watch-tower", "watchtower"),
            ("dozzle-action", "dozzle-actions"),
        ] {
            let told = format!(
                "PRESET contains {name}, which is not a preset; did you mean {nearest}? `dockgate presets` lists all"
            );
            assert_eq!(read(name).1, [told]);
        }
        for far in ["x", "docker-socket", "kubernetes", "ls"] {
            let told = format!(
                "PRESET contains {far}, which is not a preset; `dockgate presets` lists all"
            );
            assert_eq!(read(far).1, [told]);
        }
        assert_eq!(read("traefik,,dozle").1.len(), 2);
        assert!(
            read("a\nb").1[0].starts_with("PRESET contains \"a\\nb\", which is not a preset; ")
        );
    }
}
