//! What an expression may be made of. What is not listed here is refused at start.

use std::collections::{BTreeMap, BTreeSet};

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use regex::bytes::{Regex, RegexBuilder};

use super::{Mistake, Needs, VARIABLES};
use crate::api::fields::{Body, Field, Kind};
use crate::policy::check_pattern;

/// Expressions within expressions.
const DEEPEST: usize = 32;
/// An expression has no more parts, loops written out.
const MOST: usize = 400;
/// It adds no more often: each addition makes a text of two.
const MOST_ADDED: usize = 16;
/// The size limit of a compiled pattern, which also bounds the time of a match.
const PATTERN: usize = 1 << 20;

/// The operators.
const OPERATORS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NOT_STRICTLY_FALSE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
];
/// The functions, with the numbers of values that each takes before and behind it.
const FUNCTIONS: &[(&str, &[(usize, usize)])] = &[
    ("size", &[(0, 1), (1, 0)]),
    ("contains", &[(1, 1)]),
    ("startsWith", &[(1, 1)]),
    ("endsWith", &[(1, 1)]),
    ("matches", &[(1, 1)]),
    ("int", &[(0, 1)]),
    ("string", &[(0, 1)]),
];
/// What the parser turns into other things.
const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "filter"];

/// What a check found.
pub(super) struct Checked {
    pub(super) needs: Needs,
    pub(super) patterns: BTreeMap<String, Regex>,
    pub(super) names: BTreeSet<String>,
}

/// Checks an expression on requests with these bodies.
pub(super) fn check(
    expression: &IdedExpr,
    bodies: &[&'static Body],
) -> Result<Checked, Vec<Mistake>> {
    let mut check = Check {
        bodies,
        scope: Vec::new(),
        in_loop: false,
        parts: 0,
        added: 0,
        needs: Needs::default(),
        patterns: BTreeMap::new(),
        names: BTreeSet::new(),
        mistakes: Vec::new(),
    };
    check.part(expression, 0);
    if check.parts > MOST {
        check.mistake(format!("it has more than {MOST} parts"));
    }
    if check.added > MOST_ADDED {
        check.mistake(format!("it has more than {MOST_ADDED} additions"));
    }
    if !could_be_bool(expression) {
        check.mistake("the result must be true or false");
    }
    match check.mistakes.is_empty() {
        true => Ok(Checked {
            needs: check.needs,
            patterns: check.patterns,
            names: check.names,
        }),
        false => Err(check.mistakes),
    }
}

/// The kinds that a value may have; none of them: any.
type Kinds = Vec<&'static Kind>;

struct Check<'a> {
    bodies: &'a [&'static Body],
    /// The variables of the loops around.
    scope: Vec<(&'a str, Kinds)>,
    in_loop: bool,
    parts: usize,
    added: usize,
    needs: Needs,
    patterns: BTreeMap<String, Regex>,
    /// The names by which it looks for values of the query.
    names: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl<'a> Check<'a> {
    fn mistake(&mut self, problem: impl Into<String>) {
        let mistake = Mistake::new(problem);
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    fn unknown(&mut self, problem: String, name: &str, known: Vec<&'static str>) {
        let mistake = Mistake {
            problem,
            unknown: Some((name.to_owned(), known)),
        };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// Checks one part with all that is in it, and says of which kinds its value may be.
    fn part(&mut self, part: &'a IdedExpr, depth: usize) -> Kinds {
        self.parts += 1;
        if depth > DEEPEST {
            self.mistake(format!("it has more than {DEEPEST} levels"));
            return Kinds::new();
        }
        let depth = depth + 1;
        match &part.expr {
            Expr::Ident(name) => return self.name(name),
            Expr::Select(select) => {
                if is_query(&select.operand) {
                    self.names.insert(select.field.clone());
                }
                let kinds = self.part(&select.operand, depth);
                return self.field(&kinds, &select.field);
            }
            Expr::Call(call) => return self.call(call, depth),
            Expr::Comprehension(comprehension) => return self.comprehension(comprehension, depth),
            Expr::List(list) => {
                for element in &list.elements {
                    self.part(element, depth);
                }
            }
            Expr::Literal(LiteralValue::Bytes(_)) => {
                self.mistake("it contains bytes; use a string");
            }
            Expr::Literal(_) => {}
            Expr::Map(_) | Expr::Struct(_) => self.mistake("it builds a map or an object"),
            Expr::Unspecified => self.mistake("it is not complete"),
        }
        Kinds::new()
    }

    fn name(&mut self, name: &str) -> Kinds {
        // What the parser makes for a loop. It cannot be written.
        if name == "@result" {
            return Kinds::new();
        }
        if let Some((_, kinds)) = self.scope.iter().rev().find(|(known, _)| *known == name) {
            return kinds.clone();
        }
        match name {
            "body" => {
                self.needs.body = true;
                return self.bodies.iter().map(|body| &body.root.kind).collect();
            }
            "query" => self.needs.query = true,
            "object" => self.needs.object = true,
            "client" => self.needs.client = true,
            _ if VARIABLES.contains(&name) => {}
            _ => {
                self.unknown(
                    format!("{name} is not a variable"),
                    name,
                    VARIABLES.to_vec(),
                );
            }
        }
        Kinds::new()
    }

    /// The field of an object. A body has only those that its type has: others are not forwarded.
    fn field(&mut self, kinds: &Kinds, name: &str) -> Kinds {
        let mut found = Kinds::new();
        let mut known: Vec<&'static str> = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Object(object) => {
                    let own = object.fields.iter().find(|field| field.name == name);
                    found.extend(own.map(|field: &Field| &field.kind));
                    known.extend(object.fields.iter().map(|field| field.name));
                }
                Kind::Map(kind) => found.push(kind),
                Kind::Raw | Kind::Words => return Kinds::new(),
                Kind::List(_) | Kind::String | Kind::Bool | Kind::Int | Kind::Float => {}
            }
        }
        if found.is_empty() && !kinds.is_empty() {
            self.unknown(format!("the body has no field {name} there"), name, known);
        }
        match found.iter().any(|kind| matches!(kind, Kind::Raw)) {
            true => Kinds::new(),
            false => found,
        }
    }

    fn call(&mut self, call: &'a CallExpr, depth: usize) -> Kinds {
        let target = call
            .target
            .as_deref()
            .map(|target| self.part(target, depth));
        let mut kinds = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            kinds.push(self.part(argument, depth));
        }
        let name = call.func_name.as_str();
        let (before, behind) = (usize::from(target.is_some()), call.args.len());
        match FUNCTIONS.iter().find(|(known, _)| *known == name) {
            Some((_, ways)) if ways.contains(&(before, behind)) => {
                if name == "matches" {
                    self.pattern(&call.args[0]);
                }
            }
            Some(_) => self.mistake(match before {
                0 => format!("{name} cannot be called with {behind} values; use VALUE.{name}(...)"),
                _ => format!("VALUE.{name} cannot be called with {behind} values"),
            }),
            None if OPERATORS.contains(&name) => {
                self.added += usize::from(name == operators::ADD);
                match (name, call.args.as_slice()) {
                    (operators::INDEX, [query, key]) | (operators::IN, [key, query])
                        if is_query(query) =>
                    {
                        self.names.extend(text(key).map(str::to_owned));
                    }
                    _ => {}
                }
                if name == operators::INDEX {
                    return self.index(kinds.first(), call.args.get(1));
                }
            }
            None if ["map", "existsOne"].contains(&name) || MACROS.contains(&name) => {
                self.mistake(format!("{name} cannot be called like this"));
            }
            None => {
                let known = FUNCTIONS.iter().map(|(known, _)| *known);
                let known = known.chain(MACROS.iter().copied()).collect();
                self.unknown(format!("{name} is not a function"), name, known);
            }
        }
        Kinds::new()
    }

    /// `LIST[0]`, `MAP["key"]` and `OBJECT["Field"]`.
    fn index(&mut self, kinds: Option<&Kinds>, by: Option<&IdedExpr>) -> Kinds {
        let kinds = kinds.cloned().unwrap_or_default();
        match by.and_then(text) {
            Some(key) => self.field(&kinds, key),
            None => items(&kinds),
        }
    }

    /// A pattern is compiled at start, so it has to be there.
    fn pattern(&mut self, argument: &IdedExpr) {
        let Some(pattern) = text(argument) else {
            return self.mistake("the pattern of matches must be in quotes");
        };
        if let Err(bad) = check_pattern(pattern) {
            return self.mistake(format!("the pattern of matches is not valid: {bad}"));
        }
        let built = RegexBuilder::new(pattern)
            .unicode(false)
            .size_limit(PATTERN)
            .build();
        match built {
            Ok(regex) => {
                self.patterns.insert(pattern.to_owned(), regex);
            }
            Err(_) => self.mistake("the pattern of matches is too large"),
        }
    }

    fn comprehension(&mut self, one: &'a ComprehensionExpr, depth: usize) -> Kinds {
        let range = self.part(&one.iter_range, depth);
        if self.in_loop {
            self.mistake("a loop inside a loop is not supported");
            return Kinds::new();
        }
        if maps(one) {
            self.mistake("map is not supported; use all, exists, exists_one or filter");
        }
        let name = one.iter_var.as_str();
        if VARIABLES.contains(&name) {
            self.mistake(format!(
                "{name} is a variable already; use another name in the loop"
            ));
        }
        self.scope.push((name, items(&range)));
        self.in_loop = true;
        for part in [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result] {
            self.part(part, depth);
        }
        self.in_loop = false;
        self.scope.pop();
        match one.accu_init.expr {
            // A filter has the items of what it filters.
            Expr::List(_) => range,
            _ => Kinds::new(),
        }
    }
}

