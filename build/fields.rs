//! `fields.toml`: its form, that its parts fit together, and that every field says what it reaches.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, parse};
use super::routes::parse_route;

pub(super) const FIELDS: &str = "fields.toml";

/// What a field can get at, as `api::fields::Reach` has it.
const REACHES: [(&str, &str); 8] = [
    ("host-files", "HOST_FILES"),
    ("devices", "DEVICES"),
    ("kernel", "KERNEL"),
    ("namespaces", "NAMESPACES"),
    ("network", "NETWORK"),
    ("other-containers", "OTHER_CONTAINERS"),
    ("resources", "RESOURCES"),
    ("supply", "SUPPLY"),
];

/// What a field can disclose, as `api::fields::Disclosed` has it.
const DISCLOSED: [(&str, &str); 8] = [
    ("env", "ENV"),
    ("commands", "COMMANDS"),
    ("mounts", "MOUNTS"),
    ("labels", "LABELS"),
    ("tokens", "TOKENS"),
    ("configs", "CONFIGS"),
    ("network", "NETWORK"),
    ("host", "HOST"),
];

/// How fields are redacted that are not by what they disclose: their names and `api::fields::Form`.
const FORMS: [(&str, &str); 7] = [
    ("base64", "Base64"),
    ("event", "Event"),
    ("mark", "Mark"),
    ("pairs", "Pairs"),
    ("processes", "Processes"),
    ("source", "Source"),
    ("text", "Text"),
];

/// The judgements by hand: their names, `api::fields::Judged`, and the kinds that they read. A kind
/// of `*` is any object's name.
const JUDGED: [(&str, &str, &[&str]); 35] = [
    ("address", "Address", &["string", "list of string"]),
    ("binds", "Binds", &["list of string"]),
    ("capabilities", "Capabilities", &["words", "list of string"]),
    ("cgroupns-mode", "Mode(Namespace::Cgroup)", &["string"]),
    ("configs", "Configs", &["list of *"]),
    ("container", "Container", &["string"]),
    ("device-requests", "DeviceRequests", &["list of *"]),
    ("devices", "Devices", &["list of *"]),
    ("endpoints", "Endpoints", &["map of *"]),
    ("environment", "Environment", &["list of string"]),
    ("image", "Image", &["string"]),
    ("ipam-driver", "IpamDriver", &["string"]),
    ("ipc-mode", "Mode(Namespace::Ipc)", &["string"]),
    ("keeps", "Keeps", &["list of string"]),
    ("links", "Links", &["list of string"]),
    ("log-driver", "LogDriver", &["string"]),
    ("log-options", "LogOptions", &["map of string"]),
    ("mount-points", "MountPoints", &["list of *"]),
    ("mounts", "Mounts", &["list of *"]),
    ("network", "Network", &["string"]),
    ("network-driver", "NetworkDriver", &["string"]),
    ("network-mode", "Mode(Namespace::Network)", &["string"]),
    ("network-target", "NetworkTarget", &["string"]),
    ("pid-mode", "Mode(Namespace::Pid)", &["string"]),
    (
        "publish",
        "Publish",
        &["map of list of *", "list of *", "bool"],
    ),
    ("runtime", "Runtime", &["string"]),
    ("secrets", "Secrets", &["list of *"]),
    ("security", "Security", &["list of string"]),
    ("subnet", "Subnet", &["string"]),
    ("sysctls", "Sysctls", &["map of string"]),
    ("userns-mode", "Mode(Namespace::User)", &["string"]),
    ("uts-mode", "Mode(Namespace::Uts)", &["string"]),
    ("volume-driver", "VolumeDriver", &["string"]),
    ("volume-options", "VolumeOptions", &["map of string"]),
    ("volumes-from", "VolumesFrom", &["list of string"]),
];

