//! `IMAGE_FROM` and `TAG_AS`: the images that may be used, and the names that may be given.
//!
//! Patterns are for names in their normal form (`docker.io/library/busybox`). What a text in a body
//! stands for only the engine knows: it could be a name, or the beginning of an ID. So the engine is
//! asked, and what it found has to have the name, or for an ID any name that is listed.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::glob::Glob;
use crate::body::image::{Name, could_be_id};
use crate::body::json::Value;

/// What `IMAGE_FROM` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFrom(Vec<Source>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Images(Pattern),
    /// Images that are loaded from an archive.
    Load,
    /// Images that are made of a file system.
    Import,
}

impl ImageFrom {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<ImageFrom, Vec<Mistake>> {
        let source = |entry: &str| match entry {
            "load" => Ok(Source::Load),
            "import" => Ok(Source::Import),
            entry => Pattern::parse(entry).map(Source::Images),
        };
        list::entries(text, source).map(ImageFrom)
    }

    /// Whether `docker load` may bring images.
    pub fn allows_load(&self) -> bool {
        self.0.contains(&Source::Load)
    }

    /// Whether `docker import` may make images.
    pub fn allows_import(&self) -> bool {
        self.0.contains(&Source::Import)
    }

    /// Whether any name is listed.
    pub fn names_some(&self) -> bool {
        let mut sources = self.0.iter();
        sources.any(|source| matches!(source, Source::Images(_)))
    }

    /// Whether images of a name may be used. A name without tag and digest is all of its tags.
    pub fn allows(&self, name: &Name) -> bool {
        self.0.iter().any(|source| match source {
            Source::Images(pattern) => pattern.fits(name),
            Source::Load | Source::Import => false,
        })
    }

    /// Whether an image may be pulled. `tag` may be a digest, and without one `text` may have it;
    /// without any, all tags are pulled.
    pub fn allows_pull(&self, text: &str, tag: &str) -> bool {
        named(text.strip_suffix(':').unwrap_or(text), tag).is_some_and(|name| self.allows(&name))
    }

    /// Whether an image may be used that the engine cannot be asked about, because a swarm's node
    /// finds it. A node could take the text for an ID.
    pub fn allows_unseen(&self, text: &str) -> bool {
        let name = Name::parse(text).ok().map(Name::or_latest);
        !could_be_id(text) && name.is_some_and(|name| self.allows(&name))
    }

    /// Whether an image of a service may come to be one of these: the engine adds a digest to its name.
    pub fn could_allow(&self, text: &str) -> bool {
        let Ok(name) = Name::parse(text) else {
            return false;
        };
        let mut sources = self.0.iter();
        let by_digest = sources.any(|source| match source {
            Source::Images(pattern) => {
                pattern.digest.is_some() && pattern.repository.fits(name.repository())
            }
            Source::Load | Source::Import => false,
        });
        by_digest && name.digest().is_none() || self.allows(&name.or_latest())
    }

    /// Whether an image may be used that the engine found by this text, or did not find.
    pub fn allows_found(&self, text: &str, found: Option<&Value>) -> bool {
        let Some(found) = found else {
            return self.allows_unseen(text);
        };
        let names = |field: &str| {
            let names = found.at(field).items().iter().filter_map(Value::as_str);
            names
                .filter_map(|name| Name::parse(name).ok())
                .collect::<Vec<Name>>()
        };
        let (tagged, digested) = (names("RepoTags"), names("RepoDigests"));
        if let Ok(name) = Name::parse(text).map(Name::or_latest) {
            let same = |own: &Name| own.repository() == name.repository();
            let is_own = match name.digest() {
                Some(digest) => digested
                    .iter()
                    .any(|own| same(own) && own.digest() == Some(digest)),
                None => tagged
                    .iter()
                    .any(|own| same(own) && own.tag() == name.tag()),
            };
            if is_own {
                return self.allows(&name);
            }
        }
        let id = text.strip_prefix("sha256:").unwrap_or(text);
        let found = found.at("Id").as_str().unwrap_or_default();
        let found = found.strip_prefix("sha256:").unwrap_or(found);
        let is_id = could_be_id(text) && found.starts_with(id);
        is_id && tagged.iter().chain(&digested).any(|name| self.allows(name))
    }
}

