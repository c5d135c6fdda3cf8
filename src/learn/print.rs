//! What was learned, as text: variables, regex allowlists, a profile file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::ways::{nearest, smallest};
use super::{Kind, LONGEST_OTHER, MOST_OTHERS, Place, Seen, Traits};
use crate::api::Method;
use crate::api::sections::{ACTIONS, SECTIONS};
use crate::config::{POST, REACH};
use crate::policy::Notation;

/// Everything is YAML or profile lines; all else is a comment in both.
pub(super) fn report(seen: &Seen, home: Home<'_>, more: &str) -> String {
    let mut text = String::new();
    let _ = write_report(&mut text, seen, home, more); // writing to a String cannot fail
    text
}

/// Where the variables of what is printed belong.
#[derive(Clone, Copy, Debug)]
pub enum Home<'a> {
    /// The environment, where some have other defaults than 0.
    Environment,
    /// The policy of this name in a file.
    File(&'a str),
}

impl Home<'_> {
    /// Writes lines `NAME: value` to be pasted there, and comments.
    fn write(self, text: &mut String, lines: &[String]) -> std::fmt::Result {
        let is_comment = |line: &String| line.starts_with('#');
        let indent = match self {
            Home::Environment => {
                writeln!(text, "environment:")?;
                "  "
            }
            Home::File(name) => {
                let nothing = if lines.iter().all(is_comment) {
                    " {}"
                } else {
                    ""
                };
                writeln!(text, "policies:\n  {name}:{nothing}")?;
                "    "
            }
        };
        for line in lines {
            let indent = if is_comment(line) { "" } else { indent };
            writeln!(text, "{indent}{line}")?;
        }
        Ok(())
    }

    /// A value in single quotes. In a compose file `$` begins a variable.
    fn quoted(self, value: &str) -> String {
        let value = value.replace('\'', "''");
        match self {
            Home::Environment => format!("'{}'", value.replace('$', "$$")),
            Home::File(_) => format!("'{value}'"),
        }
    }

    /// Whether such a value says something here. In a file every default is 0.
    fn needs(self, value: u8) -> bool {
        value != 0 || matches!(self, Home::Environment)
    }
}

fn write_report(text: &mut String, seen: &Seen, home: Home<'_>, more: &str) -> std::fmt::Result {
    let Seen {
        kinds,
        requests,
        left_out,
        wanted,
    } = seen;
    if *requests == 0 {
        return writeln!(text, "# Nothing was learned: no requests{more}.");
    }
    let places = places(kinds);
    writeln!(text, "# Learned from {requests} requests{more}.")?;
    if *left_out > 0 {
        writeln!(
            text,
            "# {left_out} of them are NOT covered: dockgate keeps at most {MOST_OTHERS} unknown paths, \
             each of at most {LONGEST_OTHER} bytes."
        )?;
    }
    let named = kinds.iter().any(|(kind, traits)| {
        kind.ways.is_empty() || decoded(&kind.place).is_none() || traits.unfit
    });
    writeln!(
        text,
        "# Each of these allows {}{}.",
        if *left_out > 0 {
            "the others"
        } else {
            "all of them"
        },
        if named { ", except those it names" } else { "" }
    )?;
    writeln!(text, "#\n# 1. Variables:")?;
    let chosen = smallest(kinds.keys());
    let variables = environment(&chosen).filter(|(_, value)| home.needs(*value));
    let mut lines: Vec<String> = variables.map(set).collect();
    let without = || kinds.keys().filter(|kind| kind.ways.is_empty());
    lines.extend(without().map(|kind| {
        let readable = readable(kind.method, &kind.place);
        format!("# no section or action covers {readable}")
    }));
    home.write(text, &lines)?;
    write!(text, "#\n# 2. Regex allowlists")?;
    lines.clear();
    match home {
        Home::Environment => {
            let replace = " (replace 0.0.0.0/0 with the client's name or network):";
            writeln!(text, "{replace}")?;
            lines.extend(REACH.map(|(name, value)| format!("{name}: '{value}'")));
        }
        Home::File(_) => writeln!(text, ":")?,
    }
    let mut counts = BTreeMap::new();
    for (method, place) in places.keys() {
        let Some(pattern) = decoded(place) else {
            let readable = readable(*method, place);
            lines.push(format!("# no pattern matches non-ASCII bytes: {readable}"));
            continue;
        };
        let count = counts
            .entry(method)
            .and_modify(|count| *count += 1)
            .or_insert(1);
        let number = if *count > 1 {
            format!("_{count}")
        } else {
            String::new()
        };
        lines.push(format!("SP_ALLOW_{method}{number}: '{pattern}'"));
    }
    home.write(text, &lines)?;
    writeln!(text, "#\n# 3. A profile file:")?;
    for ((method, place), traits) in &places {
        if traits.unfit {
            let readable = readable(*method, place);
            writeln!(
                text,
                "# no profile line matches a form body, or unnecessary or missing escapes: {readable}"
            )?;
        }
        if traits.plain || traits.escaped {
            let query = if traits.query { r"(\?.*)?" } else { "" };
            writeln!(text, "{method} {}{query}", raw(place, traits.escaped))?;
        }
    }
    if let Some(near) = nearest(kinds.keys()) {
        let unused = match near.unused.as_slice() {
            [] => String::new(),
            some => format!(" (unused: {})", some.join(" ")),
        };
        writeln!(
            text,
            "#\n# 4. The nearest preset, with what it lacks{unused}:"
        )?;
        let mut lines = vec![format!("PRESET: {}", near.preset.name)];
        // On its own, a preset does not bring the variables' defaults.
        let own = |name: &str| near.preset.pieces().any(|piece| piece.name() == name);
        let more = environment(&near.lacks).filter(|_| !near.lacks.is_empty());
        let more = more.filter(|(name, value)| *value == 1 || !own(name) && home.needs(*value));
        lines.extend(more.map(set));
        lines.extend(without().map(|kind| {
            let readable = readable(kind.method, &kind.place);
            format!("# no preset grants {readable}")
        }));
        home.write(text, &lines)?;
    }
    let limits = wanted.lines(|value| home.quoted(value));
    if !limits.is_empty() {
        writeln!(
            text,
            "#\n# 5. Besides one of these, what bodies and images may be:"
        )?;
        home.write(text, &limits)?;
    }
    writeln!(text, "# End of what was learned.")
}

