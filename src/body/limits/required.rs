//! `REQUIRE`: what a container or a service has to have.

use std::fmt::{self, Display, Formatter};

use super::Subject;
use super::list::{self, Mistake};
use crate::body::glob::Glob;
use crate::body::image::Name;
use crate::body::json::Value;

/// What `REQUIRE` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    /// Nothing outside its volumes can be written.
    ReadonlyRootfs,
    /// Of the capabilities, none but those that it adds.
    DropAllCaps,
    /// A program gets no more rights than the one that started it.
    NoNewPrivileges,
    /// A label, and a value if that matters.
    Label { key: String, value: Option<Glob> },
    /// An image that cannot change.
    Digest,
}

impl Required {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Required, Vec<Mistake>> {
        list::entries(text, Requirement::parse).map(Required)
    }

    /// Whether all capabilities have to be dropped.
    pub(super) fn drops_capabilities(&self) -> bool {
        self.0.contains(&Requirement::DropAllCaps)
    }

    /// Whether no program may get more rights than the one that started it.
    pub(super) fn keeps_privileges(&self) -> bool {
        self.0.contains(&Requirement::NoNewPrivileges)
    }

    /// Whether nothing outside volumes may be written.
    pub(super) fn keeps_files(&self) -> bool {
        self.0.contains(&Requirement::ReadonlyRootfs)
    }

    /// The places where something is not as it has to be, with what stands there.
    pub(super) fn missing(&self, subject: Subject, tree: &Value) -> Vec<(String, Option<String>)> {
        let mut missing = Vec::new();
        for requirement in &self.0 {
            requirement.check(subject, tree, &mut |place: &str, value: &Value| {
                let shown = (!value.is_empty()).then(|| value.shown());
                missing.push((place.to_owned(), shown));
            });
        }
        missing
    }
}

impl Requirement {
    fn parse(entry: &str) -> Result<Requirement, Mistake> {
        Ok(match (entry, entry.strip_prefix("label:")) {
            ("readonly-rootfs", _) => Requirement::ReadonlyRootfs,
            ("drop-all-caps", _) => Requirement::DropAllCaps,
            ("no-new-privileges", _) => Requirement::NoNewPrivileges,
            ("digest", _) => Requirement::Digest,
            (_, Some(label)) if !label.is_empty() && !label.starts_with('=') => {
                let (key, value) = match label.split_once('=') {
                    Some((key, value)) => (key, Some(Glob::text(value))),
                    None => (label, None),
                };
                let key = key.to_owned();
                Requirement::Label { key, value }
            }
            _ => {
                let help = "use readonly-rootfs, drop-all-caps, no-new-privileges, digest, label:KEY or label:KEY=VALUE";
                return Err(Mistake::new(entry, "is not a requirement", help));
            }
        })
    }

    fn check(&self, subject: Subject, tree: &Value, missing: &mut impl FnMut(&str, &Value)) {
        let is_service = match subject {
            Subject::Create => false,
            Subject::Service => true,
            _ => return,
        };
        let place = |container: &'static str, service: &'static str| match is_service {
            true => service,
            false => container,
        };
        match self {
            Requirement::ReadonlyRootfs => {
                let place = place(
                    "HostConfig.ReadonlyRootfs",
                    "TaskTemplate.ContainerSpec.ReadOnly",
                );
                if tree.at(place).as_bool() != Some(true) {
                    missing(place, tree.at(place));
                }
            }
            Requirement::DropAllCaps => {
                let place = place(
                    "HostConfig.CapDrop",
                    "TaskTemplate.ContainerSpec.CapabilityDrop",
                );
                let dropped = tree.at(place).items().iter().filter_map(Value::as_str);
                let all = dropped
                    .into_iter()
                    .any(|name| name.eq_ignore_ascii_case("ALL"));
                if !all {
                    missing(place, tree.at(place));
                }
                // It has them all in spite of that.
                let privileged = tree.at("HostConfig.Privileged");
                if !privileged.is_empty() {
                    missing("HostConfig.Privileged", privileged);
                }
            }
            Requirement::NoNewPrivileges if is_service => {
                let place = "TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges";
                if tree.at(place).as_bool() != Some(true) {
                    missing(place, tree.at(place));
                }
            }
            Requirement::NoNewPrivileges => {
                let options = tree.at("HostConfig.SecurityOpt");
                let texts = options.items().iter().filter_map(Value::as_str);
                let own: Vec<&str> = texts
                    .filter(|text| text.starts_with("no-new-privileges"))
                    .collect();
                let is_on = |text: &&str| {
                    let rest = text.strip_prefix("no-new-privileges");
                    matches!(rest, Some("" | "=true" | ":true" | "=1" | ":1"))
                };
                // The last one counts.
                if own.is_empty() || !own.iter().all(is_on) {
                    missing("HostConfig.SecurityOpt", options);
                }
            }
            Requirement::Label { key, value } => {
                let container = place("Labels", "TaskTemplate.ContainerSpec.Labels");
                // Tasks do not have the labels of their service.
                let places = [Some(container), is_service.then_some("Labels")];
                for place in places.into_iter().flatten() {
                    let labels = tree.at(place).as_object();
                    let label = labels
                        .and_then(|labels| labels.get(key))
                        .and_then(Value::as_str);
                    let fits = |label: &str| value.as_ref().is_none_or(|own| own.fits(label));
                    if !label.is_some_and(fits) {
                        let shown = label.map_or(Value::Null, Value::from);
                        missing(&format!("{place}[{key:?}]"), &shown);
                    }
                }
            }
            Requirement::Digest => {
                let place = place("Image", "TaskTemplate.ContainerSpec.Image");
                let image = tree.at(place).as_str().unwrap_or_default();
                if !is_pinned(image) {
                    missing(place, tree.at(place));
                }
                let mounts = match is_service {
                    true => "TaskTemplate.ContainerSpec.Mounts[]",
                    false => "HostConfig.Mounts[]",
                };
                tree.each(mounts, &mut |path, mount| {
                    let source = mount.at("Source");
                    let is_image = mount.at("Type").as_str() == Some("image");
                    if is_image && !source.as_str().is_some_and(is_pinned) {
                        missing(&path.key("Source").to_string(), source);
                    }
                });
            }
        }
    }
}

/// Whether an image is named by its digest or its whole ID.
fn is_pinned(image: &str) -> bool {
    let is_id = |hex: &str| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    is_id(image.strip_prefix("sha256:").unwrap_or(image))
        || Name::parse(image).is_ok_and(|name| name.digest().is_some())
}

impl Display for Requirement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Requirement::ReadonlyRootfs => f.write_str("readonly-rootfs"),
            Requirement::DropAllCaps => f.write_str("drop-all-caps"),
            Requirement::NoNewPrivileges => f.write_str("no-new-privileges"),
            Requirement::Digest => f.write_str("digest"),
            Requirement::Label { key, value: None } => write!(f, "label:{key}"),
            Requirement::Label {
                key,
                value: Some(value),
            } => write!(f, "label:{key}={value}"),
        }
    }
}

impl Display for Required {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}
