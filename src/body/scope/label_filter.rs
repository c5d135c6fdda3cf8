//! `labelFilter` of `mikesir87/docker-socket-proxy`: which objects lists and inspects show, by their
//! labels.

use std::fmt::{self, Display, Formatter};

use crate::api::{Marks, ObjectKind};
use crate::body::json::Value;

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// The labels that an object must have, all of them.
    pub required: Vec<(String, String)>,
    /// The labels that it must not have, any of them.
    pub forbidden: Vec<(String, String)>,
    /// The kinds of objects that it is about.
    pub kinds: Vec<ObjectKind>,
}

impl LabelFilter {
    /// Whether it shows an object that has its marks there.
    pub fn shows(&self, kind: ObjectKind, marks: Marks, object: &Value) -> bool {
        if !self.kinds.contains(&kind) {
            return true;
        }
        let labels = object.at(marks.labels).as_object();
        let has = |(key, value): &(String, String)| {
            let own = labels.and_then(|labels| labels.get(key)?.as_str());
            own == Some(value)
        };
        self.required.iter().all(has) && !self.forbidden.iter().any(has)
    }
}

/// `labelFilter: with env=dev, without team=a; container, image`
impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let listed = |labels: &[(String, String)]| {
            let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
            labels.collect::<Vec<String>>().join(", ")
        };
        f.write_str("labelFilter:")?;
        if !self.required.is_empty() {
            write!(f, " with {}", listed(&self.required))?;
        }
        if !self.required.is_empty() && !self.forbidden.is_empty() {
            f.write_str(",")?;
        }
        if !self.forbidden.is_empty() {
            write!(f, " without {}", listed(&self.forbidden))?;
        }
        let kinds = self.kinds.iter().map(|kind| format!("{kind}s"));
        write!(f, "; {}", kinds.collect::<Vec<String>>().join(", "))
    }
}
