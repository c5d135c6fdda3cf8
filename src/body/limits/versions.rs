//! Fields by which a body meets a limit, and which are ignored below some version of the API: the
//! engine leaves them out, or is too old to know them. A body that relies on one of them there is refused.
//!
//! From the engine's sources, 1.12 to 29. What every version since 1.24 honours is not listed:
//! of a container its memory, number of processes, capabilities, security options and read-only files,
//! of a service its memory, CPUs, user and labels. Nor is what an update of a container would lower:
//! ignored, it leaves the container as it is.

use super::excess::{Bound, Excess};
use super::required::Required;
use super::{Limits, Subject};
use crate::api::Version;
use crate::api::fields::Body;
use crate::body::facts::{Fact, Facts};
use crate::body::json::Value;
use crate::body::reach::{self, Claim, Engine, What};

/// A field, and since when it counts.
struct Since {
    subject: Subject,
    place: &'static str,
    version: Version,
    /// Whether newer engines leave it out of a request for an older version, too.
    is_left_out: bool,
    /// The variable that relies on it, if it does.
    relies: fn(&Limits) -> Option<&'static str>,
}

const SINCE: [Since; 5] = [
    Since {
        subject: Subject::Create,
        place: "HostConfig.NanoCpus",
        version: Version(1, 25),
        is_left_out: false,
        relies: |limits| limits.cpus_max.is_set(),
    },
    Since {
        subject: Subject::Service,
        place: "TaskTemplate.ContainerSpec.ReadOnly",
        version: Version(1, 28),
        is_left_out: false,
        relies: |limits| limits.requires(Required::keeps_files),
    },
    Since {
        subject: Subject::Service,
        place: "TaskTemplate.Resources.Limits.Pids",
        version: Version(1, 41),
        is_left_out: true,
        relies: |limits| limits.pids_max.is_set(),
    },
    Since {
        subject: Subject::Service,
        place: "TaskTemplate.ContainerSpec.CapabilityDrop",
        version: Version(1, 41),
        is_left_out: true,
        relies: |limits| limits.requires(Required::drops_capabilities),
    },
    Since {
        subject: Subject::Service,
        place: "TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges",
        version: Version(1, 44),
        is_left_out: true,
        relies: |limits| limits.requires(Required::keeps_privileges),
    },
];

/// Since this version, what is mounted below a read-only bind mount is read-only as well.
const RECURSIVE: Version = Version(1, 44);

impl Limits {
    /// The fields by which a body seems to meet the limits, and which are ignored in the version of the
    /// API that the request asks for, or else in the engine's newest.
    ///
    /// # Errors
    /// What the engine has to be asked first.
    pub fn ignored(
        &self,
        (body, tree): (&Body, &Value),
        version: Option<Version>,
        facts: &Facts,
    ) -> Result<Vec<Excess>, Fact> {
        let subject = Subject::of(body);
        let mut found = Vec::new();
        for since in SINCE.iter().filter(|since| since.subject == subject) {
            let value = tree.at(since.place);
            // What is missing is refused as such, unless the body has something else for it.
            let Some(variable) = (since.relies)(self).filter(|_| !value.is_empty()) else {
                continue;
            };
            let now = match version {
                // The engine refuses what is newer than it is.
                Some(version) if since.is_left_out || version >= since.version => Some(version),
                _ => facts.newest().ok_or(Fact::Version)?,
            };
            if now.is_none_or(|now| now < since.version) {
                let bound = Bound::Version {
                    variable,
                    before: "is ignored",
                    since: since.version,
                    now,
                };
                found.push(Excess::new(since.place, Some(&value.shown()), bound));
            }
        }
        let shallow = match version {
            Some(version) if subject == Subject::Create => {
                self.shallow(body, tree, version, facts)?
            }
            _ => Vec::new(),
        };
        found.extend(shallow);
        Ok(found)
    }

    /// The bind mounts that have to be read-only, and of which an engine since 1.44 leaves out what is mounted
    /// below, because the request is for an older version. Engines that are older cannot do otherwise.
    fn shallow(
        &self,
        body: &Body,
        tree: &Value,
        version: Version,
        facts: &Facts,
    ) -> Result<Vec<Excess>, Fact> {
        let limit = &self.bind_from;
        let Some(paths) = limit.entries.as_ref().filter(|_| version < RECURSIVE) else {
            return Ok(Vec::new());
        };
        // What is too much to be judged is refused as such.
        let claims = reach::asked(body, tree, &Engine::default()).unwrap_or_default();
        let relies = claims.into_iter().filter(|claim| match &claim.what {
            What::HostPath { path, read_only } => *read_only && !paths.allows(path, false),
            _ => false,
        });
        let relies: Vec<Claim> = relies.collect();
        if relies.is_empty() {
            return Ok(Vec::new());
        }
        let newest = facts.newest().ok_or(Fact::Version)?;
        if newest.is_some_and(|newest| newest < RECURSIVE) {
            return Ok(Vec::new());
        }
        let bound = Bound::Version {
            variable: limit.variable,
            before: "is not read-only as a whole",
            since: RECURSIVE,
            now: Some(version),
        };
        let excesses = relies.iter().map(|claim| Excess::of(claim, bound.clone()));
        Ok(excesses.collect())
    }

    fn requires(&self, is: fn(&Required) -> bool) -> Option<&'static str> {
        let required = self.require.entries.as_ref().filter(|list| is(list));
        required.map(|_| self.require.variable)
    }
}

impl<T> super::Limit<T> {
    /// Its name, if it is set.
    fn is_set(&self) -> Option<&'static str> {
        self.entries.as_ref().map(|_| self.variable)
    }
}
