//! What a policy is made of, and the policy.

use std::ffi::OsStr;
use std::ops::Deref;
use std::sync::Arc;

use super::deny_root::{self, DENY_ROOT};
use super::diagnostics::Diagnostic;
use super::dialect::cetusguard::RuleLines;
use super::dialect::knrdl::{PROFILE, Profile};
use super::dialect::mikesir87::Middleware;
use super::dialect::presets::{PRESET, Preset, Presets};
use super::dialect::sections::{Grants, Switch};
use super::dialect::wollomatic::Regexes;
use super::dialect::{PatternLine, Source};
use super::engines::Engine;
use super::file::Place;
use super::limits;
use super::names;
use super::rules::{self, RuleOn};
use super::scope::Scope;
use super::settings::Endpoint;
use super::shown::{self, Shown};
use super::snapshot::Snapshot;
use super::texts::Texts;
use super::versions;
use super::waiver::Waiver;
use crate::body::demands::Demands;
use crate::body::limits::Limits;
use crate::body::versions::Bounds;
use crate::policy::{Notation, Policy, Rule, Unprotected};

/// What a policy is made of, dialect by dialect.
#[derive(Debug)]
pub struct Sources {
    /// What each granting variable was read as.
    pub grants: Grants,
    /// The presets.
    pub presets: Presets,
    /// The regex allowlists.
    pub regexes: Regexes,
    /// The profile.
    pub profile: Profile,
    /// The rules as in hectorm/cetusguard.
    pub rule_lines: RuleLines,
    /// The mutators and gates.
    pub middleware: Middleware,
    /// Whether it keeps clients from control of the host and of other containers.
    pub deny_root: bool,
    /// What may be asked for. Without any of these, nothing is limited or opened.
    pub limits: Option<Limits>,
    /// Its rules in CEL.
    pub rules: Vec<RuleOn>,
    /// What clients are shown.
    pub shown: Shown,
    /// Within which versions of the API clients are told the engine's.
    pub versions: Option<Bounds>,
    /// Why the policy denies nothing, if so.
    pub unprotected: Option<Waiver>,
    /// The engine that it names, if it names one.
    pub engine: Option<Arc<Engine>>,
}

/// A policy that knows what it is made of, and where.
#[derive(Debug)]
pub struct ConfiguredPolicy {
    /// Its name.
    pub name: Arc<str>,
    /// Where it begins, if it is in a file.
    pub place: Option<Place>,
    /// The decisions.
    pub compiled: Arc<Policy>,
    /// What it demands of requests that it allows.
    pub demands: Arc<Demands>,
    /// What it is made of.
    pub sources: Sources,
    /// Whether dockgate keeps labels to itself, for any policy.
    pub(super) reserves: bool,
}

impl Deref for ConfiguredPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.compiled
    }
}

impl ConfiguredPolicy {
    /// What messages call it, if it is in a file: `policies.ci in /etc/dockgate.yml:3`.
    pub fn label(&self) -> Option<Arc<str>> {
        let place = self.place.as_ref()?;
        Some(Scope::label(&self.name, place))
    }

    /// How its variables are written where it is.
    pub fn notation(&self) -> Notation {
        match self.place {
            Some(_) => Notation::File,
            None => Notation::Environment,
        }
    }

    /// The engine that requests go to which it decides on at an endpoint.
    pub fn engine_at<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        default: &'a Arc<Engine>,
    ) -> &'a Arc<Engine> {
        let own = self.sources.engine.as_ref();
        own.or(endpoint.engine.as_ref()).unwrap_or(default)
    }

    /// What has to be said loudly, if it denies nothing.
    pub fn alarm(&self) -> Option<String> {
        let why = self.sources.unprotected?;
        Some(match self.label() {
            Some(label) => format!("{label}: {why}"),
            None => why.to_string(),
        })
    }
}

