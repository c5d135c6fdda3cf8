//! What the settings come to, in a few lines for people.

use super::{Endpoint, Settings};
use crate::api::sections::{ACTIONS, Route, Section};
use crate::config::deny_root::DENY_ROOT;
use crate::config::policies::PolicyId;
use crate::config::sources::{ConfiguredPolicy, Sources};
use crate::config::{LabelLists, POST, Preset};
use crate::policy::printable;
use crate::tls::ClientAuth;

impl Settings {
    /// What is granted and which engine it guards, in a few lines. Where it really listens is told
    /// by who listens.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for policy in self.used_policies() {
            let own = policy.summary().into_iter();
            lines.extend(own.map(|line| self.of_policy(policy, line)));
        }
        for line in self.rules_granted() {
            lines.push(format!("clients {line}"));
        }
        if let Some(list) = &self.clients {
            lines.push(format!("TCP clients: {}", printable(&list.text)));
        }
        if let Some(prefix) = &self.process.label_prefix {
            let stem = LabelLists::stem(prefix);
            lines.push(format!(
                "containers with labels {stem}.* have lists of their own"
            ));
        }
        lines.extend(self.engines().iter().map(|engine| {
            let tls = if engine.tls.is_some() { " by TLS" } else { "" };
            match engine.is_named {
                true => format!("engine {}: {}{tls}", engine.name, engine.address),
                false => format!("engine: {}{tls}", engine.address),
            }
        }));
        for endpoint in &self.endpoints {
            lines.extend(endpoint.of_tls());
        }
        lines
    }

    /// Each rule: `from 172.20.0.0/16,traefik: policy traefik`.
    pub fn rules_granted(&self) -> impl Iterator<Item = String> {
        let rules = self.rules.iter();
        rules.map(|rule| format!("{}: policy {}", rule.who, self.policies.name(rule.policy)))
    }

    /// What is said of one policy; with its name, if there are several.
    fn of_policy(&self, policy: &ConfiguredPolicy, line: String) -> String {
        match self.origin {
            None => line,
            Some(_) => format!("policy {}: {line}", policy.name),
        }
    }

    /// What is worth knowing at start, and no mistake.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let readable = self
            .used_policies()
            .filter_map(|policy| Some(self.of_policy(policy, policy.files_readable()?)));
        let beside = self
            .used_policies()
            .filter_map(|policy| Some(self.of_policy(policy, policy.beside_root()?)));
        let notes = self.used_for_nothing().into_iter();
        notes.chain(readable).chain(beside)
    }

    /// The policies of the files, and that of the environment if an endpoint or a rule names it.
    pub fn used_policies(&self) -> impl Iterator<Item = &ConfiguredPolicy> {
        let of_endpoints = self.endpoints.iter().map(|endpoint| endpoint.policy);
        let mut named = of_endpoints.chain(self.rules.iter().map(|rule| rule.policy));
        let is_default_used = named.any(|id| id == PolicyId::DEFAULT);
        let policies = self.policies.iter().map(|(_, policy)| policy);
        policies.filter(move |policy| is_default_used || policy.place.is_some())
    }

    /// A warning for each policy that reaches root on the host.
    pub fn dangers(&self) -> impl Iterator<Item = String> {
        let policies = self.used_policies();
        policies.filter_map(|policy| Some(self.of_policy(policy, policy.root_on_host()?)))
    }

    /// An alarm for each policy that denies nothing.
    pub fn alarms(&self) -> impl Iterator<Item = String> {
        self.policies
            .iter()
            .filter_map(|(_, policy)| policy.alarm())
    }

    /// A note, if variables are used for nothing: some of them, in one line.
    pub fn used_for_nothing(&self) -> Option<String> {
        const MOST: usize = 20;
        let shown = self.unused.get(..MOST).unwrap_or(&self.unused).join(" ");
        let more = match self.unused.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!shown.is_empty()).then(|| format!("unused variables: {shown}{more}"))
    }
}

