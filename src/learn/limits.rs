//! What limits would have to list under `DENY_ROOT`, so that what was seen would pass.
//!
//! A policy that allows everything but what gives control says which requests depend on more than
//! their rules. What they want is kept up to a limit; values that are no entry of a limit are not.

use std::collections::{BTreeMap, BTreeSet};

use super::ways::compile;
use crate::api::query::pairs;
use crate::api::{Message, Method, Methods, Target};
use crate::body::inspection::Want;
use crate::body::limits::{Entry, Limits};
use crate::config::root_rules;
use crate::policy::{
    Effect, Inspection, Matcher, Obstacle, Passage, Pattern, Policy, Remedy, Rule, Verdict,
};

/// The most entries that are kept of each limit, and the longest.
const MOST_ENTRIES: usize = 256;
const LONGEST_ENTRY: usize = 256;
/// The most things that are kept of those that no limit lets pass.
const MOST_REFUSED: usize = 64;
/// So much is kept of one.
const LONGEST_REFUSED: usize = 160;

/// Limits that open nothing under `DENY_ROOT`. The lists of the others are needed only where something
/// would be refused otherwise, and then they have all that was seen.
const ONLY_RESTRICT: [&str; 2] = ["IMAGE_FROM", "PUBLISH"];

/// What is allowed without limits under `DENY_ROOT`.
#[derive(Debug)]
pub(super) struct Root(Policy);

/// What a request depends on besides its rules.
#[derive(Debug)]
pub(super) enum Depends {
    /// Nothing.
    Nothing,
    /// What `DENY_ROOT` judges.
    Terms(Inspection),
    /// `DENY_ROOT` refuses it.
    Refused(String),
}

impl Root {
    pub(super) fn of_table() -> Root {
        let all = Rule {
            origin: "all".into(),
            effect: Effect::Allow,
            matchers: vec![Matcher {
                methods: Methods::ALL,
                pattern: Pattern::below(""),
            }],
            when: Vec::new(),
            missing: Vec::new(),
            requirements: Vec::new(),
        };
        let rules: Vec<Rule> = root_rules().chain([all]).collect();
        Root(compile(&rules))
    }

    pub(super) fn depends(&self, target: &Target, message: &Message) -> Depends {
        match self.0.decide(target.clone(), message.clone()) {
            Verdict::Allow(permit) | Verdict::WouldDeny(permit, _) => match permit.passage() {
                Passage::Stream(_) => Depends::Nothing,
                Passage::Inspect(inspection) => Depends::Terms(inspection),
            },
            Verdict::Deny(denial) => Depends::Refused(why(denial.remedy())),
        }
    }
}

/// Why `DENY_ROOT` denies something: its origins say it in brackets.
fn why(remedy: &Remedy) -> String {
    let origins = remedy.obstacles().flat_map(|one| match one {
        Obstacle::Denied(origins) => origins.as_slice(),
        _ => &[],
    });
    let within = |text: &str| Some(text.split_once('(')?.1.strip_suffix(')')?.to_owned());
    let whys = origins.map(|origin| within(origin).unwrap_or_else(|| origin.to_string()));
    whys.collect::<Vec<String>>().join(", ")
}

/// What images a request brings, by its query.
pub(super) fn images(target: &Target) -> Vec<Want> {
    let entry = |text: &str| Entry {
        variable: "IMAGE_FROM",
        text: text.to_owned(),
    };
    let wanted = match (target.method(), target.path()) {
        (Some(Method::Post), b"/images/create") => {
            let all = pairs(target.query().unwrap_or_default()).unwrap_or_default();
            let value = |name: &str| {
                let mut own = all.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                own.next().map_or("", |(_, value)| value)
            };
            match value("fromImage") {
                "" => Some(entry("import")),
                image => Entry::of_pull(image, value("tag")),
            }
        }
        (Some(Method::Post), b"/images/load") => Some(entry("load")),
        // Its archive is not read.
        (Some(Method::Post), b"/build") => None,
        _ => return Vec::new(),
    };
    vec![match wanted {
        Some(entry) => Want::Entry(entry, false),
        None => Want::Unlisted("IMAGE_FROM"),
    }]
}

/// All that was wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Whether any request depended on more than rules.
    any: bool,
    /// Of each limit: its entries, and whether `DENY_ROOT` refuses what they allow otherwise.
    entries: BTreeMap<&'static str, BTreeMap<String, bool>>,
    /// What limits cannot list, and the requests that want it.
    unlisted: BTreeSet<(&'static str, String)>,
    /// What no limit lets pass, with the requests that want it.
    refused: BTreeSet<String>,
    /// What mutators refuse, with the requests.
    unedited: BTreeSet<String>,
    /// Whether there was more.
    left_out: bool,
}

