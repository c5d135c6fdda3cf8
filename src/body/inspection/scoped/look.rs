//! Whether a client sees the object that a name stands for, by a fresh inspect.

use crate::api::{ObjectKind, Target};
use crate::body::demands::Demands;
use crate::body::facts::{Answer, Fact, Facts, Filters, Name, full_id, network_id};
use crate::body::json::Value;
use crate::body::scope::{Giving, LabelFilter, Scope, is_anonymous};

/// What a name stands for, to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// That depends on this.
    Asks(Fact),
    /// An object in scope: its full ID. A volume and an image have the name that was given.
    Owned(String),
    /// An object out of scope that is there for use, by its full ID.
    Shared(String),
    /// Nothing: it does not exist, or it is hidden.
    Hidden,
}

/// What is known of objects by now.
pub(super) struct Looking<'a> {
    scope: Option<&'a Scope>,
    filters: &'a [LabelFilter],
    pub(super) facts: &'a Facts,
}

impl<'a> Looking<'a> {
    /// In a request of a policy with these demands.
    pub(super) fn new(demands: &'a Demands, facts: &'a Facts) -> Looking<'a> {
        Looking {
            scope: demands.scope.as_deref(),
            filters: &[],
            facts,
        }
    }

    /// The same, if what is looked at is shown besides.
    pub(super) fn shown(self, demands: &'a Demands) -> Looking<'a> {
        Looking {
            filters: &demands.label_filters,
            ..self
        }
    }

    /// Whether objects of such a kind are anybody's.
    pub(super) fn covers(&self, kind: ObjectKind) -> bool {
        self.scope.is_some_and(|scope| scope.covers(kind))
    }

    /// Whether an object may be given this name.
    pub(super) fn admits(&self, name: &str) -> bool {
        self.scope.is_none_or(|scope| scope.admits(name))
    }

    /// The labels by which an object of a kind is in scope.
    pub(super) fn labels(&self, kind: ObjectKind) -> &'a [(String, String)] {
        self.scope.map_or(&[], |scope| scope.labels(kind))
    }

    /// Whether the request gives an image this name, or pulls it, and none of another scope does by now. It is
    /// so before the engine is asked who has the name.
    pub(super) fn gives(&self, name: &str, pulls: bool, giving: &mut Vec<Giving>) -> bool {
        if giving.iter().any(|one| one.is_of(name)) {
            return true;
        }
        let own = self.scope.and_then(|scope| scope.gives(name, pulls));
        let is_given = own.is_some() || self.scope.is_none();
        giving.extend(own);
        is_given
    }

    /// What this text stands for.
    pub(super) fn at(&self, kind: ObjectKind, text: &str) -> Look {
        let Some(fact) = fact(kind, text) else {
            return Look::Hidden;
        };
        if kind == ObjectKind::Container
            && self.filters.is_empty()
            && self.scope.is_some_and(|scope| scope.has_found(text))
        {
            return Look::Owned(text.to_owned());
        }
        let anonymous = kind == ObjectKind::Volume && is_anonymous(text) && self.scope.is_some();
        // Asked for in any case, so that what does not exist takes as long as what is hidden.
        let users = self.listed(ObjectKind::Container);
        let found = match (self.facts.answer(&fact), self.facts.answer(&users)) {
            (None, _) => return Look::Asks(fact),
            (_, None) if anonymous => return Look::Asks(users),
            // A prefix of many IDs is no name either.
            (Some(answer), _) => answer.found(),
        };
        let Some(found) = found else {
            return self.nothing(kind);
        };
        let marks = kind.inspected();
        let id = match kind {
            ObjectKind::Volume | ObjectKind::Image => Some(text.to_owned()),
            ObjectKind::Container | ObjectKind::Exec => {
                full_id(found.at(marks.id)).map(|id| id.as_str().to_owned())
            }
            ObjectKind::Network
            | ObjectKind::Service
            | ObjectKind::Task
            | ObjectKind::Secret
            | ObjectKind::Config => network_id(found.at(marks.id)).map(|id| id.as_str().to_owned()),
        };
        let Some(id) = id else {
            return Look::Hidden;
        };
        if let Some(owner) = kind.owner() {
            let owned = found.at(marks.owner).as_str().unwrap_or_default();
            return match self.at(owner, owned) {
                Look::Owned(_) => Look::Owned(id),
                Look::Shared(_) => Look::Hidden,
                asks => asks,
            };
        }
        let mut filters = self.filters.iter();
        if !filters.all(|filter| filter.shows(kind, marks, found)) {
            return Look::Hidden;
        }
        match self.scope.filter(|scope| scope.covers(kind)) {
            None => Look::Owned(id),
            Some(scope) if scope.owns(marks, found) => {
                if kind == ObjectKind::Container {
                    scope.found(&id);
                }
                Look::Owned(id)
            }
            Some(_) if anonymous && self.is_mounted(text) => Look::Owned(id),
            Some(scope) if scope.shares(kind, marks, found) => Look::Shared(id),
            Some(_) => Look::Hidden,
        }
    }

    /// What this text stands for wherever the engine looks for a network again, which differs in what it
    /// finds: of all networks, no other has such a name, nor an ID that begins so.
    pub(super) fn network(&self, text: &str) -> Look {
        let found = self.at(ObjectKind::Network, text);
        let (Look::Owned(id) | Look::Shared(id)) = &found else {
            return found;
        };
        if id == text {
            return found;
        }
        let all = Fact::Listed(ObjectKind::Network, Filters::default());
        let Some(answer) = self.facts.answer(&all) else {
            return Look::Asks(all);
        };
        let marks = ObjectKind::Network.listed();
        let may_be_meant = |network: &Value| {
            let text_at = |place| network.at(place).as_str().unwrap_or_default();
            let (own, name) = (text_at(marks.id), text_at(marks.name));
            own != id && (name == text || own.starts_with(text))
        };
        match answer.found().and_then(Value::as_list) {
            Some(all) if !all.iter().any(may_be_meant) => found,
            _ => Look::Hidden,
        }
    }

    /// What does not exist belongs to nothing, which is asked for nevertheless: so it takes as long as
    /// what is hidden.
    fn nothing(&self, kind: ObjectKind) -> Look {
        let owner = kind.owner().and_then(|owner| fact(owner, &"0".repeat(64)));
        match owner.filter(|fact| !self.facts.has(fact)) {
            Some(fact) => Look::Asks(fact),
            None => Look::Hidden,
        }
    }

    /// Whether this very name is that of an object out of scope.
    ///
    /// # Errors
    /// What has to be asked first.
    pub(super) fn is_taken(&self, kind: ObjectKind, name: &str) -> Result<bool, Fact> {
        let Some(fact) = fact(kind, name) else {
            return Ok(false);
        };
        let Some(answer) = self.facts.answer(&fact) else {
            return Err(fact);
        };
        let marks = kind.inspected();
        // Several networks can have one name.
        if kind == ObjectKind::Network && matches!(answer, Answer::Unclear) {
            return Ok(true);
        }
        // What was found by its ID does not have the name.
        let named = |found: &&Value| {
            let own = found.at(marks.name).as_str().unwrap_or_default();
            own.strip_prefix('/').unwrap_or(own) == name.strip_prefix('/').unwrap_or(name)
        };
        let found = answer.found().filter(named);
        let owned = |found| self.scope.is_none_or(|scope| scope.owns(marks, found));
        Ok(found.is_some_and(|found| !owned(found)))
    }

    /// Whether a container in scope has a volume mounted.
    fn is_mounted(&self, volume: &str) -> bool {
        self.owned(ObjectKind::Container).any(|container| {
            let mounts = container.at("Mounts").items().iter();
            let mut names = mounts.filter_map(|mount| mount.at("Name").as_str());
            names.any(|name| name == volume)
        })
    }

    /// The question for the objects of a kind that may be in scope.
    pub(super) fn listed(&self, kind: ObjectKind) -> Fact {
        Fact::Listed(kind, self.filters(kind))
    }

    /// What narrows a list to the scope, if the engine can do that.
    pub(super) fn filters(&self, kind: ObjectKind) -> Filters {
        let labels = self.labels(kind).iter();
        let labels: Vec<Value> = labels
            .map(|(key, value)| Value::from(format!("{key}={value}")))
            .collect();
        if labels.is_empty() {
            return Filters::default();
        }
        let mut filters = crate::body::json::Object::default();
        filters.set("label", Value::List(labels));
        Value::from(filters).to_json().into()
    }

    /// The objects of a kind that are in scope, as far as a list that was asked for says.
    pub(super) fn owned(&self, kind: ObjectKind) -> impl Iterator<Item = &'a Value> {
        let answer = self.facts.answer(&self.listed(kind));
        let found = answer.and_then(Answer::found).unwrap_or(Value::NULL);
        let items = match kind {
            ObjectKind::Volume => found.at("Volumes").items(),
            _ => found.items(),
        };
        let scope = self.scope;
        let owned = move |item: &&Value| scope.is_none_or(|scope| scope.owns(kind.listed(), item));
        items.iter().filter(owned)
    }
}

/// The question for one object, if it can have such a name.
fn fact(kind: ObjectKind, text: &str) -> Option<Fact> {
    match kind {
        ObjectKind::Container => Fact::container(text),
        ObjectKind::Exec => Name::of(text).map(Fact::Exec),
        ObjectKind::Network => Fact::network(text),
        ObjectKind::Volume => Fact::volume(text),
        ObjectKind::Image => Fact::image(text),
        ObjectKind::Service => Name::of(text).map(Fact::Service),
        ObjectKind::Task => Name::of(text).map(Fact::Task),
        ObjectKind::Secret => Name::of(text).map(Fact::Secret),
        ObjectKind::Config => Name::of(text).map(Fact::Config),
    }
}

/// The path of a target with another name in place of the one that the route has there.
pub(super) fn renamed(
    target: &Target,
    route: &crate::api::sections::Route,
    name: &str,
) -> Option<Target> {
    target.with_path(&route.with_name(name)?).ok()
}