impl Endpoint {
    /// `tcp://[::]:2376: TLS, certificate valid until 2027-01-01T00:00:00Z, client certificates required`
    pub(super) fn of_tls(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        let until = tls.expires();
        let until = until.map_or_else(String::new, |at| format!(", certificate valid until {at}"));
        let clients = match tls.client_auth {
            None => "",
            Some(ClientAuth::Required) => ", client certificates required",
            Some(ClientAuth::Optional) => ", client certificates optional",
        };
        Some(format!("{}: TLS{until}{clients}", self.listen))
    }
}

impl ConfiguredPolicy {
    /// What it grants, in a few lines.
    fn summary(&self) -> Vec<String> {
        let mut lines = self.sources.granted();
        if let Some(why) = self.sources.unprotected {
            // What the variables grant is not what is allowed then.
            let without = format!("without {}: ", why.variable());
            // Mutators protect nothing, so they hold in any case.
            let only_without = lines
                .iter_mut()
                .filter(|line| !line.starts_with("mutator "));
            only_without.for_each(|line| line.insert_str(0, &without));
            let by = self.notation().set(why.variable(), 1);
            lines.insert(0, format!("reads and writes: everything ({by})"));
        }
        lines
    }
}

impl Sources {
    /// What each dialect grants.
    fn granted(&self) -> Vec<String> {
        let mut lines = self.granted_by_variables();
        for (dialect, active, contributes) in self.dialects().iter().skip(1) {
            let named_below = *dialect == "presets" && !self.presets.chosen.is_empty();
            if *active && !named_below {
                lines.push(format!("{dialect}: {contributes}"));
            }
        }
        lines.extend(self.presets_granted());
        let middleware = self.middleware.shown();
        lines.extend(middleware.map(|(kind, one)| format!("{kind} {one}")));
        lines
    }

    /// What each preset grants: `preset traefik: PING VERSION EVENTS LIST INSPECT`.
    pub fn presets_granted(&self) -> impl Iterator<Item = String> {
        let line = |preset: &Preset| {
            let set = match self.deny_root && preset.sets_deny_root() {
                true => format!(", with {DENY_ROOT}"),
                false => String::new(),
            };
            format!("preset {}: {}{set}", preset.name, preset.grants.join(" "))
        };
        self.presets().map(line)
    }

    /// What the section variables and actions grant.
    fn granted_by_variables(&self) -> Vec<String> {
        let names = |sections: &[&Section]| match sections {
            [] => "none".to_owned(),
            some => some
                .iter()
                .map(|section| section.name)
                .collect::<Vec<_>>()
                .join(" "),
        };
        let granted: Vec<&Section> = self.grants.sections().collect();
        let others = self.has_others() || ACTIONS.iter().any(|action| self.grants.on(action.allow));
        let writes = match (self.grants.on(POST), others) {
            (true, _) => names(&granted),
            (false, false) => "none (POST=0)".to_owned(),
            // Some of those may be writes.
            (false, true) => "none except the following (POST=0)".to_owned(),
        };
        let mut lines = Vec::new();
        if self.grants.active {
            lines.push(format!("reads: {}", names(&granted)));
            lines.push(format!("writes: {writes}"));
        }
        if self.deny_root {
            lines.push(format!(
                "{DENY_ROOT}: nothing that gives control of the host"
            ));
        }
        for one in &self.rules {
            let (name, on) = (&one.rule.name, one.on.join(", "));
            lines.push(format!("{name}: judges {on}"));
        }
        for action in ACTIONS {
            let (allow, deny) = (action.allow, action.deny);
            if self.grants.on(deny) {
                lines.push(format!("{deny}: {}", Route::list(action.denied())));
            } else if self.grants.on(allow) {
                lines.push(format!("{allow}: {}", Route::list(action.routes)));
            }
        }
        lines
    }
}
