//! Routes: `METHOD /path`, as the source of the `Route`s that they are at run time.

use std::fmt::Write as _;

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
                Err(what) => self.mistake(route, &what),
            }
        }
        rust
    }

    /// The section in which the routes of a hole lie; else they would be holes in nothing.
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
                None => self.mistake(route, "lies below no section's path"),
                Some(name) if !found.is_empty() && found != *name => {
                    self.mistake(route, "lies in another section than the one before it");
                }
                Some(name) => found.clone_from(name),
            }
        }
        found
    }
}

pub(super) fn parse_route(text: &str, any_method: bool) -> Result<String, String> {
    let methods = ["Get", "Head", "Post", "Put", "Delete", "Patch", "Options"];
    let (method, path) = text
        .split_once(" /")
        .ok_or_else(|| format!("{text:?} is no route: write METHOD /path"))?;
    let method = match methods.iter().find(|known| known.to_uppercase() == method) {
        Some(known) => format!("Some(Method::{known})"),
        None if method == "*" && any_method => "None".to_owned(),
        None => {
            return Err(format!(
                "{method:?} is no method of the Docker API that fits here"
            ));
        }
    };
    let mut steps = String::new();
    for (position, segment) in path.split('/').enumerate() {
        let placeholder = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match placeholder.map(|name| (name.strip_suffix("..."), name)) {
            None if is_literal(segment) => {
                write!(steps, "Step::Literal({segment:?}),").map_err(|error| error.to_string())?;
            }
            Some((Some(name), _)) if position > 0 && is_word(name) => {
                steps.push_str("Step::Names,");
            }
            Some((None, name)) if position > 0 && is_word(name) => steps.push_str("Step::Id,"),
            Some((None, name)) if position > 0 && name.strip_suffix('!').is_some_and(is_word) => {
                steps.push_str("Step::One,");
            }
            _ => {
                return Err(format!(
                    "{segment:?} is no segment: write letters, {{id}}, {{id!}} or {{name...}}, letters first"
                ));
            }
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
