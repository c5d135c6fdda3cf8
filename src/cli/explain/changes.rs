//! What is forwarded of a body, compared with what was sent: a line for each value that is gone, and
//! for each that is new. Without any byte, a body is `{}`.

use std::collections::HashMap;

use crate::api::fields::fold;
use crate::body::json::{Limits, Object, Path, Refusal, Untyped, Value, read};

/// The values that differ, as `- PLACE: JSON` and `+ PLACE: JSON`; nothing if a body is not JSON. How
/// the name of a field is spelled is no difference.
pub(super) fn of(sent: &[u8], written: &[u8]) -> Vec<String> {
    let read = |bytes: &[u8]| match read(bytes, Limits::default(), Untyped) {
        Err(Refusal::Empty) => Some(Object::default().into()),
        read => read.ok(),
    };
    let mut changes = Vec::new();
    if let (Some(sent), Some(written)) = (read(sent), read(written)) {
        compare(&Path::ROOT, &sent, &written, &mut changes);
    }
    changes
}

fn compare(path: &Path<'_>, sent: &Value, written: &Value, changes: &mut Vec<String>) {
    match (sent, written) {
        _ if sent == written => {}
        (Value::Object(sent), Value::Object(written)) => fields(path, sent, written, changes),
        (Value::List(sent), Value::List(written)) => items(path, sent, written, changes),
        _ => {
            changes.push(gone(path, sent));
            changes.push(new(path, written));
        }
    }
}

fn gone(path: &Path<'_>, value: &Value) -> String {
    format!("- {}: {value}", place(path))
}

fn new(path: &Path<'_>, value: &Value) -> String {
    format!("+ {}: {value}", place(path))
}

fn place(path: &Path<'_>) -> String {
    match path.to_string() {
        root if root.is_empty() => "the body".to_owned(),
        place => place,
    }
}

/// Each field of both. One in another spelling is the same field, unless it is there as well.
fn fields(path: &Path<'_>, sent: &Object, written: &Object, changes: &mut Vec<String>) {
    let before: HashMap<&str, &Value> = sent.iter().collect();
    let mut after: HashMap<&str, &Value> = written.iter().collect();
    let respelled = written.iter().filter(|(key, _)| !before.contains_key(key));
    let respelled: HashMap<String, &str> = respelled.map(|(key, _)| (fold(key), key)).collect();
    for (key, value) in sent.iter() {
        let own = match after.contains_key(key) {
            true => Some(key),
            false => respelled.get(&fold(key)).copied(),
        };
        match own.and_then(|own| Some((own, after.remove(own)?))) {
            Some((own, now)) => compare(&path.key(own), value, now, changes),
            None => changes.push(gone(&path.key(key), value)),
        }
    }
    for (key, value) in written.iter().filter(|(key, _)| after.contains_key(key)) {
        changes.push(new(&path.key(key), value));
    }
}

/// The items between those that both begin and end with.
fn items(path: &Path<'_>, sent: &[Value], written: &[Value], changes: &mut Vec<String>) {
    let same = |(one, other): &(&Value, &Value)| one == other;
    let start = sent.iter().zip(written).take_while(same).count();
    let (sent, written) = (&sent[start..], &written[start..]);
    let end = sent.iter().rev().zip(written.iter().rev());
    let end = end.take_while(same).count();
    let (sent, written) = (&sent[..sent.len() - end], &written[..written.len() - end]);
    for at in 0..sent.len().max(written.len()) {
        let path = path.index(start + at);
        match (sent.get(at), written.get(at)) {
            (Some(sent), Some(written)) => compare(&path, sent, written, changes),
            (Some(sent), None) => changes.push(gone(&path, sent)),
            (None, Some(written)) => changes.push(new(&path, written)),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_that_differs_has_a_line() {
        for (sent, written, changes) in [
            ("{}", "{}", &[][..]),
            (r#" {"a" : 1.0}"#, r#"{"A":1.0}"#, &[]),
            ("", "", &[]),
            (" \n", "{}", &[]),
            ("", r#"{"Memory":7}"#, &["+ Memory: 7"]),
            (
                "null",
                r#"{"Memory":7}"#,
                &["- the body: null", r#"+ the body: {"Memory":7}"#],
            ),
            ("[", "{}", &[]),
            (r#"{"a":1.0}"#, r#"{"a":1}"#, &["- a: 1.0", "+ a: 1"]),
            (
                r#"{"Frob":null,"hostconfig":{"VolumesFrom":["web:ro"]}}"#,
                r#"{"HostConfig":{"VolumesFrom":["f00:ro"],"Memory":7}}"#,
                &[
                    "- Frob: null",
                    r#"- HostConfig.VolumesFrom[0]: "web:ro""#,
                    r#"+ HostConfig.VolumesFrom[0]: "f00:ro""#,
                    "+ HostConfig.Memory: 7",
                ],
            ),
            // Keys of a map.
            (
                r#"{"Labels":{"a":"1","A":"2"}}"#,
                r#"{"Labels":{"A":"2","b.c":"3"}}"#,
                &[r#"- Labels.a: "1""#, r#"+ Labels["b.c"]: "3""#],
            ),
            (r#"{"l":[1,2,3,4]}"#, r#"{"l":[1,3,4]}"#, &["- l[1]: 2"]),
            (
                r#"{"l":[1,[2],3]}"#,
                r#"{"l":[1,[4],5,3]}"#,
                &["- l[1][0]: 2", "+ l[1][0]: 4", "+ l[2]: 5"],
            ),
            (r#"{"l":[]}"#, r#"{"l":{}}"#, &["- l: []", "+ l: {}"]),
        ] {
            assert_eq!(of(sent.as_bytes(), written.as_bytes()), changes, "{sent}");
        }
    }
}
