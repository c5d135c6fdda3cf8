//! The images that a Dockerfile uses, and whether it sets a label of dockgate, as the classic builder reads it.
//!
//! That is: each `FROM`, and each `COPY --from`, that is no earlier stage. What versions of the
//! builder read differently is refused, and so is what it cannot do without BuildKit. What is found
//! may be more than what is built: a stage that is not the target counts too.
//!
//! From moby's `builder/dockerfile` and buildkit's `frontend/dockerfile/parser`: comments may stand
//! between continued lines; a stage's own name is known only behind it; `--from` is not expanded.
//! An indented comment there is skipped by most versions, but ends the instruction for some: the images
//! of both readings count.

mod labels;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::reach::{Claim, What};
use crate::api::fields::Reach;
pub use labels::Label;
use labels::{labels, sets_own_label};

/// The engine refuses longer lines.
const LONGEST_LINE: usize = 65_535;

/// The values of `--build-arg`. Null is a variable that is not set.
pub type BuildArgs = BTreeMap<String, Option<String>>;

/// An instruction that no version of the builder knows: it refuses the whole Dockerfile.
const UNKNOWN: &str = "has an unknown instruction";

/// What an indented comment between continued lines is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indented {
    Comment,
    /// The rest of the instruction.
    Text,
}

/// What counts of a Dockerfile.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The images that it uses, as claims: `Dockerfile line 3`.
    pub images: Vec<Claim>,
    /// The first instruction that sets a label of dockgate, or could.
    pub label: Option<Refusal>,
    /// What it could set as labels.
    pub labels: Vec<Label>,
}

/// What counts of a Dockerfile.
pub fn contents(text: &[u8], args: &BuildArgs) -> Result<Contents, Refusal> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    in_each_reading(|indented| {
        let mut reading = Reading::new(args);
        for (line, instruction) in logical_lines(text, indented)? {
            reading.line = line;
            reading.instruction(&instruction)?;
        }
        Ok(reading.contents)
    })
}

/// The same of the `ONBUILD` instructions of a base image, from its inspect.
pub fn triggers<'a>(triggers: impl Iterator<Item = &'a str>) -> Result<Contents, Refusal> {
    let args = BuildArgs::new();
    let mut all = Contents::default();
    // The engine reads each when it comes to it.
    for (index, trigger) in triggers.enumerate() {
        let own = in_each_reading(|indented| {
            let mut reading = Reading::new(&args);
            reading.line = index + 1;
            for (_, instruction) in logical_lines(trigger.as_bytes(), indented)? {
                reading.triggered(&instruction)?;
            }
            Ok(reading.contents)
        })?;
        all.images.extend(own.images);
        all.label = all.label.or(own.label);
        all.labels.extend(own.labels);
    }
    Ok(all)
}

/// What counts in any reading. In one that no builder takes, nothing does.
fn in_each_reading(
    read: impl Fn(Indented) -> Result<Contents, Refusal>,
) -> Result<Contents, Refusal> {
    let mut all = read(Indented::Comment)?;
    match read(Indented::Text) {
        Ok(more) => {
            let new: Vec<Claim> = more
                .images
                .into_iter()
                .filter(|one| !all.images.contains(one))
                .collect();
            all.images.extend(new);
            all.label = all.label.or(more.label);
            all.labels.extend(more.labels);
        }
        Err(Refusal { why: UNKNOWN, .. }) => {}
        Err(refusal) => return Err(refusal),
    }
    Ok(all)
}

/// Why a Dockerfile is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: usize,
    /// What it has.
    pub why: &'static str,
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Dockerfile line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Refusal {}

