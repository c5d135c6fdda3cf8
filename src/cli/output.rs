//! What the commands print, and what they complain of.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write as _},
};

use super::{FAILED, OK};
use crate::observe::log as log_writer;

/// Rows with their columns in line. The last one may be any length.
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

pub(super) fn line(text: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Prints what was asked for. [`FAILED`] if it cannot be written, to a full disk for one.
#[must_use]
pub(super) fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write to stdout: {e}"));
            FAILED
        }
        // A reader that went away (`dockgate check | head`) is no failure.
        _ => OK,
    }
}

pub(super) fn complain(problem: &dyn Display) {
    let problem = problem.to_string();
    let _ = writeln!(io::stderr(), "dockgate: {}", log_writer::one_line(&problem));
}
