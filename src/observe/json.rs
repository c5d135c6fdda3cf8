//! JSON for the log and for answers: on one line, without anything that a terminal would interpret.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::log::may_have_controls;

/// Writes a value, without a line end.
pub fn write(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, WithoutControls);
    Ok(value.serialize(&mut serializer)?)
}

/// JSON only requires escaping the control characters below the space. This escapes the others too.
struct WithoutControls;

impl Formatter for WithoutControls {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        if !may_have_controls(fragment) {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            match c.is_control() {
                true => write!(out, "\\u{:04x}", u32::from(c))?,
                false => out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_string_holds_stays_visible_and_on_its_line() {
        for (text, json) in [
            ("GET /x?a=… ü Â", r#""GET /x?a=… ü Â""#),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("a\r\n\tb", r#""a\r\n\tb""#),
            ("\0\u{1b}[1m\u{7f}", r#""\u0000\u001b[1m\u007f""#),
            ("\u{9b}1m Â \u{85}\u{a0}", "\"\\u009b1m Â \\u0085\u{a0}\""),
            ("", r#""""#),
        ] {
            let mut written = Vec::new();
            write(&mut written, &text).expect("written");
            assert_eq!(written, json.as_bytes(), "{text:?}");
            let read: String = serde_json::from_slice(&written).expect("JSON");
            assert_eq!(read, text);
        }
        for c in (0..=0x2fff).filter_map(char::from_u32) {
            let mut written = Vec::new();
            write(&mut written, &c.to_string()).expect("written");
            let written = String::from_utf8(written).expect("UTF-8");
            assert!(!written.contains(char::is_control), "{written:?}");
            assert_eq!(serde_json::from_str::<char>(&written).expect("JSON"), c);
        }
    }
}
