//! The parts of a long text that are wanted, found as its bytes arrive. The rest takes no memory.
//!
//! For answers of the engine alone, which writes valid JSON, and the fields of structs without escapes.
//! What clients chose in it, such as labels, stands in strings: of these only the end is looked for.
//! What is left is JSON once more, which [`read`](super::read) reads as strictly as any other, so that
//! a wanted field that is there twice is refused.

use memchr::memchr2;

/// What is wanted of a value. What is not as expected is left as null.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// All of it.
    All,
    /// It is a list: this of each item.
    Items(&'static Wanted),
    /// It is an object: these of its fields.
    Fields(&'static [(&'static str, Wanted)]),
}

/// A text as it arrives.
#[derive(Debug)]
pub struct Skimmer {
    /// What is left of it.
    left: Vec<u8>,
    /// The lists and objects in which something is wanted, the innermost last.
    levels: Vec<Level>,
    at: At,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Level {
    wanted: Wanted,
    /// Whether something is left in it.
    filled: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum At {
    /// A value of which this is wanted.
    Value(Option<Wanted>),
    /// The rest of a value that is kept or dropped as a whole.
    Whole { kept: bool, depth: usize },
    /// The rest of a string in such a value, behind a backslash or not.
    Text {
        kept: bool,
        depth: usize,
        escaped: bool,
    },
    /// A comma, a key or the end of a level.
    Between,
    /// The rest of a key.
    Key { escaped: bool },
    /// A colon, and then such a value.
    Colon(Option<Wanted>),
    /// Nothing more.
    End,
    /// It is no JSON.
    Broken,
}

/// No field's name is longer.
const LONGEST: usize = 64;

impl Skimmer {
    /// A text of which this is wanted.
    pub fn new(wanted: Wanted) -> Skimmer {
        Skimmer {
            left: Vec::new(),
            levels: Vec::new(),
            at: At::Value(Some(wanted)),
            key: Vec::new(),
        }
    }

    /// How many bytes are left of it so far.
    pub fn held(&self) -> usize {
        self.left.len()
    }

    /// Takes the next bytes of the text.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            let taken = match self.at {
                At::Text {
                    kept,
                    depth,
                    escaped,
                } => self.text(bytes, kept, depth, escaped),
                at => usize::from(self.byte(at, *first)),
            };
            bytes = &bytes[taken..];
        }
    }

    /// What is left of a whole text; nothing if it was cut off.
    pub fn end(self) -> Option<Vec<u8>> {
        let is_whole = match self.at {
            At::End => true,
            // Only its end ends a number.
            At::Whole { depth: 0, .. } => self.levels.is_empty(),
            _ => false,
        };
        is_whole.then_some(self.left)
    }

    /// Goes on in a string: how many bytes are its.
    fn text(&mut self, bytes: &[u8], kept: bool, depth: usize, escaped: bool) -> usize {
        let in_text = |escaped| At::Text {
            kept,
            depth,
            escaped,
        };
        let (taken, at) = match memchr2(b'"', b'\\', bytes) {
            _ if escaped => (1, in_text(false)),
            None => (bytes.len(), in_text(false)),
            Some(found) if bytes[found] == b'\\' => (found + 1, in_text(true)),
            Some(found) if depth == 0 => (found + 1, self.behind_value()),
            Some(found) => (found + 1, At::Whole { kept, depth }),
        };
        if kept {
            self.left.extend_from_slice(&bytes[..taken]);
        }
        self.at = at;
        taken
    }

    /// Takes a byte outside of such strings, unless it belongs to what comes next.
    fn byte(&mut self, at: At, byte: u8) -> bool {
        let is_space = b" \t\r\n".contains(&byte);
        match (at, byte) {
            (At::Broken, _) => true,
            (At::Key { escaped }, _) => {
                self.at = match byte {
                    _ if escaped => At::Key { escaped: false },
                    b'"' => At::Colon(self.field()),
                    byte => At::Key {
                        escaped: byte == b'\\',
                    },
                };
                // With a backslash or cut off, it is no field's.
                if self.key.len() <= LONGEST {
                    self.key.push(byte);
                }
                true
            }
            (At::Whole { kept, depth }, _) => self.whole(kept, depth, byte),
            _ if is_space => true,
            (At::Value(wanted), _) => self.value(wanted, byte),
            (At::Colon(wanted), b':') => {
                if wanted.is_some() {
                    self.comma();
                    self.left.push(b'"');
                    self.left.append(&mut self.key);
                    self.left.push(b':');
                }
                self.at = At::Value(wanted);
                true
            }
            (At::Between, _) => {
                self.between(byte);
                true
            }
            _ => {
                self.at = At::Broken;
                true
            }
        }
    }

    /// What is wanted of the field of this key, which was read.
    fn field(&self) -> Option<Wanted> {
        let Some(Wanted::Fields(fields)) = self.levels.last().map(|level| level.wanted) else {
            return None;
        };
        let mut fields = fields.iter();
        let own = fields.find(|(name, _)| name.as_bytes() == self.key)?;
        Some(own.1)
    }

    fn value(&mut self, wanted: Option<Wanted>, byte: u8) -> bool {
        let in_list = match self.levels.last() {
            Some(level) => matches!(level.wanted, Wanted::Items(_)),
            None => false,
        };
        if in_list && byte == b']' {
            let is_empty = self.levels.last().is_some_and(|level| !level.filled);
            match is_empty {
                true => self.close(byte),
                false => self.at = At::Broken,
            }
            return true;
        }
        if in_list {
            self.comma();
        }
        match (wanted, byte) {
            (Some(wanted @ Wanted::Items(item)), b'[') => {
                self.open(wanted, byte);
                self.at = At::Value(Some(*item));
                true
            }
            (Some(wanted @ Wanted::Fields(_)), b'{') => {
                self.open(wanted, byte);
                self.at = At::Between;
                true
            }
            _ => {
                let kept = matches!(wanted, Some(Wanted::All));
                if wanted.is_some() && !kept {
                    self.left.extend_from_slice(b"null");
                }
                // Nothing else begins with these.
                let ends = b",:]}".contains(&byte);
                self.at = match ends {
                    true => At::Broken,
                    false => At::Whole { kept, depth: 0 },
                };
                ends
            }
        }
    }

    fn whole(&mut self, kept: bool, depth: usize, byte: u8) -> bool {
        let deeper = match byte {
            b'[' | b'{' => Some(depth + 1),
            b']' | b'}' => depth.checked_sub(1),
            b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => None,
            _ => Some(depth),
        };
        let Some(deeper) = deeper else {
            self.at = self.behind_value();
            return false;
        };
        if kept {
            self.left.push(byte);
        }
        self.at = match byte {
            b'"' => At::Text {
                kept,
                depth,
                escaped: false,
            },
            b']' | b'}' if deeper == 0 => self.behind_value(),
            _ => At::Whole {
                kept,
                depth: deeper,
            },
        };
        true
    }

    fn between(&mut self, byte: u8) {
        let wanted = self.levels.last().map(|level| level.wanted);
        match (byte, wanted) {
            (b',', Some(Wanted::Items(item))) => self.at = At::Value(Some(*item)),
            (b',', Some(Wanted::Fields(_))) => {}
            (b'"', Some(Wanted::Fields(_))) => {
                self.key.clear();
                self.at = At::Key { escaped: false };
            }
            (b']' | b'}', Some(_)) => self.close(byte),
            _ => self.at = At::Broken,
        }
    }

    fn open(&mut self, wanted: Wanted, byte: u8) {
        self.left.push(byte);
        self.levels.push(Level {
            wanted,
            filled: false,
        });
    }

    fn close(&mut self, byte: u8) {
        self.left.push(byte);
        self.levels.pop();
        self.at = self.behind_value();
    }

    /// Something more is left in the innermost level.
    fn comma(&mut self) {
        if let Some(level) = self.levels.last_mut()
            && std::mem::replace(&mut level.filled, true)
        {
            self.left.push(b',');
        }
    }

    fn behind_value(&self) -> At {
        match self.levels.is_empty() {
            true => At::End,
            false => At::Between,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::body::json::{Limits, Object, Untyped, Value, read};

    const LIST: Wanted = Wanted::Items(&Wanted::Fields(&[
        ("Id", Wanted::All),
        ("HostConfig", Wanted::Fields(&[("PidMode", Wanted::All)])),
        (
            "Config",
            Wanted::Items(&Wanted::Fields(&[("Subnet", Wanted::All)])),
        ),
    ]));

    /// What is left of a text in parts of this size.
    fn skimmed(text: &str, size: usize) -> Option<String> {
        let mut skimmer = Skimmer::new(LIST);
        for part in text.as_bytes().chunks(size) {
            skimmer.take(part);
        }
        String::from_utf8(skimmer.end()?).ok()
    }

    #[test]
    fn what_is_wanted_is_left_however_it_arrives() {
        for (text, left) in [
            ("[]", "[]"),
            (" [ ] \n", "[]"),
            ("null", "null"),
            ("7", "null"),
            ("{\"Id\":\"x\"}", "null"),
            ("[{}]", "[{}]"),
            (
                "[{},null,7,[{\"Id\":1}],\"Id\"]",
                "[{},null,null,null,null]",
            ),
            (r#"[{"Id":"a","Labels":{"Id":"b"}}]"#, r#"[{"Id":"a"}]"#),
            (
                r#"[{"Labels":{"x":"\"}],[{\\\"Id\":\"b"},"Id":"a"},{"Id":"c"}]"#,
                r#"[{"Id":"a"},{"Id":"c"}]"#,
            ),
            (
                r#"[{"Labels":{"\\":"\\","\"}":"[{"},"Names":["/\"Id\":"],"Id" : "a" , "x":[[{}],1.5e3,true]}]"#,
                r#"[{"Id":"a"}]"#,
            ),
            (
                r#"[{"Id":{"a": [1, "]}\"", null]},"x":-1}]"#,
                r#"[{"Id":{"a": [1, "]}\"", null]}}]"#,
            ),
            (r#"[{"Id":1,"x":2,"Id":3 }]"#, r#"[{"Id":1,"Id":3}]"#),
            (r#"[{"Idx":1,"I":2,"id":3,"\u0049d":4}]"#, "[{}]"),
            (
                r#"[{"HostConfig":{"Binds":["Id"],"PidMode":"host"},"Config":[{"Subnet":"a"},{"Gateway":"b"}]}]"#,
                r#"[{"HostConfig":{"PidMode":"host"},"Config":[{"Subnet":"a"},{}]}]"#,
            ),
            (
                r#"[{"HostConfig":null,"Config":{"Subnet":"a"}}]"#,
                r#"[{"HostConfig":null,"Config":null}]"#,
            ),
        ] {
            for size in 1..=text.len() {
                assert_eq!(skimmed(text, size).as_deref(), Some(left), "{text} {size}");
            }
            // Cut off, it is nothing, or no JSON. A number has no end of its own.
            let is_number = text == "7";
            for length in (0..text.trim().len()).filter(|_| !is_number) {
                let left = skimmed(&text[..length], 5).filter(|left| left != "null");
                let is_cut = left.is_none_or(|left| {
                    serde_json::from_str::<serde::de::IgnoredAny>(&left).is_err()
                });
                assert!(is_cut, "{text} {length}");
            }
        }
        let long = format!(r#"[{{"{}":1,"Id":2}}]"#, "Id".repeat(100));
        assert_eq!(skimmed(&long, 7).as_deref(), Some(r#"[{"Id":2}]"#));
    }

    /// What is wanted of a value, by its tree.
    fn of_tree(value: &Value, wanted: Wanted) -> Value {
        match (wanted, value) {
            (Wanted::All, value) => value.clone(),
            (Wanted::Items(item), Value::List(list)) => {
                let items = list.iter().map(|value| of_tree(value, *item));
                Value::List(items.collect())
            }
            (Wanted::Fields(fields), Value::Object(object)) => {
                let mut left = Object::default();
                for (key, value) in object.iter() {
                    if let Some((name, wanted)) = fields.iter().find(|(name, _)| *name == key) {
                        left.set(*name, of_tree(value, *wanted));
                    }
                }
                left.into()
            }
            _ => Value::Null,
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = || "(Id|HostConfig|PidMode|Config|Subnet|[\"\\\\\\[\\]{}:, a\u{e9}\n]{0,4})";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 6, move |inner| {
            let fields = prop::collection::vec((text(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::List),
                fields.prop_map(|fields| {
                    let mut object = Object::default();
                    for (key, value) in fields {
                        object.set(key, value);
                    }
                    object.into()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_the_whole_tree_has(value in any_value(), size in 1_usize..9) {
            let value = Value::List(vec![value]);
            let left = skimmed(&value.to_json(), size).expect("a whole text");
            let left = read(left.as_bytes(), Limits::default(), Untyped);
            prop_assert_eq!(left.expect("JSON"), of_tree(&value, LIST));
        }
    }

    #[test]
    fn what_is_dropped_takes_no_memory() {
        let mut skimmer = Skimmer::new(LIST);
        skimmer.take(b"[");
        for at in 0..50 {
            let more = if at == 0 { "" } else { "," };
            let labels = r#""a\"":"b","#.repeat(20_000);
            skimmer.take(format!(r#"{more}{{"Id":{at},"Labels":{{{labels}"x":""}}}}"#).as_bytes());
        }
        skimmer.take(b"]");
        assert!(skimmer.held() < 1_000 && skimmer.left.capacity() < 2_000);
        assert!(
            skimmer
                .end()
                .is_some_and(|left| left.ends_with(b",{\"Id\":49}]"))
        );
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for text in [
            "",
            " ",
            "[",
            "[{",
            "[{}",
            "[{}]x",
            "[]]",
            "[1,]",
            "[,1]",
            "[{\"Id\"}]",
            "[{\"Id\" 1}]",
            "[{\"Id\":}]",
            "[{\"Id\":,\"x\":1}]",
            "[{} {}]",
            "[{x}]",
            "page not found",
        ] {
            for size in 1..=text.len().max(1) {
                assert_eq!(skimmed(text, size), None, "{text}");
            }
        }
        // What is mismatched stays so.
        assert_eq!(skimmed("[{]", 1), None);
        assert_eq!(skimmed("[{]]", 1).as_deref(), Some("[{]]"));
    }
}
