//! The remedies for requests that no section or action covers. Built together with the policy, so
//! that such a denial costs no more than any other.

use std::sync::Arc;

use super::Body;
use super::is_literal;
use super::remedy::{BadVersion, Lists, Obstacle, Remedy};
use crate::api::sections::SECTIONS;
use crate::api::{Method, Target};

/// The remedies for such requests.
#[derive(Debug)]
pub(super) struct Uncovered {
    /// For each method: for requests that neither a pattern nor a line can allow, only a line, only
    /// a pattern, or both.
    remedies: [[Arc<Remedy>; 4]; Method::ALL.len()],
    odd_version: Arc<Remedy>,
    two_versions: Arc<Remedy>,
}

impl Uncovered {
    pub(super) fn new() -> Uncovered {
        let only = |obstacle| Arc::new(Remedy::new(vec![obstacle]));
        let by = |method, pattern, line| {
            let lists = Lists {
                method,
                pattern,
                line,
            };
            only(Obstacle::Uncovered(Some(lists)))
        };
        let choices = [(false, false), (false, true), (true, false), (true, true)];
        Uncovered {
            remedies: Method::ALL
                .map(|method| choices.map(|(pattern, line)| by(method, pattern, line))),
            odd_version: only(Obstacle::Version(BadVersion::Odd)),
            two_versions: only(Obstacle::Version(BadVersion::Second)),
        }
    }

    /// What could allow it: patterns match ASCII paths, and profile lines what has a single
    /// spelling.
    pub(super) fn remedy(&self, method: Method, target: &Target, body: Body) -> &Arc<Remedy> {
        let by_line = !body.is_form() && is_literal(target);
        let by_pattern = target.whole_path().is_ascii();
        let choice = usize::from(by_pattern) << 1 | usize::from(by_line);
        &self.remedies[method.index()][choice]
    }

    /// What is wrong with the version, if that is why nothing covers it: a path of the API follows
    /// the first segment, which was intended as the version.
    pub(super) fn version(&self, target: &Target) -> Option<&Arc<Remedy>> {
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
