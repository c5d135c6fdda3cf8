//! The words that users read: the documents, the files that they copy, and the string literals of
//! `src/` and `examples/`. Phrases that no manual would use fail here, each with what to use instead.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};

/// Phrases to avoid, and what to use instead. Each is a regular expression; letter case does not
/// matter, and a blank also stands for a line break.
const LOSE: &[(&str, &str)] = &[
    (r"\b(is|are) no\b", "is not, or: unknown, invalid, must be"),
    (r"\bis none\b", "is unknown, or: there is none"),
    (
        r"\bnobody\b",
        "no one, or name who: no client, no other service",
    ),
    (r"\bwhoever\b", "anyone who, or name who: a client that"),
    (
        r"\b(take|takes|took|taking) (\w+ ){0,3}out\b",
        "remove, unset",
    ),
    (r"\bleav(e|es|ing) (\w+ ){1,4}out\b", "remove, unset, omit"),
    (r"\bwins?\b", "overrides, takes precedence over"),
    (r"\b(no|without) effect\b", "is ignored, unused"),
    (r"\bbut for\b", "except, except for"),
    (r"\bas such\b", "say what it is"),
    (
        r"\b(is|are|was) (\S+ )?meant\b",
        "did you mean X?, or: intended",
    ),
    (
        r"\b(come|comes|came|coming) to\b",
        "is, becomes, amounts to",
    ),
    (r"\bsees? to it\b", "makes sure"),
    (r"\b(let|lets|letting) (\S+ ){0,2}in\b", "allows, accepts"),
    (r"\b(write|leave) one\b", "use, set, remove"),
    (r"[;:,.] write\b|^write\b", "use, set"),
    (r"\bhas to\b", "must"),
    (r"\b(tell|tells|told|telling)\b", "say, show, report"),
    (
        r"(,|\bor|\band|\ball) else\b",
        "or, otherwise, everything else",
    ),
    (
        r"\b(break|breaks|broke|breaking|broken) off\b",
        "end early, close",
    ),
    (r"\bslip of the pen\b", "typo"),
    (r"\b(heed|heeds|heeded)\b", "obey, handle"),
];

/// Good English that the expressions above would match.
const KEEP: &[&str] = &[
    "there is no ",
    "there are no ",
    "is no longer",
    "are no longer",
];

/// Files and folders that are checked as they are.
const FILES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "fuzz/README.md",
    "tests/seeds/README.md",
    "tests/sessions/README.md",
    "benches/results.md",
    "sections.toml",
    "docker-compose.example.yml",
    "Dockerfile",
    "examples/compose",
    "examples/dockgate.yml",
    "examples/engines.yml",
    "docs",
    "examples/no-root",
    "examples/scopes",
    "examples/several-policies",
    "examples/by-container",
    "presets",
    "profiles",
    "scripts",
];

#[test]
fn documents_use_plain_words() {
    let mut found = Found::nothing();
    for file in FILES.iter().flat_map(|name| files(name)) {
        let text = read(&file);
        match file.ends_with("README.md") {
            true => found.look(&file, &[(1, prose(&text))]),
            false => found.look(&file, &[(1, text)]),
        }
    }
    found.report();
}

#[test]
fn messages_use_plain_words() {
    let mut found = Found::nothing();
    for file in ["src", "examples"].iter().flat_map(|name| files(name)) {
        // Tests beside the code that they test.
        if file.ends_with(".rs") && !file.ends_with("/tests.rs") && !file.contains("/tests/") {
            found.look(&file, &literals(&read(&file)));
        }
    }
    found.report();
}

#[test]
fn the_check_finds_phrases() {
    let source = r##"
        /// nobody reads this: "nobody"
        fn told() -> char { let _: &'static str = "it is no
            number"; b'"'; '"' } // "whoever"
        const A: &str = r#"a "b" wins \"#;
        #[cfg(test)]
        mod tests { const B: &str = "nobody {"; }
        const C: &str = "X has no \
            effect {A}";
    "##;
    let mut found = Found::nothing();
    found.look("x.rs", &literals(source));
    let lines: Vec<&str> = found.text.lines().collect();
    let expected = [
        "x.rs:3: \"is no\"",
        "x.rs:5: \"wins\"",
        "x.rs:8: \"no effect\"",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}");
    }
    let mut none = Found::nothing();
    let good = "There is no shell; it\n# is no longer here. Windows is unknown.";
    none.look("x.toml", &[(1, good.to_owned())]);
    assert_eq!(none.text, "");
}

/// Each place with one of the phrases, a line each.
struct Found {
    lose: Vec<(Regex, &'static str)>,
    text: String,
}

impl Found {
    fn nothing() -> Found {
        let lose = LOSE.iter().map(|(phrase, instead)| {
            let mut builder = RegexBuilder::new(phrase);
            let built = builder.unicode(false).case_insensitive(true).build();
            (built.expect("a regular expression"), *instead)
        });
        Found {
            lose: lose.collect(),
            text: String::new(),
        }
    }

