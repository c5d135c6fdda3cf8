//! The table that `build/` generates from `sections.toml`: sections, actions, requirements, routes
//! that reach root or give control, what limits and scopes look at, and upgrades.

use super::{Method, ObjectKind, Target};

include!(concat!(env!("OUT_DIR"), "/sections.rs"));

/// A variable and the path prefixes that it governs.
#[derive(Debug)]
pub struct Section {
    /// The variable: `CONTAINERS`.
    pub name: &'static str,
    /// Whether it is granted when the variable is not set.
    pub default: bool,
    /// Path prefixes in whole segments: `/containers`.
    pub paths: &'static [&'static str],
    /// Its routes, if it is read-only and has no actions.
    pub routes: &'static [Route],
    /// One line of documentation.
    pub doc: &'static str,
}

/// One narrow operation inside a section.
#[derive(Debug)]
pub struct Action {
    /// The name: `START`.
    pub name: &'static str,
    /// The variable that grants it: `ALLOW_START`.
    pub allow: &'static str,
    /// The variable that denies it, whatever else grants it: `DENY_START`.
    pub deny: &'static str,
    /// The section that it belongs to.
    pub section: &'static str,
    /// The exact routes that it grants.
    pub routes: &'static [Route],
    /// What else its deny covers: older routes with the same purpose.
    pub deny_also: &'static [Route],
    /// Podman's own routes with the same purpose. Its deny covers them too.
    pub podman: &'static [Route],
    /// Granted only without a body that the engine reads.
    pub unread_body: bool,
    /// Granted only without values of these keys in the query.
    pub without_query: &'static [&'static str],
    /// Whether it reads the contents of files, without any write.
    pub reads_files: bool,
    /// Whether Tecnativa's proxy has it too.
    pub tecnativa: bool,
    /// One line of documentation.
    pub doc: &'static str,
}

impl Action {
    /// What its deny covers, there and below `/libpod`, besides Podman's own routes.
    pub fn denied(&self) -> impl Iterator<Item = &'static Route> + Clone {
        self.routes.iter().chain(self.deny_also)
    }

    /// Its conditions on a request besides the route, in words.
    pub fn limits(&self) -> String {
        let body = self.unread_body.then(|| format!("without {READ_BODY}"));
        let query = (!self.without_query.is_empty())
            .then(|| format!("without {}", self.without_query.join(" or ")));
        let limits: Vec<String> = body.into_iter().chain(query).collect();
        limits.join(" and ")
    }
}

/// The engine does not read a start's body of up to this many bytes, if its length is given.
pub const UNREAD: u64 = 7;

/// All other bodies of a start, in words: old engines read a HostConfig from them.
pub(crate) const READ_BODY: &str = "a body over 7 bytes or in chunks";

/// Routes that a section grants only if one more variable is granted.
#[derive(Debug)]
pub struct Requirement {
    /// The section that the routes belong to.
    pub section: &'static str,
    /// The routes; placeholders are wide.
    pub routes: &'static [Route],
    /// The other variable: a section's, or `POST`.
    pub also: &'static str,
    /// Why it is required.
    pub doc: &'static str,
}

/// Routes by which a client can become root on the host.
#[derive(Debug)]
pub struct Root {
    /// The routes.
    pub routes: &'static [Route],
    /// How they reach it.
    pub doc: &'static str,
}

/// Routes by which a client can take control of the host or of another container.
#[derive(Debug)]
pub struct Control {
    /// The routes.
    pub routes: &'static [Route],
    /// What of a request makes it harmless, all of it. If nothing is, no such request is.
    pub judged: &'static [Check],
    /// How they give control.
    pub doc: &'static str,
}

/// Routes on which limits are about what is asked for.
#[derive(Debug)]
pub struct Limited {
    /// The routes.
    pub routes: &'static [Route],
    /// The variables of these limits.
    pub limits: &'static [&'static str],
    /// What of a request they are about. If nothing can be judged, no such request passes.
    pub judged: &'static [Check],
    /// Why no such request passes.
    pub doc: &'static str,
}

/// What is looked at to find out whether a request gives control, or asks for more than limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Its JSON body, by the table of fields.
    Body,
    /// The query of a build.
    Build,
    /// The container that its query names.
    Commit,
    /// The container that its path names.
    Container,
    /// The exec that its path names, and its container.
    Exec,
    /// Where its query takes an image from.
    Import,
    /// The networks that the container in its path has yet to join.
    Joins,
    /// Nothing of it: what joins a swarm is removed from its answer.
    JoinTokens,
    /// That it brings images from an archive.
    Load,
    /// The name in its query.
    Name,
    /// The network that its path names.
    Network,
    /// The query of a pull or an import.
    Pull,
    /// The query and the body of a start.
    Start,
    /// The image that its path names, and the name in its query.
    Tag,
    /// The query of a service's update.
    Update,
}

/// What a scope makes of routes.
#[derive(Debug)]
pub struct Scoped {
    /// The routes.
    pub routes: &'static [Route],
    /// What they are about, if that is one kind of object.
    pub kind: Option<ObjectKind>,
    /// What is looked at. If nothing is, no such request passes.
    pub judged: &'static [Role],
    /// Why no such request passes.
    pub doc: &'static str,
}

