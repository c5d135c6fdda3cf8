//! Consequences of a configuration as a whole that its author may overlook: ways to root on the
//! host, readable files, and zeros that deny nothing. All of this asks the policy, so it holds for
//! every dialect.

use std::sync::Arc;

use super::diagnostics::{Diagnostic, Severity};
use super::dialect::PatternLine;
use super::dialect::sections::{POST, is_off};
use super::sources::ConfiguredPolicy;
use crate::api::sections::{ACTIONS, Action, CONTROLS, ROOTS, Route};
use crate::body::limits::Limits;
use crate::policy::{Body, Notation, Reached, Verdict, printable};

impl ConfiguredPolicy {
    /// A warning, if a grant reaches root on the host.
    pub fn root_on_host(&self) -> Option<String> {
        let mut reaches: Vec<(Arc<str>, Vec<&str>)> = Vec::new();
        for root in ROOTS {
            let open = root.routes.iter().filter(|route| !self.denies_root(route));
            let granted = open.flat_map(|route| {
                let origins = self.granted_by(route).into_iter();
                origins.map(|origin| match self.only_with_query(&origin, route) {
                    true => format!("{origin} with a query").into(),
                    false => origin,
                })
            });
            for origin in granted {
                match reaches.iter_mut().find(|(known, _)| *known == origin) {
                    Some((_, how)) if how.contains(&root.doc) => {}
                    Some((_, how)) => how.push(root.doc),
                    None => reaches.push((origin, vec![root.doc])),
                }
            }
        }
        let reaches = reaches.iter();
        let reaches = reaches.map(|(origin, how)| format!("{origin} ({})", how.join("; ")));
        let reaches: Vec<String> = reaches.chain(self.opened()).collect();
        let reaches = reaches.join(", ");
        (!reaches.is_empty()).then(|| format!("a client can become root on the host: {reaches}"))
    }

    /// What limits open again of that which `DENY_ROOT` closes.
    fn opened(&self) -> Vec<String> {
        let limits = self.sources.limits.iter().filter(|_| self.is_kept());
        let roots = limits.flat_map(Limits::roots);
        let shown = roots.map(|(variable, entry, how)| {
            format!("{} ({how})", self.notation().set(variable, entry))
        });
        shown.collect()
    }

    /// Whether `DENY_ROOT` keeps a client from root on the host, which it would have by what is granted.
    fn is_kept(&self) -> bool {
        let mut routes = ROOTS.iter().flat_map(|root| root.routes);
        self.sources.deny_root
            && routes.any(|route| self.denies_root(route) && !self.granted_by(route).is_empty())
    }