/// What `TAG_AS` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagAs(Vec<Pattern>);

impl TagAs {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<TagAs, Vec<Mistake>> {
        list::entries(text, Pattern::parse).map(TagAs)
    }

    /// Whether an image may get this name. Without a tag it is `latest`.
    pub fn allows(&self, repository: &str, tag: &str) -> bool {
        let name = named(repository, tag).filter(|name| name.digest().is_none());
        let name = name.map(Name::or_latest);
        name.is_some_and(|name| self.0.iter().any(|pattern| pattern.fits(&name)))
    }
}

/// A name whose tag is given apart, or not at all.
fn named(text: &str, tag: &str) -> Option<Name> {
    let name = Name::parse(text).ok()?;
    match tag {
        "" => Some(name),
        tag => name.with(tag).ok(),
    }
}

/// Names of images: `docker.io/library/*`, `ghcr.io/me/**`, `nginx:1.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    repository: Glob,
    /// None is all tags, and all digests.
    tag: Option<Glob>,
    digest: Option<String>,
}

impl Pattern {
    fn parse(entry: &str) -> Result<Pattern, Mistake> {
        let mistake = |problem: &str, help: &str| Mistake::new(entry, problem, help);
        let (rest, digest) = match entry.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (entry, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[slash..].split_once(':') {
            Some((last, tag)) => (&rest[..slash + last.len()], Some(tag)),
            None => (rest, None),
        };
        // What stands for the wildcards has to be valid as well.
        let sample = rest.replace('*', "x");
        let sample = match digest {
            Some(digest) => format!("{sample}@{digest}"),
            None => sample,
        };
        let sample = Name::parse(&sample).map_err(|error| {
            let help = "use names like docker.io/library/* or ghcr.io/me/app:1.*";
            mistake(&error.to_string(), help)
        })?;
        let repository = match repository.contains('*') {
            false => sample.repository().to_owned(),
            true => normal(repository).ok_or_else(|| {
                let help = "use docker.io/library/* for official images, docker.io/** for all of Docker Hub, or ** for all";
                mistake("does not say which registry", help)
            })?,
        };
        Ok(Pattern {
            text: entry.to_owned(),
            repository: Glob::name(&repository),
            // Beside a digest the engine ignores it.
            tag: tag.filter(|_| digest.is_none()).map(Glob::name),
            digest: digest.map(str::to_owned),
        })
    }

    fn fits(&self, name: &Name) -> bool {
        let tag = || name.tag().filter(|_| name.digest().is_none());
        let tag = self
            .tag
            .as_ref()
            .is_none_or(|own| tag().is_some_and(|tag| own.fits(tag)));
        let own = self.digest.as_deref();
        tag && (own.is_none() || own == name.digest()) && self.repository.fits(name.repository())
    }
}

/// A repository with wildcards in its normal form, if it is clear which registry it is of.
fn normal(repository: &str) -> Option<String> {
    if repository == "**" || repository.starts_with("**/") {
        return Some(repository.to_owned());
    }
    let is_upper = |letter: char| letter.is_ascii_uppercase();
    let (first, rest) = match repository.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (repository, None),
    };
    match (first, rest) {
        (first, _) if first.contains("**") => None,
        ("*", None) => None,
        (name, None) => Some(format!("docker.io/library/{name}")),
        ("docker.io" | "index.docker.io", Some(rest)) => match rest.contains('/') || rest == "**" {
            true => Some(format!("docker.io/{rest}")),
            false => Some(format!("docker.io/library/{rest}")),
        },
        (first, Some(_)) if first.contains(['.', ':']) || first.contains(is_upper) => {
            Some(repository.to_owned())
        }
        ("localhost", Some(_)) => Some(repository.to_owned()),
        (first, Some(_)) if first.contains('*') => None,
        _ => Some(format!("docker.io/{repository}")),
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Source::Images(pattern) => pattern.fmt(f),
            Source::Load => f.write_str("load"),
            Source::Import => f.write_str("import"),
        }
    }
}

