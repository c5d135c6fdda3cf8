//! The images that a request names, brings and makes, where images are anybody's; and what a build is
//! connected to.

use std::collections::BTreeSet;

use super::decoy;
use super::look::{Look, Looking};
use super::references::{is_everybodys, missing};
use super::{Finding, Request, denied, scope_of};
use crate::api::sections::Role;
use crate::api::{ObjectKind, Target};
use crate::body::facts::{Answer, Fact};
use crate::body::image::{BadName, Name};
use crate::body::inspection::{Told, query, unreadable};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::body::scope::{Giving, IMAGE_CREATED_BY, OWN_LABELS, Scope};
use crate::policy::Unmet;

pub(super) fn settle(request: &mut Request) -> Finding {
    let step = if request.scoped.has(Role::Build) {
        build
    } else if !request
        .demands
        .scope
        .as_ref()
        .is_some_and(|scope| scope.covers(ObjectKind::Image))
    {
        return Finding::Nothing;
    } else if request.scoped.has(Role::Load) {
        load
    } else if request.scoped.has(Role::Save) {
        save
    } else if request.scoped.has(Role::Tag) || request.scoped.has(Role::Commit) {
        tag
    } else if request.scoped.has(Role::Pull) {
        pull
    } else {
        return Finding::Nothing;
    };
    step(request).unwrap_or_else(Finding::Refused)
}

/// An archive brings names and labels of its own.
fn load(_: &mut Request) -> Result<Finding, Unmet> {
    let why = "brings images that cannot be held to SCOPE; pull or build them";
    Err(denied("an archive of images", "", why))
}

/// Each image that is saved is seen.
fn save(request: &mut Request) -> Result<Finding, Unmet> {
    if request.scoped.is_settled(Role::Save) {
        return Ok(Finding::Nothing);
    }
    let looking = Looking::new(&request.demands, &request.facts);
    let target = request.draft.target();
    let mut needs = BTreeSet::new();
    let mut aliases = Vec::new();
    let mut names = query::all(target, "names")?;
    for name in &mut names {
        match looking.at(ObjectKind::Image, name) {
            Look::Asks(fact) => drop(needs.insert(fact)),
            Look::Owned(_) | Look::Shared(_) => {}
            Look::Hidden => {
                let alias = decoy::alias(ObjectKind::Image, name);
                *name = decoy::in_place(&alias, name);
                aliases.push(alias);
            }
        }
    }
    if !needs.is_empty() {
        return Ok(Finding::Asks(needs));
    }
    if !aliases.is_empty() {
        let edits: Vec<(&str, Option<String>)> = names
            .into_iter()
            .map(|name| ("names", Some(name)))
            .collect();
        edit(request, &edits)?;
        request.scoped.aliases.extend(aliases);
        // The others would be saved without what does not exist.
        request.scoped.is_hidden = true;
    }
    request.scoped.settled(Role::Save);
    Ok(Finding::Nothing)
}

/// A name that an image gets is nobody's else.
fn tag(request: &mut Request) -> Result<Finding, Unmet> {
    let target = request.draft.target();
    let (repository, tag) = (query::one(target, "repo")?, query::one(target, "tag")?);
    if repository.is_empty() {
        return Ok(Finding::Nothing);
    }
    let name = Name::parse(&repository).and_then(|name| match &*tag {
        "" => Ok(name),
        tag => name.with(tag),
    });
    let looking = Looking::new(&request.demands, &request.facts);
    let giving = &mut request.scoped.giving;
    given(&looking, giving, "the parameter repo", &repository, name)
}

/// What comes of a name that is given to an image. It is asked for as a whole, so that no image is found by
/// the beginning of its ID.
fn given(
    looking: &Looking<'_>,
    giving: &mut Vec<Giving>,
    place: &str,
    text: &str,
    name: Result<Name, BadName>,
) -> Result<Finding, Unmet> {
    let name = name.map_err(|why| denied(place, text, why.to_string()))?;
    let name = name.or_latest().to_string();
    let fact = Fact::image(&name).ok_or_else(|| denied(place, text, "cannot be looked up"))?;
    if !looking.gives(&name, false, giving) {
        return Ok(Finding::Answer(taken(&name)));
    }
    Ok(
        match (
            looking.at(ObjectKind::Image, &name),
            looking.facts.answer(&fact),
        ) {
            (Look::Asks(fact), _) => Finding::asks([fact].into()),
            (Look::Owned(_), _) | (Look::Hidden, Some(Answer::Missing(_))) => Finding::Nothing,
            _ => Finding::Answer(taken(&name)),
        },
    )
}