type Names = Spanned<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    inspect: Field,
    open: Vec<Spanned<String>>,
    body: BTreeMap<Spanned<String>, Field>,
    answer: BTreeMap<Spanned<String>, Field>,
    #[serde(default)]
    embed: BTreeMap<Spanned<String>, Names>,
    #[serde(default)]
    legacy: BTreeMap<Spanned<String>, Names>,
    object: BTreeMap<Spanned<String>, Fields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    kind: Spanned<String>,
    reach: Option<Spanned<String>>,
    #[serde(default)]
    harmless: Vec<Spanned<Harmless>>,
    #[serde(default)]
    own: Vec<String>,
    judged: Option<Spanned<String>>,
    discloses: Option<Spanned<String>>,
    form: Option<Spanned<String>>,
    #[serde(default)]
    held: bool,
    retired: Option<Spanned<String>>,
    #[serde(default)]
    undocumented: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Harmless {
    Int(i64),
    Text(String),
}

type Fields = BTreeMap<Spanned<String>, Field>;

impl File {
    /// The objects whose fields count as this one's own.
    fn embedded(&self, object: &Spanned<String>) -> impl Iterator<Item = &Fields> {
        let names = self.embed.get(object).map(Spanned::get_ref);
        let names = names.into_iter().flatten();
        names.filter_map(|name| self.object.get(name))
    }

    /// The names of the objects that bodies hold, all of whose fields say what they reach.
    fn judged(&self) -> BTreeSet<&str> {
        let mut judged = BTreeSet::new();
        let roots = self.body.values().chain([&self.inspect]);
        let mut open: Vec<&str> = roots.map(Field::held).collect();
        while let Some(name) = open.pop() {
            let name = Spanned::new(0..0, name.to_owned());
            let Some((own, fields)) = self.object.get_key_value(&name) else {
                continue;
            };
            if judged.insert(own.get_ref().as_str()) {
                open.extend(fields.values().map(Field::held));
                let parts = [self.embed.get(&name), self.legacy.get(&name)];
                let parts = parts.into_iter().flatten().flat_map(Spanned::get_ref);
                open.extend(parts.map(|part| part.get_ref().as_str()));
            }
        }
        judged
    }
}

impl Field {
    /// The last word of its kind, which may be an object's name.
    fn held(&self) -> &str {
        let kind = self.kind.get_ref();
        kind.rsplit(' ').next().unwrap_or(kind)
    }

    /// What it reaches; nothing, if it is in answers alone.
    fn reach(&self) -> &str {
        self.reach
            .as_ref()
            .map_or("harmless", |reach| reach.get_ref())
    }
}

/// The table as Rust source, or every mistake as `fields.toml:LINE: what is wrong`.
pub(crate) fn fields(text: &str) -> Result<String, Vec<String>> {
    let file: File = parse(FIELDS, text)?;
    let mut check = Check {
        file: FIELDS,
        text,
        mistakes: Vec::new(),
    };
    check.object_names(&file);
    let rust = check.objects(&file) + &check.bodies(&file) + &check.answers(&file);
    check.used(&file);
    check.result(rust)
}

