//! What a client sees of lists and of single objects.

use std::collections::BTreeSet;

use super::items::{self, Items};
use super::{Answered, Left, MESSAGE, Unfiltered, read, usage};
use crate::api::ObjectKind;
use crate::body::json::{Object, Skimmer, Untyped, Value, Wanted};
use crate::body::scope::Sight;

/// What is seen of an answer.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) answered: Answered,
    pub(super) sight: Sight,
    /// The most objects that are left of a list.
    pub(super) limit: Option<usize>,
    /// What could be IDs in the request: a client that wrote one is told it.
    pub(super) written: BTreeSet<String>,
}

impl Seen {
    /// What is left of what was asked for.
    pub(super) fn left(&self, status: u16, bytes: Vec<u8>) -> Result<Left, Unfiltered> {
        let body = match self.answered {
            Answered::List(kind) => self.list(kind, &bytes)?,
            Answered::Object(kind) => self.object(kind, bytes)?,
            Answered::Act(kind) => return self.made(kind, status, bytes),
            Answered::Usage => usage::of_disk(&self.sight, read(&bytes, Untyped)?)?,
            Answered::Info => usage::info(&self.sight, read(&bytes, Untyped)?)?,
            Answered::Events => return Err(Unfiltered::Unlike),
        };
        Ok(Left {
            status,
            body,
            is_json: true,
        })
    }

