//! Routes: `METHOD /path`, as the source of their run-time `Route`s.

use std::fmt;

use toml::Spanned;

use super::check::Check;
use super::table::{Section, below};

impl Check<'_> {
    /// The routes as the source of `Route`s.
    pub(super) fn routes(
        &mut self,
        routes: &Spanned<Vec<Spanned<String>>>,
        any_method: bool,
    ) -> String {
        self.not_empty(routes);
        let mut rust = String::new();
        for route in routes.get_ref() {
            match parse_route(route.get_ref(), any_method) {
                Ok(source) => rust.push_str(&source),
                Err(what) => self.mistake(route, &what.to_string()),
            }
        }
        rust
    }

    /// The one section in which the routes of a requirement lie.
    pub(super) fn section_of(
        &mut self,
        routes: &Spanned<Vec<Spanned<String>>>,
        sections: &[Section],
    ) -> String {
        let mut found = String::new();
        for route in routes.get_ref() {
            let path = route.get_ref().split_once(' ').map_or("", |(_, path)| path);
            let own = sections.iter().find(|section| {
                section
                    .paths
                    .get_ref()
                    .iter()
                    .any(|own| below(path, own.get_ref()))
            });
            match own.map(|section| section.name.get_ref()) {
                None => self.mistake(route, "not below the path of any section"),
                Some(name) if !found.is_empty() && found != *name => {
                    self.mistake(route, "not in the same section as the route before it");
                }
                Some(name) => found.clone_from(name),
            }
        }
        found
    }
}

/// Why a route is invalid.
pub(super) enum BadRoute<'a> {
    Form(&'a str),
    Method(&'a str),
    Segment(&'a str),
}

impl fmt::Display for BadRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRoute::Form(text) => write!(f, "invalid route {text:?}: must be METHOD /path"),
            BadRoute::Method(method) => {
                write!(f, "method {method:?} is unknown or not allowed here")
            }
            BadRoute::Segment(segment) => write!(
                f,
                "invalid segment {segment:?}: must be a literal, {{id}}, {{id!}} or {{name...}}, \
                 and the first one a literal"
            ),
        }
    }
}

pub(super) fn parse_route(text: &str, any_method: bool) -> Result<String, BadRoute<'_>> {
    let methods = ["Get", "Head", "Post", "Put", "Delete", "Patch", "Options"];
    let (method, path) = text.split_once(" /").ok_or(BadRoute::Form(text))?;
    let method = match methods.iter().find(|known| known.to_uppercase() == method) {
        Some(known) => format!("Some(Method::{known})"),
        None if method == "*" && any_method => "None".to_owned(),
        None => return Err(BadRoute::Method(method)),
    };
    let mut steps = String::new();
    for (position, segment) in path.split('/').enumerate() {
        let placeholder = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match placeholder.map(|name| (name.strip_suffix("..."), name)) {
            None if is_literal(segment) => {
                steps += &format!("Step::Literal({segment:?}),");
            }
            Some((Some(name), _)) if position > 0 && is_word(name) => {
                steps.push_str("Step::Names,");
            }
            Some((None, name)) if position > 0 && is_word(name) => steps.push_str("Step::Id,"),
            Some((None, name)) if position > 0 && name.strip_suffix('!').is_some_and(is_word) => {
                steps.push_str("Step::One,");
            }
            _ => return Err(BadRoute::Segment(segment)),
        }
    }
    let text = text.replace("!}", "}");
    Ok(format!(
        "Route {{ text: {text:?}, method: {method}, steps: &[{steps}] }},"
    ))
}

pub(super) fn is_literal(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}