impl Display for ImageFrom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

impl Display for TagAs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::json::{Limits, Untyped, read};

    const HEX: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

    fn from(text: &str) -> ImageFrom {
        ImageFrom::parse(text).expect(text)
    }

    #[test]
    fn patterns_are_for_normal_forms() {
        for (pattern, allowed, refused) in [
            (
                "docker.io/library/*",
                &[
                    "busybox",
                    "docker.io/busybox",
                    "index.docker.io/library/busybox:1",
                ][..],
                &[
                    "me/app",
                    "library/a/b",
                    "ghcr.io/library/busybox",
                    "docker.io:443/library/a",
                ][..],
            ),
            ("docker.io/*", &["busybox"], &["me/app"]),
            (
                "docker.io/**",
                &["busybox", "me/app", "a/b/c"],
                &["ghcr.io/a", "DOCKER.IO/a"],
            ),
            (
                "ghcr.io/me/**",
                &["ghcr.io/me/app:x", "ghcr.io/me/a/b"],
                &["ghcr.io/me", "ghcr.io/mee/a", "me/app"],
            ),
            (
                "nginx",
                &["nginx", "nginx:1"],
                &["me/nginx", "nginxx", "nginx.io/nginx"],
            ),
            ("nginx*", &["nginx", "nginx-x:1"], &["nginx/x"]),
            (
                "nginx:1.*",
                &["nginx:1.27"],
                &["nginx", "nginx:2", "nginx:1"],
            ),
            ("nginx:latest", &["nginx"], &["nginx:1"]),
            ("me/*", &["me/app"], &["app", "me/a/b"]),
            (
                "*.example.com/**",
                &["a.example.com/x"],
                &["example.com/x", "b/a.example.com/x"],
            ),
            (
                "localhost:5000/*",
                &["localhost:5000/a"],
                &["localhost/a", "localhost:5000"],
            ),
            ("**", &["busybox", "ghcr.io/a/b"], &[]),
            ("**/app", &["me/app", "ghcr.io/app"], &["app2"]),
            ("none", &[], &["busybox", "none"]),
            ("load", &[], &["load"]),
        ] {
            let own = from(pattern);
            for image in allowed {
                assert!(own.allows_unseen(image), "{pattern} {image}");
            }
            for image in refused {
                assert!(!own.allows_unseen(image), "{pattern} {image}");
            }
            assert_eq!(own.to_string(), pattern);
        }
        let digest = format!("nginx:1@sha256:{HEX}");
        assert!(from("nginx").allows_unseen(&digest));
        assert!(from(&digest).allows_unseen(&format!("nginx@sha256:{HEX}")));
        // A tag beside a digest says nothing.
        assert!(!from("nginx:1").allows_unseen(&digest));
        assert!(!from(&digest).allows_unseen("nginx:1"));
    }

    #[test]
    fn what_does_not_say_which_images_is_a_mistake() {
        let text = "*, */nginx, a**b, Nginx, nginx:, https://x/y, /nginx, nginx@sha256:x, a b, docker.io/, ok";
        let mistakes = ImageFrom::parse(text).expect_err("mistakes");
        let mistakes: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        assert_eq!(mistakes.len(), 10, "{mistakes:#?}");
        assert_eq!(
            mistakes[0],
            "* does not say which registry; use docker.io/library/* for official images, docker.io/** for all of Docker Hub, or ** for all"
        );
        assert_eq!(
            mistakes[3],
            "Nginx has a repository that is not lowercase; use names like docker.io/library/* or ghcr.io/me/app:1.*"
        );
    }

    #[test]
    fn a_pull_without_a_tag_is_of_all_tags() {
        let digest = format!("sha256:{HEX}");
        let (all, one) = (from("nginx"), from("nginx:1.*"));
        assert!(all.allows_pull("nginx", "") && all.allows_pull("nginx:", ""));
        assert!(all.allows_pull("nginx", &digest));
        assert!(one.allows_pull("nginx", "1.2") && one.allows_pull("nginx:1.2", ""));
        assert!(!one.allows_pull("nginx", "") && !one.allows_pull("nginx:", ""));
        assert!(!one.allows_pull("nginx:1.2", "2") && !one.allows_pull("nginx:1.2", &digest));
        assert!(
            !all.allows_pull("other", "")
                && !all.allows_pull("", "")
                && !all.allows_pull("nginx", "a b")
        );
        let both = from("load, import");
        assert!(both.allows_load() && both.allows_import());
        assert!(!all.allows_load() && !all.allows_import());
    }

    #[test]
    fn what_the_engine_found_is_judged() {
        let own = from("docker.io/library/*");
        let found = |tags: &[&str], digests: &[&str]| {
            let text =
                format!(r#"{{"Id":"sha256:{HEX}","RepoTags":{tags:?},"RepoDigests":{digests:?}}}"#);
            read(text.as_bytes(), Limits::default(), Untyped).expect("a tree")
        };
        let digest = format!("busybox@sha256:{HEX}");
        let busybox = found(&["busybox:latest", "me/other:1"], &[&digest]);
        let other = found(&["me/other:1"], &[]);
        let nameless = found(&[], &[]);
        let id = format!("sha256:{HEX}");
        for (text, image, allowed) in [
            ("busybox", &busybox, true),
            ("docker.io/library/busybox:latest", &busybox, true),
            (digest.as_str(), &busybox, true),
            ("1a3f5e7", &busybox, true),
            (HEX, &busybox, true),
            (&id, &busybox, true),
            ("sha256:1a3", &busybox, true),
            // It has this name too, which is not listed.
            ("me/other:1", &busybox, false),
            ("me/other:1", &other, false),
            ("1a3f5e7", &other, false),
            ("1a3f5e7", &nameless, false),
            // The engine took it for something else than this does.
            ("busybox:1", &busybox, false),
            ("busybox", &other, false),
            ("cafe", &busybox, false),
            ("Busybox", &busybox, false),
        ] {
            assert_eq!(own.allows_found(text, Some(image)), allowed, "{text}");
        }
        // A name that could be an ID, and an image that has both.
        let cafe = found(&["1a3f5e7:latest"], &[]);
        assert!(own.allows_found("1a3f5e7", Some(&cafe)));
        // What is not there yet may be pulled by its name, and not be an ID by then.
        assert!(own.allows_found("busybox", None) && own.allows_found("cafe:latest", None));
        assert!(!own.allows_found("cafe", None) && !own.allows_found("me/app", None));
        assert!(!own.allows_found(&id, None));
    }

    #[test]
    fn names_are_given() {
        let own = TagAs::parse("ci/*, localhost/**:ci-*").expect("a list");
        for (repository, tag) in [
            ("ci/app", ""),
            ("ci/app:1", ""),
            ("ci/app:1", "2"),
            ("localhost/a/b", "ci-1"),
        ] {
            assert!(own.allows(repository, tag), "{repository} {tag}");
        }
        for (repository, tag) in [
            ("busybox", ""),
            ("ci/a/b", ""),
            ("localhost/a", ""),
            ("localhost/a:ci-1", "latest"),
            ("", "x"),
            ("ci/App", ""),
            (&format!("ci/app@sha256:{HEX}"), ""),
            ("ci/app", &format!("sha256:{HEX}")),
        ] {
            assert!(!own.allows(repository, tag), "{repository} {tag}");
        }
        assert_eq!(own.to_string(), "ci/*, localhost/**:ci-*");
    }
}
