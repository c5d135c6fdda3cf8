//! `mountSource`: the paths and volumes that may be mounted, in whatever way.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::Ruling;
use super::sources::{self, Source};
use crate::body::draft::{Act, Draft, Objection};
use crate::body::facts::{Answer as Said, Fact, Facts, full_id};
use crate::body::image::Name;
use crate::body::json::Value;
use crate::body::reach::{clean, is_volume};

/// What may be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSource(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// This very path or volume.
    Exactly(String),
    /// Those that begin so: `/pre/*`, `cache-*`. `*` is everything.
    Start(String),
    /// Volumes that have all these labels, each with its value if one is given.
    Labels(Vec<(String, Option<String>)>),
}

/// Why a source is not allowed by an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSource {
    /// It is empty.
    Empty,
    /// The engine cleans the path to this one.
    Unclean(String),
    /// It has a wildcard that is not at its end.
    Wildcard,
    /// A label has no key.
    Label,
    /// It is neither a path of the host nor the name of a volume.
    Neither,
}

/// What is known of a source.
enum Answer {
    Allowed,
    Refused,
    Ask(Fact),
}

impl MountSource {
    /// Paths, names of volumes, beginnings of either with `*` at the end, and `label:k=v,k2=v2`.
    /// With no entry, nothing may be mounted.
    ///
    /// # Errors
    /// Each entry that would match nothing, or not what it seems to.
    pub fn new(entries: &[String]) -> Result<MountSource, Vec<(String, BadSource)>> {
        let (mut read, mut wrong) = (Vec::new(), Vec::new());
        for entry in entries {
            match Entry::read(entry) {
                Ok(entry) => read.push(entry),
                Err(bad) => wrong.push((entry.clone(), bad)),
            }
        }
        match wrong.is_empty() {
            true => Ok(MountSource(read)),
            false => Err(wrong),
        }
    }

    pub(super) fn judge(&self, draft: &Draft, facts: &Facts) -> Ruling {
        if *draft.act() == Act::CreateContainer
            && let Err(objection) =
                draft.has_one_host_config(&["Binds", "Mounts", "VolumesFrom", "VolumeDriver"])
        {
            return Ruling::Refused(objection);
        }
        let mut needs = BTreeSet::new();
        for (place, source) in sources::of_request(draft) {
            match self.allows(&source, facts) {
                Answer::Allowed => {}
                Answer::Ask(need) => {
                    needs.insert(need);
                }
                Answer::Refused => {
                    let why = format!("is not allowed: mountSource has {self}");
                    return Ruling::Refused(Objection::new(place, source.to_string(), why));
                }
            }
        }
        match needs.is_empty() {
            true => Ruling::Passes,
            false => Ruling::Needs(needs),
        }
    }

    fn allows(&self, source: &Source, facts: &Facts) -> Answer {
        if self.0.contains(&Entry::Start(String::new())) {
            return Answer::Allowed;
        }
        match source {
            Source::Path(text) | Source::Named(text) if self.lists(text) => Answer::Allowed,
            Source::Volume(name) if self.lists(name) => Answer::Allowed,
            Source::Volume(name) => self.allows_labels_of(name, facts),
            Source::MountsOf(container) => self.allows_mounts_of(container, facts),
            Source::Path(_) | Source::Named(_) | Source::Unclear(_) => Answer::Refused,
        }
    }

    /// Whether an entry is this text, or a beginning of it.
    fn lists(&self, text: &str) -> bool {
        self.0.iter().any(|entry| match entry {
            Entry::Exactly(own) => own == text,
            Entry::Start(start) => text.starts_with(start.as_str()),
            Entry::Labels(_) => false,
        })
    }

    fn allows_labels_of(&self, volume: &str, facts: &Facts) -> Answer {
        let labels = self.0.iter().filter_map(|entry| match entry {
            Entry::Labels(labels) => Some(labels),
            _ => None,
        });
        let labels: Vec<_> = labels.collect();
        if labels.is_empty() {
            return Answer::Refused;
        }
        let Some(need) = Fact::volume(volume) else {
            return Answer::Refused;
        };
        match facts.answer(&need).map(Said::found) {
            None => Answer::Ask(need),
            Some(Some(volume)) if labels.iter().any(|all| has_labels(volume, all)) => {
                Answer::Allowed
            }
            Some(_) => Answer::Refused,
        }
    }

