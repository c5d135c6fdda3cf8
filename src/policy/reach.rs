//! The routes of the API that a pattern can match, with any version, names and query. The pattern's
//! automaton is walked along each route, so nothing depends on a guessed sample.
//!
//! Used when a configuration is read, never for a request. Names consist of the characters that
//! occur in practice. The work is bounded, and a pattern that exceeds the bound counts as matching.

use std::collections::BTreeSet;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::allowlist::{Regex, Subject};
use crate::api::sections::{Route, Step};

/// More bytes than the automaton of any sensible pattern takes.
const MOST_BYTES: usize = 1 << 20;
/// More steps than a walk along all routes takes.
const MOST_STEPS: usize = 1 << 18;

/// The bound was exceeded.
struct GaveUp;

type States = BTreeSet<LazyStateID>;

/// A route that a pattern can match.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    /// The route.
    pub route: &'a Route,
    /// Whether it matches only with a query.
    pub with_query: bool,
}

impl Regex {
    /// The routes of which it can match a request, also below Podman's `/libpod`.
    pub fn reaches<'a>(
        &self,
        subject: Subject,
        routes: impl Iterator<Item = &'a Route> + Clone,
    ) -> Vec<Reached<'a>> {
        let found = || -> Result<Vec<Reached<'a>>, GaveUp> {
            let mut walk = Walk::new(self, subject)?;
            let mut found = Vec::new();
            for route in routes.clone() {
                let states = walk.along(route)?;
                let reached = |with_query| Reached { route, with_query };
                if walk.may_end(&states)? {
                    found.push(reached(false));
                } else if walk.may_end_with_query(&states)? {
                    found.push(reached(true));
                }
            }
            Ok(found)
        };
        found().unwrap_or_else(|GaveUp| {
            let all = |route| Reached {
                route,
                with_query: false,
            };
            routes.map(all).collect()
        })
    }

    /// Whether it can match a request that only Podman serves: anything below `/libpod`.
    pub fn reaches_libpod(&self, subject: Subject) -> bool {
        let meets = || Walk::new(self, subject)?.meets_libpod();
        meets().unwrap_or(true)
    }
}

/// The automaton of a pattern, and its states before a route begins.
struct Walk {
    dfa: DFA,
    cache: Cache,
    steps_left: usize,
    subject: Subject,
    /// One byte of each kind that the pattern distinguishes: in a name, and anywhere in a target.
    name: Vec<u8>,
    any: Vec<u8>,
    /// With and without a version, without and with `/libpod`.
    starts: States,
    libpod: States,
}

impl Walk {
    fn new(regex: &Regex, subject: Subject) -> Result<Walk, GaveUp> {
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .cache_capacity(MOST_BYTES)
            .skip_cache_capacity_check(true)
            // Its states stay valid: the cache is never cleared.
            .minimum_cache_clear_count(Some(0));
        let dfa = DFA::builder()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build(regex.as_str())
            .map_err(|_| GaveUp)?;
        let kinds = |bytes: &mut dyn Iterator<Item = u8>| -> Vec<u8> {
            let mut seen = BTreeSet::new();
            bytes
                .filter(|byte| seen.insert(dfa.byte_classes().get(*byte)))
                .collect()
        };
        let escape = subject == Subject::Target;
        let in_name = |byte: &u8| {
            byte.is_ascii_alphanumeric() || b"_.-:@+~,".contains(byte) || escape && *byte == b'%'
        };
        let (name, any) = (
            kinds(&mut (b'!'..=b'~').filter(in_name)),
            kinds(&mut (b'!'..=b'~')),
        );
        let mut cache = dfa.create_cache();
        let start = dfa.start_state_forward(&mut cache, &Input::new("").anchored(Anchored::Yes));
        let mut walk = Walk {
            cache,
            dfa,
            steps_left: MOST_STEPS,
            subject,
            name,
            any,
            starts: States::from([start.map_err(|_| GaveUp)?]),
            libpod: States::new(),
        };
        let version = walk.text(&walk.starts.clone(), "/v")?;
        let versioned = walk.some(&version, b"0123456789.")?;
        walk.starts.extend(versioned);
        walk.libpod = walk.text(&walk.starts.clone(), "/libpod")?;
        walk.starts.extend(&walk.libpod);
        Ok(walk)
    }

    /// The states after any request of a route, without its query.
    fn along(&mut self, route: &Route) -> Result<States, GaveUp> {
        let name = self.name.clone();
        let mut states = self.starts.clone();
        for step in route.steps {
            states = self.text(&states, "/")?;
            states = match step {
                Step::Literal(literal) => self.text(&states, literal)?,
                Step::Id | Step::One => self.some(&states, &name)?,
                Step::Names => {
                    let mut names = self.some(&states, &name)?;
                    loop {
                        let slash = self.text(&names, "/")?;
                        let before = names.len();
                        names.extend(self.some(&slash, &name)?);
                        if names.len() == before {
                            break names;
                        }
                    }
                }
            };
        }
        Ok(states)
    }

    fn meets_libpod(&mut self) -> Result<bool, GaveUp> {
        let any = self.any.clone();
        let states = self.text(&self.libpod.clone(), "/")?;
        let states = self.some(&states, &any)?;
        self.may_end(&states)
    }