impl Check<'_> {
    /// Objects are named as types are, and what refers to one names a real one.
    fn object_names(&mut self, file: &File) {
        for name in file.object.keys() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric();
            let first = name.get_ref().starts_with(|c: char| c.is_ascii_uppercase());
            // Three statics that are no object's have these names.
            let reserved = ["Inspect", "Bodies", "Answers"].contains(&name.get_ref().as_str());
            if !first || reserved || !name.get_ref().bytes().all(plain) {
                self.mistake(name, &format!("{:?} is no object's name", name.get_ref()));
            }
        }
        let listed = file.open.iter();
        let listed: Vec<_> = listed
            .chain(file.embed.keys().chain(file.legacy.keys()))
            .chain(file.embed.values().flat_map(Spanned::get_ref))
            .chain(file.legacy.values().flat_map(Spanned::get_ref))
            .collect();
        for name in listed {
            if !file.object.contains_key(name) {
                self.mistake(name, &format!("there is no object {:?}", name.get_ref()));
            }
        }
    }

    fn objects(&mut self, file: &File) -> String {
        let mut rust = String::new();
        let judged = file.judged();
        for (name, own) in &file.object {
            let is_judged = judged.contains(name.get_ref().as_str());
            for (field, what) in own {
                match &what.reach {
                    None if is_judged => {
                        self.mistake(field, "say what it reaches: a body holds it");
                    }
                    Some(reach) if !is_judged => {
                        self.mistake(reach, "no body holds it: it reaches nothing");
                    }
                    _ => {}
                }
            }
            let all = [own].into_iter().chain(file.embedded(name)).flatten();
            let mut seen: BTreeMap<String, &str> = BTreeMap::new();
            let mut fields: Vec<(&str, String)> = Vec::new();
            for (field, what) in all {
                let text = field.get_ref().as_str();
                if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) || text.is_empty() {
                    self.mistake(field, &format!("{text:?} is no field's name"));
                }
                // The engine takes the two for one, and so would the reader.
                if let Some(other) = seen.insert(text.to_ascii_lowercase(), text) {
                    self.mistake(field, &format!("{text} is {other} in another case"));
                }
                fields.push((text, self.field(text, what, file)));
            }
            fields.sort_unstable_by_key(|(name, _)| name.to_ascii_lowercase());
            let slots = (2 * fields.len()).next_power_of_two();
            let (names, fields): (Vec<_>, String) = fields.into_iter().unzip();
            let legacy = file.legacy.get(name).map(Spanned::get_ref);
            let legacy = legacy.into_iter().flatten();
            for other in legacy.clone() {
                let own = file.object.get(other).into_iter();
                for (field, _) in own.chain(file.embedded(other)).flatten() {
                    // It would never be judged.
                    if let Some(here) =
                        seen.insert(field.get_ref().to_ascii_lowercase(), field.get_ref())
                    {
                        let (field, object) = (field.get_ref(), other.get_ref());
                        self.mistake(other, &format!("{field} of {object} is {here} here"));
                    }
                }
            }
            let legacy: String = legacy
                .map(|name| format!("&{},", constant(name.get_ref())))
                .collect();
            let (text, open) = (name.get_ref(), file.open.contains(name));
            rust += &format!(
                "/// `{text}`.\npub static {}: Object = Object {{ name: {text:?}, open: {open}, \
                 legacy: &[{legacy}], fields: &[{fields}], slots: &slots::<{slots}>(&{names:?}) }};\n",
                constant(text)
            );
        }
        let inspect = self.field("", &file.inspect, file);
        let inspect = inspect.trim_end_matches(',');
        rust + &format!(
            "/// The inspect of a container, by which it is judged. It has no name of its own.\n\
             pub static INSPECT: Field = {inspect};\n"
        )
    }

    fn bodies(&mut self, file: &File) -> String {
        let mut rust = "/// Every JSON body that the engine reads, by its route.\n\
                        pub static BODIES: &[Body] = &[\n"
            .to_owned();
        for (route, what) in &file.body {
            match parse_route(route.get_ref(), false) {
                Ok(source) => {
                    let root = self.field("", what, file);
                    rust += &format!("Body {{ route: {source} root: {root} }},\n");
                }
                Err(what) => self.mistake(route, &what.to_string()),
            }
        }
        rust + "];\n"
    }

    fn answers(&mut self, file: &File) -> String {
        let mut rust = "/// Every answer that discloses something, by its route.\n\
                        pub static ANSWERS: &[Body] = &[\n"
            .to_owned();
        for (route, what) in &file.answer {
            if let Some(reach) = &what.reach {
                self.mistake(reach, "an answer reaches nothing");
            }
            if !discloses(file, what, &mut BTreeSet::new()) {
                self.mistake(route, "it discloses nothing");
            }
            match parse_route(route.get_ref(), false) {
                Ok(source) => {
                    let root = self.field("", what, file);
                    rust += &format!("Body {{ route: {source} root: {root} }},\n");
                }
                Err(what) => self.mistake(route, &what.to_string()),
            }
        }
        rust + "];\n"
    }

    /// One field as Rust source, with a comma behind.
    fn field(&mut self, name: &str, field: &Field, file: &File) -> String {
        let (kind, objects) = self.kind(&field.kind, file);
        let reach = field.reach.as_ref();
        if let Some(text) = reach {
            if text.get_ref() == "inside" && objects.is_none() {
                self.mistake(text, "there is nothing inside: say what it reaches");
            }
            if let Some(object) = objects.filter(|_| text.get_ref() == "harmless")
                && reaches(file, &object, &mut BTreeSet::new())
            {
                let what =
                    format!("a field of {object} has reach: write \"inside\", or what it reaches");
                self.mistake(text, &what);
            }
        }
        let reach = reach.map_or("Reach::NONE".to_owned(), |reach| self.reach(reach));
        let (disclosed, form) = self.disclosed(field);
        let mut harmless = String::new();
        for value in &field.harmless {
            match value.get_ref() {
                Harmless::Int(int) => harmless += &format!("Harmless::Int({int}),"),
                Harmless::Text(text) if text.is_empty() => {
                    self.mistake(value, "an empty value is harmless anyway");
                }
                Harmless::Text(text) => match text.strip_suffix('*') {
                    Some(start) => harmless += &format!("Harmless::Start({start:?}),"),
                    None => harmless += &format!("Harmless::Text({text:?}),"),
                },
            }
        }
        if let Some(value) = field.harmless.first().filter(|_| reach == "Reach::NONE") {
            self.mistake(value, "a field without reach is harmless with every value");
        }
        let judged = field.judged.as_ref();
        let judged = judged.map_or("Value".to_owned(), |name| self.judged(name, &field.kind));
        if let Some(version) = &field.retired {
            let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let parts = version.get_ref().split_once('.');
            if !parts.is_some_and(|(major, minor)| number(major) && number(minor)) {
                self.mistake(version, "an API version is written 1.24");
            }
            if field.undocumented {
                self.mistake(version, "retired, or never documented: say one of them");
            }
        }
        let (held, undocumented, own) = (field.held, field.undocumented, &field.own);
        let retired = field.retired.as_ref().map(Spanned::get_ref);
        format!(
            "Field {{ name: {name:?}, kind: {kind}, reach: {reach}, judged: Judged::{judged}, \
             harmless: &[{harmless}], disclosed: {disclosed}, form: {form}, held: {held}, retired: {retired:?}, \
             undocumented: {undocumented}, own: &{own:?} }},"
        )
    }

    /// A kind as Rust source, and the object that it is made of.
    fn kind(&mut self, kind: &Spanned<String>, file: &File) -> (String, Option<String>) {
        let text = kind.get_ref().as_str();
        let (wrap, inner) = match (text.strip_prefix("list of "), text.strip_prefix("map of ")) {
            (Some(inner), _) => ("List", inner),
            (None, Some(inner)) => ("Map", inner),
            (None, None) => {
                let known = ["string", "bool", "int", "float", "raw", "words"];
                if let Some(scalar) = known.iter().find(|known| **known == text) {
                    let (first, rest) = scalar.split_at(1);
                    return (format!("Kind::{}{rest}", first.to_uppercase()), None);
                }
                let name = Spanned::new(kind.span(), text.to_owned());
                if !file.object.contains_key(&name) {
                    let what = format!(
                        "{text:?} is no kind: write string, bool, int, float, raw, words, \
                         an object's name, \"list of K\" or \"map of K\""
                    );
                    self.mistake(kind, &what);
                }
                return (
                    format!("Kind::Object(&{})", constant(text)),
                    Some(name.into_inner()),
                );
            }
        };
        let (inner, object) = self.kind(&Spanned::new(kind.span(), inner.to_owned()), file);
        (format!("Kind::{wrap}(&{inner})"), object)
    }

    fn reach(&mut self, reach: &Spanned<String>) -> String {
        let text = reach.get_ref();
        if text == "harmless" || text == "inside" {
            return "Reach::NONE".to_owned();
        }
        let mut source = "Reach::NONE".to_owned();
        let mut seen = BTreeSet::new();
        for word in text.split(' ') {
            match REACHES.iter().find(|(name, _)| *name == word) {
                Some((_, name)) if seen.insert(name) => source += &format!(".with(Reach::{name})"),
                Some(_) => self.mistake(reach, &format!("{word} stands here twice")),
                None => {
                    let names = REACHES.map(|(name, _)| name).join(", ");
                    let what =
                        format!("{word:?} is no reach: write harmless, inside, or of {names}");
                    self.mistake(reach, &what);
                }
            }
        }
        source
    }

    /// What it discloses, and how it is redacted.
    fn disclosed(&mut self, field: &Field) -> (String, String) {
        let mut source = "Disclosed::NONE".to_owned();
        let words = field.discloses.iter();
        for word in words.clone().flat_map(|words| words.get_ref().split(' ')) {
            match DISCLOSED.iter().find(|(name, _)| *name == word) {
                Some((_, name)) => source += &format!(".with(Disclosed::{name})"),
                None => {
                    let names = DISCLOSED.map(|(name, _)| name).join(", ");
                    let what = format!("{word:?} cannot be disclosed: write one of {names}");
                    words.clone().for_each(|words| self.mistake(words, &what));
                }
            }
        }
        let Some(form) = &field.form else {
            return (source, "Form::Value".to_owned());
        };
        if field.discloses.is_none() {
            self.mistake(form, "it discloses nothing that could have a form");
        }
        let known = FORMS.iter().find(|(name, _)| name == form.get_ref());
        if known.is_none() {
            let names = FORMS.map(|(name, _)| name).join(", ");
            let what = format!("{:?} is no form: write one of {names}", form.get_ref());
            self.mistake(form, &what);
        }
        let name = known.map_or("Value", |(_, name)| name);
        (source, format!("Form::{name}"))
    }

    fn judged(&mut self, name: &Spanned<String>, kind: &Spanned<String>) -> String {
        let mut all = JUDGED.iter();
        let Some((_, variant, kinds)) = all.find(|(known, ..)| known == name.get_ref()) else {
            self.mistake(name, &format!("there is no judgement {:?}", name.get_ref()));
            return String::new();
        };
        let text = kind.get_ref();
        let fits = |form: &&str| match form.strip_suffix('*') {
            Some(start) => text.strip_prefix(start).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_uppercase()) && !rest.contains(' ')
            }),
            None => form == text,
        };
        if !kinds.iter().any(fits) {
            let what = format!("it reads {}, not {text}", kinds.join(" or "));
            self.mistake(name, &what);
        }
        (*variant).to_owned()
    }

    /// An object that no body holds would be a field that nothing judges.
    fn used(&mut self, file: &File) {
        let mut used = BTreeSet::new();
        let fields = file.object.values().flat_map(BTreeMap::values);
        for field in fields
            .chain(file.body.values())
            .chain(file.answer.values())
            .chain([&file.inspect])
        {
            used.insert(field.held().to_owned());
        }
        let listed = file.embed.values().chain(file.legacy.values());
        used.extend(listed.flat_map(|names| names.get_ref().iter().map(|n| n.get_ref().clone())));
        for name in file.object.keys() {
            if !used.contains(name.get_ref()) {
                self.mistake(name, &format!("nothing holds a {}", name.get_ref()));
            }
        }
    }
}