    /// A note on what `DENY_ROOT` leaves open, where it keeps a client from root on the host.
    pub fn beside_root(&self) -> Option<&'static str> {
        self.is_kept().then_some(
            "DENY_ROOT does not cover images under names that others use, labels that other \
             programs obey, the secrets and configs of a swarm, and the memory, CPU and disk of the host",
        )
    }

    /// Whether no request of a route gives control of the host.
    fn denies_root(&self, route: &Route) -> bool {
        let sample = route.sample();
        sample.is_some_and(|sample| self.compiled.denies_root(&sample))
    }

    /// Whether some request passes by which a client can take control of the host or of a container.
    pub fn gives_control(&self) -> bool {
        let mut routes = CONTROLS.iter().flat_map(|control| control.routes);
        routes.any(|route| !self.denies_root(route) && !self.granted_by(route).is_empty())
    }

    /// A note, if the contents of files can be read and no grant says so explicitly. If a client
    /// can become root on the host, there is no need to mention it.
    pub fn files_readable(&self) -> Option<String> {
        let mut origins: Vec<Arc<str>> = Vec::new();
        let (mut routes, mut denies) = (Vec::new(), Vec::new());
        for action in ACTIONS.iter().filter(|action| action.reads_files) {
            for route in action.routes {
                let by = self.granted_by(route).into_iter();
                let by: Vec<Arc<str>> = by.filter(|origin| **origin != *action.allow).collect();
                if !by.is_empty() {
                    routes.push(route.text);
                    denies.push(self.notation().set(action.deny, 1));
                    origins.extend(by);
                }
            }
        }
        if origins.is_empty() || self.root_on_host().is_some() {
            return None;
        }
        denies.dedup();
        let by_section = |origin: &Arc<str>| {
            let mut sections = self.sources.grants.sections();
            sections.any(|section| *section.name == **origin)
        };
        // POST=0 is often assumed to be harmless.
        let what = if !self.sources.grants.on(POST) && origins.iter().all(by_section) {
            format!("{} leaves", self.notation().set(POST, 0))
        } else {
            listed(origins, "leaves", "leave")
        };
        let between = match self.notation() {
            Notation::Environment => " ",
            Notation::File => ", ",
        };
        let (routes, denies) = (routes.join(", "), denies.join(between));
        Some(format!(
            "{what} the contents of files readable ({routes}); to prevent this, set {denies}"
        ))
    }

    /// Warns about an `ALLOW_x=0` where something else grants x: it denies nothing, although it
    /// does in other proxies. Tecnativa's image sets three of them, which users copy unread.
    pub(super) fn idle_zeros(&self) -> impl Iterator<Item = Diagnostic> {
        ACTIONS.iter().filter_map(|action| {
            let value = self.sources.grants.switch(action.allow)?.value.as_deref()?;
            let origins = self.granted_besides(action);
            if origins.is_empty() || !is_off(value) {
                return None;
            }
            let value = self.notation().set(action.allow, printable(value));
            let by = listed(origins, "grants", "grant");
            let problem = format!("{value} denies nothing: {by} it");
            let help = format!("set {}", self.notation().set(action.deny, 1));
            Some(Diagnostic {
                severity: if action.tecnativa {
                    Severity::Note
                } else {
                    Severity::Warning
                },
                ..Diagnostic::warning(action.allow, problem, help)
            })
        })
    }

    /// Warns about names of images that a client can move: it makes any image and gives it a name that
    /// `IMAGE_FROM` lists.
    pub(super) fn movable_images(&self) -> Option<Diagnostic> {
        let limits = self.sources.limits.as_ref()?;
        let from = limits.image_from.entries.as_ref()?;
        if limits.tag_as.entries.is_some() || !from.names_some() {
            return None;
        }
        let makes = [
            ("BUILD", "build", true),
            ("COMMIT", "commit", true),
            ("LOAD", "load", from.allows_load()),
            ("PULL", "import", from.allows_import()),
        ];
        let open = makes
            .iter()
            .filter(|(action, _, listed)| *listed && self.reaches(action));
        let open: Vec<&str> = open.map(|(_, verb, _)| *verb).collect();
        let problem = format!(
            "a client can give any image a name that IMAGE_FROM lists ({})",
            open.join(", ")
        );
        let help = "set TAG_AS to the names that clients may give";
        (!open.is_empty()).then(|| Diagnostic::warning("IMAGE_FROM", problem, help))
    }

    /// What grants an action, or a part of it, besides its own variable. The variables of other
    /// actions count only if they grant all of it: `ALLOW_RESTARTS=0` next to `ALLOW_STOP=1` is not
    /// a mistake.
    pub fn granted_besides(&self, action: &Action) -> Vec<Arc<str>> {
        if self.sources.grants.on(action.allow) {
            return Vec::new();
        }
        let by = action.routes.iter().map(|route| self.granted_by(route));
        let by: Vec<Vec<Arc<str>>> = by.collect();
        let whole = by.iter().all(|origins| !origins.is_empty());
        let of_action = |origin: &Arc<str>| ACTIONS.iter().any(|one| *one.allow == **origin);
        let mut origins = by.concat();
        origins.retain(|origin| whole || !of_action(origin));
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Whether some request of an action passes.
    pub(super) fn reaches(&self, action: &str) -> bool {
        let mut actions = ACTIONS.iter();
        let action = actions.find(|one| one.name == action);
        let mut routes = action.iter().flat_map(|action| action.routes);
        self.sources.unprotected.is_some() || routes.any(|route| !self.granted_by(route).is_empty())
    }

    /// The origins that allow some request of a route: with or without a body, and with any names,
    /// version and query that a pattern matches.
    fn granted_by(&self, route: &Route) -> Vec<Arc<str>> {
        let Some(sample) = route
            .sample()
            .filter(|sample| !self.compiled.forbids(sample))
        else {
            return Vec::new();
        };
        let verdicts =
            [Body::Other, Body::Empty].map(|body| self.compiled.decide(sample.clone(), body));
        let by_rule = verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::Allow(permit) => Some(permit.origin().clone()),
            Verdict::Deny(_) | Verdict::WouldDeny(..) => None,
        });
        let mut origins: Vec<Arc<str>> = by_rule.collect();
        let lines = self
            .sources
            .lines()
            .filter(|line| reached(line, route).is_some());
        origins.extend(lines.map(|line| line.origin.as_str().into()));
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Whether a pattern allows a route only with some query: a profile's `/containers/[^/]+/start`
    /// matches `/containers/create?x=/start`, which is a create.
    fn only_with_query(&self, origin: &str, route: &Route) -> bool {
        let mut lines = self.sources.lines().filter(|line| line.origin == origin);
        lines.any(|line| reached(line, route).is_some_and(|reached| reached.with_query))
    }
}

