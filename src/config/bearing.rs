//! The warnings that are relevant to a request: those about a variable that could grant or deny it.

use super::diagnostics::Diagnostic;
use super::dialect::presets::PRESET;
use super::dialect::sections::POST;
use super::dialect::wollomatic::flags::method_of;
use super::settings::Settings;
use super::sources::ConfiguredPolicy;
use super::table::{Dialect, Setting};
use crate::api::sections::{ACTIONS, REQUIREMENTS, Route, SECTIONS};
use crate::api::{Methods, Target};
use crate::policy::Unprotected;

impl Settings {
    /// The warnings that bear on a policy's verdict about a request, so that somebody who is surprised by
    /// the verdict sees them.
    pub fn warnings_about<'a>(
        &'a self,
        policy: &'a ConfiguredPolicy,
        target: &'a Target,
    ) -> impl Iterator<Item = &'a Diagnostic> {
        let of_file = policy.place.as_ref().map(|_| &*policy.name);
        self.warnings.iter().filter(move |warning| {
            if warning.policy.as_deref() != of_file {
                return false;
            }
            let names = [Some(warning.variable.as_str()), warning.meant];
            names
                .into_iter()
                .flatten()
                .any(|name| decides(name, target))
        })
    }
}

/// Whether a variable or flag can affect the verdict on a request.
fn decides(name: &str, target: &Target) -> bool {
    let Some(method) = target.method() else {
        return false;
    };
    let on = |routes: &[Route]| {
        let mut routes = routes.iter();
        routes.any(|route| route.spans(method, target.path()))
    };
    let by_section = || {
        let section = SECTIONS.iter().find(|section| section.name == name);
        section.is_some_and(|section| section.paths.iter().any(|path| is_below(target, path)))
    };
    let by_action = || {
        let own = |variable: &str| variable == name;
        let mut actions = ACTIONS.iter();
        let action = actions.find(|action| own(action.allow) || own(action.deny));
        action.is_some_and(|action| on(action.routes) || on(action.deny_also))
    };
    let by_hole = || {
        let mut holes = REQUIREMENTS.iter().filter(|hole| hole.also == name);
        holes.any(|hole| on(hole.routes))
    };
    let by_method = || {
        let pattern = name.strip_prefix("-allow").or(method_of(name));
        // `DELETE` and `ALLOW_DELETE` are variables of other proxies.
        let word = name.strip_prefix("ALLOW_").unwrap_or(name);
        pattern.unwrap_or(word) == method.as_str()
            || (name == POST && Methods::WRITES.contains(method))
    };
    let for_all = || {
        let flag = name.strip_prefix('-');
        let is_called =
            |setting: &Setting| setting.name == name || flag.is_some() && setting.flag == flag;
        let profile = Setting::of(Dialect::Knrdl).any(is_called);
        let rules = Setting::of(Dialect::Cetusguard).any(is_called);
        let unprotected = Unprotected::ALL.iter().any(|why| why.variable() == name);
        name == PRESET || profile || rules || unprotected
    };
    by_section() || by_action() || by_hole() || by_method() || for_all()
}

fn is_below(target: &Target, path: &str) -> bool {
    let rest = target.path().strip_prefix(path.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
