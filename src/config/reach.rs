//! What the policy allows as a whole, whichever dialect grants it: asked of it with requests as
//! clients write them, and told in warnings and notes.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Diagnostic, Settings,
    dialect::sections::{POST, is_off},
};
use crate::{
    api::{
        Target,
        sections::{ACTIONS, Action, ROOTS, Route},
    },
    policy::{Body, Verdict},
};

/// The minor versions of the API that clients write into paths: from 1.24, the least that any
/// supported engine takes, to that of the next engine.
const MINORS: std::ops::RangeInclusive<u8> = 24..=56;

/// What clients write behind a path. Which of them belongs to which route does not matter: one that
/// a pattern waits for is all that is asked.
const QUERIES: [&str; 8] = [
    "",
    "?name=web",
    "?path=/",
    "?t=web",
    "?names=web",
    "?remote=web",
    "?version=1",
    "?fromImage=web&tag=latest",
];

impl Settings {
    /// What is worth knowing at start, and no mistake.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let zeros = self.idle_zeros.iter().cloned();
        let others = [self.used_for_nothing(), self.files_readable()];
        others.into_iter().flatten().chain(zeros)
    }

    /// A warning, if what is granted reaches root on the host.
    pub fn root_on_host(&self) -> Option<String> {
        let mut reaches: Vec<String> = Vec::new();
        for root in ROOTS {
            for origin in self.granting(root.routes) {
                let reach = format!("{origin} ({})", root.doc);
                if !reaches.contains(&reach) {
                    reaches.push(reach);
                }
            }
        }
        let reaches = reaches.join(", ");
        (!reaches.is_empty()).then(|| format!("a client can become root on the host: {reaches}"))
    }

    /// A note, if the contents of files can be read by grants that are not about files: sections
    /// that are only read, patterns, lines of a profile.
    pub fn files_readable(&self) -> Option<String> {
        let mut origins = BTreeSet::new();
        let (mut routes, mut denies) = (Vec::new(), Vec::new());
        for action in ACTIONS.iter().filter(|action| action.reads_files) {
            let about_files = |origin: &str| origin == action.allow || origin.starts_with("PRESET");
            let mut by = self.granting(action.routes);
            by.retain(|origin| !about_files(origin));
            if !by.is_empty() {
                origins.extend(by);
                routes.push(Route::list(action.routes));
                denies.push(format!("{}=1", action.deny));
            }
        }
        let by_section = |origin: &Arc<str>| self.grants.on(origin);
        if routes.is_empty() || self.grants.on(POST) || self.root_on_host().is_some() {
            return None;
        }
        let (subject, verb) = if origins.iter().all(by_section) {
            ("POST=0".to_owned(), "leaves")
        } else {
            let verb = if origins.len() == 1 {
                "leaves"
            } else {
                "leave"
            };
            (origins.into_iter().collect::<Vec<_>>().join(", "), verb)
        };
        let (routes, denies) = (routes.join(", "), denies.join(" "));
        Some(format!(
            "{subject} {verb} the contents of files readable ({routes}); to close that: {denies}"
        ))
    }

    /// What else grants an action whose own variable is 0: the origins, with the routes if it is
    /// not all of them.
    pub fn granted_elsewhere(&self, action: &Action) -> Option<String> {
        let each = action.routes.iter();
        let each = each.map(|route| (route, self.granting(std::slice::from_ref(route))));
        let granted: Vec<_> = each.filter(|(_, by)| !by.is_empty()).collect();
        let mut origins: Vec<&Arc<str>> = Vec::new();
        for origin in granted.iter().flat_map(|(_, by)| by) {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        let origins: Vec<&str> = origins.into_iter().map(|origin| &**origin).collect();
        match granted.len() {
            0 => None,
            n if n == action.routes.len() => Some(origins.join(" and ")),
            _ => {
                let routes = Route::list(granted.iter().map(|(route, _)| *route));
                Some(format!("{} ({routes})", origins.join(" and ")))
            }
        }
    }

    /// Each `ALLOW_x=0` that takes nothing away, because something else grants x. Those that
    /// Tecnativa's proxy has too are often copied from its image, where they are 0: they are the
    /// second list.
    pub(super) fn zeros_that_take_nothing(&self) -> (Vec<Diagnostic>, Vec<String>) {
        let (mut warnings, mut notes) = (Vec::new(), Vec::new());
        for action in ACTIONS {
            let (allow, deny) = (action.allow, action.deny);
            let value = self
                .grants
                .switch(allow)
                .and_then(|one| one.value.as_deref());
            if self.grants.on(allow) || !value.is_some_and(is_off) {
                continue;
            }
            let Some(by) = self.granted_elsewhere(action) else {
                continue;
            };
            let verb = if by.contains(" and ") {
                "grant"
            } else {
                "grants"
            };
            let problem = format!("{allow}=0 takes nothing away: {by} {verb} it");
            let warning = Diagnostic::warning(allow, problem, format!("set {deny}=1"));
            if action.tecnativa {
                notes.push(warning.to_string());
            } else {
                warnings.push(warning);
            }
        }
        (warnings, notes)
    }

    /// By what requests of these routes are allowed, however a client writes them.
    fn granting(&self, routes: &[Route]) -> Vec<Arc<str>> {
        let mut origins: Vec<Arc<str>> = Vec::new();
        for route in routes {
            for target in self.requests(route) {
                let verdict = self.policy.decide(target, Body::Empty);
                if let Verdict::Allow(permit) = verdict
                    && !origins.contains(permit.origin())
                {
                    origins.push(Arc::clone(permit.origin()));
                }
            }
        }
        origins
    }

    /// Requests of a route. Only patterns look at versions, and only lines of a profile at queries.
    fn requests(&self, route: &Route) -> Vec<Target> {
        let (patterns, lines) = (self.regexes.active, !self.profile.lines.is_empty());
        let queries = if lines { &QUERIES[..] } else { &QUERIES[..1] };
        let versions = MINORS.filter(|_| patterns || lines);
        let versions = versions.map(|minor| format!("/v1.{minor}"));
        let prefixes = ["", "/libpod", "/v4.0.0/libpod"].map(str::to_owned);
        let prefixes: Vec<String> = prefixes.into_iter().chain(versions).collect();
        let samples = route.samples();
        let mut requests = Vec::with_capacity(prefixes.len() * queries.len() * samples.len());
        for (method, path) in &samples {
            for prefix in &prefixes {
                for query in queries {
                    let target = [prefix, path, *query].concat();
                    requests.extend(Target::from_line(method.as_str(), &target).ok());
                }
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Snapshot;

    fn settings(env: &[(&str, &str)]) -> Settings {
        Settings::load(&env.iter().copied().collect()).expect("settings")
    }

    /// The settings with these lines as a profile.
    fn with_profile(lines: &str) -> Settings {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mine");
        std::fs::write(&file, lines).expect("a profile");
        let name = file.to_str().expect("a path").to_owned();
        Settings::load(&Snapshot::from_iter([("PROFILE", name)])).expect("settings")
    }

    #[test]
    fn an_allow_of_0_that_takes_nothing_away_is_warned_about() {
        for (env, warning) in [
            (
                &[("CONTAINERS", "1"), ("ALLOW_LOGS", "0")][..],
                "ALLOW_LOGS=0 takes nothing away: CONTAINERS grants it; set DENY_LOGS=1",
            ),
            (
                &[("PRESET", "dozzle"), ("ALLOW_LOGS", "0")],
                "ALLOW_LOGS=0 takes nothing away: PRESET=dozzle grants it; set DENY_LOGS=1",
            ),
            (
                &[
                    ("SP_ALLOW_GET", "/v1.4[0-9]/containers/[a-z]+/logs"),
                    ("ALLOW_LOGS", "0"),
                ],
                "ALLOW_LOGS=0 takes nothing away: SP_ALLOW_GET grants it; set DENY_LOGS=1",
            ),
            (
                &[("SESSION", "1"), ("POST", "1"), ("ALLOW_BUILD", "0")],
                "ALLOW_BUILD=0 takes nothing away: SESSION (POST /session) grants it; \
                 set DENY_BUILD=1",
            ),
        ] {
            let warnings = settings(env).warnings;
            let told = warnings.iter().map(ToString::to_string);
            let told: Vec<String> = told.filter(|one| one.starts_with("ALLOW_")).collect();
            assert_eq!(told, [warning], "{env:?}");
        }
        for env in [
            &[("CONTAINERS", "1"), ("ALLOW_LOGS", "0"), ("DENY_LOGS", "1")][..],
            &[("CONTAINERS", "1"), ("ALLOW_KILL", "0")],
            &[("ALLOW_LOGS", "0")],
        ] {
            assert_eq!(settings(env).warnings, [], "{env:?}");
        }
    }

    #[test]
    fn zeros_that_come_from_tecnativas_image_are_a_note() {
        let zeros = ["ALLOW_START", "ALLOW_STOP", "ALLOW_RESTARTS"].map(|name| (name, "0"));
        let mut env = zeros.to_vec();
        env.extend([("CONTAINERS", "1"), ("POST", "1")]);
        let settings = settings(&env);
        assert_eq!(settings.warnings, []);
        let start = "ALLOW_START=0 takes nothing away: CONTAINERS grants it; set DENY_START=1";
        assert_eq!(settings.notes().filter(|note| note == start).count(), 1);
        assert_eq!(settings.notes().count(), 3);
    }

    #[test]
    fn whatever_dialect_reaches_root_is_warned_about() {
        for (name, pattern) in [
            ("SP_ALLOW_POST", r"/v1\.[0-9]+/containers/create"),
            ("SP_ALLOW_POST_1", "/v1.56/containers/create"),
            ("SP_ALLOW_POST", "/containers/create"),
            ("SP_ALLOW_POST", "/v1.24/.*"),
            ("SP_ALLOW_POST", "/.*"),
        ] {
            let warning = settings(&[(name, pattern)]).root_on_host();
            let create = format!("{name} (a new container can mount any file of the host)");
            assert!(
                warning.is_some_and(|text| text.contains(&create)),
                "{pattern}"
            );
        }
        let exec = settings(&[("SP_ALLOW_POST", "/v1.4./exec/[a-f0-9]{64}/start")]);
        assert!(exec.root_on_host().is_some());
        for line in [
            r"POST /v1\.[0-9]+/containers/create\?name=.*",
            r"POST /v1\.44/build\?t=.*",
            r"POST /plugins/pull\?remote=.*",
        ] {
            assert!(with_profile(line).root_on_host().is_some(), "{line}");
        }
        for pattern in [r"/v1\.[0-9]+/containers/[a-z]+/start", "/_ping"] {
            assert_eq!(settings(&[("SP_ALLOW_POST", pattern)]).root_on_host(), None);
        }
    }

    #[test]
    fn whatever_dialect_reads_files_is_noted() {
        let note = |settings: &Settings| settings.files_readable().unwrap_or_default();
        let patterns = settings(&[("SP_ALLOW_GET", r"/v1\.[0-9]+/containers/.*")]);
        assert_eq!(
            note(&patterns),
            "SP_ALLOW_GET leaves the contents of files readable \
             (GET /containers/{id}/archive, HEAD /containers/{id}/archive, \
             GET /containers/{id}/export); to close that: DENY_ARCHIVE=1 DENY_EXPORT=1"
        );
        let lines = with_profile(r"GET /images/get\?names=.*");
        assert!(note(&lines).contains("leaves the contents of files readable (GET /images/get"));
        assert!(note(&settings(&[("PRESET", "trivy")])).is_empty());
        assert!(note(&settings(&[("SP_ALLOW_GET", "/containers/json")])).is_empty());
    }
}
