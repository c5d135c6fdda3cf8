//! One line of rules: `METHOD[,METHOD] PATTERN`, a comment that begins with `!`, or nothing.

/// What separates the two parts of a rule, and may surround it.
const BLANKS: [char; 2] = [' ', '\t'];
/// The length from which a line is none there, and ends its file.
const LONGEST: usize = 1 << 16;

/// A rule as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    /// Its methods, separated by commas.
    pub(super) methods: &'l str,
    /// Its pattern, with variables.
    pub(super) pattern: &'l str,
}

/// Why a line is no rule: what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRule(pub(super) &'static str);

/// The lines of a text by their numbers, without what ends them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = (1..).zip(text.split('\n')).peekable();
    std::iter::from_fn(move || {
        let (number, line) = lines.next()?;
        // Without a line feed, a carriage return belongs to the pattern.
        let ended = lines.peek().and_then(|_| line.strip_suffix('\r'));
        Some((number, ended.unwrap_or(line)))
    })
}

impl<'l> Line<'l> {
    /// The rule on a line, if there is one.
    pub(super) fn read(line: &'l str) -> Result<Option<Line<'l>>, NoRule> {
        if line.len() >= LONGEST {
            return Err(NoRule("use lines of less than 64 KiB"));
        }
        let line = line.trim_matches(BLANKS);
        if line.is_empty() || line.starts_with('!') {
            return Ok(None);
        }
        if line.starts_with('#') {
            return Err(NoRule("begin a comment with !"));
        }
        let Some((methods, pattern)) = line.split_once(BLANKS) else {
            return Err(NoRule("use METHOD[,METHOD] PATTERN"));
        };
        if methods.ends_with(',') {
            return Err(NoRule("use commas without blanks: GET,POST PATTERN"));
        }
        let all = |is_letter: fn(&u8) -> bool| {
            let mut names = methods.split(',');
            names.all(|name| !name.is_empty() && name.as_bytes().iter().all(is_letter))
        };
        if !all(u8::is_ascii_uppercase) {
            return Err(NoRule(match all(u8::is_ascii_alphabetic) {
                true => "methods are upper case",
                false => "use METHOD[,METHOD] PATTERN",
            }));
        }
        Ok(Some(Line {
            methods,
            pattern: pattern.trim_start_matches(BLANKS),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_rule_a_comment_or_nothing() {
        let rule = |methods, pattern| Ok(Some(Line { methods, pattern }));
        for (line, read) in [
            ("GET /x", rule("GET", "/x")),
            ("\tGET,POST\t /x y \t", rule("GET,POST", "/x y")),
            ("GET ,POST /x", rule("GET", ",POST /x")),
            ("GET # x", rule("GET", "# x")),
            ("GET \r", rule("GET", "\r")),
            ("", Ok(None)),
            (" \t", Ok(None)),
            ("! GET /x", Ok(None)),
            ("\t!", Ok(None)),
            ("# x", Err(NoRule("begin a comment with !"))),
            ("get /x", Err(NoRule("methods are upper case"))),
            (
                "GET, POST /x",
                Err(NoRule("use commas without blanks: GET,POST PATTERN")),
            ),
            ("GET", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("GET ", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("/x GET", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("GET|POST /x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("GET,,POST /x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            (",GET /x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("M-SEARCH /x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("G\u{c9}T /x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
            ("GET\u{a0}/x", Err(NoRule("use METHOD[,METHOD] PATTERN"))),
        ] {
            assert_eq!(Line::read(line), read, "{line:?}");
        }
        let long = "!".repeat(LONGEST);
        assert!(Line::read(&long).is_err() && Line::read(&long[1..]) == Ok(None));
    }

    #[test]
    fn lines_end_as_unix_and_windows_have_it() {
        let read: Vec<_> = lines("a\r\nb\n\nc\r").collect();
        assert_eq!(read, [(1, "a"), (2, "b"), (3, ""), (4, "c\r")]);
    }
}
