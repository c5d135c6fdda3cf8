//! The query of a draft: its parameters, each of which every engine reads alike, and setting them.

use super::{Act, Draft, Objection};
use crate::api::fields::same;
use crate::api::query::pairs;
use crate::body::image::{BadName, Name};

impl Draft {
    /// A parameter, if it has a value.
    ///
    /// # Errors
    /// Engines do not agree on it: it is there twice, or in another case.
    pub(in crate::body) fn parameter(
        &self,
        key: &'static str,
    ) -> Result<Option<String>, Objection> {
        let all = pairs(self.target.query().unwrap_or_default());
        let unclear = |why| Objection::new("the query", "", why);
        let all = all.ok_or_else(|| unclear("is not read by all engines in the same way"))?;
        let mut found = all.into_iter().filter(|(name, _)| same(name, key));
        let ambiguous = |why| Objection::new(format!("the parameter {key}"), "", why);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(ambiguous("is there more than once")),
            (Some((name, value)), None) if name == key => {
                Ok(Some(value).filter(|value| !value.is_empty()))
            }
            _ => Err(ambiguous("is in another case")),
        }
    }

    /// Sets parameters, in their old places or at the end. All others stay as they were sent.
    pub(in crate::body) fn set_parameters(
        &mut self,
        values: &[(&'static str, &str)],
    ) -> Result<(), Objection> {
        let mut set = vec![false; values.len()];
        let mut written = Vec::new();
        let query = self.target.query().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let own = match pairs(pair).as_deref() {
                Some([(name, _)]) => values.iter().position(|(key, _)| key == name),
                _ => None,
            };
            match own {
                Some(own) => {
                    let (key, value) = values[own];
                    set[own] = true;
                    written.push(format!("{key}={}", encoded(value)));
                }
                None => written.push(pair.to_owned()),
            }
        }
        let new = values.iter().zip(set).filter(|(_, set)| !set);
        written.extend(new.map(|((key, value), _)| format!("{key}={}", encoded(value))));
        let target = self.target.with_query(&written.join("&"));
        self.target = target.map_err(|error| Objection::new("the query", "", error.to_string()))?;
        self.is_other_target = true;
        Ok(())
    }

    /// What a pull asks for. Nothing if it is none, or an import.
    pub(in crate::body) fn pulled(&self) -> Result<Option<Pulled>, Objection> {
        if self.act != Act::Pull {
            return Ok(None);
        }
        let from_source = self.parameter("fromSrc")?;
        let image = self.parameter("fromImage")?;
        let tag = self.parameter("tag")?;
        match (image, from_source) {
            // Engines take the image, but they need not.
            (Some(_), Some(_)) => {
                let why = "cannot stand beside fromImage";
                Err(Objection::new("the parameter fromSrc", "", why))
            }
            (Some(image), None) => Ok(Some(Pulled { image, tag })),
            (None, _) => Ok(None),
        }
    }
}

/// The image of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::body) struct Pulled {
    /// With a tag or a digest, if that is not apart.
    pub(in crate::body) image: String,
    /// A tag or a digest.
    pub(in crate::body) tag: Option<String>,
}

impl Pulled {
    /// Its name. Without a tag and a digest it is all images of that name.
    pub(in crate::body) fn name(&self) -> Result<Name, BadName> {
        let image = self.image.strip_suffix(':').unwrap_or(&self.image);
        let name = Name::parse(image)?;
        match &self.tag {
            None => Ok(name),
            Some(tag) => name.with(tag),
        }
    }
}

/// A value of a query or a part of a path, with all but letters, digits and `-_.~` escaped.
pub(in crate::body) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte.into());
            }
            _ => {
                let digits = [byte >> 4, byte & 15];
                let digits = digits.map(|digit| b"0123456789ABCDEF"[usize::from(digit)]);
                encoded.push('%');
                encoded.extend(digits.map(char::from));
            }
        }
    }
    encoded
}
