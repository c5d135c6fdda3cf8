//! Mutators as variables have them: lists of pairs, with commas or line breaks between them.

use super::{AddLabels, AddToNetwork, MapPath, Mutator, RemapImage};
use crate::body::limits::{Mistake, some};

/// The variables, in the order in which their mutators are made.
pub const VARIABLES: [&str; 4] = ["ADD_LABELS", "ADD_TO_NETWORK", "MAP_PATH", "REMAP_IMAGE"];

/// Reads those that are set, or finds all that is wrong with them.
pub fn read<'a>(
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<Mutator>, Vec<(&'static str, Mistake)>> {
    let (mut mutators, mut mistakes) = (Vec::new(), Vec::new());
    for name in VARIABLES {
        let Some(text) = value(name) else { continue };
        let read = match name {
            _ if text.trim_matches([' ', '\t', '\r', '\n', ',']).is_empty() => {
                Err(vec![Mistake::new(
                    "",
                    "is not a list",
                    "add an entry, or unset it",
                )])
            }
            "ADD_LABELS" => some(text, label)
                .and_then(once)
                .map(|labels| vec![Mutator::AddLabels(AddLabels::new(labels))]),
            "ADD_TO_NETWORK" => some(text, network)
                .map(|networks| vec![Mutator::AddToNetwork(AddToNetwork::new(networks))]),
            "MAP_PATH" => some(text, map_path),
            _ => some(text, remap_image),
        };
        match read {
            Ok(more) => mutators.extend(more),
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|one| (name, one))),
        }
    }
    match mistakes.is_empty() {
        true => Ok(mutators),
        false => Err(mistakes),
    }
}

fn pair<'e>(entry: &'e str, help: &str) -> Result<(&'e str, &'e str), Mistake> {
    let pair = entry
        .split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()));
    let pair = pair.filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| Mistake::new(entry, "is not a pair", help))
}

fn label(entry: &str) -> Result<(String, String), Mistake> {
    let (key, value) = pair(entry, "use KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Labels with a key that is there twice would depend on their order.
fn once(labels: Vec<(String, String)>) -> Result<Vec<(String, String)>, Vec<Mistake>> {
    let twice = labels.iter().enumerate().filter(|(at, (key, _))| {
        let mut before = labels[..*at].iter();
        before.any(|(other, _)| other == key)
    });
    let mistakes: Vec<Mistake> = twice
        .map(|(_, (key, _))| Mistake::new(key, "is listed twice", "list it once"))
        .collect();
    match mistakes.is_empty() {
        true => Ok(labels),
        false => Err(mistakes),
    }
}

fn network(entry: &str) -> Result<String, Mistake> {
    match entry.contains(|letter: char| letter.is_whitespace() || letter == '=') {
        true => Err(Mistake::new(
            entry,
            "is not the name of a network",
            "use a name such as ci",
        )),
        false => Ok(entry.to_owned()),
    }
}

fn map_path(entry: &str) -> Result<Mutator, Mistake> {
    const HELP: &str = "use /CLIENT/PATH=/HOST/PATH, or =VOLUME or =VOLUME/FOLDER";
    let (from, to) = pair(entry, HELP)?;
    let map = MapPath::new(from, to);
    map.map(Mutator::MapPath)
        .map_err(|bad| Mistake::new(bad.of(from, to), &bad.to_string(), HELP))
}

fn remap_image(entry: &str) -> Result<Mutator, Mistake> {
    const HELP: &str = "use IMAGE=IMAGE, such as nginx=mirror.example/nginx:1.27";
    let (from, to) = pair(entry, HELP)?;
    let remap = RemapImage::new(from, to);
    remap
        .map(Mutator::RemapImage)
        .map_err(|bad| Mistake::new(bad.of(from, to), &bad.to_string(), HELP))
}
