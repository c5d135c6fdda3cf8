//! The labels that an instruction sets, at most: how versions read quotes and escapes does not matter.

use crate::body::scope::OWN_LABELS;

/// A label that a Dockerfile sets: the last word of its key, and the first of its value. Any, if that
/// depends on variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    key: Option<String>,
    value: Option<String>,
}

impl Label {
    /// Whether it could be this one.
    pub fn could_be(&self, key: &str, value: &str) -> bool {
        let (end, start) = (
            key.split_whitespace().last(),
            value.split_whitespace().next(),
        );
        let is = |own: &Option<String>, word: Option<&str>| {
            own.as_deref()
                .is_none_or(|own| own == plain(word.unwrap_or_default()))
        };
        is(&self.key, end) && is(&self.value, start)
    }
}

/// What is wrong with the labels that are set, if a key is one of dockgate, or could be once variables are
/// expanded. A key begins where a word does. What stands in quotes is taken apart too, so that it does not
/// matter how a version reads quotes and escapes.
pub(super) fn sets_own_label(rest: &str) -> Option<&'static str> {
    for (index, word) in rest.split_whitespace().enumerate() {
        let plain = plain(word);
        if plain.starts_with(OWN_LABELS) {
            return Some("sets a label that only dockgate can set");
        }
        let key = match plain.split_once('=') {
            Some((key, _)) => key,
            None if index == 0 => &plain,
            None => continue,
        };
        if key.contains('$') {
            return Some(
                "has a variable in the key of a label, which could be one that only dockgate can set",
            );
        }
    }
    None
}

/// What is set as labels, at most. A word could begin one, wherever quotes end.
pub(super) fn labels(rest: &str) -> Vec<Label> {
    let words: Vec<String> = rest.split_whitespace().map(plain).collect();
    let part = |text: &str| (!text.contains('$')).then(|| text.to_owned());
    let mut labels: Vec<Label> = words
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| Label {
            key: part(key),
            value: part(value),
        })
        .collect();
    // As it was written once: LABEL key value.
    if let [key, value, ..] = &*words {
        labels.push(Label {
            key: part(key),
            value: part(value),
        });
    }
    labels
}

/// Without quotes and escapes, however a version reads them.
fn plain(word: &str) -> String {
    word.replace(['"', '\'', '\\', '`'], "")
}
