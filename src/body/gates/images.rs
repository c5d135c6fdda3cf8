//! Where images and plugins come from: pulls, and the images of services, which the engine pulls by
//! itself.

use super::shown;
use crate::body::draft::{Act, Draft, Objection};
use crate::body::image::Name;

/// Where the image of a service stands, and the plugin that a service can be instead.
const OF_SERVICE: [&str; 2] = [
    "TaskTemplate.ContainerSpec.Image",
    "TaskTemplate.PluginSpec.Remote",
];

/// An image that is pulled.
struct Pull {
    place: &'static str,
    /// As it was sent.
    text: String,
    name: Name,
}

/// All that a request pulls.
fn pulls(draft: &Draft, gate: &str) -> Result<Vec<Pull>, Objection> {
    let all = match draft.act() {
        Act::Pull => match draft.pulled()? {
            None => {
                let why = format!("has no fromImage: {gate} allows no import");
                return Err(Objection::new("the request", "", why));
            }
            Some(pulled) => {
                let name = pulled.name();
                vec![("the parameter fromImage", pulled.image, name)]
            }
        },
        Act::PullPlugin => match draft.parameter("remote")? {
            None => Vec::new(),
            Some(remote) => {
                let name = Name::parse(&remote);
                vec![("the parameter remote", remote, name)]
            }
        },
        Act::CreateService | Act::UpdateService => {
            let texts = OF_SERVICE.map(|place| (place, draft.tree().at(place).as_str()));
            let texts = texts.map(|(place, text)| (place, text.unwrap_or_default()));
            let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
            texts
                .map(|(place, text)| (place, text.to_owned(), Name::parse(text)))
                .collect()
        }
        _ => Vec::new(),
    };
    let pulls = all.into_iter().map(|(place, text, name)| match name {
        Ok(name) => Ok(Pull { place, text, name }),
        Err(bad) => Err(Objection::new(place, text, bad.to_string())),
    });
    pulls.collect()
}

fn listed(
    gate: &str,
    listed: &[String],
    none: &str,
    pull: Pull,
    found: &str,
) -> Result<(), Objection> {
    if listed.iter().any(|one| one == found) {
        return Ok(());
    }
    let why = format!("is not allowed: {gate} has {}", shown(listed, none));
    Err(Objection::new(pull.place, pull.text, why))
}

pub(super) fn registry(registries: &[String], draft: &Draft) -> Result<(), Objection> {
    const GATE: &str = "registry";
    pulls(draft, GATE)?.into_iter().try_for_each(|pull| {
        let domain = pull.name.domain().to_owned();
        listed(GATE, registries, "no registries", pull, &domain)
    })
}

pub(super) fn namespace(namespaces: &[String], draft: &Draft) -> Result<(), Objection> {
    const GATE: &str = "namespaceAllowlist";
    pulls(draft, GATE)?.into_iter().try_for_each(|pull| {
        let path = pull.name.repository().split_once('/');
        let path = path.map_or("", |(_, path)| path);
        let namespace = path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
        let namespace = namespace.to_owned();
        listed(GATE, namespaces, "no namespaces", pull, &namespace)
    })
}

pub(super) fn loading(draft: &Draft) -> Result<(), Objection> {
    let is_import = *draft.act() == Act::Pull && draft.pulled()?.is_none();
    match is_import || *draft.act() == Act::Load {
        false => Ok(()),
        true => {
            let why = "brings an image that is in no registry: imageLoading refuses that";
            Err(Objection::new("the request", "", why))
        }
    }
}
