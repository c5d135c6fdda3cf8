//! `Term::Rule`: the rules in CEL, which judge what would be forwarded once nothing else is left to be
//! judged.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Told};
use super::head::{Head, no_form};
use super::{Request, Subject};
use crate::api::Target;
use crate::api::fields::Body;
use crate::api::query;
use crate::api::sections::{ACTIONS, Route, Step};
use crate::body::demands::Demands;
use crate::body::facts::{Answer, Fact, Name};
use crate::body::json::{Object, Value};
use crate::body::rules::{Needs, Rule, Seen};
use crate::policy::{Broken, Inspection, Term, Unmet};

/// What a rule needs of a request, if it can be had.
pub(super) fn head(inspection: &Inspection, demands: &Demands, number: u16) -> Result<Head, Unmet> {
    let Some(rule) = demands.rules.get(number) else {
        return Err(broken("RULE", "it is not known"));
    };
    let target = inspection.target();
    let mut head = Head::default();
    let Needs {
        query,
        body,
        object,
        client: _,
    } = rule.needs;
    if query || body {
        no_form(inspection)?;
    }
    if query {
        let unclear = "the query cannot be read in one way, or repeats a name";
        let values = values(target).ok_or_else(|| broken(&rule.name, unclear))?;
        if let Some(name) = values.keys().find(|name| rule.overlooks(name)) {
            let why = format!("the query has {name} in another case");
            return Err(broken(&rule.name, &why));
        }
    }
    if body {
        let known = target.method().and_then(|method| Body::of(method, target));
        known.ok_or_else(|| broken(&rule.name, "such a request has no body that can be judged"))?;
        head.reads = true;
    }
    if object {
        let named = object_of(target);
        let (fact, route) = named
            .ok_or_else(|| broken(&rule.name, "the path names nothing that can be inspected"))?;
        head.subjects.push(Subject::Object(fact, route));
    }
    Ok(head)
}

/// The values of a query by their names, if every engine reads them so.
fn values(target: &Target) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (name, value) in query::pairs(target.query().unwrap_or_default())? {
        // Some engines take the first of two, some the last, and some read names in any case.
        let folded = |known: &String| known.to_lowercase() == name.to_lowercase();
        if values.keys().any(folded) {
            return None;
        }
        values.insert(name, value);
    }
    Some(values)
}

/// What the path of a request names, and the route by which it does. Of two that fit, the engine takes
/// the longer one.
fn object_of(target: &Target) -> Option<(Fact, &'static Route)> {
    let routes = ACTIONS.iter().flat_map(|action| action.routes);
    let fitting = routes.filter_map(|route| {
        let fits = route.method.is_none() || route.method == target.method();
        let name = route.name_in(target.path()).filter(|_| fits)?;
        Some((route, str::from_utf8(name).ok()?))
    });
    let (route, name) = fitting.max_by_key(|(route, _)| route.steps.len())?;
    let fact = match route.steps {
        [Step::Literal("containers"), ..] => Fact::container(name),
        [Step::Literal("exec"), ..] => Name::of(name).map(Fact::Exec),
        [Step::Literal("images"), ..] => Fact::image(name),
        [Step::Literal("networks"), ..] => Fact::network(name),
        [Step::Literal("services"), ..] => Name::of(name).map(Fact::Service),
        [Step::Literal("volumes"), ..] => Fact::volume(name),
        _ => None,
    };
    Some((fact?, route))
}

/// Looks at what a changed target names, in place of what it named as it was sent.
pub(super) fn follow(subjects: &mut [Subject], target: &Target) -> Result<(), Unmet> {
    for subject in subjects {
        if let Subject::Object(fact, route) = subject {
            let named = object_of(target);
            (*fact, *route) = named
                .ok_or_else(|| broken("RULE", "the path names nothing that can be inspected"))?;
        }
    }
    Ok(())
}

/// Whether rules can look at an inspect of what the path names.
pub fn names_object(target: &Target) -> bool {
    object_of(target).is_some()
}

/// What the rules must know of the engine.
pub(super) fn ask(request: &Request) -> Finding {
    let mut needs = BTreeSet::new();
    for fact in objects(request) {
        match request.facts.answer(fact) {
            None => {
                needs.insert(fact.clone());
            }
            Some(Answer::Found(_)) => {}
            Some(Answer::Missing(words)) => return Finding::Answer(Told::Missing(words.clone())),
            Some(Answer::Unclear) => {
                let name = ruling(request).find(|rule| rule.needs.object);
                let name = name.map_or("RULE", |rule| &rule.name);
                return Finding::Refused(broken(name, "the engine's answer cannot be judged"));
            }
        }
    }
    Finding::asks(needs)
}

/// Judges what would be forwarded.
pub(super) fn judge(request: &Request) -> Result<(), Unmet> {
    if ruling(request).next().is_none() {
        return Ok(());
    }
    let target = request.draft.target();
    let query = match ruling(request).any(|rule| rule.needs.query) {
        true => {
            values(target).ok_or_else(|| broken("RULE", "the query cannot be read in one way"))?
        }
        false => BTreeMap::new(),
    };
    let empty = Value::Object(Object::default());
    let object = objects(request).find_map(|fact| request.facts.answer(fact)?.found());
    let seen = Seen {
        method: target.method_str(),
        route: &route(target),
        query: &query,
        body: request.draft.asked().map_or(&empty, |(_, tree)| tree),
        client: &request.client,
        object: object.unwrap_or(Value::NULL),
    };
    let broken = request.demands.rules.broken(ruling(request), seen);
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Unmet::Broken(broken)),
    }
}

/// The path without its version, and without a slash at its end: terms match both.
fn route(target: &Target) -> String {
    let path = String::from_utf8_lossy(target.path());
    match path.strip_suffix('/') {
        Some("") | None => path.into_owned(),
        Some(path) => path.to_owned(),
    }
}

/// The rules that judge a request. Each was found when its head was judged.
fn ruling(request: &Request) -> impl Iterator<Item = &Rule> {
    let terms = request.inspection.terms().iter();
    let mut numbers: Vec<u16> = terms
        .filter_map(|term| match term {
            Term::Rule(number) => Some(*number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
        .into_iter()
        .filter_map(|number| request.demands.rules.get(number))
}

/// What rules look at.
fn objects(request: &Request) -> impl Iterator<Item = &Fact> {
    request.subjects.iter().filter_map(|subject| match subject {
        Subject::Object(fact, _) => Some(fact),
        _ => None,
    })
}

fn broken(rule: &str, why: &str) -> Unmet {
    Unmet::Broken(vec![Broken {
        rule: rule.into(),
        why: why.into(),
    }])
}
