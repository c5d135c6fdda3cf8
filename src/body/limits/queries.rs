//! The limits on what stands in a request's query: names of images and of containers.

use super::Limits;
use super::excess::{Bound, Excess};

impl Limits {
    /// A pull, by its `fromImage` and `tag`.
    pub fn pulled(&self, image: &str, tag: &str) -> Option<Excess> {
        let limit = self.image_from.entries.as_ref()?;
        let shown = joined(image, tag);
        let allowed = limit.allows_pull(image, tag);
        (!allowed).then(|| self.image_from.excess("fromImage", Some(&shown)))
    }

    /// `docker load`. Its archive gives names that are not known before, so no list of names allows
    /// it.
    pub fn loaded(&self) -> Option<Excess> {
        let shown = Some("load");
        if self.tag_as.entries.is_some() {
            return Some(self.tag_as.excess("image", shown));
        }
        let limit = self.image_from.entries.as_ref()?;
        (!limit.allows_load()).then(|| self.image_from.excess("image", shown))
    }

    /// `docker import`. Its `repo` is for [`Limits::tagged`].
    pub fn imported(&self) -> Option<Excess> {
        let limit = self.image_from.entries.as_ref()?;
        (!limit.allows_import()).then(|| self.image_from.excess("fromSrc", Some("import")))
    }

    /// A name that a container gets by a rename. What `NAMESPACES` lists by its name is no other one.
    pub fn renamed(&self, name: &str) -> Option<Excess> {
        let limit = self.namespaces.entries.as_ref()?;
        let listed = limit.names(name.trim_start_matches('/'));
        listed.then(|| Excess::new("name", Some(name), Bound::Listed(self.namespaces.variable)))
    }

    /// A name that an image gets: `repo` and `tag` of a tag, a commit or an import, or one `t` of a
    /// build, which has no tag beside it.
    pub fn tagged(&self, place: &str, repository: &str, tag: &str) -> Option<Excess> {
        let limit = self.tag_as.entries.as_ref()?;
        let allowed = limit.allows(repository, tag);
        (!allowed).then(|| self.tag_as.excess(place, Some(&joined(repository, tag))))
    }
}

/// As a message shows it.
fn joined(name: &str, tag: &str) -> String {
    match tag {
        "" => name.to_owned(),
        tag if tag.contains(':') => format!("{name}@{tag}"),
        tag => format!("{name}:{tag}"),
    }
}
