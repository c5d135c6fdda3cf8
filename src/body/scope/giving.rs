//! The names that images get by requests under way. A build gives its names when it ends, so that what
//! was true of them when it began may be so no more: until then, no request of another scope gives them.

use std::sync::{Arc, Mutex, PoisonError};

use super::By;

/// The names that are being given on one engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(Arc<Mutex<Vec<Arc<Entry>>>>);

/// A name in the normal form, and who gives it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    by: By,
    /// Whether it is pulled: what all get of a registry is the same.
    pulls: bool,
}

/// A name that a request gives, until this is dropped.
#[derive(Debug)]
pub struct Giving {
    of: Given,
    entry: Arc<Entry>,
}

impl Given {
    /// Has a scope give a name. Nothing, if another one does.
    pub(super) fn begin(&self, name: &str, by: &By, pulls: bool) -> Option<Giving> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_anothers =
            |own: &Arc<Entry>| own.name == name && own.by != *by && !(own.pulls && pulls);
        if all.iter().any(is_anothers) {
            return None;
        }
        let entry = Arc::new(Entry {
            name: name.to_owned(),
            by: by.clone(),
            pulls,
        });
        all.push(Arc::clone(&entry));
        let of = self.clone();
        Some(Giving { of, entry })
    }
}

impl Giving {
    /// Whether this is the name.
    pub fn is_of(&self, name: &str) -> bool {
        self.entry.name == name
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !Arc::ptr_eq(one, &self.entry));
    }
}

/// What is under way does not make it another scope.
impl PartialEq for Given {
    fn eq(&self, _: &Given) -> bool {
        true
    }
}

impl Eq for Given {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_by_one_scope_at_a_time() {
        let given = Given::default();
        let [one, other] =
            ["a", "b"].map(|team| By::read("", &format!("label:team={team}")).expect("a scope"));
        let build = given.begin("x:1", &one, false).expect("a name");
        let again = given.clone().begin("x:1", &one, false);
        assert!(build.is_of("x:1") && again.is_some());
        for pulls in [false, true] {
            assert!(given.begin("x:1", &other, pulls).is_none());
            assert!(given.begin("x:2", &other, pulls).is_some());
        }
        drop(build);
        assert!(given.begin("x:1", &other, false).is_none());
        drop(again);
        let pull = given.begin("x:1", &other, true);
        assert!(pull.is_some() && given.begin("x:1", &one, true).is_some());
        assert!(given.begin("x:1", &one, false).is_none());
        drop(pull);
        assert!(given.begin("x:1", &one, false).is_some());
    }
}
