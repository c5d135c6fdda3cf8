//! One YAML document as a tree in which each node knows its line.
//!
//! Stricter than YAML, so that a file means what it looks like: no tags, no merge keys, no second
//! document, no key twice, nothing invisible. Aliases are expanded within the same bounds as what is
//! written out. Scalars keep their text: `1`, `"1"` and `0x1` are different texts and nothing else.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::RangeInclusive;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::policy::printable;

/// The largest document, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// So deep may a document be nested.
const MAX_DEPTH: usize = 16;
/// So many nodes may it have, those of expanded aliases included.
const MAX_NODES: usize = 10_000;

/// A value, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Node {
    pub(in crate::config) line: usize,
    pub(in crate::config) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Value {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// What a problem was reported for: nothing more needs to be said about it.
    Refused,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) line: usize,
    pub(in crate::config) value: Node,
}

impl Node {
    /// Whether nothing is written where a value belongs.
    pub(in crate::config) fn is_null(&self) -> bool {
        let nulls = ["", "~", "null", "Null", "NULL"];
        matches!(&self.value, Value::Scalar { text, plain: true } if nulls.contains(&&**text))
    }
}

/// What is wrong with a document, on which line, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) help: String,
}

impl Problem {
    fn new(line: usize, what: impl Into<String>, help: impl Into<String>) -> Problem {
        let (what, help) = (what.into(), help.into());
        Problem { line, what, help }
    }
}

/// Reads a document. `None` is one without content. With problems there may still be a tree, in
/// which others can be found.
pub(super) fn parse(bytes: &[u8]) -> (Option<Node>, Vec<Problem>) {
    let mut builder = Builder::default();
    let root = text(bytes).and_then(|text| builder.build(text));
    match root {
        Ok(root) => (root, builder.problems),
        Err(fatal) => {
            builder.problems.push(fatal);
            (None, builder.problems)
        }
    }
}

/// The bytes as text in which everything can be seen.
fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let line_at = |at: usize| 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    if bytes.len() > MAX_BYTES {
        let help = "split it into the files of a CONFIG_DIR";
        return Err(Problem::new(1, "the file is larger than 1 MiB", help));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = line_at(error.valid_up_to());
        Problem::new(line, "the text is not UTF-8", "save the file as UTF-8")
    })?;
    // Editors of Windows begin a file with it.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some((at, letter)) = hidden(body) else {
        return Ok(body);
    };
    let line = line_at(text.len() - body.len() + at);
    Err(match letter {
        '\r' => {
            let what = "carriage return without a line feed";
            Problem::new(line, what, "end lines with LF or CRLF")
        }
        _ => {
            let what = format!(
                "invisible character U+{:04X} is not allowed",
                u32::from(letter)
            );
            let help = "remove it; in a double-quoted value it can be written as an escape";
            Problem::new(line, what, help)
        }
    })
}

/// The first character that makes a text mean something else than it looks like, and where it is.
fn hidden(text: &str) -> Option<(usize, char)> {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        // For YAML, it ends a line, and a comment, also where an editor shows that the line goes on.
        let is_lone = letter == '\r' && letters.peek().is_none_or(|(_, next)| *next != '\n');
        if is_lone || is_hidden(letter) {
            return Some((at, letter));
        }
    }
    None
}

/// What YAML does not allow, what some readers take for the end of a line or of the file, what shows
/// text in another order than it has, and what is not shown at all.
fn is_hidden(letter: char) -> bool {
    if matches!(letter, '\t' | '\n' | '\r') {
        return false;
    }
    let is_in = |range: &RangeInclusive<char>| range.contains(&letter);
    letter.is_control() || HIDDEN.iter().any(is_in)
}

/// Unicode's Default_Ignorable_Code_Point, among which are the controls of direction; the separators
/// of lines and paragraphs, interlinear annotations, and the noncharacters that YAML forbids.
const HIDDEN: [RangeInclusive<char>; 18] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{fffe}'..='\u{ffff}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// A node with what it counts for where it is expanded.
#[derive(Clone, Debug)]
struct Built {
    node: Node,
    /// Itself included.
    nodes: usize,
    /// Of its texts.
    bytes: usize,
    /// Of what is in it: a scalar has none.
    depth: usize,
}

/// A list or map that has not ended.
#[derive(Debug)]
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The line of each key.
        seen: HashMap<String, usize>,
        /// The key whose value comes next; without a name if it is refused.
        key: Option<(usize, Option<String>)>,
    },
}

#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Built>>,
    nodes: usize,
    expanded_bytes: usize,
    root: Option<Node>,
    problems: Vec<Problem>,
}