    fn allows_mounts_of(&self, container: &str, facts: &Facts) -> Answer {
        let Some(need) = Fact::container(container) else {
            return Answer::Refused;
        };
        let sources = match facts.answer(&need).map(Said::found) {
            None => return Answer::Ask(need),
            // Without its ID, another container could get the name before the engine acts.
            Some(inspect) => inspect
                .filter(|inspect| full_id(inspect.at("Id")).is_some())
                .and_then(sources::of_container),
        };
        let Some(sources) = sources else {
            return Answer::Refused;
        };
        let mut ask = None;
        for source in &sources {
            match self.allows(source, facts) {
                Answer::Allowed => {}
                Answer::Refused => return Answer::Refused,
                asked @ Answer::Ask(_) => ask = Some(asked),
            }
        }
        ask.unwrap_or(Answer::Allowed)
    }
}

fn has_labels(volume: &Value, labels: &[(String, Option<String>)]) -> bool {
    let own = volume.at("Labels").as_object();
    own.is_some_and(|own| {
        labels.iter().all(|(key, value)| {
            let own = own.get(key).and_then(Value::as_str);
            own.is_some_and(|own| value.as_deref().is_none_or(|value| value == own))
        })
    })
}

impl Entry {
    fn read(entry: &str) -> Result<Entry, BadSource> {
        if entry.is_empty() {
            return Err(BadSource::Empty);
        }
        if let Some(labels) = entry.strip_prefix("label:") {
            let label = |label: &str| {
                let (key, value) = match label.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (label, None),
                };
                match key {
                    "" => Err(BadSource::Label),
                    key => Ok((key.to_owned(), value)),
                }
            };
            let labels: Result<_, BadSource> = labels.split(',').map(label).collect();
            return Ok(Entry::Labels(labels?));
        }
        let (text, is_start) = match entry.strip_suffix('*') {
            Some(start) => (start, true),
            None => (entry, false),
        };
        if text.contains('*') {
            return Err(BadSource::Wildcard);
        }
        if !text.starts_with('/') {
            if !is_start && !could_be_named(text) || is_start && !could_begin(text) {
                return Err(BadSource::Neither);
            }
            return Ok(match is_start {
                true => Entry::Start(text.to_owned()),
                false => Entry::Exactly(text.to_owned()),
            });
        }
        let cleaned = clean(text);
        // A slash at the end is how a beginning says that it is a folder, and says nothing else.
        let as_cleaned = match text.strip_suffix('/') {
            Some(folder) if !folder.is_empty() => folder == cleaned,
            _ => text == cleaned,
        };
        match (as_cleaned, is_start) {
            (false, _) => Err(BadSource::Unclean(cleaned)),
            (true, true) => Ok(Entry::Start(text.to_owned())),
            (true, false) => Ok(Entry::Exactly(cleaned)),
        }
    }
}

/// Whether a text can be the name of a volume or, with slashes and a colon, of an image.
fn could_be_named(text: &str) -> bool {
    is_volume(text) || Name::parse(text).is_ok_and(|_| !text.starts_with('.'))
}

/// Whether such a name can begin so.
fn could_begin(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/:@".contains(&byte);
    let first = text
        .bytes()
        .next()
        .is_none_or(|byte| byte.is_ascii_alphanumeric());
    first && text.bytes().all(plain)
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Source::Path(text)
            | Source::Volume(text)
            | Source::Named(text)
            | Source::Unclear(text) => match &**text {
                "" => f.write_str("\"\""),
                text => f.write_str(text),
            },
            Source::MountsOf(container) => write!(f, "what {container} mounts"),
        }
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Exactly(text) => f.write_str(text),
            Entry::Start(text) => write!(f, "{text}*"),
            Entry::Labels(labels) => {
                let labels = labels.iter().map(|(key, value)| match value {
                    Some(value) => format!("{key}={value}"),
                    None => key.clone(),
                });
                write!(f, "label:{}", labels.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// `/srv/ci, cache-*`
impl Display for MountSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [] => f.write_str("no sources"),
            entries => {
                let entries = entries.iter().map(Entry::to_string);
                f.write_str(&entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Display for BadSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            BadSource::Empty => f.write_str("is empty"),
            BadSource::Unclean(_) => f.write_str("is not how the engine reads that path"),
            BadSource::Wildcard => f.write_str("has a wildcard that is not at the end"),
            BadSource::Label => f.write_str("has a label without a key"),
            BadSource::Neither => {
                f.write_str("is neither an absolute path nor the name of a volume")
            }
        }
    }
}

impl std::error::Error for BadSource {}