/// What a scope looks at in a request, or in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What its JSON body names.
    Body,
    /// What a build is given, and makes.
    Build,
    /// Of which container it makes an image, and which.
    Commit,
    /// The labels and the name of what it makes or changes.
    Created,
    /// Its answer: events.
    Events,
    /// Its answer: what the engine says of itself.
    Info,
    /// Its answer: a list of objects.
    List,
    /// That it brings images from an archive.
    Load,
    /// The name in its query.
    Named,
    /// Nothing: it shows and changes nothing that is anyone's.
    Nothing,
    /// The object that its path names.
    Object,
    /// What it removes.
    Pruned,
    /// The image that it brings.
    Pull,
    /// The images that its query names.
    Save,
    /// That an old engine reads no body of it.
    Start,
    /// The name that its query gives to an image.
    Tag,
    /// Its answer: what takes how much space on the disk.
    Usage,
    /// Whether any other is known of it. Without one, it does not pass.
    Known,
}

/// Routes on which the engine switches protocols.
#[derive(Debug)]
pub struct Upgrade {
    /// The routes; placeholders are wide.
    pub routes: &'static [Route],
    /// The protocols, in lower case.
    pub protocols: &'static [&'static str],
}

/// A method and a path with placeholders.
#[derive(Debug)]
pub struct Route {
    /// As written in `sections.toml`.
    pub text: &'static str,
    /// The method; `None` means any.
    pub method: Option<Method>,
    /// The path's segments. The first one is a literal.
    pub steps: &'static [Step],
}

/// One part of a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Exactly this segment.
    Literal(&'static str),
    /// `{id}`: one segment of `[a-zA-Z0-9_.-]`.
    Id,
    /// `{id!}`: the same, and the engine's router too matches exactly one segment.
    One,
    /// `{name...}`: one or more segments of `[a-zA-Z0-9_.:@-]`.
    Names,
}

impl Route {
    /// Sample requests of this route, with names as clients write them.
    pub fn samples(&self) -> Vec<(Method, String)> {
        const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let path = |name: &str| {
            let segments = self.steps.iter().map(|step| match step {
                Step::Literal(literal) => literal,
                Step::Id | Step::One | Step::Names => name,
            });
            segments.fold(String::new(), |path, segment| path + "/" + segment)
        };
        let mut paths = [ID, "web"].map(path).to_vec();
        paths.dedup();
        let methods = Method::ALL.into_iter();
        let methods = methods.filter(|method| self.method.is_none_or(|own| own == *method));
        methods
            .flat_map(|method| paths.iter().map(move |path| (method, path.clone())))
            .collect()
    }

    /// A sample request of this route: `POST /containers/0123…/start`.
    pub fn sample(&self) -> Option<Target> {
        let (method, path) = self.samples().into_iter().next()?;
        Target::from_line(method.as_str(), &path).ok()
    }

    /// Routes as a comma-separated list.
    pub fn list<'a>(routes: impl IntoIterator<Item = &'a Route>) -> String {
        routes
            .into_iter()
            .map(|route| route.text)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether it ends with this segment.
    pub fn ends_with(&self, literal: &str) -> bool {
        matches!(self.steps.last(), Some(Step::Literal(last)) if *last == literal)
    }

    /// What stands in a path for the only placeholder, which may be more than one segment. Nothing if
    /// the path does not fit.
    pub fn name_in<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let [before, behind] = self.around()?;
        let name = path.strip_prefix(before.as_bytes())?;
        name.strip_suffix(behind.as_bytes())
    }

    /// The path with this name for the only placeholder.
    pub fn with_name(&self, name: &str) -> Option<String> {
        let [before, behind] = self.around()?;
        Some(before + name + &behind)
    }

    /// What stands before and behind the only placeholder.
    fn around(&self) -> Option<[String; 2]> {
        let is_literal = |step: &&Step| matches!(step, Step::Literal(_));
        let at = self.steps.iter().position(|step| !is_literal(&step))?;
        let join = |steps: &[Step]| {
            let literals = steps.iter().map(|step| match step {
                Step::Literal(literal) => Some(*literal),
                _ => None,
            });
            literals.collect::<Option<Vec<&str>>>()
        };
        let (before, behind) = (join(&self.steps[..at])?, join(&self.steps[at + 1..])?);
        let before = before.iter().map(|literal| format!("/{literal}"));
        let behind = behind.iter().map(|literal| format!("/{literal}"));
        Some([before.chain(["/".to_owned()]).collect(), behind.collect()])
    }

    /// Whether the engine's router might match this request to this route: each placeholder is any
    /// run of segments, because the router's own patterns (`{name:.*}`) span segments.
    pub(crate) fn spans(&self, method: Method, path: &[u8]) -> bool {
        fn rest_spans(steps: &[Step], path: &[u8]) -> bool {
            let Some((step, steps)) = steps.split_first() else {
                return path.is_empty();
            };
            let Some(path) = path.strip_prefix(b"/") else {
                return false;
            };
            match step {
                Step::Literal(literal) => path
                    .strip_prefix(literal.as_bytes())
                    .is_some_and(|path| rest_spans(steps, path)),
                Step::Id | Step::One | Step::Names => {
                    let cuts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
                    let mut cuts = cuts.map(|(at, _)| at).chain([path.len()]);
                    cuts.any(|at| rest_spans(steps, &path[at..]))
                }
            }
        }
        self.method.is_none_or(|own| own == method) && rest_spans(self.steps, path)
    }
}
