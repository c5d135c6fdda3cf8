//! Rules of one's own: `RULE_x`, an expression in CEL, and `RULE_x_ON`, the requests that it judges.
//!
//! A rule judges what something else allows, whatever allows it. One that cannot be read, and a
//! `RULE_x_ON` without its rule, keep dockgate from starting.

use std::sync::Arc;

use super::diagnostics::Diagnostic;
use super::names::is_of_a_service;
use super::near::near;
use super::snapshot::Snapshot;
use crate::api::fields::Body;
use crate::api::sections::{ACTIONS, Action, Route, SECTIONS};
use crate::api::{Method, Methods};
use crate::body::inspection::names_object;
use crate::body::rules::{Mistake, Rule};
use crate::policy::{self, Effect, Matcher, Pattern, Slash, Term, printable};

/// How their names begin.
pub(super) const PREFIX: &str = "RULE_";
/// How the names of what they judge end.
const ON: &str = "_ON";
/// A policy has no more.
const MOST: usize = 64;

/// Whether a name is that of a rule, or of what one judges.
pub(super) fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_plain))
}

/// How a rule is named.
pub(super) const NAMED: &str = "name a rule RULE_x, with letters, digits and underscores for x";

/// Whether a name begins like that of a rule, in any letter case: `rule-x`, `RULE`, `RULES_x`,
/// `RUEL_x`.
pub(super) fn begins_as_a_rule(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric();
    let word = name.split(|letter| !is_plain(letter)).next();
    let word = word.unwrap_or_default().to_ascii_uppercase();
    let letters = |word: &str| {
        let mut letters = word.as_bytes().to_vec();
        letters.sort_unstable();
        letters
    };
    let own = PREFIX.trim_end_matches('_');
    let swapped = |word: &str| word.starts_with('R') && letters(word) == letters(own);
    swapped(&word) || word.strip_suffix('S').is_some_and(swapped)
}

/// A rule, and the requests that it judges.
#[derive(Clone, Debug)]
pub struct RuleOn {
    /// The rule.
    pub rule: Rule,
    /// The requests, as written.
    pub on: Vec<String>,
    matchers: Vec<Matcher>,
}