    /// Whether the pattern can end in one of these states.
    fn may_end(&mut self, states: &States) -> Result<bool, GaveUp> {
        for state in states {
            let end = self.dfa.next_eoi_state(&mut self.cache, *state);
            if end.map_err(|_| GaveUp)?.is_match() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it can end after a query that follows one of them, if it is matched against queries.
    fn may_end_with_query(&mut self, states: &States) -> Result<bool, GaveUp> {
        if self.subject == Subject::Path {
            return Ok(false);
        }
        let any = self.any.clone();
        let mut query = self.text(states, "?")?;
        query.extend(self.some(&query.clone(), &any)?);
        self.may_end(&query)
    }

    /// The states after this text.
    fn text(&mut self, states: &States, text: &str) -> Result<States, GaveUp> {
        let mut states = states.clone();
        for byte in text.bytes() {
            let mut next = States::new();
            for state in states {
                next.extend(self.step(state, byte)?);
            }
            states = next;
        }
        Ok(states)
    }

    /// The states after one or more of these bytes.
    fn some(&mut self, states: &States, bytes: &[u8]) -> Result<States, GaveUp> {
        let mut found = States::new();
        let mut new: Vec<LazyStateID> = states.iter().copied().collect();
        while let Some(state) = new.pop() {
            for byte in bytes {
                let next = self.step(state, *byte)?;
                new.extend(next.filter(|next| found.insert(*next)));
            }
        }
        Ok(found)
    }

    /// The state after one more byte, if anything can match there.
    fn step(&mut self, state: LazyStateID, byte: u8) -> Result<Option<LazyStateID>, GaveUp> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(GaveUp)?;
        let next = self.dfa.next_state(&mut self.cache, state, byte);
        let next = next.map_err(|_| GaveUp)?;
        Ok((!next.is_dead()).then_some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Method;
    use crate::api::sections::{ACTIONS, SECTIONS};

    fn reached(method: Method, subject: Subject, pattern: &str) -> Vec<&'static str> {
        let regex = Regex::new(pattern).expect(pattern);
        let routes = ACTIONS.iter().flat_map(|action| action.routes);
        let routes = routes.chain(SECTIONS.iter().flat_map(|section| section.routes));
        let routes = routes.filter(|route| route.method == Some(method));
        let mut texts: Vec<&str> = (regex.reaches(subject, routes).iter())
            .map(|reached| reached.route.text)
            .collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    #[test]
    fn a_pattern_reaches_what_it_can_match() {
        use Method::{Get, Post};
        for (method, pattern, routes) in [
            (Get, "/version", &["GET /version"][..]),
            (Get, r"/v1\.[0-9]+/info", &["GET /info"]),
            (Get, r"/v1\.(2[4-9]|[34]\d)/info", &["GET /info"]),
            (Get, r"/v4\.0\.0/libpod/info", &["GET /info"]),
            (
                Post,
                "/containers/web-[0-9]+/start",
                &["POST /containers/{id}/start"],
            ),
            (
                Get,
                "/images/nginx:.*/json",
                &["GET /images/{name...}/json"],
            ),
            (
                Post,
                "/images/library/[^/]+/push",
                &["POST /images/{name...}/push"],
            ),
            (
                Get,
                r"(?i)/CONTAINERS/\w+/TOP\b",
                &["GET /containers/{id}/top"],
            ),
            (Get, "(?m)^/version$", &["GET /version"]),
            (
                Post,
                ".*/s[a-u]+t",
                &[
                    "POST /containers/{id}/start",
                    "POST /exec/{id}/start",
                    "POST /plugins/{name...}/set",
                ],
            ),
            (Get, "version", &[]),
            (Get, "/version ", &[]),
            (Get, "'/version'", &[]),
            (Get, r"/v1\\.[0-9]+/version", &[]),
            (Get, r"/version\?x=1", &[]),
            (Post, "/containers/$NAME/start", &[]),
            (Get, "/containers", &[]),
            (Post, "/containers/*/start", &[]),
            (Get, r"/version\b\w", &[]),
            (Get, "", &[]),
        ] {
            assert_eq!(reached(method, Subject::Path, pattern), routes, "{pattern}");
        }
        for (method, pattern, routes) in [
            (Get, "/version", &["GET /version"][..]),
            (Get, r"/events\?filters=.*", &["GET /events"]),
            (Get, r"/events(\?.*)?", &["GET /events"]),
            (
                Post,
                r"/containers/\w+/kill\?signal=USR1",
                &["POST /containers/{id}/kill"],
            ),
            (
                Get,
                r"/images/[^/?]+%3A[^/?]+/json",
                &["GET /images/{name...}/json"],
            ),
            (Get, "/events?x=1", &[]),
            (Get, r"/events # all", &[]),
            (Get, r"/events\? ", &[]),
        ] {
            assert_eq!(
                reached(method, Subject::Target, pattern),
                routes,
                "{pattern}"
            );
        }
        assert!(reached(Post, Subject::Path, ".*").len() > 50);
        // The engine does not mind a query that looks like the rest of another route.
        let line = Regex::new("/containers/[^/]+/start").expect("a pattern");
        let create = ACTIONS.iter().flat_map(|action| action.routes);
        let create = create.filter(|route| route.text == "POST /containers/create");
        let by_line = line.reaches(Subject::Target, create.clone());
        assert!(matches!(&*by_line, [reached] if reached.with_query));
        assert!(line.reaches(Subject::Path, create).is_empty());
    }

    #[test]
    fn podmans_own_routes_are_reached_too() {
        let is = |pattern| {
            let regex = Regex::new(pattern).expect(pattern);
            regex.reaches_libpod(Subject::Path)
        };
        assert!(is("/v[0-9.]+/libpod/pods/json") && is(".*") && is("/libpod/generate/x/kube"));
        assert!(!is("/version") && !is("/v1/libpodx/pods") && !is("libpod/pods"));
    }

    /// What is too large to be looked through counts as one that matches, and costs little.
    #[test]
    fn a_pattern_of_too_many_states_reaches_everything() {
        let pattern = "/containers/(a|b)*a(a|b){40}/nonsense";
        assert!(reached(Method::Post, Subject::Path, pattern).len() > 50);
    }
}