/// An image that is not there is in scope once it is pulled. What others built, or somebody without a
/// registry, keeps its name.
fn pull(request: &mut Request) -> Result<Finding, Unmet> {
    if !query::one(request.draft.target(), "fromSrc")?.is_empty() {
        let why = "brings an image that cannot be held to SCOPE; pull or build it";
        return Err(denied("the parameter fromSrc", "", why));
    }
    let pulled = request.draft.pulled().map_err(unreadable)?;
    // What is no name, no engine takes.
    let Some(Ok(name)) = pulled.map(|pulled| pulled.name()) else {
        return Ok(Finding::Nothing);
    };
    if name.tag().is_none() && name.digest().is_none() {
        let why = "has no tag, and would bring all of them; name one, such as latest";
        return Err(denied("the parameter fromImage", &name.to_string(), why));
    }
    let text = name.to_string();
    let Some(fact) = Fact::image(&text) else {
        return Ok(Finding::Nothing);
    };
    let looking = Looking::new(&request.demands, &request.facts);
    // A digest takes no name from anything.
    let takes = name.digest().is_none();
    if takes && !looking.gives(&text, true, &mut request.scoped.giving) {
        return Ok(Finding::Answer(taken(&text)));
    }
    let answer = request.facts.answer(&fact);
    Ok(match (looking.at(ObjectKind::Image, &text), answer) {
        (Look::Asks(fact), _) => Finding::asks([fact].into()),
        (Look::Owned(_), _) | (_, Some(Answer::Missing(_))) => {
            request.scoped.pulled = Some(text);
            Finding::Nothing
        }
        (Look::Shared(_), _) => Finding::Nothing,
        _ if !takes => Finding::Nothing,
        (Look::Hidden, answer) => match answer.and_then(Answer::found) {
            Some(image) if is_registrys(image, &name) => Finding::Nothing,
            _ => Finding::Answer(taken(&text)),
        },
    })
}

/// What is said of a name that another image has, or is about to get.
fn taken(name: &str) -> Told {
    Told::Taken(format!(
        "image with name {name} already exists, and is out of scope"
    ))
}

/// Whether an image is one that anybody's pull brought under this name, and no scope's own.
fn is_registrys(image: &Value, name: &Name) -> bool {
    let made_by = image.at("Config.Labels").as_object();
    let made_by = made_by.and_then(|labels| labels.get(IMAGE_CREATED_BY)?.as_str());
    let mut digests = image.at("RepoDigests").items().iter();
    made_by.unwrap_or_default().is_empty()
        && digests.any(|digest| {
            let digest = digest.as_str().and_then(|digest| Name::parse(digest).ok());
            digest.is_some_and(|digest| digest.repository() == name.repository())
        })
}

/// A build by the classic builder: its network is seen; and where images are anybody's, what it makes is in
/// scope. BuildKit's caches are everybody's.
fn build(request: &mut Request) -> Result<Finding, Unmet> {
    if request.scoped.is_settled(Role::Build) || request.inspection.is_waived() {
        return Ok(Finding::Nothing);
    }
    let scope = scope_of(request).ok_or_else(|| unreadable("it cannot be judged"))?;
    let looking = Looking::new(&request.demands, &request.facts);
    let target = request.draft.target().clone();
    query::classic(&target)?;
    let mut edits = Vec::new();
    let mut found = connected(&looking, &target, &mut edits)?;
    if scope.covers(ObjectKind::Image) {
        let limits = request.demands.limits.as_ref();
        if limits.is_none_or(|limits| limits.image_from.entries.is_none()) {
            let why = "could start from anybody's image; set IMAGE_FROM to those that it may use";
            return Err(denied("a build", "", why));
        }
        // The cache has the results of everybody's steps.
        if let Some(image) = texts(&query::one(&target, "cachefrom")?)?.first() {
            let why = "would use what others built; omit it";
            return Err(denied("the parameter cachefrom", image, why));
        }
        edits.push(("nocache", Some("1".to_owned())));
        for name in query::all(&target, "t")? {
            let giving = &mut request.scoped.giving;
            let given = given(
                &looking,
                giving,
                "the parameter t",
                &name,
                Name::parse(&name),
            )?;
            found = found.and(|| given);
        }
        let labels = labelled(&query::one(&target, "labels")?, &scope)?;
        edits.push(("labels", Some(labels)));
    }
    if found != Finding::Nothing {
        return Ok(found);
    }
    edit(request, &edits)?;
    request.scoped.settled(Role::Build);
    Ok(Finding::Nothing)
}

