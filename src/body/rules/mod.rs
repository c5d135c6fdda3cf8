//! Rules of one's own, in CEL, the language of Kubernetes' admission policies.
//!
//! A rule is an expression and, behind a colon, what to tell a client whose request breaks it. Which
//! requests it judges, the policy's terms say. The parser and the evaluator are a library's; that they
//! can do no harm is ensured here:
//!
//! - an expression is the operator's, and is read at start: short, not deep, made of known names and
//!   of functions that cannot fail badly, without a loop inside a loop (`check`);
//! - what it looks at is a client's, and bounded: so many values, so much text, and a budget for how
//!   often a request may have them looked through (`values`);
//! - what cannot be evaluated breaks the rule.

mod check;
mod evaluate;
mod text;
mod values;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::IdedExpr;
use regex::bytes::Regex;

use super::json::Value;
use crate::api::fields::{Body, same};
use crate::policy::Broken;

/// The variables of a rule.
const VARIABLES: [&str; 6] = ["method", "route", "query", "body", "client", "object"];

/// What a rule needs besides the request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The query, of which each name has to have one value.
    pub query: bool,
    /// The JSON body.
    pub body: bool,
    /// The inspect of what the path names.
    pub object: bool,
    /// Who asks.
    pub client: bool,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its variable: `RULE_MEMORY`.
    pub name: Arc<str>,
    /// The expression, as written.
    pub source: Box<str>,
    /// What to tell a client whose request breaks it; empty if nothing is written.
    pub told: Box<str>,
    /// What it looks at.
    pub needs: Needs,
    expression: IdedExpr,
    patterns: BTreeMap<String, Regex>,
    names: BTreeSet<String>,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What: `memroy is not a variable`.
    pub problem: String,
    /// The name that is not known, and those that are.
    pub unknown: Option<(String, Vec<&'static str>)>,
}

impl Mistake {
    fn new(problem: impl Into<String>) -> Mistake {
        Mistake {
            problem: problem.into(),
            unknown: None,
        }
    }
}

impl Rule {
    /// Reads one that judges requests with these bodies, if they have any.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(name: &str, text: &str, bodies: &[&'static Body]) -> Result<Rule, Vec<Mistake>> {
        let (source, told) = text::split(text).map_err(|mistake| vec![mistake])?;
        let expression = text::parse(source).map_err(|mistake| vec![mistake])?;
        let checked = check::check(&expression, bodies)?;
        Ok(Rule {
            name: name.into(),
            source: source.into(),
            told: told.into(),
            needs: checked.needs,
            expression,
            patterns: checked.patterns,
            names: checked.names,
        })
    }

    /// Whether an engine that reads a query's names in any case finds a value by this name that the
    /// rule, which reads them exactly, would look for by another one.
    pub fn overlooks(&self, name: &str) -> bool {
        let mut others = self.names.iter().filter(|own| *own != name);
        others.any(|own| same(own, name))
    }
}

/// The rules of a policy, in the order in which its terms number them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The patterns of all of them.
    patterns: Arc<BTreeMap<String, Regex>>,
}

impl From<Vec<Rule>> for Rules {
    fn from(mut rules: Vec<Rule>) -> Rules {
        let patterns = rules
            .iter_mut()
            .flat_map(|rule| std::mem::take(&mut rule.patterns));
        Rules {
            patterns: Arc::new(patterns.collect()),
            rules,
        }
    }
}

/// What rules see of a request.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path, decoded once, without its version.
    pub route: &'a str,
    /// Its query: the value of each name.
    pub query: &'a BTreeMap<String, String>,
    /// Its body as it would be forwarded; an object even if there is none.
    pub body: &'a Value,
    /// Who asks.
    pub client: &'a Value,
    /// What the engine says of what its path names.
    pub object: &'a Value,
}

impl Rules {
    /// The one of this number.
    pub fn get(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number))
    }

    /// Which of these rules a request breaks.
    pub fn broken<'r>(&self, rules: impl Iterator<Item = &'r Rule>, seen: Seen<'_>) -> Vec<Broken> {
        let all: Vec<&Rule> = rules.collect();
        evaluate::broken(&all, &self.patterns, seen)
    }
}
