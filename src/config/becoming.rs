//! What a client does to become another one, where clients are told apart by what their containers are. The
//! warnings about client rules and about lists by labels go by the same table.

use super::sources::ConfiguredPolicy;

/// An action, and what a client does with it.
pub(super) type Does = (&'static str, &'static str);

/// What gets it a container with another one's labels, or into it.
pub(super) const BECOMES: [Does; 5] = [
    ("CREATE", "create containers"),
    ("SERVICE_CREATE", "create services"),
    ("SERVICE_UPDATE", "update services"),
    ("BUILD", "build images"),
    GETS_IN,
];
/// What it does to run as one that is there.
pub(super) const GETS_IN: Does = ("EXEC", "run commands in containers");
/// What it does to get one into another network, or another one out of it.
pub(super) const CONNECTS: Does = ("NETWORK_CONNECT", "connect networks");
/// What it does to take another one's name.
pub(super) const RENAMES: Does = ("RENAME", "rename containers");

/// Which of these policies let their clients do it, each with the first thing that it lets them do.
pub(super) fn who_can<'a>(
    policies: impl Iterator<Item = &'a ConfiguredPolicy>,
    does: &[Does],
) -> Option<String> {
    let by = policies.filter_map(|policy| {
        let mut can = does.iter().filter(|(action, _)| policy.reaches(action));
        let (_, does) = can.next()?;
        Some(format!("policy {} can {does}", policy.name))
    });
    let by = by.collect::<Vec<_>>().join(", ");
    (!by.is_empty()).then_some(by)
}

/// Whether `DENY_ROOT` or a scope keeps a policy's clients from it.
pub(super) fn is_held(policy: &ConfiguredPolicy) -> bool {
    policy.sources.deny_root || policy.demands.scope.is_some()
}