fn reached(line: &PatternLine, route: &Route) -> Option<Reached<'static>> {
    let mut reach = line.reach.iter().copied();
    reach.find(|reached| reached.route.text == route.text)
}

/// `CONTAINERS grants`, `CONTAINERS and SP_ALLOW_GET grant`: each of them once.
fn listed(mut origins: Vec<Arc<str>>, one: &str, more: &str) -> String {
    origins.sort_unstable();
    origins.dedup();
    match origins.as_slice() {
        [] => String::new(),
        [only] => format!("{only} {one}"),
        [most @ .., last] => format!("{} and {last} {more}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    fn good(env: &[(&str, &str)]) -> Settings {
        Settings::load(&env.iter().copied().collect()).unwrap()
    }

    /// A profile of these lines.
    fn profile(text: &str) -> Settings {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        good(&[("PROFILE", file.path().to_str().unwrap())])
    }

    #[test]
    fn a_zero_that_takes_nothing_away_is_warned_about() {
        let told = |env: &[(&str, &str)]| -> Vec<String> {
            let settings = good(env);
            let warnings = settings.warnings.iter();
            let idle = warnings.filter(|one| one.problem.contains("denies nothing"));
            idle.map(|one| format!("{}: {one}", one.severity)).collect()
        };
        for (env, warning) in [
            (
                &[("CONTAINERS", "1"), ("ALLOW_LOGS", "0")][..],
                "warning: ALLOW_LOGS=0 denies nothing: CONTAINERS grants it; set DENY_LOGS=1",
            ),
            (
                &[("BUILD", "1"), ("POST", "1"), ("ALLOW_BUILD", "0")],
                "warning: ALLOW_BUILD=0 denies nothing: BUILD grants it; set DENY_BUILD=1",
            ),
            (
                &[("PRESET", "autoheal"), ("ALLOW_RESTART", "0")],
                "warning: ALLOW_RESTART=0 denies nothing: PRESET=autoheal grants it; \
                 set DENY_RESTART=1",
            ),
            (
                // Granted without a body alone.
                &[("PRESET", "dozzle-actions"), ("ALLOW_START", "0")],
                "note: ALLOW_START=0 denies nothing: PRESET=dozzle-actions grants it; \
                 set DENY_START=1",
            ),
            (
                &[("SP_ALLOW_GET", r"/v1\.[0-9]+/.*"), ("ALLOW_EXPORT", "0")],
                "warning: ALLOW_EXPORT=0 denies nothing: SP_ALLOW_GET grants it; \
                 set DENY_EXPORT=1",
            ),
            (
                &[
                    ("IMAGES", "1"),
                    ("SP_ALLOW_GET", "/images/.*"),
                    ("ALLOW_SAVE", "0"),
                ],
                "warning: ALLOW_SAVE=0 denies nothing: IMAGES and SP_ALLOW_GET grant it; \
                 set DENY_SAVE=1",
            ),
            (
                &[("ALLOW_RESTARTS", "1"), ("ALLOW_KILL", "0"), ("POST", "1")],
                "warning: ALLOW_KILL=0 denies nothing: ALLOW_RESTARTS grants it; \
                 set DENY_KILL=1",
            ),
            (
                &[("CONTAINERS", "1"), ("POST", "1"), ("ALLOW_STOP", "0")],
                "note: ALLOW_STOP=0 denies nothing: CONTAINERS grants it; set DENY_STOP=1",
            ),
        ] {
            assert_eq!(told(env), [warning]);
        }
        for env in [
            // Nothing grants it, it is denied, or it is not what was written.
            &[("CONTAINERS", "1"), ("ALLOW_START", "0")][..],
            &[("CONTAINERS", "1"), ("POST", "1"), ("ALLOW_EXEC", "0")],
            &[("CONTAINERS", "1"), ("ALLOW_LOGS", "0"), ("DENY_LOGS", "1")],
            &[("CONTAINERS", "1"), ("ALLOW_LOGS", "true")],
            &[("ALLOW_STOP", "1"), ("ALLOW_RESTARTS", "0"), ("POST", "1")],
            &[("SP_ALLOW_GET", "/info"), ("ALLOW_LOGS", "0")],
            &[("PRESET", "traefik"), ("ALLOW_LOGS", "0")],
        ] {
            assert_eq!(told(env), [""; 0], "{env:?}");
        }
    }

    #[test]
    fn root_on_the_host_is_found_in_every_dialect_and_version() {
        const CREATE: &str = "a new container can mount any file of the host";
        for (variable, value) in [
            ("ALLOW_CREATE", "1"),
            ("SP_ALLOW_POST", "/containers/create"),
            ("SP_ALLOW_POST", r"/v1\.[0-9]+/containers/create"),
            ("SP_ALLOW_POST_2", r"/v1\.(2[4-9])/containers/cre[a-z]+"),
            ("SP_ALLOW_POST", r"/v1\.56/containers/create"),
            ("SP_ALLOW_POST", "/v5.0.0/libpod/containers/create"),
            ("SP_ALLOW_POST", r"(?i)/V1\.4./containers/[^/]{6}$"),
        ] {
            let told = format!("a client can become root on the host: {variable} ({CREATE})");
            assert_eq!(
                good(&[(variable, value)]).policies.default().root_on_host(),
                Some(told),
                "{value}"
            );
        }
        for line in [
            r"POST /v1\.[0-9]+/containers/create",
            "[A-Z]+ /v1.41/containers/create",
            r"POST /v[0-9.]+/containers/create(\?.*)?",
        ] {
            let told = format!("a client can become root on the host: profile line 1 ({CREATE})");
            assert_eq!(
                profile(line).policies.default().root_on_host(),
                Some(told),
                "{line}"
            );
        }
        for line in [
            r"POST /v1.41/containers/create\?name=[a-z]+",
            "POST /v1.41/containers/create.+",
            // As the engine reads it, `create?x=/start` is a create.
            r"POST /v1\.[0-9]+/containers/[^/]+/start",
        ] {
            let told = format!(
                "a client can become root on the host: profile line 1 with a query ({CREATE})"
            );
            assert_eq!(
                profile(line).policies.default().root_on_host(),
                Some(told),
                "{line}"
            );
        }
        let many = good(&[("SP_ALLOW_POST", "/(exec/.*|containers/create|build|_ping)")]);
        assert_eq!(
            many.policies.default().root_on_host().unwrap(),
            format!(
                "a client can become root on the host: SP_ALLOW_POST (a build runs code as root \
                 and can join the host's network; {CREATE}; a command can run as root in any \
                 container, with the host's files that it mounts)"
            )
        );
        for env in [
            &[("SP_ALLOW_GET", ".*")][..],
            &[("SP_ALLOW_POST", "/containers/.*/start|/containers/x/create")],
            &[
                ("SP_ALLOW_POST", "/containers/create"),
                ("DENY_CREATE", "1"),
            ],
            &[
                ("SP_ALLOW_POST", r"/v1\.[0-9]+/containers/create"),
                ("DENY_CREATE", "1"),
            ],
        ] {
            assert_eq!(good(env).policies.default().root_on_host(), None, "{env:?}");
        }
        assert_eq!(
            profile("POST /containers/[^/?]+/start")
                .policies
                .default()
                .root_on_host(),
            None
        );
    }

    #[test]
    fn readable_files_are_found_in_every_dialect_and_version() {
        for (env, origin) in [
            (
                &[("SP_ALLOW_GET", "/containers/.*")][..],
                "SP_ALLOW_GET leaves",
            ),
            (
                &[("SP_ALLOW_GET_1", r"/v1\.[0-9]+/containers/.*")],
                "SP_ALLOW_GET_1 leaves",
            ),
            (
                &[("SP_ALLOW_GET", "/v1.*/containers/.*"), ("CONTAINERS", "1")],
                "CONTAINERS and SP_ALLOW_GET leave",
            ),
        ] {
            let note = good(env).policies.default().files_readable().unwrap();
            let rest = note
                .strip_prefix(origin)
                .unwrap_or_else(|| panic!("{note}"));
            assert!(rest.starts_with(" the contents of files readable (GET /containers/{id}/"));
            assert!(
                rest.contains("; to prevent this, set DENY_ARCHIVE=1 DENY_EXPORT=1"),
                "{note}"
            );
        }
        assert_eq!(
            profile(r"GET|HEAD /v1\.[0-9]+/containers/[^/?]+/archive(\?.*)?")
                .policies
                .default()
                .files_readable()
                .unwrap(),
            "profile line 1 leaves the contents of files readable (GET /containers/{id}/archive, \
             HEAD /containers/{id}/archive); to prevent this, set DENY_ARCHIVE=1"
        );
        for env in [
            &[("SP_ALLOW_GET", "/containers/[^/]+/json")][..],
            &[("SP_ALLOW_GET", ".*"), ("SP_ALLOW_POST", ".*")],
            &[("SP_ALLOW_POST", ".*/archive")],
        ] {
            assert_eq!(
                good(env).policies.default().files_readable(),
                None,
                "{env:?}"
            );
        }
    }
}
