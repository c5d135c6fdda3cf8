//! What the limits are: as they are set, or what `DENY_ROOT` makes of those that are not.

use super::Limits;
use crate::api::fields::{
    HOST_CONFIG, Harmless, LOG_CONFIG, NETWORK_CREATE, Object, VOLUME_CREATE,
};

impl Limits {
    /// Each limit that holds, and what it lists. Those that are not set are what `DENY_ROOT` makes of
    /// them: without reach.
    pub fn in_force(&self) -> Vec<(&'static str, String)> {
        let mut all = self.set();
        if !self.deny_root {
            return all;
        }
        let empty = [
            self.bind_from.variable,
            self.cap_add.variable,
            self.devices.variable,
            self.namespaces.variable,
            self.security.variable,
            self.runtimes.variable,
        ];
        let listed = [
            (self.log_drivers.variable, harmless(&LOG_CONFIG, "type")),
            (
                self.volume_drivers.variable,
                harmless(&VOLUME_CREATE, "driver"),
            ),
            (
                self.network_drivers.variable,
                harmless(&NETWORK_CREATE, "driver"),
            ),
            (self.sysctls.variable, harmless(&HOST_CONFIG, "sysctls")),
        ];
        let empty = empty.map(|variable| (variable, "none".to_owned()));
        for (variable, entries) in empty.into_iter().chain(listed) {
            if !all.iter().any(|(own, _)| *own == variable) {
                all.push((variable, entries));
            }
        }
        let place = |variable: &str| Limits::VARIABLES.iter().position(|own| *own == variable);
        all.sort_by_key(|(variable, _)| place(variable));
        all
    }
}

/// The values of a field without reach, as a list.
fn harmless(object: &Object, folded: &str) -> String {
    let values = object.field(folded).map_or(&[][..], |field| field.harmless);
    let texts = values.iter().map(|value| match value {
        Harmless::Int(number) => number.to_string(),
        Harmless::Text(text) => (*text).to_owned(),
        Harmless::Start(start) => format!("{start}*"),
    });
    texts.collect::<Vec<String>>().join(", ")
}