impl Wanted {
    /// Remembers what a request wants: `POST /containers/create`.
    pub(super) fn add(&mut self, request: &str, wants: Vec<Want>) {
        let request = request.get(..LONGEST_ENTRY).unwrap_or(request);
        self.any = true;
        for want in wants {
            match want {
                Want::Entry(Entry { variable, text }, needed) => {
                    let entries = self.entries.entry(variable).or_default();
                    let has_room = entries.len() < MOST_ENTRIES && text.len() <= LONGEST_ENTRY;
                    match entries.get_mut(&text) {
                        Some(known) => *known |= needed,
                        None if has_room => drop(entries.insert(text, needed)),
                        None => self.left_out = true,
                    }
                }
                Want::Unlisted(variable) => {
                    self.unlisted.insert((variable, request.to_owned()));
                }
                Want::Refused(why) => {
                    let refused = &mut self.refused;
                    self.left_out |= !keep(refused, format!("{request}: {}", plain(&why)));
                }
                Want::Unedited(why) => {
                    let unedited = &mut self.unedited;
                    self.left_out |= !keep(unedited, format!("{request}: {}", plain(&why)));
                }
                Want::Unknown => self.left_out = true,
            }
        }
    }

    /// The entries without which `DENY_ROOT` would refuse something.
    pub(super) fn needed(&self) -> Vec<Entry> {
        let all = self.entries.iter().flat_map(|(variable, entries)| {
            let needed = entries.iter().filter(|(_, needed)| **needed);
            needed.map(|(text, _)| Entry {
                variable,
                text: text.clone(),
            })
        });
        all.collect()
    }

    /// The variables, and comments; nothing if no request depended on more than rules.
    pub(super) fn lines(&self, value: impl Fn(&str) -> String) -> Vec<String> {
        if !self.any {
            return Vec::new();
        }
        let mut lines = vec!["DENY_ROOT: 1".to_owned()];
        let mut comments = Vec::new();
        for (variable, entries) in &self.entries {
            if !ONLY_RESTRICT.contains(variable) && !entries.values().any(|needed| *needed) {
                continue;
            }
            let list = list(variable, entries.keys());
            match Limits::read(true, |name| (name == *variable).then_some(&list)) {
                Ok(limits) => {
                    lines.push(format!("{variable}: {}", value(&list)));
                    comments.extend(limits.roots().into_iter().map(|(variable, entry, how)| {
                        format!("# {variable} with {entry} gives control of the host: {how}")
                    }));
                }
                Err(mistakes) => {
                    let mistakes = mistakes.iter();
                    comments.extend(mistakes.map(|(_, one)| format!("# {variable}: {one}")));
                }
            }
        }
        comments.extend(self.unlisted.iter().map(|(variable, request)| {
            format!("# {variable} cannot list what {request} uses: it has no name, or is not known")
        }));
        comments.extend(
            self.refused
                .iter()
                .map(|what| format!("# DENY_ROOT would still refuse {what}")),
        );
        comments.extend(
            self.unedited
                .iter()
                .map(|what| format!("# The mutators would still refuse {what}")),
        );
        if self.left_out {
            comments.push(
                "# Some of what was requested is NOT covered: it was too much, or not read"
                    .to_owned(),
            );
        }
        lines.extend(comments);
        lines
    }
}

/// Keeps one more, if there is room.
fn keep(all: &mut BTreeSet<String>, one: String) -> bool {
    let has_room = all.len() < MOST_REFUSED || all.contains(&one);
    if has_room {
        all.insert(one);
    }
    has_room
}

/// A limit that lists these. What is written somewhere needs no entry for reading.
fn list<'a>(variable: &str, entries: impl Iterator<Item = &'a String> + Clone) -> String {
    let is_written = |entry: &str| {
        let written = entry
            .strip_suffix(":ro")
            .filter(|_| variable == "BIND_FROM");
        written.is_some_and(|written| entries.clone().any(|own| own == written))
    };
    let own = entries.clone().filter(|entry| !is_written(entry));
    own.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The beginning of a text as ASCII on one line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars().take(LONGEST_REFUSED) {
        match letter {
            ' '..='~' => plain.push(letter),
            other => plain.extend(other.escape_default()),
        }
    }
    plain
}
