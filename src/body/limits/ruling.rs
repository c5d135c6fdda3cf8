//! What the limits say of one claim.

use std::fmt::Display;

use super::excess::Excess;
use super::{Limit, Limits, Subject};
use crate::api::fields::{BODIES, Body, Kind, Namespace, Reach};
use crate::body::facts::{Answer, Fact, Facts};
use crate::body::json::{Object, Value};
use crate::body::reach::{Claim, Engine, What, asked, held};

/// What the limits say of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// No limit that is set is about it.
    Silent,
    /// A limit lists it, whatever its reach.
    Allowed,
    /// A limit that is set does not list it.
    Refused(Excess),
    /// The engine has to be asked. As long as it was not, this is not allowed.
    Depends(Fact, Excess),
}

/// A claim with what is judged besides it.
pub(super) struct Question<'a> {
    pub(super) claim: &'a Claim,
    pub(super) subject: Subject,
    pub(super) facts: &'a Facts,
    /// Whether all that is mounted is only read, whatever the claim says.
    pub(super) read_only: bool,
}

impl<T: Display> Limit<T> {
    /// Whether it lists what a claim is about, if it is set.
    fn rule(&self, claim: &Claim, allows: impl FnOnce(&T) -> bool) -> Ruling {
        match &self.entries {
            None => Ruling::Silent,
            Some(entries) if allows(entries) => Ruling::Allowed,
            Some(_) => self.refuse(claim),
        }
    }

    /// The same of a limit that is about what has reach.
    fn beyond(&self, claim: &Claim, allows: impl FnOnce(&T) -> bool) -> Ruling {
        match claim.reach.is_none() {
            true => Ruling::Silent,
            false => self.rule(claim, allows),
        }
    }

    fn refuse(&self, claim: &Claim) -> Ruling {
        Ruling::Refused(Excess::of(claim, self.bound()))
    }

    /// Refused, if it is set.
    fn never(&self, claim: &Claim) -> Option<Ruling> {
        let set = self.entries.as_ref();
        set.map(|_| self.refuse(claim))
    }

    fn depends(&self, fact: Fact, claim: &Claim) -> Ruling {
        Ruling::Depends(fact, Excess::of(claim, self.bound()))
    }
}

impl Limits {
    pub(super) fn rule(&self, question: &Question<'_>) -> Ruling {
        let claim = question.claim;
        let read_only = |own: bool| own || question.read_only;
        match &claim.what {
            What::HostPath {
                path,
                read_only: own,
            } => {
                let limit = &self.bind_from;
                limit.rule(claim, |limit| limit.allows(path, read_only(*own)))
            }
            What::Volume {
                name,
                read_only: own,
            } => self.volume(question, name, read_only(*own)),
            What::MountsOf {
                container,
                read_only: own,
            } => self.mounts_of(question, container, read_only(*own)),
            What::VolumeDriver(driver) if self.volume_drivers.entries.is_some() => {
                let limit = &self.volume_drivers;
                limit.rule(claim, |limit| limit.allows(driver))
            }
            What::VolumeDriver(_) | What::VolumeOption(_) | What::Field | What::Unknown => {
                self.field(claim)
            }
            What::Image(image) => self.image(question, image),
            What::Capability(name) => self.cap_add.beyond(claim, |limit| limit.allows(name)),
            What::Device(path) => self.devices.rule(claim, |limit| limit.allows_path(path)),
            What::DeviceRequest { driver, devices } => {
                let limit = &self.devices;
                limit.rule(claim, |limit| limit.allows_request(driver, devices))
            }
            What::Namespace { kind, of } => self.namespace(question, *kind, of),
            What::Security(option) => self.security.beyond(claim, |limit| limit.allows(option)),
            What::Runtime(name) => self.runtimes.beyond(claim, |limit| limit.allows(name)),
            What::LogDriver(name) => self.log_drivers.rule(claim, |limit| limit.allows(name)),
            What::LogOption(option) => {
                let limit = &self.log_drivers;
                limit.beyond(claim, |limit| limit.allows(option))
            }
            What::NetworkDriver(name) => {
                let limit = &self.network_drivers;
                limit.rule(claim, |limit| limit.allows(name))
            }
            What::Network(name) => self.network(question, name),
            What::Sysctl(name) => self.sysctls.rule(claim, |limit| limit.allows(name)),
            What::Publish { ip, port } => self.publish.rule(claim, |limit| limit.allows(ip, port)),
            What::IpamDriver(_)
            | What::Container(_)
            | What::Address(_)
            | What::Subnet(_)
            | What::Secret(_)
            | What::Config(_) => Ruling::Silent,
        }
    }

