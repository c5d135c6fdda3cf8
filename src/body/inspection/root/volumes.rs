//! Volumes, all that has one mounted, and what services are made of.

use super::{Holder, Search, UNCLEAR, has_driver};
use crate::body::facts::{self, Answer, Fact, Name, full_id};
use crate::body::json::{Object, Value};
use crate::body::reach::Claim;

impl Search<'_> {
    /// A volume: a plain one, of which each container that has it mounted is harmless.
    pub(super) fn volume(&mut self, name: &Name, by: Holder<'_>, claim: &Claim) {
        let fact = Fact::Volume(name.clone());
        let users = Fact::UsersOf(name.clone());
        if self.facts.answer(&fact).is_none() {
            // All at once, since most volumes are plain ones.
            self.needs.extend([fact, users, Fact::Services]);
            return;
        }
        // A request may name one that is to be made, as its body says.
        if by.name.is_none() && matches!(self.facts.answer(&fact), Some(Answer::Missing(_))) {
            if self.is_new(fact, by) {
                self.services(name, by);
            }
            return;
        }
        let Some(volume) = self.known(fact.clone(), by, Some(claim)) else {
            return;
        };
        let Some(users) = self.known(users, by, Some(claim)) else {
            return;
        };
        if !self.is_new(fact, by) {
            return;
        }
        let of = format!("volume {}", name.as_str());
        let holder = Holder::object(&of, by);
        let mut made = Object::default();
        made.set("Driver", volume.at("Driver").clone());
        made.set("DriverOpts", volume.at("Options").clone());
        made.set("ClusterVolumeSpec", volume.at("ClusterVolume").clone());
        let body = facts::volume().filter(|_| has_driver(volume));
        self.made(body, &made.into(), holder, "its inspect");
        let Some(users) = users.as_list() else {
            return self.excess(holder, "its containers", "", UNCLEAR);
        };
        for user in users {
            match full_id(user.at("Id")) {
                Some(id) => self.container(&id, holder, Some(claim)),
                None => self.excess(holder, "its containers", "", UNCLEAR),
            }
        }
        self.services(name, holder);
    }

    /// The services whose tasks have a volume mounted, also those that have none now.
    fn services(&mut self, volume: &Name, by: Holder<'_>) {
        let all = match self.facts.answer(&Fact::Services) {
            Some(Answer::Found(all)) => all.as_list(),
            // No swarm, or none that this node could tell of.
            Some(Answer::Missing(_)) => return,
            Some(Answer::Unclear) => None,
            None => {
                self.needs.insert(Fact::Services);
                return;
            }
        };
        let Some(all) = all else {
            return self.excess(by, "its services", "", UNCLEAR);
        };
        for service in all {
            let mounts = service.at("Spec.TaskTemplate.ContainerSpec.Mounts");
            let mut sources = mounts.items().iter().map(|mount| mount.at("Source"));
            if sources.any(|source| source.as_str() == Some(volume.as_str())) {
                match service.at("ID").as_str().and_then(Name::of) {
                    Some(id) => self.service(Fact::Service(id), by),
                    None => return self.excess(by, "its services", "", UNCLEAR),
                }
            }
        }
    }

    /// A service that has a volume mounted.
    fn service(&mut self, fact: Fact, by: Holder<'_>) {
        let spec = match self.facts.answer(&fact) {
            Some(Answer::Found(service)) => service.at("Spec"),
            // It was removed since. Its containers count as such.
            Some(Answer::Missing(_)) => return,
            Some(Answer::Unclear) => Value::NULL,
            None => {
                self.needs.insert(fact);
                return;
            }
        };
        if self.is_new(fact, by) {
            let name = spec.at("Name").as_str().unwrap_or_default();
            self.specification(&format!("service {name}"), by, spec);
        }
    }

    fn specification(&mut self, of: &str, by: Holder<'_>, spec: &Value) {
        let holder = Holder {
            anywhere: true,
            ..Holder::object(of, by)
        };
        let body = facts::service().filter(|_| *spec != Value::Null);
        self.made(body, spec, holder, "its specification");
    }

    /// What a service is rolled back to.
    pub(super) fn rollback(&mut self, name: &Name, version: &str) {
        let Some(service) = self.known(Fact::Service(name.clone()), Holder::REQUEST, None) else {
            return;
        };
        let of = format!("service {}", name.as_str());
        let body = facts::service();
        let holder = Holder {
            body,
            exists: false,
            anywhere: true,
            ..Holder::object(&of, Holder::REQUEST)
        };
        let now = service.at("Version.Index").as_number();
        if now.is_none_or(|now| now.as_str() != version) {
            return self.excess(holder, "its version", version, "is another one by now");
        }
        let previous = service.at("PreviousSpec");
        match body.filter(|_| *previous != Value::Null) {
            Some(body) => self.asked(body, previous, holder, false),
            None => self.excess(holder, "PreviousSpec", "", UNCLEAR),
        }
    }
}