/// Reads them all.
pub(super) fn read(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> Vec<RuleOn> {
    let names = snapshot.names().filter(|name| {
        let value = snapshot.get(name).unwrap_or_default().to_string_lossy();
        let foreign = snapshot.has_defaults() && is_of_a_service(name, &value);
        is_name(name) && !foreign
    });
    let mut rules = Vec::new();
    for name in names {
        if let Some(right) = in_another_case(name) {
            let problem = format!("{name} is in the wrong letter case");
            diagnostics.push(Diagnostic::error(name, problem, format!("use {right}")));
            continue;
        }
        match name.strip_suffix(ON).filter(|rule| is_name(rule)) {
            None => rules.extend(rule(snapshot, name, diagnostics)),
            Some(rule) if snapshot.get(rule).is_some() => {}
            Some(rule) => {
                let problem = format!("{name} is set, but {rule} is not");
                diagnostics.push(Diagnostic::error(name, problem, format!("set {rule} too")));
            }
        }
    }
    if rules.len() > MOST {
        let name = rules[MOST].rule.name.to_string();
        let problem = format!("{name} is one rule too many: a policy has at most {MOST}");
        diagnostics.push(Diagnostic::error(&name, problem, ""));
    }
    rules
}

/// What `RULE_x_On` should be called.
fn in_another_case(name: &str) -> Option<String> {
    let (rule, end) = name.split_at_checked(name.len().checked_sub(ON.len())?)?;
    let is_other = end != ON && end.eq_ignore_ascii_case(ON) && is_name(rule);
    is_other.then(|| format!("{rule}{ON}"))
}

/// Reads one.
fn rule(snapshot: &Snapshot, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<RuleOn> {
    let mut text = |name: &str| match snapshot.get(name)?.to_str() {
        Some(text) => Some(text.to_owned()),
        None => {
            diagnostics.push(Diagnostic::not_utf8(name));
            None
        }
    };
    let source = text(name)?;
    let on_name = format!("{name}{ON}");
    let on = match snapshot.get(&on_name) {
        Some(_) => Some(text(&on_name)?),
        None => None,
    };
    let mut mistakes = Vec::new();
    let requests = match on {
        Some(on) => Requests::read(&on_name, &on, &mut mistakes),
        None => Requests::all(),
    };
    let wrong = |mistake: Mistake| {
        let Mistake { problem, unknown } = mistake;
        let meant = unknown.and_then(|(written, known)| nearest(&written, &known));
        let help = meant.map_or(String::new(), |meant| format!("did you mean {meant}?"));
        Diagnostic::error(name, format!("{name}: {problem}"), help)
    };
    let read = match source.trim() {
        "" => Err(vec![Diagnostic::error(
            name,
            format!("{name} is empty"),
            "remove it",
        )]),
        source => Rule::parse(name, source, &requests.bodies)
            .map_err(|all| all.into_iter().map(wrong).collect()),
    };
    let read = match read {
        Ok(rule) => {
            mistakes.extend(requests.cannot_have(&rule));
            Some(rule)
        }
        Err(wrong) => {
            mistakes.extend(wrong);
            None
        }
    };
    let is_good = mistakes.is_empty();
    diagnostics.extend(mistakes);
    read.filter(|_| is_good).map(|rule| RuleOn {
        rule,
        on: requests.written,
        matchers: requests.matchers,
    })
}

/// The known name that is nearest to another one, in any letter case.
fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower: Vec<String> = known.iter().map(|known| known.to_lowercase()).collect();
    let meant = near(written, lower.iter().map(String::as_str))?;
    known
        .iter()
        .copied()
        .find(|known| known.to_lowercase() == meant)
}

impl RuleOn {
    /// The rule of the policy that demands it, as the one of this number.
    pub(super) fn demand(&self, number: usize) -> Option<policy::Rule> {
        Some(policy::Rule {
            origin: Arc::clone(&self.rule.name),
            effect: Effect::Demand(Term::Rule(number.try_into().ok()?)),
            matchers: self.matchers.clone(),
            when: Vec::new(),
            missing: Vec::new(),
            requirements: Vec::new(),
        })
    }
}

/// What a rule judges.
#[derive(Default)]
struct Requests {
    written: Vec<String>,
    matchers: Vec<Matcher>,
    /// The JSON bodies that they can have.
    bodies: Vec<&'static Body>,
    /// Those that have none.
    bodiless: Vec<String>,
    /// Those whose paths name nothing that can be inspected.
    nameless: Vec<String>,
}

impl Requests {
    /// Every request.
    fn all() -> Requests {
        let mut all = Requests::default();
        all.below("every request", Methods::of(None), "");
        all
    }

    /// `POST /containers/create, GET /containers/**`.
    fn read(name: &str, text: &str, mistakes: &mut Vec<Diagnostic>) -> Requests {
        let mut requests = Requests::default();
        for one in text
            .split([',', '\n'])
            .map(str::trim)
            .filter(|one| !one.is_empty())
        {
            if let Err(help) = requests.add(one) {
                let shown = printable(one);
                let problem = format!("{name}: {shown} is not a request of the Docker API");
                mistakes.push(Diagnostic::error(name, problem, help));
            }
        }
        if requests.written.is_empty() && mistakes.is_empty() {
            let problem = format!("{name} is empty");
            mistakes.push(Diagnostic::error(
                name,
                problem,
                "remove it to judge every request",
            ));
        }
        requests
    }

    /// Adds one; if it is none, says what to write.
    fn add(&mut self, one: &str) -> Result<(), String> {
        const HELP: &str = "use METHOD /path as in the Docker API, or METHOD /path/**";
        let (method, path) = one.split_once(' ').ok_or(HELP)?;
        let path = path.trim();
        let methods = match method {
            "*" => Methods::of(None),
            method => Methods::of(Some(Method::from_name(method).ok_or(HELP)?)),
        };
        if let Some(above) = path.strip_suffix("/**") {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte);
            let known = || routes().any(|(_, route)| begins(route, above));
            if !above.bytes().all(plain) || !known() {
                return Err(HELP.to_owned());
            }
            self.below(one, methods, above);
            return Ok(());
        }
        let written = format!("{method} {path}");
        let written = steps(&written);
        let mut found = routes()
            .filter(|(_, route)| steps(route.text) == written)
            .peekable();
        if found.peek().is_none() {
            let known: Vec<&'static str> = routes().map(|(_, route)| route.text).collect();
            return Err(match nearest(one, &known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => HELP.to_owned(),
            });
        }
        for (action, route) in found {
            let own: Vec<Matcher> = Matcher::denied(route).collect();
            let podman = action.into_iter().flat_map(|action| action.podman);
            let below = own.iter().cloned().map(Matcher::below_libpod);
            self.matchers.extend(below);
            self.matchers.extend(own);
            self.matchers.extend(podman.flat_map(Matcher::denied));
            let sample = route.sample();
            let body = sample
                .as_ref()
                .and_then(|target| Body::of(target.method()?, target));
            match body {
                Some(body) => self.bodies.push(body),
                None => self.bodiless.push(one.to_owned()),
            }
            if !sample.as_ref().is_some_and(names_object) {
                self.nameless.push(one.to_owned());
            }
        }
        self.written.push(one.to_owned());
        Ok(())
    }

    /// Adds a whole tree.
    fn below(&mut self, written: &str, methods: Methods, path: &str) {
        let own = Matcher {
            methods,
            pattern: Pattern {
                slash: Slash::Optional,
                ..Pattern::below(path)
            },
        };
        self.matchers.extend([own.clone().below_libpod(), own]);
        self.bodiless.push(written.to_owned());
        self.nameless.push(written.to_owned());
        self.written.push(written.to_owned());
    }

    /// What a rule looks at that one of these requests cannot have.
    fn cannot_have(&self, rule: &Rule) -> Vec<Diagnostic> {
        let wrong = |variable: &str, what: &str, lacking: &[String]| {
            let (name, lacking) = (&rule.name, lacking.first()?);
            let problem = format!("{name}: {variable} is used, but {lacking} {what}");
            let help = format!("list the requests in {name}{ON}");
            Some(Diagnostic::error(name, problem, help))
        };
        let body = rule
            .needs
            .body
            .then(|| wrong("body", "need not have a JSON body", &self.bodiless));
        let object = rule.needs.object.then(|| {
            wrong(
                "object",
                "need not name anything to inspect",
                &self.nameless,
            )
        });
        [body, object].into_iter().flatten().flatten().collect()
    }
}