    /// What no list can name is beyond each limit that is set and about that reach.
    fn field(&self, claim: &Claim) -> Ruling {
        let reaches = |reach: Reach| !claim.reach.within(reach).is_none();
        let is_all = claim.path == "Privileged" || claim.path.ends_with(".Privileged");
        let capabilities = is_all || claim.reach == Reach::ALL;
        // An option of an endpoint sets kernel parameters, in a form of its own.
        let sysctls = claim.path.contains("DriverOpts") && claim.path.contains(ENDPOINT_SYSCTLS);
        let refused = [
            (reaches(Reach::HOST_FILES)).then(|| self.bind_from.never(claim)),
            (reaches(Reach::DEVICES)).then(|| self.devices.never(claim)),
            (reaches(Reach::NAMESPACES)).then(|| self.namespaces.never(claim)),
            (reaches(Reach::KERNEL)).then(|| self.security.never(claim)),
            capabilities.then(|| self.cap_add.never(claim)),
            sysctls.then(|| self.sysctls.never(claim)),
        ];
        let mut refused = refused.into_iter().flatten().flatten();
        refused.next().unwrap_or(Ruling::Silent)
    }

    /// A volume by its name. It may be an old one that mounts anything.
    fn volume(&self, question: &Question<'_>, name: &str, read_only: bool) -> Ruling {
        let claim = question.claim;
        if self.volumes_named.entries.is_some() {
            return self.volumes_named.rule(claim, |limit| limit.allows(name));
        }
        if self.bind_from.entries.is_none() {
            return Ruling::Silent;
        }
        let Some(fact) = Fact::volume(name) else {
            return self.bind_from.refuse(claim);
        };
        let found = match question.facts.answer(&fact) {
            None => return self.bind_from.depends(fact, claim),
            // A plain one will be made.
            Some(Answer::Missing(_)) => return Ruling::Silent,
            Some(answer) => answer.found(),
        };
        match found.and_then(volume_claims) {
            Some(claims) => self.within(question, &claims, read_only),
            None => self.bind_from.refuse(claim),
        }
    }

    /// All that another container has mounted.
    fn mounts_of(&self, question: &Question<'_>, container: &str, read_only: bool) -> Ruling {
        let claim = question.claim;
        let refused = self.bind_from.never(claim);
        let refused = refused.or_else(|| self.volumes_named.never(claim));
        let (refused, excess) = match refused {
            Some(Ruling::Refused(excess)) => (Ruling::Refused(excess.clone()), excess),
            _ => return Ruling::Silent,
        };
        let Some(fact) = Fact::container(container) else {
            return refused;
        };
        let Some(answer) = question.facts.answer(&fact) else {
            return Ruling::Depends(fact, excess);
        };
        let found = answer.found();
        match found.and_then(|inspect| held(inspect, &Engine::default())) {
            None => refused,
            Some(mut claims) => {
                claims.retain(|claim| claim.path.starts_with("Mounts"));
                self.within(question, &claims, read_only)
            }
        }
    }

    /// What is found behind a claim: the first that is refused, at the place of the claim.
    fn within(&self, question: &Question<'_>, claims: &[Claim], read_only: bool) -> Ruling {
        for claim in claims {
            let claim = &Claim {
                path: question.claim.path.clone(),
                ..claim.clone()
            };
            match self.rule(&Question {
                claim,
                read_only,
                ..*question
            }) {
                Ruling::Silent | Ruling::Allowed => {}
                refused => return refused,
            }
        }
        Ruling::Silent
    }

    fn image(&self, question: &Question<'_>, image: &str) -> Ruling {
        let claim = question.claim;
        if question.subject == Subject::Service {
            let limit = &self.image_from;
            return limit.rule(claim, |limit| limit.allows_unseen(image));
        }
        if self.image_from.entries.is_none() {
            return Ruling::Silent;
        }
        let Some(fact) = Fact::image(image) else {
            return self.image_from.refuse(claim);
        };
        let found = match question.facts.answer(&fact) {
            None => return self.image_from.depends(fact, claim),
            Some(Answer::Unclear) => return self.image_from.refuse(claim),
            Some(answer) => answer.found(),
        };
        let limit = &self.image_from;
        limit.rule(claim, |limit| limit.allows_found(image, found))
    }

