//! Where in a body a value stands, as a message says it, and the walk to all values at such places.

use std::fmt::{self, Display, Formatter, Write};

use super::Value;

/// A place in a body: `HostConfig.Binds[0]`, `Labels["com.example"]`. It lives on the stack of
/// the walk that is there.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a>(Option<(&'a Path<'a>, Step<'a>)>);

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// So many characters of a key are shown.
const SHOWN: usize = 64;
/// Most places take no more bytes.
const USUAL: usize = 64;

impl<'a> Path<'a> {
    /// The whole body.
    pub const ROOT: Path<'static> = Path(None);

    /// The value of a key of the object here.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path(Some((self, Step::Key(key))))
    }

    /// An item of the list here.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path(Some((self, Step::Index(index))))
    }

    /// As a message says it.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(USUAL);
        self.append_to(&mut text);
        text
    }

    fn append_to(&self, text: &mut String) {
        let Some((above, step)) = self.0 else {
            return;
        };
        above.append_to(text);
        // A string takes everything.
        let _ = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) if plain(key) => {
                if above.0.is_some() {
                    text.push('.');
                }
                text.push_str(key);
                Ok(())
            }
            Step::Key(key) => match key.char_indices().nth(SHOWN) {
                Some((end, _)) => write!(text, "[{:?}…]", &key[..end]),
                None => write!(text, "[{key:?}]"),
            },
        };
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Whether it may stand without quotes.
fn plain(key: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !key.is_empty() && key.len() <= SHOWN && key.bytes().all(word)
}

impl Value {
    /// Each value at a place such as `HostConfig.Mounts[].Source` or
    /// `NetworkingConfig.EndpointsConfig{}.Aliases[]`: `[]` stands for all items of a list, `{}`
    /// for all values of a map. What is absent or null is not visited.
    pub fn each(&self, places: &str, visit: &mut impl FnMut(&Path<'_>, &Value)) {
        each(self, places, &Path::ROOT, visit);
    }

    /// The same, to be edited.
    pub fn each_mut(&mut self, places: &str, visit: &mut impl FnMut(&Path<'_>, &mut Value)) {
        each_mut(self, places, &Path::ROOT, visit);
    }
}

/// The next step of a place, and what is behind it.
enum Next<'a> {
    Here,
    Items(&'a str),
    Values(&'a str),
    Field(&'a str, &'a str),
}

fn next(places: &str) -> Next<'_> {
    let places = places.strip_prefix('.').unwrap_or(places);
    if let Some(rest) = places.strip_prefix("[]") {
        return Next::Items(rest);
    }
    if let Some(rest) = places.strip_prefix("{}") {
        return Next::Values(rest);
    }
    match places.find(['.', '[', '{']).unwrap_or(places.len()) {
        0 => Next::Here,
        end => Next::Field(&places[..end], &places[end..]),
    }
}

fn each(value: &Value, places: &str, path: &Path<'_>, visit: &mut impl FnMut(&Path<'_>, &Value)) {
    match (next(places), value) {
        (_, Value::Null) => {}
        (Next::Here, value) => visit(path, value),
        (Next::Items(rest), Value::List(list)) => {
            for (index, item) in list.iter().enumerate() {
                each(item, rest, &path.index(index), visit);
            }
        }
        (Next::Values(rest), Value::Object(object)) => {
            for (key, value) in object.iter() {
                each(value, rest, &path.key(key), visit);
            }
        }
        (Next::Field(key, rest), Value::Object(object)) => {
            if let Some(value) = object.get(key) {
                each(value, rest, &path.key(key), visit);
            }
        }
        _ => {}
    }
}

fn each_mut(
    value: &mut Value,
    places: &str,
    path: &Path<'_>,
    visit: &mut impl FnMut(&Path<'_>, &mut Value),
) {
    match (next(places), value) {
        (_, Value::Null) => {}
        (Next::Here, value) => visit(path, value),
        (Next::Items(rest), Value::List(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                each_mut(item, rest, &path.index(index), visit);
            }
        }
        (Next::Values(rest), Value::Object(object)) => {
            for (key, value) in object.iter_mut() {
                each_mut(value, rest, &path.key(key), visit);
            }
        }
        (Next::Field(key, rest), Value::Object(object)) => {
            if let Some(value) = object.get_mut(key) {
                each_mut(value, rest, &path.key(key), visit);
            }
        }
        _ => {}
    }
}
