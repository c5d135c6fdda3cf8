//! Services: swarm looks for what they run and mount each time that a task starts, by its name, long after
//! anything was looked at. So only names count that are in scope, or shared, whatever has them then.

use super::{Finding, Request, denied, scope_of};
use crate::api::ObjectKind;
use crate::api::sections::Role;
use crate::body::facts::{Fact, Name};
use crate::body::image::{self, BadName};
use crate::body::inspection::{query, scoped::is_of, unreadable};
use crate::body::json::Value;
use crate::body::reach::is_volume;
use crate::body::scope::Scope;
use crate::policy::Unmet;

pub(super) fn settle(request: &mut Request) -> Finding {
    match is_one(request) {
        true => judge(request).map_or_else(Finding::Refused, |()| Finding::Nothing),
        false => Finding::Nothing,
    }
}

fn is_one(request: &Request) -> bool {
    request.scoped.kind(Role::Created) == Some(ObjectKind::Service)
}

fn judge(request: &Request) -> Result<(), Unmet> {
    let scope = scope_of(request).ok_or_else(|| unreadable("it cannot be judged"))?;
    looked_for(request.draft.tree(), &scope)?;
    let Some(previous) = previous(request)? else {
        return Ok(());
    };
    for place in ["Labels", "TaskTemplate.ContainerSpec.Labels"] {
        let labels = previous.at(place);
        let has = |(key, value): &(String, String)| {
            let own = labels.as_object().and_then(|labels| labels.get(key));
            own.and_then(Value::as_str) == Some(value)
        };
        if !scope.labels(ObjectKind::Service).iter().all(has) {
            let why = "is not in scope; update the service to what it should be instead";
            return Err(denied("the specification before this one", "", why));
        }
    }
    looked_for(previous, &scope)
}

/// What a service is rolled back to, if it is.
pub(super) fn previous(request: &Request) -> Result<Option<&Value>, Unmet> {
    let version = match is_one(request) {
        true => query::rollback(request.draft.target())?,
        false => None,
    };
    let Some(version) = version else {
        return Ok(None);
    };
    let named = is_of(&request.inspection, Role::Object);
    let fact = named
        .and_then(|(_, name)| Name::of(&name))
        .map(Fact::Service);
    let service = fact.and_then(|fact| request.facts.answer(&fact)?.found());
    let service = service.ok_or_else(|| unreadable("the engine does not say what it is"))?;
    let now = service.at("Version.Index").as_number();
    match service.at("PreviousSpec") {
        _ if now.is_none_or(|now| now.as_str() != version) => {
            Err(denied("its version", &version, "is another one by now"))
        }
        previous if previous.as_object().is_some() => Ok(Some(previous)),
        _ => Err(denied(
            "a rollback",
            "",
            "has nothing that it would lead to",
        )),
    }
}

/// Each image and volume is by its name alone one that may be used. Swarm fills in templates in a name.
fn looked_for(service: &Value, scope: &Scope) -> Result<(), Unmet> {
    const IMAGE: &str = "TaskTemplate.ContainerSpec.Image";
    let image = service.at(IMAGE).as_str().unwrap_or_default();
    if !stays(image, scope) {
        let why = format!("{LATE} its digest, its ID, or an image that SCOPE_SHARED lists");
        return Err(denied(IMAGE, image, why));
    }
    let mut wrong = None;
    service.each("TaskTemplate.ContainerSpec.Mounts[]", &mut |path, mount| {
        let text = |field| mount.at(field).as_str().unwrap_or_default();
        let name = text("Source");
        let may = match text("Type") {
            "bind" | "npipe" | "tmpfs" => true,
            "image" => stays(name, scope),
            // Without a name, it is the task's own.
            _ => name.is_empty() || is_volume(name) && scope.names(ObjectKind::Volume, name),
        };
        if !may {
            let why = format!("{LATE} a volume that SCOPE_SHARED lists, or one without a name");
            wrong.get_or_insert_with(|| denied(&path.key("Source").text(), name, why));
        }
    });
    wrong.map_or(Ok(()), Err)
}

const LATE: &str = "is looked for whenever a task starts, and may be anybody's then; use";

/// Whether an image is the same whenever it is looked for, or its name may be used, or all may.
fn stays(image: &str, scope: &Scope) -> bool {
    let is_fixed = match image::Name::parse(image) {
        Ok(name) => name.digest().is_some(),
        Err(why) => why == BadName::Id,
    };
    is_fixed || !scope.covers(ObjectKind::Image) || scope.names(ObjectKind::Image, image)
}
