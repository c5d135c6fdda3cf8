//! One image in place of another: in new containers, pulls and inspects of images.
//!
//! Names are compared in their normal form, the registry included, and without a tag it is `latest`.
//! A name with a digest is one very image, so it is the other one only if that has the same digest.
//! What is no name, such as an ID, stays as it is.

use std::fmt::{self, Display, Formatter};

use crate::body::draft::{Act, Draft, Objection};
use crate::body::image::{BadName, Name};
use crate::body::json::Value;

/// An image, and what is used in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemapImage {
    from: Name,
    /// As it was written.
    repository: String,
    /// A tag or a digest.
    tag: String,
    /// Whether it is a digest.
    is_digest: bool,
}

/// Why an image is not remapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRemap {
    /// The image is none.
    From(BadName),
    /// Its replacement is none.
    To(BadName),
}

impl RemapImage {
    /// An image, and what is used in its place. Without a tag or a digest, both are `latest`.
    pub fn new(from: &str, to: &str) -> Result<RemapImage, BadRemap> {
        let from = Name::parse(from).map_err(BadRemap::From)?.or_latest();
        let name = Name::parse(to).map_err(BadRemap::To)?.or_latest();
        let (rest, digest) = match to.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (to, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let end = rest[slash..].find(':').map_or(rest.len(), |at| slash + at);
        // Beside a digest the engine ignores the tag.
        let tag = digest.or(name.tag()).unwrap_or_default();
        Ok(RemapImage {
            from,
            repository: rest[..end].to_owned(),
            tag: tag.to_owned(),
            is_digest: digest.is_some(),
        })
    }

    pub(super) fn edit(&self, draft: &mut Draft) -> Result<(), Objection> {
        match draft.act() {
            Act::CreateContainer => {
                if let Value::Object(fields) = draft.tree_mut()
                    && let Some(image) = fields.get_mut("Image")
                    && image.as_str().is_some_and(|text| self.is_from(text))
                {
                    *image = self.to().into();
                }
                Ok(())
            }
            Act::Pull => {
                let Some(pulled) = draft.pulled()? else {
                    return Ok(());
                };
                match pulled.name() {
                    Ok(name) if self.is(&name) => {}
                    _ => return Ok(()),
                }
                match pulled.tag {
                    Some(_) => {
                        draft.set_parameters(&[("fromImage", &self.repository), ("tag", &self.tag)])
                    }
                    None => draft.set_parameters(&[("fromImage", &self.to())]),
                }
            }
            Act::InspectImage(name) if self.is_from(name) => {
                draft.set_path(&format!("/images/{}/json", self.to()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a text is the name of the image.
    fn is_from(&self, text: &str) -> bool {
        Name::parse(text).is_ok_and(|name| self.is(&name.or_latest()))
    }

    fn is(&self, name: &Name) -> bool {
        let (own, from) = (name, &self.from);
        let same = own.repository() == from.repository() && own.digest() == from.digest();
        same && (own.tag() == from.tag() || own.digest().is_some())
    }

    /// The replacement, with its tag or digest.
    fn to(&self) -> String {
        let mark = if self.is_digest { '@' } else { ':' };
        format!("{}{mark}{}", self.repository, self.tag)
    }
}

impl BadRemap {
    /// The one of both that is wrong.
    pub fn of<'t>(&self, from: &'t str, to: &'t str) -> &'t str {
        match self {
            BadRemap::From(_) => from,
            BadRemap::To(_) => to,
        }
    }
}

impl Display for BadRemap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            BadRemap::From(bad) | BadRemap::To(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for BadRemap {}

/// `remapImage: docker.io/library/nginx:latest=mirror/nginx:1`
impl Display for RemapImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "remapImage: {}={}", self.from, self.to())
    }
}
