//! The tree as JSON: compact, every string such that Go reads the same one, every number as it was.

use std::fmt::{self, Display, Formatter, Write};

use super::Value;

/// So many bytes of a value are shown.
const SHOWN: usize = 200;
/// So many bytes of a string are looked at before they are written.
const RUN: usize = 256;
/// Most bodies take more bytes.
const USUAL: usize = 1024;

impl Value {
    /// The JSON that is forwarded.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(USUAL);
        // A string takes everything.
        let _ = write(self, &mut json);
        json
    }

    /// The beginning of that, for messages. It costs no more than what is shown.
    pub fn shown(&self) -> String {
        let mut shown = Beginning(String::with_capacity(32));
        if write(self, &mut shown).is_err() {
            shown.0.push('…');
        }
        shown.0
    }
}

/// The whole JSON.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, f)
    }
}

/// As much of what is written as is shown. The rest is an error.
struct Beginning(String);

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = SHOWN - self.0.len();
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        let ends = text
            .char_indices()
            .map(|(start, letter)| start + letter.len_utf8());
        let end = ends.take_while(|end| *end <= left).last().unwrap_or(0);
        self.0.push_str(&text[..end]);
        Err(fmt::Error)
    }
}

fn write(value: &Value, out: &mut impl Write) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(true) => out.write_str("true"),
        Value::Bool(false) => out.write_str("false"),
        Value::Number(number) => out.write_str(number.as_str()),
        Value::Text(text) => quote(text, out),
        Value::List(list) => {
            out.write_char('[')?;
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                write(item, out)?;
            }
            out.write_char(']')
        }
        Value::Object(object) => {
            out.write_char('{')?;
            for (index, (key, value)) in object.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                quote(key, out)?;
                out.write_char(':')?;
                write(value, out)?;
            }
            out.write_char('}')
        }
    }
}

/// A string between its quotes. All that is not escaped stands for itself in every JSON reader.
fn quote(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    // Nearly all are so, and this takes several bytes at a time.
    let plain = |text: &str| text.bytes().fold(true, |all, byte| all & !special(byte));
    if text.len() <= RUN && plain(text) {
        out.write_str(text)?;
        return out.write_char('"');
    }
    let mut rest = text;
    while let Some((run, byte)) = run(rest) {
        out.write_str(&rest[..run])?;
        rest = &rest[run..];
        if let Some(byte) = byte {
            match byte {
                b'"' | b'\\' => {
                    out.write_char('\\')?;
                    out.write_char(char::from(byte))?;
                }
                control => write!(out, "\\u{control:04x}")?,
            }
            rest = &rest[1..];
        }
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Whether a byte does not stand for itself.
fn special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// How long the beginning of a text is that stands for itself, and what follows it; nothing if that
/// is all of it. A long text has more than one, so that showing its beginning takes no time.
fn run(text: &str) -> Option<(usize, Option<u8>)> {
    match text.bytes().take(RUN).position(special) {
        Some(at) => Some((at, Some(text.as_bytes()[at]))),
        None if text.len() <= RUN => None,
        None => (0..=RUN)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .map(|at| (at, None)),
    }
}