impl Sources {
    /// What of them restricts and shapes whatever is granted, and grants nothing: denies, limits, gates, the
    /// scope. It is read from no variable once more, so that a preset's `DENY_ROOT` stays too.
    pub(super) fn restrictions(&self) -> Sources {
        Sources {
            grants: self.grants.denies(),
            presets: Presets::default(),
            regexes: Regexes::default(),
            profile: self.profile.log_only(),
            rule_lines: RuleLines::default(),
            middleware: Middleware {
                alone: None,
                ..self.middleware.clone()
            },
            deny_root: self.deny_root,
            limits: self.limits.clone(),
            rules: self.rules.clone(),
            shown: self.shown.clone(),
            versions: self.versions,
            unprotected: self.unprotected,
            engine: self.engine.clone(),
        }
    }

    /// Reads every dialect; of the middleware, what is written as variables. Which engine there is, is
    /// found later.
    pub(super) fn read(
        name: &str,
        snapshot: &Snapshot,
        middleware: Middleware,
        texts: &Texts,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Sources {
        let presets = Presets::read(snapshot, diagnostics);
        let regexes = Regexes::read(snapshot, diagnostics);
        let profile = Profile::read(snapshot, texts, diagnostics);
        let rule_lines = RuleLines::read(snapshot, texts, diagnostics);
        let others: [&dyn Source; 4] = [&presets, &regexes, &profile, &rule_lines];
        let granted = Grants::grant(snapshot)
            || names::meant_to_grant(snapshot)
            || others.iter().any(|other| other.active());
        let middleware = middleware.beside(snapshot, granted, diagnostics);
        let others: [&dyn Source; 5] = [&presets, &regexes, &profile, &rule_lines, &middleware];
        let grants = Grants::read(snapshot, &others, diagnostics);
        let deny_root = deny_root(snapshot, &presets, &profile, diagnostics);
        let limits = limits::read(snapshot, deny_root, diagnostics);
        let rules = rules::read(snapshot, diagnostics);
        let shown = Shown::read(snapshot, name, diagnostics);
        let versions = versions::read(snapshot, diagnostics);
        let unprotected = unprotected(snapshot, diagnostics);
        Sources {
            grants,
            presets,
            regexes,
            profile,
            rule_lines,
            middleware,
            deny_root,
            limits,
            rules,
            shown,
            versions,
            unprotected,
            engine: None,
        }
    }

    /// Compiles them to one policy, unless they make too large a one. `reserves` is whether dockgate keeps
    /// labels to itself, for any policy.
    pub(super) fn compile(
        self,
        name: &str,
        place: Option<&Place>,
        reserves: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ConfiguredPolicy> {
        let mut rules: Vec<Rule> = self.each().iter().flat_map(|one| one.rules()).collect();
        if self.deny_root {
            rules.extend(deny_root::rules());
        }
        rules.extend(self.limits.iter().flat_map(limits::rules));
        rules.extend(demanded(&self.rules));
        rules.extend(self.shown.rules());
        if reserves {
            rules.extend(shown::reserved());
        }
        rules.extend(self.versions.iter().map(|_| versions::rule()));
        let policy = Policy::new(&rules).map_err(|error| {
            let help = "this is a bug in dockgate; please report it";
            Diagnostic::error("policy", format!("policy: {error}"), help)
        });
        let lists: Vec<_> = self.each().map(Source::allowlist).into_iter().collect();
        let mut take = |error| diagnostics.push(error);
        let mut policy = policy.map_err(&mut take).ok();
        for list in lists {
            let list = list.map_err(&mut take).ok();
            policy = policy.zip(list).map(|(policy, list)| match list {
                Some(list) => policy.with(list),
                None => policy,
            });
        }
        let mut policy = policy?;
        if let Some(place) = place {
            policy = policy.in_file(Scope::label(name, place));
        }
        Some(ConfiguredPolicy {
            name: name.into(),
            place: place.cloned(),
            compiled: Arc::new(match self.unprotected {
                Some(waiver) => policy.unprotected(waiver),
                None => policy,
            }),
            demands: Arc::new(Demands {
                mutators: self.middleware.mutators.clone(),
                gates: self.middleware.gates.clone(),
                limits: self.limits.clone(),
                scope: self.shown.scope.clone(),
                label_filters: self.middleware.filters.clone().into(),
                redaction: self.shown.redaction.clone(),
                versions: self.versions,
                rules: self
                    .rules
                    .iter()
                    .map(|one| one.rule.clone())
                    .collect::<Vec<_>>()
                    .into(),
            }),
            sources: self,
            reserves,
        })
    }

    /// Each dialect.
    fn each(&self) -> [&dyn Source; 6] {
        [
            &self.grants,
            &self.presets,
            &self.regexes,
            &self.profile,
            &self.rule_lines,
            &self.middleware,
        ]
    }

    /// The dialects: whether each is active, and what it contributes.
    pub fn dialects(&self) -> Vec<(&'static str, bool, String)> {
        let dialects = self.each().map(|one| {
            let contributes = match one.contributes() {
                none if none.is_empty() => "nothing".to_owned(),
                some => some.join(" "),
            };
            (one.name(), one.active(), contributes)
        });
        dialects.into()
    }

    /// The presets, whichever dialect names them.
    pub(super) fn presets(&self) -> impl Iterator<Item = &'static Preset> {
        let chosen = self.presets.chosen.iter().copied();
        chosen.chain(self.profile.preset)
    }

    /// The patterns, as they are written.
    pub fn lines(&self) -> impl Iterator<Item = &PatternLine> {
        self.each().into_iter().flat_map(Source::lines)
    }

    /// Whether another dialect than the section variables grants something.
    pub(super) fn has_others(&self) -> bool {
        let [_, others @ ..] = self.each();
        others.iter().any(|one| one.active())
    }
}

/// Whether clients are kept from control: as the variable says, otherwise as the presets do.
fn deny_root(
    snapshot: &Snapshot,
    presets: &Presets,
    profile: &Profile,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let chosen = presets.chosen.iter().map(|preset| (PRESET, *preset));
    let mut chosen = chosen.chain(profile.preset.map(|preset| (PROFILE, preset)));
    let setter = chosen.find(|(_, preset)| preset.sets_deny_root());
    let unset = snapshot.get(DENY_ROOT).is_none_or(OsStr::is_empty);
    if setter.is_some() && unset {
        return true;
    }
    let on = Switch::read(snapshot, DENY_ROOT, false, diagnostics).on;
    let Some((variable, preset)) = setter.filter(|_| !on) else {
        return on;
    };
    let notation = snapshot.notation();
    let [off, set] = [0, 1].map(|value| notation.set(DENY_ROOT, value));
    let problem = format!(
        "{off} overrides {}, which sets {set}",
        notation.set(variable, preset.name)
    );
    let help = "remove it, unless clients may control the host";
    diagnostics.push(Diagnostic::warning(DENY_ROOT, problem, help));
    false
}

/// The rules of a policy that demand its rules in CEL, by their numbers.
fn demanded(rules: &[RuleOn]) -> impl Iterator<Item = Rule> {
    let rules = rules.iter().enumerate();
    rules.filter_map(|(number, rule)| rule.demand(number))
}

/// Whether the policy is to deny nothing, and why.
pub(super) fn unprotected(
    snapshot: &Snapshot,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Waiver> {
    let mut asked = Unprotected::ALL
        .into_iter()
        .filter(|why| Switch::read(snapshot, why.variable(), false, diagnostics).on);
    let (first, second) = (asked.next()?, asked.next());
    if let Some(second) = second {
        let (first, second) = (first.variable(), second.variable());
        let problem = format!("{first} overrides {second}, which is ignored");
        diagnostics.push(Diagnostic::warning(second, problem, ""));
    }
    Some(Waiver::by_user(first))
}
