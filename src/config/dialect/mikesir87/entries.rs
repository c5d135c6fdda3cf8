//! The entries of the lists: which types there are, and what each needs.

use std::fmt::Display;
use std::sync::Arc;

use crate::api::ObjectKind;
use crate::body::edits::{AddLabels, AddToNetwork, BadMap, BadRemap, MapPath, Mutator, RemapImage};
use crate::body::gates::{BadSource, Gate, MountSource};
use crate::body::image::Name;
use crate::body::scope::LabelFilter;
use crate::config::Diagnostic;
use crate::config::file::{Entry, Node, Place, Value};
use crate::config::near::near;
use crate::policy::printable;

/// A type of entry.
struct Type {
    /// The list that it belongs to.
    list: &'static str,
    /// That proxy's name for it first, then those of its documentation.
    names: &'static [&'static str],
    /// The key that it needs besides, each of them.
    keys: &'static [&'static str],
}

const REQUIRED: &str = "requiredLabels";
const FORBIDDEN: &str = "forbiddenLabels";
const OBJECTS: &str = "objectsToFilter";

/// The words for what a filter is about.
const KINDS: [(&str, ObjectKind); 4] = [
    ("containers", ObjectKind::Container),
    ("images", ObjectKind::Image),
    ("networks", ObjectKind::Network),
    ("volumes", ObjectKind::Volume),
];

const TYPES: [Type; 10] = [
    Type {
        list: "gates",
        names: &["readonlyAccess", "readonly"],
        keys: &[],
    },
    Type {
        list: "gates",
        names: &["registry"],
        keys: &["registries"],
    },
    Type {
        list: "gates",
        names: &["namespaceAllowlist"],
        keys: &["namespaces"],
    },
    Type {
        list: "gates",
        names: &["mountSource"],
        keys: &["allowedSources"],
    },
    Type {
        list: "gates",
        names: &["imageLoading"],
        keys: &[],
    },
    Type {
        list: "mutators",
        names: &["mountPath"],
        keys: &["from", "to"],
    },
    Type {
        list: "mutators",
        names: &["addLabels"],
        keys: &["labels"],
    },
    Type {
        list: "mutators",
        names: &["addToNetwork", "addTonetwork"],
        keys: &["networks"],
    },
    Type {
        list: "mutators",
        names: &["remapImage"],
        keys: &["from", "to"],
    },
    Type {
        list: "responseFilters",
        names: &["labelFilter"],
        keys: &[REQUIRED, FORBIDDEN, OBJECTS],
    },
];

/// The key that every entry has.
const TYPE: &str = "type";
/// A longer name is near to none.
const LONGEST: usize = 64;

/// A gate as it is read.
pub(super) enum Refusal {
    /// Of all but reads.
    OfWrites,
    By(Gate),
}

/// What is read of one file.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) mistakes: &'a mut Vec<Diagnostic>,
}

/// An entry whose type and keys are known.
struct Known<'n> {
    name: &'static str,
    line: usize,
    what: &'n str,
    entries: &'n [Entry],
}

