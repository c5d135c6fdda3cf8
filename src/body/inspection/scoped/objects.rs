//! The objects that the path of a request names, and the container in its query.

use super::decoy;
use super::look::{Look, Looking, renamed};
use super::{Finding, Request, denied};
use crate::api::sections::{Role, Route};
use crate::api::{Method, ObjectKind, Target};
use crate::body::image::Name;
use crate::body::inspection::{Told, query, unreadable};
use crate::policy::{Term, Unmet};

pub(super) fn settle(request: &mut Request) -> Finding {
    match path(request) {
        Finding::Nothing if !request.scoped.is_hidden => commit(request),
        found => found,
    }
}

/// The object in the path is in scope, and what is forwarded names it by its full ID; or it is hidden,
/// and what is forwarded names nothing.
fn path(request: &mut Request) -> Finding {
    let Some(named) = &request.scoped.named else {
        return Finding::Nothing;
    };
    let looking = Looking::new(&request.demands, &request.facts);
    // What lists do not show has no inspect either. All else is as it is granted.
    let is_inspect = request.has(|term| term == Term::LabelFilter(Role::Object));
    let looking = match is_inspect {
        true => looking.shown(&request.demands),
        false => looking,
    };
    let target = request.draft.target();
    let (name, route) = (named.text.as_str(), named.route);
    let is_pushed = named.kind == ObjectKind::Image && route.ends_with("push");
    if is_pushed && !looking.covers(ObjectKind::Image) {
        request.scoped.named = None;
        return Finding::Nothing;
    }
    let pushed = match is_pushed.then(|| pushed(name, target)).transpose() {
        Ok(pushed) => pushed,
        Err(unmet) => return Finding::Refused(unmet),
    };
    let pinned = match looking.at(named.kind, pushed.as_deref().unwrap_or(name)) {
        Look::Asks(fact) => return Finding::asks([fact].into()),
        // These have no other name.
        Look::Owned(_) if has_no_id(named.kind) => {
            let removes = named.kind == ObjectKind::Image && route.method == Some(Method::Delete);
            request.scoped.removed = removes.then(|| name.to_owned());
            Some(target.clone())
        }
        Look::Shared(_) if has_no_id(named.kind) && uses(route) => Some(target.clone()),
        Look::Owned(id) => renamed(target, route, &id),
        Look::Shared(id) if uses(route) => renamed(target, route, &id),
        Look::Shared(_) => {
            let why = "is shared (SCOPE_SHARED): clients can use it, but not change it";
            return Finding::Refused(denied("the path", name, why));
        }
        // Of a container that does not run, the engine would keep any network that does not exist.
        Look::Hidden if route.ends_with("connect") => {
            return Finding::Answer(Told::Missing(format!("network {name} not found")));
        }
        Look::Hidden => {
            let alias = decoy::alias(named.kind, name);
            let decoy = renamed(target, route, &decoy::in_place(&alias, name));
            request.scoped.aliases.push(alias);
            request.scoped.is_hidden = true;
            decoy
        }
    };
    match pinned {
        Some(target) => {
            request.draft.set_target(target);
            // Once is enough: what was found stands in the target now.
            request.scoped.named = None;
            Finding::Nothing
        }
        None => Finding::Refused(unreadable("its target cannot be written anew")),
    }
}

/// The image that a push is about: its path names the repository, and its query the tag.
fn pushed(name: &str, target: &Target) -> Result<String, Unmet> {
    let tag = query::one(target, "tag")?;
    let has_own = Name::parse(name).is_ok_and(|own| own.tag().is_some());
    match &*tag {
        "" if has_own => Ok(name.to_owned()),
        "" => {
            let why = "is missing, and so stands for all tags, which may be others'; set it";
            Err(denied("the parameter tag", "", why))
        }
        _ if has_own => Err(denied(
            "the path",
            name,
            "has a tag beside the parameter tag",
        )),
        tag => Ok(format!("{name}:{tag}")),
    }
}

fn has_no_id(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Volume | ObjectKind::Image)
}

/// Whether an object in the path is used by requests of a route, and stays as it is.
fn uses(route: &Route) -> bool {
    let reads = matches!(route.method, Some(Method::Get | Method::Head));
    reads
        || ["connect", "disconnect", "push"]
            .iter()
            .any(|end| route.ends_with(end))
}

/// The container of which a commit makes an image.
fn commit(request: &mut Request) -> Finding {
    if !request.scoped.has(Role::Commit) || request.scoped.is_settled(Role::Commit) {
        return Finding::Nothing;
    }
    let looking = Looking::new(&request.demands, &request.facts);
    let target = request.draft.target();
    let name = match query::one(target, "container") {
        Ok(name) => name,
        Err(unmet) => return Finding::Refused(unmet),
    };
    let id = match looking.at(ObjectKind::Container, &name) {
        Look::Asks(fact) => return Finding::asks([fact].into()),
        Look::Owned(id) | Look::Shared(id) => id,
        Look::Hidden => {
            let alias = decoy::alias(ObjectKind::Container, &name);
            let decoy = alias.decoy.clone();
            request.scoped.aliases.push(alias);
            request.scoped.is_hidden = true;
            decoy
        }
    };
    match target.with_query(&query::with_container(target, &id)) {
        Ok(target) => request.draft.set_target(target),
        Err(_) => return Finding::Refused(unreadable("its target cannot be written anew")),
    }
    request.scoped.settled(Role::Commit);
    Finding::Nothing
}