/// Each instruction with the line that it begins in, its continued lines joined.
fn logical_lines(text: &[u8], indented: Indented) -> Result<Vec<(usize, String)>, Refusal> {
    let mut instructions = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let refuse = |why| Refusal {
            line: index + 1,
            why,
        };
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let line = str::from_utf8(bytes).map_err(|_| refuse("is not valid UTF-8"))?;
        if line.len() > LONGEST_LINE {
            return Err(refuse("is too long"));
        }
        if line.contains(|letter: char| letter.is_control() && letter != '\t') {
            return Err(refuse("has a control character"));
        }
        let start = line.trim_start();
        if let Some(comment) = start.strip_prefix('#') {
            if sets_escape(comment) {
                return Err(refuse("sets another escape character"));
            }
            let is_text = indented == Indented::Text && start.len() < line.len();
            if open.is_none() || !is_text {
                continue;
            }
        }
        if start.is_empty() {
            continue;
        }
        let end = line.trim_end_matches([' ', '\t']);
        if end.ends_with("\\\\") {
            return Err(refuse(
                "ends with two backslashes, which versions read differently",
            ));
        }
        let continued = end.strip_suffix('\\');
        let (first, mut whole) = open.take().unwrap_or((index + 1, String::new()));
        whole.push_str(continued.unwrap_or(line));
        match continued {
            Some(_) => open = Some((first, whole)),
            None => instructions.push((first, whole)),
        }
    }
    instructions.extend(open);
    instructions.retain(|(_, whole)| !whole.trim().is_empty());
    Ok(instructions)
}

/// Whether a comment is, or could be, the directive for another escape character than `\`.
fn sets_escape(comment: &str) -> bool {
    let lower = comment.trim().to_ascii_lowercase();
    let value = lower.strip_prefix("escape").map(str::trim_start);
    value
        .and_then(|value| value.strip_prefix('='))
        .is_some_and(|value| value.trim() != "\\")
}

struct Reading<'a> {
    args: &'a BuildArgs,
    /// What is declared by `ARG` before the first `FROM`.
    variables: BTreeMap<String, Variable>,
    /// The names of the stages that are complete.
    stages: Vec<Option<String>>,
    /// The name of the stage that is read.
    current: Option<Option<String>>,
    contents: Contents,
    line: usize,
}

/// A variable that `FROM` may name.
enum Variable {
    Is(String),
    Unset,
    /// It has a value that is not understood.
    Unclear,
}

