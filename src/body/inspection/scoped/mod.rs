//! `Term::Scope` and `Term::LabelFilter`: what of a request is in its policy's scope.
//!
//! This comes before all other judges, and they see nothing that is out of scope, so that no refusal
//! tells of it. The order is that of [`settle`]: the objects that the path and the query name; what
//! keeps what is made out of other scopes; the labels and the name of what is made; what the body names; what the answer is filtered by.
//!
//! Objects in the path that are hidden and those that do not exist take one way: the request is
//! forwarded with a decoy in place of the name, so that the engine says what it says of anything that
//! does not exist, and the name is put back into its answer.

mod creates;
mod decoy;
mod images;
mod look;
mod networks;
mod objects;
mod others;
mod processes;
mod queries;
mod references;
mod services;
mod sight;
mod volumes;

use super::finding::Finding;
use super::head::no_form;
use super::query::has_no_body;
use super::{Request, unreadable};
use std::sync::Arc;

use crate::api::ObjectKind;
use crate::api::sections::{Role, Route, SCOPED};
use crate::body::answer::{Alias, Filter};
use crate::body::demands::Demands;
use crate::body::scope::{Giving, Scope};
use crate::policy::{Excess, Inspection, Term, Unmet};
pub use volumes::{Made, Make};

/// What a scope makes of a request, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct Scoped {
    /// What is looked at, and for which kind of object.
    roles: Vec<(Role, Option<ObjectKind>)>,
    /// What its path names.
    named: Option<Named>,
    /// The names that clients do not see, with what is forwarded in their place.
    pub(super) aliases: Vec<Alias>,
    /// Whether what its path or its query names is hidden or does not exist.
    pub(super) is_hidden: bool,
    /// What has to be made before it is forwarded.
    pub(super) makes: Vec<Make>,
    /// The image that it pulls, if that is in scope then.
    pub(super) pulled: Option<String>,
    /// The image that it removes, or from which it takes a name, as the client names it.
    pub(super) removed: Option<String>,
    /// The names that it gives to images.
    pub(super) giving: Vec<Giving>,
    /// What its answer is filtered by.
    pub(super) filter: Option<Box<Filter>>,
    /// The most objects of a list.
    limit: Option<usize>,
    /// What has been looked at once, and changed.
    done: Vec<Role>,
    /// Whether a container is started.
    starts: bool,
    /// Whether a container leaves a network.
    disconnects: bool,
    /// The container in the path.
    container: Option<String>,
}

/// An object in the path.
#[derive(Debug)]
struct Named {
    kind: ObjectKind,
    /// As the client wrote it, decoded.
    text: String,
    /// The route that says so.
    route: &'static Route,
}

impl Scoped {
    /// Whether this is looked at.
    pub(super) fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|(own, _)| *own == role)
    }

    /// The kind of object that this is about.
    fn kind(&self, role: Role) -> Option<ObjectKind> {
        let mut roles = self.roles.iter();
        roles.find_map(|(own, kind)| (*own == role).then_some(*kind))?
    }

    /// The container in the path, as the client names it.
    fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// Whether this has been looked at.
    fn is_settled(&self, role: Role) -> bool {
        self.done.contains(&role)
    }

    /// That this has been looked at.
    fn settled(&mut self, role: Role) {
        self.done.push(role);
    }
}

