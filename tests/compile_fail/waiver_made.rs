use dockgate::config::Settings;
use dockgate::policy::{Policy, Unprotected};

pub fn give_up(policy: Policy, settings: Settings) -> Policy {
    let _ = (Unprotected::DryRun, &settings.policies.default().sources.unprotected);
    policy.unprotected(Unprotected::DryRun)
}

fn main() {}