/// Whether this is the variable `query`.
fn is_query(part: &IdedExpr) -> bool {
    matches!(&part.expr, Expr::Ident(name) if name == "query")
}

/// What stands in quotes, if this is a string.
fn text(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The kinds of what is in a list.
fn items(kinds: &Kinds) -> Kinds {
    let items = kinds.iter().map(|kind| match kind {
        Kind::List(item) => Some(*item),
        _ => None,
    });
    items.collect::<Option<Kinds>>().unwrap_or_default()
}

/// Whether a loop makes a list of other values than it goes through.
fn maps(one: &ComprehensionExpr) -> bool {
    let Expr::Call(step) = &one.loop_step.expr else {
        return false;
    };
    let added = match (step.func_name.as_str(), step.args.as_slice()) {
        (operators::CONDITIONAL, [_, added, _]) => &added.expr,
        _ => &one.loop_step.expr,
    };
    let Expr::Call(added) = added else {
        return false;
    };
    let of_list = |part: &IdedExpr| match &part.expr {
        Expr::List(list) => !matches!(
            list.elements.as_slice(),
            [IdedExpr { expr: Expr::Ident(name), .. }] if *name == one.iter_var
        ),
        _ => false,
    };
    matches!(one.accu_init.expr, Expr::List(_)) && added.args.iter().any(of_list)
}

/// Whether the result may be true or false, as far as that can be told.
fn could_be_bool(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::CONDITIONAL => call.args.iter().skip(1).all(could_be_bool),
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE
            | "size"
            | "int"
            | "string" => false,
            _ => true,
        },
        Expr::Comprehension(one) => !matches!(one.accu_init.expr, Expr::List(_)),
        Expr::List(_) => false,
        _ => true,
    }
}
