//! What is read of the engine's events and lists.

use super::*;

#[test]
fn events_are_read_as_the_engine_writes_them() {
    let connect = r#"{"Type":"network","Action":"connect","Actor":{"ID":"N","Attributes":{"container":"a","name":"net","type":"bridge"}},"scope":"local","time":1,"timeNano":1000000007}"#;
    let rename = r#"{"status":"rename","id":"a","from":"x","Type":"container","Action":"rename","Actor":{"ID":"a","Attributes":{"name":"y"}},"time":1,"timeNano":5}"#;
    let connected = Event::Connected {
        network: "N".to_owned(),
        container: "a".to_owned(),
        at: 1_000_000_007,
    };
    assert_eq!(
        Event::read(connect.as_bytes()),
        Some((connected, 1_000_000_007))
    );
    let changed = Event::Changed("a".to_owned());
    assert_eq!(Event::read(rename.as_bytes()), Some((changed, 5)));
    // One that is too long says at its beginning what it is about.
    let id = "0a".repeat(32);
    let begun = |action: &str, id: &str| {
        let line = format!(
            r#"{{"status":"{action}","id":"{id}","from":"x","Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"a":"xx"#
        );
        Event::begun(line.as_bytes())
    };
    assert_eq!(begun("create", &id), Event::Other);
    assert_eq!(begun("die", &id), Event::Changed(id.clone()));
    for (action, id) in [("start", &*id), ("die", "a"), ("die", "")] {
        assert_eq!(begun(action, id), Event::Unread, "{action} {id}");
    }
    // A label comes after it.
    let other = r#"{"Actor":{"ID":"a","Attributes":{"Actor":{"ID":"#;
    assert_eq!(Event::begun(other.as_bytes()), Event::Unread);
    for none in ["", "{}", "[]", "{\"Type\":1}"] {
        assert_eq!(Event::read(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn only_those_keep_labels_whose_addresses_may_count() {
    let long = format!(r#""a":"{}","team":"ci""#, "x".repeat(70_000));
    let all = [
        listed("a", "held", "net", r#""team":"ci""#),
        listed("b", "long", "net", &long),
        listed("c", "sharer", "container:a", r#""team":"ci""#),
        listed("d", "created", "net", r#""team":"ci""#),
        r#"{"Id":"e","Labels":null}"#.to_owned(),
    ];
    let list = format!("[{}]", all.join(","));
    let held = ["a", "b"].map(str::to_owned).into();
    let read = read_listed(list.as_bytes(), &held).expect("a list");
    let kept: Vec<_> = (read.iter())
        .map(|one| (one.labels.all.contains_key("team"), one.labels.is_cut))
        .collect();
    let none = (false, false);
    assert_eq!(
        kept,
        [(true, false), (false, true), (true, false), none, none]
    );
    for wrong in ["", "{}", "[{}]", "[] []", r#"[{"Id":"a","Labels":7}]"#] {
        assert!(read_listed(wrong.as_bytes(), &held).is_err(), "{wrong}");
    }
}