    fn list(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Vec<u8>, Unfiltered> {
        let is_of_volumes = kind == ObjectKind::Volume;
        let list = match is_of_volumes {
            true => items::member(bytes, VOLUMES).ok_or(Unfiltered::Unlike)?,
            false => bytes,
        };
        // That is what Go writes for a list that is not there.
        let items = match list.trim_ascii() {
            b"null" => None,
            list => Some(items::of_list(list).ok_or(Unfiltered::Unlike)?),
        };
        let mut left = Vec::with_capacity(bytes.len() / 2);
        if is_of_volumes {
            left.extend_from_slice(b"{\"Volumes\":");
        }
        match items {
            None => left.extend_from_slice(b"null"),
            Some(items) => self.items(kind, items, &mut left)?,
        }
        if is_of_volumes {
            // Warnings are about drivers, and could name what is not in scope.
            let warnings = match self.sight.covers(kind) {
                true => None,
                false => items::member(bytes, "Warnings"),
            };
            left.extend_from_slice(b",\"Warnings\":");
            left.extend_from_slice(warnings.unwrap_or(b"null"));
            left.push(b'}');
        }
        Ok(left)
    }

    /// Writes the items that are seen, each as it stands, unless something in it is not seen.
    fn items(
        &self,
        kind: ObjectKind,
        items: Items<'_>,
        left: &mut Vec<u8>,
    ) -> Result<(), Unfiltered> {
        left.push(b'[');
        let mut count = 0;
        for item in items {
            if self.limit.is_some_and(|most| count >= most) {
                break;
            }
            let mut skimmer = Skimmer::new(MARKS);
            skimmer.take(item);
            let marks = skimmer.end().ok_or(Unfiltered::Unlike)?;
            if !self
                .sight
                .sees(kind, kind.listed(), &read(&marks, Untyped)?)
            {
                continue;
            }
            if count > 0 {
                left.push(b',');
            }
            count += 1;
            match self.has_members(kind) {
                true => {
                    let mut tree = read(item, Untyped)?;
                    self.members(kind, &mut tree);
                    left.extend_from_slice(tree.to_json().as_bytes());
                }
                false => left.extend_from_slice(item),
            }
        }
        left.push(b']');
        Ok(())
    }

    fn object(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Vec<u8>, Unfiltered> {
        let mut tree = read(&bytes, Untyped)?;
        if !self.sight.sees(kind, kind.inspected(), &tree) {
            return Err(Unfiltered::Unlike);
        }
        if !self.has_members(kind) {
            return Ok(bytes);
        }
        self.members(kind, &mut tree);
        Ok(tree.to_json().into_bytes())
    }

    /// Removes what is not seen from inside an object.
    fn members(&self, kind: ObjectKind, tree: &mut Value) {
        let Some(object) = tree.object_mut() else {
            return;
        };
        match kind {
            ObjectKind::Network => {
                for (key, member) in [
                    ("Containers", ObjectKind::Container),
                    ("Services", ObjectKind::Service),
                ] {
                    let Some(Value::Object(all)) = object.get_mut(key) else {
                        continue;
                    };
                    let mut own = Object::default();
                    for (id, value) in all.iter() {
                        if self.sight.knows(member, id) {
                            own.set(id.to_owned(), value.clone());
                        }
                    }
                    *all = own;
                }
                // Which nodes are in it, and how many of its addresses are in use, by whomever.
                for key in ["Peers", "Status"] {
                    object.remove(key);
                }
            }
            ObjectKind::Volume => {
                let name = object.get("Name").and_then(Value::as_str);
                let users = name.map_or(0, |name| self.sight.users_of(name));
                if let Some(Value::Object(usage)) = object.get_mut("UsageData")
                    && usage
                        .get("RefCount")
                        .and_then(Value::as_i64)
                        .is_some_and(|count| count > 0)
                {
                    usage.set("RefCount", users);
                }
            }
            // How many containers use it; -1 is that this was not counted.
            ObjectKind::Image if object.get("Containers").is_some() => {
                object.set("Containers", -1);
            }
            _ => {}
        }
    }

    /// Whether objects of a kind tell of others, which may be out of scope.
    fn has_members(&self, kind: ObjectKind) -> bool {
        let tells = matches!(
            kind,
            ObjectKind::Network | ObjectKind::Volume | ObjectKind::Image
        );
        tells && self.sight.covers(ObjectKind::Container)
    }

    /// What a client is told of what it has done.
    fn made(&self, kind: ObjectKind, status: u16, bytes: Vec<u8>) -> Result<Left, Unfiltered> {
        let tree = read(&bytes, Untyped)?;
        // An engine that has such a volume already gives that.
        if kind == ObjectKind::Volume
            && status == 201
            && !self.sight.sees(kind, kind.inspected(), &tree)
        {
            let mut error = Object::default();
            error.set(MESSAGE, "a volume of that name already exists");
            return Ok(Left {
                status: 409,
                body: Value::from(error).to_json().into_bytes(),
                is_json: true,
            });
        }
        Ok(Left {
            status,
            body: bytes,
            is_json: true,
        })
    }

    /// An error's message, without the IDs of what is not seen.
    pub(super) fn error(&self, message: String) -> String {
        match self.answered {
            Answered::Act(kind) => without_ids(&message, |id| {
                self.written.contains(id) || self.sight.knows(kind, id)
            }),
            _ => message,
        }
    }
}

/// A text without IDs, but for those that are known. The drivers of networks shorten them, in the names of
/// bridges and of interfaces without a parent.
fn without_ids(text: &str, is_known: impl Fn(&str) -> bool) -> String {
    let parts = text.split_inclusive(ends).map(|part| {
        let word = part.trim_end_matches(ends);
        match is_id(word) && !is_known(word) {
            true => format!("another{}", &part[word.len()..]),
            false => part.to_owned(),
        }
    });
    parts.collect()
}

/// All words of a text that could be IDs.
pub(in crate::body) fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(ends).filter(|word| is_id(word))
}

/// Whether a word could be an ID, or so much of one as engines write.
fn is_id(word: &str) -> bool {
    (12..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a word ends here.
fn ends(letter: char) -> bool {
    !letter.is_ascii_alphanumeric()
}

const VOLUMES: &str = "Volumes";

/// By what an item of any list is in scope.
const MARKS: Wanted = Wanted::Fields(&[
    ("Id", Wanted::All),
    ("ID", Wanted::All),
    ("Name", Wanted::All),
    ("Names", Wanted::All),
    ("RepoTags", Wanted::All),
    ("RepoDigests", Wanted::All),
    ("RepoDigests", Wanted::All),
    ("Labels", Wanted::All),
    ("ServiceID", Wanted::All),
    (
        "Spec",
        Wanted::Fields(&[("Name", Wanted::All), ("Labels", Wanted::All)]),
    ),
]);
