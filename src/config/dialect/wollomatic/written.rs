//! Routes as regex allowlists would write them.

use std::collections::BTreeMap;

use crate::api::Method;
use crate::api::sections::{Route, Step};

/// One pattern per method, for all of its routes, with and without an API version.
pub fn patterns<'a>(routes: impl IntoIterator<Item = &'a Route>) -> BTreeMap<Method, String> {
    let mut paths: BTreeMap<Method, Vec<String>> = BTreeMap::new();
    for route in routes {
        for method in Method::ALL {
            if route.method.is_none_or(|own| own == method) {
                paths.entry(method).or_default().push(path(route));
            }
        }
    }
    let whole = |paths: Vec<String>| format!("(/v[0-9.]+)?({})", paths.join("|"));
    let patterns = paths.into_iter();
    patterns
        .map(|(method, paths)| (method, whole(paths)))
        .collect()
}

/// As an allow means it: `{id}` is one segment.
fn path(route: &Route) -> String {
    let segments = route.steps.iter().map(|step| match step {
        Step::Literal(literal) => literal.replace('.', r"\."),
        Step::Id | Step::One => "[a-zA-Z0-9_.-]+".to_owned(),
        Step::Names => "[a-zA-Z0-9_.:@-]+(/[a-zA-Z0-9_.:@-]+)*".to_owned(),
    });
    segments.fold(String::new(), |path, segment| path + "/" + &segment)
}