impl Reading<'_> {
    pub(super) fn mistake(
        &mut self,
        line: usize,
        what: &str,
        problem: impl Display,
        help: impl Into<String>,
    ) {
        let file = self.file.clone();
        let place = Place { file, line };
        self.mistakes.push(place.mistake(what, problem, help));
    }

    pub(super) fn gate(&mut self, node: &Node, what: &str) -> Option<Refusal> {
        let known = self.known(node, what, "gates")?;
        match known.name {
            "readonlyAccess" => return Some(Refusal::OfWrites),
            "imageLoading" => Some(Gate::ImageLoading),
            "registry" => {
                let registries = self.texts(&known, "registries")?;
                let registries: Vec<_> = registries
                    .into_iter()
                    .map(|(line, text)| self.registry(line, &known, text))
                    .collect();
                Some(Gate::Registry(
                    registries.into_iter().collect::<Option<_>>()?,
                ))
            }
            "namespaceAllowlist" => {
                let namespaces = self.texts(&known, "namespaces")?;
                let namespaces: Vec<_> = namespaces
                    .into_iter()
                    .map(|(line, text)| self.namespace(line, &known, text))
                    .collect();
                Some(Gate::Namespace(
                    namespaces.into_iter().collect::<Option<_>>()?,
                ))
            }
            _ => self.mount_source(&known).map(Gate::MountSource),
        }
        .map(Refusal::By)
    }

    pub(super) fn mutator(&mut self, node: &Node, what: &str) -> Option<Mutator> {
        let known = self.known(node, what, "mutators")?;
        match known.name {
            "mountPath" => self.map_path(&known).map(Mutator::MapPath),
            "remapImage" => self.remap_image(&known).map(Mutator::RemapImage),
            "addToNetwork" => {
                let networks = self.texts(&known, "networks")?;
                if networks.is_empty() {
                    return self.says_nothing(&known, "networks");
                }
                let networks = networks.into_iter().map(|(_, text)| text);
                let networks = AddToNetwork::new(networks.collect());
                Some(Mutator::AddToNetwork(networks))
            }
            _ => {
                let labels = self.pairs(&known, "labels")?;
                if labels.is_empty() {
                    return self.says_nothing(&known, "labels");
                }
                Some(Mutator::AddLabels(AddLabels::new(labels)))
            }
        }
    }

    /// Reads a filter of answers.
    pub(super) fn filter(&mut self, node: &Node, what: &str) -> Option<LabelFilter> {
        let known = self.known(node, what, "responseFilters")?;
        let has = |key: &str| known.entries.iter().any(|entry| entry.key == key);
        let required = has(REQUIRED).then(|| self.pairs(&known, REQUIRED));
        let forbidden = has(FORBIDDEN).then(|| self.pairs(&known, FORBIDDEN));
        let kinds = match has(OBJECTS) {
            true => self.kinds(&known),
            false => Some(KINDS.map(|(_, kind)| kind).into()),
        };
        let required = required.unwrap_or_else(|| Some(Vec::new()))?;
        let forbidden = forbidden.unwrap_or_else(|| Some(Vec::new()))?;
        let kinds = kinds?;
        if required.is_empty() && forbidden.is_empty() {
            let problem = format!("{what} has no label");
            let help = format!("add {REQUIRED} or {FORBIDDEN}");
            self.mistake(known.line, what, problem, help);
            return None;
        }
        if kinds.is_empty() {
            return self.says_nothing(&known, OBJECTS);
        }
        Some(LabelFilter {
            required,
            forbidden,
            kinds,
        })
    }

    /// What a filter is about.
    fn kinds(&mut self, known: &Known<'_>) -> Option<Vec<ObjectKind>> {
        let texts = self.texts(known, OBJECTS)?;
        let path = format!("{}.{OBJECTS}", known.what);
        let kinds: Vec<_> = texts
            .into_iter()
            .map(|(line, text)| {
                let own = KINDS.iter().find(|(name, _)| *name == text);
                if own.is_none() {
                    let problem = format!("{path}: unknown objects {}", printable(&text));
                    let names = KINDS.map(|(name, _)| name);
                    let help = match near(&text, names.iter().copied()) {
                        Some(near) if text.len() <= LONGEST => format!("did you mean {near}?"),
                        _ => format!("use one of {}", names.join(", ")),
                    };
                    self.mistake(line, &path, problem, help);
                }
                own.map(|(_, kind)| *kind)
            })
            .collect();
        kinds.into_iter().collect()
    }

    /// The entry, if there is such a type and it knows each key.
    fn known<'n>(&mut self, node: &'n Node, what: &'n str, list: &str) -> Option<Known<'n>> {
        let of_list = || TYPES.iter().filter(|one| one.list == list);
        let names = || of_list().map(|one| one.names[0]);
        let some = || names().collect::<Vec<_>>().join(", ");
        let line = node.line;
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Refused => return None,
            _ => {
                let help = format!("use type: and one of {}", some());
                self.mistake(line, what, format!("{what} must be a map of keys"), help);
                return None;
            }
        };
        let Some(entry) = entries.iter().find(|entry| entry.key == TYPE) else {
            let help = format!("add type: and one of {}", some());
            self.mistake(line, what, format!("{what} has no type"), help);
            return None;
        };
        let (line, name) = self.scalar(&entry.value, &format!("{what}.{TYPE}"))?;
        let has_name = |one: &&Type| one.names.contains(&&*name);
        let Some(found) = of_list().find(has_name) else {
            let problem = format!("{what}: unknown type {}", printable(&name));
            let nearest = near(&name, of_list().flat_map(|one| one.names).copied());
            let nearest = nearest.filter(|_| name.len() <= LONGEST);
            let help = match (TYPES.iter().find(has_name), nearest) {
                (Some(other), _) => format!("move it to {}", other.list),
                (None, Some(near)) => format!("did you mean {near}?"),
                (None, None) => format!("use one of {}", some()),
            };
            self.mistake(line, what, problem, help);
            return None;
        };
        let unknown = entries
            .iter()
            .filter(|entry| entry.key != TYPE && !found.keys.contains(&&*entry.key));
        let before = self.mistakes.len();
        for entry in unknown {
            let path = format!("{what}.{}", printable(&entry.key));
            let nearest = near(&entry.key, found.keys.iter().copied());
            let help = match (nearest.filter(|_| entry.key.len() <= LONGEST), found.keys) {
                (Some(near), _) => format!("did you mean {near}?"),
                (None, []) => "remove it".to_owned(),
                (None, keys) => format!("use {}", keys.join(" and ")),
            };
            let problem = format!("unknown key {path} of {}", found.names[0]);
            self.mistake(entry.line, &path, problem, help);
        }
        (self.mistakes.len() == before).then_some(Known {
            name: found.names[0],
            line,
            what,
            entries,
        })
    }

    /// What a key has. Without it, that is a mistake.
    fn value<'n>(&mut self, known: &Known<'n>, key: &str) -> Option<&'n Node> {
        let entry = known.entries.iter().find(|entry| entry.key == key);
        if entry.is_none() {
            let problem = format!("{} has no {key}", known.what);
            let help = format!("add {key}, which {} needs", known.name);
            self.mistake(known.line, known.what, problem, help);
        }
        entry.map(|entry| &entry.value)
    }

    /// A single value, and its line.
    fn scalar(&mut self, node: &Node, what: &str) -> Option<(usize, String)> {
        let line = node.line;
        let (problem, help) = match &node.value {
            _ if node.is_null() => ("has no value", "add one, or remove the key"),
            Value::Scalar { text, .. } if text.contains('\0') => ("contains a NUL", "remove it"),
            Value::Scalar { text, .. } => return Some((line, text.clone())),
            Value::Refused => return None,
            Value::List(_) | Value::Map(_) => ("must be a single value", "use one value"),
        };
        self.mistake(line, what, format!("{what} {problem}"), help);
        None
    }

    fn text(&mut self, known: &Known<'_>, key: &str) -> Option<(usize, String)> {
        let node = self.value(known, key)?;
        self.scalar(node, &format!("{}.{key}", known.what))
    }

    /// A list of single values, each with its line.
    fn texts(&mut self, known: &Known<'_>, key: &str) -> Option<Vec<(usize, String)>> {
        let node = self.value(known, key)?;
        let path = format!("{}.{key}", known.what);
        let items = match &node.value {
            Value::List(items) => items,
            Value::Refused => return None,
            _ => {
                let help = "begin each entry with a hyphen, or use [] for none";
                self.mistake(node.line, &path, format!("{path} must be a list"), help);
                return None;
            }
        };
        let texts: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(number, item)| self.scalar(item, &format!("{path}[{number}]")))
            .collect();
        texts.into_iter().collect()
    }

    /// A map of single values.
    fn pairs(&mut self, known: &Known<'_>, key: &str) -> Option<Vec<(String, String)>> {
        let node = self.value(known, key)?;
        let path = format!("{}.{key}", known.what);
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Refused => return None,
            _ => {
                let help = "use KEY: VALUE for each";
                let problem = format!("{path} must be a map of keys");
                self.mistake(node.line, &path, problem, help);
                return None;
            }
        };
        let pairs: Vec<_> = entries
            .iter()
            .map(|entry| {
                let what = format!("{path}.{}", printable(&entry.key));
                let (_, value) = self.scalar(&entry.value, &what)?;
                Some((entry.key.clone(), value))
            })
            .collect();
        pairs.into_iter().collect()
    }

    fn says_nothing<T>(&mut self, known: &Known<'_>, key: &str) -> Option<T> {
        let path = format!("{}.{key}", known.what);
        let help = "add an entry, or remove it";
        self.mistake(known.line, &path, format!("{path} is empty"), help);
        None
    }

    /// The host of a registry.
    fn registry(&mut self, line: usize, known: &Known<'_>, text: String) -> Option<String> {
        // The engine reads another name out of some: `index.docker.io` is `docker.io` to it.
        let read = Name::parse(&format!("{text}/a/b"));
        let read = read.as_ref().ok().map(Name::domain);
        let help = match read {
            Some(read) if read == text => return Some(text),
            Some(read) if text == "index.docker.io" => format!("use {}", printable(read)),
            _ => "use a host such as docker.io or localhost:5000".to_owned(),
        };
        let path = format!("{}.registries", known.what);
        let problem = format!("{path}: {} is not a registry", printable(&text));
        self.mistake(line, &path, problem, help);
        None
    }

    /// What stands between the registry and the last part of an image's name.
    fn namespace(&mut self, line: usize, known: &Known<'_>, text: String) -> Option<String> {
        let read = Name::parse(&format!("registry.example/{text}/a"));
        let is_plain = !text.contains([':', '@']);
        if text.is_empty() || is_plain && read.is_ok() {
            return Some(text);
        }
        let path = format!("{}.namespaces", known.what);
        let problem = format!("{path}: {} is not a namespace", printable(&text));
        let help = "use what is between the registry and the image's own name, such as library";
        self.mistake(line, &path, problem, help);
        None
    }

    fn mount_source(&mut self, known: &Known<'_>) -> Option<MountSource> {
        let texts = self.texts(known, "allowedSources")?;
        let sources: Vec<String> = texts.iter().map(|(_, text)| text.clone()).collect();
        let mistakes = |wrong: Vec<(String, BadSource)>| {
            wrong.into_iter().for_each(|(entry, bad)| {
                let line = texts.iter().find(|(_, text)| *text == entry);
                let line = line.map_or(known.line, |(line, _)| *line);
                let path = format!("{}.allowedSources", known.what);
                let problem = format!("{path}: {} {bad}", printable(&entry));
                let help = match bad {
                    BadSource::Empty | BadSource::Neither => {
                        "use a path, the name of a volume or label:KEY=VALUE".to_owned()
                    }
                    BadSource::Unclean(clean) => format!("use {}", printable(&clean)),
                    BadSource::Wildcard => "use * only at the end".to_owned(),
                    BadSource::Label => "use label:KEY=VALUE".to_owned(),
                };
                self.mistake(line, &path, problem, help);
            });
        };
        MountSource::new(&sources).map_err(mistakes).ok()
    }

    fn map_path(&mut self, known: &Known<'_>) -> Option<MapPath> {
        let (from, to) = (self.text(known, "from"), self.text(known, "to"));
        let ((from_line, from), (to_line, to)) = (from?, to?);
        let mistake = MapPath::new(&from, &to).map_err(|bad| {
            let (line, key, text) = match bad {
                BadMap::From => (from_line, "from", from),
                BadMap::To => (to_line, "to", to),
            };
            let path = format!("{}.{key}", known.what);
            let problem = format!("{path}: {} {bad}", printable(&text));
            let help = match bad {
                BadMap::From => "use a path such as /workspaces/app",
                BadMap::To => "use a path such as /srv/app, or VOLUME or VOLUME/FOLDER",
            };
            self.mistake(line, &path, problem, help);
        });
        mistake.ok()
    }

    fn remap_image(&mut self, known: &Known<'_>) -> Option<RemapImage> {
        let (from, to) = (self.text(known, "from"), self.text(known, "to"));
        let ((from_line, from), (to_line, to)) = (from?, to?);
        let mistake = RemapImage::new(&from, &to).map_err(|bad| {
            let (line, key, text) = match bad {
                BadRemap::From(_) => (from_line, "from", from),
                BadRemap::To(_) => (to_line, "to", to),
            };
            let path = format!("{}.{key}", known.what);
            let problem = format!("{path}: {} {bad}", printable(&text));
            self.mistake(line, &path, problem, "use a name such as nginx:1.27");
        });
        mistake.ok()
    }
}
