//! Log lines as log collectors print them: with colours, and with a container's name and a time in
//! front.

use std::borrow::Cow;

/// The line without colours.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    const START: &str = "\x1b[";
    let mut pieces = line.split(START);
    let first = pieces.next().unwrap_or_default();
    if first.len() == line.len() {
        return line.into();
    }
    let mut plain = first.to_owned();
    for piece in pieces {
        // Parameters, and one byte that ends them: `36m`.
        let ends = |c: char| ('@'..='~').contains(&c);
        plain += piece.split_once(ends).map_or("", |(_, rest)| rest);
    }
    plain.into()
}

/// The name in front of a line, as Compose prints it (`dockgate-1  | `), and the line.
///
/// The name is one word. No line of dockgate begins with a word and a bar, so a client cannot forge
/// one.
pub(super) fn named(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(' ')?;
    let rest = rest.trim_start_matches(' ').strip_prefix("| ")?;
    (!name.is_empty()).then_some((name, rest))
}

/// The line without the time that `docker logs --timestamps` puts in front, in nanoseconds.
/// dockgate's own has milliseconds.
pub(super) fn undated(line: &str) -> &str {
    let is_time = |word: &str| {
        word.len() == "2026-11-21T23:02:00.457123456Z".len()
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || b"-T:.Z".contains(&b))
    };
    match line.split_once(' ') {
        Some((time, rest)) if is_time(time) => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go() {
        for (line, expected) in [
            ("\x1b[36mdockgate_1  |\x1b[0m 2026", "dockgate_1  | 2026"),
            ("\x1b[1;33mx |\x1b[m y\x1b[K", "x | y"),
            ("\x1b[36", ""),
            ("a\x1bb", "a\x1bb"),
            ("…\x1b[0m…", "……"),
            ("", ""),
        ] {
            assert_eq!(plain(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_name_is_one_word_before_a_bar() {
        for (line, expected) in [
            ("dockgate-1  | 2026 info", Some(("dockgate-1", "2026 info"))),
            ("x | | y", Some(("x", "| y"))),
            ("2026-11-21 debug x | 2026", None),
            ("dockgate| x", None),
            (" | x", None),
            ("x |", None),
            ("", None),
        ] {
            assert_eq!(named(line), expected, "{line}");
        }
    }

    #[test]
    fn a_time_in_nanoseconds_goes() {
        for (line, expected) in [
            ("2026-11-21T23:02:00.457123456Z 2026 info", "2026 info"),
            (
                "2026-11-21T23:02:00.457Z info x",
                "2026-11-21T23:02:00.457Z info x",
            ),
            (
                "2026-11-21T23:02:00.457123456Z",
                "2026-11-21T23:02:00.457123456Z",
            ),
            ("x y", "x y"),
            ("", ""),
        ] {
            assert_eq!(undated(line), expected);
        }
    }
}
