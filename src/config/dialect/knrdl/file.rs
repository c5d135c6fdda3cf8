//! Finds the text of a profile.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::config::shown_path;

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
/// Longer than any profile that is written by hand.
const LONGEST: u64 = 1 << 20;

/// Why a profile could not be read.
pub(super) struct Unread {
    pub(super) problem: String,
    pub(super) is_absent: bool,
}

/// A profile's text.
pub(super) fn load(name: &str) -> Result<String, Unread> {
    if name == UNPROTECTED {
        return Ok("[A-Z]+ /.*".to_owned());
    }
    let path = Path::new(FOLDER).join(name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    let (problem, is_absent) = match read {
        Err(error) => {
            let is_absent = error.kind() == ErrorKind::NotFound;
            (
                format!("cannot read {}: {error}", shown_path(&path)),
                is_absent,
            )
        }
        Ok(length) if length as u64 > LONGEST => {
            (format!("{} is too long", shown_path(&path)), false)
        }
        Ok(_) => return Ok(text),
    };
    Err(Unread { problem, is_absent })
}
