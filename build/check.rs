//! Checks of every file: that it is TOML of the right form, and that no part is empty.
//! Mistakes are collected, so that one run shows all of them.

use toml::Spanned;

pub(super) struct Check<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) mistakes: Vec<String>,
}

impl Check<'_> {
    pub(super) fn mistake<T>(&mut self, at: &Spanned<T>, what: &str) {
        let line = line(self.text, at.span().start);
        self.mistakes.push(format!("{}:{line}: {what}", self.file));
    }

    pub(super) fn result(self, rust: String) -> Result<String, Vec<String>> {
        if self.mistakes.is_empty() {
            Ok(rust)
        } else {
            Err(self.mistakes)
        }
    }

    pub(super) fn not_empty<T>(&mut self, list: &Spanned<Vec<T>>) {
        if list.get_ref().is_empty() {
            self.mistake(list, "the list must not be empty");
        }
    }

    pub(super) fn text_of(&mut self, text: &Spanned<String>) -> String {
        if text.get_ref().trim().is_empty() {
            self.mistake(text, "undocumented: add one line for readers");
        }
        text.get_ref().clone()
    }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
) -> Result<T, Vec<String>> {
    toml::from_str(text).map_err(|error| {
        let at = line(text, error.span().map_or(0, |span| span.start));
        vec![format!("{file}:{at}: {}", error.message().trim())]
    })
}

pub(super) fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