    /// Looks through pieces of a file, each with the line that it begins on.
    fn look(&mut self, file: &str, pieces: &[(usize, String)]) {
        for (first, text) in pieces {
            let (flat, lines) = flat(text);
            for (phrase, instead) in &self.lose {
                for hit in phrase.find_iter(flat.as_bytes()) {
                    let words = flat[hit.range()].trim_matches([' ', ',', ';', ':', '.']);
                    let line = first + lines[hit.start()];
                    writeln!(self.text, "{file}:{line}: \"{words}\"; instead: {instead}")
                        .expect("a string takes it");
                }
            }
        }
    }

    fn report(&self) {
        let count = self.text.lines().count();
        assert!(count == 0, "{count} phrases to avoid:\n{}", self.text);
    }
}

/// A text on one line, with single blanks and without comment marks at the start of lines, and for
/// each of its bytes the number of lines before it. What to keep is blanked out.
fn flat(text: &str) -> (String, Vec<usize>) {
    let (mut flat, mut lines) = (String::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches(['#', '>']);
        for word in line.split_whitespace() {
            flat.extend([word, " "]);
            lines.resize(flat.len(), number);
        }
        if line.trim().is_empty() {
            flat.push_str("\n "); // an empty line ends a phrase
            lines.resize(flat.len(), number);
        }
    }
    let small = flat.to_ascii_lowercase();
    for keep in KEEP {
        for (at, _) in small.match_indices(keep) {
            flat.replace_range(at..at + keep.len(), &"_".repeat(keep.len()));
        }
    }
    (flat, lines)
}

/// The README without what `tests/readme.rs` writes: the program's output, and tables made of strings
/// that are checked in their own files.
fn prose(readme: &str) -> String {
    let (mut text, mut skip) = (String::new(), false);
    for line in readme.lines() {
        let comment = line.starts_with("<!-- ");
        if skip && (line == "```" || comment) {
            skip = false;
        } else if line == "```console" || (comment && !line.starts_with("<!-- /")) {
            skip = true;
        } else if !skip {
            text += line;
        }
        text.push('\n');
    }
    text
}

/// The string literals of a source file, each with its line, without those of its tests.
fn literals(source: &str) -> Vec<(usize, String)> {
    let bytes = source.as_bytes();
    let (mut found, mut code, mut at) = (Vec::new(), String::new(), 0);
    let mut tests_at = None; // how deep in braces the module of tests began
    let mut depth = 0_usize;
    while at < bytes.len() {
        let rest = &source[at..];
        let begin = at;
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(end) = literal(rest, code.ends_with(|c: char| c.is_alphanumeric())) {
            at += end;
            if tests_at.is_none() && rest.contains('"') && !rest.starts_with(['\'', 'b']) {
                let line = source[..begin].lines().count().max(1);
                let text = &rest[..end];
                let text = text.split_once('"').map_or(text, |(_, text)| text);
                let text = text.rsplit_once('"').map_or(text, |(text, _)| text);
                found.push((line, text.replace("\\\n", "\n").replace("\\n", "\n")));
            }
            code.push(' ');
        } else {
            let letter = rest.chars().next().expect("some source is left");
            at += letter.len_utf8();
            match letter {
                '{' => {
                    let head = code.rsplit([';', '}']).next().unwrap_or_default();
                    if tests_at.is_none() && head.contains("#[cfg(test)]") {
                        tests_at = Some(depth);
                    }
                    depth += 1;
                }
                '}' => {
                    depth = depth.saturating_sub(1);
                    tests_at = tests_at.filter(|began| *began < depth);
                }
                _ => {}
            }
            code.push(letter);
        }
    }
    found
}

/// The length of the string or character literal at the start; `in_word` if a letter or digit comes
/// before it, so that an `r` or `b` is not a prefix.
fn literal(rest: &str, in_word: bool) -> Option<usize> {
    let prefix = rest.strip_prefix('b').unwrap_or(rest);
    let before = rest.len() - prefix.len();
    if in_word && !rest.starts_with(['"', '\'']) {
        return None;
    }
    if let Some(raw) = prefix.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inner = raw[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(before + 2 + hashes + inner.find(&close)? + close.len());
    }
    let quote = prefix.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let mut letters = prefix.char_indices().skip(1);
    let mut length = 0;
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            // A lifetime: a character literal has one character.
            _ if quote == '\'' && letter != '\'' && length > 0 => return None,
            _ if letter == quote => return Some(before + at + 1),
            _ => {}
        }
        length += 1;
        if quote == '\'' && letter == '\\' && prefix[at..].starts_with("\\u") {
            return prefix.find("}'").map(|end| before + end + 2);
        }
        if quote == '\'' && letter == '\\' && prefix[at..].starts_with("\\x") {
            return prefix[1..].find('\'').map(|end| before + end + 2);
        }
    }
    None
}

/// The files of this name, or below the folder of this name.
fn files(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if !path.is_dir() {
        return vec![name.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a readable folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|file| format!("{name}/{}", file.to_string_lossy()))
        .collect();
    names.sort();
    names.iter().flat_map(|name| files(name)).collect()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).expect("text")
}