/// What the containers of a build are connected to. The engine looks it up for each step, when a name may
/// have changed hands: it gets the full ID.
fn connected(
    looking: &Looking<'_>,
    target: &Target,
    edits: &mut Vec<(&str, Option<String>)>,
) -> Result<Finding, Unmet> {
    const PARAMETER: &str = "networkmode";
    let network = query::one(target, PARAMETER)?;
    let (kind, before, name) = match network.strip_prefix(CONTAINER) {
        Some(name) => (ObjectKind::Container, CONTAINER, name),
        None if is_everybodys(&network) => return Ok(Finding::Nothing),
        None => (ObjectKind::Network, "", &*network),
    };
    let look = match kind {
        ObjectKind::Network => looking.network(name),
        kind => looking.at(kind, name),
    };
    if let Look::Owned(id) | Look::Shared(id) = &look {
        edits.push((PARAMETER, Some(format!("{before}{id}"))));
    }
    Ok(seen(&look, kind, name))
}

/// What comes of an object that a build names.
fn seen(look: &Look, kind: ObjectKind, name: &str) -> Finding {
    match look {
        Look::Asks(fact) => Finding::asks([fact.clone()].into()),
        Look::Owned(_) | Look::Shared(_) => Finding::Nothing,
        Look::Hidden => Finding::Answer(missing(kind, name)),
    }
}

/// What stands before the container whose network others have.
const CONTAINER: &str = "container:";

/// The labels of a build, with those of the scope.
fn labelled(text: &str, scope: &Scope) -> Result<String, Unmet> {
    const PLACE: &str = "the parameter labels";
    let unreadable = || unreadable("its labels are not read by all engines in the same way");
    let mut tree = match text {
        "" => Value::from(Object::default()),
        text => read(text.as_bytes(), Limits::default(), Untyped).map_err(|_| unreadable())?,
    };
    let labels = tree.object_mut().ok_or_else(unreadable)?;
    let own = |key: &str| {
        scope
            .labels(ObjectKind::Image)
            .iter()
            .any(|(own, _)| own == key)
    };
    let is_taken = |(key, _): &(&str, &Value)| key.starts_with(OWN_LABELS) && !own(key);
    let taken = labels.iter().find(is_taken);
    if let Some(key) = taken.map(|(key, _)| key.to_owned()) {
        return Err(denied(PLACE, &key, "is a label that dockgate alone sets"));
    }
    for (key, value) in scope.labels(ObjectKind::Image) {
        match labels.get(key) {
            Some(other) if other.as_str() != Some(value) => {
                let why = format!("has another {key}: SCOPE has {key}={value}; remove it");
                return Err(denied(PLACE, &other.shown(), why));
            }
            _ => labels.set(key.clone(), value.as_str()),
        }
    }
    Ok(tree.to_json())
}

/// A list of texts, as JSON.
fn texts(text: &str) -> Result<Vec<String>, Unmet> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let unreadable = || unreadable("its query is not read by all engines in the same way");
    let tree = read(text.as_bytes(), Limits::default(), Untyped).map_err(|_| unreadable())?;
    let texts = tree
        .items()
        .iter()
        .map(|one| one.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(unreadable)
}

fn edit(request: &mut Request, edits: &[(&str, Option<String>)]) -> Result<(), Unmet> {
    let target: &Target = request.draft.target();
    match query::edited(target, edits) {
        Some(Ok(target)) => request.draft.set_target(target),
        Some(Err(())) => return Err(unreadable("its query cannot be written anew")),
        None => {}
    }
    Ok(())
}