/// Whether any field of an object, or of one inside, has reach.
fn reaches(file: &File, object: &str, seen: &mut BTreeSet<String>) -> bool {
    if !seen.insert(object.to_owned()) {
        return false;
    }
    let name = |text: &str| Spanned::new(0..0, text.to_owned());
    let embedded = file.embed.get(&name(object)).map(Spanned::get_ref);
    let embedded = embedded
        .into_iter()
        .flatten()
        .map(|name| name.get_ref().as_str());
    let objects: Vec<&str> = [object].into_iter().chain(embedded).collect();
    let fields = objects
        .iter()
        .filter_map(|object| file.object.get(&name(object)));
    fields
        .flat_map(BTreeMap::values)
        .any(|field| match field.reach() {
            "harmless" => false,
            "inside" => reaches(file, field.held(), seen),
            _ => true,
        })
}

/// Whether a field, or one inside, discloses something.
fn discloses<'a>(file: &'a File, field: &'a Field, seen: &mut BTreeSet<&'a str>) -> bool {
    if field.discloses.is_some() {
        return true;
    }
    let object = field.held();
    let name = |text: &str| Spanned::new(0..0, text.to_owned());
    let embedded = file.embed.get(&name(object)).map(Spanned::get_ref);
    let embedded = embedded.into_iter().flatten();
    let objects = embedded.map(|name| name.get_ref().as_str()).chain([object]);
    let fields = objects.filter_map(|object| file.object.get(&name(object)));
    seen.insert(object)
        && fields
            .flat_map(BTreeMap::values)
            .any(|field| discloses(file, field, seen))
}

/// `HostConfig` as `HOST_CONFIG`.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    let mut low = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && low {
            constant.push('_');
        }
        low = letter.is_ascii_lowercase();
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}
