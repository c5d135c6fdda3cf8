//! A model of Go's `encoding/json`, for the reader to be held against: lenient where Go is, naive,
//! and sharing nothing with `src/`. It is itself checked against what Go did
//! (`tests/conformance/go-json.jsonl`). A value that was decoded is a [`serde_json::Value`] with
//! every field in it.

#[path = "goscan.rs"]
mod goscan;

use dockgate::api::fields::{self, same};
use dockgate::body::json::{self, Kind, Shape};
use goscan::{Json, Parsed, mended, parse};
use serde_json::{Value, json};

/// A type of Go.
#[derive(Debug)]
pub(crate) enum Type {
    Bool,
    /// With the least and the most that it holds.
    Int(i128, i128),
    Float32,
    Text,
    Pointer(&'static Type),
    List(&'static Type),
    Array(usize, &'static Type),
    Map(&'static Type),
    Struct(&'static [(&'static str, &'static Type)]),
    Any,
    /// A `json.RawMessage`.
    Raw,
    /// The engine's `strslice.StrSlice` up to 28.
    Words,
}
use Type::{Any, Array, Bool, Float32, Int, List, Map, Pointer, Raw, Struct, Text, Words};

const INT64: Type = Int(i64::MIN as i128, i64::MAX as i128);
const INT32: Type = Int(i32::MIN as i128, i32::MAX as i128);
const UINT64: Type = Int(0, u64::MAX as i128);
const UINT16: Type = Int(0, u16::MAX as i128);

/// `Body` of `tests/conformance/go-json.go`.
pub(crate) static BODY: Type = Struct(&[
    ("Image", &Text),
    ("User", &Text),
    ("Tty", &Bool),
    ("Cmd", &Words),
    ("Env", &List(&Text)),
    ("Labels", &Map(&Text)),
    ("ExposedPorts", &Map(&Struct(&[]))),
    ("StopTimeout", &Pointer(&INT64)),
    ("HostConfig", &Pointer(&HOST_CONFIG)),
    (
        "NetworkingConfig",
        &Struct(&[("EndpointsConfig", &Map(&Pointer(&ENDPOINT)))]),
    ),
    ("Options", &Any),
    ("Raw", &Raw),
    ("lowercased", &Text),
]);

static HOST_CONFIG: Type = Struct(&[
    ("Memory", &INT64),
    ("NanoCpus", &INT64),
    ("PidsLimit", &Pointer(&INT64)),
    (
        "Ulimits",
        &List(&Pointer(&Struct(&[("Name", &Text), ("Hard", &INT64)]))),
    ),
    ("Binds", &List(&Text)),
    ("Privileged", &Bool),
    ("NetworkMode", &Text),
    ("Mounts", &List(&MOUNT)),
    (
        "PortBindings",
        &Map(&List(&Struct(&[("HostIp", &Text), ("HostPort", &Text)]))),
    ),
    ("MaskedPaths", &List(&Text)),
    ("Init", &Pointer(&Bool)),
    ("Sysctls", &Map(&Text)),
    ("OomScoreAdj", &INT32),
    ("ShmSize", &UINT64),
    ("ConsoleSize", &Array(2, &UINT16)),
    ("Ratio", &Float32),
    ("Skills", &Map(&INT64)),
    ("Switches", &List(&Bool)),
    ("Lists", &List(&List(&Text))),
]);

static MOUNT: Type = Struct(&[
    ("Type", &Text),
    ("Source", &Text),
    ("Target", &Text),
    ("ReadOnly", &Bool),
    ("BindOptions", &Pointer(&Struct(&[("Propagation", &Text)]))),
]);

static ENDPOINT: Type = Struct(&[("Aliases", &List(&Text)), ("DriverOpts", &Map(&Text))]);

/// What the table of fields says, as a type. Where Go has a pointer to it makes no difference.
pub(crate) fn of_table(kind: &fields::Kind) -> &'static Type {
    let own = match kind {
        fields::Kind::String => Text,
        fields::Kind::Bool => Bool,
        fields::Kind::Int => INT64,
        fields::Kind::Float => Float32,
        fields::Kind::Words => Words,
        fields::Kind::Raw => Any,
        fields::Kind::List(of) => List(of_table(of)),
        fields::Kind::Map(of) => Map(of_table(of)),
        fields::Kind::Object(object) => {
            let mut known: Vec<(&'static str, &'static Type)> = Vec::new();
            let embedded = object.legacy.iter().flat_map(|object| object.fields);
            for field in object.fields.iter().chain(embedded) {
                // What is embedded deeper counts where there is no other field of the name.
                if !known.iter().any(|(name, _)| *name == field.name) {
                    known.push((field.name, of_table(&field.kind)));
                }
            }
            Struct(known.leak())
        }
    };
    Box::leak(Box::new(own))
}

/// Whether an object of this body has two keys that are the same in some case, or it is no JSON.
pub(crate) fn has_twins(body: &[u8]) -> bool {
    fn within(json: &Json<'_>) -> bool {
        match json {
            Json::List(items) => items.iter().any(|item| within(&item.json)),
            Json::Object(fields) => {
                let mut keys: Vec<String> = fields.iter().map(|(key, _)| lower(key)).collect();
                keys.sort_unstable();
                keys.windows(2).any(|pair| pair[0] == pair[1])
                    || fields.iter().any(|(_, parsed)| within(&parsed.json))
            }
            _ => false,
        }
    }
    parse(body).is_none_or(|parsed| within(&parsed.json))
}

/// As Go folds the names of its fields, which are all ASCII.
fn lower(key: &str) -> String {
    key.replace('ſ', "s")
        .replace('\u{212a}', "k")
        .to_ascii_lowercase()
}

/// The same types as the reader's shape.
impl Shape for &'static Type {
    fn kind(self) -> Kind {
        match self {
            Bool => Kind::Bool,
            Int(..) => Kind::Integer,
            Float32 => Kind::Number,
            Text => Kind::Text,
            Pointer(to) => to.kind(),
            List(_) | Array(..) => Kind::List,
            Map(_) => Kind::Map,
            Struct(_) => Kind::Object,
            Any | Raw => Kind::Any,
            Words => Kind::Words,
        }
    }

    fn field(self, key: &str) -> Option<(&'static str, &'static Type)> {
        match self {
            Pointer(to) => to.field(key),
            Struct(fields) => fields.iter().copied().find(|(name, _)| same(name, key)),
            _ => None,
        }
    }

    fn element(self) -> &'static Type {
        match self {
            Pointer(to) => to.element(),
            List(of) | Array(_, of) | Map(of) => of,
            _ => self,
        }
    }
}

/// What `json.Unmarshal` reads into a new value of this type, or nothing if it fails.
pub(crate) fn unmarshal(body: &[u8], into: &Type) -> Option<Value> {
    let parsed = parse(body)?;
    let mut value = into.zero();
    into.decode(&mut value, &parsed).then_some(value)
}

impl Type {
    fn zero(&self) -> Value {
        match self {
            Bool => json!(false),
            Int(..) | Float32 => json!(0),
            Text => json!(""),
            Array(length, of) => Value::Array(vec![of.zero(); *length]),
            Struct(fields) => fields
                .iter()
                .map(|(name, of)| ((*name).to_owned(), of.zero()))
                .collect(),
            Pointer(_) | List(_) | Map(_) | Any | Raw | Words => Value::Null,
        }
    }

    /// Whether it could be.
    fn decode(&self, old: &mut Value, parsed: &Parsed<'_>) -> bool {
        match (self, &parsed.json) {
            (Raw, _) => *old = json!(compact(parsed.text)),
            (Pointer(_) | List(_) | Map(_) | Any | Words, Json::Null) => *old = Value::Null,
            (_, Json::Null) => {}
            (Bool, Json::Bool(on)) => *old = json!(on),
            (Int(least, most), Json::Number) => match integer(parsed.str(), *least, *most) {
                Some(number) => *old = number,
                None => return false,
            },
            (Float32, Json::Number) => match parsed.str().parse::<f32>() {
                Ok(number) if number.is_finite() => *old = shortest(number),
                _ => return false,
            },
            (Text, Json::Text(text)) => *old = json!(text),
            (Pointer(to), _) => {
                if old.is_null() {
                    *old = to.zero();
                }
                return to.decode(old, parsed);
            }
            (List(of), Json::List(items)) => {
                let mut list = old.as_array().cloned().unwrap_or_default();
                list.resize(items.len(), of.zero());
                let mut pairs = list.iter_mut().zip(items);
                let fine = pairs.all(|(old, item)| of.decode(old, item));
                *old = Value::Array(list);
                return fine;
            }
            (Array(_, of), Json::List(items)) => {
                let list = old.as_array_mut().expect("an array");
                for (index, old) in list.iter_mut().enumerate() {
                    match items.get(index) {
                        Some(item) if !of.decode(old, item) => return false,
                        Some(_) => {}
                        None => *old = of.zero(),
                    }
                }
            }
            (Map(of), Json::Object(fields)) => {
                if old.is_null() {
                    *old = json!({});
                }
                let map = old.as_object_mut().expect("a map");
                for (key, parsed) in fields {
                    let mut value = of.zero();
                    if !of.decode(&mut value, parsed) {
                        return false;
                    }
                    map.insert(key.clone(), value);
                }
            }
            (Struct(known), Json::Object(fields)) => {
                let exact = |key: &str| known.iter().find(|(name, _)| *name == key);
                let folded = |key: &str| known.iter().find(|(name, _)| equal_fold(name, key));
                for (key, parsed) in fields {
                    let Some((name, of)) = exact(key).or_else(|| folded(key)) else {
                        continue;
                    };
                    if !of.decode(&mut old[name], parsed) {
                        return false;
                    }
                }
            }
            (Words, Json::Text(text)) => *old = json!([text]),
            (Words, Json::List(_)) => {
                let mut list = Value::Null;
                if !List(&Text).decode(&mut list, parsed) {
                    return false;
                }
                *old = list;
            }
            (Any, Json::Bool(on)) => *old = json!(on),
            (Any, Json::Number) => match parsed.str().parse::<f64>() {
                Ok(number) if number.is_finite() => *old = json!(number),
                _ => return false,
            },
            (Any, Json::Text(text)) => *old = json!(text),
            (Any, Json::List(_)) => {
                *old = Value::Null;
                return List(&Any).decode(old, parsed);
            }
            (Any, Json::Object(_)) => {
                *old = Value::Null;
                return Map(&Any).decode(old, parsed);
            }
            _ => return false,
        }
        true
    }
}

/// If the type with these bounds holds it. An unsigned one has no sign.
fn integer(digits: &str, least: i128, most: i128) -> Option<Value> {
    let number: i128 = digits.parse().ok()?;
    if !(least..=most).contains(&number) || (least == 0 && digits.starts_with('-')) {
        return None;
    }
    match u64::try_from(number) {
        Ok(number) => Some(json!(number)),
        Err(_) => Some(json!(i64::try_from(number).ok()?)),
    }
}

/// As Go writes it.
fn shortest(number: f32) -> Value {
    json!(number.to_string().parse::<f64>().expect("a number"))
}

/// Unicode's simple folding, where one of the two is ASCII.
fn equal_fold(name: &str, key: &str) -> bool {
    let sets = [['s', 'S', 'ſ'], ['k', 'K', '\u{212a}']];
    let same = |(a, b): (char, char)| {
        let together = |set: &[char; 3]| set.contains(&a) && set.contains(&b);
        a.eq_ignore_ascii_case(&b) || sets.iter().any(together)
    };
    name.chars().count() == key.chars().count() && name.chars().zip(key.chars()).all(same)
}

/// Without the blanks between its tokens.
fn compact(text: &[u8]) -> String {
    let (mut kept, mut quoted, mut escaped) = (Vec::new(), false, false);
    for &byte in text {
        if quoted || !b" \t\r\n".contains(&byte) {
            kept.push(byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    mended(&kept)
}

/// A [`BODY`] with the numbers of an `any` as Go has them, and its raw message as what that says.
pub(crate) fn comparable(mut read: Value) -> Value {
    fn floats(value: &mut Value) {
        match value {
            Value::Number(number) => *value = number.as_f64().into(),
            Value::Array(list) => list.iter_mut().for_each(floats),
            Value::Object(object) => object.values_mut().for_each(floats),
            _ => {}
        }
    }
    floats(&mut read["Options"]);
    floats(&mut read["HostConfig"]["Ratio"]);
    if let Some(raw) = read["Raw"].as_str() {
        read["Raw"] = serde_json::from_str(raw).unwrap_or_else(|_| raw.into());
    }
    read
}

/// What the engine has after it decoded this tree, as anyone would say who takes it at its word: no
/// folding, no merging. Nothing if a number is out of the range of its type, which is the one thing
/// that the reader leaves to the engine.
pub(crate) fn plain(value: &json::Value, of: &Type) -> Option<Value> {
    use dockgate::body::json::Value as Read;
    Some(match (of, value) {
        (Raw, Read::Null) => Value::Null,
        (Raw, value) => json!(value.to_string()),
        (Pointer(to), value) if *value != Read::Null => plain(value, to)?,
        (_, Read::Null) => of.zero(),
        (Bool, Read::Bool(on)) => json!(on),
        (Int(least, most), Read::Number(number)) => integer(number.as_str(), *least, *most)?,
        (Float32, Read::Number(number)) => {
            let number: f32 = number.as_str().parse().ok()?;
            shortest(number.is_finite().then_some(number)?)
        }
        (Text, Read::Text(text)) => json!(text),
        (List(of), Read::List(list)) => {
            let list = list.iter().map(|item| plain(item, of));
            Value::Array(list.collect::<Option<_>>()?)
        }
        (Array(length, of), Read::List(list)) => {
            let item = |index| {
                list.get(index)
                    .map_or(Some(of.zero()), |item| plain(item, of))
            };
            Value::Array((0..*length).map(item).collect::<Option<_>>()?)
        }
        (Map(of), Read::Object(object)) => object
            .iter()
            .map(|(key, value)| Some((key.to_owned(), plain(value, of)?)))
            .collect::<Option<_>>()?,
        (Struct(fields), Read::Object(object)) => fields
            .iter()
            .map(|(name, of)| {
                let value = object.get(name).unwrap_or(json::Value::NULL);
                Some(((*name).to_owned(), plain(value, of)?))
            })
            .collect::<Option<_>>()?,
        (Words, value @ Read::List(_)) => plain(value, &List(&Text))?,
        (Any, Read::Bool(on)) => json!(on),
        (Any, Read::Number(number)) => json!(number.as_str().parse::<f64>().ok()?),
        (Any, Read::Text(text)) => json!(text),
        (Any, value @ Read::List(_)) => plain(value, &List(&Any))?,
        (Any, value @ Read::Object(_)) => plain(value, &Map(&Any))?,
        (of, value) => panic!("the reader let pass {value:?} where Go has {of:?}"),
    })
}