    fn namespace(&self, question: &Question<'_>, kind: Namespace, of: &str) -> Ruling {
        let claim = question.claim;
        if claim.reach.is_none() {
            return Ruling::Silent;
        }
        let container = of.strip_prefix("container:");
        if kind == Namespace::Network {
            let ruling = match container {
                Some(container) => self.networks_of(question, container),
                None => self.beside_networks(claim, of),
            };
            if ruling != Ruling::Silent {
                return ruling;
            }
        }
        if self.namespaces.entries.is_none() {
            // All ports of such a container are the host's.
            let publishes = kind == Namespace::Network && of == "host";
            let refused = publishes.then(|| self.publish.never(claim)).flatten();
            return refused.unwrap_or(Ruling::Silent);
        }
        let limit = &self.namespaces;
        let Some(container) = container else {
            return limit.rule(claim, |limit| of == "host" && limit.allows_host(kind));
        };
        let Some(fact) = Fact::container(container) else {
            return limit.refuse(claim);
        };
        match question.facts.answer(&fact) {
            None => limit.depends(fact, claim),
            Some(Answer::Missing(_) | Answer::Unclear) => limit.refuse(claim),
            Some(Answer::Found(found)) => {
                let name = found.at("Name").as_str().unwrap_or_default();
                let name = name.strip_prefix('/').unwrap_or(name);
                match limit.rule(claim, |limit| limit.allows_container(kind, name)) {
                    // A name can change hands, so it opens nothing: the container itself is judged.
                    Ruling::Allowed => Ruling::Silent,
                    ruling => ruling,
                }
            }
        }
    }

    /// A network stack that is in all networks, such as the host's.
    fn beside_networks(&self, claim: &Claim, of: &str) -> Ruling {
        let listed = self.namespaces.entries.as_ref();
        let listed = listed.is_some_and(|limit| limit.allows_host(Namespace::Network));
        let joined = self.networks_joined.entries.as_ref();
        let listed = listed || joined.is_some_and(|limit| limit.allows("host"));
        let refused = (of != "host" || !listed).then(|| self.networks_joined.never(claim));
        refused.flatten().unwrap_or(Ruling::Silent)
    }

    /// Who has the network stack of a container is in all its networks.
    fn networks_of(&self, question: &Question<'_>, container: &str) -> Ruling {
        let (claim, limit) = (question.claim, &self.networks_joined);
        if limit.entries.is_none() {
            return Ruling::Silent;
        }
        let Some(fact) = Fact::container(container) else {
            return limit.refuse(claim);
        };
        let Some(answer) = question.facts.answer(&fact) else {
            return limit.depends(fact, claim);
        };
        let inspect = answer.found().unwrap_or(Value::NULL);
        let mode = inspect.at("HostConfig.NetworkMode").as_str();
        let networks = inspect.at("NetworkSettings.Networks").as_object();
        let (Some(mode), Some(networks)) = (mode, networks) else {
            return limit.refuse(claim);
        };
        // That of another container is not followed.
        if mode.contains(':') {
            return limit.refuse(claim);
        }
        for (key, endpoint) in networks.iter() {
            let ruling = match endpoint.at("NetworkID").as_str().unwrap_or_default() {
                "" if OPEN.contains(&key) => continue,
                "" => self.network(question, key),
                id => self.network(question, id),
            };
            match ruling {
                Ruling::Silent | Ruling::Allowed => {}
                refused => return refused,
            }
        }
        Ruling::Silent
    }

    fn network(&self, question: &Question<'_>, name: &str) -> Ruling {
        let claim = question.claim;
        if claim.reach.is_none() || self.networks_joined.entries.is_none() {
            return Ruling::Silent;
        }
        let limit = &self.networks_joined;
        let Some(fact) = Fact::network(name) else {
            return limit.refuse(claim);
        };
        let own = match question.facts.answer(&fact) {
            None => return limit.depends(fact, claim),
            Some(Answer::Unclear) => return limit.refuse(claim),
            Some(Answer::Missing(_)) => name,
            Some(Answer::Found(network)) => match network.at("Name").as_str().unwrap_or_default() {
                name if OPEN.contains(&name) => return Ruling::Silent,
                name => name,
            },
        };
        limit.rule(claim, |limit| limit.allows(own))
    }
}

/// The option of an endpoint that sets kernel parameters.
const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// The engine's own networks that everyone may join.
const OPEN: [&str; 3] = ["bridge", "default", "none"];

/// What a volume mounts, by its inspect: as a body that would make it. None if it cannot be known.
fn volume_claims(volume: &Value) -> Option<Vec<Claim>> {
    let is_create = |body: &&Body| matches!(body.root.kind, Kind::Object(object) if object.name == "VolumeCreate");
    let body = BODIES.iter().find(is_create)?;
    let mut create = Object::default();
    create.set("Driver", volume.at("Driver").as_str()?);
    create.set("DriverOpts", volume.at("Options").clone());
    if !volume.at("ClusterVolume").is_empty() {
        return None;
    }
    asked(body, &create.into(), &Engine::default()).ok()
}
