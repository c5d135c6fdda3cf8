//! What is said of requests that no section or action covers. Worked out when the policy is made, so
//! that such a denial costs no more than any other.

use std::sync::Arc;

use super::{Body, is_literal};
use crate::api::{Method, Target, sections::SECTIONS};

/// The remedies for such requests.
#[derive(Debug)]
pub(super) struct Uncovered {
    /// For each method: by what it could be allowed.
    remedies: [Remedies; Method::ALL.len()],
    odd_version: Arc<str>,
    two_versions: Arc<str>,
}

#[derive(Debug)]
struct Remedies {
    by_either: Arc<str>,
    by_pattern: Arc<str>,
    by_profile: Arc<str>,
    none: Arc<str>,
}

impl Uncovered {
    pub(super) fn new() -> Uncovered {
        let covers = "no section or action covers it";
        let remedies = Method::ALL.map(|method| {
            let pattern = format!("an SP_ALLOW_{} pattern", method.as_str());
            let line = "a profile line";
            Remedies {
                by_either: format!("{covers}; {pattern} or {line} can allow it").into(),
                by_pattern: format!("{covers}; {pattern} can allow it").into(),
                by_profile: format!("{covers}; {line} can allow it").into(),
                none: format!("{covers}, and no pattern or profile line can").into(),
            }
        });
        Uncovered {
            remedies,
            odd_version: "its first segment is not an API version like v1.41; DOCKER_API_VERSION \
                          takes 1.41, without v or quotes"
                .into(),
            two_versions: "it has two API versions; remove the one in the client's address".into(),
        }
    }

    /// What could allow it: patterns match ASCII paths, and profile lines what is sent in one way.
    pub(super) fn remedy(&self, method: Method, target: &Target, body: Body) -> &Arc<str> {
        let remedies = &self.remedies[method.index()];
        let by_profile = !body.is_form() && is_literal(target);
        match (target.whole_path().is_ascii(), by_profile) {
            (true, true) => &remedies.by_either,
            (true, false) => &remedies.by_pattern,
            (false, true) => &remedies.by_profile,
            (false, false) => &remedies.none,
        }
    }

    /// What is wrong with the version, if that is why nothing covers it: behind its first segment
    /// is a path of the API, and that segment was meant as the version.
    pub(super) fn version(&self, target: &Target) -> Option<&Arc<str>> {
        let path = target.path().strip_prefix(b"/")?;
        let slash = memchr::memchr(b'/', path)?;
        let (segment, rest) = path.split_at(slash);
        let prefix = |byte: &u8| b"vV\"' =".contains(byte);
        let number = segment.iter().find(|byte| !prefix(byte))?;
        if !number.is_ascii_digit() || !is_of_the_api(rest) {
            return None;
        }
        let has_one = target.whole_path().len() > target.path().len();
        Some(if has_one {
            &self.two_versions
        } else {
            &self.odd_version
        })
    }
}

fn is_of_the_api(path: &[u8]) -> bool {
    let begins = |prefix: &str| {
        let rest = path.strip_prefix(prefix.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let mut paths = SECTIONS.iter().flat_map(|section| section.paths);
    paths.any(|path| begins(path)) || begins("/libpod")
}