/// Every known route, with its action.
fn routes() -> impl Iterator<Item = (Option<&'static Action>, &'static Route)> {
    let actions = ACTIONS.iter().flat_map(|action| {
        let all = action.routes.iter().chain(action.deny_also);
        all.map(move |route| (Some(action), route))
    });
    let sections = SECTIONS.iter().flat_map(|section| section.routes);
    actions.chain(sections.map(|route| (None, route)))
}

/// Whether a route is below a path.
fn begins(route: &Route, above: &str) -> bool {
    let path = route
        .text
        .split_once(' ')
        .map_or(route.text, |(_, path)| path);
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A route without the names of its placeholders.
fn steps(route: &str) -> Vec<&str> {
    let steps = route.split(['/', ' ']).filter(|step| !step.is_empty());
    let steps = steps.map(|step| match step.starts_with('{') && step.ends_with('}') {
        true => "{}",
        false => step,
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Target;
    use crate::config::{ConfiguredPolicy, Settings};
    use crate::policy::{Body, Verdict};

    fn load(env: &[(&str, &str)]) -> Result<ConfiguredPolicy, Vec<String>> {
        let settings = Settings::load(&env.iter().copied().collect());
        let settings = settings.map_err(|wrong| {
            let wrong = wrong.iter().filter(|one| one.is_error());
            wrong.map(ToString::to_string).collect::<Vec<_>>()
        })?;
        Ok(settings.policies.into_default())
    }

    /// Whether a rule judges a request that such a policy allows.
    fn judges(policy: &ConfiguredPolicy, line: &str) -> bool {
        let (method, path) = line.split_once(' ').expect("a line");
        let target = Target::from_line(method, path).expect("a target");
        match policy.decide(target, Body::Empty) {
            Verdict::Allow(permit) => permit.terms().contains(&Term::Rule(0)),
            verdict => panic!("{line}: {verdict}"),
        }
    }

    #[test]
    fn no_dialect_and_no_spelling_escapes_a_rule() {
        let all = [
            ("SP_ALLOW_GET", ".*"),
            ("SP_ALLOW_POST", ".*"),
            ("SP_ALLOW_DELETE", ".*"),
            ("RULE_X", "method != ''"),
        ];
        for (on, judged, not) in [
            (
                "POST /containers/create",
                &[
                    "POST /containers/create",
                    "POST /containers/create/",
                    "POST /v1.41/containers/create?name=x",
                    "POST /v1.41-x/containers/create",
                    "POST /containers/cre%61te",
                    "POST /libpod/containers/create",
                    "POST /v4.0.0/libpod/containers/create",
                ][..],
                &["POST /containers/x/start", "GET /containers/create"][..],
            ),
            (
                "DELETE /images/{anything...}",
                &[
                    "DELETE /images/a",
                    "DELETE /images/ghcr.io/a/b:c",
                    "DELETE /images/",
                ],
                &["DELETE /containers/a"],
            ),
            (
                "POST /containers/{id}/start\nPOST /containers/{id}/restart",
                &[
                    "POST /containers/a/start",
                    "POST /containers/a/b/start",
                    "POST /containers/a/restart",
                ],
                &["POST /containers/a/stop"],
            ),
            (
                "* /containers/**, GET /images/**",
                &[
                    "GET /containers/json",
                    "DELETE /v1.30/containers/x",
                    "GET /images/json",
                ],
                &["GET /info", "POST /images/create"],
            ),
            (
                "* /**",
                &["GET /", "GET /_ping", "POST /anything", "GET /v9/x"],
                &[],
            ),
        ] {
            let env = [&all[..], &[("RULE_X_ON", on)]].concat();
            let policy = load(&env).expect("good settings");
            for line in judged {
                assert!(judges(&policy, line), "{on}: {line}");
            }
            for line in not {
                assert!(!judges(&policy, line), "{on}: {line}");
            }
        }
        let policy = load(&all).expect("good settings");
        assert!(judges(&policy, "GET /info") && judges(&policy, "DELETE /x/y"));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let create = ("RULE_X_ON", "POST /containers/create");
        for (env, told) in [
            (
                &[("RULE_X", ""), create][..],
                &["RULE_X is empty; remove it"][..],
            ),
            (
                &[create],
                &["RULE_X_ON is set, but RULE_X is not; set RULE_X too"],
            ),
            (
                &[
                    ("RULE_X", "bdy.Image == mthod && siz(body.Imag) > 0"),
                    create,
                ],
                &[
                    "RULE_X: bdy is not a variable; did you mean body?",
                    "RULE_X: mthod is not a variable; did you mean method?",
                    "RULE_X: the body has no field Imag there; did you mean Image?",
                    "RULE_X: siz is not a function; did you mean size?",
                ],
            ),
            (
                &[
                    ("RULE_X", "body.HostConfig.Memroy < 5"),
                    create,
                    ("RULE_Y", "1 +"),
                ],
                &[
                    "RULE_X: the body has no field Memroy there; did you mean Memory?",
                    "RULE_Y: not an expression in CEL: mismatched input '<EOF>' expecting expression \
                     (character 4)",
                ],
            ),
            (
                &[("RULE_X", "body.Image != ''")],
                &[
                    "RULE_X: body is used, but every request need not have a JSON body; list the \
                   requests in RULE_X_ON",
                ],
            ),
            (
                &[
                    ("RULE_X", "body.Image != ''"),
                    ("RULE_X_ON", "POST /containers/create, GET /info"),
                ],
                &[
                    "RULE_X: body is used, but GET /info need not have a JSON body; list the requests in \
                   RULE_X_ON",
                ],
            ),
            (
                &[("RULE_X", "object.Id != ''"), create],
                &[
                    "RULE_X: object is used, but POST /containers/create need not name anything to \
                   inspect; list the requests in RULE_X_ON",
                ],
            ),
            (
                &[
                    ("RULE_X", "true"),
                    (
                        "RULE_X_ON",
                        "POST /containers/crate, /info, GET /contaners/**",
                    ),
                ],
                &[
                    "RULE_X_ON: \"POST /containers/crate\" is not a request of the Docker API; did you \
                     mean POST /containers/create?",
                    "RULE_X_ON: /info is not a request of the Docker API; use METHOD /path as in the \
                     Docker API, or METHOD /path/**",
                    "RULE_X_ON: \"GET /contaners/**\" is not a request of the Docker API; use METHOD \
                     /path as in the Docker API, or METHOD /path/**",
                ],
            ),
            (
                &[("RULE_X", "true"), ("RULE_X_ON", " , ")],
                &["RULE_X_ON is empty; remove it to judge every request"],
            ),
            (
                &[("rule_x", "true")],
                &["unknown variable rule_x denies nothing; names are upper case: use RULE_X"],
            ),
            (
                &[("RULE_X-Y", "true")],
                &[
                    "unknown variable RULE_X-Y denies nothing; name a rule RULE_x, with letters, \
                     digits and underscores for x",
                ],
            ),
            (
                &[("RULE_X", "true"), ("RULE_X_On", "POST /containers/create")],
                &["RULE_X_On is in the wrong letter case; use RULE_X_ON"],
            ),
            (
                &[("RULE_x_on", "POST /containers/create")],
                &["RULE_x_on is in the wrong letter case; use RULE_x_ON"],
            ),
        ] {
            assert_eq!(load(env).err().unwrap_or_default(), told, "{env:?}");
        }
        let service = [
            ("RULE_X_SERVICE_HOST", "10.0.0.1"),
            ("RULE_X_PORT", "tcp://10.0.0.1:80"),
        ];
        assert!(load(&service).is_ok_and(|policy| policy.sources.rules.is_empty()));
    }

    /// Adding a rule never allows more.
    #[test]
    fn nothing_is_allowed_by_a_rule() {
        let policy = load(&[("RULE_X", "true")]).expect("good settings");
        let without = load(&[]).expect("good settings");
        for (_, route) in routes() {
            let target = route.sample().expect("a sample");
            let is_allowed = |policy: &ConfiguredPolicy| {
                matches!(
                    policy.decide(target.clone(), Body::Empty),
                    Verdict::Allow(_)
                )
            };
            assert!(
                !is_allowed(&policy) || is_allowed(&without),
                "{}",
                route.text
            );
        }
    }
}
