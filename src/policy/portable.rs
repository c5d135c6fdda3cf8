//! Which patterns mean the same here and to Go's regexp package, for which allowlists are written.
//!
//! The two syntaxes are close relatives, and where they disagree, a pattern could allow more here
//! than its author expects: `a{1, 3}` is a repetition here and plain characters there. So a pattern
//! is accepted only if both read it in the same way, as far as a path can show the difference: that
//! `\s` includes a vertical tab here does not matter, because no path can contain one.
//! `tests/conformance/go-regexes.jsonl` records how Go reads some 1500 patterns, and a test
//! compares.

use std::fmt;

use regex_syntax::ast::{
    AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, FlagsItemKind, GroupKind,
    HexLiteralKind, Literal, LiteralKind, Repetition, RepetitionKind, RepetitionRange, Visitor,
    parse, visit,
};

/// Go's limit on repetitions, nested ones multiplied.
const MOST_REPEATED: u32 = 1000;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPattern {
    /// It is not a regular expression; the parser says why.
    Syntax(String),
    /// Go's regexp package reads it differently; this is what to use instead.
    NotPortable(&'static str),
    /// It takes too much memory.
    TooLarge,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPattern::Syntax(reason) => f.write_str(reason),
            BadPattern::NotPortable(reason) => f.write_str(reason),
            BadPattern::TooLarge => f.write_str("it is too large"),
        }
    }
}

impl std::error::Error for BadPattern {}

/// Refuses a pattern that Go's regexp package reads differently or not at all.
///
/// # Errors
/// What is wrong with it.
pub fn check(pattern: &str) -> Result<(), BadPattern> {
    let ast = parse::Parser::new().parse(pattern);
    let ast = ast.map_err(|error| BadPattern::Syntax(error.kind().to_string()))?;
    let portable = Portable {
        pattern,
        repeated: Vec::new(),
    };
    visit(&ast, portable).map_err(BadPattern::NotPortable)
}

struct Portable<'a> {
    pattern: &'a str,
    /// The counts of the enclosing repetitions.
    repeated: Vec<u32>,
}

impl Visitor for Portable<'_> {
    type Output = ();
    type Err = &'static str;

    fn finish(self) -> Result<(), &'static str> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), &'static str> {
        use AssertionKind::{
            EndLine, EndText, NotWordBoundary, StartLine, StartText, WordBoundary,
        };
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => {
                name(&group.kind)?;
                group.flags()
            }
            Ast::Assertion(assertion) => match assertion.kind {
                StartLine | EndLine | StartText | EndText | WordBoundary | NotWordBoundary => None,
                _ => return Err("the only assertions are ^, $, \\A, \\z, \\b and \\B"),
            },
            Ast::Literal(literal) => return character(literal),
            Ast::Repetition(repetition) => return self.repeat(repetition),
            _ => None,
        };
        let foreign = [
            FlagsItemKind::Flag(Flag::Unicode),
            FlagsItemKind::Flag(Flag::CRLF),
            FlagsItemKind::Flag(Flag::IgnoreWhitespace),
        ];
        match flags {
            Some(flags) if flags.items.iter().any(|item| foreign.contains(&item.kind)) => {
                Err("the only flags are i, m, s and U")
            }
            _ => Ok(()),
        }
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), &'static str> {
        if let Ast::Repetition(_) = ast {
            self.repeated.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), &'static str> {
        let hyphen = |item: &ClassSetItem| matches!(item, ClassSetItem::Literal(it) if it.c == '-');
        match item {
            ClassSetItem::Bracketed(_) => Err("use \\[ for a [ within a class"),
            ClassSetItem::Union(union)
                if union.items.iter().filter(|it| hyphen(it)).count() > 1 =>
            {
                Err("use \\- for a - within a class")
            }
            // `[]-a]`: from ] to a, as Go reads it.
            ClassSetItem::Union(union)
                if matches!(&*union.items, [first, dash, _, ..]
                    if is_verbatim(first, ']') && is_verbatim(dash, '-')) =>
            {
                Err("use \\] for a ] within a class")
            }
            ClassSetItem::Literal(literal) => character(literal),
            ClassSetItem::Range(range) => character(&range.start).and(character(&range.end)),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), &'static str> {
        Err("use \\&, \\- and \\~ for these characters within a class")
    }
}

impl Portable<'_> {
    fn repeat(&mut self, repetition: &Repetition) -> Result<(), &'static str> {
        if let Ast::Repetition(_) = *repetition.ast {
            return Err("put (?:...) around the inner repetition");
        }
        let times = match &repetition.op.kind {
            RepetitionKind::Range(range) => {
                let span = repetition.op.span;
                let text = self.pattern.get(span.start.offset..span.end.offset);
                if !text.is_some_and(|text| is_written(text, range)) {
                    return Err("use a repetition of the form {2}, {2,} or {2,3}");
                }
                match *range {
                    RepetitionRange::Exactly(most) | RepetitionRange::Bounded(_, most) => most,
                    RepetitionRange::AtLeast(least) => least.max(1),
                }
            }
            _ => 1,
        };
        self.repeated.push(times);
        // As Go counts: a repetition of zero times resets the limit.
        let (mut left, mut around) = (MOST_REPEATED, self.repeated.iter());
        if around.any(|times| {
            let too_many = *times > left;
            left = left.checked_div(*times).unwrap_or(MOST_REPEATED);
            too_many
        }) {
            return Err("repetitions must not exceed 1000");
        }
        Ok(())
    }
}

/// Whether a repetition is written in the one form that Go accepts.
fn is_written(text: &str, range: &RepetitionRange) -> bool {
    let expected = match range {
        RepetitionRange::Exactly(times) => format!("{{{times}}}"),
        RepetitionRange::AtLeast(least) => format!("{{{least},}}"),
        RepetitionRange::Bounded(least, most) => format!("{{{least},{most}}}"),
    };
    text.strip_suffix('?').unwrap_or(text) == expected
}

/// Whether a class has this very character here.
fn is_verbatim(item: &ClassSetItem, c: char) -> bool {
    matches!(item, ClassSetItem::Literal(it) if it.c == c && it.kind == LiteralKind::Verbatim)
}

/// Refuses a character that Go reads differently or not at all.
fn character(literal: &Literal) -> Result<(), &'static str> {
    match literal.kind {
        // Case-insensitively, Go treats the Kelvin sign as k and the long s as s.
        _ if matches!(literal.c, '\u{212a}' | '\u{17f}') => Err("use an ASCII k or s"),
        LiteralKind::HexFixed(HexLiteralKind::X) | LiteralKind::HexBrace(HexLiteralKind::X) => {
            Ok(())
        }
        LiteralKind::HexFixed(_) | LiteralKind::HexBrace(_) => {
            Err("use \\x{...} for a character code")
        }
        _ => Ok(()),
    }
}

/// Refuses a group name that Go does not accept.
fn name(kind: &GroupKind) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match kind {
        GroupKind::CaptureName { name, .. } if !name.name.bytes().all(letter) => {
            Err("a group name may contain only letters, digits and _")
        }
        _ => Ok(()),
    }
}