/// Looks at a head for one of its terms; whether the body is read.
pub(super) fn head(
    scoped: &mut Scoped,
    inspection: &Inspection,
    demands: &Demands,
    term: Term,
) -> Result<bool, Unmet> {
    let role = match term {
        Term::Scope(Role::Known) => return Ok(false),
        Term::Scope(role) if demands.scope.is_some() => role,
        Term::LabelFilter(role) if !demands.label_filters.is_empty() => role,
        _ => return Err(unreadable("it cannot be judged")),
    };
    let path = inspection.target().path();
    let (kind, route) =
        route_of(inspection, role).ok_or_else(|| unreadable("its path is unknown to SCOPE"))?;
    // The engine prefers the values of a form to those of the query.
    match role {
        Role::Object | Role::Body | Role::Nothing => {}
        Role::Start => has_no_body(inspection.message().into())?,
        _ => no_form(inspection)?,
    }
    if !scoped.has(role) {
        scoped.roles.push((role, kind));
    }
    let is_read = matches!(role, Role::Body | Role::Created | Role::Commit);
    let (Role::Object, Some(kind), None) = (role, kind, &scoped.named) else {
        return Ok(is_read);
    };
    let text = route
        .name_in(path)
        .and_then(|name| str::from_utf8(name).ok());
    let text = text.ok_or_else(|| unreadable("its path names nothing that could be"))?;
    if kind == ObjectKind::Container {
        scoped.container = Some(text.to_owned());
        scoped.starts = route.ends_with("start") || route.ends_with("restart");
        if route.ends_with("top") {
            processes::settle(inspection.target())?;
        }
    }
    scoped.disconnects = route.ends_with("disconnect");
    scoped.named = Some(Named {
        kind,
        text: text.to_owned(),
        route,
    });
    Ok(is_read)
}

/// The route of a request on which this is looked at, and its kind.
fn route_of(inspection: &Inspection, role: Role) -> Option<(Option<ObjectKind>, &'static Route)> {
    let target = inspection.target();
    let method = target.method()?;
    let own = SCOPED.iter().filter(|one| one.judged.contains(&role));
    let routes = own.flat_map(|one| one.routes.iter().map(|route| (one.kind, route)));
    let fitting = routes.filter(|(_, route)| route.spans(method, target.path()));
    // Of routes that fit, the engine's router takes the longer one.
    fitting.max_by_key(|(_, route)| route.steps.len())
}

/// What the path of a request names, and its kind.
pub(super) fn is_of(inspection: &Inspection, role: Role) -> Option<(ObjectKind, String)> {
    let (kind, route) = route_of(inspection, role)?;
    let name = route.name_in(inspection.target().path())?;
    Some((kind?, str::from_utf8(name).ok()?.to_owned()))
}

/// Whether anything is known of such a request, once all its terms have been looked at.
pub(super) fn is_known(scoped: &Scoped, inspection: &Inspection) -> Result<(), Unmet> {
    let mut roles = scoped.roles.iter();
    match inspection.terms().contains(&Term::Scope(Role::Known)) {
        true if !roles.any(|(role, _)| *role != Role::Known) => {
            Err(unreadable("what it shows or changes may be anyone's"))
        }
        _ => Ok(()),
    }
}

/// Finds out what of a request is in scope, by what the engine has said so far.
pub(super) fn settle(request: &mut Request) -> Finding {
    let is_scoped = |term| matches!(term, Term::Scope(_) | Term::LabelFilter(_));
    if !request.has(is_scoped) {
        return Finding::Nothing;
    }
    let steps = [
        objects::settle,
        others::settle,
        queries::settle,
        creates::settle,
        images::settle,
        networks::settle,
        services::settle,
        references::settle,
        volumes::settle,
        sight::settle,
    ];
    for step in steps {
        match step(request) {
            Finding::Nothing if request.scoped.is_hidden => return Finding::Nothing,
            Finding::Nothing => {}
            found => return found,
        }
    }
    Finding::Nothing
}

/// Something that a scope does not allow, though it hides nothing.
fn denied(place: &str, value: &str, why: impl Into<Box<str>>) -> Unmet {
    let excess = Excess {
        of: None,
        place: place.into(),
        value: value.into(),
        why: why.into(),
        by: Some(SCOPE),
    };
    Unmet::Excess(SCOPE, vec![excess])
}

/// The scope of the request's policy.
fn scope_of(request: &Request) -> Option<Arc<Scope>> {
    request.demands.scope.clone()
}

/// Why a name is refused.
const OUTSIDE_NAMES: &str = "is not one of the names in SCOPE";

/// The variable.
const SCOPE: &str = "SCOPE";
