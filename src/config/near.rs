//! The known name that a misspelt one was probably intended to be.

/// The known name that is nearest to another, if one is near: a letter or two off, or with more or
/// fewer words.
pub(super) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let off = |known: &str| strsim::osa_distance(&name, known);
    known
        .filter(|known| {
            let most = if known.len() < 6 { 1 } else { 2 };
            off(known) <= most || has_words(known, &name) || has_words(&name, known)
        })
        .min_by_key(|known| off(known))
}

/// Whether `traefik-swarm` has `swarm`.
fn has_words(name: &str, part: &str) -> bool {
    let words = |text: &'_ str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
    let (name, part) = (words(name), words(part));
    name.windows(part.len()).any(|window| *window == *part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_guessed() {
        let known = [
            "portainer-ro",
            "portainer-rw",
            "traefik",
            "traefik-swarm",
            "diun",
        ];
        for (name, meant) in [
            ("treafik", Some("traefik")),
            ("TRAEFIK", Some("traefik")),
            ("traefik-docker", Some("traefik")),
            ("swarm", Some("traefik-swarm")),
            ("portainer-rw-whitelist", Some("portainer-rw")),
            ("portainer-ro-whitelist", Some("portainer-ro")),
            ("dium", Some("diun")),
            ("dinu", Some("diun")),
            ("dune", None),
            ("sw", None),
            ("traefikswarmtoo", None),
            ("portainer-container-viewer", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(near(name, known.into_iter()), meant, "{name}");
        }
    }
}
