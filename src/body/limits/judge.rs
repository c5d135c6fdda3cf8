//! What the limits say of a whole body: whose user has to be asked for, what is written in, what is
//! beyond them besides its claims.

use std::collections::BTreeSet;

use super::ceilings;
use super::excess::Excess;
use super::ruling::{Question, Ruling};
use super::{Limits, Subject};
use crate::api::fields::Body;
use crate::body::facts::{Answer, Fact, Facts, Name};
use crate::body::json::Value;
use crate::body::reach::{Claim, What};

impl Limits {
    /// Of whom the engine must be asked what user a command has, if the body does not say it and it
    /// was not asked yet.
    pub fn user_of(
        &self,
        (body, tree): (&Body, &Value),
        container: Option<&Name>,
        facts: &Facts,
    ) -> Option<Fact> {
        let fact = self.user_from(Subject::of(body), tree, container);
        fact.filter(|fact| facts.answer(fact).is_none())
    }

    /// Writes in what the limits want to be there and the body does not say: the ceilings, and the
    /// user that the image has, or the container in the path.
    pub fn fill(&self, body: &Body, tree: &mut Value, container: Option<&Name>, facts: &Facts) {
        let subject = Subject::of(body);
        ceilings::fill(self, subject, tree);
        let Some(limit) = &self.run_as.entries else {
            return;
        };
        let Some(fact) = self.user_from(subject, tree, container) else {
            return;
        };
        let user = match facts.answer(&fact) {
            // Without an image the engine answers 404, unless it comes just now.
            Some(Answer::Missing(_)) if matches!(fact, Fact::Image(_)) => limit.any(),
            Some(Answer::Found(found)) => {
                match found.at("Config.User").as_str().unwrap_or_default() {
                    "" => self.root_user().map(str::to_owned),
                    user => Some(user.to_owned()),
                }
            }
            _ => None,
        };
        if let Some(user) = user
            && let Some(own) = tree.at_mut("User")
        {
            *own = user.into();
        }
    }

    /// What the limits say of one claim, such as of a network that stands in a path.
    pub fn ruling(&self, claim: &Claim, facts: &Facts) -> Ruling {
        self.of(Subject::Other, claim, facts)
    }

    /// The same of a claim of such a body.
    pub fn ruling_in(&self, body: &Body, claim: &Claim, facts: &Facts) -> Ruling {
        self.of(Subject::of(body), claim, facts)
    }

    /// What a body asks for by more than one claim, or by none. Its user is not among that as long as
    /// it `asks_user`: the engine must say who it is.
    pub fn beyond_claims(&self, body: &Body, tree: &Value, asks_user: bool) -> Vec<Excess> {
        let subject = Subject::of(body);
        let mut all = Vec::new();
        self.whole(subject, tree, &mut |excess| all.push(excess));
        if !asks_user {
            self.user(subject, tree, &mut |excess| all.push(excess));
        }
        all
    }

    /// The user by which root is listed, if it is.
    pub fn root_user(&self) -> Option<&'static str> {
        let limit = self.run_as.entries.as_ref()?;
        ["0", "root"].into_iter().find(|root| limit.allows(root))
    }

    fn of(&self, subject: Subject, claim: &Claim, facts: &Facts) -> Ruling {
        self.rule(&Question {
            claim,
            subject,
            facts,
            read_only: false,
        })
    }

    /// The limit that could list what a claim is about.
    pub fn opener(&self, claim: &Claim) -> Option<&'static str> {
        Some(match &claim.what {
            What::HostPath { .. } => self.bind_from.variable,
            What::Volume { .. } => self.volumes_named.variable,
            What::VolumeDriver(_) => self.volume_drivers.variable,
            What::Capability(_) => self.cap_add.variable,
            What::Device(_) | What::DeviceRequest { .. } => self.devices.variable,
            What::Namespace { .. } => self.namespaces.variable,
            What::Security(_) => self.security.variable,
            What::Runtime(_) => self.runtimes.variable,
            What::LogDriver(_) | What::LogOption(_) => self.log_drivers.variable,
            What::NetworkDriver(_) => self.network_drivers.variable,
            What::Network(_) => self.networks_joined.variable,
            What::Sysctl(_) => self.sysctls.variable,
            _ => return None,
        })
    }

    /// What is asked for by more than one claim, or by none.
    fn whole(&self, subject: Subject, tree: &Value, found: &mut impl FnMut(Excess)) {
        ceilings::judge(self, subject, tree, found);
        if let Some(limit) = &self.require.entries {
            for (place, value) in limit.missing(subject, tree) {
                found(self.require.excess(&place, value.as_deref()));
            }
        }
        match subject {
            Subject::Exec => self.command(tree, found),
            Subject::Volume => {
                let name = tree.at("Name").as_str().unwrap_or_default();
                let limit = self.volumes_named.entries.as_ref();
                if limit.is_some_and(|limit| !name.is_empty() && !limit.allows(name)) {
                    found(self.volumes_named.excess("Name", Some(name)));
                }
            }
            _ => {}
        }
    }

    /// The user, who is root if there is none.
    fn user(&self, subject: Subject, tree: &Value, found: &mut impl FnMut(Excess)) {
        if let (Some(limit), Some(place)) = (&self.run_as.entries, user_place(subject)) {
            let user = tree.at(place).as_str().unwrap_or_default();
            if !limit.allows(user) {
                let shown = if user.is_empty() { "root" } else { user };
                found(self.run_as.excess(place, Some(shown)));
            }
        }
    }

    /// A command, and what could make it another one.
    fn command(&self, tree: &Value, found: &mut impl FnMut(Excess)) {
        let Some(limit) = &self.exec_commands.entries else {
            return;
        };
        let command = tree.at("Cmd");
        let texts: Vec<&str> = command.items().iter().filter_map(Value::as_str).collect();
        if texts.len() != command.items().len() || !limit.allows(&texts) {
            found(self.exec_commands.excess("Cmd", Some(&command.shown())));
        }
        // Of the environment the names alone are shown: a value may be a secret.
        tree.each("Env[]", &mut |path, variable| {
            let name = variable.as_str().and_then(|text| text.split('=').next());
            found(self.exec_commands.excess(&path.to_string(), name));
        });
        let folder = tree.at("WorkingDir");
        if !folder.is_empty() {
            found(
                self.exec_commands
                    .excess("WorkingDir", Some(&folder.shown())),
            );
        }
    }

    /// What has the user, where the body does not say one.
    fn user_from(&self, subject: Subject, tree: &Value, container: Option<&Name>) -> Option<Fact> {
        let is_open = tree.at("User").is_empty() && self.run_as.entries.is_some();
        match subject {
            Subject::Create if is_open => {
                Fact::image(tree.at("Image").as_str().unwrap_or_default())
            }
            Subject::Exec if is_open => container.cloned().map(Fact::Container),
            _ => None,
        }
    }
}

/// Where a body has its user.
fn user_place(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Create | Subject::Exec => Some("User"),
        Subject::Service => Some("TaskTemplate.ContainerSpec.User"),
        _ => None,
    }
}

/// The claims without those that ask for all mounts of the same container again: these are many.
pub(in crate::body) fn distinct(claims: &[Claim]) -> impl Iterator<Item = &Claim> {
    let mut seen = BTreeSet::new();
    claims.iter().filter(move |claim| match &claim.what {
        What::MountsOf {
            container,
            read_only,
        } => seen.insert((container.as_str(), *read_only)),
        _ => true,
    })
}