impl Reading<'_> {
    fn new(args: &BuildArgs) -> Reading<'_> {
        Reading {
            args,
            variables: BTreeMap::new(),
            stages: Vec::new(),
            current: None,
            contents: Contents::default(),
            line: 0,
        }
    }

    fn refuse<T>(&self, why: &'static str) -> Result<T, Refusal> {
        Err(Refusal {
            line: self.line,
            why,
        })
    }

    fn image(&mut self, image: &str) {
        self.contents.images.push(Claim {
            path: format!("Dockerfile line {}", self.line),
            value: image.to_owned(),
            reach: Reach::SUPPLY,
            what: What::Image(image.to_owned()),
            unsettled: false,
        });
    }

    fn instruction(&mut self, line: &str) -> Result<(), Refusal> {
        let (name, rest) = self.split(line)?;
        match name.as_str() {
            "from" => self.from(rest),
            "arg" if self.current.is_none() => self.arg(rest),
            _ if self.current.is_none() => self.refuse("has an instruction before the first FROM"),
            "copy" => {
                if let Some(from) = self.copied_from(rest)? {
                    self.stage_or_image(from)?;
                }
                Ok(())
            }
            "onbuild" if rest.starts_with("--") => self.refuse("has an option of ONBUILD"),
            "onbuild" => self.triggered(rest),
            _ => self.other(&name, rest),
        }
    }

    /// An instruction that is done in a later build, where other stages have names.
    fn triggered(&mut self, line: &str) -> Result<(), Refusal> {
        let (name, rest) = self.split(line)?;
        match name.as_str() {
            "from" | "onbuild" | "maintainer" => self.refuse("has no trigger"),
            "copy" => {
                if let Some(from) = self.copied_from(rest)?
                    && !is_index(from)
                {
                    self.image(from);
                }
                Ok(())
            }
            _ => self.other(&name, rest),
        }
    }

    /// The instruction in lower case, and what follows.
    fn split<'l>(&self, line: &'l str) -> Result<(String, &'l str), Refusal> {
        let line = line.trim();
        let (name, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        // Go has a letter for k that is not ASCII.
        if !name.is_ascii() {
            return self.refuse("has other characters than ASCII");
        }
        let name = name.to_ascii_lowercase();
        let rest = rest.trim();
        if ["from", "arg"].contains(&name.as_str()) && !rest.is_ascii() {
            return self.refuse("has other characters than ASCII");
        }
        // Newer versions take the lines below for what is between, older ones for instructions.
        if ["run", "copy", "add", "onbuild"].contains(&name.as_str()) && has_here_document(rest) {
            return self.refuse("has a here-document, which needs BuildKit");
        }
        Ok((name, rest))
    }

    /// What names no image.
    fn other(&mut self, name: &str, rest: &str) -> Result<(), Refusal> {
        const KNOWN: [&str; 15] = [
            "add",
            "arg",
            "cmd",
            "entrypoint",
            "env",
            "expose",
            "healthcheck",
            "label",
            "maintainer",
            "run",
            "shell",
            "stopsignal",
            "user",
            "volume",
            "workdir",
        ];
        if !KNOWN.contains(&name) {
            return self.refuse(UNKNOWN);
        }
        if name == "label" {
            self.contents.labels.extend(labels(rest));
        }
        if name == "label" && self.contents.label.is_none() {
            self.contents.label = sets_own_label(rest).map(|why| Refusal {
                line: self.line,
                why,
            });
        }
        if name == "run" && rest.starts_with("--") {
            return self.refuse("has an option of RUN, which needs BuildKit");
        }
        if name == "add" {
            let (flags, _) = self.flags(rest)?;
            if flags.iter().any(|flag| flag.starts_with("--from")) {
                return self.refuse("has an unknown option of ADD");
            }
        }
        Ok(())
    }

    /// The options in front, each with its value, and what follows.
    fn flags<'l>(&self, rest: &'l str) -> Result<(Vec<&'l str>, &'l str), Refusal> {
        let (mut flags, mut rest) = (Vec::new(), rest);
        while rest.starts_with("--") {
            let end = rest.find([' ', '\t']).unwrap_or(rest.len());
            let flag = &rest[..end];
            if !flag.contains('=') || flag.contains(['"', '\'', '\\']) {
                return self.refuse("has an option that versions read differently");
            }
            flags.push(flag);
            rest = rest[end..].trim_start();
        }
        Ok((flags, rest))
    }

    fn from(&mut self, rest: &str) -> Result<(), Refusal> {
        let (flags, rest) = self.flags(rest)?;
        if !flags.iter().all(|flag| flag.starts_with("--platform=")) {
            return self.refuse("has an unknown option of FROM");
        }
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let (base, name) = match *words {
            [base] => (base, None),
            [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => {
                (base, Some(name.to_ascii_lowercase()))
            }
            _ => return self.refuse("must be FROM IMAGE or FROM IMAGE AS STAGE"),
        };
        if let Some(current) = self.current.take() {
            self.stages.push(current);
        }
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if let Some(name) = &name {
            let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
            if !starts || !name.bytes().all(plain) || self.stages.contains(&Some(name.clone())) {
                return self.refuse("has an invalid name of a stage, or one twice");
            }
        }
        let base = self.expanded(base)?;
        if base != "scratch" && !self.is_stage(&base) {
            self.image(&base);
        }
        self.current = Some(name);
        Ok(())
    }

    /// Whether a complete stage has this name, in whatever case: no image has a name in upper case.
    fn is_stage(&self, name: &str) -> bool {
        self.stages.contains(&Some(name.to_ascii_lowercase()))
    }

    /// The value of `--from`.
    fn copied_from<'l>(&self, rest: &'l str) -> Result<Option<&'l str>, Refusal> {
        let (flags, _) = self.flags(rest)?;
        let mut from = None;
        for flag in flags {
            match flag.split_once('=') {
                Some(("--from", value)) if from.is_none() && !value.contains('$') => {
                    from = Some(value);
                }
                Some(("--chown" | "--chmod", _)) => {}
                _ => return self.refuse("has an unknown option of COPY"),
            }
        }
        // An empty one is none.
        Ok(from.filter(|from| !from.is_empty()))
    }

    fn stage_or_image(&mut self, from: &str) -> Result<(), Refusal> {
        if self.is_stage(from) {
            return Ok(());
        }
        if !is_index(from) {
            self.image(from);
            return Ok(());
        }
        match from.parse::<usize>() {
            Ok(index) if index < self.stages.len() => Ok(()),
            _ => self.refuse("has the number of a stage that is not complete"),
        }
    }

    /// A variable for `FROM`.
    fn arg(&mut self, rest: &str) -> Result<(), Refusal> {
        const WHY: &str = "has an ARG that versions read differently";
        let Some(words) = words(rest) else {
            return self.refuse(WHY);
        };
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(unquoted(value))),
                None => (word, None),
            };
            if !is_name(name) {
                return self.refuse(WHY);
            }
            let value = match (value, self.args.get(name)) {
                (Some(value), _) if !is_plain(value) => Variable::Unclear,
                (_, Some(Some(given))) => Variable::Is(given.clone()),
                (_, Some(None)) | (None, None) => Variable::Unset,
                (Some(value), None) => Variable::Is(value.to_owned()),
            };
            self.variables.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// With the values of `$NAME`, `${NAME}` and `${NAME:-DEFAULT}`.
    fn expanded(&self, text: &str) -> Result<String, Refusal> {
        const WHY: &str = "has a variable without a plain value";
        if text.contains(['"', '\'', '\\']) {
            return self.refuse("has quotes or a backslash in FROM");
        }
        let mut whole = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            whole.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let (inner, behind) = match rest.strip_prefix('{') {
                Some(inner) => match inner.split_once('}') {
                    Some(parts) => parts,
                    None => return self.refuse(WHY),
                },
                None => {
                    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                    let end = rest.find(|letter| !part(letter));
                    rest.split_at(end.unwrap_or(rest.len()))
                }
            };
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            let value = match self.variables.get(name) {
                Some(Variable::Is(value)) if !value.is_empty() => Some(value.as_str()),
                Some(Variable::Unclear) => None,
                _ => default.filter(|default| is_plain(default)),
            };
            match value {
                Some(value) if is_name(name) => whole.push_str(value),
                _ => return self.refuse(WHY),
            }
            rest = behind;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

/// Whether the builder takes it for the number of a stage.
fn is_index(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && text.bytes().all(part)
}

/// Whether a value means just what it says.
fn is_plain(value: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    value.bytes().all(part)
}

/// The words of `ARG`, with their quotes.
fn words(text: &str) -> Option<Vec<&str>> {
    let (mut words, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            ('\\', _) => return None,
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(own)) if letter == own => quote = None,
            (' ' | '\t', None) => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    quote.is_none().then_some(words)
}

/// A value that stands in quotes as a whole, without them.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// Whether a word is, or could be, the beginning of a here-document: `<<NAME` or `3<<-NAME`.
fn has_here_document(text: &str) -> bool {
    let could_begin = |(at, _): (usize, &str)| {
        let (before, name) = (&text[..at], &text[at + 2..]);
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() || name.starts_with(['<', ' ', '\t']) {
            return false;
        }
        // The word's beginning, which is no number, nor what may turn out to be nothing.
        let word = before
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        let is_text = |first: char| first.is_ascii_alphabetic();
        word.contains(['{', '}']) || !(word.contains('(') || word.starts_with(is_text))
    };
    // Two that come together once what is between them is expanded.
    let could_join =
        |(at, _): (usize, &str)| text[at + 1..].starts_with(['$', '{', '}', '\\', '"', '\'']);
    text.match_indices("<<").any(could_begin)
        || (text.contains("<<") && text.match_indices('<').any(could_join))
}
