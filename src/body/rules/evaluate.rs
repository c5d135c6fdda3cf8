//! Evaluates rules on a request, within a budget, and says what was wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, FunctionContext, Value as Owned};
use regex::bytes::Regex;

use super::values::{self, MOST, MOST_TEXT, Priced};
use super::{Needs, Rule, Seen, VARIABLES};
use crate::policy::Broken;

/// How much all rules together may look through for one request, in bytes of text: each time that an
/// expression names a variable, this costs what the variable holds, in a loop once for each item. So a
/// body that is large is looked through a few times, and no body makes a loop over it quadratic.
const BUDGET: usize = 32 << 20;

/// The library's own functions, of which `check` lets only some pass.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    Env::default()
        .with_optional_support(false)
        .with_stdlib()
        .into()
});

/// The rules that a request breaks, each with its reason.
pub(super) fn broken(
    rules: &[&Rule],
    patterns: &Arc<BTreeMap<String, Regex>>,
    seen: Seen<'_>,
) -> Vec<Broken> {
    let any = |needs: fn(&Needs) -> bool| rules.iter().any(|rule| needs(&rule.needs));
    let trees = [
        ("body", seen.body, any(|needs| needs.body)),
        ("client", seen.client, true),
        ("object", seen.object, any(|needs| needs.object)),
    ];
    let mut known = vec![
        ("method", values::text(seen.method)),
        ("route", values::text(seen.route)),
    ];
    let query = seen.query.iter();
    let query = query.map(|(key, value)| (key.as_str(), value.as_str()));
    known.push(("query", values::texts(query)));
    for (name, tree, _) in trees.iter().filter(|(_, _, named)| *named) {
        // What is too large is not there, and reported where it is named.
        if let Ok(value) = values::tree(tree) {
            known.push((name, value));
        }
    }
    let known = Known {
        values: known,
        left: AtomicUsize::new(BUDGET),
        missed: AtomicUsize::new(0),
    };
    let mut context = Context::with_env(ENV.clone());
    context.set_variable_resolver(&known);
    let added = context.add_function("matches", matches(patterns.clone()));
    let judge = |rule: &&Rule| match &added {
        Ok(()) => evaluate(rule, &context, &known).err(),
        Err(_) => Some(Some("it cannot be evaluated".to_owned())),
    };
    let broken = rules.iter().filter_map(|rule| {
        let why = judge(rule)?;
        Some(Broken {
            rule: rule.name.clone(),
            why: words(rule, why.as_deref()).into(),
        })
    });
    broken.collect()
}

/// Whether a rule holds; if it does not, what was wrong, unless it just is false.
fn evaluate(
    rule: &Rule,
    context: &Context<'_, '_>,
    known: &Known<'_>,
) -> Result<(), Option<String>> {
    known.missed.store(0, Ordering::Relaxed);
    let result = Owned::resolve_val(&rule.expression, context);
    // An error does not count where the rest decides, but that something could not be looked at does.
    match known.missed.load(Ordering::Relaxed) {
        0 => {}
        TOO_LARGE => {
            let why = format!(
                "more than {MOST} values or {} MiB of text to look at",
                MOST_TEXT >> 20
            );
            return Err(Some(why));
        }
        _ => return Err(Some("too much to look through".to_owned())),
    }
    match result {
        Ok(value) => match value.downcast_ref::<CelBool>().map(|on| *on.inner()) {
            Some(true) => Ok(()),
            Some(false) => Err(None),
            None => {
                let kind = value.get_type().name();
                Err(Some(format!("the result is of type {kind}, not bool")))
            }
        },
        Err(error) => Err(Some(reason(&error))),
    }
}

/// `at most 2 GiB`; `at most 2 GiB (no field Memory)`.
fn words(rule: &Rule, why: Option<&str>) -> String {
    let text = match &*rule.told {
        "" => format!("{} is not true", rule.source),
        told => told.to_owned(),
    };
    match why {
        Some(why) => format!("{text} ({why})"),
        None => text,
    }
}

/// What an evaluation failed at. The values themselves are not shown: they may be large, and secret.
fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no field {key}"),
        ExecutionError::NoSuchOverload(overload) => {
            let name = overload.function().replace(['_', '@'], "");
            let types = overload.argument_types().join(" and ");
            format!("{name} cannot be applied to {types}")
        }
        ExecutionError::IndexOutOfBounds(_) => "no such item".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a division by zero".to_owned()
        }
        ExecutionError::UnsupportedBinaryOperator(name, ..) => {
            format!("{name} cannot be applied to such values")
        }
        ExecutionError::UnexpectedType { .. } => "a value is of another type".to_owned(),
        _ => "it cannot be evaluated".to_owned(),
    }
}

/// Why a variable was not handed out.
const TOO_LARGE: usize = 1;
const NO_BUDGET: usize = 2;

/// The variables, and what may still be looked through.
struct Known<'v> {
    values: Vec<(&'static str, Priced<'v>)>,
    left: AtomicUsize,
    /// Whether a variable was not handed out, and why.
    missed: AtomicUsize,
}

impl VariableResolver for Known<'_> {
    /// Also asked for `body.HostConfig` before `body`: a name with dots is not one of these.
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let found = self.values.iter().find(|(name, _)| *name == variable);
        let Some((_, Priced { value, price })) = found else {
            if VARIABLES.contains(&variable) {
                self.missed.store(TOO_LARGE, Ordering::Relaxed);
            }
            return None;
        };
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(*price) {
            Some(rest) => {
                self.left.store(rest, Ordering::Relaxed);
                Some(CowVal::Borrowed(&**value))
            }
            None => {
                self.missed.store(NO_BUDGET, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A function as the library calls it.
type Function = Box<
    dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError>
        + Send
        + Sync,
>;

/// `TEXT.matches("PATTERN")`, by what was compiled at start. The library would compile the pattern
/// each time.
fn matches(patterns: Arc<BTreeMap<String, Regex>>) -> Function {
    Box::new(move |call| {
        let text: Option<&CelString<'_>> = match call.this.as_deref() {
            Some(this) => this.downcast_ref(),
            None => None,
        };
        let text = text.ok_or_else(|| {
            let kind = call
                .this
                .as_deref()
                .map_or("null_type", |this| this.get_type().name());
            ExecutionError::no_such_overload("matches", vec![kind.to_owned()])
        })?;
        let pattern = call.args.first();
        let pattern = pattern.and_then(|pattern| pattern.downcast_ref::<CelString<'_>>());
        let regex = pattern.and_then(|pattern| patterns.get(pattern.inner()));
        match regex {
            Some(regex) => {
                let found = regex.is_match(text.inner().as_bytes());
                Ok(CowVal::owned(CelBool::from(found)))
            }
            None => Err(ExecutionError::function_error("matches", "unknown pattern")),
        }
    })
}