impl Builder {
    /// The root. An error is one after which nothing more can be read.
    fn build(&mut self, text: &str) -> Result<Option<Node>, Problem> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| invalid(text, &error))?;
            let line = line(&span);
            match event {
                Event::DocumentStart(_) if documents == 1 => {
                    let help = "remove the --- line, or move what follows into another file";
                    return Err(Problem::new(line, "second document in one file", help));
                }
                Event::DocumentStart(_) => documents += 1,
                Event::Scalar(text, style, anchor, tag) => {
                    let value = Value::Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain,
                    };
                    let value = self.untagged(line, tag.as_deref(), value);
                    let bytes = match &value {
                        Value::Scalar { text, .. } => text.len(),
                        _ => 0,
                    };
                    self.count(line, 1)?;
                    self.add(Built::new(line, value, 1, bytes, 0), anchor)?;
                }
                Event::Alias(anchor) => self.expand(line, anchor)?,
                Event::SequenceStart(anchor, tag) => {
                    self.untagged(line, tag.as_deref(), Value::Refused);
                    self.start(line, anchor, Content::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.untagged(line, tag.as_deref(), Value::Refused);
                    let content = Content::Map {
                        entries: Vec::new(),
                        seen: HashMap::new(),
                        key: None,
                    };
                    self.start(line, anchor, content)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(self.root.take())
    }

    /// The value, unless it has a tag.
    fn untagged(&mut self, line: usize, tag: Option<&Tag>, value: Value) -> Value {
        let Some(tag) = tag else {
            return value;
        };
        let handle = if tag.is_yaml_core_schema() {
            "!!"
        } else {
            &*tag.handle
        };
        let tag = format!("{handle}{}", tag.suffix);
        let what = format!("tag {} is not supported", printable(&tag));
        self.problems
            .push(Problem::new(line, what, "remove the tag"));
        Value::Refused
    }

    fn count(&mut self, line: usize, nodes: usize) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let what = format!("more than {MAX_NODES} values, expanded aliases included");
        let help = "reduce the aliases, or split the file into those of a CONFIG_DIR";
        Err(Problem::new(line, what, help))
    }

    /// A bound for what is `depth` deep by itself.
    fn nest(&self, line: usize, depth: usize) -> Result<(), Problem> {
        if self.open.len() + depth <= MAX_DEPTH {
            return Ok(());
        }
        let what = format!("nested more than {MAX_DEPTH} levels deep");
        let help = "a policy needs 3 levels; check the brackets and the indentation";
        Err(Problem::new(line, what, help))
    }

    fn start(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), Problem> {
        self.nest(line, 1)?;
        self.count(line, 1)?;
        self.open.push(Open {
            line,
            anchor,
            content,
            nodes: 1,
            bytes: 0,
            depth: 1,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let built = Built::new(open.line, value, open.nodes, open.bytes, open.depth);
        self.add(built, open.anchor)
    }

    /// What an alias stands for, with the lines on which that is written.
    fn expand(&mut self, line: usize, anchor: usize) -> Result<(), Problem> {
        let Some(built) = self.anchors.get(&anchor).map(Rc::clone) else {
            let what = "an alias cannot stand inside the value that it repeats";
            return Err(Problem::new(line, what, "repeat the value itself"));
        };
        self.nest(line, built.depth)?;
        self.count(line, built.nodes)?;
        self.expanded_bytes += built.bytes;
        if self.expanded_bytes > MAX_BYTES {
            let what = "aliases repeat more than 1 MiB of text";
            return Err(Problem::new(line, what, "reduce the aliases"));
        }
        self.add(Built::clone(&built), 0)
    }

    /// Puts a node where it belongs.
    fn add(&mut self, built: Built, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::new(built.clone()));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        open.nodes += built.nodes;
        open.bytes += built.bytes;
        open.depth = open.depth.max(built.depth + 1);
        match &mut open.content {
            Content::List(items) => items.push(built.node),
            Content::Map { entries, seen, key } => match key.take() {
                Some((line, Some(key))) => entries.push(Entry {
                    key,
                    line,
                    value: built.node,
                }),
                Some((_, None)) => {}
                None => {
                    let line = built.node.line;
                    let name = named(built.node, seen).map_err(|problem| {
                        self.problems.extend(problem);
                    });
                    *key = Some((line, name.ok()));
                }
            },
        }
        Ok(())
    }
}

impl Built {
    fn new(line: usize, value: Value, nodes: usize, bytes: usize, depth: usize) -> Built {
        Built {
            node: Node { line, value },
            nodes,
            bytes,
            depth,
        }
    }
}

/// A key's name, if it is one that was not there before.
fn named(key: Node, seen: &mut HashMap<String, usize>) -> Result<String, Option<Problem>> {
    let line = key.line;
    let name = match key.value {
        Value::Refused => return Err(None),
        Value::Scalar { plain: true, text } if text == "<<" => {
            let help = "repeat the keys, or use an alias for the whole value";
            let problem = Problem::new(line, "merge key << is not supported", help);
            return Err(Some(problem));
        }
        Value::Scalar { text, .. } => text,
        Value::List(_) | Value::Map(_) => {
            let help = "check the brackets and the indentation";
            return Err(Some(Problem::new(line, "a key must be a name", help)));
        }
    };
    match seen.entry(name) {
        Slot::Vacant(slot) => {
            let name = slot.key().clone();
            slot.insert(line);
            Ok(name)
        }
        Slot::Occupied(first) => {
            let what = format!(
                "duplicate key {}, which line {} has already",
                printable(first.key()),
                first.get()
            );
            Err(Some(Problem::new(line, what, "remove one of them")))
        }
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}

fn invalid(text: &str, error: &ScanError) -> Problem {
    let info: String = error.info().chars().filter(|c| !c.is_control()).collect();
    let help = "check the indentation, brackets and quotes there";
    // What ends too early is wrong behind the last line.
    let text = text.trim_end();
    let line = error.marker().line().min(1 + text.matches('\n').count());
    Problem::new(line, format!("invalid YAML: {info}"), help)
}

#[cfg(test)]
mod tests;