/// Methods and places, whatever allows them.
fn places(kinds: &BTreeMap<Kind, Traits>) -> BTreeMap<(Method, &Place), Traits> {
    let mut places: BTreeMap<_, Traits> = BTreeMap::new();
    for (kind, traits) in kinds {
        let place = places.entry((kind.method, &kind.place)).or_default();
        place.add(*traits);
    }
    places
}

/// What to set: the narrowest first, then the unused defaults as 0.
fn environment<'a>(
    chosen: &'a BTreeSet<&'a str>,
) -> impl Iterator<Item = (&'static str, u8)> + use<'a> {
    let granted = |name: &&'static str| chosen.contains(*name);
    let actions = ACTIONS.iter().map(|action| action.allow).filter(granted);
    let sections = SECTIONS.iter().filter_map(move |section| {
        let is = chosen.contains(section.name);
        (is || section.default).then_some((section.name, u8::from(is)))
    });
    let post = [POST].into_iter().filter(granted);
    let one = |name| (name, 1);
    actions.map(one).chain(sections).chain(post.map(one))
}

fn set((variable, value): (&str, u8)) -> String {
    Notation::File.set(variable, value) // Compose's environment is YAML too
}

/// A request's kind on one line of a comment.
pub(super) fn readable(method: Method, place: &Place) -> String {
    let path = match place {
        Place::Known(path) => (*path).to_owned(),
        Place::Other(path) => path.escape_ascii().to_string(),
    };
    format!("{method} {path}")
}

/// A pattern for the decoded path, if there is one.
fn decoded(place: &Place) -> Option<String> {
    let path = match place {
        Place::Known(path) => of_route(path, ""),
        Place::Other(path) if !path.is_ascii() => return None,
        Place::Other(path) => path[1..].iter().map(|byte| literal(*byte)).collect(),
    };
    Some(format!("{VERSION}{path}"))
}

/// A pattern for the path as sent, with escapes if a client sent any.
fn raw(place: &Place, escaped: bool) -> String {
    let path = match place {
        Place::Known(path) => of_route(path, if escaped { "|%3[Aa]|%40" } else { "" }),
        Place::Other(path) => path[1..]
            .iter()
            .map(|byte| {
                let unescaped = byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
                let letters = |digit: u8| match digit {
                    0..10 => format!("{digit}"),
                    _ => format!("[{digit:X}{digit:x}]"),
                };
                let escape = format!("%{}{}", letters(byte >> 4), letters(byte & 15));
                match () {
                    () if unescaped || !escaped => literal(*byte),
                    // What a path may contain unescaped.
                    () if b"!$&'()*+,;=:@[]".contains(byte) => {
                        format!("({}|{escape})", literal(*byte))
                    }
                    () => escape,
                }
            })
            .collect(),
    };
    format!("{VERSION}{path}")
}

/// With the leading slash, which a profile line requires.
const VERSION: &str = "/(v[0-9.]+/)?";

/// A pattern for a route's path, without its first slash; `more` is what else a name may contain.
fn of_route(path: &str, more: &str) -> String {
    let segments = path[1..].split('/').map(|segment| {
        let letters = match segment {
            _ if !segment.starts_with('{') => return segment.bytes().map(literal).collect(),
            _ if segment.ends_with("...}") => "[a-zA-Z0-9_.:@-]",
            _ => return "[a-zA-Z0-9_.-]+".to_owned(),
        };
        let part = match more {
            "" => format!("{letters}+"),
            more => format!("({letters}{more})+"),
        };
        format!("{part}(/{part})*")
    });
    segments.collect::<Vec<String>>().join("/")
}

/// One byte as a pattern that is safe in single quotes in a compose file, where `$` begins a
/// variable.
fn literal(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        b'/' | b'_' | b'-' | b'~' | b'%' | b':' | b'@' | b',' | b'=' => {
            char::from(byte).to_string()
        }
        b'.' | b'+' | b'*' | b'(' | b')' | b'[' | b']' => format!("\\{}", char::from(byte)),
        _ => format!("\\x{byte:02x}"),
    }
}
