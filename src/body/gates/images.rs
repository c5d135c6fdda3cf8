//! Where images and plugins come from: pulls, and the images of services, which the engine pulls by
//! itself.

use crate::body::draft::{Act, Draft, Objection};
use crate::body::image::Name;

/// Where the image of a service stands.
const OF_SERVICE: &str = "TaskTemplate.ContainerSpec.Image";

/// An image that is pulled.
struct Pull {
    place: String,
    /// As it was sent.
    text: String,
    name: Name,
}

/// What a request pulls, if anything.
fn pull(draft: &Draft, gate: &str) -> Result<Option<Pull>, Objection> {
    let (place, text, name) = match draft.act() {
        Act::Pull => match draft.pulled()? {
            None => {
                let why = format!("has no fromImage: {gate} allows no import");
                return Err(Objection::new("the request", "", why));
            }
            Some(pulled) => {
                let name = pulled.name();
                ("the parameter fromImage".to_owned(), pulled.image, name)
            }
        },
        Act::PullPlugin => match draft.parameter("remote")? {
            None => return Ok(None),
            Some(remote) => {
                let name = Name::parse(&remote);
                ("the parameter remote".to_owned(), remote, name)
            }
        },
        Act::CreateService | Act::UpdateService => {
            match draft.tree().at(OF_SERVICE).as_str().unwrap_or_default() {
                "" => return Ok(None),
                image => (OF_SERVICE.to_owned(), image.to_owned(), Name::parse(image)),
            }
        }
        _ => return Ok(None),
    };
    match name {
        Ok(name) => Ok(Some(Pull { place, text, name })),
        Err(bad) => Err(Objection::new(place, text, bad.to_string())),
    }
}

fn listed(gate: &str, listed: &[String], pull: Pull, found: &str) -> Result<(), Objection> {
    if listed.iter().any(|one| one == found) {
        return Ok(());
    }
    let why = format!("is not allowed: {gate} has {}", listed.join(", "));
    Err(Objection::new(pull.place, pull.text, why))
}

pub(super) fn registry(registries: &[String], draft: &Draft) -> Result<(), Objection> {
    const GATE: &str = "registry";
    let Some(pull) = pull(draft, GATE)? else {
        return Ok(());
    };
    let domain = pull.name.domain().to_owned();
    listed(GATE, registries, pull, &domain)
}

pub(super) fn namespace(namespaces: &[String], draft: &Draft) -> Result<(), Objection> {
    const GATE: &str = "namespaceAllowlist";
    let Some(pull) = pull(draft, GATE)? else {
        return Ok(());
    };
    let path = pull.name.repository().split_once('/');
    let path = path.map_or("", |(_, path)| path);
    let namespace = path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
    let namespace = namespace.to_owned();
    listed(GATE, namespaces, pull, &namespace)
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
