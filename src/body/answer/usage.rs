//! What the engine counts: `GET /system/df` and `GET /info`, without what a client does not see.

use super::Unfiltered;
use crate::api::ObjectKind;
use crate::body::json::{Object, Value};
use crate::body::scope::Sight;

/// `GET /system/df`, in all its forms: nothing of it that is not known here stays.
pub(super) fn of_disk(sight: &Sight, mut tree: Value) -> Result<Vec<u8>, Unfiltered> {
    let all = tree.object_mut().ok_or(Unfiltered::Unlike)?;
    let mut left = Object::default();
    for (key, kind) in [
        ("Images", ObjectKind::Image),
        ("Containers", ObjectKind::Container),
        ("Volumes", ObjectKind::Volume),
    ] {
        if let Some(items) = all.get(key) {
            left.set(key, seen(sight, kind, items));
        }
    }
    let covers_images = sight.covers(ObjectKind::Image);
    if let Some(size) = all.get("LayersSize") {
        let size = match (covers_images, left.get("Images")) {
            (false, _) => size.clone(),
            (true, images) => total(images.unwrap_or(Value::NULL), &["Size"]).into(),
        };
        left.set("LayersSize", size);
    }
    // The build cache is everybody's, and shows what was built.
    for key in ["BuildCache", "BuilderSize"] {
        match all.get(key) {
            Some(Value::List(_) | Value::Null) => left.set(key, Value::Null),
            Some(_) => left.set(key, 0),
            None => {}
        }
    }
    // Since API 1.52.
    for (key, kind) in [
        ("ImageUsage", Some(ObjectKind::Image)),
        ("ContainerUsage", Some(ObjectKind::Container)),
        ("VolumeUsage", Some(ObjectKind::Volume)),
        ("BuildCacheUsage", None),
    ] {
        if let Some(usage) = all.get(key) {
            left.set(key, summary(sight, kind, usage));
        }
    }
    Ok(Value::from(left).to_json().into_bytes())
}

/// The items that are seen, with counts of what is seen.
fn seen(sight: &Sight, kind: ObjectKind, items: &Value) -> Value {
    let Some(items) = items.as_list() else {
        return Value::Null;
    };
    let own = items
        .iter()
        .filter(|item| sight.sees(kind, kind.listed(), item));
    let own = own.cloned().map(|mut item| {
        counted(sight, kind, &mut item);
        item
    });
    Value::List(own.collect())
}

/// An item with counts of what is seen in place of the engine's.
fn counted(sight: &Sight, kind: ObjectKind, item: &mut Value) {
    let Some(object) = item.object_mut() else {
        return;
    };
    match kind {
        ObjectKind::Image => {
            let id = object.get("Id").and_then(Value::as_str).unwrap_or_default();
            let users = sight.users_of(id);
            object.set("Containers", users);
        }
        ObjectKind::Volume => {
            let name = object.get("Name").and_then(Value::as_str);
            let users = sight.users_of(name.unwrap_or_default());
            if let Some(Value::Object(usage)) = object.get_mut("UsageData") {
                usage.set("RefCount", users);
            }
        }
        _ => {}
    }
}

/// What API 1.52 says of a kind: its counts and sizes, by what is seen.
fn summary(sight: &Sight, kind: Option<ObjectKind>, usage: &Value) -> Value {
    let mut left = Object::default();
    let items = kind.map(|kind| seen(sight, kind, usage.at("Items")));
    let items = items.as_ref().unwrap_or(Value::NULL);
    let list = items.items();
    let is_active = |item: &&Value| {
        let state = item.at("State").as_str();
        let users = |keys| item.at(keys).as_i64().is_some_and(|count| count > 0);
        state == Some("running") || users("Containers") || users("UsageData.RefCount")
    };
    let active = list.iter().filter(is_active).count();
    let sizes: &[&str] = match kind {
        Some(ObjectKind::Container) => &["SizeRw"],
        Some(ObjectKind::Volume) => &["UsageData.Size"],
        _ => &["Size"],
    };
    let idle: Vec<Value> = list
        .iter()
        .filter(|item| !is_active(item))
        .cloned()
        .collect();
    left.set("ActiveCount", count(active));
    left.set("TotalCount", count(list.len()));
    left.set("TotalSize", total(items, sizes));
    left.set("Reclaimable", total(&Value::List(idle), sizes));
    if usage.at("Items").as_list().is_some() {
        left.set("Items", items.clone());
    }
    left.into()
}

/// The sum of these fields of all items; what is negative is not known.
fn total(items: &Value, fields: &[&str]) -> i64 {
    let sizes = items.items().iter().flat_map(|item| {
        let sizes = fields.iter().filter_map(|field| item.at(field).as_i64());
        sizes.collect::<Vec<i64>>()
    });
    sizes.filter(|size| *size > 0).fold(0, i64::saturating_add)
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `GET /info` with the counts of what is seen.
pub(super) fn info(sight: &Sight, mut tree: Value) -> Result<Vec<u8>, Unfiltered> {
    let info = tree.object_mut().ok_or(Unfiltered::Unlike)?;
    for (key, state) in [
        ("Containers", None),
        ("ContainersRunning", Some("running")),
        ("ContainersPaused", Some("paused")),
        ("ContainersStopped", Some("stopped")),
    ] {
        if info.get(key).is_some() {
            info.set(key, count(sight.containers(state)));
        }
    }
    if sight.covers(ObjectKind::Image) && info.get("Images").is_some() {
        info.set("Images", count(sight.count(ObjectKind::Image)));
    }
    Ok(tree.to_json().into_bytes())
}
