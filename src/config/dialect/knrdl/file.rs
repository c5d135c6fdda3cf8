//! Where the profiles are that a configuration names.

use std::path::{Path, PathBuf};

use crate::config::texts::{Texts, Unread};

/// Where profile files are.
const FOLDER: &str = "/profiles";
/// The profile that allows everything.
pub(super) const UNPROTECTED: &str = "unprotected";
/// The profiles that knrdl/docker-socket-protector ships, with the same rights.
pub(super) const BUILT_IN: &[(&str, &str)] = &[
    ("diun", include_str!("../../../../profiles/diun")),
    (
        "portainer-ro",
        include_str!("../../../../profiles/portainer-ro"),
    ),
    (
        "portainer-rw",
        include_str!("../../../../profiles/portainer-rw"),
    ),
    ("promtail", include_str!("../../../../profiles/promtail")),
    ("readonly", include_str!("../../../../profiles/readonly")),
    ("telegraf", include_str!("../../../../profiles/telegraf")),
    ("traefik", include_str!("../../../../profiles/traefik")),
    (
        "traefik-swarm",
        include_str!("../../../../profiles/traefik-swarm"),
    ),
    ("trivy", include_str!("../../../../profiles/trivy")),
];

/// Where the profile of that name is, if it is a file.
pub(super) fn path(name: &str) -> Option<PathBuf> {
    (name != UNPROTECTED).then(|| Path::new(FOLDER).join(name))
}

/// A profile's text.
pub(super) fn text<'a>(name: &str, texts: &'a Texts) -> Result<&'a str, Unread> {
    path(name).map_or(Ok("[A-Z]+ /.*"), |path| texts.text(&path))
}
