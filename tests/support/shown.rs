//! What a policy with a scope shows of a list, as simply as it can be said. It shares no code with
//! `src/`: an item that this hides must never pass.

use std::collections::BTreeSet;

use serde_json::Value;

/// The scope of the model, and what it shares.
pub(crate) const SCOPE: &str = "label:team=ci";
pub(crate) const SHARED: &str = "network:commons,volume:models";
/// The IDs of what is in scope by another object: a volume that is mounted, a service that has tasks, a
/// container that is a network's member.
pub(crate) const KNOWN: &str = "known";

/// A field, however its name is spelled: clients in Go read it in any case.
pub(crate) fn field<'v>(object: &'v Value, name: &str) -> &'v Value {
    let folded = |text: &str| {
        let plain = |c: char| match c {
            'ſ' => 's',
            'K' => 'k',
            other => other.to_ascii_lowercase(),
        };
        text.chars().map(plain).collect::<String>()
    };
    let fields = object.as_object().into_iter().flatten();
    let mut fields = fields.filter(|(key, _)| folded(key) == folded(name));
    fields.next().map_or(&Value::Null, |(_, value)| value)
}

/// Whether an item of a list of this kind is seen. The kind is a word: `container`.
pub(crate) fn is_seen(kind: &str, item: &Value) -> bool {
    let spec = field(item, "Spec");
    let (id, name, labels) = match kind {
        "task" => return field(item, "ServiceID") == KNOWN,
        "service" | "secret" | "config" => (
            field(item, "ID"),
            field(spec, "Name"),
            field(spec, "Labels"),
        ),
        "volume" => (
            field(item, "Name"),
            field(item, "Name"),
            field(item, "Labels"),
        ),
        _ => (
            field(item, "Id"),
            field(item, "Name"),
            field(item, "Labels"),
        ),
    };
    let is_shared = match kind {
        "network" => ["bridge", "none", "commons"].iter().any(|own| name == own),
        "volume" => name == "models",
        _ => false,
    };
    let is_known = id == KNOWN && ["container", "volume", "service"].contains(&kind);
    // A label's key is exact.
    labels.get("team") == Some(&Value::from("ci")) || is_known || is_shared
}

/// The items of a list as the engine answers it.
pub(crate) fn items<'v>(kind: &str, list: &'v Value) -> Vec<&'v Value> {
    let list = match kind {
        "volume" => field(list, "Volumes"),
        _ => list,
    };
    list.as_array().into_iter().flatten().collect()
}

/// All texts in it, names of fields too.
pub(crate) fn texts(value: &Value) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => {
                all.insert(text.as_str());
            }
            Value::Array(items) => left.extend(items),
            Value::Object(fields) => {
                all.extend(fields.keys().map(String::as_str));
                left.extend(fields.values());
            }
            _ => {}
        }
    }
    all
}

/// What an answer says that another one does not: the texts, but for what stands in place of one.
pub(crate) fn more<'v>(shown: &'v Value, of: &Value, placeholders: &[&str]) -> Vec<&'v str> {
    let known = texts(of);
    let said = |text: &str| {
        let mut parts = vec![text];
        for placeholder in placeholders {
            parts = parts
                .iter()
                .flat_map(|part| part.split(placeholder))
                .collect();
        }
        let mut parts = parts.into_iter().filter(|part| !part.is_empty());
        known.contains(text)
            || text.is_empty()
            || (placeholders.iter().any(|one| text.contains(one))
                && parts.all(|part| known.iter().any(|own| own.contains(part))))
    };
    let texts = texts(shown).into_iter();
    texts.filter(|text| !said(text)).collect()
}
