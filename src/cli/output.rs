//! The output and error messages of commands.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use super::{FAILED, OK};
use crate::observe::log as log_writer;

/// Rows with aligned columns. The last one may have any length.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        line(&mut text, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// Two aligned columns. The second is wrapped, so that no line exceeds 80 bytes if its words allow
/// it.
pub(super) fn wrapped(rows: &[[String; 2]]) -> String {
    const WIDTH: usize = 80;
    let indent = rows.iter().map(|row| row[0].len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for [name, words] in rows {
        let mut row = format!("{name:indent$}");
        let mut is_first = true;
        for word in words.split(' ') {
            if !is_first && row.len() + 1 + word.len() > WIDTH {
                line(&mut text, row);
                row = " ".repeat(indent);
            } else if !is_first {
                row.push(' ');
            }
            row.push_str(word);
            is_first = false;
        }
        line(&mut text, row);
    }
    text
}

pub(super) fn line(text: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Prints output. [`FAILED`] if it cannot be written, for example to a full disk.
#[must_use]
pub(super) fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write to stdout: {e}"));
            FAILED
        }
        // A reader that closed the pipe (`dockgate check | head`) is not a failure.
        _ => OK,
    }
}

/// Prints an error of several lines, keeping its layout.
pub(super) fn complain_in_lines(text: &str) {
    let mut err = io::stderr().lock();
    let text = format!("dockgate: {text}");
    for line in text.lines() {
        let _ = writeln!(err, "{}", log_writer::one_line(line));
    }
}

pub(super) fn complain(problem: &dyn Display) {
    let problem = problem.to_string();
    let _ = writeln!(io::stderr(), "dockgate: {}", log_writer::one_line(&problem));
}

/// A pattern or an expression on one line: what would not be seen there is escaped as every regex takes
/// it.
pub(super) fn visible(pattern: &str) -> String {
    let start = pattern.len() - pattern.trim_start_matches(' ').len();
    let end = start + pattern.trim_matches(' ').len();
    let mut text = String::with_capacity(pattern.len());
    for (at, c) in pattern.char_indices() {
        if c.is_control() || at < start || at >= end {
            text.push_str(&format!("\\x{{{:02x}}}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}
